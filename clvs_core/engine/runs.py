"""Answers as they grow: what each branch has said and recorded so far, here or in another process."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from ..methods import Method, spec
from ..models.geometry.grids import Views
from ..trace import Trace
from .branches import ROOM


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
    picture: what was asked about, upright; None where the run was put together from what another process sent.
    """

    method: Method
    text: str
    tokens: list[Token]
    logits: np.ndarray | None
    trace: Trace
    finished: bool
    picture: Image.Image | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Addition:
    """What one more token adds to a run: plain values, so that another process can be sent them and make the same run.

    row: its arrays by name, without the axis of steps. text: the whole answer with it. words: the tokens that `row`
    names, as text. meta: what the trace says about itself.
    """

    row: dict[str, np.ndarray]
    token: Token
    text: str
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

    This one is told what is new by the log that the engine keeps, and knows of the tokenizer what that log says.
    """

    def __init__(self, method: Method, views: Views, steps: int):
        self.method, self.views, self.steps = method, views, steps
        self.picture: Image.Image | None = None
        self.meta: dict[str, Any] = {}
        self.tokens: list[Token] = []
        self.texts: list[str] = []
        self.words: dict[int, str] = {}
        self.finished = False
        self.arrays: dict[str, np.ndarray] = {}

    def append(self, addition: Addition) -> None:
        self.meta = addition.meta
        self.texts.append(addition.text)
        self.words |= addition.words
        self._keep(addition.row, addition.token, end=addition.finished)

    def _keep(self, row: dict[str, np.ndarray], token: Token, *, end: bool) -> None:
        count = len(self.tokens)
        for name, values in row.items():
            array = self.arrays.get(name)
            if array is None or count == len(array):
                grown = np.empty((min(self.steps, max(ROOM, 2 * count)), *values.shape), values.dtype)
                if array is not None:  # those who hold views of it go on holding it
                    grown[:count] = array
                self.arrays[name] = array = grown
            array[count] = values
        self.tokens.append(token)
        self.finished = end

    def text(self, count: int) -> str:
        """The answer's first `count` tokens as text."""
        return self.texts[count - 1]

    def run(self, count: int) -> Run:
        tokens = self.tokens[:count]
        text = self.text(count)
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
        return Run(self.method, text, tokens, logits, trace, done, self.picture)

    def _words(self, ids: np.ndarray) -> list[str]:
        return [self.words[token] for token in ids.tolist()]


class BranchLog(RunLog):
    """The log that the engine keeps: makes text of tokens."""

    def __init__(
        self, method: Method, meta: dict[str, Any], tokenizer: Any, views: Views, steps: int, picture: Image.Image
    ):
        super().__init__(method, views, steps)
        self.meta, self.tokenizer, self.picture = meta, tokenizer, picture

    def add(self, row: dict[str, np.ndarray], token: int, probability: float, *, end: bool) -> Token:
        before = self.texts[-1] if self.texts else ""
        text = self.tokenizer.decode([*(t.id for t in self.tokens), token], skip_special_tokens=True)
        # an unfinished character shows as U+FFFD and is held back until it is whole
        piece = "" if text.endswith("\ufffd") or not text.startswith(before) else text[len(before) :]
        self.texts.append(before + piece)
        self._keep(row, Token(token, piece, probability), end=end)
        return self.tokens[-1]

    def addition(self, count: int) -> Addition:
        """What token number `count`, counted from 1, added."""
        row = {name: array[count - 1] for name, array in self.arrays.items()}
        named = [row[name].ravel() for name in ("lens_ids", "contrast_ids") if name in row]
        words = {token: word for ids in named for token, word in zip(ids.tolist(), self._words(ids), strict=True)}
        done = self.finished and count == len(self.tokens)
        return Addition(row, self.tokens[count - 1], self.text(count), words, self.meta, done)

    def answer(self) -> Answer:
        """What was said, which is all that is known of branches decoded without maps."""
        stops = self.arrays["stop_layer"][: len(self.tokens)].tolist()
        return Answer(self.method, self.text(len(self.tokens)), self.tokens, stops)

    def text(self, count: int) -> str:
        return self.tokenizer.decode([t.id for t in self.tokens[:count]], skip_special_tokens=True).strip()

    def _words(self, ids: np.ndarray) -> list[str]:
        for token in ids.tolist():
            if token not in self.words:  # the same few words come back in layer after layer
                text = self.tokenizer.decode([token]).strip()
                self.words[token] = text or str(self.tokenizer.convert_ids_to_tokens(token))
        return super()._words(ids)


def about(resolved: Method, **facts: Any) -> dict[str, Any]:
    """What a trace says about itself: the given facts, the method's full spec and how it stops."""
    threshold, first_check = resolved.termination()
    notes = {**facts, "method": spec(resolved), "threshold": threshold, "first_check": first_check}
    contrast = resolved.contrasted()
    if contrast is not None:
        notes["contrast"] = contrast.label
    return notes
