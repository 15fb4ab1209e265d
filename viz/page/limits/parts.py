"""What a picture's file is made of, gone through before any decoder sees it.

Decoders take time and memory over what is no pixels: a JPEG of 180 KB with 2,000 scans takes 100 s to decode, one with
600,000 notes takes longer, and the EXIF entries of a PNG of 240 KB, all of which may point at the same bytes, take
4.8 GB. So parts are counted, and what the page does not need is left out: all notes but how to turn the picture, and
all frames or pages but the first. AVIF's notes lie where they cannot be left out: browsers send it as JPEG.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Literal

from PIL import ExifTags, Image

from clvs_core.errors import ImageError

MAX_SCANS = 32  # of a JPEG, each of which costs a pass over all pixels: encoders make 10, optimisers up to 20
MAX_PARTS = 4096  # chunks, segments, and stray bytes between them
MAX_ENTRIES = 1000  # of EXIF
MAX_INFLATED = 2**20
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_TOO_MANY = "The picture's file is cut into too many parts; open it in another program and save it anew."
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # a JPEG's, but those that stand within a scan
_SCAN, _END, _NOTE = 0xDA, 0xD9, 0xE1
_BARE = (0x01, 0xD8)  # markers of no segment
_NOTES = (*range(0xE1, 0xEE), 0xEF, 0xFE)  # all but JFIF's and Adobe's, which say what the colours are
_DRAWN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # chunks of a PNG
_NOTED = {b"EXIF": 0x08, b"XMP ": 0x04, b"ICCP": 0x20}  # chunks of a WebP, and the flags that announce them
_EXIF, _RAW = b"Exif\0\0", b"Raw profile type exif\0"
_TURNED = re.compile(rb"tiff:Orientation(?:=\"|>)([1-8])")
_GIF, _TIFF = (b"GIF87a", b"GIF89a"), (b"II*\0", b"MM\0*")
_EXTENSION, _FRAME = b"!", b","  # blocks of a GIF
_SHOWN = 0xF9  # the extension that says which colour of a frame is clear
MAX_BLOCKS = 200_000  # of a GIF's data, which encoders cut into blocks of 255 bytes
MAX_TILE = 2**24  # pixels
_WIDTH, _HEIGHT, _ORIENTATION, _STRIPS, _ROWS = 256, 257, 274, 273, 278  # tags of a TIFF
_TILE_WIDTH, _TILE_LENGTH, _TILES = 322, 323, 324
_NEEDED = {  # all that say how the pixels are stored
    *(_WIDTH, _HEIGHT, 258, 259, 262, 266, _STRIPS, _ORIENTATION, 277, _ROWS, 279, 284, 292, 293, 317, 320),
    *(_TILE_WIDTH, _TILE_LENGTH, _TILES, 325, 332, 338, 339, 347, 529, 530, 531, 532),
}
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # of a TIFF's kinds of numbers
_PLAIN_BMP = (0, 3)  # how its pixels are packed: not, or with masks of colours


def plain(data: bytes) -> bytes:
    """The same picture without what the page does not need: of several frames or pages, the first.

    Anything but PNG, JPEG, WebP, GIF, TIFF and BMP is given back as it is; so is an animated WebP, of which a decoder
    takes the first frame alone. ImageError, one sentence, where its parts would take much longer to go through than its
    pixels.
    """
    if data.startswith(_JPEG):
        return _plain_jpeg(data)
    if data.startswith(_PNG):
        return _plain_png(data)
    if data.startswith(_GIF):
        return _plain_gif(data)[0]
    if data.startswith(_TIFF):
        return _plain_tiff(data)
    if data.startswith(b"BM") and int.from_bytes(data[30:34], "little") not in _PLAIN_BMP and data[14:15] != b"\x0c":
        raise ImageError("The picture is a packed BMP, which is not read here; save it as PNG or JPEG.")
    return _plain_webp(data) if data[:4] + data[8:16] == b"RIFFWEBPVP8X" else data


def several(data: bytes) -> bool:
    """Whether a file that `plain` accepts has more frames or pages than the one that is shown."""
    if data.startswith(_GIF):
        return _plain_gif(data)[1]
    if data.startswith(_TIFF):
        return bool(_Tiff(data).next)
    if data.startswith(_PNG):
        return b"acTL" in data[: data.find(b"IDAT")]
    return data[:4] + data[8:16] == b"RIFFWEBPVP8X" and bool(int.from_bytes(data[20:21], "little") & 0x02)


def _counted(parts: int) -> int:
    if parts > MAX_PARTS:
        raise ImageError(_TOO_MANY)
    return parts


# --- JPEG -----------------------------------------------------------------------------------------------------------


def _plain_jpeg(data: bytes) -> bytes:
    kept, exif, xmp, scans = [], b"", b"", []
    for marker, start, end in _segments(data):
        content = data[start + 4 : end]
        if marker == _SCAN:
            scans.append(start)
        elif marker == _NOTE and content.startswith(_EXIF):
            exif += content
        elif marker == _NOTE:
            xmp += content
        if marker not in _NOTES and not scans:
            kept.append(data[start:end])
    if len(scans) > MAX_SCANS:
        raise ImageError(f"The picture is stored in more than {MAX_SCANS} passes; save it as a plain JPEG or PNG.")
    note = _turn(exif, xmp)
    first = [b"\xff\xe1", (len(note) + 2).to_bytes(2, "big"), note] if note else []
    return b"".join([_JPEG, *first, *kept, data[scans[0] if scans else len(data) :]])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the picture's end; of a scan, of its header."""
    place, parts, scanned = len(_JPEG), 0, False
    while (found := _MARKER.search(data, place)) and found[1][0] != _END:
        marker, start = found[1][0], found.start()
        parts = _counted(parts + 1 + (0 if scanned else start - place))  # a scan's data stands before later markers
        scanned = scanned or marker == _SCAN
        size = 0 if marker in _BARE else int.from_bytes(data[start + 2 : start + 4], "big")
        place = start + 2 + size
        yield marker, start, place


