"""A visitor of the served page who has no browser: calls its events by their handlers' names, over HTTP."""

from __future__ import annotations

import copy
import json
import uuid

import httpx
from gradio_client.utils import apply_diff


class Visitor:
    """One tab. Payloads of the viewer are given as `viz.viewer.payload` describes them, without their arrays."""

    def __init__(self, url, **headers):
        self.http = httpx.Client(base_url=f"{url}gradio_api/", timeout=60, headers=headers)
        self.session = uuid.uuid4().hex
        config = self.http.get(f"{url}config").json()
        self.events = {each["api_name"]: each["id"] for each in config["dependencies"]}

    def call(self, name, *values):
        """The outputs of an event that takes no place in the queue; the session is the first input of each."""
        body = {"data": [None, *values], "fn_index": self.events[name], "session_hash": self.session}
        answer = self.http.post("run/predict", json=body)
        assert answer.status_code == 200, answer.text
        return list(map(_read, answer.json()["data"]))

    def stream(self, name, *values):
        """The output of an event that does, each time that it changes."""
        event = self.join(name, *values)
        shown = None
        with self.http.stream("GET", "queue/data", params={"session_hash": self.session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("event_id", event) != event:
                    continue
                if message.get("msg") == "process_generating":
                    (new,) = message["output"]["data"]
                    shown = new if shown is None else apply_diff(shown, new)
                    yield _read(copy.deepcopy(shown))
                if message.get("msg") == "process_completed":
                    return

    def join(self, name, *values):
        body = {"data": [None, *values], "fn_index": self.events[name], "session_hash": self.session}
        self.running = {"session_hash": self.session, "fn_index": self.events[name]}
        self.running["event_id"] = self.http.post("queue/join", json=body).json()["event_id"]
        return self.running["event_id"]

    def run(self, picture, question, controls):
        """What the page shows after Run was pressed, each time that it changes; controls: as `controls` gives them."""
        _, ticket, _ = self.call("begin")
        return self.stream("run", ticket, picture, question, *controls)

    def move(self, shown, *controls):
        """What the page shows after a setting moved; shown: the payload that it shows, None for the example."""
        named = shown and {name: shown[name] for name in ("run", "question")}
        moved, *_ = self.call("move", named, "", *controls)
        return moved

    def stop(self):
        """What the page shows once Stop was pressed, which ends the event `run` as well."""
        (shown,) = self.call("stop")
        self.http.post("cancel", json=self.running)
        return shown


def controls(*methods, model="scenes", tokens=16):
    """What the browser sends of the page's settings."""
    return {"name": model}, {"specs": list(methods or ("vanilla", "clvs"))}, tokens, "chat"


def _read(value):
    return json.loads(value["text"]) if isinstance(value, dict) and "text" in value else value
