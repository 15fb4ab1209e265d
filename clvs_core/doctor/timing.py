"""How long answers take, against the stock model's `generate`, in repeats that take turns."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..methods import CLVS, METHODS, Method, Vanilla
from ..methods.settings import unset
from .findings import GREEN, YELLOW, Finding
from .subject import QUESTION, Subject, attending

REPEATS = 3
SLOW = 30.0  # seconds of a round that is not repeated
TOKENS = (1, 8)
Work = Callable[[], Any]


def time_of(subject: Subject) -> Finding:
    """Median seconds of one and of eight new tokens: `generate`, vanilla with CLVS, and every method that runs."""
    every = runnable(subject)
    with _endless(subject):
        repeats, seconds = _medians(_work(subject, every))
    ratios = {
        f"{name}_{count}": seconds[f"{name}_{count}"] / seconds[f"generate_{count}"]
        for name in ("pair", "all")
        for count in TOKENS
    }
    dear = ratios["pair_1"] > 2 or ratios["all_1"] > len(every)
    numbers = {"seconds": seconds, "ratios": ratios, "methods": [m.name for m in every], "repeats": repeats}
    times = "; ".join(
        f"{count} token{'s' if count > 1 else ''}: generate {_shown(seconds[f'generate_{count}'])}, vanilla + CLVS "
        f"{_shown(seconds[f'pair_{count}'])} ({ratios[f'pair_{count}']:.2f} x), all {len(every)} methods "
        f"{_shown(seconds[f'all_{count}'])} ({ratios[f'all_{count}']:.2f} x)"
        for count in TOKENS
    )
    more = "; this costs more than asking one by one" if dear else ""
    return Finding("time", YELLOW if dear else GREEN, f"{times}{more}.", numbers)


def runnable(subject: Subject) -> list[Method]:
    """Every method that can be used on this model, with what its card recommends."""
    target, found = subject.loaded.target, []
    for kind in METHODS.values():
        with contextlib.suppress(ValueError):  # it says why it cannot; the command `methods` tells
            chosen = unset(kind)
            chosen.resolve(target)
            found.append(chosen)
    return found


def _work(subject: Subject, every: list[Method]) -> dict[str, Work]:
    """What is timed, by name; each starts from the picture's pixels."""
    pair = [Vanilla(), CLVS()]
    model = subject.loaded

    def generate(count: int) -> None:
        with attending(model, "sdpa") as hf, torch.no_grad():
            hf.generate(**subject.inputs(), max_new_tokens=count, do_sample=False)

    def ask(methods: list[Method], count: int) -> None:
        model.cache.clear()
        model.open_image(subject.picture).ask(QUESTION, methods, count)

    found: dict[str, Work] = {}
    for count in TOKENS:
        found[f"generate_{count}"] = lambda count=count: generate(count)  # type: ignore[misc]
        found[f"pair_{count}"] = lambda count=count: ask(pair, count)  # type: ignore[misc]
        found[f"all_{count}"] = lambda count=count: ask(every, count)  # type: ignore[misc]
    return found


def _medians(work: dict[str, Work]) -> tuple[int, dict[str, float]]:
    """How many repeats were taken, and the median seconds of each, over repeats that take turns.

    The first round only warms up, unless it is so slow that warming up does not matter.
    """
    first = _round(work)
    if sum(first.values()) > SLOW:
        return 1, first
    rounds = [_round(work) for _ in range(REPEATS)]
    return REPEATS, {name: statistics.median(each[name] for each in rounds) for name in work}


def _round(work: dict[str, Work]) -> dict[str, float]:
    found = {}
    for name, run in work.items():
        _wait()
        begun = time.perf_counter()
        run()
        _wait()
        found[name] = time.perf_counter() - begun
    return found


def _wait() -> None:
    """Until the GPUs have done what they were given."""
    if torch.cuda.is_available():
        for device in range(torch.cuda.device_count()):
            torch.cuda.synchronize(device)


@contextlib.contextmanager
def _endless(subject: Subject) -> Iterator[None]:
    """No answer ends by itself, so that all are equally long."""
    model = subject.loaded
    settings = model.hf.generation_config
    ends, stock = model.end_ids, settings.eos_token_id
    model.end_ids, settings.eos_token_id = [], None
    try:
        yield
    finally:
        model.end_ids, settings.eos_token_id = ends, stock


def _shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1e3:.0f} ms"
