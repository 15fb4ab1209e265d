"""From a photograph to a model that suits it, in a real browser: offered, confirmed, downloaded, stopped, gone on with.

The download is real, from a hub on this machine; only the model that is then read is a fake.
"""

from __future__ import annotations

import io
import threading

import pytest
from huggingface_hub import constants
from PIL import Image

from clvs_core.models import download, hub, memory
from clvs_core.models.recommend import Speed
from clvs_core.models.registry import card_for
from tests.browser.conftest import drawn
from tests.hub_fake import FakeHub
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build, offers
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

BEST, LABEL = "smolvlm-500m", "SmolVLM 500M"
NEEDED = memory.gigabytes(card_for(BEST).size.needed("float32"))
FOCUSED = "document.activeElement.textContent"
SIZE = 3 * 2**20


class Machine:
    """A laptop with 8 GB, its hub, and a gate before weights are read."""

    def __init__(self, server):
        self.server, self.gate, self.reading = server, threading.Event(), threading.Event()
        self.gate.set()

    def load(self, name, progress=None, room=None, **settings):
        card = card_for(name)
        if name != "scenes":
            hub.weights(card, hub.small_files(card), progress)
        room(10**9)
        if name != "scenes" and progress:
            progress(f"Loading {card.label}…")
            self.reading.set()
            assert self.gate.wait(60)
        return fakes.FakeModel(name)


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def machine(patch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    (folder / "model.safetensors").write_bytes(bytes(SIZE))
    (folder / "config.json").write_text("{}")
    server = FakeHub(folder)
    patch.setattr(constants, "ENDPOINT", server.url)
    address = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    place = memory.Place("cpu", "this machine", 5 * 10**9, 8 * 2**30)
    patch.setattr(memory, "places", lambda device="auto": [place])
    patch.setattr(offers, "measure", lambda device, kept: Speed(160e9, 20e9))
    yield Machine(server)
    server.shutdown()


def serve(models, folder):
    library = Library(pictures.write(folder))
    page = build.build(models, library, record.make(models, library))
    _, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **build.launch_settings()
    )
    return page, address


@pytest.fixture(scope="module")
def url(machine, tmp_path_factory):
    page, address = serve(Models(load=machine.load, own=True), tmp_path_factory.mktemp("scenes"))
    yield address
    page.close()


@pytest.fixture
def empty(patch, machine, tmp_path):
    """An empty cache, and a hub that sends slowly: all of it in about six seconds."""
    patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    machine.gate.set()
    machine.server.ranges.clear()
    machine.server.pause = 0.03


@pytest.fixture(params=[(1440, 900, {}), (390, 844, {"has_touch": True})], ids=["desktop", "phone"])
def page(request, open_page, url, empty):
    width, height, options = request.param
    page = drawn(open_page(url, width=width, height=height, **options))
    yield page
    if page.locator(".mm-halt:visible").count():
        page.locator(".mm-halt").click()


def press(page, locator):
    """A tap where there are thumbs, else a click."""
    return locator.tap() if page.viewport_size["width"] < 500 else locator.click()


def open_menu(page):
    page.locator("#more button").first.click()
    page.locator(".mm-open").scroll_into_view_if_needed()
    press(page, page.locator(".mm-open"))


def ask_about_a_photograph(page):
    content = io.BytesIO()
    Image.effect_noise((320, 240), 90).convert("RGB").save(content, "PNG")
    files = page.locator("#picture input[type=file]")
    files.set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": content.getvalue()})
    page.locator("#viewer .cv-offer").wait_for()
    page.wait_for_function("document.querySelector('#viewer .cv').dataset.state === 'done'")


def offer(page):
    """Its button: beside the sentence, or beside what stands in the sentence's place."""
    return page.locator("#viewer .cv-offer button:visible", has_text=f"Use {LABEL}…")


def dialog(page):
    return page.get_by_role("dialog", name=f"Download {LABEL}?")


def notes(page, text):
    page.locator("#viewer .cv-far", has_text=text).wait_for()


