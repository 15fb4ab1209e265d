"""What the four benchmarks share: a question, a benchmark, and where the pictures are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ClvsError
from ..names import FileNames

if TYPE_CHECKING:
    from .scores import Change, Judged, Score

Masks = dict[str, np.ndarray]  # name of a group -> (N,) bool: which of N questions belong to it


class BenchmarkWarning(UserWarning):
    """Something in a benchmark's files that changes scores and is known: what it is, in one sentence."""


@dataclass(frozen=True)
class Question:
    """One yes/no question about one picture.

    Attributes:
        id: unique within the benchmark and the same wherever the question was read from: "1005" (AMBER), "0" (R-Bench),
            "coco/random/1" (POPE), "existence/000000006040/yes" (MME).
        image: the picture's file name as the benchmark gives it; empty where a `datasets` table holds only pixels.
        text: the question as the benchmark words it, MME's "Please answer yes or no." included.
        label: "yes" or "no".
        kind: AMBER's type, R-Bench's qtype, POPE's category or MME's task.
        source: POPE's "coco", "aokvqa" or "gqa"; empty elsewhere.
        picture: what `Model.open_image` takes, or a function without arguments that gives it (a table's picture is
            decoded only when it is asked for); None where pictures were not asked for.
        meta: what else is known: row, the 0-based place in its file.
    """

    id: str
    image: str
    text: str
    label: str
    kind: str
    source: str = ""
    picture: Any = field(default=None, compare=False, repr=False)
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: how its files are read and how its authors score answers.

    Attributes:
        name: "amber", "rbench", "pope" or "mme". label: what people call it.
        parser: the official one's name in `answers.PARSERS`. positive: which answer precision and recall are about.
        read: (data, **options) -> questions, without pictures except where a table or MME's folder brings them.
        responses: (path, questions) -> answers by question id, from the official response format.
        groups: questions -> the groups the scorer reports, in its order.
        official: (judged answers, groups) -> what the official scorer prints.
        scorers: as `official`, of other people's code that scores in its own way, by the name of its parser.
        paired: every picture has two questions in its group, and both count together, too; groups add up to a total.
    """

    name: str
    label: str
    parser: str
    positive: str
    read: Callable[..., list[Question]]
    responses: Callable[[Path, Sequence[Question]], dict[str, str]]
    groups: Callable[[Sequence[Question]], Masks]
    official: Callable[[Judged, Masks], dict[str, Any]]
    paired: bool = False
    scorers: Mapping[str, Callable[[Judged, Masks], dict[str, Any]]] = field(default_factory=dict, hash=False)

    def load(self, data: str | Path, pictures: bool | str | Path = False, **options: Any) -> list[Question]:
        """The questions of `data`: a folder or file of the official format or a `datasets` table, or "hub:OWNER/NAME".

        pictures: False if only text is wanted, True if the pictures are in `data`, or the folder they are in; then all
        of them must be there. options: rbench: subset, duplicates; pope: source, category.

        Raises ClvsError for files that are missing, are not of the format or contradict each other, and for pictures
        that are missing; warns with BenchmarkWarning where a known fault of the files changes scores.
        """
        questions = self.read(data, pictures=pictures is not False, **options)
        if pictures is False:
            return questions
        return with_pictures(questions, Path(data if pictures is True else pictures))

    def score(self, questions: Sequence[Question], answers: Mapping[str, str], parser: str | None = None) -> Score:
        """Official and honest scores of raw answers by question id; parser: a name in `answers.PARSERS`."""
        from .scores import score

        return score(self, questions, answers, parser)

    def compare(
        self,
        questions: Sequence[Question],
        answers: Mapping[str, str],
        vanilla: Mapping[str, str],
        parser: str | None = None,
    ) -> dict[str, Change]:
        """By group, what changed against vanilla's answers, on the questions that both answered."""
        from .scores import compare

        return compare(self, questions, answers, vanilla, parser)


def label_of(value: Any, where: str) -> str:
    """ "Yes" -> "yes". Raises ClvsError for anything but yes and no; where: file and row, for its message."""
    text = value.strip().lower() if isinstance(value, str) else value
    if text not in ("yes", "no"):
        raise ClvsError(f"{where} has the label {value!r:.80}, which is neither yes nor no; use the official file.")
    return text


def unique(questions: list[Question], where: str) -> list[Question]:
    """The same questions; raises ClvsError if two have one id."""
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise ClvsError(f"{where} holds question {question.id} twice; keep one of them.")
        seen.add(question.id)
    return questions


# --- pictures -----------------------------------------------------------------------------------------


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


def masks(names: Iterable[str], member: Callable[[str], Iterable[bool]]) -> Masks:
    """Groups by name; member: which questions belong to the group of that name."""
    return {name: np.fromiter(member(name), bool) for name in names}
