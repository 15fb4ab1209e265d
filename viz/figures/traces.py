"""Figures for papers and slides, drawn with matplotlib from recorded traces: heat maps, curves, uncertainty.

This file knows how to draw and nothing of models. It keeps no global state (no pyplot), so that any thread may draw.
Layers are counted from 1 in all texts, from 0 in all arguments. Traces are those of `clvs_core`.

    figure = heatmaps(picture, [vanilla.trace, clvs.trace], outline=dog.mask)
    save(figure, "dog.pdf")
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from .. import scales
from ..labels import labels as method_labels
from ..labels import name_of, settings_in_words, title
from . import fonts

FORMATS = ("png", "svg", "pdf")
DPI = 200
_INK, _FAINT, _GRID = "#1f2328", "#667080", "#e3e6ea"
_OUTLINE = "#7ee0ff"
_MARKERS = {"ring": "o", "dot": "o", "square": "s", "diamond": "D", "triangle": "^"}
# One more than the viewer compares: a command line may name more traces. The styles after the first then come again.
_STYLES = (*scales.STYLES, scales.Style("#4d7a1f", "#a9d27a", (7, 2), "triangle"))
_SIDE = 320  # pixels of the picture in each cell of a grid; more is not visible in print
_MAX_COLUMNS = 8
_ABOUT_LINES = 3  # for models and settings below the question
_LINE = 0.135  # inches of one of them
_HARD = "\u00a0"  # a space at which no line breaks


@dataclass(frozen=True, eq=False)
class _Shown:
    """A trace as it is drawn: with the label and style that it has among all that are compared."""

    trace: Any
    label: str
    style: dict[str, Any]

    @property
    def colour(self) -> str:
        return self.style["color"]


def heatmaps(
    picture: Image.Image,
    traces: Sequence[Any],
    *,
    step: int = 0,
    layers: Sequence[int] | None = None,
    viewed: int | None = None,
    outline: np.ndarray | None = None,
    cmap: str = "magma",
    mode: str = "shared",
) -> Figure:
    """A grid of head-mean attention over the picture: one row a method, one column a layer.

    Args:
        picture: the original picture, upright.
        traces: one a method, all of the same question on this picture.
        step: which generated token, from 0; methods whose answer ended earlier are left out.
        layers: which layers, from 0; by default all of up to eight, else six spread over the depth.
        viewed: the layer on screen, from 0; it is among the default ones.
        outline: (height, width) bool mask of the key object, drawn as a contour.
        cmap: one of `scales.MAPS`. mode: one of `scales.MODES`, what one colour scale is shared by.

    Raises:
        ValueError: a layer or token that was not recorded, or a picture or mask of another size.
    """
    chosen = _at_step(traces, step)
    views = chosen[0].trace.views
    if picture.size != (views.width, views.height):
        raise ValueError(
            f"The traces belong to a picture of {views.width} x {views.height} pixels, "
            f"but this one is {picture.width} x {picture.height}; give the picture they were made with."
        )
    if outline is not None and np.shape(outline) != (views.height, views.width):
        raise ValueError(f"The outline must be a mask of {views.height} x {views.width} pixels.")
    maps = np.stack([_head_mean(one.trace, step) for one in chosen])
    shown = _layers(layers, maps.shape[1], viewed)
    cell = 1.25 * np.array([1.0, views.height / views.width]) / max(1.0, views.height / views.width)
    figure, axes = _grid_of_cells(chosen, len(shown), cell)
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    highs = []
    for row, one in enumerate(chosen):
        for column, layer in enumerate(shown):
            low, high = scales.limits(maps, mode, row, layer)
            highs.append((low, high))
            ax = axes[row][column]
            _draw_map(ax, small, maps[row, layer], views, (low, high), cmap)
            _draw_outline(ax, outline)
        _mark_stop_on(axes[row], shown, int(one.trace.stop_layer[step]))
    _label_grid(axes, chosen, shown, step)
    _colour_bar(figure, axes, sorted(set(highs)), cmap, _unit(chosen, step), mode)
    _title(figure, chosen)
    return figure


def curves(
    traces: Sequence[Any],
    values: Sequence[np.ndarray],
    *,
    gains: Sequence[np.ndarray | None] | None = None,
    step: int = 0,
    name: str = "the key object",
) -> Figure:
    """Key-object attention over the layers, one line a method, with the layer at which smoothing stops.

    Args:
        traces: one a method, all of the same question.
        values: one (steps, layers) array a trace, as `clvs_core.key_object_attention` gives it.
        gains: gain over the reference in percent, one (layers,) array a trace or None; drawn below, cut at 100.
        step: which generated token, from 0. name: what the key object is called.

    Raises:
        ValueError: the token was not recorded, or values do not fit the traces.
    """
    chosen = _at_step(traces, step)
    for trace, curve in zip(traces, values, strict=True):
        if np.shape(curve) != trace.attention.shape[:2]:
            raise ValueError(f"A curve must have shape {trace.attention.shape[:2]}, not {np.shape(curve)}.")
    lines = {id(t): np.asarray(curve[step]) for t, curve in zip(traces, values, strict=True) if len(curve) > step}
    bars = {id(t): gain for t, gain in zip(traces, gains or [], strict=False) if gain is not None}
    bars = {key: gain for key, gain in bars.items() if key in lines}
    figure = Figure(figsize=(5.6, 4.4 if bars else 3.5), layout="constrained")
    panels = figure.subplots(2 if bars else 1, 1, sharex=True, squeeze=False, height_ratios=[3, 1.15][: 1 + bool(bars)])
    ax = panels[0, 0]
    own = [lines[id(one.trace)] for one in chosen]
    _plot_lines(ax, chosen, own)
    for one, line in zip(chosen, own, strict=True):
        _mark_stop(ax, one, step, line)
    _shade_gain(ax, chosen, own)
    _axes(ax, f"attention on {plain(name, 30)}")
    ax.set_ylim(bottom=0)
    ax.margins(y=0.14)
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    step_size = float(np.diff(ax.get_yticks()).min())
    decimals = max(0, -math.floor(math.log10(100 * step_size) + 1e-9)) if step_size > 0 else 0
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))
    if bars:
        _draw_gains(panels[1, 0], [(bars[id(one.trace)], one) for one in chosen if id(one.trace) in bars])
    _layer_axis(panels[-1, 0], chosen[0].trace.attention.shape[1])
    _legend(ax, chosen, step)
    _title(figure, chosen)
    return figure


def uncertainty(traces: Sequence[Any], *, step: int = 0) -> Figure:
    """How undecided the model is after each layer (eq. 8), with the threshold and where smoothing stops.

    Layers at which it was not measured (NaN) leave a gap; run with `lens=True` to measure all.

    Raises:
        ValueError: the token was not recorded.
    """
    chosen = _at_step(traces, step)
    figure = Figure(figsize=(5.6, 3.5), layout="constrained")
    ax = figure.subplots()
    lines = [np.asarray(one.trace.uncertainty[step], dtype=np.float64) for one in chosen]
    _plot_lines(ax, chosen, lines)
    for one, line in zip(chosen, lines, strict=True):
        _mark_stop(ax, one, step, line)
    _axes(ax, "uncertainty")
    ax.set_ylim(0, 1.08)
    ax.set_yticks(np.linspace(0, 1, 6))
    depth = chosen[0].trace.attention.shape[1]
    _layer_axis(ax, depth)
    _legend(ax, chosen, step, unchecked=_draw_threshold(ax, chosen, depth))
    _title(figure, chosen)
    return figure


def save(figure: Figure, target: str | Path | IO[bytes], format: str | None = None) -> None:
    """Writes a figure as PNG (200 dots an inch), SVG or PDF; `format` defaults to the file name's ending.

    Letters that matplotlib's own font lacks are drawn in installed ones (`fonts.families`). Where none has them they
    become boxes, which a `fonts.FontWarning` says once for each script.

    Raises:
        ValueError: another format.
    """
    if format is None:
        format = Path(target).suffix.removeprefix(".") if isinstance(target, (str, Path)) else "png"
    if format.lower() not in FORMATS:
        raise ValueError(f"Figures are saved as {', '.join(FORMATS)}, not {format!r}; change the file's ending.")
    drawn = {text: text.get_text() for text in figure.findobj(Text)}
    families, missing = fonts.families(drawn.values())
    for text, letters in drawn.items():
        text.set_fontfamily([fonts.OWN] if letters.isascii() else families)  # not all families have every weight
        if missing:
            text.set_text(fonts.without(letters, missing))
    fonts.say_missing(missing)
    from clvs_core.files import whole  # whoever has a trace to draw has it loaded already

    with whole(target) if isinstance(target, (str, Path)) else nullcontext(target) as file:
        figure.savefig(file, format=format.lower(), dpi=DPI, facecolor="white")


# --- what traces say --------------------------------------------------------------------------------------------


def labels(traces: Sequence[Any]) -> list[str]:
    """A short name for each trace's method: "Vanilla", "CLVS", with the settings that differ if a name repeats."""
    specs = _specs(traces)
    return [plain(label, 44) for label in method_labels(specs, [title(spec) for spec in specs])]


