"""Numbers of numpy, torch and `fractions` are taken wherever numbers are, and kept as Python's own."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from clvs_core import ADHH, CLVS, PAI, TARAC, VAF, VAR, VCD, ClvsError, Combine, Method, method
from clvs_core.key_objects import region_mask
from clvs_core.methods import spec
from clvs_core.methods.settings import schema
from clvs_core.models.geometry.grids import View, Views
from clvs_core.models.processors import cap_visual_tokens
from clvs_core.plain import plain
from tests import tiny
from tests.tiny_families import FAMILIES

QUARTERS = [
    *(np.float64(0.25), np.float32(0.25), np.float16(0.25), np.longdouble(0.25), np.array(0.25)),
    *(torch.tensor(0.25), torch.tensor(0.25, dtype=torch.bfloat16), torch.tensor(0.25, requires_grad=True)),
    Fraction(1, 4),
]
SEVENS = [
    *(np.int64(7), np.uint8(7), np.int16(7), np.float32(7), np.array(7), torch.tensor(7), torch.tensor(7.0)),
    *(Fraction(7), np.array(7, dtype=object)),
]


def told(number):
    return f"{type(number).__module__}.{type(number).__name__} {getattr(number, 'dtype', '')}"


@pytest.mark.parametrize("quarter", QUARTERS, ids=told)
def test_a_setting_is_a_plain_number_whatever_it_came_as(quarter):
    given, expected = CLVS(alpha=quarter, beta=quarter), CLVS(alpha=0.25, beta=0.25)
    assert (type(given.alpha), type(given.beta)) == (float, float)
    assert given == expected
    assert hash(given) == hash(expected)
    assert spec(given) == "clvs:alpha=0.25,beta=0.25"
    assert method(spec(given)) == given
    assert json.loads(json.dumps(dataclasses.asdict(given))) == dataclasses.asdict(expected)
    assert dataclasses.replace(CLVS(), gamma=quarter) == CLVS(gamma=0.25)
    assert spec(Combine(PAI(alpha=quarter), given)) == "pai:alpha=0.25+clvs:alpha=0.25,beta=0.25"


@pytest.mark.parametrize("seven", SEVENS, ids=told)
def test_so_is_a_whole_number(seven):
    for given, name in ((CLVS(top_k=seven), "top_k"), (VCD(seed=seven, noise_step=seven), "seed")):
        assert type(getattr(given, name)) in (int, float)
        assert getattr(given, name) == 7
        assert method(spec(given)) == given
    assert CLVS(first_check=seven).first_check == 7
    assert PAI(start_layer=seven).touched(12) == (7, 11)


def test_lists_of_numbers_may_be_arrays():
    nine, fourteen = np.int64(9), torch.tensor(14)
    for layers in ((nine, fourteen), [nine, fourteen], np.array([9, 14]), torch.tensor([9, 14])):
        for kind in (VAF, TARAC):
            given = kind(layers=layers)
            assert given.layers == (9, 14)
            assert [type(layer) for layer in given.layers] == [int, int]
            assert method(spec(given)) == given
    assert VAR(dims=np.array([3, 5])) == VAR(dims=(3, 5)) == VAR(dims=[np.int64(3), torch.tensor(5)])
    assert VAR(dims=np.int64(3)) == VAR(dims=3)
    assert ADHH(heads=np.array([[16, 29], [26, 9]])) == ADHH(heads=((16, 29), (26, 9)))


def test_a_sweep_made_with_linspace_reads_back():
    for dtype in (np.float64, np.float32):
        for alpha in np.linspace(0, 1, 11, dtype=dtype):
            assert method(spec(CLVS(alpha=alpha))) == CLVS(alpha=float(alpha))


def test_switches_take_numpy_s_truth_values():
    for yes, no in (
        (np.True_, np.False_),
        (torch.tensor(True), torch.tensor(False)),
        (np.array(True), np.array(False)),
    ):
        given = CLVS(early_termination=no, lens_norm=yes)
        assert given == CLVS(early_termination=False, lens_norm=True)
        assert spec(given) == "clvs:early_termination=false,lens_norm=true"


NO_NUMBERS = [
    *(True, np.True_, torch.tensor(True), np.array(True), "0.5", None, 0.5j, np.complex64(0.5), Decimal("0.5")),
    *(float("nan"), np.float32("nan"), torch.tensor(float("nan")), float("inf"), np.float64("-inf"), 10**400),
    *(Fraction(10**400), -Fraction(10**400), [0.5], np.array([0.5]), torch.tensor([0.5])),
]


@pytest.mark.parametrize("wrong", NO_NUMBERS, ids=lambda value: f"{told(value)}{value!r:.12}")
def test_what_is_no_number_is_refused_in_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"^alpha must be a number between 0 and 1, not .*\.$"):
        CLVS(alpha=wrong)
    with pytest.raises(ValueError, match=r"^top_k must be a whole number between 2 and .*, not "):
        CLVS(top_k=2**63 if wrong is None else wrong)


@pytest.mark.parametrize("wrong", [1, np.int64(1), 0.0, "true", None, np.array([True])], ids=told)
def test_a_switch_takes_no_numbers(wrong):
    with pytest.raises(ValueError, match="early_termination must be true or false"):
        CLVS(early_termination=wrong)


@dataclass(frozen=True)
class Own(Method):
    name = "own"
    label = "Own"
    strength: float = field(default=1.0, metadata={"low": np.int64(0), "high": np.float32(2), "step": Fraction(1, 4)})
    dims: tuple = ()


@dataclass(frozen=True)
class Careful(Own):
    def __post_init__(self):
        assert type(self.strength) is float
        assert all(type(dim) is int for dim in self.dims)


@pytest.mark.parametrize("kind", [Own, Careful])
def test_so_does_a_method_of_one_s_own_with_or_without_checks_of_its_own(kind):
    given = kind(strength=np.float32(0.5), dims=(np.int64(3), torch.tensor(4)))
    assert given == kind(0.5, (3, 4))
    assert hash(given) == hash(kind(0.5, (3, 4)))
    assert spec(given) == "own:strength=0.5,dims=3/4"
    shown = schema(kind, None, 12)["fields"][0]
    assert json.loads(json.dumps([shown["low"], shown["high"], shown["step"]])) == [0, 2.0, 0.25]


def test_the_number_of_tokens_is_taken_alike(tiny_model):
    image = tiny_model.open_image(tiny.picture())
    expected = image.ask("what is it", [CLVS()], 3)[0]
    for tokens in (np.int64(3), np.float32(3), torch.tensor(3), Fraction(3)):
        found = image.ask("what is it", [CLVS()], tokens)[0]
        assert found.text == expected.text
        assert len(found.tokens) == len(expected.tokens)
    for wrong in (True, np.True_, 2.5, np.float64("nan"), Fraction(1, 2), 0, "3"):
        with pytest.raises(ValueError, match="max_new_tokens must be a whole number"):
            image.ask("what is it", [CLVS()], wrong)


def test_geometry_of_numpy_s_numbers_can_be_written():
    height, width = np.int64(20), np.int32(30)
    grid = View(np.int64(0), np.int64(2), torch.tensor(3), (np.float32(0), 0, width, height))
    views = Views(width, height, np.int64(6), (grid,))
    assert Views.from_json(json.loads(json.dumps(views.to_json()))) == views
    assert views == Views(30, 20, 6, (View(0, 2, 3, (0.0, 0, 30, 20)),))
    assert hash(views) == hash(Views(30, 20, 6, (View(0, 2, 3, (0.0, 0, 30, 20)),)))


def test_boxes_and_outlines_are_taken_alike():
    box = region_mask(20, 30, box=(2, 3, 10.5, 12))
    for given in (np.array([2, 3, 10.5, 12]), torch.tensor([2, 3, 10.5, 12]), [Fraction(2), np.int8(3), 10.5, 12]):
        assert np.array_equal(region_mask(np.int64(20), np.int64(30), box=given), box)
    corners = [(2, 3), (20, 4), (9, 15)]
    assert np.array_equal(
        region_mask(20, 30, polygon=np.array(corners, dtype=np.float32)), region_mask(20, 30, polygon=corners)
    )


def test_a_limit_of_visual_tokens_is_taken_alike():
    for tokens in (np.int64(64), torch.tensor(64), np.array(64)):
        processor = FAMILIES["qwen2_vl"]()[1]
        cap_visual_tokens(processor, tokens)
        assert type(processor.image_processor.size["longest_edge"]) is int
    with pytest.raises(ClvsError, match="limit of visual tokens"):
        cap_visual_tokens(FAMILIES["qwen2_vl"]()[1], np.True_)


def test_what_is_no_number_stays_as_it_is():
    for value in ("text", None, b"x", {"a": 1}, Decimal("0.1"), 1j):
        assert plain(value) is value
