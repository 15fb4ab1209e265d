"""Fetch the emoji artwork and hand it out as cropped RGBA arrays, painted in a named colour on request.

The artwork (Fluent Emoji 3-D by Microsoft, MIT, packaged by LobeHub) is downloaded once with `npm pack` into the
git-ignored build folder; it is never committed.
"""

from __future__ import annotations

import subprocess
import tarfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from .categories import COLOURS

PACKAGE, VERSION = "@lobehub/fluent-emoji-3d", "1.1.0"
CACHE = Path(__file__).resolve().parents[2] / "build" / "artwork"


def fetch(cache: Path = CACHE) -> Path:
    """Folder of `<code point>.webp` files, downloaded on first use. Raises RuntimeError when npm cannot fetch it."""
    folder = cache / f"fluent-emoji-3d-{VERSION}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", f"{PACKAGE}@{VERSION}"], cwd=cache, capture_output=True, text=True)
        if packed.returncode:
            raise RuntimeError(f"npm could not fetch {PACKAGE}@{VERSION}; check node and the network: {packed.stderr}")
        with tarfile.open(cache / packed.stdout.strip().splitlines()[-1]) as archive:
            archive.extractall(folder, filter="data")
    return folder / "package" / "assets"


def paint(rgba: np.ndarray, colour: str) -> np.ndarray:
    """`rgba` (H, W, 4) uint8 with its colours replaced by shades of `colour` along its own luminance."""
    luminance = rgba[..., :3] @ np.array([0.299, 0.587, 0.114]) / 255
    opaque = luminance[rgba[..., 3] > 127]
    # Centred on the object's own mean, so that a white cup and a black one become the same red.
    shade = np.clip(0.5 + 0.9 * (luminance - opaque.mean()), 0, 1) if opaque.size else luminance
    base = np.array(COLOURS[colour], float)
    dark, light = base * 0.35, base + (255 - base) * 0.6
    ramp = np.stack([np.interp(shade, [0, 0.5, 1], [dark[c], base[c], light[c]]) for c in range(3)], -1)
    return np.concatenate([ramp.round().astype(np.uint8), rgba[..., 3:]], -1)


class Artwork:
    """Sprites by (code point, size, mirror, colour); a sprite carries its soft shadow on a padded canvas."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.sprite = lru_cache(maxsize=60_000)(self._sprite)
        self.original = lru_cache(maxsize=None)(self._original)

    def _original(self, code: str) -> np.ndarray:
        """The artwork cropped to what is visible, (H, W, 4) uint8."""
        image = Image.open(self.folder / f"{code}.webp").convert("RGBA")
        return np.asarray(image.crop(image.getchannel("A").point(lambda a: 255 * (a > 12)).getbbox()))

    def _sprite(self, code: str, size: int, mirror: bool, colour: str | None) -> tuple[np.ndarray, np.ndarray, int]:
        """(premultiplied RGB + alpha (h, w, 4) float16 in [0, 1], object mask (h, w) bool, padding in pixels).

        `size` is the object's longer side in pixels; the mask is where the object itself is at least half opaque.
        """
        rgba = self.original(code)
        scale = size / max(rgba.shape[:2])
        wide, high = (max(1, round(side * scale)) for side in (rgba.shape[1], rgba.shape[0]))
        rgba = np.asarray(Image.fromarray(rgba).resize((wide, high), Image.Resampling.LANCZOS))
        rgba = paint(rgba, colour) if colour else rgba
        rgba = rgba[:, ::-1] if mirror else rgba
        alpha = rgba[..., 3:] / 255
        flat = np.concatenate([rgba[..., :3] / 255 * alpha, alpha], -1)
        pad = max(2, round(size * 0.1))
        body = np.pad(flat, ((pad, pad), (pad, pad), (0, 0)))
        shadow = Image.fromarray((np.roll(body[..., 3], round(size * 0.045), 0) * 255).astype(np.uint8))
        shade = np.asarray(shadow.filter(ImageFilter.GaussianBlur(size * 0.035)), float) / 255 * 0.3
        body[..., 3] += shade * (1 - body[..., 3])
        mask = np.pad(flat[..., 3] >= 0.5, pad)
        return np.clip(body, 0, 1).astype(np.float16), mask, pad
