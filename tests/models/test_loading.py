"""Loading: as on bigger machines, from a hub, and every way in which it cannot work, each told in one sentence."""

from __future__ import annotations

import errno
import hashlib
import http.server
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as tf
from huggingface_hub import errors
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode
from transformers import AutoModelForImageTextToText, AutoProcessor

import clvs_core as clvs
from clvs_core import loading
from clvs_core.analysis.heads import silent_chances
from clvs_core.engine.model import Model
from clvs_core.engine.questions import Tail
from clvs_core.models import hub, memory
from clvs_core.models.families import FAMILIES
from clvs_core.models.memory import Place, Size
from clvs_core.models.registry import CARDS, card_for
from tests import tiny, tiny_families
from tests.close import assert_close

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
    assert model.unknown_words("Is there a 🦄 - or *a* 🚒, here?") == ["🦄", "🚒"]


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


# --- folders that lack something ----------------------------------------------------------------------------------


def refused(folder, *words, **options):
    """The one sentence with which a model is refused; it holds all of `words`."""
    with pytest.raises(clvs.ModelError) as caught:
        clvs.load_model(folder, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert all(word in sentence for word in words), sentence
    return sentence


def test_a_folder_without_a_configuration(copied):
    (copied / "config.json").unlink()
    refused(copied, "copy has no config.json", "a hub id or a folder")


@pytest.mark.parametrize("name", ["processor_config.json", "tokenizer.json"])
def test_a_folder_without_a_processor(copied, name):
    (copied / name).unlink()
    refused(copied, "has no processor", "processor.save_pretrained")


def test_a_folder_without_safetensors(copied):
    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(tensors, copied / "pytorch_model.bin")
    refused(copied, "model.safetensors is not there", "pickled ones are not opened")


def test_a_folder_that_lacks_a_shard(copied):
    table = {"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "../outside.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(table))
    refused(copied, "model-00001-of-00002.safetensors is not there")


def test_code_that_comes_with_a_checkpoint_is_not_run(copied):
    config = json.loads((copied / "config.json").read_text())
    mapped = {"AutoConfig": "evil.C", "AutoModelForImageTextToText": "evil.M"}
    (copied / "config.json").write_text(json.dumps({**config, "auto_map": mapped}))
    (copied / "evil.py").write_text(f"open({str(copied / 'ran')!r}, 'w')\n")
    assert clvs.load_model(copied).layers == 4
    (copied / "config.json").write_text(json.dumps({**config, "model_type": "evil", "auto_map": mapped}))
    refused(copied, "of type 'evil'")
    assert not (copied / "ran").exists()


@pytest.mark.parametrize(("package", "family", "options"), [
    ("bitsandbytes", None, {"quantization": "4bit"}),
    ("num2words", tf.SmolVLMConfig, {}),
    ("torchvision", tf.Qwen2_5_VLConfig, {}),
])  # fmt: skip
def test_a_missing_package_is_named(copied, monkeypatch, package, family, options):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    if family:
        family().save_pretrained(copied)
    refused(copied, f"needs the package {package}", f"pip install {package}", **options)


def test_without_accelerate_a_gpu_is_not_tried(tiny_folder, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "accelerate" else find(name))
    monkeypatch.setattr(memory, "fit", lambda *args: "cuda:0")
    refused(tiny_folder, "needs the package accelerate")


# --- what the engine does not compute -----------------------------------------------------------------------------

SMALL = {
    "vocab_size": 260, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1, "pad_token_id": 2,
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), [
    ({"model_type": "paligemma"}, ["of type 'paligemma'", "this version runs LLaVA-1.5", "qwen2_5_vl"]),
    ({"model_type": "mllama", "text_config": {"cross_attention_layers": [3]}}, ["cross-attention"]),
    ({"model_type": "florence2", "is_encoder_decoder": True}, ["encoder of its own", "cross-attention"]),
    ({"model_type": "qwen3_5", "text_config": {"layer_types": ["linear_attention", "full_attention"]}},
     ["'linear_attention'", "no attention weights"]),
    ({"layer_types": 5}, ["layers of the kind '5'"]),
    ({"text_config": {"model_type": "llama", "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4,
      "factor": 2.0, "alpha": 9.0}}}, ["'dynamic' rotary positions", "change with the length"]),
    ({"text_config": {"model_type": "llama", "rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4,
      "factor": 2.0, "long_factor": [1.0] * 4, "short_factor": [1.0] * 4, "original_max_position_embeddings": 64}}},
     ["'longrope' rotary positions"]),
    ({"text_config": {"model_type": "gemma2", "attn_logit_softcapping": 50.0}}, ["softcap", "attention scores"]),
    ({"text_config": {"model_type": "gemma2", "attn_logit_softcapping": None, "final_logit_softcapping": 30.0}},
     ["softcap", "logits"]),
    ({"text_config": {"model_type": "gpt_oss"}}, ["attention sinks"]),
])  # fmt: skip
def test_what_would_be_computed_wrongly_is_refused(copied, changes, words):
    config = json.loads((copied / "config.json").read_text())
    if "text_config" in changes:
        changes = {**changes, "text_config": {**SMALL, **changes["text_config"]}}
    (copied / "config.json").write_text(json.dumps({**config, **changes}))
    refused(copied, *words)


