"""The paper's figures from run folders: what is drawn and said, whether texts overlap or are cut, and odd runs."""

import io
import itertools
import json
import math
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.text import Text

from clvs_core.analysis.convergence import binned, convergence
from clvs_core.analysis.decay import decay
from clvs_core.analysis.looking import looking
from clvs_core.analysis.sweep import sweeps
from clvs_core.benchmarks.report.paper_numbers import paper_tables
from clvs_core.benchmarks.running.folder import ANSWERS, read_run
from clvs_core.errors import ClvsError
from viz import scales
from viz.figures import paper, save
from viz.figures.convergence import convergence_figure
from viz.figures.decay import decay_figure
from viz.figures.looking import looking_figure
from viz.figures.mme import mme_figure
from viz.figures.peaks import peaks_figure
from viz.figures.runs import LOOKS

from ..benchmarks.made import made_run, pope_questions
from .test_scales import BLINDNESS, lab, linear

EIGHT = {name: name for name in ("vanilla", "clvs", "vcd", "pai", "var", "adhh", "vaf", "tarac")}
HOSTILE = "$\\frac{1}{0$ <script>alert(1)</script>\n\x1b[31m & " + "very " * 40


def specs(pairs):
    return {"vanilla": "vanilla"} | {text: text for text in (f"clvs:alpha={a},beta={b}" for a, b in pairs)}


def run_of(folder, benchmark="pope", **more):
    return read_run(made_run(folder, benchmark, **more))


