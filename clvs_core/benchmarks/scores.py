"""Scores of judged answers: the official ones, and next to them what they leave out.

Left out by official scores: how sure a number is (95 % intervals: Wilson's for shares, where no question is asked
twice; a paired bootstrap over pictures for everything else; none where every resample gives the same number), how many
answers the parser could not read or read against their first word, and whether a gain is better sight or only a change
of bias (true and false positive rate, against vanilla). Here "positive" is the answer yes, in every benchmark, except
in `f1`, which is of the answer the benchmark's authors call positive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import ClvsError
from .bootstrap import SHARES, Estimate, Samples
from .parsers import VERDICTS, Judged, first_word, judge
from .question import Masks, Question

NO_INTERVAL = "No interval where every resample gives the same number."  # under tables that have such numbers

Official = Callable[[Judged, Masks], dict[str, Any]]


class Scorer(Protocol):
    """What scoring needs to know of a `Benchmark`."""

    @property
    def name(self) -> str: ...
    @property
    def parser(self) -> str: ...
    @property
    def positive(self) -> str: ...
    @property
    def paired(self) -> bool: ...
    @property
    def groups(self) -> Callable[[Sequence[Question]], Masks]: ...
    @property
    def official(self) -> Official: ...
    @property
    def scorers(self) -> Mapping[str, Official]: ...


@dataclass(frozen=True)
class Group:
    """Honest numbers of a group of questions, as fractions; MME's score is 0 to 200 a task.

    Attributes:
        answers: how many questions were answered.
        refused: answers in which the parser found neither yes nor no; official scorers count them as wrong.
        unparsed: answers in which a person would find neither (`parsers.first_word`), whatever the parser made of them.
        contradicted: answers that the parser read as the opposite of what a person would.
        accuracy, true_positive_rate, false_positive_rate: with Wilson intervals, which take answers as independent; in
            a group that asks a question twice (`asked_twice`) with bootstrap intervals over pictures.
        f1, score: with bootstrap intervals over pictures. score: MME only.
    """

    answers: int
    refused: int
    unparsed: int
    contradicted: int
    accuracy: Estimate
    true_positive_rate: Estimate
    false_positive_rate: Estimate
    f1: Estimate
    score: Estimate | None = None


@dataclass(frozen=True)
class Score:
    """official: what the authors' scorer prints, by group; what other code does, under one of `Benchmark.scorers`.

    groups: honest numbers, by the same groups.
    missing: questions without an answer, which are left out. extra: answers to no loaded question.
    """

    benchmark: str
    parser: str
    official: dict[str, Any]
    groups: dict[str, Group]
    missing: int
    extra: int


@dataclass(frozen=True)
class Change:
    """A method minus vanilla on the same questions, with paired bootstrap intervals over pictures.

    gained: questions that only the method answers right; lost: those that only vanilla does.
    """

    questions: int
    gained: int
    lost: int
    accuracy: Estimate
    true_positive_rate: Estimate
    false_positive_rate: Estimate
    f1: Estimate
    score: Estimate | None = None


def without_interval(groups: Iterable[Group | Change]) -> bool:
    """Whether any of their numbers has no interval."""
    found = (getattr(group, key) for group in groups for key in (*SHARES, "f1", "score"))
    return any(one is not None and one.value is not None and one.low is None for one in found)


# --- from answers to numbers --------------------------------------------------------------------------


def asked_twice(questions: Sequence[Question]) -> bool:
    """Whether a question is asked more than once: the same text about the same picture.

    POPE asks its positives again in each category, and R-Bench repeats ids: such answers are not independent.
    """
    return len({(question.image or question.id, question.text) for question in questions}) < len(questions)


def score(
    benchmark: Scorer, questions: Sequence[Question], answers: Mapping[str, str], parser: str | None = None
) -> Score:
    """See `Benchmark.score`. Raises ClvsError if no question is answered or there is no such parser."""
    parser = parser or benchmark.parser
    answered = _answered(questions, answers)
    judged, groups = judge(answered, answers, parser, benchmark.name), benchmark.groups(answered)
    read = np.array([VERDICTS[first_word(answers[question.id])] for question in answered], np.int8)
    missing = len(questions) - len(answered)
    extra = len(answers.keys() - {question.id for question in questions})
    official = benchmark.scorers.get(parser, benchmark.official)(judged, groups)
    samples = Samples(judged, groups, benchmark.positive)
    honest = {
        name: _group(
            name,
            judged.chosen(mask),
            read[mask],
            samples,
            asked_twice=asked_twice([answered[n] for n in np.flatnonzero(mask)]),
            paired=benchmark.paired,
        )
        for name, mask in groups.items()
    }
    if benchmark.paired:
        honest["total"] = _total(honest, samples, asked_twice=asked_twice(answered))
    return Score(benchmark.name, parser, official, honest, missing, extra)


def compare(
    benchmark: Scorer,
    questions: Sequence[Question],
    answers: Mapping[str, str],
    vanilla: Mapping[str, str],
    parser: str | None = None,
) -> dict[str, Change]:
    """See `Benchmark.compare`. Raises ClvsError if they answered no question in common."""
    both = [question for question in questions if question.id in answers and question.id in vanilla]
    if not both:
        raise ClvsError("The two sets of answers have no question in common; compare answers to the same questions.")
    groups, parser = benchmark.groups(both), parser or benchmark.parser
    new, old = (judge(both, each, parser, benchmark.name) for each in (answers, vanilla))
    right, was = new.said == new.truth, old.said == old.truth
    after, before = (Samples(judged, groups, benchmark.positive) for judged in (new, old))
    names = [*groups, "total"] if benchmark.paired else list(groups)
    found = {}
    for name in names:
        mask = groups.get(name, np.ones(len(both), bool))
        found[name] = Change(
            int(mask.sum()),
            int((right & ~was)[mask].sum()),
            int((was & ~right)[mask].sum()),
            after.change(before, name, "accuracy"),
            after.change(before, name, "true_positive_rate"),
            after.change(before, name, "false_positive_rate"),
            after.change(before, name, "f1"),
            after.change(before, name, "score") if benchmark.paired else None,
        )
    return found


def _answered(questions: Sequence[Question], answers: Mapping[str, str]) -> list[Question]:
    found = [question for question in questions if question.id in answers]
    if not found:
        raise ClvsError(
            f"None of the {len(answers)} answers is to one of the {len(questions)} questions; "
            "give the answers and the data of the same benchmark and part."
        )
    return found


def _group(name: str, judged: Judged, read: np.ndarray, samples: Samples, *, asked_twice: bool, paired: bool) -> Group:
    """read: (N,) int8, what a person would read, as Judged.said."""
    yes, said = judged.truth, judged.said
    return Group(
        len(yes),
        int(np.sum(said == -1)),
        int(np.sum(read == -1)),
        int(np.sum((said >= 0) & (read >= 0) & (said != read))),
        *samples.shares(name, asked_twice=asked_twice),
        samples.estimate(name, "f1"),
        samples.estimate(name, "score") if paired else None,
    )


def _total(honest: Mapping[str, Group], samples: Samples, *, asked_twice: bool) -> Group:
    """MME's total: counts of all tasks, and the sum of their scores."""
    tasks = honest.values()
    return Group(
        sum(group.answers for group in tasks),
        sum(group.refused for group in tasks),
        sum(group.unparsed for group in tasks),
        sum(group.contradicted for group in tasks),
        *samples.shares("total", asked_twice=asked_twice),
        samples.estimate("total", "f1"),
        samples.estimate("total", "score"),
    )
