"""From an object's mask to its share of each visual token.

Masks are (height, width) bool arrays of the original picture. This file knows no model and no file of masks: a
picture's `Views` say where its tokens lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..models.geometry.grids import View, Views


@dataclass(frozen=True)
class KeyObject:
    """Something in the picture whose attention is followed.

    Attributes:
        name: what to call it, a category or "region".
        mask: (height, width) bool, of the original picture.
        coverage: (visual,) share of each visual token, once a model's views are known.
        source: where the mask is from: "scenes", "coco" or "region".
    """

    name: str
    mask: np.ndarray
    coverage: np.ndarray | None = None
    source: str = "region"


def coverage(mask: np.ndarray, views: Views) -> np.ndarray:
    """Share of each visual token's cell that the mask covers, exact for cells that cut through pixels.

    Args:
        mask: (height, width) bool of the original picture.
        views: geometry of the visual tokens on that picture.

    Returns:
        (visual,) float64 in [0, 1]. The part of a cell outside the picture (padding) counts as not covered,
        and tokens of no grid (newlines, a class token) get 0.

    Raises:
        ValueError: the mask is not the picture's size.
    """
    mask = _checked(mask, views)
    shares = np.zeros(views.visual)
    for view in views.grids:
        tokens = view.start + np.add.outer(np.arange(view.rows) * view.stride, np.arange(view.cols))
        shares[tokens] = _covered_area(mask, view) / _cell_area(view)
    return np.clip(shares, 0.0, 1.0)


def together(coverages: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Share of each visual token that several objects cover together: the sum of their shares, at most 1.

    This is what every curve of several objects uses: page, tables, figures and command line. It is exact for objects
    that do not overlap, and for tokens that one of them covers whole. Where two overlapping masks both cover part of
    a token, their overlap counts twice within it, up to the whole token; the page, which has only shares and no
    masks, could not tell either.

    Args:
        coverages: (objects, visual) shares in [0, 1], at least one object's.

    Returns:
        (visual,) float64 in [0, 1].
    """
    return np.minimum(np.sum(coverages, axis=0, dtype=np.float64), 1.0)


def seen_share(mask: np.ndarray, views: Views) -> float:
    """Share of the mask's own area that the model sees, in [0, 1]: the rest was cropped away.

    An empty mask gives 0. Raises ValueError when the mask is not the picture's size.
    """
    mask = _checked(mask, views)
    x0, y0, x1, y1 = views.seen()
    total = int(np.count_nonzero(mask))
    if total == 0 or x0 >= x1 or y0 >= y1:
        return 0.0
    return min(1.0, float(_covered_area(mask, View(0, 1, 1, (x0, y0, x1, y1))).sum() / total))


def _checked(mask: np.ndarray, views: Views) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.shape != (views.height, views.width):
        raise ValueError(
            f"The mask must have the picture's size, {views.height} x {views.width}, not "
            f"{' x '.join(map(str, mask.shape))}."
        )
    return mask.astype(bool, copy=False)


def _cell_area(view: View) -> float:
    x0, y0, x1, y1 = view.box(0, 0)
    return (x1 - x0) * (y1 - y0)


def _covered_area(mask: np.ndarray, view: View) -> np.ndarray:
    """(rows, cols) area of the mask, in square pixels, inside each cell; cells may cut through pixels."""
    height, width = mask.shape
    x0, y0, x1, y1 = view.region
    across = np.clip(np.linspace(x0, x1, view.cols + 1), 0, width)
    down = np.clip(np.linspace(y0, y1, view.rows + 1), 0, height)
    pixel_edges = np.arange(width + 1)
    area = np.zeros((view.rows, view.cols))
    for row in range(view.rows):
        top, bottom = down[row : row + 2]
        first, last = math.floor(top), math.ceil(bottom)
        lines = np.arange(first, last)
        overlap = np.minimum(lines + 1, bottom) - np.maximum(lines, top)
        running = np.concatenate([[0.0], np.cumsum(overlap @ mask[first:last])])
        area[row] = np.diff(np.interp(across, pixel_edges, running))  # exact: `running` is linear inside a pixel
    return area
