"""How sure a number is: Wilson's intervals of shares, and bootstrap samples of pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .parsers import Judged
from .question import Masks

REPLICATES, SEED, LEVEL = 2000, 0, 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval, all None where there is nothing to estimate it from.

    low, high: None, too, where a bootstrap gives the same number every time, which says nothing of how sure it is.
    """

    value: float | None
    low: float | None
    high: float | None


def wilson(successes: int, trials: int) -> Estimate:
    """Wilson's score interval of a share."""
    if not trials:
        return Estimate(None, None, None)
    from scipy.stats import binomtest  # slow to import, and the command line imports this module

    found = binomtest(successes, trials).proportion_ci(LEVEL, "wilson")
    return Estimate(successes / trials, float(found.low), float(found.high))


# --- bootstrap ----------------------------------------------------------------------------------------

# Columns of counts: answers, those that are neither yes nor no as lost; pictures whose answers are all right; pictures.
_TP, _FP, _TN, _FN, _LOST_YES, _LOST_NO, _ALL_RIGHT, _ASKED = range(8)
SHARES = ("accuracy", "true_positive_rate", "false_positive_rate")


def resampled(groups: int, replicates: int) -> np.ndarray:
    """(replicates, groups) how often each group is drawn; the same for as many groups, so that methods are paired."""
    return np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1 / groups), size=replicates)


class Samples:
    """Counts of each group by picture, and of bootstrap samples of the pictures.

    The pictures of a sample depend on their number alone, so that two methods on the same questions are paired.
    """

    def __init__(self, judged: Judged, groups: Masks, positive: str):
        self.pictures = int(judged.image.max()) + 1
        self.positive = positive
        self.groups = list(groups)
        by_group = [_counts(judged.chosen(mask), self.pictures) for mask in groups.values()]
        drawn = resampled(self.pictures, REPLICATES)
        # (1 + REPLICATES, 8) a group: the first row is the real sample.
        weights = np.vstack([np.ones(self.pictures), drawn])
        self.sums = {name: weights @ counts for name, counts in zip(self.groups, by_group, strict=True)}
        self.sums["total"] = weights @ _counts(judged, self.pictures)

    def values(self, name: str, key: str) -> np.ndarray:
        """(1 + REPLICATES,) of a statistic, NaN where it is not defined."""
        if key == "score" and name == "total":
            return np.sum([self.values(task, key) for task in self.groups], axis=0)
        return _statistic(self.sums[name], key, self.positive)

    def estimate(self, name: str, key: str) -> Estimate:
        return percentiles(self.values(name, key))

    def shares(self, name: str, *, asked_twice: bool) -> tuple[Estimate, Estimate, Estimate]:
        """Accuracy, true and false positive rate; asked_twice: whether the group asks a question more than once."""
        if asked_twice:
            accuracy, true_positive_rate, false_positive_rate = (self.estimate(name, key) for key in SHARES)
            return accuracy, true_positive_rate, false_positive_rate
        tp, fp, tn, fn, lost_yes, lost_no = map(int, self.sums[name][0, :_ALL_RIGHT])
        yes, no = tp + fn + lost_yes, tn + fp + lost_no
        return wilson(tp + tn, yes + no), wilson(tp, yes), wilson(fp, no)

    def change(self, before: Samples, name: str, key: str) -> Estimate:
        return percentiles(self.values(name, key) - before.values(name, key))


def _counts(judged: Judged, pictures: int) -> np.ndarray:
    """(pictures, 8) float64 of the columns above."""
    yes, said = judged.truth, judged.said
    kinds = [
        yes & (said == 1),
        ~yes & (said == 1),
        ~yes & (said == 0),
        yes & (said == 0),
        yes & (said == -1),
        ~yes & (said == -1),
    ]
    columns = [np.bincount(judged.image[kind], minlength=pictures) for kind in kinds]
    asked = np.bincount(judged.image, minlength=pictures) > 0
    wrong = np.bincount(judged.image[said != yes], minlength=pictures) > 0
    return np.stack([*columns, asked & ~wrong, asked], axis=1).astype(float)


def _statistic(sums: np.ndarray, key: str, positive: str) -> np.ndarray:
    """(R,) from (R, 8) counts."""
    tp, fp, tn, fn, lost_yes, lost_no, all_right, asked = sums.T
    yes, no = tp + fn + lost_yes, tn + fp + lost_no
    hit, said, true = (tp, tp + fp, yes) if positive == "yes" else (tn, tn + fn, no)
    with np.errstate(divide="ignore", invalid="ignore"):
        if key == "accuracy":
            return (tp + tn) / (yes + no)
        if key == "true_positive_rate":
            return tp / yes
        if key == "false_positive_rate":
            return fp / no
        if key == "f1":
            # 2PR/(P+R) without its gap at P = R = 0, where it is 0.
            return 2 * hit / (said + true)
        return 100 * (tp + tn) / (yes + no) + 100 * all_right / asked


def percentiles(values: np.ndarray) -> Estimate:
    """The first value, with percentiles of the others; without where these are all the same."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(drawn):
        return Estimate(None, None, None)
    if np.ptp(drawn) < 1e-9:  # all the same, but for rounding
        return Estimate(float(values[0]), None, None)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values[0]), float(low), float(high))
