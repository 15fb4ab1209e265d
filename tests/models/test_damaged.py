"""Checkpoints whose files do not fit each other or are damaged: one sentence at loading, before anything is asked."""

import json
import logging
import shutil

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.errors import ModelError
from clvs_core.models.registry import card_for
from tests.tiny import save_llava

DEEP = '{"a":' * 100_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("whole") / "whole")


@pytest.fixture
def copied(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def refused(folder, words):
    told = []
    watch = logging.Handler()
    watch.emit = lambda record: told.append(record.getMessage())
    logging.getLogger("transformers.modeling_utils").addHandler(watch)
    with pytest.raises(ModelError) as caught:
        clvs.load_model(folder)
    logging.getLogger("transformers.modeling_utils").removeHandler(watch)
    assert told == []
    sentence = str(caught.value)
    assert words in sentence, sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


CONFIG = [
    (
        "text_config",
        {"num_hidden_layers": 3},
        "has 9 weights that its config.json knows nothing of, e.g. model.language",
    ),
    ("text_config", {"num_hidden_layers": 0}, "has 36 weights that its config.json knows nothing of"),
    (
        "vision_config",
        {"num_hidden_layers": 1},
        "has 16 weights that its config.json knows nothing of, e.g. model.vision",
    ),
    ("text_config", {"num_hidden_layers": 5}, "lacks 9 weights, e.g. model.language_model.layers.4."),
    ("text_config", {"attention_bias": True}, "lacks 16 weights"),
    ("text_config", {"vocab_size": 300}, "lm_head.weight of 260 x 32 and not 300 x 32; take both from one checkpoint"),
    ("text_config", {"num_key_value_heads": 1}, "k_proj.weight of 16 x 32 and not 8 x 32"),
    ("vision_config", {"image_size": 64}, "position_embedding.weight of 17 x 16 and not 65 x 16"),
    (
        "text_config",
        {"num_attention_heads": 5, "head_dim": None},
        "(The hidden size (32) is not a multiple of the number",
    ),
    ("vision_config", {"num_attention_heads": 3}, "(The hidden size (16) is not a multiple of the number of attention"),
    ("text_config", {"num_attention_heads": 0, "head_dim": None}, "division"),
    ("text_config", {"num_key_value_heads": 0}, "division"),
    ("text_config", {"num_hidden_layers": "4"}, "(Field 'num_hidden_layers' expected int, got str (value: '4'))"),
    ("text_config", {"head_dim": 7}, "RoPE requires an even rotary dimension"),
    ("vision_config", {"patch_size": 0}, "describes no model"),
    ("", {"image_token_index": 99999}, "gives pictures the token 99999 (image_token_id), and its vocabulary has 260"),
    ("", {"image_token_index": -1}, "gives pictures the token -1 (image_token_id), and its vocabulary has 260 tokens"),
    ("", {"vision_feature_layer": -9}, "takes layer -9 of a vision tower that has 2"),
    ("", {"text_config": [1]}, "cannot be read"),
    ("", {"vision_config": None}, "weights"),
    ("", {"model_type": ["llava"]}, "is a model of type ['llava']"),
]


@pytest.mark.parametrize(("part", "change", "words"), CONFIG, ids=lambda value: json.dumps(value)[:40])
def test_a_configuration_that_does_not_fit(copied, part, change, words):
    config = json.loads((copied / "config.json").read_text())
    (config[part] if part else config).update(change)
    if part and change.get("head_dim", "") is None:
        del config[part]["head_dim"]
    (copied / "config.json").write_text(json.dumps(config))
    refused(copied, words)


FILES = [
    ("config.json", DEEP, "has no config.json that says what kind of model it is"),
    ("config.json", '{"model_type": "llava", "a": ' + DEEP, "has no config.json that says what kind of model it is"),
    ("tokenizer_config.json", DEEP, "The processor of copy cannot be read"),
    ("processor_config.json", DEEP, "The processor of copy cannot be read"),
    ("generation_config.json", DEEP, "copy could not be loaded"),
    ("chat_template.jinja", "{{ messages", "chat template cannot be used (unexpected end of template"),
    ("chat_template.jinja", "{{ one.two.three }}", "chat template cannot be used ('one' is undefined)"),
    ("chat_template.jinja", "{{ raise_exception('not so') }}", "chat template cannot be used (not so)"),
    ("chat_template.jinja", "{{ 1 / 0 }}", "chat template cannot be used (division by zero)"),
    ("chat_template.jinja", "{{ messages[0] + 1 }}", "chat template cannot be used (unsupported operand"),
    ("chat_template.jinja", "{% include 'other' %}", "chat template cannot be used"),
    ("chat_template.jinja", "{{ '\\ud800' }}<image>{{ messages[0] }}", "chat template writes half a character"),
    ("chat_template.jinja", "hello", "writes 0 placeholders for one picture"),
    ("model.safetensors", "", "copy could not be loaded"),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES, ids=lambda value: value[:30])
def test_a_damaged_file(copied, name, content, words):
    (copied / name).write_text(content)
    refused(copied, words)
    if content.endswith(DEEP):
        assert card_for(str(copied)).name == str(copied)


def test_an_index_that_is_nested_too_deeply_is_no_index(copied):
    (copied / "model.safetensors.index.json").write_text(DEEP)
    assert clvs.load_model(copied).layers == 4


def test_buffers_that_old_checkpoints_hold_are_no_weights(copied):
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    first = next(name for name in weights if name.endswith("layers.0.self_attn.q_proj.weight"))
    more = weights[first].clone()

    def hold(name):
        save_file(weights | {name: more}, copied / "model.safetensors", metadata={"format": "pt"})

    for name in (first.replace("q_proj.weight", "rotary_emb.inv_freq"), "vision_tower.pooler.probe"):
        hold(name)
        assert clvs.load_model(copied).layers == 4
    for name in (first.replace("q_proj", "q_norm"), first.replace("weight", "bias")):
        hold(name)
        refused(copied, "has 1 weights that its config.json knows nothing of, e.g. ")


def test_a_token_for_pictures_that_the_processor_does_not_write(copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"image_token_index": 5}))
    with pytest.raises(ModelError, match="writes the text after a picture in a way this program does not know"):
        clvs.load_model(copied).open_image(np.zeros((40, 40, 3), np.uint8))
