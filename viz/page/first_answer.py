"""The finished example that is on the page before any model has been loaded.

    python -m viz.page.first_answer    asks the bundled model the first example's first question and stores the answer

Run it again whenever the model, the scenes or the payload change; a test compares the stored answer with a new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clvs_core.errors import ClvsError
from clvs_core.files import write_whole
from viz.page.library import TRACES, Library
from viz.viewer.payload import empty

FIRST = TRACES / "first.json"


@dataclass(frozen=True)
class Recording:
    """A stored payload, and the scene, question, model and depth it was made with."""

    scene: str
    question: str
    model: str
    layers: int
    payload: Mapping[str, Any]


def load(library: Library, path: Path = FIRST) -> Recording:
    """The recording, its picture's address set to where the page finds it. ClvsError when it cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        recording = Recording(**data)
    except (OSError, ValueError, TypeError) as error:
        raise ClvsError(
            f"The recorded example cannot be read ({error}); run python -m viz.page.first_answer."
        ) from None
    scene = library.named(recording.scene)
    if scene is None:
        raise ClvsError("The recorded example's scene is gone; run python -m viz.page.first_answer.")
    payload = {**recording.payload, "image": {**recording.payload["image"], "url": scene.url}}
    return Recording(recording.scene, recording.question, recording.model, recording.layers, payload)


def make(models: Any, library: Library) -> Recording:
    """Asks the first model the first scene's first question, as the page would."""
    from viz.page.handlers import Handlers  # which imports this module
    from viz.page.session import Session

    scene = library.scenes[0]
    layers = models.get(models.default).layers
    blank = Recording(scene.name, scene.questions[0], models.default, layers, {**empty(), "progress": ""})
    handlers = Handlers(models, library, blank)
    session = Session()
    ticket = session.begin()
    controls = handlers.defaults(models.default)
    *_, last = handlers.run(session, ticket, str(scene.path), scene.questions[0], *vars(controls).values())
    payload: dict[str, Any] = dict(last)
    if payload.get("error") or payload.get("status") != "done":
        raise ClvsError(f"The example could not be recorded: {payload.get('error')}")
    payload["id"] = "first"
    del payload["run"]  # it is nobody's own
    payload["image"] = {**payload["image"], "url": ""}
    return Recording(scene.name, scene.questions[0], models.default, layers, payload)


def main() -> None:
    """Writes assets/traces/first.json."""
    from viz.page.models import Models

    recording = make(Models(), Library())
    TRACES.mkdir(parents=True, exist_ok=True)
    write_whole(FIRST, json.dumps(vars(recording), ensure_ascii=False, separators=(",", ":")) + "\n")
    answers = ", ".join(f"{m['label']}: {m['text'].strip()}" for m in recording.payload["methods"])
    print(f"{FIRST}: {FIRST.stat().st_size / 1024:.0f} KiB, {recording.question} {answers}")


if __name__ == "__main__":
    main()
