"""The published settings of every hub card, as facts in a form of our own.

What a checkpoint's JSON files say is put together from what the checkpoints of a family have in common; what never
reaches the engine (file versions, sampling, training) is left out. `test_settings.py` compares all of it with copies of
the published files where there are any. Chat templates are ours: they write what the published ones write for one
question about one picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Settings = dict[str, Any]
PICTURE = "<picture>"  # where a prompt has the picture's tokens
QUESTION = "Is there a dog?"


@dataclass(frozen=True)
class Published:
    """The files of a checkpoint, but for its weights.

    special: ids of the tokens that stand for something. words: how other text becomes tokens, see `words.py`.
    prompt: what the chat template writes for `QUESTION`, special tokens and text in pieces. ends: ids that end an
    answer. apart: whether the output head is another matrix than the embeddings. shards: the number of weight files.
    names: what the weights' names of transformers 5 begin with -> what the published ones begin with.
    """

    config: Settings
    generation: Settings
    images: Settings
    processor: Settings | None
    tokenizer: Settings
    special: dict[str, int]
    words: str
    template: str
    prompt: tuple[str, ...]
    ends: set[int]
    names: dict[str, str]
    apart: bool = True
    shards: int = 2


def _images(kind: str, mean: list[float], std: list[float], resample: int, **more: Any) -> Settings:
    steps = dict.fromkeys(("do_convert_rgb", "do_normalize", "do_rescale", "do_resize"), True)
    return {
        "image_processor_type": kind,
        "image_mean": mean,
        "image_std": std,
        "resample": resample,
        "rescale_factor": 1 / 255,
        **steps,
        **more,
    }


_OPENAI = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
_HALF = ([0.5] * 3, [0.5] * 3)
_IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

# Names as transformers 4 saved them; `model.` in front of everything came later.
_OLD = {
    "model.language_model.": "language_model.model.",
    "model.vision_tower.": "vision_tower.",
    "model.multi_modal_projector.": "multi_modal_projector.",
    "model.image_newline": "image_newline",
    "lm_head.": "language_model.lm_head.",
}
_QWEN_2_NAMES = {"model.language_model.": "model.", "model.visual.": "visual."}

# --- LLaVA-1.5 and LLaVA-NeXT -------------------------------------------------------------------------------------

_CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "image_size": 336,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
    "projection_dim": 768,
    "vocab_size": 32000,
}
_LLAMA_2 = {"<unk>": 0, "<s>": 1, "</s>": 2, "<image>": 32000, "<pad>": 32001}
_LLAMA_2_NAMES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
_LLAMA_2_TOKENIZER = {
    "tokenizer_class": "LlamaTokenizer",
    **_LLAMA_2_NAMES,
    "add_bos_token": True,
    "add_eos_token": False,
    "legacy": False,
    "extra_special_tokens": {"image_token": "<image>"},
    "image_token": "<image>",
}
_CROP = {"crop_size": {"height": 336, "width": 336}, "do_center_crop": True, "size": {"shortest_edge": 336}}
_VICUNA_7B = {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "vocab_size": 32064}
_VICUNA_7B["torch_dtype"] = "float16"
_VICUNA_13B = {
    **_VICUNA_7B,
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_attention_heads": 40,
    "num_hidden_layers": 40,
    "num_key_value_heads": 40,
}
_VICUNA_TEMPLATE = (
    "{% for m in messages %}{{ m['role'].upper() }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ c['text'] }} {% endif %}"
    "{% endfor %}{% endfor %}ASSISTANT:"
)
_VICUNA_PROMPT = ("<s>", "USER: ", PICTURE, f"\n{QUESTION} ASSISTANT:")


def _llava_processor(kind: str) -> Settings:
    return {
        "processor_class": kind,
        "image_token": "<image>",
        "num_additional_image_tokens": 1,
        "patch_size": 14,
        "vision_feature_select_strategy": "default",
    }


def _clip_llava(kind: str, text: Settings, **more: Any) -> Settings:
    return {
        "model_type": kind,
        "projector_hidden_act": "gelu",
        "text_config": text,
        "vision_config": _CLIP,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "vocab_size": text["vocab_size"],
        **more,
    }


def _llava_15(text: Settings) -> Published:
    return Published(
        _clip_llava("llava", text, image_token_index=32000, pad_token_id=32001),
        {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 32001},
        _images("CLIPImageProcessor", *_OPENAI, 3, **_CROP, processor_class="LlavaProcessor"),
        _llava_processor("LlavaProcessor"),
        {**_LLAMA_2_TOKENIZER, "processor_class": "LlavaProcessor"},
        _LLAMA_2,
        "llama2",
        _VICUNA_TEMPLATE,
        _VICUNA_PROMPT,
        {2},
        _OLD,
        shards=3,
    )


_PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]


def _llava_next(text: Settings, image: int, generation: Settings, *rest: Any) -> Published:
    config = _clip_llava("llava_next", text, image_token_index=image, image_grid_pinpoints=_PINPOINTS)
    tokenizer, *rest = rest
    return Published(
        {**config, "use_image_newline_parameter": True},
        generation,
        _images(
            "LlavaNextImageProcessor",
            *_OPENAI,
            3,
            **_CROP,
            do_pad=True,
            image_grid_pinpoints=_PINPOINTS,
            aspect_ratio_setting="anyres",
            processor_class="LlavaNextProcessor",
        ),
        _llava_processor("LlavaNextProcessor"),
        {**tokenizer, "processor_class": "LlavaNextProcessor"},
        *rest,
        names=_OLD,
        shards=4,
    )


_LEFT = {**_LLAMA_2_TOKENIZER, "padding_side": "left"}
_MISTRAL = {
    "model_type": "mistral",
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e6,
    "sliding_window": None,
    "torch_dtype": "bfloat16",
    "vocab_size": 32064,
}
_MISTRAL_TEMPLATE = (
    "{% for m in messages %}[INST] {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ c['text'] }}{% endif %}{% endfor %} [/INST]{% endfor %}"
)
_LLAMA_3_TEXT = {
    "model_type": "llama",
    "bos_token_id": 128000,
    "eos_token_id": 128009,
    "intermediate_size": 14336,
    "max_position_embeddings": 8192,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e5,
    "torch_dtype": "bfloat16",
    "vocab_size": 128320,
}
_LLAMA_3 = {
    "<|begin_of_text|>": 128000,
    "<|end_of_text|>": 128001,
    "<|reserved_special_token_0|>": 128002,
    "<|start_header_id|>": 128006,
    "<|end_header_id|>": 128007,
    "<|eot_id|>": 128009,
}
_LLAMA_3_TEMPLATE = (
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>{{ '\n\n' }}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<|eot_id|>{% endfor %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
_LLAMA_3_TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<|begin_of_text|>",
    "eos_token": "<|eot_id|>",
    "pad_token": "<pad>",
    "extra_special_tokens": {"image_token": "<image>"},
    "image_token": "<image>",
}
_LLAMA_3_PROMPT = (
    "<|begin_of_text|>", "<|start_header_id|>", "user", "<|end_header_id|>", "\n\n", PICTURE, f"\n{QUESTION}",
    "<|eot_id|>", "<|start_header_id|>", "assistant", "<|end_header_id|>", "\n\n",
)  # fmt: skip

# --- Qwen and what is built on it ---------------------------------------------------------------------------------

_QWEN = {
    f"<|{name}|>": 151643 + number
    for number, name in enumerate((
        "endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start",
        "quad_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad",
    ))
}  # fmt: skip
_QWEN_TOKENIZER = {
    "tokenizer_class": "Qwen2Tokenizer",
    "bos_token": None,
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
    "unk_token": None,
    "errors": "replace",
    "add_prefix_space": False,
}
_QWEN_MARKS = list(_QWEN)[1:]
_QWEN_ENDS = {"bos_token_id": 151643, "pad_token_id": 151643, "eos_token_id": [151645, 151643]}
_QWEN_ITEM = (
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
)
_QWEN_START = "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}"
_QWEN_TURN = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}" + _QWEN_ITEM
_QWEN_TURN += "{{ '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}"
_QWEN_3_PROMPT = (
    "<|im_start|>", "user\n", "<|vision_start|>", PICTURE, "<|vision_end|>", QUESTION, "<|im_end|>", "\n",
    "<|im_start|>", "assistant\n",
)  # fmt: skip
_QWEN_2_PROMPT = ("<|im_start|>", "system\nYou are a helpful assistant.", "<|im_end|>", "\n", *_QWEN_3_PROMPT)


def _qwen_text(width: int, mlp: int, layers: int, heads: int, kv: int, vocabulary: int) -> Settings:
    return {
        "hidden_size": width,
        "intermediate_size": mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "vocab_size": vocabulary,
    }


_QWEN_0_5 = (896, 4864, 24, 14, 2)
_QWEN_1_5 = (1536, 8960, 28, 12, 2)
_QWEN_3 = (2048, 11008, 36, 16, 2)
_QWEN_7 = (3584, 18944, 28, 28, 4)


def _qwen_2(kind: str, text: Settings, vision: Settings, context: int, window: int, *, apart: bool) -> Published:
    number = "2_5" if kind == "qwen2_5_vl" else "2"
    marks = ("vision_start", "vision_end", "vision", "image", "video")
    return Published(
        {
            "model_type": kind,
            **text,
            **{f"{mark}_token_id": 151652 + number for number, mark in enumerate(marks)},
            "attention_dropout": 0.0,
            "bos_token_id": 151643,
            "eos_token_id": 151645,
            "hidden_act": "silu",
            "max_position_embeddings": context,
            "max_window_layers": window,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1e6,
            "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
            "sliding_window": 32768,
            "use_sliding_window": False,
            "tie_word_embeddings": not apart,
            "torch_dtype": "bfloat16",
            "vision_config": vision,
        },
        _QWEN_ENDS,
        {
            "image_processor_type": "Qwen2VLImageProcessor",
            "min_pixels": 4 * 28 * 28,
            "max_pixels": 16384 * 28 * 28,
            "patch_size": 14,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": _OPENAI[0],
            "image_std": _OPENAI[1],
            "processor_class": f"Qwen{number}_VLProcessor" if number == "2_5" else "Qwen2VLProcessor",
        },
        None,
        {
            **_QWEN_TOKENIZER,
            "add_bos_token": False,
            "additional_special_tokens": _QWEN_MARKS,
            "model_max_length": 32768,
        },
        _QWEN,
        "bytes",
        _QWEN_START + _QWEN_TURN,
        _QWEN_2_PROMPT,
        {151645, 151643},
        _QWEN_2_NAMES,
        apart,
    )


_PATCHES = {
    "patch_size": 14,
    "spatial_merge_size": 2,
    "spatial_patch_size": 14,
    "temporal_patch_size": 2,
    "in_chans": 3,
}


def _qwen2_vl(sizes: tuple[int, ...], vocabulary: int, *, apart: bool) -> Published:
    vision = {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "hidden_size": sizes[0], **_PATCHES}
    return _qwen_2("qwen2_vl", _qwen_text(*sizes, vocabulary), vision, 32768, 28, apart=apart)


def _qwen2_5_vl(sizes: tuple[int, ...], vocabulary: int, window: int, *, apart: bool) -> Published:
    vision = {
        "depth": 32,
        "hidden_act": "silu",
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": sizes[0],
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
        "tokens_per_second": 2,
        **_PATCHES,
    }
    return _qwen_2("qwen2_5_vl", _qwen_text(*sizes, vocabulary), vision, 128000, window, apart=apart)


def _qwen3_vl(sizes: tuple[int, ...], vision: tuple[int, int, int, list[int]], *, apart: bool) -> Published:
    depth, width, mlp, deep = vision
    text = {
        "model_type": "qwen3_vl_text",
        **_qwen_text(*sizes, 151936),
        "attention_bias": False,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "dtype": "bfloat16",
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 262144,
        "rms_norm_eps": 1e-6,
        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
        "rope_theta": 5000000,
    }
    if not apart:
        text["tie_word_embeddings"] = True
    return Published(
        {
            "model_type": "qwen3_vl",
            "image_token_id": 151655,
            "video_token_id": 151656,
            "vision_start_token_id": 151652,
            "vision_end_token_id": 151653,
            "tie_word_embeddings": not apart,
            "text_config": text,
            "vision_config": {
                "model_type": "qwen3_vl",
                "deepstack_visual_indexes": deep,
                "depth": depth,
                "hidden_act": "gelu_pytorch_tanh",
                "hidden_size": width,
                "in_channels": 3,
                "intermediate_size": mlp,
                "num_heads": 16,
                "num_position_embeddings": 2304,
                "out_hidden_size": sizes[0],
                "patch_size": 16,
                "spatial_merge_size": 2,
                "temporal_patch_size": 2,
            },
        },
        _QWEN_ENDS,
        {
            "image_processor_type": "Qwen2VLImageProcessorFast",
            "processor_class": "Qwen3VLProcessor",
            "size": {"shortest_edge": 256 * 256, "longest_edge": 4096 * 4096},
            "patch_size": 16,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": _HALF[0],
            "image_std": _HALF[1],
        },
        None,
        {
            **_QWEN_TOKENIZER,
            "add_bos_token": False,
            "additional_special_tokens": _QWEN_MARKS,
            "model_max_length": 262144,
        },
        _QWEN,
        "bytes",
        _QWEN_TURN,
        _QWEN_3_PROMPT,
        {151645, 151643},
        {},
        apart,
    )


_SIGLIP = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "image_size": 384,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "patch_size": 14,
    "vision_use_head": False,
}
_GRID = [[rows * 384, columns * 384] for rows in range(1, 7) for columns in range(1, 7)]
_ONEVISION_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }} {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)


def _onevision(sizes: tuple[int, ...], vocabulary: int, window: int, *, apart: bool) -> Published:
    text = {
        "model_type": "qwen2",
        **_qwen_text(*sizes, vocabulary),
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "rope_theta": 1e6,
        "sliding_window": window,
        "use_sliding_window": False,
        "torch_dtype": "bfloat16",
    }
    if not apart:
        text |= {"max_window_layers": 24, "tie_word_embeddings": True}
    pieces = ("<|im_start|>", "user ", PICTURE, f"\n{QUESTION}", "<|im_end|>", "<|im_start|>", "assistant\n")
    return Published(
        {
            "model_type": "llava_onevision",
            "image_grid_pinpoints": _GRID,
            "image_token_index": 151646,
            "video_token_index": 151647,
            "projector_hidden_act": "gelu",
            "text_config": text,
            "tie_word_embeddings": False,
            "torch_dtype": "float16",
            "use_image_newline_parameter": True,
            "vision_aspect_ratio": "anyres_max_9",
            "vision_config": {**_SIGLIP, "num_hidden_layers": 26},
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
        },
        _QWEN_ENDS,
        _images(
            "LlavaOnevisionImageProcessor",
            *_HALF,
            3,
            do_pad=True,
            image_grid_pinpoints=_GRID,
            size={"height": 384, "width": 384},
            processor_class="LlavaOnevisionProcessor",
        ),
        {
            "processor_class": "LlavaOnevisionProcessor",
            "image_token": "<image>",
            "video_token": "<video>",
            "num_image_tokens": 729,
            "vision_feature_select_strategy": "full",
            "vision_aspect_ratio": "anyres_max_9",
        },
        {
            **_QWEN_TOKENIZER,
            "processor_class": "LlavaOnevisionProcessor",
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        },
        {**dict(list(_QWEN.items())[:3]), "<image>": 151646, "<video>": 151647},
        "bytes",
        _ONEVISION_TEMPLATE,
        pieces,
        {151645, 151643},
        _OLD,
        apart,
        4 if apart else 1,
    )


_INTERNVL = {
    name: 151665 + number
    for number, name in enumerate((
        "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>", "<video>",
    ))
}  # fmt: skip
_INTERNVL_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


def _internvl(sizes: tuple[int, ...]) -> Published:
    text = {
        "model_type": "qwen2",
        **_qwen_text(*sizes, 151674),
        "attention_dropout": 0.0,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "hidden_act": "silu",
        "max_position_embeddings": 32768,
        "max_window_layers": 70,
        "rms_norm_eps": 1e-6,
        "rope_scaling": {"factor": 2.0, "rope_type": "dynamic", "type": "dynamic"},
        "rope_theta": 1e6,
        "sliding_window": None,
        "use_sliding_window": False,
        "torch_dtype": "bfloat16",
    }
    vision = {
        "model_type": "internvl_vision",
        "attention_bias": True,
        "hidden_act": "gelu",
        "hidden_size": 1024,
        "image_size": [448, 448],
        "intermediate_size": 4096,
        "layer_norm_eps": 1e-6,
        "layer_scale_init_value": 0.1,
        "norm_type": "layer_norm",
        "num_attention_heads": 16,
        "num_channels": 3,
        "num_hidden_layers": 24,
        "patch_size": [14, 14],
        "torch_dtype": "bfloat16",
        "use_absolute_position_embeddings": True,
        "use_mask_token": False,
        "use_mean_pooling": True,
        "use_qk_norm": False,
    }
    names = {"context_image_token": "<IMG_CONTEXT>", "end_image_token": "</img>", "start_image_token": "<img>"}
    return Published(
        {
            "model_type": "internvl",
            "downsample_ratio": 0.5,
            "image_seq_length": 256,
            "image_token_id": 151667,
            "projector_hidden_act": "gelu",
            "text_config": text,
            "torch_dtype": "bfloat16",
            "vision_config": vision,
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "default",
        },
        {"bos_token_id": 151643, "eos_token_id": 151645},
        _images(
            "GotOcr2ImageProcessorFast",
            *_IMAGENET,
            3,
            crop_to_patches=False,
            max_patches=12,
            min_patches=1,
            size={"height": 448, "width": 448},
            processor_class="InternVLProcessor",
            data_format="channels_first",
            default_to_square=True,
            **dict.fromkeys(("crop_size", "device", "do_center_crop", "input_data_format", "return_tensors")),
        ),
        {"processor_class": "InternVLProcessor", "image_seq_length": 256},
        {
            **_QWEN_TOKENIZER,
            "processor_class": "InternVLProcessor",
            "add_bos_token": False,
            "additional_special_tokens": [*_QWEN_MARKS, "<img>", "</img>", "<IMG_CONTEXT>"],
            "extra_special_tokens": {**names, "video_token": "<video>"},
            "return_token_type_ids": False,
            "model_max_length": 8192,
        },
        {**_QWEN, **_INTERNVL},
        "bytes",
        _INTERNVL_TEMPLATE,
        ("<|im_start|>", "user\n", PICTURE, f"\n{QUESTION}", "<|im_end|>", "\n", "<|im_start|>", "assistant\n"),
        {151645},
        _OLD,
        shards=1 if sizes[0] < 3000 else 4,
    )


# --- Idefics3 and SmolVLM -----------------------------------------------------------------------------------------

_ROWS = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
_SMOL = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2, "<global-img>": 49152}
_SMOL |= {name: 49153 + number for number, name in enumerate(_ROWS)}
_SMOL |= {"<fake_token_around_image>": 49189, "<image>": 49190, "<end_of_utterance>": 49279}
_SMOL_FIRST = {**dict(list(_SMOL.items())[:3]), "<fake_token_around_image>": 49152, "<image>": 49153}
_SMOL_FIRST["<end_of_utterance>"] = 49154
_SMOL_TOKENIZER = {
    "tokenizer_class": "GPT2Tokenizer",
    "processor_class": "Idefics3Processor",
    "bos_token": "<|im_start|>",
    "eos_token": "<end_of_utterance>",
    "pad_token": "<|im_end|>",
    "unk_token": "<|endoftext|>",
    "add_prefix_space": False,
    "additional_special_tokens": ["<fake_token_around_image>", "<image>", "<end_of_utterance>"],
    "model_max_length": 16384,
    "truncation_side": "left",
}
_SMOLVLM_2_NAMES = {
    "end_of_utterance_token": "<end_of_utterance>",
    "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>",
    "image_token": "<image>",
}


def _idefics_template(bos: str) -> str:
    return (
        f"{bos}{{% for m in messages %}}{{{{ m['role'] | capitalize }}}}:{{% for c in m['content'] %}}"
        "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
        "<end_of_utterance>{{ '\n' }}{% endfor %}Assistant:"
    )


def _idefics_prompt(bos: str) -> tuple[str, ...]:
    return (bos, "User:", PICTURE, QUESTION, "<end_of_utterance>", "\nAssistant:")


# What a part that these models do not have would be like: nothing of it may be taken for a reason to refuse them.
_PERCEIVER = {
    "_attn_implementation_autoset": False,
    "add_cross_attention": False,
    "attention_dropout": 0.0,
    "cross_attention_hidden_size": None,
    "hidden_act": "silu",
    "is_encoder_decoder": False,
    "model_type": "vllama3",
    "num_key_value_heads": 1,
    "qk_layer_norms_perceiver": False,
    "resampler_depth": 6,
    "resampler_head_dim": 96,
    "resampler_n_heads": 16,
    "resampler_n_latents": 64,
    "tie_word_embeddings": True,
}


def _idefics(
    kind: str, text: Settings, vision: Settings, factor: int, image: int, tiles: tuple[int, int, int], dtype: str,
    generation: Settings, tokenizer: Settings, special: dict[str, int], bos: str, ends: set[int], shards: int = 1,
) -> Published:  # fmt: skip
    side, longest, tokens = tiles
    name = "SmolVLM" if kind == "smolvlm" else "Idefics3"
    sizes = {"max_image_size": {"longest_edge": side}, "size": {"longest_edge": longest}}
    common = {"model_type": "llama", "is_llama_config": True, "rms_norm_eps": 1e-5, "torch_dtype": "bfloat16"}
    common |= {"qk_layer_norms": False, "use_resampler": False, "_flash_attn_2_enabled": True}
    images = _images(f"{name}ImageProcessor", *_HALF, 1, do_image_splitting=True, do_pad=True, **sizes)
    return Published(
        {
            "model_type": kind,
            "image_token_id": image,
            "scale_factor": factor,
            "text_config": {**common, "perceiver_config": _PERCEIVER, **text},
            "vision_config": vision,
            "vocab_size": text["vocab_size"],
            "tie_word_embeddings": False,
            "torch_dtype": dtype,
            **({"pad_token_id": 128002} if kind == "smolvlm" else {}),  # not among its tokens
        },
        generation,
        {**images, "processor_class": f"{name}Processor"},
        {"processor_class": f"{name}Processor", "image_seq_len": tokens},
        tokenizer,
        special,
        "bytes" if special.get("<|im_start|>") != 1 else "later bytes",
        _idefics_template(bos),
        _idefics_prompt(bos),
        ends,
        {},
        shards=shards,
    )


_SMOL_ENDS = {"bos_token_id": 1, "pad_token_id": 2}
_SIGLIP_BASE = {
    "model_type": "idefics3",
    "hidden_size": 768,
    "image_size": 512,
    "max_image_size": {"longest_edge": 512},
    "size": {"longest_edge": 2048},
    "num_attention_heads": 12,
    "patch_size": 16,
    "tie_word_embeddings": False,
    "use_base_siglip": False,
}
_SIGLIP_SO = {**_SIGLIP, "model_type": "idefics3"}
del _SIGLIP_SO["vision_use_head"]
_PAD_2 = {"pad_token_id": 2, "max_position_embeddings": 8192, "vocab_size": 49280, "pixel_shuffle_factor": 4}
_SMOL_135M = {
    **_PAD_2,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "rope_interleaved": False,
    "rope_theta": 100000,
}
_SMOL_360M = {
    **_SMOL_135M,
    "head_dim": 64,
    "hidden_size": 960,
    "intermediate_size": 2560,
    "num_attention_heads": 15,
    "num_hidden_layers": 32,
    "num_key_value_heads": 5,
}
_SMOL_1_7B = {
    "pad_token_id": 2,
    "head_dim": 64,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 24,
    "num_key_value_heads": 32,
}
_SMOLVLM_FIRST = {
    **_SMOL_1_7B,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "max_position_embeddings": 16384,
    "rope_theta": 273768.0,
    "vocab_size": 49155,
}


def _smolvlm(text: Settings) -> Published:
    generation = {**_SMOL_ENDS, "eos_token_id": 49279}
    return _idefics(
        "idefics3", text, _SIGLIP_BASE, 4, 49190, (512, 2048, 64), "bfloat16", generation, _SMOL_TOKENIZER, _SMOL,
        "<|im_start|>", {49279},
    )  # fmt: skip


_LLAMA_31 = {
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "pad_token_id": 128002,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_key_value_heads": 8,
    "rope_theta": 5e5,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
    },
    "vocab_size": 128259,
}
_IDEFICS_TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "processor_class": "Idefics3Processor",
    "bos_token": "<|begin_of_text|>",
    "eos_token": "<|end_of_text|>",
    "pad_token": "<|reserved_special_token_0|>",
}

# --- Gemma 3 ------------------------------------------------------------------------------------------------------

_GEMMA = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4, "<start_of_turn>": 105, "<end_of_turn>": 106}
_GEMMA |= {"<start_of_image>": 255999, "<end_of_image>": 256000, "<image_soft_token>": 262144}
_GEMMA_NAMES = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
_GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + m['role'] + '\n' }}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<start_of_image>{% else %}{{ c['text'] | trim }}{% endif %}{% endfor %}"
    "{{ '<end_of_turn>\n' }}{% endfor %}{{ '<start_of_turn>model\n' }}"
)


def _gemma(text: Settings) -> Published:
    return Published(
        {
            "model_type": "gemma3",
            "boi_token_index": 255999,
            "eoi_token_index": 256000,
            "eos_token_id": [1, 106],
            "image_token_index": 262144,
            "mm_tokens_per_image": 256,
            "text_config": {
                "model_type": "gemma3_text",
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                "sliding_window": 1024,
                **text,
            },
            "torch_dtype": "bfloat16",
            "vision_config": {**_SIGLIP, "image_size": 896},
        },
        {"bos_token_id": 2, "pad_token_id": 0, "eos_token_id": [1, 106], "cache_implementation": "hybrid"},
        _images(
            "Gemma3ImageProcessor",
            *_HALF,
            2,
            do_convert_rgb=None,
            do_pan_and_scan=None,
            image_seq_length=256,
            pan_and_scan_max_num_crops=None,
            pan_and_scan_min_crop_size=None,
            processor_class="Gemma3Processor",
            pan_and_scan_min_ratio_to_activate=None,
            size={"height": 896, "width": 896},
        ),
        {"processor_class": "Gemma3Processor", "image_seq_length": 256},
        {
            "tokenizer_class": "GemmaTokenizer",
            "processor_class": "Gemma3Processor",
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "add_bos_token": True,
            "add_eos_token": False,
            "extra_special_tokens": _GEMMA_NAMES,
            **_GEMMA_NAMES,
        },
        _GEMMA,
        "gemma",
        _GEMMA_TEMPLATE,
        ("<bos>", "<start_of_turn>", "user\n", PICTURE, QUESTION, "<end_of_turn>", "\n", "<start_of_turn>", "model\n"),
        {1, 106},
        _OLD,
        apart=False,
    )


_GEMMA_4B = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}
_GEMMA_12B = {
    "hidden_size": 3840,
    "intermediate_size": 15360,
    "num_attention_heads": 16,
    "num_hidden_layers": 48,
    "num_key_value_heads": 8,
}

PUBLISHED: dict[str, Published] = {
    "llava-1.5-7b": _llava_15(_VICUNA_7B),
    "llava-1.5-13b": _llava_15(_VICUNA_13B),
    "llava-next-vicuna-7b": _llava_next(
        {**_VICUNA_7B, "pad_token_id": 0}, 32000, {"bos_token_id": 1, "eos_token_id": 2}, _LEFT, _LLAMA_2, "llama2",
        _VICUNA_TEMPLATE, _VICUNA_PROMPT, {2},
    ),
    "llava-next-mistral-7b": _llava_next(
        _MISTRAL, 32000, {"bos_token_id": 1, "eos_token_id": 2}, {**_LEFT, "legacy": True}, _LLAMA_2, "legacy llama2",
        _MISTRAL_TEMPLATE, ("<s>", "[INST] ", PICTURE, f"\n{QUESTION} [/INST]"), {2},
    ),
    "llava-next-llama3-8b": _llava_next(
        _LLAMA_3_TEXT, 128256, {"bos_token_id": 128000, "eos_token_id": 128001}, _LLAMA_3_TOKENIZER,
        {**_LLAMA_3, "<image>": 128256, "<pad>": 128257}, "bytes", _LLAMA_3_TEMPLATE, _LLAMA_3_PROMPT, {128001, 128009},
    ),
    "qwen2.5-vl-3b": _qwen2_5_vl(_QWEN_3, 151936, 70, apart=False),
    "qwen2.5-vl-7b": _qwen2_5_vl(_QWEN_7, 152064, 28, apart=True),
    "llava-onevision-0.5b": _onevision(_QWEN_0_5, 152000, 32768, apart=False),
    "llava-onevision-7b": _onevision(_QWEN_7, 152128, 131072, apart=True),
    "qwen2-vl-2b": _qwen2_vl(_QWEN_1_5, 151936, apart=False),
    "qwen2-vl-7b": _qwen2_vl(_QWEN_7, 152064, apart=True),
    "qwen3-vl-2b": _qwen3_vl((2048, 6144, 28, 16, 8), (24, 1024, 4096, [5, 11, 17]), apart=False),
    "qwen3-vl-4b": _qwen3_vl((2560, 9728, 36, 32, 8), (24, 1024, 4096, [5, 11, 17]), apart=False),
    "qwen3-vl-8b": _qwen3_vl((4096, 12288, 36, 32, 8), (27, 1152, 4304, [8, 16, 24]), apart=True),
    "smolvlm-256m": _smolvlm({**_SMOL_135M, "rope_scaling": None}),
    "smolvlm-500m": _smolvlm(_SMOL_360M),
    "smolvlm-2.2b": _idefics(
        "idefics3", _SMOLVLM_FIRST, _SIGLIP_SO, 3, 49153, (384, 1536, 81), "bfloat16",
        {**_SMOL_ENDS, "eos_token_id": 49154}, _SMOL_TOKENIZER, _SMOL_FIRST, "<|im_start|>", {49154},
    ),
    "smolvlm2-2.2b": _idefics(
        "smolvlm", {**_SMOL_1_7B, **_PAD_2, "rope_interleaved": False, "rope_theta": 130000.0},
        {**_SIGLIP_SO, "model_type": "smolvlm_vision", "max_image_size": {"longest_edge": 384},
         "size": {"longest_edge": 1920}, "tie_word_embeddings": False, "use_base_siglip": False},
        3, 49190, (384, 1536, 81), "float32", {**_SMOL_ENDS, "eos_token_id": 49279},
        {**_SMOL_TOKENIZER, "processor_class": "SmolVLMProcessor", "extra_special_tokens": _SMOLVLM_2_NAMES,
         **_SMOLVLM_2_NAMES}, _SMOL, "<|im_start|>", {49279}, 2,
    ),
    "idefics3-8b": _idefics(
        "idefics3", _LLAMA_31, {**_SIGLIP_SO, "image_size": 364}, 2, 128257, (364, 1456, 169), "bfloat16",
        {"bos_token_id": 128000, "eos_token_id": [128001, 128008, 128258], "pad_token_id": 128002}, _IDEFICS_TOKENIZER,
        {**_LLAMA_3, "<fake_token_around_image>": 128256, "<image>": 128257, "<end_of_utterance>": 128258},
        "<|begin_of_text|>", {128001, 128008, 128258}, 4,
    ),
    "internvl3-1b": _internvl(_QWEN_0_5),
    "internvl3-2b": _internvl(_QWEN_1_5),
    "internvl3-8b": _internvl(_QWEN_7),
    "gemma-3-4b": _gemma(_GEMMA_4B),
    "gemma-3-12b": _gemma(_GEMMA_12B),
}  # fmt: skip
