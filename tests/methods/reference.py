"""The methods read literally, one row at a time, from their released code: plain float64 arrays and loops.

Nothing here comes from `clvs_core.methods` but the settings. A *row* is what one token gives to every token of the
sequence, for each head: scores or weights (heads, keys). CLVS has a reading of its own in `reference.py`.
"""

from __future__ import annotations

import numpy as np

from clvs_core import ADHH, PAI, TARAC, VAF, VAR, VCD
from clvs_core.methods import Method

# Layer ranges of the papers' 32 layers, in models of 4: 9 to 14 and 9 to 15 start and end in the second layer.
IN_FOUR_LAYERS = {VAF: (1, 1), TARAC: (1, 1)}


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis; -inf becomes 0."""
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def relative(hidden: np.ndarray) -> np.ndarray:
    """Sizes of hidden states (tokens, width) in every dimension, in units of each state's root mean square."""
    return np.abs(hidden) / np.sqrt((hidden * hidden).mean(-1, keepdims=True) + 1e-6)


class MethodReading:
    """One method on the rows of one sequence; this one edits nothing.

    visual: where the picture's tokens stand. prompt: how many tokens the prompt has. all_rows: rows of the prompt's
    tokens after the picture are edited, too, not only those that predict a generated token. A forward pass calls
    `begin`, then in every layer `enter` once and the rest for one row after another, in their order.
    """

    all_rows = False
    before_memory = False  # works before CLVS, where both are combined

    def __init__(self, settings, visual: list[int], prompt: int):
        self.settings, self.visual, self.prompt = settings, visual, prompt
        self.start, self.end = visual[0], visual[-1] + 1
        layers = getattr(settings, "layers", None)
        default = type(settings)().layers if layers is not None else None
        self.layers = IN_FOUR_LAYERS[type(settings)] if layers is not None and layers is default else layers

    def begin(self) -> None: ...

    def enter(self, layer: int, hidden: np.ndarray) -> None:
        """Hidden states (keys, width) entering a layer."""

    def scores(self, layer: int, z: np.ndarray) -> np.ndarray:
        return z

    def weights(self, layer: int, a: np.ndarray) -> np.ndarray:
        return a

    def records(self, layer: int) -> dict[str, np.ndarray]:
        """What the trace keeps of the row that was edited last."""
        return {}


class VAFReading(MethodReading):
    """Scores of the picture times `enhance`, of everything before it times `suppress`."""

    all_rows = True

    def scores(self, layer, z):
        if not self.layers[0] <= layer <= self.layers[1]:
            return z
        new = z.copy()
        new[:, self.visual] = self.settings.enhance * z[:, self.visual]
        new[:, : self.start] = self.settings.suppress * z[:, : self.start]
        return new


class PAIReading(MethodReading):
    """Attention part: a score of the picture grows by alpha times its size."""

    def scores(self, layer, z):
        if layer < self.settings.start_layer:
            return z
        new = z.copy()
        new[:, self.visual] = z[:, self.visual] + self.settings.alpha * np.abs(z[:, self.visual])
        return new


