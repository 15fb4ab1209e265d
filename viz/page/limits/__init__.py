"""What a visitor may send, and from where.

Pictures are judged by their header before a single pixel is decoded. `viz.page.limits.gate` holds requests to these
limits, `viz.page.limits.store` uploads.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import math
import os
import re
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from gradio import processing_utils
from PIL import ExifTags, Image, UnidentifiedImageError

import clvs_core as clvs
from clvs_core.errors import ClvsError, ImageError, QuestionError
from clvs_core.pictures import read_picture
from viz.page.limits import parts

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 12 * 2**20
MAX_UPLOAD = MAX_BYTES + 2**16  # with the form around the picture
MAX_BODY = 256 * 2**10  # of any other request: the page sends 13 KB, and JSON is parsed while all others wait
MAX_VALUES = 10_000  # in it
MAX_DEPTH = 32
MAX_ADDRESS = 16 * 2**10
MAX_HEADERS = 32 * 2**10
BODY_SECONDS, UPLOAD_SECONDS = 30, 300  # for a body to arrive
UPLOADED_BY_ONE, UPLOADED_BY_ALL = 128 * 2**20, 256 * 2**20  # bytes within a minute
MAX_STORED = 2 * 2**30  # bytes of all uploads and downloads together, the oldest of which give way
MAX_FILES = 1000
SPARE_DISK = 64 * 2**20  # stays free for everything else
KEEP_SECONDS = 3600  # what visitors uploaded is deleted this long after it came
MAX_PIXELS = 25_000_000
MAX_SIDE = 2048  # longer sides are reduced: no model here looks at more, and a session stays small
FIRST_OF_SEVERAL = "first of several"
MAX_RATIO = 50
MAX_QUESTION = 512
MAX_TOKENS = 64
MAX_METHODS = 4
MAX_SPEC = 2000  # characters of one method's settings: a list of heads is long
QUEUE_SIZE = 20
MAX_VISITORS = 40  # whose results are kept at a time
MAX_KEPT = 2**30  # bytes of all their results together
MAX_RESULT = 2**30  # bytes of one answer's maps, of all methods together: longer answers are cut
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
API_QUEUE: dict[str, Any] = {"concurrency_id": "api", "concurrency_limit": 1}  # opens pictures without the model's turn

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_OPENING = threading.BoundedSemaphore(2)
_HERE = ("127.0.0.1", "localhost", "::1")
_FORWARDING = re.compile(  # headers that proxies and content networks add, and no browser
    "forwarded|x-forwarded(-.*)?|x-(real|client|cluster-client|remote|original)-?.*|via|true-client-ip|cf-.*|cdn-.*"
    "|fly-.*|fastly-.*|x-amz.*|x-envoy-.*|x-proxy.*|tailscale-.*|ngrok-.*"
)
_ACCEPTED = "use a PNG, JPEG or WebP picture"


def question(text: Any, limit: int = MAX_QUESTION) -> str:
    """The question on one line. QuestionError when it is empty or longer than `limit` characters."""
    if not isinstance(text, str) or not text.strip():
        raise QuestionError("There is no question; type one about the picture, for example “Is there a dog?”.")
    if len(text) > limit:
        raise QuestionError(f"The question has {len(text)} characters; shorten it to {limit}.")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def new_tokens(value: Any) -> int:
    """A whole number of tokens from 1 to MAX_TOKENS; ClvsError otherwise."""
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()
    if not whole or not 1 <= value <= MAX_TOKENS:
        raise ClvsError(f"The number of new tokens must be a whole number from 1 to {MAX_TOKENS}, not {value!r:.40}.")
    return int(value)


def specs(value: Any) -> list[str]:
    """One to MAX_METHODS methods with their settings, as text; ClvsError otherwise."""
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAX_METHODS:
        raise ClvsError(f"Choose a list of 1 to {MAX_METHODS} methods, for example vanilla and clvs.")
    if not all(isinstance(text, str) for text in value):
        raise ClvsError("Each method must be a text, for example clvs:alpha=0.7.")
    if longest := max((len(text) for text in value if len(text) > MAX_SPEC), default=0):
        raise ClvsError(f"A method's settings have {longest} characters; shorten them to {MAX_SPEC}.")
    return list(value)


def method(text: str) -> clvs.Method:
    """The method of one spec; ClvsError, one sentence, for what is none."""
    try:
        return clvs.method(text)
    except ClvsError:
        raise
    except (ValueError, TypeError, ArithmeticError) as error:  # of any method, also one of the owner's own
        raise ClvsError(str(error)) from None


def methods(value: Any) -> list[clvs.Method]:
    """The methods of one to MAX_METHODS specs; ClvsError otherwise."""
    return [method(text) for text in specs(value)]


def tokens_within(asked: int, token_bytes: int) -> int:
    """How many of the tokens asked for fit into one answer's maps, at least one; token_bytes: of one token's."""
    return max(1, min(asked, MAX_RESULT // max(1, token_bytes)))


def open_picture(path: str | Path | None) -> Image.Image:
    """The picture as the visitor sees it: upright, RGB, no metadata, at most MAX_SIDE pixels on its longer side.

    Of an animation it is the first frame, of several pages the first: then its info says FIRST_OF_SEVERAL.
    Everything that can be told from the header is checked first. ImageError says in one sentence what is wrong.
    Only some are opened at a time, since each takes up to 600 MB meanwhile.
    """
    with _OPENING:
        return _opened(path)


def _opened(path: str | Path | None) -> Image.Image:
    if path is None or not os.path.isfile(path):
        raise ImageError("There is no picture, or no longer; choose an example or one of your own.")
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        shown = math.ceil(10 * size / 2**20) / 10  # never what is allowed of what is not
        raise ImageError(f"The file has {shown:g} MB; the limit is {MAX_BYTES // 2**20} MB.")
    try:
        data = Path(path).read_bytes()
        with Image.open(io.BytesIO(parts.plain(data)), formats=FORMATS) as picture:
            _check_header(picture)
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG only: decodes at a fraction, never below MAX_SIDE
            reduced = _reduced(read_picture(picture))
        reduced.info[FIRST_OF_SEVERAL] = parts.several(data)
        return reduced
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"The picture has more than {MAX_PIXELS // 10**6} megapixels; make it smaller.") from None
    except UnidentifiedImageError:
        raise ImageError(f"This file is not a picture that can be read here; {_ACCEPTED}.") from None
    except Exception:  # a broken file can fail in any decoder, in any way
        raise ImageError(f"The picture is damaged and cannot be read; {_ACCEPTED} that other programs open.") from None


def upright_size(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture file as it is meant to be seen, before `open_picture` makes it smaller."""
    with Image.open(path, formats=FORMATS) as picture:
        width, height = picture.size
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5  # by a quarter
    return (height, width) if turned else (width, height)


