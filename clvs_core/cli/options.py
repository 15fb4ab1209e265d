"""What several commands share: how options are read, how a model is loaded, how a method is named."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from typing import Any, NoReturn

from transformers.utils.logging import disable_progress_bar

from ..engine.model import Model
from ..errors import ClvsError
from ..loading import load_model
from ..methods import Method, load_method, method
from ..models import prompts
from ..terminal import say

WRONG_INPUT = 2  # exit code
# "+" joins methods, but "1e+3" is a number
_PARTS = re.compile(r"\+(?=\s*[a-zA-Z./~_\\])")
_FILE = re.compile(r"\s*(.+\.py)\s*(?::(.*))?")

METHOD_HELP = (
    "a name, or a name with settings, e.g. clvs:alpha=0.7,gamma=0.4; those that are left out come from the model's "
    "card, or after preset=paper from the method's paper; several joined by + work together, e.g. pai+clvs; or a "
    "Python file with a method of your own, e.g. my_method.py or my_method.py:strength=0.3 (it is run: see "
    "docs/methods.md); the command methods lists the names"
)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: {message}; {self.prog} --help explains the options.\n")


def whole(text: str) -> int:
    if not text.isdecimal() or int(text) > 1 << 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, and how it is loaded."""
    parser.add_argument(
        "--model",
        default="scenes",
        metavar="NAME",
        help="a name that the command models lists, a hub id or a folder (default: %(default)s, which ships with this)",
    )
    add_loading(parser)


def add_loading(parser: argparse.ArgumentParser) -> None:
    """How a model is loaded."""
    parser.add_argument("--dtype", default="auto", help="auto, float32, float16, bfloat16 or float64")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or balanced")
    parser.add_argument("--quantization", choices=("4bit", "8bit"), help="needs bitsandbytes and a GPU")
    parser.add_argument(
        "--image-mode",
        choices=("crop", "pad"),
        help="LLaVA-1.5 only: cut the ends of a picture off, or pad it to a square (default: as published)",
    )


def add_prompt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prompt",
        default=prompts.CHAT,
        metavar="NAME",
        help=f"how to ask: {', '.join(prompts.NAMES)}, or joined, e.g. vicuna+one-word "
        "(default: %(default)s, the model's own chat template)",
    )


def load(options: argparse.Namespace) -> Model:
    """The model that the options of `add_model` name."""
    say(f"Loading {options.model} ...")
    if not sys.stderr.isatty():
        disable_progress_bar()
    return load_model(options.model, options.dtype, options.device, options.quantization, image_mode=options.image_mode)


def drawing(module: str) -> Any:
    """A module of `viz`, which this package must not need: for figures, and for what the page shows."""
    try:
        return importlib.import_module(f"viz.{module}")
    except ImportError as error:
        raise ClvsError(
            f"This needs the project's viz folder and what that is built on ({error}); "
            f"run from the project's folder after pip install -r requirements.txt."
        ) from error


# --- methods ----------------------------------------------------------------------------------------------------


def read_method(text: str) -> str:
    """The spec of --method, checked, with its files loaded and replaced by their methods' names."""
    try:
        wanted = "+".join(_named(part) for part in _PARTS.split(text))
        method(wanted)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None
    except TypeError as error:  # a method of one's own that has a field without a default
        raise argparse.ArgumentTypeError(f"{text!r} lacks a setting ({error}); give it as name=value") from None
    return wanted


def method_files(text: str) -> list[str]:
    """The Python files that a --method names."""
    return [found[1] for part in _PARTS.split(text) if (found := _FILE.fullmatch(part))]


def _named(part: str) -> str:
    """ "my_method.py:strength=0.3" -> "mine:strength=0.3", where the file's method is named "mine"."""
    if found := _FILE.fullmatch(part):
        name = load_method(found[1]).name
        return f"{name}:{found[2]}" if found[2] else name
    return part


def add_methods(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        action="append",
        type=read_method,
        metavar="SPEC",
        help=f"{METHOD_HELP}; repeat to compare (default: vanilla and clvs)",
    )


def chosen_methods(options: argparse.Namespace) -> list[Method]:
    """What was asked for, or vanilla and CLVS."""
    return [method(wanted) for wanted in options.method or ("vanilla", "clvs")]
