"""Recordings on the page, without a browser: the same as live, bounded, checked, and left again."""

from __future__ import annotations

import base64
import csv
import functools
import gzip
import io
import json
import shutil
from types import SimpleNamespace
from urllib.parse import parse_qs

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from starlette.datastructures import QueryParams

from clvs_core.errors import ClvsError
from tests import recordings as made
from tests.page.acts import STARTS
from viz import figures
from viz.exports import KINDS
from viz.page import events, main
from viz.page.desks import Desks
from viz.page.downloads import Exports
from viz.page.explore import explore
from viz.page.library import SCENES, Library
from viz.page.models import Models
from viz.page.recorded.recordings import Recordings
from viz.page.recorded.replaying import Replaying
from viz.page.session import Session
from viz.page.widgets import ModelMenu
from viz.viewer import received
from viz.viewer.payload import decode
from viz.viewer.view import View

packed = functools.partial(gzip.compress, mtime=0)  # the same bytes in every process

OWN = {"id", "link", "again", "recorded", "run", "knocks"}  # what only the page can say, beside the picture's address


def event(**data):
    return SimpleNamespace(_data=data)


def visit(**query):
    return SimpleNamespace(query_params=QueryParams(query))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made.make(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def live():
    """The page on the embedded model."""
    library = Library()
    return Desks(Models(), library, library.first_answer())


@pytest.fixture
def replaying(live, folder):
    return Replaying(Recordings([folder.parent]), live)


@pytest.fixture
def copy(folder, tmp_path):
    """A recording that a test may damage."""
    return shutil.copytree(folder, tmp_path / made.NAME)


def opened(replaying, id="kite-weather-2", session=None):
    return replaying.open(session or Session(), event(recording=made.NAME, id=id))[1]


def first(replaying):
    (one,) = replaying.recordings.named.values()
    return one


def rewrite(copy, change, id="kite-weather-1"):
    """Changes a question's payload in its file."""
    path = copy / "questions" / f"{id}.json.gz"
    payload = json.loads(gzip.decompress(path.read_bytes()))
    changed = change(payload)
    path.write_bytes(gzip.compress(json.dumps(payload if changed is None else changed).encode()))


# --- what is shown ----------------------------------------------------------------------------------------------


def test_of_choices_that_overtake_each_other_the_last_is_shown(live, folder, monkeypatch):
    replaying, session = Replaying(Recordings([folder]), live), Session()
    read = replaying._payload

    def overtaken(recorded, item, view):
        if item.id == "kite-weather-1":  # while it is read, a later choice comes and is answered
            later = replaying.open(session, event(recording=made.NAME, id="savanna-1", choice=2))
            assert later[1]["recorded"]["id"] == "savanna-1"
        return read(recorded, item, view)

    monkeypatch.setattr(replaying, "_payload", overtaken)
    assert replaying.open(session, event(recording=made.NAME, id="kite-weather-1", choice=1)) == events.unchanged(2)
    assert session.payload["recorded"]["id"] == "savanna-1"


@pytest.mark.parametrize("line", made.LINES)
def test_a_recorded_answer_is_the_live_one_bit_for_bit(replaying, live, line):
    session = Session()
    usual = vars(live.choosing.defaults("scenes")).values()
    *_, asked = live.answering.run(session, session.begin(), str(SCENES / line["image"]), line["question"], *usual)
    item = first(replaying).find(line["image"].removesuffix(".jpg"), line["question"])
    shown = opened(replaying, item.id)
    assert asked["status"] == shown["status"] == "done"
    for name in {*asked, *shown} - OWN - {"image"}:
        assert shown[name] == asked[name], name
    assert {**shown["image"], "url": ""} == {**asked["image"], "url": ""}
    assert shown["methods"][1]["lens"]
    assert any(name.startswith("heads/") for name in shown["arrays"])


def test_the_picture_is_the_recorded_one_without_its_folder(replaying, folder):
    shown = opened(replaying)
    path = shown["image"]["url"].partition("=")[2]
    assert str(folder) not in path
    with Image.open(path) as picture, Image.open(SCENES / "kite-weather.jpg") as scene:
        assert np.abs(np.asarray(picture, float) - np.asarray(scene.convert("RGB"), float)).mean() < 3


def test_the_desk_says_what_there_is_and_why_nothing_can_be_asked(replaying):
    state, shown = replaying.open(Session(), event(recording=made.NAME))
    assert shown["question"] == made.LINES[0]["question"]
    assert state["recordings"][0]["label"] == "LLaVA-1.5 7B"
    assert state["recordings"][0]["about"].startswith("3 questions, ")
    there = state["open"]
    assert there["why"] == (
        "Recorded on LLaVA-1.5 7B; it cannot be asked again here: start the app with --model llava-1.5-7b on a GPU."
    )
    assert [picture["title"] for picture in there["pictures"]] == ["Kite <b>weather</b>", "savanna"]
    assert all(picture["thumbnail"].startswith("data:image/webp;base64,") for picture in there["pictures"])
    assert [item["question"] for item in there["items"]] == [line["question"] for line in made.LINES]
    assert there["facts"][:2] == ["float32 on cpu", "the model's own chat template, at most 16 tokens"]
    assert opened(replaying, "savanna-1")["recorded"]["rights"] == "Picture: CC0 · my <i>zoo</i>"


def test_a_model_that_can_be_asked_here_is_not_said_to_be_out_of_reach(live, copy):
    about = json.loads((copy / "recording.json").read_text())
    about["model"]["id"] = "scenes"
    (copy / "recording.json").write_text(json.dumps(about))
    why = Replaying(Recordings([copy]), live).state(made.NAME)["open"]["why"]
    assert "choose it in the model menu" in why


def test_leaving_brings_the_visitors_own_answer_back(replaying, live):
    session = Session()
    *_, asked = live.answering.run(
        session,
        session.begin(),
        str(SCENES / "savanna.jpg"),
        "Is there a horse?",
        *vars(live.choosing.defaults("scenes")).values(),
    )
    assert opened(replaying, session=session)["recorded"]
    assert session.payload["recorded"]["id"] == "kite-weather-2"
    state, shown = replaying.leave(session)
    assert state["open"] is None
    assert shown == asked
    assert "recorded" not in session.payload
    assert replaying.leave(Session())[1] == live.first.payload, "nothing was asked before"


def test_whatever_is_asked_next_takes_a_recordings_place(replaying, live):
    session = Session()
    opened(replaying, session=session)
    assert "recorded" in live.screen.fail(session, "No."), "a sentence alone takes nothing away"
    loading, *_ = next(live.choosing.switch_model(session, "scenes"))
    assert (loading["id"], "recorded" in loading) == (live.first.payload["id"], False)
    opened(replaying, session=session)
    shown, _ = live.answering.begin(session)
    assert (shown["status"], "recorded" in shown) == ("running", False)


def test_opening_ends_what_is_being_answered(replaying):
    session = Session()
    ticket = session.begin()
    opened(replaying, session=session)
    assert not session.current(ticket)
    assert session.running == 0


def test_a_link_opens_what_it_names(replaying, live):
    link = {name: text for name, (text,) in parse_qs(opened(replaying)["link"]).items()}
    session = Session()
    desk, shown, *rest = replaying.arrive(session, visit(**link, layer="7", step="1"))
    assert desk["open"]["name"] == made.NAME
    assert (shown["question"], shown["view"]) == ("Where is the kite?", View(layer=6, step=1).whole())
    assert len(rest) == len(live.arriving.arrive(session, visit())) - 1
    assert replaying.arrive(session, visit(recording=made.NAME, scene="savanna"))[1]["recorded"]["id"] == "savanna-1"
    assert replaying.arrive(session, visit(recording=made.NAME, scene="?"))[1]["recorded"]["id"] == "kite-weather-1"
    assert "no such recording" in replaying.arrive(session, visit(recording="../x", scene="savanna"))[1]["error"]


def test_any_other_link_is_the_explorers(replaying):
    _, shown, path, *_ = replaying.arrive(Session(), visit(scene="savanna"))
    assert shown["progress"] == "Opening the link…"
    assert path.endswith("savanna.jpg")


@pytest.mark.parametrize("data", [{}, {"recording": "x"}, {"recording": ["x"]}, {"recording": "../borrowed"}])
def test_what_is_not_offered_is_not_opened(replaying, data):
    assert "no such recording" in replaying.open(Session(), event(**data))[1]["error"]
    assert "no such recording" in replaying.open(Session(), SimpleNamespace(_data=None))[1]["error"]


def test_parts_that_this_version_does_not_know_pass_through(live, copy):
    rewrite(copy, lambda payload: payload.update(later={"kept": [1.0]}))
    assert opened(Replaying(Recordings([copy]), live), "kite-weather-1")["later"] == {"kept": [1.0]}


# --- downloads --------------------------------------------------------------------------------------------------


def test_every_download_but_traces_and_knock_outs(replaying, live):
    exports, session = Exports(live, replaying), Session()
    assert "knocks" not in opened(replaying, session=session), "it cannot be hidden from a model that is not here"
    for kind in (kind for kind in KINDS if not kind.startswith("knockout")):
        content = exports.make(session, kind, View(step=1, layer=2)).content
        assert content.startswith(STARTS[kind.rpartition(".")[2]])
    assert b"Where is the kite?" in exports.make(session, "page.html", View()).content
    assert "a model that is not here" in exports.handle(session, event(kind="knockout.png"))["error"]
    assert "no full traces" in exports.handle(session, event(kind="clvs.npz"))["error"]


def test_numbers_are_the_live_ones_with_what_the_visitor_chose(replaying, live):
    def table(session):
        view = View(on=("dog",), region={"box": [10, 10, 200, 300]})
        return list(
            csv.reader(io.StringIO(Exports(live, replaying).make(session, "numbers.csv", view).content.decode()))
        )

    recorded, asked = Session(), Session()
    opened(replaying, session=recorded)
    question = "Where is the kite?"
    usual = vars(live.choosing.defaults("scenes")).values()
    list(live.answering.run(asked, asked.begin(), str(SCENES / "kite-weather.jpg"), question, *usual))
    assert table(recorded) == table(asked)
    assert "region" in table(recorded)[0]


def test_figures_are_drawn_from_the_live_numbers(replaying, live, monkeypatch):
    def drawn(session):
        given = {}
        curves = figures.curves
        with monkeypatch.context() as patch:
            patch.setattr(figures, "curves", lambda *args, **named: given.update(named, v=args[1]) or curves(*args))
            Exports(live, replaying).make(session, "curves.svg", View())
        return given

    recorded, asked = Session(), Session()
    opened(replaying, session=recorded)
    usual = vars(live.choosing.defaults("scenes")).values()
    list(live.answering.run(asked, asked.begin(), str(SCENES / "kite-weather.jpg"), "Where is the kite?", *usual))
    one, other = drawn(recorded), drawn(asked)
    assert one["name"] == other["name"] == "kite"
    for mine, yours in zip(one["v"], other["v"], strict=True):
        np.testing.assert_allclose(mine, yours, rtol=3e-3, atol=1e-4)


# --- damaged and hostile folders ----------------------------------------------------------------------------------


def test_folders_are_found_and_named(folder, copy, tmp_path, capsys):
    assert list(Recordings([folder, copy]).named) == [made.NAME, f"{made.NAME}-2"]
    assert list(Recordings([tmp_path]).named) == [made.NAME]
    copy.rename(tmp_path / "über <b>…")
    assert list(Recordings([tmp_path]).named) == ["ber--b"]
    with pytest.raises(ClvsError, match="check --recordings"):
        Recordings([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    assert not Recordings([tmp_path / "empty"]).named
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"\xff", b'{"format": 2}', b"[" * 100_000, b" " * (4 * 2**20 + 1),
])  # fmt: skip
def test_a_damaged_recording_is_left_out_and_told(folder, copy, text, capsys):
    (copy / "recording.json").write_bytes(text)
    assert list(Recordings([copy, folder]).named) == [made.NAME]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "recording.json" in told[0]


@pytest.mark.parametrize(("name", "value"), [
    ("id", "../../secret"), ("id", "a/b"), ("id", ""), ("picture", "../secret.jpg"), ("picture", "/etc/passwd"),
    ("picture", "x.svg"), ("question", ""), ("question", "x" * 600), ("title", 7), ("licence", "x" * 301),
])  # fmt: skip
def test_no_entry_leads_out_of_the_folder(copy, name, value, capsys):
    about = json.loads((copy / "recording.json").read_text())
    about["questions"][0][name] = value
    (copy / "recording.json").write_text(json.dumps(about))
    assert not Recordings([copy]).named
    assert f"questions[0].{name}" in capsys.readouterr().err


def test_no_link_leads_out_of_the_folder(live, copy, tmp_path):
    for part, name in (("questions", "kite-weather-1.json.gz"), ("pictures", "savanna.jpg")):
        outside = tmp_path / f"outside-{name}"
        (copy / part / name).rename(outside)
        (copy / part / name).symlink_to(outside)
    replaying = Replaying(Recordings([copy]), live)
    assert [item.id for item in first(replaying).items] == ["kite-weather-2", "savanna-1"]
    assert "picture of 'Is there a zebra in the picture?' is damaged" in opened(replaying, "savanna-1")["error"]
    assert [picture["thumbnail"] for picture in replaying.state(made.NAME)["open"]["pictures"]][1] == ""


def change(path, value):
    """A change of one part of a payload, by its path."""

    def changed(payload):
        *inside, last = path
        for name in inside:
            payload = payload[name]
        payload[last] = value

    return changed


@pytest.mark.parametrize("damage", [
    change(["v"], 2), change(["status"], "running"), change(["methods"], []), change(["layers"], 11),
    change(["layers"], 10**9), change(["visual"], "144"), change(["heads"], 0), change(["heads"], 1 << 20),
    change(["objects", 0, "contours"], [[[0, 0]] * 3] * 2001), change(["blob"], "AAAA"),
    change(["blob"], "no base64!"), change(["arrays"], {}), change(["views", 0, "rows"], 10**6),
    change(["views", 0, "start"], 5), change(["views"], []), change(["image", "w"], -1), change(["image"], None),
    change(["methods", 0, "key"], "clvs"), change(["methods", 0, "tokens"], []), change(["methods", 1, "stop", 0], 12),
    change(["methods", 0, "uncertainty", 0], []), change(["methods", 0, "lens", 0], []),
    change(["methods", 0, "lens", 0, 0, 0], ["<b>", "1"]), change(["methods", 0, "card", "paper"], "javascript:1"),
    change(["methods", 0, "sinks"], [[999]] * 12), change(["methods", 0, "heads"], [[[6]] * 12] * 2),
    change(["methods", 1, "memory"], None), change(["objects", 0, "contours"], [[[0, "0"]]]),
    change(["objects", 0, "name"], ""), change(["arrays", "coverage", "shape"], [1, 1]),
    change(["arrays", "attention/clvs", "offset"], 10**9), change(["question"], "Another?"), change(["notes"], "all"),
    lambda payload: [], lambda payload: payload.pop("methods") and None,
])  # fmt: skip
def test_a_damaged_question_costs_only_itself(live, copy, damage, capsys):
    rewrite(copy, damage)
    replaying, session = Replaying(Recordings([copy]), live), Session()
    shown = opened(replaying, "kite-weather-1", session)
    told = "The recorded answer to 'Is there a ball in the picture?' is damaged; choose another."
    assert (shown["error"], shown["id"]) == (told, live.first.payload["id"]), "what was there stays"
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert opened(replaying, "kite-weather-2", session)["error"] == ""


@pytest.mark.parametrize("content", [
    b"", b"\x1f\x8b", b"plain", packed(b"{}"), packed(b"\xff"), packed(b"[" * 10**6),
    packed(b" " * (32 * 2**20 + 1)), packed(b'{"v": NaN}'), packed(b'{"v": 1}')[:-4],
])  # fmt: skip
def test_a_file_of_anything_is_one_sentence(live, copy, content):
    (copy / "questions/kite-weather-1.json.gz").write_bytes(content)
    shown = opened(Replaying(Recordings([copy]), live), "kite-weather-1")
    assert "is damaged; choose another." in shown["error"]


def test_numbers_that_are_no_weights_are_refused(live, copy):
    def poison(payload):
        flat = np.frombuffer(base64.b64decode(payload["blob"]), "<f2").copy()
        flat[payload["arrays"]["attention/vanilla"]["offset"]] = np.inf
        payload["blob"] = base64.b64encode(flat.tobytes()).decode()

    rewrite(copy, poison)
    assert "damaged" in opened(Replaying(Recordings([copy]), live), "kite-weather-1")["error"]


@pytest.mark.parametrize("content", [b"<script>alert()</script>", b"", "small"])
def test_a_picture_of_anything_is_one_sentence(live, copy, content):
    if content == "small":
        Image.new("RGB", (8, 8)).save(copy / "pictures/savanna.jpg")
    else:
        (copy / "pictures/savanna.jpg").write_bytes(content)
    replaying = Replaying(Recordings([copy]), live)
    assert "picture of 'Is there a zebra" in opened(replaying, "savanna-1")["error"]
    assert opened(replaying, "kite-weather-1")["error"] == ""


def test_a_file_cannot_say_where_its_picture_is_or_what_the_page_may_do(live, copy):
    own = {"link": "scene=x", "recorded": {"name": "x"}, "view": {"layer": 3}, "error": "Pay here.", "progress": "…"}
    rewrite(copy, lambda payload: payload.update(own, image={**payload["image"], "url": "https://evil.example/x"}))
    shown = opened(Replaying(Recordings([copy]), live), "kite-weather-1")
    assert "evil" not in json.dumps(shown["image"])
    assert (shown["error"], shown["progress"], shown["view"]) == ("", "", {})
    assert shown["recorded"]["name"] == made.NAME
    assert shown["link"].startswith("recording=borrowed&")


def test_what_a_file_says_reaches_a_terminal_on_one_clean_line(live, copy, capsys):
    rewrite(copy, lambda payload: payload["arrays"].update({"\x1b[2J\n": 7}))
    opened(Replaying(Recordings([copy]), live), "kite-weather-1")
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_reading_leaves_every_number_as_it_is(folder):
    text = gzip.decompress((folder / "questions/savanna-1.json.gz").read_bytes())
    payload = received.read(text)
    assert payload == json.loads(text)
    assert set(decode(payload)) == set(payload["arrays"])


# --- the page's parts ---------------------------------------------------------------------------------------------


def test_the_menu_hands_recordings_to_the_browser_and_never_takes_one_as_a_model(replaying):
    menu = ModelMenu(lambda name: {"name": name, "rows": []}, "scenes", recorded=replaying.rows())
    sent = menu.postprocess("scenes")
    assert (sent["name"], [row["name"] for row in sent["recorded"]]) == ("scenes", [made.NAME])
    assert menu.preprocess(sent) == "scenes"


@pytest.mark.parametrize("given", [True, False])
def test_the_desk_is_there_where_there_are_recordings(live, folder, given):
    with gr.Blocks():
        page = explore(live, Recordings([folder]) if given else None)
    assert page.desk.visible is given


def test_the_app_finds_recordings(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main.parse([]).recordings == []
    (tmp_path / "recordings").mkdir()
    assert [path.name for path in main.parse([]).recordings] == ["recordings"]
    monkeypatch.setenv("CLVS_RECORDINGS", f"{folder},{folder.parent}")
    assert main.parse([]).recordings == [str(folder), str(folder.parent)]
    assert main.parse(["--recordings", "here"]).recordings == ["here"]
    assert main.main(["--recordings", str(tmp_path / "nowhere")]) == main.EXIT_INPUT
