"""Permalinks: what is written is read back, and nothing a stranger writes can raise or reach the page unchecked."""

from __future__ import annotations

import random
import string
from urllib.parse import parse_qsl

import pytest

from viz.ui import limits, links


def read(text):
    return links.parse(dict(parse_qsl(text, keep_blank_values=True)))


@pytest.mark.parametrize("link", [
    links.Link("street"),
    links.Link("street", "Is there a dog & a cat? 100% + ü=1"),
    links.Link("a-b_c.d", "Why?", "clvs:alpha=0.7,early_termination=false", "llava-hf/llava-1.5-7b-hf", 64,
               {"layer": 0, "step": 3, "scale": "layer", "cmap": "viridis"}, "vicuna+one-word"),
])  # fmt: skip
def test_a_link_reads_back_equal(link):
    assert read(links.query(link)) == link


@pytest.mark.parametrize("text", [
    "", "q=Is+there+a+dog", "scene=", "scene=../../etc/passwd", "scene=a/b", "scene=%00", "scene=<script>",
    "scene=" + "a" * 200, "scene=.hidden",
])  # fmt: skip
def test_no_scene_no_link(text):
    assert read(text) is None


@pytest.mark.parametrize(("name", "value"), [
    ("q", ""), ("q", "x" * 513), ("tokens", "0"), ("tokens", "65"), ("tokens", "1e1"), ("tokens", "-1"),
    ("method", "vcd"), ("method", "clvs:alpha=__import__('os')"), ("method", "clvs:" + "a=1," * 10),
    ("model", "../x"), ("model", "a b"), ("prompt", "a b"), ("prompt", "<x>"), ("prompt", "one-word+"),
])  # fmt: skip
def test_what_cannot_be_read_is_left_out(name, value):
    assert links.parse({"scene": "street", name: value}) == links.Link("street")


@pytest.mark.parametrize(("name", "value"), [
    ("layer", "0"), ("layer", "1001"), ("layer", "x"), ("layer", "١"), ("step", "65"),
    ("scale", "evil"), ("cmap", "jet"),
])  # fmt: skip
def test_views_are_checked(name, value):
    assert links.view({name: value}) == {}
    assert links.view({name: 5, "layer": ["1"]}) == {}


def test_fuzz():
    dice = random.Random(0)
    letters = string.printable + "äß中\u202e\x00{}$`<>"
    names = ["scene", "q", "method", "model", "tokens", "prompt", "layer", "step", "scale", "cmap", "x"]
    for _ in range(3000):
        query = {name: "".join(dice.choices(letters, k=dice.randrange(30))) for name in names if dice.random() < 0.7}
        link = links.parse(query)
        if link is not None:
            assert link.question is None or 0 < len(link.question) <= limits.MAX_QUESTION
            assert read(links.query(link)) == link
