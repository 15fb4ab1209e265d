"""What COCO calls a segmentation: polygons and run-length codes, read as pycocotools reads them.

What pycocotools takes means here what it means there; what it takes without meaning anything (a code that does not
fill the picture, corners that are no numbers) is `Unreadable`. Read besides, since only one thing can be meant: a
polygon without its outer list, corners as pairs, numbers as text, codes in a list, and the text of a bytes object.
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as rle

from ..names import whole

_BITS = 5  # of a run length in one character
_LONGEST_RUN = 1 << 35  # more than any picture has pixels, and no sum of them runs over


class Unreadable(ValueError):
    """Why something is no mask, as the end of a sentence about its annotation."""


class RunLengths(NamedTuple):
    """A mask as lengths of runs of 0 and 1 in turn, column by column; counts: the lengths, or pycocotools' string."""

    height: int
    width: int
    counts: np.ndarray | str


Shape = list[np.ndarray] | list[RunLengths]


def shape_of(segmentation: Any) -> Shape:
    """The flat polygons (x, y, x, y, ...) or the run-length codes of a segmentation; raises Unreadable."""
    if isinstance(segmentation, dict):
        segmentation = [segmentation]
    if not isinstance(segmentation, list):
        raise Unreadable("its segmentation is neither a list of polygons nor a run-length code")
    if not segmentation:
        raise Unreadable("its segmentation is empty")
    if all(isinstance(part, dict) for part in segmentation):
        return [_run_lengths(part) for part in segmentation]
    try:
        return _polygons(segmentation)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unreadable("its polygons are not lists of numbers") from error


def check(shape: Shape, height: int, width: int) -> None:
    """Raises Unreadable for what `decode` could not read at this size; costs no picture's worth of memory."""
    for part in shape:
        if isinstance(part, RunLengths):
            if part[:2] != (height, width):
                raise Unreadable(f"its mask is {part.width} x {part.height} pixels, and its picture {width} x {height}")
            if (total := int(_counts(part).sum())) != height * width:
                raise Unreadable(f"its run lengths add up to {total}, and its picture has {height * width} pixels")
        elif not np.isfinite(part).all():
            raise Unreadable("its polygons have numbers that are not finite")
    if not isinstance(shape[0], RunLengths):
        _usable(shape)


def decode(shape: Shape, height: int, width: int) -> np.ndarray:
    """(height, width) bool of the union of a shape's parts; raises Unreadable for what cannot be of this size."""
    check(shape, height, width)
    if isinstance(shape[0], RunLengths):
        masks = [_filled(_counts(part), height, width) for part in shape]
        return np.logical_or.reduce(masks)
    parts = [part.tolist() for part in _near(_usable(shape), height, width)]
    if not parts:
        return np.zeros((height, width), dtype=bool)
    counts = rle.merge(rle.frPyObjects(parts, height, width))["counts"].decode("ascii")
    return _filled(_read(counts), height, width)


# --- polygons -----------------------------------------------------------------------------------------------------


def _polygons(segmentation: list[Any]) -> list[np.ndarray]:
    nested = [isinstance(part, list) for part in segmentation]
    if not any(nested):
        if len(segmentation) < 6:
            raise Unreadable("its polygon has fewer than three corners")
        segmentation = [segmentation]
    elif all(isinstance(part, list) and len(part) == 2 and not isinstance(part[0], list) for part in segmentation):
        segmentation = [segmentation]
    return [np.asarray(part, dtype=np.float64).ravel() for part in segmentation]


def _usable(polygons: list[np.ndarray]) -> list[np.ndarray]:
    """Those that cover anything: in pycocotools two corners cover nothing, and a number without partner is ignored."""
    found = [part[: part.size // 2 * 2] for part in polygons if part.size >= 6]
    if not found:
        raise Unreadable("its polygon has fewer than three corners")
    return found


def _near(polygons: list[np.ndarray], height: int, width: int) -> list[np.ndarray]:
    """The same polygons, without what lies more than a picture's size outside it.

    pycocotools walks along the outline pixel by pixel, so that a far-away corner would take for ever.
    """
    low, high = np.array([-width, -height]), np.array([2 * width, 2 * height])
    found = []
    for polygon in polygons:
        points = polygon.reshape(-1, 2)
        if (points < low).any() or (points > high).any():
            for axis in (0, 1):
                points = _cut(points, axis, low[axis], 1)
                points = _cut(points, axis, high[axis], -1)
        if len(points) > 2:
            found.append(points.ravel())
    return found


def _cut(points: np.ndarray, axis: int, limit: float, sign: int) -> np.ndarray:
    """The part of a polygon (n, 2) with sign * coordinate >= sign * limit (Sutherland and Hodgman's clipping)."""
    found: list[np.ndarray] = []
    for start, end in zip(np.roll(points, 1, axis=0), points, strict=True):
        inside = [sign * (point[axis] - limit) >= 0 for point in (start, end)]
        if inside[0] != inside[1]:
            share = (limit - start[axis]) / (end[axis] - start[axis])
            crossing = start + share * (end - start)
            crossing[axis] = limit
            found.append(crossing)
        if inside[1]:
            found.append(end)
    return np.array(found).reshape(-1, 2)


# --- run-length codes ---------------------------------------------------------------------------------------------


def _run_lengths(code: dict[str, Any]) -> RunLengths:
    size, counts = code.get("size"), code.get("counts")
    sides = [whole(side) for side in size] if isinstance(size, list) else []
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        raise Unreadable("its run-length code has no size of two whole numbers")
    if isinstance(counts, list):
        lengths = [whole(count) for count in counts]
        if any(length is None or not 0 <= length < _LONGEST_RUN for length in lengths):
            raise Unreadable("its run lengths are not whole numbers from 0 up to a picture's pixels")
        counts = np.array(lengths, dtype=np.int64)
    elif not isinstance(counts, str):
        raise Unreadable("its run-length code has no counts")
    elif counts[:2] in ("b'", 'b"'):  # what str() makes of the bytes that pycocotools gives
        try:
            counts = ast.literal_eval(counts).decode("ascii")
        except (ValueError, SyntaxError, AttributeError) as error:
            raise Unreadable("its run-length string is damaged") from error
    return RunLengths(sides[0], sides[1], counts)


def _counts(code: RunLengths) -> np.ndarray:
    return _read(code.counts) if isinstance(code.counts, str) else code.counts


def _read(text: str) -> np.ndarray:
    """Reads pycocotools' string: five bits a character, signed, from the third on as differences two back."""
    bits = np.array([ord(character) for character in text], dtype=np.int64) - 48
    last = (bits & 32) == 0
    if not bits.size or bits.min() < 0 or bits.max() > 63 or not last[-1]:
        raise Unreadable("its run-length string is damaged")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:
        raise Unreadable("its run-length string is damaged")
    shifts = _BITS * (np.arange(bits.size) - np.repeat(starts, lengths))
    counts = np.add.reduceat((bits & 31) << shifts, starts)
    counts -= np.where(bits[ends] & 16, 1 << (_BITS * lengths), 0)
    for first in (1, 2):
        counts[first::2] = np.cumsum(counts[first::2])
    if counts.min() < 0:
        raise Unreadable("its run-length string is damaged")
    return counts


def _filled(counts: np.ndarray, height: int, width: int) -> np.ndarray:
    # Not pycocotools' own decoder: it reads past the end of a code that does not fill the picture.
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T
