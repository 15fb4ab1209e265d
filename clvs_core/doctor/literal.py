"""The formulas that the engine is held to, as plain float64 loops that share no code with it.

H query heads, K keys, N visual tokens, L layers. Equation numbers are those of the CLVS paper (arXiv 2509.12897).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def attention_row(query: Array, keys: Array, scaling: float, window: int | None = None) -> Array:
    """softmax(q k^T) of one token: query (H, D), keys (Hkv, K, D) up to and with its own -> (H, K), eq. 3.

    window: how many of the latest keys it sees, None for all.
    """
    each = len(query) // len(keys)
    rows = []
    for head, one in enumerate(query.astype(np.float64)):
        scores = keys[head // each].astype(np.float64) @ one * scaling
        if window is not None and window < len(scores):
            scores[:-window] = -np.inf
        powers = np.exp(scores - scores.max())
        rows.append(powers / powers.sum())
    return np.stack(rows)


def unified_positions(visual: Array) -> Array:
    """Positions in which every run of visual tokens stands at one place, eq. 2: visual (K,) bool -> (K,)."""
    positions, place = [], -1
    for index, seen in enumerate(visual):
        if not seen or index == 0 or not visual[index - 1]:
            place += 1
        positions.append(place)
    return np.array(positions)


def uncertainty(logits: Array, top_k: int) -> float:
    """Entropy of the softmax over the k largest logits, divided by ln k, eq. 8: (V,) -> in [0, 1]."""
    top = sorted((float(value) for value in logits), reverse=True)[:top_k]
    powers = [math.exp(value - top[0]) for value in top]
    shares = [power / sum(powers) for power in powers]
    return -sum(share * math.log(share) for share in shares if share > 0) / math.log(len(top))


@dataclass(frozen=True)
class Smoothed:
    """What CLVS makes of one token's rows.

    attention (L, H, N); memory (L, N), NaN once smoothing has stopped; stop: the layer after which it did, -1 if never.
    """

    attention: Array
    memory: Array
    stop: int


def clvs(
    first: Array,
    original: Array,
    unsure: Array,
    outside: Array,
    alpha: float,
    beta: float,
    gamma: float,
    check: int,
) -> Smoothed:
    """Equations 4 to 8 on the rows of one token.

    first: (H, N) layer 0's row at unified positions. original: (L, H, N) weights before any edit. unsure: (L,) the
    uncertainty after each layer, NaN where it was not measured. outside: (L, N) bool, what lies beyond a layer's window
    and must get nothing. check: the first layer after which the uncertainty counts.
    """
    memory = first.astype(np.float64).max(0)
    mixed, kept, stop = [first.astype(np.float64)], [memory], -1
    for layer in range(1, len(original)):
        weights = original[layer].astype(np.float64)
        if stop == -1 and layer - 1 >= check and unsure[layer - 1] < gamma:
            stop = layer - 1
        if stop >= 0:
            mixed.append(weights)
            kept.append(np.full_like(memory, np.nan))
            continue
        rows = []
        for head in weights:
            row = alpha * head + (1 - alpha) * memory
            row = row / (1 - head.sum() + row.sum())  # the rest of the row stays and is divided, too
            rows.append(np.where(outside[layer], 0, row) / (1 - row[outside[layer]].sum()))
        memory = beta * memory + (1 - beta) * weights.max(0)
        mixed.append(np.stack(rows))
        kept.append(memory)
    last = len(original) - 1
    if stop == -1 and last >= check and unsure[last] < gamma:
        stop = last
    return Smoothed(np.stack(mixed), np.stack(kept), stop)
