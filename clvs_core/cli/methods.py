"""The command `methods`: which methods there are, their settings, and what a model has to do with them."""

from __future__ import annotations

import argparse
import json
import textwrap
from dataclasses import fields, replace
from typing import Any

from ..errors import ClvsError
from ..methods import METHODS, Method, Target, load_method, spec
from ..methods.settings import schema, unset
from ..models.registry import ModelCard, card_for
from ..text import line

_WIDE = 110


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser(
        "methods",
        help="list the methods, their settings, and whether they run on a model",
        epilog="Layers are counted from 0 here, as in method settings.",
    )
    parser.add_argument("--model", metavar="NAME", help="say what runs on it, and with what its card recommends")
    parser.add_argument("--file", action="append", default=[], metavar="FILE.py", help="a method of your own, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the list")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    card = card_for(options.model) if options.model else None
    layers = _depth(card) if card else None
    try:
        for file in options.file:
            load_method(file)
        reports = [_method_report(cls, card, layers) for cls in METHODS.values()]
    except ValueError as error:  # of a file with a method of one's own
        raise ClvsError(str(error)) from error
    if options.json:
        print(json.dumps({"model": card.name if card else None, "layers": layers, "methods": reports}, indent=1))
        return
    print("\n\n".join("\n".join(_method_lines(report, card)) for report in reports))


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
    facts = {**about, "stage": cls.stage, "rows": cls.rows}
    if card is None:
        return {**facts, "runs": None, "reason": "", "recommended": None, "note": ""}
    return {
        **facts,
        "runs": not reason,
        "reason": reason,
        "recommended": None if reason else _recommended_settings(cls, card),
        "note": card.method_notes.get(cls.name, ""),
    }


def _recommended_settings(cls: type[Method], card: ModelCard) -> str:
    """The spec with what the card sets otherwise than the method; what only a card can know stays left out."""
    only_known: dict[str, Any] = {f.name: None for f in fields(cls) if f.default is None}
    return spec(replace(unset(cls).filled(Target.of(card)), **only_known))


def _method_lines(report: dict[str, Any], card: ModelCard | None) -> list[str]:
    """A heading, the summary, a line a setting, and what a model has to do with it."""
    lines = [f"{report['name']:<9}{line(report['label'])}  {line(report['paper'])}".rstrip()]
    lines += _wrapped(line(report["summary"]), " " * 9, " " * 9)
    for entry in report["fields"]:
        value = "by the model" if entry["value"] is None else _shown(entry["value"])
        about = f"{line(entry['about'])} {_range(entry)}".strip()
        lines += _wrapped(f"{entry['name']} = {value}{'.' if about else ''} {about}", " " * 9 + "- ", " " * 11)
    if card is not None:
        how, why = ("On", report["recommended"]) if report["runs"] else ("Not on", report["reason"])
        lines += _wrapped(line(f"{how} {card.label}: {why} {report['note']}"), " " * 9, " " * 11)
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
