"""Which model to use on this machine: the largest that has room to spare and answers in a bearable time.

Times are arithmetic, not measurements of the model: its multiplications over the rate at which this machine multiplies
large matrices, and its weights, read once a token, over the rate at which it reads memory. Both rates are measured
once, in well under a second. `LOSS` is what real models took longer than that (docs/recommend.md).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch

from .memory import Place, gigabytes
from .registry import SEE_PAGE, ModelCard

BEARABLE = 60.0  # seconds to the end of a first answer
TOO_SLOW = 600.0  # where nothing is bearable, what nobody should be sent to
LARGEST = 20 * 10**9  # bytes of a download: half an hour at 100 Mbit/s
SHARED, GPU_SHARED = 0.6, 0.85  # of all memory, what a model may take beside the system, or beside what a GPU needs
ALIKE = 0.8  # of the largest model's parameters: such models are one size
TEXT, ANSWER = 40, 16  # tokens of a question in its template, and of an answer as the page starts with
LOSS = 1.7

# Vision towers with what joins them to the decoder: billions of parameters, and patches that become one visual token.
# Counted by transformers on the published configurations; the rest of a model's size is its decoder.
_TOWERS: dict[str, tuple[float, int]] = {
    "llava-1.5-7b": (0.324, 1),
    "llava-1.5-13b": (0.335, 1),
    "llava-next-vicuna-7b": (0.324, 1),
    "llava-next-mistral-7b": (0.324, 1),
    "llava-next-llama3-8b": (0.324, 1),
    "llava-onevision-0.5b": (0.400, 1),
    "llava-onevision-7b": (0.415, 1),
    "qwen2-vl-2b": (0.665, 4),
    "qwen2-vl-7b": (0.676, 4),
    "qwen2.5-vl-3b": (0.669, 4),
    "qwen2.5-vl-7b": (0.677, 4),
    "qwen3-vl-2b": (0.407, 4),
    "qwen3-vl-4b": (0.415, 4),
    "qwen3-vl-8b": (0.576, 4),
    "smolvlm-256m": (0.094, 16),
    "smolvlm-500m": (0.098, 16),
    "smolvlm-2.2b": (0.434, 9),
    "smolvlm2-2.2b": (0.434, 9),
    "idefics3-8b": (0.432, 4),
    "internvl3-1b": (0.308, 4),
    "internvl3-2b": (0.313, 4),
    "internvl3-8b": (0.332, 4),
    "gemma-3-4b": (0.420, 16),
    "gemma-3-12b": (0.421, 16),
}


@dataclass(frozen=True)
class Speed:
    """How fast a device is: operations a second in large products, and bytes of weights read a second."""

    operations: float
    reading: float


@dataclass(frozen=True)
class Recommendation:
    """A card for this machine: the bytes it needs there, of all those of the place, and its first answer's seconds."""

    card: ModelCard
    needed: int
    total: int
    seconds: float

    @property
    def reason(self) -> str:
        """Why this one, to follow "recommended for this machine: "."""
        takes = f"gives its first answer in {duration(self.seconds)}, by estimate"
        if self.seconds > BEARABLE:
            return f"the fastest of those made for photographs; it {takes}"
        return f"the largest that leaves room in {gigabytes(self.total)} of memory and {takes}"


def recommend(
    places: Sequence[Place], cards: Iterable[ModelCard], kept: str, speed: Callable[[], Speed], spare: int = 0
) -> Recommendation | None:
    """The card to use on the roomiest of these places, or None where none is usable there.

    kept: the precision, as `memory.precision` names it. speed: called once a card fits. spare: as in `memory.fit`.
    """
    place = max(places, key=lambda place: place.total)
    share = SHARED if place.device == "cpu" else GPU_SHARED
    fitting = [
        (card, card.size.needed(kept))
        for card in cards
        if card.size
        and usable(card)
        and card.size.needed(kept) <= min(share * place.total, place.free + spare)
        and card.size.weights("bfloat16") <= LARGEST
    ]
    if not fitting:
        return None
    timed = [Recommendation(card, needed, place.total, seconds(card, kept, speed()) or 0) for card, needed in fitting]
    bearable = [found for found in timed if found.seconds <= BEARABLE]
    if not bearable:
        return min(
            (found for found in timed if found.seconds <= TOO_SLOW), key=lambda found: found.seconds, default=None
        )
    largest = max((found.card.parameters or 0 for found in bearable), default=0)
    alike = [found for found in bearable if (found.card.parameters or 0) >= ALIKE * largest]
    return min(alike, key=lambda found: (not found.card.paper, found.seconds))


def usable(card: ModelCard) -> bool:
    """Whether a card may be recommended to anybody: made for photographs, open to all, under terms that are known."""
    free = card.licence and card.licence != SEE_PAGE and "not commercial" not in card.licence
    return card.photographs and not card.gated and bool(free) and card.name in _TOWERS


def seconds(card: ModelCard, kept: str, speed: Speed) -> float | None:
    """Seconds to the end of a first answer about a new picture, once the model is loaded; None of an unknown one."""
    if card.size is None or card.name not in _TOWERS:
        return None
    tower, patches = _TOWERS[card.name]
    decoder, visual = card.size.parameters - card.size.kept - tower, card.size.tokens
    products = 2e9 * (decoder * (visual + TEXT) + tower * visual * patches)
    return LOSS * (products / speed.operations + ANSWER * card.size.weights(kept) / speed.reading)


def duration(seconds: float) -> str:
    """Seconds for people, no more exact than an estimate is: "about 20 seconds", "about 2 minutes"."""
    if seconds < 1.5:
        return "about a second"
    if seconds < 57.5:
        return f"about {round(seconds) if seconds < 10 else 5 * round(seconds / 5)} seconds"
    return "about a minute" if seconds < 90 else f"about {round(seconds / 60)} minutes"


@functools.cache
def measure(device: str, kept: str) -> Speed:
    """This machine's speed at a precision, measured once: about 0.1 s on two cores."""
    dtype = getattr(torch, kept, torch.bfloat16)  # quantized weights are multiplied in 16 bits
    square = torch.ones(1024, 1024, dtype=dtype, device=device)
    tall = torch.ones(16_384, 2048, dtype=dtype, device=device)  # more than a processor's cache holds
    product = _fastest(lambda: square @ square)
    read = _fastest(lambda: tall @ square[0].repeat(2))
    return Speed(2 * 1024**3 / product, tall.nbytes / read)


def _fastest(work: Callable[[], torch.Tensor]) -> float:
    """Seconds of the fastest of four runs, the first of which only warms up."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work()[0].sum().item()  # waits for a GPU
        times.append(time.perf_counter() - start)
    return min(times[1:])
