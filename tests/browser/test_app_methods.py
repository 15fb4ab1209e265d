"""The method picker in a real browser: chips, tabs, settings, limits; by mouse, by keyboard and on a phone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from clvs_core.models import memory
from clvs_core.models.recommend import Speed
from clvs_core.models.registry import CARDS
from tests.browser.conftest import drawn
from tests.browser.test_app import ask, chip, done, launch, more, result, slide, when
from tests.page import fake as fakes
from tests.page import pictures
from viz.page import build, main, offers
from viz.page import first_answer as record
from viz.page.library import Library
from viz.page.models import Models

GAIN = Path(__file__).resolve().parents[2] / "docs/examples/gain.py"
SPECS = "(document.querySelector('#viewer .cv').__clvs.model.methods.map((m) => m.spec))"


@pytest.fixture(scope="module")
def model():
    return fakes.FakeModel()


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    """The page over two models, with a method of one's own whose label tries to be more than text."""
    folder = tmp_path_factory.mktemp("methods")
    own = folder / "mine.py"
    own.write_text(GAIN.read_text().replace('label = "Gain"', """label = "<b>Gain</b> ${1} {{x}}\""""))
    place = memory.Place("cuda:0", "GPU", 24 * 10**9, 24 * 10**9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "places", lambda device="auto": [place])
        patch.setattr(offers, "measure", lambda device, kept: Speed(100e12, 1e12))
        plain = replace(CARDS["scenes"], settings={"clvs": {"beta": 0.9, "gamma": 0.25}})  # with no heads nor sinks
        patch.setitem(CARDS, "scenes", plain)
        main.offer_method(str(own))
        library = Library(pictures.write(folder / "scenes"))
        llava = fakes.FakeModel("llava-1.5-7b")
        loaded = {"scenes": model, "llava-1.5-7b": llava}
        models = Models([*loaded], load=lambda name, **settings: loaded[name])
        page = build.build(models, library, record.make(models, library))
        yield launch(page)
        page.close()


def pressed(page):
    return page.locator(".mp-chip[aria-pressed=true]").all_inner_texts()


def tabs(page):
    return page.locator("#methods").get_by_role("tab").all_inner_texts()


def specs(page):
    return page.evaluate(SPECS)


def test_it_starts_with_vanilla_and_clvs(open_page, url):
    page = drawn(open_page(url))
    labels = page.locator(".mp-chip").all_inner_texts()
    assert labels[:8] == ["Vanilla", "CLVS", "VCD", "PAI", "VAR", "AD-HH", "VAF", "TARAC"]
    assert (pressed(page), tabs(page)) == (["Vanilla", "CLVS"], ["CLVS"])
    sliders = page.locator("#methods").get_by_role("slider").all()
    assert [slider.get_attribute("aria-labelledby") for slider in sliders] == [
        "mp-clvs-alpha", "mp-clvs-beta", "mp-clvs-gamma",
    ]  # fmt: skip


def test_a_chip_asks_only_the_new_method_and_takes_away_at_once(open_page, url, model):
    page = drawn(open_page(url))
    ask(page, "Is there a dog?")
    first = done(page, "Is there a dog?")
    before = len(model.asked)
    chip(page, "VCD").click()
    when(page, "m.methods.length === 3 && m.status === 'done'")
    assert model.asked[before:] == [["vcd"]]
    assert result(page)["id"] == first["id"]
    assert (pressed(page), tabs(page)) == (["Vanilla", "CLVS", "VCD"], ["CLVS", "VCD"])
    assert page.locator("#methods").get_by_role("tab", selected=True).inner_text() == "VCD", "its settings are at hand"
    chip(page, "CLVS").click()
    when(page, "m.methods.length === 2")
    assert specs(page) == ["vanilla", "vcd"]
    chip(page, "Vanilla").click()
    when(page, "m.methods.length === 1")
    chip(page, "VCD").click()
    page.get_by_text("One method has to stay").wait_for()
    assert specs(page) == ["vcd"]
    assert len(model.asked) == before + 1
    chip(page, "Vanilla").click()
    when(page, "m.methods.length === 2")
    assert specs(page) == ["vanilla", "vcd"], "the reference comes first"


def test_the_fifth_is_refused_and_nothing_is_lost(open_page, url):
    page = drawn(open_page(url))
    for count, name in enumerate(("VCD", "PAI"), start=3):
        chip(page, name).click()
        when(page, f"m.methods.length === {count}")
    before = specs(page)
    chip(page, "TARAC").click()
    told = page.get_by_text("No more than 4 methods fit side by side; take one away first.")
    told.wait_for()
    assert page.locator(".mp-said[role=status]").inner_text() == told.inner_text()
    page.wait_for_timeout(300)
    assert specs(page) == before
    assert chip(page, "TARAC").get_attribute("aria-pressed") == "false"
    chip(page, "PAI").click()
    when(page, "m.methods.length === 3")
    assert told.count() == 0, "said until the next choice"
    chip(page, "TARAC").click()
    when(page, "m.methods.length === 4")


