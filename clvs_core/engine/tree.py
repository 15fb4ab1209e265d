"""A prompt's beginning with the questions that were asked behind it: each is computed once and kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from .questions import Tail, question_segments
from .segments import ImageSegment, QuestionSegment

_QUESTIONS_KEPT = 64  # question segments kept behind one beginning


class PromptTree:
    """What prompts begin with, and the questions that were asked behind it."""

    def __init__(self, segment: ImageSegment):
        self.segment = segment
        self._questions: OrderedDict[Tail, QuestionSegment] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept of it and of its questions."""
        with self._lock:
            return self.segment.nbytes + sum(q.nbytes for q in self._questions.values())

    def ask(self, hf: Any, asked: Sequence[Tail]) -> list[QuestionSegment]:
        """The segments of these tails under these edits, from memory where possible; each different one is run once.

        Blinded ones are not kept: there are many of them, and nobody asks for them twice.
        """
        with self._lock:
            segments = {tail: self._questions[tail] for tail in asked if tail in self._questions}
        edits = list(dict.fromkeys(tail.method for tail in asked))
        missing = [tail for tail in dict.fromkeys(asked) if tail not in segments]
        missing.sort(key=lambda tail: edits.index(tail.method))  # rows under one edit stand together
        segments.update(zip(missing, question_segments(hf, self.segment, missing), strict=True))
        with self._lock:
            for tail in (tail for tail in dict.fromkeys(asked) if tail.blind is None):
                self._questions[tail] = segments[tail]
                self._questions.move_to_end(tail)
            while len(self._questions) > _QUESTIONS_KEPT:
                self._questions.popitem(last=False)
        return [segments[tail] for tail in asked]

    def forget(self) -> None:
        """Forgets the questions."""
        with self._lock:
            self._questions.clear()
