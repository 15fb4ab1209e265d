"""The example scenes of assets/scenes, composed by hand: `python -m assets.recipes.examples`.

Writes the pictures, `instances.json` (COCO format, masks as RLE, COCO's category ids) and `questions.json`. The true
answers are worked out from the scene, never typed in. Coordinates are in units of 8 pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .artwork import Artwork, fetch
from .categories import BY_NAME, CATEGORIES
from .facts import counts, in_contact, place
from .questions import DIRECTIONS, RELATIONS, ahead
from .render import Background, Ground, Scene, Thing, boxes, gaps, render
from .tokenizer import COUNTS, build_tokenizer

FOLDER = Path(__file__).resolve().parents[1] / "scenes"
SCALE, QUALITY = 8, 90
DOWN = float(np.pi / 2)


def _background(sky: tuple, low: tuple, *grounds: Ground) -> Background:
    return Background(sky, low, DOWN, 7, grounds)


def _ground(colour: tuple, level: float, wave: float = 0.0, phase: float = 0.0, turns: float = 1.0) -> Ground:
    return Ground(colour, level, wave, phase, turns)


_BLUE, _PALE, _PEACH = (190, 220, 250), (236, 246, 255), (255, 214, 184)
BACKGROUNDS = {
    "meadow": _background(_BLUE, _PALE, _ground((152, 206, 126), 0.58, 0.04, 0.6)),
    "hill": _background(_BLUE, _PALE, _ground((140, 198, 150), 0.5, 0.05, 3.6, 0.8)),
    "sunset": _background((255, 196, 170), (255, 236, 212), _ground((206, 176, 118), 0.62, 0.03, 2.0)),
    "sea": _background((200, 226, 250), _PALE, _ground((122, 188, 224), 0.52)),
    "beach": _background(_BLUE, _PALE, _ground((236, 216, 166), 0.6, 0.03, 1.0)),
    "road": _background((206, 226, 246), (240, 246, 252), _ground((172, 176, 186), 0.64)),
    "room": _background((240, 228, 214), (250, 242, 230), _ground((204, 170, 132), 0.7)),
    "blue room": _background((206, 222, 236), (228, 238, 246), _ground((196, 166, 136), 0.72)),
    "table": _background((250, 236, 220), (254, 246, 236), _ground((206, 164, 120), 0.55)),
    "mint table": _background((204, 236, 222), (228, 246, 238), _ground((226, 206, 180), 0.56)),
    "pink": _background((252, 220, 226), (246, 230, 246)),
    "lilac": _background((226, 216, 246), (240, 234, 252), _ground((186, 172, 214), 0.66)),
    "evening": _background((112, 116, 176), (196, 168, 198), _ground((116, 130, 160), 0.66, 0.03, 4.0)),
    "snow": _background((196, 216, 240), (222, 234, 248), _ground((244, 248, 252), 0.6, 0.04, 5.0)),
    "mint": _background((206, 240, 226), (232, 248, 240)),
}


@dataclass(frozen=True)
class Example:
    """`things` are (name, look, size, x, y[, colour[, mirrored]]); `asked` maps a question to a remark or ""."""

    title: str
    background: str
    things: tuple[tuple, ...]
    asked: dict[str, str]
    width: int = 96
    height: int = 96

    @property
    def file_name(self) -> str:
        return self.title.lower().replace(" ", "-") + ".jpg"


def build(example: Example) -> Scene:
    """The scene of an example; the boxes are filled in by `draw`."""
    scene = Scene(example.width, example.height, BACKGROUNDS[example.background])
    for name, look, size, x, y, *rest in example.things:
        colour, mirror = (*rest, None, False)[:2] if len(rest) < 2 else rest
        code, natural = list(BY_NAME[name].artwork.items())[look]
        scene.things.append(Thing(name, code, size, x, y, bool(mirror), colour, natural=natural))
    return scene


def draw(example: Example, artwork: Artwork, scale: int = SCALE) -> tuple[Scene, np.ndarray, np.ndarray]:
    """(scene, picture (H, W, 3) uint8, owner (H, W) int8)."""
    scene = build(example)
    picture, owner = render(scene, artwork, scale)
    scene.boxes = [tuple(side / scale for side in box) for box in boxes(owner, len(scene.things))]
    scene.gaps = np.ceil(gaps(owner, len(scene.things)) / scale)
    return scene, picture, owner


def true_answer(scene: Scene, question: str) -> str:
    """What is true of `scene`, for the kinds of question that questions.py asks. Raises ValueError for others."""
    words = " ".join(_WORDS.convert_ids_to_tokens(_WORDS(question, add_special_tokens=False)["input_ids"]))
    words = words.replace("_", " ")
    number, looks = counts(scene), {(t.true_colour, t.name) for t in scene.things}
    if found := re.fullmatch(r"(?:is there|are there|do you see|can you see) an? (.+?)(?: in the picture)?", words):
        colour, _, name = found[1].partition(" ")
        return _yes_no(found[1] in number or (colour, name) in looks)
    if found := re.fullmatch(r"how many (.+?) (?:are|do you see).*", words):
        return ("zero", *COUNTS)[number.get(found[1], 0)]
    if found := re.fullmatch(r"what color is the (.+)", words):
        if colour := _only(scene, found[1])[1].true_colour:
            return colour
        raise ValueError(f"no single colour word is fair for the {found[1]}")
    if found := re.fullmatch(r"where is the (.+?)(?: in the picture)?", words):
        return place(scene, _only(scene, found[1])[0])
    if words in ("what is in the picture", "what do you see", "what objects are in the picture"):
        return " and ".join(number)
    if found := re.fullmatch(r"is there direct contact between the (.+) and the (.+)", words):
        touching = in_contact(scene, *(_only(scene, name)[0] for name in found.groups()))
        if touching is None:
            raise ValueError(f"the {found[1]} and the {found[2]} are too close to say whether they touch")
        return _yes_no(touching)
    for phrase in DIRECTIONS:
        if found := re.fullmatch(rf"what is {phrase} the (.+)", words):
            kinds = ahead(scene, _only(scene, found[1])[0], phrase)
            if len(kinds) != 1 or None in kinds:
                raise ValueError(f"more or less than one kind of object is {phrase} the {found[1]}")
            return kinds.pop()
    for phrase, (axis, sign) in RELATIONS.items():
        if found := re.fullmatch(rf"is the (.+) {phrase} the (.+)", words):
            first, second = (_only(scene, name)[0] for name in found.groups())
            return _yes_no((scene.centre(first)[axis] - scene.centre(second)[axis]) * sign > 0)
    if found := re.fullmatch(r"is the (.+) (\w+)", words):
        return _yes_no(_only(scene, found[1])[1].true_colour == found[2])
    raise ValueError(f"cannot work out the answer of {question!r}; ask it in one of the forms of questions.py")


_WORDS = build_tokenizer()


def _yes_no(answer: bool) -> str:
    return "Yes" if answer else "No"


def _only(scene: Scene, name: str) -> tuple[int, Thing]:
    found = [(index, thing) for index, thing in enumerate(scene.things) if thing.name == name]
    if len(found) != 1:
        raise ValueError(f"the scene has {len(found)} of {name!r}; a question about 'the' needs one")
    return found[0]


def annotations(owner: np.ndarray, scene: Scene, image: int, first: int) -> list[dict]:
    """COCO annotations of one picture, masks as compressed RLE."""
    from pycocotools import mask as rle

    found = []
    for index, thing in enumerate(scene.things):
        mask = owner == index
        code = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
        entry = {"id": first + index, "image_id": image, "category_id": BY_NAME[thing.name].coco_id, "iscrowd": 0}
        entry["segmentation"] = {"size": list(map(int, code["size"])), "counts": code["counts"].decode("ascii")}
        entry["bbox"], entry["area"] = rle.toBbox(code).tolist(), int(mask.sum())
        found.append(entry)
    return found


def write(
    examples: tuple[Example, ...], artwork: Artwork, folder: Path = FOLDER, shown: Sequence[str] | None = None
) -> None:
    """Pictures, instances.json and questions.json, which lists the titles in `shown` in that order."""
    folder.mkdir(parents=True, exist_ok=True)
    images, marks, asked = [], [], []
    for number, example in enumerate(examples, 1):
        scene, picture, owner = draw(example, artwork)
        Image.fromarray(picture).save(folder / example.file_name, quality=QUALITY, subsampling=0, optimize=True)
        size = {"width": picture.shape[1], "height": picture.shape[0]}
        images.append({"id": number, "file_name": example.file_name, **size})
        marks += annotations(owner, scene, number, len(marks) + 1)
        questions = [
            {"question": text, "answer": true_answer(scene, text), "note": note} for text, note in example.asked.items()
        ]
        asked.append({"file_name": example.file_name, "title": example.title, "questions": questions})
    if shown is not None:
        asked.sort(key=lambda entry: shown.index(entry["title"]))
    categories = [{"id": c.coco_id, "name": c.name, "supercategory": "object"} for c in CATEGORIES]
    info = {"description": "CLVS Explorer's example scenes, rendered from Fluent Emoji (MIT)", "version": "1"}
    instances = {"info": info, "images": images, "annotations": marks, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(instances, separators=(",", ":")))
    (folder / "questions.json").write_text(json.dumps(asked, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    from .compositions import EXAMPLES, SHOWN

    write(EXAMPLES, Artwork(fetch()), shown=SHOWN)


if __name__ == "__main__":
    main()
