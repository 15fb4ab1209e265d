"""What the page asks of the answer that it shows, beside it: measured while nothing else is wanted, told as it comes.

A newer question, setting or request of the same kind ends one after its pass, and while an answer is wanted, it waits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

import gradio as gr
from gradio.context import LocalContext

from viz.page import events, links
from viz.page.answering import Answering
from viz.page.asking import Asker
from viz.page.limits.listeners import wanted
from viz.page.screen import sentence
from viz.page.session import Result, Session, Shown
from viz.viewer.view import View


class Looking:
    """One kind of it. part: what its news are called, in messages to the page and in payloads."""

    part: ClassVar[str]

    def __init__(self, asker: Asker, answering: Answering):
        self.asker, self.answering = asker, answering

    def look(self, session: Session, event: gr.EventData, shown: Shown | None = None) -> Iterator[Any]:
        """The page asks for one, or, with "halt", no longer: the component's values, as `viz.page.widgets.Knocked`."""
        data = events.data(event)
        mine = session.looks[self.part] = session.looks.get(self.part, 0) + 1
        ticket, turn = session.ticket, events.number(event, "turn")
        stopped = {"of": "", "turn": turn, "running": False, "error": "", self.part: None}
        if data.get("halt"):
            yield gr.skip()
            return
        if session.running:
            yield stopped
            return
        try:
            result = self.answering.result(session, session.meant(None if shown is None else shown.run))
            heard = wanted(LocalContext.request.get(None))
            with contextlib.closing(self.told(session, result, links.view(data.get("view")))) as news:
                for found, running in news:
                    if session.looks[self.part] != mine or not heard():
                        return
                    if not session.current(ticket) or session.result is not result:
                        yield stopped
                        return
                    yield {"of": result.id, "turn": turn, "running": running, "error": "", self.part: found}
        except Exception as error:
            if session.looks[self.part] == mine:
                yield {**stopped, "error": sentence(error)}

    def told(self, session: Session, result: Result, view: View) -> Generator[tuple[Any, bool], None, None]:
        """What is known after every pass, as the payload has it, and whether more is to come."""
        raise NotImplementedError
