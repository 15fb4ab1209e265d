"""The payload as types: what Python gives the viewer, and what a payload out of a file may hold.

`payload.build` makes it, `received.read` checks one that may be anybody's against these very types, and the viewer's
JavaScript is checked against src/payload.d.ts, which `viz.viewer.written` writes from them.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict, get_type_hints, is_typeddict

from clvs_core.engine.knockout import Rows

VERSION: Literal[1] = 1
MAX_METHODS = 4
MAX_LAYERS = 1024
MAX_WORDS = 4096
MAX_OBJECTS = 200
MAX_WEIGHTS = 1 << 26  # of all heads and layers for one token

Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=1 << 20)]
Side = Annotated[int, Field(ge=1, le=1 << 14)]
Cells = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0, le=1)]
Address = Annotated[str, Field(max_length=2000, pattern=r"^(https?://.*)?$")]
Box = Annotated[list[float], Field(min_length=4, max_length=4)]  # left, top, right, bottom in pixels of the picture
Point = Annotated[list[float], Field(min_length=2, max_length=2)]  # x, y
Span = Annotated[list[Count], Field(min_length=2, max_length=2)]  # first, last


class Acts(TypedDict):
    """What a method does. layers: first and last, from 0; None where it changes none or the depth is not known yet.

    contrast: what its next words are contrasted with, "" for nothing. records: of `clvs_core.methods.base.RECORDS`.
    """

    summary: Text
    stage: Text
    rows: Literal["last", "after_image"]
    layers: Span | None
    contrast: Text
    paper: Address
    records: list[Text]


class PartCard(Acts):
    """One method of a combined one."""

    label: Text


class Card(Acts):
    """acted: what is done to the heads that it acts on; tau: VAR's; parts: of a combined method, else empty."""

    acted: Text
    tau: float | None
    parts: list[PartCard]


class Token(TypedDict):
    """names: the object of the picture that it names, alone or with its neighbours."""

    id: int
    text: Text
    probability: Share
    names: NotRequired[Name]


class Contrast(TypedDict):
    """steps: [token][word]: the word, its chance with the picture, with what it is contrasted with, and the outcome."""

    against: Text
    steps: list[list[tuple[Text, float, float, float]]]


class Answer(TypedDict):
    """What a method wrote, empty while nothing has come. Lists go by token, then by layer.

    stop: the layer after which smoothing stopped, from 0, -1 for none. lens: likely words with their chances.
    """

    text: Annotated[str, Field(max_length=1 << 16)]
    finished: bool
    tokens: list[Token]
    stop: list[int]
    uncertainty: list[list[float | None]]
    threshold: float | None
    first_check: float | None
    lens: list[list[list[tuple[Text, float | None]]]] | None


class Records(TypedDict):
    """What only some methods record; None where there is none.

    sinks: visual tokens by layer. heads: those acted on by token and layer. memory: along what the array memory/KEY is
    carried.
    """

    sinks: list[list[Count]] | None
    heads: list[list[list[Count]]] | None
    contrast: Contrast | None
    memory: Literal["layers", "words"] | None


class Method(Answer, Records):
    """One method, by its key in `arrays`: its settings, its answer, what it recorded."""

    key: Name
    name: Name
    label: Text
    spec: Text
    settings: Text
    card: Card


class Object(TypedDict):
    """area: share of the picture; seen: share of the object that the model sees; contours: outlines in pixels.

    word: what the question calls it, where that is not its name.
    """

    name: Name
    word: NotRequired[Name]
    on: bool
    source: Text
    area: Share
    seen: Share
    contours: list[list[Point]]


class Rest(TypedDict):
    """What the prompt says after the picture, a text for each token; asked: where the question begins, and is over."""

    words: Annotated[list[Text], Field(max_length=MAX_WORDS)]
    asked: Span


class Model(TypedDict):
    name: Text
    label: Text


class Image(TypedDict):
    """The picture; seen: the part that reaches the model."""

    url: str
    w: Side
    h: Side
    seen: Box


class View(TypedDict):
    """One grid of visual tokens: which it has, and where they lie on the picture."""

    start: Count
    rows: Cells
    cols: Cells
    stride: Count
    region: Box
    kind: Text


class Left(TypedDict):
    """What is left of a method's token where rows cannot look at what is hidden; lists go by layer.

    kept: hidden in the window around the layer, only: hidden everywhere but there, control: as many other visual tokens
    hidden, everywhere: hidden in all layers; all as shares of the unhindered probability, None where not known (yet).
    instead: what is said then. matters: layers, from 0, around which less than half is left.
    """

    spec: Text
    rows: Rows
    token: Text
    probability: Share
    kept: list[float | None]
    only: list[float | None]
    control: list[float | None]
    instead: list[tuple[Text, float] | None]
    everywhere: float | None
    matters: list[Count]


class Knockout(TypedDict):
    """Something hidden from the model, `window` layers at a time, while it says a token of its answer.

    on: names of the objects that are hidden, region: a drawn one; neither: the whole picture. hidden: how many visual
    tokens that is. left: by method and by the rows that could not look. reads: who reads, a sentence by method's spec.
    """

    step: Count
    on: Annotated[list[Name], Field(max_length=MAX_OBJECTS)]
    region: dict[str, Any] | None
    window: Count
    hidden: Count
    left: Annotated[list[Left], Field(max_length=3 * MAX_METHODS)]
    reads: dict[str, Text]


