"""From the answers to the numbers of the report's tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.stats import binomtest

import clvs_core as clvs
from clvs_core.analysis.decay import half_life
from clvs_core.benchmarks.bootstrap import wilson

from .measure import Answer, named
from .questions import YES_NO
from .report_questions import ASKED, BY_TYPE

PAPER = clvs.CLVS(alpha=0.8, beta=0.8, gamma=0.5)
RESAMPLES = 2000


def by_type(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Answers by type, in the order of ASKED."""
    found: dict[str, list[Answer]] = {one.name: [] for one in ASKED}
    for answer in answers:
        found[answer.type].append(answer)
    return found


def share_of(right: int, of: int) -> dict:
    share = wilson(int(right), int(of))
    return {"right": int(right), "of": int(of), "share": right / of, "interval": (share.low, share.high)}


def shares(pairs: Iterable[tuple[Any, bool]]) -> dict[Any, dict]:
    """Share of right answers by group, from (group, right or not)."""
    right, of = Counter(), Counter()
    for group, good in pairs:
        right[group] += good
        of[group] += 1
    return {group: share_of(right[group], of[group]) for group in of}


def total(several: Iterable[dict]) -> dict:
    several = list(several)
    return share_of(sum(s["right"] for s in several), sum(s["of"] for s in several))


def type_row(answers: list[Answer]) -> dict:
    """Accuracy of vanilla beside the bar, and by answer where that is yes or no."""
    one = BY_TYPE[answers[0].type]
    row = total(shares(("all", answer.right()) for answer in answers).values())
    row |= {"bar": one.bar, "reached": None if one.bar is None else row["share"] >= one.bar}
    if one.kind in YES_NO:
        row["by answer"] = {k: s["share"] for k, s in shares((a.question.answer, a.right()) for a in answers).items()}
    return row


def descriptions(answers: list[Answer]) -> dict:
    """How often a description leaves an object of the scene out, and how often it names one that is not there."""
    pairs = [(named(a.said[0]), set(a.question.names)) for a in answers]
    return {
        "leaves something out": share_of(sum(bool(true - said) for said, true in pairs), len(pairs)),
        "invents something": share_of(sum(bool(said - true) for said, true in pairs), len(pairs)),
    }


def rates(answers: list[Answer], method: int) -> dict[str, dict]:
    """True and false positive rates: how often the answer is Yes where that is true, and where it is not."""
    said = shares((a.question.answer, a.said[method] == "Yes") for a in answers)
    return {"true positives": said["Yes"], "false positives": said["No"]}


def paired(answers: list[Answer]) -> dict:
    """CLVS against vanilla on the same questions; p takes them as independent, which those of one type are."""
    before, after = (np.array([answer.right(method) for answer in answers]) for method in (0, 1))
    scenes = np.unique([answer.scene for answer in answers], axis=0, return_inverse=True)[1].ravel()
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    return {
        "vanilla": float(before.mean()),
        "clvs": float(after.mean()),
        "difference": float(after.mean() - before.mean()),
        "interval": paired_interval(after.astype(int) - before, scenes),
        "lost": lost,
        "won": won,
        "p": mcnemar(lost, won),
        "of": len(answers),
    }


def looking(found: np.ndarray) -> dict:
    """Curves (questions, key object or picture, layers) in numbers: means per layer, where they peak, how they fall."""
    curves = found[:, 0]
    lives = np.array([half_life(curve) for curve in curves])
    return {
        "key object": curves.mean(0).tolist(),
        "picture": found[:, 1].mean(0).tolist(),
        "peak layer": np.bincount(curves.argmax(1), minlength=curves.shape[1]).tolist(),
        "half-life": float(np.median(lives)),
        "never falls by half": float(np.isinf(lives).mean()),
    }


def gains(before: np.ndarray, after: np.ndarray) -> dict:
    """CLVS's relative gain of key-object attention over vanilla (questions, layers): per layer as in the paper, that is
    per question, clipped at 100 %, and then averaged; and of the mean curves. Also their means over the layers after
    the peak of vanilla's mean curve."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(before == after, 0, np.minimum((after - before) / before, 1))
    clipped, plain = each.mean(0), after.mean(0) / before.mean(0) - 1
    later = slice(int(before.mean(0).argmax()) + 1, None)
    return {
        "gain": clipped.tolist(),
        "gain of the means": plain.tolist(),
        "gain after the peak": float(clipped[later].mean()) if clipped[later].size else math.nan,
        "gain of the means after the peak": float(plain[later].mean()) if plain[later].size else math.nan,
    }


def threshold(fit: dict) -> float:
    """gamma: where half have converged, to the nearest 0.05; the paper's 0.5 where the fit gives none in (0, 1)."""
    found = round(20 * fit["half_converged"]) / 20 if math.isfinite(fit["half_converged"]) else 0.0
    return found if 0 < found < 1 and fit["slope"] < 0 else PAPER.gamma


def choose(right: np.ndarray, tried: list[clvs.CLVS]) -> tuple[int, int]:
    """(index of the best, index of the chosen) settings from right answers (questions, settings)."""
    best = int(right.mean(0).argmax())
    behind = right[:, [best]].astype(float) - right
    tied = behind.mean(0) <= behind.std(0) / math.sqrt(len(right))
    far = [abs(m.alpha - PAPER.alpha) + abs(m.beta - PAPER.beta) for m in tried]
    return best, min(np.flatnonzero(tied).tolist(), key=lambda index: (far[index], -right[:, index].sum()))


def finite(found: Any) -> Any:
    """The same with None for what is not a finite number, which JSON does not have."""
    if isinstance(found, dict):
        return {str(key): finite(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [finite(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p of McNemar's test, from the pairs that one of two methods alone gets right.

    Under the null each such pair is a fair coin's throw (McNemar, Psychometrika 12 (1947) 153).
    """
    return float(binomtest(won, lost + won).pvalue) if lost + won else 1.0


def paired_interval(differences: np.ndarray, scenes: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of `differences` (questions,).

    What is drawn again are the `scenes` (questions,) with all their questions, because questions about one scene are
    not independent (Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 and 13).
    """
    group = np.unique(scenes, return_inverse=True)[1]
    total, size = np.bincount(group, differences), np.bincount(group)
    rng, means = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(size), size=len(size))
        means.append(total[drawn].sum() / size[drawn].sum())
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
