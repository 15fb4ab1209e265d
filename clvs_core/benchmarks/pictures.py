"""Where a benchmark's pictures are: the folder's file that each question means. Opens no picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..errors import ClvsError
from ..names import FileNames
from .question import Question


def with_pictures(questions: Sequence[Question], folder: Path) -> list[Question]:
    """The questions, each with its picture; those of a table have theirs already.

    A picture is looked for at folder/image, else anywhere below by its name in any spelling (`names.FileNames`); where
    the name is there several times, in a folder of the task's name. Raises ClvsError if any is missing.
    """
    if all(question.picture is not None for question in questions):
        return list(questions)
    if not all(question.picture is not None or question.image for question in questions):
        raise ClvsError("The data has no pictures and does not name them; use the official files, or hub:OWNER/NAME.")
    if not os.path.isdir(folder):
        raise ClvsError(f"There is no folder {folder} to look for pictures in; name the folder that has them.")
    index: FileNames[Path] | None = None
    found: list[Question] = []
    missing: dict[str, None] = {}
    for question in questions:
        path = question.picture or _direct(folder, question.image)
        if path is None:
            index = index or _files(folder)
            path = _one(index.find(question.image), question.image)
        if path is None:
            missing[question.image] = None
        found.append(replace(question, picture=path))
    if missing:
        raise ClvsError(
            f"{len(missing)} pictures are missing from {folder}, the first is {next(iter(missing))!r:.120}; "
            "name the folder that has them all."
        )
    return found


def _direct(folder: Path, image: str) -> Path | None:
    path, parts = folder / image, PurePosixPath(image)
    # Names come from a file: one that leads out of the folder is not looked at.
    return path if image and not parts.is_absolute() and ".." not in parts.parts and os.path.isfile(path) else None


def _files(folder: Path) -> FileNames[Path]:
    paths = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    return FileNames((str(path), path) for path in paths)


def _one(paths: Sequence[Path], image: str) -> Path | None:
    task = PurePosixPath(image).parent.name
    close = [path for path in paths if task in path.parts] if task else []
    paths = close or paths
    if len(paths) > 1:
        raise ClvsError(f"There are several pictures {image!r}: {paths[0]} and {paths[1]}; name the folder of one.")
    return paths[0] if paths else None
