"""The CLVS paper's figures, drawn with matplotlib from run folders: nothing but what a run recorded goes into them.

    runs = [read_run(folder) for folder in find_runs(["runs"])]
    save_all(runs, "figures")

Figure 2 is "decay", and "decay-share" with the attention on the picture as the whole; 4 is "convergence", 5 "mme", 6
"peaks", 7 and 8 "sweep-alpha" and "sweep-beta"; "sweep-grid" is of both. Each says below it of how many questions,
which model and which benchmark it is. Widths are in inches: 3.3 is a paper's column, where panels stand below each
other. Layers are counted from 1 in texts. No global state (no pyplot), as in `viz.figures.traces`.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clvs_core.analysis.convergence import Convergence, binned, convergence, observed
from clvs_core.analysis.decay import Band, Decay, decay, samples
from clvs_core.analysis.sweep import Sweep, common, sweeps
from clvs_core.benchmarks.bootstrap import Estimate
from clvs_core.benchmarks.report.paper_numbers import paper_model, paper_tables
from clvs_core.benchmarks.running.folder import RunFolder
from clvs_core.errors import ClvsError

from .. import scales
from ..labels import GREEK, labels, name_of, settings_in_words, title
from .traces import frame, plain, save

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
}
KINDS = tuple(_WHY_NOT)
FORMATS = ("png", "svg")
WIDTH = 6.0
LINES = 8  # methods in one plot of lines; more cannot be told apart
BANDS = 3  # with more methods than this in a plot, bands would cover each other, and so would bars
_NARROW = 4.8  # below this many inches, panels stand below each other
_INK, _FAINT, _GRID = "#1f2328", "#667080", "#e3e6ea"
_CONVERGED = "#0b7a75"
_RING = {"linestyle": "none", "marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgecolor": _INK}
_HARD = "\u00a0"  # a space at which no line breaks

Paper = Mapping[str, Mapping[str, float]]  # method's title -> MME task or "total" -> the paper's score


@dataclass(frozen=True)
class _Look:
    """How a method looks in every figure: never by colour alone. dash: in pixels, () for a solid line."""

    colour: str
    dash: tuple[int, ...]
    marker: str
    hollow: bool = False

    @property
    def line(self) -> dict[str, Any]:
        dash = (0, tuple(length / 1.4 for length in self.dash)) if self.dash else "-"
        return {"color": self.colour, "linestyle": dash, "linewidth": 1.4, **self.points}

    @property
    def points(self) -> dict[str, Any]:
        fill = "white" if self.hollow else self.colour
        return {"marker": self.marker, "markersize": 4, "markerfacecolor": fill, "markeredgecolor": self.colour}


_MARKERS = {"ring": "o", "dot": "o", "square": "s", "diamond": "D"}
# The viewer compares four; the others are as far from them and from each other (CIE 1976, every colour blindness).
_LOOKS = (
    *(_Look(style.colour, style.dash, _MARKERS[style.mark], style.mark == "ring") for style in scales.STYLES),
    _Look("#06a8f9", (7, 2), "^"),
    _Look("#4b3202", (1, 2), "v"),
    _Look("#738f56", (12, 3), "P"),
    _Look("#0e024b", (4, 2, 1, 2, 1, 2), "X"),
)


# --- all of them --------------------------------------------------------------------------------------


def figures(runs: Sequence[RunFolder], width: float = WIDTH) -> dict[str, Figure]:
    """Every figure for which a run holds what it needs, by name; where several runs do, with their folders' names."""
    return {name: draw() for name, draw in _drawings(runs, width)[0].items()}


def missing(runs: Sequence[RunFolder]) -> dict[str, str]:
    """Why the other figures cannot be drawn, a sentence each: those of no run, and those of runs that are damaged."""
    return _drawings(runs, WIDTH)[1]


