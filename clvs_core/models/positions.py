"""Unified visual positions (eq. 2 of the CLVS paper), as a re-rotation of states that already carry rotary positions.

Every visual token takes the position of the first one and later text moves up (ZhQingan/CLVS and lijm48/IMCCD agree).
Nothing here knows which rows use them; that is the method's choice.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def rotary_positions(position_ids: Tensor | None, length: int) -> Tensor:
    """The positions that a decoder given these `position_ids` rotates its `length` tokens by, on the CPU.

    (N,), or (3, N) for M-RoPE: time, row, column. Decoders count by themselves when given none.
    """
    return torch.arange(length) if position_ids is None else position_ids[..., 0, :].cpu()


def unified_positions(positions: Tensor, visual: Tensor) -> tuple[Tensor, int]:
    """Unified positions of a sequence, and by how much anything after it moves up.

    positions (..., N) integer, one leading axis for multi-dimensional rotary positions; visual (N,) bool.
    Several runs of visual tokens (tiles with text between them) are unified one by one; a run's extent is its
    largest position step, so that text goes on one after its first token.
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


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """What numbers that a model's 16 bits would spoil are computed in: float32, or float64 in a float64 model."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def rerotate(decoder: Any, states: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """Layer 0's keys or queries (B, heads, N, D), rotated for positions `old`, as if rotated for `new`.

    old, new: (B, N), or (3, B, N) for M-RoPE. The rotation is undone exactly as the model applied it (its own
    rounding and scaling of cosines included) and done again by the model's own functions, so every rotary layout of
    the library is covered; norms of queries and keys come before it and do not matter. The result is float32 at least:
    16 bits would round what the model has rounded once already.
    """
    rotate = _rotation(decoder)
    wide = at_least_float32(states.dtype)
    cos, sin = (x.to(states.device, wide) for x in _angles(decoder, states, old))
    square = cos * cos + sin * sin
    plain = states.to(wide)
    none = plain[:, :0]  # the library rotates queries and keys together; here there is only one of the two
    plain, _ = rotate(plain, none, cos / square, -sin / square)
    cos, sin = (x.to(states.device, wide) for x in _angles(decoder, states, new))
    return rotate(plain, none, cos, sin)[0]


def _angles(decoder: Any, states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of layer 0 in the dtype of `states`, where accelerate put the module that makes them."""
    kinds = getattr(decoder.config, "layer_types", None)
    if kinds and kinds[0] in decoder.config.rope_parameters:  # Gemma 3 turns local and global layers unlike
        return decoder.rotary_emb(states, positions, kinds[0])
    return decoder.rotary_emb(states, positions)


def _rotation(decoder: Any) -> Callable[..., tuple[Tensor, Tensor]]:
    """The family's function that rotates (queries, keys) by (cosines, sines)."""
    module = sys.modules[type(decoder.layers[0].self_attn).__module__]
    if hasattr(module, "apply_rotary_pos_emb"):
        return module.apply_rotary_pos_emb
    # Qwen2-VL and Qwen2.5-VL in transformers 5.10 pick the axes here, later versions in `rotary_emb`
    sections = decoder.config.rope_parameters["mrope_section"]
    return functools.partial(module.apply_multimodal_rotary_pos_emb, mrope_section=sections)
