"""Loading a checkpoint by short name, hub id or folder, with one clear sentence when that cannot work.

The order spares time and traffic: options, small files, what the engine can run, memory, and only then the weights.
Code that comes with a checkpoint is never run, and pickled weights are never opened.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from .engine.model import Model
from .engine.room import ran_out
from .errors import ModelError
from .models import foreign, hub, memory
from .models.families import FAMILIES
from .models.memory import Size, gigabytes
from .models.processors import cap_visual_tokens, complete, set_image_mode
from .models.prompts import Prompts
from .models.registry import CARDS, ModelCard, card_for, settings_for

_DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_QUANTIZATION = ("4bit", "8bit")
_ROPE = ("default", "linear", "llama3", "yarn", "mrope")  # their frequencies do not depend on the length so far
_NTK = {"rope_type", "type", "factor", "rope_theta", "partial_rotary_factor"}  # all that dynamic NTK scaling is made of
_LAYERS = ("full_attention", "sliding_attention")
_CROSS = ("cross_attention_layers", "cross_layer_interval", "cross_attention_frequency")
_NO_WEIGHT = re.compile(r"\b(inv_freq|position_ids)$")  # buffers that old versions of transformers saved


def load_model(
    name: str | Path,
    dtype: str = "auto",
    device: str = "auto",
    quantization: str | None = None,
    image_mode: Literal["crop", "pad"] | None = None,
    progress: hub.Progress | None = None,
    room: Callable[[int], None] | None = None,
) -> Model:
    """Loads a vision-language model for the engine.

    name: "scenes" (embedded), another short name of the registry, a hub id, or a local folder.
    dtype: "auto" (float32 on a CPU, 16 bits elsewhere, see `memory.precision`), "float32", "float16", "bfloat16" or
    "float64".
    device: "auto" (a GPU if there is one, several if one is too small), "cpu", "cuda", "cuda:1", "mps", or "balanced"
    over all GPUs. quantization: None, "4bit" (NF4) or "8bit", by bitsandbytes.
    image_mode: LLaVA-1.5 only: "crop" or "pad"; None leaves what the checkpoint was published with.
    progress: told in a few words how far a download is; without it the hub's own bars are drawn.
    room: called with the bytes that are needed once all is downloaded, right before memory is measured and taken.
    Raises ModelError, one sentence, when the model cannot be found, loaded or run by this engine.
    """
    check_interpreter()
    check_options(dtype, device, quantization)
    card = card_for(str(name))
    folder = hub.small_files(card)
    card = _family(card, folder)
    config = _config(card, folder)
    quantization = _quantized(card, config, quantization, dtype, device)
    processor = _processor(card, folder, config, image_mode)
    _refuse(card, _odd_token(config.image_token_id, config.get_text_config().vocab_size))
    Prompts(processor, config.image_token_id, config.model_type).check()
    size = _size(card, config)
    computed = memory.precision(dtype, device, None, _own_dtype(config), card.family)
    kept = quantization or computed
    needed = size.needed(kept, computed)
    if room is None:
        _place(card, size, kept, device, computed)  # before the download
    hub.weights(card, folder, progress)
    if room is not None:
        room(needed)
    place = _place(card, size, kept, device, computed)
    if progress:
        progress(f"Loading {card.label}…")
    hf = _weights(card, folder, config, place, _DTYPES[computed], quantization)
    return Model(hf, processor, _told(card, dtype, computed, _own_dtype(config), device))


def check_interpreter() -> None:
    """ModelError under `python -OO`, which takes away the docstrings that transformers builds its models from."""
    if sys.flags.optimize > 1:
        raise ModelError("transformers does not run under python -OO (PYTHONOPTIMIZE=2); leave it out, or give -O.")


def check_options(dtype: str, device: str, quantization: str | None) -> None:
    """ModelError for options that are misspelt, exclude each other, or ask for what is not there."""
    if dtype != "auto" and dtype not in _DTYPES:
        raise ModelError(f"dtype must be auto, {', '.join(_DTYPES)}, not {dtype!r}.")
    if quantization is not None and quantization not in _QUANTIZATION:
        raise ModelError(f"quantization must be None, {' or '.join(_QUANTIZATION)}, not {quantization!r}.")
    if quantization and dtype == "float64":
        raise ModelError("Quantized weights cannot run in float64; leave out one of the two.")
    if quantization and device.startswith("mps"):
        raise ModelError("Quantized weights do not run on Apple GPUs; leave quantization out.")
    if quantization:
        _need("Quantization", "bitsandbytes")
    if dtype == "float64" and device.startswith("mps"):
        raise ModelError("Apple GPUs do not compute in float64; use device='cpu' or dtype='float32'.")
    check_device(device)


def check_device(device: str) -> None:
    """ModelError for a device that is misspelt or not there."""
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps", "balanced") or (index and not index.isdigit()):
        raise ModelError(f"device must be auto, cpu, cuda, cuda:N, mps or balanced, not {device!r}.")
    if kind in ("cuda", "balanced") and not torch.cuda.is_available():
        raise ModelError(f"device {device!r} needs a CUDA GPU, and PyTorch sees none; use device='cpu'.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ModelError("device 'mps' needs an Apple GPU, and PyTorch sees none; use device='cpu'.")
    if index and kind == "cuda" and int(index) >= torch.cuda.device_count():
        raise ModelError(f"There is no device {device!r}; PyTorch sees {torch.cuda.device_count()} GPU(s).")


def _need(what: str, *packages: str) -> None:
    """ModelError naming the first package that is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"{what} needs the package {package}; install it with pip install {package}.")


