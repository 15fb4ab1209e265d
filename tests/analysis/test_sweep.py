"""Which settings of a run make a sweep, and that its points have the benchmark's own scores."""

import json

import pytest

from clvs_core.analysis.sweep import card_setting, clvs_settings, common, sweeps
from clvs_core.benchmarks.running.folder import ANSWERS, read_run

from ..benchmarks.made import made_run

TENTHS = [n / 10 for n in range(11)]


def spec(alpha=0.8, beta=0.8, more=""):
    return f"clvs:alpha={alpha},beta={beta}{more}"


def specs(*settings):
    return {"vanilla": "vanilla"} | {text: text for text in settings}


@pytest.fixture
def made(tmp_path):
    def make(methods, benchmark="pope", **more):
        return read_run(made_run(tmp_path / str(len(list(tmp_path.iterdir()))), benchmark, methods=methods, **more))

    return make


def test_a_sweep_of_alpha_and_one_of_beta(made):
    run = made(specs(*(spec(alpha=a) for a in TENTHS), *(spec(beta=b) for b in TENTHS if b != 0.8), "pai"))
    alpha, beta = sweeps(run)
    assert (alpha.over, beta.over) == (("alpha",), ("beta",))
    assert [(point.alpha, point.beta) for point in alpha.points] == [(a, 0.8) for a in TENTHS]
    assert [(point.alpha, point.beta) for point in beta.points] == [(0.8, b) for b in TENTHS]
    assert (alpha.card.alpha, alpha.card.beta) == (0.8, 0.8)
    assert alpha.questions == 108
    assert alpha.pictures == 6


@pytest.mark.parametrize(("benchmark", "scale"), [("amber", 1), ("rbench", 100), ("pope", 100)])
def test_points_have_the_official_scores_unrounded_with_intervals(made, benchmark, scale):
    run = made(specs(*(spec(alpha=a) for a in (0.2, 0.5, 0.8))), benchmark)
    (sweep,) = sweeps(run)
    for name, scores in [*((point.method, point.scores) for point in sweep.points), ("vanilla", sweep.vanilla)]:
        expected = run.benchmark.score(run.questions, run.answers[name])
        assert scores["accuracy"].value == pytest.approx(scale * expected.official["All"]["accuracy"], abs=0.06)
        assert scores["F1"].value == pytest.approx(scale * expected.official["All"]["f1"], abs=0.11)
        honest = expected.groups["All"]
        right = sum(
            a == q.label for q, a in zip(run.questions, map(str.lower, run.answers[name].values()), strict=True)
        )
        maybe = sum(q.label == "yes" and run.answers[name][q.id] == "Maybe" for q in run.questions)
        right += maybe * (benchmark != "amber")  # POPE's parser takes it for a yes
        assert scores["accuracy"].value == pytest.approx(100 * right / len(run.questions))
        assert (scores["accuracy"].low, scores["accuracy"].high) == pytest.approx(
            (100 * honest.accuracy.low, 100 * honest.accuracy.high)
        )
        assert scores["F1"].low < scores["F1"].value < scores["F1"].high


def test_a_point_minus_vanilla_is_the_benchmarks_own_paired_change(made):
    for benchmark in ("amber", "mme"):
        run = made(specs(*(spec(alpha=a) for a in (0.2, 0.5, 0.8))), benchmark)
        (sweep,) = sweeps(run)
        point = sweep.card_point
        assert point.alpha == 0.8
        expected = run.benchmark.compare(run.questions, run.answers[point.method], run.answers["vanilla"])
        change = sweep.change(point)
        if benchmark == "mme":
            assert change == {"total": expected["total"].score}
            continue
        assert list(change) == ["accuracy", "F1"]
        assert change["F1"].value == pytest.approx(100 * expected["All"].f1.value)
        assert change["accuracy"].low == pytest.approx(100 * expected["All"].accuracy.low)
    alone = made({text: text for text in map(spec, (0.2, 0.5, 0.6))})
    (sweep,) = sweeps(alone)
    assert (sweep.card_point, sweep.change(sweep.points[0])) == (None, {})


def test_mme_has_its_total(made):
    run = made(specs(*(spec(beta=b) for b in (0.2, 0.5, 0.8))), "mme")
    (sweep,) = sweeps(run)
    for point in sweep.points:
        expected = run.benchmark.score(run.questions, run.answers[point.method])
        assert point.scores["total"].value == pytest.approx(expected.official["total"])
        assert point.scores["total"].low == pytest.approx(expected.groups["total"].score.low)


