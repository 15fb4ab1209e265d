"""Look closer, "Compare": an answer is pinned, another one is shown beside it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import clvs_core as clvs
from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, SETTLED
from tests.browser.test_closer import tab
from tests.browser.test_viewer import state
from viz import scales

CANVASES = ".cv-two figure > canvas"


@pytest.fixture
def compare(show):
    """compare(payload, **options): the panel of an answer, on a page that can ask for others."""

    def compare_(payload=None, **options):
        page = show(payload or fakes.payload(), **options)
        page.evaluate(f"{APP}.served = true; {APP}.set({{closer: 'compare'}})")
        page.evaluate(SETTLED)
        return page

    return compare_


def press(page, name):
    page.get_by_role("tabpanel").get_by_role("button", name=name, exact=True).click()
    page.evaluate(SETTLED)


def ask(page, payload):
    """Another answer comes."""
    page.evaluate(f"(text) => {APP}.update(JSON.parse(text))", json.dumps(payload))
    page.evaluate(f"{APP}.goto(3)")
    page.evaluate(SETTLED)


def another(**changes):
    """An answer about the other object of the picture, with weights of its own."""
    given = fakes.payload([fakes.run(clvs.VCD(), words=("no", "")), fakes.run(clvs.CLVS(), words=("no", ""))])
    for known in given["objects"]:
        known["on"] = not known["on"]
    return given | {"id": "another", "question": "Is there a cat?"} | changes


def share_at(page, layer):
    """What the plot says of the reference now, as the panel writes it."""
    return f"{page.evaluate(f'{APP}.curves()[{APP}.model.reference][{layer}]') * 100:.0f}\u00a0%"


def test_a_pinned_answer_stays_beside_the_next_one_until_it_is_unpinned(compare):
    page = compare()
    panel = page.get_by_role("tabpanel")
    assert "Then ask another question" in panel.inner_text()
    assert panel.locator("canvas").count() == 0
    page.evaluate(f"{APP}.goto(3)")
    first, asked, what = share_at(page, 3), page.evaluate(f"{APP}.model.question"), "the dog"
    press(page, "Pin this answer")
    assert "A and B are the same answer now" in panel.inner_text()
    ask(page, another())
    second = share_at(page, 3)
    assert first != second, "or this proves nothing"
    heads = panel.locator("figcaption").all_inner_texts()
    assert [head.split("\n")[:3] for head in heads[:2]] == [
        ["A", "pinned", asked],
        ["B", "shown now", "Is there a cat?"],
    ]
    other = page.evaluate(f"{APP}.numbers.followedText()")
    assert other != what
    said = f"At layer 4, A gives {first} to {what}, B {second} to {other}."
    assert page.locator(".cv-differ").inner_text() == said
    assert page.locator(".cv-said").all_inner_texts()[0].split()[0] == "yes"
    assert page.locator(".cv-said").all_inner_texts()[1].split()[0] == "no"
    assert "A and B are the same answer now" not in panel.inner_text()
    press(page, "Swap")
    assert page.locator(".cv-differ").inner_text() == f"At layer 4, A gives {second} to {other}, B {first} to {what}."
    assert panel.locator("figcaption").first.inner_text().split("\n")[1:3] == ["shown now", "Is there a cat?"]
    press(page, "Unpin")
    assert page.evaluate("document.activeElement.textContent") == "Pin this answer", "the keyboard keeps its place"
    assert panel.locator("canvas").count() == 0


def test_both_maps_have_one_scale_and_their_own_numbers(compare):
    page = compare()
    press(page, "Pin this answer")
    pinned = page.evaluate(f"[...{APP}.numbers.raw()[{APP}.model.reference]].map((row) => [...row])")
    ask(page, another())
    kept = f"{APP}.closer.fetched.panels.compare"
    assert page.evaluate(f"{kept}.pair()[0].own.maps.map((row) => [...row])") == pinned
    both = page.evaluate(f"{kept}.pair().flatMap(({{ own }}) => own.maps.flatMap((row) => [...row]))")
    assert len(both) == 2 * len(pinned) * len(pinned[0])
    assert page.evaluate(f"{kept}.limits") == pytest.approx([0, np.percentile(both, scales.CLIP)])
    names = page.locator(CANVASES).evaluate_all("(nodes) => nodes.map((node) => node.getAttribute('aria-label'))")
    assert [name.split(":")[0] for name in names] == ["A, layer 4", "B, layer 4"]


def test_the_method_of_each_is_chosen_by_itself(compare):
    page = compare()
    press(page, "Pin this answer")
    page.evaluate(f"{APP}.goto(3)")
    group = page.get_by_role("group", name="Method of B")
    group.get_by_role("button", name="CLVS").focus()
    page.keyboard.press("Enter")
    page.evaluate(SETTLED)
    assert page.evaluate("document.activeElement.textContent") == "CLVS", "the keyboard keeps its place"
    assert group.locator("[aria-pressed=true]").all_inner_texts() == ["CLVS"]
    assert page.get_by_role("group", name="Method of A").locator("[aria-pressed=true]").all_inner_texts() == ["Vanilla"]
    shares = [f"{page.evaluate(f'{APP}.curves()[{i}][3]') * 100:.0f}\u00a0%" for i in (0, 1)]
    assert page.locator(".cv-differ").inner_text() == f"At layer 4, A gives {shares[0]} to the dog, B {shares[1]}."


def test_the_same_method_with_other_settings_is_another_answer_and_its_settings_are_named(compare):
    page = compare()
    press(page, "Pin this answer")
    given = fakes.payload([fakes.run(clvs.Vanilla()), fakes.run(clvs.CLVS(alpha=0.5))])
    given["methods"][1]["spec"] = "clvs:alpha=0.5"
    ask(page, given | {"status": "running"})
    assert page.get_by_role("button", name="Pin this answer instead").is_disabled(), "there is more of it to come"
    ask(page, given)
    text = page.get_by_role("tabpanel").inner_text
    assert "A and B are the same answer now" in text(), "of Vanilla nothing has changed"
    for letter in "AB":
        page.get_by_role("group", name=f"Method of {letter}").get_by_role("button", name="CLVS").click()
    page.evaluate(SETTLED)
    assert "A and B are the same answer now" not in text()
    assert "card's settings for this model" in text()
    assert given["methods"][1]["settings"] in text()


def test_layers_of_unlike_models_are_compared_by_number_and_the_panel_says_so(compare):
    page = compare()
    press(page, "Pin this answer")
    given = another()
    short = fakes.LAYERS - 2
    page.evaluate(
        f"""([text, layers]) => {{
            const kept = {APP}.closer.fetched.panels.compare;
            kept.pinned.layers = layers;
            for (const method of kept.pinned.methods) {{
                method.maps.length = layers;
                method.curve = method.curve.slice(0, layers);
            }}
            {APP}.update(JSON.parse(text));
            {APP}.goto(layers);
        }}""",
        [json.dumps(given), short],
    )
    page.evaluate(SETTLED)
    text = page.get_by_role("tabpanel").inner_text()
    assert f"A has {short} layers and B {fakes.LAYERS}: they are compared by number." in text
    assert f"A has no layer {short + 1}." in text
    assert page.locator(".cv-differ").inner_text().endswith("A has no numbers there.")


def test_nothing_moves_while_scrubbing_and_the_plot_moves_the_layer(compare):
    page = compare()
    press(page, "Pin this answer")
    ask(page, another())
    tops = "[...document.querySelectorAll('.cv-panel *')].map((n) => Math.round(n.getBoundingClientRect().top))"
    before = page.evaluate(tops)
    for layer in (0, fakes.LAYERS - 1):
        page.evaluate(f"{APP}.goto({layer})")
        page.evaluate(SETTLED)
        assert page.evaluate(tops) == before
    box = page.locator(".cv-two .cv-plot").bounding_box()
    page.locator(".cv-two .cv-plot").click(position={"x": 50, "y": box["height"] / 2})
    assert state(page, "layer") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_both_stand_side_by_side_above_the_curves_and_nothing_sticks_out(compare, theme):
    page = compare(width=390, height=844, theme=theme)
    press(page, "Pin this answer")
    ask(page, another(question="Is there a cat, or anything that looks like one, in this picture?"))
    a, b, curves = (figure.bounding_box() for figure in page.locator(".cv-two > figure").all())
    assert b["x"] >= a["x"] + a["width"]
    assert curves["x"] == a["x"]
    assert curves["x"] + curves["width"] == pytest.approx(b["x"] + b["width"])
    assert curves["y"] >= a["y"] + a["height"]
    maps = [canvas.bounding_box() for canvas in page.locator(CANVASES).all()]
    assert maps[0]["y"] == maps[1]["y"], "however long the questions are"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_exported_page_has_nothing_to_pin_for(show):
    page = show(fakes.payload(view={"closer": "compare"}))
    assert not tab(page, "Compare").is_visible()
    assert not page.get_by_role("tabpanel").is_visible()
