"""Up to four methods side by side, and what is particular to each; numbers follow from tests/viewer_fakes.py."""

import itertools
import re

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.models.geometry.llava import llava_views
from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, SETTLED
from tests.browser.test_viewer import goto, patch_centre, pixel, state
from viz import scales
from viz.viewer.payload import Comparison, build

UPDATE = "(next) => document.querySelector('.cv').__clvs.update(next)"
ALL = ("var", "pai+clvs", "adhh", "tarac")  # everything that is particular, without vanilla
COMPARED = [
    ("vanilla",),
    ("vcd",),
    ("vanilla", "clvs"),
    ("tarac", "adhh"),
    ("vanilla", "clvs", "vaf"),
    ("vanilla", "var", "pai+clvs", "vcd"),
    ALL,
]


def payload(*names, lens=True, **options):
    return fakes.payload(fakes.several(*names, lens=lens), **options)


def rgb(colour):
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def plain(text):
    return text.replace("\u00a0", " ")


def card(page, place):
    return page.locator(".cv-answer").nth(place).locator(".cv-card")


# ---- how many, which -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", COMPARED, ids=" ".join)
def test_every_panel_has_every_method_in_its_own_look(show, names):
    page = show(payload(*names))
    count = len(names)
    assert page.locator(".cv-answer").count() == count
    assert page.locator(".cv-map").count() == count + (count > 1)
    assert page.locator(".cv-stats tbody tr").count() == count
    styles = "(name) => [...document.querySelectorAll(name)].map((node) => node.dataset.style)"
    expected = [str(place) for place in scales.places(names)]
    assert page.evaluate(styles, ".cv-answer") == expected
    assert page.evaluate(styles, ".cv-map")[:count] == expected
    colours = page.evaluate(
        "() => [...document.querySelectorAll('.cv-map strong')].map((node) => getComputedStyle(node).color)"
    )
    for colour, place in zip(colours[:count], scales.places(names), strict=True):
        assert [int(v) for v in re.findall(r"\d+", colour)] == rgb(scales.STYLES[place].colour)
    assert len(page.evaluate(f"{APP}.curves()")) == count


def test_samples_have_the_dash_and_marker_of_the_style(show):
    page = show(payload("vanilla", "var", "pai+clvs", "vcd"))
    code = """() => [...document.querySelectorAll('.cv-who .cv-sample')].map((canvas) => {
        const y = Math.floor(canvas.height / 2);
        const { data } = canvas.getContext('2d').getImageData(0, y, canvas.width, 1);
        return [...data].filter((_, i) => i % 4 === 3).map((alpha) => Number(alpha > 128)).join('');
    })"""
    rows = page.evaluate(code)
    assert len(set(rows)) == 4
    assert set(rows[1]) == {"1"}  # the second is solid
    assert all("0" in row for row in (rows[0], rows[2], rows[3]))


@pytest.mark.parametrize("names", [("vanilla", "clvs"), ("clvs", "vanilla"), ("tarac", "clvs"), ALL], ids=" ".join)
def test_only_vanilla_is_the_model_as_it_is(show, names):
    page = show(payload(*names))
    said = page.locator(".cv-who").all_inner_texts()
    reference = names.index("vanilla") if "vanilla" in names else 0
    for place, text in enumerate(said):
        assert ("the model as it is" in text) == (names[place] == "vanilla")
        assert ("reference" in text) == (place == reference and names[place] != "vanilla")
    first = page.evaluate(f"{APP}.model.methods[{reference}].label")
    assert page.locator(".cv-summary").inner_text().startswith(f"{first} gives 40\u00a0%")
    assert page.locator(".cv-map figcaption").last.inner_text().endswith(f"− {first}")


def test_the_compared_method_can_be_chosen_without_vanilla_too(show):
    page = show(payload(*ALL))
    page.locator("[data-focus='3']").click()
    assert page.locator("[data-focus='3']").get_attribute("aria-pressed") == "true"
    assert "TARAC − VAR" in page.locator(".cv-map").last.inner_text()
    assert "TARAC looks more" in page.locator(".cv-key").inner_text()
    assert "; TARAC gives" in page.locator(".cv-summary").inner_text()


