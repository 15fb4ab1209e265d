"""Loading a checkpoint by short name, hub id or folder, with one clear sentence when that cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ..engine.model import Model
from ..errors import ModelError
from .positions import UNSUPPORTED_ROPE
from .registry import CARDS, card_for

FAMILIES = ("llava",)
_DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_QUANTIZATION = ("4bit", "8bit")


def load_model(name: str | Path, dtype: str = "auto", device: str = "auto", quantization: str | None = None) -> Model:
    """Loads a vision-language model for the engine.

    name: "scenes" (embedded), another short name of the registry, a hub id, or a local folder.
    dtype: "auto" (the checkpoint's own on a GPU, float32 on a CPU), "float32", "float16", "bfloat16" or "float64".
    device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", or "balanced" over all GPUs.
    quantization: None, "4bit" (NF4) or "8bit", by bitsandbytes.
    Raises ModelError, one sentence, when the model cannot be found, loaded or run by this engine.
    """
    card = card_for(str(name))
    _check_options(dtype, device, quantization)
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    kind: Any = _DTYPES.get(dtype) or ("auto" if place != "cpu" else torch.float32)
    config, processor = _fetch(card.source)
    _check_config(card.source, config)
    from transformers import AutoModelForImageTextToText

    options: dict[str, Any] = {"dtype": kind, "device_map": place if place != "cpu" else None}
    if quantization:
        options["quantization_config"] = _quantization(quantization, kind)
    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            card.source, config=config, output_loading_info=True, **options
        )
    except (torch.cuda.OutOfMemoryError, MemoryError):
        raise ModelError(
            f"{card.label} does not fit into memory; choose a smaller model or quantization='4bit'."
        ) from None
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(f"{card.label} could not be loaded ({_first_line(error)}); download it again.") from error
    hf, report = loaded
    lacking = [*report["missing_keys"], *report["mismatched_keys"]]
    if lacking:  # transformers would go on with random weights
        raise ModelError(
            f"{card.label} lacks {len(lacking)} weights, e.g. {sorted(map(str, lacking))[0]}; download it again."
        )
    return Model(hf, processor, card)


def _check_options(dtype: str, device: str, quantization: str | None) -> None:
    if dtype != "auto" and dtype not in _DTYPES:
        raise ModelError(f"dtype must be auto, {', '.join(_DTYPES)}, not {dtype!r}.")
    if quantization is not None and quantization not in _QUANTIZATION:
        raise ModelError(f"quantization must be None, {' or '.join(_QUANTIZATION)}, not {quantization!r}.")
    if quantization and dtype == "float64":
        raise ModelError("Quantized weights cannot run in float64; leave out one of the two.")
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps", "balanced") or (index and not index.isdigit()):
        raise ModelError(f"device must be auto, cpu, cuda, cuda:N, mps or balanced, not {device!r}.")
    if kind in ("cuda", "balanced") and not torch.cuda.is_available():
        raise ModelError(f"device {device!r} needs a CUDA GPU, and PyTorch sees none; use device='cpu'.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ModelError("device 'mps' needs an Apple GPU, and PyTorch sees none; use device='cpu'.")
    if index and kind == "cuda" and int(index) >= torch.cuda.device_count():
        raise ModelError(f"There is no device {device!r}; PyTorch sees {torch.cuda.device_count()} GPU(s).")


def _fetch(source: str) -> tuple[Any, Any]:
    """Configuration and processor, from a folder or the hub."""
    from transformers import AutoConfig, AutoProcessor

    known = f"a short name ({', '.join(CARDS)}), a hub id or a folder"
    if not Path(source).is_dir() and (source.count("/") > 1 or source.startswith((".", "/", "~"))):
        raise ModelError(f"There is no model folder {source!r}; give {known}.")
    try:
        return AutoConfig.from_pretrained(source), AutoProcessor.from_pretrained(source)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ModelError(
            f"{source!r} could not be found or read ({_first_line(error)}); "
            f"check the name and the network, or give {known}."
        ) from error


def _check_config(source: str, config: Any) -> None:
    """Refuses what the engine would compute wrongly."""
    if config.model_type not in FAMILIES:
        raise ModelError(
            f"{source!r} is a model of type {config.model_type!r}; this version runs {', '.join(FAMILIES)} only."
        )
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") in UNSUPPORTED_ROPE:
        raise ModelError(
            f"{source!r} uses {rope['rope_type']!r} rotary positions, which change with the length; "
            "unified positions are not defined for it, choose another model."
        )
    window = getattr(text, "sliding_window", None)
    sliding = "sliding_attention" in (getattr(text, "layer_types", None) or ["sliding_attention"])
    if window and sliding and getattr(text, "use_sliding_window", True):
        raise ModelError(f"{source!r} attends in a sliding window of {window} tokens, which this version does not run.")
    if getattr(text, "attn_logit_softcapping", None):
        raise ModelError(
            f"{source!r} caps its attention scores, which this version does not run; choose another model."
        )


def _quantization(choice: str, dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise ModelError("Quantization needs bitsandbytes; install it with pip install bitsandbytes.") from None
    compute = torch.bfloat16 if dtype == "auto" else dtype
    if choice == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
