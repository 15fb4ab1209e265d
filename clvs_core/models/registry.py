"""One card per checkpoint: where it is, what it needs, and the settings its source names.

Sizes were counted by transformers itself on the checkpoints' configurations (`memory.size_of`). The hub could not be
reached when the cards were written, so no commit is pinned: `revision` is "main" everywhere.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..bundled import ASSETS
from .families import FAMILIES
from .memory import Size

Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ModelCard:
    """What is known about one checkpoint.

    name: the short name that `load_model` takes. label: the name for people. source: hub id or folder.
    family: transformers' model_type. settings: by method name, what settings that are left out become. note: a plain
    sentence about the model's limits, or "". size: None where only loading tells. licence: of the weights, as their
    page names it. revision: commit, tag or branch of the hub. paper: whether the CLVS paper used it. gated: the hub
    gives it out only after its licence was accepted. vision: how it sees a picture. photographs: whether it is made for
    them, and not for drawn scenes alone. method_notes: by method name, a sentence about what that method can mean on
    this model.
    """

    name: str
    label: str
    source: str
    family: str = "llava"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    note: str = ""
    size: Size | None = None
    licence: str = ""
    revision: str = "main"
    paper: bool = False
    gated: bool = False
    vision: str = ""
    photographs: bool = True
    method_notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def paper_settings(self) -> Settings:
        """The CLVS paper's settings for this model or the family nearest to it, with what is a fact about the model."""
        facts = {name: {fact: self.settings.get(name, {}).get(fact)} for name, fact in _FACTS.items()}
        return {**settings_for(self.family)[0], **facts}

    @property
    def parameters(self) -> float | None:
        """In billions, vision tower included."""
        return self.size.parameters if self.size else None


_FACTS = {"var": "dims", "adhh": "heads"}  # published of a model or found in it, and no choice


def settings_for(family: str) -> tuple[Settings, str]:
    """The method settings for checkpoints of a family, and a sentence where they are borrowed from another one.

    The CLVS paper has beta 0.8 for LLaVA-1.5, 0.7 for LLaVA-NeXT and Qwen2.5-VL; CLVS itself has the others.
    """
    nearest = FAMILIES[family].nearest if family in FAMILIES else ""
    note = f"The CLVS paper did not test this model; its settings here are those of {nearest}." if nearest else ""
    return {"clvs": {"beta": 0.8 if family == "llava" else 0.7}}, note


# AD-HH's published heads, most harmful first: (layer, head). Source: TianyunYoung/Hallucination-Attribution @841fc1b.
_HEADS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "llava-1.5-7b": (
        (16, 29),
        (26, 9),
        (13, 31),
        (15, 10),
        (20, 12),
        (30, 9),
        (19, 18),
        (17, 0),
        (18, 9),
        (26, 28),
        (19, 27),
        (18, 26),
        (15, 25),
        (14, 16),
        (31, 26),
        (15, 24),
        (31, 3),
        (22, 20),
        (27, 29),
        (17, 28),
    ),
    "llava-1.5-13b": (
        (0, 8),
        (29, 27),
        (23, 18),
        (20, 11),
        (36, 26),
        (19, 37),
        (22, 16),
        (22, 34),
        (21, 31),
        (20, 34),
        (37, 11),
        (17, 25),
        (35, 10),
        (17, 5),
        (15, 26),
        (0, 22),
        (19, 5),
        (19, 0),
        (14, 1),
        (23, 20),
        (21, 6),
        (30, 24),
        (26, 27),
        (21, 32),
        (15, 28),
        (15, 31),
        (19, 30),
        (20, 8),
        (19, 14),
        (14, 9),
        (39, 26),
        (25, 1),
        (18, 32),
        (17, 27),
        (39, 32),
    ),
}
# The first of `find-heads` on the model's descriptions of fresh scenes in trained styles; as few of its 72 heads, in
# proportion, as the published 20 of 1,024.
_SCENES_HEADS = ((2, 1), (2, 4))
# VAR's sink dimensions. LLaVA-1.5: seilk/VisAttnSink @98e62d6 (which never selects the 13B's own, so that its released
# 13B runs used those of 7B); the others come from re-implementations, by the language model inside.
_SINKS: Mapping[str, tuple[int, ...]] = {
    "llava-1.5-7b": (1415, 2533),
    "llava-1.5-13b": (2100, 4743),
    "llava-next-llama3-8b": (788, 1384, 4062),
    "qwen2-vl-2b": (534, 940, 1073),
    "qwen2-vl-7b": (458, 2570),
    "qwen2.5-vl-3b": (318, 1819, 1874),
    "qwen2.5-vl-7b": (458, 2570),
    "qwen3-vl-2b": (1401, 1793, 1999),
    "qwen3-vl-4b": (0,),
    "qwen3-vl-8b": (1838,),
}


