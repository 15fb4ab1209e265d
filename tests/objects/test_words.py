"""What is wrong with an input is one sentence, whatever kind of input it is, on the command line and in Python."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clvs_core as clvs
from clvs_core import text
from clvs_core.benchmarks import get, read_answers
from clvs_core.cli import main as cli
from clvs_core.errors import ClvsError, ImageError, ModelError, QuestionError
from clvs_core.trace import Trace
from tests.benchmarks import files
from tests.tiny import save_llava

ROOT = Path(__file__).resolve().parents[2]
LONG = "A" * 300
BYTES = os.fsdecode(b"Is there \xff?")  # an argument in another encoding than UTF-8
HALF = "Is there \ud83d?"  # half of an emoji


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, a picture, a pipe that nobody writes to, and files whose text is no text."""
    folder = tmp_path_factory.mktemp("words")
    save_llava(folder / "model")
    Image.new("RGB", (40, 40), "red").save(folder / "photo.png")
    os.mkfifo(folder / "pipe")
    (folder / "bytes.json").write_bytes(b'{"text": "\xff"}')
    (folder / "deep.json").write_text('{"a":' * 100_000)
    rows = [row | {"text": HALF} for row in files.pope_rows(1)]
    files.lines(folder / "half" / "coco_pope_random.json", rows)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return clvs.load_model(folder / "model")


ASK = ("ask", "--model", "{}/model", "--image", "{}/photo.png")
WRONG = [
    (*ASK, "--question", BYTES),
    (*ASK, "--question", HALF),
    ("trace", *ASK[1:], "--question", BYTES),
    ("figure", *ASK[1:], "--question", BYTES, "--out", "{}/x.png"),
    (*ASK, "--question", "x", "--prompt", BYTES),
    (*ASK, "--question", "x", "--object", BYTES),
    (*ASK, "--question", "x", "--coco-annotations", LONG),
    (*ASK, "--question", "x", "--coco-annotations", "{}/bytes.json"),
    (*ASK, "--question", "x", "--coco-annotations", "{}/deep.json"),
    *(("ask", "--question", "x", "--image", image) for image in (LONG, LONG * 20, BYTES, "{}", "{}/pipe", "/dev/zero")),
    ("ask", "--question", "x", "--image", "{}/photo.png/x.png"),
    ("ask", "--question", "x", "--image", f"data:image/png;base64,{LONG}"),
    *(("figure", trace, "--image", "{}/photo.png", "--out", "{}/x.png") for trace in (LONG, BYTES, "{}", "{}/pipe")),
    *(("score", "pope", "--answers", "{}/half", "--data", data) for data in (LONG, BYTES, "{}/pipe", "{}/bytes.json")),
    ("score", "pope", "--answers", "{}/half", "--data", "{}/half"),
    ("score", "pope", "--answers", "{}/half", "--data", "{}/deep.json"),
    ("bench", "pope", "--data", LONG, "--out", "{}/run"),
    ("bench", "pope", "--data", "{}/half", "--images", "{}", "--out", "{}/run"),
    ("report", LONG),
    ("report", BYTES),
    ("report", "{}/pipe"),
    ("methods", "--file", LONG + ".py"),
    ("methods", "--file", "{}/pipe"),
    ("find-sinks", "--model", "{}/model", "--images", LONG),
    ("find-sinks", "--model", "{}/model", "--images", "{}/photo.png", "--question", BYTES),
    ("find-heads", "--model", "{}/model", "--images", LONG),
    ("find-heads", "--model", "{}/model", "--images", "{}", "--captions", "{}/bytes.json"),
    ("find-heads", "--model", "{}/model", "--images", "{}", "--captions", "{}/deep.json"),
    ("record", "--model", "{}/model", "--questions", LONG, "--out", "{}/recording"),
    ("record", "--model", "{}/model", "--questions", "{}/bytes.json", "--out", "{}/recording"),
    ("record", "--model", "{}/model", "--questions", "{}/deep.json", "--out", "{}/recording"),
]


@pytest.mark.parametrize(
    "command", WRONG, ids=lambda command: " ".join(command)[:60].encode("ascii", "replace").decode()
)
def test_a_wrong_input_is_one_sentence(folder, capsys, command):
    code = cli.main([part.replace("{}", str(folder)) for part in command])
    out, err = capsys.readouterr()
    said = [line for line in err.splitlines() if line.startswith("clvs_core: ")]
    assert (code, out, len(said)) == (2, "", 1), err
    assert said[0].endswith(".")
    assert len(said[0]) < 500
    assert "Traceback" not in err
    assert "Errno" not in err
    assert not (folder / "run").exists()


@pytest.mark.parametrize("name", [LONG, BYTES, "a\0b", "{}/pipe"])
def test_a_wrong_model_is_one_sentence(folder, name):
    with pytest.raises(ModelError, match=r"^[^\n]{20,400}\.$"):
        clvs.load_model(name.replace("{}", str(folder)))


@pytest.mark.parametrize("given", [LONG, BYTES, "a\0b", "{}", "{}/pipe", "/dev/null", "data:image/png;base64,AAAA"])
def test_python_gets_the_same_sentences(folder, given):
    given = given.replace("{}", str(folder))
    with pytest.raises(ImageError, match=r"^[^\n]{20,400}\.$"):
        clvs.pictures.read_picture(given)
    with pytest.raises(ClvsError, match=r"^[^\n]{20,400}\.$"):
        Trace.load(given)


