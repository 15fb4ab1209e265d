"""The command `ask`: answers, and attention and uncertainty layer by layer, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
from typing import Any

from PIL import Image

from .. import results
from ..engine.images import EncodedImage
from ..errors import ClvsError
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
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    choose.check_token(options)
    picture = choose.picture(options)
    objects = choose.key_objects(options, options.question, picture.size)
    image, runs = answer(options, picture)
    longest = max(len(run.tokens) for run in runs)
    if options.token > longest:
        raise ClvsError(f"There is no token {options.token}; the longest answer has {longest}.")
    key = choose.key(objects, image.views)
    report = results.report(image, options.image, options.question, options.prompt, runs, key)
    print(json.dumps(report, indent=1, allow_nan=False) if options.json else table(report, options.token - 1))


def answer(options: argparse.Namespace, picture: Image.Image) -> tuple[EncodedImage, list[Any]]:
    """Loads the model, opens the picture and answers with every method: the picture and its runs."""
    model = load(options)
    unknown = model.unknown_words(options.question, options.prompt)
    if unknown:
        say(f"{model.card.label} does not know: {', '.join(unknown)}")
    say("Looking at the picture ...")
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


def _quoted(text: str) -> str:
    return json.dumps(line(text), ensure_ascii=False) if text else "(end)"
