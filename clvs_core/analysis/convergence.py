"""How a layer's uncertainty goes with whether the answer has converged there: figure 4 of the CLVS paper.

Uncertainty u^l is the entropy of what layer l would say (eq. 8), the flag c^l whether it and all later layers would say
the word that the model does say. Observations are pooled over questions and layers. Layers are counted from 0.

Intervals are 95 %, percentile bootstrap over questions with all their layers, which are not independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from ..benchmarks.bootstrap import Estimate, wilson
from ..benchmarks.running.folder import RunFolder
from ..errors import ClvsError
from .decay import by_layer, interval, known, resampled_means, stacked
from .sweep import card_setting, clvs_settings

Pair = tuple[float, float]


@dataclass(frozen=True)
class Fit:
    """How uncertainty goes with convergence, over all `observations`; NaN where all flags are the same.

    correlation, p: point-biserial; p takes the observations as independent, which they are not. intercept, slope: of
    the logistic regression P(converged) = 1 / (1 + exp(-(intercept + slope * uncertainty))). half_converged: the
    uncertainty at which half have converged, -intercept / slope.
    """

    observations: int
    correlation: float
    p: float
    intercept: float
    slope: float
    slope_interval: Pair
    half_converged: float
    half_converged_interval: Pair
    correlation_interval: Pair

    def share(self, uncertainty: np.ndarray) -> np.ndarray:
        """What share has converged at an uncertainty, by the logistic regression."""
        return expit(self.intercept + self.slope * uncertainty)


@dataclass(frozen=True)
class Layer:
    """One layer, from 0: its questions, the share that has converged, mean uncertainty, point-biserial correlation.

    below: the share whose uncertainty is below gamma. too_early: of these, the share that has not converged.
    """

    layer: int
    questions: int
    converged: float
    uncertainty: float
    correlation: float
    below: float
    too_early: float


@dataclass(frozen=True)
class Stops:
    """Where smoothing would stop at a threshold: after the first layer from first_check on with uncertainty below it.

    Shares of all questions: stopped, those that stop at all; too_early, those that stop before they have converged.
    layer: the mean one after which they stop, from 0; NaN if none does.
    """

    gamma: float
    first_check: int
    questions: int
    stopped: Estimate
    too_early: Estimate
    layer: float


@dataclass(frozen=True, eq=False)
class Convergence:
    """One method of a run. uncertainty: (Q, L), NaN where it was not measured. flags: (Q, L) bool."""

    method: str
    uncertainty: np.ndarray
    flags: np.ndarray
    fit: Fit
    layers: tuple[Layer, ...]
    stops: Stops


def convergence(run: RunFolder, method: str | None = None, gamma: float | None = None) -> Convergence:
    """The numbers of figure 4 for one method, by default vanilla, else the first that has them.

    gamma: by default that of the run's first CLVS, else the one that the model's card names.
    Raises ClvsError where uncertainty was not recorded.
    """
    method, uncertainty, flags = observed(run, method)
    usual = next(iter(clvs_settings(run).values()), None) or card_setting(run)
    gamma = usual.gamma if gamma is None else gamma
    depth = uncertainty.shape[1]
    first = depth // 2 + 1 if usual.first_check is None else usual.first_check
    layers = tuple(_layer(number, uncertainty[:, number], flags[:, number], gamma) for number in range(depth))
    return Convergence(
        method, uncertainty, flags, fit(uncertainty, flags), layers, stops(uncertainty, flags, gamma, first)
    )


def observed(run: RunFolder, method: str | None = None) -> tuple[str, np.ndarray, np.ndarray]:
    """(method, uncertainty (Q, L), flags (Q, L)) of the Q questions for which both were recorded, in their order."""
    names = known(run, None if method is None else [method])
    names.sort(key=lambda name: run.methods[name] != "vanilla")
    for name in names:
        uncertainty, flags = by_layer(run, name, "uncertainty"), by_layer(run, name, "converged")
        both = [id for id in uncertainty if id in flags]
        if both:
            values, said = stacked([[some[id] for id in both] for some in (uncertainty, flags)], run).swapaxes(0, 1)
            return name, values, said == 1
    raise ClvsError(f"{run.folder} holds no uncertainty of {', '.join(names)}; run the benchmark with --lens.")


def stops(uncertainty: np.ndarray, flags: np.ndarray, gamma: float, first_check: int) -> Stops:
    """Where smoothing would stop; uncertainty, flags: (Q, L), at least one question."""
    below = uncertainty[:, first_check:] < gamma
    stopped = below.any(1)
    layer = first_check + below.argmax(1) if below.shape[1] else np.zeros(len(below), int)
    early = stopped & ~flags[np.arange(len(flags)), layer]
    total = len(flags)
    mean = float(layer[stopped].mean()) if stopped.any() else math.nan
    return Stops(gamma, first_check, total, wilson(int(stopped.sum()), total), wilson(int(early.sum()), total), mean)


def binned(uncertainty: np.ndarray, flags: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, ...]:
    """Share of converged observations, the ends of its interval, and how many there are, by bin of uncertainty: (B,).

    edges: (B + 1,), rising; the last bin includes its right edge. NaN where a bin is empty.
    """
    bins = np.clip(np.searchsorted(edges, uncertainty, side="right") - 1, 0, len(edges) - 2)
    inside = np.isfinite(uncertainty) & (uncertainty >= edges[0]) & (uncertainty <= edges[-1])
    columns = [np.where(inside & (bins == number), flags, np.nan) for number in range(len(edges) - 1)]
    question = np.broadcast_to(np.arange(len(flags))[:, None], flags.shape)
    values = np.stack([column.ravel() for column in columns], axis=1)  # (Q * L, B)
    drawn = resampled_means(values, question.ravel())
    return drawn[0], *interval(drawn[1:]), np.isfinite(values).sum(0)


# --- the statistics -----------------------------------------------------------------------------------


def logistic(
    uncertainty: np.ndarray, flags: np.ndarray, weights: np.ndarray | None = None, near: Pair = (0.0, 0.0)
) -> tuple[float, float]:
    """(intercept, slope) of P(flag) = 1 / (1 + exp(-(intercept + slope * uncertainty))), maximum likelihood.

    All arrays (observations,); NaN where all flags are the same, which has no maximum. near: where to start from.
    """
    flags = flags.astype(float)
    weights = np.ones_like(flags) if weights is None else weights.astype(float)
    if not _varies(flags[weights > 0]):
        return math.nan, math.nan
    weights = weights / weights.sum()
    design = np.stack([np.ones_like(uncertainty), uncertainty])

    def loss(parameters: np.ndarray) -> float:
        score = parameters @ design
        return weights @ (np.logaddexp(0, score) - flags * score)

    def slope(parameters: np.ndarray) -> np.ndarray:
        return design @ (weights * (expit(parameters @ design) - flags))

    def curvature(parameters: np.ndarray) -> np.ndarray:
        share = expit(parameters @ design)
        return (design * (weights * share * (1 - share))) @ design.T

    found = minimize(loss, np.array(near), jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-9})
    return float(found.x[0]), float(found.x[1])


def fit(uncertainty: np.ndarray, flags: np.ndarray, seed: int = 0, resamples: int = 300) -> Fit:
    """How uncertainty goes with convergence; both (questions, layers). Layers that were not measured are left out."""
    from scipy.stats import pointbiserialr  # slow to import, and the command line imports this module

    known = np.isfinite(uncertainty)
    pooled, said = uncertainty[known], flags[known]
    correlation = pointbiserialr(said, pooled) if _varies(said) and _varies(pooled) else None
    intercept, slope = logistic(pooled, said)
    points, met, index = _distinct(pooled, said)
    question = np.nonzero(known)[0]
    rng, drawn = np.random.default_rng(seed), [(math.nan,) * 3]
    for _ in range(resamples if len(flags) > 1 else 0):  # samples of one question cannot differ
        times = np.bincount(rng.integers(len(flags), size=len(flags)), minlength=len(flags))
        weights = np.bincount(index, times[question], minlength=len(points))
        drawn.append((*logistic(points, met, weights, (intercept, slope)), _correlation(points, met, weights)))
    intercepts, slopes, correlations = np.array(drawn).T
    return Fit(
        observations=len(said),
        correlation=float(correlation.statistic) if correlation else math.nan,
        p=float(correlation.pvalue) if correlation else math.nan,
        intercept=intercept,
        slope=slope,
        slope_interval=_interval(slopes),
        half_converged=_ratio(-intercept, slope),
        half_converged_interval=_interval([_ratio(-one, other) for one, other in zip(intercepts, slopes, strict=True)]),
        correlation_interval=_interval(correlations),
    )


def _layer(number: int, uncertainty: np.ndarray, flags: np.ndarray, gamma: float) -> Layer:
    known = np.isfinite(uncertainty)
    values, said = uncertainty[known], flags[known]
    below = values < gamma
    return Layer(
        number,
        len(values),
        _share(said),
        float(values.mean()) if len(values) else math.nan,
        _correlation(values, said, np.ones(len(values))),
        _share(below),
        _share(~said[below]),
    )


def _distinct(uncertainty: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different observations, (N,) uncertainty and (N,) flag, and which each one is: stored values are rounded, so
    that many repeat, and sums over them are short."""
    index = np.empty(len(flags), int)
    high, index[flags] = np.unique(uncertainty[flags], return_inverse=True)
    low, index[~flags] = np.unique(uncertainty[~flags], return_inverse=True)
    index[~flags] += len(high)
    return np.concatenate([high, low]), np.arange(len(high) + len(low)) < len(high), index


def _correlation(uncertainty: np.ndarray, flags: np.ndarray, weights: np.ndarray) -> float:
    """Pearson's, which is the point-biserial one for flags; NaN where either does not vary."""
    held = weights > 0
    if not _varies(uncertainty[held]) or not _varies(flags[held]):
        return math.nan
    weights = weights / weights.sum()
    first, second = uncertainty - weights @ uncertainty, flags - weights @ flags
    return float(weights @ (first * second) / math.sqrt((weights @ first**2) * (weights @ second**2)))


def _varies(values: np.ndarray) -> bool:
    return len(values) > 0 and bool((values != values[0]).any())


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else math.nan


def _interval(drawn: np.ndarray | list[float]) -> Pair:
    low, high = interval(np.asarray(drawn)[:, None])
    return float(low[0]), float(high[0])
