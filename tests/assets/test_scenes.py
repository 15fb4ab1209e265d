"""The bundled scenes: pycocotools reads their masks, ids are COCO's, and every question can be asked."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from assets.recipes.categories import BY_NAME
from assets.recipes.compositions import EXAMPLES, SHOWN
from assets.recipes.examples import true_answer
from assets.recipes.looks import decays, looks
from assets.recipes.render import Background, Scene, Thing
from assets.recipes.tokenizer import build_tokenizer
from clvs_core import load_model

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "scenes"
ENTRIES = json.loads((FOLDER / "questions.json").read_text())


@pytest.fixture(scope="module")
def coco():
    return COCO(FOLDER / "instances.json")


def test_masks_are_read_by_pycocotools(coco):
    assert len(coco.anns) >= 60
    for entry in coco.dataset["images"]:
        size = Image.open(FOLDER / entry["file_name"]).size
        assert size == (entry["width"], entry["height"])
        covered = np.zeros(size[::-1], int)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=entry["id"])):
            mask = coco.annToMask(annotation)
            assert mask.shape == covered.shape
            assert annotation["area"] == mask.sum() > 2000
            assert annotation["bbox"] == rle.toBbox(annotation["segmentation"]).tolist()
            covered += mask
        assert covered.max() == 1, "objects' visible parts do not overlap"


def test_categories_are_cocos(coco):
    names = {category["id"]: category["name"] for category in coco.dataset["categories"]}
    assert len(names) >= 40
    known = {1: "person", 17: "cat", 18: "dog", 44: None, 58: "hot dog", 72: "tv", 88: "teddy bear"}
    for number, name in known.items():
        assert names.get(number) == name
    assert {a["category_id"] for a in coco.anns.values()} <= set(names)


def test_pictures_are_large_light_and_some_are_not_square(coco):
    sizes = [Image.open(FOLDER / entry["file_name"]).size for entry in ENTRIES]
    assert len(sizes) >= 24
    assert all(min(size) == 768 for size in sizes)
    assert sum(width != height for width, height in sizes) >= 3
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5_000_000


def test_every_question_is_known_answered_and_fits_the_recipe():
    tokenizer = build_tokenizer()
    assert [entry["title"] for entry in ENTRIES] == list(SHOWN)
    examples = {example.file_name: example for example in EXAMPLES}
    for entry in ENTRIES:
        remarks = {question["question"]: question["note"] for question in entry["questions"]}
        assert list(remarks.items()) == list(examples.pop(entry["file_name"]).asked.items())
        assert len(entry["questions"]) >= 3
        for question in entry["questions"]:
            assert tokenizer.unk_token_id not in tokenizer(question["question"])["input_ids"], question
            assert question["answer"], question
    assert not examples


@pytest.fixture(scope="module")
def seen():
    return list(looks(load_model("scenes")))


def test_where_clvs_looks_less_is_labelled(seen):
    marked = {(e["file_name"], q["question"]) for e in ENTRIES for q in e["questions"] if q["less"]}
    assert marked == {(look.file_name, look.question) for look in seen if look.less}
    assert 0 < len(marked) < len(seen) / 4


def test_the_curves_of_all_questions_are_the_shipped_models(seen):
    written, measured = json.loads((FOLDER / "decays.json").read_text()), decays(seen)
    curves = [np.array([entry.pop("curves") for entry in found["questions"]]) for found in (written, measured)]
    assert written == measured
    assert len(written["questions"]) > 80
    np.testing.assert_allclose(*curves, rtol=0, atol=2e-3)  # float16 traces of another processor


def test_every_scene_begins_with_a_question_that_shows_the_decay(seen):
    first = {look.file_name: look for look in reversed(seen)}
    assert [name for name, look in first.items() if not look.clear] == []


def _scene():
    background = Background((255, 255, 255), (255, 255, 255), 0.0)
    dog = Thing("dog", next(iter(BY_NAME["dog"].artwork)), 40, 0, 0, colour="red")
    cat = Thing("cat", next(iter(BY_NAME["cat"].artwork)), 40, 50, 50)
    return Scene(96, 96, background, [dog, cat], [(0, 0, 30, 30), (60, 60, 90, 90)])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is there a dog in the picture?", "Yes"),
        ("Is there a horse in the picture?", "No"),
        ("Is there a red dog in the picture?", "Yes"),
        ("Is there a red cat in the picture?", "No"),
        ("Is the dog blue?", "No"),
        ("What color is the dog?", "red"),
        ("Where is the dog?", "top left"),
        ("Where is the cat in the picture?", "bottom right"),
        ("How many cats are there?", "one"),
        ("How many horses are there?", "zero"),
        ("Is the cat below the dog?", "Yes"),
        ("Is the cat to the left of the dog?", "No"),
        ("What is in the picture?", "dog and cat"),
    ],
)
def test_true_answers(question, answer):
    assert true_answer(_scene(), question) == answer


def test_true_answer_refuses_what_it_cannot_work_out():
    with pytest.raises(ValueError, match="forms of questions"):
        true_answer(_scene(), "Why is the dog?")
    with pytest.raises(ValueError, match="needs one"):
        true_answer(_scene(), "Where is the horse?")
