"""The viewer's pure functions against numpy and against their Python twin in viz/scales.py."""

import base64
import json

import numpy as np
import pytest

from clvs_core.key_objects import coverage, region_mask, relative_gain, summarise, together
from clvs_core.models.geometry.grids import View, Views
from clvs_core.models.geometry.llava import llava_views
from viz import scales
from viz.viewer import script


@pytest.fixture(scope="module")
def js(browser):
    """js(expression, argument): evaluates with `v` = window.__clvsViewer and `x` = the argument."""
    page = browser.new_page()
    page.evaluate(script())
    yield lambda expression, x=None: page.evaluate(
        f"(x) => {{ const v = window.__clvsViewer; return {expression}; }}", x
    )
    page.close()


@pytest.fixture(scope="module")
def maps():
    """(2 methods, 5 layers, 144 tokens) of skewed weights, as float16 holds them."""
    random = np.random.default_rng(3)
    return (random.gamma(0.3, 0.02, (2, 5, 144)) + random.random((2, 5, 1)) * 1e-3).astype(np.float16).astype(float)


def same(got, expected):
    np.testing.assert_allclose(np.array(got, dtype=float), expected, rtol=1e-6, atol=1e-12)


def test_every_float16_decodes_as_numpy_does(js):
    words = np.arange(65536, dtype="<u2")
    text = base64.b64encode(words.tobytes()).decode()
    got = js("[...v.float16(v.bytes(x))].map((n) => Number.isFinite(n) ? n : String(n))", text)
    expected = words.view("<f2").astype(float)
    finite = np.isfinite(expected)
    same([g for g, good in zip(got, finite, strict=True) if good], expected[finite])
    assert [g for g, good in zip(got, finite, strict=True) if not good] == [
        "NaN" if np.isnan(e) else "Infinity" if e > 0 else "-Infinity" for e in expected[~finite]
    ]


def test_browsers_without_fromBase64_decode_the_same(browser):
    page = browser.new_page()
    page.evaluate("delete Uint8Array.fromBase64")
    page.evaluate(script())
    words = np.array([1.5, -0.25, 6e-8], dtype="<f2")
    text = base64.b64encode(words.tobytes()).decode()
    same(page.evaluate("(x) => [...__clvsViewer.float16(__clvsViewer.bytes(x))]", text), words.astype(float))
    page.close()


def test_arrays_come_out_by_name_and_a_short_blob_is_refused(js):
    values = np.arange(12, dtype="<f2")
    payload = {
        "blob": base64.b64encode(values.tobytes()).decode(),
        "arrays": {"a": {"offset": 0, "shape": [2, 3]}, "b": {"offset": 6, "shape": [6]}},
    }
    got = js("Object.fromEntries(Object.entries(v.decode(x)).map(([k, a]) => [k, [...a.data]]))", payload)
    assert got == {"a": [0, 1, 2, 3, 4, 5], "b": [6, 7, 8, 9, 10, 11]}
    payload["arrays"]["b"]["shape"] = [7]
    with pytest.raises(Exception, match="ends before b does"):
        js("v.decode(x)", payload)


@pytest.mark.parametrize("name", [*scales.MAPS, scales.DIVERGING])
def test_tables_are_matplotlibs(js, name):
    assert js("[...v.bytes(v.CLVS_LUTS[x])]", name) == scales.lut(name).ravel().tolist()


@pytest.mark.parametrize("mode", scales.MODES)
def test_limits_agree(js, maps, mode):
    for method, layer in ((0, 0), (1, 3)):
        got = js("v.limits(...x)", [maps.tolist(), mode, method, layer, 144])
        same(got, scales.limits(maps, mode, method, layer))


@pytest.mark.parametrize("mode", scales.MODES)
def test_signed_limits_agree(js, maps, mode):
    difference = maps[1] - maps[0]
    same(js("v.signedLimit(...x)", [difference.tolist(), mode, 2, 144]), scales.signed_limit(difference, mode, 2))


def test_missing_layers_are_left_out(js, maps):
    values = maps.copy()
    values[0, 4] = np.nan
    listed = values.tolist()
    listed[0][4] = None
    same(js("v.limits(...x)", [listed, "shared", 0, 0, 144]), scales.limits(values, "shared", 0, 0))
    assert js("v.limits(...x)", [[[None]], "map", 0, 0, 144]) == [0, 0]


@pytest.mark.parametrize("power", [1.0, 0.4])
def test_colours_agree_for_every_scale(js, maps, power):
    values = maps[1, 2]
    low, high = scales.limits(maps, "map", 1, 2)
    expected = scales.colour(scales.normalise(values, low, high, power), "viridis")
    code = "x[0].map((n) => v.colour(v.normalise(n, x[1], x[2], x[3]), v.bytes(v.CLVS_LUTS.viridis), false))"
    assert np.abs(np.array(js(code, [values.tolist(), low, high, power])) - expected).max() <= 1


