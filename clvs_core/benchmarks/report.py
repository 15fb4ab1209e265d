"""Tables of runs: honest numbers of each benchmark, or the CLVS paper's tables with ours beside what it prints.

    runs = [read_run(folder) for folder in find_runs(["runs"])]
    for table in tables(runs, paper=True):
        print(markdown(table))

Every number is one of `Benchmark.score` or `Benchmark.compare`. In Markdown a row has its numbers on one line, and what
they are held against (the 95 % interval, or the paper's number and ours minus it) on the next one: in one cell both
would make the paper's widest table 200 characters wide; this way it is about 115, and columns can still be read down.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import ClvsError
from ..methods import CLVS, Method
from ..methods import method as read_method
from ..methods import spec as spec_of
from ..models.prompts import parse
from .answers import PAPER
from .answers import parser as parser_of
from .base import Benchmark, Question
from .paper_tables import (
    ASKED,
    MODEL,
    PaperTable,
    departures,
    in_words,
    paper_model,
    paper_models,
    paper_tables,
    settings_apart,
)
from .rbench import SUBSETS
from .runs import RunFolder
from .scores import Change, Estimate, Score, judge

OFFICIAL, AS_PAPER = "official", "paper"  # what a parser may be called besides its name
NOT_RUN, NOT_ASKED, NO_ANSWERS, UNDEFINED = "not run", "not asked", "no answers", "undefined"
NOT_COMPARABLE = "not comparable"
NO_STOP, NO_UNIFIED = "w/o Early Termination", "w/o Unified Position"  # the paper's names for CLVS without a part
MEAN = "mean of subsets 1 to 5"
PARTS: dict[str, tuple[str, ...]] = {name: tuple(sizes) for name, sizes in ASKED.items()} | {"rbench": ()}
_FEW = 4  # settings that are named rather than counted
_TOLD_APART = ("dtype", "quantization", "image_mode", "weights")


@dataclass(frozen=True)
class Column:
    """name: in full; short: for narrow tables; group: the heading it shares with its neighbours, or "".

    best: its largest number is printed bold. interval: the 95 % interval is printed. signed: with plus and minus.
    """

    name: str
    short: str
    decimals: int = 1
    group: str = ""
    best: bool = True
    interval: bool = False
    signed: bool = False


@dataclass(frozen=True)
class Cell:
    """ours, with its 95 % interval where one is known; what the paper prints; ours minus it. None: there is no such.

    All are rounded as they are printed, so that the difference is that of the printed numbers. note: why there is none.
    answers: of how many of its questions ours is.
    """

    ours: float | None = None
    low: float | None = None
    high: float | None = None
    paper: float | None = None
    difference: float | None = None
    note: str = ""
    answers: int = 0
    questions: int = 0


@dataclass(frozen=True)
class Row:
    """One method's numbers. part: of which questions, where the table does not say it. folder: of its run or runs.

    paper_model: whose numbers stand beside, "" if nobody's; same_model: it is the model of this row.
    note: "not run", or how many answers there are of a run that is not complete; else "".
    """

    model: str
    part: str
    method: str
    spec: str
    cells: tuple[Cell, ...]
    answers: int
    questions: int
    folder: str
    paper_model: str = ""
    same_model: bool = True
    note: str = ""

    @property
    def section(self) -> tuple[str, str]:
        """Rows of one section stand under one heading, and the best of them is printed bold."""
        return self.model, self.part


@dataclass(frozen=True)
class Table:
    """name: the stem of its files. notes: sentences to stand under it."""

    title: str
    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


# --- runs -> answers to compare -----------------------------------------------------------------------


@dataclass(frozen=True)
class Setup:
    """What answers must share to stand in one section. part: R-Bench's subset, else ""."""

    benchmark: str
    name: str
    label: str = field(compare=False)
    dtype: str
    quantization: str
    image_mode: str
    weights: str
    prompt: str
    tokens: int
    part: str


@dataclass(frozen=True)
class PassedOver:
    """A run whose answers another one has, too, or more of them. differing: how many of them are not the same."""

    folder: str
    other: str
    differing: int


@dataclass(frozen=True, eq=False)
class Asked:
    """One method in one set-up: what it was asked and said, in one run or in several that complete each other.

    method: None for one that is not known here. passed_over: runs that have nothing else to say about it.
    """

    setup: Setup
    name: str
    spec: str
    method: Method | None
    runs: tuple[RunFolder, ...]
    questions: Sequence[Question]
    answers: Mapping[str, str]
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def label(self) -> str:
        return self.method.label if self.method else self.spec

    @property
    def mere(self) -> bool:
        """Whether it was asked for by its mere name: with the settings that are usual for the model."""
        return self.method is not None and self.name == self.method.name

    @property
    def folder(self) -> str:
        return ", ".join(str(run.folder) for run in self.runs)