CLIPPED = """() => {
    const seen = (node) => node.checkVisibility() && !node.closest('.cv-live, .cv-tip, .cv-progress, .cv-pop');
    const texts = '.cv-who strong, .cv-who button, .cv-map figcaption *, .cv-key span, .cv-scale span, .cv-does, ' +
        '.cv-what, .cv-now span, .cv-rows b, .cv-stats :is(th, td), .cv-contrast :is(th, td, caption), .cv-papers a, ' +
        '.cv-context, .cv-summary, .cv h2';
    return [...document.querySelectorAll(texts)].filter(seen)
        .filter((node) => node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0)
        .map((node) => `${node.className || node.tagName}: ${node.textContent}`);
}"""
OVERLAPS = """() => {
    const names = ['.cv-answer', '.cv-summary', '.cv-look > .cv-head', '.cv-map', '.cv-key', '.cv-slide', '.cv-rows',
        '.cv-strip', '.cv-caveat', '.cv-contrast', '.cv-curve', '.cv-stats', '.cv-unsure', '.cv-lens', '.cv-closer'];
    const boxes = names.flatMap((name) => [...document.querySelectorAll(name)].filter((n) => n.checkVisibility())
        .map((node) => [name, node.getBoundingClientRect()]));
    const found = [];
    boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
        const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (across > 1 && down > 1) found.push(`${a} over ${b}`);
    }));
    return found;
}"""
OUTSIDE = """() => {
    const root = document.querySelector('.cv').getBoundingClientRect();
    return [...document.querySelectorAll('.cv *')].filter((node) => {
        if (!node.checkVisibility() || node.closest('.cv-live, .cv-progress, .cv-tip, .cv-pop')) return false;
        const box = node.getBoundingClientRect();
        return box.width > 1 && (box.right > root.right + 1 || box.left < root.left - 1);
    }).map((node) => node.className || node.tagName);
}"""


@pytest.mark.parametrize("names", COMPARED, ids=" ".join)
@pytest.mark.parametrize("width", [390, 768, 1116, 1440])
def test_nothing_overlaps_is_clipped_or_runs_out(show, names, width):
    page = show(payload(*names), width=width, height=844 if width < 800 else 900)
    page.evaluate(f"{APP}.set({{ memory: true }})")
    goto(page, 3)
    for opened in (False, True):
        page.evaluate("(open) => document.querySelectorAll('.cv-card').forEach((c) => (c.open = open))", opened)
        page.evaluate(SETTLED)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(OVERLAPS) == []
        assert page.evaluate(CLIPPED) == []


def test_labels_with_settings_wrap_and_are_not_cut(show):
    runs = [fakes.run(clvs.CLVS()) for _ in range(4)]
    for index, run in enumerate(runs):
        run.trace.meta["method"] = f"clvs:alpha=0.{index + 5},first_check={index + 3},early_termination=false"
    for width in (390, 1116):
        page = show(fakes.payload(runs), width=width)
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(OVERLAPS) == []
        assert page.evaluate(CLIPPED) == []
    rows = page.locator(".cv-rows b").all_inner_texts()
    assert set(rows) <= {"CLVS", *page.evaluate(f"{APP}.model.methods.map((m) => m.label)")}


def test_labels_of_low_rows_can_be_read(show):
    views = llava_views(40, 320, fakes.SIDE * 8, 8, "pad")  # a wide picture: thumbnails are a few pixels high
    page = show(fakes.payload(fakes.several(*ALL, views=views)), width=390)
    page.evaluate(f"{APP}.set({{ memory: true }})")
    page.evaluate(SETTLED)
    assert page.locator(".cv-rows span").first.bounding_box()["height"] < 10
    labels = page.locator(".cv-rows b")
    boxes = [label.bounding_box() for label in labels.all()]
    assert all(box["height"] >= 12 for box in boxes)
    assert all(a["y"] + a["height"] <= b["y"] + 1 for a, b in itertools.pairwise(boxes))
    assert labels.all_inner_texts() == ["VAR", "PAI + CLVS", "AD-HH", "TARAC", "memory", "memory", "heads", "heads"]


