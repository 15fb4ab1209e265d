"""Where each visual token lies on the original picture, one function per model family.

Every family reduces to a few affine grids (`View`) over rectangles of the original picture. This file knows
the image processors' geometry (pad, resize, crop) and the vision tower's patch grid. It knows nothing of
weights or attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import ModelError

KINDS = ("full", "base", "tiles")
_MAX_TOKENS = 1 << 20  # far above any model; bounds what an untrusted file can make us allocate


@dataclass(frozen=True)
class View:
    """One grid of visual tokens over a rectangle of the original picture.

    Token (r, c) is visual token `start + r * stride + c`; its box is `region` divided into rows x cols equal
    cells.

    Attributes:
        start: index of the first token among the picture's visual tokens.
        rows, cols: size of the grid, in tokens.
        region: x0, y0, x1, y1 in pixels of the original picture; sticks out of it where the processor pads.
        stride: tokens from one row to the next; more than `cols` where a row ends in a newline token.
        kind: "full" (the only grid), or "base" (whole picture) and "tiles" (finer grid) of the same picture.
    """

    start: int
    rows: int
    cols: int
    region: tuple[float, float, float, float]
    stride: int = 0
    kind: str = "full"

    def __post_init__(self) -> None:
        if self.stride == 0:
            object.__setattr__(self, "stride", self.cols)
        x0, y0, x1, y1 = self.region
        if self.start < 0 or self.rows < 1 or self.cols < 1 or self.stride < self.cols:
            raise ValueError(
                f"A view needs start >= 0, rows and cols >= 1 and stride >= cols, "
                f"but got start {self.start}, {self.rows} x {self.cols}, stride {self.stride}."
            )
        if not (all(map(math.isfinite, self.region)) and x0 < x1 and y0 < y1):
            raise ValueError(f"A view's region must be finite with x0 < x1 and y0 < y1, not {self.region}.")
        if self.kind not in KINDS:
            raise ValueError(f"A view's kind must be one of {', '.join(KINDS)}, but got {self.kind!r}.")

    @property
    def end(self) -> int:
        """One past the last token of the grid (newline token of the last row not counted)."""
        return self.start + (self.rows - 1) * self.stride + self.cols

    def box(self, row: int, col: int) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of one token in pixels of the original picture."""
        x0, y0, x1, y1 = self.region
        w, h = (x1 - x0) / self.cols, (y1 - y0) / self.rows
        return x0 + col * w, y0 + row * h, x0 + (col + 1) * w, y0 + (row + 1) * h


@dataclass(frozen=True)
class Views:
    """All grids of one picture.

    Attributes:
        width, height: size of the original picture, in pixels.
        visual: number of visual tokens; some (newline tokens) may belong to no grid.
        grids: the views, in token order.
    """

    width: int
    height: int
    visual: int
    grids: tuple[View, ...]

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"The picture's size must be positive, but got {self.width} x {self.height}.")
        if not 1 <= self.visual <= _MAX_TOKENS or not self.grids:
            raise ValueError(
                f"Views need at least one grid and 1 to {_MAX_TOKENS} visual tokens, "
                f"but got {len(self.grids)} grids and {self.visual} tokens."
            )
        end = 0
        for view in self.grids:
            if view.start < end or view.end > self.visual:
                raise ValueError(
                    f"A grid covers tokens {view.start} to {view.end - 1}, which overlaps another grid or "
                    f"leaves the {self.visual} visual tokens."
                )
            end = view.end

    def seen(self) -> tuple[float, float, float, float]:
        """The rectangle x0, y0, x1, y1 (pixels) of the picture that the model sees.

        It bounds the union of all grids, clipped to the picture; everything outside was cropped away.
        """
        x0, y0, x1, y1 = zip(*(view.region for view in self.grids), strict=True)
        return (
            min(max(0.0, min(x0)), float(self.width)),
            min(max(0.0, min(y0)), float(self.height)),
            max(min(float(self.width), max(x1)), 0.0),
            max(min(float(self.height), max(y1)), 0.0),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain ints, floats, strings and lists, for files and pages."""
        grids = [{**asdict(view), "region": [float(v) for v in view.region]} for view in self.grids]
        return {"width": self.width, "height": self.height, "visual": self.visual, "grids": grids}

    @classmethod
    def from_json(cls, data: Any) -> Views:
        """The inverse of `to_json`; `data` may come from an untrusted file.

        Raises:
            ValueError: a field is missing, has the wrong type, or describes an impossible geometry.
        """
        if not isinstance(data, Mapping):
            raise ValueError("Views must be a JSON object with width, height, visual and grids.")
        grids = data.get("grids")
        if not isinstance(grids, list) or len(grids) > 64:
            raise ValueError("Views need a list of at most 64 grids.")
        width, height, visual = (_integer(data, key) for key in ("width", "height", "visual"))
        return cls(width, height, visual, tuple(map(_view_from_json, grids)))


def _integer(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1 << 31:
        raise ValueError(f"{key!r} must be a whole number from 0 to 2^31, but got {value!r:.40}.")
    return value


def _is_length(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e9


def _view_from_json(data: Any) -> View:
    if not isinstance(data, Mapping):
        raise ValueError("Each grid must be a JSON object.")
    region = data.get("region")
    if not isinstance(region, list) or len(region) != 4 or not all(map(_is_length, region)):
        raise ValueError("A grid's region must be a list of four finite numbers x0, y0, x1, y1.")
    kind = data.get("kind", "full")
    start, rows, cols = (_integer(data, key) for key in ("start", "rows", "cols"))
    stride = _integer(data, "stride") if "stride" in data else 0
    x0, y0, x1, y1 = map(float, region)
    return View(start, rows, cols, (x0, y0, x1, y1), stride, kind)


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


def _llava(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    vision = model.config.vision_config
    if vision.model_type == "pixtral":
        raise ModelError("LLaVA with a Pixtral vision tower is not supported; choose one with CLIP or SigLIP.")
    frame = _processed(processor.image_processor, height, width)
    real = tuple(image_inputs["pixel_values"].shape[-2:])
    if real != (frame.height, frame.width):
        raise ModelError(
            f"The image processor made {real[1]} x {real[0]} pixels where its settings say "
            f"{frame.width} x {frame.height}; its geometry is not known to this program."
        )
    # As LlavaProcessor counts placeholders: the class token stays under "full" and goes under "default".
    dropped = model.config.vision_feature_select_strategy == "default"
    extra = processor.num_additional_image_tokens - dropped
    if extra not in (0, 1):
        raise ModelError(
            f"The processor adds {processor.num_additional_image_tokens} image tokens where the model's "
            f"feature selection {model.config.vision_feature_select_strategy!r} needs another number."
        )
    return _one_grid(frame, height, width, vision.patch_size, extra)


_FAMILIES: dict[str, Callable[..., Views]] = {"llava": _llava}


def views_for(model: Any, processor: Any, image_inputs: Mapping[str, Any], height: int, width: int) -> Views:
    """Geometry of one picture's visual tokens, following the model's real preprocessing.

    Args:
        model: a transformers model; only `model.config` is read.
        processor: its processor; the settings of `processor.image_processor` are read.
        image_inputs: what the processor returned for this picture (`pixel_values`, ...).
        height, width: size of the original picture in pixels, after EXIF rotation.

    Raises:
        ModelError: the model's family, or its processor's settings, are not known.
    """
    family = model.config.model_type
    if family not in _FAMILIES:
        known = ", ".join(sorted(_FAMILIES))
        raise ModelError(f"Models of type {family!r} are not supported; choose one of type {known}.")
    return _FAMILIES[family](model, processor, image_inputs, height, width)
