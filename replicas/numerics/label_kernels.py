r"""Probabilities of the labels of one, two and three sign units given the means and the covariance of their fields.

Z_y, its gradient and its second derivatives in the means omega, in closed form from orthants, and what they add to the
averages of `replicas.numerics.matrix_channel`. The smaller probability is the one had by quadrature.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .orthants import normal, pair, triple

LEAST = 1e-14  # labels less probable than that are left out: Z log Z, Z g g^T below 1e-12
DENSITY = 1.0 / math.sqrt(2 * math.pi)


@njit(cache=True, error_model="numpy")
def _add(weight, K, Z, rest, first, second, out):
    """Contribution of one label: probability, that of all others (1 - Z, but to relative accuracy), first and second derivatives."""
    out[0] += weight * Z
    out[2] += weight * Z * rest
    if Z < LEAST:
        return
    out[1] += weight * Z * (math.log(Z) if Z < 0.5 else math.log1p(-rest))
    for a in range(K):
        first[a] /= Z
    for a in range(K):
        for b in range(K):
            second[a, b] = second[a, b] / Z - first[a] * first[b]
            out[3 + K * a + b] += weight * Z * first[a] * first[b]
    at = 3 + K * K
    for a in range(K):
        for b in range(K):
            for c in range(K):
                for d in range(K):
                    out[at] += weight * Z * second[a, c] * second[b, d]
                    at += 1


@njit(cache=True, error_model="numpy")
def one(points, weights, V, det, adjugate, coin, out):
    """Adds the averages of one unit (the perceptron) over the points to ``out``."""
    first, second = np.zeros(1), np.zeros((1, 1))
    s = math.sqrt(V[0, 0])
    for i in range(weights.size):
        x = points[i, 0] / s
        G = DENSITY * math.exp(-0.5 * x * x) / s
        for sign in (1.0, -1.0):
            first[0], second[0, 0] = sign * G, -sign * G * x / s
            _add(weights[i], 1, normal(sign * x), normal(-sign * x), first, second, out)


@njit(cache=True, error_model="numpy")
def two_units(w1, w2, V, det, Z, first, second):
    """Labels (1, -1, 0) of two units: Z[y], dZ/d omega_a, d^2Z/d omega_a d omega_b. Cov V of determinant ``det``."""
    s1, s2 = math.sqrt(V[0, 0]), math.sqrt(V[1, 1])
    r, s = V[0, 1] / (s1 * s2), math.sqrt(det) / (s1 * s2)
    a, b = w1 / s1, w2 / s2
    if a + b < 0.0:  # the smaller one by quadrature, the other by complement
        Z[0] = pair(a, b, r, s)
        Z[1] = max(0.0, normal(-a) - normal(b) + Z[0])
    else:
        Z[1] = pair(-a, -b, r, s)
        Z[0] = max(0.0, normal(a) - normal(-b) + Z[1])
    if a > 0.0:
        Z[2] = max(0.0, normal(-a) + normal(-b) - 2.0 * Z[1]) if a + b >= 0.0 else max(0.0, normal(a) + normal(b) - 2.0 * Z[0])
    else:
        Z[2] = max(0.0, normal(a) + normal(b) - 2.0 * Z[0]) if a + b < 0.0 else max(0.0, normal(-a) + normal(-b) - 2.0 * Z[1])
    Ga, Gb = DENSITY * math.exp(-0.5 * a * a) / s1, DENSITY * math.exp(-0.5 * b * b) / s2
    ca, cb = (b - r * a) / s, (a - r * b) / s
    joint = Ga * DENSITY * math.exp(-0.5 * ca * ca) / (s * s2)
    first[0, 0], first[1, 0] = Ga * normal(ca), -Ga * normal(-ca)
    first[0, 1], first[1, 1] = Gb * normal(cb), -Gb * normal(-cb)
    for y in range(2):
        second[y, 0, 1] = second[y, 1, 0] = joint
        second[y, 0, 0] = -a / s1 * first[y, 0] - r * s2 / s1 * joint
        second[y, 1, 1] = -b / s2 * first[y, 1] - r * s1 / s2 * joint
    for c in range(2):
        first[2, c] = -first[0, c] - first[1, c]
        for d in range(2):
            second[2, c, d] = -second[0, c, d] - second[1, c, d]


@njit(cache=True, error_model="numpy")
def two(points, weights, V, det, adjugate, coin, out):
    """The same for two units; ``coin`` : ties are broken at random instead of being a label."""
    Z, first, second = np.zeros(3), np.zeros((3, 2)), np.zeros((3, 2, 2))
    for i in range(weights.size):
        two_units(points[i, 0], points[i, 1], V, det, Z, first, second)
        if coin:
            for y in range(2):
                Z[y] += 0.5 * Z[2]
                first[y] += 0.5 * first[2]
                second[y] += 0.5 * second[2]
            Z[2] = 0.0
        for y in range(2 if coin else 3):
            _add(weights[i], 2, Z[y], Z[(y + 1) % 3] + Z[(y + 2) % 3], first[y], second[y], out)


@njit(cache=True, error_model="numpy")
def majority_of_three(w, V, det, adjugate, R, a):
    """(P(at least two of three fields are positive), P(not)), the smaller one by quadrature. R, a : work space."""
    scale = 1.0
    up = 1.0 if w[0] + w[1] + w[2] < 0.0 else -1.0  # the label to be had by quadrature: the one of the smaller sum
    for j in range(3):
        a[j] = up * w[j] / math.sqrt(V[j, j])
        scale *= V[j, j]
    for j in range(3):
        for k in range(3):
            R[j, k] = V[j, k] / math.sqrt(V[j, j] * V[k, k])
    total = 0.0
    for k in range(3):
        l, m = (k + 1) % 3, (k + 2) % 3
        # det of the pair (l, m) of V is an entry of the adjugate
        total += pair(a[l], a[m], R[l, m], math.sqrt(adjugate[k, k] / (V[l, l] * V[m, m])))
    low = max(0.0, total - 2.0 * triple(a, R, det / scale)) if total > 0.0 else 0.0
    return (low, 1.0 - low) if up > 0.0 else (1.0 - low, low)


@njit(cache=True, error_model="numpy")
def three_units(w, V, det, adjugate, Z, first, second, R, a):
    """Labels (1, -1) of a majority of three units: as `two_units`.

    dZ_+/d omega_1 = G(omega_1; V_11) P(exactly one of fields 2, 3 is positive | field 1 at 0).
    """
    Z[0], Z[1] = majority_of_three(w, V, det, adjugate, R, a)
    for j in range(3):
        l, m = (j + 1) % 3, (j + 2) % 3
        var = V[j, j]
        G = DENSITY * math.exp(-0.5 * w[j] * w[j] / var) / math.sqrt(var)
        # given field j at 0: means, covariance from the minors of V
        ml, mm = w[l] - V[j, l] / var * w[j], w[m] - V[j, m] / var * w[j]
        Cl, Cm, Clm = adjugate[m, m] / var, adjugate[l, l] / var, -adjugate[l, m] / var
        sl, sm = math.sqrt(Cl), math.sqrt(Cm)
        r, s = Clm / (sl * sm), math.sqrt(det / var) / (sl * sm)
        x, y = ml / sl, mm / sm
        one = pair(x, -y, -r, s) + pair(-x, y, -r, s)
        first[0, j] = G * one
        # d one/d ml = density of field l at 0 times P(m negative) - P(m positive)
        dl = DENSITY * math.exp(-0.5 * x * x) / sl * -math.erf((y - r * x) / s / math.sqrt(2.0))
        dm = DENSITY * math.exp(-0.5 * y * y) / sm * -math.erf((x - r * y) / s / math.sqrt(2.0))
        second[0, j, l], second[0, j, m] = G * dl, G * dm
        second[0, j, j] = -w[j] / var * first[0, j] - G * (V[j, l] / var * dl + V[j, m] / var * dm)
    for j in range(3):
        first[1, j] = -first[0, j]
        for k in range(3):
            second[1, j, k] = -second[0, j, k]


@njit(cache=True, error_model="numpy")
def three(points, weights, V, det, adjugate, coin, out):
    """The same for the majority of three units."""
    Z, first, second = np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3, 3))
    R, a = np.zeros((3, 3)), np.zeros(3)
    for i in range(weights.size):
        three_units(points[i], V, det, adjugate, Z, first, second, R, a)
        for y in range(2):
            _add(weights[i], 3, Z[y], Z[1 - y], first[y], second[y], out)
