"""The sentences under a table: what was run, how, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...labels import number_of
from ...text import line
from ..running.folder import RunFolder
from .gather import Scored, Setup, method_labels
from .paper_numbers import ASKED

PARTS: dict[str, tuple[str, ...]] = {name: tuple(sizes) for name, sizes in ASKED.items()} | {"rbench": ()}


def run_notes(setups: Mapping[Setup, Sequence[Scored]], names: Mapping[Setup, str]) -> list[str]:
    """What was run, of honest tables."""
    found = []
    for setup, several in setups.items():
        found += [about_run(one, names[setup]) for one in by_runs(several)]
        found += passed_over(several)
        found += taken_up(several)
    return list(dict.fromkeys(found))


def passed_over(several: Sequence[Scored]) -> Iterator[str]:
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for one, label in zip(several, method_labels(several), strict=True):
        for passed in one.passed_over:
            found.setdefault((passed.folder, passed.other), []).append((label, passed.differing))
    for (folder, other), labels in found.items():
        differing = sum(number for _, number in labels)
        but = f", where {differing:,} of its answers are different" * bool(differing)
        names = listed([label for label, _ in labels])
        yield f"What {folder} has of {names} is in {other}, too{but}; the latter counts."


def by_runs(several: Iterable[Scored]) -> list[Scored]:
    """One for each run, or several runs that complete each other."""
    found: dict[tuple[RunFolder, ...], Scored] = {}
    for one in several:
        found.setdefault(one.runs, one)
    return list(found.values())


def about_run(one: Scored, label: str) -> str:
    """One sentence: what was asked, how, of what model, with which versions, and where the run is."""
    about = one.runs[0].about
    pictures = len({question.image or question.id for question in one.questions})
    length, model, versions = about["max_new_tokens"], about["model"], about.get("versions") or {}
    limits = [f"{name} {value}" for name, value in (about.get("selection") or {}).items() if value]
    said = [
        f"{label}: {part_of(one)}, {number_of(len(one.questions), 'question')} about {number_of(pictures, 'picture')}",
        *[f"chosen by {' and '.join(limits)}"] * bool(limits),
        f"prompt {about['prompt']}, up to {length} new token{'s' * (length != 1)}, parser {one.parser}",
        " on ".join(str(model[key]) for key in ("dtype", "device") if model.get(key)),
        ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        one.folder,
    ]
    return line("; ".join(filter(None, said))) + "."


def part_of(one: Scored) -> str:
    if one.setup.part:
        return f"R-Bench image level, {one.setup.part}"
    sources = list(dict.fromkeys(question.source for question in one.questions if question.source))
    of = f" of {listed(sources)}" if sources else ""
    return f"{one.benchmark.label} {listed([name for name in PARTS[one.setup.benchmark] if name in one.sizes])}{of}"


def taken_up(several: Sequence[Scored]) -> Iterator[str]:
    """A run that was taken up again with other versions says so."""
    for run in dict.fromkeys(run for one in several for run in one.runs):
        first = run.about.get("versions")
        if any((session.get("versions") or first) != first for session in run.about.get("sessions") or []):
            yield f"{run.folder} was taken up again with other versions; its run.json names them."


def different_questions(several: Sequence[Scored]) -> list[str]:
    asked: dict[str, set[frozenset[tuple[str, str]]]] = {}
    for one in several:
        found = frozenset((question.id, question.text) for question in one.questions)
        asked.setdefault(one.setup.part, set()).add(found)
    apart = any(len(questions) > 1 for questions in asked.values())
    return ["Not all rows are about the same questions; what each was asked is said above."] * apart


def listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def were(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"


def have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"
