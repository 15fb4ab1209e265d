"""The command score, as a user types it."""

import argparse
import json

import pytest

from clvs_core import benchmarks
from clvs_core.cli import score as command
from clvs_core.errors import ClvsError
from tests.benchmarks import files


def score(*words):
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(required=True))
    options = parser.parse_args(["score", *map(str, words)])
    options.run(options)


@pytest.fixture
def amber(tmp_path):
    return files.write_amber(tmp_path / "amber")


def answers(amber, tmp_path, *methods):
    questions = benchmarks.get("amber").load(amber)
    rows = [{"id": q.id, "method": m, "answer": "No" if m == "clvs" else "Yes"} for m in methods for q in questions]
    return files.lines(tmp_path / "run.jsonl", rows)


def test_json_is_what_the_official_scorer_prints(amber, tmp_path, capsys):
    rows = [{"id": n, "response": "No"} for n, kind, _ in files.AMBER_TRUTHS if kind != "generative"]
    score("amber", "--answers", files.dump(tmp_path / "run.json", rows), "--data", amber, "--json")
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["All", "Existence", "Attribute", "State", "Number", "Action", "Relation"]
    assert found["All"] == {"accuracy": 63.6, "precision": 63.6, "recall": 100.0, "f1": 77.7}  # of the rounded 0.636
    assert found["Existence"] == dict.fromkeys(("accuracy", "precision", "recall", "f1"), 100.0)


def test_runs_are_scored_by_method(amber, tmp_path, capsys):
    score("amber", "--answers", answers(amber, tmp_path, "vanilla", "clvs"), "--data", amber, "--json")
    found = json.loads(capsys.readouterr().out)
    assert {method: groups["All"]["accuracy"] for method, groups in found.items()} == {"vanilla": 36.4, "clvs": 63.6}


def test_the_table_shows_official_and_honest_numbers_and_the_change(amber, tmp_path, capsys):
    score("amber", "--answers", answers(amber, tmp_path, "vanilla", "clvs"), "--data", amber)
    vanilla, clvs = capsys.readouterr().out.split("\n\nAMBER, clvs")
    assert vanilla.startswith("AMBER, vanilla, parser amber: 0 questions without an answer")
    assert "63.6       63.6   100.0   77.7" in clvs
    assert "Minus vanilla" not in vanilla
    lines = clvs.split("Minus vanilla")[1].splitlines()
    assert lines[2].split()[:3] == ["All", "7", "4"]
    assert "+27.3 [" in lines[2]
    assert max(len(line) for line in clvs.splitlines()) <= 150


def test_a_number_that_every_resample_gives_has_no_interval(amber, tmp_path, capsys):
    questions = benchmarks.get("amber").load(amber)
    right = files.dump(tmp_path / "run.json", [{"id": int(q.id), "response": q.label.capitalize()} for q in questions])
    score("amber", "--answers", right, "--vanilla", right, "--data", amber)
    honest, change = capsys.readouterr().out.split("With 95 % intervals")[1].split("Minus vanilla")
    note = "No interval where every resample gives the same number."
    assert honest.splitlines()[2].split()[5:] == [
        "100.0",
        "[74.1,",
        "100.0]",
        *["100.0", "[51.0,", "100.0]"],
        *["0.0", "[0.0,", "35.4]"],
        "100.0",
    ]
    assert note in honest.splitlines()
    assert change.splitlines()[2].split() == ["All", "0", "0", "+0.0", "+0.0", "+0.0", "+0.0"]
    assert change.splitlines()[-1] == note
    rng = [{"id": int(q.id), "response": "Yes"} for q in questions]
    score("amber", "--answers", files.dump(tmp_path / "yes.json", rng), "--data", amber)
    assert "-" in capsys.readouterr().out  # what has nothing to estimate it from


def test_full_json_has_intervals_and_changes_against_other_answers(amber, tmp_path, capsys):
    run = answers(amber, tmp_path, "clvs")
    rows = [{"id": n, "response": "Yes"} for n, kind, _ in files.AMBER_TRUTHS if kind != "generative"]
    base = files.dump(tmp_path / "base.json", rows)
    score("amber", "--answers", run, "--vanilla", base, "--data", amber, "--json-full")
    found = json.loads(capsys.readouterr().out)["clvs"]
    assert found["official"]["All"]["accuracy"] == 63.6
    assert found["groups"]["All"]["accuracy"]["low"] < 0.636 < found["groups"]["All"]["accuracy"]["high"]
    assert found["change"]["All"]["accuracy"]["value"] == pytest.approx(3 / 11)
    score("amber", "--answers", run, "--data", amber, "--json-full")
    assert json.loads(capsys.readouterr().out)["clvs"]["change"] is None


