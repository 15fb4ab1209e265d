"""What CLVS's settings do to a benchmark's scores: figures 7 and 8 of the CLVS paper, from one run of many settings.

A sweep is a set of CLVS settings that differ from each other in alpha only, in beta only, or in both, which makes a
grid. All its points, and vanilla, are scored on the same questions: those that all of them have answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..benchmarks.benchmark import Benchmark
from ..benchmarks.bootstrap import Estimate
from ..benchmarks.question import Question
from ..benchmarks.running.folder import RunFolder
from ..benchmarks.scores import Change, Group, asked_twice
from ..methods import CLVS, method
from ..methods.base import FAR, Target
from ..models.registry import card_for, settings_for

LEAST = 3  # different values; fewer are no sweep

Scores = Mapping[str, Estimate]
Family = Mapping[tuple[float, float], str]  # alpha and beta of settings that are alike otherwise -> name in the run


@dataclass(frozen=True)
class Point:
    """One setting: its name in the run, alpha and beta, and its scores."""

    method: str
    alpha: float
    beta: float
    scores: Scores


@dataclass(frozen=True, eq=False)
class Sweep:
    """Settings of CLVS that differ only in `over`: ("alpha",), ("beta",) or ("alpha", "beta").

    settings: alpha and beta, rising -> name in the run. card: CLVS as the model's card recommends it. asked: the
    questions that are scored. Scores are in percent, or in points where the benchmark gives points, and unrounded; each
    is worked out when it is asked for.
    """

    run: RunFolder
    over: tuple[str, ...]
    settings: Family
    card: CLVS
    asked: Sequence[Question]

    @property
    def questions(self) -> int:
        return len(self.asked)

    @property
    def pictures(self) -> int:
        return len({question.image or question.id for question in self.asked})

    @property
    def clvs(self) -> CLVS:
        """One of the settings, for what all of them have in common."""
        return clvs_settings(self.run)[next(iter(self.settings.values()))]

    @cached_property
    def points(self) -> tuple[Point, ...]:
        return tuple(Point(name, *pair, self._scores(name)) for pair, name in self.settings.items())

    @cached_property
    def vanilla(self) -> Scores | None:
        """None if the run does not have it."""
        name = _vanilla(self.run)
        return None if name is None else self._scores(name)

    @property
    def asks_twice(self) -> bool:
        """Whether a question is asked more than once, so that accuracy's intervals are of a bootstrap."""
        return asked_twice(self.asked)

    @property
    def card_point(self) -> Point | None:
        """The point of the card's settings; None if it is not among them."""
        card = {"alpha": self.card.alpha, "beta": self.card.beta}
        return next((p for p in self.points if all(getattr(p, name) == card[name] for name in self.over)), None)

    def change(self, point: Point) -> Scores:
        """The point's scores minus vanilla's, with paired intervals; empty if the run does not have vanilla."""
        vanilla, benchmark = _vanilla(self.run), self.run.benchmark
        if vanilla is None:
            return {}
        found = benchmark.compare(self.asked, self._answers(point.method), self._answers(vanilla))
        return headline(benchmark, found)

    def _answers(self, name: str) -> dict[str, str]:
        return {question.id: self.run.answers[name][question.id] for question in self.asked}

    def _scores(self, name: str) -> Scores:
        benchmark = self.run.benchmark
        return headline(benchmark, benchmark.score(self.asked, self._answers(name)).groups)


def sweeps(run: RunFolder) -> list[Sweep]:
    """The sweeps in a run: of alpha at the card's beta, of beta at the card's alpha, and grids.

    Where the card's value is not among them, the longest sweep is taken. Settings that differ in anything else, such
    as early termination, make sweeps of their own. Sweeps of which nothing has been answered yet are left out.
    """
    families: dict[CLVS, dict[tuple[float, float], str]] = {}
    for name, clvs in clvs_settings(run).items():
        alike = replace(clvs, alpha=1.0, beta=None)
        families.setdefault(alike, {}).setdefault((clvs.alpha, float(clvs.beta or 0)), name)
    card, vanilla = card_setting(run), _vanilla(run)
    found = [
        Sweep(run, over, settings, card, common(run, [*settings.values(), *([vanilla] if vanilla else [])]))
        for family in families.values()
        for over, settings in _lines(family, card)
    ]
    return [sweep for sweep in found if sweep.asked]


