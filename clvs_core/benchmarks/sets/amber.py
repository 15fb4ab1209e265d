"""AMBER, discriminative part: junyangwang0410/AMBER @534babf.

Files: query_discriminative.json, or query_all.json, or the three query_discriminative-*.json, with rows {"id", "image",
"query"}; and annotations.json, {"id", "type", "truth"}, which alone knows types and labels. Precision and recall are of
"No". Rows of relations that do not hold have the type "relation", not "discriminative-relation".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ClvsError
from ...names import whole
from ..answers import answer_files, answer_text, once
from ..benchmark import Benchmark
from ..parsers import Judged
from ..question import Masks, Question, label_of, masks, unique
from ..rows import Table, existing, find_one, need, read_rows, table, text_of

GENERATIVE = "generative"
_STATE, _NUMBER, _ACTION = (f"discriminative-attribute-{name}" for name in ("state", "number", "action"))
GROUPS: dict[str, tuple[str, ...]] = {
    "All": (),  # filled in below
    "Existence": ("discriminative-hallucination",),
    "Attribute": (_STATE, _NUMBER, _ACTION),
    "State": (_STATE,),
    "Number": (_NUMBER,),
    "Action": (_ACTION,),
    "Relation": ("discriminative-relation", "relation"),
}
GROUPS["All"] = (*GROUPS["Existence"], *GROUPS["Attribute"], *GROUPS["Relation"])
PARTS = ("attribute", "existence", "relation")


# --- questions ----------------------------------------------------------------------------------------


def read(data: str | Path, pictures: bool = False) -> list[Question]:
    """The discriminative questions of a folder of official files, or of a table that has labels and types itself.

    Known tables: qgallouedec/amber (configuration "discriminative"), DogNeverSleep/AMBER.
    Raises ClvsError for missing files, a question without annotation, an unknown type, a label that is not yes or no.
    """
    if (found := table(data, pictures=pictures, config=("discriminative",))) is not None:
        return _of_table(found)
    folder = existing(data)
    path = find_one(folder, "annotations.json")
    if path is None:
        raise ClvsError(f"There is no annotations.json in {folder}; name AMBER's folder, which has data/ in it.")
    truths = _annotations(path)
    questions = []
    for file in _query_files(folder):
        for row, query in enumerate(read_rows(file)):
            where = f"Row {row + 1} of {file}"
            said = need(query, "id", where)
            number = whole(said)
            if number not in truths:
                raise ClvsError(
                    f"{where} is question {said!r:.40}, of which {path} says nothing; use files of one version."
                )
            kind, truth = truths[number]
            if kind != GENERATIVE:
                text, image = text_of(query, "text", where), text_of(query, "image", where)
                label = label_of(truth, f"Question {number} of {path}")
                questions.append(Question(str(number), image, text, label, kind, meta={"row": row}))
    return unique(questions, str(folder))


def _query_files(folder: Path) -> list[Path]:
    for name in ("query_discriminative.json", "query_all.json"):
        if path := find_one(folder, name):
            return [path]
    parts = [path for part in PARTS if (path := find_one(folder, f"query_discriminative-{part}.json"))]
    if not parts:
        raise ClvsError(
            f"There is no query_discriminative.json in {folder}; name AMBER's folder, which has data/ in it."
        )
    return parts


def _annotations(path: Path) -> dict[int, tuple[str, Any]]:
    """id -> (type, truth)"""
    found: dict[int, tuple[str, Any]] = {}
    for row, annotation in enumerate(read_rows(path), 1):
        where = f"Row {row} of {path}"
        said = need(annotation, "id", where)
        number = whole(said)
        if number is None or number in found:
            raise ClvsError(
                f"{where} has the id {said!r:.40}, which is not a number of its own; use the official file."
            )
        found[number] = _kind(annotation, where), need(annotation, "truth", where)
    return found


def _kind(row: Mapping[str, Any], where: str) -> str:
    kind = need(row, "kind", where)
    if kind != GENERATIVE and kind not in GROUPS["All"]:
        # The official script would count it as a relation without a word.
        raise ClvsError(f"{where} has the type {kind!r:.80}, which AMBER does not have; use the official file.")
    return kind


def _of_table(found: Table) -> list[Question]:
    questions = []
    for n, row, where in found:
        if (kind := _kind(row, where)) == GENERATIVE:
            continue
        truth = need(row, "label", where)
        if isinstance(truth, Mapping):  # DogNeverSleep/AMBER: lists for both parts of AMBER
            truth = truth.get("truth")
        if isinstance(truth, list) and len(truth) == 1:
            truth = truth[0]
        image = row["image"] if isinstance(row.get("image"), str) else ""
        label, text = label_of(truth, where), text_of(row, "text", where)
        picture = found.picture(n)
        questions.append(Question(str(need(row, "id", where)), image, text, label, kind, "", picture, {"row": n}))
    if not questions:
        raise ClvsError(f"{found.name} has no question of AMBER's discriminative part; name a table that has them.")
    return unique(questions, found.name)


# --- answers and scores -------------------------------------------------------------------------------


def responses(path: Path, questions: Sequence[Question]) -> dict[str, str]:
    """[{"id": 1005, "response": "Yes"}, ...], or LLaVA's question_id and text; several files of parts are joined."""
    answers: dict[str, str] = {}
    for file in answer_files(path):
        for row, line in enumerate(read_rows(file), 1):
            where = f"Row {row} of {file}"
            once(answers, str(need(line, "id", where)), answer_text(line, ("response", "text", "answer"), where), where)
    return answers


def groups(questions: Sequence[Question]) -> Masks:
    """All seven that the official script prints, also those without a question."""
    return masks(GROUPS, lambda name: (question.kind in GROUPS[name] for question in questions))


def official(judged: Judged, groups: Masks) -> dict[str, Any]:
    """What inference.py prints: percent, one decimal; a group without questions has zeros."""
    return {name: _printed(name, judged, mask) for name, mask in groups.items()}


def _printed(name: str, judged: Judged, mask: np.ndarray) -> dict[str, float]:
    yes, said = judged.truth[mask], judged.said[mask]
    correct = int(np.sum(said == yes))  # what the parser could not read is -1: never correct
    hits = int(np.sum(~yes & (said == 0)))
    # Every counter of the official script starts at 0.001, and the attributes' three are added.
    start = 0.003 if name == "Attribute" else 0.001
    accuracy = round(correct / (len(yes) + start) * 100, 1)
    precision = round(hits / (int(np.sum(said == 0)) + start) * 100, 1)
    recall = round(hits / (int(np.sum(~yes)) + start) * 100, 1)
    p, r, more = precision / 100, recall / 100, 0.001 if name == "Existence" else 0.0001
    f1 = round(2 * p * r / (p + r + more) * 100, 1)
    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


AMBER = Benchmark("amber", "AMBER", "amber", "no", read, responses, groups, official)
