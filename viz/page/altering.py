"""Hide and ask again: the question on the page, asked about its picture without what is followed.

The answer comes beside the one on the page, which stays, token by token; a newer one, a halt or a newer question ends
it at its next token. Nothing of it is kept here: the browser shows it as long as it needs it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from clvs_core.hiding import Fill, hide
from viz.page import objects
from viz.page.knocking import call_of
from viz.page.looking import Looking
from viz.page.seen import add
from viz.page.session import Result, Session
from viz.viewer.payload import build
from viz.viewer.standalone import jpeg
from viz.viewer.view import View


class Altering(Looking):
    """Asks again about altered pictures."""

    part = "payload"

    def told(self, session: Session, result: Result, view: View) -> Generator[tuple[dict[str, Any], bool], None, None]:
        with contextlib.closing(self._stream(result, view)) as payloads:
            for payload in payloads:
                yield payload, payload["status"] == "running"

    def _stream(self, result: Result, view: View) -> Generator[dict[str, Any], None, None]:
        """The payload of the other answer after each token, as the methods and settings of the first have it."""
        image = hide(result.picture.image, objects.mask(result, view), _fill(view))
        url = self.answering.pictures.publish(jpeg(image), "hidden.jpg")
        altered = replace(result.picture, image=image, url=url)
        other = replace(result, picture=altered, runs=[], notes=(), remark="")
        call = call_of(other, result.methods)
        with contextlib.closing(self.asker.stream(call)) as answers:
            for answer in answers:
                if answer.runs:
                    other = replace(other, runs=answer.runs)
                    yield self._payload(other, "running")
        yield self._payload(other, "done")

    def _payload(self, result: Result, status: str) -> dict[str, Any]:
        comparison = self.answering.screen.comparison(result, status=status, id=result.id)
        return add(build(comparison), result.seen, objects.named(result), objects.called(result))


def _fill(view: View) -> Fill:
    return view.fill or "mean"  # type: ignore[return-value]  # one of them, as the view has it
