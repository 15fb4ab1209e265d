"""Methods as strings, which the command line, links and files use: "clvs:alpha=0.7", "pai+clvs"."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from .base import Dashed, Method, Usual, checked_preset
from .combine import Combine
from .known import METHODS

_WORDS = {"true": True, "false": False, "none": None}
_PAIR = re.compile(r"\s*(\d{1,9})-(\d{1,9})\s*")


def method(text: str) -> Method:
    """Reads "name" or "name:setting=value,setting=value", e.g. "clvs:alpha=0.7,early_termination=false".

    Settings that are left out come from the model's card, after "preset=paper" from the method's paper.
    Ranges and pairs are written 9-14, lists 16-29/26-9. Several methods joined by "+" are combined, e.g.
    "pai:alpha=0.2+clvs". Raises ValueError for an unknown method, an unknown setting or a value out of range.
    """
    parts = [_single(part) for part in re.split(r"\+(?=\s*[a-zA-Z])", text)]
    return parts[0] if len(parts) == 1 else Combine(*parts)


def _single(text: str) -> Method:
    name, _, rest = text.strip().partition(":")
    cls = METHODS.get(name.strip().lower()) or METHODS.get(re.sub(r"[\s_-]", "", name).lower())
    if cls is None:
        raise ValueError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    known = settable(cls)
    settings: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals or key not in known:
            hint = f"its settings are {', '.join(known)}" if known else "it has no settings"
            raise ValueError(f"{part!r} is not a setting of {cls.label}; {hint} (as name=value).")
        if key in settings:
            raise ValueError(f"{key} is given twice in {text!r}; give it once.")
        settings[key] = _value(key, value)
    return cls(**settings)


def settable(cls: type[Method]) -> list[str]:
    """The names that may stand before a "=" in a method's string; preset only where there is something to replace."""
    usual = any(isinstance(f.default, Usual) for f in dataclasses.fields(cls))
    return sorted(f.name for f in dataclasses.fields(cls) if f.init and (f.name != "preset" or usual))


def _value(name: str, text: str) -> Any:
    if name == "preset":
        return checked_preset(text.lower())
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if "/" in text:
        return tuple(_value(name, part) for part in text.split("/"))
    if pair := _PAIR.fullmatch(text):
        return Dashed((int(pair[1]), int(pair[2])))
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    raise ValueError(f"{name} must be a number, a range such as 9-14, true, false or none, not {text!r}.")


def spec(chosen: Method) -> str:
    """The shortest string that `method` reads back as an equal object."""
    if isinstance(chosen, Combine):
        return "+".join(map(spec, chosen.methods))
    known = settable(type(chosen))  # a preset that replaces nothing is not worth saying, and could not be read back
    changed = [
        f
        for f in dataclasses.fields(chosen)
        if _written(getattr(chosen, f.name), f.default) and (f.name != "preset" or f.name in known)
    ]
    changed.sort(key=lambda f: f.name != "preset")
    values = (f"{f.name}={_text(getattr(chosen, f.name), pair=f.name == 'layers')}" for f in changed)
    return chosen.name + (":" + ",".join(values) if changed else "")


def _written(value: Any, default: Any) -> bool:
    """The usual value, where it was written, keeps a card from replacing it: it is worth saying."""
    return value != default or isinstance(default, Usual) is not isinstance(value, Usual)


def _text(value: Any, *, pair: bool = False) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ("-" if pair else "/").join(_text(part, pair=True) for part in value)
    return str(value).lower() if value is None or isinstance(value, bool) else repr(value)
