"""What the controls offering, and what another model changes."""

from __future__ import annotations

import json

from clvs_core.methods import METHODS
from clvs_core.models.registry import CARDS
from tests.page.acts import controls, first_check, offering, run
from viz.page.session import Session, Settings
from viz.page.widgets import MethodPicker


def test_usual_settings_are_left_to_the_card():
    assert Settings.of(CARDS["scenes"]).methods == ("vanilla", "clvs")


def test_the_picker_says_what_each_method_is(desks):
    shown = desks.choosing.picker("scenes", ["vanilla", "clvs:alpha=0.7", "pai+clvs"])
    found = {method["name"]: method for method in shown["methods"]}
    assert [*found] == [*METHODS]
    assert shown["limit"] == 4
    assert shown["entries"] == [
        [{"name": "vanilla", "set": {}}],
        [{"name": "clvs", "set": {"alpha": 0.7}}],
        [{"name": "pai", "set": {}}, {"name": "clvs", "set": {}}],
    ]
    assert {name for name, method in found.items() if method["reason"]} == {"var", "adhh"}
    assert "none is known for Scenes 8M" in found["adhh"]["reason"]
    (first_check,) = (field for field in found["clvs"]["fields"] if field["name"] == "first_check")
    assert (first_check["high"], first_check["value"]) == (7, 5), "of 8 layers"
    assert shown["specs"] == MethodPicker(shown).preprocess(shown) == ["vanilla", "clvs:alpha=0.7", "pai+clvs"]
    json.dumps(shown, allow_nan=False)


def test_another_model_brings_its_own_settings(desks, fake):
    session = Session()
    run(desks, session)
    kept = session.result
    desks = offering(desks, "llava-1.5-7b", fake)
    first, second = desks.choosing.switch_model(session, "llava-1.5-7b")
    assert "Loading LLaVA-1.5 7B" in first[0]["progress"]
    assert second[1]["specs"] == ["vanilla", "clvs"]
    assert first_check(second[1]) == (fake.layers - 1, 5)
    (payload, *_), *_ = desks.choosing.switch_model(session, "evil/model")
    assert "not offered" in payload["error"]
    assert session.result is kept
    moved = desks.answering.adjust(session, *controls(model="llava-1.5-7b", clvs="alpha=0.5"))
    assert moved["question"] == kept.question, "not the recorded example's"
    assert moved["id"] != kept.id
    assert (moved["model"]["label"], session.result.settings.model) == ("LLaVA-1.5 7B", "llava-1.5-7b")
    assert fake.asked == [["vanilla", "clvs:alpha=0.5"]], "the other model's answer is not reused"