class VARReading(MethodReading):
    """Sinks of the prompt by layer, heads that look at the picture, and what they give away."""

    all_rows, before_memory = True, True

    def begin(self):
        self.sinks: dict[int, list[int]] = {}
        self.would_be: dict[int, list[int]] = {}  # generated tokens as large as a sink: they are none

    def enter(self, layer, hidden):
        size = relative(hidden)[:, list(self.settings.dims)].max(-1)
        large = [j for j in range(len(hidden)) if layer >= 2 and size[j] > self.settings.tau]
        self.sinks[layer] = [j for j in large if j < self.prompt]
        self.would_be[layer] = [j for j in large if j >= self.prompt]

    def weights(self, layer, a):
        s, sinks = self.settings, self.sinks[layer]
        rho, p = (1 - s.rho, 1 - s.p) if s.paper_convention else (s.rho, s.p)
        seen = sorted(set(sinks) & set(self.visual))
        others = sorted(set(self.visual) - set(sinks))
        self.chosen = np.zeros(len(a), bool)
        if not seen or not others:
            return a
        new = a.copy()
        for h, row in enumerate(a):
            ratio = row[seen].sum() / (row[self.visual] + 1e-6).sum()
            self.chosen[h] = ratio <= rho and row[self.visual].sum() >= s.summ
            if self.chosen[h]:
                budget = (1 - p) * row[sinks].sum()
                new[h, sinks] = p * row[sinks]
                new[h, others] = row[others] + budget * row[others] / row[others].sum()
        return new

    def records(self, layer):
        return {"sinks": np.isin(self.visual, self.sinks[layer]), "acted_heads": self.chosen.copy()}


class TARACReading(MethodReading):
    """What the strongest head saw, averaged over the generated tokens of one layer, is added to the row."""

    def begin(self):
        self.accumulated: dict[int, np.ndarray] = {}

    def weights(self, layer, a):
        s = self.settings
        if not self.layers[0] <= layer <= self.layers[1]:
            return a
        newest = a[:, self.visual].max(0)
        if layer in self.accumulated:
            newest = s.alpha * newest + (1 - s.alpha) * self.accumulated[layer]
        self.accumulated[layer] = newest
        new = a.copy()
        new[:, self.visual] += s.beta * newest
        return new / new.sum(-1, keepdims=True)

    def records(self, layer):
        nothing = np.full(len(self.visual), np.nan)
        return {"accumulation": self.accumulated.get(layer, nothing)}


class ADHHReading(MethodReading):
    """Listed heads that give the text after the picture enough give it nothing; rows are not divided."""

    def begin(self):
        self.heard: dict[int, np.ndarray] = {}  # what each head gives to that text, in the newest row

    def weights(self, layer, a):
        new, self.silenced = a.copy(), np.zeros(len(a), bool)
        self.heard[layer] = a[:, self.end :].sum(-1)
        for listed, head in self.settings.heads:
            if listed == layer and a[head, self.end :].sum() >= self.settings.threshold:
                new[head, self.end :] = 0
                self.silenced[head] = True
        return new

    def records(self, layer):
        return {"acted_heads": self.silenced.copy()}


# In the order in which they work together: scores before weights; AD-HH comes last, since its rows no longer sum to 1.
READINGS = {VAF: VAFReading, PAI: PAIReading, VAR: VARReading, TARAC: TARACReading, ADHH: ADHHReading}


def readings(method: Method | None, visual: list[int], prompt: int) -> list[MethodReading]:
    """One for each part but CLVS, in the order in which they work."""
    parts = {type(part): part for part in ([] if method is None else method.parts)}
    return [kind(parts[of], visual, prompt) for of, kind in READINGS.items() if of in parts]


def kept_share(step: int) -> float:
    """The cumulative alpha of VCD's diffusion after `step`: one product after another."""
    share = 1.0
    for k in range(step + 1):
        x = -6 + 12 * k / 999
        share *= 1 - (1 / (1 + np.exp(-x)) * (0.005 - 1e-5) + 1e-5)
    return share


def contrasted(method: Method, seen: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Logits (vocabulary,) behind the picture and behind the contrast -> those to choose from, -inf where implausible.

    The logits themselves for methods that contrast nothing.
    """
    for part in method.parts:
        if isinstance(part, VCD):
            new = (1 + part.alpha) * seen - part.alpha * other
            if part.beta > 0:
                new[seen < seen.max() + np.log(part.beta)] = -np.inf
            return new
        if isinstance(part, PAI) and part.gamma != 1:
            s, u = log_softmax(seen), log_softmax(other)
            new = part.gamma * (s - u) + u
            new[s < s.max() + np.log(0.1)] = -np.inf
            return new
    return seen
