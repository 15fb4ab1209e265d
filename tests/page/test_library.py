"""Pictures at start: what cannot be used is told, and masks are known by name."""

from __future__ import annotations

import pytest

from clvs_core.errors import ClvsError
from viz.page.library import Library


def test_a_library_says_what_is_wrong(tmp_path, library):
    with pytest.raises(ClvsError, match="cannot be read"):
        Library(tmp_path)
    with pytest.raises(ClvsError, match="cannot be read"):
        Library(library.folder, coco_annotations=tmp_path / "none.json")
    with pytest.raises(ClvsError, match="--coco-annotations"):
        Library(library.folder, coco_images=tmp_path)
    with pytest.raises(ClvsError, match="does not exist"):
        Library(library.folder, library.folder / "instances.json", tmp_path / "none")
    with pytest.raises(ClvsError, match="No picture"):
        Library(library.folder, library.folder / "instances.json", tmp_path)


def test_coco_pictures_are_recognised_by_name(library, tmp_path):
    coco = Library(library.folder, library.folder / "instances.json", library.folder)
    assert [scene.name for scene in coco.coco_scenes] == ["street", "table"]
    assert coco.coco_scenes[1].questions[0] == "Is there an apple in the image?"
    upload = tmp_path / "street.jpg"
    assert [item.name for item in coco.objects(upload, 192, 192)] == ["car", "dog"]
    assert coco.objects(upload, 100, 192) == [], "somebody else's picture with the same name"
    assert library.objects(upload, 192, 192) == []
