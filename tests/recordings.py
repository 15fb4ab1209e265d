"""A recording of the embedded model, made by the command, for tests of the page."""

from __future__ import annotations

import json
from pathlib import Path

from clvs_core.cli import main as cli
from viz.page.library import SCENES

NAME = "borrowed"  # of the recording's folder, and so in links
LINES = [
    {"image": "kite-weather.jpg", "question": "Is there a ball in the picture?", "title": "Kite <b>weather</b>"},
    {"image": "kite-weather.jpg", "question": "Where is the kite?"},
    {
        "image": "savanna.jpg",
        "question": "Is there a zebra in the picture?",
        "licence": "CC0",
        "source": "my <i>zoo</i>",
    },
]


def make(folder: Path) -> Path:
    """Records into a folder of this one; the model's label is changed to that of one that cannot be asked here."""
    questions = folder / "questions.jsonl"
    questions.write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    out = folder / NAME
    command = ["record", "--questions", str(questions), "--images", str(SCENES), "--out", str(out)]
    assert cli.main(command) == 0
    about = json.loads((out / "recording.json").read_text(encoding="utf-8"))
    about["model"] |= {"label": "LLaVA-1.5 7B", "id": "llava-1.5-7b"}
    (out / "recording.json").write_text(json.dumps(about), encoding="utf-8")
    return out
