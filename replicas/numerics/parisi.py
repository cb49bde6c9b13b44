r"""The Parisi recursion on lattices of fields: nested power means of a leaf, and the field distribution dual to them.

.. math:: \phi_{j-1}(\omega) = \frac1{m_j} \log E_z\, e^{m_j \phi_j(\omega + \sqrt{c_j} z)}, \qquad
    P_j(\omega') = \int d\omega\, P_{j-1}(\omega)\, \frac{N(\omega'; \omega, c_j)\, e^{m_j \phi_j(\omega')}}{e^{m_j \phi_{j-1}(\omega)}}

with phi_K the leaf, P_0 = N(0, c_0) and the tower T = E_{P_0} phi_0. For x(q) constant between the overlaps this is the exact
solution of Parisi's equation d phi/dq = -(phi'' + x phi'^2)/2 and of its dual; refining x(q) is the continuous limit.

Every derivative of T is an average over some P_j (heat equation): with c_j = q_j - q_{j-1} and m_{K+1} = 1,

    dT/dq_j = -(m_{j+1} - m_j) E_j[phi_j'^2]/2,       dT/dm_j = E_{j-1}[<phi_j>_j - phi_{j-1}]/m_j.

Averages are trapezoid sums, exponentially accurate for smooth integrands: level j lives on a lattice of step h_j, a power
of two times that of level j + 1, so that the nodes of a row are nodes of the next level and no value is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from .. import progress

DIGITS = 36.0  # e-folds that a trapezoid sum resolves: 2e-16
REACH = 9.0  # standard deviations of a level's Gaussian kept: mass 2e-19 beyond
SMALL = 0.05  # m under which log E exp of a weak tilt is taken as log1p E expm1: a difference over m^2 has no digits
WEAK = 0.1  # c max|phi''| under which it is at any m, too: what rounds phi then cancels in the rate; and deviation of m phi
KEPT = 46.0  # e-folds below its maximum at which a tilted Gaussian is cut: 1e-20
FACTORED = 300.0  # e-folds to either side that exp(m phi) is tabulated apart from the Gaussian
NOTHING = 1e-290  # probability of a row that is not worth spreading
MOST = 60_000  # half the nodes of a level; more mean that it is too narrow for its field range
NARROWEST = 1e-11  # increment, of the largest


class TooNarrow(ArithmeticError):
    """A level is so narrow that its lattice would not fit; the overlaps coincide or the leaf is almost singular."""


@dataclass(frozen=True)
class LeafTable:
    """A leaf on any array of fields.

    values : fields -> array of rows: the leaf, its first and second field derivatives, further observables
    pole : distance of its nearest singularity from the real axis;  noise : variance inside the leaf, whose root ``pole``
        grows with when a level adds its own;  reach : fields beyond which it is asymptotic
    concave : whether exp(leaf) is log-concave, so that every tilted Gaussian has one maximum
    """

    values: Callable[[np.ndarray], np.ndarray]
    pole: float
    noise: float = 0.0
    reach: float = 0.0
    concave: bool = True


@dataclass(frozen=True)
class Tower:
    """A tower with everything that its derivatives need; index j runs over the levels 0, ..., K.

    value : T;  square : E_j[phi_j'^2];  growth : its increments, E_{j-1} Var_j phi_j', without subtracting
    curvature : E_j[phi_j''];  curvature_square : E_j[phi_j''^2]
    slope : dT/dm_j for j >= 1 (entry 0 is unused);  extra : E_K of the leaf's further observables
    magnitude : E_0 |phi_0|, the size that rounding is relative to
    fields, phi, probability : per level, the lattice, phi_j on it, and the weights P_j
    """

    value: float
    square: np.ndarray
    growth: np.ndarray
    curvature: np.ndarray
    curvature_square: np.ndarray
    slope: np.ndarray
    extra: np.ndarray
    magnitude: float
    lost: float
    fields: list[np.ndarray]
    phi: list[np.ndarray]
    probability: list[np.ndarray]


def step_for(width: float, pole: float) -> float:
    """Largest trapezoid step for N(u; 0, width^2) exp(m phi(u)), phi analytic within ``pole``.

    A wave number k passes the kernel with exp(-c k^2/2) and the function with exp(-p k); the product has the largest share
    min over k' of c (k - k')^2/2 + p k', which must exceed the digits wanted.
    """
    k = math.sqrt(2 * DIGITS) / width
    if k * width * width > pole:
        k = (DIGITS + 0.5 * (pole / width) ** 2) / pole
    return 2 * math.pi / k


@dataclass(frozen=True)
class Outer:
    """Another outermost measure than N(0, c_0), which it must not exceed in width.

    weights : density on an array of fields, up to a factor;  width : of its narrowest feature
    """

    weights: Callable[[np.ndarray], np.ndarray]
    width: float


def lattices(
    c: np.ndarray, leaf: LeafTable, m: np.ndarray, quality: float | np.ndarray, width: float | None = None
) -> tuple[list[float], list[int], list[int]]:
    """Steps, half-sizes, and the ratio of each step to that of the next level; ``width`` of the outermost measure."""
    K = c.size - 1
    finer = np.broadcast_to(quality, K + 1)
    if np.any((c > 0) & (c < NARROWEST * c.max())):
        raise TooNarrow("neighbouring overlaps coincide")
    steps = []
    for j in range(K + 1):
        wider = math.sqrt(1.0 + float(c[j + 1 :].sum()) / leaf.noise) if leaf.noise else 1.0
        own = width if j == 0 and width is not None else math.sqrt(c[j])
        steps.append(step_for(own, leaf.pole * wider) / finer[j] if c[j] > 0 else math.inf)
    ratios, used = [1] * (K + 1), [0.0] * (K + 1)
    used[K] = min(steps) if np.any(c > 0) else 1.0
    for j in range(K - 1, -1, -1):
        allowed = min(steps[: j + 1])  # a level's lattice holds those of the levels outside it
        if math.isfinite(allowed):
            ratios[j] = 1 << max(0, int(math.floor(math.log2(allowed / used[j + 1] * (1 + 1e-12)))))
        used[j] = used[j + 1] * ratios[j]
    far = REACH * math.sqrt(c[0])
    halves = []
    for j in range(K + 1):
        if j:
            tilt = 0.0
            if m[j] > 0:
                probe = leaf.values(np.array([-far, far]))
                tilt = float(m[j] * c[j] * max(0.0, -probe[1, 0], probe[1, 1]))
            far = max(far, leaf.reach) + REACH * math.sqrt(c[j]) + tilt
        if not far <= MOST * used[j]:
            raise TooNarrow(f"fields up to {far:.2g} in steps of {used[j]:.2g}: a level is too narrow")
        halves.append(int(math.ceil(far / used[j])) if far > 0 else 0)
    return used, halves, ratios


def tower(
    leaf: LeafTable, c: np.ndarray, m: np.ndarray, quality: float | np.ndarray = 1.0, outer: Outer | None = None
) -> Tower:
    """Evaluate a tower of increments c_0, ..., c_K (c_0 may be 0) and powers m_1 <= ... <= m_K (m[0] is 0).

    ``quality`` divides the steps, of every level or of each; ``outer`` replaces the outermost measure N(0, c_0).
    """
    progress.evaluated()
    c, m = np.asarray(c, dtype=float), np.asarray(m, dtype=float)
    K = c.size - 1
    if not (np.isfinite(c).all() and np.isfinite(m).all() and leaf.pole > 0):
        raise TooNarrow("order parameters are not finite")
    steps, halves, ratios = lattices(c, leaf, m, quality, None if outer is None else outer.width)
    fields = [np.arange(-n, n + 1) * h for n, h in zip(halves, steps)]
    table = leaf.values(fields[K])
    phi, first, second = [table[0]], [table[1]], [table[2]]
    rates: list[np.ndarray] = []
    variances: list[np.ndarray] = []
    lost = 0.0
    for j in range(K, 0, -1):
        rows = halves[j - 1]
        out = np.empty((5, 2 * rows + 1))
        _backward(phi[0], first[0], second[0], steps[j], halves[j], ratios[j - 1], rows, c[j], m[j], leaf.concave, out)
        phi.insert(0, out[0])
        first.insert(0, out[1])
        second.insert(0, out[2])
        rates.insert(0, out[3])
        variances.insert(0, out[4])
    weight = _gaussian(fields[0], c[0], steps[0])
    if outer is not None:
        weight = outer.weights(fields[0])
        weight /= weight.sum()
    probability = [weight]
    for j in range(1, K + 1):
        spread = np.zeros(fields[j].size)
        _forward(
            phi[j],
            first[j],
            phi[j - 1],
            probability[-1],
            steps[j],
            halves[j],
            ratios[j - 1],
            halves[j - 1],
            c[j],
            m[j],
            leaf.concave,
            spread,
        )
        lost = max(lost, abs(1.0 - float(spread.sum())))
        probability.append(spread)
    square = np.array([p @ (f * f) for p, f in zip(probability, first)])
    curvature = np.array([p @ f for p, f in zip(probability, second)])
    curvature_square = np.array([p @ (f * f) for p, f in zip(probability, second)])
    slope = np.zeros(K + 1)
    growth = np.array([square[0]] + [0.0] * K)
    for j in range(1, K + 1):
        slope[j] = probability[j - 1] @ rates[j - 1]
        growth[j] = probability[j - 1] @ variances[j - 1]
    return Tower(
        float(weight @ phi[0]),
        square,
        growth,
        curvature,
        curvature_square,
        slope,
        table[3:] @ probability[K],
        float(weight @ np.abs(phi[0])),
        lost,
        fields,
        phi,
        probability,
    )


def _gaussian(x: np.ndarray, variance: float, step: float) -> np.ndarray:
    if variance == 0:
        return np.ones(1)
    w = np.exp(-x * x / (2 * variance))
    return w / w.sum()


@njit(cache=True, error_model="numpy")
def _extended(phi, half, i):
    """phi at lattice index i, continued quadratically beyond the lattice."""
    if i > half:
        a, b, d = phi[2 * half], phi[2 * half - 1], phi[2 * half - 2]
        t = float(i - half)
        return a + t * (a - b) + 0.5 * t * (t + 1.0) * (a - 2.0 * b + d)
    if i < -half:
        a, b, d = phi[0], phi[1], phi[2]
        t = float(-half - i)
        return a + t * (a - b) + 0.5 * t * (t + 1.0) * (a - 2.0 * b + d)
    return phi[i + half]


@njit(cache=True, error_model="numpy")
def _wide(h, c):
    """Half the lattice steps of one Gaussian."""
    return int(9.5 * math.sqrt(c) / h) + 2


@njit(cache=True, error_model="numpy")
def _span(first, h, c, m):
    """Lattice steps from the centre within which m phi - u^2/2c > m phi(centre) - KEPT, |phi'| being bounded."""
    tilt = abs(m) * c * np.max(np.abs(first))
    return int((tilt + math.sqrt(tilt * tilt + 2.0 * KEPT * c)) / h) + 2


