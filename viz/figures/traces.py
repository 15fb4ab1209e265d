"""What figures of traces share: methods with their labels and looks, lines over the layers, legend and title.

Traces are those of `clvs_core`.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from clvs_core.labels import labels as method_labels
from clvs_core.labels import name_of, preset_in_words, settings_in_words, title
from clvs_core.models.registry import label_of

from .. import scales
from .style import FAINT, GRID, HARD, INK, frame, letters_wide, plain

_MARKERS = {"ring": "o", "dot": "o", "square": "s", "diamond": "D", "triangle": "^"}
# One more than the viewer compares: a command line may name more traces. The styles after the first then come again.
STYLES = (*scales.STYLES, scales.Style("#4d7a1f", "#a9d27a", (7, 2), "triangle"))
_ABOUT_LINES = 3  # for models and settings below the question
LINE = 0.135  # inches of one of them


@dataclass(frozen=True, eq=False)
class Shown:
    """A trace as it is drawn: with the label and style that it has among all that are compared."""

    trace: Any
    label: str
    style: dict[str, Any]

    @property
    def colour(self) -> str:
        return self.style["color"]


def at_step(traces: Sequence[Any], step: int) -> list[Shown]:
    if not traces:
        raise ValueError("There is nothing to draw: give at least one trace.")
    if len({(trace.attention.shape[1], trace.views) for trace in traces}) > 1:
        raise ValueError("The traces belong to different models or pictures; draw them one by one.")
    each = zip(traces, looks(_specs(traces)), strict=True)
    chosen = [Shown(trace, *look) for trace, look in each if 0 <= step < len(trace.attention)]
    if not chosen:
        longest = max(len(trace.attention) for trace in traces)
        raise ValueError(f"Token {step + 1} was not recorded; the longest answer has {longest}.")
    return chosen


def looks(specs: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Label of each method, by its spec, and what matplotlib calls the look that it has in the viewer, at its place."""
    names = [plain(label, 44) for label in method_labels(specs, [title(spec) for spec in specs])]
    places = scales.places([name_of(spec) for spec in specs])
    styles = [_style(STYLES[place and 1 + (place - 1) % (len(STYLES) - 1)]) for place in places]
    return list(zip(names, styles, strict=True))


def labels(traces: Sequence[Any]) -> list[str]:
    """A short name for each trace's method: "Vanilla", "CLVS", with the settings that differ if a name repeats."""
    return [label for label, _ in looks(_specs(traces))]


def _specs(traces: Sequence[Any]) -> list[str]:
    return [str(trace.meta.get("method", "method")) for trace in traces]


def _style(style: scales.Style) -> dict[str, Any]:
    dash = (0, tuple(length / 1.4 for length in style.dash)) if style.dash else "-"
    hollow = {"markerfacecolor": "white"} if style.mark == "ring" else {}
    return {"color": style.colour, "linestyle": dash, "marker": _MARKERS[style.mark], **hollow}


def weights(trace: Any, step: int, head: int | None = None) -> np.ndarray:
    """(layers, visual) weights of one head, or the mean of all, at a token. ValueError for a head that there is not."""
    heads = np.asarray(trace.attention[step], dtype=np.float64)
    if head is None:
        return heads.mean(axis=1)
    if not 0 <= head < heads.shape[1]:
        raise ValueError(f"There is no head {head + 1}; the model has {heads.shape[1]}.")
    return heads[:, head]


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


def answer_in_words(trace: Any, step: int) -> str:
    text, chance = _token(trace, step)
    if not text:
        return ""
    return f"“{text}”" + (f" {chance:.0%}" if chance is not None else "")


def plot_lines(ax: Axes, chosen: Sequence[Shown], lines: Sequence[np.ndarray]) -> None:
    for one, line in zip(chosen, lines, strict=True):
        size = float(np.clip(150 / len(line), 2.6, 5))
        numbers = np.arange(1, len(line) + 1)
        look: dict[str, Any] = {"linewidth": 1.5, "markersize": size, "markeredgewidth": 1.1, **one.style}
        ax.plot(numbers, line, label=one.label, zorder=3, **look)


def mark_stop(ax: Axes, one: Shown, step: int, line: np.ndarray) -> None:
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


def mark_layer(ax: Axes, layer: int | None) -> None:
    """The layer that somebody looks at, from 0, as a thin line behind the curves."""
    if layer is not None:
        ax.axvline(layer + 1, color=INK, linewidth=0.7, zorder=1.5, label="_viewed")


