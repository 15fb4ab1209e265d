"""What a model knows to be asked: words that it does not know as they are typed, and what the page offers to ask."""

from __future__ import annotations

import contextlib
import difflib
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from clvs_core.errors import ClvsError
from viz.page import events, limits
from viz.page.models import Models

FILE = "vocabulary.json"  # beside a checkpoint whose tokenizer knows few words (assets/recipes/vocabulary.py)
NEAR = 0.8  # how much of an unknown word a known one has in common with it, to be suggested
MOST = 12  # words that are told


class Knowing:
    """Speaks of the words that models know. Loads none: of one that is not loaded, all words are taken for known."""

    def __init__(self, models: Models):
        self.models = models

    def vocabularies(self) -> dict[str, Mapping[str, Any]]:
        """What may be asked of models that know few words, by their names; others are not among them."""
        found = {name: vocabulary(card.source) for name, card in self.models.cards.items()}
        return {name: words for name, words in found.items() if words}

    def check(self, event: gr.EventData) -> dict[str, Any]:
        """A question is being typed: {text, unknown: its unknown words, each with the nearest known one or ""}."""
        text, name = events.text(event, "text", limits.MAX_QUESTION), events.text(event, "model")
        unknown: list[str] = []
        if name in self.models.cards and self.models.ready(name):
            with contextlib.suppress(ClvsError):  # it gave way to another one just now
                unknown = self.models.get(name).unknown_words(text)
        words = vocabulary(self.models.cards[name].source).get("words", ()) if unknown else []
        return {"text": text, "unknown": [[word, nearest(word, words)] for word in unknown[:MOST]]}


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that was probably meant, "" where none is near."""
    return next(iter(difflib.get_close_matches(word.lower(), known, 1, NEAR)), "")


@functools.cache
def vocabulary(source: str) -> Mapping[str, Any]:
    """The words of a checkpoint in a folder of this machine, {} where it does not say."""
    file = Path(source) / FILE
    if not file.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
