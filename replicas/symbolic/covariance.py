r"""The covariance Delta(q) = E g(u1) g(u2) of two units' outputs: in closed form by rule, and by direct quadrature."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from ..activations import Activation, parse_activation
from .activation_analysis import segments
from .likelihood import FIELD_RANGE, decimal_constants, numpy_function
from .symbols import q, u

Function = Callable[[np.ndarray], np.ndarray]
Closed = tuple[sp.Expr, str]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
NEGLIGIBLE = 46.0  # e^-46 = 1e-20: what a weighted square may have fallen to at the end of the range
BULK = 9.0  # a standard normal is beyond it with probability 2e-19
LEVELS = 4  # refinements of the direct quadrature
TOLERANCE = 1e-13  # relative change at which it stops
MOST_POINTS = 2_000_000  # evaluated at once, to bound memory


def closed_form(activation: Any, scale: Any = 1) -> Closed | None:
    r"""Delta(q) in the symbol q, and the rule that gives it in one sentence; None where no rule applies.

    .. math:: \Delta(q) = E\,g(\sigma u_1)\,g(\sigma u_2), \qquad E u_1u_2 = q

    activation : what `parse_activation` takes;  scale : sigma, an exact SymPy number (a float is read as its decimal)
    """
    expr = parse_activation(activation).expr
    sigma = decimal_constants(sp.sympify(scale))
    if not sigma.is_positive or not sigma.is_number:
        raise ValueError(f"scale: got {scale!r}; takes a positive number")
    parts = segments(expr)
    inner = [(sp.expand(p.subs(u, sigma * u)), low, high) for p, low, high in parts]
    if len(inner) == 1:
        for rule in (_polynomial, _error_functions, _exponentials):
            found = rule(inner[0][0])
            if found is not None:
                return found
    elif len(inner) == 2 and inner[0][2] == 0 and all(p.is_polynomial(u) for p, _, _ in inner):
        return _broken_at_zero(inner[0][0], inner[1][0])
    return None


def _polynomial(g: sp.Expr) -> Closed | None:
    if not g.is_polynomial(u):
        return None
    return sp.Add(*(w * q**n for n, w in enumerate(polynomial_weights(g)))), (
        "Wick's theorem: g is a finite sum of Hermite polynomials c_n He_n(u)/sqrt(n!), and each contributes c_n^2 q^n"
    )


def polynomial_weights(g: sp.Expr) -> list[sp.Expr]:
    """c_n^2 = (E d^n g/du^n)^2 / n! of a polynomial, exact."""
    degree = int(sp.degree(g, u))
    return [sp.expand(_moment(sp.diff(g, u, n)) ** 2 / sp.factorial(n)) for n in range(degree + 1)]


def _moment(g: sp.Expr) -> sp.Expr:
    return sp.Add(*(c * sp.factorial2(k - 1) for (k,), c in sp.Poly(g, u).terms() if k % 2 == 0))


def _error_functions(g: sp.Expr) -> Closed | None:
    """a + b u + sum_i c_i erf(b_i u)."""
    terms: list[tuple[sp.Expr, sp.Expr]] = []
    constant, slope = sp.S.Zero, sp.S.Zero
    for term in sp.Add.make_args(g):
        factor, rest = term.as_independent(u)
        if rest == 1:
            constant += factor
        elif rest == u:
            slope += factor
        elif isinstance(rest, sp.erf) and sp.diff(rest.args[0], u, 2) == 0 and rest.args[0].subs(u, 0) == 0:
            terms.append((factor, sp.diff(rest.args[0], u)))
        else:
            return None
    if not terms:
        return None
    total = constant**2 + slope**2 * q
    for c, b in terms:  # E u1 erf(b u2) = q E (erf(b u))'
        total += 2 * slope * c * q * 2 * b / sp.sqrt(sp.pi * (1 + 2 * b**2))
    for (c, b), (d, e) in itertools.product(terms, repeat=2):
        square = sp.cancel(4 * b**2 * e**2 / ((1 + 2 * b**2) * (1 + 2 * e**2)))
        total += c * d * 2 / sp.pi * sp.asin(sp.sign(b * e) * sp.sqrt(square) * q)
    return total, (
        "Price's theorem: Delta'(q) = E g'(u1) g'(u2) is a Gaussian integral, proportional to 1/sqrt(1 - a^2 q^2), "
        "whose integral over q is an arcsine"
    )


def _exponentials(g: sp.Expr) -> Closed | None:
    """Sums of exp(a + b u + c u^2), with sines, cosines and hyperbolic functions written as such."""
    g = sp.expand(g.rewrite(sp.exp) if g.has(sp.sin, sp.cos, sp.sinh, sp.cosh) else g, power_exp=False)
    g = sp.powsimp(g)
    terms = []
    for term in sp.Add.make_args(g):
        factor, rest = term.as_independent(u)
        exponent = sp.S.Zero if rest == 1 else rest.args[0] if isinstance(rest, sp.exp) else None
        if exponent is None or not exponent.is_polynomial(u) or sp.degree(exponent, u) > 2:
            return None
        terms.append((factor, *(exponent.coeff(u, k) for k in range(3))))
    covariance, total = sp.Matrix([[1, q], [q, 1]]), sp.S.Zero
    for (f1, a1, b1, c1), (f2, a2, b2, c2) in itertools.product(terms, repeat=2):
        norm = sp.expand((1 - 2 * c1) * (1 - 2 * c2) - 4 * c1 * c2 * q**2)
        tilted = (sp.eye(2) - 2 * covariance * sp.diag(c1, c2)).adjugate() * covariance / norm
        b = sp.Matrix([b1, b2])
        power = sp.factor(sp.expand((b.T * tilted * b)[0] / 2 + a1 + a2))
        total += f1 * f2 * sp.exp(sp.expand(power) if norm == 1 else power) / sp.sqrt(sp.factor(norm))
    return _hyperbolic(total), "each pair of exponentials has the Gaussian mean E exp(b.u + u.C u), in closed form"


def _hyperbolic(expr: sp.Expr) -> sp.Expr:
    """exp(a + b q) and exp(a - b q) paired to cosh and sinh."""
    expr = sp.expand(expr, power_exp=False)
    rest: list[sp.Expr] = []
    found: dict[tuple[sp.Expr, sp.Expr], list[sp.Expr]] = {}
    for term in sp.Add.make_args(sp.powsimp(expr)):
        factor, body = term.as_independent(q)
        power = body.args[0] if isinstance(body, sp.exp) else None
        if power is None or not power.is_polynomial(q) or sp.degree(power, q) != 1:
            rest.append(term)
            continue
        b = power.coeff(q, 1)
        key = (power.coeff(q, 0), abs(b))
        pair = found.setdefault(key, [sp.S.Zero, sp.S.Zero])
        pair[0 if b == abs(b) else 1] += factor
    out = sp.Add(*rest)
    for (a, b), (plus, minus) in found.items():
        if plus == 0 or minus == 0:
            out += plus * sp.exp(a + b * q) + minus * sp.exp(a - b * q)
        else:
            out += sp.exp(a) * (sp.expand(plus + minus) * sp.cosh(b * q) + sp.expand(plus - minus) * sp.sinh(b * q))
    return out


def _broken_at_zero(left: sp.Expr, right: sp.Expr) -> Closed:
    """Polynomials meeting at 0, in polar coordinates: u1 = r cos phi, u2 = r cos(phi - theta), cos theta = q."""
    below, above = ({int(k): c for (k,), c in sp.Poly(p, u).terms()} for p in (left, right))
    ranks = sorted(set(below) | set(above))
    total = sp.S.Zero
    for k, l in itertools.product(ranks, repeat=2):
        a, b, c, d = above.get(k, 0), above.get(l, 0), below.get(k, 0), below.get(l, 0)
        same = a * b + (-1) ** (k + l) * c * d
        opposite = (-1) ** l * a * d + (-1) ** k * c * b
        total += same * _quadrant(k, l, q) + opposite * _quadrant(k, l, -q)
    return _readable(total), (
        "polynomials that meet at 0 in polar coordinates: the radius gives a moment, the angle "
        "theta = arccos q = pi/2 - arcsin q trigonometric polynomials"
    )


@lru_cache(maxsize=256)
def _quadrant(k: int, l: int, rho: sp.Expr) -> sp.Expr:
    """E u1^k u2^l over u1, u2 > 0 at correlation rho: E r^(k+l) int cos^k(phi) cos^l(phi - theta) dphi/(2 pi)."""
    radius = 2 ** sp.Rational(k + l, 2) * sp.gamma(1 + sp.Rational(k + l, 2))

    def cosines(n: int) -> sp.Expr:  # int cos^n over (theta - pi/2, pi/2), where the sine is -rho and the cosine root
        if n == 0:
            return sp.pi / 2 + _ASIN * (1 if rho == q else -1)
        if n == 1:
            return 1 + rho
        return _ROOT ** (n - 1) * rho / n + sp.Rational(n - 1, n) * cosines(n - 2)

    def with_sines(n: int, m: int) -> sp.Expr:  # int cos^n sin^m
        if m % 2 == 0:
            return sp.Add(*(sp.binomial(m // 2, i) * (-1) ** i * cosines(n + 2 * i) for i in range(m // 2 + 1)))
        powers = range((m - 1) // 2 + 1)
        return sp.Add(
            *(sp.binomial((m - 1) // 2, i) * (-1) ** i * _ROOT ** (n + 2 * i + 1) / (n + 2 * i + 1) for i in powers)
        )

    total = sp.Add(*(sp.binomial(l, m) * rho ** (l - m) * _ROOT**m * with_sines(k + l - m, m) for m in range(l + 1)))
    return sp.expand(radius * total / (2 * sp.pi))


_ROOT, _ASIN = sp.Symbol("root", positive=True), sp.Symbol("asin")  # sqrt(1 - q^2) and asin(q), until the last line


def _readable(expr: sp.Expr) -> sp.Expr:
    """[B sqrt(1-q^2) + C (A/C + asin q)]/pi, or the three terms apart where A/C is not a number."""
    poly = sp.Poly(sp.expand(expr), _ROOT, _ASIN)
    plain, root, arc = sp.S.Zero, sp.S.Zero, sp.S.Zero
    for (n, m), c in poly.terms():
        even = c * (1 - q**2) ** (n // 2)
        if m:
            arc += even
        else:
            root, plain = (root + even, plain) if n % 2 else (root, plain + even)
    plain, root, arc = (sp.factor(sp.expand(x)) for x in (plain, root, arc))
    ratio = sp.cancel(plain / arc) if arc != 0 else q
    if ratio.has(q):
        return plain + root * sp.sqrt(1 - q**2) + arc * sp.asin(q)
    common = sp.gcd_terms(root * _ROOT + arc * _ASIN).as_independent(q, _ROOT, _ASIN)[0]
    root, arc = sp.cancel(root / common), sp.cancel(arc / common)
    return common * (root * sp.sqrt(1 - q**2) + arc * (ratio + sp.asin(q)))


# --- direct quadrature ---------------------------------------------------------------------------------------------


def reach(g: Function, depth: float = NEGLIGIBLE) -> float:
    """|u| beyond which g^2 exp(-u^2/2) and |g| exp(-u^2/2) (what counts at q = 1 and at q = 0) are e^-depth of their maxima."""
    x = np.linspace(0.0, FIELD_RANGE, 1601) + 1e-4
    with np.errstate(divide="ignore"):
        logarithm = np.log(np.maximum(np.abs(g(x)), np.abs(g(-x))))
    far = 0.0
    for power in (1, 2):
        size = power * logarithm - 0.5 * x * x
        far = max(far, float(x[np.flatnonzero(size > size.max() - depth)[-1]]) + 0.1)
    return min(FIELD_RANGE, far)


def panel_rule(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on panels between sorted edges (last axis); empty panels weigh nothing."""
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[..., 1:] + edges[..., :-1])
    x = middle[..., None] + half[..., None] * NODES
    w = half[..., None] * WEIGHTS
    return x.reshape(*edges.shape[:-1], -1), w.reshape(*edges.shape[:-1], -1)


