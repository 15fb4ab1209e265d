"""The languages of the page: one file each beside this one, CODE.json, and English, which is the key of all of them.

A file says what its language is called in itself (`name`), its tag for browsers and screen readers (`lang`), how it
renders the field's terms (`glossary`, for those who translate), and in `texts`, by place, each English text with its
translation. {holes} stand for what differs. A further language is one more file: docs/languages.md.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ENGLISH = "en"


@functools.cache
def names() -> dict[str, str]:
    """The languages by code, each by its own name; English, which has no file, first."""
    return {ENGLISH: "English"} | {code: _read(code)["name"] for code in [file.stem for file in files()]}


@functools.cache
def tags() -> dict[str, str]:
    """The languages by code, each by its tag: what a page in it says of itself."""
    return {code: ENGLISH if code == ENGLISH else _read(code)["lang"] for code in names()}


def files() -> list[Path]:
    """The dictionaries."""
    return sorted(FOLDER.glob("*.json"))


@functools.cache
def words(code: Any) -> Mapping[str, str]:
    """English texts with their translations; none for English, and for a language that there is not."""
    if code == ENGLISH or code not in names():
        return {}
    return {text: said for part in _read(code)["texts"].values() for text, said in part.items()}


def _read(code: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8"))
    return found
