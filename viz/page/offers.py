"""What a page offers of its models: the menu, what is to be known before a download, what suits this machine."""

from __future__ import annotations

from typing import Any

from clvs_core.models import download, memory
from clvs_core.models.hub import downloaded
from clvs_core.models.recommend import Recommendation, duration, measure, recommend, seconds
from viz.page.models import Models

AT_ONCE = 4 * 10**9  # bytes: a model of no more is loaded with one click


class Offers:
    """Speaks of the models, for visitors and for the owner."""

    def __init__(self, models: Models):
        self.models = models

    def menu(self, name: str, status: str = "") -> dict[str, Any]:
        """What the model menu shows: the chosen name, a line about each model, and how far loading is.

        The model for this machine comes first, with `advice`; `asks` says that `facts` are to be confirmed before.
        """
        best = self.recommended()
        first = best.card.name if best else ""
        rows = [self._row(each) for each in sorted(self.models.cards, key=lambda each: each != first)]
        if best:
            rows[0]["advice"] = f"Recommended for this machine: {best.reason}"
        return {"name": name, "status": status, "rows": rows}

    def _row(self, name: str) -> dict[str, Any]:
        card, ready = self.models.cards[name], self.models.ready(name)
        about, asks = ["loaded"] if ready else [], self.asks(name)
        if card.size:
            about += [count(card.size.parameters), memory.gigabytes(self.models.needed(card))]
            if not ready and not downloaded(card):
                about.append(f"downloads {memory.gigabytes(_download(card))}")
        if card.paper:
            about.append("in the CLVS paper")
        words = {"label": card.label, "about": ", ".join(about), "reason": self.models.reason(name)}
        return {"name": name, **words, "advice": "", "asks": asks}

    # --- which one to use here ------------------------------------------------------------------------------------

    def recommended(self) -> Recommendation | None:
        """The model to use on its owner's machine; None on a page for others, whose owner has chosen already."""
        if not self.models.own:
            return None
        places, kept = memory.places(self.models.precision.device), self.models.precision.kept()
        device = max(places, key=lambda place: place.total).device
        return recommend(places, self.models.cards.values(), kept, lambda: measure(device, kept), self.models.spare())

    def asks(self, name: str) -> bool:
        """Whether choosing a model is to be confirmed first: it would be downloaded, or takes its time to be read."""
        card = self.models.cards[name]
        if self.models.ready(name) or card.size is None:
            return False
        return self._downloads(card) or self.models.needed(card) > AT_ONCE

    def _downloads(self, card: Any) -> bool:
        return self.models.own and not downloaded(card)

    def facts(self, name: str) -> dict[str, Any]:
        """What is to be known of a model before it is loaded: {name, label, downloads, facts: (what, text) pairs}.

        ModelError when there is no room for it.
        """
        self.models.refuse(name)
        card = self.models.cards[name]
        downloads = self._downloads(card)
        facts = [
            ("Licence", card.licence + (", to be accepted on its page first" if card.gated else "")),
            *(self._to_download(card) if downloads else ()),
            ("Memory", self._memory(card)),
            ("First answer", self._time(card)),
        ]
        facts = [pair for pair in facts if pair[1]]
        return {"name": name, "label": card.label, "downloads": downloads, "facts": facts}

    def _to_download(self, card: Any) -> list[tuple[str, str]]:
        come = download.kept(card.source)
        size = _download(card)
        download.check_disk(size - come)
        has = f", of which {memory.gigabytes(come)} have come already" if come > 10**8 else ""
        room = memory.gigabytes(download.room())
        return [
            ("Download", f"{memory.gigabytes(size)} from huggingface.co/{card.source}{has}"),
            ("Kept in", f"{download.cache()}, where {room} are free"),
        ]

    def _memory(self, card: Any) -> str:
        needed = memory.gigabytes(self.models.needed(card))
        return f"{needed}; the model that is loaded makes room for it" if self.models.own else needed

    def _time(self, card: Any) -> str:
        """The estimated time of a first answer, "" where nothing is known of the model's parts."""
        device = memory.places(self.models.precision.device)[0].device
        took = seconds(card, self.models.precision.kept(), measure(device, self.models.precision.kept()))
        return f"{duration(took)} on this machine once it is loaded (an estimate)" if took else ""

    def for_photographs(self) -> dict[str, Any]:
        """What to use where the model on the page is not made for photographs: {text}, and {name, label, asks} of one.

        text: a sentence. On a page for others only what is offered is named.
        """
        best = self.recommended()
        if best:
            size = "" if downloaded(best.card) else f", a download of {memory.gigabytes(_download(best.card))}"
            text = (
                f"For photographs, {best.card.label} suits this machine ({best.card.licence}{size}): the first answer "
                f"in {duration(best.seconds)}, by estimate."
            )
            return {"text": text, **self._offer(best.card.name)}
        able = [name for name in self.models.cards if self.models.offered(name) and self._sees(name)]
        if able:
            name = max(able, key=lambda name: (self.models.ready(name), self.models.cards[name].parameters or 0))
            return {"text": f"For photographs, choose {self.models.cards[name].label}.", **self._offer(name)}
        if self.models.own:
            return {"text": "For photographs, a larger model is needed than this machine can run."}
        return {"text": "For photographs, whoever runs this page can offer a larger model, e.g. --model llava-1.5-7b."}

    def _sees(self, name: str) -> bool:
        return self.models.cards[name].photographs and not self.models.reason(name)

    def _offer(self, name: str) -> dict[str, Any]:
        return {"name": name, "label": self.models.cards[name].label, "asks": self.asks(name)}


def _download(card: Any) -> int:
    """Bytes of a card's weights on the hub, where such checkpoints are published in 16 bits."""
    return card.size.weights("bfloat16")


def count(billions: float) -> str:
    """A number of parameters for people, e.g. "7.1 billion weights"."""
    if billions < 1:
        return f"{billions * 1000:.0f} million weights"
    return f"{billions:.1f} billion weights"
