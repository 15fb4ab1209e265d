"""The dictionaries: each text in each language, with the same holes, and none that nothing says."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from tests.texts import wordy
from viz import languages

CODES = [code for code in languages.names() if code != languages.ENGLISH]
HOLE = re.compile(r"\{\w+\}")


def texts_of(code):
    """(English text, translation) of every part, also of one that is there twice."""
    parts = json.loads((languages.FOLDER / f"{code}.json").read_text(encoding="utf-8"))["texts"]
    return [pair for part in parts.values() for pair in part.items()]


def test_chinese_is_there_and_english_needs_no_words():
    assert languages.names()["zh"] == "中文"
    assert languages.tags() == {"en": "en", "zh": "zh-Hans"}
    assert languages.words("zh")["Explore"] == "探索"
    assert languages.words("en") == languages.words("xx") == languages.words(None) == {}


@pytest.mark.parametrize("code", CODES)
def test_each_text_has_one_translation_with_its_holes(code):
    pairs = texts_of(code)
    assert [text for text, count in Counter(text for text, _ in pairs).items() if count > 1] == []
    lost = [text for text, said in pairs if sorted(HOLE.findall(text)) != sorted(HOLE.findall(said))]
    assert lost == []
    assert [text for text, said in pairs if not said.strip() or (wordy(text) and text != text.strip())] == []
