"""Attention over the picture: a grid of heat maps, one row a method, one column a layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import FuncNorm, ListedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from .. import scales
from .rows import Look, Maps, Row, draw, draw_rings, limits
from .style import FAINT, INK, wrapped
from .traces import LINE, Shown, about_lines, add_title, at_step

_OUTLINE = "#7ee0ff"
_SIDE = 320  # pixels of the picture in each cell of a grid; more is not visible in print
_MAX_COLUMNS = 8
_UNIT_LINE = 0.11  # inches of a line beside a colour bar


def heatmaps(
    picture: Image.Image,
    traces: Sequence[Any],
    *,
    step: int = 0,
    layers: Sequence[int] | None = None,
    viewed: int | None = None,
    outline: np.ndarray | None = None,
    region: np.ndarray | None = None,
    cmap: str = "magma",
    mode: str = "shared",
    power: float = 1.0,
    head: int | None = None,
    hidden: int = 0,
    smooth: bool = False,
    grid: str = "tiles",
    crop: bool = False,
    compared: int | None = None,
    memory: bool = False,
    rings: bool = False,
) -> Figure:
    """A grid of attention over the picture: one row a method, one column a layer.

    Args:
        picture: the original picture, upright.
        traces: one a method, all of the same question on this picture.
        step: which generated token, from 0; methods whose answer ended earlier are left out.
        layers: which layers, from 0; by default all of up to eight, else six spread over the depth.
        viewed: the layer on screen, from 0; it is among the default ones, and its name is bold.
        outline: (height, width) bool mask of the key object, drawn as a contour. region: likewise, as a dashed one.
        cmap, mode, power, head, hidden, smooth, grid, crop: how maps are drawn, as `rows.Look` says.
        compared: which trace the reference is compared with, in one more row; None for none.
        memory: with rows of what methods carry. rings: with rings around the sink tokens that methods find.

    Raises:
        ValueError: a layer, head or token that was not recorded, or a picture or mask of another size.
    """
    chosen = at_step(traces, step)
    views = chosen[0].trace.views
    _check_sizes(picture, views, outline, region)
    maps = Maps(
        step, Look(cmap, mode, power, head, hidden, smooth, grid, crop), outline, region, compared, memory, rings
    )
    drawn, heads = maps.rows(traces), chosen[0].trace.attention.shape[2]
    shown = _layers(layers, len(drawn[0].maps), viewed)
    scale = limits(drawn, shown)
    units = {kind: maps.unit(kind, heads, one=len(own) == 1) for kind, own in scale.items()}
    cell = 1.25 * maps.look.shape(views)
    words = max(unit.count("\n") for unit in units.values()) - 1
    figure, axes = _grid_of_cells(len(drawn), len(shown), cell, chosen, right=1.0 + _UNIT_LINE * words)
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    for row, line in zip(drawn, axes, strict=True):
        for layer, ax in zip(shown, line, strict=True):
            under(ax, small, views, maps.look)
            draw(ax, row, layer, views, maps.look)
            draw_outline(ax, outline)
            draw_outline(ax, region, "dashed")
            draw_rings(ax, row, layer, views, maps.look)
        _mark_stop_on(line, shown, row.stop)
    _label_grid(axes, drawn, shown, viewed)
    for kind, unit in units.items():
        own = [(row, line) for row, line in zip(drawn, axes, strict=True) if row.kind == kind]
        share = 1.0 if len(units) == 1 else 0.9  # of the rows' height, so that the words of two bars do not meet
        colour_bar(figure, [line for _, line in own], scale[kind], own[0][0], maps.look, unit, share)
    add_title(figure, chosen)
    return figure


def _check_sizes(picture: Image.Image, views: Any, *masks: np.ndarray | None) -> None:
    if picture.size != (views.width, views.height):
        raise ValueError(
            f"The traces belong to a picture of {views.width} x {views.height} pixels, "
            f"but this one is {picture.width} x {picture.height}; give the picture they were made with."
        )
    if any(mask is not None and np.shape(mask) != (views.height, views.width) for mask in masks):
        raise ValueError(f"The outline must be a mask of {views.height} x {views.width} pixels.")


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


def _grid_of_cells(
    rows: int, columns: int, cell: np.ndarray, chosen: Sequence[Shown], right: float
) -> tuple[Figure, list[list[Axes]]]:
    """Cells of the picture's shape in inches, with margins for the labels and, on the right, the colour bar."""
    left, top, bottom, gap = 1.2, 0.7, 0.1, 0.06
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


