"""LLaVA-1.5: one square of patches over the picture, cropped, padded or squashed into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ...errors import ModelError
from .frames import Frame, check_pixels, one_grid, processed
from .grids import Views


def llava_views(
    height: int, width: int, image_size: int, patch_size: int, mode: Literal["crop", "pad", "squash"]
) -> Views:
    """Geometry of LLaVA-1.5 for a square input of `image_size` pixels in patches of `patch_size` pixels.

    `crop`: shortest edge resized to the input size, then centre crop (the `llava-hf` checkpoints: the ends of
    the longer side are cut off). `pad`: padded to a square first (the original LLaVA-1.5, in training and
    evaluation). `squash`: resized without keeping the aspect ratio.

    Raises:
        ValueError: an unknown mode, or a size that is not positive.
    """
    if min(height, width, image_size) < 1 or not 1 <= patch_size <= image_size:
        raise ValueError(
            f"Sizes must be positive and the patch no larger than the input, "
            f"but got a picture of {width} x {height}, input {image_size}, patch {patch_size}."
        )
    frame = Frame(width, height)
    if mode == "crop":
        frame = frame.resize_shortest(image_size).center_crop(image_size, image_size)
    elif mode == "pad":
        frame = frame.pad_to_square().resize(image_size, image_size)
    elif mode == "squash":
        frame = frame.resize(image_size, image_size)
    else:
        raise ValueError(f"The mode must be crop, pad or squash, but got {mode!r}.")
    return one_grid(frame, height, width, patch_size, extra=0)


def llava(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    vision = model.config.vision_config
    if vision.model_type == "pixtral":
        raise ModelError("LLaVA with a Pixtral vision tower is not supported; choose one with CLIP or SigLIP.")
    frame = processed(processor.image_processor, height, width)
    check_pixels(image_inputs, frame.height, frame.width)
    # As LlavaProcessor counts placeholders: the class token stays under "full" and goes under "default".
    dropped = model.config.vision_feature_select_strategy == "default"
    extra = processor.num_additional_image_tokens - dropped
    if extra not in (0, 1):
        raise ModelError(
            f"The processor adds {processor.num_additional_image_tokens} image tokens where the model's "
            f"feature selection {model.config.vision_feature_select_strategy!r} needs another number."
        )
    return one_grid(frame, height, width, vision.patch_size, extra)
