"""How many tokens a picture becomes, and what stands around them: the families' published formulas, without their code.

Each function takes the settings and the picture's height and width and returns pieces as `words.ids` takes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .settings import Published

Pieces = list[str | int]


def pieces(published: Published, height: int, width: int, most: int = 1280) -> Pieces:
    """What stands in the picture's place; most: the limit that this program sets for Qwen's models."""
    return _FAMILIES[published.config["model_type"]](published, height, width, most)


def _image(published: Published) -> int:
    return published.config.get("image_token_id", published.config.get("image_token_index"))


def _llava(published: Published, height: int, width: int, most: int) -> Pieces:
    return [_image(published)] * 576


def _tiled(published: Published, height: int, width: int, patches: int, side: int) -> tuple[int, int]:
    """Rows and columns of tokens of the tiles, the bars cut off: LLaVA-NeXT's anyres."""

    def worth(grid: list[int]) -> tuple[int, int]:
        scale = min(grid[1] / width, grid[0] / height)
        used = min(int(width * scale) * int(height * scale), width * height)
        return used, used - grid[0] * grid[1]

    best = max(published.config["image_grid_pinpoints"], key=worth)
    rows, columns = best[0] // side * patches, best[1] // side * patches
    if width / height > columns / rows:
        rows -= (rows - int(round(height * (columns / width), 7))) // 2 * 2
    else:
        columns -= (columns - int(round(width * (rows / height), 7))) // 2 * 2
    return rows, columns


def _llava_next(published: Published, height: int, width: int, most: int) -> Pieces:
    rows, columns = _tiled(published, height, width, 24, 336)
    return [_image(published)] * (576 + rows * (columns + 1))


def _onevision(published: Published, height: int, width: int, most: int) -> Pieces:
    rows, columns = _tiled(published, height, width, 27, 384)
    ratio = math.sqrt(rows * columns / (9 * 27**2))
    if ratio > 1.1:
        rows, columns = int(rows // ratio), int(columns // ratio)
    return [_image(published)] * (729 + rows * (columns + 1))


def _qwen(published: Published, height: int, width: int, most: int) -> Pieces:
    unit = published.images["patch_size"] * published.images["merge_size"]
    least = published.images.get("min_pixels") or published.images["size"]["shortest_edge"]
    rows, columns = (round(x / unit) for x in (height, width))  # 0 of a thin one, which then grows
    if rows * columns > most:
        shrink = math.sqrt(height * width / (most * unit**2))
        rows, columns = (max(1, math.floor(x / shrink / unit)) for x in (height, width))
    elif rows * columns * unit**2 < least:
        grow = math.sqrt(least / (height * width))
        rows, columns = (math.ceil(x * grow / unit) for x in (height, width))
    return [_image(published)] * (rows * columns)


def _idefics(published: Published, height: int, width: int, most: int) -> Pieces:
    tile, longest = (published.images[name]["longest_edge"] for name in ("max_image_size", "size"))
    tokens = [_image(published)] * published.processor["image_seq_len"]
    ratio = width / height
    if width >= height:
        width, height = longest, int(longest / ratio)
        height += height % 2
    else:
        width, height = int(longest * ratio), longest
        width += width % 2
    ratio = width / height
    if width >= height:
        width = math.ceil(width / tile) * tile
        height = math.ceil(int(width / ratio) / tile) * tile
    else:
        height = math.ceil(height / tile) * tile
        width = math.ceil(int(height * ratio) / tile) * tile
    fence = "<fake_token_around_image>"
    found: Pieces = []
    for row in range(height // tile):
        for column in range(width // tile):
            found += [fence, *_named(published, f"<row_{row + 1}_col_{column + 1}>"), *tokens]
        found.append("\n")
    return [*found, "\n", fence, *_named(published, "<global-img>"), *tokens, fence]


def _named(published: Published, name: str) -> Pieces:
    """A tile's name: a token of its own, or spelt."""
    return [name]


def _internvl(published: Published, height: int, width: int, most: int) -> Pieces:
    side, least, largest = 448, published.images["min_patches"], published.images["max_patches"]
    grids = sorted(
        {(c, r) for c in range(1, largest + 1) for r in range(1, largest + 1) if least <= c * r <= largest},
        key=lambda grid: grid[0] * grid[1],
    )
    best, off = (1, 1), math.inf
    for grid in grids:
        now = abs(width / height - grid[0] / grid[1])
        if now < off or (now == off and height * width > 0.5 * side**2 * grid[0] * grid[1]):
            best, off = grid, min(now, off)
    tiles = best[0] * best[1]
    return ["<img>", *[_image(published)] * (256 * (tiles + (tiles > 1))), "</img>"]


def _gemma(published: Published, height: int, width: int, most: int) -> Pieces:
    return ["\n\n", "<start_of_image>", *[_image(published)] * 256, "<end_of_image>", "\n\n"]


_FAMILIES: dict[str, Callable[[Published, int, int, int], Pieces]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "llava_onevision": _onevision,
    "qwen2_vl": _qwen,
    "qwen2_5_vl": _qwen,
    "qwen3_vl": _qwen,
    "idefics3": _idefics,
    "smolvlm": _idefics,
    "internvl": _internvl,
    "gemma3": _gemma,
}
