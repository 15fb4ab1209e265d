"""The page for those who see little, hear it read, have no mouse, a finger or colours of their own."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import pytest

from clvs_core.bundled import ASSETS
from tests.browser.conftest import drawn, until
from tests.browser.test_app import ask, launch
from tests.page import pictures
from tests.page.fake import FakeModel
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models
from viz.page.results.runs import Runs

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"  # where `make check` puts it


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    models = Models(load=lambda name, **settings: FakeModel(), own=True)
    page = build.build(models, library, record.make(models, library), Runs([ASSETS / "runs"]))
    yield launch(page)
    page.close()


# ---- axe ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def axe():
    """Deque's rules for accessible pages, as a script."""
    if not AXE.is_file():
        message = "axe is not here: `npm ci` brings it"
        if os.environ.get("CLVS_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return AXE.read_text(encoding="utf-8")


def faults(page):
    """What axe calls critical or serious, one line for each element."""
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)")
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("critical", "serious")
        for node in rule["nodes"]
    ]


def part_of_the_run(page, name):
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_function("!document.querySelector('#results').dataset.waiting")
    ready = {
        "Tables": "#tables table",
        "Figures": ".rs-figures img, .rs-missing li",
        "Answers": ".rs tbody tr[data-id]",
    }
    page.locator(ready[name]).first.wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_either_tab(open_page, url, axe, theme):
    page = drawn(open_page(url, theme=theme))
    page.evaluate(axe)
    assert faults(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#more button").first.click()
    page.locator(".mm-open").click()
    page.evaluate("document.querySelectorAll('.cv details').forEach((one) => { one.open = true; })")
    page.locator("[data-do=menu]").click()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Results", exact=True).click()
    for part in ("Answers", "Tables"):
        part_of_the_run(page, part)
        assert faults(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    part_of_the_run(page, "Figures")
    assert faults(page) == []


# ---- by keyboard and by screen reader ------------------------------------------------------------------------------


def stops(page, end):
    """What Tab stops at, from the top of the page to the first that fits the selector `end`."""
    found = []
    while len(found) < 60:
        page.keyboard.press("Tab")
        found.append(page.evaluate("document.activeElement.outerHTML.slice(0, 90)"))
        if page.evaluate(f"document.activeElement.matches({end!r})"):
            return found
    raise AssertionError(found)


def test_a_link_skips_to_the_answers_and_lists_are_one_stop(open_page, url):
    page = drawn(open_page(url))
    address = page.url
    assert len(stops(page, ".cv *")) <= 28, "34 before"
    page.evaluate("document.activeElement.blur()")
    page.get_by_role("link", name="Skip to the answers").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "cv"
    assert len(stops(page, ".cv-answer *")) == 1
    assert page.url == address


def test_an_answer_is_heard_once_and_its_progress_is_not(open_page, url):
    page = drawn(open_page(url))
    page.wait_for_function("document.querySelector('.cv-live').textContent")  # where one is, on the example
    page.evaluate("""() => {
        window.heard = [];
        const live = document.querySelector('.cv-live');
        new MutationObserver(() => heard.push(live.textContent)).observe(live, { childList: true });
    }""")
    ask(page, "Count slowly.")
    until(page, lambda: len(page.evaluate("heard")) > 1)
    begun, told = page.evaluate("heard")
    assert begun == "The answer is being worked out."
    assert re.match(r"Vanilla: \w.*CLVS: \w", told)
    assert "Layer " in told, "and where one is"
    assert page.locator("#viewer [role=status], #viewer [aria-live]").count() == 1, "nothing else speaks"


def test_headings_and_landmarks_are_in_order(open_page, url):
    page = drawn(open_page(url))
    levels = page.evaluate("""[...document.querySelectorAll('h1, h2, h3, h4')]
        .filter((one) => one.checkVisibility()).map((one) => Number(one.tagName[1]))""")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("region", name="Attention viewer").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"


# ---- colours of the visitor's own, and much enlarged -----------------------------------------------------------------


def test_in_high_contrast_what_is_chosen_and_what_slides_can_be_seen(open_page, url):
    page = drawn(open_page(url, forced_colors="active"))
    colour = "(name) => { document.body.style.color = name; return getComputedStyle(document.body).color; }"
    chosen, text = page.evaluate(colour, "Highlight"), page.evaluate(colour, "CanvasText")
    of = "(one, part) => getComputedStyle(one)[part]"
    page.get_by_role("tab", name="All numbers").click()
    panel = ".cv-closer [aria-selected=true]"
    for name in (
        ".page-views [aria-selected=true]",
        panel,
        ".cv-chip[aria-pressed=true]",
        ".cv-token[aria-pressed=true]",
    ):
        assert page.locator(name).first.evaluate(of, "backgroundColor") == chosen, name
    for name in (".cv-slide input", ".mp-range"):
        assert page.locator(name).first.evaluate(of, "appearance") == "auto", name
    for name in (".cv-map > canvas", ".cv-strip canvas", ".cv-plot canvas"):
        assert page.locator(name).first.evaluate(of, "outlineColor") == text, name
    for name in ("#go button", ".cv-enlarge", ".page-fold", ".mp-tab", ".cv-chip"):
        assert page.locator(name).first.evaluate(of, "borderTopWidth") != "0px", name


@pytest.mark.parametrize("width", [720, 320])
def test_nothing_is_lost_when_enlarged(open_page, url, width):
    """A window of 1280 pixels at 200 and at 400 %."""
    page = drawn(open_page(url, width=width, height=512))
    for name in ("Explore", "Results"):
        page.get_by_role("tab", name=name, exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("tab", name="Explore", exact=True).click()
    for name in ("Run", "Enlarge the map Vanilla", "Play through the layers", "+ box"):
        button = page.get_by_role("button", name=name, exact=True)
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
