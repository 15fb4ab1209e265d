"""A picture and a question arrive: an example, a suggested question, a visitor's own picture, a permalink."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import gradio as gr

from clvs_core.errors import ClvsError
from clvs_core.models.prompts import presets
from viz.page import events, limits, links
from viz.page.answering import Answering
from viz.page.choosing import Choosing
from viz.page.library import ANYTHING, Library
from viz.page.pictures import Pictures
from viz.page.screen import Screen
from viz.page.session import Session, Settings
from viz.viewer.view import told

OPENING = "Opening the link…"
FILLED_IN = 6 + len(fields(Settings))  # as many as `explore.Page.arrived`


class Arriving:
    """Fills the page in and begins to ask. Events give the ticket last; one that stays the same runs nothing."""

    def __init__(self, library: Library, pictures: Pictures, screen: Screen, choosing: Choosing, answering: Answering):
        self.library, self.pictures, self.screen = library, pictures, screen
        self.choosing, self.answering = choosing, answering

    def choose(self, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """An example was picked: its picture, first question, questions to suggest; then as `Answering.begin`."""
        scene = self.library.named(events.text(event, "name"))
        if scene is None:
            return events.unchanged(5)
        return str(scene.path), scene.questions[0], scene.suggestions, *self.answering.begin(session)

    def example(self, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """A bundled question was picked among all of them: its picture, itself, its like; then as `Answering.begin`."""
        scene, question = self.library.named(events.text(event, "scene")), events.text(event, "question")
        if scene is None or question not in scene.questions:
            return events.unchanged(6)
        return str(scene.path), question, scene.suggestions, scene.name, *self.answering.begin(session)

    def suggest(self, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """A suggested question was picked; then as `Answering.begin`."""
        question = events.text(event, "question")
        return (question, *self.answering.begin(session)) if question else events.unchanged(3)

    def new_picture(self, session: Session, shown: str | None, question: str, event: gr.EventData) -> tuple[Any, ...]:
        """The visitor's own picture arrived: checked at once and asked about.

        A question that the visitor typed is asked again; one that the page suggested was for another picture, and what
        is in the picture is asked. Without that, the last picture's answers would look like this one's. One that cannot
        be used changes nothing but the sentence beside the picture that is shown.
        """
        name = events.data(event).get("path")
        path = self.library.sent(name)
        try:
            picture = self.pictures.open(session, None if path is None else str(path))
        except ClvsError as error:
            return gr.skip(), {"path": shown, "of": name, "error": str(error)}, *events.unchanged(4)
        session.interrupt()
        several = picture.image.info.get(limits.FIRST_OF_SEVERAL, False)
        asked = ANYTHING[0] if self.library.suggests((question or "").strip()) else gr.skip()
        arrived = {"path": str(path), "of": name, "several": several}, asked, list(ANYTHING), ""
        if not question or not question.strip():
            payload = self.screen.fail(session, "New picture: ask something about it and press Run.")
            return payload, *arrived, gr.skip()
        payload, ticket = self.answering.begin(session)
        return payload, *arrived, ticket

    def arrive(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """The page opens: a permalink fills it in, anything else leaves the first answer as it is."""
        return self.open(session, pairs(request))

    def open(
        self, session: Session, given: list[tuple[str, Any]], path: Any = None, words: str = OPENING
    ) -> tuple[Any, ...]:
        """What a link's parameters say fills the page in.

        path: of a visitor's own picture, which no link can name. words: what the page says meanwhile.
        """
        link = links.parse(given, own=path is not None, usual=self.screen.first.scene)
        if link is None:
            return events.unchanged(FILLED_IN)
        scene = self.library.named(link.scene)
        picture = self.library.sent(path) if scene is None else scene.path
        if picture is None:
            refusal = (
                f"The link names the picture {link.scene!r}, which is not here; choose another example."
                if link.scene
                else "Your own picture is no longer here; choose it again."
            )
            return self.screen.fail(session, refusal), *events.unchanged(FILLED_IN - 1)
        settings, unopened = self._settings(link)
        suggested = list(ANYTHING) if scene is None else scene.suggestions
        question = link.question or (ANYTHING if scene is None else scene.questions)[0]
        filled = str(picture), question, suggested, "" if scene is None else scene.name
        controls = self.choosing.controls(settings)
        first = self.screen.first
        if (link.scene, question, settings) == (first.scene, first.question, self.choosing.defaults(first.model)):
            return self.screen.example(session, link.view, unopened), *filled, *controls, gr.skip()
        payload = self.screen.show(session, status="running", error="", progress=words)
        ticket = session.begin()
        session.view, session.unopened = link.view, unopened
        return payload, *filled, *controls, ticket

    def _settings(self, link: links.Link) -> tuple[Settings, list[str]]:
        """The page's controls as a link says, and the spelling of what of it is not here."""
        models, name = self.choosing.models, link.model
        unopened = list(link.unread)
        if name not in models.cards or not models.offered(name):  # a link loads no other model
            unopened += [told("model", name)] if name else []
            name = models.default
        usual = self.choosing.defaults(name)
        prompt = link.prompt
        if prompt not in presets(models.cards[name].family):
            unopened += [told("prompt", prompt)] if prompt else []
            prompt = None
        settings = Settings(name, link.methods or usual.methods, link.tokens or usual.tokens, prompt or usual.prompt)
        return settings, unopened


def pairs(request: gr.Request) -> list[tuple[str, Any]]:
    """Names and texts of a request's query parameters, also of those that come several times."""
    params: Any = request.query_params
    return list(params.multi_items() if hasattr(params, "multi_items") else params.items())
