"""The page in a real browser, over the fake model of tests/ui: everything a visitor does."""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import viewer_fakes
from tests.browser.conftest import SETTLED, drawn, until
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build, second
from viz.page import first_answer as record
from viz.page.answering import Answering
from viz.page.library import ANYTHING, Library
from viz.page.models import Models

RESULT = "document.querySelector('#viewer .cv').__clvs.model"


def launch(page):
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **build.launch_settings())
    return url


@pytest.fixture(scope="module")
def model():
    return fakes.FakeModel()


@pytest.fixture(scope="module")
def ran():
    """Tickets that `run` was called with."""
    return []


@pytest.fixture(scope="module")
def url(model, ran, tmp_path_factory):
    library = Library(pictures.write(tmp_path_factory.mktemp("scenes")))
    models = Models(load=lambda name, **settings: model)
    run = Answering.run

    def counted(self, session, ticket, *inputs):
        ran.append(ticket)
        yield from run(self, session, ticket, *inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Answering, "run", counted)
        page = build.build(models, library, record.make(models, library))
    yield launch(page)
    page.close()


def result(page):
    """The payload on the page, without its data."""
    text = page.evaluate(f"JSON.stringify({{...{RESULT}, blob: 0, arrays: 0, model: 0, objects: {RESULT}.objects}})")
    return json.loads(text)


def when(page, condition):
    """Waits until a JavaScript condition on `m`, the payload on the page, holds."""
    page.wait_for_function(f"(() => {{ const m = {RESULT}; return m && ({condition}); }})()")


def done(page, question):
    when(page, f"m.status === 'done' && m.question === {json.dumps(question)}")
    return result(page)


def ask(page, question):
    page.locator("#question textarea").fill(question)
    page.get_by_role("button", name="Run", exact=True).click()


def chip(page, name):
    """The chip of a method, by its label."""
    return page.locator(".mp-chips").get_by_role("button", name=name, exact=True)


def error_of(page):
    box = page.locator("#viewer .cv-error")
    box.wait_for(state="visible")
    return box.inner_text()


def test_the_first_paint_is_a_finished_example(open_page, url, model):
    before = model.opened
    page = drawn(open_page(url))
    shown = result(page)
    assert shown["status"] == "done"
    assert shown["question"] == page.locator("#question textarea").input_value() == pictures.QUESTIONS["street"][0]
    assert [m["text"] for m in shown["methods"]] == ["Yes", "Yes"]
    assert page.locator("#examples [aria-pressed=true]").get_attribute("data-name") == "street"
    page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    assert model.opened == before, "no model was needed"


def test_looking_takes_no_place_in_the_queue(open_page, url, ran):
    before = len(ran)
    page = drawn(open_page(url))
    page.wait_for_timeout(1000)
    assert ran[before:] == []
    for _ in range(2):  # the same question again runs again
        shown = result(page)["id"]
        ask(page, "Is there a dog?")
        when(page, f"m.status === 'done' && m.question === 'Is there a dog?' && m.id !== '{shown}'")
    assert len(ran[before:]) == len(set(ran[before:])) == 2


def test_an_example_is_asked_and_both_answers_come(open_page, url):
    page = drawn(open_page(url))
    page.locator("#examples button[data-name=table]").click()
    shown = done(page, "What color is the apple?")
    assert [m["name"] for m in shown["methods"]] == ["vanilla", "clvs"]
    assert shown["image"]["url"].endswith("table.png")
    assert [(o["name"], o["on"]) for o in shown["objects"]] == [("apple", True)]
    assert page.locator("#suggestions button").all_inner_texts() == pictures.QUESTIONS["table"]
    assert page.locator("#examples [aria-pressed=true]").get_attribute("data-name") == "table"
    assert page.locator("#question textarea").input_value() == "What color is the apple?"


