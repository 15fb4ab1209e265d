"""Asking the shipped model: what each process of the report (report.py) does with its part of the questions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import clvs_core as clvs
from clvs_core.methods import Target
from clvs_core.methods.clvs import converged
from clvs_core.models.registry import CARDS

from .artwork import TRAINED_STYLES, Artwork, fetch
from .questions import Question
from .render import Scene
from .report_questions import BY_TYPE, CHUNKS, FIRST_TOKEN, Shown, phrased, shown, wanted

LONGEST = 16  # new tokens of a whole answer
Seed = tuple[int, ...]


def open_artwork(styles: tuple[str, ...]) -> Artwork:
    """The artwork of these styles, fetched on first use."""
    return Artwork(fetch(), styles)


class Bench:
    """What one process needs: the model on one thread, and the artwork of any styles."""

    def __init__(self, folder: Path, artwork: Callable[[tuple[str, ...]], Any] = open_artwork):
        torch.set_num_threads(1)
        self.folder, self.model = folder, clvs.load_model(str(folder))
        self.artwork = lru_cache(maxsize=1)(artwork)  # sprites take much memory

    def open(self, picture: np.ndarray) -> clvs.EncodedImage:
        """A picture that is asked once: nothing of it is kept."""
        self.model.cache.clear()
        return self.model.open_image(picture)

    def scenes(self, seed: Seed, left: dict, styles: tuple[str, ...] = TRAINED_STYLES) -> Iterable[Shown]:
        """See report_questions.shown."""
        return shown(np.random.default_rng(seed), self.artwork(styles), left)


def card_settings() -> clvs.CLVS:
    """CLVS as the model's card sets it."""
    return clvs.CLVS().filled(Target.of(CARDS["scenes"]))


def vanilla_and_clvs() -> tuple[clvs.Method, ...]:
    """The two methods that are compared."""
    return clvs.Vanilla(), card_settings()


# --- right and wrong -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What each method said to a question about a scene (numbered by seed and order), and after which layer it stopped
    editing, -1 for never."""

    type: str
    scene: tuple[int, ...]
    question: Question
    said: tuple[str, ...]
    stops: tuple[int, ...]

    def right(self, method: int = 0) -> bool:
        return right(self.question, self.said[method])


def right(question: Question, said: str) -> bool:
    """Whether an answer is right; of a description, whether it names every kind of object and nothing else."""
    if question.kind == "list":
        return named(said) == set(question.names)
    return said == question.answer


def named(said: str) -> set[str]:
    """What a description names."""
    return {part.strip() for part in said.split(" and ")} - {""}


# --- tasks ---------------------------------------------------------------------------------------------


def ask_all(image: clvs.EncodedImage, texts: dict[str, str], methods: Sequence[clvs.Method]) -> dict[str, list]:
    """Runs by type of the `texts` by type: to the end where the type's answer is read whole, else one token."""
    found: dict[str, list] = {}
    for whole, length in ((False, 1), (True, LONGEST)):
        names = [name for name in texts if BY_TYPE[name].whole is whole]
        runs = image.ask([texts[name] for name in names], methods, max_new_tokens=length)
        found |= dict(zip(names, runs, strict=True))
    return found


def answers(bench: Bench, seed: Seed, part: int, number: int, styles: tuple[str, ...], methods: tuple) -> list[Answer]:
    """One of CHUNKS parts of `number` questions of every type."""
    found = []
    for order, scene in enumerate(bench.scenes((*seed, part), wanted(number, part, CHUNKS), styles)):
        texts = {name: question.text for name, question in scene.asked.items()}
        for name, runs in ask_all(bench.open(scene.picture), texts, methods).items():
            said = tuple(run.text for run in runs)
            stops = tuple(int(run.trace.stop_layer[0]) for run in runs)
            found.append(Answer(name, (*seed, part, order), scene.asked[name], said, stops))
    return found


def worded_answers(bench: Bench, seed: Seed, part: int, number: int) -> list[tuple[str, str, bool, bool]]:
    """(kind, wording, right so worded, right plainly worded) of vanilla's answers to a part of the blind wordings."""
    found, rng = [], np.random.default_rng((*seed, part))
    for scene, worded in phrased(rng, bench.artwork(TRAINED_STYLES), number, part, CHUNKS):
        image = bench.open(scene.picture)
        blind = ask_all(image, {name: text for name, (_, text, _) in worded.items()}, [clvs.Vanilla()])
        plain = ask_all(image, {name: question.text for name, (_, _, question) in worded.items()}, [clvs.Vanilla()])
        for name, (wording, _, question) in worded.items():
            good = (right(question, runs[name][0].text) for runs in (blind, plain))
            found.append((question.kind, wording, *good))
    return found


