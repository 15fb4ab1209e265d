"""Knock-outs on the page: measured as the engine measures them, streamed, ended by what is newer, never in the way."""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from clvs_core.errors import ClvsError
from tests import viewer_fakes
from tests.page.acts import controls, event, run
from viz.page import cost
from viz.page.asking import Turns
from viz.page.desks import Desks
from viz.page.downloads import Exports
from viz.page.knocking import ENDED
from viz.page.library import Library
from viz.page.models import Models
from viz.page.session import Result, Session, Settings, Shown
from viz.viewer.contract import Payload
from viz.viewer.received import CONTRACT, read
from viz.viewer.view import View

LAYERS = viewer_fakes.LAYERS


def look(desks, session, view="", turn=1, **data):
    return desks.knocking.look(session, event(view=view, turn=turn, **data))


def answered(desks, *methods, **more):
    session = Session()
    desks.models.get("scenes").hidden.clear()  # what the page's example needed
    last = run(desks, session, *methods, **more)[-1]
    return session, last


def left(part, spec, rows):
    return next(one for one in part["left"] if one["rows"] == rows and one["spec"].startswith(spec))


def test_what_is_known_comes_pass_by_pass(desks, fake):
    session, last = answered(desks)
    news = list(look(desks, session, turn=7))
    assert [one["running"] for one in news] == [True] * 6 + [False]
    assert {(one["of"], one["turn"], one["error"]) for one in news} == {(last["id"], 7, "")}
    known = [sum(share is not None for share in left(one["knockout"], "vanilla", "word")["kept"]) for one in news]
    assert known == [1, LAYERS // 2, LAYERS, LAYERS, LAYERS, LAYERS, LAYERS]
    assert [rows for rows, *_ in fake.hidden] == ["word", "both"]
    part = news[-1]["knockout"]
    assert (part["step"], part["on"], part["region"], part["window"]) == (0, ["dog"], None, 3)
    assert left(part, "clvs", "word")["matters"] == list(range(1, LAYERS))
    assert set(part["reads"]) == {method["spec"] for method in last["methods"]}
    CONTRACT.validate_python({**last, "knockout": part})


def test_numbers_are_the_engines():
    """On the embedded model: a session's answer, the object that it names, and what `image.knockout` says."""
    models, library = Models(), Library()
    desks, session = Desks(models, library, library.first_answer()), Session()
    asked = "Is there a laptop in the picture?"
    run(desks, session, scene="desk", question=asked)
    *_, news = look(desks, session, "rows=both&window=1")
    image = models.get("scenes").open_image(session.result.picture.image)
    mask = next(item.mask for item in session.result.picture.objects if item.name == "laptop")
    for found in image.knockout(asked, mask, session.result.methods, 1, "both", 0, cost.DRAWS):
        part = left(news["knockout"], found.method.name, "both")
        for name in ("kept", "only", "control"):
            np.testing.assert_allclose(part[name], getattr(found, name), atol=2e-3)
        assert [said[0] for said in part["instead"]] == [token.text for token in found.instead]
        assert part["matters"] == clvs_matters(found)
    assert news["knockout"]["hidden"] == found.hidden.sum()
    stored = desks.first.payload["knockout"]
    *_, now = look(desks, session)
    assert [one["matters"] for one in now["knockout"]["left"]] == [one["matters"] for one in stored["left"]]
    for one, other in zip(now["knockout"]["left"], stored["left"], strict=True):
        np.testing.assert_allclose(one["kept"], other["kept"], atol=2e-3, err_msg="python -m viz.page.first_answer")


def clvs_matters(found):
    return np.flatnonzero(found.kept / found.control < 0.5).tolist()


def test_what_is_hidden_follows_the_view(desks, fake):
    session, _ = answered(desks, question="What is it?")
    hidden = []
    for view in ("", "on=car", "region=0,0,10,10", "on=car&region=0,0,10,10"):
        *_, news = look(desks, session, view)
        hidden.append((news["knockout"]["on"], news["knockout"]["region"]))
    region = {"box": [0.0, 0.0, 10.0, 10.0]}
    assert hidden == [([], None), (["car"], None), ([], region), (["car"], region)]
    sizes = [size for rows, size, *_ in fake.hidden if rows == "word"]
    picture = session.result.picture.image
    car = next(item.mask for item in session.result.picture.objects if item.name == "car")
    assert sizes[:3] == [picture.width * picture.height, car.sum(), 100]


def test_what_is_measured_is_not_measured_again(desks, fake):
    session, _ = answered(desks)
    list(look(desks, session))
    before = fake.passes
    assert [news["running"] for news in look(desks, session, "rows=both")] == [False]
    assert fake.passes == before
    list(look(desks, session, "rows=question"))
    assert [rows for rows, *_ in fake.hidden] == ["word", "both", "question"]


OWN = "another", "halt"  # the page has asked for something else itself, and waits for that


@pytest.mark.parametrize("ended_by", [*OWN, "question", "setting", "run"])
def test_what_is_newer_ends_it_after_its_pass(desks, fake, ended_by):
    session, _ = answered(desks)
    stream = look(desks, session)
    next(stream)
    if ended_by == "another":
        next(look(desks, session, "on=car", turn=2))
    elif ended_by == "halt":
        assert list(look(desks, session, halt=True)) != []
    elif ended_by == "setting":
        desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    elif ended_by == "run":
        session.begin()
    else:
        run(desks, session, question="Is there a cat?")
    rest = list(stream)
    assert [(news["running"], news["knockout"]) for news in rest] == [(False, None)] * (ended_by not in OWN)
    assert fake.hiding_closed >= 1


def test_while_an_answer_is_coming_nothing_is_hidden(desks, fake):
    session, _ = answered(desks)
    session.begin()
    assert len(list(look(desks, session))) == 1
    assert fake.hidden == []


def test_a_knock_out_waits_while_an_answer_is_wanted():
    turns, order = Turns(), []
    started = threading.Event()

    def later():
        started.set()
        with turns.later():
            order.append("knock-out")

    with turns.answering():
        waiting = threading.Thread(target=later)
        waiting.start()
        assert started.wait(10)
        for _ in range(3):
            with turns.now():
                order.append("answer")
    waiting.join(10)
    assert order == ["answer"] * 3 + ["knock-out"]


def test_an_answer_that_is_wanted_in_between_comes_first():
    """The lock is free for a moment between two passes; an answer that waits for it gets it."""
    turns, order, answer = Turns(), [], None

    def wanted():
        with turns.answering():
            asked.set()
            with turns.now():
                order.append("answer")

    for turn in range(2):
        with turns.later():
            if turn == 0:
                asked = threading.Event()
                answer = threading.Thread(target=wanted)
                answer.start()
                assert asked.wait(10)
            order.append(f"pass {turn}")
    answer.join(10)
    assert order == ["pass 0", "answer", "pass 1"]


def test_an_answer_without_such_a_token_is_left_out(desks):
    session, _ = answered(desks, question="Count slowly.", tokens=3)
    result = session.result
    short = replace(result.runs[1], tokens=result.runs[1].tokens[:1])
    session.result = replace(result, runs=[result.runs[0], short])
    *_, news = look(desks, session, "step=2")
    assert [one["spec"] for one in news["knockout"]["left"]] == ["vanilla"] * 2
    (news,) = look(desks, session, "step=9")
    assert news["error"] == ENDED


def test_the_example_is_worked_out_where_something_else_is_hidden(desks):
    session = Session()
    *_, news = desks.knocking.look(session, event(view="on=car", turn=1), Shown())
    assert (news["of"], news["knockout"]["on"]) == (desks.first.payload["id"], ["car"])


def test_what_goes_wrong_is_one_sentence(desks, monkeypatch):
    session, _ = answered(desks)
    monkeypatch.setattr(desks.asker, "knock", lambda knock: (_ for _ in ()).throw(ClvsError("No room.")))
    (news,) = look(desks, session)
    assert (news["error"], news["knockout"], news["running"]) == ("No room.", None, False)


def test_it_comes_by_itself_where_nobody_waits_for_it(desks):
    _, last = answered(desks)
    assert last["knocks"]["itself"]
    run_ = viewer_fakes.pair()
    slow = Result(None, "", Settings("scenes", ()), [], layers=32, runs=run_, seconds=8.0)
    knocks = cost.knocks(slow)
    assert not knocks["itself"]
    tokens = sum(len(one.tokens) for one in run_)
    assert knocks["seconds"] == pytest.approx(8 / tokens * 2 * (2 + 4 * 32) * 0.8, abs=0.1)
    assert desks.first.payload["knocks"] == {"seconds": 0.0, "itself": True, "named": [], "whole": 0.0}


def test_the_example_and_the_files_carry_it(desks, fake):
    session, _ = answered(desks)
    exports = Exports(desks)
    assert exports.make(session, "numbers.csv", View()).content.count(b"left_word") == 0, "not measured"
    *_, news = look(desks, session)
    rows = list(csv.DictReader(io.StringIO(exports.make(session, "numbers.csv", View()).content.decode())))
    first = [row for row in rows if row["step_from_0"] == "0" and row["method"] == "Vanilla"]
    assert [float(row["left_word"]) for row in first] == left(news["knockout"], "vanilla", "word")["kept"]
    assert [row["instead_both"] for row in first][:2] == ["Yes", "No"]
    assert {row["left_word"] for row in rows if row["step_from_0"] == "1"} == {""}
    assert '"knockout": {"step": 0' in exports.make(session, "page.html", View()).content.decode()
    assert '"knockout": null' in exports.make(session, "page.html", View(on=("car",))).content.decode()
    fake.hidden.clear()
    assert exports.make(session, "knockout.svg", View(on=("car",))).content.startswith(b"<?xml")
    assert [rows for rows, *_ in fake.hidden] == ["word", "both"], "measured now"
    assert desks.first.payload["knockout"]["left"]


BROKEN = {
    "one number for each layer": ("kept", [1.0]),
    "less than nothing": ("only", [-0.5] * LAYERS),
    "a layer that there is not": ("matters", [LAYERS]),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_payload_of_anybody_is_checked(desks, why):
    session, last = answered(desks)
    *_, news = look(desks, session)
    whole = {name: part for name, part in last.items() if name in Payload.__annotations__} | {
        "knockout": news["knockout"]
    }
    assert read(json.dumps(whole).encode())["knockout"]["window"] == 3
    name, value = BROKEN[why]
    whole["knockout"]["left"][0][name] = value
    with pytest.raises(ValueError, match=why):
        read(json.dumps(whole).encode())
