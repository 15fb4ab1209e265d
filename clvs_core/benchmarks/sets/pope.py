"""POPE: the nine files of three sources and three categories, in every version that went round.

Files: coco_pope_random.json and the like, JSON lines or arrays of {"question_id", "image", "text", "label"}: those of
AoiDragon/POPE (COCO in output/coco, the others in output/seem), those of DAMO-NLP-SG/VCD, and older ones of COCO, whose
random file may hold 2910 questions. The CLVS paper pools the three sources of a category: 9000 questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from warnings import warn

import numpy as np

from ...errors import ClvsError
from ..answers import answer_files, answer_text
from ..benchmark import Benchmark
from ..parsers import Judged
from ..question import BenchmarkWarning, Masks, Question, label_of, unique
from ..rows import HUB, Table, existing, need, read_rows, table, text_of

SOURCES = ("coco", "aokvqa", "gqa")
CATEGORIES = ("random", "popular", "adversarial")
Part = tuple[str, str]  # source and category
OLD_RANDOM = 2910  # questions of COCO's random file before 2023-08


# --- questions ----------------------------------------------------------------------------------------


def read(
    data: str | Path, pictures: bool = False, source: str | None = None, category: str | None = None
) -> list[Question]:
    """The questions of one source, or of all that are there; of one category, or of all.

    data: a folder, one official file, or a table; lmms-lab/POPE is COCO alone, in three categories.
    Raises ClvsError for two files of the same source and category, and for labels that are not yes or no.
    """
    for value, known, name in ((source, SOURCES, "source"), (category, CATEGORIES, "category")):
        if value is not None and value not in known:
            raise ClvsError(f"POPE has no {name} {value!r:.80}; choose one of {', '.join(known)}.")
    questions = [
        question
        for question in _all(data, pictures)
        if source in (None, question.source) and category in (None, question.kind)
    ]
    if not questions:
        wanted = " and ".join(word for word in (source, category) if word)
        raise ClvsError(f"{data} has no questions of {wanted or 'POPE'}; name POPE's folder or one of its files.")
    for part, rows in parts(questions).items():
        if part == ("coco", "random") and len(rows) == OLD_RANDOM:
            warn(
                "This is the old random file of 2910 questions, not 3000; answers to the other one do not fit it.",
                BenchmarkWarning,
                2,
            )
    return questions


def _all(data: str | Path, pictures: bool) -> list[Question]:
    if str(data).startswith(HUB) or (path := existing(data)).suffix == ".parquet":
        found = table(data, pictures=pictures, config=("Full", "default"))
        return _of_table(found) if found else []
    if path.is_file():
        return _of_file(path)
    files: dict[tuple[str, str], Path] = {}
    for file in sorted(p for p in path.rglob("*") if p.suffix in (".json", ".jsonl") and _category(p)):
        if not _is_questions(file):
            continue
        key = _source(file), _category(file)
        if key in files:
            raise ClvsError(f"{'/'.join(key)} is there twice, {files[key]} and {file}; name the folder of one version.")
        files[key] = file
    if not files and (found := table(data, pictures=pictures)) is not None:
        return _of_table(found)
    ordered = [files[s, c] for s in SOURCES for c in CATEGORIES if (s, c) in files]
    return [question for file in ordered for question in _of_file(file)]


def _category(path: Path) -> str:
    """The category that the file's name says, "" if none."""
    return next((name for name in CATEGORIES if name in path.stem.lower()), "")


def _source(path: Path) -> str:
    """The source that the file's name says, or else a folder it is in."""
    for part in (path.stem, *reversed(path.parts[:-1])):
        for name in SOURCES:
            if name in re.sub(r"[-_]", "", part.lower()):
                return name
    raise ClvsError(f"{path} does not say its source; name it like the official file, e.g. coco_pope_random.json.")


def _is_questions(path: Path) -> bool:
    rows = read_rows(path)
    return bool(rows) and "label" in rows[0] and "image" in rows[0]


def _of_file(path: Path) -> list[Question]:
    found = Table(str(path), read_rows(path))
    if not _category(path) or any("category" in row for row in found.rows):
        return _of_table(found)
    source, category = _source(path), _category(path)
    questions = []
    for n, row, where in found:
        label, number = label_of(need(row, "label", where), where), need(row, "id", where)
        image, text = text_of(row, "image", where), text_of(row, "text", where)
        key = f"{source}/{category}/{number}"
        questions.append(Question(key, image, text, label, category, source, meta={"row": n}))
    return unique(questions, str(path))


def _of_table(found: Table) -> list[Question]:
    """COCO's questions, of the category, or categories with commas, that each row, or its split, names."""
    questions = []
    for n, row, where in found:
        categories = str(row.get("category") or row.get("split") or "").split(",")
        if other := [name for name in categories if name.strip() not in CATEGORIES]:
            raise ClvsError(f"{where} has the category {other[0]!r:.80}; POPE's are {', '.join(CATEGORIES)}.")
        image = next((row[name] for name in ("image", "image_source") if isinstance(row.get(name), str)), "")
        if image and not PurePosixPath(image).suffix:
            image += ".jpg"
        label, number = label_of(need(row, "label", where), where), need(row, "id", where)
        text = text_of(row, "text", where)
        for category in map(str.strip, categories):
            key = f"coco/{category}/{number}"
            questions.append(Question(key, image, text, label, category, "coco", found.picture(n), {"row": n}))
    return unique(questions, found.name)


