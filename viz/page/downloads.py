"""What the download menu makes, on click and from the visitor's own result only."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np

from clvs_core.errors import ClvsError
from clvs_core.key_objects import gains, object_curves, together
from viz import figures
from viz.page import events, links, objects
from viz.page.desks import Desks
from viz.page.recorded.recordings import Item, Recorded, result, with_objects
from viz.page.recorded.replaying import Replaying
from viz.page.screen import sentence
from viz.page.session import Result, Session, Shown
from viz.viewer import standalone as export
from viz.viewer.payload import MapObject, build
from viz.viewer.view import View

FIGURES = ("heatmaps", "curves", "uncertainty")
KINDS = (
    *(f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")),
    "page.html",
    "numbers.csv",
)
TRACE = re.compile(r"[a-z0-9+-]{1,200}\.npz")  # by the key that a method has in the payload


class Exports:
    """Files of the result on the page, put into Gradio's cache under an address that cannot be guessed."""

    def __init__(self, desks: Desks, replaying: Replaying | None = None):
        self.models, self.library, self.first = desks.models, desks.library, desks.first
        self.pictures, self.screen, self.answering = desks.pictures, desks.screen, desks.answering
        self.replaying = replaying

    def handle(self, session: Session, event: gr.EventData, shown: Shown | None = None) -> dict[str, str]:
        """The download component's value: {"url", "name"}, or {"error"}.

        shown: what is on the page. The event says, beside the kind, the view, spelled as in a link.
        """
        data = events.data(event)
        kind, view = data.get("kind"), links.view(data.get("view"))
        if kind not in KINDS and not (isinstance(kind, str) and TRACE.fullmatch(kind)):
            return {"error": "There is no such download; choose one of the menu."}
        try:
            name = f"clvs-{kind}"
            return {"url": self.pictures.publish(self.make(session, kind, view, shown), name), "name": name}
        except Exception as error:
            return {"error": sentence(error)}

    def make(self, session: Session, kind: str, view: View, shown: Shown | None = None) -> bytes:
        """The file's bytes. ClvsError when there is nothing to export."""
        name, _, ending = kind.rpartition(".")
        if recorded := self.replaying and self.replaying.shown(session, shown):
            return self._of_recording(session, *recorded, name, ending, view)
        run = session.meant(None if shown is None else shown.run)
        if ending in ("html", "csv") and not run and self.first.model not in self.models.cards:
            return self._first(ending, view)
        result = self.answering.result(session, run)
        if ending == "npz":
            return self._trace(session, result, name)
        if ending in ("html", "csv"):
            return self._page(result, ending, view)
        return self._figure(result, name, ending, view)

    def _trace(self, session: Session, result: Result, key: str) -> bytes:
        keys = [method["key"] for method in (session.payload or {}).get("methods", ())]
        run = result.runs[keys.index(key)] if key in keys[: len(result.runs)] else None
        if run is None:
            raise ClvsError(f"The result has no answer of {key}; press Run first.")
        out = io.BytesIO()
        run.trace.save(out)
        return out.getvalue()

    def _page(self, result: Result, ending: str, view: View) -> bytes:
        followed = objects.followed(result, view)
        on, drawn = {item.name for item in followed}, [item for item in followed if item.source == "region"]
        drawn_on = [
            MapObject(item.name, item.mask, item.coverage, item.source, item.name in on)
            for item in (*result.seen.objects, *drawn)
        ]
        payload = build(self.screen.comparison(result, objects=drawn_on, view=_baked(view)))
        return _exported(payload, ending, export.jpeg(result.picture.image))

    def _of_recording(
        self, session: Session, recorded: Recorded, item: Item, name: str, ending: str, view: View
    ) -> bytes:
        """What can be made of a recorded answer, which holds no traces."""
        if ending == "npz":
            raise ClvsError("A recorded answer has no full traces; take all numbers as CSV.")
        payload = recorded.payload(item)
        picture = recorded.picture(item, payload)
        if ending in ("html", "csv"):
            on = view.on if view.on is not None else [item["name"] for item in payload["objects"] if item["on"]]
            baked = with_objects(payload, () if view.region and view.on is None else on, view.region or {})
            followed = {**baked, "view": _baked(view).whole()}
            return _exported(followed, ending, export.jpeg(picture))
        return self._figure(result(payload, picture), name, ending, view)

    def _first(self, ending: str, view: View) -> bytes:
        """The first answer as it is, where its model is not offered and so cannot work it out again."""
        scene = self.library.named(self.first.scene)
        assert scene is not None
        return _exported({**self.first.payload, "view": view.chosen()}, ending, scene.path.read_bytes())

    def _figure(self, result: Result, name: str, kind: str, view: View) -> bytes:
        traces = [run.trace for run in result.runs]
        step = min(view.step, max(len(run.tokens) for run in result.runs) - 1)
        followed = objects.followed(result, view)
        make: Callable[[], Any] = {
            "heatmaps": lambda: figures.heatmaps(
                result.picture.image,
                traces,
                step=step,
                outline=_union(followed),
                mode=view.scale,
                viewed=view.layer,
            ),
            "curves": lambda: self._curves(result, traces, step, followed),
            "uncertainty": lambda: figures.uncertainty(traces, step=step),
        }[name]
        out = io.BytesIO()
        figures.save(make(), out, kind)
        return out.getvalue()

    def _curves(self, result: Result, traces: Sequence[Any], step: int, followed: Sequence[Any]) -> Any:
        cover = together([item.coverage for item in followed]) if followed else np.ones(result.views.visual)
        curves = object_curves(traces, cover)
        attention = [curve.attention for curve in curves]
        name = " and ".join(item.name for item in followed) or "the picture"
        return figures.curves(traces, attention, gains=gains(curves, step), step=step, name=name)


def _baked(view: View) -> View:
    """The view beside objects that are already as it says: the region is one of them."""
    return view.but(on=None, region=None)


def _exported(payload: Mapping[str, Any], ending: str, picture: bytes) -> bytes:
    return (export.curves_csv(payload) if ending == "csv" else export.page(payload, picture)).encode("utf-8")


def _union(objects: Sequence[Any]) -> np.ndarray | None:
    return np.any([item.mask for item in objects], axis=0) if objects else None
