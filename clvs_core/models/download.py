"""Weight files of the hub, downloaded so that a person can stop at any moment and go on later from there.

huggingface_hub throws away what has come of a file that was not finished, and its faster transfer (Xet) does not end
before the file does. Here a file comes over plain HTTP into `<blob>.part` beside the blobs of huggingface_hub's own
cache, under that library's own lock, and takes the blob's name when it is complete: from there the library links it
into the snapshot like one of its own. The layout is the one its documentation describes ("Understand caching").
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import ModelError
from .memory import gigabytes

Told = Callable[[int, int], None]  # bytes that have come, and of how many
EVERY = 0.3  # seconds between two reports, and until a stop is noticed
_PARALLEL = 4  # files at a time
_PATIENCE = 5  # times that a connection may break without a single new byte
_SILENCE = 10.0  # seconds without a byte after which a connection counts as broken
_RESERVE = 200 * 10**6  # bytes of the disk that a download leaves free


@dataclass(frozen=True)
class _File:
    """One file of the hub: its address, its place among the cache's blobs, its lock, and its bytes."""

    url: str
    blob: Path
    lock: Path
    size: int

    @property
    def part(self) -> Path:
        return self.blob.with_name(self.blob.name + ".part")

    @property
    def come(self) -> int:
        """Bytes that are on this machine."""
        if self.blob.exists():
            return self.size
        try:
            return self.part.stat().st_size
        except FileNotFoundError:  # not begun, or complete: then it has just taken the blob's name
            return self.size if self.blob.exists() else 0


def fetch(source: str, commit: str, names: Sequence[str], told: Told) -> None:
    """Downloads these files of a repository's commit into the blobs of huggingface_hub's cache.

    told: called a few times a second; what it raises ends the download at once, and all that has come is kept.
    Raises ModelError when the disk has too little room, and the hub's or network's own errors.
    """
    files = [_file(source, commit, name) for name in names]
    total = sum(file.size for file in files)
    check_disk(total - sum(file.come for file in files))
    stop = threading.Event()
    pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="download")
    jobs = [pool.submit(_complete, file, stop) for file in files]
    try:
        pending = set(jobs)
        while pending:
            done, pending = wait(pending, timeout=EVERY, return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()
            told(sum(file.come for file in files), total)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)  # a silent connection may hold its thread for `_SILENCE`


def kept(source: str) -> int:
    """Bytes of a repository's files that are on this machine already, finished or not."""
    blobs = _folder(source) / "blobs"
    return sum(_size(path) for path in blobs.glob("*") if path.suffix != ".incomplete")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # complete since it was listed
        return path.with_suffix("").stat().st_size if path.suffix == ".part" else 0


def cache() -> Path:
    """The folder where the hub's files are kept."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def room() -> int:
    """Bytes that a download may take of the disk of `cache`."""
    folder = next(path for path in (cache(), *cache().parents) if path.exists())
    return max(0, shutil.disk_usage(folder).free - _RESERVE)


def check_disk(needed: int) -> None:
    """ModelError, one sentence, when the disk has less room than that."""
    if needed > room():
        raise ModelError(
            f"The download needs {gigabytes(needed)} and the disk of {cache()} has room for {gigabytes(room())}; "
            "make room, or let HF_HOME name a folder on another disk."
        )


def _folder(source: str) -> Path:
    return cache() / f"models--{source.replace('/', '--')}"


def _file(source: str, commit: str, name: str) -> _File:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(source, name, revision=commit)
    about = get_hf_file_metadata(url)
    if not about.etag or about.size is None:
        raise OSError(f"the hub does not say what {name} is")
    folder = _folder(source)
    lock = cache() / ".locks" / folder.name / f"{about.etag}.lock"
    return _File(url, folder / "blobs" / about.etag, lock, about.size)


def _complete(file: _File, stop: threading.Event) -> None:
    """Sees that a file is among the blobs, unless it is stopped before."""
    for path in (file.blob, file.lock):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.lock)
    while not stop.is_set():
        try:
            lock.acquire(timeout=EVERY)
        except Timeout:  # somebody else is downloading it
            continue
        try:
            if not file.blob.exists():
                _go_on(file, stop)
            return
        finally:
            lock.release()


def _go_on(file: _File, stop: threading.Event) -> None:
    """Fetches what is still missing, over as many connections as it takes."""
    patience = _PATIENCE
    while (before := file.come) < file.size:
        broken: Exception | None = None
        try:
            _receive(file, before, stop)
        except OSError:  # the disk, or an answer of the hub
            raise
        except Exception as error:  # of the network library, which differs between versions of huggingface_hub
            broken = error
        if stop.is_set():
            return
        patience = _PATIENCE if file.come > before else patience - 1
        if patience == 0:
            raise OSError("the connection broke") from broken
        if broken:
            stop.wait(1)
    if file.come != file.size:
        file.part.unlink()
        raise OSError("a file came longer than the hub said it is")
    file.part.replace(file.blob)


def _receive(file: _File, start: int, stop: threading.Event) -> None:
    """Appends what comes over one connection to the part, from byte `start` on."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={start}-"}
    with get_session().stream("GET", file.url, headers=headers, timeout=_SILENCE, follow_redirects=True) as response:
        hf_raise_for_status(response)
        with file.part.open("ab" if response.status_code == 206 else "wb") as out:
            for piece in response.iter_raw():
                if stop.is_set():
                    return
                out.write(piece)
                out.flush()  # others read the size, and a stop keeps it
