"""Which questions of a run are shown, and with which methods one of them is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clvs_core.labels import name_of
from viz.page import limits
from viz.page.results.choice import Choice
from viz.page.results.opened import CLVS, NEITHER, NO, NONE, READINGS, VANILLA, YES, OpenRun, kind_of, readable

PAGE = 50  # questions shown at a time
OF_ONE = ("wrong", "gained", "lost")  # these are about one method


def shown(opened: OpenRun, choice: Choice) -> dict[str, Any]:
    """A page of the table: {count, total, page, pages, parser, marked, rows: [{id, image, text, label, kind, cells}]}.

    cells: one a method, [answer, mark, odd]; a mark is "right", "wrong", "unread" or "none"; odd: the parser read what
    a person would not, or not so.
    """
    places = np.flatnonzero(matching(opened, choice))
    pages = max(1, -(-len(places) // PAGE))
    page = min(choice.page, pages - 1)
    linked = np.flatnonzero(places == opened.places.get(choice.id, -1))
    page = int(linked[0]) // PAGE if len(linked) else page
    said, person = opened.said(parser(opened, choice)), opened.said("first_word")
    rows = [_row(opened, int(n), said[n], person[n]) for n in places[page * PAGE : (page + 1) * PAGE]]
    numbers = {"count": len(places), "total": len(opened.questions), "page": page, "pages": pages}
    return {**numbers, "parser": parser(opened, choice), "marked": choice.id, "rows": rows}


def _row(opened: OpenRun, index: int, said: np.ndarray, person: np.ndarray) -> dict[str, Any]:
    question = opened.questions[index]
    marks = {NONE: "none", NEITHER: "unread", READINGS[question.label]: "right"}
    cells = []
    for name, value, read in zip(opened.names, said, person, strict=True):
        answer = opened.answers[name].get(question.id, "")
        cells.append([readable(answer), marks.get(int(value), "wrong"), bool(value in (YES, NO) and value != read)])
    texts = {name: readable(getattr(question, name)) for name in ("image", "text", "label")}
    return {"id": opened.ids[index], **texts, "kind": kind_of(question), "cells": cells}


def parser(opened: OpenRun, choice: Choice) -> str:
    """Who reads the answers: the chosen parser, or else the benchmark's own."""
    return choice.parser or opened.benchmark.parser


def matching(opened: OpenRun, choice: Choice) -> np.ndarray:
    """(questions,) bool: which of them the filters leave."""
    left = np.ones(len(opened.questions), bool)
    if choice.text.strip():
        wanted = choice.text.lower().split()
        left &= np.fromiter((all(word in text for word in wanted) for text in opened.texts), bool, len(left))
    if choice.kind:
        left &= np.fromiter((kind_of(q) == choice.kind for q in opened.questions), bool, len(left))
    return left & _of_interest(opened, choice)


def _of_interest(opened: OpenRun, choice: Choice) -> np.ndarray:
    said = opened.said(parser(opened, choice))
    if choice.show == "differ":
        return disagree(said)
    if choice.show == "unread":
        return unread(said, opened.said("first_word"))
    if choice.show not in OF_ONE or choice.method not in opened.names:
        return np.ones(len(said), bool)
    answers = said[:, opened.names.index(choice.method)]
    truth = opened.truth[:, 0]
    wrong = (answers != truth) & (answers != NONE)
    if choice.show == "wrong":
        return wrong
    if opened.vanilla is None:
        return np.zeros(len(said), bool)
    base = said[:, opened.vanilla]
    if choice.show == "gained":
        return (answers == truth) & (base != truth) & (base != NONE)
    return wrong & (base == truth)


def disagree(said: np.ndarray) -> np.ndarray:
    """(questions,) bool: whether the methods that answered say different things; unread is one of them."""
    answered = said != NONE
    low = np.where(answered, said, np.int8(9)).min(axis=1, initial=9)
    high = np.where(answered, said, np.int8(-9)).max(axis=1, initial=-9)
    return high > low


def unread(said: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(questions,) bool: whether of any method the parser, or a person, reads neither, or each the opposite."""
    return np.any((said != NONE) & ((said == NEITHER) | (person == NEITHER) | (said != person)), axis=1)


def to_ask(opened: OpenRun, said: np.ndarray, picked: Sequence[str], *, differing: bool) -> list[str]:
    """The methods to ask a question with, at most as many as the page compares.

    Vanilla always where the run has it, then those picked by hand, then, if they are wanted, those whose answer differs
    from vanilla's. said: (methods,) of this question. Without any, the run's first.
    """
    base = opened.vanilla if opened.vanilla is not None else 0
    wanted = [opened.names[opened.vanilla]] if opened.vanilla is not None else []
    wanted += [name for name in opened.names if name in picked]
    if differing:
        answers = zip(opened.names, said, strict=True)
        wanted += [name for name, answer in answers if answer not in (said[base], NONE)]
    return list(dict.fromkeys(wanted or opened.names))[: limits.MAX_METHODS]


def usual(opened: OpenRun) -> list[str]:
    """What is picked before anybody picks: vanilla, and CLVS as it first stands in the run."""
    methods = list(zip(opened.names, opened.specs, strict=True))
    named = [[name for name, spec in methods if name_of(spec) == wanted] for wanted in (VANILLA, CLVS)]
    return [names[0] for names in named if names] or opened.names[:2]
