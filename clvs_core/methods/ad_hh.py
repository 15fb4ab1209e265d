"""AD-HH (Adaptive Deactivation of Hallucination Heads, ICLR 2025): heads that listen to the text are silenced.

Formula and head lists from TianyunYoung/Hallucination-Attribution @841fc1b; the lists stand in the model cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import Dashed, Editor, Keys, Method, MethodError, Pair, Target, column, is_index, setting, share

HELP = "python -m clvs_core find-heads"


@dataclass(frozen=True)
class ADHH(Method):
    """Settings of AD-HH.

    threshold: a listed head is silenced where it gives at least this share of its attention to the text after the
        picture, prompt and answer; above 1 never. CLVS's comparison and the repository's evaluation have
        0.5, the repository's own script for LLaVA 0.4.
    heads: (layer, head) pairs, 0-based, that may be silenced; None takes the model card's published list.

    A silenced head hears nothing of that text, and its row is not divided by its sum: it says less altogether.
    """

    name: ClassVar[str] = "adhh"
    label: ClassVar[str] = "AD-HH"
    summary: ClassVar[str] = (
        "Watches a list of heads known to cause hallucinations, and where one of them attends mostly to the text "
        "after the picture, takes that text away from it."
    )
    paper: ClassVar[str] = "https://github.com/TianyunYoung/Hallucination-Attribution"
    stage: ClassVar[Any] = "weights"
    place: ClassVar[int] = 50
    records: ClassVar[tuple[str, ...]] = ("acted_heads",)

    threshold: float = share(
        0.5,
        "Silenced from",
        "A listed head is silenced where it gives at least this share of its attention to the text.",
        "higher: silences less",
        allowed=(0, 2),
        high=1,
    )
    heads: tuple[Pair, ...] | None = setting(
        None,
        "Heads",
        "Pairs of layer and head, counted from 0 as in published lists, such as 16-29/26-9; empty takes the "
        "model's own.",
    )

    def __post_init__(self) -> None:
        if self.heads is not None:
            object.__setattr__(self, "heads", _pairs(self.heads))

    def resolve(self, target: Target) -> ADHH:
        resolved = super().resolve(target)
        if resolved.heads is None:
            raise MethodError(
                f"AD-HH needs a list of heads, and none is known for {target.label}; rank its heads with {HELP} and "
                "give them as adhh:heads=LAYER-HEAD/LAYER-HEAD/..., or leave AD-HH out."
            )
        for layer, head in resolved.heads:
            if layer >= target.layers or head >= target.heads:
                raise ValueError(
                    f"heads names layer {layer}, head {head}, but this model has layers 0 to {target.layers - 1} with "
                    f"heads 0 to {target.heads - 1}."
                )
        return resolved

    def touched(self, layers: int) -> Pair | None:
        chosen = [layer for layer, _ in self.heads or ()]
        return (min(chosen), max(chosen)) if chosen else None

    @classmethod
    def editor(cls, methods: Sequence[ADHH], device: torch.device, dtype: torch.dtype) -> ADHHEditor:
        return ADHHEditor(methods, device, dtype)


def _pairs(value: Any) -> tuple[Pair, ...]:
    """((16, 29), (26, 9)) of any sequence of pairs, also of one written 16-29. Raises ValueError for anything else."""
    pairs = (value,) if isinstance(value, Dashed) else value
    good = isinstance(pairs, (tuple, list)) and len(pairs) > 0
    good = good and all(isinstance(p, (tuple, list)) and len(p) == 2 and all(map(is_index, p)) for p in pairs)
    if not good:
        raise ValueError(f"heads must be pairs of layer and head, counted from 0, such as 16-29/26-9, not {value!r}.")
    return tuple((pair[0], pair[1]) for pair in pairs)


def deaf(weights: Tensor, listed: Tensor, threshold: Tensor, text: slice) -> Tensor:
    """(B, H) bool: which of the listed heads (B, H) give at least the threshold (B, 1) of their row to the text."""
    return listed & (weights[..., text].sum(-1) >= threshold)


def silence(weights: Tensor, silenced: Tensor, text: slice) -> Tensor:
    """Rows (B, H, K) in which the silenced heads (B, H) give nothing to the text; sums are not restored."""
    cut = weights.clone()
    cut[..., text] = cut[..., text].masked_fill(silenced[..., None], 0)
    return cut


class ADHHEditor(Editor):
    """AD-HH on a batch of rows, each with its own threshold and heads."""

    def __init__(self, settings: Sequence[ADHH], device: torch.device, dtype: torch.dtype):
        self.threshold = column(settings, "threshold", device, dtype, 1)
        self.heads = [set(s.heads or ()) for s in settings]
        self.touched = {layer for heads in self.heads for layer, _ in heads}
        self.device = device
        self.lists: dict[int, Tensor] = {}
        self.silenced: dict[int, Tensor] = {}

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        if layer not in self.touched:
            return weights
        listed, threshold = (x.to(weights.device) for x in (self._listed(layer, weights.shape[1]), self.threshold))
        self.silenced[layer] = deaf(weights, listed, threshold, keys.text)
        return silence(weights, self.silenced[layer], keys.text)

    def _listed(self, layer: int, heads: int) -> Tensor:
        if layer not in self.lists:
            flags = [[(layer, head) in listed for head in range(heads)] for listed in self.heads]
            self.lists[layer] = torch.tensor(flags, device=self.device)
        return self.lists[layer]

    def recorded(self, layer: int) -> Mapping[str, Tensor]:
        return {"acted_heads": self.silenced[layer]} if layer in self.touched else {}
