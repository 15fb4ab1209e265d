"""Geometry of every family's visual tokens, through the real processors and the vision path of tiny random models."""

import functools
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image

from clvs_core.errors import ModelError
from clvs_core.key_objects import coverage
from clvs_core.models.families import FAMILIES as KNOWN
from clvs_core.models.families import views_for
from clvs_core.models.geometry.frames import squares
from clvs_core.models.geometry.grids import Views
from clvs_core.models.geometry.idefics3 import tiles_of
from tests.tiny_families import FAMILIES, MISSING

# height, width: square, landscape, portrait, panorama, tower, odd sides
SHAPES = [(96, 96), (120, 160), (201, 110), (61, 240), (230, 55), (97, 143)]
# The decoder plays no part here, so one builder for each family is enough.
NAMES = (
    "llava",
    "llava_next_vicuna",
    "llava_onevision",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "idefics3",
    "smolvlm",
    "internvl",
    "gemma3",
)
# Families whose every grid leaves out part of some picture: cropped, or pixels that no patch covers.
PARTLY = ("llava", "llava_onevision", "smolvlm")
BACKENDS = ("torchvision", "PIL")
CELLS = 5  # for each kind of grid, shape and backend


def _pil_twin(image_processor):
    """The same settings in the family's PIL-backed image processor."""
    module = type(image_processor).__module__
    name = type(image_processor).__name__
    twin = __import__(module.replace("image_processing_", "image_processing_pil_"), fromlist=[name])
    settings = image_processor.to_dict()
    settings.pop("image_processor_type", None)
    return getattr(twin, name + "Pil")(**settings)


@functools.lru_cache(maxsize=2)
def _build(name, backend):
    if name in MISSING:
        pytest.skip(MISSING[name])
    model, processor = FAMILIES[name]()
    if backend == "PIL":
        processor.image_processor = _pil_twin(processor.image_processor)
    return model, processor


def _noise(height, width, seed=0):
    # Coarse blocks survive the resize, pixel noise would average out to grey; pure colours all change alike.
    blocks = np.random.default_rng(seed).integers(0, 2, (24, 24, 3), dtype=np.uint8) * 255
    return np.asarray(Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST))


