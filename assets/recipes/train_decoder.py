"""Teach the decoder to answer: `python -m assets.recipes.train_decoder --minutes 60`, after train_tower.

BLOCKS questions share one picture in one sequence: each sees the picture and itself, and its positions start right
after the picture, as at inference. The tower is frozen at first; late in the run
`--tower-share 0.1` lets it learn a little with the rest. Once matching words to patches has emerged, the picture is
hidden from the words of a growing part of the questions, though never from the last prompt token: so that this token,
whose attention the app shows, learns to look by itself.
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

from .artwork import FIRST_STYLE, TRAINED_STYLES, Artwork, fetch
from .crew import Crew
from .model import GRID, build_model, export
from .questions import BLOCKS, LENGTH, TYPES, YES_NO, Packer
from .stream import Batch, Replay, make_batch
from .tokenizer import vocabulary
from .train_tower import WORK, DenseHead, dense_loss, load, save, to_pixels, tower_features

PREFIX = 2 + GRID * GRID  # "<s> USER:" and the picture
EMBEDDING_RMS = 0.5  # of words and of patches: large enough to stay readable through the residual stream
ALIGNMENT = 0.2  # weight of the tower's dense loss, kept so that patches go on meaning words
MOST_HIDDEN = 0.5
PAIRS, PAIRS_HIDDEN = ("relation", "contact", "beside"), 0.4  # hidden less often: two lookups from one token are hard
GATHER_AFTER, GATHER = (
    2,
    0.15,
)  # layer (0-based) after which the last prompt token must carry the noun; its loss' weight


def inputs_of(batch: Batch) -> dict[str, torch.Tensor]:
    """The packed questions of a batch as int64 tensors (B, BLOCKS, LENGTH) or (B, BLOCKS)."""
    return {f: torch.from_numpy(np.stack([getattr(p, f) for p in batch.extra])) for f in vars(batch.extra[0])}


def blind_words(prompt: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """(B, BLOCKS * LENGTH) bool: words before the last prompt token of the questions in `hidden` (B, BLOCKS)."""
    return (hidden[..., None] & (torch.arange(LENGTH) < prompt[..., None] - 1)).flatten(1)


def decoder_layer(layer, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, blind: torch.Tensor) -> torch.Tensor:
    """One Llama layer on (B, PREFIX + BLOCKS * LENGTH, width), attention explicit (see train_tower.tower_features).

    The prefix sees itself; a question's word sees the prefix (without the picture where `blind`) and its own question.
    """
    a, h = layer.self_attn, layer.input_layernorm(x)
    q, k, v = (p(h).unflatten(-1, (-1, a.head_dim)).transpose(1, 2) for p in (a.q_proj, a.k_proj, a.v_proj))
    q, k = _rotate(q, cos, sin) * a.scaling, _rotate(k, cos, sin)
    (q0, q1), (k0, k1), (v0, v1) = (t.split([PREFIX, BLOCKS * LENGTH], 2) for t in (q, k, v))
    first = _softmax((q0 @ k0.transpose(-1, -2)).masked_fill(_later(PREFIX), -1e4)) @ v0
    q2, k2, v2 = (t.unflatten(2, (BLOCKS, LENGTH)) for t in (q1, k1, v1))
    far = q1 @ k0.transpose(-1, -2)
    far = far.masked_fill(blind[:, None, :, None] & (torch.arange(PREFIX) >= 2), -1e4)
    near = (q2 @ k2.transpose(-1, -2)).masked_fill(_later(LENGTH), -1e4).flatten(2, 3)
    far, near = _softmax(torch.cat([far, near], -1)).split([PREFIX, LENGTH], -1)
    second = far @ v0 + (near.unflatten(2, (BLOCKS, LENGTH)) @ v2).flatten(2, 3)
    x = x + a.o_proj(torch.cat([first, second], 2).transpose(1, 2).flatten(2))
    return x + layer.mlp(layer.post_attention_layernorm(x))


def _later(size: int) -> torch.Tensor:
    return torch.arange(size) > torch.arange(size)[:, None]


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    return scores.float().softmax(-1).to(scores.dtype)


def _rotate(t: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = t.shape[-1] // 2
    turned = torch.cat([-t[..., half:], t[..., :half]], -1)
    return (t * cos + turned * sin).to(t.dtype)


class Trainee(torch.nn.Module):
    """The shipped model with a packed forward pass."""

    def __init__(self, tower_learns: bool = False):
        super().__init__()
        self.tower_learns = tower_learns
        self.llava, self.head = build_model(), DenseHead()
        self.compiled_layer = torch.compile(decoder_layer, dynamic=False)
        self.compiled_tower = torch.compile(partial(tower_features, self.llava), dynamic=False)

    def forward(self, pictures: torch.Tensor, given: dict, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(logits (B, BLOCKS, LENGTH, vocabulary), projected patches (B, 144, 192), last prompt tokens after
        GATHER_AFTER (B, BLOCKS, 192)); `hidden` (B, BLOCKS) bool."""
        decoder, words = self.llava.model.language_model, vocabulary()
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tower_learns):
            features = self.compiled_tower(pictures)
        patches = self.llava.model.multi_modal_projector(features)
        start = decoder.embed_tokens(torch.tensor([[words["<s>"], words["USER:"]]])).expand(len(pictures), -1, -1)
        x = torch.cat([start, patches.float(), decoder.embed_tokens(given["ids"].flatten(1))], 1)
        position = torch.cat([torch.arange(PREFIX), PREFIX + torch.arange(LENGTH).repeat(BLOCKS)])
        cos, sin = (t.to(torch.bfloat16) for t in decoder.rotary_emb(x, position[None]))
        blind = blind_words(given["prompt"], hidden)
        for index, layer in enumerate(decoder.layers):
            x = self.compiled_layer(layer, x, cos, sin, blind)
            if index == GATHER_AFTER:
                at = PREFIX + torch.arange(BLOCKS) * LENGTH + given["prompt"] - 1
                last = x.gather(1, at[..., None].expand(-1, -1, x.shape[-1]))
        return self.llava.lm_head(decoder.norm(x[:, PREFIX:])).float().unflatten(1, (BLOCKS, LENGTH)), patches, last

    def start_from(self, path: Path) -> None:
        """The tower, projector and word embeddings of train_tower, with words and patches brought to one scale."""
        state = torch.load(path, weights_only=True)
        rows = state["model"].pop("model.language_model.embed_tokens.weight")
        wanted = ("vision_tower", "multi_modal_projector")
        part = {k: v for k, v in state["model"].items() if any(word in k for word in wanted)}
        self.llava.load_state_dict(part, strict=False)
        self.head.load_state_dict(state["head"])
        with torch.no_grad():
            embedding = self.llava.get_input_embeddings().weight
            embedding[: len(rows)] = rows[: len(embedding)]
            embedding *= EMBEDDING_RMS / embedding.square().mean(-1, keepdim=True).sqrt()
            sample = make_batch(np.random.default_rng(5), Artwork(fetch(), (FIRST_STYLE,)), 64)
            projector = self.llava.model.multi_modal_projector
            projected = projector(tower_features(self.llava, to_pixels(sample.pictures)))
            factor = EMBEDDING_RMS / projected[torch.from_numpy(sample.labels[..., 0] >= 0)].square().mean().sqrt()
            projector.linear_2.weight *= factor
            projector.linear_2.bias *= factor


