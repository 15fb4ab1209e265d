"""Permalinks: the whole state of a result on a bundled scene in one query string, stored nowhere.

    ?scene=<file stem>&q=<question>&method=clvs:alpha=0.7&tokens=16&prompt=one-word&layer=7&step=0

`method` may come up to four times, e.g. method=vanilla&method=pai%2Bclvs. Alone it stands beside vanilla, as in every
link older than that, unless alone=1 says otherwise. `layer` is 1-based, as on the page; layers in a method's settings
are 0-based, as in every spec. A link comes from anybody: what cannot be read is left out, nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from clvs_core.errors import ClvsError
from clvs_core.methods import spec
from viz import scales
from viz.page import limits

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,119}")
_PROMPT = re.compile(r"[a-z-]{1,40}(\+[a-z-]{1,40}){0,4}")
VANILLA = "vanilla"
_WHOLE = {"layer": (1, 1000), "step": (0, limits.MAX_TOKENS)}
_WORDS = {"scale": re.compile("|".join(scales.MODES)), "cmap": re.compile("|".join(scales.MAPS))}


@dataclass(frozen=True)
class Link:
    """What a link asks for; None, and no methods, where it does not say. methods: specs, at most four."""

    scene: str
    question: str | None = None
    methods: tuple[str, ...] = ()
    model: str | None = None
    tokens: int | None = None
    view: Mapping[str, Any] = field(default_factory=dict)
    prompt: str | None = None


def parse(pairs: Iterable[tuple[str, Any]]) -> Link | None:
    """The link in a page's query parameters, names and texts in order, or None when they name no scene."""
    pairs = list(pairs)
    query = dict(pairs)
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
        _methods([text for name, text in pairs if name == "method"], alone=query.get("alone") == "1"),
        _match(_MODEL, query.get("model")),
        _whole(query.get("tokens"), 1, limits.MAX_TOKENS),
        view(query),
        _match(_PROMPT, query.get("prompt")),
    )


def _methods(texts: Iterable[Any], *, alone: bool) -> tuple[str, ...]:
    """Specs of the methods that can be read, each once, the first four of them."""
    readable: dict[str, None] = {}
    for text in texts:
        try:
            readable |= dict.fromkeys(map(spec, limits.methods([text])))
        except ClvsError:
            continue
    specs = tuple(readable)[: limits.MAX_METHODS]
    return (VANILLA, *specs) if len(specs) == 1 and specs[0] != VANILLA and not alone else specs


def view(query: Any) -> dict[str, Any]:
    """What the viewer is to show, out of a link's parameters or a page's message; values are text."""
    if not isinstance(query, Mapping):
        return {}
    values: dict[str, Any] = {name: _whole(query.get(name), low, high) for name, (low, high) in _WHOLE.items()}
    values |= {name: _match(pattern, query.get(name)) for name, pattern in _WORDS.items()}
    values = {name: value for name, value in values.items() if value is not None}
    if "layer" in values:
        values["layer"] -= 1
    return values


def is_model(name: str) -> bool:
    """Whether a link may name this model: a short name or a hub id, not a folder of this machine."""
    return _match(_MODEL, name) is not None


def query(link: Link) -> str:
    """The query string, without the question mark, that `parse` reads back as an equal link."""
    methods, alone = link.methods, None
    if len(methods) == 2 and methods[0] == VANILLA:
        methods = methods[1:]
    elif len(methods) == 1 and methods[0] != VANILLA:
        alone = "1"
    before = {"scene": link.scene, "q": link.question}
    after = {"model": link.model, "tokens": link.tokens, "prompt": link.prompt}
    view = {name: value + 1 if name == "layer" else value for name, value in link.view.items()}
    pairs = [*before.items(), *(("method", text) for text in methods), ("alone", alone), *after.items(), *view.items()]
    return urlencode([(name, value) for name, value in pairs if value is not None], safe=":=,/")


def _match(pattern: re.Pattern[str], text: Any) -> str | None:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None


def _whole(text: Any, low: int, high: int) -> int | None:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,4}", text):
        return None
    return int(text) if low <= int(text) <= high else None
