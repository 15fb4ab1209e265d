"""Figure 5: MME's scores, a panel a task."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from clvs_core.analysis.sweep import common
from clvs_core.benchmarks.bootstrap import Estimate
from clvs_core.benchmarks.report.paper_numbers import paper_model, paper_tables
from clvs_core.benchmarks.running.folder import RunFolder
from clvs_core.errors import ClvsError
from clvs_core.labels import title

from .runs import (
    BOOTSTRAP,
    NARROW,
    SAME_EVERY_TIME,
    WIDTH,
    Look,
    add_caption,
    add_legend,
    labels_of,
    looks_of,
    questions_on,
    value_axis,
)
from .style import FAINT, INK

Paper = Mapping[str, Mapping[str, float]]  # method's title -> MME task or "total" -> the paper's score


def paper_mme(run: RunFolder) -> Paper:
    """The paper's MME scores of the run's model; empty where it has none of it."""
    (table,) = [table for table in paper_tables() if table.benchmark == "mme"]
    found = table.values.get(paper_model(str(run.about["model"].get("name", ""))) or "", {})
    return {
        name: {group: value for (group, _), value in zip(table.columns, row, strict=True)}
        for name, row in found.items()
    }


def mme_figure(
    run: RunFolder, paper: Paper | None = None, methods: Sequence[str] | None = None, width: float = WIDTH
) -> Figure:
    """MME's score by task, 0 to 200, and the total: a bar with its interval for each method, the paper's bar below it.

    Raises ClvsError for a run of another benchmark, and where no picture has both its answers of all methods.
    """
    names = list(run.methods) if methods is None else list(methods)
    questions = _mme_questions(run, names)
    scores = [
        run.benchmark.score(questions, {question.id: run.answers[name][question.id] for question in questions})
        for name in names
    ]
    theirs = [(paper or {}).get(title(run.methods[name]), {}) for name in names]
    groups, looks = list(scores[0].groups), looks_of(run, names)
    figure, panels = _small_panels(len(groups), width, 0.45 + len(names) * (0.3 if any(theirs) else 0.19))
    for ax, group in zip(panels, groups, strict=True):
        limit = 200.0 * (len(groups) - 1 if group == "total" else 1)
        _draw_bars(ax, group, limit, looks, [score.groups[group].score for score in scores], theirs)
    texts = ["\n".join(textwrap.wrap(text, 18)) for text in labels_of(run, names)]
    panels[0].set_yticks(range(len(names)), texts, parse_math=False)
    panels[0].set_ylim(len(names) - 0.4, -0.6)  # all share the axis
    if any(theirs):
        paper_look = {"facecolor": "white", "edgecolor": FAINT, "hatch": "//////"}
        ours = Patch(facecolor=FAINT, label="this run, 95% interval")
        add_legend(figure, [ours, Patch(label="the paper's", **paper_look)])
    pictures = len({(question.kind, question.image) for question in questions})
    drawn = [score.groups[group].score for score in scores for group in groups]
    flat = any(one is not None and one.value is not None and one.low is None for one in drawn)
    add_caption(
        figure, run, questions_on(len(questions), pictures), f"{BOOTSTRAP}{SAME_EVERY_TIME}" if flat else BOOTSTRAP
    )
    return figure


def _small_panels(number: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """In rows of three, or of two where there is no room for more; they share the axis of the methods."""
    columns = 3 if width >= NARROW else 2
    rows = math.ceil(number / columns)
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
    for ax in panels[number:]:
        ax.set_axis_off()
    return figure, panels[:number]


def _mme_questions(run: RunFolder, methods: Sequence[str]) -> list[Any]:
    if not run.benchmark.paired:
        raise ClvsError(f"{run.folder} is a run of {run.benchmark.label}; this figure is of a run of MME.")
    questions = common(run, methods)
    if not questions:
        raise ClvsError(f"In {run.folder} no picture has both its answers of every method yet; let the run go on.")
    return questions


def _draw_bars(
    ax: Axes,
    group: str,
    limit: float,
    looks: Sequence[Look],
    ours: Sequence[Estimate | None],
    theirs: Sequence[Mapping[str, float]],
) -> None:
    for at, (look, score, paper) in enumerate(zip(looks, ours, theirs, strict=True)):
        if score is None or score.value is None:
            continue
        printed = paper.get(group)
        middle, thick = (at, 0.62) if printed is None else (at - 0.2, 0.38)
        ax.barh(middle, score.value, thick, color=look.colour, linewidth=0, zorder=3, label="ours")
        if score.low is not None and score.high is not None:
            _draw_interval(ax, middle, score.value, score.low, score.high)
        words: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": 6.5}
        ax.text(1.03, middle, f"{score.value:.0f}", color=INK, **words)
        if printed is not None:
            edge = {"facecolor": "white", "edgecolor": look.colour, "hatch": "//////", "linewidth": 0.7}
            ax.barh(at + 0.2, printed, 0.34, zorder=3, label="paper", **edge)
            ax.text(1.03, at + 0.2, f"{printed:.0f}", color=FAINT, **words)
    value_axis(ax, "", grid="x")
    ax.set_title(group, fontsize=8, color=INK, loc="left")
    ax.set_xlim(0, limit)
    ax.set_xticks([0, limit / 2, limit])


def _draw_interval(ax: Axes, at: float, value: float, low: float, high: float) -> None:
    for colour, wide in (("white", 2.2), (INK, 0.9)):  # a rim keeps it visible on dark bars
        look = {"color": colour, "elinewidth": wide, "capthick": wide, "capsize": 1.8, "linestyle": "none"}
        ax.errorbar(value, at, xerr=[[value - low], [high - value]], zorder=4, **look)
