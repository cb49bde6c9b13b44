r"""Parisi's equation for many steps: the recursion of `parisi` on graded grids with interpolation.

.. math:: \partial_q \phi = -\tfrac12(\phi'' + x \phi'^2), \qquad \partial_q P = \tfrac12 P'' - x\,(P \phi')'

x(q) is constant between the overlaps of a grid, so that each interval is one Cole-Hopf average, exact in q; only fields are
discretised. With dozens of narrow intervals a lattice fine enough for the narrowest would be enormous, so here nodes
crowd around the kinks on the scale of the level, values between them are eighth-order interpolants, and the adjoint of
the same interpolation carries P. The sums that `parisi` returns come out to about 1e-9 instead of 1e-15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit

from .. import progress
from .parisi import LeafTable, Tower

ORDER = 8  # points of an interpolant
SHARE = 0.22  # node spacing beside a kink, in units of the level's noise sqrt(1 - q)
GROWTH = 0.12  # of the spacing with the distance from the kink
WIDEST = 0.12  # spacing, in units of the largest field scale
SIGMAS, SPACING = 8.0, 0.55  # range and step of the trapezoid sum of one row, in its standard deviations
FINE = 0.45  # largest step of that sum in units of the noise below its level, whose poles lie beyond 1.6 such units
MOST = 6000  # nodes of one row
NARROW = 0.35  # spacing of the outermost average, in units of the smoothness of what is averaged
REACH = 9.0


def grid(marks: Sequence[float], scale: float, far: float, quality: float) -> np.ndarray:
    """Nodes from -far to far, spaced ``SHARE scale`` at the marks and wider in proportion to the distance from them."""
    inside = np.array(sorted(v for v in marks if abs(v) < far) or [0.0])
    cap = WIDEST * far / REACH / quality
    return np.asarray(_walk(inside, far, min(SHARE * scale / quality, cap), GROWTH / quality, cap))


@njit(cache=True, error_model="numpy")
def _walk(marks, far, first, growth, cap):
    nodes = np.empty(20000)
    nodes[0] = x = -far
    n = 1
    while x < far and n < nodes.size:
        nearest, ahead = np.inf, np.inf
        for v in marks:
            nearest = min(nearest, abs(x - v))
            if v > x + 1e-12:
                ahead = min(ahead, v - x)
        step = min(cap, first + growth * nearest)
        if ahead < np.inf:  # towards a mark the spacing ahead rules, and the mark itself is a node
            step = min(step, max(first, (first + growth * ahead) / (1.0 + growth)), ahead)
        x += step
        nodes[n] = x
        n += 1
    return nodes[:n].copy()


def flow(
    leaf: LeafTable, marks: Sequence[float], c: np.ndarray, m: np.ndarray, last: float, quality: float = 1.0
) -> Tower:
    """The tower of `parisi.tower`, for many levels; ``last`` is the noise left inside the leaf (Q - q_K)."""
    progress.evaluated()
    K = c.size - 1
    remaining = last + np.concatenate([np.cumsum(c[::-1])[::-1][1:], [0.0]])  # noise below level j
    far = max(REACH * math.sqrt(float(c.sum())), leaf.reach + 2.0)
    fine = [FINE * math.sqrt(r) / quality for r in remaining]
    grids = [grid(marks, math.sqrt(r), far, quality) for r in remaining]
    bary = [_barycentric(x) for x in grids]
    table = leaf.values(grids[K])
    phi, first, second = [table[0]], [table[1]], [table[2]]
    rates: list[np.ndarray] = []
    variances: list[np.ndarray] = []
    for j in range(K, 0, -1):
        out = np.empty((5, grids[j - 1].size))
        _rows(grids[j], bary[j], phi[0], first[0], second[0], grids[j - 1], c[j], m[j], leaf.concave, fine[j], out)
        phi.insert(0, out[0])
        first.insert(0, out[1])
        second.insert(0, out[2])
        rates.insert(0, out[3])
        variances.insert(0, out[4])
    weight = np.zeros(grids[0].size)
    count = 1
    if c[0] > 0:
        count = max(31, 2 * int(SIGMAS * math.sqrt(c[0]) / (NARROW * math.sqrt(remaining[0])) * quality) + 1)
    _outermost(grids[0], bary[0], math.sqrt(c[0]), count, weight)
    probability = [weight]
    lost = 0.0
    for j in range(1, K + 1):
        spread = np.zeros(grids[j].size)
        _spread(
            grids[j],
            bary[j],
            phi[j],
            first[j],
            second[j],
            grids[j - 1],
            probability[-1],
            c[j],
            m[j],
            leaf.concave,
            fine[j],
            spread,
        )
        lost = max(lost, abs(1.0 - float(spread.sum())))
        probability.append(spread)

    def mean(values: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([p @ v for p, v in zip(probability, values)])

    square = mean([f * f for f in first])
    growth, slope = np.zeros(K + 1), np.zeros(K + 1)
    growth[0] = square[0]
    growth[1:], slope[1:] = mean(variances), mean(rates)
    return Tower(
        float(weight @ phi[0]),
        square,
        growth,
        mean(second),
        mean([f * f for f in second]),
        slope,
        table[3:] @ probability[K],
        float(np.abs(weight) @ np.abs(phi[0])),
        lost,
        grids,
        phi,
        probability,
    )


@njit(cache=True, error_model="numpy")
def _barycentric(x):
    """1/prod_{b != a} (x_a - x_b) of every run of ORDER nodes."""
    out = np.ones((x.size - ORDER + 1, ORDER))
    for i in range(out.shape[0]):
        for a in range(ORDER):
            for b in range(ORDER):
                if b != a:
                    out[i, a] /= x[i + a] - x[i + b]
    return out


@njit(cache=True, error_model="numpy")
def _stencil(x, bary, target, start, weights):
    """First index and Lagrange weights of the ORDER nodes around ``target``; ``start`` is where to look first."""
    n = x.size
    i = min(max(start, 0), n - 2)
    while i < n - 2 and x[i + 1] < target:
        i += 1
    while i > 0 and x[i] > target:
        i -= 1
    first = min(max(i - ORDER // 2 + 1, 0), n - ORDER)
    left = 1.0
    for a in range(ORDER):
        weights[a] = left * bary[first, a]
        left *= target - x[first + a]
    right = 1.0
    for a in range(ORDER - 1, -1, -1):
        weights[a] *= right
        right *= target - x[first + a]
    return first


@njit(cache=True, error_model="numpy")
def _at(x, bary, target, start, weights, f):
    first = _stencil(x, bary, target, start, weights)
    total = 0.0
    for a in range(ORDER):
        total += weights[a] * f[first + a]
    return first, total


@njit(cache=True, error_model="numpy")
def _nodes(x, bary, phi, first, second, a, c, m, concave, slope, fine, weights):
    """(u_0, spacing, number) of a row's sum over N(u; 0, c) exp(m phi(a + u)), and where ``a`` lies in ``x``."""
    low, high = x[0], x[-1]
    at = np.searchsorted(x, a)
    root = math.sqrt(c)
    if not concave and m * c * slope > 0.3 * root:  # two maxima may compete: everything between them is kept
        reach = m * c * slope + SIGMAS * root
        count = min(int(2.0 * reach / (0.5 * root)) + 1, MOST)
        step = 2.0 * reach / count
        top = -np.inf
        begin, end = 0.0, 0.0
        for sweep in range(2):
            place = at
            for i in range(count + 1):
                u = -reach + step * i
                place, value = _at(x, bary, min(max(a + u, low), high), place, weights, phi)
                value = m * value - u * u / (2.0 * c)
                if sweep == 0:
                    top = max(top, value)
                elif value > top - 0.5 * SIGMAS * SIGMAS:
                    if begin == end:
                        begin = u - step
                    end = u + step
        count = min(int((end - begin) / min(SPACING * root, fine)) + 1, MOST - 1)
        return begin, (end - begin) / count, count + 1, at
    u = 0.0
    for _ in range(30):
        target = min(max(a + u, low), high)
        at, rise = _at(x, bary, target, at, weights, first)
        bend = 0.0
        for k in range(ORDER):
            bend += weights[k] * second[at + k]
        stiff = 1.0 - m * c * min(bend, 0.5 / (m * c + 1e-300))
        step = (m * c * rise - u) / stiff
        u += step
        if abs(step) < 1e-3 * root:
            break
    at, bend = _at(x, bary, min(max(a + u, low), high), at, weights, second)
    stiff = 1.0 - m * c * min(bend, 0.7 / (m * c + 1e-300))
    # narrower where the leaf is stiff, but as wide as the kernel where it is not
    width = root / math.sqrt(min(stiff, 4.0))
    reach = SIGMAS * max(root, width)
    count = min(int(2.0 * reach / min(SPACING * width, fine)) + 1, MOST - 1)
    return u - reach, 2.0 * reach / (count - 1), count, at


