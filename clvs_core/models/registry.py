"""One card per checkpoint: where it is, what to call it, and the settings its source names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@dataclass(frozen=True)
class ModelCard:
    """What is known about one checkpoint.

    name: the short name that `load_model` takes. label: the name for people. source: hub id or folder.
    family: transformers' model_type. settings: by method name, what a setting left at None becomes, and the values a
    page starts from. note: a plain sentence about the model's limits, or "".
    """

    name: str
    label: str
    source: str
    family: str = "llava"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    note: str = ""


# The CLVS paper's settings: beta 0.8 for LLaVA-1.5, gamma 0.5 for every model.
_LLAVA_15: Mapping[str, Mapping[str, Any]] = {"clvs": {"beta": 0.8, "gamma": 0.5}}

CARDS: dict[str, ModelCard] = {
    card.name: card
    for card in (
        ModelCard(
            "scenes",
            "Scenes 8M (embedded)",
            str(ASSETS / "scenes_model"),
            settings={"clvs": {"alpha": 0.8, "beta": 0.9, "gamma": 0.25, "first_check": 7}},
            note="This small model was trained on drawn scenes only, with a small vocabulary; "
            "for photographs, start the app with a larger model, e.g. --model llava-1.5-7b.",
        ),
        ModelCard("llava-1.5-7b", "LLaVA-1.5 7B", "llava-hf/llava-1.5-7b-hf", settings=_LLAVA_15),
        ModelCard("llava-1.5-13b", "LLaVA-1.5 13B", "llava-hf/llava-1.5-13b-hf", settings=_LLAVA_15),
    )
}


def card_for(name: str) -> ModelCard:
    """The card of a short name, a hub id or a folder; checkpoints without one get LLaVA-1.5's settings."""
    if name in CARDS:
        return CARDS[name]
    for card in CARDS.values():
        if name == card.source:
            return card
    return ModelCard(name, Path(name).name or name, name, settings=_LLAVA_15)
