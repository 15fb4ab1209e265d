"""Gain: a small method of one's own. It multiplies the weight of every visual token and divides each row by its sum.

    python -m clvs_core ask --image assets/scenes/kite-weather.jpg --question "Where is the kite?" \\
        --method vanilla --method docs/examples/gain.py:strength=2
    python app.py --method docs/examples/gain.py
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from clvs_core.methods import Editor, Keys, Method
from clvs_core.methods.base import check_range, column


@dataclass(frozen=True)
class Gain(Method):
    """Settings: strength, the factor of the picture's weights, at least 0; start_layer, the first layer (0-based)."""

    name = "gain"
    label = "Gain"
    summary = "Multiplies how much the new word looks at the picture, and divides its attention by the new sum."
    stage = "weights"

    strength: float = field(
        default=1.5,
        metadata={"label": "Strength", "low": 0, "high": 4, "step": 0.1, "about": "1 changes nothing.", "main": True},
    )
    start_layer: int = field(default=2, metadata={"label": "From layer", "low": 0, "high": 31, "layer": True})

    def __post_init__(self) -> None:
        check_range("strength", self.strength, 0, 100)
        check_range("start_layer", self.start_layer, 0, 1000, int)

    def touched(self, layers: int) -> tuple[int, int] | None:
        return (self.start_layer, layers - 1) if self.start_layer < layers else None

    @classmethod
    def editor(cls, methods, device: torch.device, dtype: torch.dtype) -> Editor:
        return GainEditor(methods, device, dtype)


class GainEditor(Editor):
    """One editor for all branches of Gain; settings become columns, one number for each row of the batch."""

    def __init__(self, methods, device: torch.device, dtype: torch.dtype):
        self.strength = column(methods, "strength", device, dtype, axes=2)  # (rows, 1, 1)
        self.start = column(methods, "start_layer", device, torch.long, axes=2)

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        strength, start = self.strength.to(weights.device), self.start.to(weights.device)
        raised = weights.clone()  # what is given is never written to
        raised[..., keys.visual] *= strength
        return torch.where(layer >= start, raised / raised.sum(-1, keepdim=True), weights)
