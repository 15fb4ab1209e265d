"""VCD and PAI here and in the PyPI package mitigv (0.1.7): the same words, one for one, and how long both take.

    pip install --no-deps --target /tmp/mitigv mitigv==0.1.7
    PYTHONPATH=/tmp/mitigv python -m tests.speed.mitigv [--repeats 7] [--clock cpu]

mitigv has no licence: it is called here as its README says, and no part of it is copied or shipped. Words are compared
on a tiny random LLaVA, times also on one shaped like LLaVA-1.5 (12 layers, 576 image tokens), both in fp32 on the CPU,
each from pixels to 16 words.

Its noise is drawn as ours, from the seed, in float32: VCD runs as it comes. For its PAI three things are set from
outside. It looks for the decoder where transformers 5.23 no longer has it, and stops: it is told where. It adds the
mask to the scores by itself, and under SDPA there is none to add: it gets eager attention. Its prompt without a picture
drops the line break after the picture's place, which the words of the prompt keep here: it keeps it, too. What becomes
of the words without the last two is printed.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from clvs_core import PAI, VCD, Method
from clvs_core.engine.model import Model
from clvs_core.methods import spec
from clvs_core.models.registry import card_for
from tests import tiny

from . import speed

QUESTIONS = ["Is there a dog?", "Why?", "What colour is the big car on the left of the tree?", "How many?"]
PICTURES = [tiny.picture(seed) for seed in range(5)]
TOKENS = 16
SETTINGS: list[Method] = [
    VCD(seed=0),
    VCD(alpha=0.5, beta=0.25, noise_step=999, seed=3),
    VCD(alpha=2, beta=0.01, noise_step=700, seed=1),
    PAI(),
    PAI(alpha=0.2, gamma=2),
    PAI(alpha=1.0, gamma=1, start_layer=0),
    PAI(alpha=0, gamma=3),
]


def build() -> tuple[Model, Any]:
    """The engine's tiny model, and a stock one with the same weights."""
    ours, stock = tiny.llava(), tiny.llava()
    return Model(ours, tiny.llava_processor(), card_for("tiny")), stock


def theirs(stock: Any, model: Model, method: Any, whole_line: bool = False) -> Callable[[np.ndarray, str], list[int]]:
    """mitigv's answer to a question as token ids. whole_line: leave its own prompt without a picture as it is."""
    from mitigv import load_mitigator

    options: dict[str, Any] = {"alpha": method.alpha, "max_new_tokens": TOKENS}
    if isinstance(method, VCD):
        options |= {"beta": method.beta, "seed": method.seed, "distortion_kwargs": {"noise_step": method.noise_step}}
    else:
        options |= {"gamma": method.gamma, "start_layer": method.start_layer}
    name = "vcd" if isinstance(method, VCD) else "pai"
    found = load_mitigator(name, model=stock, processor=model.processor, model_type="llava", **options)
    found.model.language_model = stock.model.language_model
    found._decode = lambda ids: ids[0].tolist()
    if not whole_line:
        found._remove_image_placeholder = lambda text: text.replace(model.prompts.placeholder, "")

    def answer(picture: np.ndarray, question: str) -> list[int]:
        from PIL import Image

        return found(Image.fromarray(picture), model.prompts.text(question))

    return answer


def equal_words(model: Model, stock: Any, method: Method, **options: Any) -> tuple[int, int]:
    """How many of the answers are the same word for word, and how many words are up to where they part."""
    same, words, answer = 0, 0, theirs(stock, model, method, **options)
    for picture in PICTURES:
        image = model.open_image(picture)
        for question in QUESTIONS:
            ids = answer(picture, question)
            found = [t.id for t in image.ask(question, [method], TOKENS)[0].tokens]
            same += ids == found
            words += next((i for i, (a, b) in enumerate(zip(ids, found, strict=False)) if a != b), len(found))
    return same, words


def compare_words() -> bool:
    """Prints one line for each setting; True if every answer is the same."""
    model, stock = build()
    answers = len(PICTURES) * len(QUESTIONS)
    good = True
    print(f"{answers} answers of {TOKENS} words each, fp32")
    for method in SETTINGS:
        stock.set_attn_implementation("sdpa" if isinstance(method, VCD) else "eager")
        same, words = equal_words(model, stock, method)
        good &= same == answers
        print(f"  {spec(method):48} {same:3} of {answers} the same ({words} words until they part)")
    method = PAI(alpha=0.5, gamma=2)
    stock.set_attn_implementation("eager")
    same, _ = equal_words(model, stock, method, whole_line=True)
    print(f"  {spec(method) + ', no line break in its prompt':48} {same:3} of {answers}")
    stock.set_attn_implementation("sdpa")
    same, _ = equal_words(model, stock, method)
    print(f"  {spec(method) + ', under SDPA':48} {same:3} of {answers}")
    return good


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def compare_times(name: str, model: Model, stock: Any, picture: np.ndarray, repeats: int, clock: Any) -> None:
    """Interleaved, medians; ours starts from an empty cache, as theirs does."""
    pair: list[Method] = [VCD(), PAI()]
    question = speed.QUESTIONS[0]

    def ours(methods: list[Method]) -> None:
        model.cache.clear()
        model.open_image(picture).ask(question, methods, TOKENS)

    def both() -> None:
        for method in pair:
            other(method)

    def other(method: Method) -> None:
        stock.set_attn_implementation("sdpa" if isinstance(method, VCD) else "eager")
        called[method](picture, question)

    called = {method: theirs(stock, model, method) for method in pair}
    table: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "VCD": (lambda: other(pair[0]), lambda: ours(pair[:1])),
        "PAI": (lambda: other(pair[1]), lambda: ours(pair[1:])),
        "both": (both, lambda: ours(pair)),
    }
    times: dict[str, list[tuple[float, float]]] = {case: [] for case in table}
    for repeat in range(repeats + 1):
        for case, works in table.items():
            took = seconds(works[0], clock), seconds(works[1], clock)
            if repeat:  # the first round warms up
                times[case].append(took)
    print(f"{name}: {TOKENS} words from pixels, median of {repeats}")
    for case, values in times.items():
        mitigv, here = (statistics.median(column) * 1e3 for column in zip(*values, strict=True))
        ratio = statistics.median(a / b for a, b in values)
        print(f"  {case:6} mitigv {mitigv:7.0f} ms   here {here:7.0f} ms   {ratio:5.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: fair on a busy machine")
    options = parser.parse_args()
    if importlib.util.find_spec("mitigv") is None:
        print("mitigv is not installed, so there is nothing to compare with; see the top of this file.")
        return
    torch.set_num_threads(1)
    good = compare_words()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    compare_times("tiny", *build(), PICTURES[0], options.repeats, clock)
    picture = np.random.default_rng(0).integers(0, 256, (336, 336, 3), dtype=np.uint8)
    model, stock = speed.build()
    stock = copy.deepcopy(stock)  # with a configuration of its own, whose attention can be set
    compare_times("12 layers, 576 image tokens", model, stock, picture, options.repeats, clock)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
