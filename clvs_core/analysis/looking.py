"""Where looking matters over a benchmark, and whether a method adds its attention there.

For each question about an object of the picture, a run may hold by layer what is left of every method's answer when
that object is hidden (`bench --key-objects FILE --knockout`), beside the attention on it. With a_q(l) vanilla's
attention on the object of question q in layer l, b_q(l) a method's, and

    m_q(l) = 1 - min(1, kept_q(l) / control_q(l)),

what vanilla's answer loses when the object is hidden from the answering word around layer l (`knockout.importance`),
these are pooled over questions and layers:

    added    Σ max(0, b - a), as a share of Σ a;        of it where looking matters: Σ max(0, b - a) m / Σ max(0, b - a)
    taken    Σ max(0, a - b), as a share of Σ a;        of it where looking matters: Σ max(0, a - b) m / Σ max(0, a - b)
    there    Σ b m / Σ b, the share of a method's attention on the object that falls where looking matters
    change   Σ b m / Σ a m - 1, how much more attention than vanilla it gives the object where looking matters

Only questions count that vanilla answers with yes, as their label says: what a wrong answer needs says nothing about
finding the object. Intervals are 95 %, a bootstrap over pictures, the same samples for all methods. Layers from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ..benchmarks.bootstrap import Estimate, percentiles, resampled
from ..benchmarks.parsers import judge
from ..benchmarks.report.table import Cell, Column, Row, Table
from ..benchmarks.running.folder import RunFolder
from ..errors import ClvsError
from ..labels import number_of, run_labels, title
from ..untrusted import Count, Untrusted, checked
from .decay import REFERENCE, REPLICATES, Band, Gain, Samples, band, gain, samples
from .knockout import lost

ROWS = ("word", "both")  # whose rows were blinded
_NONE = "holds no knock-outs of key objects"


class NoKnockouts(ClvsError):
    """A run has none of what `looking` is about."""


class _Left(Untrusted):
    kept: Annotated[list[float | None], Field(min_length=1)]
    control: Annotated[list[float | None], Field(min_length=1)]
    everywhere: float | None


class _Record(Untrusted):
    """The `knockout` of a line in answers.jsonl."""

    window: Count
    word: _Left
    both: _Left


@dataclass(frozen=True, eq=False)
class Spread:
    """By layer, the mean over questions and the quartiles: (L,) each."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Shares:
    """One method's numbers, as the module's head defines them; `added` to `change` are None for vanilla itself.

    left: by the rows that were blinded, the mean share of the answer that is left without a look in all layers.
    """

    there: Estimate
    left: Mapping[str, float]
    added: Estimate | None = None
    added_there: Estimate | None = None
    taken: Estimate | None = None
    taken_there: Estimate | None = None
    change: Estimate | None = None


