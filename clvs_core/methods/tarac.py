"""TARAC (Temporal Attention Real-time Accumulative Connection, arXiv 2504.04099): attention kept from word to word.

No official code is known. Formula and settings are those on which two re-implementations agree: the CLVS authors' own
(ZhQingan/SEVI @a6f9316) and dltmdwoOS/ADHH.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import (
    LAYERS,
    Editor,
    Keys,
    LayerRanges,
    Method,
    Pair,
    PaperLayers,
    Visual,
    as_layers,
    column,
    setting,
    share,
)
from .clvs import strongest_head


@dataclass(frozen=True)
class TARAC(Method):
    """Settings of TARAC.

    alpha: weight of the newest token's attention in what is accumulated; 0.5 in one re-implementation. It
        changes nothing about the first token; which of the two terms it weights is not confirmed against the paper.
    beta: how much of what is accumulated is added to a row; 0.5 in both re-implementations.
    layers: first and last layer (0-based); 9 to 15 of 32 in both, in proportion for models of another depth unless set.
    """

    name: ClassVar[str] = "tarac"
    label: ClassVar[str] = "TARAC"
    summary: ClassVar[str] = (
        "Keeps, in each of the middle layers, a running mean of where earlier words looked, and adds it to where the "
        "new word looks."
    )
    paper: ClassVar[str] = "https://arxiv.org/abs/2504.04099"
    stage: ClassVar[Any] = "weights"
    place: ClassVar[int] = 40
    records: ClassVar[tuple[str, ...]] = ("accumulation",)
    remembers: ClassVar[bool] = True

    alpha: float = share(
        0.5,
        "α  newest word",
        "Weight of the newest word's look in the running mean. It changes nothing about the first word.",
        "lower: lasts longer",
    )
    beta: float = share(
        0.5,
        "β  added",
        "How much of the running mean is added to a row.",
        "higher: adds more",
        allowed=(0, 10),
        high=2,
    )
    layers: tuple[int, int] = setting(PaperLayers((9, 15)), *LAYERS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers("layers", self.layers))

    def touched(self, layers: int) -> Pair | None:
        return self.layers.scaled(layers) if isinstance(self.layers, PaperLayers) else self.layers

    @classmethod
    def editor(cls, methods: Sequence[TARAC], device: torch.device, dtype: torch.dtype) -> TARACEditor:
        return TARACEditor(methods, device, dtype)


def accumulate(weights: Tensor, before: Tensor | None, alpha: Tensor, visual: Visual) -> Tensor:
    """What is accumulated after a token whose weights (B, H, K) are given: alpha (B, 1), before (B, N) -> (B, N)."""
    newest = strongest_head(weights, visual)
    return newest if before is None else alpha * newest + (1 - alpha) * before


def inject(weights: Tensor, accumulated: Tensor, beta: Tensor, visual: Visual) -> Tensor:
    """Rows (B, H, K) with beta (B, 1, 1) times the accumulated attention (B, N) added, each divided by its sum."""
    raised = weights.clone()
    raised[..., visual] += beta * accumulated[:, None]
    return raised / raised.sum(-1, keepdim=True)


class TARACEditor(Editor):
    """TARAC on a batch of rows, each with its own settings and its own running mean in each layer."""

    def __init__(self, settings: Sequence[TARAC], device: torch.device, dtype: torch.dtype):
        self.alpha = column(settings, "alpha", device, dtype, 1)
        self.beta = column(settings, "beta", device, dtype, 2)
        self.layers = LayerRanges([s.layers for s in settings], device)
        self.accumulated: dict[int, Tensor] = {}

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        if not self.layers.touch(layer):
            return weights
        where, alpha, beta = (x.to(weights.device) for x in (self.layers.flags(layer, 2), self.alpha, self.beta))
        self.accumulated[layer] = accumulate(weights, self.accumulated.get(layer), alpha, keys.visual)
        return torch.where(where, inject(weights, self.accumulated[layer], beta, keys.visual), weights)

    def recorded(self, layer: int) -> Mapping[str, Tensor]:
        if not self.layers.touch(layer):
            return {}
        kept = self.accumulated[layer]
        outside = ~self.layers.flags(layer, 1).to(kept.device)
        return {"accumulation": kept.masked_fill(outside, torch.nan)}
