"""Tiny benchmarks in the official formats, and answers by a rule that anyone can repeat."""

import hashlib
import json
import os
from pathlib import Path

SHARED = Path(os.environ.get("CLVS_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
ODD = ["Yes", "No", "No.", "no", "Yes, it is", "Yes, the dog is not here.", "NO", "There is no such thing"]
ODD += ["I am not sure.", ""]
STATE, NUMBER, ACTION = (f"discriminative-attribute-{kind}" for kind in ("state", "number", "action"))
EXISTENCE = "discriminative-hallucination"


def odd(number):
    """Mostly "Yes" and "No", sometimes what parsers trip over; the golden values are of these answers."""
    drawn = int(hashlib.sha256(str(number).encode()).hexdigest(), 16)
    return "Yes" if drawn % 10 < 4 else "No" if drawn % 10 < 8 else ODD[drawn // 10 % len(ODD)]


def dump(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def lines(path, rows, end="\n", start=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((start + "".join(json.dumps(row) + end for row in rows)).encode())
    return path


AMBER_TRUTHS = [
    (1, "generative", ["sky"]),
    (2, STATE, "yes"),
    (3, STATE, "no"),
    (4, NUMBER, "yes"),
    (5, NUMBER, "no"),
    (6, ACTION, "yes"),
    (7, ACTION, "no"),
    (8, EXISTENCE, "no"),
    (9, EXISTENCE, "no"),
    (10, "discriminative-relation", "yes"),
    (11, "relation", "no"),
    (12, EXISTENCE, "no"),
]


def write_amber(folder, truths=AMBER_TRUTHS, name="query_discriminative.json"):
    rows = [
        {"id": n, "image": f"AMBER_{n % 3}.jpg", "query": f"Q{n}?"} for n, kind, _ in truths if kind != "generative"
    ]
    dump(folder / "data" / "query" / name, rows)
    dump(folder / "data" / "annotations.json", [{"id": n, "type": kind, "truth": truth} for n, kind, truth in truths])
    return folder


RBENCH_ROWS = [
    (0, "Positive", "a.jpg", "Yes"),
    (1, "Opposite", "a.jpg", "No"),
    (2, "Random", "b.jpg", "no"),
    (3, "Positive", "b.jpg", "yes"),
    (191, "Positive", "c.jpg", "Yes"),
    (191, "Opposite", "d.jpg", "No"),
    (5356, "Positive", "e.jpg", "o"),
]
RBENCH_IDS = [1, 2, 191, 191, 3, 0, 5356, 3]


def rbench_rows():
    keys = ("question_id", "qtype", "image", "label")
    rows = [dict(zip(keys, row, strict=True)) | {"text": f"{row[2]} {row[0]}?"} for row in RBENCH_ROWS]
    del rows[2]["qtype"]  # as in some real rows
    return rows


def write_rbench(folder, ids=RBENCH_IDS):
    dump(folder / "data_filterd" / "image-level_filterd.json", rbench_rows())
    for number in range(1, 6):
        dump(
            folder / "data_filterd" / f"nocaps_image-level_rel_ids_{number}.json", ids if number == 1 else ids[:number]
        )
    return folder


def pope_rows(images=2, start=0):
    return [
        {
            "question_id": 6 * i + n + 1,
            "image": f"COCO_val2014_{i + start:012d}.jpg",
            "text": f"Is there a thing{n} in the image?",
            "label": "no" if n % 2 else "yes",
        }
        for i in range(images)
        for n in range(6)
    ]


def write_pope(folder):
    """Three sources; COCO as JSON lines with CRLF and a byte order mark, the others as arrays."""
    for place, source in enumerate(("coco", "aokvqa", "gqa")):
        for category in ("random", "popular", "adversarial"):
            rows = pope_rows(2, 10 * place)
            if source == "coco":
                lines(folder / "coco" / f"coco_pope_{category}.json", rows, "\r\n", "\ufeff")
            else:
                dump(folder / "seem" / source / f"{source}_pope_seem_{category}.json", rows)
    return folder


def write_mme(folder, tasks=("existence", "count", "position", "color", "OCR"), apart=(), images=3):
    """apart: tasks with pictures and texts in folders of their own."""
    for task in tasks:
        for n in range(images):
            stem = f"{n:04d}"
            inner = ("images", "questions_answers_YN") if task in apart else (".", ".")
            picture, text = (folder / task / part for part in inner)
            for path in (picture, text):
                path.mkdir(parents=True, exist_ok=True)
            (picture / f"{stem}.jpg").write_bytes(b"")
            asked = f"Is it {task}{{}}? Please answer yes or no.\t{{}}\n"
            (text / f"{stem}.txt").write_text(
                (asked.format(1, "Yes") + asked.format(2, "No")).rstrip("\n" if n else "")
            )
    return folder


def write_mme_results(folder, questions, answers):
    folder.mkdir(parents=True, exist_ok=True)
    for question in questions:
        gold = question.label.capitalize()
        with (folder / f"{question.kind}.txt").open("a") as file:
            file.write("\t".join([question.image.split("/")[1], question.text, gold, answers[question.id]]) + "\n")
    return folder
