"""Colour maps and scales of attention maps: the Python twin of what `viewer/src/twins.js` works out.

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
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np

MAPS = ("magma", "viridis", "cividis")
DIVERGING = "PuOr_r"
MODES = ("shared", "layer", "map", "uniform")
CLIP = 99.5
UNIFORM_HIGH = 10.0
OPACITY = 0.92


@dataclass(frozen=True)
class Style:
    """How one method's lines look, here and in the viewer: never by colour alone.

    colour, dark: sRGB on light and on dark paper. dash: pixels drawn and left out, () for a solid line. mark: ring,
    dot, square or diamond.
    """

    colour: str
    dark: str
    dash: tuple[int, ...]
    mark: str


# By place: the reference first (vanilla, or else the first method), then the others in order. Any two are at least 20
# apart (CIE 1976) for every kind of colour blindness; tests/viz/test_scales.py works it out.
STYLES = (
    Style("#6a46c2", "#b49df2", (5, 4), "ring"),
    Style("#c2570c", "#f0a050", (), "dot"),
    Style("#0b7a75", "#4fc4bc", (2, 3), "square"),
    Style("#7a0f3c", "#fb5184", (9, 3, 2, 3), "diamond"),
)


def places(names: Sequence[str]) -> list[int]:
    """Each method's place among `STYLES`: 0 for the reference, which is vanilla or else the first."""
    reference = names.index("vanilla") if "vanilla" in names else 0
    return [0 if at == reference else at + (at < reference) for at in range(len(names))]


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
