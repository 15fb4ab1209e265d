"""What was answered, as plain JSON: the one place that reads numbers off a run for people's scripts.

`ask --json` prints a report; the page's endpoints give a run's facts under names of their own. Layers, heads and tokens
are counted from 0; None stands for what was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import key_objects as ko
from .engine.images import EncodedImage
from .engine.knockout import Knockout
from .engine.runs import Token
from .methods import spec
from .trace import Trace


@dataclass
class Key:
    """The chosen key objects as one: their names, the union of their masks and their share of each token together.

    coverage is `key_objects.together` of theirs, as on the page; mask and seen are those of the union.
    """

    names: list[str]
    mask: np.ndarray
    coverage: np.ndarray
    seen: float


def report(
    image: EncodedImage, file: str, question: str, prompt: str, runs: Sequence[Any], key: Key | None
) -> dict[str, Any]:
    """Everything `ask` knows: of each method its facts, with how many sinks it found and heads it acted on by layer."""
    curves = ko.object_curves([run.trace for run in runs], key.coverage) if key else [None] * len(runs)
    about = key and {"names": key.names, "area": float(key.mask.mean()), "seen": key.seen}
    return {
        "model": image.model.name,
        "image": {"file": file, "width": image.width, "height": image.height, "seen": list(image.views.seen())},
        "question": question,
        "prompt": prompt,
        "key_object": about,
        "methods": [_counted(facts(run)) | _on_object(curve) for run, curve in zip(runs, curves, strict=True)],
    }


def facts(run: Any) -> dict[str, Any]:
    """One run, as it is and with nothing left out.

    {method: its spec as asked for, settings: with which it ran, label, text, finished, tokens: [S]{id, text,
    probability}, threshold, first_check, stop_layer: [S], uncertainty: [S][L]}, and of methods that have them sinks:
    [S][L][..] visual tokens, acted_heads: [S][L][..] heads, contrast: [S][K]{id, text, picture, contrast, outcome}, a
    token's share behind the picture, behind what it is contrasted with, and in the outcome.
    """
    trace: Trace = run.trace
    return {
        "method": spec(run.method),
        "settings": trace.meta["method"],
        "label": run.method.label,
        "text": run.text,
        "finished": bool(run.finished),
        "tokens": [_token(token) for token in run.tokens],
        "threshold": trace.meta["threshold"],
        "first_check": trace.meta["first_check"],
        "stop_layer": trace.stop_layer.tolist(),
        "uncertainty": list(map(numbers, trace.uncertainty)),
        **_particulars(trace),
    }


def numbers(values: Iterable[float]) -> list[float | None]:
    """Plain numbers, None for what is not finite."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _particulars(trace: Trace) -> dict[str, Any]:
    """What only some methods record."""
    flags = {name: getattr(trace, name) for name in ("sinks", "acted_heads")}
    particulars: dict[str, Any] = {
        name: [_where(step) for step in steps] for name, steps in flags.items() if steps is not None
    }
    if trace.contrast_ids is not None and trace.contrast_words is not None and trace.contrast_probabilities is not None:
        steps = zip(trace.contrast_ids.tolist(), trace.contrast_words, trace.contrast_probabilities, strict=True)
        particulars["contrast"] = [_contrast(*step) for step in steps]
    return particulars


def _where(flags: np.ndarray) -> list[list[int]]:
    """Where each row of a bool array is true."""
    return [np.flatnonzero(row).tolist() for row in flags]


def _contrast(ids: Sequence[int], words: Sequence[str], shares: np.ndarray) -> list[dict[str, Any]]:
    entries = zip(ids, words, *shares.astype(float).tolist(), strict=True)
    return [dict(zip(("id", "text", "picture", "contrast", "outcome"), entry, strict=True)) for entry in entries]


def _counted(run: dict[str, Any]) -> dict[str, Any]:
    """A run's facts with numbers of sinks and heads instead of their lists."""
    lists = {name: run[name] for name in ("sinks", "acted_heads") if name in run}
    return run | {name: [list(map(len, step)) for step in steps] for name, steps in lists.items()}


def _on_object(curve: ko.ObjectCurve | None) -> dict[str, Any]:
    """The attention on the key object, what is read from it, and the gain over vanilla."""
    if curve is None:
        return {}
    steps = [curve.gain(step) for step in range(len(curve.attention))]
    gains = [] if curve.attention is curve.vanilla else [gain for gain in steps if gain is not None]
    return {
        "key_object_attention": curve.attention.tolist(),
        "summary": [_summary(ko.summarise(layers)) for layers in curve.attention],
    } | ({"relative_gain": [{k: numbers(v) for k, v in gain._asdict().items()} for gain in gains]} if gains else {})


def _summary(summary: ko.Summary) -> dict[str, Any]:
    (decay,) = numbers([summary.decay])
    return {"peak_layer": summary.peak_layer, "peak": summary.peak, "decay": decay, "half_layer": summary.half_layer}


def knockout(found: Knockout) -> dict[str, Any]:
    """A knock-out as plain JSON, by the names of its attributes; hidden: which visual tokens."""
    return {
        "method": spec(found.method),
        "label": found.method.label,
        "rows": found.rows,
        "window": found.window,
        "hidden": np.flatnonzero(found.hidden).tolist(),
        "token": _token(found.token),
        "probability": found.probability,
        "everywhere": numbers([found.everywhere])[0],
        "instead": [None if token is None else _token(token) for token in found.instead],
    } | {name: numbers(getattr(found, name)) for name in ("kept", "margin", "only", "control")}


def _token(token: Token) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "probability": float(token.probability)}
