"""Who edits which rows: the methods' editors, brought to the rows of one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..methods.base import Editor, Keys, Method, overrides
from .attention import softmax_rows

Rows = slice | Tensor
Mask = Callable[[Tensor, Rows | None], Tensor]  # scores of some rows, which rows (None: all) -> scores with -inf


class Group:
    """The rows of one kind of method: where they stand in the batch, and the editor they share.

    methods: one per row. readings: by layer, as far as it is needed, what the method's reading said of each row's
    prompt tokens so far (rows, tokens), for the methods that have one.
    """

    def __init__(self, rows: Sequence[int], methods: Sequence[Method], editor: Editor, batch: int, device: Any):
        self.methods, self.editor = methods, editor
        self.places = list(rows)
        self.index = torch.tensor(rows, device=device)
        evenly = _evenly(rows)
        every = self.places == list(range(batch))
        self.rows = None if every else self.index if evenly is None else evenly  # None: all
        self.records = methods[0].records
        self.reading = methods[0].reading()
        self.readings: dict[int, Tensor] = {}

    def take(self, tensor: Tensor) -> Tensor:
        """The group's rows, as a view where they are evenly spaced."""
        return tensor if self.rows is None else tensor[rows_on(self.rows, tensor)]

    def put(self, into: Tensor, values: Tensor, *, own: bool = False) -> Tensor:
        """A tensor like `into` whose rows of this group are `values`. own: whether `into` itself may be written to."""
        if self.rows is None:
            return values
        into = into if own else into.clone()
        into[rows_on(self.rows, into)] = values
        return into

    def keys(self, layer: int, keys: Keys, length: int) -> Keys:
        """With the reading of every key, 0 for those that are no prompt tokens."""
        if self.reading is None:
            return keys
        reading = self.readings[layer]
        return replace(keys, reading=torch.nn.functional.pad(reading, (0, length - reading.shape[1])))


def _evenly(rows: Sequence[int]) -> slice | None:
    """The rows as a slice, None where they are not evenly spaced."""
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    even = range(rows[0], rows[-1] + 1, step) if step > 0 else range(0)
    return slice(even.start, even.stop, step) if list(even) == list(rows) else None


def rows_on(rows: Rows, tensor: Tensor) -> Rows:
    """Rows as an index of this tensor."""
    return rows if isinstance(rows, slice) else rows.to(tensor.device)


def groups(methods: Sequence[Method | None], device: torch.device, dtype: torch.dtype) -> list[Group]:
    """One group for each kind of method, and each reading, that edits something; methods: one per row."""
    rows: dict[Any, list[int]] = {}
    for row, method in enumerate(methods):
        if method is not None:
            rows.setdefault((method.kind, method.reading()), []).append(row)
    editing = []
    for places in rows.values():
        alike: list[Any] = [methods[row] for row in places]
        editor = type(alike[0]).editor(alike, device, dtype)
        if editor is not None:
            editing.append(Group(places, alike, editor, len(methods), device))
    return editing


def edited(parts: Sequence[Group], layer: int, scores: Tensor, weights: Tensor, keys: Keys, mask: Mask) -> Tensor:
    """The weights that rows use after their methods' edits; the very `weights` where nothing changed.

    scores (B, H, K): scaled, before the mask. weights (B, H, K): their masked softmax.
    """
    result = weights
    for group in parts:
        placed = group.keys(layer, keys, scores.shape[-1])
        own = group.take(weights)  # groups share no row
        used = group.editor.weights(layer, _rescored(group, layer, scores, own, placed, mask), placed)
        if used is not own:
            result = group.put(result, used, own=result is not weights)
    return result


def _rescored(group: Group, layer: int, scores: Tensor, weights: Tensor, keys: Keys, mask: Mask) -> Tensor:
    """A group's weights after the edit of its scores, which for most methods is none."""
    if not overrides(group.editor, "scores"):
        return weights
    before = group.take(scores).to(weights.dtype)
    raised = group.editor.scores(layer, before, keys)
    return weights if raised is before else softmax_rows(mask(raised, group.rows))


def within(weights: Tensor, hidden: Tensor) -> Tensor:
    """Rows with nothing on `hidden`: an edit must not show a layer what lies outside its window. Their sums stay."""
    inside = weights.masked_fill(hidden.to(weights.device), 0)
    left = inside.sum(-1, keepdim=True)  # 0 where a silenced head sees nothing else
    return inside * (weights.sum(-1, keepdim=True) / left.masked_fill(left == 0, 1))
