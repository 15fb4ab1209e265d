"""The chat prompt of a checkpoint, split at the picture: what comes before and with it, and what comes after.

The part up to the last image token is the same for every question; only the tail changes, and it is the same for
every picture. Each family's processor writes the picture's tokens in its own way; the functions below say how.

Prompts have names: "chat" is the checkpoint's own chat template, "vicuna" the same with Vicuna's system sentence, and
those of SUFFIXES add to the question what a paper or benchmark adds. Names combine: "vicuna+one-word".
"""

from __future__ import annotations

import functools
import unicodedata
from typing import Any, NamedTuple

from ..errors import ModelError, QuestionError
from ..text import is_text, mended
from .families import FAMILIES
from .families import family as known_family
from .hub import first_line
from .processors import unpadded

# LLaVA-1.5's own prompt without its system sentence, as the llava-hf checkpoints' chat template writes it.
LLAVA = "USER: {image}\n{question} ASSISTANT:"

CHAT = "chat"
# Conversation "vicuna_v1" (also "llava_v1") of LLaVA's code, in which the CLVS, VCD and IMCCD papers ask LLaVA-1.5.
VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
_CONVERSATIONS = {CHAT: "Chat template", "vicuna": "Vicuna"}


class Suffix(NamedTuple):
    """What follows the question, word for word with the white space before it; a label for people; whose code says so.

    MME's questions end so themselves. ClearSight is VAF's code; it, VCD and IMCCD ask POPE so, LLaVA both POPE and MME.
    """

    text: str
    label: str
    source: str


SUFFIXES: dict[str, Suffix] = {
    "yes-no": Suffix(" Please answer yes or no.", "yes or no", "MME"),
    "just-yes-no": Suffix(" Please just answer yes or no.", "just yes or no", "ClearSight"),
    "one-word": Suffix(" Please answer this question with one word.", "one word", "VCD, IMCCD"),
    "short": Suffix("\nAnswer the question using a single word or phrase.", "word or phrase", "LLaVA"),
}
NAMES = (*_CONVERSATIONS, *SUFFIXES)


def parse(prompt: Any) -> tuple[str, tuple[str, ...]]:
    """The conversation and the suffixes of a prompt's name, in their order: "one-word" -> ("chat", ("one-word",)).

    Raises QuestionError for a name that does not exist, is given twice, or names two conversations.
    """
    names = [name.strip() for name in prompt.split("+")] if isinstance(prompt, str) else [str(prompt)]
    conversations = [name for name in names if name in _CONVERSATIONS]
    suffixes = tuple(name for name in names if name in SUFFIXES)
    if len(conversations) > 1 or len(set(names)) < len(names) or not set(names) <= set(NAMES):
        raise QuestionError(
            f"There is no prompt {str(prompt)[:80]!r}; choose one of {', '.join(NAMES)}, "
            "or join some, e.g. vicuna+one-word."
        )
    return (conversations or [CHAT])[0], suffixes


def checked_question(question: Any) -> str:
    """The question without white space around it. QuestionError where it is empty or no text."""
    asked = question.strip() if isinstance(question, str) else ""
    if not asked:
        raise QuestionError("The question is empty; ask something about the picture.")
    if not is_text(asked):
        raise QuestionError(
            f"The question {asked!r:.80} holds half a character or bytes that are no UTF-8; write it in UTF-8."
        )
    return asked


def presets(family: str) -> dict[str, str]:
    """The prompts worth offering for a family, by name, each with a label for people; "chat" comes first."""
    offered = {}
    for conversation, label in _CONVERSATIONS.items():
        # Prompts looks at the checkpoint's own template: LLaVA-NeXT comes with other decoders too
        if conversation == CHAT or (family in FAMILIES and FAMILIES[family].vicuna):
            offered[conversation] = label
            start = "" if conversation == CHAT else f"{conversation}+"
            offered |= {start + name: f"{label} + {s.label} ({s.source})" for name, s in SUFFIXES.items()}
    return offered


