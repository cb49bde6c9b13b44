r"""Energy of trees of sign units alone: E log Z over K exchangeable fields, without derivatives.

.. math:: E_{z \sim N(0, 1)^K} \log \sum_c B_c [y^c] \prod_j (1 - P_j + P_j y), \qquad P_j = H(-\sqrt{q/V} z_j)

on the sorted lattice points of the ball that the generated kernels use. Given the other fields Z is affine in the smallest
one's P_i, so that a point costs a logarithm; the polynomial of the others changes by one factor from one of them to the next.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .kernels import tail
from .multisets import first_in_ball, multiplicity, next_in_ball
from .units import BALL, BALL_GROWS, axis_rule

AXIS = 4096  # nodes of an axis at most
LARGEST = 37.0  # sqrt(q/V) times the radius at which a tail, and any product of tails in the ball, is a normal double
KINDS = ("majority", "parity")


def energy(kind: str, K: int, q: float, V: float, level: int = 1) -> float:
    """E log Z of a majority or a parity of K sign units at overlap q and variance V of the fields given it.

    Parameters
    ----------
    kind : "majority" or "parity";  K : number of units, >= 2
    q, V : overlap and conditional variance, q > 0, V > 0
    level : refinement of the lattice, as for the generated kernels

    Raises
    ------
    ValueError : an argument outside these ranges, or q/V so large that a tail underflows (use `saddle.evaluate`).
    """
    return _asked(kind, K, q, V, level)[0]


def lattice_points(kind: str, K: int, q: float, V: float, level: int = 1) -> int:
    """How many multisets `energy` visits."""
    return _asked(kind, K, q, V, level)[1]


def _asked(kind: str, K: int, q: float, V: float, level: int) -> tuple[float, int]:
    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}; takes {', '.join(KINDS)}")
    if K < 2:
        raise ValueError(f"K: got {K!r}; takes a number of units >= 2")
    largest = LARGEST / (BALL + BALL_GROWS * level)
    if not (q > 0.0 and V > 0.0 and q < V * largest**2):
        raise ValueError(f"q, V: got {q:g}, {V:g}; takes 0 < q < {largest**2:.1f} V")
    counts = np.arange(K + 1)
    accepted = 2 * counts > K if kind == "majority" else (K - counts) % 2 == 0
    total, points = _energy(accepted.astype(float), K, q, V, level)
    return float(total), int(points)


@njit(cache=True, error_model="numpy")
def _energy(accepted, K, q, V, level):
    """(E log Z, number of points); ``accepted`` by the number of positive fields."""
    z, weight = np.empty(AXIS), np.empty(AXIS)
    half, radius = axis_rule(K, q, V, level, z, weight)
    n, gamma = 2 * half + 1, math.sqrt(q / V)
    positive, negative = np.empty(n), np.empty(n)
    for i in range(n):
        positive[i], negative[i] = tail(-gamma * z[i]), tail(gamma * z[i])
    others, room = np.zeros(K - 1, dtype=np.int64), np.empty(K - 1)
    last = np.full(K - 1, -1)
    poly, mass = np.zeros((K, K)), np.ones(K)  # of the places a, ..., K - 2
    poly[K - 1, 0] = 1.0
    total, norm, points = 0.0, 0.0, 0  # the ball misses a little mass: averages are over what is in it
    more = first_in_ball(others, room, half, radius)
    while more:
        a = K - 2
        while a > 0 and others[a] == last[a]:
            a -= 1
        while a >= 0:
            i = others[a]
            last[a], mass[a] = i, mass[a + 1] * weight[i]
            poly[a, 0] = poly[a + 1, 0] * negative[i]
            for c in range(1, K - a):
                poly[a, c] = poly[a + 1, c] * negative[i] + poly[a + 1, c - 1] * positive[i]
            a -= 1
        below, above = 0.0, 0.0
        for c in range(K):
            below += accepted[c] * poly[0, c]
            above += accepted[c + 1] * poly[0, c]
        left = room[0] - float(others[0] - half) ** 2
        if left >= 0.0:
            reach = int(math.sqrt(left))
            start, end = half - reach, min(others[0], half + reach)
            part, share = 0.0, 0.0
            for i in range(start, end + 1):
                share += weight[i]
                part += weight[i] * math.log(below * negative[i] + above * positive[i])
            if start <= end == others[0]:  # a tie: fewer orders
                run = 1.0
                for b in range(K - 1):
                    run += others[b] == end
                less = weight[end] * (1.0 - 1.0 / run)
                share -= less
                part -= less * math.log(below * negative[end] + above * positive[end])
            orders = K * multiplicity(others) * mass[0]
            norm += orders * share
            total += orders * part
            points += max(end - start + 1, 0)
        more = next_in_ball(others, room, half)
    return total / norm, points