def test_a_question_is_typed_suggested_and_entered(open_page, url):
    page = drawn(open_page(url))
    ask(page, "Is there a dog here?")
    done(page, "Is there a dog here?")
    page.locator("#suggestions button").nth(1).click()
    done(page, "Is there a dog in the image?")
    page.locator("#question textarea").fill("And a car?")
    page.keyboard.press("Enter")
    assert {o["name"]: o["on"] for o in done(page, "And a car?")["objects"]} == {"car": True, "dog": False}


def test_hostile_text_stays_text(open_page, url):
    page = drawn(open_page(url))
    page.evaluate("window.__pwn = 0")
    question = '<img src=x onerror="__pwn=1"> ${window.__pwn=2} {{constructor}} `'
    ask(page, question)
    done(page, question)
    page.locator("#examples button").first.hover()
    assert page.locator("#examples button").first.get_attribute("title") == "The street <b>&\"'"
    assert page.evaluate("window.__pwn") == 0


def test_answers_stream_and_stop_stops(open_page, url, model):
    page = drawn(open_page(url))
    page.locator("#more button").first.click()
    page.get_by_role("spinbutton", name=re.compile("Longest answer")).fill("64")
    page.keyboard.press("Enter")
    ask(page, "Count slowly.")
    when(page, "m.question === 'Count slowly.' && m.status === 'running' && m.methods[0].tokens.length >= 2")
    page.get_by_role("button", name="Stop", exact=True).click(force=True)  # at once
    when(page, "m.status === 'done'")
    tokens = len(result(page)["methods"][0]["tokens"])
    assert 2 <= tokens < 64
    page.wait_for_timeout(400)
    assert len(result(page)["methods"][0]["tokens"]) == tokens
    until(page, lambda: model.closed == model.opened)  # the engine is freed
    ask(page, "Is there a dog?")
    done(page, "Is there a dog?")


def test_a_new_question_replaces_a_running_one(open_page, url, model):
    page = drawn(open_page(url))
    ask(page, "Count slowly.")
    when(page, "m.status === 'running' && m.methods[0].tokens.length >= 2")
    page.locator("#examples button[data-name=table]").click()
    done(page, "What color is the apple?")
    page.wait_for_timeout(300)
    assert result(page)["question"] == "What color is the apple?"
    until(page, lambda: model.closed == model.opened)


def slide(page, name, value):
    slider = page.get_by_role("slider", name=re.compile(name))
    slider.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )


def more(page):
    """Opens the rarer settings of the method that is shown."""
    page.get_by_role("button", name=re.compile("^More settings of ")).click()


def test_a_slider_redraws_without_run(open_page, url):
    page = drawn(open_page(url))
    before = result(page)
    for name, value, spec in [("α", "0.5", "alpha=0.5"), ("β", "0.3", "beta=0.3"), ("γ", "0.4", "gamma=0.4")]:
        slide(page, name, value)
        when(page, f"m.status === 'done' && m.methods[1].spec.includes('{spec}')")
    after = result(page)
    assert after["id"] == before["id"]
    assert after["question"] == before["question"]


def test_only_a_setting_of_the_method_says_that_it_is_worked_out(open_page, url):
    page = drawn(open_page(url))
    page.locator("#more button").first.click()
    page.get_by_role("spinbutton", name=re.compile("Longest answer")).fill("8")
    page.wait_for_timeout(1200)
    assert page.locator(".page-said").inner_text() == ""
    more(page)
    slide(page, "First check", "3")
    when(page, "m.methods[1].spec.includes('first_check=2')")


def test_an_error_is_scrolled_to_once(open_page, url):
    page = drawn(open_page(url, height=500))
    page.locator("#question textarea").fill(" ")
    page.keyboard.press("Enter")
    error_of(page)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.evaluate("document.querySelector('.page-items').hidden = false")  # something else is shown
    page.wait_for_timeout(200)
    assert page.evaluate("document.querySelector('#viewer .cv-error').getBoundingClientRect().bottom") < 0


