"""Parsers, each with the answers on which it differs from the others, and files of answers."""

import pytest

from clvs_core import benchmarks
from clvs_core.benchmarks.answers import PAPER, PARSERS, first_word, parser, read_answers
from clvs_core.errors import ClvsError
from clvs_core.models import prompts
from tests.benchmarks import files, literal

AMBER, RBENCH, POPE, MME = (benchmarks.get(name) for name in ("amber", "rbench", "pope", "mme"))

# Answer: what amber, pope, mme, first_word, pai, lmms and vlmeval read in it.
READ = {
    "Yes": "yes yes yes yes yes yes yes",
    "No": "no no no no no no no",
    "yes": "- yes yes yes yes yes yes",
    "Yes.": "- yes yes yes yes - yes",
    "No.": "- no no no no - no",
    " No": "- no no no no no no",
    "NO": "- yes no no no no no",
    "No!": "- yes no no yes - no",
    "No\nThe dog": "- yes no no yes - no",
    "Nope": "- yes no - yes - -",
    "not sure": "- no no - no - -",
    "I know": "- yes - - yes - -",
    "know": "- yes no - yes - -",
    "": "- yes - - yes - -",
    "Answer: yes": "- yes - yes yes - yes",
    "There is no dog": "- no - no no - no",
    "It isn't": "- yes - - no - -",
    "Yes, it is not red": "- no yes yes no - yes",
    "Yes. It is not red": "- yes yes yes no - yes",
    "no, yes": "- no no no no - -",
    "It is, yes and no": "- no - - no - -",
}


@pytest.mark.parametrize("answer", READ)
def test_parsers_read(answer):
    names = ("amber", "pope", "mme", "first_word", "pai", "lmms", "vlmeval")
    read = [PARSERS[name](answer, "yes") or "-" for name in names]
    assert dict(zip(names, read, strict=True)) == dict(zip(names, READ[answer].split(), strict=True))
    assert PARSERS["pope"](answer, "no") == literal.pope_reads(answer)


@pytest.mark.parametrize("name", ["vcd", "clvs", "clearsight"])
def test_label_dependent_parsers_accept_the_label_anywhere(name):
    read = PARSERS[name]
    assert (read("Yes and no", "yes"), read("Yes and no", "no")) == ("yes", "no")
    assert (read("maybe", "yes"), read("maybe", "no")) == ("no", "yes")
    assert (read("I know", "no"), read("NOT there", "no"), read("YES", "yes")) == ("no", "no", "yes")


def test_every_parser_says_where_it_is_from():
    assert all(len(read.__doc__) > 40 for read in PARSERS.values())
    with pytest.raises(ClvsError, match="no parser 'magic'; choose one of amber"):
        parser("magic")


def test_presets_of_the_paper_exist():
    for family, preset in PAPER.items():
        assert preset.prompt in prompts.presets(family)
        assert preset.parsers.keys() == benchmarks.BENCHMARKS.keys()
        assert set(preset.parsers.values()) <= PARSERS.keys()


def test_first_word_ignores_case_and_punctuation():
    assert [first_word(text) for text in ("**Yes**", "(no)", "YES!", "Yesterday", "no-one")] == [
        "yes",
        "no",
        "yes",
        None,
        "no",
    ]


# --- files --------------------------------------------------------------------------------------------


@pytest.fixture
def amber(tmp_path):
    return AMBER.load(files.write_amber(tmp_path / "amber"))


def run_rows(method, questions, answer="Yes"):
    return [{"id": q.id, "method": method, "answer": answer, "seconds": 1} for q in questions]


def test_runs_are_read_by_method_from_one_file_or_several(tmp_path, amber):
    both = run_rows("vanilla", amber) + run_rows("clvs:alpha=0.7", amber, "No")
    one = read_answers(AMBER, files.lines(tmp_path / "run.jsonl", both), amber)
    files.lines(tmp_path / "runs" / "a.jsonl", both[: len(amber)])
    files.dump(tmp_path / "runs" / "b.json", both[len(amber) :])
    (tmp_path / "runs" / "notes.txt").write_text("anything")
    assert one == read_answers(AMBER, tmp_path / "runs", amber)
    assert not one.official
    assert list(one.methods) == ["vanilla", "clvs:alpha=0.7"]
    assert set(one.methods["clvs:alpha=0.7"].values()) == {"No"}


def test_ids_of_runs_may_be_numbers(tmp_path, amber):
    path = files.lines(tmp_path / "run.jsonl", [{"id": 2, "method": "vanilla", "answer": "Yes"}])
    assert read_answers(AMBER, path, amber).methods == {"vanilla": {"2": "Yes"}}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"id": "2", "method": "m", "answer": "Yes"}] * 2, "Row 2 of .* answers question 2 a second time"),
        ([{"id": None, "method": "m", "answer": "Yes"}], "Row 1 of .* has no question's id"),
        ([{"id": "2", "method": "m", "answer": 1}], "Row 1 of .* has no text as answer: 1"),
        ([{"id": "2", "method": "m", "answer": "a"}, {"id": "3", "answer": "a"}], "Row 2 of .* has no text as method"),
        ([{"id": 2, "response": "Yes"}, {"id": 2, "response": "No"}], "answers question 2 a second time"),
        ([{"id": 2, "response": None}], "has no text as response or text or answer: null"),
        ([{"response": "Yes"}], "has no 'question_id' or 'id'"),
        ([1], "Row 1 of .* is not a JSON object"),
    ],
)
def test_faulty_answers_are_refused(tmp_path, amber, rows, problem):
    with pytest.raises(ClvsError, match=problem):
        read_answers(AMBER, files.dump(tmp_path / "run.json", rows), amber)