@njit(cache=True, error_model="numpy")
def _rows(x, bary, phi, first, second, out_x, c, m, concave, fine, out):
    weights = np.empty(ORDER)
    p, f, g, s = np.empty(MOST + 1), np.empty(MOST + 1), np.empty(MOST + 1), np.empty(MOST + 1)
    low, high = x[0], x[-1]
    slope = np.max(np.abs(first))
    for r in range(out_x.size):
        a = out_x[r]
        begin, h, n, at = _nodes(x, bary, phi, first, second, a, c, m, concave, slope, fine, weights)
        _, here = _at(x, bary, a, at, weights, phi)
        _, slope_here = _at(x, bary, a, at, weights, first)
        top = -np.inf
        for i in range(n):
            u = begin + h * i
            target = a + u
            beyond = 0.0
            if target < low:
                beyond = target - low
                target = low
            elif target > high:
                beyond = target - high
                target = high
            at = _stencil(x, bary, target, at, weights)
            f[i] = -here
            g[i] = -slope_here
            s[i] = 0.0
            for k in range(ORDER):
                f[i] += weights[k] * phi[at + k]
                g[i] += weights[k] * first[at + k]
                s[i] += weights[k] * second[at + k]
            f[i] += beyond * (g[i] + slope_here) + 0.5 * beyond * beyond * s[i]
            g[i] += beyond * s[i]
            p[i] = m * f[i] - u * u / (2.0 * c)
            top = max(top, p[i])
        mass, mean, d1, d2 = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            p[i] = math.exp(p[i] - top)
            mass += p[i]
            mean += p[i] * f[i]
            d1 += p[i] * g[i]
            d2 += p[i] * s[i]
        mean /= mass
        d1 /= mass
        d2 /= mass
        var, spread = 0.0, 0.0
        for i in range(n):
            var += p[i] * (g[i] - d1) ** 2
            spread += p[i] * (f[i] - mean) ** 2
        var /= mass
        spread /= mass
        if m * math.sqrt(spread) < 1e-5:  # the logarithm's second order: exact differences have no digits left
            value = mean - 0.5 * m * spread
            rate = 0.5 * spread
        else:
            value = (top + math.log(h / math.sqrt(2.0 * math.pi * c) * mass)) / m
            rate = (mean - value) / m
        out[0, r] = here + value
        out[1, r] = slope_here + d1
        out[2, r] = d2 + m * var
        out[3, r] = rate
        out[4, r] = var


