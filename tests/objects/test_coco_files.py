"""Files of masks as people have them: what cannot be read costs itself alone, and pycocotools says what can be."""

import copy
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from pycocotools import mask as rle
from pycocotools.coco import COCO

from clvs_core.errors import ClvsError
from clvs_core.key_objects import CocoInstances, MaskWarning
from clvs_core.objects import shapes

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning", "error::UserWarning")
NAME, WIDTH, HEIGHT = "cat.jpg", 40, 30
IMAGE = {"id": 1, "file_name": NAME, "width": WIDTH, "height": HEIGHT}
SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]
MASK = {"id": 1, "image_id": 1, "category_id": 17, "segmentation": [SQUARE], "bbox": [10, 10, 10, 10], "iscrowd": 0}
WHOLE = {"images": [IMAGE], "annotations": [MASK], "categories": [{"id": 17, "name": "cat"}]}
CASES = Path(os.environ.get("CLVS_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data") / "cases"


@pytest.fixture
def file(tmp_path):
    """Writes WHOLE with entries of its lists changed ({"images": {...}}) or replaced by lists; raw: the text itself."""

    def write(raw=None, encoding="utf-8", **parts):
        data = copy.deepcopy(WHOLE)
        for name, part in parts.items():
            data[name] = part if isinstance(part, list) else [{**data[name][0], **part}]
        path = tmp_path / "masks.json"
        path.write_bytes((raw if raw is not None else json.dumps(data)).encode(encoding))
        return path

    return write


def areas(path, name=NAME, width=WIDTH, height=HEIGHT, **more):
    return {item.name: int(item.mask.sum()) for item in CocoInstances(path).find(name, width, height, **more)}


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"images": {"width": float(WIDTH), "height": float(HEIGHT)}},
        {"images": {"width": str(WIDTH), "height": f" {HEIGHT}.0"}},
        {"images": {"id": "1"}},
        {"images": {"id": "000001"}},
        {"annotations": {"image_id": 1.0, "category_id": "17"}},
        {"annotations": {"id": None}},
        {"annotations": {"iscrowd": "0"}},
        {"annotations": {"segmentation": SQUARE}},
        {"annotations": {"segmentation": [SQUARE[i : i + 2] for i in range(0, 8, 2)]}},
        {"annotations": {"segmentation": [[SQUARE[i : i + 2] for i in range(0, 8, 2)]]}},
        {"annotations": {"segmentation": [list(map(str, SQUARE))]}},
        {"annotations": {"segmentation": [[*SQUARE, 5]]}},  # pycocotools passes over the last
        {"annotations": {"segmentation": [[1, 1, 2, 2], SQUARE]}},
        {"images": [IMAGE, IMAGE]},
        {"categories": [{"id": 17, "name": "cat", "supercategory": None}, {"id": 17, "name": "cat"}]},
    ],
    ids=str,
)
def test_what_can_only_mean_one_thing_is_read(file, parts):
    assert areas(file(**parts)) == {"cat": 100}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_marks_and_encodings_of_windows_are_read(file, encoding):
    assert areas(file(encoding=encoding)) == {"cat": 100}


BAD = [
    ({"image_id": 999}, "it belongs to image 999, which is not listed"),
    ({"image_id": None}, "it belongs to image None, which is not listed"),
    ({"image_id": [1]}, r"it belongs to image \[1\], which is not listed"),
    ({"image_id": True}, "it belongs to image True, which is not listed"),
    ({"category_id": 999}, "it is of category 999, which has no name"),
    ({"category_id": None}, "it is of category None, which has no name"),
    ({"segmentation": None}, "it has a box and no segmentation"),
    ({"segmentation": None, "bbox": None}, "it has no segmentation"),
    ({"segmentation": []}, "its segmentation is empty"),
    ({"segmentation": [[1, 1, 2, 2]]}, "its polygon has fewer than three corners"),
    ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [100, 50]}}, "add up to 150, and its picture has 1200"),
    ({"segmentation": {"size": [WIDTH, HEIGHT], "counts": [1200]}}, "its mask is 30 x 40 pixels, and its picture 40"),
    ({"segmentation": [[1, 10**400, 3, 4, 5, 6]]}, "its polygons are not lists of numbers"),
    ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [2**64, 1200]}}, "its run lengths are not whole numbers"),
    ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [2**63 - 1, 2**63 - 1, 1202]}}, "its run lengths are not"),
]


