"""Makes the finished example that is on the page before any model has been loaded.

    python -m viz.page.first_answer    asks the bundled model the first example's first question and stores the answer

Run it again whenever the model, the scenes or the payload change; a test compares the stored answer with a new one.
"""

from __future__ import annotations

import json
from typing import Any

from clvs_core.errors import ClvsError
from clvs_core.files import write_whole
from viz.page.desks import Desks
from viz.page.library import FIRST, FirstAnswer, Library
from viz.page.models import Models
from viz.page.session import Session
from viz.viewer.payload import empty
from viz.viewer.view import View


def make(models: Models, library: Library) -> FirstAnswer:
    """Asks the first model the first scene's first question, as the page would."""
    scene = library.scenes[0]
    layers = models.get(models.default).layers
    blank = FirstAnswer(scene.name, scene.questions[0], models.default, layers, {**empty(), "progress": ""})
    desks, session = Desks(models, library, blank), Session()
    controls = desks.choosing.defaults(models.default).values
    *_, last = desks.answering.run(session, session.begin(), str(scene.path), scene.questions[0], *controls)
    payload: dict[str, Any] = dict(last)
    if payload.get("error") or payload.get("status") != "done":
        raise ClvsError(f"The example could not be recorded: {payload.get('error')}")
    payload["id"] = "first"
    del payload["run"], payload["knocks"]  # it is nobody's own, and takes as long as it takes
    assert session.result is not None
    desks.knocking.whole(session, session.result, View())
    payload["knockout"] = desks.knocking.last(session, session.result, View())
    payload["image"] = {**payload["image"], "url": ""}
    return FirstAnswer(scene.name, scene.questions[0], models.default, layers, payload)


def main() -> None:
    """Writes assets/traces/first.json."""
    first = make(Models(), Library())
    FIRST.parent.mkdir(parents=True, exist_ok=True)
    write_whole(FIRST, json.dumps(vars(first), ensure_ascii=False, separators=(",", ":")) + "\n")
    answers = ", ".join(f"{method['label']}: {method['text'].strip()}" for method in first.payload["methods"])
    print(f"{FIRST}: {FIRST.stat().st_size / 1024:.0f} KiB, {first.question} {answers}")


if __name__ == "__main__":
    main()