HARMLESS = {
    "no cross-attention": {"cross_attention_layers": [], "text_config": {"cross_layer_interval": None}},
    "no encoder": {"is_encoder_decoder": False},
    "no softcap": {"text_config": {"attn_logit_softcapping": None, "final_logit_softcapping": None}},
    "full layers": {"text_config": {"layer_types": ["full_attention"] * 4}},
    "old rope": {"text_config": {"rope_parameters": None, "rope_scaling": None, "rope_theta": 1e4}},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS)
def test_fields_that_are_there_but_say_nothing_are_no_reason_to_refuse(copied, changes):
    config = json.loads((copied / "config.json").read_text())
    text = {**config["text_config"], **changes.get("text_config", {})}
    (copied / "config.json").write_text(json.dumps({**config, **changes, "text_config": text}))
    assert clvs.load_model(copied).open_image(tiny.picture()).ask("Why?", PAIR, 1)[0].text is not None


@pytest.mark.parametrize("written", [
    {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "rope_theta": 1e4},
    {"rope_scaling": {"type": "dynamic", "rope_type": "dynamic", "factor": 2.0}, "rope_theta": 1e4},
    {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
])  # fmt: skip
def test_dynamic_rotary_positions_are_plain_within_the_context(tiny_folder, copied, written):
    """As InternVL3 is published; transformers' own would go on with other frequencies after one long sequence."""
    config = json.loads((copied / "config.json").read_text())
    text = {name: value for name, value in config["text_config"].items() if name != "rope_parameters"} | written
    (copied / "config.json").write_text(json.dumps({**config, "text_config": text}))
    dynamic, plain = clvs.load_model(copied, dtype="float64"), clvs.load_model(tiny_folder, dtype="float64")
    rotary, frequencies = dynamic.hf.get_decoder().rotary_emb, plain.hf.get_decoder().rotary_emb.inv_freq
    rotary(torch.zeros(1, 1, 1), torch.arange(4 * dynamic.context)[None])
    assert torch.equal(rotary.inv_freq, frequencies)
    ours, theirs = (m.open_image(tiny.picture()).ask("Why?", PAIR, 3, keep_logits=True) for m in (dynamic, plain))
    for run, other in zip(ours, theirs, strict=True):
        assert_close(run.logits, other.logits)


def test_two_heads_count_twice():
    """InternVL ties them by default, its decoder does not, and transformers goes by what is in the files."""
    apart, tied = (tiny_families.build("internvl")[0] for _ in range(2))
    for model, text in ((apart, False), (tied, True)):
        model.config.tie_word_embeddings, model.config.text_config.tie_word_embeddings = True, text
    found = [memory.size_of(memory.skeleton(model.config)) for model in (apart, tied)]
    head = apart.lm_head.weight.numel() / 1e9
    assert found[0].parameters == pytest.approx(sum(p.numel() for p in apart.parameters()) / 1e9)
    assert (found[0].kept, found[1].kept) == pytest.approx((2 * head, head))
    assert found[0].parameters - found[1].parameters == pytest.approx(head)


def test_every_token_that_ends_an_answer_is_known(copied):
    """llama3-llava-next-8b: its generation config names one token, its tokenizer the one that ends a turn."""
    (copied / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9]}))
    model = clvs.load_model(copied)
    assert model.end_ids == [7, 9, model.tokenizer.eos_token_id]


