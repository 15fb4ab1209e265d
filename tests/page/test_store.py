"""The files of a page: what visitors upload and what is made for them, within limits that all of them share."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest
from gradio.routes import file_upload_statuses
from PIL import Image

from tests.page import fake as fakes
from tests.page.fake import when
from viz.page import build, limits
from viz.page import first_answer as record
from viz.page.desks import Desks
from viz.page.downloads import Exports
from viz.page.limits import gate, store
from viz.page.limits.store import DiskFull, Rate, Store, TooMuch
from viz.page.models import Models
from viz.page.session import Session


@pytest.fixture
def files(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return Store(limit=1000, count=5)


@pytest.fixture
def page(library, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    return build.build(models, library, record.make(models, library))


@pytest.fixture
def url(page):
    with fakes.served(page) as address:
        yield address


def upload(url, content=b"x" * 1000, name="x.png", count=1):
    return httpx.post(f"{url}gradio_api/upload", files=[("files", (f"{n}{name}", content)) for n in range(count)])


def aged(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def full(*args, **named):
    raise OSError(errno.ENOSPC, "No space left on device")


# --- the folder -----------------------------------------------------------------------------------------------------


def test_the_oldest_files_give_way(files):
    kept = [aged(files.put(b"x" * 300, f"{n}.bin"), 60 - n) for n in range(3)]
    files.put(b"x" * 500, "new.bin")
    assert [path.exists() for path in kept] == [False, False, True]
    assert not kept[0].parent.exists()


def test_there_are_so_many_files_at_most(files):
    kept = [aged(files.put(b"x", f"{n}.bin"), 60 - n) for n in range(9)]
    assert [path.exists() for path in kept] == [False] * 4 + [True] * 5


def test_old_files_go_when_another_one_comes(files):
    kept = aged(files.put(b"x", "old.bin"), files.age + 1)
    files.put(b"x", "new.bin")
    assert not kept.exists()


def test_what_is_larger_than_all_there_may_be_is_refused(files):
    with pytest.raises(DiskFull, match="disk is full"):
        files.put(b"x" * 1001, "x.bin")


def test_a_disk_that_is_nearly_full_is_left_alone(files, monkeypatch):
    kept = files.put(b"x", "x.bin")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=limits.SPARE_DISK))
    with pytest.raises(DiskFull):
        files.put(b"x", "x.bin")
    assert kept.exists(), "somebody else's files fill the disk"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_meanwhile_is_told_and_nothing_is_left(files, monkeypatch, number):
    def fail(path, content):
        path.touch()
        raise OSError(number, "full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(DiskFull, match="try again later"):
        files.put(b"x", "x.bin")
    assert list(files.folder.iterdir()) == []


def test_another_error_stays_what_it_is(files, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: (_ for _ in ()).throw(PermissionError(13, "no")))
    with pytest.raises(PermissionError):
        files.put(b"x", "x.bin")


def test_an_upload_goes_with_the_last_visitor_who_has_it(files):
    paths = [files.put(b"x", f"{name}.png") for name in "abc"]
    first, second = Session(), Session()
    for visitor in (first, first, second):
        files.keep_for(visitor, paths[0])
    files.keep_for(second, paths[1])
    assert paths[0].exists(), "the first visitor has it still"
    files.keep_for(first, paths[2])
    assert [path.exists() for path in paths] == [False, True, True]
    del first, visitor
    gc.collect()
    assert [path.exists() for path in paths] == [False, True, False]


def test_nothing_elsewhere_is_deleted(files, tmp_path):
    elsewhere = tmp_path / "mine" / "x.png"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"x")
    visitor = Session()
    files.keep_for(visitor, elsewhere)
    files.drop([str(elsewhere), "/nowhere/x"])
    del visitor
    gc.collect()
    assert elsewhere.exists()


def test_files_may_come_while_gradio_looks_through_them(files):
    written = [str(files.put(b"x", "x.bin")) for _ in range(2)]
    for _ in files:
        written.append(str(files.put(b"x", "x.bin")))
    assert set(files) == set(written)
    for path in written:
        Path(path).unlink()
    files -= set(written)
    assert list(files.folder.iterdir()) == []


def test_a_rate_is_counted_over_a_minute_for_each_and_for_all(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: now[0])
    rate = Rate(100, 150)
    rate.add("a", 60)
    now[0] += 30
    rate.add("a", 40)
    with pytest.raises(TooMuch, match="try again in a minute"):
        rate.add("a", 1)
    now[0] += 31  # the first 60 are a minute ago
    rate.add("a", 59)
    rate.add("b", 50)
    with pytest.raises(TooMuch):
        rate.add("c", 1)


# --- uploads through the page ---------------------------------------------------------------------------------------


def test_an_upload_lies_in_the_pages_own_folder_and_goes_with_the_page(page, url):
    (path,) = upload(url).json()
    assert Path(path).is_relative_to(page.files.folder)
    assert httpx.get(f"{url}gradio_api/file={path}").content == b"x" * 1000
    page.close()
    when(lambda: not Path(path).parents[1].exists())


def test_uploads_give_way_to_newer_ones(page, url):
    page.files.limit = 2 * limits.MAX_UPLOAD
    first = aged(Path(upload(url, b"1" * 10**7).json()[0]), 9)
    (second,) = upload(url, b"2" * 10**7).json()
    (third,) = upload(url, b"3" * 10**7).json()
    assert [Path(path).exists() for path in (first, second, third)] == [False, True, True]


def test_too_many_bytes_within_a_minute_are_refused(page, url):
    page.files.rate = Rate(25_000, 10**9)
    assert [upload(url, b"x" * 10_000).status_code for _ in range(3)] == [200, 200, 429]
    page.files.rate = Rate(10**9, 25_000)
    answers = [upload(url, b"x" * 10_000) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].text == store.BUSY


def test_one_picture_at_a_time(page, url):
    answer = upload(url, count=50)
    assert (answer.status_code, answer.text) == (413, "Send one picture at a time.")
    assert list(page.files) == []


@pytest.mark.parametrize("break_", ["usage", "write"])
def test_an_upload_to_a_full_disk_gets_one_sentence(page, url, monkeypatch, break_):
    with monkeypatch.context() as patch:
        if break_ == "usage":
            patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        else:
            patch.setattr("gradio.route_utils.GradioUploadFile.write", full)
        answer = upload(url)
    assert (answer.status_code, answer.text) == (507, store.FULL)
    assert list(page.files.folder.glob("*")) == [], "what had come is deleted"
    assert upload(url).status_code == 200


@pytest.mark.parametrize("form", [{"files": (None, "text")}, {"files": ("", b"content")}])
def test_a_form_without_a_file_gets_one_sentence(page, url, form):
    answer = httpx.post(f"{url}gradio_api/upload?upload_id=x", files=form)
    assert (answer.status_code, answer.text) == (400, gate.UNUSABLE)


def test_nothing_is_kept_of_how_far_an_upload_is(page, url):
    answer = httpx.post(f"{url}gradio_api/upload?upload_id=mine", files={"files": ("a.png", b"content")})
    assert answer.status_code == 200
    assert "mine" not in file_upload_statuses._statuses


def test_an_upload_that_is_broken_off_leaves_nothing(page, url):
    def content():
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n' + b"x" * 200_000
        when(lambda: list(page.files.folder.glob("*")))
        raise RuntimeError("the client goes")

    with pytest.raises(RuntimeError):
        httpx.post(
            f"{url}gradio_api/upload", content=content(), headers={"content-type": "multipart/form-data; boundary=b"}
        )
    when(lambda: not list(page.files.folder.glob("*")))


def test_an_upload_that_takes_too_long_is_given_up(page, url, monkeypatch):
    monkeypatch.setattr(limits, "UPLOAD_SECONDS", 0.2)

    def content():
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n'
        time.sleep(0.6)
        yield b"x\r\n--b--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert httpx.post(f"{url}gradio_api/upload", content=content(), headers=headers).status_code == 408
    assert list(page.files.folder.glob("*")) == []


@pytest.mark.parametrize(("client", "forwarded", "who"), [
    ("93.184.216.34", None, "93.184.216.34"), ("93.184.216.34", "1.2.3.4", "93.184.216.34"),
    ("127.0.0.1", None, "127.0.0.1"),
    ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"), ("::1", "1.2.3.4", "1.2.3.4"), ("socket", "1.2.3.4", "socket"),
    ("10.0.0.1", "1.2.3.4:50123", "1.2.3.4"), ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
    ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"), ("10.0.0.1", "x" * 9000, "10.0.0.1"),
    ("10.0.0.1", "unknown", "10.0.0.1"),
])  # fmt: skip
def test_a_visitor_is_who_the_nearest_proxy_saw(client, forwarded, who):
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert limits.visitor({"client": (client, 5), "headers": headers}) == who


# --- downloads and pictures -----------------------------------------------------------------------------------------


def test_a_download_on_a_full_disk_gets_one_sentence(library, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    desks = Desks(models, library, record.make(models, library))
    session = Session()
    event = gr.EventData(None, {"kind": "numbers.csv"})
    monkeypatch.setattr(Path, "write_bytes", full)
    assert Exports(desks).handle(session, event) == {"error": store.FULL}
    monkeypatch.undo()
    assert Exports(desks).handle(session, event)["name"].endswith("-numbers.csv")
    desks.pictures.files.clear()


def test_a_picture_on_a_full_disk_gets_one_sentence(library, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    desks = Desks(models, library, record.make(models, library))
    Image.new("RGB", (8, 8)).save(tmp_path / "mine.png")
    session, controls = Session(), vars(desks.choosing.defaults("scenes")).values()
    monkeypatch.setattr(Path, "write_bytes", full)
    *_, last = desks.answering.run(session, session.begin(), str(tmp_path / "mine.png"), "Why?", *controls)
    assert last["error"] == store.FULL
    monkeypatch.undo()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    *_, last = desks.answering.run(session, session.begin(), str(tmp_path / "mine.png"), "Why?", *controls)
    assert last["error"] == ""
