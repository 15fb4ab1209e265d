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
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import ClvsError
from ..methods import CLVS, Method
from ..methods import method as read_method
from ..methods import spec as spec_of
from ..methods.base import PaperLayers
from ..models.prompts import parse
from .answers import PAPER
from .answers import parser as parser_of
from .base import Benchmark, Question
from .mme import TASKS
from .paper_tables import MODEL, PaperTable, beta, departures, paper_model, paper_models, paper_tables
from .pope import CATEGORIES
from .rbench import SUBSETS
from .runs import RunFolder
from .scores import Change, Estimate, Score, judge

OFFICIAL, AS_PAPER = "official", "paper"  # what a parser may be called besides its name
NOT_RUN, NOT_ASKED, NOT_COMPARABLE = "not run", "not asked", "not comparable"
NO_STOP, NO_UNIFIED = "w/o Early Termination", "w/o Unified Position"  # the paper's names for CLVS without a part
MEAN = "mean of subsets 1 to 5"


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
    """

    ours: float | None = None
    low: float | None = None
    high: float | None = None
    paper: float | None = None
    difference: float | None = None
    note: str = ""


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
    label: str
    dtype: str
    quantization: str
    image_mode: str
    weights: str
    prompt: str
    tokens: int
    part: str


@dataclass(frozen=True, eq=False)
class Asked:
    """One method in one set-up: what it was asked and said, in one run or in several that complete each other.

    method: None for one that is not known here. remarks: sentences about runs that were left out.
    """

    setup: Setup
    name: str
    spec: str
    method: Method | None
    runs: tuple[RunFolder, ...]
    questions: Sequence[Question]
    answers: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.method.label if self.method else self.spec

    @property
    def folder(self) -> str:
        return ", ".join(str(run.folder) for run in self.runs)


@dataclass(frozen=True, eq=False)
class Scored(Asked):
    """score: None where there are no answers. parser: the name of the one used."""

    score: Score | None = None
    parser: str = ""


def gather(runs: Sequence[RunFolder]) -> list[Asked]:
    """The answers of each method in each set-up, in the order of the runs.

    Raises ClvsError where two runs answer the same questions in the same way, unless one is a part of the other, and
    where they ask different questions under the same ids.
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
    known = [str(model.get(key) or "") for key in ("dtype", "quantization", "image_mode", "weights")]
    name, prompt = str(model.get("name", "")), str(run.about["prompt"])
    try:
        conversation, suffixes = parse(prompt)
        prompt = "+".join([conversation, *suffixes])
    except ClvsError:
        pass  # a prompt that this version does not know keeps its name
    label = _plain_text(str(model.get("label") or name))
    return Setup(run.benchmark.name, name, label, *known, prompt, run.about["max_new_tokens"], _subset(run))


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
    """The runs of one method in one set-up as one; what is only a part of another run is left out."""
    kept: list[tuple[RunFolder, str]] = []
    remarks = []
    for run, name in sorted(entries, key=lambda entry: -len(entry[0].answers[entry[1]])):
        ids = {question.id for question in run.questions}
        clash = next((entry for entry in kept if ids & {question.id for question in entry[0].questions}), None)
        if clash is None:
            kept.append((run, name))
        elif run.answers[name].keys() < clash[0].answers[clash[1]].keys():
            remarks.append(f"{run.folder} answers a part of what {clash[0].folder} does, which counts.")
        else:
            what = f"{_plain_text(name)} of {setup.label} to {run.benchmark.label}, asked in the same way"
            raise ClvsError(f"{clash[0].folder} and {run.folder} both have answers of {what}; name one of them.")
    kept.sort(key=lambda entry: entries.index(entry))
    benchmark = kept[0][0].benchmark
    questions = [question for run, _ in kept for question in run.questions]
    answers = {id: answer for run, name in kept for id, answer in run.answers[name].items()}
    if benchmark.paired:
        answers = _whole_pictures(questions, answers)
    runs = tuple(run for run, _ in kept)
    return Asked(setup, kept[0][1], spec, _method(spec), runs, questions, answers, tuple(remarks))


