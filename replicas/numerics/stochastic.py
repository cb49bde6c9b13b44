r"""Pattern side of the stochastic perceptron, and what is asked about its states by those who look around them.

f(omega, V) = log E f_ref(omega + sqrt(V) nu), f_ref(u) = H(-u/s)^beta, s^2 = 1 - q_star. The integrand is log-concave: panels are
laid out from its mode on both sides, as wide as it is there, until it has fallen by `FALL`. Rules as in `stochastic_sites`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from .kernels import CONTINUED_FRACTION_FROM, LOG_SQRT_2PI, density, log_tail, mills_excess, tail
from .parisi import LeafTable
from .stochastic_sites import COARSE, FINE, MOST_PANELS, RANGE, WIDE, gaussian_nodes, legendre, site_nodes

FALL = 44.0  # of the logarithm of an integrand from its mode to where it is cut: exp(-44) = 8e-20
POLE = 2.5  # of log H(-u/s) from the real axis, in units of s: its nearest zero is at s (1.916 + 2.816 i)
NEWTONS = 60  # for the mode; it converges from one side
DEGREE = 20  # of the polynomial on a panel of `reference_leaf`
FIELD_REACH = 26.0  # fields that it tabulates; beyond, the leaf itself

PATTERN_ROWS = ("f", "f1_squared", "f2_squared", "f1_squared_f2", "loglik", "magnitude")
"""Rows of `pattern_averages`: f, f'^2, f''^2, f'^2 f'', <log H(-u/s)>, |f|."""


@njit(cache=True, error_model="numpy")
def _reference(x):
    """log H(x), A(x), A(x) - x at once."""
    if x >= CONTINUED_FRACTION_FROM:
        excess = mills_excess(x)
        a = x + excess
        return -0.5 * x * x - LOG_SQRT_2PI - math.log(a), a, excess
    if x > -1.0:
        upper = tail(x)
        log_upper = math.log(upper)
    else:
        lower = tail(-x) if x > -CONTINUED_FRACTION_FROM else density(x) / (-x + mills_excess(-x))
        upper = 1.0 - lower
        log_upper = math.log1p(-lower)
    a = density(x) / upper
    return log_upper, a, a - x


@njit(cache=True, error_model="numpy")
def _mode(omega, V, s, beta):
    """u - omega where beta log H(-u/s) - (u - omega)^2/(2V) is largest; its slope is convex: Newton from omega stays on one side."""
    y = 0.0
    for _ in range(NEWTONS):
        log_h, a, excess = _reference(-(omega + y) / s)
        bend = 1.0 / V + beta * a * excess / (s * s)
        step = (beta * a / s - y / V) / bend
        y += step
        if abs(step) * math.sqrt(bend) < 1e-3:
            break
    return y


@njit(cache=True, error_model="numpy")
def _width(u, V, s, beta, centre, scale):
    """Width of the integrand around u: from its curvature, its poles, and a step of width ``scale`` at ``centre``."""
    log_h, a, excess = _reference(-u / s)
    own = min(WIDE / math.sqrt(1.0 / V + beta * a * excess / (s * s)), max(POLE * s, 0.6 * abs(u)))
    return min(own, max(POLE * scale, 0.6 * abs(u - centre)))


@njit(cache=True, error_model="numpy")
def _exponent(y, omega, V, s, beta):
    return beta * _reference(-(omega + y) / s)[0] - 0.5 * y * y / V


@njit(cache=True, error_model="numpy")
def _panels(omega, V, s, beta, centre, scale, share, edges):
    """Edges of panels in u - omega, from one cut to the other; returns their number and the logarithm of the integrand at its mode."""
    mode = _mode(omega, V, s, beta)
    peak = _exponent(mode, omega, V, s, beta)
    left = np.empty(MOST_PANELS // 2)
    n = 0
    y = mode
    while n < MOST_PANELS // 2 - 1:
        step = share * _width(omega + y, V, s, beta, centre, scale)
        step = min(step, share * _width(omega + y - step, V, s, beta, centre, scale))
        y -= step
        left[n] = y
        n += 1
        if _exponent(y, omega, V, s, beta) < peak - FALL:
            break
    for i in range(n):
        edges[i] = left[n - 1 - i]
    edges[n] = mode
    y = mode
    while n < MOST_PANELS - 2:
        step = share * _width(omega + y, V, s, beta, centre, scale)
        step = min(step, share * _width(omega + y + step, V, s, beta, centre, scale))
        y += step
        n += 1
        edges[n] = y
        if _exponent(y, omega, V, s, beta) < peak - FALL:
            break
    return n, peak


@njit(cache=True, error_model="numpy")
def pattern_leaf(omega, V, s, beta, x, w, share, edges, d):
    """f, f', f'', <log H(-u/s)>. f' is the mean slope of log f_ref; f'' from the variance of the noise, or of the slope where V is small."""
    n, peak = _panels(omega, V, s, beta, 0.0, np.inf, share, edges)
    mass = 0.0
    slope = 0.0
    bend = 0.0
    mean = 0.0
    square = 0.0
    loglik = 0.0
    slopes = 0.0
    middle = edges[n // 2]
    for i in range(n):
        half = 0.5 * (edges[i + 1] - edges[i])
        centre = 0.5 * (edges[i + 1] + edges[i])
        for j in range(x.size):
            y = centre + half * x[j]
            log_h, a, excess = _reference(-(omega + y) / s)
            p = half * w[j] * math.exp(beta * log_h - 0.5 * y * y / V - peak)
            mass += p
            loglik += p * log_h
            slope += p * a
            slopes += p * a * a
            bend += p * a * excess
            mean += p * (y - middle)
            square += p * (y - middle) ** 2
    d[0] = peak + math.log(mass) - 0.5 * math.log(V) - LOG_SQRT_2PI
    slope /= mass
    mean /= mass
    d[1] = beta * slope / s
    if beta * V < s * s:
        d[2] = (beta * beta * (slopes / mass - slope * slope) - beta * bend / mass) / (s * s)
    else:
        d[2] = ((square / mass - mean * mean) / V - 1.0) / V
    d[3] = loglik / mass


@njit(cache=True, error_model="numpy")
def pattern_fields(q, V, s, beta, x, w, share):
    """Rows omega, weight of the Gaussian average over omega of variance q; panels are graded around the bend of the leaf."""
    root = math.sqrt(q)
    top = RANGE * root
    if top == 0.0:
        return np.array([[0.0], [1.0]])
    hot = math.log1p(beta)
    kink = s * math.sqrt(2.0 * hot)
    scale = POLE * math.sqrt(V + s * s / (1.0 + hot))
    edges = np.empty(MOST_PANELS)
    edges[0] = -top
    n = 0
    while edges[n] < top:
        u = edges[n]
        away = 0.6 * (u - kink) if u > kink else 0.375 * (kink - u)  # 0.6 of the distance of a panel's nearer end
        step = share * min(WIDE * root, max(scale, away))
        edges[n + 1] = top if u + 1.2 * step >= top or n > MOST_PANELS - 3 else u + step
        n += 1
    return gaussian_nodes(edges, n, root, x, w)


@njit(cache=True, error_model="numpy")
def pattern_averages(q, V, s, beta, x, w, share):
    """`PATTERN_ROWS`: averages over omega ~ N(0, q)."""
    fields = pattern_fields(q, V, s, beta, x, w, share)
    edges, d = np.empty(MOST_PANELS), np.empty(4)
    out = np.zeros(6)
    for i in range(fields.shape[1]):
        p = fields[1, i]
        pattern_leaf(fields[0, i], V, s, beta, x, w, share, edges, d)
        out[0] += p * d[0]
        out[1] += p * d[1] * d[1]
        out[2] += p * d[2] * d[2]
        out[3] += p * d[1] * d[1] * d[2]
        out[4] += p * d[3]
        out[5] += p * abs(d[0])
    return out


@njit(cache=True, error_model="numpy")
def binarised_errors(q, V, s, beta, tau, eta, v, x, w, share):
    """Probability that the field of sign(m) is negative: given u and omega it has mean tau omega + eta (u - omega), variance v."""
    fields = pattern_fields(q, V, s, beta, x, w, share)
    edges = np.empty(MOST_PANELS)
    root = math.sqrt(v)
    out = 0.0
    for i in range(fields.shape[1]):
        omega = fields[0, i]
        n, peak = _panels(omega, V, s, beta, omega * (1.0 - tau / eta), root / eta, share, edges)
        mass = 0.0
        wrong = 0.0
        for k in range(n):
            half = 0.5 * (edges[k + 1] - edges[k])
            centre = 0.5 * (edges[k + 1] + edges[k])
            for j in range(x.size):
                y = centre + half * x[j]
                p = half * w[j] * math.exp(_exponent(y, omega, V, s, beta) - peak)
                mass += p
                wrong += p * math.exp(log_tail((tau * omega + eta * y) / root))
        out += fields[1, i] * wrong / mass
    return out


@njit(cache=True, error_model="numpy")
def pattern_table(omega, V, s, beta, x, w, share):
    """Rows f, f', f'', <log H> on an array of fields."""
    out = np.empty((4, omega.size))
    edges, d = np.empty(MOST_PANELS), np.empty(4)
    for i in range(omega.size):
        pattern_leaf(omega[i], V, s, beta, x, w, share, edges, d)
        out[0, i], out[1, i], out[2, i], out[3, i] = d[0], d[1], d[2], d[3]
    return out


