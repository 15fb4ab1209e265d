"""A payload out of a file that may be anybody's: whether it is what the viewer and the exports count on.

Its parts are checked against `viz.viewer.contract` for kind and size, and here for agreement with each other. Parts
that this version does not know pass through as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError

from clvs_core.models.geometry.grids import Views
from clvs_core.untrusted import departure
from viz.viewer.contract import MAX_WEIGHTS, Payload
from viz.viewer.payload import decode

MAX_OUTLINES = 2000  # of all objects together: each takes a while to draw
CONTRACT = TypeAdapter(Payload)


def read(text: bytes) -> Payload:
    """The finished payload in a JSON text, with all that it holds. ValueError, a few words, for anything else."""
    try:
        CONTRACT.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"it {departure(error)}") from None
    payload = cast("Payload", json.loads(text))  # whole: what was validated lacks what this version does not know
    if payload["status"] != "done" or not (payload["methods"] and payload["layers"] and payload["heads"]):
        raise ValueError("it is not finished")
    if len({method["key"] for method in payload["methods"]}) < len(payload["methods"]):
        raise ValueError("two methods have one key")
    if payload["layers"] * payload["heads"] * payload["visual"] > MAX_WEIGHTS:
        raise ValueError("it has more heads than any model")
    if sum(len(item["contours"]) for item in payload["objects"]) > MAX_OUTLINES:
        raise ValueError("its objects have too many outlines")
    views(payload)
    arrays = decode(payload)
    for method in payload["methods"]:
        _agree(payload, method, arrays)
    if knockout := payload.get("knockout"):
        _fit_knockout(knockout, payload["layers"])
    if survival := payload.get("survival"):
        _fit_survival(survival, payload["layers"])
    covered = len(payload["objects"]), payload["visual"]
    coverage = arrays.get("coverage", np.zeros((0, payload["visual"])))
    if coverage.shape != covered or not ((coverage >= 0) & (coverage <= 1.001)).all():  # float16 rounds
        raise ValueError("its coverage does not fit its objects")
    return payload


def views(payload: Mapping[str, Any]) -> Views:
    """Where a payload's visual tokens lie. ValueError for an impossible geometry."""
    image = payload["image"]
    geometry = {"width": image["w"], "height": image["h"], "visual": payload["visual"], "grids": payload["views"]}
    grids = Views.from_json(geometry)
    if any(not 0 <= grid.start < grid.end <= grids.visual for grid in grids.grids):
        raise ValueError("a grid leaves the visual tokens")
    return grids


def _agree(payload: Mapping[str, Any], method: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """A method's numbers have one length each way, and point at what there is."""
    key, steps = method["key"], len(method["tokens"])
    layers, heads, visual = payload["layers"], payload["heads"], payload["visual"]
    _fit(arrays, f"attention/{key}", (steps, layers, visual))
    _fit(arrays, f"memory/{key}", (steps, layers, visual))
    _fit(arrays, f"heads/{key}", (steps, layers, heads, visual))
    rest = payload.get("rest")
    _fit(arrays, f"rest/{key}", (steps, layers, 3 + len(rest["words"]) if rest else 0))
    attention = arrays.get(f"attention/{key}")
    if attention is None or not attention.size or not (attention >= 0).all():
        raise ValueError(f"attention/{key} is missing, empty or negative")
    if (method["memory"] is not None) != (f"memory/{key}" in arrays):
        raise ValueError(f"memory/{key} is missing, or not announced")
    if not all(len(part) == length for part, length in _lengths(method, steps, layers)):
        raise ValueError(f"the parts of {key} are not of one length")
    acted = [(row, heads) for step in method["heads"] or () for row in step]
    pointing = [(method["stop"], layers), *((row, visual) for row in method["sinks"] or ()), *acted]
    if not all(-1 <= number < end for numbers, end in pointing for number in numbers):  # -1 stands for none
        raise ValueError(f"{key} names a layer, head or token that there is not")


def _fit_knockout(knockout: Mapping[str, Any], layers: int) -> None:
    """Its numbers are shares, one for each layer, and layers that matter are some that there are."""
    for left in knockout["left"]:
        lists = [left[name] for name in ("kept", "only", "control")]
        if any(len(each) != layers for each in (*lists, left["instead"])):
            raise ValueError("a knock-out has not one number for each layer")
        if any(share is not None and share < 0 for each in (*lists, [left["everywhere"]]) for share in each):
            raise ValueError("a knock-out leaves less than nothing")
        if any(layer >= layers for layer in left["matters"]):
            raise ValueError("a knock-out names a layer that there is not")


def _fit_survival(survival: Mapping[str, Any], layers: int) -> None:
    if any(len(row[part]) != layers for row in survival["objects"] for part in ("named", "said")):
        raise ValueError("what answers still name is not one for each layer")


def _fit(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> None:
    if name in arrays and (arrays[name].shape != shape or np.isinf(arrays[name]).any()):
        raise ValueError(f"{name} must be finite numbers of shape {shape}")


def _lengths(method: Mapping[str, Any], steps: int, layers: int) -> Iterator[tuple[Sequence[Any], int]]:
    """The lists of a method, each with the length that it must have."""
    yield method["stop"], steps
    for name in ("uncertainty", "lens", "heads"):  # [S][L]
        if method[name] is not None:
            yield method[name], steps
            yield from ((row, layers) for row in method[name])
    if method["contrast"] is not None:
        yield method["contrast"]["steps"], steps
    if method["sinks"] is not None:
        yield method["sinks"], layers
