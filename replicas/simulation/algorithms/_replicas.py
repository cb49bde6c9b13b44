r"""Replicas of the weights and their centre: what the gradient algorithms `stochastic`, `elastic` and `committee` share.

    (lambda/2) sum_a |m^a - c|^2,   q_ab = sum_{a < b} m^a . m^b / (N y (y - 1)/2) = (y |(1/y) sum_a m^a|^2 - (1/y) sum_a |m^a|^2) / (N (y - 1))
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numba import njit

from .._checks import check_finite, check_integer
from .._packed import REORDER
from ..learning import Run, Weights
from ..problems import Problem


class ReplicaRun(Run):
    """Passes of y >= 1 replicas, arrays (y, ...), and of their centre, until one of them solves.

    The history has the fraction of patterns that the centre violates ("energy"; of one replica: itself) and, for y > 1, the mean
    overlap of two replicas ("replica_overlap").
    """

    def __init__(self, problem: Problem, replicas: np.ndarray, centre: np.ndarray):
        self.problem, self.replicas, self.centre = problem, replicas, centre
        self.best = -1

    @abstractmethod
    def passes(self, most: int) -> tuple[int, int]:
        """At most so many passes: how many were made, and the replica that solves (y: the centre), -1 if none does."""

    @abstractmethod
    def answer(self, replica: np.ndarray) -> Weights:
        """The weights that a replica, or the centre, stands for."""

    def advance(self, steps: int) -> bool:
        last = self.steps + steps
        while self.steps < last:
            done, self.best = self.passes(last - self.steps)
            self.steps += done
            # in double precision a field may be on the other side of the margin: then the passes go on
            if self.best >= 0 and self.problem.unsatisfied(self.weights) == 0:
                return True
        return False

    @property
    def weights(self) -> Weights:
        return self.answer(self.replicas[self.best] if 0 <= self.best < len(self.replicas) else self.centre)

    def record(self) -> dict[str, float]:
        row = {"energy": self.problem.unsatisfied(self.answer(self.centre)) / self.problem.P}
        y = len(self.replicas)
        if y > 1:
            vectors = self.replicas.reshape(y, -1).astype(float)
            row["replica_overlap"] = float(y * np.mean(np.mean(vectors, axis=0) ** 2) - np.mean(vectors**2)) / (y - 1)
        return row


def check_replicas(replicas: int, *couplings: tuple[str, float]) -> None:
    """Refuse fewer than two replicas, and attractions (name, value) that repel."""
    check_integer("replicas", replicas, at_least=2)
    for name, value in couplings:
        if check_finite(name, value) < 0:
            raise ValueError(f"{name}: got {value}, takes a number >= 0")


@njit(cache=True, nogil=True, fastmath=REORDER)
def attract(slope, pull, coupling, m, centre):  # type: ignore[no-untyped-def]
    """Adds the gradient of -(coupling/2) |m - centre|^2 in m to `slope`, that in the centre to `pull`."""
    for i in range(m.size):
        force = coupling * (centre[i] - m[i])
        slope[i] += force
        pull[i] -= force
