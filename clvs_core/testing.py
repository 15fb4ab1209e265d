"""Checks for a method of one's own, for its author's tests.

    from clvs_core.testing import check_method
    check_method(Gain(strength=1.5), neutral=Gain(strength=1))

The method is run on the embedded model in float64, beside others, with its editor watched.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .bundled import ASSETS
from .engine.images import EncodedImage
from .engine.runs import Run
from .loading import load_model
from .methods import METHODS, Editor, Keys, Method, Vanilla, method, spec
from .methods.base import RECORDS, overrides
from .methods.combine import CombinedEditor

QUESTIONS = ("Is there a dog in the picture?", "What is in the picture?")
PICTURE = ASSETS / "scenes" / "kite-weather.jpg"
TOKENS = 3
CLOSE = 1e-9
EDITS = ("scores", "weights", "contrast")


class MethodCheckError(AssertionError):
    """What a method does wrong, in one sentence."""


def check_method(
    given: Method,
    neutral: Method | None = None,
    *,
    sums_to_one: bool = True,
    model: Any = None,
    picture: str | Image.Image = str(PICTURE),
    questions: Sequence[str] = QUESTIONS,
) -> list[str]:
    """Runs a method and checks what the engine relies on; returns a sentence for each thing that holds.

    neutral: the same method with settings under which it must change nothing; None leaves that out. sums_to_one: False
    for methods that take weight away without giving it to others, as AD-HH does. model: a float64 model of
    `load_model`, the embedded one by default; picture, questions: at least two questions of different lengths.
    Raises MethodCheckError with one sentence for the first thing that does not hold: settings that cannot be hashed or
    written as a string, an edit that raises or returns no tensor, writes to what it was given, changes shape or dtype,
    gives negative or non-finite weights, or rows of another sum, is not the same when called again, needs gradients, or
    depends on the other branches of the batch; edits, layers or records of which the method says nothing; neutral
    settings that are not vanilla.
    """
    _expect(isinstance(given, Method), f"a method with its settings is checked, such as Mine(), not {given!r:.80}")
    image = (model or load_model("scenes", dtype="float64")).open_image(picture)
    _expect(
        image.segment.keys[0].dtype == torch.float64, "the check needs a model in float64; load it with dtype='float64'"
    )
    told = [_settings(given)]
    _done("fitting it to the model", lambda: given.resolve(image.model.target))
    with _watched(given, sums_to_one=sums_to_one) as seen:
        amid = image.ask(list(questions), [Vanilla(), given, Vanilla()], TOKENS, keep_logits=True)
    _declared(given.resolve(image.model.target), seen, image.model.layers)
    calls = ", ".join(sorted(seen.calls))
    told.append(f"Its edits ({calls or 'none'}) are pure, finite and of the right shape and sum.")
    told.append(_alone(image, given, questions, amid))
    if neutral is not None:
        told.append(_neutral(image, neutral, questions))
    return told


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise MethodCheckError(sentence[0].upper() + sentence[1:] + ".")


def _done(what: str, call: Callable[[], Any]) -> Any:
    """What the call returns; MethodCheckError, one sentence, for whatever the method's own code raises."""
    try:
        return call()
    except MethodCheckError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": .")
        raise MethodCheckError(f"{what[0].upper()}{what[1:]} fails ({said:.300}); correct it.") from error


def _settings(given: Method) -> str:
    try:
        hash(given)
    except TypeError:
        raise MethodCheckError("Its settings cannot be hashed; use tuples instead of lists.") from None
    known = METHODS.get(given.name) is type(given)
    _expect(not known or method(spec(given)) == given, f"{spec(given)!r} does not read back as the same settings")
    return f"Its settings can be compared and hashed{' and written as ' + spec(given) if known else ''}."


@dataclass
class _Seen:
    """Of the watched editors: which edits they have, which were called, the layers they changed, what they recorded.

    declared: what the method says that they record.
    """

    declared: Sequence[str]
    own: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    layers: set[int] = field(default_factory=set)
    records: set[str] = field(default_factory=set)


def _declared(given: Method, seen: _Seen, layers: int) -> None:
    """What the method says of itself is what its editor does."""
    touched = given.touched(layers)
    how = "; return NoPicture() or NoisedPicture() from contrasted()" if "contrast" in seen.own else ""
    _expect(bool(seen.calls) or (touched is None and not seen.own), f"none of its edits was ever called{how}")
    attention = sorted(seen.calls - {"contrast"}, reverse=True)
    if attention:
        _expect(touched is not None, f"it edits {attention[0]}, but names no layer; set its stage to {attention[0]!r}")
    for layer in sorted(seen.layers):
        within = touched is not None and touched[0] <= layer <= touched[1]
        _expect(within, f"it changes layer {layer}, which is not among those that touched() names, {touched}")
    for name in sorted(seen.records):
        _expect(
            name in RECORDS, f"it records {name!r}, of which traces know nothing; choose among {', '.join(RECORDS)}"
        )
        _expect(name in given.records, f"it records {name!r}, which its `records` does not name")


def _alone(image: EncodedImage, given: Method, questions: Sequence[str], amid: Sequence[Sequence[Run]]) -> str:
    """Each question with the method alone, against the same in a batch."""
    for question, runs in zip(questions, amid, strict=True):
        alone = image.ask(question, [given], TOKENS, keep_logits=True)[0]
        same = _apart(alone, runs[1]) < CLOSE
        _expect(same, f"its answer to {question!r} depends on the other branches of the batch; edit each row by itself")
    return "Its rows do not depend on the other branches of a batch."


