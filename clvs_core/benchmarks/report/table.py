"""Tables of numbers: what stands in them, not how it is written (see `render`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOT_RUN, NOT_ASKED, NO_ANSWERS, UNDEFINED = "not run", "not asked", "no answers", "undefined"
NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Column:
    """name: in full; short: for narrow tables; group: the heading it shares with its neighbours, or "".

    best: its largest number is printed bold where it is no matter of chance. interval: the 95 % interval is printed.
    signed: with plus and minus.
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
    answers: of how many of its questions ours is. same: it has no interval, as every resample gives the same number.
    beyond: 1 or -1 where ours is above or below vanilla's by more than chance (the 95 % interval of the paired
    difference leaves 0 out), 0 where it is not, None where that is not known.
    """

    ours: float | None = None
    low: float | None = None
    high: float | None = None
    paper: float | None = None
    difference: float | None = None
    note: str = ""
    answers: int = 0
    questions: int = 0
    same: bool = False
    beyond: int | None = None


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
        """Rows of one section stand under one heading, and the best of them may be printed bold."""
        return self.model, self.part


@dataclass(frozen=True)
class Table:
    """name: the stem of its files. notes: sentences to stand under it."""

    title: str
    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


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
    """(row, column) of the largest numbers of a section, of at least two that are complete and of as many questions.

    Only those beyond chance: above vanilla's, or vanilla's own where all others are below it.
    """
    found = set()
    most = max(row.questions for row in rows)
    for n, column in enumerate(table.columns):
        complete = {i: row.cells[n] for i, row in enumerate(rows) if not row.note and row.questions == most}
        there = {i: cell for i, cell in complete.items() if cell.ours is not None}
        if not column.best or len(there) < 2:
            continue
        largest = max(cell.ours for cell in there.values() if cell.ours is not None)
        others = [cell.beyond for i, cell in there.items() if rows[i].spec != "vanilla"]
        for i, cell in there.items():
            alone = rows[i].spec == "vanilla" and all(beyond == -1 for beyond in others)
            if cell.ours == largest and (cell.beyond == 1 or alone):
                found.add((i, n))
    return found
