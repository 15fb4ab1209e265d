"""Tables of runs: honest numbers of each benchmark, or the CLVS paper's tables with ours beside what it prints.

    runs = [read_run(folder) for folder in find_runs(["runs"])]
    for table in tables(runs, paper=True):
        print(markdown(table))

Every number is one of `Benchmark.score` or `Benchmark.compare`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...errors import ClvsError
from ...methods import CLVS, Method
from ...text import line
from ..benchmark import Benchmark
from ..bootstrap import Estimate
from ..parsers import PAPER, judge
from ..parsers import parser as parser_of
from ..running.folder import RunFolder
from ..scores import NO_INTERVAL, Change, Score
from ..sets.rbench import SUBSETS
from .gather import Asked, Scored, Setup, by_setup, gather, method_labels, score_of, setup_labels
from .paper_numbers import ASKED, MODEL, PaperTable, departures, paper_model, paper_models, paper_tables, settings_apart
from .table import NOT_COMPARABLE, NOT_RUN, Cell, Column, Row, Table, best, csv_text, heading, latex, markdown, sections

__all__ = ["Cell", "Column", "Row", "Table", "best", "csv_text", "heading", "latex", "markdown", "sections", "tables"]

OFFICIAL, AS_PAPER = "official", "paper"  # what a parser may be called besides its name
NO_STOP, NO_UNIFIED = "w/o Early Termination", "w/o Unified Position"  # the paper's names for CLVS without a part
MEAN = "mean of subsets 1 to 5"
PARTS: dict[str, tuple[str, ...]] = {name: tuple(sizes) for name, sizes in ASKED.items()} | {"rbench": ()}
_FEW = 4  # settings that are named rather than counted


def tables(runs: Sequence[RunFolder], paper: bool, parser: str | None = None, beside: str | None = None) -> list[Table]:
    """One table a benchmark; with `paper`, the paper's tables, as far as there are runs for them.

    parser: a name in `parsers.PARSERS`; "official", the benchmark's (the default); or "paper", what the paper's answers
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
        one = score_of(asked, _parser(asked, paper, parser))
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
        same=estimate is not None and estimate.value is not None and estimate.low is None,
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
    if metric in _OTHER_SHARES.get((benchmark.name, score.parser), ()):
        return None  # it is of all answers, and the printed one is not
    # With "no" as positive an answer that is neither counts against recall, and is not in the true negative rate.
    recall = honest.true_positive_rate if benchmark.positive == "yes" else None
    known = {"accuracy": honest.accuracy, "f1": honest.f1, "score": honest.score, "recall": recall}
    return known.get(metric)


_OTHER_SHARES = {("pope", "lmms"): ("recall", "f1")}  # by benchmark and parser: what is not a share of all answers


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
    "Intervals are of 95 %: Wilson's for shares where no question is asked twice, a bootstrap over pictures for all "
    "else, paired where of a change against vanilla. Yes is the share of answers read as yes; TPR and FPR are the "
    "shares of yes among questions whose answer is yes and no. Unparsed answers say neither to a person, whatever the "
    "parser made of them."
)


def _plain_table(scored: Sequence[Scored]) -> Table:
    benchmark = scored[0].benchmark
    others = ("precision", "recall") if benchmark.paired else ("accuracy_plus", "score", "change score")
    keys = [key for key in _PLAIN if key not in others]
    setups = by_setup(scored)
    names = setup_labels(setups)
    rows = [row for setup, several in setups.items() for row in _plain_rows(benchmark, names[setup], several, keys)]
    if benchmark.name == "rbench":
        rows += _mean_rows(setups, [(_PLAIN[key], key) for key in keys])
    columns = tuple(_PLAIN[key] for key in keys)
    positive = f"P, R and F1 are of the answer {benchmark.positive}."
    same = any(cell.same for row in rows for cell, column in zip(row.cells, columns, strict=True) if column.interval)
    notes = [_HONEST, *[NO_INTERVAL] * same, positive, *_notes(setups, names), *_different_questions(scored)]
    return Table(benchmark.label, benchmark.name, columns, tuple(rows), tuple(notes))


def _plain_rows(benchmark: Benchmark, model: str, several: Sequence[Scored], keys: Sequence[str]) -> Iterator[Row]:
    """Part by part, each method."""
    vanilla = next((one for one in several if one.spec == "vanilla"), None)
    labels = method_labels(several)
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
    names, columns = setup_labels(picked), _paper_columns(table)
    rows: list[Row] = []
    notes: list[str] = []
    for setup, methods in picked.items():
        model, same = _beside(table, setup, beside)
        rows += _paper_rows(table, setup, names[setup], methods, model, same)
        notes += _paper_notes(table, names[setup], methods, model, same)
        notes += _left_out(table, names[setup], setups[setup], methods)
    if table.name == "rbench":
        metrics = [metric for _, metric in table.columns]
        rows += _mean_rows(by_setup(scored), list(zip(columns, metrics, strict=True)))
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
    found = by_setup(scored)
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
    printed = model in table.values
    if not printed:
        yield f"The paper has no numbers of {model} in this table."
    elif not same:
        yield (
            f"{label} is not a model of the paper, and its questions need not be the paper's: beside it stand the "
            f"numbers of {model}, and the difference is no measure of reproduction."
        )
    for one in _by_runs(picked.values()):
        yield _about(one, label)
        about = one.runs[0].about
        unlike = departures(one.benchmark, about, one.questions, one.parser, model, table.groups) if printed else []
        if unlike:
            yield f"Unlike the paper's runs of {model}: {line('; '.join(unlike))} ({one.folder})."
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
        for one, name in zip(several, method_labels(several), strict=True)
        if one not in picked.values() and not _ablated(one.method)
    ]
    if names and table.name != "ablation":
        said = _listed(names) if len(names) <= _FEW else f"{len(names)} other settings"
        yield f"Also run with {label}, and in the report without --paper: {said}."


def _passed_over(several: Sequence[Scored]) -> Iterator[str]:
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for one, label in zip(several, method_labels(several), strict=True):
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
        " on ".join(str(model[key]) for key in ("dtype", "device") if model.get(key)),
        ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        one.folder,
    ]
    return line("; ".join(filter(None, said))) + "."


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