def looks(bench: Bench, seed: Seed, part: int, number: int, methods: tuple) -> np.ndarray:
    """(questions, methods, 2, layers) attention of the row that predicts the first token, mean over heads: on the
    object asked about, by its exact mask, and on the picture; for existence questions whose answer is Yes."""
    name, found = FIRST_TOKEN[0], []
    left = {(name, "Yes"): wanted(2 * number, part, CHUNKS, (name,))[name, "Yes"]}
    for scene in bench.scenes((*seed, part), left):
        question = scene.asked[name]
        mask = _mask(scene.scene, scene.owner, question.names[0])
        traces = [run.trace for run in bench.open(scene.picture).ask(question.text, methods, max_new_tokens=1)]
        share = clvs.coverage(mask, traces[0].views)
        found.append(
            [(clvs.key_object_attention(t, share)[0], t.attention[0].astype(float).sum(-1).mean(-1)) for t in traces]
        )
    return np.array(found)


def _mask(scene: Scene, owner: np.ndarray, name: str) -> np.ndarray:
    return np.isin(owner, [index for index, thing in enumerate(scene.things) if thing.name == name])


def lens(bench: Bench, seed: Seed, part: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainty and convergence flag (questions, layers) of vanilla's first token, all first-token types."""
    unsure, flags = [], []
    for scene in bench.scenes((*seed, part), wanted(number, part, CHUNKS, FIRST_TOKEN)):
        texts = [question.text for question in scene.asked.values()]
        for (run,) in bench.open(scene.picture).ask(texts, [clvs.Vanilla()], max_new_tokens=1, lens=True):
            unsure.append(run.trace.uncertainty[0])
            flags.append(converged(run.trace.lens_ids[0, :, 0], run.tokens[0].id))
    layers = bench.model.layers
    return np.reshape(unsure, (-1, layers)), np.reshape(flags, (-1, layers)).astype(bool)


def grid(bench: Bench, seed: Seed, part: int, number: int, methods: tuple) -> np.ndarray:
    """(questions, methods) bool: right answers to first-token questions, all methods as branches of one pass."""
    found = []
    for scene in bench.scenes((*seed, part), wanted(number, part, CHUNKS, FIRST_TOKEN)):
        texts = [question.text for question in scene.asked.values()]
        runs = bench.open(scene.picture).ask(texts, methods, max_new_tokens=1)
        for question, several in zip(scene.asked.values(), runs, strict=True):
            found.append([right(question, run.text) for run in several])
    return np.reshape(found, (-1, len(methods))).astype(bool)


def latency(bench: Bench, seed: Seed, number: int) -> float:
    """Median milliseconds from a picture to the first token of an answer, on one thread."""
    name, times = FIRST_TOKEN[0], []
    for scene in bench.scenes(seed, wanted(number + 6, names=(name,))):
        began = time.perf_counter()
        bench.open(scene.picture).ask(scene.asked[name].text, [clvs.Vanilla()], max_new_tokens=1)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[5:])  # the first ones warm up


# --- the model as anyone would call it -----------------------------------------------------------------


def agreement(bench: Bench, seed: Seed, number: int) -> tuple[int, int]:
    """(equal, all) whole answers of the engine and of transformers' own `generate`, `number` of each type."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    pictures, texts, ours = [], [], []
    for scene in bench.scenes(seed, wanted(number)):
        asked = [question.text for question in scene.asked.values()]
        runs = bench.open(scene.picture).ask(asked, [clvs.Vanilla()], max_new_tokens=LONGEST)
        pictures += [Image.fromarray(scene.picture)] * len(asked)
        texts += asked
        ours += [run.text for (run,) in runs]
    stock = AutoModelForImageTextToText.from_pretrained(bench.folder, dtype=torch.float32)
    theirs = greedy(stock, AutoProcessor.from_pretrained(bench.folder), pictures, texts)
    return sum(a == b for a, b in zip(ours, theirs, strict=True)), len(ours)


def greedy(model, processor, pictures: list[Image.Image], questions: list[str], batch: int = 32) -> list[str]:
    """Answers by `generate`, as anyone would call it."""
    answers = []
    for at in range(0, len(questions), batch):
        texts = [prompt(processor, question) for question in questions[at : at + batch]]
        inputs = processor(images=pictures[at : at + batch], text=texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            output = model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False)
        new = output[:, inputs["input_ids"].shape[1] :]
        answers += [text.strip() for text in processor.batch_decode(new, skip_special_tokens=True)]
    return answers


def prompt(processor, question: str) -> str:
    """The model's chat prompt."""
    content = [{"type": "image"}, {"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
