"""A tiny random-weight model and its real processor for every model family, for tests.

Real classes of transformers throughout, with small sizes: 4 decoder layers, 4 query heads on 2 key heads, a byte-level
tokenizer, and a chat template that writes what the family's real checkpoints write. Weights are larger than a
fresh initialisation, so that attention is far from uniform and mistakes show. No model ends an answer by itself.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from tests import tiny

Pair = tuple[Any, Any]  # model, processor
HIDDEN = 64  # 4 heads of 16; also the least that bitsandbytes can quantise to 4 bits

# Why a family cannot be built on this machine; empty where everything is installed.
MISSING: dict[str, str] = (
    {} if importlib.util.find_spec("num2words") else {"smolvlm": "SmolVLMProcessor needs the package num2words"}
)

_LOOP = "{% for message in messages %}"
_PARTS = "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
_TEXT = "{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
_IM = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
TEMPLATES = {
    "vicuna": "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the human's questions. "
    + _LOOP
    + "{{ 'USER: ' if message['role'] == 'user' else 'ASSISTANT: ' }}"
    + _PARTS
    + "{{ '<image>\n' }}"
    + _TEXT
    + "{{ ' ' }}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "mistral": _LOOP + "{{ '[INST] ' }}" + _PARTS + "{{ '<image>\n' }}" + _TEXT + "{{ ' [/INST]' }}{% endfor %}",
    "llama3": _LOOP
    + "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    + _PARTS
    + "{{ '<image>\n' }}"
    + _TEXT
    + "{{ '<|eot_id|>' }}{% endfor %}"
    + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "onevision": _LOOP
    + "{{ '<|im_start|>' + message['role'] + ' ' }}"
    + _PARTS
    + "{{ '<image>\n' }}"
    + _TEXT
    + "{{ '<|im_end|>' }}{% endfor %}"
    + _IM,
    "qwen2": _LOOP
    + "{% if loop.first and message['role'] != 'system' %}"
    + "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    + "{{ '<|im_start|>' + message['role'] + '\n' }}"
    + _PARTS
    + "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    + _TEXT
    + "{{ '<|im_end|>\n' }}{% endfor %}"
    + _IM,
    "qwen3": _LOOP
    + "{{ '<|im_start|>' + message['role'] + '\n' }}"
    + _PARTS
    + "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    + _TEXT
    + "{{ '<|im_end|>\n' }}{% endfor %}"
    + _IM,
    "idefics": "{{ bos_token }}"
    + _LOOP
    + "{{ message['role'].capitalize() }}"
    + "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}"
    + _PARTS
    + "{{ '<image>' }}"
    + _TEXT
    + "{{ '<end_of_utterance>\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
    "internvl": _LOOP
    + "{{ '<|im_start|>' + message['role'] + '\n' }}"
    + _PARTS
    + "{{ '<IMG_CONTEXT>\n' }}"
    + _TEXT
    + "{{ '<|im_end|>\n' }}{% endfor %}"
    + _IM,
    "gemma": "{{ bos_token }}"
    + _LOOP
    + "{{ '<start_of_turn>' + message['role'].replace('assistant', 'model') + '\n' }}"
    + _PARTS
    + "{{ '<start_of_image>' }}"
    + _TEXT
    + "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
}


def _tokenizer(
    special: Sequence[str], bos: str | None = None, eos: str = "</s>", adds_bos: bool = False, **named: str
) -> Any:
    """Every byte is a token, after the special tokens; `named` are the special tokens that the processor asks for."""
    special = list(dict.fromkeys(["<pad>", *([bos] if bos else []), eos, *special, *named.values()]))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    if adds_bos:
        pair = [(bos, vocabulary[bos])]  # type: ignore[index]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=pair)
    tokens = {"bos_token": bos, "eos_token": eos, "pad_token": "<pad>"}
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, extra_special_tokens=dict(named), padding_side="left", **tokens
    )


def _text(tokenizer: Any, **changes: Any) -> dict[str, Any]:
    """Settings of a decoder for this tokenizer; `changes` override them."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **changes,
    }


_TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


