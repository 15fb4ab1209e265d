"""Every export shows what the page shows: each choice of a view is read back from what comes out."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

import clvs_core as clvs
from clvs_core.key_objects import KeyObject, key_object_attention, region_mask
from tests import viewer_fakes as fakes
from viz import exports, figures, scales
from viz.viewer.payload import Comparison, MapObject, build
from viz.viewer.view import View

PICTURE = Image.new("RGB", (96, 96), (40, 90, 160))
BOX = {"box": [0, 0, 32, 48]}
USUAL = View()


def answered(view=USUAL, names=("vanilla", "var", "clvs")):
    """Three answers, the dog followed unless a region is."""
    runs = fakes.several(*names)
    views = runs[0].trace.views
    box = fakes.box_object("dog", views, 0, 0, 48, 48)
    dog = KeyObject("dog", box.mask, box.coverage, "scenes")
    followed = [] if view.region else [dog]
    if view.region:
        mask = region_mask(96, 96, **view.region)
        followed = [KeyObject("region", mask, clvs.coverage(mask, views), "region")]
    known = [MapObject(dog.name, dog.mask, dog.coverage, dog.source)]
    return exports.Answered(PICTURE, runs, followed, lambda: build(Comparison(runs, "", known)), "desk.jpg")


def drawn(view, names=("vanilla", "var", "clvs")):
    """What `figures.heatmaps` is given."""
    given = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "heatmaps", lambda *_, **options: given.update(options))
        exports.figure(answered(view, names), "heatmaps", view)
    return given


SHOWN = {  # of each choice: another value, and how heat maps are asked for it
    "layer": (5, {"viewed": 5}),
    "step": (1, {"step": 1}),
    "scale": ("layer", {"mode": "layer"}),
    "power": (0.5, {"power": 0.5}),
    "cmap": ("viridis", {"cmap": "viridis"}),
    "smooth": (True, {"smooth": True}),
    "crop": (True, {"crop": True}),
    "contours": (False, {"outline": None}),
    "sinks": (3, {"hidden": 3}),
    "head": (1, {"head": 1}),
    "memory": (True, {"memory": True}),
    "diff": (False, {"compared": None}),
    "rings": (False, {"rings": False}),
    "grid": ("base", {"grid": "base"}),
    "focus": ("clvs", {"compared": 2}),
}
ELSEWHERE = {"on", "region"}  # in what is followed
BESIDE = {"present", "closer", "lang"}  # how the page is laid out
COVERED = {"fill"}  # how a picture of its own is made
KNOCKED = {"rows", "window", "only"}  # what is hidden from whom, which is no matter of maps


def same(value, expected):
    return value is None if expected is None else np.array_equal(value, expected)


def test_every_choice_is_shown_by_heat_maps():
    new = {entry.name for entry in fields(View)} - ELSEWHERE - BESIDE - COVERED - KNOCKED - {*SHOWN}
    assert not new, "say how exports show it, or that it is no part of what they show"
    usual = drawn(View())
    assert usual["compared"] == 1
    for name, (value, wanted) in SHOWN.items():
        given = drawn(View(**{name: value}))
        for option, expected in wanted.items():
            assert same(given[option], expected), name
            assert not same(usual[option], expected), name


def test_a_region_is_drawn_beside_what_is_outlined():
    given = drawn(View(region=BOX))
    assert given["outline"] is None
    np.testing.assert_array_equal(given["region"], region_mask(96, 96, **BOX))


def test_the_reference_is_compared_with_none_where_it_is_alone():
    assert drawn(View(), names=("vanilla",))["compared"] is None


def test_curves_are_of_the_head_and_the_region_at_the_layer():
    view = View(head=1, region=BOX, layer=3, step=1)
    given = answered(view)
    ax = exports.figure(given, "curves", view).axes[0]
    assert ax.get_ylabel() == "attention of head 2 on region"
    expected = key_object_attention(given.runs[2].trace, given.followed[0].coverage, 1)[1]
    lines = [list(line.get_ydata()) for line in ax.lines]
    assert any(np.allclose(line, expected) for line in lines if len(line) == fakes.LAYERS)
    assert [4, 4] in [list(line.get_xdata()) for line in ax.lines]


def table(view):
    return list(csv.DictReader(io.StringIO(exports.made(answered(view), "numbers.csv", view).decode())))


def test_the_table_has_the_numbers_of_the_head_and_the_region_and_says_whose():
    view = View(head=1, region=BOX)
    rows = [row for row in table(view) if row["method"] == "CLVS" and row["step_from_0"] == "0"]
    given = answered(view)
    expected = key_object_attention(given.runs[2].trace, given.followed[0].coverage, 1)[0]
    assert [float(row["followed"]) for row in rows] == pytest.approx(expected, rel=1e-3)
    assert [row["region"] for row in rows] == [row["followed"] for row in rows]
    (about,) = {(row["head_from_0"], row["follows"], row["question"], row["model"], row["settings"]) for row in rows}
    assert about == ("1", "region", fakes.QUESTION, "scenes", fakes.SPECS["clvs"])
    (usual,) = {(row["head_from_0"], row["follows"]) for row in table(View())}
    assert usual == ("mean", "dog")


def test_what_is_switched_off_is_not_followed():
    rows = table(View(on=()))
    assert [row["followed"] for row in rows] == [row["picture"] for row in rows]
    assert {row["follows"] for row in rows} == {"picture"}


def test_a_head_that_did_not_come_with_the_answer_is_refused():
    with pytest.raises(ValueError, match="no head 8"):
        exports.made(answered(), "numbers.csv", View(head=7))


def test_the_page_opens_at_the_same_view():
    view = View(layer=5, head=1, cmap="viridis", power=0.5, sinks=2, memory=True, diff=False, region=BOX, on=("dog",))
    page = exports.made(answered(view), "page.html", view).decode()
    carried = json.loads(re.search(r"mount\(document.querySelector\('.cv'\), (\{.*\})\);", page).group(1))
    assert View.of(carried["view"]) == view


def test_the_scrub_has_a_frame_for_each_layer_with_its_maps_and_the_cursor():
    view = View(cmap="viridis", diff=False, contours=False)
    given = answered(view, names=("vanilla", "clvs"))
    moving = Image.open(io.BytesIO(exports.made(given, "scrub.gif", view)))
    assert moving.n_frames == fakes.LAYERS
    assert max(moving.size) < 1300
    frames = []
    for layer in range(fakes.LAYERS):
        moving.seek(layer)
        frames.append(np.asarray(moving.convert("RGB")).astype(int))
        assert moving.info["duration"] >= 100
    changes = [np.abs(after - before).sum(axis=2) > 60 for before, after in itertools.pairwise(frames)]
    assert all(change.any() for change in changes)
    still = np.array(frames).std(axis=0).max(axis=2) == 0
    assert still.mean() > 0.8, "only the maps, the number and the cursor move"


def test_a_scrub_of_many_layers_is_bounded():
    run = fakes.run(clvs.Vanilla())
    trace = run.trace
    trace.attention = np.repeat(trace.attention, 20, axis=1)
    trace.uncertainty = np.repeat(trace.uncertainty, 20, axis=1)
    deep = exports.Answered(PICTURE, [run], [], dict)
    content = exports.made(deep, "scrub.gif", USUAL)
    assert Image.open(io.BytesIO(content)).n_frames <= 48
    assert len(content) < 2 << 20


@pytest.mark.parametrize(
    ("picture", "question", "kind", "layer", "name"),
    [
        ("/x/desk.jpg", "Is there a laptop?", "heatmaps.png", 2, "desk-is-there-a-laptop-layer-3-heatmaps.png"),
        ("", "Why?", "curves.svg", 0, "picture-why-layer-1-curves.svg"),
        ("IMG 01 (2).JPEG", "?", "page.html", 8, "img-01-2-layer-9-page.html"),
        ("../../etc/passwd", "a/b\\c:d*e", "heatmaps.svg", None, "passwd-a-b-c-d-e-heatmaps.svg"),
        ("desk.jpg", "Is it?", "pai+clvs.npz", 4, "desk-is-it-pai-clvs.npz"),
        ("desk.jpg", "Is it?", "numbers.csv", 4, "desk-is-it-numbers.csv"),
        ("书桌.png", "图片里有笔记本电脑吗？", "curves.png", 1, "书桌-图片里有笔记本电脑吗-layer-2-curves.png"),
    ],
)
def test_files_say_picture_question_and_layer(picture, question, kind, layer, name):
    assert exports.file_name(picture, question, kind, View(layer=layer)) == name


def test_names_are_bounded_and_end_with_whole_words():
    name = exports.file_name("p" * 300, "word " * 100, "heatmaps.png", View(layer=0))
    assert re.fullmatch(r"p{40}(-word)+-layer-1-heatmaps\.png", name)
    assert len(exports.file_name("图" * 300, "问" * 300, "heatmaps.png", View(layer=0)).encode()) < 150


def test_figures_are_drawn_with_every_choice_at_once():
    view = View(**{name: value for name, (value, _) in SHOWN.items()}, region=BOX).but(scale="map", diff=True)
    for name in (name for name in exports.FIGURES if name != "knockout"):  # which has a test of its own
        assert exports.made(answered(view), f"{name}.png", view).startswith(b"\x89PNG")
    assert set(scales.MODES) >= {"map"}


def test_what_is_left_is_drawn_as_it_is_chosen():
    given = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "knockout", lambda found, **options: given.append((found, options)))
        for view in (View(), View(only=True)):
            exports.figure(replace(answered(), knocked=lambda: ["measured"]), "knockout", view)
    assert [(found, options["only"], options["name"]) for found, options in given] == [
        (["measured"], False, "dog"),
        (["measured"], True, "dog"),
    ]
    with pytest.raises(clvs.ClvsError, match="a model that is not here"):
        exports.figure(answered(), "knockout", View())
