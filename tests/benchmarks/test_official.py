"""Official scores: golden values of the authors' own scripts and logs, and literal readings of them."""

import json

import numpy as np
import pytest

from clvs_core import benchmarks
from clvs_core.benchmarks.answers import read_answers
from clvs_core.benchmarks.parsers import PARSERS, Judged
from clvs_core.benchmarks.report.cells import estimate_of
from clvs_core.benchmarks.sets.amber import GROUPS
from tests.benchmarks import files, literal

AMBER, RBENCH, POPE, MME = (benchmarks.get(name) for name in ("amber", "rbench", "pope", "mme"))


def shared(*parts):
    path = files.SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs the benchmarks' real files: {path}")
    return path


def confusion(tp, fp, tn, fn, lost=0):
    truth = [True] * tp + [False] * fp + [False] * tn + [True] * fn + [True] * lost
    said = [1] * (tp + fp) + [0] * (tn + fn) + [-1] * lost
    return Judged(np.array(truth), np.array(said, np.int8), np.arange(len(truth)))


def everything(judged):
    return {"All": np.ones(len(judged.truth), bool)}


def percent(printed, digits=2):
    return [round(100 * printed[key], digits) for key in ("accuracy", "precision", "recall", "f1")]


# --- golden -------------------------------------------------------------------------------------------


def test_amber_equals_the_official_script_on_all_14216_questions():
    """inference.py @534babf, really run on these answers with evaluation_type d."""
    questions = AMBER.load(shared("AMBER"))
    assert len(questions) == 14216
    found = AMBER.score(questions, {question.id: files.odd(question.id) for question in questions})
    keys = ("accuracy", "precision", "recall", "f1")
    assert found.official == {
        "All": dict(zip(keys, (41.7, 66.2, 41.8, 51.2), strict=True)),
        "Existence": dict(zip(keys, (41.8, 100.0, 41.8, 58.9), strict=True)),
        "Attribute": dict(zip(keys, (41.7, 50.0, 41.7, 45.5), strict=True)),
        "State": dict(zip(keys, (42.2, 50.7, 41.7, 45.8), strict=True)),
        "Number": dict(zip(keys, (41.0, 48.8, 41.5, 44.8), strict=True)),
        "Action": dict(zip(keys, (40.9, 49.7, 42.4, 45.8), strict=True)),
        "Relation": dict(zip(keys, (41.5, 41.1, 42.8, 41.9), strict=True)),
    }


def test_pope_equals_the_official_script_on_3000_questions(tmp_path):
    """evaluate.py @08d957b, really run on these answers and coco_pope_adversarial.json."""
    questions = POPE.load(shared("POPE", "RUCAIBox"), source="coco", category="adversarial")
    rows = [{"question": q.text, "answer": files.odd(q.id.split("/")[2])} for q in questions]
    answers = read_answers(POPE, files.lines(tmp_path / "run.json", rows), questions).methods[""]
    assert POPE.score(questions, answers).official["All"] == {
        "accuracy": 0.497,
        "precision": 0.4968553459119497,
        "recall": 0.474,
        "f1": 0.4851586489252815,
    }


def test_pope_equals_a_published_run():
    """3000 stored answers of COCO random under the official rule (design notes)."""
    judged = confusion(1309, 116, 1384, 191)
    assert percent(POPE.official(judged, everything(judged))["All"]) == [89.77, 91.86, 87.27, 89.5]


@pytest.mark.parametrize(
    ("counts", "printed"),
    [
        ((2653, 1486, 1237, 122), [70.75, 64.10, 95.60, 76.74]),  # LLaVA-1.5-7B
        ((2421, 671, 2052, 354), [81.36, 78.30, 87.24, 82.53]),  # Qwen2.5-VL-3B
    ],
)
def test_rbench_equals_logs_of_the_official_script(counts, printed):
    judged = confusion(*counts)
    assert percent(RBENCH.official(judged, everything(judged))["All"]) == printed


def paper(table, subset=None):
    """(model, method) -> metric -> value, of a table of the paper."""
    rows = json.loads(shared("paper_tables.json").read_text())["rows"]
    found = {}
    for row in rows:
        if row["table"] == table and subset in (None, row.get("subset")):
            found.setdefault((row["model"], row["method"]), {})[row["metric"]] = row["value"]
    return found


