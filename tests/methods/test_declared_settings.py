"""A setting and its range stand in its field: refusals, controls and docs' table follow from there."""

import dataclasses
import math

import pytest

from clvs_core.methods import CLVS, METHODS, VAR, Method
from clvs_core.methods.base import setting
from clvs_core.methods.settings import schema
from tests.methods import settings_table

FIELDS = [(cls, f) for cls in METHODS.values() for f in dataclasses.fields(cls) if f.name != "preset"]
LIMITED = [(cls, f) for cls, f in FIELDS if isinstance(f.metadata.get("allowed"), tuple)]


def test_the_table_in_the_docs_is_current():
    text = settings_table.FILE.read_text(encoding="utf-8")
    assert settings_table.table() in text
    assert settings_table.updated(text) == text


@pytest.mark.parametrize(("cls", "field"), FIELDS, ids=lambda value: getattr(value, "name", None))
def test_every_setting_declares_its_words_and_every_number_its_range(cls, field):
    assert field.metadata["label"]
    assert field.metadata["about"].endswith(".")
    if field.name not in ("dims", "heads", "layers"):
        assert "allowed" in field.metadata


@pytest.mark.parametrize(("cls", "field"), LIMITED, ids=lambda value: getattr(value, "name", None))
def test_what_is_beyond_the_declared_range_is_refused_with_it(cls, field):
    low, high = field.metadata["allowed"]
    for end, beyond in ((low, low - 1), (high, 2 * high)):
        if math.isfinite(end):
            cls(**{field.name: end})
            with pytest.raises(ValueError, match=rf"^{field.name} must be .*{low}.*, not {beyond}\.$"):
                cls(**{field.name: beyond})


@pytest.mark.parametrize(("cls", "field"), LIMITED, ids=lambda value: getattr(value, "name", None))
def test_a_control_stays_within_the_declared_range(cls, field):
    low, high = field.metadata["allowed"]
    entry = next(entry for entry in schema(cls, None, 8)["fields"] if entry["name"] == field.name)
    assert low <= entry["low"] < entry["high"] <= high


def test_switches_take_nothing_else():
    with pytest.raises(ValueError, match=r"^early_termination must be true or false, not 1\.$"):
        CLVS(early_termination=1)
    with pytest.raises(ValueError, match=r"^paper_convention must be true or false, not None\.$"):
        VAR(paper_convention=None)


def test_a_method_of_ones_own_gets_the_same_from_one_line():
    @dataclasses.dataclass(frozen=True)
    class Own(Method):
        name, label = "own", "Own"
        strength: float = setting(0.5, "Strength", "How much.", allowed=(0, 4))

    (entry,) = schema(Own, None, 8)["fields"]
    assert (entry["label"], entry["low"], entry["high"], entry["value"]) == ("Strength", 0, 4, 0.5)
    with pytest.raises(ValueError, match=r"^strength must be a number between 0 and 4, not 5\.$"):
        Own(strength=5)
