"""The page for those who see little, hear it read, have no mouse, a finger or colours of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clvs_core.bundled import ASSETS
from tests.browser.conftest import drawn
from tests.browser.test_app import launch
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