def test_a_run_is_scored_again_with_another_parser(amber, tmp_path, capsys):
    rows = [{"id": n, "response": "no."} for n, kind, _ in files.AMBER_TRUTHS if kind != "generative"]
    run = files.dump(tmp_path / "run.json", rows)
    found = []
    for more in ([], ["--parser", "first_word"]):
        score("amber", "--answers", run, "--data", amber, "--json", *more)
        found.append(json.loads(capsys.readouterr().out)["All"]["accuracy"])
    assert found == [0.0, 63.6]


def test_rbench_options_and_notes(tmp_path, capsys):
    folder = files.write_rbench(tmp_path / "r")
    run = files.lines(tmp_path / "run.jsonl", [{"question_id": n, "text": "yes"} for n in (0, 1, 2, 3, 191, 5356)])
    counts = {}
    for part in ("1", "2", "all"):
        score("R-Bench", "--answers", run, "--data", folder, "--subset", part, "--json-full")
        out, notes = capsys.readouterr()
        counts[part] = json.loads(out)["groups"]["All"]["answers"]
        assert "Note: 1 rows of" in notes
    score("r-bench", "--answers", run, "--data", folder, "--duplicates", "drop", "--json")
    assert counts == {"1": 8, "2": 2, "all": 6}
    assert json.loads(capsys.readouterr().out)["All"]["accuracy"] == 0.5


def test_pope_and_mme_in_their_official_formats(tmp_path, capsys):
    folder = files.write_pope(tmp_path / "pope")
    run = files.lines(tmp_path / "run.jsonl", [{"question": q["text"], "answer": "yes"} for q in files.pope_rows()])
    where = ("--source", "gqa", "--category", "random", "--json")
    score("pope", "--answers", run, "--data", folder, *where)
    expected = {"accuracy": 0.5, "precision": 0.5, "recall": 1.0, "f1": 2 / 3}
    assert json.loads(capsys.readouterr().out) == {"All": expected, "random": expected}

    mme = benchmarks.get("mme")
    questions = mme.load(files.write_mme(tmp_path / "mme"))
    results = files.write_mme_results(tmp_path / "results", questions, {q.id: "Yes" for q in questions})
    score("mme", "--answers", results, "--data", tmp_path / "mme", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found.pop("total") == 250
    assert found == dict.fromkeys(("existence", "count", "position", "color", "OCR"), found["OCR"])
    assert found["OCR"] == {"accuracy": 0.5, "accuracy_plus": 0.0, "score": 50.0}
    score("mme", "--answers", results, "--data", tmp_path / "mme")
    assert "total" in capsys.readouterr().out


def test_what_cannot_be_is_an_error_of_one_sentence(amber, tmp_path, capsys):
    run = answers(amber, tmp_path, "vanilla")
    with pytest.raises(ClvsError, match=r"^--subset is for rbench, not amber; leave it out\.$"):
        score("amber", "--answers", run, "--data", amber, "--subset", "2")
    many = answers(amber, tmp_path, "clvs", "vcd")
    with pytest.raises(ClvsError, match="has the methods clvs, vcd and no vanilla"):
        score("amber", "--answers", many, "--vanilla", many, "--data", amber)
    with pytest.raises(SystemExit):
        score("mmbench", "--answers", run, "--data", amber)
    assert "There is no benchmark 'mmbench'; choose one of amber, rbench, pope, mme" in capsys.readouterr().err


def test_methods_of_a_file_cannot_command_the_terminal(amber, tmp_path, capsys):
    path = files.lines(tmp_path / "run.jsonl", [{"id": "2", "method": "a\x1b[2J\nb", "answer": "Yes"}])
    score("amber", "--answers", path, "--data", amber)
    assert capsys.readouterr().out.startswith("AMBER, a [2J b, parser amber: 10 questions without an answer")