# --- PNG and WebP -----------------------------------------------------------------------------------------------------


def _plain_png(data: bytes) -> bytes:
    kept, exif, xmp = [], b"", b""
    place, parts = len(_PNG), 0
    while place < len(data):
        parts, start = _counted(parts + 1), place
        place += 12 + int.from_bytes(data[start : start + 4], "big")
        kind, content = data[start + 4 : start + 8], data[start + 8 : place - 4]
        if kind in _DRAWN:
            kept.append(data[start:place])
        elif kind == b"eXIf":
            exif = content
        elif kind in (b"tEXt", b"zTXt") and content.startswith(_RAW):
            exif = exif or _raw(content.removeprefix(_RAW), packed=kind == b"zTXt")
        elif kind == b"iTXt":
            xmp += content
    if note := _turn(exif, xmp):
        note = b"eXIf" + note.removeprefix(_EXIF)
        kept.insert(1, (len(note) - 4).to_bytes(4, "big") + note + zlib.crc32(note).to_bytes(4, "big"))
    return b"".join([_PNG, *kept])


def _raw(content: bytes, *, packed: bool) -> bytes:
    """EXIF as ImageMagick writes it into a text: three lines about it, then hexadecimal digits."""
    try:
        text = zlib.decompressobj().decompress(content[1:], MAX_INFLATED) if packed else content
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except (zlib.error, ValueError):
        return b""


def _plain_webp(data: bytes) -> bytes:
    kept, notes = [], {}
    place, parts = 12, 0
    while place < len(data):
        parts, start = _counted(parts + 1), place
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        place += 8 + size + size % 2
        kind = data[start : start + 4]
        if kind in _NOTED:
            notes[kind] = data[start + 8 : place]
        else:
            kept.append(data[start:place])
    head = bytearray(kept[0])
    head[8:9] = bytes([byte & ~sum(_NOTED.values()) for byte in head[8:9]])
    if note := _turn(notes.get(b"EXIF", b""), notes.get(b"XMP ", b"")):
        note += b"\0" * (len(note) % 2)
        head[8:9] = bytes([byte | _NOTED[b"EXIF"] for byte in head[8:9]])
        kept.append(b"EXIF" + len(note).to_bytes(4, "little") + note)
    body = b"".join([b"WEBP", head, *kept[1:]])
    return b"RIFF" + len(body).to_bytes(4, "little") + body


# --- GIF and TIFF -----------------------------------------------------------------------------------------------------


def _plain_gif(data: bytes) -> tuple[bytes, bool]:
    """A GIF up to the end of its first frame, without comments, and whether another frame follows."""
    place = 13 + _colours(data[10:11])
    kept, parts, framed = [data[:place]], 0, False
    while (kind := data[place : place + 1]) in (_EXTENSION, _FRAME) and kind:
        if kind == _FRAME and framed:
            return b"".join([*kept, b";"]), True
        parts, start = _counted(parts + 1), place
        shown = kind == _FRAME or data[place + 1 : place + 2] == bytes([_SHOWN])
        place = _blocks(data, place + (11 + _colours(data[place + 9 : place + 10]) if kind == _FRAME else 2))
        if shown and not framed:
            kept.append(data[start:place])
        framed = framed or kind == _FRAME
    return b"".join([*kept, b";"]), False


