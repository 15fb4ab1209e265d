"""Answers as evaluation harnesses write them: lmms-eval's samples and VLMEvalKit's sheets.

    lmms-eval    *_samples_*.jsonl, lines {"doc": the data set's row without its picture, "resps": [[answer]], ...}, or
                 one object {"logs": [such rows]}
    VLMEvalKit   MODEL_POPE.tsv, or .json with rows of the columns index, question, answer, category, prediction, and
                 image_path for some; "answer" is the label there

Neither knows our ids. An answer belongs to the question with its text, category and picture, and where that leaves
several, with its id; what could belong to several is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ClvsError
from ..names import bare, composed
from .question import Question
from .rows import EXCEL, SHEETS, excel_told, read_rows, read_sheet, read_text

_IMAGES = ("image_source", "image_path", "image", "question_id")
_IDS = ("question_id", "id", "index")
_LOGGED = re.compile(r'"(?:doc|prediction)"\s*:')  # what only files of a harness have
_LONGEST_NAME = 300  # characters; a picture in base64 is longer


class Sample(NamedTuple):
    """One answer: columns: what stands beside it; where: its file and row, for messages."""

    columns: Mapping[str, Any]
    answer: str
    where: str


def read_samples(path: Path) -> list[Sample] | None:
    """The answers of a harness's file, or of all such files in a folder; None where there are none.

    Raises ClvsError for spreadsheets and for sheets without answers.
    """
    if path.is_file() and path.suffix.casefold() in EXCEL:
        raise excel_told(path)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    found = [sample for file in files for sample in _samples(file, alone=path.is_file())]
    return found or None


def answers(samples: Sequence[Sample], questions: Sequence[Question]) -> Iterator[tuple[str, str, str]]:
    """(question id, answer, where) of each answer; those to other questions have an id that is none.

    Raises ClvsError where an answer could belong to several questions, or no answer belongs to any.
    """
    by_text: dict[str, list[Question]] = {}
    for question in {question.id: question for question in questions}.values():
        by_text.setdefault(_text(question.text), []).append(question)
    kinds = {composed(question.kind) for question in questions}
    strangers = 0
    for sample in samples:
        there = by_text.get(_text(str(sample.columns.get("question", ""))), [])
        named = [composed(kind.strip()) for kind in str(sample.columns.get("category") or "").split(",")]
        # VLMEvalKit has one row for a question that stands in several categories
        wanted = [{kind} for kind in named if kind in kinds] or [kinds]
        found = [_one(sample, [q for q in there if composed(q.kind) in some]) for some in wanted]
        strangers += not any(found)
        for one in found:
            yield one.id if one else f"? {sample.where}", sample.answer, sample.where
    if strangers == len(samples):
        asked = str(samples[0].columns.get("question", ""))
        raise ClvsError(f"{samples[0].where} answers {asked!r:.120}, which the data does not ask; give its own data.")


def _one(sample: Sample, questions: list[Question]) -> Question | None:
    """The question that a sample answers, among those of its text and category."""
    image = next((bare(str(sample.columns[key])) for key in _IMAGES if _is_picture(sample.columns.get(key), key)), "")
    if image:
        questions = [question for question in questions if not question.image or bare(question.image) == image]
    if len(questions) > 1:
        ids = {str(sample.columns[key]) for key in _IDS if key in sample.columns}
        questions = [question for question in questions if question.id.rsplit("/", 1)[-1] in ids]
        if len(questions) != 1:
            raise ClvsError(
                f"{sample.where} does not say which picture it is about, and several have its question; score it "
                "against the same harness's table of questions (--data), or add the column image_path."
            )
    return questions[0] if questions else None


def _is_picture(name: Any, key: str) -> bool:
    is_name = isinstance(name, str) and 0 < len(name) < _LONGEST_NAME
    return is_name and (key != "question_id" or "/" in name)


def _samples(path: Path, *, alone: bool) -> Iterator[Sample]:
    ending = path.suffix.casefold()
    if ending in SHEETS:
        for number, columns in enumerate(read_sheet(path), 1):
            if "prediction" in columns:
                yield Sample(columns, str(columns["prediction"] or ""), f"Row {number} of {path}")
            elif alone:
                raise ClvsError(
                    f"{path} has no column 'prediction'; give the sheet that VLMEvalKit wrote of the model's answers."
                )
    elif ending in (".json", ".jsonl") and _LOGGED.search(read_text(path)):
        rows = read_rows(path)
        if len(rows) == 1 and isinstance(rows[0].get("logs"), list):
            rows = [row for row in rows[0]["logs"] if isinstance(row, dict)]
        for number, row in enumerate(rows, 1):
            where = f"Row {number} of {path}"
            if isinstance(row.get("doc"), dict) and ("resps" in row or "filtered_resps" in row):
                yield Sample(row["doc"], _response(row, where), where)
            elif "question" in row and "prediction" in row:
                yield Sample(row, str(row["prediction"] or ""), where)


def _response(row: Mapping[str, Any], where: str) -> str:
    said = row.get("resps") or row.get("filtered_resps")
    while isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, str):
        raise ClvsError(f"{where} has no text as resps: {said!r:.80}.")
    return said


def _text(question: str) -> str:
    return " ".join(composed(question).replace("imange", "image").split())