@pytest.mark.parametrize("names", [("vanilla", "clvs"), ("vanilla", "clvs", "vaf"), ALL], ids=" ".join)
def test_maps_and_the_slider_are_on_the_first_screen(show, names):
    """1116 is the width that the page leaves at 1440; its header is lower than that of the exported page."""
    page = show(payload(*names), width=1116, height=900)
    tops = [box["y"] for box in (node.bounding_box() for node in page.locator(".cv-map > canvas:first-of-type").all())]
    assert max(tops) - min(tops) < 1  # one row
    for part in (".cv-card >> nth=-1", ".cv-maps", ".cv-slide"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 900, part


def test_four_methods_take_the_room_of_waiting_and_do_not_jump(show):
    names = ("vanilla", "var", "pai+clvs", "vcd")
    done = payload(*names)
    page = show(done, width=1116)
    places = """() => ['.cv-maps', '.cv-strip', '.cv-curve', '.cv-contrast', '.cv-caveat'].map((name) => {
        const box = document.querySelector(name).getBoundingClientRect();
        return [name, box.top, box.height];
    })"""
    before = page.evaluate(places)
    options = {"views": fakes.several("vcd")[0].trace.views, "methods": [fakes.METHODS[name] for name in names]}
    page.evaluate(UPDATE, build(Comparison([], image_url=done["image"]["url"], status="running", id="next", **options)))
    page.evaluate(SETTLED)
    assert page.evaluate(places) == before
    assert page.locator(".cv-contrast td").first.inner_text() == "waiting for the first word …"
    assert page.locator(".cv-does").nth(1).text_content().endswith("layers … to ….")


def test_nothing_jumps_while_layers_are_scrubbed(show):
    page = show(payload(*ALL), width=1116)
    parts = "[...document.querySelectorAll('.cv-maps, .cv-strip, .cv-stats')]"
    places = f"() => {parts}.map((node) => node.getBoundingClientRect().top)"
    first = page.evaluate(places)
    for layer in range(fakes.LAYERS):
        goto(page, layer)
        assert page.evaluate(places) == first, layer


def test_scrubbing_four_methods_with_everything_is_fast(show):
    page = show(payload(*ALL))
    page.evaluate(f"{APP}.set({{ memory: true }})")
    times = page.evaluate(
        f"""async () => {{
            const frames = [];
            for (let i = 0; i < 60; i++) {{
                {APP}.goto(i % 8);
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                frames.push({APP}.drawn.ms);
            }}
            return frames.sort((a, b) => a - b);
        }}"""
    )
    assert times[30] < 20
    assert times[56] < 100


# ---- cards ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vanilla", "Changes nothing."),
        ("clvs", "Changes the attention weights of the word being written, layers 1 to 8."),
        ("var", "Changes the attention weights of every word after the picture, layers 3 to 8."),
        ("vaf", "Changes the attention scores of every word after the picture, layers 3 to 4."),
        ("vcd", "Changes the chances of the next word."),
        (
            "pai",
            "Changes the attention scores of the word being written, layers 3 to 8; then the chances of the next word.",
        ),
        (
            "pai+clvs",
            "Changes the attention scores (layers 3 to 8) and the attention weights (layers 1 to 8) of the word being "
            "written; then the chances of the next word.",
        ),
    ],
)
def test_a_card_says_what_changes_of_which_words_and_where(show, name, text):
    assert card(show(payload(name)), 0).locator(".cv-does").text_content() == text


def test_a_combined_method_that_edits_different_rows_says_so_for_each(show):
    both = clvs.Combine(clvs.VAR(dims=(3,)), clvs.CLVS())
    assert card(show(fakes.payload([fakes.run(both)])), 0).locator(".cv-does").text_content() == (
        "Changes the attention weights of every word after the picture (layers 3 to 8) and the attention weights of "
        "the word being written (layers 1 to 8)."
    )


def test_the_layer_axis_of_a_card_marks_the_layers_and_the_cursor(show):
    page = show(payload("vanilla", "var", "pai+clvs", "vcd"))
    goto(page, 3)
    shares = """(place) => {
        const axis = document.querySelectorAll('.cv-axis')[place];
        const line = axis.querySelector('span').getBoundingClientRect();
        const part = (node) => {
            const box = node.getBoundingClientRect();
            return [(box.left - line.left) / line.width, (box.right - line.left) / line.width];
        };
        const word = axis.querySelector('em').className;
        return [[...axis.querySelectorAll('b')].map(part), part(axis.querySelector('u')), word];
    }"""
    lanes, cursor, word = page.evaluate(shares, 1)
    assert np.allclose(lanes, [[2 / 8, 1]], atol=0.01)
    assert np.mean(cursor) == pytest.approx(3.5 / 8, abs=0.01)
    assert word == ""
    lanes, _, word = page.evaluate(shares, 2)
    assert np.allclose(lanes, [[2 / 8, 1], [0, 1]], atol=0.01)
    assert word == "on"
    lanes, _, word = page.evaluate(shares, 3)
    assert np.allclose(lanes, [[0, 0]])
    assert word == "on"