def rewritten(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


BITSANDBYTES = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}


@pytest.mark.parametrize(("written", "words"), [
    ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}, ["with AWQ"]),
    ({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}, ["with GPTQ"]),
    ({"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}, ["with FP8"]),
    ({"quant_method": "compressed-tensors", "format": "float-quantized"}, ["with compressed-tensors"]),
    ({"group_size": 64, "bits": 4}, ["with MLX, which PyTorch cannot read"]),
])  # fmt: skip
def test_what_others_quantized_is_refused_before_its_weights(copied, monkeypatch, written, words):
    monkeypatch.setattr(hub, "weights", lambda *args: pytest.fail("a download of what cannot be used"))
    rewritten(copied, quantization_config=written)
    refused(copied, "this version does not run", "choose the checkpoint that it was made from", *words)


def test_weights_for_apple_s_mlx_are_refused(copied):
    rewritten(copied, quantization={"group_size": 64, "bits": 4})
    refused(copied, "quantized with MLX, which PyTorch cannot read")


def test_what_bitsandbytes_quantized_says_what_it_needs(copied, monkeypatch):
    rewritten(copied, quantization_config=BITSANDBYTES)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    refused(copied, "Quantization needs the package bitsandbytes")
    monkeypatch.setattr(loading, "_need", lambda *args: None)
    refused(copied, "published in 4bit already", quantization="8bit")
    refused(copied, "cannot run in float64", dtype="float64")


def test_what_bitsandbytes_quantized_is_counted_and_read_as_it_is(copied, monkeypatch):
    """Up to the reading itself, which is transformers' and needs a GPU."""
    rewritten(copied, quantization_config=BITSANDBYTES)
    monkeypatch.setattr(loading, "_need", lambda *args: None)
    counted, read = [], {}

    def weights(card, folder, config, place, dtype, quantization):
        read.update(dtype=dtype, own=config.quantization_config["load_in_4bit"], quantization=quantization)
        raise clvs.ModelError("far enough")

    monkeypatch.setattr(loading, "_weights", weights)
    refused(copied, "far enough", room=counted.append)
    size = loading._size(card_for(str(copied)), loading._config(card_for(str(copied)), copied))
    assert counted == [size.needed("4bit", "float32")]
    assert read == {"dtype": torch.float32, "own": True, "quantization": "4bit"}


# --- processors of older checkpoints --------------------------------------------------------------------------------

OLD = ["llava", "llava_mistral", "llava_next_vicuna", "llava_next_mistral", "llava_next_llama3", "llava_onevision"]


@pytest.mark.parametrize("left", ["no file", "no settings"])
@pytest.mark.parametrize("family", OLD)
def test_what_an_older_processor_leaves_out_is_in_the_configuration(tmp_path, family, left):
    """As BakLLaVA and xtuner's checkpoints are published, and LLaVA's own were before transformers 4.46."""
    folder = tiny_families.save(family, tmp_path / family)
    shape = {"height": 70, "width": 110}
    expected = clvs.load_model(folder).open_image(tiny.picture(**shape)).views
    written = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(written["image_processor"]))
    if left == "no settings":
        (folder / "processor_config.json").write_text(json.dumps({"processor_class": written["processor_class"]}))
    found = clvs.load_model(folder).open_image(tiny.picture(**shape))
    assert found.views == expected
    assert found.ask("Is there a dog?", PAIR, 1)[0].trace.attention.shape[-1] == expected.visual


# --- cards --------------------------------------------------------------------------------------------------------


def test_every_family_has_a_card_that_says_what_it_needs():
    assert {card.family for card in CARDS.values()} == set(FAMILIES)
    for card in CARDS.values():
        assert card.parameters > 0
        assert card.licence
        assert card.vision
        assert card.revision == "main", "nothing was pinned without looking it up"
    assert {card.settings["clvs"]["beta"] for card in CARDS.values() if card.family != "llava"} == {0.7}
    assert {card.name for card in CARDS.values() if card.gated} == {"gemma-3-4b", "gemma-3-12b"}
    assert "LLaVA-NeXT" in CARDS["internvl3-1b"].note
    assert CARDS["qwen2.5-vl-7b"].note == "", "the paper's own"


