"""The command record: what it keeps, that it goes on where it was stopped, and what it refuses before any model."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from clvs_core.cli import main as cli
from clvs_core.cli import record
from tests.tiny import picture
from viz.viewer import received
from viz.viewer.payload import Comparison, build, decode

LINES = [
    {"image": "dogs.png", "question": "Is there a dog?", "title": "Two dogs", "licence": "CC0", "source": "my garden"},
    {"image": "dogs.png", "question": "Is it red?", "box": [8, 8, 40, 24], "name": "the cup"},
    {"image": "sub/dogs.png", "question": "Is there a dog?"},
]


@pytest.fixture
def questions(tmp_path):
    """A questions file of three lines, and two pictures with one name; the first turned and with a camera's notes."""
    (tmp_path / "sub").mkdir()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Artist] = 6, "somebody"
    Image.fromarray(picture(1, 48, 32)).save(tmp_path / "dogs.png", exif=exif)
    Image.fromarray(picture(2, 32, 48)).save(tmp_path / "sub/dogs.png")
    return written(tmp_path, LINES)


def written(folder, lines):
    path = folder / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def run(tiny_folder, questions, tmp_path, capsys):
    """Records with the tiny model into a folder and gives exit code, stdout and stderr."""

    def call(*options, out="out"):
        asked = ["--model", str(tiny_folder), "--questions", str(questions), "--out", str(tmp_path / out)]
        code = cli.main(["record", "--max-new-tokens", "2", *asked, *options])
        return code, *capsys.readouterr()

    return call


def about(folder):
    return json.loads((folder / "recording.json").read_text(encoding="utf-8"))


