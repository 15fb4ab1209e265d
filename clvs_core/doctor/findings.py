"""What a check found, in words that may be pasted in public.

Statuses: "green" as it should be, "yellow" works but look at it, "red" wrong, "left out" not looked at (the sentence
says why).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..models.hub import first_line

GREEN, YELLOW, RED, LEFT_OUT = "green", "yellow", "red", "left out"
_ABSOLUTE = re.compile(r"(?:[A-Za-z]:\\|(?<![\w.:/<~…])/(?=[\w.~-]+/))[^\s'\"`,;()\[\]]+")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{6,}")


@dataclass(frozen=True)
class Finding:
    """One line of the report. name: stable, for programs; sentence: for people; numbers: what was measured."""

    name: str
    status: str
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Check = Callable[[], Finding]


def examined(name: str, check: Check) -> Finding:
    """What a check found, or that it stopped: one that raises must not end the others."""
    try:
        finding = check()
    except Exception as error:  # whatever a library may raise is the very thing to be told
        why = f"{type(error).__name__}: {first_line(error)}" if str(error) else type(error).__name__
        finding = Finding(name, RED, f"This check stopped with {why}.", {"error": type(error).__name__})
    return Finding(name, finding.status, public(finding.sentence), finding.numbers)


def public(text: str) -> str:
    """Text on one line, without the folders of absolute paths (they name people) and without tokens of the hub."""
    shown = _TOKEN.sub("hf_…", text.replace(str(Path.home()), "~") if len(str(Path.home())) > 1 else text)
    shown = _ABSOLUTE.sub(lambda found: "…/" + re.split(r"[\\/]", found[0].rstrip("\\/"))[-1], shown)
    return "".join(c if c.isprintable() else " " for c in shown)


def judged(holds: bool, otherwise: str = RED) -> str:
    """The status of something that holds or not."""
    return GREEN if holds else otherwise
