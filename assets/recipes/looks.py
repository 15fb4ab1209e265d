"""How the shipped model looks at what the bundled questions name: `python -m assets.recipes.looks`, after `examples`.

Marks in `questions.json`, as `less`, the questions where CLVS looks less at the object than the model as it is, and
writes the curves of all that name something in their picture into `decays.json`, which the page shows side by side. A
test measures both again, and that every scene begins with a question that shows the decay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import clvs_core as clvs
from clvs_core.key_objects import CocoInstances, key_object_attention, mentioned, summarise, together

FOLDER = Path(__file__).resolve().parents[1] / "scenes"
ALIKE = 0.02  # smaller changes are not worth a word, here as in viz/viewer/src/words.js
CLEAR = 0.35  # of the attention at the peak, at least; and at most half of that at the end


@dataclass(frozen=True)
class Look:
    """The answers to one question, and the attention (layers,) on what it names; None where that is not there."""

    file_name: str
    question: str
    expected: str
    answers: tuple[str, str]  # vanilla's and CLVS's
    curves: tuple[np.ndarray, np.ndarray] | None

    @property
    def right(self) -> bool:
        """Whether both methods answer as expected."""
        return set(self.answers) == {self.expected}

    @property
    def after(self) -> float:
        """How much more CLVS gives the object once vanilla has let go of half of it, as a share; NaN without one."""
        if self.curves is None:
            return np.nan
        vanilla, smoothed = self.curves
        peak, _, _, half = summarise(vanilla)
        start = peak + 1 if half is None else half
        return float(smoothed[start:].mean() / vanilla[start:].mean() - 1) if start < len(vanilla) else np.nan

    @property
    def less(self) -> bool:
        """Whether CLVS looks less at the object than vanilla there."""
        return self.after <= -ALIKE

    @property
    def clear(self) -> bool:
        """Whether this shows what the page is about: both right, the object found, let go of, and kept longer."""
        if self.curves is None or not self.right:
            return False
        _, peak, decay, half = summarise(self.curves[0])
        return peak >= CLEAR and half is not None and decay >= 0.5 and self.after >= ALIKE


def looks(model: Any, folder: Path = FOLDER) -> Iterator[Look]:
    """Asks every bundled question with vanilla and CLVS, a picture at a time, in the order of `questions.json`."""
    objects = CocoInstances(folder / "instances.json", source="scenes")
    for entry in json.loads((folder / "questions.json").read_text()):
        name = entry["file_name"]
        image = model.open_image(str(folder / name))
        found = objects.find(name, image.views.width, image.views.height)
        for asked in entry["questions"]:
            runs = image.ask(asked["question"], [clvs.Vanilla(), clvs.CLVS()])
            named = mentioned(asked["question"], [item.name for item in found])
            masks = [item.mask for item in found if item.name in named]
            answers = tuple(run.text.strip() for run in runs)
            yield Look(name, asked["question"], asked["answer"], answers, _curves(runs, masks, image.views))


def _curves(runs: Any, masks: Any, views: Any) -> tuple[np.ndarray, np.ndarray] | None:
    if not masks:
        return None
    covered = together(np.stack([clvs.coverage(mask, views) for mask in masks]))
    vanilla, smoothed = (key_object_attention(run.trace, covered)[0] for run in runs)
    return vanilla, smoothed


def decays(seen: Iterable[Look]) -> dict[str, Any]:
    """What `decays.json` holds: of each question that names something in its picture, both curves by layer."""
    known = [(look, look.curves) for look in seen if look.curves is not None]
    questions = [
        {
            "scene": Path(look.file_name).stem,
            "question": look.question,
            "curves": [[round(float(share), 4) for share in curve] for curve in curves],
        }
        for look, curves in known
    ]
    return {"model": "scenes", "methods": ["vanilla", "clvs"], "questions": questions}


def mark(folder: Path = FOLDER) -> list[str]:
    """Writes `less` into `questions.json` and the curves into `decays.json`; the questions that have `less`."""
    seen = list(looks(clvs.load_model("scenes"), folder))
    less = {(look.file_name, look.question) for look in seen if look.less}
    (folder / "decays.json").write_text(json.dumps(decays(seen), separators=(",", ":")) + "\n")
    listing = folder / "questions.json"
    entries = json.loads(listing.read_text())
    for entry in entries:
        for asked in entry["questions"]:
            asked["less"] = (entry["file_name"], asked["question"]) in less
    listing.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    return sorted(f"{name}: {question}" for name, question in less)


def main() -> None:
    print(*mark(), sep="\n")


if __name__ == "__main__":
    main()
