"""How attention on the key object falls over the layers: figures 2 and 6 of the CLVS paper, from a run's records.

For each question about an object of the picture, a run may hold by layer how much of the first token's attention, mean
over heads, falls on that object and on the whole picture. Here are each method's mean curve, where curves peak, how
fast they fall from there, and what a method gains over vanilla. Layers are counted from 0.

Intervals are 95 %, percentile bootstrap over pictures with all their questions (Efron and Tibshirani, An Introduction
to the Bootstrap, chapters 8 and 13); they are NaN where there is only one picture, and where every resample gives the
same number, which says nothing of how sure it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..benchmarks.bootstrap import Estimate, resampled
from ..benchmarks.running.folder import RunFolder
from ..errors import ClvsError
from ..methods.base import Pair, PaperLayers

REPLICATES = 1000
REFERENCE = "vanilla"
# The paper gives CLVS's mean gain in layers 15 to 17 of 32, +31.65 %. It does not say what it counts from; the released
# code counts from 0, and there these are the last layers before smoothing can first have stopped.
GAIN_LAYERS = PaperLayers((15, 17))


@dataclass(frozen=True, eq=False)
class Band:
    """A mean by layer and its interval: (L,) each, NaN where there is nothing to average."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Samples:
    """S questions whose key object's attention was recorded for all M methods, in a model of L layers.

    picture: (S,) int, the same number for questions about the same picture. attention: (S, M, L) on the key object.
    share: (S, M, L) of the attention on the picture, what is on the object; NaN where the picture gets none, or where
    it was not recorded.
    """

    methods: tuple[str, ...]
    ids: tuple[str, ...]
    picture: np.ndarray
    attention: np.ndarray
    share: np.ndarray

    @property
    def pictures(self) -> int:
        return len(np.unique(self.picture))

    @property
    def layers(self) -> int:
        return self.attention.shape[2]


@dataclass(frozen=True, eq=False)
class Fall:
    """One method's curves.

    attention: mean attention on the key object. share: mean share of the picture's attention. peaks: (S,) each
    sample's layer of most attention. half_lives: (S,) layers from there to half of it, infinite where it never falls
    that far.
    """

    attention: Band
    share: Band
    peaks: np.ndarray
    half_lives: np.ndarray

    @property
    def peak(self) -> int:
        """Of the mean curve."""
        return int(np.argmax(self.attention.value))

    @property
    def half_life(self) -> float:
        """Median over samples."""
        return float(np.nanmedian(self.half_lives))

    @property
    def peak_counts(self) -> np.ndarray:
        """(L,) samples that peak in each layer."""
        return np.bincount(self.peaks, minlength=len(self.attention.value))


@dataclass(frozen=True, eq=False)
class Gain:
    """A method's relative gain over vanilla, min(1, (method - vanilla) / vanilla): per sample and layer, then averaged.

    left_out: (L,) samples without a gain in that layer, because vanilla gives the object nothing there. layers: first
    and last of those over whose gains `mean` is the mean.
    """

    by_layer: Band
    left_out: np.ndarray
    layers: Pair
    mean: Estimate


@dataclass(frozen=True, eq=False)
class Decay:
    """Everything about a run's key objects. gains: of all methods but the reference; empty without a reference."""

    samples: Samples
    falls: Mapping[str, Fall]
    reference: str | None
    gains: Mapping[str, Gain]


def decay(run: RunFolder, methods: Sequence[str] | None = None, layers: Pair | None = None) -> Decay:
    """The numbers of figures 2 and 6.

    methods: by their names in the run, by default all whose attention was recorded. layers: first and last layer, from
    0, of the mean gain; by default the paper's 15 to 17 of 32, in proportion to this model's depth.

    Raises ClvsError where key-object attention was not recorded, or where the layers are not the model's.
    """
    found = samples(run, methods)
    falls = {name: _fall(found, number) for number, name in enumerate(found.methods)}
    reference = next((name for name in found.methods if run.methods[name] == REFERENCE), None)
    others = [name for name in found.methods if name != reference] if reference else []
    chosen = GAIN_LAYERS.scaled(found.layers) if layers is None else layers
    return Decay(found, falls, reference, {name: gain(found, name, str(reference), chosen) for name in others})


def samples(run: RunFolder, methods: Sequence[str] | None = None) -> Samples:
    """What `decay` is computed from: the questions that all the methods have, of every layer.

    Raises ClvsError if there are none.
    """
    held = {name: by_layer(run, name, "attention") for name in known(run, methods)}
    if methods is None:
        held = {name: rows for name, rows in held.items() if rows}
    both = [id for id in _ids(run) if all(id in rows and np.isfinite(rows[id]).all() for rows in held.values())]
    if not held or not both:
        raise ClvsError(
            f"{run.folder} holds no attention on key objects for {_listed(methods)}; "
            "run the benchmark with --key-objects."
        )
    attention = stacked([[rows[id] for id in both] for rows in held.values()], run)
    pictures = {name: by_layer(run, name, "picture_attention") for name in held}
    nothing = np.full(attention.shape[2], np.nan)
    whole = stacked([[rows.get(id, nothing) for id in both] for rows in pictures.values()], run)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(whole > 0, attention / whole, np.nan)
    return Samples(tuple(held), tuple(both), pictures_of(run, both), attention, share)


