"""The page in other languages: which one it takes, how it is changed and kept, and that nothing is left in English."""

from __future__ import annotations

import pytest

from tests.browser.conftest import drawn
from tests.browser.test_app import launch
from tests.page.fake import FakeModel
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

LANGUAGE = "[document.documentElement.lang, document.querySelector('#view-explore').innerText]"


@pytest.fixture(scope="module")
def url():
    library, models = Library(), Models(load=lambda name, **settings: FakeModel())
    page = build.build(models, library, record.make(models, library))
    yield launch(page)
    page.close()


def language(page):
    return page.evaluate(LANGUAGE)


def test_the_browser_chooses_and_the_menu_changes_it_for_good(open_page, url):
    page = drawn(open_page(url, locale="zh-CN"))
    assert language(page) == ["zh-Hans", "探索"]
    with page.expect_navigation():
        page.get_by_label("语言").select_option("en")
    assert language(drawn(page)) == ["en", "Explore"]
    page.reload()
    assert language(drawn(page)) == ["en", "Explore"]
    page.goto(f"{url}?lang=zh")  # a link says it for once
    assert language(drawn(page)) == ["zh-Hans", "探索"]
    page.evaluate("document.documentElement.lang = 'de'")
    page.wait_for_function("document.documentElement.lang === 'zh-Hans'")
