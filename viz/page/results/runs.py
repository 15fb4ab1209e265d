"""Run folders on the page: which may be read, which of a run's questions are shown, and where their pictures are.

Visitors choose among the runs that the app was started with, by name; only who runs the page opens others by path.
"""

from __future__ import annotations

import base64
import functools
import io
import itertools
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clvs_core.benchmarks import PARSERS
from clvs_core.benchmarks.parsers import parser as parser_of
from clvs_core.benchmarks.pictures import with_pictures
from clvs_core.benchmarks.question import Question
from clvs_core.benchmarks.running.folder import ABOUT, ANSWERS, QUESTIONS, RunFolder, find_runs, read_run
from clvs_core.errors import ClvsError
from clvs_core.labels import name_of, numbered, run_labels, title
from clvs_core.text import line
from viz.page import limits
from viz.page.library import Library

PAGE = 50  # questions shown at a time
KEPT = 3  # runs in memory, whoever reads them
SHOWS = ("all", "differ", "unread", "wrong", "gained", "lost")
OF_ONE = ("wrong", "gained", "lost")  # these are about one method
VANILLA, CLVS = "vanilla", "clvs"
YES, NO, NEITHER, NONE = 1, 0, -1, -2  # what an answer was read as; NONE: there is no answer yet
_SAID = {"yes": YES, "no": NO, None: NEITHER}
_LONGEST = 600  # characters of any text from a run that the page shows
MOST = 200  # methods of a run that the page shows: a table of more is no use to anybody


@dataclass(frozen=True)
class Choice:
    """What is chosen on the Results tab.

    run: a listed name; folder: what the owner typed instead; parser: "" is the benchmark's own; show: one of SHOWS;
    id: the question that a link points at, on whose page the table opens.
    """

    run: str = ""
    folder: str = ""  # not "path": what has that name is a file to Gradio
    parser: str = ""
    text: str = ""
    kind: str = ""
    show: str = "all"
    method: str = ""
    page: int = 0
    id: str = ""

    @classmethod
    def of(cls, data: Any) -> Choice:
        """A browser's message, or a link's words. What cannot be read is left out; nothing raises."""
        data = data if isinstance(data, Mapping) else {}
        texts = {f.name: data.get(f.name) for f in fields(cls) if f.type == "str"}
        found = cls(**{name: text[:_LONGEST] for name, text in texts.items() if isinstance(text, str)})
        page = data.get("page")
        number = page if isinstance(page, int) and not isinstance(page, bool) and 0 <= page < 10**6 else 0
        parser = found.parser if found.parser in PARSERS else ""
        return replace(found, parser=parser, show=found.show if found.show in SHOWS else "all", page=number)


# --- which runs there are -----------------------------------------------------------------------------


class Runs:
    """The runs in these folders and two levels below, and pictures by name in `images`; read anew when they change.

    Raises ClvsError for a folder that does not exist.
    """

    def __init__(self, folders: Iterable[str | Path] = (), images: Iterable[str | Path] = ()):
        self.folders = [_folder(path, "--runs") for path in folders]
        self.images = [_folder(path, "--images") for path in images]
        self._open: dict[tuple[Path, Path], tuple[Any, OpenRun]] = {}  # the newest last
        self._lock = threading.Lock()

    def listed(self) -> dict[str, Path]:
        """The runs that anybody may choose, by names that are shown and linked; no name tells where a folder is."""
        parts: dict[Path, tuple[str, ...]] = {}  # of each run, from the folder that was named at start
        for folder in self.folders:
            try:
                paths = find_runs([folder])
            except (ClvsError, OSError):  # none yet, or not to be read
                continue
            for path in paths:
                parts[path] = max(parts.get(path, ()), path.relative_to(folder.parent).parts, key=len)
        found: dict[str, Path] = {}
        for path, own in parts.items():
            found[_free(own, found)] = path
        return found

    def get(self, choice: Choice, owner: bool) -> OpenRun:
        """The run of the chosen name, for the owner also at the chosen path. ClvsError for anything else."""
        if choice.folder and owner:
            path = Path(choice.folder.strip()).expanduser().resolve()
            return self._read(path, path)
        path = self.listed().get(choice.run)
        if path is None or choice.folder:
            raise ClvsError(f"There is no run {(choice.folder or choice.run)!r:.80} here; choose one of the list.")
        try:
            return self._read(path, Path(choice.run))
        except ClvsError as error:  # where it is on this machine is nobody's business
            told = f"The run {choice.run} is damaged; tell whoever runs this page."
            raise ClvsError(str(error).replace(str(path), choice.run) if owner else told) from error

    def _read(self, path: Path, named: Path) -> OpenRun:
        """named: what the run's folder is called wherever the run is spoken of, in tables and errors."""
        stamp = _stamp(path)
        with self._lock:  # two visitors who ask for the same long run read it once
            kept = self._open.pop((path, named), None)
            if kept is None or kept[0] != stamp:
                kept = stamp, OpenRun(replace(read_run(path), folder=named))
            self._open[path, named] = kept
            while len(self._open) > KEPT:
                del self._open[next(iter(self._open))]
            return kept[1]


