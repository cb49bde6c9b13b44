r"""The constrained reference at y -> infinity: references condense, and inner averages become maxima.

1 - q~ = eps/y, p - t = gamma/y, q1 - q0 = D/y, q~_hat = y^2 Q, t_hat = y T, q1_hat - q0_hat = D_hat/y; with s^2 = Q - T^2/q0_hat,

.. math:: W/y \to E \max_{\tilde w} \{ \tilde x \tilde w + \max_u [\log 2\cosh u - (u - x - (\hat p - \hat t)\tilde w)^2/2\hat D] \}, \qquad
    G/y \to E \max_{\tilde u \ge \tilde\kappa,\, u} \{ f(u, 1 - q_0) - \tfrac12 (\tilde u - \tilde h, u - h) K^{-1} (\cdot) \},
    \quad K = [[\epsilon, \gamma], [\gamma, D]]

Overlaps and conjugates are carried in the classes of finite y, scaled by these powers of y. A reference that touches its
margin with probability P costs S_E a term -(alpha/2) P log y: at y = inf it is -inf.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf, log_ndtr

from .constrained_kernels import MOST, SITE_DIGITS, ZERO_OF_TAIL, rule
from .kernels import GAUSS_NODES, GAUSS_WEIGHTS, LOG_SQRT_2PI, RANGE

STEPS = 100
SHARPEST = 1e-15  # s^2 that stands for less: averages over x~ change by as much
NARROW = 0.4  # pole of the outer rule of the patterns, whose integrand is smooth between the maxima's changes of regime
PANEL = 0.9  # width of the panels over h~ where the reference touches its margin
ACCURATE = 1e-14


def _rule(pole: float, kinks: list[float], quality: float, half: bool) -> tuple[np.ndarray, np.ndarray]:
    z, w = np.empty(MOST), np.empty(MOST)
    n = rule(pole, np.array(kinks), len(kinks), SITE_DIGITS, quality, half, z, w)
    return z[:n], w[:n]


def _highest(x: np.ndarray, D: float) -> np.ndarray:
    """argmax_u log 2cosh u - (u - x)^2/2D, on the side of x: Newton from outside, where the equation is convex."""
    a = np.abs(x)
    u = a + D
    for _ in range(STEPS):
        t = np.tanh(u)
        move = (u - a - D * t) / np.maximum(1 - D * (1 - t * t), 1e-300)
        u = u - move
        if np.max(np.abs(move) / (1 + u)) < ACCURATE:
            break
    return np.asarray(np.copysign(u, x))


def site(q0_hat: float, gap_hat: float, mu: float, s: float, shift: float, quality: float) -> np.ndarray:
    """Results of `constrained_kernels.site`, scaled; value and level are W/y and E log 2cosh."""
    s = max(s, math.sqrt(SHARPEST))
    root = math.sqrt(q0_hat)
    steep = abs(mu) + math.tanh(abs(_highest(np.array([shift]), gap_hat)[0]))
    near = min(0.5 * math.pi, s / max(steep, 1e-300)) / root
    z, w = _rule(min(near, 0.3), [0.0, abs(shift) / root], quality, True)
    x = root * z
    parts = []
    for sign in (1, -1):
        X = x + sign * shift
        u = _highest(X, gap_hat)
        a = np.abs(u)
        level = a + np.log1p(np.exp(-2 * a))
        sech = 4 * np.exp(-2 * a) / (1 + np.exp(-2 * a)) ** 2
        parts.append((level - (u - X) ** 2 / (2 * gap_hat), level, u, sech, sech**2 * gap_hat / (1 - gap_hat * sech)))
    (top, lev, up, sup, vup), (low, lew, down, sdown, vdown) = parts
    a = mu * x + 0.5 * (top - low)
    mean = erf(a / (s * math.sqrt(2)))
    peak = np.exp(-0.5 * (a / s) ** 2) / (s * math.sqrt(2 * math.pi))
    free = 2 * peak  # y E(1 - tanh^2(y(a + s zeta)))
    A, B = 0.5 * (np.tanh(up) + np.tanh(down)), 0.5 * (np.tanh(up) - np.tanh(down))
    high, less = 0.5 * (1 + mean), 0.5 * (1 - mean)
    far = 1 / (1 + np.exp(2 * up)), 1 / (1 + np.exp(-2 * down))
    rows = [
        0.5 * (top + low) + a * mean + 2 * s * s * peak,
        high * lev + less * lew,
        free,
        B * free,
        high * vup + less * vdown + B * B * free,
        high * sup + less * sdown,
        high * far[0] + less * far[1],
        np.ones(x.size),
        A * mean + B,
        A * A + 2 * A * B * mean + B * B,
    ]
    return np.array(rows) @ w


def _mills(u: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * u * u - LOG_SQRT_2PI - log_ndtr(-u)))


def _maximum(h: np.ndarray, push: np.ndarray, stiff: float, kappa: float, root: float) -> tuple[np.ndarray, ...]:
    """argmax_w f(h + w) + push w - stiff w^2/2 with f and f', f'' there: Newton from below on a convex decreasing slope."""
    w = push / stiff
    for _ in range(STEPS):
        u = (kappa - h - w) / root
        A = _mills(u)
        second = -A * (A - u) / root**2
        move = (A / root + push - stiff * w) / (stiff - second)
        w = w + move
        if np.max(np.abs(move) / (1 + np.abs(w))) < ACCURATE:
            break
    u = (kappa - h - w) / root
    A = _mills(u)
    return w, log_ndtr(-u), A / root, -A * (A - u) / root**2