def _card(name: str, label: str, source: str, family: str, size: Size, licence: str, **more: Any) -> ModelCard:
    settings, note = settings_for(family)
    facts: dict[str, dict[str, Any]] = {"var": {"dims": _SINKS.get(name)}, "adhh": {"heads": _HEADS.get(name)}}
    settings = {**settings, **{method: fact for method, fact in facts.items() if any(fact.values())}}
    vision = FAMILIES[family].vision
    return ModelCard(name, label, source, family, settings, note, size, licence, vision=vision, **more)


# `paper`: the tables say LLaVA-Next and Qwen2.5-VL without a size; the authors' code runs llama3-llava-next-8b, and no
# size of Qwen2.5-VL is certain: 7B is taken.
_APACHE, SEE_PAGE = "Apache 2.0", "see its page"
_CARDS = (
    ModelCard(
        "scenes",
        "Scenes 8M (embedded)",
        str(ASSETS / "scenes_model"),
        settings={
            "clvs": {"alpha": 0.8, "beta": 0.9, "gamma": 0.25, "first_check": 7},
            "var": {"dims": (119, 187), "tau": 3},
            "adhh": {"heads": _SCENES_HEADS},
        },
        method_notes={
            "var": "This small model has no sink tokens of its own: its dimension and tau here only show how VAR "
            "works.",
            "adhh": "This small model hardly invents objects, so the ranking of its heads is weak.",
        },
        note="This small model was trained on drawn scenes only, with a small vocabulary.",
        photographs=False,
        size=Size(0.008, 0.0003, 4.6, 576, 3, 17),
        licence=_APACHE,
        vision="one grid of tokens over the picture",
    ),
    _card(
        "llava-1.5-7b",
        "LLaVA-1.5 7B",
        "llava-hf/llava-1.5-7b-hf",
        "llava",
        Size(7.063, 0.263, 262.1, 576, 48, 89),
        "Llama 2 Community",
        paper=True,
    ),
    _card(
        "llava-1.5-13b",
        "LLaVA-1.5 13B",
        "llava-hf/llava-1.5-13b-hf",
        "llava",
        Size(13.351, 0.328, 409.6, 576, 60, 111),
        "Llama 2 Community",
        paper=True,
    ),
    _card(
        "llava-next-vicuna-7b",
        "LLaVA-NeXT 7B (Vicuna)",
        "llava-hf/llava-v1.6-vicuna-7b-hf",
        "llava_next",
        Size(7.063, 0.263, 262.1, 2928, 189, 168),
        "Llama 2 Community",
    ),
    _card(
        "llava-next-mistral-7b",
        "LLaVA-NeXT 7B (Mistral)",
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "llava_next",
        Size(7.567, 0.263, 65.5, 2928, 221, 168),
        _APACHE,
    ),
    _card(
        "llava-next-llama3-8b",
        "LLaVA-NeXT 8B (Llama 3)",
        "llava-hf/llama3-llava-next-8b-hf",
        "llava_next",
        Size(8.355, 1.051, 65.5, 2928, 221, 168),
        "Llama 3 Community",
        paper=True,
    ),
    _card(
        "qwen2.5-vl-3b",
        "Qwen2.5-VL 3B",
        "Qwen/Qwen2.5-VL-3B-Instruct",
        "qwen2_5_vl",
        Size(3.755, 0.311, 18.4, 1280, 155, 73),
        "Qwen Research (not commercial)",
    ),
    _card(
        "qwen2.5-vl-7b",
        "Qwen2.5-VL 7B",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen2_5_vl",
        Size(8.292, 1.090, 28.7, 1280, 155, 128),
        _APACHE,
        paper=True,
    ),
    _card(
        "llava-onevision-0.5b",
        "LLaVA-OneVision 0.5B",
        "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
        "llava_onevision",
        Size(0.894, 0.136, 6.1, 7290, 516, 168),
        _APACHE,
    ),
    _card(
        "llava-onevision-7b",
        "LLaVA-OneVision 7B",
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        "llava_onevision",
        Size(8.031, 1.090, 28.7, 7290, 726, 168),
        _APACHE,
    ),
    _card(
        "qwen2-vl-2b",
        "Qwen2-VL 2B",
        "Qwen/Qwen2-VL-2B-Instruct",
        "qwen2_vl",
        Size(2.209, 0.233, 14.3, 1280, 155, 55),
        _APACHE,
    ),
    _card(
        "qwen2-vl-7b",
        "Qwen2-VL 7B",
        "Qwen/Qwen2-VL-7B-Instruct",
        "qwen2_vl",
        Size(8.291, 1.090, 28.7, 1280, 155, 128),
        _APACHE,
    ),
    _card(
        "qwen3-vl-2b",
        "Qwen3-VL 2B",
        "Qwen/Qwen3-VL-2B-Instruct",
        "qwen3_vl",
        Size(2.128, 0.311, 57.3, 1280, 147, 73),
        _APACHE,
    ),
    _card(
        "qwen3-vl-4b",
        "Qwen3-VL 4B",
        "Qwen/Qwen3-VL-4B-Instruct",
        "qwen3_vl",
        Size(4.438, 0.389, 73.7, 1280, 149, 147),
        _APACHE,
    ),
    _card(
        "qwen3-vl-8b",
        "Qwen3-VL 8B",
        "Qwen/Qwen3-VL-8B-Instruct",
        "qwen3_vl",
        Size(8.767, 1.245, 73.7, 1280, 167, 147),
        _APACHE,
    ),
    _card(
        "smolvlm-256m",
        "SmolVLM 256M",
        "HuggingFaceTB/SmolVLM-256M-Instruct",
        "idefics3",
        Size(0.256, 0.057, 11.5, 1088, 254, 37),
        _APACHE,
    ),
    _card(
        "smolvlm-500m",
        "SmolVLM 500M",
        "HuggingFaceTB/SmolVLM-500M-Instruct",
        "idefics3",
        Size(0.507, 0.095, 20.5, 1088, 254, 61),
        _APACHE,
    ),
    _card(
        "smolvlm-2.2b",
        "SmolVLM 2.2B",
        "HuggingFaceTB/SmolVLM-Instruct",
        "idefics3",
        Size(2.246, 0.201, 98.3, 1377, 237, 155),
        _APACHE,
    ),
    _card(
        "smolvlm2-2.2b",
        "SmolVLM2 2.2B",
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        "smolvlm",
        Size(2.247, 0.202, 98.3, 1377, 237, 155),
        _APACHE,
    ),
    _card(
        "idefics3-8b",
        "Idefics3 8B",
        "HuggingFaceM4/Idefics3-8B-Llama3",
        "idefics3",
        Size(8.462, 1.051, 65.5, 2873, 237, 168),
        _APACHE,
    ),
    _card(
        "internvl3-1b",
        "InternVL3 1B",
        "OpenGVLab/InternVL3-1B-hf",
        "internvl",
        Size(0.938, 0.272, 6.1, 3328, 236, 138),
        SEE_PAGE,
    ),
    _card(
        "internvl3-2b",
        "InternVL3 2B",
        "OpenGVLab/InternVL3-2B-hf",
        "internvl",
        Size(2.089, 0.466, 14.3, 3328, 236, 118),
        SEE_PAGE,
    ),
    _card(
        "internvl3-8b",
        "InternVL3 8B",
        "OpenGVLab/InternVL3-8B-hf",
        "internvl",
        Size(7.944, 1.087, 28.7, 3328, 311, 168),
        SEE_PAGE,
    ),
    _card(
        "gemma-3-4b",
        "Gemma 3 4B",
        "google/gemma-3-4b-it",
        "gemma3",
        Size(4.300, 0.671, 69.6, 256, 78, 16),
        "Gemma Terms of Use",
        gated=True,
    ),
    _card(
        "gemma-3-12b",
        "Gemma 3 12B",
        "google/gemma-3-12b-it",
        "gemma3",
        Size(12.187, 1.007, 196.6, 256, 78, 31),
        "Gemma Terms of Use",
        gated=True,
    ),
)
CARDS: dict[str, ModelCard] = {card.name: card for card in _CARDS if card.family in FAMILIES}


