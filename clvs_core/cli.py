"""The command line: ask a question about a picture, record traces, draw figures, list models.

Results go to stdout, progress and one-sentence errors to stderr. Exit codes: 0 done, 2 the request or its input is
wrong, 3 the model cannot be loaded or run, 130 interrupted. Layers are counted from 1 in the table for people, from
0 in --json, in traces and in method settings.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image
from transformers.utils.logging import disable_progress_bar

from . import key_objects as ko
from .engine.images import EncodedImage, read_picture
from .errors import ClvsError, ModelError, QuestionError
from .methods import CLVS, Method, Vanilla, method, spec
from .models import memory
from .models import prompts as known_prompts
from .models.loading import check_device, load_model
from .models.registry import ASSETS, CARDS, ModelCard, card_for
from .models.views import Views
from .trace import Trace

WRONG_INPUT, NO_MODEL, INTERRUPTED = 2, 3, 130
_SCENES = ASSETS / "scenes" / "instances.json"
_EXAMPLES = """\
examples:
  python -m clvs_core ask --image assets/scenes/kite-weather.jpg --question "Where is the kite?"
  python -m clvs_core ask --image photo.jpg --question "Is the cup red?" --model llava-1.5-7b --box 40,60,180,220
  python -m clvs_core trace --image photo.jpg --question "Is there a dog?" --method vanilla --method clvs:alpha=0.7
  python -m clvs_core figure photo-*.npz --image photo.jpg --kind heatmaps --out dog.pdf
  python -m clvs_core models
"""


_COUNTS = (
    "Layers are counted from 1 in the table and in figures, from 0 in --json, in .npz files and in method settings "
    "such as first_check."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except ModelError as error:
        return _fail(error, NO_MODEL)
    except ClvsError as error:
        return _fail(error, WRONG_INPUT)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has gone: not our error. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MemoryError:
        return _fail("There is not enough memory; choose a smaller model or picture.", NO_MODEL)
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        return _fail("The model does not fit into the GPU's memory; try --quantization 4bit.", NO_MODEL)
    return 0


def _fail(error: object, code: int) -> int:
    print(f"clvs_core: {error}", file=sys.stderr)
    return code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- options ----------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: {message}; {self.prog} --help explains the options.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m clvs_core",
        description="How a vision-language model looks at a picture, layer by layer, and what CLVS changes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="ask | trace | figure | models")
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

    models = commands.add_parser("models", help="list the models, the memory they need, and what fits here")
    models.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or balanced")
    models.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    models.set_defaults(run=_models)
    return parser


def _add_question(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--image", required=required, metavar="FILE", help="the picture")
    parser.add_argument("--question", required=required, metavar="TEXT", help="what to ask about it")
    parser.add_argument(
        "--model",
        default="scenes",
        metavar="NAME",
        help="a name that the command models lists, a hub id or a folder (default: %(default)s, which ships with this)",
    )
    parser.add_argument(
        "--method",
        action="append",
        type=_method,
        metavar="SPEC",
        help="vanilla, clvs or with settings, e.g. clvs:alpha=0.7,gamma=0.4; repeat to compare "
        "(default: vanilla, and clvs with the model's threshold)",
    )
    parser.add_argument(
        "--prompt",
        default=known_prompts.CHAT,
        metavar="NAME",
        help=f"how to ask: {', '.join(known_prompts.NAMES)}, or joined, e.g. vicuna+one-word "
        "(default: %(default)s, the model's own chat template)",
    )
    parser.add_argument("--max-new-tokens", type=_positive, default=16, metavar="N", help="default: %(default)s")
    parser.add_argument("--dtype", default="auto", help="auto, float32, float16, bfloat16 or float64")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or balanced")
    parser.add_argument("--quantization", choices=("4bit", "8bit"), help="needs bitsandbytes and a GPU")
    parser.add_argument(
        "--image-mode",
        choices=("crop", "pad"),
        help="LLaVA-1.5 only: cut the ends of a picture off, or pad it to a square (default: as published)",
    )


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
        "--token", type=_positive, default=1, metavar="N", help="which generated token (default: the first)"
    )


def _method(text: str) -> Method:
    try:
        return method(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


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
    if not options.question.strip():
        raise QuestionError("The question is empty; ask something about the picture.")
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
    _say(f"Loading {options.model} ...")
    if not sys.stderr.isatty():
        disable_progress_bar()
    model = load_model(
        options.model, options.dtype, options.device, options.quantization, image_mode=options.image_mode
    )
    unknown = model.unknown_words(options.question, options.prompt)
    if unknown:
        _say(f"{model.card.label} does not know: {', '.join(unknown)}")
    _say("Looking at the picture ...")
    image = model.open_image(picture, options.prompt)
    if notice := image.views.notice():
        _say(f"{notice}.")
    try:
        stream = image.stream(
            options.question, _methods(options), options.max_new_tokens, lens=True, prompt=options.prompt
        )
    except ClvsError:
        raise
    except ValueError as error:  # a setting that this model cannot take
        raise ClvsError(str(error)) from error
    runs: list[Any] = []
    for step in stream:
        runs = step.runs
        pieces = ["-" if token is None else _quoted(token.text) for token in step.tokens]
        _say(f"Token {step.index + 1}: {' | '.join(pieces)}")
    return image, runs


def _methods(options: argparse.Namespace) -> list[Method]:
    """What was asked for, or vanilla and CLVS with the threshold that suits the model."""
    threshold = card_for(options.model).settings.get("clvs", {}).get("gamma", CLVS.gamma)
    return options.method or [Vanilla(), CLVS(gamma=threshold)]


def _quoted(text: str) -> str:
    return json.dumps(_line(text), ensure_ascii=False) if text else "(end)"


def _line(text: str) -> str:
    """Text from a model or a file on one line, without control characters that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


