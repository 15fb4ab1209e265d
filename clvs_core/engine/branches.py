"""One row per branch: attention over the tree, the methods' edits, and what is recorded of it.

A branch is one method answering one question. All branches of a batch run in lock-step. Behind them in the batch stand
the rows of their contrasts, which see another root (a noised picture, or none), hear the same chosen tokens, and are
neither edited nor recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..methods.base import RECORDS, Method, MethodError
from ..models.positions import at_least_float32, rerotate
from .attention import Blocks, SharedKeys, softmax_rows
from .editing import Rows, edited, groups, within
from .lens import Lens, uncertainty
from .segments import ImageSegment, QuestionBatch, QuestionSegment

LENS_TOP = 3  # how many tokens of each layer's lens are kept
CONTRAST_TOP = 6  # how many tokens of a contrast's distributions are kept
ROOM = 32  # own keys are reserved for this many tokens at a time
_DEFAULT_TOP_K = 10  # of the uncertainty of branches whose method measures none (released CLVS code)


@dataclass(frozen=True)
class Branch:
    """A method (resolved) answering a question. contrast: what its contrast sees, None for methods without one."""

    method: Method
    question: QuestionSegment
    contrast: tuple[ImageSegment, QuestionSegment] | None = None


class Record:
    """What one forward pass of B branches leaves behind; weights float16, or float64 in a float64 model.

    attention, original: (B, L, H, N); the same tensor until an edit happens; with N = 0 where nobody looks at maps.
    extras: by name in `RECORDS`, (B, L, N) or (B, L, H); numbers are NaN where there is none. uncertainty: (B, L), NaN
    where not measured. stop: (B,). lens_ids, lens_probabilities: (B, L, 3) or None.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        wide: bool,
        edited: bool,
        extras: Sequence[str],
        lens: bool,
        device: torch.device,
    ):
        branches, layers, heads, visual = shape
        dtype = torch.float64 if wide else torch.float16
        fine = torch.float64 if wide else torch.float32
        self.attention = torch.empty(shape, dtype=dtype, device=device)
        self.original = torch.empty_like(self.attention) if edited else self.attention
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


class Stem:
    """Rows of the batch that continue prompts behind one picture. rows: where; questions: one segment per row."""

    def __init__(self, image: ImageSegment, questions: Sequence[QuestionSegment], start: int):
        self.image = image
        self.questions = QuestionBatch(questions)
        self.rows = slice(start, start + len(questions))
        self.picture = [SharedKeys(k, v) for k, v in zip(image.keys, image.values, strict=True)]
        self.far: dict[int, Tensor | None] = {}  # by window

    def segments(self, layer: int, own: SharedKeys) -> list[SharedKeys | Blocks]:
        return [self.picture[layer], self.questions.layers[layer], own]

    def outside(self, window: int | None, length: int) -> Tensor | None:
        """(B, 1, K) bool: what a layer that sees `window` tokens does not see; None where it sees everything.

        length: own tokens so far.
        """
        picture, lengths = self.image.length, self.questions.lengths[:, None]
        if window is None or window > picture + self.questions.length + length - 1:
            return None
        if window not in self.far:
            own = lengths + torch.arange(length)
            question = torch.arange(self.questions.length).expand(len(own), -1)
            places = torch.cat([torch.arange(-picture, 0).expand(len(own), -1), question, own], 1)
            self.far[window] = (own[:, -1:] - places >= window)[:, None].to(self.image.device)
        return self.far[window]

    def mask(self, scores: Tensor, which: Rows | None, outside: Tensor | None) -> Tensor:
        """Scores (b, H, K) of some rows (None: all) with -inf where they may not look."""
        padding = self.questions.padding
        if padding is not None:
            padding = padding if which is None else padding[which]
            before, after = self.image.length, scores.shape[-1] - self.image.length - self.questions.length
            padded = torch.nn.functional.pad(padding, (before, after))[:, None]
            scores = scores.masked_fill(padded.to(scores.device), -torch.inf)
        if outside is not None:
            outside = outside if which is None else outside[which]
            scores = scores.masked_fill(outside.to(scores.device), -torch.inf)
        return scores


