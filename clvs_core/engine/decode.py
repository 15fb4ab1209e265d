"""Greedy decoding of branches in lock-step, streamed token by token."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ClvsError, ModelError
from ..methods import Method, MethodError, spec
from ..models.geometry.grids import Views
from ..trace import Trace
from .attention import check_heard
from .branches import ROOM, Branch, Branches
from .lens import Lens
from .room import Room
from .segments import ImageSegment, QuestionSegment


@dataclass(frozen=True)
class Token:
    """One generated token: `text` is what it adds to the answer, "" for the end of the sequence."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """One method's answer without a trace. stop_layers: as in a trace, one for each token."""

    method: Method
    text: str
    tokens: list[Token]
    stop_layers: list[int]


@dataclass
class Run:
    """One method's answer so far.

    logits: (steps, vocab) float32 (float64 in a float64 model), or None; of methods that contrast, those that they make
    of both, -inf where a word is ruled out.
    """

    method: Method
    text: str
    tokens: list[Token]
    logits: np.ndarray | None
    trace: Trace
    finished: bool


@dataclass(frozen=True)
class Addition:
    """What one more token adds to a run: plain values, so that another process can be sent them and make the same run.

    row: its arrays by name, without the axis of steps. said: the whole answer with it. words: the tokens that `row`
    names, as text. meta: what the trace says about itself.
    """

    row: dict[str, np.ndarray]
    token: Token
    said: str
    words: dict[int, str]
    meta: dict[str, Any]
    finished: bool


class Step:
    """One more token. tokens: what each method added, None for one that had finished; runs: everything so far."""

    def __init__(self, index: int, tokens: list[Token | None], logs: Sequence[BranchLog]):
        self.index = index
        self.tokens = tokens
        self._logs = logs
        self._counts = [len(log.tokens) for log in logs]

    @functools.cached_property
    def runs(self) -> list[Run]:
        return [log.run(count) for log, count in zip(self._logs, self._counts, strict=True)]

    @property
    def additions(self) -> list[Addition | None]:
        """What is new in each of the runs, for a `RunLog` elsewhere; None for one that had finished."""
        each = zip(self._logs, self.tokens, self._counts, strict=True)
        return [None if token is None else log.addition(count) for log, token, count in each]


class RunLog:
    """Everything one branch has produced, of at most `steps` tokens; arrays grow ahead and are handed out as views.

    This one is told what is new by the log that the engine keeps, and knows of the tokenizer what that said.
    """

    def __init__(self, method: Method, views: Views, steps: int):
        self.method, self.views, self.steps = method, views, steps
        self.meta: dict[str, Any] = {}
        self.tokens: list[Token] = []
        self.texts: list[str] = []
        self.words: dict[int, str] = {}
        self.finished = False
        self.arrays: dict[str, np.ndarray] = {}

    def append(self, new: Addition) -> None:
        self.meta = new.meta
        self.texts.append(new.said)
        self.words |= new.words
        self._keep(new.row, new.token, new.finished)

    def _keep(self, row: dict[str, np.ndarray], token: Token, end: bool) -> None:
        count = len(self.tokens)
        for name, values in row.items():
            known = self.arrays.get(name)
            if known is None or count == len(known):
                grown = np.empty((min(self.steps, max(ROOM, 2 * count)), *values.shape), values.dtype)
                if known is not None:  # those who hold views of it go on holding it
                    grown[:count] = known
                self.arrays[name] = known = grown
            known[count] = values
        self.tokens.append(token)
        self.finished = end

    def said(self, count: int) -> str:
        """The answer's first `count` tokens as text."""
        return self.texts[count - 1]

    def run(self, count: int) -> Run:
        tokens = self.tokens[:count]
        text = self.said(count)
        arrays = {name: array[:count] for name, array in self.arrays.items()}
        logits = arrays.pop("logits", None)
        ids, contrast = arrays.get("lens_ids"), arrays.get("contrast_ids")
        kept: dict[str, Any] = {"original": arrays["attention"], "memory": None, **arrays}
        trace = Trace(
            views=self.views,
            meta={**self.meta, "text": text, "tokens": [[t.id, t.text, t.probability] for t in tokens]},
            lens_words=None if ids is None else [[self._words(layer) for layer in step] for step in ids],
            contrast_words=None if contrast is None else [self._words(step) for step in contrast],
            **kept,
        )
        done = self.finished and count == len(self.tokens)
        return Run(self.method, text, tokens, logits, trace, done)

    def _words(self, ids: np.ndarray) -> list[str]:
        return [self.words[token] for token in ids.tolist()]


class BranchLog(RunLog):
    """The log that the engine keeps: makes text of tokens."""

    def __init__(self, method: Method, meta: dict[str, Any], tokenizer: Any, views: Views, steps: int):
        super().__init__(method, views, steps)
        self.meta, self.tokenizer = meta, tokenizer

    def add(self, row: dict[str, np.ndarray], token: int, probability: float, end: bool) -> Token:
        before = self.texts[-1] if self.texts else ""
        text = self.tokenizer.decode([*(t.id for t in self.tokens), token], skip_special_tokens=True)
        # an unfinished character shows as U+FFFD and is held back until it is whole
        piece = "" if text.endswith("\ufffd") or not text.startswith(before) else text[len(before) :]
        self.texts.append(before + piece)
        self._keep(row, Token(token, piece, probability), end)
        return self.tokens[-1]

    def addition(self, count: int) -> Addition:
        """What token number `count`, counted from 1, added."""
        row = {name: array[count - 1] for name, array in self.arrays.items()}
        named = [row[name].ravel() for name in ("lens_ids", "contrast_ids") if name in row]
        words = {token: word for ids in named for token, word in zip(ids.tolist(), self._words(ids), strict=True)}
        done = self.finished and count == len(self.tokens)
        return Addition(row, self.tokens[count - 1], self.said(count), words, self.meta, done)

    def answer(self) -> Answer:
        """What was said, which is all that is known of branches decoded without maps."""
        stops = self.arrays["stop_layer"][: len(self.tokens)].tolist()
        return Answer(self.method, self.said(len(self.tokens)), self.tokens, stops)

    def said(self, count: int) -> str:
        return self.tokenizer.decode([t.id for t in self.tokens[:count]], skip_special_tokens=True).strip()

    def _words(self, ids: np.ndarray) -> list[str]:
        for token in ids.tolist():
            if token not in self.words:  # the same few words come back in layer after layer
                text = self.tokenizer.decode([token]).strip()
                self.words[token] = text or str(self.tokenizer.convert_ids_to_tokens(token))
        return super()._words(ids)