def test_the_menu_begins_with_what_suits_this_machine(page):
    open_menu(page)
    first = page.locator(".mm-list [role=option]").first
    assert first.get_attribute("data-name") == BEST
    text = first.inner_text()
    assert "Recommended for this machine: the largest that leaves room in 8.6 GB of memory" in text
    assert "by estimate" in text
    assert page.locator(".mm-advice").count() == 1
    press(page, first)
    dialog(page).wait_for()
    told = dialog(page).inner_text()
    for part in ("Apache 2.0", "1.0 GB from huggingface.co/HuggingFaceTB/SmolVLM-500M-Instruct", "cache", NEEDED):
        assert part in told
    assert "seconds on this machine" in told
    press(page, dialog(page).get_by_role("button", name="Cancel"))
    dialog(page).wait_for(state="hidden")
    assert page.evaluate("document.activeElement.className") == "mm-open"
    assert page.locator(".mm-open .mm-label").inner_text() == "Scenes 8M (embedded)"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_photograph_leads_to_a_download_that_stops_and_goes_on(page, machine):
    ask_about_a_photograph(page)
    text = page.locator("#viewer .cv-notes").inner_text()
    assert "drawn scenes only" in text
    assert "SmolVLM 500M suits this machine (Apache 2.0, a download of 1.0 GB)" in text
    before = page.locator("#viewer .cv-notes").bounding_box()["height"]
    press(page, offer(page))
    press(page, dialog(page).get_by_role("button", name="Download and use"))
    page.locator("#viewer .cv-far", has_text="%)").wait_for()
    assert page.locator("#viewer .cv-notes").bounding_box()["height"] == before, "nothing moves"
    assert not offer(page).count()
    page.wait_for_function("/\\(([3-9]\\d) %\\)/.test(document.querySelector('.cv-far').textContent)")
    press(page, page.locator("#viewer .cv-far").get_by_role("button", name="Stop"))
    notes(page, "Stopped: the model on the page stays")
    sent = -1
    while sent != machine.server.sent:  # what had been sent may still be counted, then nothing comes any more
        sent = machine.server.sent
        page.wait_for_timeout(500)
    kept = download.kept(card_for(BEST).source)
    assert SIZE * 0.25 < kept < SIZE
    machine.server.pause = 0
    press(page, offer(page))
    assert "of which" not in dialog(page).inner_text(), "three megabytes are not worth a word"
    press(page, dialog(page).get_by_role("button", name="Download and use"))
    notes(page, f"{LABEL} is ready: press Run.")
    assert any(0 < first <= kept for first in machine.server.ranges), "the second try goes on"
    assert not page.locator("#viewer .cv-offer").count()
    page.locator("#more button").first.click()
    page.locator(".mm-open .mm-label", has_text=LABEL).wait_for()
    open_ = page.locator(".mm-open")
    press(page, open_)
    press(page, page.locator(".mm-list [data-name=scenes]"))
    notes(page, "Scenes 8M (embedded) is ready")


def test_the_menu_stops_too_and_what_is_read_is_discarded(page, machine):
    machine.server.pause = 0
    machine.gate.clear()
    machine.reading.clear()
    open_menu(page)
    press(page, page.locator(f".mm-list [data-name='{BEST}']"))
    before = page.locator("#model").bounding_box()["height"]
    press(page, dialog(page).get_by_role("button", name="Download and use"))
    assert machine.reading.wait(20)  # the words are also the first ones, before the download
    page.locator(".mm-status", has_text=f"Loading {LABEL}…").wait_for()
    assert abs(page.locator("#model").bounding_box()["height"] - before) < 320, "only the list has closed"
    press(page, page.locator(".mm-halt"))
    page.locator(".mm-status", has_text="discarded as soon as it is read").wait_for()
    machine.gate.set()
    notes(page, "Stopped: the model on the page stays")
    assert not page.locator(".mm-halt").is_visible()
    assert page.locator(".mm-open .mm-label").inner_text() == "Scenes 8M (embedded)"
    page.locator(".mm-open").click()
    assert "loaded" not in page.locator(f".mm-list [data-name='{BEST}'] .mm-more").inner_text()


def test_by_keyboard_alone(open_page, url, empty, machine):
    page = drawn(open_page(url))
    ask_about_a_photograph(page)
    offer(page).focus()
    page.keyboard.press("Enter")
    dialog(page).wait_for()
    assert page.evaluate(FOCUSED) == "Cancel"
    seen = set()
    for _ in range(5):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.closest('dialog') ? 'in' : document.activeElement.tagName"))
    assert seen <= {"in", "BODY"}, "the page behind is out of reach"
    page.keyboard.press("Escape")
    dialog(page).wait_for(state="hidden")
    assert page.evaluate(FOCUSED) == f"Use {LABEL}…", "the focus is back"
    page.keyboard.press("Enter")
    dialog(page).wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    notes(page, "%)")
    page.locator("#viewer .cv-far button").focus()
    page.wait_for_timeout(700)
    assert page.evaluate(FOCUSED) == "Stop", "the words change, the button stays"
    page.keyboard.press("Enter")
    notes(page, "Stopped:")
    offer(page).focus()
    page.keyboard.press("Enter")
    dialog(page).wait_for()


def test_too_small_a_disk_and_a_hub_that_is_gone(open_page, url, empty, machine, monkeypatch):
    page = drawn(open_page(url))
    ask_about_a_photograph(page)
    with monkeypatch.context() as small:
        small.setattr(download, "room", lambda: 5 * 10**8)
        offer(page).click()
        page.locator("#viewer .cv-error", has_text="needs 1.0 GB and the disk").wait_for()
    assert not dialog(page).is_visible()
    with monkeypatch.context() as gone:
        gone.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        offer(page).click()
        dialog(page).get_by_role("button", name="Download and use").click()
        page.locator("#viewer .cv-error", has_text="the hub cannot be reached; connect to the network").wait_for()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function("document.querySelector('#viewer .cv').dataset.state === 'done'")


def test_on_a_page_for_others_what_is_offered_is_one_click(open_page, machine, empty, tmp_path):
    (tmp_path / "s").mkdir()
    loads = Models(["scenes", "smolvlm-256m"], load=lambda name, **_: fakes.FakeModel(name))
    served, address = serve(loads, tmp_path / "s")
    try:
        page = drawn(open_page(address))
        ask_about_a_photograph(page)
        assert "For photographs, choose SmolVLM 256M." in page.locator("#viewer .cv-notes").inner_text()
        page.get_by_role("button", name="Use SmolVLM 256M", exact=True).click()
        notes(page, "SmolVLM 256M is ready: press Run.")
    finally:
        served.close()
