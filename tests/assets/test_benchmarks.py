"""The scenes benchmark: the four formats, and answers that hold in the saved pictures.

What is true is worked out here from the masks and the pixels of the pictures alone. The artwork is not needed: objects
are plain squares of one colour.
"""

import itertools
import json
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from scipy.ndimage import binary_dilation

from assets.recipes import benchmarks
from assets.recipes.artwork import TRAINED_STYLES
from assets.recipes.categories import BY_NAME, CATEGORIES, COLOURS
from assets.recipes.tokenizer import COUNTS, build_tokenizer
from clvs_core.key_objects import CocoInstances

IMAGES, SCALE = 36, 2
SINGULAR = {category.plural: category.name for category in CATEGORIES}
SHARED = Path(os.environ.get("CLVS_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


class Squares:
    """Stands in for Artwork: every object is a full square of its colour."""

    def __init__(self, styles=("fluent-3d", "noto"), without=()):
        self.styles, self.without = styles, without

    def codes(self, name):
        return [] if name in self.without else [(s, code) for s in self.styles for code in BY_NAME[name].artwork]

    def natural(self, style, code):
        return next(c.artwork[code] for c in CATEGORIES if code in c.artwork)

    def sprite(self, style, code, size, mirror, colour, tilt):
        mask = np.zeros((size + 4, size + 4), bool)
        mask[2:-2, 2:-2] = True
        rgb = np.array(COLOURS[colour or self.natural(style, code) or "gray"]) / 255
        return np.append(rgb, 1).astype(np.float16) * mask[..., None], mask, 2


@dataclass
class Shown:
    """One object of a picture: its kind, mask (H, W) and colour, as anyone can see them."""

    name: str
    mask: np.ndarray
    colour: str

    @property
    def centre(self):
        """(x, y) of the middle of its box."""
        rows, columns = np.nonzero(self.mask)
        return (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2


def _objects(instances: Path, pictures: Path) -> dict[str, list[Shown]]:
    data = json.loads(instances.read_text())
    names = {category["id"]: category["name"] for category in data["categories"]}
    found = {}
    for image in data["images"]:
        pixels = np.asarray(Image.open(pictures / image["file_name"])).astype(int)
        assert pixels.shape == (image["height"], image["width"], 3) == (96 * SCALE, 96 * SCALE, 3)
        shown = found[image["file_name"]] = []
        for mark in (mark for mark in data["annotations"] if mark["image_id"] == image["id"]):
            mask = rle.decode(mark["segmentation"]).astype(bool)
            assert mark["area"] == mask.sum() > 0
            look = np.median(pixels[mask], 0)
            colour = min(COLOURS, key=lambda name: np.abs(look - COLOURS[name]).sum())
            shown.append(Shown(names[mark["category_id"]], mask, colour))
    return found


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    benchmarks.write(5, IMAGES, folder, Squares(), SCALE)
    return folder


@pytest.fixture(scope="module")
def shown(out):
    """Objects by benchmark and file name."""
    places = {
        "amber": ("instances.json", "image"),
        "r-bench": ("instances.json", "images"),
        "pope": ("instances_val2014.json", "val2014"),
        "mme": ("instances.json", "MME_Benchmark_release_version"),
    }
    return {name: _objects(out / name / file, out / name / folder) for name, (file, folder) in places.items()}


def _amber(out):
    """(query rows, annotation rows) of everything."""
    data = out / "amber" / "data"
    return tuple(json.loads((data / name).read_text()) for name in ("query/query_all.json", "annotations.json"))


def _rbench(out):
    return json.loads((out / "r-bench" / "data_filterd" / "image-level_filterd.json").read_text())


def _pope(out, category):
    return [json.loads(line) for line in (out / "pope" / f"coco_pope_{category}.json").read_text().splitlines()]


def _mme(out):
    """(file name, question, answer) of every line."""
    root = out / "mme" / "MME_Benchmark_release_version"
    for file in sorted(root.rglob("*.txt")):
        for line in file.read_text().splitlines():
            yield (f"{file.parent.name}/{file.stem}.jpg", *line.split("\t"))


def _questions(out):
    """(benchmark, file name, text, answer) of every yes/no question."""
    for row, truth in zip(*_amber(out), strict=True):
        if truth["type"] != "generative":
            yield "amber", row["image"], row["query"], truth["truth"]
    for row in _rbench(out):
        yield "r-bench", row["image"], row["text"], row["label"]
    for row in (row for category in benchmarks.POPE_CATEGORIES for row in _pope(out, category)):
        yield "pope", row["image"], row["text"], row["label"]
    for name, text, answer in _mme(out):
        yield "mme", name, text, answer


def _only(objects, name):
    (found,) = (thing for thing in objects if thing.name == name)
    return found


def _touching(first, second):
    """Whether two masks are at most a unit apart; those less than six units apart are asked about nowhere."""
    near, far = (
        (binary_dilation(first.mask, np.ones((3, 3)), iterations=steps) & second.mask).any()
        for steps in (SCALE, 6 * SCALE - 1)
    )
    assert near == far
    return bool(near)


def _holds(text, objects):
    """What is true of the picture."""
    text = text.removesuffix(" Please answer yes or no.")
    if found := re.fullmatch(r"Is there an? (.+) in (?:this|the) image\?", text):
        colour, _, name = found[1].partition(" ")
        if colour in COLOURS:
            return any((thing.colour, thing.name) == (colour, name) for thing in objects)
        assert found[1] in BY_NAME
        return any(thing.name == found[1] for thing in objects)
    if found := re.fullmatch(r"(?:Is there(?: only)?|Are there) (one|two|three|four|five) (.+) in this image\?", text):
        assert ("Is" in text) == (found[1] == "one")
        name = found[2] if found[1] == "one" else SINGULAR[found[2]]
        return sum(thing.name == name for thing in objects) == COUNTS.index(found[1]) + 1
    for form in (r"Is there direct contact between the (.+) and (.+)\?", r"Is the (.+) touching the (.+)\?"):
        if found := re.fullmatch(form, text):
            return _touching(*(_only(objects, name) for name in found.groups()))
    form = (
        r"Is the (.+) (to the left of|to the right of|on the left side of|on the right side of|above|below) the (.+)\?"
    )
    if found := re.fullmatch(form, text):
        (x0, y0), (x1, y1) = (_only(objects, found[group]).centre for group in (1, 3))
        assert max(abs(x0 - x1), abs(y0 - y1)) > 0.1 * 96 * SCALE
        return {"left": x0 < x1, "right": x0 > x1, "above": y0 < y1, "below": y0 > y1}[
            re.search("left|right|above|below", found[2])[0]
        ]
    found = re.fullmatch(r"Is the (.+) (\w+) in this image\?", text)
    assert found, text
    return _only(objects, found[1]).colour == found[2]


def test_every_answer_holds_in_the_saved_picture(out, shown):
    asked = Counter()
    for benchmark, image, text, answer in _questions(out):
        assert answer.lower() == ("yes" if _holds(text, shown[benchmark][image]) else "no"), (benchmark, image, text)
        asked[benchmark] += 1
    assert set(asked) == set(shown)


def test_the_model_knows_every_word(out):
    tokenizer = build_tokenizer()
    for text in {"Describe this image.", *(text for _, _, text, _ in _questions(out))}:
        assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"], text


def test_every_picture_is_there_and_none_twice(out, shown):
    for benchmark, number in {"amber": IMAGES, "r-bench": IMAGES, "pope": IMAGES, "mme": 4 * 30}.items():
        files = list((out / benchmark).rglob("*.jpg"))
        assert len(files) == number == len(shown[benchmark])
    pictures = [file.read_bytes() for file in out.rglob("*.jpg")]
    assert len(set(pictures)) == len(pictures)


def test_amber_ids_line_up(out):
    rows, truths = _amber(out)
    assert [row["id"] for row in rows] == [row["id"] for row in truths] == list(range(1, len(rows) + 1))
    assert [row["image"] for row in rows[:IMAGES]] == [f"AMBER_{number}.jpg" for number in range(1, IMAGES + 1)]
    assert {row["query"] for row in rows[:IMAGES]} == {"Describe this image."}
    parts = {}
    for file in (out / "amber" / "data" / "query").iterdir():
        parts[file.stem.removeprefix("query_")] = json.loads(file.read_text())
    three = [parts.pop(f"discriminative-{part}") for part in ("attribute", "existence", "relation")]
    assert parts.pop("generative") == rows[:IMAGES]
    assert parts.pop("discriminative") == list(itertools.chain(*three)) == rows[IMAGES:]
    assert list(parts) == ["all"]


def test_amber_types(out, shown):
    rows, truths = _amber(out)
    answers, wordings, per_image = defaultdict(Counter), defaultdict(set), Counter()
    for row, truth in zip(rows[IMAGES:], truths[IMAGES:], strict=True):
        answers[truth["type"]][truth["truth"]] += 1
        wordings[truth["type"]].add(row["query"].split(" the ")[0] if "contact" in row["query"] else row["query"][:11])
        per_image[row["image"]] += 1
    assert set(answers) == {
        "discriminative-attribute-state", "discriminative-attribute-number", "discriminative-hallucination",
        "discriminative-relation", "relation",
    }  # fmt: skip
    for kind in ("state", "number"):
        assert answers[f"discriminative-attribute-{kind}"]["yes"] == answers[f"discriminative-attribute-{kind}"]["no"]
    assert set(answers["discriminative-hallucination"]) == set(answers["relation"]) == {"no"}
    assert set(answers["discriminative-relation"]) == {"yes"}
    assert wordings["discriminative-hallucination"] == {"Is there a "}  # never "an"
    assert wordings["relation"] == wordings["discriminative-relation"] == {"Is there direct contact between"}
    assert max(per_image.values()) <= 25
    missing = defaultdict(list)
    for row, truth in zip(rows, truths, strict=True):
        if truth["type"] == "discriminative-hallucination":
            missing[row["image"]].append(row["query"][len("Is there a ") : -len(" in this image?")])
    for row, truth in zip(rows[:IMAGES], truths[:IMAGES], strict=True):
        assert truth["type"] == "generative"
        assert set(truth["truth"]) == {thing.name for thing in shown["amber"][row["image"]]}
        assert truth["hallu"] == missing[row["image"]]
        assert len(set(truth["hallu"])) == 5


def test_rbench_rows(out):
    rows = _rbench(out)
    ids = [row["question_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert len({(row["image"], row["text"]) for row in rows}) == len(rows)
    answers = {qtype: {row["label"] for row in rows if row["qtype"] == qtype} for qtype in {r["qtype"] for r in rows}}
    assert answers == {"Positive": {"Yes"}, "Opposite": {"No"}, "Random": {"No"}}
    assert all(re.fullmatch(r"[0-9a-f]{16}\.jpg", row["image"]) for row in rows)
    turned = {"left": "right", "right": "left", "above": "below", "below": "above"}
    true = {(row["image"], row["text"]) for row in rows if row["qtype"] == "Positive"}
    for row in (row for row in rows if row["qtype"] == "Opposite"):
        assert (row["image"], re.sub("left|right|above|below", lambda word: turned[word[0]], row["text"])) in true
    touching = Counter(row["label"] for row in rows if " touching " in row["text"])
    assert 0 < touching["No"] <= touching["Yes"]


def test_rbench_subsets_are_balanced_draws(out):
    labels = {row["question_id"]: row["label"] for row in _rbench(out)}
    words = re.compile("left|right|above|below|touching")
    relations = {row["question_id"]: words.search(row["text"])[0] for row in _rbench(out)}
    all_asked = Counter((relations[i], labels[i]) for i in labels)
    no = [number for number, label in labels.items() if label == "No"]
    subsets = []
    for number in range(1, 6):
        file = out / "r-bench" / "data_filterd" / f"nocaps_image-level_rel_ids_{number}.json"
        subsets.append(json.loads(file.read_text()))
        assert subsets[-1][: len(no)] == no
        assert len(set(subsets[-1])) == len(subsets[-1]) == 2 * len(no)
        assert {labels[i] for i in subsets[-1][len(no) :]} == {"Yes"}
        asked = Counter((relations[i], labels[i]) for i in subsets[-1])
        for relation in set(relations.values()):
            assert asked[relation, "Yes"] >= min(asked[relation, "No"], all_asked[relation, "Yes"])
    assert len({tuple(subset) for subset in subsets}) == 5


def test_pope_files_share_pictures_and_positives(out):
    files = [_pope(out, category) for category in benchmarks.POPE_CATEGORIES]
    for rows in files:
        assert [row["question_id"] for row in rows] == list(range(1, 6 * IMAGES + 1))
        assert [row["label"] for row in rows] == ["yes", "no"] * (3 * IMAGES)
        order = [f"COCO_val2014_{number:012d}.jpg" for number in range(1, IMAGES + 1) for _ in range(6)]
        assert [row["image"] for row in rows] == order
        assert len({(row["image"], row["text"]) for row in rows}) == len(rows)
        for row in rows:
            found = re.fullmatch(r"Is there (an?) (.+) in the image\?", row["text"])
            assert (found[1] == "an") == (found[2][0] in "aeiou")
            assert found[2] in BY_NAME
    assert files[0][::2] == files[1][::2] == files[2][::2]
    assert len({json.dumps(rows[1::2]) for rows in files}) == 3


def test_pope_negatives_are_the_most_frequent_and_the_most_often_together(out, shown):
    present = {image: {thing.name for thing in objects} for image, objects in shown["pope"].items()}
    frequency = Counter(itertools.chain(*present.values()))
    together = Counter(pair for kinds in present.values() for pair in itertools.permutations(kinds, 2))
    scores = {
        "popular": lambda positive, kind: frequency[kind],
        "adversarial": lambda positive, kind: together[positive, kind],
    }
    for category, score in scores.items():
        rows, taken = _pope(out, category), defaultdict(set)
        for positive, negative in zip(rows[::2], rows[1::2], strict=True):
            image = positive["image"]
            there, missing = (re.search(r"there an? (.+) in the", row["text"])[1] for row in (positive, negative))
            assert there in present[image]
            assert missing not in present[image]
            best = max(score(there, kind) for kind in BY_NAME if kind not in present[image] | taken[image])
            assert score(there, missing) == best, (category, image, missing)
            taken[image].add(missing)


def test_pope_pictures_have_key_objects(out, shown):
    masks = CocoInstances(out / "pope" / "instances_val2014.json")
    for image, objects in shown["pope"].items():
        found = {item.name: item.mask for item in masks.find(image)}
        assert set(found) == {thing.name for thing in objects}
        for name, mask in found.items():
            assert np.array_equal(mask, np.any([thing.mask for thing in objects if thing.name == name], 0))
    data = json.loads((out / "pope" / "instances_val2014.json").read_text())
    assert all(image["id"] == int(image["file_name"][-16:-4]) for image in data["images"])


def test_masks_of_mme_are_found_by_the_name_of_the_file(out, shown):
    masks = CocoInstances(out / "mme" / "instances.json")
    for image, objects in shown["mme"].items():
        assert {item.name for item in masks.find(Path(image).name)} == {thing.name for thing in objects}


def test_mme_has_two_lines_for_each_picture(out):
    root = out / "mme" / "MME_Benchmark_release_version"
    assert {folder.name for folder in root.iterdir()} == {"existence", "count", "position", "color"}
    for task in root.iterdir():
        stems = {file.stem for file in task.glob("*.jpg")}
        assert len(stems) == 30
        assert stems == {file.stem for file in task.glob("*.txt")}
        for stem in stems:
            text = (task / f"{stem}.txt").read_text()
            assert re.fullmatch(
                r"[^\t\n]+\? Please answer yes or no\.\tYes\n[^\t\n]+\? Please answer yes or no\.\tNo\n", text
            )


def _written(seed, folder, artwork=None):
    """{path: content} of a small run."""
    benchmarks.write(seed, 3, folder, artwork or Squares(), 1)
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_seed_gives_the_same_files_and_another_gives_other_scenes(tmp_path):
    once, again, other = (_written(seed, tmp_path / name) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert once == again
    assert not {once[path] for path in once if path.suffix == ".jpg"} & set(other.values())


def test_kinds_without_a_drawing_are_never_shown(tmp_path):
    kinds = tuple(name for name in BY_NAME if name not in ("dog", "cat", "cow", "horse", "sheep"))
    files = _written(1, tmp_path, Squares(without=kinds))
    shown = {BY_NAME[name].coco_id for name in ("dog", "cat", "cow", "horse", "sheep")}
    for content in (content for path, content in files.items() if path.stem.startswith("instances")):
        assert {mark["category_id"] for mark in json.loads(content)["annotations"]} <= shown


def test_command_writes_counts_and_the_folder(tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(benchmarks, "fetch", lambda: tmp_path)
    monkeypatch.setattr(benchmarks, "Artwork", lambda folder, styles: drawn.append(styles) or Squares(styles))
    monkeypatch.setattr(benchmarks, "MME_IMAGES", 2)
    for name, more in (("all", []), ("held-out", ["--style", "twemoji"])):
        folder = tmp_path / name
        benchmarks.main(["--seed", "1", "--images", "3", "--out", str(folder), "--scale", "1", *more])
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(":")[0] for line in lines[:4]] == ["amber", "r-bench", "pope", "mme"]
        assert lines[2] == "pope: 3 images, 54 questions (27 yes, 27 no)"
        assert lines[3] == "mme: 8 images, 16 questions (8 yes, 8 no)"
        assert lines[4] == str(folder)
        for line in lines[:2]:
            images, total, yes, no = map(int, re.findall(r"\d+", line.split(":")[1]))
            assert images == 3
            assert total == yes + no
    assert drawn == [TRAINED_STYLES, ("twemoji",)]
    assert "twemoji (CC-BY-4.0)" in (tmp_path / "held-out" / "pope" / "instances_val2014.json").read_text()


def test_wrong_arguments_are_one_sentence(tmp_path, monkeypatch):
    def fails():
        raise RuntimeError("npm could not fetch it")

    monkeypatch.setattr(benchmarks, "fetch", fails)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    given = {"--seed": "1", "--images": "2", "--out": str(tmp_path / "new"), "--scale": "1"}
    wrong = (
        ("--images", "0", "--images must be at least 1, not 0."),
        ("--seed", "-1", "--seed must not be negative, and -1 is."),
        ("--scale", "0", "--scale must be between 1 and 16, not 0."),
        ("--out", str(tmp_path / "full"), "not an empty folder"),
        ("--scale", "1", "npm could not fetch it"),
    )
    for option, value, sentence in wrong:
        pairs = {**given, option: value}.items()
        with pytest.raises(SystemExit) as raised:
            benchmarks.main([f"{name}={said}" for name, said in pairs])
        assert sentence in str(raised.value)
    assert not (tmp_path / "new").exists()


def _real(path):
    if not (SHARED / path).exists():
        pytest.skip(f"no sample of the real data at {SHARED / path}; set CLVS_SHARED_DATA")
    text = (SHARED / path).read_text(encoding="utf-8-sig")
    return json.loads(text) if text[0] == "[" else [json.loads(line) for line in text.splitlines()]


def _keys(rows, of=lambda row: None):
    """Keys in order of each sort of row."""
    return {of(row): tuple(row) for row in rows}


def test_rows_have_the_keys_of_the_real_amber(out):
    rows, truths = _amber(out)
    assert _keys(rows) == _keys(_real("AMBER/data/query/query_all.json"))
    kind = lambda row: row["type"]  # noqa: E731
    real = _keys(_real("AMBER/data/annotations.json"), kind)
    assert real.pop("discriminative-attribute-action")
    assert _keys(truths, kind) == real


def test_rows_have_the_keys_of_the_real_rbench(out):
    real = _real("R-Bench/image-level_filterd.sample.json")  # a few of its rows lack the qtype
    assert list(_keys(_rbench(out)).values()) == [tuple(real[0])]
    assert all(isinstance(number, int) for number in _real("R-Bench/nocaps_image-level_rel_ids_1.sample.json"))


@pytest.mark.parametrize("category", benchmarks.POPE_CATEGORIES)
def test_rows_have_the_keys_of_the_real_pope(out, category):
    assert _keys(_pope(out, category)) == _keys(_real(f"POPE/RUCAIBox/output/coco/coco_pope_{category}.json"))
