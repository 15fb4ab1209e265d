"""Under the question: unknown words as they are typed, and a builder of questions, over the fake model."""

from __future__ import annotations

import pytest

from tests.browser.conftest import drawn, until
from tests.browser.test_app import done, launch
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    app = build.build(models, library, record.make(models, library))
    shown, failed = browser.new_page(), []
    shown.on("pageerror", lambda error: failed.append(str(error)))
    shown.goto(launch(app))
    yield drawn(shown)
    shown.close()
    app.close()
    assert failed == []


def question(page):
    return page.locator("#question textarea")


def test_unknown_words_are_underlined_where_they_are_typed(page):
    question(page).fill("Is there a unicorn here?")
    until(page, lambda: page.locator(".vb-mirror u").all_inner_texts() == ["unicorn"])
    told = page.locator(".vb [role=status]")
    assert told.inner_text().strip() == "The model does not know: unicorn"
    over = page.evaluate(
        """() => [document.querySelector('#question textarea'), document.querySelector('.vb-mirror')]
          .map((node) => JSON.stringify(node.getBoundingClientRect()))"""
    )
    assert over[0] == over[1], "the lines lie where the words are"
    question(page).fill("Is there a dog here?")
    assert page.locator(".vb-mirror u").count() == 0, "at once, before anybody is asked"
    assert told.inner_text() == ""


def test_a_word_that_was_probably_meant_is_one_click_away(page):
    question(page).fill("Is there a girafe or a unicorn?")
    near = page.get_by_role("button", name="Write “giraffe” instead of “girafe”")
    near.click()
    assert question(page).input_value() == "Is there a giraffe or a unicorn?"
    until(page, lambda: page.locator(".vb-unknown").inner_text().strip() == "The model does not know: unicorn")


def test_a_question_is_built_by_mouse_and_by_keyboard(page):
    page.get_by_text("What can I ask?").click()
    assert "knows 49 drawn objects and 11 colours" in page.locator(".vb-about").inner_text()
    page.locator(".vb-objects button", has_text="elephant").click()
    assert question(page).input_value() == "Is there an elephant in the picture?"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert question(page).input_value() == "Is there a bear in the picture?"
    page.locator(".vb-row select").first.select_option(label="Is the … … the …?")
    page.get_by_label("Where", exact=True).select_option("below")
    page.get_by_label("The other object").select_option("cat")
    assert question(page).input_value() == "Is the bear below the cat?"
    page.get_by_role("button", name="Run", exact=True).click()
    done(page, "Is the bear below the cat?")
    assert page.locator(".vb-objects button").count() == 49
    stops = ".vb-objects button:not([tabindex='-1'])"
    assert page.locator(stops).count() == 1, "one stop for Tab"
