r"""Weight side of a local entropy with an unconstrained reference, binary weights.

.. math:: W = E_z \log \sum_{\tilde w = \pm1} E_\eta [2\cosh(\hat R + \sqrt{\hat q_0} z + \sqrt{c}\,\eta + \hat p \tilde w)]^y,
    \qquad c = \hat q_1 - \hat q_0

with the averages < > of its tilted measure over w~ and eta. The inner sums are trapezoid sums on one lattice of fields h,
which exp(y log 2cosh h) is tabulated on; the window follows the mode h = omega + y c tanh h (two of them for y c > 1).
The outer average has a kink at the field 0, where the reference flips on the scale 1/y: panels graded around it.
At y -> inf with y c = C fixed, W/y tends to E max_w~ max_h { log 2cosh h - (h - omega)^2/(2C) }.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from .kernels import gaussian_rule
from .local_system import NoValue

KEPT = 42.0  # e-folds below the maximum of a tilted Gaussian at which it is cut
RESOLVED = 38.0  # e-folds that a trapezoid sum resolves
POLE = math.pi / 2  # of log 2cosh
FLAT = 1.2  # pole of the outer average where the reference hardly flips
SUPPRESSED = 40.0  # e-folds by which the unlikely reference is negligible
MOST = 400_000  # nodes of the lattice; more mean conjugates that belong to no saddle
NODES = 16384  # room for the outer rule


@dataclass(frozen=True)
class WeightSide:
    """W with its averages. At y = inf: W/y, and ``by_y`` is the next term E[-log(1 - C g'')]/2.

    square : E <t>^2, t = tanh;  spread : E Var t (y = inf: times y);  rest : E <1 - t^2>;  far : E <1 - w~ t> = 2d
    overlap : E <t>;  reference : E <w~>;  by_y : dW/dy
    """

    value: float
    by_y: float
    square: float
    spread: float
    rest: float
    far: float
    overlap: float
    reference: float


def weight_side(y: float, q0_hat: float, c: float, p_hat: float, R_hat: float, quality: float) -> WeightSide:
    """W at finite y; c = q1_hat - q0_hat. At y = inf, c is lim y (q1_hat - q0_hat)."""
    if not (q0_hat >= 0 and c > 0 and p_hat >= 0 and all(map(math.isfinite, (q0_hat, c, p_hat, R_hat)))):
        raise NoValue("conjugates outside their cone")
    out = np.empty(8)
    level = math.log2(quality)
    if math.isinf(y):
        if not _outer_envelope(q0_hat, c, p_hat, R_hat, level, out):
            raise NoValue("outer rule")
        return WeightSide(*map(float, out))
    step = resolved_step(c) / quality
    far = 9.2 * math.sqrt(q0_hat) + p_hat + abs(R_hat) + y * c + 10.0 * math.sqrt(c)
    if not far < MOST * step:
        raise NoValue("conjugates too large")
    if not _outer(y, q0_hat, c, p_hat, R_hat, step, int(far / step) + 3, level, out):
        raise NoValue("outer rule")
    return WeightSide(*map(float, out))


def resolved_step(c: float) -> float:
    """Trapezoid step for exp(-h^2/2c) cosh(h)^y: the line Im h = theta costs exp(theta^2/2c - 2 pi theta/step), theta <= pi/2."""
    free = math.pi * math.sqrt(2.0 * c / RESOLVED)
    if 2 * math.pi * c / free <= POLE:
        return free
    return 2 * math.pi * POLE / (RESOLVED + POLE * POLE / (2 * c))


@njit(cache=True, error_model="numpy")
def _tables(step, size):
    """log 2cosh, 1 - tanh and 1 - tanh^2 at k step, k >= 0."""
    g, u, s = np.empty(size), np.empty(size), np.empty(size)
    for k in range(size):
        e = math.exp(-2.0 * k * step)
        g[k] = k * step + math.log1p(e)
        u[k] = 2.0 * e / (1.0 + e)
        s[k] = 4.0 * e / ((1.0 + e) * (1.0 + e))
    return g, u, s


@njit(cache=True, error_model="numpy")
def _mode(w, spread):
    """Largest root of h = w + spread tanh h for w >= 0: Newton from above, where the equation is convex."""
    h = w + spread
    for _ in range(60):
        t = math.tanh(h)
        slope = 1.0 - spread * (1.0 - t * t)
        if slope <= 0.0:
            break
        step = (h - w - spread * t) / slope
        h -= step
        if abs(step) <= 1e-15 * (1.0 + h):
            break
    return max(h, 0.0)


@njit(cache=True, error_model="numpy")
def _inner(w, y, c, step, g, u, s, out):
    """At the field w >= 0: log E exp(y g), <1 - t>, Var t, <1 - t^2>, <g> under the tilt."""
    half = 0.5 / c
    peak = int(_mode(w, y * c) / step + 0.5)
    peak = min(peak, g.size - 1)
    top = y * g[peak] - half * (peak * step - w) ** 2
    mass, m1, m2, rest, mean = 0.0, 0.0, 0.0, 0.0, 0.0
    near, g0 = u[peak], g[peak]
    for direction in range(2):
        k = peak + 1 if direction == 0 else peak
        while 0 <= k < g.size:
            x = y * g[k] - half * (k * step - w) ** 2 - top
            if x < -KEPT:
                break
            e = math.exp(x)
            dev = u[k] - near
            mass += e
            m1 += e * dev
            m2 += e * dev * dev
            rest += e * s[k]
            mean += e * (g[k] - g0)
            back = 4.0 * half * k * step * w
            if k > 0 and x - back > -KEPT:  # the node -k: tanh and the Gaussian are reflected
                e = math.exp(x - back)
                dev = 2.0 - u[k] - near
                mass += e
                m1 += e * dev
                m2 += e * dev * dev
                rest += e * s[k]
                mean += e * (g[k] - g0)
            k += 1 if direction == 0 else -1
    m1 /= mass
    out[0] = top + math.log(mass * step * math.sqrt(half / math.pi))
    out[1] = near + m1
    out[2] = m2 / mass - m1 * m1
    out[3] = rest / mass
    out[4] = g0 + mean / mass


@njit(cache=True, error_model="numpy")
def _outer(y, q0_hat, c, p_hat, R_hat, step, size, level, out):
    """The outer average; False if the rule has no nodes."""
    g, u, s = _tables(step, size)
    a, b = np.empty(5), np.empty(5)
    z, weight = np.empty(NODES), np.empty(NODES)
    root = math.sqrt(q0_hat)
    even = R_hat == 0.0
    if root < 1e-8 and even:
        n = 1
        z[0], weight[0] = 0.0, 1.0
    else:
        _inner(p_hat, y, c, step, g, u, s, a)
        _inner(2.0 * p_hat, y, c, step, g, u, s, b)
        gain = b[0]
        _inner(0.0, y, c, step, g, u, s, b)
        pole = min(FLAT, 0.5 * math.pi / (y * max(1.0 - a[1], 1e-300)))
        kinks = np.zeros(3)
        kinks[0] = -R_hat / root
        if gain - b[0] < SUPPRESSED:  # the unlikely reference still counts where its own field vanishes
            kinks[0], kinks[1], kinks[2] = (-R_hat - p_hat) / root, -R_hat / root, (-R_hat + p_hat) / root
            if y * c > 1.0:
                pole = min(pole, 0.5 * math.pi / (y * math.tanh(_mode(0.0, y * c))))
            n = gaussian_rule(pole / root, kinks, level, even, z, weight)
        else:
            n = gaussian_rule(pole / root, kinks[:1], level, even, z, weight)
    if n == 0:
        return False
    out[:] = 0.0
    for i in range(n):
        field = R_hat + root * z[i]
        plus, minus = field + p_hat, field - p_hat
        _inner(abs(plus), y, c, step, g, u, s, a)
        _inner(abs(minus), y, c, step, g, u, s, b)
        ta = 1.0 - a[1] if plus >= 0.0 else a[1] - 1.0
        tb = 1.0 - b[1] if minus >= 0.0 else b[1] - 1.0
        fa = a[1] if plus >= 0.0 else 2.0 - a[1]  # 1 - w~ t
        fb = 2.0 - b[1] if minus >= 0.0 else b[1]
        top = max(a[0], b[0])
        pa, pb = math.exp(a[0] - top), math.exp(b[0] - top)
        total = pa + pb
        pa /= total
        pb /= total
        gap = ta - tb
        mean = pa * ta + pb * tb
        w = weight[i]
        out[0] += w * (top + math.log(total))
        out[1] += w * (pa * a[4] + pb * b[4])
        out[2] += w * mean * mean
        out[3] += w * (pa * a[2] + pb * b[2] + pa * pb * gap * gap)
        out[4] += w * (pa * a[3] + pb * b[3])
        out[5] += w * (pa * fa + pb * fb)
        out[6] += w * mean
        out[7] += w * (pa - pb)
    return True


@njit(cache=True, error_model="numpy")
def _outer_envelope(q0_hat, C, p_hat, R_hat, level, out):
    """The limit y -> inf: w~ = sign of the field, h at the mode; the flip of w~ at the field 0 adds to the spread."""
    z, weight = np.empty(NODES), np.empty(NODES)
    root = math.sqrt(q0_hat)
    if root < 1e-100:
        return False
    kinks = np.zeros(1)
    kinks[0] = -R_hat / root
    here = _mode(p_hat, C)
    e = math.exp(-2.0 * here)
    pole = min(0.5, max(1.0 - C * 4.0 * e / (1.0 + e) ** 2, 1e-3))
    n = gaussian_rule(min(pole / root, 0.3), kinks, level, R_hat == 0.0, z, weight)
    if n == 0:
        return False
    out[:] = 0.0
    for i in range(n):
        field = R_hat + root * z[i]
        w = abs(field) + p_hat
        sign = 1.0 if field >= 0.0 else -1.0
        h = _mode(w, C)
        e = math.exp(-2.0 * h)
        g = h + math.log1p(e)
        u = 2.0 * e / (1.0 + e)
        s = 4.0 * e / ((1.0 + e) * (1.0 + e))
        stiff = 1.0 - C * s
        if stiff <= 0.0:
            return False
        v = weight[i]
        out[0] += v * (g - (h - w) ** 2 / (2.0 * C))
        out[1] -= v * 0.5 * math.log(stiff)
        out[2] += v * (1.0 - u) ** 2
        out[3] += v * C * s * s / stiff
        out[4] += v * s
        out[5] += v * u
        out[6] += v * sign * (1.0 - u)
        out[7] += v * sign
    t = math.tanh(here)
    out[3] += 2.0 * t * math.exp(-0.5 * kinks[0] ** 2) / math.sqrt(2.0 * math.pi) / root
    return True