def test_a_card_opens_by_keyboard_stays_open_and_links_its_paper(show):
    page = show(payload("vanilla", "clvs"))
    opened = card(page, 1)
    assert not opened.locator(".cv-more").is_visible()
    opened.locator("summary").focus()
    page.keyboard.press("Enter")
    more = opened.locator(".cv-more")
    assert fakes.METHODS["clvs"].summary in more.inner_text()
    assert "Attention weights come out of the softmax" in more.inner_text()
    assert "Settings: card's settings for this model (α 0.8, β 0.8)." in more.inner_text()
    link = more.locator("a")
    assert link.get_attribute("href") == "https://arxiv.org/abs/2509.12897"
    assert link.get_attribute("target") == "_blank"
    assert "noopener" in link.get_attribute("rel")
    assert link.inner_text() == "Read more at arxiv.org"
    page.evaluate(UPDATE, payload("vanilla", "clvs", status="running"))
    page.evaluate(SETTLED)
    assert card(page, 1).get_attribute("open") is not None
    assert card(page, 0).get_attribute("open") is None


def test_combined_methods_tell_and_link_each_of_theirs(show):
    page = show(payload("pai+clvs"))
    card(page, 0).locator("summary").click()
    more = card(page, 0).locator(".cv-more")
    assert f"PAI: {fakes.METHODS['pai'].summary}" in more.inner_text()
    assert more.locator("a").all_inner_texts() == ["PAI at arxiv.org", "CLVS at arxiv.org"]
    terms = more.inner_text()
    assert terms.index("Attention scores are") < terms.index("Attention weights come") < terms.index("These chances")


def test_an_address_that_is_none_of_the_web_is_no_link(show):
    sent = payload("vanilla", "clvs")
    sent["methods"][1]["card"]["paper"] = "javascript:window.hit=1"
    page = show(sent)
    card(page, 1).locator("summary").click()
    assert page.locator(".cv a").count() == 0


def test_the_strip_underlines_the_layers_in_which_a_method_acts(show):
    page = show(payload("vanilla", "var"))
    lit = """() => {
        const app = document.querySelector('.cv').__clvs;
        const canvas = app.strip.canvas;
        const scale = canvas.width / canvas.clientWidth;
        const row = app.strip.rows[1];
        return Array.from({ length: 8 }, (_, layer) => {
            const x = (layer + 0.5) * app.strip.column * scale;
            return [...canvas.getContext('2d').getImageData(x, (row.y + row.height + 3) * scale, 1, 1).data];
        });
    }"""
    got = page.evaluate(lit)
    for layer, pixels in enumerate(got):
        assert (pixels[:3] == rgb(scales.STYLES[1].colour) and pixels[3] == 255) == (layer >= 2), layer


# ---- VAR's sink tokens ---------------------------------------------------------------------------------------------

RING = """([which, token, side]) => {
    const canvas = document.querySelectorAll('.cv-map > canvas:first-of-type')[which];
    const cell = canvas.width / side;
    const [x, y] = [(token % side) * cell, Math.floor(token / side) * cell];
    const { data } = canvas.getContext('2d').getImageData(x, y, cell, cell);
    let green = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 1] > data[i] + 60 && data[i + 1] > data[i + 2] + 60) green++;
    return green;
}"""


def test_sink_tokens_are_ringed_on_vars_map_alone_at_their_layers(show):
    page = show(payload("vanilla", "var", view={"contours": False}))
    for layer in range(fakes.LAYERS):
        goto(page, layer)
        for token in (0, 7, 8):
            ringed = page.evaluate(RING, [1, token, fakes.SIDE]) > 10
            assert ringed == (token in fakes.SINKS.get(layer, [])), (layer, token)
            assert page.evaluate(RING, [0, token, fakes.SIDE]) == 0
            assert page.evaluate(RING, [2, token, fakes.SIDE]) == 0