@dataclass(frozen=True, eq=False)
class Scored(Asked):
    """score: None where there are no answers. parser: the name of the one used."""

    score: Score | None = None
    parser: str = ""

    @property
    def benchmark(self) -> Benchmark:
        return self.runs[0].benchmark

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(answers, questions) of the groups that were asked, and of all as "total"."""
        answered = np.array([question.id in self.answers for question in self.questions], bool)
        masks = {"total": np.ones(len(answered), bool), **self.benchmark.groups(self.questions)}
        return {name: (int(answered[mask].sum()), int(mask.sum())) for name, mask in masks.items() if mask.any()}

    def without(self, group: str) -> str:
        """Why there is no number of a group."""
        if group not in self.sizes:
            return NOT_ASKED
        return UNDEFINED if self.sizes[group][0] else NO_ANSWERS


def gather(runs: Sequence[RunFolder]) -> list[Asked]:
    """The answers of each method in each set-up, in the order of the runs.

    Raises ClvsError where two runs have different answers to the same questions asked in the same way, unless one is
    only a part of the other, and where they ask different questions under the same ids.
    """
    found: dict[Setup, dict[str, list[tuple[RunFolder, str]]]] = {}
    for run in runs:
        methods = found.setdefault(_setup(run), {})
        for name, text in run.methods.items():
            entries = methods.setdefault(_canonical(text), [])
            if all(other is not run for other, _ in entries):  # one run may ask a setting twice, e.g. in a sweep
                entries.append((run, name))
    for setup, methods in found.items():
        _check_questions(setup, list(dict.fromkeys(run for entries in methods.values() for run, _ in entries)))
    return [_joined(setup, spec, entries) for setup, methods in found.items() for spec, entries in methods.items()]


def _setup(run: RunFolder) -> Setup:
    model = run.about["model"]
    dtype, quantization, mode, weights = (str(model.get(key) or "") for key in _TOLD_APART)
    name, prompt = str(model.get("name", "")), str(run.about["prompt"])
    try:
        conversation, suffixes = parse(prompt)
        prompt = "+".join([conversation, *suffixes])
    except ClvsError:
        pass  # a prompt that this version does not know keeps its name
    label = _plain_text(str(model.get("label") or name))
    tokens = run.about["max_new_tokens"]
    return Setup(run.benchmark.name, name, label, dtype, quantization, mode, weights, prompt, tokens, _subset(run))


def _subset(run: RunFolder) -> str:
    """Which of R-Bench's subsets the questions are: "subset 1", "subset 1, repeated ids once", "all rows"."""
    if run.benchmark.name != "rbench":
        return ""
    options = run.about.get("options") or {}
    subset = options.get("subset", 1)
    once = ", repeated ids once" * (options.get("duplicates") == "drop")
    return f"subset {subset}{once}" if subset is not None else "all rows"


def _method(text: str) -> Method | None:
    try:
        return read_method(text)
    except ValueError:  # one's own, which only the run knew
        return None


def _canonical(text: str) -> str:
    method = _method(text)
    return spec_of(method) if method else text


def _check_questions(setup: Setup, runs: Sequence[RunFolder]) -> None:
    seen: dict[str, tuple[tuple[str, ...], RunFolder]] = {}
    for run in runs:
        for question in run.questions:
            asked = (question.text, question.label, question.image)
            known, first = seen.setdefault(question.id, (asked, run))
            if known != asked:
                raise ClvsError(
                    f"{first.folder} and {run.folder} ask {setup.label} different questions under the id "
                    f"{question.id}; report the runs of different data apart."
                )


def _joined(setup: Setup, spec: str, entries: Sequence[tuple[RunFolder, str]]) -> Asked:
    """The runs of one method in one set-up as one; what is only a part of another run is passed over."""
    kept: list[tuple[RunFolder, str]] = []
    answers: dict[str, str] = {}
    passed_over = []
    for run, name in sorted(entries, key=_first):
        own, ids = run.answers[name], {question.id for question in run.questions}
        clash = next((other for other, _ in kept if ids & {question.id for question in other.questions}), None)
        differing = sum(answers.get(id) != answer for id, answer in own.items())
        if clash is None:
            kept.append((run, name))
            answers |= own
        elif own.keys() < answers.keys() or not differing:
            passed_over.append(PassedOver(str(run.folder), str(clash.folder), differing))
        else:
            what = f"{_plain_text(name)} of {setup.label} to {run.benchmark.label}, asked in the same way"
            raise ClvsError(
                f"{clash.folder} and {run.folder} have different answers of {what} ({differing:,} of them); "
                "name one of them."
            )
    kept.sort(key=entries.index)
    questions = [question for run, _ in kept for question in run.questions]
    runs = tuple(run for run, _ in kept)
    if runs[0].benchmark.paired:
        answers = _whole_pictures(questions, answers)
    return Asked(setup, kept[0][1], spec, _method(spec), runs, questions, answers, tuple(passed_over))


def _first(entry: tuple[RunFolder, str]) -> tuple[int, int]:
    """Sorts the run with most answers first, and of those alike the one that compares most methods, not settings."""
    run, name = entry
    return -len(run.answers[name]), -len({spec.partition(":")[0] for spec in run.methods.values()})


