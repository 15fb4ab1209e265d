"""The model as it is, greedy decoding."""

from dataclasses import dataclass
from typing import ClassVar

from .base import Method


@dataclass(frozen=True)
class Vanilla(Method):
    """No edit: the reference every other method is compared with."""

    name: ClassVar[str] = "vanilla"
    label: ClassVar[str] = "Vanilla"
    summary: ClassVar[str] = "The model as it is; the others are compared with it."
