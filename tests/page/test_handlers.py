"""The page's behaviour without a browser: requests, settings, objects, errors and what one visitor can see."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs

import numpy as np
import pytest
from gradio.context import LocalContext
from PIL import Image
from starlette.datastructures import QueryParams

import clvs_core as clvs
from clvs_core.errors import ClvsError, ModelError, Stopped
from clvs_core.key_objects import relative_gain, together
from clvs_core.methods import METHODS
from clvs_core.models.prompts import SUFFIXES
from clvs_core.models.registry import CARDS
from tests import viewer_fakes
from tests.page import pictures
from tests.page.fake import FakeModel
from tests.page.test_limits import png_header
from viz.figures import traces as figures
from viz.page import build, limits
from viz.page.downloads import KINDS, Exports
from viz.page.library import Library
from viz.page.limits.listeners import GONE
from viz.page.models import Models
from viz.page.session import Session, Settings
from viz.page.widgets import MethodPicker, PictureInput, Setting
from viz.viewer.payload import decode

CONTROLS = {"model": "scenes", "methods": ["vanilla", "clvs"], "tokens": 16, "prompt": "chat"}
FOUR = ["vanilla", "clvs", "vcd", "pai"]


def event(**data):
    return SimpleNamespace(_data=data)


def controls(*methods, clvs="", **changes):
    """The page's controls: these methods, or vanilla and CLVS with the given settings."""
    picked = list(methods) or ["vanilla", f"clvs:{clvs}" if clvs else "clvs"]
    return tuple({**CONTROLS, "methods": picked, **changes}.values())


def run(handlers, session, *methods, scene="street", question="Is there a dog in the image?", path=None, **changes):
    path = path or str(handlers.library.named(scene).path)
    return list(handlers.run(session, session.begin(), path, question, *controls(*methods, **changes)))


def attention(payload, key):
    return decode(payload)[f"attention/{key}"]


def test_an_answer_arrives_token_by_token(handlers):
    payloads = run(handlers, Session())
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


def test_the_question_picks_the_key_objects(handlers):
    last = run(handlers, Session(), question="Are there any puppies?")[-1]
    assert {item["name"]: item["on"] for item in last["objects"]} == {"car": False, "dog": True}


def test_a_switched_object_stays_for_a_setting_and_not_for_a_new_question(handlers):
    session = Session()
    run(handlers, session)
    handlers.switch_objects(session, event(on=["car"]))
    moved = handlers.adjust(session, *controls(clvs="alpha=0.5"))
    assert {item["name"] for item in moved["objects"] if item["on"]} == {"car"}
    assert {item["name"] for item in run(handlers, session)[-1]["objects"] if item["on"]} == {"dog"}


def test_a_setting_asks_only_the_changed_method_again(handlers, fake):
    session = Session()
    before = run(handlers, session)[-1]
    after = handlers.adjust(session, *controls(clvs="alpha=0.5"))
    assert fake.asked == [["clvs:alpha=0.5"]]
    assert after["id"] == before["id"], "the viewer keeps its layer and token"
    assert after["status"] == "done"
    np.testing.assert_array_equal(attention(after, "vanilla"), attention(before, "vanilla"))
    np.testing.assert_allclose(attention(after, "clvs") / attention(before, "clvs"), 0.5 / 0.8, rtol=2e-3)


def test_a_setting_of_the_recorded_example_needs_no_run(handlers):
    payload = handlers.adjust(Session(), *controls(clvs="alpha=0.5"))
    assert payload["error"] == ""
    assert payload["id"] == handlers.recording.payload["id"]
    assert payload["question"] == handlers.recording.question
    assert [m["spec"] for m in payload["methods"]] == ["vanilla", "clvs:alpha=0.5"]


def test_a_setting_ignores_an_edited_question(handlers):
    session = Session()
    run(handlers, session, question="Is there a car?")
    payload = handlers.adjust(session, *controls(clvs="beta=0.1"))
    assert payload["question"] == "Is there a car?"


def test_a_setting_that_moves_while_an_answer_comes_waits_for_its_end(handlers, fake):
    session = Session()
    path = str(handlers.library.named("street").path)
    stream = handlers.run(session, session.begin(), path, "Count slowly.", *controls(tokens=4))
    for _ in range(3):
        next(stream)
    for alpha in (0.1, 0.5):
        assert "value" not in handlers.adjust(session, *controls(clvs=f"alpha={alpha}"))
    payloads = list(stream)
    assert [m["spec"] for m in payloads[-1]["methods"]] == ["vanilla", "clvs:alpha=0.5"]
    assert payloads[-1]["question"] == "Count slowly."
    assert fake.asked == [["clvs:alpha=0.5"]]


def test_a_setting_that_comes_after_a_newer_request_changes_nothing(handlers, monkeypatch):
    session = Session()
    run(handlers, session)
    kept = session.result
    ask = handlers.models.ask
    monkeypatch.setattr(handlers.models, "ask", lambda *args, **named: (session.begin(), ask(*args, **named))[1])
    assert "value" not in handlers.adjust(session, *controls(clvs="alpha=0.5"))
    assert session.result is kept


def test_usual_settings_are_left_to_the_card():
    assert Settings.of(CARDS["scenes"]).methods == ("vanilla", "clvs")


