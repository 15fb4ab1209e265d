"""The model's card says what was measured, of the weights that are shipped."""

import hashlib
import json
import re

import pytest

from assets.recipes.card import REPORT, card
from assets.recipes.model import FOLDER
from clvs_core.models.registry import CARDS


@pytest.fixture(scope="module")
def found():
    return json.loads(REPORT.read_text())


def test_shipped_weights_are_the_ones_measured(found):
    weights = hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
    assert found["about"]["sha256"] == {"model.safetensors": weights}
    assert found["about"]["questions of each type"] >= 2000
    assert found["about"]["megabytes"] < 40
    assert found["about"]["first token, milliseconds on one core"] < 150


def test_card_is_written_from_the_report(found):
    text = (FOLDER / "README.md").read_text()
    assert text == card(found)
    assert not re.search(r"\bnan\b|None|\{", text.partition("## Measured")[2])


def test_engine_answers_as_generate_did(found):
    equal, of = found["accuracy"]["engine and generate agree"]
    assert equal == of


def test_settings_of_the_model_card_are_the_ones_chosen_and_measured(found):
    settings = dict(CARDS["scenes"].settings["clvs"])
    assert settings == {k: found["settings"]["card"][k] for k in settings}
    assert settings == {k: found["clvs"]["settings"][k] for k in settings}


def test_every_type_was_asked_often_enough_and_balanced(found):
    for name, row in found["accuracy"]["types"].items():
        assert row["of"] >= 2000, name
        low, high = row["interval"]
        assert low < row["share"] < high or row["share"] in (0, 1), name
