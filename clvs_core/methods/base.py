"""What a method may touch.

A method is a frozen dataclass of settings plus an *editor*: array functions on the rows of the tokens being
generated, one editor for all branches that run the same kind of method. The editor never sees a model, a cache or a
key; the engine calls it once per layer and does everything else. docs/methods.md shows how to write one.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, get_args

import torch
from torch import Tensor

from ..errors import ClvsError
from ..plain import plain

Visual = slice | Tensor  # where the visual tokens stand in a row of attention weights
Pair = tuple[int, int]


class Recorded(NamedTuple):
    """What editors may record of every token and layer.

    over: one value for each visual token or for each head. kind: numbers, NaN where there is none, or flags (bool).
    carried: from where to where a vision memory goes that such numbers are, "" for what is none.
    """

    over: Literal["visual", "heads"]
    kind: Literal["numbers", "flags"]
    carried: Literal["layers", "words", ""] = ""


RECORDS: Mapping[str, Recorded] = {
    "memory": Recorded("visual", "numbers", "layers"),
    "accumulation": Recorded("visual", "numbers", "words"),
    "sinks": Recorded("visual", "flags"),
    "acted_heads": Recorded("heads", "flags"),
}
"""By the name that editors, traces and their files have for it: another one is an entry here and a field of `Trace`."""


class MethodError(ClvsError):
    """A method cannot run on this model, or not together with another one."""


@dataclass(frozen=True)
class Keys:
    """Where tokens stand on the key axis (K) of B rows.

    prefix: before the first visual token, the beginning-of-sequence token included. visual: the N visual tokens.
    text: everything after the last visual token, prompt and generated. reading: (B, K) what the method's `reading` said
    of the hidden state with which each prompt token entered this layer, 0 for generated tokens and padding; None for
    methods that have none.
    """

    prefix: slice
    visual: Visual
    text: slice
    reading: Tensor | None = None


@dataclass(frozen=True)
class NoisedPicture:
    """A contrast: the same prompt behind the picture with Gaussian noise. step: of the 1000 of VCD's diffusion."""

    label: ClassVar[str] = "a noised picture"

    step: int
    seed: int


@dataclass(frozen=True)
class NoPicture:
    """A contrast: the same prompt without its picture."""

    label: ClassVar[str] = "no picture"


Contrast = NoisedPicture | NoPicture
Reading = Callable[[Tensor], Tensor]  # hidden states (n, d) entering a layer -> one number each (n,); hashable


Preset = Literal["card", "paper"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
CardSettings = Mapping[str, Mapping[str, Any]]  # by method name
FAR = 1 << 20  # stands for what is not known of a model: deeper and wider than any


class Described(Protocol):
    """What a target takes from a model's card."""

    @property
    def label(self) -> str: ...
    @property
    def settings(self) -> CardSettings: ...
    @property
    def paper_settings(self) -> CardSettings: ...


@dataclass(frozen=True)
class Target:
    """The model that settings are for.

    settings: what its card says of settings that are left out, by method name; paper: the same under the preset
    "paper". hidden: width of its states.
    """

    label: str
    layers: int = FAR
    heads: int = FAR
    hidden: int = FAR
    settings: CardSettings = dataclasses.field(default_factory=dict)
    paper: CardSettings = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, card: Described, layers: int = FAR, heads: int = FAR, hidden: int = FAR) -> Target:
        """A model's card with what is known of its shape."""
        return cls(card.label, layers, heads, hidden, card.settings, card.paper_settings)

    def usual(self, method: str, preset: Preset) -> Mapping[str, Any]:
        """What settings of this method are where they are left out and the card knows better than the method."""
        return (self.paper if preset == "paper" else self.settings).get(method, {})


