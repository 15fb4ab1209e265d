"""Unified visual positions (eq. 2 of the CLVS paper), as a re-rotation of states that already carry rotary positions.

Every visual token takes the position of the first one and later text moves up (ZhQingan/CLVS and lijm48/IMCCD agree).
Nothing here knows which rows use them; that is the method's choice.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

UNSUPPORTED_ROPE = ("dynamic", "longrope")  # their frequencies depend on the length so far


def unified_positions(positions: Tensor, visual: Tensor) -> tuple[Tensor, int]:
    """Unified positions of a sequence, and by how much anything after it moves up.

    positions (..., N) integer, one leading axis for multi-dimensional rotary positions; visual (N,) bool.
    Several pictures are unified one by one; a picture's extent is its largest position step, so that text goes on
    one after its first token.
    """
    unified, shift = positions.clone(), 0
    edges = torch.diff(visual.to(torch.int8), prepend=visual.new_zeros(1), append=visual.new_zeros(1)).nonzero()
    for start, end in edges.flatten().view(-1, 2).tolist():
        first = positions[..., start].max()
        extent = int((positions[..., start:end].max() - first).item()) + 1
        unified[..., start:end] = first - shift
        shift += extent - 1
        unified[..., end:] = positions[..., end:] - shift
    return unified, shift


def rerotate(decoder: Any, states: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """Keys or queries (B, heads, N, D) rotated for positions `old` (B, N), as if rotated for `new` (B, N).

    The rotation is undone exactly as the model applied it (its own rounding and scaling of cosines included) and
    done again by the model's own functions, so every rotary layout of the library is covered.
    """
    rotate = sys.modules[type(decoder.layers[0].self_attn).__module__].apply_rotary_pos_emb
    wide = torch.float64 if states.dtype == torch.float64 else torch.float32
    cos, sin = (x.to(wide) for x in decoder.rotary_emb(states, old))
    square = cos * cos + sin * sin
    plain = states.to(wide)
    none = plain[:, :0]  # the library rotates queries and keys together; here there is only one of the two
    plain, _ = rotate(plain, none, cos / square, -sin / square)
    cos, sin = (x.to(wide) for x in decoder.rotary_emb(states, new))
    return rotate(plain, none, cos, sin)[0].to(states.dtype)
