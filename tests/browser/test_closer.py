"""Look closer: the panels below maps and curves, by mouse, keyboard and on a phone."""

import json
from urllib.parse import quote

import numpy as np
import pytest

import clvs_core as clvs
from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, SETTLED
from tests.browser.test_viewer import state


def cells(page, which=0):
    return page.locator(".cv-cells").nth(which).get_by_role("gridcell")


def tab(page, name):
    return page.get_by_role("tab", name=name)


def press(page, name):
    """Presses a tab, and waits for what is drawn then."""
    tab(page, name).click()
    page.evaluate(SETTLED)


def test_one_panel_is_open_at_a_time_or_none(show):
    page = show()
    panel = page.get_by_role("tabpanel")
    assert not panel.is_visible()
    press(page, "Heads")
    assert cells(page).count() == fakes.LAYERS * fakes.HEADS
    press(page, "All numbers")
    assert page.locator(".cv-cells").count() == 0
    assert page.locator(".cv-numbers tbody tr").count() == fakes.LAYERS
    assert tab(page, "All numbers").get_attribute("aria-selected") == "true"
    press(page, "All numbers")
    assert not panel.is_visible()
    assert state(page, "closer") == ""


def test_the_panel_of_a_link_is_open_and_an_unknown_one_is_not(show):
    assert show(fakes.payload(view={"closer": "heads"})).locator(".cv-cells").count() == 2
    assert not show(fakes.payload(view={"closer": "<b>"})).get_by_role("tabpanel").is_visible()


def test_each_heads_cell_says_its_share_and_the_strongest_is_marked(show):
    page = show()
    press(page, "Heads")
    dog = fakes.payload()["objects"][0]["name"]
    trace = fakes.pair()[0].trace
    views = trace.views
    cover = fakes.box_object(dog, views, 0, 0, views.width // 2, views.width // 2).coverage
    shares = trace.attention[0].astype(float) @ cover  # (layers, heads)
    texts = cells(page).evaluate_all("(nodes) => nodes.map((node) => node.getAttribute('aria-label'))")
    for at, text in enumerate(texts):
        head, layer = divmod(at, fakes.LAYERS)
        assert text == f"Head {head + 1}, layer {layer + 1}: {100 * shares[layer, head]:.1f}\u00a0%"
    marked = cells(page).evaluate_all("(nodes) => nodes.findIndex((node) => node.textContent === '★')")
    layer, head = np.unravel_index(shares.argmax(), shares.shape)
    assert divmod(marked, fakes.LAYERS) == (head, layer)


def test_a_cell_shows_its_head_and_layer_in_the_maps_and_again_the_mean(show):
    page = show()
    press(page, "Heads")
    cells(page, 1).nth(fakes.LAYERS + 4).click()  # the second head
    assert (state(page, "head"), state(page, "layer"), state(page, "focus")) == (1, 4, 1)
    assert "head 2 of 2" in page.locator(".cv-context").inner_text()
    assert cells(page, 1).nth(fakes.LAYERS + 4).get_attribute("aria-selected") == "true"
    cells(page, 1).nth(fakes.LAYERS + 4).click()
    assert state(page, "head") is None


def test_arrows_lead_through_the_cells_and_leave_the_layer_alone(show):
    page = show()
    tab(page, "Heads").focus()
    page.keyboard.press("Enter")
    page.evaluate(SETTLED)
    page.keyboard.press("Tab")
    before = state(page, "layer")
    focused = "document.activeElement.getAttribute('aria-label').split(':')[0]"
    assert page.evaluate(focused) == f"Head 1, layer {before + 1}"
    for key in ("ArrowDown", "Home", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate(focused) == "Head 1, layer 2"
    assert state(page, "layer") == before
    page.keyboard.press("Enter")
    page.evaluate(SETTLED)
    assert (state(page, "head"), state(page, "layer")) == (0, 1)
    assert page.evaluate(focused) == "Head 1, layer 2", "the keyboard keeps its place"


def test_arrows_lead_from_tab_to_tab(show):
    page = show()
    tab(page, "Heads").focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.dataset.panel") == "numbers"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.panel") == "heads"


def test_without_maps_of_single_heads_the_panel_says_so(show):
    page = show(fakes.payload(heads=False))
    press(page, "Heads")
    assert "Single heads are not at hand" in page.get_by_role("tabpanel").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_no_cell_is_smaller_than_a_finger_needs_and_nothing_sticks_out(show, theme):
    page = show(width=390, height=844, theme=theme)
    press(page, "Heads")
    sizes = cells(page).evaluate_all(
        "(nodes) => nodes.map((n) => n.getBoundingClientRect()).map((b) => [b.width, b.height])"
    )
    assert min(map(min, sizes)) >= 24
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_band_says_where_all_attention_goes(show):
    page = show()
    press(page, "Where the rest goes")
    page.evaluate(f"{APP}.goto(3)")
    page.evaluate(SETTLED)
    attention = fakes.pair()[0].trace.attention[0, 3].astype(float).mean(0)
    cover = fakes.payload()["arrays"]["coverage"]
    assert cover["shape"] == [2, attention.size]
    dog = page.evaluate(f"{APP}.curves()[0][3]")
    left = 1 - attention.sum()
    expected = [left / 16, left * 4 / 16, left * 11 / 16, attention.sum() - dog, dog]  # from the top of the band
    cells = page.locator(".cv-panel figure").first.locator("td").all_inner_texts()
    assert [float(cell.split("\u00a0")[0]) for cell in cells] == pytest.approx([100 * x for x in expected], abs=0.06)
    words = page.locator(".cv-tinted").first.locator("span")
    assert words.all_inner_texts() == ["Is", "there", "a", "dog", "?"]
    assert words.nth(3).get_attribute("data-tip") == f"{100 * left * 7 / 16:.1f}\u00a0% of all attention"
    said = page.locator(".cv-band canvas").first.get_attribute("aria-label")
    assert said.startswith("Layer 4: the dog ")


def test_the_band_moves_the_layer_and_is_coloured_by_its_parts(show):
    page = show()
    press(page, "Where the rest goes")
    box = page.locator(".cv-band").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 22, box["y"] + 40)
    assert state(page, "layer") == fakes.LAYERS - 1
    page.evaluate(SETTLED)
    pixel = """([part, x, y]) => {
        const canvas = document.querySelector('.cv-band canvas');
        const probe = document.createElement('i');
        probe.style.color = getComputedStyle(canvas).getPropertyValue(`--cv-part${part}`);
        canvas.parentElement.append(probe);
        const wanted = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
        probe.remove();
        const at = [x * canvas.width, y * canvas.height].map(Math.round);
        return [wanted, [...canvas.getContext('2d').getImageData(...at, 1, 1).data].slice(0, 3)];
    }"""
    for part, y in ((3, 0.15), (0, 0.86)):  # near the top is the first token, at the bottom what is followed
        wanted, found = page.evaluate(pixel, [part, 0.5, y])
        assert found == wanted