def _specs(traces: Sequence[Any]) -> list[str]:
    return [str(trace.meta.get("method", "method")) for trace in traces]


def _at_step(traces: Sequence[Any], step: int) -> list[_Shown]:
    if not traces:
        raise ValueError("There is nothing to draw: give at least one trace.")
    if len({(trace.attention.shape[1], trace.views) for trace in traces}) > 1:
        raise ValueError("The traces belong to different models or pictures; draw them one by one.")
    looks = zip(traces, labels(traces), _styles(traces), strict=True)
    chosen = [_Shown(*look) for look in looks if 0 <= step < len(look[0].attention)]
    if not chosen:
        longest = max(len(trace.attention) for trace in traces)
        raise ValueError(f"Token {step + 1} was not recorded; the longest answer has {longest}.")
    return chosen


def _head_mean(trace: Any, step: int) -> np.ndarray:
    return np.asarray(trace.attention[step], dtype=np.float64).mean(axis=1)


def _layers(layers: Sequence[int] | None, depth: int, viewed: int | None) -> list[int]:
    if layers is None:
        count = depth if depth <= _MAX_COLUMNS else 6
        extra = {viewed} if viewed is not None and 0 <= viewed < depth else set()
        return sorted({round(layer) for layer in np.linspace(0, depth - 1, count)} | extra)
    if not layers or any(not 0 <= layer < depth for layer in layers):
        raise ValueError(
            f"Layers must be between 1 and {depth}; got {', '.join(str(n + 1) for n in layers) or 'none'}."
        )
    return list(layers)


