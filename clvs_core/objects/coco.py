"""Instance masks from a file in COCO's instances format, as people have such files.

What cannot be read costs itself and nothing else: a mask, or the masks of a picture. It is said once, with a number and
the first entry's name. Only a file of another kind is refused. pycocotools is the measure of what can be read.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ClvsError
from ..names import ById, FileNames, base, whole
from .coverage import KeyObject
from .shapes import Shape, Unreadable, check, decode, shape_of

_LONGEST_SIDE = 30_000
# What brings an upright mask from stored pixels, by EXIF's orientation; 1 is upright.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda mask: mask[:, ::-1],
    3: lambda mask: mask[::-1, ::-1],
    4: lambda mask: mask[::-1],
    5: lambda mask: mask.T,
    6: lambda mask: np.rot90(mask, -1),
    7: lambda mask: mask[::-1, ::-1].T,
    8: np.rot90,
}


class MaskWarning(UserWarning):
    """Masks that cannot be read or may not fit their picture: which, in one sentence."""


@dataclass(frozen=True)
class _Picture:
    """id: how the file writes it, for messages and to tell pictures apart."""

    id: str
    file_name: str
    width: int
    height: int
    masks: list[_Mask] = field(default_factory=list, compare=False)


class _Mask(NamedTuple):
    category: str
    shape: Shape


class _Annotation(NamedTuple):
    """One entry of "annotations"; shape: a sentence's end where it has no usable one."""

    id: Any
    image: Any
    category: Any
    shape: Shape | str


class Found(NamedTuple):
    """A picture's objects, and what to say of them, a sentence each."""

    objects: list[KeyObject]
    notes: list[str]


