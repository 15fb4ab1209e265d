"""Which version of this project runs, installed or from its folder."""

from __future__ import annotations

import re
from importlib import metadata

from .bundled import CHECKOUT

PROJECT = "clvs-explorer"
_PYPROJECT = CHECKOUT / "pyproject.toml"


def version() -> str:
    """Such as "0.1.0"; "unknown" for a copy of the package alone."""
    try:
        return metadata.version(PROJECT)
    except metadata.PackageNotFoundError:
        text = _PYPROJECT.read_text(encoding="utf-8") if _PYPROJECT.is_file() else ""
    declared = re.search(r'^version = "(.+)"', text, re.MULTILINE)
    return declared[1] if declared else "unknown"
