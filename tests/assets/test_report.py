"""The report on the model: its statistics by hand, its questions' balance, and every section once on a few questions.

The artwork is not needed: objects are plain squares, which the model cannot name.
"""

import json
import math
import re
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

import clvs_core as clvs
from assets.recipes import report_questions, report_tables
from assets.recipes.categories import COMMON
from assets.recipes.measure import Answer, Bench, named, right
from assets.recipes.model import FOLDER
from assets.recipes.questions import YES_NO, Question, ask
from assets.recipes.render import sample_scene
from assets.recipes.report import SECTIONS, Report, Workers
from assets.recipes.report_numbers import (
    choose,
    descriptions,
    finite,
    gains,
    looking,
    mcnemar,
    paired,
    paired_interval,
    rates,
    threshold,
)
from assets.recipes.report_questions import (
    ASKED,
    BY_TYPE,
    CHUNKS,
    EXAMPLE,
    SAID,
    known,
    phrased,
    phrasings,
    said_otherwise,
    shown,
    wanted,
)
from assets.recipes.tokenizer import build_tokenizer
from clvs_core.analysis.convergence import fit, logistic
from clvs_core.analysis.decay import half_life
from clvs_core.methods.clvs import converged

from .test_recipes import Squares


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --- statistics ----------------------------------------------------------------------------------------


def test_mcnemar_is_a_fair_coin():
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(0, 0) == 1


def test_paired_interval_is_as_wide_as_the_scenes_make_it(rng):
    same = np.arange(1000)
    assert paired_interval(np.zeros(1000), same) == (0, 0)
    assert paired_interval(np.ones(1000), same) == (1, 1)
    differences = np.tile([0, 1], 500)
    alone = paired_interval(differences, same)
    in_pairs = paired_interval(np.repeat(differences[::2] + np.tile([0, 1], 250), 2), same // 2)
    error = 1.96 * math.sqrt(0.25 / 1000)
    assert alone == pytest.approx((0.5 - error, 0.5 + error), abs=0.004)
    assert in_pairs == pytest.approx((0.5 - error * math.sqrt(2), 0.5 + error * math.sqrt(2)), abs=0.005)


def test_half_life_is_read_between_layers():
    assert half_life(np.array([0.1, 0.8, 0.6, 0.2])) == pytest.approx(1.5)
    assert half_life(np.array([0.8, 0.4, 0.4])) == 1
    assert half_life(np.array([0.1, 0.8, 0.5])) == math.inf
    assert half_life(np.array([0.1, 0.8])) == math.inf


@pytest.mark.parametrize(
    ("said", "flags"),
    [([1, 3, 3, 3], [0, 1, 1, 1]), ([3, 3, 2, 3], [0, 0, 0, 1]), ([3, 3, 3, 1], [0, 0, 0, 0])],
)
def test_a_layer_has_converged_when_all_later_ones_agree(said, flags):
    assert converged(np.array(said), 3).tolist() == [bool(flag) for flag in flags]


def test_logistic_regression_meets_the_shares_of_two_groups():
    unsure = np.repeat([0.0, 1.0], 4)
    flags = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)
    intercept, slope = logistic(unsure, flags)
    assert (intercept, slope) == pytest.approx((math.log(3), -2 * math.log(3)), abs=1e-5)
    weighted = logistic(unsure, flags, np.array([1, 1, 1, 3, 3, 1, 1, 1]))
    assert weighted == pytest.approx((0, 0), abs=1e-5)
    assert math.isnan(logistic(unsure, np.ones(8, bool))[0])


def test_convergence_gives_gamma_where_half_have_converged(rng):
    unsure = rng.random((300, 12))
    flags = rng.random((300, 12)) < 1 / (1 + np.exp(8 * (unsure - 0.4)))
    found = asdict(fit(unsure, flags, resamples=50))
    low, high = found["half_converged_interval"]
    assert low < 0.4 < high
    assert found["slope"] == pytest.approx(-8, abs=1)
    assert -1 < found["correlation"] < -0.5
    assert threshold(found) == 0.4
    assert threshold({"half_converged": math.nan, "slope": math.nan}) == 0.5
    assert threshold({"half_converged": 0.4, "slope": 1.0}) == 0.5


# --- from answers to numbers ---------------------------------------------------------------------------


def _answer(truth, *said, kind="exists", names=("dog",), scene=0):
    question = Question(kind, truth, names, {}, "?")
    return Answer("description" if kind == "list" else ASKED[0].name, (scene,), question, said, (-1, -1))


def test_a_description_is_right_when_it_names_all_and_nothing_else():
    question = Question("list", "dog and teddy bear", ("dog", "teddy bear"), {}, "?")
    assert right(question, "teddy bear and dog")
    assert right(question, "teddy bear and dog and dog")
    assert not right(question, "dog")
    assert not right(question, "dog and teddy bear and cat")
    assert named("") == set()
    answers = [_answer("", said, kind="list", names=("dog", "cup")) for said in ("dog and cat", "cup", "cup and dog")]
    found = descriptions(answers)
    assert found["leaves something out"]["right"] == 2
    assert found["invents something"]["right"] == 1


def test_methods_are_compared_question_by_question():
    answers = [
        _answer("Yes", "Yes", "No", scene=0), _answer("Yes", "No", "Yes", scene=1), _answer("No", "Yes", "No", scene=2),
        _answer("No", "No", "No", scene=3),
    ]  # fmt: skip
    found = paired(answers)
    assert (found["vanilla"], found["clvs"], found["lost"], found["won"]) == (0.5, 0.75, 1, 2)
    assert found["interval"][0] <= found["difference"] == 0.25 <= found["interval"][1]
    assert rates(answers, 0)["false positives"]["share"] == 0.5
    assert rates(answers, 1)["true positives"]["right"] == 1