def _whole_pictures(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """Without the answers to pictures of which only one of two questions is answered, as in a run that was stopped."""
    half = {question.image for question in questions if question.id not in answers}
    return {question.id: answers[question.id] for question in questions if question.image not in half}


def _scored(asked: Asked, parser: str) -> Scored:
    score = asked.runs[0].benchmark.score(asked.questions, asked.answers, parser) if asked.answers else None
    return Scored(**{f.name: getattr(asked, f.name) for f in fields(Asked)}, score=score, parser=parser)


# --- names --------------------------------------------------------------------------------------------

_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "tau": "τ", "rho": "ρ"}
_OFF = {"unified_positions": "no unified positions", "early_termination": "no early termination"}


def _labels(asked: Sequence[Asked]) -> list[str]:
    """Names of methods for people; those with the same name are told apart by the settings that differ."""
    settings = [dict(_settings(one.method)) if one.method else {} for one in asked]
    found = []
    for one, own in zip(asked, settings, strict=True):
        alike = [other for n, other in zip(asked, settings, strict=True) if n.label == one.label]
        differing = [words for key, words in own.items() if any(other.get(key) != words for other in alike)]
        said = ", ".join(filter(None, differing))
        found.append(f"{one.label} ({said})" if said else one.label)
    return [f"{label} [{one.spec}]" if found.count(label) > 1 else label for label, one in zip(found, asked, strict=True)]


def _settings(method: Method) -> Iterator[tuple[tuple[str, str], str]]:
    """((whose, setting), the setting in words) of a method or of several that are combined."""
    for part in method.parts:
        whose = f"{part.label} " if len(method.parts) > 1 else ""
        for f in fields(part):
            said = _words(f.name, getattr(part, f.name))
            yield (part.name, f.name), whose + said if said else ""


def _words(name: str, value: Any) -> str:
    """("alpha", 0.5) -> "α 0.5"; "" where it goes without saying: a switch in its usual place, what is left open."""
    plain = name.replace("_", " ")
    if isinstance(value, bool):
        return (_OFF.get(name, "") if not value else "") if name in _OFF else plain if value else ""
    if value is None:
        return ""
    if name in ("heads", "dims"):
        return f"{len(value)} {plain}"
    return f"{_GREEK.get(name, plain)} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _setup_labels(setups: Iterable[Setup]) -> dict[Setup, str]:
    """The models' names; set-ups that share one are told apart by what differs."""
    setups = list(setups)
    words: dict[str, Callable[[Any], str]] = {
        "name": str,
        "dtype": str,
        "quantization": lambda value: value or "not quantised",
        "image_mode": lambda value: f"pictures {value}" if value else "",
        "weights": lambda value: f"weights {value}" if value else "",
        "prompt": lambda value: f"prompt {value.removeprefix('chat+')}",
        "tokens": lambda value: f"{value} token{'s' * (value != 1)}",
    }
    found = {}
    for setup in setups:
        alike = [other for other in setups if other.label == setup.label]
        differing = [
            said(getattr(setup, key)) for key, said in words.items() if len({getattr(other, key) for other in alike}) > 1
        ]
        said = ", ".join(filter(None, differing))
        found[setup] = f"{setup.label} ({_plain_text(said)})" if said else setup.label
    return found


# --- tables -------------------------------------------------------------------------------------------


def tables(
    runs: Sequence[RunFolder], paper: bool, parser: str | None = None, beside: str | None = None
) -> list[Table]:
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
    found: list[Table] = []
    scored = [_scored(asked, _parser(asked, paper, parser)) for asked in gather(runs)]
    scored = [one for one in scored if one.questions]
    if paper:
        made = (_paper_table(table, [s for s in scored if s.setup.benchmark == table.benchmark], beside) for table in
                paper_tables())
        return [table for table in made if table]
    for name in dict.fromkeys(one.setup.benchmark for one in scored):
        found.append(_plain_table([one for one in scored if one.setup.benchmark == name]))
    return found


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