# --- for the geometry around such a state ---------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferenceLeaf:
    """log Phi_V(omega), Phi_V = E f_ref(omega + sqrt(V) nu), and its first derivative, from Chebyshev polynomials on panels.

    Called with an array of fields; returns (value, derivative), each of its shape.
    """

    beta: float
    s: float
    V: float
    edges: np.ndarray
    coefficients: np.ndarray  # panel, row, degree

    def __call__(self, omega: np.ndarray) -> np.ndarray:
        flat = np.ascontiguousarray(omega, dtype=float).reshape(-1)
        out = _chebyshev(flat, self.edges, self.coefficients, self.V, self.s, self.beta, *legendre(FINE[0]), FINE[1])
        return np.asarray(out.reshape((2, *np.shape(omega))))

    def table(self) -> LeafTable:
        """The leaf with its second derivative and <log H>, as the Parisi recursion takes it; not interpolated."""
        pole = POLE * math.sqrt(self.V + self.s**2 / (1.0 + math.log1p(self.beta)))
        rule = (*legendre(FINE[0]), FINE[1])
        return LeafTable(lambda u: pattern_table(u, self.V, self.s, self.beta, *rule), pole, self.V, self.s, True)


def reference_leaf(beta: float, q_star: float, V: float) -> ReferenceLeaf:
    """log E f_ref(omega + sqrt(V) nu) of the reference f_ref(u) = H(-u/sqrt(1 - q_star))^beta, V > 0."""
    s, beta, V = math.sqrt(1.0 - q_star), float(beta), float(V)
    edges = _leaf_edges(V, s, beta)
    angle = np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1)
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    omega = middle[:, None] + half[:, None] * np.cos(angle)
    values = pattern_table(omega.reshape(-1), V, s, beta, *legendre(COARSE[0]), COARSE[1])[:2].reshape(2, *omega.shape)
    transform = 2.0 / (DEGREE + 1) * np.cos(np.outer(np.arange(DEGREE + 1), angle))
    transform[0] *= 0.5
    coefficients = np.ascontiguousarray(np.einsum("dk,rpk->prd", transform, values))
    return ReferenceLeaf(beta, s, V, edges, coefficients)


