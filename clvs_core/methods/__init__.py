"""The methods by name, and the strings the command line and permalinks use for them."""

from __future__ import annotations

import dataclasses
from typing import Any

from .base import Method
from .clvs import CLVS
from .vanilla import Vanilla

METHODS: dict[str, type[Method]] = {cls.name: cls for cls in (Vanilla, CLVS)}
_WORDS = {"true": True, "false": False, "none": None}

__all__ = ["CLVS", "METHODS", "Method", "Vanilla", "method", "spec"]


def method(text: str) -> Method:
    """Reads "name" or "name:setting=value,setting=value", e.g. "clvs:alpha=0.7,early_termination=false".

    Raises ValueError for an unknown method, an unknown setting or a value out of range.
    """
    name, _, rest = text.strip().partition(":")
    cls = METHODS.get(name.strip().lower())
    if cls is None:
        raise ValueError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    known = {f.name for f in dataclasses.fields(cls)}
    settings: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals or key not in known:
            hint = f"its settings are {', '.join(sorted(known))}" if known else "it has no settings"
            raise ValueError(f"{part!r} is not a setting of {cls.label}; {hint} (as name=value).")
        if key in settings:
            raise ValueError(f"{key} is given twice in {text!r}; give it once.")
        settings[key] = _value(key, value)
    return cls(**settings)


def _value(name: str, text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    raise ValueError(f"{name} must be a number, true, false or none, not {text!r}.")


def spec(chosen: Method) -> str:
    """The shortest string that `method` reads back as an equal object."""
    changed = [f for f in dataclasses.fields(chosen) if getattr(chosen, f.name) != f.default]
    values = (f"{f.name}={_text(getattr(chosen, f.name))}" for f in changed)
    return chosen.name + (":" + ",".join(values) if changed else "")


def _text(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else repr(value)
