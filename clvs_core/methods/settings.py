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
    })
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from ..plain import plain
from . import spec
from .base import FAR, Described, Method, NoisedPicture, Pair, PaperLayers, Preset, Target, unmarked

MAIN = 3  # so many numbers of a method that says nothing about it are in sight at once
KINDS = ("number", "integer", "layer", "layers", "switch", "list")
_TEXTS, _NUMBERS = ("label", "hint", "about"), ("low", "high", "step")


def _share(label: str, about: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "about": about, "low": 0, "high": 1, "step": 0.05, "main": True} | more


def _rare(label: str, about: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "about": about, "main": False} | more


_LAYERS = _rare("Layers", "The first and the last layer in which it works.")
BUILT_IN: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("clvs", "alpha"): _share(
        "α  own attention",
        "Weight of a layer's own attention; the rest comes from the vision memory. 1 leaves attention as it is.",
        hint="lower: more memory",
    ),
    ("clvs", "beta"): _share(
        "β  memory kept",
        "How much of the memory is kept from one layer to the next. Higher remembers earlier layers longer.",
        hint="higher: lasts longer",
    ),
    ("clvs", "gamma"): _share(
        "γ  certain below",
        "Smoothing stops once the model's uncertainty falls below this. 0 never stops.",
        hint="higher: stops earlier",
        step=0.01,
    ),
    ("clvs", "first_check"): _rare(
        "First check", "The first layer after which the uncertainty is looked at.", layer=True
    ),
    ("clvs", "unified_positions"): _rare(
        "Unified positions",
        "In the first layer every image token stands at the same position, so none is favoured for being near.",
    ),
    ("clvs", "early_termination"): _rare(
        "Early termination", "Leave the last layers alone once the model is certain. Off smooths every layer."
    ),
    ("clvs", "top_k"): _rare(
        "Words in the uncertainty", "Over how many of the likeliest words the uncertainty is measured.", low=2, high=50
    ),
    ("clvs", "lens_norm"): _rare(
        "Norm before the lens",
        "Apply the model's last norm before a layer's words are read off; the released code does not.",
    ),
    ("vcd", "alpha"): _share(
        "α  contrast",
        "How strongly the answer to a noised picture is subtracted. 0 subtracts nothing.",
        hint="higher: stronger",
        high=3,
    ),
    ("vcd", "beta"): _share(
        "β  cut-off",
        "Words less likely than this share of the likeliest one are ruled out. 0 rules none out.",
        hint="higher: fewer words",
    ),
    ("vcd", "noise_step"): _rare(
        "Noise", "How far the picture is noised, of 1000 steps.", hint="higher: less left", low=0, high=999, main=True
    ),
    ("vcd", "seed"): _rare("Seed", "Another number draws other noise.", low=0, high=2**31 - 1),
    ("pai", "alpha"): _share(
        "α  picture raised",
        "By how much of its own size an attention score of the picture grows.",
        hint="higher: looks more",
        high=2,
    ),
    ("pai", "gamma"): _share(
        "γ  contrast",
        "Weight of the answer with the picture against the one to the text alone. 1 leaves the contrast out.",
        hint="higher: stronger",
        low=1,
        high=3,
    ),
    ("pai", "start_layer"): _rare("First layer", "The first layer whose scores grow.", layer=True),
    ("var", "tau"): _share(
        "τ  sink above",
        "A token is a sink where a sink dimension of its hidden state is larger than this, in units of the state's "
        "root mean square.",
        hint="higher: fewer sinks",
        high=100,
        step=1,
    ),
    ("var", "rho"): _share(
        "ρ  most on sinks",
        "A head counts as looking at the picture if at most this share of its visual attention is on sinks.",
        hint="higher: more heads",
    ),
    ("var", "p"): _share(
        "p  left with sinks",
        "The share of a sink's weight that stays with it; the rest goes to other tokens of the picture.",
        hint="lower: moves more",
    ),
    ("var", "summ"): _rare(
        "Least look",
        "The least share of its attention that such a head gives to the picture.",
        low=0,
        high=1,
        step=0.05,
    ),
    ("var", "dims"): _rare(
        "Sink dimensions", "Of the hidden states, counted from 0, such as 1415/2533; empty takes the model's own."
    ),
    ("var", "paper_convention"): _rare(
        "The paper's convention", "Take ρ and p as the paper's text has them; the released code means the opposite."
    ),
    ("adhh", "threshold"): _share(
        "Silenced from",
        "A listed head is silenced where it gives at least this share of its attention to the text.",
        hint="higher: silences less",
    ),
    ("adhh", "heads"): _rare(
        "Heads",
        "Pairs of layer and head, counted from 0 as in published lists, such as 16-29/26-9; empty takes the "
        "model's own.",
    ),
    ("vaf", "enhance"): _share(
        "Picture times",
        "Factor of the attention scores of the picture. 1 leaves them as they are.",
        hint="higher: looks more",
        high=2,
    ),
    ("vaf", "suppress"): _share(
        "Before it times",
        "Factor of the attention scores of what stands before the picture. 1 leaves them as they are.",
        hint="lower: hears less",
        high=2,
    ),
    ("vaf", "layers"): _LAYERS,
    ("tarac", "alpha"): _share(
        "α  newest word",
        "Weight of the newest word's look in the running mean. It changes nothing about the first word.",
        hint="lower: lasts longer",
    ),
    ("tarac", "beta"): _share(
        "β  added", "How much of the running mean is added to a row.", hint="higher: adds more", high=2
    ),
    ("tarac", "layers"): _LAYERS,
}


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
    fields = [found for f in dataclasses.fields(cls) if (found := _field(cls, f, layers))]
    _choose_main(fields)
    told = [name for method, name in BUILT_IN if method == cls.name]
    fields.sort(key=lambda entry: told.index(entry["name"]) if entry["name"] in told else len(told))
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
    given = BUILT_IN.get((cls.name, f.name)) or _checked(cls, f)
    low, high, step = _range(kind, _default(f), layers)
    label = f.name.replace("_", " ")
    found: dict[str, Any] = {
        "label": label[:1].upper() + label[1:],
        "hint": "",
        "about": "",
        "low": low,
        "high": high,
        "step": step,
    }
    found |= {"main": None} | {name: value for name, value in given.items() if name != "layer"}
    if kind in ("layer", "layers") and layers is not None:
        found["high"] = min(found["high"], layers - 1)
    return {"name": f.name, "kind": kind, "value": None} | found


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
        given = BUILT_IN.get((cls.name, f.name)) or f.metadata
        return "layer" if given.get("layer") is True else "integer"
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
    given = {name: plain(f.metadata[name]) for name in (*_TEXTS, *_NUMBERS, "main", "layer") if name in f.metadata}
    good = all(isinstance(given.get(name, ""), str) for name in _TEXTS)
    numbers = [given[name] for name in _NUMBERS if name in given]
    good = good and all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in numbers)
    if not good:
        raise ValueError(
            f"The field {f.name} of {cls.label or cls.name} has metadata of the wrong kind; label, hint and about are "
            "text, low, high and step are numbers."
        )
    if given.get("step", 1) <= 0 or ("low" in given and "high" in given and given["low"] >= given["high"]):
        raise ValueError(
            f"The field {f.name} of {cls.label or cls.name} has no range; let low be below high, step above 0."
        )
    return given


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