# --- key objects ------------------------------------------------------------------------------------------------


@dataclass
class _Key:
    """The chosen key objects as one: their names, the union of their masks and their share of each token together.

    coverage is `key_objects.together` of theirs, as on the page; mask and seen are those of the union.
    """

    names: list[str]
    mask: np.ndarray
    coverage: np.ndarray
    seen: float


def _key(chosen: Sequence[ko.KeyObject], views: Views) -> _Key | None:
    """What was chosen, as the model sees it; None where nothing was."""
    if not chosen:
        return None
    union = np.logical_or.reduce([item.mask for item in chosen])
    share = ko.seen_share(union, views)
    covered = ko.together([ko.coverage(item.mask, views) for item in chosen])
    key = _Key([item.name for item in chosen], union, covered, share)
    if share == 0:
        _say(f"The model never sees the {' and '.join(key.names)}: that part of the picture is cut off.")
    return key


def _chosen(options: argparse.Namespace, question: str, size: tuple[int, int]) -> list[ko.KeyObject]:
    """The objects that were asked for, or that the question names; none, with a note, where there are none.

    size: width and height of the picture.
    """
    objects = {item.name: item for item in _annotated(options, size)}
    wanted = [name.strip().casefold() for name in options.object or []]
    for name in wanted:
        if name not in objects:
            known = f"it has {', '.join(objects)}" if objects else "no masks of it are known"
            raise ClvsError(f"There is no {name!r} in the picture's annotations; {known}.")
    names = wanted or ([] if options.box else ko.mentioned(question, objects))
    if not names and not options.box:
        _say(
            f"No key object: the question names none of {', '.join(objects)}; choose with --object or --box."
            if objects
            else "No key object: no masks of this picture are known; give --box or --coco-annotations."
        )
    chosen = [objects[name] for name in dict.fromkeys(names)]
    if options.box:
        chosen.append(ko.KeyObject("region", ko.region_mask(size[1], size[0], box=options.box)))
    return chosen


def _annotated(options: argparse.Namespace, size: tuple[int, int]) -> list[ko.KeyObject]:
    """Objects of the picture: from --coco-annotations if that knows it, else its own if it is a bundled scene."""
    if options.coco_annotations:
        coco = ko.CocoInstances(options.coco_annotations)
        if options.image and options.image in coco:
            return coco.find(options.image, *size)
        name = Path(options.image).name if options.image else "the picture (give --image)"
        _say(f"{Path(options.coco_annotations).name} does not know {name}.")
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
    report = _report(options, image, runs, key)
    print(json.dumps(report, indent=1, allow_nan=False) if options.json else _table(report, step))


def _report(options: argparse.Namespace, image: EncodedImage, runs: Sequence[Any], key: _Key | None) -> dict[str, Any]:
    """Everything `ask` knows, as plain JSON; layers from 0, null where nothing was measured."""
    curves = [ko.key_object_attention(run.trace, key.coverage) if key else None for run in runs]
    vanilla = next((c for c, run in zip(curves, runs, strict=True) if run.method.name == "vanilla"), None)
    x0, y0, x1, y1 = image.views.seen()
    return {
        "model": image.model.name,
        "image": {"file": options.image, "width": image.width, "height": image.height, "seen": [x0, y0, x1, y1]},
        "question": options.question,
        "prompt": options.prompt,
        "key_object": key
        and {
            "names": key.names,
            "area": float(key.mask.mean()),
            "seen": key.seen,
        },
        "methods": [_method_report(run, curve, vanilla) for run, curve in zip(runs, curves, strict=True)],
    }


