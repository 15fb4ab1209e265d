"""Fetch the emoji artwork and hand it out as cropped RGBA arrays, painted in a named colour on request.

Every style is an npm package, downloaded once with `npm pack` into the git-ignored build folder; drawings that come as
SVG are rasterised there. No artwork is ever committed.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from .categories import CATEGORIES, COLOURS

CACHE = Path(__file__).resolve().parents[2] / "build" / "artwork"
RASTER = 320  # pixels of a rasterised SVG's side
SMALL = 160  # pixels of the drawings' copies that sprites of up to half this size are made from
SHOWN = 0.4  # share of a drawing's coloured pixels that must have a colour for that word to be fair without paint


@dataclass(frozen=True)
class Style:
    """Where the drawings of one emoji family come from; `slugs` names the package that translates code points into
    icon names where the family's own package has no such table."""

    package: str
    version: str
    licence: str
    slugs: str | None = None


STYLES: dict[str, Style] = {
    "fluent-3d": Style("@lobehub/fluent-emoji-3d", "1.1.0", "MIT"),
    "fluent-flat": Style("@iconify-json/fluent-emoji-flat", "1.2.6", "MIT"),
    "noto": Style("@iconify-json/noto", "1.2.9", "Apache-2.0"),
    "noto-v1": Style("@iconify-json/noto-v1", "1.2.5", "Apache-2.0", slugs="noto"),
    "emojione": Style("@iconify-json/emojione", "1.2.3", "CC-BY-4.0", slugs="noto"),
    "twemoji": Style("@iconify-json/twemoji", "1.2.5", "CC-BY-4.0"),
}
FIRST_STYLE, HELD_OUT_STYLE = "fluent-3d", "twemoji"
TRAINED_STYLES = tuple(style for style in STYLES if style != HELD_OUT_STYLE)


def fetch(cache: Path = CACHE) -> Path:
    """Folder with a folder of `<code point>.webp|png` for every style, filled on first use.

    Raises RuntimeError when npm cannot fetch a package.
    """
    for name in STYLES:
        if not (cache / name / "complete").exists():
            folder = cache / name
            folder.mkdir(parents=True, exist_ok=True)
            (_rasterise if STYLES[name].package.startswith("@iconify-json") else _unpack)(name, cache)
            (folder / "complete").touch()
    return cache


def _package(name: str, cache: Path) -> Path:
    """The unpacked npm package of a style."""
    style = STYLES[name]
    folder = cache / f"{name}-{style.version}"
    if not folder.exists():
        wanted = f"{style.package}@{style.version}"
        packed = subprocess.run(["npm", "pack", wanted], cwd=cache, capture_output=True, text=True)
        if packed.returncode:
            raise RuntimeError(f"npm could not fetch {wanted}; check node and the network: {packed.stderr}")
        archive = cache / packed.stdout.strip().splitlines()[-1]
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        archive.unlink()
    return folder / "package"


def _codes() -> list[str]:
    return [code for category in CATEGORIES for code in category.artwork]


def _unpack(name: str, cache: Path) -> None:
    source = _package(name, cache) / "assets"
    for code in _codes():
        (cache / name / f"{code}.webp").write_bytes((source / f"{code}.webp").read_bytes())