@pytest.mark.parametrize("question", [BYTES, HALF, "\ud800"])
def test_half_a_character_is_no_question(model, question):
    image = model.open_image(np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(QuestionError, match="holds half a character or bytes that are no UTF-8"):
        image.ask(question)
    with pytest.raises(QuestionError, match="holds half a character"):
        image.ask(["a dog?", question])
    assert model.unknown_words(question) == []


def test_an_answer_with_half_a_character_is_scored_all_the_same(tmp_path):
    pope = get("pope")
    questions = pope.load(files.lines(tmp_path / "coco_pope_random.json", files.pope_rows(1)))
    rows = [{"id": q.id, "method": "vanilla", "answer": "yes \ud83d"} for q in questions]
    answers = read_answers(pope, files.lines(tmp_path / "run.json", rows), questions).methods["vanilla"]
    assert set(answers.values()) == {"yes \ufffd"}
    assert pope.score(questions, answers).official["All"]["recall"] == 1


def test_text_is_mended_where_it_is_none():
    assert text.mended("dog 🐶 café") == "dog 🐶 café"
    assert text.mended("a\ud83d b\udcff") == "a\ufffd b\ufffd"
    assert (text.is_text("狗"), text.is_text("\udcff")) == (True, False)


# --- outputs --------------------------------------------------------------------------------------------

FULL = "clvs_core: The output cannot be written (No space left on device); make room, or send it elsewhere.\n"


@pytest.mark.parametrize("command", [("methods",), ("methods", "--json"), ("models",), ("score", "--help")])
def test_a_full_disk_under_the_output_is_one_sentence(monkeypatch, capsys, command):
    with monkeypatch.context() as patch, contextlib.suppress(OSError), open("/dev/full", "w") as full:
        patch.setattr(sys, "stdout", full)
        code = cli.main(command)
    assert (code, capsys.readouterr().err) == (2, FULL)


@pytest.mark.parametrize("command", [("methods",), ("models", "--json"), ("score", "--help")])
def test_a_reader_that_has_gone_is_no_error(monkeypatch, capsys, command):
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patch, os.fdopen(writing, "w") as broken:
        patch.setattr(sys, "stdout", broken)
        code = cli.main(command)
    assert (code, capsys.readouterr().err) == (0, "")


# `methods` to a full disk, to a pipe whose reader has gone, and to nowhere; each in a child that ends as Python does
ENDS = """
import os, runpy, sys
import clvs_core.cli
reading, gone = os.pipe()
os.close(reading)
sys.argv = ["clvs_core", "methods"]
for place in (os.open("/dev/full", os.O_WRONLY), gone, None):
    if child := os.fork():
        print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr, flush=True)
        continue
    os.close(1) if place is None else os.dup2(place, 1)
    sys.stdout = open(1, "w") if place is not None else None
    sys.__stdout__ = sys.stdout
    runpy.run_module("clvs_core", run_name="__main__")
"""


def test_python_does_not_complain_at_exit_either():
    done = subprocess.run([sys.executable, "-c", ENDS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == f"{FULL}ended with 2\nended with 0\nended with 0\n"


def test_a_log_that_cannot_be_written_costs_no_answer(folder, monkeypatch, capsys):
    asked = [part.replace("{}", str(folder)) for part in ASK]
    with monkeypatch.context() as patch, contextlib.suppress(OSError), open("/dev/full", "w") as full:
        patch.setattr(sys, "stderr", full)
        code = cli.main([*asked, "--question", "x", "--max-new-tokens", "1", "--json"])
    assert code == 0
    assert len(json.loads(capsys.readouterr().out)["methods"]) == 2


def printed(monkeypatch, encoding, command):
    """What a command writes to a standard output of this encoding, which takes nothing else."""
    out = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding, errors="strict", write_through=True))
        assert cli.main(command) == 0
        sys.stdout.detach()
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_letters_that_an_output_lacks_are_escaped(folder, monkeypatch, encoding):
    picture = folder / "狗.png"
    Image.new("RGB", (40, 40), "red").save(picture)
    command = ("ask", "--model", str(folder / "model"), "--image", str(picture), "--question", "有狗吗 β?")
    said = printed(monkeypatch, encoding, [*command, "--max-new-tokens", "1"])
    assert b"\\u6709\\u72d7\\u5417 \\u03b2?" in said
    assert b"\\u72d7.png" in said


def test_a_file_name_that_is_no_text_is_printed_byte_by_byte(folder, monkeypatch):
    picture = folder / os.fsdecode(b"a\xff.png")
    Image.new("RGB", (40, 40), "red").save(picture)
    command = ("trace", "--model", str(folder / "model"), "--image", str(picture), "--question", "x")
    out = ("--max-new-tokens", "1", "--out", str(folder / "{image}-{method}.npz"))
    said = printed(monkeypatch, "utf-8", [*command, *out])
    assert said.splitlines()[0] == os.fsencode(folder) + b"/a\xff-vanilla.npz"


def test_python_without_docstrings_is_told(folder):
    asked = [part.replace("{}", str(folder)) for part in ASK]
    line = [sys.executable, "-OO", "-m", "clvs_core", *asked, "--question", "x"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        "clvs_core: transformers does not run under python -OO (PYTHONOPTIMIZE=2); leave it out, or give -O."
    )
