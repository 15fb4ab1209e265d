"""What the header says of a model: computed from its card and from what was measured of it."""

from __future__ import annotations

import json

import pytest

from clvs_core.bundled import ASSETS
from clvs_core.models.registry import CARDS
from viz.page import about
from viz.page.library import Library


def measured(folder, **changes):
    """A model's folder with such a report; its effect."""
    found = {"vanilla": 0.8, "clvs": 0.9, "interval": [0.05, 0.15], "of": 1200, **changes}
    (folder / "report.json").write_text(json.dumps({"clvs": {"types": {"all": found}}}))
    return about.effect(str(folder))


def test_the_shipped_model_says_what_its_report_found():
    report = json.loads((ASSETS / "scenes_model" / "report.json").read_text())
    facts = about.facts(CARDS["scenes"], "scenes", Library().kinds)
    assert facts["weights"] == f"{report['about']['parameters'] / 1e6:.0f} million weights"
    assert len(facts["objects"]) == 49
    assert "laptop" in facts["objects"]
    found = report["clvs"]["types"]["all"]
    assert found["interval"][1] < 0, "or it helps, and the README and this test say another thing"
    assert facts["effect"] == [
        "CLVS does not help this model",
        "Of 28,000 fresh questions it answers 97.1 % right as it is and 96.4 % with CLVS; the difference lies between "
        "−0.8 and −0.5 percentage points, with 95 % certainty.",
    ]


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        ([0.05, 0.15], "CLVS helps this model"),
        ([-0.02, 0.01], "CLVS changes this model's answers no more than chance would"),
        ([-0.02, 0.0], "CLVS changes this model's answers no more than chance would"),
        ([-0.02, -0.01], "CLVS does not help this model"),
    ],
)
def test_a_difference_within_chance_is_none(tmp_path, interval, sentence):
    assert measured(tmp_path, interval=interval).sentence == sentence


@pytest.mark.parametrize("changes", [{"interval": [0.1]}, {"interval": None}, {"of": "many"}, {"vanilla": None}])
def test_a_folder_with_another_report_says_nothing(tmp_path, changes):
    assert measured(tmp_path, **changes) is None


def test_models_of_the_hub_say_what_their_card_has():
    facts = about.facts(CARDS["llava-1.5-7b"], "llava-1.5-7b", ["dog"])
    assert facts == {"weights": "7.1 billion weights", "objects": [], "effect": []}
