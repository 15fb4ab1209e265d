"""A run that was read: its questions, methods and answers as the page shows them.

A run may be anybody's: what is told of it is cut to a length that a browser takes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from clvs_core.benchmarks.parsers import parser as parser_of
from clvs_core.benchmarks.question import Question
from clvs_core.benchmarks.running.folder import RunFolder
from clvs_core.errors import ClvsError
from clvs_core.labels import name_of, numbered, run_labels, title
from clvs_core.text import line
from viz.page.results.choice import LONGEST

VANILLA, CLVS = "vanilla", "clvs"
YES, NO, NEITHER, NONE = 1, 0, -1, -2  # what an answer was read as; NONE: there is no answer yet
READINGS = {"yes": YES, "no": NO, None: NEITHER}
MOST = 200  # methods of a run that the page shows: a table of more is no use to anybody


class OpenRun:
    """A run that was read, with what the page needs of it worked out once.

    run: as on disk, but with the first MOST methods only; left_out: how many more it has. questions: each once, in the
    run's order; ids: what the page calls them; places: these ids' places; texts: what is searched. names: what the
    page calls its methods; specs: their settings in full; labels: what is shown of them; answers: of each name, by the
    question's own id; vanilla: its place among them.
    """

    def __init__(self, run: RunFolder):
        self.run, self.left_out, self.state = _first(run), max(0, len(run.methods) - MOST), _state(run)
        self.benchmark = run.benchmark
        self.questions = list({question.id: question for question in run.questions}.values())
        self.ids = short([question.id for question in self.questions])
        self.places = {id: place for place, id in enumerate(self.ids)}
        methods = self.run.methods
        self.names = short(list(methods))
        self.specs = [str(spec) for spec in methods.values()]
        self.labels = labels_of(list(methods), self.specs)
        self.answers = {name: self.run.answers[method] for name, method in zip(self.names, methods, strict=True)}
        self.vanilla = next((n for n, spec in enumerate(self.specs) if name_of(spec) == VANILLA), None)
        self.texts = [f"{q.id}\n{q.image}\n{q.text}".lower() for q in self.questions]
        self.kinds = list(dict.fromkeys(kind_of(question) for question in self.questions))
        self.said = functools.lru_cache(maxsize=4)(self._said)

    def question(self, id: str) -> tuple[int, Question]:
        """Place and question of that id. ClvsError when there is none."""
        if id not in self.places:
            raise ClvsError(f"The run has no question {id!r:.80}; read it again.")
        return self.places[id], self.questions[self.places[id]]

    def _said(self, parser: str) -> np.ndarray:
        """(questions, methods) int8 of YES, NO, NEITHER or NONE, as this parser reads the answers."""
        read = functools.lru_cache(maxsize=10_000)(parser_of(parser, self.benchmark.name))
        columns = [self.answers[name] for name in self.names]
        said = [
            [READINGS[read(column[q.id], q.label)] if q.id in column else NONE for column in columns]
            for q in self.questions
        ]
        return np.array(said, np.int8).reshape(len(self.questions), len(self.names))

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """(questions, 1) int8 of YES and NO."""
        return np.array([[READINGS[question.label]] for question in self.questions], np.int8).reshape(-1, 1)


def labels_of(names: Sequence[str], specs: Sequence[str]) -> list[str]:
    """What a run's methods are called, no two alike; names: as they were asked for; specs: settings in full."""
    found = run_labels(names, specs, [readable(title(name)) for name in names])
    return numbered(list(map(readable, found)))  # a sweep may ask the usual setting twice


def readable(text: str, longest: int = LONGEST) -> str:
    """A text from a run as a browser can take it: not too long, without halves of surrogate pairs."""
    return text[:longest].encode("utf-8", "replace").decode("utf-8")


def short(texts: Sequence[str]) -> list[str]:
    """The same for texts that are all different, and still are."""
    return [
        text if readable(text) == text else f"{readable(text, LONGEST - 20)}… {n}" for n, text in enumerate(texts, 1)
    ]


def _first(run: RunFolder) -> RunFolder:
    """The run with the first MOST of its methods, and vanilla in any case."""
    if len(run.methods) <= MOST:
        return run
    kept = dict(itertools.islice(run.methods.items(), MOST))
    if not any(name_of(str(spec)) == VANILLA for spec in kept.values()):
        others = ((name, spec) for name, spec in run.methods.items() if name_of(str(spec)) == VANILLA)
        kept = dict([*itertools.islice(others, 1), *kept.items()][:MOST])
    rows = [row for row in run.rows if row["method"] in kept]
    return replace(run, about={**run.about, "methods": kept}, rows=rows)


def _state(run: RunFolder) -> str:
    """How complete a run is, with all its methods."""
    if run.complete:
        return f"Complete: {run.total:,} answers."
    return f"{len(run.rows):,} of {run.total:,} answers, still running or stopped."


def kind_of(question: Question) -> str:
    """What a question is filtered by: its source, where it has one, and its kind."""
    return readable(f"{question.source} {question.kind}".strip())


def about(opened: OpenRun) -> dict[str, str]:
    """{line, state}: one line about a run, and how complete it is."""
    facts = opened.run.about
    model = facts["model"]
    options = facts.get("options")
    part = " ".join(str(v) for v in options.values() if v is not None) if isinstance(options, Mapping) else ""
    tokens = facts["max_new_tokens"]
    words = [
        opened.benchmark.label + (f" ({part[:80]})" if part else ""),
        ", ".join(str(model[key])[:80] for key in ("label", "dtype", "quantization", "image_mode") if model.get(key)),
        f"prompt {facts['prompt'][:80]}",
        f"at most {tokens} token{'' if tokens == 1 else 's'}",
        f"{facts['questions']:,} questions",
        _methods(opened),
        _when(facts.get("sessions")),
    ]
    return {"line": line(" · ".join(filter(None, words))), "state": opened.state}


def _methods(opened: OpenRun) -> str:
    """How many methods there are, and how many of them the page leaves to the command `report`."""
    shown = len(opened.names)
    if opened.left_out:
        return f"{shown + opened.left_out:,} methods, of which {shown} are shown here and the command report takes all"
    return f"{shown} method{'' if shown == 1 else 's'}"


def _when(sessions: Any) -> str:
    """The day and time, UTC, when the run was last begun or resumed."""
    try:
        started = datetime.fromisoformat(sessions[-1]["started"])
    except (TypeError, LookupError, ValueError):
        return ""
    return f"{started:%Y-%m-%d, %H:%M}"  # the same in every language
