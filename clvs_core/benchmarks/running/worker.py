"""What runs in a worker's process, whoever started it: one model, asked from outside with plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from transformers.utils.logging import disable_progress_bar

from ..question import Question
from .asker import Asker, Row
from .local import picture_of
from .plan import Plan


class Worker:
    """An asker, or why there is none: the error waits for whoever asks."""

    def __init__(self, plan: Plan):
        disable_progress_bar()  # several at once are no use
        self._asker: Asker | None = None
        self._error: Exception | None = None
        try:
            self._asker = Asker(plan)
        except Exception as error:
            self._error = error

    def about(self) -> tuple[dict[str, Any], str]:
        """`Asker.about`, and the hardware's name."""
        return self._loaded.about(), self._loaded.device()

    def rows(self, picture: Any, questions: Sequence[Question]) -> list[Row]:
        return self._loaded.rows(picture_of(picture, questions), questions)

    @property
    def _loaded(self) -> Asker:
        if self._asker is None:
            assert self._error is not None
            raise self._error
        return self._asker


def without_pictures(questions: Iterable[Question]) -> list[Question]:
    """Without pictures, which travel once."""
    return [replace(question, picture=None) for question in questions]
