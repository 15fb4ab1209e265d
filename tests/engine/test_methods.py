"""Settings, their strings, and CLVS's array functions against golden vectors worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from clvs_core import CLVS, Vanilla, method
from clvs_core.engine.lens import uncertainty
from clvs_core.methods import spec
from clvs_core.methods.clvs import CLVSEditor, remember, smooth
from clvs_core.models.positions import rerotate, unified_positions
from tests import tiny

# Two heads; keys are two prefix tokens, three visual tokens, one text token.
ROWS = torch.tensor([[[0.30, 0.10, 0.05, 0.25, 0.10, 0.20], [0.50, 0.05, 0.02, 0.03, 0.30, 0.10]]], dtype=torch.float64)
VISUAL = slice(2, 5)


def test_smoothing_equals_the_golden_vectors():
    memory = torch.tensor([[0.40, 0.10, 0.20]], dtype=torch.float64)
    alpha = torch.full((1, 1, 1), 0.8, dtype=torch.float64)
    expected = [
        [0.283019, 0.094340, 0.113208, 0.207547, 0.113208, 0.188679],
        [0.467290, 0.046729, 0.089720, 0.041121, 0.261682, 0.093458],
    ]
    torch.testing.assert_close(
        smooth(ROWS, memory, alpha, VISUAL)[0], torch.tensor(expected).double(), atol=5e-7, rtol=0
    )
    after = remember(memory, ROWS, alpha[0], VISUAL)
    torch.testing.assert_close(after, torch.tensor([[0.33, 0.13, 0.22]], dtype=torch.float64), atol=1e-12, rtol=0)


def test_smoothing_leaves_its_input_and_the_ratios_outside_the_picture():
    before = ROWS.clone()
    used = smooth(ROWS, torch.rand(1, 3).double(), torch.full((1, 1, 1), 0.3).double(), VISUAL)
    assert torch.equal(ROWS, before)
    outside = used[..., [0, 1, 5]] / ROWS[..., [0, 1, 5]]
    torch.testing.assert_close(outside, outside[..., :1].expand_as(outside))


def test_an_index_works_where_a_slice_does():
    editors = [CLVSEditor([CLVS(beta=0.6, first_check=1)], torch.device("cpu"), torch.float64) for _ in range(2)]
    for layer in range(3):
        a = editors[0].edit(layer, ROWS, VISUAL)
        b = editors[1].edit(layer, ROWS, torch.tensor([2, 3, 4]))
        assert torch.equal(a, b)


def test_each_branch_has_its_own_memory_and_stop():
    settings = [CLVS(alpha=0.5, beta=0.5, gamma=g, first_check=0) for g in (0.2, 0.9)]
    both = CLVSEditor(settings, torch.device("cpu"), torch.float64)
    rows = ROWS.expand(2, -1, -1)
    both.edit(0, rows, VISUAL)
    both.observe(0, torch.tensor([0.5, 0.5]))
    assert both.active.tolist() == [True, False]
    used = both.edit(1, rows * 1.0, VISUAL)
    assert not torch.equal(used[0], rows[0])
    assert torch.equal(used[1], rows[1])
    both.begin()
    assert both.active.tolist() == [True, True]
    assert both.memory is None


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (torch.zeros(1, 100), 1.0),
        (torch.tensor([[10.0] + [0.0] * 99]), 0.001951),
        (torch.arange(100.0)[None], 0.451732),
    ],
)
def test_uncertainty_of_known_logits(logits, expected):
    assert float(uncertainty(logits, 10)) == pytest.approx(expected, abs=1e-6)


def test_uncertainty_of_a_certain_model_is_zero_not_nan_and_k_may_differ_by_row():
    logits = torch.stack([torch.tensor([1e4] + [0.0] * 20), torch.zeros(21)])
    found = uncertainty(logits, torch.tensor([10, 3]))
    assert found.tolist() == pytest.approx([0, 1])
    assert float(uncertainty(torch.zeros(1, 4), 10)) == pytest.approx(1), "a vocabulary smaller than k"


def test_strings_and_objects_mean_the_same():
    for chosen in (Vanilla(), CLVS(), CLVS(alpha=0.7, beta=0.9), CLVS(gamma=0.25, early_termination=False, top_k=5)):
        assert method(spec(chosen)) == chosen
    assert method("clvs:alpha=0.7,beta=0.9") == CLVS(alpha=0.7, beta=0.9)
    assert method(" CLVS: beta = none , unified_positions=False ") == CLVS(unified_positions=False)
    assert spec(CLVS()) == "clvs"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clv", "no method"),
        ("clvs:alhpa=1", "not a setting"),
        ("clvs:alpha", "not a setting"),
        ("clvs:alpha=high", "number"),
        ("clvs:alpha=2", "between 0 and 1"),
        ("clvs:alpha=nan", "alpha"),
        ("clvs:beta=-0.1", "beta"),
        ("clvs:gamma=3", "gamma"),
        ("clvs:top_k=1", "top_k"),
        ("clvs:top_k=2.5", "top_k"),
        ("clvs:first_check=-1", "first_check"),
        ("clvs:unified_positions=3", "unified_positions"),
        ("clvs:alpha=0.1,alpha=0.2", "twice"),
        ("vanilla:alpha=1", "no settings"),
    ],
)
def test_wrong_strings_name_the_setting(text, words):
    with pytest.raises(ValueError, match=words):
        method(text)


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLVS().alpha = 0.3


def test_unified_positions_of_one_and_two_pictures():
    visual = torch.tensor([0, 0, 1, 1, 1, 0, 0], dtype=torch.bool)
    found, shift = unified_positions(torch.arange(7), visual)
    assert found.tolist() == [0, 1, 2, 2, 2, 3, 4]
    assert shift == 2
    visual = torch.tensor([1, 1, 0, 1, 1, 0], dtype=torch.bool)
    found, shift = unified_positions(torch.arange(6), visual)
    assert found.tolist() == [0, 0, 1, 2, 2, 3]
    assert shift == 2


ROPES = [
    {"rope_type": "default", "rope_theta": 1e4},
    {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0},
    {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64},
]


@pytest.mark.parametrize("rope", ROPES, ids=lambda r: r["rope_type"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-12)])
def test_rerotation_equals_rotating_afresh(rope, dtype, tolerance):
    decoder = tiny.llava(rope_parameters=rope).to(dtype).get_decoder()
    if dtype == torch.float64:
        decoder.rotary_emb.float()
    old, new = torch.arange(40)[None], torch.arange(40).flip(0)[None]
    plain = torch.randn(1, 2, 40, 8, dtype=dtype)

    def rotate(x, positions):
        return apply_rotary_pos_emb(x, x, *decoder.rotary_emb(x, positions))[0]

    found = rerotate(decoder, rotate(plain, old), old, new)
    assert (found - rotate(plain, new)).abs().max() < tolerance
    assert (rotate(plain, old) - rotate(plain, new)).abs().max() > 0.1
