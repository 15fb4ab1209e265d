"""Run folders as they are read back: complete, torn, damaged, and several at once."""

import json

import pytest

from clvs_core.benchmarks.question import Question
from clvs_core.benchmarks.running import folder as runs
from clvs_core.benchmarks.running.folder import find_runs, question_line, read_about, read_run
from clvs_core.errors import ClvsError
from tests.benchmarks import made


@pytest.fixture
def folder(tmp_path):
    return made.made_run(tmp_path / "run", questions=made.pope_questions(2), records=("lens",))


def edited(folder, name, old, new):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_run_is_read_as_it_was_written(folder):
    found = read_run(folder)
    assert found.complete
    assert found.benchmark.name == "pope"
    assert found.methods == made.METHODS
    assert found.total == len(found.rows) == 2 * len(found.questions)
    assert found.questions == made.pope_questions(2)
    assert [q.meta["row"] for q in found.questions] == [q.meta["row"] for q in made.pope_questions(2)]
    assert found.answers["clvs"] == {q.id: made.answer(q, "clvs") for q in found.questions}
    assert found.column("clvs", "stop") == {q.id: 7 for q in found.questions}
    assert found.column("clvs", "attention") == {}


def test_a_torn_last_line_is_passed_over(folder):
    path = folder / runs.ANSWERS
    content = path.read_bytes()
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (last, last + 1, len(content) - 30, len(content) - 1):
        path.write_bytes(content[:cut])
        found = read_run(folder)
        assert not found.complete
        assert len(found.rows) == found.total - 1
    path.unlink()
    assert read_run(folder).answers == {"vanilla": {}, "clvs": {}}


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            runs.ANSWERS,
            '"id": "coco/random/1"',
            '"id": "coco/random/99"',
            "Line 1 of .* is no answer of this run; take",
        ),
        (runs.ANSWERS, '"method": "clvs"', '"method": "pai"', "Line 2 of .* is no answer of this run"),
        (runs.ANSWERS, '"answer": "', '"answer": 1, "said": "', "Line 1 of .* is no answer of this run"),
        (
            runs.ANSWERS,
            '"method": "clvs"',
            '"method": "vanilla"',
            "Line 2 of .* answers question coco/random/1 a second",
        ),
        (runs.ANSWERS, "{", "", "Line 1 of .* is damaged; take it out"),
        (runs.ANSWERS, "{", "\n{", "Line 1 of .* is damaged; take it out"),
        (
            runs.QUESTIONS,
            '"label": "yes"',
            '"label": "maybe"',
            "questions.jsonl has something else than 'yes' or 'no' as label; run the benchmark anew",
        ),
        (runs.QUESTIONS, '"text"', '"txt"', "questions.jsonl has no text; run the benchmark anew"),
        (runs.QUESTIONS, "{", "[", "Line 1 of .*questions.jsonl is damaged"),
        (runs.ABOUT, "{", "", "run.json is damaged .*; run the benchmark anew"),
        (
            runs.ABOUT,
            '"format": 1',
            '"format": 2',
            "run.json is not of format 1; read it with the version that wrote it",
        ),
        (
            runs.ABOUT,
            '"prompt": "chat"',
            '"prompt": 3',
            "run.json has something else than text as prompt; run the benchmark anew",
        ),
        (runs.ABOUT, '"methods"', '"method"', "run.json has no methods; run the benchmark anew"),
        (
            runs.ABOUT,
            '"max_new_tokens": 1',
            '"max_new_tokens": true',
            "has something else than a whole number as max_new",
        ),
    ],
)
def test_what_is_damaged_is_one_sentence(folder, name, old, new, said):
    edited(folder, name, old, new)
    with pytest.raises(ClvsError, match=said) as caught:
        read_run(folder)
    assert "\n" not in str(caught.value)


def test_what_is_no_run(tmp_path):
    (tmp_path / "run.json").mkdir()
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(
            ClvsError, match=r"holds no run, there is no run\.json; name a folder that the command bench"
        ):
            read_about(path)


def test_runs_are_found_in_folders_and_two_levels_below_each_once(tmp_path):
    one, two = (made.made_run(tmp_path / "runs" / name, questions=made.pope_questions(1)) for name in ("b", "a"))
    inner = made.made_run(tmp_path / "runs" / "b" / "inner", questions=made.pope_questions(1))
    assert find_runs([tmp_path / "runs"]) == find_runs([tmp_path]) == [two, one]
    assert find_runs([one, tmp_path / "runs", str(one)]) == [one, two]
    assert find_runs([inner]) == [inner]
    assert find_runs([]) == []
    deeper = made.made_run(tmp_path / "x" / "y" / "z", questions=made.pope_questions(1))
    assert find_runs([tmp_path / "x"]) == [deeper]
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "missing", one / runs.ABOUT):
        with pytest.raises(ClvsError, match=r"^There is no run in .*; name a folder that the command bench wrote\.$"):
            find_runs([one, nothing])


def test_questions_come_back_as_they_were():
    odd = Question('a"b', "Bild ü.jpg", "Is\u2028there\n\\a 🐱?", "no", "x", "gqa", "/p/Bild ü.jpg", {"row": 3})
    line = json.loads(json.dumps(question_line(odd)))
    assert line["picture"] == "/p/Bild ü.jpg"
    assert runs._question(line, None) == odd
    assert runs._question(line, None).meta == {"row": 3}
    table = Question("1", "", "?", "yes", "x", picture=lambda: None)
    assert question_line(table)["picture"] is None
