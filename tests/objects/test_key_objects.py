"""Masks, their shares of visual tokens and the curves made of them, against brute force and pycocotools."""

import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

import clvs_core.key_objects as key_objects
from clvs_core.errors import ClvsError
from clvs_core.key_objects import (
    CocoInstances,
    MaskWarning,
    coverage,
    key_object_attention,
    mentioned,
    region_mask,
    relative_gain,
    seen_share,
    summarise,
    together,
)
from clvs_core.models.geometry.grids import View, Views
from clvs_core.models.geometry.llava import llava_views

_SHARED = Path(os.environ.get("CLVS_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
MINI = _SHARED / "coco_mini" / "instances_mini.json"
# pycocotools 2.0.11 under numpy 2; only these tests call its decoder
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
needs_coco = pytest.mark.skipif(not MINI.exists(), reason=f"the real COCO photographs are not in {MINI.parent}")


def _brute_force(mask, view, parts=16):
    """Coverage by sampling each cell on a fine lattice of points."""
    height, width = mask.shape
    shares = np.zeros((view.rows, view.cols))
    for row, col in np.ndindex(shares.shape):
        x0, y0, x1, y1 = view.box(row, col)
        x = np.floor(x0 + (np.arange(parts) + 0.5) / parts * (x1 - x0)).astype(int)
        y = np.floor(y0 + (np.arange(parts) + 0.5) / parts * (y1 - y0)).astype(int)
        inside = np.outer((y >= 0) & (y < height), (x >= 0) & (x < width))
        values = mask[np.ix_(np.clip(y, 0, height - 1), np.clip(x, 0, width - 1))]
        shares[row, col] = (values & inside).mean()
    return shares.ravel()


# --- coverage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["crop", "pad", "squash"])
@pytest.mark.parametrize("shape", [(48, 48), (31, 97), (97, 31), (7, 5)])
def test_coverage_equals_dense_sampling(mode, shape):
    mask = np.random.default_rng(0).random(shape) < 0.5
    views = llava_views(*shape, 48, 8, mode)
    parts = 256
    expected = _brute_force(mask, views.grids[0], parts)
    # Each pixel edge inside a cell can misplace one line of points, and a cell is at most 17 pixels wide.
    assert coverage(mask, views) == pytest.approx(expected, abs=18 / parts)
    assert np.abs(coverage(mask, views) - expected).mean() < 0.01


def test_fractional_cells_are_exact():
    views = Views(4, 2, 3, (View(0, 1, 3, (0.0, 0.0, 4.0, 2.0)),))
    mask = np.zeros((2, 4), dtype=bool)
    mask[0, 1] = True  # x 1 to 2: a third of it in the first cell (0 to 4/3), two thirds in the second
    assert coverage(mask, views) == pytest.approx([(1 / 3) / (8 / 3), (2 / 3) / (8 / 3), 0], abs=1e-15)


def test_padding_counts_as_not_covered_and_the_areas_add_up():
    height, width = 30, 47
    mask = np.ones((height, width), dtype=bool)
    views = llava_views(height, width, 48, 8, "pad")
    shares = coverage(mask, views)
    cell = (47 / 6) ** 2
    assert shares.sum() * cell == pytest.approx(height * width)
    assert shares.min() == 0
    assert shares.max() == 1


def test_tokens_of_no_grid_are_not_covered():
    tiles = View(5, 2, 2, (0.0, 0.0, 6.0, 6.0), stride=3, kind="tiles")
    views = Views(6, 6, 11, (View(1, 2, 2, (0.0, 0.0, 6.0, 6.0), kind="base"), tiles))
    shares = coverage(np.ones((6, 6), dtype=bool), views)
    assert np.flatnonzero(shares == 0).tolist() == [0, 7, 10]
    assert shares.sum() == 8


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="48 x 48, not 48 x 47"):
        coverage(np.zeros((48, 47)), llava_views(48, 48, 48, 8, "crop"))


def test_what_the_crop_cuts_off_is_not_seen():
    views = llava_views(40, 80, 48, 8, "crop")  # sees x from 20 to 60
    mask = np.zeros((40, 80), dtype=bool)
    mask[:, 10:30] = True
    assert seen_share(mask, views) == pytest.approx(0.5)
    assert seen_share(mask, llava_views(40, 80, 48, 8, "pad")) == 1
    assert seen_share(np.zeros_like(mask), views) == 0
    mask[:, 30:] = False
    mask[:, 20:] = False
    assert seen_share(mask, views) == 0


def test_objects_together_add_their_shares_up_to_the_whole_token():
    assert together([[0.25, 1.0, 0.0], [0.5, 0.75, 0.0]]).tolist() == [0.75, 1.0, 0.0]


def test_objects_that_do_not_overlap_are_together_what_their_union_is():
    views = llava_views(48, 48, 48, 8, "squash")
    left, right = np.zeros((2, 48, 48), dtype=bool)
    left[5:30, 3:21], right[5:30, 21:40] = True, True  # they meet in the middle of a token
    both = together([coverage(left, views), coverage(right, views)])
    np.testing.assert_allclose(both, coverage(left | right, views), atol=1e-12)


# --- curves ---------------------------------------------------------------------------------------------


def _trace(attention):
    return SimpleNamespace(attention=attention)


def test_key_object_attention_is_the_covered_part_of_the_head_mean():
    rng = np.random.default_rng(0)
    attention, shares = (rng.random((2, 3, 4, 5)) / 5).astype(np.float16), rng.random(5)
    expected = np.zeros((2, 3))
    for step, layer in np.ndindex(2, 3):
        for token in range(5):
            heads = [float(attention[step, layer, head, token]) for head in range(4)]
            expected[step, layer] += shares[token] * sum(heads) / 4
    found = key_object_attention(_trace(attention), shares)
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, abs=1e-14)
    alone = [key_object_attention(_trace(attention), shares, head) for head in range(4)]
    assert np.mean(alone, axis=0) == pytest.approx(expected, abs=1e-14)
    assert alone[2][1, 1] == pytest.approx(float(attention[1, 1, 2].astype(float) @ shares), abs=1e-14)
    assert (key_object_attention(_trace(np.full((1, 1, 1, 3), np.float16(0.3334))), np.ones(3)) == 1).all()


