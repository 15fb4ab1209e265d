"""Knock-out against a literal float64 reading of every family and method, and against stock transformers.

The literal reading hides the same keys from the same rows in full attention matrices, recomputed for every token; the
stock model is given a 4-D mask, which hides them in all layers.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from clvs_core import CLVS, PAI, VCD, Combine, Vanilla
from clvs_core.engine.knockout import ROWS, around, usual_window

from ..engine.reference import StockReference
from ..engine.test_families import PICTURE, Stock
from ..methods.reference import contrasted
from ..methods.test_contrast import beside, prompted
from ..methods.test_methods_literal import FAMILIES, NAMES, QUESTIONS, double, settings

CLOSE = 1e-9
TOKEN = 1  # of the answer: the rows before it see everything
WINDOW = 3


def mask_of(image):
    """A mask that covers some visual tokens, other than the first or the last ones."""
    mask = np.zeros((image.height, image.width), dtype=bool)
    mask[image.height // 4 : image.height * 2 // 3, image.width // 5 : image.width * 3 // 5] = True
    return mask


class Blinded(StockReference):
    """A literal reading in which some rows do not see some keys in some layers. hidden: places in the sequence."""

    def blind(self, hidden, layers, rows, token):
        self.hidden, self.layers = list(hidden), set(layers)
        question = range(self.visual[-1] + 1, self.first) if self.visual else ()
        word = [self.first + token]
        self.rows = {"word": word, "question": list(question), "both": [*question, *word]}[rows]
        return self

    def attend(self, layer, query, key, value, mask, scaling):
        if layer in self.layers:
            allowed = torch.ones(query.shape[2], query.shape[2]).tril().bool() if mask is None else mask[0, 0].clone()
            for row in self.rows:
                if row < self.length:
                    allowed[row, self.hidden] = False
            mask = allowed[None, None]
        return super().attend(layer, query, key, value, mask, scaling)


def literal(model, method, question, tokens, hidden, layers, rows):
    """P(the last of `tokens`), told literally: the tokens before it are fed as they are."""
    inputs = prompted(model, question)
    other = None
    if method.contrasted() is not None:
        stream = beside(model, method, question)
        other = Blinded(model.hf, stream.inputs, None)
        places = other.visual  # none in a prompt without a picture
        other.blind([places[n] for n in hidden] if places else [], layers if places else [], rows, len(tokens) - 1)
    reading = Blinded(model.hf, inputs, method, other)
    reading.blind([reading.visual[n] for n in hidden], layers, rows, len(tokens) - 1)
    for token in tokens[:-1]:
        reading.append(token)
    row = reading.step()
    logits = row.seen if other is None else contrasted(method, row.seen, other.step().seen)
    return torch.as_tensor(logits).softmax(-1)[tokens[-1]].item()


def compare(family, method, question, rows, layers=(0, 2)):
    """One method's knock-out beside vanilla's against the literal reading, at some layers and everywhere."""
    model = double(family)
    image = model.open_image(PICTURE)
    _, found = image.knockout(question, mask_of(image), [Vanilla(), method], WINDOW, rows, TOKEN, control=1, seed=3)
    run = image.ask(question, [method], TOKEN + 1)[0]
    tokens = [token.id for token in run.tokens]
    assert found.token.id == tokens[TOKEN]
    assert found.probability == pytest.approx(run.tokens[TOKEN].probability, abs=CLOSE)
    hidden = np.flatnonzero(found.hidden)
    assert 0 < len(hidden) < len(found.hidden)
    resolved = method.resolve(model.target)
    every = range(model.layers)

    def told(layers):
        return literal(model, resolved, question, tokens, hidden, layers, rows)

    for layer in layers:
        window = around(layer, WINDOW, model.layers)
        assert found.kept[layer] * found.probability == pytest.approx(told(window), abs=CLOSE)
        assert found.only[layer] * found.probability == pytest.approx(told(set(every) - window), abs=CLOSE)
    assert found.everywhere * found.probability == pytest.approx(told(every), abs=CLOSE)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_equals_the_literal_reading(family):
    found = compare(family, CLVS(alpha=0.6, beta=0.7, first_check=1), QUESTIONS[1], "both")
    assert np.abs(found.kept - 1).max() > 1e-4, "nothing was hidden that matters, so nothing is proven"


METHODS = {
    **{name: name for name in NAMES},
    "vcd": VCD(alpha=0.6, beta=0.02, noise_step=999, seed=7),
    "pai": PAI(alpha=0.5, gamma=1.1, start_layer=0),
    "clvs+pai": Combine(CLVS(alpha=0.6, beta=0.7, first_check=1), PAI(alpha=0.5, gamma=1.2, start_layer=0)),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3_half"])
def test_every_method_equals_the_literal_reading(family, name):
    method, index = METHODS[name], 0
    if isinstance(method, str):
        method, index = settings(family)[name]
    rows = itertools.cycle(ROWS)
    for _ in range(list(METHODS).index(name) % 3):
        next(rows)
    compare(family, method, QUESTIONS[index], next(rows), layers=(1,))


def masked(allowed):
    """A 4-D mask that is added to the scores."""
    return torch.zeros(1, 1, *allowed.shape, dtype=torch.float64).masked_fill(~allowed, -torch.inf)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3_half"])
def test_vanilla_equals_the_stock_model_with_a_mask(family, rows):
    """Hidden in all layers: a 4-D mask is the same in every layer."""
    model = double(family)
    image = model.open_image(PICTURE)
    (found,) = image.knockout(QUESTIONS[0], mask_of(image), [Vanilla()], rows=rows, control=0, only=False)
    inputs = dict(prompted(model, QUESTIONS[0]))
    ids = inputs["input_ids"]
    visual = (ids[0] == model.image_token_id).nonzero().flatten()
    last, places = ids.shape[1] - 1, torch.arange(ids.shape[1])
    who = {"word": places == last, "question": (places > visual[-1]) & (places < last)}
    who["both"] = who["word"] | who["question"]
    hidden = who[rows][:, None] & torch.isin(places, visual[torch.as_tensor(found.hidden)])[None]
    full = torch.ones(len(places), len(places)).tril().bool()
    masks: Any = masked(full & ~hidden)
    if family == "gemma3_half":  # a picture's tokens see each other, local layers the latest tokens only
        picture = torch.isin(places, visual)[:, None] & torch.isin(places, visual)[None]
        near = full & (places[:, None] - places < model.hf.config.text_config.sliding_window)
        masks = {
            "full_attention": masked((full | picture) & ~hidden),
            "sliding_attention": masked((near | picture) & ~hidden),
        }
    positions = torch.tensor(StockReference(model.hf, inputs, None).layer_zero()[0])
    if len(positions) > 1:  # M-RoPE, which would make them of a mask of another kind
        inputs["position_ids"] = positions[:, None]
    with Stock(model, "sdpa") as hf, torch.no_grad():
        placed = {k: v.to(hf.dtype) if v.is_floating_point() else v for k, v in inputs.items() if k != "attention_mask"}
        logits = hf(**placed, attention_mask=masks, use_cache=False).logits[0, -1]
    chance = logits.softmax(-1)[found.token.id].item()
    assert found.everywhere * found.probability == pytest.approx(chance, abs=CLOSE)


# ---- consistent with itself ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image():
    return double("llava").open_image(PICTURE)


def test_hidden_nothing_is_unhindered(image):
    for found in image.knockout(QUESTIONS[0], np.zeros((image.height, image.width), bool), rows="both"):
        for numbers in (found.kept, found.only, found.control, [found.everywhere]):
            np.testing.assert_allclose(numbers, 1, rtol=1e-12)
        np.testing.assert_allclose(found.margin, 0, atol=1e-12)
        assert [token.id for token in found.instead] == [found.token.id] * found.layers


def test_a_window_over_all_layers_is_everywhere(image):
    for found in image.knockout(QUESTIONS[0], mask_of(image), window=9, rows="both"):
        np.testing.assert_allclose(found.kept, found.everywhere, rtol=1e-12)
        np.testing.assert_allclose(found.only, 1, rtol=1e-12)


def test_a_window_of_one_layer_hides_in_that_layer(image):
    narrow, wide = (image.knockout(QUESTIONS[0], mask_of(image), window=w, control=0)[0] for w in (1, 3))
    assert np.abs(narrow.kept - wide.kept).max() > 1e-6
    assert around(0, 3, 4) == {0, 1}
    assert around(3, 3, 4) == {2, 3}
    assert [usual_window(layers) for layers in (4, 12, 24, 28, 30, 32, 40)] == [1, 3, 7, 7, 9, 9, 11]


def test_the_control_hides_as_many_other_tokens(image):
    mask = mask_of(image)
    first, again = (image.knockout(QUESTIONS[0], mask, control=2, seed=5)[0] for _ in range(2))
    other = image.knockout(QUESTIONS[0], mask, control=2, seed=6)[0]
    np.testing.assert_allclose(first.control, again.control, rtol=1e-12)
    assert np.abs(first.control - other.control).max() > 1e-9
    # by hand: the same draws, each as the thing hidden
    random, others = np.random.default_rng(5), np.flatnonzero(~first.hidden)
    kept = []
    for _ in range(2):
        drawn = np.zeros(len(first.hidden))
        drawn[random.choice(others, int(first.hidden.sum()), replace=False)] = 1
        kept.append(image.knockout(QUESTIONS[0], drawn, control=0, only=False)[0].kept)
    np.testing.assert_allclose(first.control, np.mean(kept, 0), rtol=1e-9)


def test_what_was_not_asked_for_is_nan(image):
    found = image.knockout(QUESTIONS[0], mask_of(image), control=0, only=False)[0]
    assert np.isnan(found.control).all()
    assert np.isnan(found.only).all()
    assert np.isfinite(found.kept).all()
    whole = image.knockout(QUESTIONS[0], np.ones((image.height, image.width), bool))[0]
    assert np.isnan(whole.control).all(), "there is nothing else to hide"


def test_a_mask_of_coverage_and_its_threshold(image):
    by_mask = image.knockout(QUESTIONS[0], mask_of(image), control=0)[0]
    by_tokens = image.knockout(QUESTIONS[0], by_mask.hidden.astype(float), control=0)[0]
    np.testing.assert_array_equal(by_mask.hidden, by_tokens.hidden)
    np.testing.assert_allclose(by_mask.kept, by_tokens.kept, rtol=1e-12)
    strict = image.knockout(QUESTIONS[0], mask_of(image), control=0, threshold=0.99)[0]
    assert strict.hidden.sum() < by_mask.hidden.sum()


def test_small_batches_give_the_same(image, monkeypatch):
    whole = image.knockout(QUESTIONS[0], mask_of(image), rows="both")
    monkeypatch.setattr("clvs_core.engine.knockout._FIRST_ROWS", 2)
    monkeypatch.setattr("clvs_core.engine.knockout._ROWS", 5)
    parts = list(image.knockout_stream(QUESTIONS[0], mask_of(image), rows="both"))
    assert len(parts) > 10
    for one, other in zip(whole, parts[-1], strict=True):
        for name in ("kept", "only", "control", "margin"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-12)
    known = [np.isfinite(part[0].kept) for part in parts]
    assert 0 < known[1].sum() < len(known[1])
    assert known[1][: known[1].sum()].all(), "the first layers come first"


def test_a_stream_that_is_closed_ends(image, monkeypatch):
    monkeypatch.setattr("clvs_core.engine.knockout._FIRST_ROWS", 2)
    monkeypatch.setattr("clvs_core.engine.knockout._ROWS", 2)
    stream = image.knockout_stream(QUESTIONS[0], mask_of(image))
    assert np.isnan(next(stream)[0].kept).any()
    stream.close()
    assert list(stream) == []


def test_whole_answers(image):
    """Every row that writes is blinded: as a question asked anew of rows that never see the object."""
    both = image.knockout(QUESTIONS[0], mask_of(image), rows="both", answer=True, max_new_tokens=6, control=0)
    for found, run in zip(both, image.ask(QUESTIONS[0], max_new_tokens=6), strict=True):
        assert found.answer == run.text
        assert [type(text) for text in found.answers] == [str] * found.layers
    assert any(text != both[0].answer for text in [*both[0].answers, both[0].answer_everywhere])
    nothing = image.knockout(QUESTIONS[0], np.zeros(len(both[0].hidden)), answer=True, max_new_tokens=6, control=0)[0]
    assert set(nothing.answers) == {nothing.answer}


BAD = {
    "window must be odd": {"window": 4},
    "window must be a whole number": {"window": 0},
    "rows must be word, question or both": {"rows": "all"},
    "token must be a whole number": {"token": -1},
    "token must be below": {"token": 40, "max_new_tokens": 2},
    "control must be": {"control": -1},
    "threshold must be": {"threshold": 2},
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_cannot_be_asked_is_one_sentence(sentence):
    image = double("llava").open_image(PICTURE)
    if "below" in sentence:  # an answer that ends
        image.model.end_ids = [image.ask(QUESTIONS[0], [Vanilla()], 1)[0].tokens[0].id]
    try:
        with pytest.raises(ValueError, match=sentence):
            image.knockout(QUESTIONS[0], mask_of(image), [Vanilla()], **BAD[sentence])
    finally:
        image.model.end_ids = []


def test_a_mask_of_another_size_is_one_sentence(image):
    with pytest.raises(ValueError, match="The mask must have the picture's size, 72 x 104, or a number for each"):
        image.knockout(QUESTIONS[0], np.zeros((3, 4), bool))
