r"""Generalization errors of tree machines from the overlap R with the teacher, one for every branch.

Gibbs: two machines whose units agree with correlation rho = (2/pi) arcsin R disagree with probability
(1 - sum_k c_k rho^k)/2 (`replicas.symbolic.sign_units.disagreement`). Bayes: E min(Z, 1 - Z), Z the posterior
probability of the label. For a majority Z grows along (1, ..., 1) and crosses 1/2 once: the average over that direction is split at the
root, and what is left is smooth in the K - 1 others. For a parity the fields factorise.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from scipy.special import ndtr

from ..models import Tree
from ..numerics.kernels import SQRT_HALF
from ..numerics.multisets import following

STEP = 0.55  # of the lattice, at most, and of the width sqrt((1-R)/R) in which a unit turns
REACH, FARTHER = 7.2, 0.4  # of the lattice and of the panels, in standard deviations: mass 1e-12 beyond
GRID = {2: 60_000, 4: 30_000, 6: 15_000, 8: 10_000}  # lattice points over K - 1 directions: a second
COARSER = 1.12  # of the step: what this changes is the error
NODES, WEIGHTS = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(10))
WIDEST = 1.5  # panel
FARTHEST = 4.0  # times the step that resolves a unit: coarser lattices are not asked
UNSURE = ((1e-3, 12.0), (0.02, 10.0), (0.16, 9.0))  # step and reach of the grids over one, two and three unsure units
GRID_ERROR = (1e-7, 1e-4, 1e-2)  # relative: midpoints across the kink Z = 1/2
ROUNDING = 4e-15


@lru_cache(maxsize=64)
def _spectrum(accepted: tuple[bool, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Powers k > 0 and weights c_k of the disagreement polynomial."""
    from ..symbolic.sign_units import disagreement

    powers, shares = [], []
    for (k,), c in disagreement(accepted).terms():
        if k:
            powers.append(k)
            shares.append(-2 * float(c))
    return np.array(powers), np.array(shares)


def gibbs_error(model: Tree, gap: np.ndarray) -> np.ndarray:
    """eps_g at R = 1 - gap, to full relative accuracy also where both are small."""
    powers, shares = _spectrum(model.accepted)
    delta = 4 / math.pi * np.arcsin(np.sqrt(np.minimum(gap, 1.0) / 2))  # 1 - rho
    with np.errstate(divide="ignore"):
        lost = -np.expm1(powers * np.log1p(-np.minimum(delta, 1.0))[..., None])  # 1 - rho^k
    return np.asarray(lost @ shares / 2)


