"""The results tab without a browser: which runs may be read, filters, pages, and how a question opens."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from clvs_core.benchmarks.question import Question
from clvs_core.benchmarks.running.folder import ANSWERS
from clvs_core.errors import ClvsError
from tests.benchmarks.made import amber_questions, made_run, mme_questions, pope_questions
from tests.page import pictures
from tests.page.fake import FakeModel
from viz.page import limits, main
from viz.page.desks import Desks
from viz.page.library import Library
from viz.page.models import Models
from viz.page.results import filtering
from viz.page.results.choice import Choice
from viz.page.results.opened import MOST
from viz.page.results.runs import KEPT, Runs
from viz.page.results.tab import TITLES, Results
from viz.page.session import Session

OWN = SimpleNamespace(
    headers={"host": "127.0.0.1:7860", "connection": "keep-alive"}, client=SimpleNamespace(host="127.0.0.1")
)
VISITOR = SimpleNamespace(headers={"host": "example.org"}, client=SimpleNamespace(host="10.0.0.1"))
FOUR = {"vanilla": "vanilla", "clvs": "clvs:beta=0.8", "vcd": "vcd", "pai": "pai"}
FIVE = FOUR | {"vaf": "vaf"}
STREET = [
    Question(f"coco/random/{n}", "street.png", f"Is there a {thing} in the image?", label, "random", "coco")
    for n, (thing, label) in enumerate([("dog", "yes"), ("car", "yes"), ("boat", "no"), ("cat", "no")], 1)
]
SAID = {  # by question, what each of FIVE answers
    "coco/random/1": ("Yes", "Yes", "Yes", "Yes", "Yes"),
    "coco/random/2": ("No", "Yes", "No", "No", "No"),
    "coco/random/3": ("No", "No", "No", "Yes", "Maybe"),
    "coco/random/4": ("Perhaps.", "No", "No, but yes", "No", "No"),
}


def said(question, method):
    return SAID[question.id][list(FIVE).index(method)]


def street(folder, **about):
    return made_run(folder, "pope", STREET, FIVE, said, **{"model": "scenes", "label": "Scenes", **about})


def event(**data):
    return SimpleNamespace(_data=data)


@pytest.fixture
def folder(tmp_path):
    street(tmp_path / "runs/street")
    made_run(tmp_path / "runs/amber", "amber", amber_questions(9))
    return tmp_path / "runs"


@pytest.fixture
def opened(folder):
    return Runs([folder]).get(Choice(run="street"), owner=False)


@pytest.fixture
def tab(desks, folder):
    return Results(desks, Runs([folder]))


def ids(opened, **choice):
    return [row["id"].rpartition("/")[2] for row in filtering.shown(opened, Choice(**choice))["rows"]]


# --- what a browser or a link says --------------------------------------------------------------------


def test_a_choice_is_read_from_a_message():
    told = {"run": "x", "parser": "lmms", "text": "a dog", "kind": "coco random", "show": "gained", "method": "clvs"}
    assert Choice.of({**told, "page": 3, "id": "1"}) == Choice(**told, page=3, id="1")


@pytest.mark.parametrize("data", [
    None, [], "run", {"run": 5, "parser": "magic", "show": "<b>", "page": "1", "id": None},
    {"page": -1, "text": ["x"]}, {"page": True, "kind": {}}, {"page": 10**9}, {"page": 1.5, "folder": 0},
])  # fmt: skip
def test_what_cannot_be_read_is_left_out(data):
    assert Choice.of(data) == Choice()
    assert len(Choice.of({"text": "x" * 10_000}).text) < 1000


# --- which runs may be read ---------------------------------------------------------------------------


def test_runs_are_listed_by_name_each_once(folder, tmp_path):
    other = made_run(tmp_path / "more/street")
    named = Runs([folder, other, folder / "street", tmp_path / "more"]).listed()
    assert list(named) == ["amber", "street", "more/street"]
    assert list(named.values()) == [folder / "amber", folder / "street", other]


def test_no_name_of_a_run_tells_where_it_is(tmp_path):
    made = [made_run(tmp_path / place / "runs/pope/street") for place in ("a", "b", "c")]
    named = Runs([path.parents[1] for path in made]).listed()
    assert list(named) == ["street", "pope/street", "runs/pope/street"]
    assert list(named.values()) == made
    assert list(Runs(made).listed()) == ["street", "street (2)", "street (3)"]
    assert Runs(made).get(Choice(run="street (3)"), owner=False).run.folder == Path("street (3)")


def test_a_visitor_reads_only_what_is_listed(folder, tmp_path):
    available = Runs([folder])
    hidden = made_run(tmp_path / "hidden")
    for name in (str(hidden), "../hidden", "hidden", "", "street/../../hidden", str(folder / "street")):
        for choice in (Choice(run=name), Choice(folder=name), Choice(run="street", folder=name or "x")):
            with pytest.raises(ClvsError, match="There is no run"):
                available.get(choice, owner=False)


def test_the_owner_opens_any_folder_by_its_path_but_not_by_a_name_in_a_link(folder, tmp_path):
    hidden = made_run(tmp_path / "hidden", "mme")
    assert Runs([folder]).get(Choice(folder=f" {hidden} "), owner=True).benchmark.name == "mme"
    with pytest.raises(ClvsError, match="There is no run"):
        Runs([folder]).get(Choice(run=str(hidden)), owner=True)
    with pytest.raises(ClvsError, match="holds no run"):
        Runs([folder]).get(Choice(folder=str(tmp_path)), owner=True)


def test_who_is_the_owner(desks, folder, first_answer, library):
    path = str(folder / "street")
    assert Results(desks, Runs()).look(event(folder=path), OWN)["error"], "a page for others"
    own = Desks(Models(load=lambda name, **settings: FakeModel(), own=True), library, first_answer)
    assert Results(own, Runs()).look(event(folder=path), VISITOR)["error"], "a visitor of it"
    board = Results(own, Runs()).look(event(folder=path), OWN)
    assert (board["own"], board["total"]) == (True, 4)


def test_a_damaged_run_is_the_owners_business(desks, folder, tab):
    (folder / "street" / ANSWERS).write_text("{}\n")
    for damaged in (ANSWERS, "run.json"):
        (folder / "street" / damaged).write_text("{}\n")
        board = tab.look(event(run="street"), VISITOR)
        assert board["error"] == "The run street is damaged; tell whoever runs this page."
        assert board["runs"] == ["amber", "street"], "the rest stays"
    desks.models.own = True
    (folder / "street/run.json").write_text("{")
    error = tab.look(event(run="street"), OWN)["error"]
    assert error.startswith("street/run.json is damaged (")
    assert error.endswith("run the benchmark anew.")


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """Runs in a folder whose path Markdown and LaTeX escape: a good one, and one whose records are damaged."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    base = tmp_path / "my_secret [x]"
    made_run(base / "runs/my_run", "pope", pope_questions(4), records=("key_objects",), data=str(base))
    path = made_run(base / "runs/my_bad", "pope", pope_questions(4), records=("lens",)) / ANSWERS
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | {"uncertainty": [0.5, "x"]}) + "\n" for line in lines))
    return base / "runs"


