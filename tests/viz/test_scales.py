"""Scales by hand-worked numbers; that the browser agrees is tested in tests/browser/test_viewer_model.py."""

import itertools
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from viz import scales


@pytest.mark.parametrize("name", [*scales.MAPS, scales.DIVERGING])
def test_tables_are_matplotlibs(name):
    table = scales.lut(name)
    assert table.shape == (256, 3)
    for index in (0, 1, 77, 128, 255):
        assert table[index].tolist() == list(matplotlib.colormaps[name](index, bytes=True)[:3])


def test_tables_cannot_be_changed_or_misnamed():
    with pytest.raises(ValueError, match="read-only"):
        scales.lut("magma")[0] = 1
    with pytest.raises(ValueError, match=r"'jet'.*magma, viridis, cividis"):
        scales.lut("jet")


def maps():
    """Two methods, three layers, 201 tokens, all weights different."""
    return np.arange(2 * 3 * 201, dtype=float).reshape(2, 3, 201) / 1000


def test_shared_scale_is_one_percentile_of_everything():
    low, high = scales.limits(maps(), "shared", method=0, layer=0)
    assert low == 0
    assert high == pytest.approx(0.995 * 1.205)
    assert scales.limits(maps(), "shared", 1, 2) == (low, high)


def test_layer_scale_sees_both_methods_at_one_layer():
    _, high = scales.limits(maps(), "layer", method=0, layer=1)
    assert high == pytest.approx(np.percentile(maps()[:, 1], 99.5))


def test_map_scale_is_its_own_lowest_and_highest():
    assert scales.limits(maps(), "map", method=1, layer=0) == pytest.approx((0.603, 0.803))


def test_uniform_scale_does_not_depend_on_the_weights():
    assert scales.limits(maps(), "uniform", 0, 0) == (0.0, 10 / 201)
    assert scales.limits(maps() * 7, "uniform", 0, 0) == (0.0, 10 / 201)


def test_hidden_tokens_and_missing_methods_do_not_set_the_scale():
    values = maps()
    values[1, 2, 100:] = np.nan
    values[0, :] = np.nan
    assert scales.limits(values, "map", 1, 2)[1] == pytest.approx(values[1, 2, 99])
    assert scales.limits(values, "map", 0, 0) == (0.0, 0.0)
    assert scales.limits(np.full((1, 1, 4), np.nan), "shared", 0, 0) == (0.0, 0.0)


def test_an_unknown_mode_is_named():
    with pytest.raises(ValueError, match=r"'minmax'.*shared"):
        scales.limits(maps(), "minmax", 0, 0)


def test_differences_are_symmetric_around_zero():
    difference = np.array([[-0.4, 0.1, 0.2], [0.8, 0.0, 0.0]])
    assert scales.signed_limit(difference, "map", 0) == pytest.approx(0.4)
    assert scales.signed_limit(difference, "shared", 0) > 0.4
    assert scales.normalise_signed(np.array([-0.2, 0.0, 0.2, 9.0]), 0.4) == pytest.approx([-0.5, 0, 0.5, 1])


def test_normalise_clips_and_lifts_faint_weights():
    values = np.array([0.0, 0.25, 1.0, 3.0, np.nan])
    assert scales.normalise(values, 0, 1)[:4] == pytest.approx([0, 0.25, 1, 1])
    assert scales.normalise(values, 0, 1, power=0.5)[1] == pytest.approx(0.5)
    assert np.isnan(scales.normalise(values, 0, 1)[4])
    assert scales.normalise(values, 0, 0)[:4].tolist() == [0, 0, 0, 0]


def test_colour_is_clear_where_attention_is_low():
    rgba = scales.colour(np.array([0.0, 0.5, 1.0, np.nan]))
    assert rgba[:, 3].tolist() == [0, round(0.5 * 0.92 * 255), round(0.92 * 255), 0]
    assert rgba[2, :3].tolist() == scales.lut("magma")[255].tolist()


def test_signed_colour_takes_the_sides_of_the_diverging_map():
    less, more = scales.colour(np.array([-1.0, 1.0]), scales.DIVERGING)
    assert less[:3].tolist() == scales.lut("PuOr_r")[0].tolist()  # purple: the reference looks more
    assert more[:3].tolist() == scales.lut("PuOr_r")[255].tolist()  # orange: the other method looks more


def test_clipped_marks_what_lies_beyond_the_scale():
    assert scales.clipped(np.array([0.1, 0.2, -0.3]), 0.2).tolist() == [False, False, True]


def test_sinks_are_strong_in_every_layer_not_only_in_one():
    layers = np.full((5, 4), 0.1)
    layers[:, 2] = 0.5
    layers[3, 1] = 9.0
    assert scales.sinks(layers, 1).tolist() == [2]
    assert scales.sinks(layers, 0).tolist() == []


# ---- styles of methods -------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009, full strength; on linear sRGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(colour):
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear sRGB, white D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("theme", ["colour", "dark"])
def test_any_two_methods_can_be_told_apart_by_their_colours(theme, blindness):
    seen = [lab(np.array(BLINDNESS[blindness]) @ linear(getattr(style, theme))) for style in scales.STYLES]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


def test_methods_differ_by_dash_and_marker_too():
    assert len({style.dash for style in scales.STYLES}) == len({style.mark for style in scales.STYLES}) == 4


def test_the_viewer_has_the_same_colours():
    css = (Path(scales.__file__).parent / "viewer" / "static" / "viewer.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--cv-(m\d): (#\w+);", part)) for part in css.split(".cv *")[0].split("data-theme"))
    for place, style in enumerate(scales.STYLES):
        assert (light[f"m{place}"], dark[f"m{place}"]) == (style.colour, style.dark)


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["vanilla", "clvs", "pai"], [0, 1, 2]),
        (["clvs", "vanilla", "pai"], [1, 0, 2]),
        (["var", "clvs", "adhh", "vanilla"], [1, 2, 3, 0]),
        (["tarac", "clvs"], [0, 1]),
        ([], []),
    ],
)
def test_the_reference_has_the_first_place_and_the_others_follow(names, places):
    assert scales.places(names) == places
