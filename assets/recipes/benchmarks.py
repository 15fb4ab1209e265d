"""Fresh scenes in the four file formats of the paper's benchmarks, to run a benchmark on without their data.

`python -m assets.recipes.benchmarks --seed 1 --images 500 --out DIR` writes four folders, the same for the same
arguments. No scene of training is among them: their random streams begin with SEEDS. What is asked is worked out from
the picture as saved: boxes and distances are measured on the masks, at the pictures' own size.

    amber/    image/AMBER_1.jpg ..., data/query/query_*.json [{"id", "image", "query"}], data/annotations.json
              [{"id", "type", "truth"}], row i has id i + 1. As in AMBER (junyangwang0410/AMBER @534babf) ids begin with
              a "Describe this image." row for each picture (truth and hallu are lists of names), then come attributes,
              existence (only absent objects, always "a") and relations (touching or apart; "no" rows have the type
              "relation"). Of its attributes, state asks for colours, number for counts; action has no counterpart in
              still scenes and is left out. At most five objects are absent, as there.
    r-bench/  data_filterd/image-level_filterd.json [{"question_id", "qtype", "image", "text", "label"}],
              data_filterd/nocaps_image-level_rel_ids_{1..5}.json (lists of question ids: all "No" in the file's order,
              then as many "Yes", of the same relations where there are enough), images/<16 hex digits>.jpg, as
              mrwu-mac/R-Bench @d9d73c0 has them, but without its duplicate ids and broken rows. "Opposite" rows turn a
              "Positive" row of the same pair around, "Random" rows are about another relation, which does not hold.
    pope/     coco_pope_{random,popular,adversarial}.json (JSON lines {"question_id", "image", "text", "label"}),
              val2014/COCO_val2014_000000000001.jpg ..., six questions a picture, yes and no in turn, absent objects
              chosen by the rules of POPE (AoiDragon/POPE @109985c) with counts over these pictures.
    mme/      MME_Benchmark_release_version/{existence,count,position,color}/<stem>.jpg and <stem>.txt (two lines
              "question<TAB>Yes", "question<TAB>No"), at most 30 pictures each, as MME has. Its fifth task in the
              paper, OCR, is left out: there is nothing to read in these scenes.

Each folder has the masks of its objects as COCO instances: pope/instances_val2014.json, and instances.json in the
others, where names of files are relative to the folder of the pictures (for mme, MME_Benchmark_release_version).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from .artwork import STYLES, TRAINED_STYLES, Artwork, fetch
from .categories import BY_NAME, CATEGORIES, NAMES
from .examples import annotations
from .facts import COLOUR_NAMES, counts, in_contact
from .questions import APART, DIRECTIONS, absent, article
from .render import Scene, boxes, gaps, render, sample_names, sample_scene
from .tokenizer import COUNTS

SEEDS = 3 * 10**7  # first word of every random stream here; training's first words are small or around 10**6
QUALITY, LARGEST_SCALE = 94, 16
OPPOSITE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "above": "below",
    "below": "above",
}
AMBER_ABSENT, AMBER_COLOURS, AMBER_NUMBERS = 5, 3, 2  # at most, of a picture; the last two are pairs of yes and no
RBENCH_POSITIVES, RBENCH_SUBSETS = 3, 5
POPE_KINDS = 3  # of a picture that are asked about, and as many that are absent
POPE_CATEGORIES = ("random", "popular", "adversarial")
MME_TASKS, MME_IMAGES = ("existence", "count", "position", "color"), 30
MME_SIDES = {"to the left of": "on the left side of", "to the right of": "on the right side of"}
MME_SUFFIX = " Please answer yes or no."
Asked = TypeVar("Asked")


class Album:
    """Draws scenes until one suits, saves the pictures in `folder` and keeps their masks."""

    def __init__(self, folder: Path, rng: np.random.Generator, artwork: Artwork, scale: int):
        self.folder, self.rng, self.artwork, self.scale = folder, rng, artwork, scale
        self.images: list[dict] = []
        self.marks: list[dict] = []

    def add(self, file_name: str, ask: Callable[[Scene], Asked | None]) -> Asked:
        """What `ask` says of the first scene of which it says something; the picture is saved as `file_name`."""
        while True:
            scene = sample_scene(self.rng, self.artwork, self._names())
            picture, owner = render(scene, self.artwork, self.scale)
            asked = ask(measured(scene, owner, self.scale))
            if asked:
                break
        path = self.folder / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, quality=QUALITY, subsampling=0)
        number, size = len(self.images) + 1, {"width": picture.shape[1], "height": picture.shape[0]}
        self.images.append({"id": number, "file_name": file_name, **size})
        self.marks += annotations(owner, scene, number, len(self.marks) + 1)
        return asked

    def _names(self) -> list[str]:
        """What a scene shows; some styles lack the drawings of some kinds."""
        while True:
            names = [name for name in sample_names(self.rng) if self.artwork.codes(name)]
            if names:
                return names

    def save(self, path: Path) -> None:
        """The masks, in COCO's instances format."""
        drawn = ", ".join(f"{name} ({STYLES[name].licence})" for name in self.artwork.styles)
        info = {"description": f"CLVS Explorer's held-out scenes, drawn with {drawn}", "version": "1"}
        categories = [{"id": c.coco_id, "name": c.name, "supercategory": "object"} for c in CATEGORIES]
        lists = {"images": self.images, "annotations": self.marks, "categories": categories}
        _dump(path, {"info": info, **lists})