def test_sink_tokens_have_a_switch_a_key_and_words(show):
    page = show(payload("vanilla", "var"))
    goto(page, 3)
    assert "sink tokens" in page.locator(".cv-key").inner_text()
    page.wait_for_function("document.querySelectorAll('.cv-map canvas')[2].ariaLabel.includes('sink token')")
    label = page.locator(".cv-map[data-style='1'] > canvas").first.get_attribute("aria-label")
    assert "2 sink tokens: row 1, column 1; row 2, column 2." in label
    assert "sink" not in page.locator(".cv-map[data-style='0'] > canvas").first.get_attribute("aria-label")
    page.mouse.move(*patch_centre(page, 0, 7))
    assert page.locator(".cv-tip").inner_text().endswith("A sink token of VAR in this layer")
    page.locator(".cv-pop summary", has_text="Display").click()
    page.get_by_label("Sink tokens of VAR").click()
    page.evaluate(SETTLED)
    assert state(page, "rings") is False
    assert page.evaluate(RING, [1, 7, fakes.SIDE]) == 0
    assert "sink tokens" not in page.locator(".cv-key").inner_text()


def test_without_sink_tokens_there_is_no_switch_and_the_card_says_so(show):
    runs = fakes.several("vanilla", "var")
    runs[1].trace.sinks[:] = False
    runs[1].trace.acted_heads[:] = False
    page = show(fakes.payload(runs))
    assert page.get_by_label("Sink tokens of VAR").count() == 0
    assert "sink tokens" not in page.locator(".cv-key").inner_text()
    now = page.locator(".cv-now").inner_text().split("\n")
    assert now == ["No sink tokens found at τ 20,", "so no head is redistributed"]
    assert show(payload("vanilla", "clvs")).get_by_label("Sink tokens").count() == 0


# ---- heads ---------------------------------------------------------------------------------------------------------


def head_row(page, place):
    return page.evaluate(
        f"""(place) => {{
            const rows = {APP}.strip.rows.filter((row) => row.acted);
            const box = document.querySelector('.cv-strip').getBoundingClientRect();
            return {{ left: box.left, top: box.top, y: rows[place].y, height: rows[place].height,
                column: {APP}.strip.column, label: rows[place].label }};
        }}""",
        place,
    )


@pytest.mark.parametrize(("name", "acted"), [("var", fakes.REDISTRIBUTED), ("adhh", fakes.SILENCED)])
def test_the_heads_that_a_method_acts_on_are_filled_in_the_grid(show, name, acted):
    page = show(payload("vanilla", name))
    row = head_row(page, 0)
    assert row["label"] == f"{fakes.METHODS[name].label} heads"
    code = """([x, y]) => {
        const canvas = document.querySelector('.cv').__clvs.strip.canvas;
        const scale = canvas.width / canvas.clientWidth;
        return [...canvas.getContext('2d').getImageData(x * scale, y * scale, 1, 1).data].slice(0, 3);
    }"""
    for layer in range(fakes.LAYERS):
        for head in range(fakes.HEADS):
            at = [(layer + 0.5) * row["column"], row["y"] + (head + 0.4) * row["height"] / fakes.HEADS]
            filled = page.evaluate(code, at) == rgb(scales.STYLES[1].colour)
            assert filled == (head in acted.get(layer, [])), (layer, head)


def test_hovering_a_head_says_its_layer_its_number_and_what_was_done(show):
    page = show(payload("vanilla", "adhh"))
    page.locator(".cv-strip").scroll_into_view_if_needed()
    row = head_row(page, 0)

    def hover(layer, head):
        y = row["y"] + (head + 0.5) * row["height"] / fakes.HEADS
        page.mouse.move(row["left"] + (layer + 0.5) * row["column"], row["top"] + y)
        return page.locator(".cv-tip").inner_text()

    assert hover(2, 1) == "AD-HH: layer 3, head 2 silenced"
    assert hover(2, 0) == "AD-HH: layer 3, head 1 left as it is"
    page.mouse.move(row["left"] + 5, row["top"] + 20)
    assert not page.locator(".cv-tip").is_visible()


