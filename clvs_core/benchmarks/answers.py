"""Raw answers: where "yes" or "no" is read out of them, and the files they are stored in.

Answers are kept as the model gave them. A parser is a named rule that turns one into "yes", "no" or None (neither);
each repeats the code its docstring names, faults included, because published numbers were made with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ClvsError
from ..text import mended
from . import harness
from .benchmark import Benchmark, Question
from .rows import existing, read_rows, read_text
from .running.folder import ABOUT, ANSWERS, QUESTIONS

Verdict = str | None
# What people call the model's answer where "answer" is the label.
_SAID = ("prediction", "pred", "response", "model_answer", "model_output", "output", "generated_text")
Parser = Callable[[str, str], Verdict]  # (raw answer, label) -> "yes", "no" or None

# --- parsers ------------------------------------------------------------------------------------------


def amber(answer: str, label: str) -> Verdict:
    """AMBER, inference.py @534babf: exactly "Yes" or "No"; "No.", "no" and " No" are neither."""
    return {"Yes": "yes", "No": "no"}.get(answer)


def pope(answer: str, label: str) -> Verdict:
    """POPE, evaluate.py @08d957b, R-Bench, eval.py @d9d73c0, and LLaVA: "No", "no" or "not" up to the first "." is no.

    Everything else is yes: an empty answer, "NO", "No!", "Nope"; and "Yes, it is not ..." is no.
    """
    words = answer.split(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "no", "not"} & set(words) else "yes"


def vcd(answer: str, label: str) -> Verdict:
    """VCD, eval_pope.py @d6568ff, and IMCCD: correct if the label is anywhere in the answer, also inside a word.

    It looks at the label: "yes and no" is always right, "maybe" always wrong, and "I know" is a no.
    """
    return label if label in answer.lower().strip() else _other(label)


def clvs(answer: str, label: str) -> Verdict:
    """The CLVS paper's eval.py, for POPE and R-Bench: as VCD's rule, on whose code it builds.

    That script divides by one answer too many (it counts the line with its arguments); the paper's tables fit the true
    number, which is what is used here.
    """
    return vcd(answer, label)


def clearsight(answer: str, label: str) -> Verdict:
    """ClearSight (VAF): as VCD's rule, and "not" is a no as well, which "no" inside it already made it."""
    return vcd(answer, label)


def pai(answer: str, label: str) -> Verdict:
    """PAI: without "." and ",", a word "No", "no", "not" or "NO", or one that ends in "n't", is no; else yes."""
    words = answer.replace(".", "").replace(",", "").split(" ")
    denied = {"No", "no", "not", "NO"} & set(words) or any(word.endswith("n't") for word in words)
    return "no" if denied else "yes"


def lmms(answer: str, label: str) -> Verdict:
    """lmms-eval's POPE task @75571cf: lower case and stripped it must be "yes" or "no"; "yes." is neither.

    Its scores are not POPE's own either (`pope.lmms_official`). MME is read by `lmms_mme` where this name is asked for.
    """
    text = answer.lower().strip()
    return text if text in ("yes", "no") else None


def lmms_mme(answer: str, label: str) -> Verdict:
    """lmms-eval's MME task @75571cf: MME's rule after stripping and without any ".", and "y" and "n" alone count."""
    text = answer.lower().strip().replace(".", "")
    return {"y": "yes", "n": "no"}.get(text) or mme(text, label)


def vlmeval(answer: str, label: str) -> Verdict:
    """VLMEvalKit @e8e78f0, without a judge: yes or no if that word is there and the other is not; else neither.

    Words are what is between white space once its `process_punctuation` is done, which leaves "*" and ":" in them.
    """
    words = _without_punctuation(answer.lower()).split()
    found = [word for word in ("yes", "no") if word in words]
    return found[0] if len(found) == 1 else None


def _without_punctuation(text: str) -> str:
    """A mark becomes nothing where it stands beside a space or any comma is within a number, else a space."""
    within = re.search(r"\d,\d", text)
    found = text
    for mark in ';/[]"{}()=+\\_-><@`,?!':
        found = found.replace(mark, "" if within or f"{mark} " in text or f" {mark}" in text else " ")
    return re.sub(r"(?<!\d)\.(?!\d)", "", found, count=32)  # 32: re.UNICODE, passed there as the count


def mme(answer: str, label: str) -> Verdict:
    """MME, calculation.py: in lower case, "yes", else "no", among the first four characters; "not sure" is no."""
    start = answer.lower()[:4]
    return next((word for word in ("yes", "no") if word in start), None)


def first_word(answer: str, label: str = "") -> Verdict:
    """The reading a person would give: the first word if it is yes or no, else whichever of them the answer has alone.

    Case and punctuation do not matter. This is also what unparsed answers are counted with.
    """
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", answer.lower())
    if words and words[0] in ("yes", "no"):
        return words[0]
    found = {"yes", "no"} & set(words)
    return found.pop() if len(found) == 1 else None


def _other(label: str) -> str:
    return "no" if label == "yes" else "yes"


PARSERS: dict[str, Parser] = {
    "amber": amber,
    "pope": pope,
    "mme": mme,
    "first_word": first_word,
    "clvs": clvs,
    "vcd": vcd,
    "clearsight": clearsight,
    "pai": pai,
    "lmms": lmms,
    "vlmeval": vlmeval,
}


_BY_BENCHMARK: dict[tuple[str, str], Parser] = {("mme", "lmms"): lmms_mme}  # code that reads each in its own way


def parser(name: str, benchmark: str = "") -> Parser:
    """The parser of that name, for a benchmark's name. Raises ClvsError for one that does not exist."""
    if name not in PARSERS:
        raise ClvsError(f"There is no parser {name!r:.80}; choose one of {', '.join(PARSERS)}.")
    return _BY_BENCHMARK.get((benchmark, name), PARSERS[name])


@dataclass(frozen=True)
class Preset:
    """How the CLVS paper's runs asked and read: prompt is a name of `models.prompts`, parsers are by benchmark.

    max_new_tokens is 1: what is scored is the first token.
    """

    prompt: str
    max_new_tokens: int
    parsers: Mapping[str, str]


_READ = {"amber": "amber", "rbench": "clvs", "pope": "clvs", "mme": "mme"}
# By family (transformers' model_type), from the scripts of the paper's code. LLaVA-1.5 is asked the bare question in
# the conversation llava_v1. The length is stated in the script for LLaVA-1.5 only and taken over for the others.
PAPER: dict[str, Preset] = {
    "llava": Preset("vicuna", 1, _READ),
    "llava_next": Preset("one-word", 1, _READ),
    "qwen2_5_vl": Preset("one-word", 1, _READ),
}


# --- files of answers ---------------------------------------------------------------------------------


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
