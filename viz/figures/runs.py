"""What figures of runs share: a method's look, panels, bands, legends above them and what was measured below them.

Each figure says below it of how many questions, which model and which benchmark it is. Widths are in inches: 3.3 is a
paper's column, where panels stand below each other.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clvs_core.analysis.decay import Band, Decay
from clvs_core.benchmarks.bootstrap import Estimate
from clvs_core.benchmarks.running.folder import RunFolder
from clvs_core.errors import ClvsError
from clvs_core.labels import labels, name_of, number_of, title
from clvs_core.models.registry import label_of

from .. import scales
from .style import FAINT, HARD, INK, frame, plain

WIDTH = 6.0
LINES = 8  # methods in one plot of lines; more cannot be told apart
BANDS = 3  # with more methods than this in a plot, bands would cover each other, and so would bars
NARROW = 4.8  # below this many inches, panels stand below each other
RING = {"linestyle": "none", "marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgecolor": INK}
BOOTSTRAP = "95% intervals: bootstrap over pictures"
SAME_EVERY_TIME = "; none where every resample gives the same number"


@dataclass(frozen=True)
class Look:
    """How a method looks in every figure: never by colour alone. dash: in pixels, () for a solid line."""

    colour: str
    dash: tuple[int, ...]
    marker: str
    hollow: bool = False

    @property
    def line(self) -> dict[str, Any]:
        dash = (0, tuple(length / 1.4 for length in self.dash)) if self.dash else "-"
        return {"color": self.colour, "linestyle": dash, "linewidth": 1.4, **self.points}

    @property
    def points(self) -> dict[str, Any]:
        fill = "white" if self.hollow else self.colour
        return {"marker": self.marker, "markersize": 4, "markerfacecolor": fill, "markeredgecolor": self.colour}


_MARKERS = {"ring": "o", "dot": "o", "square": "s", "diamond": "D"}
# The viewer compares four; the others are as far from them and from each other (CIE 1976, every colour blindness).
LOOKS = (
    *(Look(style.colour, style.dash, _MARKERS[style.mark], style.mark == "ring") for style in scales.STYLES),
    Look("#06a8f9", (7, 2), "^"),
    Look("#4b3202", (1, 2), "v"),
    Look("#738f56", (12, 3), "P"),
    Look("#0e024b", (4, 2, 1, 2, 1, 2), "X"),
)


def chosen_methods(run: RunFolder, record: str) -> list[str]:
    """One method of each kind, of those that have the record: the setting that the run names first."""
    found: dict[str, str] = {}
    for name in run.methods:
        if run.column(name, record):
            found.setdefault(name_of(run.methods[name]), name)
    return list(found.values())[:LINES]


def labels_of(run: RunFolder, methods: Sequence[str]) -> list[str]:
    """What people call these methods, on one line each, cut to a length."""
    specs = [run.methods[name] for name in methods]
    return [plain(label, 40) for label in labels(specs, [title(spec) for spec in specs])]


def looks_of(run: RunFolder, methods: Sequence[str]) -> list[Look]:
    """The looks that methods have at their places; those after the first come again where there are too many."""
    places = scales.places([name_of(run.methods[name]) for name in methods])
    several = [LOOKS[0], *islice(cycle(LOOKS[1:]), max(places))]
    return [several[place] for place in places]


def no_share(run: RunFolder) -> ClvsError:
    return ClvsError(f"{run.folder} holds no attention on the whole picture; draw the figure without share.")


def new_panels(number: int, width: float, ratio: float) -> tuple[Figure, list[Axes]]:
    """Side by side, or below each other where there is no room; ratio: of a panel's height to its width."""
    rows, columns = (1, number) if width >= NARROW else (number, 1)
    figure = Figure(figsize=(width, rows * max(2.1, min(3.2, ratio * width / columns))), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def draw_band(ax: Axes, band: Band, look: Look, label: str, several: int, *, reference: bool = False) -> None:
    """several: how many of them the plot has."""
    layers = np.arange(1, len(band.value) + 1)
    if several <= BANDS:
        ax.fill_between(layers, band.low, band.high, color=look.colour, alpha=0.16, linewidth=0, zorder=2)
    ax.plot(layers, band.value, label=label, zorder=above(reference=reference), **sized(look, len(layers)))


def above(*, reference: bool) -> int:
    """Methods that leave the weights alone, such as VCD, have vanilla's line: its dashes on top let both be seen."""
    return 4 if reference else 3


def sized(look: Look, layers: int) -> dict[str, Any]:
    """Smaller marks where there are many."""
    return look.line | {"markersize": 4 if layers <= 16 else 2.8}


def value_axis(ax: Axes, label: str, *, percent: bool = False, grid: str = "y") -> None:
    frame(ax, label, 8, grid)
    if percent:
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], min_n_ticks=4))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}%".replace("-", "−")))


