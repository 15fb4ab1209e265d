"""Asking on a Ray cluster: actors with a whole copy of the model each, on any number of machines."""

from __future__ import annotations

import itertools
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from ...bundled import CHECKOUT
from ...errors import ClvsError
from ...models.hub import first_line
from .asker import Row
from .local import packed, reading
from .plan import Job, Plan
from .processes import TRIES
from .worker import Worker, without_pictures

_NO_RAY = "Running on a cluster needs the package ray; run: pip install ray"
_RESTARTS = 20  # of a worker; those of machines that were taken away do not count


class RayCluster:
    """Actors of a Ray cluster, one model copy each; Ray starts a lost one anew and repeats what it was asked.

    address: "auto" for the cluster this machine belongs to, "local" for one of this machine alone, else "HOST:PORT".
    gpus: of each worker, may be a part of one; None for one where the cluster has GPUs. count: of workers, None for as
    many as the cluster has room for.
    """

    def __init__(self, plan: Plan, address: str, gpus: float | None = None, count: int | None = None):
        self.ray = _ray()
        self.own = not self.ray.is_initialized()
        self._on_terminate = signal.getsignal(signal.SIGTERM)
        try:
            if self.own:
                _join(self.ray, address)
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
        options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": _RESTARTS, "max_task_retries": TRIES}
        actor = self.ray.remote(**options)(Worker)
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
            with reading(job.questions):
                picture = packed(job.picture)
            running[worker.rows.remote(picture, without_pictures(job.questions))] = worker

    def close(self) -> None:
        if self.own:
            self.ray.shutdown()
            if threading.current_thread() is threading.main_thread():  # Ray leaves a handler of its own
                signal.signal(signal.SIGTERM, self._on_terminate or signal.SIG_DFL)


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
