"""Rows of maps over the layers, as the viewer shows them: what each method looks at, what differs, what is carried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from .. import scales
from .style import FAINT
from .traces import STYLES, Shown, answer_in_words, at_step, weights

RING = "#9dff57"  # of sink tokens: in none of the colour maps


@dataclass(frozen=True)
class Look:
    """How maps are drawn.

    cmap: one of `scales.MAPS`. mode: one of `scales.MODES`, what one colour scale is shared by. power: of the scale,
    below 1 faint weights are lifted. head: which one, from 0; None is their mean. hidden: how many of the strongest
    sink tokens are left out. smooth: smoothed for display. grid: "tiles" or "base", of models that get the picture
    twice. crop: only the part of the picture that the model sees.
    """

    cmap: str = "magma"
    mode: str = "shared"
    power: float = 1.0
    head: int | None = None
    hidden: int = 0
    smooth: bool = False
    grid: str = "tiles"
    crop: bool = False

    def grids(self, views: Any) -> Sequence[Any]:
        """The grids of tokens that are drawn."""
        whole = tuple(view for view in views.grids if view.kind == "base")
        return whole if self.grid == "base" and whole else views.finest

    def frame(self, views: Any) -> tuple[float, float, float, float]:
        """The part of the picture that is drawn: x0, y0, x1, y1 in its pixels."""
        return views.seen() if self.crop else (0.0, 0.0, float(views.width), float(views.height))

    def shape(self, views: Any) -> np.ndarray:
        """Width and height of that part, the longer one 1."""
        x0, y0, x1, y1 = self.frame(views)
        return np.array([x1 - x0, y1 - y0]) / max(x1 - x0, y1 - y0)

    def words(self, heads: int) -> list[str]:
        """What a reader has to know of the colours: the head, and whatever is not as usual."""
        return [
            f"mean of {heads} heads" if self.head is None else f"head {self.head + 1} of {heads}",
            *([f"{self.hidden} sink token{'s' * (self.hidden > 1)} hidden"] if self.hidden else []),
            *([f"power {self.power:g}"] if self.power != 1 else []),
            *(["smoothed for display"] if self.smooth else []),
            *(["whole picture"] if self.grid == "base" else []),
        ]


@dataclass(frozen=True)
class Row:
    """One map a layer. Rows of one kind share colours and unit.

    maps: (layers, visual), NaN where there is nothing to see. limits: the scale's lowest and highest value, one pair a
    layer. stop: the layer after which smoothing stopped, -1 for none. rings: (layers, visual) bool, sink tokens that
    the method found; None where they are not shown.
    """

    kind: str
    name: str
    under: Sequence[str]
    colour: str
    maps: np.ndarray
    limits: Sequence[tuple[float, float]]
    signed: bool = False
    stop: int = -1
    rings: np.ndarray | None = None

    def painted(self, layer: int, look: Look) -> np.ndarray:
        """(visual, 4) uint8 RGBA of one layer's map."""
        low, high = self.limits[layer]
        if self.signed:
            signed = scales.normalise_signed(self.maps[layer], high, look.power)
            return scales.colour(signed, scales.DIVERGING)
        return scales.colour(scales.normalise(self.maps[layer], low, high, look.power), look.cmap)


@dataclass(frozen=True)
class Maps:
    """What is drawn of traces at a token.

    outline, region: (height, width) bool masks, drawn as a solid and a dashed contour. compared: which trace the
    reference is compared with, in a row of its own; None for none. memory: with rows of what methods carry. rings: with
    rings around the sink tokens that methods find.
    """

    step: int = 0
    look: Look = Look()
    outline: np.ndarray | None = None
    region: np.ndarray | None = None
    compared: int | None = None
    memory: bool = False
    rings: bool = False

    def rows(self, traces: Sequence[Any]) -> list[Row]:
        """One row a method, then the difference and what is carried, where asked for."""
        chosen = at_step(traces, self.step)
        maps = np.stack([weights(one.trace, self.step, self.look.head) for one in chosen])
        reference = next((at for at, one in enumerate(chosen) if one.colour == STYLES[0].colour), 0)
        if self.look.hidden:
            maps[:, :, scales.sinks(maps[reference], self.look.hidden)] = np.nan
        found = [_method(one, maps, at, self) for at, one in enumerate(chosen)]
        meant = None if self.compared is None else traces[self.compared]
        other = next((at for at, one in enumerate(chosen) if one.trace is meant), reference)
        if other != reference:
            found.append(_difference(chosen, maps, reference, other, self.look))
        return found + [row for one in chosen if self.memory and (row := _memory(one, self.step))]

    def unit(self, kind: str, heads: int, *, one: bool) -> str:
        """What stands beside the colour bar of rows of this kind, in lines. one: whether they have one scale."""
        what = {"attention": "attention weight", "difference": "difference of weights"}.get(kind, "what is carried")
        said = self.look.words(heads) if kind in ("attention", "difference") else []  # memories: the strongest head's
        lines = [", ".join([*said[:1], f"token {self.step + 1}"]), *said[1:]]
        return ",\n".join([what, *lines]) + ("" if one else f"\n(own scale for each {self.look.mode})")


