"""What a visitor chose of how an answer is shown: one object, and the only place where a choice is declared.

    layer: int | None = choice(None, Whole(0, 999, first=1), "layer, from 1; without it, where most is to be seen")

A field says what it may be (its kind), where it starts, and what it means. From that follow the browser's starting
values (`written` puts `table()` into src/choices.js, and `store.state` has them), how a link spells it, what is read of
links and of the page's messages, which spell it alike, and docs/reference.md. Layers, heads and tokens count from 0
everywhere but in links, where layers and heads count from 1. To add a choice, add a field.

    view, unread = View.read([("layer", "7"), ("scale", "uniform"), ("cmap", "jet")])
    view.layer, view.spelled(), unread      # 6, [("layer", "7"), ("scale", "uniform")], ["cmap=jet"]
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from clvs_core.engine.knockout import ROWS
from clvs_core.hiding import FILLS
from viz import languages, scales

PANELS = ("", "heads", "rest", "words", "answers", "compare", "hide", "settings", "questions", "numbers")  # or none
MAX_POLYGON = 2000  # corners
MAX_OBJECTS = 200
TOLD = 40  # characters that are repeated of what cannot be read


class Kind:
    """What a choice may be. `read` takes a link's text, raising ValueError, `written` is its inverse; `fits` judges a
    value that came as JSON; `told` are words for docs, `facts` what the browser has to know, `typescript` its type."""

    name: ClassVar[str]
    typescript: ClassVar[str] = "string"

    def fits(self, value: Any) -> bool:
        raise NotImplementedError

    def read(self, text: str) -> Any:
        raise NotImplementedError

    def written(self, value: Any) -> str:
        return str(value)

    def texts(self, value: Any) -> Sequence[str]:
        """One for each parameter of a link."""
        return [self.written(value)]

    @property
    def told(self) -> str:
        raise NotImplementedError

    @property
    def facts(self) -> dict[str, Any]:
        return {"kind": self.name}


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from low to high; first: what a link writes for 0."""

    low: int
    high: int
    first: int = 0
    name: ClassVar[str] = "whole"
    typescript: ClassVar[str] = "number"

    def fits(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def read(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,4}", text):
            raise ValueError("no whole number")
        return int(text) - self.first

    def written(self, value: int) -> str:
        return str(value + self.first)

    @property
    def told(self) -> str:
        return f"{self.low + self.first} to {self.high + self.first}"

    @property
    def facts(self) -> dict[str, Any]:
        return {"kind": self.name, "low": self.low, "high": self.high, "first": self.first}


@dataclass(frozen=True)
class Odd(Whole):
    """An odd number from low to high."""

    def fits(self, value: Any) -> bool:
        return super().fits(value) and value % 2 == 1

    @property
    def told(self) -> str:
        return f"an odd number, {super().told}"


@dataclass(frozen=True)
class Fraction(Kind):
    """A number from low to high, by tenths."""

    low: float
    high: float
    name: ClassVar[str] = "fraction"
    typescript: ClassVar[str] = "number"

    def fits(self, value: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value) and self.low <= value <= self.high

    def read(self, text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text):
            raise ValueError("no number")
        return round(float(text), 1)

    def written(self, value: float) -> str:
        return f"{value:g}"

    @property
    def told(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @property
    def facts(self) -> dict[str, Any]:
        return {"kind": self.name, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class OneOf(Kind):
    """One of these words."""

    words: Sequence[str]
    name: ClassVar[str] = "word"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.words

    def read(self, text: str) -> str:
        return text

    @property
    def told(self) -> str:
        return ", ".join(filter(None, self.words))


class Switch(Kind):
    """On or off."""

    name, typescript = "switch", "boolean"

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool)

    def read(self, text: str) -> bool:
        if text not in ("0", "1"):
            raise ValueError("neither 0 nor 1")
        return text == "1"

    def written(self, value: bool) -> str:
        return str(int(value))

    @property
    def told(self) -> str:
        return "0 or 1"


class Key(Kind):
    """A method's key in the payload: clvs, clvs-2, pai+clvs; "" for the first that is compared."""

    name = "key"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str) and bool(re.fullmatch(r"([A-Za-z0-9_+.-]{1,200})?", value))

    def read(self, text: str) -> str:
        return text

    @property
    def told(self) -> str:
        return "a method, as in `method` without its settings"


class Names(Kind):
    """Names of objects; in a link one parameter each, and an empty one for none at all."""

    name, typescript = "names", "string[]"

    def fits(self, value: Any) -> bool:
        if not isinstance(value, (list, tuple)) or len(value) > MAX_OBJECTS:
            return False
        return all(isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable() for name in value)

    def read(self, text: str) -> str:
        return text

    def texts(self, value: Any) -> Sequence[str]:
        return [*value] or [""]

    @property
    def told(self) -> str:
        return "an object's name, several times for several, empty for none"


class Region(Kind):
    """{"box": [x0, y0, x1, y1]} or {"polygon": [[x, y], ...]} in pixels of the picture; in a link numbers in a row, of
    which four are a box."""

    name, typescript = "region", "Record<string, any>"

    def fits(self, value: Any) -> bool:
        if not isinstance(value, Mapping) or len(value) != 1:
            return False
        if "box" in value:
            return _numbers(value["box"], 4)
        corners = value.get("polygon")
        if not isinstance(corners, list) or not 3 <= len(corners) <= MAX_POLYGON:
            return False
        return all(_numbers(corner, 2) for corner in corners)

    def read(self, text: str) -> dict[str, Any]:
        numbers = [float(number) for number in text.split(",")]
        if len(numbers) == 4:
            return {"box": numbers}
        if len(numbers) % 2:
            raise ValueError("half a corner")
        return {"polygon": [numbers[at : at + 2] for at in range(0, len(numbers), 2)]}

    def written(self, value: Mapping[str, Any]) -> str:
        numbers = value["box"] if "box" in value else [number for corner in value["polygon"] for number in corner]
        return ",".join(f"{number:.1f}".removesuffix(".0") for number in numbers)

    @property
    def told(self) -> str:
        return "x0,y0,x1,y1 of a box, or x,y of each corner, in pixels of the picture"


def _numbers(value: Any, count: int) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        return False
    return all(
        isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) < 1e6 for number in value
    )


