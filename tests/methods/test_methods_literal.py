"""Every method in every family of models against a literal reading of its formulas, to nine digits in float64.

All methods answer two questions of different lengths in one batch, each in two settings; each setting is compared on
one of the questions. Random models have no massive activations and no hallucination heads, so what VAR and AD-HH act on
is chosen from what the model does: that they act on some tokens and heads and not on others is asserted.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, Combine, Vanilla
from clvs_core.engine.model import Model
from clvs_core.methods import spec
from clvs_core.models.registry import card_for
from tests import tiny_families

from ..engine.reference import Reference, StockReference
from ..engine.test_families import PICTURE, Stock, built
from .reference import relative

QUESTIONS = ["Is there a dog?", "What colour is the big car on the left?"]  # of different lengths
STEPS = 5
# ... and Gemma 3 whose local layers see the picture's second half only
FAMILIES = [*tiny_families.FAMILIES, "gemma3_half"]


@functools.cache
def double(family):
    """The tiny model of one family in float64, of which no token ends an answer."""
    if family in tiny_families.MISSING:
        pytest.skip(tiny_families.MISSING[family])
    if family == "gemma3_half":
        hf, processor = tiny_families.gemma3(window=len(built("gemma3").prompts.tail(QUESTIONS[0])) + 8)
        for parameter in hf.parameters():
            parameter.data = parameter.data.double()
    else:
        hf, processor = tiny_families.FAMILIES[family](torch.float64)
    model = Model(hf, processor, card_for("tiny"))
    model.end_ids = []
    return model


def reference(family, method, index):
    """The literal reading of a method on one of the questions."""
    model = double(family)
    return StockReference(model.hf, model.prompts.encode(Image.fromarray(PICTURE), QUESTIONS[index]), method)


def between(values, share):
    """A number above this share of the values and below the others, equal to none."""
    ordered = np.unique(np.round(values, 6))
    i = int(share * (len(ordered) - 1))
    return float(ordered[i] + ordered[i + 1]) / 2


def watchful_var(family, index, **more):
    """VAR whose sinks differ from layer to layer, whose heads are chosen by some rows and not by others."""
    plain = reference(family, None, index)
    rows = plain.run(STEPS)
    prompt, visual = plain.first + 1, np.array(plain.visual)
    sizes = [relative(plain.entered[layer]) for layer in (2, 3)]
    text = np.setdiff1d(np.arange(prompt), visual)
    for d, share in itertools.product(range(0, sizes[0].shape[1] - 1, 2), (0.7, 0.8, 0.6, 0.9)):
        both = [size[:, [d, d + 1]].max(-1) for size in sizes]
        tau = between(both[0][:prompt], share)
        sinks = [size > tau for size in both]
        differ = all((sinks[0][w] & ~sinks[1][w]).any() and (sinks[1][w] & ~sinks[0][w]).any() for w in (visual, text))
        if differ and not sinks[0][visual].all() and any(s[prompt:].any() for s in sinks):
            break
    else:
        raise AssertionError("no dimensions of this model tell tokens apart")
    seen = np.array([[row.original[layer] for layer in (2, 3)] for row in rows])  # (steps, 2, heads, visual)
    on_sinks = np.stack([seen[:, i][..., sinks[i][visual]].sum(-1) for i in (0, 1)], 1)
    total = seen.sum(-1)
    rho, summ = between(on_sinks[total > 0] / total[total > 0], 0.7), between(total, 0.25)
    return VAR(tau=tau, rho=rho, summ=summ, dims=(d, d + 1), **more)


def watchful_adhh(family, index, heads, *others):
    """AD-HH whose threshold some of these heads reach in some layers and rows, beside other methods."""
    never = ADHH(threshold=2, heads=heads)
    silent = reference(family, Combine(never, *others) if others else never, index)
    silent.run(STEPS)
    heard = [silent.readings[-1].heard[layer][head] for layer, head in heads]
    return ADHH(threshold=between(heard, 0.5), heads=heads)


HEADS = [((0, 1), (1, 0), (2, 0), (2, 2), (2, 3), (3, 1)), tuple(itertools.product(range(4), (0, 2, 3)))]
NAMES = [f"{name}-{i}" for name in ("vaf", "var", "tarac", "adhh", "pai") for i in (0, 1)]


@functools.cache
def settings(family):
    """By name: the method, and the question on which it is compared."""
    narrow = family in ("gemma3_narrow", "gemma3_half")  # whose second layer sees little or nothing of the picture
    found = {
        "vaf-0": VAF(enhance=1.4, suppress=0.6, layers=(0, 2)),
        "vaf-1": VAF(layers=(2, 2)) if narrow else VAF(),
        "var-0": watchful_var(family, 0),
        "var-1": watchful_var(family, 1, p=0.2),
        "tarac-0": TARAC(alpha=0.3, beta=0.8, layers=(0, 3)),
        "tarac-1": TARAC(layers=(1, 2)) if narrow else TARAC(),
        "adhh-0": watchful_adhh(family, 0, HEADS[0]),
        "adhh-1": watchful_adhh(family, 1, HEADS[1]),
        "pai-0": PAI(alpha=1.5, gamma=1, start_layer=0),
        "pai-1": PAI(gamma=1),
    }
    return {name: (found[name], int(name[-1])) for name in NAMES}


@functools.cache
def answers(family):
    """Every method on both questions in one batch, by name: the run on the method's own question."""
    chosen = settings(family)
    methods = [Vanilla(), *(method for method, _ in chosen.values()), CLVS(alpha=0.6, beta=0.7, first_check=1)]
    runs = double(family).open_image(PICTURE).ask(QUESTIONS, methods, STEPS, keep_logits=True)
    vanilla = {f"vanilla-{i}": runs[i][0] for i in (0, 1)}
    return vanilla | {name: runs[index][i + 1] for i, (name, (_, index)) in enumerate(chosen.items())}


