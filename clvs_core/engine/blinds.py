"""Which visual tokens lie outside a row's view, in which layers: attention knock-out (`knockout`).

Hidden tokens get -inf before the softmax, and nothing after a method's edit, as tokens outside of a sliding window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .segments import ImageSegment


@dataclass(frozen=True)
class Blind:
    """Visual tokens that rows may not look at.

    tokens: places among the picture's visual tokens. layers: in which they are hidden. steps: of which generated
    tokens' rows, 0 being the last prompt token's, which predicts the first; rows of the prompt's words heed none.
    """

    tokens: tuple[int, ...]
    layers: frozenset[int]
    steps: range = range(1 << 30)


class Blinded(NamedTuple):
    """What is hidden from a branch: from its question's rows, and from the rows that write."""

    question: Blind | None = None
    word: Blind | None = None


class Blinds:
    """The blinds of some rows behind one picture, None for rows that see everything."""

    def __init__(self, blinds: Sequence[Blind | None], image: ImageSegment):
        self.width, self.device = image.visual_tokens, image.device
        self.blinds = list(blinds) if self.width else [None] * len(blinds)  # a prompt without a picture hides none
        self.visual = image.where(image.device).visual
        self._hidden: Tensor | None = None

    def outside(self, layer: int, length: int, step: int | None = None) -> Tensor | None:
        """(B, 1, K) bool over `length` keys: what the rows may not look at in this layer; None for nothing.

        step: of which generated token the rows are; None for rows of the prompt's words.
        """
        blinded = [
            blind is not None and layer in blind.layers and (step is None or step in blind.steps)
            for blind in self.blinds
        ]
        if not any(blinded):
            return None
        outside = torch.zeros(len(blinded), 1, length, dtype=torch.bool, device=self.device)
        outside[..., self.visual] = (self.hidden & torch.tensor(blinded, device=self.device)[:, None])[:, None]
        return outside

    @property
    def hidden(self) -> Tensor:
        """(B, N) bool: which visual tokens each row's blind names."""
        if self._hidden is None:
            hidden = torch.zeros(len(self.blinds), self.width, dtype=torch.bool)
            for row, blind in enumerate(self.blinds):
                if blind is not None:
                    hidden[row, list(blind.tokens)] = True
            self._hidden = hidden.to(self.device)
        return self._hidden


def either(outside: Tensor | None, more: Tensor | None) -> Tensor | None:
    """What lies outside of one view or of the other."""
    if outside is None or more is None:
        return more if outside is None else outside
    return outside | more
