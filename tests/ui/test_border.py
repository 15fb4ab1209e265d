"""What crosses between page and model, and how long the model may take. tests/zerogpu runs it on ZeroGPU itself."""

from __future__ import annotations

import logging
import math
import pickle
from dataclasses import replace

import gradio as gr
import pytest

import clvs_core as clvs
from clvs_core.errors import ClvsError, ModelError, QuestionError
from clvs_core.models import memory
from clvs_core.models.registry import CARDS
from tests.ui.fake import FakeModel
from viz.ui import border
from viz.ui.models import Call, Models

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


def test_closing_here_closes_there():
    closed = []

    def count():
        try:
            yield from range(9)
        finally:
            closed.append(True)

    found = across(count)()
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
    assert str(border.told(error)) == told


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
    assert models._seconds(call) - alone._seconds(call) in (math.floor(moved), math.ceil(moved))
    large = replace(call, model="llava-1.5-7b")
    assert models._seconds(large) < models._seconds(replace(large, methods=[VCD]))
    assert models._seconds(large) < models._seconds(replace(large, tokens=32))


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
