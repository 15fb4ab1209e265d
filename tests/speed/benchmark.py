"""How fast the benchmark runner is: answers a second against a loop over transformers' own `generate`.

    python -m assets.recipes.benchmarks --seed 1 --images 60 --out scenes
    python -m tests.speed.benchmark --data scenes/amber [--rounds 6] [--pictures 4]

The embedded model on the scenes AMBER set, first token. A round takes the next pictures through each way in turn, from
their files; ratios are of one round, medians over rounds. The loop asks vanilla's questions one by one, which is what
it would take again for each further method; its answers must be vanilla's. PyTorch uses as many threads as it chooses;
"one thread" lines let it have one.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from clvs_core import benchmarks
from clvs_core.benchmarks.running.local import InProcess
from clvs_core.benchmarks.running.plan import Job, Plan, Task
from clvs_core.benchmarks.running.processes import ProcessPool
from clvs_core.bundled import ASSETS
from clvs_core.methods import METHODS, Target, spec
from clvs_core.methods.settings import unset
from clvs_core.models.registry import CARDS

FOLDER = ASSETS / "scenes_model"


class Loop:
    """What anyone would write."""

    def __init__(self) -> None:
        self.model = AutoModelForImageTextToText.from_pretrained(FOLDER, dtype=torch.float32).eval()
        self.processor = AutoProcessor.from_pretrained(FOLDER)

    @torch.no_grad()
    def answers(self, jobs: Sequence[Job]) -> dict[str, str]:
        found = {}
        for job in jobs:
            for question in job.questions:
                content = [{"type": "image"}, {"type": "text", "text": question.text}]
                text = self.processor.apply_chat_template(
                    [{"role": "user", "content": content}], add_generation_prompt=True
                )
                picture = Image.open(job.picture).convert("RGB")
                inputs = self.processor(images=picture, text=text, return_tensors="pt")
                output = self.model.generate(**inputs, max_new_tokens=1, do_sample=False)
                new = output[0, inputs["input_ids"].shape[1] :]
                found[question.id] = self.processor.decode(new, skip_special_tokens=True).strip()
        return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def asked(backend: InProcess | ProcessPool, jobs: Sequence[Job]) -> tuple[list[dict[str, Any]], float]:
    return timed(lambda: [row for rows in backend.rows(jobs) for row in rows])


def on_threads(count: int, work: Callable[[], tuple[Any, float]]) -> tuple[Any, float]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def rounds(jobs: Sequence[Job], pictures: int) -> list[dict[str, float]]:
    """Answers a second by way, of each round."""
    target = Target.of(CARDS["scenes"])
    every = {name: spec(unset(cls).filled(target)) for name, cls in METHODS.items()}
    eight, one = Plan("scenes", every), Plan("scenes", {"vanilla": "vanilla"})
    loop, all_here, one_here, spread = Loop(), InProcess(eight), InProcess(one), ProcessPool(eight, 2)
    threads, found = torch.get_num_threads(), []
    for number in range(0, len(jobs) - pictures + 1, pictures):
        some = jobs[number : number + pictures]
        speeds: dict[str, float] = {}
        for count in dict.fromkeys((threads, 1)):
            said, seconds = on_threads(count, lambda some=some: timed(lambda: loop.answers(some)))
            name = "" if count == threads else ", one thread"
            speeds[f"generate{name}"] = len(said) / seconds
            for label, backend in (("eight methods", all_here), ("one method", one_here)):
                rows, seconds = on_threads(count, lambda some=some, backend=backend: asked(backend, some))
                speeds[f"{label}{name}"] = len(rows) / seconds
                wrong = [r["id"] for r in rows if r["method"] == "vanilla" and r["answer"] != said[r["id"]]]
                assert not wrong, f"vanilla does not answer {wrong} as generate does"
        rows, seconds = asked(spread, some)
        speeds["eight methods, two processes"] = len(rows) / seconds
        found.append(speeds)
    spread.close()
    return found[1:]  # the first one warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an AMBER folder of scenes, with its pictures")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--pictures", type=int, default=4, help="of a round")
    options = parser.parse_args()
    amber = benchmarks.get("amber")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jobs = Task(amber, options.data, amber.load(options.data, True)).jobs
    wanted = (options.rounds + 1) * options.pictures
    if len(jobs) < wanted:
        parser.error(f"{options.data} has {len(jobs)} pictures, and {wanted} are needed; lower --rounds or --pictures")
    found = rounds(jobs[:wanted], options.pictures)
    questions = sum(len(job.questions) for job in jobs[options.pictures : wanted])
    print(f"{questions} questions, {wanted - options.pictures} pictures, {torch.get_num_threads()} threads")
    print(f"{'way':32} {'answers/s':>10} {'ratio to generate':>18}")
    for name in found[0]:
        base = "generate, one thread" if name.endswith("one thread") else "generate"
        ratio = statistics.median(speeds[name] / speeds[base] for speeds in found)
        print(f"{name:32} {statistics.median(speeds[name] for speeds in found):10.1f} {ratio:18.1f}")


if __name__ == "__main__":
    main()
