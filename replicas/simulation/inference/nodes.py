r"""Messages of belief propagation from the patterns of a binary perceptron to its weights: relaxed, or exact at a node.

    m_{i->mu} = tanh(h_i - v_{mu->i}),   v_{mu->i} = (1/2) log P_mu(W_i = +1)/P_mu(W_i = -1),   h_i = sum_mu v_{mu->i} + field_i

P_mu(W_i = s) is the probability that pattern mu is satisfied, x_i s + sum_{j != i} x_j W_j >= least, x = y_mu xi_mu, the other
weights independent with means m_{j->mu}.

Relaxed: the sum is a Gaussian and v linear in x_i, one message a pattern (`algorithms.belief`), good to relative 1/sqrt(N). Sums of
+-1 are on a lattice: the boundary lies half way between the sums that satisfy and those that do not, and the variance is that of
`LATTICE` more. Exact: binary patterns; the distribution of the number of agreeing sites before and after each site, by convolution,
O(N^2) a pattern, every term positive. What remains approximate is that messages are independent: it is the Bethe approximation.

    F = sum_mu log Z_mu + sum_i log 2cosh(h_i) - sum_{mu,i} log [cosh(h_i)/cosh(h_i - v_{mu->i})]          (exact)
    F = sum_i [log 2cosh(h_i) - B_i m_i] + sum_mu [log H(-omega_mu/sqrt S) + g_mu^2 V/2],  B = h - field   (relaxed)
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..algorithms._signs import least_sum, points_of, rows_of
from ..algorithms.belief import LATTICE, relaxed_step
from ..algorithms.entropic import free_entropy_of_patterns, free_entropy_of_sites
from ..problems import Problem
from ._memory import check_memory

Array = NDArray[np.float64]
FLOOR = 1e-6
"""Variance of u added where sums are not on a lattice: without it the last messages diverge as the weights become known."""
FORCED = 20.0
"""Message of a pattern that only one value of the weight satisfies (infinite in the equations)."""
EXCLUDED = 1e-15
"""Z_mu below which messages contradict a pattern: they are forced (exp(-40)) the other way."""
MAX_EXACT = 501
"""Largest N of exact nodes: P N^2 operations a step."""


class Nodes(Protocol):
    """The patterns of a problem.

    contradiction : whether a pattern found no weights that satisfy it;  kept : the messages that the next step starts from
    """

    contradiction: bool
    kept: Array

    def update(self, h: NDArray[Any]) -> NDArray[Any]:
        """One step of all messages from the total fields h: what the patterns say to each site, (N,)."""

    def free_entropy(self, sums: NDArray[Any], field: Array) -> float:
        """F after a step that gave these sums, at total fields sums + field."""


class RelaxedNodes:
    """One message a pattern, g_mu, patterns of any kind."""

    contradiction = False

    def __init__(self, problem: Problem):
        check_memory(problem.N, problem.P, (2.0 if problem.binary else 12.0) * problem.patterns.size, "belief propagation")
        self.points = rows_of(problem)[:, 0]
        lattice = problem.binary
        # half way between the least sum that satisfies and the largest that does not
        self.shift = least_sum(problem, problem.kappa) - 1 if lattice else problem.kappa * np.sqrt(problem.N)
        self.noise = LATTICE if lattice else FLOOR * problem.N
        self.kept = np.zeros(problem.P)

    def update(self, h: NDArray[Any]) -> NDArray[Any]:
        return relaxed_step(self.points, h.astype(np.float32), self.kept, self.shift, self.noise).astype(float)

    def free_entropy(self, sums: NDArray[Any], field: Array) -> float:
        m = np.tanh(sums + field)
        return free_entropy_of_sites(sums, field, m) + float(free_entropy_of_patterns(self.points, m, self.kept, self.shift, self.noise))


class ExactNodes:
    """One message an edge, v_{mu->i}, (P, N) in double precision."""

    contradiction = False

    def __init__(self, problem: Problem):
        if not problem.binary:
            raise ValueError("problem: got patterns that are not of +-1, exact messages take binary ones")
        if problem.N > MAX_EXACT:
            raise ValueError(f"N: got {problem.N}, exact messages take at most {MAX_EXACT} (relaxed ones any)")
        check_memory(problem.N, problem.P, 10.0 * problem.patterns.size, "exact messages")
        self.points = points_of(problem).astype(np.int8, copy=False)
        self.needed = round((least_sum(problem, problem.kappa) + problem.N) / 2)
        self.kept = np.zeros(problem.patterns.shape)
        self.log_Z = np.zeros(problem.P)

    def update(self, h: NDArray[Any]) -> NDArray[Any]:
        sums = np.zeros(h.size)
        self.contradiction = bool(update_exact(self.points, h, self.needed, self.kept, self.log_Z, sums))
        return sums

    def free_entropy(self, sums: NDArray[Any], field: Array) -> float:
        h = sums + field

        def log_cosh(x: Array) -> Array:
            return np.asarray(np.logaddexp(x, -x))

        return float(self.log_Z.sum() + log_cosh(h).sum() - np.sum(log_cosh(h) - log_cosh(h - self.kept)))


@njit(cache=True, nogil=True)
def update_exact(
    points: NDArray[np.int8], h: Array, needed: int, v: Array, log_Z: Array, sums: Array
) -> bool:
    """All v_{mu->i}, log Z_mu of the messages they are made of, the sums over patterns; whether a pattern has Z_mu = 0.

    `before[i]` is the distribution of the number of agreeing sites, x_j W_j = +1, among j < i; `after[i][k]` the probability that at
    least k are among j >= i.
    """
    P, N = points.shape
    before, after = np.zeros((N + 1, N + 1)), np.zeros((N + 1, N + 2))
    p = np.empty(N)
    before[0, 0] = after[N, 0] = 1.0
    contradiction = False
    for mu in range(P):
        x = points[mu]
        for i in range(N):
            p[i] = 1 / (1 + math.exp(-2 * x[i] * (h[i] - v[mu, i])))
            for k in range(i + 2):
                stay = before[i, k] * (1 - p[i])
                before[i + 1, k] = stay + (before[i, k - 1] * p[i] if k > 0 else 0.0)
        for i in range(N - 1, -1, -1):
            after[i, 0] = 1.0
            for k in range(1, N - i + 1):
                after[i, k] = after[i + 1, k] * (1 - p[i]) + after[i + 1, k - 1] * p[i]
        Z = after[0, min(max(needed, 0), N + 1)]
        contradiction |= not Z > EXCLUDED
        log_Z[mu] = math.log(Z) if Z > 0 else -math.inf
        for i in range(N):
            agree, differ = 0.0, 0.0
            for k in range(i + 1):
                rest = needed - k
                agree += before[i, k] * after[i + 1, min(max(rest - 1, 0), N + 1)]
                differ += before[i, k] * after[i + 1, min(max(rest, 0), N + 1)]
            if agree > 0 and differ > 0:
                ratio = 0.5 * math.log(agree / differ)
            else:
                ratio = FORCED if agree > 0 else 0.0
            v[mu, i] = x[i] * min(ratio, FORCED)
            sums[i] += v[mu, i]
    return contradiction
