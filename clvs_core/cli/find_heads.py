"""The command `find-heads`: the heads that argue for hallucinated words, of which AD-HH needs a list."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import key_objects as ko
from ..analysis import heads as ranking
from ..engine.model import Model
from ..errors import ClvsError
from ..files import write_whole
from ..methods import ADHH, spec
from ..terminal import progress, say
from ..text import line
from . import choose
from .options import add_model, add_prompt, load_for_many, positive, whole, write

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
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser(
        "find-heads",
        help="rank the heads that argue for hallucinated words (AD-HH)",
        epilog=_CAPTIONS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    add_prompt(parser)
    parser.add_argument(
        "--captions", metavar="FILE.jsonl", help="captions of such a model (default: its own, made now)"
    )
    parser.add_argument(
        "--images", metavar="DIR", default=str(choose.SCENES), help="the pictures (default: the bundled scenes)"
    )
    parser.add_argument(
        "--coco-annotations",
        metavar="FILE",
        help="COCO instances of the pictures (default: instances.json in --images or beside it)",
    )
    parser.add_argument("--question", default=ranking.QUESTION, metavar="TEXT", help="default: %(default)s")
    parser.add_argument(
        "--max-new-tokens",
        type=positive,
        default=ranking.LONGEST,
        metavar="N",
        help="of a caption made now (default: %(default)s)",
    )
    parser.add_argument(
        "--top", type=positive, default=20, metavar="K", help="heads in the list (default: %(default)s)"
    )
    parser.add_argument(
        "--first-layer",
        type=whole,
        default=0,
        metavar="LAYER",
        help="leave the layers before this one (0-based) out of the list: early heads may rank high because they read "
        "the question, and the published lists are of the middle and last layers (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--out", metavar="FILE", help="also write that JSON object to a file, with the captions used")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    choose.check_question(options)
    folder = Path(options.images)
    if not os.path.isdir(folder):
        raise ClvsError(f"{folder} is not a folder; give --images the folder of the pictures.")
    coco = _annotations(options, folder)
    read = ranking.read_captions(options.captions, folder, coco) if options.captions else None
    pictures = [] if read is not None else choose.pictures([options.images])
    if read is None and coco is None:
        raise ClvsError(
            "Nothing says what the pictures show; give --coco-annotations, or --captions that list hallucinated words."
        )
    model = load_for_many(options)
    captions = read if read is not None else _described(options, model, pictures, coco)
    used = [caption for caption in captions if caption.hallucinated]
    say(f"{len(used)} of {len(captions)} captions have a hallucinated word.")
    ranked = ranking.find_heads(model, captions, options.question, options.prompt, progress("Ranked by"))
    listed = ranked.top(options.top, options.first_layer)
    report = _report(ranked, listed)
    if options.out:
        full = {**report, "used": list(map(_caption, used))}
        write(Path(options.out), lambda path: write_whole(path, json.dumps(full, indent=1, allow_nan=False)))
    print(json.dumps(report, indent=1, allow_nan=False) if options.json else _table(ranked, listed))


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
    annotated = [path for path in pictures if coco is not None and path.name in coco]
    if not annotated or coco is None:
        raise ClvsError("None of the pictures is in the annotations; give those that belong to them.")
    if len(annotated) < len(pictures):
        say(f"{len(pictures) - len(annotated)} pictures are left out: {coco.path.name} does not know them.")

    def objects(path: Path) -> list[str]:
        return [item.name for item in coco.find(path.name)]

    asked = model, annotated, objects, options.question, options.prompt, options.max_new_tokens
    return list(ranking.describe(*asked, progress("Described", every=50)))


Heads = Sequence[tuple[int, int]]


def _report(ranked: ranking.HeadReport, listed: Heads) -> dict[str, Any]:
    """Layers and heads from 0; arrays are [layer][head]."""
    return {
        "model": ranked.model,
        "question": ranked.question,
        "prompt": ranked.prompt,
        "captions": {"read": ranked.read, "used": ranked.captions},
        "words": {"hallucinated": ranked.words[0], "grounded": ranked.words[1]},
        "halves": ranked.halves if math.isfinite(ranked.halves) else None,
        "heads": [list(pair) for pair in listed],
        "spec": _spec(listed),
        "scores": ranked.scores.tolist(),
        "errors": ranked.error.tolist(),
        "hallucinated": ranked.hallucinated.tolist(),
        "grounded": ranked.grounded.tolist(),
    }


def _caption(caption: ranking.Caption) -> dict[str, Any]:
    """As a captions file has it."""
    said, seen = (list(dict.fromkeys(caption.words(spans))) for spans in (caption.hallucinated, caption.grounded))
    return {"image": Path(caption.picture).name, "caption": caption.text, "hallucinated": said, "grounded": seen}


def _spec(listed: Heads) -> str | None:
    return spec(ADHH(heads=tuple(listed))) if listed else None


def _table(ranked: ranking.HeadReport, listed: Heads) -> str:
    lines = [
        f"Model     {line(ranked.model)}, asked: {line(ranked.question)}",
        f"Captions  {ranked.captions} of {ranked.read} with hallucinations: {ranked.words[0]} hallucinated and "
        f"{ranked.words[1]} grounded words",
        "",
        f"{'layer-head':>10}{'score':>10}{'+/-':>9}{'hallucinated':>14}{'grounded':>10}",
    ]
    for layer, head in listed:
        at = layer, head
        lines.append(
            f"{f'{layer}-{head}':>10}{ranked.scores[at]:>10.4f}{ranked.error[at]:>9.4f}{ranked.hallucinated[at]:>14.4f}"
            f"{ranked.grounded[at]:>10.4f}"
        )
    lines += [
        "By how much a word's probability falls without the head: mean over hallucinated words less mean over grounded "
        "ones; layers and heads from 0; +/- standard error",
        *_trust(ranked, listed),
        "",
        _spec(listed) or "No head argues more for hallucinated words than for grounded ones.",
    ]
    return "\n".join(lines)


def _trust(ranked: ranking.HeadReport, listed: Heads) -> list[str]:
    """How far the order is chance, and what a list with early heads may do."""
    lines = ["There are too few captions to tell how far the order is chance."]
    if math.isfinite(ranked.halves):
        lines = [f"Scores from one half of the captions correlate with those from the other by {ranked.halves:.2f}."]
    if any(layer < len(ranked.scores) // EARLY for layer, _ in listed):
        lines.append(
            "Some of these heads are in the first layers, where heads may only read the question: try the list on "
            "questions with known answers, or leave those layers out with --first-layer."
        )
    return lines
