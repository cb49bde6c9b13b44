r"""Grids of exchangeable fields: a symmetric function of K fields is known on the multisets of the nodes of one axis.

.. math:: \sum_{i_1 \dots i_K} w_{i_1} \cdots w_{i_K} F(x_{i_1}, \dots, x_{i_K}) =
    \sum_{i_1 \le \dots \le i_K} \frac{K!}{\prod_v n_v!} w_{i_1} \cdots w_{i_K} F, \qquad n_v = \#\{a: i_a = v\},

binom(n+K-1, K) terms instead of n^K. Multisets stand in colexicographic order: the rank of i_1 <= ... <= i_K is
sum_a binom(i_a + a - 1, a), so that those of fewer nodes come first and a new largest node adds to the rank.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


def count(n: int, K: int) -> int:
    """binom(n+K-1, K), the number of multisets of K of n nodes."""
    return math.comb(n + K - 1, K)


def binomials(n: int, K: int) -> np.ndarray:
    """B[i, a] = binom(i + a, a + 1), what node i in place a (both from 0) adds to the rank; shape (n + 1, K)."""
    return np.array([[math.comb(i + a, a + 1) for a in range(K)] for i in range(n + 1)], dtype=np.int64)


@njit(cache=True)
def following(index: np.ndarray) -> int:
    """Step a sorted index vector to the next multiset; returns the number of leading places that changed."""
    K = index.size
    for a in range(K):
        if a == K - 1 or index[a] < index[a + 1]:
            index[a] += 1
            for b in range(a):
                index[b] = 0
            return a + 1
    return K


@njit(cache=True)
def _fill(out: np.ndarray) -> None:
    index = np.zeros(out.shape[1], dtype=np.int64)
    for r in range(out.shape[0]):
        out[r] = index
        following(index)


def members(n: int, K: int) -> np.ndarray:
    """Sorted node indices of every multiset in order, (count, K)."""
    out = np.empty((count(n, K), K), dtype=np.int64)
    _fill(out)
    return out


@njit(cache=True)
def multiplicity(index: np.ndarray) -> float:
    """K!/prod_v n_v!: ordered tuples that are this multiset."""
    total, run = 1.0, 1
    for a in range(1, index.size):
        run = run + 1 if index[a] == index[a - 1] else 1
        total *= (a + 1.0) / run
    return total


@njit(cache=True)
def _weights(weight: np.ndarray, index: np.ndarray, out: np.ndarray) -> None:
    for r in range(out.size):
        value = multiplicity(index[r])
        for i in index[r]:
            value *= weight[i]
        out[r] = value


def weights(weight: np.ndarray, K: int) -> np.ndarray:
    """Weight of every multiset under the product of one axis' weights; they sum to (sum of weights)^K."""
    index = members(weight.size, K)
    out = np.empty(index.shape[0])
    _weights(np.ascontiguousarray(weight, dtype=float), index, out)
    return out


@njit(cache=True)
def _descend(index: np.ndarray, room: np.ndarray, half: int, positive: bool, a: int) -> int:
    """Put the places below a where they are smallest; returns -1, or the place that has to move on for room to be left."""
    for b in range(a - 1, -1, -1):
        room[b] = room[b + 1] - float(index[b + 1] - half) ** 2
        low = half if positive else half - int(math.sqrt(max(room[b], 0.0)))
        if room[b] < 0.0 or low > index[b + 1]:
            return b + 1
        index[b] = low
    return -1


@njit(cache=True)
def _advance(index: np.ndarray, room: np.ndarray, half: int, positive: bool, a: int) -> bool:
    """Move place a on, or the first one above it that can, and put the places below anew."""
    K = index.size
    while a < K:
        index[a] += 1
        top = half + int(math.sqrt(max(room[a], 0.0)))
        if index[a] > (top if a == K - 1 else min(top, index[a + 1])):
            a += 1
            continue
        stuck = _descend(index, room, half, positive, a)
        if stuck < 0:
            return True
        a = stuck
    return False


@njit(cache=True)
def first_in_ball(index: np.ndarray, room: np.ndarray, half: int, radius: float, positive: bool) -> bool:
    """The first sorted multiset of lattice nodes -half..half (stored + half) in a ball of ``radius`` lattice steps.

    ``room``: squared radius left to each place by the larger ones.  ``positive``: of the nodes 0..half alone.
    """
    K = index.size
    room[K - 1] = radius * radius
    index[K - 1] = half if positive else half - int(radius)
    stuck = _descend(index, room, half, positive, K - 1)
    return stuck < 0 or _advance(index, room, half, positive, stuck)


@njit(cache=True)
def next_in_ball(index: np.ndarray, room: np.ndarray, half: int, positive: bool) -> bool:
    """Step to the next one, smallest place first; False at the end."""
    return _advance(index, room, half, positive, 0)


@njit(cache=True)
def smallest_places(others: np.ndarray, room: np.ndarray, half: int, positive: bool, stride: int) -> tuple[int, int]:
    """First and last node that a field below sorted ``others`` takes in the ball, ``stride`` nodes apart.

    The sum of all places is a multiple of the stride.  ``positive``: others are sizes, of which this field has either sign.
    """
    left = room[0] - float(others[0] - half) ** 2
    if left < 0.0:
        return 0, -1
    reach = int(math.sqrt(left))
    if positive:
        reach = min(reach, others[0] - half)
        return half - reach, half + reach
    start, total = half - reach, 0
    for i in others:
        total += i - half
    return start + (reach - total) % stride, min(others[0], half + reach)


@njit(cache=True)
def orders(others: np.ndarray, half: int, positive: bool) -> float:
    """Signed orders of K fields of which one is below ``others``: K times their multiplicity, and by their even sign flips."""
    total = (others.size + 1) * multiplicity(others)
    if positive:
        for i in others:
            if i != half:
                total *= 2.0
    return total