def _members(benchmark: Benchmark, questions: Sequence[Question], groups: Iterable[str]) -> np.ndarray:
    """(N,) bool: which questions belong to any of the groups; "total" is all."""
    masks = benchmark.groups(questions)
    every = np.ones(len(questions), bool)
    return np.logical_or.reduce([every & False, *(every if g == "total" else masks[g] for g in groups if g in masks or g == "total")])


def _row(
    one: Scored,
    model: str,
    part: str,
    method: str,
    cells: Sequence[Cell],
    groups: Iterable[str],
    **more: Any,
) -> Row:
    mask = _members(one.runs[0].benchmark, one.questions, groups)
    asked = [question.id for question, member in zip(one.questions, mask, strict=True) if member]
    answered = sum(id in one.answers for id in asked)
    note = "" if answered == len(asked) else f"{answered:,} of {len(asked):,} answers"
    return Row(model, part, method, one.spec, tuple(cells), answered, len(asked), one.folder, note=note, **more)


def _cell(
    ours: float | None, estimate: Estimate | None, factor: float, decimals: int, paper: float | None = None
) -> Cell:
    """ours as the scorer gives it; factor: what makes it, and the estimate's interval, what is printed."""
    if ours is None:
        return Cell(paper=paper, note=NOT_ASKED)
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
    "n": Column("questions", "n", 0, best=False),
    "accuracy": Column("accuracy", "Acc", interval=True),
    "accuracy_plus": Column("accuracy+", "Acc+"),
    "precision": Column("precision", "P"),
    "recall": Column("recall", "R"),
    "f1": Column("F1", "F1", interval=True),
    "score": Column("score", "Score", interval=True),
    "yes": Column("yes ratio", "Yes", best=False),
    "change accuracy": Column("accuracy minus vanilla's", "Δ acc", best=False, interval=True, signed=True),
    "change score": Column("score minus vanilla's", "Δ score", best=False, interval=True, signed=True),
    "change true_positive_rate": Column("true positive rate minus vanilla's", "Δ TPR", best=False, interval=True,
                                        signed=True),
    "change false_positive_rate": Column("false positive rate minus vanilla's", "Δ FPR", best=False, interval=True,
                                         signed=True),
    "unparsed": Column("unparsed", "Unparsed", 0, best=False),
}
_HONEST = (
    "The lines under the numbers are 95 % intervals: Wilson's for shares, a bootstrap over pictures for all else, paired "
    "where it is of a change against vanilla. Yes is the share of answers read as yes; TPR and FPR are the shares of yes "
    "among questions that are true and false. Unparsed answers say neither yes nor no to a person, whatever the parser "
    "made of them."
)


def _plain_table(scored: Sequence[Scored]) -> Table:
    benchmark = scored[0].runs[0].benchmark
    own = ("accuracy_plus", "score", "change score") if benchmark.paired else ("precision", "recall")
    other = ("precision", "recall") if benchmark.paired else ("accuracy_plus", "score", "change score")
    assert own
    keys = [key for key in _PLAIN if key not in other]
    setups = _by_setup(scored)
    names = _setup_labels(setups)
    rows = [row for setup, several in setups.items() for row in _plain_rows(benchmark, names[setup], several, keys)]
    if benchmark.name == "rbench":
        rows += _mean_rows(setups, [(_PLAIN[key], key) for key in keys])
    columns = tuple(_PLAIN[key] for key in keys)
    notes = [_HONEST, *_notes(setups, names)]
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
            cells = [_plain_cell(benchmark, one.score, group, key, change.get(group), yes.get(group)) for key in keys]
            yield _row(one, model, part, label, cells, [group])