def test_signed_colours_agree(js, maps):
    values = maps[1, 2] - maps[0, 2]
    limit = scales.signed_limit(maps[1] - maps[0], "shared", 2)
    expected = scales.colour(scales.normalise_signed(values, limit, 0.7), "PuOr_r")
    code = "x[0].map((n) => v.colour(v.normaliseSigned(n, x[1], 0.7), v.bytes(v.CLVS_LUTS.PuOr_r), true))"
    assert np.abs(np.array(js(code, [values.tolist(), limit])) - expected).max() <= 1


def test_hidden_tokens_are_clear(js):
    assert js("v.colour(v.normalise(NaN, 0, 1, 1), new Uint8Array(768), false)") == [0, 0, 0, 0]


def test_sinks_agree(js, maps):
    assert js("v.sinks(x, 5)", maps[0].tolist()) == scales.sinks(maps[0], 5).tolist()
    assert js("v.sinks(x, 0)", maps[0].tolist()) == []


def test_overlapping_coverages_agree(js):
    shares = np.array([[0.25, 1.0, 0.0], [0.5, 0.75, 0.125]])
    same(js("[...v.together(x)]", shares.tolist()), together(shares))
    assert js("v.together([])") is None


def test_curves_are_coverage_times_weight(js, maps):
    share = np.random.default_rng(1).random(144)
    same(js("v.curve(x[0], x[1])", [maps[0].tolist(), share.tolist()]), maps[0] @ share)
    same(js("v.curve(x, null)", maps[0].tolist()), maps[0].sum(axis=1))
    assert js("v.curve([null], null)") == [None]


GEOMETRIES = {
    "squash": llava_views(96, 160, 48, 8, "squash"),
    "crop": llava_views(96, 160, 48, 8, "crop"),
    "pad": llava_views(96, 160, 48, 8, "pad"),
    "two grids": Views(
        160, 96, 4 + 30, (View(0, 2, 2, (0, 0, 160, 96), kind="base"), View(4, 5, 5, (0, 0, 160, 96), 6, "tiles"))
    ),
}


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize(
    "region", [{"box": [13, 7, 90, 61]}, {"polygon": [[20, 10], [140, 30], [70, 90]]}], ids=["box", "polygon"]
)
def test_drawn_regions_cover_what_the_servers_masks_cover(js, name, region):
    views = GEOMETRIES[name]
    grids = json.loads(json.dumps(views.to_json()))["grids"]
    got = np.array(js("[...v.regionCoverage(...x)]", [region, grids, views.visual]))
    expected = coverage(region_mask(views.height, views.width, **region), views)
    assert np.abs(got - expected).max() < 0.13  # the server's mask is made of whole pixels, 8 to a patch here
    assert abs(got.sum() - expected.sum()) < 0.03 * expected.sum() + 0.1


def test_peaks_and_gains_agree_with_the_engine(js):
    vanilla, other = np.array([0.1, 0.4, 0.3, 0.19, 0.05]), np.array([0.1, 0.5, 0.45, 0.4, 0.3])
    ours = js("v.summarise(x)", vanilla.tolist())
    theirs = summarise(vanilla)
    assert (ours["peak"], ours["value"], ours["half"]) == (theirs[0], theirs[1], theirs[3])
    assert 1 - ours["left"] == pytest.approx(theirs[2])
    gains = js("x[0].map((b, i) => v.gain(b, x[1][i]))", [other.tolist(), vanilla.tolist()])
    expected = relative_gain(other, vanilla)
    same([g["clipped"] for g in gains], expected.clipped)
    same([g["unclipped"] for g in gains], expected.unclipped)
    assert js("v.gain(0.1, 0)") is None


def test_the_patch_under_a_point(js):
    views = json.loads(json.dumps(GEOMETRIES["crop"].to_json()))["grids"]
    assert js("v.patchAt(x, 10, 50)", views) is None  # cropped away
    hit = js("v.patchAt(x, 33, 95)", views)
    assert (hit["row"], hit["col"], hit["token"]) == (5, 0, 30)


def test_first_difference(js):
    assert js("v.firstDifference([{id: 1}, {id: 2}], [{id: 1}, {id: 3}])") == 1
    assert js("v.firstDifference([{id: 1}], [{id: 1}, {id: 3}])") == -1


def sentence(js, names, vanilla, other, stop, head=None):
    reference = {"label": "Vanilla", "curve": vanilla}
    second = other and {"label": "CLVS", "curve": other, "stop": stop}
    about = {"names": names, "head": head, "reference": reference, "other": second}
    return js("v.sentence(x)", about).replace("\u00a0", " ")


FADING = [0.02, 0.18, 0.16, 0.08, 0.06]


