"""Parsers, each with the answers on which it differs from the others, and files of answers."""

import json

import pytest

from clvs_core import benchmarks
from clvs_core.benchmarks.answers import read_answers
from clvs_core.benchmarks.parsers import PAPER, PARSERS, first_word, parser
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


# --- other formats of the field -----------------------------------------------------------------------------------

CATEGORIES = ("adversarial", "popular", "random")


def _three_parts(folder):
    """COCO's three files, whose questions differ as the real ones' do, and their questions."""
    for place, category in enumerate(CATEGORIES):
        rows = files.pope_rows(2)
        for row in rows:
            if row["label"] == "no":
                row["text"] = row["text"].replace("thing", f"thing {place} ")
        files.lines(folder / f"coco_pope_{category}.json", rows)
    return POPE.load(folder)


def _llava(questions, order, **columns):
    """LLaVA's single file: ids go on through the categories in some order."""
    ordered = [question for category in order for question in questions if question.kind == category]
    prompt = "{}\nAnswer the question using a single word or phrase."
    rows = [
        {"question_id": n, "prompt": prompt.format(q.text), "text": files.odd(q.id), "answer_id": "x", **columns}
        for n, q in enumerate(ordered)
    ]
    return ordered, rows


@pytest.mark.parametrize("order", [CATEGORIES, CATEGORIES[::-1]])
def test_one_file_of_llava_s_answers_three_categories_of_pope(tmp_path, order):
    questions = _three_parts(tmp_path / "pope")
    _, rows = _llava(questions, order)
    path = files.lines(tmp_path / "llava-v1.5-7b.jsonl", rows[::-1])  # several GPUs write in any order
    found = read_answers(POPE, path, questions)
    assert found.methods == {"": {question.id: files.odd(question.id) for question in questions}}


def test_categories_that_are_named_need_no_prompts(tmp_path):
    questions = _three_parts(tmp_path / "pope")
    ordered, rows = _llava(questions, CATEGORIES)
    rows = [
        {"question_id": r["question_id"], "text": r["text"], "category": q.kind}
        for r, q in zip(rows, ordered, strict=True)
    ]
    found = read_answers(POPE, files.lines(tmp_path / "all.jsonl", rows), questions)
    assert found.methods == {"": {question.id: files.odd(question.id) for question in questions}}


def test_one_file_that_does_not_say_what_it_answers_is_not_guessed(tmp_path):
    questions = _three_parts(tmp_path / "pope")
    _, rows = _llava(questions, CATEGORIES)
    for row in rows:
        del row["prompt"]
    path = files.lines(tmp_path / "all.jsonl", rows)
    with pytest.raises(ClvsError, match=r"does not say by category or prompt which of .* its rows from 1 on answer"):
        read_answers(POPE, path, questions)
    with pytest.raises(ClvsError, match="has 30 answers, and its parts 36 questions"):
        read_answers(POPE, files.lines(path, rows[:30]), questions)


def _lmms(question, **doc):
    """A line of lmms-eval's samples."""
    said = files.odd(question.id)
    gold = question.label.capitalize()
    return {
        "doc_id": 0,
        "target": gold,
        "doc": {"question": question.text, "answer": gold, **doc},
        "resps": [[said]],
        "filtered_resps": [said],
    }


def test_samples_of_lmms_eval_are_read(tmp_path):
    questions = _three_parts(tmp_path / "pope")
    rows = [
        _lmms(q, question_id=q.id.split("/")[-1], image_source=q.image.removesuffix(".jpg"), category=q.kind)
        for q in questions
    ]
    found = read_answers(POPE, files.lines(tmp_path / "20250101_samples_pope.jsonl", rows), questions)
    assert found.methods == {"": {question.id: files.odd(question.id) for question in questions}}
    assert found.official


def test_samples_of_lmms_eval_s_mme_leave_other_tasks_aside(tmp_path):
    questions = MME.load(files.write_mme(tmp_path / "mme"))
    rows = [_lmms(q, question_id=q.image, category=q.kind) for q in questions]
    rows.append(rows[0] | {"doc": {"question": "Is it art?", "question_id": "artwork/1.jpg", "category": "artwork"}})
    files.lines(tmp_path / "out" / "1_samples_mme.jsonl", rows)
    files.dump(tmp_path / "out" / "1_results.json", {"results": {"mme": 1}})
    found = read_answers(MME, tmp_path / "out", questions).methods[""]
    assert {id: found[id] for id in found if not id.startswith("?")} == {q.id: files.odd(q.id) for q in questions}
    assert MME.score(questions, found).extra == 1


@pytest.mark.parametrize("indent", [None, 1])
def test_logs_of_older_lmms_eval_are_one_object(tmp_path, indent):
    questions = _three_parts(tmp_path / "pope")
    rows = [_lmms(q, image_source=q.image, category=q.kind) for q in questions]
    path = tmp_path / "pope.json"
    path.write_text(json.dumps({"args": {}, "logs": rows}, indent=indent))
    assert read_answers(POPE, path, questions).methods == {"": {q.id: files.odd(q.id) for q in questions}}


@pytest.mark.parametrize("write", [files.dump, files.lines])
def test_vlmevalkit_s_rows_in_json_hold_the_label_as_answer(tmp_path, write):
    questions = _three_parts(tmp_path / "pope")
    rows = [
        {
            "index": n,
            "question": q.text,
            "answer": q.label,
            "category": q.kind,
            "image_path": q.image,
            "prediction": "No",
        }
        for n, q in enumerate(questions)
    ]
    found = read_answers(POPE, write(tmp_path / "model_POPE.json", rows), questions)
    assert found.methods == {"": dict.fromkeys((q.id for q in questions), "No")}


