"""One row per branch: attention over the tree, the methods' edits, and what is recorded of it.

A branch is one method answering one question. All branches of a batch run in lock-step. Behind them in the batch stand
the rows of their contrasts, which see something else (a noised picture, or none), hear the same chosen tokens, and are
neither edited nor recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..methods.base import Method, MethodError
from ..models.positions import at_least_float32, rerotate
from .attention import RowBlocks, SharedKeys, softmax_rows
from .blinds import Blind, Blinds, either
from .editing import Rows, edited, groups, within
from .lens import Lens, uncertainty
from .record import LENS_TOP, Record
from .segments import ImageSegment, QuestionBatch, QuestionSegment

CONTRAST_TOP = 6  # how many tokens of a contrast's distributions are kept
ROOM = 32  # own keys are reserved for this many tokens at a time
_DEFAULT_TOP_K = 10  # of the uncertainty of branches whose method measures none (released CLVS code)


@dataclass(frozen=True)
class Branch:
    """A method (resolved) answering a question.

    contrast: what its contrast sees, None for methods without one. blind: what its rows, and its contrast's where that
    sees a picture, may not look at.
    """

    method: Method
    question: QuestionSegment
    contrast: tuple[ImageSegment, QuestionSegment] | None = None
    blind: Blind | None = None


class RowsBehindImage:
    """Rows of the batch that continue prompts behind one picture.

    rows: where; questions: one segment per row; blinds: what each row may not look at.
    """

    def __init__(
        self, image: ImageSegment, questions: Sequence[QuestionSegment], start: int, blinds: Sequence[Blind | None]
    ):
        self.image = image
        self.blinds = Blinds(blinds, image)
        self.questions = QuestionBatch(questions)
        self.rows = slice(start, start + len(questions))
        self.picture = [SharedKeys(k, v) for k, v in zip(image.keys, image.values, strict=True)]
        self.outside_window: dict[int, Tensor | None] = {}

    def segments(self, layer: int, own: SharedKeys) -> list[SharedKeys | RowBlocks]:
        return [self.picture[layer], self.questions.layers[layer], own]

    def outside(self, layer: int, window: int | None, length: int) -> Tensor | None:
        """(B, 1, K) bool: what rows do not see in a layer that sees `window` tokens; None where they see everything.

        length: own tokens so far.
        """
        keys = self.image.length + self.questions.length + length
        return either(self._outside_window(window, length), self.blinds.outside(layer, keys, length - 1))

    def _outside_window(self, window: int | None, length: int) -> Tensor | None:
        picture, lengths = self.image.length, self.questions.lengths[:, None]
        if window is None or window > picture + self.questions.length + length - 1:
            return None
        if window not in self.outside_window:
            own = lengths + torch.arange(length)
            question = torch.arange(self.questions.length).expand(len(own), -1)
            places = torch.cat([torch.arange(-picture, 0).expand(len(own), -1), question, own], 1)
            self.outside_window[window] = (own[:, -1:] - places >= window)[:, None].to(self.image.device)
        return self.outside_window[window]

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


class BranchBatch:
    """The tree seen from B branches and C contrasts, one token each per forward pass; keeps their own keys and values.

    order: which of the given branches stands in each row. questions: the segment that each of the B + C rows continues;
    follow: the branch row whose token it hears. maps: whether attention, and what methods keep of it, is recorded.
    rest: whether attention on the words around the picture is, too.
    """

    def __init__(
        self,
        decoder: Any,
        image: ImageSegment,
        branches: Sequence[Branch],
        steps: int,
        lens: Lens,
        *,
        every_layer: bool,
        maps: bool,
        rest: bool = False,
    ):
        self.decoder, self.image, self.lens, self.steps, self.every_layer = decoder, image, lens, steps, every_layer
        self.maps, self.rest = maps, rest
        self.batch, self.device = len(branches), image.device
        self.float64 = image.keys[0].dtype == torch.float64
        self.readable = self.device.type == "cpu"  # else a look at a number waits for all that came before
        # those that share a question's keys stand together
        self.order = sorted(range(self.batch), key=lambda i: branches[i].method.on_questions() is not None)
        ordered = [branches[i] for i in self.order]
        self.methods = [branch.method for branch in ordered]
        blinds = [branch.blind for branch in ordered]
        self.main = RowsBehindImage(image, [branch.question for branch in ordered], 0, blinds)
        self.contrasts, self.follow = self._contrasts(ordered)
        self.partners = torch.arange(self.batch, device=self.device)  # which row each branch is contrasted with
        contrasted = torch.tensor(self.follow[self.batch :], dtype=torch.long, device=self.device)
        self.partners[contrasted] = self.batch + torch.arange(len(contrasted), device=self.device)
        self.questions = [q for behind in (self.main, *self.contrasts) for q in behind.questions.segments]
        self.picture_unified = SharedKeys(image.unified, image.values[0])
        self.own = [self._buffers(k) for k in image.keys]
        dtype = at_least_float32(image.keys[0].dtype)
        self.unified_keys = torch.empty_like(self.own[0].keys, dtype=dtype)  # layer 0's own keys at unified positions
        self.groups = groups(self.methods, self.device, dtype)
        self.top_k, self.normed, self.unified = self._settings()
        self.most = int(self.top_k.max())
        edited = {row for group in self.groups if group.editor.changes_attention for row in group.places}
        self.edited = [row in edited for row in range(self.batch)]
        self.extras = list(dict.fromkeys(name for method in self.methods for name in method.records)) if maps else []
        self.length = 0  # own tokens so far, the running one included

    def _contrasts(self, branches: Sequence[Branch]) -> tuple[list[RowsBehindImage], list[int]]:
        """The rows of the contrasts by what they see, and which branch row each row of the batch follows."""
        by_image: dict[int, list[int]] = {}
        for row, branch in enumerate(branches):
            if branch.contrast is not None:
                by_image.setdefault(id(branch.contrast[0]), []).append(row)
        contrasts, follow = [], list(range(len(branches)))
        for rows in by_image.values():
            pairs = [pair for row in rows if (pair := branches[row].contrast)]
            questions, blinds = [question for _, question in pairs], [branches[row].blind for row in rows]
            contrasts.append(RowsBehindImage(pairs[0][0], questions, len(follow), blinds))
            follow += rows
        return contrasts, follow

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
        for behind in (self.main, *self.contrasts):
            behind.outside_window = {}
        if self.length == self.own[0].length:
            self.own = [own.grown(ROOM) for own in self.own]
            self.unified_keys = torch.cat([self.unified_keys, torch.empty_like(self.unified_keys[:, :, :ROOM])], 2)
        self.length += 1
        self.attended = 0  # layers that have asked for their attention
        heads = self.decoder.config.num_attention_heads
        shape = (self.batch, len(self.own), heads, self.image.visual_tokens if self.maps else 0)
        self.record = Record(
            shape,
            self.extras,
            self.device,
            float64=self.float64,
            edited=any(self.edited),
            lens=self.every_layer,
            rest=self.main.questions.length if self.rest else None,
        )
        for group in self.groups:
            group.editor.begin()

    def before_layer(self, layer: int, hidden: Tensor) -> None:
        """The last prompt token completes what methods read of the prompt; generated tokens add nothing."""
        if self.length > 1:
            return
        for group in self.groups:
            if group.reading is not None:
                own = group.reading(group.take(hidden[: self.batch, -1])).to(self.device)
                prompt = self.main.questions.readings(group.places, self.image.length, layer)
                group.readings[layer] = torch.cat([prompt, own[:, None]], 1)

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        layer, rows, own = module.layer_idx, query[:, :, 0], self.own[module.layer_idx]
        self.attended += 1
        own.keys[:, :, self.length - 1] = key[:, :, 0]
        own.values[:, :, self.length - 1] = value[:, :, 0]
        mixed = [self._branches(layer, query, key, scaling, window)]
        for contrast in self.contrasts:
            segments = contrast.segments(layer, self._own(layer, contrast.rows))
            scores = _scores(rows[contrast.rows], segments).mul_(scaling)
            weights = softmax_rows(contrast.mask(scores, None, contrast.outside(layer, window, self.length)))
            mixed.append(_mix(weights, segments))
        return torch.cat(mixed)[:, None]  # (B + C, 1, H, D)

    def _own(self, layer: int, rows: slice) -> SharedKeys:
        keys, values = self.own[layer].keys[rows], self.own[layer].values[rows]
        return SharedKeys(keys[:, :, : self.length], values[:, :, : self.length])

    def _branches(self, layer: int, query: Tensor, key: Tensor, scaling: float, window: int | None) -> Tensor:
        """The branches' rows, edited and recorded: (B, H, D)."""
        main, outside = self.main, self.main.outside(layer, window, self.length)
        segments = main.segments(layer, self._own(layer, main.rows))
        scores = _scores(query[main.rows, :, 0], segments).mul_(scaling)

        def mask(some: Tensor, which: Rows | None) -> Tensor:
            return main.mask(some, which, outside)

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
        self._keep_rest(layer, used)
        return _mix(used, segments)

    def _unified_scores(self, query: Tensor, key: Tensor, scaling: float) -> Tensor:
        """Layer 0's scores with unified visual positions (eq. 2), for the branches that use them: (rows, H, K)."""
        moved = self.positions - self.image.shift
        self.unified_keys[:, :, self.length - 1] = rerotate(self.decoder, key, self.positions, moved)[:, :, 0]
        rows = rerotate(self.decoder, query, self.positions, moved)[self.main.rows, :, 0]
        own = SharedKeys(self.unified_keys[self.main.rows, :, : self.length], self.own[0].values)
        scores = _scores(rows, [self.picture_unified, self.main.questions.unified, own])
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

    def _keep_rest(self, layer: int, weights: Tensor) -> None:
        """What the words around the picture get, in the order of the record."""
        if self.record.rest is None:
            return
        lengths = [self.image.length, self.main.questions.length, self.length]
        picture, question, own = weights.mean(1).split(lengths, -1)
        outside = picture.clone()
        outside[:, self.image.where(weights.device).visual] = 0
        parts = [outside[:, :1], outside[:, 1:].sum(1, True), own[:, 1:].sum(1, True), own[:, :1], question]
        self.record.rest[:, layer] = torch.cat(parts, 1).to(self.record.rest)

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
        """BranchBatch of which the uncertainty after this layer is computed, and which of them it is wanted of (bool).

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
        other, outcome = logits[self.partners.to(logits.device)], seen
        for group in self.groups:
            if any(self.methods[row].contrasted() for row in group.places):
                outcome = group.put(outcome, group.editor.contrast(group.take(seen), group.take(other)))
        if not self.maps:
            return outcome, {}
        shares = torch.stack([seen.softmax(-1), other.softmax(-1), outcome.softmax(-1)], 1)
        ids = shares.amax(1).topk(min(CONTRAST_TOP, shares.shape[-1]), -1).indices
        top = shares.gather(-1, ids[:, None].expand(-1, 3, -1))
        return outcome, {"contrast_ids": ids, "contrast_probabilities": top.float()}

    def rows(self, more: dict[str, Tensor]) -> Callable[[int], dict[str, np.ndarray]]:
        """A function that gives the arrays of one branch row by name: what was recorded, and `more` of all rows."""
        record = self.record
        lengths = self.main.questions.lengths.tolist()
        arrays = record.arrays() | {name: tensor.cpu().numpy() for name, tensor in more.items()}
        only = {name: [name in method.records for method in self.methods] for name in record.extras}
        contrasts = [method.contrasted() is not None for method in self.methods]
        only |= {"original": self.edited} | dict.fromkeys(("contrast_ids", "contrast_probabilities"), contrasts)

        def of(row: int) -> dict[str, np.ndarray]:
            found = {name: values[row] for name, values in arrays.items() if name not in only or only[name][row]}
            if "rest" in found:  # the prompt's last token after those before it, without padding
                facts, last, words = np.split(found["rest"], (3, 4), -1)
                found["rest"] = np.concatenate([facts, words[:, : lengths[row]], last], -1)
            return found

        return of


def _scores(rows: Tensor, segments: Sequence[SharedKeys | RowBlocks]) -> Tensor:
    """rows (B, H, D) against picture, question and own keys: (B, H, K), not scaled, in float32 at least."""
    return torch.cat([segment.scores(rows) for segment in segments], -1)


def _mix(weights: Tensor, segments: Sequence[SharedKeys | RowBlocks]) -> Tensor:
    """weights (B, H, K) -> their sum of values (B, H, D)."""
    parts = weights.split([segment.length for segment in segments], -1)
    mixed = segments[0].mix(parts[0])
    for segment, part in zip(segments[1:], parts[1:], strict=True):
        mixed = mixed + segment.mix(part)
    return mixed
