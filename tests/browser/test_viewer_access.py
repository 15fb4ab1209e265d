"""The viewer by keyboard, by finger and by screen reader, on a page of its own."""

import pytest

from tests import viewer_fakes as fakes
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


# ---- maps by keyboard --------------------------------------------------------------------------------------------


def live(page):
    return page.locator(".cv-live").inner_text().replace("\u00a0", " ")


def test_patches_are_read_by_arrow_keys_shown_and_spoken(show):
    page = show()
    page.evaluate(f"{APP}.goto(2)")
    page.locator(".cv-map canvas").first.focus()
    tip = page.locator(".cv-tip")
    until(page, lambda: tip.inner_text().startswith("Patch 3, 3"))  # the strongest one of this layer
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    until(page, lambda: live(page).startswith("row 4, column 4: Vanilla 0.29 %, CLVS 0.29 %"))
    assert tip.inner_text().startswith("Patch 4, 4")
    assert state(page, "layer") == 2, "the layer stays"
    for _ in range(fakes.SIDE):
        page.keyboard.press("ArrowLeft")
    until(page, lambda: live(page) == "No patch beyond row 4, column 1.")
    page.keyboard.press("PageDown")
    assert state(page, "layer") == 3
    assert tip.inner_text().startswith("Patch 4, 1")
    page.keyboard.press("Tab")
    assert not tip.inner_text().startswith("Patch")
    assert state(page, "patch") is None


def test_a_box_is_drawn_by_two_corners(show):
    page = show()
    page.get_by_role("button", name="+ box").focus()
    page.keyboard.press("Enter")
    until(page, lambda: page.locator(".cv-map canvas").first.evaluate("(one) => one === document.activeElement"))
    hint = page.locator(".cv-context")
    assert hint.inner_text() == "Press Enter at two corners of a box. Esc cancels."
    page.keyboard.press("Enter")
    assert live(page) == "First corner: row 1, column 1."
    assert hint.inner_text() == "Move to the other corner and press Enter. Esc cancels."
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    side = 16  # pixels of a patch
    assert state(page, "region") == {"box": [0, 0, 2 * side, 3 * side]}
    assert page.locator(".cv-curve-title").inner_text() == "Attention on your region"
    until(page, lambda: "attention on your region" in live(page))


def test_shift_draws_a_box_and_escape_drops_it(show):
    page = show()
    page.locator(".cv-map canvas").first.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert state(page, "sketch") == {"box": [0, 0, 32, 32]}
    page.keyboard.press("Escape")
    assert (state(page, "sketch"), state(page, "draw"), state(page, "region")) == (None, None, None)
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    assert state(page, "region") == {"box": [16, 16, 48, 32]}


def test_keys_lead_from_tile_to_tile_and_stay_where_the_model_sees(show):
    views = [
        {"start": 0, "rows": 3, "cols": 3, "stride": 3, "region": [0, 0, 48, 48], "kind": "tiles"},
        {"start": 9, "rows": 3, "cols": 3, "stride": 4, "region": [48, 0, 96, 48], "kind": "tiles"},
        {"start": 21, "rows": 3, "cols": 3, "stride": 3, "region": [0, 0, 96, 96], "kind": "base"},
    ]
    page = show(fakes.payload() | {"views": views})
    page.locator(".cv-map canvas").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    until(page, lambda: live(page).startswith("tile 2 of 2, row 3, column 1: Vanilla"))
    page.keyboard.press("ArrowDown")
    until(page, lambda: live(page) == "No patch beyond tile 2 of 2, row 3, column 1.")


def test_a_finger_cancels_with_a_button(show):
    page = show(width=390, height=844, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="+ box").tap()
    hint = page.locator(".cv-context")
    until(page, lambda: hint.inner_text() == "Drag a box on a map. Cancel")
    hint.get_by_role("button", name="Cancel").tap()
    assert state(page, "draw") is None
    until(page, lambda: hint.inner_text().startswith("Layer 1 of 8"))


# ---- one map, large ----------------------------------------------------------------------------------------------


def test_a_map_opens_large_scrubs_draws_and_comes_back(show):
    page = show()
    opener = page.get_by_role("button", name="Enlarge the map CLVS")
    names = "[...document.querySelectorAll('.cv-body *')].map((one) => one.className)"
    before = page.evaluate(names)
    opener.click()
    large = page.get_by_role("dialog", name="Large map")
    canvas = large.locator(".cv-map canvas").first
    until(page, lambda: canvas.bounding_box()["height"] > 500)
    assert large.locator(".cv-map strong").inner_text() == "CLVS"
    page.keyboard.press("ArrowRight")
    assert state(page, "layer") == 1
    large.get_by_role("button", name="Vanilla", exact=True).click()
    assert large.locator(".cv-map strong").inner_text() == "Vanilla"
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 12, box["y"] + box["height"] / 12)
    tip = large.locator(".cv-tip")
    assert tip.inner_text().startswith("Patch 1, 1")
    large.get_by_role("button", name="+ box").click()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert state(page, "region")["box"] == pytest.approx([0, 0, 48, 48], abs=0.5)
    large.get_by_role("button", name="+ box").click()
    page.keyboard.press("Escape")
    assert large.is_visible(), "the first Escape ends the drawing"
    page.keyboard.press("Escape")
    assert large.is_hidden()
    assert opener.evaluate("(one) => one === document.activeElement")
    page.evaluate(f"{APP}.store.setRegion(null); {APP}.goto(0)")
    page.evaluate(SETTLED)
    assert page.evaluate(names) == before


def test_a_tapped_map_opens_large_and_says_what_was_tapped(show):
    page = show(width=390, height=844, has_touch=True, is_mobile=True)
    canvas = page.locator(".cv-map canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + 2.5 / 6 * box["width"], box["y"] + 2.5 / 6 * box["height"])
    large = page.get_by_role("dialog", name="Large map")
    until(page, lambda: large.locator(".cv-map canvas").first.bounding_box()["width"] > 340)
    assert large.locator(".cv-tip").inner_text().startswith("Patch 3, 3")
    large.get_by_role("button", name="Close").tap()
    assert large.is_hidden()


def test_a_large_map_outlives_what_is_made_anew(show):
    page = show()
    page.locator(".cv").focus()
    page.keyboard.press("f")
    large = page.get_by_role("dialog", name="Large map")
    for change in ("diff: false", "diff: true"):
        page.evaluate(f"{APP}.set({{ {change} }})")
        page.evaluate(SETTLED)
        assert large.locator(".cv-map").count() == 1
    page.keyboard.press("f")
    assert large.is_hidden()
    assert page.locator(".cv-maps > .cv-map").count() == 3
