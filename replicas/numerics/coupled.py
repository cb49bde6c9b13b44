r"""Averages over two coupled fields: a reference configuration W~ and a configuration W constrained to overlap with it.

At the replica-symmetric saddle of the reference (overlap q~ between references, conjugate q~_hat) the fields of a pattern are

.. math:: \tilde w = \sqrt{\tilde q}\,x + b z, \qquad w = \tau x + \gamma z, \qquad x, z \sim N(0, 1),

with t = sqrt(q~) tau the overlap of W with other references, q = tau^2 + gamma^2 that between two W, p = t + b gamma that
with the own reference. z carries the weight exp[f~(w~; Q~ - q~ - b^2) - f~(sqrt(q~) x; Q~ - q~)], of mean 1. The factors
tau, gamma, b are carried, not the overlaps: at the typical distance gamma vanishes while b does not.

The pattern side is summed along w (where the leaf of W is sharp) and across it; the site side over x, the reference's weight
and z. `replicas.symbolic.franz_parisi` derives what is averaged here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

from .. import progress
from .parisi import LeafTable, TooNarrow

ORDER = 12  # Gauss-Legendre nodes of a panel
WIDEST = 1.5  # of a panel, in standard deviations: 12 nodes then resolve a Gaussian to rounding
FIRST = 0.5  # width of the panels beside a kink, in units of the distance of the poles above it
GROWTH = 0.35  # of a panel's width with its distance from the kink
REACH = 9.0  # standard deviations kept: mass 2e-19 beyond
TAIL = 7.0  # the same of the pattern side, where the reference's weight pushes z outwards at the far end of x: mass 3e-12 there,
# all of which it would take to be wrong by as much
COARSEST = 0.5  # step of a trapezoid sum over a Gaussian, in standard deviations
SHARPEST = 1e-3  # pole distance or step, in standard deviations, below which a grid would not fit
LARGEST = 2_000_000  # nodes of a grid over two fields
SPREAD = 3.0  # standard deviation of h from which its average is taken beside h = 0
BESIDE = (0.0, 0.6, 1.5, 3.0, 5.0, 8.0, 12.0, 20.0)  # panels there
NOTHING = 1e-25  # probability that is not worth an average
FEW = 8  # values of a weight for which averages over h are summed one by one
DEGREE, FLAT = 18, 20.0  # Chebyshev coefficients of an average on a panel of width 1 or more; field at which tanh is 1
BLUR = 0.5  # width of a panel, in units of the gamma_hat that it is averaged over
WEIGHTLESS, ROUGH = -52.0, 400  # log-weight of a node that is left out, and places of the table that says so
ALIKE = 0.03  # gamma below which f' and f~' nearly agree, so that their difference needs all digits of both
RESOLVED = 36.0  # e-folds that a trapezoid sum resolves


@dataclass(frozen=True)
class Reference:
    """The measure a reference configuration is drawn from, at its replica-symmetric saddle.

    q, q_hat, norm : overlap, its conjugate, self-overlap Q~
    leaf : noise V -> table of f~(., V);  kinks : fields where its likelihood jumps or bends
    values, logs : nodes of the measure of one weight and the logarithms of their weights, exp(-lam w^2/2) included
    pole : distance from the real axis of the zeros of sum exp(logs + h values), in h
    stable : whether that saddle is stable against replica symmetry breaking
    """

    q: float
    q_hat: float
    norm: float
    leaf: Callable[[float], LeafTable]
    kinks: tuple[float, ...]
    values: np.ndarray
    logs: np.ndarray
    pole: float
    stable: bool | None = None

    @property
    def rest(self) -> float:
        """Q~ - q~."""
        return self.norm - self.q


@dataclass(frozen=True)
class Patterns:
    """Averages over the fields of a pattern, primes in the field of W unless they are on the reference's leaf.

    value E<f>;  square E<f'^2>;  cross E<f~' f'> inside the weight;  other E f~'(sqrt(q~) x) <f'>;
    ratio other/E f~'(sqrt(q~) x)^2 and excess E<(f' - ratio f~')^2>;  lost |E[weight] - 1|
    """

    value: float
    square: float
    cross: float
    other: float
    ratio: float
    excess: float
    lost: float


@dataclass(frozen=True)
class Sites:
    """Averages over a weight: E<g>, E<g'^2>, E<w~ g'>, E<w~><g'>, E<sign(w~) g'>, E<(w~ - <w~>) g'>, E<(g' - c <w~>)^2>,
    E<(g' - c <w~> - k (w~ - <w~>))^2>."""

    value: float
    square: float
    own: float
    other: float
    sign: float
    beside: float
    excess: float
    across: float


@lru_cache(maxsize=4)
def _legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(order)
    return x, w


def panels(kinks: list[tuple[float, float]], reach: float, quality: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on panels graded around kinks (place, distance of the poles above it), to be used with a normal density."""
    marks = [(at, FIRST * pole) for at, pole in kinks if abs(at) < reach]
    if not all(math.isfinite(at) and first > SHARPEST for at, first in marks):
        raise TooNarrow("an average is too sharp for its grid")
    edges = [-reach]
    ends = sorted([at for at, _ in marks] + [reach])
    while edges[-1] < reach:
        x = edges[-1]
        width = min([WIDEST] + [first + GROWTH * abs(x - at) for at, first in marks]) / quality
        end = next(e for e in ends if e > x)
        edges.append(end if x + 1.3 * width >= end else x + width)
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    unit, w = _legendre(ORDER)
    half = (high - low)[:, None] / 2
    nodes = ((high + low)[:, None] / 2 + half * unit).ravel()
    return nodes, (half * w).ravel()


def trapezoid(pole: float, reach: float, quality: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a standard normal for a function analytic within ``pole``."""
    step = min(COARSEST, 2 * math.pi * pole / RESOLVED) / quality
    if not step > SHARPEST:
        raise TooNarrow("an average is too sharp for its grid")
    n = math.ceil(reach / step)
    nodes = np.arange(-n, n + 1) * step
    weights = np.exp(-nodes * nodes / 2)
    return nodes, weights / weights.sum()


def patterns(
    reference: Reference,
    leaf: Callable[[float], LeafTable],
    kinks: tuple[float, ...],
    tau: float,
    gamma: float,
    b: float,
    V: float,
    v: float,
    quality: float = 1.0,
) -> Patterns:
    """The averages over a pattern, V = 1 - q and v = Q~ - q~ - b^2 the noise inside the two leaves."""
    progress.evaluated()
    root = math.hypot(tau, gamma)
    along, across = (tau / root, gamma / root) if root > 0 else (0.0, 1.0)
    outside = math.sqrt(reference.q)
    near, far = outside * along + b * across, outside * across - b * along  # w~ along and across w
    inner, outer, own = reference.leaf(v), reference.leaf(reference.rest), leaf(V)
    if gamma < ALIKE:
        inner, outer, own = (getattr(table, "exact", table) for table in (inner, outer, own))
    marks = [(k / root, own.pole / root) for k in kinks] if root > 0 else []
    if abs(near) > 0:
        blurred = math.hypot(inner.pole, far)  # what is left of the reference's kink once r is averaged over
        marks += [(k / near, blurred / abs(near)) for k in reference.kinks]
    ends = outer.values(np.array([-TAIL, TAIL]) * outside)
    reach = max(REACH, TAIL + abs(b) * float(np.abs(ends[1]).max()))
    s, ws = panels(marks, reach, quality)
    sharp = min([math.inf] + [abs(p / c) for p, c in ((inner.pole, far), (outer.pole, outside * across)) if c])
    # nothing depends on x = +-r where neither field does
    r = np.zeros(1) if outside == 0.0 and tau == 0.0 else trapezoid(sharp, reach, quality)[0]
    if s.size * r.size > LARGEST:
        raise TooNarrow("an average is too sharp for its grid")
    x = along * s[:, None] + across * r
    z = across * s[:, None] - along * r
    # most of the grid has no weight: a rough table of what the tilt divides by says where
    places = np.linspace(-1.0, 1.0, ROUGH) * float(np.abs(x).max())
    bulk = inner.values(places * outside)[0].max() - np.interp(x.ravel(), places, outer.values(places * outside)[0])
    kept = np.flatnonzero(bulk - 0.5 * (x * x + z * z).ravel() > WEIGHTLESS)
    x, z, row = x.ravel()[kept], z.ravel()[kept], kept // r.size
    tilted, plain = inner.values(outside * x + b * z), outer.values(outside * x)
    step = r[1] - r[0] if r.size > 1 else math.sqrt(2 * math.pi)
    given = (row, x, z, tilted, plain, own.values(root * s), ws * step / (2 * math.pi))
    value, square, cross, other, below, mass = _sums(*given)
    ratio = other / below if outside > 0 and below > 0 else 0.0
    excess = _excess(*given, ratio)
    return Patterns(value, square, cross, other, ratio, excess, abs(mass - 1.0))


@njit(cache=True, error_model="numpy")
def _sums(row, x, z, tilted, plain, f, measure):
    """Sums over the nodes of the averages of `Patterns`, E f~'^2 and the weight."""
    value, square, cross, other, below, mass = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(x.size):
        j = row[i]
        weight = measure[j] * math.exp(tilted[0, i] - plain[0, i] - 0.5 * (x[i] * x[i] + z[i] * z[i]))
        slope, base = weight * f[1, j], plain[1, i]
        mass += weight
        value += weight * f[0, j]
        square += slope * f[1, j]
        cross += slope * tilted[1, i]
        other += slope * base
        below += weight * base * base
    return value, square, cross, other, below, mass


@njit(cache=True, error_model="numpy")
def _excess(row, x, z, tilted, plain, f, measure, ratio):
    """E<(f' - ratio f~')^2>, whose terms are all positive."""
    total = 0.0
    for i in range(x.size):
        weight = measure[row[i]] * math.exp(tilted[0, i] - plain[0, i] - 0.5 * (x[i] * x[i] + z[i] * z[i]))
        total += weight * (f[1, row[i]] - ratio * plain[1, i]) ** 2
    return total


def sites(
    reference: Reference,
    slope: float,
    gamma_hat: float,
    shift: float,
    multiplier: float,
    ratio: float,
    quality: float = 1.0,
    along: float = 0.0,
) -> Sites:
    """Averages over a binary weight in the field h = slope x + gamma_hat z + shift w~ + multiplier sign(w~); c is ``ratio``, k ``along``."""
    half = math.pi / 2
    outside = math.sqrt(reference.q_hat)
    near = [reference.pole / outside] if outside > 0 else []
    near += [math.hypot(half, gamma_hat) / abs(slope)] if slope else []  # the average over z blurs what is sharp in h
    # nothing depends on x without a common field
    x, wx = trapezoid(min(near), REACH, quality) if near else (np.zeros(1), np.ones(1))
    spread = gamma_hat > SPREAD
    if spread:
        z, wz = _beside_zero(quality)
    else:
        z, wz = trapezoid(half / gamma_hat if gamma_hat > 0 else math.inf, REACH, quality)
    each = 1 if reference.values.size > FEW else z.size
    if reference.values.size * x.size * each > 10 * LARGEST:
        raise TooNarrow("an average is too sharp for its grid")
    right = x.size // 2  # the measure is even: half of x is enough
    wx = 2 * wx[right:]  # of which 0 counts once
    wx[0] /= 2
    given = (x[right:], wx, z, wz, reference.values, reference.logs, outside)
    out = _sites(*given, slope, gamma_hat, shift, multiplier, ratio, along, spread)
    return Sites(*map(float, out))


def _beside_zero(quality: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on h > 0 for what decays like exp(-2h) times a Gaussian wider than `SPREAD`."""
    x, w = _legendre(math.ceil(ORDER * quality))
    low, high = np.array(BESIDE[:-1])[:, None], np.array(BESIDE[1:])[:, None]
    return ((high + low) / 2 + (high - low) / 2 * x).ravel(), ((high - low) / 2 * w).ravel()


@njit(cache=True, error_model="numpy")
def _sharp(a, spread, h, wh, decay, out):
    """E log 2cosh, E tanh, E tanh^2 over N(a, spread^2): |h|, sign h and 1 in closed form, the rest decays beside h = 0."""
    y = a / spread
    density = math.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)
    side = math.erf(y / math.sqrt(2.0))
    out[0], out[1], out[2] = a * side + 2 * spread * density, side, 1.0
    for j in range(h.size):
        up = (h[j] - a) / spread
        down = (h[j] + a) / spread
        above, below = math.exp(-0.5 * up * up), math.exp(-0.5 * down * down)
        weight = wh[j] / (spread * math.sqrt(2 * math.pi))
        out[0] += weight * (above + below) * decay[0, j]
        out[1] += weight * (above - below) * decay[1, j]
        out[2] += weight * (above + below) * decay[2, j]


@njit(cache=True, error_model="numpy")
def _summed(a, spread, z, wz, out):
    """The same by a sum over h = a + spread z."""
    out[0], out[1], out[2] = 0.0, 0.0, 0.0
    for j in range(z.size):
        h = a + spread * z[j]
        e = math.exp(-2.0 * abs(h))
        t = math.copysign((1.0 - e) / (1.0 + e), h)
        out[0] += wz[j] * (abs(h) + math.log1p(e))
        out[1] += wz[j] * t
        out[2] += wz[j] * t * t


@njit(cache=True, error_model="numpy")
def _averages(a, gamma_hat, z, wz, decay, out):
    if decay.size:
        _sharp(a, gamma_hat, z, wz, decay, out)
    else:
        _summed(a, gamma_hat, z, wz, out)


@njit(cache=True, error_model="numpy")
def _chebyshev(gamma_hat, z, wz, decay):
    """The three averages as functions of a > 0: Chebyshev coefficients on equal panels, up to where tanh is 1, and their width."""
    width = max(1.0, BLUR * gamma_hat)
    size = int(math.ceil((FLAT + REACH * gamma_hat) / width))
    angles = math.pi * (np.arange(DEGREE) + 0.5) / DEGREE
    waves = np.cos(np.outer(np.arange(DEGREE), angles)) * 2.0 / DEGREE
    waves[0] /= 2.0
    values, out = np.empty((3, DEGREE)), np.empty(3)
    table = np.zeros((size, 3, DEGREE))
    for i in range(size):
        for j in range(DEGREE):
            _averages(width * (i + 0.5 + 0.5 * math.cos(angles[j])), gamma_hat, z, wz, decay, out)
            values[:, j] = out
        for k in range(DEGREE):
            for row in range(3):
                for j in range(DEGREE):
                    table[i, row, k] += values[row, j] * waves[k, j]
    return table, width


@njit(cache=True, error_model="numpy")
def _read(table, width, a, out):
    """The averages at a, by Clenshaw's sum; even, odd and even in a."""
    size = abs(a)
    panel = int(size / width)
    if panel >= table.shape[0]:
        out[0], out[1], out[2] = size, math.copysign(1.0, a), 1.0
        return
    y = 2.0 * (size / width - panel) - 1.0
    for row in range(3):
        up, upper = 0.0, 0.0
        for k in range(table.shape[2] - 1, 0, -1):
            up, upper = table[panel, row, k] + 2.0 * y * up - upper, up
        out[row] = table[panel, row, 0] + y * up - upper
    out[1] = math.copysign(out[1], a)


@njit(cache=True, error_model="numpy")
def _sites(x, wx, z, wz, values, logs, outside, slope, gamma_hat, shift, multiplier, ratio, along, spread):
    total = np.zeros(8)
    n = values.size
    chance = np.empty(n)
    decay, at = np.empty((3, z.size if spread else 0)), np.empty(3)
    for j in range(decay.shape[1]):
        e = math.exp(-2.0 * z[j])
        decay[0, j], decay[1, j] = math.log1p(e), -2.0 * e / (1.0 + e)
        decay[2, j] = -4.0 * e / ((1.0 + e) * (1.0 + e))
    tabulated = n > FEW and x.size > 1
    table, width = _chebyshev(gamma_hat, z, wz, decay) if tabulated else (np.empty((0, 3, 0)), 1.0)
    for i in range(x.size):
        top = -np.inf
        for k in range(n):
            chance[k] = logs[k] + outside * x[i] * values[k]
            top = max(top, chance[k])
        mass = 0.0
        mean = 0.0
        for k in range(n):
            chance[k] = math.exp(chance[k] - top)
            mass += chance[k]
            mean += chance[k] * values[k]
        mean /= mass
        for k in range(n):
            share = chance[k] / mass * wx[i]
            if share < NOTHING:
                continue
            side = 1.0 if values[k] > 0 else (-1.0 if values[k] < 0 else 0.0)
            a = slope * x[i] + shift * values[k] + multiplier * side
            expected = ratio * mean
            if tabulated:
                _read(table, width, a, at)
            else:
                _averages(a, gamma_hat, z, wz, decay, at)
            line = expected + along * (values[k] - mean)
            excess = at[2] - 2.0 * expected * at[1] + expected * expected
            across = at[2] - 2.0 * line * at[1] + line * line
            if not (tabulated or spread):  # all of it small where gamma_hat and the multiplier are: no difference then
                excess = across = 0.0
                for j in range(z.size):
                    slant = math.tanh(a + gamma_hat * z[j])
                    excess += wz[j] * (slant - expected) ** 2
                    across += wz[j] * (slant - line) ** 2
            total[0] += share * at[0]
            total[1] += share * at[2]
            total[2] += share * values[k] * at[1]
            total[3] += share * mean * at[1]
            total[4] += share * side * at[1]
            total[5] += share * (values[k] - mean) * at[1]
            total[6] += share * excess
            total[7] += share * across
    return total
