"""The page as it ships: bundled scenes, bundled model, recorded example. Not about how good the answers are."""

from __future__ import annotations

import re

import pytest

from tests import viewer_fakes
from tests.browser.conftest import drawn
from tests.browser.test_app import ask, done, launch, result, slide, upload, when
from viz.page import main


@pytest.fixture(scope="module")
def url():
    page, models = main.make(main.parse([]))
    assert not models.ready("scenes"), "the page must not wait for the model"
    yield launch(page)
    page.close()


def test_a_visit(open_page, url):
    page = drawn(open_page(url))
    first = result(page)
    assert first["status"] == "done"
    assert first["layers"] == 12
    assert page.locator("#examples button").count() >= 24

    slide(page, "α", "0.35")
    when(page, "m.status === 'done' && m.methods[1].spec.includes('alpha=0.35')")

    page.locator("#examples button").nth(3).click()
    when(page, f"m.status === 'done' && m.id !== {first['id']!r}")
    shown = result(page)
    assert shown["error"] == ""
    assert all(method["tokens"] for method in shown["methods"])
    assert "alpha=0.35" in shown["methods"][1]["spec"]
    assert len(shown["methods"][0]["uncertainty"][0]) == 12
    assert page.locator("#viewer .cv-answers").get_by_text(re.compile("Vanilla")).count()

    ask(page, "Is there a wombat in the picture?")
    done(page, "Is there a wombat in the picture?")
    assert "does not know: wombat" in page.locator("#viewer .cv-notes").inner_text()


def test_an_own_photograph(open_page, url):
    page = drawn(open_page(url))
    upload(page, "mine.png", viewer_fakes.png(640, 427, (120, 160, 90)))
    page.locator("#suggestions button", has_text="person").first.wait_for()
    ask(page, "Is there a person in the image?")
    shown = done(page, "Is there a person in the image?")
    assert shown["error"] == ""
    assert (shown["image"]["w"], shown["image"]["h"]) == (640, 427)
    told = page.locator("#viewer .cv-notes").inner_text()
    assert "trained on drawn scenes only" in told
    assert "For photographs, " in told, "what to use instead depends on the machine"
