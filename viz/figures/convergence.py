"""Figure 4: uncertainty, and where the answer has converged."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clvs_core.analysis.convergence import Convergence, binned, convergence
from clvs_core.benchmarks.running.folder import RunFolder

from .runs import (
    WIDTH,
    add_caption,
    add_legend,
    handles_of,
    in_percent,
    labels_of,
    new_panels,
    number_of,
    value_axis,
    with_interval,
)
from .style import FAINT, INK

_CONVERGED = "#0b7a75"


def convergence_figure(run: RunFolder, method: str | None = None, width: float = WIDTH) -> Figure:
    """Uncertainty where the answer has converged and where it has not, and the share that has, by uncertainty.

    method: by its name in the run; by default vanilla, else the first of which it was recorded. Raises ClvsError where
    there is none.
    """
    found = convergence(run, method)
    figure, panels = new_panels(2, width, 0.75)
    top = max(1.0, float(np.max(found.uncertainty, initial=0, where=np.isfinite(found.uncertainty))))
    _draw_uncertainty(panels[0], found, top)
    _draw_shares(panels[1], found, top)
    for ax in panels:
        ax.set_xlabel("uncertainty after a layer", fontsize=8, color=INK)
        ax.set_xlim(-0.02 * top, 1.02 * top)
    *lines, bars = handles_of(panels[1])
    add_legend(figure, [*handles_of(panels[0]), bars, *lines])
    add_caption(figure, run, *_about_convergence(run, found))
    return figure


def _about_convergence(run: RunFolder, found: Convergence) -> list[str]:
    fit, stops = found.fit, found.stops
    fitted = "All layers have converged, or none, so that nothing can be fitted"
    if math.isfinite(fit.correlation):
        fitted = f"Point-biserial r = {with_interval(fit.correlation, fit.correlation_interval)}"
    if math.isfinite(fit.half_converged):
        fitted += f"; half have converged at {with_interval(fit.half_converged, fit.half_converged_interval)}"
    label = labels_of(run, [found.method])[0]
    return [
        f"{number_of(len(found.flags), 'question')}, {fit.observations:,} observations (questions × layers), {label}",
        fitted,
        f"γ {stops.gamma:g}, checked from layer {stops.first_check + 1} on, stops "
        f"{in_percent(stops.stopped)} of questions, {in_percent(stops.too_early)} before they have converged",
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
        look = fill or {"facecolor": "none", "edgecolor": INK, "hatch": "/////"}
        ax.stairs(shares, edges, fill=True, label=label, linewidth=0.8, zorder=3, **look)
    value_axis(ax, "share of layers", percent=True)


def _draw_shares(ax: Axes, found: Convergence, top: float) -> None:
    edges = np.linspace(0, top, 11)
    share, low, high, count = binned(found.uncertainty, found.flags, edges)
    held = count > 0
    middle, bars = ((edges[1:] + edges[:-1]) / 2)[held], np.stack([share - low, high - share])[:, held]
    look = {"color": INK, "linestyle": "none", "marker": "o", "markersize": 3.5, "elinewidth": 1, "capsize": 2}
    ax.errorbar(middle, share[held], bars, label="share of layers that have converged, 95%", zorder=3, **look)
    if math.isfinite(found.fit.slope):
        at = np.linspace(0, top, 201)
        ax.plot(at, found.fit.share(at), color=_CONVERGED, linewidth=1.5, label="logistic regression", zorder=2)
    ax.axvline(found.stops.gamma, color=FAINT, linestyle=(0, (4, 2)), linewidth=1, label=f"γ {found.stops.gamma:g}")
    value_axis(ax, "share that has converged", percent=True)
    ax.set_ylim(-0.03, 1.03)