@njit(cache=True, error_model="numpy")
def _spread(x, bary, phi, first, second, rows, weight, c, m, concave, fine, spread):
    weights = np.empty(ORDER)
    low, high = x[0], x[-1]
    slope = np.max(np.abs(first))
    p = np.empty(MOST + 1)
    for r in range(rows.size):
        if weight[r] == 0.0:
            continue
        a = rows[r]
        begin, h, n, at = _nodes(x, bary, phi, first, second, a, c, m, concave, slope, fine, weights)
        start = at
        top = -np.inf
        for i in range(n):
            u = begin + h * i
            at, value = _at(x, bary, min(max(a + u, low), high), at, weights, phi)
            p[i] = m * value - u * u / (2.0 * c)
            top = max(top, p[i])
        mass = 0.0
        for i in range(n):
            p[i] = math.exp(p[i] - top)
            mass += p[i]
        at = start
        for i in range(n):
            at = _stencil(x, bary, min(max(a + begin + h * i, low), high), at, weights)
            share = weight[r] * p[i] / mass
            for k in range(ORDER):
                spread[at + k] += share * weights[k]


@njit(cache=True, error_model="numpy")
def _outermost(x, bary, width, count, weight):
    """Weights of a normal average at the nodes."""
    weights = np.empty(ORDER)
    if width == 0.0:
        at = _stencil(x, bary, 0.0, x.size // 2, weights)
        for k in range(ORDER):
            weight[at + k] += weights[k]
        return
    h = 2.0 * SIGMAS / (count - 1)
    total = 0.0
    for i in range(count):
        y = -SIGMAS + h * i
        total += math.exp(-0.5 * y * y)
    at = 0
    for i in range(count):
        y = -SIGMAS + h * i
        at = _stencil(x, bary, width * y, at, weights)
        for k in range(ORDER):
            weight[at + k] += math.exp(-0.5 * y * y) / total * weights[k]
