"""Counts the bytes that a pass of a full-size model allocates, without computing it.

Under `Counted`, operations on large floating-point tensors are asked only for the shape of what they return, which is
then allocated and never written: the operating system gives no memory to it. Everything else (ids, positions, masks,
views) is computed as always, so that a model runs through its own code at its full width and depth in seconds.
Attention of PyTorch allocates its output only, as the kernels of GPUs do. What kernels need inside is not counted.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

_LARGE = 1 << 16  # numbers


class Counted(TorchDispatchMode):
    """live, peak: bytes of the tensors made inside, now and at most."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, Any] = {}
        self._attention = _Attention()

    def __enter__(self) -> Counted:
        self._attention.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._attention.__exit__(*error)

    def reset(self) -> int:
        """Begins a new peak; returns the bytes that are live."""
        self.peak = self.live
        return self.live

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {storage._cdata for storage in _storages((args, kwargs))}  # a weight of which this is a view, say
        out = self._result(func, args, kwargs or {})
        for storage in _storages(out):
            if storage._cdata not in given and storage._cdata not in self._known:
                self._count(storage)
        return out

    def _count(self, storage: Any) -> None:
        size = storage.nbytes()
        self._known[storage._cdata] = weakref.ref(storage, lambda _, key=storage._cdata: self._free(key, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _free(self, key: int, size: int) -> None:
        del self._known[key]
        self.live -= size

    def _result(self, func: Any, args: Any, kwargs: Any) -> Any:
        tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
        large = any(x.is_floating_point() and x.numel() >= _LARGE for x in tensors)
        aliases = [argument.alias_info for argument in func._schema.arguments if argument.alias_info]
        if not large or (aliases and not any(alias.is_write for alias in aliases)) or func.is_view:
            return func(*args, **kwargs)
        if aliases:  # in place: what is there is as good as anything
            return args[0]
        try:
            shapes = func(*(tree_map_only(torch.Tensor, _shape, x) for x in args), **_shapes(kwargs))
        except (NotImplementedError, RuntimeError):  # the result's shape is a matter of the numbers
            return func(*args, **kwargs)
        return tree_map_only(torch.Tensor, _empty, shapes)


class _Attention(TorchFunctionMode):
    """Attention as on a GPU: nothing but its output is allocated."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            query, value = args[0], args[2]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return func(*args, **(kwargs or {}))


def _storages(tree: Any) -> list[Any]:
    tensors = (x for x in tree_flatten(tree)[0] if isinstance(x, torch.Tensor))
    return [x.untyped_storage() for x in tensors if x.device.type == "cpu"]


def _shape(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _shapes(kwargs: dict[str, Any]) -> dict[str, Any]:
    shapes = tree_map_only(torch.Tensor, _shape, kwargs)
    return {**shapes, "device": "meta"} if shapes.get("device") is not None else shapes


def _empty(tensor: torch.Tensor) -> torch.Tensor:
    found = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    return found if tensor.is_floating_point() else found.zero_()  # somebody may count or index with it