class Editor:
    """Edits the rows of one kind of method's branches; this one leaves everything as it is.

    Shapes: B rows, H query heads, K keys, N visual tokens, V words. Rows are the branches' newest tokens; for methods
    whose `rows` is "after_image" also the prompt's tokens after the picture, which have an editor of their own. What
    is given is never written to: an edit returns new arrays, or the very same one where nothing changes.

    unified: (B,) bool, layer 0's row is computed with unified visual positions (eq. 2). top_k, lens_norm: (B,) how
    eq. 8 is measured, where the method stops by uncertainty.
    """

    unified: Tensor | None = None
    top_k: Tensor | None = None
    lens_norm: Tensor | None = None

    @property
    def changes_attention(self) -> bool:
        """Whether it may change attention: what it does decides, and not what its method says of itself."""
        return self.unified is not None or overrides(self, "scores") or overrides(self, "weights")

    def begin(self) -> None:
        """The next calls belong to a new token."""

    def scores(self, layer: int, scores: Tensor, keys: Keys) -> Tensor:
        """Scaled scores (B, H, K) before mask and softmax, at least float32 -> those to use."""
        return scores

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        """Attention weights (B, H, K) after the softmax -> those to use."""
        return weights

    def contrast(self, logits: Tensor, other: Tensor) -> Tensor:
        """Logits (B, V) of the token to come and of the same token behind the method's contrast -> those to use."""
        return logits

    def checks(self, layer: int) -> Tensor | None:
        """(B,) bool: which branches need the uncertainty after this layer; None where none ever does."""
        return None

    def observe(self, layer: int, uncertainty: Tensor) -> Tensor | None:
        """Takes the uncertainty (B,) after `layer`, NaN where it was not measured; (B,) bool: who stops there."""
        return None

    def recorded(self, layer: int) -> Mapping[str, Tensor]:
        """What the trace keeps of this layer, by a name of `RECORDS`: (B, N) or (B, H)."""
        return {}


def overrides(editor: Editor, name: str) -> bool:
    """Whether an editor has this edit itself, in its class or as an attribute."""
    return getattr(getattr(editor, name), "__func__", None) is not getattr(Editor, name)


SomeMethod = TypeVar("SomeMethod", bound="Method")
Plain = TypeVar("Plain", bool, int, float)