def bayes_error(model: Tree, gap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(error of the Bayes-optimal vote, error of this number) at R = 1 - gap."""
    gap = np.asarray(gap, dtype=float)
    if model.likelihood == "parity":
        single = np.arcsin(np.sqrt(np.minimum(gap, 1.0))) / math.pi
        with np.errstate(divide="ignore"):
            value = -np.expm1(model.K * np.log1p(-2 * np.minimum(single, 0.5))) / 2
        return np.asarray(value), ROUNDING * value
    answers = np.array([_majority(model.K, float(g)) for g in gap.ravel()]).reshape(*gap.shape, 2)
    return answers[..., 0], answers[..., 1] + ROUNDING * answers[..., 0]


def _majority(K: int, gap: float) -> tuple[float, float]:
    """E min(Z, 1 - Z) over the fields sqrt(R/(1-R)) t of one posterior, and its error."""
    if gap <= 0.0:
        return 0.0, 0.0
    if gap >= 1.0:
        return 0.5, 0.0
    gamma = math.sqrt((1 - gap) / gap)
    step = resolved = STEP * min(1.0, 1.0 / gamma)
    while _points(K, step) > GRID.get(K - 1, GRID[8]):
        step *= 1.05
    near = _near_teacher(K, 1.0 / gamma) if step > resolved else (0.0, math.inf)
    if step > FARTHEST * resolved:  # a lattice that knows nothing of the width in which a unit turns
        return near
    fine, coarse = (float(_vote(K, wider * step, gamma)) for wider in (1.0, COARSER))
    lattice = fine, abs(fine - coarse) * (step / resolved) ** 2
    return min(lattice, near, key=lambda answer: answer[1])


@lru_cache(maxsize=64)
def _near_teacher(K: int, width: float) -> tuple[float, float]:
    r"""The same close to R = 1, where most units are sure: by how many are not.

    With P_j = H(-t_j/w), E g(P_j) = [g(0) + g(1)]/2 + w int du G(wu) [g(H(-u)) - g(u > 0)], n units at a time:

    .. math:: \sum_n \binom{K}{n} w^n \sum_s \frac{\binom{K-n}{r-s}}{2^{K-n}} \int \prod_i du_i G(w u_i)\, \Delta^n \min(Z_s, 1 - Z_s)

    Z_s : at least s of these n are positive, r = (K+1)/2 a majority. Up to three; the error is what a fourth may add.
    """
    r, terms = (K + 1) // 2, []
    for n, (step, reach) in enumerate(UNSURE, start=1):
        u = np.arange(-reach + step / 2, reach, step)
        unsure, sure = ndtr(u), (u > 0).astype(float)
        measure = step * width * np.exp(-0.5 * (width * u) ** 2) / math.sqrt(2 * math.pi)
        total = 0.0
        for s in range(1, n + 1):
            if 0 <= r - s <= K - n:
                total += math.comb(K - n, r - s) / 2.0 ** (K - n) * _difference(n, s, unsure, sure, measure)
        terms.append(math.comb(K, n) * total)
    one, two, three = terms
    ratio = abs(three / two) if two else 0.0
    return one + two + three, 2.0 * ratio * abs(three) + GRID_ERROR[0] * one + GRID_ERROR[1] * abs(two) + GRID_ERROR[2] * abs(three)


def _difference(n: int, s: int, unsure: np.ndarray, sure: np.ndarray, measure: np.ndarray) -> float:
    """Integral of Delta^n min(Z_s, 1 - Z_s): units taken unsure, less taken sure."""
    total: Any = 0.0
    for choice in itertools.product((True, False), repeat=n):
        counts: list[Any] = [1.0]  # of positive units, as arrays over the grid
        for axis, yes in enumerate(choice):
            P = (unsure if yes else sure).reshape([-1 if a == axis else 1 for a in range(n)])
            counts = [
                (counts[c] * (1 - P) if c < len(counts) else 0.0) + (counts[c - 1] * P if c else 0.0)
                for c in range(len(counts) + 1)
            ]
        total = total + (-1.0) ** choice.count(False) * np.minimum(sum(counts[s:]), sum(counts[:s]))
    for _ in range(n):
        total = total @ measure
    return float(total)


def _points(K: int, step: float) -> float:
    """Sorted lattice points of the ball in K - 1 directions: cells have the volume sqrt(K) step^(K-1)/sqrt(K)."""
    d = K - 1
    volume = math.pi ** (d / 2) / math.gamma(d / 2 + 1) * REACH**d
    return volume * math.sqrt(K) / step**d / math.factorial(K)


@njit(cache=True, error_model="numpy")
def _accepted(t, s, gamma, K, counts):
    """P(majority) and P(no majority) at the fields gamma (t_j + s)."""
    counts[0] = 1.0
    for j in range(K):
        u = gamma * (t[j] + s) * SQRT_HALF
        p, m = 0.5 * math.erfc(-u), 0.5 * math.erfc(u)
        counts[j + 1] = counts[j] * p
        for c in range(j, 0, -1):
            counts[c] = counts[c] * m + counts[c - 1] * p
        counts[0] *= m
    yes, no = 0.0, 0.0
    for c in range(K + 1):
        if 2 * c > K:
            yes += counts[c]
        else:
            no += counts[c]
    return yes, no


@njit(cache=True, error_model="numpy")
def _along(t, gamma, K, counts):
    """int ds exp(-K s^2/2) min(Z, 1 - Z) along t + s (1, ..., 1): panels grow to both sides of the root Z = 1/2."""
    low, high = -np.max(t), -np.min(t)  # all fields negative, all positive
    for _ in range(60):
        root = 0.5 * (low + high)
        yes, no = _accepted(t, root, gamma, K, counts)
        if yes > no:
            high = root
        else:
            low = root
    total, reach = 0.0, (REACH + FARTHER) / math.sqrt(K)
    for side in (-1.0, 1.0):
        at, end = side * root, reach
        width = 0.5 * min(1.0, 1.0 / gamma)
        while at < end:
            span = min(width, end - at, WIDEST / math.sqrt(K))
            for k in range(NODES.size):
                s = side * (at + 0.5 * span * (1.0 + NODES[k]))
                yes, no = _accepted(t, s, gamma, K, counts)
                total += 0.5 * span * WEIGHTS[k] * math.exp(-0.5 * K * s * s) * min(yes, no)
            at += span
            width *= 2.5
    return total


@njit(cache=True, error_model="numpy")
def _vote(K, step, gamma):
    """Average of `_along` over a lattice in the directions orthogonal to (1, ..., 1): integer vectors modulo their mean."""
    half = int(REACH * math.sqrt(2.0) / step) + 1  # of the largest entry, the smallest being 0
    index, t, counts = np.zeros(K - 1, dtype=np.int64), np.empty(K), np.empty(K + 2)
    total, mass = 0.0, 0.0
    reach = REACH * REACH
    while index[K - 2] <= half:
        mean, square, run, ties = 0.0, 0.0, 1.0, 1.0
        for a in range(K - 1):
            mean += index[a]
            square += float(index[a]) ** 2
        square = (square - mean * mean / K) * step * step
        if square <= reach:
            previous = 0
            for a in range(K - 1):
                run = run + 1.0 if index[a] == previous else 1.0
                ties *= (a + 2.0) / run
                previous = index[a]
                t[a + 1] = (index[a] - mean / K) * step
            t[0] = -mean / K * step
            weight = ties * math.exp(-0.5 * square)
            mass += weight
            total += weight * _along(t, gamma, K, counts)
        following(index)
    return total / mass * math.sqrt(K / (2.0 * math.pi))
