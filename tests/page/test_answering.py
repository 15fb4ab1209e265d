"""Answers without a browser: token by token, settings, errors and what one visitor can see."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image

from tests import viewer_fakes
from tests.page import pictures
from tests.page.acts import FOUR, arrive, attention, controls, event, run
from viz.page import build, limits
from viz.page.downloads import Exports
from viz.page.session import Session


def test_an_answer_arrives_token_by_token(desks):
    payloads = run(desks, Session())
    assert [p["status"] for p in payloads] == ["running"] * 4 + ["done"]
    assert [len(p["methods"][0]["tokens"]) for p in payloads[1:]] == [0, 1, 2, 2]
    assert all(p["progress"] for p in payloads[:-1]), "waiting is always said"
    last = payloads[-1]
    assert [m["name"] for m in last["methods"]] == ["vanilla", "clvs"]
    assert last["methods"][0]["text"] == "Yes"
    assert last["image"]["url"].endswith("street.png")
    assert last["layers"] == viewer_fakes.LAYERS
    assert "heads/clvs" in last["arrays"]
    assert len({p["id"] for p in payloads[2:]}) == 1


def test_what_is_true_of_a_bundled_question_comes_with_its_answer(desks, tmp_path):
    first = pictures.QUESTIONS["street"][0]
    known = {"answer": "yes", "note": "", "less": False}
    assert [p["expected"] for p in run(desks, Session(), question=first)[1:]] == [known] * 4
    assert run(desks, Session(), question=f"  {first} ")[-1]["expected"] == known, "as it is asked"
    assert run(desks, Session(), question=first.replace("car", "bus"))[-1]["expected"] is None
    own = tmp_path / "own.png"
    Image.new("RGB", (60, 40)).save(own)
    assert run(desks, Session(), path=str(own), question=first)[-1]["expected"] is None
    assert desks.first.payload["expected"] == known


def test_a_setting_asks_only_the_changed_method_again(desks, fake):
    session = Session()
    before = run(desks, session)[-1]
    after = desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    assert fake.asked == [["clvs:alpha=0.5"]]
    assert after["id"] == before["id"], "the viewer keeps its layer and token"
    assert after["status"] == "done"
    np.testing.assert_array_equal(attention(after, "vanilla"), attention(before, "vanilla"))
    np.testing.assert_allclose(attention(after, "clvs") / attention(before, "clvs"), 0.5 / 0.8, rtol=2e-3)


def test_a_setting_of_the_recorded_example_needs_no_run(desks):
    payload = desks.answering.adjust(Session(), *controls(clvs="alpha=0.5"))
    assert payload["error"] == ""
    assert payload["id"] == desks.first.payload["id"]
    assert payload["question"] == desks.first.question
    assert [m["spec"] for m in payload["methods"]] == ["vanilla", "clvs:alpha=0.5"]


def test_a_setting_ignores_an_edited_question(desks):
    session = Session()
    run(desks, session, question="Is there a car?")
    payload = desks.answering.adjust(session, *controls(clvs="beta=0.1"))
    assert payload["question"] == "Is there a car?"


def test_a_setting_that_moves_while_an_answer_comes_waits_for_its_end(desks, fake):
    session = Session()
    path = str(desks.library.named("street").path)
    stream = desks.answering.run(session, session.begin(), path, "Count slowly.", *controls(tokens=4))
    for _ in range(3):
        next(stream)
    for alpha in (0.1, 0.5):
        assert "value" not in desks.answering.adjust(session, *controls(clvs=f"alpha={alpha}"))
    payloads = list(stream)
    assert [m["spec"] for m in payloads[-1]["methods"]] == ["vanilla", "clvs:alpha=0.5"]
    assert payloads[-1]["question"] == "Count slowly."
    assert fake.asked == [["clvs:alpha=0.5"]]


def test_a_setting_that_comes_after_a_newer_request_changes_nothing(desks, monkeypatch):
    session = Session()
    run(desks, session)
    kept = session.result
    ask = desks.asker.ask
    monkeypatch.setattr(desks.asker, "ask", lambda *args, **named: (session.begin(), ask(*args, **named))[1])
    assert "value" not in desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    assert session.result is kept


def test_only_the_method_that_came_is_asked(desks, fake):
    session = Session()
    before = run(desks, session)[-1]
    after = desks.answering.adjust(session, *controls("vanilla", "clvs", "vcd"))
    assert fake.asked == [["vcd"]]
    assert [m["name"] for m in after["methods"]] == ["vanilla", "clvs", "vcd"]
    assert after["id"] == before["id"], "the viewer keeps its layer and token"
    for key in ("vanilla", "clvs"):
        np.testing.assert_array_equal(attention(after, key), attention(before, key))
    moved = desks.answering.adjust(session, *controls("vanilla", "clvs", "vcd:alpha=2"))
    assert fake.asked == [["vcd"], ["vcd:alpha=2"]], "one setting costs one branch"
    assert [m["spec"] for m in moved["methods"]] == ["vanilla", "clvs", "vcd:alpha=2"]


def test_taking_methods_away_or_in_another_order_computes_nothing(desks, fake):
    session = Session()
    before = run(desks, session, *FOUR)[-1]
    streams = fake.opened
    after = desks.answering.adjust(session, *controls("pai", "vanilla"))
    assert [m["name"] for m in after["methods"]] == ["pai", "vanilla"]
    for key in ("vanilla", "pai"):
        np.testing.assert_array_equal(attention(after, key), attention(before, key))
    assert (fake.asked, fake.opened) == ([], streams)
    assert len(session.result.runs) == 2


def test_a_stopped_answer_is_not_taken_for_a_finished_one(desks, fake):
    session = Session()
    path = str(desks.library.named("street").path)
    stream = desks.answering.run(session, session.begin(), path, "Count slowly.", *controls(tokens=4))
    for _ in range(4):
        next(stream)
    desks.answering.stop(session)
    desks.answering.adjust(session, *controls("vanilla", "clvs", "pai"))
    assert fake.asked == [["vanilla", "clvs", "pai"]]


def test_methods_that_work_together_are_one(desks, fake):
    session = Session()
    payload = run(desks, session, "vanilla", "clvs:alpha=0.7+pai")[-1]
    assert [m["spec"] for m in payload["methods"]] == ["vanilla", "pai+clvs:alpha=0.7"]
    assert "method=pai%2Bclvs:alpha=0.7" in payload["link"]
    desks.answering.adjust(session, *controls("vanilla", "pai+clvs:alpha=0.7"))
    assert fake.asked == [], "in whatever order they were written"


def test_waiting_says_what_is_looked_at(desks):
    told = [payload["progress"] for payload in run(desks, Session(), *FOUR)]
    assert told[:3] == ["Reading the picture…", "Reading the picture once more, with noise…", "Token 1…"]
    assert run(desks, Session())[1]["progress"] == "Reading the question…"


@pytest.mark.parametrize("picked", [[], ["vanilla"] * 5, "vanilla", None, {"0": "vanilla"}, [["vanilla"]], [5]])
def test_what_a_browser_may_send_as_methods(desks, picked):
    session = Session()
    before = run(desks, session)[-1]
    kept = session.result
    for payload in (
        run(desks, session, methods=picked)[-1],
        desks.answering.adjust(session, *controls(methods=picked)),
    ):
        assert "1 to 4 methods" in payload["error"] or "must be a text" in payload["error"]
        assert payload["blob"] == before["blob"]
    assert session.result is kept


def test_a_method_that_cannot_run_on_the_model_says_why(desks):
    session = Session()
    before = run(desks, session)[-1]
    refused = desks.answering.adjust(session, *controls("vanilla", "clvs", "adhh"))
    assert refused["error"].startswith("AD-HH needs a list of heads, and none is known for Scenes 8M")
    assert refused["blob"] == before["blob"]
    own = desks.answering.adjust(session, *controls("vanilla", "adhh:heads=2-1/4-0"))
    assert own["error"] == ""
    assert [m["name"] for m in own["methods"]] == ["vanilla", "adhh"]


def test_what_a_method_means_on_this_model_is_said_beside_its_answer(desks, monkeypatch):
    card = replace(desks.models.cards["scenes"], method_notes={"pai": "PAI was made for others."})
    monkeypatch.setitem(desks.models.cards, "scenes", card)
    session = Session()
    assert run(desks, session)[-1]["notes"] == []
    assert desks.answering.adjust(session, *controls("vanilla", "pai+clvs"))["notes"] == [
        "PAI: PAI was made for others."
    ]
    assert desks.answering.adjust(session, *controls("vanilla"))["notes"] == []
    notes = {method["name"]: method["note"] for method in desks.choosing.picker("scenes", ["vanilla"])["methods"]}
    assert (notes["pai"], notes["clvs"]) == ("PAI was made for others.", "")


@pytest.mark.parametrize(("spec", "told"), [
    ("clvs:first_check=30", "The model has 8 layers; set First check of CLVS to one of them."),
    ("pai:start_layer=20+clvs", "The model has 8 layers; set First layer of PAI to one of them."),
    ("tarac:layers=3-8", "The model has 8 layers; set Layers of TARAC to one of them."),
    ("var:dims=5000", "dims names dimension 5000, but this model's hidden states have 0 to 4095."),
])  # fmt: skip
def test_settings_that_this_model_cannot_have_are_told_in_the_pages_words(desks, spec, told):
    assert run(desks, Session(), "vanilla", spec)[-1]["error"] == told


def test_answers_are_cut_where_their_maps_would_not_fit(desks, fake, monkeypatch):
    token = 2 * 3 * fake.layers * fake.heads * viewer_fakes.SIDE**2  # vanilla has one map for each head, CLVS two
    monkeypatch.setattr(limits, "MAX_RESULT", 5 * token + 1)
    session = Session()
    last = run(desks, session, question="Count slowly.", tokens=16)[-1]
    assert [len(method["tokens"]) for method in last["methods"]] == [5, 5]
    assert "Answers end after 5 tokens here: maps of more would not fit into memory." in last["notes"]
    more = desks.answering.adjust(session, *controls("vanilla", "clvs", "pai"))
    assert len(more["methods"][2]["tokens"]) == 3, "three methods have room for fewer"
    monkeypatch.undo()
    assert run(desks, Session())[-1]["notes"] == []


@pytest.mark.parametrize(("changes", "told"), [
    ({"question": " "}, "no question"),
    ({"question": "x" * 513}, "513 characters"),
    ({"clvs": "alpha=2"}, "alpha must be"),
    ({"clvs": "gamma=none"}, "gamma must be"),
    ({"clvs": "delta=1"}, "not a setting of CLVS"),
    ({"methods": ["magic"]}, "no method 'magic'"),
    ({"methods": ["clvs:alpha=0.5" + " " * 2000]}, "2014 characters; shorten them to 2000"),
    ({"tokens": 65}, "1 to 64"),
    ({"model": "gpt"}, "no model 'gpt'"),
    ({"path": "/nowhere.png"}, "no picture"),
    ({"question": "Will you explode?"}, "Something went wrong on the server"),
])  # fmt: skip
def test_wrong_input_is_one_sentence_and_loses_nothing(desks, changes, told):
    session = Session()
    before = run(desks, session)[-1]
    result = session.result
    last = run(desks, session, **changes)[-1]
    assert told in last["error"]
    assert last["error"].count(".") <= 2
    assert "secret" not in last["error"]
    assert last["status"] == "done"
    assert session.result is result
    assert (last["blob"], last["objects"]) == (before["blob"], before["objects"])
    assert run(desks, session)[-1]["error"] == ""


def test_an_error_before_any_run_keeps_the_recorded_example(desks):
    last = run(desks, Session(), question="")[-1]
    assert "no question" in last["error"]
    assert last["blob"] == desks.first.payload["blob"]


def test_unknown_words_and_strange_pictures_are_said(desks, tmp_path):
    own = tmp_path / "mine.png"
    own.write_bytes(viewer_fakes.png())
    last = run(desks, Session(), question="Is there a unicorn?", path=str(own))[-1]
    assert any("does not know: unicorn" in note for note in last["notes"])
    assert any("drawn scenes only" in note for note in last["notes"])
    assert "--model" in last["offer"]["text"]
    bundled = run(desks, Session())[-1]
    assert (bundled["notes"], bundled["offer"]) == ([], None)


def test_an_own_picture_is_shown_re_encoded_and_cannot_be_linked(desks, tmp_path):
    own = tmp_path / "mine.png"
    own.write_bytes(viewer_fakes.png())
    session = Session()
    last = run(desks, session, path=str(own))[-1]
    path = last["image"]["url"].removeprefix("gradio_api/file=")
    assert path in desks.pictures.files
    assert "mine" not in path
    assert last["link"] == ""
    assert last["objects"] == []


def test_stop_keeps_what_has_come_and_frees_the_engine(desks, fake):
    session = Session()
    ticket = session.begin()
    path = str(desks.library.named("street").path)
    stream = desks.answering.run(session, ticket, path, "Count slowly.", *controls(tokens=64))
    payloads = [next(stream) for _ in range(5)]
    stopped = desks.answering.stop(session)
    assert (stopped["status"], stopped["progress"]) == ("done", "Stopped.")
    assert attention(stopped, "clvs").shape[0] == len(stopped["methods"][1]["tokens"]), "a map for every token"
    assert "heads/clvs" in stopped["arrays"]
    assert stopped["methods"][0]["tokens"] == payloads[-1]["methods"][0]["tokens"]
    assert list(stream) == [], "not one more payload"
    assert fake.closed == fake.opened == 2  # one was the recording's
    tokens = len(payloads[-1]["methods"][0]["tokens"])
    assert fake.steps - 2 <= tokens + 1, "at most one token more was computed"  # the recording took two


def test_closing_the_stream_frees_the_engine(desks, fake):
    session = Session()
    path = str(desks.library.named("street").path)
    stream = desks.answering.run(session, session.begin(), path, "Count slowly.", *controls())
    for _ in range(4):
        next(stream)
    stream.close()
    assert fake.closed == fake.opened
    assert run(desks, session)[-1]["error"] == ""


def test_a_full_queue_is_said(desks):
    session = Session()
    before = run(desks, session)[-1]
    desks.answering.begin(session)
    refused = desks.answering.refused(session)
    assert "try again in a minute" in refused["error"]
    assert refused["status"] == "done"
    assert not session.running
    assert refused["blob"] == before["blob"]


def test_a_newer_request_ends_an_older_one(desks):
    session = Session()
    path = str(desks.library.named("street").path)
    old = desks.answering.run(session, session.begin(), path, "Count slowly.", *controls(tokens=64))
    for _ in range(4):
        next(old)
    new = run(desks, session, question="Is there a car?")[-1]
    assert list(old) == []
    assert session.payload["question"] == new["question"] == "Is there a car?"
    (stale,) = desks.answering.run(session, session.ticket - 1, path, "Old?", *controls())
    assert stale.get("__type__") == "update", "a request that came too late changes nothing"
    assert "value" not in stale


def test_two_visitors_never_see_each_other(desks):
    """Two interleaved streams: every payload is about its own visitor's question and picture."""
    sessions = {"Count dogs slowly.": Session(), "Count apples slowly.": Session()}
    scenes = {"Count dogs slowly.": "street", "Count apples slowly.": "table"}
    seen = {question: [] for question in sessions}

    def visit(question):
        seen[question] += run(desks, sessions[question], scene=scenes[question], question=question, tokens=8)

    threads = [threading.Thread(target=visit, args=(question,)) for question in sessions]
    for thread in threads:
        thread.start()
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    for question, payloads in seen.items():
        assert {p["question"] for p in payloads[1:]} == {question}
        assert all(p["image"]["url"].endswith(f"{scenes[question]}.png") for p in payloads[1:])
        assert sessions[question].result.question == question
    first, second = (session.payload for session in sessions.values())
    assert first["id"] != second["id"]
    assert [o["name"] for o in second["objects"]] == ["apple"]


