"""Whose place in the queue counts, and what is left of an event that has ended."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.page import fake as fakes
from tests.page.fake import when
from viz.page import build, limits
from viz.page import first_answer as record
from viz.page.limits import listeners
from viz.page.limits.listeners import Listeners
from viz.page.models import Models


@pytest.fixture
def page(library):
    models = Models(load=lambda name, **settings: fakes.FakeModel())
    return build.build(models, library, record.make(models, library))


@pytest.fixture
def url(page):
    with fakes.served(page) as address:
        yield address


def join(url, library, session, question="Why?"):
    """Takes a place in the queue for a call of `ask`."""
    image = {"path": str(library.named("street").path), "meta": {"_type": "gradio.FileData"}}
    body = {"data": [image, question, ["vanilla"], 16, "", "chat"], "fn_index": ask_of(url), "session_hash": session}
    headers = {"content-type": "application/json"}
    return httpx.post(f"{url}gradio_api/queue/join", content=json.dumps(body), headers=headers)


def ask_of(url):
    dependencies = httpx.get(f"{url}config").json()["dependencies"]
    return next(d["id"] for d in dependencies if d["api_name"] == "ask")


def listen(url, session, until="process_completed"):
    """The messages of a session until one of this kind."""
    found = []
    with httpx.stream("GET", f"{url}gradio_api/queue/data?session_hash={session}", timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                found.append(json.loads(line[5:]))
                if found[-1]["msg"] == until:
                    return found
    return found


def test_a_place_that_nobody_listens_to_delays_nobody(page, url, library):
    for number in range(limits.QUEUE_SIZE):
        assert join(url, library, f"nobody{number}", "Answer slowly.").status_code == 200
    start = time.monotonic()
    assert join(url, library, "somebody").status_code == 200
    assert listen(url, "somebody")[-1]["success"] is True
    assert time.monotonic() - start < 8, "20 answers of 0.8 s that nobody waits for came first"


def test_a_client_may_come_for_its_answer_a_moment_later(page, url, library):
    join(url, library, "somebody")
    time.sleep(0.5)
    assert listen(url, "somebody")[-1]["output"]["data"][0]["answers"][0]["text"] == "Yes"


def test_who_goes_while_waiting_loses_the_place(page, url, library):
    queue = page._queue
    with ThreadPoolExecutor() as threads:
        join(url, library, "first", "Answer slowly.")
        first = threads.submit(listen, url, "first")
        when(lambda: any(queue.active_jobs))
        join(url, library, "second", "Answer slowly.")
        with httpx.stream("GET", f"{url}gradio_api/queue/data?session_hash=second"):
            when(lambda: queue.listeners.heard("second"))
        when(lambda: not queue.listeners.heard("second"))
        join(url, library, "third")
        listen(url, "third")
        assert first.result()[-1]["success"] is True
    when(lambda: not any(queue.active_jobs))


def test_a_place_is_given_away_in_the_end(page, url, library, monkeypatch):
    monkeypatch.setattr(listeners, "GRACE", 0.1)
    queue = page._queue
    join(url, library, "nobody")
    when(lambda: len(queue) == 0)
    assert not queue.event_ids_to_events
    assert "nobody" not in queue.pending_event_ids_session
    assert "nobody" not in queue.pending_messages_per_session


def test_an_event_that_has_ended_leaves_nothing(page, url, library, monkeypatch):
    queue = page._queue
    for number in range(3):
        join(url, library, f"somebody{number}", "Please explode." if number == 1 else "Why?")
        listen(url, f"somebody{number}")
    when(lambda: len(queue._ended) == 3)
    time.sleep(0.05)
    monkeypatch.setattr(listeners, "GRACE", 0.0)
    queue._sweep()
    assert not queue.event_ids_to_events
    assert not queue.event_analytics
    assert not queue.pending_event_ids_session
    assert not queue.pending_messages_per_session
    assert not queue._ended


def test_half_a_character_in_a_question_is_answered_and_leaves_nothing(page, url, library):
    join(url, library, "somebody", "Is there a \ud83d dog?")
    told = listen(url, "somebody")[-1]
    assert told["success"] is True
    assert told["output"]["data"][0]["question"] == "Is there a \ufffd dog?"
    when(lambda: not page._queue.event_ids_to_events)


def test_nothing_is_reckoned_at_the_end_of_an_event(page, monkeypatch):
    monkeypatch.setattr("gradio.queueing.Queue._get_df", lambda records: pytest.fail("reckoned"))
    page._queue.events_recorded = 7
    assert page._queue.compute_analytics_summary([{"function": "\ud800", "status": "success"}]) == {"functions": {}}


def test_what_fails_at_the_end_of_an_event_keeps_no_memory(page, url, library, monkeypatch):
    queue = page._queue

    async def fail(event_id):
        raise RuntimeError("the end of an event")

    monkeypatch.setattr(queue, "reset_iterators", fail)
    join(url, library, "somebody")
    listen(url, "somebody")
    when(lambda: not queue.event_ids_to_events and not queue.event_analytics)


def test_a_stream_counts_for_as_long_as_it_is_open():
    open_ = Listeners()
    with open_.listening("a"):
        with open_.listening("a"):
            assert open_.heard("b", "a")
        assert open_.heard("a")
    assert not open_.heard("a")


def test_listeners_may_come_from_any_thread():
    open_ = Listeners()

    def visit():
        for _ in range(200):
            with open_.listening("a"):
                open_.heard("a")

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not open_.heard("a")