def _inputs(processor, pixels):
    content = [{"type": "image"}, {"type": "text", "text": "?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    return processor(text=text, images=Image.fromarray(pixels), return_tensors="pt")


@torch.no_grad()
def _features(model, inputs):
    """(visual, width): what the decoder gets for each placeholder, in their order."""
    text = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
    found = model.get_image_features(**{k: v for k, v in inputs.items() if k not in text}).pooler_output
    found = torch.cat(list(found)) if isinstance(found, (list, tuple)) else found
    return found.flatten(0, -2)


def _visible_boxes(views, kind):
    """Whole pixels in each token's box, for tokens of this kind that show at least half as much as the best one."""
    boxes = {}
    for view in views.grids:
        for row, col in np.ndindex(view.rows, view.cols):
            x0, y0, x1, y1 = view.box(row, col)
            left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, views.width), min(y1, views.height)
            if view.kind == kind and left < right and top < bottom:
                box = tuple(round(v) for v in (left, top, right, bottom))
                boxes[view.start + row * view.stride + col] = box
    areas = {token: (x1 - x0) * (y1 - y0) for token, (x0, y0, x1, y1) in boxes.items()}
    return {token: box for token, box in boxes.items() if 2 * areas[token] >= max(areas.values())}


CASES = [
    *itertools.product(NAMES, BACKENDS, SHAPES),
    # large enough to be shrunk to about nine tiles' tokens
    ("llava_onevision", "torchvision", (300, 270)),
    ("llava_onevision", "torchvision", (140, 350)),
]


@pytest.mark.parametrize(("name", "backend", "shape"), CASES)
def test_inverting_one_cell_changes_that_token_most(name, backend, shape):
    model, processor = _build(name, backend)
    pixels = _noise(*shape)
    inputs = _inputs(processor, pixels)
    before = _features(model, inputs)
    views = views_for(model, processor, inputs, *shape)
    assert views.visual == len(before) == int((inputs["input_ids"] == model.config.image_token_id).sum())
    for kind in dict.fromkeys(view.kind for view in views.grids):
        boxes = _visible_boxes(views, kind)
        rivals = torch.tensor([token for view in views.grids if view.kind == kind for token in _tokens(view)])
        for token in np.random.default_rng(1).permutation(list(boxes))[:CELLS]:
            x0, y0, x1, y1 = boxes[token]
            changed = pixels.copy()
            changed[y0:y1, x0:x1] = 255 - changed[y0:y1, x0:x1]
            change = (_features(model, _inputs(processor, changed)) - before).norm(dim=-1)
            assert int(rivals[change[rivals].argmax()]) == token


def _tokens(view):
    return [view.start + row * view.stride + col for row, col in np.ndindex(view.rows, view.cols)]


def test_the_large_pictures_of_onevision_are_shrunk():
    model, processor = _build("llava_onevision", "torchvision")
    for shape in ((300, 270), (140, 350)):
        (tiles,) = views_for(model, processor, _inputs(processor, _noise(*shape)), *shape).finest
        most = 9 * 64
        assert 0.85 * most < tiles.rows * tiles.cols <= most
        assert tiles.region == pytest.approx((0, 0, *shape[::-1]), abs=12.0)  # less than a cell at each edge


def test_every_known_family_is_tested():
    tested = {_build(name, "torchvision")[0].config.model_type for name in NAMES if name not in MISSING}
    assert tested | set(MISSING) == set(KNOWN)


def _blobs(height, width, seed):
    """A mask of a few rectangles that touch the borders or lie inside."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    for _ in range(3):
        (top, bottom), (left, right) = np.sort(rng.integers(0, (height + 1, width + 1), (2, 2)), axis=0).T
        mask[top:bottom, left:right] = True
    return mask


def _area_within(mask, x0, y0, x1, y1):
    """Area of the mask inside a rectangle, pixels cut by its edges in proportion."""
    rows, cols = (np.arange(n) for n in mask.shape)
    down = np.clip(np.minimum(rows + 1, y1) - np.maximum(rows, y0), 0, 1)
    across = np.clip(np.minimum(cols + 1, x1) - np.maximum(cols, x0), 0, 1)
    return float(down @ mask @ across)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[1]}x{s[0]}")
@pytest.mark.parametrize("name", NAMES)
def test_a_mask_keeps_its_area_in_every_grid(name, shape):
    model, processor = _build(name, "torchvision")
    views = views_for(model, processor, _inputs(processor, _noise(*shape)), *shape)
    for seed in range(3):
        mask = _blobs(*shape, seed)
        shares = coverage(mask, views)
        for kind in dict.fromkeys(view.kind for view in views.grids):
            grids = [view for view in views.grids if view.kind == kind]
            counted = sum(shares[_tokens(view)].sum() * _cell_area(view) for view in grids)
            inside = sum(_area_within(mask, *view.region) for view in grids)
            assert counted == pytest.approx(inside, rel=1e-9, abs=1e-6)
            if name not in PARTLY and not (kind == "tiles" and name == "llava_next_vicuna"):
                assert counted == pytest.approx(mask.sum(), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[1]}x{s[0]}")
@pytest.mark.parametrize("name", ["llava_next_vicuna", "llava_onevision"])
def test_the_finer_grid_misses_or_exceeds_the_picture_by_less_than_a_cell(name, shape):
    """The model drops padding in whole cells, so its finer grid ends near the picture's edges, not on them."""
    model, processor = _build(name, "torchvision")
    views = views_for(model, processor, _inputs(processor, _noise(*shape)), *shape)
    (tiles,) = views.finest
    x0, y0, x1, y1 = tiles.box(0, 0)
    off = np.abs(np.subtract(tiles.region, (0, 0, views.width, views.height)))
    assert (off < [x1 - x0, y1 - y0] * 2).all()


def _cell_area(view):
    x0, y0, x1, y1 = view.box(0, 0)
    return (x1 - x0) * (y1 - y0)


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_of_one_cell_covers_that_token(name):
    shape = (120, 160)
    model, processor = _build(name, "torchvision")
    views = views_for(model, processor, _inputs(processor, _noise(*shape)), *shape)
    for view in views.grids:
        rivals = [token for other in views.grids if other.kind == view.kind for token in _tokens(other)]
        x0, y0, x1, y1 = (round(v) for v in view.box(view.rows // 2, view.cols // 2))
        mask = np.zeros(shape, bool)
        mask[y0:y1, x0:x1] = True
        shares = coverage(mask, views)[rivals]
        expected = view.start + view.rows // 2 * view.stride + view.cols // 2
        assert rivals[int(shares.argmax())] == expected
        assert shares.max() > 0.7
        # neighbours get no more than rounding to whole pixels spills over: half a pixel on each side
        spill = 2 * ((x1 - x0) + (y1 - y0)) * 0.5 / _cell_area(view)
        assert shares.sum() - shares.max() <= spill


@pytest.mark.parametrize("name", NAMES)
def test_a_panorama_is_seen_whole_by_all_but_the_cropping_model(name):
    height, width = 61, 240
    model, processor = _build(name, "torchvision")
    views = views_for(model, processor, _inputs(processor, _noise(height, width)), height, width)
    x0, y0, x1, y1 = views.seen()
    share = (x1 - x0) * (y1 - y0) / (height * width)
    if name == "llava":
        assert share == pytest.approx(height / width, rel=0.02)  # the crop's side is rounded to whole pixels
        assert x0 == pytest.approx((width - height) / 2, abs=2.0)  # a pixel of the 32-pixel input is 1.9 wide
    else:
        assert share > 0.9
    if name not in PARTLY:
        assert (x0, y0, x1, y1) == pytest.approx((0, 0, width, height), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_views_survive_json_and_draw_as_one_finer_grid(name):
    shape = (120, 160)
    model, processor = _build(name, "torchvision")
    views = views_for(model, processor, _inputs(processor, _noise(*shape)), *shape)
    assert Views.from_json(json.loads(json.dumps(views.to_json()))) == views
    kinds = [view.kind for view in views.grids]
    tiled = name in ("llava_next_vicuna", "llava_onevision", "idefics3", "smolvlm", "internvl")
    assert set(kinds) == ({"base", "tiles"} if tiled else {"full"})
    assert [view.kind for view in views.finest] == [kind for kind in kinds if kind != "base"]
    boxes = [view.region for view in views.finest]
    overlaps = [
        max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        for a, b in itertools.combinations(boxes, 2)
    ]
    assert max(overlaps, default=0.0) == pytest.approx(0.0, abs=1e-9)


# Sizes as published; the token counts are those of the processors' own arithmetic, not of this program.
def _real(name):
    if name == "llava_next":
        images = tf.LlavaNextImageProcessor(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
        tokenizer = FAMILIES["llava_next_vicuna"]()[1].tokenizer
        config = tf.LlavaNextConfig(image_token_index=tokenizer.image_token_id)
        options = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
        return config, tf.LlavaNextProcessor(images, tokenizer, **options)
    if name == "llava_onevision":
        tokenizer = FAMILIES["llava_onevision"]()[1].tokenizer
        config = tf.LlavaOnevisionConfig(image_token_index=tokenizer.image_token_id)
        options = {"num_image_tokens": 729, "vision_feature_select_strategy": "full"}
        parts = tf.LlavaOnevisionImageProcessor(), tokenizer, tf.LlavaOnevisionVideoProcessor()
        return config, tf.LlavaOnevisionProcessor(*parts, **options)
    if name == "qwen2_5_vl":
        model, processor = FAMILIES["qwen2_5_vl"]()
        processor.image_processor = tf.Qwen2VLImageProcessor()
        return model.config, processor
    if name == "idefics3":
        tokenizer = FAMILIES["idefics3"]()[1].tokenizer
        images = tf.Idefics3ImageProcessor(size={"longest_edge": 1456}, max_image_size={"longest_edge": 364})
        processor = tf.Idefics3Processor(images, tokenizer, image_seq_len=169)
        vision = {"image_size": 364, "patch_size": 14}
        return tf.Idefics3Config(vision_config=vision, image_token_id=processor.image_token_id), processor
    if name == "internvl":
        processor = FAMILIES["internvl"]()[1]
        square = {"height": 448, "width": 448}
        processor.image_processor = tf.GotOcr2ImageProcessor(size=square, crop_to_patches=True)
        processor.image_seq_length = 256
        return tf.InternVLConfig(image_token_id=processor.image_token_id), processor
    processor = FAMILIES["gemma3"]()[1]
    tokenizer = processor.tokenizer
    images = tf.Gemma3ImageProcessor(size={"height": 896, "width": 896})
    vision = {"model_type": "siglip_vision_model", "image_size": 896, "patch_size": 14}
    config = tf.Gemma3Config(vision_config=vision, image_token_index=tokenizer.image_token_id)
    return config, tf.Gemma3Processor(images, tokenizer, image_seq_length=256)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("llava_next", 2340),  # 576 + 36 x (48 + 1)
        ("llava_onevision", None),
        ("qwen2_5_vl", 17 * 23),
        ("idefics3", 13 * 169),
        ("internvl", 13 * 256),
        ("gemma3", 256),
    ],
)
def test_published_sizes_give_as_many_tokens_as_the_processor_writes(name, tokens):
    config, processor = _real(name)
    word = {"llava_next": "<image>", "llava_onevision": "<image>", "qwen2_5_vl": "<|image_pad|>"}
    word |= {"idefics3": "<image>", "internvl": "<IMG_CONTEXT>", "gemma3": "<start_of_image>"}
    picture = Image.fromarray(_noise(480, 640))
    inputs = processor(text=f"{word[name]}?", images=picture, return_tensors="pt")
    views = views_for(SimpleNamespace(config=config), processor, inputs, 480, 640)
    assert views.visual == int((inputs["input_ids"] == config.image_token_id).sum())
    assert views.visual == (tokens or views.visual)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[1]}x{s[0]}")
def test_idefics_cuts_are_those_of_the_processor(shape, backend):
    _, processor = _build("idefics3", backend)
    images = processor.image_processor
    for settings in ({}, {"do_resize": False}, {"do_image_splitting": False}, {"size": {"longest_edge": 96}}):
        made = images(Image.fromarray(_noise(*shape)), return_row_col_info=True, return_tensors="pt", **settings)
        options = {key: getattr(images, key) for key in ("do_resize", "do_image_splitting", "size", "max_image_size")}
        found = tiles_of(SimpleNamespace(**{**options, **settings}), *shape)
        assert found == (made["rows"][0][0], made["cols"][0][0])


def _for(name, shape=(120, 160), **changes):
    """What views_for gets for one picture; `changes` replace settings of the image processor after it has run."""
    model, processor = FAMILIES[name]()
    inputs = _inputs(processor, _noise(*shape))
    for key, value in changes.items():
        setattr(processor.image_processor, key, value)
    return model, processor, inputs, *shape


def test_a_prompt_with_another_number_of_placeholders_is_refused():
    model, processor, inputs, *shape = _for("qwen2_5_vl")
    inputs["input_ids"][0, -1] = model.config.image_token_id
    with pytest.raises(ModelError, match=r"holds 71 visual tokens where the picture's geometry gives 70; .*\.$"):
        views_for(model, processor, inputs, *shape)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("llava_next_vicuna", {"image_grid_pinpoints": [[48, 96]]}, "other tiles than the model expects"),
        ("llava_next_vicuna", {"crop_size": {"height": 40, "width": 40}}, "only square tiles of one size"),
        ("llava_next_vicuna", {"size": {"shortest_edge": 40}, "crop_size": None}, "other tiles than the model"),
        ("qwen2_vl", {"merge_size": 1}, "in blocks of 1; one picture in blocks of 2"),
        ("idefics3", {"size": {"longest_edge": 64}}, "into 13 images where its settings say 5"),
        ("idefics3", {"max_image_size": {"longest_edge": 64}}, "its settings say 64 x 64"),
        ("internvl", {"max_patches": 4}, "into 13 images where its settings say 5"),
        ("internvl", {"size": {"height": 32, "width": 64}}, "its settings say 64 x 32"),
    ],
)
def test_inputs_that_disagree_with_the_settings_are_refused_in_one_sentence(name, changes, words):
    with pytest.raises(ModelError, match=rf"{words}.*\.$"):
        views_for(*_for(name, **changes))