def test_the_summary_says_what_the_numbers_say(js):
    assert sentence(js, ["dog"], FADING, [0.02, 0.18, 0.17, 0.112, 0.084], 3) == (
        "Vanilla gives 18 % of its attention to the dog at layer 2, its peak, and has let go of half by layer 4; "
        "CLVS gives it about as much there and 40 % more from layer 4 on, and stops smoothing after layer 4."
    )
    assert sentence(js, ["dog"], FADING, [0.02, 0.144, 0.17, 0.1, 0.075], -1).endswith(
        "; CLVS spreads that peak: 20 % less at layer 2, 25 % more from layer 4 on."
    )
    assert "44 % less at layer 2, 3.0 times as much from layer 4 on" in sentence(
        js, ["dog"], FADING, [0.02, 0.1, 0.1, 0.24, 0.18], -1
    )
    assert "gives it 50 % more there and 50 % less from layer 4 on" in sentence(
        js, ["dog"], FADING, [0.02, 0.27, 0.1, 0.04, 0.03], -1
    )
    assert sentence(js, ["dog"], FADING, FADING, -1).endswith("CLVS gives it about as much there and from layer 4 on.")
    assert sentence(js, [], [0.1, 0.2, 0.18], None, -1) == (
        "Vanilla gives 20 % of its attention to the picture at layer 2, its peak, "
        "and still keeps 90 % of that at the last layer."
    )
    assert "to the dog, the red car and your region at layer 2" in sentence(
        js, ["dog", "red car", "your region"], FADING, None, -1
    )


def test_the_summary_names_a_head_and_a_peak_at_the_end(js):
    rising = [0.1, 0.2, 0.4]
    assert sentence(js, ["dog"], rising, [0.1, 0.2, 0.3], -1, head=2) == (
        "In head 3, Vanilla gives 40 % of its attention to the dog at layer 3, its peak and its last layer; "
        "CLVS gives it 25 % less there."
    )


def test_it_opens_where_the_other_method_keeps_most_or_else_at_the_peak(js):
    assert js("v.startLayer(...x)", [FADING, [0.02, 0.15, 0.165, 0.1, 0.07]]) == 3
    assert js("v.startLayer(...x)", [FADING, [0.2, 0.3, 0.1, 0.08, 0.06]]) == 1
    assert js("v.startLayer(...x)", [FADING, None]) == 1
    assert js("v.startLayer(...x)", [[None], None]) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.375, "37.5 %"), (0.0482, "4.8 %"), (0.00036, "0.036 %"), (0, "0 %"), (-0.012, "−1.2 %"), (1e-8, "< 0.0001 %")],
)
def test_shares_are_percentages_of_two_digits_or_more(js, value, text):
    assert js("v.share(x)", value).replace("\u00a0", " ") == text


def test_a_gain_of_nothing_has_no_sign(js):
    got = js("[0.2, -0.2, 0.6, -0.6].map((x) => v.signedPercent(x, 0))")
    assert [text.replace("\u00a0", " ") for text in got] == ["0 %", "0 %", "+1 %", "−1 %"]


def test_ticks_are_round_and_reach_the_top(js):
    assert js("v.ticks(0.43, 4)") == [0, 0.2, 0.4, 0.6]
    assert js("v.ticks(0.1, 4)") == [0, 0.05, 0.1]
    assert js("v.ticks(0, 4)") == [0, 1]


# ---- words about single methods ------------------------------------------------------------------------------------


def method(sinks=None, heads=None, tau=None, acted="silenced"):
    return {"sinks": sinks, "heads": heads, "card": {"tau": tau, "acted": acted}}


@pytest.mark.parametrize(
    ("about", "lines"),
    [
        (method(heads=[[[], [0, 5]]]), ["Layer 2: 2 of 8 heads silenced"]),
        (method(heads=[]), []),  # the answer ended before this token
        (method(sinks=[[], [4]], tau=20), ["Layer 2: 1 sink token"]),
        (method([[3], []], [[[1], []]], 20, "redistributed"), ["Layer 2: 0 sink tokens", "0 of 8 heads redistributed"]),
        (
            method([[], []], [[[], []]], 5, "redistributed"),
            ["No sink tokens found at τ 5,", "so no head is redistributed"],
        ),
        (method([[], []], [[[], [2]]], 5, "changed"), ["No sink tokens found at τ 5", "Layer 2: 1 of 8 heads changed"]),
        (method([[], []], [[[], []]], None), ["No sink tokens found,", "so no head is silenced"]),
        (method(), []),
    ],
)
def test_what_a_method_did_at_a_layer_is_counted(js, about, lines):
    assert js("v.actedWords(x, 0, 1, 8)", about) == lines


def test_acted_heads_are_listed_from_one(js):
    assert js("v.headsText(x)", [[], [0, 4], [], [7]]) == "layer 2: heads 1, 5; layer 4: head 8"
    assert js("v.headsText(x)", [[], []]) == "none"


def test_a_card_without_layers_says_so_or_leaves_room(js):
    card = {"stage": "weights", "rows": "last", "layers": None, "contrast": "", "parts": []}
    assert js("v.doesWords(x, 12)", card) == "Changes the attention weights of the word being written, in no layer."
    assert js("v.doesWords(x, 0)", card).endswith("written, layers … to ….")
    assert js("v.doesWords(x, 12)", {**card, "layers": [3, 3]}).endswith("written, layer 4.")


@pytest.mark.parametrize(
    ("against", "head"),
    [("no picture", "without it"), ("a noised picture", "with a noised picture"), ("", "with the contrast")],
)
def test_a_contrast_is_called_what_it_is(js, against, head):
    assert js("v.contrastHeads(x)", against) == ["with the picture", head, "outcome"]
