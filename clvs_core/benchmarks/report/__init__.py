"""Tables of runs: honest numbers of each benchmark, or the CLVS paper's tables with ours beside what it prints.

    runs = [read_run(folder) for folder in find_runs(["runs"])]
    for table in tables(runs, paper=True):
        print(markdown(table))

Every number is one of `Benchmark.score` or `Benchmark.compare`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ClvsError
from ..parsers import PAPER
from ..parsers import parser as parser_of
from ..running.folder import RunFolder
from .gather import Asked, Scored, gather, score_of
from .honest import honest_table
from .paper import paper_table
from .paper_numbers import paper_models, paper_tables
from .table import Table

OFFICIAL, AS_PAPER = "official", "paper"  # what a parser may be called besides its name


def tables(
    runs: Sequence[RunFolder], *, paper: bool, parser: str | None = None, beside: str | None = None
) -> list[Table]:
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
        one = score_of(asked, _parser(asked, parser, paper=paper))
        by_benchmark.setdefault(one.setup.benchmark, []).append(one)
    if paper:
        made = [paper_table(printed, by_benchmark.get(printed.benchmark, []), beside) for printed in paper_tables()]
        return [table for table in made if table]
    return [honest_table(several) for several in by_benchmark.values()]


def _parser(asked: Asked, wanted: str | None, *, paper: bool) -> str:
    benchmark = asked.runs[0].benchmark
    wanted = wanted or (AS_PAPER if paper else OFFICIAL)
    if wanted == OFFICIAL:
        return benchmark.parser
    # The paper's parsers are the same for all of its models.
    name = PAPER["llava"].parsers[benchmark.name] if wanted == AS_PAPER else wanted
    parser_of(name)
    return name
