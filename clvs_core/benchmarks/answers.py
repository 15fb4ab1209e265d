"""Files of raw answers, whoever wrote them: our runs, a benchmark's official format, evaluation harnesses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ClvsError
from ..text import mended
from . import harness
from .benchmark import Benchmark
from .question import Question
from .rows import existing, read_rows, read_text

ABOUT, QUESTIONS, ANSWERS = "run.json", "questions.jsonl", "answers.jsonl"  # the files of a run folder
# What people call the model's answer where "answer" is the label.
_SAID = ("prediction", "pred", "response", "model_answer", "model_output", "output", "generated_text")


@dataclass(frozen=True)
class Answers:
    """Raw answers by question id, by method. official: they come from a response format, which knows no methods."""

    methods: dict[str, dict[str, str]]
    official: bool


def read_answers(benchmark: Benchmark, path: str | Path, questions: Sequence[Question]) -> Answers:
    """Answers from our runs, in the benchmark's official response format, or a harness's; a file or a folder of them.

    Ours are JSON lines or a JSON array of objects with at least {"id", "method", "answer"}; several files are joined.
    Answers of the other formats have the one method "".

    Raises ClvsError for files that cannot be read, are of neither form, mix both or answer a question twice, and for
    runs that were asked other questions under the same ids.
    """
    path = existing(path, "name the file or folder of the answers")
    if samples := harness.read_samples(path):
        joined: dict[str, str] = {}
        for question, answer, where in harness.answers(samples, questions):
            once(joined, question, answer, where)
        return Answers({"": joined}, official=True)
    ours = _runs(path)
    if ours is not None:
        _check_asked(path, questions)
        return Answers(ours, official=False)
    responses = benchmark.responses(path, questions)
    texts = {question.id: question.text for question in questions}
    if responses and all(texts.get(id) == said for id, said in responses.items()):
        raise ClvsError(f"{path} holds the questions and no answers; give the file of the model's answers.")
    return Answers({"": responses}, official=True)


def answer_files(path: Path, endings: Sequence[str] = (".json", ".jsonl")) -> list[Path]:
    """The file, or those with such endings in and below the folder, in order. Raises ClvsError if there are none."""
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in endings and file.is_file())
    if not found:
        raise ClvsError(f"There are no answers in {path}: no file ends in {' or '.join(endings)}.")
    return found


def _runs(path: Path) -> dict[str, dict[str, str]] | None:
    """Answers of our runs by method; None if the files are not of that format."""
    endings = (".json", ".jsonl")
    files = [file for file in answer_files(path, (*endings, ".txt")) if path.is_file() or file.suffix in endings]
    files = [file for file in files if file.name not in (ABOUT, QUESTIONS) or not (file.parent / ANSWERS).is_file()]
    tables = {file: read_rows(file) for file in files if read_text(file).lstrip()[:1] in ("[", "{")}
    for file, rows in tables.items():
        if rows and all("caption" in row for row in rows):
            raise ClvsError(
                f"{file} holds captions, as CHAIR scores them, and no answers to yes-or-no questions; the command "
                "find-heads reads them (--captions)."
            )
    ours = {file: rows for file, rows in tables.items() if any("method" in row and "answer" in row for row in rows)}
    if not ours:
        return None
    if len(ours) < len(tables):
        other = next(file for file in tables if file not in ours)
        raise ClvsError(f"{path} holds answers of runs and, in {other.name}, something else; name one of them.")
    methods: dict[str, dict[str, str]] = {}
    for file, rows in ours.items():
        for number, row in enumerate(rows, 1):
            where = f"Row {number} of {file}"
            method = answer_text(row, ("method",), where)
            once(methods.setdefault(method, {}), str(_id(row, where)), answer_text(row, ("answer",), where), where)
    return methods


def _check_asked(path: Path, questions: Sequence[Question]) -> None:
    """Raises ClvsError where a run was asked something else under an id than the data has there."""
    known = {question.id: question for question in questions}
    files = sorted(path.rglob(QUESTIONS)) if path.is_dir() else [path.parent / QUESTIONS]
    for file in filter(Path.is_file, files):
        for row in read_rows(file):
            question = known.get(str(row.get("id")))
            if question and (question.text, question.label) != (row.get("text"), row.get("label")):
                raise ClvsError(
                    f"{file.parent} was asked other questions than {question.id} of this data, {question.text!r:.80}; "
                    "give the data that the run was made from."
                )


def _id(row: Mapping[str, Any], where: str) -> str | int:
    value = row.get("id")
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ClvsError(f"{where} has no question's id; every answer needs id, method and answer.")
    return value


def answer_text(row: Mapping[str, Any], columns: Sequence[str], where: str) -> str:
    """The text in the first of the columns that the row has, with U+FFFD for half a character (`text.mended`).

    Raises ClvsError if there is none, if it is not text, or if it may be the label beside the model's answer.
    """
    column = next((column for column in columns if column in row), None)
    if column == "answer" and (other := next((name for name in _SAID if isinstance(row.get(name), str)), None)):
        raise ClvsError(
            f"{where} has {other!r} beside 'answer', which is then often the label; keep one of them, the model's "
            "answer, and call it answer."
        )
    value = row[column] if column else None
    if not isinstance(value, str):
        raise ClvsError(f"{where} has no text as {' or '.join(columns)}: {json.dumps(value, default=str):.80}.")
    return mended(value)


def once(answers: dict[str, str], question: str, answer: str, where: str) -> None:
    """Adds an answer. Raises ClvsError if the question has one already."""
    if question in answers:
        raise ClvsError(f"{where} answers question {question} a second time; keep one answer.")
    answers[question] = answer