def test_acted_heads_are_counted_at_the_layer_and_told_to_screen_readers(show):
    page = show(payload("vanilla", "var", "adhh"))
    goto(page, 3)
    now = page.locator(".cv-now").all_inner_texts()
    assert now == ["Layer 4: 2 sink tokens\n1 of 2 heads redistributed", "Layer 4: 0 of 2 heads silenced"]
    goto(page, 4)
    assert page.locator(".cv-now").last.inner_text() == "Layer 5: 1 of 2 heads silenced"
    page.wait_for_function(
        "document.querySelector('.cv-live').textContent.includes('AD-HH: Layer 5: 1 of 2 heads silenced')"
    )
    label = page.locator(".cv-strip canvas").get_attribute("aria-label")
    assert "Heads redistributed by VAR at this token: layer 3: heads 1, 2; layer 4: head 2." in label
    assert "Heads silenced by AD-HH at this token: layer 3: head 2; layer 5: head 1." in label
    page.get_by_role("tab", name="All numbers").click()
    page.locator(".cv-numbers tbody tr").nth(7).wait_for()
    heads = page.locator(".cv-numbers thead th").all_inner_texts()
    cells = page.locator(".cv-numbers tbody tr").nth(2).locator("th, td").all_inner_texts()
    read = dict(zip(heads, cells, strict=True))
    assert (read["VAR: sink tokens"], read["VAR: heads redistributed"]) == ("1", "1, 2")
    assert read["AD-HH: heads silenced"] == "2"


def test_heads_follow_the_token_and_keep_their_row_where_an_answer_has_ended(show):
    runs = fakes.several("vanilla", "adhh")
    runs[0] = fakes.run(fakes.METHODS["vanilla"], words=("a", "b", ""))
    runs[1].trace.acted_heads[1] = False
    page = show(fakes.payload(runs))
    height = page.locator(".cv-strip").bounding_box()["height"]
    goto(page, 2)
    assert page.locator(".cv-now").inner_text() == "Layer 3: 1 of 2 heads silenced"
    page.evaluate(f"{APP}.set({{ step: 1 }})")
    page.evaluate(SETTLED)
    assert page.locator(".cv-now").inner_text() == "Layer 3: 0 of 2 heads silenced"
    page.evaluate(f"{APP}.set({{ step: 2 }})")
    page.evaluate(SETTLED)
    assert page.locator(".cv-now").inner_text() == ""
    assert page.locator(".cv-strip").bounding_box()["height"] == height


# ---- memories ------------------------------------------------------------------------------------------------------


def test_every_memory_has_a_row_of_its_own_and_says_what_it_carries(show):
    page = show(payload("vanilla", "clvs", "tarac"))
    page.locator(".cv-pop summary", has_text="Display").click()
    page.get_by_label("Vision memory").hover()
    tip = page.locator(".cv-tip").inner_text()
    assert "What CLVS carries from layer to layer." in tip
    assert "What TARAC has kept of where earlier words looked." in tip
    page.get_by_label("Vision memory").click()
    page.evaluate(SETTLED)
    rows = page.locator(".cv-rows span")
    assert [text.strip() for text in rows.all_inner_texts()][3:] == ["CLVS memory", "TARAC memory"]
    assert rows.nth(4).get_attribute("data-tip").startswith("What TARAC has kept of where earlier words looked.")
    kept = page.evaluate(f"{APP}.strip.rows[4].layers.map(Boolean)")
    assert kept == [layer in (2, 3) for layer in range(fakes.LAYERS)]
    assert show(payload("vanilla", "vcd")).get_by_label("Vision memory").count() == 0


# ---- contrasts -----------------------------------------------------------------------------------------------------


def test_a_contrast_shows_both_distributions_and_the_outcome_as_bars_and_a_table(show):
    page = show(payload("vanilla", "vcd", "pai"))
    tables = page.locator(".cv-contrast table")
    assert [plain(text).strip() for text in tables.locator("caption").all_inner_texts()] == ["VCD", "PAI"]
    heads = [table.locator("thead th").all_inner_texts() for table in tables.all()]
    assert heads[0] == ["Next word", "with the picture", "with a noised picture", "outcome"]
    assert heads[1] == ["Next word", "with the picture", "without it", "outcome"]
    rows = tables.first.locator("tbody tr")
    assert rows.count() == 6
    assert [plain(t) for t in rows.first.locator("th, td").all_inner_texts()] == ["yes", "50 %", "80 %", "20 %"]
    bars = """() => [...document.querySelectorAll('.cv-contrast tbody tr')].slice(0, 2).map((row) =>
        [...row.querySelectorAll('td')].map((cell) => {
            const bar = parseFloat(getComputedStyle(cell, '::before').width);
            return bar / (cell.clientWidth - 8);
        }))"""
    assert np.allclose(page.evaluate(bars), [[0.5, 0.8, 0.2], [0.3, 0.1, 0.7]], atol=0.02)


