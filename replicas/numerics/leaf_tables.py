r"""Leaves of a model as tables on arrays of fields, for the Parisi recursion (`replicas.numerics.parisi`).

Rows: the leaf, its first and second field derivatives, then what else is averaged at the innermost level.

- pattern side at finite noise V: f, f', f'' and <log Theta>
- weight side: g, g', g'' (the sphere's is Gaussian and never tabulated)
- pattern side in the limits q_K -> 1 and T -> 0 (`envelope`): (1/w) log E_c exp(-w cost(u)), the innermost average of a
  cost that is quadratic in the distance to satisfaction and, at T = 0, never above 1; in closed form
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import njit

from ..models import Discrete, Likelihood, Model
from .codegen import load
from .kernels import binary_leaf, discrete_leaf, interval, pieces_leaf, pole_height
from .parisi import LeafTable
from .saddle import Batch

KINKED, ANALYTIC = (
    2.0,
    1.0,
)  # poles of a leaf without closed form: in units of sqrt(V) beside a kink, of the field elsewhere
SOFT = (
    0.75  # of the height of the nearest zero where pieces of different weight compete: the estimate is for large beta
)
ENVELOPE_POLE = 1.6  # of an innermost average in closed form, in units of the width it averages over
LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


def pattern_table(point: Batch, V: float) -> LeafTable:
    """f(omega, V) of one point of a model."""
    model = point.model
    levels, low, high = point.levels[0], point.low[0], point.high[0]
    edges = [abs(e) for e in (*low, *high) if math.isfinite(e)]
    if isinstance(model.likelihood, Likelihood) and model.likelihood.smooth:
        module = load(model)
        pole = KINKED * math.sqrt(V) if low.size else ANALYTIC
        return LeafTable(lambda x: module.smooth_leaf_table(x, V, low, 1), pole, V, max(edges, default=0.0), False)
    # one interval is convex, so that P(low < u < high) is log-concave in omega
    return LeafTable(
        lambda x: _pieces_table(x, V, levels, low, high),
        pole_height(levels) * math.sqrt(V) * (1.0 if levels.size == 1 else SOFT),
        V,
        max(edges, default=0.0),
        levels.size == 1,
    )


def weight_table(model: Model, lam: float) -> LeafTable:
    """g(h, lam) of a finite weight set."""
    assert isinstance(model.weights, Discrete)
    values, logs = np.array(model.weights.values), np.array(model.weights.log_measure)
    pole = math.pi / (values[-1] - values[0])
    if model.weights.name == "binary":
        return LeafTable(lambda x: _binary_table(x), pole, 0.0, 0.0, False)
    return LeafTable(lambda x: _discrete_table(x, lam, values, logs), pole, 0.0, 0.0, False)


def envelope(stretches: np.ndarray, c: float, w: float, x: float, ceiling: bool) -> LeafTable:
    """(1/w) log E_u exp(-w cost(u)), u ~ N(omega, c), cost = d^2/(2x), at most 1 with a ``ceiling``; d the distance to satisfaction.

    stretches : rows (low, high, nearest edge) of the fields that are not satisfied
    Further rows: d/dw, d/dx, the probability that a field pays the ceiling, and that it pays less than that.
    """
    pieces = cost_pieces(stretches, x, ceiling)
    reach = float(np.max(np.abs(pieces[np.isfinite(pieces)]), initial=0.0))
    return LeafTable(
        lambda omega: _envelope_table(omega, pieces, c, w, x),
        ENVELOPE_POLE * (SOFT if ceiling else 1.0) * math.sqrt(c),
        c,
        reach,
        not ceiling and not holes(pieces),
    )


def holes(pieces: np.ndarray) -> bool:
    """Whether the nearest edge changes between two pieces, where the slope of the cost drops."""
    kind, edge = pieces[:, 3], pieces[:, 2]
    return bool(np.any((kind[:-1] == 1) & (kind[1:] == 1) & (edge[:-1] != edge[1:])))


def cost_pieces(stretches: np.ndarray, x: float, ceiling: bool) -> np.ndarray:
    """Rows (low, high, edge, kind): kind 0 costs nothing, 1 is quadratic in u - edge, 2 costs 1."""
    X = math.sqrt(2 * x) if ceiling else math.inf
    rows = []
    at = -math.inf
    for low, high, edge in sorted(stretches.tolist()):
        if low > at:
            rows.append((at, low, 0.0, 0.0))
        if edge == high:
            if low < edge - X:
                rows.append((low, edge - X, edge, 2.0))
            rows.append((max(low, edge - X), high, edge, 1.0))
        else:
            rows.append((low, min(high, edge + X), edge, 1.0))
            if edge + X < high:
                rows.append((edge + X, high, edge, 2.0))
        at = high
    if at < math.inf:
        rows.append((at, math.inf, 0.0, 0.0))
    return np.array(rows)


def numeric_stretches(point: Batch) -> np.ndarray:
    """(low, high, nearest edge) of the fields outside the support of one point's likelihood."""
    from ..symbolic import limits

    low, high = point.low[0], point.high[0]
    order = np.argsort(low)
    rows = limits.gaps((_exact(low[i]), _exact(high[i])) for i in order)
    return np.array([[float(v) for v in row] for row in rows])


