"""The runs that come with the page are of the shipped model and about the shipped pictures."""

import json

import pytest

import clvs_core as clvs
from assets.recipes.example_runs import RUNS, SCENES, shown
from clvs_core.analysis.looking import looking
from clvs_core.benchmarks.running.folder import find_runs, read_run
from clvs_core.benchmarks.running.provenance import fingerprint

FOLDERS = find_runs([RUNS])


@pytest.fixture(scope="module")
def model():
    return clvs.load_model("scenes")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_run_is_complete_and_says_what_the_shipped_model_says(folder, model):
    run = read_run(folder)
    assert run.complete
    assert run.about["model"]["weights"] == fingerprint(model.hf)
    methods = [clvs.method(text) for text in run.methods.values()]
    by_picture = {}
    for question in run.questions:
        by_picture.setdefault(question.image, []).append(question)
    for image, questions in list(by_picture.items())[::9]:
        asked = model.open_image(SCENES / image).answers([q.text for q in questions], methods, 1)
        for question, answers in zip(questions, asked, strict=True):
            for name, answer in zip(run.methods, answers, strict=True):
                assert answer.text == run.answers[name][question.id]
                assert answer.tokens[0].probability == pytest.approx(run.column(name, "probability")[question.id], 1e-3)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_labels_hold_in_the_pictures_and_no_path_of_another_machine_is_there(folder):
    kinds = shown(SCENES / "instances.json")
    run = read_run(folder)
    for question in run.questions:
        named = question.text.removeprefix("Is there a").removeprefix("n").strip().split(" in ")[0]
        assert (named in kinds[question.image]) == (question.label == "yes"), question.text
        assert question.picture is None
    assert not json.dumps(dict(run.about)).count("/tmp")


def test_key_objects_and_convergence_are_recorded():
    run = read_run(RUNS / "examples-key-objects")
    layers = run.about["model"]["layers"]
    for name in run.methods:
        for column in ("attention", "picture_attention", "uncertainty", "converged"):
            rows = run.column(name, column)
            assert len(rows) == len(run.questions)
            assert {len(row) for row in rows.values()} == {layers}
    found = looking(run)
    assert found.samples.layers == layers
    assert len(found.samples.ids) + found.passed_over == len(run.questions)
    assert found.shares("clvs").added_there.high < found.shares("vanilla").there.low, "CLVS adds where it is too late"
