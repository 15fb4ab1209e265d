"""What a method may touch.

A method is a frozen dataclass of settings plus an *editor*: array functions on the rows of the tokens being
generated, one editor for all branches that run the same method. The editor never sees a model, a cache or a key;
the engine calls it once per layer and does everything else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor

Visual = slice | Tensor  # where the visual tokens stand in a row of attention weights


class Editor(Protocol):
    """Edits the rows of one method's branches during one forward pass after another.

    Shapes: B branches of this method, H query heads, K keys, N visual tokens.
    """

    unified: Tensor  # (B,) bool: layer 0's row is computed with unified visual positions (eq. 2)
    remembers: bool  # carries a memory from layer to layer, which the trace keeps
    memory: Tensor | None  # (B, N) what is carried to the next layer
    active: Tensor  # (B,) bool: still editing in this forward pass
    top_k: Tensor  # (B,) int: how many of the largest logits eq. 8 uses
    lens_norm: Tensor  # (B,) bool: final norm before the unembedding

    def begin(self) -> None:
        """Forgets everything: the next call belongs to a new token."""

    def edit(self, layer: int, weights: Tensor, visual: Visual) -> Tensor:
        """Returns the weights (B, H, K) to use instead of `weights`, which are left as they are."""

    def checks(self, layer: int) -> Tensor | None:
        """(B,) bool: which branches need the uncertainty after this layer; None where none ever does."""

    def observe(self, layer: int, uncertainty: Tensor) -> None:
        """Takes the uncertainty (B,) after `layer`; NaN where it was not measured."""


SomeMethod = TypeVar("SomeMethod", bound="Method")


@dataclass(frozen=True)
class Method:
    """Settings of one method. Subclasses add fields and, if they edit anything, an `editor`."""

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""

    def resolve(self: SomeMethod, defaults: dict[str, Any], layers: int) -> SomeMethod:
        """Fills settings left at None from the model's card and checks them against the number of layers."""
        missing = {f.name for f in dataclasses.fields(self) if getattr(self, f.name) is None}
        return dataclasses.replace(self, **{k: v for k, v in defaults.items() if k in missing})

    def termination(self) -> tuple[float | None, int | None]:
        """(uncertainty threshold, first checked layer) of a method that stops by uncertainty, else (None, None)."""
        return None, None

    @classmethod
    def editor(cls, methods: Sequence[Any], device: torch.device, dtype: torch.dtype) -> Editor | None:
        """An editor for branches with these settings, or None for a method that edits nothing."""
        return None


def check_range(name: str, value: Any, low: float, high: float, kind: type = float) -> None:
    """Raises ValueError naming the setting, its range and what was given."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    good = good and (kind is float or float(value).is_integer()) and low <= value <= high
    if not good:
        what = "a whole number" if kind is int else "a number"
        limit = f"between {low:g} and {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise ValueError(f"{name} must be {what} {limit}, not {value!r}.")


def check_bool(name: str, value: Any) -> None:
    """Raises ValueError naming the switch and what was given."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {value!r}.")
