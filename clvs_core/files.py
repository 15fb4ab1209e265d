"""Files that are there as a whole or not at all: a full disk or a kill leaves the old one as it was."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import ClvsError

DRAFT = ".new"  # how the name of what is being written ends
_NAME = 40  # letters of a file's name that its draft takes: file systems allow 255 bytes


@contextmanager
def whole(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the name `path` once all of it is on the disk.

    Raises OSError where that is impossible; then, as after any other error, `path` is what it was before.
    """
    path = Path(os.path.realpath(path))  # a link goes on pointing to what it points to
    if path.exists() and not path.is_file():  # a device or a pipe, which nothing can replace
        with path.open("wb") as file:
            yield file
        return
    draft = path.with_name(f"{path.name[:_NAME]}.{secrets.token_hex(4)}{DRAFT}")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # some file systems only notice now that they are full
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Writes a text (UTF-8, line ends as they are) or bytes, all or nothing. Raises OSError."""
    with whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def unwritten(path: str | Path, error: OSError) -> ClvsError:
    """What to say where a command that can be resumed could not write."""
    return ClvsError(f"{path} cannot be written ({error.strerror or error}); make room, then the same command goes on.")


def sweep(folder: Path, *names: str) -> None:
    """Deletes the drafts of these files (none: all) that killed processes left in a folder which this one holds."""
    for draft in folder.glob(f"*{DRAFT}"):
        if not names or draft.name.startswith(names):
            draft.unlink()
