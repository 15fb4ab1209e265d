"""Models on the page: each loaded once, and asked one thing at a time."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext
from PIL import Image

import clvs_core as clvs
from clvs_core.errors import ClvsError, ModelError, Stopped
from tests.page.acts import run
from tests.page.fake import FakeModel
from viz.page.asking import Asker, Call
from viz.page.desks import Desks
from viz.page.limits.listeners import GONE
from viz.page.models import Models
from viz.page.session import Session


def test_one_model_call_at_a_time(library):
    """The lock is what holds when a call comes past the queue."""
    busy = []

    class Watched:
        layers, heads = 8, 2
        views, key = SimpleNamespace(visual=36), ("", "")
        inside = 0

        def forget(self, content):
            pass

        def unknown_words(self, question, prompt="chat"):
            return []

        def open_image(self, picture, prompt="chat"):
            return self

        def ask(self, *args, **kwargs):
            self.inside += 1
            busy.append(self.inside)
            time.sleep(0.02)
            self.inside -= 1
            return []

    watched = Watched()
    asker = Asker(Models(load=lambda name, **settings: watched))
    picture = Image.new("RGB", (8, 8))
    threads = [threading.Thread(target=asker.ask, args=(Call("scenes", picture, "?", [], 1),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy == [1] * 6


def test_no_more_than_the_queue_may_wait(models, library, monkeypatch):
    asker = Asker(models)
    asker._room = threading.BoundedSemaphore(1)
    asker._room.acquire()
    with pytest.raises(ClvsError, match="Too many people"):
        asker.ask(Call("scenes", None, "?", [], 1))
    asker._room.release()
    picture = Image.new("RGB", (96, 96))
    assert asker.ask(Call("scenes", picture, "Yes?", [clvs.Vanilla()], 4)).runs[0].text == "Yes"
    assert asker._room.acquire(blocking=False), "a place is given back"


def test_what_nobody_waits_for_any_more_is_not_asked(models, fake):
    asker, gone = Asker(models), threading.Event()
    request = SimpleNamespace(request=SimpleNamespace(scope={GONE: gone}), session_hash="somebody")
    token = LocalContext.request.set(request)
    picture = Image.new("RGB", (96, 96))
    assert asker.ask(Call("scenes", picture, "Yes?", [clvs.Vanilla()], 4)).runs[0].text == "Yes"
    gone.set()
    before = fake.opened
    with pytest.raises(Stopped):
        asker.ask(Call("scenes", picture, "Why?", [clvs.Vanilla()], 4))
    assert fake.opened == before
    LocalContext.request.reset(token)


def test_a_model_is_loaded_once_and_only_if_offered():
    loads = []
    models = Models(
        ["scenes", "llava-1.5-7b"], dtype="float16", load=lambda name, **s: loads.append((name, s)) or object()
    )
    threads = [threading.Thread(target=models.get, args=("scenes",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [("scenes", {"dtype": "float16", "device": "auto"})]
    with pytest.raises(ModelError, match="choose one of scenes, llava"):
        models.get("/etc/passwd")


def test_loading_one_model_keeps_nobody_from_another():
    loading, go_on = threading.Event(), threading.Event()

    def load(name, **settings):
        if name == "llava-1.5-7b":
            loading.set()
            assert go_on.wait(60)
        return FakeModel()

    models = Models(["scenes", "llava-1.5-7b"], load=load)
    thread = threading.Thread(target=models.get, args=("llava-1.5-7b",))
    thread.start()
    assert loading.wait(60)
    other = threading.Thread(target=models.get, args=("scenes",))
    other.start()
    other.join(60)
    assert models.ready("scenes")
    assert not models.ready("llava-1.5-7b")
    go_on.set()
    thread.join()


def test_a_models_folder_is_told_by_its_name_only(desks, tmp_path):
    folders = [tmp_path / "a" / "mine", tmp_path / "b" / "mine"]
    for folder in folders:
        folder.mkdir(parents=True)
    loads = []
    models = Models([str(folders[0])], load=lambda source, **s: (loads.append(source), FakeModel())[1])
    assert models.default == models.get("mine").card.name == models.cards["mine"].label == "mine"
    assert loads == [str(folders[0])]
    desks = Desks(models, desks.library, desks.first)
    last = run(desks, Session(), model="mine")[-1]
    assert (last["error"], last["link"]) == ("", ""), "a link would name a model that is nowhere else"
    with pytest.raises(ModelError) as caught:
        models.get("other")
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ClvsError, match="rename one"):
        Models(list(map(str, folders)))
