r"""One step of approximate message passing, for K units and what is known of their weights before.

    omega = X w / sqrt(N) - O,   O = g V            fields without the pattern itself (Onsager's term)
    g     = d log Z_y(omega, V) / d omega,          Z_y = P(output(h) = y),  h ~ N(omega, V)
    A     = -(1/N) sum_mu dg_mu / domega_mu,        b = X^T g / sqrt(N) + w A
    w, V  = mean of W and its covariance, averaged over sites, under P(W) exp(b.W - W.A W/2)

Gaussian weights (those of a sphere at large N): w = (1 + A)^-1 b, V = (1 + A)^-1. Binary ones: the sum over the 2^K states of a
site. Entries of X have mean 0 and variance 1, hence V and A are the same for all sites and patterns; A = sum_mu g g^T / N on average.

A channel makes g, A and X^T g / sqrt(N) of w and V: `OrthantChannel` for a committee of K <= 3 units in double precision,
`SignChannel` for the perceptron, K = 1, where g is a Mills ratio and the sums over sites are those of relaxed belief
propagation (`algorithms.belief`): patterns of one bit or of single precision.
Source: B. Aubin et al., The committee machine: computational to statistical gaps in learning a two-layers neural network (2018).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _committee_output as output
from .._checks import check_choice, check_finite
from ..algorithms._signs import rows_of
from ..algorithms.belief import LATTICE, relaxed_patterns
from ..machines import fully_connected
from ..problems import Problem

Array = NDArray[np.float64]
BREAKING = 1e-3
"""Root mean square of the random estimates of an uninformed start, which tell the units apart."""
INFORMED = 0.99
"""Overlap with the teacher of an informed start."""
LEAST_CLOSE = 10.0
"""Number of patterns within a standard deviation of a unit's boundary that a step needs to learn from."""
KNOWN = 1e-4
"""Largest variance of a weight that counts as known, whatever the number of patterns."""


class Channel(Protocol):
    """Patterns with labels, and their g of the step before.

    patterns : P;  g : (P, K)
    """

    patterns: int

    @property
    def g(self) -> Array:
        """(P, K), in units of their own: O is in the same."""

    def update(self, w: Array, V: Array, onsager: Array) -> tuple[Array, Array, int]:
        """X^T g / sqrt(N) (N, K), A (K, K) and the number of patterns in the tail, after a step."""


class OrthantChannel:
    """A committee of K <= 3 sign units."""

    def __init__(self, X: Array, labels: NDArray[np.int8], K: int):
        self.X, self.labels, self.patterns = X, labels, len(X)
        self.tables = output.orthant_tables(fully_connected(K))
        self.g: Array = np.zeros((len(X), K))

    def update(self, w: Array, V: Array, onsager: Array) -> tuple[Array, Array, int]:
        root, N = np.sqrt(len(w)), len(w)
        omega = self.X @ w / root - onsager
        self.g, curvature, tails = output.gradients(self.labels, omega, V, self.tables)
        # log Z_0 is not concave: where fluctuations leave a negative eigenvalue, the mean of g g^T stands for it
        A = (curvature if np.linalg.eigvalsh(curvature)[0] >= 0 else self.g.T @ self.g) / N
        return self.X.T @ self.g / root, A, int(tails)


class SignChannel:
    """The perceptron: its own copy y_mu X_mu of the patterns, packed if they are of signs and float32 if not.

    Binary weights of binary patterns have sums on a lattice (`LATTICE`): without its variance the weights, once all known, would
    be forgotten in the next step, since no pattern is within a standard deviation of its boundary.
    """

    def __init__(self, problem: Problem, weights: str):
        self.points, self.patterns = rows_of(problem)[:, 0], problem.P
        self.noise = LATTICE if problem.binary and weights == "binary" else 0.0
        self.g: Array = np.zeros((problem.P, 1))

    def update(self, w: Array, V: Array, onsager: Array) -> tuple[Array, Array, int]:
        N = len(w)
        sums = np.zeros(N, np.float32)
        # the kernel's fields carry a factor sqrt(N), its g one of 1/sqrt(N); it takes O as g V and leaves the new g in the same place
        self.g = onsager / V[0, 0]
        A = relaxed_patterns(self.points, w[:, 0].astype(np.float32), N * float(V[0, 0]), 0.0, self.noise, self.g[:, 0], sums)
        return sums.astype(float)[:, None], np.array([[A]]), 0


@dataclass(frozen=True)
class Step:
    """After a step: w (N, K), V (K, K), root mean square of the change of w and of what it would be undamped, patterns in the tail,
    whether the weights are all known."""

    w: Array
    V: Array
    change: float
    residual: float
    tails: int
    known: bool


def steps(channel: Channel, weights: str, w: Array, V: Array, damping: float) -> Iterator[Step]:
    """Step after step, without end.

    Damping keeps a share of the old w and V, and the same share of the old O, as w_t then depends on the fields b of all steps
    before: O_t = sum over s of dw_t/db_s g_s. (With g damped in its place iterations do not settle near a spinodal.)
    """
    known = min((LEAST_CLOSE / max(channel.patterns, 1)) ** 2, KNOWN)
    onsager = np.zeros((channel.patterns, w.shape[1]))
    while True:
        sums, A, tails = channel.update(w, V, onsager)
        mean, covariance = posterior(weights, sums + w @ A, A)
        # discrete weights become known at once, and then no pattern is left that says so
        covariance = covariance + np.diag(np.maximum(known - np.diag(covariance), 0))
        residual = float(np.sqrt(np.mean((mean - w) ** 2)))
        old, w = w, damping * w + (1 - damping) * mean
        V = damping * V + (1 - damping) * covariance
        onsager = damping * onsager + (1 - damping) * channel.g @ covariance
        change = float(np.sqrt(np.mean((w - old) ** 2)))
        yield Step(w, V, change, residual, tails, float(np.max(np.diag(V))) <= known)


def initial(start: str | float, teacher: Array, rng: np.random.Generator, breaking: float = BREAKING) -> tuple[Array, Array]:
    """Estimates (N, K) and their covariance (K, K) before the first step; `breaking` is the size of uninformed ones."""
    K, N = teacher.shape
    noise = rng.standard_normal((N, K))
    if isinstance(start, str):
        check_choice("start", start, ("uninformed", "informed"))
        if start == "uninformed":
            return breaking * noise, np.eye(K)
    r = INFORMED if isinstance(start, str) else check_finite("start", start)
    if not 0 < r < 1:
        raise ValueError(f"start: got {r}, takes 'uninformed', 'informed' or an overlap between 0 and 1")
    return r * teacher.T + np.sqrt(r * (1 - r)) * noise, (1 - r) * np.eye(K)


def posterior(weights: str, b: Array, A: Array) -> tuple[Array, Array]:
    """Mean of the weights of every site, (N, K), and their covariance averaged over sites, (K, K)."""
    N, K = b.shape
    if weights == "spherical":
        V: Array = np.asarray(np.linalg.inv(np.eye(K) + A), dtype=float)
        return b @ V, V
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=K)))
    exponent = b @ states.T - np.einsum("sj,jl,sl->s", states, A, states) / 2
    p = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    mean: Array = p @ states
    return mean, np.asarray(states.T @ (p.mean(axis=0)[:, None] * states) - mean.T @ mean / N)