# The address of a model on the hub; its id is the group.
_PAGE = re.compile(
    r"\s*(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)?([^/\s]+/[^/\s]+)(?:/|/tree/main/?)?\s*"
)


def card_for(name: str) -> ModelCard:
    """The card of a short name, of a hub id or its page's address, in any capitals, or of a folder.

    Others get the settings of their family, as far as it is known.

    A folder's family is read from its config.json; of a hub id without a card it is known once it is loaded.
    """
    if name in CARDS:
        return CARDS[name]
    for card in CARDS.values():
        if name == card.source:
            return card
    if not os.path.isdir(name):  # whose name is exact
        name = page[1] if (page := _PAGE.fullmatch(name)) else name
        for card in CARDS.values():
            if name.strip().casefold() in (card.name.casefold(), card.source.casefold()):
                return card
    family = _family(Path(name)) or "llava"
    settings, note = settings_for(family)
    return ModelCard(name, Path(name).name or name, name, family, settings, note)


def label_of(name: str) -> str:
    """What people call the model of this name, as a trace has it: "Scenes 8M"; of a folder its own name."""
    return CARDS[name].label if name in CARDS else Path(name).name or name


def _family(folder: Path) -> str:
    """The model_type of a folder's configuration, or "" where there is none that can be read."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(found["model_type"]) if found["model_type"] in FAMILIES else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