def choice(usual: Any, kind: Kind, about: str) -> Any:
    """A field of `View`: where it starts, what it may be, and what it is, for docs."""
    return field(default=usual, metadata={"kind": kind, "about": about})


@dataclass(frozen=True)
class View:
    """How an answer is shown. None and "" stand for what the answer itself suggests.

    focus: which method the reference is compared with. on: names of the objects that are followed, None for those that
    the question names. region: what is followed alone, as `Region` has it.
    """

    layer: int | None = choice(None, Whole(0, 999, first=1), "layer; without it, where most is to be seen")
    step: int = choice(0, Whole(0, 9999), "token of the answer, from 0")
    scale: str = choice("shared", OneOf(scales.MODES), "what the colours of the maps are spread over")
    power: float = choice(1.0, Fraction(0.3, 1.0), "of the colours; below 1 faint weights are lifted")
    cmap: str = choice("magma", OneOf(scales.MAPS), "colours")
    smooth: bool = choice(False, Switch(), "maps smoothed for display")
    crop: bool = choice(False, Switch(), "maps of the part of the picture that the model sees, and of nothing else")
    contours: bool = choice(True, Switch(), "outlines of objects")
    sinks: int = choice(0, Whole(0, 8), "how many of the strongest sink tokens are hidden")
    head: int | None = choice(None, Whole(0, 9998, first=1), "one head; without it, the mean of heads")
    memory: bool = choice(False, Switch(), "rows of what a method carries from layer to layer")
    diff: bool = choice(True, Switch(), "the difference map")
    rings: bool = choice(True, Switch(), "rings around the sink tokens that a method finds")
    grid: str = choice("tiles", OneOf(("tiles", "base")), "which grid, of models that get the picture twice")
    focus: str = choice("", Key(), "the method that is compared with the reference")
    on: tuple[str, ...] | None = choice(None, Names(), "objects that are followed; without it, those of the question")
    region: Mapping[str, Any] | None = choice(None, Region(), "a drawn region, which is followed alone")
    rows: str = choice("word", OneOf(ROWS), "from which words it is hidden, where a knock-out is measured")
    window: int | None = choice(None, Odd(1, 99), "how many layers at a time; without it, about 9 of 32")
    only: bool = choice(False, Switch(), "hidden everywhere but in these layers")
    fill: str = choice(
        "",
        OneOf(("", *FILLS)),
        "what covers what is followed in the picture that is asked again beside this one; without it, none is",
    )
    lang: str = choice(languages.ENGLISH, OneOf(tuple(languages.names())), "language; without it, the browser's")
    present: bool = choice(False, Switch(), "for a projector: large type, without what asks")
    closer: str = choice("", OneOf(PANELS), "the panel that is open below; without it, none")

    @classmethod
    def of(cls, values: Any) -> View:
        """The view in a dictionary as `chosen` gives it; what does not fit is left out, nothing raises."""
        values = values if isinstance(values, Mapping) else {}
        return cls(**{name: _kept(values[name]) for name, kind in KINDS.items() if kind.fits(values.get(name))})

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, Any]]) -> tuple[View, list[str]]:
        """The view in a link's parameters, and of what cannot be read its spelling. Other parameters are passed over.

        Of a parameter that comes several times the last one counts, but for names, which come one at a time.
        """
        texts: dict[str, list[Any]] = {}
        for name, text in pairs:
            if name in KINDS:
                texts.setdefault(name, []).append(text)
        values: dict[str, Any] = {}
        unread: list[str] = []
        for name, given in texts.items():
            try:
                values[name] = _understood(KINDS[name], given)
            except ValueError:
                unread.append(told(name, given[-1]))
        return cls(**values), unread

    def chosen(self) -> dict[str, Any]:
        """What differs from the start, as JSON: a payload's `view` that leaves all else as the page has it."""
        return {name: value for name, value in self.whole().items() if getattr(self, name) != USUAL[name]}

    def whole(self) -> dict[str, Any]:
        """All of it, as JSON: a payload's `view` that sets everything, as a link does."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    def spelled(self) -> list[tuple[str, str]]:
        """What differs from the start, as a link's parameters."""
        pairs: list[tuple[str, str]] = []
        for name, value in vars(self).items():
            if value == USUAL[name]:
                continue
            pairs += [(name, text) for text in KINDS[name].texts(value)]
        return pairs

    def within(self, there: There) -> tuple[View, list[str]]:
        """What of it there is in an answer, and the spelling of the rest."""
        lost: dict[str, str] = {}
        for name, count in (("layer", there.layers), ("head", there.heads), ("step", there.tokens)):
            value = getattr(self, name)
            if value is not None and count is not None and value >= count:
                lost[name] = told(name, KINDS[name].written(value))
        if self.focus and self.focus not in there.methods:
            lost["focus"] = told("focus", self.focus)
        if self.region is not None and _outside(self.region, *there.size):
            lost["region"] = told("region", KINDS["region"].written(self.region))
        missing = [name for name in self.on or () if name not in there.objects]
        on = {"on": tuple(name for name in self.on or () if name not in missing) or None} if missing else {}
        view = self.but(**{name: USUAL[name] for name in lost}, **on)
        return view, [*lost.values(), *(told("on", name) for name in missing)]

    def but(self, **changes: Any) -> View:
        """The same view with a few choices changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class There:
    """What an answer has. tokens: None while they are still coming. size: width and height of the picture in pixels."""

    layers: int
    heads: int
    tokens: int | None
    methods: Sequence[str]
    objects: Sequence[str]
    size: tuple[int, int]


KINDS: Mapping[str, Kind] = {entry.name: entry.metadata["kind"] for entry in fields(View)}
USUAL: Mapping[str, Any] = {entry.name: entry.default for entry in fields(View)}
ABOUT: Mapping[str, str] = {entry.name: entry.metadata["about"] for entry in fields(View)}


def told(name: str, text: Any) -> str:
    """How a sentence names a link's parameter that is of no use."""
    return f"{name}={text}"[:TOLD]


