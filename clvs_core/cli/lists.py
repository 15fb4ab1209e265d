"""The commands `models` and `methods`: what there is, and what of it fits or runs here."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..errors import ClvsError
from ..loading import check_device
from ..methods import METHODS, Method, Target, load_method, spec
from ..methods.settings import schema, unset
from ..models import memory
from ..models.recommend import Recommendation, measure, recommend
from ..models.registry import CARDS, ModelCard, card_for
from ..text import line

_SHOWN = ("float32", "bfloat16", "8bit", "4bit")
_WIDE = 110


def add(commands: Any) -> None:
    """Adds both commands to argparse's subparsers."""
    models = commands.add_parser("models", help="list the models, the memory they need, and what fits here")
    models.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or balanced")
    models.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    models.set_defaults(run=_models)
    methods = commands.add_parser(
        "methods",
        help="list the methods, their settings, and whether they run on a model",
        epilog="Layers are counted from 0 here, as in method settings.",
    )
    methods.add_argument("--model", metavar="NAME", help="say what runs on it, and with what its card recommends")
    methods.add_argument("--file", action="append", default=[], metavar="FILE.py", help="a method of your own, too")
    methods.add_argument("--json", action="store_true", help="print one JSON object instead of the list")
    methods.set_defaults(run=_methods)


# --- models -----------------------------------------------------------------------------------------------------


def _models(options: argparse.Namespace) -> None:
    check_device(options.device)
    found = memory.places(options.device)
    best = _recommended(options.device)
    cards = [_card_report(card, options.device) for card in CARDS.values()]
    if options.json:
        machine = [{"device": p.device, "name": p.label, "free": p.free, "total": p.total} for p in found]
        told = best and {"name": best.card.name, "seconds": best.seconds, "reason": best.reason}
        print(json.dumps({"machine": machine, "recommended": told, "models": cards}, indent=1))
        return
    for place in found:
        print(f"{line(place.label)}: {memory.gigabytes(place.free)} of {memory.gigabytes(place.total)} free")
    if best:
        print(f"Recommended here: {best.card.name} ({best.card.label}, {best.card.licence}), {best.reason}")
    print("\n" + "\n".join(_model_table(cards)))
    print(
        "\nBillions of parameters; memory in GB for the weights and, as an allowance, the keys and values of "
        f"{memory.PICTURES} pictures, what is alive while one is read, and {memory.WORKING / 1e9:.1f} GB besides.\n"
        "* fits here now (8bit and 4bit need bitsandbytes and a GPU)   P used in the CLVS paper   "
        "G gated: accept the licence on its page first"
    )


def _recommended(device: str) -> Recommendation | None:
    """The model to use on the roomiest place, as it is kept there by default."""
    found, kept = memory.places(device), memory.precision("auto", device, None)
    where = max(found, key=lambda place: place.total).device
    return recommend(found, CARDS.values(), kept, lambda: measure(where, kept))


def _card_report(card: ModelCard, device: str) -> dict[str, Any]:
    """What is known about a checkpoint, with the bytes it needs at each precision and which of them fit here."""
    needs = {kind: card.size.needed(kind) for kind in _SHOWN} if card.size else {}
    offered = [kind for kind in needs if kind in memory.offered(device)]
    return {
        "name": card.name,
        "label": card.label,
        "source": card.source,
        "revision": card.revision,
        "family": card.family,
        "parameters": card.parameters,
        "licence": card.licence,
        "gated": card.gated,
        "paper": card.paper,
        "vision": card.vision,
        "note": card.note,
        "needs": needs,
        "fits": [kind for kind in offered if memory.fit(needs[kind], device)],
    }


