"""The one gate for JSON that others wrote: pydantic checks it, and what departs becomes one sentence of the house.

    class Answer(Untrusted):
        id: Text
        probability: Annotated[Number, Field(ge=0, le=1)] | None = None

    answer = checked(Answer, json.loads(line), f"Line {number} of {path}", "take it out")
    # ClvsError: Line 3 of answers.jsonl has something else than a number as probability; take it out.

Strict: True and "1" are no numbers, 1.5 is no whole one, NaN and infinity are none at all, half a character is no text
(`text.mended` makes it some). Fields that a class does not name are passed over: files of newer versions have more.
Knows no file and no format.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from .errors import ClvsError
from .text import is_text

T = TypeVar("T")


def _whole_letters(text: Any) -> Any:
    if not isinstance(text, str) or is_text(text):
        return text
    raise PydanticCustomError("string_unicode", "half a character")  # versions of pydantic differ in taking it


Text = Annotated[str, Strict(), BeforeValidator(_whole_letters)]
Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]  # whole ones, too; never a bool

_LONGEST = 80  # characters that are told of a name from outside
# What pydantic's errors ask for, by the first word of their type.
_WANTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "mapping": "an object",
    "model": "an object",
    "none": "null",
    "literal": "{expected}",
    "greater": "a number above {gt}",
    "greater_equal": "a number from {ge} up",
    "less": "a number below {lt}",
    "less_equal": "a number up to {le}",
    "short": "what is at least {min_length} long",
    "long": "what is at most {max_length} long",
}


class Untrusted(BaseModel):
    """Base of what JSON objects from outside must hold."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", arbitrary_types_allowed=True)


def checked(kind: type[T], value: Any, source: str, do: str, error: type[ClvsError] = ClvsError) -> T:
    """The value as the kind wants it.

    kind: a class, or any other annotation that pydantic takes. source: what has the value, which begins the sentence.
    do: what to do about it, which ends the sentence. Raises `error`.
    """
    try:
        return _adapter(kind).validate_python(value)  # type: ignore[arg-type]
    except ValidationError as failure:
        raise error(f"{source} {departure(failure)}; {do}.") from failure


def departure(failure: ValidationError) -> str:
    """The first thing that is wrong, and where: "has no id", "has something else than text as tokens[2].text"."""
    first = failure.errors(include_url=False)[0]
    where = _where(first)
    if first["type"] == "missing":
        return f"has no {where}"
    if first["type"] in ("value_error", "assertion_error"):  # a check of the class's own, which is a sentence's end
        return str(first["ctx"]["error"])
    return f"has something else than {_wanted(first)} as {where}" if where else f"is not {_wanted(first)}"


def _where(fault: ErrorDetails) -> str:
    """("tokens", 2, "text") -> "tokens[2].text", on one line."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault["loc"]).removeprefix(".")
    return "".join(c if c.isprintable() else " " for c in path)[:_LONGEST]


def _wanted(fault: ErrorDetails) -> str:
    facts: Mapping[str, Any] = fault.get("ctx", {})
    words = fault["type"].replace("_than", "").replace("too_", "").removesuffix("_type")
    known = _WANTED.get(words) or _WANTED.get(words.partition("_")[0])
    return known.format(**facts) if known else "what belongs there"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
