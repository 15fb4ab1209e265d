"""What passes the gate before Gradio, and what does not."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from starlette.routing import Mount

from tests.page import fake as fakes
from viz.page import build, limits, second
from viz.page import first_answer as record
from viz.page import zerogpu as border
from viz.page.limits import gate
from viz.page.limits.listeners import Listeners
from viz.page.limits.store import Store
from viz.page.models import Models
from viz.viewer import second_script


@pytest.fixture(scope="module")
def page(library):
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    return build.build(models, library, record.make(models, library))


@pytest.fixture(scope="module")
def url(page):
    with fakes.served(page) as address:
        yield address


def post(url, content, path="gradio_api/queue/join", **headers):
    return httpx.post(f"{url}{path}", content=content, headers={"content-type": "application/json", **headers})


def body(**changes):
    return {"data": [None], "fn_index": 0, "session_hash": "somebody", **changes}


# --- routes ---------------------------------------------------------------------------------------------------------

USED = {
    "/", "/config", "/config/", "/theme.css", "/assets/{path:path}", "/svelte/{path:path}", "/static/{path:path}",
    "/favicon.ico", "/manifest.json", "/robots.txt", "/gradio_api/theme.css", "/gradio_api/info", "/gradio_api/info/",
    "/gradio_api/openapi.json", "/gradio_api/app_id", "/gradio_api/startup-events", "/gradio_api/upload",
    "/gradio_api/file={path_or_url:path}", "/gradio_api/heartbeat/{session_hash}", "/gradio_api/queue/join",
    "/gradio_api/queue/data", "/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/reset/",
    "/gradio_api/run/{api_name}", "/gradio_api/run/{api_name}/", "/gradio_api/api/{api_name}",
    "/gradio_api/api/{api_name}/", "/gradio_api/call/{api_name}", "/gradio_api/call/{api_name}/",
    "/gradio_api/call/v2/{api_name}", "/gradio_api/call/v2/{api_name}/", "/gradio_api/call/{api_name}/{event_id}",
    "/gradio_api/call/v2/{api_name}/{event_id}",
}  # fmt: skip


def routes(router):
    for route in router.routes:
        if isinstance(route, Mount) or hasattr(route, "original_router"):
            yield from routes(getattr(route, "original_router", route))
        elif hasattr(route, "path"):
            yield route


def reached(url, path, method):
    """Whether a request comes past the gate."""
    answer = httpx.request(method, f"{url.rstrip('/')}{path}", timeout=60)
    return answer.status_code != 404 or answer.text != ("" if method == "HEAD" else gate.NOT_HERE)


def test_every_other_route_of_gradio_is_closed(page, url):
    known = {}
    for route in routes(page.app.router):
        known.setdefault(route.path, set()).update(route.methods or ())
    assert len(known) > 50, "Gradio's routes were not found"
    assert USED - set(known) <= {"/gradio_api/theme.css"}, "names that Gradio does not have any more"
    for path, methods in known.items():
        if path not in USED | {f"/{second.address()}"}:
            filled = re.sub(r"{[^}]*}", "ask", path)
            for method in methods:
                assert not reached(url, filled, method), (method, path)


def test_the_viewers_second_script_is_served_to_be_kept(url):
    answer = httpx.get(url.rstrip("/") + "/" + second.address(), timeout=60)
    assert answer.text == second_script()
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert not reached(url, "/gradio_api/viewer-0.js", "GET")


def test_a_route_that_a_newer_gradio_adds_is_closed(page, url):
    page.app.add_api_route("/gradio_api/newer", lambda: {"told": "everything"})
    assert not reached(url, "/gradio_api/newer", "GET")


@pytest.mark.parametrize("path", [
    "/gradio_api/file/https://example.org/", "/gradio_api/file//etc/passwd", "/gradio_api/file=https://example.org/",
    "/gradio_api/file=HTTPS://example.org/", "/gradio_api/file=%68ttps://example.org/",
    "/gradio_api/file%3Dhttps://example.org/", "/gradio_api/file%3dhttps:%2F%2Fexample.org/",
    "/gradio_api/file=//example.org/x", "/gradio_api/file=/%5Cexample.org/x", "/gradio_api/file=ftp://example.org/",
    "/gradio_api//file=https://example.org/", "//gradio_api/file=https://example.org/",
    "/GRADIO_API/file=https://example.org/", "/gradio_api/FILE=https://example.org/",
    "/gradio_api/file=%20https://example.org/", "/gradio_api/proxy=https://example.org/",
    "/gradio_api/file=https:/%0A/example.org/", "/gradio_api/%0Afile=https://example.org",
    "/gradio_api/upload_progress?upload_id=x",
    "/gradio_api/dev/reload", "/gradio_api/vibe-code", "/gradio_api/queue/status", "/gradio_api/token",
    "/gradio_api/deep_link?session_hash=x", "/monitoring", "/gradio_api/stream/x/close", "/gradio_api/call/run",
    "/gradio_api/heartbeat/" + "x" * 65, "/docs", "/openapi.json", "/login",
    "/gradio_api/custom_component/a/client/b/c",
])  # fmt: skip
def test_what_the_page_does_not_use_is_not_there(url, path):
    for method in ("GET", "POST"):
        assert not reached(url, path, method), path


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods_are_not_there(url, method):
    assert not reached(url, "/gradio_api/queue/join", method)


@pytest.mark.parametrize("root", ["", "/apps/clvs"])
def test_a_prefix_before_the_page_is_no_part_of_the_path(root):
    scope = {"path": f"{root}/gradio_api/queue/join", "root_path": root}
    assert gate.route_path(scope) == "/gradio_api/queue/join"
    assert gate.route_path({"path": "/gradio_api/file=/x", "root_path": "https://example.org"}) == "/gradio_api/file=/x"


# --- bodies ---------------------------------------------------------------------------------------------------------


def nested(depth):
    return b'{"data": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(("content", "status", "told"), [
    (json.dumps(body(data=["x" * limits.MAX_BODY])).encode(), 413, "Too large: the limit is 0.25 MB."),
    (nested(33), 413, "nested more than 32 deep"),
    (nested(900), 413, "nested more than 32 deep"),
    (b"[" * 9000, 413, "nested more than 32 deep"),
    (b"[" * 100_000, 413, "more than 10000 values"),
    (b'{"a":' * 9000, 413, "nested more than 32 deep"),
    (b'{"a":' * 20_000, 413, "more than 10000 values"),
    (b'{"data": [' + b"0," * 50_000 + b"0]}", 413, "more than 10000 values"),
    (json.dumps({f"{i}": 0 for i in range(11_000)}).encode(), 413, "more than 10000 values"),
    (b"", 400, "no JSON"),
    (b"\x1f\x8b\x08\0\0\0\0\0", 400, "no JSON"),
    (b"[1, 2]", 400, "load the page anew"),
    (b'"text"', 400, "load the page anew"),
])  # fmt: skip
@pytest.mark.parametrize("path", ["queue/join", "cancel", "run/predict", "call/ask", "call/v2/ask", "reset"])
def test_a_body_beyond_the_limits_gets_one_sentence(url, path, content, status, told):
    answer = post(url, content, f"gradio_api/{path}")
    assert answer.status_code == status
    assert told in answer.text
    assert len(answer.text) < 100


@pytest.mark.parametrize("path", ["queue/join", "cancel", "run/predict", "call/ask"])
def test_an_error_does_not_hold_the_body(url, path):
    answer = post(url, json.dumps({"data": "secret" * 1000}).encode(), f"gradio_api/{path}")
    assert answer.status_code == 422
    assert answer.json() == {"detail": gate.UNUSABLE}


@pytest.mark.parametrize("path", ["queue/join", "run/predict", "call/ask", "cancel"])
@pytest.mark.parametrize("number", [-1, 999, 10**15, 1e9, 0.0, "1", "x", True, [1], {}])
def test_an_event_that_there_is_not_gets_one_sentence(url, path, number):
    answer = post(url, json.dumps(body(fn_index=number)).encode(), f"gradio_api/{path}")
    assert (answer.status_code, answer.text) == (404, gate.UNUSABLE)


@pytest.mark.parametrize("parts", ["bytes=abc-def", "bytes=0-1,2-3", "bytes=--1", "bytes=1-2-3", "bytes=0-1", "x"])
def test_a_file_is_sent_whole(url, page, parts):
    path = page.files.put(b"0123456789", "picture.jpg")
    answer = httpx.get(f"{url}gradio_api/file={path}", headers={"range": parts})
    assert (answer.status_code, answer.content) == (200, b"0123456789")


@pytest.mark.parametrize("name", ["session_hash", "event_id"])
@pytest.mark.parametrize("value", ["x" * 65, "", "a b", "\u00e9", "\ud800", 7, ["x"], {"x": 1}])
def test_names_of_sessions_and_events_are_short(url, name, value):
    answer = post(url, json.dumps(body(**{name: value})).encode())
    assert answer.status_code == 400
    assert name in answer.text


@pytest.mark.parametrize(("sent", "taken"), [
    ('"\\ud83d"', "\ufffd"), ('"a\\udc00b"', "a\ufffdb"), ('"\\ud83d\\ude00"', "\U0001f600"),
    ('"\\ude00\\ud83d"', "\ufffd\ufffd"),
    ('"\\\\ud83d"', "\\ud83d"), ('{"\\ud800": ["\\ud800"]}', {"\ufffd": ["\ufffd"]}),
])  # fmt: skip
def test_half_a_character_is_replaced(sent, taken):
    assert json.loads(gate.sound(f'{{"data": {sent}}}'.encode())) == {"data": taken}


def test_what_is_sound_goes_on_as_it_came():
    content = b'{ "data" :[1.50, "\\u00e9"] }'
    assert gate.sound(content) == content


def test_a_flood_of_headers_or_a_long_address_is_refused(url):
    assert httpx.get(url, headers={f"x-{i}": "y" * 100 for i in range(400)}).status_code == 431
    answer = httpx.get(f"{url}?q={'x' * limits.MAX_ADDRESS}")
    assert (answer.status_code, answer.text[:27]) == (414, "The address is too long; sh")


def serve(app, scope, messages):
    """What an app behind the gate answers to a request in these messages, and what the app was handed."""
    handed, sent = [], []
    waiting = iter(messages)

    async def receive():
        message = next(waiting, None)
        if message is None:
            await asyncio.sleep(60)
        return message

    async def send(message):
        sent.append(message)

    async def noted(scope, receive, send):
        async def again():
            message = await receive()
            handed.append(len(message.get("body", b"")))
            return message

        await app(scope, again, send)

    page = SimpleNamespace(listeners=Listeners(), files=Store(), fns={})
    whole = {"type": "http", "method": "POST", "client": ("127.0.0.1", 5), "headers": [], **scope}
    whole["app"] = SimpleNamespace(get_blocks=lambda: page)
    with ThreadPoolExecutor(1) as thread:  # the browser tests leave an event loop running in this one
        thread.submit(asyncio.run, gate.Gate(noted)(whole, receive, send)).result(60)
    page.files.clear()
    return sent, sum(handed)


async def swallow(scope, receive, send):
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"[]"})


def chunks(size, piece=50_000):
    pieces = [b" " * piece] * (size // piece) + [b"{}"]
    return [{"type": "http.request", "body": p, "more_body": i < len(pieces) - 1} for i, p in enumerate(pieces)]


@pytest.mark.parametrize(("path", "limit"), [("queue/join", limits.MAX_BODY), ("upload", limits.MAX_UPLOAD)])
def test_bodies_are_cut_off_while_they_arrive(path, limit):
    def respond(size, declared=None):
        headers = [] if declared is None else [(b"content-length", str(declared).encode())]
        sent, handed = serve(swallow, {"path": f"/gradio_api/{path}", "headers": headers}, chunks(size))
        return sent[0]["status"], handed

    assert respond(200_000)[0] == 200
    assert respond(200_000, declared=200_002)[0] == 200
    assert respond(200_000, declared=limit + 1) == (413, 0)
    assert respond(100, declared="-5") == (413, 0)
    assert respond(100, declared="lots") == respond(100, declared="9" * 5000) == (413, 0)
    for declared in (None, 10):  # as a chunked body, and one that lies
        status, handed = respond(limit + 200_000, declared)
        assert status == 413
        assert handed <= limit


def test_a_refused_upload_is_taken_to_its_end(monkeypatch):
    """A browser that is cut off while it sends shows no answer."""
    monkeypatch.setattr(limits, "UPLOADED_BY_ONE", 100_000)
    messages = iter(chunks(1_000_000))
    sent, _ = serve(swallow, {"path": "/gradio_api/upload"}, messages)
    assert sent[0]["status"] == 429
    assert list(messages) == []


def test_a_body_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    sent, _ = serve(swallow, {"path": "/gradio_api/cancel"}, chunks(100_000)[:1])
    assert sent[0]["status"] == 408


def test_a_client_that_goes_is_noticed_before_the_answer():
    seen = []

    async def app(scope, receive, send):
        gone = scope[gate.GONE]
        seen.append(gone.is_set())
        for _ in range(100):
            await asyncio.sleep(0.005)
            if gone.is_set():
                break
        seen.append(gone.is_set())
        await swallow(scope, receive, send)

    serve(app, {"path": "/gradio_api/run/predict"}, [*chunks(0), {"type": "http.disconnect"}])
    assert seen == [False, True]


@pytest.mark.parametrize("begun", [False, True])
def test_what_gradio_fails_on_gets_one_sentence_unless_an_answer_has_begun(begun):
    async def app(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a secret of Gradio's")

    if begun:
        with pytest.raises(RuntimeError):
            serve(app, {"path": "/gradio_api/reset"}, chunks(0))
    else:
        (start, body), _ = serve(app, {"path": "/gradio_api/reset"}, chunks(0))
        assert (start["status"], body["body"].decode()) == (500, border.FAILED)


def test_nothing_speaks_websocket():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio_run = threading.Thread(
        target=lambda: asyncio.run(gate.Gate(None)({"type": "websocket", "path": "/"}, None, send))
    )
    asyncio_run.start()
    asyncio_run.join()
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_launch_settings_hold_the_limits():
    settings = gate.launch_settings()
    assert settings["show_error"] is False
    assert settings["enable_monitoring"] is False
    assert settings["strict_cors"] is True
    assert settings["allowed_paths"] == []
    assert settings["max_file_size"] == limits.MAX_BYTES
    assert settings["app_kwargs"]["middleware"][0].cls is gate.Gate
    json.dumps({k: v for k, v in settings.items() if k != "app_kwargs"})
