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
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from numba import njit

from ..symbolic.activation_analysis import LOG, Powers, one_sided, segments
from ..symbolic.covariance import NEGLIGIBLE, Function, gaussian_rule, pair_mean, panel_rule, reach
from ..symbolic.likelihood import decimal_constants
from ..symbolic.symbols import u

HIGHEST = 3  # derivatives of Delta a kernel gives
ZERO = 2e-14  # |c_n| below this fraction of the norm is rounding of its integral, and taken as zero
FIT = 2e-15  # relative size of the last Chebyshev coefficients of a panel that has converged
DEGREE = 17  # of a panel's polynomial
RANGE = 1e3  # most that a function may vary over a panel: its accuracy is relative to the largest value there
SHORT = 80  # first weights, whose rounding is looked at
DIGITS = 60  # of hypergeometric functions
SHIFT = "1e-22"  # of a parameter where two of their solutions meet; what is lost to it, 1e-22, DIGITS makes up for
DYADIC = 80  # panels in theta from pi/3 down, to 1 - q = 4e-49; below, the leading power
MOST_PANELS = 200  # structure of g finer than these resolve, halving towards theta = 0, is refused
WIDEST_ANGLE = math.pi / 3  # tables serve q >= 1/2, Mehler's series q < 1/2
STEEPEST = 26  # rate b of sin(b u), whose weights start at exp(-b^2)
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
        parts = segments(expr)
        constant = sp.expand(parts[0][0]).as_coeff_Add()[0] if len(parts) > 1 else sp.S.Zero
        self.parts = [((p - constant).subs(u, exact * u), low / exact, high / exact) for p, low, high in parts]
        self.name = str(expr)
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
                    f"activation: got {self.name}; takes a function with finite one-sided derivatives at its breaks, or a "
                    f"sum of powers of Abs(u): derivative {k} is infinite at u = {at}"
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
    return coefficients(pieces, count, level)[0]


def coefficients(pieces: Pieces, count: int, level: int = LEVEL) -> tuple[np.ndarray, float]:
    """c_n^2 as `mehler`, and the relative rounding of the first c_n after c_0 that is not zero."""
    level += math.ceil(math.log2(max(1.0, math.sqrt(count) / (2 * PHASE))))
    x, w = gaussian_rule(pieces.breaks, reach(pieces.functions[0], 2 * NEGLIGIBLE), level)
    low = np.exp(-0.25 * x * x)
    g = w / low * pieces.functions[0](x)
    x, low, g = x[g != 0.0], low[g != 0.0], g[g != 0.0]
    c, sizes = _recurrence(x, g, low, count, SHORT)
    sizes[SHORT:] = math.sqrt(pieces.mean_square(0))
    c[np.abs(c) <= ZERO * sizes] = 0.0
    first = np.flatnonzero(c[1:SHORT])[:1] + 1
    return c * c, float(2 * EPSILON * (sizes[first] / np.abs(c[first])).sum())


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _recurrence(x: np.ndarray, g: np.ndarray, low: np.ndarray, count: int, short: int) -> tuple[np.ndarray, np.ndarray]:
    """sum_i g_i h_n(x_i), n < count, from h_0 = low, and sum_i |g_i h_n(x_i)| for n < short."""
    previous, now, c, sizes = np.zeros_like(x), low.copy(), np.zeros(count), np.zeros(count)
    for n in range(count):
        back, forward = math.sqrt(float(n)), 1.0 / math.sqrt(n + 1.0)
        total, size = 0.0, 0.0
        if n < short:
            for i in range(x.size):
                size += abs(g[i] * now[i])
        for i in range(x.size):
            h = now[i]
            total += g[i] * h
            now[i] = (x[i] * h - back * previous[i]) * forward
            previous[i] = h
        c[n], sizes[n] = total, size
    return c, sizes


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
    far = math.ceil(9.0 + abs(a))
    edges = np.linspace(-far, far, 2 * far * 2**level + 1)
    for b in pieces.breaks:
        edges = np.append(edges, np.clip((a - rho * b) / sine, -far, far))
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