def test_a_method_that_cannot_run_is_grey_and_says_why(open_page, url):
    page = drawn(open_page(url))
    grey = chip(page, "AD-HH")
    assert grey.get_attribute("aria-disabled") == "true"
    reason = "AD-HH needs a list of heads, and none is known for Scenes 8M"
    page.mouse.move(700, 5)
    tip = page.locator(f"#{grey.get_attribute('aria-describedby')}")
    assert tip.text_content().startswith(reason)
    grey.hover(force=True)
    tip.wait_for(state="visible")
    before = specs(page)
    grey.click(force=True)  # it counts as disabled
    page.locator(".mp-said", has_text=reason).wait_for()
    page.wait_for_timeout(300)
    assert specs(page) == before


def test_settings_move_the_curves_and_reset_takes_them_back(open_page, url):
    page = drawn(open_page(url))
    curve = "JSON.stringify(document.querySelector('#viewer .cv').__clvs.curves())"
    reset = page.get_by_role("button", name="Reset CLVS")
    assert reset.is_disabled()
    slide(page, "α", "0.5")
    when(page, "m.status === 'done' && m.methods[1].spec.includes('alpha=0.5')")
    moved = page.evaluate(curve)
    slide(page, "α", "0.2")
    when(page, "m.methods[1].spec.includes('alpha=0.2')")
    assert page.evaluate(curve) != moved
    reset.click()
    when(page, "!m.methods[1].spec.includes('alpha')")
    assert page.get_by_role("slider", name=re.compile("α")).input_value() == "0.8"
    assert page.get_by_role("slider", name=re.compile("γ")).input_value() == "0.25", "the card's"
    assert reset.is_disabled()


@pytest.mark.parametrize("press", ["click", "Enter", "tap"])
def test_the_papers_settings_are_one_press_away(open_page, url, press):
    page = drawn(open_page(url, has_touch=press == "tap"))
    paper = page.get_by_role("button", name="The paper’s settings of CLVS")
    assert paper.get_attribute("aria-pressed") == "false"
    act = {"click": paper.click, "tap": paper.tap, "Enter": lambda: paper.press("Enter")}[press]
    act()
    when(page, "m.status === 'done' && m.methods[1].spec.includes('preset=paper')")
    assert page.get_by_role("slider", name=re.compile("γ")).input_value() == "0.5"
    assert paper.get_attribute("aria-pressed") == "true"
    slide(page, "α", "0.3")
    when(page, "m.methods[1].spec.includes('alpha=0.3')")
    link = page.evaluate("document.querySelector('#viewer .cv').__clvs.model.link")
    assert "method=clvs:preset=paper,alpha=0.3" in link
    other = drawn(open_page(f"{url}?{link}"))
    when(other, "m.methods[1].spec.includes('preset=paper') && m.methods[1].spec.includes('alpha=0.3')")
    again = other.get_by_role("button", name="The paper’s settings of CLVS")
    assert again.get_attribute("aria-pressed") == paper.get_attribute("aria-pressed") == "mixed"
    act()
    when(page, "m.methods[1].spec.includes('preset=paper') && !m.methods[1].spec.includes('alpha')")
    assert page.get_by_role("slider", name=re.compile("α")).input_value() == "0.8", "the paper's once more"
    assert paper.get_attribute("aria-pressed") == "true"
    act()
    when(page, "!m.methods[1].spec.includes('paper')")
    assert page.get_by_role("slider", name=re.compile("γ")).input_value() == "0.25"
    chip(page, "VCD").click()
    when(page, "m.methods.length === 3")
    page.locator("#methods").get_by_role("tab", name="VCD").click()
    assert page.get_by_role("button", name=re.compile("The paper’s settings")).count() == 0, "they are the card's"


