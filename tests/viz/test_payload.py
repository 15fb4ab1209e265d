"""The payload: raw weights that survive the trip, honest geometry, and limits."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.models.geometry.llava import llava_views
from tests import viewer_fakes as fakes
from viz.viewer.particulars import CONTRAST_WORDS
from viz.viewer.payload import HEADS_BUDGET, Comparison, _affordable, build, contours, decode, empty, simplify


def test_weights_survive_the_trip_as_means_of_heads():
    runs = fakes.pair()
    arrays = decode(json.loads(json.dumps(fakes.payload(runs))))
    for run in runs:
        mean = run.trace.attention.astype(np.float64).mean(axis=2)
        assert np.array_equal(arrays[f"attention/{run.method.name}"], mean.astype(np.float16))
        assert np.array_equal(arrays[f"heads/{run.method.name}"], run.trace.attention)
    assert np.array_equal(arrays["memory/clvs"], runs[1].trace.memory)
    assert "memory/vanilla" not in arrays


def test_objects_carry_their_share_of_each_token():
    payload = fakes.payload()
    dog = decode(payload)["coverage"][0].reshape(fakes.SIDE, fakes.SIDE)
    assert dog.sum() == 9
    assert dog[:3, :3].all()
    assert [(o["name"], o["on"], o["area"]) for o in payload["objects"]] == [("dog", True, 0.25), ("cat", False, 0.25)]


def test_answers_stops_and_thresholds_are_told_per_method():
    vanilla, smoothed = fakes.payload()["methods"]
    assert [t["text"] for t in smoothed["tokens"]] == ["no", ""]
    assert smoothed["stop"] == [6, 6]
    assert vanilla["stop"] == [-1, -1]
    assert (smoothed["threshold"], smoothed["first_check"]) == (0.5, 5)
    assert vanilla["threshold"] is None
    assert smoothed["uncertainty"][0][:5] == [None] * 5
    assert vanilla["lens"] is None


def test_the_lens_tells_words_and_shares():
    entry = fakes.payload(fakes.pair(lens=True))["methods"][1]
    assert entry["lens"][0][3] == [["yes", 0.5], ["no", 0.25], ["dog", 0.125]]


def test_one_payload_is_plain_json_without_nan():
    json.dumps(fakes.payload(), allow_nan=False)


def test_methods_that_share_a_name_get_keys_and_labels_of_their_own():
    runs = [fakes.run(clvs.CLVS()), fakes.run(clvs.CLVS())]
    runs[1].trace.meta["method"] = "clvs:alpha=0.5,beta=0.8"
    first, second = fakes.payload(runs)["methods"]
    assert (first["key"], second["key"]) == ("clvs", "clvs-2")
    assert (first["label"], second["label"]) == ("CLVS (α 0.8)", "CLVS (α 0.5)")


def test_a_running_payload_has_no_heads_and_may_have_no_runs():
    views = fakes.pair()[0].trace.views
    waiting = build(Comparison([], "x", views=views, methods=[clvs.Vanilla()], status="running", progress="reading"))
    assert waiting["methods"][0]["tokens"] == []
    assert decode(waiting) == {}
    assert not any(name.startswith("heads/") for name in decode(fakes.payload(status="running")))


def test_a_long_answer_is_not_sent_again_with_every_token(monkeypatch):
    maps = 2 * 3 * fakes.LAYERS * fakes.SIDE**2  # two attentions and a memory of one token
    monkeypatch.setattr("viz.viewer.payload.STREAM_BUDGET", 2 * maps)
    answers = [[fakes.run(m, words=("a", "b", "c", "d")[:n]) for m in (clvs.Vanilla(), clvs.CLVS())] for n in (1, 3, 4)]
    for number, runs in enumerate(answers):  # so that tokens differ
        for run in runs:
            run.trace.attention = run.trace.attention * np.arange(1, 5)[: len(run.tokens), None, None, None]
        payload = fakes.payload(runs, status="running")
        assert {len(m["tokens"]) for m in payload["methods"]} == {(1, 3, 4)[number]}
        whole, part = decode(fakes.payload(runs)), decode(payload)
        for name in ("attention/vanilla", "attention/clvs", "memory/clvs"):
            assert len(whole[name]) == (1, 3, 4)[number]
            assert len(part[name]) == min(2, len(whole[name]))
            assert np.array_equal(part[name], whole[name][:2])
    running = [fakes.payload(runs, status="running")["blob"] for runs in answers]
    assert len(running[0]) < len(running[1])
    assert running[1] == running[2]  # and so no difference for Gradio to send


def test_the_first_token_is_always_sent(monkeypatch):
    monkeypatch.setattr("viz.viewer.payload.STREAM_BUDGET", 1)
    assert len(decode(fakes.payload(status="running"))["attention/clvs"]) == 1


def test_the_embedded_models_longest_answer_fits_while_it_is_written():
    cheap = np.broadcast_to(np.float16(0.001), (64, 12, 1, 144))
    traces = [
        SimpleNamespace(attention=cheap, carries=None),
        SimpleNamespace(attention=cheap, memory=cheap[:, :, 0], carries="memory"),
    ]
    assert _affordable([SimpleNamespace(trace=trace) for trace in traces]) >= 64


def test_heads_are_left_out_when_they_would_be_large():
    runs = fakes.pair()
    for run in runs:
        run.trace.attention = np.repeat(run.trace.attention, HEADS_BUDGET // run.trace.attention.nbytes + 1, axis=2)
    assert not any(name.startswith("heads/") for name in decode(fakes.payload(runs)))


def test_five_methods_are_refused_and_so_is_nothing_at_all():
    with pytest.raises(ValueError, match="at most 4 methods, got 5"):
        build(Comparison([fakes.run(clvs.Vanilla())] * 5, image_url="x"))
    with pytest.raises(ValueError, match="needs runs"):
        build(Comparison([], image_url="x"))


def test_a_mask_or_coverage_of_another_picture_is_refused():
    runs = fakes.pair()
    views = runs[0].trace.views
    dog = fakes.box_object("dog", views, 0, 0, 48, 48)
    small = fakes.MapObject("dog", dog.mask[:10], dog.coverage)
    with pytest.raises(ValueError, match="'dog' must have the picture's size 96 x 96"):
        fakes.payload(runs, [small])
    with pytest.raises(ValueError, match="36 visual tokens"):
        fakes.payload(runs, [fakes.MapObject("dog", dog.mask, dog.coverage[:4])])


def test_what_was_cropped_away_is_told():
    views = llava_views(96, 160, fakes.SIDE * 8, 8, "crop")
    runs = fakes.pair(views=views)
    half_seen = fakes.box_object("dog", views, 0, 0, 64, 96)
    payload = fakes.payload(runs, [half_seen])
    assert payload["image"]["seen"] == [32, 0, 128, 96]
    assert payload["objects"][0]["seen"] == 0.5


def test_a_truncated_blob_is_refused():
    payload = fakes.payload()
    payload["blob"] = payload["blob"][:400]
    with pytest.raises(ValueError, match="ends before"):
        decode(payload)


def test_empty_says_why():
    assert empty("No picture.")["error"] == "No picture."


def test_outlines_follow_the_mask_within_the_tolerance():
    mask = np.zeros((300, 400), dtype=bool)
    yy, xx = np.mgrid[:300, :400]
    mask[(yy - 150) ** 2 + (xx - 200) ** 2 < 90**2] = True
    (line,) = contours(mask)
    radius = np.hypot(*(np.array(line) - [200.5, 150.5]).T)
    assert abs(radius - 90).max() < 2
    assert 8 < len(line) < 80


def test_two_parts_of_an_object_are_two_outlines():
    mask = np.zeros((100, 100), dtype=bool)
    mask[10:30, 10:30] = mask[60:90, 60:90] = True
    assert len(contours(mask)) == 2


def test_simplify_keeps_ends_and_corners():
    line = np.array([[0.0, 0], [1, 0.01], [2, 0], [2, 1], [2, 2]])
    assert simplify(line, 0.1).tolist() == [[0, 0], [2, 0], [2, 2]]


# ---- what is particular to methods -------------------------------------------------------------------------------


def entry(name, **options):
    return fakes.payload(fakes.several(name), **options)["methods"][0]


@pytest.mark.parametrize(
    ("name", "stage", "rows", "layers", "contrast"),
    [
        ("vanilla", "", "last", None, ""),
        ("clvs", "weights", "last", [0, 7], ""),
        ("vcd", "logits", "last", None, "a noised picture"),
        ("pai", "scores", "last", [2, 7], "no picture"),
        ("var", "weights", "after_image", [2, 7], ""),
        ("adhh", "weights", "last", [2, 4], ""),
        ("vaf", "scores", "after_image", [2, 3], ""),
        ("tarac", "weights", "last", [2, 3], ""),
    ],
)
def test_a_card_says_what_a_method_does_where(name, stage, rows, layers, contrast):
    card = entry(name)["card"]
    assert [card[part] for part in ("stage", "rows", "layers", "contrast")] == [stage, rows, layers, contrast]
    method = fakes.METHODS[name]
    assert (card["summary"], card["paper"], card["records"]) == (method.summary, method.paper, list(method.records))
    assert card["parts"] == []


def test_layers_left_to_the_paper_are_those_of_this_depth():
    run = fakes.run(clvs.VAF())
    run.trace.meta["method"] = "unknown to this process"  # then the method itself is asked
    assert fakes.payload([run])["methods"][0]["card"]["layers"] == [2, 3]  # 9 to 14 of 32


def test_a_card_of_combined_methods_has_their_own():
    card = entry("pai+clvs")["card"]
    assert [part["label"] for part in card["parts"]] == ["PAI", "CLVS"]
    assert [part["layers"] for part in card["parts"]] == [[2, 7], [0, 7]]
    assert (card["layers"], card["contrast"], card["records"]) == ([0, 7], "no picture", ["memory"])
    assert entry("pai+clvs")["label"] == "PAI + CLVS"


@pytest.mark.parametrize("paper", ["javascript:alert(1)", "arxiv.org/abs/1", "data:text/html,x", ""])
def test_only_web_addresses_become_links(paper):
    run = fakes.run(type("Own", (clvs.Vanilla,), {"name": "own", "label": "Own", "paper": paper})())
    assert fakes.payload([run])["methods"][0]["card"]["paper"] == ""


def test_sink_tokens_and_heads_are_told_by_their_numbers():
    var, ad_hh = entry("var"), entry("adhh")
    assert var["sinks"] == [[], [], [0], [0, 7], [7], [], [], []]
    assert var["heads"] == [[[], [], [0, 1], [1], [], [], [], []]] * 2
    assert ad_hh["heads"][1] == [[], [], [1], [], [0], [], [], []]
    assert ad_hh["sinks"] is None
    assert (var["card"]["acted"], ad_hh["card"]["acted"]) == ("redistributed", "silenced")
    assert (var["card"]["tau"], ad_hh["card"]["tau"]) == (20, None)
    assert entry("clvs")["heads"] is None


def test_memories_of_layers_and_of_words_arrive_under_one_name():
    runs = fakes.several("clvs", "tarac", "vcd")
    payload = fakes.payload(runs)
    assert [method["memory"] for method in payload["methods"]] == ["layers", "words", None]
    arrays = decode(payload)
    assert np.array_equal(arrays["memory/clvs"], runs[0].trace.memory)
    assert np.array_equal(arrays["memory/tarac"], runs[1].trace.accumulation, equal_nan=True)
    assert "memory/vcd" not in arrays


def test_a_contrast_tells_the_likeliest_words_by_their_chance_with_the_picture():
    run = fakes.several("vcd")[0]
    last = len(fakes.WORDS) - 1
    run.trace.contrast_probabilities[:, 1, last] = 0.9  # the noise would say it, the picture hardly
    run.trace.contrast_probabilities[:, 2, 0] = np.nan
    contrast = fakes.payload([run])["methods"][0]["contrast"]
    assert contrast["against"] == "a noised picture"
    first = contrast["steps"][0]
    assert [word for word, *_ in first] == ["yes", "no", "dog", "cat", "the", "it"]
    assert len(first) == CONTRAST_WORDS
    assert first[0] == ["yes", 0.5, 0.8, 0.0]
    assert first[1] == ["no", 0.3, 0.1, 0.7]
    assert first[-1] == ["it", 0.01, 0.9, 0.0]
    run.trace.meta.pop("contrast")  # a trace of another program
    assert fakes.payload([run])["methods"][0]["contrast"]["against"] == "a noised picture"
    assert entry("vaf")["contrast"] is None


def test_four_methods_with_everything_are_strict_json_and_small():
    runs = fakes.several("var", "pai+clvs", "adhh", "tarac", lens=True)
    text = json.dumps({**fakes.payload(runs), "blob": ""}, allow_nan=False)
    plain = json.dumps({**fakes.payload(fakes.several("vanilla", "clvs", lens=True)), "blob": ""})
    assert len(text) < 4 * len(plain)


def test_particulars_of_a_long_answer_wait_with_its_maps(monkeypatch):
    maps = 2 * 4 * fakes.LAYERS * fakes.SIDE**2  # three attentions and TARAC's memory, of one token
    monkeypatch.setattr("viz.viewer.payload.STREAM_BUDGET", maps)
    runs = fakes.several("tarac", "var", "vcd")
    tarac, var, vcd = fakes.payload(runs, status="running")["methods"]
    assert len(decode(fakes.payload(runs, status="running"))["memory/tarac"]) == 1
    assert (len(var["heads"]), len(vcd["contrast"]["steps"])) == (1, 1)
    assert len(tarac["tokens"]) == 2
    assert len(fakes.payload(runs)["methods"][1]["heads"]) == 2


def test_before_the_first_token_cards_are_there_and_layers_are_not():
    views = fakes.pair()[0].trace.views
    methods = [fakes.METHODS[name] for name in ("vanilla", "var", "clvs")] + [clvs.CLVS(alpha=0.5)]
    waiting = build(Comparison([], views=views, methods=methods, image_url="x", status="running"))["methods"]
    assert [m["label"] for m in waiting] == ["Vanilla", "VAR", "CLVS", "CLVS (α 0.5)"]
    assert waiting[1]["card"]["layers"] is None
    assert waiting[1]["card"]["records"] == ["sinks", "acted_heads"]
    assert {waiting[1][part] for part in ("sinks", "heads", "contrast", "memory")} == {None}


def test_settings_are_told_in_words():
    assert entry("adhh")["settings"] == "own: 2 heads"
    assert entry("pai+clvs")["settings"] == "CLVS: card's settings for this model (CLVS α 0.8, β 0.8)"