def gain(found: Samples, method: str, reference: str, layers: Pair) -> Gain:
    """How much more attention than the reference a method gives the key object; layers: first and last, from 0."""
    first, last = layers
    if not 0 <= first <= last < found.layers:
        raise ClvsError(f"Layers {first} to {last} are not among 0 to {found.layers - 1}; choose others.")
    after, before = (found.attention[:, found.methods.index(name)] for name in (method, reference))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(before > 0, np.minimum((after - before) / before, 1), np.nan)
    drawn = resampled_means(relative, found.picture)
    mean = _finite_mean(drawn[:, first : last + 1])
    low, high = interval(mean[1:, None])
    estimate = Estimate(*(None if math.isnan(value) else float(value) for value in (mean[0], low[0], high[0])))
    return Gain(_band(drawn), np.isnan(relative).sum(0), (first, last), estimate)


def half_life(curve: np.ndarray) -> float:
    """Layers from the peak of `curve` (layers,) until it is at most half of the peak, linear between layers; infinite
    where it never falls that far, NaN for a curve of zeros."""
    peak = int(np.argmax(curve))
    if not curve[peak] > 0:
        return math.nan
    half = curve[peak] / 2
    below = np.flatnonzero(curve[peak + 1 :] <= half)
    if not below.size:
        return math.inf
    layer = peak + 1 + int(below[0])
    return float(layer - 1 - peak + (curve[layer - 1] - half) / (curve[layer - 1] - curve[layer]))


def _fall(found: Samples, number: int) -> Fall:
    curves = found.attention[:, number]
    attention, share = (band(values[:, number], found.picture) for values in (found.attention, found.share))
    return Fall(attention, share, curves.argmax(1), np.array([half_life(curve) for curve in curves]))


# --- from a run's rows --------------------------------------------------------------------------------


def known(run: RunFolder, methods: Sequence[str] | None) -> list[str]:
    """The methods, by default all of the run. Raises ClvsError for one that the run does not have."""
    for name in methods or ():
        if name not in run.methods:
            raise ClvsError(f"{run.folder} has no method {name!r:.80}; it has {', '.join(run.methods)}.")
    return list(run.methods if methods is None else dict.fromkeys(methods))


def by_layer(run: RunFolder, method: str, name: str) -> dict[str, np.ndarray]:
    """What a run recorded by layer, by question id: (L,) float64 each, NaN where a layer has null.

    Raises ClvsError for anything but lists of numbers.
    """
    found = {}
    for id, values in run.column(method, name).items():
        try:
            found[id] = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            found[id] = np.empty(0)
        if found[id].ndim != 1 or not found[id].size:
            raise ClvsError(
                f"In {run.folder} the {name} of question {id:.80} is no list of numbers; run the benchmark anew."
            )
    return found


def stacked(rows: Sequence[Sequence[np.ndarray]], run: RunFolder) -> np.ndarray:
    """(S, M, L) of M times S rows. Raises ClvsError where they have different numbers of layers."""
    if len({len(row) for several in rows for row in several}) > 1:
        raise ClvsError(f"{run.folder} has records of different numbers of layers; run the benchmark anew.")
    return np.swapaxes(np.array(rows, dtype=np.float64), 0, 1)


def pictures_of(run: RunFolder, ids: Sequence[str]) -> np.ndarray:
    """(S,) int: which picture each question is about; one without a file name counts as its own."""
    names = {question.id: question.image or question.id for question in run.questions}
    return np.unique([names[id] for id in ids], return_inverse=True)[1]


def _ids(run: RunFolder) -> list[str]:
    return list(dict.fromkeys(question.id for question in run.questions))


def _listed(methods: Sequence[str] | None) -> str:
    return ", ".join(methods) if methods else "any method"


# --- bootstrap ----------------------------------------------------------------------------------------


def resampled_means(values: np.ndarray, group: np.ndarray, replicates: int = REPLICATES) -> np.ndarray:
    """(1 + replicates, L) means of `values` (S, L) without its NaN: the real ones, then of samples of the groups.

    group: (S,) int from 0; a sample draws as many groups as there are, with all they hold. NaN where no value is left,
    and in samples of a single group, which cannot differ.
    """
    finite = np.isfinite(values)
    groups = int(group.max()) + 1
    sums, counts = np.zeros((2, groups, values.shape[1]))
    np.add.at(sums, group, np.where(finite, values, 0))
    np.add.at(counts, group, finite)
    weights = np.vstack([np.ones(groups), resampled(groups, replicates)])
    with np.errstate(invalid="ignore"):
        means = (weights @ sums) / (weights @ counts)
    means[1:] = means[1:] if groups > 1 else np.nan
    return means


def interval(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles 2.5 and 97.5 of `drawn` (replicates, L) without its NaN; NaN where nothing else is left, or only
    numbers that are the same but for rounding."""
    finite = np.isfinite(drawn)
    highest, lowest = (
        end(np.where(finite, drawn, fill), axis=0) for end, fill in ((np.max, -np.inf), (np.min, np.inf))
    )
    none = ~finite.any(0)
    none[~none] = (highest - lowest)[~none] <= 1e-12 * np.maximum(1, np.abs(highest[~none]))
    low, high = np.nanpercentile(np.where(none, 0, drawn), [2.5, 97.5], axis=0)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _band(drawn: np.ndarray) -> Band:
    return Band(drawn[0], *interval(drawn[1:]))


def band(values: np.ndarray, picture: np.ndarray) -> Band:
    """Mean of (S, L) values and its interval; picture: (S,) which each is about."""
    return _band(resampled_means(values, picture))


def _finite_mean(values: np.ndarray) -> np.ndarray:
    """(R,) means of (R, L) without NaN."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(finite, values, 0).sum(1) / finite.sum(1)
