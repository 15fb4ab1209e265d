"""The viewer as a visitor meets it, on a page of its own; pixels and numbers follow from tests/viewer_fakes.py."""

import csv
import io

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.models.geometry.llava import llava_views
from tests import viewer_fakes as fakes
from tests.browser.conftest import APP, ROOT, SETTLED
from viz import scales
from viz.viewer.payload import Comparison, build
from viz.viewer.standalone import curves_csv, data_url


def state(page, name):
    return page.evaluate(f"{APP}.state.{name}")


def goto(page, layer):
    page.evaluate(f"{APP}.goto({layer})")
    page.evaluate(SETTLED)


def patch_centre(page, which, token, side=fakes.SIDE):
    """Where a patch lies on the screen; `which` is the map's place in the row."""
    box = page.locator(".cv-map > canvas:first-of-type").nth(which).bounding_box()
    row, col = divmod(token, side)
    return box["x"] + (col + 0.5) * box["width"] / side, box["y"] + (row + 0.5) * box["height"] / side


def pixel(page, which, token, side=fakes.SIDE):
    """RGB at a patch's lower left of a map, away from the corner that marks clipped weights."""
    row, col = divmod(token, side)
    code = """([which, x, y]) => {
        const canvas = document.querySelectorAll('.cv-map > canvas:first-of-type')[which];
        const [px, py] = [x * canvas.width, y * canvas.height].map(Math.floor);
        return [...canvas.getContext('2d').getImageData(px, py, 1, 1).data].slice(0, 3);
    }"""
    return np.array(page.evaluate(code, [which, (col + 0.25) / side, (row + 0.75) / side]))


def over_grey(page, which, rgba):
    """A colour of `viz.scales` laid over the muted picture, whose own colour is read at a cold patch."""
    under = pixel(page, which, fakes.SIDE - 1)
    alpha = rgba[3] / 255
    return rgba[:3] * alpha + under * (1 - alpha)


# ---- maps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [0, 2, 5, 7])
def test_the_hot_patch_of_each_layer_has_the_colour_of_its_weight(show, layer):
    page = show(fakes.payload(view={"power": 1.0, "contours": False}))
    goto(page, layer)
    maps = np.stack([run.trace.attention[0].astype(float).mean(axis=1) for run in fakes.pair()])
    for method in (0, 1):
        low, high = scales.limits(maps, "shared", method, layer)
        value = maps[method, layer, fakes.hot_token(layer)]
        expected = over_grey(page, method, scales.colour(scales.normalise(value, low, high)))
        assert np.abs(pixel(page, method, fakes.hot_token(layer)) - expected).max() <= 6


def test_maps_share_one_scale_until_asked_otherwise(show):
    page = show(fakes.payload(view={"power": 1.0, "contours": False}))
    goto(page, 5)  # vanilla's hot patch has a quarter of CLVS's weight here
    hot = fakes.hot_token(5)
    assert np.abs(pixel(page, 0, hot) - pixel(page, 1, hot)).max() > 40
    page.get_by_label("Scale", exact=True).select_option("map")
    page.evaluate(SETTLED)
    assert np.abs(pixel(page, 0, hot) - pixel(page, 1, hot)).max() <= 2
    assert page.locator(".cv-scale").nth(0).inner_text() != page.locator(".cv-scale").nth(1).inner_text()


def test_the_difference_is_orange_where_clvs_looks_more_and_purple_where_it_looks_less(show):
    runs = fakes.pair()
    runs[1].trace.attention[:, :, :, 30] = 0
    runs[0].trace.attention[:, :, :, 30] = 0.3
    page = show(fakes.payload(runs, view={"contours": False, "power": 1.0}))
    goto(page, 5)
    red, _, blue = pixel(page, 2, fakes.hot_token(5))
    assert red > blue + 60
    red, _, blue = pixel(page, 2, 30)
    assert blue > red + 20


def test_what_the_model_never_saw_is_hatched_and_says_so(show):
    views = llava_views(96, 160, fakes.SIDE * 8, 8, "crop")
    page = show(fakes.payload(fakes.pair(views=views)))
    spread = """() => {
        const canvas = document.querySelector('.cv-map canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, Math.floor(canvas.width * 0.15), canvas.height).data;
        return new Set([...data].filter((_, i) => i % 4 === 0)).size;
    }"""
    assert page.evaluate(spread) > 3  # stripes, where the rest of this grey picture is flat
    box = page.locator(".cv-map canvas").first.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 50)
    assert page.locator(".cv-tip").inner_text() == "The model never sees this part of the picture."
    assert "never seen by the model" in page.locator(".cv-key").inner_text()


