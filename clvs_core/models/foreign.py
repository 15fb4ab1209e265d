"""What people have instead of a checkpoint that can be run: what it is, and the one thing to do.

Adapters, weights of other programs, and LLaVA as its authors published it, before it was converted for transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Endings of weights that are one file -> what they are.
WEIGHTS = {
    ".gguf": "GGUF weights of llama.cpp",
    ".ggml": "GGML weights of llama.cpp",
    ".safetensors": "weights without the configuration that belongs to them",
    ".bin": "pickled weights",
    ".pth": "pickled weights",
    ".pt": "pickled weights",
    ".ckpt": "pickled weights",
    ".onnx": "ONNX weights",
}
# Original checkpoints -> converted ones, by what stands in the name; the first that fits.
_CONVERTED = (
    (("onevision", "0.5b"), "llava-hf/llava-onevision-qwen2-0.5b-ov-hf"),
    (("onevision",), "llava-hf/llava-onevision-qwen2-7b-ov-hf"),
    (("llama3",), "llava-hf/llama3-llava-next-8b-hf"),
    (("llama-3",), "llava-hf/llama3-llava-next-8b-hf"),
    (("1.6", "mistral"), "llava-hf/llava-v1.6-mistral-7b-hf"),
    (("1.6", "34b"), "llava-hf/llava-v1.6-34b-hf"),
    (("1.6", "13b"), "llava-hf/llava-v1.6-vicuna-13b-hf"),
    (("1.6",), "llava-hf/llava-v1.6-vicuna-7b-hf"),
    (("llava_qwen",), "llava-hf/llava-onevision-qwen2-7b-ov-hf"),
    (("llava_mistral",), "llava-hf/llava-v1.6-mistral-7b-hf"),
    (("13b",), "llava-hf/llava-1.5-13b-hf"),
)
_USUAL = "llava-hf/llava-1.5-7b-hf"
# What tells the sizes of LLaVA-1.5 and 1.6 apart where the name does not: the decoder's width.
_WIDTHS = {"5120": "13b", "7168": "34b"}


def told_of_file(path: Path) -> str:
    """One sentence on a file that was given as a model."""
    kind = WEIGHTS.get(path.suffix.casefold(), "not a model's folder")
    return (
        f"{path.name} is {kind}; give the folder or hub id of the checkpoint in transformers' form, with its "
        "config.json and safetensors."
    )


def told_of_folder(folder: Path, name: str, config: Mapping[str, Any] | None = None) -> str:
    """What a folder holds that is no checkpoint to run, to stand behind its name; "" where nothing is known.

    name: the folder's own or its hub id. config: its config.json, where it has one.
    """
    if (folder / "adapter_config.json").is_file() and not any(folder.glob("model*.safetensors*")):
        return _adapter(folder / "adapter_config.json")
    if config and any(str(key).startswith("mm_vision_tower") for key in config):
        return (
            "is a LLaVA checkpoint as its authors published it, which transformers cannot read; load the converted "
            f"one, such as {converted(name, config)}"
        )
    if config is not None:
        return ""
    files = sorted(path for path in folder.glob("*") if path.suffix.casefold() in (".gguf", ".ggml"))
    if files or "gguf" in name.casefold():  # of a hub's repository only small files are here
        kind = WEIGHTS[files[0].suffix.casefold() if files else ".gguf"]
        return f"has {kind} and no config.json; load the checkpoint that they were made from"
    return ""


def converted(name: str, config: Mapping[str, Any]) -> str:
    """The hub id of a LLaVA checkpoint in transformers' form, from the original one's name and configuration."""
    said = [name, *(config.get(key) for key in ("_name_or_path", "mm_vision_tower", "model_type"))]
    words = " ".join(str(word) for word in said if word).casefold()
    words += f" {_WIDTHS.get(str(config.get('hidden_size')), '')}"
    if config.get("image_aspect_ratio") == "anyres":
        words += " 1.6"
    return next((there for parts, there in _CONVERTED if all(part in words for part in parts)), _USUAL)


def _adapter(path: Path) -> str:
    try:
        base = json.loads(path.read_text(encoding="utf-8-sig")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        base = None
    return (
        f"is a LoRA adapter{f' of {base}' if base else ''} and no whole model; merge it into its base with PEFT's "
        "merge_and_unload, save that with save_pretrained, and give the new folder"
    )