@pytest.mark.parametrize("name", list(tiny_families.FAMILIES))
def test_every_family_loads(tmp_path, name):
    if name in tiny_families.MISSING:
        pytest.skip(tiny_families.MISSING[name])
    model = clvs.load_model(tiny_families.save(name, tmp_path / name))
    assert model.card.family == model.hf.config.model_type
    assert model.layers == 4


def test_a_folder_gets_the_settings_of_its_family(tmp_path):
    folder = tiny_families.save("qwen2_5_vl", tmp_path / "mine")
    assert card_for(str(folder)).settings["clvs"]["beta"] == 0.7
    model = clvs.load_model(folder)
    assert (model.card.family, model.card.label) == ("qwen2_5_vl", "mine")
    assert dict(model.processor.image_processor.size)["longest_edge"] <= 1280 * 28 * 28


def test_the_size_of_a_card_is_that_of_its_architecture():
    text = tf.LlamaConfig(vocab_size=32064, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32)
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16, "image_size": 336, "patch_size": 14, "projection_dim": 768,
    }  # fmt: skip
    found = memory.size_of(memory.skeleton(tf.LlavaConfig(vision_config=vision, text_config=text)), 576)
    card = CARDS["llava-1.5-7b"].size
    assert (found.parameters, found.kept, found.kv) == pytest.approx((card.parameters, card.kept, card.kv), rel=2e-3)


def test_weights_take_the_bytes_that_were_foretold(tiny_folder):
    for dtype in ("float32", "bfloat16"):
        hf = clvs.load_model(tiny_folder, dtype=dtype).hf
        foretold = memory.size_of(memory.skeleton(hf.config)).weights(dtype)
        assert foretold == pytest.approx(sum(p.nbytes for p in hf.parameters()), rel=1e-6)


@pytest.mark.parametrize(("mode", "seen"), [("crop", (4.0, 0.0, 44.0, 40.0)), ("pad", (0.0, 0.0, 48.0, 40.0))])
def test_the_image_mode_decides_what_is_seen(tiny_folder, mode, seen):
    views = clvs.load_model(tiny_folder, image_mode=mode).open_image(tiny.picture(height=40, width=48)).views
    assert views.seen() == pytest.approx(seen, abs=0.7)  # of the 32 pixels that are left, one is 1.25


def test_only_llava_has_an_image_mode(tmp_path):
    refused(tiny_families.save("llava_next_vicuna", tmp_path / "next"), "Only LLaVA-1.5", image_mode="pad")


# --- memory -------------------------------------------------------------------------------------------------------


def gpus(monkeypatch, *free):
    found = [Place(f"cuda:{n}", f"GPU {n}", int(gb * 1e9), int(24e9)) for n, gb in enumerate(free)]
    chosen = {"auto": found, "balanced": found, "cuda": found[:1]} | {place.device: [place] for place in found}
    monkeypatch.setattr(memory, "places", lambda device="auto": chosen[device])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


SEVEN = Size(7.0, 0.25, 262.0, 576)


def test_a_model_needs_its_weights_and_room_to_work():
    assert SEVEN.weights("bfloat16") == 14_000_000_000
    assert SEVEN.weights("8bit") == pytest.approx(6.75e9 * 1.01 + 0.5e9)
    assert SEVEN.weights("4bit") == pytest.approx(6.75e9 * 0.5625 + 0.5e9)
    assert SEVEN.needed("float32") == pytest.approx(28e9 + 2 * 576 * 262e3 * 4 + 0.3e9)
    busy = replace(SEVEN, reading=200, asking=50)
    assert busy.needed("float32") - SEVEN.needed("float32") == 800_000_000
    assert replace(busy, asking=150).needed("float16") - SEVEN.needed("float16") == 600_000_000, "scores are float32"
    assert busy.needed("4bit") - SEVEN.needed("4bit") == 400_000_000
    assert SEVEN.weights("4bit", "float32") - SEVEN.weights("4bit") == 500_000_000


@pytest.mark.parametrize(("device", "free", "where"), [
    ("auto", [24], "cuda:0"), ("auto", [2, 24], "cuda:1"), ("auto", [10, 10], "balanced"), ("auto", [8, 8], None),
    ("cuda", [10, 24], None), ("cuda:1", [10, 24], "cuda:1"), ("balanced", [24, 24], "balanced"),
])  # fmt: skip
def test_a_model_goes_where_it_fits(monkeypatch, device, free, where):
    gpus(monkeypatch, *free)
    assert memory.fit(SEVEN.needed("bfloat16"), device) == where


