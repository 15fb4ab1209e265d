"""A picture's key objects under one model's geometry: everything about them that stays the same from token to token.

Outlines of a 768-pixel mask take some 25 ms each, far more than an answer's next token, so they are made once.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import clvs_core as clvs
from viz.viewer.naming import naming
from viz.viewer.payload import Comparison, MapObject, build


@dataclass(frozen=True)
class Seen:
    """Key objects with their coverage, and what a payload says of them.

    entries: the payload's `objects`. coverage: (objects, visual) float16.
    """

    objects: Sequence[Any]
    entries: Sequence[Mapping[str, Any]]
    coverage: np.ndarray


def see(objects: Sequence[Any], views: Any) -> Seen:
    """Measures objects (masks of the original picture) against the visual tokens of `views`."""
    covered = [replace(item, coverage=clvs.coverage(item.mask, views)) for item in objects]
    drawn = [MapObject(item.name, item.mask, item.coverage, item.source) for item in covered]
    entries = build(Comparison([], "", views=views, objects=drawn))["objects"]
    coverage = np.array([item.coverage for item in covered], dtype="<f2").reshape(len(covered), views.visual)
    return Seen(covered, entries, coverage)


def add(
    payload: Mapping[str, Any], seen: Seen, on: Collection[str], words: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A payload that was built without objects, with these; those named in `on` are switched on.

    words: what the question calls objects, by their names.
    """
    if not seen.entries:
        return dict(payload)
    data = base64.b64decode(payload["blob"])
    place = {"offset": len(data) // 2, "shape": list(seen.coverage.shape)}
    return {
        **payload,
        "objects": [
            {**entry, "on": entry["name"] in on} | _called(entry["name"], words or {}) for entry in seen.entries
        ],
        "methods": naming(payload["methods"], [item.name for item in seen.objects]),
        "arrays": {**payload["arrays"], "coverage": place},
        "blob": base64.b64encode(data + seen.coverage.tobytes()).decode("ascii"),
    }


def _called(name: str, words: Mapping[str, str]) -> dict[str, str]:
    word = words.get(name, name)
    return {} if word == name else {"word": word}
