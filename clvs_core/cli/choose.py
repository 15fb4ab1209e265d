"""What a command asks about, as its options say it: the picture, the question, the key objects, the methods.

Knows no model: a slip costs none.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .. import key_objects as ko
from ..bundled import ASSETS
from ..errors import ClvsError
from ..methods import Method, load_method, method
from ..models import prompts
from ..models.geometry.grids import Views
from ..pictures import read_picture, stored_orientation
from ..results import Key
from ..terminal import say
from .options import add_model, add_prompt, positive

SCENES = ASSETS / "scenes"
MASKS = SCENES / "instances.json"
PICTURES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# "+" joins methods, but "1e+3" is a number
_PARTS = re.compile(r"\+(?=\s*[a-zA-Z./~_\\])")
_FILE = re.compile(r"\s*(.+\.py)\s*(?::(.*))?")

METHOD_HELP = (
    "a name, or a name with settings, e.g. clvs:alpha=0.7,gamma=0.4; those that are left out come from the model's "
    "card, or after preset=paper from the method's paper; several joined by + work together, e.g. pai+clvs; or a "
    "Python file with a method of your own, e.g. my_method.py or my_method.py:strength=0.3 (it is run: see "
    "docs/methods.md); the command methods lists the names"
)


def add_question(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """A picture, a question, and how it is asked."""
    parser.add_argument(
        "--image",
        type=_picture,
        required=required,
        metavar="FILE",
        help="the picture: a file, or the name of one that comes with the project, e.g. kite-weather",
    )
    parser.add_argument("--question", required=required, metavar="TEXT", help="what to ask about it")
    add_model(parser)
    add_methods(parser)
    add_prompt(parser)
    parser.add_argument("--max-new-tokens", type=positive, default=16, metavar="N", help="default: %(default)s")


def add_objects(parser: argparse.ArgumentParser) -> None:
    """Which key objects: what `key_objects` reads."""
    parser.add_argument(
        "--coco-annotations",
        metavar="FILE",
        help="COCO instances whose masks to use; the picture is recognised by its file name",
    )
    parser.add_argument(
        "--object",
        action="append",
        metavar="NAME",
        help="key object, one of the picture's categories; repeat for several (default: those the question names)",
    )
    parser.add_argument("--box", type=_box, metavar="X0,Y0,X1,Y1", help="key object: a box in pixels of the picture")


def add_token(parser: argparse.ArgumentParser) -> None:
    """Of which generated token something is shown."""
    parser.add_argument(
        "--token", type=positive, default=1, metavar="N", help="which generated token (default: the first)"
    )


def _picture(text: str) -> str:
    """The bundled scene of this name, where there is no such file."""
    scene = SCENES / f"{text.removesuffix('.jpg')}.jpg"
    is_scene = not os.path.exists(text) and scene.parent == SCENES and os.path.isfile(scene)
    return str(scene) if is_scene else text


def _box(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"{text!r} is not four numbers x0,y0,x1,y1")
    return numbers


# --- picture and question ---------------------------------------------------------------------------------------


def check_question(options: argparse.Namespace) -> None:
    """Raises ClvsError for a question or a prompt that cannot be asked."""
    prompts.checked_question(options.question)
    prompts.parse(options.prompt)


def picture(options: argparse.Namespace) -> Image.Image:
    """The picture to ask about."""
    check_question(options)
    return read_picture(options.image)


def pictures(places: Sequence[str]) -> list[Path]:
    """Files as they are given, and the pictures of folders by name."""
    paths: list[Path] = []
    for place in map(Path, places):
        if os.path.isdir(place):
            inside = sorted(path for path in place.iterdir() if path.suffix.lower() in PICTURES)
            if not inside:
                raise ClvsError(f"There are no pictures in {place}; give another folder.")
            paths += inside
        else:
            read_picture(place)
            paths.append(place)
    return paths


def check_token(options: argparse.Namespace) -> None:
    """Raises ClvsError for a token that no answer of that length has."""
    if options.token > options.max_new_tokens:
        raise ClvsError(
            f"There is no token {options.token} in an answer of at most {options.max_new_tokens}; "
            f"choose a smaller --token or a larger --max-new-tokens."
        )


# --- key objects ------------------------------------------------------------------------------------------------


def key_objects(options: argparse.Namespace, question: str, size: tuple[int, int]) -> list[ko.KeyObject]:
    """The objects that were asked for, or that the question names; none, with a note, where there are none.

    size: width and height of the picture.
    """
    objects = {item.name: item for item in annotated(options, size)}
    asked = [_category(name, objects) for name in options.object or []]
    names = asked or ([] if options.box else ko.mentioned(question, objects))
    if not names and not options.box:
        say(
            f"No key object: the question names none of {', '.join(objects)}; choose with --object or --box."
            if objects
            else "No key object: no masks of this picture are known; give --box or --coco-annotations."
        )
    chosen = [objects[name] for name in dict.fromkeys(names)]
    if options.box:
        chosen.append(ko.KeyObject("region", ko.region_mask(size[1], size[0], box=options.box)))
    return chosen


def _category(name: str, objects: Mapping[str, ko.KeyObject]) -> str:
    category = ko.category(name, objects)
    if category is None:
        known = f"it has {', '.join(objects)}" if objects else "no masks of it are known"
        raise ClvsError(f"There is no {name!r} in the picture's annotations; {known}.")
    return category


def annotated(options: argparse.Namespace, size: tuple[int, int]) -> list[ko.KeyObject]:
    """Objects of the picture: from --coco-annotations if that knows it, else its own if it is a bundled scene."""
    if options.coco_annotations:
        coco = ko.CocoInstances(options.coco_annotations)
        if options.image and options.image in coco:
            there = Path(options.image).is_file()  # traces are drawn without it
            orientation = stored_orientation(read_picture(options.image)) if there else 1
            return coco.find(options.image, *size, orientation=orientation)
        name = Path(options.image).name if options.image else "the picture (give --image)"
        say(f"{Path(options.coco_annotations).name} does not know {name}.")
    # By folder, too: somebody's own picture may have a scene's name.
    if not options.image or Path(options.image).resolve().parent != MASKS.parent.resolve() or not MASKS.is_file():
        return []
    return ko.CocoInstances(MASKS, source="scenes").find(options.image, *size)


def key(chosen: Sequence[ko.KeyObject], views: Views) -> Key | None:
    """What was chosen, as the model sees it; None where nothing was."""
    if not chosen:
        return None
    union = np.logical_or.reduce([item.mask for item in chosen])
    share = ko.seen_share(union, views)
    covered = ko.together([ko.coverage(item.mask, views) for item in chosen])
    key = Key([item.name for item in chosen], union, covered, share)
    if share == 0:
        say(f"The model never sees the {' and '.join(key.names)}: that part of the picture is cut off.")
    return key


# --- methods ----------------------------------------------------------------------------------------------------


def add_methods(parser: argparse.ArgumentParser) -> None:
    """Which methods: what `chosen_methods` reads."""
    parser.add_argument(
        "--method",
        action="append",
        type=read_method,
        metavar="SPEC",
        help=f"{METHOD_HELP}; repeat to compare (default: vanilla and clvs)",
    )


def chosen_methods(options: argparse.Namespace) -> list[Method]:
    """What was asked for, or vanilla and CLVS."""
    return [method(spec) for spec in options.method or ("vanilla", "clvs")]


def read_method(text: str) -> str:
    """The spec of --method, checked, with its files loaded and replaced by their methods' names."""
    try:
        spec = "+".join(_named(part) for part in _PARTS.split(text))
        method(spec)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None
    except TypeError as error:  # a method of one's own that has a field without a default
        raise argparse.ArgumentTypeError(f"{text!r} lacks a setting ({error}); give it as name=value") from None
    return spec


def method_files(text: str) -> list[str]:
    """The Python files that a --method names."""
    return [file[1] for part in _PARTS.split(text) if (file := _FILE.fullmatch(part))]


def _named(part: str) -> str:
    """ "my_method.py:strength=0.3" -> "mine:strength=0.3", where the file's method is named "mine"."""
    if file := _FILE.fullmatch(part):
        name = load_method(file[1]).name
        return f"{name}:{file[2]}" if file[2] else name
    return part
