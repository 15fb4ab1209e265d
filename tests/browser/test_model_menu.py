"""The model menu in a real browser: what is grey says why, a switch shows how far it is, keys and thumbs work."""

from __future__ import annotations

import threading

import pytest

from clvs_core.errors import ModelError
from clvs_core.models import memory
from clvs_core.models.recommend import Speed
from tests.browser.conftest import drawn
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build, offers
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

NAME = "document.activeElement.dataset.name"


@pytest.fixture(scope="module")
def gate():
    """What a download waits for."""
    return threading.Event()


@pytest.fixture(scope="module")
def url(gate, tmp_path_factory):
    def load(name, progress=None, room=None, **settings):
        if name == "smolvlm-500m":
            raise ModelError("SmolVLM 500M could not be downloaded; try again.")
        if name == "smolvlm-256m":
            progress("Downloading SmolVLM 256M: 0.2 of 0.5 GB")
            assert gate.wait(60)
        room(10**9)
        return fakes.FakeModel(name)

    place = memory.Place("cuda:0", "GPU", 12 * 10**9, 12 * 10**9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "places", lambda device="auto": [place])
        patch.setattr(offers, "measure", lambda device, kept: Speed(60e12, 500e9))
        library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
        offered = Models(load=load, own=True)
        page = build.build(offered, library, record.make(offered, library))
        _, address, _ = page.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **build.launch_settings()
        )
        yield address
        page.close()


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desktop", "phone"])
def page(request, open_page, url):
    width, height = request.param
    page = drawn(open_page(url, width=width, height=height))
    page.locator("#more button").first.click()
    page.locator(".mm-open").scroll_into_view_if_needed()
    return page


def pick(page, name):
    page.locator(".mm-open").click()
    row = page.locator(f".mm-list [data-name='{name}']")
    asks = row.get_attribute("aria-disabled") == "false" and "downloads" in row.inner_text()
    row.click(force=True)  # a grey one counts as disabled
    if asks:
        page.get_by_role("button", name="Download and use").click()


def chosen(page, label):
    page.wait_for_function(f"document.querySelector('.mm-open .mm-label').textContent === {label!r}")


def test_grey_ones_say_why_and_change_nothing(page):
    page.locator(".mm-open").click()
    row = page.locator(".mm-list [data-name='llava-1.5-7b']")
    assert row.get_attribute("aria-disabled") == "true"
    assert "needs 15.4 GB, and 12." in row.inner_text()
    assert page.locator(".mm-list [data-name='qwen2.5-vl-3b']").get_attribute("aria-disabled") == "false"
    page.locator(".mm-open").click()
    pick(page, "llava-1.5-7b")
    page.locator("#viewer .cv-error", has_text="--quantization 8bit").wait_for()
    chosen(page, "Scenes 8M (embedded)")
    pick(page, "smolvlm-500m")
    page.locator("#viewer .cv-error", has_text="could not be downloaded").wait_for()
    chosen(page, "Scenes 8M (embedded)")
    assert page.locator(".mm-status").inner_text() == ""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_switch_shows_how_far_it_is(page, gate):
    gate.clear()
    pick(page, "smolvlm-256m")
    page.locator(".mm-status", has_text="Downloading SmolVLM 256M: 0.2 of 0.5 GB").wait_for()
    chosen(page, "Scenes 8M (embedded)")
    gate.set()
    chosen(page, "SmolVLM 256M")
    page.locator(".mm-open .mm-more", has_text="loaded").wait_for()
    assert page.get_by_role("slider", name="β").input_value() == "0.7"
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function(
        "(m => m.status === 'done' && m.model.label === 'SmolVLM 256M')"
        "(document.querySelector('#viewer .cv').__clvs.model)"
    )
    pick(page, "scenes")
    chosen(page, "Scenes 8M (embedded)")


def test_the_list_works_from_the_keyboard(open_page, url):
    page = drawn(open_page(url))
    page.locator("#more button").first.click()
    page.locator(".mm-open").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(NAME) == "scenes"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(NAME) == "llava-1.5-7b"
    page.keyboard.press("End")
    assert page.evaluate(NAME) == "gemma-3-12b"
    page.keyboard.press("Escape")
    assert not page.locator(".mm-list").is_visible()
    assert page.evaluate("document.activeElement.className") == "mm-open"
