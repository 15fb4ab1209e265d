"""Greedy decoding of branches in lock-step, streamed token by token."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ClvsError, ModelError
from ..methods import Method, MethodError
from .attention import check_attended
from .branches import Branch, BranchBatch
from .lens import Lens
from .room import Room
from .runs import BranchLog, Token
from .segments import ImageSegment, QuestionSegment


@torch.no_grad()
def decode(
    hf: Any,
    image: ImageSegment,
    answering: Sequence[Branch],
    logs: Sequence[BranchLog],
    end: Sequence[int],
    room: Room,
    *,
    keep_logits: bool,
    every_layer: bool,
    maps: bool,
    rest: bool = False,
) -> Iterator[list[Token | None]]:
    """Yields one token per branch and step until every branch has ended or its log is full.

    logs: one per branch. end: ids that end an answer; such a token is a step of its own. maps: False records no
    attention; then logs make answers and no runs. rest: records
    attention on the words around the picture, too. room: what a step does when memory runs out.
    """
    steps = logs[0].steps
    lens = Lens(hf.get_output_embeddings(), hf.get_decoder().norm)

    def start() -> BranchBatch:
        return BranchBatch(
            hf.get_decoder(), image, answering, steps, lens, every_layer=every_layer, maps=maps, rest=rest
        )

    passes = Passes(hf, start, lens)
    branches = room.within(passes.current)
    penalty = RepetitionPenalty(hf, image, branches.questions[: branches.batch])
    follow = torch.tensor(branches.follow, device=image.device)
    ids = torch.tensor([[q.ids[-1]] for q in branches.questions], device=image.device)
    row_of = {branch: row for row, branch in enumerate(branches.order)}
    for _ in range(steps):
        logits, contrast = room.within(functools.partial(passes.forward, ids))
        branches = passes.current()
        token = penalty.choose(logits)
        penalty.heard(token)
        probability = logits.softmax(-1).gather(-1, token[:, None])[:, 0]
        chosen = list(zip(token.tolist(), probability.tolist(), strict=True))
        lost = [math.isnan(chosen[row_of[branch]][1]) for branch in range(len(answering))]
        if any(lost):
            raise no_numbers(hf.dtype, [branch.method for branch in answering], lost)
        rows = branches.rows(contrast | ({"logits": logits} if keep_logits else {}))
        yield [
            None if log.finished else log.add(rows(row), *chosen[row], end=chosen[row][0] in end)
            for log, row in ((log, row_of[branch]) for branch, log in enumerate(logs))
        ]
        if all(log.finished for log in logs):
            return
        ids = token.to(image.device)[follow][:, None]


class Passes:
    """Forward passes of branches, one token further each.

    A pass that failed midway leaves its branches and their methods' memories half changed; the next one then starts
    anew and hears all tokens so far again.
    """

    def __init__(self, hf: Any, start: Callable[[], BranchBatch], lens: Lens):
        self.hf, self.start, self.lens = hf, start, lens
        self.tokens: list[Tensor] = []  # (B + C, 1) ids each
        self._branches: BranchBatch | None = None

    def current(self) -> BranchBatch:
        """The branches after all passes so far."""
        if self._branches is None:
            branches = self.start()
            self.first = torch.tensor([[q.position] for q in branches.questions], device=branches.device)
            for count, ids in enumerate(self.tokens):
                self._run(branches, ids, count)
            self._branches = branches
        return self._branches

    def forward(self, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The branches' logits (B, V) after these ids (B + C, 1), and what is kept of their contrasts."""
        branches = self.current()
        self._branches = None
        hidden = self._run(branches, ids, len(self.tokens))
        logits, contrast = branches.contrasted(self.lens.logits(hidden[:, -1]))
        self._branches = branches
        self.tokens.append(ids)
        return logits, contrast

    def _run(self, branches: BranchBatch, ids: Tensor, count: int) -> Tensor:
        placed = branches.image.text(self.first + count)
        branches.begin(placed)
        embeddings = self.hf.get_input_embeddings()(ids)
        decoder = branches.decoder
        passed = decoder(inputs_embeds=embeddings, position_ids=placed, use_cache=False, tree=branches)
        check_attended(decoder, branches.attended)
        return passed.last_hidden_state


def no_numbers(dtype: torch.dtype, methods: Sequence[Method], lost: Sequence[bool]) -> ClvsError:
    """What to say where logits are no numbers: of a method of one's own, where only branches with such are lost.

    methods: of the branches; lost: which of these have no numbers.
    """
    own = [not all(type(part).__module__.startswith("clvs_core.") for part in method.parts) for method in methods]
    if not all(lost) and all(mine for mine, gone in zip(own, lost, strict=True) if gone):
        label = methods[lost.index(True)].label
        return MethodError(f"{label} gives no numbers (NaN); correct its edits, which clvs_core.testing checks.")
    kept = str(dtype).removeprefix("torch.")
    others = {"float16": "dtype='bfloat16' or dtype='float32'", "bfloat16": "dtype='float32'"}
    return ModelError(
        f"The model computes no numbers (NaN) in {kept}; load it with {others.get(kept, 'weights that are whole')}."
    )


class RepetitionPenalty:
    """Greedy choice under the checkpoint's own repetition penalty, as `generate` applies it.

    Qwen2.5-VL's generation settings make tokens that already stand in the prompt or answer a little less likely; most
    checkpoints have no such factor, and the largest logit wins. questions: one per branch.
    """

    def __init__(self, hf: Any, image: ImageSegment, questions: Sequence[QuestionSegment]):
        self.factor = getattr(hf.generation_config, "repetition_penalty", None) or 1.0
        self.image, self.questions = image, questions
        self.seen: Tensor | None = None  # (B, vocabulary) bool

    def choose(self, logits: Tensor) -> Tensor:
        """(B, vocabulary) -> (B,) token ids."""
        if self.factor == 1.0:
            return logits.argmax(-1)
        if self.seen is None:
            self.seen = torch.zeros_like(logits, dtype=torch.bool)
            self.seen[:, self.image.ids] = True
            for row, question in enumerate(self.questions):
                self.seen[row, list(question.ids)] = True
        lowered = torch.where(logits < 0, logits * self.factor, logits / self.factor)
        return torch.where(self.seen, lowered, logits).argmax(-1)

    def heard(self, token: Tensor) -> None:
        """These (B,) ids stand in the answers now."""
        if self.seen is not None:
            self.seen.scatter_(1, token[:, None], True)
