"""Asks as the page would, for the command `record`, and hands out what the page would show.

It runs the page's own desks, so that a recorded answer cannot differ from a live one in anything but its address.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clvs_core.errors import ClvsError
from clvs_core.key_objects import KeyObject, region_mask
from viz.page import limits
from viz.page.desks import Desks
from viz.page.library import FirstAnswer, Library
from viz.page.models import Models
from viz.page.session import Picture, Session, Settings
from viz.viewer import received
from viz.viewer.contract import Payload
from viz.viewer.payload import empty
from viz.viewer.standalone import jpeg

OF_THE_PAGE = ("link", "again", "run", "knocks")  # what only a page can say of an answer


@dataclass(frozen=True)
class Asked:
    """A picture as the page would open it, with its key objects; followed: names of those to follow, None: those that
    the question names."""

    picture: Picture
    question: str
    followed: frozenset[str] | None = None

    @property
    def encoded(self) -> bytes:
        """The picture as the page shows it: a JPEG file without metadata."""
        return jpeg(self.picture.image)


def check(methods: Sequence[str], tokens: int) -> None:
    """ClvsError for what the page could not be asked."""
    limits.methods(list(methods))
    limits.new_tokens(tokens)


def open_asked(
    library: Library,
    path: Path,
    question: str,
    objects: Sequence[str] = (),
    region: KeyObject | None = None,
) -> Asked:
    """objects: names of annotated ones to follow; region: one that was drawn, which is followed, too.

    ClvsError, one sentence, for a picture, question or object that the page could not show.
    """
    image = limits.open_picture(path)
    known = library.objects(path, image.width, image.height)
    names = [item.name for item in known]
    for name in objects:
        if name not in names:
            has = f"it has {', '.join(names)}" if names else "no masks of it are known"
            raise ClvsError(f"There is no {name!r} in the picture's annotations; {has}.")
    followed = frozenset([*objects, *([region.name] if region else [])])
    shown = [item for item in known if region is None or item.name != region.name]
    picture = Picture(str(path), image, "", [*shown, *([region] if region else [])])
    return Asked(picture, limits.question(question), followed or None)


def region(path: Path, name: str, box: Sequence[float] | None, polygon: Sequence[Sequence[float]] | None) -> KeyObject:
    """A box or polygon in pixels of the picture's file as a key object. ClvsError where it is none."""
    shown = limits.open_picture(path)
    full_width, full_height = limits.upright_size(path)
    x, y = shown.width / full_width, shown.height / full_height
    if box is not None:
        box = [value * scale for value, scale in zip(box, (x, y, x, y), strict=True)]
    if polygon is not None:
        polygon = [(left * x, top * y) for left, top in polygon]
    return KeyObject(name, region_mask(shown.height, shown.width, box=box, polygon=polygon), source="region")


class Recorder:
    """The page over one loaded model; source: what was given to load it."""

    def __init__(self, model: Any, source: str, library: Library):
        models = Models([source], load=lambda *_, **__: model)
        models.get(models.default)
        blank = FirstAnswer(library.scenes[0].name, "", models.default, model.layers, empty())
        self._answering = Desks(models, library, blank).answering
        self._name = models.default

    def ask(self, asked: Asked, methods: Sequence[str], tokens: int, prompt: str) -> Payload:
        """The payload of the finished answer, without an address of page or picture. Errors as from the engine.

        ClvsError, too, for what a page could not read back: better told now than to a visitor.
        """
        session = Session(picture=asked.picture)
        settings = Settings(self._name, tuple(methods), tokens, prompt)
        # past `run`, which would turn errors into words for visitors
        *_, last = self._answering.answer(session, session.begin(), asked.picture.path, asked.question, settings)
        payload = {name: part for name, part in last.items() if name not in OF_THE_PAGE}
        if asked.followed is not None:
            payload["objects"] = [{**item, "on": item["name"] in asked.followed} for item in payload["objects"]]
        try:
            return received.read(json.dumps(payload).encode())
        except ValueError as error:
            raise ClvsError(f"The page could not show this answer ({error}); leave the question out.") from None
