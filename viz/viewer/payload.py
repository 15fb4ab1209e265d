"""What the viewer is given: a small JSON dictionary whose bulk is one base64 string of little-endian float16.

`build` makes it from the engine's runs, finished or still streaming; `decode` is its inverse for tests and exports.
Weights are raw: the browser applies every scale, and `viz.scales` is the Python twin.

    payload = build(Comparison(runs, url, objects=[MapObject("dog", mask, coverage)]))
    payload = build(Comparison(step.runs, url, objects=objects, status="running", progress="token 2"))
    payload = build(Comparison([], url, views=image.views, methods=methods, status="running"))  # before the first token

`viz.viewer.contract` says what its parts are. `stays`, a list of names that the page adds, says that only these parts
are news: of all others the viewer keeps what it shows, if it shows anything.

While an answer is still coming, maps, memories, acted heads and contrasts hold no more tokens than fit into
`STREAM_BUDGET` (always the first), so that a long answer of a large model is not sent again with every token; the
finished payload holds all.
"""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from contourpy import contour_generator

from clvs_core.labels import labels, settings_line
from clvs_core.methods import spec as written
from viz.viewer.contract import MAX_METHODS, VERSION, Answer, Box, Method, Object, Payload, Place, Rest, View
from viz.viewer.naming import naming
from viz.viewer.particulars import card, memory, recorded
from viz.viewer.view import View as Chosen

HEADS_BUDGET = 768 * 1024  # bytes of float16 for the per-head maps of all methods together; more is left out
STREAM_BUDGET = 1024 * 1024  # bytes of float16 while running; the embedded model's longest pair takes 0.6 MiB

_NOTHING: Answer = {
    "text": "",
    "finished": False,
    "tokens": [],
    "stop": [],
    "uncertainty": [],
    "threshold": None,
    "first_check": None,
    "lens": None,
}


@dataclass(frozen=True)
class MapObject:
    """An object drawn on the maps and summed in the curves.

    mask: (height, width) bool of the original picture. coverage: (visual,) share of each visual token in [0, 1].
    """

    name: str
    mask: np.ndarray
    coverage: np.ndarray
    source: str = "scenes"
    on: bool = True


@dataclass(frozen=True)
class Comparison:
    """The answers of up to four methods to one question on one picture, finished or still being written.

    runs: engine runs, whole or partial (their traces may hold fewer steps); empty while nothing has come yet, then
    `views` (and `methods`, for the headings) must be given. image_url: of the picture. label: the model's name for
    people. absent: names of objects that the question names and the picture does not have. progress, error: plain
    sentences. view: sets the controls of a new `id`, for permalinks: all of them as a `viz.viewer.view.View`, some of
    them by name. heads: whether single heads may be sent, where they fit. id: a new one where it is None. ValueError
    for more than four methods, or when neither runs nor views are given.
    """

    runs: Sequence[Any]
    image_url: str
    objects: Sequence[MapObject] = ()
    views: Any = None
    methods: Sequence[Any] = ()
    label: str = ""
    question: str = ""
    status: Literal["running", "done"] = "done"
    progress: str = ""
    error: str = ""
    notes: Sequence[str] = ()
    step: int = 0
    heads: bool = True
    view: Chosen | Mapping[str, Any] | None = None
    id: str | None = None
    absent: Sequence[str] = ()

    def __post_init__(self) -> None:
        count = max(len(self.runs), len(self.methods))
        if count > MAX_METHODS:
            raise ValueError(f"The viewer compares at most {MAX_METHODS} methods, got {count}.")
        if not self.runs and self.views is None:
            raise ValueError("The viewer needs runs, or the views of the picture when nothing has run yet.")

    @property
    def geometry(self) -> Any:
        """Where the visual tokens lie."""
        return self.views if self.views is not None else self.runs[0].trace.views