def save_all(runs: Sequence[RunFolder], folder: str | Path, width: float = WIDTH) -> list[Path]:
    """Writes every figure as PNG and SVG; returns the files. Raises ClvsError where the folder cannot be written."""
    folder, written = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures(runs, width).items():
            for ending in FORMATS:
                written.append(folder / f"{name}.{ending}")
                save(figure, written[-1])
    except OSError as error:
        raise ClvsError(
            f"The figures cannot be written to {folder} ({error.strerror}); name another folder."
        ) from error
    return written


def _drawings(runs: Sequence[RunFolder], width: float) -> tuple[dict[str, Callable[[], Figure]], dict[str, str]]:
    """What draws each figure, and why there is none: of the other kinds, and of runs that are damaged."""
    found = [(run, kind, one) for run in runs for kind, one in _of_run(run, width).items()]
    drawn: dict[str, Callable[[], Figure]] = {}
    reasons: dict[str, str] = {}
    for kind in KINDS:
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
        wrong = _wrong(lambda: samples(run, _chosen(run, "attention")))
        found["decay"] = wrong or partial(decay_figure, run, width=width)
        if _holds(run, "picture_attention"):
            blank = wrong or _wrong(lambda: _some_share(run))
            found["decay-share"] = blank or partial(decay_figure, run, share=True, width=width)
        found["peaks"] = wrong or partial(peaks_figure, run, width=width)
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
    if not np.isfinite(samples(run, _chosen(run, "attention")).share).any((0, 2)).all():
        raise _no_share(run)


def _no_share(run: RunFolder) -> ClvsError:
    return ClvsError(f"{run.folder} holds no attention on the whole picture; draw the figure without share.")


