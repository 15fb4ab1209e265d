"""VAR (Visual Attention Redistribution, arXiv 2503.03321): attention on sink tokens is given to the rest of a picture.

Formulas and settings from seilk/VisAttnSink @98e62d6; sink dimensions stand in the model cards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import (
    Dashed,
    Editor,
    Keys,
    Method,
    MethodError,
    Pair,
    Reading,
    Target,
    Visual,
    column,
    is_index,
    setting,
    share,
)

HELP = "python -m clvs_core find-sinks"
FIRST = 2  # layers before it have no sinks
TINY = 1e-6  # added to every visual weight under the ratio, and under the root, by the released code


@dataclass(frozen=True)
class VAR(Method):
    """Settings of VAR.

    tau: a token is a sink in a layer where a sink dimension of its hidden state is larger than this, in units of the
        state's root mean square; repository 20.
    rho: a head counts as looking at the picture if at most this share of its visual attention is on sinks;
        repository 0.5.
    p: share of a sink's weight that stays with it; repository 0.6.
    summ: least share of its attention that such a head gives to the picture; repository 0.2.
    dims: the sink dimensions of the hidden states; None takes the model card's.
    paper_convention: take rho and p as the paper's text has them: rho the least share on visual tokens that are *no*
        sinks, p the share that is *moved*. The repository's values mean the opposite of its text (its issue 5).
    """

    name: ClassVar[str] = "var"
    label: ClassVar[str] = "VAR"
    summary: ClassVar[str] = (
        "Finds sink tokens, which draw attention whatever is asked, and in heads that look at the picture gives part "
        "of their attention to its other tokens."
    )
    paper: ClassVar[str] = "https://arxiv.org/abs/2503.03321"
    rows: ClassVar[Any] = "after_image"
    stage: ClassVar[Any] = "weights"
    place: ClassVar[int] = 30
    records: ClassVar[tuple[str, ...]] = ("sinks", "acted_heads")

    tau: float = share(
        20.0,
        "τ  sink above",
        "A token is a sink where a sink dimension of its hidden state is larger than this, in units of the state's "
        "root mean square.",
        "higher: fewer sinks",
        allowed=(0, math.inf),
        high=100,
        step=1,
    )
    rho: float = share(
        0.5,
        "ρ  most on sinks",
        "A head counts as looking at the picture if at most this share of its visual attention is on sinks.",
        "higher: more heads",
    )
    p: float = share(
        0.6,
        "p  left with sinks",
        "The share of a sink's weight that stays with it; the rest goes to other tokens of the picture.",
        "lower: moves more",
    )
    summ: float = setting(
        0.2,
        "Least look",
        "The least share of its attention that such a head gives to the picture.",
        allowed=(0, 1),
        step=0.05,
    )
    dims: tuple[int, ...] | None = setting(
        None,
        "Sink dimensions",
        "Of the hidden states, counted from 0, such as 1415/2533; empty takes the model's own.",
    )
    paper_convention: bool = setting(
        False,
        "The paper's convention",
        "Take ρ and p as the paper's text has them; the released code means the opposite.",
        allowed=bool,
    )

    def __post_init__(self) -> None:
        if self.dims is not None:
            object.__setattr__(self, "dims", _dims(self.dims))

    def resolve(self, target: Target) -> VAR:
        resolved = super().resolve(target)
        if resolved.dims is None:
            raise MethodError(
                f"VAR needs the dimensions in which sink tokens are large, and none are known for {target.label}; find "
                f"them with {HELP} and give them as var:dims=A/B, or leave VAR out."
            )
        if (largest := max(resolved.dims)) >= target.hidden:
            raise ValueError(
                f"dims names dimension {largest}, but this model's hidden states have 0 to {target.hidden - 1}."
            )
        return resolved

    def touched(self, layers: int) -> Pair | None:
        return (FIRST, layers - 1) if layers > FIRST else None

    def reading(self) -> Reading | None:
        return Massive(self.dims) if self.dims else None

    @property
    def most_on_sinks(self) -> float:
        """rho as the released code reads it."""
        return 1 - self.rho if self.paper_convention else self.rho

    @property
    def left_with_sinks(self) -> float:
        """p as the released code reads it."""
        return 1 - self.p if self.paper_convention else self.p

    @classmethod
    def editor(cls, methods: Sequence[VAR], device: torch.device, dtype: torch.dtype) -> VAREditor:
        return VAREditor(methods, device, dtype)


def _dims(value: Any) -> tuple[int, ...]:
    dims = (value,) if isinstance(value, int) else value
    good = isinstance(dims, (tuple, list)) and not isinstance(dims, Dashed) and len(dims) > 0
    if not good or not all(map(is_index, dims)):
        raise ValueError(f"dims must be dimensions counted from 0, such as 1415/2533, not {value!r}.")
    return tuple(dims)


@dataclass(frozen=True)
class Massive:
    """How large hidden states are in the sink dimensions, in units of their root mean square."""

    dims: tuple[int, ...]

    def __call__(self, hidden: Tensor) -> Tensor:
        """(n, d) -> (n,), at least float32."""
        wide = hidden if hidden.dtype == torch.float64 else hidden.float()
        size = wide[:, list(self.dims)].abs().amax(-1)
        return size * (wide.square().mean(-1) + TINY).rsqrt()


def image_centric(weights: Tensor, sinks: Tensor, rho: Tensor, summ: Tensor, visual: Visual) -> Tensor:
    """(B, H) bool: heads that look at the picture and not at its sinks.

    weights (B, H, K), sinks (B, K) bool, rho and summ (B, 1). None in rows whose picture has no sink, nor in rows whose
    picture is nothing but sinks.
    """
    seen, sunk = weights[..., visual], sinks[:, visual]
    on_sinks = seen.masked_fill(~sunk[:, None], 0).sum(-1)
    chosen = (on_sinks / (seen + TINY).sum(-1) <= rho) & (seen.sum(-1) >= summ)
    return chosen & (sunk.any(-1) & ~sunk.all(-1))[:, None]


def redistribute(weights: Tensor, sinks: Tensor, chosen: Tensor, kept: Tensor, visual: Visual) -> Tensor:
    """Rows (B, H, K) whose chosen heads (B, H) give the share 1 - kept of their weight on sinks to other visual tokens.

    sinks (B, K) bool, kept (B, 1, 1); the others get it in proportion to what they have. Sums stay.
    """
    on_sinks = weights.masked_fill(~sinks[:, None], 0)
    others = weights[..., visual].masked_fill(sinks[:, None, visual], 0)
    total = others.sum(-1, keepdim=True)
    budget = (1 - kept) * on_sinks.sum(-1, keepdim=True)
    moved = weights - (1 - kept) * on_sinks
    moved[..., visual] += budget * others / total.masked_fill(total == 0, 1)
    return torch.where((chosen[..., None]) & (total > 0), moved, weights)


class VAREditor(Editor):
    """VAR on a batch of rows, each with its own settings."""

    def __init__(self, settings: Sequence[VAR], device: torch.device, dtype: torch.dtype):
        self.tau = column(settings, "tau", device, dtype, 1)
        self.rho = column(settings, "most_on_sinks", device, dtype, 1)
        self.kept = column(settings, "left_with_sinks", device, dtype, 2)
        self.summ = column(settings, "summ", device, dtype, 1)
        self.seen: dict[str, Tensor] = {}

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        self.seen = {}
        if layer < FIRST or keys.reading is None:
            return weights
        tau, rho, kept, summ = (x.to(weights.device) for x in (self.tau, self.rho, self.kept, self.summ))
        sinks = keys.reading.to(weights.device) > tau
        chosen = image_centric(weights, sinks, rho, summ, keys.visual)
        self.seen = {"sinks": sinks[:, keys.visual], "acted_heads": chosen}
        return redistribute(weights, sinks, chosen, kept, keys.visual)

    def recorded(self, layer: int) -> Mapping[str, Tensor]:
        return self.seen
