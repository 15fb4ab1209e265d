"""The viewer by keyboard, by finger and by screen reader, on a page of its own."""

from tests.browser.conftest import APP, SETTLED, until

NOTE = ".cv-note:popover-open"


def state(page, name):
    return page.evaluate(f"{APP}.state.{name}")


# ---- words that can be asked about -------------------------------------------------------------------------------


def test_a_word_says_what_it_means_until_escape_or_a_press_elsewhere(show):
    page = show()
    layer, token = (page.locator(".cv-context .cv-term").nth(n) for n in (0, 1))
    layer.click()
    assert page.locator(NOTE).inner_text().startswith("The model works in steps")
    assert layer.get_attribute("aria-expanded") == "true"
    assert page.locator(".cv-tip").is_hidden(), "it is said once"
    token.click()
    assert page.locator(NOTE).inner_text().startswith("The pieces that the model reads")
    assert layer.get_attribute("aria-expanded") == "false"
    token.click()
    until(page, lambda: page.locator(NOTE).count() == 0)
    layer.click()
    page.locator(".cv-summary").click()
    until(page, lambda: page.locator(NOTE).count() == 0)


def test_a_word_opens_by_key_and_is_read_out(show):
    page = show()
    word = page.locator(".cv-unsure-title .cv-term")
    word.focus()
    page.keyboard.press("Enter")
    until(page, lambda: page.evaluate("document.activeElement.className") == "cv-note")
    assert page.get_by_role("note", name="Uncertainty").inner_text().endswith("CLVS stops smoothing.")
    page.keyboard.press("Escape")
    until(page, lambda: page.locator(NOTE).count() == 0)
    assert word.evaluate("(word) => word === document.activeElement")
    assert state(page, "layer") == 0
    page.keyboard.press("ArrowRight")
    assert state(page, "layer") == 1, "the keys of the viewer still work"


def test_a_finger_opens_a_word_where_it_can_be_read(show):
    page = show(width=390, height=844, has_touch=True)
    for word in page.locator(".cv-term").all():
        word.scroll_into_view_if_needed()
        page.evaluate(SETTLED)
        word.tap()
        box = page.locator(NOTE).bounding_box()
        assert min(box["x"], box["y"]) >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
        page.keyboard.press("Escape")


def test_every_word_of_the_glossary_stands_in_the_help(show):
    page = show()
    page.locator(".cv").focus()
    page.keyboard.press("?")
    words = page.locator(".cv-words dt").all_inner_texts()
    assert {"Layer", "Attention", "Token", "Head", "Smoothing", "Uncertainty", "Vanilla", "Sink"} < set(words)
    assert len(words) == page.locator(".cv-words dd").count() == len(set(words))
