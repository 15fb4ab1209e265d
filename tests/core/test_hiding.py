"""What a picture becomes when something in it is hidden."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from clvs_core.errors import ClvsError, ImageError
from clvs_core.hiding import FILLS, hide

HEIGHT, WIDTH = 45, 70


@pytest.fixture
def scene():
    """A ground that grows lighter to the right, with a red box on it: pixels, and the box's mask."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[...] = np.linspace(40, 200, WIDTH)[None, :, None]
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[11:30, 20:41] = True
    pixels[mask] = [250, 10, 10]
    return pixels, mask


@pytest.mark.parametrize("fill", FILLS)
def test_every_other_pixel_stays_and_what_is_hidden_changes(scene, fill):
    pixels, mask = scene
    hidden = np.asarray(hide(pixels, mask, fill))
    assert (hidden[~mask] == pixels[~mask]).all()
    assert (hidden[mask] != pixels[mask]).any(axis=1).all()


def test_the_mean_is_that_of_what_stays(scene):
    pixels, mask = scene
    hidden = np.asarray(hide(Image.fromarray(pixels), mask))
    assert (hidden[mask] == np.rint(pixels[~mask].mean(axis=0))).all()


def test_the_background_goes_on_where_the_object_was(scene):
    """Nowhere further from the ground than a tenth of its range, and nothing of the box's red."""
    pixels, mask = scene
    ground = np.broadcast_to(np.linspace(40, 200, WIDTH)[None, :, None], pixels.shape)
    hidden = np.asarray(hide(pixels, mask, "background")).astype(int)
    assert np.ptp(hidden[mask], axis=1).max() == 0
    assert np.abs(hidden - ground)[mask].max() < 16
    plain = np.where(mask[..., None], pixels, np.uint8(90))
    assert (np.asarray(hide(plain, mask, "background")) == 90).all(), "on a plain ground no shape is left"


def test_a_blur_keeps_its_colours_but_no_shape(scene):
    pixels, mask = scene
    hidden = np.asarray(hide(pixels, mask, "blur")).astype(int)[mask]
    assert (hidden[:, 0] > hidden[:, 1]).all()
    assert np.ptp(hidden[:, 0]) <= np.ptp(pixels.astype(int)[..., 0]) / 2


@pytest.mark.parametrize("fill", FILLS)
def test_a_whole_picture_can_be_hidden_and_a_single_pixel(scene, fill):
    pixels, mask = scene
    whole = np.asarray(hide(pixels, np.ones_like(mask), fill)).astype(int)
    edges = np.abs(np.diff(whole, axis=1)).max()
    assert edges < 12 if fill == "blur" else edges == 0, "the box's edge was one of 100 and more"
    one = np.zeros_like(mask)
    one[0, 0] = True
    assert (np.asarray(hide(pixels, one, fill))[1:] == pixels[1:]).all()


def test_what_cannot_be_hidden_is_said_in_one_sentence(scene):
    pixels, mask = scene
    with pytest.raises(ImageError, match="The mask must have the picture's size, 45 x 70, not"):
        hide(pixels, mask[1:])
    with pytest.raises(ClvsError, match="covers no pixel"):
        hide(pixels, np.zeros_like(mask))
    with pytest.raises(ClvsError, match="There is no fill 'sepia'; choose mean, blur, background"):
        hide(pixels, mask, "sepia")