def test_hovering_reads_the_raw_weights_of_all_methods(show):
    page = show()
    goto(page, 5)
    page.mouse.move(*patch_centre(page, 1, fakes.hot_token(5)))
    tip = page.locator(".cv-tip").inner_text().replace("\u00a0", " ").splitlines()
    mass = 0.375 / 4 + 35 * 1.5 * fakes.COLD
    assert tip[0] == "Patch 6, 6 · visual token 35"
    assert tip[1] == (f"Vanilla 9.4 % of all its attention ({0.09375 / mass * 100:.1f} % of what falls on the picture)")
    assert tip[2].startswith("CLVS 37.5 % of all its attention (")
    assert tip[3] == "Difference +28.1 %"


def test_the_patch_under_the_pointer_is_outlined_on_every_map(show):
    page = show(fakes.payload(view={"contours": False}))
    edge = """() => [...document.querySelectorAll('.cv-map > canvas:first-of-type')].map((canvas) => {
        const [x, y] = [canvas.width / 3, canvas.height / 4].map(Math.floor); // between the second and third cell
        return canvas.getContext('2d').getImageData(x, y, 1, 1).data[0];
    })"""
    before = page.evaluate(edge)
    page.mouse.move(*patch_centre(page, 0, fakes.SIDE + 1))  # cold, as its neighbours are
    page.evaluate(SETTLED)
    assert all(after > old + 60 for old, after in zip(before, page.evaluate(edge), strict=True))


def test_hidden_sinks_leave_the_map_but_not_the_curve(show):
    runs = fakes.pair()
    for run in runs:
        run.trace.attention[:, :, :, 3] = 0.2  # the same token in every layer
    page = show(fakes.payload(runs, view={"contours": False}))
    before = pixel(page, 0, 3)
    curve = page.evaluate(f"{APP}.curves()[0]")
    page.evaluate(f"{APP}.set({{ sinks: 1 }})")
    page.evaluate(SETTLED)
    assert np.abs(pixel(page, 0, 3) - before).max() > 40
    assert page.evaluate(f"{APP}.curves()[0]") == curve


def test_a_head_can_be_looked_at_alone(show):
    page = show()
    page.get_by_label("Head", exact=True).select_option("0")
    goto(page, 2)
    page.mouse.move(*patch_centre(page, 0, fakes.hot_token(2)))
    assert "Vanilla 25.0\u00a0% of all" in page.locator(".cv-tip").inner_text()
    assert "head 1 of 2" in page.locator(".cv-context").inner_text()
    assert page.locator(".cv-summary").inner_text().startswith("In head 1, Vanilla gives")


def test_without_maps_of_single_heads_their_menu_keeps_its_place(show):
    page = show(fakes.payload(heads=False))
    menu = page.get_by_label("Head", exact=True)
    assert menu.is_disabled()
    place = menu.bounding_box()
    page.evaluate("(next) => document.querySelector('.cv').__clvs.update(next)", fakes.payload())
    assert menu.is_enabled()
    assert menu.bounding_box() == place


# ---- layers ------------------------------------------------------------------------------------------------------


def test_a_new_result_opens_at_the_peak_of_the_reference(show):
    on = [fakes.box_object("cat", fakes.pair()[0].trace.views, 48, 48, 96, 96)]
    assert state(show(fakes.payload(fakes.pair(), on)), "layer") == 3
    assert state(show(), "layer") == 0
    assert state(show(fakes.payload(view={"layer": 4})), "layer") == 4


def test_keys_move_the_layer_only_while_the_viewer_has_focus(show):
    page = show()
    page.keyboard.press("ArrowRight")
    assert state(page, "layer") == 0
    page.locator(".cv").focus()
    for key, layer in [
        ("ArrowRight", 1),
        ("Shift+ArrowRight", 6),
        ("End", 7),
        ("ArrowLeft", 6),
        ("Home", 0),
        ("ArrowLeft", 0),
    ]:
        page.keyboard.press(key)
        assert state(page, "layer") == layer, key


