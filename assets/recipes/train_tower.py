"""Teach the tower and the projector what each patch shows: `python -m assets.recipes.train_tower --minutes 35`.

The projected patch is compared (cosine) with the embeddings of the words that are true of it: its object's name and
colour, the third of the picture its object is in, how many of its kind there are. So the decoder, which starts from
these word embeddings, finds pictures already written in its own words.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .artwork import TRAINED_STYLES, Artwork, fetch
from .crew import Crew
from .facts import IGNORED, TASKS
from .model import WIDTH, build_model
from .stream import Replay, make_batch
from .tokenizer import token, vocabulary

WORK = Path(__file__).resolve().parents[2] / "build" / "train"
WEIGHTS = {"category": 1.0, "colour": 0.5, "row": 0.2, "column": 0.2, "count": 0.3, "contact": 0.2}
BACKGROUND_WEIGHT = 0.3


def tower_features(model, pixels: torch.Tensor) -> torch.Tensor:
    """The tower's patches (B, 144, 192) of `pixels` (B, 3, 96, 96). Written out so that it compiles to one graph; with
    explicit attention, which is twice as fast as SDPA for 145 tokens on a CPU."""
    tower = model.model.vision_tower
    x = tower.pre_layrnorm(tower.embeddings(pixels))
    for layer in tower.encoder.layers:
        a, h = layer.self_attn, layer.layer_norm1(x)
        q, k, v = (p(h).unflatten(-1, (a.num_heads, -1)).transpose(1, 2) for p in (a.q_proj, a.k_proj, a.v_proj))
        weights = ((q * a.scale) @ k.transpose(-1, -2)).softmax(-1).to(v.dtype)
        x = x + a.out_proj((weights @ v).transpose(1, 2).flatten(2))
        x = x + layer.mlp(layer.layer_norm2(x))
    return x[:, 1:]


def tower_forward(model, pixels: torch.Tensor) -> torch.Tensor:
    """Projected patches (B, 144, 192)."""
    return model.model.multi_modal_projector(tower_features(model, pixels))


def to_pixels(pictures: np.ndarray) -> torch.Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) in [-1, 1], as the processor does it."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


class DenseHead(torch.nn.Module):
    """Cosine scores of projected patches against word embeddings; background has a vector of its own, dropped later."""

    def __init__(self):
        super().__init__()
        self.background = torch.nn.Parameter(torch.randn(1, WIDTH) * 0.06)
        self.log_scale = torch.nn.Parameter(torch.full((len(TASKS),), np.log(20.0)))
        words = vocabulary()
        self.ids = {task: [words[token(n)] for n in names if n != "background"] for task, names in TASKS.items()}

    def forward(self, patches: torch.Tensor, embedding: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores (B, patches, classes) by task."""
        patches, scores = F.normalize(patches.float(), dim=-1), {}
        for task, scale in zip(TASKS, self.log_scale.exp(), strict=True):
            rows = embedding[self.ids[task]].float()
            rows = torch.cat([rows, self.background]) if task == "category" else rows
            scores[task] = scale * patches @ F.normalize(rows, dim=-1).T
        return scores


