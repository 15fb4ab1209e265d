"""Families with several grids in a real browser: tiles in their places, the switch to the whole picture, numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.key_objects import region_mask
from clvs_core.models.geometry.grids import View, Views
from tests import tiny_families
from tests.browser.conftest import SETTLED, drawn
from tests.browser.test_app import done, launch, result, when
from tests.page import families
from viz.page import main

FAMILIES = ("llava_next_vicuna", "qwen2_5_vl", "idefics3")
APP = "document.querySelector('#viewer .cv').__clvs"
# Whether an element has stayed where it is for ten frames
AT_REST = """async (element) => {
    const frame = () => new Promise(requestAnimationFrame);
    const before = element.getBoundingClientRect().top;
    for (let count = 0; count < 10; count++) await frame();
    return element.getBoundingClientRect().top === before;
}"""
RED = f"""() => {{
    const app = {APP};
    app.numbers.painter = () => () => [255, 0, 0, 255];
    app.set({{ contours: false, scale: 'map' }});
    app.invalidate('maps');
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {{
        const {{ canvas }} = app.maps.shown[0];
        const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let red = 0;
        for (let i = 0; i < data.length; i += 4) red += data[i] === 255 && data[i + 1] === 0 && data[i + 2] === 0;
        done([red, canvas.width, canvas.height]);
    }})));
}}"""


@pytest.fixture(scope="module", params=FAMILIES)
def url(request, tmp_path_factory):
    """The page of `app.py --model FOLDER`, with a wide annotated picture among its examples."""
    folder = tmp_path_factory.mktemp(request.param)
    library = families.library(folder)
    model = tiny_families.save(request.param, folder / "model")
    arguments = ["--model", str(model), "--device", "cpu", "--dtype", "float32"]
    coco = ["--coco-annotations", str(folder / "instances.json"), "--coco-images", str(library.coco_folder)]
    page, _ = main.make(main.parse([*arguments, *coco]))
    yield launch(page)
    page.close()


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desktop", "phone"])
def page(request, open_page, url):
    width, height = request.param
    page = drawn(open_page(url, width=width, height=height))
    page.locator("#examples button[data-name=walk]").click()
    done(page, families.QUESTION)
    page.wait_for_function(f"{APP}.picture")
    page.evaluate(SETTLED)
    return page


def grids(page):
    """The grids of the result, and of those the ones that are drawn."""
    views = result(page)["views"]
    shown = json.loads(page.evaluate(f"JSON.stringify({APP}.numbers.visibleViews().map((v) => v.start))"))
    return views, [view for view in views if view["start"] in shown]


def picture(page):
    """Data URL of the first map."""
    page.evaluate(SETTLED)
    return page.evaluate(f"{APP}.maps.shown[0].canvas.toDataURL()")


def several(page):
    return len({view["kind"] for view in result(page)["views"]}) > 1


def test_the_heat_map_covers_the_picture_without_seams_or_overlaps(page):
    for kind in ("tiles", "base") if several(page) else ("full",):
        if kind == "base":
            page.get_by_label("Grid", exact=True).select_option("base")
        shown = grids(page)[1]
        assert {view["kind"] for view in shown} == {kind}
        red, width, height = page.evaluate(RED)
        edges = np.array([view["region"] for view in shown])
        edges = edges.reshape(-1, 2, 2) * [width / families.WIDTH, height / families.HEIGHT]
        edges = np.floor(edges + 0.5)  # as JavaScript rounds
        sides = np.diff(np.clip(edges, 0, [width, height]), axis=1)[:, 0]
        assert red == sides.prod(axis=1).sum(), "each pixel of each grid is drawn once, by that grid"
        # LLaVA-NeXT's tiles leave out part of a row of tokens above and below: here 5 of the picture's 53 pixels.
        assert red >= 0.9 * width * height


def test_the_switch_between_tiles_and_the_whole_picture(page):
    switch = page.get_by_label("Grid", exact=True)
    if not several(page):
        assert switch.count() == 0
        return
    assert switch.locator("option").all_inner_texts() == ["Tiles", "Whole picture"]
    assert switch.input_value() == "tiles"
    tiles, strip = picture(page), page.evaluate(f"{APP}.strip.canvas.toDataURL()")
    switch.select_option("base")
    whole = picture(page)
    assert whole != tiles
    assert page.evaluate(f"{APP}.strip.canvas.toDataURL()") != strip
    box = switch.bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= page.viewport_size["width"]
    assert switch.evaluate("(s) => s.scrollWidth <= s.clientWidth")
    switch.select_option("tiles")
    assert picture(page) == tiles


def test_the_token_under_the_pointer(page):
    views, shown = grids(page)
    for view in (shown[0], shown[len(shown) // 2]):
        row, col = view["rows"] - 1, view["cols"] // 2
        x0, y0, x1, y1 = view["region"]
        canvas = page.locator("#viewer .cv-map > canvas:first-of-type").first
        canvas.evaluate("(c) => c.scrollIntoView({ block: 'center', behavior: 'instant' })")  # over a phone's settings
        box = canvas.bounding_box()
        x = (x0 + (col + 0.5) / view["cols"] * (x1 - x0)) / families.WIDTH
        y = (y0 + (row + 0.5) / view["rows"] * (y1 - y0)) / families.HEIGHT
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        told = page.locator("#viewer .cv-tip").inner_text()
        token = view["start"] + row * view["stride"] + col
        assert f"atch {row + 1}, {col + 1} · visual token {token}\n" in told
        tiles = [other for other in views if other["kind"] == "tiles"]
        if len(tiles) > 1:
            assert told.startswith(f"Tile {tiles.index(view) + 1} of {len(tiles)} · patch")
        weight = page.evaluate(f"{APP}.numbers.raw()[0][{APP}.state.layer][{token}]")
        share = page.evaluate(f"window.__clvsViewer.share({weight})")
        assert f"Vanilla {share} of all its attention" in told


def test_the_curve_of_a_drawn_region(page):
    page.get_by_role("button", name="+ box").click()
    canvas = page.locator("#viewer .cv-map > canvas:first-of-type").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_function(AT_REST, arg=canvas.element_handle())  # drawing scrolls the maps into sight
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Clear your region").wait_for()
    page.evaluate(SETTLED)
    assert page.locator("#viewer .cv-curve-title").inner_text() == "Attention on your region"
    region = page.evaluate(f"{APP}.state.region")
    shown = result(page)
    fields = ("start", "rows", "cols", "region", "stride", "kind")
    grids = [View(**{name: view[name] for name in fields}) for view in shown["views"]]
    views = Views(families.WIDTH, families.HEIGHT, shown["visual"], tuple(grids))
    coverage = clvs.coverage(region_mask(families.HEIGHT, families.WIDTH, **region), views)
    weights = np.array(page.evaluate(f"{APP}.numbers.raw().map((layers) => layers.map((v) => [...v]))"))
    curves = np.array(page.evaluate(f"{APP}.curves()"))
    # Python counts whole pixels of a box of 132 x 108, the page its exact area: up to about 1 % of it.
    np.testing.assert_allclose(curves, weights @ coverage, rtol=0.03)
    assert (curves > 0).all()
    when(page, "m.error === ''")
