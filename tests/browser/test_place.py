"""The address says what the page shows: reload, Back and links bring it back, and answers stand by their question."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests import viewer_fakes
from tests.browser.conftest import drawn, until
from tests.browser.test_app import ask, chip, done, error_of, launch, when
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

APP = "document.querySelector('#viewer .cv')?.__clvs"
FIRST = pictures.QUESTIONS["street"][0]


@pytest.fixture(scope="module")
def model():
    return fakes.FakeModel()


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    models = Models(load=lambda name, **settings: model)
    page = build.build(models, library, record.make(models, library))
    yield launch(page)
    page.close()


def said(page):
    """The address, by name."""
    return dict(parse_qsl(urlsplit(page.url).query, keep_blank_values=True))


def state(page, name):
    return page.evaluate(f"{APP}.state.{name}")


def opening(page):
    """What a page shows while it opens, told by every frame from its first on."""
    return page.evaluate("window.seen")


WATCH = f"""window.seen = [];
const look = () => {{
    const app = {APP};
    const shown = app && (app.model ? app.model.question : `opening: ${{app.root.querySelector('h2').textContent}}`);
    if (shown && shown !== window.seen.at(-1)) window.seen.push(shown);
    requestAnimationFrame(look);
}};
look();"""


def test_the_address_says_what_differs_and_back_brings_answers_back(open_page, url):
    page = drawn(open_page(url))
    assert set(said(page)) == {"__theme"}, "the example as it comes"
    page.locator(".cv").focus()
    page.keyboard.press("End")
    page.keyboard.press("d")
    until(page, lambda: said(page).get("diff") == "0")
    assert (said(page)["scene"], said(page)["q"], said(page)["layer"]) == ("street", FIRST, "8")
    entries = page.evaluate("history.length")

    page.locator("#examples button[data-name=table]").click()
    table = pictures.QUESTIONS["table"][0]
    done(page, table)
    until(page, lambda: said(page)["scene"] == "table")
    ask(page, "Is it red?")
    done(page, "Is it red?")
    chip(page, "VCD").click()
    when(page, "m.methods.length === 3")
    page.locator(".cv").focus()
    page.keyboard.press("Home")
    until(page, lambda: said(page)["layer"] == "1")
    assert page.evaluate("history.length") == entries + 2, "a question is an entry, a method and a layer are none"

    page.go_back()
    done(page, table)
    assert page.locator("#question textarea").input_value() == table
    assert page.locator("#methods [aria-pressed=true]").count() == 2
    page.go_back()
    done(page, FIRST)
    assert (state(page, "layer"), state(page, "diff")) == (7, False)
    assert page.locator("#examples [aria-pressed=true]").get_attribute("data-name") == "street"
    page.go_forward()
    done(page, table)
    page.go_forward()
    done(page, "Is it red?")
    assert [method["name"] for method in page.evaluate(f"{APP}.model.methods")] == ["vanilla", "clvs", "vcd"]
    assert state(page, "layer") == 0


def test_a_reload_opens_under_its_question_with_all_that_was_chosen(open_page, url):
    page = drawn(open_page(url))
    page.add_init_script(WATCH)
    ask(page, "Is there a dog?")
    done(page, "Is there a dog?")
    page.locator("#viewer .cv-chips").get_by_role("button", name="car", exact=True).click()
    page.locator(".cv").focus()
    for key in ("s", "m", "End"):
        page.keyboard.press(key)
    page.evaluate(f"{APP}.store.setRegion({{ box: [10, 20, 90, 80.5] }})")
    until(page, lambda: "region" in said(page))
    page.reload()
    done(drawn(page), "Is there a dog?")
    assert opening(page) == ["opening: Is there a dog?", "Is there a dog?"]
    assert [state(page, name) for name in ("scale", "contours", "layer")] == ["layer", False, 7]
    assert state(page, "region") == {"box": [10, 20, 90, 80.5]}
    assert said(page)["region"] == "10,20,90,80.5"
    page.evaluate(f"{APP}.store.setRegion(null)")
    assert page.evaluate(f"{APP}.spelled()") == "layer=8&scale=layer&contours=0"


def test_a_link_opens_on_a_skeleton_and_says_what_it_could_not_open(open_page, url):
    link = f"{url}?scene=table&q=Is+it+red%3F&method=magic&method=vcd&model=other&layer=99&on=zebra&cmap=jet&sinks=2"
    page = open_page("about:blank")
    page.add_init_script(WATCH)
    page.goto(link)
    done(drawn(page), "Is it red?")
    assert opening(page) == ["opening: Is it red?", "Is it red?"]
    notes = page.locator(".cv-notes").inner_text()
    assert "could not be opened: method=magic, cmap=jet, model=other, layer=99, on=zebra." in notes
    assert [method["name"] for method in page.evaluate(f"{APP}.model.methods")] == ["vanilla", "vcd"]
    assert state(page, "sinks") == 2
    page.goto(f"{url}?scene=gone&q=Why%3F")
    assert "'gone', which is not here" in error_of(page)
    assert page.locator("#picture img").is_visible()


def test_a_link_that_names_no_scene_is_of_the_first_example(open_page, url):
    """Also where it opens a panel, which comes with the second script."""
    page = drawn(open_page(f"{url}?closer=compare&layer=3"))
    page.get_by_role("button", name="Pin this answer").click()
    until(page, lambda: said(page)["closer"] == "compare")
    assert (said(page)["scene"], said(page)["q"], said(page)["layer"]) == ("street", FIRST, "3")
    ask(page, "Is it red?")
    done(page, "Is it red?")
    asked = page.locator("#cv-panel .cv-asked")
    assert asked.all_inner_texts() == [FIRST, "Is it red?"]
    page.reload()
    done(drawn(page), "Is it red?")
    page.get_by_role("button", name="Pin this answer").wait_for()
    assert asked.count() == 0, "what is pinned does not survive a reload"


def test_an_own_picture_outlives_a_reload_and_is_in_no_address(open_page, url):
    page = drawn(open_page(url))
    ask(page, "Is there a unicorn?")
    done(page, "Is there a unicorn?")
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": viewer_fakes.png()}
    page.locator("#picture input[type=file]").set_input_files(file)
    own = "m.status === 'done' && m.image.url.includes('picture')"
    when(page, own)
    until(page, lambda: "scene" not in said(page))
    page.locator(".cv").focus()
    page.keyboard.press("End")
    until(page, lambda: "layer=8" in page.evaluate("history.state.view"))
    page.reload()
    when(drawn(page), own)
    assert set(said(page)) == {"__theme"}
    assert page.locator(".cv-question").inner_text() == "Is there a unicorn?"
    assert state(page, "layer") == 7
    page.go_back()
    when(page, "m.status === 'done' && !m.image.url.includes('picture')")
    page.go_forward()
    when(page, own)


def test_answers_are_dimmed_while_another_question_stands_there(open_page, url):
    page = drawn(open_page(url))
    box, viewer, why = (page.locator(name) for name in ("#question textarea", "#viewer .cv", ".cv-stale"))
    assert viewer.get_attribute("data-stale") is None
    top = page.locator(".cv-maps").bounding_box()["y"]
    box.fill("Is there a dog?")
    assert viewer.get_attribute("data-stale") == ""
    assert why.inner_text() == "The question has changed since: press Run to ask it."
    assert page.locator(".cv-maps").bounding_box()["y"] == top, "nothing moves"
    chip(page, "VCD").click()
    when(page, "m.methods.length === 3")
    assert page.locator(".cv-question").inner_text() == FIRST, "a method is asked what the others were"
    assert box.input_value() == "Is there a dog?"
    assert viewer.get_attribute("data-stale") == ""
    box.fill(f" {FIRST} ")
    assert viewer.get_attribute("data-stale") is None
    assert why.inner_text() == ""
    ask(page, "Count dogs slowly.")
    done(page, "Count dogs slowly.")
    until(page, lambda: viewer.get_attribute("data-stale") is None)


def test_the_answer_before_is_dimmed_while_another_visitor_is_answered(open_page, url):
    one, other = drawn(open_page(url)), drawn(open_page(url))
    ask(one, "Count dogs slowly.")
    when(one, "m.status === 'running' && m.question === 'Count dogs slowly.'")
    ask(other, "Is there a dog?")
    dimmed = "document.querySelector('#viewer .cv').matches('[data-stale]')"
    when(other, f"m.status === 'running' && m.question === '{FIRST}' && {dimmed}")
    done(other, "Is there a dog?")
    until(other, lambda: other.locator("#viewer .cv").get_attribute("data-stale") is None)


def test_results_and_explorer_keep_their_addresses(open_page, url):
    page = drawn(open_page(url))
    page.locator(".cv").focus()
    page.keyboard.press("End")
    until(page, lambda: said(page).get("layer") == "8")
    page.get_by_role("tab", name="Results").click()
    until(page, lambda: "run" in said(page))
    page.get_by_role("tab", name="Explore").click()
    assert said(page)["layer"] == "8"
    page.go_back()
    until(page, lambda: "run" in said(page))
    page.go_back()
    until(page, lambda: said(page).get("layer") == "8")
    assert page.evaluate(f"{APP}.model.id") == "first", "nothing was asked again"