@dataclass(frozen=True)
class Method:
    """Settings of one method. Subclasses add fields and, if they edit anything, an `editor`.

    name: in strings; label: for people; summary: one sentence about what it does; paper: where it is published.
    rows: whose rows it edits, those of the tokens being generated ("last") or also those of the prompt's words after
    the picture. stage: what it changes, for the page. place: its turn among combined methods. records: names of
    `RECORDS` that its editor keeps. remembers: carries a vision memory, of which there can be only one.

    preset: where settings that are left out come from, the model's card or the method's paper.
    """

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    rows: ClassVar[Literal["last", "after_image"]] = "last"
    stage: ClassVar[Literal["", "scores", "weights", "logits"]] = ""
    place: ClassVar[int] = 45
    records: ClassVar[tuple[str, ...]] = ()
    remembers: ClassVar[bool] = False

    preset: Preset = dataclasses.field(default="card", kw_only=True)

    def __init_subclass__(cls, **options: Any) -> None:
        """Settings are plain numbers before a method looks at them, also where it has a `__post_init__` of its own."""
        super().__init_subclass__(**options)
        own = cls.__dict__.get("__post_init__")
        if own is not None:

            @functools.wraps(own)
            def checked(self: Method) -> None:
                Method.__post_init__(self)
                own(self)

            cls.__post_init__ = checked  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if not isinstance(value, Usual):
                object.__setattr__(self, f.name, plain(value))
        checked_preset(self.preset)
        for f in dataclasses.fields(self):
            _check_allowed(f, getattr(self, f.name))

    def filled(self: SomeMethod, target: Target) -> SomeMethod:
        """With what the preset says of settings that are left out; those it says nothing new of stay as they are."""
        usual = target.usual(self.name, self.preset)
        left_out = {f.name: value for f in dataclasses.fields(self) if is_left_out(value := getattr(self, f.name))}
        news = {name: usual[name] for name, value in left_out.items() if usual.get(name) not in (None, value)}
        return dataclasses.replace(self, **news)

    def resolve(self: SomeMethod, target: Target) -> SomeMethod:
        """Fills settings that are left out, and scales layer ranges that are the paper's.

        Raises ValueError for settings that this model cannot have, MethodError for a model the method cannot run on.
        """
        filled = self.filled(target)
        layers = getattr(filled, "layers", None)
        if isinstance(layers, PaperLayers):
            return dataclasses.replace(filled, layers=layers.scaled(target.layers))  # type: ignore[call-arg]
        if layers is not None and layers[1] >= target.layers:
            raise ValueError(
                f"layers must lie between 0 and {target.layers - 1} in this model of {target.layers} layers, "
                f"not {layers[0]} to {layers[1]}."
            )
        return filled

    def termination(self) -> tuple[float | None, int | None]:
        """(uncertainty threshold, first checked layer) of a method that stops by uncertainty, else (None, None)."""
        return None, None

    def touched(self, layers: int) -> Pair | None:
        """First and last layer (0-based) whose attention it may change in a model of so many; None for none."""
        return (0, layers - 1) if self.stage in ("scores", "weights") else None

    @property
    def kind(self) -> Any:
        """Methods of one kind share an editor; hashable."""
        return type(self)

    @property
    def parts(self) -> tuple[Method, ...]:
        """The single methods it is made of."""
        return (self,)

    def on_questions(self) -> Method | None:
        """What of it edits the rows of the prompt's words after the picture; None if nothing does."""
        return self if self.rows == "after_image" else None

    def contrasted(self) -> Contrast | None:
        """What the logits are contrasted with, None for methods that do not contrast."""
        return None

    def reading(self) -> Reading | None:
        """What it wants to know of the hidden states of the prompt's tokens; None if nothing."""
        return None

    @classmethod
    def editor(cls, methods: Sequence[Any], device: torch.device, dtype: torch.dtype) -> Editor | None:
        """An editor for rows with these settings, or None for a method that edits nothing."""
        return None


class Dashed(tuple):
    """Two numbers that were written 9-14: a range or a pair, and no list of two."""


class Usual:
    """A default: it equals the plain value, and what a model's card says takes its place, as it does None's.

    So what was left out can be told from what was written, be it the same value.
    """

    __slots__ = ()


class UsualFloat(Usual, float):
    __slots__ = ()


class UsualInt(Usual, int):
    __slots__ = ()


class UsualSwitch(Usual, int):  # bool cannot be subclassed
    __slots__ = ()

    def __repr__(self) -> str:
        return repr(bool(self))


LAYERS = ("Layers", "The first and the last layer in which it works.")  # what pages call such a range, and say of it


def usual(value: Plain) -> Plain:
    """The default of a setting that gives way to a model's card."""
    kind: Any = {bool: UsualSwitch, int: UsualInt, float: UsualFloat}[type(value)]
    return kind(value)


def setting(
    default: Any, label: str, about: str, *, allowed: tuple[float, float] | type[bool] | None = None, **metadata: Any
) -> Any:
    """The field of a setting, told once: what it is where it is left out, and what `settings` says of metadata."""
    default = usual(default) if type(default) in (bool, int, float) else default
    limits = {} if allowed is None else {"allowed": allowed}
    return dataclasses.field(default=default, metadata={"label": label, "about": about, **limits, **metadata})


def share(default: float | None, label: str, about: str, hint: str, **metadata: Any) -> Any:
    """The field of a main setting between 0 and 1, unless it says otherwise."""
    usually: dict[str, Any] = {"allowed": (0, 1), "step": 0.05, "main": True}
    return setting(default, label, about, hint=hint, **usually | metadata)


