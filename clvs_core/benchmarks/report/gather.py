"""Runs -> the answers of each method in each set-up, and what methods and set-ups are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import ClvsError
from ...labels import run_labels
from ...methods import Method
from ...methods import method as read_method
from ...methods import spec as spec_of
from ...methods.base import unmarked
from ...models.prompts import parse
from ...text import line
from ..benchmark import Benchmark
from ..question import Question
from ..running.folder import RunFolder
from ..scores import Score
from .table import NO_ANSWERS, NOT_ASKED, UNDEFINED

_TOLD_APART = ("dtype", "quantization", "image_mode", "weights")
# Passes of another size round the last bits otherwise, which tips a tie now and then.
_TIPPED = 0.002


@dataclass(frozen=True)
class Setup:
    """What answers must share to stand in one section. part: R-Bench's subset, else ""."""

    benchmark: str
    name: str
    label: str = field(compare=False)
    dtype: str
    quantization: str
    image_mode: str
    weights: str
    prompt: str
    tokens: int
    part: str


@dataclass(frozen=True)
class PassedOver:
    """A run whose answers another one has, too, or more of them. differing: how many of them are not the same."""

    folder: str
    other: str
    differing: int


@dataclass(frozen=True, eq=False)
class Asked:
    """One method in one set-up: what it was asked and said, in one run or in several that complete each other.

    method: None for one that is not known here. passed_over: runs that have nothing else to say about it.
    """

    setup: Setup
    name: str
    spec: str
    method: Method | None
    runs: tuple[RunFolder, ...]
    questions: Sequence[Question]
    answers: Mapping[str, str]
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def label(self) -> str:
        return self.method.label if self.method else self.spec

    @property
    def mere(self) -> bool:
        """Whether it was asked for by its mere name: with the settings that are usual for the model."""
        return self.method is not None and self.name == self.method.name

    @property
    def folder(self) -> str:
        return ", ".join(str(run.folder) for run in self.runs)


@dataclass(frozen=True, eq=False)
class Scored(Asked):
    """score: None where there are no answers. parser: the name of the one used."""

    score: Score | None = None
    parser: str = ""

    @property
    def benchmark(self) -> Benchmark:
        return self.runs[0].benchmark

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(answers, questions) of the groups that were asked, and of all as "total"."""
        answered = np.array([question.id in self.answers for question in self.questions], bool)
        masks = {"total": np.ones(len(answered), bool), **self.benchmark.groups(self.questions)}
        return {name: (int(answered[mask].sum()), int(mask.sum())) for name, mask in masks.items() if mask.any()}

    def without(self, group: str) -> str:
        """Why there is no number of a group."""
        if group not in self.sizes:
            return NOT_ASKED
        return UNDEFINED if self.sizes[group][0] else NO_ANSWERS


def gather(runs: Sequence[RunFolder]) -> list[Asked]:
    """The answers of each method in each set-up, in the order of the runs.

    Raises ClvsError where two runs have different answers to the same questions asked in the same way, unless one is
    only a part of the other or the different ones are very few, and where they ask different questions under the same
    ids.
    """
    found: dict[Setup, dict[str, list[tuple[RunFolder, str]]]] = {}
    for run in runs:
        methods = found.setdefault(_setup(run), {})
        for name, text in run.methods.items():
            entries = methods.setdefault(_canonical(text), [])
            if all(other is not run for other, _ in entries):  # one run may ask a setting twice, e.g. in a sweep
                entries.append((run, name))
    for setup, methods in found.items():
        _check_questions(setup, list(dict.fromkeys(run for entries in methods.values() for run, _ in entries)))
    return [_joined(setup, spec, entries) for setup, methods in found.items() for spec, entries in methods.items()]


def _setup(run: RunFolder) -> Setup:
    model = run.about["model"]
    dtype, quantization, mode, weights = (str(model.get(key) or "") for key in _TOLD_APART)
    name, prompt = str(model.get("name", "")), str(run.about["prompt"])
    try:
        conversation, suffixes = parse(prompt)
        prompt = "+".join([conversation, *suffixes])
    except ClvsError:
        pass  # a prompt that this version does not know keeps its name
    label = line(str(model.get("label") or name or "unnamed model"))
    tokens = run.about["max_new_tokens"]
    return Setup(run.benchmark.name, name, label, dtype, quantization, mode, weights, prompt, tokens, _subset(run))


def _subset(run: RunFolder) -> str:
    """Which of R-Bench's subsets the questions are: "subset 1", "subset 1, repeated ids once", "all rows"."""
    if run.benchmark.name != "rbench":
        return ""
    options = run.about.get("options") or {}
    subset = options.get("subset", 1)
    once = ", repeated ids once" * (options.get("duplicates") == "drop")
    return f"subset {subset}{once}" if subset is not None else "all rows"


def _method(text: str) -> Method | None:
    try:
        return read_method(text)
    except ValueError:  # one's own, which only the run knew
        return None


def _canonical(text: str) -> str:
    """A run says what its card set, so what it leaves out is the method's own value, as if that were written."""
    method = _method(text)
    if method is None:
        return text
    return "+".join(spec_of(_unwritten(part)) for part in method.parts)


