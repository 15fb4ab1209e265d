"""Tiny benchmarks in the official formats about the bundled pictures, and a backend that answers without a model."""

import json
import shutil
from contextlib import contextmanager

import torch

from clvs_core import benchmarks
from clvs_core.benchmarks.running.plan import Task
from clvs_core.bundled import ASSETS
from tests.benchmarks.made import share

FOLDER = ASSETS / "scenes"
INSTANCES = FOLDER / "instances.json"
PICTURES = ("kite-weather.jpg", "savanna.jpg", "farmyard.jpg", "red-car.jpg")
METHODS = {"vanilla": "vanilla", "clvs": "clvs:alpha=0.7"}
ALL = {name: name for name in ("vanilla", "clvs", "vcd", "pai", "var", "adhh", "vaf", "tarac")}


def objects(picture):
    """(names of what is in a bundled picture, names of what is not), in the order of the file's categories."""
    data = json.loads(INSTANCES.read_text())
    number = next(entry["id"] for entry in data["images"] if entry["file_name"] == picture)
    inside = {entry["category_id"] for entry in data["annotations"] if entry["image_id"] == number}
    names = [(entry["id"] in inside, entry["name"]) for entry in data["categories"]]
    return [name for there, name in names if there], [name for there, name in names if not there]


def _asked(picture, number):
    """(text, label) of so many questions, answered yes and no in turn."""
    there, absent = objects(picture)
    pairs = [((there * number)[n // 2], "yes") if n % 2 == 0 else (absent[n // 2], "no") for n in range(number)]
    return [(f"Is there a {name} in the picture?", label) for name, label in pairs]


def write_pope(folder, pictures=PICTURES, questions=4, category="random"):
    """COCO's file of one category; the pictures are in FOLDER."""
    rows = [(picture, *one) for picture in pictures for one in _asked(picture, questions)]
    keys = ("question_id", "image", "text", "label")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"coco_pope_{category}.json").write_text(
        "".join(json.dumps(dict(zip(keys, (n, *row), strict=True))) + "\n" for n, row in enumerate(rows, 1))
    )
    return folder


def write_rbench(folder, pictures=PICTURES[:2], repeated=(0, 3)):
    """Two questions a picture; subset 1 lists all of them, and the repeated ones twice."""
    rows = [(picture, *one) for picture in pictures for one in _asked(picture, 2)]
    keys = ("question_id", "qtype", "image", "text", "label")
    found = [dict(zip(keys, (n, "Positive", *row), strict=True)) for n, row in enumerate(rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image-level_filterd.json").write_text(json.dumps(found))
    (folder / "nocaps_image-level_rel_ids_1.json").write_text(json.dumps([*range(len(rows)), *repeated]))
    return folder


def write_mme(folder, pictures=PICTURES[:2], tasks=("existence",)):
    """Pictures and texts side by side, as shipped."""
    for task in tasks:
        (folder / task).mkdir(parents=True)
        for picture in pictures:
            shutil.copy(FOLDER / picture, folder / task / picture)
            lines = [f"{text} Please answer yes or no.\t{label.capitalize()}" for text, label in _asked(picture, 2)]
            (folder / task / picture).with_suffix(".txt").write_text("\n".join(lines))
    return folder


def pope_task(folder, **more):
    """The task of what `write_pope` writes."""
    data = write_pope(folder, **more)
    pope = benchmarks.get("pope")
    return Task(pope, str(data), pope.load(data, FOLDER))


@contextmanager
def one_thread():
    """The last bits of a sum depend on how many threads share it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def said(question, method):
    return "Yes" if share(question.id, method) > 0.5 else "No"


class Fake:
    """Answers by a rule. asked: (picture's name, ids of its questions) of every job; until: jobs before it breaks."""

    def __init__(self, methods=METHODS, until=None, **about):
        self.methods, self.until, self.asked = methods, until, []
        self._about = {"model": {"name": "fake", "device": "cpu"}, "methods": dict(methods), "example": "?"} | about

    def about(self):
        return self._about

    def devices(self):
        return ["none"]

    def rows(self, jobs):
        for job in jobs:
            if len(self.asked) == self.until:
                raise KeyboardInterrupt
            self.asked.append((job.questions[0].image, [question.id for question in job.questions]))
            yield [
                {"id": q.id, "method": name, "answer": said(q, name), "probability": 0.5, "stop": -1}
                for q in job.questions
                for name in self.methods
            ]
