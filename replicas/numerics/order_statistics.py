r"""Machines of K sign units with a spring at each field: log I on multisets of nodes, its one-dimensional integrals and derivatives.

.. math:: I(\omega; c, w) = E_h\, e^{-w E(h)/2}, \qquad h_j \sim N(\omega_j, c),

E(h) the cheapest sum of h_j^2 over fields whose flip makes the output accepted. *Threshold*, at least r positive fields:
the negative fields nearest to 0 are flipped, down to the r-th largest field x. *Parity*, an even number of negative
fields: the field of smallest |h| is flipped, v = |h|. With e(x) = exp(-w x^2/2) and

    b_j = P(h_j < x),  a_j = E[e^{-w min(h_j,0)^2/2}; h_j > x],  C_s = [y^s] prod_j (b_j + a_j y)                 (threshold)
    b_j = P(h_j > v),  a_j = P(h_j < -v),                        C_s = [y^s] prod_j (b_j + a_j y) mod y^2 - 1      (parity)

the density of the last flipped field gives I, and an integration by parts gives 1 - I, each a sum of positive terms:

    I = P(accepted) + int e D_{R-1},        D_s = [y^s] sum_i |db_i + y da_i| prod_{j != i} (b_j + a_j y)
    1 - I = int w |x| sum_s (r-s) e^{r-s} C_s   (threshold, s < R = r),        int w v e C_1   (parity, R = 2)

(in D, da_i counts for parity only). The first is used where I is small, the second near 1: log I keeps its relative
accuracy. C and D of the fields with the larger nodes are kept, so that a field in the last place costs a scalar product.
Derivatives are forward: every table carries its tangents, in w and in one direction of (omega, c).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from .multisets import count, following, multiplicity
from .order_tables import Machine, machine, parity_tables, rule, springs, threshold_tables

__all__ = ["Averages", "Machine", "averages", "log_table", "machine"]

LIKELY = 0.5  # P(accepted) above which 1 - I is integrated
SOFT = 1.0  # w under which it is anyhow
NOT_SMALL = 0.9  # 1 - I beyond which I is integrated after all
TINY = 1e-290  # I below has no digits


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _add(out, x, y):
    for k in range(out.size):
        out[k] += x[k] * y[k]


@njit(cache=True, error_model="numpy")
def _append(P, D, closed, table, i, level, parity):
    """Multiply C, D and P(accepted) of ``level`` + 1 by a field at node i."""
    directions, rows = P.shape[1], P.shape[2]
    for d in range(directions):
        for s in range(rows):
            P[level, d, s, :] = 0.0
            D[level, d, s, :] = 0.0
            used = parity or s >= rows - 2 - level  # lower powers of D cannot reach R - 1 any more
            left = s - 1 if s > 0 else rows - 1
            for t, v in ((0, d), (d, 0)):  # product rule; nothing but a depends on w, tangent 1
                if t != 1:
                    _add(P[level, d, s], table[t, i, 0], P[level + 1, v, s])
                    if used:
                        _add(D[level, d, s], table[t, i, 0], D[level + 1, v, s])
                        _add(D[level, d, s], table[t, i, 2], P[level + 1, v, s])
                if (parity and t != 1) or s > 0:
                    _add(P[level, d, s], table[t, i, 1], P[level + 1, v, left])
                    if used:
                        _add(D[level, d, s], table[t, i, 1], D[level + 1, v, left])
                    if parity:
                        _add(D[level, d, s], table[t, i, 3], P[level + 1, v, left])
                if d == 0:
                    break
        closed[level, d] = _accepted(P, closed, table, i, level, d, parity)


@njit(cache=True, error_model="numpy")
def _accepted(P, closed, table, i, level, d, parity):
    """P(accepted), or its tangent, of the fields above ``level`` and one at node i: C at x = 0."""
    top, end = P.shape[2] - 1, P.shape[3] - 1
    more = table[0, i, 1, end] * P[level + 1, d, top, end]
    if d > 0:
        more += table[d, i, 1, end] * P[level + 1, 0, top, end]
    if not parity:
        return closed[level + 1, d] + more
    more += table[0, i, 0, end] * P[level + 1, d, 0, end]
    if d > 0:
        more += table[d, i, 0, end] * P[level + 1, 0, 0, end]
    return more


@njit(cache=True, error_model="numpy")
def _functionals(P, D, power, missing, parity, direct, complement):
    """The two integrals as scalar products with (b, a, density) of the last field, and their tangents."""
    directions, rows = P.shape[0], P.shape[1]
    direct[:] = 0.0
    complement[:] = 0.0
    for d in range(directions):
        for t, v in ((0, d), (d, 0)):
            _add(direct[d, 0], power[t], D[v, rows - 1])
            _add(direct[d, 2], power[t], P[v, rows - 1])
            if rows > 1:
                _add(direct[d, 1], power[t], D[v, rows - 2])
            if parity:
                _add(direct[d, 3], power[t], P[v, rows - 2])
            for s in range(rows):
                _add(complement[d, 0], missing[t, s], P[v, s])
                if s > 0:
                    _add(complement[d, 1], missing[t, s], P[v, s - 1])
            if d == 0:
                break


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _dot(x, y):
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@njit(cache=True, error_model="numpy")
def _sweep(K, rows, parity, soft, table, power, missing, weight, least, values, sums):
    """Every multiset: log I and tangents into ``values`` (if it has room), and their average under ``weight`` into ``sums``.

    Multisets of a weight below ``least`` are left out. Returns the smallest I and the weight of those left in.
    """
    directions, n, columns, size = table.shape
    P, D = np.zeros((K, directions, rows, size)), np.zeros((K, directions, rows, size))
    closed = np.zeros((K, directions))
    P[K - 1, 0, 0, :] = 1.0
    direct, complement = np.zeros((directions, columns, size)), np.zeros((directions, columns, size))
    rest = np.zeros(K - 1, dtype=np.int64)
    flat = table.reshape(directions, n, columns * size)
    result, group = np.empty(directions), np.empty(directions + 1)
    smallest, kept, rank, stale = 1.0, 0.0, 0, K - 1
    total = 1
    for a in range(K - 1):  # binom(n + K - 2, K - 1), exactly at every step
        total = total * (n + a) // (a + 1)
    for _ in range(total):
        last = rest[0] if K > 1 else n - 1
        share = multiplicity(rest) * K if K > 1 else 1.0
        run = 0
        for a in range(K - 1):
            share *= weight[rest[a]]
            run += rest[a] == rest[0]
        if share >= least:
            for a in range(stale - 1, -1, -1):
                _append(P, D, closed, table, rest[a], a, parity)
            stale = 0
            group[:] = 0.0
            _functionals(P[0], D[0], power, missing, parity, direct, complement)
            for i in range(last + 1):
                own = share * weight[i] / (run + 1 if K > 1 and i == last else 1)
                if own < least:
                    continue
                sure = _accepted(P, closed, table, i, -1, 0, parity)
                one = 2.0
                if soft or sure > LIKELY:
                    one = _dot(flat[0, i], complement[0].reshape(columns * size))
                if one < NOT_SMALL:
                    result[0] = math.log1p(-one)
                    for d in range(1, directions):
                        t = _dot(flat[0, i], complement[d].reshape(columns * size))
                        t += _dot(flat[d, i], complement[0].reshape(columns * size))
                        result[d] = -t / (1.0 - one)
                else:
                    I = sure + _dot(flat[0, i], direct[0].reshape(columns * size))
                    smallest = min(smallest, I)
                    result[0] = math.log(max(I, TINY))
                    for d in range(1, directions):
                        t = _accepted(P, closed, table, i, -1, d, parity)
                        t += _dot(flat[0, i], direct[d].reshape(columns * size))
                        t += _dot(flat[d, i], direct[0].reshape(columns * size))
                        result[d] = t / I if I > TINY else 0.0
                group[directions] += own
                for d in range(directions):
                    group[d] += own * result[d]
                if values.shape[1] > 0:
                    for d in range(directions):
                        values[d, rank + i] = result[d]
            for d in range(directions):  # in two stages, against rounding
                sums[d] += group[d]
            kept += group[directions]
        rank += last + 1
        stale = max(stale, following(rest))
    return smallest, kept


@dataclass(frozen=True)
class Averages:
    """Average of log I over the outer fields; its derivatives in w and along the direction; weight that was averaged over."""

    value: float
    by_w: float
    along: float
    kept: float


def _run(kind, omega, c, w, weight, least, shift, dc, values, quality, floor=False) -> tuple[np.ndarray, float]:
    tangents = 0 if shift is None else 2
    omega = np.ascontiguousarray(omega, dtype=float)
    x, dx = rule(kind, float(np.abs(omega).max()), c, w, quality)
    table = np.empty((1 + tangents, omega.size, 4 if kind.parity else 3, x.size))
    moved = np.zeros(omega.size) if shift is None else np.ascontiguousarray(shift, dtype=float)
    if kind.parity:
        parity_tables(x, omega, c, moved, dc, table)
    else:
        threshold_tables(x, omega, c, w, moved, dc, table)
    power, missing = springs(kind, x, dx, w, tangents)
    sums = np.zeros(1 + tangents)
    arguments = (kind.K, kind.rows, kind.parity, w < SOFT, table, power, missing, weight, least, values, sums)
    smallest, kept = _sweep(*arguments)
    if not (smallest > TINY or floor):
        raise ArithmeticError(f"I underflows at c={c:.3g}, w={w:.3g}: fields of 8 standard deviations cost too much")
    return sums, float(kept)


def averages(kind, omega, weight, c, w, shift=None, dc=0.0, least=0.0, quality: float = 1.0) -> Averages:
    """E log I over exchangeable nodes omega of the given weights; derivatives if a direction (shift of omega, dc) is given."""
    sums, kept = _run(kind, omega, c, w, np.asarray(weight, dtype=float), least, shift, dc, np.empty((3, 0)), quality)
    by_w, along = (sums[1], sums[2]) if sums.size == 3 else (math.nan, math.nan)
    return Averages(float(sums[0]), float(by_w), float(along), kept)


def log_table(kind, omega, c, w, shift=None, dc=0.0, quality: float = 1.0, floor: bool = False) -> np.ndarray:
    """log I on all multisets of the nodes, in their order; rows: the value, then its derivatives if a direction is given.

    floor : let it end at log `TINY`, where nothing depends on it, instead of raising
    """
    values = np.empty((1 if shift is None else 3, count(np.asarray(omega).size, kind.K)))
    _run(kind, omega, c, w, np.ones(np.asarray(omega).size), 0.0, shift, dc, values, quality, floor)
    return values