def test_the_slider_says_the_layer_and_its_numbers(show):
    page = show()
    slider = page.get_by_role("slider", name="Layer", exact=True)
    slider.focus()
    page.keyboard.press("ArrowUp")
    page.evaluate(SETTLED)
    assert slider.input_value() == "1"
    spoken = slider.get_attribute("aria-valuetext").replace("\u00a0", " ")
    assert spoken.startswith("Layer 2 of 8, attention on the dog: Vanilla 39.8 %, CLVS 39.8 %")
    page.wait_for_function("document.querySelector('.cv-live').textContent.startsWith('Layer 2 of 8')")
    label = page.locator(".cv-map canvas").first.get_attribute("aria-label")
    assert "Vanilla, layer 2:" in label
    assert "row 2, column 2" in label


def test_a_permalinks_view_is_taken_and_nonsense_in_it_is_not(show):
    page = show(fakes.payload(view={"layer": 3, "scale": "uniform", "cmap": "cividis", "smooth": True, "head": 1}))
    assert [state(page, name) for name in ("layer", "scale", "cmap", "smooth", "head")] == [
        3,
        "uniform",
        "cividis",
        True,
        1,
    ]
    page = show(
        fakes.payload(view={"layer": "x", "scale": "minmax", "cmap": "jet", "power": None, "on": 1, "head": 99})
    )
    assert [state(page, name) for name in ("scale", "cmap", "power", "head")] == ["shared", "magma", 1, None]
    assert page.locator(".cv-error").is_hidden()


def test_letters_switch_displays_and_brackets_the_token(show):
    page = show()
    page.locator(".cv").focus()
    page.keyboard.press("d")
    assert page.locator(".cv-map").count() == 2
    page.keyboard.press("s")
    assert state(page, "scale") == "layer"
    page.keyboard.press("m")
    assert state(page, "contours") is False
    page.keyboard.press("h")
    assert state(page, "head") == 0
    page.keyboard.press("]")
    assert state(page, "step") == 1
    page.keyboard.press("?")
    lists = page.locator(".cv-help dl")  # of the keys, and of the words
    assert [part.is_visible() for part in lists.all()] == [True, True]
    page.keyboard.press("Escape")
    assert [part.is_visible() for part in lists.all()] == [False, False]


def test_the_display_menu_works_by_keyboard_and_closes_on_escape(show):
    page = show()
    page.locator(".cv-pop summary", has_text="Display").focus()
    page.keyboard.press("Enter")
    smooth = page.get_by_label("Smoothed for display")
    smooth.focus()
    page.keyboard.press("Space")
    assert state(page, "smooth") is True
    page.keyboard.press("Escape")
    assert not smooth.is_visible()
    assert page.evaluate("document.activeElement.textContent") == "Display"


def test_the_memory_row_is_there_for_methods_that_have_one(show):
    page = show()
    assert page.locator(".cv-rows").inner_text().split() == ["Vanilla", "CLVS"]
    page.evaluate(f"{APP}.set({{ memory: true }})")
    page.evaluate(SETTLED)
    assert page.locator(".cv-rows b").all_inner_texts() == ["Vanilla", "CLVS", "CLVS memory"]


def test_tab_leaves_the_viewer_and_every_control_can_be_reached(show):
    page = show()
    page.evaluate("document.body.append(Object.assign(document.createElement('button'), {id: 'after'}))")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
        )
        if page.evaluate("document.activeElement.id") == "after":
            break
    assert page.evaluate("document.activeElement.id") == "after"
    assert {"Scale", "Head", "Display", "Layer", "Play through the layers", "dog", "cat", "+ box"} <= seen


def test_play_runs_to_the_last_layer_and_stops(show):
    page = show()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{APP}.state.layer === 7 && !{APP}.state.playing", timeout=15_000)
    page.get_by_role("button", name="Play").wait_for()


def test_with_reduced_motion_play_moves_one_layer_and_nothing_moves_by_itself(show):
    page = show(fakes.payload(status="running"), motion=False)
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(900)
    assert state(page, "layer") == 1
    assert page.evaluate("document.getAnimations().length") == 0


def test_the_strip_is_scrubbed_by_dragging(show):
    page = show()
    box = page.locator(".cv-strip").bounding_box()
    at = [box["x"] + (layer + 0.5) * box["width"] / fakes.LAYERS for layer in (2, 6)]
    page.mouse.move(at[0], box["y"] + 20)
    page.mouse.down()
    assert state(page, "layer") == 2
    page.mouse.move(at[1], box["y"] + 20, steps=4)
    page.mouse.up()
    assert state(page, "layer") == 6


