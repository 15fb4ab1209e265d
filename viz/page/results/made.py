"""What takes a while to make of a run: its tables and figures."""

from __future__ import annotations

import io
import re
import threading
import weakref
from collections.abc import Callable
from typing import Any

from clvs_core.analysis.looking import looking_tables
from clvs_core.benchmarks import report
from clvs_core.benchmarks.report import render
from clvs_core.errors import ClvsError
from viz import figures as drawing
from viz.figures import paper as paper_figures
from viz.page.results.runs import OpenRun


class Drawn:
    """A run's figures, and why others cannot be drawn."""

    def __init__(self, opened: OpenRun):
        self.figures = paper_figures.figures([opened.run])
        self.missing = paper_figures.missing([opened.run])

    def file(self, name: str, ending: str) -> bytes:
        """A figure as PNG or SVG. ClvsError when there is none of that name."""
        if name not in self.figures:
            raise ClvsError("The run has no such figure; open the figures again.")
        out = io.BytesIO()
        drawing.save(self.figures[name], out, ending)
        return out.getvalue()


class Made:
    """Tables and figures of the runs that are in memory, each made once; one at a time, as matplotlib needs it."""

    def __init__(self) -> None:
        self._kept: weakref.WeakKeyDictionary[OpenRun, dict[Any, Any]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def _once(self, opened: OpenRun, key: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            kept = self._kept.setdefault(opened, {})
            if key not in kept:
                kept[key] = make()
            return kept[key]

    def figures(self, opened: OpenRun) -> Drawn:
        return self._once(opened, "figures", lambda: Drawn(opened))

    def file(self, opened: OpenRun, name: str, ending: str) -> bytes:
        """A figure's bytes. ClvsError when there is none of that name."""
        drawn = self.figures(opened)
        return self._once(opened, (name, ending), lambda: drawn.file(name, ending))

    def tables(self, opened: OpenRun, parser: str, ending: str) -> str:
        """The run's tables as Markdown, CSV or LaTeX: the honest one, those in the paper's layout, and of knock-outs.

        parser: "" reads answers as the benchmark's authors and the paper do.
        """

        def make() -> list[Any]:
            both = (report.tables([opened.run], paper=paper, parser=parser or None) for paper in (False, True))
            return [*(table for tables in both for table in tables), *looking_tables([opened.run])]

        tables = self._once(opened, ("tables", parser), make)
        write = {"md": render.markdown, "tex": render.latex}.get(ending)
        return render.csv_text(tables) if write is None else "\n".join(map(write, tables))


def file_name(text: str) -> str:
    """A text out of a file as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".-")[:80] or "run"
