"""Key-object attention of a run: against literal loops, and where samples, values or pictures are lacking."""

import json
import math

import numpy as np
import pytest

from clvs_core.analysis.decay import GAIN_LAYERS, decay, half_life, samples
from clvs_core.benchmarks.question import Question
from clvs_core.benchmarks.running.folder import ANSWERS, read_run
from clvs_core.errors import ClvsError

from ..benchmarks.made import made_run, pope_questions

LAYERS = 12


def rewritten(folder, change):
    """The run after `change` was made to every row; a row for which it returns None is left out."""
    rows = [json.loads(line) for line in (folder / ANSWERS).read_text().splitlines()]
    kept = [row for row in map(change, rows) if row is not None]
    (folder / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in kept))
    return read_run(folder)


@pytest.fixture
def folder(tmp_path):
    return made_run(tmp_path / "run", records=("key_objects",), layers=LAYERS)


def curves(run, method, name="attention"):
    return {row["id"]: row[name] for row in run.rows if row["method"] == method and name in row}


def images(run):
    return {question.id: question.image for question in run.questions}


def test_curves_peaks_and_half_lives_are_those_of_a_loop(folder):
    run = read_run(folder)
    found = decay(run)
    assert found.samples.methods == ("vanilla", "clvs")
    assert found.samples.pictures == 6
    for method, fall in found.falls.items():
        held = curves(run, method)
        assert list(held) == list(found.samples.ids)
        for layer in range(LAYERS):
            assert fall.attention.value[layer] == pytest.approx(sum(row[layer] for row in held.values()) / len(held))
            assert fall.share.value[layer] == pytest.approx(fall.attention.value[layer] / 0.6)
            assert fall.attention.low[layer] <= fall.attention.value[layer] <= fall.attention.high[layer]
        peaks = [row.index(max(row)) for row in held.values()]
        assert fall.peaks.tolist() == peaks
        assert fall.peak_counts.tolist() == [peaks.count(layer) for layer in range(LAYERS)]
        lives = sorted(half_life(np.array(row)) for row in held.values())
        assert fall.half_life == pytest.approx((lives[(len(lives) - 1) // 2] + lives[len(lives) // 2]) / 2)


def test_gain_is_the_mean_of_each_samples_gain_cut_at_100_percent(folder):
    run = read_run(folder)
    after, before = curves(run, "clvs"), curves(run, "vanilla")
    found = decay(run, layers=(3, 5)).gains["clvs"]
    expected = [
        sum(min(1, (after[id][layer] - before[id][layer]) / before[id][layer]) for id in before) / len(before)
        for layer in range(LAYERS)
    ]
    assert found.by_layer.value == pytest.approx(expected)
    assert found.mean.value == pytest.approx(sum(expected[3:6]) / 3)
    assert found.mean.low < found.mean.value < found.mean.high
    assert found.left_out.tolist() == [0] * LAYERS


def test_the_interval_is_as_wide_as_pictures_make_it(tmp_path):
    """Means of 400 pictures: 1.96 standard errors; the same curve under four names of one picture changes nothing."""
    rng = np.random.default_rng(0)
    values = rng.random((400, 2))
    bounds = []
    for copies in (1, 4):
        questions = [
            Question(f"{n}/{copy}", f"{n}.jpg", "Is there a dog in the image?", "yes", "random", "coco")
            for n in range(400)
            for copy in range(copies)
        ]
        folder = made_run(tmp_path / str(copies), questions=questions, methods={"vanilla": "vanilla"})
        run = rewritten(folder, lambda row: row | {"attention": values[int(row["id"].split("/")[0])].tolist()})
        bounds.append(decay(run).falls["vanilla"].attention)
    for band in bounds:
        assert band.high - band.low == pytest.approx(2 * 1.96 * values.std(0) / 20, rel=0.1)
    assert bounds[0].low == pytest.approx(bounds[1].low)


def test_the_papers_layers_in_a_model_of_32_and_of_12(folder, tmp_path):
    assert GAIN_LAYERS.scaled(32) == (15, 17)
    assert decay(read_run(folder)).gains["clvs"].layers == (6, 6)
    deep = made_run(tmp_path / "deep", records=("key_objects",), layers=32)
    assert decay(read_run(deep)).gains["clvs"].layers == (15, 17)


def test_layers_beyond_the_model_are_refused(folder):
    with pytest.raises(ClvsError, match="Layers 3 to 12 are not among 0 to 11"):
        decay(read_run(folder), layers=(3, 12))


def test_only_questions_of_every_method_count_and_only_with_every_layer(folder):
    ids = list(curves(read_run(folder), "vanilla"))

    def change(row):
        if row["id"] == ids[0] and row["method"] == "clvs":
            return None
        if row["id"] == ids[1] and row["method"] == "vanilla":
            row["attention"][4] = None
        if row["id"] == ids[2] and row["method"] == "clvs":
            row["attention"][4] = math.nan
        return row

    run = rewritten(folder, change)
    assert list(samples(run).ids) == ids[3:]
    assert list(samples(run, ["clvs"]).ids) == [ids[1], *ids[3:]]


def test_methods_without_records_are_left_out_unless_asked_for(folder):
    run = rewritten(folder, lambda row: row if row["method"] == "vanilla" else {**row, "attention": None})
    assert decay(run).samples.methods == ("vanilla",)
    assert decay(run).gains == {}
    with pytest.raises(ClvsError, match="no attention on key objects for vanilla, clvs"):
        decay(run, ["vanilla", "clvs"])


def test_samples_in_which_vanilla_gives_nothing_are_left_out_of_the_gain_and_counted(folder):
    ids = list(curves(read_run(folder), "vanilla"))

    def change(row):
        if row.get("attention") and row["method"] == "vanilla":
            row["attention"][2] = 0.0
            row["attention"][7] = 0.0 if row["id"] == ids[0] else row["attention"][7]
        return row

    run = rewritten(folder, change)
    found = decay(run, layers=(2, 3)).gains["clvs"]
    assert found.left_out.tolist() == [0, 0, len(ids), 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert np.isnan([found.by_layer.value[2], found.by_layer.low[2], found.by_layer.high[2]]).all()
    assert found.mean.value == pytest.approx(found.by_layer.value[3])
    after, before = curves(run, "clvs"), curves(run, "vanilla")
    rest = [min(1, after[id][7] / before[id][7] - 1) for id in ids[1:]]
    assert found.by_layer.value[7] == pytest.approx(sum(rest) / len(rest))
    nothing = decay(run, layers=(2, 2)).gains["clvs"].mean
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)


def test_one_question_has_curves_and_no_intervals(tmp_path):
    run = read_run(made_run(tmp_path / "run", questions=pope_questions(1)[:1], records=("key_objects",)))
    found = decay(run)
    (row,) = curves(run, "clvs").values()
    assert found.falls["clvs"].attention.value == pytest.approx(row)
    assert np.isnan(found.falls["clvs"].attention.low).all()
    assert found.gains["clvs"].mean.value is not None
    assert found.gains["clvs"].mean.low is None


def test_without_the_pictures_attention_there_is_no_share(folder):
    def change(row):
        row.pop("picture_attention", None)
        return row

    found = decay(rewritten(folder, change))
    assert np.isnan(found.falls["clvs"].share.value).all()
    assert np.isfinite(found.falls["clvs"].attention.low).all()


def test_runs_without_records_and_damaged_ones_say_what_to_do(tmp_path, folder):
    with pytest.raises(ClvsError, match="run the benchmark with --key-objects"):
        decay(read_run(made_run(tmp_path / "none")))
    with pytest.raises(ClvsError, match=r"no method 'pai'; it has vanilla, clvs"):
        decay(read_run(folder), ["pai"])
    first = next(iter(curves(read_run(folder), "vanilla")))
    for damage in ("much", 0.5, [], [[0.1]], ["x"]):
        run = rewritten(folder, lambda row, d=damage: row | ({"attention": d} if row["id"] == first else {}))
        with pytest.raises(ClvsError, match=f"the attention of question {first} is no list"):
            decay(run)
    run = rewritten(folder, lambda row: row | ({"attention": [0.1, 0.2]} if row["id"] == first else {}))
    with pytest.raises(ClvsError, match="different numbers of layers"):
        decay(run)


def test_resamples_that_are_all_the_same_are_no_interval(folder):
    def change(row):
        if row.get("attention"):
            row["attention"] = [0.1 if row["method"] == "vanilla" else 0.3, *row["attention"][1:]]
        return row

    found = decay(rewritten(folder, change), layers=(0, 0))
    curve = found.falls["clvs"].attention
    assert curve.value[0] == pytest.approx(0.3)
    assert np.isnan([curve.low[0], curve.high[0]]).all()
    assert np.isfinite([curve.low[1:], curve.high[1:]]).all()
    mean = found.gains["clvs"].mean
    assert (mean.value, mean.low, mean.high) == (1, None, None)


def test_half_life_of_nothing_is_not_a_number():
    assert math.isnan(half_life(np.zeros(4)))
    assert half_life(np.array([0.1, 0.8, 0.6, 0.2])) == pytest.approx(1.5)
    assert half_life(np.array([0.1, 0.8])) == math.inf