def told(tab, request, **message):
    """Everything that a tab's answers hold for a request, files among them."""
    found = [tab.look(event(**message), request)]
    for part, endings in (("tables", ("md", "csv", "tex")), ("figures", ("png", "svg"))):
        found.append(tab.draw(event(part=part, **message), request))
        for ending in endings:
            saved = tab.save(event(part=part, ending=ending, name="convergence", **message), request)
            found.append(saved.get("error") or Path(saved["url"].partition("file=")[2]).read_bytes())
    return found


def test_a_visitor_is_never_told_where_a_run_is(desks, secret):
    tab = Results(desks, Runs([secret]))
    good, bad = (told(tab, VISITOR, run=run) for run in ("my_run", "my_bad"))
    assert "secret" not in repr((good, bad))
    assert "my\\_run" in good[1][1], "the run's name stands for its folder"
    assert b"my_run" in good[3]
    assert "my_bad/" in repr(bad[5:]) or "my_bad " in repr(bad[5:]), "what is damaged is said by name"


def test_the_owner_sees_the_path_that_was_typed(desks, secret):
    desks.models.own = True
    tab = Results(desks, Runs([secret]))
    rows = told(tab, OWN, folder=str(secret / "my_run"))[3].decode()
    assert str(secret / "my_run") in rows
    assert "secret" not in repr(told(tab, VISITOR, run="my_run")), "which a visitor of the same run does not"


def test_a_growing_run_is_read_again(folder, tab):
    path = folder / "street" / ANSWERS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:7]))
    board = tab.look(event(run="street"), VISITOR)
    assert board["about"]["state"] == "7 of 20 answers, still running or stopped."
    assert [mark for _, mark, _ in board["rows"][1]["cells"]] == ["wrong", "right", "none", "none", "none"]
    path.write_text("".join(lines))
    assert tab.look(event(run="street"), VISITOR)["about"]["state"] == "Complete: 20 answers."


