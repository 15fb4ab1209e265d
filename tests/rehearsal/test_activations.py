"""What is alive while a picture is read and a question is asked, counted on full-size models, against the estimate."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText
from transformers.initialization import no_init_weights

import clvs_core as clvs
from clvs_core import loading
from clvs_core.engine import decode
from clvs_core.engine.model import Model
from clvs_core.models import memory
from clvs_core.models.registry import CARDS

from . import checkpoint
from .allocations import Counted
from .settings import PUBLISHED, QUESTION

# The picture (height, width) that gives each family the most tokens, or the most tiles to read.
LARGEST = {
    "llava": (336, 336), "llava_next": (672, 672), "llava_onevision": (2304, 2304), "qwen2_vl": (1008, 1008),
    "qwen2_5_vl": (1008, 1008), "qwen3_vl": (1200, 1200), "idefics3": (1456, 1456), "smolvlm": (1536, 1536),
    "internvl": (1344, 1792), "gemma3": (896, 896),
}  # fmt: skip
COUNTED = (
    "llava-1.5-7b", "llava-next-vicuna-7b", "llava-next-mistral-7b", "llava-onevision-0.5b", "llava-onevision-7b",
    "qwen2-vl-7b", "qwen2.5-vl-7b", "qwen3-vl-8b", "smolvlm-256m", "smolvlm2-2.2b", "idefics3-8b", "internvl3-8b",
    "gemma-3-12b",
)  # fmt: skip
SLACK = 50e6  # bytes by which a small estimate may be too high


def full_size(name, folder):
    """The model at full width with all of its vision tower; of the decoder's layers, which are alike, two."""
    published, card = PUBLISHED[name], CARDS[name]
    settings = copy.deepcopy(published.config)
    settings.get("text_config", settings)["num_hidden_layers"] = checkpoint.LAYERS
    if "deepstack_visual_indexes" in settings["vision_config"]:  # one for each layer of the decoder at most
        settings["vision_config"]["deepstack_visual_indexes"] = [0, 1]
    checkpoint.config_of(settings, folder)
    checkpoint.small_files(published, folder)
    config = loading._config(card, folder)
    config.dtype = config.text_config.dtype = config.vision_config.dtype = torch.bfloat16
    with no_init_weights():
        hf = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    return Model(hf, loading._processor(card, folder, config, None), card)


@pytest.mark.parametrize("name", COUNTED)
def test_the_estimate_is_never_too_low_and_not_much_too_high(name, tmp_path, monkeypatch):
    monkeypatch.setattr(decode.math, "isnan", lambda value: False)  # nothing is computed, so anything may come out
    model = full_size(name, tmp_path)
    picture = Image.fromarray(np.zeros((*LARGEST[model.card.family], 3), np.uint8))
    with Counted() as counted:
        image = model.open_image(picture)
        read = counted.peak - image.segment.nbytes
        counted.reset()
        image.ask(QUESTION, [clvs.Vanilla(), clvs.CLVS()], 2)
        asked = counted.peak - image.segment.nbytes
    size = CARDS[name].size
    assert read <= size.reading * 2e6 <= 1.5 * read + SLACK
    assert asked <= size.asking * 4e6 + memory.WORKING


def test_only_what_is_new_is_counted():
    weight = torch.zeros(300, 300)
    with Counted() as counted:
        kept = weight @ weight.t()
        del kept
        made = torch.nn.functional.gelu(weight)[:, :10]
        assert (counted.live, counted.peak) == (360_000, 360_000)
        more = made + 1
        assert counted.live == 360_000 + 4 * more.numel()
    assert counted.peak == counted.live
