"""The commands `find-sinks` and `find-heads`: what VAR and AD-HH need to know of a model."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import key_objects as ko
from ..analysis import heads as ranking
from ..analysis import sinks as searching
from ..bundled import ASSETS
from ..engine.model import Model
from ..errors import ClvsError
from ..files import write_whole
from ..methods import ADHH, spec
from ..models import prompts
from ..models.geometry.grids import Views
from ..pictures import read_picture
from ..terminal import progress, say
from ..text import line
from .options import add_model, add_prompt, load, positive, whole

SCENES = ASSETS / "scenes"
PICTURES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_PLACES = 6  # tokens of a picture whose place is printed
_KEPT = 64 << 20  # bytes of pictures kept: each is looked at a few times in a row, then never again
EARLY = 4  # the first quarter of the layers counts as early; the published lists have hardly a head there
_CAPTIONS = """\
A captions file has one JSON object a line:
  {"image": "a.jpg", "caption": "A dog on a bench.", "hallucinated": ["bench"], "grounded": ["dog"]}
or {"image_id": 310196, "caption": ...} as CHAIR and OPERA write it, the id being one of --coco-annotations.
"image" is a file in --images, words are those of the caption. Lines without both lists are judged by
--coco-annotations: words for COCO's 80 categories (synonyms and plurals, too) are grounded where the picture has a mask
of that category, else hallucinated. Without a captions file the model describes the pictures itself.
"""


def add(commands: Any) -> None:
    """Adds both commands to argparse's subparsers."""
    sinks = commands.add_parser("find-sinks", help="find the dimensions in which a model's sink tokens are large (VAR)")
    add_model(sinks)
    add_prompt(sinks)
    sinks.add_argument(
        "--images",
        nargs="+",
        metavar="FILE_OR_DIR",
        default=[str(SCENES)],
        help="pictures to look at (default: the bundled scenes)",
    )
    sinks.add_argument("--question", default=searching.QUESTION, metavar="TEXT", help="default: %(default)s")
    sinks.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    sinks.set_defaults(run=_find_sinks)

    heads = commands.add_parser(
        "find-heads",
        help="rank the heads that argue for hallucinated words (AD-HH)",
        epilog=_CAPTIONS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(heads)
    add_prompt(heads)
    heads.add_argument("--captions", metavar="FILE.jsonl", help="captions of such a model (default: its own, made now)")
    heads.add_argument(
        "--images", metavar="DIR", default=str(SCENES), help="the pictures (default: the bundled scenes)"
    )
    heads.add_argument(
        "--coco-annotations",
        metavar="FILE",
        help="COCO instances of the pictures (default: instances.json in --images or beside it)",
    )
    heads.add_argument("--question", default=ranking.QUESTION, metavar="TEXT", help="default: %(default)s")
    heads.add_argument(
        "--max-new-tokens",
        type=positive,
        default=ranking.LONGEST,
        metavar="N",
        help="of a caption made now (default: %(default)s)",
    )
    heads.add_argument("--top", type=positive, default=20, metavar="K", help="heads in the list (default: %(default)s)")
    heads.add_argument(
        "--first-layer",
        type=whole,
        default=0,
        metavar="LAYER",
        help="leave the layers before this one (0-based) out of the list: early heads may rank high because they read "
        "the question, and the published lists are of the middle and last layers (default: %(default)s)",
    )
    heads.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    heads.add_argument("--out", metavar="FILE", help="also write that JSON object to a file, with the captions used")
    heads.set_defaults(run=_find_heads)


def _model(options: argparse.Namespace) -> Model:
    model = load(options)
    model.cache.budget = min(model.cache.budget, _KEPT)
    return model


def _check_question(options: argparse.Namespace) -> None:
    """A slip costs no model."""
    prompts.checked_question(options.question)
    prompts.parse(options.prompt)


def _pictures(places: Sequence[str]) -> list[Path]:
    """Files as they are given, and the pictures of folders by name."""
    found: list[Path] = []
    for place in map(Path, places):
        if os.path.isdir(place):
            inside = sorted(path for path in place.iterdir() if path.suffix.lower() in PICTURES)
            if not inside:
                raise ClvsError(f"There are no pictures in {place}; give another folder.")
            found += inside
        else:
            read_picture(place)
            found.append(place)
    return found


# --- find-sinks -------------------------------------------------------------------------------------------------


def _find_sinks(options: argparse.Namespace) -> None:
    _check_question(options)
    pictures = _pictures(options.images)
    names = [path.name for path in pictures]
    found = searching.find_sinks(
        _model(options), pictures, options.question, names, options.prompt, progress("Looked", every=10)
    )
    print(json.dumps(_sinks_report(found), indent=1, allow_nan=False) if options.json else _sinks_table(found))


def _sinks_report(found: searching.SinkReport) -> dict[str, Any]:
    """Layers from 0; a picture's tokens are those that are sinks in at least half of VAR's layers."""
    return {
        "model": found.model,
        "question": found.question,
        "hidden": found.hidden,
        "massive": found.massive,
        "dims": list(found.dims),
        "tau": found.tau,
        "spec": found.spec,
        "reason": _why_tau(found),
        "dimensions": [asdict(one) for one in found.candidates],
        "sinks_per_layer": found.per_layer.tolist(),
        "share": found.share,
        "attention": found.attention if math.isfinite(found.attention) else None,
        "pictures": [
            {
                "name": one.name,
                "visual": one.sinks.shape[1],
                "sinks": one.sinks.sum(1).tolist(),
                "tokens": [{"token": token, "box": list(box)} for token, box in one.boxes()],
            }
            for one in found.pictures
        ],
    }


def _sinks_table(found: searching.SinkReport) -> str:
    layers = len(found.per_layer)
    lines = [
        f"Model       {line(found.label)}: {layers} layers, states of {found.hidden} dimensions",
        f"Pictures    {len(found.pictures)}, asked: {line(found.question)}",
        "",
        *_verdict(found),
        "",
        "dimension  before picture   energy  x median  visual, most  typical  massive",
    ]
    for one in found.candidates:
        mark = " *" if one.dimension in found.dims else ""
        lines.append(
            f"{one.dimension:>9}{one.first:>16.2f}{one.energy:>9.1%}{one.medians:>10.1f}{one.visual:>14.2f}"
            f"{one.typical:>9.2f}{one.often:>9.0%}{mark}"
        )
    lines += [
        "Sizes in units of a state's root mean square, medians over pictures and layers; massive: in how many of them; "
        "* used",
        "",
        "Visual tokens flagged, by layer (mean of a picture): "
        + " ".join(f"{number:.1f}" for number in found.per_layer),
    ]
    if math.isfinite(found.attention):
        lines.append(
            f"They get {found.attention:.1f} times as much of the last prompt token's attention as other visual tokens."
        )
    lines += ["", *map(_where, found.pictures), "", _why_tau(found), found.spec]
    return "\n".join(lines)


def _verdict(found: searching.SinkReport) -> list[str]:
    if found.massive:
        where = " and ".join(map(str, found.dims))
        return [f"Massive activations: dimension{'s' if len(found.dims) > 1 else ''} {where}."]
    largest = max(found.candidates, key=lambda one: one.first)
    return [
        "This model has no massive activations, so that VAR has no sinks to find by them: the largest dimension on a "
        f"token before the picture, {largest.dimension}, holds {largest.energy:.1%} of the state's energy and is "
        f"{largest.medians:.0f} times its median dimension ({searching.ENERGY:.1%} and {searching.MEDIANS:.0f} are "
        "looked for).",
    ]


def _why_tau(found: searching.SinkReport) -> str:
    """One sentence on the threshold."""
    if not found.massive:
        return (
            "Only to see how VAR works: a dimension that stands out on single visual tokens, and a threshold that "
            f"flags {found.share:.1%} of them (no dimension can be larger than {found.reach:.1f} in {found.hidden}):"
        )
    if found.tau == searching.TAU:
        return f"The published threshold, {searching.TAU:g}, fits:"
    return (
        f"The published threshold, {searching.TAU:g}, is out of reach or nearly so in {found.hidden} dimensions (none "
        f"can be larger than {found.reach:.1f}); {found.tau:g} stands for the same share of a state's energy, "
        f"{searching.ENERGY:.1%}:"
    )


def _where(one: searching.Flagged) -> str:
    """ "savanna.jpg: 2 of 144 tokens, at 12 % 88 %, 5 % 5 %": centres from the left and the top."""
    boxes = one.boxes()
    places = [_centre(box, one.views) for _, box in boxes[:_PLACES]]
    more = f" and {len(boxes) - _PLACES} more" if len(boxes) > _PLACES else ""
    where = f", at {', '.join(places)}{more}" if boxes else ""
    return f"{line(one.name)}: {len(boxes)} of {one.views.visual} tokens are sinks in half of the layers{where}"


def _centre(box: Sequence[float], views: Views) -> str:
    x, y = (box[0] + box[2]) / 2 / views.width, (box[1] + box[3]) / 2 / views.height
    return f"{x:.0%} right {y:.0%} down"


# --- find-heads -------------------------------------------------------------------------------------------------


def _find_heads(options: argparse.Namespace) -> None:
    _check_question(options)
    folder = Path(options.images)
    if not os.path.isdir(folder):
        raise ClvsError(f"{folder} is not a folder; give --images the folder of the pictures.")
    coco = _annotations(options, folder)
    given = ranking.read_captions(options.captions, folder, coco) if options.captions else None
    pictures = [] if given is not None else _pictures([options.images])
    if given is None and coco is None:
        raise ClvsError(
            "Nothing says what the pictures show; give --coco-annotations, or --captions that list hallucinated words."
        )
    model = _model(options)
    captions = given if given is not None else _described(options, model, pictures, coco)
    say(f"{sum(bool(one.hallucinated) for one in captions)} of {len(captions)} captions have a hallucinated word.")
    found = ranking.find_heads(model, captions, options.question, options.prompt, progress("Ranked by"))
    listed = found.top(options.top, options.first_layer)
    report = _heads_report(found, listed)
    if options.out:
        _write(Path(options.out), {**report, "used": [_caption(one) for one in captions if one.hallucinated]})
    print(json.dumps(report, indent=1, allow_nan=False) if options.json else _heads_table(found, listed))


def _annotations(options: argparse.Namespace, folder: Path) -> ko.CocoInstances | None:
    places = [Path(options.coco_annotations)] if options.coco_annotations else []
    places = places or [
        path for path in (folder / "instances.json", folder.parent / "instances.json") if path.is_file()
    ]
    return ko.CocoInstances(places[0]) if places else None


def _described(
    options: argparse.Namespace, model: Model, pictures: Sequence[Path], coco: ko.CocoInstances | None
) -> list[ranking.Caption]:
    """The model's own captions of the annotated pictures."""
    known = [path for path in pictures if coco is not None and path.name in coco]
    if not known or coco is None:
        raise ClvsError("None of the pictures is in the annotations; give those that belong to them.")
    if len(known) < len(pictures):
        say(f"{len(pictures) - len(known)} pictures are left out: {coco.path.name} does not know them.")

    def objects(path: Path) -> list[str]:
        return [item.name for item in coco.find(path.name)]

    given = model, known, objects, options.question, options.prompt, options.max_new_tokens
    return list(ranking.describe(*given, progress("Described", every=50)))


Heads = Sequence[tuple[int, int]]


def _heads_report(found: ranking.HeadReport, listed: Heads) -> dict[str, Any]:
    """Layers and heads from 0; arrays are [layer][head]."""
    return {
        "model": found.model,
        "question": found.question,
        "prompt": found.prompt,
        "captions": {"read": found.read, "used": found.captions},
        "words": {"hallucinated": found.words[0], "grounded": found.words[1]},
        "halves": found.halves if math.isfinite(found.halves) else None,
        "heads": [list(pair) for pair in listed],
        "spec": _spec(listed),
        "scores": found.scores.tolist(),
        "errors": found.error.tolist(),
        "hallucinated": found.hallucinated.tolist(),
        "grounded": found.grounded.tolist(),
    }


def _caption(one: ranking.Caption) -> dict[str, Any]:
    """As a captions file has it."""
    said, seen = (list(dict.fromkeys(one.words(spans))) for spans in (one.hallucinated, one.grounded))
    return {"image": Path(one.picture).name, "caption": one.text, "hallucinated": said, "grounded": seen}


def _spec(listed: Heads) -> str | None:
    return spec(ADHH(heads=tuple(listed))) if listed else None


def _heads_table(found: ranking.HeadReport, listed: Heads) -> str:
    lines = [
        f"Model     {line(found.model)}, asked: {line(found.question)}",
        f"Captions  {found.captions} of {found.read} with hallucinations: {found.words[0]} hallucinated and "
        f"{found.words[1]} grounded words",
        "",
        f"{'layer-head':>10}{'score':>10}{'+/-':>9}{'hallucinated':>14}{'grounded':>10}",
    ]
    for layer, head in listed:
        at = layer, head
        lines.append(
            f"{f'{layer}-{head}':>10}{found.scores[at]:>10.4f}{found.error[at]:>9.4f}{found.hallucinated[at]:>14.4f}"
            f"{found.grounded[at]:>10.4f}"
        )
    lines += [
        "By how much a word's probability falls without the head: mean over hallucinated words less mean over grounded "
        "ones; layers and heads from 0; +/- standard error",
        *_trust(found, listed),
        "",
        _spec(listed) or "No head argues more for hallucinated words than for grounded ones.",
    ]
    return "\n".join(lines)


def _trust(found: ranking.HeadReport, listed: Heads) -> list[str]:
    """How far the order is chance, and what a list with early heads may do."""
    lines = ["There are too few captions to tell how far the order is chance."]
    if math.isfinite(found.halves):
        lines = [f"Scores from one half of the captions correlate with those from the other by {found.halves:.2f}."]
    if any(layer < len(found.scores) // EARLY for layer, _ in listed):
        lines.append(
            "Some of these heads are in the first layers, where heads may only read the question: try the list on "
            "questions with known answers, or leave those layers out with --first-layer."
        )
    return lines


def _write(path: Path, report: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(report, indent=1, allow_nan=False))
    except OSError as error:
        raise ClvsError(f"{path} cannot be written ({error.strerror}); choose another --out.") from error
