"""Asking a model a benchmark's questions: picture by picture, all questions and methods as branches of one tree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...engine.images import EncodedImage
from ...engine.knockout import THRESHOLD, Knockout, Rows
from ...engine.runs import Run
from ...errors import ClvsError
from ...key_objects import CocoInstances, coverage, key_object_attention, mentioned, seen_share
from ...loading import load_model
from ...methods import load_method, method, spec
from ...methods.clvs import converged
from ...pictures import stored_orientation
from ..question import Question
from .plan import Plan
from .provenance import device_name, model_facts

Row = dict[str, Any]
BLINDED: tuple[Rows, ...] = ("word", "both")  # whose rows the key object is hidden from; together they say who reads
DRAWS = 1  # of other tokens to hide, a question; over many questions no more are needed
_NOTHING_HIDDEN = f"No visual token lies on it by more than {THRESHOLD:.0%}, so nothing was hidden."


class Asker:
    """A loaded model that answers as a plan says. Raises ClvsError for a method that the model cannot be asked with."""

    def __init__(self, plan: Plan):
        if plan.threads:
            torch.set_num_threads(plan.threads)
        for file in plan.files:
            load_method(file)
        self.plan = plan
        self.masks = CocoInstances(plan.masks, quiet=True) if plan.masks else None  # the command has told
        self.model = load_model(plan.model, plan.dtype, plan.device, plan.quantization, image_mode=plan.image_mode)
        self.model.cache.budget = 0  # every picture is seen once
        try:
            self.methods = {name: method(text).resolve(self.model.target) for name, text in plan.methods.items()}
        except ValueError as error:
            raise ClvsError(str(error)) from error

    def about(self) -> dict[str, Any]:
        """What run.json says of the model, the methods as they run on it, and the prompt."""
        model, plan = self.model, self.plan
        return {
            "model": model_facts(model, plan.quantization, plan.image_mode),
            "methods": {name: spec(one) for name, one in self.methods.items()},
            "example": model.prompts.text("Is there a dog in the image?", plan.prompt),
        }

    def device(self) -> str:
        return device_name(self.model)

    def rows(self, picture: Image.Image, questions: Sequence[Question]) -> list[Row]:
        """One line of answers.jsonl for each question and method, question by question.

        Which questions share a pass depends on `questions` alone, and so do the last bits of what is computed.
        """
        image = self.model.open_image(picture, self.plan.prompt)
        several = max(1, self.plan.batch // len(self.methods))
        orientation = stored_orientation(picture)
        found: list[Row] = []
        for start in range(0, len(questions), several):
            found += self._asked(image, questions[start : start + several], orientation)
        return found

    def _asked(self, image: EncodedImage, questions: Sequence[Question], orientation: int) -> Iterator[Row]:
        plan, methods = self.plan, list(self.methods.values())
        texts = [question.text for question in questions]
        if not plan.records:
            answers = image.answers(texts, methods, plan.max_new_tokens, plan.prompt)
            for question, several in zip(questions, answers, strict=True):
                for name, answer in zip(self.methods, several, strict=True):
                    yield _row(question, name, answer.text, answer.tokens, answer.stop_layers[0])
            return
        runs = image.ask(texts, methods, plan.max_new_tokens, lens=plan.lens, prompt=plan.prompt)
        for question, traced in zip(questions, runs, strict=True):
            share, note = self._key_object(image, question, orientation)
            hidden = self._hidden(image, question, share)
            note = " ".join(
                filter(None, [note, _NOTHING_HIDDEN * (plan.knockout and share is not None and not hidden)])
            )
            for number, (name, run) in enumerate(zip(self.methods, traced, strict=True)):
                row = _row(question, name, run.text, run.tokens, int(run.trace.stop_layer[0]))
                looked = _looked(run, share) | ({"mask_note": note} if note else {})
                yield row | looked | (_said(run) if plan.lens else {}) | _left([found[number] for found in hidden])

    def _hidden(self, image: EncodedImage, question: Question, share: np.ndarray | None) -> list[list[Knockout]]:
        """For each of `BLINDED`, all methods with the key object hidden; empty where nothing can be hidden."""
        plan, methods = self.plan, list(self.methods.values())
        if not plan.knockout or share is None or not (share > THRESHOLD).any():
            return []
        more: dict[str, Any] = {"control": DRAWS, "only": False, "at_once": plan.batch, "prompt": plan.prompt}
        return [image.knockout(question.text, share, methods, rows=rows, **more) for rows in BLINDED]

    def _key_object(self, image: EncodedImage, question: Question, orientation: int) -> tuple[np.ndarray | None, str]:
        """How much of each visual token lies on what the question asks about, None where that is not known; and a
        sentence where it is not known or not certain."""
        if self.masks is None or question.label != "yes":
            return None, ""
        if question.image not in self.masks:
            return None, f"{self.masks.path.name} does not know {question.image!r}."
        try:
            found, notes = self.masks.look(question.image, image.width, image.height, orientation=orientation)
        except ClvsError as error:
            return None, str(error)
        objects = {item.name: item for item in found}
        named = [objects[name].mask for name in mentioned(question.text, objects)]
        if not named:
            has = f"only of {', '.join(objects)}" if objects else "of nothing in it"
            return None, f"{question.text!r} is about {question.image}, of which there are masks {has}."
        union = np.logical_or.reduce(named)
        if not seen_share(union, image.views):
            return None, f"The model does not see the part of {question.image} that {question.text!r} is about."
        return coverage(union, image.views), " ".join(notes)


def _row(question: Question, name: str, said: str, tokens: Sequence[Any], stop: int) -> Row:
    probability = float(f"{tokens[0].probability:.6g}")
    return {"id": question.id, "method": name, "answer": said, "probability": probability, "stop": stop}


def _looked(run: Run, share: np.ndarray | None) -> Row:
    if share is None:
        return {}
    on_picture = run.trace.attention[0].astype(float).sum(-1).mean(-1)
    return {
        "attention": _short(key_object_attention(run.trace, share)[0]),
        "picture_attention": _short(on_picture),
    }


def _said(run: Run) -> Row:
    assert run.trace.lens_ids is not None
    flags = converged(run.trace.lens_ids[0, :, 0], run.tokens[0].id)
    return {"uncertainty": _short(run.trace.uncertainty[0]), "converged": flags.tolist()}


def _left(hidden: Sequence[Knockout]) -> Row:
    """What is left of one method's answer, by whose rows were blinded."""
    if not hidden:
        return {}
    by_rows = {
        found.rows: {
            "kept": _short(found.kept),
            "control": _short(found.control),
            "everywhere": _short(np.array([found.everywhere]))[0],
        }
        for found in hidden
    }
    return {"knockout": {"window": hidden[0].window, **by_rows}}


def _short(values: np.ndarray) -> list[float | None]:
    """None for what is not known: JSON has no NaN."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values.tolist()]