def _parts(benchmark: Benchmark, several: Sequence[Scored]) -> list[str]:
    """The groups that have sections of their own."""
    there = {group for one in several for group in benchmark.groups(one.questions)}
    if benchmark.name == "amber":
        kinds = [g for g in ("Existence", "Attribute", "Relation") if any(
            _members(benchmark, one.questions, [g]).any() for one in several)]
        return ["All", *kinds] if len(kinds) > 1 else kinds
    if benchmark.name == "pope":
        kinds = [name for name in CATEGORIES if name in there]
        return [*kinds, "All"] if len(kinds) > 1 else kinds
    return ["total", *(task for task in TASKS if task in there)] if benchmark.paired else ["All"]


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


def _plain_cell(
    benchmark: Benchmark, score: Score | None, group: str, key: str, change: Change | None, yes: float | None
) -> Cell:
    column = _PLAIN[key]
    honest = score.groups.get(group) if score else None
    if score is None or honest is None or not honest.answers:
        return Cell(note=NOT_ASKED)
    if key in ("n", "unparsed"):
        return Cell(honest.answers if key == "n" else honest.unparsed)
    if key == "yes":
        return Cell() if yes is None else _cell(100 * yes, None, 1, column.decimals)
    factor = 1 if key.endswith("score") else 100
    if key.startswith("change "):
        found = getattr(change, key.removeprefix("change ")) if change else None
        return _cell(found.value * factor, found, factor, column.decimals) if found and found.value is not None else Cell()
    estimate = _estimate(benchmark, score, group, key)
    ours = _official(benchmark, score, group, key)
    if ours is None and estimate is not None and estimate.value is not None:
        ours = estimate.value * factor  # what the official scorer does not print: MME's F1, and accuracy in total
    return _cell(ours, estimate, factor, column.decimals) if ours is not None else Cell()


def _mean_rows(setups: Mapping[Setup, Sequence[Scored]], columns: Sequence[tuple[Column, str]]) -> Iterator[Row]:
    """R-Bench's official script ends with the mean over its five subsets: here for whoever was asked all of them.

    columns: each with the name of its metric; columns of other numbers stay empty.
    """
    bases: dict[Setup, dict[str, list[Scored]]] = {}
    for setup, several in setups.items():
        bases.setdefault(replace(setup, part=setup.part[len("subset 1") :]), {})[setup.part[: len("subset 1")]] = list(several)
    names = _setup_labels({replace(setup, part="") for setup in setups})
    for base, parts in bases.items():
        if set(parts) != {f"subset {number}" for number in SUBSETS}:
            continue
        for spec in [one.spec for one in parts["subset 1"]]:
            five = [one for part in sorted(parts) for one in parts[part] if one.spec == spec and one.score]
            if len(five) == len(SUBSETS):
                yield _mean_row(five, names[replace(base, part="")], MEAN + base.part, columns)


def _mean_row(five: Sequence[Scored], model: str, part: str, columns: Sequence[tuple[Column, str]]) -> Row:
    benchmark, cells = five[0].runs[0].benchmark, []
    for column, metric in columns:
        known = metric in ("accuracy", "precision", "recall", "f1")
        found = [_official(benchmark, one.score, "All", metric) for one in five if one.score] if known else [None]
        there = [value for value in found if value is not None]
        cells.append(Cell(_round(sum(there) / len(there), column.decimals)) if len(there) == len(five) else Cell())
    each = [_row(one, model, part, one.label, (), ["All"]) for one in five]
    answers, questions = sum(row.answers for row in each), sum(row.questions for row in each)
    note = "" if answers == questions else f"{answers:,} of {questions:,} answers"
    folder = ", ".join(dict.fromkeys(row.folder for row in each))
    return replace(each[0], cells=tuple(cells), answers=answers, questions=questions, folder=folder, note=note)
