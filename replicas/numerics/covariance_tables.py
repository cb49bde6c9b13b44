r"""Numbers behind a covariance kernel that has no closed form: Mehler weights, and Price's derivatives tabulated in theta.

.. math:: \Delta(q) = \sum_n c_n^2 q^n, \quad c_n = E\,g\,He_n/\sqrt{n!}; \qquad
          \Delta^{(k)}(q) = E\,g^{(k)}(u_1)\,g^{(k)}(u_2)

with g^{(k)} a distribution: delta functions and their derivatives at the breaks, and a smooth rest. At a jump Delta' is
1/sin(theta) times an analytic function of theta = arccos q, at a kink Delta'' is, and so on; that factor is tabulated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import sympy as sp

from ..symbolic.activation_analysis import one_sided, segments
from ..symbolic.covariance import NEGLIGIBLE, Function, gaussian_rule, pair_mean, panel_rule, reach
from ..symbolic.likelihood import decimal_constants
from ..symbolic.symbols import u

HIGHEST = 3  # derivatives of Delta a kernel gives
ZERO = 2e-14  # |c_n| below this fraction of the norm is rounding of its integral, and taken as zero
FIT = 2e-15  # relative size of the last Chebyshev coefficients of a panel that has converged
DEGREE = 17  # of a panel's polynomial
MOST_PANELS = 60  # structure of g finer than these resolve, halving towards theta = 0, is refused
WIDEST_ANGLE = math.pi / 3  # tables serve q >= 1/2, Mehler's series q < 1/2
EPSILON = 2.2e-16  # rounding of one operation
LEVEL = 1  # one-dimensional quadratures: panels are halved this often; the error is the change from one more
SETTLED = 3e-14  # relative change under one more halving with which a two-dimensional quadrature is good enough
PROBES = (0.02, 0.2, 0.9)  # angles at which that is looked at
DIFFERENTIABLE = 6  # one-sided derivatives looked at: one that is infinite makes no analytic function of theta
FINE = 3  # halvings where one integral is checked by a sum
PHASE = 4.0  # radians of He_n a panel may hold for 16 nodes to be exact to rounding


class Pieces:
    """An activation at sigma u as numbers: each piece and its derivatives, and their jumps at the breaks."""

    def __init__(self, expr: sp.Expr, sigma: float):
        exact = decimal_constants(sp.Float(sigma, 17)) if sigma != 1.0 else sp.S.One
        self.parts = [(p.subs(u, exact * u), low / exact, high / exact) for p, low, high in segments(expr)]
        self.breaks = tuple(float(high) for _, _, high in self.parts[:-1])
        self.functions = [self._function(k) for k in range(HIGHEST + 1)]
        self.smooth = [any(sp.diff(p, u, k) != 0 for p, _, _ in self.parts) for k in range(HIGHEST + 1)]
        self.polynomial = len(self.parts) == 1 and self.parts[0][0].is_polynomial(u)
        self.far = max(reach(f) for f, smooth in zip(self.functions, self.smooth) if smooth)

    def _function(self, k: int) -> Function:
        """d^k g/du^k away from the breaks."""
        compiled = [sp.lambdify(u, sp.diff(p, u, k), ["scipy", "numpy"]) for p, _, _ in self.parts]

        def function(x: np.ndarray) -> np.ndarray:
            out = np.empty_like(x)
            where = np.searchsorted(self.breaks, x)
            for i, piece in enumerate(compiled):
                inside = where == i
                out[inside] = piece(x[inside])
            return out

        return function

    def jumps(self, k: int) -> list[float]:
        """Jump of the k-th derivative at every break; ArithmeticError where it is infinite."""
        out = []
        for (left, _, at), (right, _, _) in itertools.pairwise(self.parts):
            ends = [one_sided(sp.diff(p, u, k), at, side) for p, side in ((left, "-"), (right, "+"))]
            if not all(end.is_finite for end in ends):
                raise ArithmeticError(
                    f"covariance: derivative {k} of the activation is infinite at u = {at}; "
                    "takes finite one-sided derivatives at the breaks"
                )
            difference = float(sp.N(ends[1] - ends[0], 20))
            size = max(abs(float(end)) for end in ends)
            out.append(difference if abs(difference) > 1e-15 * size else 0.0)
        return out

    def mean_square(self, k: int) -> float:
        """E (g^(k))^2."""
        x, w = gaussian_rule(self.breaks, self.far, FINE)
        return float(w @ self.functions[k](x) ** 2)


def mehler(pieces: Pieces, count: int, level: int = LEVEL) -> np.ndarray:
    """c_n^2 for n < count, by quadrature in panels; He_n exp(-u^2/4)/sqrt(n!) is bounded, whatever n."""
    level += math.ceil(math.log2(max(1.0, math.sqrt(count) / (2 * PHASE))))
    x, w = gaussian_rule(pieces.breaks, reach(pieces.functions[0], 2 * NEGLIGIBLE), level)
    low = np.exp(-0.25 * x * x)
    g = w / low * pieces.functions[0](x)
    previous, c = np.zeros_like(x), np.empty(count)
    for n in range(count):
        c[n] = g @ low
        previous, low = low, (x * low - math.sqrt(n) * previous) / math.sqrt(n + 1)
    c[np.abs(c) <= ZERO * math.sqrt(pieces.mean_square(0))] = 0.0
    return c * c


def _deltas(r: int, s: int, a: float, b: float, rho: float, gap: float, sine: float) -> float:
    """E delta^(r)(u1 - a) delta^(s)(u2 - b) = (-1)^(r+s) d_a^r d_b^s of the bivariate density."""
    p = 1.0 / (sine * sine)
    exponent = 0.5 * p * ((a - b) ** 2 + 2.0 * a * b * gap)
    A, B = -p * (a - b + b * gap), -p * (b - a + a * gap)
    if r < s:
        r, s, A, B = s, r, B, A
    c = rho * p
    factor = {
        (0, 0): 1.0,
        (1, 0): A,
        (2, 0): A * A - p,
        (1, 1): A * B + c,
        (2, 1): (A * A - p) * B + 2 * A * c,
        (2, 2): (A * A - p) * (B * B - p) + 4 * A * B * c + 2 * c * c,
    }[r, s]
    return (-1) ** (r + s) * factor * math.exp(-exponent) / (2 * math.pi * sine)


def _delta_smooth(r: int, a: float, g: Function, pieces: Pieces, rho: float, sine: float, level: int) -> float:
    """E delta^(r)(u1 - a) g(u2) = sine^-r int dz/rho He_r(z) phi(z) [g phi](u2), u2 = (a - sine z)/rho."""
    edges = np.linspace(-9.0, 9.0, 18 * 2**level + 1)
    for b in pieces.breaks:
        edges = np.append(edges, np.clip((a - rho * b) / sine, -9.0, 9.0))
    z, w = panel_rule(np.sort(edges))
    at = (a - sine * z) / rho
    hermite = (np.ones_like(z), z, z * z - 1.0)[r]
    values = hermite * np.exp(-0.5 * (z * z + at * at)) * g(at)
    return float(w @ values) / (2 * math.pi * rho * sine**r)


class Price:
    """Delta', Delta'', Delta''' times the power of sin(theta) that makes each regular at theta = 0."""

    def __init__(self, pieces: Pieces):
        self.pieces = pieces
        self.jumps = [pieces.jumps(k) for k in range(DIFFERENTIABLE + 1)][:HIGHEST]
        ranks = [k for k in range(HIGHEST) if any(self.jumps[k])]
        self.order = ranks[0] + 1 if ranks else HIGHEST + 1  # the first derivative of Delta that is infinite at q = 1
        self.powers = [0] + [max(0, 2 * (k - self.order) + 1) if k >= self.order else 0 for k in range(1, HIGHEST + 1)]

        for self.level in range(3):
            self.error = max(self._change(k, theta) for theta in PROBES for k in (1, 2, 3))
            if self.error <= SETTLED:
                break

    def _change(self, k: int, theta: float) -> float:
        finer = self.at(k, theta, self.level + 1)[0]
        return abs(self.at(k, theta)[0] - finer) / finer

    def at(self, k: int, theta: float, level: int | None = None) -> tuple[float, float]:
        """sin(theta)^power Delta^(k)(cos theta), and the sum of the magnitudes of its terms."""
        level = self.level if level is None else level
        sine, rho, gap = math.sin(theta), math.cos(theta), 2.0 * math.sin(0.5 * theta) ** 2
        deltas = [
            (k - 1 - rank, at, jump)
            for rank in range(k)
            for at, jump in zip(self.pieces.breaks, self.jumps[rank])
            if jump
        ]
        terms = [
            ja * jb * _deltas(r, s, a, b, rho, gap, sine) for (r, a, ja), (s, b, jb) in itertools.product(deltas, repeat=2)
        ]
        if self.pieces.smooth[k]:
            g = self.pieces.functions[k]
            terms += [2 * j * _delta_smooth(r, a, g, self.pieces, rho, sine, level) for r, a, j in deltas]
            terms.append(pair_mean(g, self.pieces.breaks, rho, sine, self.pieces.far, level))
        scale = sine ** self.powers[k]
        return scale * math.fsum(terms), scale * math.fsum(map(abs, terms))


def nodes_of(a: float, b: float) -> np.ndarray:
    """Chebyshev points of a panel."""
    return 0.5 * (a + b) + 0.5 * (b - a) * _POINTS


def polynomials(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Powers of the local variable in [-1, 1] through values (points, functions), and the size of the last coefficients."""
    c = _TO_CHEBYSHEV @ values
    powers = [np.polynomial.chebyshev.cheb2poly(column) for column in c.T]
    return np.array([np.pad(p, (0, DEGREE + 1 - p.size)) for p in powers]), np.abs(c[-3:]).max(axis=0)


