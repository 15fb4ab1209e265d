"""What every figure shares: colours and frame, texts from outside on one line, and saving.

Figures keep no global state (no pyplot), so that any thread may draw. Layers are counted from 1 in all texts, from 0 in
all arguments. Knows neither traces nor runs.
"""

from __future__ import annotations

import bisect
import itertools
import textwrap
import unicodedata
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from clvs_core.files import whole

from . import fonts

FORMATS = ("png", "svg", "pdf")
DPI = 200
INK, FAINT, GRID = "#1f2328", "#667080", "#e3e6ea"
HARD = "\u00a0"  # a space at which no line breaks


def frame(ax: Axes, label: str, size: float, grid: str = "y") -> None:
    """The look of axes in every figure. size: of the label in points, that of the ticks is one less."""
    ax.set_ylabel(label, fontsize=size, color=INK, parse_math=False)
    ax.grid(axis=grid, color=GRID, linewidth=0.7, zorder=0)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=size - 1, color=FAINT, labelcolor=INK, width=0.6, length=3)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set(color=FAINT, linewidth=0.7)


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
    choose_fonts(figure)
    with whole(target) if isinstance(target, (str, Path)) else nullcontext(target) as file:
        figure.savefig(file, format=format.lower(), dpi=DPI, facecolor="white")


def choose_fonts(figure: Figure) -> None:
    """Before a figure is drawn: each text in fonts that have its letters."""
    drawn = {text: text.get_text() for text in figure.findobj(Text)}
    families, missing = fonts.families(drawn.values())
    for text, letters in drawn.items():
        text.set_fontfamily([fonts.OWN] if letters.isascii() else families)  # not all families have every weight
        if missing:
            text.set_text(fonts.without(letters, missing))
    fonts.say_missing(missing)


def plain(text: Any, limit: int) -> str:
    """Untrusted text on one line, cut to a length; a Chinese character is as wide as two letters."""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    ends = list(itertools.accumulate(map(letters_wide, words)))
    return words if not ends or ends[-1] <= limit else words[: bisect.bisect(ends, limit - 1)] + "…"


def letters_wide(text: str) -> int:
    """How many letters' width a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(text: str, limit: int) -> str:
    """The text in lines of at most so many letters' width."""
    wide = "".join(c + "\0" * (letters_wide(c) - 1) for c in text)  # textwrap counts characters
    return "\n".join(line.replace("\0", "") for line in textwrap.wrap(wide, limit))
