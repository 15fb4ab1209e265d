"""Who asks: this process, several processes of this machine, or the workers of a Ray cluster.

All give the same answers: what is sent around is a picture with all its questions, and each worker has a whole copy of
the model. What a lost worker was asked is asked again.
"""

from __future__ import annotations

import io
import itertools
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from transformers.utils.logging import disable_progress_bar

from ..engine.images import FORMATS, read_picture
from ..errors import ClvsError
from .asking import Asker, Plan, Row
from .base import Question
from .runner import Job

AHEAD = 4  # pictures that are read before it is their turn, of each worker
_TRIES = 3  # times that a pool is started anew without an answer in between


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
    decoded(picture).save(file, "PNG")
    return file.getvalue()


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
            reading = [(job, pool.submit(decoded, job.picture)) for job in itertools.islice(coming, AHEAD)]
            while reading:
                job, picture = reading.pop(0)
                reading += [(late, pool.submit(decoded, late.picture)) for late in itertools.islice(coming, 1)]
                yield self.asker.rows(picture.result(), job.questions)


# --- processes ----------------------------------------------------------------------------------------

_asker: Asker | Exception | None = None  # of a worker process; an error waits for whoever asks


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
    return _here().rows(decoded(picture), questions)


class Processes:
    """Several processes of this machine, each with a model: a small one uses one core well, and several badly."""

    def __init__(self, plan: Plan, count: int):
        threads = max(1, multiprocessing.cpu_count() // count)
        self.plan, self.count = replace(plan, threads=plan.threads or threads), count
        self.pool = self._pool()
        self._about, self._device = self.pool.submit(_about).result()

    def _pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.count, context, _start, (self.plan,))

    def about(self) -> dict[str, Any]:
        return self._about

    def devices(self) -> list[str]:
        return [self._device] * self.count

    def rows(self, jobs: Sequence[Job]) -> Iterator[list[Row]]:
        left, lost = list(jobs), 0
        while left:
            try:
                for job, rows in self._through(list(left)):
                    left.remove(job)
                    lost = 0
                    yield rows
            except BrokenProcessPool:
                lost += 1
                if lost == _TRIES:
                    raise ClvsError(
                        "The worker processes end again and again; use fewer, they may lack memory."
                    ) from None
                self.pool = self._pool()

    def _through(self, jobs: list[Job]) -> Iterator[tuple[Job, list[Row]]]:
        coming, running = iter(jobs), dict[Future, Job]()
        while True:
            for job in itertools.islice(coming, self.count * AHEAD - len(running)):
                running[self.pool.submit(_rows, _sent(job.picture), _plain(job.questions))] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)


def _sent(picture: Any) -> Any:
    """A path as it is: workers of this machine read it themselves."""
    return picture if isinstance(picture, (str, Path)) else packed(picture)


def _plain(questions: Iterable[Question]) -> list[Question]:
    """Without pictures, which travel once."""
    return [replace(question, picture=None) for question in questions]


# --- Ray ----------------------------------------------------------------------------------------------

_NO_RAY = "Running on a cluster needs the package ray; run: pip install ray"


class Cluster:
    """Actors of a Ray cluster, one model copy each; Ray starts a lost one anew and repeats what it was asked.

    address: "auto" for the cluster this machine belongs to, "local" for one of this machine alone, else "HOST:PORT".
    gpus: of each worker, may be a part of one. count: of workers, None for as many as the cluster has room for.
    """

    def __init__(self, plan: Plan, address: str, gpus: float = 0, count: int | None = None):
        self.ray = ray = _ray()
        self.own = not ray.is_initialized()
        if self.own:
            _join(ray, address)
        count = count or _room(ray, gpus)
        options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": -1, "max_task_retries": -1}
        actor = ray.remote(**options)(_Worker)
        self.workers = [actor.remote(plan) for _ in range(count)]
        try:
            told = ray.get([worker.about.remote() for worker in self.workers])
        except ray.exceptions.RayError as error:
            raise ClvsError(f"The workers could not start: {_reason(error):.300}") from error
        if any(about != told[0][0] for about, _ in told):
            raise ClvsError("The workers do not load the same model or methods; give all machines the same files.")
        self._about, self._devices = told[0][0], [device for _, device in told]

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
                raise ClvsError(f"A worker failed: {_reason(error):.300}") from error
            self._ask(worker, coming, running)
            yield rows

    def _ask(self, worker: Any, coming: Iterator[Job], running: dict[Any, Any]) -> None:
        for job in itertools.islice(coming, 1):
            running[worker.rows.remote(packed(job.picture), _plain(job.questions))] = worker

    def close(self) -> None:
        if self.own:
            self.ray.shutdown()


class _Worker:
    """What an actor runs."""

    def __init__(self, plan: Plan):
        self.asker = Asker(plan)

    def about(self) -> tuple[dict[str, Any], str]:
        return self.asker.about(), self.asker.device()

    def rows(self, picture: bytes, questions: Sequence[Question]) -> list[Row]:
        return self.asker.rows(decoded(picture), questions)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ClvsError(_NO_RAY) from error
    return ray


def _join(ray: Any, address: str) -> None:
    # Workers import this program: from where it runs, unless the other machines have it installed.
    root = str(Path(__file__).resolve().parents[2])
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": {"PYTHONPATH": root}},
            log_to_driver=False,
            logging_level="error",
            **({"include_dashboard": False} if address == "local" else {}),
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ClvsError(
            f"There is no Ray cluster at {address} ({reason:.200}); start one with ray start --head, or say local."
        ) from error


def _room(ray: Any, gpus: float) -> int:
    there = ray.cluster_resources()
    count = int(there.get("GPU", 0) / gpus) if gpus else int(there.get("CPU", 1))
    if not count:
        raise ClvsError(
            f"The cluster has {there.get('GPU', 0):g} GPUs, fewer than one worker needs; lower --gpus-per-worker."
        )
    return count


def _reason(error: Exception) -> str:
    """The first line of what went wrong inside a worker."""
    cause = getattr(error, "cause", None) or error
    return str(cause).strip().splitlines()[-1] if str(cause).strip() else type(cause).__name__
