r"""Stochastic perceptron: gradient ascent of the mean weights m in [-1, 1]^N of independent random binary weights.

For weights +-1 of means m_i the field of a pattern is Gaussian, of mean u = y m.xi/sqrt(N) and variance 1 - q*,
q* = sum_i m_i^2 / N. The log-likelihood, its variance scaled by gamma, and its gradient are

    L(m) = sum_mu log H(x_mu),   x_mu = (kappa - u_mu)/sigma,   sigma^2 = gamma (1 - q*)
    dL/dm_i = sum_mu A(x_mu) [ y xi_mu,i/(sigma sqrt(N)) - gamma x_mu m_i/(N sigma^2) ],   A = G/H

One step of a minibatch b of nominal size B, whose last one of a pass may be short (and is divided by B, too):

    "magnetizations"   m <- clip(m + (rate/B) sum_{mu in b} dL_mu/dm, -1, 1)
    "fields"           h <- h + (rate/B) sum_{mu in b} (1 - m^2) dL_mu/dm,   m = tanh h

from m = 0 or at random, patterns in a fresh random order every pass, until sign(m) satisfies all of them. gamma goes linearly over
the budget from gamma_start to gamma_end: a small one at first looks for the worst patterns, and q* grows later.
In y replicas m^a (`elastic`), each with minibatches of its own, L = sum_a L(m^a) - (lambda/2) sum_a |m^a - c|^2,
c their centre. Source: C. Baldassi et al., Phys. Rev. Lett. 120 (2018) 268103.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit

from .._checks import check_choice, check_finite, check_integer, check_positive
from .._gaussian import log_tail, mills
from .._packed import REORDER, add, adds, dot, dots
from ..learning import Algorithm, Run, Weights
from ..problems import Problem
from ._replicas import ReplicaRun, attract
from ._signs import all_satisfied, least_sum, rows_of

PARAMETRISATIONS = ("magnetizations", "fields")
RATES = {"magnetizations": 20.0, "fields": 50.0}
"""Default rates at B = 100: of 10 to 300, in the middle of those that succeed most at N = 1001, alpha = 0.65 and 0.7."""
BARYCENTRE, ELASTIC = 0, 1


@dataclass(frozen=True)
class StochasticPerceptron(Algorithm):
    """Minibatch gradient ascent of sum_mu log H((kappa - u_mu)/sqrt(gamma (1 - q*))) in the mean weights.

    Parameters
    ----------
    parametrisation : "magnetizations" (m itself, clipped to [-1, 1]) or "fields" (h = atanh m)
    rate : step times the nominal minibatch size, > 0; 20 for "magnetizations" and 50 for "fields" if absent
    batch : nominal size B of a minibatch, >= 1 (of at most the number of patterns)
    gamma_start, gamma_end : scale of the variance in the first and the last pass of the budget, > 0
    start : the first m are uniform in [-start, start], 0 <= start < 1

    The history has q* ("q_star"), the fraction of patterns that sign(m) violates ("energy") and "gamma".

    Raises
    ------
    ValueError : an argument outside these ranges
    """

    name: ClassVar[str] = "stochastic-perceptron"
    margin: ClassVar[bool] = True
    parametrisation: str = "magnetizations"
    rate: float | None = None
    batch: int = 100
    gamma_start: float = 1.0
    gamma_end: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        check_choice("parametrisation", self.parametrisation, PARAMETRISATIONS)
        if self.rate is not None:
            check_positive("rate", self.rate)
        check_integer("batch", self.batch, at_least=1)
        check_positive("gamma_start", self.gamma_start)
        check_positive("gamma_end", self.gamma_end)
        if not 0 <= check_finite("start", self.start) < 1:
            raise ValueError(f"start: got {self.start}, takes a number from 0 to 1 (excluded)")

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return StochasticRun(self, problem, rng, budget)


@dataclass(frozen=True)
class AnnealedStochasticPerceptron(StochasticPerceptron):
    """The stochastic perceptron with gamma annealed from 0.2 to 1 over the budget: solves at larger alpha."""

    name: ClassVar[str] = "annealed-stochastic-perceptron"
    gamma_start: float = 0.2


class StochasticRun(ReplicaRun):
    """y >= 1 stochastic perceptrons at work, coupled to their centre if y > 1."""

    def __init__(
        self,
        chosen: StochasticPerceptron,
        problem: Problem,
        rng: np.random.Generator,
        budget: int,
        replicas: int = 1,
        coupling: tuple[float, float] = (0.0, 0.0),
        centre: int = BARYCENTRE,
    ):
        self.m = (chosen.start * rng.uniform(-1, 1, (replicas, problem.N))).astype(np.float32)
        super().__init__(problem, self.m, np.mean(self.m, axis=0))
        self.points = rows_of(problem)[:, 0]
        self.rng, self.kappa, self.least = rng, float(problem.kappa), least_sum(problem, problem.kappa)
        self.h = np.arctanh(self.m)
        rate = RATES[chosen.parametrisation] if chosen.rate is None else float(chosen.rate)
        self.step = rate / chosen.batch
        self.batch, self.fields, self.moving = min(chosen.batch, problem.P), chosen.parametrisation == "fields", centre == ELASTIC
        self.gammas = np.linspace(chosen.gamma_start, chosen.gamma_end, budget)
        self.couplings = np.linspace(coupling[0], coupling[1], budget)

    def passes(self, most: int) -> tuple[int, int]:
        now = slice(self.steps, self.steps + most)
        return ascend(
            self.points, self.kappa, self.least, self.m, self.h, self.centre, self.gammas[now], self.couplings[now],
            self.batch, self.step, self.fields, self.moving, self.rng,
        )  # fmt: skip

    def answer(self, replica: np.ndarray) -> Weights:
        return signs(replica)

    def record(self) -> dict[str, float]:
        return {
            "q_star": float(np.mean(self.m.astype(float) ** 2)),
            "gamma": float(self.gammas[min(self.steps, len(self.gammas) - 1)]),
            **super().record(),
        }


@njit(cache=True, nogil=True)
def signs(means):  # type: ignore[no-untyped-def]
    """W_i = sign(m_i), +1 where it vanishes."""
    W = np.ones(means.size, np.int8)
    for i in range(means.size):
        if means[i] < 0:
            W[i] = -1
    return W


@njit(cache=True, nogil=True)
def log_likelihood(points, kappa, m, gamma):  # type: ignore[no-untyped-def]
    """L(m) of the module's first equation."""
    N = m.size
    sigma = _sigma(m, gamma)
    total = 0.0
    for mu in range(len(points)):
        total += log_tail((kappa - dot(points[mu], m) / math.sqrt(N)) / sigma)
    return total


