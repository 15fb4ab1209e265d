"""What events of the browser say, read as anybody may have sent it, and what an event leaves as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from viz.page import limits


def data(event: gr.EventData) -> Mapping[str, Any]:
    """An event's data, {} where it has none that can be read."""
    return event._data if isinstance(event._data, Mapping) else {}


def text(event: gr.EventData, name: str, longest: int = limits.MAX_QUESTION) -> str:
    """A text in it, cut to `longest` characters; "" for anything else."""
    value = data(event).get(name)
    return value[:longest] if isinstance(value, str) else ""


def number(event: gr.EventData, name: str) -> int:
    """A whole number in it that the browser counts by, 0 for anything else."""
    value = data(event).get(name)
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


def unchanged(count: int) -> tuple[Any, ...]:
    """So many outputs that stay as they are."""
    return tuple(gr.skip() for _ in range(count))
