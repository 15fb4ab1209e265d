"""Standard output, where results go and letters may be lacking, and standard error, where notes and progress go."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .text import line, shown

_ODD_LETTERS = "clvs_core.odd_letters"

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


# --- standard error ---------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Progress and notes, which are no results."""
    with contextlib.suppress(OSError):  # a log on a full disk, or that nobody reads, costs no results
        print(shown(text), file=sys.stderr, flush=True)


@contextlib.contextmanager
def notes(*kinds: type[Warning]) -> Iterator[None]:
    """Says warnings of these kinds as notes, each once."""
    with warnings.catch_warnings():
        show, said = warnings.showwarning, set[str]()

        def tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, kinds):
                show(message, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                say(f"Note: {line(str(message))}")

        warnings.showwarning = tell
        for kind in kinds:
            warnings.simplefilter("always", kind)
        yield


def progress(what: str, every: int = 20) -> Callable[[int, int], None]:
    """A callback (done, total) that says now and then how far something is."""

    def tell(done: int, total: int) -> None:
        if done == total or done % every == 0:
            say(f"{what} {done} of {total}")

    return tell