def rewritten(run, change):
    rows = [row for row in map(change, [dict(row) for row in run.rows]) if row is not None]
    (run.folder / ANSWERS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_run(run.folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs by what they hold."""
    folder = tmp_path_factory.mktemp("runs")
    both, every = ("key_objects", "lens"), ("key_objects", "lens", "knockout")
    grid = itertools.product((0.4, 0.6, 0.8), (0.6, 0.8, 0.9))
    return {
        "pope": run_of(folder / "pope", records=both),
        "deep": run_of(folder / "deep", records=every, methods=EIGHT, layers=32),
        "mme": run_of(folder / "mme", "mme", methods=EIGHT),
        "alone": run_of(folder / "alone", "mme", model="scenes", label="Scenes"),
        "alpha": run_of(folder / "alpha", "amber", methods=specs((n / 10, 0.8) for n in range(11))),
        "beta": run_of(folder / "beta", "mme", methods=specs((0.8, n / 10) for n in range(11))),
        "grid": run_of(folder / "grid", "rbench", methods=specs(grid)),
    }


def drawn_texts(figure):
    """(text, box in pixels) of every text that is really drawn."""
    canvas, found = FigureCanvasAgg(figure), []
    draw = Text.draw

    def noted(self, renderer, *more, **settings):
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), self.get_window_extent(renderer)))
        return draw(self, renderer, *more, **settings)

    Text.draw = noted
    try:
        canvas.draw()
    finally:
        Text.draw = draw
    return found


def assert_legible(figure):
    """No text leaves the figure or meets another one, to half a pixel."""
    texts, boxes = zip(*drawn_texts(figure), strict=True)
    left, bottom, right, top = np.array([box.extents for box in boxes]).T
    outside = (left < -1) | (bottom < -1) | (right > figure.bbox.width + 1) | (top > figure.bbox.height + 1)
    assert [text for text, out in zip(texts, outside, strict=True) if out] == []
    wide = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    high = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom)
    meet = np.triu((wide > 0.5) & (high > 0.5), 1)
    assert [(texts[one], texts[other]) for one, other in np.argwhere(meet)] == []


def said(figure):
    return "\n".join(text for text, _ in drawn_texts(figure))


def lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# --- all of them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [3.3, 6.0])
def test_no_text_is_cut_or_overlaps_another(made, width):
    for name in ("pope", "deep", "mme", "alpha", "grid"):
        run = made[name]
        for kind, figure in paper.figures([run], width).items():
            assert figure.get_figwidth() == width
            assert_legible(figure)
            caption = figure.get_supxlabel()
            assert run.benchmark.label in caption, (name, kind)
            assert run.about["model"]["label"] in caption
            assert "question" in caption


@pytest.mark.parametrize("width", [3.3, 6.0])
def test_untrusted_names_are_text_of_limited_length(tmp_path, width):
    methods = {"vanilla": "vanilla", HOSTILE: "mine:" + HOSTILE.replace(",", ""), "clvs": "clvs"}
    runs = [
        run_of(tmp_path / "a", methods=methods, records=("key_objects", "lens", "knockout"), label=HOSTILE),
        run_of(tmp_path / "b", "mme", methods=methods, label=HOSTILE),
    ]
    for name, figure in paper.figures(runs, width).items():
        assert_legible(figure)
        buffer = io.BytesIO()
        if name in ("decay", "mme"):
            save(figure, buffer, "svg")
            tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(buffer.getvalue()).iter()}
            assert "script" not in tags
        assert not any("\x1b" in text.get_text() for text in figure.findobj(Text))


def test_each_figure_is_drawn_for_which_there_is_a_run(made):
    one = paper.figures([made["pope"]])
    assert list(one) == ["decay", "decay-share", "convergence", "peaks"]
    assert set(paper.missing([made["pope"]])) == {"mme", "sweep-alpha", "sweep-beta", "sweep-grid", "looking"}
    every = paper.figures(list(made.values()))
    several = {"decay", "decay-share", "convergence", "peaks", "mme", "sweep-alpha", "sweep-beta"}
    assert [name for name in every if name.startswith("decay")] == [
        *("decay-pope", "decay-deep"),
        *("decay-share-pope", "decay-share-deep"),
    ]
    assert [name for name in every if name.startswith("mme")] == ["mme-mme", "mme-alone", "mme-beta"]
    assert {name.rpartition("-")[0] or name for name in every} == several | {"sweep", "looking"}
    assert "sweep-grid" in every
    assert paper.missing(list(made.values())) == {}


def test_what_is_missing_is_said_in_a_sentence_each():
    found = paper.missing([])
    assert list(found) == list(paper.KINDS)
    assert all(reason[0].isupper() and reason.endswith(".") and reason.count(". ") == 0 for reason in found.values())
    assert paper.figures([]) == {}


def test_a_damaged_record_takes_its_figures_away_and_no_others(made, tmp_path):
    run = run_of(tmp_path / "odd", records=("key_objects", "lens"))
    first = next(row["id"] for row in run.rows if "attention" in row)
    odd = rewritten(run, lambda row: row | ({"attention": "x"} if row["id"] == first else {}))
    assert list(paper.figures([odd])) == ["convergence"]
    found = paper.missing([odd])
    assert list(found) == list(paper.KINDS[:2]) + list(paper.KINDS[3:])
    reason = f"In {odd.folder} the attention of question {first} is no list of numbers; run the benchmark anew."
    assert {found[kind] for kind in ("decay", "decay-share", "peaks")} == {reason}
    assert list(paper.figures([odd, made["pope"]])) == [
        "decay",
        "decay-share",
        "convergence-odd",
        "convergence-pope",
        "peaks",
    ]
    assert {"decay-odd", "decay-share-odd", "peaks-odd"} < set(paper.missing([odd, made["pope"]]))
    short = rewritten(run, lambda row: row | ({"uncertainty": [0.1]} if row["id"] == first else {}))
    assert "convergence" not in paper.figures([short])
    assert "different numbers of layers" in paper.missing([short])["convergence"]
    nothing = rewritten(run, lambda row: row | {"picture_attention": [0.0] * 12})
    assert list(paper.figures([nothing])) == ["decay", "convergence", "peaks"]
    assert "draw the figure without share" in paper.missing([nothing])["decay-share"]


def test_optional_facts_of_a_run_may_be_absent(tmp_path):
    needed = {"format", "benchmark", "methods", "prompt", "max_new_tokens", "questions"}
    for name, kinds in (
        ("pope", ["decay", "decay-share", "convergence", "peaks", "sweep-alpha"]),
        ("mme", ["mme", "sweep-alpha"]),
    ):
        records = ("key_objects", "lens") if name == "pope" else ()
        methods = specs((n / 10, 0.8) for n in range(6, 9))
        folder = made_run(tmp_path / name, name, methods=methods, records=records)
        about = json.loads((folder / "run.json").read_text())
        bare = {key: value for key, value in about.items() if key in needed} | {"model": {}}
        (folder / "run.json").write_text(json.dumps(bare))
        assert list(paper.figures([read_run(folder)])) == kinds


def test_folders_of_one_name_do_not_overwrite_each_other(tmp_path):
    runs = [run_of(tmp_path / place / "a b", records=("lens",)) for place in ("one", "two")]
    assert list(paper.figures(runs)) == ["convergence-a-b", "convergence-a-b-2"]


def test_files_are_png_and_svg(made, tmp_path):
    paths = paper.save_all([made["pope"]], tmp_path / "new" / "figures")
    assert [path.name for path in paths] == [
        f"{name}.{ending}" for name in ("decay", "decay-share", "convergence", "peaks") for ending in ("png", "svg")
    ]
    assert all(path.read_bytes().startswith((b"\x89PNG", b"<?xml")) for path in paths)
    (tmp_path / "file").write_text("")
    with pytest.raises(ClvsError, match=r"cannot be written to .*file .*; name another folder"):
        paper.save_all([made["pope"]], tmp_path / "file")


def test_threads_may_draw_at_once(made):
    def draw(number):
        buffer = io.BytesIO()
        save(decay_figure(made["pope"]) if number % 2 else mme_figure(made["alone"]), buffer)
        return buffer.getvalue()

    alone = [draw(0), draw(1)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, range(6))) == alone * 3


def test_eight_methods_can_be_told_apart_whatever_the_colour_blindness():
    looks = LOOKS
    for matrix in BLINDNESS.values():
        seen = [lab(np.array(matrix) @ linear(look.colour)) for look in looks]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20
    assert len({(look.marker, look.hollow) for look in looks}) == len({look.dash for look in looks}) == len(looks)


# --- key objects --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [False, True])
def test_decay_has_a_line_a_band_and_a_marked_peak_for_each_method(made, share):
    run = made["pope"]
    figure = decay_figure(run, share=share)
    (ax,) = figure.axes
    found = decay(run)
    drawn = lines(ax)
    for (label, line), fall, style, band in zip(
        drawn.items(), found.falls.values(), scales.STYLES, ax.collections, strict=False
    ):
        expected = fall.share if share else fall.attention
        assert line.get_xdata().tolist() == list(range(1, 13))
        assert line.get_ydata() == pytest.approx(expected.value)
        assert line.get_color() == style.colour
        assert line.is_dashed() == bool(style.dash)
        corners = band.get_paths()[0].vertices
        for layer in range(12):
            ends = corners[corners[:, 0] == layer + 1, 1]
            assert (ends.min(), ends.max()) == pytest.approx((expected.low[layer], expected.high[layer]))
        peak = int(np.argmax(expected.value))
        assert label.endswith(f"peak at layer {peak + 1}")
        rings = [
            line
            for line in ax.lines
            if list(line.get_xdata()) == [peak + 1] and line.get_markeredgecolor() == style.colour
        ]
        assert [ring.get_ydata()[0] for ring in rings] == pytest.approx([expected.value[peak]])
    assert [label.partition(",")[0] for label in drawn] == ["Vanilla", "CLVS"]
    caption = figure.get_supxlabel()
    assert f"{len(found.samples.ids)} questions on 6 pictures" in caption
    assert ("Median half-life in layers: Vanilla ∞, CLVS ∞" in caption) is not share
    assert {fall.half_life for fall in found.falls.values()} == {math.inf}


def test_vanilla_is_on_top_and_many_methods_have_no_bands(made):
    """VCD leaves the weights alone: its line is vanilla's."""
    for name, bands in (("pope", 2), ("deep", 0)):
        figure = decay_figure(made[name])
        (ax,) = figure.axes
        vanilla, *others = lines(ax).values()
        assert vanilla.get_zorder() > max(line.get_zorder() for line in others)
        assert len(ax.collections) == bands
        assert ("bootstrap" in figure.get_supxlabel()) == bool(bands)


def test_peaks_have_ticks(tmp_path):
    def change(row):
        if "attention" in row:
            peak = {"vanilla": 16, "clvs": 17}[row["method"]]
            row["attention"] = [0.5 if layer == peak else 0.1 for layer in range(32)]
        return row

    run = rewritten(run_of(tmp_path / "run", records=("key_objects",), layers=32), change)
    (ax,) = decay_figure(run, width=3.3).axes
    assert ax.get_xticks().tolist() == [1, 4, 8, 12, 17, 20, 24, 28, 32]
    assert ax.get_xticks(minor=True).tolist() == [18]  # no room for its number


def test_one_method_of_each_kind_is_drawn_unless_others_are_asked_for(tmp_path):
    methods = specs((a / 10, 0.8) for a in range(11)) | {"pai": "pai"}
    run = run_of(tmp_path / "run", methods=methods, records=("key_objects",))
    assert [name.partition(",")[0] for name in lines(decay_figure(run).axes[0])] == ["Vanilla", "CLVS", "PAI"]
    names = ["clvs:alpha=0.3,beta=0.8", "clvs:alpha=0.8,beta=0.8"]
    shown = lines(decay_figure(run, names).axes[0])
    assert [name.partition(",")[0] for name in shown] == ["CLVS (α 0.3)", "CLVS (α 0.8)"]


def test_peaks_are_bars_and_gains_lines_over_shaded_layers(made):
    run = made["pope"]
    found = decay(run)
    figure = peaks_figure(run)
    left, right = figure.axes
    bars = [bar for bar in left.patches if bar.get_height() > 0]
    for number, fall in enumerate(found.falls.values()):
        own = {
            round(bar.get_x() + bar.get_width() / 2 - (number - 0.5) * 0.42): bar.get_height()
            for bar in bars
            if to_hex(bar.get_edgecolor()) == scales.STYLES[number].colour
        }
        counts = {layer + 1: count / len(fall.peaks) for layer, count in enumerate(fall.peak_counts) if count}
        assert own == pytest.approx(counts)
    gain = found.gains["clvs"]
    assert lines(right)["CLVS"].get_ydata() == pytest.approx(gain.by_layer.value)
    (span,) = right.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == (6.5, 7.5)
    caption = " ".join(figure.get_supxlabel().split())
    assert "each cut at 100%" in caption
    assert f"Mean gain in layer 7 (shaded): CLVS {gain.mean.value:+.1%}".replace("-", "−") in caption
    assert legend(figure) == ["Vanilla", "CLVS"]
    asked = peaks_figure(run, layers=(2, 4))
    assert "Mean gain in layers 3 to 5" in asked.get_supxlabel()


def test_more_than_three_methods_peak_as_lines(made):
    figure = peaks_figure(made["deep"])
    found = decay(made["deep"])
    left, right = figure.axes
    assert not left.patches
    for line, fall in zip(left.lines, found.falls.values(), strict=True):
        assert line.get_ydata() == pytest.approx(fall.peak_counts / len(fall.peaks))
    assert list(lines(right)) == ["CLVS", "VCD", "PAI", "VAR", "AD-HH", "VAF", "TARAC"]
    assert not right.collections  # no bands
    assert left.lines[0].get_zorder() > max(line.get_zorder() for line in left.lines[1:])
    assert "layers 16 to 18" in figure.get_supxlabel()


def test_samples_without_a_gain_are_counted_in_the_caption(tmp_path):
    run = run_of(tmp_path / "run", records=("key_objects",))
    assert "have no gain" not in peaks_figure(run).get_supxlabel()

    def change(row):
        if row["method"] == "vanilla" and row.get("attention"):
            row["attention"] = [0.0, *row["attention"][1:]]
        return row

    number = len(decay(run).samples.ids)
    assert f"Up to {number} questions" in peaks_figure(rewritten(run, change)).get_supxlabel()


def test_without_vanilla_there_are_peaks_alone(tmp_path):
    run = run_of(tmp_path / "run", methods={"clvs": "clvs", "pai": "pai"}, records=("key_objects",))
    assert len(peaks_figure(run).axes) == 1


def test_one_question_is_drawn_without_bands(tmp_path):
    run = run_of(tmp_path / "run", questions=pope_questions(1)[:1], records=("key_objects", "lens"))
    for figure in paper.figures([run]).values():
        assert_legible(figure)
        assert "1 question" in figure.get_supxlabel()
        assert "1 questions" not in figure.get_supxlabel()
        assert "nan" not in said(figure)


def test_a_figure_that_cannot_be_drawn_says_why(made, tmp_path):
    for draw in (decay_figure, peaks_figure, convergence_figure, mme_figure):
        with pytest.raises(ClvsError, match=r"(holds no|is a run of AMBER).*;"):
            draw(made["alpha"])
    run = run_of(tmp_path / "run", records=("key_objects",))
    bare = rewritten(run, lambda row: {key: value for key, value in row.items() if key != "picture_attention"})
    with pytest.raises(ClvsError, match="without share"):
        decay_figure(bare, share=True)
    (tmp_path / "run" / ANSWERS).write_text("")
    begun = read_run(tmp_path / "run")
    assert paper.figures([begun]) == {}


# --- uncertainty --------------------------------------------------------------------------------------


def test_convergence_has_both_distributions_the_curve_and_binned_shares(made):
    run = made["pope"]
    found = convergence(run)
    figure = convergence_figure(run)
    left, right = figure.axes
    edges = np.linspace(0, 1, 21)
    for stairs, flags in zip(left.patches, (found.flags, ~found.flags), strict=True):
        values = found.uncertainty[flags]
        assert stairs.get_data().values == pytest.approx(np.histogram(values, edges)[0] / len(values))
    share, low, high, count = binned(found.uncertainty, found.flags, np.linspace(0, 1, 11))
    (bars,) = [one for one in right.containers if isinstance(one, ErrorbarContainer)]
    points, _, (sticks,) = bars
    assert points.get_ydata() == pytest.approx(share[count > 0])
    ends = np.array([segment[:, 1] for segment in sticks.get_segments() if len(segment)])
    known = np.isfinite(low)
    assert ends == pytest.approx(np.stack([low, high], axis=1)[known])
    assert set(share[(count > 0) & ~known]) == {0, 1}  # where every resample gives the same number
    curve = lines(right)["logistic regression"]
    assert curve.get_ydata() == pytest.approx(found.fit.share(curve.get_xdata()))
    assert list(lines(right)["γ 0.5"].get_xdata()) == [0.5, 0.5]
    caption = " ".join(figure.get_supxlabel().split())
    assert f"r = {found.fit.correlation:.2f}".replace("-", "−") in caption
    assert f"half have converged at {found.fit.half_converged:.2f}" in caption
    assert f"{found.stops.too_early.value:.1%} before they have converged" in caption
    assert "108 questions, 1,296 observations (questions × layers), Vanilla" in caption


@pytest.mark.parametrize("flag", [True, False])
def test_where_all_or_none_has_converged_nothing_is_fitted(tmp_path, flag):
    run = run_of(tmp_path / "run", records=("lens",))
    run = rewritten(run, lambda row: row | {"converged": [flag] * 12})
    figure = convergence_figure(run)
    assert_legible(figure)
    assert "logistic regression" not in legend(figure)
    assert ("converged" if flag else "not converged") in legend(figure)
    assert "nothing can be fitted" in " ".join(figure.get_supxlabel().split())
    assert "nan" not in said(figure)


def test_layers_that_were_not_measured_are_left_out(tmp_path):
    run = run_of(tmp_path / "run", records=("lens",))
    run = rewritten(run, lambda row: row | {"uncertainty": [None] * 4 + row["uncertainty"][4:]})
    figure = convergence_figure(run)
    assert "864 observations" in figure.get_supxlabel()
    none = rewritten(run, lambda row: row | {"uncertainty": [None] * 12})
    assert_legible(convergence_figure(none))


# --- MME ----------------------------------------------------------------------------------------------


def bars_of(ax, label):
    return [bar for one in ax.containers if isinstance(one, BarContainer) and one.get_label() == label for bar in one]


def test_mme_has_a_bar_and_an_interval_for_each_task_and_method(made):
    run = made["mme"]
    figure = mme_figure(run)
    scores = {name: run.benchmark.score(run.questions, run.answers[name]) for name in run.methods}
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "existence",
        "count",
        "position",
        "color",
        "OCR",
        "total",
    ]
    for ax in figure.axes:
        group = ax.get_title(loc="left")
        official = [s.official["total"] if group == "total" else s.official[group]["score"] for s in scores.values()]
        assert [bar.get_width() for bar in bars_of(ax, "ours")] == pytest.approx(official)
        assert [to_hex(bar.get_facecolor()) for bar in bars_of(ax, "ours")] == [look.colour for look in LOOKS]
        assert [text.get_text() for text in ax.texts] == [f"{value:.0f}" for value in official]
        ends = [one.lines[2][0].get_segments()[0][:, 0] for one in ax.containers if isinstance(one, ErrorbarContainer)]
        honest = [(s.groups[group].score.low, s.groups[group].score.high) for s in scores.values()]
        assert np.array(ends[::2]) == pytest.approx(np.array([pair for pair in honest if None not in pair]))
        assert ax.get_xlim() == (0, 1000 if group == "total" else 200)
        assert not bars_of(ax, "paper")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][:2] == ["Vanilla", "CLVS"]
    assert "60 questions on 30 pictures" in figure.get_supxlabel()
    assert not figure.legends


