"""What a question is answered with other settings of CLVS, as far as that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from clvs_core.methods import CLVS, spec


@dataclass(frozen=True)
class Tries:
    """Answers by alpha and beta: cells[alpha][beta] are [text, probability], rows as far as they have come.

    id: of the result that is asked again; rest: all other settings; left: seconds, None before the first row.
    """

    id: str
    rest: str
    alphas: Sequence[float]
    betas: Sequence[float]
    cells: Sequence[Sequence[Any]]
    left: float | None

    def of(self, id: str, methods: Sequence[Any]) -> bool:
        """Whether this is about that result with these methods."""
        base = smoothed(methods)
        return base is not None and (id, rest(base)) == (self.id, self.rest)

    @property
    def told(self) -> dict[str, Any]:
        """As a part of the payload."""
        parts = {"alphas": list(self.alphas), "betas": list(self.betas), "cells": list(self.cells)}
        return {**parts, "left": self.left}


def smoothed(methods: Sequence[Any]) -> CLVS | None:
    """The first of the methods that is CLVS alone."""
    return next((method for method in methods if isinstance(method, CLVS)), None)


def rest(clvs: CLVS) -> str:
    """All settings but alpha and beta."""
    return spec(replace(clvs, alpha=1.0, beta=0.0))
