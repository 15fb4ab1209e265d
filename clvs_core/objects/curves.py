"""Key-object curves: how much attention an object gets layer by layer, and what is read from that.

This file knows neither masks nor models: a trace's weights and each token's share of the object are enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


def key_object_attention(trace: Any, coverage: np.ndarray, head: int | None = None) -> np.ndarray:
    """Attention on the key object: the sum over visual tokens of coverage times the head-mean weight.

    Args:
        trace: a `Trace`; `trace.attention` (steps, layers, heads, visual) holds the weights really used.
        coverage: (visual,) share of each token in [0, 1].
        head: one head's weights, from 0, in place of the mean of all.

    Returns:
        (steps, layers) float64: the part of the predicting row's attention, 0 to 1, that lies on the object. It never
        exceeds 1, as the sum of a float16 trace's rounded weights may.

    Raises:
        ValueError: `coverage` does not have one value for each visual token.
    """
    steps, layers, _, visual = trace.attention.shape
    coverage = np.asarray(coverage, dtype=np.float64)
    if coverage.shape != (visual,):
        raise ValueError(f"The coverage must have {visual} values, one a visual token, not {coverage.shape}.")
    curves = np.empty((steps, layers))
    for step, weights in enumerate(trace.attention):  # one step at a time: float64 is four times the trace
        shares = weights.astype(np.float64) @ coverage
        curves[step] = shares.mean(axis=-1) if head is None else shares[:, head]
    return np.minimum(curves, 1.0)


class Summary(NamedTuple):
    """A key-object curve in four numbers; layers are 0-based.

    peak_layer, peak: the (first) layer with the most attention, and how much it is.
    decay: share of the peak that is lost by the last layer, in [0, 1]; NaN where the curve is 0 throughout.
    half_layer: first layer after the peak with less than half of it, None where it never falls that far.
    """

    peak_layer: int
    peak: float
    decay: float
    half_layer: int | None


def summarise(curve: np.ndarray) -> Summary:
    """Peak and decay of one key-object curve (layers,)."""
    curve = _curve(curve)
    layer = int(curve.argmax())
    peak = float(curve[layer])
    below = np.flatnonzero(curve[layer + 1 :] < peak / 2)
    half = layer + 1 + int(below[0]) if below.size else None
    return Summary(layer, peak, 1 - float(curve[-1]) / peak if peak > 0 else math.nan, half)


class Gain(NamedTuple):
    """Relative gain per layer in percent: `clipped` at 100 as in the paper's figure 6, and `unclipped`."""

    clipped: np.ndarray
    unclipped: np.ndarray


def relative_gain(method_curve: np.ndarray, vanilla_curve: np.ndarray) -> Gain:
    """How much more attention (percent) a method gives the object than vanilla, layer by layer.

    Both curves are (layers,). Where vanilla gives nothing, the gain is 0 if the method gives nothing either,
    else infinite (100 when clipped). Losses are negative and not clipped.
    """
    method_curve, vanilla_curve = _curve(method_curve), _curve(vanilla_curve)
    if method_curve.shape != vanilla_curve.shape:
        raise ValueError(f"The curves have {method_curve.size} and {vanilla_curve.size} layers; they must match.")
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = 100 * (method_curve - vanilla_curve) / vanilla_curve
    gain = np.where(method_curve == vanilla_curve, 0.0, gain)
    return Gain(np.minimum(gain, 100.0), gain)


@dataclass(frozen=True)
class ObjectCurve:
    """A method's attention (steps, layers) on an object, beside vanilla's; None where vanilla was not asked."""

    attention: np.ndarray
    vanilla: np.ndarray | None

    def gain(self, step: int) -> Gain | None:
        """Over vanilla at a token; None where there is no vanilla, or one of the two answers has ended before."""
        if self.vanilla is None or step >= min(len(self.attention), len(self.vanilla)):
            return None
        return relative_gain(self.attention[step], self.vanilla[step])


def object_curves(traces: Sequence[Any], coverage: np.ndarray, head: int | None = None) -> list[ObjectCurve]:
    """`key_object_attention` of traces of one question, one a method, each beside that of the one named vanilla."""
    curves = [key_object_attention(trace, coverage, head) for trace in traces]
    vanilla = next((c for c, t in zip(curves, traces, strict=True) if t.meta.get("method") == "vanilla"), None)
    return [ObjectCurve(curve, vanilla) for curve in curves]


def gains(curves: Sequence[ObjectCurve], step: int) -> list[np.ndarray | None]:
    """What is drawn beside each curve: its unclipped gain (layers,) at a token; None for vanilla itself, too."""
    compared = [None if curve.attention is curve.vanilla else curve.gain(step) for curve in curves]
    return [gain and gain.unclipped for gain in compared]


def _curve(values: np.ndarray) -> np.ndarray:
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim != 1 or curve.size == 0 or not np.isfinite(curve).all() or curve.min() < 0:
        raise ValueError("A key-object curve must be one non-negative finite number a layer.")
    return curve
