"""The command `find-sinks`: the dimensions in which a model's sink tokens are large, which VAR needs to know."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..analysis import sinks as searching
from ..models.geometry.grids import Views
from ..terminal import progress
from ..text import line
from . import choose
from .options import add_model, add_prompt, load_for_many

_PLACES = 6  # tokens of a picture whose place is printed


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser(
        "find-sinks", help="find the dimensions in which a model's sink tokens are large (VAR)"
    )
    add_model(parser)
    add_prompt(parser)
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="FILE_OR_DIR",
        default=[str(choose.SCENES)],
        help="pictures to look at (default: the bundled scenes)",
    )
    parser.add_argument("--question", default=searching.QUESTION, metavar="TEXT", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    choose.check_question(options)
    pictures = choose.pictures(options.images)
    names = [path.name for path in pictures]
    sinks = searching.find_sinks(
        load_for_many(options), pictures, options.question, names, options.prompt, progress("Looked", every=10)
    )
    print(json.dumps(_report(sinks), indent=1, allow_nan=False) if options.json else _table(sinks))


def _report(sinks: searching.SinkReport) -> dict[str, Any]:
    """Layers from 0; a picture's tokens are those that are sinks in at least half of VAR's layers."""
    return {
        "model": sinks.model,
        "question": sinks.question,
        "hidden": sinks.hidden,
        "massive": sinks.massive,
        "dims": list(sinks.dims),
        "tau": sinks.tau,
        "spec": sinks.spec,
        "reason": _why_tau(sinks),
        "dimensions": [asdict(entry) for entry in sinks.candidates],
        "sinks_per_layer": sinks.per_layer.tolist(),
        "share": sinks.share,
        "attention": sinks.attention if math.isfinite(sinks.attention) else None,
        "pictures": [
            {
                "name": entry.name,
                "visual": entry.sinks.shape[1],
                "sinks": entry.sinks.sum(1).tolist(),
                "tokens": [{"token": token, "box": list(box)} for token, box in entry.boxes()],
            }
            for entry in sinks.pictures
        ],
    }


def _table(sinks: searching.SinkReport) -> str:
    layers = len(sinks.per_layer)
    lines = [
        f"Model       {line(sinks.label)}: {layers} layers, states of {sinks.hidden} dimensions",
        f"Pictures    {len(sinks.pictures)}, asked: {line(sinks.question)}",
        "",
        *_verdict(sinks),
        "",
        "dimension  before picture   energy  x median  visual, most  typical  massive",
    ]
    for candidate in sinks.candidates:
        mark = " *" if candidate.dimension in sinks.dims else ""
        lines.append(
            f"{candidate.dimension:>9}{candidate.first:>16.2f}{candidate.energy:>9.1%}{candidate.medians:>10.1f}{candidate.visual:>14.2f}"
            f"{candidate.typical:>9.2f}{candidate.often:>9.0%}{mark}"
        )
    lines += [
        "Sizes in units of a state's root mean square, medians over pictures and layers; massive: in how many of them; "
        "* used",
        "",
        "Visual tokens flagged, by layer (mean of a picture): "
        + " ".join(f"{number:.1f}" for number in sinks.per_layer),
    ]
    if math.isfinite(sinks.attention):
        lines.append(
            f"They get {sinks.attention:.1f} times as much of the last prompt token's attention as other visual tokens."
        )
    lines += ["", *map(_where, sinks.pictures), "", _why_tau(sinks), sinks.spec]
    return "\n".join(lines)


def _verdict(sinks: searching.SinkReport) -> list[str]:
    if sinks.massive:
        where = " and ".join(map(str, sinks.dims))
        return [f"Massive activations: dimension{'s' if len(sinks.dims) > 1 else ''} {where}."]
    largest = max(sinks.candidates, key=lambda candidate: candidate.first)
    return [
        "This model has no massive activations, so that VAR has no sinks to find by them: the largest dimension on a "
        f"token before the picture, {largest.dimension}, holds {largest.energy:.1%} of the state's energy and is "
        f"{largest.medians:.0f} times its median dimension ({searching.ENERGY:.1%} and {searching.MEDIANS:.0f} are "
        "looked for).",
    ]


def _why_tau(sinks: searching.SinkReport) -> str:
    """One sentence on the threshold."""
    if not sinks.massive:
        return (
            "Only to see how VAR works: a dimension that stands out on single visual tokens, and a threshold that "
            f"flags {sinks.share:.1%} of them (no dimension can be larger than {sinks.reach:.1f} in {sinks.hidden}):"
        )
    if sinks.tau == searching.TAU:
        return f"The published threshold, {searching.TAU:g}, fits:"
    return (
        f"The published threshold, {searching.TAU:g}, is out of reach or nearly so in {sinks.hidden} dimensions (none "
        f"can be larger than {sinks.reach:.1f}); {sinks.tau:g} stands for the same share of a state's energy, "
        f"{searching.ENERGY:.1%}:"
    )


def _where(picture: searching.Flagged) -> str:
    """ "savanna.jpg: 2 of 144 tokens, at 12 % 88 %, 5 % 5 %": centres from the left and the top."""
    boxes = picture.boxes()
    places = [_centre(box, picture.views) for _, box in boxes[:_PLACES]]
    more = f" and {len(boxes) - _PLACES} more" if len(boxes) > _PLACES else ""
    where = f", at {', '.join(places)}{more}" if boxes else ""
    return f"{line(picture.name)}: {len(boxes)} of {picture.views.visual} tokens are sinks in half of the layers{where}"


def _centre(box: Sequence[float], views: Views) -> str:
    x, y = (box[0] + box[2]) / 2 / views.width, (box[1] + box[3]) / 2 / views.height
    return f"{x:.0%} right {y:.0%} down"
