"""What a picture's file is made of, gone through before any decoder sees it.

Decoders take time and memory over what is no pixels: a JPEG of 180 KB with 2,000 scans takes 100 s to decode, one with
600,000 notes takes longer, and the EXIF entries of a PNG of 240 KB, all of which may point at the same bytes, take
4.8 GB. So parts are counted, and what the page does not need is left out: all notes but how to turn the picture.
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
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # a JPEG's, but those that stand within a scan
_SCAN, _END, _NOTE = 0xDA, 0xD9, 0xE1
_BARE = (0x01, 0xD8)  # markers of no segment
_NOTES = (*range(0xE1, 0xEE), 0xEF, 0xFE)  # all but JFIF's and Adobe's, which say what the colours are
_DRAWN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")  # chunks of a PNG
_NOTED = {b"EXIF": 0x08, b"XMP ": 0x04, b"ICCP": 0x20}  # chunks of a WebP, and the flags that announce them
_EXIF, _RAW = b"Exif\0\0", b"Raw profile type exif\0"
_TURNED = re.compile(rb"tiff:Orientation(?:=\"|>)([1-8])")


def plain(data: bytes) -> bytes:
    """The same picture without what the page does not need. Anything but PNG, JPEG and WebP is given back as it is.

    ImageError, one sentence, where its parts would take much longer to go through than its pixels.
    """
    if data.startswith(_JPEG):
        return _plain_jpeg(data)
    if data.startswith(_PNG):
        return _plain_png(data)
    return _plain_webp(data) if data[:4] + data[8:16] == b"RIFFWEBPVP8X" else data


def _counted(parts: int) -> int:
    if parts > MAX_PARTS:
        raise ImageError("The picture's file is cut into too many parts; open it in another program and save it anew.")
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
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    if tiff[:2] not in (b"II", b"MM"):
        return None

    def number(place: int, size: int) -> int:
        return int.from_bytes(tiff[place : place + size], order)

    start = number(4, 4)
    for entry in range(start + 2, start + 2 + 12 * min(number(start, 2), MAX_ENTRIES), 12):
        if number(entry, 2) == ExifTags.Base.Orientation:
            return number(entry + 8, 2 if number(entry + 2, 2) == 3 else 4)  # a SHORT, or a LONG
    return None
