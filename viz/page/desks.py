"""The desks of one page: what answers its events, over the models and pictures that it offers."""

from __future__ import annotations

from dataclasses import replace

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
from viz.page.trying import Trying


class Desks:
    """One of each. What they know of a visitor is in the visitor's `Session`, which every event brings along."""

    def __init__(self, models: Models, library: Library, first: FirstAnswer):
        if first.model in models.cards:  # then it can be worked out again
            knocks = {"seconds": 0.0, "itself": not border.ZERO_GPU}
            first = replace(first, payload={**first.payload, "knocks": knocks})
        self.models, self.library, self.first = models, library, first
        self.offers, self.asker, self.pictures = Offers(models), Asker(models), Pictures(library)
        self.knowing = Knowing(models)
        self.screen = Screen(self.offers, library, first)
        self.choosing = Choosing(self.offers, first, self.screen)
        self.answering = Answering(self.asker, library, first, self.pictures, self.screen)
        self.knocking = Knocking(self.asker, self.answering)
        self.altering = Altering(self.answering)
        self.trying = Trying(self.answering, self.choosing)
        self.arriving = Arriving(library, self.pictures, self.screen, self.choosing, self.answering)
