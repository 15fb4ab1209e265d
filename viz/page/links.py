"""Permalinks: the whole state of a result on a bundled scene in one query string, stored nowhere.

    ?scene=<file stem>&q=<question>&method=clvs:alpha=0.7&tokens=16&prompt=one-word&layer=7&step=1&region=10,20,90,80

`method` may come up to four times, e.g. method=vanilla&method=pai%2Bclvs. Alone it stands beside vanilla, as in every
link older than that, unless alone=1 says otherwise. The view (layer, step, region ...) is spelled as `viz.viewer.view`
has it, its layer 1-based, as on the page; layers in a method's settings are 0-based, as in every spec. Without a scene
it is of the page's first example. A link comes from anybody: what cannot be read is left out and told in `Link.unread`,
nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from clvs_core.errors import ClvsError
from clvs_core.methods import spec
from viz.page import limits
from viz.viewer.view import KINDS, MAX_OBJECTS, View, told

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,119}")
_PROMPT = re.compile(r"[a-z-]{1,40}(\+[a-z-]{1,40}){0,4}")
VANILLA = "vanilla"
# What a link says beside its scene; the language alone is of the page, whatever it shows
PARTS = {"q", "method", "alone", "model", "tokens", "prompt", *KINDS} - {"lang"}
ELSEWHERE = {"run", "recording"}  # what a link that is none of a scene names instead


@dataclass(frozen=True)
class Link:
    """What a link asks for; None, and no methods, where it does not say. methods: specs, at most four.

    scene: "" for a visitor's own picture, which the browser keeps. unread: the spelling of what cannot be read.
    """

    scene: str
    question: str | None = None
    methods: tuple[str, ...] = ()
    model: str | None = None
    tokens: int | None = None
    view: View = field(default_factory=View)
    prompt: str | None = None
    unread: tuple[str, ...] = ()


def parse(pairs: Iterable[tuple[str, Any]], *, own: bool = False, usual: str | None = None) -> Link | None:
    """The link in a page's query parameters, names and texts in order, or None when they name no scene.

    own: it is of a visitor's own picture, and needs none. usual: the scene of a link that names none, but other PARTS.
    """
    pairs = list(pairs)
    query = dict(pairs)
    told_of = usual if PARTS & query.keys() and not ELSEWHERE & query.keys() else None
    scene = "" if own else _match(_NAME, query.get("scene", told_of))
    if scene is None:
        return None
    read: dict[str, Any] = {
        "q": _question(query.get("q")),
        "model": _match(_MODEL, query.get("model")),
        "tokens": _whole(query.get("tokens"), 1, limits.MAX_TOKENS),
        "prompt": _match(_PROMPT, query.get("prompt")),
    }
    unread = [told(name, query[name]) for name, value in read.items() if value is None and name in query]
    methods, not_methods = _methods([text for name, text in pairs if name == "method"], alone=query.get("alone") == "1")
    view, not_view = View.read(pairs)
    unread += [*(told("method", text) for text in not_methods), *not_view]
    return Link(scene, read["q"], methods, read["model"], read["tokens"], view, read["prompt"], tuple(unread))


def _question(text: Any) -> str | None:
    try:
        return limits.question(text)
    except ValueError:
        return None


def _methods(texts: Iterable[Any], *, alone: bool) -> tuple[tuple[str, ...], list[Any]]:
    """Specs of the methods that can be read, each once, the first four of them; and what is none, or one too many."""
    readable: dict[str, None] = {}
    refused = []
    for text in texts:
        try:
            specs = dict.fromkeys(map(spec, limits.methods([text])))
        except ClvsError:
            refused.append(text)
            continue
        if len(readable | specs) > limits.MAX_METHODS:
            refused.append(text)
        else:
            readable |= specs
    picked = tuple(readable)
    return ((VANILLA, *picked) if len(picked) == 1 and picked[0] != VANILLA and not alone else picked), refused


def spelled(text: Any) -> list[tuple[str, str]]:
    """The parameters in a text that a page sends, none where there are too many of them."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=2 * MAX_OBJECTS) if isinstance(text, str) else []
    except ValueError:
        return []


def view(text: Any) -> View:
    """The view that a page's message spells, as a link does; what cannot be read is left out."""
    return View.read(spelled(text))[0]


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
    before = {"scene": link.scene or None, "q": link.question}
    after = {"model": link.model, "tokens": link.tokens, "prompt": link.prompt}
    pairs = [*before.items(), *(("method", text) for text in methods), ("alone", alone), *after.items()]
    return urlencode(
        [*((name, value) for name, value in pairs if value is not None), *link.view.spelled()], safe=":=,/"
    )


def _match(pattern: re.Pattern[str], text: Any) -> str | None:
    return text if isinstance(text, str) and pattern.fullmatch(text) else None


def _whole(text: Any, low: int, high: int) -> int | None:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,4}", text):
        return None
    return int(text) if low <= int(text) <= high else None
