"""R-Bench, image level: mrwu-mac/R-Bench @d9d73c0.

Files: image-level_filterd.json, rows {"question_id", "qtype", "image", "text", "label"}, and the lists of question ids
nocaps_image-level_rel_ids_1.json to _5.json. Some ids name two rows of different pictures, and some stand in a list
twice. The official script keeps the last row of an id, both for labels and for answers, and counts an id as often as
its list holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np

from ...errors import ClvsError
from ..answers import answer_files, answer_text
from ..benchmark import Benchmark
from ..parsers import Judged
from ..question import BenchmarkWarning, Masks, Question
from ..rows import ALIASES, Table, existing, find_one, need, read_rows, read_text, table, text_of

FILE, SUBSET = "image-level_filterd.json", "nocaps_image-level_rel_ids_{}.json"
SUBSETS = (1, 2, 3, 4, 5)
DUPLICATES = ("official", "drop")


def read(
    data: str | Path, pictures: bool = False, subset: int | None = 1, duplicates: str = "official"
) -> list[Question]:
    """The questions of a subset, in its order; of all rows, in theirs, with subset None.

    duplicates: "official" has a question as often as the subset lists it, "drop" once, which is likely how the CLVS
    paper counted. Tables (MM-Hallu/R-Bench, alterego238/RBench) have no subsets: they need subset None.
    """
    if duplicates not in DUPLICATES or (subset is not None and subset not in SUBSETS):
        raise ClvsError(
            f"R-Bench has the subsets 1 to 5 and duplicates official or drop, not {subset} and {duplicates}."
        )
    found, folder = _table(data, pictures=pictures)
    questions = _questions(found)
    if subset is None:
        return list(questions.values())
    name = SUBSET.format(subset)
    path = find_one(folder, name) if folder else None
    if path is None:
        raise ClvsError(
            f"There is no {name} in {data}; only R-Bench's own annotation archive has the subsets, "
            "without it choose all rows."
        )
    ids = _subset(path)
    if unknown := [number for number in ids if number not in questions]:
        raise ClvsError(f"{path} lists question {unknown[0]}, which is not in {found.name}; use files of one version.")
    distinct = list(dict.fromkeys(ids))
    if len(distinct) < len(ids):
        done = "counted each time, as the official script does" if duplicates == "official" else "counted once"
        warn(f"{len(ids) - len(distinct)} entries of {name} repeat an id; they are {done}.", BenchmarkWarning, 2)
    return [questions[number] for number in (ids if duplicates == "official" else distinct)]


def _table(data: str | Path, pictures: bool) -> tuple[Table, Path | None]:
    """The rows, and the folder where the subsets are."""
    found = table(data, pictures=pictures)
    if found is not None:
        near = Path(data)
        return found, near if near.is_dir() else near.parent if near.is_file() else None
    folder = existing(data)
    path = find_one(folder, FILE)
    if path is None:
        raise ClvsError(f"There is no {FILE} in {folder}; name the folder of R-Bench's annotations (data_filterd).")
    return Table(str(path), read_rows(path)), folder


def _questions(found: Table) -> dict[str, Question]:
    """By id, the last row of each, at the place of the first: as a dict does, and so the official script."""
    questions: dict[str, Question] = {}
    repeated, odd = 0, []
    for n, row, where in found:
        if row.get("level", "image") != "image":
            continue
        label = text_of(row, "label", where)
        if label.strip().lower() not in ("yes", "no"):
            odd.append(f"{where} ({label!r:.40})")
        question = Question(
            str(need(row, "id", where)),
            next((row[name] for name in ("image", "image_source") if isinstance(row.get(name), str)), ""),
            text_of(row, "text", where),
            "no" if "no" in label.lower() else "yes",  # the official script's reading
            _kind(row),
            picture=found.picture(n),
            meta={"row": n},
        )
        repeated += question.id in questions
        questions[question.id] = question
    if repeated:
        warn(
            f"{repeated} rows of {found.name} repeat an id; the last row of an id counts, as in the official script.",
            BenchmarkWarning,
            3,
        )
    if odd:
        warn(
            f"{len(odd)} labels are neither yes nor no and count as the official script reads them, as yes unless they "
            f"contain no; the first is {odd[0]}.",
            BenchmarkWarning,
            3,
        )
    return questions


def _kind(row: Mapping[str, Any]) -> str:
    """The qtype in lower case; "" for the real rows that have none."""
    return next((str(row[name]).lower() for name in ALIASES["kind"] if row.get(name)), "")


def _subset(path: Path) -> list[str]:
    try:
        ids = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ClvsError):
            raise
        raise ClvsError(f"{path} is not valid JSON; unpack R-Bench's archive again.") from error
    if not isinstance(ids, list) or not all(type(number) in (int, str) for number in ids):
        raise ClvsError(f"{path} is not a list of question ids; unpack R-Bench's archive again.")
    return [str(number) for number in ids]


# --- answers and scores -------------------------------------------------------------------------------


def responses(path: Path, questions: Sequence[Question]) -> dict[str, str]:
    """Lines {"question_id": 0, "text": "Yes"}; the last answer to an id counts, as in the official script."""
    answers: dict[str, str] = {}
    for file in answer_files(path):
        for row, line in enumerate(read_rows(file), 1):
            where = f"Row {row} of {file}"
            answers[str(need(line, "id", where))] = answer_text(line, ("text", "answer"), where)
    return answers


def groups(questions: Sequence[Question]) -> Masks:
    return {"All": np.ones(len(questions), bool)}


def official(judged: Judged, groups: Masks) -> dict[str, Any]:
    """What eval.py prints, as fractions; yes is positive, and what the parser could not read is wrong."""
    found = {}
    for name, mask in groups.items():
        yes, said = judged.truth[mask], judged.said[mask]
        tp, fp = int(np.sum(yes & (said == 1))), int(np.sum(~yes & (said == 1)))
        tn, fn = int(np.sum(~yes & (said == 0))), int(np.sum(yes & (said != 1)))
        precision, recall = tp / (tp + fp + 0.00001), tp / (tp + fn + 0.00001)
        f1 = 2 * precision * recall / (precision + recall + 0.00001)
        found[name] = {"accuracy": (tp + tn) / len(yes), "precision": precision, "recall": recall, "f1": f1}
    return found


RBENCH = Benchmark("rbench", "R-Bench", "pope", "yes", read, responses, groups, official)
