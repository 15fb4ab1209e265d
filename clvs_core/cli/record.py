"""The command `record`: asks a list of questions and keeps what the page shows of each answer in a folder.

The page offers such a folder under its model's name to people who cannot run the model; docs/recording.md says what is
in it. Whatever is shown is the page's own business: its desks make the payloads, this file keeps them.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gzip
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..benchmarks.running.job import apart, hold
from ..benchmarks.running.provenance import device_name, model_facts, sha256, versions
from ..drawing import part_of_viz
from ..errors import ClvsError
from ..files import sweep, unwritten, write_whole
from ..methods import spec
from ..models import prompts
from ..recordings import ABOUT, FORMAT, MAX_QUESTIONS, MAX_TEXT, MAX_UNPACKED, PAYLOAD, PICTURES, QUESTIONS
from ..terminal import say
from ..text import line
from . import choose
from .options import add_model, add_prompt, load, positive

_LOCK = ".lock"
_QUESTIONS = """\
A questions file has one JSON object a line:
  {"image": "cup.jpg", "question": "Is the cup red?", "title": "A cup", "box": [40, 60, 180, 220], "name": "cup",
   "licence": "CC BY 4.0", "source": "https://example.org/cup"}
"image" is a file in --images and needed, as is "question". Key objects are those of the picture's annotations that the
question names; "objects" lists others; "box" (four numbers) or "polygon" (pairs), in pixels of the picture, is one of
your own, called "name". "licence" and "source" of a picture are shown beside it. If the command is stopped, the same
one goes on; lines can be added at the end, and titles, licences and sources changed. docs/recording.md has more.
"""
_SAME = {  # what must not change when a recording goes on, by its name for people
    "model": "model",
    "methods": "methods",
    "max_new_tokens": "--max-new-tokens",
    "prompt": "prompt",
    "annotations_sha256": "annotations",
}


@dataclass(frozen=True)
class Line:
    """A line of a questions file."""

    image: str
    question: str
    title: str = ""
    objects: tuple[str, ...] = ()
    box: tuple[float, ...] | None = None
    polygon: tuple[tuple[float, ...], ...] | None = None
    name: str = "region"
    licence: str = ""
    source: str = ""


def add(commands: Any) -> None:
    """Adds the command to argparse's subparsers."""
    parser = commands.add_parser(
        "record",
        help="keep answers for the page, for those who cannot run the model",
        epilog=_QUESTIONS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the recording's folder, whose name the page links")
    parser.add_argument(
        "--questions", metavar="FILE.jsonl", help="what to ask (default: the bundled scenes and their questions)"
    )
    parser.add_argument("--images", metavar="DIR", help="where its pictures are (default: beside it)")
    parser.add_argument(
        "--coco-annotations", metavar="FILE", help="COCO instances whose masks to use; pictures are found by file name"
    )
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="licence of the pictures whose lines do not name one"
    )
    choose.add_methods(parser)
    add_prompt(parser)
    parser.add_argument("--max-new-tokens", type=positive, default=16, metavar="N", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """What is wrong with options, questions or pictures costs no model."""
    recorder = part_of_viz("page.recorded.recorder")
    prompts.parse(options.prompt)
    methods = [spec(method) for method in choose.chosen_methods(options)]
    recorder.check(methods, options.max_new_tokens)
    if len(options.licence) > MAX_TEXT:
        raise ClvsError(f"The licence has {len(options.licence)} characters; name it in {MAX_TEXT}.")
    library = recorder.Library(coco_annotations=options.coco_annotations)
    lines = _read_lines(options) if options.questions else _scenes(library)
    folder = Path(options.out)
    with _held(folder):
        say(f"Preparing {len(lines)} questions ...")
        entries = _prepared(recorder, library, lines, options.licence)
        about = _asked(options, methods, [entry for entry, _ in entries])
        before = _before(folder)
        _check_same(folder, before, about)
        for picture, row in {entry["picture"]: row for entry, row in entries}.items():
            _keep(folder / PICTURES / picture, _open(recorder, library, row).encoded)
        missing = [pair for pair in entries if before is None or not _kept(folder, pair[0]["id"])]
        if before is None or missing:
            _ask(recorder, library, folder, options, about, missing)
        else:  # a title or a licence may be another
            _keep_about(folder, {**before, **about})
    files = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    say(f"{len(entries)} questions, {size:.1f} MB; to see them: python app.py --recordings {folder}")
    print(folder)


# --- what to ask ------------------------------------------------------------------------------------------------


def _scenes(library: Any) -> list[Line]:
    """All questions of the bundled scenes."""
    return [Line(str(scene.path), text, scene.title) for scene in library.scenes for text in scene.questions]


def _read_lines(options: argparse.Namespace) -> list[Line]:
    path = Path(options.questions)
    folder = Path(options.images) if options.images else path.parent
    try:
        texts = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ClvsError(f"The questions {path!s:.200} cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError:
        raise ClvsError(f"The questions {path} are no UTF-8 text; save them as UTF-8.") from None
    lines: dict[Line, None] = {}
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        try:
            lines.setdefault(_line(json.loads(text), folder))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            why = error.args[0] if isinstance(error, ClvsError) else "it is not of the form that --help shows"
            raise ClvsError(f"Line {number} of {path.name} cannot be used: {str(why).rstrip('.')}.") from None
    if not 1 <= len(lines) <= MAX_QUESTIONS:
        raise ClvsError(f"{path.name} has {len(lines)} questions; give 1 to {MAX_QUESTIONS} of them.")
    return list(lines)


def _line(entry: Mapping[str, Any], folder: Path) -> Line:
    """Raises ClvsError, or another ValueError or TypeError, for what is no such line."""
    names = [field.name for field in fields(Line)]
    if unknown := [key for key in entry if key not in names]:
        raise ClvsError(f"{unknown[0]!r:.60} is not among {', '.join(names)}.")
    texts = {key: value for key, value in entry.items() if key not in ("objects", "box", "polygon")}
    if not all(isinstance(value, str) for value in texts.values()):
        raise ClvsError("image, question, title, name, licence and source must be texts.")
    texts = {key: value if key == "image" else line(value).strip() for key, value in texts.items()}
    if not all(0 < len(texts.get(key, "-")) <= MAX_TEXT for key in ("title", "name", "licence", "source")):
        raise ClvsError(f"title, name, licence and source have 1 to {MAX_TEXT} characters.")
    texts["image"] = str(folder / texts["image"])
    if "box" in entry and "polygon" in entry:
        raise ClvsError("A region is either a box or a polygon; give one of the two.")
    return Line(
        **texts,
        objects=tuple(_text(name) for name in entry.get("objects", ())),
        box=_numbers(entry["box"], 4) if "box" in entry else None,
        polygon=tuple(_numbers(pair, 2) for pair in entry["polygon"]) if "polygon" in entry else None,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ClvsError("objects must be a list of names.")
    return line(value).strip().casefold()


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    numbers = isinstance(values, list) and len(values) == count
    if not numbers or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values):
        raise ClvsError("A box is four numbers, a polygon a list of pairs of them.")
    return tuple(map(float, values))


Entry = dict[str, Any]  # of a question, as recording.json has it


def _prepared(recorder: Any, library: Any, lines: Sequence[Line], licence: str) -> list[tuple[Entry, Line]]:
    """Checks every question; what recording.json says of each, beside its line."""
    pictures: dict[str, str] = {}
    entries: list[tuple[Entry, Line]] = []
    for row in lines:
        try:
            asked = _open(recorder, library, row)
        except ClvsError as error:
            raise ClvsError(f"{Path(row.image).name}, {row.question!r:.80}: {error}") from None
        if row.image not in pictures:
            pictures[row.image] = _free_name(Path(row.image).stem, set(pictures.values()))
        picture = pictures[row.image]
        number = sum(entry["picture"] == picture for entry, _ in entries) + 1
        entries.append((_entry(row, picture, number, asked.question, licence), row))
    return entries


def _entry(row: Line, picture: str, number: int, question: str, licence: str) -> Entry:
    """number: of the question among those about its picture, from 1."""
    regions = {key: value for key, value in asdict(row).items() if key in ("objects", "box", "polygon") and value}
    return {
        "id": f"{Path(picture).stem}-{number}",
        "picture": picture,
        "title": row.title or line(Path(row.image).stem),
        "question": question,
        "licence": row.licence or licence,
        "source": row.source,
        "picture_sha256": sha256(Path(row.image)),
        **({"name": row.name} if row.box or row.polygon else {}),
        **json.loads(json.dumps(regions)),  # as it is read back: lists, not tuples
    }


def _open(recorder: Any, library: Any, row: Line) -> Any:
    path = Path(row.image)
    drawn = recorder.region(path, row.name, row.box, row.polygon) if row.box or row.polygon else None
    return recorder.open_asked(library, path, row.question, row.objects, drawn)


def _free_name(stem: str, taken: set[str]) -> str:
    """A name of letters that every file system and address takes, told apart from others."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:60] or "picture"
    names = [f"{plain}.jpg", *(f"{plain}-{n}x.jpg" for n in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


# --- the folder -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder, made where needed, for this process alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in folder.iterdir() if path.name not in (PICTURES, QUESTIONS, _LOCK)]
        if others and not any(name.startswith(ABOUT) for name in others):
            raise ClvsError(f"{folder} holds something else, {others[0]}; name an empty or new folder.")
        (folder / PICTURES).mkdir(exist_ok=True)
        (folder / QUESTIONS).mkdir(exist_ok=True)
        file = (folder / _LOCK).open("ab")
    except OSError as error:
        raise ClvsError(f"{folder} cannot be written ({error.strerror or error}); name another folder.") from error
    with file:
        hold(file, folder)
        sweep(folder, ABOUT)
        sweep(folder / PICTURES)
        sweep(folder / QUESTIONS)
        yield
        (folder / _LOCK).unlink(missing_ok=True)


def _keep(path: Path, content: bytes) -> None:
    try:
        if not path.is_file() or path.read_bytes() != content:
            write_whole(path, content)
    except OSError as error:
        raise unwritten(path, error) from error


def _kept(folder: Path, id: str) -> bool:
    """Whether this question's answer is there, and whole."""
    try:
        with gzip.open(folder / QUESTIONS / f"{id}{PAYLOAD}") as file:
            return bool(file.read(MAX_UNPACKED))
    except (OSError, EOFError, ValueError):
        return False


def _asked(options: argparse.Namespace, methods: Sequence[str], entries: Sequence[Entry]) -> dict[str, Any]:
    """What recording.json says and no model is needed for."""
    annotations = options.coco_annotations
    return {
        "format": FORMAT,
        "methods": list(methods),
        "max_new_tokens": options.max_new_tokens,
        "prompt": options.prompt,
        "annotations_sha256": sha256(Path(annotations)) if annotations else "",
        "questions": list(entries),
    }


def _before(folder: Path) -> dict[str, Any] | None:
    """recording.json of an earlier session. ClvsError for what is none."""
    path = folder / ABOUT
    if not path.is_file():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        entries, model = about["questions"], about["model"]
        if about["format"] != FORMAT or not isinstance(model, dict) or not all(isinstance(e, dict) for e in entries):
            raise ValueError("it is of another format")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ClvsError(f"{path} cannot be used ({error}); name another folder, or delete this one.") from None
    return about


def _check_same(folder: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> None:
    for key, name in _SAME.items():
        if before is not None and key in now and before.get(key) != now[key]:
            difference = apart(before.get(key), now[key])
            raise ClvsError(f"{folder} holds a recording with other {name}: {difference}; name another folder.")
    asked = {entry["id"]: _settings(entry) for entry in now["questions"]}
    for entry in before["questions"] if before else ():
        if asked.get(entry.get("id")) != _settings(entry):
            other = f"{entry.get('picture')!s:.60}, {entry.get('question')!r:.80}"
            raise ClvsError(
                f"{folder} holds another question, {other}; lines can only be added at the end, so name another folder."
            )


def _settings(entry: Entry) -> Entry:
    """What an answer depends on."""
    return {key: value for key, value in entry.items() if key not in ("title", "licence", "source")}


# --- asking -----------------------------------------------------------------------------------------------------


def _ask(
    recorder: Any,
    library: Any,
    folder: Path,
    options: argparse.Namespace,
    about: dict[str, Any],
    missing: Sequence[tuple[Entry, Line]],
) -> None:
    """Asks what is missing. ClvsError at the end where some questions could not be asked; the others are kept."""
    model = load(options)
    asker = recorder.Recorder(model, options.model, library)  # now a model out of a folder goes by the folder's name
    facts = model_facts(model, options.quantization, options.image_mode)
    about = {**about, "model": {**facts, "id": "" if Path(options.model).is_dir() else options.model}}
    before = _before(folder)
    _check_same(folder, before, about)
    _begin(folder, about, before, device_name(model))
    total, failed = len(about["questions"]), []
    try:
        for number, (entry, one) in enumerate(missing, total - len(missing) + 1):
            try:
                asked = _open(recorder, library, one)
                payload = asker.ask(asked, about["methods"], about["max_new_tokens"], about["prompt"])
                packed = _packed({**payload, "id": entry["id"]})
            except ClvsError as error:
                failed.append(f"{entry['picture']}, {entry['question']!r:.80}: {error}")
                say(failed[-1])
                continue
            _keep(folder / QUESTIONS / f"{entry['id']}{PAYLOAD}", packed)
            answers = " | ".join(f"{method['label']}: {line(method['text']).strip()}" for method in payload["methods"])
            say(f"{number} of {total}: {entry['picture']}, {line(entry['question'])} {answers}")
    except KeyboardInterrupt:
        say("Stopped; the same command goes on from here.")
        raise
    if failed:
        raise ClvsError(f"{len(failed)} of {total} questions could not be recorded, the last: {failed[-1]}")


def _begin(folder: Path, about: dict[str, Any], before: Mapping[str, Any] | None, device: str) -> None:
    """Writes what the recording is, with one more session."""
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    session = {"started": started, "versions": versions(), "device": device}
    sessions = [*(before or {}).get("sessions", []), session]
    _keep_about(folder, {**about, "sessions": sessions})


def _keep_about(folder: Path, about: Mapping[str, Any]) -> None:
    _keep(folder / ABOUT, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())


def _packed(payload: Mapping[str, Any]) -> bytes:
    """A payload as a file has it; the same payload always gives the same bytes."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MAX_UNPACKED:
        raise ClvsError(
            f"What the page would show has {len(text) / 2**20:.0f} MB, and it reads {MAX_UNPACKED >> 20}; "
            "give a smaller --max-new-tokens, or fewer methods."
        )
    return gzip.compress(text, mtime=0)
