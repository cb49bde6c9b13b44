"""Pseudo-inverse rule and adaline: every field equal, u_mu = y_mu xi_mu . W / sqrt(N) the same for all patterns.

    pseudo-inverse:  W of least norm among the minimisers of sum_mu (1 - y_mu xi_mu . W)^2
    adaline:         W <- W + rate (1 - y_mu xi_mu . W) y_mu xi_mu / max_nu |xi_nu|^2,   one pattern after the other, from W = 0

Adaline stays in the span of the patterns. Where these are independent (alpha <= 1) it converges to the pseudo-inverse,
exponentially, at any rate 0 < rate < 2; beyond it does not settle, and moves about the least-squares W the closer the
smaller its rate is. Both satisfy all random patterns for alpha < 1.
Source: B. Widrow and M. E. Hoff, IRE WESCON Conv. Rec. 4 (1960) 96; S. Diederich and M. Opper, Phys. Rev. Lett. 58 (1987)
949; convergence: S. Kaczmarz (1937).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._checks import check_finite
from .._packed import add, dot
from ..learning import Algorithm, Run, Weights
from ..problems import Problem
from ..rules import pseudo_inverse_student
from ._signs import rows_of, squares_of
from .hebb import OneStep, on_sphere

SETTLED = 1e-13
"""Largest |1 - y xi.W| of a pass after which adaline has converged: rounding."""


@dataclass(frozen=True)
class PseudoInverse(Algorithm):
    """Least-squares W of least norm, on the sphere |W|^2 = N."""

    name: ClassVar[str] = "pseudo-inverse"
    step: ClassVar[str] = "the whole rule"
    budget: ClassVar[int] = 1
    binary: ClassVar[bool] = False

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return OneStep(lambda: on_sphere(pseudo_inverse_student(problem.patterns, problem.labels)))


@dataclass(frozen=True)
class Adaline(Algorithm):
    """On-line least squares for spherical weights, patterns in a fresh random order every pass.

    rate : step size in units of the one that fits the longest pattern at once, between 0 and 2 (excluded)
    """

    name: ClassVar[str] = "adaline"
    binary: ClassVar[bool] = False
    rate: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < check_finite("rate", self.rate) < 2:
            raise ValueError(f"rate: got {self.rate}, takes a number between 0 and 2 (excluded)")

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _AdalineRun(problem, self.rate, rng)


class _AdalineRun(Run):
    def __init__(self, problem: Problem, rate: float, rng: np.random.Generator):
        self.points = rows_of(problem, np.float64)[:, 0]
        # one step size for all patterns: steps in units of each |xi_mu|^2 would weigh their errors
        self.size, self.rng = rate / (float(np.max(squares_of(problem.gauged()))) or 1.0), rng
        self.W = np.zeros(problem.N)
        self.largest = 1.0

    def advance(self, steps: int) -> bool:
        done, self.largest = _passes(self.points, self.size, self.W, steps, SETTLED, self.rng)
        self.steps += done
        return bool(self.largest <= SETTLED)

    @property
    def weights(self) -> Weights | None:
        return on_sphere(self.W)

    def record(self) -> dict[str, float]:
        return {"residual": float(self.largest)}


@njit(cache=True, nogil=True)
def _passes(
    points: NDArray[np.generic], size: float, W: NDArray[np.float64], most: int, settled: float, rng: np.random.Generator
) -> tuple[int, float]:
    """At most so many passes; how many were made, and the largest |1 - y xi.W| met in the last of them."""
    P = len(points)
    largest = 0.0
    for done in range(most):
        largest = 0.0
        for mu in rng.permutation(P):
            miss = 1.0 - dot(points[mu], W)
            largest = max(largest, abs(miss))
            add(W, size * miss, points[mu])
        if largest <= settled:
            return done + 1, largest
    return most, largest
