"""Weights from a hub on this machine: stopped at any moment, gone on with, over connections that break."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from huggingface_hub import constants

from clvs_core.errors import ModelError, Stopped
from clvs_core.models import download, hub
from clvs_core.models.registry import card_for
from tests.hub_fake import COMMIT, FakeHub

WEIGHTS = "model.safetensors"
CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A fake hub with one repository, and an empty cache of this machine."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(CONTENT)
    (folder / "config.json").write_text("{}")
    served = FakeHub(folder)
    monkeypatch.setattr(constants, "ENDPOINT", served.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{served.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "EVERY", 0.05)
    yield served
    served.silent = False
    served.shutdown()


def fetch(told=lambda come, total: None):
    download.fetch("some/model", COMMIT, [WEIGHTS], told)


def stop_at(count):
    def told(come, total):
        if come >= count:
            raise Stopped("stopped")

    return told


def part():
    return next(iter(download.cache().glob("*/blobs/*.part")))


def test_a_stop_ends_the_download_and_keeps_what_has_come(server):
    server.pause = 0.02
    with pytest.raises(Stopped):
        fetch(stop_at(200_000))
    stopped = time.monotonic()
    time.sleep(0.3)
    sent = server.sent
    time.sleep(0.3)
    assert server.sent == sent < len(CONTENT), "nothing comes after a stop"
    assert time.monotonic() - stopped < 1
    kept = part().stat().st_size
    assert kept >= 200_000
    assert download.kept("some/model") == kept
    server.pause = 0
    fetch()
    assert server.ranges == [0, kept], "the second try goes on from there"
    (blob,) = download.cache().glob("*/blobs/*")
    assert blob.read_bytes() == CONTENT


def test_a_stop_is_heard_though_nothing_comes(server):
    server.silent = True
    begun = time.monotonic()
    with pytest.raises(Stopped):
        fetch(stop_at(0))
    assert time.monotonic() - begun < 1


def test_a_connection_that_breaks_is_taken_up_again(server, monkeypatch):
    server.cut = 400_000
    told = []
    monkeypatch.setattr(download.threading.Event, "wait", lambda self, timeout=None: self.is_set())
    fetch(lambda *come: told.append(come))
    assert server.ranges == [0, 400_000, 800_000]
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_that_is_complete_while_it_is_measured(tmp_path, monkeypatch):
    """Another thread gives it its name between one look and the next."""
    file = download._File("", tmp_path / "models--some--model" / "blobs" / "etag", tmp_path / "lock", len(CONTENT))
    file.part.parent.mkdir(parents=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    look = Path.stat

    def stat(path, **options):
        if path == file.part:
            os.rename(file.part, file.blob)
        return look(path, **options)

    for measure in (lambda: file.come, lambda: download.kept("some/model")):
        file.blob.unlink(missing_ok=True)
        file.part.write_bytes(CONTENT)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", stat)
            assert measure() == len(CONTENT)


def test_a_server_that_sends_everything_again_spoils_nothing(server):
    server.pause = 0.02
    with pytest.raises(Stopped):
        fetch(stop_at(200_000))
    server.pause, server.honest = 0, False
    fetch()
    assert next(iter(download.cache().glob("*/blobs/*"))).read_bytes() == CONTENT


def test_too_small_a_disk_is_told_before_anything_comes(server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(ModelError, match=r"needs 0\.0 GB and the disk of .* has room for 0\.0 GB; make room"):
        fetch()
    assert server.sent == 0


def test_the_library_takes_what_has_come_for_its_own(server):
    """Complete weights stand in the snapshot of the same commit as the small files, downloaded once."""
    card = card_for("some/model")
    folder = hub.small_files(card)
    told = []
    server.ranges.clear()
    hub.weights(card, folder, told.append)
    assert (folder / WEIGHTS).read_bytes() == CONTENT
    assert server.ranges == [0]
    assert told[-1] == "Downloading model: 0.00 of 0.00 GB (100 %)"
    assert hub.downloaded(card)


def test_a_hub_that_is_gone_is_one_sentence(server, monkeypatch):
    card = card_for("some/model")
    folder = hub.small_files(card)
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError, match=r"download of model stopped \(.*refused\); check the network and try"):
        hub.weights(card, folder, lambda far: None)
