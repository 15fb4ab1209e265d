"""What a visitor's page shows: payloads of results, and the last one with a few words changed.

It asks no model. Wrong input ends as one sentence in the payload's `error`, with the last result still on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from clvs_core.methods import spec
from clvs_core.models.prompts import CHAT, presets
from viz.page import limits, links, objects
from viz.page import zerogpu as border
from viz.page.asking import Answer
from viz.page.cost import knocks
from viz.page.library import FirstAnswer, Library
from viz.page.offers import Offers
from viz.page.seen import add
from viz.page.session import Budget, Result, Session, Shown
from viz.viewer.payload import Comparison, build, keys
from viz.viewer.view import There, View

GONE = "This answer is no longer kept here; press Run to ask again."


class Screen:
    """Makes payloads and keeps each visitor's last one in the session."""

    def __init__(self, offers: Offers, library: Library, first: FirstAnswer):
        self.offers, self.models, self.library, self.first = offers, offers.models, library, first
        self.budget = Budget(limits.MAX_KEPT)

    # --- a few words changed --------------------------------------------------------------------------------------

    def show(self, session: Session, **changes: Any) -> dict[str, Any]:
        """What is on the page now, with a few words changed: nothing jumps, nothing is lost.

        What is running is never a recorded answer (`viz.page.recorded.replaying`): then that gives way. A session that
        has shown nothing yet may be that of a page which shows an answer of an earlier one: it changes nothing but the
        parts named in `stays`.
        """
        if changes.get("status") == "running" and "recorded" in (session.payload or ()):
            self.live(session)
        before = session.payload or {**self.first.payload, "stays": []}
        payload = {**before, "halts": False, **changes}
        if "stays" in before:
            payload["stays"] = sorted({*before["stays"], "status", "halts", *changes})
        if payload["status"] == "running" and "status" not in changes:
            payload["status"] = "done"
        session.payload = payload
        return dict(payload)

    def fail(self, session: Session, error: str | Exception) -> dict[str, Any]:
        """The page as it is, with a sentence about what cannot be."""
        words = error if isinstance(error, str) else sentence(error)
        return self.show(session, status="done", progress="", error=words)

    def live(self, session: Session, shown: Shown | None = None) -> dict[str, Any]:
        """Puts the visitor's last answer, or what the page began with, in place of a recorded one.

        shown: what the page showed before the recorded one; if that is gone, the example comes with a sentence.
        """
        last = session.result
        if last and last.runs:
            session.payload = self.payload(session, last)
            return dict(session.payload)
        session.payload = self.first.payload
        if shown and shown.run:
            return self.fail(session, f"{GONE} This is the example that the page begins with.")
        return dict(session.payload)

    # --- results --------------------------------------------------------------------------------------------------

    def keep(self, session: Session, ticket: int, result: Result, status: str = "done", progress: str = "") -> Any:
        """What to show of a result, which becomes the visitor's last one, unless the ticket is no longer current."""
        payload = self.payload(session, result, status, progress)
        if not session.current(ticket):
            return gr.skip()
        session.result, session.payload = result, payload
        if result.finished:
            self.budget.keep(session, result)
        return dict(payload)

    def payload(self, session: Session, result: Result, status: str = "done", progress: str = "") -> dict[str, Any]:
        """The viewer's payload of a result, finished or not, with the permalink beside it."""
        id = result.id if result.runs else f"{result.id}-waiting"  # a link's layer is set once there are layers
        view, unopened = self._within(result, session.view)
        comparison = self.comparison(result, view=view, unopened=unopened, status=status, progress=progress, id=id)
        more: dict[str, Any] = {**self._links(result), "offer": self._offer(result), "run": result.run}
        if session.tries is not None and session.tries.of(result.id, result.methods):
            more["tries"] = session.tries.told
        more |= {"expected": self.library.expected(result.picture.path, result.question), "knocks": knocks(result)}
        return add(build(comparison), result.seen, objects.named(result), objects.called(result)) | more

    def example(self, session: Session, view: View, unopened: Sequence[str]) -> dict[str, Any]:
        """What the page begins with, seen as a link says."""
        session.interrupt()
        first = self.first.payload
        there = There(
            first["layers"],
            first["heads"],
            max(len(method["tokens"]) for method in first["methods"]),
            [method["key"] for method in first["methods"]],
            [item["name"] for item in first["objects"]],
            (first["image"]["w"], first["image"]["h"]),
        )
        view, more = view.within(there)
        notes = [*_unopened([*unopened, *more]), *first["notes"]]
        session.payload = {**first, "view": view.whole(), "notes": notes}
        return dict(session.payload)

    def _within(self, result: Result, view: View | None) -> tuple[View | None, list[str]]:
        """What there is of a link's view in its answer, and the spelling of the rest."""
        if not result.runs or view is None:
            return None, []
        size = result.views.width, result.views.height
        heads = result.runs[0].trace.attention.shape[2]
        tokens = max(len(run.tokens) for run in result.runs) if result.finished else None
        there = There(
            result.layers,
            heads,
            tokens,
            keys([method.name for method in result.methods]),
            [o.name for o in result.seen.objects],
            size,
        )
        return view.within(there)

    def comparison(self, result: Result, unopened: Sequence[str] = (), **more: Any) -> Comparison:
        """What the viewer is to show of a result. unopened: of the link's view. more: other parts of the comparison."""
        return Comparison(
            result.runs,
            result.picture.url,
            views=result.views,
            methods=result.methods,
            label=self.models.cards[result.settings.model].label,
            question=result.question,
            notes=[*_unopened([*result.unopened, *unopened]), *self._notes_of_all(result)],
            absent=objects.absent(result, self.library.categories(result.picture.path)),
            **more,
        )

    def progressed(self, result: Result, answer: Answer) -> Result:
        """The result with what has come of the answer."""
        if (result.views, result.tokens) != (answer.views, answer.tokens):
            seen = result.picture.seen_by(answer.views)
            result = replace(result, views=answer.views, layers=answer.layers, seen=seen, tokens=answer.tokens)
            result = replace(result, notes=self._notes(result, answer.unknown))
        return replace(result, runs=answer.runs)

    def _notes_of_all(self, result: Result) -> list[str]:
        """What has to be said of an answer, and of its methods on this model."""
        known = self.models.cards[result.settings.model].method_notes
        labels = {part.name: part.label for method in result.methods for part in method.parts}
        of_methods = [f"{label}: {known[name]}" for name, label in labels.items() if name in known]
        return [*filter(None, [result.remark]), *result.notes, *of_methods]

    def _notes(self, result: Result, unknown: Sequence[str]) -> list[str]:
        card = self.models.cards[result.settings.model]
        notes = []
        if result.settings.prompt != CHAT:
            notes.append(f"Prompt: {presets(card.family).get(result.settings.prompt, result.settings.prompt)}.")
        if result.tokens < result.settings.tokens:
            notes.append(f"Answers end after {result.tokens} tokens here: maps of more would not fit into memory.")
        if unknown:
            words = ", ".join(word[:40] for word in unknown[:12])
            notes.append(f"The demo model does not know: {words}.")
        if notice := result.views.notice():
            notes.append(f"{notice}; what is hatched it never sees.")
        if card.note and not self.library.is_bundled(result.picture.path):
            notes.append(card.note)
        return notes

    def _offer(self, result: Result) -> dict[str, Any] | None:
        """What to use for a visitor's own picture where the model was not made for such pictures, once it answered."""
        able = self.models.cards[result.settings.model].photographs
        if able or not result.runs or self.library.is_bundled(result.picture.path):
            return None
        return self.offers.for_photographs()

    def _links(self, result: Result) -> dict[str, str]:
        """The payload's link, which means nothing elsewhere with a visitor's picture or a model in a folder, and what
        asks again in this place."""
        scene = self.library.at(result.picture.path)
        settings = result.settings
        link = links.Link(
            "" if scene is None else scene.name,
            result.question,
            tuple(map(spec, result.methods)),
            None if settings.model == self.models.default else settings.model,
            settings.tokens,
            prompt=None if settings.prompt == CHAT else settings.prompt,
        )
        again = links.query(link)
        elsewhere = scene in self.library.scenes and links.is_model(self.models.source(settings.model))
        return {"link": again if elsewhere else "", "again": again}


def _unopened(parts: Sequence[str]) -> list[str]:
    """The sentence about what of a link is not here, if anything is not."""
    return [f"Of the link, this could not be opened: {', '.join(parts)}."] if parts else []


def sentence(error: Exception) -> str:
    """What a visitor is told of an error."""
    return str(border.for_visitors(error))
