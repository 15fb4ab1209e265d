"""How much memory a model needs and how much this machine has, before anything large is downloaded or read.

A model needs its weights and an allowance: keys and values of two pictures (one being read, one kept for the next
question) and what is alive while it reads one or is asked (`activations.py`), at the precision the model computes in,
and `WORKING` bytes for the libraries.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from . import activations
from .families import FAMILIES

GB = 10**9
WORKING = 300 * 10**6  # what CUDA's libraries occupy, and logits
CGROUP = Path("/sys/fs/cgroup")  # where Linux says what a container may use
PICTURES = 2
SPREAD = 0.9  # of several GPUs' free memory: layers cannot be cut to fill each one to the brim
TOKENS = 3000  # of a picture, where no card says: more than LLaVA-NeXT's largest
# Bytes of a weight. bitsandbytes' NF4 keeps one float32 scale for each 64 weights, its 8-bit form one for each row.
_BYTES = {"float64": 8.0, "float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "8bit": 1.01, "4bit": 0.5625}
PRECISIONS = tuple(_BYTES)
QUANTIZED = ("8bit", "4bit")


@dataclass(frozen=True)
class Size:
    """What decides a model's memory.

    parameters: all of them, vision tower included, in billions. kept: those that quantization leaves as they are, in
    billions: of the token embeddings and the output head. kv: keys and values of one token, in thousands of numbers.
    tokens: of one usual picture, at most. reading, asking: see `activations.py`, in millions of numbers.
    """

    parameters: float
    kept: float
    kv: float
    tokens: int = TOKENS
    reading: float = 0.0
    asking: float = 0.0

    def weights(self, precision: str, computed: str = "bfloat16") -> int:
        """Bytes of the weights: precision is a dtype's name, "8bit" or "4bit"; computed: what those compute in."""
        kept = self.kept if precision in QUANTIZED else 0.0
        return int(((self.parameters - kept) * _BYTES[precision] + kept * _BYTES[computed]) * 1e9)

    def needed(self, precision: str, computed: str = "bfloat16") -> int:
        """Bytes of the weights with the allowance for answering questions about a picture."""
        number = _BYTES[computed if precision in QUANTIZED else precision]
        pictures = PICTURES * self.tokens * self.kv * 1e3 * number
        working = max(self.reading * number, self.asking * max(number, 4)) * 1e6
        return self.weights(precision, computed) + int(pictures + working) + WORKING


def size_of(model: Any, tokens: int = TOKENS) -> Size:
    """The size of a model of transformers; its `skeleton` will do.

    Embeddings and output head count once where they are tied. InternVL's configuration ties them by default while its
    decoder's does not, and its checkpoints have both, which transformers then keeps apart: so they count twice.
    """
    words, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    text = model.config.get_text_config()
    tied = words is head
    twice = tied and getattr(text, "tie_word_embeddings", None) is False
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    count = sum(p.numel() for p in model.parameters()) + twice * head.numel()
    kept = words.numel() + (not tied or twice) * head.numel()
    kv = 2 * text.num_hidden_layers * heads * width
    alive = (activations.reading(model.config, tokens), activations.asking(model.config, tokens))
    return Size(count / 1e9, kept / 1e9, kv / 1e3, tokens, *(number / 1e6 for number in alive))


def skeleton(config: Any) -> Any:
    """The model of a configuration with all its parameters on "meta": names and shapes, no memory."""
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(copy.deepcopy(config))


@dataclass(frozen=True)
class Place:
    """A device that can hold a model, with its name for people and its bytes: free now, and altogether.

    bfloat16: whether it computes in that; NVIDIA's do from Ampere on, a T4 or V100 does not.
    """

    device: str
    label: str
    free: int
    total: int
    bfloat16: bool = True


def places(device: str = "auto") -> list[Place]:
    """Where a model may go: with "auto" the GPUs if there are any, else this machine's memory."""
    kind, _, index = device.partition(":")
    if kind in ("cuda", "balanced") or (kind == "auto" and torch.cuda.is_available()):
        first = int(index or 0)
        chosen = range(first, first + 1) if kind == "cuda" else range(torch.cuda.device_count())
        return [_gpu(number) for number in chosen]
    if kind == "mps":
        total = torch.mps.recommended_max_memory()
        free = min(total - torch.mps.driver_allocated_memory(), _ram()[0])  # it is this machine's memory
        return [Place("mps", "the Apple GPU", max(0, free), total)]
    return [Place("cpu", "this machine", *_ram())]


