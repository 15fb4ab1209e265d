"""Going round a proxy: Gradio's own requests, which it makes when it is imported and to its page when that starts.

This must not import Gradio: with a SOCKS proxy in the environment that httpx cannot use, that alone would fail.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

_NAMES = ("no_proxy", "NO_PROXY")


@contextlib.contextmanager
def without_proxy(hosts: Sequence[str] = ("*",)) -> Iterator[None]:
    """While this lasts, requests to these hosts, by default all, take no proxy that the environment names."""
    before = {name: os.environ.get(name) for name in _NAMES}
    around = [before["no_proxy"] or before["NO_PROXY"], *hosts]
    os.environ.update(dict.fromkeys(_NAMES, ",".join(filter(None, around))))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
