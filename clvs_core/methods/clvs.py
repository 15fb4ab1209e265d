"""Cross-Layer Vision Smoothing (CLVS, arXiv 2509.12897): a vision memory carried from layer to layer.

Equation numbers are the paper's. Where the paper leaves room, the authors' released LLaVA-1.5 code decides
(ZhQingan/CLVS, d4221cb): its `beta` is the paper's alpha, its `gamma` the paper's beta, its `delta` the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from .base import Editor, Keys, Method, Target, Visual, check_range, column, setting, share


@dataclass(frozen=True)
class CLVS(Method):
    """Settings of CLVS.

    alpha: weight of the current attention in the mix with the memory, eq. 5; paper 0.8.
    beta: share of the memory kept at each update, eq. 7; None takes the model card's value
        (paper: 0.8 for LLaVA-1.5, 0.7 for LLaVA-NeXT and Qwen2.5-VL).
    gamma: uncertainty below which smoothing stops; paper 0.5. 0 never stops, above 1 always does.
    top_k: how many of the largest logits the uncertainty uses, eq. 8; released code 10.
    first_check: first layer (0-based) after which the uncertainty is looked at; None is L // 2 + 1 (released code).
    unified_positions: layer 0 sees every visual token at the first one's position, eq. 2.
    early_termination: stop smoothing once the uncertainty is below gamma.
    lens_norm: apply the final norm before the unembedding in eq. 8; the released code does not.
    """

    name: ClassVar[str] = "clvs"
    label: ClassVar[str] = "CLVS"
    summary: ClassVar[str] = (
        "Carries a vision memory from layer to layer, mixes it into where the new word looks, and stops once the model "
        "is certain."
    )
    paper: ClassVar[str] = "https://arxiv.org/abs/2509.12897"
    stage: ClassVar[Any] = "weights"
    place: ClassVar[int] = 40
    records: ClassVar[tuple[str, ...]] = ("memory",)
    remembers: ClassVar[bool] = True

    alpha: float = share(
        0.8,
        "α  own attention",
        "Weight of a layer's own attention; the rest comes from the vision memory. 1 leaves attention as it is.",
        "lower: more memory",
    )
    beta: float | None = share(
        None,
        "β  memory kept",
        "How much of the memory is kept from one layer to the next. Higher remembers earlier layers longer.",
        "higher: lasts longer",
    )
    gamma: float = share(
        0.5,
        "γ  certain below",
        "Smoothing stops once the model's uncertainty falls below this. 0 never stops.",
        "higher: stops earlier",
        allowed=(0, 2),
        high=1,
        step=0.01,
    )
    top_k: int = setting(
        10,
        "Words in the uncertainty",
        "Over how many of the likeliest words the uncertainty is measured.",
        allowed=(2, 2**63 - 1),
        high=50,
        last=True,
    )
    first_check: int | None = setting(
        None,
        "First check",
        "The first layer after which the uncertainty is looked at.",
        allowed=(0, math.inf),
        layer=True,
    )
    unified_positions: bool = setting(
        True,
        "Unified positions",
        "In the first layer every image token stands at the same position, so none is favoured for being near.",
        allowed=bool,
    )
    early_termination: bool = setting(
        True,
        "Early termination",
        "Leave the last layers alone once the model is certain. Off smooths every layer.",
        allowed=bool,
    )
    lens_norm: bool = setting(
        False,
        "Norm before the lens",
        "Apply the model's last norm before a layer's words are read off; the released code does not.",
        allowed=bool,
        last=True,
    )

    def resolve(self, target: Target) -> CLVS:
        settings, layers = super().resolve(target), target.layers
        if settings.first_check is None:
            settings = replace(settings, first_check=layers // 2 + 1)
        if settings.beta is None:  # a target that says nothing of CLVS
            settings = replace(settings, beta=0.8)
        if self.first_check is not None:
            check_range(f"first_check, in this model of {layers} layers,", self.first_check, 0, layers - 1, int)
        return settings

    def termination(self) -> tuple[float | None, int | None]:
        return (self.gamma, self.first_check) if self.early_termination else (None, None)

    @classmethod
    def editor(cls, methods: Sequence[CLVS], device: torch.device, dtype: torch.dtype) -> CLVSEditor:
        return CLVSEditor(methods, device, dtype)


def strongest_head(weights: Tensor, visual: Visual) -> Tensor:
    """Largest weight over heads of each visual token, as in eq. 4 and 7: (B, H, K) -> (B, N)."""
    return weights[..., visual].amax(dim=-2)


def smooth(weights: Tensor, memory: Tensor, alpha: Tensor, visual: Visual) -> Tensor:
    """Mixes the memory (B, N) into the visual part and divides the whole row by its sum, eq. 5 and 6.

    weights (B, H, K), alpha (B, 1, 1); returns new weights (B, H, K) whose rows sum to 1.
    """
    mixed = weights.clone()
    mixed[..., visual] = alpha * weights[..., visual] + (1 - alpha) * memory[:, None]
    return mixed / mixed.sum(dim=-1, keepdim=True)


def remember(memory: Tensor, weights: Tensor, beta: Tensor, visual: Visual) -> Tensor:
    """The memory after a layer whose original weights were `weights`, eq. 7: beta (B, 1) -> (B, N)."""
    return beta * memory + (1 - beta) * strongest_head(weights, visual)


def converged(words: np.ndarray, final: int) -> np.ndarray:
    """(L,) bool: this layer and all later ones would say the `final` token, of the ids `words` (L,) that layers say.

    The paper's convergence flag c^l.
    """
    return np.logical_and.accumulate((words == final)[::-1])[::-1]


class CLVSEditor(Editor):
    """CLVS on a batch of rows, each with its own settings, memory and stop."""

    def __init__(self, settings: Sequence[CLVS], device: torch.device, dtype: torch.dtype):
        self.alpha = column(settings, "alpha", device, dtype, 2)
        self.beta = column(settings, "beta", device, dtype, 1)
        self.gamma = column(settings, "gamma", device, dtype)
        self.top_k = column(settings, "top_k", device, torch.long)
        self.first_check = column(settings, "first_check", device, torch.long)
        self.unified = column(settings, "unified_positions", device, torch.bool)
        self.stops = column(settings, "early_termination", device, torch.bool) & (self.gamma > 0)
        self.lens_norm = column(settings, "lens_norm", device, torch.bool)
        stopping = [s.first_check or 0 for s in settings if s.early_termination and s.gamma > 0]
        self.earliest = min(stopping, default=math.inf)
        self.begin()

    def begin(self) -> None:
        self.memory: Tensor | None = None
        self.active = torch.ones_like(self.stops)

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        if self.memory is None:
            self.memory = strongest_head(weights, keys.visual)
            return weights
        memory, alpha, beta, active = (x.to(weights.device) for x in (self.memory, self.alpha, self.beta, self.active))
        self.memory = torch.where(active[:, None], remember(memory, weights, beta, keys.visual), memory)
        return torch.where(active[:, None, None], smooth(weights, memory, alpha, keys.visual), weights)

    def checks(self, layer: int) -> Tensor | None:
        if layer < self.earliest:  # known without asking the device
            return None
        return self.active & self.stops & (self.first_check <= layer)

    def observe(self, layer: int, uncertainty: Tensor) -> Tensor | None:
        checked = self.checks(layer)
        if checked is None:
            return None
        certain = uncertainty.to(self.gamma) < self.gamma  # NaN, not measured, is never below
        self.active = self.active & ~(checked & certain)
        return checked & certain

    def recorded(self, layer: int) -> Mapping[str, Tensor]:
        assert self.memory is not None
        stopped = ~self.active[:, None].to(self.memory.device)
        return {"memory": self.memory.masked_fill(stopped, torch.nan)}
