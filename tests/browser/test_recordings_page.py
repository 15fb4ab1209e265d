"""Recordings in a real browser: chosen by mouse, key and thumb, scrubbed, linked, left, and hostile ones harmless."""

from __future__ import annotations

import json
import shutil
from urllib.parse import urlencode

import pytest

from tests import recordings as made
from tests.browser.conftest import drawn
from tests.browser.test_app import RESULT, launch, result, when
from tests.browser.test_own_picture import file, give, png, said
from tests.page import pictures
from tests.page.fake import FakeModel
from viz.page import build
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models
from viz.page.recorded.recordings import Recordings

WHY = "Recorded on LLaVA-1.5 7B; it cannot be asked again here"
ASKING = ("#picture", "#examples", "#question", "#go", "#suggestions", "#methods", "#set-tokens", "#set-prompt")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    made.make(folder)
    evil = shutil.copytree(folder / made.NAME, folder / "evil")
    about = json.loads((evil / "recording.json").read_text())
    attack = "<img src=x onerror=window.hit=1>${window.hit=1}{{hit}}"
    about["model"]["label"] = about["model"]["id"] = about["prompt"] = attack
    for entry in about["questions"]:
        entry |= {"title": attack, "licence": attack, "source": attack}
    (evil / "recording.json").write_text(json.dumps(about))
    (evil / "questions/savanna-1.json.gz").write_bytes(b"nothing")
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    model = FakeModel()
    models = Models(load=lambda name, **settings: model)
    page = build.build(models, library, record.make(models, library), recordings=Recordings([folder]))
    yield launch(page)
    page.close()


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desktop", "phone"])
def page(request, open_page, url):
    width, height = request.param
    return drawn(open_page(url, width=width, height=height, has_touch=width == 390))


def offer(page, label="LLaVA-1.5 7B"):
    return page.locator(".rd-models").get_by_role("button", name=label)


def shown(page, id):
    when(page, f"m.recorded?.id === {id!r}")
    page.wait_for_function("document.body.classList.contains('recorded')")
    return result(page)


def live(page):
    when(page, "!m.recorded")
    page.wait_for_function("!document.body.classList.contains('recorded')")


def test_of_quick_choices_the_last_is_shown(page):
    offer(page).click()
    first = shown(page, "kite-weather-1")
    page.locator(".rd-pictures").evaluate("(box) => { for (const button of box.children) button.click(); }")
    when(page, f"m.recorded && m.id !== {json.dumps(first['id'])}")
    page.locator(".rd-pictures button[aria-pressed=true]:last-child").wait_for()
    page.wait_for_timeout(600)  # nothing that was chosen before may come after it
    assert page.locator(".rd-pictures button").last.get_attribute("aria-pressed") == "true"
    assert page.locator("#viewer .cv-error").is_hidden()


def test_a_recording_is_looked_at_and_left(page):
    before = result(page)
    offer(page).click()
    first = shown(page, "kite-weather-1")
    assert first["question"] == made.LINES[0]["question"]
    assert WHY in page.locator(".rd-why").inner_text()
    assert page.locator(".rd-why code").inner_text() == "--model llava-1.5-7b"
    for part in ASKING:
        assert not page.locator(part).is_visible(), part
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    slider = page.locator("#viewer .cv-slide [role=slider], #viewer .cv-slide input").first
    slider.focus()
    page.keyboard.press("Home")
    app = "document.querySelector('#viewer .cv').__clvs"
    page.wait_for_function(f"{app}.state.layer === 0")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{app}.state.layer === 1")
    page.wait_for_function("document.querySelector('#viewer .cv-context').textContent.includes('Layer 2 of 12')")

    page.locator(".rd-items").get_by_role("button", name="Where is the kite?").click()
    shown(page, "kite-weather-2")
    page.locator(".rd-pictures button").nth(1).click()
    shown(page, "savanna-1")
    assert page.locator(".rd-rights").inner_text() == "Picture: CC0 · my <i>zoo</i>"
    page.locator(".rd-leave").click()
    live(page)
    assert result(page)["id"] == before["id"]
    assert page.locator("#question").is_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    when(page, f"m.status === 'done' && m.id !== {before['id']!r}")


