"""Figure 6: where attention on key objects peaks, and the gain over vanilla by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clvs_core.analysis.decay import Decay, decay
from clvs_core.benchmarks.running.folder import RunFolder

from .runs import (
    BANDS,
    BOOTSTRAP,
    WIDTH,
    Look,
    above,
    add_caption,
    add_legend,
    chosen_methods,
    counted,
    draw_band,
    labels_of,
    layer_axis,
    listed,
    looks_of,
    new_panels,
    signed,
    sized,
    value_axis,
)
from .style import FAINT, GRID


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
    found = decay(run, chosen_methods(run, "attention") if methods is None else methods, layers)
    looks = looks_of(run, found.samples.methods)
    names = labels_of(run, found.samples.methods)
    figure, panels = new_panels(2 if found.gains else 1, width, 0.75)
    _draw_peaks(panels[0], found, looks)
    notes = [counted(found)]
    if found.gains:
        notes += _draw_gains(panels[1], found, names, looks)
    for ax in panels:
        layer_axis(ax, found.samples.layers)
    handles = [Line2D([], [], label=name, **look.line) for name, look in zip(names, looks, strict=True)]
    add_legend(figure, handles)
    add_caption(figure, run, *notes)
    return figure


def _draw_peaks(ax: Axes, found: Decay, looks: Sequence[Look]) -> None:
    several, layers = len(looks), np.arange(1, found.samples.layers + 1)
    wide = 0.84 / several
    for number, ((name, fall), look) in enumerate(zip(found.falls.items(), looks, strict=True)):
        heights = fall.peak_counts / len(fall.peaks)
        if several > BANDS:
            ax.plot(layers, heights, zorder=above(reference=name == found.reference), **sized(look, len(layers)))
            continue
        fill = {"facecolor": "white", "hatch": "//////"} if look.hollow else {"facecolor": look.colour}
        at, held = layers + (number - (several - 1) / 2) * wide, heights > 0  # bars of 0 would still have an edge
        ax.bar(at[held], heights[held], wide, edgecolor=look.colour, linewidth=0.7, zorder=3, **fill)
    value_axis(ax, "questions that peak here", percent=True)
    ax.set_ylim(bottom=0)


def _draw_gains(ax: Axes, found: Decay, names: Sequence[str], looks: Sequence[Look]) -> list[str]:
    """Returns what the caption says of them."""
    shown = dict(zip(found.samples.methods, zip(names, looks, strict=True), strict=True))
    first, last = next(iter(found.gains.values())).layers
    ax.axvspan(first + 0.5, last + 1.5, color=GRID, alpha=0.8, linewidth=0, zorder=0)
    ax.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    said, lost = [], 0
    for name, gain in found.gains.items():
        label, look = shown[name]
        draw_band(ax, gain.by_layer, look, label, len(found.gains))
        said.append(f"{label} {signed(gain.mean)}")
        lost = max(lost, int(gain.left_out.max()))
    value_axis(ax, "gain over vanilla, cut at 100%", percent=True)
    where = f"layer {first + 1}" if first == last else f"layers {first + 1} to {last + 1}"
    notes = [
        "Gain: mean over questions of (method − vanilla) / vanilla, each cut at 100%",
        f"Mean gain in {where} (shaded): {listed(said)}",
        BOOTSTRAP,
    ]
    if lost:
        notes.append(f"Up to {lost} questions a layer have no gain, as vanilla gives their object nothing there")
    return notes