@torch.no_grad()
def decode(
    hf: Any,
    image: ImageSegment,
    wanted: Sequence[Branch],
    logs: Sequence[BranchLog],
    end: Sequence[int],
    keep_logits: bool,
    every_layer: bool,
    maps: bool,
    room: Room,
) -> Iterator[list[Token | None]]:
    """Yields one token per branch and step until every branch has ended or its log is full.

    logs: one per branch. end: ids that end an answer; such a token is a step of its own. maps: False records no
    attention; then logs make answers and no runs. room: what a step does when memory runs out.
    """
    steps = logs[0].steps
    lens = Lens(hf.get_output_embeddings(), hf.get_decoder().norm)

    def start() -> Branches:
        return Branches(hf.get_decoder(), image, wanted, steps, lens, every_layer, maps)

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
        probability = logits.softmax(-1).gather(-1, token[:, None])[:, 0]
        chosen = list(zip(token.tolist(), probability.tolist(), strict=True))
        lost = [math.isnan(chosen[row_of[branch]][1]) for branch in range(len(wanted))]
        if any(lost):
            raise _no_numbers(hf.dtype, wanted, lost)
        rows = _rows(branches, contrast | ({"logits": logits} if keep_logits else {}))
        yield [
            None if log.finished else log.add(rows(row), *chosen[row], chosen[row][0] in end)
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

    def __init__(self, hf: Any, start: Callable[[], Branches], lens: Lens):
        self.hf, self.start, self.lens = hf, start, lens
        self.heard: list[Tensor] = []  # (B + C, 1) ids each
        self._branches: Branches | None = None

    def current(self) -> Branches:
        """The branches after all passes so far."""
        if self._branches is None:
            branches = self.start()
            self.first = torch.tensor([[q.position] for q in branches.questions], device=branches.device)
            for count, ids in enumerate(self.heard):
                self._run(branches, ids, count)
            self._branches = branches
        return self._branches

    def forward(self, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The branches' logits (B, V) after these ids (B + C, 1), and what is kept of their contrasts."""
        branches = self.current()
        self._branches = None
        hidden = self._run(branches, ids, len(self.heard))
        found = branches.contrasted(self.lens.logits(hidden[:, -1]))
        self._branches = branches
        self.heard.append(ids)
        return found

    def _run(self, branches: Branches, ids: Tensor, count: int) -> Tensor:
        placed = branches.image.text(self.first + count)
        branches.begin(placed)
        embeddings = self.hf.get_input_embeddings()(ids)
        decoder = branches.decoder
        passed = decoder(inputs_embeds=embeddings, position_ids=placed, use_cache=False, tree=branches)
        check_heard(decoder, branches.heard)
        return passed.last_hidden_state


def _no_numbers(dtype: torch.dtype, wanted: Sequence[Branch], lost: Sequence[bool]) -> ClvsError:
    """What to say where logits are no numbers: of a method of one's own, where only branches with such are lost."""
    own = [not all(type(part).__module__.startswith("clvs_core.") for part in one.method.parts) for one in wanted]
    if not all(lost) and all(mine for mine, gone in zip(own, lost, strict=True) if gone):
        label = wanted[lost.index(True)].method.label
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
        token = torch.where(self.seen, lowered, logits).argmax(-1)
        self.seen.scatter_(1, token[:, None], True)
        return token


def _rows(branches: Branches, more: dict[str, Tensor]) -> Callable[[int], dict[str, np.ndarray]]:
    """The record on the CPU (one transfer each), as a function that gives one row's arrays by name."""
    record, methods = branches.record, branches.methods
    found = {
        "attention": record.attention,
        "uncertainty": record.uncertainty,
        "stop_layer": record.stop,
        "lens_ids": record.lens_ids,
        "lens_probabilities": record.lens_probabilities,
        "original": record.original if any(branches.edited) else None,
        **record.extras,
        **more,
    }
    arrays = {name: tensor.cpu().numpy() for name, tensor in found.items() if tensor is not None}
    only = {name: [name in m.records for m in methods] for name in record.extras} | {"original": branches.edited}
    contrasts = [m.contrasted() is not None for m in methods]
    only |= dict.fromkeys(("contrast_ids", "contrast_probabilities"), contrasts)
    return lambda row: {k: v[row] for k, v in arrays.items() if k not in only or only[k][row]}


def about(resolved: Method, **facts: Any) -> dict[str, Any]:
    """What a trace says about itself: the given facts, the method's full spec and how it stops."""
    threshold, first_check = resolved.termination()
    found = {**facts, "method": spec(resolved), "threshold": threshold, "first_check": first_check}
    contrast = resolved.contrasted()
    if contrast is not None:
        found["contrast"] = contrast.label
    return found