def test_a_score_that_every_resample_gives_has_no_interval(tmp_path):
    run = run_of(tmp_path / "run", "mme", answer=lambda q, m: "Yes" if m == "vanilla" else q.label)
    figure = mme_figure(run)
    for ax, group in zip(figure.axes, ("existence", "count", "position", "color", "OCR", "total"), strict=True):
        assert not [one for one in ax.containers if isinstance(one, ErrorbarContainer)], group
        assert len(bars_of(ax, "ours")) == 2
    assert "none where every resample gives the same number" in figure.get_supxlabel()


def test_the_papers_bars_stand_below_ours_for_its_own_models_only(made):
    figure = paper.figures([made["mme"]])["mme"]
    (table,) = [table for table in paper_tables() if table.benchmark == "mme"]
    printed = table.values["LLaVA-1.5-7B"]
    for number, ax in enumerate(figure.axes):
        expected = [printed[name][number] for name in ("Vanilla", "CLVS", "VCD", "PAI", "VAR", "AD-HH", "VAF", "TARAC")]
        assert [bar.get_width() for bar in bars_of(ax, "paper")] == expected
    assert legend(figure) == ["this run, 95% interval", "the paper's"]
    assert not any(bars_of(ax, "paper") for ax in paper.figures([made["alone"]])["mme"].axes)