def _whole_pictures(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """Without the answers to pictures of which only one of two questions is answered, as in a run that was stopped."""
    half = {question.image for question in questions if question.id not in answers}
    return {question.id: answers[question.id] for question in questions if question.image not in half}


def _scored(asked: Asked, parser: str) -> Scored:
    score = asked.runs[0].benchmark.score(asked.questions, asked.answers, parser) if asked.answers else None
    return Scored(**{f.name: getattr(asked, f.name) for f in fields(Asked)}, score=score, parser=parser)


# --- names --------------------------------------------------------------------------------------------


def _labels(asked: Sequence[Asked]) -> list[str]:
    """Names of methods for people; those with the same name are told apart by the settings that differ.

    They differ from those of the one that was asked for by its mere name, which keeps it, or else from any other's.
    """
    settings = {one: dict(_settings(one.method)) if one.method else {} for one in asked}
    found = []
    for one in asked:
        alike = [other for other in asked if other.label == one.label]
        mere = [other for other in alike if other.mere]
        others = [settings[other] for other in mere[:1] or alike]
        differing = (said for key, said in settings[one].items() if any(other.get(key) != said for other in others))
        said = ", ".join(filter(None, differing))
        found.append(f"{one.label} ({said})" if said else one.label)
    return [f"{name} [{one.spec}]" if found.count(name) > 1 else name for name, one in zip(found, asked, strict=True)]


def _settings(method: Method) -> Iterator[tuple[tuple[str, str], str]]:
    """((whose, setting), the setting in words) of a method or of several that are combined."""
    for part in method.parts:
        whose = f"{part.label} " if len(method.parts) > 1 else ""
        for f in fields(part):
            said = in_words(f.name, getattr(part, f.name))
            yield (part.name, f.name), whose + said if said else ""


def _setup_labels(setups: Iterable[Setup]) -> dict[Setup, str]:
    """The models' names; set-ups that share one are told apart by what differs."""
    words: dict[str, Callable[[Any], str]] = {
        "name": str,
        "dtype": str,
        "quantization": lambda value: value or "not quantised",
        "image_mode": lambda value: f"pictures {value}" if value else "",
        "prompt": lambda value: f"prompt {value.removeprefix('chat+')}",
        "tokens": lambda value: f"{value} token{'s' * (value != 1)}",
    }
    setups, found = list(dict.fromkeys(setups)), {}
    for setup in setups:
        alike = [other for other in setups if (other.label, other.part) == (setup.label, setup.part)]
        values = {key: {getattr(other, key) for other in alike} for key in words}
        said = [said(getattr(setup, key)) for key, said in words.items() if len(values[key]) > 1]
        if len({replace(other, weights="") for other in alike}) < len(alike):
            said.append(f"weights {setup.weights or 'unknown'}")  # which also differ where the number type does
        found[setup] = f"{setup.label} ({_plain_text(', '.join(filter(None, said)))})" if said else setup.label
    return found


# --- tables -------------------------------------------------------------------------------------------


def tables(runs: Sequence[RunFolder], paper: bool, parser: str | None = None, beside: str | None = None) -> list[Table]:
    """One table a benchmark; with `paper`, the paper's tables, as far as there are runs for them.

    parser: a name in `answers.PARSERS`; "official", the benchmark's (the default); or "paper", what the paper's answers
    were read with (the default with `paper`). beside: whose numbers stand beside those of a model that the paper does
    not have; by default LLaVA-1.5-7B's, or the first model's in tables without that one.

    Raises ClvsError for runs that cannot be in one table, and for names of parsers and models that do not exist.
    """
    if beside is not None and not paper:
        raise ClvsError("Only the paper's tables have numbers to stand beside; add --paper, or leave --beside out.")
    if beside is not None and beside not in paper_models():
        raise ClvsError(f"The paper has no model {beside!r:.80}; choose one of {', '.join(paper_models())}.")
    by_benchmark: dict[str, list[Scored]] = {}
    for asked in gather(runs):
        one = _scored(asked, _parser(asked, paper, parser))
        by_benchmark.setdefault(one.setup.benchmark, []).append(one)
    if paper:
        made = [_paper_table(printed, by_benchmark.get(printed.benchmark, []), beside) for printed in paper_tables()]
        return [table for table in made if table]
    return [_plain_table(several) for several in by_benchmark.values()]


def _parser(asked: Asked, paper: bool, wanted: str | None) -> str:
    benchmark = asked.runs[0].benchmark
    wanted = wanted or (AS_PAPER if paper else OFFICIAL)
    if wanted == OFFICIAL:
        return benchmark.parser
    # The paper's parsers are the same for all of its models.
    name = PAPER["llava"].parsers[benchmark.name] if wanted == AS_PAPER else wanted
    parser_of(name)
    return name


def _by_setup(scored: Sequence[Scored]) -> dict[Setup, list[Scored]]:
    found: dict[Setup, list[Scored]] = {}
    for one in scored:
        found.setdefault(one.setup, []).append(one)
    return found


def _row(
    one: Scored,
    model: str,
    part: str,
    method: str,
    cells: Iterable[tuple[str, Cell]],
    paper: str = "",
    same: bool = True,
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
    note = _unfinished(answers, questions)
    return Row(model, part, method, one.spec, tuple(found), answers, questions, one.folder, paper, same, note)


def _unfinished(answers: int, questions: int) -> str:
    return "" if answers == questions else f"{answers:,} of {questions:,} answers"


def _cell(ours: float, estimate: Estimate | None, factor: float, decimals: int, paper: float | None = None) -> Cell:
    """ours: as it is printed, but not rounded. factor: what makes the estimate's interval so."""
    low, high = (estimate.low, estimate.high) if estimate else (None, None)
    printed = _round(ours, decimals)
    difference = None if paper is None else _round(printed - paper, decimals)
    return Cell(
        printed,
        None if low is None else _round(low * factor, decimals),
        None if high is None else _round(high * factor, decimals),
        paper,
        difference,
    )


def _round(value: float, decimals: int) -> float:
    return round(float(value), decimals) + 0.0  # never -0.0


def _official(benchmark: Benchmark, score: Score, group: str, metric: str) -> float | None:
    """What the official scorer gives, in percent or in MME's points; None for questions that were not asked."""
    found = score.official.get(group)
    if group == "total":
        return float(found) if metric == "score" else None  # type: ignore[arg-type]
    if found is None or not score.groups[group].answers or found.get(metric) is None:
        return None
    percent = benchmark.name == "amber" or metric == "score"  # AMBER's scorer gives percent, the others fractions
    return float(found[metric]) * (1 if percent else 100)


def _estimate(benchmark: Benchmark, score: Score, group: str, metric: str) -> Estimate | None:
    """The honest number of the same name, which knows its interval."""
    honest = score.groups.get(group)
    if honest is None:
        return None
    # With "no" as positive an answer that is neither counts against recall, and is not in the true negative rate.
    recall = honest.true_positive_rate if benchmark.positive == "yes" else None
    known = {"accuracy": honest.accuracy, "f1": honest.f1, "score": honest.score, "recall": recall}
    return known.get(metric)


# --- honest tables ------------------------------------------------------------------------------------

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
    "Intervals are of 95 %: Wilson's for shares, a bootstrap over pictures for all else, paired where of a change "
    "against vanilla. Yes is the share of answers read as yes; TPR and FPR are the shares of yes among questions whose "
    "answer is yes and no. Unparsed answers say neither to a person, whatever the parser made of them."
)


def _plain_table(scored: Sequence[Scored]) -> Table:
    benchmark = scored[0].benchmark
    others = ("precision", "recall") if benchmark.paired else ("accuracy_plus", "score", "change score")
    keys = [key for key in _PLAIN if key not in others]
    setups = _by_setup(scored)
    names = _setup_labels(setups)
    rows = [row for setup, several in setups.items() for row in _plain_rows(benchmark, names[setup], several, keys)]
    if benchmark.name == "rbench":
        rows += _mean_rows(setups, [(_PLAIN[key], key) for key in keys])
    columns = tuple(_PLAIN[key] for key in keys)
    positive = f"P, R and F1 are of the answer {benchmark.positive}."
    notes = [_HONEST, positive, *_notes(setups, names), *_different_questions(scored)]
    return Table(benchmark.label, benchmark.name, columns, tuple(rows), tuple(notes))


def _plain_rows(benchmark: Benchmark, model: str, several: Sequence[Scored], keys: Sequence[str]) -> Iterator[Row]:
    """Part by part, each method."""
    vanilla = next((one for one in several if one.spec == "vanilla"), None)
    labels = _labels(several)
    changes = [_changes(benchmark, one, vanilla) for one in several]
    shares = [_yes(benchmark, one) for one in several]
    for group in _parts(benchmark, several):
        part = several[0].setup.part or group
        for one, label, change, yes in zip(several, labels, changes, shares, strict=True):
            cells = [_plain_cell(one, group, key, change.get(group), yes.get(group)) for key in keys]
            yield _row(one, model, part, label, [(group, cell) for cell in cells])


def _parts(benchmark: Benchmark, several: Sequence[Scored]) -> list[str]:
    """The groups that have sections of their own: the parts of a benchmark, and all where there are several."""
    there = {group for one in several for group in one.sizes}
    parts = [name for name in PARTS[benchmark.name] if name in there]
    return [*["total" if benchmark.paired else "All"] * (len(parts) != 1), *parts]


def _changes(benchmark: Benchmark, one: Scored, vanilla: Scored | None) -> Mapping[str, Change]:
    if vanilla is None or one is vanilla or not one.answers.keys() & vanilla.answers.keys():
        return {}
    return benchmark.compare(one.questions, one.answers, vanilla.answers, one.parser)


def _yes(benchmark: Benchmark, one: Scored) -> Mapping[str, float]:
    """By group, the share of answers that the parser reads as yes."""
    answered = [question for question in one.questions if question.id in one.answers]
    if not answered:
        return {}
    yes = judge(answered, one.answers, one.parser).said == 1
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
        return Cell() if yes is None else _cell(100 * yes, None, 1, column.decimals)
    factor = 1 if key.endswith("score") else 100
    if key.startswith("change "):
        ours, estimate = None, getattr(change, key.removeprefix("change "), None)
    else:
        ours, estimate = _official(one.benchmark, score, group, key), _estimate(one.benchmark, score, group, key)
    if ours is None and estimate is not None and estimate.value is not None:
        ours = estimate.value * factor  # what no official scorer prints: changes, MME's F1, its accuracy in total
    return _cell(ours, estimate, factor, column.decimals) if ours is not None else Cell()


def _mean_rows(setups: Mapping[Setup, Sequence[Scored]], columns: Sequence[tuple[Column, str]]) -> Iterator[Row]:
    """R-Bench's official script ends with the mean over its five subsets: here for whoever was asked all of them.

    columns: each with the name of its metric; columns of other numbers stay empty.
    """
    bases: dict[Setup, dict[str, Sequence[Scored]]] = {}
    length = len("subset 1")
    for setup, several in setups.items():
        base = replace(setup, part=setup.part[length:])
        bases.setdefault(base, {})[setup.part[:length]] = several
    names = _setup_labels([replace(setup, part="") for setup in setups])
    for base, parts in bases.items():
        if set(parts) != {f"subset {number}" for number in SUBSETS}:
            continue
        for first, label in zip(parts["subset 1"], _labels(parts["subset 1"]), strict=True):
            five = [one for part in sorted(parts) for one in parts[part] if one.spec == first.spec and one.score]
            if len(five) == len(SUBSETS):
                yield _mean_row(five, names[replace(base, part="")], MEAN + base.part, label, columns)


def _mean_row(five: Sequence[Scored], model: str, part: str, label: str, columns: Sequence[tuple[Column, str]]) -> Row:
    benchmark, cells = five[0].benchmark, []
    for column, metric in columns:
        known = metric in ("accuracy", "precision", "recall", "f1")
        found = [_official(benchmark, one.score, "All", metric) for one in five if one.score] if known else [None]
        there = [value for value in found if value is not None]
        cells.append(Cell(_round(sum(there) / len(there), column.decimals)) if len(there) == len(five) else Cell())
    answers, questions = (sum(one.sizes["All"][n] for one in five) for n in (0, 1))
    cells = [replace(cell, answers=answers, questions=questions) for cell in cells]
    folder, note = ", ".join(one.folder for one in five), _unfinished(answers, questions)
    return Row(model, part, label, five[0].spec, tuple(cells), answers, questions, folder, note=note)


# --- the paper's tables -------------------------------------------------------------------------------

_METRICS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1"}
_SHORT = {"accuracy": "acc", "precision": "P", "recall": "R", "f1": "F1"}
_SHORT |= {"Existence": "Exist.", "Attribute": "Attr.", "Relation": "Rel."}
_SHORT |= {"random": "rand.", "popular": "pop.", "adversarial": "adv."}


def _paper_table(table: PaperTable, scored: Sequence[Scored], beside: str | None) -> Table | None:
    """None where no run has anything of it."""
    setups = _of_paper(scored)
    picked = {setup: methods for setup, several in setups.items() if (methods := _picked(table, several))}
    if not picked:
        return None
    names, columns = _setup_labels(picked), _paper_columns(table)
    rows: list[Row] = []
    notes: list[str] = []
    for setup, methods in picked.items():
        model, same = _beside(table, setup, beside)
        rows += _paper_rows(table, setup, names[setup], methods, model, same)
        notes += _paper_notes(table, names[setup], methods, model, same)
        notes += _left_out(table, names[setup], setups[setup], methods)
    if table.name == "rbench":
        metrics = [metric for _, metric in table.columns]
        rows += _mean_rows(_by_setup(scored), list(zip(columns, metrics, strict=True)))
    notes += _different_questions([one for methods in picked.values() for one in methods.values()])
    return Table(table.title, table.name, columns, tuple(rows), tuple(dict.fromkeys(notes)))


def _paper_columns(table: PaperTable) -> tuple[Column, ...]:
    found = []
    for group, metric in table.columns:
        if metric == "score":
            found.append(Column(group, group, table.decimals))
            continue
        several = len(table.groups) > 1
        name = f"{group} {_METRICS[metric]}" if several else _METRICS[metric]
        short = f"{_SHORT.get(group, group)} {_SHORT[metric]}" if several else _METRICS[metric]
        found.append(Column(name, short, table.decimals, group if several else ""))
    return tuple(found)


def _of_paper(scored: Sequence[Scored]) -> dict[Setup, list[Scored]]:
    """By set-up; of R-Bench's subsets only the first, which is the paper's, where a model was asked it."""
    found = _by_setup(scored)
    first = {replace(setup, part="") for setup in found if setup.part.startswith("subset 1")}
    return {
        setup: several
        for setup, several in found.items()
        if setup.part.startswith("subset 1") or replace(setup, part="") not in first
    }


def _beside(table: PaperTable, setup: Setup, beside: str | None) -> tuple[str, bool]:
    """Whose numbers stand beside: the paper's name of a model, and whether it is the model that ran."""
    if model := paper_model(setup.name):
        return model, True
    return beside or (MODEL if MODEL in table.values else next(iter(table.values))), False


def _picked(table: PaperTable, several: Sequence[Scored]) -> dict[str, Scored]:
    """By the paper's name of a method, whose answers stand in its row; the paper has one setting of each."""
    several = [one for one in several if one.sizes.keys() & table.groups]
    if table.name == "ablation":
        return _ablation(several)
    alike: dict[str, list[Scored]] = {}
    for one in several:
        if not _ablated(one.method):
            alike.setdefault(one.label, []).append(one)
    order = [label for values in table.values.values() for label in values]
    labels = dict.fromkeys([*(label for label in order if label in alike), *alike])
    return {label: _usual(alike[label]) for label in labels}


def _usual(alike: Sequence[Scored]) -> Scored:
    """Of several settings of a method: the one that was asked for by the mere name, else the nearest to the paper's."""

    def distance(one: Scored) -> tuple[bool, int]:
        return not one.mere, len(_apart(one, paper_model(one.setup.name) or MODEL))

    return min(alike, key=distance)


def _without(method: Method | None) -> str | None:
    """What the paper's ablation calls a CLVS; None for other methods, and without both parts."""
    if not isinstance(method, CLVS):
        return None
    names = {(True, True): "CLVS", (False, True): NO_STOP, (True, False): NO_UNIFIED}
    return names.get((method.early_termination, method.unified_positions))


def _ablated(method: Method | None) -> bool:
    return isinstance(method, CLVS) and _without(method) != "CLVS"


def _ablation(several: Sequence[Scored]) -> dict[str, Scored]:
    """CLVS, and CLVS without each of its parts at otherwise the same settings; nothing if no part was left out."""
    alike: dict[str, list[Scored]] = {"CLVS": [], NO_STOP: [], NO_UNIFIED: []}
    for one in several:
        if name := _without(one.method):
            alike[name].append(one)
    found = {"CLVS": _usual(alike["CLVS"])} if alike["CLVS"] else {}

    def other(one: Scored) -> bool:
        whole = replace(one.method, early_termination=True, unified_positions=True)  # type: ignore[type-var]
        return bool(found) and whole != found["CLVS"].method

    parts = {name: min(alike[name], key=other) for name in (NO_STOP, NO_UNIFIED) if alike[name]}
    return found | parts if parts else {}


def _paper_rows(
    table: PaperTable, setup: Setup, label: str, picked: Mapping[str, Scored], model: str, same: bool
) -> Iterator[Row]:
    """A row for every method that ran, and for those that the paper ran with this model and we did not."""
    numbers = table.values.get(model, {})
    shown = model if numbers else ""
    for method in dict.fromkeys([*(numbers if same else ()), *picked]):
        one = picked.get(method)
        printed = numbers.get(method, [None] * len(table.columns))
        if one is None:
            empty = tuple(Cell(paper=value, note=NOT_RUN) for value in printed)
            yield Row(label, setup.part, method, "", empty, 0, 0, "", shown, same, NOT_RUN)
            continue
        cells = [
            (group, _paper_cell(table, one, group, metric, value))
            for (group, metric), value in zip(table.columns, printed, strict=True)
        ]
        yield _row(one, label, setup.part, method, cells, shown, same)


def _paper_cell(table: PaperTable, one: Scored, group: str, metric: str, printed: float | None) -> Cell:
    ours = _official(one.benchmark, one.score, group, metric) if one.score else None
    if one.score is None or ours is None:
        return Cell(paper=printed, note=one.without(group))
    estimate = _estimate(one.benchmark, one.score, group, metric)
    cell = _cell(ours, estimate, 1 if metric == "score" else 100, table.decimals, printed)
    if group in ("All", "total") and _absent(table, one):
        return replace(cell, difference=None, note=NOT_COMPARABLE)
    return cell


def _absent(table: PaperTable, one: Scored) -> list[str]:
    """The parts of the benchmark that this table is about and that were not asked."""
    wanted = [name for name in PARTS[one.setup.benchmark] if {name, "All", "total"} & set(table.groups)]
    return [name for name in wanted if name not in one.sizes]


# --- notes --------------------------------------------------------------------------------------------


def _notes(setups: Mapping[Setup, Sequence[Scored]], names: Mapping[Setup, str]) -> list[str]:
    """What was run, of honest tables."""
    found = []
    for setup, several in setups.items():
        found += [_about(one, names[setup]) for one in _by_runs(several)]
        found += _passed_over(several)
        found += _taken_up(several)
    return list(dict.fromkeys(found))


def _paper_notes(table: PaperTable, label: str, picked: Mapping[str, Scored], model: str, same: bool) -> Iterator[str]:
    """What was run, what departs from the paper, and what is missing, for one model."""
    if not same:
        yield (
            f"{label} is not a model of the paper, and its questions need not be the paper's: beside it stand the "
            f"numbers of {model}, and the difference is no measure of reproduction."
        )
    elif model not in table.values:
        yield f"The paper has no numbers of {model} in this table."
    for one in _by_runs(picked.values()):
        yield _about(one, label)
        about = one.runs[0].about
        if unlike := departures(one.benchmark, about, one.questions, one.parser, model, table.groups):
            yield f"Unlike the paper's runs of {model}: {_plain_text('; '.join(unlike))} ({one.folder})."
        if absent := _absent(table, one):
            yield f"{_listed(absent)} of {one.benchmark.label} {_were(absent)} not asked of {label}{_whole(table)}."
    apart: dict[str, list[str]] = {}
    for name, one in picked.items():
        if name in table.values.get(model, {}) and (own := _apart(one, model)):
            apart.setdefault(", ".join(own), []).append(name)
    for said, names in apart.items():
        yield f"{_listed(names)} of {label} {_have(names)} other settings than in the paper: {said}."
    yield from _passed_over(list(picked.values()))
    yield from _taken_up(list(picked.values()))


def _whole(table: PaperTable) -> str:
    """What follows from missing parts, in a table that also has the number of all of them."""
    name = next((said for group, said in (("All", "All"), ("total", "the total")) if group in table.groups), None)
    return f"; {name} is over the others, is not comparable, and no difference is printed for it" if name else ""


def _left_out(table: PaperTable, label: str, several: Sequence[Scored], picked: Mapping[str, Scored]) -> Iterator[str]:
    """Other settings of methods that are in the table. The ablation's are in the table of its benchmark."""
    names = [
        name
        for one, name in zip(several, _labels(several), strict=True)
        if one not in picked.values() and not _ablated(one.method)
    ]
    if names and table.name != "ablation":
        said = _listed(names) if len(names) <= _FEW else f"{len(names)} other settings"
        yield f"Also run with {label}, and in the report without --paper: {said}."


def _passed_over(several: Sequence[Scored]) -> Iterator[str]:
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for one, label in zip(several, _labels(several), strict=True):
        for passed in one.passed_over:
            found.setdefault((passed.folder, passed.other), []).append((label, passed.differing))
    for (folder, other), labels in found.items():
        differing = sum(number for _, number in labels)
        but = f", where {differing:,} of its answers are different" * bool(differing)
        names = _listed([label for label, _ in labels])
        yield f"What {folder} has of {names} is in {other}, too{but}; the latter counts."


def _apart(one: Scored, model: str) -> list[str]:
    layers = one.runs[0].about["model"].get("layers")
    return settings_apart(one.method, layers if isinstance(layers, int) else None, model) if one.method else []


def _by_runs(several: Iterable[Scored]) -> list[Scored]:
    """One for each run, or several runs that complete each other."""
    found: dict[tuple[RunFolder, ...], Scored] = {}
    for one in several:
        found.setdefault(one.runs, one)
    return list(found.values())


def _about(one: Scored, label: str) -> str:
    """One sentence: what was asked, how, of what model, with which versions, and where the run is."""
    about = one.runs[0].about
    pictures = len({question.image or question.id for question in one.questions})
    length, model, versions = about["max_new_tokens"], about["model"], about.get("versions") or {}
    limits = [f"{name} {value}" for name, value in (about.get("selection") or {}).items() if value]
    said = [
        f"{label}: {_part(one)}, {len(one.questions):,} questions about {pictures:,} pictures",
        *[f"chosen by {' and '.join(limits)}"] * bool(limits),
        f"prompt {about['prompt']}, up to {length} new token{'s' * (length != 1)}, parser {one.parser}",
        f"{model.get('dtype')} on {model.get('device')}",
        ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        one.folder,
    ]
    return _plain_text("; ".join(filter(None, said))) + "."


def _part(one: Scored) -> str:
    if one.setup.part:
        return f"R-Bench image level, {one.setup.part}"
    sources = list(dict.fromkeys(question.source for question in one.questions if question.source))
    of = f" of {_listed(sources)}" if sources else ""
    return f"{one.benchmark.label} {_listed([name for name in PARTS[one.setup.benchmark] if name in one.sizes])}{of}"


def _taken_up(several: Sequence[Scored]) -> Iterator[str]:
    """A run that was taken up again with other versions says so."""
    for run in dict.fromkeys(run for one in several for run in one.runs):
        first = run.about.get("versions")
        if any((session.get("versions") or first) != first for session in run.about.get("sessions") or []):
            yield f"{run.folder} was taken up again with other versions; its run.json names them."


def _different_questions(several: Sequence[Scored]) -> list[str]:
    asked: dict[str, set[frozenset[tuple[str, str]]]] = {}
    for one in several:
        found = frozenset((question.id, question.text) for question in one.questions)
        asked.setdefault(one.setup.part, set()).add(found)
    apart = any(len(questions) > 1 for questions in asked.values())
    return ["Not all rows are about the same questions; what each was asked is said above."] * apart


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def _were(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


# --- texts --------------------------------------------------------------------------------------------


def heading(row: Row) -> str:
    """What stands above the rows of a section: the model, the part, and whose numbers stand beside."""
    what = ", ".join(filter(None, row.section))
    if not row.paper_model:
        return what
    if row.same_model:
        return f"{what} (the paper's {row.paper_model})"
    return f"{what}, beside the paper's {row.paper_model}: another model, and no measure of reproduction"


def sections(table: Table) -> list[list[Row]]:
    """The rows under each heading."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in table.rows:
        found.setdefault(row.section, []).append(row)
    return list(found.values())


def best(table: Table, rows: Sequence[Row]) -> set[tuple[int, int]]:
    """(row, column) of the largest numbers of a section, of at least two that are complete and of as many questions."""
    found = set()
    most = max(row.questions for row in rows)
    for n, column in enumerate(table.columns):
        values = {i: row.cells[n].ours for i, row in enumerate(rows) if not row.note and row.questions == most}
        there = {i: value for i, value in values.items() if value is not None}
        if column.best and len(there) > 1:
            found |= {(i, n) for i, value in there.items() if value == max(there.values())}
    return found


def number(value: float | None, column: Column) -> str:
    """As it is printed; "" for None."""
    return "" if value is None else f"{value:{'+' if column.signed else ''},.{column.decimals}f}"


def _interval(cell: Cell, column: Column) -> str:
    if cell.low is None or cell.high is None:
        return ""
    return number(cell.low, column) + (" to " if column.signed else "–") + number(cell.high, column)


def _plain_text(text: str) -> str:
    """Text from a file on one line, without control characters that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def markdown(table: Table) -> str:
    """The table for GitHub and for a terminal: a heading and a table for each section, and the notes as a list."""
    blocks = [f"## {_md(table.title)}"]
    for rows in sections(table):
        blocks += [f"### {_md(heading(rows[0]))}", _md_table(table, rows)]
    legend = ["Under ours: the paper's number, and ours minus it."] * _has_paper(table)
    if notes := [*legend, *table.notes]:
        blocks.append("\n".join(f"- {_md(note)}" for note in notes))
    return "\n\n".join(blocks) + "\n"


def _has_paper(table: Table) -> bool:
    return any(cell.paper is not None for row in table.rows for cell in row.cells)


def _md_table(table: Table, rows: Sequence[Row]) -> str:
    bold = best(table, rows)
    lines = [["Method", *(_md(column.short) for column in table.columns)]]
    for i, row in enumerate(rows):
        note = f" ({row.note})" if row.note and row.note != NOT_RUN else ""
        cells = [number(cell.ours, column) or cell.note for cell, column in zip(row.cells, table.columns, strict=True)]
        cells = [f"**{_md(text)}**" if (i, n) in bold else _md(text) for n, text in enumerate(cells)]
        lines.append([_md(row.method + note), *cells])
        lines += _md_below(table, row)
    widths = [max(len(line[n]) for line in lines) for n in range(len(table.columns) + 1)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        f"| {' | '.join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])} |" for line in lines
    )


def _md_below(table: Table, row: Row) -> Iterator[list[str]]:
    """The lines under a row of numbers: intervals, and the paper's numbers."""
    pairs = list(zip(row.cells, table.columns, strict=True))
    if any(column.interval for column in table.columns) and row.note != NOT_RUN:
        yield ["95 %", *(_md(_interval(cell, column)) if column.interval else "" for cell, column in pairs)]
    if any(cell.paper is not None for cell in row.cells):
        below = (
            " ".join(filter(None, (number(cell.paper, column), _signed(cell.difference, column))))
            for cell, column in pairs
        )
        yield ["paper", *map(_md, below)]


def _signed(difference: float | None, column: Column) -> str:
    return number(difference, replace(column, signed=True))


def _md(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]&~#])", r"\\\1", _plain_text(text))


CSV_COLUMNS = (
    *("table", "model", "method", "spec", "column", "ours", "ours_low", "ours_high", "paper", "difference"),
    *("answers", "questions", "run", "part", "paper_model", "note"),
)


def csv_text(tables: Iterable[Table]) -> str:
    """All cells, one a line, in the columns of CSV_COLUMNS; what there is not is empty.

    paper_model: whose numbers `paper` are, also where it is another model than the row's. note: why a number is
    missing, or how many answers there are of a run that is not complete.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for table in tables:
        for row in table.rows:
            for cell, column in zip(row.cells, table.columns, strict=True):
                plain = replace(column, signed=False)
                values = (cell.ours, cell.low, cell.high, cell.paper, cell.difference)
                printed = [number(value, plain).replace(",", "") for value in values]
                texts = (table.name, row.model, row.method, row.spec, column.name)
                more = (cell.answers, cell.questions, row.folder, row.part, row.paper_model, cell.note or row.note)
                writer.writerow([*map(_plain_text, texts), *printed, *(_plain_text(str(value)) for value in more)])
    return out.getvalue()


def latex(table: Table) -> str:
    """A table environment with a booktabs tabular: ours, and in parentheses the paper's number or the 95 % interval."""
    width = len(table.columns) + 1
    lines = ["% needs \\usepackage{booktabs}", "\\begin{table}", "\\centering\\small\\setlength{\\tabcolsep}{4pt}"]
    lines += [f"\\caption{{{_tex(table.title)}}}", f"\\begin{{tabular}}{{l{'r' * (width - 1)}}}", "\\toprule"]
    lines += _tex_head(table)
    for rows in sections(table):
        lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{\\textit{{{_tex(heading(rows[0]))}}}}} \\\\"]
        bold = best(table, rows)
        for i, row in enumerate(rows):
            cells = [
                _tex_cell(cell, column, (i, n) in bold)
                for n, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True))
            ]
            name = row.method + (f" ({row.note})" if row.note else "")
            lines.append(" & ".join([_tex(name), *cells]) + " \\\\")
    lines += ["\\bottomrule", "\\end{tabular}", ""]
    legend = "In parentheses: " + ("the paper's numbers." if _has_paper(table) else "95 % intervals.")
    notes = [legend, *table.notes]
    lines += [f"\\par\\smallskip\\parbox{{\\linewidth}}{{\\footnotesize {_tex(note)}}}" for note in notes]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


