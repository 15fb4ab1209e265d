"""Training by several one-thread processes that share the weights and take pieces of each step as they get to them.

A core that somebody else keeps busy then does fewer pieces instead of holding up every operation, as it does when the
threads of one process wait for each other.
"""

from __future__ import annotations

import multiprocessing as mp
import os
from collections.abc import Callable

import torch

CONTEXT = mp.get_context("fork")


def optimisers(parameters, rate: float, tower_share: float = 1.0) -> list[torch.optim.Optimizer]:
    """Muon for matrices, AdamW for the rest; the tower's rate is `tower_share` of the others'.

    `parameters` yields (name, parameter).
    """
    groups: dict[tuple[bool, float], list] = {}
    for name, p in parameters:
        matrix = p.ndim == 2 and not any(word in name for word in ("embed", "lm_head", "background"))
        groups.setdefault((matrix, rate * tower_share if "tower" in name else rate), []).append(p)
    muon, adam = (
        [{"params": ps, "lr": lr, "top": lr} for (matrix, lr), ps in groups.items() if matrix == wanted]
        for wanted in (True, False)
    )
    return [
        torch.optim.Muon(muon, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(adam, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]


def set_rate(all_optimisers, done: float, warm: float = 0.01, decay: float = 0.4) -> None:
    """Warm up, hold, fall linearly over the last `decay` of the run; `done` in [0, 1]."""
    share = min(1.0, (done + 1e-4) / warm, max(0.02, (1 - done) / decay))
    for optimiser in all_optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["top"] * share


class Crew:
    """`named` (name, parameter) pairs, moved to shared memory; each member updates its own part of them.

    Fork the members (`recruit`) before anything runs in threads.
    """

    def __init__(self, named, members: int, rate: float, tower_share: float = 1.0):
        self.named = [(name, p) for name, p in named if p.requires_grad]
        self.members = members
        for _, p in self.named:
            p.data.share_memory_()
        self.grads = [[torch.zeros_like(p).share_memory_() for _, p in self.named] for _ in range(members)]
        self.barrier = CONTEXT.Barrier(members, timeout=900)  # nobody waits for a member that was killed
        self.left, self.lock = CONTEXT.Value("i", 0), CONTEXT.Lock()
        self.plan = torch.zeros(4, dtype=torch.float64).share_memory_()  # done, pieces, setting, stop
        self.losses = torch.zeros(members, 2).share_memory_()
        self.rates, self.rank = (rate, tower_share), 0

    def recruit(self, work: Callable[[int], Callable[[float], float]]) -> None:
        """Start the other members; `work(rank)` gives a member's function: setting -> loss of a piece."""
        parent = os.getpid()
        for rank in range(1, self.members):
            CONTEXT.Process(target=self._member, args=(rank, work, parent), daemon=True).start()
        self._join(0, work)

    def _join(self, rank: int, work) -> None:
        torch.set_num_threads(1)
        self.rank, self.piece = rank, work(rank)
        for (_, p), grad in zip(self.named, self.grads[rank], strict=True):
            p.grad = grad
        # By size, so that the members' updates take about as long.
        order = sorted(range(len(self.named)), key=lambda i: -self.named[i][1].numel())
        self.mine = order[rank :: self.members]
        self.optimisers = optimisers([self.named[i] for i in self.mine], *self.rates)

    def _member(self, rank: int, work, parent: int) -> None:
        self._join(rank, work)
        while os.getppid() == parent and self._round():
            pass

    def step(self, done: float, pieces: int, setting: float) -> float:
        """One update of `pieces` pieces by all members, `done` in [0, 1] of the schedule; returns the mean loss."""
        self.plan.copy_(torch.tensor([done, pieces, setting, 0.0], dtype=torch.float64))
        self.left.value = pieces
        self.losses.zero_()
        self._round()
        total, number = self.losses.sum(0).tolist()
        return total / number

    def _round(self) -> bool:
        self.barrier.wait()
        done, pieces, setting, stop = self.plan.tolist()
        if stop:
            return False
        for grad in self.grads[self.rank]:
            grad.zero_()
        while self._take():
            self.losses[self.rank] += torch.tensor([self.piece(setting), 1.0])
        self.barrier.wait()
        set_rate(self.optimisers, done)
        for i in self.mine:
            self.named[i][1].grad = sum(grads[i] for grads in self.grads) / pieces
        for optimiser in self.optimisers:
            optimiser.step()
        for i in self.mine:
            self.named[i][1].grad = self.grads[self.rank][i]
        self.barrier.wait()
        return True

    def _take(self) -> bool:
        with self.lock:
            self.left.value -= 1
            return self.left.value >= 0

    def dismiss(self) -> None:
        """Let the other members end."""
        self.plan[3] = 1
        self.barrier.wait()
