r"""Perceptron of maximum stability: the spherical W whose smallest field u_mu = y_mu xi_mu . W / sqrt(N) is largest.

    dual:       maximise  sum_mu x_mu - (1/2) sum_mu,nu x_mu C_mu,nu x_nu  over embedding strengths x >= 0,
                C_mu,nu = y_mu y_nu xi_mu . xi_nu / N,   w = (1/N) sum_mu x_mu y_mu xi_mu,   E_mu = (C x)_mu = y_mu xi_mu . w
    adatron:    x_mu <- max(0, x_mu + rate (1 - E_mu)/C_mu,mu),   one pattern after the other, 0 < rate < 2
    active set: C_SS x_S = 1 on S = {x_mu > 0},   then S <- {x_mu > 0} + {E_mu < 1},   until S repeats itself
    bounds:     min_mu E_mu / |w|  <=  kappa_max  <=  N |w| / sum_mu x_mu        (equal at the optimum: both are 1/|w|)

The lower bound is the stability of W itself. The upper one holds for every x >= 0, because the smallest field is no larger than
a weighted mean of all: their difference certifies the answer, whatever happened before. The adatron approaches the support of the
patterns with u = kappa_max and the linear system finishes it; adatron passes go on where the system is singular or the sets cycle,
and where they crawl, small problems are handed to non-negative least squares.
Patterns that are not separable drive x to infinity along some lambda >= 0 with sum_mu lambda_mu y_mu xi_mu = 0, which proves it
(Gordan): then there is no kappa_max > 0. Among more than N patterns it is looked for by projecting x on that subspace, least squares by
conjugate gradients, and leaving out what becomes negative.

Source: J. K. Anlauf and M. Biehl, Europhys. Lett. 10 (1989) 687; over-relaxation as in SOR for quadratic programs, O. L. Mangasarian
and D. R. Musicant, IEEE Trans. Neural Netw. 10 (1999) 1032; the active set: M. Hintermueller, K. Ito and K. Kunisch, SIAM J. Optim.
13 (2002) 865.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import nnls

from .._checks import check_finite, check_integer, check_patterns, check_positive, check_signs
from .._packed import add, adds, dot, packed_signs, products, sums
from ..learning import Algorithm, Run, Weights
from ..problems import Problem
from ._signs import squares_of
from .hebb import on_sphere

Array = NDArray[np.float64]
TOLERANCE = 1e-10
"""Gap of the bounds relative to the upper one at which the largest stability counts as found."""
RATE = 1.5
"""Step of the adatron: half as many passes as 1.0 near alpha = 2."""
PASSES = 2000
"""Adatron passes until the search is given up: the active set usually ends it within 50 of them for alpha < 2."""
FIRST = 16
"""Passes before the support is tried for the first time; it is tried again whenever they have doubled."""
TRIALS = 40
"""Active sets tried before the adatron goes on."""
ROUGHLY = 0.1
"""Share of a sum of patterns that is left while weights of one sign are sought."""
GRADIENTS = 400
"""Steps of conjugate gradients: as many are needed where the set has 1.05 N patterns; closer to N the adatron goes on."""
FINISHED = 2500
"""Patterns up to which a search that crawls, of hardly separable patterns, is finished by non-negative least squares: 3 s at P = 1900, N = 1001."""
PART = 10**8
"""Components of patterns that the adatron goes through before it can be given up: 0.1 s."""
PRODUCTS = 2 * 10**9
"""Multiplications of a part of the matrix C_SS, likewise."""
LARGEST = 11000
"""Patterns of an active set whose linear system is solved: 1 GB (of real patterns twice that). Where it would have more, the adatron works alone."""


def maximum_stability(patterns: ArrayLike, labels: ArrayLike | None = None, tolerance: float = TOLERANCE) -> tuple[Array, float, float]:
    """The weights of largest stability, |W|^2 = N, their stability kappa = min_mu u_mu, and how far kappa can be from the largest.

    Parameters
    ----------
    patterns : array (P, N) of finite numbers, P >= 1;  labels : array (P,) of +1 and -1, all +1 if absent
    tolerance : relative gap of the bounds to be reached, > 0

    The largest stability is within [kappa, kappa + gap] if it is positive. A gap that stays above the tolerance says that it was not
    found: the patterns are not separable, kappa < 0, or hardly so.

    Raises
    ------
    ValueError : a wrong shape or value
    """
    points = check_patterns(patterns)
    if len(points) == 0:
        raise ValueError(f"patterns: got an array of shape {points.shape}, takes at least one pattern")
    if labels is not None:
        points = points * check_signs("labels", labels, points.shape[:1])[:, None]
    search = _Search(points, check_positive("tolerance", tolerance), RATE)
    for _ in search.parts(PASSES):
        pass
    return search.W, search.kappa, search.upper - search.kappa


@dataclass(frozen=True)
class MaxStability(Algorithm):
    """Perceptron of maximum stability for spherical weights, certified by a bound on all others.

    tolerance : relative gap between the stability reached and its upper bound at which the search ends, > 0
    rate : step of the adatron in units of the one that brings the field at hand to 1, between 0 and 2 (excluded)
    passes : adatron passes before the search is given up, >= 1

    A single step, because a solution that is not the most stable one is no reason to stop. The history has the stability, its gap to
    the upper bound and the passes made. The run is "stuck" if the margin of the problem is out of reach; if the upper bound,
    stability + gap, is below that margin, no spherical perceptron reaches it.
    """

    name: ClassVar[str] = "max-stability"
    step: ClassVar[str] = "all passes, up to the largest stability"
    budget: ClassVar[int] = 1
    binary: ClassVar[bool] = False
    margin: ClassVar[bool] = True
    tolerance: float = TOLERANCE
    rate: float = RATE
    passes: int = PASSES

    def __post_init__(self) -> None:
        check_positive("tolerance", self.tolerance)
        if not 0 < check_finite("rate", self.rate) < 2:
            raise ValueError(f"rate: got {self.rate}, takes a number between 0 and 2 (excluded)")
        check_integer("passes", self.passes, at_least=1)

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _MaxStabilityRun(problem, self)


class _MaxStabilityRun(Run):
    def __init__(self, problem: Problem, algorithm: MaxStability):
        self.search = _Search(problem.gauged(), algorithm.tolerance, algorithm.rate)
        self.parts = self.search.parts(algorithm.passes)

    def advance(self, steps: int) -> bool:
        for _ in self.parts:
            return False  # with a part of the step made
        self.steps = 1
        return True

    @property
    def weights(self) -> Weights | None:
        return on_sphere(self.search.W)

    def record(self) -> dict[str, float]:
        return {"stability": self.search.kappa, "gap": self.search.upper - self.search.kappa, "passes": float(self.search.passes)}


class _Search:
    """The best weights and the best bound so far, and the embedding strengths that the adatron works on."""

    def __init__(self, points: NDArray[np.generic], tolerance: float, rate: float):
        P, N = points.shape
        self.points, self.tolerance, self.rate = points, tolerance, rate
        self.binary = bool(np.all(np.abs(points) == 1))
        rows: NDArray[Any] = packed_signs(points) if self.binary else np.ascontiguousarray(points, np.float64)
        self.rows = rows[:, None]
        self.squares = squares_of(points)
        self.x, self.w = np.zeros(P), np.zeros(N)
        self.W, self.kappa = np.zeros(N), -np.inf
        self.upper = float(np.sqrt(self.squares.min()))
        self.passes, self.next_trial = 0, FIRST

    def ended(self, passes: int) -> bool:
        """Whether the bounds have met, the upper one at zero, or so many passes were made."""
        return self.passes >= passes or self.upper - self.kappa <= self.tolerance * self.upper or -np.inf < self.kappa < self.upper <= self.tolerance

    def parts(self, passes: int) -> Iterator[None]:
        """The whole search, which may be given up after each of its parts."""
        while not self.ended(passes):
            until = min(passes, self.next_trial)
            while self.passes < until:
                more = min(until - self.passes, max(1, PART // self.points.size))
                _adatron(self.rows[:, 0], self.squares, self.rate, self.x, self.w, more)
                self.passes += more
                yield
            self._bound(self.x, self.w)
            if self.passes == self.next_trial:
                self.next_trial *= 2
                if not self.ended(passes):
                    yield from self._active_set()
                    yield from self._not_separable()
        self._finish()

    def _finish(self) -> None:
        """Non-negative least squares, min |w|^2 + (sum_mu x_mu - 1)^2: exact in finitely many steps where the adatron crawls."""
        P, N = self.points.shape
        if self.ended(self.passes + 1) or P > FINISHED:
            return
        try:
            x, _ = nnls(np.vstack([self.points.T.astype(float), np.ones(P)]), np.append(np.zeros(N), 1.0))
        except RuntimeError:  # its own limit of steps
            return
        self._bound(x, self._weights(x))

    def _weights(self, x: Array) -> Array:
        """w = sum_mu x_mu xi_mu / N."""
        w, inside = np.zeros(self.w.size), np.flatnonzero(x)
        adds(w, x[inside] / w.size, self.rows, 0, inside)
        return w

    def _fields(self, w: Array) -> Array:
        """E_mu = xi_mu . w."""
        return np.asarray(sums(self.rows, w[None])[:, 0])

    def _bound(self, x: Array, w: Array) -> None:
        """Take over what these strengths prove."""
        length, N = float(np.linalg.norm(w)), w.size
        if not 0 < length < np.inf:
            return
        self.upper = min(self.upper, N * length / float(x.sum()))
        kappa = float(self._fields(w).min()) / length
        if kappa > self.kappa:
            self.kappa, self.W = kappa, w * (np.sqrt(N) / length)

    def _active_set(self) -> Iterator[None]:
        """Sets S of patterns at u = kappa, from that of the adatron on, until the bounds meet or the system is singular."""
        P, N = self.points.shape
        inside = self.x > 0
        for _ in range(TRIALS):
            size = int(inside.sum())
            if not 0 < size <= min(N, LARGEST):
                return
            C = np.empty((size, size))
            yield from self._products(np.flatnonzero(inside), C)
            try:
                factor = cho_factor(C.T, lower=True, overwrite_a=True, check_finite=False)
            except LinAlgError:
                return
            x = np.zeros(P)
            x[inside] = cho_solve(factor, np.ones(size), check_finite=False)
            del C, factor  # before the next one is made
            feasible = np.maximum(x, 0)
            self._bound(feasible, self._weights(feasible))
            if self.ended(self.passes + 1):
                return
            after = np.where(inside, x > 0, self._fields(self._weights(x)) < 1)
            if np.array_equal(after, inside):
                return
            inside = after
            yield

    def _not_separable(self) -> Iterator[None]:
        """Weights lambda >= 0 of more than N patterns with sum_mu lambda_mu xi_mu = 0, if those that the adatron gives lead to some."""
        P, N = self.points.shape
        S = np.flatnonzero(self.x > 0)
        weights = self.x[S]
        for _ in range(TRIALS):
            if S.size <= N:
                return
            for share in (ROUGHLY, 0.0):  # what is negative shows early
                found = yield from self._projected(S, weights, share)
                if found is None:
                    return
                if found.min() < 0:
                    break
            else:
                x = np.zeros(P)
                x[S] = found
                self._bound(x, self._weights(x))
                return
            S, weights = S[found > 0], found[found > 0]

    def _projected(self, S: NDArray[np.int64], weights: Array, share: float) -> Generator[None, None, Array | None]:
        """The nearest weights whose patterns sum to zero, to a share of what they sum to or to the tolerance."""
        rows, N = self.rows[S], self.w.size
        everyone = np.arange(S.size)

        def total(values: Array) -> Array:
            out = np.zeros(N)
            adds(out, values, rows, 0, everyone)
            return out

        rest = total(weights)  # conjugate gradients for (sum_mu xi xi^T) y = sum_mu weights_mu xi_mu
        goal = max(share * float(np.linalg.norm(rest)), self.tolerance * float(weights.sum()) / 2)
        y, p, size = np.zeros(N), rest.copy(), float(rest @ rest)
        for _ in range(GRADIENTS):
            if size <= goal * goal:
                return weights - np.asarray(sums(rows, y[None])[:, 0])
            Ap = total(np.asarray(sums(rows, p[None])[:, 0]))
            step = size / float(p @ Ap)
            y += step * p
            rest -= step * Ap
            before, size = size, float(rest @ rest)
            p = rest + size / before * p
            yield
        return None

    def _products(self, S: NDArray[np.int64], C: Array) -> Iterator[None]:
        """C_SS, its upper triangle: in the order of LAPACK the lower one."""
        size, N = S.size, self.w.size
        chunk = max(1, PRODUCTS // (size * N))
        real = None if self.binary else self.rows[S, 0]
        for first in range(0, size, chunk):
            last = min(first + chunk, size)
            if real is None:
                products(self.rows[:, 0], S, first, last, N, N, C)
            else:
                C[first:last, first:] = real[first:last] @ real[first:].T / N
            yield


@njit(cache=True, nogil=True)
def _adatron(points: NDArray[np.generic], squares: Array, rate: float, x: Array, w: Array, passes: int) -> None:
    """So many passes over the patterns in their order; x and w = sum_mu x_mu xi_mu / N are changed in place."""
    N = w.size
    for _ in range(passes):
        for mu in range(len(points)):
            if squares[mu] == 0.0:
                continue
            change = max(-x[mu], rate * (1.0 - dot(points[mu], w)) * N / squares[mu])
            if change != 0.0:
                x[mu] += change
                add(w, change / N, points[mu])
