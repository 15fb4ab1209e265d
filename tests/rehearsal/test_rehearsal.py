"""Every hub card from its published settings at full width, through a hub cache, as on the day somebody loads it.

Nothing here has the real weights; everything else is as published: settings, key names, special tokens, templates.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image

import clvs_core as clvs
from clvs_core.models import memory
from clvs_core.models.registry import CARDS

from . import checkpoint, pictures, words
from .settings import PICTURE, PUBLISHED, QUESTION

SHAPES = [(336, 336), (480, 640), (900, 300)]  # height, width


def picture(height, width):
    rng = np.random.default_rng(height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_every_hub_card_is_rehearsed():
    assert set(PUBLISHED) == {name for name, card in CARDS.items() if not card.source.endswith("scenes_model")}


@pytest.fixture(scope="module", params=list(PUBLISHED))
def loaded(request, tmp_path_factory):
    cache = tmp_path_factory.mktemp("hub")
    folder = checkpoint.write(request.param, cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield request.param, clvs.load_model(request.param, dtype="bfloat16", device="cpu"), folder
    shutil.rmtree(cache)


def expected(published, height, width):
    found = []
    for piece in published.prompt:
        found += pictures.pieces(published, height, width) if piece == PICTURE else [piece]
    return words.ids(published, found)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_prompt_and_picture_are_the_published_tokens(loaded, shape):
    name, model, _ = loaded
    ids = model.prompts.encode(picture(*shape), QUESTION)["input_ids"][0].tolist()
    assert ids == expected(PUBLISHED[name], *shape)


def test_it_answers(loaded):
    name, model, _ = loaded
    published, shape = PUBLISHED[name], SHAPES[0]
    image = model.open_image(picture(*shape))
    runs = image.ask(QUESTION, [clvs.Vanilla(), clvs.CLVS()], 2, keep_logits=True)
    tokens = expected(published, *shape).count(model.image_token_id)
    assert image.views.visual == tokens
    for run in runs:
        assert np.isfinite(run.logits).all()
        assert run.trace.attention.shape[-1] == tokens
        assert 0 < run.trace.attention.astype(float).sum(-1).max() <= 1.01
    assert np.ptp(runs[0].logits) > 0


def test_heads_and_ends_are_as_published(loaded):
    name, model, _ = loaded
    head, table = model.hf.get_output_embeddings().weight, model.hf.get_input_embeddings().weight
    assert (head is not table) == PUBLISHED[name].apart
    used = torch.tensor(sorted(set(expected(PUBLISHED[name], *SHAPES[0]))))
    assert table[used].abs().sum(1).min() > 0
    assert torch.equal(head[used], table[used]) != PUBLISHED[name].apart
    assert set(model.end_ids) == PUBLISHED[name].ends
    assert model.card is CARDS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_memory_is_foretold_from_the_whole_architecture(name, tmp_path):
    """Against the bytes of every published weight at full depth, counted on "meta"."""
    published, card = PUBLISHED[name], CARDS[name].size
    config = checkpoint.config_of(published.config, tmp_path)
    shapes = checkpoint.published_shapes(published, config)
    count = sum(np.prod(shape, dtype=np.int64) for shape in shapes.values()) / 1e9
    found = memory.size_of(memory.skeleton(config), card.tokens)
    assert found.parameters == pytest.approx(count, rel=1e-9)
    assert (card.parameters, card.kept, card.kv) == (round(count, 3), round(found.kept, 3), round(found.kv, 1))
    assert (card.reading, card.asking) == (round(found.reading), round(found.asking))