def test_only_the_method_that_came_is_asked(handlers, fake):
    session = Session()
    before = run(handlers, session)[-1]
    after = handlers.adjust(session, *controls("vanilla", "clvs", "vcd"))
    assert fake.asked == [["vcd"]]
    assert [m["name"] for m in after["methods"]] == ["vanilla", "clvs", "vcd"]
    assert after["id"] == before["id"], "the viewer keeps its layer and token"
    for key in ("vanilla", "clvs"):
        np.testing.assert_array_equal(attention(after, key), attention(before, key))
    moved = handlers.adjust(session, *controls("vanilla", "clvs", "vcd:alpha=2"))
    assert fake.asked == [["vcd"], ["vcd:alpha=2"]], "one setting costs one branch"
    assert [m["spec"] for m in moved["methods"]] == ["vanilla", "clvs", "vcd:alpha=2"]


def test_taking_methods_away_or_in_another_order_computes_nothing(handlers, fake):
    session = Session()
    before = run(handlers, session, *FOUR)[-1]
    streams = fake.opened
    after = handlers.adjust(session, *controls("pai", "vanilla"))
    assert [m["name"] for m in after["methods"]] == ["pai", "vanilla"]
    for key in ("vanilla", "pai"):
        np.testing.assert_array_equal(attention(after, key), attention(before, key))
    assert (fake.asked, fake.opened) == ([], streams)
    assert len(session.result.runs) == 2


def test_a_stopped_answer_is_not_taken_for_a_finished_one(handlers, fake):
    session = Session()
    path = str(handlers.library.named("street").path)
    stream = handlers.run(session, session.begin(), path, "Count slowly.", *controls(tokens=4))
    for _ in range(4):
        next(stream)
    handlers.stop(session)
    handlers.adjust(session, *controls("vanilla", "clvs", "pai"))
    assert fake.asked == [["vanilla", "clvs", "pai"]]


def test_methods_that_work_together_are_one(handlers, fake):
    session = Session()
    payload = run(handlers, session, "vanilla", "clvs:alpha=0.7+pai")[-1]
    assert [m["spec"] for m in payload["methods"]] == ["vanilla", "pai+clvs:alpha=0.7"]
    assert "method=pai%2Bclvs:alpha=0.7" in payload["link"]
    handlers.adjust(session, *controls("vanilla", "pai+clvs:alpha=0.7"))
    assert fake.asked == [], "in whatever order they were written"


def test_waiting_says_what_is_looked_at(handlers):
    told = [payload["progress"] for payload in run(handlers, Session(), *FOUR)]
    assert told[:3] == ["Reading the picture…", "Reading the picture once more, with noise…", "Token 1…"]
    assert run(handlers, Session())[1]["progress"] == "Reading the question…"


@pytest.mark.parametrize("picked", [[], ["vanilla"] * 5, "vanilla", None, {"0": "vanilla"}, [["vanilla"]], [5]])
def test_what_a_browser_may_send_as_methods(handlers, picked):
    session = Session()
    before = run(handlers, session)[-1]
    kept = session.result
    for payload in (run(handlers, session, methods=picked)[-1], handlers.adjust(session, *controls(methods=picked))):
        assert "1 to 4 methods" in payload["error"] or "must be a text" in payload["error"]
        assert payload["blob"] == before["blob"]
    assert session.result is kept


def test_the_picker_says_what_each_method_is(handlers):
    shown = handlers.picker("scenes", ["vanilla", "clvs:alpha=0.7", "pai+clvs"])
    found = {method["name"]: method for method in shown["methods"]}
    assert [*found] == [*METHODS]
    assert shown["limit"] == 4
    assert shown["entries"] == [
        [{"name": "vanilla", "set": {}}],
        [{"name": "clvs", "set": {"alpha": 0.7}}],
        [{"name": "pai", "set": {}}, {"name": "clvs", "set": {}}],
    ]
    assert {name for name, method in found.items() if method["reason"]} == {"var", "adhh"}
    assert "none is known for Scenes 8M" in found["adhh"]["reason"]
    (first_check,) = (field for field in found["clvs"]["fields"] if field["name"] == "first_check")
    assert (first_check["high"], first_check["value"]) == (7, 5), "of 8 layers"
    assert shown["specs"] == MethodPicker(shown).preprocess(shown) == ["vanilla", "clvs:alpha=0.7", "pai+clvs"]
    json.dumps(shown, allow_nan=False)


def test_a_method_that_cannot_run_on_the_model_says_why(handlers):
    session = Session()
    before = run(handlers, session)[-1]
    refused = handlers.adjust(session, *controls("vanilla", "clvs", "adhh"))
    assert refused["error"].startswith("AD-HH needs a list of heads, and none is known for Scenes 8M")
    assert refused["blob"] == before["blob"]
    own = handlers.adjust(session, *controls("vanilla", "adhh:heads=2-1/4-0"))
    assert own["error"] == ""
    assert [m["name"] for m in own["methods"]] == ["vanilla", "adhh"]


def test_what_a_method_means_on_this_model_is_said_beside_its_answer(handlers, monkeypatch):
    card = replace(handlers.models.cards["scenes"], method_notes={"pai": "PAI was made for others."})
    monkeypatch.setitem(handlers.models.cards, "scenes", card)
    session = Session()
    assert run(handlers, session)[-1]["notes"] == []
    assert handlers.adjust(session, *controls("vanilla", "pai+clvs"))["notes"] == ["PAI: PAI was made for others."]
    assert handlers.adjust(session, *controls("vanilla"))["notes"] == []
    notes = {method["name"]: method["note"] for method in handlers.picker("scenes", ["vanilla"])["methods"]}
    assert (notes["pai"], notes["clvs"]) == ("PAI was made for others.", "")


