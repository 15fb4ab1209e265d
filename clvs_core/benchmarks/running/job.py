"""Running a benchmark into a run folder, and going on with one that was stopped, at any moment and by anything.

Answers are appended picture by picture, each line whole or, after a kill, cut at the end of the file; what is cut is
asked again. A picture of which answers are missing is asked all of its questions again, because which questions share a
pass must not depend on when a run was stopped, and only the missing answers are kept.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO, Any, Protocol

from ...errors import ClvsError
from ...files import DRAFT, sweep, unwritten, write_whole
from .asker import Row
from .folder import ABOUT, ANSWERS, FORMAT, QUESTIONS, question_line, read_about, read_run
from .plan import Job, Plan, Task
from .provenance import checksums, sha256, versions

# What must be the same for answers to belong together, and what to call it.
_SAME = {
    "benchmark": "benchmark",
    "questions_sha256": "questions",
    "model": "model",
    "methods": "methods",
    "prompt": "prompt",
    "max_new_tokens": "max_new_tokens",
    "records": "records",
    "inputs": "files of masks or methods",
    "batch": "batch",
}


class Backend(Protocol):
    """Who asks: this process, several, or a cluster (`local`, `processes`, `ray`)."""

    def about(self) -> dict[str, Any]:
        """`Asker.about`."""

    def devices(self) -> list[str]:
        """Names of the hardware."""

    def rows(self, jobs: Sequence[Job]) -> Iterator[list[Row]]:
        """The answers to every job, job by job, in any order, each once."""


# --- running ------------------------------------------------------------------------------------------


def run(
    task: Task,
    plan: Plan,
    folder: Path,
    backend: Backend,
    progress: Callable[[int, int], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda text: None,
) -> None:
    """Asks what has no answer in the folder yet. progress: called with the answers there are and shall be.

    note: called with one sentence where something is unusual but does not hinder.
    Raises ClvsError where the folder holds another run, is used by another process or cannot be written.
    """
    about = describe(task, plan, backend)
    with _opened(folder) as file:
        _begin(folder, task, about, backend.devices(), note)
        file.truncate((folder / ANSWERS).read_bytes().rfind(b"\n") + 1)  # a kill may have cut the last line off
        found = read_run(folder)
        done = {(row["id"], row["method"]) for row in found.rows}
        progress(len(done), found.total)
        wanted = [
            job for job in task.jobs if any((q.id, name) not in done for q in job.questions for name in plan.methods)
        ]
        for rows in backend.rows(wanted):
            new = [row for row in rows if (row["id"], row["method"]) not in done]
            _append(file, new)
            done.update((row["id"], row["method"]) for row in new)
            progress(len(done), found.total)


def check(folder: Path, task: Task, plan: Plan) -> None:
    """Raises the errors of `run` that need no model: a folder that cannot be written or holds something else."""
    if not folder.exists():  # nor is it made yet
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise ClvsError(f"{folder} cannot be made, {above} is not to be written to; name another folder.")
        return
    with _opened(folder):
        if (folder / ABOUT).exists():
            _check_same(folder, read_about(folder), asked(task, plan))


def describe(task: Task, plan: Plan, backend: Backend) -> dict[str, Any]:
    """What run.json says, without its sessions."""
    return {**asked(task, plan), **backend.about()}


def asked(task: Task, plan: Plan) -> dict[str, Any]:
    """What run.json says and no model is needed for."""
    lines = [{**question_line(question), "picture": None} for question in task.questions]
    return {
        "format": FORMAT,
        "benchmark": task.benchmark.name,
        "data": str(task.data),
        "files": checksums(task.data),
        "options": dict(task.options),
        "selection": dict(task.selection),
        "records": plan.records,
        "inputs": {Path(path).name: sha256(Path(path)) for path in (*plan.files, *filter(None, [plan.masks]))},
        "prompt": plan.prompt,
        "max_new_tokens": plan.max_new_tokens,
        "batch": plan.batch,
        "seed": task.seed,
        "questions": len({question.id for question in task.questions}),
        "questions_sha256": hashlib.sha256(_text(lines).encode()).hexdigest(),
        "versions": versions(),
    }


def _begin(folder: Path, task: Task, about: dict[str, Any], devices: list[str], note: Callable[[str], None]) -> None:
    """Writes what the run is, or checks that the folder holds the same one."""
    session = {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": about["versions"],
        "devices": devices,
    }
    sweep(folder, ABOUT, QUESTIONS)
    if not (folder / ABOUT).exists():
        _write(folder, task, about | {"sessions": [session]})
        return
    before = read_about(folder)
    _check_same(folder, before, about)
    if before["versions"] != about["versions"]:
        note(f"{folder} was begun with other versions: {apart(before['versions'], about['versions'])}.")
    sessions = [*before.get("sessions", []), session]
    _write(folder, task, before | {"sessions": sessions})


def _write(folder: Path, task: Task, about: Mapping[str, Any]) -> None:
    """The questions, of which only where pictures are may differ from what was there; then what the run is."""
    content = {QUESTIONS: _text(map(question_line, task.questions)), ABOUT: json.dumps(about, indent=1) + "\n"}
    for name, text in content.items():
        try:
            write_whole(folder / name, text)
        except OSError as error:
            raise unwritten(folder / name, error) from error


def _check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key, name in _SAME.items():
        if key in now and before.get(key) != now[key]:
            raise ClvsError(
                f"{folder} holds a run with other {name}: {apart(before.get(key), now[key])}; name another folder."
            )


def apart(before: Any, now: Any) -> str:
    """The first difference in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*before, *now)):
            if before.get(key) != now.get(key):
                return f"{key} {before.get(key, 'not there')!s:.80}, not {now.get(key, 'there')!s:.80}"
    return f"{before!s:.80}, not {now!s:.80}"


# --- files --------------------------------------------------------------------------------------------


@contextmanager
def _opened(folder: Path) -> Iterator[FileIO]:
    """answers.jsonl to append to, in a folder made where needed, for this process alone: two would ask the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in sorted(folder.iterdir()) if not _begun(path)]
        if others and not (folder / ABOUT).exists():
            raise ClvsError(f"{folder} holds something else, {others[0]}; name an empty or new folder.")
        file = (folder / ANSWERS).open("ab", buffering=0)
    except OSError as error:
        raise ClvsError(f"{folder} cannot be written ({error.strerror or error}); name another folder.") from error
    with file:
        hold(file, folder)
        yield file


def hold(file: IO[Any], folder: Path) -> None:
    """Keeps every other process from holding this file of the folder until it is closed. ClvsError if one does."""
    with suppress(ImportError, OSError):  # not on Windows, nor on every cluster's file system
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClvsError(f"Another process is writing to {folder}; wait for it, or stop it.") from None


def _begun(path: Path) -> bool:
    """Whether a run that was killed before its run.json was there leaves such a file behind."""
    if path.name == ANSWERS:
        return not path.stat().st_size
    return path.name in (ABOUT, QUESTIONS) or (path.name.endswith(DRAFT) and path.name.startswith((ABOUT, QUESTIONS)))


def _append(file: FileIO, rows: Sequence[Row]) -> None:
    """Lines that survive a kill right after this."""
    rest = memoryview(_text(rows).encode())
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError as error:
        raise unwritten(str(file.name), error) from error


def _text(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
