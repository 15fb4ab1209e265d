"""Files whose parts take longer than their pixels, and what is left of a picture's notes."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from clvs_core.errors import ImageError
from viz.page import limits
from viz.page.limits import parts

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def encoded(kind, picture=NOISE, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def segment(marker, content):
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def behind(data, place, *more):
    return data[:place] + b"".join(more) + data[place:]


def with_scans(count):
    """A progressive JPEG whose last scan comes until there are as many scans as asked for."""
    data = encoded("JPEG", progressive=True)
    last = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last * (count - data.count(b"\xff\xda")) + data[-2:]


def entries(count, size):
    """EXIF with entries that all claim the same bytes."""
    each = b"".join(struct.pack("<HHII", tag, 7, size, 0) for tag in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + each + bytes(4)


@pytest.mark.parametrize(
    ("count", "opens"), [(10, True), (parts.MAX_SCANS, True), (parts.MAX_SCANS + 1, False), (2000, False)]
)
def test_a_jpeg_has_so_many_scans_at_most(tmp_path, count, opens):
    path = tmp_path / "x.jpg"
    path.write_bytes(with_scans(count))
    if opens:
        assert limits.open_picture(path).size == NOISE.size
    else:
        with pytest.raises(ImageError, match="stored in more than 32 passes"):
            limits.open_picture(path)


def test_scans_of_a_thumbnail_or_a_second_picture_do_not_count(tmp_path):
    many = with_scans(30)
    path = tmp_path / "x.jpg"
    path.write_bytes(behind(many, 2, segment(0xE1, b"Exif\0\0" + many[:60_000])) + many)
    assert limits.open_picture(path).size == NOISE.size


@pytest.mark.parametrize("data", [
    behind(encoded("JPEG"), 2, segment(0xFE, b"") * 100_000),
    behind(encoded("JPEG"), 2, segment(0xE1, b"Exif\0\0aaaaaaaa") * 100_000),
    behind(encoded("JPEG"), 2, b"\xff" * 1_000_000), behind(encoded("JPEG"), 2, bytes(1_000_000)),
    behind(encoded("PNG"), 33, chunk(b"xxXx", b"") * 100_000),
    behind(encoded("PNG"), 33, chunk(b"tEXt", b"k\0v") * 100_000),
    behind(encoded("PNG"), 33, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000))) * 5000),
    behind(encoded("PNG"), 33, *(chunk(b"IDAT", b"") for _ in range(100_000))),
    behind(encoded("WEBP", exif=b"Exif\0\0II*\0"), 30, b"xxxx\0\0\0\0" * 100_000),
], ids=["comments", "exif", "padding", "zeros", "chunks", "texts", "packed texts", "data", "riff"])  # fmt: skip
def test_a_file_cut_into_too_many_parts_is_refused_at_once(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    start = time.process_time()
    with pytest.raises(ImageError, match="too many parts"):
        limits.open_picture(tmp_path / "x")
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("data", [
    behind(encoded("PNG"), 33, chunk(b"eXIf", entries(3000, 30_000))),
    behind(encoded("JPEG"), 2, segment(0xE1, b"Exif\0\0" + entries(5000, 60_000))),
    behind(encoded("JPEG"), 2, *(segment(0xE1, b"Exif\0\0" + entries(5000, 60_000)) for _ in range(20))),
    behind(encoded("PNG"), 33, chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8)))),
    encoded("WEBP", exif=b"Exif\0\0" + entries(3000, 30_000)),
], ids=["png", "jpeg", "jpegs", "profile", "webp"])  # fmt: skip
def test_notes_cost_neither_time_nor_memory(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    tracemalloc.start()
    start = time.process_time()
    assert limits.open_picture(tmp_path / "x").size == NOISE.size
    assert time.process_time() - start < 0.5
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_notes_take_no_memory_at_all():
    data = parts.plain(behind(encoded("PNG"), 33, chunk(b"eXIf", entries(3000, 30_000)), chunk(b"tEXt", b"a\0b")))
    assert data == encoded("PNG")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_picture_is_turned_as_its_notes_say(tmp_path, kind, turn, order):
    note = Image.Exif()
    note.endian = order
    note[0x010E], note[274], note[0x0132] = "secret", turn, "2020"
    lossless = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(kind, exif=note, **lossless)
    (tmp_path / "x").write_bytes(data)
    assert b"secret" in data
    assert b"secret" not in parts.plain(data)
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    assert np.array_equal(np.asarray(limits.open_picture(tmp_path / "x")), expected)


@pytest.mark.parametrize("data", [
    behind(encoded("JPEG"), 2, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation=\"6\"/>")),
    behind(encoded("PNG"), 33, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>6</tiff:Orientation>")),
    encoded("WEBP", xmp=b"<x tiff:Orientation=\"6\"/>", lossless=True),
    behind(encoded("PNG"), 33, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(
        b"\nexif\n 26\n" + (b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)).hex().encode()))),
], ids=["jpeg", "png", "webp", "raw"])  # fmt: skip
def test_other_notes_turn_it_too(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert limits.open_picture(tmp_path / "x").size == NOISE.size[::-1]


@pytest.mark.parametrize(("kind", "picture", "options"), [
    ("PNG", NOISE.quantize(16), {"transparency": 3}), ("PNG", NOISE.convert("RGBA"), {}),
    ("PNG", NOISE.convert("LA"), {}),
    ("JPEG", NOISE.convert("CMYK"), {}), ("JPEG", NOISE, {"progressive": True, "restart_marker_rows": 1}),
    ("JPEG", NOISE, {"keep_rgb": True}), ("JPEG", NOISE.convert("L"), {"comment": "x" * 70}),
    ("WEBP", NOISE.convert("RGBA"), {"lossless": True, "exif": b"Exif\0\0x", "icc_profile": b"profile"}),
    ("WEBP", NOISE, {"quality": 50}),
])  # fmt: skip
def test_pixels_stay_as_they_are(kind, picture, options):
    data = encoded(kind, picture, **options)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(parts.plain(data))) as after:
        assert (after.mode, after.size) == (before.mode, before.size)
        assert after.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()
        assert after.info.get("transparency") == before.info.get("transparency")


@pytest.mark.parametrize("data", [
    b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xe1\0", b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n\0\0",
    b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0", encoded("PNG")[:40], encoded("JPEG")[:300],
    behind(encoded("JPEG"), 2, b"\xff\xe1\0\0"), behind(encoded("PNG"), 33, chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
    behind(encoded("PNG"), 33, chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff")),
    behind(encoded("PNG"), 33, chunk(b"zTXt", b"Raw profile type exif\0\0nonsense")),
])  # fmt: skip
def test_what_is_cut_off_or_wrong_raises_nothing(data):
    assert isinstance(parts.plain(data), bytes)