def layer_axis(ax: Axes, depth: int, peaks: Sequence[int] = ()) -> None:
    """peaks: layers, from 0, that get a tick, with its number where there is room between them."""
    ax.set_xlabel("layer", fontsize=8, color=INK)
    ax.set_xlim(0.4, depth + 0.6)
    every = math.ceil(depth / 9)
    ticks: list[int] = []
    for n in (*(peak + 1 for peak in peaks), 1, *range(every, depth + 1, every)):
        if all(2 * abs(n - other) >= every and n != other for other in ticks):
            ticks.append(n)
    ax.set_xticks(sorted(ticks))
    ax.set_xticks(sorted({peak + 1 for peak in peaks} - set(ticks)), minor=True)
    ax.tick_params(which="minor", color=FAINT, width=0.6, length=3)


def add_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Above all panels, in as many columns as there is room for; the figure grows by its height."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    look: dict[str, Any] = {
        "frameon": False,
        "fontsize": 7,
        "handlelength": 2.4,
        "columnspacing": 1.4,
        "borderpad": 0.1,
    }
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(handles=list(handles), loc="outside upper left", ncols=columns, **look)
        for text in legend.get_texts():
            text.set(parse_math=False, color=INK)
        box = legend.get_window_extent(renderer)
        if columns == 1 or box.width < 0.97 * figure.bbox.width:
            figure.set_figheight(figure.get_figheight() + box.height / figure.dpi)
            return
        legend.remove()


def handles_of(ax: Axes) -> list[Any]:
    return ax.get_legend_handles_labels()[0]


def add_caption(figure: Figure, run: RunFolder, *notes: str) -> None:
    """What was measured, in small lines below the panels; the figure grows by their height."""
    model = plain(_model_label(run.about["model"]), 60)
    about = " · ".join(part for part in (model, run.benchmark.label, notes[0]) if part)
    limit = int(19.5 * figure.get_figwidth())
    lines = [line for note in (about, *notes[1:]) for line in textwrap.wrap(note, limit, break_on_hyphens=False)]
    figure.set_figheight(figure.get_figheight() + 0.125 * len(lines) + 0.05)
    text = figure.supxlabel("\n".join(lines).replace(HARD, " "), x=0.01, ha="left", fontsize=6.5, color=FAINT)
    text.set(linespacing=1.3, parse_math=False)


def _model_label(facts: Mapping[str, Any]) -> str:
    """What people call a run's model: as the run says, which does not say it where another program wrote it."""
    return str(facts.get("label") or label_of(str(facts.get("name") or "")))


def listed(items: Sequence[str]) -> str:
    """With commas, after which alone a line may end."""
    return ", ".join(item.replace(" ", HARD) for item in items)


def counted(found: Decay) -> str:
    return questions_on(len(found.samples.ids), found.samples.pictures)


def questions_on(questions: int, pictures: int) -> str:
    return f"{number_of(questions, 'question')} on {number_of(pictures, 'picture')}"


def bounds(estimate: Estimate) -> tuple[float, float, float]:
    value, low, high = (math.nan if one is None else one for one in (estimate.value, estimate.low, estimate.high))
    return value, low, high


def in_points(estimate: Estimate) -> str:
    value, low, high = bounds(estimate)
    said = f"{value:+.1f}" + (f" ({low:+.1f} to {high:+.1f})" if math.isfinite(low) else "")
    return _unsigned_zero(said).replace("-", "−")


def _unsigned_zero(text: str) -> str:
    return re.sub(r"[+-](?=0\.0\b)", "", text)


def signed(estimate: Estimate) -> str:
    value, low, high = bounds(estimate)
    if math.isnan(value):
        return "unknown"
    said = f"{value:+.1%}" + (f" ({low:+.1%} to {high:+.1%})" if math.isfinite(low) else "")
    return _unsigned_zero(said).replace("-", "−")


def in_percent(estimate: Estimate) -> str:
    return f"{bounds(estimate)[0]:.1%}"


def with_interval(value: float, ends: tuple[float, float]) -> str:
    said = f"{value:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if math.isfinite(ends[0]) else "")
    return said.replace("-", "−")
