"""The desks of one page: what answers its events, over the models and pictures that it offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from viz.page import cost
from viz.page import zerogpu as border
from viz.page.altering import Altering
from viz.page.answering import Answering
from viz.page.arriving import Arriving
from viz.page.asking import Asker
from viz.page.choosing import Choosing
from viz.page.knocking import Knocking
from viz.page.knowing import Knowing
from viz.page.library import FirstAnswer, Library
from viz.page.models import Models
from viz.page.offers import Offers
from viz.page.pictures import Pictures
from viz.page.screen import Screen
from viz.page.surviving import Surviving
from viz.page.trying import Trying
from viz.viewer.contract import Knocks


class Desks:
    """One of each. What they know of a visitor is in the visitor's `Session`, which every event brings along."""

    def __init__(self, models: Models, library: Library, first: FirstAnswer):
        if first.model in models.cards:  # then it can be worked out again
            first = replace(first, payload={**first.payload, "knocks": _knocks(first.payload)})
        self.models, self.library, self.first = models, library, first
        self.offers, self.asker, self.pictures = Offers(models), Asker(models), Pictures(library)
        self.knowing = Knowing(models)
        self.screen = Screen(self.offers, library, first)
        self.choosing = Choosing(self.offers, first, self.screen)
        self.answering = Answering(self.asker, library, first, self.pictures, self.screen)
        self.knocking = Knocking(self.asker, self.answering)
        self.surviving = Surviving(self.asker, self.answering)
        self.altering = Altering(self.asker, self.answering)
        self.trying = Trying(self.answering, self.choosing)
        self.arriving = Arriving(library, self.pictures, self.screen, self.choosing, self.answering)


def _knocks(payload: Mapping[str, Any]) -> Knocks:
    """Of the example, whose time nobody has taken."""
    texts = [method["text"] for method in payload.get("methods", ())]
    named = cost.named(texts, [item["name"] for item in payload.get("objects", ())])
    return {"seconds": 0.0, "itself": not border.ZERO_GPU, "named": named, "whole": 0.0}
