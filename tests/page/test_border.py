"""What crosses between page and model, and how long the model may take. tests/zerogpu runs it on ZeroGPU itself."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import clvs_core as clvs
from clvs_core.errors import ClvsError, ModelError, QuestionError
from clvs_core.methods import METHODS
from clvs_core.models import memory
from clvs_core.models.registry import CARDS
from tests.page.fake import FakeModel, served
from viz.page import build, main
from viz.page import zerogpu as border
from viz.page.asking import Asker, Call
from viz.page.desks import Desks
from viz.page.library import Library
from viz.page.models import Models
from viz.page.session import Session

VANILLA, CLVS, VCD, PAI = clvs.Vanilla(), clvs.CLVS(), clvs.VCD(), clvs.PAI()


def across(function):
    return border.across(function, duration=lambda *arguments: 1)


def test_values_and_our_own_errors_cross():
    def count(limit):
        yield from range(limit)
        raise QuestionError("There is no question; type one.")

    found = across(count)(2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(QuestionError, match=r"There is no question; type one\."):
        next(found)


def test_an_error_that_is_not_ours_stays_in_the_log(caplog):
    def fail():
        raise RuntimeError("a secret of the engine")
        yield

    with caplog.at_level(logging.ERROR), pytest.raises(ClvsError) as told:
        next(across(fail)())
    assert str(told.value) == border.FAILED
    assert "a secret of the engine" in caplog.text
    assert "in fail" in caplog.text, "with where it was raised"


@pytest.mark.parametrize("wrapped", [across, border.contained])
def test_closing_here_closes_there(wrapped):
    closed = []

    def count():
        try:
            yield from range(9)
        finally:
            closed.append(True)

    found = wrapped(count)()
    next(found)
    found.close()
    assert closed == [True]


@pytest.mark.parametrize("kind", [ClvsError, *ClvsError.__subclasses__()])
def test_our_errors_can_be_pickled(kind):
    error = pickle.loads(pickle.dumps(kind("One sentence.")))
    assert (type(error), str(error)) == (kind, "One sentence.")


@pytest.mark.parametrize(("error", "told"), [
    (gr.Error("You have exceeded your quota.", title="ZeroGPU quota exceeded"),
     "ZeroGPU quota exceeded: You have exceeded your quota."),
    (gr.Error("Send the picture itself."), "Send the picture itself."),
    (gr.Error("No GPU. [Join](https://huggingface.co/join) now."), "No GPU. Join (https://huggingface.co/join) now."),
])  # fmt: skip
def test_what_gradio_says_is_told_as_it_is(error, told):
    assert str(border.for_visitors(error)) == told


@pytest.mark.parametrize(("name", "methods", "tokens", "seconds"), [
    ("scenes", [VANILLA, CLVS], 16, 6),
    ("llava-1.5-7b", [CLVS], 16, 16),  # what a moved slider asks for
    ("llava-1.5-7b", [VANILLA, CLVS], 16, 17),
    ("llava-1.5-7b", [VANILLA, CLVS], 64, 27),
    ("llava-1.5-7b", [VANILLA, CLVS, VCD, PAI], 64, 39),
    ("llava-1.5-13b", [VANILLA, CLVS], 64, 45),
])  # fmt: skip
def test_a_call_asks_for_about_twice_what_it_takes(name, methods, tokens, seconds):
    size = CARDS[name].size
    assert border.seconds(size.weights("bfloat16"), size.parameters, methods, tokens) == seconds


def test_no_call_asks_for_more_than_anybody_may_have():
    assert border.seconds(300e9, 150, [VANILLA], 64) == border.LONGEST


def test_the_weights_of_all_models_are_moved_and_noise_is_another_look():
    models = Models(["scenes", "llava-1.5-7b"], load=None, dtype="bfloat16")
    alone = Models(["scenes"], load=None, dtype="bfloat16")
    moved = CARDS["llava-1.5-7b"].size.weights("bfloat16") / border.MOVED
    call = Call("scenes", None, "Why?", [VANILLA], 16)
    assert Asker(models)._seconds(call) - Asker(alone)._seconds(call) in (math.floor(moved), math.ceil(moved))
    large = replace(call, model="llava-1.5-7b")
    assert Asker(models)._seconds(large) < Asker(models)._seconds(replace(large, methods=[VCD]))
    assert Asker(models)._seconds(large) < Asker(models)._seconds(replace(large, tokens=32))


def test_models_that_do_not_fit_beside_each_other_are_told_before_anything_is_loaded(monkeypatch):
    place = memory.Place("cuda:0", "GPU", int(20e9), int(24e9))
    monkeypatch.setattr(memory, "places", lambda device="auto": [place])
    loads = []
    models = Models(
        ["llava-1.5-7b", "qwen2.5-vl-3b"], load=lambda name, **settings: (loads.append(name), FakeModel())[1]
    )
    told = r"llava-1\.5-7b and qwen2\.5-vl-3b need \d+\.\d GB together, and 20\.0 GB are free here; name fewer models\."
    with pytest.raises(ModelError, match=told):
        models.load(*models.cards)
    assert loads == []
    models.load("qwen2.5-vl-3b")
    assert loads == ["qwen2.5-vl-3b"]


# --- what somebody's own method may raise -----------------------------------------------------------------------------

ENDINGS = [
    SystemExit(1),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    StopIteration(),
    BaseException(),
]


def in_a_thread(function):
    """What a function returns or raises in another thread, where Gradio calls handlers."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result(20)