def losses(output: tuple[torch.Tensor, ...], given: dict, labels: torch.Tensor, trainee: Trainee) -> torch.Tensor:
    """Cross-entropy of the answers; the weighted dense loss; and that the last prompt token knows what is asked about,
    without which it does not learn to look for it by itself."""
    logits, patches, last = output
    answer = F.cross_entropy(logits.flatten(0, 2), given["target"].flatten())
    embedding = trainee.llava.get_input_embeddings().weight
    nouns = trainee.head(last, embedding)["category"][..., :-1]
    gathered = F.cross_entropy(nouns.flatten(0, 1), given["noun"].flatten())
    return answer + GATHER * gathered + ALIGNMENT * dense_loss(trainee.head(patches, embedding), labels)


@torch.no_grad()
def accuracy(trainee: Trainee, batches: list[Batch], hide: bool) -> dict[str, float]:
    """Share of questions whose every answer token is the model's first choice (what greedy decoding would give)."""
    right, total = np.zeros(len(TYPES)), np.zeros(len(TYPES))
    for batch in batches:
        given = inputs_of(batch)
        hidden = torch.full_like(given["prompt"], hide, dtype=torch.bool)
        with torch.autocast("cpu", torch.bfloat16):
            logits = trainee(to_pixels(batch.pictures), given, hidden)[0]
        good = ((logits.argmax(-1) == given["target"]) | (given["target"] < 0)).all(-1).numpy()
        kinds = given["kind"].numpy()
        total += np.bincount(kinds.ravel(), minlength=len(TYPES))
        right += np.bincount(kinds[good], minlength=len(TYPES))
    result = dict(zip(TYPES, right / np.maximum(total, 1), strict=True))
    picked = [TYPES.index(kind) for kind in YES_NO]
    return {**result, "yes_no": right[picked].sum() / total[picked].sum(), "all": right.sum() / total.sum()}


class Hiding:
    """How many questions have the picture hidden from their words: none until matching works (`since`), then a ramp."""

    def __init__(self, minutes: float, since: float | None):
        self.minutes, self.since = minutes, since

    def share(self, elapsed: float) -> float:
        """`elapsed` minutes of training; in [0, MOST_HIDDEN]."""
        return 0.0 if self.since is None else MOST_HIDDEN * min(1.0, (elapsed - self.since) / self.minutes)


