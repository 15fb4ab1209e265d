"""A small library of example pictures, drawn here, in the format of assets/scenes."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 192
BOXES = {"street": {"car": (24, 90, 104, 150), "dog": (120, 96, 170, 150)}, "table": {"apple": (40, 40, 100, 100)}}
CATEGORIES = {"car": 3, "dog": 18, "apple": 53}
COLOURS = {"car": "red", "dog": "sienna", "apple": "green"}
QUESTIONS = {
    "street": ["Is there a car in the image?", "Is there a dog in the image?"],
    "table": ["What color is the apple?"],
}
REMARKS = {"Is there a dog in the image?": {"note": "A box stands for the dog.", "less": True}}


def write(folder: Path) -> Path:
    """Pictures, instances.json and questions.json."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, (name, boxes) in enumerate(BOXES.items(), start=1):
        picture = Image.new("RGB", (SIZE, SIZE), "lightsteelblue")
        for category, box in boxes.items():
            ImageDraw.Draw(picture).rectangle(box, fill=COLOURS[category])
            annotations.append(_annotation(len(annotations) + 1, number, category, box))
        picture.save(folder / f"{name}.png")
        images.append({"id": number, "file_name": f"{name}.png", "width": SIZE, "height": SIZE})
    categories = [{"id": i, "name": name, "supercategory": "thing"} for name, i in CATEGORIES.items()]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(coco))
    listing = [
        {
            "file_name": f"{name}.png",
            "title": f"The {name} <b>&\"'",
            "questions": [{"question": q, "answer": "yes", "note": "", **REMARKS.get(q, {})} for q in QUESTIONS[name]],
        }
        for name in BOXES
    ]
    (folder / "questions.json").write_text(json.dumps(listing))
    return folder


def _annotation(number: int, image: int, category: str, box: tuple[int, int, int, int]) -> dict:
    x0, y0, x1, y1 = box
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES[category],
        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        "area": (x1 - x0) * (y1 - y0),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }
