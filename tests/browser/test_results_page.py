"""The results tab in a real browser: a run is read, filtered, and a question of it asked again in the explorer."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from clvs_core.benchmarks.question import Question
from tests.benchmarks.made import made_run
from tests.browser.conftest import drawn, until
from tests.browser.test_app import RESULT, launch, result, when
from tests.page.fake import FakeModel
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models
from viz.page.results.runs import Runs

METHODS = {"vanilla": "vanilla", "clvs": "clvs:alpha=0.7", "vcd": "vcd", "pai": "pai", "vaf": "vaf"}
HOSTILE = '<img src=x onerror="__pwn=1"> ${window.__pwn=2} {{constructor}} `'


def questions(library):
    """Sixty about bundled scenes, the last with a text that must stay text."""
    scenes = library.scenes[:12]
    found = [
        Question(f"coco/random/{n + 1}", scenes[n // 5].path.name, f"Is there a thing {n} here?", ("yes", "no")[n % 2],
                 "random", "coco")
        for n in range(59)
    ]  # fmt: skip
    return [*found, Question("coco/odd/60", scenes[0].path.name, HOSTILE, "yes", "odd", "coco")]


def answer(question, method):
    """Vanilla says yes; PAI differs in every tenth question; VAF is not to be read in the third."""
    number = int(question.id.rpartition("/")[2])
    if (method, number) == ("vaf", 3):
        return "<b>Maybe</b>"
    return "No" if method == "pai" and number % 10 == 0 else "Yes"


@pytest.fixture(scope="module")
def library():
    return Library()


@pytest.fixture(scope="module")
def url(library, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made_run(
        folder / "scenes", "pope", questions(library), METHODS, answer, model="scenes", label="Scenes",
        records=("lens",), layers=8,
    )  # fmt: skip
    made_run(folder / "seven", "pope", questions(library)[:4], model="llava-1.5-7b")
    made_run(folder / "wrong", "mme").joinpath("run.json").write_text("{")
    models = Models(load=lambda name, **settings: FakeModel(), own=True)
    page = build.build(models, library, record.make(models, library), Runs([folder]))
    yield launch(page)
    page.close()


def opened(page, count="60 questions"):
    page.wait_for_function(f"document.querySelector('.rs-count')?.textContent === {json.dumps(count)}")
    return page.locator(".rs tbody tr")


def show(page, value, count):
    page.locator(".rs [data-do=show]").select_option(value)
    return opened(page, count)


def test_a_disagreement_is_found_and_asked_again_with_all_its_panels(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("tab", name="Results", exact=True).click()
    assert opened(page).count() == 50
    assert "POPE · Scenes" in page.locator(".rs-about").inner_text()
    row = show(page, "differ", "6 of 60 questions").first
    assert [cell.inner_text() for cell in row.locator(".rs-cell").all()] == ["✗ Yes"] * 3 + ["✓ No", "✗ Yes"]
    row.click()
    when(page, "m.status === 'done' && m.notes.some((note) => note.startsWith('In the run'))")
    shown = result(page)
    assert page.get_by_role("tab", name="Explore", exact=True).get_attribute("aria-selected") == "true"
    assert shown["question"] == page.locator("#question textarea").input_value() == "Is there a thing 9 here?"
    assert [m["name"] for m in shown["methods"]] == ["vanilla", "clvs", "pai"]
    assert "alpha=0.7" in shown["methods"][1]["spec"]
    assert all(len(m["tokens"]) == 1 for m in shown["methods"]), "as many tokens as in the run"
    assert "In the run: Vanilla Yes, CLVS Yes, PAI No." in page.locator("#viewer .cv-notes").inner_text()
    assert page.locator("#viewer .cv-map:visible").count() >= 3
    assert shown["objects"], "the scene's masks are there"
    assert page.locator(".mp-chip[aria-pressed=true]").count() == 3
    assert "Is there a thing 8 here?" in page.locator("#suggestions button").all_inner_texts()
    page.get_by_role("tab", name="Results", exact=True).click()
    assert page.locator(".rs tbody tr.rs-marked").get_attribute("data-id") == "coco/random/10", "as it was left"


def test_a_link_opens_a_run_at_a_question(open_page, url):
    clipboard = ["clipboard-read", "clipboard-write"]
    page = open_page(f"{url}?__theme=dark&run=scenes&id=coco%2Fodd%2F60", permissions=clipboard)
    assert opened(page).count() == 10
    assert page.locator(".rs-page").inner_text() == "2 / 2"
    assert page.locator(".rs-marked .rs-question").inner_text() == HOSTILE
    assert not page.locator("#explore").is_visible()
    assert page.evaluate("window.__pwn") is None, "texts stay texts"
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith("?run=scenes&id=coco%2Fodd%2F60")
    page.get_by_role("tab", name="Explore", exact=True).click()
    drawn(page)
    page.wait_for_function("document.querySelector('.cv-map canvas').getBoundingClientRect().width > 100")


def at(page):
    """The page's address after its question mark, read."""
    return dict(parse_qsl(urlsplit(page.url).query, keep_blank_values=True))