def halved(edges: np.ndarray, level: int) -> np.ndarray:
    """Every panel cut into 2^level equal ones."""
    for _ in range(level):
        edges = np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))
    return edges


def gaussian_rule(breaks: tuple[float, ...], far: float, level: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for E f(u) on |u| < far, in panels that end at the breaks."""
    edges = np.unique([*np.linspace(-far, far, 2 * int(np.ceil(far)) + 1), *(b for b in breaks if abs(b) < far)])
    x, w = panel_rule(halved(edges, level))
    return x, w * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def pair_mean(g: Function, breaks: tuple[float, ...], rho: float, sine: float, far: float, level: int) -> float:
    """E g(u1) g(u2) at correlation rho, sine = sqrt(1 - rho^2) > 0: u2 = rho u1 + sine y, panels at the breaks of both."""
    edges = [*np.linspace(-far, far, 2 * int(np.ceil(far)) + 1), *breaks]
    steps = sine * np.append(0.0, 2.0 ** np.arange(max(0.0, np.ceil(-np.log2(sine))) + 1.0))
    for b in breaks if sine < 0.5 else ():  # the inner mean crosses a break over a width `sine`
        edges += [b / rho + sign * step for step in steps for sign in (-1, 1)]
    x, w = panel_rule(halved(np.unique(np.clip(edges, -far, far)), level))
    w = w * np.exp(-0.5 * x * x) * g(x)
    x, w = x[w != 0.0], w[w != 0.0]
    tail = max(BULK, far)
    base = halved(np.linspace(-tail, tail, 2 * int(np.ceil(tail)) + 1), level)
    total = 0.0
    size = max(1, MOST_POINTS // ((base.size + len(breaks)) * NODES.size))
    for start in range(0, x.size, size):
        at = x[start : start + size, None]
        cuts = np.clip((np.asarray(breaks)[None, :] - rho * at) / sine, -tail, tail)
        y, wy = panel_rule(np.sort(np.concatenate([np.broadcast_to(base, (at.size, base.size)), cuts], axis=1), axis=1))
        inner = (wy * np.exp(-0.5 * y * y) * g(rho * at + sine * y)).sum(axis=1)
        total += float(w[start : start + size] @ inner)
    return total / (2 * np.pi)


def by_quadrature(activation: Activation | Any, correlation: float, scale: float = 1.0) -> float:
    r"""Delta(q) by two-dimensional quadrature, independent of every rule above; refined until it settles to 1e-13.

    .. math:: \Delta(q) = \int\!Dx\,Dy\; g(\sigma x)\, g(\sigma(q x + \sqrt{1-q^2}\,y))

    activation : what `parse_activation` takes;  correlation : q in [0, 1];  scale : sigma > 0

    Raises
    ------
    ArithmeticError : if it does not settle to 1e-10 of E g^2.
    """
    if not 0.0 <= correlation <= 1.0:
        raise ValueError(f"q: got {correlation!r}; takes a correlation in [0, 1]")
    activation = parse_activation(activation)
    plain = numpy_function(activation.expr, u)

    def g(x: np.ndarray) -> np.ndarray:
        return plain(scale * x)

    breaks, last, change, norm = tuple(b / scale for b in activation.breaks), np.nan, np.inf, 1.0
    sine = float(np.sqrt((1.0 - correlation) * (1.0 + correlation)))
    with np.errstate(all="ignore"):  # a branch of a Piecewise is evaluated also where it is not taken
        far = reach(g)
        for level in range(LEVELS):
            x, w = gaussian_rule(breaks, far, level)
            norm = float(w @ g(x) ** 2)
            value = pair_mean(g, breaks, correlation, sine, far, level) if sine > 0.0 else norm
            change = abs(value - last)
            if change <= TOLERANCE * norm:
                return value
            last = value
    if change > 1e-10 * norm:
        raise ArithmeticError(f"Delta({correlation:g}): quadrature over two fields has not settled: {change:.1e}")
    return last
