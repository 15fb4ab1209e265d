"""The key/value tree: one picture, then the questions about it; branches (decode.py) grow from its leaves.

image segment      everything up to the last image token, by the stock model, once per picture
question segment   the rest of the prompt but its last token, once per question, many questions in one pass
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from ..methods.base import Keys, Method, Reading
from ..models.activations import PACK, PACK_BYTES
from ..models.positions import at_least_float32, rerotate, rotary_positions, unified_positions
from .attention import Blocks, Enough, Prefix, SharedKeys, check_heard, softmax_rows
from .editing import Group, Rows, edited, groups


@dataclass(frozen=True)
class ImageSegment:
    """Keys and values of the prompt up to the last image token.

    ids: of the N tokens. keys, values: per layer (1, Hkv, N, D), rotated. unified: layer 0's keys at unified positions
    (eq. 2), in float32 at least. visual: where the image tokens are among the N. positions: (N,), or (3, N) for
    M-RoPE, as the decoder saw them, on the CPU. next: the position of the first token after the picture. shift: by how
    much later tokens move up when positions are unified. before: tokens before the first image token. readings: by
    layer, what a method's reading said of the N tokens (N,). Without a picture, N is 0: a prompt that shows none is all
    question.
    """

    ids: list[int]
    keys: list[Tensor]
    values: list[Tensor]
    unified: Tensor
    visual: slice | Tensor
    positions: Tensor
    next: int
    shift: int
    before: int
    readings: dict[Reading, list[Tensor]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        return self.keys[0].shape[-2]

    @property
    def device(self) -> torch.device:
        return self.keys[0].device

    @property
    def visual_tokens(self) -> int:
        found = self.visual
        return found.stop - found.start if isinstance(found, slice) else len(found)

    @property
    def nbytes(self) -> int:
        read = (x for found in self.readings.values() for x in found)
        return sum(x.nbytes for x in (*self.keys, *self.values, self.unified, *read))

    def where(self, device: torch.device) -> Keys:
        """Where tokens stand in rows that begin with this segment."""
        visual = self.visual if isinstance(self.visual, slice) else self.visual.to(device)
        return Keys(slice(0, self.before), visual, slice(self.length, None))

    def without_picture(self) -> ImageSegment:
        """The empty segment, from which prompts without a picture start."""
        keys, values = ([x[:, :, :0] for x in some] for some in (self.keys, self.values))
        return ImageSegment([], keys, values, keys[0], slice(0, 0), self.positions[..., :0], 0, 0, 0)

    def text(self, positions: Tensor) -> Tensor:
        """Positions (B, n) of text tokens as the decoder takes them: text stands alike on all axes of M-RoPE."""
        return positions.expand(*self.positions.shape[:-1], *positions.shape)


@torch.no_grad()
def image_segment(
    hf: Any, inputs: dict[str, Any], image_token_id: int, readings: Sequence[Reading] = ()
) -> ImageSegment:
    """Runs the prompt's inputs up to the last image token through the stock model.

    hf: the conditional-generation model. inputs: the processor's output for one prompt, on the model's device.
    readings: what methods want to know of the hidden states on the way.
    """
    ids = inputs["input_ids"][0].cpu()
    mask = ids == image_token_id
    end = int(mask.nonzero()[-1]) + 1
    # token types (Qwen, Gemma) are cut with the ids
    prefix = {k: v[:, :end] if v.shape == inputs["input_ids"].shape else v for k, v in inputs.items()}
    cache: Any = DynamicCache()  # made without the configuration, it keeps what sliding windows would drop
    decoder = hf.get_decoder()
    run = Prefix(_last(decoder), readings)
    with contextlib.suppress(Enough):
        hf.model(**prefix, **{_cache_name(hf.model): cache}, use_cache=True, tree=run)
    keys, values = [layer.keys for layer in cache.layers], [layer.values for layer in cache.layers]
    positions = rotary_positions(run.positions, end)
    unified, shift = unified_positions(positions, mask[:end])
    old, new = (x[..., None, :].to(keys[0].device) for x in (positions, unified))
    moved = rerotate(decoder, keys[0], old, new)
    visual, before = _visual(mask, keys[0].device), int(mask.nonzero()[0])
    read = {reading: [x.to(keys[0].device) for x in found] for reading, found in run.read.items()}
    following = int(positions.max()) + 1
    return ImageSegment(ids[:end].tolist(), keys, values, moved, visual, positions, following, shift, before, read)


def _cache_name(model: Any) -> str:
    """What `forward` calls its cache: transformers 5.40 drops the name that 5.10 has."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _last(decoder: Any) -> int | None:
    """The layer in which a pass that only wants keys and values may end; None where it has to run to its end."""
    last = decoder.layers[-1]
    # accelerate's hooks put weights away after a module has run, so there every module has to end
    return None if hasattr(last, "_hf_hook") else last.self_attn.layer_idx


def _visual(mask: Tensor, device: torch.device) -> slice | Tensor:
    """A slice where the image tokens are one run (cheap to read and write), else their indices."""
    index = mask.nonzero().flatten()
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1) if last + 1 - first == len(index) else index.to(device)


