"""Knock-outs for the payload: what is left of a token when something is hidden, in small numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clvs_core.analysis.knockout import layers_that_matter, still_names, who_reads
from clvs_core.engine.knockout import Knockout, Rows
from viz.viewer.contract import Knockout as Part
from viz.viewer.contract import Left, Survival, Survivor
from viz.viewer.payload import rounded, rounded_number

DIGITS = 4
LONGEST = 1000  # characters of what an answer became
PERCENT = "\u00a0%"  # as the page writes it
Found = Mapping[Rows, Sequence[Knockout]]  # by the rows that could not look, one for each method


def part(
    found: Found, specs: Sequence[str], *, step: int, on: Sequence[str] = (), region: Mapping[str, Any] | None = None
) -> Part:
    """The payload's `knockout`, whole or as far as it is known.

    specs: of the methods, as the payload has them, in the order of `found`. step: the token that was asked about, on,
    region: what was hidden. ValueError where nothing was found.
    """
    every = [knockout for each in found.values() for knockout in each]
    if not every:
        raise ValueError("There is nothing to show: give at least one knock-out.")
    word, both = found.get("word", ()), found.get("both", ())
    return {
        "step": step,
        "on": list(on),
        "region": None if region is None else dict(region),
        "window": every[0].window,
        "hidden": int(every[0].hidden.sum()),
        "left": [left(one, spec) for each in found.values() for one, spec in zip(each, specs, strict=True)],
        "reads": {spec: who_reads(*pair).replace("%", PERCENT) for spec, *pair in zip(specs, word, both, strict=False)},
    }


def left(found: Knockout, spec: str) -> Left:
    """One method's line. spec: as the payload's method has it."""
    return {
        "spec": spec,
        "rows": found.rows,
        "token": found.token.text,
        "probability": round(found.probability, DIGITS),
        "kept": rounded(found.kept.tolist(), DIGITS),
        "only": rounded(found.only.tolist(), DIGITS),
        "control": rounded(found.control.tolist(), DIGITS),
        "instead": [None if said is None else (said.text, round(said.probability, DIGITS)) for said in found.instead],
        "everywhere": rounded_number(found.everywhere, DIGITS),
        "matters": layers_that_matter(found),
    }


def survival(
    found: Mapping[str, Sequence[Knockout]], specs: Sequence[str], names: Sequence[str], rows: Rows, window: int
) -> Survival:
    """The payload's `survival`, whole or as far as it is known.

    found: by the hidden object, one for each method, with whole answers. names: of all known objects. An object is told
    of the methods whose own answer names it.
    """
    objects = [
        _survivor(one, spec, name, names)
        for name, each in found.items()
        for one, spec in zip(each, specs, strict=True)
        if still_names(one.answer or "", name, names)
    ]
    return {"specs": list(specs), "rows": rows, "window": window, "objects": objects}


def _survivor(found: Knockout, spec: str, name: str, names: Sequence[str]) -> Survivor:
    answers = [*(found.answers or [None] * found.layers), found.answer_everywhere]
    *named, everywhere = [None if text is None else still_names(text, name, names) for text in answers]
    *said, said_everywhere = [None if text is None else text[:LONGEST] for text in answers]
    return {
        "spec": spec,
        "name": name,
        "named": named,
        "said": said,
        "everywhere": everywhere,
        "said_everywhere": said_everywhere,
    }