def _gpu(number: int) -> Place:
    try:
        free, total = torch.cuda.mem_get_info(number)
    except (RuntimeError, AssertionError):  # ZeroGPU has its GPU only inside a call, and then all of it
        free = total = torch.cuda.get_device_properties(number).total_memory
    able = torch.version.hip is not None or getattr(torch.cuda.get_device_properties(number), "major", 8) >= 8
    free += torch.cuda.memory_reserved(number) - torch.cuda.memory_allocated(number)  # PyTorch holds it, unused
    return Place(f"cuda:{number}", torch.cuda.get_device_name(number), free, total, able)


def _ram() -> tuple[int, int]:
    """Free and total bytes of memory; inside a container its limit counts, not the machine's."""
    machine = psutil.virtual_memory()
    limit, used = (_number(CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is None or used is None:
        return machine.available, machine.total
    cache = _number(CGROUP / "memory.stat", "inactive_file ") or 0  # counted as used, given up on demand
    return max(0, min(machine.available, limit - used + cache)), min(machine.total, limit)


def _number(path: Path, start: str = "") -> int | None:
    """The number on the line of a control file that begins with `start`; None where there is none ("max")."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    value = next((line.removeprefix(start) for line in lines if line.startswith(start)), "")
    return int(value) if value.isdecimal() else None


def fit(needed: int, device: str = "auto", spare: int = 0) -> str | None:
    """The device that holds `needed` bytes, "balanced" for all GPUs together, or None where nothing does.

    spare: bytes that would be free as well, once something was taken away.
    """
    candidates = places(device)
    if device != "balanced":
        alone = next((place.device for place in candidates if place.free + spare >= needed), None)
        if alone or device != "auto":
            return alone
    together = len(candidates) > 1 or device == "balanced"
    return "balanced" if together and SPREAD * sum(place.free for place in candidates) + spare >= needed else None


def precision(dtype: str, device: str, quantization: str | None, own: Any = None, family: str = "") -> str:
    """How weights are kept: a quantization, or a dtype's name. "auto" is float32 on a CPU and 16 bits elsewhere.

    own: the dtype the checkpoint was published in, where it is known, which decides between float16 and bfloat16;
    float32 ones, such as SmolVLM2, lose nothing that matters. On a GPU without bfloat16 it is float16, but float32 for
    families whose states leave its range.
    """
    if quantization or dtype != "auto":
        return quantization or dtype
    candidates = places(device)
    if candidates[0].device == "cpu":
        return "float32"
    if str(own).removeprefix("torch.") == "float16":
        return "float16"
    fits = family not in FAMILIES or FAMILIES[family].fits_float16
    return _half(candidates) if fits or _half(candidates) == "bfloat16" else "float32"


def computes_in_bfloat16(device: str) -> bool:
    return _half(places(device)) == "bfloat16"


def _half(candidates: Sequence[Place]) -> str:
    return "bfloat16" if all(place.bfloat16 for place in candidates) else "float16"


def offered(device: str) -> tuple[str, ...]:
    """The precisions worth naming on a device; bitsandbytes is made for CUDA."""
    candidates = places(device)
    plain = ("float32", _half(candidates))
    return plain if candidates[0].device in ("cpu", "mps") else (*plain, "8bit", "4bit")


def others(size: Size, device: str, than: str, spare: int = 0) -> dict[str, int]:
    """What else would fit: the bytes needed at each other precision of this device that takes less than `than`."""
    needs = {name: size.needed(name) for name in offered(device) if size.needed(name) < size.needed(than)}
    return {name: needed for name, needed in needs.items() if fit(needed, device, spare)}


def release() -> None:
    """Gives memory that nothing uses any more back, on the GPUs too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def gigabytes(count: float) -> str:
    """A number of bytes for people, e.g. "14.1 GB"; GB is a billion bytes, as download pages have it."""
    return f"{count / GB:.1f} GB"
