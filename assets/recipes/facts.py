"""What is true of a scene: where an object is, how many there are, and what each patch of the picture shows."""

from __future__ import annotations

import numpy as np

from .categories import COLOURS, NAMES
from .render import Scene
from .tokenizer import COLUMNS, CONTACT, COUNTS, ROWS

THIRDS = (0.36, 0.64)  # where left ends and right begins, as shares of the picture; the same for top and bottom
PATCH_SHOWS, PATCH_EMPTY = 0.3, 0.06  # shares of a patch: above, it shows the object; below, it is background
IGNORED = -100
COLOUR_NAMES = tuple(COLOURS)
NEAR = 6  # units of a 96-unit picture: objects this far from each other are plainly apart
TASKS = {
    "category": (*NAMES, "background"),
    "colour": COLOUR_NAMES,
    "row": ROWS,
    "column": COLUMNS,
    "count": COUNTS,
    "contact": CONTACT,
}


def row_and_column(scene: Scene, index: int) -> tuple[int, int]:
    """Third of the picture that the object's centre is in, each 0..2, from the top and from the left."""
    x, y = scene.centre(index)
    return int(np.searchsorted(THIRDS, y)), int(np.searchsorted(THIRDS, x))


def place(scene: Scene, index: int) -> str:
    """ "top left", "top", "center", ..."""
    row, column = row_and_column(scene, index)
    words = [ROWS[row]] * (row != 1) + [COLUMNS[column]] * (column != 1)
    return " ".join(words) or "center"


def counts(scene: Scene) -> dict[str, int]:
    """Number of objects by name, for the names in the scene, left to right."""
    found: dict[str, int] = {}
    for index in sorted(range(len(scene.things)), key=lambda i: scene.centre(i)[0]):
        found[scene.things[index].name] = found.get(scene.things[index].name, 0) + 1
    return found


def in_contact(scene: Scene, first: int, second: int) -> bool | None:
    """Whether two objects visibly touch; None where they are too close for the eye to say."""
    gap = scene.gaps[first, second]
    return True if gap <= 1 else False if gap >= NEAR else None


def _touches_any(scene: Scene, index: int) -> int:
    """Class of the contact task for an object: 0 touches something, 1 is plainly apart from everything."""
    others = [in_contact(scene, index, other) for other in range(len(scene.things)) if other != index]
    return 0 if True in others else IGNORED if None in others else 1


def patch_labels(scene: Scene, owner: np.ndarray, patch: int) -> np.ndarray:
    """(patches, 6) int8 class of each patch in the order of TASKS, IGNORED where there is no fair answer."""
    high, wide = owner.shape[0] // patch, owner.shape[1] // patch
    cells = owner.reshape(high, patch, wide, patch).swapaxes(1, 2).reshape(high * wide, -1)
    shares = np.stack([(cells == index).mean(1) for index in range(len(scene.things))], 1)
    best, most = shares.argmax(1), shares.max(1)
    labels = np.full((high * wide, len(TASKS)), IGNORED, np.int8)
    labels[most <= PATCH_EMPTY, 0] = len(NAMES)
    shown = most >= PATCH_SHOWS
    labels[shown] = _object_labels(scene)[best[shown]]
    return labels


def _object_labels(scene: Scene) -> np.ndarray:
    """(objects, 6) the labels of a patch filled by each object."""
    number = counts(scene)
    rows = []
    for index, thing in enumerate(scene.things):
        colour = COLOUR_NAMES.index(thing.true_colour) if thing.true_colour else IGNORED
        place_of = row_and_column(scene, index)
        contact = _touches_any(scene, index)
        rows.append([NAMES.index(thing.name), colour, *place_of, number[thing.name] - 1, contact])
    return np.array(rows, np.int8)