def test_a_run_is_read_once_and_few_are_kept(folder, tmp_path):
    available = Runs([folder, *(made_run(tmp_path / f"r{n}") for n in range(KEPT))])
    first = available.get(Choice(run="street"), owner=False)
    assert available.get(Choice(run="street"), owner=False) is first
    for n in range(KEPT):
        available.get(Choice(run=f"r{n}"), owner=False)
    assert available.get(Choice(run="street"), owner=False) is not first


def test_without_a_run_the_board_says_so(desks, tmp_path):
    for available in (Runs(), Runs([tmp_path])):
        board = Results(desks, available).look(event(run=""), VISITOR)
        assert (board["runs"], board["run"], board["folder"]) == ([], "", "")
        assert "error" not in board


# --- what methods are called --------------------------------------------------------------------------


@pytest.mark.parametrize(("methods", "called"), [
    # an ablation: only what is taken away is said, not what both have
    ({"clvs": "clvs:gamma=0.25,early_termination=true",
      "clvs:gamma=0.25,early_termination=false": "clvs:gamma=0.25,early_termination=false"},
     ["CLVS", "CLVS (no early termination)"]),
    # a sweep around the usual settings, which it meets once more
    ({"clvs": "clvs:alpha=0.8,gamma=0.25", "clvs:alpha=0.1,gamma=0.25": "clvs:alpha=0.1,gamma=0.25",
      "clvs:gamma=0.25": "clvs:alpha=0.8,gamma=0.25"},
     ["CLVS", "CLVS (α 0.1)", "CLVS 2"]),
    # a sweep alone
    ({"vanilla": "vanilla", "clvs:beta=0.1,gamma=0.25": "clvs:beta=0.1,gamma=0.25",
      "clvs:beta=0.9,gamma=0.25": "clvs:beta=0.9,gamma=0.25"},
     ["Vanilla", "CLVS (β 0.1)", "CLVS (β 0.9)"]),
    ({"pai+clvs": "pai:alpha=0.2+clvs:alpha=0.8", "pai+clvs:alpha=0.3": "pai:alpha=0.2+clvs:alpha=0.3",
      "pai": "pai:alpha=0.2"},
     ["PAI + CLVS", "PAI + CLVS (CLVS α 0.3)", "PAI"]),
])  # fmt: skip
def test_methods_are_told_apart_by_what_differs(tmp_path, methods, called):
    made_run(tmp_path / "x", "pope", STREET, methods, lambda question, method: "Yes")
    assert Runs([tmp_path]).get(Choice(run="x"), owner=False).labels == called


# --- filters and pages --------------------------------------------------------------------------------


def test_filters(opened):
    assert ids(opened) == ["1", "2", "3", "4"]
    assert ids(opened, show="differ") == ["2", "3", "4"]
    assert ids(opened, show="wrong", method="vanilla") == ["2", "4"], "what POPE's parser reads as yes"
    assert ids(opened, show="wrong", method="vanilla", parser="first_word") == ["2", "4"], "neither is wrong, too"
    assert ids(opened, show="gained", method="clvs") == ["2", "4"]
    assert ids(opened, show="lost", method="pai") == ["3"]
    assert ids(opened, show="lost", method="vanilla") == []
    assert ids(opened, show="wrong", method="nobody") == ["1", "2", "3", "4"], "a method that is not there"
    assert ids(opened, kind="coco random") == ["1", "2", "3", "4"]
    assert ids(opened, kind="random") == []


def test_text_is_looked_for_in_question_picture_and_id(opened):
    assert ids(opened, text="DOG") == ["1"]
    assert ids(opened, text="there  boat") == ["3"]
    assert ids(opened, text="street.png random/4") == ["4"]
    assert ids(opened, text="[") == []


def test_the_parser_failed_where_it_or_a_person_reads_nothing_or_something_else(opened):
    assert ids(opened, show="unread") == ["3", "4"], "Maybe and Perhaps are a yes to POPE's parser"
    cells = filtering.shown(opened, Choice())["rows"][2]["cells"]
    assert cells[-2:] == [["Yes", "wrong", False], ["Maybe", "wrong", True]]
    cells = filtering.shown(opened, Choice(parser="lmms"))["rows"][3]["cells"]
    assert [mark for _, mark, _ in cells] == ["unread", "right", "unread", "right", "right"]


