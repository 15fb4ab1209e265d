"""Several methods as one: score edits first, then weight edits, each in the order below, then one contrast at most.

VAF, PAI (scores); VAR, CLVS or TARAC, methods of one's own, AD-HH (weights; last, since its rows no longer sum to 1);
VCD or PAI (logits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import Contrast, Editor, Keys, Method, MethodError, Pair, Reading, Target


@dataclass(frozen=True, init=False)
class Combine(Method):
    """Methods that work together, e.g. `Combine(PAI(), CLVS(alpha=0.7))`, in whatever order they are given.

    Raises ValueError for fewer than two, for a method given twice, for two vision memories and for two contrasts.
    """

    summary: ClassVar[str] = "Several methods at once."

    methods: tuple[Method, ...]

    def __init__(self, *methods: Method):
        parts = [part for m in methods if isinstance(m, Method) for part in m.parts]
        if not all(isinstance(m, Method) for m in methods) or len(parts) < 2:
            raise ValueError("Combine takes at least two methods, e.g. Combine(PAI(), CLVS()).")
        object.__setattr__(self, "methods", tuple(sorted(parts, key=lambda m: (m.place, m.name))))
        self._check()

    def _check(self) -> None:
        names = [m.label for m in self.methods]
        for part in self.methods:
            if names.count(part.label) > 1:
                raise ValueError(f"{part.label} is given twice; combine it with other methods, once.")
            if part.name == "vanilla":
                raise ValueError("Vanilla edits nothing, so it cannot be combined; leave it out.")
        for what, several in (
            ("carry a vision memory", [m.label for m in self.methods if m.remembers]),
            ("contrast the answer with another one", [m.label for m in self.methods if m.contrasted()]),
        ):
            if len(several) > 1:
                raise ValueError(f"{' and '.join(several)} both {what}, of which there can be only one; leave one out.")

    @property
    def name(self) -> str:  # type: ignore[override]
        return "+".join(m.name for m in self.methods)

    @property
    def label(self) -> str:  # type: ignore[override]
        return " + ".join(m.label for m in self.methods)

    @property
    def records(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(name for m in self.methods for name in m.records))

    @property
    def kind(self) -> Any:
        return Combine, *(m.kind for m in self.methods)

    @property
    def parts(self) -> tuple[Method, ...]:
        return self.methods

    def filled(self, target: Target) -> Combine:
        return Combine(*(m.filled(target) for m in self.methods))

    def resolve(self, target: Target) -> Combine:
        return Combine(*(m.resolve(target) for m in self.methods))

    def termination(self) -> tuple[float | None, int | None]:
        return next((t for m in self.methods if (t := m.termination()) != (None, None)), (None, None))

    def touched(self, layers: int) -> Pair | None:
        ranges = [pair for m in self.methods if (pair := m.touched(layers))]
        return (min(first for first, _ in ranges), max(last for _, last in ranges)) if ranges else None

    def on_questions(self) -> Method | None:
        parts = [part for m in self.methods if (part := m.on_questions())]
        return Combine(*parts) if len(parts) > 1 else next(iter(parts), None)

    def contrasted(self) -> Contrast | None:
        return next((c for m in self.methods if (c := m.contrasted())), None)

    def reading(self) -> Reading | None:
        readings = [r for m in self.methods if (r := m.reading())]
        if len(readings) > 1:
            raise MethodError("Two of the combined methods read hidden states, which only one can; leave one out.")
        return next(iter(readings), None)

    @classmethod
    def editor(cls, methods: Sequence[Combine], device: torch.device, dtype: torch.dtype) -> Editor | None:
        columns = zip(*(m.methods for m in methods), strict=True)  # all are of one kind
        editors = [type(settings[0]).editor(settings, device, dtype) for settings in columns]
        return CombinedEditor([e for e in editors if e is not None])


class CombinedEditor(Editor):
    """The editors of the parts, one after another."""

    def __init__(self, editors: Sequence[Editor]):
        self.editors = editors
        for name in ("unified", "top_k", "lens_norm"):  # of the one that has them
            setattr(self, name, next((v for e in editors if (v := getattr(e, name)) is not None), None))

    @property
    def changes_attention(self) -> bool:
        return any(editor.changes_attention for editor in self.editors)

    def begin(self) -> None:
        for editor in self.editors:
            editor.begin()

    def scores(self, layer: int, scores: Tensor, keys: Keys) -> Tensor:
        for editor in self.editors:
            scores = editor.scores(layer, scores, keys)
        return scores

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        for editor in self.editors:
            weights = editor.weights(layer, weights, keys)
        return weights

    def contrast(self, logits: Tensor, other: Tensor) -> Tensor:
        for editor in self.editors:
            logits = editor.contrast(logits, other)
        return logits

    def checks(self, layer: int) -> Tensor | None:
        return next((c for e in self.editors if (c := e.checks(layer)) is not None), None)

    def observe(self, layer: int, uncertainty: Tensor) -> Tensor | None:
        stopped = [s for e in self.editors if (s := e.observe(layer, uncertainty)) is not None]
        return next(iter(stopped), None)

    def recorded(self, layer: int) -> Mapping[str, Tensor]:
        records: dict[str, Any] = {}
        for editor in self.editors:
            for name, values in editor.recorded(layer).items():  # heads in which any of them acted
                records[name] = records[name] | values if name in records else values
        return records
