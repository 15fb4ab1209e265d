"""What is left out comes from the model's card wherever a method is named; the paper's own settings are a preset."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.bundled import ASSETS
from clvs_core.cli import main as cli
from clvs_core.methods import Combine, Target, method, spec
from clvs_core.methods.base import FAR
from clvs_core.models.registry import CARDS

SCENES = CARDS["scenes"].settings["clvs"]
FARMYARD = str(ASSETS / "scenes" / "farmyard.jpg")
SHEEP = "How many sheep are there?"  # the card's CLVS and the paper's count differently


@pytest.fixture(scope="module")
def image():
    return clvs.load_model("scenes").open_image(FARMYARD)


def used(run):
    return method(run.trace.meta["method"])


def test_the_scenes_card_and_the_paper_answer_differently(image):
    card, paper, written = image.ask(
        SHEEP, [clvs.CLVS(), clvs.CLVS(preset="paper"), clvs.CLVS(alpha=0.8, beta=0.8, gamma=0.5, first_check=7)], 4
    )
    assert (card.text, paper.text) == ("three", "two")
    np.testing.assert_array_equal(paper.trace.attention, written.trace.attention)
    assert (used(card).beta, used(card).gamma) == (SCENES["beta"], SCENES["gamma"]) == (0.9, 0.25)
    assert (used(paper).beta, used(paper).gamma) == (0.8, 0.5)


@pytest.mark.parametrize(
    "named",
    [
        clvs.CLVS(),
        method("clvs"),
        clvs.CLVS(alpha=0.8),
        method("clvs:alpha=0.8"),
        pickle.loads(pickle.dumps(clvs.CLVS())),
    ],
    ids=["object", "string", "object with a setting", "string with a setting", "pickled"],
)
def test_however_clvs_is_named(image, named):
    (run,) = image.ask(SHEEP, [named], 4)
    assert run.text == "three"
    assert (used(run).gamma, used(run).beta, used(run).first_check) == (0.25, 0.9, 7)


def test_in_a_combination_and_for_every_method(image):
    together, alone, var = image.ask(SHEEP, [Combine(clvs.PAI(), clvs.CLVS()), clvs.CLVS(gamma=0.5), clvs.VAR()], 1)
    assert used(together).methods[1].gamma == 0.25
    assert (used(alone).gamma, used(alone).beta) == (0.5, 0.9), "written, if to the usual value"
    assert used(var).tau == 3
    (paper,) = image.ask(SHEEP, [clvs.VAR(preset="paper")], 1)
    assert (used(paper).tau, used(paper).dims) == (20, (119, 187)), "where sinks are is a fact about the model"


def test_on_the_command_line(capsys):
    specs = ("clvs", "clvs:alpha=0.8", "pai+clvs", "clvs:preset=paper")
    asked = [part for one in specs for part in ("--method", one)]
    assert cli.main(["ask", "--image", FARMYARD, "--question", SHEEP, "--json", "--max-new-tokens", "4", *asked]) == 0
    told = json.loads(capsys.readouterr().out)["methods"]
    assert [one["method"] for one in told] == ["clvs", "clvs:alpha=0.8", "pai+clvs", "clvs:preset=paper"]
    gammas = [method(one["settings"]).parts[-1].gamma for one in told]
    assert gammas == [0.25, 0.25, 0.25, 0.5]
    assert (told[0]["text"], told[3]["text"]) == ("three", "two")


@pytest.mark.parametrize(
    "text", ["clvs", "clvs:gamma=0.5", "clvs:preset=paper,alpha=0.7", "var:preset=paper", "vcd:seed=0"]
)
def test_a_spec_keeps_what_was_written(text):
    assert spec(method(text)) == text


def test_defaults_are_the_papers_numbers_and_say_so():
    usual = clvs.CLVS()
    assert (usual.alpha, usual.beta, usual.gamma, usual.top_k, usual.early_termination) == (0.8, None, 0.5, 10, True)
    assert repr(usual) == (
        "CLVS(preset='card', alpha=0.8, beta=None, gamma=0.5, top_k=10, first_check=None, unified_positions=True, "
        "early_termination=True, lens_norm=False)"
    )
    switched = usual.resolve(Target("a model", 12, settings={"clvs": {"lens_norm": True, "early_termination": False}}))
    assert (switched.lens_norm, switched.early_termination) == (True, False)


@pytest.mark.parametrize("name", CARDS)
def test_the_papers_settings_of_every_card(name):
    card = CARDS[name]
    found = clvs.CLVS(preset="paper").filled(Target.of(card))
    assert (found.beta, found.gamma) == (0.8 if card.family == "llava" else 0.7, 0.5)
    assert found.resolve(Target.of(card, 32)).first_check == 17
    assert Target.of(card).layers == FAR


@pytest.mark.parametrize(("text", "told"), [
    ("clvs:preset=mine", "preset must be card or paper, not 'mine'"),
    ("vanilla:preset=paper", "it has no settings"),
])  # fmt: skip
def test_presets_that_there_are_not(text, told):
    with pytest.raises(ValueError, match=told):
        method(text)


def test_a_preset_that_there_is_not_of_an_object(image):
    with pytest.raises(ValueError, match="preset must be card or paper, not 'mine'"):
        image.ask(SHEEP, [clvs.CLVS(preset="mine")], 1)


@pytest.mark.parametrize("preset", ["Paper", "", None, [], 1])
def test_a_preset_that_there_is_not_is_told_at_once(preset):
    with pytest.raises(ValueError, match="preset must be card or paper, not "):
        clvs.CLVS(preset=preset)


def test_a_preset_that_replaces_nothing_leaves_the_spec_readable():
    assert spec(clvs.Vanilla(preset="paper")) == "vanilla"
    assert method(spec(clvs.Vanilla(preset="paper"))) == clvs.Vanilla()
