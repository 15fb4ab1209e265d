"""What one forward pass of branches leaves behind, before it becomes a row of each one's trace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..methods.base import RECORDS

LENS_TOP = 3  # how many tokens of each layer's lens are kept


class Record:
    """What one forward pass of B branches leaves behind; weights float16, or float64 in a float64 model.

    attention, original: (B, L, H, N); the same tensor until an edit happens; with N = 0 where nobody looks at maps.
    rest: (B, L, 4 + n) or None, means of heads: what the prompt's first token gets, all others before the picture, the
    answer's own tokens so far, the prompt's last token, and its n tokens between the picture and that one.
    extras: by name in `RECORDS`, (B, L, N) or (B, L, H); numbers are NaN where there is none. uncertainty: (B, L), NaN
    where not measured. stop: (B,). lens_ids, lens_probabilities: (B, L, 3) or None.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        extras: Sequence[str],
        device: torch.device,
        *,
        float64: bool,
        edited: bool,
        lens: bool,
        rest: int | None,
    ):
        branches, layers, heads, visual = shape
        dtype = torch.float64 if float64 else torch.float16
        fine = torch.float64 if float64 else torch.float32
        self.attention = torch.empty(shape, dtype=dtype, device=device)
        self.original = torch.empty_like(self.attention) if edited else self.attention
        self.rest = None if rest is None else torch.zeros((branches, layers, 4 + rest), dtype=dtype, device=device)
        self.extras: dict[str, Tensor] = {}
        for name in extras:
            recorded = RECORDS[name]
            size = branches, layers, heads if recorded.over == "heads" else visual
            empty, kind = (torch.nan, dtype) if recorded.kind == "numbers" else (False, torch.bool)
            self.extras[name] = torch.full(size, empty, dtype=kind, device=device)
        self.uncertainty = torch.full((branches, layers), torch.nan, dtype=fine, device=device)
        self.stop = torch.full((branches,), -1, dtype=torch.long, device=device)
        top = (branches, layers, LENS_TOP)
        self.lens_ids = torch.zeros(top, dtype=torch.long, device=device) if lens else None
        self.lens_probabilities = torch.zeros(top, device=device) if lens else None

    def arrays(self) -> dict[str, np.ndarray]:
        """What was recorded, by the names of a trace, on the CPU: one transfer each."""
        tensors = {
            "attention": self.attention,
            "uncertainty": self.uncertainty,
            "stop_layer": self.stop,
            "lens_ids": self.lens_ids,
            "lens_probabilities": self.lens_probabilities,
            "rest": self.rest,
            "original": None if self.original is self.attention else self.original,
            **self.extras,
        }
        return {name: tensor.cpu().numpy() for name, tensor in tensors.items() if tensor is not None}