class Prompts:
    """Builds and tokenises the prompts of one processor.

    family: transformers' model_type. placeholder: the text that stands for the picture in a prompt.
    Raises ModelError for a family whose prompts are not known.
    """

    def __init__(self, processor: Any, image_token_id: int, family: str):
        kind = known_family(family)
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.image_token_id = image_token_id
        self.family = family
        self.placeholder: str = getattr(processor, kind.placeholder)
        self.closing = kind.closing(processor)
        self._heads: dict[str, str] = {}

    def text(self, question: str, prompt: str = CHAT) -> str:
        """The whole prompt as text, with one placeholder for the picture. prompt: its name.

        Raises QuestionError for an empty question or one that contains an image token itself, and for a prompt that
        does not exist or does not belong to this checkpoint.
        """
        conversation, suffixes = parse(prompt)
        question = checked_question(question)
        for token in self._reserved:
            if token in question:
                raise QuestionError(f"The question contains {token!r}, which stands for pictures; remove it.")
        question += "".join(SUFFIXES[name].text for name in suffixes)
        own = self._own(question)
        return own if conversation == CHAT else self._vicuna(own)

    def _own(self, question: str) -> str:
        """What the checkpoint's own chat template writes."""
        if not getattr(self.processor, "chat_template", None):
            return self._without_template(question)
        content = [{"type": "image"}, {"type": "text", "text": question}]
        try:
            own = self.processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
        except Exception as error:  # a template is a program, and may fail as one
            raise ModelError(
                f"This checkpoint's chat template cannot be used ({first_line(error)}); download it again."
            ) from error
        if not is_text(own):
            raise ModelError("This checkpoint's chat template writes half a character; download it again.")
        return own

    def _without_template(self, question: str) -> str:
        if self.family != "llava":
            raise ModelError("This checkpoint has no chat template; choose an instruction-tuned one, which has.")
        return LLAVA.format(image=self.placeholder, question=question)

    def _vicuna(self, own: str) -> str:
        """The checkpoint's own prompt with Vicuna's system sentence before it, if that is not there already."""
        start, user, rest = own.partition(f"USER: {self.placeholder}\n")
        system = start.removeprefix(self.tokenizer.bos_token or "").strip()
        if not user or not rest.rstrip().endswith("ASSISTANT:") or system not in ("", VICUNA):
            raise QuestionError(
                "The prompt 'vicuna' is for models that were trained on Vicuna's conversations, such as LLaVA-1.5, "
                "and this one was not; choose 'chat', the model's own chat template."
            )
        return own if system else f"{start}{VICUNA} {user}{rest}"

    @functools.cached_property
    def _reserved(self) -> tuple[str, ...]:
        """Tokens that would be taken for a picture or a video."""
        video = getattr(self.processor, "video_token", None)
        return tuple(token for token in (self.placeholder, self._image_token, video) if token)

    @functools.cached_property
    def _image_token(self) -> str:
        number = self.image_token_id
        known = isinstance(number, int) and number in self.tokenizer.get_vocab().values()  # which may have gaps
        token = self.tokenizer.convert_ids_to_tokens(number) if known else None
        if token is None:
            raise ModelError(
                f"This checkpoint's config.json gives pictures the token {number!r}, which its tokenizer of "
                f"{len(self.tokenizer)} tokens does not have; take both from one checkpoint."
            )
        return str(token)

    def check(self) -> None:
        """Raises the errors of `tail` that are the checkpoint's and not a question's."""
        self.tail("?")

    def _parts(self, question: str, prompt: str) -> tuple[str, str]:
        """The prompt before and after the picture's placeholder."""
        before, *after = self.text(question, prompt).split(self.placeholder)
        if len(after) != 1:
            raise ModelError(
                f"This checkpoint's chat template writes {len(after)} placeholders for one picture; "
                "choose one that writes one."
            )
        return before, after[0]

    def tail(self, question: str, prompt: str = CHAT) -> list[int]:
        """Ids of everything after the last image token, up to and with the last prompt token."""
        before, after = self._parts(question, prompt)
        ids = self._ids(before + self._image_token + self.closing + after)
        if self.image_token_id not in ids:
            raise ModelError(
                f"This checkpoint's tokenizer does not read {self._image_token!r}, its pictures' token, as one token; "
                "take config.json and tokenizer from one checkpoint."
            )
        tail = ids[len(ids) - ids[::-1].index(self.image_token_id) :]
        if before != self.head(prompt) or not tail:
            raise ModelError(
                "This checkpoint's chat template puts the question before the picture; "
                "choose one that puts the picture first."
            )
        return tail

    def without_picture(self, question: str, prompt: str = CHAT) -> list[int]:
        """Ids of the prompt with nothing in the picture's place, as PAI contrasts with.

        What the template writes around a picture (Qwen's start and end of vision) goes with it.
        """
        before, after = self._parts(question, prompt)
        start, end = (
            getattr(self.processor, f"vision_{edge}_token", f"<|vision_{edge}|>") for edge in ("start", "end")
        )
        if before.endswith(start) and after.startswith(end):
            before, after = before.removesuffix(start), after.removeprefix(end)
        return self._ids(before + after)

    def head(self, prompt: str = CHAT) -> str:
        """The prompt before the picture, the same for every question; a picture is encoded once for each head."""
        conversation, _ = parse(prompt)
        if conversation not in self._heads:
            self._heads[conversation] = self._parts("?", conversation)[0]
        return self._heads[conversation]

    def _special(self, prompt: str) -> bool:
        # A template that writes the first token itself must not get a second one from the tokenizer.
        bos = self.tokenizer.bos_token
        return not (bos and prompt.startswith(bos))

    def _ids(self, prompt: str) -> list[int]:
        return self.tokenizer(prompt, add_special_tokens=self._special(prompt))["input_ids"]

    def encode(self, picture: Any, question: str, prompt: str = CHAT) -> Any:
        """The processor's own inputs for one picture and question: expanded ids, pixels, as PyTorch tensors.

        Raises ModelError where the processor writes something else after the picture than `tail` says.
        """
        text = self.text(question, prompt)
        shown = unpadded(self.processor, picture)
        inputs = self.processor(text=text, images=shown, return_tensors="pt", add_special_tokens=self._special(text))
        ids, tail = inputs["input_ids"][0].tolist(), self.tail(question, prompt)
        if self.image_token_id in tail or ids[-len(tail) - 1 :] != [self.image_token_id, *tail]:
            raise ModelError(
                f"The processor {type(self.processor).__name__} writes the text after a picture in a way "
                "this program does not know; choose another checkpoint."
            )
        return inputs

    def unknown_words(self, question: str, prompt: str = CHAT) -> list[str]:
        """Words, and emoji, that the tokenizer can only map to its unknown token, in order, without repeats.

        They are those of the question and of what its prompt adds to the checkpoint's own template.
        """
        conversation, suffixes = parse(prompt)
        unknown = self.tokenizer.unk_token_id
        if unknown is None or not isinstance(question, str):
            return []
        question = mended(question) + "".join(SUFFIXES[name].text for name in suffixes)
        if conversation != CHAT:
            question = f"{VICUNA} {question}"
        encoded = self.tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
        spans = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        words = [question[start:end].strip() for token, (start, end) in spans if token == unknown]
        return list(dict.fromkeys(word for word in words if any(map(_telling, word))))


def _telling(character: str) -> bool:
    """Whether a character means something by itself: a letter, a number, an emoji; no punctuation."""
    return character.isalnum() or unicodedata.category(character) == "So"