@pytest.mark.parametrize(("spec", "told"), [
    ("clvs:first_check=30", "The model has 8 layers; set First check of CLVS to one of them."),
    ("pai:start_layer=20+clvs", "The model has 8 layers; set First layer of PAI to one of them."),
    ("tarac:layers=3-8", "The model has 8 layers; set Layers of TARAC to one of them."),
    ("var:dims=5000", "dims names dimension 5000, but this model's hidden states have 0 to 4095."),
])  # fmt: skip
def test_settings_that_this_model_cannot_have_are_told_in_the_pages_words(handlers, spec, told):
    assert run(handlers, Session(), "vanilla", spec)[-1]["error"] == told


def test_answers_are_cut_where_their_maps_would_not_fit(handlers, fake, monkeypatch):
    token = 2 * 3 * fake.layers * fake.heads * viewer_fakes.SIDE**2  # vanilla has one map for each head, CLVS two
    monkeypatch.setattr(limits, "MAX_RESULT", 5 * token + 1)
    session = Session()
    last = run(handlers, session, question="Count slowly.", tokens=16)[-1]
    assert [len(method["tokens"]) for method in last["methods"]] == [5, 5]
    assert "Answers end after 5 tokens here: maps of more would not fit into memory." in last["notes"]
    more = handlers.adjust(session, *controls("vanilla", "clvs", "pai"))
    assert len(more["methods"][2]["tokens"]) == 3, "three methods have room for fewer"
    monkeypatch.undo()
    assert run(handlers, Session())[-1]["notes"] == []


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
def test_wrong_input_is_one_sentence_and_loses_nothing(handlers, changes, told):
    session = Session()
    before = run(handlers, session)[-1]
    result = session.result
    last = run(handlers, session, **changes)[-1]
    assert told in last["error"]
    assert last["error"].count(".") <= 2
    assert "secret" not in last["error"]
    assert last["status"] == "done"
    assert session.result is result
    assert (last["blob"], last["objects"]) == (before["blob"], before["objects"])
    assert run(handlers, session)[-1]["error"] == ""


def test_an_error_before_any_run_keeps_the_recorded_example(handlers):
    last = run(handlers, Session(), question="")[-1]
    assert "no question" in last["error"]
    assert last["blob"] == handlers.recording.payload["blob"]


def test_unknown_words_and_strange_pictures_are_said(handlers, tmp_path):
    own = tmp_path / "mine.png"
    own.write_bytes(viewer_fakes.png())
    last = run(handlers, Session(), question="Is there a unicorn?", path=str(own))[-1]
    assert any("does not know: unicorn" in note for note in last["notes"])
    assert any("drawn scenes only" in note for note in last["notes"])
    assert "--model" in last["offer"]["text"]
    bundled = run(handlers, Session())[-1]
    assert (bundled["notes"], bundled["offer"]) == ([], None)


def test_an_own_picture_is_shown_re_encoded_and_cannot_be_linked(handlers, tmp_path):
    own = tmp_path / "mine.png"
    own.write_bytes(viewer_fakes.png())
    session = Session()
    last = run(handlers, session, path=str(own))[-1]
    path = last["image"]["url"].removeprefix("gradio_api/file=")
    assert path in handlers.files
    assert "mine" not in path
    assert last["link"] == ""
    assert last["objects"] == []


def test_stop_keeps_what_has_come_and_frees_the_engine(handlers, fake):
    session = Session()
    ticket = session.begin()
    path = str(handlers.library.named("street").path)
    stream = handlers.run(session, ticket, path, "Count slowly.", *controls(tokens=64))
    payloads = [next(stream) for _ in range(5)]
    stopped = handlers.stop(session)
    assert (stopped["status"], stopped["progress"]) == ("done", "Stopped.")
    assert attention(stopped, "clvs").shape[0] == len(stopped["methods"][1]["tokens"]), "a map for every token"
    assert "heads/clvs" in stopped["arrays"]
    assert stopped["methods"][0]["tokens"] == payloads[-1]["methods"][0]["tokens"]
    assert list(stream) == [], "not one more payload"
    assert fake.closed == fake.opened == 2  # one was the recording's
    tokens = len(payloads[-1]["methods"][0]["tokens"])
    assert fake.steps - 2 <= tokens + 1, "at most one token more was computed"  # the recording took two


def test_closing_the_stream_frees_the_engine(handlers, fake):
    session = Session()
    path = str(handlers.library.named("street").path)
    stream = handlers.run(session, session.begin(), path, "Count slowly.", *controls())
    for _ in range(4):
        next(stream)
    stream.close()
    assert fake.closed == fake.opened
    assert run(handlers, session)[-1]["error"] == ""


def test_a_full_queue_is_said(handlers):
    session = Session()
    before = run(handlers, session)[-1]
    handlers.begin(session)
    refused = handlers.refused(session)
    assert "try again in a minute" in refused["error"]
    assert refused["status"] == "done"
    assert not session.running
    assert refused["blob"] == before["blob"]


def test_a_newer_request_ends_an_older_one(handlers):
    session = Session()
    path = str(handlers.library.named("street").path)
    old = handlers.run(session, session.begin(), path, "Count slowly.", *controls(tokens=64))
    for _ in range(4):
        next(old)
    new = run(handlers, session, question="Is there a car?")[-1]
    assert list(old) == []
    assert session.payload["question"] == new["question"] == "Is there a car?"
    (stale,) = handlers.run(session, session.ticket - 1, path, "Old?", *controls())
    assert stale.get("__type__") == "update", "a request that came too late changes nothing"
    assert "value" not in stale