class CocoInstances:
    """Instance masks by picture, from a file such as `instances_val2014.json`.

    Pictures are recognised by file name (see `names.FileNames`), whatever folder they are in:
    `COCO_val2014_000000310196.jpg`, `000000310196.jpg` and `000000310196.png` are the same picture. Where an entry has
    no file name, its `coco_url` gives it (LVIS).

    Args:
        path: the annotation file.
        source: what `KeyObject.source` says of its objects.
        quiet: without the warning of entries that cannot be used.

    Attributes:
        categories: the names that objects have, in the order of the file.
        lost: the entries that cannot be used, each with the reason, in the order of the file.

    Raises:
        ClvsError: the file cannot be read or is not in COCO's instances format. Warns with `MaskWarning` of entries
            that are of it but cannot be used.
    """

    def __init__(self, path: str | Path, source: str = "coco", *, quiet: bool = False):
        self.path, self.source = Path(path), source
        self.lost: list[str] = []
        images, annotations, categories = self._read()
        self._by_id, self._by_name = self._pictures(images)
        called = [(one.get("id"), str(one["name"]).strip()) for one in categories if _is_name(one.get("name"))]
        self.categories = tuple(dict.fromkeys(name for _, name in called))
        names = ById(called)
        lost = 0
        for number, annotation in enumerate(annotations, 1):
            try:
                self._add(annotation, names)
            except Unreadable as error:
                lost += 1
                self.lost.append(f"{_title(annotation, number)} ({error})")
        self.masks = len(annotations) - lost
        if self.lost and not quiet:
            _warn(self._notice(len(annotations), lost))

    def __contains__(self, file_name: str) -> bool:
        return bool(self._by_name.find(str(file_name)))

    def named(self, id: Any) -> str | None:
        """The file name of the picture with this id of the file, None where that is not one picture."""
        found = self._by_id.find(id)
        return found[0].file_name if len(found) == 1 and found[0] else None

    def find(
        self,
        file_name: str,
        width: int | None = None,
        height: int | None = None,
        merge: bool = True,
        orientation: int = 1,
    ) -> list[KeyObject]:
        """The objects of a picture, largest first; an empty list when the file does not know the picture.

        Args:
            file_name: name of the picture's file.
            width, height: size of the upright picture at hand, when known. Masks are scaled to it if it is the
                annotated picture at another size.
            merge: one object a category, the union of its instances and crowds (what the paper calls a key
                object); else one an instance.
            orientation: how the picture at hand is stored (EXIF, 1 to 8, see `pictures.stored_orientation`).
                Masks drawn on stored pixels are turned with the picture where sizes tell; where they cannot tell,
                masks are taken as upright, with a `MaskWarning`.

        Raises:
            ClvsError: the picture's shape is not the annotated one's, or several pictures have this name.
        """
        found = self.look(file_name, width, height, merge, orientation)
        for note in found.notes:
            _warn(note)
        return found.objects

    def look(
        self,
        file_name: str,
        width: int | None = None,
        height: int | None = None,
        merge: bool = True,
        orientation: int = 1,
    ) -> Found:
        """As `find`, with its warnings as sentences: for threads, which cannot catch warnings."""
        notes: list[str] = []
        picture = self._picture(str(file_name))
        if picture is None:
            return Found([], notes)
        size = (picture.height if height is None else height, picture.width if width is None else width)
        turned = self._is_turned(picture, *size, orientation, notes)
        masks: dict[str, np.ndarray] = {}
        for number, (category, shape) in enumerate(picture.masks, start=1):
            mask = decode(shape, picture.height, picture.width)
            name = category if merge else f"{category} {number}"
            masks[name] = masks[name] | mask if name in masks else mask
        if turned:
            masks = {name: _UPRIGHT[orientation](mask) for name, mask in masks.items()}
        if empty := [name for name, mask in masks.items() if not mask.any()]:
            notes.append(f"{self.path.name}: the masks of {' and '.join(empty)} cover no pixel of {picture.file_name}.")
        objects = [KeyObject(name, _resized(mask, *size), source=self.source) for name, mask in masks.items()]
        objects = sorted((item for item in objects if item.mask.any()), key=lambda item: -int(item.mask.sum()))
        return Found(objects, notes)

    def _picture(self, file_name: str) -> _Picture | None:
        found = self._by_name.find(file_name)
        if len(found) > 1:
            one, other = found[:2]
            if one.file_name == other.file_name:
                raise ClvsError(
                    f"{self.path.name} lists {one.file_name!r} as several pictures, {one.id} and {other.id}; "
                    "keep one of them, or name both with their folders."
                )
            raise ClvsError(
                f"{self.path.name} lists several pictures that {base(file_name)!r} may be, {one.file_name!r} and "
                f"{other.file_name!r}; name the picture as one of them, with its folder."
            )
        return found[0] if found else None

    def _is_turned(self, picture: _Picture, height: int, width: int, orientation: int, notes: list[str]) -> bool:
        """Whether the masks are drawn on stored pixels. ClvsError where the picture at hand is of another shape."""
        upright = _is_rescaled(picture, height, width)
        stored = _is_rescaled(picture, width, height) if orientation > 4 else upright and orientation > 1
        if not upright and not stored:
            raise ClvsError(
                f"{base(picture.file_name)} was annotated at {picture.width} x {picture.height} pixels, but "
                f"this picture is {width} x {height}, another shape; use the original picture or rename this one."
            )
        if upright and stored and picture.masks:
            notes.append(
                f"{base(picture.file_name)} is stored turned or mirrored (EXIF orientation {orientation}), and its "
                f"size does not tell whether the masks of {self.path.name} were drawn before or after turning it; they "
                "are taken as drawn on the upright picture."
            )
        return stored and not upright

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[list[dict[str, Any]], list[Any], list[dict[str, Any]]]:
        """The file's three lists. Polygons are packed as they are parsed: val2014 has 290 000 of them."""
        try:
            with self.path.open("rb") as file:  # json tells UTF-8 with its mark and UTF-16 by the bytes
                data = json.load(file, object_hook=_pack)
        except OSError as error:
            raise ClvsError(
                f"The annotation file {self.path} cannot be read ({error.strerror}); check its path."
            ) from error
        except (ValueError, RecursionError) as error:
            raise self._broken("it is not valid JSON") from error
        if isinstance(data, list):
            raise self._broken("it is a list without names of pictures, as detectors write their results")
        images, annotations = (self._listed(data, name) for name in ("images", "annotations"))
        if annotations and all(isinstance(one, _Annotation) and one.shape in _OTHER.values() for one in annotations):
            raise self._broken(f"of its annotations, every one {annotations[0].shape.removeprefix('it ')}")
        categories = data.get("categories") if isinstance(data.get("categories"), list) else []
        return images, annotations, [one for one in categories if isinstance(one, dict)]

    def _listed(self, data: Any, name: str) -> list[Any]:
        found = data.get(name) if isinstance(data, dict) else None
        if not isinstance(found, list):
            raise self._broken(f"it has no list {name!r}")
        return found

    def _pictures(self, images: list[Any]) -> tuple[ById[_Picture | None], FileNames[_Picture]]:
        """The pictures by id, None for those of no use, and by name."""
        by_id: list[tuple[Any, _Picture | None]] = []
        pictures: dict[_Picture, None] = {}
        for number, entry in enumerate(images, 1):
            entry = entry if isinstance(entry, dict) else {}
            picture = self._picture_of(entry, number)
            if picture not in pictures:  # the same entry twice is one picture
                by_id.append((entry.get("id"), picture))
            if picture:
                pictures[picture] = None
        return ById(by_id), FileNames((picture.file_name, picture) for picture in pictures)

    def _picture_of(self, entry: Mapping[str, Any], number: int) -> _Picture | None:
        """What an entry of "images" says; None, and noted as lost, where that is of no use."""
        name = next((entry[key] for key in ("file_name", "coco_url") if _is_name(entry.get(key))), None)
        sides = [whole(entry.get(key)) for key in ("width", "height")]
        width, height = (side if side is not None and 1 <= side <= _LONGEST_SIDE else 0 for side in sides)
        title = f"image {entry['id']!r:.40}" if entry.get("id") is not None else f"image number {number}"
        if name is not None and width and height:
            return _Picture(title, str(name), width, height)
        self.lost.append(f"{title} ({'it has no file name' if name is None else 'its width and height are no size'})")
        return None

    def _add(self, annotation: Any, names: ById[str]) -> None:
        """Gives a mask to its picture; raises Unreadable for one that cannot be used."""
        if not isinstance(annotation, _Annotation):
            raise Unreadable("it belongs to no image")
        picture = self._owner(annotation.image)
        categories = set(names.find(annotation.category))
        if len(categories) != 1:
            told = "which has several names" if categories else "which has no name"
            raise Unreadable(f"it is of category {annotation.category!r:.40}, {told}")
        if isinstance(annotation.shape, str):
            raise Unreadable(annotation.shape)
        check(annotation.shape, picture.height, picture.width)
        picture.masks.append(_Mask(categories.pop(), annotation.shape))

    def _owner(self, id: Any) -> _Picture:
        found = self._by_id.find(id)
        if len(found) == 1 and found[0] is not None:
            return found[0]
        why = "is not listed" if not found else "cannot be used" if len(found) == 1 else "is listed as several pictures"
        raise Unreadable(f"it belongs to image {id!r:.40}, which {why}")

    def _notice(self, annotations: int, lost: int) -> str:
        entries = len(self.lost) - lost
        parts = [f"masks: {lost} of {annotations}"] * bool(lost) + [f"pictures: {entries}"] * bool(entries)
        return f"{self.path.name} has entries that cannot be used ({', '.join(parts)}); the first is {self.lost[0]}."

    def _broken(self, what: str) -> ClvsError:
        return ClvsError(
            f"{self.path.name} is not a file of COCO instances: {what}; give one like instances_val2014.json."
        )


