"""Loading as on bigger machines: parts of the model elsewhere, other dtypes, the real embedded model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import clvs_core as clvs
from clvs_core.engine.model import Model
from clvs_core.models.registry import CARDS, card_for
from tests import tiny

PAIR = [clvs.Vanilla(), clvs.CLVS(beta=0.8, gamma=0.5, first_check=1)]


def test_a_model_spread_over_devices_answers_the_same(tiny_model, tiny_folder, tmp_path):
    """accelerate moves layers in from disk one by one, through the same hooks that serve several GPUs."""
    parts = {"model.language_model.layers.2": "disk", "model.language_model.layers.3": "disk", "lm_head": "disk"}
    rest = ["model.vision_tower", "model.multi_modal_projector", "model.language_model.embed_tokens"]
    rest += [f"model.language_model.{name}" for name in ("norm", "rotary_emb", "layers.0", "layers.1")]
    hf = AutoModelForImageTextToText.from_pretrained(
        tiny_folder, device_map={**dict.fromkeys(rest, "cpu"), **parts}, offload_folder=tmp_path, dtype=torch.float32
    )
    assert any(p.device.type == "meta" for p in hf.parameters()), "nothing is offloaded, so nothing is proven"
    spread = Model(hf, AutoProcessor.from_pretrained(tiny_folder), card_for("tiny"))
    expected = tiny_model.open_image(tiny.picture()).ask("Is there a dog?", PAIR, 4, keep_logits=True)
    found = spread.open_image(tiny.picture()).ask("Is there a dog?", PAIR, 4, keep_logits=True)
    for run, other in zip(found, expected, strict=True):
        assert [t.id for t in run.tokens] == [t.id for t in other.tokens]
        assert np.abs(run.logits - other.logits).max() < 1e-5 * other.logits.std()
        np.testing.assert_array_equal(run.trace.stop_layer, other.trace.stop_layer)


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_half_precision_stays_close_to_float32(tiny_model, tiny_folder, dtype, tolerance):
    expected = tiny_model.open_image(tiny.picture()).ask("Why?", PAIR, 1)
    found = clvs.load_model(tiny_folder, dtype=dtype).open_image(tiny.picture()).ask("Why?", PAIR, 1)
    for run, other in zip(found, expected, strict=True):
        assert run.trace.attention.dtype == np.float16
        ours, theirs = run.trace.attention.astype(float), other.trace.attention.astype(float)
        assert np.abs(ours - theirs).mean() < tolerance * theirs.mean()


def test_only_the_text_decoder_gets_the_engine_s_attention(tiny_model):
    assert tiny_model.hf.config.text_config._attn_implementation == "clvs_tree"
    assert tiny_model.hf.config.vision_config._attn_implementation == "sdpa"


def test_cards_are_found_by_name_and_by_source():
    assert card_for("llava-1.5-7b") is card_for("llava-hf/llava-1.5-7b-hf")
    assert card_for("/some/folder").settings["clvs"]["beta"] == 0.8
    assert all(card.name == name for name, card in CARDS.items())


def test_the_embedded_model_names_words_it_does_not_know():
    model = clvs.load_model("scenes")
    assert model.unknown_words("Is there a flurb - a dog? A Flurbish flurb?") == ["flurb", "Flurbish"]
    assert model.unknown_words("Is there a dog?") == []


@pytest.fixture
def copied(tiny_folder, tmp_path):
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def test_a_damaged_download(copied):
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(clvs.ModelError, match="download it again"):
        clvs.load_model(copied)


def test_a_checkpoint_that_lacks_weights(copied):
    tensors = load_file(copied / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if "lm_head" not in k}, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(clvs.ModelError, match="lacks 1 weights"):
        clvs.load_model(copied)