def build(comparison: Comparison) -> Payload:
    """The payload of a comparison. ValueError when an object does not fit its picture."""
    runs, views, view = comparison.runs, comparison.geometry, comparison.view
    meta = dict(runs[0].trace.meta) if runs else {}
    steps = _affordable(runs) if comparison.status == "running" else None
    entries = _methods([run.method for run in runs] or comparison.methods, runs, steps)
    if comparison.objects:
        entries = naming(entries, [item.name for item in comparison.objects])
    layout, blob = _pack(_arrays(comparison, entries, steps))
    shape = runs[0].trace.attention.shape if runs else (0, 0, 0, views.visual)
    return {
        "v": VERSION,
        "id": comparison.id or uuid.uuid4().hex[:12],
        "status": comparison.status,
        "progress": comparison.progress,
        "error": comparison.error,
        "model": {"name": str(meta.get("model", "")), "label": comparison.label or str(meta.get("model", ""))},
        "question": comparison.question or str(meta.get("question", "")),
        "image": {"url": comparison.image_url, "w": views.width, "h": views.height, "seen": _box(views.seen())},
        "views": [_view(grid) for grid in views.grids],
        "visual": int(views.visual),
        "layers": int(shape[1]),
        "heads": int(shape[2]),
        "methods": entries,
        "objects": [_object(item, views) for item in comparison.objects],
        "absent": [str(name) for name in comparison.absent],
        "rest": _rest(runs),
        "arrays": layout,
        "blob": blob,
        "notes": [str(note) for note in comparison.notes],
        "step": int(comparison.step),
        "view": view.whole() if isinstance(view, Chosen) else Chosen.of(view).chosen(),
    }


def empty(error: str = "") -> dict[str, Any]:
    """A payload with nothing to show yet, or with the sentence that says what went wrong."""
    return {"v": VERSION, "id": "empty", "status": "empty", "error": error}


