"""A page over one tiny model of a family, with an annotated picture that is far from square."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw

from tests import tiny_families
from tests.page import pictures
from viz.page.library import Library
from viz.page.models import Models

WIDTH, HEIGHT = 330, 180
DOG = (60, 30, 150, 120)  # x0, y0, x1, y1
PICTURE = "walk.png"
QUESTION = "Is there a dog in the image?"


def library(folder: Path) -> Library:
    """Two drawn scenes and, as from COCO, a wide picture with the outline of a dog."""
    photos = folder / "photos"
    photos.mkdir()
    picture = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB")
    ImageDraw.Draw(picture).rectangle(DOG, fill="sienna")
    picture.save(photos / PICTURE)
    x0, y0, x1, y1 = DOG
    coco = {
        "images": [{"id": 1, "file_name": PICTURE, "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 18,
                "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                "area": (x1 - x0) * (y1 - y0),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": 0,
            }
        ],
    }
    annotations = folder / "instances.json"
    annotations.write_text(json.dumps(coco))
    return Library(pictures.write(folder / "scenes"), annotations, photos)


def models(family: str, folder: Path) -> Models:
    """What `app.py --model FOLDER` offers, with the family's tiny model saved in that folder."""
    tiny_families.save(family, folder / family)
    return Models([str(folder / family)], device="cpu", dtype="float32")
