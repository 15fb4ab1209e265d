"""What the download menu makes, on click and from the visitor's own result only."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from clvs_core.errors import ClvsError
from viz import exports
from viz.page import events, links, objects
from viz.page.desks import Desks
from viz.page.recorded.recordings import Item, Recorded, result
from viz.page.recorded.replaying import Replaying
from viz.page.screen import sentence
from viz.page.session import Result, Session, Shown
from viz.viewer.payload import MapObject, build
from viz.viewer.view import View

TRACE = re.compile(r"[a-z0-9+-]{1,200}\.npz")  # by the key that a method has in the payload


class File(NamedTuple):
    """What is downloaded, and what it is called."""

    name: str
    content: bytes


class Exports:
    """Files of the result on the page, put into Gradio's cache under an address that cannot be guessed."""

    def __init__(self, desks: Desks, replaying: Replaying | None = None):
        self.models, self.library, self.first = desks.models, desks.library, desks.first
        self.pictures, self.screen, self.answering = desks.pictures, desks.screen, desks.answering
        self.replaying, self.knocking, self.surviving = replaying, desks.knocking, desks.surviving

    def handle(self, session: Session, event: gr.EventData, shown: Shown | None = None) -> dict[str, str]:
        """The download component's value: {"url", "name"}, or {"error"}.

        shown: what is on the page. The event says, beside the kind, the view, spelled as in a link.
        """
        data = events.data(event)
        kind, view = data.get("kind"), links.view(data.get("view"))
        if kind not in exports.KINDS and not (isinstance(kind, str) and TRACE.fullmatch(kind)):
            return {"error": "There is no such download; choose one of the menu."}
        try:
            name, content = self.make(session, kind, view, shown)
            return {"url": self.pictures.publish(content, name), "name": name}
        except Exception as error:
            return {"error": sentence(error)}

    def make(self, session: Session, kind: str, view: View, shown: Shown | None = None) -> File:
        """The file. ClvsError when there is nothing to export."""
        key, _, ending = kind.rpartition(".")
        if recorded := self.replaying and self.replaying.shown(session, shown):
            return self._of_recording(*recorded, kind, view)
        run = session.meant(None if shown is None else shown.run)
        if ending in ("html", "csv") and not run and self.first.model not in self.models.cards:
            return self._first(kind, view)
        result = self.answering.result(session, run)
        name = exports.file_name(result.picture.path, result.question, kind, view)
        if ending == "npz":
            return File(name, self._trace(session, result, key))
        return File(name, exports.made(self._answered(session, result, view), kind, view))

    def _trace(self, session: Session, result: Result, key: str) -> bytes:
        keys = [method["key"] for method in (session.payload or {}).get("methods", ())]
        run = result.runs[keys.index(key)] if key in keys[: len(result.runs)] else None
        if run is None:
            raise ClvsError(f"The result has no answer of {key}; press Run first.")
        out = io.BytesIO()
        run.trace.save(out)
        return out.getvalue()

    def _answered(self, session: Session, result: Result, view: View) -> exports.Answered:
        named = objects.named(result)
        known = [
            MapObject(item.name, item.mask, item.coverage, item.source, item.name in named)
            for item in result.seen.objects
        ]
        followed = objects.followed(result, view)
        return exports.Answered(
            result.picture.image,
            result.runs,
            followed,
            lambda: {
                **build(self.screen.comparison(result, objects=known)),
                "knockout": self.knocking.last(session, result, view),
                "survival": self.surviving.last(session, result, view),
            },
            knocked=lambda: self.knocking.whole(session, result, view),
        )

    def _of_recording(self, recorded: Recorded, item: Item, kind: str, view: View) -> File:
        """What can be made of a recorded answer, which holds no traces."""
        if kind.endswith(".npz"):
            raise ClvsError("A recorded answer has no full traces; take all numbers as CSV.")
        payload = recorded.payload(item)
        picture = recorded.picture(item, payload)
        made = result(payload, picture)
        if view.on is None and not view.region:  # what the recording follows, be it what its question names or not
            view = view.but(on=tuple(entry["name"] for entry in payload["objects"] if entry["on"]))
        answered = exports.Answered(picture, made.runs, objects.followed(made, view), lambda: payload)
        name = exports.file_name(item.picture, item.question, kind, view)
        return File(name, exports.made(answered, kind, view))

    def _first(self, kind: str, view: View) -> File:
        """The first answer as it is, where its model is not offered and so cannot work it out again."""
        scene = self.library.named(self.first.scene)
        assert scene is not None
        payload: Any = {name: part for name, part in self.first.payload.items() if name != "knocks"}  # only a page can
        content = exports.text(payload, Path(kind).suffix[1:], view, scene.path.read_bytes)
        return File(exports.file_name(scene.name, self.first.question, kind, view), content)