def test_small_weights_are_summed_in_float64():
    attention = np.full((1, 1, 1, 3000), 2.0**-14, dtype=np.float16)  # a float16 sum stops growing at 2^-3
    assert key_object_attention(_trace(attention), np.ones(3000))[0, 0] == 3000 / 2**14


def test_a_trace_without_steps_gives_an_empty_curve():
    assert key_object_attention(_trace(np.empty((0, 4, 2, 3))), np.zeros(3)).shape == (0, 4)


def test_coverage_of_another_model_is_refused():
    with pytest.raises(ValueError, match="must have 5 values"):
        key_object_attention(_trace(np.zeros((1, 1, 1, 5))), np.zeros(4))


def test_summary_of_a_curve_that_peaks_and_decays():
    summary = summarise([0.1, 0.2, 0.6, 0.4, 0.29, 0.31, 0.15])
    assert summary.peak_layer == 2
    assert summary.peak == 0.6
    assert summary.decay == pytest.approx(0.75)
    assert summary.half_layer == 4


def test_a_curve_that_only_rises_never_falls_to_half():
    assert summarise([0.1, 0.2, 0.3]) == (2, 0.3, 0.0, None)


def test_a_curve_of_zeros_has_no_decay():
    summary = summarise([0.0, 0.0])
    assert (summary.peak_layer, summary.peak, summary.half_layer) == (0, 0.0, None)
    assert math.isnan(summary.decay)


@pytest.mark.parametrize("curve", [[], [[0.1]], [0.1, float("nan")], [-0.1]])
def test_what_is_not_a_curve_is_refused(curve):
    with pytest.raises(ValueError, match="one non-negative finite number a layer"):
        summarise(curve)


def test_gain_is_clipped_at_a_hundred_percent_as_in_the_paper():
    gain = relative_gain([0.2, 0.6, 0.05, 0.0, 0.1], [0.1, 0.2, 0.1, 0.0, 0.0])
    assert gain.unclipped.tolist() == pytest.approx([100, 200, -50, 0, math.inf])
    assert gain.clipped.tolist() == pytest.approx([100, 100, -50, 0, 100])


