"""The CLVS paper's figures, drawn with matplotlib from run folders: nothing but what a run recorded goes into them.

    runs = [read_run(folder) for folder in find_runs(["runs"])]
    save_all(runs, "figures")

Figure 2 is "decay", and "decay-share" with the attention on the picture as the whole; 4 is "convergence", 5 "mme", 6
"peaks", 7 and 8 "sweep-alpha" and "sweep-beta"; "sweep-grid" is of both.
"looking" is not the paper's: in which layers looking matters, above attention and gain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from clvs_core.analysis.convergence import observed
from clvs_core.analysis.decay import samples
from clvs_core.analysis.looking import looking
from clvs_core.analysis.sweep import common, sweeps
from clvs_core.benchmarks.running.folder import RunFolder
from clvs_core.errors import ClvsError

from .convergence import convergence_figure
from .decay import decay_figure
from .looking import looking_figure
from .mme import mme_figure, paper_mme
from .peaks import peaks_figure
from .runs import WIDTH, chosen_methods, no_share
from .style import save
from .sweep import sweep_figure

_NO_OBJECTS = "No run holds attention on key objects; run the command bench with --key-objects."
_WHY_NOT = {
    "decay": _NO_OBJECTS,
    "decay-share": _NO_OBJECTS,
    "convergence": "No run holds the uncertainty after every layer; run the command bench with --lens.",
    "mme": "No run is of MME and has both answers to a picture of every method; run the command bench with mme.",
    "peaks": _NO_OBJECTS,
    "sweep-alpha": "No run has three settings of CLVS that differ only in alpha; run the command bench with --sweep.",
    "sweep-beta": "No run has three settings of CLVS that differ only in beta; run the command bench with --sweep.",
    "sweep-grid": "No run has CLVS with three alphas for each of three betas; name them all in bench's --methods.",
    "looking": "No run holds knock-outs; run the command bench with --knockout.",
}
KINDS = tuple(_WHY_NOT)
FORMATS = ("png", "svg")


def figures(runs: Sequence[RunFolder], width: float = WIDTH, kinds: Collection[str] = KINDS) -> dict[str, Figure]:
    """Every figure for which a run holds what it needs, by name; where several runs do, with their folders' names."""
    return {name: draw() for name, draw in _drawings(runs, width, kinds)[0].items()}


def missing(runs: Sequence[RunFolder]) -> dict[str, str]:
    """Why the other figures cannot be drawn, a sentence each: those of no run, and those of runs that are damaged."""
    return _drawings(runs, WIDTH, KINDS)[1]


def save_all(
    runs: Sequence[RunFolder], folder: str | Path, width: float = WIDTH, kinds: Collection[str] = KINDS
) -> list[Path]:
    """Writes every figure as PNG and SVG; returns the files. Raises ClvsError where the folder cannot be written."""
    folder, written = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures(runs, width, kinds).items():
            for ending in FORMATS:
                written.append(folder / f"{name}.{ending}")
                save(figure, written[-1])
    except OSError as error:
        raise ClvsError(
            f"The figures cannot be written to {folder} ({error.strerror}); name another folder."
        ) from error
    return written


def _drawings(
    runs: Sequence[RunFolder], width: float, kinds: Collection[str]
) -> tuple[dict[str, Callable[[], Figure]], dict[str, str]]:
    """What draws each figure, and why there is none: of the other kinds, and of runs that are damaged."""
    found = [(run, kind, one) for run in runs for kind, one in _of_run(run, width).items()]
    drawn: dict[str, Callable[[], Figure]] = {}
    reasons: dict[str, str] = {}
    for kind in filter(kinds.__contains__, KINDS):
        able = [(run, one) for run, own, one in found if own == kind and not isinstance(one, ClvsError)]
        damaged = [(run, one) for run, own, one in found if own == kind and isinstance(one, ClvsError)]
        for run, drawing in able:
            drawn[kind if len(able) == 1 else _free(f"{kind}-{_slug(run.folder.name)}", drawn)] = drawing
        for run, error in damaged:
            alone = len(damaged) == 1 and not able
            reasons[kind if alone else _free(f"{kind}-{_slug(run.folder.name)}", drawn | reasons)] = str(error)
        if not able and not damaged:
            reasons[kind] = _WHY_NOT[kind]
    return drawn, reasons


def _of_run(run: RunFolder, width: float) -> dict[str, Callable[[], Figure] | ClvsError]:
    """What draws each figure for which one run holds what it needs; what is wrong where records are damaged."""
    found: dict[str, Callable[[], Figure] | ClvsError] = {}
    if _holds(run, "attention"):
        wrong = _wrong(lambda: samples(run, chosen_methods(run, "attention")))
        found["decay"] = wrong or partial(decay_figure, run, width=width)
        if _holds(run, "picture_attention"):
            blank = wrong or _wrong(lambda: _some_share(run))
            found["decay-share"] = blank or partial(decay_figure, run, share=True, width=width)
        found["peaks"] = wrong or partial(peaks_figure, run, width=width)
    if _holds(run, "knockout"):
        wrong = _wrong(lambda: looking(run, chosen_methods(run, "knockout")))
        found["looking"] = wrong or partial(looking_figure, run, width=width)
    if _holds(run, "uncertainty"):
        found["convergence"] = _wrong(lambda: observed(run)) or partial(convergence_figure, run, width=width)
    if run.benchmark.paired and common(run, list(run.methods)):
        found["mme"] = partial(mme_figure, run, paper_mme(run), width=width)
    for sweep in reversed(sweeps(run)):  # of several of a kind, the first stays
        kind = f"sweep-{sweep.over[0] if len(sweep.over) == 1 else 'grid'}"
        found[kind] = partial(sweep_figure, run, sweep, width=width)
    return found


def _holds(run: RunFolder, record: str) -> bool:
    return any(run.column(method, record) for method in run.methods)


def _wrong(read: Callable[[], Any]) -> ClvsError | None:
    """What is wrong with the records that a figure is of; reading takes much less time than drawing."""
    try:
        read()
    except ClvsError as error:
        return error
    return None


def _some_share(run: RunFolder) -> None:
    if not np.isfinite(samples(run, chosen_methods(run, "attention")).share).any((0, 2)).all():
        raise no_share(run)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    names = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
