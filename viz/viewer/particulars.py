"""What is particular to single methods, for the payload: cards, sink tokens, heads, memories, contrasts.

A *card* says in a few plain facts what a method does; everything else is what its run recorded. All of it is small:
indices and rounded numbers, no weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from clvs_core.methods import method as parse
from clvs_core.methods.base import RECORDS
from viz.viewer.contract import Acts, Card, Contrast, PartCard, Records

CONTRAST_WORDS = 6  # the likeliest ones; more do not fit beside the curves
ACTED = {"adhh": "silenced", "var": "redistributed"}  # what happens to the heads that a method acts on


def card(method: Any, spec: str, layers: int) -> Card:
    """What a method does. spec: with which it ran, its settings resolved; layers: the model's depth, 0 if not known."""
    resolved = _resolved(method, spec)
    parts = resolved.parts
    tau = next((part.tau for part in parts if part.name == "var"), None)
    cards: list[PartCard] = [{**_card(part, layers), "label": part.label} for part in parts] if len(parts) > 1 else []
    return {**_card(resolved, layers), "acted": _acted(parts), "tau": tau, "parts": cards}


def recorded(run: Any, steps: int | None) -> Records:
    """What a run recorded beside its maps, of the first `steps` tokens (None: all). run None: nothing has come yet."""
    if run is None:
        return {"sinks": None, "heads": None, "contrast": None, "memory": None}
    trace = run.trace
    return {
        "sinks": _indices(trace.sinks[0]) if trace.sinks is not None and len(trace.sinks) else None,
        "heads": None if trace.acted_heads is None else [_indices(step) for step in trace.acted_heads[:steps]],
        "contrast": _contrast(run, steps),
        "memory": _carried(trace),
    }


def memory(trace: Any) -> np.ndarray | None:
    """(S, L, N) what a method carries, from layer to layer or from word to word; None for the others."""
    return None if trace.carries is None else getattr(trace, trace.carries)


def _carried(trace: Any) -> Literal["layers", "words"] | None:
    return None if trace.carries is None else RECORDS[trace.carries].carried or None


def _resolved(method: Any, spec: str) -> Any:
    try:
        return parse(spec)
    except ValueError:  # a method of one's own that this process does not know by name, or a name alone
        return method


def _card(method: Any, layers: int) -> Acts:
    paper = str(method.paper)
    return {
        "summary": str(method.summary),
        "stage": str(method.stage),
        "rows": "last" if method.on_questions() is None else "after_image",
        "layers": _touched(method, layers),
        "contrast": _against(method),
        "paper": paper if urlsplit(paper).scheme in ("http", "https") else "",
        "records": list(method.records),
    }


def _touched(method: Any, layers: int) -> list[int] | None:
    pair = method.touched(layers) if layers else None
    if pair is None:
        return None
    first, last = pair
    return [int(first), min(int(last), layers - 1)] if first < layers else None


def _against(method: Any) -> str:
    contrast = method.contrasted()
    return "" if contrast is None else contrast.label


def _acted(parts: Sequence[Any]) -> str:
    names = [part.name for part in parts if "acted_heads" in part.records]
    return ACTED.get(names[0], "changed") if len(names) == 1 else "changed" if names else ""


def _indices(flags: np.ndarray) -> list[list[int]]:
    """Where each row of a bool array is true."""
    return [np.flatnonzero(row).tolist() for row in flags]


def _contrast(run: Any, steps: int | None) -> Contrast | None:
    trace = run.trace
    if trace.contrast_words is None or trace.contrast_probabilities is None:
        return None
    pairs = zip(trace.contrast_words[:steps], trace.contrast_probabilities[:steps], strict=True)
    against = str(trace.meta.get("contrast") or "") or _against(run.method)
    return {"against": against, "steps": [_words(words, chances) for words, chances in pairs]}


def _words(words: Sequence[str], chances: np.ndarray) -> list[Any]:
    """The `CONTRAST_WORDS` likeliest in any of the three distributions (3, K), by their chance with the picture."""
    chances = np.nan_to_num(np.asarray(chances, dtype=np.float64))
    chosen = np.argsort(-chances.max(axis=0), kind="stable")[:CONTRAST_WORDS]
    ordered = sorted(chosen.tolist(), key=lambda index: -chances[0, index])
    return [[words[index], *(_share(chances[row, index]) for row in range(3))] for index in ordered]


def _share(value: float) -> float:
    return round(float(value), 4) if math.isfinite(value) else 0.0
