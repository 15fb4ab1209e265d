"""What the shipped model can do, on scenes that it was not trained on: `python -m assets.recipes.measure`.

Prints accuracy by kind of question with transformers' own greedy `generate`, and, through clvs_core, where the
row that predicts the answer looks in each layer, how sure it is, and what CLVS changes.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .artwork import Artwork, fetch
from .model import FOLDER
from .questions import TYPES, YES_NO, Question, ask
from .render import Scene, render, sample_scene

SEED = 10**7  # far from the training's and its tests' seeds


@dataclass(frozen=True)
class Item:
    """A question about a rendered scene; `owner` (H, W) int8 is the object that each pixel belongs to."""

    scene: Scene
    picture: Image.Image
    owner: np.ndarray
    question: Question


def fresh(number: int, kinds: tuple[str, ...] = TYPES, seed: int = SEED, scale: int = 1) -> list[Item]:
    """`number` questions of each kind, every one about a scene of its own."""
    rng, artwork, items = np.random.default_rng(seed), Artwork(fetch()), []
    for kind in kinds:
        wanted = len(items) + number
        while len(items) < wanted:
            scene = sample_scene(rng, artwork)
            question = ask(rng, scene, kind)
            if question.kind == kind:  # `ask` takes another kind where the scene has nothing to ask about
                picture, owner = render(scene, artwork, scale)
                items.append(Item(scene, Image.fromarray(picture), owner, question))
    return items


def greedy(model, processor, pictures: list[Image.Image], questions: list[str], batch: int = 32) -> list[str]:
    """Answers by `generate`, as anyone would call it."""
    answers = []
    for at in range(0, len(questions), batch):
        texts = [prompt(processor, question) for question in questions[at : at + batch]]
        inputs = processor(images=pictures[at : at + batch], text=texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            output = model.generate(**inputs, max_new_tokens=16, do_sample=False)
        new = output[:, inputs["input_ids"].shape[1] :]
        answers += [text.strip() for text in processor.batch_decode(new, skip_special_tokens=True)]
    return answers


def prompt(processor, question: str) -> str:
    """The model's chat prompt."""
    content = [{"type": "image"}, {"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


def accuracy(folder: Path, number: int) -> dict:
    """Share of right answers by kind, over `number` questions of each."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    items = fresh(number)
    processor = AutoProcessor.from_pretrained(folder)
    answers = greedy(model, processor, [i.picture for i in items], [i.question.text for i in items])
    right = np.array([answer == item.question.answer for answer, item in zip(answers, items, strict=True)])
    kinds = np.array([item.question.kind for item in items])
    result = {kind: round(float(right[kinds == kind].mean()), 3) for kind in TYPES}
    for truth in ("Yes", "No"):
        chosen = np.array([i.question.kind == "exists" and i.question.answer == truth for i in items])
        result[f"exists, truth {truth}"] = round(float(right[chosen].mean()), 3)
    result["yes_no"] = round(float(right[np.isin(kinds, YES_NO)].mean()), 3)
    return {**result, "all": round(float(right.mean()), 3), "questions": len(items)}


def looking(folder: Path, number: int) -> dict:
    """Means per layer of the row that predicts the answer, over questions about present objects; the share of right
    answers also over absent ones (`number` questions in all)."""
    import clvs_core as clvs

    model = clvs.load_model(str(folder))
    methods = {
        "vanilla": clvs.Vanilla(),
        "clvs, no early stop": clvs.CLVS(beta=0.8, early_termination=False),
        "clvs": clvs.CLVS(beta=0.8, gamma=0.5),
    }
    curves: dict[str, list] = {}
    right: dict[str, list] = {}
    for item in fresh(number, ("exists",), SEED + 1):
        truth = item.question.answer
        runs = model.open_image(item.picture).ask(
            item.question.text, list(methods.values()), max_new_tokens=3, lens=True
        )
        for name, run in zip(methods, runs, strict=True):
            right.setdefault(f"{name}, truth {truth}", []).append(run.text.strip() == truth)
            if truth == "Yes":
                for what, values in _row(clvs, run, item).items():
                    curves.setdefault(f"{name}: {what}", []).append(values)
    stops = np.array(curves.pop("clvs: stop"))
    for name in ("vanilla: stop", "clvs, no early stop: stop"):
        del curves[name]
    result = {name: np.round(np.mean(values, 0), 3).tolist() for name, values in curves.items()}
    layers, times = np.unique(stops, return_counts=True)
    result["clvs: times it stopped after a layer (0-based, -1 never)"] = dict(
        zip(layers.tolist(), times.tolist(), strict=True)
    )
    result["right"] = {name: (sum(values), len(values)) for name, values in right.items()}
    return result


def _row(clvs, run, item: Item) -> dict[str, np.ndarray]:
    """Per layer, for the first generated token: attention on the object asked about and on the picture, uncertainty,
    whether the layer already says the answer; and the layer after which CLVS stopped."""
    trace = run.trace
    found = [i for i, thing in enumerate(item.scene.things) if thing.name == item.question.names[0]]
    share = clvs.coverage(np.isin(item.owner, found), trace.views)
    return {
        "key object": clvs.key_object_attention(trace, share)[0],
        "picture": trace.attention[0].astype(float).sum(-1).mean(-1),
        "uncertainty": trace.uncertainty[0],
        "says the answer": np.array([words[0].strip() == run.tokens[0].text.strip() for words in trace.lens_words[0]]),
        "stop": trace.stop_layer[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--number", type=int, default=100, help="questions of each kind")
    parser.add_argument("--looks", type=int, default=200, help="existence questions for the curves")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps({"accuracy": accuracy(options.folder, options.number)}, indent=1), flush=True)
    for name, value in looking(options.folder, options.looks).items():
        print(f"{name}: {value}", flush=True)


if __name__ == "__main__":
    main()
