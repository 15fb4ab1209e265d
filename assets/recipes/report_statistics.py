"""The statistics of the report, each with its definition; nothing here knows the model."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from scipy.stats import binomtest

from clvs_core.analysis.convergence import fit, logistic
from clvs_core.analysis.decay import half_life
from clvs_core.methods.clvs import converged

RESAMPLES = 2000

__all__ = ["converged", "convergence", "half_life", "logistic", "mcnemar", "paired_interval", "wilson"]


def wilson(right: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 22 (1927) 209), without continuity correction."""
    found = binomtest(right, total).proportion_ci(0.95, "wilson")
    return float(found.low), float(found.high)


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


def convergence(uncertainty: np.ndarray, flags: np.ndarray, seed: int = 0, resamples: int = 300) -> dict:
    """How uncertainty goes with convergence, both (questions, layers): the attributes of `fit`'s outcome, for JSON."""
    return asdict(fit(uncertainty, flags, seed, resamples))
