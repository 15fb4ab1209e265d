"""Where "yes" or "no" is read out of raw answers.

Answers are kept as the model gave them. A parser is a named rule that turns one into "yes", "no" or None (neither);
each repeats the code its docstring names, faults included, because published numbers were made with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ClvsError
from .question import Question

Verdict = str | None
Parser = Callable[[str, str], Verdict]  # (raw answer, label) -> "yes", "no" or None


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


# --- answers to many questions -------------------------------------------------------------------------

VERDICTS = {"yes": 1, "no": 0, None: -1}


@dataclass(frozen=True)
class Judged:
    """N answers and what is true. truth: (N,) bool, True is yes. said: (N,) int8, 1 yes, 0 no, -1 neither.

    image: (N,) int, the same number for questions about the same picture (in MME: of the same task).
    """

    truth: np.ndarray
    said: np.ndarray
    image: np.ndarray

    def chosen(self, mask: np.ndarray) -> Judged:
        return Judged(self.truth[mask], self.said[mask], self.image[mask])


def judge(questions: Sequence[Question], answers: Mapping[str, str], rule: str, benchmark: str = "") -> Judged:
    """Reads the answer to every question; all must have one. rule: a parser's name.

    benchmark: the name of theirs, as some code reads each differently.
    """
    read = parser(rule, benchmark)
    said = [VERDICTS[read(answers[question.id], question.label)] for question in questions]
    images: dict[str, int] = {}
    # A table without file names does not say which questions share a picture: each then counts as its own.
    names = [question.image or question.id for question in questions]
    image = [images.setdefault(name, len(images)) for name in names]
    truth = [question.label == "yes" for question in questions]
    return Judged(np.array(truth, bool), np.array(said, np.int8), np.array(image, int))