def _build(kind: type, config: Any, seed: int = 0) -> Any:
    """A random model of this class and configuration, with sharp attention and varied answers."""
    torch.manual_seed(seed)
    model = kind(config).eval()
    decoder = model.get_decoder()
    for name, parameter in decoder.layers.named_parameters():
        if parameter.dim() > 1:
            parameter.data *= 12.0 if "q_proj" in name or "k_proj" in name else 6.0
        elif name.endswith("bias"):
            parameter.data.normal_(std=0.5)
        elif "q_norm" in name or "k_norm" in name:
            parameter.data.normal_(mean=2.0, std=0.3)  # Gemma multiplies by 1 + weight
    head = model.get_output_embeddings().weight
    if head is model.get_input_embeddings().weight:  # larger embeddings would drown what the layers add
        decoder.norm.weight.data += 39
    else:
        head.data *= 40
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = config.get_text_config().pad_token_id
    return model


def llava(**text: Any) -> Pair:
    """LLaVA-1.5: CLIP, shortest edge and centre crop, Vicuna."""
    return tiny.llava(**text), tiny.llava_processor()


def llava_mistral() -> Pair:
    """LLaVA with a Mistral decoder (e.g. BakLLaVA), whose prompt is [INST]."""
    tokenizer = _tokenizer([], "<s>", adds_bos=True, image_token="<image>")
    processor = tiny.llava_processor()
    processor = tf.LlavaProcessor(
        processor.image_processor,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATES["mistral"],
    )
    config = tiny.llava_config()
    config.text_config = tf.MistralConfig(**_text(tokenizer, sliding_window=None))
    config.image_token_id = tokenizer.image_token_id
    return _build(tf.LlavaForConditionalGeneration, config), processor


def _llava_next(tokenizer: Any, text: Any, template: str) -> Pair:
    side, patch = 48, 8
    pinpoints = [[48, 96], [96, 48], [96, 96], [144, 48], [48, 144]]
    images = tf.LlavaNextImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}, image_grid_pinpoints=pinpoints
    )
    processor = tf.LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATES[template],
    )
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**{**_TOWER, "num_hidden_layers": 3}, image_size=side, patch_size=patch),
        text_config=text,
        image_token_index=tokenizer.image_token_id,
        image_grid_pinpoints=pinpoints,
        image_seq_length=(side // patch) ** 2,
    )
    return _build(tf.LlavaNextForConditionalGeneration, config), processor


def llava_next_vicuna() -> Pair:
    tokenizer = _tokenizer([], "<s>", adds_bos=True, image_token="<image>")
    return _llava_next(tokenizer, tf.LlamaConfig(**_text(tokenizer)), "vicuna")


def llava_next_mistral() -> Pair:
    tokenizer = _tokenizer([], "<s>", adds_bos=True, image_token="<image>")
    return _llava_next(tokenizer, tf.MistralConfig(**_text(tokenizer, sliding_window=None)), "mistral")


def llava_next_llama3() -> Pair:
    """With Llama 3.1's rotary scaling, as in decoders with long contexts."""
    special = ["<|start_header_id|>", "<|end_header_id|>"]
    tokenizer = _tokenizer(special, "<|begin_of_text|>", "<|eot_id|>", adds_bos=True, image_token="<image>")
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    return _llava_next(tokenizer, tf.LlamaConfig(**_text(tokenizer, rope_parameters=rope)), "llama3")


