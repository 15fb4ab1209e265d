"""Scenes: what is where, and the picture with the exact mask of every object.

Lengths of a Scene are in units; `render(scale=1)` gives one pixel a unit (training: 96 units), `scale=8` 768 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_cdt

from .artwork import FIRST_STYLE, Artwork
from .categories import BY_NAME, COLOURS, CONTEXTS, FREQUENCY, NAMES

SIDE = 96
SIZES = {1: (44, 72), 2: (36, 56), 3: (32, 48), 4: (28, 40), 5: (28, 36)}  # units, by number of objects
SIZE_STEP, STEP = 4, 2  # sizes and places are multiples: fewer looks to learn for a tower with minutes of training
MAX_HIDDEN = 0.1  # share of an object's own pixels that later objects may cover
TILTS = (-14, 14)  # degrees
CONTEXT_CHANCE = 0.6  # of a scene whose objects belong together (a street, a kitchen); the others are drawn freely
TOUCHING_CHANCE = 0.45  # of a scene of several objects in which one is put right against another


@dataclass(frozen=True)
class Thing:
    """One object: longer side `size`, top-left corner (x, y) of its box, all in units; colour None keeps its own."""

    name: str
    code: str
    size: int
    x: int
    y: int
    mirror: bool = False
    colour: str | None = None
    style: str = FIRST_STYLE
    tilt: int = 0
    natural: str | None = None  # the colour that the unpainted drawing plainly has

    @property
    def true_colour(self) -> str | None:
        """The colour a question may ask for, None where no single word is fair."""
        return self.colour or self.natural

    def sprite(self, artwork: Artwork, scale: int = 1) -> tuple[np.ndarray, np.ndarray, int]:
        """See Artwork."""
        return artwork.sprite(self.style, self.code, self.size * scale, self.mirror, self.colour, self.tilt)


@dataclass(frozen=True)
class Ground:
    """The lower part of a background: `level` of its edge from the top and the `wave` height, as shares of the picture;
    `phase` and `turns` (waves a picture's height) of the edge."""

    colour: tuple[float, float, float]
    level: float
    wave: float = 0.0
    phase: float = 0.0
    turns: float = 1.0


@dataclass(frozen=True)
class Background:
    """A gradient from one colour to another (0..255) at `angle` radians, with a little grain, and perhaps ground."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    angle: float
    grain: int = 0  # seed
    grounds: tuple[Ground, ...] = ()


@dataclass
class Scene:
    """Objects in painting order on a width x height canvas; `boxes` holds each visible part's box (x0, y0, x1, y1),
    `gaps` (objects, objects) the units between the visible parts of two (1 where they touch, chessboard distance)."""

    width: int
    height: int
    background: Background
    things: list[Thing] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    gaps: np.ndarray | None = None

    def centre(self, index: int) -> tuple[float, float]:
        """Centre of an object's visible box as shares of the canvas, (x, y) in [0, 1]."""
        x0, y0, x1, y1 = self.boxes[index]
        return (x0 + x1) / 2 / self.width, (y0 + y1) / 2 / self.height


def hsv(h: float, s: float, v: float) -> tuple[float, float, float]:
    """RGB in 0..255."""
    f = lambda n: 255 * (v - v * s * max(0.0, min((n + h * 6) % 6, 4 - (n + h * 6) % 6, 1.0)))  # noqa: E731
    return f(5), f(3), f(1)


def sample_background(rng: np.random.Generator) -> Background:
    """Pale gradients mostly, now and then a deeper one."""
    hue, turn = rng.random(), rng.uniform(-0.15, 0.15)
    deep = rng.random() < 0.15
    s, v = (rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.8)) if deep else (rng.uniform(0.04, 0.32), rng.uniform(0.86, 1))
    first, second = hsv(hue, s, v), hsv((hue + turn) % 1, s * rng.uniform(0.3, 1), min(1.0, v * rng.uniform(0.9, 1.1)))
    grounds = ()
    if rng.random() < 0.5:
        level = rng.uniform(0.45, 0.8)
        near = hsv(rng.random(), rng.uniform(0.05, 0.55), rng.uniform(0.6, 0.98))
        grounds = (Ground(near, level, rng.choice([0, 0.04]), rng.uniform(0, 6.3), rng.uniform(0.5, 1.5)),)
    return Background(first, second, rng.uniform(0, 2 * np.pi), int(rng.integers(1 << 30)), grounds)


