"""Key objects: from an object's mask to its share of each visual token, to the attention it gets per layer.

Masks are (height, width) bool arrays of the original picture. They come from a file in COCO's instances
format or from a region drawn by hand. This file knows no model: a picture's `Views` say where its tokens lie.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as rle

from .category_words import mentioned
from .errors import ClvsError
from .models.views import View, Views

__all__ = [
    "CocoInstances",
    "Gain",
    "KeyObject",
    "Summary",
    "coverage",
    "key_object_attention",
    "mentioned",
    "region_mask",
    "relative_gain",
    "seen_share",
    "summarise",
    "together",
]


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


# --- from masks to curves ------------------------------------------------------------------------------


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


def key_object_attention(trace: Any, coverage: np.ndarray) -> np.ndarray:
    """Attention on the key object: the sum over visual tokens of coverage times the head-mean weight.

    Args:
        trace: a `Trace`; `trace.attention` (steps, layers, heads, visual) holds the weights really used.
        coverage: (visual,) share of each token in [0, 1].

    Returns:
        (steps, layers) float64: the part of the predicting row's attention, 0 to 1, that lies on the object.

    Raises:
        ValueError: `coverage` does not have one value for each visual token.
    """
    steps, layers, _, visual = trace.attention.shape
    coverage = np.asarray(coverage, dtype=np.float64)
    if coverage.shape != (visual,):
        raise ValueError(f"The coverage must have {visual} values, one a visual token, not {coverage.shape}.")
    curves = np.empty((steps, layers))
    for step, weights in enumerate(trace.attention):  # one step at a time: float64 is four times the trace
        curves[step] = (weights.astype(np.float64) @ coverage).mean(axis=-1)
    return curves


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


def _curve(values: np.ndarray) -> np.ndarray:
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim != 1 or curve.size == 0 or not np.isfinite(curve).all() or curve.min() < 0:
        raise ValueError("A key-object curve must be one non-negative finite number a layer.")
    return curve


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


# --- masks drawn by hand -------------------------------------------------------------------------------


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


# --- masks from a file in COCO's instances format ------------------------------------------------------


@dataclass(frozen=True)
class _Picture:
    file_name: str
    width: int
    height: int
    annotations: list[_Annotation]


@dataclass(frozen=True)
class _Annotation:
    """One instance: polygons as flat x, y arrays, or a run-length code as pycocotools takes it."""

    id: Any
    picture: Any
    category: Any
    crowd: bool
    shape: list[np.ndarray] | dict[str, Any]


class CocoInstances:
    """Instance masks by picture, from a file such as `instances_val2014.json`.

    Pictures are recognised by file name, whatever folder they are in: `COCO_val2014_000000310196.jpg`,
    `000000310196.jpg` and `000000310196.png` are the same picture.

    Args:
        path: the annotation file.
        source: what `KeyObject.source` says of its objects.

    Raises:
        ClvsError: the file cannot be read or is not in COCO's instances format.
    """

    def __init__(self, path: str | Path, source: str = "coco"):
        self.path = Path(path)
        self.source = source
        data = self._read()
        self._names = {category["id"]: str(category["name"]) for category in data["categories"]}
        by_id: dict[Any, _Picture] = {}
        self._pictures: dict[str, list[_Picture]] = {}
        for entry in data["images"]:
            picture = _Picture(str(entry["file_name"]), int(entry["width"]), int(entry["height"]), [])
            by_id[entry["id"]] = picture
            self._pictures.setdefault(_key(picture.file_name), []).append(picture)
        for annotation in data["annotations"]:
            if annotation.picture not in by_id or annotation.category not in self._names:
                raise self._broken(f"annotation {annotation.id} belongs to no listed image or category")
            by_id[annotation.picture].annotations.append(annotation)

    def __contains__(self, file_name: str) -> bool:
        return _key(file_name) in self._pictures

    def find(
        self, file_name: str, width: int | None = None, height: int | None = None, merge: bool = True
    ) -> list[KeyObject]:
        """The objects of a picture, largest first; an empty list when the file does not know the picture.

        Args:
            file_name: name of the picture's file.
            width, height: size of the picture at hand, when known. Masks are scaled to it if it is the
                annotated picture at another size.
            merge: one object a category, the union of its instances and crowds (what the paper calls a key
                object); else one an instance.

        Raises:
            ClvsError: the picture's shape is not the annotated one's, several pictures have this name, or a
                mask is broken.
        """
        picture = self._picture(file_name)
        if picture is None:
            return []
        size = (picture.height if height is None else height, picture.width if width is None else width)
        _check_rescaled(picture, *size)
        masks: dict[str, np.ndarray] = {}
        for number, annotation in enumerate(picture.annotations, start=1):
            mask = self._mask(annotation, picture)
            name = self._names[annotation.category] if merge else f"{self._names[annotation.category]} {number}"
            masks[name] = masks[name] | mask if name in masks else mask
        found = [KeyObject(name, _resized(mask, *size), source=self.source) for name, mask in masks.items()]
        return sorted((item for item in found if item.mask.any()), key=lambda item: -int(item.mask.sum()))

    def _picture(self, file_name: str) -> _Picture | None:
        candidates = self._pictures.get(_key(file_name), [])
        if len(candidates) > 1:
            same = [p for p in candidates if _base(p.file_name) == _base(file_name)]
            if len(same) != 1:
                raise ClvsError(f"{self.path.name} lists several pictures named {_base(file_name)!r}; rename one.")
            candidates = same
        return candidates[0] if candidates else None

    def _mask(self, annotation: _Annotation, picture: _Picture) -> np.ndarray:
        try:
            return _decode(annotation.shape, picture.height, picture.width)
        except ValueError as error:
            raise self._broken(f"the mask of annotation {annotation.id} is damaged: {error}") from error

    def _read(self) -> dict[str, Any]:
        """The file's three lists. Polygons are packed as they are parsed: val2014 has 290 000 of them."""
        try:
            with self.path.open(encoding="utf-8") as file:
                data = json.load(file, object_hook=_pack)
        except OSError as error:
            raise ClvsError(
                f"The annotation file {self.path} cannot be read ({error.strerror}); check its path."
            ) from error
        except _BrokenAnnotation as error:
            raise self._broken(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise self._broken("it is not valid JSON") from error
        lists = {"images": dict, "annotations": _Annotation, "categories": dict}
        for name, kind in lists.items():
            items = data.get(name) if isinstance(data, dict) else None
            if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
                raise self._broken(f"it has no proper list {name!r}")
        for name, keys in (
            ("images", ("id", "file_name", "width", "height")),
            ("categories", ("id", "name")),
        ):
            for item in data[name]:
                if any(not isinstance(item.get(key), (int, str)) for key in keys):
                    raise self._broken(f"an entry of {name!r} lacks one of {', '.join(keys)}")
                if name == "images" and not (_is_side(item["width"]) and _is_side(item["height"])):
                    raise self._broken(f"the image {item['file_name']!r} has an impossible size")
        return data

    def _broken(self, what: str) -> ClvsError:
        return ClvsError(
            f"{self.path.name} is not a file of COCO instances: {what}; give one like instances_val2014.json."
        )


class _BrokenAnnotation(ValueError):
    """An annotation that cannot hold a mask."""


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 30_000


def _base(file_name: str) -> str:
    return PurePosixPath(str(file_name).replace("\\", "/")).name


def _key(file_name: str) -> str:
    """What names of one picture have in common: no folder, no extension, no COCO split."""
    return re.sub(r"^coco_[a-z]+\d{4}_(?=\d{12}$)", "", PurePosixPath(_base(file_name)).stem.casefold())


def _pack(entry: dict[str, Any]) -> Any:
    """Hook of the JSON reader: an annotation becomes an `_Annotation`, everything else stays as it is."""
    if "category_id" not in entry or "image_id" not in entry:
        return entry
    shape, name = entry.get("segmentation"), entry.get("id")
    ids = (entry["image_id"], entry["category_id"])
    if not all(isinstance(value, (int, str)) for value in ids):
        raise _BrokenAnnotation(f"annotation {name} has ids that are neither numbers nor words")
    if isinstance(shape, list):
        try:
            shape = [np.asarray(polygon, dtype=np.float64) for polygon in shape]
        except (TypeError, ValueError) as error:
            raise _BrokenAnnotation(f"annotation {name} has a polygon that is not a list of numbers") from error
    elif not isinstance(shape, dict):
        raise _BrokenAnnotation(f"annotation {name} has no segmentation")
    return _Annotation(name, *ids, bool(entry.get("iscrowd")), shape)


def _decode(shape: list[np.ndarray] | dict[str, Any], height: int, width: int) -> np.ndarray:
    """(height, width) bool of polygons or of a run-length code; ValueError when it cannot be of this size."""
    counts = _outline(shape, height, width) if isinstance(shape, list) else shape.get("counts")
    if isinstance(shape, dict) and shape.get("size") != [height, width]:
        raise ValueError(f"its run-length code must have the size [{height}, {width}]")
    if isinstance(counts, str):
        counts = _run_lengths(counts)
    # Not pycocotools' own decoder: it reads past the end of a code that does not fill the picture.
    if not isinstance(counts, list) or not all(isinstance(n, int) and n >= 0 for n in counts):
        raise ValueError("its run lengths must be whole numbers from 0 up, or pycocotools' string of them")
    if sum(counts) != height * width:
        raise ValueError(f"its run lengths must add up to {height * width}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def _outline(polygons: list[np.ndarray], height: int, width: int) -> str | list[int]:
    """The run-length string of the union of some polygons, rasterised as COCO does."""
    clipped = []
    for polygon in polygons:
        if polygon.ndim != 1 or polygon.size < 6 or polygon.size % 2 or not np.isfinite(polygon).all():
            raise ValueError("a polygon must be at least three pairs of finite numbers")
        # pycocotools walks along the outline pixel by pixel, so a far-away corner would take for ever.
        clipped.append(np.clip(polygon.reshape(-1, 2), 0, (width, height)).ravel().tolist())
    if not clipped:
        return [height * width]
    return rle.merge(rle.frPyObjects(clipped, height, width))["counts"].decode("ascii")


def _run_lengths(text: str) -> list[int]:
    """Reads pycocotools' string: five bits a character, signed, from the third on as differences two back."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("its run-length string has characters that cannot be there")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= 1 << shift if bits & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("its run-length string breaks off")
    return counts


def _check_rescaled(picture: _Picture, height: int, width: int) -> None:
    """A picture at hand must be the annotated one, scaled; a pixel of rounding on one side is allowed."""
    across = abs(width - picture.width * height / picture.height)
    down = abs(height - picture.height * width / picture.width)
    if min(across, down) > 1:
        raise ClvsError(
            f"{_base(picture.file_name)} was annotated at {picture.width} x {picture.height} pixels, but "
            f"this picture is {width} x {height}, another shape; use the original picture or rename this one."
        )


def _resized(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest pixel; the mask itself where the size is already right."""
    if mask.shape == (height, width):
        return mask
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
    cols = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
    return mask[np.ix_(rows, cols)]
