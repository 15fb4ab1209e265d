"""A checkpoint's architecture with random weights and a stand-in tokenizer: what a GPU makes of it, without a hub.

Answers mean nothing; times, memory and the agreement of the engine with the stock model do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from .engine.model import Model
from .errors import ModelError
from .loading import check_options
from .models import memory
from .models.architectures import architecture
from .models.families import FAMILIES
from .models.memory import gigabytes
from .models.processors import cap_visual_tokens, set_image_mode
from .models.registry import ModelCard, card_for

_SEED = 0
_VICUNA = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %} ASSISTANT:"
    "{% endfor %}"
)
_QWEN = (
    "{% for message in messages %}<|im_start|>user\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n<|im_start|>assistant\n{% endfor %}"
)


def load(
    name: str,
    dtype: str = "auto",
    device: str = "auto",
    layers: int | None = None,
    image_mode: Literal["crop", "pad"] | None = None,
) -> Model:
    """The model of a card with random weights, made on the device in the dtype, always the same ones.

    dtype, device, image_mode: as `load_model` takes them; always one device. layers: of the decoder and of the vision
    tower, None for all.
    Raises ModelError, one sentence, for an architecture that is not known or does not fit.
    """
    check_options(dtype, device, None)
    card = card_for(name)
    config = architecture(card, layers)
    if config.model_type not in _PROCESSORS:
        raise ModelError(
            f"Random weights can be built for {', '.join(_PROCESSORS)}, not for {config.model_type}; "
            "choose another card."
        )
    processor = _PROCESSORS[config.model_type](config)
    if image_mode is not None:
        set_image_mode(processor, image_mode)
    kept = memory.precision(dtype, device, None, getattr(config, "dtype", None))
    tokens = card.size.tokens if card.size else memory.TOKENS
    size = memory.size_of(memory.skeleton(config), tokens)
    place = memory.fit(size.needed(kept), device if device != "balanced" else "auto")
    if place is None or place == "balanced":
        raise ModelError(
            f"{card.label} with random weights needs {gigabytes(size.needed(kept))} on one device in {kept}; "
            "build fewer layers with --layers, or choose another dtype or a smaller card."
        )
    return Model(_weights(config, getattr(torch, kept), place), processor, _without_heads(card, layers))


def _weights(config: Any, dtype: torch.dtype, place: str) -> Any:
    """Initialised as transformers does before training: activations stay small enough for 16 bits."""
    from transformers import AutoModelForImageTextToText

    devices = [torch.device(place)] if place.startswith("cuda") else []
    with torch.random.fork_rng(devices), torch.device(place):
        torch.manual_seed(_SEED)
        hf = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    hf.generation_config.pad_token_id = 0
    return hf.eval()


def _without_heads(card: ModelCard, layers: int | None) -> ModelCard:
    """The card; of a model with fewer layers without AD-HH's heads, which belong to layers that are not there."""
    if layers is None:
        return card
    settings = {name: given for name, given in card.settings.items() if name != "adhh"}
    return ModelCard(card.name, card.label, card.source, card.family, settings, card.note, card.size)


# --- processors ---------------------------------------------------------------------------------------------------


def _tokenizer(config: Any, special: Sequence[str], bos: str | None, eos: str, **named: str) -> Any:
    """Every byte is a token, after the special ones; `named` are those that the processor asks for."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = list(dict.fromkeys(["<pad>", *([bos] if bos else []), eos, *special, *named.values()]))
    vocabulary = {word: i for i, word in enumerate([*words, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    text = config.get_text_config()
    if len(vocabulary) > text.vocab_size:
        raise ModelError(
            f"The stand-in tokenizer has {len(vocabulary)} tokens and this model knows {text.vocab_size}; name another "
            "card with --model, e.g. llava-1.5-7b."
        )
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(words)
    if bos:
        pair = [(bos, vocabulary[bos])]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=pair)
    ends = {"bos_token_id": vocabulary[bos] if bos else None, "eos_token_id": vocabulary[eos], "pad_token_id": 0}
    for part in (config, text):
        for name, value in ends.items():
            setattr(part, name, value)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        extra_special_tokens=dict(named),
        bos_token=bos,
        eos_token=eos,
        pad_token="<pad>",
        padding_side="left",
    )


def _clip(config: Any) -> dict[str, Any]:
    """The pixels and options that both LLaVA processors share."""
    side = config.vision_config.image_size
    return {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}


def _llava_options(config: Any) -> dict[str, Any]:
    return {
        "patch_size": config.vision_config.patch_size,
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "num_additional_image_tokens": 1,
        "chat_template": _VICUNA,
    }


def _llava(config: Any) -> Any:
    from transformers import CLIPImageProcessor, LlavaProcessor

    tokenizer = _tokenizer(config, [], "<s>", "</s>", image_token="<image>")
    config.image_token_id = tokenizer.image_token_id
    return LlavaProcessor(CLIPImageProcessor(**_clip(config)), tokenizer, **_llava_options(config))


def _llava_next(config: Any) -> Any:
    from transformers import LlavaNextImageProcessor, LlavaNextProcessor

    tokenizer = _tokenizer(config, [], "<s>", "</s>", image_token="<image>")
    config.image_token_id = tokenizer.image_token_id
    images = LlavaNextImageProcessor(**_clip(config), image_grid_pinpoints=config.image_grid_pinpoints)
    return LlavaNextProcessor(images, tokenizer, **_llava_options(config))


def _qwen(config: Any) -> Any:
    import transformers as tf

    named = {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "vision_start_token": "<|vision_start|>",
        "vision_end_token": "<|vision_end|>",
    }
    tokenizer = _tokenizer(config, ["<|im_start|>"], None, "<|im_end|>", **named)
    for name, word in named.items():
        setattr(config, f"{name}_id", tokenizer.convert_tokens_to_ids(word))
    vision = config.vision_config
    area = (vision.patch_size * vision.spatial_merge_size) ** 2
    grid = {
        "patch_size": vision.patch_size,
        "merge_size": vision.spatial_merge_size,
        "size": {"shortest_edge": 4 * area, "longest_edge": 16384 * area},
    }
    kind = tf.Qwen2_5_VLProcessor if config.model_type == "qwen2_5_vl" else tf.Qwen2VLProcessor
    video = tf.Qwen2VLVideoProcessor(**grid)
    processor = kind(tf.Qwen2VLImageProcessor(**grid), tokenizer, video, chat_template=_QWEN)
    if most := FAMILIES[config.model_type].most_tokens:
        cap_visual_tokens(processor, most)
    return processor


_PROCESSORS: dict[str, Callable[[Any], Any]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "qwen2_vl": _qwen,
    "qwen2_5_vl": _qwen,
}
