"""Pictures from outside: whatever a person gives, read as an upright RGB image or refused in one sentence.

Pictures of more than 8 bits are `depths.py`'s business. Knows no model.
"""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .depths import Depth
from .errors import ImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")  # no format that starts another program
MAX_ASPECT = 100  # transformers refuses more elongated pictures in some families
MAX_PIXELS = 100_000_000
_DAMAGED = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, IndexError, KeyError, TypeError, struct.error)
_ORIENTATION, _STORED = 0x0112, "stored orientation"  # EXIF's tag, and its name in `Image.info`


def read_picture(picture: Any) -> Image.Image:
    """A PIL image, a path or an (H, W, 3) uint8 array as an upright RGB image; transparency becomes white.

    Raises ImageError, one sentence, for anything that is not a usable picture.
    """
    if isinstance(picture, (str, Path)):
        return _read_file(Path(picture))
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise ImageError(
                f"A picture array must be height x width x 3 of uint8, not {picture.shape} of {picture.dtype}."
            )
        picture = Image.fromarray(picture)
    if not isinstance(picture, Image.Image):
        raise ImageError(f"A picture must be a path, a PIL image or an array, not {type(picture).__name__}.")
    return _upright(picture, "The picture")


def stored_orientation(picture: Image.Image) -> int:
    """How EXIF says that a picture is stored, 1 (upright) to 8; also of one that `read_picture` has turned upright."""
    orientation = picture.info.get(_STORED) or picture.getexif().get(_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _read_file(path: Path) -> Image.Image:
    if not os.path.isfile(path):  # False, too, for what cannot be a path, such as a data URL
        raise ImageError(_no_picture(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is checked below
            opened = Image.open(path, formats=FORMATS)
        with opened:
            return _upright(opened, path.name)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{path.name} has too many pixels to open; make it smaller.") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path.name} is not a picture this program can read; use PNG, JPEG or WebP.") from None
    except PermissionError:
        raise ImageError(f"{path.name} may not be read by this user; change its permissions.") from None
    except _DAMAGED as error:
        raise ImageError(f"{path.name} is damaged ({error}); save it again or choose another one.") from None


def _no_picture(path: Path) -> str:
    name = str(path)
    if name.startswith("data:"):
        return "A data URL is no picture file; save the picture and give its path, or open it with PIL."
    if os.path.exists(path):
        return f"{name!r:.200} is no file; give the path of a picture."
    return f"There is no picture at {name!r:.200}; check the path."


def _upright(picture: Image.Image, name: str) -> Image.Image:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name} has {width} x {height} pixels; make it smaller than {MAX_PIXELS // 10**6} million.")
    if not width or not height or max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"{name} is {width} x {height} pixels; crop it to sides of at most {MAX_ASPECT} : 1.")
    try:
        depth, orientation = Depth.of(picture), stored_orientation(picture)  # the second may load it
        picture = depth.in_eight(ImageOps.exif_transpose(picture), name)
        if picture.has_transparency_data:
            rgba = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        picture = picture.convert("RGB")
        picture.info[_STORED] = orientation
        return picture
    except ImageError:
        raise
    except _DAMAGED as error:
        raise ImageError(f"{name} is damaged ({error}); save it again or choose another one.") from None


def fingerprint(picture: Image.Image) -> str:
    """A key for the picture's content."""
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