def test_pages(folder):
    opened = Runs([folder]).get(Choice(run="amber"), owner=False)
    page = filtering.shown(opened, Choice())
    assert (page["count"], page["total"], page["pages"], len(page["rows"])) == (72, 72, 2, filtering.PAGE)
    last = filtering.shown(opened, Choice(page=99))
    assert (last["page"], len(last["rows"])) == (1, 72 - filtering.PAGE)
    linked = filtering.shown(opened, Choice(id="1075"))
    assert (linked["page"], linked["marked"]) == (1, "1075")
    assert "1075" in [row["id"] for row in linked["rows"]]
    nothing = filtering.shown(opened, Choice(text="no such thing", page=1))
    assert (nothing["count"], nothing["page"], nothing["pages"], nothing["rows"]) == (0, 0, 1, [])


def test_gained_and_lost_are_those_of_the_scores(tmp_path):
    made_run(tmp_path / "x", "pope", pope_questions(30))
    opened = Runs([tmp_path]).get(Choice(run="x"), owner=False)
    change = opened.benchmark.compare(opened.run.questions, opened.run.answers["clvs"], opened.run.answers["vanilla"])
    for show in ("gained", "lost"):
        assert filtering.shown(opened, Choice(show=show, method="clvs"))["count"] == getattr(change["All"], show) > 0
    unread = filtering.shown(opened, Choice(show="unread"))["count"]
    either = {id for name in FOUR for id, text in opened.run.answers.get(name, {}).items() if text == "Maybe"}
    assert unread == len(either) > 0


def test_thousands_of_questions_are_filtered_at_once(tmp_path):
    made_run(tmp_path / "x", "pope", pope_questions(170), FIVE)
    opened = Runs([tmp_path]).get(Choice(run="x"), owner=False)
    filtering.shown(opened, Choice())
    start = time.perf_counter()
    found = filtering.shown(opened, Choice(text="thing 7", show="differ"))
    assert time.perf_counter() - start < 1
    assert 0 < found["count"] < found["total"] == 3060


def test_a_board_goes_to_the_browser_as_json(tab):
    board = json.loads(json.dumps(tab.look(event(run="street"), VISITOR), allow_nan=False))
    assert board["about"]["line"] == (
        "POPE · Scenes, float32 · prompt chat · at most 1 token · 4 questions · 5 methods · 2026-11-25, 08:00"
    )
    assert board["methods"][:2] == [["vanilla", "Vanilla"], ["clvs", "CLVS"]]
    assert (board["vanilla"], board["usual"], board["parser"]) == ("vanilla", ["vanilla", "clvs"], "pope")
    assert board["thumbs"]["street.png"].startswith("data:image/webp;base64,")
    assert tab.look(event(), VISITOR)["run"] == "amber", "the first, where nothing is chosen"


# --- which methods a question opens with --------------------------------------------------------------


@pytest.mark.parametrize(("number", "picked", "differing", "methods"), [
    (1, ["clvs"], True, ["vanilla", "clvs"]),
    (2, [], True, ["vanilla", "clvs"]),
    (3, ["clvs"], True, ["vanilla", "clvs", "pai", "vaf"]),
    (3, ["clvs"], False, ["vanilla", "clvs"]),
    (3, ["vaf", "vcd", "clvs", "nobody"], True, ["vanilla", "clvs", "vcd", "vaf"]),
    (4, [], True, ["vanilla", "clvs", "vcd", "pai"]),
    (1, [], False, ["vanilla"]),
])  # fmt: skip
def test_vanilla_then_what_is_picked_then_what_differs(opened, number, picked, differing, methods):
    place, _ = opened.question(f"coco/random/{number}")
    assert filtering.to_ask(opened, opened.said("pope")[place], picked, differing=differing) == methods


def test_a_run_without_vanilla(tmp_path):
    made_run(tmp_path / "x", "pope", STREET, {"pai": "pai", "vaf": "vaf"}, said)
    opened = Runs([tmp_path]).get(Choice(run="x"), owner=False)
    assert filtering.usual(opened) == ["pai", "vaf"]
    assert filtering.to_ask(opened, opened.said("pope")[0], [], differing=True) == ["pai", "vaf"]
    assert ids(opened, show="gained", method="pai") == ids(opened, show="lost", method="pai") == []


# --- opening one --------------------------------------------------------------------------------------


def ask(tab, session, present="scenes", request=VISITOR, **message):
    """What `open` fills in, and then what the explorer answers."""
    board, _, path, question, chips, scene, *rest = tab.open(session, present, event(**message), request)
    if "error" in board:
        return board["error"]
    (model, picker, tokens, prompt), ticket = rest[:4], rest[4]
    controls = (model, picker["specs"], tokens, prompt)
    *_, last = tab.desks.answering.run(session, ticket, path, question, *controls)
    return SimpleNamespace(**locals())