def test_answers_recorded_without_the_words_have_no_band(show):
    runs = fakes.pair()
    for run in runs:
        run.trace.rest = None
    page = show(fakes.payload(runs, view={"closer": "rest"}))
    assert not tab(page, "Where the rest goes").is_visible()
    assert not page.get_by_role("tabpanel").is_visible()


def test_nothing_moves_while_scrubbing_with_a_panel_open(show):
    page = show()
    press(page, "Heads")
    boxes = (
        "[...document.querySelectorAll('.cv-panel, .cv-cell')].map((n) => Math.round(n.getBoundingClientRect().top))"
    )
    page.evaluate(f"{APP}.goto(0)")
    page.evaluate(SETTLED)
    before = page.evaluate(boxes)
    page.evaluate(f"{APP}.goto(5)")
    page.evaluate(SETTLED)
    assert page.evaluate(boxes) == before


def test_an_answer_that_has_ended_is_said_on_map_table_and_in_the_summary(show):
    runs = [fakes.run(clvs.Vanilla(), words=("yes", "it", "")), fakes.run(clvs.CLVS(), words=("no", ""))]
    page = show(fakes.payload(runs))
    assert page.locator(".cv-ended:not([hidden])").count() == 0
    page.evaluate(f"{APP}.set({{step: 2}})")
    page.evaluate(SETTLED)
    assert (
        page.locator(".cv-ended:not([hidden])").all_inner_texts() == ["ended before this token"] * 2
    )  # CLVS, difference
    assert page.locator(".cv-stats tbody tr").last.inner_text().split("\t")[1:] == ["ended before this token"]
    assert page.locator(".cv-summary").inner_text().endswith("; the answer of CLVS ended before this token.")
    press(page, "Heads")
    assert page.locator(".cv-cells").count() == 1