def test_what_would_be_free_counts(monkeypatch):
    gpus(monkeypatch, 10)
    assert memory.fit(12 * 10**9) is None
    assert memory.fit(12 * 10**9, spare=3 * 10**9) == "cuda:0"


@pytest.mark.parametrize(("free", "device", "kept", "words"), [
    ([10], "auto", "bfloat16", ["needs 15.4 GB", "GPU 0 has 10.0 GB free", "quantization='8bit' (8.7 GB) or"]),
    ([7], "auto", "bfloat16", ["quantization='4bit' (5.6 GB)"]),
    ([10, 24], "cuda:0", "bfloat16", ["device='cuda:1'"]),
    ([20], "auto", "float32", ["dtype='bfloat16' (15.4 GB)"]),
    ([3], "auto", "bfloat16", ["choose a smaller model, such as internvl3-1b"]),
    ([0.1], "auto", "bfloat16", ["choose a smaller model."]),
])  # fmt: skip
def test_too_large_says_what_is_needed_and_what_would_fit(monkeypatch, free, device, kept, words):
    gpus(monkeypatch, *free)
    needed = CARDS["llava-1.5-7b"].size.needed(kept)
    sentence = str(loading._too_large(CARDS["llava-1.5-7b"], CARDS["llava-1.5-7b"].size, kept, device, needed))
    assert all(word in sentence for word in words), sentence
    assert not (device == "auto" and "device=" in sentence)


def old_gpu(monkeypatch, free=100):
    """A T4 or V100: no bfloat16."""
    found = [Place("cuda:0", "Tesla T4", int(free * 1e9), int(free * 1e9), bfloat16=False)]
    monkeypatch.setattr(memory, "places", lambda device="auto": found)


@pytest.mark.parametrize(("own", "family", "precision"), [
    (torch.float16, "llava", "float16"), (torch.bfloat16, "idefics3", "float16"), (torch.float32, "smolvlm", "float16"),
    (torch.bfloat16, "gemma3", "float32"), (torch.bfloat16, "qwen2_5_vl", "float32"), (None, "llava_next", "float16"),
])  # fmt: skip
def test_a_gpu_without_bfloat16_gets_what_it_computes(monkeypatch, own, family, precision):
    old_gpu(monkeypatch)
    assert memory.precision("auto", "auto", None, own, family) == precision
    assert memory.precision("bfloat16", "auto", None, own, family) == "bfloat16", "asked for"
    assert memory.offered("auto") == ("float32", "float16", "8bit", "4bit")


@pytest.mark.parametrize(("own", "precision"), [
    (torch.float16, "float16"), (torch.bfloat16, "bfloat16"), (torch.float32, "bfloat16"), (None, "bfloat16"),
])  # fmt: skip
def test_on_a_gpu_every_checkpoint_is_kept_in_16_bits(monkeypatch, own, precision):
    gpus(monkeypatch, 24)
    assert memory.precision("auto", "auto", None, own) == precision
    assert memory.precision("auto", "auto", "4bit", own) == "4bit"


@pytest.mark.parametrize(("major", "able"), [(7, False), (8, True), (9, True)])
def test_which_gpus_compute_in_bfloat16(monkeypatch, major, able):
    properties = type("Properties", (), {"major": major, "total_memory": 10**9})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (10**9, 10**9))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "GPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert memory.places("auto")[0].bfloat16 is able
    assert memory.computes_in_bfloat16("auto") is able


@pytest.mark.parametrize("computed", [torch.float16, torch.bfloat16])
def test_quantized_weights_compute_in_what_the_gpu_has(monkeypatch, computed):
    options = {}
    monkeypatch.setattr(loading, "_need", lambda *args: None)

    def read(folder, **given):
        options.update(given)
        raise ValueError("far enough")

    monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", read)
    config = tiny.llava_config()
    with pytest.raises(clvs.ModelError, match="far enough"):
        loading._weights(card_for("x"), Path("x"), config, "cuda:0", computed, "4bit")
    assert options["dtype"] is options["quantization_config"].bnb_4bit_compute_dtype is computed


