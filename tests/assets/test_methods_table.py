"""The table of methods: its numbers by hand, and the whole once on a few questions.

The artwork is not needed: objects are plain squares, which the model cannot name.
"""

import json
import math
import re

import numpy as np
import pytest

from assets.recipes import methods_table
from assets.recipes.measure import Answer, Bench
from assets.recipes.methods_table import TYPES, change, f1, markdown, measured, recommended, row, share
from assets.recipes.model import FOLDER
from assets.recipes.questions import YES_NO, Question
from assets.recipes.report import Workers
from assets.recipes.report_numbers import finite
from assets.recipes.report_questions import BY_TYPE
from assets.recipes.report_statistics import wilson
from clvs_core.methods import METHODS, Target, method

from .test_recipes import Squares


def _answers(*pairs):
    """(truth, said by vanilla, said by a method) -> answers, each about a scene of its own."""
    return [
        Answer(TYPES[0], (n,), Question("exists", truth, ("dog",), {}, "?"), said, (-1, -1))
        for n, (truth, *said) in enumerate(pairs)
        for said in [tuple(said)]
    ]


def test_precision_recall_and_changes_by_hand():
    found = _answers(
        ("Yes", "Yes", "Yes"), ("Yes", "No", "Yes"), ("Yes", "No", "No"), ("Yes", "Yes", "Yes"),
        ("No", "No", "Yes"), ("No", "No", "No"), ("No", "Yes", "Yes"), ("No", "No", "No"),
    )  # fmt: skip
    plain, other = row(found, 0), row(found, 1)
    assert plain["accuracy"]["share"] == 5 / 8
    assert "change" not in plain
    assert other["accuracy"] == {"share": 5 / 8, "interval": wilson(5, 8), "of": 8}
    assert (other["precision"]["share"], other["precision"]["of"]) == (3 / 5, 5)
    assert (other["recall"]["share"], other["recall"]["of"]) == (3 / 4, 4)
    assert other["f1"]["share"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert other["yes"]["share"] == 5 / 8
    assert {name: one["difference"] for name, one in other["change"].items()} == {
        "accuracy": 0, "true positive rate": 1 / 4, "false positive rate": 1 / 4,
    }  # fmt: skip
    assert other["changed"] == 2


def test_an_answer_that_is_neither_yes_nor_no_is_wrong_and_no_yes():
    found = row(_answers(("Yes", "Yes", "maybe"), ("No", "No", "maybe")), 1)
    assert (found["accuracy"]["share"], found["yes"]["share"], found["changed"]) == (0, 0, 2)
    assert math.isnan(found["precision"]["share"])
    assert found["f1"]["share"] == 0


def test_shares_of_nothing_are_no_numbers():
    assert math.isnan(share(0, 0)["share"])
    assert share(0, 4)["interval"][0] == 0


def test_the_interval_of_f1_is_as_wide_as_the_scenes_make_it():
    rng = np.random.default_rng(0)
    true = np.repeat([True, False], 400)
    said = np.where(rng.random(800) < 0.8, true, ~true)
    alone = f1(true, said, np.arange(800))
    low, high = alone["interval"]
    assert low < alone["share"] < high
    assert alone["share"] == pytest.approx(0.8, abs=0.05)
    doubled = f1(
        np.repeat(true, 2), np.repeat(said, 2), np.repeat(np.arange(800), 2)
    )  # twice the questions, no more known
    assert np.subtract(*doubled["interval"]) == pytest.approx(low - high, rel=0.1)
    certain = f1(true, true, np.arange(800))
    assert (certain["share"], certain["interval"]) == (1, (1, 1))


def test_changes_are_paired():
    before, after = np.array([True, False] * 50), np.array([True, True] * 50)
    assert change(before, before, np.arange(100)) == {"difference": 0, "interval": (0, 0)}
    found = change(before, after, np.arange(100))
    assert found["difference"] == 0.5
    assert 0.38 < found["interval"][0] < 0.5 < found["interval"][1] < 0.62


def test_a_method_that_the_card_lacks_settings_for_is_left_out_with_its_reason():
    chosen, refused = recommended(Target("Tiny", 12, 6, 192, {"var": {"dims": (3,)}}))
    assert [one.name for one in chosen] == [name for name in METHODS if name != "adhh"]
    assert chosen[0] == method("vanilla")
    assert method("var:dims=3") in chosen
    assert list(refused) == ["AD-HH"]
    assert "none is known for Tiny" in refused["AD-HH"]


@pytest.fixture(scope="module")
def found():
    bench = Bench(FOLDER, lambda styles: Squares())
    return measured(Workers(bench, 1), 2, 1)


def test_every_method_answers_every_question(found):
    assert list(found["types"]) == [*TYPES, "all"]
    assert all(BY_TYPE[name].kind in YES_NO for name in TYPES)
    assert len(found["methods"]) == 8
    assert found["left out"] == {}
    for name, rows in found["types"].items():
        assert list(rows) == list(found["methods"])
        assert all(one["accuracy"]["of"] == (2 if name != "all" else 2 * len(TYPES)) for one in rows.values())
        assert all(one["recall"]["of"] == one["accuracy"]["of"] / 2 for one in rows.values())
    assert next(iter(found["methods"].values())) == "vanilla"


def test_the_text_has_a_table_for_each_type_and_nothing_that_is_no_number(found):
    assert json.dumps(finite(found), allow_nan=False)
    text = markdown(found)
    assert "nan" not in text
    titles = [f"{name[:1].upper()}{name[1:]}, 2 questions" for name in TYPES]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Accuracy", *titles, f"All, {2 * len(TYPES)} questions"]
    rows = [line for line in text.splitlines() if line.startswith("| CLVS |")]
    assert len(rows) == len(TYPES) + 2
    assert len({line.count("|") for line in text.splitlines() if line.startswith("| VCD |")}) == 2


def test_the_command_writes_json_or_markdown(found, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(methods_table, "Workers", lambda bench, count: Workers(bench, 1))
    monkeypatch.setattr(methods_table, "Bench", lambda folder: folder)
    monkeypatch.setattr(methods_table, "measured", lambda workers, number, seed: found)
    for name in ("t.json", "t.md"):
        methods_table.main(["--per-type", "2", "--out", str(tmp_path / name)])
        assert capsys.readouterr().out.strip() == markdown(found).strip()
    assert json.loads((tmp_path / "t.json").read_text())["methods"] == found["methods"]
    assert (tmp_path / "t.md").read_text().startswith("# Methods on fresh scenes")


@pytest.mark.parametrize("options", [["--per-type", "1"], ["--seed", "-1"], ["--out", "t.txt"]])
def test_wrong_options_are_refused_at_once(options, capsys):
    with pytest.raises(SystemExit) as stopped:
        methods_table.main(options)
    assert stopped.value.code == 2
    assert "must" in capsys.readouterr().err
