r"""Focusing belief propagation: y replicas at a distance set by gamma around a common centre, which is led to dense regions.

With s_i = sum_mu v_{mu->i} what the patterns say to site i of one replica (messages of `belief`), the centre hears the y - 1
others and answers; all replicas are the same:

    tanh c_i = tanh(gamma) tanh( (y - 1) atanh( tanh(gamma) tanh s_i ) ),   h_i = s_i + c_i,   W_i = sign(h_i)

Both are raised together by rho from 0 to 1 in a cycle: tanh(gamma) = rho^x, y - 1 = rho^(1 - 2x)/(1 - rho). The authors'
program (BinaryCommitteeMachineFBP.jl, "pseudo-reinforcement", x = 1/2) updates the patterns one after the other until the messages
converge, and then raises rho. Here there is one update at each rho, of all messages at once, which is stable if c comes from
an average of s over the steps before,

    S_i <- rho S_i + (1 - rho) s_i (of the step before),   c_i = c(S_i)

At x = 0, gamma infinite, this is c = rho S/(1 - rho) and, as long as rho stays the same, h = s + rho h (of the step before):
reinforcement with r = rho. Where a cycle leads to no solution, the next ones are three times as slow, and random: S_i <- s_i with probability 1 - rho.
Source: C. Baldassi et al., Unreasonable effectiveness of learning neural networks: from accessible states and robust
ensembles to basic algorithmic schemes, PNAS 113 (2016) E7655.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .._checks import check_finite
from ..learning import Algorithm, Run
from ..problems import Problem
from .belief import Edges, Relaxed, check_floor
from .reinforcement import CycleRun, Single, check_schedule


@dataclass(frozen=True)
class FocusingBP(Algorithm):
    """Focusing belief propagation, one update of the messages at each rho.

    cycle : updates of the first cycle, >= 2;  exponent : x of the schedule, from 0 to 1/2
    floor : of the variance, in units of u, > 0;  relaxed : messages of TAP instead of one an edge

    Raises ValueError outside these ranges.
    """

    name: ClassVar[str] = "focusing-bp"
    step: ClassVar[str] = "an update of all messages"
    budget: ClassVar[int] = 3000
    binary_patterns: ClassVar[bool] = True
    margin: ClassVar[bool] = True
    cycle: int = 300
    exponent: float = 0.5
    floor: float = 1e-3
    relaxed: bool = False

    def __post_init__(self) -> None:
        check_schedule(self.cycle)
        check_floor(self.floor)
        if not 0 <= check_finite("exponent", self.exponent) <= 0.5:
            raise ValueError(f"exponent: got {self.exponent:g}, takes a number from 0 to 0.5")
        if not isinstance(self.relaxed, bool):
            raise ValueError(f"relaxed: got {self.relaxed!r}, takes True or False")

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        messages = (Relaxed if self.relaxed else Edges)(problem, self.floor)
        return _FocusingRun(messages, np.zeros(problem.N, np.float32), self.cycle, rng, self.exponent)


class _FocusingRun(CycleRun):
    def __init__(self, messages: Edges | Relaxed, h: Single, cycle: int, rng: np.random.Generator, exponent: float):
        super().__init__(messages, h, cycle, rng)
        self.exponent = exponent
        self.said, self.average = np.zeros(h.size), np.zeros(h.size)

    def fields(self, sums: Single) -> Single:
        self.strength = rho = self.past
        # as a whole, or with that probability
        share = self.rng.random(self.said.size) >= rho if self.later else 1 - rho
        self.average = self.average + share * (self.said - self.average)
        self.said = sums.astype(float)
        return (self.said + centre(self.average, *schedule(rho, self.exponent))).astype(np.float32)


def schedule(rho: float, exponent: float) -> tuple[float, float]:
    """tanh(gamma) and y - 1 at 0 <= rho < 1."""
    return rho**exponent, rho ** (1 - 2 * exponent) / (1 - rho)


def centre(s: NDArray[np.float64], coupling: float, others: float) -> NDArray[np.float64]:
    """The field c of the centre on a replica, from s of each of the others; coupling = tanh(gamma)."""
    if coupling == 1:
        return others * s
    return np.arctanh(coupling * np.tanh(others * np.arctanh(coupling * np.tanh(s))))