def _rasterise(name: str, cache: Path) -> None:
    """Draw the SVG icons of an Iconify set; code points that it lacks are left out."""
    try:
        import resvg_py
    except ImportError:
        needed = "assets/recipes/requirements.txt"
        raise RuntimeError(f"Drawing the artwork needs resvg-py; run: .venv/bin/pip install -r {needed}") from None
    icons = json.loads((_package(name, cache) / "icons.json").read_text())
    slugs = json.loads((_package(STYLES[name].slugs or name, cache) / "chars.json").read_text())
    names = {code.replace("-fe0f", ""): slug for code, slug in slugs.items()}
    for code in _codes():
        icon = icons["icons"].get(names.get(code.replace("-fe0f", "")))
        if icon is None:
            continue
        wide, high = icon.get("width", icons["width"]), icon.get("height", icons["height"])
        drawing = (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{icon.get("left", 0)} {icon.get("top", 0)} {wide} {high}">{icon["body"]}</svg>'
        )
        png = resvg_py.svg_to_bytes(svg_string=drawing, width=RASTER, height=RASTER)
        (cache / name / f"{code}.png").write_bytes(bytes(png))


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
    """Sprites by (style, code point, size, mirror, colour, tilt); a sprite carries its soft shadow on a padded canvas.

    `styles` are those that `codes` draws from.
    """

    def __init__(self, folder: Path, styles: tuple[str, ...] = (FIRST_STYLE,)):
        self.folder, self.styles = Path(folder), styles
        self.sprite = lru_cache(maxsize=60_000)(self._sprite)
        self.original = lru_cache(maxsize=None)(self._original)
        self.small = lru_cache(maxsize=None)(self._small)
        self.natural = lru_cache(maxsize=None)(self._natural)
        self.codes = lru_cache(maxsize=None)(self._having)

    def _path(self, style: str, code: str) -> Path:
        return self.folder / style / f"{code}.{'webp' if style == FIRST_STYLE else 'png'}"

    def _having(self, name: str) -> list[tuple[str, str]]:
        """(style, code point) of every drawing of a category, in the styles of this Artwork."""
        category = next(c for c in CATEGORIES if c.name == name)
        return [(style, code) for style in self.styles for code in category.artwork if self._path(style, code).exists()]

    def _natural(self, style: str, code: str) -> str | None:
        """The colour that an unpainted drawing plainly has: named in categories.py, and checked in the other styles."""
        named = next(c.artwork[code] for c in CATEGORIES if code in c.artwork)
        if named is None or style == FIRST_STYLE:
            return named
        return named if colour_share(self.original(style, code), named) >= SHOWN else None

    def _original(self, style: str, code: str) -> np.ndarray:
        """The artwork cropped to what is visible, (H, W, 4) uint8."""
        return _cropped(Image.open(self._path(style, code)).convert("RGBA"))

    def _small(self, style: str, code: str) -> np.ndarray:
        """The same with a longer side of SMALL pixels, which makes small sprites quicker to draw."""
        image = Image.fromarray(self.original(style, code))
        scale = SMALL / max(image.size)
        return np.asarray(image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS))

    def _sprite(
        self, style: str, code: str, size: int, mirror: bool, colour: str | None, tilt: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """(premultiplied RGB + alpha (h, w, 4) float16 in [0, 1], object mask (h, w) bool, padding in pixels).

        `size` is the object's longer side in pixels, `tilt` in degrees; the mask is where the object itself is at least
        half opaque.
        """
        rgba = self.small(style, code) if size <= SMALL // 2 else self.original(style, code)
        if tilt:
            turned = Image.fromarray(rgba).rotate(tilt, Image.Resampling.BICUBIC, expand=True)
            rgba = _cropped(turned)
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


def _cropped(image: Image.Image) -> np.ndarray:
    return np.asarray(image.crop(image.getchannel("A").point(lambda a: 255 * (a > 12)).getbbox()))


def colour_share(rgba: np.ndarray, colour: str) -> float:
    """Share of the opaque pixels of `rgba` (H, W, 4) uint8 that are nearest to a shade of `colour`.

    A colour's shades run from a dark to a pale one, so that light and dark red are both red.
    """
    pixels = rgba[rgba[..., 3] > 127][:, :3].astype(float)
    shades = [
        (name, np.clip(np.array(rgb) * low + 255 * high, 0, 255))
        for name, rgb in COLOURS.items()
        for low, high in ((1, 0), (0.75, 0), (0.55, 0), (0.8, 0.2), (0.6, 0.4))
    ]
    table = np.array([rgb for _, rgb in shades])
    nearest = ((pixels[:, None] - table) ** 2).sum(-1).argmin(1)
    return float(np.mean([shades[i][0] == colour for i in nearest])) if len(nearest) else 0.0
