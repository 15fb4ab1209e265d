"""What is asked, and how: the questions of a run, picture by picture, and a plan that any process can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import ClvsError
from ...key_objects import CocoInstances, mentioned
from ...models.prompts import CHAT
from ..benchmark import Benchmark
from ..question import Question

BATCH = 128


@dataclass(frozen=True)
class Plan:
    """How questions are asked; plain data, so that it reaches other processes and machines.

    model, dtype, device, quantization, image_mode: as `load_model` takes them. methods: name in the answers -> spec.
    files: Python files with methods of one's own. masks: a COCO instances file; then key-object attention is recorded
    for questions that are answered yes and name an object of the picture. lens: also record the uncertainty after every
    layer, and where the answer has converged. knockout: also record, where key-object attention is, what is left of the
    answer when that object is hidden. batch: branches of one pass at most, but always one question with all
    methods, and not counting the rows of contrasts; more memory, less time. threads: of PyTorch, None for its own
    choice.
    """

    model: str
    methods: Mapping[str, str]
    prompt: str = CHAT
    max_new_tokens: int = 1
    dtype: str = "auto"
    device: str = "auto"
    quantization: str | None = None
    image_mode: Any = None
    files: Sequence[str] = ()
    masks: str | None = None
    lens: bool = False
    batch: int = BATCH
    threads: int | None = None
    knockout: bool = False

    @property
    def records(self) -> list[str]:
        return [*["key_objects"] * bool(self.masks), *["lens"] * self.lens, *["knockout"] * self.knockout]


@dataclass(frozen=True)
class Job:
    """All questions about one picture, each once. picture: what `Question.picture` is."""

    picture: Any
    questions: Sequence[Question]


@dataclass(frozen=True)
class Task:
    """Which questions of which benchmark: what a run is about, apart from how they are asked.

    data, options: as `Benchmark.load` takes them. selection: how the questions were chosen from those, for people.
    """

    benchmark: Benchmark
    data: str
    questions: Sequence[Question]
    options: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    @property
    def jobs(self) -> list[Job]:
        """One a picture, in the order of the questions. Questions whose picture has no name are alone."""
        by_picture: dict[str, dict[str, Question]] = {}
        for question in self.questions:
            by_picture.setdefault(_picture(question), {})[question.id] = question
        return [Job(next(iter(some.values())).picture, tuple(some.values())) for some in by_picture.values()]


def _picture(question: Question) -> str:
    """What tells pictures apart: the name, or where a table has none, the question."""
    return question.image or f"\0{question.id}"


# --- choosing questions -------------------------------------------------------------------------------


def first_pictures(questions: Sequence[Question], number: int) -> list[Question]:
    """The questions about the first pictures."""
    kept = set(list(dict.fromkeys(map(_picture, questions)))[:number])
    return [question for question in questions if _picture(question) in kept]


def positives(questions: Sequence[Question], number: int, masks: Any = None) -> list[Question]:
    """Questions that are answered yes, the first of each picture, of at most `number` pictures.

    masks: CocoInstances; then only questions that name an object which has a mask. The CLVS paper measures key-object
    attention on 500 such questions of POPE and does not say which; POPE's COCO files have 500 pictures.
    """
    found: dict[str, Question] = {}
    for question in questions:
        if question.label != "yes" or _picture(question) in found:
            continue
        if masks is None or named_object(masks, question):
            found[_picture(question)] = question
        if len(found) == number:
            break
    if not found:
        raise ClvsError("None of the questions is answered yes and names an object with a mask; give the masks' file.")
    return list(found.values())


def named_object(masks: CocoInstances, question: Question) -> bool:
    """Whether the masks have an object that the question names; not where they have several pictures of its name."""
    try:
        return bool(mentioned(question.text, [item.name for item in masks.find(question.image)]))
    except ClvsError:
        return False