def test_the_contrast_follows_the_token_until_the_answer_ends(show):
    runs = [fakes.run(fakes.METHODS["vanilla"], words=("a", "b", "")), fakes.several("vcd")[0]]
    runs[1].trace.contrast_words[1:] = [["end", "</s>", "b", "c", "d", "e", "f"]]
    runs[1].trace.contrast_probabilities[1, 0, 1] = 0.6
    page = show(fakes.payload(runs))
    words = "() => [...document.querySelectorAll('.cv-contrast tbody th')].map((node) => node.textContent)"
    assert page.evaluate(words)[:2] == ["yes", "no"]
    height = page.locator(".cv").bounding_box()["height"]
    page.evaluate(f"{APP}.set({{ step: 1 }})")
    page.evaluate(SETTLED)
    assert page.evaluate(words)[0] == "end"  # how the model spells the end is for nobody
    page.evaluate(f"{APP}.set({{ step: 2 }})")
    page.evaluate(SETTLED)
    assert page.locator(".cv-contrast td").inner_text() == "This answer ended before this token."
    assert page.locator(".cv").bounding_box()["height"] == height


def test_without_a_contrast_there_is_no_such_panel(show):
    assert not show(payload("vanilla", "clvs")).locator(".cv-contrast").is_visible()


def test_words_of_a_contrast_are_text(show):
    runs = fakes.several("vcd")
    runs[0].trace.contrast_words = [["<img src=x onerror='window.hit=1'>", *fakes.WORDS[1:]]] * 2
    page = show(fakes.payload(runs))
    assert page.locator(".cv-contrast tbody th").first.inner_text().startswith("<img")
    assert page.evaluate("window.hit") is None


# ---- words that are about some methods only --------------------------------------------------------------------------


def tips(page):
    hover = [page.locator(".cv-unsure-title .cv-term"), page.locator(".cv-rows span").first]
    found = []
    for node in hover:
        node.hover()
        found.append(page.locator(".cv-tip").inner_text())
    return found


def test_tips_speak_of_stopping_only_for_methods_that_stop(show):
    assert not any("stop" in text or "CLVS" in text or "▼" in text for text in tips(show(payload("vanilla", "var"))))
    unsure, strip = tips(show(payload("vanilla", "pai+clvs", "var")))
    assert unsure.endswith("Once it falls below the threshold, PAI + CLVS stops smoothing.")
    assert strip.endswith("▼ is the layer after which PAI + CLVS stopped smoothing.")
    assert tips(show(payload("clvs", "pai+clvs")))[0].endswith("CLVS and PAI + CLVS stop smoothing.")


def test_uncertainty_marks_every_first_check_once(show):
    runs = [fakes.run(clvs.CLVS()) for _ in range(3)]
    for run, first in zip(runs, (2, 5, 5), strict=True):
        run.trace.meta["first_check"] = first
    page = show(fakes.payload(runs))
    dark = """() => {
        const box = document.querySelector('.cv-unsure');
        const canvas = box.firstChild;
        const scale = canvas.width / canvas.clientWidth;
        return Array.from({ length: 8 }, (_, layer) => {
            const x = Math.round(box.at.x(layer) * scale) - 1;
            const { data } = canvas.getContext('2d').getImageData(x, (box.at.top + 20) * scale, 2, 12 * scale);
            return [...data].some((v, i) => i % 4 === 3 && v > 100);
        });
    }"""
    page.evaluate(f"{APP}.set({{ layer: 7 }})")
    page.evaluate(SETTLED)
    assert [layer for layer, lit in enumerate(page.evaluate(dark)) if lit] == [2, 5, 7]


def test_pixels_of_four_maps_follow_each_methods_weights(show):
    names = ("vanilla", "var", "adhh", "tarac")
    page = show(payload(*names, view={"power": 1.0, "contours": False}))
    goto(page, 5)
    seen = [pixel(page, place, fakes.hot_token(5)).sum() for place in range(4)]
    weights = [fakes.LATER[name] for name in names]
    assert list(np.argsort(seen)) == list(np.argsort(weights))