@njit(cache=True, nogil=True, fastmath=REORDER)
def _sigma(m, gamma):  # type: ignore[no-untyped-def]
    """sqrt(gamma (1 - q*)); at least that of a single undecided weight, so that all of them decided do not end the ascent."""
    rest = m.dtype.type(0)
    for i in range(m.size):
        rest += (1 - m[i]) * (1 + m[i])
    return math.sqrt(gamma * max(float(rest), 1.0) / m.size)


@njit(cache=True, nogil=True)
def gradient(points, rows, kappa, m, gamma, out):  # type: ignore[no-untyped-def]
    """out = dL/dm of the patterns in these rows."""
    N = m.size
    real = out.dtype.type
    sigma = _sigma(m, gamma)
    scale = 1.0 / (sigma * math.sqrt(N))
    spread = 0.0
    branch = points.reshape(len(points), 1, points.shape[1])
    fields = np.empty(len(rows), out.dtype)
    dots(branch, 0, rows, m, fields)
    for k in range(len(rows)):
        x = kappa / sigma - float(fields[k]) * scale
        a = mills(x)
        spread += a * x
        fields[k] = a * scale
    out[:] = 0
    adds(out, fields, branch, 0, rows)
    add(out, real(-gamma * spread / (N * sigma * sigma)), m)


@njit(cache=True, nogil=True, fastmath=REORDER)
def _move(m, h, slope, step, fields):  # type: ignore[no-untyped-def]
    """One step along the slope dL/dm, in the parametrisation asked for."""
    one = m.dtype.type(1)
    if fields:
        for i in range(m.size):
            h[i] += step * (one - m[i] * m[i]) * slope[i]
            m[i] = math.tanh(h[i])
    else:
        for i in range(m.size):
            m[i] = min(max(m[i] + step * slope[i], -one), one)


@njit(cache=True, nogil=True)
def ascend(points, kappa, least, m, h, centre, gammas, couplings, batch, step, fields, moving, rng):  # type: ignore[no-untyped-def]
    """One pass for every gamma, or fewer until a replica or the centre solves: passes made, which one (y: the centre), or -1."""
    P = len(points)
    y, N = m.shape
    real = m.dtype.type
    slope, pull = np.empty(N, m.dtype), np.empty(N, m.dtype)
    orders = np.empty((y, P), np.int64)
    for t in range(len(gammas)):
        for a in range(y):
            orders[a] = rng.permutation(P)
        for start in range(0, P, batch):
            stop = min(start + batch, P)
            share = real(min(couplings[t] * (stop - start) / P, 1.0 / (step * (y + 1))))  # no step beyond the centre
            pull[:] = 0
            for a in range(y):
                gradient(points, orders[a, start:stop], kappa, m[a], gammas[t], slope)
                if y > 1:
                    attract(slope, pull, share, m[a], centre)
                _move(m[a], h[a], slope, real(step), fields)
            if moving:
                add(centre, real(step), pull)
            else:
                _barycentre(m, centre)
        for a in range(y):
            if all_satisfied(points, signs(m[a]), least):
                return t + 1, a
        if all_satisfied(points, signs(centre), least):
            return t + 1, y
    return len(gammas), -1


@njit(cache=True, nogil=True)
def _barycentre(m, centre):  # type: ignore[no-untyped-def]
    centre[:] = 0
    for a in range(len(m)):
        add(centre, m.dtype.type(1.0 / len(m)), m[a])
