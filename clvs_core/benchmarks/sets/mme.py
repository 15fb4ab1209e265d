"""MME, the five perception tasks of the CLVS paper: existence, count, position, color, OCR.

Every picture has two questions, one answered by Yes and one by No. Files: <task>/<stem>.txt with two lines
"question<TAB>Yes|No", the picture beside it, or in images/ with the text in questions_answers_YN/. MME's terms forbid
passing any of it on: it is read where the user has it, and nothing of it comes with this program.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from warnings import warn

import numpy as np

from ...errors import ClvsError
from ...names import FileNames
from ..answers import answer_files, once
from ..benchmark import Benchmark
from ..parsers import Judged
from ..question import BenchmarkWarning, Masks, Question, label_of, unique
from ..rows import HUB, Table, existing, need, read_text, table, text_of

TASKS = ("existence", "count", "position", "color", "OCR")
_TASK_OF = {task.lower(): task for task in TASKS}
_TEXTS, _IMAGES = "questions_answers_YN", "images"
_ENDINGS = (".jpg", ".png", ".jpeg")


# --- questions ----------------------------------------------------------------------------------------


def read(data: str | Path, pictures: bool = False) -> list[Question]:
    """The questions of the tasks that are there, in the order of the tasks, their files and lines.

    data: a folder with a folder for each task anywhere below, or a table such as lmms-lab/MME. Other tasks of MME are
    passed over. Raises ClvsError for a picture that has not one question answered Yes and one answered No.
    """
    if str(data).startswith(HUB) or existing(data).is_file():
        found = table(data, pictures=pictures)
        questions = _of_table(found) if found else []
    else:
        questions = _of_folder(Path(data), pictures)
    if not questions:
        raise ClvsError(f"{data} has none of MME's tasks {', '.join(TASKS)}; name MME's own folder.")
    _check_pairs(questions)
    there = {question.kind for question in questions}
    if absent := [task for task in TASKS if task not in there]:
        warn(f"{data} lacks MME's {', '.join(absent)}; the total is of the other tasks.", BenchmarkWarning, 2)
    return questions


def _of_folder(root: Path, pictures: bool) -> list[Question]:
    folders = _task_folders(root)
    if not folders and (found := table(root, pictures=pictures)) is not None:
        return _of_table(found)
    questions = []
    for task in TASKS:
        for path in _texts(folders[task]) if task in folders else ():
            picture = _picture(path) if pictures else None
            if pictures and picture is None:
                raise ClvsError(f"There is no picture to {path}; unpack MME again.")
            image = f"{task}/{picture.name if picture else path.stem + _ENDINGS[0]}"
            questions += _of_text(path, task, image, picture)
    return questions


def _task_folders(root: Path) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for path in sorted((root, *(path for path in root.rglob("*") if path.is_dir()))):
        task = _TASK_OF.get(path.name.lower())
        if task is None or "__MACOSX" in path.parts or not _texts(path):
            continue
        if task in folders:
            raise ClvsError(f"{task} is there twice, {folders[task]} and {path}; name the folder of one copy of MME.")
        folders[task] = path
    return folders


def _texts(folder: Path) -> list[Path]:
    inner = folder / _TEXTS
    return sorted((inner if inner.is_dir() else folder).glob("*.txt"))


def _picture(text: Path) -> Path | None:
    folders = (text.parent, text.parent.parent / _IMAGES if text.parent.name == _TEXTS else text.parent / _IMAGES)
    there = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix.lower() in _ENDINGS]
    return next(iter(FileNames((path.name, path) for path in there).find(text.stem + _ENDINGS[0])), None)


def _of_text(path: Path, task: str, image: str, picture: Path | None) -> list[Question]:
    questions = []
    for n, line in enumerate(read_text(path).split("\n")):
        if not line.strip():
            continue
        text, tab, label = line.rstrip("\r").rpartition("\t")
        where = f"Line {n + 1} of {path}"
        if not tab:
            raise ClvsError(f"{where} is not a question, a tab and Yes or No; unpack MME again.")
        label = label_of(label, where)
        questions.append(Question(_id(task, path.stem, label), image, text, label, task, "", picture, {"row": n}))
    return questions


def _id(task: str, stem: str, label: str) -> str:
    # By the label, not by the line: mirrors keep no order.
    return f"{task}/{stem}/{label}"


def _of_table(found: Table) -> list[Question]:
    questions = []
    for n, row, where in found:
        task = _TASK_OF.get(str(need(row, "kind", where)).lower())
        if task is None:
            continue
        name, label = PurePosixPath(text_of(row, "id", where)), label_of(need(row, "label", where), where)
        image, text = f"{task}/{name.name}", text_of(row, "text", where)
        key = _id(task, name.stem, label)
        questions.append(Question(key, image, text, label, task, "", found.picture(n), {"row": n}))
    order = {task: place for place, task in enumerate(TASKS)}
    return sorted(questions, key=lambda question: (order[question.kind], question.image, question.label != "yes"))


def _check_pairs(questions: Sequence[Question]) -> None:
    labels: dict[str, list[str]] = {}
    for question in questions:
        labels.setdefault(question.image, []).append(question.label)
    for image, found in labels.items():
        if sorted(found) != ["no", "yes"]:
            raise ClvsError(
                f"MME's picture {image} has {len(found)} questions, answered {', '.join(found)}, and not one Yes and "
                "one No; get MME again."
            )
    unique(list(questions), "MME")


# --- answers ------------------------------------------------------------------------------------------


def responses(path: Path, questions: Sequence[Question]) -> dict[str, str]:
    """A folder of <task>.txt, or one of them: lines "image<TAB>question<TAB>Yes|No<TAB>response".

    A response may hold tabs and go on over several lines. As in the official script, two answers after each other are
    of one picture; here they must be, and the question with that label must be known. Raises ClvsError for anything
    else.
    """
    known = {question.id: question for question in questions}
    answers: dict[str, str] = {}
    files = [file for file in answer_files(path, (".txt",)) if file.stem.lower() in _TASK_OF]
    if not files:
        raise ClvsError(f"There is no {', '.join(task + '.txt' for task in TASKS)} in {path}; name the results folder.")
    for file in files:
        records = _records(read_text(file))
        images = [line.split("\t")[0] for _, line in records]
        for n, (number, line) in enumerate(records):
            where = f"Line {number} of {file}"
            if images[n ^ 1 : (n ^ 1) + 1] != [images[n]]:
                raise ClvsError(f"{where} is not next to the other line of its picture; sort the file by pictures.")
            task = _TASK_OF[file.stem.lower()]
            key, answer = _response(line, task, where)
            if key in known:
                once(answers, key, answer, where)
            elif any(question.kind == task for question in questions):
                raise ClvsError(f"{where} is about {key}, which the data does not have; use MME's own file names.")
    return answers


def _records(text: str) -> list[tuple[int, str]]:
    """(line number from 1, answer) of a file, each with the lines over which its response goes on."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split("\t")
        is_answer = len(fields) > 2 and PurePosixPath(fields[0].lower()).suffix in _ENDINGS
        if found and not is_answer:
            found[-1] = found[-1][0], f"{found[-1][1]}\n{line}"
        elif line.strip():
            found.append((number, line))
    return [(number, record.strip("\r\n")) for number, record in found]


