"""Look closer, "Word by word", and words of an answer that lead to what they name."""

import pytest

import clvs_core as clvs
from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, SETTLED
from tests.browser.test_closer import cells, tab
from tests.browser.test_viewer import state

WORDS = ("cat", " and", " a", " dog", "")
WAY_BACK = "named in the answer ×"


@pytest.fixture
def words(show):
    """words(**options): the exported page of an answer of several words, with their panel open."""

    def words_(**options):
        runs = [fakes.run(clvs.Vanilla(), words=WORDS), fakes.run(clvs.CLVS(), words=(*WORDS[:3], " house", ""))]
        return show(fakes.payload(runs, view={"closer": "words"}), **options)

    return words_


def followed(page):
    return page.evaluate(f"{APP}.model.objects.filter((object) => {APP}.store.isOn(object)).map(({{name}}) => name)")


def test_each_word_has_its_row_and_says_on_what_its_attention_was_measured(words):
    page = words()
    assert tab(page, "Word by word").get_attribute("aria-selected") == "true"
    grid = page.get_by_role("grid").first
    assert grid.get_by_role("rowheader").all_inner_texts() == ["cat", "and", "a", "dog"]
    assert grid.locator(".cv-named").all_inner_texts() == ["cat", "the dog", "the dog", "dog"]
    said = grid.locator(".cv-cell").evaluate_all("(nodes) => nodes.map((node) => node.getAttribute('aria-label'))")
    assert len(said) == 4 * fakes.LAYERS
    weights = fakes.pair()[0].trace.attention[0].astype(float).mean(1)  # (layers, visual), alike for every token
    views = fakes.pair()[0].trace.views
    cat = fakes.box_object("cat", views, views.width // 2, views.width // 2, views.width, views.width).coverage
    assert said[4] == f"“cat”, layer 5: {100 * (weights[4] @ cat):.1f}\u00a0% on the cat"
    assert said[fakes.LAYERS].endswith("on the dog")


def test_a_cell_leads_to_its_word_layer_and_object_by_mouse_and_keyboard(words):
    page = words()
    page.get_by_role("grid").first.locator(".cv-cell").nth(4).click()
    assert (state(page, "step"), state(page, "layer"), followed(page)) == (0, 4, ["cat"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert state(page, "layer") == 4  # the arrows lead among the cells
    page.keyboard.press("Enter")
    page.evaluate(SETTLED)
    assert (state(page, "step"), state(page, "layer"), followed(page)) == (1, 3, ["dog"])
    chosen = page.get_by_role("grid").first.locator("[aria-selected=true]")
    assert chosen.get_attribute("aria-label").startswith("“and”, layer 4: ")
    assert chosen.evaluate("(node) => node === document.activeElement")


def test_a_word_of_the_answer_is_followed_and_left_again_without_moving_anything(words):
    page = words()
    page.evaluate(f"{APP}.goto(2)")
    page.evaluate(SETTLED)
    place = "JSON.stringify(document.querySelector('.cv-chips').getBoundingClientRect())"
    before = page.evaluate(place)
    page.locator(".cv-token[data-names=cat]").first.click()
    assert followed(page) == ["cat"]
    assert page.locator(".cv-curve-title").inner_text().startswith("Attention on the cat")
    assert page.evaluate(place) == before
    assert "on=cat" in page.evaluate(f"String(new URLSearchParams({APP}.store.spelled()))")
    page.get_by_role("button", name=WAY_BACK).press("Enter")
    page.evaluate(SETTLED)
    assert followed(page) == ["dog"]
    assert page.get_by_role("button", name=WAY_BACK).count() == 0
    assert page.evaluate("document.activeElement.className") == "cv-chip"


def test_on_a_phone_the_words_stay_in_sight_and_a_tap_chooses(words):
    page = words(width=390, height=844, has_touch=True)
    grid = page.get_by_role("grid").first
    last = grid.locator(".cv-cell").nth(fakes.LAYERS - 1)
    last.scroll_into_view_if_needed()
    for name in (grid.get_by_role("rowheader").first, grid.get_by_role("columnheader").first):
        box = name.bounding_box()
        middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
        assert name.evaluate(
            "(node, at) => document.elementFromPoint(...at) === node", middle
        )  # nothing slides over it
    assert min(last.bounding_box()[side] for side in ("width", "height")) >= 24
    last.tap()
    assert (state(page, "layer"), followed(page)) == (fakes.LAYERS - 1, ["cat"])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_answer_of_one_word_says_so(show):
    page = show(fakes.payload(view={"closer": "words"}))
    assert page.get_by_role("tabpanel").inner_text().startswith("This answer has one word only")
    assert cells(page).count() == 0
