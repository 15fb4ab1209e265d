"""Chips and regions: what is followed on the picture, and until when."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PIL import Image

from tests.page.acts import controls, event, run
from viz.page import objects
from viz.page.session import Session


def test_the_question_picks_the_key_objects(desks):
    last = run(desks, Session(), question="Are there any puppies?")[-1]
    assert {item["name"]: item["on"] for item in last["objects"]} == {"car": False, "dog": True}


def test_a_switched_object_stays_for_a_setting_and_not_for_a_new_question(desks):
    session = Session()
    run(desks, session)
    objects.switch(session, event(on=["car"]))
    moved = desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    assert {item["name"] for item in moved["objects"] if item["on"]} == {"car"}
    assert {item["name"] for item in run(desks, session)[-1]["objects"] if item["on"]} == {"dog"}


@pytest.mark.parametrize(("question", "absent"), [
    ("Is there a car?", []),
    ("Are there any apples above the dog?", ["apple"]),
    ("Is there a zebra?", []),  # of which the annotation says nothing
])  # fmt: skip
def test_what_the_picture_does_not_have_is_known_of_annotated_pictures(desks, question, absent):
    assert run(desks, Session(), question=question)[-1]["absent"] == absent


def test_nothing_is_said_to_be_absent_from_a_picture_that_nobody_annotated(desks, tmp_path):
    own = tmp_path / "own.png"
    Image.new("RGB", (32, 32)).save(own)
    payload = run(
        desks, Session(), path=str(desks.pictures.files.put(own.read_bytes(), "own.png")), question="An apple?"
    )
    assert payload[-1]["absent"] == []


def test_a_region_stays_while_the_picture_does(desks):
    session = Session()
    run(desks, session)
    objects.set_region(session, event(box=[0, 0, 50, 50]))
    last = run(desks, session, question="Is there a car?")[-1]
    assert session.region == {"box": [0, 0, 50, 50]}
    objects.switch(session, event(on=[]))  # the viewer follows a region alone
    moved = desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    for payload in (last, moved):
        assert {o["name"] for o in payload["objects"] if o["on"]} == {"car"}, "followed again without the region"
    assert [item.name for item in objects.followed(session, session.result)] == ["region"]
    run(desks, session, scene="table", question="Is it red?")
    assert session.region == {}


@pytest.mark.parametrize("data", [
    {"box": [1, 2, 3]}, {"box": "1234"}, {"box": [1, 2, float("nan"), 4]}, {"box": [1e9] * 4}, {"box": [True] * 4},
    {"polygon": [[0, 0]] * 2}, {"polygon": [[0, 0, 0]] * 3}, {"polygon": [[0, 0]] * 5000}, {}, {"box": None},
])  # fmt: skip
def test_a_broken_region_is_no_region(desks, data):
    session = Session(region={"box": [0, 0, 1, 1]})
    objects.set_region(session, event(**data))
    assert session.region == {}


def test_an_object_goes_by_the_questions_word():
    found = SimpleNamespace(objects=[SimpleNamespace(name=name) for name in ("sports ball", "couch", "dog")])
    question = "Is the Ball near the sofa, the ball or the dogs?"
    words = objects.called(SimpleNamespace(question=question, seen=found))
    assert words == {"sports ball": "ball", "couch": "sofa", "dog": "dogs"}
