"""VAF (Visual Amplification Fusion of ClearSight, arXiv 2503.13107): scores of the picture scaled up, others down.

Settings and formulas from ustc-hyin/ClearSight @5466c94.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import LAYERS, Editor, Keys, LayerRanges, Method, Pair, PaperLayers, as_layers, column, setting, share


@dataclass(frozen=True)
class VAF(Method):
    """Settings of VAF.

    enhance: factor of the visual tokens' scores; repository 1.15.
    suppress: factor of the scores of what stands before the picture; repository 0.95. The paper writes the
        factors as 1 + alpha and 1 - beta, and prints other strengths than the repository runs (0.15 and 0.1 in one
        place); it also edits only heads that look at the picture, which the repository does not.
    layers: first and last layer (0-based); repository 9 to 14 of 32, in proportion for models of another depth unless
        set.

    A factor above 1 makes a negative score more negative: the weight of such a token falls, as in the original.
    """

    name: ClassVar[str] = "vaf"
    label: ClassVar[str] = "VAF"
    summary: ClassVar[str] = (
        "Multiplies the middle layers' attention scores: those of the picture by a little more than 1, those of what "
        "stands before it by a little less, for every word after the picture."
    )
    paper: ClassVar[str] = "https://arxiv.org/abs/2503.13107"
    rows: ClassVar[Any] = "after_image"
    stage: ClassVar[Any] = "scores"
    place: ClassVar[int] = 10

    enhance: float = share(
        1.15,
        "Picture times",
        "Factor of the attention scores of the picture. 1 leaves them as they are.",
        "higher: looks more",
        allowed=(0, 10),
        high=2,
    )
    suppress: float = share(
        0.95,
        "Before it times",
        "Factor of the attention scores of what stands before the picture. 1 leaves them as they are.",
        "lower: hears less",
        allowed=(0, 10),
        high=2,
    )
    layers: tuple[int, int] = setting(PaperLayers((9, 14)), *LAYERS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers("layers", self.layers))

    def touched(self, layers: int) -> Pair | None:
        return self.layers.scaled(layers) if isinstance(self.layers, PaperLayers) else self.layers

    @classmethod
    def editor(cls, methods: Sequence[VAF], device: torch.device, dtype: torch.dtype) -> VAFEditor:
        return VAFEditor(methods, device, dtype)


def scale(scores: Tensor, enhance: Tensor, suppress: Tensor, keys: Keys) -> Tensor:
    """Scores (B, H, K) times the two factors (B, 1, 1) at the picture and before it -> new scores."""
    scaled = scores.clone()
    scaled[..., keys.visual] *= enhance
    scaled[..., keys.prefix] *= suppress
    return scaled


class VAFEditor(Editor):
    """VAF on a batch of rows, each with its own settings."""

    def __init__(self, settings: Sequence[VAF], device: torch.device, dtype: torch.dtype):
        self.enhance = column(settings, "enhance", device, dtype, 2)
        self.suppress = column(settings, "suppress", device, dtype, 2)
        self.layers = LayerRanges([s.layers for s in settings], device)

    def scores(self, layer: int, scores: Tensor, keys: Keys) -> Tensor:
        if not self.layers.touch(layer):
            return scores
        where = self.layers.flags(layer, 2)
        enhance, suppress = (torch.where(where, x, 1).to(scores.device) for x in (self.enhance, self.suppress))
        return scale(scores, enhance, suppress, keys)
