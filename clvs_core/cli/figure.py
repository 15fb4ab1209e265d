"""The command `figure`: heat maps, curves or uncertainty, from traces or by asking a question."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import key_objects as ko
from ..drawing import part_of_viz
from ..errors import ClvsError
from ..pictures import read_picture
from ..terminal import notes
from ..trace import Trace
from . import choose
from .ask import answer
from .options import write


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser("figure", help="draw a figure, from traces or by asking a question")
    parser.add_argument("traces", nargs="*", metavar="TRACE.npz", help="traces of one question, one a method")
    choose.add_question(parser, required=False)
    choose.add_objects(parser)
    choose.add_token(parser)
    kinds = ("heatmaps", "curves", "uncertainty")
    parser.add_argument("--kind", choices=kinds, default="heatmaps", help="what is drawn (default: %(default)s)")
    parser.add_argument("--layers", type=_layers, help="layers of the heat maps, from 1, e.g. 1,4,8-12")
    parser.add_argument("--out", required=True, metavar="FILE", help="what to write: .png, .svg or .pdf")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if bool(options.traces) == bool(options.question):
        raise ClvsError("A figure is drawn either from trace files or from --image and --question; give one of them.")
    if not options.image and (options.question or options.kind == "heatmaps"):
        raise ClvsError("The picture is needed too; give --image.")
    figures = part_of_viz("figures")
    out = Path(options.out)
    if out.suffix.lower().removeprefix(".") not in figures.FORMATS:
        raise ClvsError(f"{out.name} must end in .{', .'.join(figures.FORMATS)}.")
    traces, chosen = _recorded(options) if options.traces else _asked(options)
    traces.sort(key=lambda trace: str(trace.meta.get("method")) != "vanilla")  # the reference comes first
    try:
        figure = _draw(figures, options, traces, chosen)
    except ClvsError:
        raise
    except ValueError as error:
        raise ClvsError(str(error)) from error
    with notes(part_of_viz("figures.fonts").FontWarning):
        write(out, lambda path: figures.save(figure, path))
    print(out)


def _layers(text: str) -> list[int]:
    """ "1,4,8-10" -> [0, 3, 7, 8, 9]"""
    layers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part)
        if not match or int(match[1]) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of layers such as 1,4,8-12")
        layers += range(int(match[1]) - 1, int(match[2] or match[1]))
    return layers


def _recorded(options: argparse.Namespace) -> tuple[list[Trace], list[ko.KeyObject]]:
    """Traces from files, and the key objects of their question."""
    traces = [Trace.load(path) for path in options.traces]
    views = traces[0].views
    return traces, _wanted(options, str(traces[0].meta.get("question", "")), (views.width, views.height))


def _asked(options: argparse.Namespace) -> tuple[list[Trace], list[ko.KeyObject]]:
    """Traces of a question that is asked now, and its key objects."""
    choose.check_token(options)
    picture = choose.picture(options)
    chosen = _wanted(options, options.question, picture.size)
    return [run.trace for run in answer(options, picture)[1]], chosen


def _wanted(options: argparse.Namespace, question: str, size: tuple[int, int]) -> list[ko.KeyObject]:
    if options.kind == "uncertainty":
        return []
    chosen = choose.key_objects(options, question, size)
    if options.kind == "curves" and not chosen:
        raise ClvsError("The curves need a key object; give --object, --box or --coco-annotations.")
    return chosen


def _draw(figures: Any, options: argparse.Namespace, traces: Sequence[Trace], chosen: Sequence[ko.KeyObject]) -> Any:
    step = options.token - 1
    if options.kind == "uncertainty":
        return figures.uncertainty(traces, step=step)
    key = choose.key(chosen, traces[0].views)
    if options.kind == "heatmaps":
        picture = read_picture(options.image)
        outline = key.mask if key else None
        return figures.heatmaps(picture, traces, step=step, layers=options.layers, outline=outline)
    assert key is not None  # _wanted saw to it
    curves = ko.object_curves(traces, key.coverage)
    gains, attention = ko.gains(curves, step), [curve.attention for curve in curves]
    name = " and ".join(f"the {name}" for name in key.names)
    return figures.curves(traces, attention, gains=gains, step=step, name=name)