def test_every_kind_of_setting_reaches_the_answer(open_page, url):
    page = drawn(open_page(url))
    chip(page, "TARAC").click()
    when(page, "m.methods.length === 3")
    more(page)
    first, last = page.get_by_label("Layers, first"), page.get_by_label("Layers, last")
    assert (first.input_value(), last.input_value()) == ("3", "4"), "counted from 1, of 8 layers"
    last.fill("99")
    last.press("Enter")
    when(page, "m.methods[2].spec === 'tarac:layers=2-7'")
    assert last.input_value() == "8"
    first.fill("")
    first.press("Enter")
    when(page, "m.methods[2].spec === 'tarac'")
    assert (first.input_value(), last.input_value()) == ("3", "4")
    page.locator("#methods").get_by_role("tab", name="CLVS").click()
    page.get_by_role("checkbox", name="Early termination").uncheck()
    when(page, "m.methods[1].spec.includes('early_termination=false')")
    box = page.get_by_role("spinbutton", name="First check")
    box.fill("2")
    box.press("Enter")
    when(page, "m.methods[1].spec.includes('first_check=1,')")
    assert page.get_by_role("slider", name="First check").input_value() == "2"
    chip(page, "VCD").click()
    when(page, "m.methods.length === 4")
    seed = page.get_by_role("spinbutton", name="Seed")
    assert page.get_by_role("slider", name="Seed").count() == 0, "a slider would be endless"
    seed.fill("17")
    seed.press("Enter")
    when(page, "m.methods[3].spec === 'vcd:seed=17'")


def test_a_list_is_typed_and_a_wrong_one_is_told(open_page, url):
    page = drawn(open_page(f"{url}?scene=street&method=vanilla&method=adhh:heads=2-1/4-0"))
    when(page, "m.status === 'done' && m.methods[1].spec === 'adhh:heads=2-1/4-0'")
    more(page)
    heads = page.get_by_role("textbox", name="Heads")
    assert heads.input_value() == "2-1/4-0"
    heads.fill("3-1, 5-0")
    heads.press("Enter")
    when(page, "m.methods[1].spec === 'adhh:heads=3-1/5-0'")
    assert heads.input_value() == "3-1/5-0"
    heads.fill("three")
    heads.press("Enter")
    page.locator("#viewer .cv-error", has_text="heads must be").wait_for()
    assert specs(page)[1] == "adhh:heads=3-1/5-0", "the last answer stays"
    assert page.get_by_role("button", name="Reset AD-HH").is_enabled()


def test_everything_by_keyboard_alone(open_page, url):
    page = drawn(open_page(url))
    focused = "document.activeElement.textContent || document.activeElement.getAttribute('aria-labelledby')"
    chip(page, "CLVS").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "VCD"
    page.keyboard.press("Space")
    when(page, "m.methods.length === 3")
    assert page.evaluate(focused) == "VCD", "focus stays on the chip"
    page.locator(f"#{chip(page, 'VCD').get_attribute('aria-describedby')}").wait_for(state="visible")
    page.locator("#methods").get_by_role("tab", selected=True).focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == "CLVS"
    assert page.locator("#methods").get_by_role("tab", selected=True).inner_text() == "CLVS"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Paper"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "More"
    page.keyboard.press("Enter")
    page.get_by_role("checkbox", name="Unified positions").wait_for()
    assert page.evaluate(focused) == "Less"
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "mp-clvs-alpha" and page.evaluate("document.activeElement.type") == "range":
            break
    page.keyboard.press("ArrowLeft")
    when(page, "m.methods[1].spec.includes('alpha=0.75')")
    assert page.evaluate(focused) == "mp-clvs-alpha"
    page.locator("#mp-clvs-alpha-about").wait_for(state="visible")


def test_a_link_restores_methods_and_settings(open_page, url):
    link = f"{url}?scene=street&method=vcd:alpha=2&method=pai%2Bclvs:alpha=0.35&method=clvs&method=clvs:alpha=0.1"
    page = drawn(open_page(link))
    when(page, "m.status === 'done' && m.methods.length === 4")
    assert pressed(page) == ["CLVS", "VCD", "PAI + CLVS", "CLVS 2"]
    assert tabs(page) == ["VCD", "PAI + CLVS", "CLVS", "CLVS 2"]
    page.locator("#methods").get_by_role("tab", name="PAI + CLVS").click()
    assert page.locator(".mp-main .mp-whose").all_inner_texts() == ["PAI", "CLVS"]
    assert page.get_by_role("slider", name="α own attention").input_value() == "0.35"
    slide(page, "picture raised", "1.5")
    when(page, "m.methods[1].spec === 'pai:alpha=1.5+clvs:alpha=0.35'")
    chip(page, "CLVS 2").click()
    when(page, "m.methods.length === 3")
    assert page.locator(".mp-chip", has_text="CLVS 2").count() == 0
    chip(page, "PAI + CLVS").click()
    when(page, "m.methods.length === 2")
    query = page.evaluate("document.querySelector('#viewer .cv').__clvs.model.link")
    assert "method=vcd:alpha=2&method=clvs&" in query


