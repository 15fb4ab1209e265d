"""The attention function registered with transformers, and row arithmetic over a tree of key/value segments.

Without the `tree` keyword the function is transformers' own SDPA attention, bit for bit. With it, the forward pass
belongs to the engine: either the question segments of one picture (packed in one sequence) or one row per branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.torch_version import TorchVersion
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ..errors import ModelError
from ..methods.base import Reading
from ..models.positions import at_least_float32

NAME = "clvs_tree"  # must not contain "flash": transformers looks for that word
_COPIED = 1 << 22  # numbers of 16-bit keys that are copied into float32 at a time


class AttentionPass(Protocol):
    """One forward pass of the engine. Not a mapping and without `.to`: accelerate would copy or move those."""

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        """query (B, H, Q, D), key and value (B, Hkv, Q, D), rotated -> output (B, Q, H, D).

        window: how many of the latest tokens, its own included, a token of this layer sees; None for all.
        """

    def before_layer(self, layer: int, hidden: Tensor) -> None:
        """Sees the hidden states (B, Q, d) that enter a decoder layer."""

    def after_layer(self, layer: int, hidden: Tensor) -> None:
        """Sees the hidden states (B, Q, d) that left a decoder layer."""


class ImagePass:
    """A pass of the stock model that only fills its cache.

    last: the layer with which the cache is complete: the pass ends there, by `CacheComplete`, before computing what
    that layer would go on to say, which nobody reads; None to run to the end. positions: the position ids that reached
    the decoder, None where it counted by itself. read: what each reading said of the tokens (N,) before every layer.
    """

    def __init__(self, last: int | None, readings: Sequence[Reading] = ()):
        self.last = last
        self.positions: Tensor | None = None
        self.read: dict[Reading, list[Tensor]] = {reading: [] for reading in readings}

    def before_layer(self, layer: int, hidden: Tensor) -> None:
        for reading, values in self.read.items():
            values.append(reading(hidden[0]))

    def after_layer(self, layer: int, hidden: Tensor) -> None:
        """Nothing to see here."""


class CacheComplete(Exception):
    """Ends a forward pass whose cache is complete."""


def tree_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Attention of one layer under transformers' AttentionInterface."""
    tree: AttentionPass | ImagePass | None = kwargs.pop("tree", None)
    if isinstance(tree, ImagePass) and module.layer_idx == tree.last:
        raise CacheComplete
    if tree is None or isinstance(tree, ImagePass):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    return tree.attend(module, query, key, value, kwargs["scaling"], kwargs.get("sliding_window")), None