def _leaf_edges(V: float, s: float, beta: float) -> np.ndarray:
    """Panels from -`FIELD_REACH` to `FIELD_REACH`, graded around the bend of the leaf."""
    hot = math.log1p(beta)
    kink, first = s * math.sqrt(2.0 * hot), 0.7 * POLE * math.sqrt(V + s * s / (1.0 + hot))
    sides = []
    for side in (-1.0, 1.0):
        distance, end = [0.0], FIELD_REACH - side * kink
        while distance[-1] < end:
            distance.append(min(end, distance[-1] + max(first, 0.6 * distance[-1])))
        sides.append(kink + side * np.array(distance))
    return np.concatenate([sides[0][:0:-1], sides[1]])


@njit(cache=True, error_model="numpy")
def _chebyshev(omega, edges, coefficients, V, s, beta, x, w, share):
    """Clenshaw's sums for the value and the derivative on the panel of each field; beyond all panels, the leaf itself."""
    out = np.empty((2, omega.size))
    scratch, d = np.empty(MOST_PANELS), np.empty(4)
    for i in range(omega.size):
        u = omega[i]
        if not edges[0] <= u <= edges[-1]:
            pattern_leaf(u, V, s, beta, x, w, share, scratch, d)
            out[0, i], out[1, i] = d[0], d[1]
            continue
        low, high = 0, edges.size - 1
        while high - low > 1:
            middle = (low + high) // 2
            if edges[middle] <= u:
                low = middle
            else:
                high = middle
        y = (2.0 * u - edges[low] - edges[low + 1]) / (edges[low + 1] - edges[low])
        a0, a1, b0, b1 = 0.0, 0.0, 0.0, 0.0
        for k in range(coefficients.shape[2] - 1, 0, -1):
            a0, a1 = coefficients[low, 0, k] + 2.0 * y * a0 - a1, a0
            b0, b1 = coefficients[low, 1, k] + 2.0 * y * b0 - b1, b0
        out[0, i] = coefficients[low, 0, 0] + y * a0 - a1
        out[1, i] = coefficients[low, 1, 0] + y * b0 - b1
    return out


def reference_site(q_hat: float, lam: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (-1, 1), ascending and none at 0, and log-weights of exp(-lam m^2/2) dm, for tilts exp(sqrt(q_hat) x m), |x| <= 9.

    Panels end at 0. Log-weights are less max(0, -lam/2), a constant that would overflow and drops out of averages.
    """
    m, gap, weight = site_nodes(q_hat, lam, *legendre(FINE[0]), FINE[1])
    logs = np.log(weight) + (-0.5 * lam * m * m if lam > 0 else 0.5 * lam * gap * (2.0 - gap))
    return np.concatenate([-m, m[::-1]]), np.concatenate([logs, logs[::-1]])