def test_an_old_link_is_beside_vanilla(open_page, url):
    page = drawn(open_page(f"{url}?scene=table&method=clvs:alpha=0.33"))
    shown = done(page, pictures.QUESTIONS["table"][0])
    assert [m["spec"] for m in shown["methods"]] == ["vanilla", "clvs:alpha=0.33"]
    number = page.get_by_role("spinbutton", name=re.compile("α"))
    assert number.input_value() == "0.33", "finer than the slider's steps"


def test_a_method_of_ones_own_is_text_and_works(open_page, url):
    page = drawn(open_page(url))
    label = "<b>Gain</b> ${1} {{x}}"
    chip(page, label).click()
    when(page, "m.methods.length === 3")
    assert page.locator("#methods b").count() == 0
    slide(page, "Strength", "2")
    when(page, "m.methods[2].spec === 'gain:strength=2'")
    page.get_by_role("button", name="Download", exact=True).click()
    page.get_by_role("menuitem", name=f"Full traces, .npz, {label}").wait_for()
    assert page.locator(".page-items b").count() == 0
    with page.expect_download() as got:
        page.get_by_role("menuitem", name=f"Full traces, .npz, {label}").click()
    assert got.value.suggested_filename.endswith("-gain.npz")


def test_another_model_brings_its_own_list_and_greys_nothing_it_can_run(open_page, url):
    page = drawn(open_page(url))
    chip(page, "PAI").click()
    when(page, "m.methods.length === 3")
    slide(page, "picture raised", "1.5")
    when(page, "m.methods[2].spec === 'pai:alpha=1.5'")
    page.locator("#more button").first.click()
    page.locator(".mm-open").click()
    page.locator(".mm-list [data-name='llava-1.5-7b']").click()
    page.get_by_role("button", name="Load and use", exact=True).click()
    page.wait_for_function("document.querySelector('.mm-open .mm-label').textContent === 'LLaVA-1.5 7B'")
    page.wait_for_function("document.querySelector('.mp-chip[data-key=var]').getAttribute('aria-disabled') === 'false'")
    assert pressed(page) == ["Vanilla", "CLVS", "PAI"]
    assert page.get_by_role("slider", name=re.compile("picture raised")).input_value() == "0.5"
    more(page)
    chip(page, "VAR").click()
    when(page, "m.methods.length === 4 && m.model.label === 'LLaVA-1.5 7B'")
    dims = page.get_by_role("textbox", name="Sink dimensions")
    assert dims.get_attribute("placeholder") == "1415/2533"
    assert dims.input_value() == ""


def test_a_choice_while_an_answer_comes_waits_for_its_end(open_page, url):
    page = drawn(open_page(url))
    ask(page, "Count slowly.")
    when(page, "m.status === 'running' && m.methods[0].tokens.length >= 2")
    chip(page, "VAF").click()
    when(page, "m.status === 'done' && m.methods.length === 3")
    assert result(page)["question"] == "Count slowly."


def test_what_takes_longer_is_said(open_page, url):
    page = drawn(open_page(url))
    page.locator("#more button").first.click()
    page.get_by_role("spinbutton", name=re.compile("Longest answer")).fill("40")
    page.keyboard.press("Enter")
    ask(page, "Count slowly.")
    done(page, "Count slowly.")
    chip(page, "VCD").click()
    page.locator(".page-said", has_text="Looking at the picture once more, with noise, for VCD…").wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picker_fits_a_phone(open_page, url, theme):
    page = drawn(open_page(url, width=390, height=844, theme=theme, has_touch=True))
    for count, name in enumerate(("VCD", "TARAC"), start=3):
        chip(page, name).tap()
        when(page, f"m.methods.length === {count}")
    for name in ("CLVS", "VCD", "TARAC"):
        page.locator("#methods").get_by_role("tab", name=name).tap()
        box = page.locator(".mp-set").bounding_box()
        assert 0 < box["height"] <= 130
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        for slider in page.locator("#methods input[type=range]:visible").all():
            inside = slider.bounding_box()
            assert inside["x"] >= 12
            assert inside["x"] + inside["width"] <= 378
            assert inside["width"] >= 80
    more(page)
    assert page.locator(".mp-set").bounding_box()["height"] <= 0.61 * 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    slide(page, "α", "0.3")
    when(page, "m.methods[3].spec.includes('alpha=0.3')")


def test_chips_do_not_move_when_they_are_picked(open_page, url):
    page = drawn(open_page(url))
    places = "[...document.querySelectorAll('.mp-chip')].map((c) => [c.offsetLeft, c.offsetTop, c.offsetWidth])"
    before = page.evaluate(places)
    for count, name in enumerate(("VCD", "TARAC"), start=3):
        chip(page, name).click()
        when(page, f"m.methods.length === {count}")
    assert page.evaluate(places) == before