def test_the_picture_and_the_maps_are_drawn(page):
    offer(page).click()
    shown(page, "kite-weather-1")
    page.wait_for_function("document.querySelector('#viewer .cv').__clvs.picture?.naturalWidth > 0")


def test_the_menu_has_recordings_in_a_group_of_their_own(page):
    page.locator("#more button").first.click()
    page.locator(".mm-open").click()
    group = page.get_by_role("group", name="Recorded, not asked here")
    assert group.get_by_role("option").count() == 2
    group.get_by_role("option").first.click()
    shown(page, "kite-weather-1")
    assert page.locator(".mm-open .mm-label").inner_text() == "LLaVA-1.5 7B"
    page.locator(".mm-open").click()
    assert page.locator(".mm-list [aria-selected=true]").all_inner_texts()[0].startswith("LLaVA-1.5 7B")
    page.locator(".mm-list [data-name='scenes']").click()
    live(page)
    assert page.locator(".mm-open .mm-label").inner_text() == "Scenes 8M (embedded)"


def test_from_the_keyboard(open_page, url):
    page = drawn(open_page(url))
    offer(page).focus()
    page.keyboard.press("Enter")
    shown(page, "kite-weather-1")
    assert page.evaluate("document.activeElement.dataset.name") == "kite-weather.jpg", "the place is not lost"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    shown(page, "savanna-1")
    page.locator(".rd-leave").focus()
    page.keyboard.press("Enter")
    live(page)
    assert page.evaluate("document.activeElement.textContent") == "LLaVA-1.5 7B"


def test_a_link_a_reload_and_a_copied_link(open_page, url):
    query = urlencode({"recording": made.NAME, "scene": "kite-weather", "q": "Where is the kite?", "layer": 3})
    page = drawn(open_page(f"{url}?{query}"))
    for _ in range(2):
        shown(page, "kite-weather-2")
        page.wait_for_function("document.querySelector('#viewer .cv').__clvs.state.layer === 2")
        page.reload()
        drawn(page)
    shown(page, "kite-weather-2")
    page.evaluate(
        "() => { window.prompt = (_, text) => { window.told = text; }; navigator.clipboard.writeText = null; }"
    )
    page.locator("[data-do=copy]").click()
    page.wait_for_function("window.told")
    assert f"recording={made.NAME}&scene=kite-weather&q=Where+is+the+kite%3F&layer=3" in page.evaluate("window.told")


def test_a_link_to_what_is_not_here_says_so(open_page, url):
    page = drawn(open_page(f"{url}?recording=gone"))
    page.locator("#viewer .cv-error", has_text="There is no such recording here").wait_for()
    assert page.locator("#question").is_visible()


def test_traces_are_not_offered_and_numbers_are(page):
    offer(page).click()
    shown(page, "kite-weather-1")
    page.locator("[data-do=menu]").click()
    assert not page.locator(".page-traces").is_visible()
    with page.expect_download() as download:
        page.locator("[data-kind='numbers.csv']").click()
    assert download.value.path().read_text().startswith("step_from_0,token")


def test_a_hostile_recording_is_text(page):
    offer(page, "onerror").click()
    shown(page, "kite-weather-1")
    page.locator("#more button").first.click()
    page.locator(".mm-open").click()
    page.locator(".rd-pictures button").nth(1).click()
    page.locator("#viewer .cv-error", has_text="is damaged; choose another").wait_for()
    shown(page, "kite-weather-1")
    assert not page.evaluate("window.hit")
    assert page.locator(".rd img[src='x'], .mm img").count() == 0
    assert page.evaluate(f"{RESULT}.recorded.label").startswith("<img")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_what_is_said_of_a_picture_is_seen_beside_a_recording(page):
    offer(page).click()
    shown(page, "kite-weather-1")
    give(page, "paste", file("x.pdf", b"%PDF-1.4", "application/pdf"))
    assert "PNG, JPEG or WebP" in said(page)
    assert page.locator(".pic-error").is_visible()
    assert not page.locator(".pic-open").is_visible()
    assert page.evaluate(f"{RESULT}.recorded.id") == "kite-weather-1"
    give(page, "drop", file(content=png(70)))
    when(page, "m.status === 'done' && !m.recorded && m.image.w === 70")
    assert page.locator(".pic-open").is_visible()