def test_the_paper_may_lack_a_method(made):
    figure = mme_figure(made["mme"], {"CLVS": {"existence": 195.0}})
    assert [bar.get_width() for bar in bars_of(figure.axes[0], "paper")] == [195.0]
    assert not bars_of(figure.axes[1], "paper")


def test_only_pictures_with_all_answers_count(tmp_path):
    run = run_of(tmp_path / "run", "mme")
    gone = {"color/0001/no", "OCR/0002/yes"}
    cut = rewritten(run, lambda row: None if row["id"] in gone and row["method"] == "clvs" else row)
    assert "56 questions on 28 pictures" in mme_figure(cut).get_supxlabel()


# --- sweeps -------------------------------------------------------------------------------------------


def test_a_sweep_has_scores_with_intervals_vanilla_and_the_cards_setting(made):
    run = made["alpha"]
    (sweep,) = sweeps(run)
    figure = paper.figures([run])["sweep-alpha"]
    for ax, measure in zip(figure.axes, ("accuracy", "F1"), strict=True):
        drawn = lines(ax)
        scores = [point.scores[measure] for point in sweep.points]
        assert drawn["CLVS"].get_xdata() == pytest.approx([n / 10 for n in range(11)])
        assert drawn["CLVS"].get_ydata() == pytest.approx([score.value for score in scores])
        corners = ax.collections[0].get_paths()[0].vertices
        assert (corners[:, 1].min(), corners[:, 1].max()) == pytest.approx(
            (min(score.low for score in scores), max(score.high for score in scores))
        )
        assert set(drawn["Vanilla"].get_ydata()) == {sweep.vanilla[measure].value}
        assert drawn["Vanilla"].is_dashed()
        ring = drawn["the model card's setting"]
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (0.8, scores[8].value)
        assert ax.get_xlabel() == "α"
        assert ax.get_ylabel() == f"{measure} (%)"
    assert "CLVS: β 0.8" in figure.get_supxlabel()
    assert "48 questions on 6 pictures" in figure.get_supxlabel()
    caption = " ".join(figure.get_supxlabel().split())
    change = sweep.change(sweep.points[8])["accuracy"]
    ends = f"{change.value:+.1f} ({change.low:+.1f} to {change.high:+.1f})".replace("-", "−")
    assert f"setting minus Vanilla, paired: accuracy {ends}, F1" in caption
    assert "Wilson's for the band of accuracy" in caption


