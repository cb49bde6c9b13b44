r"""Learning of the tree committee y = sign(sum_j sign(h_j)), K odd, h_j = xi_j.W_j/sqrt(n), n = N/K, |W_j|^2 = n (spherical).

Least action: on a violated pattern, c units of which agree with the label y, the (K + 1)/2 - c units that disagree and have the
fields closest to zero are taught, W_j <- W_j + y xi_j: the fewest that can repair it, and the smallest change. K = 1: perceptron rule.

SGD: the units smoothed to tanh(beta h), y replicas of the weights W^a, attracted by a centre C; in minibatches of nominal size B

    o_mu = (1/sqrt(K)) sum_j tanh(beta h_j),   loss_mu = log(1 + exp(-2 gamma y_mu o_mu)) / (2 gamma)
    L = sum_a sum_mu loss_mu(W^a) + (lambda/2) sum_a |W^a - C|^2
    W^a <- W^a - (rate/B) [sum_{mu in b} dloss_mu/dW^a + (b/P) lambda (W^a - C)],   C <- C + (rate/B) (b/P) lambda sum_a (W^a - C)

and back to the sphere, unit by unit, after each step. beta, gamma and lambda go linearly over the budget. One replica is
plain SGD on cross-entropy, several elastic averaging SGD; solved when the sign units of a replica, or of C, satisfy all patterns.
Sources: G. Mitchison and R. Durbin, Biol. Cybern. 60 (1989) 345 (least action); C. Baldassi, F. Pittorino and R. Zecchina,
PNAS 117 (2020) 161 (cross-entropy and its gamma, tanh units, replicas); S. Zhang, A. Choromanska and Y. LeCun, NIPS 2015 (elastic).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit

from .._checks import check_integer, check_positive
from .._packed import add, adds, dot, dots
from ..learning import Algorithm, Run, Weights
from ..machines import majority
from ..problems import Problem
from ._replicas import ReplicaRun, attract, check_replicas
from ._signs import rows_of

STEEPEST = 3.0
"""Last slope of a unit over sqrt(K): of a few tried at N = 999, one that serves K = 3 and K = 9; fields near the decision are of order 1/sqrt(K)."""


class CommitteeAlgorithm(Algorithm):
    """An algorithm for spherical weights of a tree committee of an odd number of units (or a perceptron)."""

    binary: ClassVar[bool] = False
    committees: ClassVar[bool] = True

    def check(self, problem: Problem) -> None:
        super().check(problem)
        machine = problem.architecture
        if machine.K % 2 == 0 or machine.outputs != tuple(1 if yes else -1 for yes in majority(machine.K)):
            raise ValueError(f"problem: got another machine than a majority of an odd number of units, {self.name} takes that")


@dataclass(frozen=True)
class LeastAction(CommitteeAlgorithm):
    """Least action algorithm, from weights drawn at random; patterns in a fresh random order every pass."""

    name: ClassVar[str] = "least-action"

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _LeastActionRun(problem, rng)


@dataclass(frozen=True)
class CommitteeSGD(CommitteeAlgorithm):
    """Minibatch gradient descent of the cross-entropy of tanh units, on the sphere.

    Parameters
    ----------
    rate : step times the nominal minibatch size, > 0; too large for the last beta, it breaks up at the end what has been learned.
        The same for one replica and for several, so that they compare: of 20 problems at N = 999, K = 3, alpha = 1.8, rates of 25,
        30 and 35 solve 13, 16 and 19 with one replica, 6, 9 and 12 with two, 10, 11 and 15 with four
    batch : nominal size B of a minibatch, >= 1 (of at most the number of patterns)
    beta_start, beta_end : slope of a unit in the first and the last pass of the budget, > 0; beta_end = 3 sqrt(K) if absent
    gamma_start, gamma_end : scale of the output in the cross-entropy, likewise, > 0

    The history has the fraction of patterns that the centre (of one replica: itself) violates ("energy") and "beta".

    Raises
    ------
    ValueError : an argument outside these ranges
    """

    name: ClassVar[str] = "committee-sgd"
    rate: float = 35.0
    batch: int = 100
    beta_start: float = 0.1
    beta_end: float | None = None
    gamma_start: float = 20.0
    gamma_end: float = 4.0

    def __post_init__(self) -> None:
        for name in ("rate", "beta_start", "gamma_start", "gamma_end"):
            check_positive(name, getattr(self, name))
        if self.beta_end is not None:
            check_positive("beta_end", self.beta_end)
        check_integer("batch", self.batch, at_least=1)

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _SGDRun(self, problem, rng, budget, 1, (0.0, 0.0))


@dataclass(frozen=True)
class CommitteeElasticSGD(CommitteeSGD):
    """Elastic averaging SGD: replicas on the sphere and a centre that follows them.

    Parameters
    ----------
    replicas : their number y, >= 2
    coupling_start, coupling_end : lambda in the first and the last pass of the budget, >= 0; (rate/B) (b/P) lambda is at most 1/(y + 1)

    The others are those of `CommitteeSGD`. The history also has the mean overlap of two replicas ("replica_overlap").

    Raises
    ------
    ValueError : an argument outside these ranges
    """

    name: ClassVar[str] = "committee-elastic-sgd"
    step: ClassVar[str] = "a pass of every replica over all patterns"
    replicas: int = 2
    coupling_start: float = 0.0
    coupling_end: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_replicas(self.replicas, ("coupling_start", self.coupling_start), ("coupling_end", self.coupling_end))

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _SGDRun(self, problem, rng, budget, self.replicas, (self.coupling_start, self.coupling_end))


def _sphere(rng: np.random.Generator, replicas: int, K: int, n: int) -> np.ndarray:
    """Random units with |W_j|^2 = n."""
    W = rng.standard_normal((replicas, K, n))
    return (W * math.sqrt(n) / np.linalg.norm(W, axis=2, keepdims=True)).astype(np.float32)


class _LeastActionRun(Run):
    def __init__(self, problem: Problem, rng: np.random.Generator):
        K = problem.architecture.K
        n = problem.N // K
        self.points = rows_of(problem)
        self.rng = rng
        self.W = _sphere(rng, 1, K, n)[0]

    def advance(self, steps: int) -> bool:
        done, clean = teach(self.points, self.W, steps, self.rng)
        self.steps += done
        return bool(clean)

    @property
    def weights(self) -> Weights | None:
        return _normalised(self.W)


class _SGDRun(ReplicaRun):
    def __init__(
        self, chosen: CommitteeSGD, problem: Problem, rng: np.random.Generator, budget: int, replicas: int, coupling: tuple[float, float]
    ):
        K = problem.architecture.K
        n = problem.N // K
        self.W = _sphere(rng, replicas, K, n)
        super().__init__(problem, self.W, np.mean(self.W, axis=0))
        to_sphere(self.centre)
        self.points, self.rng = rows_of(problem), rng
        self.batch, self.step = min(chosen.batch, problem.P), float(chosen.rate) / chosen.batch
        steepest = STEEPEST * math.sqrt(K) if chosen.beta_end is None else chosen.beta_end
        ends = ((chosen.beta_start, steepest), (chosen.gamma_start, chosen.gamma_end), coupling)
        self.schedule = np.stack([np.linspace(first, last, budget) for first, last in ends], axis=1)

    def passes(self, most: int) -> tuple[int, int]:
        return descend(self.points, self.W, self.centre, self.schedule[self.steps : self.steps + most], self.batch, self.step, self.rng)

    def answer(self, replica: np.ndarray) -> Weights:
        return _normalised(replica)

    def record(self) -> dict[str, float]:
        return {"beta": float(self.schedule[min(self.steps, len(self.schedule) - 1), 0]), **super().record()}


def _normalised(W: np.ndarray) -> np.ndarray:
    """The units one after the other, each at |W_j|^2 = n; a unit that vanishes stays."""
    units = W.astype(float)
    lengths = np.linalg.norm(units, axis=1, keepdims=True)
    return (units * math.sqrt(units.shape[1]) / np.where(lengths > 0, lengths, 1)).ravel()


@njit(cache=True, nogil=True)
def solves(points, W):  # type: ignore[no-untyped-def]
    """Whether the sign units satisfy every pattern."""
    K = len(W)
    for mu in range(len(points)):
        positive = 0
        for j in range(K):
            if dot(points[mu, j], W[j]) > 0:
                positive += 1
        if 2 * positive < K:
            return False
    return True


@njit(cache=True, nogil=True)
def teach(points, W, passes, rng):  # type: ignore[no-untyped-def]
    """At most so many passes of the least action algorithm, until one changes nothing: how many were made, and whether it did not."""
    P, K = len(points), len(W)
    fields = np.empty(K)
    for done in range(passes):
        clean = True
        for mu in rng.permutation(P):
            lacking = (K + 1) // 2
            for j in range(K):
                fields[j] = dot(points[mu, j], W[j])
                if fields[j] > 0:
                    lacking -= 1
                    fields[j] = -np.inf
            for _ in range(lacking):
                clean = False
                nearest = np.argmax(fields)
                add(W[nearest], W.dtype.type(1), points[mu, nearest])
                fields[nearest] = -np.inf
        if clean:
            return done + 1, True
    return passes, False


@njit(cache=True, nogil=True)
def cross_entropy(points, W, beta, gamma):  # type: ignore[no-untyped-def]
    """sum_mu loss_mu of the module's equation."""
    K, n = W.shape
    total = 0.0
    for mu in range(len(points)):
        output = 0.0
        for j in range(K):
            output += math.tanh(beta * dot(points[mu, j], W[j]) / math.sqrt(n))
        x = 2 * gamma * output / math.sqrt(K)
        total += (math.log1p(math.exp(-abs(x))) + max(-x, 0.0)) / (2 * gamma)
    return total


