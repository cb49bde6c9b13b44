r"""Entropy-driven Monte Carlo: binary weights W climb the local entropy, not the energy.

    F(W, gamma) = log sum_W' prod_mu Theta(u'_mu - kappa) exp(gamma W.W')     the solutions W' around W, whether it is one or not
    B_i         = field on W'_i without the term gamma W_i                     (its cavity field, from the same message passing)
    flip of W_i : dF = log [cosh(B_i - gamma W_i)/cosh(B_i + gamma W_i)],  which is > 0 exactly if W_i B_i < 0

Zero-temperature Metropolis: a move that lowers F is rejected. Of single flips at random only those of discordant sites,
W_i B_i < 0, would be accepted, hence only these are proposed, many at once: a share of them picked at random, halved at every
rejection. Where none is left W is a maximum of F, and gamma is raised, which narrows the neighbourhood down to W (scoping). A search
that ends at the largest gamma without a solution starts again from other random weights.

F and B come from relaxed belief propagation (`belief`, in whose units omega and V carry factors sqrt(N) and N), m_i = <W'_i>:

    B = sum_mu x_mu g_mu + m sum_mu g_mu (g_mu + omega_mu/S),   m = tanh(B + gamma W),   omega_mu = x_mu.m - kappa sqrt(N) - g_mu V
    F = sum_i [log 2cosh(B_i + gamma W_i) - B_i m_i] + sum_mu [log H(-omega_mu/sqrt(S)) + g_mu^2 V/2]

F is stationary in m, B and omega, hence dF/dgamma = W.m. Source: C. Baldassi, A. Ingrosso, C. Lucibello, L. Saglietti and
R. Zecchina, Local entropy as a measure for sampling solutions in constraint satisfaction problems, J. Stat. Mech. (2016) 023301,
with messages on edges there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._checks import check_finite, check_integer
from .._gaussian import log_tail
from .._packed import dots
from ..learning import Algorithm, Run
from ..problems import Problem
from ._signs import all_satisfied
from .belief import Relaxed

Array = NDArray[np.float64]
Single = NDArray[np.float32]


@dataclass(frozen=True)
class EntropicMonteCarlo(Algorithm):
    """Zero-temperature Monte Carlo in the local entropy of a binary perceptron, with scoping.

    gamma, gamma_step, gamma_end : first coupling to the neighbourhood, what it is raised by, and the largest, all > 0, gamma <= gamma_end
    share : of the discordant sites that a move proposes at first, > 0 and at most 1
    iterations : of message passing for a move, >= 1;  tolerance : largest change of a magnetisation that ends it, > 0
    damping : share of the old fields in the new ones, from 0 to 1 (excluded);  floor : of the variance of u, > 0

    Raises ValueError outside these ranges.
    """

    name: ClassVar[str] = "entropic-monte-carlo"
    step: ClassVar[str] = "a proposed move, or another gamma: message passing anew"
    budget: ClassVar[int] = 1000
    margin: ClassVar[bool] = True
    gamma: float = 0.5
    gamma_step: float = 0.25
    gamma_end: float = 2.5
    share: float = 0.5
    iterations: int = 20
    tolerance: float = 1e-2
    damping: float = 0.2
    floor: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("gamma", "gamma_step", "gamma_end", "tolerance", "floor"):
            if check_finite(name, getattr(self, name)) <= 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, takes a number > 0")
        if self.gamma > self.gamma_end:
            raise ValueError(f"gamma: got {self.gamma}, takes at most {self.gamma_end} (gamma_end)")
        if not 0 < check_finite("share", self.share) <= 1:
            raise ValueError(f"share: got {self.share}, takes a number > 0 and at most 1")
        if not 0 <= check_finite("damping", self.damping) < 1:
            raise ValueError(f"damping: got {self.damping}, takes a number from 0 to 1 (excluded)")
        check_integer("iterations", self.iterations, at_least=1)

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _EntropicRun(problem, self, rng)


class LocalEntropy:
    """Message passing for the solutions around W: total fields h = B + gamma W on them, B, the patterns' g, and F."""

    def __init__(self, problem: Problem, algorithm: EntropicMonteCarlo):
        self.algorithm, self.messages = algorithm, Relaxed(problem, algorithm.floor)
        self.h: Single = np.zeros(problem.N, np.float32)
        self.B: Single = self.h.copy()
        self.F: float = -np.inf

    def around(self, W: Single, gamma: float) -> float:
        """Iterate from the messages as they are, and F at the end."""
        a, messages = self.algorithm, self.messages
        pull = np.float32(gamma) * W
        kept = np.float32(a.damping)
        m: Single = np.tanh(self.h)
        for _ in range(a.iterations):
            self.B = messages.update(self.h)
            self.h = np.asarray(kept * self.h + (1 - kept) * (self.B + pull), np.float32)
            before, m = m, np.tanh(self.h)
            if np.max(np.abs(m - before)) <= a.tolerance:
                break
        means = m.astype(float)
        of_patterns = free_entropy_of_patterns(messages.points, means, messages.g, messages.shift, messages.noise)
        self.F = free_entropy_of_sites(self.B, pull, means) + float(of_patterns)
        return self.F

    def save(self) -> tuple[Single, Single, Array, float]:
        """All messages, to come back to."""
        return self.h, self.B, self.messages.g.copy(), self.F

    def restore(self, saved: tuple[Single, Single, Array, float]) -> None:
        self.h, self.B, self.messages.g, self.F = saved


