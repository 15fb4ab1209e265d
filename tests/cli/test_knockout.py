"""The command `knockout`, on the embedded model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from clvs_core import load_model
from clvs_core.bundled import ASSETS
from clvs_core.cli import main as cli
from clvs_core.key_objects import CocoInstances

SCENES = ASSETS / "scenes"
QUESTION = "Is there a laptop in the picture?"


@pytest.fixture
def run(capsys):
    def call(*options, image="desk", question=QUESTION):
        code = cli.main(["knockout", "--image", str(image), "--question", question, *map(str, options)])
        return code, *capsys.readouterr()

    return call


def laptop():
    return next(
        item.mask for item in CocoInstances(SCENES / "instances.json").find("desk.jpg") if item.name == "laptop"
    )


def test_json_is_what_the_api_says(run):
    code, out, _ = run("--json", "--method", "clvs", "--rows", "word", "--control", 1)
    assert code == 0
    report = json.loads(out)
    assert (report["hidden"], report["token"], report["draws"]) == (["laptop"], 0, 1)
    (found,) = report["knockouts"]
    (wanted,) = (
        load_model("scenes")
        .open_image(SCENES / "desk.jpg")
        .knockout(QUESTION, laptop(), [cli.ask.choose.method("clvs")], control=1)
    )
    assert found["hidden"] == np.flatnonzero(wanted.hidden).tolist()
    assert found["token"]["id"] == wanted.token.id
    for name in ("kept", "only", "control", "margin"):
        np.testing.assert_allclose(found[name], getattr(wanted, name), rtol=1e-4, atol=1e-5)
    assert [token["id"] for token in found["instead"]] == [token.id for token in wanted.instead]


def test_the_table_says_where_looking_matters_and_who_reads(run, tmp_path):
    code, out, _ = run("--method", "vanilla", "--control", 1, "--figure", tmp_path / "laptop.svg")
    lines = out.splitlines()
    assert code == 0
    assert "Hidden    the laptop: 36 of 144 visual tokens, 3 layers at a time" in lines
    rows = {line.split()[0]: line.split()[1:] for line in lines if line[:5].strip().isdecimal()}
    assert list(rows) == [str(layer) for layer in range(1, 13)]
    assert rows["4"][:2] == ["0%", "No"]
    assert rows["9"] == ["100%", "100%", "100%"]
    assert "vanilla (word): less than half is left around layers 3, 4, 5." in lines
    assert any(line.startswith("vanilla: The word being written reads it for itself") for line in lines)
    assert "<svg" in (tmp_path / "laptop.svg").read_text()


def test_a_mask_from_a_file_hides_the_same(run, tmp_path):
    Image.fromarray(laptop()).save(tmp_path / "mine.png")
    by_file, by_name = (
        json.loads(run("--json", "--method", "vanilla", "--rows", "word", "--control", 0, *more)[1])
        for more in (("--mask", tmp_path / "mine.png"), ())
    )
    assert by_file.pop("hidden") == ["mine"]
    assert by_name.pop("hidden") == ["laptop"]
    assert by_file == by_name


def test_whole_answers(run):
    code, out, _ = run(
        "--answers", "--method", "vanilla", "--max-new-tokens", 8, image="savanna", question="What is in the picture?"
    )
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("vanilla  ")
    row = next(line.split() for line in lines if line.startswith("zebra"))
    assert len(row) == 14
    assert row[1] == "yes"
    assert row[-1] == "-"
    report = json.loads(
        run(
            "--answers",
            "--json",
            "--method",
            "vanilla",
            "--object",
            "zebra",
            "--max-new-tokens",
            8,
            image="savanna",
            question="What is in the picture?",
        )[1]
    )
    (zebra,) = report["methods"][0]["objects"]
    assert ["yes" if named else "-" for named in [*zebra["named"], zebra["everywhere"]]] == row[1:]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--window", 4), "window must be odd"),
        (("--threshold", 3), "threshold must be a number between 0 and 1"),
        (("--object", "cat"), "There is no 'cat' in the picture's annotations"),
        (("--figure", "a.gif"), "a.gif must end in .png, .svg, .pdf"),
        (("--answers", "--figure", "a.png"), "leave --answers out"),
        (("--mask", SCENES / "wide-meadow.jpg"), "must have the picture's size"),
    ],
)
def test_wrong_input_is_one_sentence(run, options, sentence):
    code, out, err = run(*options)
    assert (code, out) == (2, "")
    assert sentence in err.splitlines()[-1]
    assert "Traceback" not in err


def test_nothing_to_hide(run, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    code, _, err = run(image=tmp_path / "plain.png")
    assert code == 2
    assert "There is nothing to hide; give --object, --box or --mask." in err