def measured(scene: Scene, owner: np.ndarray, scale: int) -> Scene:
    """The scene with boxes and distances (in units) as they are in its picture, from `owner` (H, W) at `scale`."""
    number = len(scene.things)
    found = [tuple(side / scale for side in box) for box in boxes(owner, number)]
    return replace(scene, boxes=found, gaps=gaps(owner, number) / scale)


def _dump(path: Path, data: object, indent: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=indent) + "\n")


def _pick(rng: np.random.Generator, items):
    return items[int(rng.integers(len(items)))]


def _shuffled(rng: np.random.Generator, items) -> list:
    items = list(items)
    return [items[i] for i in rng.permutation(len(items))]


def _singles(scene: Scene) -> list[int]:
    """The objects that "the" names: the only ones of their kind."""
    number = counts(scene)
    return [index for index, thing in enumerate(scene.things) if number[thing.name] == 1]


def pairs(scene: Scene, touching: bool) -> list[tuple[str, str]]:
    """Names (both ways round) of two objects that touch, or that are plainly apart."""
    able = _singles(scene)
    fair = [(i, j) for i in able for j in able if i != j and in_contact(scene, i, j) is touching]
    return [(scene.things[i].name, scene.things[j].name) for i, j in fair]


def directions(scene: Scene) -> list[tuple[str, str, str]]:
    """(name, one of DIRECTIONS, name) for all that plainly holds."""
    able, found = _singles(scene), []
    for first, second in ((i, j) for i in able for j in able if i != j):
        apart = [scene.centre(first)[axis] - scene.centre(second)[axis] for axis in (0, 1)]
        names = scene.things[first].name, scene.things[second].name
        true = [phrase for phrase, (axis, sign) in DIRECTIONS.items() if apart[axis] * sign > APART]
        found += [(names[0], phrase, names[1]) for phrase in true]
    return found


def _number_phrase(name: str, number: int) -> tuple[str, str]:
    """("Are", "two dogs")."""
    return ("Is", f"one {name}") if number == 1 else ("Are", f"{COUNTS[number - 1]} {BY_NAME[name].plural}")


def _wrong_number(rng: np.random.Generator, number: int, *far: int) -> int:
    return _pick(rng, [n for n in (number - 1, number + 1, *far) if 1 <= n <= len(COUNTS)])


# --- AMBER --------------------------------------------------------------------------------------------


def amber_rows(rng: np.random.Generator, scene: Scene) -> dict[str, list[tuple]]:
    """(query, type, truth, hallu or None) of one picture, by the part of AMBER that they belong to."""
    missing: list[str] = []
    while len(missing) < AMBER_ABSENT:
        name = absent(rng, scene)
        missing += [name] * (name not in missing)
    queries = [f"Is there a {name} in this image?" for name in missing]
    relations = []
    for truth, kind in (("yes", "discriminative-relation"), ("no", "relation")):
        if able := pairs(scene, truth == "yes"):
            first, second = _pick(rng, able)
            text = f"Is there direct contact between the {first} and {second}?"
            relations.append((text, kind, truth, None))
    return {
        "generative": [("Describe this image.", "generative", list(counts(scene)), missing)],
        "attribute": _amber_colours(rng, scene) + _amber_numbers(rng, scene),
        "existence": [(query, "discriminative-hallucination", "no", None) for query in queries],
        "relation": relations,
    }


