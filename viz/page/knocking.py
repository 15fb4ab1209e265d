"""Does looking matter: what the answer on the page names is hidden from the model, a few layers at a time.

The engine's passes come to the page as they are done.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clvs_core.engine.knockout import Knockout, Rows, usual_window
from clvs_core.errors import ClvsError
from clvs_core.methods import Method, spec
from viz.page import cost, objects
from viz.page.asking import Call, Knock
from viz.page.looking import Looking
from viz.page.session import Result, Session
from viz.viewer.contract import Knockout as Part
from viz.viewer.knockouts import part
from viz.viewer.view import View

ENDED = "No answer has such a token; choose an earlier one."


@dataclass(frozen=True)
class Hiding:
    """What is hidden while which answer says which token: two that are equal need not be measured twice.

    answer: the result's id; methods: specs; on, region: as in `viz.viewer.view`, the region as JSON.
    """

    answer: str
    methods: tuple[str, ...]
    step: int
    on: tuple[str, ...]
    region: str
    window: int


@dataclass(frozen=True)
class Known:
    """What has come of a knock-out; specs: of its methods, with all their settings, as a payload has them."""

    hiding: Hiding
    specs: tuple[str, ...]
    found: Mapping[Rows, list[Knockout]] = field(default_factory=dict)

    @property
    def part(self) -> Part:
        """For the payload."""
        hiding = self.hiding
        region = json.loads(hiding.region) if hiding.region else None
        return part(self.found, self.specs, step=hiding.step, on=hiding.on, region=region)


class Knocking(Looking):
    """Measures knock-outs of the answer on a visitor's page."""

    part = "knockout"

    def told(self, session: Session, result: Result, view: View) -> Generator[tuple[Part, bool], None, None]:
        return ((known.part, running) for known, running in self._stream(session, result, view))

    def whole(self, session: Session, result: Result, view: View) -> list[Knockout]:
        """All of a knock-out with the view's rows and what stands beside them: as measured last, or measured now.

        Of a token that no answer has, as in the other figures, the last one.
        """
        view = view.but(step=min(view.step, max(len(run.tokens) for run in result.runs) - 1))
        *_, (known, _) = self._stream(session, result, view)
        return [one for rows in cost.TOGETHER[view.rows] for one in known.found[rows]]

    def last(self, session: Session, result: Result, view: View) -> Part | None:
        """What was measured last, if it is of this answer and view."""
        known: Known | None = session.knocked
        return known.part if known is not None and known.hiding == _hiding(result, view) else None

    def _stream(self, session: Session, result: Result, view: View) -> Iterator[tuple[Known, bool]]:
        """What is known after every pass, and whether more is to come."""
        hiding = _hiding(result, view)
        methods = [method for method, run in zip(result.methods, result.runs, strict=True) if _says(run, hiding.step)]
        if not methods:
            raise ClvsError(ENDED)
        specs = tuple(str(run.trace.meta["method"]) for run in result.runs if _says(run, hiding.step))
        known = session.knocked if session.knocked and session.knocked.hiding == hiding else Known(hiding, specs)
        missing = [rows for rows in cost.TOGETHER[view.rows] if rows not in known.found]
        call = call_of(result, methods)
        for rows in missing:
            knock = Knock(call, objects.mask(result, view), rows, hiding.window, hiding.step, cost.DRAWS)
            with contextlib.closing(self.asker.knock(knock)) as passes:
                for found in passes:
                    partly = replace(known, found={**known.found, rows: found})
                    yield partly, True
            session.knocked = known = partly
        yield known, False


def _hiding(result: Result, view: View) -> Hiding:
    window = chosen_window(result, view)
    followed = [item.name for item in objects.followed(result, view) if item.source != "region"]
    region = json.dumps(view.region) if view.region else ""
    return Hiding(result.id, tuple(map(spec, result.methods)), view.step, tuple(followed), region, window)


def chosen_window(result: Result, view: View) -> int:
    """How many layers at a time, in a model of this depth."""
    return min(view.window or usual_window(result.layers), 2 * result.layers - 1)


def _says(run: Any, step: int) -> bool:
    return len(run.tokens) > step


def call_of(result: Result, methods: Sequence[Method]) -> Call:
    """The question that an answer answers, of some of its methods."""
    settings = result.settings
    return Call(settings.model, result.picture.image, result.question, methods, result.tokens, settings.prompt)
