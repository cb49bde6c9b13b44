r"""Max-sum with reinforcement for binary weights: exact messages of a perceptron node.

Max-sum looks for the W that maximises sum_i b_i W_i among the solutions; here in the limit b -> 0, from random fields h.
Messages are half differences between W_i = +1 and -1; x = y_mu xi_mu, k the least number of sites with x_i W_i = +1 that
satisfies a pattern, a_i = x_i (h_i - v_{mu->i}) and a_(1) >= a_(2) >= ... these sorted:

    v_{mu->i} = x_i max(0, -a_(k+1))  where a_i is one of the k largest,  x_i max(0, -a_(k))  elsewhere
    h_i = sum_mu v_{mu->i} + r_t h_i (of the step before),   W_i = sign(h_i)

The equations are homogeneous: the scale of all h and v is free, and is brought to |h|^2 = N before each step. Derivation:
with s_j = x_j W_j, v = x_i/2 (M(+) - M(-)), M(s) the maximum of sum_{j != i} a_j s_j over at least k - [s = +1] pluses among
the other sites. It is reached at the largest a_j: at all that are positive, or at as many as are asked for. So M(+) and M(-)
differ by the k-th largest of the others, if that is negative, and by nothing otherwise. The order statistics are found by
bisection of a threshold that k entries exceed, O(N) where sorting takes O(N log N).
Source: C. Baldassi, A. Braunstein, A max-sum algorithm for training discrete neural networks, J. Stat. Mech. (2015) P08008.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..learning import Algorithm, Run
from ..problems import Problem
from ._signs import least_sum, points_of
from .reinforcement import ReinforcedRun, Single, check_schedule

FORCED = np.float32(1e3)
"""Message of a pattern that only all its sites together satisfy (infinite in the equations)."""
MAGNITUDE = np.int32(0x7FFFFFFF)
"""Bits of a float but its sign."""


@dataclass(frozen=True)
class ReinforcedMaxSum(Algorithm):
    """Max-sum with reinforcement in cycles of growing r_t (`reinforcement`), each from random fields of its own.

    cycle : updates of the first cycle, >= 2;  initial : r at the start of a cycle, 0 <= initial < 1

    Raises ValueError outside these ranges.
    """

    name: ClassVar[str] = "reinforced-max-sum"
    step: ClassVar[str] = "an update of all messages"
    budget: ClassVar[int] = 3000
    binary_patterns: ClassVar[bool] = True
    margin: ClassVar[bool] = True
    cycle: int = 300
    initial: float = 0.0

    def __post_init__(self) -> None:
        check_schedule(self.cycle, self.initial)

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _MaxSumRun(MaxSum(problem), rng.standard_normal(problem.N).astype(np.float32), self.cycle, self.initial, rng)


class MaxSum:
    """Messages of a problem, one an edge: two values a pattern, and which of them (a byte where a number takes four: memory is what is slow).

    inside : a_i among the k largest, (P, N);  values : x_i v_{mu->i} inside and outside, (P, 2)
    """

    def __init__(self, problem: Problem):
        self.points, self.least = points_of(problem), least_sum(problem, problem.kappa)
        self.pluses = round((self.least + problem.N) / 2)
        self.inside, self.values = np.zeros(self.points.shape, np.bool_), np.zeros((problem.P, 2), np.float32)

    @property
    def messages(self) -> Single:
        """x_i v_{mu->i}, (P, N)."""
        return np.where(self.inside, self.values[:, :1], self.values[:, 1:])

    def update(self, h: Single) -> Single:
        """One step of all messages: the sum that each site gets. Brings h, and with it the messages, to the scale |h|^2 = N."""
        scale = np.float32(np.sqrt(h.size) / np.linalg.norm(h.astype(float))) if np.any(h) else np.float32(1)
        h *= scale
        into = np.zeros(h.size, np.float32)
        update_messages(self.points, h, self.inside, self.values, scale, self.pluses, into)
        return into


class _MaxSumRun(ReinforcedRun):
    messages: MaxSum

    def first(self, sums: Single) -> Single:
        if not self.later:
            return sums
        self.messages.values[:] = 0
        return self.rng.standard_normal(sums.size).astype(np.float32)

    def share(self) -> Single:
        return np.full(self.h.size, self.strength, np.float32)


@njit(cache=True, nogil=True)
def count_from(a: Single, threshold: np.float32) -> int:
    """How many entries are at least that large."""
    count = np.int32(0)
    for i in range(a.size):
        count = np.int32(count + np.int32(a[i] >= threshold))
    return int(count)


@njit(cache=True, nogil=True)
def _flip(bits: np.int32) -> np.int32:
    """Whole numbers in the order of the floats of these bits, and back."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & MAGNITUDE))


@njit(cache=True, nogil=True)
def around(a: Single, threshold: np.float32) -> tuple[np.float32, np.float32]:
    """The least entry from the threshold on, and the largest below it; as whole numbers, of which the compiler takes many at once."""
    bits, ends = a.view(np.int32), np.empty(2, np.float32)
    ends[0], ends[1] = np.inf, -np.inf
    found = ends.view(np.int32)
    first, second = found[0], _flip(found[1])
    top, bottom = first, second
    for i in range(a.size):
        x = _flip(bits[i])
        first = min(first, x if a[i] >= threshold else top)
        second = max(second, bottom if a[i] >= threshold else x)
    found[0], found[1] = _flip(first), _flip(second)
    return ends[0], ends[1]


@njit(cache=True, nogil=True)
def two_largest(a: Single, k: int) -> tuple[np.float32, np.float32]:
    """a_(k) and a_(k+1), 0 < k < a.size, where a_(k+1) < 0; (0, 0) where it is not."""
    high = np.float32(0)
    above = count_from(a, high)
    if above > k:
        return high, high
    low = min(high, around(a, np.float32(-np.inf))[0])
    # fewer than k entries are at least `high`, more than k at least `low`
    threshold = high
    while above != k:
        threshold = np.float32(np.float32(0.5) * np.float32(low + high))
        if threshold <= low or threshold >= high:
            return low, low  # a_(k) = a_(k+1)
        above = count_from(a, threshold)
        if above > k:
            low = threshold
        else:
            high = threshold
    return around(a, threshold)


@njit(cache=True, nogil=True)
def update_messages(
    points: NDArray[np.generic], h: Single, inside: NDArray[np.bool_], values: Single, scale: np.float32, k: int, into: Single
) -> None:
    """All messages of one step, and the sums over patterns of v_{mu->i} added to `into`."""
    P, N = points.shape
    a = np.empty(N, np.float32)
    for mu in range(P):
        x, among = points[mu], inside[mu]
        one, other = scale * values[mu, 0], scale * values[mu, 1]
        for i in range(N):
            a[i] = np.float32(x[i]) * h[i] - (one if among[i] else other)
        if k <= 0 or k >= N:
            one = other = FORCED if k > 0 else np.float32(0)
        else:
            first, second = two_largest(a, k)
            one, other = max(-second, np.float32(0)), max(-first, np.float32(0))
            for i in range(N):
                among[i] = a[i] > second
        values[mu, 0], values[mu, 1] = one, other
        for i in range(N):
            into[i] += np.float32(x[i]) * (one if among[i] else other)