def worker(trainee: Trainee, packer: Packer, size: int, seed: int, styles: tuple[str, ...], rank: int):
    """A crew member's function: share of hidden questions -> loss of one piece of `size` pictures."""
    rng, artwork, draw = (
        np.random.default_rng([seed, rank]),
        Artwork(fetch(), styles),
        torch.Generator().manual_seed(seed + rank),
    )
    source = Replay((make_batch(rng, artwork, size, packer) for _ in count()), keep=600, seed=seed + rank)

    def piece(hide: float) -> float:
        batch = next(source)
        given = inputs_of(batch)
        rarely = torch.isin(given["kind"], torch.tensor([TYPES.index(kind) for kind in PAIRS]))
        hidden = torch.rand(given["prompt"].shape, generator=draw) < hide * torch.where(rarely, PAIRS_HIDDEN, 1.0)
        with torch.autocast("cpu", torch.bfloat16):
            output = trainee(to_pixels(batch.pictures), given, hidden)
        loss = losses(output, given, torch.from_numpy(batch.labels).long(), trainee)
        loss.backward()
        return loss.item()

    return piece


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--piece", type=int, default=8, help="pictures that one process works on at a time")
    parser.add_argument("--pieces", type=int, default=4, help="pieces of an update")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--tower-share", type=float, default=0.0, help="the tower's learning rate as a share of --rate")
    parser.add_argument("--styles", nargs="+", default=TRAINED_STYLES, choices=TRAINED_STYLES, help="of the artwork")
    parser.add_argument("--tower", type=Path, default=WORK / "tower.pt")
    parser.add_argument("--start", type=Path, help="checkpoint to go on from, decoder and all, instead of --tower")
    parser.add_argument("--out", type=Path, default=WORK / "decoder.pt")
    parser.add_argument("--export", action="store_true", help="also write assets/scenes_model after each better test")
    parser.add_argument("--only-export", action="store_true", help="write assets/scenes_model from the checkpoint")
    return parser.parse_args()


def main() -> None:
    options, packer = arguments(), Packer()
    torch.set_num_threads(1)
    styles, artwork = tuple(options.styles), Artwork(fetch(), tuple(options.styles))
    tests = [make_batch(np.random.default_rng(10**6 + i), artwork, options.piece, packer) for i in range(8)]
    trainee, state = Trainee(options.tower_share > 0), {"seconds": 0.0, "seed": 100, "since": None}
    if options.out.exists():
        state = torch.load(options.out, weights_only=True)
        trainee.load_state_dict(state.pop("trainee"))
        state["seed"] += 1
        if options.only_export:
            export(trainee.llava)
            return
    elif options.start:
        load(trainee.llava, trainee.head, options.start)
        state["since"] = -options.minutes  # it knows matching: hide as much as at the end from the first step on
    else:
        trainee.start_from(options.tower)
    trainee.llava.model.vision_tower.requires_grad_(trainee.tower_learns)
    trainee.llava.model.vision_tower.post_layernorm.requires_grad_(False)  # LLaVA takes the features before it
    crew = Crew(trainee.named_parameters(), 2, options.rate, options.tower_share)
    crew.recruit(partial(worker, trainee, packer, options.piece, state["seed"], styles))
    run(trainee, crew, tests, options, state)
    crew.dismiss()


def run(trainee: Trainee, crew: Crew, tests: list[Batch], options: argparse.Namespace, state: dict) -> None:
    """Train until the minutes are over; test every three and at the end, exporting the best."""
    hiding, best, step = Hiding(options.minutes * 0.25, state["since"]), 0.0, 0
    began = time.time() - state["seconds"]
    tested, tested_step, finished = time.time(), 0, False
    while not finished:
        elapsed = (time.time() - began) / 60
        finished = elapsed >= options.minutes
        loss = crew.step(elapsed / options.minutes, options.pieces, hiding.share(elapsed))
        step += 1
        if not finished and time.time() - tested < 180 and step != 3:
            continue
        rate = (step - tested_step) * options.pieces * options.piece / (time.time() - tested)
        seen, blind = accuracy(trainee, tests, False), accuracy(trainee, tests, True)
        if hiding.since is None and seen["yes_no"] > 0.8:
            hiding.since = elapsed
        print(
            f"{elapsed:.1f} min, step {step}, loss {loss:.3f}, {rate:.1f} images/s, hiding {hiding.share(elapsed):.2f}"
        )
        for name, found in (("seen", seen), ("hidden", blind)):
            print("   ", name, " ".join(f"{kind} {share:.3f}" for kind, share in found.items()), flush=True)
        save(
            options.out, trainee=trainee.state_dict(), seconds=time.time() - began, seed=state["seed"],
            since=hiding.since,
        )  # fmt: skip
        if options.export and seen["all"] > best:
            best = seen["all"]
            export(trainee.llava)
        tested, tested_step = time.time(), step


if __name__ == "__main__":
    main()
