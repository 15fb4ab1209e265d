"""Head-mean attention over the picture: a grid of heat maps, one row a method, one column a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from .. import scales
from .style import FAINT, INK, wrapped
from .traces import LINE, Shown, about_lines, add_title, answer_in_words, at_step, head_mean

_OUTLINE = "#7ee0ff"
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
    chosen = at_step(traces, step)
    views = chosen[0].trace.views
    if picture.size != (views.width, views.height):
        raise ValueError(
            f"The traces belong to a picture of {views.width} x {views.height} pixels, "
            f"but this one is {picture.width} x {picture.height}; give the picture they were made with."
        )
    if outline is not None and np.shape(outline) != (views.height, views.width):
        raise ValueError(f"The outline must be a mask of {views.height} x {views.width} pixels.")
    maps = np.stack([head_mean(one.trace, step) for one in chosen])
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
    add_title(figure, chosen)
    return figure


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


def _unit(chosen: Sequence[Shown], step: int) -> str:
    heads = chosen[0].trace.attention.shape[2]
    return f"attention weight,\nmean of {heads} heads, token {step + 1}"


def _grid_of_cells(chosen: Sequence[Shown], columns: int, cell: np.ndarray) -> tuple[Figure, list[list[Axes]]]:
    """Cells of the picture's shape in inches, with fixed margins for the labels and the colour bar."""
    left, right, top, bottom, gap = 1.2, 1.0, 0.7, 0.1, 0.06
    rows = len(chosen)
    width = left + columns * cell[0] + (columns - 1) * gap + right
    top += LINE * max(0, len(about_lines(chosen, width)) - 1)
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
        spine.set(color=FAINT, linewidth=0.4)


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


def _label_grid(axes: list[list[Axes]], chosen: Sequence[Shown], layers: Sequence[int], step: int) -> None:
    for column, layer in enumerate(layers):
        axes[0][column].set_title(f"layer {layer + 1}", fontsize=8, color=INK, pad=4)
    for row, one in enumerate(chosen):
        name, _, settings = one.label.partition(" (")
        about = [*settings.removesuffix(")").split(", "), answer_in_words(one.trace, step)]
        under = "\n".join(wrapped(part, 24) for part in about if part)
        name = wrapped(name, 12)
        middle: dict[str, Any] = {"transform": axes[row][0].transAxes, "ha": "right", "parse_math": False}
        axes[row][0].text(-0.08, 0.52, name, va="bottom", fontsize=9, fontweight="bold", color=one.colour, **middle)
        axes[row][0].text(-0.08, 0.48, under, va="top", fontsize=7, color=FAINT, linespacing=1.35, **middle)


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
        bar.set_label(unit, fontsize=6.5, color=FAINT, labelpad=4)
    else:
        bar.set_ticks([0, 1], labels=["low", "high"])
        bar.set_label(f"{unit}\n(own scale for each {mode})", fontsize=6.5, color=FAINT, labelpad=4)
    bar.ax.tick_params(labelsize=6.5, color=FAINT, labelcolor=INK, width=0.5, length=2)
    bar.outline.set(linewidth=0.4, edgecolor=FAINT)
