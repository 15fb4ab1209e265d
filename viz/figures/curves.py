"""Key-object attention over the layers, one line a method, and its gain over the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .style import FAINT, plain
from .traces import (
    STYLES,
    Shown,
    add_legend,
    add_title,
    at_step,
    layer_axis,
    mark_layer,
    mark_stop,
    plot_lines,
    value_axis,
)


def curves(
    traces: Sequence[Any],
    values: Sequence[np.ndarray],
    *,
    gains: Sequence[np.ndarray | None] | None = None,
    step: int = 0,
    name: str = "the key object",
    head: int | None = None,
    viewed: int | None = None,
) -> Figure:
    """Key-object attention over the layers, one line a method, with the layer at which smoothing stops.

    Args:
        traces: one a method, all of the same question.
        values: one (steps, layers) array a trace, as `clvs_core.key_object_attention` gives it.
        gains: gain over the reference in percent, one (layers,) array a trace or None; drawn below, cut at 100.
        step: which generated token, from 0. name: what the key object is called.
        head: whose attention the values are, from 0; None for the mean of heads. viewed: a layer, from 0, to mark.

    Raises:
        ValueError: the token was not recorded, or values do not fit the traces.
    """
    chosen = at_step(traces, step)
    bars = {id(t): gain for t, gain in zip(traces, gains or [], strict=False) if gain is not None}
    bars = {key: gain for key, gain in bars.items() if key in {id(one.trace) for one in chosen}}
    figure = Figure(figsize=(5.6, 4.4 if bars else 3.5), layout="constrained")
    panels = figure.subplots(2 if bars else 1, 1, sharex=True, squeeze=False, height_ratios=[3, 1.15][: 1 + bool(bars)])
    ax = panels[0, 0]
    draw_attention(ax, chosen, traces, values, step)
    whose = "" if head is None else f"of head {head + 1} "
    value_axis(ax, f"attention {whose}on {plain(name, 30)}")
    for panel in panels[:, 0]:
        mark_layer(panel, viewed)
    if bars:
        _draw_gains(panels[1, 0], [(bars[id(one.trace)], one) for one in chosen if id(one.trace) in bars])
    layer_axis(panels[-1, 0], chosen[0].trace.attention.shape[1])
    add_legend(ax, chosen, step)
    add_title(figure, chosen)
    return figure


def draw_attention(
    ax: Axes, chosen: Sequence[Shown], traces: Sequence[Any], values: Sequence[np.ndarray], step: int
) -> None:
    """The chosen traces' lines with their stops, on an axis in percent. ValueError for values that do not fit."""
    for trace, curve in zip(traces, values, strict=True):
        if np.shape(curve) != trace.attention.shape[:2]:
            raise ValueError(f"A curve must have shape {trace.attention.shape[:2]}, not {np.shape(curve)}.")
    lines = {id(trace): curve for trace, curve in zip(traces, values, strict=True)}
    own = [np.asarray(lines[id(one.trace)][step]) for one in chosen]
    plot_lines(ax, chosen, own)
    for one, line in zip(chosen, own, strict=True):
        mark_stop(ax, one, step, line)
    _shade_gain(ax, chosen, own)
    ax.set_ylim(bottom=0)
    ax.margins(y=0.14)
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    step_size = float(np.diff(ax.get_yticks()).min())
    decimals = max(0, -math.floor(math.log10(100 * step_size) + 1e-9)) if step_size > 0 else 0
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))


def _shade_gain(ax: Axes, chosen: Sequence[Shown], lines: Sequence[np.ndarray]) -> None:
    """The band between the reference and the only other method; more than one band would only smear."""
    if len(chosen) != 2:
        return
    numbers = np.arange(1, len(lines[0]) + 1)
    other = max(chosen, key=lambda one: one.colour != STYLES[0].colour)
    ax.fill_between(numbers, *lines, color=other.colour, alpha=0.13, linewidth=0, zorder=1)


def _draw_gains(ax: Axes, drawn: Sequence[tuple[np.ndarray, Shown]]) -> None:
    width = 0.72 / len(drawn)
    for index, (gain, one) in enumerate(drawn):
        height = np.minimum(gain, 100.0)
        numbers = np.arange(1, len(height) + 1) + (index - (len(drawn) - 1) / 2) * width
        ax.bar(numbers, height, width * 0.92, color=one.colour, linewidth=0, alpha=0.85, zorder=3)
        for x in numbers[np.asarray(gain) > 100]:  # cut bars say so
            ax.annotate("+", (x, 100), xytext=(0, 0.5), textcoords="offset points", ha="center", fontsize=7)
    value_axis(ax, "gain (≤ 100%)")
    ax.axhline(0, color=FAINT, linewidth=0.7, zorder=2)
    lowest = min(float(np.min(gain)) for gain, _ in drawn)
    ax.set_ylim(min(0.0, max(-100.0, 1.15 * lowest)), 116)
    ax.set_yticks([0, 50, 100])
    ax.yaxis.set_major_formatter(PercentFormatter(100, decimals=0))