def _token(trace: Any, step: int) -> tuple[str, float | None]:
    """Text and probability of a generated token, as far as the trace says."""
    tokens = trace.meta.get("tokens")
    if not isinstance(tokens, list) or step >= len(tokens):
        return "", None
    entry = tokens[step]
    if isinstance(entry, dict):
        entry = [entry.get("id"), entry.get("text"), entry.get("probability")]
    if not isinstance(entry, (list, tuple)) or len(entry) != 3:
        return "", None
    chance = entry[2] if isinstance(entry[2], (int, float)) and math.isfinite(entry[2]) else None
    return plain(str(entry[1]), 20) or "end", chance


def _said(trace: Any, step: int) -> str:
    text, chance = _token(trace, step)
    if not text:
        return ""
    return f"“{text}”" + (f" {chance:.0%}" if chance is not None else "")


def plain(text: Any, limit: int) -> str:
    """Untrusted text on one line, cut to a length; a Chinese character is as wide as two letters."""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    ends = list(itertools.accumulate(map(_columns, words)))
    return words if not ends or ends[-1] <= limit else words[: bisect.bisect(ends, limit - 1)] + "…"


def _columns(text: str) -> int:
    """How many letters' width a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _wrapped(text: str, limit: int) -> str:
    """The text in lines of at most so many letters' width."""
    wide = "".join(c + "\0" * (_columns(c) - 1) for c in text)  # textwrap counts characters
    return "\n".join(line.replace("\0", "") for line in textwrap.wrap(wide, limit))


