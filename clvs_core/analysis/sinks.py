"""In which dimensions of its hidden states a model's sink tokens are large: what VAR finds them by.

A few tokens, the first one of all, hold a *massive activation*: nearly all of their state lies in one or two
dimensions, the same for every prompt (Sun et al., arXiv 2402.17762), and such tokens draw attention whatever is asked.
VAR (arXiv 2503.03321) calls a token a sink where such a dimension exceeds tau = 20 times the state's root mean square.
Squared and divided by the width d, a size is the share of the state's energy that lies in the dimension: 20 in the 4096
dimensions of LLaVA-1.5 7B are 10 %. A dimension is massive here where, on a token before the picture,

    it holds at least 10 % of the state's energy,
    and is at least 100 times the median dimension of that state (Sun et al. find about 1000),
    and at least 5 times as large as it is on the middlemost visual token (else it is large on every token),

in at least half of the pictures and layers. Layers are those that VAR edits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..engine.model import Model
from ..errors import ClvsError
from ..methods import VAR, Vanilla, spec
from ..methods.var import FIRST, TINY, Massive
from ..models.geometry.grids import Views
from ..models.prompts import CHAT
from ..pictures import read_picture

QUESTION = "What is in the picture?"
TAU, WIDTH = 20.0, 4096  # published, and of the models it was published for
ENERGY = TAU**2 / WIDTH
MEDIANS, ABOVE_PICTURE, OFTEN = 100.0, 5.0, 0.5
EXAMPLES = 0.02  # of the visual tokens are flagged by what is offered where nothing is massive
LISTED = 8
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Dimension:
    """One dimension of the hidden states; sizes in units of the state's root mean square (VAR's phi).

    first: on the token before the picture where it is largest; median over pictures and layers. energy: the share of
    that state which lies in it. medians: how many times that state's median dimension it is. visual, typical: its size
    on the visual token where it is largest, and on the middlemost one. often: in which share of pictures and layers it
    is massive.
    """

    dimension: int
    first: float
    energy: float
    medians: float
    visual: float
    typical: float
    often: float


@dataclass(frozen=True)
class Flagged:
    """The visual tokens of one picture that `SinkReport.dims` and `tau` call sinks.

    name: of the picture. views: where its tokens lie. sinks: (L, visual) bool. attention: (L, visual) what each gets of
    the last prompt token's attention, mean over heads.
    """

    name: str
    views: Views
    sinks: np.ndarray
    attention: np.ndarray

    def boxes(self) -> list[tuple[int, tuple[float, float, float, float]]]:
        """(token, its x0, y0, x1, y1 in pixels) of those that are flagged in at least half of VAR's layers.

        Tokens of no grid (newlines) lie nowhere and are left out.
        """
        often = self.sinks[FIRST:].mean(0) >= 0.5
        cells = [
            (view.start + row * view.stride + col, view.box(row, col))
            for view in self.views.grids
            for row in range(view.rows)
            for col in range(view.cols)
        ]
        return [(token, box) for token, box in cells if often[token]]


@dataclass(frozen=True)
class SinkReport:
    """What was found in a model of L layers with states of width `hidden`.

    massive: whether any dimension is. dims, tau: for VAR; where nothing is massive, a stand-in that flags the visual
    tokens which stand out most, for looking at the method only. reach: the largest size that a dimension can have.
    candidates: the largest dimensions, massive ones first. pictures: what dims and tau flag in each.
    """

    model: str
    label: str
    hidden: int
    question: str
    massive: bool
    dims: tuple[int, ...]
    tau: float
    candidates: tuple[Dimension, ...]
    pictures: tuple[Flagged, ...]

    @property
    def reach(self) -> float:
        return math.sqrt(self.hidden)

    @property
    def per_layer(self) -> np.ndarray:
        """(L,) flagged visual tokens of a picture, on average."""
        return np.mean([one.sinks.sum(1) for one in self.pictures], axis=0)

    @property
    def share(self) -> float:
        """Of the visual tokens in VAR's layers that are flagged."""
        return float(np.mean([one.sinks[FIRST:].mean() for one in self.pictures]))

    @property
    def attention(self) -> float:
        """How many times as much attention a flagged token gets as another visual token, in VAR's layers.

        NaN where none or all are flagged.
        """
        sinks, attention = (
            np.concatenate([getattr(one, name)[FIRST:].ravel() for one in self.pictures])
            for name in ("sinks", "attention")
        )
        return float(attention[sinks].mean() / attention[~sinks].mean()) if 0 < sinks.mean() < 1 else math.nan

    @property
    def spec(self) -> str:
        """VAR with these settings, as the command line takes it."""
        return spec(VAR(dims=self.dims, tau=self.tau))