# What annotations have in files of COCO's other kinds.
_OTHER = {
    "segments_info": "it is of a panoptic file, whose masks are in pictures of their own",
    "caption": "it is a caption without a mask",
}


def _pack(entry: dict[str, Any]) -> Any:
    """Hook of the JSON reader: an annotation becomes an `_Annotation`, everything else stays as it is."""
    if "image_id" not in entry or {"width", "height"} <= set(entry):
        return entry
    segmentation = entry.get("segmentation")
    shape: Shape | str
    if segmentation is None:
        other = next((told for key, told in _OTHER.items() if key in entry), None)
        shape = other or ("it has a box and no segmentation" if entry.get("bbox") else "it has no segmentation")
    else:
        try:
            shape = shape_of(segmentation)
        except Unreadable as error:
            shape = str(error)
    return _Annotation(entry.get("id"), entry["image_id"], entry.get("category_id"), shape)


def _warn(text: str) -> None:
    warnings.warn(text, MaskWarning, stacklevel=3)


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and bool(str(value).strip())


def _title(annotation: Any, number: int) -> str:
    if isinstance(annotation, _Annotation) and annotation.id is not None:
        return f"annotation {annotation.id!r:.40}"
    return f"annotation number {number}"


def _is_rescaled(picture: _Picture, height: int, width: int) -> bool:
    """Whether the annotated picture, scaled, has this size; a pixel of rounding on one side is allowed."""
    across = abs(width - picture.width * height / picture.height)
    down = abs(height - picture.height * width / picture.width)
    return min(across, down) <= 1


def _resized(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest pixel; the mask itself where the size is already right."""
    if mask.shape == (height, width):
        return mask
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
    cols = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
    return mask[np.ix_(rows, cols)]
