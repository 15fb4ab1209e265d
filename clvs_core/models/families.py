"""The families of models that this version runs: what is known of each, whatever the checkpoint.

Adding a family is an entry here, its file in `geometry/`, a card in `registry.py` and a tiny model in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ModelError
from .geometry.gemma3 import gemma3
from .geometry.grids import Views
from .geometry.idefics3 import idefics3
from .geometry.internvl import internvl
from .geometry.llava import llava
from .geometry.llava_next import llava_next
from .geometry.llava_onevision import llava_onevision
from .geometry.qwen_vl import qwen_vl

_TORCHVISION = ("torchvision",)


@dataclass(frozen=True)
class Family:
    """One of transformers' model types.

    label: for people. geometry: its function in `geometry/`, see `views_for`. vision: how it sees a picture, for
    people. nearest: the model of the CLVS paper whose settings it borrows, by dynamic resolution or several views of a
    picture; "" for the paper's own. placeholder: where its processor names the text that stands for a picture; closing:
    what the processor writes after a picture's last token. vicuna: whether its checkpoints may have Vicuna's
    conversation. packages: what its processor needs beyond those of every family. most_tokens: visual tokens of a
    picture at most, where the checkpoint's own limit would let it become many thousands. fits_float16: whether hidden
    states stay within float16's range: Gemma 3's do not by its authors' word, those of Qwen2 and of what is built on it
    by huggingface/transformers pull request 33317 and reports of "!!!!" for an answer.
    """

    label: str
    geometry: Callable[[Any, Any, Mapping[str, Any], int, int], Views]
    vision: str
    nearest: str = ""
    placeholder: str = "image_token"
    closing: Callable[[Any], str] = lambda processor: ""
    vicuna: bool = False
    packages: tuple[str, ...] = ()
    most_tokens: int | None = None
    fits_float16: bool = True


def _qwen(label: str, pixels: int, nearest: str = "Qwen2.5-VL") -> Family:
    vision = f"one token for each {pixels} x {pixels} pixels of the resized picture, at most 1,280"
    return Family(label, qwen_vl, vision, nearest, packages=_TORCHVISION, most_tokens=1280, fits_float16=False)


def _idefics3(label: str, *packages: str) -> Family:
    return Family(
        label,
        idefics3,
        "tiles, and the whole picture",
        "LLaVA-NeXT",
        closing=lambda processor: (
            processor.fake_image_token
        ),  # every tile is introduced by name, and the last is closed
        packages=packages,
    )


FAMILIES: dict[str, Family] = {
    "llava": Family(
        "LLaVA-1.5",
        llava,
        "576 tokens; the ends of a picture that is not square are cut off, unless it is padded",
        vicuna=True,
    ),
    "llava_next": Family(
        "LLaVA-NeXT", llava_next, "576 tokens of the whole picture and up to 2,352 of its tiles", vicuna=True
    ),
    "llava_onevision": Family(
        "LLaVA-OneVision",
        llava_onevision,
        "729 tokens of the whole picture and up to 6,561 of its tiles",
        "LLaVA-NeXT",
        packages=_TORCHVISION,
    ),
    "qwen2_vl": _qwen("Qwen2-VL", 28),
    "qwen2_5_vl": _qwen("Qwen2.5-VL", 28, nearest=""),
    "qwen3_vl": _qwen("Qwen3-VL", 32),
    "idefics3": _idefics3("Idefics3"),
    "smolvlm": _idefics3("SmolVLM2", "num2words", "torchvision"),
    "internvl": Family(
        "InternVL",
        internvl,
        "tiles of 256 tokens, and the whole picture",
        "LLaVA-NeXT",
        closing=lambda processor: processor.end_image_token,
        packages=_TORCHVISION,
        fits_float16=False,
    ),
    "gemma3": Family(
        "Gemma 3",
        gemma3,
        "256 tokens of the whole picture, squeezed into a square",
        "LLaVA-NeXT",
        placeholder="boi_token",
        closing=lambda processor: f"{processor.tokenizer.eoi_token}\n\n",
        fits_float16=False,
    ),
}
"""By `config.model_type`. Taking one out refuses the family and drops its cards."""


def family(model_type: str) -> Family:
    """Raises ModelError for a type of model that this version does not run."""
    if model_type not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise ModelError(f"Models of type {model_type!r} are not supported; choose one of type {known}.")
    return FAMILIES[model_type]


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
    views = family(model.config.model_type).geometry(model, processor, image_inputs, height, width)
    if "input_ids" in image_inputs:
        placeholders = int((image_inputs["input_ids"] == model.config.image_token_id).sum())
        if placeholders != views.visual:
            raise ModelError(
                f"The prompt holds {placeholders} visual tokens where the picture's geometry gives {views.visual}; "
                f"use the processor that was published with the model."
            )
    return views