def test_two_visitors_never_see_each_other(handlers):
    """Two interleaved streams: every payload is about its own visitor's question and picture."""
    sessions = {"Count dogs slowly.": Session(), "Count apples slowly.": Session()}
    scenes = {"Count dogs slowly.": "street", "Count apples slowly.": "table"}
    seen = {question: [] for question in sessions}

    def visit(question):
        seen[question] += run(handlers, sessions[question], scene=scenes[question], question=question, tokens=8)

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


def test_one_model_call_at_a_time(library):
    """The lock is what holds when a call comes past the queue."""
    busy = []

    class Watched:
        layers, heads = 8, 2
        views, key = SimpleNamespace(visual=36), ("", "")
        inside = 0

        def forget(self, content):
            pass

        def unknown_words(self, question, prompt="chat"):
            return []

        def open_image(self, picture, prompt="chat"):
            return self

        def ask(self, *args, **kwargs):
            self.inside += 1
            busy.append(self.inside)
            time.sleep(0.02)
            self.inside -= 1
            return []

    watched = Watched()
    models = Models(load=lambda name, **settings: watched)
    picture = Image.new("RGB", (8, 8))
    threads = [threading.Thread(target=models.ask, args=("scenes", picture, "?", [], 1)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy == [1] * 6


def test_no_more_than_the_queue_may_wait(models, library, monkeypatch):
    models._room = threading.BoundedSemaphore(1)
    models._room.acquire()
    with pytest.raises(ClvsError, match="Too many people"):
        models.ask("scenes", None, "?", [], 1)
    models._room.release()
    picture = Image.new("RGB", (96, 96))
    assert models.ask("scenes", picture, "Yes?", [clvs.Vanilla()], 4).runs[0].text == "Yes"
    assert models._room.acquire(blocking=False), "a place is given back"


def test_what_nobody_waits_for_any_more_is_not_asked(models, fake):
    gone = threading.Event()
    request = SimpleNamespace(request=SimpleNamespace(scope={GONE: gone}), session_hash="somebody")
    token = LocalContext.request.set(request)
    picture = Image.new("RGB", (96, 96))
    assert models.ask("scenes", picture, "Yes?", [clvs.Vanilla()], 4).runs[0].text == "Yes"
    gone.set()
    before = fake.opened
    with pytest.raises(Stopped):
        models.ask("scenes", picture, "Why?", [clvs.Vanilla()], 4)
    assert fake.opened == before
    LocalContext.request.reset(token)


def test_a_picture_is_opened_before_its_turn(handlers, tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "mine.png")
    session, path = Session(), str(tmp_path / "mine.png")
    told = handlers.look(session, session.begin(), path, "Why?", *controls())
    assert [each["is_valid"] for each in told] == [True] * 8, "one for each input"
    monkeypatch.setattr(limits, "open_picture", lambda path: pytest.fail("opened in the model's time"))
    assert run(handlers, session, path=path)[-1]["error"] == ""


def test_a_picture_that_cannot_be_opened_is_not_tried_again_in_the_models_time(handlers, tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(b"nothing")
    session, path = Session(), str(tmp_path / "x.png")
    handlers.look(session, session.begin(), path, "Why?", *controls())
    with monkeypatch.context() as patch:
        patch.setattr(limits, "open_picture", lambda path: pytest.fail("opened in the model's time"))
        assert "not a picture" in run(handlers, session, path=path)[-1]["error"]
    Image.new("RGB", (64, 64)).save(tmp_path / "x.png")
    handlers.look(session, session.begin(), path, "Why?", *controls())
    assert run(handlers, session, path=path)[-1]["error"] == "", "another file may lie there by now"


def test_running_looks_first(library, models, recording):
    page = build.build(models, library, recording)
    (running,) = (fn for fn in page.fns.values() if fn.name == "run")
    assert running.validator.__name__ == "look"
    assert running.concurrency_limit == 1
    asking = [fn for fn in page.fns.values() if fn.name in ("ask", "key_object_curve")]
    assert {fn.concurrency_id for fn in asking} == {"api"}, "they open pictures, too"


def test_a_model_is_loaded_once_and_only_if_offered():
    loads = []
    models = Models(
        ["scenes", "llava-1.5-7b"], dtype="float16", load=lambda name, **s: loads.append((name, s)) or object()
    )
    threads = [threading.Thread(target=models.get, args=("scenes",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [("scenes", {"dtype": "float16", "device": "auto"})]
    with pytest.raises(ModelError, match="choose one of scenes, llava"):
        models.get("/etc/passwd")


def test_choosing_fills_the_page_in(handlers):
    session = Session()
    path, question, chips, payload, ticket = handlers.choose(session, event(name="table"))
    assert payload["status"] == "running"
    assert payload["progress"] == "Waiting for the model…"
    assert path.endswith("table.png")
    assert [question] == chips == pictures.QUESTIONS["table"]
    assert ticket == session.ticket == session.running > 0
    assert handlers.suggest(session, event(question="Why?"))[::2] == ("Why?", session.ticket)
    assert session.ticket != ticket
    for nothing in (
        handlers.choose(session, event(name="../x")),
        handlers.choose(session, event()),
        handlers.suggest(session, event(question=["Why?"])),
    ):
        assert all("value" not in update for update in nothing), "no ticket, so nothing runs"


def arrive(handlers, session, **query):
    """query: by name; several texts for one that comes several times."""
    pairs = [(name, text) for name, given in query.items() for text in ([given] if isinstance(given, str) else given)]
    return handlers.arrive(session, SimpleNamespace(query_params=QueryParams(pairs)))


def test_a_link_fills_the_page_in(handlers):
    session = Session()
    query = {"scene": "table", "q": "Is it red?", "method": "clvs:alpha=0.3,first_check=2,early_termination=false"}
    payload, path, question, chips, scene, *values, ticket = arrive(handlers, session, **query, tokens="4", layer="3")
    assert scene == "table", "the strip marks it"
    assert payload["status"] == "running"
    assert path.endswith("table.png")
    assert question == "Is it red?"
    assert chips == pictures.QUESTIONS["table"]
    model, picker, *others = values
    assert (model, others) == ("scenes", [4, "chat"])
    assert picker["entries"] == [
        [{"name": "vanilla", "set": {}}],
        [{"name": "clvs", "set": {"alpha": 0.3, "first_check": 2, "early_termination": False}}],
    ]
    values[1] = picker["specs"]
    last = list(handlers.run(session, ticket, path, question, *values))[-1]
    assert last["view"] == {"layer": 2}
    assert last["link"] == (
        "scene=table&q=Is+it+red%3F&method=clvs:alpha=0.3,first_check=2,early_termination=false&tokens=4"
    )
    assert run(handlers, session)[-1]["view"] == {}, "a link's layer is for its own result only"


def test_a_prompt_stays_for_a_setting_and_goes_into_the_link(handlers, fake):
    session = Session()
    payload = run(handlers, session, prompt="vicuna+one-word")[-1]
    assert payload["link"].endswith("&tokens=16&prompt=vicuna%2Bone-word")
    assert payload["notes"] == ["Prompt: Vicuna + one word (VCD, IMCCD)."]
    assert payload["question"] == "Is there a dog in the image?"
    moved = handlers.adjust(session, *controls(clvs="alpha=0.5"))
    assert moved["link"].endswith("prompt=vicuna%2Bone-word"), "it applies at the next Run"
    assert fake.prompts[-2:] == ["vicuna+one-word"] * 2
    back = arrive(handlers, session, **parse_qs(payload["link"]))
    assert back[-2] == "vicuna+one-word"
    assert "vicuna+one-word" in {name for _, name in handlers.prompts("scenes")}
    assert arrive(handlers, session, scene="street", prompt="magic")[-2] == "chat"


def test_a_prompt_of_another_family_is_not_taken_from_a_link(handlers, fake):
    name = offer(handlers, "qwen2.5-vl-3b", fake)
    assert arrive(handlers, Session(), scene="street", model=name, prompt="vicuna")[-2] == "chat"
    assert [prompt for _, prompt in handlers.prompts(name)] == ["chat", *SUFFIXES]
    assert handlers.prompts(name, "scenes") == handlers.prompts("scenes"), "each once"


def test_a_plain_address_changes_nothing(handlers):
    assert all("value" not in item for item in arrive(handlers, Session())), "no ticket either, so nothing runs"


def test_a_link_to_nowhere_is_said(handlers):
    payload, *rest, ticket = arrive(handlers, Session(), scene="gone")
    assert "not here" in payload["error"]
    assert "value" not in ticket
    payload, *rest, _ = arrive(handlers, Session(), scene="street", method="clvs:alpha=7", model="other")
    model, picker, *others = rest[4:]
    assert (model, picker["specs"], *others) == controls(), "wrong settings are left out"


def test_a_link_with_several_methods(handlers):
    session = Session()
    query = {"scene": "street", "method": ["vcd:alpha=2", "pai+clvs", "magic", "vaf"]}
    _, path, question, *_, picker, tokens, prompt, ticket = arrive(handlers, session, **query)
    assert picker["specs"] == ["vcd:alpha=2", "pai+clvs", "vaf"]
    last = list(handlers.run(session, ticket, path, question, "scenes", picker["specs"], tokens, prompt))[-1]
    assert [m["name"] for m in last["methods"]] == ["vcd", "pai+clvs", "vaf"]
    again = arrive(handlers, Session(), **parse_qs(last["link"]))
    assert again[-4]["specs"] == picker["specs"]
    alone = run(handlers, session, "tarac")[-1]["link"]
    assert arrive(handlers, Session(), **parse_qs(alone))[-4]["specs"] == ["tarac"]


def offer(handlers, name, model):
    """One more model on offer, not loaded yet."""
    handlers.models = Models(["scenes", name], load=lambda source, **settings: model)
    return name


def test_a_link_to_a_model_of_unknown_depth_runs_with_its_own_first_check(handlers):
    deep = FakeModel("llava-1.5-7b")
    deep.layers = 32
    name, session = offer(handlers, "llava-1.5-7b", deep), Session()
    _, path, question, _, _, _, picker, *others, ticket = arrive(handlers, session, scene="street", model=name)
    assert first_check(picker) == (None, None), "not the recorded model's"
    last = list(handlers.run(session, ticket, path, question, name, picker["specs"], *others))[-1]
    assert last["methods"][1]["spec"] == "clvs"
    fitted = handlers.fit(session, name, ["vanilla"])
    assert first_check(fitted) == (31, 17)
    assert fitted["specs"] == ["vanilla"]
    assert "entries" not in fitted, "what is picked stays"
    assert "value" not in handlers.fit(session, name, ["vanilla"]), "once is enough"


def first_check(picker):
    """Its last layer and its usual one."""
    fields = {method["name"]: method["fields"] for method in picker["methods"]}["clvs"]
    return next((field["high"], field["value"]) for field in fields if field["name"] == "first_check")


def test_a_link_with_a_first_check_that_is_too_deep_is_told(handlers):
    session = Session()
    query = {"scene": "street", "method": "clvs:first_check=30"}
    _, path, question, _, _, model, picker, *others, ticket = arrive(handlers, session, **query)
    last = list(handlers.run(session, ticket, path, question, model, picker["specs"], *others))[-1]
    assert "has 8 layers; set First check of CLVS" in last["error"]


def bring(handlers, session, content, question="Is there a dog?", name="mine.png"):
    """A file is uploaded while the street is shown."""
    path = handlers.files.put(content, name)
    shown = str(handlers.library.named("street").path)
    return str(path), handlers.new_picture(session, shown, question, event(path=str(path)))


@pytest.mark.parametrize(
    "content",
    [b"<svg/>", b"", viewer_fakes.png()[:60], png_header(20_000, 20_000)],
    ids=["svg", "empty", "cut", "bomb"],
)
def test_a_new_picture_that_is_refused_changes_nothing_but_the_sentence(handlers, content):
    session = Session()
    run(handlers, session)
    kept, ticket = session.picture, session.ticket
    path, (payload, picture, *others) = bring(handlers, session, content)
    assert all("value" not in part for part in (payload, *others)), "nothing runs, and what runs goes on"
    assert (picture["path"], picture["of"]) == (kept.path, path)
    assert picture["error"].endswith(".")
    assert (session.picture, session.ticket) == (kept, ticket)
    shown = PictureInput(handlers.library, "").postprocess(picture)
    assert shown["url"] == handlers.library.named("street").url
    assert shown["title"] == "The street <b>&\"'"


def test_a_new_picture_is_asked_the_question_that_stands_there(handlers):
    session = Session()
    path, (payload, picture, chips, chosen, ticket) = bring(handlers, session, viewer_fakes.png())
    assert (payload["status"], payload["error"], chosen, len(chips)) == ("running", "", "", 3)
    assert picture == {"path": path, "of": path}
    last = list(handlers.run(session, ticket, path, "Is there a dog?", *controls()))[-1]
    assert last["image"]["url"] == session.picture.url
    assert any("drawn scenes only" in note for note in last["notes"])
    path, (payload, picture, *_, ticket) = bring(handlers, session, viewer_fakes.png(), "  ")
    assert "ask something about it" in payload["error"]
    assert picture["path"] == path, "it is shown all the same"
    assert "value" not in ticket
    assert not session.running


@pytest.mark.parametrize("data", [
    None, {}, {"path": 5}, {"path": "/etc/passwd"}, {"path": "x" * 5000}, {"path": "\0"}, {"path": "\ud800"},
    {"path": __file__}, {"path": {"path": "/etc/passwd"}},
])  # fmt: skip
def test_a_picture_that_was_not_uploaded_is_not_opened(handlers, data):
    _, picture, *_ = handlers.new_picture(Session(), None, "Why?", SimpleNamespace(_data=data))
    assert "no picture" in picture["error"]
    assert PictureInput(handlers.library).preprocess(data) is None


def test_the_page_names_only_pictures_that_it_may_open(handlers):
    picture = PictureInput(handlers.library)
    scene, own = handlers.library.named("table"), handlers.files.put(viewer_fakes.png(), "mine.png")
    for path, title in ((scene.path, scene.title), (own, "Your own picture")):
        shown = picture.postprocess(str(path))
        assert (shown["title"], shown["error"], picture.preprocess(shown)) == (title, "", str(path))
    link = own.parent / "link.png"
    link.symlink_to("/etc/hostname")
    assert picture.preprocess({"path": str(link)}) is None
    assert picture.postprocess(str(own))["turn"] != picture.postprocess(str(own))["turn"], "else it would not be heard"


def test_a_region_stays_while_the_picture_does(handlers):
    session = Session()
    run(handlers, session)
    handlers.set_region(session, event(box=[0, 0, 50, 50]))
    last = run(handlers, session, question="Is there a car?")[-1]
    assert session.region == {"box": [0, 0, 50, 50]}
    handlers.switch_objects(session, event(on=[]))  # the viewer follows a region alone
    moved = handlers.adjust(session, *controls(clvs="alpha=0.5"))
    for payload in (last, moved):
        assert {o["name"] for o in payload["objects"] if o["on"]} == {"car"}, "followed again without the region"
    assert [item.name for item in handlers.key_objects(session, session.result)] == ["region"]
    run(handlers, session, scene="table", question="Is it red?")
    assert session.region == {}


def test_an_error_amid_an_answer_keeps_what_has_come(handlers, monkeypatch):
    session = Session()
    run(handlers, session)
    progressed, seen = handlers._progressed, []

    def broken(result, answer):
        seen.append(answer)
        if len(seen) > 3:
            raise RuntimeError("a secret of the engine")
        return progressed(result, answer)

    monkeypatch.setattr(handlers, "_progressed", broken)
    last = run(handlers, session, question="Count slowly.", tokens=8)[-1]
    assert "Something went wrong" in last["error"]
    assert (last["question"], last["status"], len(last["methods"][0]["tokens"])) == ("Count slowly.", "done", 2)
    assert "heads/clvs" in last["arrays"]


@pytest.mark.parametrize(("typed", "taken"), [(7, 1), (-1, 0), (0.33, 0.33), (None, None), (True, True)])
def test_a_number_out_of_range_becomes_the_nearest(typed, taken):
    assert Setting(0, 1, 0.8, step=0.05).preprocess(typed) is taken or taken == pytest.approx(
        Setting(0, 1, 0.8, step=0.05).preprocess(typed)
    )


def test_a_whole_setting_stays_whole():
    assert Setting(1, 12, 8, step=1).preprocess(3.4) == 3
    assert Setting(1, 12, 8, step=1).preprocess(40) == 12


def test_exported_curves_are_the_pages_own_on_overlapping_objects(handlers, monkeypatch):
    session = Session()
    run(handlers, session)
    handlers.switch_objects(session, event(on=["dog"]))
    handlers.set_region(session, event(box=[120, 96, 170, 150]))  # the dog's own box
    given = {}
    curves = figures.curves
    monkeypatch.setattr(figures, "curves", lambda *args, **named: given.update(named, values=args[1]) or curves(*args))
    Exports(handlers).make(session, "curves.svg", {})
    covers = [item.coverage for item in handlers.key_objects(session, session.result)]
    assert len(covers) == 2
    traces = [run.trace for run in session.result.runs]
    for trace, values in zip(traces, given["values"], strict=True):
        np.testing.assert_allclose(values, clvs.key_object_attention(trace, together(covers)))
    vanilla, method = given["gains"]
    assert vanilla is None
    expected = relative_gain(given["values"][1][0], given["values"][0][0]).unclipped
    np.testing.assert_array_equal(method, expected)


def test_another_model_brings_its_own_settings(handlers, fake):
    session = Session()
    run(handlers, session)
    kept = session.result
    offer(handlers, "llava-1.5-7b", fake)
    first, second = handlers.switch_model(session, "llava-1.5-7b")
    assert "Loading LLaVA-1.5 7B" in first[0]["progress"]
    assert second[1]["specs"] == ["vanilla", "clvs"]
    assert first_check(second[1]) == (fake.layers - 1, 5)
    (payload, *_), *_ = handlers.switch_model(session, "evil/model")
    assert "not offered" in payload["error"]
    assert session.result is kept
    moved = handlers.adjust(session, *controls(model="llava-1.5-7b", clvs="alpha=0.5"))
    assert moved["question"] == kept.question, "not the recorded example's"
    assert moved["id"] != kept.id
    assert (moved["model"]["label"], session.result.settings.model) == ("LLaVA-1.5 7B", "llava-1.5-7b")
    assert fake.asked == [["vanilla", "clvs:alpha=0.5"]], "the other model's answer is not reused"


@pytest.mark.parametrize("data", [
    {"box": [1, 2, 3]}, {"box": "1234"}, {"box": [1, 2, float("nan"), 4]}, {"box": [1e9] * 4}, {"box": [True] * 4},
    {"polygon": [[0, 0]] * 2}, {"polygon": [[0, 0, 0]] * 3}, {"polygon": [[0, 0]] * 5000}, {}, {"box": None},
])  # fmt: skip
def test_a_broken_region_is_no_region(handlers, data):
    session = Session(region={"box": [0, 0, 1, 1]})
    handlers.set_region(session, event(**data))
    assert session.region == {}


@pytest.mark.parametrize("kind", [*KINDS, "vanilla.npz", "clvs.npz"])
def test_every_download_is_what_it_says(handlers, kind):
    session = Session()
    run(handlers, session)
    handlers.set_region(session, event(box=[0, 0, 50, 50]))
    content = Exports(handlers).make(session, kind, {"step": 9, "scale": "layer", "layer": 2})
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "npz": b"PK", "html": b"<!doctype html>", "csv": b"step_from_0,token"}
    assert content.startswith(starts[kind.rpartition(".")[2]])
    if kind == "numbers.csv":
        header, *lines = content.decode().splitlines()
        assert header.split(",")[6:10] == ["picture", "car", "dog", "region"]
        assert len(lines) == 2 * 2 * viewer_fakes.LAYERS


def test_a_trace_download_loads_again(handlers, tmp_path):
    session = Session()
    run(handlers, session)
    path = tmp_path / "t.npz"
    path.write_bytes(Exports(handlers).make(session, "clvs.npz", {}))
    trace = clvs.Trace.load(path)
    np.testing.assert_array_equal(trace.attention, session.result.runs[1].trace.attention)


def test_every_method_has_its_own_trace(handlers, tmp_path):
    session, exports = Session(), Exports(handlers)
    last = run(handlers, session, "clvs:alpha=0.5", "clvs", "pai+clvs")[-1]
    assert [m["key"] for m in last["methods"]] == ["clvs", "clvs-2", "pai+clvs"]
    for method in last["methods"]:
        path = tmp_path / "t.npz"
        path.write_bytes(exports.make(session, f"{method['key']}.npz", {}))
        assert clvs.Trace.load(path).meta["method"] == method["spec"]
    assert "no answer of vanilla" in exports.handle(session, event(kind="vanilla.npz"))["error"]


def test_downloads_are_of_the_visitors_own_result(handlers):
    one, other = Session(), Session()
    run(handlers, one, question="Is there a car?")
    run(handlers, other, scene="table", question="Is it an apple?")
    exports = Exports(handlers)
    assert b"Is there a car?" in exports.make(one, "page.html", {})
    assert b"Is it an apple?" in exports.make(other, "page.html", {})
    first, second = (exports.handle(one, event(kind="numbers.csv")) for _ in range(2))
    assert first["url"] != second["url"], "an address cannot be guessed from another"
    for kind in ("../etc", "../x.npz", ["clvs.npz"], {}, None, "clvs.npz\n"):
        assert "no such download" in exports.handle(one, event(kind=kind))["error"]
    assert exports.handle(one, SimpleNamespace(_data=None))["error"]


def test_a_download_before_any_run_is_the_recorded_examples(handlers):
    page = Exports(handlers).make(Session(), "page.html", {}).decode()
    assert handlers.recording.question in page


def test_a_download_while_an_answer_comes_has_to_wait(handlers):
    session = Session()
    run(handlers, session, clvs="alpha=0.3")
    handlers.begin(session)
    told = Exports(handlers).handle(session, event(kind="numbers.csv"))
    assert "still coming" in told["error"]
    handlers.stop(session)
    assert b"alpha=0.3" in Exports(handlers).make(session, "numbers.csv", {})


def test_a_download_of_a_recording_whose_model_is_not_offered(handlers, library):
    other = Models(["llava-1.5-7b"], load=lambda name, **settings: pytest.fail("nothing has to be worked out"))
    handlers.models = other
    exports, session = Exports(handlers), Session()
    page = exports.make(session, "page.html", {"layer": 2}).decode()
    assert handlers.recording.question in page
    assert "Scenes 8M" in page
    assert exports.make(session, "numbers.csv", {}).startswith(b"step_from_0,token")
    for kind in ("heatmaps.png", "clvs.npz"):
        assert "press Run first" in exports.handle(session, event(kind=kind))["error"]


def test_the_oldest_results_make_room(handlers):
    one, other = Session(), Session()
    run(handlers, one)
    size = one.result.nbytes
    assert size > 3 * pictures.SIZE**2 + one.result.runs[0].trace.attention.nbytes
    handlers.budget.limit = size * 3 // 2
    payload = run(handlers, other)[-1]
    assert one.result is one.picture is None
    assert other.result is not None
    assert payload["error"] == ""
    assert "no longer kept" in handlers.adjust(one, *controls(clvs="alpha=0.5"))["error"]
    assert "no longer kept" in Exports(handlers).handle(one, event(kind="clvs.npz"))["error"]
    assert run(handlers, one)[-1]["error"] == ""


def test_only_the_newest_of_two_settings_is_shown(handlers, monkeypatch):
    session = Session()
    run(handlers, session)
    ask, inner = handlers.models.ask, []

    def slow(*args, **named):
        if not inner:
            inner.append(None)
            inner.append(handlers.adjust(session, *controls(clvs="alpha=0.5,beta=0.3")))
        return ask(*args, **named)

    monkeypatch.setattr(handlers.models, "ask", slow)
    assert "value" not in handlers.adjust(session, *controls(clvs="alpha=0.5"))
    assert inner[1]["methods"][1]["spec"] == session.payload["methods"][1]["spec"] == "clvs:alpha=0.5,beta=0.3"


def test_a_token_that_comes_during_stop_does_not_run_on(handlers, monkeypatch):
    session = Session()
    path = str(handlers.library.named("street").path)
    stream = handlers.run(session, session.begin(), path, "Count slowly.", *controls(tokens=64))
    for _ in range(4):
        next(stream)
    build = handlers.payload

    def stopped(*args):
        monkeypatch.setattr(handlers, "payload", build)
        handlers.stop(session)
        return build(*args)

    monkeypatch.setattr(handlers, "payload", stopped)
    assert all("value" not in update for update in stream)
    assert session.payload["status"] == "done"
    monkeypatch.undo()
    assert handlers.adjust(session, *controls(clvs="alpha=0.5"))["status"] == "done", "a setting does not wait for it"


def test_loading_one_model_keeps_nobody_from_another():
    loading, go_on = threading.Event(), threading.Event()

    def load(name, **settings):
        if name == "llava-1.5-7b":
            loading.set()
            assert go_on.wait(60)
        return FakeModel()

    models = Models(["scenes", "llava-1.5-7b"], load=load)
    thread = threading.Thread(target=models.get, args=("llava-1.5-7b",))
    thread.start()
    assert loading.wait(60)
    other = threading.Thread(target=models.get, args=("scenes",))
    other.start()
    other.join(60)
    assert models.ready("scenes")
    assert not models.ready("llava-1.5-7b")
    go_on.set()
    thread.join()


def test_a_models_folder_is_told_by_its_name_only(handlers, tmp_path):
    folders = [tmp_path / "a" / "mine", tmp_path / "b" / "mine"]
    for folder in folders:
        folder.mkdir(parents=True)
    loads = []
    models = Models([str(folders[0])], load=lambda source, **s: (loads.append(source), FakeModel())[1])
    assert models.default == models.get("mine").card.name == models.cards["mine"].label == "mine"
    assert loads == [str(folders[0])]
    handlers.models = models
    last = run(handlers, Session(), model="mine")[-1]
    assert (last["error"], last["link"]) == ("", ""), "a link would name a model that is nowhere else"
    with pytest.raises(ModelError) as caught:
        models.get("other")
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ClvsError, match="rename one"):
        Models(list(map(str, folders)))


def test_a_library_says_what_is_wrong(tmp_path, library):
    with pytest.raises(ClvsError, match="cannot be read"):
        Library(tmp_path)
    with pytest.raises(ClvsError, match="cannot be read"):
        Library(library.folder, coco_annotations=tmp_path / "none.json")
    with pytest.raises(ClvsError, match="--coco-annotations"):
        Library(library.folder, coco_images=tmp_path)
    with pytest.raises(ClvsError, match="does not exist"):
        Library(library.folder, library.folder / "instances.json", tmp_path / "none")
    with pytest.raises(ClvsError, match="No picture"):
        Library(library.folder, library.folder / "instances.json", tmp_path)


def test_coco_pictures_are_recognised_by_name(library, tmp_path):
    coco = Library(library.folder, library.folder / "instances.json", library.folder)
    assert [scene.name for scene in coco.coco_scenes] == ["street", "table"]
    assert coco.coco_scenes[1].questions[0] == "Is there an apple in the image?"
    upload = tmp_path / "street.jpg"
    assert [item.name for item in coco.objects(upload, 192, 192)] == ["car", "dog"]
    assert coco.objects(upload, 100, 192) == [], "somebody else's picture with the same name"
    assert library.objects(upload, 192, 192) == []