def test_the_curve_is_scrubbed_too_and_reads_values(show):
    page = show()
    box = page.locator(".cv-curve").bounding_box()
    x = page.evaluate(f"{ROOT}.querySelector('.cv-curve').at.x(6)")
    page.mouse.move(box["x"] + x, box["y"] + 60)
    tip = page.locator(".cv-tip").inner_text().replace("\u00a0", " ")
    assert tip.startswith("Layer 7\nVanilla ")
    page.mouse.down()
    page.mouse.up()
    assert state(page, "layer") == 6


def test_the_stop_is_marked_at_its_layer_on_curve_uncertainty_and_strip(show):
    page = show(fakes.payload(fakes.pair(stop=6)))
    hits = """([name, values]) => {
        const box = document.querySelector(name);
        const canvas = box.querySelector('canvas');
        const scale = canvas.width / canvas.clientWidth;
        const orange = box.closest('.cv').__clvs.look().methods[1];
        const [r, g, b] = [1, 3, 5].map((i) => parseInt(orange.slice(i, i + 2), 16));
        return values.map((value, layer) => {
            const x = box.at ? box.at.x(layer) : (layer + 0.5) * box.clientWidth / values.length;
            const row = box.closest('.cv').__clvs.strip.rows[1].y; // CLVS's thumbnails; its mark stands on them
            const [top, height] = box.at ? [box.at.y(value) - 13, 4] : [row - 9, 6];
            const { data } = canvas.getContext('2d').getImageData(x * scale, top * scale, 1, height * scale);
            for (let i = 0; i < data.length; i += 4) {
                if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) return layer;
            }
            return null;
        }).filter((layer) => layer !== null);
    }"""
    curve = page.evaluate(f"{APP}.curves()[1]")
    unsure = [1.1, 1.1, 1.1, 1.1, 1.1, 0.9, 0.4, 0.2]
    for name, values in ((".cv-strip", curve), (".cv-curve", curve), (".cv-unsure", unsure)):
        assert page.evaluate(hits, [name, values]) == [6], name


# ---- answers -----------------------------------------------------------------------------------------------------


def test_answers_show_tokens_probabilities_and_where_they_part(show):
    runs = fakes.pair()
    runs[1].trace.meta["method"] = "clvs:alpha=0.8,first_check=5,unified_positions=true,early_termination=false"
    page = show(fakes.payload(runs))
    vanilla, other = page.locator(".cv-answer").all()
    assert vanilla.locator(".cv-token").first.inner_text().replace("\u00a0", " ").split("\n") == ["yes", "50 %"]
    assert vanilla.locator(".cv-token").last.inner_text().startswith("end")
    assert vanilla.locator(".cv-differs").count() == 0
    settings = "card's settings for this model (α 0.8, first check at layer 6, no early termination)"
    assert other.locator(".cv-who small").inner_text() == settings
    assert other.locator(".cv-differs").inner_text().startswith("no")
    assert "first difference" in other.locator(".cv-differs").get_attribute("aria-label")


def test_a_token_moves_every_panel_to_its_step(show):
    runs = fakes.pair()
    for run in runs:
        run.trace.attention[1, :, :, 0] = 0.5
    page = show(fakes.payload(runs))
    before = page.evaluate(f"{APP}.curves()[0][3]")
    page.locator(".cv-answer").nth(1).locator(".cv-token").nth(1).click()
    page.evaluate(SETTLED)
    assert state(page, "step") == 1
    assert page.locator(".cv-token[aria-pressed=true]").count() == 2
    assert "token 2 (end)" in page.locator(".cv-context").inner_text()
    assert page.evaluate(f"{APP}.curves()[0][3]") > before + 0.4


def test_the_lens_speaks_at_the_cursor(show):
    runs = fakes.pair(lens=True)
    runs[1].trace.lens_words = [[["yes", "no", "</s>"]] * fakes.LAYERS] * 2
    page = show(fakes.payload(runs))
    goto(page, 6)
    text = page.locator(".cv-unsure + .cv-lens").inner_text().replace("\u00a0", " ")
    assert "0.40" in text
    assert "would say yes 50 % · no 25 % · end 13 %" in text
    assert "Not measured" in show().locator(".cv-unsure + .cv-lens").inner_text()


# ---- objects and regions -----------------------------------------------------------------------------------------


def expected_curve(runs, tokens, method=0):
    return runs[method].trace.attention[0].astype(float).mean(axis=1)[:, tokens].sum(axis=1)


def quarter(top, left):
    grid = np.arange(fakes.SIDE**2).reshape(fakes.SIDE, fakes.SIDE)
    return grid[top : top + 3, left : left + 3].ravel()


