"""Whole answers on the page: each object that they name is hidden in turn, and what is still named comes bit by bit."""

from __future__ import annotations

import csv
import io
import json

import pytest

from clvs_core.analysis.knockout import survivals
from tests import viewer_fakes
from tests.page.acts import event, run
from tests.page.fake import NAMING
from viz.page.desks import Desks
from viz.page.downloads import Exports
from viz.page.library import Library
from viz.page.models import Models
from viz.page.session import Session
from viz.page.surviving import NOTHING_NAMED
from viz.viewer.contract import Payload
from viz.viewer.received import read
from viz.viewer.view import View

LAYERS = viewer_fakes.LAYERS
ANSWER = "".join(NAMING)


def look(desks, session, view="", turn=1, **data):
    return desks.surviving.look(session, event(view=view, turn=turn, **data))


@pytest.fixture
def described(desks, fake):
    desks.models.get("scenes")
    fake.hidden.clear()  # what the page's example needed
    fake.hiding_closed = 0
    session = Session()
    return session, run(desks, session, question="Describe the picture.")[-1]


def test_object_after_object_and_layer_after_layer(desks, fake, described):
    session, last = described
    assert last["knocks"]["named"] == ["dog", "car"]
    news = list(look(desks, session, turn=4))
    assert [one["running"] for one in news] == [True] * 6 + [False]
    assert {(one["of"], one["turn"], one["error"]) for one in news} == {(last["id"], 4, "")}
    known = [sum(name is not None for row in one["survival"]["objects"] for name in row["named"]) for one in news]
    assert known == [2 * n for n in (1, LAYERS // 2, LAYERS, LAYERS + 1, LAYERS + LAYERS // 2, 2 * LAYERS, 2 * LAYERS)]
    found = news[-1]["survival"]
    assert found["specs"] == [method["spec"] for method in last["methods"]]
    assert [(row["spec"], row["name"]) for row in found["objects"]] == [
        (spec, name) for name in ("dog", "car") for spec in found["specs"]
    ]
    for row in found["objects"]:
        assert row["named"] == [layer not in (1, 2) for layer in range(LAYERS)]
        assert row["said"] == ["Nothing." if layer in (1, 2) else ANSWER for layer in range(LAYERS)]
        assert (row["everywhere"], row["said_everywhere"]) == (False, "Nothing.")


def test_rows_and_layers_at_a_time_are_the_views_and_nothing_is_asked_twice(desks, fake, described):
    session, _ = described
    *_, news = look(desks, session, "rows=both&window=5")
    assert (news["survival"]["rows"], news["survival"]["window"]) == ("both", 5)
    assert [(rows, window) for rows, _, window, _ in fake.hidden] == [("both", 5)] * 2
    assert [one["running"] for one in look(desks, session, "rows=both&window=5")] == [False]
    assert len(fake.hidden) == 2


def test_stop_ends_it_after_its_pass_and_it_goes_on_with_the_next_object(desks, fake, described):
    session, _ = described
    stream = look(desks, session)
    for _ in range(4):  # the first object, and a pass of the second
        next(stream)
    list(look(desks, session, halt=True))
    assert list(stream) == []
    assert len(fake.hidden) == fake.hiding_closed == 2
    *_, news = look(desks, session, turn=2)
    assert len(fake.hidden) == 3, "only the second object again"
    assert not news["running"]
    assert len(news["survival"]["objects"]) == 4


def test_a_knock_out_of_a_word_does_not_end_it(desks, fake, described):
    session, _ = described
    stream = look(desks, session)
    next(stream)
    list(desks.knocking.look(session, event(view="", turn=1)))
    assert not list(stream)[-1]["running"]


def test_a_new_question_ends_it(desks, fake, described):
    session, _ = described
    stream = look(desks, session)
    next(stream)
    run(desks, session)
    assert [(one["running"], one["survival"]) for one in stream] == [(False, None)]


def test_an_answer_that_names_nothing_is_one_sentence(desks):
    session = Session()
    last = run(desks, session)[-1]
    assert (last["knocks"]["named"], last["knocks"]["whole"]) == ([], 0.0)
    (news,) = look(desks, session)
    assert (news["error"], news["running"]) == (NOTHING_NAMED, False)


def test_files_hold_what_was_asked_and_anybodys_is_checked(desks, described):
    session, last = described
    exports = Exports(desks)
    assert b"still_named" not in exports.make(session, "numbers.csv", View()).content
    *_, news = look(desks, session)
    rows = list(csv.DictReader(io.StringIO(exports.make(session, "numbers.csv", View()).content.decode())))
    first = [row for row in rows if row["step_from_0"] == "0" and row["method"] == "Vanilla"]
    assert [row["still_named_car"] for row in first] == ["1", "0", "0", *["1"] * (LAYERS - 3)]
    assert [row["answer_without_dog"] for row in first][:2] == [ANSWER, "Nothing."]
    assert {row["still_named_dog"] for row in rows if row["step_from_0"] == "1"} == {""}
    assert '"survival": {"specs"' in exports.make(session, "page.html", View()).content.decode()
    assert '"survival": null' in exports.make(session, "page.html", View(window=5)).content.decode()
    whole = {name: part for name, part in last.items() if name in Payload.__annotations__}
    whole["survival"] = news["survival"]
    assert read(json.dumps(whole).encode())["survival"]["window"] == 3
    whole["survival"]["objects"][0]["said"] = []
    with pytest.raises(ValueError, match="one for each layer"):
        read(json.dumps(whole).encode())


def test_what_is_still_named_is_what_the_command_says():
    """On the embedded model, all methods at once and in small passes."""
    models, library = Models(), Library()
    desks, session = Desks(models, library, library.first_answer()), Session()
    run(desks, session, scene="savanna", question="What is in the picture?")
    *_, news = look(desks, session)
    image = models.get("scenes").open_image(session.result.picture.image)
    masks = {item.name: item.mask for item in session.result.picture.objects}
    for method, spec in zip(session.result.methods, news["survival"]["specs"], strict=True):
        answer, table = survivals(image, session.result.question, masks, method)
        told = {row["name"]: row for row in news["survival"]["objects"] if row["spec"] == spec}
        assert {row.name: (row.named.tolist(), row.everywhere) for row in table} == {
            name: (row["named"], row["everywhere"]) for name, row in told.items()
        }
        assert answer == next(run.text for run in session.result.runs if run.method == method)