def test_back_and_reload_keep_the_run_and_its_page(open_page, url):
    page = drawn(open_page(f"{url}?"))
    assert at(page) == {}, "a plain visit has a plain address"
    page.get_by_role("tab", name="Results", exact=True).click()
    opened(page)
    page.locator("[data-do=run]").select_option("seven")
    opened(page, "4 questions")
    page.locator("[data-do=run]").select_option("scenes")
    opened(page)
    page.get_by_role("button", name="Next page").first.click()
    page.wait_for_function("document.querySelector('.rs-page').textContent === '2 / 2'")
    assert at(page) == {"run": "scenes", "at": "1"}
    page.locator(".rs tbody tr").nth(3).click()
    when(page, "m.status === 'done' && m.question === 'Is there a thing 53 here?'")
    assert "run" not in at(page)
    page.evaluate("""() => { window.__busy = 0; new MutationObserver(() => { window.__busy += 1; }).observe(
        document.querySelector('.rs'), { attributes: true, attributeFilter: ['aria-busy'] }); }""")
    page.go_back()
    page.locator("#results").wait_for()
    here = {"run": "scenes", "at": "1", "id": "coco/random/54"}
    assert (at(page), page.locator(".rs-page").inner_text()) == (here, "2 / 2")
    assert page.locator(".rs-marked").get_attribute("data-id") == "coco/random/54"
    assert page.evaluate("window.__busy") == 0, "nothing is asked again"
    page.locator(".rs-marked").click()
    page.locator("#explore").wait_for()  # the same question a second time
    page.go_back()
    page.locator("#results").wait_for()
    page.reload()
    assert opened(page).count() == 10
    assert (at(page), page.locator("[data-do=run]").input_value()) == (here, "scenes")
    page.go_back()
    page.locator("#explore").wait_for()
    assert "run" not in at(page)
    page.reload()
    drawn(page)
    page.go_forward()
    assert opened(page).count() == 10, "the address is read where nothing was there yet"
    assert at(page) == here


def test_filters_outlive_a_reload_and_a_link_to_the_explorer_its_results(open_page, url):
    page = drawn(open_page(f"{url}?__theme=dark&scene=savanna&q=Why%3F"))
    page.get_by_role("tab", name="Results", exact=True).click()
    opened(page)
    show(page, "lost", "0 of 60 questions")
    page.locator("[data-do=method]").select_option("pai")
    page.locator("[data-do=parser]").select_option("lmms")
    page.locator("[data-do=text]").fill("thing 9")
    opened(page, "0 of 60 questions")
    page.wait_for_url("**text=thing+9*")
    kept = {"run": "scenes", "parser": "lmms", "text": "thing 9", "show": "lost", "method": "pai", "__theme": "dark"}
    assert at(page) == kept
    page.reload()
    opened(page, "0 of 60 questions")
    assert at(page) == kept
    assert {
        name: page.locator(f".rs [data-do={name}]").input_value() for name in ("parser", "text", "show", "method")
    } == {name: kept[name] for name in ("parser", "text", "show", "method")}
    page.go_back()
    page.locator("#explore").wait_for()
    when(page, "m.status === 'done' && m.question === 'Why?'")
    until(page, lambda: "layer" in at(page))  # by then it says all that was chosen
    assert {name: at(page)[name] for name in ("__theme", "scene", "q")} == {
        "__theme": "dark",
        "scene": "savanna",
        "q": "Why?",
    }