# --- what a checkpoint is -----------------------------------------------------------------------------------------


def _family(card: ModelCard, folder: Path) -> ModelCard:
    """The card with the family that config.json names; ModelError for one that this version does not run."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        if why := foreign.told_of_folder(folder, card.source):
            raise ModelError(f"{card.label} {why}.") from None
        raise ModelError(
            f"{card.label} has no config.json that says what kind of model it is; give {hub.known()}."
        ) from None
    if why := foreign.told_of_folder(folder, card.source, config):
        raise ModelError(f"{card.label} {why}.")
    _refuse(card, _odd_kind(config))
    if not isinstance(kind, str) or kind not in FAMILIES:
        labels = ", ".join(known.label for known in FAMILIES.values())
        raise ModelError(
            f"{card.label} is a model of type {kind!r:.80}; this version runs {labels} ({', '.join(FAMILIES)})."
        )
    if card.name in CARDS:
        return card
    settings, note = settings_for(kind)
    return replace(card, family=kind, settings=settings, note=note)


def _config(card: ModelCard, folder: Path) -> Any:
    """The configuration, of a kind that the engine computes rightly; ModelError says why another one is refused."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of any library that reads the checkpoint's files
        raise ModelError(
            f"The config.json of {card.label} cannot be read ({hub.first_line(error)}); download it again."
        ) from error
    text = config.get_text_config()
    _fix_positions(text)
    _refuse(card, _odd_layers(getattr(text, "layer_types", None)) or _odd_positions(text) or _odd_scores(text))
    _refuse(card, _odd_vision(config))
    return config


def _quantized(card: ModelCard, config: Any, quantization: str | None, dtype: str, device: str) -> str | None:
    """How the weights are quantized, by choice or as they were published; ModelError where that cannot be run."""
    written = getattr(config, "quantization_config", None)
    if not written:  # MLX writes "quantization"
        if isinstance(getattr(config, "quantization", None), dict):
            raise _not_run(card, "MLX, which PyTorch cannot read")
        return quantization
    written = written if isinstance(written, dict) else written.to_dict()
    method = str(written.get("quant_method") or "").lower()
    if method != "bitsandbytes":
        known = {"": "MLX, which PyTorch cannot read", "fp8": "FP8"}
        raise _not_run(card, known.get(method, method.upper() if len(method) < 5 else method))
    published = "8bit" if written.get("load_in_8bit") else "4bit"
    if quantization not in (None, published):
        raise ModelError(f"{card.label} is published in {published} already; leave quantization out.")
    check_options(dtype, device, published)
    return published


def _not_run(card: ModelCard, method: str) -> ModelError:
    return ModelError(
        f"{card.label} is quantized with {method}, which this version does not run; choose the checkpoint that it was "
        "made from, and quantization='4bit' to make that smaller."
    )


def _refuse(card: ModelCard, why: str) -> None:
    if why:
        raise ModelError(f"{card.label} {why}; choose another model.")


def _odd_kind(config: dict[str, Any]) -> str:
    """Why a kind of model cannot be run at all, from its raw configuration; "" where nothing is known against it."""
    text = config.get("text_config")
    parts = [config, *([text] if isinstance(text, dict) else [])]
    if any(part.get(name) for part in parts for name in _CROSS):
        return "looks at its picture by cross-attention, so that the picture is not among the tokens it attends to"
    if config.get("is_encoder_decoder"):
        return "has an encoder of its own for the question, so that its decoder attends to it by cross-attention"
    return next(filter(None, (_odd_layers(part.get("layer_types")) for part in parts)), "")


