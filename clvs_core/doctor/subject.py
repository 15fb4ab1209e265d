"""The model under examination, and ways to watch it: the engine's rows as they are computed, and the stock model."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from ..bundled import ASSETS
from ..engine.attention import NAME, tree_attention
from ..engine.branches import BranchBatch
from ..engine.model import Model
from ..models import memory
from ..pictures import read_picture
from . import literal

WATCHED = "clvs_doctor"  # the attention function while the doctor looks on
PICTURE = ASSETS / "scenes" / "kite-weather.jpg"
QUESTION = "Is there a kite in the picture?"


class Subject:
    """A model with the one picture and question that it is examined on.

    model: None before it is loaded and after it is given back. gpu: whether it goes to one. invented: whether its
    weights are random and its tokenizer a stand-in. seconds: that loading took. meter: of the memory it takes.
    """

    def __init__(self, load: Callable[[], Model], *, gpu: bool = False, invented: bool = False):
        self._load, self.invented = load, invented
        self.model: Model | None = None
        self.picture: Image.Image = read_picture(PICTURE)
        self.seconds = 0.0
        self.meter = Meter(gpu)

    def load(self) -> Model:
        """Loads the model and measures it from here on; raises what loading raises."""
        self.meter.start()
        begun = time.perf_counter()
        self.model = self._load()
        self.seconds = time.perf_counter() - begun
        return self.model

    @property
    def loaded(self) -> Model:
        if self.model is None:
            raise RuntimeError("the model is not loaded")
        return self.model

    def inputs(self) -> dict[str, Any]:
        """The processor's inputs for the stock model."""
        encoded = self.loaded.prompts.encode(self.picture, QUESTION)
        placed = self.loaded.placed(encoded)
        return {**placed, "attention_mask": encoded["attention_mask"].to(placed["input_ids"].device)}

    @property
    def float64(self) -> bool:
        return self.loaded.hf.dtype == torch.float64

    @property
    def half(self) -> bool:
        """Whether the model computes in 16 bits."""
        return self.loaded.hf.dtype in (torch.float16, torch.bfloat16)


class Meter:
    """Bytes in use from `start` on: PyTorch's on the GPUs, or this process's resident memory."""

    def __init__(self, gpu: bool) -> None:
        self.gpu = gpu
        self.before = self.most = 0
        self._done = threading.Event()

    def start(self) -> None:
        self.anew()
        self.before = self.most
        if not self.gpu:
            threading.Thread(target=self._watch, daemon=True).start()

    def anew(self) -> None:
        """Forgets the peaks so far."""
        memory.release()
        self.most = self.now()
        for device in range(torch.cuda.device_count() if self.gpu else 0):
            torch.cuda.reset_peak_memory_stats(device)

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, self.now())

    def now(self) -> int:
        if self.gpu:
            return sum(map(torch.cuda.memory_allocated, range(torch.cuda.device_count())))
        return int(psutil.Process().memory_info().rss)

    def peak(self) -> int:
        """The most that was in use since `start`, beyond what was before."""
        if self.gpu:
            self.most = sum(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count())))
        return max(self.most, self.now()) - self.before

    def stop(self) -> None:
        self._done.set()


@dataclass
class Pass:
    """What one forward pass of the engine's branches worked on, by layer; B branches.

    queries: (B, H, D), keys: for every branch (Hkv, K, D) up to and with its own, both rotated. hidden: (B, d) after
    the layer. windows: how many tokens a layer sees, None for all.
    """

    queries: list[Tensor] = field(default_factory=list)
    keys: list[list[Tensor]] = field(default_factory=list)
    scalings: list[float] = field(default_factory=list)
    windows: list[int | None] = field(default_factory=list)
    hidden: list[Tensor] = field(default_factory=list)

    def weights(self, layer: int, branch: int) -> np.ndarray:
        """The branch's attention recomputed in float64, before any edit: (H, K)."""
        query, keys = numbers(self.queries[layer][branch]), numbers(self.keys[layer][branch])
        return literal.attention_row(query, keys, self.scalings[layer], self.windows[layer])


def numbers(tensor: Tensor) -> np.ndarray:
    """As float64 on the CPU, where every device's numbers can be taken."""
    return tensor.detach().cpu().double().numpy()


@contextlib.contextmanager
def watched(model: Model) -> Iterator[Pass]:
    """While this lasts, the first token's pass of the engine's branches is written down."""
    seen, layers = Pass(), model.layers

    def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any) -> Any:
        tree = kwargs.get("tree")
        if isinstance(tree, BranchBatch) and len(seen.queries) < layers:
            _note(seen, tree, module.layer_idx, query, key)
            seen.scalings.append(kwargs["scaling"])
            seen.windows.append(kwargs.get("sliding_window"))
        return tree_attention(module, query, key, value, mask, **kwargs)

    def after(layer: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if isinstance(kwargs.get("tree"), BranchBatch) and len(seen.hidden) < layers:
            seen.hidden.append((output[0] if isinstance(output, tuple) else output)[:, -1])

    hooks = [layer.register_forward_hook(after, with_kwargs=True) for layer in model.hf.get_decoder().layers]
    AttentionInterface.register(WATCHED, attention)
    AttentionMaskInterface.register(WATCHED, sdpa_mask)
    try:
        with attending(model, WATCHED):
            yield seen
    finally:
        for hook in hooks:
            hook.remove()
        AttentionInterface.register(WATCHED, tree_attention)  # what was watched must not hold what was seen


def _note(seen: Pass, tree: BranchBatch, layer: int, query: Tensor, key: Tensor) -> None:
    branches = tree.batch
    seen.queries.append(query[:branches, :, 0])
    picture = tree.image.keys[layer][0]
    questions = [segment.keys[layer] for segment in tree.main.questions.segments]
    own = [(questions[branch], key[branch]) for branch in range(branches)]
    seen.keys.append([torch.cat([picture, question, last], 1) for question, last in own])


@contextlib.contextmanager
def attending(model: Model, kind: str) -> Iterator[Any]:
    """While this lasts, the decoder attends by transformers' function of this name."""
    model.hf.set_attn_implementation({"text_config": kind})
    try:
        yield model.hf
    finally:
        model.hf.set_attn_implementation({"text_config": NAME})


class _Enough(Exception):
    """Ends a pass of which only layer 0's queries and keys were wanted."""


@torch.no_grad()
def first_layer(subject: Subject, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int | None]:
    """Layer 0's query (H, D) of the last prompt token and keys (Hkv, K, D), by the stock model at these positions (K,).

    Also the scaling of its scores and the window of tokens it sees.
    """
    model = subject.loaded
    captured: list[Any] = []

    def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any) -> Any:
        captured.extend((query[0, :, -1], key[0]))
        captured.extend((kwargs["scaling"], kwargs.get("sliding_window")))
        raise _Enough

    def moved(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        places = torch.as_tensor(positions, device=model.hf.get_input_embeddings().weight.device)
        own = kwargs.get("position_ids")
        kwargs["position_ids"] = places[None] if own is None else places.expand(own.shape)
        return args, kwargs

    AttentionInterface.register(WATCHED, attention)
    AttentionMaskInterface.register(WATCHED, sdpa_mask)
    hook = model.hf.get_decoder().register_forward_pre_hook(moved, with_kwargs=True)
    try:
        with attending(model, WATCHED), contextlib.suppress(_Enough):
            model.hf.model(**subject.inputs(), use_cache=False)
    finally:
        hook.remove()
        AttentionInterface.register(WATCHED, tree_attention)
    query, key, scaling, window = captured
    return numbers(query), numbers(key), scaling, window
