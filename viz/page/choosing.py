"""Model, methods and prompt: what the page's controls offer, and what changes when another model is chosen."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from clvs_core.errors import ClvsError, Stopped
from clvs_core.methods import METHODS, Combine, spec
from clvs_core.methods.settings import explicit, schema, unset
from clvs_core.models.prompts import CHAT, presets
from viz.page import events, limits
from viz.page.library import FirstAnswer
from viz.page.offers import Offers
from viz.page.screen import Screen
from viz.page.session import Session, Settings

NOT_YOURS = "Only who runs this page, at the machine it runs on, can load another model."


class Choosing:
    """What the controls offer for a model, and the events of the model menu."""

    def __init__(self, offers: Offers, first: FirstAnswer, screen: Screen):
        self.offers, self.models, self.first, self.screen = offers, offers.models, first, screen

    # --- what the controls offer ----------------------------------------------------------------------------------

    def defaults(self, name: str) -> Settings:
        """The controls' starting values for a model."""
        return Settings.of(self.models.cards[name])

    def controls(self, settings: Settings) -> tuple[Any, ...]:
        """Values of the page's controls, in their order."""
        model, methods, *others = settings.values
        return model, self.picker(model, methods), *others

    def picker(self, name: str, specs: Sequence[str]) -> dict[str, Any]:
        """What the method picker shows for a model, with these methods picked.

        {limit, methods: what `clvs_core.methods.settings` says of each, and what the card notes of it, specs, entries:
        [[{name, set}, ...], ...] what is picked: the parts of each method, a single one having one, with the settings
        that its spec names}.
        """
        picked = limits.methods(specs)
        entries = [[{"name": part.name, "set": explicit(part)} for part in method.parts] for method in picked]
        return self._menu(name) | {"specs": list(map(spec, picked)), "entries": entries}

    def _menu(self, name: str) -> dict[str, Any]:
        card, depth = self.models.cards[name], self.depth(name)
        methods = [schema(cls, card, depth) | {"note": card.method_notes.get(cls.name, "")} for cls in METHODS.values()]
        return {"limit": limits.MAX_METHODS, "methods": methods}

    def prompts(self, *names: str) -> list[tuple[str, str]]:
        """What the prompt menu offers for these models: label and name."""
        labels: dict[str, str] = {}
        for name in names:
            labels |= presets(self.models.cards[name].family)
        return [(label, prompt) for prompt, label in labels.items()]

    def depth(self, name: str) -> int | None:
        """How many layers a model has: known once it is loaded, and for the first answer's model."""
        if self.models.ready(name):
            return self.models.get(name).layers
        return self.first.layers if name == self.first.model else None

    def fit(self, session: Session, name: str, specs: Sequence[str]) -> Any:
        """After a run the model's depth is known: layers can be chosen up to it. specs: what is picked stays picked."""
        depth = self.depth(name) if name in self.models.cards else None
        if depth is None or session.fitted == (name, depth):
            return gr.skip()
        session.fitted = (name, depth)
        return self._menu(name) | {"specs": specs}

    # --- another model --------------------------------------------------------------------------------------------

    def choose_model(
        self, session: Session, current: str, specs: Sequence[str], event: gr.EventData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """A line of the model menu was picked: as `switch_model`, for those who may load it."""
        name = events.text(event, "name")
        if self._forbidden(name, request):
            yield self.screen.fail(session, NOT_YOURS), *events.unchanged(3)
            return
        yield from self.switch_model(session, name, current, specs)

    def ask_first(self, session: Session, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """A model was picked that has to be downloaded: what is to be confirmed, or a sentence why it cannot be."""
        name = events.text(event, "name")
        if name not in self.models.cards or not self.offers.asks(name):
            return gr.skip(), gr.skip()
        if self._forbidden(name, request):
            return self.screen.fail(session, NOT_YOURS), gr.skip()
        try:
            facts = self.offers.facts(name)
        except Exception as error:
            return self.screen.fail(session, error), gr.skip()
        return gr.skip(), facts | {"asked": uuid.uuid4().hex}  # the browser takes no notice of what it has already

    def _forbidden(self, name: str, request: gr.Request) -> bool:
        return name in self.models.cards and not self.models.offered(name) and not limits.is_owner(request)

    def switch_model(
        self, session: Session, name: str, current: str = "", specs: Sequence[str] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Another model was chosen: loads it, then sets the picked methods to what its card recommends.

        current, specs: the model and the methods on the page, which stay as they are if this cannot be done.
        """
        ticket = session.interrupt()
        if name not in self.models.cards:
            refusal = "This model is not offered here; choose one of the list."
            yield self.screen.fail(session, refusal), *events.unchanged(3)
            return
        session.switching = stop = threading.Event()
        current = current if current in self.models.cards else self.models.default
        yield self._loading(session, ticket, current, f"Loading {self.models.cards[name].label}…")
        try:
            for progress in self.models.switch(name, stop):
                yield self._loading(session, ticket, current, progress)
            outputs = self._switched(session, ticket, name, self.models.get(name).target, specs)
        except Exception as error:
            shown = self._not_switched(session, ticket, error)
            outputs = shown, gr.skip(), self.offers.menu(current), gr.skip()
        finally:
            session.switching = None
        yield outputs

    def _loading(self, session: Session, ticket: int, current: str, progress: str) -> tuple[Any, ...]:
        """What the page shows while another model comes."""
        mine = session.current(ticket)
        shown = self.screen.show(session, status="running", progress=progress, halts=True) if mine else gr.skip()
        return shown, gr.skip(), self.offers.menu(current, progress), gr.skip()

    def _not_switched(self, session: Session, ticket: int, error: Exception) -> Any:
        """What the page shows where another model could not be loaded, or was stopped."""
        if not session.current(ticket):
            return gr.skip()
        if isinstance(error, Stopped):
            return self.screen.show(session, status="done", progress=str(error))
        return self.screen.fail(session, error)

    def _switched(self, session: Session, ticket: int, name: str, target: Any, specs: Sequence[str]) -> tuple[Any, ...]:
        """What the page shows once a model is there."""
        methods, left_out = _taken_along(specs, target)
        session.fitted = (name, target.layers)
        progress = f"{self.models.cards[name].label} is ready: press Run."
        if left_out:
            progress += f" It cannot be asked with {' and '.join(left_out)}."
        shown = self.screen.show(session, progress=progress, offer=None) if session.current(ticket) else gr.skip()
        prompt = gr.update(choices=self.prompts(name), value=CHAT)
        return shown, self.picker(name, methods or self.defaults(name).methods), self.offers.menu(name), prompt


def _taken_along(specs: Sequence[str], target: Any) -> tuple[list[str], list[str]]:
    """Methods taken along to another model with its settings, and the labels of those it cannot run."""
    kept: dict[str, None] = {}
    left_out: list[str] = []
    try:
        picked = limits.methods(specs)
    except ClvsError:  # nothing that this page could have sent
        return [], []
    for method in picked:
        try:
            parts = [unset(type(part), part.preset) for part in method.parts]
            usual = parts[0] if len(parts) == 1 else Combine(*parts)
            usual.resolve(target)
        except ValueError:
            left_out.append(method.label)
        else:
            kept[spec(usual)] = None
    return list(kept), left_out
