"""Who listens: a place in Gradio's queue counts only while somebody waits for its answer.

Gradio runs what is in its queue whether or not anybody listens, keeps what nobody fetched, and reckons statistics at
the end of every event, which fail on some text and then free nothing. Here the next one to run is one that is listened
to, a place that nobody takes up is given away, and an event that has ended leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from gradio.queueing import EventQueue, Queue

GRACE = 10.0  # seconds in which a client may begin to listen after it has joined the queue
GONE = "clvs.gone"  # in a request's scope: an event that is set once the client has closed the connection
LISTENERS = "clvs.listeners"  # in a request's scope, the page's


class Listeners:
    """The streams that are open, by the session or event that they are for. Safe to ask in any thread."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def listening(self, key: str) -> Iterator[None]:
        """While a stream for this session or event is open."""
        with self._lock:
            self._open[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[key] -= 1
                if not self._open[key]:
                    del self._open[key]

    def heard(self, *keys: str) -> bool:
        """Whether any of these is listened to."""
        with self._lock:
            return any(key in self._open for key in keys)


def wanted(request: gr.Request | None) -> Callable[[], bool]:
    """Whether somebody still waits for the answer to a request; always, where that cannot be known."""
    scope = getattr(getattr(request, "request", None), "scope", None) or {}
    if GONE in scope:
        gone = scope[GONE]
        return lambda: not gone.is_set()
    listeners, session = scope.get(LISTENERS), getattr(request, "session_hash", None)
    if listeners is None or session is None:
        return lambda: True
    until = time.monotonic() + GRACE
    return lambda: time.monotonic() < until or listeners.heard(session)


class ListenedQueue(Queue):
    """Gradio's queue, for events that are listened to. Our events are no batches and no streams from the browser."""

    listeners: Listeners
    _ended: dict[str, float]  # when a session's last event ended

    @classmethod
    def of(cls, queue: Queue) -> ListenedQueue:
        """Makes a queue that `gr.Blocks` has set up, and has handed on already, one of these."""
        queue.__class__ = cls
        assert isinstance(queue, cls)
        queue.listeners, queue._ended = Listeners(), {}
        return queue

    def _heard(self, event: Any) -> bool:
        return self.listeners.heard(event.session_hash, event._id)

    def get_events(self) -> tuple[list[Any], bool, str] | None:
        """The next event to run: of those that are listened to, the one that waits longest."""
        self._give_away(lambda event: time.monotonic() - event.enqueue_time > GRACE)
        names = list(self.event_queue_per_concurrency_id)
        random.shuffle(names)
        for name in names:
            line = self.event_queue_per_concurrency_id[name]
            if line.concurrency_limit is None or line.current_concurrency < line.concurrency_limit:
                event = next(filter(self._heard, line.queue), None)
                if event is not None:
                    line.queue.remove(event)
                    return [event], False, name
        return None

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        """As in Gradio; where the queue is full, the oldest place that nobody listens to is given to who comes."""
        self._sweep()
        if self.max_size is not None and len(self) >= self.max_size:
            unheard = [e for line in self._lines() for e in line.queue if not self._heard(e)]
            oldest = min(unheard, key=lambda event: event.enqueue_time, default=None)
            self._give_away(lambda event: event is oldest)
        return await super().push(body, request, username)

    def _lines(self) -> list[EventQueue]:
        return list(self.event_queue_per_concurrency_id.values())

    def _give_away(self, which: Callable[[Any], bool]) -> None:
        """Takes places in the queue away that nobody listens to."""
        for line in self._lines():
            for event in [event for event in line.queue if which(event) and not self._heard(event)]:
                line.queue.remove(event)
                self._forget(event)
                self._leave(event.session_hash)

    async def process_events(self, events: list[Any], batch: bool, begin_time: float, fn: Any) -> None:
        """As in Gradio; whatever happens, what was kept for the events is forgotten when they have ended."""
        try:
            await super().process_events(events, batch, begin_time, fn)
        finally:
            for event in events:
                self._forget(event)
                self._ended[event.session_hash] = time.monotonic()
            self._sweep()

    def _forget(self, event: Any) -> None:
        event.data = None
        self.event_ids_to_events.pop(event._id, None)
        self.event_analytics.pop(event._id, None)

    def _sweep(self) -> None:
        """Forgets the answers that nobody has come for; a stream may close just before another one opens."""
        for session, since in list(self._ended.items()):
            if time.monotonic() - since > GRACE:
                del self._ended[session]
                self._leave(session)

    def _leave(self, session: str) -> None:
        """Forgets a session's messages, unless it is listened to or still has an event."""
        waits = self.pending_event_ids_session.get(session, set())
        if not self.listeners.heard(session, *waits) and not any(id in self.event_ids_to_events for id in waits):
            self.pending_event_ids_session.pop(session, None)
            self.pending_messages_per_session.pop(session, None)

    def compute_analytics_summary(self, records: Any) -> dict[str, Any]:
        """Nothing: nobody may look at it, and it would be reckoned anew at the end of every event."""
        return {"functions": {}}
