"""Every alpha and beta at once: the question on the page, asked with each, for the map that shows the answers.

What comes of it stays with the session, so that it outlives another setting of the same question; a new one ends it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from clvs_core.errors import ClvsError
from clvs_core.methods import CLVS, spec
from viz.page import events, limits
from viz.page.answering import Answering
from viz.page.asking import Call
from viz.page.choosing import Choosing
from viz.page.session import Result, Session, Shown
from viz.page.tries import Tries, rest, smoothed

STEPS = tuple(at / 10 for at in range(11))  # of alpha, and of beta
LONGEST = 8  # tokens of an answer: what it says is clear by then


class Trying:
    """Asks with every setting; Stop, or anything that is asked anew, ends that after the row that is on its way."""

    def __init__(self, answering: Answering, choosing: Choosing):
        self.answering, self.choosing = answering, choosing
        self.asker, self.screen = answering.asker, answering.screen

    def try_settings(self, session: Session, shown: Shown) -> Iterator[Any]:
        """The viewer's payload after each row of settings: a value of alpha with all of beta."""
        ticket = session.ticket
        try:
            result = self.answering.result(session, shown.run)
            ticket, base = session.ticket, smoothed(result.methods)
            if base is None:
                raise ClvsError("Compare with CLVS first: its settings are what is tried.")
            for tries in self._rows(result, base):
                if not session.current(ticket):
                    return
                session.tries = tries
                yield self.screen.show(session, tries=tries.told)
        except Exception as error:
            if session.current(ticket):
                yield self.screen.fail(session, error)

    def _rows(self, result: Result, base: CLVS) -> Iterator[Tries]:
        """What is known so far; first, that it has begun."""
        tries = Tries(result.id, rest(base), STEPS, STEPS, [], None)
        yield tries
        tokens = min(LONGEST, result.settings.tokens)
        rows = [[replace(base, alpha=alpha, beta=beta) for beta in STEPS] for alpha in STEPS]
        settings = result.settings
        call = Call(settings.model, result.picture.image, result.question, rows[0], tokens, settings.prompt)
        began = time.monotonic()
        for answers in self.asker.answers(call, rows):
            cells = [*tries.cells, [_cell(answer) for answer in answers]]
            left = (time.monotonic() - began) / len(cells) * (len(rows) - len(cells))
            tries = replace(tries, cells=cells, left=round(left, 1))
            yield tries

    def set(
        self,
        session: Session,
        shown: Shown,
        question: str,
        model: str,
        specs: Any,
        tokens: Any,
        prompt: Any,
        event: gr.EventData,
    ) -> tuple[Any, ...]:
        """A cell was pressed: its alpha and beta are the settings of CLVS."""
        methods = limits.methods(specs)
        base = smoothed(methods)
        alpha, beta = (events.data(event).get(name) for name in ("alpha", "beta"))
        if base is None or alpha not in STEPS or beta not in STEPS:
            return events.unchanged(3)
        chosen = [spec(replace(base, alpha=alpha, beta=beta) if method is base else method) for method in methods]
        picker = self.choosing.picker(model, chosen)
        return picker, *self.answering.move(session, shown, question, model, chosen, tokens, prompt)


def _cell(answer: Any) -> list[Any]:
    """What was said, and how likely all of it was."""
    return [answer.text.strip()[:80], round(math.prod(float(token.probability) for token in answer.tokens), 4)]
