"""Runs of any size, with anything in them, on the results tab of a real browser."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from clvs_core.benchmarks.question import Question
from tests.benchmarks.made import made_run
from tests.browser.test_app import launch, when
from tests.page import pictures
from tests.page.fake import FakeModel
from tests.page.test_results import STRANGE
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models
from viz.page.results.opened import MOST
from viz.page.results.runs import Runs


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    questions = [Question(id, image, text, "yes", "k" * 900, "s" * 5000) for id, image, text in STRANGE]
    methods = {"vanilla": "vanilla", "m" * 5000: "clvs:beta=0.8", "m" * 4999 + "n": "clvs:beta=0.7"}
    made_run(folder / "strange", "pope", questions, methods, lambda *_: "Yes\u202e" * 5000, label="\u202eMine <b>")
    many = {"vanilla": "vanilla"} | {f"clvs:alpha={n / 20_000}": f"clvs:alpha={n / 20_000}" for n in range(20_000)}
    few = [Question("1", "street.png", "Is there a car in the image?", "yes", "random", "coco")]
    made_run(folder / "many", "pope", few, many, lambda *_: "Yes")
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    models = Models(load=lambda name, **settings: FakeModel())
    page = build.build(models, library, record.make(models, library), Runs([folder]))
    yield launch(page)
    page.close()


@pytest.fixture(params=[(1440, 900, "light"), (390, 844, "dark")], ids=["desktop", "phone"])
def visit(request, open_page, url):
    width, height, theme = request.param

    def open_(run):
        query = urlencode({"run": run, "__theme": theme})
        return open_page(f"{url}?{query}", width=width, height=height, theme=theme)

    return open_


def test_a_run_with_anything_in_it_is_shown_and_its_questions_open(visit):
    page = visit("strange")
    rows = page.locator(".rs tbody tr[data-id]")
    rows.first.wait_for()
    assert rows.count() == len(STRANGE)
    assert not page.locator(".rs-error").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    for row in rows.all():
        assert row.bounding_box()["height"] < 1000
    buttons = page.locator(".rs-chips button").all()
    assert all(button.bounding_box()["width"] <= page.viewport_size["width"] for button in buttons)
    rows.nth(1).locator(".rs-id").click()
    when(page, "m.status === 'done' && m.question === 'Is there a cat?'")
    assert page.locator("#question textarea").input_value() == "Is there a cat?"


def test_a_run_of_very_many_methods_opens_soon(visit):
    page = visit("many")
    page.get_by_text(f"20,001 methods, of which {MOST} are shown here").wait_for()
    assert page.locator(".rs tbody .rs-cell").count() == MOST
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.locator(".rs-id").first.click()
    when(page, "m.status === 'done' && m.question === 'Is there a car in the image?'")