def dense_loss(scores: dict[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """Weighted sum of the tasks' cross-entropies; `labels` (B, patches, 6)."""
    total = torch.zeros(())
    for index, (task, score) in enumerate(scores.items()):
        weight = torch.ones(score.shape[-1])
        if task == "category":
            weight[-1] = BACKGROUND_WEIGHT
        loss = F.cross_entropy(score.flatten(0, 1), labels[..., index].flatten(), weight, ignore_index=IGNORED)
        total = total + WEIGHTS[task] * loss
    return total


@torch.no_grad()
def patch_accuracy(forward, head: DenseHead, embedding: torch.Tensor, batch) -> dict[str, float]:
    """Share of object patches named right, by task; and of background patches."""
    with torch.autocast("cpu", torch.bfloat16):
        patches = torch.cat([forward(part) for part in to_pixels(batch.pictures).split(64)])
    labels, result = torch.from_numpy(batch.labels).long(), {}
    objects = (labels[..., 0] >= 0) & (labels[..., 0] < len(TASKS["category"]) - 1)
    for index, (task, score) in enumerate(head(patches, embedding).items()):
        right = score.argmax(-1) == labels[..., index]
        result[task] = right[objects & (labels[..., index] >= 0)].float().mean().item()
        if task == "category":
            result["background"] = right[labels[..., 0] == len(TASKS["category"]) - 1].float().mean().item()
    return result


def save(path: Path, **state) -> None:
    """Atomic checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)


def load(model, head: DenseHead, path: Path) -> None:
    """Take over the weights of a checkpoint of either training, also one with fewer words or tasks than there are now:
    the new ones, which come last, keep what they start with (words brought to the scale of the known ones)."""
    state = torch.load(path, weights_only=True)
    if "trainee" in state:
        parts = {"model": "llava.", "head": "head."}
        for part, prefix in parts.items():
            state[part] = {k.removeprefix(prefix): v for k, v in state["trainee"].items() if k.startswith(prefix)}
    for module, weights in ((model, state["model"]), (head, state["head"])):
        mine = module.state_dict()
        with torch.no_grad():
            for name, value in weights.items():
                mine[name][tuple(slice(size) for size in value.shape)] = value
                if "embed_tokens" in name:
                    mine[name][len(value) :] *= value.square().mean().sqrt() / mine[name][len(value) :].std()


def worker(model, head: DenseHead, size: int, seed: int, styles: tuple[str, ...], rank: int):
    """A crew member's function: loss of one piece of `size` pictures."""
    rng, artwork = np.random.default_rng([seed, rank]), Artwork(fetch(), styles)
    source = Replay((make_batch(rng, artwork, size) for _ in count()), keep=1200, seed=seed + rank)
    forward = torch.compile(partial(tower_forward, model), dynamic=False)

    def piece(_: float) -> float:
        batch = next(source)
        with torch.autocast("cpu", torch.bfloat16):
            patches = forward(to_pixels(batch.pictures))
        scores = head(patches, model.get_input_embeddings().weight)
        loss = dense_loss(scores, torch.from_numpy(batch.labels).long())
        loss.backward()
        return loss.item()

    return piece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--piece", type=int, default=16, help="pictures that one process works on at a time")
    parser.add_argument("--pieces", type=int, default=4, help="pieces of an update")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--styles", nargs="+", default=TRAINED_STYLES, choices=TRAINED_STYLES, help="of the artwork")
    parser.add_argument(
        "--start", type=Path, help="checkpoint of train_decoder to go on from; its words stay as they are"
    )
    parser.add_argument("--out", type=Path, default=WORK / "tower.pt")
    options = parser.parse_args()
    torch.set_num_threads(1)
    styles = tuple(options.styles)
    held_out = make_batch(np.random.default_rng(10**6), Artwork(fetch(), styles), 192)
    model, head, state = build_model(), DenseHead(), {"seconds": 0.0, "seed": 1}
    if options.out.exists():
        state = torch.load(options.out, weights_only=True)
        model.load_state_dict(state["model"])
        head.load_state_dict(state["head"])
    elif options.start:
        load(model, head, options.start)
    seed = state["seed"] + 1
    model.model.vision_tower.post_layernorm.requires_grad_(False)  # LLaVA takes the features before it
    trained = [("tower", model.model.vision_tower), ("projector", model.model.multi_modal_projector), ("head", head)]
    named = [(f"{name}.{key}", p) for name, module in trained for key, p in module.named_parameters()]
    if options.start:
        model.get_input_embeddings().weight.requires_grad_(False)  # a decoder already reads these words
    crew = Crew([*named, ("embed_tokens", model.get_input_embeddings().weight)], 2, options.rate)
    crew.recruit(partial(worker, model, head, options.piece, seed, styles))
    began, step, finished = time.time() - state["seconds"], 0, False
    tested, tested_step = time.time(), 0
    while not finished:
        done = (time.time() - began) / 60 / options.minutes
        finished = done >= 1
        loss = crew.step(done, options.pieces, 0.0)
        step += 1
        if not finished and time.time() - tested < 120 and step != 3:
            continue
        rate = (step - tested_step) * options.piece * options.pieces / (time.time() - tested)
        found = patch_accuracy(partial(tower_forward, model), head, model.get_input_embeddings().weight, held_out)
        report = " ".join(f"{task} {share:.3f}" for task, share in found.items())
        print(f"{done:.3f} step {step} loss {loss:.3f} {report} | {rate:.0f} images/s", flush=True)
        save(options.out, model=model.state_dict(), head=head.state_dict(), seconds=time.time() - began, seed=seed)
        tested, tested_step = time.time(), step
    crew.dismiss()


if __name__ == "__main__":
    main()
