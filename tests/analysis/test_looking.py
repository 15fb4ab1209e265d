"""Where looking matters over a benchmark, against sums written out, and what is told of runs that lack something."""

import json

import numpy as np
import pytest

from clvs_core.analysis.decay import REPLICATES
from clvs_core.analysis.looking import NoKnockouts, looking, looking_tables
from clvs_core.benchmarks.bootstrap import resampled
from clvs_core.benchmarks.report.render import csv_text, markdown
from clvs_core.benchmarks.running.folder import ANSWERS, read_run
from clvs_core.cli.main import main
from clvs_core.errors import ClvsError
from tests.benchmarks.made import QUESTIONS_OF, answer, made_run, pope_questions

RECORDS = ("key_objects", "knockout")
METHODS = {"vanilla": "vanilla", "clvs": "clvs:beta=0.8", "pai": "pai"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looking") / "run"
    return read_run(made_run(folder, questions=pope_questions(8), methods=METHODS, records=RECORDS))


def rewritten(run, change):
    rows = [change(json.loads(json.dumps(row))) for row in run.rows]
    (run.folder / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_run(run.folder)


def literal(run, method):
    """By picture, the sums over its questions and layers that every share is a ratio of."""
    rows = {(row["id"], row["method"]): row for row in run.rows}
    pictures = {}
    for question in run.questions:
        if question.label != "yes" or run.answers["vanilla"][question.id] == "No":  # as POPE reads, all else is yes
            continue
        sums = pictures.setdefault(question.image, np.zeros(8))
        vanilla, other = rows[question.id, "vanilla"], rows[question.id, method]
        left = vanilla["knockout"]["word"]
        for layer in range(12):
            a, b = vanilla["attention"][layer], other["attention"][layer]
            m = 1 - min(1, left["kept"][layer] / left["control"][layer])
            sums += [a, a * m, b, b * m, max(0, b - a), max(0, b - a) * m, max(0, a - b), max(0, a - b) * m]
    return [pictures[name] for name in sorted(pictures)]


def ratios(sums):
    a, am, b, bm, more, more_m, less, less_m = sums
    return {
        "there": bm / b,
        "added": more / a,
        "added_there": more_m / more,
        "taken": less / a,
        "taken_there": less_m / less,
        "change": bm / am - 1,
    }


@pytest.mark.parametrize("method", ["clvs", "pai"])
def test_shares_are_sums_written_out_and_their_intervals_a_paired_bootstrap(run, method):
    found = looking(run)
    sums = literal(run, method)
    drawn = [ratios(weights @ np.array(sums)) for weights in resampled(len(sums), REPLICATES)]
    for name, value in ratios(np.sum(sums, 0)).items():
        estimate = getattr(found.shares(method), name)
        assert estimate.value == pytest.approx(value, rel=1e-12), name
        ends = np.quantile([one[name] for one in drawn], [0.025, 0.975])
        assert (estimate.low, estimate.high) == pytest.approx(tuple(ends), rel=1e-9), name
    assert 0 < found.shares(method).added_there.value < 1


def test_vanilla_has_its_own_share_and_what_is_left(run):
    found, sums = looking(run), np.sum(literal(run, "clvs"), 0)
    shares = found.shares("vanilla")
    assert shares.there.value == pytest.approx(sums[1] / sums[0], rel=1e-12)
    assert shares.added is shares.change is None
    rows = {row["id"]: row for row in run.rows if row["method"] == "vanilla"}
    for blinded in ("word", "both"):
        left = [rows[id]["knockout"][blinded]["everywhere"] for id in found.samples.ids]
        assert shares.left[blinded] == pytest.approx(np.mean(left))


def test_only_questions_that_vanilla_answers_right_count(run):
    found = looking(run)
    positive = [question.id for question in run.questions if question.label == "yes"]
    right = {id for id in positive if run.answers["vanilla"][id] != "No"}
    assert set(found.samples.ids) == right < set(positive)
    assert found.passed_over == len(positive) - len(right)
    spread = found.lost("clvs", "both")
    rows = {row["id"]: row["knockout"]["both"] for row in run.rows if row["method"] == "clvs" and "knockout" in row}
    lost = [[1 - min(1, k / c) for k, c in zip(rows[id]["kept"], rows[id]["control"], strict=True)] for id in right]
    assert spread.mean == pytest.approx(np.mean(lost, 0))
    assert spread.low == pytest.approx(np.quantile(lost, 0.25, 0))
    assert spread.high == pytest.approx(np.quantile(lost, 0.75, 0))


def test_the_table_has_the_numbers_and_the_report_prints_it(run, capsys):
    (table,) = looking_tables([run])
    shares = looking(run).shares("clvs")
    rows = {row.method: dict(zip([c.short for c in table.columns], row.cells, strict=True)) for row in table.rows}
    assert list(rows) == ["Vanilla", "CLVS", "PAI"]
    cell = rows["CLVS"]["Added, W"]
    assert (cell.ours, cell.low, cell.high) == tuple(
        round(100 * value, 1) for value in (shares.added_there.value, shares.added_there.low, shares.added_there.high)
    )
    assert rows["Vanilla"]["Added, W"].ours is None
    assert f"{rows['CLVS']['Δ W'].ours:+.1f}" in markdown(table)
    assert "added attention where looking matters" in csv_text([table])
    assert main(["report", str(run.folder)]) == 0
    assert markdown(table) in capsys.readouterr().out


def test_runs_without_knock_outs_have_no_such_table(tmp_path, capsys):
    plain = read_run(made_run(tmp_path / "plain", records=("key_objects",)))
    alone = read_run(made_run(tmp_path / "alone", methods={"clvs": "clvs"}, records=RECORDS))
    blind = read_run(made_run(tmp_path / "blind", records=RECORDS, answer=lambda question, method: "No"))
    assert looking_tables([plain, alone, blind]) == []
    for one, words in ((plain, "of key objects; run"), (alone, "of vanilla; run"), (blind, "that vanilla finds")):
        with pytest.raises(NoKnockouts, match=words):
            looking(one)


def test_a_control_that_is_not_known_counts_as_nothing_lost(tmp_path):
    """An object that covers the whole picture leaves no other tokens to hide."""

    def change(row):
        if "knockout" in row:
            row["knockout"]["word"]["control"] = [None] * 12
        return row

    run = rewritten(read_run(made_run(tmp_path / "run", records=RECORDS)), change)
    found = looking(run)
    first = next(row for row in run.rows if row["id"] == found.samples.ids[0] and row["method"] == "vanilla")
    assert found.weight[0] == pytest.approx([1 - min(1, kept) for kept in first["knockout"]["word"]["kept"]])


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("x", "knockout of question .* is not"),
        ({"window": 3, "word": {}}, r"has no word\.kept"),
        ({"kept": [None] * 12}, "without numbers"),
        ({"kept": [0.5] * 3}, "different numbers of layers"),
    ],
)
def test_damaged_records_are_one_sentence(tmp_path, odd, words):
    def change(row):
        if "knockout" in row:
            row["knockout"] = odd
            if isinstance(odd, dict) and "kept" in odd:
                left = {"control": [1.0] * 12, "everywhere": 0.1, **odd}
                row["knockout"] = {"window": 3, "word": left, "both": left}
        return row

    run = rewritten(read_run(made_run(tmp_path / "run", records=RECORDS, answer=answer)), change)
    with pytest.raises(ClvsError, match=words) as caught:
        looking_tables([run])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("benchmark", ["amber", "rbench", "pope", "mme"])
def test_every_benchmark_has_the_table_and_a_few_questions_too(tmp_path, benchmark):
    run = read_run(made_run(tmp_path / "run", benchmark, QUESTIONS_OF[benchmark](1), records=RECORDS, answer=right))
    (table,) = looking_tables([run])
    asked = sum(question.label == "yes" for question in run.questions)
    assert [row.cells[0].ours for row in table.rows] == [asked, asked]
    rules = [line.strip("|").split("|") for line in markdown(table).splitlines() if line.startswith("| --")]
    assert rules
    assert all("-" in rule for line in rules for rule in line), "else it is no table"


def right(question, method):
    return question.label.capitalize()
