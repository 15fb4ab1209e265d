"""The command `trace`: what each method did, in an .npz file."""

from __future__ import annotations

import argparse
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ClvsError
from ..methods import Method, spec
from . import choose
from .ask import COUNTS, answer
from .options import write

_LONGEST = 100  # characters of a method in a file name


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser("trace", help="write what each method did to an .npz file", epilog=COUNTS)
    choose.add_question(parser, required=True)
    parser.add_argument(
        "--out",
        default="{image}-{method}.npz",
        metavar="PATTERN",
        help="file name, one a method; {image} and {method} are filled in (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    paths = file_names(options.out, options.image, choose.chosen_methods(options))
    _, runs = answer(options, choose.picture(options))
    for path, run in zip(paths, runs, strict=True):
        write(path, run.trace.save)
        print(path)


def file_names(pattern: str, image: str, methods: Sequence[Method]) -> list[Path]:
    """One file a method: the pattern filled in, with the method added where it would not tell files apart."""
    if len(methods) > 1 and "{method}" not in pattern:
        stem, dot, ending = pattern.rpartition(".npz")
        pattern = f"{stem}-{{method}}{dot}{ending}" if dot else f"{pattern}-{{method}}"
    paths: list[Path] = []
    for method in methods:
        slug = _slug(spec(method))
        path = Path(pattern.replace("{image}", Path(image).stem).replace("{method}", slug))
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        if path in paths:
            raise ClvsError(f"The method {spec(method)!r} is given twice; give it once.")
        paths.append(path)
    return paths


def _slug(text: str) -> str:
    """A method's spec in a file name; a long list of heads or dimensions is cut, and told apart by a checksum."""
    slug = re.sub(r"[^\w.=,+-]+", "-", text)
    return slug if len(slug) <= _LONGEST else f"{slug[:_LONGEST]}-{zlib.crc32(text.encode()):08x}"