def panels(
    function: Callable[[float], tuple[list[float], list[float]]],
) -> tuple[list[float], list[np.ndarray], float]:
    """Edges, polynomials of each panel, and the largest relative rounding; bisected until the last coefficients vanish.

    function : theta -> values and the magnitudes that were added to them (their rounding is of those).
    """
    edges, fits, rounding, tried = [0.0], [], 0.0, 0
    waiting = [WIDEST_ANGLE]
    while waiting:
        low, high = edges[-1], waiting[-1]
        tried += 1
        if tried > MOST_PANELS:
            raise ArithmeticError(
                f"covariance: C(q) is not resolved at q = {math.cos(high):.12g}; takes an activation with coarser structure"
            )
        both = np.array([function(t) for t in nodes_of(low, high)])
        values, sizes = both[:, 0], both[:, 1]
        fitted, last = polynomials(values)
        if (last <= FIT * sizes.max(axis=0)).all() and (values > 0).all():
            edges.append(waiting.pop())
            fits.append(fitted)
            rounding = max(rounding, float((sizes / values).max()) * EPSILON)
        else:
            waiting.append(0.5 * (low + high))
    return edges, fits, rounding


def horner(powers: np.ndarray, t: np.ndarray) -> np.ndarray:
    """A polynomial in the local variable."""
    return np.polynomial.polynomial.polyval(t, powers)