def _amber_colours(rng: np.random.Generator, scene: Scene) -> list[tuple]:
    """Pairs of yes and no; half of the wrong colours are those of another object, if there is one."""
    able = [scene.things[i] for i in _singles(scene) if scene.things[i].true_colour]
    rows = []
    for thing in _shuffled(rng, able)[:AMBER_COLOURS]:
        others = sorted({t.true_colour for t in scene.things if t.true_colour} - {thing.true_colour})
        free = [colour for colour in COLOUR_NAMES if colour != thing.true_colour]
        wrong = _pick(rng, others if others and rng.random() < 0.5 else free)
        for colour, truth in ((thing.true_colour, "yes"), (wrong, "no")):
            query = f"Is the {thing.name} {colour} in this image?"
            rows.append((query, "discriminative-attribute-state", truth, None))
    return rows


def _amber_numbers(rng: np.random.Generator, scene: Scene) -> list[tuple]:
    """Pairs of yes and no; kinds of which there are several come first."""
    number, rows = counts(scene), []
    for name in sorted(_shuffled(rng, number), key=lambda name: number[name] == 1)[:AMBER_NUMBERS]:
        for said, truth in ((number[name], "yes"), (_wrong_number(rng, number[name]), "no")):
            verb, what = _number_phrase(name, said)
            rows.append((f"{verb} there {what} in this image?", "discriminative-attribute-number", truth, None))
    return rows


def write_amber(folder: Path, images: int, rng: np.random.Generator, artwork: Artwork, scale: int) -> Counter:
    """amber/; returns the number of "yes" and "no"."""
    album = Album(folder / "image", rng, artwork, scale)
    parts: dict[str, list[tuple]] = {"generative": [], "attribute": [], "existence": [], "relation": []}
    for number in range(1, images + 1):
        name = f"AMBER_{number}.jpg"
        for part, rows in album.add(name, lambda scene: amber_rows(rng, scene)).items():
            parts[part] += [(name, *row) for row in rows]
    queries: dict[str, list[dict]] = {}
    truths, first = [], 1
    for part, rows in parts.items():
        queries[part] = [{"id": n, "image": row[0], "query": row[1]} for n, row in enumerate(rows, first)]
        for n, (_, _, kind, truth, hallu) in enumerate(rows, first):
            truths.append({"id": n, "type": kind, "truth": truth} | ({"hallu": hallu} if hallu else {}))
        first += len(rows)
    generative = queries.pop("generative")
    discriminative = [row for rows in queries.values() for row in rows]
    files = {"all": generative + discriminative, "generative": generative, "discriminative": discriminative}
    for part, rows in (files | {f"discriminative-{part}": rows for part, rows in queries.items()}).items():
        _dump(folder / "data" / "query" / f"query_{part}.json", rows, indent=4)
    _dump(folder / "data" / "annotations.json", truths, indent=4)
    album.save(folder / "instances.json")
    return Counter(row["truth"] for row in truths[images:])


# --- R-Bench ------------------------------------------------------------------------------------------


def rbench_rows(rng: np.random.Generator, scene: Scene, apart: bool) -> list[tuple[str, str, str]] | None:
    """(qtype, relation, text) of one picture, true ones first, None if no direction holds in it; `apart` says whether
    the false relation may be "touching", which else would be answered by "No" more often than by "Yes"."""
    truths, touching, asked, rows = _shuffled(rng, directions(scene)), pairs(scene, True), set(), []
    if not truths:
        return None
    if touching:
        rows.append(("Positive", *_rbench_text(_pick(rng, touching), "touching")))
    for first, phrase, second in truths:
        view = frozenset((first, second)), DIRECTIONS[phrase][0]
        if view not in asked and len(rows) < RBENCH_POSITIVES:
            asked.add(view)
            turned = ("Opposite", *_rbench_text((first, second), OPPOSITE[phrase]))
            rows.append(("Positive", *_rbench_text((first, second), phrase)))
    rows.append(turned)
    others = [fact for fact in truths if (frozenset((fact[0], fact[2])), DIRECTIONS[fact[1]][0]) not in asked]
    if len(rows) > 2:  # never more false than true ones
        if apart and (able := pairs(scene, False)):
            rows.append(("Random", *_rbench_text(_pick(rng, able), "touching")))
        elif others:
            first, phrase, second = others[0]
            rows.append(("Random", *_rbench_text((first, second), OPPOSITE[phrase])))
    return rows


def _rbench_text(names: tuple[str, str], relation: str) -> tuple[str, str]:
    return relation, f"Is the {names[0]} {relation} the {names[1]}?"