def test_a_grid_is_a_sweep_of_both_and_of_each_at_the_cards_value(made):
    pairs = [(a, b) for a in (0.4, 0.6, 0.8) for b in (0.6, 0.7, 0.8, 0.9)]
    run = made(specs(*(spec(*pair) for pair in pairs), spec(alpha=0.5)))
    alpha, beta, grid = sweeps(run)
    assert [point.alpha for point in alpha.points] == [0.4, 0.5, 0.6, 0.8]
    assert [point.beta for point in beta.points] == [0.6, 0.7, 0.8, 0.9]
    assert grid.over == ("alpha", "beta")
    assert [(point.alpha, point.beta) for point in grid.points] == pairs


def test_where_the_cards_value_is_missing_the_longest_line_is_taken(made):
    run = made(specs(*(spec(a, 0.1) for a in (0.2, 0.4, 0.6)), *(spec(a, 0.2) for a in (0.1, 0.2, 0.4, 0.6))))
    alpha, *_ = sweeps(run)
    assert [(point.alpha, point.beta) for point in alpha.points] == [(a, 0.2) for a in (0.1, 0.2, 0.4, 0.6)]


def test_settings_that_differ_otherwise_are_sweeps_of_their_own(made):
    off = ",early_termination=false"
    run = made(specs(*(spec(alpha=a) for a in (0.7, 0.8, 0.9)), *(spec(alpha=a, more=off) for a in (0.2, 0.3, 0.4))))
    first, second = sweeps(run)
    assert [point.alpha for point in first.points] == [0.7, 0.8, 0.9]
    assert [point.alpha for point in second.points] == [0.2, 0.3, 0.4]
    assert first.clvs.early_termination
    assert not second.clvs.early_termination


def test_too_few_settings_combined_methods_and_ablations_are_no_sweep(made):
    assert sweeps(made(specs(spec(alpha=0.7), spec(), "clvs:beta=0.8,unified_positions=false"))) == []
    assert sweeps(made(specs(*(f"{spec(alpha=a)}+pai" for a in (0.1, 0.2, 0.3))))) == []
    assert sweeps(made({"vanilla": "vanilla"})) == []


def test_a_beta_left_to_the_card_is_the_cards(made):
    run = made(specs("clvs:alpha=0.1", "clvs:alpha=0.2", "clvs"), model="llava-v1.6-mistral-7b")
    (sweep,) = sweeps(run)
    assert {point.beta for point in sweep.points} == {float(card_setting(run).beta)}
    scenes = made(specs("clvs"), model="scenes")
    assert (card_setting(scenes).beta, card_setting(scenes).gamma) == (0.9, 0.25)
    assert clvs_settings(scenes)["clvs"].first_check == 7


def test_a_method_that_is_not_known_here_is_passed_over(made):
    run = made({"vanilla": "vanilla", "mine": "mine:strength=2", "deep": "clvs:first_check=40"})
    assert clvs_settings(run) == {}


def test_all_points_are_scored_on_the_same_questions(tmp_path):
    folder = made_run(tmp_path / "run", "mme", methods=specs(*(spec(alpha=a) for a in (0.2, 0.5, 0.8))))
    rows = [json.loads(line) for line in (folder / ANSWERS).read_text().splitlines()]
    cut = [row for row in rows if not (row["method"] == spec(alpha=0.2) and row["id"] == "count/0002/no")]
    (folder / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in cut))
    run = read_run(folder)
    (sweep,) = sweeps(run)
    assert sweep.questions == len(run.questions) - 2
    kept = common(run, list(run.methods))
    assert not any(question.image == "count/0002.jpg" for question in kept)
    expected = run.benchmark.score(kept, {q.id: run.answers["vanilla"][q.id] for q in kept}).official["total"]
    assert sweep.vanilla["total"].value == pytest.approx(expected)


def test_a_run_that_has_just_begun_has_no_sweeps(tmp_path):
    folder = made_run(tmp_path / "run", methods=specs(*(spec(alpha=a) for a in (0.2, 0.5, 0.8))))
    (folder / ANSWERS).write_text("")
    assert sweeps(read_run(folder)) == []
