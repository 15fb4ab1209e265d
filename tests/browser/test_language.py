"""The page in other languages: which one it takes, how it is changed and kept, and that nothing is left in English."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import SETTLED, drawn
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


# What is called so in every language: methods, models, colours, kinds of files, places in the web, keys.
NAMES = (
    "AD-HH AMBER CLVS ClearSight CSV Explorer GIF HTML IMCCD LaTeX LLaVA Markdown MME PAI PNG POPE R-Bench Scenes SVG "
    "TARAC VAF Vanilla VAR VCD Vicuna WebM arxiv.org github.com magma viridis cividis npz softmax bench Home "
    "End Shift Esc Tab "
    "model"
)
WORD = re.compile(r"[A-Za-z]{3,}")
LEFT = """() => {
  const own = '[translate="no"], code, pre, script, style, textarea';
  const names = ['alt', 'aria-label', 'aria-valuetext', 'data-label', 'data-tip', 'placeholder', 'title'];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  const [there, hushed] = [[], []];
  for (let node = walk.currentNode; node; node = walk.nextNode()) {
    const element = node.parentElement && node.nodeType === 3 ? node.parentElement : node;
    const texts = node.nodeType === 3 ? [node.data] : names.map((name) => node.getAttribute(name)).filter(Boolean);
    (element.closest(own) ? hushed : there).push(...texts.map((text) => text.trim()).filter(Boolean));
  }
  return [there, hushed];
}"""


def left_in_english(page):
    """Texts on the page, seen or not, with a word that is no name and not the visitor's, a file's or a model's."""
    there, hushed = page.evaluate(LEFT)
    known = {*WORD.findall(" ".join([NAMES, *hushed]))}
    return sorted({text for text in there if {*WORD.findall(text)} - known})


def test_nothing_is_left_in_english(open_page, url):
    page = drawn(open_page(f"{url}?lang=zh", locale="zh-CN", motion=False))
    page.locator("#more button").first.click()
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.locator(".mp-chip[data-key=vcd]").click()
    page.wait_for_function("document.querySelector('#viewer .cv').__clvs.model.methods.length === 3")
    page.locator(".mp-tools [data-do=more]").click()
    assert left_in_english(page) == []
    page.locator("[data-do=menu]").click()
    assert left_in_english(page) == []
    page.keyboard.press("Escape")
    for tab in page.locator(".cv [role=tab]").all():
        tab.click()
        page.evaluate(SETTLED)
        assert left_in_english(page) == []
    page.locator("#view-results").click()
    page.locator(".rs-none").wait_for()
    assert left_in_english(page) == []