def test_the_card_says_why_another_precision_was_chosen(tiny_folder, monkeypatch):
    old_gpu(monkeypatch)
    monkeypatch.setattr(memory, "fit", lambda *args: "cpu")
    model = clvs.load_model(tiny_folder)
    assert model.hf.dtype is torch.float16
    assert model.card.note == "This GPU does not compute in bfloat16, so that the model runs in float16 here."
    assert clvs.load_model(tiny_folder, dtype="float16").card.note == ""


def test_what_apple_gpus_do_not_do_is_said(tiny_folder, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    refused(tiny_folder, "Apple GPUs do not compute in float64", dtype="float64", device="mps")
    refused(tiny_folder, "do not run on Apple GPUs", quantization="4bit", device="mps")


@pytest.mark.parametrize(("taken", "machine", "free"), [(2, 50, 8), (2, 5, 5), (12, 50, 0)])
def test_the_memory_of_an_apple_gpu_is_the_machine_s(monkeypatch, taken, machine, free):
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 10 * 10**9)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: taken * 10**9)
    monkeypatch.setattr(memory, "_ram", lambda: (machine * 10**9, 64 * 10**9))
    assert memory.places("mps") == [Place("mps", "the Apple GPU", free * 10**9, 10 * 10**9)]
    assert memory.precision("auto", "mps", None, torch.float32) == "bfloat16"


class NoFloat64(TorchFunctionMode):
    """As on an Apple GPU: a tensor becomes float64 only once it was brought to the CPU."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            out = out.clone() if out is args[0] else out
            out.on_cpu = True
        widened = func in (torch.Tensor.double, torch.Tensor.to) and out.dtype is torch.float64
        if widened and args[0].dtype is not torch.float64 and not getattr(args[0], "on_cpu", False):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it.")
        return out


@pytest.mark.parametrize("method", ["vanilla", "clvs", "vcd", "pai", "var:dims=1/3", "adhh:heads=0-1", "vaf", "tarac"])
def test_nothing_is_float64_on_a_gpu_that_has_none(tiny_folder, method):
    model = clvs.load_model(tiny_folder)
    with NoFloat64():
        with pytest.raises(TypeError, match="MPS"):
            torch.zeros(1).double()
        assert torch.zeros(1).cpu().double().dtype is torch.float64
        assert model.open_image(tiny.picture()).ask("Why?", [clvs.method(method)], 2, lens=True)[0].tokens


def test_heads_are_ranked_on_a_gpu_that_has_no_float64(tiny_folder):
    model = clvs.load_model(tiny_folder)
    image = model.open_image(tiny.picture())
    caption = image.tree.ask(model.hf, [Tail(tuple(model.prompts.tail("Is there a dog?")), None)])[0]
    with NoFloat64():
        assert silent_chances(model, image.segment, caption, [1]).dtype is torch.float64


def test_a_model_that_does_not_fit_is_not_begun(tiny_folder, monkeypatch):
    monkeypatch.setattr(memory, "places", lambda device: [Place("cpu", "this machine", 10**6, 10**9)])
    monkeypatch.setattr(hub, "weights", lambda *args: pytest.fail("a download of what cannot be used"))
    refused(tiny_folder, "llava needs 0.4 GB of memory in float32, and this machine has 0.0 GB free")


def test_a_page_can_make_room_right_before_the_weights(tiny_folder, monkeypatch):
    free, asked = [10**6], []
    monkeypatch.setattr(memory, "places", lambda device: [Place("cpu", "this machine", free[0], 10**9)])

    def room(needed):
        asked.append(needed)
        free[0] = 10**9

    assert clvs.load_model(tiny_folder, room=room).layers == 4
    assert asked == [pytest.approx(4.5e8, rel=0.1)]


def test_memory_that_runs_out_while_weights_are_read(tiny_folder, monkeypatch):
    for error in (torch.cuda.OutOfMemoryError("x"), MemoryError(), RuntimeError("can't allocate memory: you tried")):

        def fail(*args, error=error, **options):
            raise error

        monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", fail)
        refused(tiny_folder, "needs more memory than was left", "quantization='4bit'")


def test_a_gpu_that_is_there_only_inside_calls(monkeypatch):
    """As ZeroGPU's emulation may behave: it says what the GPU has, not what is free."""
    total = type("Properties", (), {"total_memory": 7 * 10**10})

    def absent(number):
        raise RuntimeError("No CUDA GPUs are available")

    monkeypatch.setattr(torch.cuda, "mem_get_info", absent)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: total)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "H200")
    assert memory.places("cuda") == [Place("cuda:0", "H200", 7 * 10**10, 7 * 10**10)]


