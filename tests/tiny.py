"""Tiny random-weight models of the real transformers classes, with the real processor classes, for tests.

The weights are larger than a fresh initialisation, so that attention is far from uniform and mistakes show.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SPECIAL = ["<unk>", "<s>", "</s>", "<image>"]
TEMPLATE = (
    "{{ '<s>' }}USER: {% for part in messages[0]['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %} ASSISTANT:"
)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Every byte is a token: any text round-trips, nothing is unknown."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(SPECIAL + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
    )


def llava_config(**text: object) -> LlavaConfig:
    """4 layers, 4 query heads on 2 key heads, 4 x 4 visual tokens; `text` overrides the decoder's settings."""
    decoder: dict = {
        "vocab_size": len(SPECIAL) + 256,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=16,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(**{**decoder, **text}),
        image_token_index=3,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )


def llava(seed: int = 0, scale: float = 12.0, **text: object) -> LlavaForConditionalGeneration:
    """A random LLaVA in float32 that never ends an answer by itself (its end token is switched off)."""
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(llava_config(**text)).eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "language_model.layers" in name:
            sharp = "q_proj" in name or "k_proj" in name
            parameter.data *= scale if sharp else 6.0
        elif name == "lm_head.weight":
            parameter.data *= 40
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 2
    return model


def llava_processor(side: int = 32, patch: int = 8) -> LlavaProcessor:
    """`side` x `side` pixels by shortest edge and centre crop, in patches of `patch` x `patch`."""
    images = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    return LlavaProcessor(
        images,
        byte_tokenizer(),
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )


def save_llava(folder: Path, **options: object) -> Path:
    """A folder that `load_model` and the Auto classes read."""
    model = llava(**options)  # type: ignore[arg-type]
    model.save_pretrained(folder)
    llava_processor().save_pretrained(folder)
    return folder


def picture(seed: int = 0, height: int = 40, width: int = 48) -> np.ndarray:
    """(height, width, 3) uint8 noise in blocks, so that resizing does not average it away."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))[:height, :width]
