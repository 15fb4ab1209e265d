"""One rule for names that people write in several ways: exact first, then step by step more alike, never by chance.

Files of masks, benchmarks, captions and the command line all find pictures by `FileNames` and entries by `ById`;
categories are found by `objects.words.category`, which takes its own steps likewise. Knows no file system.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")
# Only these are endings: "frame_0.5" is a name without one.
_ENDING = re.compile(r"(?<=.)\.(?:jpe?g|jpe|jfif|png|webp|bmp|gif|tiff?|ppm|avif)$")
_SPLIT = re.compile(r"^coco_[a-z]+\d{4}_(?=\d{12}$)")


class Lookup(Generic[T]):
    """Things by name, where several ways of writing are one name.

    steps: what two names must have in common to be the same, the strictest first; the first step that finds anything
    decides. None or "" in place of a key says that a name has none.
    """

    def __init__(self, entries: Iterable[tuple[Any, T]], steps: Sequence[Callable[[Any], Hashable]]):
        self._steps = [(step, dict[Hashable, list[tuple[Any, T]]]()) for step in steps]
        for name, thing in entries:
            for step, index in self._steps:
                if key := step(name):
                    index.setdefault(key, []).append((name, thing))

    def find(self, name: Any) -> list[T]:
        """What the name may stand for: one thing where that is clear, none, or several where it could be any."""
        for step, index in self._steps:
            if (key := step(name)) and key in index:
                return [thing for _, thing in self._nearest(name, index[key])]
        return []

    def _nearest(self, name: Any, found: list[tuple[Any, T]]) -> list[tuple[Any, T]]:
        return found


class FileNames(Lookup[T]):
    """Things by the names of their picture files.

    Steps: letter for letter; the path, whatever its slashes and Unicode form (NFC, NFD), an address without its query;
    the file in any folder; capitals and percent signs aside; without the ending and COCO's split, so that
    COCO_val2014_000000310196.jpg and 000000310196.png are one picture, as they are at COCO. Of files that are alike
    but for their folders, the one that shares the most folders with the name, from the right, is meant.
    """

    def __init__(self, entries: Iterable[tuple[str, T]]):
        super().__init__(entries, (str, _path, base, _folded, bare))

    def _nearest(self, name: str, found: list[tuple[str, T]]) -> list[tuple[str, T]]:
        if len(found) < 2:
            return found
        shared = [_shared_folders(name, other) for other, _ in found]
        return [entry for entry, folders in zip(found, shared, strict=True) if folders == max(shared)]


class ById(Lookup[T]):
    """Things by the id that a JSON file gives them: equal as in Python (1 and 1.0), else as text ("1", "000001")."""

    def __init__(self, entries: Iterable[tuple[Any, T]]):
        super().__init__(entries, (_exact_id, _id_text))


def base(name: str) -> str:
    """The file's name without its folders."""
    return PurePosixPath(_path(name)).name


def bare(name: str) -> str:
    """What names of one picture have in common: no folder, no ending, no COCO split, no capitals."""
    return _SPLIT.sub("", _ENDING.sub("", _folded(name)))


def composed(text: str) -> str:
    """Text without capitals, in the Unicode form NFC: macOS writes file names in another one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def whole(value: Any) -> int | None:
    """The whole number that a value of a JSON file stands for, also as 640.0 or "640"; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def _path(name: str) -> str:
    if re.match(r"[a-z][a-z0-9+.-]+://", name, re.IGNORECASE):
        name = re.split(r"[?#]", name, maxsplit=1)[0]
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _folded(name: str) -> str:
    return composed(unquote(base(name)))


def _shared_folders(one: str, other: str) -> int:
    ours, theirs = (PurePosixPath(composed(_path(name))).parts[-2::-1] for name in (one, other))
    shared = 0
    for mine, its in zip(ours, theirs, strict=False):
        if mine != its:
            break
        shared += 1
    return shared


def _exact_id(value: Any) -> Hashable:
    # In a tuple, so that the id 0 is an id.
    return (value,) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None


def _id_text(value: Any) -> Hashable:
    if _exact_id(value) is None:
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return text.lstrip("0") or "0" if re.fullmatch(r"\d+", text) else text