class Survivor(TypedDict):
    """Whether an object that a method's answer names is still named where every word that is written is kept from
    looking at it; by layer, in the window around it, None where that has not come (yet). said: the answer then."""

    spec: Text
    name: Name
    named: list[bool | None]
    said: list[Text | None]
    everywhere: bool | None
    said_everywhere: Text | None


class Survival(TypedDict):
    """Which objects whole answers still name, each hidden in turn, `window` layers at a time, from these rows.

    specs: of the methods that were asked, also where they name none.
    """

    specs: Annotated[list[Text], Field(max_length=MAX_METHODS)]
    rows: Rows
    window: Count
    objects: Annotated[list[Survivor], Field(max_length=MAX_OBJECTS * MAX_METHODS)]


class Place(TypedDict):
    """Where an array lies in the blob, in numbers of two bytes."""

    offset: Annotated[int, Field(ge=0, le=1 << 28)]
    shape: list[Count]


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
class Payload(TypedDict):
    """Everything that the viewer shows. arrays: attention/KEY, memory/KEY (token, layer, visual), heads/KEY (token,
    layer, head, visual), rest/KEY (token, layer, 3 + words: see `clvs_core.Trace`), coverage (object, visual), all in
    the blob. absent: objects that the question names and that the picture is known not to have."""

    v: Literal[1]
    id: str
    status: Literal["running", "done"]
    progress: str
    error: str
    model: Model
    question: Text
    image: Image
    views: Annotated[list[View], Field(min_length=1, max_length=1024)]
    visual: Annotated[int, Field(ge=1, le=1 << 20)]
    layers: Annotated[int, Field(ge=0, le=MAX_LAYERS)]
    heads: Annotated[int, Field(ge=0, le=MAX_WEIGHTS)]
    methods: Annotated[list[Method], Field(max_length=MAX_METHODS)]
    objects: Annotated[list[Object], Field(max_length=MAX_OBJECTS)]
    absent: NotRequired[Annotated[list[Name], Field(max_length=MAX_OBJECTS)]]
    rest: NotRequired[Rest | None]
    arrays: dict[str, Place]
    blob: str
    notes: list[Text]
    step: Count
    view: dict[str, Any]
    knockout: NotRequired[Knockout | None]
    survival: NotRequired[Survival | None]


class Offer(TypedDict):
    """A model that suits the picture better; asks: it has to be downloaded first."""

    name: str
    label: str
    text: str
    asks: bool


class Tries(TypedDict):
    """Answers with other settings of CLVS: cells[alpha][beta], as far as they have come; left: in seconds."""

    alphas: list[float]
    betas: list[float]
    cells: list[list[tuple[str, float]]]
    left: float | None


class Recorded(TypedDict):
    """Which recording and question this is."""

    name: str
    id: str
    label: str
    rights: str


class Expected(TypedDict):
    """What is true of a bundled question: its answer, a remark or "", and whether CLVS looks less at what it names."""

    answer: Text
    note: Text
    less: bool


class Knocks(TypedDict):
    """That the page can measure a knock-out: in about how many seconds, and whether it does so without being asked.

    named: known objects that the answers name; whole: seconds that whole answers without a look at each of them take.
    """

    seconds: float
    itself: bool
    named: list[Name]
    whole: float


class PagePayload(Payload):
    """With what the page adds, which no file is asked for. stays: see `viz.viewer.payload`; halts: Stop is offered;
    link: a permalink's query, "" for what means nothing elsewhere; again: the same all the same, by which the page asks
    again; run: by which the page names the answer; expected: None where the answer is not known."""

    stays: NotRequired[list[str]]
    halts: NotRequired[bool]
    offer: NotRequired[Offer | None]
    tries: NotRequired[Tries]
    recorded: NotRequired[Recorded]
    link: NotRequired[str]
    again: NotRequired[str]
    run: NotRequired[str]
    expected: NotRequired[Expected | None]
    knocks: NotRequired[Knocks]


PARTS = (
    Acts,
    PartCard,
    Card,
    Token,
    Contrast,
    Method,
    Object,
    Rest,
    Model,
    Image,
    View,
    Left,
    Knockout,
    Survivor,
    Survival,
    Place,
    Payload,
    Offer,
    Tries,
    Recorded,
    Expected,
    Knocks,
    PagePayload,
)
WORDS = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "any"}


def declaration() -> str:
    """The types in TypeScript."""
    lines = ["// Written by python -m viz.viewer.written from viz/viewer/contract.py, which says what the parts are."]
    for part in PARTS:
        lines += ["", f"export interface {part.__name__} {{"]
        for name, hint in get_type_hints(part, include_extras=True).items():
            optional = get_origin(hint) is NotRequired
            key, kind = (f"{name}?", get_args(hint)[0]) if optional else (name, hint)
            lines.append(f"  {key}: {_typescript(kind)};")
        lines.append("}")
    return "\n".join(lines) + "\n"


def _typescript(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _typescript(inner[0])
    if origin is Literal:
        return " | ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in inner)
    if origin in (Union, types.UnionType):
        return " | ".join(map(_typescript, inner))
    if origin is list:
        item = _typescript(inner[0])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if origin is tuple:
        return f"[{', '.join(map(_typescript, inner))}]"
    if origin is dict:
        return f"Record<string, {_typescript(inner[1])}>"
    return hint.__name__ if is_typeddict(hint) else WORDS[hint]
