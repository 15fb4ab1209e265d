"""Figure 2: attention on the key object by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from clvs_core.analysis.decay import decay
from clvs_core.benchmarks.running.folder import RunFolder

from .runs import (
    BANDS,
    BOOTSTRAP,
    RING,
    WIDTH,
    add_caption,
    add_legend,
    chosen_methods,
    counted,
    draw_band,
    handles_of,
    labels_of,
    layer_axis,
    listed,
    looks_of,
    new_panels,
    no_share,
    value_axis,
)


def decay_figure(
    run: RunFolder, methods: Sequence[str] | None = None, *, share: bool = False, width: float = WIDTH
) -> Figure:
    """Attention on the key object by layer: a line for each method, its peak marked, and a band where they are few.

    methods: by their names in the run; by default one of each kind. share: of the attention on the picture instead of
    all. Raises ClvsError where it was not recorded.
    """
    found = decay(run, chosen_methods(run, "attention") if methods is None else methods)
    looks = looks_of(run, found.samples.methods)
    figure, (ax,) = new_panels(1, width, 0.55)
    names = labels_of(run, found.samples.methods)
    peaks = []
    for (name, fall), label, look in zip(found.falls.items(), names, looks, strict=True):
        band = fall.share if share else fall.attention
        if not np.isfinite(band.value).any():
            raise no_share(run)
        peak = int(np.nanargmax(band.value))
        peaks.append(peak)
        draw_band(ax, band, look, f"{label}, peak at layer {peak + 1}", len(looks), reference=name == found.reference)
        ax.plot(peak + 1, band.value[peak], zorder=5, **RING | {"markeredgecolor": look.colour})
    value_axis(ax, "share of the picture's attention" if share else "attention on the key object", percent=True)
    ax.margins(y=0.1)  # for the rings
    ax.set_ylim(bottom=0)
    layer_axis(ax, found.samples.layers, peaks)
    add_legend(figure, handles_of(ax))
    lives = [f"{fall.half_life:.1f}".replace("inf", "∞").replace("nan", "–") for fall in found.falls.values()]
    half = listed([f"{label} {life}" for label, life in zip(names, lives, strict=True)])
    notes = [*[f"Median half-life in layers: {half}"] * (not share), *[BOOTSTRAP] * (len(looks) <= BANDS)]
    add_caption(figure, run, counted(found), *notes)
    return figure
