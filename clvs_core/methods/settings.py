"""Methods and their settings as plain data, from which a page makes controls: names, ranges, help, what is usual.

A method of one's own says this in its fields' metadata; every key is optional, and fields without any still get a
control that follows from their type and default:

    strength: float = field(default=0.5, metadata={
        "label": "s  strength",    # for people
        "hint": "higher: more",    # three words that are always in sight
        "about": "What it does.",  # one sentence
        "low": 0, "high": 2, "step": 0.1,
        "main": True,              # in sight at once; others stand behind "more"
        "layer": True,             # of a whole number: it counts layers, from 0 here and from 1 for people
        "allowed": (0, 10),        # other values are refused; low and high, which a slider has, follow unless given
        "last": True,              # behind all others
    })

`clvs_core.methods.base.setting` writes such a field in fewer words.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from ..plain import plain
from .base import FAR, Described, Method, NoisedPicture, Pair, PaperLayers, Preset, Target, unmarked
from .words import spec

MAIN = 3  # so many numbers of a method that says nothing about it are in sight at once
KINDS = ("number", "integer", "layer", "layers", "switch", "list")
_TEXTS, _NUMBERS, _OTHERS = ("label", "hint", "about"), ("low", "high", "step"), ("main", "layer", "last", "allowed")


def unset(cls: type[Method], preset: Preset = "card") -> Method:
    """A method with every setting left out. Raises ValueError for one that cannot do without settings of its own."""
    missing = [f.name for f in dataclasses.fields(cls) if _default(f) is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{cls.label} has no usual {' and '.join(missing)}; give its fields a default.")
    return cls(preset=preset)


def schema(cls: type[Method], card: Described | None, layers: int | None) -> dict[str, Any]:
    """What a page needs to know of a method for one model, ready for JSON.

    card: None for any model. layers: the model's depth, None where it is not known yet.

    {name, label, summary, paper, reason: why it cannot run on this model or "", noised: whether it looks at a noised
    picture, fields: [{name, label, hint, about, kind (one of `KINDS`), main, low, high, step (None where there is no
    limit, or it is not known), value: what it is where it is left out, None where only the model knows, paper: the
    same under the preset "paper"}]}. Layers are 0-based, ranges are [first, last], lists are text as in a spec.
    Raises ValueError, one sentence, for a field whose metadata make no sense.
    """
    about = {"name": cls.name, "label": cls.label or cls.name, "summary": cls.summary, "paper": cls.paper}
    ordered = sorted(dataclasses.fields(cls), key=lambda f: f.metadata.get("last") is True)
    fields = [entry for f in ordered if (entry := _field(cls, f, layers))]
    _choose_main(fields)
    target = Target("a model") if card is None else Target.of(card)
    try:
        presets = {"value": unset(cls), "paper": unset(cls, "paper")}
        usual = {key: _usual(chosen, target, layers) for key, chosen in presets.items()}
    except ValueError as error:
        return about | {"reason": str(error), "noised": False, "fields": []}
    for entry in fields:
        entry |= {key: _plain(entry["kind"], values.get(entry["name"])) for key, values in usual.items()}
    noised = isinstance(presets["value"].contrasted(), NoisedPicture)
    return about | {"reason": _reason(presets["value"], target, layers), "noised": noised, "fields": fields}


def explicit(chosen: Method) -> dict[str, Any]:
    """The settings of a single method that its spec names, as `schema` writes values."""
    kinds = {f.name: _kind(type(chosen), f) for f in dataclasses.fields(chosen)}
    names = [part.partition("=")[0] for part in spec(chosen).partition(":")[2].split(",") if part]
    return {name: _plain(kinds[name] or "list", getattr(chosen, name)) for name in names}


def _reason(chosen: Method, target: Target, layers: int | None) -> str:
    try:
        chosen.resolve(dataclasses.replace(target, layers=layers or FAR))
    except ValueError as error:
        return str(error)
    return ""


def _usual(chosen: Method, target: Target, layers: int | None) -> dict[str, Any]:
    """What each setting is where nobody sets it; None where that depends on a depth that is not known."""
    depths = (FAR, 2 * FAR) if layers is None else (layers, layers)
    near, far = (vars(_resolved(chosen, dataclasses.replace(target, layers=depth))) for depth in depths)
    return {name: value if far[name] == value else None for name, value in near.items()}


def _resolved(alone: Method, target: Target) -> Method:
    try:
        return alone.resolve(target)
    except ValueError:  # nothing that is known makes it run
        return alone


def _default(f: dataclasses.Field) -> Any:
    return plain(f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default)


def _field(cls: type[Method], f: dataclasses.Field, layers: int | None) -> dict[str, Any] | None:
    kind = _kind(cls, f)
    if kind is None:
        return None
    declared = _checked(cls, f)
    label = f.name.replace("_", " ")
    entry: dict[str, Any] = {"name": f.name, "kind": kind, "value": None}
    entry |= {"label": label[:1].upper() + label[1:], "hint": "", "about": ""}
    entry |= dict(zip(_NUMBERS, _range(kind, _default(f), layers), strict=True)) | {"main": None}
    if kind in ("number", "integer") and "allowed" in declared:
        entry |= {end: limit for end, limit in zip(_NUMBERS, declared["allowed"], strict=False) if math.isfinite(limit)}
    entry |= {name: value for name, value in declared.items() if name in entry}
    if kind in ("layer", "layers") and layers is not None:
        entry["high"] = min(entry["high"], layers - 1)
    return entry


def _kind(cls: type[Method], f: dataclasses.Field) -> str | None:
    """Which control a field gets; None for what a spec cannot say, which gets none."""
    if not f.init or f.name == "preset":  # a preset is chosen for all settings of a method at once
        return None
    default = _default(f)
    types_ = _types(_hints(cls).get(f.name, type(default)))
    if any(_is_tuple(t) for t in types_):
        return "layers" if f.name == "layers" and (isinstance(default, PaperLayers) or Pair in types_) else "list"
    if bool in types_:
        return "switch"
    if float in types_:
        return "number"
    if int in types_:
        return "layer" if f.metadata.get("layer") is True else "integer"
    return None


def _types(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the one type that it is."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def _is_tuple(t: Any) -> bool:
    bare = typing.get_origin(t) or t
    return isinstance(bare, type) and issubclass(bare, tuple)


def _hints(cls: type[Method]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except Exception:  # annotations of a file of one's own may name anything; then defaults decide
        return {}


def _range(kind: str, default: Any, layers: int | None) -> tuple[float | None, float | None, float | None]:
    """(low, high, step) of a field that does not say."""
    if kind in ("layer", "layers"):
        return 0, None if layers is None else layers - 1, 1
    if kind not in ("number", "integer"):
        return None, None, None
    size = abs(default) if isinstance(default, (int, float)) and math.isfinite(default) else 0
    least = 1 if kind == "number" else 10
    high = least if size <= least else 10 ** math.ceil(math.log10(size))
    low = -high if isinstance(default, (int, float)) and default < 0 else 0
    return low, high, 1 if kind == "integer" else high / 20


def _checked(cls: type[Method], f: dataclasses.Field) -> Mapping[str, Any]:
    """The metadata of a field. ValueError where they are not of the right kind."""
    declared = {name: plain(f.metadata[name]) for name in (*_TEXTS, *_NUMBERS, *_OTHERS) if name in f.metadata}
    good = all(isinstance(declared.get(name, ""), str) for name in _TEXTS)
    numbers = [declared[name] for name in _NUMBERS if name in declared]
    good = good and all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in numbers)
    if not good:
        raise ValueError(
            f"The field {f.name} of {cls.label or cls.name} has metadata of the wrong kind; label, hint and about are "
            "text, low, high and step are numbers."
        )
    if declared.get("step", 1) <= 0 or declared.get("low", -math.inf) >= declared.get("high", math.inf):
        raise ValueError(
            f"The field {f.name} of {cls.label or cls.name} has no range; let low be below high, step above 0."
        )
    return declared


def _choose_main(fields: list[dict[str, Any]]) -> None:
    """Where a method does not say which settings are its main ones, the first numbers are."""
    said = any(entry["main"] for entry in fields)
    numbers = [entry["name"] for entry in fields if entry["kind"] in ("number", "integer")][:MAIN]
    for entry in fields:
        if entry["main"] is None:
            entry["main"] = not said and entry["name"] in numbers


def _plain(kind: str, value: Any) -> Any:
    """A setting's value for JSON."""
    value = unmarked(value)
    if kind == "list" and isinstance(value, tuple):
        return "/".join("-".join(map(str, part)) if isinstance(part, tuple) else str(part) for part in value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
