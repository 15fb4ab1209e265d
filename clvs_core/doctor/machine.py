"""The machine without a model: versions, devices, memory, disk, and which models fit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch
from packaging.requirements import Requirement

from ..bundled import CHECKOUT
from ..models import memory
from ..models.memory import gigabytes
from ..models.registry import CARDS
from ..version import PROJECT, version
from .findings import GREEN, RED, YELLOW, Check, Finding, judged

_ALSO = ("tokenizers", "huggingface_hub", "safetensors", "bitsandbytes")  # worth knowing, needed or not
_LITTLE = 2e9  # bytes of free memory under which even the page is tight
_LITTLE_DISK = 5e9  # bytes: the smallest checkpoints need as much


def checks(device: str) -> list[tuple[str, Check]]:
    """The checks that need no model, by name; device: as `load_model` takes it."""
    return [
        ("versions", versions),
        ("platform", system),
        ("devices", devices),
        ("memory", ram),
        ("hub", hub_cache),
        ("cards", lambda: cards(device)),
    ]


def versions() -> Finding:
    wanted = {need.name: need for need in _requirements()}
    found = {name: _version(name) for name in dict.fromkeys((*wanted, *_ALSO))}
    numbers = {"python": platform.python_version(), PROJECT: version(), **found}
    missing = [name for name in wanted if found[name] is None]
    other = [name for name, need in wanted.items() if (v := found[name]) and not need.specifier.contains(v, True)]
    shown = ", ".join(f"{name} {version}" for name, version in numbers.items() if version)
    if missing:
        return Finding("versions", YELLOW, f"{shown}; not installed: {', '.join(missing)}.", numbers)
    if other:
        which = ", ".join(f"{name}{wanted[name].specifier}" for name in other)
        return Finding("versions", YELLOW, f"{shown}; this project asks for {which}.", numbers)
    return Finding("versions", GREEN, f"{shown}.", numbers)


def _requirements() -> Iterator[Requirement]:
    """What the project needs: its requirements.txt, or what its installed package says."""
    file = CHECKOUT / "requirements.txt"
    if file.is_file():
        lines = file.read_text(encoding="utf-8").splitlines()
    else:
        lines = importlib.metadata.requires(PROJECT) or []
    for line in lines:
        text = line.partition("#")[0].strip()
        if text and not text.startswith("-") and "extra ==" not in text:
            yield Requirement(text)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def system() -> Finding:
    name = f"{platform.system()} {platform.release()} on {platform.machine()}"
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    sentence = f"{name}, {cores} cores, of which PyTorch uses {threads}."
    return Finding("platform", GREEN, sentence, {"system": name, "cores": cores, "threads": threads})


def devices() -> Finding:
    gpus = [_gpu(number) for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if gpus:
        each = [
            f"{gpu['name']} with {gigabytes(gpu['free'])} of {gigabytes(gpu['total'])} free, compute capability "
            f"{gpu['capability']}, {'with' if gpu['bfloat16'] else 'without'} bfloat16"
            for gpu in gpus
        ]
        sentence = f"{'; '.join(each)} (CUDA {torch.version.cuda or torch.version.hip})."
        return Finding("devices", judged(all(gpu["bfloat16"] for gpu in gpus), YELLOW), sentence, {"gpus": gpus})
    if torch.backends.mps.is_available():
        return Finding("devices", GREEN, "An Apple GPU (mps); models use it with --device mps.", {"gpus": ["mps"]})
    return Finding("devices", GREEN, "No GPU that PyTorch sees: models run on the CPU, in float32.", {"gpus": []})


def _gpu(number: int) -> dict[str, Any]:
    place = memory.places(f"cuda:{number}")[0]
    major, minor = torch.cuda.get_device_capability(number)
    # older GPUs only emulate it, as PyTorch's own question would allow
    fast = major >= 8 or bool(torch.version.hip)
    return {
        "name": place.label,
        "free": place.free,
        "total": place.total,
        "capability": f"{major}.{minor}",
        "bfloat16": fast,
    }


def ram() -> Finding:
    free, total = (place := memory.places("cpu")[0]).free, place.total
    machine = psutil.virtual_memory().total
    limit = total if total < machine else None
    within = f"; a container's limit, the machine has {gigabytes(machine)}" if limit else ""
    sentence = f"{gigabytes(free)} of {gigabytes(total)} of memory free{within}."
    numbers = {"free": free, "total": total, "limit": limit}
    return Finding("memory", judged(free >= _LITTLE, YELLOW), sentence, numbers)


def hub_cache() -> Finding:
    from huggingface_hub import constants, get_token

    place = Path(constants.HF_HUB_CACHE)
    above = next(folder for folder in (place, *place.parents) if folder.exists())
    free, token = shutil.disk_usage(above).free, get_token() is not None
    usual = place.is_relative_to(Path.home())
    shown = f"~/{place.relative_to(Path.home()).as_posix()}" if usual else f"…/{place.name}"
    login = "a login is stored" if token else "no login is stored (only gated models need one)"
    sentence = f"Downloads go to {shown}, with {gigabytes(free)} free; {login}."
    numbers = {"in_home": usual, "free": free, "token": token, "offline": constants.HF_HUB_OFFLINE}
    return Finding("hub", judged(free >= _LITTLE_DISK, YELLOW), sentence, numbers)


def cards(device: str) -> Finding:
    kept = memory.precision("auto", device, None)
    fitting = [c.name for c in CARDS.values() if c.size and memory.fit(c.size.needed(kept), device)]
    if not fitting:
        return Finding("cards", RED, "Not even the embedded model fits here; free some memory.", {"precision": kept})
    shown = ", ".join(fitting[:-1]) + f" and {fitting[-1]}" if len(fitting) > 1 else fitting[0]
    sentence = f"{len(fitting)} of {len(CARDS)} models fit in {kept}: {shown}."
    return Finding("cards", judged(len(fitting) > 1, YELLOW), sentence, {"precision": kept, "fit": fitting})
