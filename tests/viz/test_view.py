"""The one object that says how an answer is shown: each choice is spelled, read back and checked by its own kind."""

from __future__ import annotations

import json
import random
import string
from urllib.parse import parse_qsl, urlencode

import pytest

from viz.viewer.view import ABOUT, KINDS, USUAL, Names, View, table

REGION = {"polygon": [[1.0, 2.0], [30.5, 4.0], [5.0, 60.2]]}
OTHER = {
    "layer": 6, "step": 2, "scale": "uniform", "power": 0.6, "cmap": "cividis", "smooth": True, "contours": False,
    "sinks": 3, "head": 0, "memory": True, "diff": False, "rings": False, "grid": "base", "focus": "pai+clvs",
    "on": ("sports ball", "dog"), "region": REGION,
}  # fmt: skip


def test_every_choice_goes_through_a_link_and_through_json():
    for name in KINDS.keys() & OTHER.keys():
        view = View(**{name: OTHER[name]})
        text = urlencode(view.spelled())
        assert View.read(parse_qsl(text, keep_blank_values=True)) == (view, []), text
        assert View.of(json.loads(json.dumps(view.chosen()))) == view
    whole = View(**OTHER)
    assert View.read(whole.spelled()) == (whole, [])
    assert View().spelled() == []
    assert View().chosen() == {}


def test_layers_and_heads_of_a_link_count_from_one():
    assert View(layer=6, head=0).spelled() == [("layer", "7"), ("head", "1")]


def test_nothing_followed_is_not_the_same_as_what_the_question_names():
    assert View(on=()).spelled() == [("on", "")]
    assert View.read([("on", "")]) == (View(on=()), [])
    assert View.read([("on", "dog"), ("on", "cat")]) == (View(on=("dog", "cat")), [])


def test_four_numbers_are_a_box_and_more_are_corners():
    assert View.read([("region", "10,20,30.5,40")])[0].region == {"box": [10, 20, 30.5, 40]}
    assert View.read([("region", "1,2,3,4,5,6")])[0].region == {"polygon": [[1, 2], [3, 4], [5, 6]]}
    assert View(region={"box": [10.0, 20, 30.5, 40]}).spelled() == [("region", "10,20,30.5,40")]


@pytest.mark.parametrize(("name", "text"), [
    ("layer", "0"), ("layer", "1001"), ("layer", "x"), ("layer", "١"), ("layer", "-1"), ("layer", ["1"]), ("layer", 5),
    ("step", "1e1"), ("scale", "evil"), ("scale", ""), ("cmap", "jet"), ("power", "0"), ("power", "2"),
    ("power", "nan"),
    ("smooth", "yes"), ("sinks", "9"), ("head", "0"), ("focus", "<b>"), ("on", "x" * 201), ("on", "\u202e"),
    ("region", "1,2,3"), ("region", "1,2"), ("region", "nan,1,2,3"), ("region", "1e9,1,2,3"), ("region", ""),
    ("region", ",".join("1" * 5000)), ("grid", "none"),
])  # fmt: skip
def test_what_cannot_be_read_is_left_out_and_told(name, text):
    assert View.read([(name, text), ("diff", "0"), ("utm_source", "x")]) == (View(diff=False), [f"{name}={text}"[:40]])


@pytest.mark.parametrize(("name", "value"), [
    ("layer", "x"), ("layer", True), ("layer", 1.5), ("scale", "minmax"), ("power", None), ("power", float("nan")),
    ("on", 1), ("on", ["a", 2]), ("on", "dog"), ("region", {"box": [True] * 4}), ("region", {"box": "1234"}),
    ("region", {"polygon": [[0, 0]] * 2}), ("region", {"polygon": [[0, 0, 0]] * 3}), ("region", {}), ("smooth", 1),
])  # fmt: skip
def test_a_value_of_another_kind_is_left_out(name, value):
    assert View.of({name: value, "step": 2, "unknown": 1}) == View(step=2)


def test_nothing_raises():
    dice = random.Random(0)
    letters = string.printable + "äß中\u202e\x00,,,....0123456789"
    for _ in range(3000):
        pairs = [(name, "".join(dice.choices(letters, k=dice.randrange(12)))) for name in KINDS if dice.random() < 0.7]
        view, unread = View.read(pairs)
        assert View.read(view.spelled()) == (view, [])
        assert len(unread) <= len(pairs)
    for nothing in (None, 1, "x", [("layer", "1")]):
        assert View.of(nothing) == View()


def test_every_choice_says_what_it_is():
    assert all(ABOUT.values())
    assert all(kind.told for kind in KINDS.values())
    assert all(kind.fits(USUAL[name]) for name, kind in KINDS.items() if USUAL[name] is not None)
    told = json.loads(json.dumps(table()))
    assert told["layer"] == {"usual": None, "kind": "whole", "low": 0, "high": 999, "first": 1}
    assert [name for name, kind in KINDS.items() if isinstance(kind, Names)] == ["on"]
