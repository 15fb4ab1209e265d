"""VCD (Visual Contrastive Decoding, arXiv 2311.16922): what a noised picture says, too, is subtracted.

Settings, noise schedule and formulas from DAMO-NLP-SG/VCD @d6568ff. Decoding is greedy here as for every method; the
original patches sampling only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import Contrast, Editor, Method, NoisedPicture, column, setting, share

STEPS = 1000  # of the diffusion


@dataclass(frozen=True)
class VCD(Method):
    """Settings of VCD.

    alpha: weight of the contrast; paper 1.
    beta: words less likely than this share of the likeliest one are ruled out; paper 0.1, while the
        repository's script for POPE has 0.2.
    noise_step: how far the picture is noised, of 1000 steps from 0 on; script 500 (forks use 999).
    seed: of the noise. The original draws it anew for every question; here a picture keeps its own.
    """

    name: ClassVar[str] = "vcd"
    label: ClassVar[str] = "VCD"
    summary: ClassVar[str] = (
        "Answers twice, once behind a picture full of noise, and subtracts what both say: that came from habit, not "
        "from looking."
    )
    paper: ClassVar[str] = "https://arxiv.org/abs/2311.16922"
    stage: ClassVar[Any] = "logits"
    place: ClassVar[int] = 60

    alpha: float = share(
        1.0,
        "α  contrast",
        "How strongly the answer to a noised picture is subtracted. 0 subtracts nothing.",
        "higher: stronger",
        allowed=(0, 10),
        high=3,
    )
    beta: float = share(
        0.1,
        "β  cut-off",
        "Words less likely than this share of the likeliest one are ruled out. 0 rules none out.",
        "higher: fewer words",
    )
    noise_step: int = setting(
        500,
        "Noise",
        "How far the picture is noised, of 1000 steps.",
        hint="higher: less left",
        allowed=(0, STEPS - 1),
        main=True,
    )
    seed: int = setting(0, "Seed", "Another number draws other noise.", allowed=(0, 2**63 - 1), high=2**31 - 1)

    def contrasted(self) -> Contrast | None:
        return NoisedPicture(int(self.noise_step), int(self.seed))

    @classmethod
    def editor(cls, methods: Sequence[VCD], device: torch.device, dtype: torch.dtype) -> VCDEditor:
        return VCDEditor(methods, device, dtype)


def kept(step: int) -> float:
    """The share of a picture's variance that is left after so many steps of the diffusion (its cumulative alpha)."""
    betas = torch.sigmoid(torch.linspace(-6, 6, STEPS, dtype=torch.float64)) * (0.5e-2 - 1e-5) + 1e-5
    return float((1 - betas).cumprod(0)[step])


def noised(pixels: Tensor, step: int, seed: int) -> Tensor:
    """Normalised pixels of any shape with Gaussian noise, drawn in float32 on the CPU: the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(pixels.shape, generator=generator)
    share = kept(step)
    return (share**0.5 * pixels.float().cpu() + (1 - share) ** 0.5 * noise).to(pixels)


def plausible(logits: Tensor, share: Tensor) -> Tensor:
    """(B, V) bool: words at least `share` (B, 1) times as likely as the likeliest one; all of them for 0."""
    return logits >= logits.amax(-1, keepdim=True) + share.log()


def contrast(logits: Tensor, other: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """(1 + alpha) s - alpha s', words not plausible by s at -inf: logits (B, V), alpha and beta (B, 1)."""
    return ((1 + alpha) * logits - alpha * other).masked_fill(~plausible(logits, beta), -torch.inf)


class VCDEditor(Editor):
    """VCD on a batch of rows, each with its own settings."""

    def __init__(self, settings: Sequence[VCD], device: torch.device, dtype: torch.dtype):
        self.alpha = column(settings, "alpha", device, dtype, 1)
        self.beta = column(settings, "beta", device, dtype, 1)

    def contrast(self, logits: Tensor, other: Tensor) -> Tensor:
        return contrast(logits, other, self.alpha.to(logits), self.beta.to(logits))
