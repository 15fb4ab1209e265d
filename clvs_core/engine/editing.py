"""Who edits which rows: the methods' editors, brought to the rows of one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..methods.base import Editor, Keys, Method
from .attention import softmax_rows

Mask = Callable[[Tensor, Tensor | None], Tensor]  # scores of some rows, which rows (None: all) -> scores with -inf


class Group:
    """The rows of one kind of method: where they stand in the batch, and the editor they share.

    methods: one per row. readings: by layer, what the method's reading said of each row's prompt tokens so far
    (rows, tokens), for the methods that have one.
    """

    def __init__(self, rows: Sequence[int], methods: Sequence[Method], editor: Editor, batch: int, device: Any):
        self.methods, self.editor = methods, editor
        self.places = list(rows)
        self.rows = None if self.places == list(range(batch)) else torch.tensor(rows, device=device)  # None: all
        self.index = torch.tensor(rows, device=device)
        self.records = methods[0].records
        self.reading = methods[0].reading()
        self.readings: list[Tensor] = []

    def take(self, tensor: Tensor) -> Tensor:
        return tensor if self.rows is None else tensor[self.rows.to(tensor.device)]

    def put(self, into: Tensor, values: Tensor) -> Tensor:
        """A tensor like `into` whose rows of this group are `values`."""
        return values if self.rows is None else into.index_copy(0, self.rows.to(into.device), values)

    def keys(self, layer: int, keys: Keys, length: int) -> Keys:
        """With the reading of every key, 0 for those that are no prompt tokens."""
        if self.reading is None:
            return keys
        known = self.readings[layer]
        return replace(keys, reading=torch.nn.functional.pad(known, (0, length - known.shape[1])))


def groups(methods: Sequence[Method | None], device: torch.device, dtype: torch.dtype) -> list[Group]:
    """One group for each kind of method, and each reading, that edits something; methods: one per row."""
    rows: dict[Any, list[int]] = {}
    for row, method in enumerate(methods):
        if method is not None:
            rows.setdefault((method.kind, method.reading()), []).append(row)
    found = []
    for places in rows.values():
        chosen: list[Any] = [methods[row] for row in places]
        editor = type(chosen[0]).editor(chosen, device, dtype)
        if editor is not None:
            found.append(Group(places, chosen, editor, len(methods), device))
    return found


def edited(parts: Sequence[Group], layer: int, scores: Tensor, weights: Tensor, keys: Keys, mask: Mask) -> Tensor:
    """The weights that rows use after their methods' edits; the very `weights` where nothing changed.

    scores (B, H, K): scaled, before the mask. weights (B, H, K): their masked softmax.
    """
    for group in parts:
        placed = group.keys(layer, keys, scores.shape[-1])
        own = group.take(weights)
        used = group.editor.weights(layer, _rescored(group, layer, scores, own, placed, mask), placed)
        if used is not own:
            weights = group.put(weights, used)
    return weights


def _rescored(group: Group, layer: int, scores: Tensor, weights: Tensor, keys: Keys, mask: Mask) -> Tensor:
    """A group's weights after the edit of its scores, which for most methods is none."""
    if type(group.editor).scores is Editor.scores:
        return weights
    before = group.take(scores).to(weights.dtype)
    raised = group.editor.scores(layer, before, keys)
    return weights if raised is before else softmax_rows(mask(raised, group.rows))