def test_repeated_questions_have_no_wilson_interval_in_a_sweep(tmp_path):
    questions = [replace(q, text="Is there a thing in the image?") for q in pope_questions()]
    run = run_of(tmp_path / "run", methods=specs((n / 10, 0.8) for n in range(6, 9)), questions=questions)
    assert sweeps(run)[0].asks_twice
    assert "Wilson" not in paper.figures([run])["sweep-alpha"].get_supxlabel()


def test_a_sweep_of_mme_is_of_its_total(made):
    figure = paper.figures([made["beta"]])["sweep-beta"]
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("β", "total score")
    assert "Wilson" not in figure.get_supxlabel()


def test_without_vanilla_or_the_cards_setting_neither_is_drawn(tmp_path):
    methods = {text: text for text in (f"clvs:alpha={a},beta=0.8" for a in (0.1, 0.2, 0.3))}
    figure = paper.figures([run_of(tmp_path / "run", methods=methods)])["sweep-alpha"]
    assert legend(figure) == ["CLVS"]


def test_a_grid_is_two_maps_with_the_cards_setting_framed(made):
    run = made["grid"]
    sweep = sweeps(run)[-1]
    figure = paper.figures([run])["sweep-grid"]
    maps = [ax for ax in figure.axes if ax.images]
    for ax, measure in zip(maps, ("accuracy", "F1"), strict=True):
        values = ax.images[0].get_array()
        for point in sweep.points:
            row, column = (0.6, 0.8, 0.9).index(point.beta), (0.4, 0.6, 0.8).index(point.alpha)
            assert values[row, column] == pytest.approx(point.scores[measure].value)
        assert {(patch.get_x(), patch.get_y()) for patch in ax.patches} == {(1.5, 0.5)}
        assert ax.get_title(loc="left").endswith(f"Vanilla {sweep.vanilla[measure].value:.1f}")
        assert [text.get_text() for text in ax.get_xticklabels()] == ["0.4", "0.6", "0.8"]
    assert legend(figure) == ["the model card's setting"]