@functools.cache
def expected(family, name):
    """The reference and its rows."""
    found = reference(family, *settings(family)[name])
    return found, found.run(STEPS)


def assert_equal(run, rows, records=()):
    """A run and the rows of a literal reading: the same tokens, and everything in the trace to nine digits."""
    trace, close = run.trace, {"rtol": 0, "atol": 1e-9}
    assert [t.id for t in run.tokens] == [row.token for row in rows]
    for name in ("original", "attention", *records):
        wanted, found = np.array([getattr(row, name) for row in rows]), getattr(trace, name)
        if wanted.dtype == bool:
            np.testing.assert_array_equal(found, wanted, err_msg=name)
        else:
            np.testing.assert_allclose(found, wanted, **close, err_msg=name)
    logits = np.array([row.logits for row in rows])
    scale = np.array([row.seen for row in rows]).std()
    np.testing.assert_allclose(run.logits, logits, rtol=0, atol=1e-9 * scale)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_the_reading_of_a_model_without_edits_equals_the_stock_model(family):
    """Before a reading may judge the engine: written-out matrices are what transformers computes."""
    model = double(family)
    plain = reference(family, None, 1)
    inputs = dict(plain.inputs)
    rows = plain.run(STEPS)
    with Stock(model) as hf, torch.no_grad():
        ids = hf.generate(**inputs, max_new_tokens=STEPS, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        logits = hf(**plain.inputs, use_cache=False).logits[0, plain.first : -1].numpy()  # of prompt and answer
    assert ids.tolist() == [row.token for row in rows]
    np.testing.assert_allclose([row.logits for row in rows], logits, rtol=0, atol=1e-9 * logits.std())


def test_both_readings_of_clvs_agree():
    """The decoder written from its equations and the stock model with written-out attention."""
    model = built("llava", torch.float64)
    inputs = model.prompts.encode(Image.fromarray(PICTURE), QUESTIONS[0])
    chosen = CLVS(alpha=0.5, beta=0.6, gamma=0.5, first_check=1)
    one, other = (kind(model.hf, inputs, chosen).run(3) for kind in (Reference, StockReference))
    for a, b in zip(one, other, strict=True):
        assert (a.token, a.stop) == (b.token, b.stop)
        for name in ("logits", "original", "attention", "memory", "uncertainty"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0, atol=1e-9, err_msg=name)


RECORDS = {"var": ("sinks", "acted_heads"), "adhh": ("acted_heads",), "tarac": ("accumulation",)}


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_literal_reading(family, name):
    run = answers(family)[name]
    assert_equal(run, expected(family, name)[1], RECORDS.get(name[:-2], ()))
    for unused in {"memory", "accumulation", "sinks", "acted_heads"} - set(RECORDS.get(name[:-2], ())):
        assert getattr(run.trace, unused) is None
    assert run.trace.contrast_ids is None


@pytest.mark.parametrize("name", NAMES)
def test_the_edits_are_not_tiny(family, name):
    """Otherwise equality proves nothing: weights, and with them the logits, differ from the model as it is."""
    run, vanilla = answers(family)[name], answers(family)["vanilla" + name[-2:]]
    if not name.startswith("adhh"):  # which takes from the text and leaves the picture's weights
        assert np.abs(run.trace.attention - run.trace.original).max() > 1e-2
    assert np.abs(run.logits - vanilla.logits).max() > 1e-3 * vanilla.logits.std()


@pytest.mark.parametrize("name", ["vaf-0", "var-0"])
def test_rows_of_the_question_s_words_are_edited_too(family, name):
    """A reading that leaves them alone says something else, from the first token on."""
    method, index = settings(family)[name]
    other = reference(family, method, index)
    for reading in other.readings:
        reading.all_rows = False
    logits = other.run(1)[0].logits
    assert np.abs(logits - answers(family)[name].logits[0]).max() > 1e-6 * logits.std()  # 1000 times what is equal


@pytest.mark.parametrize("name", ["tarac-0", "adhh-0", "pai-0"])
def test_rows_of_the_question_s_words_are_left_alone(family, name):
    method, index = settings(family)[name]
    other = reference(family, method, index)
    for reading in other.readings:
        reading.all_rows = True
    logits = other.run(1)[0].logits
    assert np.abs(logits - answers(family)[name].logits[0]).max() > 1e-6 * logits.std()  # 1000 times what is equal


@pytest.mark.parametrize("name", ["var-0", "var-1"])
def test_sinks_and_heads_of_var_differ_by_layer_and_token(family, name):
    reading, rows = expected(family, name)
    var = reading.readings[0]
    sinks = np.array([row.sinks for row in rows])
    assert not sinks[:, :2].any(), "none in the first two layers"
    assert (sinks == sinks[:1]).all(), "the prompt's, for every token"
    assert (sinks[0, 2] != sinks[0, 3]).any()
    assert 0 < sinks[0, 2].sum() < sinks.shape[-1]
    text = [set(var.sinks[layer]) - set(var.visual) for layer in (2, 3)]
    assert text[0] ^ text[1]
    assert any(var.would_be.values()), "a generated token would be one, too, if it could"
    acted = np.array([row.acted_heads for row in rows])[:, 2:]
    assert acted.any()
    assert not acted.all()
    edited = np.abs(np.array([row.attention for row in rows]) - [row.original for row in rows])[:, 2:].max(-1)
    edited = edited > 1e-9
    assert (edited <= acted).all()
    assert edited.any()


@pytest.mark.parametrize("name", ["adhh-0", "adhh-1"])
def test_some_listed_heads_of_adhh_are_silenced_and_others_are_not(family, name):
    acted = np.array([row.acted_heads for row in expected(family, name)[1]])
    listed = np.zeros(acted.shape[1:], bool)
    listed[tuple(np.array(settings(family)[name][0].heads).T)] = True
    assert not (acted & ~listed).any()
    assert acted.any()
    assert not acted[:, listed].all()


@pytest.mark.parametrize("name", ["tarac-0", "tarac-1"])
def test_what_tarac_accumulates_lasts_from_token_to_token(family, name):
    method, _ = settings(family)[name]
    reading, rows = expected(family, name)
    kept, seen = (np.array([getattr(row, what) for row in rows]) for what in ("accumulation", "original"))
    first, last = reading.readings[0].layers
    outside = [layer for layer in range(4) if not first <= layer <= last]
    assert np.isnan(kept[:, outside]).all()
    mean = seen[0].max(1)
    for step in range(STEPS):
        mean = mean if step == 0 else method.alpha * seen[step].max(1) + (1 - method.alpha) * mean
        np.testing.assert_allclose(kept[step, first : last + 1], mean[first : last + 1], rtol=0, atol=1e-12)
    assert np.abs(mean - seen[-1].max(1)).max() > 1e-3, "what came before the last token counts for something"


def test_what_a_trace_says_about_its_method(family):
    for name, run in answers(family).items():
        if name.startswith("vanilla"):
            continue
        method, _ = settings(family)[name]
        assert run.method == method
        in_four = {VAF(): VAF(layers=(1, 1)), TARAC(): TARAC(layers=(1, 1))}
        assert run.trace.meta["method"] == spec(in_four.get(method, method))


def test_a_branch_does_not_depend_on_its_neighbours():
    """Alone, in float32: the same tokens, and the trace to the last digit of what it keeps."""
    model = built("qwen2_5_vl")
    chosen = [(method, index) for method, index in settings("qwen2_5_vl").values()]
    image = model.open_image(PICTURE)
    together = image.ask(QUESTIONS, [method for method, _ in chosen], STEPS, keep_logits=True)
    for i, (method, index) in enumerate(chosen):
        (alone,) = image.ask(QUESTIONS[index], [method], STEPS, keep_logits=True)
        amid = together[index][i]
        assert [t.id for t in amid.tokens] == [t.id for t in alone.tokens]
        assert np.abs(amid.logits - alone.logits).max() < 1e-4 * alone.logits.std()
        half = amid.trace.attention.astype(float) - alone.trace.attention.astype(float)
        assert np.abs(half).max() < 1e-3


@pytest.mark.parametrize("family", ["qwen2_5_vl", "gemma3_narrow"])
def test_a_model_spread_over_devices_answers_the_same(family, tmp_path):
    """accelerate moves layers in from disk one by one, through the same hooks that serve several GPUs."""
    hf, processor = tiny_families.FAMILIES[family](torch.float64)
    hf.save_pretrained(tmp_path / "model")
    inner, decoder = (dict(m.named_children()) for m in (hf.model, hf.model.language_model))
    parts = dict.fromkeys(["lm_head", *(f"model.{key}" for key in inner if key != "language_model")], "cpu")
    parts |= {f"model.language_model.{key}": "cpu" for key in decoder if key != "layers"}
    parts |= {f"model.language_model.layers.{i}": "disk" if i >= 2 else "cpu" for i in range(4)}
    folder, off = tmp_path / "model", tmp_path / "off"
    spread = AutoModelForImageTextToText.from_pretrained(folder, device_map=parts, offload_folder=off, dtype="float64")
    assert any(p.device.type == "meta" for p in spread.parameters()), "nothing is offloaded, so nothing is proven"
    model = Model(spread, processor, card_for("tiny"))
    model.end_ids = []
    methods = [*(method for method, _ in settings(family).values()), VCD(noise_step=900), PAI(), CLVS(first_check=1)]
    found, wanted = (
        m.open_image(PICTURE).ask(QUESTIONS, methods, 3, keep_logits=True) for m in (model, double(family))
    )
    for run, other in zip(itertools.chain(*found), itertools.chain(*wanted), strict=True):
        assert [t.id for t in run.tokens] == [t.id for t in other.tokens]
        finite = np.isfinite(other.logits)
        np.testing.assert_array_equal(np.isfinite(run.logits), finite)
        scale = other.logits[finite].std()
        np.testing.assert_allclose(run.logits[finite], other.logits[finite], rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision(dtype):
    """Numbers everywhere, shares that are shares, and weights near those of single precision in the first layer."""
    family = "qwen2_5_vl"
    methods = [*(method for method, _ in settings(family).values()), VCD(), PAI(), CLVS(first_check=1)]
    half, single = (built(family, d).open_image(PICTURE).ask(QUESTIONS, methods, 3, True) for d in (dtype, torch.float))
    for method, run, other in zip(methods * 2, itertools.chain(*half), itertools.chain(*single), strict=True):
        assert not np.isnan(run.logits).any()
        assert np.isfinite(run.logits).all() or method.contrasted()
        for weights in (run.trace.attention, run.trace.original):
            assert np.isfinite(weights).all()
            assert weights.min() >= 0
            assert weights.astype(float).sum(-1).max() <= 1 + 0.01
        first = [r.trace.attention[0, 0].astype(float) for r in (run, other)]
        assert np.abs(first[0] - first[1]).max() < 0.05
