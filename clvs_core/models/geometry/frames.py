"""Pixels on their way through an image processor, and the squares of tokens that several families make of them.

Knows the processors' settings (pad, resize, crop) and checks against what the processor really made; knows no family.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ModelError
from .grids import MAX_GRIDS, View, Views


@dataclass(frozen=True)
class Frame:
    """A rectangle of pixels on its way through an image processor, and where its pixels came from.

    Pixel coordinate (x, y) of the frame is (left + x * sx, top + y * sy) of the original picture.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    sx: float = 1.0
    sy: float = 1.0

    def pad_to_square(self) -> Frame:
        side = max(self.width, self.height)
        return self._window(-((side - self.width) // 2), -((side - self.height) // 2), side, side)

    def resize(self, height: int, width: int) -> Frame:
        sx, sy = self.sx * self.width / width, self.sy * self.height / height
        return Frame(width, height, self.left, self.top, sx, sy)

    def resize_shortest(self, edge: int) -> Frame:
        """The longer side is truncated, not rounded, by both backends."""
        if self.width <= self.height:
            return self.resize(int(edge * self.height / self.width), edge)
        return self.resize(edge, int(edge * self.width / self.height))

    def center_crop(self, height: int, width: int, *, pil: bool = False) -> Frame:
        """A frame smaller than the crop is padded with zeros; the backends round an odd margin unlike."""
        half = math.floor if pil else math.trunc
        return self._window(half((self.width - width) / 2), half((self.height - height) / 2), width, height)

    def _window(self, x: int, y: int, width: int, height: int) -> Frame:
        return Frame(width, height, self.left + x * self.sx, self.top + y * self.sy, self.sx, self.sy)

    def region(self, height: int, width: int) -> tuple[float, float, float, float]:
        """The frame's first height x width pixels, as a rectangle of the original picture."""
        return self.left, self.top, self.left + width * self.sx, self.top + height * self.sy


def processed(image_processor: Any, height: int, width: int) -> Frame:
    """Follow one picture through a CLIP-style image processor: pad, resize, crop, each where switched on."""
    frame = Frame(width, height)
    if getattr(image_processor, "do_pad", None):
        if not hasattr(image_processor, "pad_to_square"):
            raise ModelError(f"{type(image_processor).__name__} pads in a way this program cannot follow.")
        frame = frame.pad_to_square()
    if image_processor.do_resize:
        size = image_processor.size
        if set(dict(size)) == {"shortest_edge"}:
            frame = frame.resize_shortest(size["shortest_edge"])
        elif set(dict(size)) == {"height", "width"}:
            frame = frame.resize(size["height"], size["width"])
        else:
            raise ModelError(
                f"The image processor resizes by {sorted(dict(size))}; "
                f"only a shortest_edge, or height and width, can be followed."
            )
    if getattr(image_processor, "do_center_crop", None):
        crop = image_processor.crop_size
        pil = type(image_processor).__name__.endswith("Pil")
        frame = frame.center_crop(crop["height"], crop["width"], pil=pil)
    return frame


def check_pixels(image_inputs: Mapping[str, Any], height: int, width: int) -> None:
    """The processor really made inputs of this size."""
    real = tuple(image_inputs["pixel_values"].shape[-2:])
    if real != (height, width):
        raise ModelError(
            f"The image processor made {real[1]} x {real[0]} pixels where its settings say {width} x {height}; "
            f"its geometry is not known to this program."
        )


def check_tiles(real: int, expected: int) -> None:
    if real != expected:
        raise ModelError(
            f"The image processor cut the picture into {real} images where its settings say {expected}; "
            f"its geometry is not known to this program."
        )


def one_grid(frame: Frame, height: int, width: int, patch: int, extra: int) -> Views:
    """`extra` tokens (a kept class token) come before the grid and lie nowhere on the picture."""
    rows, cols = frame.height // patch, frame.width // patch
    # What is left over on the right and below is dropped by the patch convolution.
    region = frame.region(rows * patch, cols * patch)
    return Views(width, height, extra + rows * cols, (View(extra, rows, cols, region),))


def squares(height: int, width: int, rows: int, cols: int, n: int, used: float = 1.0) -> Views:
    """rows x cols tiles of n x n tokens each, row by row, then the whole picture in n x n tokens.

    Without tiles (rows and cols 0) there is the whole picture only. used: part of a tile's side, from its left and
    top, that the vision tower's patches cover.
    """
    if rows * cols + 1 > MAX_GRIDS:
        raise ModelError(f"The image processor cuts {rows} x {cols} tiles; at most {MAX_GRIDS - 1} are supported.")
    wide, high = width / max(cols, 1), height / max(rows, 1)
    tiles = [
        View(
            (row * cols + col) * n * n,
            n,
            n,
            (col * wide, row * high, (col + used) * wide, (row + used) * high),
            kind="tiles",
        )
        for row in range(rows)
        for col in range(cols)
    ]
    kind = "base" if tiles else "full"
    whole = View(len(tiles) * n * n, n, n, (0.0, 0.0, width * used, height * used), kind=kind)
    return Views(width, height, (len(tiles) + 1) * n * n, (*tiles, whole))