def test_an_arrangement_of_tiles_that_is_not_known_is_refused():
    model, *rest = _for("llava_onevision")
    model.config.vision_aspect_ratio = "pad"
    with pytest.raises(ModelError, match=r"arranges its tiles by 'pad'; only anyres_max_N can be followed\.$"):
        views_for(model, *rest)


def test_gemma_with_pan_and_scan_is_refused():
    model, processor = FAMILIES["gemma3"]()
    options = {"do_pan_and_scan": True, "pan_and_scan_min_crop_size": 16}
    picture = Image.fromarray(_noise(61, 240))
    inputs = processor(text="<start_of_image>?", images=picture, return_tensors="pt", images_kwargs=options)
    assert inputs["pixel_values"].shape[0] > 1
    with pytest.raises(ModelError, match=r"pan-and-scan crops are not supported; set do_pan_and_scan to false\.$"):
        views_for(model, processor, inputs, 61, 240)


def test_more_tiles_than_a_file_may_hold_are_refused():
    with pytest.raises(ModelError, match=r"cuts 8 x 8 tiles; at most 63 are supported\.$"):
        squares(480, 640, 8, 8, 4)


@pytest.mark.parametrize(("name", "option"), [("idefics3", "do_image_splitting"), ("internvl", "crop_to_patches")])
def test_without_tiles_one_grid_covers_the_whole_picture(name, option):
    model, processor = FAMILIES[name]()
    setattr(processor.image_processor, option, False)
    word = {"idefics3": "<image>", "internvl": "<IMG_CONTEXT>"}[name]
    picture = Image.fromarray(_noise(120, 160))
    inputs = processor(text=f"{word}?", images=picture, return_tensors="pt", images_kwargs={option: False})
    (view,) = views_for(model, processor, inputs, 120, 160).grids
    assert (view.rows, view.cols, view.region, view.kind) == (4, 4, (0, 0, 160, 120), "full")
