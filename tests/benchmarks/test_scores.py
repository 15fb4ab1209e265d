"""Honest numbers: intervals against scipy and against brute force, counts of odd answers, changes against vanilla."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from clvs_core import benchmarks
from clvs_core.benchmarks import scores
from clvs_core.benchmarks.bootstrap import Estimate, wilson
from clvs_core.benchmarks.parsers import judge
from clvs_core.errors import ClvsError
from tests.benchmarks import files

AMBER, POPE, MME = (benchmarks.get(name) for name in ("amber", "pope", "mme"))


@pytest.fixture
def pope(tmp_path):
    return POPE.load(files.lines(tmp_path / "coco_pope_random.json", files.pope_rows(40)))


def drawn(questions, right, seed):
    """Answers that are right with this chance."""
    rng = np.random.default_rng(seed)
    wrong = {"yes": "No", "no": "Yes"}
    return {q.id: q.label.capitalize() if rng.random() < right else wrong[q.label] for q in questions}


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 40), (7, 7), (1, 3), (13, 40), (4000, 9000)])
def test_wilson_equals_scipys(successes, trials):
    found, known = wilson(successes, trials), binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert (found.value, found.low, found.high) == pytest.approx((successes / trials, known.low, known.high), abs=1e-12)
    assert found.low <= found.value <= found.high


def test_nothing_to_estimate_from_is_no_number():
    assert wilson(0, 0) == Estimate(None, None, None)


def test_odd_answers_are_counted_apart(pope):
    texts = ["Yes", "No", "Maybe", "", "No!", "Yes, it is not small", "yes."] + ["No"] * (len(pope) - 7)
    answers = dict(zip((q.id for q in pope), texts, strict=True))
    by_pope, by_amber = (POPE.score(pope, answers, name).groups["All"] for name in ("pope", "amber"))
    assert (by_pope.refused, by_pope.unparsed, by_pope.contradicted) == (0, 2, 2)
    assert (by_amber.refused, by_amber.unparsed, by_amber.contradicted) == (5, 2, 0)


def test_missing_and_extra_answers_are_counted_and_none_at_all_is_refused(pope):
    answers = dict.fromkeys([q.id for q in pope[:10]], "Yes") | {"gqa/random/1": "No"}
    found = POPE.score(pope, answers)
    assert (found.missing, found.extra, found.groups["All"].answers) == (len(pope) - 10, 1, 10)
    assert found.official["All"]["accuracy"] == 0.5
    with pytest.raises(ClvsError, match="None of the 1 answers is to one of the 240 questions"):
        POPE.score(pope, {"gqa/random/1": "No"})


def test_rates_are_of_the_answer_yes_whatever_the_benchmark_calls_positive(tmp_path):
    questions = AMBER.load(files.write_amber(tmp_path))
    found = AMBER.score(questions, {q.id: "Yes" for q in questions})
    everything = found.groups["All"]
    assert (everything.true_positive_rate.value, everything.false_positive_rate.value) == (1, 1)
    assert everything.f1.value == 0  # of "No", which was never said
    assert found.groups["Existence"].true_positive_rate == Estimate(None, None, None)
    assert found.groups["Existence"].accuracy.value == 0


def test_groups_without_questions_have_official_zeros_and_no_honest_number(tmp_path):
    questions = AMBER.load(files.write_amber(tmp_path, [(2, files.STATE, "yes")]))
    found = AMBER.score(questions, {"2": "Yes"})
    assert found.official["Relation"] == {"accuracy": 0, "precision": 0, "recall": 0, "f1": 0}
    assert found.groups["Relation"].accuracy == found.groups["Relation"].f1 == Estimate(None, None, None)


def brute(questions, positive, *answers):
    """Percentiles of F1 (one set) or of its difference (two), pictures drawn one by one."""
    by_image = {}
    for question in questions:
        by_image.setdefault(question.image, []).append(question)
    groups = list(by_image.values())
    rng = np.random.default_rng(123)

    def f1(chosen, said):
        hits = sum(q.label == positive == said[q.id].lower() for q in chosen)
        return 2 * hits / sum((q.label == positive) + (said[q.id].lower() == positive) for q in chosen)

    values = []
    for _ in range(1500):
        chosen = [q for i in rng.integers(len(groups), size=len(groups)) for q in groups[i]]
        values.append(f1(chosen, answers[0]) - (f1(chosen, answers[1]) if len(answers) > 1 else 0))
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize("positive", ["yes", "no"])
def test_bootstrap_agrees_with_drawing_pictures_one_by_one(pope, positive):
    benchmark = POPE if positive == "yes" else benchmarks.Benchmark(**{**vars(POPE), "positive": "no"})
    new, old = drawn(pope, 0.8, 1), drawn(pope, 0.7, 2)
    alone = benchmark.score(pope, new).groups["All"].f1
    change = benchmark.compare(pope, new, old)["All"].f1
    assert (alone.low, alone.high) == pytest.approx(brute(pope, positive, new), abs=0.012)
    assert (change.low, change.high) == pytest.approx(brute(pope, positive, new, old), abs=0.015)


def test_resamples_that_are_all_the_same_are_no_interval(pope, tmp_path):
    right = {q.id: q.label for q in pope}
    found = POPE.score(pope, right).groups["All"]
    assert found.f1 == Estimate(1, None, None)
    assert found.accuracy == wilson(len(pope), len(pope))
    same = POPE.compare(pope, drawn(pope, 0.7, 2), drawn(pope, 0.7, 2))["All"]
    assert (same.f1, same.true_positive_rate) == (Estimate(0, None, None), Estimate(0, None, None))
    assert scores.without_interval([found])
    assert scores.without_interval([same])
    assert not scores.without_interval([POPE.score(pope, drawn(pope, 0.7, 2)).groups["All"]])
    pairs = MME.load(files.write_mme(tmp_path, images=10))
    groups = MME.score(pairs, {q.id: q.label for q in pairs}).groups
    assert groups["count"].score == Estimate(200, None, None)
    assert groups["total"].score == Estimate(1000, None, None)


def test_a_group_that_asks_a_question_twice_has_no_wilson_interval(pope):
    """POPE's categories have the same positives: asked in all three, their interval must not get narrower."""
    again = [
        replace(q, id=q.id.replace("random", kind), kind=kind)
        for kind in ("random", "popular", "adversarial")
        for q in pope
    ]
    once = drawn(pope, 0.8, 6)
    answers = {q.id: once[q.id.replace(q.kind, "random")] for q in again}
    assert (scores.asked_twice(pope), scores.asked_twice(again)) == (False, True)
    found = POPE.score(again, answers).groups
    bootstrap = POPE.compare(again, answers, dict.fromkeys(answers, "No"))["All"]  # which is right in half of each
    for key in ("accuracy", "true_positive_rate", "false_positive_rate"):
        whole, part = getattr(found["All"], key), getattr(found["popular"], key)
        assert whole.value == pytest.approx(part.value)
        assert whole.high - whole.low > 0.7 * (part.high - part.low)
        shift = whole.value - getattr(bootstrap, key).value
        assert whole.low - shift == pytest.approx(getattr(bootstrap, key).low)
    assert found["popular"].accuracy == wilson(round(found["popular"].accuracy.value * len(pope)), len(pope))