@dataclass(frozen=True)
class QuestionSegment:
    """Keys and values of one question's tokens between the picture and the last prompt token.

    keys, values: per layer (Hkv, n, D); unified (Hkv, n, D): layer 0's keys at unified positions, in float32 at least.
    n may be 0.
    ids: of these tokens and of the last prompt token, which starts the branches. position: where that one stands.
    readings: by layer, what the reading of the method that edited these rows said of the picture's and these tokens
    (N + n,); [] for methods without one.
    """

    keys: list[Tensor]
    values: list[Tensor]
    unified: Tensor
    ids: Sequence[int]
    position: int
    readings: list[Tensor] = field(default_factory=list)

    @property
    def length(self) -> int:
        return self.unified.shape[-2]

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in (*self.keys, *self.values, self.unified, *self.readings))


Asked = tuple[tuple[int, ...], Method | None]  # a tail, and what edits its rows


def question_segments(hf: Any, image: ImageSegment, asked: Sequence[Asked]) -> list[QuestionSegment]:
    """Runs the tails (ids after the picture) of several questions; each sees the picture and itself only."""
    segments: list[QuestionSegment] = []
    pack: list[Asked] = []
    most = min(PACK, _rows_within(PACK_BYTES, hf.get_decoder(), image, PACK))
    for one in asked:
        if pack and sum(len(tail) for tail, _ in pack) + len(one[0]) > most:
            segments += _run_pack(hf, image, pack)
            pack = []
        pack.append(one)
    return segments + (_run_pack(hf, image, pack) if pack else [])


