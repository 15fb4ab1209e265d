"""Every shape of picture that the engine opens, in every family at its published patches, sizes and grids.

The towers and decoders are narrow, so that this takes seconds; what a picture becomes does not depend on their widths.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image

import clvs_core as clvs
from clvs_core.pictures import MAX_ASPECT
from tests import tiny_families

from . import checkpoint
from .settings import PUBLISHED
from .test_rehearsal import expected

QUESTION = "Is there a dog?"
# One of each geometry, and the shapes where they end: a single pixel, and the most elongated pictures both ways.
NAMES = (
    *("llava-1.5-7b", "llava-next-vicuna-7b", "llava-onevision-0.5b", "qwen2-vl-2b", "qwen2.5-vl-3b", "qwen3-vl-2b"),
    *("idefics3-8b", "smolvlm-256m", "smolvlm2-2.2b", "internvl3-1b", "gemma-3-4b"),
)
SHAPES = [(1, 1), (1, MAX_ASPECT), (MAX_ASPECT, 1), (7, 290), (10 * MAX_ASPECT, 10)]


@pytest.fixture(scope="module", params=NAMES)
def loaded(request, tmp_path_factory):
    published = PUBLISHED[request.param]
    family = {"smolvlm": "smolvlm"}.get(published.config["model_type"], "")
    if family in tiny_families.MISSING:
        pytest.skip(tiny_families.MISSING[family])
    cache = tmp_path_factory.mktemp("hub")
    checkpoint.write(request.param, cache, checkpoint.narrow)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        model = clvs.load_model(request.param, device="cpu", dtype="float32")
    known = {name: given for name, given in model.target.settings.items() if name != "var"}  # of the full width
    model.target = dataclasses.replace(model.target, settings=known)
    return request.param, model


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[1]}x{shape[0]}")
def test_every_shape_is_read_and_asked_about(loaded, shape):
    name, model = loaded
    height, width = shape
    picture = Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8))
    image = model.open_image(picture)
    assert image.views.visual == expected(PUBLISHED[name], height, width).count(model.image_token_id)
    for run in image.ask(QUESTION, [clvs.Vanilla(), clvs.CLVS(), clvs.VCD()], 1, keep_logits=True):
        assert not np.isnan(run.logits).any()
        assert run.trace.attention.shape[-1] == image.views.visual
        assert clvs.models.geometry.grids.Views.from_json(image.views.to_json()) == image.views
    whole = np.ones(shape, dtype=bool)
    covered = clvs.coverage(whole, image.views)
    assert covered.max() == pytest.approx(1), "some token sees nothing but picture"
    x0, y0, x1, y1 = image.views.seen()
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height


def test_a_finer_grid_of_which_nothing_is_left_leaves_the_whole_picture_s(loaded):
    """LLaVA-NeXT cuts the bars off its tiles, and of pictures beyond about 48 : 1 everything."""
    name, model = loaded
    if name != "llava-next-vicuna-7b":
        pytest.skip("LLaVA-NeXT's own")
    for shape, newlines in (((10, 1000), 0), ((1000, 10), 72)):
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
        views = model.open_image(picture).views
        assert [(view.kind, view.rows, view.cols) for view in views.grids] == [("full", 24, 24)]
        assert views.visual == 576 + newlines
        features = model.hf.model.get_image_features
        inputs = model.placed(model.prompts.encode(picture, QUESTION))
        with torch.no_grad():
            made = features(inputs["pixel_values"], inputs["image_sizes"])
        made = getattr(made, "pooler_output", made)
        assert sum(len(part) for part in made) == views.visual, "as many as the model makes"
