"""Downloads: each is what it says, of the visitor's own answer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.key_objects import relative_gain, together
from tests import viewer_fakes
from tests.page.acts import STARTS, event, run
from viz import figures
from viz.exports import KINDS
from viz.page import objects
from viz.page.desks import Desks
from viz.page.downloads import Exports
from viz.page.models import Models
from viz.page.session import Session
from viz.viewer.view import View


def test_exported_curves_are_the_pages_own_on_overlapping_objects(desks, monkeypatch):
    session = Session()
    run(desks, session)
    view = View(on=("dog",), region={"box": [120, 96, 170, 150]})  # the dog's own box
    given = {}
    curves = figures.curves
    monkeypatch.setattr(figures, "curves", lambda *args, **named: given.update(named, values=args[1]) or curves(*args))
    Exports(desks).make(session, "curves.svg", view)
    covers = [item.coverage for item in objects.followed(session.result, view)]
    assert len(covers) == 2
    traces = [run.trace for run in session.result.runs]
    for trace, values in zip(traces, given["values"], strict=True):
        np.testing.assert_allclose(values, clvs.key_object_attention(trace, together(covers)))
    vanilla, method = given["gains"]
    assert vanilla is None
    expected = relative_gain(given["values"][1][0], given["values"][0][0]).unclipped
    np.testing.assert_array_equal(method, expected)


@pytest.mark.parametrize("kind", [*KINDS, "vanilla.npz", "clvs.npz"])
def test_every_download_is_what_it_says(desks, kind):
    session = Session()
    run(desks, session)
    content = (
        Exports(desks).make(session, kind, View(step=9, scale="layer", layer=2, region={"box": [0, 0, 50, 50]})).content
    )
    assert content.startswith(STARTS[kind.rpartition(".")[2]])
    if kind == "numbers.csv":
        header, *lines = content.decode().splitlines()
        assert header.split(",")[6:10] == ["picture", "car", "dog", "region"]
        assert len(lines) == 2 * 2 * viewer_fakes.LAYERS


def test_a_trace_download_loads_again(desks, tmp_path):
    session = Session()
    run(desks, session)
    path = tmp_path / "t.npz"
    path.write_bytes(Exports(desks).make(session, "clvs.npz", View()).content)
    trace = clvs.Trace.load(path)
    np.testing.assert_array_equal(trace.attention, session.result.runs[1].trace.attention)


def test_every_method_has_its_own_trace(desks, tmp_path):
    session, exports = Session(), Exports(desks)
    last = run(desks, session, "clvs:alpha=0.5", "clvs", "pai+clvs")[-1]
    assert [m["key"] for m in last["methods"]] == ["clvs", "clvs-2", "pai+clvs"]
    for method in last["methods"]:
        path = tmp_path / "t.npz"
        path.write_bytes(exports.make(session, f"{method['key']}.npz", View()).content)
        assert clvs.Trace.load(path).meta["method"] == method["spec"]
    assert "no answer of vanilla" in exports.handle(session, event(kind="vanilla.npz"))["error"]


def test_downloads_are_of_the_visitors_own_result(desks):
    one, other = Session(), Session()
    run(desks, one, question="Is there a car?")
    run(desks, other, scene="table", question="Is it an apple?")
    exports = Exports(desks)
    assert b"Is there a car?" in exports.make(one, "page.html", View()).content
    assert b"Is it an apple?" in exports.make(other, "page.html", View()).content
    first, second = (exports.handle(one, event(kind="numbers.csv")) for _ in range(2))
    assert first["url"] != second["url"], "an address cannot be guessed from another"
    for kind in ("../etc", "../x.npz", ["clvs.npz"], {}, None, "clvs.npz\n"):
        assert "no such download" in exports.handle(one, event(kind=kind))["error"]
    assert exports.handle(one, SimpleNamespace(_data=None))["error"]


def test_a_download_before_any_run_is_the_recorded_examples(desks):
    page = Exports(desks).make(Session(), "page.html", View()).content.decode()
    assert desks.first.question in page


def test_a_download_while_an_answer_comes_has_to_wait(desks):
    session = Session()
    run(desks, session, clvs="alpha=0.3")
    desks.answering.begin(session)
    told = Exports(desks).handle(session, event(kind="numbers.csv"))
    assert "still coming" in told["error"]
    desks.answering.stop(session)
    assert b"alpha=0.3" in Exports(desks).make(session, "numbers.csv", View()).content


def test_a_download_of_a_recording_whose_model_is_not_offered(desks, library):
    other = Models(["llava-1.5-7b"], load=lambda name, **settings: pytest.fail("nothing has to be worked out"))
    desks = Desks(other, library, desks.first)
    exports, session = Exports(desks), Session()
    page = exports.make(session, "page.html", View(layer=2)).content.decode()
    assert desks.first.question in page
    assert "Scenes 8M" in page
    assert exports.make(session, "numbers.csv", View()).content.startswith(b"step_from_0,token")
    for kind in ("heatmaps.png", "clvs.npz"):
        assert "press Run first" in exports.handle(session, event(kind=kind))["error"]