def test_every_existence_row_of_the_papers_table_1_is_a_score_of_ours():
    """4924 questions, all answered by no: accuracy determines F1, to the digit only with the official 0.001."""
    rows = paper("1", "existence")
    assert len(rows) == 26
    for row in rows.values():
        about = round(row["accuracy"] * 49.24)
        scores = []
        for hits in range(about - 4, about + 5):
            judged = confusion(0, 4924 - hits, hits, 0)
            printed = AMBER.official(judged, {"Existence": np.ones(4924, bool)})["Existence"]
            scores.append((printed["accuracy"], printed["f1"]))
        assert (row["accuracy"], row["f1"]) in scores


def test_the_papers_pope_table_is_a_score_of_ours_of_9000_questions():
    """Table 3, to two decimals: the only counts that fit are of three sources pooled."""
    known = {(row["accuracy"], row["f1"]) for row in paper("3").values()}
    ours = set()
    for tp, fp in ((3469, 104), (3590, 126), (3729, 137), (3738, 124)):
        judged = confusion(tp, fp, 4500 - fp, 4500 - tp)
        accuracy, _, _, f1 = percent(POPE.official(judged, everything(judged))["All"])
        ours.add((accuracy, f1))
    assert known == ours


# --- literal readings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_amber_equals_a_literal_reading(seed, tmp_path):
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in GROUPS["All"] if rng.random() < 0.8] or [files.STATE]
    truths = [(n, str(rng.choice(kinds)), str(rng.choice(["yes", "no"]))) for n in range(1, int(rng.integers(2, 300)))]
    folder = files.write_amber(tmp_path, truths)
    rows = [
        {"id": n, "response": str(rng.choice(["Yes", "No", *files.ODD]))} for n, _, _ in truths if rng.random() < 0.9
    ]
    rows = rows or [{"id": 1, "response": "No"}]
    questions = AMBER.load(folder)
    answers = read_answers(AMBER, files.dump(tmp_path / "run.json", rows), questions).methods[""]
    expected = literal.amber_print(
        [(row["id"], row["response"]) for row in rows], {n: (kind, truth) for n, kind, truth in truths}
    )
    assert AMBER.score(questions, answers).official == expected


@pytest.mark.parametrize("seed", range(10))
def test_pope_equals_a_literal_reading(seed, tmp_path):
    rng = np.random.default_rng(seed)
    rows = files.pope_rows(int(rng.integers(5, 60)))
    questions = POPE.load(files.lines(tmp_path / "coco_pope_random.json", rows))
    texts = [str(rng.choice(["Yes", "No", *files.ODD])) for _ in rows]
    answers = {question.id: text for question, text in zip(questions, texts, strict=True)}
    expected = literal.pope_print(texts, [row["label"] for row in rows])
    assert POPE.score(questions, answers).official == {"All": expected, "random": expected}


@pytest.mark.filterwarnings("ignore::clvs_core.benchmarks.BenchmarkWarning")
@pytest.mark.parametrize("seed", range(10))
def test_rbench_equals_a_literal_reading_with_duplicates_and_odd_labels(seed, tmp_path):
    rng = np.random.default_rng(seed)
    ids = [int(rng.choice([row[0] for row in files.RBENCH_ROWS])) for _ in range(30)]
    folder, rows = files.write_rbench(tmp_path / "data", ids), files.rbench_rows()
    said = [
        {"question_id": row["question_id"], "text": str(rng.choice(["Yes", "No", *files.ODD]))}
        for row in rows
        if rng.random() < 0.9
    ]
    questions = RBENCH.load(folder)
    answers = read_answers(RBENCH, files.lines(tmp_path / "run.jsonl", said), questions).methods[""]
    assert RBENCH.score(questions, answers).official == {"All": literal.rbench_print(said, rows, ids)}


@pytest.mark.parametrize("seed", range(10))
def test_mme_equals_a_literal_reading(seed, tmp_path):
    rng = np.random.default_rng(seed)
    questions = MME.load(files.write_mme(tmp_path / "mme", images=int(rng.integers(1, 30))))
    said = {q.id: str(rng.choice(["Yes", "No", "Answer: yes", "yes.", *files.ODD])) for q in questions}
    results = files.write_mme_results(tmp_path / "results", questions, said)
    answers = read_answers(MME, results, questions).methods[""]
    assert answers == said
    tasks = ("existence", "count", "position", "color", "OCR")
    assert MME.score(questions, answers).official == literal.mme_print(results, tasks)