def _free(name: str, taken: Mapping[str, Any]) -> str:
    names = (name if number == 1 else f"{name}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"


# --- figures 2 and 6: attention on key objects --------------------------------------------------------


def decay_figure(
    run: RunFolder, methods: Sequence[str] | None = None, share: bool = False, width: float = WIDTH
) -> Figure:
    """Attention on the key object by layer: a line for each method, its peak marked, and a band where they are few.

    methods: by their names in the run; by default one of each kind. share: of the attention on the picture instead of
    all. Raises ClvsError where it was not recorded.
    """
    found = decay(run, _chosen(run, "attention") if methods is None else methods)
    looks = _looks(run, found.samples.methods)
    figure, (ax,) = _panels(1, width, 0.55)
    names = _labels(run, found.samples.methods)
    peaks = []
    for (name, fall), label, look in zip(found.falls.items(), names, looks, strict=True):
        band = fall.share if share else fall.attention
        if not np.isfinite(band.value).any():
            raise _no_share(run)
        peak = int(np.nanargmax(band.value))
        peaks.append(peak)
        _band(ax, band, look, f"{label}, peak at layer {peak + 1}", len(looks), name == found.reference)
        ax.plot(peak + 1, band.value[peak], zorder=5, **_RING | {"markeredgecolor": look.colour})
    _axes(ax, "share of the picture's attention" if share else "attention on the key object", percent=True)
    ax.margins(y=0.1)  # for the rings
    ax.set_ylim(bottom=0)
    _layer_axis(ax, found.samples.layers, peaks)
    _legend(figure, _handles(ax))
    lives = [f"{fall.half_life:.1f}".replace("inf", "∞").replace("nan", "–") for fall in found.falls.values()]
    half = _listed([f"{label} {life}" for label, life in zip(names, lives, strict=True)])
    notes = [*[f"Median half-life in layers: {half}"] * (not share), *[_BOOTSTRAP] * (len(looks) <= BANDS)]
    _caption(figure, run, _counted(found), *notes)
    return figure


def peaks_figure(
    run: RunFolder,
    methods: Sequence[str] | None = None,
    layers: tuple[int, int] | None = None,
    width: float = WIDTH,
) -> Figure:
    """Where each question's attention on its key object peaks, and each method's relative gain over vanilla by layer.

    layers: first and last, from 0, of the mean gain, by default the paper's in proportion. Without vanilla in the run
    there is no gain. Raises ClvsError where key-object attention was not recorded.
    """
    found = decay(run, _chosen(run, "attention") if methods is None else methods, layers)
    looks = _looks(run, found.samples.methods)
    names = _labels(run, found.samples.methods)
    figure, panels = _panels(2 if found.gains else 1, width, 0.75)
    _draw_peaks(panels[0], found, looks)
    notes = [_counted(found)]
    if found.gains:
        notes += _draw_gains(panels[1], found, names, looks)
    for ax in panels:
        _layer_axis(ax, found.samples.layers)
    handles = [Line2D([], [], label=name, **look.line) for name, look in zip(names, looks, strict=True)]
    _legend(figure, handles)
    _caption(figure, run, *notes)
    return figure


def _draw_peaks(ax: Axes, found: Decay, looks: Sequence[_Look]) -> None:
    several, layers = len(looks), np.arange(1, found.samples.layers + 1)
    wide = 0.84 / several
    for number, ((name, fall), look) in enumerate(zip(found.falls.items(), looks, strict=True)):
        heights = fall.peak_counts / len(fall.peaks)
        if several > BANDS:
            ax.plot(layers, heights, zorder=_above(name == found.reference), **_sized(look, len(layers)))
            continue
        fill = {"facecolor": "white", "hatch": "//////"} if look.hollow else {"facecolor": look.colour}
        at, held = layers + (number - (several - 1) / 2) * wide, heights > 0  # bars of 0 would still have an edge
        ax.bar(at[held], heights[held], wide, edgecolor=look.colour, linewidth=0.7, zorder=3, **fill)
    _axes(ax, "questions that peak here", percent=True)
    ax.set_ylim(bottom=0)


def _draw_gains(ax: Axes, found: Decay, names: Sequence[str], looks: Sequence[_Look]) -> list[str]:
    """Returns what the caption says of them."""
    shown = dict(zip(found.samples.methods, zip(names, looks, strict=True), strict=True))
    first, last = next(iter(found.gains.values())).layers
    ax.axvspan(first + 0.5, last + 1.5, color=_GRID, alpha=0.8, linewidth=0, zorder=0)
    ax.axhline(0, color=_FAINT, linewidth=0.8, zorder=1)
    said, lost = [], 0
    for name, gain in found.gains.items():
        label, look = shown[name]
        _band(ax, gain.by_layer, look, label, len(found.gains))
        said.append(f"{label} {_signed(gain.mean)}")
        lost = max(lost, int(gain.left_out.max()))
    _axes(ax, "gain over vanilla, cut at 100%", percent=True)
    where = f"layer {first + 1}" if first == last else f"layers {first + 1} to {last + 1}"
    notes = [
        "Gain: mean over questions of (method − vanilla) / vanilla, each cut at 100%",
        f"Mean gain in {where} (shaded): {_listed(said)}",
        _BOOTSTRAP,
    ]
    if lost:
        notes.append(f"Up to {lost} questions a layer have no gain, as vanilla gives their object nothing there")
    return notes


# --- figure 4: uncertainty and convergence ------------------------------------------------------------


def convergence_figure(run: RunFolder, method: str | None = None, width: float = WIDTH) -> Figure:
    """Uncertainty where the answer has converged and where it has not, and the share that has, by uncertainty.

    method: by its name in the run; by default vanilla, else the first of which it was recorded. Raises ClvsError where
    there is none.
    """
    found = convergence(run, method)
    figure, panels = _panels(2, width, 0.75)
    top = max(1.0, float(np.max(found.uncertainty, initial=0, where=np.isfinite(found.uncertainty))))
    _draw_uncertainty(panels[0], found, top)
    _draw_shares(panels[1], found, top)
    for ax in panels:
        ax.set_xlabel("uncertainty after a layer", fontsize=8, color=_INK)
        ax.set_xlim(-0.02 * top, 1.02 * top)
    *lines, bars = _handles(panels[1])
    _legend(figure, [*_handles(panels[0]), bars, *lines])
    _caption(figure, run, *_about_convergence(run, found))
    return figure


def _about_convergence(run: RunFolder, found: Convergence) -> list[str]:
    fit, stops = found.fit, found.stops
    fitted = "All layers have converged, or none, so that nothing can be fitted"
    if math.isfinite(fit.correlation):
        fitted = f"Point-biserial r = {_with_interval(fit.correlation, fit.correlation_interval)}"
    if math.isfinite(fit.half_converged):
        fitted += f"; half have converged at {_with_interval(fit.half_converged, fit.half_converged_interval)}"
    label = _labels(run, [found.method])[0]
    return [
        f"{_number(len(found.flags), 'question')}, {fit.observations:,} observations (questions × layers), {label}",
        fitted,
        f"γ {stops.gamma:g}, checked from layer {stops.first_check + 1} on, stops "
        f"{_percent(stops.stopped)} of questions, {_percent(stops.too_early)} before they have converged",
        "95% intervals: bootstrap over questions",
    ]


def _draw_uncertainty(ax: Axes, found: Convergence, top: float) -> None:
    edges = np.linspace(0, top, 21)
    kinds = (
        (found.flags, "converged", {"facecolor": _CONVERGED, "alpha": 0.75}),
        (~found.flags, "not converged", None),
    )
    for flags, label, fill in kinds:
        values = found.uncertainty[flags & np.isfinite(found.uncertainty)]
        if not len(values):
            continue
        shares = np.histogram(np.clip(values, 0, top), edges)[0] / len(values)
        look = fill or {"facecolor": "none", "edgecolor": _INK, "hatch": "/////"}
        ax.stairs(shares, edges, fill=True, label=label, linewidth=0.8, zorder=3, **look)
    _axes(ax, "share of layers", percent=True)


def _draw_shares(ax: Axes, found: Convergence, top: float) -> None:
    edges = np.linspace(0, top, 11)
    share, low, high, count = binned(found.uncertainty, found.flags, edges)
    held = count > 0
    middle, bars = ((edges[1:] + edges[:-1]) / 2)[held], np.stack([share - low, high - share])[:, held]
    look = {"color": _INK, "linestyle": "none", "marker": "o", "markersize": 3.5, "elinewidth": 1, "capsize": 2}
    ax.errorbar(middle, share[held], bars, label="share of layers that have converged, 95%", zorder=3, **look)
    if math.isfinite(found.fit.slope):
        at = np.linspace(0, top, 201)
        ax.plot(at, found.fit.share(at), color=_CONVERGED, linewidth=1.5, label="logistic regression", zorder=2)
    ax.axvline(found.stops.gamma, color=_FAINT, linestyle=(0, (4, 2)), linewidth=1, label=f"γ {found.stops.gamma:g}")
    _axes(ax, "share that has converged", percent=True)
    ax.set_ylim(-0.03, 1.03)


# --- figure 5: MME ------------------------------------------------------------------------------------


def paper_mme(run: RunFolder) -> Paper:
    """The paper's MME scores of the run's model; empty where it has none of it."""
    (table,) = [table for table in paper_tables() if table.benchmark == "mme"]
    found = table.values.get(paper_model(str(run.about["model"].get("name", ""))) or "", {})
    return {
        name: {group: value for (group, _), value in zip(table.columns, row, strict=True)}
        for name, row in found.items()
    }


def mme_figure(
    run: RunFolder, paper: Paper | None = None, methods: Sequence[str] | None = None, width: float = WIDTH
) -> Figure:
    """MME's score by task, 0 to 200, and the total: a bar with its interval for each method, the paper's bar below it.

    Raises ClvsError for a run of another benchmark, and where no picture has both its answers of all methods.
    """
    names = list(run.methods) if methods is None else list(methods)
    questions = _mme_questions(run, names)
    scores = [
        run.benchmark.score(questions, {question.id: run.answers[name][question.id] for question in questions})
        for name in names
    ]
    theirs = [(paper or {}).get(title(run.methods[name]), {}) for name in names]
    groups, looks = list(scores[0].groups), _looks(run, names)
    figure, panels = _small_panels(len(groups), width, 0.45 + len(names) * (0.3 if any(theirs) else 0.19))
    for ax, group in zip(panels, groups, strict=True):
        limit = 200.0 * (len(groups) - 1 if group == "total" else 1)
        _draw_bars(ax, group, limit, looks, [score.groups[group].score for score in scores], theirs)
    texts = ["\n".join(textwrap.wrap(text, 18)) for text in _labels(run, names)]
    panels[0].set_yticks(range(len(names)), texts, parse_math=False)
    panels[0].set_ylim(len(names) - 0.4, -0.6)  # all share the axis
    if any(theirs):
        paper_look = {"facecolor": "white", "edgecolor": _FAINT, "hatch": "//////"}
        ours = Patch(facecolor=_FAINT, label="this run, 95% interval")
        _legend(figure, [ours, Patch(label="the paper's", **paper_look)])
    pictures = len({(question.kind, question.image) for question in questions})
    drawn = [score.groups[group].score for score in scores for group in groups]
    flat = any(one is not None and one.value is not None and one.low is None for one in drawn)
    _caption(figure, run, _questions(len(questions), pictures), f"{_BOOTSTRAP}{_NONE}" if flat else _BOOTSTRAP)
    return figure


def _small_panels(number: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """In rows of three, or of two where there is no room for more; they share the axis of the methods."""
    columns = 3 if width >= _NARROW else 2
    rows = math.ceil(number / columns)
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
    for ax in panels[number:]:
        ax.set_axis_off()
    return figure, panels[:number]


def _mme_questions(run: RunFolder, methods: Sequence[str]) -> list[Any]:
    if not run.benchmark.paired:
        raise ClvsError(f"{run.folder} is a run of {run.benchmark.label}; this figure is of a run of MME.")
    questions = common(run, methods)
    if not questions:
        raise ClvsError(f"In {run.folder} no picture has both its answers of every method yet; let the run go on.")
    return questions


def _draw_bars(
    ax: Axes,
    group: str,
    limit: float,
    looks: Sequence[_Look],
    ours: Sequence[Estimate | None],
    theirs: Sequence[Mapping[str, float]],
) -> None:
    for at, (look, score, paper) in enumerate(zip(looks, ours, theirs, strict=True)):
        if score is None or score.value is None:
            continue
        printed = paper.get(group)
        middle, thick = (at, 0.62) if printed is None else (at - 0.2, 0.38)
        ax.barh(middle, score.value, thick, color=look.colour, linewidth=0, zorder=3, label="ours")
        if score.low is not None and score.high is not None:
            _draw_interval(ax, middle, score.value, score.low, score.high)
        words: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": 6.5}
        ax.text(1.03, middle, f"{score.value:.0f}", color=_INK, **words)
        if printed is not None:
            edge = {"facecolor": "white", "edgecolor": look.colour, "hatch": "//////", "linewidth": 0.7}
            ax.barh(at + 0.2, printed, 0.34, zorder=3, label="paper", **edge)
            ax.text(1.03, at + 0.2, f"{printed:.0f}", color=_FAINT, **words)
    _axes(ax, "", grid="x")
    ax.set_title(group, fontsize=8, color=_INK, loc="left")
    ax.set_xlim(0, limit)
    ax.set_xticks([0, limit / 2, limit])


def _draw_interval(ax: Axes, at: float, value: float, low: float, high: float) -> None:
    for colour, wide in (("white", 2.2), (_INK, 0.9)):  # a rim keeps it visible on dark bars
        look = {"color": colour, "elinewidth": wide, "capthick": wide, "capsize": 1.8, "linestyle": "none"}
        ax.errorbar(value, at, xerr=[[value - low], [high - value]], zorder=4, **look)


# --- figures 7 and 8: sweeps --------------------------------------------------------------------------


def sweep_figure(run: RunFolder, sweep: Sweep, width: float = WIDTH) -> Figure:
    """Unrounded scores over alpha or beta with vanilla's and the card's setting, or as maps over both.

    The caption has the card's setting minus vanilla, with paired intervals.
    """
    measures = list(sweep.points[0].scores)
    grid = len(sweep.over) == 2
    figure, panels = _panels(len(measures), width, 0.85 if grid else 0.75)
    for ax, measure in zip(panels, measures, strict=True):
        (_draw_grid if grid else _draw_sweep)(ax, sweep, measure)
    kept = [part for part in settings_in_words(run.methods[sweep.points[0].method]) if not _varies(part, sweep.over)]
    notes = [_questions(sweep.questions, sweep.pictures), f"CLVS: {', '.join(kept)}" if kept else ""]
    if changed := _changed(sweep):
        notes.append(f"The model card's setting minus Vanilla, paired: {changed}")
    wilson = "accuracy" in measures and not sweep.asks_twice and not grid
    if changed or not grid:
        notes.append(f"{_BOOTSTRAP}; Wilson's for the band of accuracy" if wilson else _BOOTSTRAP)
    if not grid:
        _legend(figure, _handles(panels[0]))
    elif sweep.card_point:
        _legend(figure, [Patch(facecolor="none", edgecolor=_INK, linewidth=1.6, label="the model card's setting")])
    _caption(figure, run, *notes)
    return figure


def _changed(sweep: Sweep) -> str:
    """The paired change of the card's setting against vanilla; "" where the run lacks either."""
    changes = sweep.change(sweep.card_point) if sweep.card_point else {}
    return _listed([f"{name} {_points(change)}" for name, change in changes.items() if change.value is not None])


def _varies(words: str, over: Sequence[str]) -> bool:
    return any(words.split()[0] == GREEK[name] for name in over)


def _draw_sweep(ax: Axes, sweep: Sweep, measure: str) -> None:
    (name,), look = sweep.over, _LOOKS[1]
    values = np.array([getattr(point, name) for point in sweep.points])
    scores = np.array([_numbers(point.scores[measure]) for point in sweep.points])
    ax.fill_between(values, scores[:, 1], scores[:, 2], color=look.colour, alpha=0.16, linewidth=0, zorder=2)
    ax.plot(values, scores[:, 0], label="CLVS", zorder=3, **look.line)
    if sweep.vanilla is not None:
        style = {key: _LOOKS[0].line[key] for key in ("color", "linestyle", "linewidth")}
        ax.axhline(_numbers(sweep.vanilla[measure])[0], label="Vanilla", zorder=2, **style)
    if (chosen := sweep.card_point) is not None:
        at, score = getattr(chosen, name), _numbers(chosen.scores[measure])[0]
        ax.plot([at], [score], label="the model card's setting", **_RING)
    _axes(ax, _measure(measure))
    ax.set_xlabel(f"{GREEK[name]}", fontsize=9, color=_INK)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _draw_grid(ax: Axes, sweep: Sweep, measure: str) -> None:
    alphas, betas = (sorted({getattr(point, name) for point in sweep.points}) for name in ("alpha", "beta"))
    values = np.full((len(betas), len(alphas)), np.nan)
    for point in sweep.points:
        values[betas.index(point.beta), alphas.index(point.alpha)] = _numbers(point.scores[measure])[0]
    table = ListedColormap(scales.lut("viridis") / 255.0).with_extremes(bad="#d8dce2")
    limits = Normalize(float(np.nanmin(values)), float(np.nanmax(values)))
    ax.imshow(
        np.ma.masked_invalid(values), cmap=table, norm=limits, origin="lower", aspect="auto", interpolation="nearest"
    )
    for axis, name, ticks in ((ax.xaxis, "alpha", alphas), (ax.yaxis, "beta", betas)):
        every = math.ceil(len(ticks) / 6)
        axis.set_ticks(range(0, len(ticks), every), [f"{tick:g}" for tick in ticks[::every]])
        axis.set_label_text(GREEK[name], fontsize=9, color=_INK)
    ax.tick_params(labelsize=7, color=_FAINT, labelcolor=_INK, width=0.6, length=3)
    reference = "" if sweep.vanilla is None else f", Vanilla {_numbers(sweep.vanilla[measure])[0]:.1f}"
    ax.set_title(f"{_measure(measure)}{reference}", fontsize=8, color=_INK, loc="left")
    bar = ax.figure.colorbar(ScalarMappable(limits, table), ax=ax, pad=0.03)
    bar.ax.tick_params(labelsize=7, color=_FAINT, labelcolor=_INK, width=0.6, length=3)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5))
    for edge in (bar.outline, *ax.spines.values()):
        edge.set(linewidth=0.4, edgecolor=_FAINT)
    if (chosen := sweep.card_point) is not None:
        corner = (alphas.index(chosen.alpha) - 0.5, betas.index(chosen.beta) - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="white", linewidth=3))
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=_INK, linewidth=1.6))