def rbench_subset(rng: np.random.Generator, rows: list[dict], relations: list[str]) -> list[int]:
    """All ids answered by "No", then as many answered by "Yes"; `relations` are those of `rows`."""
    no = [row["question_id"] for row in rows if row["label"] == "No"]
    wanted = Counter(relation for row, relation in zip(rows, relations, strict=True) if row["label"] == "No")
    yes, spare = [], []
    drawn = _shuffled(rng, zip(rows, relations, strict=True))
    for row, relation in ((row, relation) for row, relation in drawn if row["label"] == "Yes"):
        (yes if wanted[relation] else spare).append(row["question_id"])
        wanted[relation] -= wanted[relation] > 0
    return no + _shuffled(rng, (yes + spare)[: len(no)])


def write_rbench(folder: Path, images: int, rng: np.random.Generator, artwork: Artwork, scale: int) -> Counter:
    """r-bench/; returns the number of "Yes" and "No"."""
    album, data = Album(folder / "images", rng, artwork, scale), folder / "data_filterd"
    rows: list[dict] = []
    relations: list[str] = []
    touching: Counter = Counter()
    names: dict[str, None] = {}
    while len(names) < images:
        names[f"{rng.integers(1 << 63):016x}.jpg"] = None
    for name in names:
        apart = touching["No"] < touching["Yes"]
        for qtype, relation, text in album.add(name, lambda scene, apart=apart: rbench_rows(rng, scene, apart)):
            label = "Yes" if qtype == "Positive" else "No"
            rows.append({"question_id": len(rows), "qtype": qtype, "image": name, "text": text, "label": label})
            relations.append(relation)
            touching[label] += relation == "touching"
    _dump(data / "image-level_filterd.json", rows)
    for number in range(1, RBENCH_SUBSETS + 1):
        _dump(data / f"nocaps_image-level_rel_ids_{number}.json", rbench_subset(rng, rows, relations))
    album.save(folder / "instances.json")
    return Counter(row["label"] for row in rows)


# --- POPE ---------------------------------------------------------------------------------------------


def write_pope(folder: Path, images: int, rng: np.random.Generator, artwork: Artwork, scale: int) -> Counter:
    """pope/; returns the number of "yes" and "no" in its three files together."""
    album = Album(folder / "val2014", rng, artwork, scale)
    names = [f"COCO_val2014_{number:012d}.jpg" for number in range(1, images + 1)]
    shown = {name: album.add(name, _three_kinds) for name in names}
    album.save(folder / "instances_val2014.json")
    return pope_files(folder, rng, shown)


