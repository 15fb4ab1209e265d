"""The runs that come with the page: `python -m assets.recipes.example_runs` writes assets/runs.

POPE's questions about the bundled pictures, absent objects chosen by its rules with counts over these pictures: all
methods on the random and adversarial ones, and for one positive question a picture attention on the object, what is
left of the answer without a look at it, and uncertainty, layer by layer. They show what the Results tab does and are
too few to tell methods apart.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from clvs_core.benchmarks.running.folder import ABOUT, ANSWERS, QUESTIONS
from clvs_core.bundled import ASSETS
from clvs_core.cli import main as cli

from .benchmarks import POPE_CATEGORIES, SEEDS, pope_files

SCENES, RUNS, PART = ASSETS / "scenes", ASSETS / "runs", 9
KEPT = ("random", "adversarial")


def shown(instances: Path) -> dict[str, list[str]]:
    """What kinds of objects each picture of a COCO instances file shows, by file name."""
    data = json.loads(instances.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in data["categories"]}
    marks = [(mark["image_id"], names[mark["category_id"]]) for mark in data["annotations"]]
    return {
        picture["file_name"]: list(dict.fromkeys(name for image, name in marks if image == picture["id"]))
        for picture in data["images"]
    }


def portable(run: Path, into: Path) -> None:
    """Copies a run without the paths of this machine; pictures are then found by name."""
    into.mkdir(parents=True, exist_ok=True)
    about = json.loads((run / ABOUT).read_text())
    (into / ABOUT).write_text(json.dumps(about | {"data": "the bundled pictures"}, indent=1) + "\n")
    rows = [json.loads(line) for line in (run / QUESTIONS).read_text().splitlines()]
    (into / QUESTIONS).write_text("".join(json.dumps(row | {"picture": None}) + "\n" for row in rows))
    shutil.copyfile(run / ANSWERS, into / ANSWERS)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, masks = Path(folder) / "pope", SCENES / "instances.json"
        data.mkdir()
        print(pope_files(data, np.random.default_rng([SEEDS, PART]), shown(masks)))
        for category in set(POPE_CATEGORIES) - set(KEPT):
            (data / f"coco_pope_{category}.json").unlink()
        common = ["bench", "pope", "--data", str(data), "--images", str(SCENES)]
        objects = ["--category", "random", "--positives", "100", "--key-objects", str(masks), "--lens", "--knockout"]
        for name, more in {
            "examples-all-methods": ["--methods", "all"],
            "examples-key-objects": [*objects, "--methods", "vanilla,clvs"],
        }.items():
            run = Path(folder) / name
            if code := cli.main([*common, *more, "--out", str(run)]):
                raise SystemExit(code)
            portable(run, RUNS / name)


if __name__ == "__main__":
    main()
