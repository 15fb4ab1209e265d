"""What is wrong with an input is one sentence, whatever kind of input it is, on the command line and in Python."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clvs_core as clvs
from clvs_core import cli, text
from clvs_core.benchmarks import get, read_answers
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
        clvs.engine.images.read_picture(given)
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


def run(*command, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    line = [sys.executable, *options.pop("python", []), "-m", "clvs_core", *command]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(line, cwd=ROOT, env=environment, timeout=120, check=False, **options)


@pytest.mark.parametrize(
    "command", [("methods",), ("methods", "--json"), ("models",), ("--help",), ("score", "--help")]
)
def test_a_full_disk_under_the_output_is_one_sentence(command):
    with open("/dev/full", "w") as full:
        done = run(*command, stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "clvs_core: The output cannot be written (No space left on device); make room, or send it elsewhere.\n"
    )


@pytest.mark.parametrize("command", [("methods",), ("models", "--json"), ("--help",)])
def test_a_reader_that_has_gone_is_no_error(command):
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*command, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_log_that_cannot_be_written_costs_no_answer(folder):
    asked = [part.replace("{}", str(folder)) for part in ASK]
    with open("/dev/full", "w") as full:
        done = run(*asked, "--question", "x", "--max-new-tokens", "1", "--json", stderr=full)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["methods"]) == 2


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "ascii:strict"])
def test_letters_that_an_output_lacks_are_escaped(folder, encoding):
    picture = folder / "狗.png"
    Image.new("RGB", (40, 40), "red").save(picture)
    command = ("ask", "--model", str(folder / "model"), "--image", str(picture), "--question", "有狗吗 β?")
    done = run(*command, "--max-new-tokens", "1", env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0
    assert b"\\u6709\\u72d7\\u5417" in done.stdout
    assert b"\\u72d7.png" in done.stdout


def test_a_file_name_that_is_no_text_is_printed_byte_by_byte(folder):
    picture = folder / os.fsdecode(b"a\xff.png")
    Image.new("RGB", (40, 40), "red").save(picture)
    command = ("trace", "--model", str(folder / "model"), "--image", str(picture), "--question", "x")
    out = str(folder / "{image}-{method}.npz")
    done = run(*command, "--max-new-tokens", "1", "--out", out, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == os.fsencode(folder) + b"/a\xff-vanilla.npz"


def test_python_without_docstrings_is_told(folder):
    asked = [part.replace("{}", str(folder)) for part in ASK]
    done = run(*asked, "--question", "x", python=["-OO"])
    assert done.returncode == 3
    assert done.stderr.decode().splitlines()[-1] == (
        "clvs_core: transformers does not run under python -OO (PYTHONOPTIMIZE=2); leave it out, or give -O."
    )
    assert run(*asked, "--question", "x", "--max-new-tokens", "1", python=["-O"]).returncode == 0
    assert run("methods", python=["-OO"]).stdout == run("methods").stdout
