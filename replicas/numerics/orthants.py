r"""Probabilities that two or three correlated normal variables are all positive.

.. math:: P_2(a, b; r) = P(x < a,\ y < b), \qquad P_3(a; R) = P(x_i < a_i,\ i = 1, 2, 3), \qquad a_i = \omega_i/\sqrt{V_{ii}}

the variables of zero mean, unit variance and correlation r (matrix R): probabilities that fields of mean omega and
covariance V are positive. Two evaluations of each:

- ``pair``, ``triple``: integrals over the correlation (Plackett; Drezner and Wesolowsky; Genz 2004), the fast ones, to an
  *absolute* error of a few 1e-16. That is what an average weighted by the probability needs.
- ``pair_tail``, ``triple_tail``: integrals of positive terms over one of the variables on panels that follow the
  integrand's own logarithm, to a *relative* error of 1e-13, as logarithms: they do not underflow.

The sine s = sqrt(1 - r^2) is an argument of its own: near r = +-1 it cannot be had from r.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .kernels import SQRT_HALF, log_tail, mills

FEW, SOME, MANY = (tuple(map(np.ascontiguousarray, np.polynomial.legendre.leggauss(n))) for n in (6, 12, 20))
X6, W6 = FEW
X12, W12 = SOME
X20, W20 = MANY
X16, W16 = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(16))
X32, W32 = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(32))
WEAK, MIDDLE, STRONG = 0.3, 0.75, 0.925  # correlations up to which 6, 12, 20 nodes reach 1e-15 (Genz 2004)
SQRT_2PI = math.sqrt(2 * math.pi)
TINY = -100.0  # logarithms below it are dropped from sums of order one
DEPTH = 40.0  # of log f below its maximum, where a panel quadrature ends: e^-40 = 4e-18
DECADES, CURVED = 6.0, 2.5  # a panel spans at most exp(-6) and 2.5 widths of f: 16 nodes then give 1e-15
FAR = 40.0  # P(x > 40) underflows
BISECTIONS = 60
PANELS = 400
SINGULAR = 0.02  # of det R against its slope, below which the integrand is sharp in theta too


@njit(cache=True, error_model="numpy")
def normal(x):
    """Phi(x)."""
    return 0.5 * math.erfc(-x * SQRT_HALF)


@njit(cache=True, error_model="numpy")
def _arc(hs, hk, angle, x, w):
    total = 0.0
    for i in range(x.size):
        sn = math.sin(0.5 * angle * (1.0 + x[i]))
        total += w[i] * math.exp((sn * hk - hs) / (1.0 - sn * sn))
    return total


@njit(cache=True, error_model="numpy")
def pair(a, b, r, s):
    r"""P(x < a, y < b), to a few 1e-16 absolute.

    d/dr P = exp(-(a^2 - 2 r a b + b^2)/(2(1 - r^2)))/(2 pi sqrt(1 - r^2)), integrated from r = 0, or from r = +-1 with the
    leading terms of the integrand taken out.

    Parameters
    ----------
    a, b : upper limits, in standard deviations.
    r, s : correlation and sqrt(1 - r^2).
    """
    if a < -FAR or b < -FAR:
        return 0.0
    if a > FAR:
        return normal(b)
    if b > FAR:
        return normal(a)
    hk = a * b
    if abs(r) < STRONG:
        hs = 0.5 * (a * a + b * b)
        angle = math.asin(r)
        if abs(r) < WEAK:
            total = _arc(hs, hk, angle, X6, W6)
        elif abs(r) < MIDDLE:
            total = _arc(hs, hk, angle, X12, W12)
        else:
            total = _arc(hs, hk, angle, X20, W20)
        return max(0.0, total * angle / (4.0 * math.pi) + normal(a) * normal(b))
    h, k = -a, -b
    if r < 0.0:
        k, hk = -k, -hk
    total = 0.0
    if s > 0.0:
        square, bs = s * s, (h - k) ** 2
        c, d = (4.0 - hk) / 8.0, (12.0 - hk) / 16.0
        log = -0.5 * (bs / square + hk)
        if log > TINY:
            total = s * math.exp(log) * (1.0 - c * (bs - square) * (1.0 - d * bs / 5.0) / 3.0 + c * d * square * square / 5.0)
        if -hk < -TINY:
            root = math.sqrt(bs)
            total -= math.exp(-0.5 * hk) * SQRT_2PI * normal(-root / s) * root * (1.0 - c * bs * (1.0 - d * bs / 5.0) / 3.0)
        half = 0.5 * s
        for i in range(X20.size):
            xs = (half * (1.0 + X20[i])) ** 2
            log = -0.5 * (bs / xs + hk)
            if log > TINY:
                rs = math.sqrt(1.0 - xs)
                term = math.exp(-hk * xs / (2.0 * (1.0 + rs) ** 2)) / rs - (1.0 + c * xs * (1.0 + d * xs))
                total += half * W20[i] * math.exp(log) * term
        total *= -1.0 / (2.0 * math.pi)
    if r > 0.0:
        return max(0.0, total + normal(-max(h, k)))
    total = -total
    if k > h:
        total += normal(k) - normal(h) if h < 0.0 else normal(-h) - normal(-k)
    return max(0.0, total)


@njit(cache=True, error_model="numpy")
def _log_pair_term(x, k, r, s):
    """log of G(x) H((k - r x)/s) without the normalisation, its first derivative, and minus the second."""
    c = (k - r * x) / s
    A = mills(c)
    slope = r / s
    return -0.5 * x * x + log_tail(c), -x + slope * A, 1.0 + slope * slope * A * max(A - c, 0.0)


@njit(cache=True, error_model="numpy")
def pair_tail(a, b, r, s):
    """log P(x < a, y < b), to 1e-13: the integral of G(x) P(y < b | x), panels from its largest value outwards."""
    if a > b:
        a, b = b, a
    h, k = -a, -b  # P(x > h, y > k), h the larger
    low, mode = h, h
    if _log_pair_term(h, k, r, s)[1] > 0.0:
        step = 1.0
        while _log_pair_term(h + step, k, r, s)[1] > 0.0:
            step *= 2.0
        low, high = h, h + step
        for _ in range(BISECTIONS):
            mode = 0.5 * (low + high)
            if _log_pair_term(mode, k, r, s)[1] > 0.0:
                low = mode
            else:
                high = mode
    top = _log_pair_term(mode, k, r, s)[0]
    total = 0.0
    for side in (1.0, -1.0):
        at = mode
        if side < 0.0 and mode == h:
            break
        for _ in range(PANELS):
            value, slope, curve = _log_pair_term(at, k, r, s)
            if value < top - DEPTH:
                break
            w = min(DECADES / max(abs(slope), 1e-3), CURVED / math.sqrt(curve))
            for _ in range(BISECTIONS):
                _, end, bend = _log_pair_term(at + side * w, k, r, s)
                if w * math.sqrt(bend) < CURVED and w * abs(end) < 2.0 * DECADES:
                    break
                w *= 0.7
            if side < 0.0:
                w = min(w, at - h)
            if w <= 0.0:
                break
            for i in range(X16.size):
                x = at + side * 0.5 * w * (1.0 + X16[i])
                total += 0.5 * w * W16[i] * math.exp(_log_pair_term(x, k, r, s)[0] - top)
            at += side * w
    return top + math.log(total / SQRT_2PI)


@njit(cache=True, error_model="numpy")
def log_pair(a, b, r, s):
    """log P(x < a, y < b) to a relative error of the probability of 1e-12, for every a, b."""
    value = pair(a, b, r, s)
    if value > 1e-3:  # there a few 1e-16 are a few 1e-13 of it
        return math.log(value)
    return pair_tail(a, b, r, s)


@njit(cache=True, error_model="numpy")
def triple(a, R, det):
    r"""P(x_1 < a_1, x_2 < a_2, x_3 < a_3), to about 1e-15 absolute.

    Along R(t) = 1 + t (R - 1), with 1 - t = e sinh^2(theta) so that the root of det R(t), singular at t ~ 1 + e, is smooth:

    .. math:: P_3 = \prod_i \Phi(a_i) + \int_0^1 dt \sum_{i<j} R_{ij}\, G_2(a_i, a_j; t R_{ij})\, \Phi(u_k(t)),

    u_k the standardised limit of the third variable given the two at their limits.

    Parameters
    ----------
    a : three upper limits.
    R : correlation matrix.
    det : its determinant (of its own: it cannot be had from a nearly singular R).
    """
    for i in range(3):
        if a[i] < -FAR:
            return 0.0
    total = normal(a[0]) * normal(a[1]) * normal(a[2])
    off = R[0, 1] ** 2 + R[0, 2] ** 2 + R[1, 2] ** 2
    if off == 0.0:
        return total
    # det R(t) = 1 - off t^2 + 2 p t^3 falls at t = 1 with slope -(2 off - 6 p), to det
    p = R[0, 1] * R[0, 2] * R[1, 2]
    fall = max(2.0 * off - 6.0 * p, 1e-3)
    e = max(det / fall, 1e-12)
    reach = math.asinh(math.sqrt(1.0 / e))
    parts = 1 if e > SINGULAR else 3
    reach /= parts
    for i in range(parts * X32.size):
        theta = 0.5 * reach * (1.0 + X32[i % X32.size]) + reach * (i // X32.size)
        sh = math.sinh(theta)
        u = e * sh * sh  # 1 - t
        t = 1.0 - u
        weight = 0.5 * reach * W32[i % X32.size] * 2.0 * e * sh * math.cosh(theta) / (2.0 * math.pi)
        # det R(t) from its value at t = 1: exact polynomial in u
        d = det + u * (2.0 * off - 6.0 * p) + u * u * (6.0 * p - off) - 2.0 * p * u * u * u
        part = 0.0
        for k in range(3):
            l, m = (k + 1) % 3, (k + 2) % 3
            r = R[l, m]
            if r == 0.0:
                continue
            rt = t * r
            c = 1.0 - rt * rt
            log = -0.5 * (a[l] * a[l] - 2.0 * rt * a[l] * a[m] + a[m] * a[m]) / c
            if log < TINY:
                continue
            rl, rm = t * R[k, l], t * R[k, m]
            shift = ((rl - rt * rm) * a[l] + (rm - rt * rl) * a[m]) / c
            part += r * math.exp(log) / math.sqrt(c) * normal((a[k] - shift) / math.sqrt(max(d, 1e-300) / c))
        total += weight * part
    return max(0.0, total)


@njit(cache=True, error_model="numpy")
def _log_triple_term(x, a, R, det):
    """log of G(x) P(the other two | first variable at x), without the normalisation."""
    r1, r2 = R[0, 1], R[0, 2]
    s1, s2 = math.sqrt((1.0 - r1) * (1.0 + r1)), math.sqrt((1.0 - r2) * (1.0 + r2))
    r = (R[1, 2] - r1 * r2) / (s1 * s2)
    s = math.sqrt(det) / (s1 * s2)
    return -0.5 * x * x + log_pair((a[1] - r1 * x) / s1, (a[2] - r2 * x) / s2, max(-1.0, min(1.0, r)), s)


@njit(cache=True, error_model="numpy")
def triple_tail(a, R, det):
    """log P(x_1 < a_1, x_2 < a_2, x_3 < a_3), to 1e-11: a positive integrand over the first variable, many panels.

    Slow (milliseconds): a check of `triple`, and for tails. Parameters as there.
    """
    # the maximum of a log-concave function below a[0], by golden section
    low, high = min(a[0], 0.0) - FAR, a[0]
    ratio = 0.5 * (math.sqrt(5.0) - 1.0)
    for _ in range(90):
        one, two = high - ratio * (high - low), low + ratio * (high - low)
        if _log_triple_term(one, a, R, det) > _log_triple_term(two, a, R, det):
            high = two
        else:
            low = one
    mode = 0.5 * (low + high)
    if _log_triple_term(a[0], a, R, det) >= _log_triple_term(mode, a, R, det):
        mode = a[0]
    top = _log_triple_term(mode, a, R, det)
    total = 0.0
    for side in (1.0, -1.0):
        at, w = mode, 0.25
        for _ in range(PANELS):
            room = a[0] - at if side > 0.0 else FAR
            if room <= 0.0:
                break
            value = _log_triple_term(at, a, R, det)
            if value < top - DEPTH:
                break
            w = min(2.0 * w, room, 1.0)
            while abs(_log_triple_term(at + side * w, a, R, det) - value) > 0.5 * DECADES and w > 1e-6:
                w *= 0.5
            for i in range(X16.size):
                x = at + side * 0.5 * w * (1.0 + X16[i])
                total += 0.5 * w * W16[i] * math.exp(_log_triple_term(x, a, R, det) - top)
            at += side * w
    return top + math.log(total / SQRT_2PI)