def pope_files(folder: Path, rng: np.random.Generator, shown: dict[str, list[str]]) -> Counter:
    """POPE's three files about pictures that show these kinds; the number of "yes" and "no" in all of them together."""
    asked = {name: _shuffled(rng, present)[:POPE_KINDS] for name, present in shown.items()}
    ranked = {"random": [()] * sum(map(len, asked.values()))} | _ranks(list(shown.values()), list(asked.values()))
    answers: Counter = Counter()
    for category in POPE_CATEGORIES:
        rows, ranks = [], iter(ranked[category])
        for name, positives in asked.items():
            taken = set(shown[name])
            for positive in positives:
                negative = next((kind for kind in next(ranks) if kind not in taken), None)
                negative = negative or _pick(rng, [kind for kind in NAMES if kind not in taken])
                taken.add(negative)
                rows += [(name, positive, "yes"), (name, negative, "no")]
        lines = [
            {"question_id": number, "image": name, "text": f"Is there {article(kind)} in the image?", "label": label}
            for number, (name, kind, label) in enumerate(rows, 1)
        ]
        (folder / f"coco_pope_{category}.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
        answers.update(line["label"] for line in lines)
    return answers


def _three_kinds(scene: Scene) -> list[str] | None:
    found = list(counts(scene))
    return found if len(found) >= POPE_KINDS else None


def _ranks(kinds: list[list[str]], asked: list[list[str]]) -> dict[str, list[list[str]]]:
    """For each positive question, in order, the kinds that POPE asks about as absent, the first choice first: popular,
    those in most pictures; adversarial, those most often in a picture with the object of the positive question."""
    frequency = Counter(kind for present in kinds for kind in present)
    together = {
        kind: Counter(other for present in kinds if kind in present for other in present if other != kind)
        for kind in frequency
    }
    ordered = {kind: _by_count(found) for kind, found in together.items()}
    popular, positives = _by_count(frequency), [kind for three in asked for kind in three]
    return {"popular": [popular] * len(positives), "adversarial": [ordered[kind] for kind in positives]}


def _by_count(found: Counter) -> list[str]:
    return sorted(found, key=lambda kind: (-found[kind], NAMES.index(kind)))


# --- MME ----------------------------------------------------------------------------------------------


def mme_pair(rng: np.random.Generator, scene: Scene, task: str) -> tuple[str, str] | None:
    """Two questions of one of MME_TASKS, the first answered by "Yes", the second by "No"; None if there are none."""
    if task == "existence":
        names = _pick(rng, list(counts(scene))), absent(rng, scene)
        return tuple(f"Is there {article(name)} in this image?" for name in names)
    if task == "count":
        number = counts(scene)
        several = [name for name in number if number[name] > 1]
        name = _pick(rng, several if several and rng.random() < 0.8 else list(number))
        said = number[name], _wrong_number(rng, number[name], number[name] + 2)
        phrases = [_number_phrase(name, n) for n in said]
        return tuple(f"{verb} there {'only ' * (verb == 'Is')}{what} in this image?" for verb, what in phrases)
    if task == "position":
        if not (able := directions(scene)):
            return None
        first, phrase, second = _pick(rng, able)
        phrases = [MME_SIDES.get(said, said) for said in (phrase, OPPOSITE[phrase])]
        return tuple(f"Is the {first} {said} the {second}?" for said in phrases)
    able = [scene.things[i] for i in _singles(scene) if scene.things[i].true_colour]
    if not able:
        return None
    thing = _pick(rng, able)
    wrong = _pick(rng, [colour for colour in COLOUR_NAMES if colour != thing.true_colour])
    looks = (article(f"{colour} {thing.name}") for colour in (thing.true_colour, wrong))
    return tuple(f"Is there {look} in the image?" for look in looks)


def write_mme(folder: Path, images: int, rng: np.random.Generator, artwork: Artwork, scale: int) -> Counter:
    """mme/; no two pictures have the same stem, so that their masks can be told apart by it."""
    root = folder / "MME_Benchmark_release_version"
    album, answers = Album(root, rng, artwork, scale), Counter()
    for task in MME_TASKS:
        for _ in range(images):
            stem = f"{task}/{len(album.images) + 1:012d}"
            asked = album.add(f"{stem}.jpg", lambda scene, task=task: mme_pair(rng, scene, task))
            lines = [f"{text}{MME_SUFFIX}\t{answer}\n" for text, answer in zip(asked, ("Yes", "No"), strict=True)]
            (root / f"{stem}.txt").write_text("".join(lines))
            answers.update(("Yes", "No"))
    album.save(folder / "instances.json")
    return answers


# --- all four -----------------------------------------------------------------------------------------


def write(seed: int, images: int, out: Path, artwork: Artwork, scale: int = 4) -> None:
    """The four benchmarks' folders in `out`, each with a line about it printed."""
    writers = {"amber": write_amber, "r-bench": write_rbench, "pope": write_pope, "mme": write_mme}
    for number, (name, writer) in enumerate(writers.items(), 1):
        wanted = min(images, MME_IMAGES) if name == "mme" else images
        answers = writer(out / name, wanted, np.random.default_rng([SEEDS, seed, number]), artwork, scale)
        pictures = len(list((out / name).rglob("*.jpg")))
        answers = Counter({answer.lower(): count for answer, count in answers.items()})
        counted = f"{answers['yes']} yes, {answers['no']} no"
        print(f"{name}: {pictures} images, {answers.total()} questions ({counted})", flush=True)


def complaint(seed: int, images: int, out: Path, scale: int) -> str | None:
    """What is wrong with the arguments, None if nothing is."""
    if images < 1:
        return f"--images must be at least 1, not {images}."
    if seed < 0:
        return f"--seed must not be negative, and {seed} is."
    if not 1 <= scale <= LARGEST_SCALE:
        return f"--scale must be between 1 and {LARGEST_SCALE}, not {scale}."
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        return f"{out} is there already and not an empty folder; give --out a new one."
    return None


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m assets.recipes.benchmarks",
        description="Write fresh scenes in the file formats of AMBER, R-Bench, POPE and MME.",
    )
    parser.add_argument("--seed", type=int, required=True, help="other scenes for every seed")
    parser.add_argument("--images", type=int, required=True, help="pictures of each benchmark; MME: 30 a task at most")
    parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")
    parser.add_argument("--style", nargs="+", choices=STYLES, default=TRAINED_STYLES, help="of the objects' drawings")
    parser.add_argument("--scale", type=int, default=4, help="pictures are 96 pixels wide times this")
    options = parser.parse_args(arguments)
    if problem := complaint(options.seed, options.images, options.out, options.scale):
        raise SystemExit(problem)
    try:
        artwork = Artwork(fetch(), tuple(options.style))
    except RuntimeError as error:
        raise SystemExit(str(error)) from error
    write(options.seed, options.images, options.out, artwork, options.scale)
    print(options.out)


if __name__ == "__main__":
    main()
