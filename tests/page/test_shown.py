"""Which answer a request is about: the one that the page shows, whatever became of the visitor's session meanwhile."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from tests.page.acts import attention, controls, event, run
from viz.exports import KINDS
from viz.page import links, objects
from viz.page.downloads import Exports
from viz.page.session import Session, Shown
from viz.viewer.view import View

QUESTION = "Is there a dog in the image?"


def shown(payload):
    """What the browser says of a payload, as static/shown.js does."""
    return Shown(payload.get("run", ""), payload["question"])


def street(desks):
    return str(desks.library.named("street").path)


def kept(payload):
    """Whether the page keeps what it shows, but for some words."""
    return not {"blob", "arrays", "question", "image", "methods", "id"} & set(payload.get("stays", ["blob"]))


def test_every_answer_has_a_run_of_its_own_and_settings_keep_it(desks):
    session = Session()
    first = run(desks, session)[-1]
    moved = desks.answering.adjust(session, *controls(clvs="alpha=0.5"), run=first["run"])
    second = run(desks, session)[-1]
    assert first["run"] == moved["run"] != second["run"]
    assert "run" not in desks.first.payload, "the example is nobody's"
    assert all(payload["run"] for payload in (first, second))


def test_a_moved_setting_of_an_answer_that_is_gone_asks_it_again(desks):
    before = run(desks, Session(), scene="table", question="Is it red?")[-1]
    session = Session()  # another one: evicted, or the server was started anew
    moved = controls(clvs="alpha=0.5")
    payload, ticket = desks.answering.move(session, shown(before), " Is it  red? ", *moved)
    assert (payload["status"], payload["progress"]) == ("running", "The answer is no longer kept here: asking again…")
    assert kept(payload)
    table = str(desks.library.named("table").path)
    *_, last = desks.answering.run(session, ticket, table, "Is it red?", *moved)
    right = run(desks, Session(), scene="table", question="Is it red?", clvs="alpha=0.5")[-1]
    for key in ("vanilla", "clvs"):
        np.testing.assert_array_equal(attention(last, key), attention(right, key))
    assert [method["spec"] for method in last["methods"]] == ["vanilla", "clvs:alpha=0.5"]
    again, ticket = desks.answering.move(session, shown(last), "Is it red?", *controls(clvs="alpha=0.6"))
    assert (again["status"], again["run"]) == ("done", last["run"])
    assert "value" not in ticket


def test_a_moved_setting_of_an_answer_that_is_gone_asks_its_question_and_not_what_was_typed_since(desks):
    before, session, moved = run(desks, Session())[-1], Session(), controls(clvs="alpha=0.5")
    payload, ticket = desks.answering.move(session, shown(before), "And a car?", *moved)
    assert payload["status"] == "running"
    street = str(desks.library.named("street").path)
    assert (
        list(desks.answering.run(session, ticket, street, "And a car?", *moved))[-1]["question"] == before["question"]
    )
    again = session.begin()
    assert list(desks.answering.run(session, again, street, "And a car?", *moved))[-1]["question"] == "And a car?"


def test_a_moved_setting_asks_nothing_where_no_question_stands_by_a_new_picture(desks):
    before = run(desks, Session())[-1]
    payload, ticket = desks.answering.move(Session(), shown(before), " ", *controls(clvs="alpha=0.5"))
    assert payload["error"] == "This answer is no longer kept here; press Run to ask again."
    assert kept(payload)
    assert "value" not in ticket


def test_the_example_is_anybodys(desks):
    """Also of a session that has an answer of its own, which the page has not shown."""
    for session in (Session(), Session()):
        payload, _ = desks.answering.move(session, Shown(), "anything", *controls(clvs="alpha=0.5"))
        assert payload["question"] == desks.first.question
        assert [method["spec"] for method in payload["methods"]] == ["vanilla", "clvs:alpha=0.5"]
        run(desks, session, scene="table", question="Is it red?")
        payload, _ = desks.answering.move(session, Shown(), "anything", *controls(clvs="alpha=0.5"))
        assert payload["question"] == desks.first.question


def test_an_example_with_other_settings_is_the_visitors_own(desks):
    session = Session()
    moved, _ = desks.answering.move(session, Shown(), "", *controls(clvs="alpha=0.5"))
    assert moved["run"]
    assert b"alpha=0.5" in Exports(desks).make(session, "numbers.csv", View(), shown(moved)).content
    for other in (Session(), dropped(session)):
        told = Exports(desks).handle(other, event(kind="numbers.csv"), shown(moved))
        assert "no longer kept" in told["error"], "not the example's as it came"
    _, ticket = desks.answering.move(Session(), shown(moved), desks.first.question, *controls(clvs="alpha=0.4"))
    assert ticket


def dropped(session):
    """The session after its result made room for others'."""
    session.result = session.picture = None
    return session


@pytest.mark.parametrize("kind", [*KINDS, "clvs.npz"])
def test_a_download_is_of_the_answer_on_the_page_or_says_why_not(desks, kind):
    own = Session()
    before = run(desks, own, scene="table", question="Is it red?")[-1]
    exports, other = Exports(desks), Session()
    run(desks, other, question="Is there a car?")
    for session in (Session(), other):
        told = exports.handle(session, event(kind=kind), shown(before))
        assert told == {"error": "This answer is no longer kept here; press Run to ask again."}
    assert exports.handle(own, event(kind=kind), shown(before))["url"]
    assert exports.handle(Session(), event(kind=kind), Shown())["url"], "the example can be worked out"
    told = exports.make(other, "numbers.csv", View(), Shown()).content
    assert told == exports.make(Session(), "numbers.csv", View(), Shown()).content, (
        "the example's, not of the own answer"
    )


def test_a_download_follows_what_the_page_follows(desks):
    session = Session()
    before = run(desks, session, question="Is there a dog?")[-1]
    told = event(kind="numbers.csv", view="on=car&region=10,10,60,60")
    url = Exports(desks).handle(session, told, shown(before))["url"]
    with open(url.removeprefix("gradio_api/file="), newline="") as file:
        header, *_ = csv.reader(io.StringIO(file.read()))
    assert header[6:10] == ["picture", "car", "dog", "region"]
    followed = [
        [item.name for item in objects.followed(session.result, links.view(text))]
        for text in ("on=car&region=10,10,60,60", "region=10,10,60,60", "on=", "on=car&on=dog", "", None, "&" * 999)
    ]
    assert followed == [["car", "region"], ["region"], [], ["car", "dog"], ["dog"], ["dog"], ["dog"]]


@pytest.mark.parametrize("act", ["begin", "refused", "stop", "failed run"])
def test_a_new_session_does_not_put_the_example_in_place_of_what_the_page_shows(desks, act):
    session = Session()
    if act == "failed run":
        payloads = list(desks.answering.run(session, session.begin(), "/nowhere.png", QUESTION, *controls()))
        assert "no longer" in payloads[-1]["error"]
    else:
        told = getattr(desks.answering, act)(session)
        payloads = [told[0] if act == "begin" else told]
    assert all(kept(payload) for payload in payloads)
    *_, last = desks.answering.run(session, session.begin(), street(desks), QUESTION, *controls())
    assert "stays" not in last


@pytest.mark.parametrize("data", [None, [], "x", {"run": 5, "question": None}, {"recording": {}}, {"run": ["x"]}])
def test_what_a_browser_may_say_of_its_page(data):
    assert Shown.of(data) == Shown()
    assert len(Shown.of({"run": "x" * 10**6}).run) <= 1000
    assert Shown.of({"run": "a", "question": "q", "recording": "r", "item": "i"}) == Shown("a", "q", "r", "i")
