"""Which key objects are followed: those that the question names, those that a visitor switched on, a drawn region."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

import clvs_core as clvs
from clvs_core.key_objects import KeyObject, mentioned, region_mask
from clvs_core.objects.words import mentions
from viz.page.session import Result
from viz.viewer.view import View


def followed(result: Result, view: View) -> list[KeyObject]:
    """The objects that are switched on, with the drawn region last."""
    names = switched_on(result, view)
    objects = [item for item in result.seen.objects if item.name in names]
    if view.region:
        mask = region_mask(result.views.height, result.views.width, **view.region)
        objects.append(KeyObject("region", mask, clvs.coverage(mask, result.views), "region"))
    return objects


def mask(result: Result, view: View) -> np.ndarray:
    """(height, width) bool of what is hidden where something is: what is followed, or all of the picture."""
    objects = followed(result, view)
    if not objects:
        return np.ones((result.views.height, result.views.width), dtype=bool)
    return np.any([item.mask for item in objects], axis=0)


def switched_on(result: Result, view: View) -> frozenset[str]:
    """Names of the objects that are switched on: by hand, or else those that the question names beside no region."""
    if view.on is not None:
        return frozenset(view.on)
    return frozenset() if view.region else named(result)


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