def under(ax: Axes, picture: Image.Image, views: Any, look: Look) -> None:
    """The picture below a map, and what of it the model never sees."""
    ax.imshow(picture, extent=(0, views.width, views.height, 0), interpolation="antialiased", zorder=0)
    _hatch_unseen(ax, views)
    x0, y0, x1, y1 = look.frame(views)
    ax.set(xlim=(x0, x1), ylim=(y1, y0), xticks=[], yticks=[], aspect="auto")
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


def draw_outline(ax: Axes, mask: np.ndarray | None, style: str = "solid") -> list[Artist]:
    """The contour of a (height, width) bool mask."""
    if mask is None or not mask.any() or mask.all():
        return []
    stride = max(1, max(mask.shape) // _SIDE)
    thin = np.pad(np.asarray(mask, dtype=np.float64)[::stride, ::stride], 1)
    rows = (np.arange(thin.shape[0]) - 0.5) * stride
    columns = (np.arange(thin.shape[1]) - 0.5) * stride
    looks = (("black", 1.7, "solid"), (_OUTLINE, 0.8, style))  # a dark rim keeps it visible on bright maps
    return [
        ax.contour(columns, rows, thin, levels=[0.5], colors=[colour], linewidths=width, linestyles=line, zorder=3)
        for colour, width, line in looks
    ]


def _mark_stop_on(axes: Sequence[Axes], shown: Sequence[int], stop: int) -> None:
    """On the first map from the stop on."""
    after = [(layer, ax) for layer, ax in zip(shown, axes, strict=True) if layer >= stop >= 0]
    if after:
        layer, ax = min(after, key=lambda pair: pair[0])
        mark_stopped(ax, layer, stop)


def mark_stopped(ax: Axes, layer: int, stop: int) -> Artist:
    """That smoothing stops at this map's layer, or at which one it has stopped."""
    return ax.text(
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


def _label_grid(axes: list[list[Axes]], drawn: Sequence[Row], layers: Sequence[int], viewed: int | None) -> None:
    for layer, ax in zip(layers, axes[0], strict=True):
        weight = "bold" if layer == viewed and len(layers) > 1 else "normal"
        ax.set_title(f"layer {layer + 1}", fontsize=8, color=INK, pad=4, fontweight=weight)
    for row, line in zip(drawn, axes, strict=True):
        under = "\n".join(wrapped(part, 24) for part in row.under)
        name = wrapped(row.name, 12)
        middle: dict[str, Any] = {"transform": line[0].transAxes, "ha": "right", "parse_math": False}
        line[0].text(-0.08, 0.52, name, va="bottom", fontsize=9, fontweight="bold", color=row.colour, **middle)
        line[0].text(-0.08, 0.48, under, va="top", fontsize=7, color=FAINT, linespacing=1.35, **middle)


def colour_bar(
    figure: Figure,
    axes: list[list[Axes]],
    limits: Sequence[tuple[float, float]],
    row: Row,
    look: Look,
    unit: str,
    share: float,
) -> None:
    """Beside the rows of one kind, over this share of their height."""
    top, bottom = axes[0][-1].get_position(), axes[-1][-1].get_position()
    width = figure.get_figwidth()
    height = min(share * (top.y1 - bottom.y0), 2.6 / figure.get_figheight())
    middle = (top.y1 + bottom.y0) / 2
    ax = figure.add_axes((top.x1 + 0.14 / width, middle - height / 2, 0.1 / width, height))
    one = len(limits) == 1
    low, high = limits[0] if one else (-1.0, 1.0) if row.signed else (0.0, 1.0)
    table = ListedColormap(scales.lut(scales.DIVERGING if row.signed else look.cmap) / 255.0)
    extend = ("both" if row.signed else "max") if one else "neither"
    bar = figure.colorbar(ScalarMappable(_norm(row, low, high or 1.0, look.power), table), cax=ax, extend=extend)
    if one:
        bar.ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    else:
        ticks = [("less", low), ("0", 0), ("more", high)] if row.signed else [("low", low), ("high", high)]
        bar.set_ticks([at for _, at in ticks], labels=[text for text, _ in ticks])
    bar.set_label(unit, fontsize=6.5, color=FAINT, labelpad=4)
    bar.ax.tick_params(labelsize=6.5, color=FAINT, labelcolor=INK, width=0.5, length=2)
    bar.outline.set(linewidth=0.4, edgecolor=FAINT)


def _norm(row: Row, low: float, high: float, power: float) -> Normalize:
    """From values to the place of their colour; signed values are bent alike on both sides of 0."""
    if power == 1:
        return Normalize(low, high)
    if row.signed:
        return FuncNorm((partial(_bent, power=power), partial(_bent, power=1 / power)), low, high)
    return PowerNorm(power, low, high)


def _bent(values: np.ndarray, power: float) -> np.ndarray:
    return np.sign(values) * np.abs(values) ** power
