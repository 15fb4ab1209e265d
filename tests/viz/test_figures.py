"""The matplotlib figures: what is drawn where, in which style, and with which texts."""

import io
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.colors
import matplotlib.text
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from clvs_core.models.geometry.grids import View, Views
from clvs_core.models.geometry.llava import llava_views
from clvs_core.trace import Trace
from viz import figures, scales

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT, LAYERS, HEADS, STEPS = 80, 48, 6, 2, 2
VIEWS = llava_views(HEIGHT, WIDTH, 48, 8, "crop")  # sees x 16 to 64, in 6 x 6 tokens
PICTURE = Image.new("RGB", (WIDTH, HEIGHT), (40, 90, 160))
CLVS_SPEC = "clvs:beta=0.8,first_check=3"


def _trace(method="vanilla", /, seed=0, stop=-1, views=VIEWS, **meta):
    rng = np.random.default_rng(seed)
    attention = (rng.random((STEPS, LAYERS, HEADS, views.visual)) / views.visual).astype(np.float16)
    about = {
        "method": method,
        "question": "Is there a dog?",
        "tokens": [[5, "Yes", 0.71], [2, "", 0.9]],
        "threshold": 0.5 if method != "vanilla" else None,
        "first_check": 3 if method != "vanilla" else None,
    }
    return Trace(
        attention=attention,
        original=attention,
        memory=None,
        uncertainty=np.tile(np.linspace(1, 0.2, LAYERS), (STEPS, 1)),
        stop_layer=np.full(STEPS, stop),
        views=views,
        meta={**about, **meta},
    )


@pytest.fixture
def pair():
    return [_trace(), _trace(CLVS_SPEC, seed=1, stop=4)]


