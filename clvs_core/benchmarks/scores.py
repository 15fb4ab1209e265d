"""Scores of judged answers: the official ones, and next to them what they leave out.

Left out by official scores: how sure a number is (95 % intervals: Wilson's for shares, where no question is asked
twice; a paired bootstrap over pictures for everything else; none where every resample gives the same number), how many
answers the parser could not read or read against their first word, and whether a gain is better sight or only a change
of bias (true and false positive rate, against vanilla). Here "positive" is the answer yes, in every benchmark, except
in `f1`, which is of the answer the benchmark's authors call positive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ClvsError
from .answers import first_word
from .answers import parser as parser_of
from .benchmark import Benchmark, Masks, Question

REPLICATES, SEED, LEVEL = 2000, 0, 0.95
NO_INTERVAL = "No interval where every resample gives the same number."  # under tables that have such numbers
_SAID = {"yes": 1, "no": 0, None: -1}


@dataclass(frozen=True)
class Judged:
    """N answers and what is true. truth: (N,) bool, True is yes. said: (N,) int8, 1 yes, 0 no, -1 neither.

    image: (N,) int, the same number for questions about the same picture (in MME: of the same task).
    """

    truth: np.ndarray
    said: np.ndarray
    image: np.ndarray

    def chosen(self, mask: np.ndarray) -> Judged:
        return Judged(self.truth[mask], self.said[mask], self.image[mask])


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval, all None where there is nothing to estimate it from.

    low, high: None, too, where a bootstrap gives the same number every time, which says nothing of how sure it is.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Group:
    """Honest numbers of a group of questions, as fractions; MME's score is 0 to 200 a task.

    Attributes:
        answers: how many questions were answered.
        refused: answers in which the parser found neither yes nor no; official scorers count them as wrong.
        unparsed: answers in which a person would find neither (`answers.first_word`), whatever the parser made of them.
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
    found = (getattr(group, key) for group in groups for key in (*_SHARES, "f1", "score"))
    return any(one is not None and one.value is not None and one.low is None for one in found)


# --- from answers to numbers --------------------------------------------------------------------------


def judge(
    questions: Sequence[Question], answers: Mapping[str, str], parser: str, benchmark: Benchmark | None = None
) -> Judged:
    """Reads the answer to every question; all must have one. benchmark: theirs, as some code reads each differently."""
    read = parser_of(parser, benchmark.name if benchmark else "")
    said = [_SAID[read(answers[question.id], question.label)] for question in questions]
    images: dict[str, int] = {}
    # A table without file names does not say which questions share a picture: each then counts as its own.
    names = [question.image or question.id for question in questions]
    image = [images.setdefault(name, len(images)) for name in names]
    truth = [question.label == "yes" for question in questions]
    return Judged(np.array(truth, bool), np.array(said, np.int8), np.array(image, int))


def asked_twice(questions: Sequence[Question]) -> bool:
    """Whether a question is asked more than once: the same text about the same picture.

    POPE asks its positives again in each category, and R-Bench repeats ids: such answers are not independent.
    """
    return len({(question.image or question.id, question.text) for question in questions}) < len(questions)


def score(
    benchmark: Benchmark, questions: Sequence[Question], answers: Mapping[str, str], parser: str | None = None
) -> Score:
    """See `Benchmark.score`. Raises ClvsError if no question is answered or there is no such parser."""
    parser = parser or benchmark.parser
    answered = _answered(questions, answers)
    judged, groups = judge(answered, answers, parser, benchmark), benchmark.groups(answered)
    read = np.array([_SAID[first_word(answers[question.id])] for question in answered], np.int8)
    missing = len(questions) - len(answered)
    extra = len(answers.keys() - {question.id for question in questions})
    official = benchmark.scorers.get(parser, benchmark.official)(judged, groups)
    samples = _Samples(judged, benchmark, groups)
    twice = {name: asked_twice([answered[n] for n in np.flatnonzero(mask)]) for name, mask in groups.items()}
    honest = {
        name: _group(name, judged.chosen(mask), read[mask], samples, twice[name]) for name, mask in groups.items()
    }
    if benchmark.paired:
        honest["total"] = _total(honest, samples, asked_twice(answered))
    return Score(benchmark.name, parser, official, honest, missing, extra)