DECAYS = {
    "model": "scenes",
    "methods": ["vanilla", "clvs"],
    "questions": [
        {"scene": "desk", "question": "Is there a dog?", "curves": [[0.1, 0.6, 0.2, 0.1], [0.1, 0.5, 0.4, 0.2]]},
        {"scene": "farm", "question": "Is there a cow?", "curves": [[0.1, 0.3, 0.3, 0.2], [0.1, 0.3, 0.3, 0.3]]},
    ],
}


def typical(page, decays=DECAYS):
    """The viewer as on a page that has the curves of all questions; what it then told the page."""
    given = "data:application/json," + quote(json.dumps(decays))
    page.evaluate(f"(url) => {{ {APP}.decays = url; {APP}.store.onEvent = (...told) => (window.told = told); }}", given)
    page.evaluate(f"{APP}.set({{closer: 'questions'}})")


def test_all_questions_are_shown_and_one_is_asked_when_it_is_pressed(show):
    page = show()
    assert not tab(page, "All example questions").is_visible(), "an exported page has no server to ask"
    typical(page)
    tiles = page.locator(".cv-many button")
    tiles.nth(1).wait_for()
    assert tiles.all_inner_texts() == ["Is there a dog?", "Is there a cow?"]
    assert tiles.first.get_attribute("aria-label") == "Is there a dog? Peak 60.0\u00a0% at layer 2."
    own = "This question: peak 36.7\u00a0% at layer 3, half of it gone by layer 7; in 1 of 2 "
    own += "it is gone as early or earlier."
    page.evaluate(f"{APP}.curves().forEach((curve) => curve.splice(0, 8, .1, .2, .367, .36, .3, .2, .1, .1))")
    page.evaluate(f"{APP}.invalidate('words')")
    page.evaluate(SETTLED)
    assert page.locator(".cv-typical").inner_text() == own
    tiles.nth(1).click()
    assert page.evaluate("window.told") == ["example", {"scene": "farm", "question": "Is there a cow?"}]


def test_the_curves_of_another_model_are_not_offered_and_lost_ones_are_said(show):
    page = show()
    typical(page, DECAYS | {"model": "another"})
    page.wait_for_function("document.querySelector('[data-panel=questions]').hidden")
    page = show()
    page.evaluate(f"{APP}.decays = 'data:text/plain,none'")
    page.evaluate(f"{APP}.set({{closer: 'questions'}})")
    page.get_by_text("The curves could not be loaded").wait_for()


TRIES = {
    "alphas": [0.7, 0.8, 0.9],
    "betas": [0.0, 0.8],
    "cells": [[["No", 0.9], ["Yes", 0.6]], [["Yes", 0.7], ["Yes", 0.99]]],
    "left": 1.5,
}


def test_the_map_of_settings_fills_row_by_row_and_a_cell_sets_them(show):
    page = show(fakes.payload() | {"tries": TRIES})
    assert not tab(page, "α × β").is_visible(), "an exported page asks nothing"
    page.evaluate(f"{APP}.served = true; {APP}.store.onEvent = (...told) => (window.told = told); null")
    page.evaluate(f"{APP}.set({{closer: 'settings'}})")
    page.evaluate(SETTLED)
    assert cells(page).all_inner_texts() == ["No", "Yes", "Yes", "Yes", "", ""]
    assert cells(page).nth(3).get_attribute("aria-label") == "α 0.8, β 0.8: Yes, 99\u00a0%"
    assert page.locator(".cv-cell[aria-selected=true]").all_inner_texts() == ["Yes"], "where the settings are"
    assert page.locator(".cv-go").inner_text().split("\n")[-1].endswith("Row 2 of 3; about 2 s left")
    cells(page).nth(5).click(force=True)
    assert page.evaluate("window.told") is None, "nothing has been asked there yet"
    cells(page).nth(0).click()
    assert page.evaluate("window.told") == ["settle", {"alpha": 0.7, "beta": 0}]
    page.get_by_role("button", name="Stop").click()
    assert page.evaluate("window.told") == ["halt", {}]
    page.get_by_role("button", name="Ask with all 121 settings").click()
    assert page.evaluate("window.told") == ["attempt", {}]
