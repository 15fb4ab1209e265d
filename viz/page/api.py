"""The typed endpoints for scripts: `ask` and `key_object_curve`, for `gradio_client` or plain HTTP.

They run with the page's limits, keep nothing but the latest pictures, and answer with plain JSON. Layers are 0-based.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData

import clvs_core as clvs
from clvs_core import results
from clvs_core.errors import ClvsError
from clvs_core.key_objects import ObjectCurve, mentioned, object_curves, region_mask, summarise
from clvs_core.key_objects import category as key_category
from clvs_core.models.prompts import CHAT, parse
from viz.page import limits
from viz.page.answering import check
from viz.page.asking import Answer, Asker, Call
from viz.page.library import Library
from viz.page.screen import sentence

METHODS = ["vanilla", "clvs"]
LATEST = 4  # pictures that are kept for a caller's next question


def endpoints(asker: Asker, library: Library) -> None:
    """Adds the endpoints to the current `gr.Blocks`."""
    opened = functools.lru_cache(LATEST)(limits.open_picture)  # what a model keeps for a picture goes with it

    def ask(
        image: ImageData,
        question: str,
        methods: list[str] = METHODS,
        max_new_tokens: int = 16,
        model: str = "",
        prompt: str = CHAT,
    ) -> dict:
        """Answers a question about a picture with one to four methods, e.g. "vanilla", "clvs:alpha=0.7", "pai+clvs".

        The methods are vanilla, clvs, vcd, pai, var, adhh, vaf and tarac; settings are written name:setting=value, and
        "+" joins methods that work together. Where a method says more than its answer, a token tells that, too: the
        words it contrasts, the heads it acted on ([layer, head]), the sink tokens it found in each layer.
        The prompt is the model's own chat template, or by name what papers use, e.g. "one-word" or "vicuna+one-word".
        """
        _, answer, text = _answer(asker, library, opened, image, question, methods, max_new_tokens, model, prompt)
        return {"model": model or asker.models.default, "question": text, "prompt": prompt, **_answers(answer)}

    def key_object_curve(
        image: ImageData,
        question: str,
        box: list[float] | None = None,
        category: str = "",
        methods: list[str] = METHODS,
        model: str = "",
        prompt: str = CHAT,
    ) -> dict:
        """The attention on one object, layer by layer, of the row that predicts the first token of the answer.

        The object is a box (x0, y0, x1, y1 in pixels of the upright picture) or a category annotated in it.
        """
        seen, answer, _ = _answer(asker, library, opened, image, question, methods, 1, model, prompt)
        name, mask = _object(library, seen, box, category, question)
        coverage = clvs.coverage(mask, answer.views)
        curves = map(_curve, answer.runs, object_curves([run.trace for run in answer.runs], coverage))
        return {"object": name, "layers": answer.layers, "curves": list(curves)}

    for function in (ask, key_object_curve):
        gr.api(_worded(function), api_name=function.__name__, **limits.API_QUEUE)


def _worded(function: Callable[..., dict]) -> Callable[..., dict]:
    """Our own sentences reach the caller as they are; everything else stays in the server's log."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> dict:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise gr.Error(sentence(error), print_exception=False) from None

    return guarded


def _answer(
    asker: Asker,
    library: Library,
    opened: Callable[[Path], Any],
    image: Any,
    question: Any,
    specs: Any,
    max_new_tokens: Any,
    model: Any,
    prompt: Any,
) -> tuple[tuple[Path, Any], Answer, str]:
    text = limits.question(question)
    parse(prompt)
    methods = limits.methods(specs)
    count = limits.new_tokens(max_new_tokens)
    path = _path(image, library)
    picture = opened(path)
    name = model if isinstance(model, str) and model else asker.models.default
    target = asker.models.get(name).target
    for method in methods:
        check(method, target)
    return (path, picture), asker.ask(Call(name, picture, text, methods, count, prompt)), text


def _path(image: Any, library: Library) -> Path:
    """The uploaded file, or an example."""
    name = image.get("path") if isinstance(image, Mapping) else None
    if not isinstance(name, str):
        raise ClvsError("There is no picture; send one with gradio_client's handle_file.")
    path = library.sent(name)
    if path is None:
        raise ClvsError("The picture must be uploaded; send it with gradio_client's handle_file.")
    return path


def _object(
    library: Library, opened: tuple[Path, Any], box: Any, category: Any, question: str
) -> tuple[str, np.ndarray]:
    path, picture = opened
    if box is not None:
        numbers = isinstance(box, list) and all(isinstance(v, (int, float)) for v in box)
        if not numbers:
            raise ClvsError("A box is a list of four numbers, x0, y0, x1, y1 in pixels.")
        return "box", region_mask(picture.height, picture.width, box=box)
    objects = {item.name: item for item in library.objects(path, picture.width, picture.height)}
    name = key_category(str(category), objects) if category else next(iter(mentioned(question, objects)), None)
    if name is None:
        known = ", ".join(objects) or "none"
        raise ClvsError(f"Give a box, or a category annotated in this picture (here: {known}).")
    return name, objects[name].mask


def _answers(answer: Answer) -> dict[str, Any]:
    return {
        "layers": answer.layers,
        "unknown_words": list(answer.unknown),
        "answers": [_run(run) for run in answer.runs],
    }


def _run(run: Any) -> dict[str, Any]:
    facts = results.facts(run)
    return {
        "method": str(facts["settings"]),
        "text": facts["text"],
        "finished": facts["finished"],
        "tokens": [
            {
                "text": token["text"],
                "probability": token["probability"],
                "stop_layer": facts["stop_layer"][step],
                "uncertainty": facts["uncertainty"][step],
                **_particulars(facts, step),
            }
            for step, token in enumerate(facts["tokens"])
        ],
    }


def _particulars(facts: Mapping[str, Any], step: int) -> dict[str, Any]:
    """What only some methods record of a token."""
    particulars: dict[str, Any] = {}
    if "contrast" in facts:
        names = {"text": "text", "with_picture": "picture", "contrasted": "contrast", "outcome": "outcome"}
        particulars["contrast"] = [{new: word[old] for new, old in names.items()} for word in facts["contrast"][step]]
    if "acted_heads" in facts:
        layers = enumerate(facts["acted_heads"][step])
        particulars["acted_heads"] = [[layer, head] for layer, heads in layers for head in heads]
    if "sinks" in facts:
        particulars["sinks"] = facts["sinks"][step]
    return particulars


def _curve(run: Any, curve: ObjectCurve) -> dict[str, Any]:
    attention, gain = curve.attention[0], curve.gain(0)
    return {
        "method": str(run.trace.meta["method"]),
        "attention": results.numbers(attention),
        "peak_layer": summarise(attention).peak_layer,
        "gain_percent": gain and results.numbers(gain.unclipped),
    }