def _measure(name: str) -> str:
    return "total score" if name == "total" else f"{name} (%)"


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    value, low, high = (math.nan if one is None else one for one in (estimate.value, estimate.low, estimate.high))
    return value, low, high


# --- what figures share -------------------------------------------------------------------------------

_BOOTSTRAP = "95% intervals: bootstrap over pictures"
_NONE = "; none where every resample gives the same number"


def _chosen(run: RunFolder, record: str) -> list[str]:
    """One method of each kind, of those that have the record: the setting that the run names first."""
    found: dict[str, str] = {}
    for name in run.methods:
        if run.column(name, record):
            found.setdefault(name_of(run.methods[name]), name)
    return list(found.values())[:LINES]


def _labels(run: RunFolder, methods: Sequence[str]) -> list[str]:
    """What people call these methods, on one line each, cut to a length."""
    specs = [run.methods[name] for name in methods]
    return [plain(label, 40) for label in labels(specs, [title(spec) for spec in specs])]


def _looks(run: RunFolder, methods: Sequence[str]) -> list[_Look]:
    """The looks that methods have at their places; those after the first come again where there are too many."""
    places = scales.places([name_of(run.methods[name]) for name in methods])
    several = [_LOOKS[0], *islice(cycle(_LOOKS[1:]), max(places))]
    return [several[place] for place in places]