def test_curves_become_peaks_falls_and_gains():
    curves = np.array([[[0.2, 0.8, 0.2], [0.5, 0.9, 0.4]], [[0.2, 0.4, 0.3], [0.5, 0.9, 0.6]]])
    found = looking(curves)
    assert found["key object"] == pytest.approx([0.2, 0.6, 0.25])
    assert found["picture"] == pytest.approx([0.5, 0.9, 0.5])
    assert found["peak layer"] == [0, 2, 0]
    assert found["never falls by half"] == 0.5
    gained = gains(curves[:, 0], curves[:, 0] * [1, 1, 3])
    assert gained["gain"] == pytest.approx([0, 0, 1])  # clipped
    assert gained["gain of the means after the peak"] == pytest.approx(2)


def test_of_settings_as_good_as_the_best_the_nearest_to_the_papers_is_chosen():
    tried = [clvs.CLVS(alpha=a, beta=0.8) for a in (0.5, 0.7, 0.8)]
    correct = np.ones((100, 3), bool)
    correct[:10, 2] = False  # the paper's own is plainly worse
    correct[0, 1] = correct[1, 0] = False
    assert choose(correct, tried) == (0, 1)
    correct[:, 2] = True
    assert choose(correct, tried)[1] == 2


def test_json_has_no_infinite_numbers():
    assert finite({1: [math.inf, 0.5], "p": (math.nan,)}) == {"1": [None, 0.5], "p": [None]}


# --- questions -----------------------------------------------------------------------------------------


def test_quotas_are_filled_exactly_and_half_of_the_answers_are_yes(rng):
    parts = [wanted(10, part, CHUNKS) for part in range(CHUNKS)]
    for name in BY_TYPE:
        of = Counter(
            {answer: sum(part[key] for part in parts) for key in parts[0] if key[0] == name for answer in key[1:]}
        )
        assert of == ({"Yes": 5, "No": 5} if BY_TYPE[name].kind in YES_NO else {"": 10})
    found, scenes = Counter(), 0
    for scene in shown(rng, Squares(), wanted(7)):  # an odd number is rounded up
        scenes += 1
        assert scene.picture.shape == (96, 96, 3)
        for name, question in scene.asked.items():
            assert question.kind == BY_TYPE[name].kind
            found[name, question.answer if question.kind in YES_NO else ""] += 1
    assert found == Counter(wanted(8))
    assert scenes >= 8


def test_absent_objects_are_drawn_as_the_type_says(rng):
    for scene in shown(rng, Squares(), wanted(20, names=("existence, popular",))):
        question = scene.asked["existence, popular"]
        there = {thing.name for thing in scene.scene.things}
        assert (question.names[0] in there) == (question.answer == "Yes")
        assert question.names[0] in there or question.names[0] in COMMON
        assert question.text == f"Is there {question.slots['a_name']} in the picture?"


def test_blind_wordings_are_many_and_every_slot_can_be_filled(rng):
    lists = phrasings()
    assert sum(map(len, lists.values())) >= 100
    for kind, wordings in lists.items():
        question = ask(rng, sample_scene(rng, Squares(), ["dog", "dog", "cup"]), kind)
        while question.kind != kind:
            question = ask(rng, sample_scene(rng, Squares()), kind)
        assert len(set(wordings)) == len(wordings)
        for wording in wordings:
            text = wording.format(**said_otherwise(question).slots)
            assert not re.search(r"[{}]", text + wording.format(**EXAMPLE))


def test_each_wording_gets_its_scenes_with_yes_and_no_alike(rng):
    found, part = Counter(), 3
    for _, worded in phrased(rng, Squares(), 4, part, CHUNKS):
        for wording, text, question in worded.values():
            found[question.kind, wording, question.answer if question.kind in YES_NO else ""] += 1
            assert question.slots.get("relation", "above") in SAID
            assert text == wording.format(**question.slots)
    expected = {kind: wordings[part::CHUNKS] for kind, wordings in phrasings().items()}
    assert len({(kind, wording) for kind, wording, _ in found}) == sum(map(len, expected.values()))
    assert all(number == (2 if kind in YES_NO else 4) for (kind, _, _), number in found.items())


def test_wordings_that_training_used_are_found_out(monkeypatch):
    blind = ["is there ANY {name} in this image!", "Hi, is there {a_name}? Please answer yes or no.", "spy {a_name}?"]
    monkeypatch.setattr(report_questions, "phrasings", lambda: {"exists": blind})
    monkeypatch.setitem(report_questions.FORMS, "exists", ("Is there a {name} in this picture?", "Is there {a_name}?"))
    monkeypatch.setattr(report_questions, "BEFORE", ("Hello,",))
    assert list(known(build_tokenizer())["exists"].values()) == ["bare", "dressed", ""]


# --- the whole -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report():
    return Report(Workers(Bench(FOLDER, lambda styles: Squares()), 1), 2)


@pytest.mark.filterwarnings("ignore")  # so few questions have no correlation
@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_is_measured_and_printed(report, monkeypatch, name):
    few = {kind: wordings[::9] for kind, wordings in phrasings().items()}
    monkeypatch.setattr(report_questions, "phrasings", lambda: few)
    found = getattr(report, name)()
    assert json.dumps(finite(found), allow_nan=False)
    text = getattr(report_tables, name)(found)
    assert text.startswith("\n## ")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows
    if name == "accuracy":
        assert found["engine and generate agree"] == [28, 28]
        assert all(row["of"] == 2 for row in found["types"].values())
    if name == "styles":
        assert len(found["styles"]) == 6
    if name == "settings":
        assert len(found["grid"]) == 51
        assert set(found["card"]) == {"alpha", "beta", "gamma", "first_check"}
