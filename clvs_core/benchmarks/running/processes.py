"""Asking in several processes of this machine, each with a whole copy of the model.

What is sent around is a picture with all its questions; what a lost worker was asked is asked again.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...errors import ClvsError, ModelError
from ..question import Question
from .asker import Row
from .local import AHEAD, packed, reading
from .plan import Job, Plan
from .worker import Worker, without_pictures

TRIES = 3  # workers that one picture may cost
_workers: list[Worker] = []  # in a worker's process: the one it has


class ProcessPool:
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
                if lost == TRIES:
                    raise ClvsError(
                        f"The worker processes end again and again at question {at.questions[0].id}; use fewer, they "
                        "may lack memory."
                    ) from None
                self.pool = self._pool()

    def _through(self, jobs: list[Job]) -> Iterator[tuple[Job, list[Row]]]:
        coming, running = iter(jobs), dict[Future, Job]()
        while True:
            for job in itertools.islice(coming, self.count * AHEAD - len(running)):
                with reading(job.questions):
                    picture = _sent(job.picture)
                running[self.pool.submit(_rows, picture, without_pictures(job.questions))] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)


def _start_child(plan: Plan) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all; who began them says so
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _workers.append(Worker(plan))


def _about() -> tuple[dict[str, Any], str]:
    return _workers[0].about()


def _rows(picture: Any, questions: Sequence[Question]) -> list[Row]:
    return _workers[0].rows(picture, questions)


def _end_with_parent() -> None:
    """The workers of a pool whose owner was killed would wait for ever, with a model each."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _sent(picture: Any) -> Any:
    """A path as it is: workers of this machine read it themselves."""
    return picture if isinstance(picture, (str, Path)) else packed(picture)
