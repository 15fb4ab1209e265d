"""Tables as texts: Markdown, CSV and LaTeX.

In Markdown a row has its numbers on one line, and what they are held against (the 95 % interval, or the paper's number
and ours minus it) on the next one: in one cell both would make the paper's widest table 200 characters wide; this way
it is about 115, and columns can still be read down.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from ...text import line
from .table import NOT_RUN, Cell, Column, Row, Table, best, heading, sections


def number(value: float | None, column: Column) -> str:
    """As it is printed; "" for None."""
    return "" if value is None else f"{value:{'+' if column.signed else ''},.{column.decimals}f}"


def _interval(cell: Cell, column: Column) -> str:
    if cell.low is None or cell.high is None:
        return ""
    return number(cell.low, column) + (" to " if column.signed else "–") + number(cell.high, column)


def _has_paper(table: Table) -> bool:
    return any(cell.paper is not None for row in table.rows for cell in row.cells)


def markdown(table: Table) -> str:
    """The table for GitHub and for a terminal: a heading and a table for each section, and the notes as a list."""
    blocks = [f"## {_md(table.title)}"]
    for rows in sections(table):
        blocks += [f"### {_md(heading(rows[0]))}", _md_table(table, rows)]
    legend = ["Under ours: the paper's number, and ours minus it."] * _has_paper(table)
    if notes := [*legend, *table.notes]:
        blocks.append("\n".join(f"- {_md(note)}" for note in notes))
    return "\n\n".join(blocks) + "\n"


def _md_table(table: Table, rows: Sequence[Row]) -> str:
    bold = best(table, rows)
    lines = [["Method", *(_md(column.short) for column in table.columns)]]
    for i, row in enumerate(rows):
        note = f" ({row.note})" if row.note and row.note != NOT_RUN else ""
        cells = [number(cell.ours, column) or cell.note for cell, column in zip(row.cells, table.columns, strict=True)]
        cells = [f"**{_md(text)}**" if (i, n) in bold else _md(text) for n, text in enumerate(cells)]
        lines.append([_md(row.method + note), *cells])
        lines += _md_below(table, row)
    # a column's rule needs a dash beside its colon
    widths = [max(2, *(len(line[n]) for line in lines)) for n in range(len(table.columns) + 1)]
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
    return re.sub(r"([\\|*_`<>\[\]&~#])", r"\\\1", line(text))


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
                writer.writerow([*map(line, texts), *printed, *(line(str(value)) for value in more)])
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
                _tex_cell(cell, column, bold=(i, n) in bold)
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


def _tex_cell(cell: Cell, column: Column, *, bold: bool) -> str:
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
    text = "".join(_TEX.get(c) or (c if c.isascii() else _tex_letter(c)) for c in line(text))
    return re.sub(r"-(?=-)", "-{}", text)  # two hyphens would become a dash


def _tex_letter(letter: str) -> str:
    """Accents are dropped rather than left to the document's encoding."""
    plain = unicodedata.normalize("NFKD", letter)
    base = "".join(_TEX.get(c, c) for c in plain if c.isascii())
    return base or f"(U+{ord(letter):04X})"