def _odd_layers(kinds: Any) -> str:
    """Why a decoder with layers of these kinds cannot be run, "" where it can."""
    listed = kinds if isinstance(kinds, (list, tuple)) else [kinds] if kinds else ()
    odd = sorted({str(kind) for kind in listed} - set(_LAYERS))
    if odd:
        return f"has layers of the kind {odd[0]!r}, which have no attention weights to show or smooth"
    return ""


def _ropes(text: Any) -> list[dict[str, Any]]:
    """The settings of a decoder's rotary positions; Gemma 3 has one for each layer type."""
    rope = getattr(text, "rope_parameters", None) or {}
    return [part for part in rope.values() if isinstance(part, dict)] or [rope]


def _fix_positions(text: Any) -> None:
    """Makes dynamic NTK scaling the plain rotation that it is within `max_position_embeddings`, as in InternVL3.

    The engine refuses longer prompts, and transformers would change the frequencies in place.
    """
    for rope in _ropes(text):
        if rope.get("rope_type") == "dynamic" and set(rope) <= _NTK:
            rope["rope_type"] = "default"
            for name in ("type", "factor"):
                rope.pop(name, None)


def _odd_positions(text: Any) -> str:
    odd = [kind for rope in _ropes(text) if (kind := rope.get("rope_type", "default")) not in _ROPE]
    if odd:
        return f"uses {odd[0]!r} rotary positions, which change with the length: unified positions are not defined"
    return ""


def _odd_scores(text: Any) -> str:
    if getattr(text, "attn_logit_softcapping", None):
        return "caps its attention scores (softcap), which this version does not run"
    if getattr(text, "final_logit_softcapping", None):
        return "caps its logits (softcap), which this version's uncertainty check does not follow"
    return ""


def _odd_vision(config: Any) -> str:
    """Why the layers that a picture's features are taken from are not there, "" where they are."""
    wanted = getattr(config, "vision_feature_layer", None)
    depth = getattr(config.vision_config, "num_hidden_layers", None)
    layers = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    # hidden states are the embeddings and what each layer makes of them
    missing = [n for n in layers if isinstance(n, int) and isinstance(depth, int) and not -depth - 1 <= n <= depth]
    return f"takes layer {missing[0]} of a vision tower that has {depth}" if missing else ""


def _odd_token(image: Any, vocabulary: Any) -> str:
    """Why a picture's token cannot be embedded, "" where it can."""
    if isinstance(image, int) and isinstance(vocabulary, int) and not 0 <= image < vocabulary:
        return f"gives pictures the token {image} (image_token_id), and its vocabulary has {vocabulary} tokens"
    return ""


def _size(card: ModelCard, config: Any) -> Size:
    """The exact size, with the card's tokens of a picture; refuses attention sinks, which only parameters tell."""
    tokens = card.size.tokens if card.size else FAMILIES[card.family].most_tokens or memory.TOKENS
    try:
        shell = memory.skeleton(config)
    except Exception as error:  # of any library that reads the checkpoint's files
        raise ModelError(
            f"The config.json of {card.label} describes no model ({hub.first_line(error)}); download it again."
        ) from error
    if any("sink" in name.rpartition(".")[2] for name, _ in shell.named_parameters()):
        _refuse(card, "has attention sinks, weights outside the tokens, which this version does not run")
    return memory.size_of(shell, tokens)


def _own_dtype(config: Any) -> Any:
    return getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None)


def _told(card: ModelCard, dtype: str, computed: str, own: Any, device: str) -> ModelCard:
    """The card, with a sentence for people where the device decided on another precision than the published one."""
    if dtype != "auto" or memory.computes_in_bfloat16(device) or computed == str(own).removeprefix("torch."):
        return card
    sentence = f"This GPU does not compute in bfloat16, so that the model runs in {computed} here."
    return replace(card, note=f"{card.note} {sentence}".strip())


def _processor(card: ModelCard, folder: Path, config: Any, image_mode: Literal["crop", "pad"] | None) -> Any:
    """The checkpoint's processor, complete, set to `image_mode` and to at most its family's tokens."""
    from transformers import AutoProcessor

    family = FAMILIES[card.family]
    _need(family.label, *family.packages)
    lacking = _lacking(folder)
    if lacking:
        raise ModelError(
            f"{card.label} has no processor ({lacking} is not there); copy it from the checkpoint's page, or save "
            "one next to the weights with processor.save_pretrained."
        )
    try:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of any library that reads the checkpoint's files
        raise ModelError(
            f"The processor of {card.label} cannot be read ({hub.first_line(error)}); download it again."
        ) from error
    if getattr(processor, "image_processor", None) is None:
        raise ModelError(
            f"The processor of {card.label} has no part for pictures; copy preprocessor_config.json to it."
        )
    complete(processor, config)
    if family.most_tokens:
        cap_visual_tokens(processor, card.size.tokens if card.size else family.most_tokens)
    if image_mode is not None:
        set_image_mode(processor, image_mode)
    return processor


