r"""Weight side of the stochastic perceptron: g(h, lam) = log int_{-1}^1 dm exp(h m - lam m^2/2) and its Gaussian averages.

Panels end at m = 0 and are graded towards |m| = 1, where a steep measure piles up; 1 - |m| is carried, so that 1 - q_star
loses no digits. A rule is (order, share): Gauss-Legendre nodes of a panel, and the width of panels as a share of the usual one.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import njit

from .kernels import density

RANGE = 9.2  # of a standard normal: mass 4e-20 beyond
WIDE = 2.5  # of a panel, in units of the width of the integrand
STEEP = 2.0  # the same where an exponential falls from an end
FIELD = 2.0  # the same in the field of a weight, whose leaf has its nearest pole at i pi/2 or further
MOST_PANELS = 4000

Rule = tuple[int, float]
ROUGH: Rule = (8, 1.5)  # for bracketing
COARSE: Rule = (16, 1.0)
FINE: Rule = (20, 0.8)
FINEST: Rule = (24, 0.5)

SITE_ROWS = (
    "g", "g1_squared", "g2", "deficit", "g2_squared", "d_q_d_q_hat", "d_q_d_lam", "d_Q_d_q_hat", "d_Q_d_lam",
    "mean_abs", "sign_mean", "magnitude",
)  # fmt: skip
"""Rows of `site_averages`: g less max(0, -lam/2), g'^2, g'', 1 - m^2, g''^2, derivatives of q and Q, |m|, sign(m) m, |g|."""


@lru_cache(maxsize=32)
def legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on (-1, 1)."""
    x, w = np.polynomial.legendre.leggauss(order)
    return np.ascontiguousarray(x), np.ascontiguousarray(w)


@njit(cache=True, error_model="numpy")
def site_nodes(q_hat, lam, x, w, share):
    """Rows m, 1 - m, weight on (0, 1): the flat measure, for fields up to `RANGE` sqrt(q_hat)."""
    first = share * STEEP / (abs(lam) + RANGE * math.sqrt(q_hat) + 1.0)
    widest = share * min(0.5, 1.6 * WIDE / math.sqrt(max(lam, 1.0)))
    gaps = np.empty(MOST_PANELS)
    gaps[0] = 0.0
    n = 0
    while gaps[n] < 1.0:
        step = min(max(first, gaps[n]), widest)
        gaps[n + 1] = 1.0 if gaps[n] + 1.5 * step >= 1.0 or n > MOST_PANELS - 3 else gaps[n] + step
        n += 1
    out = np.empty((3, n * x.size))
    k = 0
    for i in range(n):
        half = 0.5 * (gaps[i + 1] - gaps[i])
        middle = 0.5 * (gaps[i + 1] + gaps[i])
        for j in range(x.size):
            gap = middle + half * x[j]
            out[0, k], out[1, k], out[2, k] = 1.0 - gap, gap, half * w[j]
            k += 1
    return out


@njit(cache=True, error_model="numpy")
def gaussian_nodes(edges, n, root, x, w):
    """Rows field, weight of the Gaussian average over fields of variance root^2, on the n panels between these edges."""
    out = np.empty((2, n * x.size))
    k = 0
    for i in range(n):
        half = 0.5 * (edges[i + 1] - edges[i]) / root
        middle = 0.5 * (edges[i + 1] + edges[i]) / root
        for j in range(x.size):
            z = middle + half * x[j]
            out[0, k], out[1, k] = root * z, half * w[j] * density(z)
            k += 1
    return out


@njit(cache=True, error_model="numpy")
def site_fields(q_hat, lam, x, w, share):
    """Rows h, weight of the Gaussian average over h of variance q_hat, h >= 0 only (everything averaged is even)."""
    root = math.sqrt(q_hat)
    edges = np.empty(MOST_PANELS)
    edges[0] = 0.0
    n = 0
    top = RANGE * root
    if top == 0.0:
        return np.array([[0.0], [1.0]])
    while edges[n] < top:
        h = edges[n]
        step = min(WIDE * root, max(FIELD, 0.5 * h))
        if lam > 0.0:
            step = min(step, max(FIELD * math.sqrt(max(lam, 1.0)), 0.5 * abs(lam - h)))
        step *= share
        edges[n + 1] = top if h + 1.2 * step >= top or n > MOST_PANELS - 3 else h + step
        n += 1
    out = gaussian_nodes(edges, n, root, x, w)
    out[1] *= 2.0
    return out


@njit(cache=True, error_model="numpy")
def _tilted(h, lam, nodes, up, down):
    """Fill exp(+-h m - lam m^2/2) dm at the nodes, relative to the largest; returns the sum and g - max(0, -lam/2)."""
    top = 0.5 * h * h / lam if lam > h else h - 0.5 * lam
    total = 0.0
    for j in range(nodes.shape[1]):
        m, gap = nodes[0, j], nodes[1, j]
        # from where it is largest, in 1 - m if that is m = 1: nothing cancels
        e = -0.5 * lam * (m - h / lam) ** 2 if lam > h else -h * gap + 0.5 * lam * gap * (2.0 - gap)
        if e < -700.0:
            up[j] = 0.0
            down[j] = 0.0
            continue
        up[j] = nodes[2, j] * math.exp(e)
        down[j] = up[j] * math.exp(-2.0 * h * m)
        total += up[j] + down[j]
    base = h if lam < 0.0 else top
    return total, base + math.log(total)


@njit(cache=True, error_model="numpy")
def site_leaf(h, lam, nodes, up, down, d):
    """g - max(0, -lam/2), g', g'', g''', deficit <1-m^2>, its variance, <y delta>, <y delta^2>, <|m|>, <sign m>, for h >= 0.

    y and delta are the deviations of 1 - m^2 and m from their means.
    """
    total, d[0] = _tilted(h, lam, nodes, up, down)
    short = 0.0
    deficit = 0.0
    size = 0.0
    sign = 0.0
    mean = 0.0
    for j in range(nodes.shape[1]):
        m, gap = nodes[0, j], nodes[1, j]
        both = up[j] + down[j]
        odd = -up[j] * math.expm1(-2.0 * h * m)
        short += gap * up[j] + (2.0 - gap) * down[j]
        deficit += gap * (2.0 - gap) * both
        size += m * both
        sign += odd
        mean += m * odd
    short /= total
    deficit /= total
    second = 0.0
    third = 0.0
    spread = 0.0
    mixed = 0.0
    mixed2 = 0.0
    for j in range(nodes.shape[1]):
        gap = nodes[1, j]
        y = gap * (2.0 - gap) - deficit
        a = short - gap
        b = short - (2.0 - gap)
        pa = up[j] * a
        pb = down[j] * b
        second += pa * a + pb * b
        third += pa * a * a + pb * b * b
        spread += (up[j] + down[j]) * y * y
        mixed += (pa + pb) * y
        mixed2 += (pa * a + pb * b) * y
    d[1] = mean / total
    d[2] = second / total
    d[3] = third / total
    d[4] = deficit
    d[5] = spread / total
    d[6] = mixed / total
    d[7] = mixed2 / total
    d[8] = size / total
    d[9] = sign / total


@njit(cache=True, error_model="numpy")
def site_averages(q_hat, lam, x, w, share):
    """`SITE_ROWS`: averages over h ~ N(0, q_hat); q = E g'^2 and Q = E<m^2> with their derivatives."""
    nodes = site_nodes(q_hat, lam, x, w, share)
    fields = site_fields(q_hat, lam, x, w, share)
    up, down, d = np.empty(nodes.shape[1]), np.empty(nodes.shape[1]), np.empty(10)
    out = np.zeros(12)
    for i in range(fields.shape[1]):
        h, p = fields[0, i], fields[1, i]
        site_leaf(h, lam, nodes, up, down, d)
        out[0] += p * d[0]
        out[1] += p * d[1] * d[1]
        out[2] += p * d[2]
        out[3] += p * d[4]
        out[4] += p * d[2] * d[2]
        out[5] += p * (d[2] * d[2] + d[1] * d[3])  # Stein: E g'^2 by q_hat
        out[6] += p * d[1] * d[6]  # d_lam g' = -Cov(m^2, m)/2
        out[7] -= 0.5 * p * d[7]
        out[8] -= 0.5 * p * d[5]
        out[9] += p * d[8]
        out[10] += p * d[1] * d[9]
        out[11] += p * abs(d[0])
    return out


