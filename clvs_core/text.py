"""Text from outside: command lines, files and templates may hold what is no text, and outputs may lack letters.

A lone surrogate is half a character: bytes of an argument that are no UTF-8, or an emoji that was cut in two. No
tokenizer takes it, and it cannot be stored or sent.
"""

from __future__ import annotations

import codecs
import os
import sys

_ODD_LETTERS = "clvs_core.odd_letters"


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


# --- standard output --------------------------------------------------------------------------------------------


def write_any_letter() -> None:
    r"""Lets standard output take letters that its encoding lacks: as \u escapes, and file names byte by byte."""
    codecs.register_error(_ODD_LETTERS, _odd_letters)
    if hasattr(sys.stdout, "reconfigure"):  # standard error escapes by itself
        sys.stdout.reconfigure(errors=_ODD_LETTERS)


def _odd_letters(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def flush_output() -> None:
    """Sees that all of standard output has been written. OSError where it could not be."""
    try:
        if sys.stdout is not None:  # it is None where it was closed from the beginning
            sys.stdout.flush()
    except OSError:
        _discard_output()
        raise


def _discard_output() -> None:
    """Standard output goes nowhere from here on: Python would complain again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
