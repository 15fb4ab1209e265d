"""How long a knock-out takes, as far as the answer's own time tells, and which come by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from clvs_core.engine.knockout import Rows
from clvs_core.key_objects import mentioned
from viz.page import zerogpu as border
from viz.page.session import Result
from viz.viewer.contract import Knocks

DRAWS = 2  # of the control
TOGETHER: Mapping[str, tuple[Rows, ...]] = {  # one choice of rows alone would mislead; what was chosen comes first
    "word": ("word", "both"),
    "both": ("both", "word"),
    "question": ("question", "word", "both"),
}
SOON = 2.0  # seconds of an answer after which nobody waits for its knock-out
SHARE: Mapping[Rows, float] = {"word": 0.2, "question": 0.6, "both": 0.6}  # of a token of an answer, a branch
WHOLE = 0.2  # of an answer, a branch that writes a whole one


def branches(methods: int, layers: int) -> int:
    """Of a knock-out with one choice of rows: unhindered, everywhere, and kept, only and the draws by layer."""
    return methods * (2 + (2 + DRAWS) * layers)


def named(texts: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those of the objects `names` that answers name, one after another."""
    known = list(names)
    return list(dict.fromkeys(name for text in texts for name in mentioned(text, known)))


def knocks(result: Result) -> Knocks:
    """About how many seconds a knock-out of this answer takes. On ZeroGPU each one is paid for, and has to be asked."""
    tokens = sum(len(run.tokens) for run in result.runs)
    once = result.seconds / max(1, tokens) * branches(len(result.runs), result.layers)
    seconds = once * sum(SHARE[rows] for rows in TOGETHER["word"])
    names = named((run.text for run in result.runs), (item.name for item in result.seen.objects))
    whole = result.seconds * len(names) * (2 + result.layers) * WHOLE
    itself = result.seconds < SOON and not border.ZERO_GPU
    return {"seconds": round(seconds, 1), "itself": itself, "named": names, "whole": round(whole, 1)}