@njit(cache=True, error_model="numpy")
def _window(phi, half, centre, h, c, m, concave, guess, span):
    """(first, last, top): indices with m phi - u^2/2c within reach of its maximum, u the distance from ``centre``.

    guess : where a concave exponent is climbed from;  span : distance beyond which any other one is out of reach
    """
    scale = h * h / (2.0 * c)
    wide = _wide(h, c)
    if concave:
        i = guess
        top = m * _extended(phi, half, i) - scale * (i - centre) ** 2
        for direction in (1, -1):
            while True:
                value = m * _extended(phi, half, i + direction) - scale * (i + direction - centre) ** 2
                if value <= top or abs(i + direction) > half + 4 * wide:
                    break
                top = value
                i += direction
        return i - wide, i + wide, top
    stride = max(1, wide // 19)
    top = m * _extended(phi, half, centre)
    begin, end = max(-half, centre - span), min(half, centre + span)
    for i in range(begin, end + 1, stride):
        value = m * phi[i + half] - scale * (i - centre) ** 2
        if value > top:
            top = value
    first, last = centre, centre
    for i in range(begin, end + 1, stride):
        if m * phi[i + half] - scale * (i - centre) ** 2 > top - KEPT:
            first, last = min(first, i), max(last, i)
    return max(first - stride, -half - wide), min(last + stride, half + wide), top


@njit(cache=True, error_model="numpy")
def _factors(phi, half, h, c, m, wide):
    """exp(m phi - level), exp(-u^2/2c) and level: the products are tilted Gaussians; empty where they would overflow."""
    level = m * phi[half]
    if not (np.max(m * phi) - level < FACTORED and half > 0):
        return np.empty(0), np.empty(0), level
    scale = h * h / (2.0 * c)
    tilt = np.empty(2 * (half + wide) + 1)
    for i in range(tilt.size):
        tilt[i] = math.exp(m * _extended(phi, half, i - half - wide) - level)
    reach = 2 * (half + wide)
    kernel = np.empty(2 * reach + 1)
    for i in range(kernel.size):
        kernel[i] = math.exp(-scale * (i - reach) ** 2)
    return tilt, kernel, level


@njit(cache=True, error_model="numpy")
def _padded(values, half, wide, straight):
    """A function on the lattice and ``wide`` nodes beyond either end: quadratic, or constant unless ``straight``."""
    out = np.empty(2 * (half + wide) + 1)
    for i in range(-half - wide, half + wide + 1):
        out[i + half + wide] = _extended(values, half, i) if straight else values[min(max(i, -half), half) + half]
    return out


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _sums(tilt, kernel, f, first, second, ref, near):
    """Sums of a row over equally long stretches, in any order: the compiler may add several terms at once."""
    mass, mean, d1, d2, s2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(tilt.size):
        e = tilt[i] * kernel[i]
        slope = first[i] - near
        mass += e
        mean += e * (f[i] - ref)
        d1 += e * slope
        d2 += e * second[i]
        s2 += e * slope * slope
    return mass, mean, d1, d2, s2


@njit(cache=True, error_model="numpy")
def _backward(phi, first, second, h, half, ratio, rows, c, m, concave, out):
    """Rows of the next level out: phi, its two derivatives, (<phi> - phi)/m under the tilt, and the variance of phi'."""
    if c == 0.0:
        for a in range(-rows, rows + 1):
            k = a * ratio + half
            out[0, a + rows], out[1, a + rows], out[2, a + rows], out[3, a + rows] = phi[k], first[k], second[k], 0.0
            out[4, a + rows] = 0.0
        return
    scale = h * h / (2.0 * c)
    norm = h / math.sqrt(2.0 * math.pi * c)
    span = 0 if concave else _span(first, h, c, m)
    wide = _wide(h, c)
    tilt, kernel, level = _factors(phi, half, h, c, m, wide)
    factored = tilt.size > 0
    beyond = wide if factored else 0
    f_pad = _padded(phi, half, beyond, True)
    first_pad = _padded(first, half, beyond, False)
    second_pad = _padded(second, half, beyond, False)
    root = math.sqrt(c)
    narrow = c * np.max(np.abs(second)) < WEAK
    guess = -rows * ratio
    for a in range(-rows, rows + 1):
        centre = a * ratio
        lo, hi, top = _window(phi, half, centre, h, c, m, concave, guess, span)
        guess = (lo + hi) // 2 + ratio if concave else centre
        ref = _extended(phi, half, centre)
        mass = 0.0
        mean = 0.0
        d1 = 0.0
        d2 = 0.0
        s2 = 0.0
        near = first[min(max(centre, -half), half) + half]  # deviations from it: a narrow level cancels nothing
        small = (narrow or abs(m) < SMALL) and abs(m) * (abs(near) * root + c * abs(second[centre + half])) < WEAK
        excess = 0.0
        plain = 0.0
        if factored and top > level - FACTORED and lo >= -half - wide and hi <= half + wide:
            top = level
            n, k, u = hi - lo + 1, lo + half + wide, lo - centre + 2 * (half + wide)
            mass, mean, d1, d2, s2 = _sums(
                tilt[k : k + n],
                kernel[u : u + n],
                f_pad[k : k + n],
                first_pad[k : k + n],
                second_pad[k : k + n],
                ref,
                near,
            )
        else:
            for i in range(lo, hi + 1):
                k = min(max(i, -half), half) + half
                f = phi[k] if -half <= i <= half else _extended(phi, half, i)
                e = math.exp(m * f - scale * (i - centre) ** 2 - top)
                slope = first[k] - near
                mass += e
                mean += e * (f - ref)
                d1 += e * slope
                d2 += e * second[k]
                s2 += e * slope * slope
        if small:
            for i in range(lo, hi + 1):
                f = _extended(phi, half, i)
                g = math.exp(-scale * (i - centre) ** 2)
                plain += g * (f - ref)
                excess += g * (math.expm1(m * (f - ref)) - m * (f - ref))
        mean /= mass
        d1 /= mass
        d2 /= mass
        s2 /= mass
        if small:
            # log E e^{m x} = log1p(m <x> + E[e^{mx} - 1 - mx]), nothing cancels as m -> 0
            gain = math.log1p(norm * (m * plain + excess)) / m
            value = ref + gain
            # (<x> - log E e^{mx}/m)/m -> Var/2: from the variance where m is so small that the difference has no digits
            var = 0.0
            for i in range(lo, hi + 1):
                f = _extended(phi, half, i) - ref - mean
                var += math.exp(m * (f + mean + ref) - scale * (i - centre) ** 2 - top) * f * f
            var /= mass
            rate = (mean - gain) / m
            if m * math.sqrt(var) < 1e-7:
                rate = 0.5 * var
        else:
            value = (top + math.log(norm * mass)) / m
            rate = (mean - (value - ref)) / m
        out[0, a + rows] = value
        out[1, a + rows] = near + d1
        out[2, a + rows] = d2 + m * (s2 - d1 * d1)
        out[3, a + rows] = rate
        out[4, a + rows] = s2 - d1 * d1


@njit(cache=True, error_model="numpy")
def _add(spread, share, tilt, kernel):
    for i in range(spread.size):
        spread[i] += share * tilt[i] * kernel[i]


@njit(cache=True, error_model="numpy")
def _forward(phi, first, above, weight, h, half, ratio, rows, c, m, concave, spread):
    """Spread the weights of the rows over the lattice of the next level."""
    if c == 0.0:
        for a in range(-rows, rows + 1):
            spread[a * ratio + half] += weight[a + rows]
        return
    scale = h * h / (2.0 * c)
    norm = h / math.sqrt(2.0 * math.pi * c)
    span = 0 if concave else _span(first, h, c, m)
    wide = _wide(h, c)
    tilt, kernel, level = _factors(phi, half, h, c, m, wide)
    guess = -rows * ratio
    for a in range(-rows, rows + 1):
        p = weight[a + rows]
        centre = a * ratio
        if p < NOTHING:
            guess = centre
            continue
        lo, hi, top = _window(phi, half, centre, h, c, m, concave, guess, span)
        guess = (lo + hi) // 2 + ratio if concave else centre
        base = m * above[a + rows]
        lo, hi = max(lo, -half), min(hi, half)
        if tilt.size and top > level - FACTORED:
            share = p * norm * math.exp(level - base)
            n, k, u = max(hi - lo + 1, 0), lo + half + wide, lo - centre + 2 * (half + wide)
            _add(spread[lo + half : lo + half + n], share, tilt[k : k + n], kernel[u : u + n])
        else:
            for i in range(lo, hi + 1):
                spread[i + half] += p * norm * math.exp(m * phi[i + half] - base - scale * (i - centre) ** 2)