def test_chips_switch_objects_in_the_curve_and_in_the_words(show):
    page = show()
    runs = fakes.pair()
    assert page.evaluate(f"{APP}.curves()[0]") == pytest.approx(expected_curve(runs, quarter(0, 0)), rel=1e-3)
    page.get_by_role("button", name="cat", exact=True).click()
    both = np.concatenate([quarter(0, 0), quarter(3, 3)])
    assert page.evaluate(f"{APP}.curves()[0]") == pytest.approx(expected_curve(runs, both), rel=1e-3)
    assert page.locator(".cv-curve-title").inner_text() == "Attention on the dog and the cat"
    page.get_by_role("button", name="dog", exact=True).click()
    page.get_by_role("button", name="cat", exact=True).click()
    assert page.evaluate(f"{APP}.curves()[0]") == pytest.approx(expected_curve(runs, np.arange(36)), rel=1e-3)
    assert page.locator(".cv-curve-title").inner_text() == "Attention on the whole picture"


def test_page_and_table_agree_on_objects_that_overlap(show):
    runs = fakes.pair()
    views = runs[0].trace.views
    dog = fakes.box_object("dog", views, 0, 0, 40, 40)
    payload = fakes.payload(runs, [dog, fakes.box_object("ball", views, 24, 24, 72, 72)])
    rows = [row for row in csv.DictReader(io.StringIO(curves_csv(payload))) if row["step_from_0"] == "0"]
    page = show(payload)
    for index, run in enumerate(runs):
        table = [float(row["followed"]) for row in rows if row["method"] == run.method.label]
        assert page.evaluate(f"{APP}.curves()[{index}]") == pytest.approx(table, rel=1e-4)


def test_a_chip_keeps_the_keyboards_place(show):
    page = show()
    page.get_by_role("button", name="cat", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "cat"
    assert page.get_by_role("button", name="cat", exact=True).get_attribute("aria-pressed") == "true"


def draw(page, tool, points):
    page.get_by_role("button", name=tool).click()
    box = page.locator(".cv-map canvas").first.bounding_box()
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=6)
    page.mouse.up()
    page.evaluate(SETTLED)


def test_a_drawn_box_is_followed_alone_and_clearing_it_brings_the_objects_back(show):
    page = show()
    before = page.evaluate(f"{APP}.curves()[0]")
    draw(page, "+ box", [(0.5, 0.5), (0.999, 0.999)])
    assert page.evaluate(f"{APP}.curves()[0]") == pytest.approx(
        expected_curve(fakes.pair(), quarter(3, 3)), rel=0.03, abs=1e-3
    )
    assert page.evaluate(f"Object.keys({APP}.state.region)") == ["box"]
    assert page.locator(".cv-curve-title").inner_text() == "Attention on your region"
    page.get_by_role("button", name="Clear your region").click()
    assert page.evaluate(f"{APP}.curves()[0]") == before


def test_a_drawn_region_outlives_another_question_but_not_another_picture(show):
    page = show()
    draw(page, "+ box", [(0.5, 0.5), (0.999, 0.999)])
    page.evaluate(f"{APP}.store.onEvent = (name, data) => (window.told = {{ ...window.told, [name]: data }})")
    update = "(next) => document.querySelector('.cv').__clvs.update(next)"
    page.evaluate(update, fakes.payload(id="another question"))
    assert page.locator(".cv-curve-title").inner_text() == "Attention on your region"
    told = page.evaluate("window.told")
    assert (list(told["region"]), told["objects"]) == (["box"], {"on": []})
    page.get_by_role("button", name="Clear your region").click()
    assert page.locator(".cv-curve-title").inner_text() == "Attention on the dog"
    draw(page, "+ box", [(0.5, 0.5), (0.999, 0.999)])
    other = fakes.payload(id="another picture")
    other["image"]["url"] = data_url(fakes.png(colour=(10, 10, 10)))
    page.evaluate(update, other)
    assert state(page, "region") is None
    assert page.locator(".cv-curve-title").inner_text() == "Attention on the dog"


def test_the_drawing_tools_bring_the_maps_and_a_hint_into_sight(show):
    page = show(width=390, height=844)
    page.get_by_role("button", name="+ box").scroll_into_view_if_needed()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.get_by_role("button", name="+ box").click()
    page.evaluate(SETTLED)
    hint = page.locator(".cv-context")
    assert hint.inner_text() == "Drag a box on a map. Esc cancels."
    seen = """() => ['.cv-context', '.cv-map canvas'].every((name) => {
        const box = document.querySelector(name).getBoundingClientRect();
        return box.top >= 0 && box.bottom <= window.innerHeight;
    })"""
    page.wait_for_function(seen)
    page.locator(".cv").focus()
    page.keyboard.press("Escape")
    page.evaluate(SETTLED)
    assert hint.inner_text().startswith("Layer 1 of 8")


