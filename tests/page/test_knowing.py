"""What a model knows to be asked, and the words that it does not know."""

from __future__ import annotations

import json

from tests.page.acts import event
from tests.page.fake import FakeModel
from viz.page.knowing import MOST, Knowing, nearest, vocabulary
from viz.page.models import Models


def test_unknown_words_are_told_with_the_nearest_known_one(desks):
    desks.models.get("scenes")
    text = "Is there a unicorn?"
    told = desks.knowing.check(event(text=text, model="scenes"))
    assert told == {"text": text, "unknown": [["unicorn", ""]]}
    assert desks.knowing.check(event(text="Is there a dog?", model="scenes"))["unknown"] == []


def test_near_words_are_those_that_were_probably_meant():
    words = vocabulary(Models(["scenes"]).cards["scenes"].source)["words"]
    assert nearest("girafe", words) == nearest("Girrafe", words) == "giraffe"
    assert nearest("labtop", words) == "laptop"
    assert nearest("near", words) == nearest("unicorn", words) == nearest("🦄", words) == ""


def test_no_model_is_loaded_for_it():
    models = Models(["scenes"], load=lambda name, **settings: FakeModel())
    assert Knowing(models).check(event(text="A unicorn?", model="scenes"))["unknown"] == []
    assert not models.ready("scenes")
    models.get("scenes")
    many = " ".join(["unicorn"] * 50)
    assert len(Knowing(models).check(event(text=many, model="scenes"))["unknown"]) == MOST


def test_what_is_asked_may_be_anything(desks):
    for data in ({}, {"text": 5, "model": []}, {"text": "a unicorn", "model": "nowhere"}):
        assert desks.knowing.check(event(**data))["unknown"] == []


def test_only_models_that_say_what_they_know_have_a_vocabulary(tmp_path):
    found = Knowing(Models(["scenes", "llava-1.5-7b"])).vocabularies()
    assert list(found) == ["scenes"]
    assert len(found["scenes"]["objects"]) == 49
    (tmp_path / "vocabulary.json").write_text("{")
    assert vocabulary(str(tmp_path)) == {}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "vocabulary.json").write_text(json.dumps({"objects": {}}))
    assert vocabulary(str(tmp_path / "other")) == {"objects": {}}