def exponential_weights(expr: sp.Expr, sigma: float) -> np.ndarray | None:
    r"""c_n^2 of a sum of u^m exp(a + b u), b complex, from E u^m He_n exp(b u) = M_m,n in 50 digits; None for another g.

    .. math:: M_{0,n} = b^n e^{b^2/2}, \quad M_{m,n} = M_{m-1,n+1} + n M_{m-1,n-1}
    """
    if not expr.has(sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh) or len(segments(expr)) > 1:
        return None
    exact = decimal_constants(sp.Float(sigma, 17)) if sigma != 1.0 else sp.S.One
    g = sp.powsimp(sp.expand(sp.expand(decimal_constants(expr).subs(u, exact * u)).rewrite(sp.exp), power_exp=False))
    ctx = mpmath.mp.clone()
    ctx.dps = 50
    terms = []
    for term in sp.Add.make_args(g):
        factor, rest = term.as_independent(u, as_Add=False)
        parts = sp.Mul.make_args(rest)
        power = sp.Add(*(p.args[0] for p in parts if isinstance(p, sp.exp)))
        other = sp.Mul(*(p for p in parts if not isinstance(p, sp.exp)))
        m = sp.degree(other, u) if other.is_polynomial(u) else -1
        if m < 0 or other != u**m or not power.is_polynomial(u) or sp.degree(power, u) > 1:
            return None
        a, b, f = (ctx.convert(sp.N(x, 60)._to_mpmath(220)) for x in (power.coeff(u, 0), power.coeff(u, 1), factor))
        terms.append((int(m), b, f * ctx.exp(a + b * b / 2)))
    size = max(float(abs(b)) for _, b, _ in terms)
    count = int(size * size + 14 * size + 60)
    if size > STEEPEST:
        raise ArithmeticError(f"takes rates below {STEEPEST} in exponentials and sines: E g'(u)^2 weighs exp(-{size:.3g}^2)")
    c, weight = [ctx.zero] * count, [ctx.zero] * count
    for most, b, f in terms:
        row = [f]
        for _ in range(count + most):
            row.append(row[-1] * b)
        for _ in range(most):
            row = [row[n + 1] + (n * row[n - 1] if n else 0) for n in range(len(row) - 1)]
        c = [x + y for x, y in zip(c, row)]
        weight = [x + abs(y) for x, y in zip(weight, row)]
    return np.array([
        float(ctx.re(x) ** 2 / ctx.factorial(n)) if abs(x) > ctx.mpf("1e-40") * s else 0.0
        for n, (x, s) in enumerate(zip(c, weight))
    ])


