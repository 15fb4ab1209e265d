"""Scales by hand-worked numbers; that the browser agrees is tested in tests/browser/test_viewer_model.py."""

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