def parts(questions: Sequence[Question]) -> dict[tuple[str, str], list[Question]]:
    """(source, category) -> its questions, in the order of their file."""
    found: dict[tuple[str, str], list[Question]] = {}
    for question in questions:
        found.setdefault((question.source, question.kind), []).append(question)
    return found


# --- answers ------------------------------------------------------------------------------------------


def responses(path: Path, questions: Sequence[Question]) -> dict[str, str]:
    """Lines {"question", "answer"} (POPE) or {"question_id", "text"} (LLaVA, VCD), one file a source and category.

    As in the official script the n-th line answers the n-th question of the file and ids are not looked at. Unlike
    there, another number of lines, another question's text or ids in another order are an error. One file for several
    parts (LLaVA's) is taken apart by its category or, in the order of its ids, by its prompts.
    """
    loaded = parts(questions)
    if path.is_file() and not _category(path) and len(rows := read_rows(path)) > max(map(len, loaded.values())):
        return _taken_apart(path, rows, loaded)
    answers: dict[str, str] = {}
    used: dict[tuple[str, str], Path] = {}
    for file in answer_files(path):
        key = _answered_part(file, loaded, path.is_file())
        if key is None:
            continue
        if key in used:
            raise ClvsError(
                f"{used[key].name} and {file.name} both answer {'/'.join(key)}; name the folder of one run."
            )
        used[key] = file
        answers |= _paired(file, loaded[key])
    if not used:
        raise ClvsError(f"No file in {path} is named like a part of POPE, e.g. coco_pope_random.json; rename them so.")
    return answers


def _answered_part(file: Path, loaded: dict[tuple[str, str], list[Question]], alone: bool) -> tuple[str, str] | None:
    """Which part a file of answers is about; alone: it was named itself. None if that part is not loaded."""
    if alone and len(loaded) == 1:
        return next(iter(loaded))
    category = _category(file)
    named = [key for key in loaded if key[1] == category]
    if len({key[0] for key in loaded}) > 1:
        named = [key for key in named if key[0] == _source(file)]
    if alone and not named:
        raise ClvsError(
            f"{file} does not say which of {', '.join('/'.join(key) for key in loaded)} it answers; "
            "choose a source and a category."
        )
    return named[0] if named else None


def _taken_apart(file: Path, rows: list[dict[str, Any]], loaded: Mapping[Part, Sequence[Question]]) -> dict[str, str]:
    """Answers of one file to several parts: of each category that its rows name, or of blocks by their prompts."""
    ids = [row.get("question_id") for row in rows]
    if all(type(id) is int for id in ids) and len(set(ids)) == len(ids):
        rows = [row for _, row in sorted(zip(ids, rows, strict=True), key=lambda pair: pair[0])]  # type: ignore[arg-type, return-value]
    total = sum(map(len, loaded.values()))
    if len(rows) != total:
        old = " (LLaVA's 8910 are of the time when random had 2910)" if len(rows) == 8910 else ""
        raise ClvsError(
            f"{file} has {len(rows)} answers{old}, and its parts {total} questions; use one version of POPE, and all "
            "categories that the file is about."
        )
    if len({source for source, _ in loaded}) == 1 and all(row.get("category") in CATEGORIES for row in rows):
        named: Mapping[Part, Sequence[dict[str, Any]]] = {
            part: [row for row in rows if row["category"] == part[1]] for part in loaded
        }
    else:
        named = _blocks(file, rows, loaded)
    return {id: text for part, some in named.items() for id, text in _paired(file, loaded[part], some).items()}


def _blocks(
    file: Path, rows: Sequence[dict[str, Any]], loaded: Mapping[Part, Sequence[Question]]
) -> dict[Part, Sequence[dict[str, Any]]]:
    """Each part's rows, which stand together in the file, told apart by the prompts."""
    found: dict[Part, Sequence[dict[str, Any]]] = {}
    start = 0
    while start < len(rows):
        fitting = [
            part
            for part, questions in loaded.items()
            if part not in found and _answer_all(rows[start : start + len(questions)], questions)
        ]
        if len(fitting) != 1:
            raise ClvsError(
                f"{file} does not say by category or prompt which of {', '.join(map('/'.join, loaded))} its rows from "
                f"{start + 1} on answer; give one file a part, named like coco_pope_random.json."
            )
        found[fitting[0]] = rows[start : start + len(loaded[fitting[0]])]
        start += len(loaded[fitting[0]])
    return found


def _answer_all(rows: Sequence[dict[str, Any]], questions: Sequence[Question]) -> bool:
    prompts = [row.get("question", row.get("prompt")) for row in rows]
    return len(rows) == len(questions) and all(
        isinstance(prompt, str) and _same(prompt, question.text)
        for prompt, question in zip(prompts, questions, strict=True)
    )


