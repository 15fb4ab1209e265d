"""The command `models`: which models there are, the memory they need, and what fits here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..loading import check_device
from ..models import memory
from ..models.recommend import Recommendation, measure, recommend
from ..models.registry import CARDS, ModelCard
from ..text import line

_SHOWN = ("float32", "bfloat16", "8bit", "4bit")


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser("models", help="list the models, the memory they need, and what fits here")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or balanced")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    check_device(options.device)
    places = memory.places(options.device)
    best = _recommended(options.device)
    cards = [_card_report(card, options.device) for card in CARDS.values()]
    if options.json:
        machine = [{"device": p.device, "name": p.label, "free": p.free, "total": p.total} for p in places]
        recommended = best and {"name": best.card.name, "seconds": best.seconds, "reason": best.reason}
        print(json.dumps({"machine": machine, "recommended": recommended, "models": cards}, indent=1))
        return
    for place in places:
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
    places, kept = memory.places(device), memory.precision("auto", device, None)
    where = max(places, key=lambda place: place.total).device
    return recommend(places, CARDS.values(), kept, lambda: measure(where, kept))


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
