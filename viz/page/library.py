"""What comes with the page: example pictures, a finished answer, and the masks known for a picture by its file name."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio.utils import get_upload_folder
from PIL import Image

from clvs_core.bundled import ASSETS
from clvs_core.errors import ClvsError
from clvs_core.key_objects import CocoInstances
from clvs_core.pictures import FORMATS, stored_orientation
from viz.viewer.contract import Expected

SCENES = ASSETS / "scenes"
FIRST = ASSETS / "traces" / "first.json"
SHOWN_COCO = 24
ANYTHING = (  # questions about any picture
    "What is in the picture?",
    "Is there a person in the picture?",
    "Is there a dog in the picture?",
    "What color is the car?",
)


def file_url(path: str | Path) -> str:
    """The address of a file that Gradio serves; relative, so that it also works behind a proxy's prefix."""
    return f"gradio_api/file={quote(str(path))}"


@dataclass(frozen=True)
class Scene:
    """An example picture: its file, what to call it, and questions worth asking.

    expected: what is true of those whose answer is known (`viz.viewer.contract.Expected`).
    """

    path: Path
    title: str
    questions: tuple[str, ...]
    expected: Mapping[str, Expected] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def suggestions(self) -> list[dict[str, Any]]:
        """The questions as `viz.page.widgets.Chips` shows them."""
        known = {"answer": "", "note": "", "less": False}
        return [{"question": text, "less": self.expected.get(text, known)["less"]} for text in self.questions]

    @property
    def url(self) -> str:
        """Where the page finds the file."""
        return file_url(self.path)

    @cached_property
    def thumbnail(self) -> str:
        """A data URL of the middle square, small enough to travel inside the page."""
        with Image.open(self.path) as picture:
            picture.draft("RGB", (256, 256))
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            square = picture.convert("RGB").crop((left, top, left + side, top + side)).resize((112, 112))
        out = io.BytesIO()
        square.save(out, "WEBP", quality=78)
        return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


@dataclass(frozen=True)
class FirstAnswer:
    """The finished example that is on the page before any model has been loaded (`viz.page.first_answer` makes it).

    A stored payload, and the scene, question, model and depth it was made with.
    """

    scene: str
    question: str
    model: str
    layers: int
    payload: Mapping[str, Any]