def _panels(number: int, width: float, ratio: float) -> tuple[Figure, list[Axes]]:
    """Side by side, or below each other where there is no room; ratio: of a panel's height to its width."""
    rows, columns = (1, number) if width >= _NARROW else (number, 1)
    figure = Figure(figsize=(width, rows * max(2.1, min(3.2, ratio * width / columns))), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _band(ax: Axes, band: Band, look: _Look, label: str, several: int, reference: bool = False) -> None:
    """several: how many of them the plot has."""
    layers = np.arange(1, len(band.value) + 1)
    if several <= BANDS:
        ax.fill_between(layers, band.low, band.high, color=look.colour, alpha=0.16, linewidth=0, zorder=2)
    ax.plot(layers, band.value, label=label, zorder=_above(reference), **_sized(look, len(layers)))


def _above(reference: bool) -> int:
    """Methods that leave the weights alone, such as VCD, have vanilla's line: its dashes on top let both be seen."""
    return 4 if reference else 3


def _sized(look: _Look, layers: int) -> dict[str, Any]:
    """Smaller marks where there are many."""
    return look.line | {"markersize": 4 if layers <= 16 else 2.8}


def _axes(ax: Axes, label: str, percent: bool = False, grid: str = "y") -> None:
    frame(ax, label, 8, grid)
    if percent:
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], min_n_ticks=4))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}%".replace("-", "−")))


