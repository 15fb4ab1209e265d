"""A loaded checkpoint: what asking needs to know of it, and its look at a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..methods.base import NoisedPicture, Reading, Target
from ..methods.vcd import noised
from ..models.memory import TOKENS
from ..models.prompts import CHAT, Prompts
from ..models.registry import ModelCard
from .attention import NAME, register, watch
from .cache import ImageCache
from .room import Room
from .segments import ImageSegment, image_segment

CACHE_BYTES = 2 << 30  # of kept pictures at most; less where less is free beside the model
CACHE_LEAST = 256 << 20  # as much is allowed to any model; a larger one may keep as many bytes as it has weights


class Checkpoint:
    """A vision-language model of transformers with its processor.

    name: the short name, hub id or folder it was loaded by. layers, heads: of the text decoder.
    context: how many tokens prompt and answer may have together. cache: pictures already encoded, in `cache_bytes`;
    None for as many as suit the model's size.
    """

    def __init__(self, hf: Any, processor: Any, card: ModelCard, cache_bytes: int | None = None):
        register()
        hf.set_attn_implementation({"text_config": NAME})
        watch(hf.get_decoder())
        text = hf.config.get_text_config()
        self.hf, self.processor, self.card = hf.eval(), processor, card
        self.tokenizer = processor.tokenizer
        self.image_token_id: int = hf.config.image_token_id
        self.prompts = Prompts(processor, self.image_token_id, hf.config.model_type)
        self.layers: int = text.num_hidden_layers
        self.heads: int = text.num_attention_heads
        self.context: int = text.max_position_embeddings
        self.target = Target.of(card, self.layers, self.heads, text.hidden_size)
        self.end_ids = _ids(hf.generation_config.eos_token_id, self.tokenizer.eos_token_id)
        tokens = card.size.tokens if card.size else TOKENS
        self.room = Room(hf, tokens, self._forget)
        weights = sum(parameter.nbytes for parameter in hf.parameters())
        budget = min(CACHE_BYTES, max(CACHE_LEAST, weights)) if cache_bytes is None else cache_bytes
        self.cache: ImageCache[Any] = ImageCache(budget, self.room.spare)

    @property
    def name(self) -> str:
        return self.card.name

    def _forget(self) -> None:
        self.cache.clear()

    def segment(
        self, picture: Image.Image, prompt: str, noise: NoisedPicture | None = None, readings: Sequence[Reading] = ()
    ) -> ImageSegment:
        """A picture's segment behind what the prompt says before it, with noise on its pixels or further readings."""
        inputs = self.prompts.encode(picture, "?", prompt)
        if noise is not None:
            for name, value in inputs.items():
                if name.startswith("pixel_values") and value.is_floating_point():
                    inputs[name] = noised(value, noise.step, noise.seed)
        return self.look(inputs, readings)

    @torch.no_grad()
    def look(self, inputs: Any, readings: Sequence[Reading]) -> ImageSegment:
        return image_segment(self.hf, self.placed(inputs), self.image_token_id, readings)

    def placed(self, inputs: Any) -> dict[str, Tensor]:
        """The processor's inputs for one unpadded prompt, where the model takes them and as precise as it is."""
        # offloaded weights wait on "meta" until their turn
        device = next(p.device for p in self.hf.parameters() if p.device.type != "meta")
        return {
            name: value.to(device, self.hf.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
            if name != "attention_mask"
        }

    def unknown_words(self, question: str, prompt: str = CHAT) -> list[str]:
        """Words of question and prompt that the model's vocabulary does not have; [] where it spells out anything."""
        return self.prompts.unknown_words(question, prompt)


def _ids(*choices: int | Iterable[int] | None) -> list[int]:
    """All given ids, each once: of llama3-llava-next-8b, only the tokenizer names the token that ends a turn."""
    lists = [[choice] if isinstance(choice, int) else choice for choice in choices if choice is not None]
    return list(dict.fromkeys(id for ids in lists for id in ids))
