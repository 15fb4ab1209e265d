"""What a page says of a model under its title: its size, what it knows, and what methods do to its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clvs_core.models.registry import ModelCard
from viz.page.offers import count

REPORT = "report.json"  # in a model's folder: what `assets.recipes.report` measured of it


@dataclass(frozen=True)
class Effect:
    """What CLVS does to a model's answers to fresh questions.

    without, smoothed: shares that are right, as the model is and with CLVS. interval: of their difference, 95 %.
    """

    without: float
    smoothed: float
    interval: tuple[float, float]
    questions: int

    @property
    def sentence(self) -> str:
        """What the numbers come to; a difference that chance may have made is none."""
        low, high = self.interval
        if high < 0:
            return "CLVS does not help this model"
        return "CLVS helps this model" if low > 0 else "CLVS changes this model's answers no more than chance would"

    @property
    def numbers(self) -> str:
        """The numbers themselves, in a sentence."""
        low, high = (f"{100 * bound:+.1f}".replace("-", "\u2212") for bound in self.interval)
        return (
            f"Of {self.questions:,} fresh questions it answers {100 * self.without:.1f} % right as it is and "
            f"{100 * self.smoothed:.1f} % with CLVS; the difference lies between {low} and {high} percentage points, "
            "with 95 % certainty."
        )


def effect(source: str) -> Effect | None:
    """What was measured of the model in a folder; None where nothing was, or for one of the hub."""
    try:
        report = json.loads((Path(source) / REPORT).read_text(encoding="utf-8"))
        found = report["clvs"]["types"]["all"]
        low, high = found["interval"]
        return Effect(float(found["vanilla"]), float(found["clvs"]), (float(low), float(high)), int(found["of"]))
    except (OSError, ValueError, KeyError, TypeError):  # it is anybody's folder
        return None


def facts(card: ModelCard, source: str, drawn: Sequence[str]) -> dict[str, Any]:
    """What the page's header shows of a model. drawn: kinds of objects in the bundled scenes."""
    measured = effect(source if Path(source).is_dir() else card.source)
    return {
        "weights": count(card.size.parameters) if card.size else "",
        "objects": [] if card.photographs else list(drawn),
        "effect": [measured.sentence, measured.numbers] if measured else [],
    }
