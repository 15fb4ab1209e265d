"""What runs are called: on the page, in figures and in exports alike.

A method's name is enough while it is there once; runs that share it are told apart by the settings that differ.
"""

from __future__ import annotations

from collections.abc import Sequence

GREEK = {"alpha": "α", "beta": "β", "gamma": "γ"}


def labels(specs: Sequence[str], titles: Sequence[str]) -> list[str]:
    """One label a run, such as "CLVS" or "CLVS (α 0.5)".

    specs: method and settings as `clvs_core.methods.spec` writes them, or the trace's full ones. titles: the methods'
    names for people.
    """
    names = [spec.partition(":")[0] for spec in specs]
    settings = [[part for part in spec.partition(":")[2].split(",") if part] for spec in specs]
    found = []
    for name, own, title in zip(names, settings, titles, strict=True):
        alike = [other for n, other in zip(names, settings, strict=True) if n == name]
        words = ", ".join(_words(part) for part in own if any(part not in other for other in alike))
        found.append(f"{title} ({words})" if words else str(title))
    return found


def settings_in_words(spec: str) -> list[str]:
    """The settings of a spec in words, such as ["α 0.5", "first check 8"]."""
    return [_words(part) for part in spec.partition(":")[2].split(",") if part]


def _words(setting: str) -> str:
    """A setting for people: Greek letters, layers from 1 as everywhere on the page."""
    name, _, value = setting.partition("=")
    if name == "first_check" and value.isdecimal():
        return f"first check {int(value) + 1}"
    return f"{GREEK.get(name, name.replace('_', ' '))} {value}"
