"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: one grid whose size follows the picture's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ModelError
from .grids import View, Views


def qwen_vl(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    """One grid over the whole picture, whose size follows the picture's; merged patches come row by row."""
    merge = model.config.vision_config.spatial_merge_size
    grids = image_inputs["image_grid_thw"].tolist()
    if len(grids) != 1 or grids[0][0] != 1 or processor.image_processor.merge_size != merge:
        raise ModelError(
            f"The image processor made the patch grids {grids} in blocks of {processor.image_processor.merge_size}; "
            f"one picture in blocks of {merge} was expected."
        )
    rows, cols = grids[0][1] // merge, grids[0][2] // merge
    return Views(width, height, rows * cols, (View(0, rows, cols, (0.0, 0.0, float(width), float(height))),))