def _unwritten(part: Method) -> Method:
    usual: dict[str, Any] = {f.name: f.default for f in fields(part) if getattr(part, f.name) == f.default}
    return replace(part, **usual)


def _check_questions(setup: Setup, runs: Sequence[RunFolder]) -> None:
    seen: dict[str, tuple[tuple[str, ...], RunFolder]] = {}
    for run in runs:
        for question in run.questions:
            asked = (question.text, question.label, question.image)
            known, first = seen.setdefault(question.id, (asked, run))
            if known != asked:
                raise ClvsError(
                    f"{first.folder} and {run.folder} ask {setup.label} different questions under the id "
                    f"{question.id}; report the runs of different data apart."
                )


def _joined(setup: Setup, spec: str, entries: Sequence[tuple[RunFolder, str]]) -> Asked:
    """The runs of one method in one set-up as one; what is only a part of another run is passed over."""
    kept: list[tuple[RunFolder, str]] = []
    answers: dict[str, str] = {}
    passed_over = []
    for run, name in sorted(entries, key=_first):
        own, ids = run.answers[name], {question.id for question in run.questions}
        clash = next((other for other, _ in kept if ids & {question.id for question in other.questions}), None)
        differing = sum(answers.get(id) != answer for id, answer in own.items())
        if clash is None:
            kept.append((run, name))
            answers |= own
        elif own.keys() < answers.keys() or differing <= _TIPPED * len(own):
            passed_over.append(PassedOver(str(run.folder), str(clash.folder), differing))
        else:
            what = f"{line(name)} of {setup.label} to {run.benchmark.label}, asked in the same way"
            raise ClvsError(
                f"{clash.folder} and {run.folder} have different answers of {what} ({differing:,} of them); "
                "name one of them."
            )
    kept.sort(key=entries.index)
    questions = [question for run, _ in kept for question in run.questions]
    runs = tuple(run for run, _ in kept)
    if runs[0].benchmark.paired:
        answers = _whole_pictures(questions, answers)
    return Asked(setup, kept[0][1], spec, _method(spec), runs, questions, answers, tuple(passed_over))


def _first(entry: tuple[RunFolder, str]) -> tuple[int, int]:
    """Sorts the run with most answers first, and of those alike the one that compares most methods, not settings."""
    run, name = entry
    return -len(run.answers[name]), -len({spec.partition(":")[0] for spec in run.methods.values()})


def _whole_pictures(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """Without the answers to pictures of which only one of two questions is answered, as in a run that was stopped."""
    half = {question.image for question in questions if question.id not in answers}
    return {question.id: answers[question.id] for question in questions if question.image not in half}


def score_of(asked: Asked, parser: str) -> Scored:
    score = asked.runs[0].benchmark.score(asked.questions, asked.answers, parser) if asked.answers else None
    return Scored(**{f.name: getattr(asked, f.name) for f in fields(Asked)}, score=score, parser=parser)


# --- names --------------------------------------------------------------------------------------------


def method_labels(asked: Sequence[Asked]) -> list[str]:
    """Names of methods for people; those with the same name are told apart by the settings that differ."""
    found = run_labels([one.name for one in asked], list(map(_in_full, asked)), [one.label for one in asked])
    return [f"{name} [{one.spec}]" if found.count(name) > 1 else name for name, one in zip(found, asked, strict=True)]


def _in_full(asked: Asked) -> str:
    """The spec with the settings that are left out of it, too: they tell methods apart."""
    parts = asked.method.parts if asked.method else ()
    marked = ({f.name: getattr(part, f.name) for f in fields(part)} for part in parts)
    full = (replace(part, **{n: unmarked(v) for n, v in own.items()}) for part, own in zip(parts, marked, strict=True))
    return "+".join(map(spec_of, full)) or asked.spec


def setup_labels(setups: Iterable[Setup]) -> dict[Setup, str]:
    """The models' names; set-ups that share one are told apart by what differs."""
    words: dict[str, Callable[[Any], str]] = {
        "name": str,
        "dtype": str,
        "quantization": lambda value: value or "not quantised",
        "image_mode": lambda value: f"pictures {value}" if value else "",
        "prompt": lambda value: f"prompt {value.removeprefix('chat+')}",
        "tokens": lambda value: f"{value} token{'s' * (value != 1)}",
    }
    setups, found = list(dict.fromkeys(setups)), {}
    for setup in setups:
        alike = [other for other in setups if (other.label, other.part) == (setup.label, setup.part)]
        values = {key: {getattr(other, key) for other in alike} for key in words}
        said = [said(getattr(setup, key)) for key, said in words.items() if len(values[key]) > 1]
        if len({replace(other, weights="") for other in alike}) < len(alike):
            said.append(f"weights {setup.weights or 'unknown'}")  # which also differ where the number type does
        found[setup] = f"{setup.label} ({line(', '.join(filter(None, said)))})" if said else setup.label
    return found


def by_setup(scored: Sequence[Scored]) -> dict[Setup, list[Scored]]:
    found: dict[Setup, list[Scored]] = {}
    for one in scored:
        found.setdefault(one.setup, []).append(one)
    return found
