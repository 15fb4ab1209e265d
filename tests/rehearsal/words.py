"""Small tokenizers with the published special tokens at their published ids; other text is spelt letter by letter.

Real vocabularies are large and not ours. What decides a prompt is which tokens are special, where they stand, and what
the tokenizer does around them; so every byte or letter is a token of its own here.
"""

from __future__ import annotations

import string
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

from .settings import Published

_LETTERS = [c for c in string.printable if c.isprintable() and c != " "]
_FIRST_LETTER = 20_000  # of the tokenizers that spell letters, out of the way of every published id
_FIRST_BYTE = {"bytes": 0, "later bytes": 3, "llama2": 3, "legacy llama2": 3, "gemma": 238}
_WORD_START = "▁"


def ids(published: Published, pieces: list[str | int]) -> list[int]:
    """The tokens of special names, ids and other text one after the other, worked out without a tokenizer."""
    found: list[int] = []
    for place, piece in enumerate(pieces):
        if isinstance(piece, int):
            found.append(piece)
        elif piece in published.special:
            found.append(published.special[piece])
        else:
            found += _spelt(published.words, piece, first=place <= 1)
    return found


def _spelt(words: str, text: str, *, first: bool) -> list[int]:
    start = _FIRST_BYTE[words]
    if words in ("bytes", "later bytes"):
        return [start + byte for byte in text.encode()]
    if words == "legacy llama2" or (words == "llama2" and first):  # Llama's tokenizer puts a space before a text
        text = f" {text}"
    letters = {letter: _FIRST_LETTER + place for place, letter in enumerate([_WORD_START, *_LETTERS])}
    return [letters.get(c.replace(" ", _WORD_START), start + ord(c)) for c in text]


def tokenizer_json(published: Published) -> dict[str, Any]:
    """What stands in tokenizer.json."""
    spelt = published.words in ("llama2", "legacy llama2", "gemma")
    start = _FIRST_BYTE[published.words]
    if spelt:
        vocabulary = {f"<0x{byte:02X}>": start + byte for byte in range(256)}
        vocabulary |= {letter: _FIRST_LETTER + place for place, letter in enumerate([_WORD_START, *_LETTERS])}
    else:
        vocabulary = {letter: start + byte for byte, letter in bytes_to_unicode().items()}
    added = [
        {"id": id, "content": name, **_PLAIN} for name, id in sorted(published.special.items(), key=lambda x: x[1])
    ]
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    metaspace = {"type": "Metaspace", "replacement": _WORD_START, "prepend_scheme": "first", "split": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": _spaces(published.words),
        "pre_tokenizer": {"llama2": metaspace, "legacy llama2": None, "gemma": None}.get(published.words, bytewise),
        "post_processor": _first_token(published),
        "decoder": None if spelt else bytewise,
        "model": {
            "type": "BPE",
            "vocab": {**vocabulary, **published.special},
            "merges": [],
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": spelt,
            "byte_fallback": spelt,
            "ignore_merges": False,
        },
    }


def _spaces(kind: str) -> dict[str, Any] | None:
    """How a normalizer writes spaces; the older of Llama's tokenizers puts one before every text."""
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": _WORD_START}
    prepend = {"type": "Prepend", "prepend": _WORD_START}
    known = {"gemma": replace, "legacy llama2": {"type": "Sequence", "normalizers": [prepend, replace]}}
    return known.get(kind)


_PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def _first_token(published: Published) -> dict[str, Any] | None:
    """What puts Llama's first token before a prompt; Qwen and SmolVLM have none."""
    first = published.tokenizer["bos_token"]
    if first is None or published.words == "later bytes":
        return None
    special = {"id": first, "ids": [published.special[first]], "tokens": [first]}
    single = [{"SpecialToken": {"id": first, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": {first: special}}