@pytest.mark.parametrize("error", [*ENDINGS, RecursionError(), MemoryError()], ids=repr)
def test_whatever_is_raised_crosses_as_a_sentence(error, caplog):
    def fail():
        yield 1
        raise error

    found = across(fail)()
    assert in_a_thread(lambda: next(found)) == 1
    with pytest.raises(ClvsError) as told:
        in_a_thread(lambda: next(found))
    assert str(told.value) == border.FAILED
    assert type(error).__name__ in caplog.text or isinstance(error, StopIteration)


@pytest.mark.parametrize("error", ENDINGS, ids=repr)
@pytest.mark.parametrize("several", [False, True])
def test_an_event_raises_errors_only(error, several):
    def fail(number: int):
        raise error

    def fail_later(number: int):
        yield number
        raise error

    event = border.contained(fail_later if several else fail)
    assert inspect.isgeneratorfunction(event) is several
    assert list(inspect.signature(event).parameters) == ["number"]

    def call():
        return list(event(5)) if several else event(5)

    with pytest.raises((gr.Error, RuntimeError)) as told:
        in_a_thread(call)
    assert isinstance(told.value, RuntimeError) == (several and isinstance(error, StopIteration))


def test_ctrl_c_is_ctrl_c():
    def fail():
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        next(across(fail)())
    with pytest.raises(KeyboardInterrupt):
        border.contained(lambda: next(fail()))()


@pytest.fixture
def unruly(tmp_path):
    """load(where, what): a method of one's own that raises there."""

    def load(where, what):
        text = (
            "from dataclasses import dataclass\nfrom clvs_core.methods import Method\n"
            "@dataclass(frozen=True)\nclass Unruly(Method):\n    name = 'unruly'\n    label = 'Unruly'\n"
            f"    def {where}(self, *args, **named):\n        {what}\n"
        )
        (tmp_path / "unruly.py").write_text(text)
        return clvs.methods.load_method(tmp_path / "unruly.py")

    yield load
    METHODS.pop("unruly", None)


@pytest.fixture(scope="module")
def client():
    """Of a page over the embedded model."""
    scenes = clvs.load_model("scenes")
    with served(build.build(Models(load=lambda name, **settings: scenes), Library())) as url:
        yield Client(url, verbose=False)


@pytest.mark.parametrize("what", ["raise SystemExit(1)", "raise KeyboardInterrupt", "raise GeneratorExit"])
@pytest.mark.parametrize("where", ["resolve", "contrasted", "on_questions", "__post_init__", "reading"])
def test_a_method_that_ends_programs_ends_no_server(client, unruly, where, what):
    unruly(where, what)
    picture = handle_file(str(Library().scenes[0].path))
    with pytest.raises(AppError, match=r"Something went wrong on the server"):
        client.predict(picture, "Is there a dog?", ["unruly"], 1, api_name="/ask")
    told = client.predict(picture, "Is there a dog?", ["vanilla"], 1, api_name="/ask")
    assert told["answers"][0]["tokens"]


def test_a_method_that_ends_programs_is_told_at_start(unruly, tmp_path, capsys):
    unruly("resolve", "raise SystemExit('bye')")
    METHODS.pop("unruly")
    assert main.main(["--method", str(tmp_path / "unruly.py")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'unruly.py'} has no usable method (bye); correct it.\n"


def test_a_method_file_that_ends_programs_is_told(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("import sys\nsys.exit('bye')\n")
    assert main.main(["--method", str(tmp_path / "mine.py")]) == 2
    assert capsys.readouterr().err == "mine.py cannot be run (SystemExit: bye); correct it.\n"


def test_a_model_that_ends_its_thread_is_no_model():
    def load(name, **settings):
        raise SystemExit(3)

    models = Models(["scenes", "other"], load=load)
    with pytest.raises(ClvsError, match="Something went wrong"):
        list(models.switch("scenes"))
    library = Library()
    desks = Desks(models, library, library.first_answer())
    *_, last = desks.choosing.switch_model(Session(), "scenes")
    assert last[0]["error"] == border.FAILED
