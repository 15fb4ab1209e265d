"""The command `ask`: answers, and attention and uncertainty layer by layer, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from .. import results
from ..engine.images import EncodedImage
from ..engine.model import Model
from ..errors import ClvsError
from ..hiding import FILLS, hide
from ..key_objects import KeyObject
from ..terminal import say
from ..text import line
from . import choose
from .ask_table import table
from .options import load

COUNTS = (
    "Layers are counted from 1 in the table and in figures, from 0 in --json, in .npz files and in method settings "
    "such as first_check."
)


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser(
        "ask", help="print answers, and attention and uncertainty layer by layer", epilog=COUNTS
    )
    choose.add_question(parser, required=True)
    choose.add_objects(parser)
    choose.add_token(parser)
    parser.add_argument(
        "--hide",
        choices=FILLS,
        metavar="FILL",
        help="hide the key objects in the picture and ask again: mean (one colour), blur, or background (the colours "
        "around them)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    choose.check_token(options)
    picture = choose.picture(options)
    objects = choose.key_objects(options, options.question, picture.size)
    if options.hide and not objects:
        raise ClvsError("There is nothing to hide; give --object or --box.")
    model = _loaded(options)
    image, runs = _asked(options, model, picture)
    report = _report(options, image, runs, objects)
    if options.hide:
        say(f"Asking again with {_names(objects)} hidden ...")
        altered = hide(picture, np.logical_or.reduce([item.mask for item in objects]), options.hide)
        report["hidden"] = {"fill": options.hide, **_report(options, *_asked(options, model, altered), objects)}
    print(json.dumps(report, indent=1, allow_nan=False) if options.json else _tables(report, options, objects))


def answer(options: argparse.Namespace, picture: Image.Image) -> tuple[EncodedImage, list[Any]]:
    """Loads the model, opens the picture and answers with every method: the picture and its runs."""
    return _asked(options, _loaded(options), picture)


def _loaded(options: argparse.Namespace) -> Model:
    model = load(options)
    unknown = model.unknown_words(options.question, options.prompt)
    if unknown:
        say(f"{model.card.label} does not know: {', '.join(unknown)}")
    say("Looking at the picture ...")
    return model


def _asked(options: argparse.Namespace, model: Model, picture: Image.Image) -> tuple[EncodedImage, list[Any]]:
    image = model.open_image(picture, options.prompt)
    if notice := image.views.notice():
        say(f"{notice}.")
    try:
        stream = image.stream(
            options.question, choose.chosen_methods(options), options.max_new_tokens, lens=True, prompt=options.prompt
        )
    except ClvsError:
        raise
    except ValueError as error:  # a setting that this model cannot take
        raise ClvsError(str(error)) from error
    runs: list[Any] = []
    for step in stream:
        runs = step.runs
        pieces = ["-" if token is None else _quoted(token.text) for token in step.tokens]
        say(f"Token {step.index + 1}: {' | '.join(pieces)}")
    return image, runs


def _report(
    options: argparse.Namespace, image: EncodedImage, runs: list[Any], objects: Sequence[KeyObject]
) -> dict[str, Any]:
    longest = max(len(run.tokens) for run in runs)
    if options.token > longest:
        raise ClvsError(f"There is no token {options.token}; the longest answer has {longest}.")
    key = choose.key(objects, image.views)
    return results.report(image, options.image, options.question, options.prompt, runs, key)


def _tables(report: dict[str, Any], options: argparse.Namespace, objects: Sequence[KeyObject]) -> str:
    told = table(report, options.token - 1)
    if "hidden" not in report:
        return told
    again = table(report["hidden"], options.token - 1)
    return f"{told}\n\nWith {_names(objects)} hidden ({options.hide})\n\n{again}"


def _names(objects: Sequence[KeyObject]) -> str:
    return ", ".join(line(item.name) for item in objects)


def _quoted(text: str) -> str:
    return json.dumps(line(text), ensure_ascii=False) if text else "(end)"
