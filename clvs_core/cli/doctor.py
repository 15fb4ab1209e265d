"""The command `doctor`: what to run first on a new machine, and what to paste into a report of a fault."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from transformers.utils import logging as library

from .. import random_weights
from ..doctor import checks, machine
from ..doctor.findings import GREEN, LEFT_OUT, RED, YELLOW, Check, Finding, examined, public
from ..doctor.subject import Subject
from ..engine.model import Model
from ..errors import ClvsError, ModelError
from ..loading import check_options, load_model
from ..models import memory
from ..terminal import say
from ..version import version
from .options import NO_MODEL, SOMETHING_RED, add_model, positive

FORMAT = 1
_MARKS = {GREEN: ("✓", "+", 32), YELLOW: ("!", "!", 33), RED: ("✗", "x", 31), LEFT_OUT: ("–", "-", 2)}
_WIDE, _NAME = 110, 18
_EPILOG = (
    "Exit codes: 0 nothing is red, 3 the model cannot be loaded, 4 something is red. docs/gpu.md says what each line "
    "means. The output names no user, no folder and no token; still, read it before you post it."
)


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser(
        "doctor", help="check this machine, and whether a model is computed rightly on it", epilog=_EPILOG
    )
    add_model(parser)
    parser.add_argument(
        "--random",
        action="store_true",
        help="build the card's architecture at full size with random weights: no download, for judging a GPU",
    )
    parser.add_argument("--layers", type=positive, metavar="N", help="with --random: build only N layers of each part")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the lines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.layers and not options.random:
        raise ClvsError("--layers belongs to --random; a checkpoint has the layers it has.")
    if options.quantization and options.random:
        raise ClvsError("Random weights are not quantized; leave out --quantization or --random.")
    check_options(options.dtype, options.device, options.quantization)
    findings = []
    with _quiet():
        for finding in _findings(options):
            findings.append(finding)
            if options.json:
                say(f"{finding.name}: {finding.status}")
            else:
                print("\n".join(_lines(finding)), flush=True)
    if options.json:
        print(json.dumps(_report(options, findings), indent=1))
    else:
        print(f"\n{_summary(findings)}", flush=True)
    return _code(findings)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what transformers logs about a checkpoint's own settings, and its progress bars."""
    verbosity = library.get_verbosity()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)


def _findings(options: argparse.Namespace) -> Iterator[Finding]:
    """Each as soon as it is known."""
    yield from _each(machine.checks(options.device))
    gpu = memory.places(options.device)[0].device.startswith("cuda")
    subject = Subject(lambda: _model(options), gpu=gpu, invented=options.random)
    loaded = examined("loads", lambda: _load(subject))
    yield loaded
    if loaded.status != RED:
        yield from _each(checks.checks(subject))
    subject.meter.stop()


def _load(subject: Subject) -> Finding:
    try:
        return checks.load(subject)
    except ModelError as error:
        return Finding("loads", RED, public(str(error)), {"error": "ModelError"})


def _each(checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    for name, check in checks:
        yield examined(name, check)


def _model(options: argparse.Namespace) -> Model:
    if options.random:
        return random_weights.load(options.model, options.dtype, options.device, options.layers, options.image_mode)
    return load_model(options.model, options.dtype, options.device, options.quantization, image_mode=options.image_mode)


def _code(findings: Sequence[Finding]) -> int:
    red = [finding.name for finding in findings if finding.status == RED]
    return NO_MODEL if "loads" in red else SOMETHING_RED if red else 0


def _report(options: argparse.Namespace, findings: Sequence[Finding]) -> dict[str, Any]:
    order = (RED, YELLOW, GREEN)
    worst = next(status for status in order if any(f.status == status for f in findings))
    return {
        "format": FORMAT,
        "project": version(),
        "model": public(options.model).rpartition("/")[2] if os.path.isdir(options.model) else public(options.model),
        "random": options.random,
        "status": worst,
        "findings": [finding.to_json() for finding in findings],
    }


def _summary(findings: Sequence[Finding]) -> str:
    counts = {status: sum(f.status == status for f in findings) for status in (GREEN, YELLOW, RED, LEFT_OUT)}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) + "."


def _lines(finding: Finding) -> list[str]:
    """A mark, the status in words, the name, and the sentence beside them."""
    sign, plain, colour = _MARKS[finding.status]
    mark = sign if _can_write(sign) else plain
    start = f"{mark} {finding.status:<9}{finding.name:<{_NAME}}"
    wrapped = textwrap.wrap(finding.sentence, _WIDE - len(start), break_long_words=False, break_on_hyphens=False)
    sentence = [line if _can_write(line) else line.encode("ascii", "replace").decode() for line in wrapped]
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        shown = f"\x1b[{colour}m{mark} {finding.status:<9}\x1b[0m{finding.name:<{_NAME}}"
    else:
        shown = start
    return [shown + (sentence[0] if sentence else ""), *(" " * len(start) + line for line in sentence[1:])]


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
