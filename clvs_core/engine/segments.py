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

from ..methods.base import Keys, Reading
from ..models.positions import rerotate, rotary_positions, unified_positions
from .attention import CacheComplete, ImagePass, RowBlocks, SharedKeys


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
        visual = self.visual
        return visual.stop - visual.start if isinstance(visual, slice) else len(visual)

    @property
    def nbytes(self) -> int:
        readings = (x for layers in self.readings.values() for x in layers)
        return sum(x.nbytes for x in (*self.keys, *self.values, self.unified, *readings))

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
    run = ImagePass(last_layer(decoder), readings)
    with contextlib.suppress(CacheComplete):
        hf.model(**prefix, **{_cache_name(hf.model): cache}, use_cache=True, tree=run)
    keys, values = [layer.keys for layer in cache.layers], [layer.values for layer in cache.layers]
    positions = rotary_positions(run.positions, end)
    unified, shift = unified_positions(positions, mask[:end])
    old, new = (x[..., None, :].to(keys[0].device) for x in (positions, unified))
    moved = rerotate(decoder, keys[0], old, new)
    visual, before = _visual(mask, keys[0].device), int(mask.nonzero()[0])
    read = {reading: [x.to(keys[0].device) for x in layers] for reading, layers in run.read.items()}
    following = int(positions.max()) + 1
    return ImageSegment(ids[:end].tolist(), keys, values, moved, visual, positions, following, shift, before, read)


def _cache_name(model: Any) -> str:
    """What `forward` calls its cache: transformers 5.40 drops the name that 5.10 has."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def last_layer(decoder: Any) -> int | None:
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
        readings = [self.segments[row].readings[layer] for row in rows]
        return torch.stack([torch.nn.functional.pad(x, (0, picture + self.length - len(x))) for x in readings])


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


def _shared(rows: Sequence[slice], keys: Sequence[Tensor], values: Sequence[Tensor]) -> SharedKeys | RowBlocks:
    parts = [SharedKeys(k, v) for k, v in zip(keys, values, strict=True)]
    return parts[0] if len(parts) == 1 else RowBlocks(list(zip(rows, parts, strict=True)))
