"""The first screen as it ships: what it says, what fits on it, what moves by itself, and that nothing else does."""

from __future__ import annotations

import pytest

from tests.browser.conftest import APP, SETTLED, drawn, until
from tests.browser.test_app import launch
from viz.page import main

FRESH = "?lang=en"  # as of who comes for the first time: an address that asks for nothing


@pytest.fixture(scope="module")
def url():
    page, _ = main.make(main.parse([]))
    yield launch(page)
    page.close()


def layer(page):
    return page.evaluate(f"{APP}.state.layer") + 1


# ---- what it says --------------------------------------------------------------------------------------------------


def test_it_opens_with_a_find_at_its_peak_and_says_so(open_page, url):
    page = drawn(open_page(url, width=1280, height=720))
    assert page.locator(".cv-question").inner_text() == "Is there a laptop in the picture?"
    claim = "It finds the laptop by layer 3 and has let go of it by layer 7, before it is sure."
    assert page.locator(".cv-claim").inner_text() == claim
    assert page.locator(".cv-summary").inner_text().startswith("Vanilla gives 50\u00a0% of its attention to the laptop")
    assert layer(page) == 6


def test_it_plays_once_to_where_the_answer_is_sure_and_stops(open_page, url):
    page = drawn(open_page(url + FRESH))
    until(page, lambda: layer(page) == 9 and not page.evaluate(f"{APP}.state.playing"))
    page.get_by_role("button", name="Play through the layers").wait_for()


@pytest.mark.parametrize("why", ["touched", "motion", "link"])
def test_it_plays_nothing_for_who_does_something_or_wants_no_motion(open_page, url, why):
    link = "?scene=desk&q=Is+there+a+laptop+in+the+picture%3F&lang=en"
    page = drawn(open_page(url + (link if why == "link" else FRESH), motion=why != "motion"))
    if why == "touched":
        page.locator(".cv-claim").click()
    page.evaluate(f"void ({APP}.player.run = () => {{ window.played = true; }})")
    page.wait_for_timeout(2500)  # it would have begun after 1.5 seconds
    assert not page.evaluate("window.played")


def test_the_model_its_size_what_it_knows_and_what_methods_do_to_it(open_page, url):
    page = drawn(open_page(url))
    line = page.locator(".page-model")
    said = line.inner_text()
    for part in ("Scenes 8M", "12 layers", "8 million weights", "knows 49 drawn objects"):
        assert part in said
    line.locator("summary", has_text="CLVS does not help this model").focus()
    page.keyboard.press("Enter")
    assert "28,000 fresh questions" in line.locator("details[open] p").inner_text()
    page.keyboard.press("Escape")
    assert line.locator("details[open]").count() == 0
    line.locator("summary", has_text="49").click()
    assert "laptop" in line.locator("details[open] li").all_inner_texts()
    page.locator(".cv-claim").click()
    assert line.locator("details[open]").count() == 0


def test_answers_say_whether_they_are_right_where_that_is_known(open_page, url):
    page = drawn(open_page(url))
    assert page.locator(".cv-verdict").all_inner_texts() == ["✓ right"] * 2
    page.evaluate(f"""() => {{
        const app = {APP};
        const {{ methods, expected, ...more }} = app.store.payload;
        const no = methods.map((method, i) => (i ? {{ ...method, text: 'No' }} : method));
        app.update({{ ...more, methods: no, expected }});
    }}""")
    assert page.locator(".cv-verdict").all_inner_texts() == ["✓ right", "✗ wrong"]
    page.evaluate(f"() => {APP}.update({{ ...{APP}.store.payload, expected: null }})")
    assert page.locator(".cv-verdict").count() == 0


