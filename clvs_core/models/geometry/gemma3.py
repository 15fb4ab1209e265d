"""Gemma 3: the squashed picture, neighbouring patches averaged into one token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...errors import ModelError
from .frames import check_pixels, squares
from .grids import Views


def gemma3(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    """The squashed picture; neighbouring patches are averaged into one token."""
    config, vision = model.config, model.config.vision_config
    if image_inputs["pixel_values"].shape[0] != 1:
        raise ModelError("Gemma 3's pan-and-scan crops are not supported; set do_pan_and_scan to false.")
    side, n = vision.image_size, math.isqrt(config.mm_tokens_per_image)
    check_pixels(image_inputs, side, side)
    pooled = side // vision.patch_size // n * vision.patch_size  # pixels a token
    return squares(height, width, 0, 0, n, n * pooled / side)