def _rows_within(size: int, decoder: Any, image: ImageSegment, more: int) -> int:
    """How many rows of scores over the picture's and `more` keys, of all heads, fit into `size` bytes; at least one."""
    number = at_least_float32(image.keys[0].dtype).itemsize
    return max(1, size // (decoder.config.num_attention_heads * (image.length + more) * number))


@torch.no_grad()
def _run_pack(hf: Any, image: ImageSegment, asked: Sequence[Asked]) -> list[QuestionSegment]:
    tails = [tail for tail, _ in asked]
    lengths = [len(tail) - 1 for tail in tails]
    steps = torch.cat([torch.arange(n) for n in lengths])
    positions = image.text((image.next + steps)[None].to(image.device))
    owner = torch.repeat_interleave(torch.arange(len(tails)), torch.tensor(lengths))
    at_once = len(steps) if len(asked) > 1 else _rows_within(PACK_BYTES, hf.get_decoder(), image, lengths[0])
    run = _QuestionPass(image, owner, steps, [method for _, method in asked], _last(hf.get_decoder()), at_once)
    if len(steps):
        ids = torch.tensor([[t for tail in tails for t in tail[:-1]]], device=image.device)
        embeddings = hf.get_input_embeddings()(ids)
        with contextlib.suppress(Enough):
            hf.get_decoder()(inputs_embeds=embeddings, position_ids=positions, use_cache=False, tree=run)
        check_heard(hf.get_decoder(), len(run.keys))
        unified = rerotate(hf.get_decoder(), run.keys[0], positions, positions - image.shift)
    else:  # the picture is followed by a single token
        run.keys = [k[:, :, :0] for k in image.keys]
        run.values = [v[:, :, :0] for v in image.values]
        unified = run.keys[0].to(at_least_float32(run.keys[0].dtype))
    parts = zip(
        zip(*(k[0].split(lengths, 1) for k in run.keys), strict=True),
        zip(*(v[0].split(lengths, 1) for v in run.values), strict=True),
        unified[0].split(lengths, 1),
        tails,
        run.readings(lengths),
        strict=True,
    )
    return [
        # clone: a part must not keep the whole pack alive
        QuestionSegment(
            [k.clone() for k in keys],
            [v.clone() for v in values],
            moved.clone(),
            tail,
            image.next + len(tail) - 1,
            read,
        )
        for keys, values, moved, tail, read in parts
    ]


class _QuestionPass:
    """Questions packed in one sequence of Q tokens; each sees all of the picture, and itself up to the token.

    A token's row of scores has the picture's N keys and the n places of its own question, n being the longest one's
    length: no question looks at another one's keys.
    owner: (Q,) the question of each token; steps: (Q,) its place in that question. methods: what edits the rows of each
    question, None for nothing. last: the layer after whose keys the pass ends, None for none. at_once: how many rows'
    scores exist at a time, fewer than Q only for a lone question; those of one time have editors of their own, which
    may remember rows from layer to layer.
    """

    def __init__(
        self,
        image: ImageSegment,
        owner: Tensor,
        steps: Tensor,
        methods: Sequence[Method | None],
        last: int | None,
        at_once: int,
    ):
        self.image, self.last = image, last
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.reach = image.length + max(steps.tolist(), default=0)  # the last token's place in the sequence
        self.places = _Places(owner, steps, image.device)
        self.steps = steps.to(image.device)
        self.methods = methods
        wide = at_least_float32(image.keys[0].dtype)
        edits = [methods[question] for question in owner.tolist()]
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
        found: list[list[Tensor]] = []
        start = self.image.length
        for method, length in zip(self.methods, lengths, strict=True):
            reading = method.reading() if method else None
            own = slice(start, start + length)
            if reading is None:
                found.append([])
            else:
                rows = self.read.get(reading) or self.image.readings[reading]  # no token: no pass
                found.append([torch.cat([row[: self.image.length], row[own]]) for row in rows])
            start += length
        return found

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        layer, rows = module.layer_idx, query[0].transpose(0, 1)  # every token is a row of its own: (Q, H, D)
        self.keys.append(key)
        self.values.append(value)
        if layer == self.last:
            raise Enough
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
        outside = None if window is None else self._outside(place, window, rows.device)

        def mask(some: Tensor, which: Rows | None) -> Tensor:
            unseen = hidden if which is None else hidden[which]
            if outside is not None:
                some = some.masked_fill(outside if which is None else outside[which], -torch.inf)
            elif editing:  # they still need the scores as they are
                some = some.clone()
            some[..., self.image.length :].masked_fill_(unseen, -torch.inf)
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

    def _outside(self, place: slice, window: int, device: torch.device) -> Tensor:
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

    def of_rows(self, known: Tensor, picture: int, place: slice) -> Tensor:
        """What is known of the picture's and the Q tokens, by row and key: (N + Q,) -> (rows, N + n)"""
        owner = self.owner[place].to(known.device)
        if len(self.index) == 1:  # all rows have the same keys
            return known.expand(len(owner), -1)
        own = known[picture:][self.index.to(known.device)][owner]
        return torch.cat([known[:picture].expand(len(owner), -1), own], 1)


def within(weights: Tensor, hidden: Tensor) -> Tensor:
    """Rows with nothing on `hidden`: an edit must not show a layer what lies outside its window. Their sums stay."""
    inside = weights.masked_fill(hidden.to(weights.device), 0)
    left = inside.sum(-1, keepdim=True)  # 0 where a silenced head sees nothing else
    return inside * (weights.sum(-1, keepdim=True) / left.masked_fill(left == 0, 1))


class QuestionBatch:
    """Question segments side by side, padded to the longest of n tokens; rows of one segment follow one another.

    segments: one for each of the B rows. layers: per layer the keys of (B, n); unified: the same for layer 0 at unified
    positions. lengths: (B,) tokens of each row's question, on the CPU. padding: (B, n) bool, True where there is no
    token, or None when all are equally long.
    """

    def __init__(self, segments: Sequence[QuestionSegment]):
        self.segments = segments
        lengths = [segment.length for segment in segments]
        self.length, self.lengths = max(lengths), torch.tensor(lengths)
        runs = _runs(segments)
        values = [[self._pad([s.values[i] for s in some]) for _, some in runs] for i in range(len(segments[0].values))]
        keys = [[self._pad([s.keys[i] for s in some]) for _, some in runs] for i in range(len(values))]
        unified = [self._pad([s.unified for s in some]) for _, some in runs]
        rows = [place for place, _ in runs]
        self.layers = [_shared(rows, k, v) for k, v in zip(keys, values, strict=True)]
        self.unified = _shared(rows, unified, values[0])
        self.padding: Tensor | None = None
        if min(lengths) < self.length:
            steps = torch.arange(self.length)
            self.padding = (steps >= self.lengths[:, None]).to(unified[0].device)

    def _pad(self, parts: Sequence[Tensor]) -> Tensor:
        """(Hkv, n_i, D) each -> (G, Hkv, n, D)."""
        return torch.stack([torch.nn.functional.pad(p, (0, 0, 0, self.length - p.shape[1])) for p in parts])

    def readings(self, rows: Sequence[int], picture: int, layer: int) -> Tensor:
        """What the readings said of the picture's and the question's tokens: (rows, picture + n), 0 for padding."""
        found = [self.segments[row].readings[layer] for row in rows]
        return torch.stack([torch.nn.functional.pad(x, (0, picture + self.length - len(x))) for x in found])


def _runs(segments: Sequence[QuestionSegment]) -> list[tuple[slice, list[QuestionSegment]]]:
    """Rows whose segments each serve equally many: (rows, the different segments among them)."""
    each = [(key, len(list(some))) for key, some in itertools.groupby(segments, key=id)]
    by_id = {id(segment): segment for segment in segments}
    runs: list[tuple[slice, list[QuestionSegment]]] = []
    start = 0
    for count, alike in itertools.groupby(each, key=lambda pair: pair[1]):
        some = [by_id[key] for key, _ in alike]
        runs.append((slice(start, start + count * len(some)), some))
        start += count * len(some)
    return runs


def _shared(rows: Sequence[slice], keys: Sequence[Tensor], values: Sequence[Tensor]) -> SharedKeys | Blocks:
    parts = [SharedKeys(k, v) for k, v in zip(keys, values, strict=True)]
    return parts[0] if len(parts) == 1 else Blocks(list(zip(rows, parts, strict=True)))
