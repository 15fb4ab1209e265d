"""LLaVA-NeXT: the squashed whole picture, then a finer grid over its tiles ("anyres")."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ModelError
from .frames import Frame, check_pixels, check_tiles
from .grids import View, Views


@dataclass(frozen=True)
class Canvas:
    """LLaVA-NeXT's high-resolution input: the picture, resized and centred on a canvas of whole tiles.

    Canvas pixel (x, y) is picture pixel ((x - left) * sx, (y - top) * sy).
    """

    height: int
    width: int
    left: int
    top: int
    sx: float
    sy: float

    @classmethod
    def of(cls, height: int, width: int, resolution: tuple[int, int]) -> Canvas:
        high, wide = resolution
        # The side that fits exactly keeps the canvas's length, the other one is rounded up.
        if wide / width < high / height:
            inner_high, inner_wide = min(math.ceil(height * (wide / width)), high), wide
        else:
            inner_high, inner_wide = high, min(math.ceil(width * (high / height)), wide)
        left, top = (wide - inner_wide) // 2, (high - inner_high) // 2
        return cls(high, wide, left, top, width / inner_wide, height / inner_high)

    def region(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """A rectangle of the canvas, in pixels of the picture."""
        return (
            (x0 - self.left) * self.sx,
            (y0 - self.top) * self.sy,
            (x1 - self.left) * self.sx,
            (y1 - self.top) * self.sy,
        )


def _unpadded(rows: int, cols: int, height: int, width: int) -> tuple[int, int]:
    """Rows above and columns left of the picture that the model drops again from its rows x cols features.

    It drops as many below and to the right. Its own rounding, which is not that of the pixels.
    """
    if width / height > cols / rows:
        return (rows - int(round(height * (cols / width), 7))) // 2, 0
    return 0, (cols - int(round(width * (rows / height), 7))) // 2


def _tile_side(image_processor: Any) -> int:
    """Side in pixels of the squares that a LLaVA-NeXT or LLaVA-OneVision processor cuts."""
    size = dict(image_processor.size)
    side = size.get("height") or size.get("shortest_edge")
    crop = dict(getattr(image_processor, "crop_size", None) or {}).get("height", side)
    if not side or size.get("width", side) != side or crop != side:
        raise ModelError(
            f"The image processor resizes by {size} and cuts tiles of {crop} pixels; "
            f"only square tiles of one size can be followed."
        )
    return int(side)


def _resolution(config: Any, image_processor: Any, height: int, width: int) -> tuple[int, int]:
    """Height and width of the canvas that both the model and its processor choose for this picture."""
    from transformers.image_processing_utils import select_best_resolution

    choices = config.image_grid_pinpoints, image_processor.image_grid_pinpoints
    expected, cut = (tuple(select_best_resolution((height, width), list(choice))) for choice in choices)
    if _tile_side(image_processor) != config.vision_config.image_size or expected != cut:
        raise ModelError(
            "The image processor cuts other tiles than the model expects (image_grid_pinpoints, image_size); "
            "use the processor that was published with the model."
        )
    return expected


def anyres(
    model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int, most: int | None
) -> Views:
    """The squashed whole picture, then the finer grid, each of whose rows ends in a newline token.

    most: where the finer grid is shrunk to about this many tiles' tokens; None where it never is.
    """
    vision = model.config.vision_config
    side = vision.image_size
    canvas = Canvas.of(height, width, _resolution(model.config, processor.image_processor, height, width))
    check_pixels(image_inputs, side, side)
    check_tiles(image_inputs["pixel_values"].shape[-4], (canvas.height // side) * (canvas.width // side) + 1)
    n = side // vision.patch_size
    rows, cols = canvas.height // side * n, canvas.width // side * n
    top, left = _unpadded(rows, cols, height, width)
    # Where the patch does not divide the tile, its last pixels have no token. The grid's cells are then evenly spaced,
    # centred on the real ones, and off by less than half a cell in every tile (0.21 for SigLIP's 384 pixels in
    # patches of 14).
    cell, spare = side / n, (side - n * vision.patch_size) / 2
    x, y = left * cell - spare, top * cell - spare
    region = canvas.region(x, y, x + (cols - 2 * left) * cell, y + (rows - 2 * top) * cell)
    rows, cols = rows - 2 * top, cols - 2 * left
    ratio = math.sqrt(rows * cols / (most * n * n)) if most else 1.0
    if ratio > 1.1:
        rows, cols = int(rows // ratio), int(cols // ratio)
    base = Frame(width, height).resize(side, side).region(n * vision.patch_size, n * vision.patch_size)
    start = n * n
    visual = start + rows * (cols + 1)
    if not rows or not cols:  # of a picture so narrow the model drops every token of the finer grid, not its newlines
        return Views(width, height, visual, (View(0, n, n, base),))
    tiles = View(start, rows, cols, region, cols + 1, "tiles")
    return Views(width, height, visual, (View(0, n, n, base, kind="base"), tiles))


def llava_next(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    return anyres(model, processor, image_inputs, height, width, None)
