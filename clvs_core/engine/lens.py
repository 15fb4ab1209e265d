"""What a layer would say: the unembedding applied to a hidden state, and how unsure it is (eq. 8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def uncertainty(logits: Tensor, top_k: Tensor | int, most: int | None = None) -> Tensor:
    """Entropy of the softmax over the k largest logits, divided by log k: (B, vocab) -> (B,) in [0, 1].

    top_k: one k for all rows or (B,); a vocabulary smaller than k limits it. most: the largest of them, where it is
    known without asking the device. Source: eq. 8 of the CLVS paper with the released code's reading (probabilities
    renormalised within the k largest; zhou-Wang/MemVR has the same).
    """
    k = torch.as_tensor(top_k, device=logits.device).clamp(max=logits.shape[-1]).expand(logits.shape[0])
    most = int(k.max()) if most is None else min(most, logits.shape[-1])
    top = logits.topk(most, dim=-1).values
    rank = torch.arange(top.shape[-1], device=top.device)
    share = top.masked_fill(rank >= k[:, None], -torch.inf).softmax(-1)
    # entr takes 0 log 0 as 0: a confident model underflows
    return torch.special.entr(share).sum(-1) / k.to(share.dtype).log()


class Lens:
    """Reads hidden states of any layer with a model's own unembedding and, where asked, its final norm."""

    def __init__(self, head: Callable[[Tensor], Tensor], norm: Callable[[Tensor], Tensor]):
        self.head = head
        self.norm = norm

    def logits(self, hidden: Tensor, normed: Tensor | None = None) -> Tensor:
        """(B, d) -> (B, vocab), at least float32; `normed` (B,) bool: which rows get the final norm first.

        The default, no norm, is the paper's text and the released code.
        """
        if normed is not None:
            hidden = torch.where(normed[:, None], self.norm(hidden).to(hidden.device), hidden)
        logits = self.head(hidden)
        return logits if logits.dtype == torch.float64 else logits.float()
