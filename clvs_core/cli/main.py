"""The command line: ask a question about a picture, record traces, draw figures, list models and methods, find what VAR
and AD-HH need to know of a model, run and score benchmarks, and report them beside the paper's numbers.

Results go to stdout, progress and one-sentence errors to stderr. Exit codes: 0 done, 2 the request or its input is
wrong, 3 the model cannot be loaded or run, 4 `doctor` found something red, 130 interrupted. Layers are counted from 1
in the table for people, from 0 in --json, in traces and in method settings.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import key_objects as ko
from ..errors import ClvsError, ModelError
from ..terminal import flush_output, notes, say, write_any_letter
from ..version import PROJECT, version
from . import (
    ask,
    bench,
    doctor,
    figure,
    find_heads,
    find_sinks,
    knockout,
    methods,
    models,
    record,
    report,
    score,
    trace,
)
from .options import INTERRUPTED, NO_MODEL, WRONG_INPUT, Parser

COMMANDS = (ask, trace, figure, knockout, doctor, models, methods, find_sinks, find_heads, record, bench, score, report)
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF, errno.EDQUOT)
_EXAMPLES = """\
examples:
  python -m clvs_core ask --image assets/scenes/kite-weather.jpg --question "Where is the kite?"
  python -m clvs_core ask --image photo.jpg --question "Is the cup red?" --model llava-1.5-7b --box 40,60,180,220
  python -m clvs_core trace --image photo.jpg --question "Is there a dog?" --method vanilla --method clvs:alpha=0.7
  python -m clvs_core ask --image photo.jpg --question "Is there a dog?" --method vcd --method pai+clvs:alpha=0.7
  python -m clvs_core figure photo-*.npz --image photo.jpg --kind heatmaps --out dog.pdf
  python -m clvs_core knockout --image desk --question "Is there a laptop in the picture?" --figure laptop.png
  python -m clvs_core doctor
  python -m clvs_core models
  python -m clvs_core methods --model llava-1.5-7b
  python -m clvs_core find-sinks --model qwen2.5-vl-7b --images photos/
  python -m clvs_core find-heads --model llava-next-vicuna-7b --images val2014/ --coco-annotations instances.json
  python -m clvs_core record --model llava-1.5-7b --out recordings/llava-1.5-7b
  python -m clvs_core bench amber --data AMBER/ --model llava-1.5-7b --preset paper --methods all --out runs/amber
  python -m clvs_core report runs/* --paper --figures figures/
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    write_any_letter()
    try:
        return _run(arguments)
    except ModelError as error:
        return _fail(error, NO_MODEL)
    except ClvsError as error:
        return _fail(error, WRONG_INPUT)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # head or less has seen enough: nobody's error
        return 0
    except OSError as error:
        return _fail(_unusable(error), WRONG_INPUT)
    except MemoryError:
        return _fail("There is not enough memory; choose a smaller model or picture.", NO_MODEL)
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        return _fail("The model does not fit into the GPU's memory; try --quantization 4bit.", NO_MODEL)


def _run(arguments: Sequence[str] | None) -> int:
    """Runs one command and sees that what it printed has arrived, also what --help prints."""
    try:
        options = parser().parse_args(arguments)
        with notes(ko.MaskWarning):
            return options.run(options) or 0
    finally:
        flush_output()


def _unusable(error: OSError) -> str:
    if error.filename is not None:
        return f"{error.filename!s:.200} cannot be used ({error.strerror}); check the path."
    if error.errno in _FULL:  # a stream that was open already
        return f"The output cannot be written ({error.strerror}); make room, or send it elsewhere."
    return str(error)


def _fail(error: object, code: int) -> int:
    say(f"clvs_core: {error}")
    return code


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    program = "clvs" if Path(sys.argv[0]).stem == "clvs" else "python -m clvs_core"  # as it was started
    parser = Parser(
        prog=program,
        description="How a vision-language model looks at a picture, layer by layer, and what CLVS and others change.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROJECT} {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
