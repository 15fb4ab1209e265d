"""One row per branch: attention over the tree, the methods' edits, and what is recorded of it.

A branch is one method answering one question. All branches of a batch run in lock-step, question by question:
branch = question x methods + method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..methods.base import Editor, Method
from ..models.positions import rerotate
from .attention import SharedKeys, softmax_rows
from .lens import Lens, uncertainty
from .segments import ImageSegment, QuestionBatch

LENS_TOP = 3  # how many tokens of each layer's lens are kept
ROOM = 32  # own keys are reserved for this many tokens at a time
_DEFAULT_TOP_K = 10  # of the uncertainty of branches whose method measures none (released CLVS code)


class Group:
    """The branches of one kind of method: their rows in the batch and the editor they share."""

    def __init__(self, rows: Sequence[int], editor: Editor, batch: int, device: torch.device):
        self.editor = editor
        self.rows = None if len(rows) == batch else torch.tensor(rows, device=device)  # None: all of them
        self.index = torch.tensor(rows, device=device)

    def take(self, tensor: Tensor) -> Tensor:
        return tensor if self.rows is None else tensor[self.rows.to(tensor.device)]

    def put(self, into: Tensor, values: Tensor) -> Tensor:
        """A tensor like `into` whose rows of this group are `values`."""
        return values if self.rows is None else into.index_copy(0, self.rows.to(into.device), values)


def groups(methods: Sequence[Method], questions: int, device: torch.device, dtype: torch.dtype) -> list[Group]:
    """One group for each kind of method that edits something; `methods` answer each of the questions."""
    kinds = list(dict.fromkeys(type(m) for m in methods))
    found = []
    for kind in kinds:
        rows = [q * len(methods) + i for q in range(questions) for i, m in enumerate(methods) if type(m) is kind]
        editor = kind.editor([methods[row % len(methods)] for row in rows], device, dtype)
        if editor is not None:
            found.append(Group(rows, editor, questions * len(methods), device))
    return found


class Record:
    """What one forward pass of B branches leaves behind; weights float16, or float64 in a float64 model.

    attention, original: (B, L, H, N); the same tensor until an edit happens. memory: (B, L, N), NaN where there is
    none. uncertainty: (B, L), NaN where not measured. stop: (B,). lens_ids, lens_probabilities: (B, L, 3) or None.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        wide: bool,
        edited: bool,
        memory: bool,
        lens: bool,
        device: torch.device,
    ):
        branches, layers, _, visual = shape
        dtype = torch.float64 if wide else torch.float16
        fine = torch.float64 if wide else torch.float32
        self.attention = torch.empty(shape, dtype=dtype, device=device)
        self.original = torch.empty_like(self.attention) if edited else self.attention
        self.memory: Tensor | None = None
        if memory:
            self.memory = torch.full((branches, layers, visual), torch.nan, dtype=dtype, device=device)
        self.uncertainty = torch.full((branches, layers), torch.nan, dtype=fine, device=device)
        self.stop = torch.full((branches,), -1, dtype=torch.long, device=device)
        top = (branches, layers, LENS_TOP)
        self.lens_ids = torch.zeros(top, dtype=torch.long, device=device) if lens else None
        self.lens_probabilities = torch.zeros(top, device=device) if lens else None