def _texts(figure):
    return [t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text")) if t.get_text()]


def _maps(figure):
    return [ax for ax in figure.axes if len(ax.images) == 2]


# --- heat maps --------------------------------------------------------------------------------------------------


def test_one_row_a_method_and_one_column_a_layer_on_one_scale(pair):
    figure = figures.heatmaps(PICTURE, pair)
    maps = np.stack([np.float64(t.attention[0]).mean(axis=1) for t in pair])
    limits = scales.limits(maps, "shared", 0, 0)
    cells = _maps(figure)
    assert len(cells) == 2 * LAYERS
    for index, ax in enumerate(cells):
        row, layer = divmod(index, LAYERS)
        expected = scales.colour(scales.normalise(maps[row, layer].reshape(6, 6), *limits))
        assert (ax.images[1].get_array() == expected).all()
        assert ax.images[1].get_extent() == [16, 64, 48, 0]
        assert ax.images[0].get_extent() == [0, WIDTH, HEIGHT, 0]
    bar = figure.axes[-1]
    assert bar.get_ylim() == pytest.approx(limits)
    assert bar.get_ylabel() == "attention weight,\nmean of 2 heads, token 1"


def test_a_hot_token_shows_at_its_place_in_the_saved_picture():
    trace = _trace()
    trace.attention[:] = 0
    trace.attention[0, 2, :, 6 * 1 + 4] = 0.5  # row 1, column 4 of 6: x 48 to 56, y 8 to 16
    buffer = io.BytesIO()
    figure = figures.heatmaps(PICTURE, [trace], layers=[2], mode="map")
    figures.save(figure, buffer, "png")
    drawn = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
    box = _maps(figure)[0].get_position()
    height, width, _ = drawn.shape

    def at(x, y):
        column, row = box.x0 + x / WIDTH * box.width, box.y1 - y / HEIGHT * box.height
        return drawn[round((1 - row) * height), round(column * width)]

    assert at(52, 12) == pytest.approx(
        np.array(scales.lut("magma")[255]) * 0.92 + np.array((40, 90, 160)) * 0.08, abs=3
    )
    for x, y in ((44, 12), (60, 12), (52, 4), (52, 20)):
        assert at(x, y) == pytest.approx((40, 90, 160), abs=2)


def test_what_the_model_does_not_see_is_hatched(pair):
    boxes = [p for p in _maps(figures.heatmaps(PICTURE, pair))[0].patches if p.get_hatch()]
    assert [p.get_bbox().bounds for p in boxes] == [(0, 0, 16, 48), (64, 0, 16, 48)]
    whole = llava_views(HEIGHT, WIDTH, 48, 8, "pad")
    figure = figures.heatmaps(PICTURE, [_trace(views=whole)])
    assert not [p for ax in _maps(figure) for p in ax.patches if p.get_hatch()]


def test_methods_answers_and_stops_are_written_on_the_grid(pair):
    texts = _texts(figures.heatmaps(PICTURE, pair))
    assert {"Vanilla", "CLVS", "“Yes” 71%", "layer 1", "layer 6", "▼ stop", "Is there a dog?"} <= set(texts)
    assert "▼ stopped at 5" in _texts(figures.heatmaps(PICTURE, pair, layers=[0, 5]))
    assert not any("▼" in text for text in _texts(figures.heatmaps(PICTURE, pair, layers=[0, 3])))
    assert "“end” 90%" in _texts(figures.heatmaps(PICTURE, pair, step=1))


def test_deep_models_show_six_layers_from_first_to_last():
    trace = _trace()
    trace.attention = np.repeat(trace.attention, 6, axis=1)[:, :32]
    trace.attention = np.concatenate([trace.attention[:, :32]], axis=1)
    layers = [t for t in _texts(figures.heatmaps(PICTURE, [trace])) if t.startswith("layer ")]
    assert layers == ["layer 1", "layer 7", "layer 13", "layer 20", "layer 26", "layer 32"]
    layers = [t for t in _texts(figures.heatmaps(PICTURE, [trace], viewed=8)) if t.startswith("layer ")]
    assert layers == ["layer 1", "layer 7", "layer 9", "layer 13", "layer 20", "layer 26", "layer 32"]


def test_the_outline_follows_the_mask(pair):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[10:20, 30:50] = True
    plain, outlined = (_maps(figures.heatmaps(PICTURE, pair, outline=m))[0] for m in (None, mask))
    lines = [c for c in outlined.collections if c not in plain.collections]
    points = np.concatenate([path.vertices for line in lines for path in line.get_paths()])
    assert np.allclose(points.min(0), (30, 10), atol=0.51)
    assert np.allclose(points.max(0), (50, 20), atol=0.51)


def test_the_finest_grid_of_several_is_drawn():
    base = View(0, 2, 2, (0.0, 0.0, 80.0, 48.0), kind="base")
    tiles = View(4, 2, 4, (0.0, -4.0, 80.0, 52.0), stride=5, kind="tiles")
    trace = _trace(views=Views(WIDTH, HEIGHT, 14, (base, tiles)))
    image = _maps(figures.heatmaps(PICTURE, [trace], layers=[0]))[0].images[1]
    expected = np.float64(trace.attention[0, 0]).mean(0)[[[4, 5, 6, 7], [9, 10, 11, 12]]]
    assert image.get_array().shape == (2, 4, 4)
    assert image.get_extent() == [0, 80, 52, -4]
    assert image.get_array()[..., 3].argmax() == expected.argmax()


def _tiled(rows=2, cols=3, n=2):
    """Tiles of n x n tokens, row by row, then the whole picture in n x n tokens, as Idefics3 and InternVL do it."""
    wide, high = WIDTH / cols, HEIGHT / rows
    tiles = [
        View((r * cols + c) * n * n, n, n, (c * wide, r * high, (c + 1) * wide, (r + 1) * high), kind="tiles")
        for r in range(rows)
        for c in range(cols)
    ]
    base = View(len(tiles) * n * n, n, n, (0, 0, WIDTH, HEIGHT), kind="base")
    return Views(WIDTH, HEIGHT, (len(tiles) + 1) * n * n, (*tiles, base))


def _pixels(figure):
    """RGB of the first map's cell as saved, without its outermost 2 pixels."""
    buffer = io.BytesIO()
    figures.save(figure, buffer, "png")
    drawn = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
    box = next(ax for ax in figure.axes if len(ax.images) > 1).get_position()
    height, width, _ = drawn.shape
    top, bottom = round((1 - box.y1) * height) + 2, round((1 - box.y0) * height) - 2
    return drawn[top:bottom, round(box.x0 * width) + 2 : round(box.x1 * width) - 2]


def test_tiles_are_each_drawn_in_their_place_and_the_whole_picture_is_not():
    views = _tiled()
    trace = _trace(views=views)
    trace.attention[:] = 0
    trace.attention[0, 2, :, 4 * 4 + 1] = 0.5  # tile 5, its upper right token
    trace.attention[0, 2, :, 24] = 0.5  # the whole picture's first token
    figure = figures.heatmaps(PICTURE, [trace], layers=[2], mode="map")
    drawn = _pixels(figure)
    hot = np.abs(drawn - (40, 90, 160)).sum(axis=2) > 100
    rows, cols = np.nonzero(hot)
    scale = np.array(hot.shape) / (HEIGHT, WIDTH)
    # Tile 5 is the middle one below: x 26.7 to 53.3, y 24 to 48; its upper right quarter, within a picture pixel.
    found = np.array([rows.min(), cols.min(), rows.max() + 1, cols.max() + 1]) / np.tile(scale, 2)
    assert found == pytest.approx([24, 40, 36, 160 / 3], abs=1)
    assert hot.sum() / hot.size == pytest.approx(1 / 24, rel=0.1)


def test_tiles_meet_without_a_seam():
    trace = _trace(views=_tiled(rows=3, cols=4))
    trace.attention[:] = 0.1
    drawn = _pixels(figures.heatmaps(PICTURE, [trace], layers=[2]))
    assert (drawn == drawn[0, 0]).all()
    assert not (drawn[0, 0] == (40, 90, 160)).all()


@pytest.mark.parametrize("mode", ["layer", "map"])
def test_scales_of_their_own_get_no_numbers(pair, mode):
    figure = figures.heatmaps(PICTURE, pair, mode=mode)
    assert {"low", "high"} <= set(_texts(figure))
    assert any(f"own scale for each {mode}" in text for text in _texts(figure))


def _drawn(ax):
    return ax.images[1].get_array().reshape(-1, 4)


def test_a_head_power_colours_and_hidden_sinks_are_drawn_and_said(pair):
    figure = figures.heatmaps(PICTURE, pair, cmap="viridis", power=0.5, head=1, hidden=2, smooth=True)
    maps = np.stack([np.float64(t.attention[0])[:, 1] for t in pair])
    maps[:, :, scales.sinks(maps[0], 2)] = np.nan
    limits = scales.limits(maps, "shared", 0, 0)
    for index, ax in enumerate(_maps(figure)):
        row, layer = divmod(index, LAYERS)
        expected = scales.colour(scales.normalise(maps[row, layer], *limits, 0.5), "viridis")
        assert (_drawn(ax) == expected).all()
        assert ax.images[1].get_interpolation() == "bilinear"
    said = figure.axes[-1].get_ylabel()
    assert said.split(",\n")[1:] == [
        "head 2 of 2, token 1",
        "2 sink tokens hidden",
        "power 0.5",
        "smoothed for display",
    ]


def test_the_difference_is_a_row_of_its_own(pair):
    figure = figures.heatmaps(PICTURE, pair, compared=1, mode="layer")
    maps = np.stack([np.float64(t.attention[0]).mean(axis=1) for t in pair])
    difference = maps[1] - maps[0]
    cells = _maps(figure)
    assert len(cells) == 3 * LAYERS
    for layer, ax in enumerate(cells[2 * LAYERS :]):
        high = scales.signed_limit(difference, "layer", layer)
        expected = scales.colour(scales.normalise_signed(difference[layer], high), scales.DIVERGING)
        assert (_drawn(ax) == expected).all()
    assert {"Difference", "CLVS − Vanilla", "less", "more"} <= set(_texts(figure))
    assert "Difference" not in _texts(figures.heatmaps(PICTURE, pair[:1], compared=0)), "nothing to compare with"


def test_what_is_carried_and_sink_tokens_are_drawn_where_asked_for(pair):
    pair[1].memory = np.full(pair[1].attention.shape[:2] + pair[1].attention.shape[3:], 0.25, np.float16)
    pair[1].sinks = np.zeros((STEPS, LAYERS, VIEWS.visual), bool)
    pair[1].sinks[0, 2, 7] = True  # row 1, column 1 of 6: x 24 to 32, y 8 to 16
    figure = figures.heatmaps(PICTURE, pair, memory=True, rings=True)
    cells = _maps(figure)
    assert len(cells) == 3 * LAYERS
    assert "CLVS memory" in _texts(figure)
    rings = [(line.get_xdata()[0], line.get_ydata()[0]) for line in cells[LAYERS + 2].lines]
    assert set(rings) == {(28, 12)}
    assert not any(ax.lines for ax in (*cells[:LAYERS], *cells[2 * LAYERS :]))


def test_the_whole_picture_of_a_model_that_gets_it_twice():
    tiles = [View(4 * i, 2, 2, (32 * i, 0, 32 * i + 32, 96), kind="tiles") for i in range(3)]
    views = Views(96, 96, 16, (*tiles, View(12, 2, 2, (0, 0, 96, 96), kind="base")))
    figure = figures.heatmaps(Image.new("RGB", (96, 96)), [_trace(views=views)], grid="base")
    assert all(ax.images[1].get_extent() == [0, 96, 96, 0] for ax in _maps(figure))
    assert "whole picture" in figure.axes[-1].get_ylabel()


def test_only_what_the_model_sees_is_drawn_where_asked_for(pair):
    for ax in _maps(figures.heatmaps(PICTURE, pair, crop=True)):
        assert (ax.get_xlim(), ax.get_ylim()) == ((16, 64), (48, 0))
        assert ax.bbox.width == pytest.approx(ax.bbox.height)


def test_a_region_is_dashed_and_the_viewed_layer_bold(pair):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[10:20, 30:50] = True
    figure = figures.heatmaps(PICTURE, pair, region=mask, viewed=3)
    assert [line.get_linestyle()[0][1] for line in _maps(figure)[0].collections][1] is not None
    bold = [ax.get_title() for ax in _maps(figure) if ax.title.get_fontweight() == "bold"]
    assert bold == ["layer 4"]


def test_curves_say_whose_head_they_are_and_mark_the_viewed_layer(pair):
    ax = figures.curves(pair, CURVES, name="dog", head=1, viewed=2).axes[0]
    assert ax.get_ylabel() == "attention of head 2 on dog"
    assert [3, 3] in [list(line.get_xdata()) for line in ax.lines]
    marked = figures.uncertainty(pair, viewed=2).axes[0]
    assert [3, 3] in [list(line.get_xdata()) for line in marked.lines]


def test_a_head_that_there_is_not_is_refused(pair):
    with pytest.raises(ValueError, match="no head 3; the model has 2"):
        figures.heatmaps(PICTURE, pair, head=2)


def test_heat_maps_that_cannot_be_drawn_say_why(pair):
    small = Image.new("RGB", (40, 24))
    other = _trace(views=llava_views(HEIGHT, WIDTH, 48, 8, "pad"))
    for message, call in {
        "picture of 80 x 48 pixels, but this one is 40 x 24": lambda: figures.heatmaps(small, pair),
        "Layers must be between 1 and 6; got 7": lambda: figures.heatmaps(PICTURE, pair, layers=[6]),
        "Token 3 was not recorded; the longest answer has 2": lambda: figures.heatmaps(PICTURE, pair, step=2),
        "give at least one trace": lambda: figures.heatmaps(PICTURE, []),
        "different models or pictures": lambda: figures.heatmaps(PICTURE, [*pair, other]),
        "mask of 48 x 80 pixels": lambda: figures.heatmaps(PICTURE, pair, outline=np.ones((4, 4), bool)),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


# --- curves -----------------------------------------------------------------------------------------------------

CURVES = [np.tile([0.1, 0.2, 0.3, 0.2, 0.1, 0.05], (2, 1)), np.tile([0.1, 0.2, 0.35, 0.3, 0.25, 0.2], (2, 1))]


def _lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_curves_of_vanilla_are_dashed_circles_and_of_clvs_solid_dots(pair):
    ax = figures.curves(pair, CURVES, name="the dog").axes[0]
    lines = _lines(ax)
    assert list(lines) == ["Vanilla", "CLVS"]
    for line, curve in zip(lines.values(), CURVES, strict=True):
        assert line.get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
        assert line.get_ydata() == pytest.approx(curve[0])
    vanilla, clvs = lines.values()
    assert vanilla.is_dashed()
    assert not clvs.is_dashed()
    assert vanilla.get_marker() == clvs.get_marker() == "o"
    assert matplotlib.colors.to_rgb(vanilla.get_markerfacecolor()) == (1, 1, 1)
    assert clvs.get_markerfacecolor() == clvs.get_color() != vanilla.get_color()
    assert ax.get_ylabel() == "attention on the dog"
    assert ax.get_ylim()[0] == 0


def test_the_stop_stands_on_the_curve_at_its_layer(pair):
    ax = figures.curves(pair, CURVES).axes[0]
    (mark,) = [t for t in ax.texts if t.get_text() == "▼"]
    assert mark.xy == (5, 0.25)
    assert "smoothing stops" in _texts(ax.figure)
    never = figures.curves([pair[0]], CURVES[:1])
    assert not any("▼" in text or "smoothing" in text for text in _texts(never))


def test_gains_are_cut_at_100_percent_and_cuts_are_marked(pair):
    gain = np.array([0.0, 0.0, 16.7, 50.0, 150.0, np.inf])
    top, below = figures.curves(pair, CURVES, gains=[None, gain]).axes
    assert [bar.get_height() for bar in below.patches] == pytest.approx([0, 0, 16.7, 50, 100, 100])
    assert [t.xy[0] for t in below.texts if t.get_text() == "+"] == [5, 6]
    assert below.get_xlabel() == "layer"
    assert top.get_xlim() == below.get_xlim()


def test_a_method_that_ended_earlier_is_left_out(pair):
    short = _trace(CLVS_SPEC)
    short.attention = short.attention[:1]
    lines = _lines(figures.curves([pair[0], short], [CURVES[0], CURVES[1][:1]], step=1).axes[0])
    assert list(lines) == ["Vanilla"]


def test_settings_tell_two_runs_of_one_method_apart():
    traces = [_trace("clvs:alpha=0.5,beta=0.8"), _trace("clvs:alpha=0.9,beta=0.8"), _trace()]
    assert figures.labels(traces) == ["CLVS (α 0.5)", "CLVS (α 0.9)", "Vanilla"]
    lines = _lines(figures.curves(traces, [CURVES[0]] * 3).axes[0])
    assert len({(line.get_color(), line.get_marker()) for line in lines.values()}) == 3
    assert [line.is_dashed() for line in lines.values()] == [False, True, True]


FOUR = ["tarac:layers=2-3", "var:dims=3/11,tau=10", "pai+clvs:alpha=0.7", "adhh:heads=1-0/2-1,threshold=0.4"]


@pytest.mark.parametrize("specs", [["vanilla", *FOUR[1:]], FOUR, ["adhh", "vcd", "vanilla", "vaf:layers=1-2"]])
def test_four_methods_look_as_in_the_viewer_the_reference_first(specs):
    traces = [_trace(spec, seed=n) for n, spec in enumerate(specs)]
    lines = _lines(figures.curves(traces, [CURVES[0]] * 4).axes[0])
    assert list(lines) == figures.labels(traces)
    places = [specs.index("vanilla") if "vanilla" in specs else 0]
    places += [n for n in range(4) if n not in places]
    markers = {"ring": "o", "dot": "o", "square": "s", "diamond": "D"}
    for style, place in zip(scales.STYLES, places, strict=True):
        line = list(lines.values())[place]
        assert (line.get_color(), line.get_marker()) == (style.colour, markers[style.mark])
        assert line.is_dashed() == bool(style.dash)
        assert (line.get_markerfacecolor() == "white") == (style.mark == "ring")


def test_methods_are_called_what_they_are_called_on_the_page():
    assert figures.labels([_trace(spec) for spec in FOUR]) == ["TARAC", "VAR", "PAI + CLVS", "AD-HH"]


def test_a_method_keeps_its_look_where_the_reference_has_ended(pair):
    pair[0].attention = pair[0].attention[:1]
    line = _lines(figures.curves(pair, [CURVES[0][:1], CURVES[1]], step=1).axes[0])["CLVS"]
    assert (line.get_color(), line.is_dashed()) == (scales.STYLES[1].colour, False)


def test_settings_of_four_methods_stay_within_the_figure():
    specs = [f"{spec},{'' if 'clvs' in spec else 'rho=0.4,summ=0.3,'}first_check=3,beta=0.25" for spec in FOUR]
    traces = [_trace(spec, model="llava-1.5-7b") for spec in specs]
    for figure in (
        figures.heatmaps(PICTURE, traces),
        figures.curves(traces, [CURVES[0]] * 4),
        figures.uncertainty(traces),
    ):
        FigureCanvasAgg(figure).draw()
        about = [text for text in figure.texts if text.get_text().startswith("llava") or "β" in text.get_text()]
        assert len(about) > 1
        for text in figure.findobj(matplotlib.text.Text):
            box = text.get_window_extent()
            if text.get_text().strip():
                assert -1 <= box.x0 <= box.x1 <= figure.bbox.width + 1, text.get_text()
        lowest = min(text.get_window_extent().y0 for text in about)
        assert all(ax.get_tightbbox().y1 <= lowest + 1 for ax in figure.axes)


def test_curves_of_another_shape_are_refused(pair):
    with pytest.raises(ValueError, match=r"shape \(2, 6\), not \(6,\)"):
        figures.curves(pair, [CURVES[0][0], CURVES[1]])


def test_layers_of_deep_models_are_numbered_sparsely():
    trace = _trace()
    trace.attention = np.repeat(trace.attention, 6, axis=1)[:, :32]
    figure = figures.curves([trace], [np.full((2, 32), 0.1)])
    assert figure.axes[0].get_xticks().tolist() == [1, *range(4, 33, 2)]


# --- uncertainty ------------------------------------------------------------------------------------------------


def test_uncertainty_with_threshold_from_the_first_check_on(pair):
    ax = figures.uncertainty(pair).axes[0]
    lines = _lines(ax)
    assert lines["CLVS"].get_ydata() == pytest.approx(np.linspace(1, 0.2, 6))
    (threshold,) = [line for line in ax.lines if list(line.get_ydata()) == [0.5, 0.5]]
    assert 3 < threshold.get_xdata()[0] < 4
    assert "threshold 0.5" in _texts(ax.figure)
    assert [t.xy[0] for t in ax.texts if t.get_text() == "▼"] == [5]


def test_layers_that_were_not_measured_leave_a_gap(pair):
    pair[1].uncertainty[:, :3] = np.nan
    line = _lines(figures.uncertainty(pair).axes[0])["CLVS"]
    assert np.isnan(line.get_ydata()).tolist() == [True] * 3 + [False] * 3
    pair[1].uncertainty[:] = np.nan  # then there is no height for the stop either
    assert not any(t.get_text() == "▼" for t in figures.uncertainty(pair).axes[0].texts)


def test_layers_before_the_first_check_are_named_beside_the_plot(pair):
    ax = figures.uncertainty(pair).axes[0]
    assert "not checked here" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "not checked here" not in [text.get_text() for text in ax.texts]


def test_a_threshold_of_0_stops_nothing_and_is_not_drawn():
    texts = _texts(figures.uncertainty([_trace(CLVS_SPEC, threshold=0)]))
    assert not any("threshold" in text or "not checked" in text for text in texts)


def test_without_a_threshold_none_is_drawn():
    assert not any("threshold" in text for text in _texts(figures.uncertainty([_trace()])))


def test_percentages_on_the_axis_are_what_they_stand_at(pair):
    for high in (0.104, 0.9, 0.0021, 0.3):
        values = [np.full((2, LAYERS), high), np.zeros((2, LAYERS))]
        axis = figures.curves(pair, values).axes[0].yaxis
        ticks = axis.get_ticklocs()
        assert len(ticks) >= 3
        for tick, text in zip(ticks, axis.get_major_formatter().format_ticks(ticks), strict=True):
            assert float(text.removesuffix("%")) / 100 == pytest.approx(tick)


def test_model_and_settings_stand_below_the_question(pair):
    for trace in pair:
        trace.meta["model"] = "scenes"
    about = "Scenes 8M (embedded) · CLVS: β 0.8, first check at layer 4, γ 0.5"
    for figure in (figures.heatmaps(PICTURE, pair), figures.curves(pair, CURVES), figures.uncertainty(pair)):
        assert about in _texts(figure)
        figures.save(figure, io.BytesIO())
        (below,) = [text for text in figure.texts if text.get_text() == about]
        bottom = below.get_window_extent().y0
        assert all(ax.get_tightbbox().y1 <= bottom + 1 for ax in figure.axes)


# --- texts, files, threads --------------------------------------------------------------------------------------

HOSTILE = "Is $\\frac{1}{0$ <script>alert(1)</script>\n\x1b[31m & ]]> “狗”? " + "very " * 400


@pytest.mark.filterwarnings("ignore:Glyph")
def test_figures_say_whose_the_settings_are(pair):
    pair[1].meta["given"] = "clvs"
    pair[0].meta["given"] = "vanilla"
    about = "CLVS, card's settings for this model: β 0.8, first check at layer 4, γ 0.5"
    assert any(about in text for text in _texts(figures.uncertainty(pair)))


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_questions_are_text_and_nothing_else(ending):
    about = {"question": HOSTILE, "tokens": [[1, HOSTILE, 0.5], [2, "$x_{", float("nan")]]}
    traces = [_trace(f"clvs:{HOSTILE}=1", stop=3, **about), _trace("clvs:alpha=1", **about)]
    for figure in (
        figures.heatmaps(PICTURE, traces),
        figures.curves(traces, CURVES, name=HOSTILE),
        figures.uncertainty(traces, step=1),
    ):
        buffer = io.BytesIO()
        figures.save(figure, buffer, ending)
        if ending == "svg":
            tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(buffer.getvalue()).iter()}
            assert "script" not in tags
        assert max(map(len, _texts(figure))) < 200
        assert not any("\x1b" in text for text in _texts(figure))


@pytest.mark.parametrize(
    "meta",
    [
        {"tokens": None, "question": None, "threshold": "high", "first_check": "soon", "method": None},
        {"tokens": [1, 2], "threshold": float("nan"), "first_check": 99},
        {"tokens": [[1]], "threshold": 0.5, "first_check": -1, "question": 7},
        {"tokens": [[1, None, "x"]], "threshold": [0.5], "first_check": 2},
    ],
)
def test_odd_notes_in_a_loaded_trace_do_no_harm(meta):
    traces = [_trace(CLVS_SPEC, **meta)]
    for figure in (
        figures.heatmaps(PICTURE, traces),
        figures.curves(traces, CURVES[:1]),
        figures.uncertainty(traces),
    ):
        figures.save(figure, io.BytesIO())


def test_files_are_of_their_kind(pair, tmp_path):
    figure = figures.uncertainty(pair)
    for ending, start in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        figures.save(figure, tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)
        buffer = io.BytesIO()
        figures.save(figure, buffer, ending.upper())
        assert buffer.getvalue().startswith(start)
    with pytest.raises(ValueError, match="png, svg, pdf, not 'gif'"):
        figures.save(figure, tmp_path / "a.gif")


def test_threads_may_draw_at_once(pair):
    def draw(kind):
        buffer = io.BytesIO()
        figures.save(kind(), buffer)
        return buffer.getvalue()

    kinds = [
        lambda: figures.heatmaps(PICTURE, pair),
        lambda: figures.curves(pair, CURVES),
        lambda: figures.uncertainty(pair),
    ]
    alone = [draw(kind) for kind in kinds]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(draw, kinds * 2)) == alone * 2


def test_drawing_needs_no_pyplot():
    code = "import sys, viz.figures; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