@dataclass(frozen=True, eq=False)
class Looking:
    """Knock-outs and attention of the S questions that vanilla answers right, for all M methods.

    samples: their attention. importance: by the rows that were blinded, (S, M, L) in [0, 1], what each method's own
    answer loses. everywhere: likewise, (S, M), what is left with the object hidden in all layers. passed_over: how many
    questions vanilla answers otherwise. window: layers hidden at a time.
    """

    samples: Samples
    reference: str
    importance: Mapping[str, np.ndarray]
    everywhere: Mapping[str, np.ndarray]
    window: int
    passed_over: int

    @property
    def weight(self) -> np.ndarray:
        """(S, L): m of the module's head."""
        return self.importance["word"][:, self.samples.methods.index(self.reference)]

    def lost(self, method: str, rows: str = "word") -> Spread:
        values = self.importance[rows][:, self.samples.methods.index(method)]
        return Spread(values.mean(0), *np.quantile(values, [0.25, 0.75], axis=0))

    def attention(self, method: str) -> Band:
        return band(self.samples.attention[:, self.samples.methods.index(method)], self.samples.picture)

    def gain(self, method: str) -> Gain:
        """Over vanilla, by layer, as figure 6 of the paper has it."""
        return gain(self.samples, method, self.reference, (0, self.samples.layers - 1))

    def shares(self, method: str) -> Shares:
        number = self.samples.methods.index(method)
        before = self.samples.attention[:, self.samples.methods.index(self.reference)]
        after, weight = self.samples.attention[:, number], self.weight
        left = {rows: float(np.mean(values[:, number])) for rows, values in self.everywhere.items()}
        there = self._ratio(after * weight, after)
        if method == self.reference:
            return Shares(there, left)
        more, less = np.maximum(after - before, 0), np.maximum(before - after, 0)
        return Shares(
            there,
            left,
            self._ratio(more, before),
            self._ratio(more * weight, more),
            self._ratio(less, before),
            self._ratio(less * weight, less),
            self._ratio(after * weight, before * weight, less=1),
        )

    def _ratio(self, above: np.ndarray, below: np.ndarray, less: float = 0) -> Estimate:
        """Of sums over all questions and layers; less: what is subtracted from it."""
        groups = int(self.samples.picture.max()) + 1
        weights = np.vstack([np.ones(groups), resampled(groups, REPLICATES)])
        sums = [np.bincount(self.samples.picture, values.sum(1), groups) for values in (above, below)]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (weights @ sums[0]) / (weights @ sums[1]) - less
        found = np.where(np.isfinite(found), found, np.nan)
        return percentiles(found) if np.isfinite(found[1:]).any() else Estimate(None, None, None)


def looking(run: RunFolder, methods: Sequence[str] | None = None) -> Looking:
    """What a run recorded of knock-outs, beside its attention.

    methods: by their names in the run, by default all with such records. Raises NoKnockouts where there are none, where
    vanilla is not among the methods or finds no object, and ClvsError for damaged records.
    """
    names = recorded(run) if methods is None else list(dict.fromkeys(methods))
    reference = next((name for name in names if run.methods.get(name) == REFERENCE), None)
    if not names or reference is None:
        raise NoKnockouts(
            f"{run.folder} {_NONE}{' of vanilla' if names else ''}; run the benchmark with --key-objects and "
            "--knockout, vanilla among the methods."
        )
    found = samples(run, names)
    held = {name: run.column(name, "knockout") for name in names}
    there = [place for place, id in enumerate(found.ids) if all(id in rows for rows in held.values())]
    right = [place for place in there if _says_yes(run, reference, found.ids[place])]
    if not right:
        raise NoKnockouts(f"{run.folder} {_NONE} that vanilla finds; there is nothing to draw or to count.")
    kept = _part(found, right)
    where = f"In {run.folder} the knockout of question"
    records = [
        [checked(_Record, rows[id], f"{where} {id:.80}", "run the benchmark anew") for rows in held.values()]
        for id in kept.ids
    ]
    return Looking(
        kept,
        reference,
        {rows: _importance(records, rows, kept.layers, run) for rows in ROWS},
        {rows: np.array([[_number(getattr(one, rows).everywhere) for one in row] for row in records]) for rows in ROWS},
        records[0][0].window,
        len(there) - len(right),
    )


def recorded(run: RunFolder) -> list[str]:
    """The methods whose knock-outs a run holds."""
    return [name for name in run.methods if run.column(name, "knockout")]


def _says_yes(run: RunFolder, method: str, id: str) -> bool:
    question = next(question for question in run.questions if question.id == id)
    return bool(judge([question], run.answers[method], run.benchmark.parser, run.benchmark.name).said[0] == 1)


def _part(found: Samples, places: Sequence[int]) -> Samples:
    """Some of the questions."""
    picture = np.unique(found.picture[places], return_inverse=True)[1]
    ids = tuple(found.ids[place] for place in places)
    return Samples(found.methods, ids, picture, found.attention[places], found.share[places])


