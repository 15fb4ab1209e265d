"""Honest tables: one a benchmark, with official scores, intervals and changes against vanilla."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..benchmark import Benchmark
from ..parsers import judge
from ..scores import NO_INTERVAL, Change
from ..sets.rbench import SUBSETS
from .cells import beyond, cell_of, changes_of, estimate_of, official, rounded, row_of, unfinished
from .gather import Scored, Setup, by_setup, method_labels, setup_labels
from .notes import PARTS, different_questions, run_notes
from .table import Cell, Column, Row, Table

MEAN = "mean of subsets 1 to 5"
_PLAIN = {
    "n": Column("answers", "n", 0, best=False),
    "accuracy": Column("accuracy", "Acc", interval=True),
    "accuracy_plus": Column("accuracy+", "Acc+"),
    "precision": Column("precision", "P"),
    "recall": Column("recall", "R"),
    "f1": Column("F1", "F1", interval=True),
    "score": Column("score", "Score", interval=True),
    "yes": Column("yes ratio", "Yes", best=False),
    "change accuracy": Column("accuracy minus vanilla's", "Δ acc", best=False, interval=True, signed=True),
    "change score": Column("score minus vanilla's", "Δ score", best=False, interval=True, signed=True),
    "change true_positive_rate": Column(
        "true positive rate minus vanilla's", "Δ TPR", best=False, interval=True, signed=True
    ),
    "change false_positive_rate": Column(
        "false positive rate minus vanilla's", "Δ FPR", best=False, interval=True, signed=True
    ),
    "unparsed": Column("unparsed", "Unparsed", 0, best=False),
}
_HONEST = (
    "Intervals are of 95 %: Wilson's for shares where no question is asked twice, a bootstrap over pictures for all "
    "else, paired where of a change against vanilla. Yes is the share of answers read as yes; TPR and FPR are the "
    "shares of yes among questions whose answer is yes and no. Unparsed answers say neither to a person, whatever the "
    "parser made of them. Bold is the largest of a column where it differs from vanilla's by more than chance."
)


def honest_table(scored: Sequence[Scored]) -> Table:
    benchmark = scored[0].benchmark
    others = ("precision", "recall") if benchmark.paired else ("accuracy_plus", "score", "change score")
    keys = [key for key in _PLAIN if key not in others]
    setups = by_setup(scored)
    names = setup_labels(setups)
    rows = [row for setup, several in setups.items() for row in _plain_rows(benchmark, names[setup], several, keys)]
    if benchmark.name == "rbench":
        rows += mean_rows(setups, [(_PLAIN[key], key) for key in keys])
    columns = tuple(_PLAIN[key] for key in keys)
    positive = f"P, R and F1 are of the answer {benchmark.positive}."
    same = any(cell.same for row in rows for cell, column in zip(row.cells, columns, strict=True) if column.interval)
    notes = [_HONEST, *[NO_INTERVAL] * same, positive, *run_notes(setups, names), *different_questions(scored)]
    return Table(benchmark.label, benchmark.name, columns, tuple(rows), tuple(notes))


def _plain_rows(benchmark: Benchmark, model: str, several: Sequence[Scored], keys: Sequence[str]) -> Iterator[Row]:
    """Part by part, each method."""
    labels = method_labels(several)
    changes = [changes_of(one, several) for one in several]
    shares = [_yes(benchmark, one) for one in several]
    for group in _parts(benchmark, several):
        part = several[0].setup.part or group
        for one, label, change, yes in zip(several, labels, changes, shares, strict=True):
            cells = [_plain_cell(one, group, key, change.get(group), yes.get(group)) for key in keys]
            yield row_of(one, model, part, label, [(group, cell) for cell in cells])


def _parts(benchmark: Benchmark, several: Sequence[Scored]) -> list[str]:
    """The groups that have sections of their own: the parts of a benchmark, and all where there are several."""
    there = {group for one in several for group in one.sizes}
    parts = [name for name in PARTS[benchmark.name] if name in there]
    return [*["total" if benchmark.paired else "All"] * (len(parts) != 1), *parts]


def _yes(benchmark: Benchmark, one: Scored) -> Mapping[str, float]:
    """By group, the share of answers that the parser reads as yes."""
    answered = [question for question in one.questions if question.id in one.answers]
    if not answered:
        return {}
    yes = judge(answered, one.answers, one.parser, benchmark.name).said == 1
    masks = {"total": np.ones(len(answered), bool), **benchmark.groups(answered)}
    return {name: float(yes[mask].mean()) for name, mask in masks.items() if mask.any()}


def _plain_cell(one: Scored, group: str, key: str, change: Change | None, yes: float | None) -> Cell:
    column, score = _PLAIN[key], one.score
    honest = score.groups.get(group) if score else None
    if score is None or honest is None or not honest.answers:
        return Cell(note=one.without(group))
    if key in ("n", "unparsed"):
        return Cell(honest.answers if key == "n" else honest.unparsed)
    if key == "yes":
        return Cell() if yes is None else cell_of(100 * yes, None, 1, column.decimals)
    factor = 1 if key.endswith("score") else 100
    if key.startswith("change "):
        ours, estimate = None, getattr(change, key.removeprefix("change "), None)
    else:
        ours, estimate = official(one.benchmark, score, group, key), estimate_of(one.benchmark, score, group, key)
    if ours is None and estimate is not None and estimate.value is not None:
        ours = estimate.value * factor  # what no official scorer prints: changes, MME's F1, its accuracy in total
    if ours is None:
        return Cell()
    return replace(cell_of(ours, estimate, factor, column.decimals), beyond=beyond(one.benchmark, change, key))


def mean_rows(setups: Mapping[Setup, Sequence[Scored]], columns: Sequence[tuple[Column, str]]) -> Iterator[Row]:
    """R-Bench's official script ends with the mean over its five subsets: here for whoever was asked all of them.

    columns: each with the name of its metric; columns of other numbers stay empty.
    """
    bases: dict[Setup, dict[str, Sequence[Scored]]] = {}
    length = len("subset 1")
    for setup, several in setups.items():
        base = replace(setup, part=setup.part[length:])
        bases.setdefault(base, {})[setup.part[:length]] = several
    names = setup_labels([replace(setup, part="") for setup in setups])
    for base, parts in bases.items():
        if set(parts) != {f"subset {number}" for number in SUBSETS}:
            continue
        for first, label in zip(parts["subset 1"], method_labels(parts["subset 1"]), strict=True):
            five = [one for part in sorted(parts) for one in parts[part] if one.spec == first.spec and one.score]
            if len(five) == len(SUBSETS):
                yield _mean_row(five, names[replace(base, part="")], MEAN + base.part, label, columns)


def _mean_row(five: Sequence[Scored], model: str, part: str, label: str, columns: Sequence[tuple[Column, str]]) -> Row:
    benchmark, cells = five[0].benchmark, []
    for column, metric in columns:
        known = metric in ("accuracy", "precision", "recall", "f1")
        found = [official(benchmark, one.score, "All", metric) for one in five if one.score] if known else [None]
        there = [value for value in found if value is not None]
        cells.append(Cell(rounded(sum(there) / len(there), column.decimals)) if len(there) == len(five) else Cell())
    answers, questions = (sum(one.sizes["All"][n] for one in five) for n in (0, 1))
    cells = [replace(cell, answers=answers, questions=questions) for cell in cells]
    folder, note = ", ".join(one.folder for one in five), unfinished(answers, questions)
    return Row(model, part, label, five[0].spec, tuple(cells), answers, questions, folder, note=note)
