"""Cells and rows of tables from scores: rounded as they are printed, official numbers with honest intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..benchmark import Benchmark
from ..bootstrap import Estimate
from ..scores import Change, Score
from .gather import Scored
from .table import Cell, Row


def row_of(
    one: Scored,
    model: str,
    part: str,
    method: str,
    cells: Iterable[tuple[str, Cell]],
    paper: str = "",
    *,
    same_model: bool = True,
) -> Row:
    """cells: each with the group that it is about."""
    counted: dict[str, tuple[int, int]] = {}
    found = []
    for group, cell in cells:
        answers, questions = counted[group] = one.sizes.get(group, (0, 0))
        found.append(replace(cell, answers=answers, questions=questions))
    # Groups of one table have no question in common, but for the one that is all of the others.
    whole = [counted[name] for name in ("total", "All") if name in counted]
    answers, questions = (sum(size[n] for size in whole[:1] or counted.values()) for n in (0, 1))
    note = unfinished(answers, questions)
    return Row(model, part, method, one.spec, tuple(found), answers, questions, one.folder, paper, same_model, note)


def unfinished(answers: int, questions: int) -> str:
    return "" if answers == questions else f"{answers:,} of {questions:,} answers"


def cell_of(ours: float, estimate: Estimate | None, factor: float, decimals: int, paper: float | None = None) -> Cell:
    """ours: as it is printed, but not rounded. factor: what makes the estimate's interval so."""
    low, high = (estimate.low, estimate.high) if estimate else (None, None)
    printed = rounded(ours, decimals)
    difference = None if paper is None else rounded(printed - paper, decimals)
    return Cell(
        printed,
        None if low is None else rounded(low * factor, decimals),
        None if high is None else rounded(high * factor, decimals),
        paper,
        difference,
        same=estimate is not None and estimate.value is not None and estimate.low is None,
    )


def rounded(value: float, decimals: int) -> float:
    return round(float(value), decimals) + 0.0  # never -0.0


def official(benchmark: Benchmark, score: Score, group: str, metric: str) -> float | None:
    """What the official scorer gives, in percent or in MME's points; None for questions that were not asked."""
    found = score.official.get(group)
    if group == "total":
        return float(found) if metric == "score" else None  # type: ignore[arg-type]
    if found is None or not score.groups[group].answers or found.get(metric) is None:
        return None
    percent = benchmark.name == "amber" or metric == "score"  # AMBER's scorer gives percent, the others fractions
    return float(found[metric]) * (1 if percent else 100)


def estimate_of(benchmark: Benchmark, score: Score, group: str, metric: str) -> Estimate | None:
    """The honest number of the same name, which knows its interval."""
    honest = score.groups.get(group)
    if honest is None:
        return None
    if metric in _OTHER_SHARES.get((benchmark.name, score.parser), ()):
        return None  # it is of all answers, and the printed one is not
    # With "no" as positive an answer that is neither counts against recall, and is not in the true negative rate.
    recall = honest.true_positive_rate if benchmark.positive == "yes" else None
    known = {"accuracy": honest.accuracy, "f1": honest.f1, "score": honest.score, "recall": recall}
    return known.get(metric)


def changes_of(one: Scored, several: Sequence[Scored]) -> Mapping[str, Change]:
    """By group, what a method changed against the vanilla of its set-up; {} for vanilla itself and without one."""
    vanilla = next((other for other in several if other.spec == "vanilla"), None)
    if vanilla is None or one is vanilla or not one.answers.keys() & vanilla.answers.keys():
        return {}
    return one.benchmark.compare(one.questions, one.answers, vanilla.answers, one.parser)


def beyond(benchmark: Benchmark, change: Change | None, metric: str) -> int | None:
    """The `Cell.beyond` of a metric; None for one without a paired interval."""
    if change is None:
        return None
    recall = change.true_positive_rate if benchmark.positive == "yes" else None
    known = {"accuracy": change.accuracy, "f1": change.f1, "score": change.score, "recall": recall}
    estimate = known.get(metric)
    if estimate is None or estimate.low is None or estimate.high is None:
        return None
    return int(estimate.low > 0) - int(estimate.high < 0)


_OTHER_SHARES = {("pope", "lmms"): ("recall", "f1")}  # by benchmark and parser: what is not a share of all answers
