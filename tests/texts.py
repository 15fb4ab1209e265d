"""What the page can say, read out of the code: literals of JavaScript, text of templates, sentences of Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted([*(ROOT / "viz/viewer/src").rglob("*.js"), *(ROOT / "viz/page/static").glob("*.js")])
TEMPLATES = sorted([*(ROOT / "viz/viewer/static").glob("*.html"), *(ROOT / "viz/page/static").glob("*.html")])
READ = ("alt", "aria-description", "aria-label", "data-tip", "label", "placeholder", "title")
TOKENS = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<regex>(?<=[(,=:\[!&|?;])\s*/(?![/*])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]*)
      | (?P<call>\bt\(\s*)?(?P<quoted>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
      | (?P<template>`)""",
    re.VERBOSE | re.DOTALL,
)
HOLE = re.compile(r"\{\w*\}")


def shape(text: str) -> str:
    """A text whose holes have no names."""
    return HOLE.sub("{}", text)


def of_script(source: str) -> Iterator[tuple[str, bool]]:
    """Each literal of JavaScript, and whether it is the first argument of `t`; of a template with its values as {}."""
    at = 0
    while found := TOKENS.search(source, at):
        at = found.end()
        if found["quoted"]:
            yield _plain(found["quoted"][1:-1]), bool(found["call"])
        elif found["template"]:
            text, inner, at = _template(source, at)
            yield _plain(text), False
            for part in inner:
                yield from of_script(part)


def _template(source: str, at: int) -> tuple[str, list[str], int]:
    """A template literal from behind its first mark: its text, the code in it, and where it ends."""
    text, inner = "", []
    while source[at] != "`":
        if source.startswith("${", at):
            start, depth = at + 2, 0
            at = start
            while depth or source[at] != "}":
                if source[at] == "`":
                    at = _template(source, at + 1)[2]
                    continue
                depth += {"{": 1, "}": -1}.get(source[at], 0)
                at += 1
            inner.append(source[start:at])
            text += "{}"
        else:
            text += source[at]
        at += 1
    return text, inner, at + 1


def _plain(text: str) -> str:
    coded = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), coded)


class _Texts(HTMLParser):
    """Texts and attributes that people read, but for what is not to be translated."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.hushed: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        own = dict(attributes)
        self.found += [text for name in READ if (text := own.get(name))]
        if tag not in ("input", "img", "meta", "br", "path", "link"):
            hushed = tag in ("script", "style", "code", "pre") or own.get("translate") == "no"
            self.hushed.append(hushed or (bool(self.hushed) and self.hushed[-1]))

    def handle_endtag(self, tag: str) -> None:
        if self.hushed:
            self.hushed.pop()

    def handle_data(self, data: str) -> None:
        if not (self.hushed and self.hushed[-1]):
            self.found.append(data)


def of_template(source: str) -> list[str]:
    """Texts of HTML as they stand on the page, without room around them."""
    reader = _Texts()
    reader.feed(source)
    return [text for text in (re.sub(r"\s*\n\s*", " ", found.strip()) for found in reader.found) if wordy(text)]


def of_python(paths: Iterable[Path]) -> Iterator[str]:
    """Each text of Python code, f-strings with {} for their values, without docstrings."""
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        for node in ast.walk(tree):
            if id(node) in spoken:
                continue
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                yield node.value


def wordy(text: str) -> bool:
    """Whether a text has a word in it."""
    return re.search(r"[A-Za-z]{2}", HOLE.sub("", text)) is not None


def sentence(text: str) -> bool:
    """Whether a literal is for people: it begins with a capital and has several words, or is a sentence."""
    return re.fullmatch(r"[A-Z“][^<>=;{}/]*\s.*|[A-Z][a-z]+…?", text, re.DOTALL) is not None and wordy(text)