def _method_report(run: Any, curve: np.ndarray | None, vanilla: np.ndarray | None) -> dict[str, Any]:
    trace: Trace = run.trace
    report: dict[str, Any] = {
        "method": spec(run.method),
        "settings": trace.meta["method"],
        "label": run.method.label,
        "text": run.text,
        "finished": run.finished,
        "tokens": [{"id": t.id, "text": t.text, "probability": t.probability} for t in run.tokens],
        "threshold": trace.meta["threshold"],
        "first_check": trace.meta["first_check"],
        "stop_layer": trace.stop_layer.tolist(),
        "uncertainty": [[_number(u) for u in row] for row in trace.uncertainty],
    }
    if curve is not None:
        report["key_object_attention"] = curve.tolist()
        report["summary"] = [
            {"peak_layer": s.peak_layer, "peak": s.peak, "decay": _number(s.decay), "half_layer": s.half_layer}
            for s in map(ko.summarise, curve)
        ]
    if curve is not None and vanilla is not None and run.method.name != "vanilla":
        gains = [ko.relative_gain(a, b) for a, b in zip(curve, vanilla, strict=False)]
        report["relative_gain"] = [
            {"clipped": gain.clipped.tolist(), "unclipped": [_number(v) for v in gain.unclipped]} for gain in gains
        ]
    return report


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _table(report: dict[str, Any], step: int) -> str:
    """The report for people: answers, then one line a layer for the chosen token."""
    shown = [m for m in report["methods"] if step < len(m["tokens"])]
    groups = _groups(shown, step)
    lines = [*_heading(report), "", *_answers(report), "", f"Token {step + 1}, layer by layer"]
    lines += _columns(groups, len(shown[0]["uncertainty"][step]))
    lines += [f"{m['method']}: {_summary(m, step)}" for m in shown if "summary" in m]
    return "\n".join(lines)


def _heading(report: dict[str, Any]) -> list[str]:
    image = report["image"]
    x0, y0, x1, y1 = image["seen"]
    part = (x1 - x0) * (y1 - y0) / (image["width"] * image["height"])
    lines = [
        f"Picture     {_line(image['file'])}, {image['width']} x {image['height']} pixels, "
        f"{part:.0%} of it seen by the model",
        f"Question    {_line(report['question'])}",
    ]
    if report["prompt"] != known_prompts.CHAT:
        lines.append(f"Prompt      {report['prompt']}")
    key = report["key_object"]
    if key:
        where = f"{key['area']:.1%} of the picture, {key['seen']:.0%} of it seen"
        lines.append(f"Key object  {', '.join(map(_line, key['names']))} ({where})")
    return lines


def _answers(report: dict[str, Any]) -> list[str]:
    width = max(len(m["method"]) for m in report["methods"])
    lines = []
    for found in report["methods"]:
        chances = " ".join(f"{t['probability']:.2f}" for t in found["tokens"])
        unfinished = "" if found["finished"] else " ..."
        lines.append(f"{found['method']:<{width}}  {_line(found['text'])}{unfinished}  (probabilities {chances})")
    return lines


def _groups(shown: Sequence[dict[str, Any]], step: int) -> dict[str, dict[str, list[str]]]:
    """Title -> method -> one cell a layer."""
    groups: dict[str, dict[str, list[str]]] = {"key-object attention": {}, "gain (unclipped)": {}, "uncertainty": {}}
    for found in shown:
        name = found["method"]
        if "key_object_attention" in found:
            groups["key-object attention"][name] = [f"{v:.4f}" for v in found["key_object_attention"][step]]
        if step < len(found.get("relative_gain", [])):
            gains = found["relative_gain"][step]["unclipped"]
            groups["gain (unclipped)"][name] = ["new" if v is None else f"{v:+.1f}%" for v in gains]
        cells = ["-" if v is None else f"{v:.3f}" for v in found["uncertainty"][step]]
        stop = found["stop_layer"][step]
        groups["uncertainty"][name] = [f"{c}{'*' if n == stop else ' '}" for n, c in enumerate(cells)]
    return {title: columns for title, columns in groups.items() if columns}


def _columns(groups: dict[str, dict[str, list[str]]], layers: int) -> list[str]:
    """The groups side by side, right-aligned, under two lines of headings."""
    titles, names, rows = "     ", "layer", [f"{layer + 1:>5}" for layer in range(layers)]
    for title, columns in groups.items():
        block, blocks = "", [""] * layers
        for name, cells in columns.items():
            width = max(len(name), *map(len, cells)) + 2
            block += name.rjust(width)
            blocks = [done + cell.rjust(width) for done, cell in zip(blocks, cells, strict=True)]
        width = max(len(block), len(title) + 2) + 2
        titles, names = titles + title.rjust(width), names + block.rjust(width)
        rows = [row + done.rjust(width) for row, done in zip(rows, blocks, strict=True)]
    stops = any("*" in cell for cells in groups["uncertainty"].values() for cell in cells)
    return [titles, names, *map(str.rstrip, rows), *(["* smoothing stops after this layer"] if stops else []), ""]


