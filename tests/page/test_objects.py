"""Chips and regions: what is followed on the picture, and until when."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PIL import Image

from tests.page.acts import controls, run
from viz.page import objects
from viz.page.session import Session
from viz.viewer.view import View


def test_the_question_picks_the_key_objects(desks):
    last = run(desks, Session(), question="Are there any puppies?")[-1]
    assert {item["name"]: item["on"] for item in last["objects"]} == {"car": False, "dog": True}


def test_the_page_alone_knows_what_is_followed(desks):
    """A payload says what the question names, whatever was followed before: the viewer keeps what was switched."""
    session = Session()
    run(desks, session)
    result, region = session.result, {"box": [0, 0, 50, 50]}
    assert [item.name for item in objects.followed(result, View())] == ["dog"]
    assert [item.name for item in objects.followed(result, View(on=("car", "unicorn")))] == ["car"]
    assert [item.name for item in objects.followed(result, View(on=()))] == []
    assert [item.name for item in objects.followed(result, View(region=region))] == ["region"]
    assert [item.name for item in objects.followed(result, View(on=("dog",), region=region))] == ["dog", "region"]
    moved = desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    assert {item["name"] for item in moved["objects"] if item["on"]} == {"dog"}


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


def test_an_object_goes_by_the_questions_word():
    found = SimpleNamespace(objects=[SimpleNamespace(name=name) for name in ("sports ball", "couch", "dog")])
    question = "Is the Ball near the sofa, the ball or the dogs?"
    words = objects.called(SimpleNamespace(question=question, seen=found))
    assert words == {"sports ball": "ball", "couch": "sofa", "dog": "dogs"}