def _unit(chosen: Sequence[_Shown], step: int) -> str:
    heads = chosen[0].trace.attention.shape[2]
    return f"attention weight,\nmean of {heads} heads, token {step + 1}"


# --- heat maps --------------------------------------------------------------------------------------------------


def _grid_of_cells(chosen: Sequence[_Shown], columns: int, cell: np.ndarray) -> tuple[Figure, list[list[Axes]]]:
    """Cells of the picture's shape in inches, with fixed margins for the labels and the colour bar."""
    left, right, top, bottom, gap = 1.2, 1.0, 0.7, 0.1, 0.06
    rows = len(chosen)
    width = left + columns * cell[0] + (columns - 1) * gap + right
    top += _LINE * max(0, len(_about(chosen, width)) - 1)
    height = top + rows * cell[1] + (rows - 1) * gap + bottom
    figure = Figure(figsize=(width, height))
    axes = [
        [
            figure.add_axes(
                (
                    (left + column * (cell[0] + gap)) / width,
                    (bottom + (rows - 1 - row) * (cell[1] + gap)) / height,
                    cell[0] / width,
                    cell[1] / height,
                )
            )
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    return figure, axes


def _draw_map(
    ax: Axes, picture: Image.Image, weights: np.ndarray, views: Any, limits: tuple[float, float], cmap: str
) -> None:
    ax.imshow(picture, extent=(0, views.width, views.height, 0), interpolation="antialiased", zorder=0)
    for grid in views.finest:
        tokens = grid.start + np.add.outer(np.arange(grid.rows) * grid.stride, np.arange(grid.cols))
        x0, y0, x1, y1 = grid.region
        colours = scales.colour(scales.normalise(weights[tokens], *limits), cmap)
        ax.imshow(colours, extent=(x0, x1, y1, y0), interpolation="nearest", zorder=1)
    _hatch_unseen(ax, views)
    ax.set(xlim=(0, views.width), ylim=(views.height, 0), xticks=[], yticks=[], aspect="auto")
    for spine in ax.spines.values():
        spine.set(color=_FAINT, linewidth=0.4)


def _hatch_unseen(ax: Axes, views: Any) -> None:
    """What the processor cut off, the model never sees."""
    x0, y0, x1, y1 = views.seen()
    width, height = views.width, views.height
    edges = ((0, 0, x0, height), (x1, 0, width, height), (x0, 0, x1, y0), (x0, y1, x1, height))
    for left, top, right, bottom in edges:
        if right - left > 0.5 and bottom - top > 0.5:
            box = Rectangle((left, top), right - left, bottom - top, hatch="////", zorder=2)
            box.set(facecolor=(1, 1, 1, 0.55), edgecolor=(0.25, 0.27, 0.3, 0.7), linewidth=0)
            ax.add_patch(box)


def _draw_outline(ax: Axes, mask: np.ndarray | None) -> None:
    if mask is None or not mask.any() or mask.all():
        return
    stride = max(1, max(mask.shape) // _SIDE)
    thin = np.pad(np.asarray(mask, dtype=np.float64)[::stride, ::stride], 1)
    rows = (np.arange(thin.shape[0]) - 0.5) * stride
    columns = (np.arange(thin.shape[1]) - 0.5) * stride
    for colour, width in (("black", 1.7), (_OUTLINE, 0.8)):  # a dark rim keeps it visible on bright maps
        ax.contour(columns, rows, thin, levels=[0.5], colors=[colour], linewidths=width, zorder=3)


def _mark_stop_on(axes: Sequence[Axes], shown: Sequence[int], stop: int) -> None:
    """On the first map from the stop on; it names the layer if that one is not shown."""
    after = [(layer, ax) for layer, ax in zip(shown, axes, strict=True) if layer >= stop >= 0]
    if not after:
        return
    layer, ax = min(after, key=lambda pair: pair[0])
    ax.text(
        0.965,
        0.95,
        "▼ stop" if layer == stop else f"▼ stopped at {stop + 1}",
        transform=ax.transAxes,
        ha="right",
        va="top",
        fontsize=6.5,
        color="white",
        bbox={"boxstyle": "round,pad=0.25", "facecolor": (0, 0, 0, 0.65), "linewidth": 0},
        zorder=4,
    )


def _label_grid(axes: list[list[Axes]], chosen: Sequence[_Shown], layers: Sequence[int], step: int) -> None:
    for column, layer in enumerate(layers):
        axes[0][column].set_title(f"layer {layer + 1}", fontsize=8, color=_INK, pad=4)
    for row, one in enumerate(chosen):
        name, _, settings = one.label.partition(" (")
        about = [*settings.removesuffix(")").split(", "), _said(one.trace, step)]
        under = "\n".join(_wrapped(part, 24) for part in about if part)
        name = _wrapped(name, 12)
        middle: dict[str, Any] = {"transform": axes[row][0].transAxes, "ha": "right", "parse_math": False}
        axes[row][0].text(-0.08, 0.52, name, va="bottom", fontsize=9, fontweight="bold", color=one.colour, **middle)
        axes[row][0].text(-0.08, 0.48, under, va="top", fontsize=7, color=_FAINT, linespacing=1.35, **middle)


def _colour_bar(
    figure: Figure, axes: list[list[Axes]], limits: list[tuple[float, float]], cmap: str, unit: str, mode: str
) -> None:
    top, bottom = axes[0][-1].get_position(), axes[-1][-1].get_position()
    width = figure.get_figwidth()
    height = min(top.y1 - bottom.y0, 2.6 / figure.get_figheight())
    middle = (top.y1 + bottom.y0) / 2
    ax = figure.add_axes((top.x1 + 0.14 / width, middle - height / 2, 0.1 / width, height))
    one = len(limits) == 1
    low, high = limits[0] if one else (0.0, 1.0)
    table = ListedColormap(scales.lut(cmap) / 255.0)
    bar = figure.colorbar(
        ScalarMappable(Normalize(low, high or 1.0), table), cax=ax, extend="max" if one else "neither"
    )
    if one:
        bar.ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        bar.set_label(unit, fontsize=6.5, color=_FAINT, labelpad=4)
    else:
        bar.set_ticks([0, 1], labels=["low", "high"])
        bar.set_label(f"{unit}\n(own scale for each {mode})", fontsize=6.5, color=_FAINT, labelpad=4)
    bar.ax.tick_params(labelsize=6.5, color=_FAINT, labelcolor=_INK, width=0.5, length=2)
    bar.outline.set(linewidth=0.4, edgecolor=_FAINT)


# --- curves -----------------------------------------------------------------------------------------------------


def _styles(traces: Sequence[Any]) -> list[dict[str, Any]]:
    """What matplotlib calls the looks that methods have in the viewer, each at its place."""
    places = scales.places([name_of(spec) for spec in _specs(traces)])
    return [_style(_STYLES[place and 1 + (place - 1) % (len(_STYLES) - 1)]) for place in places]


def _style(style: scales.Style) -> dict[str, Any]:
    dash = (0, tuple(length / 1.4 for length in style.dash)) if style.dash else "-"
    hollow = {"markerfacecolor": "white"} if style.mark == "ring" else {}
    return {"color": style.colour, "linestyle": dash, "marker": _MARKERS[style.mark], **hollow}


def _plot_lines(ax: Axes, chosen: Sequence[_Shown], lines: Sequence[np.ndarray]) -> None:
    for one, line in zip(chosen, lines, strict=True):
        size = float(np.clip(150 / len(line), 2.6, 5))
        numbers = np.arange(1, len(line) + 1)
        look: dict[str, Any] = {"linewidth": 1.5, "markersize": size, "markeredgewidth": 1.1, **one.style}
        ax.plot(numbers, line, label=one.label, zorder=3, **look)


def _mark_stop(ax: Axes, one: _Shown, step: int, line: np.ndarray) -> None:
    layer = int(one.trace.stop_layer[step])
    if layer < 0 or not math.isfinite(line[layer]):
        return
    ax.axvline(layer + 1, color=one.colour, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
    ax.annotate(
        "▼",
        (layer + 1, line[layer]),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=9,
        color=one.colour,
        zorder=4,
    )


def _shade_gain(ax: Axes, chosen: Sequence[_Shown], lines: Sequence[np.ndarray]) -> None:
    """The band between the reference and the only other method; more than one band would only smear."""
    if len(chosen) != 2:
        return
    numbers = np.arange(1, len(lines[0]) + 1)
    other = max(chosen, key=lambda one: one.colour != _STYLES[0].colour)
    ax.fill_between(numbers, *lines, color=other.colour, alpha=0.13, linewidth=0, zorder=1)


def _draw_gains(ax: Axes, drawn: Sequence[tuple[np.ndarray, _Shown]]) -> None:
    width = 0.72 / len(drawn)
    for index, (gain, one) in enumerate(drawn):
        height = np.minimum(gain, 100.0)
        numbers = np.arange(1, len(height) + 1) + (index - (len(drawn) - 1) / 2) * width
        ax.bar(numbers, height, width * 0.92, color=one.colour, linewidth=0, alpha=0.85, zorder=3)
        for x in numbers[np.asarray(gain) > 100]:  # cut bars say so
            ax.annotate("+", (x, 100), xytext=(0, 0.5), textcoords="offset points", ha="center", fontsize=7)
    _axes(ax, "gain (≤ 100%)")
    ax.axhline(0, color=_FAINT, linewidth=0.7, zorder=2)
    lowest = min(float(np.min(gain)) for gain, _ in drawn)
    ax.set_ylim(min(0.0, max(-100.0, 1.15 * lowest)), 116)
    ax.set_yticks([0, 50, 100])
    ax.yaxis.set_major_formatter(PercentFormatter(100, decimals=0))


def _draw_threshold(ax: Axes, chosen: Sequence[_Shown], depth: int) -> bool:
    """Thresholds that can stop something; True if the layers before the first check are shaded."""
    pairs = [(one.trace.meta.get("threshold"), one.trace.meta.get("first_check")) for one in chosen]
    pairs = [pair for pair in pairs if isinstance(pair[0], (int, float)) and isinstance(pair[1], int)]
    known = {(threshold, first) for threshold, first in pairs if 0 < threshold <= 1.08 and 0 <= first < depth}
    earliest = {threshold: min(f for t, f in known if t == threshold) for threshold, _ in known}
    for threshold, first in earliest.items():
        ax.plot(
            [first + 0.75, depth + 0.25], [threshold] * 2, color=_INK, linewidth=0.9, linestyle=(0, (6, 2)), zorder=2
        )
        ax.text(
            depth + 0.25, threshold + 0.015, f"threshold {threshold:g}", ha="right", va="bottom", fontsize=7, color=_INK
        )
    first = next(iter(known))[1] if len(known) == 1 else 0
    if not first:
        return False
    ax.axvspan(0.4, first + 0.5, color=_GRID, alpha=0.45, linewidth=0, zorder=0)
    return True


def _axes(ax: Axes, label: str) -> None:
    frame(ax, label, 8.5)


def frame(ax: Axes, label: str, size: float, grid: str = "y") -> None:
    """The look of axes in every figure. size: of the label in points, that of the ticks is one less."""
    ax.set_ylabel(label, fontsize=size, color=_INK, parse_math=False)
    ax.grid(axis=grid, color=_GRID, linewidth=0.7, zorder=0)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=size - 1, color=_FAINT, labelcolor=_INK, width=0.6, length=3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=_FAINT, linewidth=0.7)


def _layer_axis(ax: Axes, depth: int) -> None:
    ax.set_xlabel("layer", fontsize=8.5, color=_INK)
    ax.set_xlim(0.4, depth + 0.6)
    every = math.ceil(depth / 16)
    ax.set_xticks([1, *(n for n in range(every, depth + 1, every) if 4 * (n - 1) >= 3 * every)])


def _legend(ax: Axes, chosen: Sequence[_Shown], step: int, unchecked: bool = False) -> None:
    handles, names = ax.get_legend_handles_labels()
    said = [_said(one.trace, step) for one in chosen]
    texts = [f"{name}  {word}" if word else name for name, word in zip(names, said, strict=True)]
    if any(int(one.trace.stop_layer[step]) >= 0 for one in chosen):
        handles.append(ax.plot([], [], marker="v", color=_FAINT, linestyle="none", markersize=5)[0])
        texts.append("smoothing stops")
    if unchecked:  # beside the plot: inside it, words would lie on a curve
        handles.append(Patch(color=_GRID, alpha=0.45, linewidth=0))
        texts.append("not checked here")
    legend = ax.legend(
        handles,
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=3 if sum(map(_columns, texts)) < 64 else 2 if max(map(_columns, texts)) < 36 else 1,
        frameon=False,
        fontsize=7.5,
        handlelength=2.6,
        borderaxespad=0.2,
        columnspacing=1.6,
    )
    for text in legend.get_texts():
        text.set(parse_math=False, color=_INK)


def _title(figure: Figure, chosen: Sequence[_Shown]) -> None:
    """The question, and below it how it was asked; untrusted text, so neither mathematics nor line breaks."""
    wide, high = figure.get_figwidth(), figure.get_figheight()
    question = plain(chosen[0].trace.meta.get("question", ""), int(15 * wide))
    about = _about(chosen, wide)
    left = 0.012
    style: dict[str, Any] = {"ha": "left", "parse_math": False}
    if figure.get_layout_engine():  # it makes room for the title alone, so for all its lines
        lines = "\n ".join([question, *[""] * max(1, len(about))])
        figure.suptitle(lines, x=left, fontsize=9.5, color=_INK, **style)
    elif question:
        figure.suptitle(question, x=left, y=1 - 0.05 / high, va="top", fontsize=9.5, color=_INK, **style)
    for number, line in enumerate(about):
        top = 1 - (0.23 + _LINE * number) / high
        figure.text(left, top, line, va="top", fontsize=7.5, color=_FAINT, **style)


def _about(chosen: Sequence[_Shown], wide: float) -> list[str]:
    """Model and settings in as many lines as a figure so many inches wide needs, at most `_ABOUT_LINES`."""
    limit = int(17 * wide)
    text = plain(_made_with(chosen), limit * _ABOUT_LINES).replace(" ", _HARD)
    for end in (",", ":", " ·"):  # lines only break after these: a setting stays with its value
        text = text.replace(end.replace(" ", _HARD) + _HARD, f"{end.replace(' ', _HARD)} ")
    lines = textwrap.wrap(text, limit, max_lines=_ABOUT_LINES, placeholder=" …")
    return [line.replace(_HARD, " ") for line in lines]


def _made_with(chosen: Sequence[_Shown]) -> str:
    """Model and settings in words: "scenes · CLVS: β 0.8, first check at layer 8, γ 0.5"."""
    parts = [str(chosen[0].trace.meta.get("model") or "")]
    for one in chosen:
        spec, threshold = str(one.trace.meta.get("method", "")), one.trace.meta.get("threshold")
        words = settings_in_words(spec)
        if isinstance(threshold, (int, float)) and not re.search(r"clvs:[^+]*\bgamma=", spec):
            words.append(f"γ {threshold:g}" if "+" not in name_of(spec) else f"CLVS γ {threshold:g}")
        if words:
            parts.append(f"{one.label.partition(' (')[0]}: {', '.join(words)}")
    return " · ".join(part for part in parts if part)
