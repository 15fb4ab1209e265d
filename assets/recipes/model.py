"""The embedded model's shape, and the folder it is saved to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from .render import SIDE
from .tokenizer import build_tokenizer, vocabulary

PATCH, WIDTH = 8, 192
GRID = SIDE // PATCH
# CLVS's uncertainty reads lm_head(hidden) without the final norm, so it depends on the residual stream's scale, which
# in a small model makes every layer look certain. The unembedding is divided by this number and the final norm's
# weights are multiplied by it: the answers stay what they were, and the uncertainty falls over the layers.
LENS_SCALE = 32.0
FOLDER = Path(__file__).resolve().parents[1] / "scenes_model"
MEAN, STD = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]


def build_config() -> LlavaConfig:
    """Tower 5 x 192, decoder 12 x 192, 144 visual tokens, no CLS token (feature selection "default")."""
    words = vocabulary()
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=5,
        num_attention_heads=6,
        image_size=SIDE,
        patch_size=PATCH,
        hidden_act="gelu",
    )
    text = LlamaConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=512,
        num_hidden_layers=12,
        num_attention_heads=6,
        max_position_embeddings=1024,
        bos_token_id=words["<s>"],
        eos_token_id=words["</s>"],
        pad_token_id=words["<pad>"],
        tie_word_embeddings=False,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=words["<image>"],
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=GRID * GRID,
        tie_word_embeddings=False,
    )


def build_model(std: float = 0.06) -> LlavaForConditionalGeneration:
    """Fresh weights. In each decoder layer the key projection starts equal to the query projection, which makes a word
    attend to what resembles it from the first step (without it, matching did not emerge in training)."""
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(build_config()).float()
    decoder = model.model.language_model
    for module in decoder.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=std)
    torch.nn.init.normal_(model.lm_head.weight, std=std)
    with torch.no_grad():
        for layer in decoder.layers:
            layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)
    return model


def build_processor() -> LlavaProcessor:
    """Shortest edge to 96, centre crop, scaled to [-1, 1]."""
    image_processor = CLIPImageProcessor(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=MEAN,
        image_std=STD,
    )
    tokenizer = build_tokenizer()
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=tokenizer.chat_template,
        num_additional_image_tokens=1,
    )


def export(model: LlavaForConditionalGeneration, folder: Path = FOLDER, lens_scale: float = LENS_SCALE) -> None:
    """Write weights (float16), tokenizer and processor; readers never see a half-written file."""
    words = vocabulary()
    half = LlavaForConditionalGeneration(model.config)
    half.load_state_dict(model.state_dict())
    with torch.no_grad():
        half.model.language_model.norm.weight *= lens_scale
        half.lm_head.weight /= lens_scale
    half = half.half()
    half.generation_config = GenerationConfig(
        bos_token_id=words["<s>"], eos_token_id=words["</s>"], pad_token_id=words["<pad>"], do_sample=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as temporary:
        half.save_pretrained(temporary)
        build_processor().save_pretrained(temporary)
        for path in sorted(Path(temporary).iterdir()):
            path.chmod(0o644)
            os.replace(path, folder / path.name)


def size_in_bytes(folder: Path = FOLDER) -> int:
    """Bytes of the folder's weights."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
