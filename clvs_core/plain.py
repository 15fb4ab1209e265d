"""Numbers as Python's own, whatever made them: numpy, torch, `fractions`.

What is kept (settings, geometry, traces) goes into strings, JSON, links, comparisons and hashes, where
`np.float64(0.3)` reads differently from 0.3 and a tensor is neither equal nor hashable.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """The same number or truth value as an int, float or bool; inside tuples, lists and arrays, too.

    Takes what is `numbers.Real`, and arrays and tensors: those of no axis are a number, others become tuples. A float
    too large for Python's is infinite. Anything else, NaN, complex numbers and text included, is given back as it is.
    """
    if type(value) in (bool, int, float):
        return value
    if type(value) in (tuple, list):
        return type(value)(map(plain, value))
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return _float(value)
    if isinstance(getattr(value, "shape", None), tuple) and hasattr(value, "tolist"):
        return _tuples(value.tolist())
    return value


def _tuples(listed: Any) -> Any:
    return tuple(map(_tuples, listed)) if isinstance(listed, list) else plain(listed)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a fraction beyond 1e308
        return math.copysign(math.inf, value > 0 or -1)