class Branches:
    """The tree seen from B branches and C contrasts, one token each per forward pass; keeps their own keys and values.

    order: which of the given branches stands in each row. questions: the segment that each of the B + C rows continues;
    follow: the branch row whose token it hears. maps: whether attention, and what methods keep of it, is recorded.
    """

    def __init__(
        self,
        decoder: Any,
        image: ImageSegment,
        branches: Sequence[Branch],
        steps: int,
        lens: Lens,
        every_layer: bool,
        maps: bool = True,
    ):
        self.decoder, self.image, self.lens, self.steps, self.every_layer = decoder, image, lens, steps, every_layer
        self.maps = maps
        self.batch, self.device = len(branches), image.device
        self.wide = image.keys[0].dtype == torch.float64
        self.readable = self.device.type == "cpu"  # else a look at a number waits for all that came before
        # those that share a question's keys stand together
        self.order = sorted(range(self.batch), key=lambda i: branches[i].method.on_questions() is not None)
        ordered = [branches[i] for i in self.order]
        self.methods = [branch.method for branch in ordered]
        self.stem = Stem(image, [branch.question for branch in ordered], 0)
        self.contrasts, self.follow = self._contrasts(ordered)
        self.partners = torch.arange(self.batch, device=self.device)  # which row each branch is contrasted with
        behind = torch.tensor(self.follow[self.batch :], dtype=torch.long, device=self.device)
        self.partners[behind] = self.batch + torch.arange(len(behind), device=self.device)
        self.questions = [q for stem in (self.stem, *self.contrasts) for q in stem.questions.segments]
        self.picture_unified = SharedKeys(image.unified, image.values[0])
        self.own = [self._buffers(k) for k in image.keys]
        wide = at_least_float32(image.keys[0].dtype)
        self.unified_keys = torch.empty_like(self.own[0].keys, dtype=wide)  # layer 0's own keys at unified positions
        self.groups = groups(self.methods, self.device, wide)
        self.top_k, self.normed, self.unified = self._settings()
        self.most = int(self.top_k.max())
        edited = {row for group in self.groups if group.editor.changes_attention for row in group.places}
        self.edited = [row in edited for row in range(self.batch)]
        self.extras = list(dict.fromkeys(name for method in self.methods for name in method.records)) if maps else []
        self.length = 0  # own tokens so far, the running one included

    def _contrasts(self, branches: Sequence[Branch]) -> tuple[list[Stem], list[int]]:
        """The stems of the contrasts, one for each root, and which branch row each row of the batch follows."""
        roots: dict[int, list[int]] = {}
        for row, branch in enumerate(branches):
            if branch.contrast is not None:
                roots.setdefault(id(branch.contrast[0]), []).append(row)
        stems, follow = [], list(range(len(branches)))
        for rows in roots.values():
            pairs = [pair for row in rows if (pair := branches[row].contrast)]
            stems.append(Stem(pairs[0][0], [question for _, question in pairs], len(follow)))
            follow += rows
        return stems, follow

    def _buffers(self, like: Tensor) -> SharedKeys:
        shape = (len(self.follow), like.shape[1], min(self.steps, ROOM), like.shape[3])
        return SharedKeys(like.new_empty(shape), like.new_empty(shape))

    def _settings(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Per branch: k of eq. 8; who wants the final norm in the lens and who unified positions, None if nobody."""
        top_k = torch.full((self.batch,), _DEFAULT_TOP_K, device=self.device)
        normed = torch.zeros(self.batch, dtype=torch.bool, device=self.device)
        unified = torch.zeros_like(normed)
        for group in self.groups:
            for into, values in (
                (top_k, group.editor.top_k),
                (normed, group.editor.lens_norm),
                (unified, group.editor.unified),
            ):
                if values is not None:
                    into[group.index] = values
        rows = unified.nonzero().flatten()
        return top_k, normed if bool(normed.any()) else None, rows if len(rows) else None

    def begin(self, positions: Tensor) -> None:
        """Starts the forward pass of one token per row, standing at `positions`, (B + C, 1) or (3, B + C, 1)."""
        self.positions = positions
        for stem in (self.stem, *self.contrasts):
            stem.far = {}
        if self.length == self.own[0].length:
            self.own = [own.grown(ROOM) for own in self.own]
            self.unified_keys = torch.cat([self.unified_keys, torch.empty_like(self.unified_keys[:, :, :ROOM])], 2)
        self.length += 1
        self.heard = 0  # layers that have asked for their attention
        heads = self.decoder.config.num_attention_heads
        shape = (self.batch, len(self.own), heads, self.image.visual_tokens if self.maps else 0)
        self.record = Record(shape, self.wide, any(self.edited), self.extras, self.every_layer, self.device)
        for group in self.groups:
            group.editor.begin()

    def before_layer(self, layer: int, hidden: Tensor) -> None:
        """The last prompt token completes what methods read of the prompt; generated tokens add nothing."""
        if self.length > 1:
            return
        for group in self.groups:
            if group.reading is not None:
                own = group.reading(group.take(hidden[: self.batch, -1])).to(self.device)
                prompt = self.stem.questions.readings(group.places, self.image.length, layer)
                group.readings[layer] = torch.cat([prompt, own[:, None]], 1)

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        layer, rows, own = module.layer_idx, query[:, :, 0], self.own[module.layer_idx]
        self.heard += 1
        own.keys[:, :, self.length - 1] = key[:, :, 0]
        own.values[:, :, self.length - 1] = value[:, :, 0]
        mixed = [self._main(layer, query, key, scaling, window)]
        for stem in self.contrasts:
            segments = stem.segments(layer, self._own(layer, stem.rows))
            scores = _scores(rows[stem.rows], segments).mul_(scaling)
            weights = softmax_rows(stem.mask(scores, None, stem.outside(window, self.length)))
            mixed.append(_mix(weights, segments))
        return torch.cat(mixed)[:, None]  # (B + C, 1, H, D)

    def _own(self, layer: int, rows: slice) -> SharedKeys:
        keys, values = self.own[layer].keys[rows], self.own[layer].values[rows]
        return SharedKeys(keys[:, :, : self.length], values[:, :, : self.length])

    def _main(self, layer: int, query: Tensor, key: Tensor, scaling: float, window: int | None) -> Tensor:
        """The branches' rows, edited and recorded: (B, H, D)."""
        stem, outside = self.stem, self.stem.outside(window, self.length)
        segments = stem.segments(layer, self._own(layer, stem.rows))
        scores = _scores(query[stem.rows, :, 0], segments).mul_(scaling)

        def mask(some: Tensor, which: Rows | None) -> Tensor:
            return stem.mask(some, which, outside)

        plain = softmax_rows(mask(scores, None))
        self._keep(self.record.original, layer, plain)
        used = plain
        if layer == 0 and self.unified is not None:
            moved = self._unified_scores(query, key, scaling)
            used = used.index_copy(0, self.unified, softmax_rows(mask(moved, self.unified)))
            scores = scores.index_copy(0, self.unified, moved)
        used = edited(self.groups, layer, scores, used, self.image.where(used.device), mask)
        self._record(layer)
        if used is not plain:
            used = used if outside is None else within(used, outside)
            self._keep(self.record.attention, layer, used)
        elif self.record.attention is not self.record.original:
            self.record.attention[:, layer] = self.record.original[:, layer]
        return _mix(used, segments)

    def _unified_scores(self, query: Tensor, key: Tensor, scaling: float) -> Tensor:
        """Layer 0's scores with unified visual positions (eq. 2), for the branches that use them: (rows, H, K)."""
        moved = self.positions - self.image.shift
        self.unified_keys[:, :, self.length - 1] = rerotate(self.decoder, key, self.positions, moved)[:, :, 0]
        rows = rerotate(self.decoder, query, self.positions, moved)[self.stem.rows, :, 0]
        own = SharedKeys(self.unified_keys[self.stem.rows, :, : self.length], self.own[0].values)
        scores = _scores(rows, [self.picture_unified, self.stem.questions.unified, own])
        return scores[self.unified] * scaling

    def _record(self, layer: int) -> None:
        for group in self.groups if self.maps else ():
            for name, values in group.editor.recorded(layer).items():
                if name not in group.records:
                    raise MethodError(f"{group.methods[0].label} records {name!r}; name it in its `records`, too.")
                into = self.record.extras[name]
                into[group.index, layer] = values.to(into)

    def _keep(self, into: Tensor, layer: int, weights: Tensor) -> None:
        if self.maps:
            into[:, layer] = weights[..., self.image.where(weights.device).visual]

    def after_layer(self, layer: int, hidden: Tensor) -> None:
        wanted = self._wanted(layer)
        if wanted is None:
            return
        rows, checked = wanted
        normed = None if self.normed is None else self.normed[rows].to(hidden.device)
        logits = self.lens.logits(hidden[rows.to(hidden.device), -1], normed)
        logits = logits.to(self.device)
        measured = uncertainty(logits, self.top_k[rows], self.most).masked_fill(~checked, torch.nan)
        self.record.uncertainty[rows, layer] = measured.to(self.record.uncertainty)
        if self.record.lens_ids is not None and self.record.lens_probabilities is not None:
            top = logits.softmax(-1).topk(LENS_TOP, -1)
            self.record.lens_ids[rows, layer] = top.indices
            self.record.lens_probabilities[rows, layer] = top.values.float()
        self._observe(layer)

    def _wanted(self, layer: int) -> tuple[Tensor, Tensor] | None:
        """Branches of which the uncertainty after this layer is computed, and which of them it is wanted of (bool).

        Who has stopped is known on the device: unless that is readable, all are measured that may be checked.
        """
        if self.every_layer:
            rows = torch.arange(self.batch, device=self.device)
            return rows, torch.ones_like(rows, dtype=torch.bool)
        checks = [(group, check) for group in self.groups if (check := group.editor.checks(layer)) is not None]
        if not checks:
            return None
        rows, checked = torch.cat([group.index for group, _ in checks]), torch.cat([check for _, check in checks])
        if self.readable:
            chosen = [place for place, wanted in enumerate(checked.tolist()) if wanted]
            rows, checked = rows[chosen], checked[chosen]
        return (rows, checked) if len(rows) else None

    def _observe(self, layer: int) -> None:
        for group in self.groups:
            stopped = group.editor.observe(layer, self.record.uncertainty[group.index, layer])
            if stopped is not None:
                self.record.stop[group.index] = self.record.stop[group.index].masked_fill(stopped, layer)

    def contrasted(self, logits: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The branches' logits (B, V) after their contrasts, of all rows' logits (B + C, V), and what is kept of them.

        Kept: contrast_ids (B, K), contrast_probabilities (B, 3, K): behind the picture, its contrast, the outcome.
        """
        seen = logits[: self.batch]
        if not self.contrasts:
            return seen, {}
        other, said = logits[self.partners.to(logits.device)], seen
        for group in self.groups:
            if any(self.methods[row].contrasted() for row in group.places):
                said = group.put(said, group.editor.contrast(group.take(seen), group.take(other)))
        if not self.maps:
            return said, {}
        shares = torch.stack([seen.softmax(-1), other.softmax(-1), said.softmax(-1)], 1)
        ids = shares.amax(1).topk(min(CONTRAST_TOP, shares.shape[-1]), -1).indices
        top = shares.gather(-1, ids[:, None].expand(-1, 3, -1))
        return said, {"contrast_ids": ids, "contrast_probabilities": top.float()}


def _scores(rows: Tensor, segments: Sequence[SharedKeys | Blocks]) -> Tensor:
    """rows (B, H, D) against picture, question and own keys: (B, H, K), not scaled, in float32 at least."""
    return torch.cat([segment.scores(rows) for segment in segments], -1)


def _mix(weights: Tensor, segments: Sequence[SharedKeys | Blocks]) -> Tensor:
    """weights (B, H, K) -> their sum of values (B, H, D)."""
    parts = weights.split([segment.length for segment in segments], -1)
    mixed = segments[0].mix(parts[0])
    for segment, part in zip(segments[1:], parts[1:], strict=True):
        mixed = mixed + segment.mix(part)
    return mixed
