"""Idefics3 and SmolVLM: square tiles row by row, then the whole picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .frames import check_pixels, check_tiles, squares
from .grids import Views

_MAX_SIDE = 4096  # they never enlarge a picture beyond it


def _longest(height: int, width: int, edge: int) -> tuple[int, int]:
    """Height and width with the longer side at `edge`, the shorter one truncated."""
    ratio = width / height
    if width >= height:
        return max(int(edge / ratio), 1), edge
    return edge, max(int(edge * ratio), 1)


def tiles_of(image_processor: Any, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of tiles; (0, 0) for a picture that fits one, or where nothing is split."""
    if not image_processor.do_image_splitting:
        return 0, 0
    tile = image_processor.max_image_size["longest_edge"]
    if image_processor.do_resize:
        height, width = _longest(height, width, image_processor.size["longest_edge"])
        height, width = (height + height % 2, width) if width >= height else (height, width + width % 2)
        if max(height, width) > _MAX_SIDE:
            height, width = _longest(height, width, _MAX_SIDE)
    ratio = width / height
    if width >= height:
        cols = math.ceil(width / tile)
        rows = math.ceil(int(cols * tile / ratio) / tile)
    else:
        rows = math.ceil(height / tile)
        cols = math.ceil(int(rows * tile * ratio) / tile)
    return (rows, cols) if max(rows, cols) > 1 else (0, 0)


def idefics3(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    config, vision = model.config, model.config.vision_config
    side = processor.image_processor.max_image_size["longest_edge"]
    check_pixels(image_inputs, side, side)
    rows, cols = tiles_of(processor.image_processor, height, width)
    check_tiles(image_inputs["pixel_values"].shape[-4], rows * cols + 1)
    n = side // vision.patch_size // config.scale_factor
    return squares(height, width, rows, cols, n, n * config.scale_factor * vision.patch_size / side)
