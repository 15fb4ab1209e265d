"""Batches of random scenes for training, each used about twice, because rendering costs as much as training on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .artwork import Artwork
from .facts import patch_labels
from .render import Scene, render, sample_scene


@dataclass
class Batch:
    """`pictures` (B, 96, 96, 3) uint8, `labels` (B, 144, 5) int8 (facts.TASKS), `scenes`, `extra` what `pack` made."""

    pictures: np.ndarray
    labels: np.ndarray
    scenes: list[Scene]
    extra: list


def make_batch(rng: np.random.Generator, artwork: Artwork, size: int, pack: Callable | None = None) -> Batch:
    """`size` random scenes; `pack(rng, scene)` makes an entry of `extra`."""
    from .model import PATCH

    scenes = [sample_scene(rng, artwork) for _ in range(size)]
    rendered = [render(scene, artwork) for scene in scenes]
    labels = [patch_labels(scene, owner, PATCH) for scene, (_, owner) in zip(scenes, rendered, strict=True)]
    extra = [pack(rng, scene) for scene in scenes] if pack else []
    return Batch(np.stack([picture for picture, _ in rendered]), np.stack(labels), scenes, extra)


class Replay:
    """Hands out each batch again later: rendering costs as much as training on a picture does."""

    def __init__(self, source: Iterator[Batch], keep: int, seed: int, fresh: float = 0.5):
        self.source, self.keep, self.fresh = source, keep, fresh
        self.rng, self.kept = np.random.default_rng(seed), []

    def __next__(self) -> Batch:
        if len(self.kept) >= self.keep // 4 and self.rng.random() >= self.fresh:
            return self.kept[self.rng.integers(len(self.kept))]
        batch = next(self.source)
        if len(self.kept) < self.keep:
            self.kept.append(batch)
        else:
            self.kept[self.rng.integers(self.keep)] = batch
        return batch
