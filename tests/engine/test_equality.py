"""The engine against stock transformers, and against a literal reading of the paper's formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from clvs_core import CLVS, Trace, Vanilla, load_model
from clvs_core.engine import branches
from clvs_core.engine.model import Model
from clvs_core.errors import ClvsError
from clvs_core.models.registry import card_for
from tests import tiny
from tests.engine.reference import Reference

QUESTIONS = ["Is there a dog?", "Why?", "What colour is the big car on the left of the tree?"]


def stock(model, question, steps=16, seed=0):
    """Token ids and logits (steps, vocab) of transformers' own greedy generate."""
    inputs = model.prompts.encode(Image.fromarray(tiny.picture(seed)), question)
    pixels = inputs["pixel_values"].to(model.hf.dtype)
    out = model.hf.generate(
        **{**inputs, "pixel_values": pixels},
        max_new_tokens=steps,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return out.sequences[0, inputs["input_ids"].shape[1] :].tolist(), torch.cat(out.logits).float().numpy()


def test_vanilla_equals_generate_for_a_batch_of_questions_of_different_lengths(tiny_model):
    image = tiny_model.open_image(tiny.picture())
    answers = image.ask(QUESTIONS, [Vanilla(), CLVS()], max_new_tokens=16, keep_logits=True)
    said: set[int] = set()
    for question, (vanilla, _) in zip(QUESTIONS, answers, strict=True):
        ids, logits = stock(tiny_model, question)
        assert [t.id for t in vanilla.tokens] == ids[: len(vanilla.tokens)]
        assert len(vanilla.tokens) == 16 or vanilla.finished
        said |= set(ids)
        difference = np.abs(vanilla.logits - logits[: len(vanilla.tokens)]).max()
        assert difference < 1e-4 * logits.std()
    assert len(said) > 8, "a model that repeats itself proves little"


def test_bf16_is_no_worse_than_eager_is_against_sdpa(tiny_folder):
    model = load_model(tiny_folder, dtype="bfloat16")
    errors = {"ours": [], "eager": []}
    for seed, question in itertools.product(range(8), [*QUESTIONS, "How many cats are there?", "Where is it?"]):
        picture = tiny.picture(seed)
        ours = model.open_image(picture).ask(question, [Vanilla()], 1, keep_logits=True)[0].logits
        _, sdpa = stock(model, question, 1, seed)
        model.hf.set_attn_implementation({"text_config": "eager"})
        _, eager = stock(model, question, 1, seed)
        model.hf.set_attn_implementation({"text_config": "clvs_tree"})
        errors["ours"].append(np.abs(ours - sdpa).mean())
        errors["eager"].append(np.abs(eager - sdpa).mean())
    # means over 40 prompts scatter by a few per cent from one set of prompts to another
    assert np.mean(errors["ours"]) < 1.1 * np.mean(errors["eager"])


SETTINGS = [
    CLVS(beta=0.8, gamma=0, first_check=1),
    CLVS(beta=0.6, gamma=0, first_check=1, unified_positions=False),
    CLVS(alpha=0.5, beta=0.8, gamma=0.5, first_check=1),
    CLVS(alpha=0.5, beta=0.3, gamma=0.5, first_check=0, unified_positions=False),
    CLVS(beta=0.7, gamma=0.6, first_check=1, early_termination=False),
    CLVS(beta=0.7, gamma=0.6, first_check=1, lens_norm=True, top_k=5),
    None,
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_equals_the_literal_reading_in_float64(tiny_double, settings):
    question, steps = QUESTIONS[0], 6
    inputs = tiny_double.prompts.encode(Image.fromarray(tiny.picture()), question)
    expected = Reference(tiny_double.hf, inputs, settings).run(steps)
    method = Vanilla() if settings is None else settings
    # beside other branches, so that batching is part of what is proven
    beside = [CLVS(alpha=0.3, beta=0.5), Vanilla()]
    run = tiny_double.open_image(tiny.picture()).ask(question, [beside[0], method, beside[1]], steps, True)[1]
    trace = run.trace
    assert [t.id for t in run.tokens] == [row.token for row in expected]
    close = {"rtol": 0, "atol": 1e-9}
    np.testing.assert_allclose(trace.attention, [row.attention for row in expected], **close)
    np.testing.assert_allclose(trace.original, [row.original for row in expected], **close)
    np.testing.assert_allclose(run.logits, [row.logits for row in expected], rtol=0, atol=1e-9 * run.logits.std())
    np.testing.assert_allclose(trace.uncertainty, [row.uncertainty for row in expected], **close)
    assert trace.stop_layer.tolist() == [row.stop for row in expected]
    if settings is None:
        assert trace.memory is None
        assert trace.original is trace.attention
    else:
        np.testing.assert_allclose(trace.memory, [row.memory for row in expected], **close)


def literal_rest(row, visual, prompt):
    """(layers, 3 + T) of a literal row: the means of heads on the first token, the others around the picture, the
    answer's own, and each prompt token behind the picture."""
    whole = np.array([weights.mean(0) for weights in row.whole])
    around = [at for at in range(1, visual[-1]) if at not in visual]
    parts = [whole[:, :1], whole[:, around].sum(1, keepdims=True), whole[:, prompt:].sum(1, keepdims=True)]
    return np.concatenate([*parts, whole[:, visual[-1] + 1 : prompt]], 1)


@pytest.mark.parametrize("settings", [SETTINGS[0], next(s for s in SETTINGS if s)], ids=str)
def test_the_attention_on_the_words_is_the_literal_readings(tiny_double, settings):
    steps, method = 4, Vanilla() if settings is None else settings
    runs = tiny_double.open_image(tiny.picture()).ask(QUESTIONS, [method, CLVS(alpha=0.3)], steps, rest=True)
    for question, (run, _) in zip(QUESTIONS, runs, strict=True):  # of different lengths: two are padded
        inputs = tiny_double.prompts.encode(Image.fromarray(tiny.picture()), question)
        reference = Reference(tiny_double.hf, inputs, settings)
        prompt = len(reference.ids)
        expected = [literal_rest(row, reference.visual, prompt) for row in reference.run(steps)]
        np.testing.assert_allclose(run.trace.rest, expected, rtol=0, atol=1e-9)
        total = run.trace.attention.mean(2).sum(-1) + run.trace.rest.sum(-1)
        np.testing.assert_allclose(total, 1, rtol=0, atol=1e-9)
        first, last = run.trace.meta["asked"]
        assert "".join(run.trace.meta["words"][first:last]) == question


def test_the_attention_on_the_words_outlives_a_file(tiny_double, tmp_path):
    image = tiny_double.open_image(tiny.picture())
    run, plain = (image.ask("Why?", [Vanilla()], 2, rest=rest)[0] for rest in (True, False))
    run.trace.save(tmp_path / "trace.npz")
    loaded = Trace.load(tmp_path / "trace.npz")
    assert (loaded.rest == run.trace.rest).all()
    assert loaded.meta["words"] == run.trace.meta["words"]
    assert plain.trace.rest is None
    run.trace.meta["words"] = ["one"]
    run.trace.save(tmp_path / "broken.npz")
    with pytest.raises(ClvsError, match="words do not fit"):
        Trace.load(tmp_path / "broken.npz")


def test_the_settings_above_stop_at_different_layers(tiny_double):
    """Otherwise the equality with early termination would prove nothing."""
    runs = tiny_double.open_image(tiny.picture()).ask(QUESTIONS[0], [s for s in SETTINGS if s], 6)
    stops = np.stack([run.trace.stop_layer for run in runs])
    assert {-1, 1, 2} <= set(stops.ravel().tolist())
    assert (stops[0] == -1).all()


def test_alpha_one_without_unified_positions_is_vanilla(tiny_double):
    image = tiny_double.open_image(tiny.picture())
    vanilla, same = image.ask(QUESTIONS[2], [Vanilla(), CLVS(alpha=1, unified_positions=False)], 8, True)
    assert [t.id for t in same.tokens] == [t.id for t in vanilla.tokens]
    assert np.abs(same.logits - vanilla.logits).max() < 1e-12 * vanilla.logits.std()


@pytest.mark.parametrize("kv_heads", [1, 4])
def test_key_heads_one_and_as_many_as_query_heads(kv_heads):
    hf = tiny.llava(num_key_value_heads=kv_heads).double()
    model = Model(hf, tiny.llava_processor(), card_for("tiny"))
    inputs = model.prompts.encode(Image.fromarray(tiny.picture()), "Why?")
    settings = CLVS(beta=0.8, gamma=0.4, first_check=1)
    expected = Reference(hf, inputs, settings).run(3)
    run = model.open_image(tiny.picture()).ask("Why?", [settings], 3)[0]
    np.testing.assert_allclose(run.trace.attention, [row.attention for row in expected], rtol=0, atol=1e-9)


def test_rows_sum_to_one_before_and_after_every_edit(tiny_double, monkeypatch):
    sums = []
    edited = branches.edited

    def watched(parts, layer, scores, weights, *more):
        used = edited(parts, layer, scores, weights, *more)
        sums.extend([weights.sum(-1), used.sum(-1)])
        return used

    monkeypatch.setattr(branches, "edited", watched)
    questions = [QUESTIONS[0], QUESTIONS[2]]  # of different lengths: one is padded
    tiny_double.open_image(tiny.picture()).ask(questions, [s for s in SETTINGS if s], 3)
    assert len(sums) == 2 * 3 * tiny_double.layers
    assert (torch.stack(sums) - 1).abs().max() < 1e-12


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_a_branch_does_not_depend_on_its_neighbours(tiny_folder, dtype, tolerance):
    image = load_model(tiny_folder, dtype=dtype).open_image(tiny.picture())
    chosen = CLVS(alpha=0.6, beta=0.5, gamma=0.4, first_check=1)
    alone = image.ask(QUESTIONS[0], [chosen], 8, True, True)[0]
    grid = [CLVS(alpha=a, beta=b) for a in (0, 0.5, 1) for b in (0, 0.5, 1)]
    amid = image.ask([QUESTIONS[2], QUESTIONS[0]], [Vanilla(), *grid, chosen], 8, True, True)[1][-1]
    assert [t.id for t in amid.tokens] == [t.id for t in alone.tokens]
    assert amid.trace.stop_layer.tolist() == alone.trace.stop_layer.tolist()
    for name in ("attention", "original", "memory"):
        ours, theirs = (getattr(run.trace, name).astype(float) for run in (amid, alone))
        half = 0 if dtype == "float64" else 1e-3  # float16 storage: neighbours may round to either side
        np.testing.assert_allclose(ours, theirs, rtol=half, atol=tolerance)
    logits = [run.logits.astype(float) for run in (amid, alone)]
    shares = [np.exp(x - x.max(-1, keepdims=True)) for x in logits]
    assert np.abs(shares[0] - shares[1]).max() < 10 * tolerance
    assert np.abs(logits[0] - logits[1]).max() < tolerance * np.ptp(logits[1])