def decode(payload: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a payload as float16, by name. ValueError when the string is shorter than its shapes say."""
    flat = np.frombuffer(base64.b64decode(payload["blob"], validate=True), dtype="<f2")
    arrays = {}
    for name, entry in payload["arrays"].items():
        size = math.prod(entry["shape"])
        if entry["offset"] < 0 or entry["offset"] + size > flat.size:
            raise ValueError(f"The payload's data ends before {name!r} does.")
        arrays[name] = flat[entry["offset"] : entry["offset"] + size].reshape(entry["shape"])
    return arrays


def contours(mask: np.ndarray) -> list[list[list[float]]]:
    """Outlines of a (height, width) bool mask as polylines of [x, y] in pixels, simplified to 1/400 of the picture."""
    height, width = mask.shape
    stride = max(1, max(height, width) // 1024)
    padded = np.pad(mask[::stride, ::stride].astype(np.float32), 1)
    tolerance = max(height, width) / 400
    outlines = cast(list[np.ndarray], contour_generator(z=padded).lines(0.5))
    lines = [(line - 0.5) * stride for line in outlines]
    lines = [line for line in lines if np.ptp(line, axis=0).max() > 2 * tolerance] or lines[:1]
    return [np.round(simplify(line, tolerance), 1).tolist() for line in lines]


def simplify(line: np.ndarray, tolerance: float) -> np.ndarray:
    """Points of a polyline (points, 2) that keep it within `tolerance` of the original (Ramer, Douglas, Peucker)."""
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        inner, chord = line[first + 1 : last] - line[first], line[last] - line[first]
        length = np.hypot(*chord)
        if length > 0:
            along = np.clip(inner @ chord / length**2, 0, 1)[:, None]
            distance = np.hypot(*(inner - along * chord).T)
        else:  # a closed outline: the point farthest from its start splits it
            distance = np.hypot(*inner.T)
        far = int(distance.argmax())
        if distance[far] > tolerance:
            middle = first + 1 + far
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return line[keep]


def keys(names: Sequence[str]) -> list[str]:
    """By what a payload tells methods apart: their names, repeated ones with a number: clvs, clvs-2."""
    repeats = [names[:at].count(name) for at, name in enumerate(names)]
    return [f"{name}-{repeat + 1}" if repeat else name for name, repeat in zip(names, repeats, strict=True)]


def _methods(methods: Sequence[Any], runs: Sequence[Any], steps: int | None) -> list[Method]:
    specs = [str(run.trace.meta.get("method", run.method.name)) for run in runs] or list(map(written, methods))
    layers = runs[0].trace.attention.shape[1] if runs else 0
    entries: list[Method] = []
    shown, own_keys = labels(specs, [method.label for method in methods]), keys([method.name for method in methods])
    for index, (method, spec) in enumerate(zip(methods, specs, strict=True)):
        run = runs[index] if runs else None
        entries.append(
            {
                "key": own_keys[index],
                "name": method.name,
                "label": shown[index],
                "spec": spec,
                "settings": settings_line(written(method), spec),
                "card": card(method, spec, layers),
                **(_NOTHING if run is None else _answer(run)),
                **recorded(run, steps),
            }
        )
    return entries


def _answer(run: Any) -> Answer:
    trace = run.trace
    return {
        "text": run.text,
        "finished": bool(run.finished),
        "tokens": [
            {"id": int(t.id), "text": t.text, "probability": round(float(t.probability), 5)} for t in run.tokens
        ],
        "stop": [int(layer) for layer in trace.stop_layer],
        "uncertainty": [rounded(row, 5) for row in trace.uncertainty],
        "threshold": _optional(trace.meta.get("threshold")),
        "first_check": _optional(trace.meta.get("first_check")),
        "lens": _lens(trace),
    }


def _lens(trace: Any) -> list | None:
    words, chances = getattr(trace, "lens_words", None), getattr(trace, "lens_probabilities", None)
    if not words or chances is None:
        return None
    return [
        [
            [[word, rounded_number(p, 4)] for word, p in zip(layer, row, strict=True)]
            for layer, row in zip(layers, rows, strict=True)
        ]
        for layers, rows in zip(words, chances, strict=True)
    ]


def _affordable(runs: Sequence[Any]) -> int:
    """How many tokens' maps fit into `STREAM_BUDGET`, at least one.

    The first ones, not the newest: the visitor's token then never changes by itself, and from there on every payload
    has the same blob, which Gradio's stream of differences does not send again.
    """
    layers, visual = runs[0].trace.attention.shape[1::2] if runs else (0, 0)
    maps = sum(1 + (memory(run.trace) is not None) for run in runs)
    return max(1, STREAM_BUDGET // max(1, 2 * maps * layers * visual))


def _arrays(comparison: Comparison, entries: Sequence[Method], steps: int | None) -> dict[str, np.ndarray]:
    arrays = {}
    runs, visual = comparison.runs, comparison.geometry.visual
    for entry, run in zip(entries, runs, strict=False):
        attention = np.asarray(run.trace.attention[:steps])
        arrays[f"attention/{entry['key']}"] = attention.astype(np.float32).mean(axis=2)
        if run.trace.rest is not None:
            arrays[f"rest/{entry['key']}"] = np.asarray(run.trace.rest[:steps])
        carried = memory(run.trace)
        if carried is not None:
            arrays[f"memory/{entry['key']}"] = np.asarray(carried[:steps])
    affordable = 2 * sum(run.trace.attention.size for run in runs) <= HEADS_BUDGET
    if comparison.heads and comparison.status == "done" and affordable:
        for entry, run in zip(entries, runs, strict=False):
            arrays[f"heads/{entry['key']}"] = np.asarray(run.trace.attention)
    if comparison.objects:
        arrays["coverage"] = np.stack([np.asarray(item.coverage) for item in comparison.objects])
        if arrays["coverage"].shape[1] != visual:
            raise ValueError(f"An object's coverage must have one share for each of the {visual} visual tokens.")
    return arrays


def _rest(runs: Sequence[Any]) -> Rest | None:
    """The words of the attention outside of the picture, which are the same for all methods."""
    meta = next((run.trace.meta for run in runs if run.trace.rest is not None), None)
    if meta is None:
        return None
    return {"words": [str(word) for word in meta["words"]], "asked": [int(at) for at in meta["asked"]]}


def _pack(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, Place], str]:
    layout: dict[str, Place] = {}
    parts, offset = [], 0
    for name, array in arrays.items():
        half = np.ascontiguousarray(array, dtype="<f2")
        layout[name] = {"offset": offset, "shape": list(half.shape)}
        parts.append(half.tobytes())
        offset += half.size
    return layout, base64.b64encode(b"".join(parts)).decode("ascii")


def _view(grid: Any) -> View:
    return {
        "start": int(grid.start),
        "rows": int(grid.rows),
        "cols": int(grid.cols),
        "stride": int(grid.stride or grid.cols),
        "region": _box(grid.region),
        "kind": str(grid.kind),
    }


def _object(item: MapObject, views: Any) -> Object:
    mask = np.asarray(item.mask)
    if mask.shape != (views.height, views.width):
        raise ValueError(f"The mask of {item.name!r} must have the picture's size {views.height} x {views.width}.")
    x0, y0, x1, y1 = (round(edge) for edge in views.seen())
    total = int(mask.sum())
    return {
        "name": item.name,
        "on": bool(item.on),
        "source": item.source,
        "area": round(total / mask.size, 5),
        "seen": round(int(mask[y0:y1, x0:x1].sum()) / total, 5) if total else 0.0,
        "contours": contours(mask.astype(bool)),
    }


def _box(edges: Sequence[float]) -> Box:
    return [round(float(edge), 3) for edge in edges]


def rounded(values: Sequence[float], digits: int) -> list[float | None]:
    return [rounded_number(value, digits) for value in values]


def rounded_number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
