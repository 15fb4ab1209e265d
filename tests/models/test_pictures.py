"""Crop or pad for LLaVA-1.5, and the cap on visual tokens, through the real processors."""

import math

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from clvs_core.engine.model import Model
from clvs_core.errors import ModelError
from clvs_core.models import processors as pictures
from clvs_core.models.families import views_for
from clvs_core.models.geometry.llava import llava_views
from clvs_core.models.processors import cap_visual_tokens, image_mode, set_image_mode, unpadded
from clvs_core.models.registry import card_for
from tests import tiny
from tests.tiny_families import FAMILIES

SQUARE = {"height": 32, "width": 32}


def _llava(kind, squash=False):
    model, processor = FAMILIES["llava"]()
    sizes = {"size": SQUARE, "do_center_crop": False} if squash else {"size": {"shortest_edge": 32}}
    processor.image_processor = kind(crop_size=SQUARE, image_mean=[0.1, 0.5, 0.9], **sizes)
    return model, processor


@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize("kind", [CLIPImageProcessor, CLIPImageProcessorPil])
@pytest.mark.parametrize("mode", ["crop", "pad"])
def test_the_chosen_mode_is_what_pixels_and_geometry_follow(mode, kind, squash):
    model, processor = _llava(kind, squash)
    assert image_mode(processor) == ("squash" if squash else "crop")
    set_image_mode(processor, mode)
    assert image_mode(processor) == mode
    assert type(processor.image_processor).__name__.endswith("Pil") == kind.__name__.endswith("Pil")
    inputs = processor(text="<image>", images=Image.fromarray(tiny.picture(0, 40, 90)), return_tensors="pt")
    expected = llava_views(40, 90, 32, 8, mode)
    found = views_for(model, processor, inputs, 40, 90)
    assert found.grids[0].region == pytest.approx(expected.grids[0].region, abs=1e-9)


@pytest.mark.parametrize("kind", [CLIPImageProcessor, CLIPImageProcessorPil])
def test_crop_chosen_explicitly_changes_no_pixel(kind):
    _, processor = _llava(kind)
    picture = Image.fromarray(tiny.picture(3, 50, 71))
    before = processor(text="<image>", images=picture, return_tensors="pt")["pixel_values"]
    set_image_mode(processor, "crop")
    after = processor(text="<image>", images=picture, return_tensors="pt")["pixel_values"]
    assert (before == after).all()


@pytest.mark.parametrize("kind", [CLIPImageProcessor, CLIPImageProcessorPil])
def test_pad_shows_the_whole_picture_between_bars_in_the_mean_colour(kind):
    _, processor = _llava(kind)
    set_image_mode(processor, "pad")
    white = Image.fromarray(np.full((32, 64, 3), 255, np.uint8))
    pixels = processor(text="<image>", images=white, return_tensors="pt")["pixel_values"][0]
    # the mean colour normalises to 0, but for its rounding to a whole grey level (1 / 255 / std < 0.016)
    assert pixels[:, [0, 1, -2, -1]].abs().max() < 0.016
    assert (pixels[:, 12:20] - pixels[:, 16:17, 16:17]).abs().max() < 1e-5
    assert pixels[0, 16, 16] > 3.0  # white is (1 - 0.1) / 0.27


@pytest.mark.parametrize("kind", [CLIPImageProcessor, CLIPImageProcessorPil])
def test_a_long_picture_is_small_before_it_becomes_a_square(kind, monkeypatch):
    """Padded as it comes, one of 99,000 x 1,000 pixels would take 30 GB; what the model sees is the same."""
    _, processor = _llava(kind)
    model = Model(tiny.llava(), processor, card_for("tiny"))
    set_image_mode(processor, "pad")
    picture = Image.fromarray(tiny.picture(0, 40, 900))
    monkeypatch.setattr(pictures, "PADDED", 900)
    expected = model.prompts.encode(picture, "?")["pixel_values"]
    assert unpadded(processor, picture) is picture, "as long as it may be"
    monkeypatch.setattr(pictures, "PADDED", 300)
    assert unpadded(processor, picture).size == (300, 13)
    assert picture.size == (900, 40)
    found = model.prompts.encode(picture, "?")["pixel_values"]
    assert (found - expected).abs().mean() < 0.02 * expected.std()
    views = model.open_image(picture).views
    assert (views.width, views.height) == (900, 40)
    assert views.seen() == (0, 0, 900, 40)
    set_image_mode(processor, "crop")
    assert unpadded(processor, picture) is picture, "nothing is padded"
    assert unpadded(FAMILIES["qwen2_vl"]()[1], picture) is picture


def test_wrong_modes_and_families_are_refused_in_one_sentence():
    _, processor = _llava(CLIPImageProcessor)
    with pytest.raises(ModelError, match=r"must be crop or pad, not 'squash'\.$"):
        set_image_mode(processor, "squash")
    other = FAMILIES["gemma3"]()[1]
    assert image_mode(other) is None
    with pytest.raises(ModelError, match=r"Only LLaVA-1\.5 leaves the choice"):
        set_image_mode(other, "pad")
    processor.image_processor.crop_size = {"height": 32, "width": 40}
    with pytest.raises(ModelError, match=r"is not a square; leave image_mode out\.$"):
        set_image_mode(processor, "pad")


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_the_cap_holds_through_the_real_processor(name):
    model, processor = FAMILIES[name]()
    word = processor.image_token
    picture = Image.fromarray(tiny.picture(0, 300, 200))
    count = {}
    for most in (80, 40, 16, 60):  # 60 must not raise the limit of 16 again
        cap_visual_tokens(processor, most)
        inputs = processor(text=word, images=picture, return_tensors="pt")
        count[most] = views_for(model, processor, inputs, 300, 200).visual
    assert 60 < count[80] <= 80
    assert 30 < count[40] <= 40
    assert 8 <= count[16] <= 16
    assert count[60] == count[16]


@pytest.mark.parametrize("most", [16, 100, 1200])
@pytest.mark.parametrize("published", [(3136, 12845056), (65536, 16777216)])
def test_the_cap_holds_for_every_shape_it_promises(most, published):
    processor = FAMILIES["qwen2_vl"]()[1]
    images = processor.image_processor
    images.patch_size, images.size = 14, type(images.size)(shortest_edge=published[0], longest_edge=published[1])
    cap_visual_tokens(processor, most)
    limits = images.size["shortest_edge"], images.size["longest_edge"]
    rng, worst = np.random.default_rng(0), 0
    for _ in range(4000):
        ratio = math.exp(rng.uniform(0, math.log(min(most, 100))))
        short = int(math.exp(rng.uniform(0, math.log(8000))))
        sides = [short, max(short, int(short * ratio))]
        height, width = smart_resize(*sides[:: rng.choice([1, -1])], 28, *limits)
        worst = max(worst, height * width // 28**2)
    assert 0.9 * most <= worst <= most


def test_a_cap_that_cannot_be_set_is_refused_in_one_sentence():
    with pytest.raises(ModelError, match=r"does not follow the pixels; leave the limit out\.$"):
        cap_visual_tokens(FAMILIES["llava_next_vicuna"]()[1], 500)
    processor = FAMILIES["qwen2_vl"]()[1]
    for wrong in (15, 20.5, True, None, "100"):
        with pytest.raises(ModelError, match=r"whole number of at least 16, not .*\.$"):
            cap_visual_tokens(processor, wrong)
