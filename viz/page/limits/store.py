"""The files of one page: what visitors upload and what is made for them, within limits that all of them share."""

from __future__ import annotations

import contextlib
import errno
import secrets
import shutil
import threading
import time
import uuid
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gradio.utils import abspath, get_upload_folder

from clvs_core.errors import ClvsError
from viz.page import limits

FULL = "The server's disk is full; try again later, or tell whoever runs this page."
BUSY = "Too many pictures arrive at this moment; try again in a minute."
MINUTE = 60


class DiskFull(ClvsError):
    """There is no room for another file."""


class TooMuch(ClvsError):
    """More has been uploaded within a minute than is allowed."""


class Store:
    """A folder inside Gradio's, of this page alone, in which every file lies in a folder of its own.

    The oldest files go when there are more than `limit` bytes or `count` files, or when they are older than `age`
    seconds; a visitor's upload goes with the visitor. What lies in the folder itself is still arriving.
    """

    def __init__(self, limit: int = limits.MAX_STORED, count: int = limits.MAX_FILES, age: float = limits.KEEP_SECONDS):
        self.limit, self.count, self.age = limit, count, age
        self.rate = Rate(limits.UPLOADED_BY_ONE, limits.UPLOADED_BY_ALL)
        self._path = abspath(get_upload_folder()) / f"clvs-{secrets.token_hex(8)}"
        self._lock = threading.RLock()  # a visitor may be found gone while it is held
        self._arriving = 0
        self._uploads: weakref.WeakKeyDictionary[Any, _Upload] = weakref.WeakKeyDictionary()

    @property
    def folder(self) -> Path:
        """Where it is; made where it is missing. DiskFull where it cannot be made for want of room."""
        with _disk_full():
            self._path.mkdir(parents=True, exist_ok=True)
        return self._path

    def put(self, content: bytes, name: str) -> Path:
        """Writes a file; its path cannot be guessed. DiskFull when there is no room for it."""
        self.make_room(len(content))
        folder = self.folder / uuid.uuid4().hex
        try:
            with _disk_full():
                folder.mkdir()
                (folder / name).write_bytes(content)
        except DiskFull:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder / name

    def make_room(self, size: int) -> None:
        """Deletes the oldest files until `size` bytes more may be written. DiskFull when that does not help."""
        with self._lock:
            files = sorted(self._files())
            over = sum(held for _, held, _ in files) + self._unfinished() + size - self.limit
            while files and (over > 0 or len(files) >= self.count or files[0][0] < time.time() - self.age):
                _, held, oldest = files.pop(0)
                over -= held
                _delete(oldest)
            if over > 0 or shutil.disk_usage(self.folder).free < size + limits.SPARE_DISK:
                raise DiskFull(FULL)

    def clear(self) -> None:
        """Deletes everything."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each finished file was written, its bytes, and where it is."""
        for path in self._path.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_mtime, status.st_size, path

    def _loose(self) -> list[Path]:
        return [path for path in self._path.glob("*") if path.is_file()]

    def _unfinished(self) -> int:
        total = 0
        for path in self._loose():
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    # --- uploads --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def arriving(self) -> Iterator[None]:
        """While an upload arrives: what it leaves behind when it fails is deleted. DiskFull where writing it fails."""
        with self._lock:
            self._arriving += 1
        try:
            with _disk_full():
                yield
        finally:
            with self._lock:
                self._arriving -= 1
                for path in self._loose() if not self._arriving else ():
                    path.unlink(missing_ok=True)

    def drop(self, paths: Iterable[str]) -> None:
        """Deletes files of this folder."""
        for path in map(Path, paths):
            if path.is_relative_to(self._path):
                _delete(path)

    def keep_for(self, visitor: Any, path: str | Path) -> None:
        """A visitor's newest upload: deleted when the visitor is gone, or has another one.

        The same picture of two visitors is one file, which stays for as long as one of them has it.
        """
        with self._lock:
            known = self._uploads.get(visitor)
            if known is None or known.path != str(path):
                self._uploads[visitor] = new = _Upload(str(path))
                weakref.finalize(new, self._left, new.path).atexit = False

    def _left(self, path: str) -> None:
        with self._lock:
            if all(upload.path != path for upload in self._uploads.values()):
                self.drop([path])

    # --- as Gradio's clean-up thread takes it: paths of what may be deleted when it is old ----------------------------

    def __iter__(self) -> Iterator[str]:
        return iter([str(path) for _, _, path in self._files()])

    def update(self, paths: Iterable[str]) -> None:
        """Nothing to remember: the folder says what there is."""

    def __isub__(self, deleted: Iterable[str]) -> Store:
        """Files were deleted: their folders go, too."""
        for path in deleted:
            _delete(Path(path))
        return self


class _Upload:
    """One visitor's hold on a file."""

    def __init__(self, path: str):
        self.path = path


class Rate:
    """How many bytes were sent within the last minute: at most `one` by one visitor, `everybody` by all together."""

    def __init__(self, one: int, everybody: int):
        self.one, self.everybody = one, everybody
        self._seconds: deque[tuple[int, Counter[str]]] = deque()
        self._sent: Counter[str] = Counter()
        self._all = 0

    def add(self, visitor: str, size: int) -> None:
        """TooMuch when this is more than may be sent."""
        now = int(time.monotonic())
        while self._seconds and self._seconds[0][0] <= now - MINUTE:
            _, past = self._seconds.popleft()
            self._sent -= past  # which leaves out who has sent nothing since
            self._all -= past.total()
        if not self._seconds or self._seconds[-1][0] != now:
            self._seconds.append((now, Counter()))
        self._seconds[-1][1][visitor] += size
        self._sent[visitor] += size
        self._all += size
        if self._sent[visitor] > self.one or self._all > self.everybody:
            raise TooMuch(BUSY)


@contextlib.contextmanager
def _disk_full() -> Iterator[None]:
    """DiskFull for the error that the system has for it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(FULL) from None


def _delete(path: Path) -> None:
    """Deletes a file and its folder."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another file lies in it
        path.parent.rmdir()