def _importance(records: Sequence[Sequence[_Record]], rows: str, layers: int, run: RunFolder) -> np.ndarray:
    """(S, M, L)"""
    several = [[getattr(one, rows) for one in row] for row in records]
    if any(len(numbers) != layers for row in several for one in row for numbers in (one.kept, one.control)):
        raise ClvsError(f"{run.folder} has records of different numbers of layers; run the benchmark anew.")
    kept, control = (
        np.array([[list(map(_number, getattr(one, name))) for one in row] for row in several])
        for name in ("kept", "control")
    )
    if not np.isfinite(kept).all():
        raise ClvsError(f"{run.folder} has a knock-out without numbers; run the benchmark anew.")
    return lost(kept, control)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


# --- the table ----------------------------------------------------------------------------------------

_COLUMNS = (
    Column("questions", "n", 0, best=False),
    Column("attention where looking matters", "Att., W", best=False, interval=True),
    Column("added attention", "Added", best=False),
    Column("added attention where looking matters", "Added, W", best=False, interval=True),
    Column("attention taken away", "Taken", best=False),
    Column("attention taken away where looking matters", "Taken, W", best=False, interval=True),
    Column("change where looking matters", "Δ W", best=False, interval=True, signed=True),
    Column("left, hidden from the word", "Left", best=False),
    Column("left, hidden from the question too", "Left, both", best=False),
)
_TOLD = (
    "All in percent, of the attention on what a question asks about. W: the share of it that falls where looking "
    "matters, each layer counting by what vanilla's answer loses when the object is hidden from the answering word "
    "around it (beside as many other tokens hidden). Added and taken: what a method gives the object more and less "
    "than vanilla, layer by layer, in percent of all that vanilla gives it. Δ W: attention where looking matters, "
    "against vanilla's. Left: of the answer's probability, the object hidden in all layers from the answering word, "
    "and from the question's words too.",
    "95 % intervals: bootstrap over pictures, the same samples for all methods.",
)


def looking_tables(runs: Sequence[RunFolder]) -> list[Table]:
    """One table of the runs that hold knock-outs beside vanilla's, or none. Raises ClvsError for damaged records."""
    held = dict[RunFolder, Looking]()
    for run in runs:
        with suppress(NoKnockouts):
            held[run] = looking(run)
    if not held:
        return []
    rows, notes = list[Row](), list(_TOLD)
    for run, found in held.items():
        several = f", {run.folder.name}" * (len(held) > 1)
        rows += _rows(run, found, run.benchmark.label + several)
        notes.append(
            f"{_model(run)}: {run.benchmark.label}, {counted(found)}; {number_of(found.window, 'layer')} hidden at a "
            f"time; {run.folder}."
        )
    return [Table("Where looking matters (beyond the paper)", "looking", _COLUMNS, tuple(rows), tuple(notes))]


def counted(found: Looking) -> str:
    """ "285 questions about 285 pictures that vanilla answers right, of 300" """
    questions = len(found.samples.ids)
    of = f", of {questions + found.passed_over:,}" * bool(found.passed_over)
    return (
        f"{number_of(questions, 'question')} about {number_of(found.samples.pictures, 'picture')} that vanilla answers "
        f"right{of}"
    )


def _rows(run: RunFolder, found: Looking, part: str) -> list[Row]:
    names = found.samples.methods
    specs = [run.methods[name] for name in names]
    asked, rows = len(found.samples.ids), []
    for name, spec, label in zip(names, specs, run_labels(names, specs, list(map(title, specs))), strict=True):
        shares = found.shares(name)
        estimates = [shares.there, shares.added, shares.added_there, shares.taken, shares.taken_there, shares.change]
        left = [Cell(_percent(shares.left[rows])) for rows in ROWS]
        cells = (Cell(asked), *map(_cell, estimates), *left)
        rows.append(Row(_model(run), part, label, spec, cells, asked, asked, str(run.folder)))
    return rows


def _model(run: RunFolder) -> str:
    model = run.about["model"]
    return str(model.get("label") or model.get("name") or "unnamed model")


def _cell(estimate: Estimate | None) -> Cell:
    if estimate is None or estimate.value is None:
        return Cell()
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return Cell(_percent(estimate.value), same=True)
    return Cell(_percent(estimate.value), _percent(low), _percent(high))


def _percent(value: float) -> float:
    return round(100 * value, 1) + 0.0  # never -0.0