def test_a_tapped_patch_shows_its_numbers(show):
    page = show(width=390, height=844, has_touch=True, is_mobile=True)
    page.locator(".cv-map canvas").first.scroll_into_view_if_needed()
    page.touchscreen.tap(*patch_centre(page, 0, fakes.hot_token(2)))
    page.wait_for_timeout(400)  # what a browser sends after a tap must not hide it
    assert page.locator(".cv-tip").is_visible()
    assert page.locator(".cv-tip").inner_text().startswith("Patch 3, 3")


def test_a_tall_picture_leaves_the_layers_in_sight(show):
    views = llava_views(480, 200, fakes.SIDE * 8, 8, "pad")
    page = show(fakes.payload(fakes.pair(views=views)))
    box = page.locator(".cv-map canvas").first.bounding_box()
    assert box["height"] == pytest.approx(900 - 530, abs=1)  # the rest of the screen is for what stands around it
    assert box["width"] / box["height"] == pytest.approx(200 / 480, abs=0.01)


def test_legends_of_every_scale_have_one_sign_and_name_the_power(show):
    page = show(fakes.payload(view={"power": 0.6, "scale": "uniform"}))
    low, middle, high = page.locator(".cv-scale").last.locator("span").all_inner_texts()
    assert (low, middle, high) == ("−5×", "0", "+5×")
    assert page.locator(".cv-scale span").nth(1).inner_text() == "× an even look, power 0.6"


def test_a_threshold_of_0_never_stops_and_is_not_drawn(show):
    def picture(threshold):
        runs = fakes.pair()
        runs[1].trace.meta |= {"threshold": threshold, "first_check": 5}
        return show(fakes.payload(runs)).evaluate("document.querySelector('.cv-unsure canvas').toDataURL()")

    assert picture(0) == picture(None)
    assert picture(0) != picture(0.5)


def test_a_freehand_region_is_summed_by_its_area(show):
    page = show()
    draw(
        page, "+ freehand", [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99)]
    )  # the upper right triangle: half of the diagonal
    runs = fakes.pair()
    above = np.triu(np.ones((fakes.SIDE, fakes.SIDE))) - np.eye(fakes.SIDE) / 2
    expected = (runs[1].trace.attention[0, 2].astype(float).mean(axis=0) * above.ravel()).sum()
    assert page.evaluate(f"{APP}.curves()[1][2]") == pytest.approx(expected, rel=0.1)
    assert len(page.evaluate(f"{APP}.state.region.polygon")) >= 3


def test_a_click_is_no_region_and_escape_gives_up(show):
    page = show()
    draw(page, "+ box", [(0.5, 0.5)])
    assert state(page, "region") is None
    page.locator(".cv").focus()
    page.keyboard.press("Escape")
    assert state(page, "draw") is None


def test_outlines_of_chosen_objects_are_drawn(show):
    page = show()
    code = """() => {
        const canvas = document.querySelector('.cv-map canvas');
        return canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 4, 1, 1).data[0];
    }"""
    assert page.evaluate(code) > 170
    page.get_by_role("button", name="dog", exact=True).click()
    page.evaluate(SETTLED)
    assert page.evaluate(code) < 140


# ---- words, states and safety --------------------------------------------------------------------------------------


def test_the_summary_names_layers_from_one(show):
    text = show().locator(".cv-summary").inner_text().replace("\u00a0", " ")
    assert text.startswith("Vanilla gives 40 % of its attention to the dog at layer 1, its peak,")
    assert "stops smoothing after layer 7." in text


def test_all_numbers_are_there_as_a_table(show):
    page = show()
    page.get_by_role("tab", name="All numbers").click()
    rows = page.locator(".cv-numbers tbody tr")
    rows.nth(7).wait_for()
    assert rows.count() == fakes.LAYERS
    assert rows.nth(5).inner_text().split("\t")[4] == "0.900"


