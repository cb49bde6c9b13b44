r"""Averages of the local entropy with a constrained reference: the two sides of `replicas.numerics.constrained_reference`.

Weights: given x, the two values of the reference are two averages over eta (trapezoid sums), and its field x~ enters one
log 2cosh only. Patterns: the outer field h on the axis of the solutions, h~ given h, panels graded around the field where
the reference begins to touch its margin (and the one where its solutions leave theirs), inner trapezoid sums from their mode.
Steps vary smoothly with the order parameters, so that Newton sees smooth functions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .kernels import GAUSS_NODES, GAUSS_WEIGHTS, LOG_SQRT_2PI, SQRT_2PI, SQRT_HALF, _graded, log_tail, mills

DIGITS = 24.0  # e-folds that trapezoid sums of the pattern side resolve at quality 1: 4e-11
SITE_DIGITS = 33.0  # of the weight side, whose poles are double
REACH = 7.6  # standard deviations kept at quality 1: mass 3e-14 beyond
FARTHEST = 9.0
ZERO_OF_TAIL = 2.816  # distance of the complex zeros of H from the real axis
FIRST, CAP = 1.3, 2.2  # width of the innermost panel in distances of its pole, and of the widest one
PANELS_BELOW = 0.35  # distance of a pole under which graded panels need fewer nodes than the trapezoid
MOST = 40_000  # nodes of one average
PLAIN_BELOW = 12.0  # argument of H under which erfc serves, to 1e-14; continued fractions beyond
ONE_BELOW = -8.5  # argument under which H = 1
SITE = 10  # results of a weight side
PATTERN = 9


@njit(cache=True, error_model="numpy")
def step_for(width, pole, digits):
    """Trapezoid step for N(0, width^2) times a function analytic within ``pole``; see `parisi.step_for`."""
    k = math.sqrt(2.0 * digits) / width
    if k * width * width > pole:
        k = (digits + 0.5 * (pole / width) ** 2) / pole
    return 2.0 * math.pi / k


@njit(cache=True, error_model="numpy")
def reach(quality):
    return min(FARTHEST, REACH * math.sqrt(quality))


@njit(cache=True, error_model="numpy")
def rule(pole, kinks, count, digits, quality, half, z, weight):
    """Nodes and weights of a standard normal average, poles at distance ``pole`` above the sorted kinks; 0 if too many."""
    far = reach(quality)
    if not pole > 0.0:
        return 0
    n = 0
    if pole > PANELS_BELOW:
        step = step_for(1.0, pole, digits) / quality
        m = int(math.ceil(far / step))
        if 2 * m + 1 > z.size:
            return 0
        for i in range(0 if half else -m, m + 1):
            z[n] = i * step
            weight[n] = step * math.exp(-0.5 * z[n] ** 2) / SQRT_2PI
            if half and i > 0:
                weight[n] *= 2.0
            n += 1
        return n
    edges = np.empty(4096)
    edges[0] = 0.0 if half else -far
    at = edges[0]
    panels = 1
    left = False
    first, cap = max(FIRST * pole / quality, 1e-9), CAP / quality
    for k in range(count + 1):
        last = k == count
        end = far if last else kinks[k]
        if not last and (end <= at or end >= far):
            left = left or end == at
            continue
        panels = _graded(edges, panels, at, end, first, cap, left, not last)
        at, left = end, True
    for p in range(panels - 1):
        r, c = 0.5 * (edges[p + 1] - edges[p]), 0.5 * (edges[p + 1] + edges[p])
        if n + GAUSS_NODES.size > z.size:
            return 0
        for i in range(GAUSS_NODES.size):
            x = c + r * GAUSS_NODES[i]
            z[n] = x
            weight[n] = r * GAUSS_WEIGHTS[i] * math.exp(-0.5 * x * x) / SQRT_2PI * (2.0 if half else 1.0)
            n += 1
    return n


# --- weights ------------------------------------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def power(centre, width, step, nodes, y, out):
    """log E_eta (2cosh u)^y, u = centre + width eta, and tilted averages: log 2cosh, 1 - tanh, 1 + tanh, sech^2, Var tanh."""
    top = -np.inf
    for i in range(-nodes, nodes + 1):
        eta = i * step
        a = abs(centre + width * eta)
        value = y * (a + math.log1p(math.exp(-2.0 * a))) - 0.5 * eta * eta
        top = max(top, value)
    mass, level, down, up, square, other = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(-nodes, nodes + 1):
        eta = i * step
        u = centre + width * eta
        a = abs(u)
        e = math.exp(-2.0 * a)
        value = a + math.log1p(e)
        share = y * value - 0.5 * eta * eta - top
        if share < -46.0:
            continue
        share = math.exp(share)
        small, large = 2.0 * e / (1.0 + e), 2.0 / (1.0 + e)
        mass += share
        level += share * value
        down += share * (small if u > 0 else large)
        up += share * (large if u > 0 else small)
        square += share * small * large
    out[0] = top + math.log(mass * step) - LOG_SQRT_2PI
    out[1], out[2], out[3], out[4] = level / mass, down / mass, up / mass, square / mass
    mean = 1.0 - out[2] if out[2] < 1.0 else out[3] - 1.0
    for i in range(-nodes, nodes + 1):
        eta = i * step
        u = centre + width * eta
        a = abs(u)
        e = math.exp(-2.0 * a)
        share = y * (a + math.log1p(e)) - 0.5 * eta * eta - top
        if share > -46.0:
            t = math.copysign((1.0 - e) / (1.0 + e), u) - mean
            other += math.exp(share) * t * t
    out[5] = other / mass


@njit(cache=True, error_model="numpy")
def site(y, q0_hat, gap_hat, mu, s, shift, quality, out):
    """Weight side: x ~ N(0, q0_hat), x~ = mu x + s zeta, fields x + sqrt(gap_hat) eta +- shift.

    out: E log sum, E <log 2cosh>, 1 - q~, p - t, q1 - q0, 1 - q1, d, q~, t, q0. False where the nodes are too many.
    """
    root, width = math.sqrt(q0_hat), math.sqrt(gap_hat)
    step = step_for(1.0, 0.5 * math.pi / width, SITE_DIGITS) / quality
    nodes = int(math.ceil((y * width + reach(quality)) / step))
    if not nodes <= MOST:
        return False
    plus, minus = np.empty(6), np.empty(6)
    power(shift, width, step, nodes, y, plus)
    power(-shift, width, step, nodes, y, minus)
    steep = max(1.0, abs(mu + 0.5 * y * (minus[2] - plus[2])))
    power(0.0, width, step, nodes, y, plus)
    steep = max(steep, plus[4] + y * plus[5])
    kinks = np.array([0.0, abs(shift) / root])
    z, weight = np.empty(MOST), np.empty(MOST)
    n = rule(0.5 * math.pi / steep / root, kinks, 2, SITE_DIGITS, quality, True, z, weight)
    if n == 0:
        return False
    zeta, share, centre = np.empty(MOST), np.empty(MOST), np.empty(1)
    out[:] = 0.0
    for i in range(n):
        x = root * z[i]
        power(x + shift, width, step, nodes, y, plus)
        power(x - shift, width, step, nodes, y, minus)
        a = mu * x + 0.5 * (plus[0] - minus[0])
        centre[0] = -a / s
        m = rule(0.5 * math.pi / s, centre, 1, SITE_DIGITS, quality, False, zeta, share)
        if m == 0:
            return False
        value, first, second, free = 0.0, 0.0, 0.0, 0.0  # E log 2cosh, E tanh, E tanh^2, E sech^2
        for j in range(m):
            u = a + s * zeta[j]
            e = math.exp(-2.0 * abs(u))
            value += share[j] * (abs(u) + math.log1p(e))
            t = (1.0 - e) / (1.0 + e)
            first += share[j] * math.copysign(t, u)
            second += share[j] * t * t
            free += share[j] * 4.0 * e / ((1.0 + e) * (1.0 + e))
        A, B = 0.5 * (minus[3] - plus[2]), 0.5 * (minus[2] - plus[2])
        high, low = 0.5 * (1.0 + first), 0.5 * (1.0 - first)  # probabilities of the reference
        w = weight[i]
        out[0] += w * (0.5 * (plus[0] + minus[0]) + value)
        out[1] += w * (high * plus[1] + low * minus[1])
        out[2] += w * free
        out[3] += w * B * free
        out[4] += w * (high * plus[5] + low * minus[5] + B * B * free)
        out[5] += w * (high * plus[4] + low * minus[4])
        out[6] += w * 0.5 * (high * plus[2] + low * minus[3])
        out[7] += w * second
        out[8] += w * (A * first + B * second)
        out[9] += w * (A * A + 2.0 * A * B * first + B * B * second)
    return True


@njit(cache=True, error_model="numpy")
def log_h(x):
    """log H(x) to 1e-14, faster than `kernels.log_tail`."""
    if x < 0.0:
        return math.log1p(-0.5 * math.erfc(-x * SQRT_HALF))
    if x < PLAIN_BELOW:
        return math.log(0.5 * math.erfc(x * SQRT_HALF))
    return log_tail(x)


@njit(cache=True, error_model="numpy")
def ratio_h(x):
    """A(x) to 1e-14, faster than `kernels.mills`."""
    if x < PLAIN_BELOW:
        return math.exp(-0.5 * x * x) / (0.5 * SQRT_2PI * math.erfc(x * SQRT_HALF))
    return mills(x)


# --- patterns -----------------------------------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def best(h, kappa, y, width, root):
    """Mode of -z^2/2 + y log H((kappa - h - width z)/root) and minus the curvature there: a concave function."""
    ratio = width / root
    z = 0.0
    curvature = 1.0
    for _ in range(60):
        u = (kappa - h - width * z) / root
        a = ratio_h(u)
        gradient = -z + y * ratio * a
        curvature = 1.0 + y * ratio * ratio * a * (a - u)
        move = gradient / curvature
        z += move
        if abs(move) < 1e-9 * (1.0 + abs(z)):
            break
    return z, curvature


@njit(cache=True, error_model="numpy")
def pattern(y, kappa, kappa_ref, free_ref, cross, gap, free, q_ref, t, q0, quality, out):
    """Pattern side at 1 - q~, p - t, q1 - q0, 1 - q1, q~, t, q0.

    out: E log Z, E <f>, and of the scores r~ of the reference and f' of a solution: E <f'>^2, E Var f', E <r~> <f'>,
    E <r~>^2, E Cov(r~, f'), then E (<r~> - mu <f'>)^2 with mu = E<r~><f'>/E<f'>^2, and the mass of the nodes.
    False where the nodes are too many.
    """
    width, root = math.sqrt(gap), math.sqrt(free)
    b = cross / width
    left = free_ref - b * b
    noise = math.sqrt(left)
    slope = t / q0
    spread = math.sqrt(max(q_ref - t * slope, 0.0))
    axis = math.sqrt(q0)
    ratio = width / root
    sharp = 1.0 / math.sqrt(1.0 + b * b / left + y * ratio * ratio)
    step = step_for(sharp, ZERO_OF_TAIL / ratio, DIGITS) / quality  # resolves the reference's margin; few averages need it
    pole_inner = ZERO_OF_TAIL / ratio
    coarse = step_for(1.0 / math.sqrt(1.0 + y * ratio * ratio), pole_inner, DIGITS) / quality
    kept = (DIGITS + 3.0) * quality
    beta = cross / gap
    tilt = max(abs(slope), abs(beta - slope))
    touch = math.sqrt(left + b * b / (1.0 + y * ratio * ratio))
    pole = ZERO_OF_TAIL * min(root, math.sqrt(touch * touch + spread * spread) / tilt) / axis
    z, weight, kinks = np.empty(MOST), np.empty(MOST), np.empty(2)
    kinks[0] = kappa / axis
    n = rule(pole, kinks, 1, DIGITS, quality, False, z, weight)
    if n == 0:
        return False
    zeta, share = np.empty(MOST), np.empty(MOST)
    size = 2 * MOST + 1
    log_f, score, energy = np.empty(size), np.empty(size), np.empty(size)
    known = np.empty(size, dtype=np.int64)
    known[:] = -1
    total = 0
    store = np.empty((7, 4096))
    out[:] = 0.0
    for i in range(n):
        h = axis * z[i]
        top, curvature = best(h, kappa, y, width, root)
        mean = slope * h
        touch = math.sqrt(left + b * b / curvature)
        if spread > 0.0:
            count = 1
            kinks[0] = (kappa_ref - b * top - mean) / spread
            pole = ZERO_OF_TAIL * touch / spread
            if h < kappa and b > 0.0:
                at = (kappa - h) / width
                kinks[1] = (kappa_ref - at * (b + left / b) - mean) / spread
                pole = min(pole, ZERO_OF_TAIL * root * free_ref / (cross * spread))
                count = 2
                if kinks[1] < kinks[0]:
                    kinks[0], kinks[1] = kinks[1], kinks[0]
            m = rule(pole, kinks, count, DIGITS, quality, False, zeta, share)
            if m == 0:
                return False
        else:
            m = 1
            zeta[0], share[0] = 0.0, 1.0
        mode = int(round(top / step))
        best_energy = y * log_h((kappa - h - width * top) / root) - 0.5 * top * top
        apart = -1
        for j in range(m):
            w = weight[i] * share[j]
            ref = kappa_ref - mean - spread * zeta[j]
            stride = 1
            if b > 0.0 and ref < b * top:
                at = ref / b
                u = (kappa - h - width * at) / root
                climb = (y * ratio * ratio_h(u) - at) * noise / b
                drop = best_energy - y * log_h(u) + 0.5 * at * at - 0.5 * climb * climb - 1.0
                if drop > kept:  # the reference does not feel its margin: the same for all h~ of this h
                    if apart >= 0:
                        store[0, apart] += w
                        continue
                    apart = total
                digits = max(DIGITS - drop / quality, 1.0)
                stride = max(1, int(min(coarse, step_for(sharp, pole_inner, digits) / quality) / step))
            # climb to the mode on the lattice
            k = min(max(mode, -MOST + 1), MOST - 1)
            here = _exponent(k, i, step, h, kappa, y, width, root, log_f, score, energy, known)
            here += log_h((ref - b * k * step) / noise)
            for direction in (1, -1):
                while abs(k) < MOST - 1:
                    next_ = _exponent(k + direction, i, step, h, kappa, y, width, root, log_f, score, energy, known)
                    next_ += log_h((ref - b * (k + direction) * step) / noise)
                    if next_ <= here:
                        break
                    here = next_
                    k += direction
            if abs(k) >= MOST - 1:
                return False
            mode = k
            near = score[k + MOST]
            mass, sum_f, d1, d2, r1, rd = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for direction in (1, -1):
                k = mode if direction == 1 else mode - stride
                while True:
                    if abs(k) >= MOST:
                        return False
                    e = _exponent(k, i, step, h, kappa, y, width, root, log_f, score, energy, known) - here
                    x = (ref - b * k * step) / noise
                    if x < ONE_BELOW:
                        e = math.exp(e)
                        r = 0.0
                    elif x < PLAIN_BELOW:
                        e = math.exp(e)
                        r = e * math.exp(-0.5 * x * x) / SQRT_2PI
                        e *= 0.5 * math.erfc(x * SQRT_HALF)
                    else:
                        e = math.exp(e + log_h(x))
                        r = e * ratio_h(x)
                    dev = score[k + MOST] - near
                    mass += e
                    sum_f += e * log_f[k + MOST]
                    d1 += e * dev
                    d2 += e * dev * dev
                    r1 += r
                    rd += r * dev
                    if e < math.exp(-kept):
                        break
                    k += direction * stride
            sum_f /= mass
            d1 /= mass
            d2 /= mass
            r1 /= mass * noise
            rd /= mass * noise
            if total == store.shape[1]:
                bigger = np.empty((7, 2 * total))
                bigger[:, :total] = store
                store = bigger
            store[0, total], store[1, total], store[2, total] = w, r1, near + d1
            store[3, total], store[4, total] = here + math.log(mass * step * stride) - LOG_SQRT_2PI, sum_f
            store[5, total], store[6, total] = d2 - d1 * d1, rd - r1 * d1
            total += 1
    for i in range(total):
        w, r, f = store[0, i], store[1, i], store[2, i]
        out[0] += w * store[3, i]
        out[1] += w * store[4, i]
        out[2] += w * f * f
        out[3] += w * store[5, i]
        out[4] += w * r * f
        out[5] += w * r * r
        out[6] += w * store[6, i]
        out[8] += w
    mu = out[4] / out[2]
    for i in range(total):
        out[7] += store[0, i] * (store[1, i] - mu * store[2, i]) ** 2
    return True


@njit(cache=True, error_model="numpy")
def _exponent(k, row, step, h, kappa, y, width, root, log_f, score, energy, known):
    """-z^2/2 + y f(h + width z) at a node of the inner lattice, with f and f' kept for the row."""
    i = k + MOST
    if known[i] != row:
        z = k * step
        u = (kappa - h - width * z) / root
        log_f[i] = log_h(u)
        score[i] = ratio_h(u) / root
        energy[i] = y * log_f[i] - 0.5 * z * z
        known[i] = row
    return energy[i]
