"""What the shipped model can do: `python -m assets.recipes.report`, or `make scenes-report`.

Every table is measured here, from the weights in --folder, on fresh scenes in all trained styles. Seeds: the test split
draws from [20000000, section, part], the validation split (convergence and settings) from [30000000, section, part];
training draws from seeds of a few hundred and watches itself on seeds from 10**6 on.

accuracy    vanilla, greedy, plain wording; the first token is the answer, but for "where" and descriptions, which are
            generated to the end. Half of each yes/no type is Yes. Absent objects as in POPE (Li et al., EMNLP 2023).
styles      the same for each style alone, and for the one that training never saw.
phrasings   the blind wordings of tests/assets/phrasings.json.
phenomenon  key-object attention (sum over visual tokens of the share that the object's exact mask covers times the mean
            weight over heads, of the row that predicts the first token) per layer.
convergence uncertainty u^l (eq. 8) against the flag c^l (layer l and all later ones would say the final token).
settings    CLVS's settings by the paper's procedure, on the validation split. gamma: the uncertainty at which half of
            the logistic regression's observations have converged, to the nearest 0.05. First check: the paper's rule,
            the first layer after the middle; the table of convergence says how often a check would stop too early in
            each layer. alpha and beta: accuracy over a grid around the paper's 0.8 and 0.8. Settings count as tied with
            the best where they are within one standard error of the paired difference (the rule of Breiman et al.,
            Classification and Regression Trees, 1984, 3.4.3), since the best of 51 is partly luck; of the tied, the
            nearest to the paper's wins.
clvs        vanilla against CLVS with the model card's settings, on the questions of `accuracy`, paired.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

import clvs_core as clvs
from clvs_core.analysis.convergence import fit

from . import measure, report_tables
from .artwork import HELD_OUT_STYLE, TRAINED_STYLES
from .measure import Answer, Bench
from .model import FOLDER, size_in_bytes
from .questions import RELATIONS
from .report_numbers import (
    PAPER,
    by_type,
    choose,
    descriptions,
    finite,
    gains,
    looking,
    paired,
    rates,
    shares,
    threshold,
    total,
    type_row,
)  # fmt: skip
from .report_questions import BY_TYPE, CHUNKS, TEST, VALIDATION, known

ALPHAS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
BETAS = tuple(step / 10 for step in range(10))
DIRECTION = {(0, -1): "left", (0, 1): "right", (1, -1): "above", (1, 1): "below"}  # as in questions.DIRECTIONS
NUMBER = 2000  # questions of each type; the other sections' numbers are shares of it


class Workers:
    """Processes of one thread each with a Bench of their own; with one, everything runs in this process."""

    def __init__(self, bench: Bench, count: int):
        self.bench, self.pool = bench, None
        if count > 1:
            context = multiprocessing.get_context("spawn")
            self.pool = context.Pool(count, _start, (bench.folder,))

    def parts(self, task: Callable, seed: measure.Seed, *given: Any) -> list:
        """What `task` finds for each of the CHUNKS parts, in their order."""
        calls = [(task, seed, part, *given) for part in range(CHUNKS)]
        if self.pool is None:
            return [_run(*call, bench=self.bench) for call in calls]
        return self.pool.starmap(_run, calls, chunksize=1)

    def rows(self, task: Callable, seed: measure.Seed, *given: Any) -> list:
        """The lists that `task` finds, as one."""
        return list(chain.from_iterable(self.parts(task, seed, *given)))

    def close(self) -> None:
        if self.pool:
            self.pool.terminate()


_BENCH: Bench | None = None  # of a worker process


def _start(folder: Path) -> None:
    global _BENCH
    _BENCH = Bench(folder)


def _run(task: Callable, *given: Any, bench: Bench | None = None) -> Any:
    return task(bench or _BENCH, *given)


# --- sections: each gives a dict that report_tables.py prints ------------------------------------------


class Report:
    """Measures the sections asked for; what two of them share is measured once."""

    def __init__(self, workers: Workers, number: int):
        self.workers, self.number = workers, number

    def share(self, of: float) -> int:
        """`of` 2,000 questions when `number` is 2,000; at least 2."""
        return max(2, round(self.number * of / NUMBER))

    @cached_property
    def tested(self) -> list[Answer]:
        """Vanilla's and CLVS's answers on the test split."""
        given = (self.number, TRAINED_STYLES, measure.vanilla_and_clvs())
        return self.workers.rows(measure.answers, (TEST, 1), *given)

    @cached_property
    def converged(self) -> dict:
        """How vanilla's uncertainty goes with convergence on the validation split."""
        parts = self.workers.parts(measure.lens, (VALIDATION, 5), self.share(84))
        unsure, flags = (np.concatenate(several) for several in zip(*parts, strict=True))
        outcome = asdict(fit(unsure, flags))
        sure = unsure < threshold(outcome)
        with np.errstate(invalid="ignore"):
            early = (sure & ~flags).sum(0) / sure.sum(0)
        return {
            **outcome,
            "gamma": threshold(outcome),
            "questions": len(flags),
            "converged": flags.mean(0).tolist(),
            "uncertainty": unsure.mean(0).tolist(),
            "below gamma": sure.mean(0).tolist(),
            "below gamma, yet not converged": early.tolist(),
        }

    def accuracy(self) -> dict:
        found = by_type(self.tested)
        equal, of = measure.agreement(self.workers.bench, (TEST, 9), self.share(4))
        return {
            "types": {name: type_row(found[name]) for name in found},
            "how many, by number": shares((a.question.answer, a.right()) for a in found["how many"]),
            "relation, by direction": shares(
                (DIRECTION[RELATIONS[a.question.slots["relation"]]], a.right()) for a in found["relation"]
            ),
            "contact, by answer": shares((a.question.answer, a.right()) for a in found["contact"]),
            "description": descriptions(found["description"]),
            "engine and generate agree": [equal, of],
        }

    def styles(self) -> dict:
        given, rows = self.share(400), {}
        for index, style in enumerate((*TRAINED_STYLES, HELD_OUT_STYLE)):
            seed = (TEST, 20 + index)
            answers = self.workers.rows(measure.answers, seed, given, (style,), (clvs.Vanilla(),))
            rows[style] = {name: type_row(found) for name, found in by_type(answers).items()}
        return {"held out": HELD_OUT_STYLE, "styles": rows}

    def phrasings(self) -> dict:
        rows = self.workers.rows(measure.worded_answers, (TEST, 3), self.share(12))
        trained = known(self.workers.bench.model.tokenizer)
        blind = shares((kind, good) for kind, _, good, _ in rows)
        plain = shares((kind, good) for kind, _, _, good in rows)
        single = shares(((kind, wording), good) for kind, wording, good, _ in rows)
        new = shares(("new", good) for kind, wording, good, _ in rows if not trained[kind][wording])
        worst = sorted(single.items(), key=lambda pair: pair[1]["right"] / pair[1]["of"])[:10]
        return {
            "kinds": {
                kind: {"wordings": len(trained[kind]), "blind": blind[kind], "plain": plain[kind]} for kind in trained
            },
            "all": {"blind": total(blind.values()), "plain": total(plain.values()), **new},
            "wordings": sum(map(len, trained.values())),
            "token for token a training wording": Counter(
                kind for several in trained.values() for kind in several.values()
            ),
            "worst": [{"kind": kind, "wording": text, **share} for (kind, text), share in worst],
        }

    def phenomenon(self) -> dict:
        methods = measure.vanilla_and_clvs()
        parts = self.workers.parts(measure.looks, (TEST, 4), self.share(500), methods)
        found = np.concatenate([part for part in parts if len(part)])  # (questions, methods, 2, layers)
        return {
            "questions": len(found),
            "vanilla": looking(found[:, 0]),
            "clvs": looking(found[:, 1]),
            **gains(found[:, 0, 0], found[:, 1, 0]),
        }

    def convergence(self) -> dict:
        return self.converged

    def settings(self) -> dict:
        gamma, first = self.converged["gamma"], PAPER.resolve(self.workers.bench.model.target).first_check
        tried = [
            clvs.CLVS(alpha=alpha, beta=beta, gamma=gamma, first_check=first)
            for alpha in ALPHAS for beta in (BETAS if alpha < 1 else (0.8,))
        ]  # fmt: skip
        parts = self.workers.parts(measure.grid, (VALIDATION, 6), self.share(200), (clvs.Vanilla(), *tried))
        found = np.concatenate(parts)
        best, chosen = choose(found[:, 1:], tried)
        return {
            "questions": len(found),
            "vanilla": float(found[:, 0].mean()),
            "grid": [
                {"alpha": m.alpha, "beta": m.beta, "accuracy": float(share)}
                for m, share in zip(tried, found[:, 1:].mean(0), strict=True)
            ],
            "best": {"alpha": tried[best].alpha, "beta": tried[best].beta},
            "card": {"alpha": tried[chosen].alpha, "beta": tried[chosen].beta, "gamma": gamma, "first_check": first},
        }

    def clvs(self) -> dict:
        found = by_type(self.tested)
        positives = {
            name: {method: rates(found[name], index) for index, method in enumerate(("vanilla", "clvs"))}
            for name in found if BY_TYPE[name].kind == "exists"
        }  # fmt: skip
        stops = Counter(answer.stops[1] for answer in self.tested)
        used = measure.card_settings().resolve(self.workers.bench.model.target)
        return {
            "settings": {k: getattr(used, k) for k in ("alpha", "beta", "gamma", "first_check")},
            "types": {name: paired(answers) for name, answers in {**found, "all": self.tested}.items()},
            "existence": positives,
            "stopped after layer": {str(layer): stops[layer] for layer in sorted(stops)},
        }


