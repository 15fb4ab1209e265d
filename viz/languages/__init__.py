"""The languages of the page: one file each beside this one, CODE.json, and English, which is the key of all of them.

A file says what its language is called in itself (`name`), its tag for browsers and screen readers (`lang`), how it
renders the field's terms (`glossary`, for those who translate), and by place each English text with its translation:
`texts`, with {holes} for what `t` of the viewer's language.js puts in, and `sentences` that come to the page filled in,
from Python or Gradio, and are recognised by their shape. A further language is one more file: docs/languages.md.
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
def words(code: Any) -> Mapping[str, Mapping[str, str]]:
    """What a page is given, English with its translation: `texts`, and `sentences` that come to it filled in.

    None of either for English, and for a language that there is not.
    """
    if code == ENGLISH or code not in names():
        return {"texts": {}, "sentences": {}}
    found = _read(code)
    return {kind: {k: v for part in found[kind].values() for k, v in part.items()} for kind in ("texts", "sentences")}


def _read(code: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8"))
    return found
