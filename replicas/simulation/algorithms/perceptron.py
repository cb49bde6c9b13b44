"""The perceptron rule: W <- W + y_mu xi_mu on every pattern that is violated.

Converges for every alpha < alpha_c(kappa) of the sphere, kappa < kappa_max, the largest margin; at kappa = 0 after at most
N/kappa_max^2 corrections of patterns with |xi|^2 = N.
Source: F. Rosenblatt (1958); with a margin, W. Krauth and M. Mezard, J. Phys. A 20 (1987) L745 (there: always the worst pattern).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._packed import add, dot
from ..learning import Algorithm, Run, Weights
from ..problems import Problem
from ._signs import rows_of, squares_of
from .hebb import on_sphere


@dataclass(frozen=True)
class PerceptronRule(Algorithm):
    """On-line perceptron rule for spherical weights, patterns in a fresh random order every pass; margin kappa at |W|^2 = N."""

    name: ClassVar[str] = "perceptron-rule"
    binary: ClassVar[bool] = False
    margin: ClassVar[bool] = True

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _PerceptronRun(problem, rng)


class _PerceptronRun(Run):
    def __init__(self, problem: Problem, rng: np.random.Generator):
        self.points = rows_of(problem, np.float64)[:, 0]
        self.squares = squares_of(problem.gauged())
        self.kappa, self.rng = float(problem.kappa), rng
        self.W = np.zeros(problem.N)

    def advance(self, steps: int) -> bool:
        done, solved = _passes(self.points, self.squares, self.kappa, self.W, steps, self.rng)
        self.steps += done
        return bool(solved)

    @property
    def weights(self) -> Weights | None:
        return on_sphere(self.W)


@njit(cache=True, nogil=True)
def _passes(
    points: NDArray[np.generic], squares: NDArray[np.float64], kappa: float, W: NDArray[np.float64], most: int, rng: np.random.Generator
) -> tuple[int, bool]:
    """At most so many passes; how many were made, and whether the last one changed nothing."""
    P, N = len(points), W.size
    for done in range(most):
        clean = True
        # summed afresh, or its rounding would depend on the pass that the caller began with
        length = 0.0
        for i in range(N):
            length += W[i] * W[i]
        for mu in rng.permutation(P):
            field = dot(points[mu], W)
            if field <= kappa * np.sqrt(length):
                clean = False
                add(W, 1.0, points[mu])
                length = max(length + 2 * field + squares[mu], 0.0)
        if clean:
            return done + 1, True
    return most, False
