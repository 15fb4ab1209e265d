"""`clvs.show`: what a notebook displays. That it draws there is tested in tests/browser."""

from __future__ import annotations

import html
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

import clvs_core as clvs
from clvs_core.errors import ClvsError
from clvs_core.key_objects import KeyObject
from tests import viewer_fakes as fakes
from viz.viewer.payload import decode

PICTURE = Image.new("RGB", (96, 96), "white")


def payload(shown):
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', shown._repr_html_()).group(1))
    assert page == shown.page
    return json.loads(re.search(r"mount\(document.querySelector\('.cv'\), (\{.*\})\);", page).group(1))


def corner(name):
    mask = np.zeros((96, 96), dtype=bool)
    mask[:48, :48] = True
    return KeyObject(name, mask)


def test_the_output_holds_the_runs_the_picture_and_the_objects():
    runs = fakes.pair()
    shown = payload(clvs.show(runs, [corner("dog"), corner("cat")], picture=PICTURE, view={"layer": 2}))
    assert [method["label"] for method in shown["methods"]] == ["Vanilla", "CLVS"]
    assert shown["image"]["url"].startswith("data:image/jpeg;base64,")
    assert [(item["name"], item["on"]) for item in shown["objects"]] == [("dog", True), ("cat", False)]
    assert shown["view"] == {"layer": 2}
    np.testing.assert_array_equal(decode(shown)["heads/clvs"], runs[1].trace.attention)


def test_where_the_question_names_no_object_all_are_followed():
    shown = payload(clvs.show(fakes.pair(), [corner("cat"), corner("cup")], picture=PICTURE))
    assert [item["on"] for item in shown["objects"]] == [True, True]


def test_a_single_run_will_do_and_text_says_what_was_answered():
    run = fakes.run(clvs.Vanilla(), words=("No",))
    run.picture = PICTURE
    shown = clvs.show(run)
    assert len(payload(shown)["methods"]) == 1
    assert re.fullmatch(r"Is there a dog\? \(.+\)\nVanilla: No", repr(shown))


def test_nothing_leaves_its_frame():
    run = fakes.run(clvs.Vanilla())
    run.trace.meta["question"] = '"></iframe><script>alert(1)</script>'
    text = clvs.show(run, picture=PICTURE)._repr_html_()
    assert text.count("<") == 2  # the frame's own two tags
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", html.unescape(text))


def test_runs_know_their_picture(tiny_model, tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (64, 48), "red").save(path)
    (run,) = tiny_model.open_image(path).ask("Is there a dog?", [clvs.Vanilla()], max_new_tokens=1)
    assert run.picture.size == (64, 48)
    assert payload(clvs.show(run))["image"]["w"] == 64


@pytest.mark.parametrize(
    ("runs", "options", "sentence"),
    [
        ([], {}, "nothing to show"),
        ([fakes.pair()], {}, "Only runs can be shown, not list"),
        (fakes.pair(), {}, "do not know their picture"),
        (fakes.pair(), {"picture": Image.new("RGB", (10, 10))}, "96 x 96"),
        ([fakes.run(clvs.CLVS(alpha=a / 10)) for a in range(5)], {"picture": PICTURE}, "at most 4"),
    ],
)
def test_what_cannot_be_shown_is_said(runs, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        clvs.show(runs, **options)


def test_runs_of_two_questions_are_not_compared():
    one, other = fakes.pair()
    other.trace.meta["question"] = "Is there a cat?"
    with pytest.raises(ValueError, match="of one question"):
        clvs.show([one, other], picture=PICTURE)


def test_without_the_viewer_one_sentence_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "viz.viewer.notebook", None)
    with pytest.raises(ClvsError, match="needs the project's viz folder"):
        clvs.show(fakes.pair(), picture=PICTURE)
