"""A run on disk: what was asked of which model and how, and every answer. It is scored and drawn without data or model.

    run.json         how it was run: `RunFolder.about`
    questions.jsonl  one question a line, in the benchmark's order: id, image, text, label, kind, source, row, and
                     picture, the path it was read from, or null
    answers.jsonl    one answer a line, as they came: id, method, answer; probability, of its first token; stop, the
                     0-based layer after which the first token's smoothing ended, -1 for never. Where the run recorded
                     them, numbers of the first token by layer: attention, what falls on the key object (mean over
                     heads), with picture_attention, what falls on the picture; uncertainty, and converged, whether this
                     layer and all later ones would say the answer; knockout, {"window", "word": {"kept",
                     "control", "everywhere"}, "both": {...}}, what is left of the answer when the key object is hidden,
                     as `clvs_core.engine.knockout.Knockout` has it. mask_note: why there is no key object, or
                     what is not certain about it.

run.json: {"format": 1, "benchmark": "pope", "data": path, "files": {name: sha256}, "options": {"category": ...},
"selection": {"limit", "positives"}, "records": ["key_objects", "lens", "knockout"], "model": {"name", "label",
"family", "revision", "weights", "layers", "heads", "dtype", "device", "quantization", "image_mode"}, "methods": {name
in answers.jsonl: full spec}, "prompt", "example": a whole prompt, "max_new_tokens", "batch", "seed", "questions":
number of different ones, "questions_sha256": of their lines without pictures, "versions": {"python", "torch",
"transformers", "clvs-explorer" if it is installed, "commit" of a checkout or null}, "sessions": [{"started",
"versions", "devices"}]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ...errors import ClvsError
from ...text import mended
from ...untrusted import Count, Untrusted, Whole, checked
from .. import get
from ..answers import ABOUT, ANSWERS, QUESTIONS
from ..benchmark import Benchmark
from ..question import Question
from ..rows import read_text

FORMAT = 1
_ANEW = "run the benchmark anew"
_TEXTS = ("id", "image", "text", "label", "kind", "source")
_Facts = Annotated[dict[str, Any], Field(default_factory=dict)]


class _About(Untrusted):
    """What others rely on in run.json."""

    benchmark: str
    model: dict[str, Any]
    methods: dict[str, str]
    prompt: str
    max_new_tokens: Whole
    questions: Count
    versions: _Facts
    options: _Facts
    selection: _Facts
    files: _Facts
    inputs: _Facts
    records: Annotated[list[Any], Field(default_factory=list)]
    sessions: Annotated[list[dict[str, Any]], Field(default_factory=list)]


class _Question(Untrusted):
    """A line of questions.jsonl. The path of a picture need be no text."""

    id: str
    image: str
    text: str
    label: Literal["yes", "no"]
    kind: str
    source: str
    row: Any
    picture: Any


@dataclass(frozen=True, eq=False)
class RunFolder:
    """One run. questions: as the benchmark lists them, an id as often as it does; rows: the lines of answers.jsonl."""

    folder: Path
    about: Mapping[str, Any]
    questions: Sequence[Question]
    rows: Sequence[Mapping[str, Any]]

    @property
    def benchmark(self) -> Benchmark:
        return get(self.about["benchmark"])

    @property
    def methods(self) -> Mapping[str, str]:
        """What each method is called in the answers -> its full spec, in the order they were asked for."""
        return self.about["methods"]

    @property
    def total(self) -> int:
        """How many answers the run has when it is complete."""
        return self.about["questions"] * len(self.methods)

    @property
    def complete(self) -> bool:
        return len(self.rows) == self.total

    @cached_property
    def answers(self) -> dict[str, dict[str, str]]:
        """Raw answers by question id, by method; every method has an entry, also one without answers."""
        return {method: self.column(method, "answer") for method in self.methods}

    def column(self, method: str, name: str) -> dict[str, Any]:
        """One thing that the run recorded of a method's answers, by question id; without those that lack it."""
        return {id: row[name] for id, row in self._by_method[method].items() if row.get(name) is not None}

    @cached_property
    def _by_method(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        found: dict[str, dict[str, Mapping[str, Any]]] = {method: {} for method in self.methods}
        for row in self.rows:
            found[row["method"]][row["id"]] = row
        return found


def read_run(folder: str | Path) -> RunFolder:
    """The run in a folder, complete or not. Raises ClvsError for what is no run or is damaged.

    A last line without its end, which a killed run leaves behind, is passed over.
    """
    folder = Path(folder)
    about = read_about(folder)
    questions = [_question(row, folder / QUESTIONS) for row in _lines(folder / QUESTIONS)]
    known, rows = {question.id for question in questions}, _lines(folder / ANSWERS)
    asked: set[tuple[Any, Any]] = set()
    for number, row in enumerate(rows, 1):
        where = f"Line {number} of {folder / ANSWERS}"
        id, method = row.get("id"), row.get("method")
        if id not in known or method not in about["methods"] or not isinstance(row.get("answer"), str):
            raise ClvsError(f"{where} is no answer of this run; take the line out, or run the benchmark anew.")
        if (id, method) in asked:
            raise ClvsError(f"{where} answers question {id} a second time with {method}; take one of the lines out.")
        asked.add((id, method))
    return RunFolder(folder, about, questions, rows)


def read_about(folder: Path) -> dict[str, Any]:
    """run.json, checked. Raises ClvsError where there is none or it is of another format."""
    path = folder / ABOUT
    if not os.path.isfile(path):  # False, too, for what cannot be a path
        raise ClvsError(
            f"{folder!s:.200} holds no run, there is no {ABOUT}; name a folder that the command bench wrote."
        )
    try:
        about = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ClvsError(f"{path} is damaged ({error}); {_ANEW}.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ClvsError(f"{path} is not of format {FORMAT}; read it with the version that wrote it.")
    checked(_About, about, str(path), _ANEW)
    return about


def find_runs(paths: Iterable[str | Path]) -> list[Path]:
    """The folders of runs among these paths and up to two levels below them, each once, in order.

    Raises ClvsError for a path without any.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        runs = _runs_in(path, 2)
        if not runs:
            raise ClvsError(f"There is no run in {path!s:.200}; name a folder that the command bench wrote.")
        found |= dict.fromkeys(runs)
    return list(found)


def _runs_in(path: Path, deep: int) -> list[Path]:
    if os.path.isfile(path / ABOUT):
        return [path]
    return [run for child in _folders(path) for run in _runs_in(child, deep - 1)] if deep else []


def _folders(path: Path) -> list[Path]:
    """The folders in a folder, in order; none where it may not be looked into."""
    try:
        return sorted(child for child in path.iterdir() if child.is_dir())
    except OSError:
        return []


def question_line(question: Question) -> dict[str, Any]:
    """A question as questions.jsonl has it."""
    picture = str(question.picture) if isinstance(question.picture, (str, Path)) else None
    return {**{name: getattr(question, name) for name in _TEXTS}, "row": question.meta.get("row"), "picture": picture}


def _question(row: Mapping[str, Any], path: Path) -> Question:
    entry = checked(_Question, row, str(path), _ANEW)
    return Question(**{name: getattr(entry, name) for name in _TEXTS}, picture=entry.picture, meta={"row": entry.row})


def _lines(path: Path) -> list[dict[str, Any]]:
    """The objects of JSON lines; without the file, none; without a last line that has no end."""
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise ClvsError(f"Line {number} of {path} is damaged; take it out to go on with the run.")
        # what a page could not send; a path stays as it is, as file names may be no text
        found.append({k: mended(v) if isinstance(v, str) and k != "picture" else v for k, v in row.items()})
    return found
