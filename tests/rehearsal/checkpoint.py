"""A card's checkpoint in a hub cache: the published settings and names at full width, with few layers and narrow MLPs.

The weights are random where the picture and the attention are made and nearly all of the embeddings are a hole in the
file: only the rows of tokens that prompts use are written.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from clvs_core.models import memory
from clvs_core.models.registry import CARDS

from . import words
from .settings import PUBLISHED, Published

LAYERS, NARROW = 2, 128
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_NOISE = 1_000_003  # a prime, so that rows are not alike


def cut(config: dict[str, Any]) -> dict[str, Any]:
    """The settings with few layers and narrow MLPs; widths, heads, patches and the vocabulary stay."""
    config = copy.deepcopy(config)
    for part in (config.get("text_config", config), config["vision_config"]):
        for name in ("num_hidden_layers", "depth"):
            if name in part or (name == "num_hidden_layers" and part is not config["vision_config"]):
                part[name] = LAYERS
        if "mlp_ratio" not in part:
            part["intermediate_size"] = NARROW
    vision = config["vision_config"]
    if "depth" not in vision:
        vision["num_hidden_layers"] = LAYERS
    vision |= {name: value for name, value in _SPECIAL_LAYERS.items() if name in vision}
    if config["model_type"] == "gemma3":  # one layer of each kind
        config["text_config"]["sliding_window_pattern"] = LAYERS
    return config


def narrow(config: dict[str, Any]) -> dict[str, Any]:
    """The same with widths that cost nothing: what pictures become (patches, sizes, grids, tokens) stays."""
    config = cut(config)
    text, vision = config.get("text_config", config), config["vision_config"]
    text |= {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
    text["head_dim"] = 16
    for part in (config, text):
        for rope in (part.get("rope_scaling"), part.get("rope_parameters")):
            if isinstance(rope, dict) and "mrope_section" in rope:
                rope["mrope_section"] = [2, 3, 3]
    sizes = {"hidden_size": 32, "embed_dim": 32, "num_attention_heads": 2, "num_heads": 2, "intermediate_size": 32}
    vision |= {name: size for name, size in sizes.items() if name in vision}
    if "embed_dim" in vision:  # Qwen2-VL: the other is the decoder's
        vision["hidden_size"] = 64
    if "out_hidden_size" in vision:
        vision["out_hidden_size"] = 64
    return config


_SPECIAL_LAYERS = {"fullatt_block_indexes": [1], "deepstack_visual_indexes": [0, 1]}


def config_of(settings: dict[str, Any], folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))
    return AutoConfig.from_pretrained(folder)


def write(name: str, cache: Path, smaller: Callable[[dict[str, Any]], dict[str, Any]] = cut) -> Path:
    """The checkpoint of a card, as huggingface_hub would have stored it; returns the folder of its files."""
    published, card = PUBLISHED[name], CARDS[name]
    repository = cache / f"models--{card.source.replace('/', '--')}"
    folder = repository / "snapshots" / _COMMIT
    config = config_of(smaller(published.config), folder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(_COMMIT)
    small_files(published, folder)
    _weights(published, config, folder)
    return folder


def small_files(published: Published, folder: Path) -> None:
    files = {
        "generation_config.json": published.generation,
        "preprocessor_config.json": published.images,
        "processor_config.json": published.processor,
        "tokenizer_config.json": published.tokenizer,
        "tokenizer.json": words.tokenizer_json(published),
    }
    for name, content in files.items():
        if content is not None:
            (folder / name).write_text(json.dumps(content))
    if published.config["model_type"] == "internvl":
        (folder / "chat_template.jinja").write_text(published.template)
    else:
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": published.template}))


def _weights(published: Published, config: Any, folder: Path) -> None:
    noise = (torch.randn(_NOISE, generator=torch.Generator().manual_seed(0)) * 0.02).bfloat16()
    shapes = published_shapes(published, config)
    shards = [dict(list(shapes.items())[n :: published.shards]) for n in range(published.shards)]
    names = [f"model-{n + 1:05}-of-{len(shards):05}.safetensors" for n in range(len(shards))]
    if len(shards) == 1:
        names = ["model.safetensors"]
    else:
        table = {tensor: file for file, shard in zip(names, shards, strict=True) for tensor in shard}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": table}))
    for file, shard in zip(names, shards, strict=True):
        _write(folder / file, shard, noise, published)


def published_shapes(published: Published, config: Any) -> dict[str, tuple[int, ...]]:
    """The names under which a checkpoint's weights are published, and their shapes."""
    model = memory.skeleton(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.named_parameters(remove_duplicate=False)}
    if not published.apart:
        del shapes["lm_head.weight"]
    return {_published_name(name, published.names): shape for name, shape in shapes.items()}


def _published_name(name: str, names: dict[str, str]) -> str:
    start = next((start for start in names if name.startswith(start)), "")
    return names.get(start, "") + name.removeprefix(start)


def _write(path: Path, shapes: dict[str, tuple[int, ...]], noise: torch.Tensor, published: Published) -> None:
    """A safetensors file: the length of its head, its head, and the numbers."""
    place, head = 0, {"__metadata__": {"format": "pt"}}
    for name, shape in shapes.items():
        end = place + 2 * math.prod(shape)
        head[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            start = 8 + len(text) + head[name]["data_offsets"][0]
            if name.endswith(("embed_tokens.weight", "lm_head.weight")):
                _rows(file, start, shape, noise.roll(7 * name.startswith(("lm_", "language_model.lm_"))), published)
            else:
                file.seek(start)
                _fill(file, name, shape, noise)
        file.truncate(8 + len(text) + place)


def _fill(file: Any, name: str, shape: tuple[int, ...], noise: torch.Tensor) -> None:
    count = math.prod(shape)
    if len(shape) == 1 and "norm" in name and name.endswith("weight"):
        values = torch.ones(count, dtype=torch.bfloat16)
    else:
        values = noise.repeat(-(-count // _NOISE))[:count]
    file.write(values.view(torch.int16).numpy().tobytes())


def _rows(file: Any, start: int, shape: tuple[int, ...], noise: torch.Tensor, published: Published) -> None:
    """The rows of the tokens that prompts are made of; all others stay a hole, which reads as zeros."""
    used = {id for id in words.tokenizer_json(published)["model"]["vocab"].values() if id < shape[0]}
    for id in used:
        file.seek(start + 2 * id * shape[1])
        file.write(noise.roll(-17 * id)[: shape[1]].view(torch.int16).numpy().tobytes())