def find_sinks(
    model: Model,
    pictures: Sequence[Any],
    question: str = QUESTION,
    names: Sequence[str] | None = None,
    prompt: str = CHAT,
    progress: Progress | None = None,
) -> SinkReport:
    """Looks for a model's sink dimensions in its states of some pictures behind a question.

    pictures: what `Model.open_image` takes, at least one; names: what to call them. Every picture is run twice through
    the stock model, and once through the engine for the attention. progress: told how many runs are done, of how many.
    Raises ClvsError for no picture, for a model too shallow for VAR, and for pictures or questions it cannot take.
    """
    if not pictures:
        raise ClvsError("Sinks are looked for in pictures; give at least one.")
    if model.layers <= FIRST:
        raise ClvsError(
            f"VAR edits layers from the third on, and {model.card.label} has {model.layers}; choose another."
        )
    tell = progress or (lambda done, total: None)
    sizes, measured = [], []
    for picture in pictures:
        sizes.append(_sizes(model, picture, question, prompt))
        tell(len(sizes), 2 * len(pictures))
    every = _dimensions(np.stack(sizes))
    found = [one for one in every if one.often >= OFTEN]
    dims = tuple(sorted(one.dimension for one in found)) or _standing_out(every)
    for picture, name in zip(pictures, names or [f"picture {n + 1}" for n in range(len(pictures))], strict=True):
        measured.append(_measured(model, name, picture, question, prompt, dims))
        tell(len(pictures) + len(measured), 2 * len(pictures))
    tau = _tau(found, model.target.hidden) if found else _quantile([one.size for one in measured])
    return SinkReport(
        model=model.name,
        label=model.card.label,
        hidden=model.target.hidden,
        question=question,
        massive=bool(found),
        dims=dims,
        tau=tau,
        candidates=tuple(_largest(every)),
        pictures=tuple(_judged(one, tau) for one in measured),
    )


# --- hidden states ----------------------------------------------------------------------------------------------


def _inputs(model: Model, picture: Any, question: str, prompt: str) -> tuple[dict[str, Tensor], Tensor]:
    """A whole prompt where the model takes it, and which of its T tokens are visual: (T,) bool, on the CPU."""
    inputs = model.prompts.encode(read_picture(picture), question, prompt)
    return model.placed(inputs), inputs["input_ids"][0] == model.image_token_id


@torch.no_grad()
def _each_layer(model: Model, inputs: dict[str, Tensor], look: Callable[[int, Tensor], None]) -> None:
    """Runs the stock model on a whole prompt; `look` sees the states (T, d) that enter each decoder layer (0-based)."""

    def hook(number: int) -> Callable[..., None]:
        def before(layer: Any, args: Any, kwargs: dict[str, Any]) -> None:
            look(number, (args[0] if args else kwargs["hidden_states"])[0])

        return before

    layers = model.hf.get_decoder().layers
    hooks = [layer.register_forward_pre_hook(hook(n), with_kwargs=True) for n, layer in enumerate(layers)]
    try:
        model.hf.model(**inputs, use_cache=False)
    finally:
        for one in hooks:
            one.remove()