def test_a_question_opens_as_the_run_asked_it(tab, fake):
    session = Session()
    found = ask(tab, session, run="street", id="coco/random/2", picked=["clvs"], differing=True)
    assert (found.scene, found.question) == ("street", "Is there a car in the image?")
    assert (found.model, found.tokens, found.prompt) == ("scenes", 1, "chat")
    assert found.chips == [question.text for question in STREET]
    assert [m["spec"] for m in found.last["methods"]] == ["vanilla", "clvs:beta=0.8"]
    assert found.last["error"] == ""
    assert found.last["notes"][0] == "In the run: Vanilla No, CLVS Yes."
    assert {o["name"]: o["on"] for o in found.last["objects"]} == {"car": True, "dog": False}
    assert (found.board["part"], found.board["id"]) == ("opened", "coco/random/2")


def test_the_remark_stays_with_its_question(tab):
    session = Session()
    found = ask(tab, session, run="street", id="coco/random/2", picked=["clvs"], differing=True)
    adjusted = tab.desks.answering.adjust(
        session, found.model, ["vanilla", "clvs:alpha=0.5"], found.tokens, found.prompt
    )
    assert adjusted["notes"][0] == "In the run: Vanilla No, CLVS Yes."
    *_, other = tab.desks.answering.run(session, session.begin(), found.path, "Why?", "scenes", ["vanilla"], 1, "chat")
    assert not any("In the run" in note for note in other["notes"])


def test_a_newer_question_ends_an_older_one(tab, fake):
    session, before = Session(), fake.opened
    desks = tab.desks
    path = str(desks.library.named("street").path)
    slow = desks.answering.run(session, session.begin(), path, "Count slowly.", "scenes", ["vanilla"], 64, "chat")
    for _ in range(4):
        next(slow)
    found = ask(tab, session, run="street", id="coco/random/1", picked=[], differing=False)
    assert list(slow) == []
    assert fake.opened == fake.closed == before + 2
    assert found.last["question"] == STREET[0].text


