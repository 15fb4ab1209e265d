"""The chat prompt of a checkpoint, split at the picture: what comes before and with it, and what comes after.

The part up to the last image token is the same for every question; only the tail changes.
"""

from __future__ import annotations

import functools
from typing import Any

from ..errors import ModelError, QuestionError

# LLaVA-1.5's own prompt without its system sentence, as the llava-hf checkpoints' chat template writes it.
LLAVA = "USER: <image>\n{question} ASSISTANT:"


class Prompts:
    """Builds and tokenises the prompts of one processor."""

    def __init__(self, processor: Any, image_token_id: int):
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.image_token_id = image_token_id

    def text(self, question: str) -> str:
        """The whole prompt as text, with one placeholder for the picture.

        Raises QuestionError for an empty question or one that contains the placeholder itself.
        """
        question = question.strip() if isinstance(question, str) else ""
        if not question:
            raise QuestionError("The question is empty; ask something about the picture.")
        if self.image_token in question:
            raise QuestionError(f"The question contains {self.image_token!r}, which stands for the picture; remove it.")
        if not getattr(self.processor, "chat_template", None):
            return LLAVA.format(question=question)
        content = [{"type": "image"}, {"type": "text", "text": question}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )

    @functools.cached_property
    def image_token(self) -> str:
        """The text that stands for the picture."""
        return str(self.tokenizer.convert_ids_to_tokens(self.image_token_id))

    def tail(self, question: str) -> list[int]:
        """Ids of everything after the picture, up to and with the last prompt token."""
        ids = self._ids(self.text(question))
        last = len(ids) - 1 - ids[::-1].index(self.image_token_id)
        if ids[:last] != self.head or last + 1 == len(ids):
            raise ModelError(
                "This checkpoint's chat template puts the question before the picture; "
                "choose one that puts the picture first."
            )
        return ids[last + 1 :]

    @functools.cached_property
    def head(self) -> list[int]:
        """Ids before the picture's placeholder."""
        ids = self._ids(self.text("?"))
        return ids[: ids.index(self.image_token_id)] if self.image_token_id in ids else ids

    def _ids(self, prompt: str) -> list[int]:
        # A template that writes the first token itself must not get a second one from the tokenizer.
        bos = self.tokenizer.bos_token
        return self.tokenizer(prompt, add_special_tokens=not (bos and prompt.startswith(bos)))["input_ids"]

    def encode(self, picture: Any, question: str) -> Any:
        """The processor's own inputs for one picture and question: expanded ids, pixels, as PyTorch tensors."""
        prompt = self.text(question)
        bos = self.tokenizer.bos_token
        special = not (bos and prompt.startswith(bos))
        return self.processor(text=prompt, images=picture, return_tensors="pt", add_special_tokens=special)

    def unknown_words(self, question: str) -> list[str]:
        """Words of the question that the tokenizer can only map to its unknown token, in order, without repeats."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None or not isinstance(question, str):
            return []
        found = self.tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
        spans = zip(found["input_ids"], found["offset_mapping"], strict=True)
        words = [question[start:end].strip() for token, (start, end) in spans if token == unknown]
        return list(dict.fromkeys(word for word in words if any(c.isalnum() for c in word)))