# ---- what fits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1440, 900), (1920, 1080)])
def test_answers_maps_and_curve_are_on_one_screen(open_page, url, width, height):
    page = drawn(open_page(url, width=width, height=height))
    for part in (".cv-answers", ".cv-claim", ".cv-maps", ".cv-slide", ".cv-curve", ".cv-stats", ".cv-unsure"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= height, part
    maps, curve = (page.locator(part).bounding_box() for part in (".cv-maps", ".cv-curve"))
    assert maps["x"] + maps["width"] < curve["x"], "two columns"


TYPE = "(node) => parseFloat(getComputedStyle(node).fontSize) * (node.currentCSSZoom ?? 1)"  # pixels of the screen
SMALL = """() => [...document.querySelectorAll('body *')].filter((node) => {
    const words = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const seen = words && node.checkVisibility() && !node.matches('.progress-text');
    return seen && parseFloat(getComputedStyle(node).fontSize) < 12;
}).map((node) => `${node.className}: ${node.textContent}`)"""


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_no_type_is_smaller_than_12_pixels(open_page, url, width, height):
    page = drawn(open_page(url, width=width, height=height))
    page.locator("#more button").first.click()
    assert page.evaluate(SMALL) == []


def test_a_large_screen_has_larger_type(open_page, url):
    page = drawn(open_page(url, width=1920, height=1080))
    for name, least in {".cv-claim": 22, ".cv-summary": 16, ".cv-scale": 14, "#suggestions button": 13.5}.items():
        assert page.locator(name).first.evaluate(TYPE) >= least, name


# ---- what does not move --------------------------------------------------------------------------------------------

SHIFTS = """
    window.shifts = [];
    const what = ({ node, previousRect: from, currentRect: to }) =>
        [node?.className || node?.id || node?.nodeName, 'y', from.y, to.y, 'height', from.height, to.height].join(' ');
    const add = (list) => {
        for (const entry of list.getEntries()) window.shifts.push([entry.value, entry.sources.map(what)]);
    };
    new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true });
"""
MOST = 0.05  # of a screen; 0.1 is what web vitals call good


def stays(page, when):
    """Little has moved since the last time, also after a click, which the browser would forgive."""
    page.wait_for_timeout(400)  # what comes late
    moved = page.evaluate("() => { const moved = window.shifts; window.shifts = []; return moved; }")
    assert sum(value for value, _ in moved) < MOST, f"{when}: {moved}"


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1280, 720), (820, 1180), (390, 844)])
def test_nothing_moves_on_load_with_another_method_and_from_scene_to_scene(open_page, url, width, height):
    page = open_page("about:blank", width=width, height=height, has_touch=width < 900)
    page.add_init_script(SHIFTS)
    page.goto(url)
    drawn(page)
    page.wait_for_function("document.body.classList.contains('page-ready')")
    stays(page, "on load")
    finished = f"{APP}.model.status === 'done' && {APP}.model"
    page.evaluate("[...document.querySelectorAll('.mp-chip')].find((chip) => chip.textContent.includes('VCD')).click()")
    page.wait_for_function(f"{finished}.methods.length === 3")
    stays(page, "with a third method")
    for scene in ("savanna", "breakfast"):
        page.evaluate(f"document.querySelector('#examples [data-name={scene}]').click()")
        page.wait_for_function(f"{finished}.image.url.includes('{scene}')")
        stays(page, scene)


# ---- for a projector -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_present_mode_has_large_type_and_all_of_it_on_one_screen(open_page, url, width, height):
    page = drawn(open_page(url, width=width, height=height))
    before = page.locator(".cv-claim").evaluate(TYPE)
    page.keyboard.press("p")  # wherever the keyboard is
    page.locator(".cv[data-present=true]").wait_for()
    assert not page.locator("#ask").is_visible()
    page.evaluate(SETTLED)
    assert page.locator(".cv-claim").evaluate(TYPE) >= 1.35 * before
    for part in (".cv-claim", ".cv-maps", ".cv-slide", ".cv-curve", ".cv-unsure"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= height, part
        assert box["x"] + box["width"] <= width, part
    page.keyboard.press("Escape")
    page.locator(".cv[data-present=false]").wait_for()
    button = page.get_by_role("button", name="Present", exact=True)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    page.locator(".cv-slide input").focus()  # now the keyboard is inside the viewer
    page.keyboard.press("p")
    assert button.get_attribute("aria-pressed") == "false"


def test_a_letter_in_the_question_is_only_a_letter(open_page, url):
    page = drawn(open_page(url))
    page.locator("#question textarea").press("p")
    assert not page.evaluate(f"{APP}.state.present")


def test_a_link_can_present(open_page, url):
    link = "?scene=desk&q=Is+there+a+laptop+in+the+picture%3F&present=1"
    page = drawn(open_page(url + link, width=1280, height=720))
    page.locator(".cv[data-present=true]").wait_for()
    page.wait_for_function(f"{APP}.model.question && {APP}.state.present")


# ---- settings on a small screen ------------------------------------------------------------------------------------


def test_the_settings_of_a_phone_can_be_shut(open_page, url):
    page = drawn(open_page(url, width=390, height=844))
    shown = page.locator(".mp-set").bounding_box()["height"]
    page.get_by_role("button", name="Hide the settings").click()
    assert page.locator(".mp-set").bounding_box()["height"] < min(48, shown / 2)
    assert not page.get_by_role("slider", name="α").is_visible()
    page.reload()
    page.get_by_role("button", name="Show the settings").click()
    assert page.get_by_role("slider", name="α").is_visible()


def test_an_enlarged_page_begins_with_shut_settings(open_page, url):
    page = drawn(open_page(url, width=640, height=360))  # 1280x720 at 200 %
    assert page.locator(".mp-set").bounding_box()["height"] < 0.15 * 360


# ---- the column to ask in ------------------------------------------------------------------------------------------


def test_the_column_folds_by_keyboard_and_stays_folded(open_page, url):
    page = drawn(open_page(url))
    width = page.locator(".cv").bounding_box()["width"]
    button = page.locator(".page-fold")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "false"
    assert not page.locator("#ask").is_visible()
    page.evaluate(SETTLED)
    assert page.locator(".cv").bounding_box()["width"] > width + 300
    page.reload()
    drawn(page)
    assert not page.locator("#ask").is_visible()
    page.get_by_role("button", name="Show picture and question").click()
    assert page.locator("#question").is_visible()