def value_axis(ax: Axes, label: str) -> None:
    frame(ax, label, 8.5)


def layer_axis(ax: Axes, depth: int) -> None:
    ax.set_xlabel("layer", fontsize=8.5, color=INK)
    ax.set_xlim(0.4, depth + 0.6)
    every = math.ceil(depth / 16)
    ax.set_xticks([1, *(n for n in range(every, depth + 1, every) if 4 * (n - 1) >= 3 * every)])


def add_legend(ax: Axes, chosen: Sequence[Shown], step: int, *, unchecked: bool = False) -> None:
    handles, names = ax.get_legend_handles_labels()
    said = [answer_in_words(one.trace, step) for one in chosen]
    texts = [f"{name}  {word}" if word else name for name, word in zip(names, said, strict=True)]
    if any(int(one.trace.stop_layer[step]) >= 0 for one in chosen):
        handles.append(ax.plot([], [], marker="v", color=FAINT, linestyle="none", markersize=5)[0])
        texts.append("smoothing stops")
    if unchecked:  # beside the plot: inside it, words would lie on a curve
        handles.append(Patch(color=GRID, alpha=0.45, linewidth=0))
        texts.append("not checked here")
    legend = ax.legend(
        handles,
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=3 if sum(map(letters_wide, texts)) < 64 else 2 if max(map(letters_wide, texts)) < 36 else 1,
        frameon=False,
        fontsize=7.5,
        handlelength=2.6,
        borderaxespad=0.2,
        columnspacing=1.6,
    )
    for text in legend.get_texts():
        text.set(parse_math=False, color=INK)


def add_title(figure: Figure, chosen: Sequence[Shown]) -> None:
    """The question, and below it how it was asked; untrusted text, so neither mathematics nor line breaks."""
    wide, high = figure.get_figwidth(), figure.get_figheight()
    question = plain(chosen[0].trace.meta.get("question", ""), int(15 * wide))
    about = about_lines(chosen, wide)
    left = 0.012
    style: dict[str, Any] = {"ha": "left", "parse_math": False}
    if figure.get_layout_engine():  # it makes room for the title alone, so for all its lines
        lines = "\n ".join([question, *[""] * max(1, len(about))])
        figure.suptitle(lines, x=left, fontsize=9.5, color=INK, **style)
    elif question:
        figure.suptitle(question, x=left, y=1 - 0.05 / high, va="top", fontsize=9.5, color=INK, **style)
    for number, line in enumerate(about):
        top = 1 - (0.23 + LINE * number) / high
        figure.text(left, top, line, va="top", fontsize=7.5, color=FAINT, **style)


def about_lines(chosen: Sequence[Shown], wide: float) -> list[str]:
    """Model and settings in as many lines as a figure so many inches wide needs, at most `_ABOUT_LINES`."""
    limit = int(17 * wide)
    text = plain(_made_with(chosen), limit * _ABOUT_LINES).replace(" ", HARD)
    for end in (",", ":", " ·"):  # lines only break after these: a setting stays with its value
        text = text.replace(end.replace(" ", HARD) + HARD, f"{end.replace(' ', HARD)} ")
    lines = textwrap.wrap(text, limit, max_lines=_ABOUT_LINES, placeholder=" …")
    return [line.replace(HARD, " ") for line in lines]


def _made_with(chosen: Sequence[Shown]) -> str:
    """Model and settings in words: "Scenes 8M · CLVS, card's settings for this model: β 0.8, γ 0.5"."""
    parts = [label_of(str(chosen[0].trace.meta.get("model") or ""))]
    for one in chosen:
        spec, threshold = str(one.trace.meta.get("method", "")), one.trace.meta.get("threshold")
        given = str(one.trace.meta.get("given", ""))  # older traces do not say
        source = preset_in_words(given, spec) if given else ""
        words = settings_in_words(spec, preset=not source)
        if isinstance(threshold, (int, float)) and not re.search(r"clvs:[^+]*\bgamma=", spec):
            words.append(f"γ {threshold:g}" if "+" not in name_of(spec) else f"CLVS γ {threshold:g}")
        if words:
            name = ", ".join(filter(None, [one.label.partition(" (")[0], source]))
            parts.append(f"{name}: {', '.join(words)}")
    return " · ".join(part for part in parts if part)