def test_filters_and_pages(open_page, url):
    page = open_page(f"{url}?run=scenes")
    opened(page)
    page.get_by_role("button", name="Next page").first.click()
    page.wait_for_function("document.querySelector('.rs-page').textContent === '2 / 2'")
    page.get_by_role("searchbox").fill("THING 58")
    rows = opened(page, "2 of 60 questions")  # that, and the one with this number
    assert page.locator(".rs-page").inner_text() == "1 / 1"
    assert rows.last.locator(".rs-question").inner_text() == "Is there a thing 58 here?"
    page.get_by_role("searchbox").fill("")
    opened(page)
    row = show(page, "unread", "1 of 60 questions").first
    assert row.locator(".rs-cell").last.inner_text() == "✓? <b>Maybe</b>"
    page.locator("[data-do=parser]").select_option("lmms")
    page.wait_for_function("document.querySelector('.rs-cell:last-child').textContent.startsWith('?')")
    show(page, "gained", "0 of 60 questions")
    assert "No question is left" in page.locator(".rs tbody").inner_text()
    page.locator("[data-do=method]").select_option("pai")
    opened(page, "5 of 60 questions")


def test_the_keyboard_reaches_and_opens_a_row(open_page, url):
    page = open_page(f"{url}?run=scenes")
    opened(page)
    page.get_by_role("button", name="VAF", exact=False).first.focus()
    page.keyboard.press("Enter")
    page.locator(".rs-id").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    when(page, "m.status === 'done' && m.question === 'Is there a thing 1 here?'")
    assert [m["name"] for m in result(page)["methods"]] == ["vanilla", "clvs", "vaf"]
    assert page.evaluate("document.activeElement.id") == "view-explore"
    page.keyboard.press("ArrowRight")
    assert page.locator("#results").is_visible()


def test_no_more_methods_are_picked_than_the_page_compares(open_page, url):
    page = open_page(f"{url}?run=scenes")
    opened(page)
    chips = page.locator(".rs-chips [data-method]")
    for n in range(2, 5):
        chips.nth(n).click()
    assert page.locator(".rs-chips [data-method][aria-pressed=true]").all_inner_texts() == [
        "Vanilla", "CLVS", "VCD", "PAI",
    ]  # fmt: skip
    assert chips.first.is_disabled(), "vanilla is always among them"


def test_tables_figures_and_their_files(open_page, url):
    page = open_page(f"{url}?run=scenes")
    opened(page)
    page.get_by_role("tab", name="Tables").click()
    page.locator("#tables table").first.wait_for()
    assert "VAF" in page.locator("#tables").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="LaTeX").click()
    assert download.value.suggested_filename == "scenes-tables.tex"
    page.evaluate("""() => {
      const panel = document.querySelector('[data-of=figures]');
      const look = () => { if (panel.innerText.includes('Drawing…')) window.__drawing = true; };
      new MutationObserver(look).observe(panel, { attributes: true, subtree: true });
    }""")
    page.get_by_role("tab", name="Figures").click()
    page.locator(".rs-figures img").first.wait_for()
    page.wait_for_function("[...document.querySelectorAll('.rs-figures img')].every((i) => i.naturalWidth > 300)")
    assert page.evaluate("window.__drawing"), "that it is drawing was to be seen"
    assert not page.locator("#tables").is_visible()
    assert page.get_by_text("--key-objects").count() == 1
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("SVG$")).first.click()
    assert download.value.suggested_filename == "scenes-convergence.svg"