def _layer_axis(ax: Axes, depth: int, peaks: Sequence[int] = ()) -> None:
    """peaks: layers, from 0, that get a tick, with its number where there is room between them."""
    ax.set_xlabel("layer", fontsize=8, color=_INK)
    ax.set_xlim(0.4, depth + 0.6)
    every = math.ceil(depth / 9)
    ticks: list[int] = []
    for n in (*(peak + 1 for peak in peaks), 1, *range(every, depth + 1, every)):
        if all(2 * abs(n - other) >= every and n != other for other in ticks):
            ticks.append(n)
    ax.set_xticks(sorted(ticks))
    ax.set_xticks(sorted({peak + 1 for peak in peaks} - set(ticks)), minor=True)
    ax.tick_params(which="minor", color=_FAINT, width=0.6, length=3)


def _legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Above all panels, in as many columns as there is room for; the figure grows by its height."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    look: dict[str, Any] = {
        "frameon": False,
        "fontsize": 7,
        "handlelength": 2.4,
        "columnspacing": 1.4,
        "borderpad": 0.1,
    }
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(handles=list(handles), loc="outside upper left", ncols=columns, **look)
        for text in legend.get_texts():
            text.set(parse_math=False, color=_INK)
        box = legend.get_window_extent(renderer)
        if columns == 1 or box.width < 0.97 * figure.bbox.width:
            figure.set_figheight(figure.get_figheight() + box.height / figure.dpi)
            return
        legend.remove()