def _check_allowed(f: dataclasses.Field, value: Any) -> None:
    """Raises ValueError for a value outside of what the field's metadata allow; None may stand for what is left out."""
    allowed = f.metadata.get("allowed")
    if allowed is None or (value is None and f.default is None):
        return
    if allowed is bool:
        check_bool(f.name, value)
    elif isinstance(allowed, tuple):
        whole = isinstance(f.default, int) or f.metadata.get("layer") is True
        check_range(f.name, value, allowed[0], allowed[1], int if whole else float)


def unmarked(value: Any) -> Any:
    """A setting without the mark of a default."""
    kinds = {UsualSwitch: bool, UsualInt: int, UsualFloat: float, PaperLayers: tuple}
    return kinds.get(type(value), lambda same: same)(value)


def is_left_out(value: Any) -> bool:
    """Whether a setting's value is nobody's choice."""
    return value is None or isinstance(value, Usual)


class PaperLayers(Usual, tuple):
    """A range of layers (first, last), both included, of the paper's 32-layer models; other depths in proportion."""

    DEPTH = 32

    def scaled(self, layers: int) -> Pair:
        """The same share of the depth, at least one layer."""
        first, after = (round(edge * layers / self.DEPTH) for edge in (self[0], self[1] + 1))
        first = min(first, layers - 1)
        return first, max(first, after - 1)


def column(methods: Sequence[Any], name: str, device: torch.device, dtype: torch.dtype, axes: int = 0) -> Tensor:
    """One setting of every row as a tensor (B,) with so many axes of length 1 after it."""
    values = torch.tensor([getattr(m, name) for m in methods], dtype=dtype, device=device)
    return values.reshape(-1, *[1] * axes)


class LayerRanges:
    """Which rows are touched in which layers. ranges: first and last layer of each row; asks no device."""

    def __init__(self, ranges: Sequence[Pair], device: torch.device):
        self._ranges, self._device = list(ranges), device
        self._flags: dict[int, Tensor] = {}

    def touch(self, layer: int) -> bool:
        return any(first <= layer <= last for first, last in self._ranges)

    def flags(self, layer: int, axes: int = 0) -> Tensor:
        """(B,) bool with so many axes of length 1 after it."""
        if layer not in self._flags:
            inside = [first <= layer <= last for first, last in self._ranges]
            self._flags[layer] = torch.tensor(inside, device=self._device)
        return self._flags[layer].reshape(-1, *[1] * axes)


def checked_preset(name: Any) -> Preset:
    """Raises ValueError for what is no preset's name."""
    if name not in PRESETS:
        raise ValueError(f"preset must be {' or '.join(PRESETS)}, not {name!r}.")
    return name


def check_range(name: str, value: Any, low: float, high: float, kind: type = float) -> None:
    """Raises ValueError naming the setting, its range and what was given."""
    number = plain(value)
    good = isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) < math.inf
    good = good and (kind is float or number == int(number)) and low <= number <= high
    if not good:
        what = "a whole number" if kind is int else "a number"
        limit = f"between {low:g} and {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise ValueError(f"{name} must be {what} {limit}, not {value!r:.60}.")


def check_bool(name: str, value: Any) -> None:
    """Raises ValueError naming the switch and what was given."""
    if not isinstance(value, (bool, UsualSwitch)):
        raise ValueError(f"{name} must be true or false, not {value!r}.")


def is_index(value: Any) -> bool:
    """Whether it is a whole number from 0 up."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def as_layers(name: str, value: Any) -> Pair:
    """A range of layers, first and last, counted from 0, as a tuple. Raises ValueError for anything else."""
    whole = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_index, value))
    if not whole or value[0] > value[1]:
        raise ValueError(f"{name} must be two layers, first and last, counted from 0, such as 9-14, not {value!r}.")
    return value if isinstance(value, PaperLayers) else (value[0], value[1])
