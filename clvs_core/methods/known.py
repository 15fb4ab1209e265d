"""The methods by name: those that come with this package, and those of one's own, each a file that is run."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

from .ad_hh import ADHH
from .base import Method
from .clvs import CLVS
from .pai import PAI
from .tarac import TARAC
from .vaf import VAF
from .vanilla import Vanilla
from .var import VAR
from .vcd import VCD

METHODS: dict[str, type[Method]] = {cls.name: cls for cls in (Vanilla, CLVS, VCD, PAI, VAR, ADHH, VAF, TARAC)}


def load_method(path: str | Path) -> type[Method]:
    """Runs a Python file that defines a method of one's own and makes it known by its name, here and on the page.

    The file is run as it is: load only what you would run yourself. Raises ValueError, one sentence, where it cannot be
    read, fails, or does not define exactly one method with a name that is still free.
    """
    path = Path(path)
    if not os.path.isfile(path):  # False, too, for what cannot be a path
        raise ValueError(f"There is no method file {str(path)!r:.200}; check the path.")
    name = (
        f"clvs_method_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"  # the same file, the same module
    )
    spec_ = importlib.util.spec_from_file_location(name, path)
    if spec_ is None or spec_.loader is None:
        raise ValueError(f"{path.name} is no Python file; give one that ends in .py.")
    module = importlib.util.module_from_spec(spec_)
    sys.modules[name] = module  # dataclasses and pickle look it up there
    try:
        spec_.loader.exec_module(module)
    except (Exception, SystemExit, GeneratorExit) as error:
        del sys.modules[name]
        raise ValueError(f"{path.name} cannot be run ({type(error).__name__}: {error}); correct it.") from error
    return _register(path.name, [cls for cls in vars(module).values() if _is_own(cls, module.__name__)])


def _is_own(cls: Any, module: str) -> bool:
    return inspect.isclass(cls) and issubclass(cls, Method) and cls.__module__ == module


def _register(file: str, classes: list[type[Method]]) -> type[Method]:
    if len(classes) != 1:
        raise ValueError(
            f"{file} defines {len(classes)} methods; let it define one subclass of clvs_core.methods.Method."
        )
    cls = classes[0]
    if not re.fullmatch(r"[a-z][a-z0-9]{0,30}", cls.name):
        raise ValueError(f"The method in {file} is named {cls.name!r}; name it with small letters and digits only.")
    taken = METHODS.get(cls.name)
    if taken is not None and (taken.__module__.startswith("clvs_core") or taken.__module__ != cls.__module__):
        raise ValueError(f"There is a method {cls.name!r} already; give the one in {file} another name.")
    METHODS[cls.name] = cls
    return cls