def test_a_slider_works_from_the_keyboard(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("slider", name=re.compile("α")).focus()
    page.keyboard.press("ArrowLeft")
    when(page, "m.methods[1].spec.includes('alpha=0.75')")


def test_sliding_fast_ends_at_the_last_value(open_page, url):
    page = drawn(open_page(url))
    for step in range(30):
        slide(page, "α", str(0.05 * (step % 20)))
    slide(page, "α", "0.35")
    when(page, "m.methods[1].spec.includes('alpha=0.35')")
    page.wait_for_timeout(500)
    assert "alpha=0.35" in result(page)["methods"][1]["spec"]


TIMES = """
async (count) => {
  const app = document.querySelector('#viewer .cv').__clvs;
  const input = document.querySelector("#methods input[type=range]");
  const frame = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
  const times = [];
  for (let i = 0; i < count; i++) {
    const value = ((i * 7) % 15 + 1) * 0.05;  // always another one, and never the usual 0.8, which no spec mentions
    const start = performance.now();
    input.value = value;
    input.dispatchEvent(new Event('input', { bubbles: true }));
    const spec = `alpha=${Number(input.value)}`;
    while (!(app.model.status === 'done' && app.model.methods[1].spec.includes(spec))) {
      await frame();
      if (performance.now() - start > 5000) return [NaN];
    }
    await frame();
    times.push(performance.now() - start);
    await new Promise((go) => setTimeout(go, 60));
  }
  return times;
}
"""


def test_a_slider_is_quick(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("slider", name=re.compile("α")).wait_for()
    page.evaluate(TIMES.strip(), 3)
    times = page.evaluate(TIMES.strip(), 15)
    assert statistics.median(times) < 450, times  # the budget is 150 ms; a loaded test machine gets three times that


def test_an_own_picture(open_page, url):
    page = drawn(open_page(url))
    upload(page, "mine.png", viewer_fakes.png())
    when(page, "m.status === 'done' && m.image.w === 96")  # without pressing Run
    assert result(page)["question"] == ANYTHING[0], "the street's was for the street"
    assert "drawn scenes only" in page.locator("#viewer .cv-notes").inner_text()
    page.locator("#suggestions button", has_text="person").wait_for()
    assert page.locator("#examples [aria-pressed=true]").count() == 0
    ask(page, "Is there a unicorn?")
    shown = done(page, "Is there a unicorn?")
    assert (shown["image"]["w"], shown["image"]["h"]) == (96, 96)
    assert shown["objects"] == []
    text = page.locator("#viewer .cv-notes").inner_text()
    assert "does not know: unicorn" in text
    assert "drawn scenes only" in text
    page.wait_for_function("document.querySelector('#viewer .cv').__clvs.picture?.naturalWidth === 96")


def upload(page, name, content, kind="image/png"):
    with page.expect_response(re.compile("gradio_api/(upload|queue/join|run)")):
        page.locator("#picture input[type=file]").set_input_files({"name": name, "mimeType": kind, "buffer": content})


@pytest.mark.parametrize(("question", "told"), [("  ", "no question"), ("Please explode.", "Something went wrong")])
def test_errors_are_one_sentence_in_the_answer_area(open_page, url, question, told):
    page = drawn(open_page(url))
    ask(page, question)
    error = error_of(page)
    assert told in error
    assert "secret" not in error
    ask(page, "Is there a dog?")
    done(page, "Is there a dog?")
    assert not page.locator("#viewer .cv-error").is_visible()


def test_a_drawn_region_gets_a_curve_and_is_exported(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("button", name=re.compile("box")).click()
    first = page.locator("#viewer .cv-maps canvas").first.bounding_box()
    page.mouse.move(first["x"] + 10, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(first["x"] + first["width"] / 2, first["y"] + first["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#viewer .cv').__clvs.state.region?.box")
    with page.expect_download() as got:
        menu(page, "All numbers, CSV")
    header = got.value.path().read_text().splitlines()[0]
    assert header.split(",")[6:10] == ["picture", "car", "dog", "region"]


def menu(page, item):
    page.get_by_role("button", name="Download", exact=True).click()
    page.get_by_role("menuitem", name=item).click()


def test_downloads_are_of_what_is_shown(open_page, url, tmp_path):
    page = drawn(open_page(url))
    ask(page, "Is there a dog?")
    done(page, "Is there a dog?")
    chosen = "{ layer: 4, head: 1, cmap: 'viridis', power: 0.5, sinks: 2, region: { box: [10, 10, 60, 60] }, on: {} }"
    page.evaluate(f"document.querySelector('#viewer .cv').__clvs.set({chosen})")
    saved = {}
    for item, name, start in [
        ("Heatmaps, PNG", "street-is-there-a-dog-layer-5-heatmaps.png", b"\x89PNG"),
        ("All numbers, CSV", "street-is-there-a-dog-numbers.csv", b"step_from_0"),
        ("This view, offline, HTML", "street-is-there-a-dog-layer-5-page.html", b"<!doctype html>"),
        ("Full traces, .npz, CLVS", "street-is-there-a-dog-clvs.npz", b"PK"),
    ]:
        with page.expect_download() as got:
            menu(page, item)
        assert got.value.suggested_filename == name
        saved[name.rpartition(".")[2]] = got.value.path().read_bytes()
        assert saved[name.rpartition(".")[2]].startswith(start)
    (row, *_) = csv.DictReader(io.StringIO(saved["csv"].decode()))
    assert (row["head_from_0"], row["follows"], row["model"]) == ("1", "region", "Scenes 8M (embedded)")
    path = tmp_path / "saved.html"
    path.write_bytes(saved["html"])
    spelled = "JSON.stringify(document.querySelector('.cv').__clvs.spelled())"
    assert drawn(open_page(path.as_uri(), bypass_csp=True)).evaluate(spelled) == page.evaluate(spelled)


def test_what_is_seen_is_copied_as_a_picture_or_saved_where_that_is_not_possible(open_page, url):
    page = drawn(open_page(url, permissions=["clipboard-read", "clipboard-write"]))
    menu(page, "Copy as picture")
    page.locator(".page-said", has_text="Copied: paste the picture").wait_for()
    size = page.evaluate("""async () => {
        const [item] = await navigator.clipboard.read();
        const picture = await createImageBitmap(await item.getType('image/png'));
        return [picture.width, picture.height];
    }""")
    assert size[0] >= 1200
    assert size[1] >= 800
    page.evaluate("delete globalThis.ClipboardItem")
    with page.expect_download() as got:
        menu(page, "Copy as picture")
    assert got.value.path().read_bytes().startswith(b"\x89PNG")
    page.locator(".page-said", has_text="it is in your downloads").wait_for()


def test_a_link_restores_the_page(open_page, url):
    page = drawn(open_page(url, permissions=["clipboard-read", "clipboard-write"]))
    slide(page, "α", "0.5")
    when(page, "m.methods[1].spec.includes('alpha=0.5')")
    page.evaluate("document.querySelector('#viewer .cv').__clvs.goto(5)")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied.").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    query = parse_qs(urlsplit(link).query)
    assert query["layer"] == ["6"]
    assert query["scene"] == ["street"]
    other = drawn(open_page(link))
    when(other, "m.status === 'done' && m.methods[1].spec.includes('alpha=0.5')")
    assert other.evaluate("document.querySelector('#viewer .cv').__clvs.state.layer") == 5
    assert other.get_by_role("slider", name=re.compile("α")).input_value() == "0.5"
    table = drawn(open_page(f"{url}?scene=table"))
    done(table, pictures.QUESTIONS["table"][0])
    assert table.locator("#examples [aria-pressed=true]").get_attribute("data-name") == "table"


def test_a_link_to_a_model_that_is_not_loaded_sets_its_depth(open_page, tmp_path):
    def load(name, **settings):
        loaded = fakes.FakeModel(name)
        loaded.layers = {"scenes": 8, "llava-1.5-7b": 32}[name]
        return loaded

    library, models = Library(pictures.write(tmp_path)), Models(["scenes", "llava-1.5-7b"], load=load)
    blocks = build.build(models, library, record.make(models, library))
    page = drawn(open_page(f"{launch(blocks)}?scene=table&model=llava-1.5-7b"))
    assert done(page, pictures.QUESTIONS["table"][0])["methods"][1]["spec"] == "clvs"
    more(page)
    page.wait_for_function("document.querySelector('[data-field=first_check] input[type=range]')?.max === '32'")
    assert page.get_by_role("slider", name="First check").input_value() == "18"
    slide(page, "First check", "20")
    when(page, "m.methods[1].spec.includes('first_check=19')")
    assert page.get_by_role("spinbutton").count() == 5, "nothing to fill in but the settings"
    blocks.close()


def test_a_link_to_nowhere_is_said(open_page, url):
    page = drawn(open_page(f"{url}?scene=gone"))
    assert "not here" in error_of(page)


def test_two_visitors_do_not_mix(open_page, url):
    one, other = drawn(open_page(url)), drawn(open_page(url))
    ask(one, "Count dogs slowly.")
    ask(other, "Count cars slowly.")
    assert done(one, "Count dogs slowly.")["question"] == "Count dogs slowly."
    assert done(other, "Count cars slowly.")["question"] == "Count cars slowly."


@pytest.mark.parametrize(("width", "height"), [(390, 844), (768, 1024), (1180, 820), (1440, 900), (1920, 1080)])
def test_nothing_scrolls_sideways(open_page, url, width, height):
    page = drawn(open_page(url, width=width, height=height))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#more button").first.click()
    more(page)
    for name in ("VCD", "TARAC"):
        chip(page, name).click()
    when(page, "m.methods.length === 4")
    page.evaluate(SETTLED)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in ("Run", "Copy link", "Download"):
        box = page.get_by_role("button", name=button, exact=True).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_the_first_screen_holds_picture_question_answers_and_maps(open_page, url):
    page = drawn(open_page(url))
    for part in ("#picture", "#question", "#viewer .cv-answers", "#viewer .cv-maps", "#methods"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 900, part


def test_nothing_jumps_while_an_answer_comes(open_page, url):
    page = drawn(open_page(url))
    page.evaluate("""() => {
      window.__shift = 0;
      const add = (list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.__shift += e.value; };
      new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: false });
    }""")
    slide(page, "α", "0.5")
    when(page, "m.methods[1].spec.includes('alpha=0.5')")
    ask(page, "Is there a dog in the image?")
    done(page, "Is there a dog in the image?")
    page.wait_for_timeout(300)
    assert page.evaluate("window.__shift") < 0.1


CONTRAST = r"""
(selector) => {
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const element = document.querySelector(selector);
  let back = element;
  while (back && (rgb(getComputedStyle(back).backgroundColor)[3] ?? 1) === 0) back = back.parentElement;
  const a = light(rgb(getComputedStyle(element).color));
  const b = light(rgb(getComputedStyle(back ?? document.body).backgroundColor));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(open_page, url, theme):
    page = drawn(open_page(url, theme=theme))
    assert page.evaluate("document.body.classList.contains('dark')") is (theme == "dark")
    for selector in (".page-title p", "#suggestions button", ".mp-label", ".mp-hint", ".mp-soft",
                     ".mp-chip[aria-pressed=false]", ".mp-chip[aria-pressed=true]", ".mp-tab", "#question textarea",
                     "#go button"):  # fmt: skip
        page.locator(selector).first.wait_for()
        assert page.evaluate(CONTRAST.strip(), selector) >= 4.5, selector


def test_the_theme_button(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.body.classList.contains('dark')")
    drawn(page).goto(url)
    page.wait_for_function("document.body.classList.contains('dark')")


def test_a_setting_that_is_typed_out_of_range_is_the_nearest_one(open_page, url):
    page = drawn(open_page(url))
    failed = []
    page.on("response", lambda response: response.status >= 500 and failed.append(response.url))
    page.get_by_role("spinbutton", name=re.compile("α")).fill("7")
    page.keyboard.press("Enter")
    when(page, "m.status === 'done' && m.methods[1].spec.includes('alpha=1')")
    assert failed == []


def test_a_question_that_is_too_long_is_told_and_moves_nothing(open_page, url):
    page = drawn(open_page(url))
    top = "document.querySelector('#viewer .cv-answers').getBoundingClientRect().top"
    before = page.evaluate(top)
    ask(page, "x" * 600)
    assert "600 characters" in error_of(page)
    assert page.evaluate(top) == before


def test_examples_are_one_stop_for_tab(open_page, url):
    page = drawn(open_page(url))
    focused = "document.activeElement.dataset.name ?? document.activeElement.id"
    page.locator("#examples [data-name=street]").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "table"
    assert page.locator("#examples [tabindex='0']").count() == 1
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('#examples')")


def test_the_settings_stay_in_sight_on_a_phone(open_page, url):
    page = drawn(open_page(url, width=390, height=844))
    for part in ("#viewer .cv-maps", "#viewer .cv-curve"):
        page.locator(part).evaluate("(e) => e.scrollIntoView({ block: 'center' })")
        box = page.locator(".mp-set").bounding_box()
        assert 0 < box["height"] < 120
        assert box["y"] + box["height"] == pytest.approx(844, abs=1)
        assert box["y"] > page.locator(part).bounding_box()["y"]


def test_settings_say_what_they_mean(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("slider", name=re.compile("γ")).hover()
    page.get_by_text("Smoothing stops once").wait_for(state="visible")
    page.locator("#more button").first.click()
    more(page)
    for text in ("same position", "looked at", "every layer", "at the latest", "--model"):
        page.locator("#ask", has_text=text).wait_for(state="visible")


def test_the_menu_works_from_the_keyboard(open_page, url):
    page = drawn(open_page(url))
    page.get_by_role("button", name="Download", exact=True).focus()
    page.keyboard.press("Enter")
    focused = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
    assert page.evaluate(focused) == "Copy as picture"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "Heatmaps, PNG"
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "Download"
    assert not page.get_by_role("menuitem").first.is_visible()


def test_the_panels_script_is_fetched_when_one_is_opened_and_can_be_asked_for_again(open_page, url):
    page = drawn(open_page(url))
    asked = []
    page.on("request", lambda request: "/viewer-" in request.url and asked.append(urlsplit(request.url).path))
    page.route("**/viewer-*.js", lambda route: route.abort())
    panel = page.locator(".cv-panel")
    assert [address for address in page.answered if "/viewer-" in address] == []
    page.get_by_role("tab", name="All numbers").click()
    page.get_by_role("button", name="Try again").wait_for()
    assert panel.get_by_role("status").inner_text() == "The panel could not be loaded."
    page.unroute("**/viewer-*.js")
    page.get_by_role("button", name="Try again").click()
    panel.locator(".cv-numbers tbody tr").first.wait_for()
    assert page.evaluate("document.activeElement.dataset.panel") == "numbers", "the keyboard keeps its place"
    page.get_by_role("tab", name="Heads").click()
    panel.locator(".cv-cells").first.wait_for()
    assert asked == [f"/{second.address()}"] * 2


def test_a_panel_on_its_way_says_so(open_page, url):
    page, held = drawn(open_page(url)), []
    page.route("**/viewer-*.js", lambda route: held.append(route))  # Playwright marks what it is given
    page.get_by_role("tab", name="Heads").click()
    until(page, lambda: held)
    assert page.locator(".cv-panel").inner_text() == "Loading the panel…"
    held[0].continue_()
    page.locator(".cv-panel .cv-cells").first.wait_for()