def _paired(file: Path, questions: Sequence[Question], rows: Sequence[dict[str, Any]] = ()) -> dict[str, str]:
    rows = rows or read_rows(file)
    if len(rows) != len(questions):
        part = f"{questions[0].source}/{questions[0].kind}"
        raise ClvsError(
            f"{file} has {len(rows)} answers and {part} {len(questions)} questions, which are paired by their order; "
            "use the answers and the questions of one version of POPE."
        )
    _check_order(file, rows, questions)
    return {
        question.id: answer_text(row, ("answer", "text"), f"Row {n} of {file}")
        for n, (row, question) in enumerate(zip(rows, questions, strict=True), 1)
    }


def _check_order(file: Path, rows: Sequence[dict[str, Any]], questions: Sequence[Question]) -> None:
    asked = [str(row.get("question_id")) for row in rows]
    known = [question.id.rsplit("/", 1)[1] for question in questions]
    if asked != known and sorted(asked) == sorted(known):
        raise ClvsError(f"{file} answers the questions in another order than their file; sort it by that file.")
    for n, (row, question) in enumerate(zip(rows, questions, strict=True), 1):
        said = row.get("question", row.get("prompt"))
        if isinstance(said, str) and not _same(said, question.text):
            raise ClvsError(
                f"Row {n} of {file} answers {said!r:.120}, not {question.text!r:.120}; use one version of POPE."
            )


def _same(said: str, text: str) -> bool:
    """Whether `said` is the question, with any prompt around it; versions differ by the typo "imange"."""
    said, text = (words.lower().replace("imange", "image").strip() for words in (said, text))
    return text in said


# --- scores -------------------------------------------------------------------------------------------


def groups(questions: Sequence[Question]) -> Masks:
    """All; each category, its sources pooled as in the paper; and, of several sources, each of them."""
    kinds, sources = np.array([q.kind for q in questions]), np.array([q.source for q in questions])
    found: Masks = {"All": np.ones(len(questions), bool)}
    found |= {name: kinds == name for name in CATEGORIES if name in kinds}
    if len(set(sources)) > 1:
        for name in CATEGORIES:
            pairs = ((source, (kinds == name) & (sources == source)) for source in SOURCES)
            found |= {f"{source}/{name}": mask for source, mask in pairs if mask.any()}
    return found


def official(judged: Judged, groups: Masks) -> dict[str, Any]:
    """What evaluate.py prints, as fractions; yes is positive, and what the parser could not read is wrong.

    None where the official script would divide by zero.
    """
    found = {}
    for name, mask in groups.items():
        yes, said = judged.truth[mask], judged.said[mask]
        tp, fp = int(np.sum(yes & (said == 1))), int(np.sum(~yes & (said == 1)))
        tn, fn = int(np.sum(~yes & (said == 0))), int(np.sum(yes & (said != 1)))
        precision = tp / (tp + fp) if tp + fp else None
        recall = tp / (tp + fn) if tp + fn else None
        f1 = 2 * precision * recall / (precision + recall) if precision and recall else None
        found[name] = {"accuracy": (tp + tn) / len(yes), "precision": precision, "recall": recall, "f1": f1}
    return found


def lmms_official(judged: Judged, groups: Masks) -> dict[str, Any]:
    """What lmms-eval @75571cf aggregates: answers that are neither are wrong, but leave recall's denominator.

    0 where a denominator is 0. yes_ratio is of the labels there, not of the answers.
    """
    found = {}
    for name, mask in groups.items():
        yes, said = judged.truth[mask], judged.said[mask]
        tp, fn = int(np.sum(yes & (said == 1))), int(np.sum(yes & (said == 0)))
        found[name] = _guarded(yes, said, tp, fn) | {"yes_ratio": float(yes.mean())}
    return found


def vlmeval_official(judged: Judged, groups: Masks) -> dict[str, Any]:
    """What VLMEvalKit's POPE_rating @e8e78f0 gives, as fractions: the official scores, 0 where a denominator is 0."""
    found = {}
    for name, mask in groups.items():
        yes, said = judged.truth[mask], judged.said[mask]
        tp, fn = int(np.sum(yes & (said == 1))), int(np.sum(yes & (said != 1)))
        found[name] = _guarded(yes, said, tp, fn)
    return found


def _guarded(yes: np.ndarray, said: np.ndarray, tp: int, fn: int) -> dict[str, float]:
    """Accuracy, precision, recall and F1, 0 where there is nothing to divide by."""
    positives = int(np.sum(said == 1))
    precision, recall = tp / positives if positives else 0.0, tp / (tp + fn) if tp + fn else 0.0
    f1 = 2 * (precision * recall) / (precision + recall) if precision + recall else 0.0
    return {"accuracy": int(np.sum(said == yes)) / len(yes), "precision": precision, "recall": recall, "f1": f1}


_SCORERS = {"lmms": lmms_official, "vlmeval": vlmeval_official}
POPE = Benchmark("pope", "POPE", "pope", "yes", read, responses, groups, official, scorers=_SCORERS)
