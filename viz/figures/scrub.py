"""The scrub through the layers as an animation: the maps of one layer after another, and where that is on the curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from .curves import draw_attention
from .heatmaps import colour_bar, draw_outline, mark_stopped, under
from .rows import Maps, Row, draw, draw_rings, limits, redraw
from .style import FAINT, INK, choose_fonts, plain
from .traces import add_title, at_step, layer_axis, value_axis

_DPI = 110
_CELL, _BAR, _GAP, _LEFT = 2.1, 0.95, 0.12, 0.62  # inches: longer side of a map, room of a colour bar, between maps
_CURVE, _TOP = 1.5, 0.82  # inches: height of the curve, of what stands above the maps
_FRAMES = 48  # at most: deeper models show every second layer, or every third
_WHOLE, _LEAST, _LAST = 5400, 120, 1500  # milliseconds: through all layers, a layer, the last one


class Scrub:
    """A figure of one layer after another, of which only what changes is drawn anew.

    picture: the original one, upright. traces: one a method, all of the same question on it. values: one (steps,
    layers) array a trace, the curve below the maps; name: what it is the attention on. ValueError as of `heatmaps`.
    """

    def __init__(
        self, picture: Image.Image, traces: Sequence[Any], values: Sequence[np.ndarray], maps: Maps, name: str
    ):
        self.chosen = at_step(traces, maps.step)
        self.views, self.look = self.chosen[0].trace.views, maps.look
        self.rows = maps.rows(traces)
        self.layers = len(self.rows[0].maps)
        self.figure, axes, below = self._frame()
        self.moving: list[tuple[Axes, Artist]] = []
        self.images = [self._map(ax, row, picture, maps) for ax, row in zip(axes, self.rows, strict=True)]
        self._bars(axes, maps)
        self._curve(below, traces, values, maps.step, name, maps.look.head)
        self.count = self.figure.text(0.012, 0.0, "", fontsize=12, fontweight="bold", color=INK, animated=True)
        self.count.set_position((_LEFT / self.figure.get_figwidth(), 1 - 0.72 / self.figure.get_figheight()))
        add_title(self.figure, self.chosen)

    def save(self, target: str | IO[bytes]) -> None:
        """Writes an animated GIF that starts again at its end."""
        frames = [*self.frames()]
        palette = _palette(frames)
        drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        each = max(_LEAST, _WHOLE // self.layers)
        durations = [each] * (len(drawn) - 1) + [_LAST]
        drawn[0].save(target, "GIF", save_all=True, append_images=drawn[1:], duration=durations, loop=0, optimize=False)

    def frames(self) -> list[Image.Image]:
        """One picture a layer."""
        canvas = FigureCanvasAgg(self.figure)
        choose_fonts(self.figure)
        canvas.draw()
        still = canvas.copy_from_bbox(self.figure.bbox)
        return [self._frame_of(canvas, still, layer) for layer in range(0, self.layers, -(-self.layers // _FRAMES))]

    def _frame_of(self, canvas: FigureCanvasAgg, still: Any, layer: int) -> Image.Image:
        canvas.restore_region(still)
        self.count.set_text(f"layer {layer + 1} of {self.layers}")
        self.cursor.set_xdata([layer + 1] * 2)
        for images, row in zip(self.images, self.rows, strict=True):
            redraw(images, row, layer, self.views, self.look)
        for ax, artist in self.moving:
            ax.draw_artist(artist)
        for images, row in zip(self.images, self.rows, strict=True):
            self._of_layer(images[0].axes, row, layer)
        self.figure.draw_artist(self.count)
        return Image.fromarray(np.asarray(canvas.buffer_rgba()).copy()).convert("RGB")

    def _of_layer(self, ax: Axes, row: Row, layer: int) -> None:
        """What is on this layer's map alone."""
        added = draw_rings(ax, row, layer, self.views, self.look)
        if layer >= row.stop >= 0:
            added.append(mark_stopped(ax, layer, row.stop))
        for artist in added:
            ax.draw_artist(artist)
            artist.remove()

    # ---- what stays ----------------------------------------------------------------------------------------------

    def _frame(self) -> tuple[Figure, list[Axes], Axes]:
        """Room for the maps side by side, a colour bar after each kind of them, and the curve below."""
        wide, high = _CELL * self.look.shape(self.views)
        kinds = [row.kind for row in self.rows]
        ends = [at + 1 == len(kinds) or kinds[at + 1] != kind for at, kind in enumerate(kinds)]
        lefts = _LEFT + np.concatenate([[0], np.cumsum([wide + (_BAR if end else _GAP) for end in ends])])
        width, height = float(max(lefts[-1], 6.4)), _TOP + 0.25 + high + 0.25 + _CURVE + 0.5
        figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
        bottom = height - _TOP - 0.25 - high
        axes = [figure.add_axes((left / width, bottom / height, wide / width, high / height)) for left in lefts[:-1]]
        below = figure.add_axes((_LEFT / width, 0.45 / height, (width - _LEFT - 0.25) / width, _CURVE / height))
        return figure, axes, below

    def _map(self, ax: Axes, row: Row, picture: Image.Image, maps: Maps) -> list[Any]:
        under(ax, picture, self.views, self.look)
        title = "  ".join([row.name, *row.under])
        ax.set_title(plain(title, 34), fontsize=8, color=row.colour, pad=4, loc="left", parse_math=False)
        images = draw(ax, row, 0, self.views, self.look)
        for artist in [*images, *draw_outline(ax, maps.outline), *draw_outline(ax, maps.region, "dashed")]:
            artist.set_animated(True)
            self.moving.append((ax, artist))
        return images

    def _bars(self, axes: Sequence[Axes], maps: Maps) -> None:
        heads = self.chosen[0].trace.attention.shape[2]
        for kind, own_limits in limits(self.rows, range(self.layers)).items():
            own = [(row, ax) for row, ax in zip(self.rows, axes, strict=True) if row.kind == kind]
            unit = maps.unit(kind, heads, one=len(own_limits) == 1)
            colour_bar(self.figure, [[own[-1][1]]], own_limits, own[0][0], self.look, unit, 0.9)

    def _curve(
        self, ax: Axes, traces: Sequence[Any], values: Sequence[np.ndarray], step: int, name: str, head: int | None
    ) -> None:
        draw_attention(ax, self.chosen, traces, values, step)
        value_axis(ax, f"attention {'' if head is None else f'of head {head + 1} '}on {plain(name, 16)}")
        layer_axis(ax, self.layers)
        ax.yaxis.label.set(fontsize=7.5)
        self.cursor = ax.axvline(1, color=FAINT, linewidth=1.6, animated=True)
        self.moving.append((ax, self.cursor))


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """256 colours for all frames, so that what does not change is the same in each."""
    some = [frames[round(at)].reduce(2) for at in np.linspace(0, len(frames) - 1, min(6, len(frames)))]
    sheet = Image.new("RGB", (some[0].width, sum(frame.height for frame in some)))
    for at, frame in enumerate(some):
        sheet.paste(frame, (0, at * frame.height))
    return sheet.quantize(256, Image.Quantize.MAXCOVERAGE)
