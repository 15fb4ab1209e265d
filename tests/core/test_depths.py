"""Pictures of more than 8 bits look as they were meant to, or are refused in one sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from clvs_core.errors import ImageError
from clvs_core.pictures import read_picture

RAMP = np.linspace(0, 1, 64).reshape(8, 8)
EIGHT = np.round(RAMP * 255)


def read(values, ending="tif", **options):
    """What an array becomes as the pixels of a file: (8, 8) of grey."""
    data = io.BytesIO()
    Image.fromarray(values).save(data, {"tif": "TIFF", "png": "PNG"}[ending], **options)
    data.seek(0)
    picture = np.asarray(read_picture(Image.open(data)))
    assert (picture[..., 0] == picture[..., 1]).all()
    return picture[..., 0].astype(int)


def png_of_16_bits(values):
    """A PNG file of (H, W, C) uint16 values, 1 to 4 channels, which Pillow cannot write."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
    return Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n" + parts))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_whole_values_are_scaled_by_the_depth_they_use(kind, bits):
    values = np.round(RAMP * ((1 << bits) - 1)).astype(kind)
    assert np.abs(read(values) - EIGHT).max() <= 1


def test_32_bits_in_use_are_scaled_too():
    assert np.abs(read(np.round(RAMP * (2**31 - 1)).astype(np.int32)) - EIGHT).max() <= 1


def test_12_of_16_bits_in_a_png():
    assert np.abs(read(np.round(RAMP * 4095).astype(np.uint16), "png") - EIGHT).max() <= 1


@pytest.mark.parametrize("most", [1, 255])
def test_float_values_from_0_to_1_or_255(most):
    assert np.abs(read((RAMP * most).astype(np.float32)) - EIGHT).max() <= 1


def test_a_picture_in_memory_is_read_alike():
    picture = np.asarray(read_picture(Image.fromarray((RAMP * 1.0).astype(np.float32))))
    assert np.abs(picture[..., 0] - EIGHT).max() <= 1


def test_where_zero_is_white():
    assert np.abs(read(np.round(RAMP * 65535).astype(np.uint16), tiffinfo={262: 0}) - (255 - EIGHT)).max() <= 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((RAMP - 0.5).astype(np.float32), "from -0.5 to 0.5"),
        ((RAMP * 1.5).astype(np.float32), "from 0 to 1.5"),
        ((RAMP * 4000).astype(np.float32), "from 0 to 4000"),
        (np.full((8, 8), np.nan, np.float32), "from nan to nan"),
        (np.full((8, 8), np.inf, np.float32), "from inf to inf"),
        (np.round(RAMP * 100 - 50).astype(np.int32), "from -50 to 50"),
    ],
)
def test_values_whose_range_is_unknown_are_refused(values, told):
    with pytest.raises(ImageError, match=rf"^The picture has grey values {told}, of which .*; save it with 8 bits\.$"):
        read(values)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_16_bits_are_read_or_told(channels):
    full = np.repeat(RAMP[..., None], channels, -1)
    full[..., 3 if channels == 4 else channels - 1] = 1 if channels != 3 else RAMP
    seen = np.asarray(read_picture(png_of_16_bits(np.round(full * 65535))))[..., 0]
    assert np.abs(seen - EIGHT).max() <= 1
    with pytest.raises(
        ImageError, match=r"uses only the lowest 12 of its 16 bits .* nearly black; save it with 8 bits\.$"
    ):
        read_picture(png_of_16_bits(np.round(full * 4095)))


def test_a_black_picture_is_black():
    assert (read(np.zeros((8, 8), np.uint16)) == 0).all()
    assert (np.asarray(read_picture(png_of_16_bits(np.zeros((8, 8, 3))))) == 0).all()


# --- other ways of holding a picture ------------------------------------------------------------------------------


def saved(picture, kind, **options):
    data = io.BytesIO()
    picture.save(data, kind, **options)
    data.seek(0)
    return np.asarray(read_picture(Image.open(data)))


def test_ink_colours_are_what_they_look_like():
    for kind in ("JPEG", "TIFF"):
        assert np.abs(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), kind)[4, 4] - [255, 0, 0]).max() <= 2


def test_what_is_transparent_is_white():
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.paste(0, (0, 0, 4, 8))
    found = saved(palette, "PNG", transparency=1)
    assert found[0, 0].tolist() == [255, 0, 0]
    assert found[0, 7].tolist() == [255, 255, 255]
    grey = Image.new("LA", (8, 8), (0, 0))
    grey.paste((100, 255), (0, 0, 4, 8))
    found = saved(grey, "PNG")
    assert found[0, 0].tolist() == [100] * 3
    assert found[0, 7].tolist() == [255] * 3


def test_one_bit_is_black_or_white():
    picture = Image.new("1", (8, 8), 1)
    picture.putpixel((0, 0), 0)
    for kind in ("PNG", "TIFF"):
        found = saved(picture, kind)
        assert found[0, 0].tolist() == [0] * 3
        assert found[0, 7].tolist() == [255] * 3