def test_text_from_outside_is_never_markup(show):
    evil = '<img src=x onerror="window.hit=1">${window.hit=1}{{window.hit=1}}'
    runs = fakes.pair()
    runs[1].tokens[0] = type(runs[1].tokens[0])(7, evil, 0.5)
    objects = [fakes.box_object(evil, runs[0].trace.views, 0, 0, 48, 48)]
    page = show(fakes.payload(runs, objects, question=evil, label=evil, notes=[evil], progress=evil, error=evil))
    page.mouse.move(*patch_centre(page, 0, 3))
    page.locator(".cv-chip").first.hover()
    assert page.evaluate("window.hit") is None
    assert page.locator(".cv img").count() == 0
    assert evil in page.locator(".cv-error").inner_text()


def test_running_and_failed_states_keep_the_last_result_in_sight(show):
    page = show(fakes.payload(status="running", progress="token 2 of 16"))
    assert page.locator(".cv").get_attribute("aria-busy") == "true"
    assert "token 2 of 16" in page.locator(".cv-notes").inner_text()
    assert page.locator(".cv-maps").is_visible()
    failed = show(fakes.payload(error="The picture is too large: use one below 25 megapixels."))
    assert failed.get_by_role("alert").inner_text().startswith("The picture is too large")
    assert failed.locator(".cv-maps").is_visible()


def test_tokens_of_a_long_answer_wait_for_their_maps(show, monkeypatch):
    words = ("yes", " it", " is", "")
    runs = [fakes.run(clvs.Vanilla(), words=words), fakes.run(clvs.CLVS(), words=words)]
    monkeypatch.setattr("viz.viewer.payload.STREAM_BUDGET", 2 * 2 * 3 * fakes.LAYERS * fakes.SIDE**2)
    page = show(fakes.payload(runs, status="running", progress="Token 4…"))
    said = "Token 4… Maps beyond token 2 come with the finished answer."
    assert page.locator(".cv-notes").inner_text() == said
    third = page.locator(".cv-answer").first.locator(".cv-token").nth(2)
    assert third.get_attribute("aria-disabled") == "true"
    third.click(force=True)
    assert state(page, "step") == 0
    assert page.locator(".cv-tip").inner_text().endswith("Its maps come with the finished answer.")
    page.locator(".cv").focus()
    for _ in range(3):
        page.keyboard.press("]")
    assert state(page, "step") == 1
    page.evaluate("(next) => document.querySelector('.cv').__clvs.update(next)", fakes.payload(runs))
    assert state(page, "step") == 1
    assert page.locator(".cv-notes").inner_text() == ""
    third.click()
    assert state(page, "step") == 2


def test_while_nothing_has_come_the_panels_keep_their_room_and_the_last_result_fades(show):
    page = show()
    goto(page, 5)
    height = page.locator(".cv").bounding_box()["height"]
    views = fakes.pair()[0].trace.views
    methods = [clvs.Vanilla(), clvs.CLVS()]
    objects = [fakes.box_object("dog", views, 0, 0, 48, 48)]
    address = fakes.payload()["image"]["url"]
    waiting = build(Comparison([], address, objects, views, methods, status="running", id="next"))
    page.evaluate("(next) => document.querySelector('.cv').__clvs.update(next)", waiting)
    page.evaluate(SETTLED)
    assert page.locator(".cv").bounding_box()["height"] == height
    assert page.locator(".cv-tokens").first.inner_text() == "waiting for the first word …"
    assert page.locator(".cv-context").inner_text() == "Waiting for the first token"
    assert page.get_by_role("slider", name="Layer", exact=True).is_disabled()
    page.wait_for_function("getComputedStyle(document.querySelector('.cv-curve')).opacity < 0.3")
    page.evaluate("(next) => document.querySelector('.cv').__clvs.update(next)", fakes.payload(id="next"))
    page.evaluate(SETTLED)
    assert page.locator(".cv").bounding_box()["height"] == height
    assert state(page, "layer") == 0


def test_nothing_yet_and_a_broken_payload_are_said_plainly(show):
    page = show()
    page.evaluate(f"{APP}.update(null)")
    assert page.locator(".cv-empty").is_visible()
    page.evaluate(
        f"{APP}.update({{ v: 1, status: 'done', arrays: {{ a: {{ offset: 0, shape: [9] }} }}, blob: '', methods: [] }})"
    )
    assert "cannot be shown" in page.get_by_role("alert").inner_text()


