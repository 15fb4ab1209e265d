"""Permalinks: the whole state of a result on a bundled scene in one query string, stored nowhere.

    ?scene=<file stem>&q=<question>&method=clvs:alpha=0.7&tokens=16&prompt=one-word&layer=7&step=0

Layers are 1-based here, as on the page. A link comes from anybody: what cannot be read is left out, nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from viz import scales
from viz.ui import limits

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,119}")
_PROMPT = re.compile(r"[a-z-]{1,40}(\+[a-z-]{1,40}){0,4}")
_SPEC = re.compile(r"clvs(:[a-z_]+=[a-z0-9.+-]+(,[a-z_]+=[a-z0-9.+-]+)*)?")
_WHOLE = {"layer": (1, 1000), "step": (0, limits.MAX_TOKENS)}
_WORDS = {"scale": re.compile("|".join(scales.MODES)), "cmap": re.compile("|".join(scales.MAPS))}


@dataclass(frozen=True)
class Link:
    """What a link asks for; None where it does not say."""

    scene: str
    question: str | None = None
    method: str | None = None
    model: str | None = None
    tokens: int | None = None
    view: Mapping[str, Any] = field(default_factory=dict)
    prompt: str | None = None


def parse(query: Mapping[str, Any]) -> Link | None:
    """The link in a page's query parameters, or None when they name no scene."""
    scene = _match(_NAME, query.get("scene"))
    if scene is None:
        return None
    try:
        question = limits.question(query.get("q"))
    except ValueError:
        question = None
    return Link(
        scene,
        question,
        _match(_SPEC, query.get("method")),
        _match(_MODEL, query.get("model")),
        _whole(query.get("tokens"), 1, limits.MAX_TOKENS),
        view(query),
        _match(_PROMPT, query.get("prompt")),
    )


def view(query: Any) -> dict[str, Any]:
    """What the viewer is to show, out of a link's parameters or a page's message; values are text."""
    if not isinstance(query, Mapping):
        return {}
    found: dict[str, Any] = {name: _whole(query.get(name), low, high) for name, (low, high) in _WHOLE.items()}
    found |= {name: _match(pattern, query.get(name)) for name, pattern in _WORDS.items()}
    found = {name: value for name, value in found.items() if value is not None}
    if "layer" in found:
        found["layer"] -= 1
    return found


def is_model(name: str) -> bool:
    """Whether a link may name this model: a short name or a hub id, not a folder of this machine."""
    return _match(_MODEL, name) is not None


def query(link: Link) -> str:
    """The query string, without the question mark, that `parse` reads back as an equal link."""
    view = {name: value + 1 if name == "layer" else value for name, value in link.view.items()}
    pairs = {
        "scene": link.scene,
        "q": link.question,
        "method": link.method,
        "model": link.model,
        "tokens": link.tokens,
        "prompt": link.prompt,
        **view,
    }
    return urlencode({name: value for name, value in pairs.items() if value is not None}, safe=":=,/")


def _match(pattern: re.Pattern[str], text: Any) -> str | None:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None


def _whole(text: Any, low: int, high: int) -> int | None:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,4}", text):
        return None
    return int(text) if low <= int(text) <= high else None
