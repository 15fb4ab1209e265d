"""The pass that makes question segments: many questions behind one picture, packed in one sequence."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..methods.base import Method, Reading
from ..models.activations import PACK, PACK_BYTES
from ..models.positions import at_least_float32, rerotate
from .attention import CacheComplete, SharedKeys, check_attended, softmax_rows
from .blinds import Blind, Blinds, either
from .editing import Group, Rows, edited, groups, rows_on, within
from .segments import ImageSegment, QuestionSegment, last_layer


class Tail(NamedTuple):
    """What a question adds behind a prompt's beginning: its ids, what edits their rows, what those may not look at."""

    ids: tuple[int, ...]
    method: Method | None
    blind: Blind | None = None


def question_segments(hf: Any, image: ImageSegment, tails: Sequence[Tail]) -> list[QuestionSegment]:
    """Runs the tails of several questions; each sees the picture and itself only."""
    segments: list[QuestionSegment] = []
    pack: list[Tail] = []
    most = min(PACK, _rows_within(PACK_BYTES, hf.get_decoder(), image, PACK))
    for tail in tails:
        if pack and sum(len(other.ids) for other in pack) + len(tail.ids) > most:
            segments += _run_pack(hf, image, pack)
            pack = []
        pack.append(tail)
    return segments + (_run_pack(hf, image, pack) if pack else [])