class _EntropicRun(Run):
    def __init__(self, problem: Problem, algorithm: EntropicMonteCarlo, rng: np.random.Generator):
        self.problem, self.algorithm, self.rng = problem, algorithm, rng
        self.restarts = -1
        self._restart()

    def _restart(self) -> None:
        self.restarts += 1
        self.W: Single = (2 * self.rng.integers(0, 2, self.problem.N) - 1).astype(np.float32)
        self.gamma, self.share = float(self.algorithm.gamma), self.algorithm.share
        self.local = LocalEntropy(self.problem, self.algorithm)
        self.local.around(self.W, self.gamma)

    def advance(self, steps: int) -> bool:
        messages = self.local.messages
        for _ in range(steps):
            self.steps += 1
            if self._move() and all_satisfied(messages.points, self.weights, messages.least):
                return True
        return False

    def _move(self) -> bool:
        """Propose a move, or raise gamma where none is left; whether W has changed."""
        discordant = np.flatnonzero(self.W * self.local.B < 0)
        if discordant.size == 0 or self.share == 0:
            self.gamma += self.algorithm.gamma_step
            self.share = self.algorithm.share
            if self.gamma > self.algorithm.gamma_end:
                self._restart()
                return True
            self.local.around(self.W, self.gamma)
            return False
        flips = max(round(self.share * discordant.size), 1)
        proposed = self.W.copy()
        proposed[self.rng.permutation(discordant)[:flips]] *= -1
        before = self.local.save()
        if self.local.around(proposed, self.gamma) >= before[-1]:
            self.W, self.share = proposed, self.algorithm.share
            return True
        self.local.restore(before)
        # a single flip is rejected only where message passing did not converge: another gamma is tried
        self.share = self.share / 2 if flips > 1 else 0.0
        return False

    @property
    def weights(self) -> NDArray[np.int8]:
        return self.W.astype(np.int8)

    def record(self) -> dict[str, float]:
        """gamma, local free entropy F/N, overlap W.m/N with the neighbourhood, and searches given up."""
        N = self.W.size
        return {
            "gamma": self.gamma,
            "free_entropy": self.local.F / N,
            "overlap": float(self.W @ np.tanh(self.local.h)) / N,
            "restarts": float(self.restarts),
        }


def free_entropy_of_sites(B: NDArray[Any], pull: NDArray[Any], m: Array) -> float:
    """sum_i log 2cosh(B_i + gamma W_i) - B_i m_i."""
    h = B.astype(float) + pull
    return float(np.sum(np.logaddexp(h, -h)) - B @ m)


@njit(cache=True, nogil=True)
def free_entropy_of_patterns(points: NDArray[np.generic], m: Array, g: Array, shift: float, noise: float) -> float:
    """sum_mu log H(-omega_mu/sqrt(S)) + g_mu^2 V/2."""
    V = 0.0
    for i in range(m.size):
        V += 1 - m[i] * m[i]
    scale = 1 / np.sqrt(V + noise)
    F, P = 0.0, len(points)
    fields = np.empty(P)
    dots(points.reshape(P, 1, points.shape[1]), 0, np.arange(P), m, fields)
    for mu in range(P):
        omega = fields[mu] - (shift + g[mu] * V)
        F += log_tail(-omega * scale) + 0.5 * g[mu] * g[mu] * V
    return F
