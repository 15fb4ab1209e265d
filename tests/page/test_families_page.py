"""Every family through the page's desks: a question streams token by token to what the viewer draws."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.key_objects import together
from tests import tiny_families
from tests.page import families
from tests.page.acts import STARTS
from tests.page.fake import FakeModel
from viz.exports import KINDS
from viz.page import first_answer as record
from viz.page import objects
from viz.page.desks import Desks
from viz.page.downloads import Exports
from viz.page.models import Models
from viz.page.session import Session
from viz.viewer.payload import decode
from viz.viewer.view import View

TOKENS = 3
REGION = [100, 20, 250, 150]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return families.library(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def first_answer(library):
    """The example on the page before the first question, of another model, as on a real page."""
    return record.make(Models(load=lambda name, **settings: FakeModel()), library)


@pytest.fixture
def page(request, library, first_answer, tmp_path):
    """The page and one visitor, for the family in the test's parameter."""
    if request.param in tiny_families.MISSING:
        pytest.skip(tiny_families.MISSING[request.param])
    return Desks(families.models(request.param, tmp_path), library, first_answer), Session()


def ask(desks, session):
    settings = replace(desks.choosing.defaults(desks.models.default), tokens=TOKENS)
    path = str(desks.library.coco_scenes[0].path)
    return list(desks.answering.run(session, session.begin(), path, families.QUESTION, *vars(settings).values()))


def grids(payload):
    """(visual,) share of each visual token on the picture: 1 in a grid, 0 for a newline or a class token."""
    out = np.zeros(payload["visual"])
    for view in payload["views"]:
        rows, cols = np.arange(view["rows"]), np.arange(view["cols"])
        out[view["start"] + np.add.outer(rows * view["stride"], cols)] += 1
    return out


def areas(payload, kinds):
    """Sum of the areas of these grids inside the picture, relative to the picture."""
    total = 0.0
    for view in payload["views"]:
        x0, y0, x1, y1 = np.clip(view["region"], 0, [families.WIDTH, families.HEIGHT] * 2)
        total += (x1 - x0) * (y1 - y0) * (view["kind"] in kinds)
    return total / (families.WIDTH * families.HEIGHT)


def check_geometry(payload):
    """Every grid holds tokens of its own; of each kind they lie side by side over what the model sees."""
    assert set(np.unique(grids(payload))) <= {0, 1}
    x0, y0, x1, y1 = payload["image"]["seen"]
    seen = (x1 - x0) * (y1 - y0) / (families.WIDTH * families.HEIGHT)
    kinds = {view["kind"] for view in payload["views"]}
    assert kinds in ({"full"}, {"base", "tiles"})
    for kind in kinds:
        # SmolVLM's tiny tiles leave 2 of 34 pixels without a token on each axis: at most 12 % of the area.
        assert 0.88 * seen - 0.001 <= areas(payload, {kind}) <= seen + 0.001


def check_arrays(payload, tokens):
    """What the viewer draws has the right shape, and no number that is none."""
    json.dumps(payload, allow_nan=False)
    arrays, layers, heads, visual = decode(payload), payload["layers"], payload["heads"], payload["visual"]
    for method in payload["methods"]:
        attention = arrays[f"attention/{method['key']}"]
        assert attention.shape == (tokens, layers, visual)
        assert np.isfinite(attention).all()
        # Weights on the picture: somewhere positive (not in layers whose window is short), at most 1 within float16.
        shares = attention.sum(axis=-1, dtype=float)
        assert (attention >= 0).all()
        assert (shares.max(axis=1) > 0).all()
        assert (shares <= 1 + 2e-3).all()
        assert len(method["tokens"]) == tokens
        if payload["status"] == "done":
            assert arrays[f"heads/{method['key']}"].shape == (tokens, layers, heads, visual)
    assert arrays["coverage"].shape == (1, visual)
    assert np.isfinite(arrays["coverage"]).all()


@pytest.mark.parametrize("page", tiny_families.FAMILIES, indirect=True)
def test_streams_in_the_page(page):
    desks, session = page
    payloads = ask(desks, session)
    assert not any(payload["error"] for payload in payloads)
    streamed = [p for p in payloads if p["layers"] and p["status"] == "running" and p["id"] == payloads[-1]["id"]]
    assert [len(payload["methods"][0]["tokens"]) for payload in streamed] == list(range(1, TOKENS + 1))
    for payload in streamed:
        check_arrays(payload, len(payload["methods"][0]["tokens"]))
    last = payloads[-1]
    assert (last["status"], last["model"]["name"]) == ("done", desks.models.default)
    assert (last["image"]["w"], last["image"]["h"]) == (families.WIDTH, families.HEIGHT)
    check_arrays(last, TOKENS)
    check_geometry(last)
    check_curves(desks, session, last)


def check_curves(desks, session, payload):
    """Curves of the annotated dog, of a drawn region and of the picture, as in the download."""
    assert [(item["name"], item["on"]) for item in payload["objects"]] == [("dog", True)]
    view = View(region={"box": REGION})
    result = session.result
    (region,) = objects.followed(result, view)
    text = Exports(desks).make(session, "numbers.csv", view).content.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 2 * TOKENS * payload["layers"]
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in ("picture", "dog", "region", "followed")}
    np.testing.assert_array_equal(numbers["followed"], numbers["region"])
    dog = decode(payload)["coverage"][0].astype(float)
    for name, coverage in (("dog", dog), ("region", region.coverage), ("picture", np.ones(payload["visual"]))):
        curves = [clvs.key_object_attention(run.trace, together([coverage])) for run in result.runs]
        # The download's weights went through the payload's float16, as did coverage.
        np.testing.assert_allclose(numbers[name], np.concatenate([c.ravel() for c in curves]), rtol=2e-3, atol=1e-5)
    for name in ("dog", "region"):
        assert np.isfinite(numbers[name]).all()
        assert (numbers[name] <= numbers["picture"]).all()
        assert 0 < numbers[name].sum() < 0.99 * numbers["picture"].sum()


@pytest.mark.parametrize("page", ["llava"], indirect=True)
def test_a_picture_of_which_little_is_seen_says_so(page):
    """LLaVA-1.5's centre crop keeps 180 of 330 columns."""
    desks, session = page
    share = math.floor(100 * families.HEIGHT / families.WIDTH + 0.5)
    expected = f"This model sees only the middle {share} % of this picture; what is hatched it never sees."
    assert expected in ask(desks, session)[-1]["notes"]


@pytest.mark.parametrize("page", ["qwen2_5_vl"], indirect=True)
def test_a_picture_that_is_seen_whole_has_no_notice(page):
    desks, session = page
    assert ask(desks, session)[-1]["notes"] == []


@pytest.mark.parametrize("page", ["idefics3"], indirect=True)
def test_every_download_of_a_tiled_family(page):
    desks, session = page
    ask(desks, session)
    for kind in KINDS:
        assert Exports(desks).make(session, kind, View()).content.startswith(STARTS[kind.rpartition(".")[2]])