def _model_table(cards: Sequence[dict[str, Any]]) -> list[str]:
    """One line a checkpoint under a heading, in columns."""
    names = max(len(card["name"]) for card in cards) + 2
    licences = max(len(card["licence"]) for card in cards) + 2
    heads = "".join(f"{kind:>10}" for kind in _SHOWN)
    lines = [f"{'model':<{names}}{'size':>5}{heads}      {'licence':<{licences}}hub id"]
    for card in cards:
        cells = "".join(f"{card['needs'][kind] / 1e9:>9.1f}{'*' if kind in card['fits'] else ' '}" for kind in _SHOWN)
        marks = ("P" if card["paper"] else " ") + ("G" if card["gated"] else " ")
        source = "ships with this program" if Path(card["source"]).is_dir() else card["source"]
        size = f"{card['parameters']:.3g}" if card["parameters"] < 1 else f"{card['parameters']:.1f}"
        lines.append(f"{card['name']:<{names}}{size:>5}{cells}  {marks}  {card['licence']:<{licences}}{source}")
    return lines


# --- methods ----------------------------------------------------------------------------------------------------


def _methods(options: argparse.Namespace) -> None:
    card = card_for(options.model) if options.model else None
    layers = _depth(card) if card else None
    try:
        for file in options.file:
            load_method(file)
        found = [_method_report(cls, card, layers) for cls in METHODS.values()]
    except ValueError as error:  # of a file with a method of one's own
        raise ClvsError(str(error)) from error
    if options.json:
        print(json.dumps({"model": card.name if card else None, "layers": layers, "methods": found}, indent=1))
        return
    print("\n\n".join("\n".join(_method_lines(one, card)) for one in found))


def _depth(card: ModelCard) -> int | None:
    """How many layers a model has, as far as its configuration is on this machine already."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(card.source, local_files_only=True, trust_remote_code=False)
    except Exception:  # of any library that reads the checkpoint's files
        return None
    return int(config.get_text_config().num_hidden_layers)


def _method_report(cls: type[Method], card: ModelCard | None, layers: int | None) -> dict[str, Any]:
    """`schema`'s facts; and for a model: whether the method runs, why not, the spec that its card recommends, its note.

    Without a model these are None or "".
    """
    about = schema(cls, card, layers)
    reason = about.pop("reason")
    known = {**about, "stage": cls.stage, "rows": cls.rows}
    if card is None:
        return {**known, "runs": None, "reason": "", "recommended": None, "note": ""}
    return {
        **known,
        "runs": not reason,
        "reason": reason,
        "recommended": None if reason else _recommended_settings(cls, card),
        "note": card.method_notes.get(cls.name, ""),
    }


def _recommended_settings(cls: type[Method], card: ModelCard) -> str:
    """The spec with what the card sets otherwise than the method; what only a card can know stays left out."""
    only_known: dict[str, Any] = {f.name: None for f in fields(cls) if f.default is None}
    return spec(replace(unset(cls).filled(Target.of(card)), **only_known))


def _method_lines(found: dict[str, Any], card: ModelCard | None) -> list[str]:
    """A heading, the summary, a line a setting, and what a model has to do with it."""
    lines = [f"{found['name']:<9}{line(found['label'])}  {line(found['paper'])}".rstrip()]
    lines += _wrapped(line(found["summary"]), " " * 9, " " * 9)
    for entry in found["fields"]:
        value = "by the model" if entry["value"] is None else _shown(entry["value"])
        about = f"{line(entry['about'])} {_range(entry)}".strip()
        lines += _wrapped(f"{entry['name']} = {value}{'.' if about else ''} {about}", " " * 9 + "- ", " " * 11)
    if card is not None:
        how = f"On {card.label}: {found['recommended']}" if found["runs"] else f"Not on {card.label}: {found['reason']}"
        lines += _wrapped(line(f"{how} {found['note']}"), " " * 9, " " * 11)
    return lines


def _wrapped(text: str, first: str, then: str) -> list[str]:
    """Lines of a paragraph with these indents; a spec stays whole, to be copied."""
    wrapper = textwrap.TextWrapper(_WIDE, first, then, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text)


def _range(entry: dict[str, Any]) -> str:
    low, high = entry["low"], entry["high"]
    return f"Usually {_figure(low)} to {_figure(high)}." if low is not None and high is not None else ""


def _figure(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _shown(value: Any) -> str:
    if isinstance(value, list):  # a range of layers
        return "-".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
