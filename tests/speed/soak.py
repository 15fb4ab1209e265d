"""The served page under load, soak and fuzz, in one table: what it takes, what it refuses, and that nothing is lost.

    python -m tests.speed.soak [--asks 300] [--visitors 130] [--fuzz 2000] [--only load soak ...]

Starts `app.py` on a free port of this machine and sends it bounded numbers of requests: visitors who ask at once, one
who asks again and again, visitors with a new picture each, bodies that are too large, a picture that takes long to
decode, and random requests to every route. After each, one question has to be answered as at the start. Only 127.0.0.1
is asked.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "assets" / "scenes" / "kite-weather.jpg"
QUESTION = "Is there a dog in the picture?"
API = "gradio_api"
MIB = 1 << 20


class Page:
    """A served page and its process. rss: bytes of it and its children."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "app.py", "--port", str(port)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.log = open("/tmp/soak-app.log", "w")  # noqa: SIM115  it lives as long as the process
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=self.log, stderr=self.log)
        self.url = f"http://127.0.0.1:{port}"
        for _ in range(240):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/config", timeout=2).status_code == 200:
                    return
            time.sleep(0.5)
        raise SystemExit("The page did not start; /tmp/soak-app.log says why.")

    def rss(self) -> int:
        whole = psutil.Process(self.process.pid)
        return sum(one.memory_info().rss for one in (whole, *whole.children(recursive=True)))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def upload(client: httpx.Client, content: bytes, name: str) -> str | int:
    """The path of an uploaded picture, or the status of the refusal."""
    answer = client.post(f"/{API}/upload", files={"files": (name, content)})
    return answer.json()[0] if answer.status_code == 200 else answer.status_code


def ask(
    client: httpx.Client, path: str, question: str = QUESTION, methods: tuple[str, ...] = ("vanilla", "clvs")
) -> Any:
    """What `/ask` says: its answer, or the sentence of its refusal, or a status."""
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, question, list(methods), 4, "", "chat"]
    begun = client.post(f"/{API}/call/ask", json={"data": data})
    if begun.status_code != 200:
        return begun.status_code
    with client.stream("GET", f"/{API}/call/ask/{begun.json()['event_id']}") as stream:
        event = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: ") and event in ("complete", "error"):
                return json.loads(line[6:])
    return None


def texts(told: Any) -> list[str] | None:
    with contextlib.suppress(TypeError, KeyError, IndexError):
        return [answer["text"] for answer in told[0]["answers"]]
    return None


def jpeg(seed: int, size: int = 512) -> bytes:
    """A picture that nobody has sent before."""
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((size, size)).save(stream, "JPEG")
    return stream.getvalue()


@contextlib.contextmanager
def waits(page: Page) -> Iterator[list[float]]:
    """Seconds that a small request of another visitor takes, one after the other, meanwhile."""
    found: list[float] = []
    over = threading.Event()

    def look() -> None:
        with httpx.Client(base_url=page.url, timeout=120) as client:
            while not (over.is_set() and found):
                start = time.perf_counter()
                with contextlib.suppress(httpx.HTTPError):
                    client.get("/config")
                found.append(time.perf_counter() - start)
                time.sleep(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def load(page: Page, client: httpx.Client, asks: int) -> str:
    """Eight visitors at once."""
    path = str(upload(client, SCENE.read_bytes(), "kite.jpg"))

    def one(_: int) -> tuple[float, Any]:
        with httpx.Client(base_url=page.url, timeout=300) as own:
            start = time.perf_counter()
            told = ask(own, path)
            return time.perf_counter() - start, texts(told)

    with waits(page) as others, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(asks)))
    answers = Counter(map(str, (text for _, text in found)))
    seconds = sorted(s for s, _ in found)
    return (
        f"{asks} asks by 8 at once: median {statistics.median(seconds):.2f} s, longest {seconds[-1]:.2f} s; "
        f"{len(answers)} different answer(s); longest wait for a small request {max(others):.2f} s"
    )