def test_a_picture_from_elsewhere_keeps_its_bytes_and_name(desks, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    source = tmp_path / "images/deep/AMBER_1.jpg"
    source.parent.mkdir(parents=True)
    Image.new("RGB", (64, 48), "teal").save(source)
    folder = made_run(tmp_path / "runs/amber", "amber", amber_questions(2), model="scenes")
    tab = Results(desks, Runs([folder], [tmp_path / "images"]))
    found = ask(tab, Session(), run="amber", id="1005", picked=[], differing=False)
    assert (Path(found.path).name, found.scene) == ("AMBER_1.jpg", "")
    assert Path(found.path).read_bytes() == source.read_bytes()
    assert Path(found.path) != source
    assert (found.last["image"]["w"], found.last["error"]) == (64, "")
    missing = ask(tab, Session(), run="amber", id="1013")
    assert missing == (
        "The picture 'AMBER_2.jpg' is not on this machine; start the app with --images and the folder that has it."
    )


def test_masks_of_annotated_pictures_are_known_by_name(models, first_answer, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    coco = pictures.write(tmp_path / "coco")
    library = Library(coco_annotations=coco / "instances.json")
    tab = Results(Desks(models, library, first_answer), Runs([street(tmp_path / "runs/x")], [coco]))
    found = ask(tab, Session(), run="x", id="coco/random/1", picked=[], differing=False)
    assert {o["name"]: o["on"] for o in found.last["objects"]} == {"car": False, "dog": True}


def test_paths_in_a_runs_files_are_read_for_the_owner_only(library, first_answer, models, tmp_path):
    secret = tmp_path / "secret.png"
    Image.new("RGB", (9, 9)).save(secret)
    hostile = [replace(STREET[0], id=str(n), image=image, picture=str(secret)) for n, image in enumerate(
        ["secret.png", "../secret.png", str(secret)]
    )]  # fmt: skip
    folder = made_run(tmp_path / "runs/x", "pope", hostile, answer=lambda question, method: "Yes", model="scenes")
    (tmp_path / "images").mkdir()
    tab = Results(Desks(models, library, first_answer), Runs([folder], [tmp_path / "images"]))
    for question in hostile:
        assert "is not on this machine" in ask(tab, Session(), run="x", id=question.id)
    assert tab.look(event(run="x"), VISITOR)["thumbs"] == {}
    models.own = True
    assert ask(tab, Session(), request=OWN, run="x", id="0", differing=True).last["error"] == ""
    assert "is not on this machine" in ask(tab, Session(), request=VISITOR, run="x", id="0")
    secret.write_text("no picture")
    assert "not a picture" in ask(tab, Session(), request=OWN, run="x", id="0")


def test_another_model_is_switched_to_or_told(desks, library, first_answer, tmp_path):
    street(tmp_path / "here", model="llava-hf/llava-1.5-7b-hf", label="LLaVA-1.5-7B")
    street(tmp_path / "away", model="somebody/else", label="Else")
    two = Models(["scenes", "llava-1.5-7b"], load=lambda name, **settings: FakeModel(name))
    tab = Results(Desks(two, library, first_answer), Runs([tmp_path]))
    found = ask(tab, Session(), run="here", id="coco/random/1", differing=True)
    assert (found.model, found.last["error"]) == ("llava-1.5-7b", "")
    assert found.last["notes"][0] == "In the run: Vanilla Yes."
    found = ask(tab, Session(), present="llava-1.5-7b", run="away", id="coco/random/1", differing=True)
    assert found.model == "llava-1.5-7b"
    assert found.last["notes"][0].endswith("The run's model, Else, is not offered here; LLaVA-1.5 7B answers.")


def test_what_is_not_known_here_is_told(desks, tmp_path):
    methods = {"vanilla": "vanilla", "vcd": "vcd:speed=9", "pai": "pai"}
    made_run(tmp_path / "x", "pope", STREET, methods, said, model="scenes", prompt="haiku", max_new_tokens=500)
    tab = Results(desks, Runs([tmp_path]))
    found = ask(tab, Session(), run="x", id="coco/random/1", picked=["vcd", "pai"])
    assert (found.picker["specs"], found.tokens, found.prompt) == (["vanilla", "pai"], limits.MAX_TOKENS, "chat")
    note = found.last["notes"][0]
    assert "Not known here: vcd:speed=9." in note
    assert "The run's prompt, haiku, is not offered here." in note


@pytest.mark.parametrize(("message", "told"), [
    ({"run": "street", "id": "77"}, "The run has no question '77'"),
    ({"run": "nowhere", "id": "1"}, "There is no run 'nowhere'"),
    ({}, "There is no run ''"),
])  # fmt: skip
def test_a_row_that_is_not_there(tab, message, told):
    session = Session()
    assert told in ask(tab, session, **message)
    assert (session.ticket, session.result) == (0, None), "nothing was asked"


# --- tables and figures -------------------------------------------------------------------------------


def test_tables_are_drawn_and_saved(tab, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    board, text = tab.draw(event(run="street", part="tables"), VISITOR)
    assert (board["part"], "error" in board) == ("tables", False)
    assert text.startswith("## ")
    assert "Vanilla" in text
    for ending in ("md", "csv", "tex"):
        saved = tab.save(event(run="street", part="tables", ending=ending), VISITOR)
        assert saved["name"] == f"street-tables.{ending}"
        content = Path(saved["url"].partition("file=")[2]).read_text()
        assert str(tab.runs.folders[0]) not in content
        if ending == "csv":
            rows = list(csv.DictReader(io.StringIO(content)))
            assert {"Vanilla", "CLVS"} <= {row["method"] for row in rows}
        elif ending == "tex":
            assert "\\begin{tabular}" in content
        else:
            assert content == text


def test_tables_follow_the_parser(tab):
    _, official = tab.draw(event(run="street", part="tables"), VISITOR)
    _, strict = tab.draw(event(run="street", part="tables", parser="lmms"), VISITOR)
    assert official != strict


def test_figures_that_a_run_holds_data_for(desks, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    made_run(tmp_path / "runs/mme", "mme", mme_questions(8))
    tab = Results(desks, Runs([tmp_path / "runs"]))
    board, tables = tab.draw(event(run="mme", part="figures"), VISITOR)
    assert [figure["name"] for figure in board["figures"]] == ["mme"]
    assert Path(board["figures"][0]["url"].partition("file=")[2]).read_bytes()[:4] == b"\x89PNG"
    assert any("--lens" in sentence for sentence in board["missing"])
    assert len(set(board["missing"])) == len(board["missing"])
    assert "part" not in tables, "tables stay as they are"
    saved = tab.save(event(run="mme", part="figures", ending="svg", name="mme"), VISITOR)
    assert saved["name"] == "mme-mme.svg"
    assert "<svg" in Path(saved["url"].partition("file=")[2]).read_text()
    first, again = (tab.made.figures(tab.runs.get(Choice(run="mme"), owner=False)) for _ in range(2))
    assert first is again, "drawn once"


def test_figures_that_another_run_has_are_found_there(desks, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "runs"
    street(folder / "all")
    made_run(folder / "damaged", records=("lens",)).joinpath("run.json").write_text("{")
    made_run(folder / "objects", records=("key_objects", "lens"))
    tab = Results(desks, Runs([folder]))
    board, _ = tab.draw(event(run="all", part="figures"), VISITOR)
    (other,) = board["elsewhere"]
    assert other["run"] == "objects"
    assert other["titles"] == [TITLES[name] for name in ("decay", "decay-share", "convergence", "peaks")]
    assert not any("--lens" in why or "--key-objects" in why for why in board["missing"])
    assert any("--sweep" in why for why in board["missing"])
    there, _ = tab.draw(event(run="objects", part="figures"), VISITOR)
    assert {figure["title"] for figure in there["figures"]} >= {*other["titles"]} - {TITLES["decay-share"]}
    assert there["elsewhere"] == []


@pytest.mark.parametrize("message", [
    {"run": "street", "part": "tables", "ending": "exe"},
    {"run": "street", "part": "figures", "ending": "png", "name": "../x"},
    {"run": "street", "part": "", "ending": "md"},
    {"run": "../street", "part": "tables", "ending": "md"},
    {"run": "street", "part": ["tables"], "ending": 5},
])  # fmt: skip
def test_no_other_file_is_made(tab, message):
    assert set(tab.save(event(**message), VISITOR)) == {"error"}


def test_a_run_that_cannot_be_scored_says_why(desks, tmp_path):
    folder = made_run(tmp_path / "x", "pope", STREET, FIVE, said)
    (folder / ANSWERS).write_text("")
    tab = Results(desks, Runs([tmp_path]))
    assert tab.look(event(run="x"), VISITOR)["about"]["state"].startswith("0 of 20 answers")
    for part in ("tables", "figures"):
        board, _ = tab.draw(event(run="x", part=part), VISITOR)
        assert board["part"] == part
        assert "Something went wrong" not in board.get("error", "")


# --- options of the app -------------------------------------------------------------------------------


def test_options_name_folders(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.RUNS not in main.parse([]).runs or main.RUNS.is_dir()
    (tmp_path / "runs").mkdir()
    assert Path("runs") in main.parse([]).runs
    chosen = main.parse(["--runs", "a", "--runs", "b", "--images", "c"])
    assert (chosen.runs, chosen.images) == (["a", "b"], ["c"])
    for option in ("--runs", "--images"):
        assert main.main([option, "nowhere"]) == main.EXIT_INPUT
        error = capsys.readouterr().err
        assert option in error
        assert len(error.splitlines()) == 1


# --- runs of any size, with anything in them ------------------------------------------------------------


STRANGE = [  # ids, picture names and questions that a file may have
    ("x" * 5000, "y" * 5000 + ".png", "Is there a dog? " * 300),
    ("x" * 4999 + "z", "street.png", "Is there a cat?"),
    ("\u202e<b>dog</b>\u202c", "\0.png", "${alert(1)} {{constructor}}"),
    ("\ud800", "\ud801.png", "\x1b[31mIs\tit\nred?\u2066"),
    ("a/../b", "a/" * 400 + "b.png", ""),
]


@pytest.fixture
def strange(tmp_path):
    questions = [Question(id, image, text, "yes", "k" * 900, "s" * 5000) for id, image, text in STRANGE]
    methods = {"vanilla": "vanilla", "m" * 5000: "clvs:beta=0.8", "m" * 4999 + "n": "clvs:beta=0.7"}
    folder = made_run(tmp_path / "runs/strange", "pope", questions, methods, lambda *_: "Yes, " + "\u202e" * 10_000)
    return Runs([folder])


@pytest.mark.parametrize("request_", [OWN, VISITOR], ids=["owner", "visitor"])
def test_whatever_a_run_holds_its_answers_are_shown(desks, strange, request_):
    tab = Results(desks, strange)
    board = tab.look(event(run="strange"), request_)
    assert "error" not in board
    assert len({row["id"] for row in board["rows"]}) == len(board["rows"]) == len(STRANGE)
    assert len({name for name, _ in board["methods"]}) == len({label for _, label in board["methods"]}) == 3
    assert list(board["thumbs"]) == ["street.png"]
    assert len(json.dumps(board, ensure_ascii=False).encode()) < 100_000, "nothing of it is sent in full length"
    for row in board["rows"]:  # each can be found, and opened where its picture is here
        found = tab.look(event(run="strange", id=row["id"], kind=row["kind"], method=board["methods"][1][0]), request_)
        assert found["marked"] == row["id"]
        assert found["count"] == len(STRANGE)
        chosen = event(run="strange", id=row["id"])
        told, _, path, question, suggested, *_ = tab.open(Session(), "scenes", chosen, request_)
        if row["image"] == "street.png":
            assert (Path(path).name, question, told["id"]) == ("street.png", "Is there a cat?", row["id"])
            assert all(len(text) <= limits.MAX_QUESTION for text in suggested)
        else:
            assert "is not on this machine" in told["error"]
            assert len(told["error"]) < 300


def test_a_filter_by_a_method_with_a_long_name(desks, tmp_path):
    heads = "adhh:heads=" + "/".join(f"{n}-{n}" for n in range(300))
    right = {"vanilla": "No", heads: "Yes"}
    questions = [Question("1", "a.png", "Is it?", "yes", "random", "coco")]
    folder = made_run(tmp_path / "run", "pope", questions, dict(zip(right, right, strict=True)), lambda _, m: right[m])
    tab = Results(desks, Runs([folder]))
    name = tab.look(event(run="run"), VISITOR)["methods"][1][0]
    assert tab.look(event(run="run", show="gained", method=name), VISITOR)["count"] == 1
    assert tab.look(event(run="run", show="lost", method=name), VISITOR)["count"] == 0


def test_a_run_of_very_many_methods_is_cut_and_says_so(desks, tmp_path):
    methods = {f"clvs:alpha={n / 20_000}": f"clvs:alpha={n / 20_000},beta=0.8" for n in range(20_000)}
    methods |= {"vanilla": "vanilla"}
    questions = [Question("1", "street.png", "Is it?", "yes", "random", "coco")]
    tab = Results(desks, Runs([made_run(tmp_path / "run", "pope", questions, methods, lambda *_: "Yes")]))
    start = time.process_time()
    board = tab.look(event(run="run"), VISITOR)
    tables = tab.draw(event(run="run", part="tables"), VISITOR)[1]
    assert time.process_time() - start < 15, "it took 114 s to look"
    assert "20,001 methods, of which 200 are shown here and the command report takes all" in board["about"]["line"]
    assert board["about"]["state"] == "Complete: 20,001 answers."
    assert len(board["methods"]) == len(board["rows"][0]["cells"]) == MOST
    assert board["vanilla"] == "vanilla", "what all are compared with is there in any case"
    assert board["methods"][1][1] == "CLVS (α 0)"
    assert len(json.dumps(board)) < 100_000
    assert len([row for row in tables.splitlines() if row.startswith("| CLVS")]) >= MOST - 1


def test_a_folder_may_have_any_name_and_one_that_is_closed_hides_no_other(desks, tmp_path, monkeypatch):
    odd = tmp_path / "runs" / "caf\udce9"  # bytes that are no UTF-8
    street(odd)
    street(tmp_path / "runs/street")
    (tmp_path / "runs/closed").mkdir()
    look = Path.iterdir

    def iterdir(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    tab = Results(desks, Runs([tmp_path / "runs"]))
    listed = tab.look(event(), VISITOR)["runs"]
    assert listed == ["caf?", "street"]
    for name in listed:
        assert tab.look(event(run=name), VISITOR)["count"] == 4


def test_what_a_run_calls_its_model_turns_no_other_words_around(desks, tmp_path):
    folder = street(tmp_path / "run", label="Mine\u202e\x1b[2J\nand more")
    assert "Mine  [2J and more" in Results(desks, Runs([folder])).look(event(run="run"), VISITOR)["about"]["line"]


LINES = {"lists": "[" * 100_000, "objects": '{"a":' * 100_000, "digits": "1" * 5000, "id": f'{{"id": {"9" * 5000}}}'}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("name", [ANSWERS, "questions.jsonl", "run.json"])
def test_a_line_that_no_reader_takes_is_one_sentence(desks, tmp_path, line, name):
    folder = street(tmp_path / "run")
    with (folder / name).open("a") as file:
        file.write(line + "\n")
    board = Results(desks, Runs([folder])).look(event(run="run"), OWN)
    assert "damaged" in board["error"]
    assert board["error"].count("\n") == 0
    assert len(board["error"]) < 300
