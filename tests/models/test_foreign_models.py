"""What is no checkpoint that can be run says what it is and what to do; names of models know no capitals."""

import json

import pytest

from clvs_core.errors import ModelError
from clvs_core.loading import load_model
from clvs_core.models.foreign import converted
from clvs_core.models.registry import CARDS, card_for

ORIGINAL = {"model_type": "llava_llama", "mm_vision_tower": "openai/clip-vit-large-patch14-336"}


def told(path):
    with pytest.raises(ModelError) as caught:
        load_model(path)
    return str(caught.value)


def test_a_lora_folder_names_its_base(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "llava-hf/llava-1.5-7b-hf"}))
    assert "is a LoRA adapter of llava-hf/llava-1.5-7b-hf and no whole model; merge it" in told(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(ORIGINAL))
    assert "is a LoRA adapter of llava-hf" in told(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    assert "is a LoRA adapter and no whole model" in told(tmp_path)


def test_weights_of_llama_cpp(tmp_path):
    (tmp_path / "llava-q4.GGUF").write_bytes(b"GGUF")
    assert "has GGUF weights of llama.cpp and no config.json; load the checkpoint that they were made" in told(tmp_path)
    assert told(tmp_path / "llava-q4.GGUF").startswith("llava-q4.GGUF is GGUF weights of llama.cpp; give the folder")
    assert told("nowhere/llava-q4.gguf").startswith("llava-q4.gguf is GGUF weights of llama.cpp")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "photo.jpg"])
def test_a_file_is_no_model(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert "give the folder or hub id of the checkpoint in transformers' form" in told(tmp_path / name)


@pytest.mark.parametrize("kind", ["llava_llama", "llava", "llava_mistral", "llava_qwen"])
def test_llava_as_its_authors_published_it(tmp_path, kind):
    (tmp_path / "config.json").write_text(json.dumps({**ORIGINAL, "model_type": kind}))
    assert "is a LLaVA checkpoint as its authors published it, which transformers cannot read" in told(tmp_path)


@pytest.mark.parametrize(
    ("name", "config", "there"),
    [
        ("liuhaotian/llava-v1.5-7b", {"hidden_size": 4096}, "llava-hf/llava-1.5-7b-hf"),
        ("liuhaotian/llava-v1.5-13b", {"hidden_size": 5120}, "llava-hf/llava-1.5-13b-hf"),
        ("checkpoint-100", {"hidden_size": 5120}, "llava-hf/llava-1.5-13b-hf"),
        ("liuhaotian/llava-v1.6-vicuna-7b", {}, "llava-hf/llava-v1.6-vicuna-7b-hf"),
        ("liuhaotian/llava-v1.6-mistral-7b", {"model_type": "llava_mistral"}, "llava-hf/llava-v1.6-mistral-7b-hf"),
        ("checkpoint-100", {"image_aspect_ratio": "anyres"}, "llava-hf/llava-v1.6-vicuna-7b-hf"),
        ("lmms-lab/llama3-llava-next-8b", {}, "llava-hf/llama3-llava-next-8b-hf"),
        ("lmms-lab/llava-onevision-qwen2-0.5b-ov", {}, "llava-hf/llava-onevision-qwen2-0.5b-ov-hf"),
        ("orig", {}, "llava-hf/llava-1.5-7b-hf"),
    ],
)
def test_where_the_converted_one_is(name, config, there):
    assert converted(name, {**ORIGINAL, **config}) == there


def test_every_converted_one_that_has_a_card_is_spelled_as_there():
    from clvs_core.models.foreign import _CONVERTED, _USUAL

    known = {card.source for card in CARDS.values()}
    named = {there for _, there in _CONVERTED} | {_USUAL}
    assert len(named & known) >= 6


@pytest.mark.parametrize("name", sorted(CARDS))
def test_a_model_s_name_knows_no_capitals(name):
    card = CARDS[name]
    for spelling in (name.upper(), card.source.upper(), f" {card.source.title()} "):
        assert card_for(spelling) is card


def test_a_folder_s_name_is_exact(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Scenes").mkdir()
    assert card_for("Scenes").source == "Scenes"
    assert card_for("SCENES") is CARDS["scenes"]


@pytest.mark.parametrize(
    "address",
    [
        "https://huggingface.co/{}",
        "https://huggingface.co/{}/tree/main",
        "http://hf.co/{}/",
        "huggingface.co/{} ",
        "{}/",
    ],
)
def test_a_model_s_page_is_its_name(address):
    source = CARDS["llava-1.5-7b"].source
    assert card_for(address.format(source)) is CARDS["llava-1.5-7b"]
    assert card_for(address.format("somebody/Fine-Tuned")).source == "somebody/Fine-Tuned"


def test_paths_are_no_addresses():
    assert [card_for(path).source for path in ("a/b/c", "./a", "~/a")] == ["a/b/c", "./a", "~/a"]
