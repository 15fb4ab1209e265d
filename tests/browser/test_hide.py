"""Look closer, "Hide and ask again": with the embedded model, and as a slow model's page has it."""

from __future__ import annotations

import json

import pytest

from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, SETTLED, drawn, until
from tests.page.fake import served
from viz.page import main

PANEL = f"{APP}.closer.fetched.panels?.hide"
READY = f"{PANEL}?.fresh() && !{PANEL}.running"
FROM_PLOT = ".cv-again"


@pytest.fixture(scope="module")
def url():
    page, _ = main.make(main.parse([]))
    with served(page) as address:
        yield address


def sentence(page):
    return page.locator(".cv-without").inner_text().replace("\u00a0", " ")


def settled(page, more="true"):
    page.wait_for_function(f"{READY} && ({more})")
    page.evaluate(SETTLED)


def test_it_is_asked_beside_the_first_answer_and_stays_in_the_address(open_page, url):
    page = drawn(open_page(url, motion=False))
    again = page.locator(FROM_PLOT)
    assert again.inner_text() == "Hide the laptop and ask again"
    again.focus()
    page.keyboard.press("Enter")
    settled(page)
    assert sentence(page).startswith("With the laptop hidden both say No (")
    assert sentence(page).endswith("instead of Yes: the answer came from there.")
    assert page.locator(".cv-hidden strong").all_inner_texts() == ["As asked", "With the laptop hidden"]
    answers = page.locator(".cv-hidden .cv-said > span").all_inner_texts()
    assert [answer.split()[0] for answer in answers] == ["Yes", "Yes", "No", "No"]
    assert page.evaluate(f"{APP}.model.methods.map(({{ text }}) => text.trim())") == ["Yes", "Yes"]
    pictures = page.locator(".cv-hidden img").evaluate_all("(all) => all.map((one) => [one.alt, one.naturalWidth])")
    assert [alt for alt, _ in pictures] == ["The picture: As asked", "The picture: With the laptop hidden"]
    assert pictures[0][1] == pictures[1][1] > 0
    assert "With the laptop hidden both say No" in page.locator(".cv-live").inner_text().replace("\u00a0", " ")
    _scrub(page)
    page.get_by_label("Covered with").select_option("blur")
    settled(page, f"{APP}.state.fill === 'blur'")
    page.get_by_role("button", name="clock", exact=True).click()
    page.get_by_role("button", name="laptop", exact=True).click()
    settled(page, f"{PANEL}.what === 'the clock'")
    assert sentence(page).startswith("With the clock hidden both still say Yes (")
    until(page, lambda: all(part in page.url for part in ("fill=blur", "closer=hide", "on=clock")))
    shown = sentence(page)
    page.reload()
    drawn(page)
    settled(page, f"{PANEL}.what === 'the clock'")
    assert sentence(page) == shown
    assert page.get_by_label("Covered with").input_value() == "blur"


def _scrub(page):
    """Each layer has maps of its own, and nothing moves."""
    boxes = "(all) => all.map((one) => JSON.stringify(one.getBoundingClientRect()))"
    parts = page.locator(".cv-hidden canvas, .cv-hidden p, .cv-without, .cv-ramp")
    before, said = parts.evaluate_all(boxes), set()
    for layer in (0, 4, 11):
        page.evaluate(f"{APP}.goto({layer})")
        assert f"Layer {layer + 1} of 12" in page.locator(".cv-panel .cv-ramp").inner_text()
        labels = [canvas.get_attribute("aria-label") for canvas in page.locator(".cv-hidden canvas[role]").all()]
        assert len(labels) == 4
        said |= set(labels)
        assert parts.evaluate_all(boxes) == before
    assert len(said) >= 10, "of 12: a map may say the same twice"


@pytest.fixture
def slow(show):
    """The panel on a page whose model takes long, and what it asks of the server."""
    page = show(fakes.payload())
    page.evaluate(f"""() => {{
        const viewer = {APP};
        viewer.model.knocks = {{ seconds: 40, itself: false }};
        window.asked = [];
        viewer.store.onEvent = (name, data) => name === 'alter' && window.asked.push(data);
        viewer.set({{ closer: 'hide' }});
    }}""")
    page.evaluate(SETTLED)
    return page


def hear(page, **news):
    news = {"of": page.evaluate(f"{APP}.model.id"), "running": False, "error": "", "payload": None} | news
    page.evaluate(f"(text) => {PANEL}.hear(JSON.parse(text))", json.dumps(news))
    page.evaluate(SETTLED)


def altered():
    """The answers where the dog is hidden: vanilla's turns, CLVS's stays."""
    runs = [fakes.run(fakes.clvs.Vanilla(), words=("no", "")), fakes.run(fakes.clvs.CLVS())]
    return fakes.payload(runs) | {"id": fakes.payload()["id"]}


def test_a_slow_model_is_asked_by_a_press_and_can_be_stopped(slow):
    panel = slow.get_by_role("tabpanel")
    assert slow.evaluate("asked") == []
    assert sentence(slow) == "The dog is covered in the picture, and the same question is asked again."
    panel.get_by_role("button", name="Hide the dog and ask again (as long as the first time)").click()
    assert slow.evaluate("asked.length") == 1
    assert sentence(slow) == "The dog is covered, and all methods are asked again …"
    panel.get_by_role("button", name="Stop").click()
    assert slow.evaluate("asked[1].halt") is True
    hear(slow, turn=1, payload=altered())
    assert slow.locator(".cv-hidden").count() == 0, "what comes after a halt is late"
    panel.get_by_role("button", name="Hide the dog").click()
    hear(slow, turn=3, error="The model is gone.")
    assert panel.get_by_role("alert").inner_text() == "The model is gone."
    panel.get_by_role("button", name="Hide the dog").click()
    hear(slow, turn=4, payload=altered())
    assert slow.locator(".cv-hidden strong").all_inner_texts() == ["As asked", "With the dog hidden"]
    slow.get_by_role("button", name="cat", exact=True).click()
    assert sentence(slow) == "Below the dog was hidden; what is followed now has not been asked about."
    assert slow.locator(".cv-hidden figure").last.get_attribute("data-stale") == "true"
    assert slow.evaluate("asked.length") == 4, "another choice waits for a press"