def pattern(
    kappa: float, kappa_ref: float, eps: float, gamma: float, D: float, free: float, t: float, q0: float, quality: float
) -> np.ndarray:
    """Results of `constrained_kernels.pattern`, scaled; the last is the probability that a reference touches its margin."""
    root, axis, slope, beta = math.sqrt(free), math.sqrt(q0), t / q0, gamma / D
    left = eps - gamma * beta
    spread = math.sqrt(max(1 - t * slope, 1e-300))
    near = ZERO_OF_TAIL * min(root, spread / max(abs(slope), abs(beta - slope))) / axis
    z, wz = _rule(min(near, NARROW), [kappa / axis], quality, False)
    h = axis * z
    w0, f0, d0, c0 = _maximum(h, np.zeros(h.size), 1 / D, kappa, root)
    edge = (kappa_ref - beta * w0 - slope * h) / spread  # of zeta, below which the reference touches
    untouched = 0.5 - 0.5 * erf(edge / math.sqrt(2))
    n = max(1, math.ceil(2 * RANGE / PANEL * quality))
    end = np.clip(edge, -RANGE, RANGE)
    width = (end + RANGE) / n
    centres = -RANGE + (np.arange(n)[:, None] + 0.5 + 0.5 * GAUSS_NODES[None, :]).ravel()[None, :] * width[:, None]
    share = np.tile(GAUSS_WEIGHTS, n)[None, :] * 0.5 * width[:, None] * np.exp(-0.5 * centres**2) / math.sqrt(2 * math.pi)
    H = np.broadcast_to(h[:, None], centres.shape)
    missing = kappa_ref - slope * H - spread * centres
    stiff = 1 / D + beta * beta / left
    w1, f1, d1, c1 = _maximum(H, beta * missing / left, stiff, kappa, root)
    r1 = (missing - beta * w1) / left
    value = f1 - w1**2 / (2 * D) - 0.5 * left * r1**2
    plain, touched = wz * untouched, wz[:, None] * share

    def mean(at: np.ndarray, outside: np.ndarray | float = 0.0) -> float:
        return float(np.sum(touched * at) + np.sum(plain * outside))

    square, product = mean(d1 * d1, d0 * d0), mean(r1 * d1)
    mu = product / square
    return np.array(
        [
            mean(value, f0 - w0**2 / (2 * D)),
            mean(f1, f0),
            square,
            mean(c1**2 / (stiff - c1), c0**2 / (1 / D - c0)),
            product,
            mean(r1 * r1),
            mean(-beta * c1 / (left * (stiff - c1))),
            mean((r1 - mu * d1) ** 2, (mu * d0) ** 2),
            float(np.sum(touched)),
        ]
    )