def test_gain_of_curves_of_different_models_is_refused():
    with pytest.raises(ValueError, match="2 and 1 layers"):
        relative_gain([0.1, 0.2], [0.1])


# --- regions --------------------------------------------------------------------------------------------


def test_a_box_takes_the_pixels_whose_centres_are_inside():
    mask = region_mask(5, 6, box=(1.4, 0.6, 4.6, 3.0))
    assert np.argwhere(mask).min(0).tolist() == [1, 1]
    assert np.argwhere(mask).max(0).tolist() == [2, 4]
    assert (region_mask(5, 6, box=(4.6, 3.0, 1.4, 0.6)) == mask).all()  # corners in any order
    assert region_mask(5, 6, box=(-9, -9, 99, 99)).all()


def test_a_polygon_that_crosses_itself_follows_the_even_odd_rule():
    bow_tie = [(0, 0), (8, 8), (8, 0), (0, 8)]
    mask = region_mask(8, 8, polygon=bow_tie)
    y, x = np.mgrid[:8, :8] + 0.5
    on_an_edge = (x == y) | (x + y == 8)
    assert (mask == (np.abs(x - 4) > np.abs(y - 4)))[~on_an_edge].all()


def test_a_polygon_covers_its_area():
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([100 + 60 * np.cos(angles), 90 + 60 * np.sin(angles)], axis=1)
    assert region_mask(200, 200, polygon=circle).sum() == pytest.approx(np.pi * 60**2, rel=0.005)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ({}, "either a box or a polygon"),
        ({"box": (0, 0, 1, 1), "polygon": [(0, 0), (1, 0), (1, 1)]}, "either a box or a polygon"),
        ({"box": (0, 0, 1)}, "four numbers"),
        ({"box": (0, 0, 1, math.nan)}, "finite numbers"),
        ({"box": ("a", 0, 1, 1)}, "finite numbers"),
        ({"polygon": [(0, 0), (1, 1)]}, "at least three pairs"),
        ({"polygon": [(0, 0), (1, 1), (2,)]}, "at least three pairs"),
        ({"box": (20, 20, 30, 30)}, "covers no pixel of the picture, which is 10 x 8"),
        ({"box": (1.1, 1.1, 1.2, 1.2)}, "covers no pixel"),
    ],
)
def test_impossible_regions_are_refused_in_one_sentence(region, message):
    with pytest.raises(ClvsError, match=message):
        region_mask(8, 10, **region)


# --- COCO files -----------------------------------------------------------------------------------------

SQUARE = [2, 2, 6, 2, 6, 6, 2, 6]
IMAGE = {"id": 7, "file_name": "COCO_val2014_000000310196.jpg", "width": 10, "height": 8}
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]


def _annotation(segmentation, category=18, id=1, image=7, crowd=0):
    return {
        "id": id, "image_id": image, "category_id": category, "iscrowd": crowd, "segmentation": segmentation,
    }  # fmt: skip


def _run_lengths(mask):
    """COCO's uncompressed code: column-major, the first run counts zeros."""
    flat = np.asarray(mask).ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [not flat[-1]]]).astype(int)))
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], edges])).tolist()}


@pytest.fixture
def coco(tmp_path):
    def write(annotations, images=(IMAGE,), categories=CATEGORIES):
        path = tmp_path / "instances.json"
        path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
        return CocoInstances(path)

    return write


@pytest.mark.parametrize(
    "name",
    [
        "COCO_val2014_000000310196.jpg",
        "000000310196.jpg",
        "000000310196.PNG",
        "/tmp/gradio/ab12/COCO_val2014_000000310196.jpg",
        "C:\\photos\\coco_train2014_000000310196.jpeg",
    ],
)
def test_a_picture_is_recognised_by_its_file_name(coco, name):
    data = coco([_annotation([SQUARE])])
    assert name in data
    (dog,) = data.find(name)
    assert (dog.name, dog.source, dog.coverage) == ("dog", "coco", None)
    expected = np.zeros((8, 10), dtype=bool)
    expected[2:6, 2:6] = True
    assert (dog.mask == expected).all()


