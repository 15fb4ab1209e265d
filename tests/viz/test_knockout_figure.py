"""The figure of knock-outs, read back from its axes."""

from __future__ import annotations

import numpy as np
import pytest

from clvs_core import CLVS, Vanilla
from clvs_core.engine.knockout import Knockout
from clvs_core.engine.runs import Token
from viz import figures

KEPT = np.array([1.0, 0.3, 0.0, 0.9])


def made(method, kept=KEPT, rows="word"):
    token, nothing = Token(1, " Yes", 0.93), np.full(len(kept), np.nan)
    control = np.full(len(kept), 0.98)
    return Knockout(method, token, 0.93, kept, nothing, [token] * len(kept), 0.0, 1 - kept, control, nothing, rows, 1)


def test_a_panel_for_each_rows_and_a_line_for_each_method():
    pairs = [made(Vanilla()), made(CLVS(), KEPT / 2), made(Vanilla(), rows="both"), made(CLVS(), rows="both")]
    figure = figures.knockout(pairs, name="the dog", question="Is there a dog?")
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "hidden from the word being written",
        "hidden from the question's words and the word being written",
    ]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")}
    assert list(lines) == ["Vanilla  “Yes” 93%", "CLVS  “Yes” 93%"]
    np.testing.assert_allclose(lines["CLVS  “Yes” 93%"].get_ydata(), KEPT / 2)
    faint = [line for line in figure.axes[0].get_lines() if line.get_alpha()]
    assert len(faint) == 2
    np.testing.assert_allclose(faint[0].get_ydata(), 0.98)
    assert figure.axes[1].get_xlabel() == "layer"
    assert "the dog hidden" in figure.get_suptitle()


def test_seen_only_here_is_another_line_without_a_control():
    figure = figures.knockout([made(Vanilla())], name="the dog", only=True)
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_allclose(line.get_ydata(), 1 - KEPT)
    assert "the dog seen only 1 layer at a time" in figure.get_suptitle()


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="at least one knock-out"):
        figures.knockout([])
    with pytest.raises(ValueError, match="different models"):
        figures.knockout([made(Vanilla()), made(Vanilla(), np.ones(7))])