def test_a_picture_is_opened_before_its_turn(desks, tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "mine.png")
    session, path = Session(), str(tmp_path / "mine.png")
    told = desks.answering.look(session, session.begin(), path, "Why?", *controls())
    assert [each["is_valid"] for each in told] == [True] * 8, "one for each input"
    monkeypatch.setattr(limits, "open_picture", lambda path: pytest.fail("opened in the model's time"))
    assert run(desks, session, path=path)[-1]["error"] == ""


def test_a_picture_that_cannot_be_opened_is_not_tried_again_in_the_models_time(desks, tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(b"nothing")
    session, path = Session(), str(tmp_path / "x.png")
    desks.answering.look(session, session.begin(), path, "Why?", *controls())
    with monkeypatch.context() as patch:
        patch.setattr(limits, "open_picture", lambda path: pytest.fail("opened in the model's time"))
        assert "not a picture" in run(desks, session, path=path)[-1]["error"]
    Image.new("RGB", (64, 64)).save(tmp_path / "x.png")
    desks.answering.look(session, session.begin(), path, "Why?", *controls())
    assert run(desks, session, path=path)[-1]["error"] == "", "another file may lie there by now"


def test_running_looks_first(library, models, first_answer):
    page = build.build(models, library, first_answer)
    (running,) = (fn for fn in page.fns.values() if fn.name == "run")
    assert running.validator.__name__ == "look"
    assert running.concurrency_limit == 1
    asking = [fn for fn in page.fns.values() if fn.name in ("ask", "key_object_curve")]
    assert {fn.concurrency_id for fn in asking} == {"api"}, "they open pictures, too"


def test_a_prompt_stays_for_a_setting_and_goes_into_the_link(desks, fake):
    session = Session()
    payload = run(desks, session, prompt="vicuna+one-word")[-1]
    assert payload["link"].endswith("&tokens=16&prompt=vicuna%2Bone-word")
    assert payload["notes"] == ["Prompt: Vicuna + one word (VCD, IMCCD)."]
    assert payload["question"] == "Is there a dog in the image?"
    moved = desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    assert moved["link"].endswith("prompt=vicuna%2Bone-word"), "it applies at the next Run"
    assert fake.prompts[-2:] == ["vicuna+one-word"] * 2
    back = arrive(desks, session, **parse_qs(payload["link"]))
    assert back[-2] == "vicuna+one-word"
    assert "vicuna+one-word" in {name for _, name in desks.choosing.prompts("scenes")}
    assert arrive(desks, session, scene="street", prompt="magic")[-2] == "chat"


def test_an_error_amid_an_answer_keeps_what_has_come(desks, monkeypatch):
    session = Session()
    run(desks, session)
    progressed, seen = desks.screen.progressed, []

    def broken(result, answer):
        seen.append(answer)
        if len(seen) > 3:
            raise RuntimeError("a secret of the engine")
        return progressed(result, answer)

    monkeypatch.setattr(desks.screen, "progressed", broken)
    last = run(desks, session, question="Count slowly.", tokens=8)[-1]
    assert "Something went wrong" in last["error"]
    assert (last["question"], last["status"], len(last["methods"][0]["tokens"])) == ("Count slowly.", "done", 2)
    assert "heads/clvs" in last["arrays"]


def test_the_oldest_results_make_room(desks):
    one, other = Session(), Session()
    run(desks, one)
    size = one.result.nbytes
    assert size > 3 * pictures.SIZE**2 + one.result.runs[0].trace.attention.nbytes
    desks.screen.budget.limit = size * 3 // 2
    payload = run(desks, other)[-1]
    assert one.result is one.picture is None
    assert other.result is not None
    assert payload["error"] == ""
    assert "no longer kept" in desks.answering.adjust(one, *controls(clvs="alpha=0.5"))["error"]
    assert "no longer kept" in Exports(desks).handle(one, event(kind="clvs.npz"))["error"]
    assert run(desks, one)[-1]["error"] == ""


def test_only_the_newest_of_two_settings_is_shown(desks, monkeypatch):
    session = Session()
    run(desks, session)
    ask, inner = desks.asker.ask, []

    def slow(*args, **named):
        if not inner:
            inner.append(None)
            inner.append(desks.answering.adjust(session, *controls(clvs="alpha=0.5,beta=0.3")))
        return ask(*args, **named)

    monkeypatch.setattr(desks.asker, "ask", slow)
    assert "value" not in desks.answering.adjust(session, *controls(clvs="alpha=0.5"))
    assert inner[1]["methods"][1]["spec"] == session.payload["methods"][1]["spec"] == "clvs:alpha=0.5,beta=0.3"


def test_a_token_that_comes_during_stop_does_not_run_on(desks, monkeypatch):
    session = Session()
    path = str(desks.library.named("street").path)
    stream = desks.answering.run(session, session.begin(), path, "Count slowly.", *controls(tokens=64))
    for _ in range(4):
        next(stream)
    build = desks.screen.payload

    def stopped(*args):
        monkeypatch.setattr(desks.screen, "payload", build)
        desks.answering.stop(session)
        return build(*args)

    monkeypatch.setattr(desks.screen, "payload", stopped)
    assert all("value" not in update for update in stream)
    assert session.payload["status"] == "done"
    monkeypatch.undo()
    assert desks.answering.adjust(session, *controls(clvs="alpha=0.5"))["status"] == "done", (
        "a setting does not wait for it"
    )
