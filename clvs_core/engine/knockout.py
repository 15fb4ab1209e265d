"""Does looking matter? An object hidden from rows of the prompt, a few layers at a time, with all methods at once.

Attention knock-out is Geva et al. 2023 (arXiv 2304.14767) for language models; *Cross-modal Information Flow in
Multimodal Large Language Models* (Zhang et al., CVPR 2025, arXiv 2411.18620) brings it to pictures, with windows of 9
of 32 layers and the relative change of the answer's probability.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from ..methods.base import Method, check_range
from ..models.activations import COPIES
from ..models.positions import at_least_float32
from .blinds import Blind, Blinded
from .branches import Branch, BranchBatch
from .checkpoint import Checkpoint
from .decode import Passes, RepetitionPenalty, decode, no_numbers
from .lens import Lens
from .runs import BranchLog, Token
from .segments import ImageSegment

Rows = Literal["word", "question", "both"]
ROWS: tuple[Rows, ...] = get_args(Rows)
THRESHOLD = 0.05  # a visual token of which the mask covers more is hidden
SHARE = 9 / 32  # of the depth, a window of Zhang et al.
_FIRST_ROWS, _ROWS = 16, 128  # of the first pass, which shows something soon, and of the others at most
_PASS_BYTES = 1 << 30  # of a pass at most

Kind = Literal["unhindered", "everywhere", "kept", "only", "control"]


@dataclass(frozen=True)
class Knockout:
    """What is left of one token of a method's answer when visual tokens are hidden around each layer.

    Numbers are NaN where they were not asked for, or, in a stream, have not come yet.

    Attributes:
        method: the method, as it was given.
        token: what it says unhindered, and `probability` how likely that is.
        kept: (layers,) float64, P(token | hidden in the window around this layer) / P(token).
        margin: (layers,) float64, by how much the token's logit comes nearer to (negative) or farther from that of the
            best other word; NaN where a contrast rules out all other words.
        instead: per layer, what it says then; None where it has not come yet.
        everywhere: float, as `kept`, with the tokens hidden in all layers.
        only: (layers,) float64, as `kept`, hidden everywhere but in the window: is looking there enough?
        control: (layers,) float64, as `kept`, mean over draws of as many other visual tokens.
        hidden: (visual,) bool.
        rows, window: as they were asked for.
        answers: per layer the whole answer when every row that writes is blinded, and `answer_everywhere`, None where
            whole answers were not asked for; `answer` is the unhindered one.
    """

    method: Method
    token: Token
    probability: float
    kept: np.ndarray
    margin: np.ndarray
    instead: list[Token | None]
    everywhere: float
    only: np.ndarray
    control: np.ndarray
    hidden: np.ndarray
    rows: Rows
    window: int
    answer: str | None = None
    answers: list[str | None] | None = None
    answer_everywhere: str | None = None

    @property
    def layers(self) -> int:
        return len(self.kept)


def usual_window(layers: int) -> int:
    """The odd window nearest to 9 of 32 layers: 3 of 12, 7 of 24, 9 of 32."""
    return 2 * int(SHARE * layers / 2) + 1


def around(layer: int, window: int, layers: int) -> frozenset[int]:
    """The layers of a window, cut at the ends."""
    return frozenset(range(max(0, layer - window // 2), min(layers, layer + window // 2 + 1)))


@dataclass(frozen=True)
class Plan:
    """What is asked of a knock-out, checked. hidden: (visual,) bool; draws: of the control."""

    hidden: np.ndarray
    layers: int
    window: int
    rows: Rows = "word"
    token: int = 0
    draws: tuple[tuple[int, ...], ...] = ()
    mirror: bool = True
    answers: bool = False

    @classmethod
    def of(
        cls,
        coverage: np.ndarray,
        layers: int,
        *,
        window: int | None,
        rows: str,
        token: int,
        control: int,
        threshold: float,
        only: bool,
        seed: int,
        answer: bool,
    ) -> Plan:
        """Raises ValueError, one sentence, for what cannot be asked. coverage: (visual,) in [0, 1]."""
        if rows not in ROWS:
            raise ValueError(f"rows must be {', '.join(ROWS[:-1])} or {ROWS[-1]}, not {rows!r:.60}.")
        window = usual_window(layers) if window is None else window
        check_range("window", window, 1, 2 * layers + 1, int)
        if window % 2 == 0:
            raise ValueError(f"window must be odd, so that it has a middle layer, not {window}.")
        check_range("token", token, 0, 1 << 20, int)
        check_range("control", control, 0, 64, int)
        check_range("threshold", threshold, 0, 1)
        hidden = coverage > threshold
        draws = tuple(_draws(hidden, int(control), seed))
        return cls(hidden, layers, int(window), rows, int(token), draws, bool(only), bool(answer))

    def probes(self, methods: int) -> list[Probe]:
        """Everything to be tried, in the order in which it is worth seeing: methods side by side."""
        every = frozenset(range(self.layers))
        tokens = tuple(np.flatnonzero(self.hidden).tolist())
        tries: list[tuple[Kind, int, tuple[int, ...], frozenset[int]]]
        tries = [("unhindered", 0, (), frozenset()), ("everywhere", 0, tokens, every)]
        windows = [(layer, around(layer, self.window, self.layers)) for layer in range(self.layers)]
        tries += [("kept", layer, tokens, inside) for layer, inside in windows]
        tries += [("only", layer, tokens, every - inside) for layer, inside in windows if self.mirror]
        tries += [("control", layer, drawn, inside) for drawn in self.draws for layer, inside in windows]
        return [Probe(method, *some) for some in tries for method in range(methods)]

    def blinded(self, probe: Probe) -> Blinded:
        """What a probe hides, and from whom."""
        if probe.kind == "unhindered":
            return Blinded()
        steps = range(1 << 30) if self.answers else range(self.token, self.token + 1)
        blind = Blind(probe.tokens, probe.layers, steps)
        return Blinded(blind if self.rows != "word" else None, blind if self.rows != "question" else None)


class Probe(NamedTuple):
    """One branch of a knock-out: which method, what is tried, around which layer, what is hidden in which layers."""

    method: int
    kind: Kind
    layer: int
    tokens: tuple[int, ...]
    layers: frozenset[int]


def _draws(hidden: np.ndarray, count: int, seed: int) -> Iterator[tuple[int, ...]]:
    """As many other visual tokens as are hidden, or all there are, drawn without replacement, `count` times."""
    others = np.flatnonzero(~hidden)
    if len(others) == 0:
        return
    random = np.random.default_rng(seed)
    for _ in range(count):
        drawn = random.choice(others, min(int(hidden.sum()), len(others)), replace=False)
        yield tuple(sorted(drawn.tolist()))


@dataclass
class Tally:
    """What the probes of one method have shown so far."""

    method: Method
    plan: Plan
    unhindered: tuple[Token, float, float] | None = None  # the token, its chance, its margin
    chances: dict[tuple[Kind, int], list[float]] = field(default_factory=dict)
    margins: dict[int, float] = field(default_factory=dict)
    instead: dict[int, Token] = field(default_factory=dict)
    texts: dict[tuple[Kind, int], str] = field(default_factory=dict)

    def result(self) -> Knockout:
        assert self.unhindered is not None, "the first probe of all"
        token, chance, margin = self.unhindered
        layers, plan = range(self.plan.layers), self.plan
        margins = np.array([self.margins.get(layer, np.nan) for layer in layers])
        moved = np.where(np.isfinite(margins), margins, np.nan) - margin if np.isfinite(margin) else margins * np.nan
        whole = plan.answers
        return Knockout(
            self.method,
            token,
            chance,
            self._curve("kept"),
            moved,
            [self.instead.get(layer) for layer in layers],
            self._share("everywhere", 0),
            self._curve("only"),
            self._curve("control"),
            plan.hidden,
            plan.rows,
            plan.window,
            self.texts.get(("unhindered", 0)),
            [self.texts.get(("kept", layer)) for layer in layers] if whole else None,
            self.texts.get(("everywhere", 0)),
        )

    def _curve(self, kind: Kind) -> np.ndarray:
        return np.array([self._share(kind, layer) for layer in range(self.plan.layers)])

    def _share(self, kind: Kind, layer: int) -> float:
        chances = self.chances.get((kind, layer))
        if not chances or self.unhindered is None:
            return float("nan")
        return float(np.mean(chances)) / self.unhindered[1]


Grow = Callable[[Sequence[int], Sequence[Blinded]], list[Branch]]  # branches of these methods, by number, and blinds


class KnockoutRun:
    """Runs the probes of a plan behind one picture, in passes that memory allows.

    methods: as given, and resolved. grow: makes branches; it is called once a pass. length: tokens behind the picture.
    log: where a method's whole answer goes. at_once: branches in a pass at most, as many as memory allows where it is
    None.
    """

    def __init__(
        self,
        model: Checkpoint,
        image: ImageSegment,
        plan: Plan,
        methods: Sequence[tuple[Method, Method]],
        grow: Grow,
        length: int,
        log: Callable[[Method], BranchLog],
        at_once: int | None = None,
    ):
        self.model, self.image, self.plan, self.grow, self.log = model, image, plan, grow, log
        self.resolved = [resolved for _, resolved in methods]
        self.tallies = [Tally(method, plan) for method, _ in methods]
        self.keys = image.length + length + plan.token + 1
        self.length, self.at_once = length, at_once

    def results(self) -> Iterator[list[Knockout]]:
        """Yields what is known after every pass; the last one is whole."""
        forced = self._answers()
        probes = self.plan.probes(len(self.tallies))
        start, most = 0, self._most()
        first = max(_FIRST_ROWS, 2 * len(self.tallies))
        size = min(most, first if len(probes) > 2 * first else len(probes))  # a pass more would cost more than waiting
        while start < len(probes):
            some = probes[start : start + size]
            self._measure(some, forced)
            if self.plan.answers:
                self._write([probe for probe in some if probe.kind in ("unhindered", "everywhere", "kept")])
            start, size = start + size, most
            yield [tally.result() for tally in self.tallies]

    def _answers(self) -> list[list[int]]:
        """The tokens before the one that is asked about, of each method's own answer."""
        if self.plan.token == 0:
            return [[] for _ in self.tallies]
        texts = self._decoded([Blinded()] * len(self.tallies), range(len(self.tallies)), self.plan.token + 1)
        for log in texts:
            if len(log.tokens) <= self.plan.token:
                raise ValueError(
                    f"token must be below {len(log.tokens)}, the number of tokens in the answer of {log.method.label}, "
                    f"not {self.plan.token}."
                )
        return [[token.id for token in log.tokens[: self.plan.token]] for log in texts]

    # --- one token ------------------------------------------------------------------------------------------------

    def _measure(self, probes: Sequence[Probe], forced: Sequence[Sequence[int]]) -> None:
        logits, chosen = self.model.room.within(functools.partial(self._logits, probes, forced))
        shares = logits.softmax(-1)
        lost = shares.isnan().any(-1).tolist()
        if any(lost):
            raise no_numbers(self.model.hf.dtype, [self.resolved[probe.method] for probe in probes], lost)
        for row, probe in enumerate(probes):
            tally = self.tallies[probe.method]
            if probe.kind == "unhindered":
                token = self._token(int(chosen[row]), forced[probe.method], float(shares[row, chosen[row]]))
                tally.unhindered = token, token.probability, _margin(logits[row], token.id)
                continue
            assert tally.unhindered is not None
            asked = tally.unhindered[0].id
            tally.chances.setdefault((probe.kind, probe.layer), []).append(float(shares[row, asked]))
            if probe.kind == "kept":
                tally.margins[probe.layer] = _margin(logits[row], asked)
                said = int(chosen[row])
                tally.instead[probe.layer] = self._token(said, forced[probe.method], float(shares[row, said]))

    @torch.no_grad()
    def _logits(self, probes: Sequence[Probe], forced: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Of the token asked about, in the probes' order and on the CPU: logits (B, V) and what is chosen (B,)."""
        hf, device = self.model.hf, self.image.device
        branches = self.grow([probe.method for probe in probes], [self.plan.blinded(probe) for probe in probes])
        lens = Lens(hf.get_output_embeddings(), hf.get_decoder().norm)
        batch = BranchBatch(
            hf.get_decoder(), self.image, branches, self.plan.token + 1, lens, every_layer=False, maps=False
        )
        passes, order = Passes(hf, lambda: batch, lens), batch.order
        penalty = RepetitionPenalty(hf, self.image, batch.questions[: batch.batch])
        ids = torch.tensor([[question.ids[-1]] for question in batch.questions], device=device)
        follow = torch.tensor(batch.follow, device=device)
        for step in range(self.plan.token):
            logits, _ = passes.forward(ids)
            penalty.choose(logits)
            heard = torch.tensor([forced[probes[place].method][step] for place in order], device=logits.device)
            penalty.heard(heard)
            ids = heard.to(device)[follow][:, None]
        logits, _ = passes.forward(ids)
        back = torch.tensor(order).argsort()
        return logits.cpu()[back], penalty.choose(logits).cpu()[back]

    def _token(self, id: int, before: Sequence[int], probability: float) -> Token:
        """A token with what it adds to the answer before it."""
        decoded = functools.partial(self.model.tokenizer.decode, skip_special_tokens=True)
        text, start = decoded([*before, id]), decoded(list(before)) if before else ""
        return Token(id, text[len(start) :] if text.startswith(start) else text, probability)

    # --- whole answers --------------------------------------------------------------------------------------------

    def _write(self, probes: Sequence[Probe]) -> None:
        logs = self._decoded([self.plan.blinded(probe) for probe in probes], [probe.method for probe in probes])
        for probe, log in zip(probes, logs, strict=True):
            self.tallies[probe.method].texts[probe.kind, probe.layer] = log.text(len(log.tokens))

    def _decoded(self, blinds: Sequence[Blinded], methods: Sequence[int], steps: int | None = None) -> list[BranchLog]:
        """Whole answers of these methods under these blinds."""
        if not blinds:
            return []
        logs = [self.log(self.resolved[method]) for method in methods]
        for log in logs:
            log.steps = steps or log.steps
        branches = self.model.room.within(functools.partial(self.grow, methods, blinds))
        model = self.model
        for _ in decode(
            model.hf,
            self.image,
            branches,
            logs,
            model.end_ids,
            model.room,
            keep_logits=False,
            every_layer=False,
            maps=False,
        ):
            pass
        return logs

    # --- how many at once -----------------------------------------------------------------------------------------

    def _most(self) -> int:
        """How many rows a pass may have: of scores, logits, and keys of their own, within what is free."""
        text = self.model.hf.config.get_text_config()
        wide = at_least_float32(self.image.keys[0].dtype).itemsize
        own = 1 if self.plan.rows == "word" else 2 + self.length
        heads, dim = self.image.keys[0].shape[1], self.image.keys[0].shape[3]
        kept = 2 * len(self.image.keys) * heads * dim * self.image.keys[0].itemsize * (own + 32)
        row = COPIES * text.num_attention_heads * self.keys * wide + 4 * text.vocab_size * wide + 2 * kept
        spare = min(_PASS_BYTES, max(self.model.room.spare(), 0) // 2)
        most = min(_ROWS, self.at_once or _ROWS)
        return int(np.clip(spare // row, min(len(self.tallies), _ROWS), max(most, len(self.tallies))))


def _margin(logits: Tensor, token: int) -> float:
    """How far a token's logit lies above the best other one; logits (V,)."""
    others = logits.clone()
    others[token] = -torch.inf
    return float(logits[token] - others.max())
