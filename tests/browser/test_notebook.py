"""Outputs of notebooks: each draws in a frame of its own, as high as it must be and as dark as the notebook."""

from __future__ import annotations

import pytest
from PIL import Image

import clvs_core as clvs
from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, until

PICTURE = Image.new("RGB", (96, 96), "white")


@pytest.fixture
def frames(open_page, tmp_path):
    """frames(colours): a notebook with two outputs in these colours; the page and its two frames, drawn."""

    def open_(colours):
        one = clvs.show(fakes.pair(), picture=PICTURE)
        other = clvs.show(fakes.run(clvs.Vanilla()), picture=PICTURE, view={"layer": 3})
        path = tmp_path / "notebook.html"
        outputs = "".join(f"<div>{shown._repr_html_()}</div>" for shown in (one, other))
        path.write_text(f"<!doctype html><body style='{colours}'>{outputs}</body>", encoding="utf-8")
        page = open_page(path.as_uri(), width=1100)
        until(page, lambda: len(page.frames) == 3 and all(_drawn(frame) for frame in page.frames[1:]))
        return page, page.frames[1:]

    return open_


def _drawn(frame):
    return frame.evaluate(f"(document.querySelector('.cv')?.__clvs?.drawn?.count ?? 0) > 0 && Boolean({APP}.picture)")


def test_two_outputs_draw_and_do_not_disturb_each_other(frames):
    page, (one, other) = frames("color: #222; background: #fff")
    one.get_by_role("slider", name="Layer", exact=True).press("End")
    until(page, lambda: one.evaluate(f"{APP}.state.layer") == 7)
    assert other.evaluate(f"{APP}.state.layer") == 3
    assert one.evaluate(f"{APP}.model.methods.length") == 2
    other.get_by_role("tab", name="All numbers").click()
    other.locator(".cv-numbers").wait_for()


def test_the_frame_is_as_high_as_what_it_shows(frames):
    page, (one, _) = frames("color: #222; background: #fff")
    fits = "frameElement.clientHeight === Math.ceil(document.body.offsetHeight)"
    until(page, lambda: one.evaluate(f"{fits} && frameElement.clientHeight > 300"))
    page.set_viewport_size({"width": 420, "height": 800})
    until(page, lambda: one.evaluate(f"{fits} && innerWidth < 420"))
    assert one.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("colours", "theme"), [("color: #ddd; background: #111", "dark"), ("color: #222", "light")])
def test_it_is_as_dark_as_the_notebook_and_follows_it(frames, colours, theme):
    page, (one, _) = frames(colours)
    assert one.evaluate("document.querySelector('.cv').dataset.theme") == theme
    page.evaluate("document.body.style.color = '#888' && document.body.setAttribute('style', 'color: #eee')")
    until(page, lambda: one.evaluate("document.querySelector('.cv').dataset.theme") == "dark")
