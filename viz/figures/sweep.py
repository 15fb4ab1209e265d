"""Figures 7 and 8: what CLVS's settings do to a benchmark's scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from clvs_core.analysis.sweep import Sweep
from clvs_core.benchmarks.running.folder import RunFolder
from clvs_core.labels import GREEK, settings_in_words

from .. import scales
from .runs import (
    BOOTSTRAP,
    LOOKS,
    RING,
    WIDTH,
    add_caption,
    add_legend,
    bounds,
    handles_of,
    in_points,
    listed,
    new_panels,
    questions_on,
    value_axis,
)
from .style import FAINT, INK


def sweep_figure(run: RunFolder, sweep: Sweep, width: float = WIDTH) -> Figure:
    """Unrounded scores over alpha or beta with vanilla's and the card's setting, or as maps over both.

    The caption has the card's setting minus vanilla, with paired intervals.
    """
    measures = list(sweep.points[0].scores)
    grid = len(sweep.over) == 2
    figure, panels = new_panels(len(measures), width, 0.85 if grid else 0.75)
    for ax, measure in zip(panels, measures, strict=True):
        (_draw_grid if grid else _draw_sweep)(ax, sweep, measure)
    kept = [part for part in settings_in_words(run.methods[sweep.points[0].method]) if not _varies(part, sweep.over)]
    notes = [questions_on(sweep.questions, sweep.pictures), f"CLVS: {', '.join(kept)}" if kept else ""]
    if changed := _changed(sweep):
        notes.append(f"The model card's setting minus Vanilla, paired: {changed}")
    wilson = "accuracy" in measures and not sweep.asks_twice and not grid
    if changed or not grid:
        notes.append(f"{BOOTSTRAP}; Wilson's for the band of accuracy" if wilson else BOOTSTRAP)
    if not grid:
        add_legend(figure, handles_of(panels[0]))
    elif sweep.card_point:
        add_legend(figure, [Patch(facecolor="none", edgecolor=INK, linewidth=1.6, label="the model card's setting")])
    add_caption(figure, run, *notes)
    return figure


def _changed(sweep: Sweep) -> str:
    """The paired change of the card's setting against vanilla; "" where the run lacks either."""
    changes = sweep.change(sweep.card_point) if sweep.card_point else {}
    return listed([f"{name} {in_points(change)}" for name, change in changes.items() if change.value is not None])


def _varies(words: str, over: Sequence[str]) -> bool:
    return any(words.split()[0] == GREEK[name] for name in over)


def _draw_sweep(ax: Axes, sweep: Sweep, measure: str) -> None:
    (name,), look = sweep.over, LOOKS[1]
    values = np.array([getattr(point, name) for point in sweep.points])
    scores = np.array([bounds(point.scores[measure]) for point in sweep.points])
    ax.fill_between(values, scores[:, 1], scores[:, 2], color=look.colour, alpha=0.16, linewidth=0, zorder=2)
    ax.plot(values, scores[:, 0], label="CLVS", zorder=3, **look.line)
    if sweep.vanilla is not None:
        style = {key: LOOKS[0].line[key] for key in ("color", "linestyle", "linewidth")}
        ax.axhline(bounds(sweep.vanilla[measure])[0], label="Vanilla", zorder=2, **style)
    if (chosen := sweep.card_point) is not None:
        at, score = getattr(chosen, name), bounds(chosen.scores[measure])[0]
        ax.plot([at], [score], label="the model card's setting", **RING)
    value_axis(ax, _measure(measure))
    ax.set_xlabel(f"{GREEK[name]}", fontsize=9, color=INK)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _draw_grid(ax: Axes, sweep: Sweep, measure: str) -> None:
    alphas, betas = (sorted({getattr(point, name) for point in sweep.points}) for name in ("alpha", "beta"))
    values = np.full((len(betas), len(alphas)), np.nan)
    for point in sweep.points:
        values[betas.index(point.beta), alphas.index(point.alpha)] = bounds(point.scores[measure])[0]
    table = ListedColormap(scales.lut("viridis") / 255.0).with_extremes(bad="#d8dce2")
    limits = Normalize(float(np.nanmin(values)), float(np.nanmax(values)))
    ax.imshow(
        np.ma.masked_invalid(values), cmap=table, norm=limits, origin="lower", aspect="auto", interpolation="nearest"
    )
    for axis, name, ticks in ((ax.xaxis, "alpha", alphas), (ax.yaxis, "beta", betas)):
        every = math.ceil(len(ticks) / 6)
        axis.set_ticks(range(0, len(ticks), every), [f"{tick:g}" for tick in ticks[::every]])
        axis.set_label_text(GREEK[name], fontsize=9, color=INK)
    ax.tick_params(labelsize=7, color=FAINT, labelcolor=INK, width=0.6, length=3)
    reference = "" if sweep.vanilla is None else f", Vanilla {bounds(sweep.vanilla[measure])[0]:.1f}"
    ax.set_title(f"{_measure(measure)}{reference}", fontsize=8, color=INK, loc="left")
    bar = ax.figure.colorbar(ScalarMappable(limits, table), ax=ax, pad=0.03)
    bar.ax.tick_params(labelsize=7, color=FAINT, labelcolor=INK, width=0.6, length=3)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5))
    for edge in (bar.outline, *ax.spines.values()):
        edge.set(linewidth=0.4, edgecolor=FAINT)
    if (chosen := sweep.card_point) is not None:
        corner = (alphas.index(chosen.alpha) - 0.5, betas.index(chosen.beta) - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="white", linewidth=3))
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.6))


def _measure(name: str) -> str:
    return "total score" if name == "total" else f"{name} (%)"
