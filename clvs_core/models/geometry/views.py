"""Where each visual token lies on the original picture, one function per model family.

This file knows the image processors' geometry (pad, resize, crop, tiles) and the vision towers' patch grids. It
follows the settings of the processor at hand, and checks the outcome against what the processor really made. It
knows nothing of weights or attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import ModelError
from .grids import MAX_GRIDS, View, Views

__all__ = ["FAMILIES", "View", "Views", "llava_views", "views_for"]

_MAX_SIDE = 4096  # Idefics3 and SmolVLM never enlarge a picture beyond it


@dataclass(frozen=True)
class _Frame:
    """A rectangle of pixels on its way through an image processor, and where its pixels came from.

    Pixel coordinate (x, y) of the frame is (left + x * sx, top + y * sy) of the original picture.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    sx: float = 1.0
    sy: float = 1.0

    def pad_to_square(self) -> _Frame:
        side = max(self.width, self.height)
        return self._window(-((side - self.width) // 2), -((side - self.height) // 2), side, side)

    def resize(self, height: int, width: int) -> _Frame:
        sx, sy = self.sx * self.width / width, self.sy * self.height / height
        return _Frame(width, height, self.left, self.top, sx, sy)

    def resize_shortest(self, edge: int) -> _Frame:
        """The longer side is truncated, not rounded, by both backends."""
        if self.width <= self.height:
            return self.resize(int(edge * self.height / self.width), edge)
        return self.resize(edge, int(edge * self.width / self.height))

    def center_crop(self, height: int, width: int, pil: bool = False) -> _Frame:
        """A frame smaller than the crop is padded with zeros; the backends round an odd margin unlike."""
        half = math.floor if pil else math.trunc
        return self._window(half((self.width - width) / 2), half((self.height - height) / 2), width, height)

    def _window(self, x: int, y: int, width: int, height: int) -> _Frame:
        return _Frame(width, height, self.left + x * self.sx, self.top + y * self.sy, self.sx, self.sy)

    def region(self, height: int, width: int) -> tuple[float, float, float, float]:
        """The frame's first height x width pixels, as a rectangle of the original picture."""
        return self.left, self.top, self.left + width * self.sx, self.top + height * self.sy


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
    frame = _Frame(width, height)
    if mode == "crop":
        frame = frame.resize_shortest(image_size).center_crop(image_size, image_size)
    elif mode == "pad":
        frame = frame.pad_to_square().resize(image_size, image_size)
    elif mode == "squash":
        frame = frame.resize(image_size, image_size)
    else:
        raise ValueError(f"The mode must be crop, pad or squash, but got {mode!r}.")
    return _one_grid(frame, height, width, patch_size, extra=0)


def _one_grid(frame: _Frame, height: int, width: int, patch: int, extra: int) -> Views:
    """`extra` tokens (a kept class token) come before the grid and lie nowhere on the picture."""
    rows, cols = frame.height // patch, frame.width // patch
    # What is left over on the right and below is dropped by the patch convolution.
    region = frame.region(rows * patch, cols * patch)
    return Views(width, height, extra + rows * cols, (View(extra, rows, cols, region),))


def _processed(image_processor: Any, height: int, width: int) -> _Frame:
    """Follow one picture through a CLIP-style image processor: pad, resize, crop, each where switched on."""
    frame = _Frame(width, height)
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
        frame = frame.center_crop(crop["height"], crop["width"], pil)
    return frame


def _same_pixels(image_inputs: Mapping[str, Any], height: int, width: int) -> None:
    """The processor really made inputs of this size."""
    real = tuple(image_inputs["pixel_values"].shape[-2:])
    if real != (height, width):
        raise ModelError(
            f"The image processor made {real[1]} x {real[0]} pixels where its settings say {width} x {height}; "
            f"its geometry is not known to this program."
        )


def _same_tiles(real: int, expected: int) -> None:
    if real != expected:
        raise ModelError(
            f"The image processor cut the picture into {real} images where its settings say {expected}; "
            f"its geometry is not known to this program."
        )


def _llava(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    vision = model.config.vision_config
    if vision.model_type == "pixtral":
        raise ModelError("LLaVA with a Pixtral vision tower is not supported; choose one with CLIP or SigLIP.")
    frame = _processed(processor.image_processor, height, width)
    _same_pixels(image_inputs, frame.height, frame.width)
    # As LlavaProcessor counts placeholders: the class token stays under "full" and goes under "default".
    dropped = model.config.vision_feature_select_strategy == "default"
    extra = processor.num_additional_image_tokens - dropped
    if extra not in (0, 1):
        raise ModelError(
            f"The processor adds {processor.num_additional_image_tokens} image tokens where the model's "
            f"feature selection {model.config.vision_feature_select_strategy!r} needs another number."
        )
    return _one_grid(frame, height, width, vision.patch_size, extra)


@dataclass(frozen=True)
class _Canvas:
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
    def of(cls, height: int, width: int, resolution: tuple[int, int]) -> _Canvas:
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


def _anyres(
    model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int, most: int | None
) -> Views:
    """The squashed whole picture, then the finer grid, each of whose rows ends in a newline token.

    most: where the finer grid is shrunk to about this many tiles' tokens; None where it never is.
    """
    vision = model.config.vision_config
    side = vision.image_size
    canvas = _Canvas.of(height, width, _resolution(model.config, processor.image_processor, height, width))
    _same_pixels(image_inputs, side, side)
    _same_tiles(image_inputs["pixel_values"].shape[-4], (canvas.height // side) * (canvas.width // side) + 1)
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
    base = _Frame(width, height).resize(side, side).region(n * vision.patch_size, n * vision.patch_size)
    start = n * n
    visual = start + rows * (cols + 1)
    if not rows or not cols:  # of a picture so narrow the model drops every token of the finer grid, not its newlines
        return Views(width, height, visual, (View(0, n, n, base),))
    tiles = View(start, rows, cols, region, cols + 1, "tiles")
    return Views(width, height, visual, (View(0, n, n, base, kind="base"), tiles))


def _llava_next(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    return _anyres(model, processor, image_inputs, height, width, None)


def _llava_onevision(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    aspect = str(model.config.vision_aspect_ratio)
    most = aspect.removeprefix("anyres_max_")
    if not most.isdigit() or int(most) < 1:
        raise ModelError(f"The model arranges its tiles by {aspect!r}; only anyres_max_N can be followed.")
    return _anyres(model, processor, image_inputs, height, width, int(most))


def _qwen_vl(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
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


def _squares(height: int, width: int, rows: int, cols: int, n: int, used: float = 1.0) -> Views:
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


def _longest(height: int, width: int, edge: int) -> tuple[int, int]:
    """Height and width with the longer side at `edge`, the shorter one truncated."""
    ratio = width / height
    if width >= height:
        return max(int(edge / ratio), 1), edge
    return edge, max(int(edge * ratio), 1)


def _idefics3_tiles(image_processor: Any, height: int, width: int) -> tuple[int, int]:
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


def _idefics3(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    config, vision = model.config, model.config.vision_config
    side = processor.image_processor.max_image_size["longest_edge"]
    _same_pixels(image_inputs, side, side)
    rows, cols = _idefics3_tiles(processor.image_processor, height, width)
    _same_tiles(image_inputs["pixel_values"].shape[-4], rows * cols + 1)
    n = side // vision.patch_size // config.scale_factor
    return _squares(height, width, rows, cols, n, n * config.scale_factor * vision.patch_size / side)


def _internvl(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

    images, vision = processor.image_processor, model.config.vision_config
    side, patch = images.size["height"], vision.patch_size[0]
    _same_pixels(image_inputs, side, images.size["width"])
    if images.size["width"] != side or vision.patch_size[1] != patch:
        raise ModelError("The image processor's tiles or the model's patches are not square.")
    made = image_inputs["pixel_values"].shape[0]
    rows = cols = 0
    if made > 1:  # the processor decides whether to cut, whatever the image processor's own setting says
        cols, rows = get_optimal_tiled_canvas((height, width), (side, side), images.min_patches, images.max_patches)
    _same_tiles(made, rows * cols + 1)
    n = int(side // patch * model.config.downsample_ratio)
    return _squares(height, width, rows, cols, n, n / model.config.downsample_ratio * patch / side)


def _gemma3(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    """The squashed picture; neighbouring patches are averaged into one token."""
    config, vision = model.config, model.config.vision_config
    if image_inputs["pixel_values"].shape[0] != 1:
        raise ModelError("Gemma 3's pan-and-scan crops are not supported; set do_pan_and_scan to false.")
    side, n = vision.image_size, math.isqrt(config.mm_tokens_per_image)
    _same_pixels(image_inputs, side, side)
    pooled = side // vision.patch_size // n * vision.patch_size  # pixels a token
    return _squares(height, width, 0, 0, n, n * pooled / side)


FAMILIES: dict[str, Callable[..., Views]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "llava_onevision": _llava_onevision,
    "qwen2_vl": _qwen_vl,
    "qwen2_5_vl": _qwen_vl,
    "qwen3_vl": _qwen_vl,
    "idefics3": _idefics3,
    "smolvlm": _idefics3,
    "internvl": _internvl,
    "gemma3": _gemma3,
}
"""What follows the pixels of each family, by `config.model_type`; other families are not supported."""


def views_for(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    """Geometry of one picture's visual tokens, following the model's real preprocessing.

    Args:
        model: a transformers model; only `model.config` is read.
        processor: its processor; the settings of `processor.image_processor` are read.
        image_inputs: what the processor returned for this picture (`pixel_values`, ...), as tensors; with `input_ids`
            (1, N), the number of placeholders in the prompt is checked too.
        height, width: size of the original picture in pixels, after EXIF rotation.

    Raises:
        ModelError: the model's family, or its processor's settings, are not known, or they disagree with the inputs.
    """
    family = model.config.model_type
    if family not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise ModelError(f"Models of type {family!r} are not supported; choose one of type {known}.")
    views = FAMILIES[family](model, processor, image_inputs, height, width)
    if "input_ids" in image_inputs:
        placeholders = int((image_inputs["input_ids"] == model.config.image_token_id).sum())
        if placeholders != views.visual:
            raise ModelError(
                f"The prompt holds {placeholders} visual tokens where the picture's geometry gives {views.visual}; "
                f"use the processor that was published with the model."
            )
    return views
