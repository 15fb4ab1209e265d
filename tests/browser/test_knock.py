"""Does looking matter: the third plot, on the page with the embedded model and on a page without a server."""

from __future__ import annotations

import json

import pytest

from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, drawn
from tests.page.fake import served
from viz.page import main
from viz.page.links import Link, query
from viz.viewer.view import View

WHOLE = f"{APP}.knock.complete() && !{APP}.knock.running"


@pytest.fixture(scope="module")
def url():
    page, _ = main.make(main.parse([]))
    with served(page) as address:
        yield address


def knockout(**changes):
    """What is left falls to nothing at layer 4 and is whole again from layer 6 on."""
    payload = fakes.payload()
    kept = [1.0, 0.8, 0.3, 0.0, 0.4, *[1.0] * (fakes.LAYERS - 5)]
    left = [
        {
            "spec": method["spec"],
            "rows": rows,
            "token": "Yes",
            "probability": 0.9,
            "kept": kept,
            "only": kept[::-1],
            "control": [1.0] * fakes.LAYERS,
            "instead": [("No", 0.8) if share < 0.5 else ("Yes", 0.9) for share in kept],
            "everywhere": 0.0,
            "matters": [2, 3, 4],
        }
        for method in payload["methods"]
        for rows in ("word", "both")
    ]
    reads = {method["spec"]: "It reads." for method in payload["methods"]}
    part = {"step": 0, "on": ["dog"], "region": None, "window": 3, "hidden": 9, "left": left, "reads": reads}
    return {**payload, "knockout": {**part, **changes}}


def words(page, name):
    return page.locator(f".cv-{name}").inner_text().replace("\u00a0", " ")


def test_a_page_without_a_server_shows_what_came_with_it(show):
    page = show(json.loads(json.dumps(knockout())))
    assert "cannot look at the dog here" in words(page, "left-what")
    page.evaluate(f"{APP}.goto(3)")
    assert "0 % left" in words(page, "left-words")
    assert "would say No 80 %" in words(page, "left-words")
    assert words(page, "left-status") == "9 of 36 visual tokens hidden; faint: as many others."
    assert words(page, "caveat").startswith("Looking at the dog matters around layers 3 to 5")
    assert page.locator(".cv-ticks .cv-matters").all_inner_texts() == ["3", "4", "5"]
    places = "(nodes) => nodes.map((node) => JSON.stringify(node.getBoundingClientRect()))"
    parts = page.locator(".cv-plot, .cv-left-words, .cv-left-status, .cv-closer")
    before = parts.evaluate_all(places)
    for layer in range(fakes.LAYERS):
        page.evaluate(f"{APP}.goto({layer})")
        words(page, "left-words")
        assert parts.evaluate_all(places) == before, "nothing moves"
    page.get_by_label("Where it is hidden").select_option(label="seen only here")
    assert "can look at the dog only here" in words(page, "left-what")
    page.get_by_role("button", name="cat").click()
    assert words(page, "left-status") == "Not measured for this choice."
    assert words(page, "caveat").startswith("Attention shows where information is read from")


def test_an_older_payload_has_no_such_plot(show):
    page = show(fakes.payload())
    assert not page.locator(".cv-knock").is_visible()
    assert words(page, "caveat").startswith("Attention shows where information is read from")


def test_it_comes_by_itself_and_follows_what_is_chosen(open_page, url):
    page = drawn(open_page(url))
    page.wait_for_function(f"{WHOLE}")
    assert "Looking at the laptop matters around layers 3 to 5" in words(page, "caveat"), "with the example, at once"
    page.get_by_role("button", name="clock", exact=True).click()
    page.get_by_role("button", name="laptop", exact=True).click()
    page.wait_for_function(f"{WHOLE} && {APP}.store.knockout.on.join() === 'clock'")
    assert "cannot look at the clock here" in words(page, "left-what")
    page.get_by_label("Layers at a time").select_option("5")
    page.wait_for_function(f"{WHOLE} && {APP}.store.knockout.window === 5")
    page.get_by_role("button", name="What color is the book?").click()
    page.wait_for_function(f"{APP}.model.status === 'done' && {APP}.model.question.includes('book') && {WHOLE}")
    assert page.evaluate(f"{APP}.store.knockout.on") == ["book"]
    assert page.evaluate(f"{APP}.spelled()").endswith("window=5")


def test_a_link_says_from_which_words(open_page, url):
    view = View(rows="both", only=True)
    page = drawn(open_page(f"{url}?{query(Link('desk', 'Is there a clock in the picture?', view=view))}"))
    page.wait_for_function(f"{APP}.model.question.includes('clock') && {WHOLE}")
    assert page.get_by_label("Hidden from").input_value() == "both"
    assert "can look at the clock only here" in words(page, "left-what")