@pytest.mark.parametrize(("change", "why"), BAD, ids=str)
def test_a_bad_annotation_costs_itself_and_is_said_once(file, change, why):
    path = file(annotations=[{**MASK, "id": 2, **change}, MASK])
    with pytest.warns(
        MaskWarning, match=rf"masks\.json has .*\(masks: 1 of 2\); the first is annotation 2 .*{why}"
    ) as said:
        data = CocoInstances(path)
    assert len(said) == 1
    assert [int(item.mask.sum()) for item in data.find(NAME)] == [100]


@pytest.mark.parametrize("entry", [None, 7, "mask", [], {"id": 3}])
def test_an_entry_that_is_no_annotation_costs_itself(file, entry):
    with pytest.warns(
        MaskWarning, match=r"\(masks: 1 of 2\); the first is annotation number 1 \(it belongs to no image"
    ):
        assert areas(file(annotations=[entry, MASK])) == {"cat": 100}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"width": None, "height": None}, "its width and height are no size"),
        ({"width": 0}, "its width and height are no size"),
        ({"width": 30.5}, "its width and height are no size"),
        ({"width": 10**9}, "its width and height are no size"),
        ({"file_name": None}, "it has no file name"),
        ({"file_name": " "}, "it has no file name"),
    ],
    ids=str,
)
def test_a_bad_picture_costs_its_own_masks(file, change, why):
    path = file(images=[{**IMAGE, "id": 2, **change}, IMAGE], annotations=[{**MASK, "id": 5, "image_id": 2}, MASK])
    with pytest.warns(MaskWarning, match=rf"\(masks: 1 of 2, pictures: 1\); the first is image 2 \({why}"):
        data = CocoInstances(path)
    assert data.lost[1] == "annotation 5 (it belongs to image 2, which cannot be used)"
    assert [int(item.mask.sum()) for item in data.find(NAME)] == [100]


@pytest.mark.parametrize("categories", [[], [{"id": 17}], [{"id": 17, "name": ""}], [None], {"17": "cat"}])
def test_masks_without_a_category_s_name_are_counted(tmp_path, categories):
    path = tmp_path / "masks.json"
    path.write_text(json.dumps({**WHOLE, "categories": categories}))
    with pytest.warns(MaskWarning, match="category 17, which has no name"):
        assert CocoInstances(path).find(NAME) == []


def test_an_id_of_two_pictures_is_not_guessed(file):
    with pytest.warns(MaskWarning, match="image 1, which is listed as several pictures"):
        data = CocoInstances(file(images=[IMAGE, {**IMAGE, "file_name": "dog.jpg"}]))
    assert data.find(NAME) == data.find("dog.jpg") == []


def test_quiet_says_nothing_and_knows_the_same(file):
    data = CocoInstances(file(annotations={"image_id": 9}), quiet=True)
    assert data.lost == ["annotation 1 (it belongs to image 9, which is not listed)"]


def test_a_mask_beside_the_picture_is_said_when_it_is_asked_for(file):
    data = CocoInstances(file(annotations={"segmentation": [[-50, -50, -40, -50, -40, -40]]}))
    with pytest.warns(MaskWarning, match=r"the masks of cat cover no pixel of cat\.jpg\.$"):
        assert data.find(NAME) == []


# --- shapes against pycocotools -----------------------------------------------------------------------------------


def _reference(segmentation, height, width):
    data = COCO()
    data.imgs = {1: {"height": height, "width": width}}
    return data.annToMask({"image_id": 1, "segmentation": segmentation}).astype(bool)


