"""A payload out of a file that may be anybody's: whether it is what the viewer and the exports count on.

The parts that `viz.viewer.payload.build` writes are checked for kind, size and agreement with each other. Parts that
this version does not know pass through as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clvs_core.models.geometry.grids import Views
from viz.viewer.payload import MAX_METHODS, VERSION, decode

MAX_LAYERS = 1024
MAX_OBJECTS = 200
MAX_OUTLINES = 2000  # of all objects together: each takes a while to draw
MAX_WEIGHTS = 1 << 26  # of all heads and layers for one token
_Text = Annotated[str, Field(max_length=4000)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Count = Annotated[int, Field(ge=0, le=1 << 20)]
_Side = Annotated[int, Field(ge=1, le=1 << 14)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Address = Annotated[str, Field(max_length=2000, pattern=r"^(https?://.*)?$")]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Acts(_Part):
    summary: _Text
    stage: _Text
    rows: Literal["last", "after_image"]
    layers: tuple[_Count, _Count] | None
    contrast: _Text
    paper: _Address
    records: list[_Text]


class _PartCard(_Acts):
    label: _Text


class _Card(_Acts):
    acted: _Text
    tau: float | None
    parts: list[_PartCard]


class _Token(_Part):
    id: int
    text: _Text
    probability: _Share


class _Contrast(_Part):
    against: _Text
    steps: list[list[tuple[_Text, float, float, float]]]


class _Method(_Part):
    key: _Name
    name: _Name
    label: _Text
    spec: _Text
    settings: _Text
    card: _Card
    text: Annotated[str, Field(max_length=1 << 16)]
    finished: bool
    tokens: list[_Token]
    stop: list[int]
    uncertainty: list[list[float | None]]
    threshold: float | None
    first_check: float | None
    lens: list[list[list[tuple[_Text, float | None]]]] | None
    sinks: list[list[_Count]] | None
    heads: list[list[list[_Count]]] | None
    contrast: _Contrast | None
    memory: Literal["layers", "words"] | None


class _Object(_Part):
    name: _Name
    on: bool
    source: _Text
    area: _Share
    seen: _Share
    contours: list[list[tuple[float, float]]]


class _Model(_Part):
    name: _Text
    label: _Text


class _Image(_Part):
    w: _Side
    h: _Side
    seen: tuple[float, float, float, float]


class _View(_Part):
    start: _Count
    rows: Annotated[int, Field(ge=1, le=4096)]
    cols: Annotated[int, Field(ge=1, le=4096)]
    stride: _Count
    region: tuple[float, float, float, float]
    kind: _Text


class _Place(_Part):
    offset: Annotated[int, Field(ge=0, le=1 << 28)]
    shape: list[_Count]


class _Payload(_Part):
    v: Literal[VERSION]  # type: ignore[valid-type]
    status: Literal["done"]
    model: _Model
    question: _Text
    image: _Image
    views: Annotated[list[_View], Field(min_length=1, max_length=1024)]
    visual: Annotated[int, Field(ge=1, le=1 << 20)]
    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)]
    heads: Annotated[int, Field(ge=1, le=MAX_WEIGHTS)]
    methods: Annotated[list[_Method], Field(min_length=1, max_length=MAX_METHODS)]
    objects: Annotated[list[_Object], Field(max_length=MAX_OBJECTS)]
    arrays: dict[str, _Place]
    blob: str
    notes: list[_Text]
    step: _Count
    view: dict[str, Any]


def read(text: bytes) -> dict[str, Any]:
    """The finished payload in a JSON text, with all that it holds. ValueError, a few words, for anything else."""
    try:
        _Payload.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
    payload = json.loads(text)
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
    covered = len(payload["objects"]), payload["visual"]
    coverage = arrays.get("coverage", np.zeros((0, payload["visual"])))
    if coverage.shape != covered or not ((coverage >= 0) & (coverage <= 1.001)).all():  # float16 rounds
        raise ValueError("its coverage does not fit its objects")
    return payload


def views(payload: Mapping[str, Any]) -> Views:
    """Where a payload's visual tokens lie. ValueError for an impossible geometry."""
    image = payload["image"]
    found = Views.from_json(
        {"width": image["w"], "height": image["h"], "visual": payload["visual"], "grids": payload["views"]}
    )
    if any(not 0 <= grid.start < grid.end <= found.visual for grid in found.grids):
        raise ValueError("a grid leaves the visual tokens")
    return found


def _agree(payload: Mapping[str, Any], method: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """A method's numbers have one length each way, and point at what there is."""
    key, steps = method["key"], len(method["tokens"])
    layers, heads, visual = payload["layers"], payload["heads"], payload["visual"]
    _fit(arrays, f"attention/{key}", (steps, layers, visual))
    _fit(arrays, f"memory/{key}", (steps, layers, visual))
    _fit(arrays, f"heads/{key}", (steps, layers, heads, visual))
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
