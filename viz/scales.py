"""Colour maps and scales of attention maps: the Python twin of what `viewer/static/model.js` works out.

Maps arrive as raw attention weights, never normalised. A *scale mode* picks the range that is spread over the colours:

    shared    0 to the 99.5th percentile over every method and layer of the step; maps can be compared (default)
    layer     the same, over the methods at one layer only; layers cannot be compared
    map       lowest to highest weight of this one map; shows its shape, compares with nothing
    uniform   weight x number of visual tokens, fixed 0 to 10; 1 is an evenly spread look, comparable across models

A few sink tokens would darken everything else, hence the percentile; what lies above it is clipped and marked.
The viewer gets its colour tables from `lut` and is tested to give the same numbers as the functions below.
"""

from __future__ import annotations

import functools

import matplotlib
import numpy as np

MAPS = ("magma", "viridis", "cividis")
DIVERGING = "PuOr_r"
MODES = ("shared", "layer", "map", "uniform")
CLIP = 99.5
UNIFORM_HIGH = 10.0
OPACITY = 0.92


@functools.cache
def lut(name: str) -> np.ndarray:
    """(256, 3) uint8 sRGB table of a matplotlib colour map: one of `MAPS` or `DIVERGING`."""
    if name not in (*MAPS, DIVERGING):
        raise ValueError(f"unknown colour map {name!r}: choose one of {', '.join((*MAPS, DIVERGING))}")
    table = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    table.setflags(write=False)
    return table


def limits(maps: np.ndarray, mode: str, method: int, layer: int) -> tuple[float, float]:
    """Lowest and highest value of the scale for one map.

    maps: (methods, layers, visual) raw weights of one step; NaN where a method has nothing, or a token is hidden.
    Returns weights; in mode "uniform" the range is fixed in units of 1/visual, and so given divided by visual.
    """
    if mode not in MODES:
        raise ValueError(f"unknown scale mode {mode!r}: choose one of {', '.join(MODES)}")
    maps = np.asarray(maps, dtype=np.float64)
    if mode == "uniform":
        return 0.0, UNIFORM_HIGH / maps.shape[-1]
    if mode == "map":
        values = _finite(maps[method, layer])
        return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    values = _finite(maps if mode == "shared" else maps[:, layer])
    return 0.0, float(np.percentile(values, CLIP)) if values.size else 0.0


def signed_limit(difference: np.ndarray, mode: str, layer: int) -> float:
    """Largest magnitude shown for a signed difference (layers, visual): the scale is symmetric around 0."""
    difference = np.asarray(difference, dtype=np.float64)
    if mode == "uniform":
        return UNIFORM_HIGH / 2 / difference.shape[-1]
    values = np.abs(_finite(difference if mode == "shared" else difference[layer]))
    if not values.size:
        return 0.0
    return float(values.max() if mode == "map" else np.percentile(values, CLIP))


def normalise(values: np.ndarray, low: float, high: float, power: float = 1.0) -> np.ndarray:
    """Weights to [0, 1]; `power` < 1 lifts faint weights. An empty range (high <= low) gives 0. NaN stays NaN."""
    values = np.asarray(values, dtype=np.float64)
    if high <= low:
        return np.where(np.isnan(values), np.nan, 0.0)
    return np.clip((values - low) / (high - low), 0.0, 1.0) ** power


def normalise_signed(values: np.ndarray, limit: float, power: float = 1.0) -> np.ndarray:
    """Differences to [-1, 1], 0 staying 0."""
    values = np.asarray(values, dtype=np.float64)
    return np.sign(values) * normalise(np.abs(values), 0.0, limit, power)


def clipped(values: np.ndarray, high: float) -> np.ndarray:
    """True where a weight (or the magnitude of a difference) lies above the scale and is marked."""
    return np.abs(np.asarray(values, dtype=np.float64)) > high


def colour(normalised: np.ndarray, name: str = "magma") -> np.ndarray:
    """(..., 4) uint8 RGBA of values in [0, 1], or in [-1, 1] for the diverging map.

    Opacity is proportional to the magnitude, so that the picture stays visible where attention is low. NaN is clear.
    """
    values = np.asarray(normalised, dtype=np.float64)
    position = values / 2 + 0.5 if name == DIVERGING else values
    index = np.minimum(np.nan_to_num(position) * 256, 255).astype(np.int64)
    alpha = np.round(np.nan_to_num(np.abs(values)) * OPACITY * 255).astype(np.uint8)
    return np.concatenate([lut(name)[index], alpha[..., None]], axis=-1)


def sinks(maps: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k tokens with the highest median weight over layers (maps: (layers, visual)), strongest first.

    A sink is looked at in every layer whatever the question; an object only in some: hence the median.
    """
    median = np.median(np.asarray(maps, dtype=np.float64), axis=0)
    return np.argsort(-median, kind="stable")[:k]


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]
