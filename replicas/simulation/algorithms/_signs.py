"""Fields of binary weights, compiled: shared by the algorithms that look for W in {-1, +1}^N."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..enumeration import mismatch_budget
from ..problems import Problem

REORDER = {"reassoc", "contract", "nsz"}
"""Of fastmath: sums in vector lanes; infinities and nan keep their meaning."""


def points_of(problem: Problem) -> NDArray[np.generic]:
    """Patterns y_mu xi_mu as the kernels take them: int8 if binary, float32 if not."""
    return problem.gauged().astype(np.int8 if problem.binary else np.float32, copy=False)


def least_sum(problem: Problem, kappa: float) -> float:
    """The least sum_i y xi_i W_i that satisfies a pattern: a whole number for binary patterns, so that a tie is a tie."""
    return float(problem.N - 2 * mismatch_budget(problem.N, kappa)[1]) if problem.binary else kappa * np.sqrt(problem.N)


@njit(cache=True, nogil=True, fastmath=REORDER)
def overlap(x: NDArray[np.generic], W: NDArray[np.int8]) -> np.float32:
    """x . W; exact where x is of signs: whole numbers below 2^24."""
    total = np.float32(0)
    for i in range(x.size):
        total += np.float32(x[i]) * np.float32(W[i])
    return total


@njit(cache=True, nogil=True)
def all_satisfied(points: NDArray[np.generic], W: NDArray[np.int8], least: float) -> bool:
    """Whether every pattern has a sum of at least so much."""
    for mu in range(points.shape[0]):
        if overlap(points[mu], W) < least:
            return False
    return True
