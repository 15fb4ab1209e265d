"""Which key objects a visitor follows: chips that are switched, and a region that is drawn.

The browser draws both by itself; the session remembers them for the next answer and for downloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

import clvs_core as clvs
from clvs_core.key_objects import KeyObject, mentioned, region_mask
from viz.page import limits
from viz.page.session import Result, Session


def switch(session: Session, event: gr.EventData) -> None:
    """Object chips were switched."""
    names = (event._data or {}).get("on")
    if isinstance(names, list):
        session.on = frozenset(str(name)[:80] for name in names[:200])


def draw(session: Session, event: gr.EventData) -> None:
    """A region was drawn on the picture, {} when cleared."""
    follow(session, event._data)


def follow(session: Session, region: Any) -> None:
    """The region that the page shows is this one; what is none clears it."""
    session.region = _region(region)


def followed(session: Session, result: Result) -> list[KeyObject]:
    """The objects that are switched on, with the drawn region last."""
    names = switched_on(session, result)
    objects = [item for item in result.seen.objects if item.name in names]
    if session.region:
        mask = region_mask(result.views.height, result.views.width, **session.region)
        objects.append(KeyObject("region", mask, clvs.coverage(mask, result.views), "region"))
    return objects


def switched_on(session: Session, result: Result) -> frozenset[str]:
    """Names of the objects that are switched on: by hand, or else those that the question names."""
    return named(result) if session.on is None else session.on


def named(result: Result) -> frozenset[str]:
    """Names of the objects that the question names."""
    return frozenset(mentioned(result.question, [item.name for item in result.seen.objects]))


def _region(data: Any) -> dict[str, Any]:
    """A box or polygon in picture pixels from the browser, or {} for anything else."""
    if not isinstance(data, Mapping):
        return {}
    box, polygon = data.get("box"), data.get("polygon")
    if isinstance(box, list) and len(box) == 4 and all(map(_number, box)):
        return {"box": box}
    pairs = isinstance(polygon, list) and 3 <= len(polygon) <= limits.MAX_POLYGON
    if pairs and all(isinstance(p, list) and len(p) == 2 and all(map(_number, p)) for p in polygon):
        return {"polygon": polygon}
    return {}


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6