def clvs_settings(run: RunFolder) -> dict[str, CLVS]:
    """The run's methods that are CLVS and nothing else, with all their settings, in the run's order."""
    found = {}
    for name, spec in run.methods.items():
        try:
            one = method(spec).resolve(_target(run))
        except ValueError:  # a method of one's own, which need not be known here
            continue
        if isinstance(one, CLVS):
            found[name] = one
    return found


def card_setting(run: RunFolder) -> CLVS:
    """CLVS as the card of the run's model recommends it."""
    return CLVS().resolve(_target(run))


def common(run: RunFolder, methods: Sequence[str]) -> list[Question]:
    """The questions that all of these methods have answered; of a benchmark of pairs, only whole pairs."""
    held = [question for question in run.questions if all(question.id in run.answers[name] for name in methods)]
    if not run.benchmark.paired:
        return held
    counts: dict[tuple[str, str], int] = {}
    for question in held:
        key = (question.kind, question.image)
        counts[key] = counts.get(key, 0) + 1
    return [question for question in held if counts[question.kind, question.image] == 2]


def headline(benchmark: Benchmark, groups: Mapping[str, Group] | Mapping[str, Change]) -> dict[str, Estimate]:
    """Unrounded scores over everything, by name, or their changes: AMBER's scorer rounds to steps that are too wide.

    Accuracy, and F1 of the answer that the benchmark calls positive, in percent; where a benchmark adds tasks up, its
    total. Intervals are those of `Group`: accuracy's is Wilson's where no question is asked twice.
    """
    if benchmark.paired:
        return {"total": groups["total"].score or Estimate(None, None, None)}
    return {"accuracy": _percent(groups["All"].accuracy), "F1": _percent(groups["All"].f1)}


def _percent(share: Estimate) -> Estimate:
    return Estimate(*(None if value is None else 100 * value for value in (share.value, share.low, share.high)))


# --- which settings make a sweep ----------------------------------------------------------------------


def _lines(family: Family, card: CLVS) -> Iterator[tuple[tuple[str, ...], Family]]:
    """What differs, and the settings that differ in it."""
    chosen = {
        ("alpha",): _line(family, 1, float(card.beta or 0)),
        ("beta",): _line(family, 0, card.alpha),
        ("alpha", "beta"): _grid(family),
    }
    return ((over, {pair: family[pair] for pair in sorted(pairs)}) for over, pairs in chosen.items() if pairs)


def _line(family: Family, fixed: int, usual: float) -> list[tuple[float, float]]:
    """The settings whose value number `fixed` is the usual one, or else that of most of them; at least `LEAST`."""
    groups: dict[float, list[tuple[float, float]]] = {}
    for pair in family:
        groups.setdefault(pair[fixed], []).append(pair)
    long = {value: pairs for value, pairs in groups.items() if len(pairs) >= LEAST}
    return long.get(usual) or max(long.values(), key=len, default=[])


def _grid(family: Family) -> list[tuple[float, float]]:
    """The settings in rows and columns of at least `LEAST`, if there are as many of both."""
    alphas, betas = (
        {value for value, times in Counter(pair[of] for pair in family).items() if times >= LEAST} for of in (0, 1)
    )
    full = len(alphas) >= LEAST and len(betas) >= LEAST
    return [pair for pair in family if full and pair[0] in alphas and pair[1] in betas]


def _vanilla(run: RunFolder) -> str | None:
    return next((name for name, spec in run.methods.items() if spec == "vanilla"), None)


def _target(run: RunFolder) -> Target:
    about = run.about["model"]
    layers, family = about.get("layers"), str(about.get("family", ""))
    card = card_for(str(about.get("name", "")))
    # A folder that is not here any more leaves its family to run.json.
    if family and family != card.family:
        card = replace(card, family=family, settings=settings_for(family)[0])
    return Target.of(card, layers if isinstance(layers, int) else FAR)