def compare(
    benchmark: Benchmark,
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
    new, old = (judge(both, each, parser, benchmark) for each in (answers, vanilla))
    right, was = new.said == new.truth, old.said == old.truth
    after, before = _Samples(new, benchmark, groups), _Samples(old, benchmark, groups)
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


def _group(name: str, judged: Judged, read: np.ndarray, samples: _Samples, twice: bool) -> Group:
    """read: (N,) int8, what a person would read, as Judged.said. twice: whether a question is asked more than once."""
    yes, said = judged.truth, judged.said
    return Group(
        len(yes),
        int(np.sum(said == -1)),
        int(np.sum(read == -1)),
        int(np.sum((said >= 0) & (read >= 0) & (said != read))),
        *samples.shares(name, twice),
        samples.estimate(name, "f1"),
        samples.estimate(name, "score") if samples.paired else None,
    )


def _total(honest: Mapping[str, Group], samples: _Samples, twice: bool) -> Group:
    """MME's total: counts of all tasks, and the sum of their scores."""
    tasks = honest.values()
    return Group(
        sum(group.answers for group in tasks),
        sum(group.refused for group in tasks),
        sum(group.unparsed for group in tasks),
        sum(group.contradicted for group in tasks),
        *samples.shares("total", twice),
        samples.estimate("total", "f1"),
        samples.estimate("total", "score"),
    )


def wilson(successes: int, trials: int) -> Estimate:
    """Wilson's score interval of a share."""
    if not trials:
        return Estimate(None, None, None)
    from scipy.stats import binomtest  # slow to import, and the command line imports this module

    found = binomtest(successes, trials).proportion_ci(LEVEL, "wilson")
    return Estimate(successes / trials, float(found.low), float(found.high))


# --- bootstrap ----------------------------------------------------------------------------------------

# Columns of counts: answers, those that are neither yes nor no as lost; pictures whose answers are all right; pictures.
_TP, _FP, _TN, _FN, _LOST_YES, _LOST_NO, _ALL_RIGHT, _ASKED = range(8)
_SHARES = ("accuracy", "true_positive_rate", "false_positive_rate")


def resampled(groups: int, replicates: int) -> np.ndarray:
    """(replicates, groups) how often each group is drawn; the same for as many groups, so that methods are paired."""
    return np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1 / groups), size=replicates)


class _Samples:
    """Counts of each group by picture, and of bootstrap samples of the pictures.

    The pictures of a sample depend on their number alone, so that two methods on the same questions are paired.
    """

    def __init__(self, judged: Judged, benchmark: Benchmark, groups: Masks):
        self.pictures = int(judged.image.max()) + 1
        self.positive, self.paired = benchmark.positive, benchmark.paired
        self.groups = list(groups)
        by_group = [_counts(judged.chosen(mask), self.pictures) for mask in groups.values()]
        drawn = resampled(self.pictures, REPLICATES)
        # (1 + REPLICATES, 8) a group: the first row is the real sample.
        weights = np.vstack([np.ones(self.pictures), drawn])
        self.sums = {name: weights @ counts for name, counts in zip(self.groups, by_group, strict=True)}
        self.sums["total"] = weights @ _counts(judged, self.pictures)

    def values(self, name: str, key: str) -> np.ndarray:
        """(1 + REPLICATES,) of a statistic, NaN where it is not defined."""
        if key == "score" and name == "total":
            return np.sum([self.values(task, key) for task in self.groups], axis=0)
        return _statistic(self.sums[name], key, self.positive)

    def estimate(self, name: str, key: str) -> Estimate:
        return _percentiles(self.values(name, key))

    def shares(self, name: str, twice: bool) -> tuple[Estimate, Estimate, Estimate]:
        """Accuracy, true and false positive rate; twice: whether the group asks a question more than once."""
        if twice:
            accuracy, true_positive_rate, false_positive_rate = (self.estimate(name, key) for key in _SHARES)
            return accuracy, true_positive_rate, false_positive_rate
        tp, fp, tn, fn, lost_yes, lost_no = map(int, self.sums[name][0, :_ALL_RIGHT])
        yes, no = tp + fn + lost_yes, tn + fp + lost_no
        return wilson(tp + tn, yes + no), wilson(tp, yes), wilson(fp, no)

    def change(self, before: _Samples, name: str, key: str) -> Estimate:
        return _percentiles(self.values(name, key) - before.values(name, key))


def _counts(judged: Judged, pictures: int) -> np.ndarray:
    """(pictures, 8) float64 of the columns above."""
    yes, said = judged.truth, judged.said
    kinds = [
        yes & (said == 1),
        ~yes & (said == 1),
        ~yes & (said == 0),
        yes & (said == 0),
        yes & (said == -1),
        ~yes & (said == -1),
    ]
    columns = [np.bincount(judged.image[kind], minlength=pictures) for kind in kinds]
    asked = np.bincount(judged.image, minlength=pictures) > 0
    wrong = np.bincount(judged.image[said != yes], minlength=pictures) > 0
    return np.stack([*columns, asked & ~wrong, asked], axis=1).astype(float)


def _statistic(sums: np.ndarray, key: str, positive: str) -> np.ndarray:
    """(R,) from (R, 8) counts."""
    tp, fp, tn, fn, lost_yes, lost_no, all_right, asked = sums.T
    yes, no = tp + fn + lost_yes, tn + fp + lost_no
    hit, said, true = (tp, tp + fp, yes) if positive == "yes" else (tn, tn + fn, no)
    with np.errstate(divide="ignore", invalid="ignore"):
        if key == "accuracy":
            return (tp + tn) / (yes + no)
        if key == "true_positive_rate":
            return tp / yes
        if key == "false_positive_rate":
            return fp / no
        if key == "f1":
            # 2PR/(P+R) without its gap at P = R = 0, where it is 0.
            return 2 * hit / (said + true)
        return 100 * (tp + tn) / (yes + no) + 100 * all_right / asked


def _percentiles(values: np.ndarray) -> Estimate:
    """The first value, with percentiles of the others; without where these are all the same."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(drawn):
        return Estimate(None, None, None)
    if np.ptp(drawn) < 1e-9:  # all the same, but for rounding
        return Estimate(float(values[0]), None, None)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values[0]), float(low), float(high))
