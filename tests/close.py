"""Numbers that mathematics promises to be the same, and a processor only to rounding.

Sums are taken in another order wherever shapes, memory layout, the number of threads or the instructions at hand differ
(ATEN_CPU_CAPABILITY, MKL, oneDNN): two rows of one batch, the same question in another batch, one edit over a slice and
over an index. Bits are only promised of copies, of files, of whole numbers, and of rows that nothing touches.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

# of float16, in which traces keep what was computed in float32: one unit in the last place, where rounding falls aside
TOLERANCE = {np.float64: (1e-12, 1e-12), np.float32: (1e-5, 1e-6), np.float16: (2**-10, 1e-7)}


def assert_same_rows(found: Any, expected: Any) -> None:
    """Lines of JSON, in any order, of answers that were computed anew: the same but for rounding in their numbers."""
    found, expected = (
        sorted(map(json.loads, lines), key=lambda row: (row["id"], row["method"])) for lines in (found, expected)
    )
    assert [_words(row) for row in found] == [_words(row) for row in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(_numbers(one), _numbers(other), rtol=2e-5, atol=2e-6, err_msg=str(one))


def _words(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, (float, list)) else value for name, value in row.items()}


def _numbers(row: dict[str, Any]) -> list[float]:
    lists = [
        value if isinstance(value, list) else [value] for value in row.values() if isinstance(value, (float, list))
    ]
    return [np.nan if number is None else number for listed in lists for number in listed]


def assert_close(found: Any, expected: Any) -> None:
    """Arrays or tensors of one dtype, equal but for rounding; the same places are NaN or infinite.

    Relative to each number, and to the spread of all of them for those that are small by cancellation.
    """
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype
    relative, absolute = TOLERANCE[expected.dtype.type]
    spread = np.nanmax(np.abs(expected[np.isfinite(expected)]), initial=1).astype(float)
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute * spread)
