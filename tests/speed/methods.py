"""What the methods cost together: ratios to one of transformers' own `generate`, interleaved in one run, medians.

    python -m tests.speed.methods [--repeats 7] [--clock cpu]

The model is that of tests.speed.speed: LLaVA-shaped, random weights, 12 layers, width 512, 576 image tokens, fp32.
Every case starts from pixels (an empty cache), as `generate` does. "One by one" asks with each method alone, from
pixels, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, Method, Vanilla
from clvs_core.engine.model import Model

from .speed import QUESTIONS, build, seconds

# Random weights have no massive activations: dimensions and tau that make some tokens sinks.
SINKS = {"dims": (0, 1), "tau": 2.0}
HEADS = tuple(
    (layer, head) for layer, head in zip(range(4, 11), range(0, 14, 2), strict=True)
)  # 7 of 192, as 20 of 1,024
LAST_ROW = [
    Vanilla(),
    CLVS(),
    CLVS(alpha=0.5),
    PAI(gamma=1),
    PAI(alpha=0.2, gamma=1),
    ADHH(heads=HEADS),
    TARAC(),
    TARAC(beta=0.2),
]
SEVEN = [CLVS(), VCD(), PAI(), VAR(**SINKS), ADHH(heads=HEADS), VAF(), TARAC()]


def cases(model: Model, stock: object) -> dict[str, tuple[Callable[[], object], str]]:
    """Name -> (work, limit on its ratio to `generate`)."""
    picture = np.random.default_rng(0).integers(0, 256, (336, 336, 3), dtype=np.uint8)
    question = QUESTIONS[0]
    known = dataclasses.replace(model.target, settings={**model.target.settings, "var": {"dims": SINKS["dims"]}})

    def generate(tokens: int) -> object:
        inputs = model.prompts.encode(Image.fromarray(picture), question)
        return stock.generate(**inputs, max_new_tokens=tokens, do_sample=False)  # type: ignore[attr-defined]

    def ask(methods: Sequence[Method], tokens: int = 1, one_by_one: bool = False) -> None:
        model.target = known  # as a model whose card knows its sink dimensions
        for some in [[m] for m in methods] if one_by_one else [methods]:
            model.cache.clear()
            model.open_image(picture).ask(question, some, tokens)

    everything = [Vanilla(), *SEVEN]
    found: dict[str, tuple[Callable[[], object], str]] = {}
    for tokens in (1, 16):
        found |= {
            f"generate, {tokens}": (lambda n=tokens: generate(n), ""),
            f"8 last-row settings, {tokens}": (lambda n=tokens: ask(LAST_ROW, n), "<= 1.3"),
            f"vanilla and seven methods, {tokens}": (lambda n=tokens: ask(everything, n), "<= 3.2"),
            f"8 last-row, one by one, {tokens}": (lambda n=tokens: ask(LAST_ROW, n, True), ""),
            f"all eight, one by one, {tokens}": (lambda n=tokens: ask(everything, n, True), ""),
        }
    return found | {f"{m.label} alone, 1": (lambda m=m: ask([m]), "") for m in everything}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: fair on a busy machine")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    torch.set_num_threads(options.threads)
    table = cases(*build())
    times: dict[str, list[float]] = {name: [] for name in table}
    for repeat in range(options.repeats + 1):
        for name, (work, _) in table.items():
            elapsed = seconds(work, clock)
            if repeat:  # the first round warms up
                times[name].append(elapsed)
    print(f"{'work, tokens':38} {'median':>9} {'ratio to generate':>18}  limit")
    for name, values in times.items():
        base = times[f"generate, {name.rpartition(', ')[2]}"]
        ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
        print(f"{name:38} {statistics.median(values) * 1e3:7.0f}ms {ratio:18.2f}  {table[name][1]}")


if __name__ == "__main__":
    main()