def _tex_head(table: Table) -> list[str]:
    """One line of names, or two where neighbours share a heading."""
    names = [
        _tex(column.name.removeprefix(column.group).strip() if column.group else column.short)
        for column in table.columns
    ]
    lines = []
    if any(column.group for column in table.columns):
        groups = [(group, len(list(several))) for group, several in groupby(column.group for column in table.columns)]
        lines.append(
            " & ".join(["", *(f"\\multicolumn{{{n}}}{{c}}{{{_tex(group)}}}" for group, n in groups)]) + " \\\\"
        )
    return [*lines, " & ".join(["Method", *names]) + " \\\\"]


def _tex_cell(cell: Cell, column: Column, bold: bool) -> str:
    ours = number(cell.ours, column).replace("-", "$-$") or "--"
    beside = number(cell.paper, column) or (_interval(cell, column) if column.interval else "")
    beside = beside.replace("-", "$-$").replace("–", "--")
    return (f"\\textbf{{{ours}}}" if bold else ours) + (f" ({beside})" if beside else "")


_TEX = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}"}
_TEX |= {">": "\\textgreater{}", "|": "\\textbar{}", '"': "''", "`": "{\\char96}", "[": "{[}", "]": "{]}"}
_TEX |= {character: f"\\{character}" for character in "{}$&#_%"}
_TEX |= {"α": "$\\alpha$", "β": "$\\beta$", "γ": "$\\gamma$", "τ": "$\\tau$", "ρ": "$\\rho$", "Δ": "$\\Delta$"}


def _tex(text: str) -> str:
    """Text that any LaTeX prints as it is; letters that it may not have as their code."""
    text = "".join(_TEX.get(c) or (c if c.isascii() else _tex_letter(c)) for c in _plain_text(text))
    return re.sub(r"-(?=-)", "-{}", text)  # two hyphens would become a dash


def _tex_letter(letter: str) -> str:
    """Accents are dropped rather than left to the document's encoding."""
    plain = unicodedata.normalize("NFKD", letter)
    base = "".join(_TEX.get(c, c) for c in plain if c.isascii())
    return base or f"(U+{ord(letter):04X})"
