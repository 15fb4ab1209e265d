"""A benchmark: how its files are read, and how its authors score answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import scores
from .parsers import Judged
from .pictures import with_pictures
from .question import Masks, Question
from .scores import Change, Score


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: how its files are read and how its authors score answers.

    Attributes:
        name: "amber", "rbench", "pope" or "mme". label: what people call it.
        parser: the official one's name in `parsers.PARSERS`. positive: which answer precision and recall are about.
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
        """Official and honest scores of raw answers by question id; parser: a name in `parsers.PARSERS`."""
        return scores.score(self, questions, answers, parser)

    def compare(
        self,
        questions: Sequence[Question],
        answers: Mapping[str, str],
        vanilla: Mapping[str, str],
        parser: str | None = None,
    ) -> dict[str, Change]:
        """By group, what changed against vanilla's answers, on the questions that both answered."""
        return scores.compare(self, questions, answers, vanilla, parser)
