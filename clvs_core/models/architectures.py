"""Published settings of some checkpoints, so that their architecture can be built where no hub can be reached.

Facts from the checkpoints' config.json, in this project's own form; what is not named is transformers' own default,
which is the published value too (Vicuna-7B is LlamaConfig's). A test holds every entry to the size on its card.
"""

from __future__ import annotations

import copy
from typing import Any

from ..errors import ModelError
from .registry import ModelCard

_TILES = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
_CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}
_VICUNA_7B = {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "vocab_size": 32064}
_VICUNA_13B = {
    **_VICUNA_7B,
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
    "num_key_value_heads": 40,
}
_EIGHT_KEY_HEADS = {"intermediate_size": 14336, "num_key_value_heads": 8, "rms_norm_eps": 1e-5}
_MISTRAL_7B = {
    **_EIGHT_KEY_HEADS,
    "model_type": "mistral",
    "max_position_embeddings": 32768,
    "rope_theta": 1e6,
    "sliding_window": None,
    "vocab_size": 32064,
}
_LLAMA3_8B = {
    **_EIGHT_KEY_HEADS,
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "rope_theta": 5e5,
    "vocab_size": 128320,
}


def _llava(text: dict[str, Any], kind: str = "llava", **more: Any) -> dict[str, Any]:
    """CLIP's last layer but one, without its class token, before a decoder."""
    return {
        "model_type": kind,
        "text_config": text,
        "vision_config": _CLIP,
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "projector_hidden_act": "gelu",
        "tie_word_embeddings": False,
        "dtype": "float16",
        **more,
    }


def _llava_next(text: dict[str, Any]) -> dict[str, Any]:
    return _llava(text, "llava_next", image_grid_pinpoints=_TILES)


def _qwen(kind: str, hidden: int, inner: int, layers: int, heads: int, kv: int, *, tied: bool) -> dict[str, Any]:
    """Qwen2-VL and Qwen2.5-VL, which differ in the vision tower."""
    rope = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
    text = {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "max_position_embeddings": 128000 if kind == "qwen2_5_vl" else 32768,
        "rms_norm_eps": 1e-6,
        "rope_parameters": rope,
        "use_sliding_window": False,
        "vocab_size": 151936 if tied else 152064,
    }
    vision: dict[str, Any] = {"depth": 32, "num_heads": 16, "patch_size": 14, "spatial_merge_size": 2}
    if kind == "qwen2_5_vl":
        own = {"window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31], "out_hidden_size": hidden}
        vision |= {"hidden_size": 1280, "intermediate_size": 3420, **own}
    else:
        vision |= {"embed_dim": 1280, "mlp_ratio": 4, "hidden_size": hidden}
    parts = {"text_config": text, "vision_config": vision, "tie_word_embeddings": tied}
    return {"model_type": kind, "dtype": "bfloat16", **parts}


_KNOWN: dict[str, dict[str, Any]] = {
    "llava-1.5-7b": _llava(_VICUNA_7B),
    "llava-1.5-13b": _llava(_VICUNA_13B),
    "llava-next-vicuna-7b": _llava_next(_VICUNA_7B),
    "llava-next-mistral-7b": _llava_next(_MISTRAL_7B),
    "llava-next-llama3-8b": _llava_next(_LLAMA3_8B),
    "qwen2-vl-2b": _qwen("qwen2_vl", 1536, 8960, 28, 12, 2, tied=True),
    "qwen2-vl-7b": _qwen("qwen2_vl", 3584, 18944, 28, 28, 4, tied=False),
    "qwen2.5-vl-3b": _qwen("qwen2_5_vl", 2048, 11008, 36, 16, 2, tied=True),
    "qwen2.5-vl-7b": _qwen("qwen2_5_vl", 3584, 18944, 28, 28, 4, tied=False),
}
NAMES = tuple(_KNOWN)
"""The cards whose architecture is known here."""


def architecture(card: ModelCard, layers: int | None = None) -> Any:
    """The configuration of a card's checkpoint: the one on this machine if there is one, else the one known here.

    layers: build only so many layers of the decoder and of the vision tower.
    Raises ModelError for a checkpoint that is neither here nor known.
    """
    from transformers import AutoConfig

    try:
        config: Any = AutoConfig.from_pretrained(card.source, local_files_only=True, trust_remote_code=False)
    except Exception:  # of any library that reads the checkpoint's files
        if card.name not in _KNOWN:
            raise ModelError(
                f"The architecture of {card.label} is not known here and its config.json is not on this machine; "
                f"choose one of {', '.join(NAMES)}, or a folder."
            ) from None
        known = copy.deepcopy(_KNOWN[card.name])
        config = AutoConfig.for_model(known.pop("model_type"), **known)
    return _cut(config, layers) if layers else config


def _cut(config: Any, layers: int) -> Any:
    text, vision = config.get_text_config(), config.vision_config
    text.num_hidden_layers = min(layers, text.num_hidden_layers)
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[: text.num_hidden_layers]
    name = "depth" if hasattr(vision, "depth") else "num_hidden_layers"
    # at least two: LLaVA reads the last layer but one
    setattr(vision, name, min(max(layers, 2), getattr(vision, name)))
    return config