def _handles(ax: Axes) -> list[Any]:
    return ax.get_legend_handles_labels()[0]


def _caption(figure: Figure, run: RunFolder, *notes: str) -> None:
    """What was measured, in small lines below the panels; the figure grows by their height."""
    model = plain(run.about["model"].get("label") or run.about["model"].get("name") or "", 60)
    about = " · ".join(part for part in (model, run.benchmark.label, notes[0]) if part)
    limit = int(19.5 * figure.get_figwidth())
    lines = [line for note in (about, *notes[1:]) for line in textwrap.wrap(note, limit, break_on_hyphens=False)]
    figure.set_figheight(figure.get_figheight() + 0.125 * len(lines) + 0.05)
    text = figure.supxlabel("\n".join(lines).replace(_HARD, " "), x=0.01, ha="left", fontsize=6.5, color=_FAINT)
    text.set(linespacing=1.3, parse_math=False)


def _listed(items: Sequence[str]) -> str:
    """With commas, after which alone a line may end."""
    return ", ".join(item.replace(" ", _HARD) for item in items)


def _counted(found: Decay) -> str:
    return _questions(len(found.samples.ids), found.samples.pictures)


def _questions(questions: int, pictures: int) -> str:
    return f"{_number(questions, 'question')} on {_number(pictures, 'picture')}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _points(estimate: Estimate) -> str:
    value, low, high = _numbers(estimate)
    said = f"{value:+.1f}" + (f" ({low:+.1f} to {high:+.1f})" if math.isfinite(low) else "")
    return _unsigned_zero(said).replace("-", "−")


def _unsigned_zero(text: str) -> str:
    return re.sub(r"[+-](?=0\.0\b)", "", text)


def _signed(estimate: Estimate) -> str:
    value, low, high = _numbers(estimate)
    if math.isnan(value):
        return "unknown"
    said = f"{value:+.1%}" + (f" ({low:+.1%} to {high:+.1%})" if math.isfinite(low) else "")
    return _unsigned_zero(said).replace("-", "−")


def _percent(estimate: Estimate) -> str:
    return f"{_numbers(estimate)[0]:.1%}"


def _with_interval(value: float, ends: tuple[float, float]) -> str:
    said = f"{value:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if math.isfinite(ends[0]) else "")
    return said.replace("-", "−")
