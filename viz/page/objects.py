"""Which key objects a visitor follows: chips that are switched, and a region that is drawn.

The browser draws both by itself; the session remembers them for the next answer and for downloads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import gradio as gr
from pydantic import Field

import clvs_core as clvs
from clvs_core.errors import ClvsError
from clvs_core.key_objects import KeyObject, mentioned, region_mask
from clvs_core.objects.words import mentions
from clvs_core.untrusted import Number, checked
from viz.page import events, limits
from viz.page.session import Result, Session

_Pixels = Annotated[Number, Field(gt=-1e6, lt=1e6)]
_Corner = Annotated[list[_Pixels], Field(min_length=2, max_length=2)]
_REGIONS: dict[str, Any] = {
    "box": Annotated[list[_Pixels], Field(min_length=4, max_length=4)],
    "polygon": Annotated[list[_Corner], Field(min_length=3, max_length=limits.MAX_POLYGON)],
}


def switch(session: Session, event: gr.EventData) -> None:
    """Object chips were switched."""
    names = events.data(event).get("on")
    if isinstance(names, list):
        session.on = frozenset(str(name)[:80] for name in names[:200])


def set_region(session: Session, event: gr.EventData) -> None:
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


def absent(result: Result, categories: Collection[str]) -> list[str]:
    """Those of an annotation's categories that the question names and of which the picture has no object.

    Of a picture without annotations nothing is known.
    """
    there = {item.name for item in result.picture.objects}
    return [name for name in mentioned(result.question, categories) if name not in there] if there else []


def called(result: Result) -> dict[str, str]:
    """What the question calls objects, by their names: "ball" for "sports ball"; the first word where it has two."""
    found = mentions(result.question, [item.name for item in result.seen.objects])
    return {name: result.question[start:end].lower() for name, start, end in reversed(found)}


def _region(data: Any) -> dict[str, Any]:
    """A box or polygon in picture pixels from the browser, or {} for anything else."""
    for name, kind in _REGIONS.items():
        with contextlib.suppress(ClvsError):
            return {name: checked(kind, data.get(name) if isinstance(data, Mapping) else None, "A region", "clear it")}
    return {}
