"""What several commands share: exit codes, how options are read, how a model is loaded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from transformers.utils.logging import disable_progress_bar

from ..engine.model import Model
from ..errors import ClvsError
from ..loading import load_model
from ..models import prompts
from ..terminal import say

_KEPT = 64 << 20  # bytes of pictures that commands keep which look at each a few times in a row, then never again
WRONG_INPUT, NO_MODEL, SOMETHING_RED, INTERRUPTED = 2, 3, 4, 130  # exit codes


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


def load_for_many(options: argparse.Namespace) -> Model:
    """The same for a command that looks at many pictures, one after another."""
    model = load(options)
    model.cache.budget = min(model.cache.budget, _KEPT)
    return model


def write(path: Path, save: Callable[[Path], Any]) -> None:
    """Lets `save` write a file, in a folder that is made where needed. Raises ClvsError where that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path)
    except OSError as error:
        raise ClvsError(f"{path} cannot be written ({error.strerror}); choose another --out.") from error
