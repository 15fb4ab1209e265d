"""InternVL: square tiles row by row, then the whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ModelError
from .frames import check_pixels, check_tiles, squares
from .grids import Views


def internvl(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

    images, vision = processor.image_processor, model.config.vision_config
    side, patch = images.size["height"], vision.patch_size[0]
    check_pixels(image_inputs, side, images.size["width"])
    if images.size["width"] != side or vision.patch_size[1] != patch:
        raise ModelError("The image processor's tiles or the model's patches are not square.")
    made = image_inputs["pixel_values"].shape[0]
    rows = cols = 0
    if made > 1:  # the processor decides whether to cut, whatever the image processor's own setting says
        cols, rows = get_optimal_tiled_canvas((height, width), (side, side), images.min_patches, images.max_patches)
    check_tiles(made, rows * cols + 1)
    n = int(side // patch * model.config.downsample_ratio)
    return squares(height, width, rows, cols, n, n / model.config.downsample_ratio * patch / side)