def _sizes(model: Model, picture: Any, question: str, prompt: str) -> np.ndarray:
    """(L, 4, d) of VAR's layers: by dimension, its size and times its state's median on the token before the picture
    where it is largest, and its size on the largest and on the middlemost visual token."""
    inputs, visual = _inputs(model, picture, question, prompt)
    first = int(visual.nonzero()[0])
    found: list[np.ndarray] = []

    def look(layer: int, hidden: Tensor) -> None:
        if layer < FIRST:
            return
        wide = hidden.detach().float().abs()
        phi = wide * (wide.square().mean(-1, keepdim=True) + TINY).rsqrt()
        before, seen = phi[:first], phi[visual.to(phi.device)]
        size, token = before.max(0)
        medians = wide[:first].median(-1).values.clamp(min=torch.finfo(torch.float32).tiny)
        times = wide[:first].gather(0, token[None])[0] / medians[token]
        found.append(torch.stack([size, times, seen.amax(0), seen.median(0).values]).cpu().numpy())

    _each_layer(model, inputs, look)
    return np.stack(found)


def _dimensions(sizes: np.ndarray) -> list[Dimension]:
    """Every dimension from (pictures, L, 4, d)."""
    first, medians, visual, typical = np.moveaxis(sizes.reshape(-1, *sizes.shape[2:]), 1, 0)  # (pictures * L, d) each
    width = first.shape[1]
    massive = (first**2 / width >= ENERGY) & (medians >= MEDIANS) & (first >= ABOVE_PICTURE * typical)
    columns = [np.median(some, axis=0).tolist() for some in (first, first**2 / width, medians, visual, typical)]
    return [Dimension(n, *some) for n, some in enumerate(zip(*columns, massive.mean(0).tolist(), strict=True))]


def _largest(every: Sequence[Dimension]) -> list[Dimension]:
    """The massive dimensions, then the largest on tokens before the picture, then the largest on visual tokens."""
    massive = sorted((d for d in every if d.often >= OFTEN), key=lambda d: -d.first)
    by_first = sorted(every, key=lambda d: -d.first)[:LISTED]
    by_visual = sorted(every, key=lambda d: -d.visual)[: LISTED // 2]
    return list(dict.fromkeys([*massive, *by_first, *by_visual]))


def _standing_out(every: Sequence[Dimension]) -> tuple[int, ...]:
    """The dimension that is largest on single visual tokens."""
    return (max(every, key=lambda d: d.visual).dimension,)


def _tau(found: Sequence[Dimension], hidden: int) -> float:
    """The published threshold where sinks clear it by a fifth, else the one of the same share of energy."""
    reached = max(one.first for one in found)
    return TAU if reached >= 1.2 * TAU else round(TAU * math.sqrt(hidden / WIDTH), 2)


# --- what is flagged --------------------------------------------------------------------------------------------


class _Measured(NamedTuple):
    """size: (L, visual) of the visual tokens in VAR's dimensions; the rest as in `Flagged`."""

    name: str
    views: Views
    size: np.ndarray
    attention: np.ndarray


def _measured(model: Model, name: str, picture: Any, question: str, prompt: str, dims: tuple[int, ...]) -> _Measured:
    read, rows = Massive(dims), []
    inputs, visual = _inputs(model, picture, question, prompt)
    _each_layer(model, inputs, lambda _, hidden: rows.append(read(hidden).cpu()))
    image = model.open_image(picture, prompt)
    (run,) = image.ask(question, [Vanilla()], max_new_tokens=1, prompt=prompt)
    attention = run.trace.attention[0].astype(np.float64).mean(1)
    return _Measured(name, image.views, torch.stack(rows)[:, visual].numpy(), attention)


def _quantile(sizes: Sequence[np.ndarray]) -> float:
    """The threshold that flags `EXAMPLES` of the visual tokens."""
    return round(float(np.quantile(np.concatenate([size[FIRST:].ravel() for size in sizes]), 1 - EXAMPLES)), 2)


def _judged(one: _Measured, tau: float) -> Flagged:
    sinks = one.size > tau
    sinks[:FIRST] = False
    return Flagged(one.name, one.views, sinks, one.attention)
