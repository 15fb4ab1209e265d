"""What knock-outs say: in which layers looking matters, who reads, and which objects an answer still names.

A hidden token is not an unseen one: what it holds may have reached the question's words, or its neighbours, in layers
before. Windows overlap, and what is necessary need not be sufficient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.images import EncodedImage
from ..engine.knockout import Knockout
from ..key_objects import mentioned
from ..methods import Method

HALF = 0.5  # less than this is left: there looking matters
READS = 0.8  # as much as this is left without any look: it does not read


def importance(knockout: Knockout) -> np.ndarray:
    """(layers,) float64 in [0, 1]: the share of the answer that is lost when the object is hidden around each layer.

    Measured against the control where there is one, so that what any other tokens would take away does not count.
    """
    return lost(knockout.kept, knockout.control)


def lost(kept: np.ndarray, control: np.ndarray) -> np.ndarray:
    """1 - kept / control, in [0, 1], of arrays of one shape; where the control is NaN, it counts as 1."""
    control = np.where(np.isfinite(control), control, 1.0)
    return 1 - np.clip(kept / np.maximum(control, 1e-12), 0, 1)


def layers_that_matter(knockout: Knockout, share: float = HALF) -> list[int]:
    """Layers, from 0, around which less than this share of the answer is left."""
    return np.flatnonzero(importance(knockout) > 1 - share).tolist()


def share_where_it_matters(added: np.ndarray, importance: np.ndarray) -> float:
    """Of the attention that a method adds to an object, the share that falls where looking matters.

    Args:
        added: (layers,) attention on the object, the method's less the reference's; where it is less counts as nothing.
        importance: (layers,) of the reference, as `importance` gives it: each layer's addition counts by it.

    Returns:
        A share in [0, 1], NaN where nothing is added.
    """
    more = np.maximum(added, 0)
    return float((more * importance).sum() / more.sum()) if more.sum() > 0 else float("nan")


def who_reads(word: Knockout, both: Knockout) -> str:
    """One sentence about which rows read the object: `word` and `both` of the same method, token and window."""
    alone, together = word.everywhere, both.everywhere
    if alone < HALF:
        return f"The word being written reads it for itself: hidden from that word alone, {alone:.0%} is left."
    if together >= READS:
        return (
            f"Nobody needs it: hidden from the question's words and the answer's in all layers, {together:.0%} is left."
        )
    return (
        f"The question's words read it, and the word being written does not have to: hidden from that word alone "
        f"{alone:.0%} is left, from the question's words too {together:.0%}."
    )


@dataclass(frozen=True)
class Survival:
    """Whether an object that an answer names is still named when rows cannot look at it.

    name: of the object. named: (layers,) bool, hidden around each layer; everywhere: hidden in all layers.
    answers: (layers,) what is said then.
    """

    name: str
    named: np.ndarray
    everywhere: bool
    answers: tuple[str, ...]


def survivals(
    image: EncodedImage,
    question: str,
    masks: Mapping[str, np.ndarray],
    method: Method,
    *,
    window: int | None = None,
    rows: str = "word",
    max_new_tokens: int = 24,
    heard: Callable[[str], None] = lambda name: None,
) -> tuple[str, list[Survival]]:
    """The whole answer, and for each of its objects whether it is still named when every row that writes is blinded.

    masks: by the objects' names; those that the answer does not name are left out. heard: is told each object first.
    """
    answer = image.ask(question, [method], max_new_tokens)[0].text
    table = []
    for name in mentioned(answer, list(masks)):
        heard(name)
        (knockout,) = image.knockout(
            question,
            masks[name],
            [method],
            window,
            rows,
            control=0,
            only=False,
            answer=True,
            max_new_tokens=max_new_tokens,
        )
        answers = tuple(text or "" for text in knockout.answers or ())
        named = np.array([still_names(text, name, masks) for text in answers])
        everywhere = still_names(knockout.answer_everywhere or "", name, masks)
        table.append(Survival(name, named, everywhere, answers))
    return answer, table


def still_names(text: str, name: str, names: Iterable[str]) -> bool:
    """Whether an answer names this one of the objects `names`."""
    return name in mentioned(text, list(names))


def mean_survival(table: Sequence[Survival]) -> np.ndarray:
    """(layers,) the share of named objects that are still named; NaN where none was named."""
    return np.mean([row.named for row in table], axis=0) if table else np.array([np.nan])
