"""The tables that the CLVS paper prints (arXiv 2509.12897), and in what a run departs from how they were made.

paper_tables.json has every number as printed: percent, MME's 0 to 200 a task. Three names are readings: LLaVA-Next and
Qwen2.5-VL have no size there (the registry says which checkpoints are taken); the ablation names no model (its first
row is LLaVA-1.5-7B's of table 1); and the appendix has "LLaVA-v1.5" (7B is taken). Qwen2.5-VL's F1 of 89.2 in the
appendix (Vanilla, random) is table 3's 89.15 rounded once more: its answers score 89.1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...labels import GREEK, SWITCHES
from ...methods import CLVS, Method
from ...methods.base import PaperLayers
from ...models.prompts import parse
from ...models.registry import card_for
from ..benchmark import Benchmark
from ..parsers import PAPER
from ..question import Question
from ..sets.pope import CATEGORIES, SOURCES

FILE = Path(__file__).with_name("paper_numbers.json")
MODEL = "LLaVA-1.5-7B"  # whose numbers stand beside those of a model that the paper does not have

# How many questions the paper's numbers are of; R-Bench's subset 1 with its repeated ids or without.
ASKED: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "amber": {"Existence": (4924,), "Attribute": (7628,), "Relation": (1664,)},
    "rbench": {"All": (5498, 5449)},
    "pope": dict.fromkeys(CATEGORIES, (9000,)),
    "mme": {"existence": (60,), "count": (60,), "position": (60,), "color": (60,), "OCR": (40,)},
}
DTYPES = {"llava": "float16", "llava_next": "bfloat16", "qwen2_5_vl": "bfloat16"}  # of the paper's scripts, by family
# Switches that are usually on, and what a method without them is called.
OFF = {name: off for name, (_, off) in SWITCHES.items() if off}
_COUNTED = {1: "one", 2: "two", 3: "three"}


@dataclass(frozen=True)
class PaperTable:
    """One table. columns: (group, metric) as official scores name them; values: by model and method, one a column."""

    name: str
    title: str
    benchmark: str
    decimals: int
    columns: Sequence[tuple[str, str]]
    values: Mapping[str, Mapping[str, Sequence[float]]]

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(group for group, _ in self.columns))


@cache
def _read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def paper_tables() -> list[PaperTable]:
    """In the paper's order."""
    return [
        PaperTable(name, columns=[(group, metric) for group, metric in table.pop("columns")], **table)
        for name, table in ((name, dict(table)) for name, table in _read()["tables"].items())
    ]


def paper_models() -> dict[str, str]:
    """The paper's names of its models -> the names of our cards."""
    return dict(_read()["models"])


def paper_model(name: str) -> str | None:
    """What the paper calls the model of that name, hub id or folder; None for one that it does not have."""
    card = card_for(name).name
    return next((model for model, ours in paper_models().items() if ours == card), None)


def beta(model: str) -> float:
    """CLVS's beta in the paper's runs of that model."""
    return float(card_for(paper_models()[model]).paper_settings["clvs"]["beta"])


# --- what departs -------------------------------------------------------------------------------------


def departures(
    benchmark: Benchmark,
    about: Mapping[str, Any],
    questions: Sequence[Question],
    parser: str,
    model: str,
    groups: Iterable[str],
) -> list[str]:
    """In what a run is not as the paper's runs of `model` were, a few words each. about: its run.json.

    groups: those of the table; what was not asked at all is left to the caller.
    """
    return [*_asked_apart(benchmark, about, questions, set(groups)), *_run_apart(benchmark, about, parser, model)]


def _asked_apart(
    benchmark: Benchmark, about: Mapping[str, Any], questions: Sequence[Question], groups: set[str]
) -> list[str]:
    found = []
    sources = [source for source in SOURCES if any(question.source == source for question in questions)]
    if benchmark.name == "pope" and 0 < len(sources) < len(SOURCES):
        number = f"{_COUNTED[len(sources)]} source{'s' * (len(sources) > 1)} of three"
        found.append(f"{number} ({', '.join(sources)})")
    if benchmark.name == "rbench" and (subset := (about.get("options") or {}).get("subset", 1)) != 1:
        found.append("all rows and not subset 1" if subset is None else f"subset {subset} and not 1")
    counts = {name: int(np.sum(mask)) for name, mask in benchmark.groups(questions).items()}
    apart: dict[tuple[int, int], list[str]] = {}
    for name, known in ASKED[benchmark.name].items():
        if groups & {name, "All", "total"} and counts.get(name) and counts[name] not in known:
            apart.setdefault((counts[name], known[0]), []).append(name)
    for (ours, theirs), names in apart.items():
        of = "" if names == ["All"] else f" of {', '.join(names)}"
        found.append(f"{ours:,} questions{of} and not {theirs:,}{' each' * (len(names) > 1)}")
    return found


def _run_apart(benchmark: Benchmark, about: Mapping[str, Any], parser: str, model: str) -> list[str]:
    family = card_for(paper_models()[model]).family
    preset, dtype, asked = PAPER[family], DTYPES[family], about["model"]
    usual = preset.parsers[benchmark.name]
    length = about["max_new_tokens"]
    return [
        *[f"parser {parser}, the paper's answers were read with {usual}"] * (parser != usual),
        *[f"prompt {about['prompt']}, the paper's was {preset.prompt}"]
        * (_same(about["prompt"], preset.prompt) is False),
        *[f"up to {length} new tokens and not {preset.max_new_tokens}"] * (length != preset.max_new_tokens),
        *[f"{asked.get('dtype')} and not {dtype}"] * (asked.get("dtype") != dtype),
        *[f"weights quantised to {asked.get('quantization')}"] * bool(asked.get("quantization")),
    ]


def settings_apart(method: Method, layers: int | None, model: str) -> list[str]:
    """Settings that are not those of the paper's runs of `model`, in words; layers: the depth of the model that ran.

    What a model's card fills in, such as heads and sink dimensions, is no setting here.
    """
    usual: dict[str, Any] = {f.name: f.default for f in fields(method) if f.name not in ("seed", "preset", *OFF)}
    usual |= {name: value.scaled(layers) for name, value in usual.items() if isinstance(value, PaperLayers) and layers}
    if isinstance(method, CLVS):
        usual |= {"beta": beta(model), "first_check": layers // 2 + 1 if layers else None}
    given = ((name, getattr(method, name, None), value) for name, value in usual.items())
    return [
        f"{in_words(name, value) or name} and not {_value(known)}"
        for name, value, known in given
        if None not in (value, known) and value != known
    ]


def in_words(name: str, value: Any) -> str:
    """("alpha", 0.5) -> "α 0.5"; "" where it goes without saying: a switch in its usual place, what is left open."""
    if name == "preset":
        return "" if value == "card" else "the paper's settings"
    if isinstance(value, bool):
        return "" if value == (name in OFF) else OFF.get(name, name.replace("_", " "))
    if value is None:
        return ""
    if name in ("heads", "dims"):
        return f"{len(value)} {name}"
    return f"{GREEK.get(name, name.replace('_', ' '))} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same(prompt: str, other: str) -> bool:
    """Whether two names are of one prompt; "one-word" is "chat+one-word"."""
    try:
        return parse(prompt) == parse(other)
    except ValueError:
        return False  # a prompt that this version does not know
