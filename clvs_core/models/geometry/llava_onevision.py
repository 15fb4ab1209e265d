"""LLaVA-OneVision: as LLaVA-NeXT, with the finer grid shrunk where it would be too large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ModelError
from .grids import Views
from .llava_next import anyres


def llava_onevision(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    aspect = str(model.config.vision_aspect_ratio)
    most = aspect.removeprefix("anyres_max_")
    if not most.isdigit() or int(most) < 1:
        raise ModelError(f"The model arranges its tiles by {aspect!r}; only anyres_max_N can be followed.")
    return anyres(model, processor, image_inputs, height, width, int(most))
