"""What asks, in a real browser over the fake model: suggestions, what is expected, Stop, numbers out of range."""

from __future__ import annotations

import pytest

from tests.browser.conftest import drawn, until
from tests.browser.test_app import ask, done, launch, when
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build, limits
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

STOP = "(off) => document.querySelector('#go button:last-child').getAttribute('aria-disabled') === off"
CAR, DOG = pictures.QUESTIONS["street"]


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    app = build.build(models, library, record.make(models, library))
    shown, failed = browser.new_page(viewport={"width": 1280, "height": 720}), []
    shown.on("pageerror", lambda error: failed.append(str(error)))
    shown.goto(launch(app))
    drawn(shown).locator("#more button").first.click()
    yield shown
    shown.close()
    app.close()
    assert failed == []


def notes(page):
    return page.locator(".cv-notes").inner_text().strip()


def test_suggestions_say_where_clvs_looks_less_and_are_not_cut(page):
    texts = page.locator("#suggestions button").all_inner_texts()
    assert [" ".join(text.split()) for text in texts] == [CAR, f"{DOG} CLVS looks less"]
    page.evaluate("document.querySelector('#suggestions').style.width = '120px'")
    cut = (
        "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)"
    )
    assert page.locator("#suggestions button").evaluate_all(f"(all) => ({cut})(all).length") == 0
    page.evaluate("document.querySelector('#suggestions').style.width = ''")


def test_what_is_expected_stands_below_a_known_question_once_it_is_answered(page):
    assert notes(page) == "Expected: yes."
    page.locator("#suggestions button").nth(1).click()
    done(page, DOG)
    until(page, lambda: notes(page).startswith("Expected"))
    assert notes(page) == ("Expected: yes. A box stands for the dog. An odd one: here CLVS looks less at it, not more.")
    ask(page, "Is there a zebra?")
    done(page, "Is there a zebra?")
    until(page, lambda: "Expected" not in notes(page))


def test_stop_can_be_pressed_while_something_runs(page):
    stop = page.locator("#go").get_by_role("button", name="Stop", exact=True)
    page.wait_for_function(STOP, arg="true")
    page.locator("#set-tokens input[type=number]").fill("64")
    page.keyboard.press("Enter")
    ask(page, "Count slowly.")
    page.wait_for_function(STOP, arg="false")
    stop.click(force=True)  # at once, without waiting for frames of a busy machine
    when(page, "m.status === 'done' && m.progress === 'Stopped.'")
    page.wait_for_function(STOP, arg="true")


def test_a_number_out_of_range_is_said_to_be_the_nearest(page):
    alpha = page.locator("[data-field=alpha] input[type=number]").first
    hint = page.locator("[data-field=alpha] .mp-hint").first
    before = hint.inner_text()
    alpha.fill("7")
    alpha.press("Tab")
    assert (alpha.input_value(), hint.inner_text()) == ("1", "The largest is 1.")
    alpha.fill("-3")
    alpha.press("Tab")
    assert (alpha.input_value(), hint.inner_text()) == ("0", "The smallest is 0.")
    alpha.fill("0.8")
    assert hint.inner_text() == before
    alpha.press("Tab")


def test_the_longest_answer_says_its_bounds_as_they_are_passed(page):
    tokens = page.locator("#set-tokens input[type=number]")
    told = page.locator("#set-tokens .set-said")
    tokens.fill("100")
    assert told.inner_text() == f"The largest is {limits.MAX_TOKENS}."
    tokens.fill("0")
    assert told.inner_text() == "The smallest is 1."
    tokens.fill("8")
    assert told.inner_text() == ""