def _outside(region: Mapping[str, Any], width: float, height: float) -> bool:
    """Whether a region leaves the whole picture out."""
    x0, y0, x1, y1 = region.get("box") or (0, 0, 0, 0)
    corners = region.get("polygon") or [[x0, y0], [x1, y1]]
    across, down = zip(*corners, strict=True)
    return max(across) <= 0 or max(down) <= 0 or min(across) >= width or min(down) >= height


def _understood(kind: Kind, texts: Sequence[Any]) -> Any:
    """What the texts of one parameter say; ValueError for what is not of the kind."""
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("no text")
    value = [text for text in texts if text] if isinstance(kind, Names) else kind.read(texts[-1])
    if not kind.fits(value):
        raise ValueError("out of range")
    return _kept(value)


def _kept(value: Any) -> Any:
    """Lists of names as a view keeps them."""
    return tuple(value) if isinstance(value, list) else value


def declaration() -> str:
    """A view's type in TypeScript, as `whole` gives it."""
    lines = [
        f"  {name}: {kind.typescript}{' | null' if USUAL[name] is None else ''};\n" for name, kind in KINDS.items()
    ]
    return f"export interface Chosen {{\n{''.join(lines)}}}\n"


def table() -> dict[str, dict[str, Any]]:
    """All choices for the browser: where each starts and how a link spells it."""
    return {name: {"usual": USUAL[name], **kind.facts} for name, kind in KINDS.items()}
