"""What `ask` prints for people: `results.report` as a table, layers from 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..models.prompts import CHAT
from ..text import line

WIDE = 120  # characters of a line, beyond which columns are numbered, and then groups of them stand below each other
LONG = 48  # characters of a method's settings in a numbered list
KOA, GAIN, UNCERTAINTY = "key-object attention", "gain (unclipped)", "uncertainty"


def table(report: dict[str, Any], step: int) -> str:
    """The report for people: answers, then one line a layer for the chosen token."""
    numbered = {str(n): method for n, method in enumerate(report["methods"], 1)}
    named = {method["method"]: method for method in report["methods"]}
    layers = next(len(m["uncertainty"][step]) for m in report["methods"] if step < len(m["tokens"]))
    groups = _groups(named, step)
    listed = len(named) == len(numbered) and _width(groups) <= WIDE
    methods = named if listed else numbered
    groups = groups if listed else _groups(numbered, step)
    lines = [*_heading(report), "", *_answers(methods), "", f"Token {step + 1}, layer by layer"]
    for block in [groups] if _width(groups) <= WIDE else [{title: group} for title, group in groups.items()]:
        lines += _columns(block, layers)
    if any("*" in cell for cells in groups[UNCERTAINTY].values() for cell in cells):
        lines += ["* smoothing stops after this layer"]
    shown = {name: m for name, m in methods.items() if step < len(m["tokens"])}
    lines += [""] + [f"{name}: {_summary(m, step)}" for name, m in shown.items() if "summary" in m]
    lines += [f"{name}: {act}" for name, m in shown.items() for act in _did(m, step)]
    return "\n".join(lines).rstrip("\n")


def _heading(report: dict[str, Any]) -> list[str]:
    image = report["image"]
    x0, y0, x1, y1 = image["seen"]
    part = (x1 - x0) * (y1 - y0) / (image["width"] * image["height"])
    lines = [
        f"Picture     {line(image['file'])}, {image['width']} x {image['height']} pixels, "
        f"{part:.0%} of it seen by the model",
        f"Question    {line(report['question'])}",
    ]
    if report["prompt"] != CHAT:
        lines.append(f"Prompt      {report['prompt']}")
    key = report["key_object"]
    if key:
        where = f"{key['area']:.1%} of the picture, {key['seen']:.0%} of it seen"
        lines.append(f"Key object  {', '.join(map(line, key['names']))} ({where})")
    return lines


def _answers(methods: dict[str, dict[str, Any]]) -> list[str]:
    """One line a method; under numbers, its settings as far as there is room."""
    titles = {name: name if name == m["method"] else f"{name}  {_short(m['method'])}" for name, m in methods.items()}
    width = max(map(len, titles.values()))
    lines = []
    for name, answer in methods.items():
        chances = " ".join(f"{t['probability']:.2f}" for t in answer["tokens"])
        unfinished = "" if answer["finished"] else " ..."
        lines.append(f"{titles[name]:<{width}}  {line(answer['text'])}{unfinished}  (probabilities {chances})")
    return lines


def _short(text: str) -> str:
    return text if len(text) <= LONG else text[: LONG - 3] + "..."


Groups = dict[str, dict[str, list[str]]]


def _groups(methods: dict[str, dict[str, Any]], step: int) -> Groups:
    """Title -> method -> one cell a layer."""
    groups: Groups = {KOA: {}, GAIN: {}, UNCERTAINTY: {}}
    for name, method in methods.items():
        if step >= len(method["tokens"]):
            continue
        if "key_object_attention" in method:
            groups[KOA][name] = [f"{v:.4f}" for v in method["key_object_attention"][step]]
        if step < len(method.get("relative_gain", [])):
            gains = method["relative_gain"][step]["unclipped"]
            groups[GAIN][name] = ["new" if v is None else f"{v:+.1f}%" for v in gains]
        cells = ["-" if v is None else f"{v:.3f}" for v in method["uncertainty"][step]]
        stop = method["stop_layer"][step]
        groups[UNCERTAINTY][name] = [f"{c}{'*' if n == stop else ' '}" for n, c in enumerate(cells)]
    return {title: columns for title, columns in groups.items() if columns}


def _width(groups: Groups) -> int:
    """Characters of the lines that `_columns` makes of these groups."""
    blocks = (sum(_cell(name, cells) for name, cells in columns.items()) for columns in groups.values())
    return 5 + sum(max(block, len(title) + 2) + 2 for title, block in zip(groups, blocks, strict=True))


def _cell(name: str, cells: Iterable[str]) -> int:
    return max(len(name), *map(len, cells)) + 2


def _columns(groups: Groups, layers: int) -> list[str]:
    """The groups side by side, right-aligned, under two lines of headings."""
    titles, names, rows = "     ", "layer", [f"{layer + 1:>5}" for layer in range(layers)]
    for title, columns in groups.items():
        block, blocks = "", [""] * layers
        for name, cells in columns.items():
            width = _cell(name, cells)
            block += name.rjust(width)
            blocks = [done + cell.rjust(width) for done, cell in zip(blocks, cells, strict=True)]
        width = max(len(block), len(title) + 2) + 2
        titles, names = titles + title.rjust(width), names + block.rjust(width)
        rows = [row + done.rjust(width) for row, done in zip(rows, blocks, strict=True)]
    return [titles, names, *map(str.rstrip, rows)]


def _summary(method: dict[str, Any], step: int) -> str:
    """Peak and decay of the curve in words, and the mean gain as the paper reports it."""
    summary = method["summary"][step]
    parts = [f"peak {summary['peak']:.4f} at layer {summary['peak_layer'] + 1}"]
    if summary["half_layer"] is not None:
        parts.append(f"less than half from layer {summary['half_layer'] + 1}")
    if summary["decay"] is not None:
        parts.append(f"{summary['decay']:.0%} lost by the last layer")
    if step < len(method.get("relative_gain", [])):
        mean = float(np.mean(method["relative_gain"][step]["clipped"]))
        parts.append(f"mean gain {mean:+.1f}% (each layer clipped at 100%)")
    return ", ".join(parts)


def _did(method: dict[str, Any], step: int) -> list[str]:
    """What a method did to this token besides: sinks, heads, the word behind its contrast."""
    lines = []
    if "sinks" in method:
        lines.append(_counted(method["sinks"][step], "sink token", "of the picture"))
    if "acted_heads" in method:
        what = "gave sinks' attention away" if "sinks" in method else "silenced"
        lines.append(_counted(method["acted_heads"][step], "head", what))
    if "contrast" in method:
        token = method["tokens"][step]["id"]
        for word in (word for word in method["contrast"][step] if word["id"] == token):
            lines.append(
                f"{line(word['text'])!r} {word['picture']:.2f} likely behind the picture, {word['contrast']:.2f} "
                f"behind the contrast, {word['outcome']:.2f} in the outcome"
            )
    return lines


def _counted(numbers: Sequence[int], what: str, which: str) -> str:
    """ "12 heads silenced, in layers 7 (4), 8 (8)"."""
    places = [f"{layer} ({number})" for layer, number in enumerate(numbers, 1) if number]
    if not places:
        return f"no {what} {which}"
    several = f"{sum(numbers)} {what}{'' if sum(numbers) == 1 else 's'} {which}"
    return f"{several}, in layer{'s' if len(places) > 1 else ''} {', '.join(places)}"