def test_settings_that_a_grid_lacks_are_grey(tmp_path):
    pairs = list(itertools.product((0.4, 0.6, 0.8, 0.9), (0.6, 0.7, 0.8, 0.9)))
    pairs.remove((0.6, 0.7))
    figure = paper.figures([run_of(tmp_path / "run", methods=specs(pairs))])["sweep-grid"]
    (image,) = figure.axes[0].images
    assert np.argwhere(np.ma.getmaskarray(image.get_array())).tolist() == [[1, 1]]
    assert to_rgb(image.get_cmap().get_bad()) == to_rgb("#d8dce2")


# --- beyond the paper: which layers' looking matters --------------------------------------------------


def test_looking_is_drawn_above_attention_and_gain_on_the_same_layers(made):
    run = made["deep"]
    figure, found = looking_figure(run), looking(run)
    top, middle, bottom = figure.axes
    assert {ax.get_xlim() for ax in figure.axes} == {(0.4, 32.6)}
    boxes = [ax.get_position() for ax in figure.axes]
    assert boxes[0].y0 > boxes[1].y0 > boxes[2].y0
    for name in run.methods:
        assert lines(top)[name].get_ydata() == pytest.approx(found.lost(name).mean)
    (band,) = top.collections
    ends = band.get_paths()[0].vertices
    spread = found.lost("vanilla")
    for layer in range(32):
        held = ends[ends[:, 0] == layer + 1, 1]
        assert (held.min(), held.max()) == pytest.approx((spread.low[layer], spread.high[layer]))
    (both,) = (line for line in top.lines if line.get_label() == "_both")
    assert both.get_ydata() == pytest.approx(found.lost("vanilla", "both").mean)
    assert lines(middle)["CLVS"].get_ydata() == pytest.approx(found.attention("clvs").value)
    assert lines(bottom)["CLVS"].get_ydata() == pytest.approx(found.gain("clvs").by_layer.value)
    assert "Vanilla" not in lines(bottom)
    caption = figure.get_supxlabel().replace("\n", " ")
    assert f"CLVS {found.shares('clvs').added_there.value:.0%}" in caption
    assert f"{len(found.samples.ids)} questions about" in caption


def test_layers_around_which_more_than_half_is_lost_are_shaded_everywhere(made):
    figure, found = looking_figure(made["deep"]), looking(made["deep"])
    matter = [layer + 0.5 for layer in np.flatnonzero(found.lost("vanilla").mean > 0.5)]
    for ax in figure.axes:
        assert [patch.get_x() for patch in ax.patches] == pytest.approx(matter)
    assert ("vanilla loses more than half" in legend(figure)) == bool(matter)
