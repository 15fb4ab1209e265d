"""What is left of an answer when an object is hidden, layer by layer: one line a method, its control as a faint one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from clvs_core.methods import spec

from .style import FAINT, INK, plain
from .traces import layer_axis, looks, value_axis

TITLES = {
    "word": "hidden from the word being written",
    "question": "hidden from the question's words",
    "both": "hidden from the question's words and the word being written",
}


def knockout(knockouts: Sequence[Any], *, name: str = "the object", question: str = "", only: bool = False) -> Figure:
    """One panel for each of the rows that were blinded, and in it a line for each method.

    Args:
        knockouts: of `clvs_core.EncodedImage.knockout`, of one question, object, token and window.
        name: what is hidden. question: what was asked.
        only: draws what is left when it is seen around a layer only, and hidden in all others.

    Raises:
        ValueError: there is nothing to draw, or models of several depths.
    """
    if not knockouts:
        raise ValueError("There is nothing to draw: give at least one knock-out.")
    if len({found.layers for found in knockouts}) > 1:
        raise ValueError("The knock-outs belong to different models; draw them one by one.")
    rows = list(dict.fromkeys(found.rows for found in knockouts))
    methods = list(dict.fromkeys(spec(found.method) for found in knockouts))
    styles = dict(zip(methods, looks(methods), strict=True))
    figure = Figure(figsize=(5.6, 0.7 + 2.3 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    highest = float(np.nanmax([found.only if only else found.kept for found in knockouts]))
    for ax, blinded in zip(panels, rows, strict=True):
        for found in (found for found in knockouts if found.rows == blinded):
            _plot(ax, found, *styles[spec(found.method)], only=only)
        ax.set_title(TITLES[blinded], fontsize=8, color=FAINT, loc="left", parse_math=False)
        value_axis(ax, "answer left")
        ax.set_ylim(0, 1.08 * max(1.0, highest))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    layer_axis(panels[-1], knockouts[0].layers)
    for text in panels[0].legend(frameon=False, fontsize=7.5, loc="lower right").get_texts():
        text.set(parse_math=False, color=INK)
    about = f"{plain(question, 70)}\n{plain(name, 40)} {_how(knockouts[0].window, only=only)}"
    figure.suptitle(about, x=0.012, ha="left", fontsize=9, color=INK, parse_math=False)
    return figure


def _plot(ax: Axes, found: Any, label: str, style: dict[str, Any], *, only: bool) -> None:
    numbers = np.arange(1, found.layers + 1)
    look: dict[str, Any] = {"linewidth": 1.5, "markersize": float(np.clip(150 / found.layers, 2.6, 5)), **style}
    said = f"{label}  “{plain(found.token.text.strip() or 'end', 20)}” {found.probability:.0%}"
    if not only:
        ax.plot(numbers, found.control, color=style["color"], linewidth=0.8, alpha=0.35, zorder=2)
    ax.plot(numbers, found.only if only else found.kept, label=said, markeredgewidth=1.1, zorder=3, **look)


def _how(window: int, *, only: bool) -> str:
    layers = f"{window} layer{'' if window == 1 else 's'} at a time"
    return f"seen only {layers}" if only else f"hidden, {layers} (faint: as many other tokens)"