@pytest.mark.parametrize("name", ["000000310197.jpg", "310196.jpg", "x000000310196.jpg", "", "COCO_val2014_.jpg"])
def test_other_pictures_have_no_objects(coco, name):
    data = coco([_annotation([SQUARE])])
    assert name not in data
    assert data.find(name) == []


def test_instances_and_crowds_of_one_category_are_one_object(coco):
    crowd = np.zeros((8, 10), dtype=bool)
    crowd[:, 9] = True
    squares = [_annotation([SQUARE]), _annotation([[0, 0, 1, 0, 1, 1, 0, 1]], id=2)]
    data = coco([*squares, _annotation(_run_lengths(crowd), 1, id=3, crowd=1), _annotation([SQUARE], 1, id=4)])
    person, dog = data.find("000000310196.jpg")
    assert (person.name, dog.name) == ("person", "dog")
    assert person.mask.sum() == 16 + 8
    assert dog.mask.sum() == 17
    assert person.mask[:, 9].all()
    separate = data.find("000000310196.jpg", merge=False)
    assert [item.name for item in separate] == ["dog 1", "person 4", "person 3", "dog 2"]


def test_both_run_length_forms_are_read(coco):
    mask = np.random.default_rng(3).random((8, 10)) < 0.4
    packed = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
    packed["counts"] = packed["counts"].decode("ascii")
    for form in (_run_lengths(mask), {"size": [8, 10], "counts": packed["counts"]}):
        (dog,) = coco([_annotation(form)]).find(IMAGE["file_name"])
        assert (dog.mask == mask).all()


def test_long_compressed_runs_are_read_as_pycocotools_writes_them(coco):
    mask = np.zeros((400, 500), dtype=bool)
    mask[50:350, 120:480] = np.random.default_rng(0).random((300, 360)) < 0.001
    mask[:, 200:230] = True
    packed = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
    form = {"size": [400, 500], "counts": packed["counts"].decode("ascii")}
    (dog,) = coco([_annotation(form)], [{**IMAGE, "width": 500, "height": 400}]).find(IMAGE["file_name"])
    assert (dog.mask == mask).all()


def test_masks_follow_a_rescaled_picture(coco):
    data = coco([_annotation([SQUARE])])
    (dog,) = data.find(IMAGE["file_name"], width=30, height=24)
    assert dog.mask.shape == (24, 30)
    assert np.argwhere(dog.mask).min(0).tolist() == [6, 6]
    assert np.argwhere(dog.mask).max(0).tolist() == [17, 17]
    assert data.find(IMAGE["file_name"], width=7, height=6)[0].mask.shape == (6, 7)  # 5.6 rounded


@pytest.mark.parametrize("size", [(8, 10), (10, 10), (100, 60)])
def test_a_picture_of_another_shape_is_refused(coco, size):
    with pytest.raises(ClvsError, match=r"annotated at 10 x 8 pixels, but this picture is \d+ x \d+, another"):
        coco([_annotation([SQUARE])]).find(IMAGE["file_name"], *size)


def test_two_pictures_of_one_name_need_their_extension(coco):
    images = [{**IMAGE, "file_name": "a/room.jpg"}, {**IMAGE, "id": 8, "file_name": "b/room.png"}]
    data = coco([_annotation([SQUARE], image=8)], images)
    assert data.find("room.jpg") == []
    assert [item.name for item in data.find("room.png")] == ["dog"]
    with pytest.raises(ClvsError, match=r"pictures that 'room\.webp' may be, 'a/room\.jpg' and 'b/room\.png'; name"):
        data.find("room.webp")


BROKEN_MASKS = [
    [[1, 1, 2, 2]],
    [[1, 1, 2, 2, 3]],
    [[1, 1, 2, 2, 3, float("nan")]],
    [[1, 1, 2, 2, 3, "x"]],
    [[[1, 1], [2, 2]], [[3, 3], [1]]],
    [5, 6, 7, 8],
    [],
    [[]],
    "polygon",
    7,
    {"size": [8, 10]},
    {"size": [8, 10], "counts": [80, 1]},
    {"size": [8, 10], "counts": [81, -1]},
    {"size": [8, 10], "counts": [40.5, 39.5]},
    {"size": [10, 8], "counts": [80]},
    {"size": "8x10", "counts": [80]},
    {"counts": [80]},
    {"size": [8, 10], "counts": ""},
    {"size": [8, 10], "counts": "é"},
    {"size": [8, 10], "counts": "o" * 40},
    {"size": [8, 10], "counts": "000"},
    {"size": [8, 10], "counts": "b'`2"},
]


