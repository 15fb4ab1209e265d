"""Examples, links and own pictures fill the page in."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import parse_qs, parse_qsl

import pytest

from clvs_core.models.prompts import SUFFIXES
from tests import viewer_fakes
from tests.page import pictures
from tests.page.acts import arrive, bring, controls, event, first_check, offering, run
from tests.page.fake import FakeModel
from tests.page.test_limits import png_header
from viz.page.library import ANYTHING
from viz.page.session import Session
from viz.page.widgets import PictureInput
from viz.viewer.view import View


def test_choosing_fills_the_page_in(desks):
    session = Session()
    path, question, chips, payload, ticket = desks.arriving.choose(session, event(name="table"))
    assert payload["status"] == "running"
    assert payload["progress"] == "Waiting for the model…"
    assert path.endswith("table.png")
    assert [{"question": question, "less": False}] == chips
    assert [question] == pictures.QUESTIONS["table"]
    assert ticket == session.ticket == session.running > 0
    assert desks.arriving.suggest(session, event(question="Why?"))[::2] == ("Why?", session.ticket)
    assert session.ticket != ticket
    for nothing in (
        desks.arriving.choose(session, event(name="../x")),
        desks.arriving.choose(session, event()),
        desks.arriving.suggest(session, event(question=["Why?"])),
    ):
        assert all("value" not in update for update in nothing), "no ticket, so nothing runs"


def test_a_link_fills_the_page_in(desks):
    session = Session()
    query = {"scene": "table", "q": "Is it red?", "method": "clvs:alpha=0.3,first_check=2,early_termination=false"}
    payload, path, question, chips, scene, *values, ticket = arrive(desks, session, **query, tokens="4", layer="3")
    assert scene == "table", "the strip marks it"
    assert payload["status"] == "running"
    assert path.endswith("table.png")
    assert question == "Is it red?"
    assert [chip["question"] for chip in chips] == pictures.QUESTIONS["table"]
    model, picker, *others = values
    assert (model, others) == ("scenes", [4, "chat"])
    assert picker["entries"] == [
        [{"name": "vanilla", "set": {}}],
        [{"name": "clvs", "set": {"alpha": 0.3, "first_check": 2, "early_termination": False}}],
    ]
    values[1] = picker["specs"]
    last = list(desks.answering.run(session, ticket, path, question, *values))[-1]
    assert last["view"] == View(layer=2).whole()
    assert last["link"] == (
        "scene=table&q=Is+it+red%3F&method=clvs:alpha=0.3,first_check=2,early_termination=false&tokens=4"
    )
    assert run(desks, session)[-1]["view"] == {}, "a link's layer is for its own result only"


def test_a_prompt_of_another_family_is_not_taken_from_a_link(desks, fake):
    name = "qwen2.5-vl-3b"
    desks = offering(desks, name, fake)
    assert arrive(desks, Session(), scene="street", model=name, prompt="vicuna")[-2] == "chat"
    assert [prompt for _, prompt in desks.choosing.prompts(name)] == ["chat", *SUFFIXES]
    assert desks.choosing.prompts(name, "scenes") == desks.choosing.prompts("scenes"), "each once"


def test_a_link_without_a_scene_is_of_the_first_example(desks):
    without, named = (arrive(desks, Session(), layer="3", **scene) for scene in ({}, {"scene": "street"}))
    assert without == named
    assert without[0]["view"]["layer"] == 2


def test_a_plain_address_changes_nothing(desks):
    assert all("value" not in item for item in arrive(desks, Session())), "no ticket either, so nothing runs"


def test_a_link_to_nowhere_is_said(desks):
    payload, *rest, ticket = arrive(desks, Session(), scene="gone")
    assert payload["error"] == "The link names the picture 'gone', which is not here; choose another example."
    assert "value" not in ticket
    payload, *rest, _ = arrive(desks, Session(), scene="street", method="clvs:alpha=7", model="other")
    model, picker, *others = rest[4:]
    assert (model, picker["specs"], *others) == controls(), "wrong settings are left out"


def test_what_of_a_link_is_not_here_is_told_in_one_line(desks):
    session = Session()
    query = {"scene": "table", "q": "Is it red?", "method": ["clvs:alpha=7", "clvs"], "model": "other",
             "prompt": "loud", "layer": "9", "head": "99", "step": "7", "focus": "pai", "on": ["apple", "unicorn"],
             "tokens": "0", "region": "200,0,300,50", "cmap": "viridis"}  # fmt: skip
    _, path, question, *_, picker, tokens, prompt, ticket = arrive(desks, session, **query)
    last = list(desks.answering.run(session, ticket, path, question, "scenes", picker["specs"], tokens, prompt))[-1]
    assert last["notes"][0] == (
        "Of the link, this could not be opened: tokens=0, method=clvs:alpha=7, model=other, prompt=loud, layer=9, "
        "head=99, step=7, focus=pai, region=200,0,300,50, on=unicorn."
    )
    assert last["view"] == View(on=("apple",), cmap="viridis").whole(), "the rest is opened"
    assert not any("link" in note for note in run(desks, session)[-1]["notes"]), "of its own answer only"


def test_a_link_to_the_example_is_answered_at_once(desks, fake):
    before, session = fake.opened, Session()
    payload, *filled, ticket = arrive(desks, session, scene="street", layer="3", on="unicorn")
    assert (payload["status"], payload["id"]) == ("done", "first")
    assert payload["view"] == View(layer=2).whole()
    assert payload["notes"][0] == "Of the link, this could not be opened: on=unicorn."
    assert filled[1] == desks.first.question
    assert "value" not in ticket
    assert fake.opened == before
    assert arrive(desks, session, scene="street", method="pai")[0]["status"] == "running"


def test_an_own_picture_is_asked_again_and_is_in_no_link(desks):
    session = Session()
    path, _ = bring(desks, session, viewer_fakes.png())
    last = list(desks.answering.run(session, session.ticket, path, "Is there a dog?", *controls("vanilla", "vcd")))[-1]
    assert (last["link"], "scene" in last["again"]) == ("", False)
    other, given = Session(), parse_qsl(f"{last['again']}&layer=2")
    payload, picture, question, _, scene, *values, ticket = desks.arriving.open(other, given, path)
    assert (payload["status"], picture, question, scene) == ("running", path, "Is there a dog?", "")
    values[1] = values[1]["specs"]
    again = list(desks.answering.run(other, ticket, picture, question, *values))[-1]
    assert [method["name"] for method in again["methods"]] == ["vanilla", "vcd"]
    assert again["view"]["layer"] == 1
    for gone in ("", "/etc/passwd", 5):
        payload, *_, ticket = desks.arriving.open(Session(), given, gone)
        assert payload["error"] == "Your own picture is no longer here; choose it again."
        assert "value" not in ticket


def test_a_link_with_several_methods(desks):
    session = Session()
    query = {"scene": "street", "method": ["vcd:alpha=2", "pai+clvs", "magic", "vaf"]}
    _, path, question, *_, picker, tokens, prompt, ticket = arrive(desks, session, **query)
    assert picker["specs"] == ["vcd:alpha=2", "pai+clvs", "vaf"]
    last = list(desks.answering.run(session, ticket, path, question, "scenes", picker["specs"], tokens, prompt))[-1]
    assert [m["name"] for m in last["methods"]] == ["vcd", "pai+clvs", "vaf"]
    again = arrive(desks, Session(), **parse_qs(last["link"]))
    assert again[-4]["specs"] == picker["specs"]
    alone = run(desks, session, "tarac")[-1]["link"]
    assert arrive(desks, Session(), **parse_qs(alone))[-4]["specs"] == ["tarac"]


def test_a_link_to_a_model_of_unknown_depth_runs_with_its_own_first_check(desks):
    deep = FakeModel("llava-1.5-7b")
    deep.layers = 32
    name, session = "llava-1.5-7b", Session()
    desks = offering(desks, name, deep)
    _, path, question, _, _, _, picker, *others, ticket = arrive(desks, session, scene="street", model=name)
    assert first_check(picker) == (None, None), "not the recorded model's"
    last = list(desks.answering.run(session, ticket, path, question, name, picker["specs"], *others))[-1]
    assert last["methods"][1]["spec"] == "clvs"
    fitted = desks.choosing.fit(session, name, ["vanilla"])
    assert first_check(fitted) == (31, 17)
    assert fitted["specs"] == ["vanilla"]
    assert "entries" not in fitted, "what is picked stays"
    assert "value" not in desks.choosing.fit(session, name, ["vanilla"]), "once is enough"


def test_a_link_with_a_first_check_that_is_too_deep_is_told(desks):
    session = Session()
    query = {"scene": "street", "method": "clvs:first_check=30"}
    _, path, question, _, _, model, picker, *others, ticket = arrive(desks, session, **query)
    last = list(desks.answering.run(session, ticket, path, question, model, picker["specs"], *others))[-1]
    assert "has 8 layers; set First check of CLVS" in last["error"]


@pytest.mark.parametrize(
    "content",
    [b"<svg/>", b"", viewer_fakes.png()[:60], png_header(20_000, 20_000)],
    ids=["svg", "empty", "cut", "bomb"],
)
def test_a_new_picture_that_is_refused_changes_nothing_but_the_sentence(desks, content):
    session = Session()
    run(desks, session)
    kept, ticket = session.picture, session.ticket
    path, (payload, picture, *others) = bring(desks, session, content)
    assert all("value" not in part for part in (payload, *others)), "nothing runs, and what runs goes on"
    assert (picture["path"], picture["of"]) == (kept.path, path)
    assert picture["error"].endswith(".")
    assert (session.picture, session.ticket) == (kept, ticket)
    shown = PictureInput(desks.library, "").postprocess(picture)
    assert shown["url"] == desks.library.named("street").url
    assert shown["title"] == "The street <b>&\"'"


def test_a_new_picture_is_asked_the_question_that_was_typed(desks):
    session = Session()
    path, (payload, picture, asked, chips, chosen, ticket) = bring(desks, session, viewer_fakes.png())
    assert (payload["status"], payload["error"], chosen, chips) == ("running", "", "", list(ANYTHING))
    assert picture == {"path": path, "of": path, "several": False}
    assert "value" not in asked
    last = list(desks.answering.run(session, ticket, path, "Is there a dog?", *controls()))[-1]
    assert last["image"]["url"] == session.picture.url
    assert any("drawn scenes only" in note for note in last["notes"])
    path, (payload, picture, *_, ticket) = bring(desks, session, viewer_fakes.png(), "  ")
    assert "ask something about it" in payload["error"]
    assert picture["path"] == path, "it is shown all the same"
    assert "value" not in ticket
    assert not session.running


@pytest.mark.parametrize("question", [pictures.QUESTIONS["street"][1], ANYTHING[1]])
def test_a_suggested_question_was_for_another_picture(desks, question):
    _, (payload, _, asked, *_, ticket) = bring(desks, Session(), viewer_fakes.png(), question)
    assert (payload["status"], asked) == ("running", ANYTHING[0])
    assert isinstance(ticket, int)


@pytest.mark.parametrize("data", [
    None, {}, {"path": 5}, {"path": "/etc/passwd"}, {"path": "x" * 5000}, {"path": "\0"}, {"path": "\ud800"},
    {"path": __file__}, {"path": {"path": "/etc/passwd"}},
])  # fmt: skip
def test_a_picture_that_was_not_uploaded_is_not_opened(desks, data):
    _, picture, *_ = desks.arriving.new_picture(Session(), None, "Why?", SimpleNamespace(_data=data))
    assert "no picture" in picture["error"]
    assert PictureInput(desks.library).preprocess(data) is None


def test_the_page_names_only_pictures_that_it_may_open(desks):
    picture = PictureInput(desks.library)
    scene, own = desks.library.named("table"), desks.pictures.files.put(viewer_fakes.png(), "mine.png")
    for path, title in ((scene.path, scene.title), (own, "")):
        shown = picture.postprocess(str(path))
        assert (shown["title"], shown["error"], picture.preprocess(shown)) == (title, "", str(path))
    link = own.parent / "link.png"
    link.symlink_to("/etc/hostname")
    assert picture.preprocess({"path": str(link)}) is None
    assert picture.postprocess(str(own))["turn"] != picture.postprocess(str(own))["turn"], "else it would not be heard"


def test_a_bundled_question_among_all_of_them_is_asked(desks):
    session = Session()
    path, question, suggestions, name, payload, ticket = desks.arriving.example(
        session, event(scene="table", question="What color is the apple?")
    )
    assert (question, name) == ("What color is the apple?", "table")
    assert path == str(desks.library.named("table").path)
    assert suggestions == desks.library.named("table").suggestions
    assert payload["status"] == "running"
    assert ticket == session.running
    for broken in ({"scene": "table"}, {"scene": "none", "question": question}, {"scene": 1, "question": ["x"]}):
        assert all("__type__" in part for part in desks.arriving.example(session, event(**broken))), "nothing changes"
