"""Figures for papers and slides, drawn with matplotlib from recorded traces: heat maps, curves, uncertainty.

This file knows how to draw and nothing of models. It keeps no global state (no pyplot), so that any thread may draw.
Layers are counted from 1 in all texts, from 0 in all arguments. Traces are those of `clvs_core`.

    figure = heatmaps(picture, [vanilla.trace, clvs.trace], outline=dog.mask)
    save(figure, "dog.pdf")
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from . import scales
from .labels import labels as method_labels
from .labels import settings_in_words

FORMATS = ("png", "svg", "pdf")
DPI = 200
_INK, _FAINT, _GRID = "#1f2328", "#667080", "#e3e6ea"
_OUTLINE = "#7ee0ff"
# Never by colour alone: each method also has its own dash and marker.
_STYLES = (
    {"color": "#6a46c2", "linestyle": (0, (4, 2.2)), "marker": "o", "markerfacecolor": "white"},  # vanilla
    {"color": "#c2570c", "linestyle": "-", "marker": "o"},  # the first other method
    {"color": "#0b7a75", "linestyle": "-", "marker": "s"},
    {"color": "#b3266f", "linestyle": "-", "marker": "D"},
    {"color": "#4d7a1f", "linestyle": "-", "marker": "^"},
)
_SIDE = 320  # pixels of the picture in each cell of a grid; more is not visible in print
_MAX_COLUMNS = 8


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
    views = chosen[0].views
    if picture.size != (views.width, views.height):
        raise ValueError(
            f"The traces belong to a picture of {views.width} x {views.height} pixels, "
            f"but this one is {picture.width} x {picture.height}; give the picture they were made with."
        )
    if outline is not None and np.shape(outline) != (views.height, views.width):
        raise ValueError(f"The outline must be a mask of {views.height} x {views.width} pixels.")
    maps = np.stack([_head_mean(trace, step) for trace in chosen])
    shown = _layers(layers, maps.shape[1], viewed)
    cell = 1.25 * np.array([1.0, views.height / views.width]) / max(1.0, views.height / views.width)
    figure, axes = _grid_of_cells(len(chosen), len(shown), cell)
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    highs = []
    for row, trace in enumerate(chosen):
        for column, layer in enumerate(shown):
            low, high = scales.limits(maps, mode, row, layer)
            highs.append((low, high))
            ax = axes[row][column]
            _draw_map(ax, small, maps[row, layer], views, (low, high), cmap)
            _draw_outline(ax, outline)
        _mark_stop_on(axes[row], shown, int(trace.stop_layer[step]))
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
        gains: relative gain over vanilla in percent, one (layers,) array a trace or None; drawn below, cut at 100.
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
    styles = _styles(chosen)
    _plot_lines(ax, chosen, [lines[id(trace)] for trace in chosen], styles)
    for trace, style in zip(chosen, styles, strict=True):
        _mark_stop(ax, trace, step, lines[id(trace)], style["color"])
    _shade_gain(ax, chosen, lines, styles)
    _axes(ax, f"attention on {_plain(name, 30)}")
    ax.set_ylim(bottom=0)
    ax.margins(y=0.14)
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    step_size = float(np.diff(ax.get_yticks()).min())
    decimals = max(0, -math.floor(math.log10(100 * step_size) + 1e-9)) if step_size > 0 else 0
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))
    if bars:
        _draw_gains(panels[1, 0], chosen, bars, styles)
    _layer_axis(panels[-1, 0], chosen[0].attention.shape[1])
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
    styles = _styles(chosen)
    lines = [np.asarray(trace.uncertainty[step], dtype=np.float64) for trace in chosen]
    _plot_lines(ax, chosen, lines, styles)
    for trace, line, style in zip(chosen, lines, styles, strict=True):
        _mark_stop(ax, trace, step, line, style["color"])
    _axes(ax, "uncertainty")
    ax.set_ylim(0, 1.08)
    ax.set_yticks(np.linspace(0, 1, 6))
    depth = chosen[0].attention.shape[1]
    _layer_axis(ax, depth)
    _legend(ax, chosen, step, unchecked=_draw_threshold(ax, chosen, depth))
    _title(figure, chosen)
    return figure


def save(figure: Figure, target: str | Path | IO[bytes], format: str | None = None) -> None:
    """Writes a figure as PNG (200 dots an inch), SVG or PDF; `format` defaults to the file name's ending.

    Raises:
        ValueError: another format.
    """
    if format is None:
        format = Path(target).suffix.removeprefix(".") if isinstance(target, (str, Path)) else "png"
    if format.lower() not in FORMATS:
        raise ValueError(f"Figures are saved as {', '.join(FORMATS)}, not {format!r}; change the file's ending.")
    for text in figure.findobj(Text):
        text.set_fontfamily(_families())
    figure.savefig(target, format=format.lower(), dpi=DPI, facecolor="white")


@functools.cache
def _families() -> list[str]:
    """matplotlib's own font, then whatever this machine has for the letters which that lacks (Chinese, Japanese)."""
    wanted = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei")
    return ["DejaVu Sans", *(name for name in wanted if name in font_manager.get_font_names())]