def integrals(edges: list[float], fitted: list[np.ndarray], ratio: int) -> list[np.ndarray]:
    """Polynomials of (C(1) - C(q))/theta^ratio = theta^-ratio int_0^theta C'(cos t) sin t dt; row 0 holds C' or C' sin."""
    x, w = np.polynomial.legendre.leggauss(DEGREE)
    out, done = [], 0.0
    for a, b, rows in zip(edges, edges[1:], fitted):
        ends = np.append(nodes_of(a, b), b)[:, None]
        t = 0.5 * (a + ends) + 0.5 * (ends - a) * x
        slope = horner(rows[0], (2 * t - a - b) / (b - a)) * (np.sin(t) if ratio == 2 else 1.0)
        total = done + 0.5 * (ends[:, 0] - a) * (slope @ w)
        out.append(polynomials((total[:-1] / ends[:-1, 0] ** ratio)[:, None])[0][0])
        done = float(total[-1])
    return out


_POINTS = np.cos((2 * np.arange(DEGREE + 1) + 1) * math.pi / (2 * DEGREE + 2))
_TO_CHEBYSHEV = np.cos(np.outer(np.arange(DEGREE + 1), np.arccos(_POINTS))) * 2 / (DEGREE + 1)
_TO_CHEBYSHEV[0] /= 2
