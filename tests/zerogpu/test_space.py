"""The whole app as a ZeroGPU Space runs it: the package `spaces` forks a process for each call and emulates CUDA here.

Only the scheduler and the GPU are faked (see `space.py`); models, page, endpoints and what crosses are the real ones.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import clvs_core as clvs
from tests.ports import free_port
from tests.zerogpu.scheduler import Scheduler
from tests.zerogpu.visitor import Visitor, controls

pytest.importorskip("spaces")
if not sys.platform.startswith("linux"):
    pytest.skip("Spaces run on Linux", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "assets/scenes/birthday.jpg"
UPLOADED = {"path": str(PICTURE), "meta": {"_type": "gradio.FileData"}}
QUOTA = 429, {"content-type": "application/json", "x-authenticated": "regular"}, json.dumps({"left": 3, "wait": 600})
BROKEN = """
from dataclasses import dataclass
from clvs_core.methods import Editor, Method

@dataclass(frozen=True)
class Broken(Method):
    name, label, summary, paper, stage = "broken", "Broken", "Fails.", "", "weights"

    @classmethod
    def editor(cls, methods, device, dtype):
        raise RuntimeError("a secret of the engine")
"""


@pytest.fixture(scope="module")
def scheduler():
    found = Scheduler()
    yield found
    found.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("space") / "log.txt"


@pytest.fixture(scope="module")
def url(scheduler, log, tiny_folder):
    """The address of the served app: two models, and a method of one's own that fails."""
    port = free_port()
    (log.parent / "broken.py").write_text(BROKEN)
    cgroup = log.parent / "cgroup"
    cgroup.write_text("0::/space\n")
    environ = os.environ | {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": scheduler.url,
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(cgroup),
        "SPACE_ID": "somebody/clvs",
        "CLVS_MODELS": f"scenes,{tiny_folder}",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(log.parent / "gradio"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "2",  # a fork of a process that has used several must not hang
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    command = [sys.executable, "-m", "tests.zerogpu.space", "--method", str(log.parent / "broken.py")]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out, start_new_session=True)
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait(process, address, log)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers, too
        process.wait()


def _wait(process, address, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(address)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"The app did not start.\n{log.read_text()}")


@pytest.fixture(autouse=True)
def granted(scheduler):
    yield
    scheduler.refusal = None


@pytest.fixture(scope="module")
def client(url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    return Client(url, verbose=False, headers={"x-ip-token": "a.e30.c"}, download_files=str(folder))


@pytest.fixture
def visitor(url):
    return Visitor(url, **{"x-ip-token": "a.e30.c"})


@pytest.fixture(scope="module")
def scenes():
    return clvs.load_model("scenes", device="cpu")


def ask(client, question="Is there a dog?", methods=("vanilla", "clvs"), tokens=8, model=""):
    return client.predict(handle_file(str(PICTURE)), question, list(methods), tokens, model, "chat", api_name="/ask")


def said(payload):
    """The tokens of the first method on the page."""
    return payload["methods"][0]["tokens"] if payload["methods"] else []


def test_the_endpoint_answers_as_the_model_does_anywhere(client, scheduler, scenes):
    told = ask(client)
    runs = scenes.open_image(PICTURE).ask("Is there a dog?", max_new_tokens=8)
    for answer, run in zip(told["answers"], runs, strict=True):
        assert answer["text"] == run.text
        assert [t["probability"] for t in answer["tokens"]] == pytest.approx([t.probability for t in run.tokens], 1e-3)
    asked = scheduler.asked("schedule")[-1]
    assert asked["token"] == "a.e30.c", "the quota that counts is the visitor's"
    assert int(asked["durationSeconds"]) < 10


def test_every_model_that_was_named_answers_and_no_other(client, tiny_folder, tiny_model):
    told = ask(client, model=tiny_folder.name)
    run, _ = tiny_model.open_image(PICTURE).ask("Is there a dog?", max_new_tokens=8)
    assert told["answers"][0]["text"] == run.text
    with pytest.raises(AppError, match=r"There is no model 'llava-1.5-7b' here; choose one of scenes, llava\."):
        ask(client, model="llava-1.5-7b")


def test_the_page_shows_each_token_and_a_slider_asks_for_less(visitor, scheduler):
    *shown, last = visitor.run(UPLOADED, "Describe this picture.", controls(tokens=12))
    counts = [len(said(payload)) for payload in shown if payload["question"] == last["question"]]
    assert sorted(set(counts))[:6] == [0, 1, 2, 3, 4, 5], "a payload for each token"
    assert (last["status"], last["error"]) == ("done", "")
    whole = int(scheduler.asked("schedule")[-1]["durationSeconds"])
    moved = visitor.move(last, *controls("vanilla", "clvs:alpha=0.5", tokens=12))
    assert [each["spec"].split(",")[0] for each in moved["methods"]] == ["vanilla", "clvs:alpha=0.5"]
    assert said(moved) == said(last)
    assert int(scheduler.asked("schedule")[-1]["durationSeconds"]) <= whole <= 15


def test_two_visitors_are_answered_at_once(url, visitor, scheduler):
    stream = visitor.run(UPLOADED, "Why?", controls(model="llava", tokens=32))
    next(payload for payload in stream if payload["question"] == "Why?" and said(payload))
    released = len(scheduler.asked("release"))
    moved = Visitor(url).move(None, *controls("vanilla", "clvs:alpha=0.4"))  # of the recorded example
    assert (moved["error"], len(moved["methods"])) == ("", 2)
    assert len(scheduler.asked("release")) >= released + 1
    *_, last = stream
    assert (last["status"], last["error"], len(said(last))) == ("done", "", 32)


def test_stop_ends_the_work_and_the_next_question_is_answered(visitor, scheduler):
    stream = visitor.run(UPLOADED, "Why?", controls(model="llava", tokens=64))
    shown = next(payload for payload in stream if payload["question"] == "Why?" and said(payload))
    stopped = visitor.stop()
    assert stopped["progress"] == "Stopped."
    assert len(said(shown)) <= len(said(stopped)) < 64, "what has come stays"
    workers = len(scheduler.asked("allow"))
    *_, last = visitor.run(UPLOADED, "Is there a dog?", controls())
    assert (last["status"], last["error"]) == ("done", "")
    assert len(scheduler.asked("allow")) == workers, "the worker had stopped, and was free"
    assert scheduler.asked("release")[-2:] == [{"allowToken": "allowed", "fail": "false"}] * 2


def test_a_refusal_for_quota_reaches_the_visitor_and_nothing_is_lost(visitor, client, scheduler):
    *_, before = visitor.run(UPLOADED, "Is there a dog?", controls())
    scheduler.refusal = QUOTA
    told = r"ZeroGPU quota exceeded: .*quota \(\ds requested vs\. 3s left\)\. Try again in 0:10:00"
    *_, after = visitor.run(UPLOADED, "Is there a cat?", controls())
    assert re.match(told, after["error"])
    assert (after["question"], after["methods"]) == (before["question"], before["methods"])
    moved = visitor.move(before, *controls("vanilla", "clvs:alpha=0.5"))
    assert re.match(told, moved["error"])
    assert moved["methods"] == before["methods"]
    with pytest.raises(AppError, match=told):
        ask(client)
    scheduler.refusal = None
    moved = visitor.move(before, *controls("vanilla", "clvs:alpha=0.5"))
    assert moved["error"] == ""


@pytest.mark.parametrize(("refusal", "told"), [
    ((503, {}, ""), "ZeroGPU client error: No GPU was available"),
    ((200, {"content-type": "text/event-stream"}, "event: failed\n\n"),
     "ZeroGPU queue timeout: No GPU was available after 60s Subscribe to Pro "
     "(https://huggingface.co/subscribe/pro?from=ZeroGPU) to get the highest priority in ZeroGPU queues."),
    ((500, {}, ""), "Something went wrong on the server; try again, or choose another picture or question."),
])  # fmt: skip
def test_what_the_scheduler_says_reaches_the_visitor_as_words(client, scheduler, refusal, told):
    status, headers, body = refusal
    scheduler.refusal = status, {**headers, "x-authenticated": "regular"}, body
    with pytest.raises(AppError) as refused:
        ask(client)
    assert str(refused.value) == told


def test_our_sentences_cross_from_the_worker(visitor, client):
    with pytest.raises(AppError, match=r"8 new tokens the model has room for 481; shorten it\.") as refused:
        ask(client, question="why " * 120, model="llava")
    *_, last = visitor.run(UPLOADED, "why " * 120, controls(model="llava", tokens=8))
    assert last["error"] == str(refused.value)


def test_an_unknown_error_stays_in_the_log_and_the_worker_goes_on(visitor, scheduler, log):
    *_, last = visitor.run(UPLOADED, "Is there a dog?", controls("vanilla", "broken"))
    assert last["error"] == "Something went wrong on the server; try again, or choose another picture or question."
    assert "RuntimeError: a secret of the engine" in log.read_text()
    assert "in editor" in log.read_text(), "with where it was raised"
    workers = len(scheduler.asked("allow"))
    *_, last = visitor.run(UPLOADED, "Is there a dog?", controls())
    assert last["error"] == ""
    assert len(scheduler.asked("allow")) == workers


def test_a_worker_that_is_ended_leaves_what_has_come(visitor, scheduler):
    stream = visitor.run(UPLOADED, "Why?", controls(model="llava", tokens=64))
    shown = next(payload for payload in stream if payload["question"] == "Why?" and said(payload))
    os.kill(int(scheduler.asked("allow")[-1]["pid"]), signal.SIGKILL)  # as ZeroGPU does when a call takes too long
    *_, last = stream
    assert last["error"] == "ZeroGPU worker error: GPU task aborted"
    assert said(last)[: len(said(shown))] == said(shown)
    *_, last = visitor.run(UPLOADED, "Is there a dog?", controls())
    assert last["error"] == "", "a new worker"
