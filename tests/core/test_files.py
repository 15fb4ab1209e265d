"""Files that are there as a whole or not at all, whatever ends the writing of them."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import warnings

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core import files, trace
from clvs_core.cli import options
from clvs_core.files import sweep, whole, write_whole
from tests import viewer_fakes
from viz import figures

FULL = OSError(errno.ENOSPC, "No space left on device")


class FullDisk:
    """A file whose disk takes `room` more bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        data = memoryview(data).cast("B")
        self.file.write(data[: self.room])
        if len(data) > self.room:
            raise FULL
        self.room -= len(data)
        return len(data)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


@pytest.fixture
def disk(monkeypatch):
    """disk(room): from now on new files take no more than so many bytes; disk(None): as many as they like."""
    opened = files.Path.open

    def fill(room):
        def limited(path, mode="r", *args, **options):
            file = opened(path, mode, *args, **options)
            return FullDisk(file, room) if "x" in mode or "w" in mode else file

        monkeypatch.setattr(files.Path, "open", opened if room is None else limited)

    return fill


def the_figure(path):
    figures.save(figures.uncertainty([viewer_fakes.pair()[1].trace]), path)


def a_report(path):
    options.write(path, lambda path: write_whole(path, json.dumps(list(range(100)))))


WRITERS = {
    "trace.npz": lambda path: viewer_fakes.pair()[1].trace.save(path),
    "figure.png": the_figure,
    "figure.svg": the_figure,
    "figure.pdf": the_figure,
    "heads.json": a_report,
    "text.txt": lambda path: write_whole(path, "text" * 100),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, disk, name, room):
    path, save = tmp_path / name, WRITERS[name]
    disk(room)
    with pytest.raises((OSError, clvs.ClvsError), match=r"No space left|cannot be written"):
        save(path)
    assert not list(tmp_path.iterdir()), "a cut file looks like a whole one"
    disk(None)
    save(path)
    before = path.read_bytes()
    assert len(before) > 100
    disk(room)
    with pytest.raises((OSError, clvs.ClvsError), match=r"No space left|cannot be written"):
        save(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_a_disk_that_is_full_only_when_asked_leaves_the_old_file(tmp_path, monkeypatch):
    """Network disks take what is written, and say later that they could not keep it."""
    path = tmp_path / "a.txt"
    write_whole(path, "old")

    def fsync(number):
        raise FULL

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.fixture
def forked():
    """forked(work): does it in a child process and returns its exit code."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")

    def run(work):
        child = os.fork()
        if not child:
            code = 1
            try:
                code = work() or 0
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child does nothing with threads
        yield run


def test_a_limit_of_the_system_leaves_the_old_trace(tmp_path, forked):
    """The real thing: a process that may write no file of more than 800 bytes."""
    resource = pytest.importorskip("resource")
    path, one = tmp_path / "trace.npz", viewer_fakes.pair()[1].trace
    one.save(path)
    before = path.read_bytes()
    assert len(before) > 1000

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (800, 800))
        try:
            one.save(path)
        except OSError as error:
            return error.errno

    assert forked(limited) == errno.EFBIG
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["trace.npz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_ends_the_writing_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    write_whole(path, "old")

    def write():
        with whole(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    with whole(path) as one, whole(path) as other:
        one.write(b"one" * 1000)
        other.write(b"other" * 1000)
    assert path.read_bytes() in (b"one" * 1000, b"other" * 1000)
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_s_permissions_and_a_link_to_it_stay(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link"
    write_whole(path, "old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def _umask():
    kept = os.umask(0)
    os.umask(kept)
    return kept


def test_devices_are_written_to_as_they_are_and_folders_refused(tmp_path):
    write_whole(os.devnull, "nothing")
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, "text")


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "画" * 85])
def test_the_longest_names_can_be_written(tmp_path, name):
    write_whole(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_drafts_of_a_killed_process_are_swept_away(tmp_path, forked):
    def killed():
        with whole(tmp_path / "run.json") as file:
            file.write(b"x")
            os._exit(9)

    assert forked(killed) == 9
    (draft,) = os.listdir(tmp_path)
    assert draft.startswith("run.json.")
    assert draft.endswith(".new")
    (tmp_path / "notes.new").write_text("mine")
    sweep(tmp_path, "run.json")
    assert os.listdir(tmp_path) == ["notes.new"]


# --- traces of any size -------------------------------------------------------------------------------


def saved(trace_, tmp_path):
    trace_.save(tmp_path / "a.npz")
    return tmp_path / "a.npz"


def test_a_trace_may_be_as_large_as_its_file_can_hold(tmp_path, monkeypatch):
    """Real ones of LLaVA-NeXT pass 1 GiB at 90 tokens; here what any archive may unpack to is made small instead."""
    monkeypatch.setattr(trace, "_SMALL", 100)
    for run in viewer_fakes.several("vanilla", "clvs", "tarac", "var", "adhh", "vcd"):
        random = np.random.default_rng(0).random(run.trace.attention.shape).astype(np.float16)
        run.trace.attention = run.trace.original = random
        path = saved(run.trace, tmp_path)
        assert sum(getattr(run.trace, name).nbytes for name in ("attention", "uncertainty")) > 10 * trace._SMALL
        np.testing.assert_array_equal(clvs.Trace.load(path).attention, random)


def test_an_archive_that_promises_more_than_it_can_hold_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(trace, "_SMALL", 1 << 20)
    one = viewer_fakes.pair()[0].trace
    layers, heads, visual = one.attention.shape[1:]
    many = 1 + (16 << 20) // (layers * heads * visual * 2)
    one.attention = one.original = np.zeros((many, layers, heads, visual), np.float16)
    one.uncertainty, one.stop_layer = np.zeros((many, layers)), np.zeros(many, int)
    path = saved(one, tmp_path)
    assert path.stat().st_size < 1 << 16
    monkeypatch.setattr(np.lib.format, "read_array", None)  # whoever unpacks fails otherwise
    with pytest.raises(clvs.ClvsError, match=r"is not a CLVS trace: its [\d,]+ bytes would unpack to [\d,]+; save it"):
        clvs.Trace.load(path)


def test_a_trace_larger_than_memory_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(trace, "_SMALL", 100)
    one = viewer_fakes.pair()[0].trace
    one.attention = one.original = np.random.default_rng(0).random(one.attention.shape).astype(np.float16)
    path = saved(one, tmp_path)
    place = trace.memory.Place("cpu", "memory", 1000, 10**10)
    monkeypatch.setattr(trace.memory, "places", lambda device: [place])
    with pytest.raises(clvs.ClvsError, match=r"^The trace needs 0\.0 GB of memory and 0\.0 GB are free; close"):
        clvs.Trace.load(path)


def test_arrays_that_do_not_fit_attention_s_shape_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    one = viewer_fakes.pair()[0].trace
    one.uncertainty = np.zeros((3, 10**6))
    path = saved(one, tmp_path)
    monkeypatch.setattr(np.lib.npyio.NpzFile, "items", None)
    with pytest.raises(clvs.ClvsError, match="uncertainty must have shape"):
        clvs.Trace.load(path)


def test_a_trace_goes_into_a_stream_that_cannot_be_wound_back():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.content = b""

        def writable(self):
            return True

        def write(self, data):
            self.content += bytes(data)
            return len(data)

    pipe, one = Pipe(), viewer_fakes.pair()[1].trace
    one.save(pipe)
    np.testing.assert_array_equal(clvs.Trace.load(io.BytesIO(pipe.content)).attention, one.attention)
