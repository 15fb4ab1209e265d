"""What comes with the project: the embedded model, scenes, example runs; in a checkout as installed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files(__package__)))

CHECKOUT = _PACKAGE.parent  # the project's folder, where this is no installed package
ASSETS = _PACKAGE / "assets" if (_PACKAGE / "assets").is_dir() else CHECKOUT / "assets"  # a wheel has them inside
