"""Uncertainty against convergence: against scipy and literal loops, and where one of them does not vary."""

import json
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import pointbiserialr

from clvs_core.analysis.convergence import binned, convergence, fit, logistic, observed, stops
from clvs_core.benchmarks.bootstrap import wilson
from clvs_core.benchmarks.running.folder import ANSWERS, read_run
from clvs_core.errors import ClvsError
from clvs_core.methods.clvs import converged

from ..benchmarks.made import made_run, pope_questions

QUESTIONS, LAYERS = 60, 12


@pytest.fixture
def run(tmp_path):
    return read_run(made_run(tmp_path / "run", records=("lens",), layers=LAYERS))


@pytest.fixture
def drawn():
    """Observations whose logistic curve is known: slope -8, half converged at 0.4; rounded as a run stores them."""
    rng = np.random.default_rng(1)
    unsure = rng.random((QUESTIONS, LAYERS)).round(2)
    return unsure, rng.random((QUESTIONS, LAYERS)) < 1 / (1 + np.exp(8 * (unsure - 0.4)))


def test_observations_are_the_runs_and_vanillas_first(run):
    method, unsure, flags = observed(run)
    rows = [row for row in run.rows if row["method"] == "vanilla"]
    assert method == "vanilla"
    assert unsure.tolist() == [row["uncertainty"] for row in rows]
    assert flags.tolist() == [row["converged"] for row in rows]
    assert observed(run, "clvs")[0] == "clvs"


def test_the_fit_is_scipys(drawn):
    unsure, flags = drawn
    found = fit(unsure, flags, resamples=50)
    expected = pointbiserialr(flags.ravel(), unsure.ravel())
    assert (found.correlation, found.p) == pytest.approx((expected.statistic, expected.pvalue))

    def loss(parameters):
        chance = 1 / (1 + np.exp(-(parameters[0] + parameters[1] * unsure.ravel())))
        return -np.mean(np.log(np.where(flags.ravel(), chance, 1 - chance)))

    literal = minimize(
        loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-14, "maxiter": 4000}
    )
    assert (found.intercept, found.slope) == pytest.approx(tuple(literal.x), rel=1e-4)
    assert found.half_converged == pytest.approx(-literal.x[0] / literal.x[1], rel=1e-4)
    assert found.share(np.array([found.half_converged])) == pytest.approx([0.5])
    assert found.observations == QUESTIONS * LAYERS


def test_intervals_are_a_bootstrap_over_questions(drawn):
    unsure, flags = drawn
    found = fit(unsure, flags, seed=3, resamples=40)
    rng = np.random.default_rng(3)
    slopes, halves, correlations = [], [], []
    for _ in range(40):
        chosen = rng.integers(QUESTIONS, size=QUESTIONS)
        intercept, slope = logistic(unsure[chosen].ravel(), flags[chosen].ravel())
        slopes.append(slope)
        halves.append(-intercept / slope)
        correlations.append(pointbiserialr(flags[chosen].ravel(), unsure[chosen].ravel()).statistic)
    for interval, values in (
        (found.slope_interval, slopes),
        (found.half_converged_interval, halves),
        (found.correlation_interval, correlations),
    ):
        assert interval == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), rel=1e-6)


def test_layers_that_were_not_measured_are_left_out(drawn):
    unsure, flags = drawn
    unsure[:, :4] = np.nan
    found, rest = fit(unsure, flags, resamples=20), fit(unsure[:, 4:], flags[:, 4:], resamples=20)
    assert found == rest
    assert found.observations == QUESTIONS * (LAYERS - 4)


def test_flags_that_are_all_the_same_fit_nothing(drawn):
    unsure, _ = drawn
    for flags in (np.ones((QUESTIONS, LAYERS), bool), np.zeros((QUESTIONS, LAYERS), bool)):
        found = fit(unsure, flags, resamples=5)
        numbers = (found.correlation, found.p, found.slope, found.half_converged, *found.slope_interval)
        assert np.isnan(numbers).all()


def test_one_question_has_a_fit_and_no_intervals(drawn):
    unsure, flags = drawn[0][:1], np.arange(LAYERS)[None] > 4
    found = fit(unsure, flags, resamples=5)
    assert math.isfinite(found.correlation)
    assert np.isnan([*found.slope_interval, *found.half_converged_interval, *found.correlation_interval]).all()


def test_a_perfect_separation_lies_between_the_two_sides():
    unsure = np.tile(np.linspace(0, 1, 11), (8, 1))
    assert 0.4 < fit(unsure, unsure < 0.45, resamples=5).half_converged < 0.5