SECTIONS = ("accuracy", "styles", "phrasings", "phenomenon", "convergence", "settings", "clvs")


# --- the command ---------------------------------------------------------------------------------------


def about(bench: Bench, options: argparse.Namespace) -> dict:
    """What was measured, with what, and how fast it is."""
    import scipy
    import torch
    import transformers

    weights = sorted(bench.folder.glob("*.safetensors"))
    packages = {package.__name__: package.__version__ for package in (torch, transformers, np, scipy)}
    return {
        "folder": bench.folder.name,
        "megabytes": size_in_bytes(bench.folder) / 1e6,
        "parameters": sum(p.numel() for p in bench.model.hf.parameters()),
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in weights},
        "first token, milliseconds on one core": measure.latency(bench, (TEST, 8), 40),
        "questions of each type": options.number,
        "seeds": {"test": TEST, "validation": VALIDATION},
        "versions": {"python": platform.python_version(), **packages},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the weights")
    parser.add_argument("--number", type=int, default=NUMBER, help="questions of each type; the rest is in proportion")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, comma-separated (default: %(default)s)")
    options = parser.parse_args()
    asked = options.only.split(",")
    if unknown := set(asked) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    os.environ["OMP_NUM_THREADS"] = "1"  # of the worker processes
    began = time.time()
    bench = Bench(options.folder)
    found = {"about": about(bench, options)}  # before the workers start, because it takes the time of an answer
    print(report_tables.about(found["about"]), flush=True)
    workers = Workers(bench, options.workers)
    report = Report(workers, options.number)
    for name in (section for section in SECTIONS if section in asked):
        started = time.time()
        found[name] = getattr(report, name)()
        print(getattr(report_tables, name)(found[name]), flush=True)
        print(f"{name}: {time.time() - started:.0f} s", file=sys.stderr, flush=True)
    workers.close()
    found["about"]["seconds"] = time.time() - began
    print(f"Measured in {found['about']['seconds'] / 60:.1f} minutes.")
    if options.json:
        options.json.write_text(json.dumps(finite(found), indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
