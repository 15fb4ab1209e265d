"""Whatever people read is asked of the dictionary: with one whose texts have no letters, none but names are left."""

from __future__ import annotations

import json
import re

import pytest

from clvs_core.models.registry import CARDS
from tests.browser.conftest import SETTLED, drawn
from tests.browser.test_app import launch
from tests.page.fake import FakeModel
from tests.texts import HOLE, ROOT, wordy
from viz import languages
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models
from viz.page.results.runs import Runs

CODE = "zh"  # the file that is put in its place
# What stands so on every page: methods, models, benchmarks, colours, files and their kinds, what is typed, keys, units.
NAMES = """
CLVS VCD PAI VAR AD-HH VAF TARAC Vanilla ClearSight IMCCD Explorer Scenes LLaVA Vicuna AMBER R-Bench POPE MME magma
viridis cividis HTML PNG SVG CSV GIF LaTeX Markdown npz softmax arxiv.org github.com Shift Home End Esc Tab float32 GB
MB chat random Yes No
"""
WORD = re.compile(r"[A-Za-z]{2,}")
READ = """() => {
  const own = '[translate="no"], code, pre, script, style, textarea, noscript';
  const names = ['alt', 'aria-description', 'aria-label', 'aria-valuetext', 'data-label', 'data-tip', 'label',
    'placeholder', 'title'];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  const [there, hushed] = [new Set(), new Set()];
  for (let node = walk.currentNode; node; node = walk.nextNode()) {
    const element = node.nodeType === 3 ? node.parentElement : node;
    const texts = node.nodeType === 3 ? [node.data] : names.map((name) => node.getAttribute(name) ?? '');
    for (const text of texts) (element.closest(own) ? hushed : there).add(text.trim().replace(/\\s+/g, ' '));
  }
  return [[...there], [...hushed]];
}"""


def pseudo():
    """The dictionary's texts in brackets, without letters but in their holes: what has letters is not of it."""
    found = json.loads((languages.FOLDER / f"{CODE}.json").read_text(encoding="utf-8"))
    for kind in ("texts", "sentences"):
        for place, part in found[kind].items():
            found[kind][place] = {text: bracketed(text) if wordy(text) else text for text in part}
    return found


def bracketed(text):
    words = HOLE.split(text)
    holes = [*HOLE.findall(text), ""]
    return "⟦" + "".join(re.sub(r"\w", "-", word) + hole for word, hole in zip(words, holes, strict=True)) + "⟧"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A page with the bundled runs, and with that dictionary in the place of another."""
    folder = tmp_path_factory.mktemp("languages")
    (folder / f"{CODE}.json").write_text(json.dumps(pseudo()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, "FOLDER", folder)
        library, models = Library(), Models(load=lambda name, **settings: FakeModel(), own=True)
        page = build.build(models, library, record.make(models, library), Runs([ROOT / "assets/runs"]))
        yield launch(page)
        page.close()


class Untold:
    """Texts with a word that is no name and not the visitor's, a file's or the model's own: all that were seen."""

    def __init__(self, page):
        self.page, self.found = page, set()

    def look(self):
        self.page.evaluate(SETTLED)
        there, hushed = self.page.evaluate(READ)
        own = sorted(
            {*NAMES.split(), *(card.label for card in CARDS.values()), *(text for text in hushed if WORD.search(text))},
            key=len,
            reverse=True,
        )
        names = re.compile("|".join(rf"(?<![A-Za-z]){re.escape(text)}(?![A-Za-z])" for text in own))
        self.found |= {text for text in there if WORD.search(names.sub("", text))}

    def __str__(self):
        return "\n".join(sorted(self.found))


def test_explore_says_nothing_but_through_the_dictionary(open_page, url):
    page = drawn(open_page(f"{url}?lang={CODE}", motion=False))
    assert "⟦" in page.locator("#view-explore").inner_text(), "the page speaks it"
    untold = Untold(page)
    page.locator("#more button").first.click()
    page.locator(".mp-tools [data-do=more]").click()
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    untold.look()
    page.locator("[data-do=menu]").click()
    untold.look()
    page.keyboard.press("Escape")
    for tab in page.locator(".cv [role=tab]").all():
        tab.click()
        untold.look()
    page.keyboard.press("?")
    untold.look()
    page.keyboard.press("Escape")
    page.locator(".cv-enlarge").first.click()
    page.locator(".cv dialog[open]").wait_for()
    untold.look()
    assert str(untold) == ""


def test_a_run_is_told_through_the_dictionary(open_page, url):
    page = open_page(f"{url}?lang={CODE}&run=examples-all-methods", motion=False)
    page.locator(".rs tbody tr").first.wait_for()
    untold = Untold(page)
    untold.look()
    page.locator("#rs-tab-tables").click()
    page.locator("#tables table").first.wait_for()
    untold.look()
    page.locator("#rs-tab-figures").click()
    page.locator(".rs-elsewhere button").wait_for()
    untold.look()
    page.locator(".rs-elsewhere button").click()
    page.locator(".rs-figures img").first.wait_for()
    assert page.locator("#rs-tab-figures").get_attribute("aria-selected") == "true"
    assert page.locator("[data-do=run]").input_value() == "examples-key-objects"
    assert page.locator(".rs-others").inner_text() == ""
    untold.look()
    assert str(untold) == ""
