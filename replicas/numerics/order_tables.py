r"""One-field tables of `replicas.numerics.order_statistics`: machines, rules, and b, a and densities with their tangents.

Derivatives in omega are closed, those in the noise c follow from the heat equation d_c = d_omega^2/2, with the moments
M_n = int_x^0 h^n e^{-w h^2/2} N(h; omega, c) dh of the paid stretch:

    a = P(h > 0) + M_0,     d_omega a = e(x) N(x) - w M_1,     d_omega^2 a = e(x) N(x) [(x - omega)/c - w x] - w M_0 + w^2 M_2,
    d_w a = -M_2/2.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

REACH = 9.0  # standard deviations of the last flipped field beyond its mean that are integrated: 1e-18 beyond
NODES, DENSITY = 10.0, 1.9  # of the rule: some, and more per standard deviation; up to twice as many without a spring
LONGEST, PANEL = 200, 32  # nodes of a single panel at most; of the others, which have twice as many to be as good
SQRT_HALF = math.sqrt(0.5)
SQRT_2PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Machine:
    """K fields; rows: powers of y that are kept; parity, or at least ``rows`` positive fields."""

    K: int
    rows: int
    parity: bool


def machine(accepted: tuple[bool, ...]) -> Machine:
    """The machine that accepts c positive fields where accepted[c]; a reflection of all fields, or of one, is the same."""
    K = len(accepted) - 1
    flags = [bool(a) for a in accepted]
    for reflected in (flags, flags[::-1]):
        r = K + 1 - sum(reflected)
        if 1 <= r <= K and reflected == [c >= r for c in range(K + 1)]:
            return Machine(K, r, False)
    if K >= 2 and all(x != y for x, y in itertools.pairwise(flags)):
        return Machine(K, 2, True)
    raise ValueError(f"accepted: got {accepted}; takes a threshold on the number of positive fields, or a parity")


@lru_cache(maxsize=64)
def _legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (x + 1), 0.5 * w


def rule(kind: Machine, largest: float, c: float, w: float, quality: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Distances |x| and weights for the last flipped field: it is N(omega/(1 + w c), c/(1 + w c)) at most; 0 comes last.

    The weight of 0 is 0: the node is there for P(accepted).
    """
    sigma = math.sqrt(c / (1 + w * c))
    end = largest / (1 + w * c) + REACH * sigma
    n = math.ceil(quality * (NODES + DENSITY * (1 + 1 / (1 + w * c)) * end / sigma))
    if n <= LONGEST:
        x, weight = _legendre(n)
    else:  # panels, whose nodes are cheaper to find
        panels = math.ceil(n / PANEL)
        unit, share = _legendre(2 * PANEL)
        x, weight = ((np.arange(panels)[:, None] + unit) / panels).ravel(), np.tile(share / panels, panels)
    return np.append(end * x, 0.0), np.append(end * weight, 0.0)


@njit(cache=True, error_model="numpy")
def _tail(z):
    return 0.5 * math.erfc(z * SQRT_HALF)


@njit(cache=True, error_model="numpy")
def _mass(low, high):
    """P(low < z < high) from the tail that does not cancel."""
    if low + high > 0.0:
        return _tail(low) - _tail(high)
    return _tail(-high) - _tail(-low)


@njit(cache=True, error_model="numpy")
def threshold_tables(x, omega, c, w, shift, dc, out):
    """b, a and the density of every node at every -x; tangents in w, then along (shift, dc), by the heat equation."""
    spring = 1.0 + w * c
    sigma = math.sqrt(c / spring)
    root = math.sqrt(c)
    for i in range(omega.size):
        mean = omega[i] / spring
        height = math.exp(-0.5 * w * omega[i] * mean) / math.sqrt(spring)
        at0 = math.exp(-0.5 * (mean / sigma) ** 2) / SQRT_2PI
        positive = _tail(-omega[i] / root)
        for k in range(x.size):
            h = -x[k]
            z = (h - omega[i]) / root
            density = math.exp(-0.5 * z * z) / (SQRT_2PI * root)
            low = (h - mean) / sigma
            m0 = _mass(low, -mean / sigma)
            out[0, i, 0, k] = _tail(-z)
            out[0, i, 1, k] = positive + height * m0
            out[0, i, 2, k] = density
            if out.shape[0] == 1:
                continue
            edge = math.exp(-0.5 * low * low) / SQRT_2PI
            m1 = height * (mean * m0 + sigma * (edge - at0))
            m2 = height * ((mean * mean + sigma * sigma) * m0 + sigma * ((mean + h) * edge - mean * at0))
            u = z / root
            tilted = math.exp(-0.5 * w * h * h) * density
            out[1, i, 0, k] = 0.0
            out[1, i, 1, k] = -0.5 * m2
            out[1, i, 2, k] = 0.0
            out[2, i, 0, k] = -density * (shift[i] + 0.5 * dc * u)
            first = tilted - w * m1
            second = tilted * (u - w * h) - w * height * m0 + w * w * m2
            out[2, i, 1, k] = first * shift[i] + 0.5 * dc * second
            out[2, i, 2, k] = density * (u * shift[i] + 0.5 * dc * (u * u - 1.0 / c))


@njit(cache=True, error_model="numpy")
def parity_tables(x, omega, c, shift, dc, out):
    """P(h > v), P(h < -v) and the densities at v and -v; tangents as above."""
    root = math.sqrt(c)
    for i in range(omega.size):
        for k in range(x.size):
            for s in range(2):
                sign = 1.0 - 2.0 * s
                z = (x[k] - sign * omega[i]) / root
                density = math.exp(-0.5 * z * z) / (SQRT_2PI * root)
                out[0, i, s, k] = _tail(z)
                out[0, i, 2 + s, k] = density
                if out.shape[0] > 1:
                    u = z / root
                    out[1, i, s, k] = 0.0
                    out[1, i, 2 + s, k] = 0.0
                    out[2, i, s, k] = density * (sign * shift[i] + 0.5 * dc * u)
                    out[2, i, 2 + s, k] = density * (u * sign * shift[i] + 0.5 * dc * (u * u - 1.0 / c))


def springs(kind: Machine, x: np.ndarray, weight: np.ndarray, w: float, tangents: int) -> tuple[np.ndarray, np.ndarray]:
    """e(x) and the factors of C_s in 1 - I, with the rule's weights and their tangents in w."""
    power = np.zeros((1 + tangents, x.size))
    missing = np.zeros((1 + tangents, kind.rows, x.size))
    power[0] = weight * np.exp(-0.5 * w * x * x)
    if tangents:
        power[1] = -0.5 * x * x * power[0]
    for s in range(kind.rows):
        d = float(s) if kind.parity else float(kind.rows - s)
        missing[0, s] = d * w * x * weight * np.exp(-0.5 * d * w * x * x)
        if tangents:
            missing[1, s] = missing[0, s] * (1 / w - 0.5 * d * x * x)
    return power, missing
