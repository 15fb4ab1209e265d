"""Run folders without a model: answers and records by rules that anyone can repeat."""

import hashlib
import json

from clvs_core.benchmarks.question import Question
from clvs_core.benchmarks.running.folder import ABOUT, ANSWERS, QUESTIONS, question_line

METHODS = {"vanilla": "vanilla", "clvs": "clvs:beta=0.8"}


def share(*parts):
    """A number from 0 to 1 that depends on the parts alone."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 16**8


def amber_questions(pictures=6):
    """Questions of all AMBER types; ids from 1005."""
    kinds = [
        ("discriminative-hallucination", "no"),
        ("discriminative-hallucination", "no"),
        ("discriminative-attribute-state", "yes"),
        ("discriminative-attribute-state", "no"),
        ("discriminative-attribute-number", "yes"),
        ("discriminative-attribute-number", "no"),
        ("discriminative-relation", "yes"),
        ("relation", "no"),
    ]
    rows = [(picture, kind, label) for picture in range(1, pictures + 1) for kind, label in kinds]
    return [
        Question(
            str(1005 + n), f"AMBER_{picture}.jpg", f"Is there a thing {n} in this image?", label, kind, meta={"row": n}
        )
        for n, (picture, kind, label) in enumerate(rows)
    ]


def rbench_questions(pictures=6):
    return [
        Question(
            str(n),
            f"{n // 4:016x}.jpg",
            f"Is the child {n} on a lawn?",
            ("yes", "no")[n % 2],
            "positive",
            meta={"row": n},
        )
        for n in range(4 * pictures)
    ]


def pope_questions(pictures=6, sources=("coco",), categories=("random", "popular", "adversarial")):
    return [
        Question(
            f"{source}/{category}/{n + 1}",
            f"COCO_val2014_{n // 6 + 1:012d}.jpg",
            f"Is there a thing {n} in the image?",
            ("yes", "no")[n % 2],
            category,
            source,
            meta={"row": n},
        )
        for source in sources
        for category in categories
        for n in range(6 * pictures)
    ]


def mme_questions(pictures=6, tasks=("existence", "count", "position", "color", "OCR")):
    return [
        Question(
            f"{task}/{n:04d}/{label}",
            f"{task}/{n:04d}.jpg",
            f"Is this {task} {n} {label}? Please answer yes or no.",
            label,
            task,
            meta={"row": row},
        )
        for task in tasks
        for n in range(pictures)
        for row, label in enumerate(("yes", "no"))
    ]


QUESTIONS_OF = {"amber": amber_questions, "rbench": rbench_questions, "pope": pope_questions, "mme": mme_questions}


def answer(question, method, right=0.8):
    """ "Yes" or "No", right about as often as asked for, and now and then something that no parser reads."""
    drawn = share(question.id, method)
    if drawn > 0.98:
        return "Maybe"
    said = question.label if drawn < right else {"yes": "no", "no": "yes"}[question.label]
    return said.capitalize()


def made_run(
    folder,
    benchmark="pope",
    questions=None,
    methods=METHODS,
    answer=answer,
    model="llava-1.5-7b",
    label="LLaVA-1.5-7B",
    layers=12,
    records=(),
    **about,
):
    """Writes a complete run and returns its folder.

    records: "key_objects" and "knockout" (of questions answered yes), and "lens".
    """
    questions = QUESTIONS_OF[benchmark]() if questions is None else questions
    folder.mkdir(parents=True)
    found = {
        "format": 1,
        "benchmark": benchmark,
        "data": "/nowhere",
        "files": {},
        "options": {},
        "selection": {"limit": None, "positives": None},
        "records": list(records),
        "model": {
            "name": model,
            "label": label,
            "family": "llava",
            "layers": layers,
            "heads": 4,
            "dtype": "float32",
            "device": "cpu",
            "quantization": None,
            "image_mode": None,
            "weights": None,
        },
        "methods": dict(methods),
        "prompt": "chat",
        "example": "USER: <image>\n... ASSISTANT:",
        "max_new_tokens": 1,
        "seed": 0,
        "questions": len({question.id for question in questions}),
        "versions": {"python": "3.11", "torch": "2.14.1", "transformers": "5.23.0", "clvs": "0.1.0", "commit": None},
        "sessions": [{"started": "2026-11-25T08:00:00+00:00", "versions": {}, "devices": ["cpu"]}],
    }
    (folder / ABOUT).write_text(json.dumps(found | about))
    _write(folder / QUESTIONS, map(question_line, questions))
    _write(
        folder / ANSWERS,
        [
            row(question, method, answer(question, method), layers, records)
            for question in {question.id: question for question in questions}.values()
            for method in methods
        ],
    )
    return folder


def row(question, method, said, layers, records):
    """One answer's line. Attention peaks in the middle; uncertainty falls, and below 0.4 has converged."""
    drawn = share(question.id, method, "row")
    found = {"id": question.id, "method": method, "answer": said, "probability": round(0.5 + drawn / 2, 4)}
    found["stop"] = layers // 2 + 1 if method.startswith("clvs") else -1
    if "key_objects" in records and question.label == "yes":
        held = 0.3 if method.startswith("clvs") else 0.1
        peak = layers // 2 + round(2 * drawn)
        found["attention"] = [
            round(0.4 - min(abs(layer - peak) * 0.05, held) * (1 - drawn / 2), 5) for layer in range(layers)
        ]
        found["picture_attention"] = [0.6] * layers
    if "knockout" in records and question.label == "yes":
        found["knockout"] = {"window": 3, **{rows: _left(question, method, layers, rows) for rows in ("word", "both")}}
    if "lens" in records:
        values = [round(max(0.02, 1 - (layer + 1) / layers * (0.7 + 0.5 * drawn)), 4) for layer in range(layers)]
        found["uncertainty"] = values
        found["converged"] = [
            value < 0.2 + 0.4 * share(question.id, method, layer) for layer, value in enumerate(values)
        ]
        found["converged"][-1] = True
        for layer in reversed(range(layers - 1)):
            found["converged"][layer] = found["converged"][layer] and found["converged"][layer + 1]
    return found


def _left(question, method, layers, rows):
    """Needed in the first half; other tokens hidden take a little away."""
    drawn = share(question.id, method, rows)
    kept = [round(drawn if layer < layers // 2 else 0.9 + 0.2 * drawn, 5) for layer in range(layers)]
    control = [round(1 - 0.2 * share(question.id, method, rows, layer), 5) for layer in range(layers)]
    return {"kept": kept, "control": control, "everywhere": round(drawn / 2, 5)}


def _write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