@pytest.mark.parametrize("segmentation", BROKEN_MASKS, ids=str)
def test_a_mask_that_cannot_be_read_costs_that_mask_and_is_named(coco, segmentation):
    good = _annotation([SQUARE], id=41)
    with pytest.warns(
        MaskWarning, match=r"instances\.json has .*\(masks: 1 of 2\); the first is annotation 42 \(it.*\)\.$"
    ):
        data = coco([_annotation(segmentation, id=42), good])
    assert len(data.lost) == 1
    assert [item.mask.sum() for item in data.find(IMAGE["file_name"])] == [16]


def test_a_corner_far_outside_does_not_take_for_ever(coco):
    (dog,) = coco([_annotation([[0, 0, 1e15, 0, 1e15, 1e15, 0, 1e15]])]).find(IMAGE["file_name"])
    assert dog.mask.all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("\x89PNG", "not valid JSON"),
        ("7", "no list 'images'"),
        ("[]", "a list without names of pictures"),
        ('{"images": {"1": {}}, "annotations": [], "categories": []}', "no list 'images'"),
        ('{"images": [], "categories": []}', "no list 'annotations'"),
        ('{"images": [], "annotations": [{"image_id": 1, "caption": "a dog"}]}', "a caption without a mask"),
        ('{"images": [], "annotations": [{"image_id": 1, "segments_info": []}]}', "a panoptic file"),
    ],
    ids=lambda text: text[:40],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "captions.json"
    path.write_text(text)
    with pytest.raises(ClvsError, match=rf"captions\.json is not a file of COCO instances: .*{message}.*; give one"):
        CocoInstances(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ClvsError, match=r"nowhere\.json cannot be read \(No such file or directory\)"):
        CocoInstances(tmp_path / "nowhere.json")


# --- 28 real photographs --------------------------------------------------------------------------------


@needs_coco
def test_real_masks_equal_pycocotools(capsys):
    data, reference = CocoInstances(MINI), COCO(str(MINI))
    assert len(reference.dataset["images"]) == 28
    for image in reference.dataset["images"]:
        found = data.find(image["file_name_val2014"], image["width"], image["height"])
        expected = {}
        for annotation in reference.loadAnns(reference.getAnnIds(imgIds=[image["id"]])):
            name = reference.cats[annotation["category_id"]]["name"]
            expected[name] = expected.get(name, False) | reference.annToMask(annotation).astype(bool)
        assert {item.name for item in found} == set(expected)
        for item in found:
            assert (item.mask == expected[item.name]).all()


@needs_coco
@pytest.mark.parametrize("mode", ["crop", "pad"])
def test_real_objects_keep_their_area_through_the_geometry(mode):
    data = CocoInstances(MINI)
    for picture in json.loads(MINI.read_text())["images"]:
        with Image.open(MINI.parent / picture["local_path"]) as image:
            width, height = image.size
        views = llava_views(height, width, 336, 14, mode)
        x0, y0, x1, y1 = views.grids[0].box(0, 0)
        for item in data.find(picture["file_name"], width, height):
            seen = coverage(item.mask, views).sum() * (x1 - x0) * (y1 - y0) / item.mask.sum()
            assert seen == pytest.approx(seen_share(item.mask, views), abs=1e-9)
            assert mode == "crop" or seen == pytest.approx(1, abs=1e-9)


@needs_coco
def test_real_questions_find_their_objects():
    data = CocoInstances(MINI)
    names = {item.name for item in data.find("COCO_val2014_000000166918.jpg")}
    assert mentioned("Is there a wine glass next to the woman?", sorted(names)) == ["wine glass", "person"]


def test_reading_is_silent(coco, capfd):
    coco([_annotation([SQUARE])]).find(IMAGE["file_name"])
    assert capfd.readouterr() == ("", "")


def test_the_public_names_exist():
    assert all(hasattr(key_objects, name) for name in key_objects.__all__)
