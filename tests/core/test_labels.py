"""What runs and settings are called."""

import pytest

import clvs_core as clvs
from clvs_core.labels import labels, name_of, settings_in_words, settings_line, title
from clvs_core.methods import METHODS, spec


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vanilla", []),
        ("clvs:alpha=0.7,beta=0.8,first_check=7", ["α 0.7", "β 0.8", "first check at layer 8"]),
        ("clvs:alpha=1.0,top_k=5", ["α 1", "top k 5"]),
        ("clvs:unified_positions=false,early_termination=false", ["no unified positions", "no early termination"]),
        ("clvs:unified_positions=true,lens_norm=true,lens_norm=false", ["norm before the lens"]),
        ("adhh:threshold=0.4,heads=16-29/26-9", ["threshold 0.4", "2 heads"]),
        ("adhh:heads=16-29", ["1 head"]),
        ("vaf:enhance=1.2,layers=9-14", ["enhance 1.2", "layers 10 to 15"]),
        ("tarac:layers=4-4", ["layer 5"]),
        ("pai:start_layer=2,gamma=1.5", ["from layer 3", "γ 1.5"]),
        ("var:tau=10,rho=0.4,dims=1415/2533", ["τ 10", "ρ 0.4", "sink dimensions 1415 and 2533"]),
        ("var:dims=7,paper_convention=true,p=0.5", ["sink dimension 7", "the paper's convention", "p 0.5"]),
        ("var:dims=1/2/3", ["sink dimensions 1, 2 and 3"]),
        ("var:dims=1/2/3/4", ["4 sink dimensions"]),
        ("vcd:noise_step=999,seed=3", ["noise step 999", "seed 3"]),
        ("pai:alpha=0.2+clvs:alpha=0.7,beta=0.8", ["PAI α 0.2", "CLVS α 0.7", "β 0.8"]),
        ("adhh:heads=1-2/3-4+clvs", ["AD-HH 2 heads"]),
        ("mine:depth=3,loud=true,shy=false", ["depth 3", "loud", "no shy"]),
        ("odd:heads=all,layers=x-y,dims=", ["heads all", "layers x-y", "dims "]),
    ],
)
def test_settings_are_said_for_people(text, words):
    assert settings_in_words(text) == words


@pytest.mark.parametrize(
    ("asked", "resolved", "line"),
    [
        ("vanilla", "vanilla", ""),
        ("clvs", "clvs:beta=0.9,first_check=7", "card's settings for this model (β 0.9, first check at layer 8)"),
        ("clvs:preset=paper", "clvs:preset=paper,beta=0.8", "paper's settings (β 0.8)"),
        ("clvs:alpha=0.4", "clvs:alpha=0.4,beta=0.9", "own: α 0.4 (α 0.4, β 0.9)"),
        ("clvs:preset=paper,alpha=0.3", "clvs:preset=paper,alpha=0.3", "own: α 0.3, else the paper's settings"),
        ("pai+clvs:alpha=0.4", "pai+clvs:alpha=0.4,beta=0.9", "CLVS: own: α 0.4 (CLVS α 0.4, β 0.9)"),
    ],
)
def test_settings_say_whose_they_are(asked, resolved, line):
    assert settings_line(asked, resolved) == line


def test_every_setting_of_every_method_can_be_said():
    for cls in METHODS.values():
        for part in spec(cls()).split("+"):
            assert all(settings_in_words(part))


def test_names_come_from_the_spec():
    combined = spec(clvs.Combine(clvs.CLVS(alpha=0.7), clvs.PAI()))
    assert (name_of(combined), title(combined)) == ("pai+clvs", "PAI + CLVS")
    assert title("adhh:threshold=1e+2") == "AD-HH"  # that plus joins nothing
    assert [title(name) for name in METHODS] == [cls.label for cls in METHODS.values()]


def test_a_name_is_enough_until_it_repeats():
    specs = ["vanilla", "pai:alpha=0.3+clvs:alpha=0.7", "clvs:alpha=0.5", "clvs:alpha=0.9,early_termination=false"]
    assert labels(specs, list(map(title, specs))) == [
        "Vanilla",
        "PAI + CLVS",
        "CLVS (α 0.5)",
        "CLVS (α 0.9, no early termination)",
    ]


def test_combined_methods_say_whose_setting_differs():
    specs = ["pai+clvs:alpha=0.7", "pai:alpha=0.3+clvs:alpha=0.7"]
    assert labels(specs, ["PAI + CLVS"] * 2) == ["PAI + CLVS", "PAI + CLVS (PAI α 0.3)"]


def test_no_two_runs_are_called_the_same():
    specs = ["adhh:heads=1-2/3-4", "adhh:heads=1-2/3-5", "clvs", "clvs"]
    assert labels(specs, ["AD-HH", "AD-HH", "CLVS", "CLVS"]) == [
        "AD-HH (2 heads) 1",
        "AD-HH (2 heads) 2",
        "CLVS 1",
        "CLVS 2",
    ]
