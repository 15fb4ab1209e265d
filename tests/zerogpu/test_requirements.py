"""What a Space installs first is what the app needs."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


def read(name):
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return {found.name: found.specifier for found in map(Requirement, filter(None, lines))}


def test_the_versions_for_zerogpu_are_among_those_that_the_app_takes():
    needed = read("requirements.txt")
    pinned = {name: str(version).removeprefix("==") for name, version in read("pre-requirements.txt").items()}
    assert set(pinned) == {"torch", "torchvision"}
    assert all(needed[name].contains(version) for name, version in pinned.items())
