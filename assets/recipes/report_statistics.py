"""The statistics of the report, each with its definition; nothing here knows the model."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binomtest, pointbiserialr

RESAMPLES = 2000


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


def half_life(curve: np.ndarray) -> float:
    """Layers from the peak of `curve` (layers,) until it is at most half of the peak, linear between layers; infinite
    where it never falls that far."""
    peak = int(np.argmax(curve))
    half = curve[peak] / 2
    below = np.flatnonzero(curve[peak + 1 :] <= half)
    if not below.size:
        return math.inf
    layer = peak + 1 + int(below[0])
    return float(layer - 1 - peak + (curve[layer - 1] - half) / (curve[layer - 1] - curve[layer]))


def converged(said: np.ndarray, final: int) -> np.ndarray:
    """(layers,) bool: this layer and all later ones would say the `final` token; `said` (layers,) ids.

    The CLVS paper's convergence flag c^l.
    """
    return np.logical_and.accumulate((said == final)[::-1])[::-1]


def logistic(uncertainty: np.ndarray, flags: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """(intercept, slope) of P(flag) = 1 / (1 + exp(-(intercept + slope * uncertainty))), maximum likelihood.

    All arrays (observations,); NaN where all flags are the same, which has no maximum.
    """
    flags = flags.astype(float)
    weights = np.ones_like(flags) if weights is None else weights.astype(float)
    weights = weights / weights.sum()
    if not 0 < weights @ flags < 1:
        return math.nan, math.nan
    design = np.stack([np.ones_like(uncertainty), uncertainty])

    def loss(parameters):
        score = parameters @ design
        return weights @ (np.logaddexp(0, score) - flags * score)

    def slope(parameters):
        return design @ (weights * (expit(parameters @ design) - flags))

    def curvature(parameters):
        share = expit(parameters @ design)
        return (design * (weights * share * (1 - share))) @ design.T

    found = minimize(loss, np.zeros(2), jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-9})
    return float(found.x[0]), float(found.x[1])


def convergence(uncertainty: np.ndarray, flags: np.ndarray, seed: int = 0, resamples: int = 300) -> dict:
    """How uncertainty goes with convergence; both (questions, layers), pooled over questions and layers.

    The point-biserial correlation with its p value, and the logistic regression with the uncertainty at which half have
    converged, -intercept / slope. Intervals: 95 %, percentile bootstrap over questions with all their layers; the p
    value takes the observations as independent, which they are not.
    """
    correlation = pointbiserialr(flags.ravel(), uncertainty.ravel())
    intercept, slope = logistic(uncertainty.ravel(), flags.ravel())
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(resamples):
        times = np.bincount(rng.integers(len(flags), size=len(flags)), minlength=len(flags))
        drawn.append(logistic(uncertainty.ravel(), flags.ravel(), np.repeat(times, flags.shape[1])))
    several = np.array(drawn)
    middle = np.percentile(-several[:, 0] / several[:, 1], [2.5, 97.5])
    return {
        "observations": flags.size,
        "correlation": float(correlation.statistic),
        "p": float(correlation.pvalue),
        "intercept": intercept,
        "slope": slope,
        "slope_interval": np.percentile(several[:, 1], [2.5, 97.5]).tolist(),
        "half_converged": -intercept / slope,
        "half_converged_interval": middle.tolist(),
    }