def _summary(found: dict[str, Any], step: int) -> str:
    """Peak and decay of the curve in words, and the mean gain as the paper reports it."""
    summary = found["summary"][step]
    parts = [f"peak {summary['peak']:.4f} at layer {summary['peak_layer'] + 1}"]
    if summary["half_layer"] is not None:
        parts.append(f"less than half from layer {summary['half_layer'] + 1}")
    if summary["decay"] is not None:
        parts.append(f"{summary['decay']:.0%} lost by the last layer")
    if step < len(found.get("relative_gain", [])):
        mean = float(np.mean(found["relative_gain"][step]["clipped"]))
        parts.append(f"mean gain {mean:+.1f}% (each layer clipped at 100%)")
    return ", ".join(parts)


# --- trace and figure -------------------------------------------------------------------------------------------


def _trace(options: argparse.Namespace) -> None:
    paths = _paths(options.out, options.image, _methods(options))
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
        slug = re.sub(r"[^\w.=,-]+", "-", spec(one))
        path = Path(pattern.replace("{image}", Path(image).stem).replace("{method}", slug))
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        if path in paths:
            raise ClvsError(f"The method {spec(one)!r} is given twice; give it once.")
        paths.append(path)
    return paths


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
    figures = _figures()
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


def _figures() -> Any:
    """`viz.figures`, which this package must not need: drawing is the one thing it does with it."""
    try:
        return importlib.import_module("viz.figures")
    except ImportError as error:
        raise ClvsError(
            f"Figures need matplotlib and this project's viz folder ({error}); "
            f"run from the project's folder after pip install -r requirements.txt."
        ) from error


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


# --- models -----------------------------------------------------------------------------------------------------

_SHOWN = ("float32", "bfloat16", "8bit", "4bit")


def _models(options: argparse.Namespace) -> None:
    check_device(options.device)
    found = memory.places(options.device)
    cards = [_card_report(card, options.device) for card in CARDS.values()]
    if options.json:
        machine = [{"device": p.device, "name": p.label, "free": p.free, "total": p.total} for p in found]
        print(json.dumps({"machine": machine, "models": cards}, indent=1))
        return
    for place in found:
        print(f"{_line(place.label)}: {memory.gigabytes(place.free)} of {memory.gigabytes(place.total)} free")
    print("\n" + "\n".join(_model_table(cards)))
    print(
        "\nBillions of parameters; memory in GB for the weights and, as an allowance, the keys and values of "
        f"{memory.PICTURES} pictures and {memory.WORKING / 1e9:.1f} GB to work in.\n"
        "* fits here now (8bit and 4bit need bitsandbytes and a GPU)   P used in the CLVS paper   "
        "G gated: accept the licence on its page first"
    )


def _card_report(card: ModelCard, device: str) -> dict[str, Any]:
    """What is known about a checkpoint, with the bytes it needs at each precision and which of them fit here."""
    needs = {kind: card.size.needed(kind) for kind in _SHOWN} if card.size else {}
    offered = [kind for kind in needs if kind in memory.offered(device)]
    return {
        "name": card.name,
        "label": card.label,
        "source": card.source,
        "revision": card.revision,
        "family": card.family,
        "parameters": card.parameters,
        "licence": card.licence,
        "gated": card.gated,
        "paper": card.paper,
        "vision": card.vision,
        "note": card.note,
        "needs": needs,
        "fits": [kind for kind in offered if memory.fit(needs[kind], device)],
    }


def _model_table(cards: Sequence[dict[str, Any]]) -> list[str]:
    """One line a checkpoint under a heading, in columns."""
    names = max(len(card["name"]) for card in cards) + 2
    licences = max(len(card["licence"]) for card in cards) + 2
    heads = "".join(f"{kind:>10}" for kind in _SHOWN)
    lines = [f"{'model':<{names}}{'size':>5}{heads}      {'licence':<{licences}}hub id"]
    for card in cards:
        cells = "".join(f"{card['needs'][kind] / 1e9:>9.1f}{'*' if kind in card['fits'] else ' '}" for kind in _SHOWN)
        marks = ("P" if card["paper"] else " ") + ("G" if card["gated"] else " ")
        source = "ships with this program" if Path(card["source"]).is_dir() else card["source"]
        size = f"{card['parameters']:.3g}" if card["parameters"] < 1 else f"{card['parameters']:.1f}"
        lines.append(f"{card['name']:<{names}}{size:>5}{cells}  {marks}  {card['licence']:<{licences}}{source}")
    return lines
