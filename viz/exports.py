"""What can be taken home of an answer, each as the page shows it: one answer and one view go in, a file comes out.

    made(Answered(picture, runs, followed, payload, "desk.jpg"), "heatmaps.png", view)

Figures take everything of the view that a figure can show, and say what colours alone do not: the head, hidden sink
tokens, a bent scale. Tables have numbers of the same head and region, pages open as they were left, and full traces
(`Trace.save`) hold all that there is whatever is shown.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image

from clvs_core.engine.knockout import Knockout
from clvs_core.errors import ClvsError
from clvs_core.key_objects import KeyObject, ObjectCurve, gains, object_curves, together
from viz import figures
from viz.viewer import standalone
from viz.viewer.payload import keys
from viz.viewer.view import View

FIGURES = ("heatmaps", "curves", "uncertainty", "knockout")
KINDS = (
    *(f"{name}.{ending}" for name in FIGURES for ending in ("png", "svg")),
    "scrub.gif",
    "page.html",
    "numbers.csv",
)
_LONGEST = {"picture": 40, "question": 60}  # bytes of a file's name


@dataclass(frozen=True)
class Answered:
    """A question's answers on a picture.

    runs: one a method, with their traces. followed: the objects that the view follows, a drawn region (whose source is
    "region") last. payload: makes the viewer's, with all objects of the picture. name: of the picture's file, "" where
    it has none. knocked: measures what is left where the model cannot look at what is followed; None where it cannot be
    asked.
    """

    picture: Image.Image
    runs: Sequence[Any]
    followed: Sequence[KeyObject]
    payload: Callable[[], Mapping[str, Any]]
    name: str = ""
    knocked: Callable[[], Sequence[Knockout]] | None = None


def made(answered: Answered, kind: str, view: View) -> bytes:
    """A file of one of `KINDS`. ValueError for a view that shows what there is not, such as a head."""
    name, _, ending = kind.rpartition(".")
    if name in FIGURES:
        out = io.BytesIO()
        figures.save(figure(answered, name, view), out, ending)
        return out.getvalue()
    if name == "scrub":
        return scrub(answered, view)
    return text(answered.payload(), ending, view, lambda: standalone.jpeg(answered.picture))


def text(payload: Mapping[str, Any], ending: str, view: View, picture: Callable[[], bytes]) -> bytes:
    """A payload as a page ("html") or as a table ("csv"); picture: makes its file, for the page."""
    if ending == "csv":
        return standalone.curves_csv(payload, view).encode("utf-8")
    return standalone.page({**payload, "view": view.chosen()}, picture()).encode("utf-8")


def figure(answered: Answered, name: str, view: View) -> Any:
    """The figure of that name, as the viewer shows it. Colours are of light paper, whatever the page has."""
    if name == "knockout":
        return _knockout(answered, view)
    traces, maps = [run.trace for run in answered.runs], _maps(answered, view)
    if name == "uncertainty":
        return figures.uncertainty(traces, step=maps.step, viewed=view.layer)
    if name == "curves":
        curves = _curves(answered, view)
        values, shown = [curve.attention for curve in curves], {"head": view.head, "viewed": view.layer}
        more = gains(curves, maps.step)
        return figures.curves(traces, values, gains=more, step=maps.step, name=_followed(answered), **shown)
    drawn = {**vars(maps), **vars(maps.look)}
    del drawn["look"]
    return figures.heatmaps(answered.picture, traces, viewed=view.layer, **drawn)


def scrub(answered: Answered, view: View) -> bytes:
    """All layers' maps, one after another, as an animated GIF."""
    values = [curve.attention for curve in _curves(answered, view)]
    traces, out = [run.trace for run in answered.runs], io.BytesIO()
    figures.Scrub(answered.picture, traces, values, _maps(answered, view), _followed(answered)).save(out)
    return out.getvalue()


def _maps(answered: Answered, view: View) -> figures.Maps:
    """How maps are drawn."""
    regions = [item.mask for item in answered.followed if item.source == "region"]
    objects = [item.mask for item in answered.followed if item.source != "region"]
    return figures.Maps(
        min(view.step, max(len(run.trace.attention) for run in answered.runs) - 1),
        figures.Look(view.cmap, view.scale, view.power, view.head, view.sinks, view.smooth, view.grid, view.crop),
        outline=np.any(objects, axis=0) if objects and view.contours else None,
        region=np.any(regions, axis=0) if regions else None,
        compared=_compared(answered.runs, view) if view.diff else None,
        memory=view.memory,
        rings=view.rings,
    )


def _compared(runs: Sequence[Any], view: View) -> int | None:
    """Which run the reference is compared with: the view's, or else the first other one."""
    names = [run.method.name for run in runs]
    reference = names.index("vanilla") if "vanilla" in names else 0
    others = [at for at in range(len(names)) if at != reference]
    chosen = [at for at in others if keys(names)[at] == view.focus]
    return next(iter(chosen or others), None)


def _curves(answered: Answered, view: View) -> list[ObjectCurve]:
    """The attention on what is followed, or on the whole picture."""
    covers = [item.coverage for item in answered.followed if item.coverage is not None]
    traces = [run.trace for run in answered.runs]
    return object_curves(traces, together(covers) if covers else np.ones(traces[0].views.visual), view.head)


def _followed(answered: Answered) -> str:
    return " and ".join(item.name for item in answered.followed) or "the picture"


def _knockout(answered: Answered, view: View) -> Any:
    if answered.knocked is None:
        raise ClvsError("Nothing can be hidden from a model that is not here; start the app with it.")
    question = str(answered.runs[0].trace.meta["question"])
    return figures.knockout(answered.knocked(), name=_followed(answered), question=question, only=view.only)


# --- names --------------------------------------------------------------------------------------------------------


def file_name(picture: str, question: str, kind: str, view: View) -> str:
    """What a file is called: desk-is-there-a-laptop-in-the-picture-layer-3-heatmaps.png.

    picture: of its file, with or without an ending. Letters and digits of any script, on every system.
    """
    parts = [_plain(PurePath(picture).stem, _LONGEST["picture"]) or "picture", _plain(question, _LONGEST["question"])]
    layer = "" if view.layer is None or kind.endswith((".npz", ".csv", ".gif")) else f"layer-{view.layer + 1}"
    return "-".join(filter(None, [*parts, layer, kind.replace("+", "-")]))


def _plain(words: str, longest: int) -> str:
    """Words with dashes between, whole ones as far as they fit."""
    plain = re.sub(r"[\W_]+", "-", words.lower()).strip("-")
    cut = plain.encode("utf-8")[:longest].decode("utf-8", "ignore")
    return (cut.rpartition("-")[0] or cut) if cut != plain else plain