def soak(page: Page, client: httpx.Client, asks: int) -> str:
    """One picture, other questions and settings."""
    path = str(upload(client, SCENE.read_bytes(), "kite.jpg"))
    nouns = ("dog", "kite", "ball", "pig", "cat", "cow", "tree", "horse")
    early = 0
    for n in range(asks):
        ask(client, path, f"Is there a {nouns[n % 8]} in the picture?", ("vanilla", f"clvs:alpha={n % 11 / 10}"))
        early = early or (page.rss() if n == asks // 3 else 0)
    return f"{asks} asks about one picture: {early / MIB:.0f} MiB after a third, {page.rss() / MIB:.0f} MiB at the end"


def visitors(page: Page, client: httpx.Client, count: int) -> str:
    """A new picture each."""
    before, most = page.rss(), 0
    for n in range(count):
        with httpx.Client(base_url=page.url, timeout=300) as own:
            ask(own, str(upload(own, jpeg(n), f"own-{n}.jpg")))
        most = max(most, page.rss())
    return (
        f"{count} visitors with a new picture each: {before / MIB:.0f} MiB before, {page.rss() / MIB:.0f} MiB after, "
        f"{most / MIB:.0f} MiB at most"
    )


def bodies(page: Page, client: httpx.Client, _: int) -> str:
    """JSON of 6 MB."""
    body = json.dumps({"data": ["x" * 6_000_000], "session_hash": "a", "event_id": "b", "fn_index": 0}).encode()
    deep = b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    statuses: Counter[int] = Counter()
    with waits(page) as others:
        for route in ("cancel", "queue/join", "run/predict", "call/ask", "reset"):
            for content in (body, deep):
                answer = client.post(f"/{API}/{route}", content=content, headers={"content-type": "application/json"})
                statuses[answer.status_code] += 1
                if len(answer.content) > 10_000:
                    statuses[-1] += 1
    return f"JSON of 6 MB and 100,000 levels: statuses {dict(statuses)}; longest wait {max(others):.2f} s"


def scans(page: Page, client: httpx.Client, _: int) -> str:
    """A progressive JPEG whose last scan comes 2,000 times."""
    stream = io.BytesIO()
    Image.new("RGB", (4000, 4000), "gray").save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    last = content.rindex(b"\xff\xda")
    slow = content[:-2] + content[last:-2] * 2000 + content[-2:]
    start = time.perf_counter()
    path = upload(client, slow, "slow.jpg")
    told = ask(client, str(path)) if isinstance(path, str) else path
    return f"a JPEG of {len(slow) // 1000} KB with 2,000 scans: {time.perf_counter() - start:.2f} s, {str(told)[:120]}"


def fuzz(page: Page, client: httpx.Client, count: int) -> str:
    """Random requests to every route that Gradio has, with values of every kind."""
    draw = random.Random(0)
    config = client.get("/config").json()
    routes = [
        "/",
        "/config",
        "/info",
        "/startup-events",
        "/queue/join",
        "/queue/data",
        "/cancel",
        "/reset",
        "/upload",
        "/file=a",
        "/file/https://127.0.0.1/",
        "/call/ask",
        "/call/ask/x",
        "/call/key_object_curve",
        "/component_server",
        "/proxy=a",
        "/stream/a/b/c/d",
        "/process_recording",
        "/deep_link",
        "/dev/reload",
        "/vibe",
        "/theme.css",
        "/login",
        "/monitoring",
        "/static/../../etc/passwd",
        "/file=../../../etc/passwd",
        "/file=/etc/passwd",
        "/heartbeat/x",
        "/run/ask",
        "/api/ask",
    ]
    values: list[Callable[[], Any]] = [
        lambda: None,
        lambda: draw.choice([True, False]),
        lambda: draw.randint(-(2**70), 2**70),
        lambda: draw.random() * 1e300,
        lambda: "\ud800",
        lambda: "\x00",
        lambda: "x" * draw.randint(0, 5000),
        lambda: [1] * draw.randint(0, 50),
        lambda: {"path": "/etc/passwd"},
        lambda: {"__type__": "update"},
        lambda: str(SCENE),
        lambda: float("nan"),
        lambda: {"url": "http://127.0.0.1:1/"},
        lambda: QUESTION,
        lambda: ["vanilla", "clvs:alpha=2", "vcd"],
    ]
    statuses: Counter[str] = Counter()
    for _ in range(count):
        prefix = draw.choice(["", f"/{API}"])
        body = {
            "data": [draw.choice(values)() for _ in range(draw.randint(0, 14))],
            "fn_index": draw.choice([draw.randint(-2, len(config["dependencies"]) + 2), draw.choice(values)()]),
            "session_hash": draw.choice(["s", "t", draw.choice(values)()]),
            "event_id": draw.choice(["e", draw.choice(values)()]),
            "trigger_id": draw.choice([None, draw.choice(values)()]),
        }
        content = json.dumps(body).encode()
        if draw.random() < 0.1:
            content = content[: draw.randint(0, len(content))] + bytes(draw.randrange(256) for _ in range(8))
        method = draw.choice(["GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD"])
        try:
            with client.stream(
                method,
                prefix + draw.choice(routes),
                content=content,
                headers={"content-type": "application/json"},
                timeout=5,
            ) as answer:
                statuses[f"{answer.status_code // 100}xx"] += 1
        except httpx.TimeoutException:
            statuses["open stream"] += 1
        except httpx.HTTPError as error:
            statuses[type(error).__name__] += 1
    return f"{count} random requests: {dict(statuses)}"


STAGES: dict[str, Callable[[Page, httpx.Client, int], str]] = {
    "load": load,
    "soak": soak,
    "visitors": visitors,
    "bodies": bodies,
    "scans": scans,
    "fuzz": fuzz,
}
COUNTS = {"load": "asks", "soak": "asks"}  # the option that says how many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--asks", type=int, default=300)
    parser.add_argument("--visitors", type=int, default=130)
    parser.add_argument("--fuzz", type=int, default=2000)
    parser.add_argument("--only", nargs="+", choices=tuple(STAGES), default=tuple(STAGES))
    options = parser.parse_args()
    page = Page()
    try:
        with httpx.Client(base_url=page.url, timeout=300) as client:
            path = str(upload(client, SCENE.read_bytes(), "kite.jpg"))
            first = ask(client, path)
            if texts(first) is None:
                raise SystemExit(f"The page does not answer: {first}")
            print("| what | seconds | measured | MiB after | answers as before |\n|---|---|---|---|---|")
            for name in options.only:
                start = time.perf_counter()
                told = STAGES[name](page, client, getattr(options, COUNTS.get(name, name), 0))
                same = ask(client, str(upload(client, SCENE.read_bytes(), "kite.jpg"))) == first
                seconds = time.perf_counter() - start
                print(f"| {name} | {seconds:.0f} | {told} | {page.rss() / MIB:.0f} | {same} |", flush=True)
    finally:
        page.close()


if __name__ == "__main__":
    main()
