"""Grids of visual tokens over a picture, and their JSON form for files and pages.

Every model family reduces to a few affine grids (`View`) over rectangles of the original picture; the
families' files make them. This file knows no model.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

from pydantic import Field, Strict, ValidationError

from ...plain import plain
from ...untrusted import Count, Number, Text, Untrusted, departure

KINDS = ("full", "base", "tiles")
MAX_GRIDS = 64
NOTICED = 0.9  # a picture of which less is seen gets a notice
_MAX_TOKENS = 1 << 20  # far above any model; bounds what an untrusted file can make us allocate


@dataclass(frozen=True)
class View:
    """One grid of visual tokens over a rectangle of the original picture.

    Token (r, c) is visual token `start + r * stride + c`; its box is `region` divided into rows x cols equal
    cells.

    Attributes:
        start: index of the first token among the picture's visual tokens.
        rows, cols: size of the grid, in tokens.
        region: x0, y0, x1, y1 in pixels of the original picture; sticks out of it where the processor pads.
        stride: tokens from one row to the next; more than `cols` where a row ends in a newline token.
        kind: "full" (the only grid), or "base" (whole picture) and "tiles" (finer grid) of the same picture. The
            finer grid is one view where its tokens run across the picture row by row, and one view a tile where
            each tile's tokens come together.
    """

    start: int
    rows: int
    cols: int
    region: tuple[float, float, float, float]
    stride: int = 0
    kind: str = "full"

    def __post_init__(self) -> None:
        _make_plain(self)
        if self.stride == 0:
            object.__setattr__(self, "stride", self.cols)
        x0, y0, x1, y1 = self.region
        if self.start < 0 or self.rows < 1 or self.cols < 1 or self.stride < self.cols:
            raise ValueError(
                f"A view needs start >= 0, rows and cols >= 1 and stride >= cols, "
                f"but got start {self.start}, {self.rows} x {self.cols}, stride {self.stride}."
            )
        if not (all(map(math.isfinite, self.region)) and x0 < x1 and y0 < y1):
            raise ValueError(f"A view's region must be finite with x0 < x1 and y0 < y1, not {self.region}.")
        if self.kind not in KINDS:
            raise ValueError(f"A view's kind must be one of {', '.join(KINDS)}, but got {self.kind!r}.")

    @property
    def end(self) -> int:
        """One past the last token of the grid (newline token of the last row not counted)."""
        return self.start + (self.rows - 1) * self.stride + self.cols

    def box(self, row: int, col: int) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of one token in pixels of the original picture."""
        x0, y0, x1, y1 = self.region
        w, h = (x1 - x0) / self.cols, (y1 - y0) / self.rows
        return x0 + col * w, y0 + row * h, x0 + (col + 1) * w, y0 + (row + 1) * h


@dataclass(frozen=True)
class Views:
    """All grids of one picture.

    Attributes:
        width, height: size of the original picture, in pixels.
        visual: number of visual tokens; some (newline tokens) may belong to no grid.
        grids: the views, in token order.
    """

    width: int
    height: int
    visual: int
    grids: tuple[View, ...]

    def __post_init__(self) -> None:
        _make_plain(self)
        if self.width < 1 or self.height < 1:
            raise ValueError(f"The picture's size must be positive, but got {self.width} x {self.height}.")
        if not 1 <= self.visual <= _MAX_TOKENS or not self.grids:
            raise ValueError(
                f"Views need at least one grid and 1 to {_MAX_TOKENS} visual tokens, "
                f"but got {len(self.grids)} grids and {self.visual} tokens."
            )
        end = 0
        for view in self.grids:
            if view.start < end or view.end > self.visual:
                raise ValueError(
                    f"A grid covers tokens {view.start} to {view.end - 1}, which overlaps another grid or "
                    f"leaves the {self.visual} visual tokens."
                )
            end = view.end

    @property
    def finest(self) -> tuple[View, ...]:
        """The grids to draw for detail, which do not overlap: the tiles where there are any, else the only grid."""
        return tuple(view for view in self.grids if view.kind != "base") or self.grids

    def seen(self) -> tuple[float, float, float, float]:
        """The rectangle x0, y0, x1, y1 (pixels) of the picture that the model sees.

        It bounds the union of all grids, clipped to the picture; everything outside was cropped away.
        """
        x0, y0, x1, y1 = zip(*(view.region for view in self.grids), strict=True)
        return (
            min(max(0.0, min(x0)), float(self.width)),
            min(max(0.0, min(y0)), float(self.height)),
            max(min(float(self.width), max(x1)), 0.0),
            max(min(float(self.height), max(y1)), 0.0),
        )

    def notice(self) -> str:
        """A sentence without its full stop about a picture of whose area less than `NOTICED` is seen; else ""."""
        x0, y0, x1, y1 = self.seen()
        share = max(0.0, x1 - x0) * max(0.0, y1 - y0) / (self.width * self.height)
        if share >= NOTICED:
            return ""
        off = max(abs(x0 + x1 - self.width) / self.width, abs(y0 + y1 - self.height) / self.height)
        middle = "the middle " if off < 0.02 else ""
        return f"This model sees only {middle}{max(1, round(100 * share))} % of this picture"

    def to_json(self) -> dict[str, Any]:
        """Plain ints, floats, strings and lists, for files and pages."""
        grids = [{**asdict(view), "region": [float(v) for v in view.region]} for view in self.grids]
        return {"width": self.width, "height": self.height, "visual": self.visual, "grids": grids}

    @classmethod
    def from_json(cls, data: Any) -> Views:
        """The inverse of `to_json`; `data` may come from an untrusted file.

        Raises:
            ValueError: a field is missing, has the wrong type, or describes an impossible geometry.
        """
        try:
            geometry = _Views.model_validate(data)
        except ValidationError as error:
            raise ValueError(f"The geometry of visual tokens {departure(error)}.") from None
        return cls(
            geometry.width, geometry.height, geometry.visual, tuple(View(**dict(grid)) for grid in geometry.grids)
        )


_Size = Annotated[Count, Field(le=1 << 31)]
_Length = Annotated[Number, Field(ge=-1e9, le=1e9)]


class _View(Untrusted):
    start: _Size
    rows: _Size
    cols: _Size
    region: Annotated[tuple[_Length, _Length, _Length, _Length], Strict(False)]
    stride: _Size = 0
    kind: Text = "full"


class _Views(Untrusted):
    width: _Size
    height: _Size
    visual: _Size
    grids: Annotated[list[_View], Field(max_length=MAX_GRIDS)]


def _make_plain(view: View | Views) -> None:
    """Sizes come from arrays, tensors and image processors, and go into files."""
    for f in fields(view):
        object.__setattr__(view, f.name, plain(getattr(view, f.name)))
