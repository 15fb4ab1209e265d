"""Which run folders may be read, and by what names.

Visitors choose among the runs that the app was started with, by name; only who runs the page opens others by path.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from clvs_core.benchmarks.running.folder import ABOUT, ANSWERS, QUESTIONS, find_runs, read_about, read_run
from clvs_core.errors import ClvsError
from viz.page.results.choice import Choice
from viz.page.results.opened import OpenRun, readable

KEPT = 3  # runs in memory, whoever reads them


class Runs:
    """The runs in these folders and two levels below, and pictures by name in `images`; read anew when they change.

    Raises ClvsError for a folder that does not exist.
    """

    def __init__(self, folders: Iterable[str | Path] = (), images: Iterable[str | Path] = ()):
        self.folders = [_folder(path, "--runs") for path in folders]
        self.images = [_folder(path, "--images") for path in images]
        self._open: dict[tuple[Path, Path], tuple[Any, OpenRun]] = {}  # the newest last
        self._lock = threading.Lock()

    def listed(self) -> dict[str, Path]:
        """The runs that anybody may choose, by names that are shown and linked; no name tells where a folder is."""
        parts: dict[Path, tuple[str, ...]] = {}  # of each run, from the folder that was named at start
        for folder in self.folders:
            try:
                paths = find_runs([folder])
            except (ClvsError, OSError):  # none yet, or not to be read
                continue
            for path in paths:
                parts[path] = max(parts.get(path, ()), path.relative_to(folder.parent).parts, key=len)
        names: dict[str, Path] = {}
        for path, own in parts.items():
            names[_free(own, names)] = path
        return names

    def with_record(self, record: str) -> str | None:
        """The first listed run, of those that can be read, with such a record of its answers: "key_objects", "lens"."""
        for name, path in self.listed().items():
            with contextlib.suppress(ClvsError, OSError):
                if record in read_about(path).get("records", ()):
                    return name
        return None

    def get(self, choice: Choice, *, owner: bool) -> OpenRun:
        """The run of the chosen name, for the owner also at the chosen path. ClvsError for anything else."""
        if choice.folder and owner:
            typed = Path(choice.folder.strip()).expanduser().resolve()
            return self._read(typed, typed)
        path = self.listed().get(choice.run)
        if path is None or choice.folder:
            raise ClvsError(f"There is no run {(choice.folder or choice.run)!r:.80} here; choose one of the list.")
        try:
            return self._read(path, Path(choice.run))
        except ClvsError as error:  # where it is on this machine is nobody's business
            words = f"The run {choice.run} is damaged; tell whoever runs this page."
            raise ClvsError(str(error).replace(str(path), choice.run) if owner else words) from error

    def _read(self, path: Path, named: Path) -> OpenRun:
        """named: what the run's folder is called wherever the run is spoken of, in tables and errors."""
        stamp = _stamp(path)
        with self._lock:  # two visitors who ask for the same long run read it once
            kept = self._open.pop((path, named), None)
            if kept is None or kept[0] != stamp:
                kept = stamp, OpenRun(replace(read_run(path), folder=named))
            self._open[path, named] = kept
            while len(self._open) > KEPT:
                del self._open[next(iter(self._open))]
            return kept[1]


def _free(parts: tuple[str, ...], taken: Mapping[str, Any]) -> str:
    """The last parts of a path, as few as tell it from names that are taken; at last with a number."""
    names = [readable("/".join(parts[-n:])) for n in range(1, len(parts) + 1)]
    again = (f"{names[-1]} ({n})" for n in itertools.count(2))
    return next(name for name in itertools.chain(names, again) if name not in taken)


def _folder(path: str | Path, option: str) -> Path:
    folder = Path(path).expanduser().resolve()
    if not folder.is_dir():
        raise ClvsError(f"There is no folder {str(folder)!r}; check {option}.")
    return folder


def _stamp(path: Path) -> tuple[Any, ...]:
    files = [path / name for name in (ABOUT, QUESTIONS, ANSWERS)]
    return tuple((file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None for file in files)
