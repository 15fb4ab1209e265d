"""The CLVS paper's tables, with ours beside what it prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ...methods import CLVS, Method
from ...text import line
from ..scores import Change
from .cells import beyond, cell_of, changes_of, estimate_of, official, row_of
from .gather import Scored, Setup, by_setup, method_labels, setup_labels
from .honest import mean_rows
from .notes import PARTS, about_run, by_runs, different_questions, have, listed, passed_over, taken_up, were
from .paper_numbers import MODEL, PaperTable, departures, paper_model, settings_apart
from .table import NOT_COMPARABLE, NOT_RUN, Cell, Column, Row, Table

NO_STOP, NO_UNIFIED = "w/o Early Termination", "w/o Unified Position"  # the paper's names for CLVS without a part
_FEW = 4  # settings that are named rather than counted
_METRICS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1"}
_SHORT = {"accuracy": "acc", "precision": "P", "recall": "R", "f1": "F1"}
_SHORT |= {"Existence": "Exist.", "Attribute": "Attr.", "Relation": "Rel."}
_SHORT |= {"random": "rand.", "popular": "pop.", "adversarial": "adv."}


def paper_table(table: PaperTable, scored: Sequence[Scored], beside: str | None) -> Table | None:
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
        rows += _paper_rows(table, setup, names[setup], methods, model, same_model=same)
        notes += _paper_notes(table, names[setup], methods, model, same_model=same)
        notes += _left_out(table, names[setup], setups[setup], methods)
    if table.name == "rbench":
        metrics = [metric for _, metric in table.columns]
        rows += mean_rows(by_setup(scored), list(zip(columns, metrics, strict=True)))
    notes += different_questions([one for methods in picked.values() for one in methods.values()])
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
    table: PaperTable, setup: Setup, label: str, picked: Mapping[str, Scored], model: str, *, same_model: bool
) -> Iterator[Row]:
    """A row for every method that ran, and for those that the paper ran with this model and we did not."""
    numbers = table.values.get(model, {})
    shown = model if numbers else ""
    for method in dict.fromkeys([*(numbers if same_model else ()), *picked]):
        one = picked.get(method)
        printed = numbers.get(method, [None] * len(table.columns))
        if one is None:
            empty = tuple(Cell(paper=value, note=NOT_RUN) for value in printed)
            yield Row(label, setup.part, method, "", empty, 0, 0, "", shown, same_model, NOT_RUN)
            continue
        changes = changes_of(one, list(picked.values()))
        cells = [
            (group, _paper_cell(table, one, group, metric, value, changes.get(group)))
            for (group, metric), value in zip(table.columns, printed, strict=True)
        ]
        yield row_of(one, label, setup.part, method, cells, shown, same_model=same_model)


def _paper_cell(
    table: PaperTable, one: Scored, group: str, metric: str, printed: float | None, change: Change | None
) -> Cell:
    ours = official(one.benchmark, one.score, group, metric) if one.score else None
    if one.score is None or ours is None:
        return Cell(paper=printed, note=one.without(group))
    estimate = estimate_of(one.benchmark, one.score, group, metric)
    cell = cell_of(ours, estimate, 1 if metric == "score" else 100, table.decimals, printed)
    cell = replace(cell, beyond=beyond(one.benchmark, change, metric))
    if group in ("All", "total") and _absent(table, one):
        return replace(cell, difference=None, note=NOT_COMPARABLE)
    return cell


def _absent(table: PaperTable, one: Scored) -> list[str]:
    """The parts of the benchmark that this table is about and that were not asked."""
    wanted = [name for name in PARTS[one.setup.benchmark] if {name, "All", "total"} & set(table.groups)]
    return [name for name in wanted if name not in one.sizes]


def _paper_notes(
    table: PaperTable, label: str, picked: Mapping[str, Scored], model: str, *, same_model: bool
) -> Iterator[str]:
    """What was run, what departs from the paper, and what is missing, for one model."""
    printed = model in table.values
    if not printed:
        yield f"The paper has no numbers of {model} in this table."
    elif not same_model:
        yield (
            f"{label} is not a model of the paper, and its questions need not be the paper's: beside it stand the "
            f"numbers of {model}, and the difference is no measure of reproduction."
        )
    for one in by_runs(picked.values()):
        yield about_run(one, label)
        about = one.runs[0].about
        unlike = departures(one.benchmark, about, one.questions, one.parser, model, table.groups) if printed else []
        if unlike:
            yield f"Unlike the paper's runs of {model}: {line('; '.join(unlike))} ({one.folder})."
        if absent := _absent(table, one):
            yield f"{listed(absent)} of {one.benchmark.label} {were(absent)} not asked of {label}{_whole(table)}."
    apart: dict[str, list[str]] = {}
    for name, one in picked.items():
        if name in table.values.get(model, {}) and (own := _apart(one, model)):
            apart.setdefault(", ".join(own), []).append(name)
    for said, names in apart.items():
        yield f"{listed(names)} of {label} {have(names)} other settings than in the paper: {said}."
    yield from passed_over(list(picked.values()))
    yield from taken_up(list(picked.values()))


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
        said = listed(names) if len(names) <= _FEW else f"{len(names)} other settings"
        yield f"Also run with {label}, and in the report without --paper: {said}."


def _apart(one: Scored, model: str) -> list[str]:
    layers = one.runs[0].about["model"].get("layers")
    return settings_apart(one.method, layers if isinstance(layers, int) else None, model) if one.method else []
