"""Panoramas: maps of what the model sees alone, one above the other where they would be strips."""

from __future__ import annotations

import pytest

from clvs_core.models.geometry.llava import llava_views
from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, SETTLED


def panorama(shown, mode="crop"):
    return fakes.payload(fakes.pair(views=llava_views(96, 960, fakes.SIDE * 8, 8, mode), stop=6), **shown)


def boxes(page):
    page.evaluate(SETTLED)
    return [canvas.bounding_box() for canvas in page.locator(".cv-map > canvas:first-of-type").all()]


@pytest.fixture
def page(show):
    return show(panorama({"objects": []}), width=1280, height=900)


def test_maps_of_a_panorama_stand_one_above_the_other(page):
    first, second, *_ = boxes(page)
    assert second["y"] > first["y"] + first["height"]
    assert first["width"] == pytest.approx(10 * first["height"], rel=0.05)


def test_the_seen_part_alone_is_shown_read_and_drawn_on(page):
    page.locator(".cv-crop").click()
    first, second, *_ = boxes(page)
    assert first["width"] == pytest.approx(first["height"], rel=0.02), "the middle square"
    assert first["height"] > 100
    assert first["y"] == second["y"], "side by side again"
    assert "never seen" not in page.locator(".cv-key").inner_text()
    assert page.evaluate("document.activeElement.className").endswith("cv-crop")
    page.mouse.move(first["x"] + 2, first["y"] + 2)
    assert page.locator(".cv-tip").inner_text().startswith("Patch 1, 1 "), "its corner is the first patch"
    page.mouse.move(first["x"] + first["width"] - 2, first["y"] + first["height"] - 2)
    assert page.locator(".cv-tip").inner_text().startswith(f"Patch {fakes.SIDE}, {fakes.SIDE} ")
    page.evaluate(f"{APP}.set({{ draw: 'box' }})")
    x, y, side = first["x"], first["y"], first["width"]
    page.mouse.move(x + side * 0.25, y + side * 0.25)
    page.mouse.down()
    page.mouse.move(x + side * 0.5, y + side * 0.5)
    page.mouse.up()
    box = page.evaluate(f"{APP}.state.region.box")
    assert box == pytest.approx([432 + 24, 24, 432 + 48, 48], abs=1.5), "in pixels of the whole picture"
    page.locator(".cv-crop").click()
    assert boxes(page)[0]["width"] > 5 * boxes(page)[0]["height"]
    assert page.evaluate(f"{APP}.state.region.box") == box


def test_the_heat_lies_where_it_lay(page):
    """The hottest patch of the middle square has one colour, cropped or not."""
    colour = """(crop) => {
        const { app, at } = { app: APP, at: crop ? [0, 1] : [0.45, 0.1] };
        const canvas = document.querySelector('.cv-map canvas');
        const ctx = canvas.getContext('2d');
        const cell = (1 / SIDE) * at[1] * canvas.width;
        const pick = (col, row) => [...ctx.getImageData(at[0] * canvas.width + (col + 0.5) * cell,
          (row + 0.5) * canvas.height / SIDE, 1, 1).data];
        return Array.from({ length: SIDE * SIDE }, (_, i) => pick(i % SIDE, Math.floor(i / SIDE)));
    }""".replace("APP", APP).replace("SIDE", str(fakes.SIDE))
    whole = page.evaluate(colour, False)
    page.locator(".cv-crop").click()
    page.evaluate(SETTLED)
    cropped = page.evaluate(colour, True)
    off = [max(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in zip(whole, cropped, strict=True)]
    assert sorted(off)[int(0.9 * len(off))] <= 4, "but for marks in the corners of cells"
    hottest = [max(range(len(cells)), key=lambda i: cells[i][0] - cells[i][2]) for cells in (whole, cropped)]
    assert hottest[0] == hottest[1]
    assert cropped[hottest[0]] != cropped[hottest[0] - 1]


def test_a_picture_that_is_seen_whole_has_nothing_to_crop(show):
    page = show(panorama({"objects": []}, "squash"))
    assert page.locator(".cv-crop").count() == 0