def test_the_table_by_layer_is_that_of_a_loop(run):
    found = convergence(run, "clvs", gamma=0.5)
    rows = [row for row in run.rows if row["method"] == "clvs"]
    for layer in found.layers:
        values = [row["uncertainty"][layer.layer] for row in rows]
        flags = [row["converged"][layer.layer] for row in rows]
        early = [flag for value, flag in zip(values, flags, strict=True) if value < 0.5]
        assert layer.questions == len(rows)
        assert layer.converged == pytest.approx(sum(flags) / len(rows))
        assert layer.uncertainty == pytest.approx(sum(values) / len(rows))
        assert layer.below == pytest.approx(len(early) / len(rows))
        expected = 1 - sum(early) / len(early) if early else math.nan
        assert layer.too_early == pytest.approx(expected, nan_ok=True)
        if 0 < sum(flags) < len(flags):
            assert layer.correlation == pytest.approx(pointbiserialr(flags, values).statistic)
        else:
            assert math.isnan(layer.correlation)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.5])
def test_stops_are_those_of_a_loop(run, gamma):
    _, unsure, flags = observed(run)
    found = stops(unsure, flags, gamma, 7)
    layers, early = [], 0
    for values, said in zip(unsure, flags, strict=True):
        below = [layer for layer in range(7, LAYERS) if values[layer] < gamma]
        if below:
            layers.append(below[0])
            early += not said[below[0]]
    assert found.stopped == wilson(len(layers), len(unsure))
    assert found.too_early == wilson(early, len(unsure))
    assert found.layer == pytest.approx(np.mean(layers) if layers else math.nan, nan_ok=True)
    assert stops(unsure, flags, gamma, LAYERS).stopped.value == 0


def test_gamma_and_first_check_are_those_of_the_runs_clvs_or_of_the_card(tmp_path):
    def found(name, methods, **about):
        run = read_run(made_run(tmp_path / name, methods=methods, records=("lens",), **about))
        return convergence(run).stops

    own = found("own", {"vanilla": "vanilla", "clvs": "clvs:beta=0.8,gamma=0.35,first_check=4"})
    assert (own.gamma, own.first_check) == (0.35, 4)
    card = found("card", {"vanilla": "vanilla"}, model="scenes", label="Scenes")
    assert (card.gamma, card.first_check) == (0.25, 7)
    paper = found("paper", {"vanilla": "vanilla"}, layers=32)
    assert (paper.gamma, paper.first_check) == (0.5, 17)


def test_binned_shares_are_those_of_a_loop(drawn):
    unsure, flags = drawn
    unsure[0, 0], flags[0, 1] = np.nan, True
    unsure[0, 1], unsure[1, 1] = 1.0, 0.25
    edges = np.linspace(0, 1, 5)
    share, low, high, count = binned(unsure, flags, edges)
    for number in range(4):
        inside = [
            flag
            for value, flag in zip(unsure.ravel(), flags.ravel(), strict=True)
            if edges[number] <= value < edges[number + 1] or value == 1 == edges[number + 1]
        ]
        assert count[number] == len(inside)
        assert share[number] == pytest.approx(sum(inside) / len(inside))
        assert low[number] < share[number] < high[number]
    assert np.isnan(binned(unsure[:, :1] * 0, flags[:, :1], edges)[0][1:]).all()
    share, low, high, _ = binned(unsure, flags | True, edges)
    assert share.tolist() == [1, 1, 1, 1]
    assert np.isnan([low, high]).all()  # every resample gives the same


def test_a_layer_has_converged_when_all_later_ones_agree():
    assert converged(np.array([3, 1, 3, 3]), 3).tolist() == [False, False, True, True]


def test_runs_without_uncertainty_say_what_to_do(tmp_path, run):
    with pytest.raises(ClvsError, match="no uncertainty of vanilla, clvs; run the benchmark with --lens"):
        convergence(read_run(made_run(tmp_path / "none")))
    with pytest.raises(ClvsError, match="no method 'pai'"):
        convergence(run, "pai")


def test_missing_values_and_missing_flags(tmp_path):
    folder = made_run(tmp_path / "run", questions=pope_questions(2), records=("lens",))
    rows = [json.loads(line) for line in (folder / ANSWERS).read_text().splitlines()]
    rows[0]["uncertainty"][3] = None
    del rows[2]["converged"]
    (folder / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    method, unsure, flags = observed(read_run(folder))
    assert (method, unsure.shape, flags.dtype) == ("vanilla", (35, 12), bool)
    assert np.argwhere(np.isnan(unsure)).tolist() == [[0, 3]]
