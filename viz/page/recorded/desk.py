"""Recorded runs on the page: chosen like a model, shown like an answer, and not to be asked.

While a recorded answer is shown, its payload says so in `recorded`, and the browser shows the recording's pictures and
questions in place of what asks; whatever else the page shows next ends that. What the visitor had set before stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from clvs_core.errors import ClvsError
from clvs_core.models.prompts import CHAT
from viz.page import limits, links
from viz.page.handlers import Handlers, sentence
from viz.page.recorded.recordings import Item, Recorded, Recordings
from viz.page.session import Session, Settings, Shown
from viz.page.widgets import _Fixed, static


class Desk(_Fixed):
    """Recorded pictures and questions; events `open` {"recording", "id"} and `leave`. The value is `Desks.state`'s."""

    def __init__(self, value: Any = None, **kwargs: Any) -> None:
        super().__init__(value, html_template=static("recorded.html"), js_on_load=static("recorded.js"), **kwargs)


class Desks:
    """What happens when recordings are chosen, over the page's handlers."""

    def __init__(self, handlers: Handlers, recordings: Recordings):
        self.handlers, self.recordings = handlers, recordings

    def rows(self) -> list[dict[str, str]]:
        """The recorded models for the model menu."""
        return [
            {
                "name": one.name,
                "label": one.label,
                "about": f"{_count(len(one.items), 'question')}, {_day(one)}".strip(", "),
            }
            for one in self.recordings.named.values()
        ]

    def state(self, name: str = "") -> dict[str, Any]:
        """What the browser shows: all recordings by name, and the pictures and questions of the one that is open."""
        shown: dict[str, Any] = {"recordings": self.rows(), "open": None}
        if one := self.recordings.named.get(name):
            pictures = {item.picture: item for item in reversed(one.items)}  # the first question's title names it
            shown["open"] = {
                "name": name,
                "why": self._why(one),
                "facts": _facts(one),
                "pictures": [
                    {"name": picture, "title": item.title, "thumbnail": one.thumbnail(item)}
                    for picture, item in reversed(pictures.items())
                ],
                "items": [{"id": item.id, "picture": item.picture, "question": item.question} for item in one.items],
            }
        return shown

    def open(self, session: Session, event: gr.EventData) -> tuple[Any, Any]:
        """A recording or one of its questions was chosen: desk and viewer."""
        data = event._data if isinstance(event._data, Mapping) else {}
        one = self.recordings.named.get(str(data.get("recording")))
        item = one and next((item for item in one.items if item.id == data.get("id")), next(iter(one.items)))
        return self._shown(session, one, item, {})

    def leave(self, session: Session, shown: Shown | None = None) -> tuple[Any, Any]:
        """Back to asking: the visitor's last answer, or what the page began with."""
        session.interrupt()
        return self.state(), self.handlers.live(session, shown)

    def arrive(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """The page opens: a link to a recorded question shows it; the desk, and then as `Handlers.arrive`."""
        query = dict(request.query_params)
        if "recording" not in query:
            return gr.skip(), *self.handlers.arrive(session, request)
        one = self.recordings.named.get(str(query["recording"]))
        item = one and one.find(query.get("scene"), query.get("q"))
        desk, viewer = self._shown(session, one, item, links.view(query))
        return desk, viewer, *(gr.skip(),) * (5 + len(Settings.__dataclass_fields__))

    def _shown(
        self, session: Session, one: Recorded | None, item: Item | None, view: Mapping[str, Any]
    ) -> tuple[Any, Any]:
        if one is None or item is None:
            told = "There is no such recording here; choose another model in the menu."
            return gr.skip(), self.handlers._failed(session, told)
        try:
            payload = self._payload(one, item, view)
        except Exception as error:
            return self.state(one.name), self.handlers._failed(session, sentence(error))
        session.interrupt()
        session.on = frozenset(entry["name"] for entry in payload["objects"] if entry["on"])
        session.region, session.payload = {}, payload
        return self.state(one.name), dict(payload)

    def _payload(self, one: Recorded, item: Item, view: Mapping[str, Any]) -> dict[str, Any]:
        """The recorded payload with what only this page can say: addresses, the view, and that it is recorded."""
        payload = one.payload(item)
        url = self.handlers.publish(limits.jpeg(one.picture(item, payload)), "picture.jpg")
        scene = Path(item.picture).stem
        return {
            **payload,
            "id": f"{one.name}/{item.id}",
            "image": {**payload["image"], "url": url},
            "link": urlencode({"recording": one.name, "scene": scene, "q": item.question}),
            "recorded": {"name": one.name, "id": item.id, "label": one.label, "rights": _rights(item)},
            "view": dict(view),
            "progress": "",
            "error": "",
        }

    def _why(self, one: Recorded) -> str:
        """Why nothing can be asked here, and what to do."""
        told = f"Recorded on {one.label}; it cannot be asked again here"
        models, id_ = self.handlers.models, one.about.model.id
        if id_ in models.cards and not models.reason(id_):
            return f"Recorded on {one.label}: to ask it yourself, choose it in the model menu."
        option = f"--model {id_}" if links.is_model(id_) else "--model and this model's folder"
        return f"{told}: start the app with {option} on a GPU."

    def recorded(self, session: Session, shown: Shown | None = None) -> tuple[Recorded, Item] | None:
        """What of which recording is on this visitor's page, as the browser says, or else as it was last shown.

        ClvsError for one that is no longer here.
        """
        last = (session.payload or {}).get("recorded") or {"name": "", "id": ""}
        name, id_ = (last["name"], last["id"]) if shown is None else (shown.recording, shown.item)
        if not name:
            return None
        one = self.recordings.named.get(name)
        item = one and next((item for item in one.items if item.id == id_), None)
        if one is None or item is None:
            raise ClvsError("This recording is no longer here; choose another model in the menu.")
        return one, item


def _facts(one: Recorded) -> list[str]:
    """How it was recorded, for people."""
    about = one.about
    device = about.sessions[-1].device if about.sessions else ""
    prompt = "the model's own chat template" if about.prompt == CHAT else f"prompt {about.prompt}"
    model = " on ".join(filter(None, [about.model.quantization or about.model.dtype, device.partition(",")[0]]))
    when = _day(one)
    return [*filter(None, [model, f"{prompt}, at most {_count(about.max_new_tokens, 'token')}", when])]


def _day(one: Recorded) -> str:
    try:
        return f"{datetime.fromisoformat(one.about.sessions[0].started):%d %b %Y}".lstrip("0")
    except (IndexError, ValueError):
        return ""


def _rights(item: Item) -> str:
    return " · ".join(filter(None, [item.licence and f"Picture: {item.licence}", item.source]))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