@pytest.mark.parametrize("seed", range(20))
def test_polygons_are_those_of_pycocotools_also_beyond_the_picture(seed):
    rng = np.random.default_rng(seed)
    reach = rng.choice([20, 60, 400, 3000])
    polygons = [rng.uniform(-reach, reach, 2 * rng.integers(3, 9)).tolist() for _ in range(rng.integers(1, 4))]
    found = shapes.decode(shapes.shape_of(polygons), 33, 47)
    expected = _reference(polygons, 33, 47)
    # Cut edges are rounded anew, by at most a pixel along them.
    assert (found != expected).mean() < (0.0 if reach <= 20 else 0.02) + 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 300, 2).tolist()
    mask = rng.random((height, width)) < rng.choice([0.0, 0.001, 0.5, 1.0])
    code = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
    forms = [code["counts"].decode("ascii"), str(code["counts"]), shapes._read(code["counts"].decode("ascii")).tolist()]
    for counts in (*forms, list(map(float, forms[2])), list(map(str, forms[2]))):
        for segmentation in (
            {"size": [height, width], "counts": counts},
            [{"size": [str(height), width], "counts": counts}],
        ):
            assert (shapes.decode(shapes.shape_of(segmentation), height, width) == mask).all()


# --- EXIF ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("scale", [1, 3])
def test_masks_drawn_on_stored_pixels_turn_with_their_picture(file, orientation, scale):
    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[2:9, 5:25] = 255
    photo = Image.fromarray(stored).resize((WIDTH * scale, HEIGHT * scale), Image.Resampling.NEAREST)
    photo.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(photo)) > 0
    path = file(annotations={"segmentation": [[5, 2, 25, 2, 25, 9, 5, 9]]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)
        (cat,) = CocoInstances(path).find(NAME, expected.shape[1], expected.shape[0], orientation=orientation)
    if orientation > 4:  # the sizes tell
        assert (cat.mask == expected).all()
    else:
        assert cat.mask.shape == expected.shape


@pytest.mark.parametrize("orientation", range(5, 9))
def test_masks_drawn_upright_stay(file, orientation):
    assert areas(file(), orientation=orientation) == {"cat": 100}
    upright = CocoInstances(file()).find(NAME, WIDTH, HEIGHT, orientation=orientation)[0].mask
    assert upright[10:20, 10:20].all()


@pytest.mark.parametrize(("orientation", "size"), [(2, (40, 30)), (3, (40, 30)), (4, (40, 30)), (6, (40, 40))])
def test_where_sizes_do_not_tell_it_is_said(file, orientation, size):
    data = CocoInstances(file(images={"width": size[0], "height": size[1]}))
    with pytest.warns(
        MaskWarning, match=rf"cat\.jpg is stored turned .*\(EXIF orientation {orientation}\).* upright picture"
    ):
        (cat,) = data.find(NAME, *size, orientation=orientation)
    assert cat.mask[10:20, 10:20].all()


def test_a_turned_picture_of_another_shape_is_refused(file):
    with pytest.raises(ClvsError, match="annotated at 40 x 30 pixels, but this picture is 50 x 40"):
        CocoInstances(file()).find(NAME, 50, 40, orientation=6)


# --- the cases that were found on real machines -------------------------------------------------------------------


# Files of other kinds, and two pictures of one name: refused, with the file's name.
REFUSED = {"annotations_dict", "panoptic", "results_list", "dup_image_entry_same_name_other_id"}


@pytest.mark.skipif(not CASES.is_dir(), reason=f"the failing inputs are not in {CASES}")
def test_every_case_is_read_as_pycocotools_reads_it_or_told():
    for path in sorted((CASES / "coco").glob("*.json")):
        name = "kite-weather.jpg"
        if path.stem in REFUSED:
            with pytest.raises(ClvsError, match=path.name):
                CocoInstances(path).find(name)
            continue
        data, content = CocoInstances(path, quiet=True), json.loads(path.read_bytes())
        picture = content["images"][0]
        objects, notes = data.look(str(picture.get("file_name", name)))
        if not data.lost and not notes:
            segmentations = [one["segmentation"] for one in content["annotations"]]
            expected = np.zeros((int(float(picture["height"])), int(float(picture["width"]))), dtype=bool)
            for segmentation in segmentations:
                try:
                    expected |= _reference(segmentation, *expected.shape)
                except (TypeError, ValueError):  # pycocotools cannot, and only one thing can be meant
                    expected |= shapes.decode(shapes.shape_of(segmentation), *expected.shape)
            assert (np.logical_or.reduce([item.mask for item in objects]) == expected).all(), path.stem
