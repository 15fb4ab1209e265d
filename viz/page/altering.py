"""Hide and ask again: the question on the page, asked about its picture without what is followed.

The answer comes beside the one on the page, which stays, token by token; a newer one, a halt or a newer question ends
it at its next token. Nothing of it is kept here: the browser shows it as long as it needs it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from clvs_core.hiding import Fill, hide
from viz.page import events, links, objects
from viz.page.answering import Answering
from viz.page.asking import Call
from viz.page.limits.listeners import wanted
from viz.page.screen import sentence
from viz.page.seen import add
from viz.page.session import Result, Session, Shown
from viz.viewer.payload import build
from viz.viewer.standalone import jpeg
from viz.viewer.view import View


class Altering:
    """Asks again about altered pictures."""

    def __init__(self, answering: Answering):
        self.answering, self.asker, self.screen = answering, answering.asker, answering.screen

    def look(self, session: Session, event: gr.EventData, shown: Shown | None = None) -> Iterator[Any]:
        """The page asks for one, or, with "halt", no longer: the component's values, as `viz.page.widgets.Altered`."""
        data = events.data(event)
        session.altering += 1
        mine, ticket, turn = session.altering, session.ticket, events.number(event, "turn")
        stopped = {"of": "", "turn": turn, "running": False, "error": "", "payload": None}
        if data.get("halt"):
            yield gr.skip()
            return
        if session.running:
            yield stopped
            return
        try:
            result = self.answering.result(session, session.meant(None if shown is None else shown.run))
            heard = wanted(LocalContext.request.get(None))
            view = links.view(data.get("view"))
            with contextlib.closing(self._stream(result, view)) as payloads:
                for payload in payloads:
                    if session.altering != mine or not heard():
                        return
                    if not session.current(ticket):
                        yield stopped
                        return
                    running = payload["status"] == "running"
                    yield {"of": result.id, "turn": turn, "running": running, "error": "", "payload": payload}
        except Exception as error:
            if session.altering == mine:
                yield {**stopped, "error": sentence(error)}

    def _stream(self, result: Result, view: View) -> Generator[dict[str, Any], None, None]:
        """The payload of the other answer after each token, as the methods and settings of the first have it."""
        image = hide(result.picture.image, objects.mask(result, view), _fill(view))
        url = self.answering.pictures.publish(jpeg(image), "hidden.jpg")
        settings = result.settings
        altered = replace(result.picture, image=image, url=url)
        other = replace(result, picture=altered, runs=[], notes=(), remark="")
        call = Call(settings.model, image, result.question, result.methods, result.tokens, settings.prompt)
        with contextlib.closing(self.asker.stream(call)) as answers:
            for answer in answers:
                if answer.runs:
                    other = replace(other, runs=answer.runs)
                    yield self._payload(other, "running")
        yield self._payload(other, "done")

    def _payload(self, result: Result, status: str) -> dict[str, Any]:
        comparison = self.screen.comparison(result, status=status, id=result.id)
        return add(build(comparison), result.seen, objects.named(result), objects.called(result))


def _fill(view: View) -> Fill:
    return view.fill or "mean"  # type: ignore[return-value]  # one of them, as the view has it