def test_nameless_pictures_are_not_the_same_one(pope):
    nameless = [replace(q, image="", text="Is it?") for q in pope]
    assert not scores.asked_twice(nameless)
    assert scores.asked_twice([*nameless, nameless[0]])


def test_changes_are_paired_and_of_the_questions_both_answered(pope):
    old = drawn(pope, 0.7, 2)
    same = POPE.compare(pope, old, old)["All"]
    assert (same.gained, same.lost, same.accuracy) == (0, 0, Estimate(0, None, None))
    new = {**old, **{q.id: q.label for q in pope[:30]}}
    change = POPE.compare(pope, new, {id_: old[id_] for id_ in list(old)[:100]})["All"]
    right = sum(old[q.id].lower() != q.label for q in pope[:30])
    assert (change.questions, change.gained, change.lost) == (100, right, 0)
    assert change.accuracy.value == pytest.approx(right / 100)
    with pytest.raises(ClvsError, match="no question in common"):
        POPE.compare(pope, {"a": "Yes"}, old)


def test_saying_no_more_often_shows_in_both_rates(pope):
    always = {q.id: "Yes" for q in pope}
    shy = {**always, **{q.id: "No" for q in pope if int(q.id.split("/")[2]) % 4 < 2}}
    change = POPE.compare(pope, shy, always)["All"]
    assert change.accuracy.value == pytest.approx(0, abs=1e-12)
    assert change.true_positive_rate.value == pytest.approx(-0.5)
    assert change.false_positive_rate.value == pytest.approx(-0.5)


def test_mme_has_intervals_of_scores_and_of_the_total(tmp_path):
    questions = MME.load(files.write_mme(tmp_path, images=30))
    new, old = drawn(questions, 0.9, 3), drawn(questions, 0.6, 4)
    found, change = MME.score(questions, new), MME.compare(questions, new, old)
    assert found.groups["count"].score.value == pytest.approx(found.official["count"]["score"])
    total = found.groups["total"]
    assert total.score.value == pytest.approx(found.official["total"])
    assert total.answers == len(questions)
    assert total.score.low < total.score.value < total.score.high
    assert total.score.high - total.score.low < 2.5 * (
        found.groups["count"].score.high - found.groups["count"].score.low
    )
    assert total.accuracy.value == pytest.approx(np.mean([new[q.id].lower() == q.label for q in questions]))
    known = found.official["total"] - MME.score(questions, old).official["total"]
    assert change["total"].score.value == pytest.approx(known)
    assert change["total"].score.low > 0


def test_half_a_pair_of_mme_is_refused(tmp_path):
    questions = MME.load(files.write_mme(tmp_path))
    with pytest.raises(ClvsError, match="1 of MME's existence pictures have one answer and not two"):
        MME.score(questions, {q.id: "Yes" for q in questions[1:]})


def test_questions_without_a_picture_name_count_as_of_their_own_picture(pope):
    nameless = [benchmarks.Question(q.id, "", q.text, q.label, q.kind, q.source) for q in pope]
    judged = judge(nameless, drawn(pope, 0.5, 5), "pope")
    assert len(set(judged.image)) == len(pope)
