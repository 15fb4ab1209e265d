"""Recorded runs on the page: chosen like a model, shown like an answer, and not to be asked.

While a recorded answer is shown, its payload says so in `recorded`, and the browser shows the recording's pictures and
questions in place of what asks; whatever else the page shows next ends that. What the visitor had set before stays.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from clvs_core.errors import ClvsError
from clvs_core.models.prompts import CHAT
from viz.page import events, links
from viz.page.arriving import FILLED_IN, OPENING, pairs
from viz.page.desks import Desks
from viz.page.recorded.recordings import Item, Recorded, Recordings
from viz.page.session import Session, Shown
from viz.viewer.standalone import jpeg
from viz.viewer.view import View

AGAIN = "Asking this question again…"


class Replaying:
    """What happens when recordings are chosen."""

    def __init__(self, recordings: Recordings, desks: Desks):
        self.recordings, self.models = recordings, desks.models
        self.pictures, self.screen, self.arriving = desks.pictures, desks.screen, desks.arriving

    def rows(self) -> list[dict[str, str]]:
        """The recorded models for the model menu."""
        return [
            {
                "name": recorded.name,
                "label": recorded.label,
                "about": f"{_count(len(recorded.items), 'question')}, {_day(recorded)}".strip(", "),
            }
            for recorded in self.recordings.named.values()
        ]

    def state(self, name: str = "") -> dict[str, Any]:
        """What the browser shows: all recordings by name, and the pictures and questions of the one that is open."""
        shown: dict[str, Any] = {"recordings": self.rows(), "open": None}
        if recorded := self.recordings.named.get(name):
            pictures = {item.picture: item for item in reversed(recorded.items)}  # the first question's title names it
            shown["open"] = {
                "name": name,
                "why": self._why(recorded),
                "facts": _facts(recorded),
                "pictures": [
                    {"name": picture, "title": item.title, "thumbnail": recorded.thumbnail(item)}
                    for picture, item in reversed(pictures.items())
                ],
                "items": [
                    {"id": item.id, "picture": item.picture, "question": item.question} for item in recorded.items
                ],
            }
        return shown

    def open(self, session: Session, event: gr.EventData) -> tuple[Any, Any]:
        """A recording or one of its questions was chosen: desk and viewer."""
        data = events.data(event)
        choice = events.number(event, "choice")
        session.choice = max(session.choice, choice)
        recorded = self.recordings.named.get(str(data.get("recording")))
        item = None if recorded is None else recorded.item(data.get("id")) or recorded.items[0]
        return self._show(session, recorded, item, None, choice)

    def leave(self, session: Session, shown: Shown | None = None) -> tuple[Any, Any]:
        """Back to asking: the visitor's last answer, or what the page began with."""
        session.interrupt()
        return self.state(), self.screen.live(session, shown)

    def arrive(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """The page opens: a link to a recorded question shows it; the desk, and then as `Arriving.arrive`."""
        return self._arrive(session, pairs(request))

    def come_back(self, session: Session, event: gr.EventData) -> tuple[Any, ...]:
        """A visitor came back to what the page showed before: as a link; an own picture was sent again."""
        data = events.data(event)
        return self._arrive(session, links.spelled(data.get("query")), data.get("path"), AGAIN)

    def _arrive(
        self, session: Session, given: list[tuple[str, Any]], path: Any = None, words: str = OPENING
    ) -> tuple[Any, ...]:
        query = dict(given)
        if "recording" not in query:
            return gr.skip(), *self.arriving.open(session, given, path, words)
        recorded = self.recordings.named.get(str(query["recording"]))
        item = None if recorded is None else recorded.find(query.get("scene"), query.get("q"))
        return *self._show(session, recorded, item, View.read(given)[0]), *events.unchanged(FILLED_IN - 1)

    def _show(
        self, session: Session, recorded: Recorded | None, item: Item | None, view: View | None, choice: int = 0
    ) -> tuple[Any, Any]:
        if recorded is None or item is None:
            refusal = "There is no such recording here; choose another model in the menu."
            return gr.skip(), self.screen.fail(session, refusal)
        try:
            payload = self._payload(recorded, item, view)
        except Exception as error:
            return self.state(recorded.name), self.screen.fail(session, error)
        if choice < session.choice:  # another one was chosen while this one was read
            return events.unchanged(2)
        session.interrupt()
        session.payload = payload
        return self.state(recorded.name), dict(payload)

    def _payload(self, recorded: Recorded, item: Item, view: View | None) -> dict[str, Any]:
        """The recorded payload with what only this page can say: addresses, the view, and that it is recorded."""
        payload = recorded.payload(item)
        url = self.pictures.publish(jpeg(recorded.picture(item, payload)), "picture.jpg")
        link = urlencode({"recording": recorded.name, "scene": Path(item.picture).stem, "q": item.question})
        return {
            **payload,
            "id": f"{recorded.name}/{item.id}",
            "image": {**payload["image"], "url": url},
            "link": link,
            "again": link,
            "recorded": {"name": recorded.name, "id": item.id, "label": recorded.label, "rights": _rights(item)},
            "view": view.whole() if view else {},
            "progress": "",
            "error": "",
        }

    def _why(self, recorded: Recorded) -> str:
        """Why nothing can be asked here, and what to do."""
        name = recorded.about.model.id
        if name in self.models.cards and not self.models.reason(name):
            return f"Recorded on {recorded.label}: to ask it yourself, choose it in the model menu."
        option = f"--model {name}" if links.is_model(name) else "--model and this model's folder"
        return f"Recorded on {recorded.label}; it cannot be asked again here: start the app with {option} on a GPU."

    def shown(self, session: Session, shown: Shown | None = None) -> tuple[Recorded, Item] | None:
        """What of which recording is on this visitor's page, as the browser says, or else as it was last shown.

        ClvsError for one that is no longer here.
        """
        last = (session.payload or {}).get("recorded") or {"name": "", "id": ""}
        name, id_ = (last["name"], last["id"]) if shown is None else (shown.recording, shown.item)
        if not name:
            return None
        recorded = self.recordings.named.get(name)
        item = None if recorded is None else recorded.item(id_)
        if recorded is None or item is None:
            raise ClvsError("This recording is no longer here; choose another model in the menu.")
        return recorded, item


def _facts(recorded: Recorded) -> list[str]:
    """How it was recorded, for people."""
    about = recorded.about
    device = about.sessions[-1].device if about.sessions else ""
    prompt = "the model's own chat template" if about.prompt == CHAT else f"prompt {about.prompt}"
    model = " on ".join(filter(None, [about.model.quantization or about.model.dtype, device.partition(",")[0]]))
    most = f"{prompt}, at most {_count(about.max_new_tokens, 'token')}"
    return [*filter(None, [model, most, _day(recorded)])]


def _day(recorded: Recorded) -> str:
    try:
        return f"{datetime.fromisoformat(recorded.about.sessions[0].started):%d %b %Y}".lstrip("0")
    except (IndexError, ValueError):
        return ""


def _rights(item: Item) -> str:
    return " · ".join(filter(None, [item.licence and f"Picture: {item.licence}", item.source]))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
