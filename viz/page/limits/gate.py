"""The gate before Gradio: which of its routes answer, and what a request's body may be.

Gradio serves more than this page uses (an editor for developers, a proxy for web addresses, recordings of the screen),
and parses, copies and echoes JSON of any size while all other visitors wait. So what is not on the list below is not
there, whatever Gradio's version; and JSON is read here first, within limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from typing import Any

import anyio
import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request

from viz.page import limits
from viz.page import zerogpu as border
from viz.page.limits.listeners import GONE, LISTENERS
from viz.page.limits.store import DiskFull, TooMuch

API = "/gradio_api"
_ASKED = "ask|key_object_curve"
_ID = "[A-Za-z0-9_-]{1,64}"
_FILE = rf"{API}/file=(?:/(?![/\\])|[A-Za-z]:[\\/]).*"  # of this machine: an address would be fetched for anybody
_STREAM = rf"{API}/(?:queue/data|call/(?:v2/)?(?:{_ASKED})/(?P<event>{_ID}))"
_TAB = rf"{API}/heartbeat/{_ID}"
_LOOKS = r"/(?:assets|svelte|static)/.+|/(?:favicon\.ico|manifest\.json|robots\.txt|theme\.css)"
_ABOUT = rf"/|/config/?|{API}/(?:viewer-[0-9a-f]{{16}}\.js|info/?|app_id|openapi\.json|startup-events|theme\.css)"
_GET = re.compile(rf"{_ABOUT}|{_LOOKS}|{_FILE}|{_STREAM}|{_TAB}", re.DOTALL)
_RUN = rf"(?:run|api)/(?:predict|{_ASKED})/?|call/(?:v2/)?(?:{_ASKED})/?"
_POST = re.compile(rf"{API}/(?:upload|queue/join|cancel|reset/?|{_RUN})")
OPEN = {"GET": _GET, "HEAD": _GET, "POST": _POST}
_SESSION = re.compile(_ID)

NOT_HERE = "There is nothing at this address."
TOO_DEEP = f"The request is nested more than {limits.MAX_DEPTH} deep."
UNUSABLE = "This is no request that the page makes; load the page anew."

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Refused(Exception):
    """A request that is answered with a status and one sentence, and goes no further."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Gate:
    """ASGI middleware around the app of a page that has `listeners` and `files`, a `Store`."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        begun = False

        async def noted(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._http(scope, receive, noted)
        except Exception as error:  # Gradio's own code fails on some requests that it should refuse
            if begun:
                raise
            refused = error if isinstance(error, Refused) else Refused(500, str(border.for_visitors(error)))
            answer = PlainTextResponse(refused.sentence, refused.status, {"connection": "close"})
            await answer(scope, receive, send)

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        path, page = route_path(scope), scope["app"].get_blocks()
        _check_head(scope, path)
        scope[LISTENERS] = page.listeners
        # Files are sent whole, as a server may: Gradio fails on a `Range` that is not written as it expects.
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]
        if path == f"{API}/upload":
            await Upload(self.app, page.files).answer(scope, receive, send)
        elif scope["method"] == "POST":
            body = await _whole(scope, receive)
            async with _noticing(scope, receive):
                await self.app(scope, _replayed(sound(body, page.fns), receive), send)
        else:
            with contextlib.ExitStack() as open_:
                for key in _listened(scope, path):
                    open_.enter_context(page.listeners.listening(key))
                await self.app(scope, receive, send)


def route_path(scope: Any) -> str:
    """The path behind the prefix that the app is served under, as Starlette's router takes it."""
    root, path = scope.get("root_path", ""), scope["path"]
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _check_head(scope: Any, path: str) -> None:
    if len(scope.get("query_string", b"")) + len(path) > limits.MAX_ADDRESS:
        raise Refused(414, "The address is too long; shorten the question or the settings in it.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > limits.MAX_HEADERS:
        raise Refused(431, "The request has too many headers; delete this site's cookies.")
    opened = OPEN.get(scope["method"])
    if opened is None or not opened.fullmatch(path):
        raise Refused(404, NOT_HERE)


def _listened(scope: Any, path: str) -> list[str]:
    """The session or event whose answers this request waits for; [] for any other request."""
    stream = re.fullmatch(_STREAM, path)
    if stream is None:
        return []
    session = Request(scope).query_params.get("session_hash", "")
    return [key for key in (stream["event"], session) if key and _SESSION.fullmatch(key)]


# --- JSON -----------------------------------------------------------------------------------------------------------


def _declared(scope: Any, limit: int) -> int:
    """The body's declared length, 0 where there is none. Refused where it is too much, or no number."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not re.fullmatch(rb"[0-9]{1,12}", length) or int(length) > limit:
        raise Refused(413, too_large(limit))
    return int(length)


def too_large(limit: int) -> str:
    """The sentence about a body of more than `limit` bytes."""
    return f"Too large: the limit is {limit / 2**20:.3g} MB."


async def _whole(scope: Any, receive: Receive) -> bytes:
    """The whole body, as long as it is within the limit."""
    _declared(scope, limits.MAX_BODY)
    body, more = bytearray(), True
    with anyio.move_on_after(limits.BODY_SECONDS):
        while more:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > limits.MAX_BODY:
                raise Refused(413, too_large(limits.MAX_BODY))
            more = message.get("more_body", False)
        return bytes(body)
    raise Refused(408, "The request took too long to arrive; try again.")


def sound(body: bytes, events: Container[Any] | None = None) -> bytes:
    """JSON that can be read, copied and written again: no half characters, no depth, not too many values.

    Half a character, which a browser may cut out of a text, becomes a replacement character. Refused for anything else,
    and for a number of an event that is none of `events`, where those are given.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > limits.MAX_VALUES:  # each value but the first follows one of these
        raise Refused(413, f"The request holds more than {limits.MAX_VALUES} values.")
    try:
        value = orjson.loads(body)
        known = body
    except ValueError:
        value = _mended(body)
        known = json.dumps(value).encode()
    _check_depth(value)
    if not isinstance(value, dict):
        raise Refused(400, UNUSABLE)
    for name in ("session_hash", "event_id"):
        session = value.get(name)
        if session is not None and not (isinstance(session, str) and _SESSION.fullmatch(session)):
            raise Refused(400, f"{name} must be a text of at most 64 letters, digits, “-” and “_”.")
    event = value.get("fn_index")
    if events is not None and event is not None and not (type(event) is int and event in events):
        raise Refused(404, UNUSABLE)
    return known


def _mended(body: bytes) -> Any:
    """What orjson refuses and Python reads: numbers that are none, and surrogates without their other half."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except RecursionError:
        raise Refused(413, TOO_DEEP) from None
    except ValueError:
        raise Refused(400, "The request holds no JSON that can be read; load the page anew.") from None


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(limits.MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise Refused(413, TOO_DEEP)


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What has been received, once more; after that what comes."""
    sent = False

    async def again() -> Any:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


@contextlib.asynccontextmanager
async def _noticing(scope: Any, receive: Receive) -> AsyncIterator[None]:
    """Has it noticed when the client closes the connection before there is an answer.

    Not for events of the queue, which are answered elsewhere.
    """
    if not re.match(rf"{API}/(run|api)/", route_path(scope)):
        yield
        return
    gone = scope[GONE] = threading.Event()

    async def notice() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    noticing = asyncio.create_task(notice())
    try:
        yield
    finally:
        noticing.cancel()


# --- uploads --------------------------------------------------------------------------------------------------------


class Upload:
    """One picture on its way into the store."""

    def __init__(self, app: Any, store: Any):
        self.app, self.store = app, store
        self.seen, self.more = 0, True

    async def answer(self, scope: Any, receive: Receive, send: Send) -> None:
        """As Gradio answers, unless the disk is full (507), too much is sent (413, 429), or it takes too long (408)."""
        declared, visitor = _declared(scope, limits.MAX_UPLOAD), limits.visitor(scope)
        scope["query_string"] = b""  # under an `upload_id` Gradio would keep how far this is, for good
        answer: list[Any] = []

        async def counted() -> Any:
            message = await self._next(receive)
            self.store.rate.add(visitor, len(message.get("body", b"")))
            if self.seen > limits.MAX_UPLOAD:
                raise Refused(413, too_large(limits.MAX_UPLOAD))
            return message

        async def noted(message: Any) -> None:
            answer.append(message)

        try:
            await anyio.to_thread.run_sync(self.store.make_room, declared or limits.MAX_UPLOAD)
            with self.store.arriving(), anyio.fail_after(limits.UPLOAD_SECONDS):
                await self.app(scope, counted, noted)
        except ClientDisconnect:
            return
        except TypeError as error:
            if "UploadFile" not in str(error):
                raise
            raise Refused(400, UNUSABLE) from None  # Gradio takes forms of files alone
        except (DiskFull, TooMuch) as error:
            await self._drain(receive)
            raise Refused(507 if isinstance(error, DiskFull) else 429, str(error)) from None
        except TimeoutError:
            raise Refused(408, "The picture took too long to arrive; try again, or make it smaller.") from None
        self._check(answer)
        for message in answer:
            await send(message)

    async def _next(self, receive: Receive) -> Any:
        message = await receive()
        self.seen += len(message.get("body", b""))
        self.more = message.get("more_body", False)
        return message

    async def _drain(self, receive: Receive) -> None:
        """Takes what is still being sent: a browser that cannot send all of it does not look for the answer."""
        with anyio.move_on_after(limits.BODY_SECONDS):
            while self.more and self.seen <= limits.MAX_UPLOAD:
                await self._next(receive)

    def _check(self, answer: Sequence[Any]) -> None:
        """Refused, and deleted, when it was more than the page sends."""
        try:
            paths = json.loads(b"".join(message.get("body", b"") for message in answer))
        except ValueError:  # Gradio's own sentence
            return
        if isinstance(paths, list) and len(paths) > 1:
            self.store.drop(paths)
            raise Refused(413, "Send one picture at a time.")


# --- errors ---------------------------------------------------------------------------------------------------------


async def unusable(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own answer to a body of the wrong shape would hold the body."""
    return JSONResponse({"detail": UNUSABLE}, 422)


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Uploads go into the page's own folder, which is deleted with the page."""
    store = app.get_blocks().files
    app.uploaded_file_dir = str(store.folder)
    yield
    store.clear()


def launch_settings() -> dict[str, Any]:
    """Keyword arguments of `Blocks.launch` that keep the limits; add host, port, theme and css."""
    return {
        "max_file_size": limits.MAX_BYTES,
        "allowed_paths": [],
        "app_kwargs": {
            "middleware": [Middleware(Gate)],
            "exception_handlers": {RequestValidationError: unusable},
            "lifespan": lifespan,
        },
        "enable_monitoring": False,
        "show_error": False,
        "strict_cors": True,
        "run_history": False,
        "state_session_capacity": limits.MAX_VISITORS,
        "footer_links": [],
        "ssr_mode": False,
        "mcp_server": False,
    }