def llava_onevision() -> Pair:
    """SigLIP with a side that is no multiple of the patch (59 = 8 x 7 + 3, as 384 = 27 x 14 + 6), Qwen2."""
    side, patch = 59, 7
    named = {"image_token": "<image>", "video_token": "<video>"}
    tokenizer = _tokenizer(["<|im_start|>"], None, "<|im_end|>", **named)
    pinpoints = [[r * side, c * side] for r in range(1, 7) for c in range(1, 7)]
    processor = tf.LlavaOnevisionProcessor(
        tf.LlavaOnevisionImageProcessor(size={"height": side, "width": side}, image_grid_pinpoints=pinpoints),
        tokenizer,
        tf.LlavaOnevisionVideoProcessor(size={"height": side, "width": side}),
        num_image_tokens=(side // patch) ** 2,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATES["onevision"],
        vision_aspect_ratio="anyres_max_9",
    )
    vision = tf.SiglipVisionConfig(**_TOWER, image_size=side, patch_size=patch, vision_use_head=False)
    config = tf.LlavaOnevisionConfig(
        vision_config=vision,
        text_config=tf.Qwen2Config(**_text(tokenizer)),
        image_token_index=tokenizer.image_token_id,
        video_token_index=tokenizer.video_token_id,
        image_grid_pinpoints=pinpoints,
    )
    return _build(tf.LlavaOnevisionForConditionalGeneration, config), processor


def _qwen_parts(processor_kind: type, video_kind: type, template: str) -> tuple[Any, dict[str, int]]:
    """Processor with merged patches of 8 x 8 pixels, 4 to 80 of them, and the ids that the configuration needs."""
    named = {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "vision_start_token": "<|vision_start|>",
        "vision_end_token": "<|vision_end|>",
    }
    tokenizer = _tokenizer(["<|im_start|>"], None, "<|im_end|>", **named)
    grid = {"patch_size": 4, "merge_size": 2, "size": {"shortest_edge": 4 * 64, "longest_edge": 80 * 64}}
    processor = processor_kind(
        tf.Qwen2VLImageProcessor(**grid), tokenizer, video_kind(**grid), chat_template=TEMPLATES[template]
    )
    return processor, {name + "_id": tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}


def qwen2_vl() -> Pair:
    processor, ids = _qwen_parts(tf.Qwen2VLProcessor, tf.Qwen2VLVideoProcessor, "qwen2")
    vision = {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 4, "mlp_ratio": 2, "hidden_size": HIDDEN}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}
    config = tf.Qwen2VLConfig(vision_config=vision, text_config=_text(processor.tokenizer, rope_parameters=rope), **ids)
    return _build(tf.Qwen2VLForConditionalGeneration, config), processor


def qwen2_5_vl() -> Pair:
    """With windows of 4 x 4 merged patches in all but one layer of the vision tower, as in the real one."""
    processor, ids = _qwen_parts(tf.Qwen2_5_VLProcessor, tf.Qwen2VLVideoProcessor, "qwen2")
    vision = {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": 4,
        "window_size": 32,
        "fullatt_block_indexes": [1],
        "out_hidden_size": HIDDEN,
    }
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}
    config = tf.Qwen2_5_VLConfig(
        vision_config=vision, text_config=_text(processor.tokenizer, rope_parameters=rope), **ids
    )
    return _build(tf.Qwen2_5_VLForConditionalGeneration, config), processor


def qwen3_vl() -> Pair:
    """With deepstack features in the first two decoder layers and interleaved rotary sections."""
    processor, ids = _qwen_parts(tf.Qwen3VLProcessor, tf.Qwen3VLVideoProcessor, "qwen3")
    vision = {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": 4,
        "out_hidden_size": HIDDEN,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1],
    }
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    text = _text(processor.tokenizer, rope_parameters=rope, head_dim=16)
    config = tf.Qwen3VLConfig(vision_config=vision, text_config=text, **ids)
    return _build(tf.Qwen3VLForConditionalGeneration, config), processor


_IDEFICS_WORDS = ["<fake_token_around_image>", "<end_of_utterance>", "<global-img>"]
_IDEFICS_WORDS += [f"<row_{r + 1}_col_{c + 1}>" for r in range(6) for c in range(6)]


def _idefics_sizes(side: int) -> dict[str, dict[str, int]]:
    return {"size": {"longest_edge": 4 * side}, "max_image_size": {"longest_edge": side}}


def idefics3() -> Pair:
    """Tiles of 32 x 32 pixels, 4 x 4 tokens each, and the whole picture after them."""
    bos, eos = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = _tokenizer(_IDEFICS_WORDS, bos, eos, adds_bos=True, image_token="<image>")
    images = tf.Idefics3ImageProcessor(**_idefics_sizes(32))
    processor = tf.Idefics3Processor(images, tokenizer, image_seq_len=16, chat_template=TEMPLATES["idefics"])
    config = tf.Idefics3Config(
        vision_config={**_TOWER, "image_size": 32, "patch_size": 4},
        text_config=tf.LlamaConfig(**_text(tokenizer)),
        image_token_id=processor.image_token_id,
        scale_factor=2,
    )
    return _build(tf.Idefics3ForConditionalGeneration, config), processor