def _rows_within(size: int, decoder: Any, image: ImageSegment, more: int) -> int:
    """How many rows of scores over the picture's and `more` keys, of all heads, fit into `size` bytes; at least one."""
    number = at_least_float32(image.keys[0].dtype).itemsize
    return max(1, size // (decoder.config.num_attention_heads * (image.length + more) * number))


@torch.no_grad()
def _run_pack(hf: Any, image: ImageSegment, tails: Sequence[Tail]) -> list[QuestionSegment]:
    decoder, device = hf.get_decoder(), image.device
    lengths = [len(tail.ids) - 1 for tail in tails]
    steps = torch.cat([torch.arange(n) for n in lengths])
    positions = image.text((image.next + steps)[None].to(device))
    owner = torch.repeat_interleave(torch.arange(len(tails)), torch.tensor(lengths))
    at_once = len(steps) if len(tails) > 1 else _rows_within(PACK_BYTES, decoder, image, lengths[0])
    run = _QuestionPass(image, owner, steps, tails, last_layer(decoder), at_once)
    if len(steps):
        packed = torch.tensor([[token for tail in tails for token in tail.ids[:-1]]], device=device)
        embeddings = hf.get_input_embeddings()(packed)
        with contextlib.suppress(CacheComplete):
            decoder(inputs_embeds=embeddings, position_ids=positions, use_cache=False, tree=run)
        check_attended(decoder, len(run.keys))
        unified = rerotate(decoder, run.keys[0], positions, positions - image.shift)
    else:  # the picture is followed by a single token
        run.keys = [k[:, :, :0] for k in image.keys]
        run.values = [v[:, :, :0] for v in image.values]
        unified = run.keys[0].to(at_least_float32(run.keys[0].dtype))
    parts = zip(
        zip(*(k[0].split(lengths, 1) for k in run.keys), strict=True),
        zip(*(v[0].split(lengths, 1) for v in run.values), strict=True),
        unified[0].split(lengths, 1),
        [tail.ids for tail in tails],
        run.readings(lengths),
        strict=True,
    )
    return [
        # clone: a part must not keep the whole pack alive
        QuestionSegment(
            [k.clone() for k in keys],
            [v.clone() for v in values],
            moved.clone(),
            ids,
            image.next + len(ids) - 1,
            readings,
        )
        for keys, values, moved, ids, readings in parts
    ]


class _QuestionPass:
    """Questions packed in one sequence of Q tokens; each sees all of the picture, and itself up to the token.

    A token's row of scores has the picture's N keys and the n places of its own question, n being the longest one's
    length: no question looks at another one's keys.
    owner: (Q,) the question of each token; steps: (Q,) its place in that question. tails: of each question. last: the
    layer after whose keys the pass ends, None for none. at_once: how many rows' scores exist at a time, fewer than Q
    only for a lone question; those of one time have editors of their own, which may remember rows from layer to layer.
    """

    def __init__(
        self,
        image: ImageSegment,
        owner: Tensor,
        steps: Tensor,
        tails: Sequence[Tail],
        last: int | None,
        at_once: int,
    ):
        self.image, self.last = image, last
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.reach = image.length + max(steps.tolist(), default=0)  # the last token's place in the sequence
        self.places = _Places(owner, steps, image.device)
        self.steps = steps.to(image.device)
        self.methods = [tail.method for tail in tails]
        wide = at_least_float32(image.keys[0].dtype)
        edits = [self.methods[question] for question in owner.tolist()]
        self.blinds = Blinds([tails[question].blind for question in owner.tolist()], image)
        starts = range(0, len(owner), max(1, at_once))
        places = [slice(start, min(start + at_once, len(owner))) for start in starts]
        self.parts = [(place, groups(edits[place], image.device, wide)) for place in places]
        self.read: dict[Reading, list[Tensor]] = {g.reading: [] for _, some in self.parts for g in some if g.reading}

    def before_layer(self, layer: int, hidden: Tensor) -> None:
        for reading, kept in self.read.items():
            own = reading(hidden[0]).to(self.image.device)
            kept.append(torch.cat([self.image.readings[reading][layer], own]))
        for place, some in self.parts:
            for group in some:
                if group.reading is not None:
                    rows = self.places.of_rows(self.read[group.reading][-1], self.image.length, place)
                    group.readings = {layer: group.take(rows)}

    def readings(self, lengths: Sequence[int]) -> list[list[Tensor]]:
        """By question and layer, of the picture's and the question's own tokens."""
        of_questions: list[list[Tensor]] = []
        start = self.image.length
        for method, length in zip(self.methods, lengths, strict=True):
            reading, own = method.reading() if method else None, slice(start, start + length)
            layers = (
                (self.read.get(reading) or self.image.readings[reading]) if reading is not None else []
            )  # no token: no pass
            of_questions.append([torch.cat([row[: self.image.length], row[own]]) for row in layers])
            start += length
        return of_questions

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        layer, rows = module.layer_idx, query[0].transpose(0, 1)  # every token is a row of its own: (Q, H, D)
        self.keys.append(key)
        self.values.append(value)
        if layer == self.last:
            raise CacheComplete
        # no copy of the picture's keys beside the new ones, as one SDPA call would need
        picture = SharedKeys(self.image.keys[layer], self.image.values[layer])
        own = SharedKeys(self.places.apart(key), self.places.apart(value))
        narrow = window if window is not None and window <= self.reach else None
        mixed = [self._mixed(layer, rows, *part, picture, own, scaling, narrow) for part in self.parts]
        return torch.cat(mixed)[None]

    def _mixed(
        self,
        layer: int,
        rows: Tensor,
        place: slice,
        editing: Sequence[Group],
        picture: SharedKeys,
        own: SharedKeys,
        scaling: float,
        window: int | None,
    ) -> Tensor:
        """What the rows at `place` read: (rows, H, D)."""
        rows, places = rows[place], self.places
        near = places.together(own.scores(places.padded(rows)))
        scores = torch.cat([picture.scores(rows), near], -1).mul_(scaling)
        hidden = self._hidden(place, rows.device)
        outside = self._outside(layer, place, window, rows.device)

        def mask(some: Tensor, which: Rows | None) -> Tensor:
            which = slice(None) if which is None else rows_on(which, hidden)
            if outside is not None:
                some = some.masked_fill(outside[which], -torch.inf)
            elif editing:  # they still need the scores as they are
                some = some.clone()
            some[..., self.image.length :].masked_fill_(hidden[which], -torch.inf)
            return some

        plain = softmax_rows(mask(scores, None))
        used = edited(editing, layer, scores, plain, self.image.where(scores.device), mask)
        if used is not plain and outside is not None:
            used = within(used, outside)
        far, near = used.split([picture.length, own.length], -1)
        return picture.mix(far) + places.together(own.mix(places.padded(near)))

    def _hidden(self, place: slice, device: torch.device) -> Tensor:
        """(rows, 1, n) bool: the places of a row's own question that hold later tokens, or none."""
        steps = self.steps[place].to(device)
        return (torch.arange(self.places.longest, device=device) > steps[:, None])[:, None]

    def _outside(self, layer: int, place: slice, window: int | None, device: torch.device) -> Tensor | None:
        """(rows, 1, N + n) bool: what the rows of a layer that sees `window` tokens do not see, None for nothing."""
        blind = self.blinds.outside(layer, self.image.length + self.places.longest)
        blind = None if blind is None else blind[place].to(device)
        return either(None if window is None else self._too_far(place, window, device), blind)

    def _too_far(self, place: slice, window: int, device: torch.device) -> Tensor:
        """(rows, 1, N + n) bool: what lies too far back for the rows of a layer that sees `window` tokens."""
        rows = self.image.length + self.steps[place].to(device)
        keys = torch.arange(self.image.length + self.places.longest, device=device)
        return (rows[:, None] - keys >= window)[:, None]

    def after_layer(self, layer: int, hidden: Tensor) -> None:
        """Nothing to see: only branches are read with the lens."""


class _Places:
    """Where the Q tokens of G packed questions stand when each question has a row of n places of its own.

    owner, steps: (Q,), see `_QuestionPass`; the tokens of a question follow one another.
    """

    def __init__(self, owner: Tensor, steps: Tensor, device: torch.device):
        self.longest = int(steps.max()) + 1 if len(steps) else 0
        lengths = torch.bincount(owner)
        self.owner = owner.to(device)
        starts = lengths.cumsum(0) - lengths
        # a place without a token holds the question's first one, which no row looks at there
        place = torch.arange(self.longest).expand(len(lengths), -1)
        self.index = (starts[:, None] + place.where(place < lengths[:, None], 0)).to(device)  # (G, n)
        self.even = len(steps) == self.index.numel()
        self.flat = (owner * self.longest + steps).to(device)  # (Q,) among the G x n places

    def padded(self, rows: Tensor) -> Tensor:
        """(Q, ...) -> (G x n, ...)"""
        return rows if self.even else rows[self.index.flatten().to(rows.device)]

    def together(self, rows: Tensor) -> Tensor:
        """(G x n, ...) -> (Q, ...)"""
        return rows if self.even else rows[self.flat.to(rows.device)]

    def apart(self, keys: Tensor) -> Tensor:
        """Keys or values (1, Hkv, Q, D) -> (G, Hkv, n, D)"""
        return keys[0][:, self.index.to(keys.device)].transpose(0, 1)

    def of_rows(self, readings: Tensor, picture: int, place: slice) -> Tensor:
        """What is known of the picture's and the Q tokens, by row and key: (N + Q,) -> (rows, N + n)"""
        owner = self.owner[place].to(readings.device)
        if len(self.index) == 1:  # all rows have the same keys
            return readings.expand(len(owner), -1)
        own = readings[picture:][self.index.to(readings.device)][owner]
        return torch.cat([readings[:picture].expand(len(owner), -1), own], 1)
