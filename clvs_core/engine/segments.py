"""The key/value tree: one picture, then the questions about it; branches (decode.py) grow from its leaves.

image segment      everything up to the last image token, by the stock model, once per picture
question segment   the rest of the prompt but its last token, once per question, many questions in one pass
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from ..models.positions import rerotate, rotary_positions, unified_positions
from .attention import Enough, Prefix, SharedKeys, softmax_rows

_PACK = 512  # tokens of question segments run in one sequence; bounds the mask and the scores


@dataclass(frozen=True)
class ImageSegment:
    """Keys and values of the prompt up to the last image token.

    ids: of the N tokens. keys, values: per layer (1, Hkv, N, D), rotated. unified: layer 0's keys at unified positions
    (eq. 2). visual: where the image tokens are among the N. positions: (N,), or (3, N) for M-RoPE, as the decoder saw
    them, on the CPU. next: the position of the first token after the picture. shift: by how much later tokens move up
    when positions are unified.
    """

    ids: list[int]
    keys: list[Tensor]
    values: list[Tensor]
    unified: Tensor
    visual: slice | Tensor
    positions: Tensor
    next: int
    shift: int

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
        return sum(x.nbytes for x in (*self.keys, *self.values, self.unified))

    def text(self, positions: Tensor) -> Tensor:
        """Positions (B, n) of text tokens as the decoder takes them: text stands alike on all axes of M-RoPE."""
        return positions.expand(*self.positions.shape[:-1], *positions.shape)


@torch.no_grad()
def image_segment(hf: Any, inputs: dict[str, Any], image_token_id: int) -> ImageSegment:
    """Runs the prompt's inputs up to the last image token through the stock model.

    hf: the conditional-generation model. inputs: the processor's output for one prompt, on the model's device.
    """
    ids = inputs["input_ids"][0].cpu()
    mask = ids == image_token_id
    end = int(mask.nonzero()[-1]) + 1
    # token types (Qwen, Gemma) are cut with the ids
    prefix = {k: v[:, :end] if v.shape == inputs["input_ids"].shape else v for k, v in inputs.items()}
    cache: Any = DynamicCache()  # made without the configuration, it keeps what sliding windows would drop
    decoder = hf.get_decoder()
    last = decoder.layers[-1]
    # accelerate's hooks put weights away after a module has run, so there every module has to end
    run = Prefix(None if hasattr(last, "_hf_hook") else last.self_attn.layer_idx)
    with contextlib.suppress(Enough):
        hf.model(**prefix, past_key_values=cache, use_cache=True, tree=run)
    keys, values = [layer.keys for layer in cache.layers], [layer.values for layer in cache.layers]
    positions = rotary_positions(run.positions, end)
    unified, shift = unified_positions(positions, mask[:end])
    old, new = (x[..., None, :].to(keys[0].device) for x in (positions, unified))
    moved = rerotate(decoder, keys[0], old, new)
    visual = _visual(mask, keys[0].device)
    return ImageSegment(ids[:end].tolist(), keys, values, moved, visual, positions, int(positions.max()) + 1, shift)


def _visual(mask: Tensor, device: torch.device) -> slice | Tensor:
    """A slice where the image tokens are one run (cheap to read and write), else their indices."""
    index = mask.nonzero().flatten()
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1) if last + 1 - first == len(index) else index.to(device)


@dataclass(frozen=True)
class QuestionSegment:
    """Keys and values of one question's tokens between the picture and the last prompt token.

    keys, values: per layer (Hkv, n, D); unified (Hkv, n, D): layer 0's keys at unified positions. n may be 0.
    ids: of these tokens and of the last prompt token, which starts the branches. position: where that one stands.
    """

    keys: list[Tensor]
    values: list[Tensor]
    unified: Tensor
    ids: Sequence[int]
    position: int

    @property
    def length(self) -> int:
        return self.unified.shape[-2]

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in (*self.keys, *self.values, self.unified))


def question_segments(hf: Any, image: ImageSegment, tails: Sequence[Sequence[int]]) -> list[QuestionSegment]:
    """Runs the tails (ids after the picture) of several questions; each sees the picture and itself only."""
    segments: list[QuestionSegment] = []
    pack: list[Sequence[int]] = []
    for tail in tails:
        if pack and sum(map(len, pack)) + len(tail) > _PACK:
            segments += _run_pack(hf, image, pack)
            pack = []
        pack.append(tail)
    return segments + (_run_pack(hf, image, pack) if pack else [])


@torch.no_grad()
def _run_pack(hf: Any, image: ImageSegment, tails: Sequence[Sequence[int]]) -> list[QuestionSegment]:
    lengths = [len(tail) - 1 for tail in tails]
    steps = torch.cat([torch.arange(n) for n in lengths])
    positions = image.text((image.next + steps)[None].to(image.device))
    owner = torch.repeat_interleave(torch.arange(len(tails)), torch.tensor(lengths))
    run = _QuestionPass(image, owner, steps)
    if len(steps):
        ids = torch.tensor([[t for tail in tails for t in tail[:-1]]], device=image.device)
        embeddings = hf.get_input_embeddings()(ids)
        hf.get_decoder()(inputs_embeds=embeddings, position_ids=positions, use_cache=False, tree=run)
        unified = rerotate(hf.get_decoder(), run.keys[0], positions, positions - image.shift)
    else:  # the picture is followed by a single token
        run.keys = [k[:, :, :0] for k in image.keys]
        run.values = [v[:, :, :0] for v in image.values]
        unified = run.keys[0]
    parts = zip(
        zip(*(k[0].split(lengths, 1) for k in run.keys), strict=True),
        zip(*(v[0].split(lengths, 1) for v in run.values), strict=True),
        unified[0].split(lengths, 1),
        tails,
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
        )
        for keys, values, moved, tail in parts
    ]


class _QuestionPass:
    """Questions packed in one sequence of Q tokens: block-causal among themselves, all of the picture visible.

    owner: (Q,) the question of each token; steps: (Q,) its place in that question.
    """

    def __init__(self, image: ImageSegment, owner: Tensor, steps: Tensor):
        self.image = image
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.hidden = ~(owner[:, None] == owner[None]).tril()[:, None].to(image.device)  # (Q, 1, Q)
        self.outside: dict[int, Tensor] = {}
        self.steps = steps
        self.reach = image.length + max(steps.tolist(), default=0)  # the last token's place in the sequence

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        layer, rows = module.layer_idx, query[0].transpose(0, 1)  # every token is a row of its own: (Q, H, D)
        self.keys.append(key)
        self.values.append(value)
        # no copy of the picture's keys beside the new ones, as one SDPA call would need
        segments = [SharedKeys(self.image.keys[layer], self.image.values[layer]), SharedKeys(key, value)]
        scores = torch.cat([segment.scores(rows) for segment in segments], -1) * scaling
        if window is not None and window <= self.reach:
            scores = scores.masked_fill(self._outside(window).to(scores.device), -torch.inf)
        scores[..., self.image.length :].masked_fill_(self.hidden.to(scores.device), -torch.inf)
        weights = softmax_rows(scores).split([s.length for s in segments], -1)
        return (segments[0].mix(weights[0]) + segments[1].mix(weights[1]))[None]

    def _outside(self, window: int) -> Tensor:
        """(Q, 1, N + Q) bool: what lies too far back for the rows of a layer that sees `window` tokens."""
        if window not in self.outside:
            rows = self.image.length + self.steps
            keys = torch.cat([torch.arange(self.image.length), rows])
            self.outside[window] = (rows[:, None] - keys >= window)[:, None].to(self.image.device)
        return self.outside[window]

    def after_layer(self, layer: int, hidden: Tensor) -> None:
        """Nothing to see: only branches are read with the lens."""


class QuestionBatch:
    """Question segments side by side, padded to the longest: G questions, n tokens.

    layers: per layer SharedKeys of (G, Hkv, n, D); unified: the same for layer 0 at unified positions.
    lengths: (G,) tokens of each question, on the CPU.
    padding: (G, n) bool, True where there is no token, or None when all are equally long.
    """

    def __init__(self, segments: Sequence[QuestionSegment]):
        lengths = [segment.length for segment in segments]
        self.count, self.length, self.lengths = len(lengths), max(lengths), torch.tensor(lengths)
        values = [self._pad([s.values[i] for s in segments]) for i in range(len(segments[0].values))]
        self.layers = [SharedKeys(self._pad([s.keys[i] for s in segments]), value) for i, value in enumerate(values)]
        self.unified = SharedKeys(self._pad([s.unified for s in segments]), values[0])
        self.padding: Tensor | None = None
        if min(lengths) < self.length:
            steps = torch.arange(self.length)
            self.padding = (steps >= self.lengths[:, None]).to(self.unified.keys.device)

    def _pad(self, parts: Sequence[Tensor]) -> Tensor:
        """(Hkv, n_i, D) each -> (G, Hkv, n, D)."""
        return torch.stack([torch.nn.functional.pad(p, (0, 0, 0, self.length - p.shape[1])) for p in parts])