@njit(cache=True, nogil=True)
def downhill(points, rows, W, beta, gamma, out):  # type: ignore[no-untyped-def]
    """out = - d cross_entropy/dW of the patterns in these rows."""
    K, n = W.shape
    fields = np.empty((K, len(rows)), out.dtype)
    for j in range(K):
        dots(points, j, rows, W[j], fields[j])
    slopes = np.empty(K)
    for k in range(len(rows)):
        output = 0.0
        for j in range(K):
            answer = math.tanh(beta * float(fields[j, k]) / math.sqrt(n))
            slopes[j] = 1 - answer * answer
            output += answer
        factor = beta / math.sqrt(n * K) / (1 + math.exp(2 * gamma * output / math.sqrt(K)))
        for j in range(K):
            fields[j, k] = factor * slopes[j]
    out[:] = 0
    for j in range(K):
        adds(out[j], fields[j], points, j, rows)


@njit(cache=True, nogil=True)
def to_sphere(W):  # type: ignore[no-untyped-def]
    """Every unit at |W_j|^2 = n, in place; a unit that vanishes stays."""
    K, n = W.shape
    for j in range(K):
        square = float(dot(W[j], W[j]))
        if square > 0:
            W[j] *= W.dtype.type(math.sqrt(n / square))


@njit(cache=True, nogil=True)
def descend(points, W, centre, schedule, batch, step, rng):  # type: ignore[no-untyped-def]
    """One pass for every row (beta, gamma, lambda), or fewer until a replica or the centre solves: passes made, which one (y: the centre), or -1."""
    P = len(points)
    y, K, n = W.shape
    real = W.dtype.type
    slope, pull = np.empty((K, n), W.dtype), np.empty((K, n), W.dtype)
    orders = np.empty((y, P), np.int64)
    for t in range(len(schedule)):
        beta, gamma = schedule[t, 0], schedule[t, 1]
        for a in range(y):
            orders[a] = rng.permutation(P)
        for start in range(0, P, batch):
            stop = min(start + batch, P)
            share = real(min(schedule[t, 2] * (stop - start) / P, 1.0 / (step * (y + 1))))  # no step beyond the centre
            pull[:] = 0
            for a in range(y):
                downhill(points, orders[a, start:stop], W[a], beta, gamma, slope)
                if y > 1:
                    attract(slope.ravel(), pull.ravel(), share, W[a].ravel(), centre.ravel())
                add(W[a].ravel(), real(step), slope.ravel())
                to_sphere(W[a])
            if y > 1:
                add(centre.ravel(), real(step), pull.ravel())
                to_sphere(centre)
            else:
                centre[:] = W[0]
        for a in range(y):
            if solves(points, W[a]):
                return t + 1, a
        if solves(points, centre):
            return t + 1, y
    return len(schedule), -1
