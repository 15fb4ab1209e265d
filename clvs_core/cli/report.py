"""The command `report`: tables of runs, honest ones or the paper's, printed or written to files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..analysis.looking import looking_tables
from ..benchmarks.parsers import PARSERS
from ..benchmarks.report import AS_PAPER, OFFICIAL, tables
from ..benchmarks.report.paper_numbers import MODEL, paper_models
from ..benchmarks.report.render import csv_text, latex, markdown
from ..benchmarks.report.table import Table
from ..benchmarks.running.folder import RunFolder, find_runs, read_run
from ..drawing import part_of_viz
from ..errors import ClvsError
from ..files import write_whole
from ..terminal import notes, say

Form = Callable[[Sequence[Table]], str]
# By --format: the ending of its files, and the text of several tables.
FORMATS: dict[str, tuple[str, Form]] = {
    "markdown": (".md", lambda found: "\n".join(map(markdown, found))),
    "csv": (".csv", csv_text),
    "latex": (".tex", lambda found: "\n".join(map(latex, found))),
}
_ABOUT = """\
Without --paper: one table a benchmark, with official scores, 95 % intervals and changes against vanilla.
With --paper: the paper's tables as far as there are runs for them, ours beside what the paper prints. A model that the
paper does not have gets the numbers of one of its models beside it (--beside); that is no measure of reproduction.
"""


def add(commands: Any) -> None:
    """Adds the command to what `ArgumentParser.add_subparsers` returned."""
    report = commands.add_parser(
        "report",
        help="print tables of benchmark runs, also as the paper has them",
        epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("runs", nargs="+", metavar="RUN", help="folders that bench wrote, or folders of such folders")
    report.add_argument("--paper", action="store_true", help="the paper's tables, with its numbers beside ours")
    report.add_argument("--format", choices=tuple(FORMATS), default="markdown", help="(default: %(default)s)")
    report.add_argument("--out", metavar="DIR", help="also write every table as .md, .csv and .tex into this folder")
    report.add_argument(
        "--figures", metavar="DIR", help="also draw the paper's figures, as far as the runs hold them, as PNG and SVG"
    )
    report.add_argument(
        "--parser",
        choices=(OFFICIAL, AS_PAPER, *PARSERS),
        metavar="NAME",
        help=f"{OFFICIAL} (default), {AS_PAPER} (as the paper's answers were read; default with --paper), "
        f"{', '.join(PARSERS)}",
    )
    report.add_argument(
        "--beside",
        choices=tuple(paper_models()),
        metavar="MODEL",
        help=f"with --paper: whose numbers stand beside a model that the paper does not have: "
        f"{', '.join(paper_models())} (default: {MODEL})",
    )
    report.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Reads, prints and writes. Raises ClvsError for anything the user must change; what is incomplete is on stderr."""
    runs = [read_run(folder) for folder in _found(options.runs)]
    for line in unfinished(runs):
        say(line)
    drawn = _draw(runs, Path(options.figures)) if options.figures else []
    found = tables(runs, paper=options.paper, parser=options.parser, beside=options.beside)
    found += looking_tables(runs)
    if not found and not drawn:
        raise ClvsError("These runs have nothing of the paper's tables; leave --paper out.")
    print(FORMATS[options.format][1](found), end="")
    if options.out:
        for path in write(found, Path(options.out)):
            say(str(path))


def _found(paths: Sequence[str]) -> list[Path]:
    """The runs; of folders without any, which a pattern such as runs/* may name, stderr says so."""
    folders: dict[Path, None] = {}
    for path in paths:
        try:
            folders |= dict.fromkeys(find_runs([path]))
        except ClvsError as error:
            if not os.path.isdir(path):
                raise
            say(str(error))
    if not folders:
        raise ClvsError("There is no run in these folders; name one that the command bench wrote.")
    return list(folders)


def _draw(runs: Sequence[RunFolder], folder: Path) -> list[Path]:
    """Every figure that the runs hold data for; what they do not hold, and why, is on stderr."""
    figures = part_of_viz("figures.paper")
    for name, reason in figures.missing(runs).items():
        say(f"No figure {name}: {reason}")
    try:
        with notes(part_of_viz("figures.fonts").FontWarning):
            saved: list[Path] = figures.save_all(runs, folder)
    except OSError as error:
        raise ClvsError(
            f"The figures cannot be written to {folder} ({error.strerror}); name another folder."
        ) from error
    for path in saved:
        say(str(path))
    return saved


def unfinished(runs: Sequence[RunFolder]) -> list[str]:
    """A sentence for each run that is not complete."""
    return [
        f"{run.folder} has {len(run.rows):,} of {run.total:,} answers; its rows are marked."
        for run in runs
        if not run.complete
    ]


def write(found: Sequence[Table], folder: Path) -> list[Path]:
    """Every table in every format, named by the table; returns the files. Raises ClvsError where that is impossible."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in found:
            for ending, text in FORMATS.values():
                written.append(folder / (table.name + ending))
                write_whole(written[-1], text([table]))
    except OSError as error:
        raise ClvsError(f"The tables cannot be written to {folder} ({error.strerror}); name another folder.") from error
    return written