# --- what traces say --------------------------------------------------------------------------------------------


def labels(traces: Sequence[Any]) -> list[str]:
    """A short name for each trace's method: "Vanilla", "CLVS", with the settings that differ if a name repeats."""
    specs = [str(trace.meta.get("method", "method")) for trace in traces]
    names = [spec.partition(":")[0] for spec in specs]
    titles = [name.capitalize() if name == "vanilla" else name.upper() for name in names]
    return [_plain(label, 44) for label in method_labels(specs, titles)]


def _at_step(traces: Sequence[Any], step: int) -> list[Any]:
    if not traces:
        raise ValueError("There is nothing to draw: give at least one trace.")
    if len({(trace.attention.shape[1], trace.views) for trace in traces}) > 1:
        raise ValueError("The traces belong to different models or pictures; draw them one by one.")
    chosen = [trace for trace in traces if 0 <= step < len(trace.attention)]
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
    return _plain(str(entry[1]), 20) or "end", chance


def _said(trace: Any, step: int) -> str:
    text, chance = _token(trace, step)
    if not text:
        return ""
    return f"“{text}”" + (f" {chance:.0%}" if chance is not None else "")


def _plain(text: Any, limit: int) -> str:
    """Untrusted text on one line, cut to a length."""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def _unit(traces: Sequence[Any], step: int) -> str:
    heads = traces[0].attention.shape[2]
    return f"attention weight,\nmean of {heads} heads, token {step + 1}"


# --- heat maps --------------------------------------------------------------------------------------------------


def _grid_of_cells(rows: int, columns: int, cell: np.ndarray) -> tuple[Figure, list[list[Axes]]]:
    """Cells of the picture's shape in inches, with fixed margins for the labels and the colour bar."""
    left, right, top, bottom, gap = 1.05, 1.0, 0.7, 0.1, 0.06
    width = left + columns * cell[0] + (columns - 1) * gap + right
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


def _label_grid(axes: list[list[Axes]], traces: Sequence[Any], layers: Sequence[int], step: int) -> None:
    for column, layer in enumerate(layers):
        axes[0][column].set_title(f"layer {layer + 1}", fontsize=8, color=_INK, pad=4)
    for row, (trace, label) in enumerate(zip(traces, labels(traces), strict=True)):
        name, _, settings = label.partition(" (")
        under = "\n".join(part for part in (settings.removesuffix(")").replace(", ", "\n"), _said(trace, step)) if part)
        middle: dict[str, Any] = {"transform": axes[row][0].transAxes, "ha": "right", "parse_math": False}
        axes[row][0].text(-0.08, 0.52, name, va="bottom", fontsize=9, fontweight="bold", color=_INK, **middle)
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
    """Vanilla always looks the same; the other methods take their styles in order."""
    others = iter(range(10**6))
    return [
        _STYLES[0] if str(trace.meta.get("method", "")) == "vanilla" else _STYLES[1 + next(others) % (len(_STYLES) - 1)]
        for trace in traces
    ]


def _plot_lines(ax: Axes, traces: Sequence[Any], lines: Sequence[np.ndarray], styles: Sequence[dict[str, Any]]) -> None:
    for label, line, style in zip(labels(traces), lines, styles, strict=True):
        size = float(np.clip(150 / len(line), 2.6, 5))
        numbers = np.arange(1, len(line) + 1)
        ax.plot(numbers, line, label=label, linewidth=1.5, markersize=size, markeredgewidth=1.1, zorder=3, **style)


