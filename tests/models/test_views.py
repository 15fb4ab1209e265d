"""Geometry of visual tokens, checked against real processors and the vision path of a tiny random model."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_llava import LlavaImageProcessor
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from clvs_core.models.families import views_for
from clvs_core.models.geometry.grids import View, Views
from clvs_core.models.geometry.llava import llava_views

SIZE, PATCH = 48, 8
SHAPES = [(96, 96), (60, 80), (131, 67), (40, 333), (301, 50), (31, 43), (97, 98)]  # height, width
EDGE, SQUARE = {"shortest_edge": SIZE}, {"height": SIZE, "width": SIZE}
PROCESSORS = {
    "crop torchvision": lambda: CLIPImageProcessor(size=EDGE, crop_size=SQUARE),
    "crop PIL": lambda: CLIPImageProcessorPil(size=EDGE, crop_size=SQUARE),
    "wider resize then crop": lambda: CLIPImageProcessor(size={"shortest_edge": 57}, crop_size=SQUARE),
    "narrow resize, padded crop": lambda: CLIPImageProcessor(size={"shortest_edge": 39}, crop_size=SQUARE),
    "narrow resize, padded crop PIL": lambda: CLIPImageProcessorPil(size={"shortest_edge": 39}, crop_size=SQUARE),
    "pad torchvision": lambda: LlavaImageProcessor(size=EDGE, crop_size=SQUARE, do_pad=True),
    "pad PIL": lambda: LlavaImageProcessorPil(size=EDGE, crop_size=SQUARE, do_pad=True),
    "squash torchvision": lambda: CLIPImageProcessor(size=SQUARE, do_center_crop=False),
    "squash PIL": lambda: CLIPImageProcessorPil(size=SQUARE, do_center_crop=False),
}


def _tokenizer():
    vocabulary = {word: i for i, word in enumerate(["<unk>", "<s>", "</s>", "<image>", "USER:"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="</s>",
        extra_special_tokens={"image_token": "<image>"},
    )


def _processor(image_processor, strategy="default"):
    return LlavaProcessor(
        image_processor,
        _tokenizer(),
        patch_size=PATCH,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=1,
    )


def _model(strategy="default"):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**sizes, image_size=SIZE, patch_size=PATCH),
        text_config=LlamaConfig(**sizes, vocab_size=8),
        image_token_index=3,
        vision_feature_select_strategy=strategy,
    )
    return LlavaForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def model():
    return _model()


def _noise(height, width, seed=0):
    # Coarse blocks survive the resize; pixel noise would average out to grey.
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC))


@torch.no_grad()
def _features(model, processor, pixels):
    inputs = processor(text="USER: <image>", images=Image.fromarray(pixels), return_tensors="pt")
    features = torch.cat(list(model.get_image_features(inputs["pixel_values"]).pooler_output))
    return features, inputs


def _visible_boxes(view, height, width):
    """Whole pixels in each token's box, for tokens that show at least half as much as the best one."""
    boxes = {}
    for row, col in np.ndindex(view.rows, view.cols):
        x0, y0, x1, y1 = view.box(row, col)
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if left < right and top < bottom:
            boxes[row, col] = tuple(round(v) for v in (left, top, right, bottom))
    areas = {cell: (x1 - x0) * (y1 - y0) for cell, (x0, y0, x1, y1) in boxes.items()}
    return {cell: box for cell, box in boxes.items() if 2 * areas[cell] >= max(areas.values())}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[1]}x{s[0]}")
@pytest.mark.parametrize("name", PROCESSORS)
def test_inverting_one_cell_changes_that_token_most(model, name, shape):
    height, width = shape
    processor = _processor(PROCESSORS[name]())
    pixels = _noise(height, width)
    before, inputs = _features(model, processor, pixels)
    views = views_for(model, processor, inputs, height, width)
    (view,) = views.grids
    placeholders = int((inputs["input_ids"] == model.config.image_token_id).sum())
    assert views.visual == placeholders == len(before)

    boxes = _visible_boxes(view, height, width)
    assert len(boxes) >= 6
    for cell in np.random.default_rng(1).permutation(list(boxes))[:6]:
        x0, y0, x1, y1 = boxes[tuple(cell)]
        changed = pixels.copy()
        changed[y0:y1, x0:x1] = 255 - changed[y0:y1, x0:x1]
        change = (_features(model, processor, changed)[0] - before).norm(dim=-1)
        row, col = cell
        assert int(change.argmax()) == view.start + row * view.stride + col


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[1]}x{s[0]}")
@pytest.mark.parametrize(
    ("mode", "name"), [("crop", "crop torchvision"), ("pad", "pad torchvision"), ("squash", "squash PIL")]
)
def test_closed_form_equals_the_processor(model, mode, name, shape):
    processor = _processor(PROCESSORS[name]())
    inputs = processor.image_processor(Image.fromarray(_noise(*shape)), return_tensors="pt")
    from_processor = views_for(model, processor, inputs, *shape)
    closed_form = llava_views(*shape, SIZE, PATCH, mode)
    assert from_processor.grids[0].region == pytest.approx(closed_form.grids[0].region, abs=1e-9)
    assert from_processor.visual == closed_form.visual == 36