@njit(cache=True, error_model="numpy")
def sign_variance(q_hat, lam, tau, eta, x, w, share):
    """E <(sign(m) - tau g' - eta (m - g'))^2>: what the fields of m do not say about those of sign(m); a sum of squares."""
    nodes = site_nodes(q_hat, lam, x, w, share)
    fields = site_fields(q_hat, lam, x, w, share)
    up, down = np.empty(nodes.shape[1]), np.empty(nodes.shape[1])
    out = 0.0
    for i in range(fields.shape[1]):
        total, _ = _tilted(fields[0, i], lam, nodes, up, down)
        mean = 0.0  # 1 - g'
        for j in range(nodes.shape[1]):
            mean += nodes[1, j] * up[j] + (2.0 - nodes[1, j]) * down[j]
        mean /= total
        part = 0.0
        for j in range(nodes.shape[1]):
            gap = nodes[1, j]
            # 1 - eta + (eta - tau) g' + eta gap, in small quantities where m is near its end
            a = (1.0 - tau) + (tau - eta) * mean + eta * gap
            b = -(1.0 + tau) + (tau - eta) * mean + eta * (2.0 - gap)
            part += up[j] * a * a + down[j] * b * b
        out += fields[1, i] * part / total
    return out


@njit(cache=True, error_model="numpy")
def site_table(h, lam, nodes):
    """Rows g, g', g'' on an array of fields of either sign."""
    out = np.empty((3, h.size))
    up, down, d = np.empty(nodes.shape[1]), np.empty(nodes.shape[1]), np.empty(10)
    for i in range(h.size):
        site_leaf(abs(h[i]), lam, nodes, up, down, d)
        out[0, i], out[1, i], out[2, i] = d[0] + max(0.0, -0.5 * lam), math.copysign(d[1], h[i]), d[2]
    return out
