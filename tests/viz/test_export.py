"""Exports: a page that needs nothing else, and curves as a table. That the page works is tested in tests/browser."""

import csv
import io
import json
import re

import numpy as np
import pytest

import clvs_core as clvs
from clvs_core.key_objects import together
from clvs_core.models.geometry.grids import View, Views
from tests import viewer_fakes as fakes
from viz import languages
from viz.viewer.payload import empty
from viz.viewer.standalone import curves_csv, data_url, page


def table(payload):
    return list(csv.DictReader(io.StringIO(curves_csv(payload))))


def test_the_curves_are_those_of_the_engine():
    runs = fakes.pair()
    payload = fakes.payload(runs)
    rows = table(payload)
    assert len(rows) == 2 * 2 * fakes.LAYERS
    coverage = np.zeros((fakes.SIDE, fakes.SIDE))
    coverage[:3, :3] = 1
    for run in runs:
        expected = clvs.key_object_attention(run.trace, coverage.ravel())
        got = [float(r["dog"]) for r in rows if r["method"] == run.method.label and r["step_from_0"] == "1"]
        assert got == pytest.approx(expected[1], rel=1e-3)


def test_the_table_marks_the_stop_and_leaves_unmeasured_fields_empty():
    rows = [r for r in table(fakes.payload()) if r["method"] == "CLVS" and r["step_from_0"] == "0"]
    assert [r["layer_from_0"] for r in rows if r["stops"] == "1"] == ["6"]
    assert [r["uncertainty"] for r in rows] == [""] * 5 + ["0.9", "0.4", "0.2"]


def test_without_objects_there_is_still_the_whole_picture():
    mass = fakes.pair()[0].trace.attention.astype(float).mean(axis=2).sum(axis=-1)
    rows = [r for r in table(fakes.payload(objects=[])) if r["method"] == "Vanilla" and r["step_from_0"] == "0"]
    assert [float(r["picture"]) for r in rows] == pytest.approx(mass[0], rel=1e-3)
    assert "dog" not in rows[0]


def test_followed_objects_are_summed_together_and_not_the_others():
    runs = fakes.pair()
    views = runs[0].trace.views
    objects = [
        fakes.box_object("dog", views, 0, 0, 40, 40),
        fakes.box_object("ball", views, 24, 24, 72, 72),  # overlaps the dog; both cut through patches
        fakes.box_object("cat", views, 48, 48, 96, 96, on=False),
    ]
    expected = clvs.key_object_attention(runs[1].trace, together([item.coverage for item in objects[:2]]))
    rows = [r for r in table(fakes.payload(runs, objects)) if r["method"] == "CLVS" and r["step_from_0"] == "0"]
    assert [float(r["followed"]) for r in rows] == pytest.approx(expected[0], rel=1e-3)
    assert max(float(r["dog"]) + float(r["ball"]) - float(r["followed"]) for r in rows) > 0.05
    off = table(fakes.payload(runs, [objects[2]]))
    assert [r["followed"] for r in off] == [r["picture"] for r in off]


def test_the_table_carries_what_only_some_methods_record():
    runs = fakes.several("vanilla", "var", "tarac", "vcd")
    rows = {(r["method"], int(r["layer_from_0"])): r for r in table(fakes.payload(runs)) if r["step_from_0"] == "0"}
    assert [rows["VAR", layer]["sink_tokens_from_0"] for layer in range(5)] == ["", "", "0", "0 7", "7"]
    assert [rows["VAR", layer]["acted_heads_from_0"] for layer in range(5)] == ["", "", "0 1", "1", ""]
    dog = np.zeros((fakes.SIDE, fakes.SIDE))
    dog[:3, :3] = 1
    expected = runs[2].trace.accumulation[0].astype(float) @ dog.ravel()
    assert float(rows["TARAC", 2]["memory"]) == pytest.approx(expected[2], rel=1e-3)
    assert rows["TARAC", 1]["memory"] == rows["VAR", 2]["memory"] == ""
    assert rows["VCD", fakes.LAYERS - 1]["contrast"].startswith("yes 0.5 0.8 0.2; no 0.3 0.1 0.7")
    assert rows["VCD", 0]["contrast"] == rows["VAR", fakes.LAYERS - 1]["contrast"] == ""
    plain = table(fakes.payload(fakes.several("vanilla", "vaf")))[0]
    assert not {"memory", "sink_tokens_from_0", "acted_heads_from_0", "contrast"} & set(plain)