def test_what_is_wrong_is_one_sentence_and_the_rest_stays(open_page, url, tmp_path):
    page = open_page(f"{url}?run=scenes")
    opened(page)
    page.locator("[data-do=run]").select_option("wrong")
    page.get_by_role("alert").get_by_text("wrong/run.json is damaged").wait_for()
    assert page.locator("[data-do=run]").input_value() == "scenes"
    assert page.locator(".rs tbody tr").count() == 50
    page.get_by_label("Another folder").fill(str(tmp_path))
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("holds no run").wait_for()
    made_run(tmp_path / "mine", "mme")
    page.get_by_label("Another folder").fill(str(tmp_path / "mine"))
    page.keyboard.press("Enter")
    opened(page)
    page.wait_for_function("document.querySelector('.rs-line').textContent.startsWith('MME')")
    assert not page.locator(".rs-error").is_visible()
    assert at(page) == {"run": ""}, "a path that was typed is nobody else's"
    page.locator(".rs tbody tr").first.click()
    page.get_by_role("alert").get_by_text("start the app with --images").wait_for()
    assert page.locator("#results").is_visible()
    page.get_by_role("tab", name="Tables").click()
    page.locator("#tables table").first.wait_for()
    assert not page.locator(".rs-error").is_visible(), "it was about an answer"
    page.locator("[data-do=run]").select_option("scenes")
    opened(page)  # as was the run before, so that this does not wait
    page.wait_for_function("new URLSearchParams(location.search).get('run') === 'scenes'")
    assert page.get_by_label("Another folder").input_value() == ""
    assert at(page) == {"run": "scenes"}


def test_an_error_of_the_figures_stays_with_the_figures(open_page, url, tmp_path):
    page = open_page(f"{url}?run=seven")
    opened(page, "4 questions")
    mine = made_run(tmp_path / "mine", "pope", methods=METHODS)
    page.get_by_label("Another folder").fill(str(mine))
    page.keyboard.press("Enter")
    opened(page, "108 questions")
    (mine / "run.json").write_text("{")
    for _ in range(2):
        page.get_by_role("tab", name="Figures").click()
        page.get_by_role("alert").get_by_text("run.json is damaged").wait_for()
        page.get_by_role("tab", name="Answers").click()
        assert not page.locator(".rs-error").is_visible()


def test_a_run_of_another_model_is_asked_with_the_one_that_is_here(open_page, url):
    page = open_page(f"{url}?run=seven")
    opened(page, "4 questions").first.click()
    when(page, "m.status === 'done' && m.notes.some((note) => note.includes('is not offered here'))")
    assert result(page)["question"] == "Is there a thing 0 here?"


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_out_of_the_page(open_page, url, width, height, theme):
    page = open_page(f"{url}?__theme={theme}&run=scenes", width=width, height=height, theme=theme)
    opened(page)
    wide = "document.documentElement.scrollWidth - window.innerWidth"
    assert page.evaluate(wide) <= 0
    before = page.locator(".rs-scroll").bounding_box()
    show(page, "differ", "6 of 60 questions")
    after = page.locator(".rs-scroll").bounding_box()
    assert (before["x"], before["y"], before["width"]) == (after["x"], after["y"], after["width"]), "nothing jumps"
    page.get_by_role("tab", name="Tables").click()
    page.locator("#tables table").first.wait_for()
    assert page.evaluate(wide) <= 0
    page.get_by_role("tab", name="Figures").click()
    page.locator(".rs-figures img").first.wait_for()
    assert not page.locator("[data-do=parser]").is_visible()
    above, tab = page.locator(".rs-about").bounding_box(), page.get_by_role("tab", name="Figures").bounding_box()
    assert tab["y"] - above["y"] - above["height"] < 20, "no band is left where the parser was"


def test_without_a_run_the_tab_says_what_it_is_for(open_page, library):
    models = Models(load=lambda name, **settings: FakeModel())
    page_ = build.build(models, library, record.make(models, library))
    try:
        page = drawn(open_page(launch(page_)))
        assert page.evaluate(f"{RESULT}.status") == "done"
        page.get_by_role("tab", name="Results", exact=True).click()
        page.get_by_text("make paper", exact=True).wait_for()
        assert page.get_by_text("python -m clvs_core bench pope --data DIR --out runs/x").is_visible()
        assert not page.locator(".rs-run").is_visible()
        assert not page.get_by_label("Another folder").is_visible(), "this page is not its visitor's own"
    finally:
        page_.close()


def test_of_quick_choices_the_last_is_shown(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("tab", name="Results", exact=True).click()
    opened(page)
    page.locator(".rs [data-do=show]").evaluate("""(select) => {
      for (const value of ['unread', 'wrong', 'differ']) {
        select.value = value;
        select.dispatchEvent(new Event('change', { bubbles: true }));
      }
    }""")
    opened(page, "6 of 60 questions")
    page.wait_for_timeout(500)
    opened(page, "6 of 60 questions")
    assert page.locator(".rs [data-do=show]").input_value() == "differ"
