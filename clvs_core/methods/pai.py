"""PAI (Paying More Attention to Image, arXiv 2407.21771): scores of the picture raised, and text alone contrasted.

Settings and formulas from LALBJ/PAI @9bbd8bd.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import (
    Contrast,
    Editor,
    Keys,
    LayerRanges,
    Method,
    NoPicture,
    Pair,
    Target,
    Visual,
    check_range,
    column,
    setting,
    share,
)
from .vcd import plausible

CUT = 0.1  # words less likely than this share of the likeliest one are ruled out; fixed in the released code


@dataclass(frozen=True)
class PAI(Method):
    """Settings of PAI.

    alpha: how much of its own size a score of a visual token grows by. The paper's runs of LLaVA-1.5 are
        re-run elsewhere with 0.5, which the CLVS paper seems to use, too; the repository's own default is 0.2.
    gamma: weight of the answer with the picture against the one to the text alone; the repository's
        example has 1.1 (its default is 2). 1 leaves the contrast out.
    start_layer: first layer (0-based) whose scores grow; the repository has 2, whatever the depth.
    """

    name: ClassVar[str] = "pai"
    label: ClassVar[str] = "PAI"
    summary: ClassVar[str] = (
        "Raises the attention scores of every visual token by a share of their size, and moves the answer away from "
        "what the model would say without the picture."
    )
    paper: ClassVar[str] = "https://arxiv.org/abs/2407.21771"
    stage: ClassVar[Any] = "scores"
    place: ClassVar[int] = 20

    alpha: float = share(
        0.5,
        "α  picture raised",
        "By how much of its own size an attention score of the picture grows.",
        "higher: looks more",
        allowed=(0, 10),
        high=2,
    )
    gamma: float = share(
        1.1,
        "γ  contrast",
        "Weight of the answer with the picture against the one to the text alone. 1 leaves the contrast out.",
        "higher: stronger",
        allowed=(1, 10),
        high=3,
    )
    start_layer: int = setting(
        2, "First layer", "The first layer whose scores grow.", allowed=(0, math.inf), layer=True
    )

    def resolve(self, target: Target) -> PAI:
        check_range(f"start_layer, in this model of {target.layers} layers,", self.start_layer, 0, target.layers, int)
        return super().resolve(target)

    def touched(self, layers: int) -> Pair | None:
        return (int(self.start_layer), layers - 1) if self.start_layer < layers else None

    def contrasted(self) -> Contrast | None:
        return NoPicture() if self.gamma != 1 else None

    @classmethod
    def editor(cls, methods: Sequence[PAI], device: torch.device, dtype: torch.dtype) -> PAIEditor:
        return PAIEditor(methods, device, dtype)


def amplify(scores: Tensor, alpha: Tensor, visual: Visual) -> Tensor:
    """z + alpha |z| at the visual tokens: scores (B, H, K), alpha (B, 1, 1) -> new scores."""
    raised = scores.clone()
    raised[..., visual] += alpha * scores[..., visual].abs()
    return raised


def guide(logits: Tensor, other: Tensor, gamma: Tensor) -> Tensor:
    """Classifier-free guidance over log-probabilities: logits with and without the picture (B, V), gamma (B, 1).

    Words that are not plausible with the picture become -inf; gamma 1 gives the logits back, all of them.
    """
    seen, blind = logits.log_softmax(-1), other.log_softmax(-1)
    guided = gamma * (seen - blind) + blind
    guided = guided.masked_fill(~plausible(seen, torch.full_like(gamma, CUT)), -torch.inf)
    return torch.where(gamma == 1, logits, guided)


class PAIEditor(Editor):
    """PAI on a batch of rows, each with its own settings."""

    def __init__(self, settings: Sequence[PAI], device: torch.device, dtype: torch.dtype):
        self.alpha = column(settings, "alpha", device, dtype, 2)
        self.gamma = column(settings, "gamma", device, dtype, 1)
        self.layers = LayerRanges([(int(s.start_layer), 1 << 30) for s in settings], device)

    def scores(self, layer: int, scores: Tensor, keys: Keys) -> Tensor:
        if not self.layers.touch(layer):
            return scores
        alpha = torch.where(self.layers.flags(layer, 2), self.alpha, 0)
        return amplify(scores, alpha.to(scores.device), keys.visual)

    def contrast(self, logits: Tensor, other: Tensor) -> Tensor:
        return guide(logits, other, self.gamma.to(logits))