def _exact(value: float) -> object:
    import sympy as sp

    return (
        sp.oo
        if value == math.inf
        else -sp.oo
        if value == -math.inf
        else sp.Rational(float(value).as_integer_ratio()[0], float(value).as_integer_ratio()[1])
    )


Table = Callable[[np.ndarray], np.ndarray]


@njit(cache=True, error_model="numpy")
def _pieces_table(x, V, levels, low, high):
    d, acc, part = np.empty(6), np.empty(6), np.empty(6)
    out = np.empty((4, x.size))
    for i in range(x.size):
        pieces_leaf(x[i], V, levels, low, high, d, acc, part)
        out[0, i], out[1, i], out[2, i], out[3, i] = d[0], d[1], d[2], d[5]
    return out


@njit(cache=True, error_model="numpy")
def _binary_table(x):
    d = np.empty(6)
    out = np.empty((3, x.size))
    for i in range(x.size):
        binary_leaf(x[i], d)
        out[0, i], out[1, i], out[2, i] = d[0], d[1], d[2]
    return out


@njit(cache=True, error_model="numpy")
def _discrete_table(x, lam, values, log_measure):
    d = np.empty(6)
    out = np.empty((3, x.size))
    for i in range(x.size):
        discrete_leaf(x[i], lam, values, log_measure, d)
        out[0, i], out[1, i], out[2, i] = d[0], d[1], d[2]
    return out


@njit(cache=True, error_model="numpy")
def _envelope_table(omega, pieces, c, w, x):
    """Rows: phi, phi', phi'', d phi/dw, d phi/dx, P(cost = 1), P(0 < cost < 1)."""
    n = pieces.shape[0]
    part = np.empty(5)
    logs, first, second = np.empty(n), np.empty(n), np.empty(n)
    out = np.empty((7, omega.size))
    root = math.sqrt(c)
    spring = x + w * c
    narrow = math.sqrt(c * x / spring)
    for i in range(omega.size):
        o = omega[i]
        top = -np.inf
        for k in range(n):
            low, high, edge, kind = pieces[k, 0], pieces[k, 1], pieces[k, 2], pieces[k, 3]
            first[k] = 0.0
            second[k] = 0.0
            if kind == 1.0:  # the tilted Gaussian has mean mu and width ``narrow``
                gap = o - edge
                mu = edge + gap * x / spring
                interval((low - mu) / narrow, (high - mu) / narrow, part)
                logs[k] = part[0] - 0.5 * w * gap * gap / spring + 0.5 * math.log(x / spring)
                first[k] = (mu - edge) + narrow * part[1]
                second[k] = first[k] * first[k] + narrow * narrow * part[2]
            else:
                interval((low - o) / root, (high - o) / root, part)
                logs[k] = part[0] - (w if kind == 2.0 else 0.0)
            if logs[k] > top:
                top = logs[k]
        mass = 0.0
        slope = 0.0
        slope2 = 0.0
        stiff = 0.0
        cost = 0.0
        softer = 0.0
        paid = 0.0
        partly = 0.0
        for k in range(n):
            e = math.exp(logs[k] - top)
            mass += e
            if pieces[k, 3] == 1.0:
                slope += e * first[k] / x
                slope2 += e * second[k] / (x * x)
                stiff += e / x
                partly += e
                cost += e * second[k] / (2.0 * x)
                softer += e * second[k] / (2.0 * x * x)
                if k + 1 < n and pieces[k + 1, 3] == 1.0 and pieces[k + 1, 2] != pieces[k, 2]:
                    # the nearest edge changes: the slope of the cost drops from (u - edge)/x to (u - next edge)/x
                    u = pieces[k, 1]
                    y = (u - o) / root
                    there = math.exp(-0.5 * y * y - LOG_SQRT_2PI - 0.5 * w * (u - pieces[k, 2]) ** 2 / x - top) / root
                    stiff -= there * (pieces[k + 1, 2] - pieces[k, 2]) / x
            elif pieces[k, 3] == 2.0:
                cost += e
                paid += e
                # the slope of the cost drops from sqrt(2x)/x to 0 where it reaches 1
                for side in range(2):
                    u = pieces[k, side]
                    if abs(abs(u - pieces[k, 2]) - math.sqrt(2.0 * x)) < 1e-9 * (1.0 + abs(u)):
                        y = (u - o) / root
                        stiff -= math.exp(-0.5 * y * y - LOG_SQRT_2PI - w - top) / root * math.sqrt(2.0 / x)
        slope /= mass
        slope2 /= mass
        phi = (top + math.log(mass)) / w
        out[0, i] = phi
        out[1, i] = -slope
        out[2, i] = -stiff / mass + w * (slope2 - slope * slope)
        out[3, i] = (-cost / mass - phi) / w
        out[4, i] = softer / mass
        out[5, i] = paid / mass
        out[6, i] = partly / mass
    return out
