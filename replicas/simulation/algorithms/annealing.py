"""Simulated annealing of binary weights: Metropolis flips at a temperature that is lowered over the budget.

    linear penalty:  E = sum_mu (kappa - u_mu)_+                  u_mu = y_mu xi_mu . W / sqrt(N)
    errors:          E = sum_mu Theta(kappa - u_mu)
    flip of W_i:     accepted with probability min(1, exp(-dE/T))
    schedule:        geometric  T_t = start (end/start)^(t/(budget-1)),   linear  T_t = start + (end - start) t/(budget-1)

Fields of binary patterns are whole numbers s = u sqrt(N) with the parity of N, and kappa stands for the least s >= kappa sqrt(N)
among them, so that E = 0 is a solution and nothing else is. The flips that a pattern lacks, lambda_mu = (least - s_mu)/2, go up by 1
where W_i agrees with y_mu xi_mu,i, and down by 1 elsewhere, if W_i is turned:

    dE = |agree and rise| - |disagree and fall|     linear: rise, fall = patterns of lambda_mu >= 0, >= 1     errors: = 0, = 1

All are sets of patterns, a bit a pattern (`_counters`): a proposal is two population counts.

The error count has a rougher landscape, where annealing gets stuck sooner: N = 201, alpha = 0.4, 300 steps solve 12 problems of 12
with the linear penalty, and at most 3 of 12 with the error count, whatever its temperatures.
Source: S. Kirkpatrick, C. D. Gelatt and M. P. Vecchi, Science 220 (1983) 671; for this machine: H. Horner, Z. Phys. B 86 (1992) 291.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._checks import check_choice, check_finite
from .._lanes import WORDS, aligned, bit_counts, both, differ, either, load, minus, plus, splat, store, total
from .._packed import distances, packed_signs
from ..enumeration import mismatch_budget
from ..learning import Algorithm, Run, Weights
from ..problems import Problem
from ._counters import Counters, Words, columns_of, step_down, without
from ._signs import rows_of

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
        self.least = N - 2 * most
        self.linear = algorithm.cost == "linear"
        self.unit = 2 / np.sqrt(N) if self.linear else 1.0
        self.temperatures = algorithm.temperatures(budget)
        self.rng = rng
        self.W: NDArray[np.int8] = (2 * rng.integers(0, 2, N) - 1).astype(np.int8)
        fields = N - 2 * distances(rows_of(problem)[:, 0], packed_signs(self.W[None])[0])
        lacks = (self.least - fields) // 2
        self.energy: int = int(np.sum(np.maximum(lacks, 0)) if self.linear else np.sum(lacks > 0))
        self.columns = columns_of(problem.gauged())
        self.counters = Counters(lacks, bits=((abs(self.least) + N) // 2).bit_length() + 1)
        self.rise, self.fall = aligned(self.counters.present.size), aligned(self.counters.present.size)
        changes(self.counters.planes, self.counters.bits, self.counters.present, self.linear, self.rise, self.fall)

    def advance(self, steps: int) -> bool:
        return self.sweep(self.temperatures[self.steps : self.steps + steps] / self.unit)

    def sweep(self, temperatures: NDArray[np.float64]) -> bool:
        """N proposed flips at each temperature, in units of a change of energy, unless that vanishes before."""
        counters = self.counters
        masks = counters.present, self.rise, self.fall
        done, energy = metropolis(self.columns, counters.planes, counters.bits, *masks, self.W, self.energy, self.linear, temperatures, self.rng)
        self.steps, self.energy = self.steps + done, int(energy)
        return self.energy == 0

    @property
    def fields(self) -> NDArray[np.int64]:
        """s = xi . W of every pattern."""
        return np.asarray(self.least - 2 * self.counters.values)

    @property
    def weights(self) -> Weights | None:
        return self.W.copy()

    def record(self) -> dict[str, float]:
        at = min(self.steps, self.temperatures.size - 1)
        return {"energy": self.energy * self.unit, "temperature": float(self.temperatures[at])}


@njit(cache=True, nogil=True)
def changes(planes: Words, bits: int, present: Words, linear: bool, rise: Words, fall: Words) -> None:
    """Patterns of which the energy grows by 1 if lambda_mu grows by 1, and shrinks by 1 if it shrinks by 1."""
    for at in range(0, present.size, WORDS):
        changes_of(planes, bits, present, linear, rise, fall, at)


@njit(cache=True, nogil=True)
def changes_of(planes: Words, bits: int, present: Words, linear: bool, rise: Words, fall: Words, at: int) -> None:
    """`changes`, of the 512 patterns from word `at` on."""
    those = load(present, at)
    first = bits * at
    odd = load(planes, first)
    rest = load(planes, first + WORDS)
    for k in range(2, bits):
        rest = either(rest, load(planes, first + k * WORDS))
    some = either(odd, rest)
    if linear:
        positive = without(those, load(planes, first + (bits - 1) * WORDS))  # or zero
        store(rise, at, positive)
        store(fall, at, both(positive, some))
    else:
        store(rise, at, without(those, some))
        store(fall, at, both(those, without(odd, rest)))


@njit(cache=True, nogil=True)
def metropolis(
    columns: Words,
    planes: Words,
    bits: int,
    present: Words,
    rise: Words,
    fall: Words,
    W: NDArray[np.int8],
    energy: int,
    linear: bool,
    temperatures: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[int, int]:
    """N proposed flips at each temperature, in whole-number units of the energy, until that vanishes; sweeps made and energy."""
    N, words = W.size, present.size
    all_of = splat(~np.uint64(0))
    for sweep in range(temperatures.size):
        if energy == 0:
            return sweep, energy
        for _ in range(N):
            i = rng.integers(0, N)
            turn = splat(np.uint64(0) if W[i] > 0 else ~np.uint64(0))
            counts = splat(np.uint64(0))
            for at in range(0, words, WORDS):
                agree = differ(load(columns, i * words + at), turn)
                lost = bit_counts(without(load(fall, at), agree))
                counts = plus(counts, minus(bit_counts(both(agree, load(rise, at))), lost))
            change = total(counts)
            if change <= 0 or rng.random() < np.exp(-change / temperatures[sweep]):
                for at in range(0, words, WORDS):
                    disagree = differ(differ(load(columns, i * words + at), turn), all_of)
                    step_down(planes, bits * at, bits, disagree)
                    changes_of(planes, bits, present, linear, rise, fall, at)
                W[i] = -W[i]
                energy += change
                if energy == 0:
                    return sweep + 1, energy
    return temperatures.size, energy
