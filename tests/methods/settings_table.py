"""The table of settings in docs/methods.md, from the methods' own fields: `python -m tests.methods.settings_table`."""

import dataclasses
import re
from pathlib import Path

from clvs_core.methods import METHODS
from clvs_core.methods.base import unmarked

FILE = Path(__file__).parents[2] / "docs/methods.md"
BLOCK = re.compile(r"(?<=<!-- settings: python -m tests.methods.settings_table -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table():
    lines = ["| | setting | usually | may be | |", "|---|---|---|---|---|"]
    for cls in METHODS.values():
        fields = [f for f in dataclasses.fields(cls) if f.name != "preset"]
        lines += [f"| {cls.label} | `{f.name}` | {usually(f)} | {allowed(f)} | {f.metadata['about']} |" for f in fields]
    return "\n".join(lines) + "\n"


def usually(field):
    value = unmarked(field.default)
    if isinstance(value, tuple):
        return f"{value[0]}-{value[1]} of 32 layers"
    return "the model's" if value is None else str(value).lower()


def allowed(field):
    limits = field.metadata.get("allowed")
    if limits is bool:
        return "true, false"
    if limits is None:
        return "layers" if field.name == "layers" else "a list"
    low, high = limits
    layer = field.metadata.get("layer", False)
    return "a layer" if layer else f"{low} to {high}" if high <= 1 << 20 else f"{low} or more"


def updated(text):
    return BLOCK.sub(lambda _: table(), text)


if __name__ == "__main__":
    FILE.write_text(updated(FILE.read_text(encoding="utf-8")), encoding="utf-8")