def sample_thing(rng: np.random.Generator, artwork: Artwork, name: str, low: int, high: int) -> Thing:
    """A random look of `name`, not yet placed."""
    style, code = _pick(rng, artwork.codes(name))
    colour = str(rng.choice(list(COLOURS))) if rng.random() < BY_NAME[name].colour_chance else None
    size = int(rng.integers(low // SIZE_STEP, high // SIZE_STEP + 1)) * SIZE_STEP
    tilt = _pick(rng, TILTS) if rng.random() < 0.3 else 0
    natural = artwork.natural(style, code)
    return Thing(name, code, size, 0, 0, bool(rng.random() < 0.5), colour, style, tilt, natural)


def _pick(rng: np.random.Generator, items):
    return items[int(rng.integers(len(items)))]


def sample_names(rng: np.random.Generator) -> list[str]:
    """One to five category names; in nearly half of the scenes one is repeated, so that counting can be learnt."""
    total = int(rng.choice([1, 2, 3, 4, 5], p=[0.1, 0.2, 0.28, 0.25, 0.17]))
    repeated = int(rng.integers(2, total + 1)) if total > 1 and rng.random() < 0.45 else 1
    pool = _pick(rng, tuple(CONTEXTS.values())) if rng.random() < CONTEXT_CHANCE else NAMES
    chance = np.array([FREQUENCY[name] for name in pool])
    picks = rng.choice(len(pool), total - repeated + 1, replace=False, p=chance / chance.sum())
    names = [pool[picks[0]]] * repeated + [pool[i] for i in picks[1:]]
    return [names[i] for i in rng.permutation(total)]


def sample_scene(rng: np.random.Generator, artwork: Artwork, names: list[str] | None = None) -> Scene:
    """A square scene of the given (or random) categories; an object that finds no free place is left out."""
    names = sample_names(rng) if names is None else names
    scene = Scene(SIDE, SIDE, sample_background(rng))
    owner = np.full((SIDE, SIDE), -1, np.int8)
    things = sorted((sample_thing(rng, artwork, name, *SIZES[len(names)]) for name in names), key=lambda t: -t.size)
    touching = int(rng.integers(1, len(things))) if len(things) > 1 and rng.random() < TOUCHING_CHANCE else None
    for order, thing in enumerate(things):
        if order == touching and _place_against(rng, scene, owner, artwork, thing):
            continue
        for _ in range(25):
            if place(scene, owner, artwork, replace(thing, **_spot(rng, thing, artwork))):
                break
    scene.boxes, scene.gaps = boxes(owner, len(scene.things)), gaps(owner, len(scene.things))
    return scene


def _spot(rng: np.random.Generator, thing: Thing, artwork: Artwork) -> dict[str, int]:
    _, mask, pad = thing.sprite(artwork)
    high, wide = mask.shape[0] - 2 * pad, mask.shape[1] - 2 * pad
    return {
        "x": int(rng.integers(0, (SIDE - wide) // STEP + 1)) * STEP,
        "y": int(rng.integers(0, (SIDE - high) // STEP + 1)) * STEP,
    }


def _place_against(rng: np.random.Generator, scene: Scene, owner: np.ndarray, artwork: Artwork, thing: Thing) -> bool:
    """Add `thing` where its visible part touches an object that is already there, if 60 tries find such a place."""
    _, mask, pad = thing.sprite(artwork)
    for _ in range(60):
        spot = _spot(rng, thing, artwork)
        canvas, window = _windows(owner.shape, mask.shape, spot["x"] - pad, spot["y"] - pad)
        part = np.zeros(owner.shape, bool)
        part[canvas] = mask[window]
        if (owner[binary_dilation(part, np.ones((3, 3), bool))] >= 0).any() and place(
            scene, owner, artwork, replace(thing, **spot)
        ):
            return True
    return False


def gaps(owner: np.ndarray, count: int) -> np.ndarray:
    """(count, count) chessboard distance in pixels between two objects' pixels in `owner` (H, W); 1 is contact."""
    found = np.zeros((count, count), np.int16)
    for index in range(count - 1):
        far = distance_transform_cdt(owner != index, "chessboard")
        for other in range(index + 1, count):
            found[index, other] = found[other, index] = far[owner == other].min()
    return found


def place(scene: Scene, owner: np.ndarray, artwork: Artwork, thing: Thing) -> bool:
    """Add `thing` unless it would hide more than MAX_HIDDEN of an object below it; `owner` (H, W) is updated."""
    _, mask, pad = thing.sprite(artwork)
    canvas, sprite = _windows(owner.shape, mask.shape, thing.x - pad, thing.y - pad)
    under, on = owner[canvas], mask[sprite]
    covered = np.bincount(under[on & (under >= 0)], minlength=len(scene.things))
    for index in np.flatnonzero(covered):
        if covered[index] > MAX_HIDDEN * np.count_nonzero(owner == index):
            return False
    under[on] = len(scene.things)
    scene.things.append(thing)
    return True


def boxes(owner: np.ndarray, count: int) -> list[tuple[float, float, float, float]]:
    """Box (x0, y0, x1, y1) of the pixels of each object in `owner` (H, W)."""
    found = []
    for index in range(count):
        rows, cols = np.nonzero(owner == index)
        found.append((float(cols.min()), float(rows.min()), float(cols.max() + 1), float(rows.max() + 1)))
    return found


def gradient(background: Background, width: int, height: int) -> np.ndarray:
    """(H, W, 3) float32 in [0, 1]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dx, dy = np.cos(background.angle), np.sin(background.angle)
    along = (x / width - 0.5) * dx + (y / height - 0.5) * dy
    along = ((along / (abs(dx) + abs(dy)) + 0.5)[..., None]).astype(np.float32)
    start, end = (np.array(c, np.float32) / 255 for c in (background.start, background.end))
    picture = start + (end - start) * along
    for ground in background.grounds:
        edge = ground.level + ground.wave * np.sin(2 * np.pi * ground.turns * x / height + ground.phase)
        depth = y / height - edge
        share = np.clip(0.5 + depth * height / max(1.5, height / 200), 0, 1)[..., None]
        shade = (1.06 - 0.25 * np.clip(depth, 0, 1))[..., None]  # a little lighter at the edge, darker close by
        picture = picture * (1 - share) + share * shade * np.array(ground.colour, np.float32) / 255
    picture = picture.astype(np.float32)
    grain = np.random.default_rng(background.grain).random((height, width, 1), dtype=np.float32)
    return picture + 0.02 * (grain - 0.5)


def render(scene: Scene, artwork: Artwork, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(picture (H, W, 3) uint8, owner (H, W) int8: index of the object each pixel belongs to, -1 for background)."""
    picture = gradient(scene.background, scene.width * scale, scene.height * scale)
    owner = np.full(picture.shape[:2], -1, np.int8)
    for index, thing in enumerate(scene.things):
        sprite, mask, pad = thing.sprite(artwork, scale)
        canvas, window = _windows(owner.shape, mask.shape, thing.x * scale - pad, thing.y * scale - pad)
        part = sprite[window].astype(np.float32)
        picture[canvas] = picture[canvas] * (1 - part[..., 3:]) + part[..., :3]
        owner[canvas][mask[window]] = index
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8), owner


def _windows(canvas: tuple[int, ...], sprite: tuple[int, ...], x: int, y: int) -> tuple[tuple, tuple]:
    """Slices of the canvas and of the sprite where the two meet when the sprite's corner is at (x, y)."""
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + sprite[1], canvas[1]), min(y + sprite[0], canvas[0])
    return (slice(y0, y1), slice(x0, x1)), (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
