"""Masks drawn by hand: boxes and polygons in pixels of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ClvsError


def region_mask(
    height: int,
    width: int,
    box: Sequence[float] | None = None,
    polygon: Sequence[Sequence[float]] | None = None,
) -> np.ndarray:
    """Mask of a region drawn on a picture: the pixels whose centres lie inside (even-odd rule).

    Args:
        height, width: size of the picture in pixels.
        box: two opposite corners, x0, y0, x1, y1 in pixels.
        polygon: at least three corners (x, y) in pixels, given instead of the box.

    Returns:
        (height, width) bool.

    Raises:
        ClvsError: neither or both are given, a number is not finite, or no pixel lies inside.
    """
    if (box is None) == (polygon is None):
        raise ClvsError("A region is either a box or a polygon; give one of the two.")
    if box is not None:
        if len(box) != 4:
            raise ClvsError(f"A box is four numbers, x0, y0, x1, y1 in pixels, but {len(box)} were given.")
        x0, y0, x1, y1 = box
        polygon = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    try:
        points = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ClvsError("A region needs finite numbers: four for a box, at least three pairs x, y for a polygon.")
    mask = _inside(points, height, width)
    if not mask.any():
        raise ClvsError(f"The region covers no pixel of the picture, which is {width} x {height}.")
    return mask


def _inside(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Even-odd rule at pixel centres: an edge crossed on the way from the left flips inside and outside."""
    flips = np.zeros((height, width + 1), dtype=np.int32)
    centres = np.arange(height) + 0.5
    for (xa, ya), (xb, yb) in zip(points, np.roll(points, -1, axis=0), strict=True):
        rows = np.flatnonzero((ya <= centres) != (yb <= centres))
        if rows.size:
            x = xa + (centres[rows] - ya) * ((xb - xa) / (yb - ya))
            flips[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)] += 1
    return np.cumsum(flips[:, :width], axis=1) % 2 == 1
