"""Text from outside: command lines, files and templates may hold what is no text.

A lone surrogate is half a character: bytes of an argument that are no UTF-8, or an emoji that was cut in two. No
tokenizer takes it, and it cannot be stored or sent.
"""

from __future__ import annotations


def is_text(text: str) -> bool:
    """Whether it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def mended(text: str) -> str:
    """The text with U+FFFD, the sign for what could not be read, in place of lone surrogates."""
    return text if is_text(text) else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shown(text: str) -> str:
    r"""The text with lone surrogates as \u escapes, for people to see what was there."""
    return text.encode("utf-8", "backslashreplace").decode()


def line(text: str) -> str:
    """Text from a model or a file on one line, without control characters that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)
