"""What a picture keeps beside its own keys: noised versions, prompts without it, edited questions, readings; traces."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core import ADHH, CLVS, PAI, VAF, VAR, VCD, Combine, Vanilla
from clvs_core.engine import checkpoint, tree
from clvs_core.models.registry import CARDS
from tests import tiny
from tests.close import assert_close

SINKS = {"dims": (0, 1, 2, 3), "tau": 1.2}


@pytest.fixture
def image(tiny_model):
    tiny_model.cache.clear()
    return tiny_model.open_image(tiny.picture())


@pytest.fixture
def looks(monkeypatch):
    """How often the stock model looked at a picture."""
    count = []
    look = checkpoint.image_segment
    monkeypatch.setattr(checkpoint, "image_segment", lambda *args: count.append(args[3]) or look(*args))
    return count


def test_a_noised_picture_is_looked_at_once_and_the_latest_two_are_kept(image, looks):
    image.ask(["Why?", "Where?"], [VCD(), VCD(alpha=0.5), PAI(), VCD(seed=1)], 2)
    assert len(looks) == 2, "one look for each noise, none for the prompt without its picture"
    image.ask("Who?", [VCD(beta=0.5), VCD(seed=1)], 2)
    assert len(looks) == 2
    image.ask("Who?", [VCD(seed=2)], 1)
    image.ask("Who?", [VCD(seed=1)], 1)
    assert len(looks) == 3
    image.ask("Who?", [VCD()], 1)
    assert len(looks) == 4, "of three versions the one asked longest ago was forgotten"


def test_contrasts_and_edited_questions_count_as_memory(image):
    image.ask("Why?", [Vanilla()], 1)
    before = image.nbytes
    image.ask("Why?", [VAF(layers=(0, 2))], 1)
    question = image.nbytes - before
    image.ask("Why?", [VCD()], 1)
    assert question > 0
    assert image.nbytes - before - question > image.segment.nbytes


def test_the_rows_of_a_question_are_edited_once_for_all_that_edit_them_alike(image, monkeypatch):
    runs = []
    ask = tree.question_segments
    monkeypatch.setattr(
        tree, "question_segments", lambda hf, segment, asked: runs.append(asked) or ask(hf, segment, asked)
    )
    image.ask("Whose?", [Vanilla(), VAF(), Combine(VAF(), CLVS()), CLVS(), VAF(enhance=2)], 1)
    assert [len(asked) for asked in runs] == [3], "as it is, by VAF, and by the stronger VAF"


def test_what_var_reads_costs_another_look_only_where_the_card_names_no_dimensions(
    image, looks, tiny_model, monkeypatch
):
    image.ask("Why?", [VAR(**SINKS), VAR(**{**SINKS, "tau": 2})], 1)
    image.ask("Who?", [VAR(**SINKS)], 1)
    assert len(looks) == 1
    target = tiny_model.target
    known = clvs.methods.Target(target.label, target.layers, target.heads, target.hidden, {"var": {"dims": (5, 6)}})
    monkeypatch.setattr(tiny_model, "target", known)
    tiny_model.cache.clear()
    told = tiny_model.open_image(tiny.picture()).ask("Why?", [VAR(tau=1.2), VAR(dims=(5, 6), tau=1.2)], 2)
    assert len(looks) == 2
    assert_close(told[0].trace.attention, told[1].trace.attention)


def test_traces_with_everything_survive_a_file(image):
    heads = ((1, 0), (2, 3))
    methods = [VAR(**SINKS), ADHH(heads=heads, threshold=0), VCD(), clvs.TARAC(layers=(1, 2)), CLVS()]
    runs = image.ask("Is there a dog?", methods, 3)
    for run in runs:
        file = io.BytesIO()
        run.trace.save(file)
        file.seek(0)
        read = clvs.Trace.load(file)
        for name in ("accumulation", "sinks", "acted_heads", "contrast_ids", "contrast_probabilities", "memory"):
            mine, stored = getattr(run.trace, name), getattr(read, name)
            assert (mine is None) == (stored is None)
            if mine is not None:
                np.testing.assert_array_equal(mine, stored)
        assert read.contrast_words == run.trace.contrast_words
    var, adhh, vcd, tarac, smoothed = (run.trace for run in runs)
    assert var.sinks.any()
    assert adhh.acted_heads.sum() == 3 * len(heads), "a threshold of 0 silences every listed head"
    assert np.isfinite(tarac.accumulation[:, 1:3].astype(float)).all()
    assert np.isnan(tarac.accumulation[:, [0, 3]].astype(float)).all()
    assert tarac.memory is None
    assert smoothed.accumulation is None
    assert vcd.original is vcd.attention
    assert len(vcd.contrast_words) == 3
    assert vcd.meta["contrast"] == "a noised picture"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sinks", lambda x: x.astype(np.int8)),
        ("acted_heads", lambda x: x[:, :, :1]),
        ("contrast_probabilities", lambda x: x[:, :2]),
        ("contrast_ids", lambda x: x[:1]),
    ],
)
def test_files_whose_new_arrays_do_not_fit_are_refused(image, name, change):
    method = VCD() if "contrast" in name else VAR(**SINKS)
    file = io.BytesIO()
    image.ask("Is there a dog?", [method], 2)[0].trace.save(file)
    file.seek(0)
    arrays = dict(np.load(file))
    arrays[name] = change(arrays[name])
    broken = io.BytesIO()
    np.savez_compressed(broken, **arrays)
    broken.seek(0)
    with pytest.raises(clvs.ClvsError, match=name):
        clvs.Trace.load(broken)


def test_contrasted_words_that_do_not_fit_are_refused(image):
    file = io.BytesIO()
    image.ask("Is there a dog?", [VCD()], 2)[0].trace.save(file)
    file.seek(0)
    arrays = dict(np.load(file))
    about = json.loads(str(arrays["about"][()]))
    about["contrast_words"] = [["one word"]]
    broken = io.BytesIO()
    np.savez_compressed(broken, **{**arrays, "about": np.array(json.dumps(about))})
    broken.seek(0)
    with pytest.raises(clvs.ClvsError, match="contrasted words"):
        clvs.Trace.load(broken)


def test_methods_that_a_model_s_card_knows_nothing_about_say_what_to_do(image):
    for method, words in ((ADHH(), "find-heads"), (VAR(), "find-sinks")):
        with pytest.raises(clvs.MethodError, match=words):
            image.ask("Why?", [method], 1)
    for method, words in (
        (ADHH(heads=((9, 0),)), "layer 9"),
        (VAR(dims=(99,)), "dimension 99"),
        (VAF(layers=(2, 9)), "layers must lie between 0 and 3"),
        (PAI(start_layer=5), "start_layer"),
    ):
        with pytest.raises(ValueError, match=words):
            image.ask("Why?", [method], 1)


def test_published_lists_stand_in_the_cards():
    seven, thirteen = (CARDS[name].settings["adhh"]["heads"] for name in ("llava-1.5-7b", "llava-1.5-13b"))
    assert (len(set(seven)), seven[0]) == (20, (16, 29))
    assert (len(set(thirteen)), thirteen[0]) == (35, (0, 8))
    assert max(max(pair) for pair in seven) < 32
    assert max(max(pair) for pair in thirteen) < 40
    assert VAR().resolve(clvs.methods.Target("x", 32, 32, 4096, CARDS["llava-1.5-7b"].settings)).dims == (1415, 2533)
    assert CLVS().resolve(clvs.methods.Target.of(CARDS["scenes"], 12)).gamma == 0.25
    assert "adhh" not in CARDS["qwen2.5-vl-7b"].settings, "no list was published"


def test_layers_of_the_paper_in_proportion_unless_set():
    def layers(method, depth):
        return method.resolve(clvs.methods.Target("x", depth, 8, 64)).layers

    assert layers(VAF(), 32) == (9, 14)
    assert layers(clvs.TARAC(), 32) == (9, 15)
    assert layers(VAF(), 12) == (3, 5)
    assert layers(VAF(), 40) == (11, 18)
    assert layers(VAF(layers=(9, 14)), 40) == (9, 14)
    assert VAF().layers == (9, 14)
    assert clvs.methods.spec(VAF(layers=(9, 14))) == "vaf:layers=9-14"
    assert clvs.method("vaf:layers=9-14") == VAF(layers=[9, 14])