def test_updates_of_the_same_result_keep_the_visitors_place(show):
    page = show()
    goto(page, 5)
    page.get_by_role("button", name="cat", exact=True).click()
    page.get_by_label("Scale", exact=True).select_option("uniform")
    height = page.locator(".cv").bounding_box()["height"]
    page.evaluate("(next) => document.querySelector('.cv').__clvs.update(next)", fakes.payload(status="running"))
    page.evaluate(SETTLED)
    assert (state(page, "layer"), state(page, "scale")) == (5, "uniform")
    assert page.get_by_role("button", name="cat", exact=True).get_attribute("aria-pressed") == "true"
    assert page.locator(".cv").bounding_box()["height"] == height
    page.evaluate("(next) => document.querySelector('.cv').__clvs.update(next)", fakes.payload(id="another"))
    assert state(page, "layer") == 0
    assert page.get_by_role("button", name="cat", exact=True).get_attribute("aria-pressed") == "false"


def test_four_methods_fit_and_the_compared_one_is_chosen(show):
    runs = [fakes.run(clvs.Vanilla()), *(fakes.run(clvs.CLVS()) for _ in range(3))]
    for index, run in enumerate(runs[1:]):
        run.trace.meta["method"] = f"clvs:alpha=0.{index + 5}"
    page = show(fakes.payload(runs))
    assert page.locator(".cv-map").count() == 5
    page.locator("[data-focus='3']").click()
    assert "CLVS (α 0.7) − Vanilla" in page.locator(".cv-map").last.inner_text()


def test_one_method_needs_no_difference(show):
    page = show(fakes.payload([fakes.run(clvs.Vanilla())]))
    assert page.locator(".cv-map").count() == 1
    assert (
        page.locator(".cv-summary")
        .inner_text()
        .endswith("to the dog at layer 1, its peak, and has let go of half by layer 4.")
    )


@pytest.mark.parametrize("width", [360, 390, 768, 1100, 1440])
def test_nothing_is_clipped_or_scrolls_sideways(show, width):
    page = show(width=width, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() => {
        const root = document.querySelector('.cv').getBoundingClientRect();
        return [...document.querySelectorAll('.cv *')].filter((node) => {
            if (!node.checkVisibility() || node.closest('.cv-live, .cv-progress, .cv-tip, .cv-pop')) return false;
            const box = node.getBoundingClientRect();
            return box.width > 1 && (box.right > root.right + 1 || box.left < root.left - 1);
        }).map((node) => node.className);
    }"""
    assert page.evaluate(outside) == []
    cut = "() => [...document.querySelectorAll('.cv-tools select')].filter(cut).map((node) => node.value)"
    measure = """(node) => {
        const ink = document.createElement('canvas').getContext('2d');
        ink.font = getComputedStyle(node).font;
        const { paddingLeft, paddingRight } = getComputedStyle(node);
        const room = node.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
        return node.checkVisibility() && ink.measureText(node.selectedOptions[0].text).width > room + 1;
    }"""
    assert page.evaluate(cut.replace("cut)", f"{measure})")) == []
    tops = [box["y"] for box in (m.bounding_box() for m in page.locator(".cv-map").all())]
    assert (len(set(tops)) == 1) == (width >= 700)


def test_targets_are_large_enough_to_hit(show):
    page = show(width=390, height=844)
    small = """() => [...document.querySelectorAll('.cv :is(button, select, summary, input)')].filter((node) => {
        if (!node.checkVisibility()) return false;
        const box = (node.closest('label') || node).getBoundingClientRect();
        return Math.min(box.width, box.height) < 24;
    }).map((node) => node.outerHTML)"""
    assert page.evaluate(small) == []


def contrast(page, selector):
    """Ratio of an element's text to the viewer's paper."""
    code = """(selector) => {
        const light = (css) => {
            const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            const [r, g, b] = css.match(/[0-9.]+/g).map((c) => linear(c / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const style = getComputedStyle(document.querySelector(selector));
        const paper = getComputedStyle(document.querySelector('.cv'));
        const [a, b] = [light(style.color), light(paper.backgroundColor)].sort();
        return (b + 0.05) / (a + 0.05);
    }"""
    return page.evaluate(code, selector)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(show, theme):
    page = show(theme=theme)
    assert page.locator(".cv").get_attribute("data-theme") == theme
    for selector in (
        ".cv-summary",
        ".cv-context",
        ".cv-caveat",
        ".cv-scale",
        ".cv-map strong",
        ".cv-map[data-style='1'] strong",
    ):
        assert contrast(page, selector) >= 4.5, selector


def test_the_theme_follows_the_page(show):
    page = show()
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"{ROOT}.dataset.theme === 'dark'")


def test_scrubbing_is_fast(show):
    page = show(fakes.payload())
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
    assert times[30] < 15  # three times the 5 ms measured on two busy cores
    assert times[56] < 100
