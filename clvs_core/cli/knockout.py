"""The command `knockout`: what is left of an answer when an object is hidden, layer by layer, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .. import results
from ..analysis.knockout import Survival, layers_that_matter, mean_survival, survivals, who_reads
from ..drawing import part_of_viz
from ..engine.images import EncodedImage
from ..engine.knockout import ROWS, THRESHOLD, Knockout
from ..errors import ClvsError, ImageError
from ..methods import Method, spec
from ..pictures import read_picture
from ..terminal import notes, say
from ..text import line
from . import choose
from .options import load, positive, whole, write

DEFAULT_ROWS = ("word", "both")  # one alone would mislead: some models read by the question's words


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser(
        "knockout", help="hide an object layer by layer, and see how much of the answer is left"
    )
    choose.add_question(parser, required=True)
    choose.add_objects(parser)
    choose.add_token(parser)
    parser.add_argument("--mask", metavar="FILE", help="what to hide: where this picture is brighter than half")
    parser.add_argument(
        "--rows",
        action="append",
        choices=ROWS,
        help="from what it is hidden: the word being written, the question's words, or both; repeat to compare "
        f"(default: {' and '.join(DEFAULT_ROWS)})",
    )
    parser.add_argument(
        "--window", type=positive, metavar="N", help="layers at a time, an odd number (default: about 9 of 32)"
    )
    parser.add_argument(
        "--control",
        type=whole,
        default=4,
        metavar="N",
        help="how often as many other tokens are hidden instead (default: %(default)s)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        metavar="SHARE",
        help="a visual token is hidden where more than this share of it is covered (default: %(default)s)",
    )
    parser.add_argument(
        "--answers",
        action="store_true",
        help="whole answers: which of the objects that an answer names are still named, each hidden in turn",
    )
    parser.add_argument("--figure", metavar="FILE", help="also draw it: .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    choose.check_token(options)
    if options.answers and options.figure:
        raise ClvsError("--figure draws what is left of one word; leave --answers out.")
    figures = part_of_viz("figures") if options.figure else None
    if figures and Path(options.figure).suffix.lower().removeprefix(".") not in figures.FORMATS:
        raise ClvsError(f"{Path(options.figure).name} must end in .{', .'.join(figures.FORMATS)}.")
    picture = choose.picture(options)
    masks = _masks(options, picture)
    model = load(options)
    say("Looking at the picture ...")
    image = model.open_image(picture, options.prompt)
    try:
        if options.answers:
            _print_survivals(options, image, masks)
            return
        knockouts = _knockouts(options, image, masks)
    except ClvsError:
        raise
    except ValueError as error:
        raise ClvsError(str(error)) from error
    about = _about(options, image, list(masks))
    report = about | {"knockouts": [results.knockout(found) for found in knockouts]}
    print(json.dumps(report, indent=1, allow_nan=False) if options.json else _table(about, knockouts))
    if figures:
        drawn = figures.knockout(knockouts, name=_listed(list(masks)), question=options.question)
        with notes(part_of_viz("figures.fonts").FontWarning):
            write(Path(options.figure), lambda path: figures.save(drawn, path))


# --- what is hidden ---------------------------------------------------------------------------------------------


def _masks(options: argparse.Namespace, picture: Image.Image) -> dict[str, np.ndarray]:
    """Masks by name: of --mask, of the chosen objects, or with --answers of all that are known."""
    if options.mask:
        return {Path(options.mask).stem: _mask(options.mask, picture)}
    if options.answers and not options.object and not options.box:
        objects = choose.annotated(options, picture.size)
    else:
        objects = choose.key_objects(options, options.question, picture.size)
    if not objects:
        raise ClvsError("There is nothing to hide; give --object, --box or --mask.")
    return {item.name: item.mask for item in objects}


def _mask(file: str, picture: Image.Image) -> np.ndarray:
    mask = np.asarray(read_picture(file).convert("L")) > 127
    if mask.shape != (picture.height, picture.width):
        raise ImageError(
            f"{Path(file).name} must have the picture's size, {picture.width} x {picture.height}, not "
            f"{mask.shape[1]} x {mask.shape[0]}."
        )
    return mask


def _knockouts(options: argparse.Namespace, image: EncodedImage, masks: dict[str, np.ndarray]) -> list[Knockout]:
    hidden = np.logical_or.reduce(list(masks.values()))
    found: list[Knockout] = []
    for rows in options.rows or DEFAULT_ROWS:
        say(f"Hiding {_listed(list(masks))} from {_WHO[rows]} ...")
        found += image.knockout(
            options.question,
            hidden,
            choose.chosen_methods(options),
            options.window,
            rows,
            options.token - 1,
            options.control,
            threshold=options.threshold,
            max_new_tokens=options.max_new_tokens,
            prompt=options.prompt,
        )
    if not found[0].hidden.any():
        say("No visual token is covered by so much: nothing was hidden; choose a smaller --threshold.")
    return found


_WHO = {"word": "the word being written", "question": "the question's words", "both": "both"}


def _about(options: argparse.Namespace, image: EncodedImage, names: list[str]) -> dict[str, Any]:
    return {
        "model": image.model.name,
        "image": options.image,
        "question": options.question,
        "prompt": options.prompt,
        "hidden": names,
        "token": options.token - 1,
        "threshold": options.threshold,
        "draws": options.control,
    }


# --- for people -------------------------------------------------------------------------------------------------


def _listed(names: Sequence[str]) -> str:
    return " and ".join("the region" if name == "region" else f"the {line(name)}" for name in names)


def _table(about: dict[str, Any], knockouts: Sequence[Knockout]) -> str:
    first = knockouts[0]
    lines = [
        f"Picture   {line(about['image'])}",
        f"Question  {line(about['question'])}",
        f"Hidden    {_listed(about['hidden'])}: {int(first.hidden.sum())} of {len(first.hidden)} visual tokens, "
        f"{first.window} layer{'s' if first.window > 1 else ''} at a time",
        "",
    ]
    answers = {spec(found.method): found for found in knockouts}
    width = max(map(len, answers))
    lines += [
        f"{name:<{width}}  {line(found.token.text).strip() or '(end)'} ({found.probability:.2f})"
        for name, found in answers.items()
    ]
    lines += ["", "How much of that is left when it cannot look there, and what is said instead"]
    columns = [_column(found) for found in knockouts]
    if np.isfinite(first.control).any():
        columns.append(_control(knockouts))
    wide = [max(map(len, column)) for column in columns]
    for row in zip(["layer", "", *map(str, range(1, first.layers + 1)), "all"], *columns, strict=True):
        lines.append(f"{row[0]:>5}  " + "  ".join(cell.rjust(size) for cell, size in zip(row[1:], wide, strict=True)))
    lines += ["", *_sentences(knockouts)]
    return "\n".join(map(str.rstrip, lines))


def _column(found: Knockout) -> list[str]:
    cells = [f"{share:.0%}{_other(found, layer)}" for layer, share in enumerate(found.kept)]
    return [spec(found.method), f"({found.rows})", *cells, f"{found.everywhere:.0%}"]


def _other(found: Knockout, layer: int) -> str:
    said = found.instead[layer]
    return "" if said is None or said.id == found.token.id else f" {line(said.text).strip() or '(end)'}"


def _control(knockouts: Sequence[Knockout]) -> list[str]:
    """The least that is left of any answer when as many other tokens are hidden."""
    least = np.min([found.control for found in knockouts], axis=0)
    return ["others", "hidden", *(f"{share:.0%}" for share in least), ""]


def _sentences(knockouts: Sequence[Knockout]) -> list[str]:
    """Where looking matters for each method, and who reads."""
    sentences = []
    for found in knockouts:
        layers = layers_that_matter(found)
        where = f"layers {', '.join(str(layer + 1) for layer in layers)}" if layers else "no layer"
        sentences.append(f"{spec(found.method)} ({found.rows}): less than half is left around {where}.")
    by_rows = {(spec(found.method), found.rows): found for found in knockouts}
    for name in dict.fromkeys(name for name, _ in by_rows):
        if {(name, "word"), (name, "both")} <= set(by_rows):
            sentences.append(f"{name}: {who_reads(by_rows[name, 'word'], by_rows[name, 'both'])}")
    return sentences


# --- whole answers ----------------------------------------------------------------------------------------------


def _print_survivals(options: argparse.Namespace, image: EncodedImage, masks: dict[str, np.ndarray]) -> None:
    rows = (options.rows or ["word"])[0]
    reports = []
    for method in choose.chosen_methods(options):
        answer, table = survivals(
            image,
            options.question,
            masks,
            method,
            window=options.window,
            rows=rows,
            max_new_tokens=options.max_new_tokens,
            heard=lambda name, method=method: say(f"{spec(method)}: hiding the {name} ..."),  # type: ignore[misc]
        )
        reports.append((method, answer, table))
    if options.json:
        methods = [_as_json(method, answer, table) for method, answer, table in reports]
        print(json.dumps(_about(options, image, list(masks)) | {"rows": rows, "methods": methods}, indent=1))
    else:
        print("\n\n".join(_survival_table(method, answer, table, rows) for method, answer, table in reports))


def _as_json(method: Method, answer: str, table: Sequence[Survival]) -> dict[str, Any]:
    objects = [
        {
            "name": row.name,
            "named": row.named.tolist(),
            "everywhere": row.everywhere,
            "answers": list(row.answers),
        }
        for row in table
    ]
    return {"method": spec(method), "answer": answer, "objects": objects}


def _survival_table(method: Method, answer: str, table: Sequence[Survival], rows: str) -> str:
    head = f"{spec(method)}  {line(answer)}"
    if not table:
        return f"{head}\nIt names none of the objects whose masks are known."
    width = max(len(row.name) for row in table)
    layers = range(1, len(table[0].named) + 1)
    lines = [head, f"Still named when hidden from {_WHO[rows]}, around layer"]
    lines.append(" " * width + "".join(f"{layer:>5}" for layer in layers) + "  all")
    for row in table:
        cells = [*row.named.tolist(), row.everywhere]
        lines.append(f"{line(row.name):<{width}}" + "".join(f"{'yes' if named else '-':>5}" for named in cells))
    shares = "".join(f"{share:>5.0%}" for share in [*mean_survival(table), np.mean([row.everywhere for row in table])])
    return "\n".join([*lines, f"{'':<{width}}{shares}"])