def _lacking(folder: Path) -> str:
    """The file without which a folder has no processor, "" where all are there."""
    pictures = ("preprocessor_config.json", "processor_config.json")
    words = ("tokenizer.json", "tokenizer.model", "vocab.json")
    return next((some[0] for some in (pictures, words) if not any((folder / name).is_file() for name in some)), "")


# --- memory and weights -------------------------------------------------------------------------------------------


def _place(card: ModelCard, size: Size, kept: str, device: str, computed: str = "bfloat16") -> str:
    """Where the model goes; ModelError says how much it needs, how much there is, and what would fit."""
    needed = size.needed(kept, computed)
    place = memory.fit(needed, device)
    if place is None:
        raise _too_large(card, size, kept, device, needed)
    return place


def _too_large(card: ModelCard, size: Size, kept: str, device: str, needed: int) -> ModelError:
    candidates = memory.places(device)
    have = " and ".join(f"{place.label} has {gigabytes(place.free)} free" for place in candidates)
    return ModelError(
        f"{card.label} needs {gigabytes(needed)} of memory in {kept}, and {have}; "
        f"{' or '.join(_advice(size, kept, device)) or 'choose a smaller model'}."
    )


def _advice(size: Size, kept: str, device: str) -> Iterator[str]:
    """What would fit instead, for the end of a sentence: another precision, another device, another model."""
    for name, needed in memory.others(size, device, kept).items():
        option = "dtype" if name in _DTYPES else "quantization"
        yield f"use {option}={name!r} ({gigabytes(needed)})"
    if device not in ("auto", "balanced") and torch.cuda.is_available():
        other = memory.fit(size.needed(kept), "auto")
        if other:
            yield f"use device={other!r}"
    smaller = [card for card in CARDS.values() if card.size and memory.fit(card.size.needed(kept), device)]
    if smaller:
        yield f"choose a smaller model, such as {max(smaller, key=lambda card: card.parameters or 0).name}"


def _weights(
    card: ModelCard, folder: Path, config: Any, place: str, dtype: torch.dtype, quantization: str | None
) -> Any:
    """The model of transformers with all its weights; dtype: what it computes in."""
    from transformers import AutoModelForImageTextToText

    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False}
    if place != "cpu" or quantization:
        _need(f"device {place!r}" if not quantization else "Quantization", "accelerate")
        options["device_map"] = place
    if quantization and not hasattr(config, "quantization_config"):  # else it is published so
        options["quantization_config"] = _quantization(quantization, dtype)
    try:
        with _judged_here():
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                folder, config=config, output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
    except Exception as error:  # of any library that reads the checkpoint's files
        if ran_out(error):
            raise ModelError(
                f"{card.label} needs more memory than was left while it was read; close what else runs here, or choose "
                "a smaller model or quantization='4bit'."
            ) from None
        raise ModelError(f"{card.label} could not be loaded ({hub.first_line(error)}); download it again.") from error
    hf, report = loaded
    _check_weights(card, report)
    return hf


@contextlib.contextmanager
def _judged_here() -> Iterator[None]:
    """While this lasts, transformers does not print its report of weights: `_check_weights` says what matters of it."""
    logger = logging.getLogger("transformers.modeling_utils")

    def other(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def _check_weights(card: ModelCard, report: Mapping[str, Any]) -> None:
    """ModelError where weights and config.json are not of one model: transformers would go on, and answer wrongly.

    report: its loading info. Tensors that have no place count where they are of a numbered layer, block or expert;
    others, such as a head that was never used, are left out by published checkpoints' own classes.
    """
    if lacking := sorted(map(str, report["missing_keys"])):
        raise ModelError(f"{card.label} lacks {len(lacking)} weights, e.g. {lacking[0]}; download it again.")
    if mismatched := sorted(report["mismatched_keys"], key=str):
        name, shape, wanted = mismatched[0]
        raise ModelError(
            f"{card.label} has {len(mismatched)} weights of another shape than its config.json says, e.g. {name} of "
            f"{_shape(shape)} and not {_shape(wanted)}; take both from one checkpoint."
        )
    extra = sorted(key for key in map(str, report["unexpected_keys"]) if re.search(r"\.\d+\.", key))
    if extra := [key for key in extra if not _NO_WEIGHT.search(key)]:
        raise ModelError(
            f"{card.label} has {len(extra)} weights that its config.json knows nothing of, e.g. {extra[0]}; take both "
            "from one checkpoint."
        )


def _shape(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _quantization(choice: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if choice == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
