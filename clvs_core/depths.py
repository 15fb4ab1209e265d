"""Pictures of more than 8 bits: brought to 8 by the depth that they use, or refused in one sentence.

A file says how many bits a value takes, not how many it uses: cameras and scanners put 10, 12 or 14 bits into 16, and
programs write 0 to 1, 0 to 255 or measurements as float. What is meant is taken where one reading fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .errors import ImageError

_DEPTHS = (8, 10, 12, 14, 16, 24, 31)  # bits that a whole value may use; Pillow has 32 with a sign
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of TIFF; Pillow follows the second for 8 bits only


@dataclass(frozen=True)
class Depth:
    """What a picture's file says of its values, before they are loaded."""

    is_in_16_bits: bool
    is_negative: bool  # 0 is white

    @classmethod
    def of(cls, picture: Image.Image) -> Depth:
        tags = getattr(picture, "tag_v2", {})
        modes = [str(tile[3]) for tile in getattr(picture, "tile", ())]
        deep = 16 in tags.get(_BITS_PER_SAMPLE, ()) or any(";16" in mode for mode in modes)
        return cls(deep, tags.get(_PHOTOMETRIC) == 0)

    def in_eight(self, picture: Image.Image, name: str) -> Image.Image:
        """The picture with 8 bits a value; raises ImageError where its values cannot be read truly."""
        if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
            return _grey(picture, name, is_negative=self.is_negative)
        if self.is_in_16_bits:
            _check_colours(picture, name)
        return picture


def _grey(picture: Image.Image, name: str, *, is_negative: bool) -> Image.Image:
    values = np.asarray(picture)
    low, high = float(values.min()), float(values.max())
    white = _white(high) if picture.mode == "F" else _full(high)
    if white is None or not 0 <= low <= high:
        raise ImageError(
            f"{name} has grey values from {low:g} to {high:g}, of which it cannot be told what is black and white; "
            "save it with 8 bits."
        )
    grey = np.empty(values.shape, dtype=np.uint8)
    for row, line in enumerate(values):  # one at a time: float64 is eight times the picture
        grey[row] = np.round(line * (255 / white))
    return Image.fromarray(255 - grey if is_negative else grey)


def _check_colours(picture: Image.Image, name: str) -> None:
    """Raises ImageError for colours that use the lower of 16 bits: Pillow reads the upper 8 alone."""
    bands = np.asarray(picture.convert("RGB").getextrema())
    highest = int(bands.max())
    if 0 < highest < 1 << 6:
        raise ImageError(
            f"{name} uses only the lowest {8 + highest.bit_length()} of its 16 bits and would look nearly black; "
            "save it with 8 bits."
        )


def _full(high: float) -> float | None:
    """White of whole values: the most that the smallest usual depth can hold."""
    return next(((1 << bits) - 1.0 for bits in _DEPTHS if high < 1 << bits), None)


def _white(high: float) -> float | None:
    """White of float values: 1, or 255 where that is what they can be."""
    return 1.0 if high <= 1 else 255.0 if 2 <= high <= 255 else None