def smolvlm() -> Pair:
    """As Idefics3, with tiles that no whole number of patches fills (34 = 8 x 4 + 2, as 384 = 27 x 14 + 6).

    The tokenizer adds no first token by itself.
    """
    named = {"image_token": "<image>", "fake_image_token": _IDEFICS_WORDS[0]}
    named |= {"end_of_utterance_token": _IDEFICS_WORDS[1], "global_image_token": _IDEFICS_WORDS[2]}
    tokenizer = _tokenizer([*_IDEFICS_WORDS, "<video>"], "<|im_start|>", "<|im_end|>", **named)
    processor = tf.SmolVLMProcessor(
        tf.SmolVLMImageProcessor(**_idefics_sizes(34)),
        tokenizer,
        tf.SmolVLMVideoProcessor(**_idefics_sizes(34)),
        image_seq_len=16,
        chat_template=TEMPLATES["idefics"],
    )
    config = tf.SmolVLMConfig(
        vision_config={**_TOWER, "image_size": 34, "patch_size": 4},
        text_config=tf.LlamaConfig(**_text(tokenizer)),
        image_token_id=processor.image_token_id,
        scale_factor=2,
    )
    return _build(tf.SmolVLMForConditionalGeneration, config), processor


def internvl() -> Pair:
    """Tiles of 32 x 32 pixels, 4 x 4 tokens each, a thumbnail after them, Qwen2."""
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = _tokenizer(["<|im_start|>"], None, "<|im_end|>", **named)
    square = {"height": 32, "width": 32}
    processor = tf.InternVLProcessor(
        tf.GotOcr2ImageProcessor(size=square, crop_to_patches=True, min_patches=1, max_patches=12),
        tokenizer,
        tf.InternVLVideoProcessor(size=square),
        image_seq_length=16,
        chat_template=TEMPLATES["internvl"],
    )
    config = tf.InternVLConfig(
        vision_config={**_TOWER, "image_size": [32, 32], "patch_size": [4, 4]},
        text_config=tf.Qwen2Config(**_text(tokenizer)),
        image_token_id=processor.image_token_id,
        image_seq_length=16,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    return _build(tf.InternVLForConditionalGeneration, config), processor


def gemma3(window: int = 512) -> Pair:
    """4 x 4 tokens for the squashed picture; every third layer is full, the others see `window` tokens."""
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = _tokenizer(["<start_of_turn>"], "<bos>", "<end_of_turn>", adds_bos=True, **named)
    images = tf.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    processor = tf.Gemma3Processor(images, tokenizer, chat_template=TEMPLATES["gemma"], image_seq_length=16)
    layers = ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
    text = _text(tokenizer, head_dim=16, query_pre_attn_scalar=16, sliding_window=window, layer_types=layers)
    config = tf.Gemma3Config(
        text_config=tf.Gemma3TextConfig(**text),
        vision_config=tf.SiglipVisionConfig(**_TOWER, image_size=32, patch_size=4, vision_use_head=False),
        mm_tokens_per_image=16,
        image_token_index=tokenizer.image_token_id,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
    )
    model = _build(tf.Gemma3ForConditionalGeneration, config)
    model.model.multi_modal_projector.mm_input_projection_weight.data.normal_(std=0.2)  # made as zeros
    return model, processor


def gemma3_narrow() -> Pair:
    """Gemma 3 whose sliding window is shorter than any prompt, the picture included."""
    return gemma3(window=12)


_BUILDERS: dict[str, Callable[[], Pair]] = {
    function.__name__: function
    for function in (
        llava,
        llava_mistral,
        llava_next_vicuna,
        llava_next_mistral,
        llava_next_llama3,
        llava_onevision,
        qwen2_vl,
        qwen2_5_vl,
        qwen3_vl,
        idefics3,
        smolvlm,
        internvl,
        gemma3,
        gemma3_narrow,
    )
}


def build(name: str, dtype: torch.dtype = torch.float32) -> Pair:
    """Model and processor of one family, weights in `dtype`.

    Only parameters are cast, as loading a checkpoint does: rotary frequencies stay in float32.
    """
    model, processor = _BUILDERS[name]()
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model, processor


def _family(name: str) -> Callable[..., Pair]:
    return lambda dtype=torch.float32: build(name, dtype)


FAMILIES: dict[str, Callable[..., Pair]] = {name: _family(name) for name in _BUILDERS}


def save(name: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """A folder that `load_model` and the Auto classes read."""
    model, processor = build(name, dtype)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