class PowerLaws:
    r"""Delta of sum_p |u|^p (e_p + o_p sign u) and of e log|u|: hypergeometric functions of q^2, in DIGITS digits.

    .. math:: E|u_1|^p|u_2|^r = 2^{(p+r)/2}\,\Gamma(\tfrac{p+1}{2})\Gamma(\tfrac{r+1}{2})/\pi\;
              {}_2F_1(-\tfrac p2, -\tfrac r2; \tfrac12; q^2), \quad E\log|u_1|\log|u_2| = \tfrac12\arcsin^2 q + const.

    and with signs 2^{(p+r)/2} Gamma(p/2+1) Gamma(r/2+1) (2q/pi) 2F1((1-p)/2, (1-r)/2; 3/2; q^2).
    """

    def __init__(self, powers: Powers, sigma: float):
        self.ctx = ctx = mpmath.mp.clone()
        ctx.dps = DIGITS
        self.terms: list[tuple[bool, Any, Any, Any, Any]] = []  # odd, factor, a, b, c
        self.log = ctx.convert(sp.N(powers[LOG][0], DIGITS)._to_mpmath(210)) ** 2 if LOG in powers else ctx.zero
        rank = [0.0] if LOG in powers else []
        for odd in (False, True):
            kept = []
            for p, pair in powers.items():
                if p is not LOG and pair[odd] != 0:
                    x = ctx.convert(sp.N(p, DIGITS)._to_mpmath(210))
                    kept.append((x, ctx.convert(sp.N(pair[odd], DIGITS)._to_mpmath(210)) * ctx.mpf(sigma) ** x))
                    if not (p.is_integer and p % 2 == odd):
                        rank.append(float(p))
            half, c = ctx.mpf(1) / 2, ctx.mpf(3 if odd else 1) / 2
            for (p, f), (r, g) in itertools.product(kept, repeat=2):
                top = 1 if odd else half
                factor = f * g * 2 ** ((p + r) / 2) * ctx.gamma(p / 2 + top) * ctx.gamma(r / 2 + top) / ctx.pi
                a, b = ((1 - p) / 2, (1 - r) / 2) if odd else (-p / 2, -r / 2)
                if ctx.isint(c - a - b):
                    a += ctx.mpf(SHIFT)
                self.terms.append((odd, factor * 2 if odd else factor, a, b, c))
        self.expansions = [self._near_one(a, b, c) for _, _, a, b, c in self.terms]
        self.rank = min(rank)  # Delta is analytic + theta^(2 rank + 1) ...
        self.exponents = [min(2.0, 2 * self.rank + 1)] + [min(0.0, 2 * self.rank + 1 - 2 * k) for k in (1, 2, 3)]

    def weights(self, count: int) -> list[Any]:
        """c_n^2, n < count."""
        ctx, w = self.ctx, [self.ctx.zero] * count
        for odd, factor, a, b, c in self.terms:
            term = factor
            for j in range((count - odd + 1) // 2):
                w[2 * j + odd] += term
                term *= (a + j) * (b + j) / ((c + j) * (j + 1))
        for n in range(1, (count + 1) // 2):
            w[2 * n] += self.log / 4 * 4**n / (n * n * ctx.binomial(2 * n, n))
        return [x if abs(x) > ctx.mpf("1e-20") * w[0] or n == 0 or x > 1e-20 else ctx.zero for n, x in enumerate(w)]

    def _near_one(self, a: Any, b: Any, c: Any) -> list[tuple[Any, list[Any]]]:
        """2F1(a, b; c; 1 - w) = sum_n A_n w^n + w^s sum_n B_n w^n, s = c - a - b."""
        ctx, s = self.ctx, c - a - b
        ends = [
            ctx.gamma(c) * ctx.gamma(s) * ctx.rgamma(c - a) * ctx.rgamma(c - b),
            ctx.gamma(c) * ctx.gamma(-s) * ctx.rgamma(a) * ctx.rgamma(b),
        ]
        out = []
        for power, x, lower, upper in ((ctx.zero, ends[0], (a, b), 1 - s), (s, ends[1], (c - a, c - b), 1 + s)):
            row = [x]
            for n in range(int(DIGITS * 2.31 / 0.288) + 20):  # w <= 3/4
                row.append(row[-1] * (lower[0] + n) * (lower[1] + n) / ((upper + n) * (n + 1)))
            out.append((power, row))
        return out

    def _derivatives(self, expansion: list[tuple[Any, list[Any]]], w: Any) -> list[Any]:
        """F(1) - F, F', F'', F^(3) at z = 1 - w."""
        ctx, out = self.ctx, [self.ctx.zero] * 4
        tiny = ctx.mpf(10) ** -(DIGITS + 5)
        for power, row in expansion:
            x = w ** (power - 3)
            largest = ctx.zero
            for n, coefficient in enumerate(row):
                term, e = coefficient * x, power + n
                if n or power:
                    out[0] -= term * w**3
                    out[1] -= term * e * w**2
                    out[2] += term * e * (e - 1) * w
                    out[3] -= term * e * (e - 1) * (e - 2)
                largest = max(largest, abs(term))
                if n > 3 and abs(term) <= tiny * largest and abs(term) * w**3 <= tiny * abs(out[0]):
                    break
                x *= w
        return out

    def at(self, theta: float) -> list[Any]:
        """Delta(1) - Delta and three derivatives of Delta at q = cos(theta)."""
        ctx, out = self.ctx, [self.ctx.zero] * 4
        t = ctx.mpf(theta)
        rho, sine = ctx.cos(t), ctx.sin(t)
        z, gap, w = rho * rho, 2 * ctx.sin(t / 2) ** 2, sine * sine
        for (odd, factor, *_), expansion in zip(self.terms, self.expansions):
            F = self._derivatives(expansion, w)
            if odd:
                F0 = expansion[0][1][0]  # F(1)
                new = [rho * F[0] + gap * F0, F0 - F[0] + 2 * z * F[1], rho * (6 * F[1] + 4 * z * F[2])]
                new.append(6 * F[1] + 24 * z * F[2] + 8 * z * z * F[3])
            else:
                new = [F[0], 2 * rho * F[1], 2 * F[1] + 4 * z * F[2], rho * (12 * F[2] + 8 * z * F[3])]
            out = [x + factor * y for x, y in zip(out, new)]
        if self.log:
            a = ctx.pi / 2 - t
            new = [t * (ctx.pi - t) / 2, a / sine, 1 / w + rho * a / sine**3, 3 * rho / w**2 + a * (1 + 2 * z) / sine**5]
            out = [x + self.log * y for x, y in zip(out, new)]
        return out

    def tables(self, linear: Any) -> tuple[float, np.ndarray, list[float], float, float]:
        """Lowest theta, rows, derivatives at q = 1, C(1), relative error of a panel; C = Delta - Delta(0) - linear q."""
        ctx = self.ctx
        low, rows, last = WIDEST_ANGLE * 2.0**-DYADIC, [], 0.0
        for i in range(DYADIC):
            values = []
            for theta in nodes_of(low * 2.0**i, low * 2.0 ** (i + 1)):
                v = self.at(theta)
                v[0] -= linear * 2 * ctx.sin(ctx.mpf(theta) / 2) ** 2
                v[1] -= linear
                values.append([float(x / ctx.mpf(theta) ** e) for x, e in zip(v, self.exponents)])
            fitted, tail = polynomials(np.array(values))
            last = max(last, float((tail / np.abs(values).min(axis=0)).max()))
            rows.append(fitted)
        total = sum((f * e[0][1][0] for (_, f, *_), e in zip(self.terms, self.expansions)), self.log * ctx.pi**2 / 8)
        near = [ctx.zero] * 4
        for (odd, factor, *_), (analytic, _) in zip(self.terms, self.expansions):
            F = [(-1) ** k * math.factorial(k) * analytic[1][k] for k in range(4)]
            new = [F[0], F[0] + 2 * F[1], 6 * F[1] + 4 * F[2], 6 * F[1] + 24 * F[2] + 8 * F[3]]
            if not odd:
                new = [F[0], 2 * F[1], 2 * F[1] + 4 * F[2], 12 * F[2] + 8 * F[3]]
            near = [x + factor * y for x, y in zip(near, new)]
        ends = [float(near[k] - (linear if k == 1 else 0)) if self.rank > k - 0.5 else math.inf for k in (1, 2, 3)]
        return low, np.array(rows), ends, float(total - self.weights(1)[0] - linear), last


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
    fit: float = FIT,
) -> tuple[list[float], list[np.ndarray], float]:
    """Edges, polynomials of each panel, and the largest relative rounding; bisected until the last coefficients vanish.

    function : theta -> values and the magnitudes that were added to them (their rounding is of those).
    """
    edges, fits, rounding, tried = [0.0], [], 0.0, 0
    waiting = [WIDEST_ANGLE]
    while waiting:
        low, high = edges[-1], waiting[-1]
        tried += 1
        if tried > (MOST_PANELS if fit > FIT else MOST_PANELS // 3):
            raise ArithmeticError(
                f"takes an activation with coarser structure: C(q) is not resolved at q = {math.cos(high):.12g}"
            )
        both = np.array([function(t) for t in nodes_of(low, high)])
        values, sizes = both[:, 0], both[:, 1]
        fitted, last = polynomials(values)
        if (
            (last <= fit * sizes.max(axis=0)).all()
            and (values > 0).all()
            and (values.max(axis=0) <= RANGE * values.min(axis=0)).all()
        ):
            edges.append(waiting.pop())
            fits.append(fitted)
            rounding = max(rounding, float((sizes / values).max()) * EPSILON, float((last / values.min(axis=0)).max()))
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
