"""What visitors do, for tests: events, controls, questions."""

from __future__ import annotations

from types import SimpleNamespace

from starlette.datastructures import QueryParams

from viz.page.desks import Desks
from viz.page.models import Models
from viz.viewer.payload import decode

FOUR = ["vanilla", "clvs", "vcd", "pai"]
CONTROLS = {"model": "scenes", "methods": ["vanilla", "clvs"], "tokens": 16, "prompt": "chat"}

STARTS = {
    "png": b"\x89PNG",
    "gif": b"GIF89a",
    "svg": b"<?xml",
    "npz": b"PK",
    "html": b"<!doctype html>",
    "csv": b"step_from_0,token",
}  # of downloads, by their ending


def event(**data):
    return SimpleNamespace(_data=data)


def controls(*methods, clvs="", **changes):
    """The page's controls: these methods, or vanilla and CLVS with the given settings."""
    picked = list(methods) or ["vanilla", f"clvs:{clvs}" if clvs else "clvs"]
    return tuple({**CONTROLS, "methods": picked, **changes}.values())


def run(desks, session, *methods, scene="street", question="Is there a dog in the image?", path=None, **changes):
    path = path or str(desks.library.named(scene).path)
    return list(desks.answering.run(session, session.begin(), path, question, *controls(*methods, **changes)))


def attention(payload, key):
    return decode(payload)[f"attention/{key}"]


def arrive(desks, session, **query):
    """query: by name; several texts for one that comes several times."""
    pairs = [(name, text) for name, given in query.items() for text in ([given] if isinstance(given, str) else given)]
    return desks.arriving.arrive(session, SimpleNamespace(query_params=QueryParams(pairs)))


def offering(desks, name, model):
    """The same page with one more model on offer, not loaded yet."""
    return Desks(Models(["scenes", name], load=lambda source, **settings: model), desks.library, desks.first)


def first_check(picker):
    """Its last layer and its usual one."""
    fields = {method["name"]: method["fields"] for method in picker["methods"]}["clvs"]
    return next((field["high"], field["value"]) for field in fields if field["name"] == "first_check")


def bring(desks, session, content, question="Is there a dog?", name="mine.png"):
    """A file is uploaded while the street is shown."""
    path = desks.pictures.files.put(content, name)
    shown = str(desks.library.named("street").path)
    return str(path), desks.arriving.new_picture(session, shown, question, event(path=str(path)))
