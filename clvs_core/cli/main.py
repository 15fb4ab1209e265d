"""The command line: ask a question about a picture, record traces, draw figures, list models and methods, find what VAR
and AD-HH need to know of a model, run and score benchmarks, and report them beside the paper's numbers.

Results go to stdout, progress and one-sentence errors to stderr. Exit codes: 0 done, 2 the request or its input is
wrong, 3 the model cannot be loaded or run, 4 `doctor` found something red, 130 interrupted. Layers are counted from 1
in the table for people, from 0 in --json, in traces and in method settings.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .. import key_objects as ko
from ..bundled import ASSETS
from ..engine.images import EncodedImage
from ..errors import ClvsError, ModelError
from ..methods import Method, spec
from ..models import prompts as known_prompts
from ..models.geometry.grids import Views
from ..pictures import read_picture, stored_orientation
from ..terminal import flush_output, notes, say, write_any_letter
from ..text import line
from ..trace import Trace
from . import ask_table as report
from . import bench as running
from . import doctor, find, lists, record
from . import report as reporting
from . import score as scoring
from .ask_table import Key
from .options import WRONG_INPUT, Parser, add_methods, add_model, add_prompt, chosen_methods, drawing, load, positive

NO_MODEL, INTERRUPTED = 3, 130
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF, errno.EDQUOT)
_SCENES = ASSETS / "scenes" / "instances.json"
_LONGEST = 100  # characters of a method in a file name
_EXAMPLES = """\
examples:
  python -m clvs_core ask --image assets/scenes/kite-weather.jpg --question "Where is the kite?"
  python -m clvs_core ask --image photo.jpg --question "Is the cup red?" --model llava-1.5-7b --box 40,60,180,220
  python -m clvs_core trace --image photo.jpg --question "Is there a dog?" --method vanilla --method clvs:alpha=0.7
  python -m clvs_core ask --image photo.jpg --question "Is there a dog?" --method vcd --method pai+clvs:alpha=0.7
  python -m clvs_core figure photo-*.npz --image photo.jpg --kind heatmaps --out dog.pdf
  python -m clvs_core doctor
  python -m clvs_core models
  python -m clvs_core methods --model llava-1.5-7b
  python -m clvs_core find-sinks --model qwen2.5-vl-7b --images photos/
  python -m clvs_core find-heads --model llava-next-vicuna-7b --images val2014/ --coco-annotations instances.json
  python -m clvs_core record --model llava-1.5-7b --out recordings/llava-1.5-7b
  python -m clvs_core bench amber --data AMBER/ --model llava-1.5-7b --preset paper --methods all --out runs/amber
  python -m clvs_core report runs/* --paper --figures figures/
"""
_COUNTS = (
    "Layers are counted from 1 in the table and in figures, from 0 in --json, in .npz files and in method settings "
    "such as first_check."
)


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
        options = _parser().parse_args(arguments)
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


# --- options ----------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m clvs_core",
        description="How a vision-language model looks at a picture, layer by layer, and what CLVS and others change.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    ask = commands.add_parser("ask", help="print answers, and attention and uncertainty layer by layer", epilog=_COUNTS)
    _add_question(ask, required=True)
    _add_objects(ask)
    _add_token(ask)
    ask.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    ask.set_defaults(run=_ask)

    trace = commands.add_parser("trace", help="write what each method did to an .npz file", epilog=_COUNTS)
    _add_question(trace, required=True)
    trace.add_argument(
        "--out",
        default="{image}-{method}.npz",
        metavar="PATTERN",
        help="file name, one a method; {image} and {method} are filled in (default: %(default)s)",
    )
    trace.set_defaults(run=_trace)

    figure = commands.add_parser("figure", help="draw a figure, from traces or by asking a question")
    figure.add_argument("traces", nargs="*", metavar="TRACE.npz", help="traces of one question, one a method")
    _add_question(figure, required=False)
    _add_objects(figure)
    _add_token(figure)
    figure.add_argument("--kind", choices=("heatmaps", "curves", "uncertainty"), default="heatmaps")
    figure.add_argument("--layers", type=_layers, help="layers of the heat maps, from 1, e.g. 1,4,8-12")
    figure.add_argument("--out", required=True, metavar="FILE", help="what to write: .png, .svg or .pdf")
    figure.set_defaults(run=_figure)

    doctor.add(commands)
    lists.add(commands)
    find.add(commands)
    record.add(commands)
    running.add(commands)
    scoring.add(commands)
    reporting.add(commands)
    return parser


def _add_question(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--image", required=required, metavar="FILE", help="the picture")
    parser.add_argument("--question", required=required, metavar="TEXT", help="what to ask about it")
    add_model(parser)
    add_methods(parser)
    add_prompt(parser)
    parser.add_argument("--max-new-tokens", type=positive, default=16, metavar="N", help="default: %(default)s")


def _add_objects(parser: argparse.ArgumentParser) -> None:
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


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token", type=positive, default=1, metavar="N", help="which generated token (default: the first)"
    )


def _box(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"{text!r} is not four numbers x0,y0,x1,y1")
    return numbers


def _layers(text: str) -> list[int]:
    """ "1,4,8-10" -> [0, 3, 7, 8, 9]"""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part)
        if not match or int(match[1]) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of layers such as 1,4,8-12")
        found += range(int(match[1]) - 1, int(match[2] or match[1]))
    return found


# --- asking -----------------------------------------------------------------------------------------------------


def _picture(options: argparse.Namespace) -> Image.Image:
    """The picture to ask about. This and the checks below come before the slow part: a slip costs no model."""
    known_prompts.checked_question(options.question)
    known_prompts.parse(options.prompt)
    return read_picture(options.image)


def _check_token(options: argparse.Namespace) -> None:
    if options.token > options.max_new_tokens:
        raise ClvsError(
            f"There is no token {options.token} in an answer of at most {options.max_new_tokens}; "
            f"choose a smaller --token or a larger --max-new-tokens."
        )


def _answer(options: argparse.Namespace, picture: Image.Image) -> tuple[EncodedImage, list[Any]]:
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
            options.question, chosen_methods(options), options.max_new_tokens, lens=True, prompt=options.prompt
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


# --- key objects ------------------------------------------------------------------------------------------------


def _key(chosen: Sequence[ko.KeyObject], views: Views) -> Key | None:
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


def _chosen(options: argparse.Namespace, question: str, size: tuple[int, int]) -> list[ko.KeyObject]:
    """The objects that were asked for, or that the question names; none, with a note, where there are none.

    size: width and height of the picture.
    """
    objects = {item.name: item for item in _annotated(options, size)}
    wanted = [_category(name, objects) for name in options.object or []]
    names = wanted or ([] if options.box else ko.mentioned(question, objects))
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
    found = ko.category(name, objects)
    if found is None:
        known = f"it has {', '.join(objects)}" if objects else "no masks of it are known"
        raise ClvsError(f"There is no {name!r} in the picture's annotations; {known}.")
    return found


def _annotated(options: argparse.Namespace, size: tuple[int, int]) -> list[ko.KeyObject]:
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
    if not options.image or Path(options.image).resolve().parent != _SCENES.parent.resolve() or not _SCENES.is_file():
        return []
    return ko.CocoInstances(_SCENES, source="scenes").find(options.image, *size)


# --- ask --------------------------------------------------------------------------------------------------------


def _ask(options: argparse.Namespace) -> None:
    _check_token(options)
    picture = _picture(options)
    chosen = _chosen(options, options.question, picture.size)
    image, runs = _answer(options, picture)
    step = options.token - 1
    longest = max(len(run.tokens) for run in runs)
    if step >= longest:
        raise ClvsError(f"There is no token {options.token}; the longest answer has {longest}.")
    key = _key(chosen, image.views)
    found = report.report(image, options.image, options.question, options.prompt, runs, key)
    print(json.dumps(found, indent=1, allow_nan=False) if options.json else report.table(found, step))


# --- trace and figure -------------------------------------------------------------------------------------------


def _trace(options: argparse.Namespace) -> None:
    paths = _paths(options.out, options.image, chosen_methods(options))
    _, runs = _answer(options, _picture(options))
    for path, run in zip(paths, runs, strict=True):
        _write(path, run.trace.save)
        print(path)


def _paths(pattern: str, image: str, methods: Sequence[Method]) -> list[Path]:
    """One file a method: the pattern filled in, with the method added where it would not tell files apart."""
    if len(methods) > 1 and "{method}" not in pattern:
        stem, dot, ending = pattern.rpartition(".npz")
        pattern = f"{stem}-{{method}}{dot}{ending}" if dot else f"{pattern}-{{method}}"
    paths: list[Path] = []
    for one in methods:
        slug = _slug(spec(one))
        path = Path(pattern.replace("{image}", Path(image).stem).replace("{method}", slug))
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        if path in paths:
            raise ClvsError(f"The method {spec(one)!r} is given twice; give it once.")
        paths.append(path)
    return paths


def _slug(text: str) -> str:
    """A method's spec in a file name; a long list of heads or dimensions is cut, and told apart by a checksum."""
    slug = re.sub(r"[^\w.=,+-]+", "-", text)
    return slug if len(slug) <= _LONGEST else f"{slug[:_LONGEST]}-{zlib.crc32(text.encode()):08x}"


def _write(path: Path, save: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path)
    except OSError as error:
        raise ClvsError(f"{path} cannot be written ({error.strerror}); choose another --out.") from error


def _figure(options: argparse.Namespace) -> None:
    if bool(options.traces) == bool(options.question):
        raise ClvsError("A figure is drawn either from trace files or from --image and --question; give one of them.")
    if not options.image and (options.question or options.kind == "heatmaps"):
        raise ClvsError("The picture is needed too; give --image.")
    figures = drawing("figures.traces")
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
    with notes(drawing("figures.fonts").FontWarning):
        _write(out, lambda path: figures.save(figure, path))
    print(out)


def _recorded(options: argparse.Namespace) -> tuple[list[Trace], list[ko.KeyObject]]:
    """Traces from files, and the key objects of their question."""
    traces = [Trace.load(path) for path in options.traces]
    views = traces[0].views
    return traces, _wanted(options, str(traces[0].meta.get("question", "")), (views.width, views.height))


def _asked(options: argparse.Namespace) -> tuple[list[Trace], list[ko.KeyObject]]:
    """Traces of a question that is asked now, and its key objects."""
    _check_token(options)
    picture = _picture(options)
    chosen = _wanted(options, options.question, picture.size)
    return [run.trace for run in _answer(options, picture)[1]], chosen


def _wanted(options: argparse.Namespace, question: str, size: tuple[int, int]) -> list[ko.KeyObject]:
    if options.kind == "uncertainty":
        return []
    chosen = _chosen(options, question, size)
    if options.kind == "curves" and not chosen:
        raise ClvsError("The curves need a key object; give --object, --box or --coco-annotations.")
    return chosen


def _draw(figures: Any, options: argparse.Namespace, traces: Sequence[Trace], chosen: Sequence[ko.KeyObject]) -> Any:
    step = options.token - 1
    if options.kind == "uncertainty":
        return figures.uncertainty(traces, step=step)
    key = _key(chosen, traces[0].views)
    if options.kind == "heatmaps":
        picture = read_picture(options.image)
        outline = key.mask if key else None
        return figures.heatmaps(picture, traces, step=step, layers=options.layers, outline=outline)
    assert key is not None  # _wanted saw to it
    curves = [ko.key_object_attention(trace, key.coverage) for trace in traces]
    vanilla = next((c for c, t in zip(curves, traces, strict=True) if t.meta.get("method") == "vanilla"), None)
    gains = [
        ko.relative_gain(curve[step], vanilla[step]).unclipped
        if vanilla is not None and curve is not vanilla and step < min(len(curve), len(vanilla))
        else None
        for curve in curves
    ]
    name = " and ".join(f"the {name}" for name in key.names)
    return figures.curves(traces, curves, gains=gains, step=step, name=name)
