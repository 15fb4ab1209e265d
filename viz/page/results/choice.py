"""What is chosen on the Results tab, as the browser says it or a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from clvs_core.benchmarks import PARSERS

SHOWS = ("all", "differ", "unread", "wrong", "gained", "lost")
LONGEST = 600  # characters of any text from a run or a browser


@dataclass(frozen=True)
class Choice:
    """What is chosen on the Results tab.

    run: a listed name; folder: what the owner typed instead; parser: "" is the benchmark's own; show: one of SHOWS;
    id: the question that a link points at, on whose page the table opens.
    """

    run: str = ""
    folder: str = ""  # not "path": what has that name is a file to Gradio
    parser: str = ""
    text: str = ""
    kind: str = ""
    show: str = "all"
    method: str = ""
    page: int = 0
    id: str = ""

    @classmethod
    def of(cls, data: Any) -> Choice:
        """A browser's message, or a link's words. What cannot be read is left out; nothing raises."""
        data = data if isinstance(data, Mapping) else {}
        values = {f.name: data.get(f.name) for f in fields(cls) if f.type == "str"}
        texts: dict[str, Any] = {name: text[:LONGEST] for name, text in values.items() if isinstance(text, str)}
        choice = cls(**texts)
        page = data.get("page")
        number = page if isinstance(page, int) and not isinstance(page, bool) and 0 <= page < 10**6 else 0
        parser = choice.parser if choice.parser in PARSERS else ""
        return replace(choice, parser=parser, show=choice.show if choice.show in SHOWS else "all", page=number)