def test_a_spreadsheet_does_not_run_a_name_as_a_formula():
    runs = fakes.pair()
    evil = fakes.box_object("=cmd()", runs[0].trace.views, 0, 0, 48, 48)
    assert "'=cmd()" in table(fakes.payload(runs, [evil]))[0]


def test_a_token_that_ends_a_line_stays_in_its_cell():
    runs = [fakes.run(clvs.Vanilla(), words=("a\rb", 'c\n"d'))]
    assert {row["token"] for row in table(fakes.payload(runs, []))} == {"a\rb", 'c\n"d'}


def test_several_grids_are_all_exported():
    tiles = [View(4 * i, 2, 2, (32 * i, 0, 32 * i + 32, 96), kind="tiles") for i in range(3)]
    views = Views(96, 96, 16, (*tiles, View(12, 2, 2, (0, 0, 96, 96), kind="base")))
    run = fakes.run(clvs.Vanilla(), views=views)
    run.trace.attention = run.trace.attention[..., :16]
    right = fakes.box_object("dog", views, 64, 0, 96, 96)
    payload = fakes.payload([run], [right])
    carried = re.search(r"mount\(document.querySelector\('.cv'\), (\{.*\})\);", page(payload)).group(1)
    assert Views.from_json({**views.to_json(), "grids": json.loads(carried)["views"]}) == views
    # The third tile whole, and two thirds of the whole picture's right half.
    share = np.zeros(16)
    share[8:12], share[[13, 15]] = 1, 2 / 3
    expected = clvs.key_object_attention(run.trace, share)
    rows = [r for r in table(payload) if r["step_from_0"] == "0"]
    assert [float(r["dog"]) for r in rows] == pytest.approx(expected[0], rel=2e-3)  # float16 on the way


def test_the_page_holds_everything_and_nothing_it_holds_ends_its_script():
    question = '</script><img src=x onerror="alert(1)">'
    text = page(fakes.payload(question=question))
    assert text.count("</script>") == 1
    assert "<img src=x" not in text
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", text)
    assert "default-src 'none'" in text


def test_the_page_carries_the_payload_unchanged():
    payload = fakes.payload(fakes.several("var", "pai+clvs", "adhh", "tarac"))
    text = page(payload)
    carried = re.search(r"mount\(document.querySelector\('.cv'\), (\{.*\})\);", text).group(1)
    assert json.loads(carried) == payload


def test_a_picture_by_address_must_be_given():
    payload = fakes.payload()
    payload["image"] = {**payload["image"], "url": "/gradio_api/file=/tmp/x.png"}
    with pytest.raises(ValueError, match="give the picture"):
        page(payload)
    assert "data:image/png;base64," in page(payload, fakes.png())


def test_only_pictures_are_embedded():
    with pytest.raises(ValueError, match="PNG, JPEG or WebP"):
        data_url(b"<svg onload=alert(1)>")


def test_there_must_be_a_result():
    with pytest.raises(ValueError, match="ask a question first"):
        page(empty())


def test_a_page_speaks_the_language_of_its_view():
    payload = fakes.payload()
    chinese = page({**payload, "view": {**payload["view"], "lang": "zh"}})
    assert '<html lang="zh-Hans">' in chinese
    known = re.search(r"globalThis\.clvsWords = (\{.*\});\n", chinese)
    assert known is not None
    assert json.loads(known[1]) == languages.words("zh")
    for english in (page(payload), page({**payload, "view": {**payload["view"], "lang": "xx"}})):
        assert '<html lang="en">' in english
        assert "globalThis.clvsWords = {" not in english
