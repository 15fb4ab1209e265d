"""AMBER, R-Bench, POPE and MME: their questions from the official files, their official scores, and honest ones.

    from clvs_core import benchmarks

    pope = benchmarks.get("pope")
    questions = pope.load("POPE/", category="random", pictures="val2014/")
    answers = {question.id: ... for question in questions}      # as the model gave them
    pope.score(questions, answers).official["All"]["accuracy"]
    pope.compare(questions, answers, vanilla)["All"].f1

Loading and scoring need no model. What answers are read by is a parser of `parsers.PARSERS`; `parsers.PAPER` holds how
the CLVS paper's runs asked and read.
"""

from ..errors import ClvsError
from .answers import Answers, read_answers
from .benchmark import Benchmark
from .bootstrap import Estimate
from .parsers import PAPER, PARSERS, Preset
from .question import BenchmarkWarning, Question
from .scores import Change, Group, Score
from .sets.amber import AMBER
from .sets.mme import MME
from .sets.pope import POPE
from .sets.rbench import RBENCH

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in (AMBER, RBENCH, POPE, MME)}

__all__ = [
    "BENCHMARKS",
    "PAPER",
    "PARSERS",
    "Answers",
    "Benchmark",
    "BenchmarkWarning",
    "Change",
    "Estimate",
    "Group",
    "Preset",
    "Question",
    "Score",
    "get",
    "read_answers",
]


def get(name: str) -> Benchmark:
    """The benchmark of that name; "R-Bench" and "r-bench" are "rbench". Raises ClvsError for an unknown one."""
    key = name.lower().replace("-", "").replace("_", "")
    if key not in BENCHMARKS:
        raise ClvsError(f"There is no benchmark {name!r:.80}; choose one of {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[key]
