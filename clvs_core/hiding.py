"""Something hidden in a picture: what is asked again then was not seen at all.

A knock-out (`clvs_core.EncodedImage.knockout`) hides visual tokens from some words and layers; here the pixels
themselves go, before any model has looked.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageFilter

from .errors import ClvsError, ImageError
from .pictures import read_picture

Fill = Literal["mean", "blur", "background"]
FILLS: tuple[Fill, ...] = get_args(Fill)
BLURRED = 0.25  # of the longer side of what is hidden: the Gaussian's radius, at which no shape is left


def hide(picture: object, mask: np.ndarray, fill: Fill = "mean") -> Image.Image:
    """The picture with what the mask covers hidden, every other pixel as it is; the edge is hard.

    Args:
        picture: a path, a PIL image or an array, as `clvs_core.Model.open_image` takes it.
        mask: (height, width) bool, True where the picture is hidden.
        fill: "mean": one colour, the mean of what stays (of the whole picture where nothing does); "blur": a Gaussian
            blur over a quarter of the hidden part's longer side, which leaves its colours; "background": the colours
            around it, carried inwards, which leaves neither colour nor, on a plain ground, shape.

    Returns:
        An RGB picture of the same size.

    Raises:
        ImageError: for what is no picture, or a mask of another size. ClvsError: for another fill, or an empty mask.
    """
    image = read_picture(picture)
    mask = np.asarray(mask, dtype=bool)
    if mask.shape != (image.height, image.width):
        raise ImageError(f"The mask must have the picture's size, {image.height} x {image.width}, not {mask.shape}.")
    if fill not in FILLS:
        raise ClvsError(f"There is no fill {fill!r}; choose {', '.join(FILLS)}.")
    if not mask.any():
        raise ClvsError("There is nothing to hide: the mask covers no pixel.")
    pixels = np.asarray(image)
    if fill == "blur":
        filled = np.asarray(image.filter(ImageFilter.GaussianBlur(BLURRED * _longer_side(mask))))
    elif fill == "background" and not mask.all():
        filled = _carried_inwards(pixels.astype(np.float64), ~mask)
    else:
        filled = np.broadcast_to(pixels[~mask if not mask.all() else mask].mean(axis=0), pixels.shape)
    return Image.fromarray(np.where(mask[..., None], np.rint(filled).astype(np.uint8), pixels))


def _longer_side(mask: np.ndarray) -> int:
    return max(int(np.ptp(np.flatnonzero(mask.any(axis=axis)))) + 1 for axis in (0, 1))


def _carried_inwards(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Pixels (height, width, 3) with the unknown ones filled from those around them.

    Each takes the mean of the nearest known ones, at the finest halving of the picture that has any: pull and push of
    Gortler et al., *The Lumigraph*, 1996.
    """
    if known.all():
        return pixels
    height, width = known.shape
    even = (0, height % 2), (0, width % 2)
    weights = np.pad(known.astype(np.float64), even)
    sums = np.pad(pixels * known[..., None], (*even, (0, 0)))
    count = _in_fours(weights)
    coarse = _in_fours(sums) / np.maximum(count, 1)[..., None]
    coarse = _carried_inwards(coarse, count > 0)
    size = (coarse.shape[1] * 2, coarse.shape[0] * 2)
    bands = [Image.fromarray(coarse[..., band].astype(np.float32)) for band in range(3)]
    finer = np.stack([np.asarray(band.resize(size, Image.Resampling.BILINEAR)) for band in bands], axis=-1)
    return np.where(known[..., None], pixels, finer[:height, :width])


def _in_fours(values: np.ndarray) -> np.ndarray:
    """Sums over squares of two by two."""
    return values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