def test_pope_does_not_divide_by_zero():
    judged = confusion(0, 0, 3, 3)
    expected = {"accuracy": 0.5, "precision": None, "recall": 0.0, "f1": None}
    assert POPE.official(judged, everything(judged))["All"] == expected


# --- other people's scorers -------------------------------------------------------------------------------

OTHERS = ["Yes", "No", "yes", " no\n", "Yes.", "no.No", "Answer:yes", "**Yes**", "(no)", "yes, no", "y", "N.", "maybe"]
OTHERS += ["It is 3,000 yes!", "nope", "not sure", "yes" + "." * 40, "", "Yes - it is", "no-one", "No\nThe dog"]
SCORERS = {"lmms": literal.pope_of_lmms, "vlmeval": literal.pope_of_vlmeval}


@pytest.mark.parametrize("parser", SCORERS)
@pytest.mark.parametrize("seed", range(10))
def test_pope_under_the_name_of_other_code_is_what_that_code_prints(parser, seed, tmp_path):
    rng = np.random.default_rng(seed)
    rows = files.pope_rows(int(rng.integers(5, 60)))
    questions = POPE.load(files.lines(tmp_path / "coco_pope_random.json", rows))
    assert rows[0]["label"] == "yes"
    texts = ["maybe", *(str(rng.choice(OTHERS)) for _ in rows[1:])]  # what the two denominators differ by
    answers = {question.id: text for question, text in zip(questions, texts, strict=True)}
    expected = SCORERS[parser](texts, [row["label"] for row in rows])
    found = POPE.score(questions, answers, parser).official
    assert found == {"All": pytest.approx(expected, abs=0), "random": pytest.approx(expected, abs=0)}


@pytest.mark.parametrize("parser", SCORERS)
@pytest.mark.parametrize("text", ["maybe", "no", "yes"])
def test_other_code_has_zeros_where_there_is_nothing_to_divide_by(parser, text, tmp_path):
    for label in ("yes", "no"):
        rows = [row for row in files.pope_rows(2) if row["label"] == label]
        questions = POPE.load(files.lines(tmp_path / label / "coco_pope_random.json", rows))
        found = POPE.score(questions, {question.id: text for question in questions}, parser).official["All"]
        assert found == SCORERS[parser]([text] * len(rows), [label] * len(rows))


@pytest.mark.parametrize("seed", range(5))
def test_mme_under_lmms_evals_name_is_what_its_mme_task_prints(seed, tmp_path):
    rng = np.random.default_rng(seed)
    questions = MME.load(files.write_mme(tmp_path / "mme", images=int(rng.integers(1, 30))))
    said = {q.id: str(rng.choice(OTHERS)) for q in questions}
    found = MME.score(questions, said, "lmms").official
    expected = literal.mme_of_lmms([(q.kind, q.image, said[q.id], q.label) for q in questions])
    scores = {name: each if name == "total" else each["score"] for name, each in found.items()}
    assert scores == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("answer", [*OTHERS, *files.ODD])
def test_vlmeval_reads_as_vlmevalkit_does(answer):
    assert (
        PARSERS["vlmeval"](answer, "yes") == {"Yes": "yes", "No": "no", "Unknown": None}[literal.vlmeval_reads(answer)]
    )


def test_tables_have_no_interval_beside_a_number_that_is_not_of_all_answers(tmp_path):
    questions = POPE.load(files.lines(tmp_path / "coco_pope_random.json", files.pope_rows(10)))
    answers = {q.id: "maybe" if n % 3 else q.label for n, q in enumerate(questions)}
    lmms, own = (POPE.score(questions, answers, name) for name in ("lmms", "amber"))
    assert lmms.official["All"]["recall"] == 1.0
    assert estimate_of(POPE, lmms, "All", "f1") is estimate_of(POPE, lmms, "All", "recall") is None
    assert estimate_of(POPE, lmms, "All", "accuracy") == lmms.groups["All"].accuracy
    assert estimate_of(POPE, own, "All", "f1") == own.groups["All"].f1
