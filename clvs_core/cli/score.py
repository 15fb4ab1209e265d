"""The command `score`: official and honest scores of stored answers, of our runs or of anybody's."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..benchmarks import (
    BENCHMARKS,
    PARSERS,
    Benchmark,
    BenchmarkWarning,
    Change,
    Estimate,
    Question,
    Score,
    get,
    read_answers,
)
from ..benchmarks.scores import NO_INTERVAL, without_interval
from ..benchmarks.sets.pope import CATEGORIES, SOURCES
from ..benchmarks.sets.rbench import DUPLICATES, SUBSETS
from ..errors import ClvsError
from ..terminal import notes
from ..text import line

VANILLA = "vanilla"
_ABOUT = """\
Answers are our runs (JSON lines with id, method and answer; each method is scored), or in the official formats:
  amber   [{"id": 1005, "response": "Yes"}, ...]
  rbench  lines {"question_id": 0, "text": "Yes"}
  pope    lines {"question": ..., "answer": "yes"} or {"question_id": 1, "text": "Yes"}, one file a part, named like it
          LLaVA's one file for all three categories is taken apart by its prompts
  mme     a folder of existence.txt ..., lines image<TAB>question<TAB>Yes<TAB>response
or as harnesses write them: lmms-eval's *_samples_*.jsonl, VLMEvalKit's sheets saved as .tsv (with its own sheet of
questions as --data where the answers name no picture).
--json prints what the authors' scorer prints: percent for amber, fractions for the others, as there.
"""


def add(commands: Any) -> None:
    """Adds the command to what `ArgumentParser.add_subparsers` returned."""
    score = commands.add_parser(
        "score",
        help="score stored answers to AMBER, R-Bench, POPE or MME",
        epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    score.add_argument("benchmark", metavar="BENCH", type=benchmark, help=", ".join(BENCHMARKS))
    score.add_argument("--answers", required=True, metavar="FILE_OR_DIR", help="the answers")
    score.add_argument(
        "--data", required=True, metavar="DIR", help="the benchmark's files, a parquet file, or hub:OWNER/NAME"
    )
    score.add_argument("--vanilla", metavar="FILE_OR_DIR", help="answers to compare with, in the same format")
    score.add_argument(
        "--parser", choices=tuple(PARSERS), metavar="NAME", help=f"{', '.join(PARSERS)} (default: official)"
    )
    add_part(score)
    form = score.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the official scores as one JSON object")
    form.add_argument("--json-full", action="store_true", help="also intervals, counts and changes against vanilla")
    score.set_defaults(run=run)


def add_part(parser: argparse.ArgumentParser) -> None:
    """Which part of a benchmark: what `part` reads."""
    parser.add_argument(
        "--subset", choices=("all", *map(str, SUBSETS)), help="rbench: 1 to 5, or all rows (default: 1)"
    )
    parser.add_argument("--duplicates", choices=DUPLICATES, help="rbench: how ids that a subset repeats count")
    parser.add_argument("--source", choices=SOURCES, help="pope: one source (default: all that are there, pooled)")
    parser.add_argument("--category", choices=CATEGORIES, help="pope: one category (default: all that are there)")


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name, as argparse wants it read."""
    try:
        return get(name)
    except ClvsError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def run(options: argparse.Namespace) -> None:
    """Scores and prints. Raises ClvsError for anything the user must change; known faults of files go to stderr."""
    questions = load(options)
    answers = read_answers(options.benchmark, options.answers, questions)
    scores, changes = scored(
        options.benchmark, questions, answers.methods, _vanilla(options, questions), options.parser
    )
    if options.json or options.json_full:
        full = {method: _full(score, changes.get(method)) for method, score in scores.items()}
        printed = full if options.json_full else {method: score.official for method, score in scores.items()}
        # Official formats know no methods: theirs are the only scores.
        print(json.dumps(printed[""] if answers.official else printed))
    else:
        print("\n\n".join(_table(options.benchmark, m, score, changes.get(m)) for m, score in scores.items()))


def load(options: argparse.Namespace, *, pictures: bool | str = False) -> list[Question]:
    """The questions that the options name; known faults of their files go to stderr. pictures: see Benchmark.load."""
    with notes(BenchmarkWarning):
        questions: list[Question] = options.benchmark.load(options.data, pictures, **part(options))
    return questions