def test_llava_regions_of_a_coco_photograph():
    crop, pad = (llava_views(480, 640, 336, 14, mode) for mode in ("crop", "pad"))
    assert crop.grids == (View(0, 24, 24, (80.0, 0.0, 560.0, 480.0), 24),)
    assert crop.seen() == (80.0, 0.0, 560.0, 480.0)
    assert pad.grids[0].region == pytest.approx((0, -80, 640, 560))
    assert pad.seen() == (0.0, 0.0, 640.0, 480.0)


def test_crop_truncates_like_the_processor():
    # 640 x 427: the long side becomes int(336 * 640 / 427) = 503 pixels, the crop starts at int(167 / 2) = 83
    x0, _, x1, _ = llava_views(427, 640, 336, 14, "crop").grids[0].region
    assert (x0, x1) == pytest.approx((83 * 640 / 503, 419 * 640 / 503))


def test_pixels_left_over_by_the_patch_grid_belong_to_no_token():
    views = llava_views(100, 100, 50, 8, "squash")
    assert views.visual == 36
    assert views.seen() == pytest.approx((0, 0, 96, 96))


def test_a_kept_class_token_has_no_place_on_the_picture():
    model, processor = _model("full"), _processor(PROCESSORS["crop torchvision"](), "full")
    features, inputs = _features(model, processor, _noise(64, 64))
    views = views_for(model, processor, inputs, 64, 64)
    assert views.visual == len(features) == 37
    assert views.grids[0].start == 1


def test_other_families_are_refused_in_one_sentence():
    other = SimpleNamespace(config=SimpleNamespace(model_type="mllama"))
    with pytest.raises(ValueError, match=r"'mllama' are not supported; choose one of type gemma3, .*, smolvlm\.$"):
        views_for(other, None, {}, 10, 10)


def test_an_unknown_resize_is_refused(model):
    processor = SimpleNamespace(image_processor=SimpleNamespace(do_resize=True, size={"longest_edge": 48}))
    with pytest.raises(ValueError, match="longest_edge"):
        views_for(model, processor, {"pixel_values": torch.zeros(1, 3, 48, 48)}, 10, 10)


def test_pixels_that_disagree_with_the_settings_are_refused(model):
    processor = _processor(PROCESSORS["crop PIL"]())
    with pytest.raises(ValueError, match="40 x 48 pixels where its settings say 48 x 48"):
        views_for(model, processor, {"pixel_values": torch.zeros(1, 3, 48, 40)}, 10, 10)


@pytest.mark.parametrize(
    "arguments",
    [(0, 5, 48, 8, "crop"), (5, 5, 48, 49, "pad"), (5, 5, 48, 8, "stretch"), (5, 5, 48, 0, "pad")],
)
def test_impossible_sizes_and_modes_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        llava_views(*arguments)


def test_json_round_trip_keeps_two_grids():
    base = View(0, 24, 24, (0.0, 0.0, 640.0, 480.0), kind="base")
    tiles = View(576, 36, 48, (0.0, -1.5, 640.0, 481.5), stride=49, kind="tiles")
    views = Views(640, 480, 576 + 36 * 49, (base, tiles))
    assert Views.from_json(json.loads(json.dumps(views.to_json()))) == views
    assert views.seen() == (0.0, 0.0, 640.0, 480.0)


def _broken(**changes):
    grid = {"start": 0, "rows": 2, "cols": 2, "region": [0, 0, 4, 4], "stride": 2, "kind": "full"}
    data = {"width": 4, "height": 4, "visual": 4, "grids": [grid]}
    for key, value in changes.items():
        (grid if key in grid else data)[key] = value
    return data


def test_the_unbroken_json_is_accepted():
    assert Views.from_json(_broken()).visual == 4


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        _broken(width="4"),
        _broken(width=0),
        _broken(height=True),
        _broken(visual=3),
        _broken(visual=1 << 31),
        _broken(grids=[]),
        _broken(grids="full"),
        _broken(grids=[None]),
        _broken(start=-1),
        _broken(start=1),
        _broken(rows=1 << 20, cols=1 << 20, stride=1 << 20),
        _broken(rows=1.5),
        _broken(stride=1),
        _broken(kind="tower"),
        _broken(kind=["full"]),
        _broken(region=[0, 0, 4]),
        _broken(region=[0, 0, 4, float("nan")]),
        _broken(region=[0, 0, 4, float("inf")]),
        _broken(region=[4, 0, 0, 4]),
        _broken(region=[0, 0, "4", 4]),
        _broken(grids=_broken()["grids"] * 2),
    ],
)
def test_untrusted_json_is_refused_with_a_sentence(data):
    with pytest.raises(ValueError, match=r"[A-Z'].*\.$"):
        Views.from_json(data)
