"""Who asks: this process, several processes of this machine, or the workers of a Ray cluster.

All give the same answers: what is sent around is a picture with all its questions, and each worker has a whole copy of
the model. What a lost worker was asked is asked again.
"""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError
from transformers.utils.logging import disable_progress_bar

from ...bundled import CHECKOUT
from ...errors import ClvsError, ImageError, ModelError
from ...models.hub import first_line
from ...pictures import FORMATS, read_picture
from ..question import Question
from .asker import Asker, Plan, Row
from .job import Job

AHEAD = 4  # pictures that are read before it is their turn, of each worker
_TRIES = 3  # workers that one picture may cost


def decoded(picture: Any) -> Image.Image:
    """An upright RGB image of a path, bytes of a picture file, a PIL image, or a function that gives one of them."""
    picture = picture() if callable(picture) else picture
    if isinstance(picture, bytes):
        picture = Image.open(io.BytesIO(picture), formats=FORMATS)
    return read_picture(picture)


def packed(picture: Any) -> bytes:
    """A picture as the bytes of a file, which any machine can read."""
    if isinstance(picture, (str, Path)):
        return Path(picture).read_bytes()
    file = io.BytesIO()
    decoded(picture).save(file, "PNG", compress_level=1)  # many workers wait for the one who packs
    return file.getvalue()


@contextmanager
def _reading(questions: Sequence[Question]) -> Iterator[None]:
    """Says of a picture that cannot be read whose it is: bytes that a table or another machine holds have no name."""
    try:
        yield
    except Exception as error:  # Pillow and the readers of tables raise errors of many kinds
        why = "it is not a picture" if isinstance(error, UnidentifiedImageError) else first_line(error)
        image = f" ({questions[0].image})" if questions[0].image else ""
        raise ImageError(
            f"The picture of question {questions[0].id}{image} cannot be read: {why.partition(';')[0]}; mend it, "
            "and the same command goes on."
        ) from error


def _picture(picture: Any, questions: Sequence[Question]) -> Image.Image:
    with _reading(questions):
        return decoded(picture)


# --- this process -------------------------------------------------------------------------------------


class Here:
    """One model in this process; the next pictures are read meanwhile."""

    def __init__(self, plan: Plan):
        self.asker = Asker(plan)

    def about(self) -> dict[str, Any]:
        return self.asker.about()

    def devices(self) -> list[str]:
        return [self.asker.device()]

    def rows(self, jobs: Sequence[Job]) -> Iterator[list[Row]]:
        with ThreadPoolExecutor(2, "pictures") as pool:
            coming = iter(jobs)
            reading = [
                (job, pool.submit(_picture, job.picture, job.questions)) for job in itertools.islice(coming, AHEAD)
            ]
            while reading:
                job, picture = reading.pop(0)
                for late in itertools.islice(coming, 1):
                    reading.append((late, pool.submit(_picture, late.picture, late.questions)))
                yield self.asker.rows(picture.result(), job.questions)


# --- a worker's process -------------------------------------------------------------------------------

_asker: Asker | Exception | None = None  # an error waits for whoever asks


def _start(plan: Plan) -> None:
    global _asker
    disable_progress_bar()  # several at once are no use
    try:
        _asker = Asker(plan)
    except Exception as error:
        _asker = error


def _here() -> Asker:
    if isinstance(_asker, Exception):
        raise _asker
    assert _asker is not None
    return _asker


def _about() -> tuple[dict[str, Any], str]:
    return _here().about(), _here().device()


def _rows(picture: Any, questions: Sequence[Question]) -> list[Row]:
    return _here().rows(_picture(picture, questions), questions)


def _plain(questions: Iterable[Question]) -> list[Question]:
    """Without pictures, which travel once."""
    return [replace(question, picture=None) for question in questions]


# --- processes ----------------------------------------------------------------------------------------


class Processes:
    """Several processes of this machine, each with a model: a small one uses one core well, and several badly."""

    def __init__(self, plan: Plan, count: int):
        threads = max(1, torch.get_num_threads() // count)  # of the cores that this process may use, or is told to
        self.plan, self.count = replace(plan, threads=plan.threads or threads), count
        self.pool = self._pool()
        try:
            self._about, self._device = self.pool.submit(_about).result()
        except BrokenProcessPool:
            raise ModelError(
                f"A worker process ended while it loaded {plan.model}; this machine may lack memory for it."
            ) from None

    def _pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.count, context, _start_child, (self.plan,))

    def about(self) -> dict[str, Any]:
        return self._about

    def devices(self) -> list[str]:
        return [self._device] * self.count

    def rows(self, jobs: Sequence[Job]) -> Iterator[list[Row]]:
        left = list(jobs)
        lost, at = 0, None  # pools that were lost, while which picture was the first without answers
        while left:
            try:
                for job, rows in self._through(list(left)):
                    left.remove(job)
                    yield rows
            except BrokenProcessPool:
                lost, at = (lost + 1 if left[0] is at else 1), left[0]
                if lost == _TRIES:
                    raise ClvsError(
                        f"The worker processes end again and again at question {at.questions[0].id}; use fewer, they "
                        "may lack memory."
                    ) from None
                self.pool = self._pool()

    def _through(self, jobs: list[Job]) -> Iterator[tuple[Job, list[Row]]]:
        coming, running = iter(jobs), dict[Future, Job]()
        while True:
            for job in itertools.islice(coming, self.count * AHEAD - len(running)):
                with _reading(job.questions):
                    picture = _sent(job.picture)
                running[self.pool.submit(_rows, picture, _plain(job.questions))] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)


