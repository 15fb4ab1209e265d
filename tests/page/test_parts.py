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


GIF = encoded("GIF", NOISE.quantize(16))
HEAD = 13 + 3 * 16  # up to the end of its colours


def comments(count, size=1):
    return (b"!\xfe" + (bytes([size]) + b"x" * size) * count + b"\0") if count else b""


def directory(*entries, then=0):
    """A TIFF's: tag, kind, count, value."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", then)


def tiff(width=64, height=48, rows=48, strips=1, more=()):
    """A TIFF of grey pixels, its directory last; more: entries."""
    pixels = bytes(64 * 48)
    told = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    told += [(273, 4, strips, 8), (277, 3, 1, 1), (278, 4, 1, rows), (279, 4, strips, len(pixels)), *more]
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory(*sorted(told))


@pytest.mark.parametrize("data", [
    behind(GIF, HEAD, comments(2) * 5000), behind(GIF, HEAD, comments(300_000)),
    behind(GIF, len(GIF) - 1, comments(0), b"!\xfe\0" * 5000),
    b"II*\0" + struct.pack("<I", 8) + directory(*((tag, 7, 1, 0) for tag in range(5000))),
    tiff(more=[(320, 3, 1_000_000, 0), (347, 7, 1_000_000, 0)]),
    tiff(rows=47, strips=400_000),
    tiff(more=[(322, 4, 1, 40_000), (323, 4, 1, 40_000), (324, 4, 1, 8)]),
], ids=["gif", "blocks", "behind", "entries", "values", "strips", "tile"])  # fmt: skip
def test_a_gif_or_tiff_cut_into_too_many_parts_is_refused_at_once(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    start = time.process_time()
    with pytest.raises(ImageError, match="too many parts"):
        limits.open_picture(tmp_path / "x")
    assert time.process_time() - start < 0.5


def test_a_packed_bmp_is_refused(tmp_path):
    data = bytearray(encoded("BMP", NOISE.quantize(256)))
    data[30] = 1
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ImageError, match="packed BMP"):
        limits.open_picture(tmp_path / "x")


def test_of_a_tiff_only_the_first_page_and_what_its_pixels_need_is_left(tmp_path):
    bomb = directory(*((tag, 7, 3000, 8) for tag in range(5000)))
    data = tiff(more=[(270, 2, 3000, 8), (34665, 4, 1, 5000)]).ljust(5000, b"\0") + bomb
    (tmp_path / "x").write_bytes(data)
    tracemalloc.start()
    assert limits.open_picture(tmp_path / "x").size == NOISE.size
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    with Image.open(io.BytesIO(parts.plain(data))) as picture:
        assert not {270, 34665} & set(picture.tag_v2)


@pytest.mark.parametrize("data", [
    behind(encoded("PNG"), 33, chunk(b"eXIf", entries(3000, 30_000))),
    behind(GIF, HEAD, comments(40_000, 255)), GIF[:-1] + comments(40_000, 255) + b";",
    behind(encoded("JPEG"), 2, segment(0xE1, b"Exif\0\0" + entries(5000, 60_000))),
    behind(encoded("JPEG"), 2, *(segment(0xE1, b"Exif\0\0" + entries(5000, 60_000)) for _ in range(20))),
    behind(encoded("PNG"), 33, chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8)))),
    encoded("WEBP", exif=b"Exif\0\0" + entries(3000, 30_000)),
], ids=["png", "gif", "gif's end", "jpeg", "jpegs", "profile", "webp"])  # fmt: skip
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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
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
    assert kind == "TIFF" or b"secret" not in parts.plain(data), "there it stays, and nothing points at it"
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
    ("GIF", NOISE.quantize(16), {"transparency": 3, "comment": b"x"}), ("GIF", NOISE.convert("L"), {"interlace": 0}),
    ("BMP", NOISE, {}), ("BMP", NOISE.quantize(16), {}), ("BMP", NOISE.convert("1"), {}),
    ("TIFF", NOISE, {"compression": "tiff_lzw"}), ("TIFF", NOISE.convert("CMYK"), {}),
    ("TIFF", NOISE, {"compression": "jpeg"}), ("TIFF", NOISE.convert("1"), {"compression": "group4"}),
    ("TIFF", NOISE.quantize(16), {"compression": "tiff_adobe_deflate"}), ("TIFF", NOISE.convert("RGBA"), {}),
])  # fmt: skip
def test_pixels_stay_as_they_are(kind, picture, options):
    data = encoded(kind, picture, **options)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(parts.plain(data))) as after:
        assert (after.mode, after.size) == (before.mode, before.size)
        assert after.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()
        assert after.info.get("transparency") == before.info.get("transparency")


@pytest.mark.parametrize("data", [
    b"GIF89a", GIF[:30], GIF[:90], b"II*\0", b"MM\0*\xff\xff\xff\xff", tiff()[:-30], b"BM", encoded("BMP")[:20],
    b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xe1\0", b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n\0\0",
    b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0", encoded("PNG")[:40], encoded("JPEG")[:300],
    behind(encoded("JPEG"), 2, b"\xff\xe1\0\0"), behind(encoded("PNG"), 33, chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
    behind(encoded("PNG"), 33, chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff")),
    behind(encoded("PNG"), 33, chunk(b"zTXt", b"Raw profile type exif\0\0nonsense")),
])  # fmt: skip
def test_what_is_cut_off_or_wrong_raises_nothing(data):
    assert isinstance(parts.plain(data), bytes)