def test_a_mixed_folder_and_an_empty_one_are_refused(tmp_path, amber):
    files.lines(tmp_path / "a" / "run.jsonl", run_rows("vanilla", amber))
    files.dump(tmp_path / "a" / "other.json", [{"id": 2, "response": "Yes"}])
    with pytest.raises(ClvsError, match=r"in other\.json, something else"):
        read_answers(AMBER, tmp_path / "a", amber)
    (tmp_path / "b").mkdir()
    with pytest.raises(ClvsError, match="There are no answers in"):
        read_answers(AMBER, tmp_path / "b", amber)
    with pytest.raises(ClvsError, match=r"There is no .*gone; name the file or folder of the answers"):
        read_answers(AMBER, tmp_path / "gone", amber)


@pytest.mark.filterwarnings("ignore::clvs_core.benchmarks.BenchmarkWarning")
def test_rbench_keeps_the_last_answer_to_an_id(tmp_path):
    questions = RBENCH.load(files.write_rbench(tmp_path / "r"))
    rows = [{"question_id": 191, "text": "Yes"}, {"question_id": 191, "text": "No"}]
    assert read_answers(RBENCH, files.lines(tmp_path / "a.jsonl", rows), questions).methods == {"": {"191": "No"}}


def pope_answers(questions):
    return [{"question_id": n, "text": "Yes"} for n, _ in enumerate(questions, 1)]


def test_pope_answers_are_paired_by_order_a_file_a_part(tmp_path):
    questions = POPE.load(files.write_pope(tmp_path / "pope"))
    part = [q for q in questions if (q.source, q.kind) == ("gqa", "popular")]
    files.lines(tmp_path / "run" / "gqa" / "llava_popular.jsonl", pope_answers(part))
    files.lines(tmp_path / "run" / "aokvqa_pope_seem_random.json", [{"answer": "No"}] * 12)
    found = read_answers(POPE, tmp_path / "run", questions).methods[""]
    expected = dict.fromkeys((q.id for q in part), "Yes")
    assert found == expected | {f"aokvqa/random/{n}": "No" for n in range(1, 13)}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[:-1], "has 11 answers and coco/random 12 questions"),
        (lambda rows: rows[::-1], "in another order"),
        (lambda rows: [row | {"prompt": "Is there a cow in the image?"} for row in rows], "Row 1 .* answers .*cow"),
        (lambda rows: [{"question_id": 1}, *rows[1:]], "has no text as answer or text"),
    ],
)
def test_pope_answers_that_do_not_fit_the_questions_are_refused(tmp_path, change, problem):
    questions = POPE.load(files.write_pope(tmp_path / "pope"), source="coco", category="random")
    path = files.lines(tmp_path / "run.jsonl", change(pope_answers(questions)))
    with pytest.raises(ClvsError, match=problem):
        read_answers(POPE, path, questions)


def test_pope_answers_may_repeat_the_question_with_a_prompt_around_it(tmp_path):
    questions = POPE.load(files.write_pope(tmp_path / "pope"), source="coco", category="random")
    rows = [{"question_id": 7, "prompt": f"<image>\n{q.text.lower()} One word.", "text": "Yes"} for q in questions]
    assert len(read_answers(POPE, files.lines(tmp_path / "run.jsonl", rows), questions).methods[""]) == 12


def test_pope_answers_of_an_unknown_or_a_doubled_part_are_refused(tmp_path):
    questions = POPE.load(files.write_pope(tmp_path / "pope"))
    path = files.lines(tmp_path / "run" / "answers.jsonl", pope_answers(range(12)))
    with pytest.raises(ClvsError, match="does not say which of coco/random"):
        read_answers(POPE, path, questions)
    with pytest.raises(ClvsError, match="is named like a part of POPE"):
        read_answers(POPE, path.parent, questions)
    for name in ("coco_random_a.jsonl", "coco_random_b.jsonl"):
        files.lines(tmp_path / "two" / name, pope_answers(range(12)))
    with pytest.raises(ClvsError, match="both answer coco/random"):
        read_answers(POPE, tmp_path / "two", questions)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0000.jpg\tq\tYes\tYes\n0001.jpg\tq\tNo\tNo\n", "Line 1 of .* is not next to the other line of its picture"),
        ("0000.jpg\tq\tYes\tYes\n", "Line 1 of .* is not next to"),
        ("0000.jpg\tq\tYes\n0000.jpg\tq\tNo\n", "has 3 fields"),
        ("0000.jpg\tq\tYes\tYes\n0000.jpg\tq\tMaybe\tNo\n", "has the label 'Maybe'"),
        ("0000.jpg\tq\tYes\tYes\n0000.jpg\tq\tYes\tNo\n", "a second time"),
        ("9.jpg\tq\tYes\tYes\n9.jpg\tq\tNo\tNo\n", "is about existence/9/yes, which the data does not have"),
    ],
)
def test_faulty_mme_results_are_refused(tmp_path, text, problem):
    questions = MME.load(files.write_mme(tmp_path / "mme"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "existence.txt").write_text(text)
    with pytest.raises(ClvsError, match=problem):
        read_answers(MME, tmp_path / "results", questions)


def test_mme_results_need_a_file_of_a_task(tmp_path):
    questions = MME.load(files.write_mme(tmp_path / "mme"))
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(ClvsError, match=r"There is no existence\.txt"):
        read_answers(MME, tmp_path / "readme.txt", questions)
