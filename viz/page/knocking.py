"""Does looking matter: what the answer on the page names is hidden from the model, a few layers at a time.

The engine's passes come to the page as they are done. A newer question, setting or knock-out ends one after its pass,
and while an answer is wanted, it waits.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from clvs_core.engine.knockout import Knockout, Rows, usual_window
from clvs_core.errors import ClvsError
from clvs_core.methods import spec
from viz.page import cost, events, links, objects
from viz.page.answering import Answering
from viz.page.asking import Asker, Call, Knock
from viz.page.limits.listeners import wanted
from viz.page.screen import sentence
from viz.page.session import Result, Session, Shown
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


class Knocking:
    """Measures knock-outs of the answer on a visitor's page."""

    def __init__(self, asker: Asker, answering: Answering):
        self.asker, self.answering = asker, answering

    def look(self, session: Session, event: gr.EventData, shown: Shown | None = None) -> Iterator[Any]:
        """The page asks for one, or, with "halt", no longer: the component's values, as `viz.page.widgets.Knocked`."""
        data = events.data(event)
        session.knocking += 1
        mine, ticket, turn = session.knocking, session.ticket, events.number(event, "turn")
        stopped = {"of": "", "turn": turn, "running": False, "error": "", "knockout": None}
        if data.get("halt"):
            yield gr.skip()
            return
        if session.running:
            yield stopped
            return
        try:
            result = self.answering.result(session, session.meant(None if shown is None else shown.run))
            heard = wanted(LocalContext.request.get(None))
            for known, running in self._stream(session, result, links.view(data.get("view"))):
                if session.knocking != mine or not heard():
                    return
                if not session.current(ticket) or session.result is not result:
                    yield stopped
                    return
                yield {"of": result.id, "turn": turn, "running": running, "error": "", "knockout": known.part}
        except Exception as error:
            if session.knocking == mine:
                yield {**stopped, "error": sentence(error)}

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
        call = Call(
            result.settings.model, result.picture.image, result.question, methods, result.tokens, result.settings.prompt
        )
        for rows in missing:
            knock = Knock(call, objects.mask(result, view), rows, hiding.window, hiding.step, cost.DRAWS)
            with contextlib.closing(self.asker.knock(knock)) as passes:
                for found in passes:
                    partly = replace(known, found={**known.found, rows: found})
                    yield partly, True
            session.knocked = known = partly
        yield known, False


def _hiding(result: Result, view: View) -> Hiding:
    window = min(view.window or usual_window(result.layers), 2 * result.layers - 1)
    followed = [item.name for item in objects.followed(result, view) if item.source != "region"]
    region = json.dumps(view.region) if view.region else ""
    return Hiding(result.id, tuple(map(spec, result.methods)), view.step, tuple(followed), region, window)


def _says(run: Any, step: int) -> bool:
    return len(run.tokens) > step
