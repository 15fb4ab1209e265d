"""Folders of the command `record`, which docs/recording.md describes: which there are, and what is in them.

A folder may be anybody's: what is read of it is bounded and checked, and a damaged question costs only itself.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, ValidationError

from clvs_core.bundled import ASSETS
from clvs_core.errors import ClvsError
from clvs_core.key_objects import KeyObject, region_mask
from clvs_core.recordings import ABOUT, FORMAT, MAX_QUESTIONS, MAX_TEXT, MAX_UNPACKED, PAYLOAD, PICTURES, QUESTIONS
from clvs_core.terminal import say
from clvs_core.text import line
from clvs_core.trace import Trace
from clvs_core.untrusted import Untrusted, departure
from viz.page import limits
from viz.page.pictures import thumbnail
from viz.page.seen import Seen
from viz.page.session import Picture, Result, Settings
from viz.viewer import received
from viz.viewer.contract import Payload
from viz.viewer.payload import decode

HERE, BUNDLED = Path("recordings"), ASSETS / "recordings"  # looked into where nothing else is said
MAX_RECORDINGS = 50
MAX_ABOUT = 4 * 2**20  # bytes of recording.json
_Text = Annotated[str, Field(max_length=MAX_TEXT)]
_File = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
_Picture = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.(jpg|png)$")]


class Item(Untrusted):
    """A question of a recording."""

    id: _File
    picture: _Picture
    title: _Text
    question: Annotated[str, Field(min_length=1, max_length=limits.MAX_QUESTION)]
    licence: _Text = ""
    source: _Text = ""


class _Model(Untrusted):
    label: _Text
    id: _Text
    dtype: _Text
    revision: _Text | None = None
    quantization: _Text | None = None


class _Session(Untrusted):
    started: _Text = ""
    device: _Text = ""


class About(Untrusted):
    """What the page reads of recording.json."""

    format: Literal[FORMAT]  # type: ignore[valid-type]
    model: _Model
    methods: Annotated[list[Annotated[str, Field(max_length=limits.MAX_SPEC)]], Field(max_length=limits.MAX_METHODS)]
    max_new_tokens: int
    prompt: _Text
    questions: Annotated[list[Item], Field(max_length=MAX_QUESTIONS)]
    sessions: Annotated[list[_Session], Field(max_length=10_000, default_factory=list)]


# --- folders ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """One recording. name: its folder's, by which pages and links know it."""

    name: str
    folder: Path
    about: About

    @functools.cached_property
    def items(self) -> list[Item]:
        """The questions that have an answer."""
        return [item for item in self.about.questions if self._inside(QUESTIONS, f"{item.id}{PAYLOAD}")]

    @property
    def label(self) -> str:
        return self.about.model.label

    def item(self, id: Any) -> Item | None:
        """The question of that id that has an answer."""
        return next((item for item in self.items if item.id == id), None)

    def find(self, scene: str | None, question: str | None) -> Item | None:
        """The item that a link means, as near as there is one: that question, that picture, or the first."""
        same = [item for item in self.items if Path(item.picture).stem == scene] or self.items
        return next((item for item in same if item.question == question), next(iter(same), None))

    def payload(self, item: Item) -> Payload:
        """The recorded payload as its file has it. ClvsError when it cannot be shown."""
        path = self._inside(QUESTIONS, f"{item.id}{PAYLOAD}")
        try:
            if path is None:
                raise ValueError("it is not there")
            with gzip.open(path) as file:
                text = file.read(MAX_UNPACKED + 1)
            if len(text) > MAX_UNPACKED:
                raise ValueError("it is too large")
            payload = received.read(text)
            if payload["question"] != item.question:
                raise ValueError("it answers another question")
        except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
            say(line(f"{self.name}/{item.id}: {error}"))  # to whoever runs the page
            raise ClvsError(f"The recorded answer to {item.question!r:.90} is damaged; choose another.") from None
        return payload

    def picture(self, item: Item, payload: Mapping[str, Any]) -> Image.Image:
        """The item's picture. ClvsError when it cannot be shown, or is not of the size that its payload says."""
        try:
            picture = limits.open_picture(self._inside(PICTURES, item.picture))
        except ClvsError:
            picture = None
        if picture is None or picture.size != (payload["image"]["w"], payload["image"]["h"]):
            raise ClvsError(f"The recorded picture of {item.question!r:.90} is damaged; choose another question.")
        return picture

    def thumbnail(self, item: Item) -> str:
        path = self._inside(PICTURES, item.picture)
        small_enough = path is not None and path.stat().st_size <= limits.MAX_BYTES
        return thumbnail(path, path.stat().st_mtime_ns) if path is not None and small_enough else ""

    def _inside(self, *parts: str) -> Path | None:
        """A file of this folder; None where there is none, or a link leads out of the folder."""
        path = self.folder.joinpath(*parts).resolve()
        return path if path.is_file() and path.is_relative_to(self.folder) else None