@pytest.mark.parametrize("name", ["response", "model_answer", "pred"])
def test_labels_are_not_scored_as_answers(tmp_path, name):
    """One row of POPE's official form with the label as "answer" would be right every time."""
    questions = _three_parts(tmp_path / "pope")[:1]
    rows = [{"question": questions[0].text, "answer": questions[0].label, name: "maybe"}]
    with pytest.raises(ClvsError, match=f"Row 1 of .* has '{name}' beside 'answer', which is then often the label"):
        read_answers(POPE, files.lines(tmp_path / "answers.jsonl", rows), questions)


def test_questions_are_not_scored_as_answers(tmp_path, amber):
    rows = [{"id": q.id, "text": q.text} for q in amber]
    with pytest.raises(ClvsError, match="holds the questions and no answers; give the file of the model's answers"):
        read_answers(AMBER, files.lines(tmp_path / "q.jsonl", rows), amber)


def _sheet(path, rows):
    path.write_text("\n".join(["\t".join(rows[0]), *("\t".join(f'"{v}"' for v in row.values()) for row in rows)]))
    return path


def test_sheets_of_vlmevalkit_are_read_against_their_own_questions(tmp_path):
    """A question of several categories is one row there, and no picture has a name."""
    rows = [
        {
            "index": n,
            "image": "/9j/4AAQ" * 40_000,
            "question": "Is there a thing in the image?",
            "answer": "Yes",
            "category": c,
        }
        for n, c in enumerate(("adversarial,popular,random", "random", "popular"))
    ]
    questions = POPE.load(_sheet(tmp_path / "POPE.tsv", rows))
    assert len(questions) == 5
    said = [
        {**row, "image": "", "prediction": answer} for row, answer in zip(rows, ("Yes", "No\nline", "Yes"), strict=True)
    ]
    found = read_answers(POPE, _sheet(tmp_path / "model_POPE.tsv", said), questions).methods[""]
    expected = {
        "adversarial/0": "Yes",
        "popular/0": "Yes",
        "random/0": "Yes",
        "random/1": "No\nline",
        "popular/2": "Yes",
    }
    assert found == {f"coco/{key}": answer for key, answer in expected.items()}
    assert POPE.score(questions, found).missing == 0


def test_what_a_sheet_does_not_say_is_told(tmp_path):
    questions = _three_parts(tmp_path / "pope")
    rows = [{"index": "900", "question": questions[0].text, "answer": "Yes", "category": "random"}]
    with pytest.raises(ClvsError, match="has no column 'prediction'; give the sheet that VLMEvalKit wrote"):
        read_answers(POPE, _sheet(tmp_path / "POPE.tsv", rows), questions)
    rows[0]["prediction"] = "Yes"
    with pytest.raises(ClvsError, match="does not say which picture it is about, and several have its question"):
        read_answers(POPE, _sheet(tmp_path / "a.tsv", rows), questions)
    rows[0] |= {"image_path": questions[0].image}
    assert len(read_answers(POPE, _sheet(tmp_path / "b.tsv", rows), questions).methods[""]) == 1
    rows[0] |= {"question": "Is it art?"}
    with pytest.raises(ClvsError, match=r"Row 1 of .* answers 'Is it art\?', which the data does not ask"):
        read_answers(POPE, _sheet(tmp_path / "c.tsv", rows), questions)
    (tmp_path / "POPE.xlsx").write_bytes(b"PK\3\4")
    with pytest.raises(ClvsError, match=r"POPE\.xlsx is a spreadsheet, as VLMEvalKit writes them; save it as \.tsv"):
        read_answers(POPE, tmp_path / "POPE.xlsx", questions)
    with pytest.raises(ClvsError, match="no pictures and does not name them"):
        POPE.load(_sheet(tmp_path / "q.tsv", [{**rows[0], "image_path": "", "prediction": ""}]), tmp_path)


@pytest.mark.filterwarnings("ignore::clvs_core.benchmarks.BenchmarkWarning")
def test_mme_responses_may_hold_lines_and_tabs(tmp_path):
    questions = MME.load(files.write_mme(tmp_path / "mme", tasks=("existence",), images=1))
    path = tmp_path / "existence.txt"
    yes = "0000.jpg\tq\tYes\tYes, it is.\r\n\nIt is\tred\t(a\tb).\n"
    path.write_text(yes + "0000.jpg\tq\tNo\tNo\t(sure)\n")
    found = read_answers(MME, path, questions).methods[""]
    assert found["existence/0000/yes"].split() == ["Yes,", "it", "is.", "It", "is", "red", "(a", "b)."]
    assert found["existence/0000/no"] == "No\t(sure)"


def test_amber_s_answers_in_llava_s_form(tmp_path):
    questions = AMBER.load(files.write_amber(tmp_path / "amber"))
    path = files.dump(tmp_path / "answers.json", [{"question_id": "2", "text": "Yes"}, {"id": 3, "answer": "No"}])
    assert read_answers(AMBER, path, questions).methods[""] == {"2": "Yes", "3": "No"}


def test_files_of_windows_are_read(tmp_path):
    questions = AMBER.load(files.write_amber(tmp_path / "amber"))
    path = tmp_path / "answers.json"
    path.write_bytes('[{"id": 2, "response": "Yes"}]'.encode("utf-16"))
    assert read_answers(AMBER, path, questions).methods[""] == {"2": "Yes"}


def test_captions_are_told_from_answers(tmp_path):
    questions = _three_parts(tmp_path / "pope")
    path = files.lines(tmp_path / "opera.jsonl", [{"image_id": 310196, "caption": "A dog flies a kite."}])
    with pytest.raises(ClvsError, match=r"holds captions, as CHAIR scores them, .*find-heads reads them"):
        read_answers(POPE, path, questions)
