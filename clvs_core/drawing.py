"""What is drawn: by `viz`, which this package must not need and so names only when something is to be drawn."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ClvsError


def show(runs: Any, objects: Sequence[Any] = (), *, picture: Any = None, view: Mapping[str, Any] | None = None) -> Any:
    """The viewer of the page, with these runs, as a notebook's output: the last value of a cell, or for `display`.

    It holds all that it shows: it needs no server and no network, and draws again wherever the notebook is opened.

    Args:
        runs: of one question, as `EncodedImage.ask` gives them, at most four, or a single one.
        objects: key objects of the picture (`clvs_core.key_objects.KeyObject`) to follow: those that the question
            names are switched on, or all where it names none.
        picture: a path, PIL image or (H, W, 3) uint8 array, for runs that do not know theirs.
        view: what is chosen at first, by the names of a link (docs/reference.md), all from 0: {"layer": 6, "head": 2}.

    Raises:
        ValueError: there are no runs, too many, or runs of different questions; objects or a picture that do not fit.
        ClvsError: the viewer is not installed here.
    """
    return part_of_viz("viewer.notebook").shown(runs, objects, picture=picture, view=view)


def part_of_viz(module: str) -> Any:
    """A module of `viz`. ClvsError where that is not installed."""
    try:
        return importlib.import_module(f"viz.{module}")
    except ImportError as error:
        raise ClvsError(
            f"This needs the project's viz folder and what that is built on ({error}); "
            f"run from the project's folder after pip install -r requirements.txt."
        ) from error