def _neutral(image: EncodedImage, neutral: Method, questions: Sequence[str]) -> str:
    for runs in image.ask(list(questions), [Vanilla(), neutral], TOKENS, keep_logits=True):
        apart = _apart(*runs)
        _expect(apart < CLOSE, f"with neutral settings its answer differs from vanilla's by {apart:.2g}")
    return "With neutral settings it is vanilla."


def _apart(one: Run, other: Run) -> float:
    """Largest difference between attention weights and between chances of words; infinite for other tokens."""
    if [t.id for t in one.tokens] != [t.id for t in other.tokens]:
        return np.inf
    chances = [torch.as_tensor(run.logits).softmax(-1).numpy() for run in (one, other)]
    weights = np.abs(one.trace.attention - other.trace.attention).max()
    return float(max(weights, np.abs(chances[0] - chances[1]).max()))


@contextlib.contextmanager
def _watched(given: Method, *, sums_to_one: bool) -> Iterator[_Seen]:
    """While this lasts, editors of this kind of method are checked at every call; yields what was seen of them."""
    kind, seen = type(given), _Seen(given.records)
    own = kind.__dict__.get("editor")
    make = kind.editor

    def editor(cls: Any, methods: Sequence[Any], device: torch.device, dtype: torch.dtype) -> Editor | None:
        made = _done("making its editor", lambda: make(methods, device, dtype))
        return None if made is None else _Watch(made, seen, sums_to_one=sums_to_one)

    kind.editor = classmethod(editor)  # type: ignore[assignment, method-assign]
    try:
        yield seen
    finally:
        if own is None:
            del kind.editor
        else:
            kind.editor = own  # type: ignore[method-assign]


def _parts(editor: Editor) -> Sequence[Editor]:
    return editor.editors if isinstance(editor, CombinedEditor) else [editor]


class _Watch(Editor):
    """An editor that does what another one does, and checks it."""

    def __init__(self, editor: Editor, seen: _Seen, *, sums_to_one: bool):
        self.editor, self.sums_to_one, self.seen = editor, sums_to_one, seen
        self.own = {name for name in EDITS if any(overrides(part, name) for part in _parts(editor))}
        seen.own |= self.own
        self.unified, self.top_k, self.lens_norm = editor.unified, editor.top_k, editor.lens_norm

    def begin(self) -> None:
        _done("its begin", lambda: self.editor.begin())

    def scores(self, layer: int, scores: Tensor, keys: Keys) -> Tensor:
        return self._call("scores", scores, lambda editor: editor.scores(layer, scores, keys), layer)

    def weights(self, layer: int, weights: Tensor, keys: Keys) -> Tensor:
        used = self._call("weights", weights, lambda editor: editor.weights(layer, weights, keys), layer)
        _expect(bool((used >= 0).all()), f"its weights of layer {layer} are negative in places")
        before, after = weights.sum(-1), used.sum(-1)
        if self.sums_to_one:
            apart = float((after - before).abs().max())
            _expect(apart < CLOSE, f"its rows of layer {layer} sum to something else than 1 (off by {apart:.2g})")
        else:
            _expect(bool((after <= before + CLOSE).all()), f"its rows of layer {layer} sum to more than 1")
        return used

    def contrast(self, logits: Tensor, other: Tensor) -> Tensor:
        said = self._call("contrast", logits, lambda editor: editor.contrast(logits, other), finite=False)
        _expect(bool(said.isfinite().any(-1).all()), "its contrast rules out every word")
        return said

    def checks(self, layer: int) -> Tensor | None:
        return _done("its checks", lambda: self.editor.checks(layer))

    def observe(self, layer: int, uncertainty: Tensor) -> Tensor | None:
        return _done("its observe", lambda: self.editor.observe(layer, uncertainty))

    def recorded(self, layer: int) -> Mapping[str, Tensor]:
        found = _done("its recorded", lambda: self.editor.recorded(layer))
        self.seen.records |= set(found)
        return {name: values for name, values in found.items() if name in self.seen.declared}

    @property
    def changes_attention(self) -> bool:
        return self.editor.changes_attention

    def _call(
        self,
        name: str,
        given: Tensor,
        call: Callable[[Editor], Tensor],
        layer: int | None = None,
        *,
        finite: bool = True,
    ) -> Tensor:
        """One edit, made twice from the same state: on a copy first."""
        if name in self.own:
            self.seen.calls.add(name)
        before = given.clone()
        with torch.enable_grad():
            first = _done(f"its {name} edit", lambda: call(copy.deepcopy(self.editor)))
        used = _done(f"its {name} edit", lambda: call(self.editor))
        for found in (first, used):
            _expect(isinstance(found, Tensor), f"its {name} edit returns {type(found).__name__}; return a tensor")
        _expect(torch.equal(given, before), f"its {name} edit writes to what it was given; return a new tensor")
        _expect(used.shape == given.shape, f"its {name} edit changes the shape {(*given.shape,)} to {(*used.shape,)}")
        _expect(used.dtype == given.dtype, f"its {name} edit changes {given.dtype} to {used.dtype}")
        if finite:
            _expect(bool(used.isfinite().all()), f"its {name} edit gives values that are not finite")
        _expect(torch.equal(first, used), f"its {name} edit is not the same when it is made again from the same state")
        _expect(not first.requires_grad, f"its {name} edit needs gradients; detach what it uses")
        if layer is not None and not torch.equal(used, given):
            self.seen.layers.add(layer)
        return used