def test_the_memory_of_a_container_is_its_limit(tmp_path, monkeypatch):
    files = {
        "memory.max": "1000000000\n",
        "memory.current": "700000000\n",
        "memory.stat": "anon 5\ninactive_file 200000000\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (place,) = memory.places("cpu")
    assert (place.free, place.total) == (500_000_000, 1_000_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.places("cpu")[0].total > 1_000_000_000


# --- the hub ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "words"), [
    (errors.LocalEntryNotFoundError("x"), ["hub cannot be reached", "connect to the network"]),
    (errors.HFValidationError("x"), ["cannot be a model's name", "a short name (python -m clvs_core models"]),
    (OSError(errno.ENOSPC, "No space left"), ["The disk is full", "HF_HOME"]),
    (ConnectionResetError("cut off.\nTraceback"), ["stopped (cut off)", "what has come is kept"]),
])  # fmt: skip
def test_a_download_that_fails(monkeypatch, error, words):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    refused("somebody/something", *words)


@pytest.mark.parametrize("kind", [errors.GatedRepoError, errors.RepositoryNotFoundError])
def test_in_a_space_a_token_belongs_to_its_secrets(monkeypatch, kind):
    def fail(*args, **options):
        raise kind("x", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert "HF_TOKEN" not in refused("somebody/something", "log in with `hf auth login`")
    monkeypatch.setenv("SPACE_ID", "somebody/space")
    assert "hf auth login" not in refused("somebody/something", "to this Space's secrets as HF_TOKEN")


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as a download needs: one repository, one that is gated, and nothing else."""

    folder: Path
    commit = "0123456789abcdef0123456789abcdef01234567"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith(("/some/gated/resolve/", "/api/models/some/absent")):
            return self._send(403 if "gated" in path else 404, b"", "GatedRepo" if "gated" in path else "RepoNotFound")
        names = sorted(file.name for file in self.folder.iterdir())
        if path.startswith("/api/models/some/"):
            if "/tree/" in path:
                return self._send(200, json.dumps([self._entry(name) for name in names]).encode())
            if path.endswith("/revision/absent"):
                return self._send(404, b"", "RevisionNotFound")
            told = {"id": "some/model", "sha": self.commit, "siblings": [{"rfilename": name} for name in names]}
            return self._send(200, json.dumps(told).encode())
        return self._send(200, (self.folder / Path(path).name).read_bytes())

    do_HEAD = do_GET

    def _entry(self, name):
        content = (self.folder / name).read_bytes()
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def _send(self, status, content, error=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json" if "/api/" in self.path else "application/octet-stream")
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args):
        pass


SCRIPT = """
import json, sys
import clvs_core as clvs
from clvs_core import loading
from clvs_core.models import hub
from clvs_core.models.registry import card_for
told, failed = [], []
assert not hub.downloaded(card_for("some/model"))
model = clvs.load_model("some/model", progress=told.append)
for name in ("some/absent", "some/gated"):
    try:
        clvs.load_model(name)
    except clvs.ModelError as error:
        failed.append(str(error))
names = sorted(path.name for path in hub.small_files(card_for("some/model")).iterdir())
again = hub.downloaded(card_for("some/model"))
print(json.dumps({"told": told, "failed": failed, "layers": model.layers, "files": names, "again": again}))
"""


def test_a_download_from_a_hub(copied, tmp_path):
    """The real huggingface_hub against a server on this machine: progress, safetensors only, and who is refused."""
    (copied / "pytorch_model.bin").write_bytes(b"pickled")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Ours", (Hub,), {"folder": copied}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE")
    environ = {name: value for name, value in os.environ.items() if name not in offline} | here
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environ, capture_output=True, text=True, cwd=Path(__file__).parents[2]
        )
    finally:
        server.shutdown()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["layers"] == 4
    assert found["again"]
    assert found["told"][0].startswith("Downloading model: ")
    assert found["told"][-1] == "Loading model…"
    assert "model.safetensors" in found["files"]
    assert "pytorch_model.bin" not in found["files"]
    absent, gated = found["failed"]
    assert "no model 'some/absent' that is public" in absent
    assert "gated is gated: accept its licence at https://huggingface.co/some/gated" in gated