class Branches:
    """The tree seen from B branches, one token each per forward pass; keeps the branches' own keys and values."""

    def __init__(
        self,
        decoder: Any,
        image: ImageSegment,
        questions: QuestionBatch,
        methods: Sequence[Method],
        steps: int,
        lens: Lens,
        every_layer: bool,
    ):
        self.decoder, self.image, self.questions, self.lens = decoder, image, questions, lens
        self.batch, self.steps, self.every_layer = questions.count * len(methods), steps, every_layer
        self.device = image.device
        self.wide = image.keys[0].dtype == torch.float64
        self.picture = [SharedKeys(k, v) for k, v in zip(image.keys, image.values, strict=True)]
        self.picture_unified = SharedKeys(image.unified, image.values[0])
        self.own = [self._buffers(k) for k in image.keys]
        self.unified_keys = torch.empty_like(self.own[0].keys)  # layer 0's own keys at unified positions
        self.groups = groups(methods, questions.count, self.device, torch.float64 if self.wide else torch.float32)
        self.top_k, self.normed, self.unified = self._settings()
        self.most = int(self.top_k.max())
        self.edited = self._flags(True)
        self.remembers = self._flags(False)
        self.length = 0  # own tokens so far, the running one included

    def _buffers(self, like: Tensor) -> SharedKeys:
        shape = (self.batch, like.shape[1], min(self.steps, ROOM), like.shape[3])
        return SharedKeys(like.new_empty(shape), like.new_empty(shape))

    def _settings(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Per branch: k of eq. 8; who wants the final norm in the lens and who unified positions, None if nobody."""
        top_k = torch.full((self.batch,), _DEFAULT_TOP_K, device=self.device)
        normed = torch.zeros(self.batch, dtype=torch.bool, device=self.device)
        unified = torch.zeros_like(normed)
        for group in self.groups:
            top_k[group.index] = group.editor.top_k
            normed[group.index] = group.editor.lens_norm
            unified[group.index] = group.editor.unified
        rows = unified.nonzero().flatten()
        return top_k, normed if bool(normed.any()) else None, rows if len(rows) else None

    def _flags(self, any_edit: bool) -> list[bool]:
        """By branch: does its method edit rows at all, or (any_edit False) carry a memory."""
        flags = [False] * self.batch
        for group in self.groups:
            for row in group.index.tolist():
                flags[row] = any_edit or group.editor.remembers
        return flags

    def begin(self, positions: Tensor) -> None:
        """Starts the forward pass of one token per branch, standing at `positions`, (B, 1) or (3, B, 1)."""
        self.positions = positions
        self.hidden: dict[int, Tensor] = {}  # by window: what lies outside it
        if self.length == self.own[0].length:
            self.own = [own.grown(ROOM) for own in self.own]
            self.unified_keys = torch.cat([self.unified_keys, torch.empty_like(self.unified_keys[:, :, :ROOM])], 2)
        self.length += 1
        heads = self.decoder.config.num_attention_heads
        shape = (self.batch, len(self.own), heads, self.image.visual_tokens)
        memory = any(self.remembers)
        self.record = Record(shape, self.wide, bool(self.groups), memory, self.every_layer, self.device)
        for group in self.groups:
            group.editor.begin()

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        layer, rows, hidden = module.layer_idx, query[:, :, 0], self._outside(window)
        own = self.own[layer]
        own.keys[:, :, self.length - 1] = key[:, :, 0]
        own.values[:, :, self.length - 1] = value[:, :, 0]
        segments = [self.picture[layer], self.questions.layers[layer], own.first(self.length)]
        weights = softmax_rows(self._scores(rows, segments, hidden) * scaling)
        self._keep(self.record.original, layer, weights)
        used = weights
        if layer == 0 and self.unified is not None:
            used = used.index_copy(0, self.unified, self._unified_weights(query, key, scaling, hidden))
        used = self._edit(layer, used)
        if used is not weights:
            used = used if hidden is None else _within(used, hidden)
            self._keep(self.record.attention, layer, used)
        elif self.record.attention is not self.record.original:
            self.record.attention[:, layer] = self.record.original[:, layer]
        parts = used.split([segment.length for segment in segments], -1)
        mixed = sum(segment.mix(part) for segment, part in zip(segments, parts, strict=True))
        return mixed[:, None]  # (B, 1, H, D)

    def _outside(self, window: int | None) -> Tensor | None:
        """(B, 1, K) bool: what a layer that sees `window` tokens does not see; None where it sees everything."""
        picture, lengths = self.image.length, self.questions.lengths[:, None]
        if window is None or window > picture + self.questions.length + self.length - 1:
            return None
        if window not in self.hidden:
            own = lengths + torch.arange(self.length)
            question = torch.arange(self.questions.length).expand(len(own), -1)
            places = torch.cat([torch.arange(-picture, 0).expand(len(own), -1), question, own], 1)
            outside = own[:, -1:] - places >= window
            each = self.batch // self.questions.count
            self.hidden[window] = outside.repeat_interleave(each, 0)[:, None].to(self.device)
        return self.hidden[window]

    def _scores(self, rows: Tensor, segments: Sequence[SharedKeys], hidden: Tensor | None) -> Tensor:
        """rows (B, H, D) against picture, question and own keys: (B, H, K), -inf where a row may not look."""
        picture, question, own = (segment.scores(rows) for segment in segments)
        padding = self.questions.padding
        if padding is not None:
            per_question = len(rows) // self.questions.count
            question = question.masked_fill(
                padding.repeat_interleave(per_question, 0)[:, None].to(rows.device), -torch.inf
            )
        scores = torch.cat([picture, question, own], -1)
        return scores if hidden is None else scores.masked_fill(hidden.to(scores.device), -torch.inf)

    def _unified_weights(self, query: Tensor, key: Tensor, scaling: float, hidden: Tensor | None) -> Tensor:
        """Layer 0's rows with unified visual positions (eq. 2), for the branches that use them: (rows, H, K)."""
        moved = self.positions - self.image.shift
        self.unified_keys[:, :, self.length - 1] = rerotate(self.decoder, key, self.positions, moved)[:, :, 0]
        query = rerotate(self.decoder, query, self.positions, moved)[self.unified, :, 0]
        own = SharedKeys(self.unified_keys[self.unified, :, : self.length], self.own[0].values)
        segments = [self.picture_unified, self.questions.unified, own]
        hidden = hidden if hidden is None else hidden[self.unified]
        return softmax_rows(self._scores(query, segments, hidden) * scaling)

    def _edit(self, layer: int, weights: Tensor) -> Tensor:
        visual = self._visual(weights.device)
        for group in self.groups:
            edited = group.editor.edit(layer, group.take(weights), visual)
            weights = group.put(weights, edited)
            memory = group.editor.memory
            if memory is not None and self.record.memory is not None:
                kept = memory.masked_fill(~group.editor.active[:, None].to(memory.device), torch.nan)
                self.record.memory[group.index, layer] = kept.to(self.record.memory)
        return weights

    def _visual(self, device: torch.device) -> slice | Tensor:
        found = self.image.visual
        return found if isinstance(found, slice) else found.to(device)

    def _keep(self, into: Tensor, layer: int, weights: Tensor) -> None:
        into[:, layer] = weights[..., self._visual(weights.device)]

    def after_layer(self, layer: int, hidden: Tensor) -> None:
        rows = torch.arange(self.batch, device=self.device) if self.every_layer else self._wanted(layer)
        if rows is None or not len(rows):
            return
        normed = None if self.normed is None else self.normed[rows].to(hidden.device)
        logits = self.lens.logits(hidden[rows.to(hidden.device), -1], normed)
        logits = logits.to(self.device)
        measured = uncertainty(logits, self.top_k[rows], self.most)
        self.record.uncertainty[rows, layer] = measured.to(self.record.uncertainty)
        if self.record.lens_ids is not None and self.record.lens_probabilities is not None:
            top = logits.softmax(-1).topk(LENS_TOP, -1)
            self.record.lens_ids[rows, layer] = top.indices
            self.record.lens_probabilities[rows, layer] = top.values.float()
        self._observe(layer)

    def _wanted(self, layer: int) -> Tensor | None:
        """Branches whose method needs the uncertainty after this layer; asks the device only where one may."""
        checks = [(group, group.editor.checks(layer)) for group in self.groups]
        found = [group.index[check] for group, check in checks if check is not None]
        return torch.cat(found) if found else None

    def _observe(self, layer: int) -> None:
        for group in self.groups:
            before = group.editor.active
            group.editor.observe(layer, self.record.uncertainty[group.index, layer])
            stopped = before & ~group.editor.active
            self.record.stop[group.index] = self.record.stop[group.index].masked_fill(stopped, layer)


def _within(weights: Tensor, hidden: Tensor) -> Tensor:
    """Rows that sum to 1 with nothing on `hidden`: an edit must not show a layer what lies outside its window."""
    inside = weights.masked_fill(hidden.to(weights.device), 0)
    return inside / inside.sum(-1, keepdim=True)
