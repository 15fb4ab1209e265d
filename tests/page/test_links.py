"""Permalinks: what is written is read back, and nothing a stranger writes can raise or reach the page unchecked."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from clvs_core.methods import METHODS
from viz.page import limits, links
from viz.viewer.view import KINDS, View


def read(text):
    return links.parse(parse_qsl(text, keep_blank_values=True))


@pytest.mark.parametrize("link", [
    links.Link("street"),
    links.Link("street", "Is there a dog & a cat? 100% + ü=1"),
    links.Link("a-b_c.d", "Why?", ("vanilla", "clvs:alpha=0.7,early_termination=false"), "llava-hf/llava-1.5-7b-hf",
               64, View(layer=0, step=3, scale="layer", cmap="viridis"), "vicuna+one-word"),
    links.Link("street", "Why?", ("vanilla",)),
    links.Link("street", "Why?", ("clvs:alpha=0.7",)),
    links.Link("street", "Why?", ("clvs", "vanilla")),
    links.Link("street", "Why?", ("pai+clvs:alpha=0.7", "adhh:heads=16-29/26-9", "vaf:layers=9-14", "vcd:alpha=2e+0")),
])  # fmt: skip
def test_a_link_reads_back_equal(link):
    expected = replace(link, methods=tuple(text.replace("2e+0", "2.0") for text in link.methods))
    assert read(links.query(link)) == expected


def test_a_link_of_one_method_is_beside_vanilla_as_it_always_was():
    old = "scene=street&q=Why%3F&method=clvs:alpha=0.7&tokens=16"
    link = read(old)
    assert link.methods == ("vanilla", "clvs:alpha=0.7")
    assert links.query(link) == old, "and is still written like that"
    assert read(f"{old}&alone=1").methods == ("clvs:alpha=0.7",)
    assert links.query(links.Link("a", methods=("pai+clvs",))) == "scene=a&method=pai%2Bclvs&alone=1"


def test_methods_are_read_once_each_and_no_more_than_four():
    text = "&".join(
        f"method={name}" for name in ("vcd", "nothing", "VCD", "vcd:alpha=2", "pai", "vcd:alpha=2.0", "vaf")
    )
    assert read(f"scene=street&{text}").methods == ("vcd", "vcd:alpha=2", "pai", "vcd:alpha=2.0")


@pytest.mark.parametrize("text", [
    "", "q=Is+there+a+dog", "scene=", "scene=../../etc/passwd", "scene=a/b", "scene=%00", "scene=<script>",
    "scene=" + "a" * 200, "scene=.hidden",
])  # fmt: skip
def test_no_scene_no_link(text):
    assert read(text) is None


def test_without_a_scene_it_is_of_the_usual_one_if_it_says_anything():
    def usual(text):
        return links.parse(parse_qsl(text, keep_blank_values=True), usual="desk")

    assert usual("closer=compare&layer=3") == links.Link("desk", view=View(closer="compare", layer=2))
    assert usual("q=Why%3F&lang=zh") == links.Link("desk", "Why?", view=View(lang="zh"))
    assert usual("scene=street&layer=3").scene == "street"
    for text in ("", "lang=zh", "__theme=dark&utm_source=x", "scene=a/b&layer=3", "run=x&q=Why", "recording=x&layer=3"):
        assert usual(text) is None, text


@pytest.mark.parametrize(("name", "value"), [
    ("q", ""), ("q", "x" * 513), ("tokens", "0"), ("tokens", "65"), ("tokens", "1e1"), ("tokens", "-1"),
    ("method", "magic"), ("method", "clvs:alpha=__import__('os')"), ("method", "clvs:" + "a=1," * 10),
    ("method", "clvs:alpha=7"), ("method", "clvs+tarac"), ("method", "adhh:heads=" + "1-1/" * 600 + "1-1"),
    ("method", "clvs:alpha=" + "9" * 1900), ("method", ["clvs"]), ("method", "+" * 2000), ("method", "var:dims=1e9/2"),
    ("model", "../x"), ("model", "a b"), ("prompt", "a b"), ("prompt", "<x>"), ("prompt", "one-word+"),
])  # fmt: skip
def test_what_cannot_be_read_is_left_out(name, value):
    link = links.parse([("scene", "street"), (name, value)])
    assert replace(link, unread=()) == links.Link("street")
    assert link.unread == (f"{name}={value}"[:40],), "and told"


def test_fuzz():
    dice = random.Random(0)
    letters = string.printable + "äß中\u202e\x00{}$`<>"
    pieces = [*METHODS, *":=,+/-", "clvs:alpha=0.5", "+pai", "vcd:beta=1e-1", ",gamma=0.1", "adhh:heads=1-2", "none"]
    names = ["scene", "q", *["method"] * 4, "model", "tokens", "prompt", *KINDS, "x", "alone"]
    methods = set()

    def text(name):
        if name == "method":
            return "".join(dice.choices(pieces, k=dice.randrange(5)))
        return "1" if name == "alone" else "".join(dice.choices(letters, k=dice.randrange(30)))

    for _ in range(3000):
        link = links.parse([(name, text(name)) for name in names if dice.random() < 0.7])
        if link is not None:
            methods.update(link.methods)
            assert len(link.methods) <= limits.MAX_METHODS
            assert link.question is None or 0 < len(link.question) <= limits.MAX_QUESTION
            assert read(links.query(link)) == replace(link, unread=())
    assert "clvs:alpha=0.5" in methods, "some could be read"
    assert any("+" in method for method in methods)