def register() -> None:
    """Makes `NAME` known to transformers. Without the mask function models would silently lose their masks."""
    AttentionInterface.register(NAME, tree_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def check_attended(decoder: Any, layers: int) -> None:
    """ModelError where so many layers asked a tree for their attention and others did not.

    Somebody has given the model another attention since it was loaded; what the tree would say is not known to anybody.
    """
    if layers != len(decoder.layers):
        other = decoder.config._attn_implementation
        raise ModelError(
            f"The model's attention was set to {other!r} since it was loaded; set it back "
            f"with hf.set_attn_implementation({{'text_config': {NAME!r}}}), which is SDPA for everybody else."
        )


def watch(decoder: Any) -> None:
    """Lets a tree see what enters and leaves each decoder layer, and an image pass what positions come in.

    The hooks hold no state and idle in ordinary calls. A decoder that is watched already, because several models share
    it, is left as it is: a tree would see everything twice.
    """
    _hook(decoder.register_forward_pre_hook, decoder._forward_pre_hooks, _before)
    for layer in decoder.layers:
        _hook(layer.register_forward_pre_hook, layer._forward_pre_hooks, _entering)
        _hook(layer.register_forward_hook, layer._forward_hooks, _after)


def _hook(register: Callable[..., Any], present: Mapping[int, Any], hook: Callable[..., None]) -> None:
    if hook not in present.values():
        register(hook, with_kwargs=True)


def _before(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
    if isinstance(tree := kwargs.get("tree"), ImagePass):
        tree.positions = kwargs.get("position_ids")


def _entering(layer: Any, args: Any, kwargs: dict[str, Any]) -> None:
    tree: AttentionPass | None = kwargs.get("tree")
    if tree is not None:
        tree.before_layer(layer.self_attn.layer_idx, args[0] if args else kwargs["hidden_states"])


def _after(layer: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
    tree: AttentionPass | None = kwargs.get("tree")
    if tree is not None:
        tree.after_layer(layer.self_attn.layer_idx, output[0] if isinstance(output, tuple) else output)


def softmax_rows(scores: Tensor) -> Tensor:
    """Softmax over the last axis in float32, or in float64 where the model runs in it."""
    return scores.softmax(-1, dtype=at_least_float32(scores.dtype))


class SharedKeys:
    """Keys and values that groups of branches share: (G, Hkv, N, D), branches ordered group by group.

    G = 1: every branch shares them (the picture). G = branches: each has its own (generated tokens). Nothing is
    copied per branch or per query head: all queries of a group meet the keys in one matrix product.

    Scores are formed in float32 where the model computes in 16 bits, as SDPA's kernels do inside. Rounding them to the
    model's own precision would lose what tells one key from another wherever all keys share a large part, as under
    Qwen2's key biases (huggingface/transformers pull request 33317).
    """

    def __init__(self, keys: Tensor, values: Tensor):
        self.keys = keys
        self.values = values

    @property
    def length(self) -> int:
        return self.keys.shape[-2]

    def first(self, count: int) -> SharedKeys:
        """The first `count` tokens, as views."""
        return SharedKeys(self.keys[:, :, :count], self.values[:, :, :count])

    def grown(self, count: int) -> SharedKeys:
        """With room for `count` more tokens."""
        return SharedKeys(
            *(torch.cat([x, x.new_empty(*x.shape[:2], count, x.shape[3])], 2) for x in (self.keys, self.values))
        )

    def scores(self, query: Tensor) -> Tensor:
        """query (B, H, D) -> (B, H, N), not scaled, in float32 at least."""
        return self._split(_products(self._stack(query), self.keys), query.shape)

    def mix(self, weights: Tensor) -> Tensor:
        """weights (B, H, N) -> their sum of values (B, H, D)."""
        return self._split(self._stack(weights.to(self.values.dtype)) @ self.values, weights.shape)

    def _stack(self, rows: Tensor) -> Tensor:
        """(B, H, x) -> (G, Hkv, branches of a group x query heads of a key head, x)."""
        groups, kv_heads = self.keys.shape[:2]
        branches, heads, size = rows.shape
        each = branches // groups * (heads // kv_heads)  # not -1: a segment may hold no token at all
        rows = rows.reshape(groups, branches // groups, kv_heads, heads // kv_heads, size)
        return rows.transpose(1, 2).reshape(groups, kv_heads, each, size)

    def _split(self, rows: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `_stack`."""
        groups, kv_heads, _, size = rows.shape
        branches, heads = shape[0], shape[1]
        rows = rows.reshape(groups, kv_heads, branches // groups, heads // kv_heads, size)
        return rows.transpose(1, 2).reshape(branches, heads, size)


def _products(rows: Tensor, keys: Tensor) -> Tensor:
    """Of rows (G, Hkv, m, D) with keys (G, Hkv, N, D): (G, Hkv, m, N), in float32 at least."""
    dtype = at_least_float32(keys.dtype)
    if keys.dtype == dtype:
        return rows.to(dtype) @ keys.transpose(-1, -2)
    cublas = (
        keys.is_cuda and torch.version.hip is None and TorchVersion(torch.__version__) >= "2.11"
    )  # as far as it was tried
    if cublas and rows.dtype == keys.dtype:  # it sums in float32, and can give that out
        flat = torch.bmm(rows.flatten(0, 1), keys.flatten(0, 1).transpose(-1, -2), out_dtype=dtype)
        return flat.unflatten(0, keys.shape[:2])
    # copied in parts: one large copy costs more than the product
    parts = keys.chunk(keys.numel() // _COPIED + 1, -2)
    return torch.cat([rows.to(dtype) @ part.to(dtype).transpose(-1, -2) for part in parts], -1)


class RowBlocks:
    """Consecutive rows with different `SharedKeys`, all of one length; used as one of them would be."""

    def __init__(self, parts: Sequence[tuple[slice, SharedKeys]]):
        self.parts = parts

    @property
    def length(self) -> int:
        return self.parts[0][1].length

    def scores(self, query: Tensor) -> Tensor:
        """query (B, H, D) -> (B, H, N), not scaled, in float32 at least."""
        return torch.cat([keys.scores(query[rows]) for rows, keys in self.parts])

    def mix(self, weights: Tensor) -> Tensor:
        """weights (B, H, N) -> their sum of values (B, H, D)."""
        return torch.cat([keys.mix(weights[rows]) for rows, keys in self.parts])