def _check_header(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"The picture has {width * height / 1e6:.0f} megapixels; the limit is {MAX_PIXELS // 10**6}.")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ImageError(f"The picture is {width} x {height} pixels, too narrow to show; crop it.")


def _reduced(picture: Image.Image) -> Image.Image:
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    clean = Image.new("RGB", picture.size)  # a new picture: EXIF, comments and profiles stay behind
    clean.paste(picture)
    return clean


def is_own(host: str, *, share: bool = False, public: bool = False) -> bool:
    """Whether a page served at this address is for people at this machine alone, who may load any model.

    public: it is said to be for others, too, whom a proxy at this machine lets in.
    """
    return host in _HERE and not share and not public and "SPACE_ID" not in os.environ


def is_owner(request: gr.Request) -> bool:
    """Whether a request was made at this very machine, so that it may have another model loaded.

    A proxy before a public page runs at this machine, too. It is known by what it adds, by the public host's name, or
    by speaking otherwise than browsers do: nginx uses HTTP/1.0, or no `Connection: keep-alive`, unless it is told to.
    One that does nothing of this cannot be told from a browser: hence `public`.
    """
    headers, scope = request.headers, getattr(getattr(request, "request", None), "scope", {})
    places = [headers.get("host", ""), *(headers[name] for name in ("origin", "referer") if name in headers)]
    return (
        getattr(request.client, "host", "") in _HERE
        and all(_hostname(place) in _HERE for place in places)
        and not any(_FORWARDING.fullmatch(name.lower()) for name in headers)
        and headers.get("connection", "").lower() == "keep-alive"
        and scope.get("http_version", "1.1") != "1.0"
    )


def _hostname(place: str) -> str:
    """The host in an address, or in a Host header."""
    try:
        return urlsplit(place if "//" in place else f"//{place}").hostname or ""
    except ValueError:
        return ""


def visitor(scope: Mapping[str, Any]) -> str:
    """From which address a request came, as far as is known: as the nearest proxy saw it, where there is one."""
    client = (scope.get("client") or ("",))[0]
    named = dict(scope["headers"]).get(b"x-forwarded-for", b"").decode("latin-1").rpartition(",")[2].strip()
    forwarded = _hostname(named) if named.count(":") == 1 or named.startswith("[") else named  # some add a port
    return forwarded if _is_address(forwarded) and _is_near(client) else client


def _is_address(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False


def _is_near(address: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_private
    return False


def refuse_addresses() -> None:
    """Makes Gradio refuse files that a request names by web address.

    It would download them whole into memory, as many bytes as the other machine cares to send.
    """
    processing_utils.async_ssrf_protected_download = _refuse_address


async def _refuse_address(url: str, cache_dir: str) -> str:
    raise gr.Error("Send the picture itself, not its address.", print_exception=False)