def part(options: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_part` say, for Benchmark.load. Raises ClvsError for one of another benchmark."""
    name = options.benchmark.name
    owners = {"subset": "rbench", "duplicates": "rbench", "source": "pope", "category": "pope"}
    chosen = {key: getattr(options, key) for key in owners if getattr(options, key) is not None}
    for key in chosen:
        if owners[key] != name:
            raise ClvsError(f"--{key} is for {owners[key]}, not {name}; leave it out.")
    if "subset" in chosen:
        chosen["subset"] = None if chosen["subset"] == "all" else int(chosen["subset"])
    return chosen


def _vanilla(options: argparse.Namespace, questions: Sequence[Question]) -> dict[str, str] | None:
    if not options.vanilla:
        return None
    methods = read_answers(options.benchmark, options.vanilla, questions).methods
    if VANILLA not in methods and len(methods) > 1:
        raise ClvsError(
            f"{options.vanilla} has the methods {', '.join(methods)} and no vanilla; name vanilla's answers."
        )
    return methods.get(VANILLA) or next(iter(methods.values()))


def scored(
    benchmark: Benchmark,
    questions: Sequence[Question],
    methods: dict[str, dict[str, str]],
    vanilla: dict[str, str] | None = None,
    parser: str | None = None,
) -> tuple[dict[str, Score], dict[str, dict[str, Change]]]:
    """Scores by method, and changes by method against vanilla: what is given, else the method of that name."""
    scores = {method: benchmark.score(questions, answers, parser) for method, answers in methods.items()}
    base = vanilla if vanilla is not None else methods.get(VANILLA)
    if base is None:
        return scores, {}
    others = {method: answers for method, answers in methods.items() if answers is not base}
    changes = {method: benchmark.compare(questions, answers, base, parser) for method, answers in others.items()}
    return scores, changes


# --- printing -----------------------------------------------------------------------------------------


def _full(score: Score, change: dict[str, Change] | None) -> dict[str, Any]:
    """{"official", "parser", "missing", "extra", "groups", "change"}, the last null without vanilla's answers."""
    changed = {name: dataclasses.asdict(group) for name, group in change.items()} if change else None
    return {**dataclasses.asdict(score), "change": changed}


def _table(benchmark: Benchmark, method: str, score: Score, change: dict[str, Change] | None) -> str:
    what = ", ".join(filter(None, (benchmark.label, line(method), f"parser {score.parser}")))
    lines = [f"{what}: {score.missing} questions without an answer, {score.extra} answers to other questions", ""]
    lines += _columns(list(_official(benchmark, score)))
    lines += ["", "With 95 % intervals; the rates are of the answer yes to questions that are true and false:"]
    lines += _columns(list(_honest(score)))
    lines += [NO_INTERVAL] * without_interval(score.groups.values())
    if change:
        lines += ["", "Minus vanilla, with 95 % intervals of a paired bootstrap over pictures:"]
        lines += _columns(list(_changed(change)))
        lines += [NO_INTERVAL] * without_interval(change.values())
    return "\n".join(lines)


def _official(benchmark: Benchmark, score: Score) -> Iterator[list[str]]:
    # AMBER's scorer gives percent with one decimal, the others fractions; people read percent.
    digits, percent = (1, 1) if benchmark.name == "amber" else (2, 100)
    keys: list[str] = []
    for name, scores in score.official.items():
        if not isinstance(scores, dict):  # MME's total
            yield [name, *("" for _ in keys[1:]), f"{scores:.{digits}f}"]
            continue
        if not keys:
            keys = list(scores)
            yield ["official", *(key.replace("_", " ") for key in keys)]
        factors = (1 if key == "score" else percent for key in keys)
        values = ((scores[key], factor) for key, factor in zip(keys, factors, strict=True))
        yield [name, *("-" if value is None else f"{value * factor:.{digits}f}" for value, factor in values)]


def _honest(score: Score) -> Iterator[list[str]]:
    more = any(group.score for group in score.groups.values())
    counted = ("", "answers", "unparsed", "refused", "misread")
    yield [*counted, "accuracy", "yes if true", "yes if false", "F1", *["score"] * more]
    for name, group in score.groups.items():
        counts = (group.answers, group.unparsed, group.refused, group.contradicted)
        shares = (group.accuracy, group.true_positive_rate, group.false_positive_rate, group.f1)
        last = [_interval(group.score, 1)] if group.score else []
        yield [name, *map(str, counts), *(_interval(share) for share in shares), *last]


def _changed(change: dict[str, Change]) -> Iterator[list[str]]:
    more = any(group.score for group in change.values())
    yield ["", "now right", "now wrong", "accuracy", "yes if true", "yes if false", "F1", *["score"] * more]
    for name, group in change.items():
        shares = (group.accuracy, group.true_positive_rate, group.false_positive_rate, group.f1)
        last = [_interval(group.score, 1, "+")] if group.score else []
        yield [name, str(group.gained), str(group.lost), *(_interval(share, sign="+") for share in shares), *last]


def _interval(estimate: Estimate, factor: int = 100, sign: str = "") -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value * factor:{sign}.1f}"
    value, low, high = (f"{number * factor:{sign}.1f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _columns(rows: list[list[str]]) -> list[str]:
    """Rows of text under each other; the first column is flush left, the others flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
