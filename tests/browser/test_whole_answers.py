"""Whole answers and slow models: what a button asks for comes bit by bit, and Stop ends it. A fake model, held back."""

from __future__ import annotations

import json
import threading

import pytest

from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, SETTLED, drawn, until
from tests.page import pictures
from tests.page.fake import NAMING, FakeModel, served
from viz.page import cost
from viz.page import first_answer as record
from viz.page.build import build
from viz.page.library import Library
from viz.page.links import Link, query
from viz.page.models import Models
from viz.viewer.view import View

PANEL = f"{APP}.closer.fetched.panels.answers"
LAYERS = fakes.LAYERS


class Slow(FakeModel):
    """Each pass of a knock-out waits until it is let through; `broken` ones fail."""

    def __init__(self):
        super().__init__()
        self.gate, self.broken = threading.Semaphore(10**6), False

    def hold(self):
        self.gate, self.broken = threading.Semaphore(0), False

    def open_image(self, picture, prompt="chat"):
        image = super().open_image(picture, prompt)
        passes = image.knockout_stream

        def held(*args, **more):
            for found in passes(*args, **more):
                gate = self.gate
                assert gate.acquire(timeout=60)
                if self.broken:
                    raise RuntimeError("a secret of the engine")
                yield found

        image.knockout_stream = held
        return image


@pytest.fixture(scope="module")
def model():
    return Slow()


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    library, models = Library(pictures.write(tmp_path_factory.mktemp("scenes"))), Models(load=lambda *_, **__: model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SOON", 0.0)  # every answer took longer than nobody waits for
        with served(build(models, library, record.make(models, library))) as address:
            yield address
            model.gate = threading.Semaphore(10**6)


def asked(open_page, url, question, panel="", **options):
    link = query(Link("street", question, view=View(closer=panel)))
    page = drawn(open_page(f"{url}?{link}", **options))
    page.wait_for_function(f"{APP}.model.status === 'done' && {APP}.model.question === {json.dumps(question)}")
    page.evaluate(SETTLED)
    return page


def known(page):
    return page.evaluate(f"({APP}.store.knockout?.left[0].kept ?? []).filter((share) => share !== null).length")


def test_a_slow_models_knock_out_waits_for_a_button_and_its_layers_come_one_after_another(open_page, url, model):
    page = asked(open_page, url, "Is there a dog in the image?")
    status = page.locator(".cv-left-status")
    button = status.get_by_role("button")
    assert button.inner_text().startswith("Hide the dog, layer by layer (about ")
    model.hold()
    button.click()
    status.get_by_text("Hiding the dog, layer by layer …").wait_for()
    counts = []
    for count in (1, LAYERS // 2, LAYERS):
        model.gate.release()
        page.wait_for_function(
            f"{APP}.store.knockout?.left[0].kept.filter((share) => share !== null).length === {count}"
        )
        counts.append(known(page))
    assert counts == [1, LAYERS // 2, LAYERS]
    closed = model.hiding_closed
    status.get_by_role("button", name="Stop").click()
    assert button.inner_text().startswith("Hide the dog")
    model.gate.release()  # the pass that was on its way; after it, it ends
    until(page, lambda: model.hiding_closed > closed)
    assert known(page) == LAYERS, "what had come stays"
    model.gate, model.broken = threading.Semaphore(10**6), True
    button.click()
    status.get_by_text("went wrong").or_(status.get_by_text("error")).first.wait_for()
    assert "secret" not in status.inner_text()
    model.hold()


def test_whole_answers_come_cell_by_cell_and_stop(open_page, url, model):
    page = asked(open_page, url, "Describe the picture.", "answers")
    panel = page.locator("#cv-panel")
    start = panel.get_by_role("button", name="Hide each object it names (about ")
    model.hold()
    start.click()
    model.gate.release()
    cells = panel.locator(".cv-cells").first.get_by_role("gridcell")
    panel.get_by_text("2 answers so far").wait_for()
    assert cells.nth(0).inner_text() == "✓"
    assert cells.nth(1).get_attribute("aria-label") == "not asked yet"
    model.gate.release()
    page.wait_for_function(
        f"{PANEL}.news.survival.objects[0].named.filter((one) => one !== null).length === {LAYERS // 2}"
    )
    panel.get_by_role("button", name="Stop").click()
    go_on = panel.get_by_role("button", name="Go on")
    go_on.wait_for()
    model.gate = threading.Semaphore(10**6)
    model.gate.release()
    go_on.click()
    page.wait_for_function(f"{PANEL}.complete() && !{PANEL}.running")
    page.evaluate(SETTLED)
    marks = cells.all_inner_texts()
    row = ["✓", "✕", "✕", *"✓" * (LAYERS - 3), "✕"]
    assert marks[: LAYERS + 1] == marks[LAYERS + 1 : 2 * LAYERS + 2] == row
    assert (
        panel.get_by_text("Hidden around layers 2 to 3, at least one of its objects is no longer named.").count() == 2
    )
    told = "dog hidden around layer 2, no longer named: “Nothing.”"
    cells.nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert panel.locator(".cv-became").inner_text() == told
    page.keyboard.press("Enter")
    page.evaluate(SETTLED)
    assert page.evaluate(f"{APP}.spelled()") == "layer=2&on=dog&closer=answers"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == told, "the keyboard keeps its place"
    assert cells.nth(1).get_attribute("aria-selected") == "true"


def test_an_answer_that_names_nothing_says_so_at_once(open_page, url):
    page = asked(open_page, url, "Is there a car in the image?", "answers")
    assert (
        "This answer names none of the objects that are known in this picture."
        in page.locator("#cv-panel").inner_text()
    )


def survival(payload):
    rows = [
        {
            "spec": method["spec"],
            "name": name,
            "named": [layer not in (1, 2) for layer in range(LAYERS)],
            "said": ["Nothing." if layer in (1, 2) else "".join(NAMING) for layer in range(LAYERS)],
            "everywhere": False,
            "said_everywhere": "Nothing.",
        }
        for method in payload["methods"]
        for name in ("dog", "cat")
    ]
    specs = [method["spec"] for method in payload["methods"]]
    return {"specs": specs, "rows": "word", "window": 3, "objects": rows}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_without_a_server_shows_what_came_with_it_on_a_phone_too(show, theme):
    payload = fakes.payload(view={"closer": "answers"})
    page = show({**payload, "survival": survival(payload)}, width=390, height=844, theme=theme, has_touch=True)
    cells = page.locator(".cv-whole .cv-cell")
    assert cells.count() == 2 * 3 * (LAYERS + 1)
    assert cells.nth(2 * (LAYERS + 1)).inner_text() == "100"
    sizes = cells.evaluate_all("(all) => all.map((n) => n.getBoundingClientRect()).map((b) => [b.width, b.height])")
    assert min(map(min, sizes)) >= 24
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    before = page.locator(".cv-closer").bounding_box()["height"]
    cells.nth(2).tap()
    page.evaluate(SETTLED)
    assert page.locator(".cv-became").inner_text() == "dog hidden around layer 3, no longer named: “Nothing.”"
    assert page.locator(".cv-closer").bounding_box()["height"] == before, "nothing moves"


def test_a_page_that_never_asked_has_no_such_panel(show):
    assert not show(fakes.payload()).get_by_role("tab", name="Whole answers").is_visible()