def _free(parts: tuple[str, ...], taken: Mapping[str, Any]) -> str:
    """The last parts of a path, as few as tell it from names that are taken; at last with a number."""
    names = [readable("/".join(parts[-n:])) for n in range(1, len(parts) + 1)]
    again = (f"{names[-1]} ({n})" for n in itertools.count(2))
    return next(name for name in itertools.chain(names, again) if name not in taken)


def _folder(path: str | Path, option: str) -> Path:
    folder = Path(path).expanduser().resolve()
    if not folder.is_dir():
        raise ClvsError(f"There is no folder {str(folder)!r}; check {option}.")
    return folder


def _stamp(path: Path) -> tuple[Any, ...]:
    files = [path / name for name in (ABOUT, QUESTIONS, ANSWERS)]
    return tuple((file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None for file in files)


# --- one run ------------------------------------------------------------------------------------------


class OpenRun:
    """A run that was read, with what the page needs of it worked out once.

    run: as on disk, but with the first MOST methods only; left_out: how many more it has. questions: each once, in the
    run's order; ids: what the page calls them; places: these ids' places. names: what the page calls its methods;
    specs: their settings in full; labels: what is shown of them; answers: of each name, by the question's own id.
    vanilla: its place among them.
    """

    def __init__(self, run: RunFolder):
        self.run, self.left_out, self.state = _first(run), max(0, len(run.methods) - MOST), _state(run)
        self.benchmark = run.benchmark
        self.questions = list({question.id: question for question in run.questions}.values())
        self.ids = short([question.id for question in self.questions])
        self.places = {id: place for place, id in enumerate(self.ids)}
        methods = self.run.methods
        self.names = short(list(methods))
        self.specs = [str(spec) for spec in methods.values()]
        self.labels = labels_of(list(methods), self.specs)
        self.answers = dict(zip(self.names, map(self.run.answers.get, methods), strict=True))
        self.vanilla = next((n for n, spec in enumerate(self.specs) if name_of(spec) == VANILLA), None)
        self._texts = [f"{q.id}\n{q.image}\n{q.text}".lower() for q in self.questions]
        self.kinds = list(dict.fromkeys(kind_of(question) for question in self.questions))
        self.said = functools.lru_cache(maxsize=4)(self._said)

    def question(self, id: str) -> tuple[int, Question]:
        """Place and question of that id. ClvsError when there is none."""
        if id not in self.places:
            raise ClvsError(f"The run has no question {id!r:.80}; read it again.")
        return self.places[id], self.questions[self.places[id]]

    def parser(self, choice: Choice) -> str:
        return choice.parser or self.benchmark.parser

    def _said(self, parser: str) -> np.ndarray:
        """(questions, methods) int8 of YES, NO, NEITHER or NONE, as this parser reads the answers."""
        read = functools.lru_cache(maxsize=10_000)(parser_of(parser, self.benchmark.name))
        columns = [self.answers[name] for name in self.names]
        said = [
            [_SAID[read(column[q.id], q.label)] if q.id in column else NONE for column in columns]
            for q in self.questions
        ]
        return np.array(said, np.int8).reshape(len(self.questions), len(self.names))

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """(questions, 1) int8 of YES and NO."""
        return np.array([[_SAID[question.label]] for question in self.questions], np.int8).reshape(-1, 1)

    def matching(self, choice: Choice) -> np.ndarray:
        """(questions,) bool: which of them the filters leave."""
        found = np.ones(len(self.questions), bool)
        if choice.text.strip():
            wanted = choice.text.lower().split()
            found &= np.fromiter((all(word in text for word in wanted) for text in self._texts), bool, len(found))
        if choice.kind:
            found &= np.fromiter((kind_of(q) == choice.kind for q in self.questions), bool, len(found))
        return found & self._shown(choice)

    def _shown(self, choice: Choice) -> np.ndarray:
        said = self.said(self.parser(choice))
        if choice.show == "differ":
            return disagree(said)
        if choice.show == "unread":
            return unread(said, self.said("first_word"))
        if choice.show not in OF_ONE or choice.method not in self.names:
            return np.ones(len(said), bool)
        one = said[:, self.names.index(choice.method)]
        truth = self.truth[:, 0]
        wrong = (one != truth) & (one != NONE)
        if choice.show == "wrong":
            return wrong
        if self.vanilla is None:
            return np.zeros(len(said), bool)
        base = said[:, self.vanilla]
        if choice.show == "gained":
            return (one == truth) & (base != truth) & (base != NONE)
        return wrong & (base == truth)


def labels_of(names: Sequence[str], specs: Sequence[str]) -> list[str]:
    """What a run's methods are called, no two alike; names: as they were asked for; specs: settings in full."""
    found = run_labels(names, specs, [readable(title(name)) for name in names])
    return numbered(list(map(readable, found)))  # a sweep may ask the usual setting twice


def readable(text: str, longest: int = _LONGEST) -> str:
    """A text from a run as a browser can take it: not too long, without halves of surrogate pairs."""
    return text[:longest].encode("utf-8", "replace").decode("utf-8")


def short(texts: Sequence[str]) -> list[str]:
    """The same for texts that are all different, and still are."""
    return [
        text if readable(text) == text else f"{readable(text, _LONGEST - 20)}… {n}" for n, text in enumerate(texts, 1)
    ]


def _first(run: RunFolder) -> RunFolder:
    """The run with the first MOST of its methods, and vanilla in any case."""
    if len(run.methods) <= MOST:
        return run
    kept = dict(itertools.islice(run.methods.items(), MOST))
    if not any(name_of(str(spec)) == VANILLA for spec in kept.values()):
        others = ((name, spec) for name, spec in run.methods.items() if name_of(str(spec)) == VANILLA)
        kept = dict([*itertools.islice(others, 1), *kept.items()][:MOST])
    rows = [row for row in run.rows if row["method"] in kept]
    return replace(run, about={**run.about, "methods": kept}, rows=rows)


def _state(run: RunFolder) -> str:
    """How complete a run is, with all its methods."""
    if run.complete:
        return f"Complete: {run.total:,} answers."
    return f"{len(run.rows):,} of {run.total:,} answers, still running or stopped."


def kind_of(question: Question) -> str:
    """What a question is filtered by: its source, where it has one, and its kind."""
    return readable(f"{question.source} {question.kind}".strip())


def disagree(said: np.ndarray) -> np.ndarray:
    """(questions,) bool: whether the methods that answered say different things; unread is one of them."""
    answered = said != NONE
    low = np.where(answered, said, np.int8(9)).min(axis=1, initial=9)
    high = np.where(answered, said, np.int8(-9)).max(axis=1, initial=-9)
    return high > low


def unread(said: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(questions,) bool: whether of any method the parser, or a person, reads neither, or each the opposite."""
    return np.any((said != NONE) & ((said == NEITHER) | (person == NEITHER) | (said != person)), axis=1)


def to_ask(opened: OpenRun, said: np.ndarray, picked: Sequence[str], differing: bool) -> list[str]:
    """The methods to ask a question with, at most as many as the page compares.

    Vanilla always where the run has it, then those picked by hand, then, if they are wanted, those whose answer differs
    from vanilla's. said: (methods,) of this question. Without any, the run's first.
    """
    base = opened.vanilla if opened.vanilla is not None else 0
    wanted = [opened.names[opened.vanilla]] if opened.vanilla is not None else []
    wanted += [name for name in opened.names if name in picked]
    if differing:
        answers = zip(opened.names, said, strict=True)
        wanted += [name for name, one in answers if one not in (said[base], NONE)]
    return list(dict.fromkeys(wanted or opened.names))[: limits.MAX_METHODS]


def usual(opened: OpenRun) -> list[str]:
    """What is picked before anybody picks: vanilla, and CLVS as it first stands in the run."""
    methods = list(zip(opened.names, opened.specs, strict=True))
    named = [[name for name, spec in methods if name_of(spec) == wanted] for wanted in (VANILLA, CLVS)]
    return [names[0] for names in named if names] or opened.names[:2]


# --- what is shown of it ------------------------------------------------------------------------------


def shown(opened: OpenRun, choice: Choice) -> dict[str, Any]:
    """A page of the table: {count, total, page, pages, parser, marked, rows: [{id, image, text, label, kind, cells}]}.

    cells: one a method, [answer, mark, odd]; a mark is "right", "wrong", "unread" or "none"; odd: the parser read what
    a person would not, or not so.
    """
    found = np.flatnonzero(opened.matching(choice))
    pages = max(1, -(-len(found) // PAGE))
    page = min(choice.page, pages - 1)
    linked = np.flatnonzero(found == opened.places.get(choice.id, -1))
    page = int(linked[0]) // PAGE if len(linked) else page
    said, person = opened.said(opened.parser(choice)), opened.said("first_word")
    rows = [_row(opened, int(n), said[n], person[n]) for n in found[page * PAGE : (page + 1) * PAGE]]
    numbers = {"count": len(found), "total": len(opened.questions), "page": page, "pages": pages}
    return {**numbers, "parser": opened.parser(choice), "marked": choice.id, "rows": rows}


def _row(opened: OpenRun, index: int, said: np.ndarray, person: np.ndarray) -> dict[str, Any]:
    question = opened.questions[index]
    marks = {NONE: "none", NEITHER: "unread", _SAID[question.label]: "right"}
    cells = []
    for name, one, read in zip(opened.names, said, person, strict=True):
        answer = opened.answers[name].get(question.id, "")
        cells.append([readable(answer), marks.get(int(one), "wrong"), bool(one in (YES, NO) and one != read)])
    texts = {name: readable(getattr(question, name)) for name in ("image", "text", "label")}
    return {"id": opened.ids[index], **texts, "kind": kind_of(question), "cells": cells}


def about(opened: OpenRun) -> dict[str, str]:
    """{line, state}: one line about a run, and how complete it is."""
    told = opened.run.about
    model = told["model"]
    options = told.get("options")
    part = " ".join(str(v) for v in options.values() if v is not None) if isinstance(options, Mapping) else ""
    tokens = told["max_new_tokens"]
    words = [
        opened.benchmark.label + (f" ({part[:80]})" if part else ""),
        ", ".join(str(model[key])[:80] for key in ("label", "dtype", "quantization", "image_mode") if model.get(key)),
        f"prompt {told['prompt'][:80]}",
        f"at most {tokens} token{'' if tokens == 1 else 's'}",
        f"{told['questions']:,} questions",
        _methods(opened),
        _when(told.get("sessions")),
    ]
    return {"line": line(" · ".join(filter(None, words))), "state": opened.state}


def _methods(opened: OpenRun) -> str:
    """How many methods there are, and how many of them the page leaves to the command `report`."""
    shown = len(opened.names)
    if opened.left_out:
        return f"{shown + opened.left_out:,} methods, of which {shown} are shown here and the command report takes all"
    return f"{shown} method{'' if shown == 1 else 's'}"


def _when(sessions: Any) -> str:
    """The day and time, UTC, when the run was last begun or resumed."""
    try:
        started = datetime.fromisoformat(sessions[-1]["started"])
    except (TypeError, LookupError, ValueError):
        return ""
    return f"{started:%d %b %Y, %H:%M}".lstrip("0")


# --- pictures -----------------------------------------------------------------------------------------


class RunPictures:
    """Where pictures of runs are: the page's own, folders given at start, and for its owner where the run had them.

    What a run's files say is not to be trusted: for visitors, no path out of them is read.
    """

    def __init__(self, library: Library, images: Sequence[Path]):
        self.folders = [library.folder, *filter(None, [library.coco_folder]), *images]

    def find(self, question: Question, owner: bool) -> Path:
        """The question's picture. ClvsError, one sentence, when it is not on this machine."""
        path, image = self.near(question, owner), question.image
        # a name out of a file must not lead out of the folder
        wanted = replace(question, image=Path(image).name if Path(image).is_absolute() else image, picture=None)
        for folder in self.folders if path is None and image else ():
            try:
                path = Path(with_pictures([wanted], folder)[0].picture)
            except ClvsError:
                continue
            break
        if path is None:
            raise ClvsError(
                f"The picture {(question.image or question.id)!r:.120} is not on this machine; start the app with "
                "--images and the folder that has it."
            )
        return path

    def near(self, question: Question, owner: bool) -> Path | None:
        """The same, without looking into folders below."""
        if owner and isinstance(question.picture, (str, Path)) and os.path.isfile(question.picture):
            return Path(question.picture)
        image = Path(question.image)
        if not question.image or ".." in image.parts or image.is_absolute():
            return None
        return next((folder / image for folder in self.folders if os.path.isfile(folder / image)), None)

    def thumbnails(self, questions: Iterable[Question], owner: bool) -> dict[str, str]:
        """Small pictures as data URLs by image name as it is shown, of those that are quickly found and can be read."""
        found: dict[str, str] = {}
        for question in questions:
            name = readable(question.image)
            path = None if name in found else self.near(question, owner)
            if path is not None and (small := thumbnail(path, path.stat().st_mtime_ns)):
                found[name] = small
        return found


@functools.lru_cache(maxsize=4096)
def thumbnail(path: Path, stamp: int) -> str:
    """The whole picture, 88 pixels on its longer side; "" for what cannot be read. stamp: when it was last changed."""
    try:
        with Image.open(path, formats=limits.FORMATS) as picture:
            picture.draft("RGB", (88, 88))
            small = picture.convert("RGB")
    except Exception:  # a broken file can fail in any decoder, in any way
        return ""
    small.thumbnail((88, 88))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=72)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def file_name(text: str) -> str:
    """A text out of a file as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".-")[:80] or "run"
