"""Whole answers: each object that they name is hidden in turn from every word being written; is it still named?

Object after object, and of one a few layers at a time, as `clvs_core.analysis.knockout.survivals` does in one go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from clvs_core.engine.knockout import Knockout, Rows
from clvs_core.errors import ClvsError
from clvs_core.methods import spec
from viz.page import cost
from viz.page.asking import Knock
from viz.page.knocking import call_of, chosen_window
from viz.page.looking import Looking
from viz.page.session import Result, Session
from viz.viewer.contract import Survival
from viz.viewer.knockouts import survival
from viz.viewer.view import View

NOTHING_NAMED = "The answer names none of the objects that are known in this picture."


@dataclass(frozen=True)
class Blinding:
    """What is asked, of which answers: two that are equal need not be measured twice. methods: specs."""

    answer: str
    methods: tuple[str, ...]
    rows: Rows
    window: int


@dataclass(frozen=True)
class Known:
    """What has come of it, by the hidden object. specs: of the methods, as a payload has them; names: known objects."""

    blinding: Blinding
    specs: tuple[str, ...]
    names: tuple[str, ...]
    found: Mapping[str, list[Knockout]] = field(default_factory=dict)

    @property
    def part(self) -> Survival:
        """For the payload."""
        return survival(self.found, self.specs, self.names, self.blinding.rows, self.blinding.window)


class Surviving(Looking):
    """Blinds whole answers on a visitor's page."""

    part = "survival"

    def told(self, session: Session, result: Result, view: View) -> Generator[tuple[Survival, bool], None, None]:
        blinding = _blinding(result, view)
        masks: dict[str, np.ndarray[Any, Any]] = {item.name: item.mask for item in result.seen.objects}
        named = cost.named((run.text for run in result.runs), masks)
        if not named:
            raise ClvsError(NOTHING_NAMED)
        known: Known | None = session.survived
        if known is None or known.blinding != blinding:
            known = Known(blinding, tuple(str(run.trace.meta["method"]) for run in result.runs), tuple(masks))
        call = call_of(result, result.methods)
        for name in named:
            if name in known.found:
                continue
            knock = Knock(call, masks[name], blinding.rows, blinding.window, whole=True)
            with contextlib.closing(self.asker.knock(knock)) as passes:
                for found in passes:
                    partly = replace(known, found={**known.found, name: found})
                    yield partly.part, True
            session.survived = known = partly  # what was hidden stays known where the next object is stopped
        yield known.part, False

    def last(self, session: Session, result: Result, view: View) -> Survival | None:
        """What was measured last, if it is of this answer and view."""
        known: Known | None = session.survived
        return known.part if known is not None and known.blinding == _blinding(result, view) else None


def _blinding(result: Result, view: View) -> Blinding:
    rows: Rows = view.rows  # type: ignore[assignment]
    return Blinding(result.id, tuple(map(spec, result.methods)), rows, chosen_window(result, view))