def _start_child(plan: Plan) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all; who began them says so
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _start(plan)


def _end_with_parent() -> None:
    """The workers of a pool whose owner was killed would wait for ever, with a model each."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _sent(picture: Any) -> Any:
    """A path as it is: workers of this machine read it themselves."""
    return picture if isinstance(picture, (str, Path)) else packed(picture)


# --- Ray ----------------------------------------------------------------------------------------------

_NO_RAY = "Running on a cluster needs the package ray; run: pip install ray"
_RESTARTS = 20  # of a worker; those of machines that were taken away do not count


class Cluster:
    """Actors of a Ray cluster, one model copy each; Ray starts a lost one anew and repeats what it was asked.

    address: "auto" for the cluster this machine belongs to, "local" for one of this machine alone, else "HOST:PORT".
    gpus: of each worker, may be a part of one; None for one where the cluster has GPUs. count: of workers, None for as
    many as the cluster has room for.
    """

    def __init__(self, plan: Plan, address: str, gpus: float | None = None, count: int | None = None):
        self.ray = _ray()
        self.own = not self.ray.is_initialized()
        if self.own:
            _join(self.ray, address)
        try:
            self.workers = self._hired(plan, gpus, count)
            told = self._told([worker.about.remote() for worker in self.workers])
        except BaseException:
            self.close()
            raise
        self._about, self._devices = told[0][0], [device for _, device in told]

    def _hired(self, plan: Plan, gpus: float | None, count: int | None) -> list[Any]:
        if gpus is None:
            gpus = int(plan.device != "cpu" and self.ray.cluster_resources().get("GPU", 0) >= 1)
        room = _room(self.ray.nodes(), gpus)
        if not room or (count or 0) > room:
            each = f" with {gpus:g} GPUs each; change --gpus-per-worker or" if gpus else "; change"
            raise ClvsError(f"The cluster has room for {room} workers{each} --workers, or add machines.")
        options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": _RESTARTS, "max_task_retries": _TRIES}
        actor = self.ray.remote(**options)(_Worker)
        return [actor.remote(plan) for _ in range(count or room)]

    def _told(self, asked: list[Any]) -> list[tuple[dict[str, Any], str]]:
        try:
            told = self.ray.get(asked)
        except self.ray.exceptions.RayError as error:
            raise _failed(error) from error
        if any(about != told[0][0] for about, _ in told):
            raise ClvsError("The workers do not load the same model or methods; give all machines the same files.")
        return told

    def about(self) -> dict[str, Any]:
        return self._about

    def devices(self) -> list[str]:
        return self._devices

    def rows(self, jobs: Sequence[Job]) -> Iterator[list[Row]]:
        ray, coming = self.ray, iter(jobs)
        running: dict[Any, Any] = {}  # what is asked -> who was asked
        for worker in self.workers * 2:  # the next picture waits at the worker, so that it never idles
            self._ask(worker, coming, running)
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            worker = running.pop(done)
            try:
                rows = ray.get(done)
            except ray.exceptions.RayError as error:
                raise _failed(error) from error
            self._ask(worker, coming, running)
            yield rows

    def _ask(self, worker: Any, coming: Iterator[Job], running: dict[Any, Any]) -> None:
        for job in itertools.islice(coming, 1):
            with _reading(job.questions):
                picture = packed(job.picture)
            running[worker.rows.remote(picture, _plain(job.questions))] = worker

    def close(self) -> None:
        if self.own:
            self.ray.shutdown()


class _Worker:
    """What an actor runs."""

    def __init__(self, plan: Plan):
        _start(plan)

    def about(self) -> tuple[dict[str, Any], str]:
        return _about()

    def rows(self, picture: bytes, questions: Sequence[Question]) -> list[Row]:
        return _rows(picture, questions)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ClvsError(_NO_RAY) from error
    return ray


def _join(ray: Any, address: str) -> None:
    # Workers import this program: from where it runs, unless the other machines have it installed.
    root = str(CHECKOUT)
    try:
        _knock(address)
        ray.init(
            address=address,
            runtime_env={"env_vars": {"PYTHONPATH": root}},
            log_to_driver=False,
            logging_level="error",
            **({"include_dashboard": False} if address == "local" else {}),
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ClvsError(
            f"There is no Ray cluster at {address} ({first_line(error):.200}); start one with ray start --head, or say "
            "local."
        ) from error


def _knock(address: str) -> None:
    """OSError where nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and host and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _room(nodes: Sequence[dict[str, Any]], gpus: float) -> int:
    """How many workers fit on the machines: each needs a core, and all its GPUs on one machine."""
    there = [node["Resources"] for node in nodes if node["Alive"]]
    cores = (int(one.get("CPU", 0)) for one in there)
    if not gpus:
        return sum(cores)
    return sum(min(several, int(one.get("GPU", 0) / gpus)) for several, one in zip(cores, there, strict=True))


def _failed(error: Exception) -> ClvsError:
    """What went wrong inside a worker: its own sentence where there is one."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, ClvsError):
        return cause
    said = str(cause).strip().splitlines() or [type(cause).__name__]
    return ClvsError(f"A worker failed ({said[0]:.300}); the same command goes on with the run.")
