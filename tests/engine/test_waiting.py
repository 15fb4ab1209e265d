"""A token waits for its device a fixed number of times, however many layers there are: a GPU must not idle for Python.

Counted on a CPU, the way other devices go: every operation that has to know a number before it can go on.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, Vanilla, method
from clvs_core.engine.branches import BranchBatch
from clvs_core.engine.model import Model
from clvs_core.models.registry import card_for
from tests import tiny
from tests.close import assert_close

STOPS = CLVS(first_check=1, gamma=1.5)  # after the first check
METHODS = {
    "vanilla": [Vanilla()],
    "clvs": [Vanilla(), CLVS(first_check=1, gamma=0.6), CLVS(first_check=2, gamma=0.01), CLVS(early_termination=False)],
    "all stopped": [STOPS, CLVS(alpha=0.5, first_check=1, gamma=1.5)],
    "every": [
        *(Vanilla(), STOPS, VCD(), PAI(), VAR(dims=(1, 2), tau=1), TARAC(layers=(1, 2)), VAF(layers=(1, 2))),
        *(ADHH(heads=((1, 0), (2, 3))), method("pai+clvs:first_check=1")),
    ],
}
WAITING = ("_local_scalar_dense", "nonzero", "item", "is_nonzero", "masked_select", "equal", "unique", "_unique2")


class Waits(TorchDispatchMode):
    """Counts what cannot be told to a GPU without waiting for it; also an index of truth values, which is a nonzero."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.removeprefix("aten::")
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        self.count += name in WAITING or any(x is not None and x.dtype == torch.bool for x in indices)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def elsewhere(monkeypatch):
    """As on a GPU, whose numbers cannot be looked at for nothing."""
    make = BranchBatch.__init__

    def made(self, *args, **options):
        make(self, *args, **options)
        self.readable = False

    monkeypatch.setattr(BranchBatch, "__init__", made)


def asked(layers, methods, tokens, **options):
    image = _model(layers).open_image(tiny.picture())
    image.ask("Why?", methods, 1)  # what is done once for a question
    with Waits() as waits:
        runs = image.ask("Why?", methods, tokens, **options)
    return waits.count, runs


def _model(layers):
    return Model(tiny.llava(num_hidden_layers=layers), tiny.llava_processor(), card_for("tiny"))


@pytest.mark.parametrize("lens", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_waits_do_not_grow_with_the_layers(elsewhere, name, lens):
    shallow, deep = (
        asked(layers, METHODS[name], 6, lens=lens)[0] - asked(layers, METHODS[name], 2, lens=lens)[0]
        for layers in (4, 12)
    )
    assert shallow == deep <= 4 * 4


def test_what_waits_is_seen():
    """What the test above relies on."""
    mask = torch.tensor([True, False])
    for wait in (lambda: mask[mask], lambda: mask.nonzero(), lambda: bool(mask.any()), lambda: int(mask.sum())):
        with Waits() as waits:
            wait()
        assert waits.count == 1


@pytest.mark.parametrize("name", ["clvs", "all stopped", "every"])
def test_without_looking_the_same_is_said_and_recorded(name, monkeypatch, request):
    expected = asked(6, METHODS[name], 4, keep_logits=True)[1]
    request.getfixturevalue("elsewhere")
    found = asked(6, METHODS[name], 4, keep_logits=True)[1]
    assert any((run.trace.stop_layer >= 0).any() for run in expected)
    for run, other in zip(found, expected, strict=True):
        assert [t.id for t in run.tokens] == [t.id for t in other.tokens]
        assert run.trace.stop_layer.tolist() == other.trace.stop_layer.tolist()
        assert np.isnan(run.trace.uncertainty).tolist() == np.isnan(other.trace.uncertainty).tolist()
        assert_close(run.trace.uncertainty, other.trace.uncertainty)
        assert_close(run.trace.attention, other.trace.attention)


def test_on_a_cpu_nobody_s_uncertainty_is_computed_once_all_have_stopped(monkeypatch):
    looked = []
    logits = BranchBatch.after_layer.__globals__["Lens"].logits
    monkeypatch.setattr(
        "clvs_core.engine.branches.Lens.logits",
        lambda self, hidden, normed=None: looked.append(len(hidden)) or logits(self, hidden, normed),
    )
    asked(12, METHODS["all stopped"], 1)
    assert looked == [2, 2] * 2, "after the layer that is checked first, and for the word"