def _mark_stop(ax: Axes, trace: Any, step: int, line: np.ndarray, colour: str) -> None:
    layer = int(trace.stop_layer[step])
    if layer < 0 or not math.isfinite(line[layer]):
        return
    ax.axvline(layer + 1, color=colour, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
    ax.annotate(
        "▼",
        (layer + 1, line[layer]),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=9,
        color=colour,
        zorder=4,
    )


def _shade_gain(
    ax: Axes, traces: Sequence[Any], lines: dict[int, np.ndarray], styles: Sequence[dict[str, Any]]
) -> None:
    """The band between vanilla and one other method; more than one band would only smear."""
    vanilla = [lines[id(t)] for t, style in zip(traces, styles, strict=True) if style is _STYLES[0]]
    others = [(lines[id(t)], style) for t, style in zip(traces, styles, strict=True) if style is not _STYLES[0]]
    if len(vanilla) == 1 and len(others) == 1:
        line, style = others[0]
        numbers = np.arange(1, len(line) + 1)
        ax.fill_between(numbers, vanilla[0], line, color=style["color"], alpha=0.13, linewidth=0, zorder=1)


def _draw_gains(
    ax: Axes, traces: Sequence[Any], gains: dict[int, np.ndarray], styles: Sequence[dict[str, Any]]
) -> None:
    drawn = [(gains[id(t)], style) for t, style in zip(traces, styles, strict=True) if id(t) in gains]
    width = 0.72 / len(drawn)
    for index, (gain, style) in enumerate(drawn):
        height = np.minimum(gain, 100.0)
        numbers = np.arange(1, len(height) + 1) + (index - (len(drawn) - 1) / 2) * width
        ax.bar(numbers, height, width * 0.92, color=style["color"], linewidth=0, alpha=0.85, zorder=3)
        for x in numbers[np.asarray(gain) > 100]:  # cut bars say so
            ax.annotate("+", (x, 100), xytext=(0, 0.5), textcoords="offset points", ha="center", fontsize=7)
    _axes(ax, "gain (≤ 100%)")
    ax.axhline(0, color=_FAINT, linewidth=0.7, zorder=2)
    lowest = min(float(np.min(gain)) for gain, _ in drawn)
    ax.set_ylim(min(0.0, max(-100.0, 1.15 * lowest)), 116)
    ax.set_yticks([0, 50, 100])
    ax.yaxis.set_major_formatter(PercentFormatter(100, decimals=0))


def _draw_threshold(ax: Axes, traces: Sequence[Any], depth: int) -> bool:
    """Thresholds that can stop something; True if the layers before the first check are shaded."""
    pairs = [(trace.meta.get("threshold"), trace.meta.get("first_check")) for trace in traces]
    known = {pair for pair in pairs if isinstance(pair[0], (int, float)) and isinstance(pair[1], int)}
    for threshold, first in sorted(known):
        if not 0 < threshold <= 1.08 or not 0 <= first < depth:
            continue
        ax.plot(
            [first + 0.75, depth + 0.25], [threshold] * 2, color=_INK, linewidth=0.9, linestyle=(0, (6, 2)), zorder=2
        )
        ax.text(
            depth + 0.25, threshold + 0.015, f"threshold {threshold:g}", ha="right", va="bottom", fontsize=7, color=_INK
        )
    value, first = next(iter(known)) if len(known) == 1 else (0, 0)
    if value <= 0 or not 0 < first < depth:
        return False
    ax.axvspan(0.4, first + 0.5, color=_GRID, alpha=0.45, linewidth=0, zorder=0)
    return True


def _axes(ax: Axes, label: str) -> None:
    ax.set_ylabel(label, fontsize=8.5, color=_INK, parse_math=False)
    ax.grid(axis="y", color=_GRID, linewidth=0.7, zorder=0)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=7.5, color=_FAINT, labelcolor=_INK, width=0.6, length=3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=_FAINT, linewidth=0.7)


def _layer_axis(ax: Axes, depth: int) -> None:
    ax.set_xlabel("layer", fontsize=8.5, color=_INK)
    ax.set_xlim(0.4, depth + 0.6)
    every = math.ceil(depth / 16)
    ax.set_xticks([1, *(n for n in range(every, depth + 1, every) if 4 * (n - 1) >= 3 * every)])


def _legend(ax: Axes, traces: Sequence[Any], step: int, unchecked: bool = False) -> None:
    handles, names = ax.get_legend_handles_labels()
    said = [_said(trace, step) for trace in traces]
    texts = [f"{name}  {word}" if word else name for name, word in zip(names, said, strict=True)]
    if any(int(trace.stop_layer[step]) >= 0 for trace in traces):
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
        ncols=3 if sum(map(len, texts)) < 64 else 2 if max(map(len, texts)) < 36 else 1,
        frameon=False,
        fontsize=7.5,
        handlelength=2.6,
        borderaxespad=0.2,
        columnspacing=1.6,
    )
    for text in legend.get_texts():
        text.set(parse_math=False, color=_INK)


def _title(figure: Figure, traces: Sequence[Any]) -> None:
    """The question, and below it how it was asked; untrusted text, so neither mathematics nor line breaks."""
    wide, high = figure.get_figwidth(), figure.get_figheight()
    question = _plain(traces[0].meta.get("question", ""), int(15 * wide))
    about = _plain(_made_with(traces), int(20 * wide))
    left = 0.012
    style: dict[str, Any] = {"ha": "left", "parse_math": False}
    if figure.get_layout_engine():  # it makes room for the title alone, so for two lines
        figure.suptitle(f"{question}\n ", x=left, fontsize=9.5, color=_INK, **style)
    elif question:
        figure.suptitle(question, x=left, y=1 - 0.05 / high, va="top", fontsize=9.5, color=_INK, **style)
    if about:
        figure.text(left, 1 - 0.23 / high, about, va="top", fontsize=7.5, color=_FAINT, **style)


def _made_with(traces: Sequence[Any]) -> str:
    """Model and settings in words: "scenes · CLVS: β 0.8, first check 8, γ 0.5"."""
    parts = [str(traces[0].meta.get("model") or "")]
    for trace, label in zip(traces, labels(traces), strict=True):
        words = settings_in_words(str(trace.meta.get("method", "")))
        threshold = trace.meta.get("threshold")
        if isinstance(threshold, (int, float)) and not any(word.startswith("γ") for word in words):
            words.append(f"γ {threshold:g}")
        if words:
            parts.append(f"{label.partition(' (')[0]}: {', '.join(words)}")
    return " · ".join(part for part in parts if part)