def limits(rows: Sequence[Row], layers: Sequence[int]) -> dict[str, list[tuple[float, float]]]:
    """The scales of each kind of rows at these layers, each once."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        found[row.kind] = sorted({*found.get(row.kind, []), *(row.limits[layer] for layer in layers)})
    return found


def _method(one: Shown, maps: np.ndarray, at: int, drawn: Maps) -> Row:
    name, _, settings = one.label.partition(" (")
    under = [*settings.removesuffix(")").split(", "), answer_in_words(one.trace, drawn.step)]
    limits = [scales.limits(maps, drawn.look.mode, at, layer) for layer in range(maps.shape[1])]
    sinks = one.trace.sinks[0] if drawn.rings and one.trace.sinks is not None else None
    return Row(
        "attention",
        name,
        [part for part in under if part],
        one.colour,
        maps[at],
        limits,
        stop=int(one.trace.stop_layer[drawn.step]),
        rings=sinks,
    )


def _difference(chosen: Sequence[Shown], maps: np.ndarray, reference: int, compared: int, look: Look) -> Row:
    difference = maps[compared] - maps[reference]
    highs = [scales.signed_limit(difference, look.mode, layer) for layer in range(len(difference))]
    under = f"{chosen[compared].label} − {chosen[reference].label}"
    limits = [(-high, high) for high in highs]
    return Row("difference", "Difference", [under], FAINT, difference, limits, signed=True)


def _memory(one: Shown, step: int) -> Row | None:
    """What a method carries, on a scale of its own: strongest heads are no shares of attention."""
    if one.trace.carries is None:
        return None
    maps = np.asarray(getattr(one.trace, one.trace.carries)[step], dtype=np.float64)
    limits = [scales.limits(maps[None], "shared", 0, 0)] * len(maps)
    return Row(f"memory of {one.label}", f"{one.label} memory", [], one.colour, maps, limits)


def draw(ax: Axes, row: Row, layer: int, views: Any, look: Look) -> list[AxesImage]:
    """One map over what is there already, an image for each grid; `redraw` puts another layer into these."""
    images = []
    for grid, colours in _grids(row, layer, views, look):
        x0, y0, x1, y1 = grid.region
        how = "bilinear" if look.smooth else "nearest"
        images.append(ax.imshow(colours, extent=(x0, x1, y1, y0), interpolation=how, aspect="auto", zorder=1))
    return images


def redraw(images: Sequence[AxesImage], row: Row, layer: int, views: Any, look: Look) -> None:
    for image, (_, colours) in zip(images, _grids(row, layer, views, look), strict=True):
        image.set_data(colours)


def _grids(row: Row, layer: int, views: Any, look: Look) -> list[tuple[Any, np.ndarray]]:
    painted = row.painted(layer, look)
    return [(grid, painted[_tokens(grid)]) for grid in look.grids(views)]


def _tokens(grid: Any) -> np.ndarray:
    """(rows, cols) numbers of a grid's visual tokens."""
    return grid.start + np.add.outer(np.arange(grid.rows) * grid.stride, np.arange(grid.cols))


def draw_rings(ax: Axes, row: Row, layer: int, views: Any, look: Look) -> list[Artist]:
    """Around the sink tokens that a method found in this layer."""
    drawn: list[Artist] = []
    for grid in look.grids(views) if row.rings is not None else ():
        assert row.rings is not None
        for line, column in np.argwhere(row.rings[layer][_tokens(grid)]):
            x0, y0, x1, y1 = grid.box(line, column)
            place: Mapping[str, Any] = {"marker": "o", "fillstyle": "none", "linestyle": "none", "zorder": 3}
            for colour, width in (("black", 1.6), (RING, 0.8)):
                middle = (x0 + x1) / 2, (y0 + y1) / 2
                drawn += ax.plot(*middle, color=colour, markersize=3.2, markeredgewidth=width, **place)
    return drawn
