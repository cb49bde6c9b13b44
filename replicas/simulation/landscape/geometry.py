r"""Great circles of the tree committee, and the number of errors at every point of them.

    y = sign(sum_j sign(h_j)),   h_j = xi_j . W_j/sqrt(n),   |W_j|^2 = n = N/K,   j = 1, ..., K odd

Two configurations of overlap q_j = W_j . V_j/n = cos theta_j in branch j are joined, all branches at the same pace, by

    W_j(s) = [sin((1 - s) theta_j) W_j + sin(s theta_j) V_j]/sin theta_j,   0 <= s <= 1,   of length sqrt(sum_j theta_j^2/K)

the straight segment put back to the spheres, if all overlaps are equal. A field goes the same way, so that it changes sign once at most,
where the fields a, b at the ends have opposite signs, at

    s theta_j = atan2(|a| sin theta_j, |b| + |a| cos theta_j)

The number of errors is constant between these points: its maximum is that of the whole circle, not of points tried on it.
The branches are disjoint: to exchange two units changes the machine, no alignment of units is needed, and overlaps are what they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from .._checks import check_integer, check_positive
from .._packed import dot
from ..algorithms.committee import STEEPEST, CommitteeSGD, cross_entropy
from ..display.results import FEW, Columns, Rows, Series
from ..inference._memory import check_memory
from ..problems import Problem

Array = NDArray[np.float64]
OPPOSITE = -1 + 1e-9
"""Overlap below which a great circle between two units is not defined."""
TOGETHER = 1e-12
"""Angle below which two units are the same."""


@dataclass(frozen=True, eq=False, repr=False)
class Line(Series):
    """The great circle between two configurations.

    s : (points,), from 0 to 1;  errors : (points,), patterns violated there;  loss : (points,), cross-entropy per pattern
    most : largest number of errors at any point of the circle, exactly, reached from s = `where` on
    overlaps : (K,), of the two units of each branch;  length : sqrt(sum_j theta_j^2/K), in radians;  P : number of patterns
    """

    quantity = "line"
    inputs = ("P",)
    computed = ("most", "where", "length", "overlaps")
    axes = ("place $s$ on the great circle", "patterns violated")
    drawn = ("errors", None)

    s: Array
    errors: NDArray[np.int64]
    loss: Array
    most: int
    where: float
    overlaps: Array
    length: float
    P: int

    @property
    def title(self) -> str:
        """The worst point of the circle."""
        return (
            f"line of length {self.length:.3f} (mean overlap {self.overlaps.mean():.4f}): at most {self.most} of {self.P} patterns "
            f"violated, at s = {self.where:.3f}; largest loss per pattern {self.loss.max():.4g}"
        )

    @property
    def caption(self) -> str:
        """The length of the circle and the worst point."""
        return f"great circle of length {self.length:.3f}: at most {self.most} of {self.P} patterns violated"

    def __str__(self) -> str:
        return self.title

    def columns(self) -> Columns:
        """By place on the circle."""
        return {"s": self.s, "errors": self.errors, "loss": self.loss}

    def rows(self) -> Rows:
        """Header and cells of a readable table: some places, the two ends among them."""
        some = np.unique(np.linspace(0, len(self.s) - 1, FEW + 1).round().astype(int))
        return ["s", "errors", "loss per pattern"], [[f"{self.s[i]:.3f}", str(self.errors[i]), f"{self.loss[i]:.4g}"] for i in some]


def errors_on_line(
    problem: Problem, start: ArrayLike, end: ArrayLike, points: int = 101, beta: float | None = None, gamma: float = CommitteeSGD.gamma_end
) -> Line:
    """Number of errors on the great circle between any two configurations.

    Parameters
    ----------
    problem : of a tree committee of K odd units, kappa = 0
    start, end : weights (N,), no unit zero; units are taken at |W_j|^2 = n
    points : where errors and loss are given, >= 2, at equal steps of s; `most` does not depend on it
    beta, gamma : of the cross-entropy (`smoothing`)

    Raises
    ------
    ValueError : an argument outside these ranges, or two units that are opposite
    """
    xi = committee_points(problem)
    W, V = as_units("start", start, problem), as_units("end", end, problem)
    check_integer("points", points, at_least=2)
    slope, scale = smoothing(len(W), beta, gamma)
    q = check_apart(W, V)
    a, b = unit_fields(xi, W), unit_fields(xi, V)
    most, where = worst(a, b, q)
    s = np.linspace(0, 1, points)
    errors, loss = np.empty(points, np.int64), np.empty(points)
    at = np.empty_like(W)
    for i, share in enumerate(s):
        great_circle(W, V, share, at)
        errors[i] = violations(unit_fields(xi, at))
        loss[i] = cross_entropy(xi, at, slope, scale) / max(problem.P, 1)
    return Line(s, errors, loss, int(most), float(where), q, distance(W, V), problem.P)


def check_tree(problem: Problem) -> None:
    """ValueError for another machine than a tree committee, or patterns whose copy in double precision is beyond memory."""
    if not isinstance(problem, Problem):
        raise ValueError(f"problem: got {type(problem).__name__}, takes a Problem (see draw_problem)")
    CommitteeSGD().check(problem)
    check_memory(problem.N, problem.P, (8.0 + problem.patterns.itemsize) * problem.patterns.size, "the landscape")


def committee_points(problem: Problem) -> Array:
    """Gauged patterns (P, K, n) of a tree committee; errors are those of `check_tree`."""
    check_tree(problem)
    K = problem.architecture.K
    return np.ascontiguousarray(problem.gauged().astype(float).reshape(-1, K, problem.N // K))


def as_units(name: str, weights: ArrayLike, problem: Problem) -> Array:
    """Weights as units (K, n) with |W_j|^2 = n."""
    vector = np.asarray(weights, dtype=float)
    if vector.shape != (problem.N,):
        raise ValueError(f"{name}: got an array of shape {vector.shape}, takes shape ({problem.N},)")
    units = vector.reshape(problem.architecture.K, -1)
    lengths = np.linalg.norm(units, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
        raise ValueError(f"{name}: got a unit that is zero or not finite, takes K units of finite length > 0")
    return np.asarray(units * math.sqrt(units.shape[1]) / lengths)


def as_solution(name: str, weights: ArrayLike, problem: Problem) -> Array:
    """Units of weights that satisfy every pattern."""
    units = as_units(name, weights, problem)
    errors = problem.unsatisfied(units.ravel())
    if errors:
        raise ValueError(f"{name}: got weights that violate {errors} of {problem.P} patterns, takes a solution")
    return units


def check_apart(W: Array, V: Array) -> Array:
    """Overlaps of the units; ValueError where two are opposite."""
    q = overlaps(W, V)
    if np.any(q <= OPPOSITE):
        raise ValueError(f"end: got unit {int(np.argmin(q)) + 1} opposite to that of start, takes units with a great circle between them")
    return q


def smoothing(K: int, beta: float | None, gamma: float) -> tuple[float, float]:
    """Slope beta of a unit, 3 sqrt(K) if absent, and scale gamma of the output: those in which SGD ends if not given."""
    slope = STEEPEST * math.sqrt(K) if beta is None else check_positive("beta", beta)
    return slope, check_positive("gamma", gamma)


def distance(W: Array, V: Array) -> float:
    """Length of the great circle, sqrt(sum_j theta_j^2/K)."""
    return float(np.sqrt(np.mean(np.arccos(np.clip(overlaps(W, V), -1, 1)) ** 2)))


@njit(cache=True, nogil=True)
def overlaps(W, V):  # type: ignore[no-untyped-def]
    """W_j . V_j/n of every branch, (K,)."""
    K, n = W.shape
    q = np.empty(K)
    for j in range(K):
        q[j] = dot(W[j], V[j]) / n
    return q


@njit(cache=True, nogil=True)
def unit_fields(points, W):  # type: ignore[no-untyped-def]
    """h_j of every pattern, (P, K)."""
    P, K, n = points.shape
    h = np.empty((P, K))
    for mu in range(P):
        for j in range(K):
            h[mu, j] = dot(points[mu, j], W[j]) / math.sqrt(n)
    return h


@njit(cache=True, nogil=True)
def violations(h):  # type: ignore[no-untyped-def]
    """Patterns with fewer than (K + 1)/2 positive fields."""
    P, K = h.shape
    count = 0
    for mu in range(P):
        positive = 0
        for j in range(K):
            positive += h[mu, j] > 0
        count += 2 * positive < K
    return count


@njit(cache=True, nogil=True)
def great_circle(W, V, s, out):  # type: ignore[no-untyped-def]
    """out = W(s)."""
    q = overlaps(W, V)
    for j in range(len(W)):
        theta = math.acos(min(1.0, max(-1.0, q[j])))
        x, y = 1.0, 0.0
        if theta >= TOGETHER:
            x, y = math.sin((1 - s) * theta) / math.sin(theta), math.sin(s * theta) / math.sin(theta)
        for i in range(W.shape[1]):
            out[j, i] = x * W[j, i] + y * V[j, i]


@njit(cache=True, nogil=True)
def worst(a, b, q):  # type: ignore[no-untyped-def]
    """Largest number of errors on the great circle between two configurations of fields a, b (P, K) and overlaps q, and the first s that has it."""
    P, K = a.shape
    when, change = np.empty(P * K), np.empty(P * K, np.int64)
    crossings, signs = np.empty(K), np.empty(K, np.int64)
    errors, events = 0, 0
    for mu in range(P):
        positive, crossed = 0, 0
        for j in range(K):
            up = a[mu, j] > 0
            positive += up
            if up != (b[mu, j] > 0):
                theta = math.acos(min(1.0, max(-1.0, q[j])))
                x, y = abs(a[mu, j]), abs(b[mu, j])
                s = math.atan2(x * math.sin(theta), y + x * math.cos(theta)) / max(theta, TOGETHER)
                k = crossed
                while k > 0 and crossings[k - 1] > s:
                    crossings[k], signs[k] = crossings[k - 1], signs[k - 1]
                    k -= 1
                crossings[k], signs[k] = s, -1 if up else 1
                crossed += 1
        wrong = 2 * positive < K
        errors += wrong
        for k in range(crossed):
            positive += signs[k]
            if (2 * positive < K) != wrong:
                wrong = not wrong
                when[events], change[events] = crossings[k], 1 if wrong else -1
                events += 1
    most, where = errors, 0.0
    for event in np.argsort(when[:events]):
        errors += change[event]
        if errors > most:
            most, where = errors, when[event]
    return most, where
