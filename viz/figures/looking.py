"""Which layers' looking matters, above attention on the key object and the gain of each method, on the same layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from clvs_core.analysis.knockout import HALF
from clvs_core.analysis.looking import Looking, counted, looking
from clvs_core.benchmarks.bootstrap import Estimate
from clvs_core.benchmarks.running.folder import RunFolder
from clvs_core.labels import number_of

from .runs import (
    BOOTSTRAP,
    WIDTH,
    Look,
    above,
    add_caption,
    add_legend,
    bounds,
    chosen_methods,
    draw_band,
    labels_of,
    layer_axis,
    listed,
    looks_of,
    sized,
    value_axis,
)
from .style import FAINT, GRID

_HEIGHT = 1.5  # inches a panel


def looking_figure(run: RunFolder, methods: Sequence[str] | None = None, width: float = WIDTH) -> Figure:
    """Three panels on one layer axis: what each method's answer loses when the key object is hidden from the answering
    word around a layer (for vanilla with quartiles over questions, and hidden from the question's words too); attention
    on the object; and the gain over vanilla. Layers around which vanilla loses more than half are shaded in all three.

    methods: by their names in the run; by default one of each kind. Raises ClvsError where a run lacks knock-outs.
    """
    found = looking(run, chosen_methods(run, "knockout") if methods is None else methods)
    names, looks = labels_of(run, found.samples.methods), looks_of(run, found.samples.methods)
    figure = Figure(figsize=(width, 3 * _HEIGHT), layout="constrained")
    panels: list[Axes] = list(figure.subplots(3, 1, sharex=True))
    matter = np.flatnonzero(found.lost(found.reference).mean > HALF)
    for ax in panels:
        for layer in matter:
            ax.axvspan(layer + 0.5, layer + 1.5, color=GRID, alpha=0.8, linewidth=0, zorder=0)
    _draw_lost(panels[0], found, looks)
    shown = dict(zip(found.samples.methods, zip(names, looks, strict=True), strict=True))
    several = len(shown)
    for name, (label, look) in shown.items():
        reference = name == found.reference
        draw_band(panels[1], found.attention(name), look, label, several, reference=reference)
        if not reference:
            draw_band(panels[2], found.gain(name).by_layer, look, label, several - 1)
    value_axis(panels[1], "attention on object", percent=True)
    panels[1].set_ylim(bottom=0)
    panels[2].axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    value_axis(panels[2], "gain over vanilla", percent=True)
    layer_axis(panels[2], found.samples.layers)
    handles = [Line2D([], [], label=name, **look.line) for name, look in zip(names, looks, strict=True)]
    if len(matter):
        handles.append(Patch(color=GRID, label="vanilla loses more than half"))
    add_legend(figure, handles)
    add_caption(figure, run, counted(found), *_notes(found, dict(zip(found.samples.methods, names, strict=True))))
    return figure


def _draw_lost(ax: Axes, found: Looking, looks: Sequence[Look]) -> None:
    layers = np.arange(1, found.samples.layers + 1)
    for name, look in zip(found.samples.methods, looks, strict=True):
        spread, reference = found.lost(name), name == found.reference
        if reference:
            ax.fill_between(layers, spread.low, spread.high, color=look.colour, alpha=0.16, linewidth=0, zorder=2)
            both = found.lost(name, "both").mean
            ax.plot(layers, both, color=look.colour, linewidth=0.8, alpha=0.6, zorder=2, label="_both")
        ax.plot(layers, spread.mean, zorder=above(reference=reference), label=name, **sized(look, len(layers)))
    value_axis(ax, "answer lost", percent=True)
    ax.set_ylim(0, 1.05)


def _notes(found: Looking, names: dict[str, str]) -> list[str]:
    shares = {name: found.shares(name) for name in names}
    added = [f"{names[name]} {_share(one.added_there)}" for name, one in shares.items() if one.added_there]
    there = _share(shares[found.reference].there)
    return [
        f"Answer lost: the object hidden from the answering word, {number_of(found.window, 'layer')} at a time, beside "
        "as many other tokens hidden; shade: vanilla's quartiles over questions; thin line: hidden from the question's "
        "words too",
        f"Of the attention that a method adds to the object, what falls where looking matters: {listed(added)}; of "
        f"vanilla's own {there}",
        "Gain: mean over questions of (method − vanilla) / vanilla, each cut at 100%",
        BOOTSTRAP,
    ]


def _share(estimate: Estimate) -> str:
    value, low, high = bounds(estimate)
    if np.isnan(value):
        return "nothing added"
    return f"{value:.0%}" + (f" ({100 * low:.0f}–{100 * high:.0f})" if np.isfinite(low) else "")
