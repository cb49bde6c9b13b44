r"""Numba kernels: Gaussian special functions, leaves of a tower, quadrature rules.

A leaf kernel fills ``d`` with the leaf, its first four field derivatives and the mean log-likelihood
``d[5] = <log Theta>`` (derivative of the leaf when Theta is raised to a power). Derivatives are cumulants of the tilted
measure: f^(k) = V^{-k/2} (cumulant_k(z) - delta_{k2}), which never subtracts large numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

SQRT_2PI = math.sqrt(2 * math.pi)
SQRT_HALF = math.sqrt(0.5)
SQRT_HALF_LOW = -4.833646656726457e-17  # sqrt(1/2) minus its double
LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
SERIES_FROM = 40.0  # where six terms of the asymptotic series reach 1e-13
CONTINUED_FRACTION_FROM = 4.0  # above it 11 + 800/x^2 levels of Laplace's continued fraction reach 1e-17
GAUSS_NODES, GAUSS_WEIGHTS = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(16))
FINE_NODES, FINE_WEIGHTS = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(32))
RANGE = 9.0  # Gaussian mass beyond: 2e-19
MAX_NODES = 16384
FIRST = 1e-40  # narrowest panel at a kink, which keeps a pole of 0 finite; one closer than that is not resolved
TRAPEZOID_FROM = 0.5  # distance of the nearest pole above which the trapezoid needs fewer nodes than graded panels


@njit(cache=True, error_model="numpy")
def density(x):
    """G(x) to 2 ulp: the rounding error of x^2 is carried along (Dekker)."""
    if abs(x) > 39.0:
        return 0.0
    c = 134217729.0 * x
    high = c - (c - x)
    low = x - high
    p = x * x
    err = ((high * high - p) + 2.0 * high * low) + low * low
    return math.exp(-0.5 * p) * (1.0 - 0.5 * err) / SQRT_2PI


@njit(cache=True, error_model="numpy")
def tail(x):
    """H(x) for |x| < 27 or so: erfc(x/sqrt 2)/2, corrected for the rounding of its argument."""
    y = x * SQRT_HALF
    c = 134217729.0 * x
    xh = c - (c - x)
    xl = x - xh
    c = 134217729.0 * SQRT_HALF
    sh = c - (c - SQRT_HALF)
    sl = SQRT_HALF - sh
    err = ((xh * sh - y) + xh * sl + xl * sh) + xl * sl + x * SQRT_HALF_LOW
    return 0.5 * math.erfc(y) - err * math.exp(-y * y) / math.sqrt(math.pi)


@njit(cache=True, error_model="numpy")
def mills_excess(x):
    """A(x) - x = 1/(x + 2/(x + 3/(x + ...))) for x >= 4, without cancellation; numerator and denominator apart: one division."""
    if x > 1e6:
        return (1.0 - 2.0 / (x * x)) / x
    num, den = 0.0, 1.0
    for k in range(int(11.0 + 800.0 / (x * x)), 0, -1):
        num, den = k * den, x * den + num
    return num / den


@njit(cache=True, error_model="numpy")
def mills(x):
    """Inverse Mills ratio A(x) = G(x)/H(x)."""
    if x >= CONTINUED_FRACTION_FROM:
        return x + mills_excess(x)
    return density(x) / tail(x)


@njit(cache=True, error_model="numpy")
def log_tail(x):
    """log H(x), for every double x."""
    if x >= CONTINUED_FRACTION_FROM:
        return -0.5 * x * x - LOG_SQRT_2PI - math.log(x + mills_excess(x))
    if x > -1.0:
        return math.log(tail(x))
    if x > -CONTINUED_FRACTION_FROM:
        return math.log1p(-tail(-x))
    return math.log1p(-density(x) / (-x + mills_excess(-x)))


@njit(cache=True, error_model="numpy")
def one_sided(x, out):
    """log P(z > x) and cumulants 1-4 of z given z > x: A, 1 - A', A'', -A'''."""
    if x >= SERIES_FROM:
        # A = x + 1/x - 2/x^3 + 10/x^5 - 74/x^7 + 706/x^9 - 8162/x^11, term by term: nothing cancels
        r = 1.0 / x
        s = r * r
        out[0] = -0.5 * x * x - LOG_SQRT_2PI - math.log(x + mills_excess(x))
        out[1] = x + mills_excess(x)
        out[2] = s * (1.0 - s * (6.0 - s * (50.0 - s * (518.0 - s * (6354.0 - s * 89782.0)))))
        out[3] = s * r * (2.0 - s * (24.0 - s * (300.0 - s * (4144.0 - s * (63540.0 - s * 1077384.0)))))
        out[4] = s * s * (6.0 - s * (120.0 - s * (2100.0 - s * (37296.0 - s * (698940.0 - s * 14005992.0)))))
        return
    if x >= CONTINUED_FRACTION_FROM:
        excess = mills_excess(x)
        a = x + excess
        out[0] = -0.5 * x * x - LOG_SQRT_2PI - math.log(a)
    else:
        if x > -1.0:
            upper = tail(x)
            out[0] = math.log(upper)
        else:
            lower = tail(-x) if x > -CONTINUED_FRACTION_FROM else density(x) / (-x + mills_excess(-x))
            upper = 1.0 - lower
            out[0] = math.log1p(-lower)
        a = density(x) / upper
        excess = a - x
    b = a * excess
    out[1] = a
    out[2] = 1.0 - b
    out[3] = b * (a + excess) - a
    out[4] = -(out[3] * (a + excess) - 2.0 * b * out[2])


@njit(cache=True, error_model="numpy")
def two_sided(a, b, out):
    """log P(a < z < b) and cumulants 1-4 of z in the interval."""
    sign = 1.0
    if a + b < 0.0:  # the tail is taken on the positive side
        a, b, sign = -b, -a, -1.0
    width = b - a
    if (0.5 * (b * b - a * a) > 45.0 and a > 0.0) or (a <= 0.0 and b > 9.5 and a < -9.5):
        if a > 0.0:
            one_sided(a, out)
        else:
            outside = tail(-a) + tail(b)
            out[0], out[1], out[2], out[3], out[4] = math.log1p(-outside), 0.0, 1.0, 0.0, 0.0
    elif width < 2.0 or a > 2.0:
        # density relative to its value at the point of the interval nearest to 0
        c = max(a, 0.0)
        mass = 0.0
        mean = 0.0
        panels = 1 + int(width * max(c, 1.0) / 8.0)
        for pass_ in range(2):
            m2 = 0.0
            m3 = 0.0
            m4 = 0.0
            for k in range(panels):
                half = 0.5 * width / panels
                mid = a + (2 * k + 1) * half
                for i in range(FINE_NODES.size):
                    z = mid + half * FINE_NODES[i]
                    w = half * FINE_WEIGHTS[i] * math.exp(-0.5 * (z - c) * (z + c))
                    if pass_ == 0:
                        mass += w
                        mean += w * (z - c)
                    else:
                        y = (z - c) - mean
                        m2 += w * y * y
                        m3 += w * y * y * y
                        m4 += w * y * y * y * y
            if pass_ == 0:
                mean /= mass
        m2 /= mass
        out[0] = math.log(mass) - 0.5 * c * c - LOG_SQRT_2PI
        out[1] = c + mean
        out[2] = m2
        out[3] = m3 / mass
        out[4] = m4 / mass - 3.0 * m2 * m2
    else:
        if a > 0.0:
            prob = 0.5 * (math.erfc(a / math.sqrt(2.0)) - math.erfc(b / math.sqrt(2.0)))
            out[0] = math.log(prob)
        else:
            outside = 0.5 * (math.erfc(-a / math.sqrt(2.0)) + math.erfc(b / math.sqrt(2.0)))
            prob = 1.0 - outside
            out[0] = math.log1p(-outside)
        ga = density(a) / prob
        gb = density(b) / prob
        # derivatives of the cumulant generating function: raw moments by Stein, then cumulants
        m1 = ga - gb
        m2 = 1.0 + a * ga - b * gb
        m3 = 2.0 * m1 + a * a * ga - b * b * gb
        m4 = 3.0 * m2 + a * a * a * ga - b * b * b * gb
        out[1] = m1
        out[2] = m2 - m1 * m1
        out[3] = m3 - 3.0 * m2 * m1 + 2.0 * m1**3
        out[4] = m4 - 4.0 * m3 * m1 - 3.0 * m2 * m2 + 12.0 * m2 * m1 * m1 - 6.0 * m1**4
    if sign < 0.0:
        out[1] = -out[1]
        out[3] = -out[3]


@njit(cache=True, error_model="numpy")
def interval(a, b, out):
    """log-probability and cumulants of a standard normal restricted to (a, b); ends may be infinite."""
    if b == np.inf:
        if a == -np.inf:
            out[0], out[1], out[2], out[3], out[4] = 0.0, 0.0, 1.0, 0.0, 0.0
        else:
            one_sided(a, out)
    elif a == -np.inf:
        one_sided(-b, out)
        out[1] = -out[1]
        out[3] = -out[3]
    else:
        two_sided(a, b, out)


@njit(cache=True, error_model="numpy")
def mix(acc, part, log_weight):
    """Add a component (log-mass, cumulants) of log-weight ``log_weight`` to the mixture ``acc``; acc[5] is mean log-level."""
    lp = part[0] + log_weight
    if acc[0] == -np.inf:
        acc[0] = lp
        for k in range(1, 5):
            acc[k] = part[k]
        acc[5] = log_weight
        return
    top = max(acc[0], lp)
    ea = math.exp(acc[0] - top)
    eb = math.exp(lp - top)
    w = eb / (ea + eb)
    v = ea / (ea + eb)
    gap = part[1] - acc[1]
    da, db = -w * gap, v * gap
    m2 = v * (acc[2] + da * da) + w * (part[2] + db * db)
    m3 = v * (acc[3] + 3 * da * acc[2] + da**3) + w * (part[3] + 3 * db * part[2] + db**3)
    m4 = v * (acc[4] + 3 * acc[2] ** 2 + 4 * da * acc[3] + 6 * da * da * acc[2] + da**4)
    m4 += w * (part[4] + 3 * part[2] ** 2 + 4 * db * part[3] + 6 * db * db * part[2] + db**4)
    acc[0] = top + math.log(ea + eb)
    acc[1] = v * acc[1] + w * part[1]
    acc[2] = m2
    acc[3] = m3
    acc[4] = m4 - 3 * m2 * m2
    acc[5] = v * acc[5] + w * log_weight


@njit(cache=True, error_model="numpy")
def to_field(V, acc, d):
    """Cumulants of the standardised noise to field derivatives of the leaf."""
    s = math.sqrt(V)
    d[0] = acc[0]
    d[1] = acc[1] / s
    d[2] = (acc[2] - 1.0) / V
    d[3] = acc[3] / (V * s)
    d[4] = acc[4] / (V * V)
    d[5] = acc[5]


@njit(cache=True, error_model="numpy")
def pieces_leaf(w, V, levels, low, high, d, acc, part):
    """f(w, V) = log sum_k exp(level_k) P(low_k < w + sqrt(V) z < high_k) and its derivatives."""
    s = math.sqrt(V)
    if levels.size == 1:
        interval((low[0] - w) / s, (high[0] - w) / s, acc)
        acc[0] += levels[0]
        acc[5] = levels[0]
    else:
        acc[0] = -np.inf
        for k in range(levels.size):
            interval((low[k] - w) / s, (high[k] - w) / s, part)
            mix(acc, part, levels[k])
    to_field(V, acc, d)


@njit(cache=True, error_model="numpy")
def pieces_leaf_values(w, V, levels, low, high):
    """f(w, V) alone, at an array of fields."""
    d, acc, part = np.empty(6), np.empty(6), np.empty(6)
    out = np.empty(w.size)
    for i in range(w.size):
        pieces_leaf(w[i], V, levels, low, high, d, acc, part)
        out[i] = d[0]
    return out


@njit(cache=True, error_model="numpy")
def discrete_leaf(h, lam, values, log_measure, d):
    """g(h, lam) = log sum_w p(w) exp(h w - lam w^2/2) and its field derivatives, cumulants of w."""
    n = values.size
    top = -np.inf
    for i in range(n):
        e = h * values[i] - 0.5 * lam * values[i] * values[i] + log_measure[i]
        if e > top:
            top = e
    z = 0.0
    mean = 0.0
    for i in range(n):
        e = math.exp(h * values[i] - 0.5 * lam * values[i] * values[i] + log_measure[i] - top)
        z += e
        mean += e * values[i]
    mean /= z
    m2 = 0.0
    m3 = 0.0
    m4 = 0.0
    for i in range(n):
        e = math.exp(h * values[i] - 0.5 * lam * values[i] * values[i] + log_measure[i] - top)
        y = values[i] - mean
        m2 += e * y * y
        m3 += e * y * y * y
        m4 += e * y * y * y * y
    m2 /= z
    d[0] = top + math.log(z)
    d[1] = mean
    d[2] = m2
    d[3] = m3 / z
    d[4] = m4 / z - 3.0 * m2 * m2
    d[5] = 0.0


@njit(cache=True, error_model="numpy")
def binary_leaf(h, d):
    """g = log 2cosh h, the same as discrete_leaf for {-1, 1}."""
    a = abs(h)
    e = math.exp(-2.0 * a)
    t = (1.0 - e) / (1.0 + e)
    s2 = 4.0 * e / ((1.0 + e) * (1.0 + e))  # 1 - tanh^2 without cancellation
    d[0] = a + math.log1p(e)
    if h < 0.0:
        t = -t
    d[1] = t
    d[2] = s2
    d[3] = -2.0 * t * s2
    d[4] = s2 * (4.0 * t * t - 2.0 * s2)
    d[5] = 0.0


@njit(cache=True, error_model="numpy")
def _graded(edges, count, low, high, first, cap, left_kink, right_kink):
    """Append panel edges covering (low, high], graded towards the ends that are kinks."""
    mid = 0.5 * (low + high) if left_kink and right_kink else (high if left_kink else low)
    if not left_kink and not right_kink:
        mid = high
        n = max(1, int(math.ceil((high - low) / cap)))
        for i in range(1, n + 1):
            edges[count] = low + (high - low) * i / n
            count += 1
        return count
    if left_kink:
        x = low
        step = min(first, cap)
        while x + 1.5 * step < mid:
            x += step
            edges[count] = x
            count += 1
            step = min(2.0 * step, cap)
        edges[count] = mid
        count += 1
    if right_kink:
        start = count
        x = high
        edges[count] = high
        count += 1
        step = min(first, cap)
        while x - 1.5 * step > mid:
            x -= step
            edges[count] = x
            count += 1
            step = min(2.0 * step, cap)
        i, j = start, count - 1
        while i < j:
            edges[i], edges[j] = edges[j], edges[i]
            i += 1
            j -= 1
    return count


@njit(cache=True, error_model="numpy")
def gaussian_rule(pole, kinks, level, half, z, weight):
    """Nodes and weights for E F(z), z standard normal, F analytic but for poles at distance ``pole`` above the kinks.

    Trapezoid (error exp(-2 pi pole/step)) when the poles are far, else Gauss-Legendre panels graded around the kinks.
    Each level halves every step. ``half``: F is even, only z >= 0 is used. Returns the number of nodes.
    """
    if not pole >= 0.0 or 0.0 < pole < FIRST:
        return 0
    shrink = 0.5**level
    if pole >= TRAPEZOID_FROM:
        step = min(0.6, 0.135 * pole) * shrink
        m = int(math.ceil(RANGE / step))
        count = 0
        for i in range(0 if half else -m, m + 1):
            z[count] = i * step
            weight[count] = step * math.exp(-0.5 * z[count] ** 2) / SQRT_2PI
            if half and i > 0:
                weight[count] *= 2.0
            count += 1
        return count
    edges = np.empty(4096)
    start = 0.0 if half else -RANGE
    edges[0] = start
    count = 1
    left_kink = False
    first = max(0.7 * pole * shrink, FIRST)
    cap = 1.5 * shrink
    at = start
    for k in range(kinks.size + 1):
        last = k == kinks.size
        end = RANGE if last else kinks[k]
        if not last and (end < start - 1e-300 or end >= RANGE):
            continue
        if not last and end <= at:
            left_kink = True
            continue
        count = _graded(edges, count, at, end, first, cap, left_kink, not last)
        at = end
        left_kink = True
        if count > 900:  # more kinks than nodes: give up rather than return half a rule
            return 0
    nodes = 0
    for p in range(count - 1):
        r = 0.5 * (edges[p + 1] - edges[p])
        c = 0.5 * (edges[p + 1] + edges[p])
        for i in range(GAUSS_NODES.size):
            x = c + r * GAUSS_NODES[i]
            z[nodes] = x
            weight[nodes] = r * GAUSS_WEIGHTS[i] * math.exp(-0.5 * x * x) / SQRT_2PI
            if half:
                weight[nodes] *= 2.0
            nodes += 1
    return nodes


@njit(cache=True, error_model="numpy")
def pole_height(levels):
    """Imaginary part of the nearest zero of the likelihood's average, in units of the noise.

    2.816 is that of H; a piece of weight e^-b competes with it sqrt(2b) noise widths away, at height pi/sqrt(2b).
    """
    deepest = 0.0
    for k in range(levels.size):
        deepest = max(deepest, abs(levels[k]))
    return min(2.816, math.pi / math.sqrt(2.0 * deepest)) if deepest > 0.0 else 2.816


@njit(cache=True, error_model="numpy")
def pattern_kinks(q, V, levels, low, high, kinks):
    """Ends of the pieces, and where a cheaper piece takes over, in units of sqrt(q) z, sorted; returns their number."""
    n = 0
    s = math.sqrt(q)
    for k in range(low.size):
        reach = math.sqrt(2.0 * V * abs(levels[k])) if k < levels.size else 0.0
        for x in (low[k], high[k]):
            for side in (-1.0, 0.0, 1.0):
                if (side == 0.0 or reach > 0.0) and abs(x + side * reach) < RANGE * s:
                    kinks[n] = (x + side * reach) / s
                    n += 1
    kinks[:n].sort()
    return n


@njit(cache=True, error_model="numpy")
def weight_kinks(q_hat, lam, values, log_measure, shift, kinks):
    """Fields where neighbouring values are equally likely, in units of sqrt(q_hat) z, sorted."""
    n = 0
    s = math.sqrt(q_hat)
    for i in range(values.size - 1):
        gap = values[i + 1] - values[i]
        h = 0.5 * lam * (values[i + 1] + values[i]) - (log_measure[i + 1] - log_measure[i]) / gap
        if abs(h - shift) < RANGE * s:
            kinks[n] = (h - shift) / s
            n += 1
    kinks[:n].sort()
    return n