class Library:
    """Bundled scenes first, then, where a COCO folder was given at start, some of its annotated pictures.

    Raises ClvsError, one sentence, when a file given at start cannot be used.
    """

    def __init__(
        self,
        folder: Path = SCENES,
        coco_annotations: str | Path | None = None,
        coco_images: str | Path | None = None,
    ):
        self.folder = Path(folder).resolve()
        self.scenes = _scenes(self.folder)
        self._bundled = CocoInstances(self.folder / "instances.json", source="scenes")
        self._coco = CocoInstances(coco_annotations) if coco_annotations else None
        self.coco_folder = Path(coco_images).resolve() if coco_images else None
        self.coco_scenes = self._coco_scenes()

    @property
    def examples(self) -> tuple[Scene, ...]:
        return (*self.scenes, *self.coco_scenes)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of objects that the bundled scenes are made of."""
        return tuple(sorted(self._bundled.categories))

    @cached_property
    def _by_path(self) -> dict[Path, Scene]:
        return {scene.path: scene for scene in self.examples}

    @property
    def decays(self) -> str:
        """Where the page finds the attention curves of the bundled questions (`assets.recipes.looks`); "" for none."""
        path = self.folder / "decays.json"
        return file_url(path) if path.is_file() else ""

    def named(self, name: str | None) -> Scene | None:
        return next((scene for scene in self.examples if scene.name == name), None)

    def at(self, path: str | Path | None) -> Scene | None:
        """The example whose file this is, or None for a visitor's own picture."""
        return self._by_path.get(Path(path).resolve()) if path else None

    def sent(self, path: Any) -> Path | None:
        """The picture that a browser or a script names, which may write any path: an upload or an example, or None."""
        if not isinstance(path, str) or not os.path.isfile(path):
            return None
        file = Path(path).resolve()
        uploaded = file.is_relative_to(Path(get_upload_folder()).resolve())
        return file if uploaded or self.at(file) else None

    def expected(self, path: str | Path | None, question: str) -> Expected | None:
        """What is true of a question about a picture, where exactly this one is known."""
        scene = self.at(path)
        return None if scene is None else scene.expected.get(question)

    def suggests(self, question: str) -> bool:
        """Whether the page, and not a visitor, thought of a question."""
        return question in ANYTHING or any(question in scene.questions for scene in self.examples)

    def is_bundled(self, path: str | Path | None) -> bool:
        return bool(path) and self.at(path) in self.scenes

    def first_answer(self) -> FirstAnswer:
        """The stored one, its picture's address set to where the page finds it. ClvsError when it cannot be read."""
        try:
            first = FirstAnswer(**json.loads(FIRST.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ClvsError(
                f"The recorded example cannot be read ({error}); run python -m viz.page.first_answer."
            ) from None
        scene = self.named(first.scene)
        if scene is None:
            raise ClvsError("The recorded example's scene is gone; run python -m viz.page.first_answer.")
        payload = {**first.payload, "image": {**first.payload["image"], "url": scene.url}}
        return replace(first, payload=payload)

    def objects(self, path: str | Path, width: int, height: int) -> list[Any]:
        """Key objects known for this picture, largest first; none for most of the visitors' own pictures."""
        name = Path(path).name
        if self.is_bundled(path):
            return self._bundled.find(name, width, height)
        if self._coco is None or name not in self._coco:
            return []
        try:
            return self._coco.look(str(path), width, height, orientation=_orientation(Path(path))).objects
        except ClvsError:  # somebody's own picture that happens to have a COCO name
            return []

    def categories(self, path: str | Path) -> tuple[str, ...]:
        """What an object of this picture could be called: the categories of its annotation, () where there is none."""
        if self.is_bundled(path):
            return self._bundled.categories
        return self._coco.categories if self._coco is not None and Path(path).name in self._coco else ()

    def _coco_scenes(self) -> tuple[Scene, ...]:
        if self.coco_folder is None:
            return ()
        if not self.coco_folder.is_dir():
            raise ClvsError(
                f"The folder of COCO pictures {str(self.coco_folder)!r} does not exist; check --coco-images."
            )
        if self._coco is None:
            raise ClvsError("--coco-images needs --coco-annotations, a file like instances_val2014.json.")
        pictures = sorted(p for p in self.coco_folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
        known = [path for path in pictures if path.name in self._coco][:SHOWN_COCO]
        if not known:
            raise ClvsError(f"No picture in {str(self.coco_folder)!r} is annotated; check --coco-images.")
        return tuple(Scene(path, f"COCO {path.stem[-12:].lstrip('0')}", self._questions(path)) for path in known)

    def _questions(self, path: Path) -> tuple[str, ...]:
        assert self._coco is not None
        try:
            names = [item.name for item in self._coco.look(str(path)).objects][:2]
        except ClvsError:  # several pictures have this name
            names = []
        return (*(f"Is there {_article(name)} {name} in the image?" for name in names), ANYTHING[2])


def _orientation(path: Path) -> int:
    """How a picture is stored, upright where there is no file of it."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return stored_orientation(picture)
    except OSError:
        return 1


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def _scenes(folder: Path) -> tuple[Scene, ...]:
    listing = folder / "questions.json"
    try:
        entries: Sequence[Any] = json.loads(listing.read_text(encoding="utf-8"))
        scenes = tuple(_scene(folder, entry) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClvsError(f"The example scenes in {str(folder)!r} cannot be read ({error}); reinstall the app.") from None
    return scenes


def _scene(folder: Path, entry: Mapping[str, Any]) -> Scene:
    asked: dict[str, Expected] = {
        q["question"]: {"answer": q["answer"], "note": q["note"], "less": q.get("less", False)}
        for q in entry["questions"]
    }
    return Scene(folder / entry["file_name"], entry["title"], tuple(asked), asked)
