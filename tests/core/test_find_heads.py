"""Ranking AD-HH's heads: against separate forward passes of the stock model, and what a captions file may hold."""

import json
import math

import numpy as np
import pytest
import torch

from clvs_core.analysis import heads as ranking
from clvs_core.analysis.heads import Caption, find_heads, influences, judged, read_captions
from clvs_core.engine.model import Model
from clvs_core.errors import ClvsError
from clvs_core.models.registry import ModelCard
from tests import tiny_families
from tests.tiny import picture

QUESTION = "What is here?"
TEXT = "A dog and a cat, a dog on a red car."
FAMILIES = [name for name in tiny_families.FAMILIES if name not in tiny_families.MISSING]


def _model(family):
    hf, processor = tiny_families.build(family, torch.float64)
    hf.get_decoder().norm.weight.data /= 20  # else random models are so certain of their word that no other has a chance
    return Model(hf, processor, ModelCard("tiny", "Tiny", "tiny", hf.config.model_type))


def _caption(seed=0, said=("cat",), seen=("dog", "car"), text=TEXT):
    spans = [tuple(span for word in words for span in ranking._spans(text, word)) for words in (said, seen)]
    return Caption(picture(seed), text, *spans)


@torch.no_grad()
def _chance(model, caption, start, layer=None, head=None):
    """p of the token at character `start`, by one whole pass of the stock model with one head silent before it."""
    prompt = model.prompts.encode(ranking_picture(caption), QUESTION)
    said = model.tokenizer(caption.text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    at = prompt["input_ids"].shape[1] + start  # every character is a token
    ids = torch.cat([prompt["input_ids"], said], 1)[:, :at]
    inputs = {"input_ids": ids, **_longer(prompt, ids)}

    def silence(module, args):
        hidden = args[0].clone()
        size = hidden.shape[-1] // model.heads
        hidden[:, -1, head * size : (head + 1) * size] = 0
        return (hidden,)

    hooks = []
    if layer is not None:
        hooks.append(model.hf.get_decoder().layers[layer].self_attn.o_proj.register_forward_pre_hook(silence))
    try:
        logits = model.hf(**inputs).logits[0, -1]
    finally:
        for hook in hooks:
            hook.remove()
    return float(logits.double().softmax(-1)[said[0, start]])


def ranking_picture(caption):
    from clvs_core.engine.images import read_picture

    return read_picture(caption.picture)


def _longer(prompt, ids):
    """The processor's other inputs; those of one number a token go on as text."""
    more = {}
    for name, value in prompt.items():
        if name not in ("input_ids", "attention_mask"):
            same = value.shape == prompt["input_ids"].shape
            value = torch.nn.functional.pad(value, (0, ids.shape[1] - value.shape[1])) if same else value
            more[name] = value.double() if value.is_floating_point() else value
    return more


@pytest.mark.parametrize("family", FAMILIES)
def test_influences_equal_those_of_separate_passes_with_one_head_silent(family):
    model, caption = _model(family), _caption()
    said, seen = influences(model, caption, QUESTION)
    assert (said.shape, seen.shape) == ((1, model.layers, model.heads), (3, model.layers, model.heads))
    start = caption.hallucinated[0][0]
    plain = _chance(model, caption, start)
    for layer in range(model.layers):
        expected = [plain - _chance(model, caption, start, layer, head) for head in range(model.heads)]
        assert said[0, layer].tolist() == pytest.approx(expected, abs=1e-9, rel=1e-6)
    assert said.abs().max() > 1e-4, "nothing to compare"
    last = caption.grounded[-1][0]
    assert float(seen[-1, 2, 1]) == pytest.approx(
        _chance(model, caption, last) - _chance(model, caption, last, 2, 1), abs=1e-9, rel=1e-6
    )
