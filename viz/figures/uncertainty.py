"""How undecided the model is after each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import GRID, INK
from .traces import Shown, add_legend, add_title, at_step, layer_axis, mark_layer, mark_stop, plot_lines, value_axis


def uncertainty(traces: Sequence[Any], *, step: int = 0, viewed: int | None = None) -> Figure:
    """How undecided the model is after each layer (eq. 8), with the threshold and where smoothing stops.

    viewed: a layer, from 0, to mark. Layers at which uncertainty was not measured (NaN) leave a gap; run with
    `lens=True` to measure all.

    Raises:
        ValueError: the token was not recorded.
    """
    chosen = at_step(traces, step)
    figure = Figure(figsize=(5.6, 3.5), layout="constrained")
    ax = figure.subplots()
    lines = [np.asarray(one.trace.uncertainty[step], dtype=np.float64) for one in chosen]
    plot_lines(ax, chosen, lines)
    for one, line in zip(chosen, lines, strict=True):
        mark_stop(ax, one, step, line)
    mark_layer(ax, viewed)
    value_axis(ax, "uncertainty")
    ax.set_ylim(0, 1.08)
    ax.set_yticks(np.linspace(0, 1, 6))
    depth = chosen[0].trace.attention.shape[1]
    layer_axis(ax, depth)
    add_legend(ax, chosen, step, unchecked=_draw_threshold(ax, chosen, depth))
    add_title(figure, chosen)
    return figure


def _draw_threshold(ax: Axes, chosen: Sequence[Shown], depth: int) -> bool:
    """Thresholds that can stop something; True if the layers before the first check are shaded."""
    pairs = [(one.trace.meta.get("threshold"), one.trace.meta.get("first_check")) for one in chosen]
    pairs = [pair for pair in pairs if isinstance(pair[0], (int, float)) and isinstance(pair[1], int)]
    known = {(threshold, first) for threshold, first in pairs if 0 < threshold <= 1.08 and 0 <= first < depth}
    earliest = {threshold: min(f for t, f in known if t == threshold) for threshold, _ in known}
    for threshold, first in earliest.items():
        ax.plot(
            [first + 0.75, depth + 0.25], [threshold] * 2, color=INK, linewidth=0.9, linestyle=(0, (6, 2)), zorder=2
        )
        ax.text(
            depth + 0.25, threshold + 0.015, f"threshold {threshold:g}", ha="right", va="bottom", fontsize=7, color=INK
        )
    first = next(iter(known))[1] if len(known) == 1 else 0
    if not first:
        return False
    ax.axvspan(0.4, first + 0.5, color=GRID, alpha=0.45, linewidth=0, zorder=0)
    return True
