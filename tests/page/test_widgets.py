"""Components that Gradio does not have, without a browser."""

from __future__ import annotations

import pytest

from viz.page.widgets import Setting


@pytest.mark.parametrize(("typed", "taken"), [(7, 1), (-1, 0), (0.33, 0.33), (None, None), (True, True)])
def test_a_number_out_of_range_becomes_the_nearest(typed, taken):
    assert Setting(0, 1, 0.8, step=0.05).preprocess(typed) is taken or taken == pytest.approx(
        Setting(0, 1, 0.8, step=0.05).preprocess(typed)
    )


def test_a_whole_setting_stays_whole():
    assert Setting(1, 12, 8, step=1).preprocess(3.4) == 3
    assert Setting(1, 12, 8, step=1).preprocess(40) == 12