def _response(line: str, task: str, where: str) -> tuple[str, str]:
    """The question's id, and the answer."""
    fields = line.split("\t", 3)
    if len(fields) != 4:
        raise ClvsError(f"{where} has {len(fields)} fields, not image, question, Yes or No, and response.")
    return _id(task, PurePosixPath(fields[0]).stem, label_of(fields[2], where)), fields[3]


# --- scores -------------------------------------------------------------------------------------------


def groups(questions: Sequence[Question]) -> Masks:
    kinds = np.array([question.kind for question in questions])
    return {task: kinds == task for task in TASKS if task in kinds}


def official(judged: Judged, groups: Masks) -> dict[str, Any]:
    """What calculation.py computes: accuracy and accuracy_plus as fractions, score = 100 times their sum, and total.

    accuracy_plus is the share of pictures with both answers right. Raises ClvsError where a picture has one answer.
    """
    found: dict[str, Any] = {}
    total = 0.0
    for task, mask in groups.items():
        right = judged.said[mask] == judged.truth[mask]
        _, which, count = np.unique(judged.image[mask], return_inverse=True, return_counts=True)
        if np.any(count != 2):
            halves = int(np.sum(count != 2))
            raise ClvsError(f"{halves} of MME's {task} pictures have one answer and not two; answer both questions.")
        accuracy = int(right.sum()) / len(right)
        plus = int(np.sum(np.bincount(which, right) == 2)) / len(count)
        found[task] = {"accuracy": accuracy, "accuracy_plus": plus, "score": accuracy * 100 + plus * 100}
        total += found[task]["score"]
    return found | {"total": total}


MME = Benchmark("mme", "MME", "mme", "yes", read, responses, groups, official, paired=True)