def read(folder: Path, name: str) -> Recorded:
    """The recording in a folder. ClvsError when its recording.json cannot be used."""
    path = folder / ABOUT
    try:
        if path.stat().st_size > MAX_ABOUT:
            raise ValueError("it is too large")
        about = About.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ClvsError(f"{path} is damaged: it {departure(error)}; record anew.") from None
    except (OSError, ValueError) as error:
        raise ClvsError(f"{path} cannot be read ({error}); record anew.") from None
    return Recorded(name, folder.resolve(), about)


class Recordings:
    """The recordings in these folders: each may be one, or hold some. A damaged one is left out and told on stderr.

    Raises ClvsError for a folder that does not exist.
    """

    def __init__(self, folders: Iterable[str | Path] = ()):
        self.named: dict[str, Recorded] = {}
        for place in map(Path, folders):
            for folder in itertools.islice(_found(place), MAX_RECORDINGS):
                self._add(folder)

    def _add(self, folder: Path) -> None:
        try:
            recorded = read(folder, _free(folder.resolve().name, self.named))
        except ClvsError as error:
            say(line(str(error)))
            return
        if recorded.items:
            self.named[recorded.name] = recorded
        else:
            say(line(f"The recording {folder} has no answers yet; it is left out."))


def usual_recordings() -> list[Path]:
    """Where recordings are looked for when nothing is said."""
    return [folder for folder in (HERE, BUNDLED) if folder.is_dir()]


def _found(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        raise ClvsError(f"There is no folder {str(place)!r}; check --recordings.")
    if (place / ABOUT).is_file():
        yield place
    else:
        yield from sorted(child for child in place.iterdir() if (child / ABOUT).is_file())


def _free(folder: str, taken: Mapping[str, Any]) -> str:
    """A name that a link can hold and that is not taken."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in folder).strip("-.")[:60]
    numbered = (f"{plain or 'recording'}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([plain or "recording"], numbered) if name not in taken)


# --- what a recording has for downloads -------------------------------------------------------------------------


def result(payload: Mapping[str, Any], picture: Image.Image) -> Result:
    """A recorded answer as far as figures need it.

    Outlines stand for masks, and where single heads were not kept, their mean for each of them.
    """
    views, arrays = received.views(payload), decode(payload)
    covers = arrays.get("coverage", ())
    objects = [_key_object(*pair, views) for pair in zip(payload["objects"], covers, strict=True)]
    runs = [_run(payload, method, arrays, views) for method in payload["methods"]]
    settings = Settings(payload["model"]["name"], tuple(method["spec"] for method in payload["methods"]))
    return Result(
        Picture("", picture, "", objects),
        payload["question"],
        settings,
        [run.method for run in runs],
        views,
        payload["layers"],
        runs,
        Seen(objects, payload["objects"], np.asarray(covers)),
        finished=True,
    )


def _key_object(entry: Mapping[str, Any], cover: np.ndarray, views: Any) -> KeyObject:
    mask = np.zeros((views.height, views.width), dtype=bool)
    for outline in entry["contours"]:
        with contextlib.suppress(ClvsError):  # it covers no pixel
            mask ^= region_mask(views.height, views.width, polygon=outline)  # an outline inside another one is a hole
    return KeyObject(entry["name"], mask, np.asarray(cover, dtype=np.float64), entry["source"])


def _run(payload: Mapping[str, Any], method: Mapping[str, Any], arrays: Mapping[str, np.ndarray], views: Any) -> Any:
    mean = arrays[f"attention/{method['key']}"]
    steps, layers, visual = mean.shape
    attention = np.broadcast_to(mean[:, :, None], (steps, layers, payload["heads"], visual))
    attention = arrays.get(f"heads/{method['key']}", attention)
    tokens = [[token["id"], token["text"], token["probability"]] for token in method["tokens"]]
    meta = {"model": payload["model"]["name"], "question": payload["question"], "method": method["spec"]}
    meta |= {"tokens": tokens, "threshold": method["threshold"], "first_check": method["first_check"]}
    uncertainty = np.array(method["uncertainty"], dtype=np.float64)  # None becomes NaN
    kept: dict[str, Any] = {"memory": None, "sinks": _sinks(method, steps, visual)}
    if method["memory"]:
        kept[{"layers": "memory", "words": "accumulation"}[method["memory"]]] = arrays[f"memory/{method['key']}"]
    trace = Trace(
        attention,
        attention,
        views=views,
        meta=meta,
        uncertainty=uncertainty,
        stop_layer=np.array(method["stop"]),
        **kept,
    )
    asked = SimpleNamespace(name=method["name"], label=method["label"])
    return SimpleNamespace(method=asked, trace=trace, tokens=tokens)


def _sinks(method: Mapping[str, Any], steps: int, visual: int) -> np.ndarray | None:
    """(steps, layers, visual) bool, as a trace has them, which are the same at every token."""
    if method["sinks"] is None:
        return None
    found = [np.isin(np.arange(visual), tokens) for tokens in method["sinks"]]
    return np.broadcast_to(found, (steps, len(found), visual))