def _colours(flags: bytes) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 * 2 ** ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _blocks(data: bytes, place: int) -> int:
    """Where the blocks of data that begin at `place` have ended."""
    blocks = 0
    while place < len(data) and data[place]:
        place, blocks = place + 1 + data[place], blocks + 1
        if blocks > MAX_BLOCKS:
            raise ImageError(_TOO_MANY)
    return place + 1


class _Tiff:
    """The first directory of a TIFF: its entries by tag, 12 bytes each, and where the next directory is, 0 for none."""

    def __init__(self, data: bytes):
        self.data, self.order = data, _order(data)
        start = self.number(4, 4)
        count = self.number(start, 2) if start >= 8 else 0  # it cannot lie in the header
        if count > MAX_ENTRIES:
            raise ImageError(_TOO_MANY)
        places = range(start + 2, start + 2 + 12 * count, 12)
        self.entries = {self.number(place, 2): data[place : place + 12] for place in places}
        self.next = self.number(start + 2 + 12 * count, 4)

    def number(self, place: int, size: int) -> int:
        return int.from_bytes(self.data[place : place + size], self.order)

    def count(self, tag: int) -> int:
        """How many numbers an entry has, 0 where there is none."""
        return int.from_bytes(self.entries.get(tag, b"")[4:8], self.order)

    def value(self, tag: int) -> int:
        """The one number of an entry, 0 where there is none."""
        entry = self.entries.get(tag, b"")
        return int.from_bytes(entry[8:10] if entry[2:4] == (3).to_bytes(2, self.order) else entry[8:12], self.order)

    @property
    def size(self) -> int:
        """Bytes of all that the entries which are needed point at."""
        kinds = {tag: int.from_bytes(entry[2:4], self.order) for tag, entry in self.entries.items()}
        return sum(self.count(tag) * _BYTES.get(kind, 8) for tag, kind in kinds.items() if tag in _NEEDED)

    @property
    def drawn(self) -> int:
        """Pixels that its strips or tiles have together."""
        strip = self.value(_WIDTH) * min(self.value(_ROWS) or self.value(_HEIGHT), self.value(_HEIGHT))
        return max(self.count(_STRIPS) * strip, self.count(_TILES) * self.tile)

    @property
    def tile(self) -> int:
        """Pixels of a tile."""
        return self.value(_TILE_WIDTH) * self.value(_TILE_LENGTH)


def _plain_tiff(data: bytes) -> bytes:
    """A TIFF with a new directory at its end, of what is needed for the first page."""
    tiff = _Tiff(data)
    largest = 16 * max(tiff.value(_WIDTH) * tiff.value(_HEIGHT), tiff.tile)  # of four planes, their tiles half empty
    if tiff.size > 2 * MAX_INFLATED or tiff.tile > MAX_TILE or tiff.drawn > largest:
        raise ImageError(_TOO_MANY)
    kept = [entry for tag, entry in sorted(tiff.entries.items()) if tag in _NEEDED]
    data += b"\0" * (len(data) % 2)
    directory = b"".join([len(kept).to_bytes(2, tiff.order), *kept, bytes(4)])
    return data[:4] + len(data).to_bytes(4, tiff.order) + data[8:] + directory


# --- notes ------------------------------------------------------------------------------------------------------------


def _turn(exif: bytes, xmp: bytes) -> bytes:
    """EXIF that says how to turn the picture, as these notes do, and nothing else; nothing where it is upright."""
    turn = _orientation(exif.removeprefix(_EXIF))
    if turn is None:
        match = _TURNED.search(xmp)
        turn = int(match[1]) if match else 1
    if turn not in range(2, 9):
        return b""
    note = Image.Exif()
    note[ExifTags.Base.Orientation] = turn
    return note.tobytes()


def _orientation(tiff: bytes) -> int | None:
    """The orientation in the first directory of EXIF's TIFF; None where it has none, or there is no EXIF."""
    order = _order(tiff)
    if tiff[:2] not in (b"II", b"MM"):
        return None

    def number(place: int, size: int) -> int:
        return int.from_bytes(tiff[place : place + size], order)

    start = number(4, 4)
    for entry in range(start + 2, start + 2 + 12 * min(number(start, 2), MAX_ENTRIES), 12):
        if number(entry, 2) == ExifTags.Base.Orientation:
            return number(entry + 8, 2 if number(entry + 2, 2) == 3 else 4)  # a SHORT, or a LONG
    return None


def _order(tiff: bytes) -> Literal["little", "big"]:
    return "little" if tiff[:2] == b"II" else "big"
