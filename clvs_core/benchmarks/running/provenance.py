"""Where a run's answers come from: model, hardware, files and versions, as run.json tells them."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ...bundled import CHECKOUT

_DATA = (".json", ".jsonl", ".txt", ".parquet")
_FILES_NAMED = 40  # more are told by one checksum of all


def model_facts(model: Any, quantization: str | None, image_mode: Any) -> dict[str, Any]:
    """What tells one loaded model from another, as JSON: checkpoint, shape, and how it was loaded."""
    return {
        "name": model.name,
        "label": model.card.label,
        "family": model.card.family,
        "revision": getattr(model.hf.config, "_commit_hash", None) or model.card.revision,
        "weights": fingerprint(model.hf),
        "layers": model.layers,
        "heads": model.heads,
        "dtype": str(model.hf.dtype).removeprefix("torch."),
        "device": _place(model).type,
        "quantization": quantization,
        "image_mode": image_mode,
    }


def device_name(model: Any) -> str:
    """The hardware's name, which other runs with the same settings may not share."""
    place = _place(model)
    if place.type == "cuda":
        return torch.cuda.get_device_name(place)
    return f"cpu, {torch.get_num_threads()} threads" if place.type == "cpu" else place.type


def _place(model: Any) -> torch.device:
    return next(p.device for p in model.hf.parameters() if p.device.type != "meta")


def fingerprint(hf: Any) -> str:
    """A short checksum that tells checkpoints apart: of the first numbers of every weight."""
    digest = hashlib.sha256()
    for name, weight in hf.state_dict().items():
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        if weight.device.type != "meta":
            digest.update(weight.flatten()[:16].to("cpu", torch.float64).numpy().tobytes())
    return digest.hexdigest()[:16]


def checksums(data: str) -> dict[str, str]:
    """sha256 of the benchmark's files by name, of all together as "*" where they are many; {} for data of the hub."""
    root = Path(data)
    if not root.exists():
        return {}
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.suffix in _DATA and p.is_file())
    found = {str(path.relative_to(root)) if path != root else path.name: sha256(path) for path in files}
    if len(found) <= _FILES_NAMED:
        return found
    return {"*": hashlib.sha256(json.dumps(found).encode()).hexdigest()}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for part in iter(functools.partial(file.read, 1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def versions() -> dict[str, Any]:
    """Of Python, the libraries that compute, and this program."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for name in ("torch", "transformers", "clvs-explorer"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found | {"commit": _commit()}


def _commit() -> str | None:
    """Of the checkout that this runs from, with + where files differ from it; None outside of one."""
    root = CHECKOUT
    if not (root / ".git").exists():  # installed, perhaps somewhere inside another project's checkout
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
