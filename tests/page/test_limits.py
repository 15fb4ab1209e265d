"""What a visitor may send: pictures, bodies, questions, numbers."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from clvs_core.errors import ClvsError, ImageError, QuestionError
from viz.page import limits
from viz.viewer.standalone import jpeg


def save(tmp_path, name, picture, **options):
    path = tmp_path / name
    picture.save(path, **options)
    return path


def png_header(width, height):
    """A PNG that claims a size and holds next to no data."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore:Image size")  # Pillow's own, before our refusal
@pytest.mark.parametrize(("width", "height"), [(5001, 5000), (7000, 7000), (12_000, 12_000), (60_000, 60_000)])
def test_a_bomb_is_refused_by_its_header(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    with pytest.raises(ImageError, match="megapixels"):
        limits.open_picture(path)


def test_a_bomb_costs_no_memory(tmp_path, monkeypatch):
    path = save(tmp_path, "bomb.png", Image.new("L", (9000, 9000)))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("the 81 MB of pixels were decoded"))
    with pytest.raises(ImageError, match="megapixels"):
        limits.open_picture(path)


def test_a_picture_of_25_megapixels_is_accepted_and_reduced(tmp_path):
    path = save(tmp_path, "large.jpg", Image.new("RGB", (5000, 5000), "red"))
    assert limits.open_picture(path).size == (limits.MAX_SIDE, limits.MAX_SIDE)


@pytest.mark.parametrize(("name", "content"), [
    ("x.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    ("x.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    ("x.png", b"not a picture"),
    ("x.png", b""),
    ("x.pdf", b"%PDF-1.4"),
])  # fmt: skip
def test_what_is_not_a_picture_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match="PNG, JPEG or WebP"):
        limits.open_picture(tmp_path / name)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_still_pictures_are_read(tmp_path, kind):
    picture = Image.linear_gradient("L").convert("RGB" if kind != "GIF" else "P")
    opened = limits.open_picture(save(tmp_path, "x", picture, format=kind))
    assert np.array_equal(np.asarray(opened), np.asarray(picture.convert("RGB")))
    assert not opened.info[limits.FIRST_OF_SEVERAL]


@pytest.mark.parametrize("kind", ["AVIF", "ICO", "PPM"])
def test_other_formats_are_refused_even_under_a_good_name(tmp_path, kind):
    path = save(tmp_path, "x.png", Image.new("RGB", (16, 16)), format=kind)
    with pytest.raises(ImageError, match="PNG, JPEG or WebP"):
        limits.open_picture(path)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_of_several_frames_or_pages_the_first_is_shown(tmp_path, kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    path = save(tmp_path, "x", frames[0], format=kind, save_all=True, append_images=frames[1:], **lossless)
    opened = limits.open_picture(path)
    assert opened.getpixel((8, 8)) == (255, 0, 0)
    assert opened.info[limits.FIRST_OF_SEVERAL] is True


def test_a_phones_jpeg_with_two_pictures_is_its_first(tmp_path):
    red, blue = (Image.new("RGB", (32, 16), colour) for colour in ("red", "blue"))
    path = save(tmp_path, "x.jpg", red, format="MPO", save_all=True, append_images=[blue])
    with Image.open(path) as opened:
        assert (opened.format, opened.n_frames) == ("MPO", 2)
    assert limits.open_picture(path).getpixel((8, 8))[0] > 200


def test_a_cut_off_picture_is_called_damaged(tmp_path):
    path = save(tmp_path, "x.jpg", Image.effect_noise((400, 400), 80).convert("RGB"))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ImageError, match="damaged"):
        limits.open_picture(path)


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "x.png"
    with path.open("wb") as file:
        file.truncate(limits.MAX_BYTES + 1)
    with pytest.raises(ImageError, match=r"^The file has 12\.1 MB; the limit is 12 MB\.$"):
        limits.open_picture(path)


def test_a_thread_of_a_picture_is_refused(tmp_path):
    path = save(tmp_path, "x.png", Image.new("RGB", (2000, 10)))
    with pytest.raises(ImageError, match="narrow"):
        limits.open_picture(path)


@pytest.mark.parametrize("path", [None, "", "/nowhere/x.png", "/"])
def test_no_picture_is_said(path):
    with pytest.raises(ImageError, match="no picture"):
        limits.open_picture(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed_and_exif_is_dropped(tmp_path, orientation):
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste("black", (0, 0, 20, 10))
    exif = Image.Exif()
    exif[274] = orientation
    exif[0x010E] = "secret"
    path = save(tmp_path, "x.jpg", picture, exif=exif, quality=100)
    opened = limits.open_picture(path)
    upright = {1: (40, 20), 2: (40, 20), 3: (40, 20), 4: (40, 20)}.get(orientation, (20, 40))
    corner = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[orientation]
    assert opened.size == upright
    dark = np.asarray(opened.convert("L")) < 128
    rows, columns = np.nonzero(dark)
    assert (columns.mean() > opened.width / 2, rows.mean() > opened.height / 2) == tuple(map(bool, corner))
    assert b"secret" not in jpeg(opened)
    assert not Image.open(io.BytesIO(jpeg(opened))).getexif()


def test_cmyk_grey_palette_and_16_bits_become_rgb(tmp_path):
    red = Image.new("RGB", (16, 16), (200, 30, 30))
    deep = Image.fromarray(np.full((16, 16), 0x8000, dtype=np.uint16))
    cases = {"c.jpg": red.convert("CMYK"), "g.png": red.convert("L"), "p.png": red.quantize(4), "d.png": deep}
    for name, picture in cases.items():
        opened = limits.open_picture(save(tmp_path, name, picture))
        assert opened.mode == "RGB"
        pixel = opened.getpixel((8, 8))
        expected = {"g.png": (81,) * 3, "d.png": (127,) * 3}.get(name, (200, 30, 30))
        assert all(abs(a - b) < 12 for a, b in zip(pixel, expected, strict=True)), (name, pixel)


def test_transparency_becomes_white(tmp_path):
    path = save(tmp_path, "x.png", Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    assert limits.open_picture(path).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", None, 7, ["x"]])
def test_an_empty_question_is_refused(text):
    with pytest.raises(QuestionError, match="no question"):
        limits.question(text)


def test_question_length_and_whitespace():
    assert limits.question(" Is\n there\x00 a\tdog? ") == "Is there a dog?"
    assert limits.question("x" * limits.MAX_QUESTION)
    with pytest.raises(QuestionError, match="513 characters"):
        limits.question("x" * 513)


@pytest.mark.parametrize("value", [0, 65, -1, 1.5, True, "8", None, float("nan"), float("inf"), [1]])
def test_token_limit(value):
    assert limits.new_tokens(64.0) == 64
    with pytest.raises(ClvsError, match="1 to 64"):
        limits.new_tokens(value)