def answers(folder):
    """The bytes of every question's file by name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "questions").iterdir())}


def payload(folder, id):
    return received.read(gzip.decompress((folder / "questions" / f"{id}.json.gz").read_bytes()))


def test_a_folder_holds_settings_pictures_and_answers(run, tmp_path, tiny_folder):
    code, out, err = run("--licence", "MIT", "--method", "clvs:alpha=0.5", "--method", "vanilla")
    assert (code, out.strip()) == (0, str(tmp_path / "out"))
    assert "3 of 3" in err
    told = about(tmp_path / "out")
    assert (told["format"], told["methods"], told["max_new_tokens"], told["prompt"]) == (
        1, ["clvs:alpha=0.5", "vanilla"], 2, "chat",
    )  # fmt: skip
    assert (told["model"]["name"], told["model"]["dtype"], told["model"]["id"]) == (tiny_folder.name, "float32", "")
    assert told["sessions"][0]["device"].startswith("cpu")
    assert {"torch", "transformers", "python"} <= set(told["sessions"][0]["versions"])
    first, second, third = told["questions"]
    assert (first["id"], first["title"], first["licence"], first["source"]) == (
        "dogs-1",
        "Two dogs",
        "CC0",
        "my garden",
    )
    assert (second["id"], second["box"], second["licence"]) == ("dogs-2", [8, 8, 40, 24], "MIT")
    assert (third["id"], third["picture"]) == ("dogs-2x-1", "dogs-2x.jpg")
    shown = payload(tmp_path / "out", "dogs-2")
    assert (shown["id"], shown["question"], shown["image"]["url"]) == ("dogs-2", "Is it red?", "")
    assert [method["key"] for method in shown["methods"]] == ["clvs", "vanilla"]
    assert [len(method["tokens"]) for method in shown["methods"]] == [2, 2]
    assert "link" not in shown
    assert shown["model"]["name"] == tiny_folder.name, "where it lies on this machine is nobody's business"


def test_pictures_are_upright_and_say_nothing_of_the_camera(run, tmp_path):
    run()
    with Image.open(tmp_path / "out/pictures/dogs.jpg") as shown:
        assert (shown.format, shown.size) == ("JPEG", (48, 32))
        assert not shown.getexif()
    assert b"somebody" not in (tmp_path / "out/pictures/dogs.jpg").read_bytes()


def test_a_large_picture_is_reduced_and_its_box_with_it(run, tmp_path, questions):
    Image.new("RGB", (4096, 1024), "white").save(tmp_path / "dogs.png")
    written(tmp_path, [{"image": "dogs.png", "question": "Is it red?", "box": [0, 0, 2048, 1024]}])
    assert run()[0] == 0
    shown = payload(tmp_path / "out", "dogs-1")
    assert (shown["image"]["w"], shown["image"]["h"]) == (2048, 512)
    (region,) = shown["objects"]
    assert (region["area"], region["on"]) == (0.5, True)


def test_objects_are_followed_as_ask_follows_them(run, tmp_path):
    square = [0, 0, 16, 0, 16, 32, 0, 32]
    coco = {
        "images": [{"id": 1, "file_name": "dogs.png", "width": 48, "height": 32}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n, "iscrowd": 0, "segmentation": [square]} for n in (1, 2)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(coco))
    same = {"image": "dogs.png"}
    lines = [
        {**same, "question": "Is there a dog?"},
        {**same, "question": "Is there a dog? ", "objects": ["Person"]},
        {**same, "question": "Is there a dog there?", "polygon": [[0, 0], [30, 0], [0, 30]]},
    ]
    written(tmp_path, lines)
    assert run("--coco-annotations", str(tmp_path / "instances.json"))[0] == 0
    on = [{item["name"] for item in payload(tmp_path / "out", f"dogs-{n}")["objects"] if item["on"]} for n in (1, 2, 3)]
    assert on == [{"dog"}, {"person"}, {"region"}]
    written(tmp_path, [{**lines[0], "objects": ["cat"]}])
    code, _, err = run("--coco-annotations", str(tmp_path / "instances.json"), out="other")
    assert code == 2
    assert "There is no 'cat'" in err


def test_what_was_stopped_goes_on_and_ends_up_the_same(run, tmp_path, monkeypatch):
    assert run(out="whole")[0] == 0
    from viz.page.recorded.recorder import Recorder

    ask, asked = Recorder.ask, []

    def stopped(self, *what):
        asked.append(what)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return ask(self, *what)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "ask", stopped)
        code, _, err = run(out="parts")
    assert code == 130
    assert "the same command goes on" in err
    assert len(answers(tmp_path / "parts")) == 1
    kept = (tmp_path / "parts/questions/dogs-1.json.gz").stat().st_mtime_ns
    code, _, err = run(out="parts")
    assert code == 0
    assert "2 of 3" in err
    assert "1 of 3" not in err
    assert (tmp_path / "parts/questions/dogs-1.json.gz").stat().st_mtime_ns == kept
    assert answers(tmp_path / "parts") == answers(tmp_path / "whole")
    whole, parts = (about(tmp_path / name) for name in ("whole", "parts"))
    assert len(parts.pop("sessions")) == 2
    assert whole.pop("sessions")
    assert whole == parts


def test_a_complete_recording_needs_no_model_not_even_for_another_licence(run, tmp_path, monkeypatch):
    run()
    before, files = about(tmp_path / "out"), answers(tmp_path / "out")
    monkeypatch.setattr(record, "load", None)
    assert run()[0] == 0
    assert about(tmp_path / "out") == before
    written(tmp_path, [{**LINES[0], "title": "One dog"}, *LINES[1:]])
    assert run("--licence", "GPL")[0] == 0
    after = about(tmp_path / "out")
    first, second, _ = ((entry["title"], entry["licence"]) for entry in after["questions"])
    assert (first, second) == (("One dog", "CC0"), ("dogs", "GPL"))
    assert (after["model"], after["sessions"]) == (before["model"], before["sessions"])
    assert answers(tmp_path / "out") == files


def test_a_file_that_was_cut_off_is_asked_again(run, tmp_path):
    run()
    before = answers(tmp_path / "out")
    path = tmp_path / "out/questions/dogs-2.json.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert run()[0] == 0
    assert answers(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--max-new-tokens", "3"], "other --max-new-tokens: 2, not 3"),
        (["--prompt", "one-word"], "other prompt"),
        (["--method", "vanilla"], "other methods"),
        (["--dtype", "float64"], "other model: "),
    ],
)
def test_other_settings_are_refused(run, tmp_path, options, told):
    run()
    before = answers(tmp_path / "out")
    (tmp_path / "out/questions/dogs-1.json.gz").unlink()
    code, _, err = run(*options)
    assert code == 2
    assert told in err
    assert err.strip().splitlines()[-1].endswith("name another folder.")
    assert run()[0] == 0
    assert answers(tmp_path / "out") == before


def test_lines_can_be_added_and_not_changed(run, tmp_path):
    run()
    before = answers(tmp_path / "out")
    written(tmp_path, [*LINES, {"image": "dogs.png", "question": "Is it blue?"}])
    assert run()[0] == 0
    assert answers(tmp_path / "out").items() > before.items()
    written(tmp_path, [{**LINES[0], "question": "Is there a cat?"}, *LINES[1:]])
    shown = (tmp_path / "out/pictures/dogs.jpg").read_bytes()
    Image.fromarray(picture(9, 48, 32)).save(tmp_path / "dogs.png")
    code, _, err = run()
    assert code == 2
    assert "holds another question, dogs.jpg, 'Is there a dog?'" in err
    assert (tmp_path / "out/pictures/dogs.jpg").read_bytes() == shown, "what is refused changes nothing"


def test_answers_without_their_settings_are_not_believed(run, tmp_path):
    run()
    before = answers(tmp_path / "out")
    (tmp_path / "out/recording.json").unlink()
    path = tmp_path / "out/questions/dogs-1.json.gz"
    path.write_bytes((tmp_path / "out/questions/dogs-2.json.gz").read_bytes())
    assert run()[0] == 0
    assert answers(tmp_path / "out") == before


def test_a_full_disk_ends_it_at_once(run, tmp_path, monkeypatch):
    def full(path, content):
        if path.parent.name == "questions":
            raise OSError(28, "No space left on device")
        write(path, content)

    write = record.write_whole
    monkeypatch.setattr(record, "write_whole", full)
    code, _, err = run()
    assert code == 2
    assert err.count("No space left on device") == 1
    assert "make room, then the same command goes on" in err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"image": "dogs.png"}, "not of the form"),
        ([1], "1 is not among"),
        (7, "not of the form"),
        ({"image": "dogs.png", "question": "Is it?", "bos": []}, "'bos' is not among image, question"),
        ({"image": "dogs.png", "question": "Is it?", "box": [1, 2, 3]}, "A box is four numbers"),
        ({"image": "dogs.png", "question": "Is it?", "box": [1, 2, 3, float("nan")]}, "A box is four numbers"),
        ({"image": "dogs.png", "question": "Is it?", "box": [0, 0, 9, 9], "polygon": []}, "either a box or a polygon"),
        ({"image": "dogs.png", "question": "Is it?", "name": "\u0000"}, "1 to 300 characters"),
        ({"image": "dogs.png", "question": "Is it?", "objects": [1]}, "a list of names"),
        ({"image": "dogs.png", "question": "Is it?", "licence": 7}, "must be texts"),
        ({"image": "dogs.png", "question": " "}, "There is no question"),
        ({"image": "dogs.png", "question": "Is it?", "box": [900, 900, 999, 999]}, "covers no pixel"),
        ({"image": "none.png", "question": "Is it?"}, "There is no picture"),
        ({"image": "questions.jsonl", "question": "Is it?"}, "not a picture"),
    ],
)
def test_a_wrong_line_costs_no_model(run, tmp_path, monkeypatch, line, told):
    monkeypatch.setattr(record, "load", None)
    written(tmp_path, [line])
    code, _, err = run()
    assert code == 2
    assert told in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--max-new-tokens", "65"], "from 1 to 64"),
        (["--method", "vanilla"] * 5, "1 to 4 methods"),
        (["--prompt", "shout"], "shout"),
        (["--licence", "x" * 301], "301 characters"),
        (["--questions", "nowhere.jsonl"], "cannot be read"),
    ],
)
def test_wrong_options_cost_no_model(run, monkeypatch, options, told):
    monkeypatch.setattr(record, "load", None)
    code, _, err = run(*options)
    assert code == 2
    assert told in err


def test_a_folder_with_something_else_is_left_alone(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    code, _, err = run()
    assert code == 2
    assert "holds something else, thesis.tex" in err
    (tmp_path / "out/thesis.tex").rename(tmp_path / "out/recording.json")
    code, _, err = run()
    assert code == 2
    assert "recording.json cannot be used" in err
    assert (tmp_path / "out/recording.json").read_text() == "mine"


def test_two_processes_do_not_write_to_one_folder(run, tmp_path):
    (tmp_path / "out").mkdir()
    with record._held(tmp_path / "out"):
        code, _, err = run()
    assert code == 2
    assert "Another process is writing" in err
    assert run()[0] == 0


def test_a_question_that_fails_does_not_cost_the_others(run, tmp_path):
    long = "long " * 100  # more bytes, and so tokens, than the tiny model takes
    written(tmp_path, [{"image": "dogs.png", "question": long}, *LINES])
    code, _, err = run()
    assert code == 2
    assert "1 of 4 questions could not be recorded, the last: dogs.jpg, 'long" in err
    assert list(answers(tmp_path / "out")) == ["dogs-2.json.gz", "dogs-2x-1.json.gz", "dogs-3.json.gz"]


def test_a_question_of_llava_stays_small():
    """LLaVA-1.5's 32 layers, 32 heads and 576 tokens, with weights that nothing can compress."""
    import clvs_core as clvs
    from clvs_core.engine.runs import Run, Token
    from clvs_core.models.geometry.llava import llava_views

    def answered(method, steps, random):
        attention = random.random((steps, 32, 32, 576), dtype=np.float32).astype(np.float16)
        trace = clvs.Trace(
            attention,
            attention,
            attention.max(axis=2) if method.name == "clvs" else None,
            random.random((steps, 32)),
            np.full(steps, -1),
            llava_views(480, 640, 336, 14, "pad"),
            {"model": "llava-1.5-7b", "question": "Is it?", "method": method.name},
            lens_probabilities=random.random((steps, 32, 3)),
            lens_words=[[["one", "two", "three"]] * 32] * steps,
        )
        return Run(method, "word " * steps, [Token(n, "word", 0.5) for n in range(steps)], None, trace, True)

    def size(steps):
        runs = [answered(method, steps, np.random.default_rng(0)) for method in (clvs.Vanilla(), clvs.CLVS())]
        made = build(Comparison(runs, image_url=""))
        assert not any(name.startswith("heads/") for name in decode(made)), "single heads of this size are left out"
        return len(record._packed(received.read(json.dumps(made).encode())))

    assert size(2) < 300_000
    assert size(16) < 2_000_000
