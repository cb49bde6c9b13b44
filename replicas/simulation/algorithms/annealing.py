"""Simulated annealing of binary weights: Metropolis flips at a temperature that is lowered over the budget.

    linear penalty:  E = sum_mu (kappa - u_mu)_+                  u_mu = y_mu xi_mu . W / sqrt(N)
    errors:          E = sum_mu Theta(kappa - u_mu)
    flip of W_i:     accepted with probability min(1, exp(-dE/T))
    schedule:        geometric  T_t = start (end/start)^(t/(budget-1)),   linear  T_t = start + (end - start) t/(budget-1)

Fields of binary patterns are whole numbers s = u sqrt(N) with the parity of N, and kappa stands for the least s >= kappa sqrt(N)
among them, so that E = 0 is a solution and nothing else is. A flip changes all fields by +-2, which costs one contiguous column of
the patterns. The error count has a rougher landscape, where annealing gets stuck sooner: N = 201, alpha = 0.4, 300 steps solve 12 problems of 12 with the
linear penalty, and at most 3 of 12 with the error count, whatever its temperatures.
Source: S. Kirkpatrick, C. D. Gelatt and M. P. Vecchi, Science 220 (1983) 671; for this machine: H. Horner, Z. Phys. B 86 (1992) 291.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._checks import check_choice, check_finite
from ..enumeration import mismatch_budget
from ..learning import Algorithm, Run, Weights
from ..problems import Problem

COSTS = ("linear", "errors")
SCHEDULES = ("geometric", "linear")


@dataclass(frozen=True)
class Annealing(Algorithm):
    """Simulated annealing of a binary perceptron on binary patterns; stops at zero energy.

    cost : "linear" (penalty sum (kappa - u)_+) or "errors" (number of violated patterns)
    start, end : first and last temperature, start >= end > 0, in units of the cost
    schedule : "geometric" or "linear" in the temperature, over the budget
    """

    name: ClassVar[str] = "annealing"
    step: ClassVar[str] = "N proposed flips"
    budget: ClassVar[int] = 10000
    binary_patterns: ClassVar[bool] = True
    margin: ClassVar[bool] = True
    cost: str = "linear"
    start: float = 0.15
    end: float = 0.02
    schedule: str = "geometric"

    def __post_init__(self) -> None:
        check_choice("cost", self.cost, COSTS)
        check_choice("schedule", self.schedule, SCHEDULES)
        if check_finite("end", self.end) <= 0:
            raise ValueError(f"end: got {self.end}, takes a temperature > 0")
        if check_finite("start", self.start) < self.end:
            raise ValueError(f"start: got {self.start}, takes a temperature >= {self.end} (end)")

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _AnnealingRun(problem, self, rng, budget)

    def temperatures(self, budget: int) -> NDArray[np.float64]:
        """Temperature of each step, (budget,)."""
        spaced = np.geomspace if self.schedule == "geometric" else np.linspace
        return np.asarray(spaced(self.start, self.end, budget), dtype=float)


class _AnnealingRun(Run):
    def __init__(self, problem: Problem, algorithm: Annealing, rng: np.random.Generator, budget: int):
        N = problem.N
        _, most = mismatch_budget(N, problem.kappa)
        self.columns = np.ascontiguousarray(problem.gauged().T.astype(np.int8))
        self.least = N - 2 * most
        self.linear = algorithm.cost == "linear"
        self.unit = 2 / np.sqrt(N) if self.linear else 1.0
        self.temperatures = algorithm.temperatures(budget)
        self.rng = rng
        self.W: NDArray[np.int8] = (2 * rng.integers(0, 2, N) - 1).astype(np.int8)
        self.fields = _fields(self.columns, self.W)
        self.energy: int = int(_energy(self.fields, self.least, self.linear))

    def advance(self, steps: int) -> bool:
        plan = self.temperatures[self.steps : self.steps + steps] / self.unit
        done, energy = metropolis(self.columns, self.fields, self.W, self.energy, self.least, self.linear, plan, self.rng)
        self.steps, self.energy = self.steps + done, int(energy)
        return self.energy == 0

    @property
    def weights(self) -> Weights | None:
        return self.W.copy()

    def record(self) -> dict[str, float]:
        at = min(self.steps, self.temperatures.size - 1)
        return {"energy": self.energy * self.unit, "temperature": float(self.temperatures[at])}


@njit(cache=True, nogil=True)
def _fields(columns: NDArray[np.int8], W: NDArray[np.int8]) -> NDArray[np.int32]:
    """s = xi . W of every pattern."""
    fields = np.zeros(columns.shape[1], np.int32)
    for i in range(W.size):
        for mu in range(fields.size):
            fields[mu] += np.int32(W[i]) * np.int32(columns[i, mu])
    return fields


@njit(cache=True, nogil=True)
def _energy(fields: NDArray[np.int32], least: int, linear: bool) -> int:
    """sum (least - s)_+ / 2, the flips that each violated pattern lacks, or the number of violated patterns."""
    total = 0
    for s in fields:
        if s < least:
            total += (least - s) // 2 if linear else 1
    return total


@njit(cache=True, nogil=True)
def metropolis(
    columns: NDArray[np.int8],
    fields: NDArray[np.int32],
    W: NDArray[np.int8],
    energy: int,
    least: int,
    linear: bool,
    temperatures: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[int, int]:
    """N proposed flips at each temperature, in whole-number units of the energy, until that vanishes; sweeps made and energy."""
    N, P = columns.shape
    for sweep in range(temperatures.size):
        if energy == 0:
            return sweep, energy
        for _ in range(N):
            i = rng.integers(0, N)
            xi = columns[i]
            twice = np.int32(2 * W[i])
            change = np.int32(0)
            if linear:
                for mu in range(P):
                    lacks = np.int32(least) - fields[mu]
                    change += max(lacks + twice * xi[mu], np.int32(0)) - max(lacks, np.int32(0))
                change //= 2
            else:
                for mu in range(P):
                    lacks = np.int32(least) - fields[mu]
                    change += np.int32(lacks + twice * xi[mu] > 0) - np.int32(lacks > 0)
            if change <= 0 or rng.random() < np.exp(-change / temperatures[sweep]):
                for mu in range(P):
                    fields[mu] -= twice * xi[mu]
                W[i] = -W[i]
                energy += int(change)
                if energy == 0:
                    return sweep + 1, energy
    return temperatures.size, energy
