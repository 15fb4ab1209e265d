"""What a knock-out costs: its time by that of the answers it is about, interleaved in one run, medians of ratios.

    python -m tests.speed.knockouts [--shape scenes --shape llava ...] [--repeats 7] [--clock cpu]

Vanilla and CLVS, one token. "kept" hides around each layer and in all of them; on the embedded model, from the word,
that is to take 2.5 times as long at most. "With all" measures the mirror image and 4 draws of the control, too. The
picture has been read before, in both. "scenes" is the embedded model, the others are the shapes of tests.speed.families
with 32 layers: real visual tokens and vocabularies, width 512, random weights.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import clvs_core as clvs
from clvs_core.bundled import ASSETS
from clvs_core.engine.images import EncodedImage
from tests.speed.families import QUESTION, SHAPES, Bench, heading, interleaved, ratio, row

METHODS = [clvs.Vanilla(), clvs.CLVS(beta=0.8)]
LAYERS = 32  # of the shapes: as deep as LLaVA-1.5-7B; their width stays 512
WAYS = {
    "word, kept": {"rows": "word", "control": 0, "only": False},
    "both, kept": {"rows": "both", "control": 0, "only": False},
    "word, with all": {"rows": "word", "control": 4},
}


def opened(shape: str) -> tuple[EncodedImage, str]:
    """A picture that has been read, and a question about it."""
    if shape == "scenes":
        image = clvs.load_model("scenes").open_image(ASSETS / "scenes" / "desk.jpg")
        return image, "Is there a laptop in the picture?"
    bench = Bench(shape, LAYERS)
    return bench.model.open_image(bench.pixels), QUESTION


def timings(shape: str, repeats: int, clock: Callable[[], float]) -> None:
    image, question = opened(shape)
    mask = np.zeros((image.height, image.width), bool)
    mask[image.height // 4 : image.height // 2, image.width // 4 : image.width // 2] = True
    cases: dict[str, Callable[[], object]] = {"ask": lambda: image.ask(question, METHODS, 1)}
    for name, options in WAYS.items():
        cases[name] = lambda options=options: image.knockout(question, mask, METHODS, **options)  # type: ignore[misc]
    times = interleaved(cases, repeats, clock)
    ratios = [f"{ratio(times[name], times['ask']):.1f}" for name in WAYS]
    answers = f"{1e3 * statistics.median(times['ask']):.0f} ms"
    row(shape, image.model.layers, image.views.visual, answers, *ratios)


def main() -> None:
    shapes = ["scenes", *SHAPES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=shapes, action="append", help="may be given several times; default: all")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: fair on a busy machine")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    heading("model", "layers", "visual tokens", "two answers", *WAYS)
    for shape in options.shape or shapes:
        timings(shape, options.repeats, clock)


if __name__ == "__main__":
    main()
