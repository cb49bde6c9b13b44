"""What a committee of K <= 3 sign units says of Gaussian fields: Z_y(omega, V) and its derivatives, compiled.

    h ~ N(omega, V) in R^K,   Z_y = P(output(h) = y) = sum over orthants s of f_y(s) P(h in s)
    g = d log Z_y / d omega,   -dg/domega = g g^T - Z''_y / Z_y

A sum over orthants S_K[f] obeys the heat equation d/dV_ij = d^2/domega_i domega_j (i != j), and a derivative pins
a field to zero. So correlations are switched on by t from 0 to 1 and only sums over fewer fields are integrated:

    S_K[f](t=1) = S_K[f](t=0) + int_0^1 dt sum_{i<j} V_ij N(0; omega_ij, V_ij(t)) S_{K-2}[D_i D_j f | h_i = h_j = 0]
    d_i S_K     = N(0; omega_i, V_ii) S_{K-1}[D_i f | h_i = 0],     D_i f = f(h_i > 0) - f(h_i < 0)
    d_i d_j S_K = N(0; omega_ij, V_ij) S_{K-2}[D_i D_j f | h_i = h_j = 0]
    d_i d_i S_K = -(omega_i d_i S_K + sum_{j != i} V_ij d_i d_j S_K) / V_ii

(the last for f of signs: only directions of h matter). t = sin(theta) tames correlations near +-1. The integral has
an absolute accuracy; where Z_y is below `TAIL`, g is that of the most probable fields with the output y instead.

f is an array over the 2^K orthants, bit j set where h_j > 0. None of this is shared with the theory.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .machines import Architecture

Array = NDArray[np.float64]
MAX_UNITS = 3
"""Largest K of the sums over orthants."""
TAIL = 1e-9
"""Z_y below which its quotients are replaced by their asymptotic form (relative error about 1/(2 log(1/Z)))."""
_ROOT_HALF = math.sqrt(0.5)
_TWO_PI = 2 * math.pi
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_ANGLES = (1 + _NODES) * math.pi / 4
# t and dt = cos(theta) d theta
_T = np.sin(_ANGLES)
_DT = _WEIGHTS * math.pi / 4 * np.cos(_ANGLES)


def orthant_tables(architecture: Architecture) -> Array:
    """f_y(s) for y = -1, 0, +1 and the 2^K orthants s, shape (3, 2^K)."""
    positive = np.bitwise_count(np.arange(1 << architecture.K)).astype(int)
    outputs = np.array(architecture.outputs)[positive]
    return np.asarray(outputs == np.array([[-1], [0], [1]]), dtype=float)


@njit(cache=True, nogil=True)
def _above(x: float) -> float:
    """P(z < x), a standard normal z."""
    return 0.5 * math.erfc(-x * _ROOT_HALF)


@njit(cache=True, nogil=True)
def _pinned(f: Array, i: int) -> Array:
    """D_i f on the orthants of the other fields."""
    low = (1 << i) - 1
    out = np.empty(f.size // 2)
    for s in range(out.size):
        without = (s & low) | ((s & ~low) << 1)
        out[s] = f[without | (1 << i)] - f[without]
    return out


@njit(cache=True, nogil=True)
def _pair(a: float, b: float, va: float, vb: float, c: float) -> float:
    """Density at zero of two Gaussian fields of means a, b, variances va, vb and covariance c."""
    det = va * vb - c * c
    return math.exp(-0.5 * (a * a * vb - 2 * a * b * c + b * b * va) / det) / (_TWO_PI * math.sqrt(det))


@njit(cache=True, nogil=True)
def _third(t: float, omega: Array, V: Array, i: int, j: int) -> float:
    """Mean over standard deviation of field 3 - i - j, given h_i = h_j = 0, correlations reduced by t."""
    k = 3 - i - j
    c, u, v = t * V[i, j], t * V[i, k], t * V[j, k]
    det = V[i, i] * V[j, j] - c * c
    x, y = (u * V[j, j] - v * c) / det, (v * V[i, i] - u * c) / det
    variance = V[k, k] - x * u - y * v
    return (omega[k] - x * omega[i] - y * omega[j]) / math.sqrt(max(variance, 1e-300))


@njit(cache=True, nogil=True)
def _mixed(f: Array, omega: Array, V: Array, i: int, j: int, t: float) -> float:
    """d_i d_j S_K at correlations reduced by t, i < j."""
    both = _pinned(_pinned(f, j), i)
    density = _pair(omega[i], omega[j], V[i, i], V[j, j], t * V[i, j])
    if both.size == 1:
        return density * both[0]
    p = _above(_third(t, omega, V, i, j))
    return density * (both[0] * (1 - p) + both[1] * p)


@njit(cache=True, nogil=True)
def orthant_sum(f: Array, omega: Array, V: Array) -> float:
    """S_K[f] = E f(signs of h), h ~ N(omega, V), K = 1, 2 or 3."""
    K = omega.size
    total = 0.0
    positive = np.empty(K)
    for i in range(K):
        positive[i] = omega[i] / math.sqrt(V[i, i])
    for s in range(f.size):
        if f[s] != 0:
            p = f[s]
            for i in range(K):
                p *= _above(positive[i] if s >> i & 1 else -positive[i])
            total += p
    for j in range(1, K):
        for i in range(j):
            both = _pinned(_pinned(f, j), i)
            for t, dt in zip(_T, _DT):
                inner = both[0]
                if K == 3:
                    p = _above(_third(t, omega, V, i, j))
                    inner = both[0] * (1 - p) + both[1] * p
                total += dt * V[i, j] * inner * _pair(omega[i], omega[j], V[i, i], V[j, j], t * V[i, j])
    return total


@njit(cache=True, nogil=True)
def _slope(f: Array, omega: Array, V: Array, i: int) -> float:
    """d_i S_K[f]."""
    K = omega.size
    rest = _pinned(f, i)
    density = math.exp(-0.5 * omega[i] ** 2 / V[i, i]) / math.sqrt(_TWO_PI * V[i, i])
    if K == 1 or density == 0:
        return density * rest[0]
    mean, covariance = np.empty(K - 1), np.empty((K - 1, K - 1))
    for a in range(K - 1):
        j = a + (a >= i)
        mean[a] = omega[j] - V[j, i] / V[i, i] * omega[i]
        for b in range(K - 1):
            k = b + (b >= i)
            covariance[a, b] = V[j, k] - V[j, i] * V[i, k] / V[i, i]
    return density * orthant_sum(rest, mean, covariance)


@njit(cache=True, nogil=True)
def _nearest(f: Array, omega: Array, V: Array) -> tuple[Array, Array]:
    """g and -dg/domega of the most probable fields with f = 1: h_B = 0 on a set B, the others at their mean."""
    K = omega.size
    best, g, curvature = np.inf, np.zeros(K), np.zeros((K, K))
    for B in range(1, 1 << K):
        members = np.array([i for i in range(K) if B >> i & 1])
        inverse = np.linalg.inv(V[members][:, members].copy())
        force = inverse @ omega[members]
        cost = 0.0
        for a in range(members.size):
            cost += force[a] * omega[members[a]]
        if cost >= best:
            continue
        signs = 0
        for i in range(K):
            mean = omega[i]
            for a in range(members.size):
                mean -= V[i, members[a]] * force[a]
            if mean > 0:
                signs |= 1 << i
        allowed = False
        for s in range(f.size):
            allowed |= f[s] > 0 and (s & ~B) == (signs & ~B)
        if allowed:
            best = cost
            g[:] = 0
            curvature[:] = 0
            for a in range(members.size):
                g[members[a]] = -force[a]
                for b in range(members.size):
                    curvature[members[a], members[b]] = inverse[a, b]
    return g, curvature


@njit(cache=True, nogil=True)
def gradients(labels: NDArray[np.int8], omega: Array, V: Array, tables: Array) -> tuple[Array, Array, int]:
    """g of every pattern, (P, K), the sum of -dg/domega over them, (K, K), and how many were in the tail."""
    P, K = omega.shape
    out, total, tails = np.empty((P, K)), np.zeros((K, K)), 0
    second = np.empty((K, K))
    for mu in range(P):
        f, means = tables[labels[mu] + 1], omega[mu]
        Z = orthant_sum(f, means, V)
        if Z < TAIL:
            out[mu], second = _nearest(f, means, V)
            total += second
            tails += 1
            continue
        for i in range(K):
            out[mu, i] = _slope(f, means, V, i)
            second[i, i] = -means[i] * out[mu, i]
        for j in range(1, K):
            for i in range(j):
                second[i, j] = second[j, i] = _mixed(f, means, V, i, j, 1.0)
                second[i, i] -= V[i, j] * second[i, j]
                second[j, j] -= V[i, j] * second[i, j]
        for i in range(K):
            second[i, i] /= V[i, i]
            out[mu, i] /= Z
        for i in range(K):
            for j in range(K):
                total[i, j] += out[mu, i] * out[mu, j] - second[i, j] / Z
    return out, total, tails


@njit(cache=True, nogil=True)
def output_probabilities(omega: Array, V: Array, tables: Array) -> Array:
    """Z_y for y = -1, 0, +1 of every pattern, (P, 3)."""
    out = np.empty((omega.shape[0], 3))
    for mu in range(omega.shape[0]):
        for y in range(3):
            out[mu, y] = orthant_sum(tables[y], omega[mu], V)
    return out
