"""A question of a benchmark, and what reading questions shares: labels, ids of their own, groups. Knows no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ClvsError

Masks = dict[str, np.ndarray]  # name of a group -> (N,) bool: which of N questions belong to it


class BenchmarkWarning(UserWarning):
    """Something in a benchmark's files that changes scores and is known: what it is, in one sentence."""


@dataclass(frozen=True)
class Question:
    """One yes/no question about one picture.

    Attributes:
        id: unique within the benchmark and the same wherever the question was read from: "1005" (AMBER), "0" (R-Bench),
            "coco/random/1" (POPE), "existence/000000006040/yes" (MME).
        image: the picture's file name as the benchmark gives it; empty where a `datasets` table holds only pixels.
        text: the question as the benchmark words it, MME's "Please answer yes or no." included.
        label: "yes" or "no".
        kind: AMBER's type, R-Bench's qtype, POPE's category or MME's task.
        source: POPE's "coco", "aokvqa" or "gqa"; empty elsewhere.
        picture: what `Model.open_image` takes, or a function without arguments that gives it (a table's picture is
            decoded only when it is asked for); None where pictures were not asked for.
        meta: what else is known: row, the 0-based place in its file.
    """

    id: str
    image: str
    text: str
    label: str
    kind: str
    source: str = ""
    picture: Any = field(default=None, compare=False, repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


def label_of(value: Any, where: str) -> str:
    """ "Yes" -> "yes". Raises ClvsError for anything but yes and no; where: file and row, for its message."""
    text = value.strip().lower() if isinstance(value, str) else value
    if text not in ("yes", "no"):
        raise ClvsError(f"{where} has the label {value!r:.80}, which is neither yes nor no; use the official file.")
    return text


def unique(questions: list[Question], where: str) -> list[Question]:
    """The same questions; raises ClvsError if two have one id."""
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise ClvsError(f"{where} holds question {question.id} twice; keep one of them.")
        seen.add(question.id)
    return questions


def masks(names: Iterable[str], member: Callable[[str], Iterable[bool]]) -> Masks:
    """Groups by name; member: which questions belong to the group of that name."""
    return {name: np.fromiter(member(name), bool) for name in names}
