"""Analysis of a user's activation: its analytic pieces, and whether its covariance exists."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from .likelihood import FIELD_RANGE, break_points, decimal_constants, numpy_function, piecewise
from .symbols import u

Segment = tuple[sp.Expr, sp.Expr, sp.Expr]  # expression, low end, high end

# Functions analytic on the real line, and those whose breaks `break_points` finds; tan and its kin have poles that
# show as zeros of a denominator. Anything else (floor, gamma, asin) could hide a break or a pole.
KNOWN = (sp.exp, sp.log, sp.erf, sp.erfc, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.sech, sp.atan, sp.asinh)
BROKEN = (sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min, sp.Piecewise)
WITH_POLES = {sp.tan: sp.cos, sp.cot: sp.sin, sp.sec: sp.cos, sp.csc: sp.sin, sp.coth: sp.sinh, sp.csch: sp.sinh}
SCAN = 4001  # points on |u| <= 40: every 0.02
LARGEST_FIELD = 2.0**26  # where the growth of g is looked at: exp(exp(u/c)) has shown itself for every c < 1e6
DIVERGED = 1e4  # log of the weighted square above which a function of normal size has overcome the Gaussian
NEGLIGIBLE = -40.0  # log of a weighted square, times u^2, that leaves a finite integral
LONGEST_TAIL = 75  # |x| up to which exp(2x)^4 does not overflow
LOG = sp.Symbol("log")  # stands for the power of a logarithm
ZERO_SPREAD = 1e-13  # relative: rounding of an expectation


def mp_function(expr: sp.Expr, digits: int = 30) -> tuple[Callable[[Any], Any], Any]:
    """The expression as a function in a private mpmath context, and the context."""
    ctx = mpmath.mp.clone()
    ctx.dps = digits
    names = "exp log sqrt erf erfc sin cos tan cot sec csc sinh cosh tanh sech coth csch atan asinh pi mpf"
    modules = [{name: getattr(ctx, name) for name in names.split()}, "mpmath"]
    function = sp.lambdify(u, piecewise(decimal_constants(expr)), modules)
    return lambda x: ctx.convert(function(ctx.mpf(x))), ctx


@lru_cache(maxsize=64)
def segments(expr: sp.Expr) -> tuple[Segment, ...]:
    """(analytic expression, low, high) from -oo to oo; neighbours with the same expression are one."""
    exact = decimal_constants(expr)
    whole = piecewise(exact)
    edges = [-sp.oo, *(k for k in break_points(exact, u) if abs(k) < FIELD_RANGE), sp.oo]
    out: list[Segment] = []
    for low, high in itertools.pairwise(edges):
        inside = sp.S.Zero if low == -sp.oo and high == sp.oo else high - 1 if low == -sp.oo else low + 1
        if sp.oo not in (-low, high):
            inside = (low + high) / 2

        def branch(e: sp.Expr, at: sp.Expr = inside) -> sp.Expr:
            return next(value for value, condition in e.args if condition.subs(u, at) == True)  # noqa: E712

        piece = whole.replace(lambda e: isinstance(e, sp.Piecewise), branch)
        if out and sp.expand(out[-1][0] - piece) == 0:
            out[-1] = (out[-1][0], out[-1][1], high)
        else:
            out.append((piece, low, high))
    return tuple(out)


def one_sided(expr: sp.Expr, at: sp.Expr, side: str) -> sp.Expr:
    """Limit of an analytic piece at an end; side is "+" or "-"."""
    value = expr.subs(u, at)
    return sp.limit(expr, u, at, side) if value.has(sp.nan, sp.zoo, sp.oo, -sp.oo) else value


def reduced(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """(c, f) with g = c f + a constant, c the largest coefficient of a term of g; g constant gives f = 0."""
    total, rest = sp.S.One, decimal_constants(expr)
    while True:
        rest = rest.as_independent(u, as_Add=True)[1] if rest.has(u) else sp.S.Zero
        coefficients = [term.as_independent(u, as_Add=False)[0] for term in sp.Add.make_args(rest)]
        factor = max((abs(c) for c in coefficients), key=sp.N)
        if rest == 0 or not factor.is_positive or factor == 1:
            return total, rest
        total, rest = total * factor, sp.Add(*(term / factor for term in sp.Add.make_args(rest)))


def without_cancellation(expr: sp.Expr) -> sp.Expr:
    """tanh and erf whose argument is far from 0 at u = 0 by what they differ from -1 or 1 there, up to a constant."""
    out = []
    for term in sp.Add.make_args(expr):
        factor, rest = term.as_independent(u, as_Add=False)
        x = sp.expand(rest.args[0]) if isinstance(rest, (sp.tanh, sp.erf)) else u
        slope, offset = x.coeff(u, 1), x.coeff(u, 0)
        if sp.expand(x - slope * u - offset) == 0 and abs(offset) >= 1 and abs(slope) * FIELD_RANGE + abs(offset) <= LONGEST_TAIL:
            away = sp.sign(offset) * x
            tail = 2 / (1 + sp.exp(2 * away)) if isinstance(rest, sp.tanh) else sp.erfc(away)
            term = -sp.sign(offset) * factor * tail
        out.append(term)
    return sp.Add(*out)


Powers = dict[sp.Expr, tuple[sp.Expr, sp.Expr]]


def powers_at_zero(expr: sp.Expr) -> Powers | None:
    """{p: (even, odd)} of a sum of even |u|^p + odd sign(u) |u|^p, without its constant; log|u| is p = "log"; else None."""
    try:
        parts = segments(expr)
    except (ValueError, NotImplementedError, StopIteration):
        return None
    if len(parts) > 2 or (len(parts) == 2 and parts[0][2] != 0):
        return None
    v = sp.Symbol("v", positive=True)
    sides: list[dict[sp.Expr, sp.Expr]] = []
    for piece, x in ((parts[-1][0], v), (parts[0][0], -v)):
        found: dict[sp.Expr, sp.Expr] = {}
        for term in sp.Add.make_args(sp.expand(sp.expand_log(piece.subs(u, x)))):
            factor, rest = term.as_independent(v, as_Add=False)
            base, power = rest.as_base_exp()
            key = sp.S.Zero if rest == 1 else LOG if rest == sp.log(v) else power if base == v else None
            if key is None or not factor.is_real or not (key is LOG or (key.is_real and key.is_number)):
                return None
            found[key] = found.get(key, sp.S.Zero) + factor
        sides.append(found)
    right, left = sides
    out = {}
    for key in {**right, **left}:
        r, l = right.get(key, sp.S.Zero), left.get(key, sp.S.Zero)
        pair = ((r + l) / 2 if key != 0 else sp.S.Zero, (r - l) / 2)
        if pair != (0, 0):
            out[key] = pair
    return out or None


def known_name(expr: sp.Expr) -> str | None:
    """The named activation an expression is, by its pieces."""
    if expr.free_symbols != {u}:
        return None
    for name, plain in (("sign", sp.sign(u)), ("relu", sp.Max(0, u)), ("erf", sp.erf(u)), ("tanh", sp.tanh(u))):
        if expr == plain:
            return name
    try:
        parts = segments(expr)
    except (ValueError, NotImplementedError, StopIteration):
        return None
    if len(parts) == 1:
        return {u**2: "quadratic", sp.erf(u): "erf", sp.tanh(u): "tanh"}.get(sp.expand(parts[0][0]))
    if len(parts) == 2 and parts[0][2] == 0:
        pair = (sp.expand(parts[0][0]), sp.expand(parts[1][0]))
        return {(-1, 1): "sign", (0, u): "relu"}.get(pair)
    return None


def validated(expr: sp.Expr) -> tuple[tuple[float, ...], bool, bool]:
    """Breaks, whether g jumps, whether E u g(u) = 0; ValueError where the covariance is not defined or not computable."""
    extra = expr.free_symbols - {u}
    if extra:
        raise _refused(expr, "an expression in rp.field only, not of " + ", ".join(sorted(map(str, extra))))
    unknown = [f.func.__name__ for f in expr.atoms(sp.Function) if not isinstance(f, (*KNOWN, *BROKEN, *WITH_POLES))]
    if unknown:
        raise _refused(
            expr,
            "powers, exp, log, erf, erfc, atan, asinh, trigonometric, hyperbolic and piecewise functions, "
            f"not {sorted(unknown)[0]}",
        )
    if expr.has(sp.I, sp.nan, sp.zoo, sp.oo, sp.Integral, sp.Derivative, sp.Sum):
        raise _refused(expr, "a real function")
    core = reduced(expr)[1]
    try:
        parts = segments(core)
    except (ValueError, NotImplementedError, StopIteration):
        raise _refused(expr, "one whose break points SymPy can solve for") from None
    try:
        return _measured(core, parts)
    except ValueError as bad:
        if "; takes " not in str(bad):
            raise
        raise _refused(expr, str(bad).rsplit("; takes ", 1)[1]) from None


def _measured(expr: sp.Expr, parts: tuple[Segment, ...]) -> tuple[tuple[float, ...], bool, bool]:
    if not expr.has(u):
        raise _refused(expr, "a function that is not constant")
    function, ctx = mp_function(expr)
    _check_growth(expr, function, ctx)  # first: what grows too fast cannot be evaluated at |u| = 40
    _check_real(expr, function, ctx)
    breaks = tuple(float(high) for _, _, high in parts[:-1])
    powers = powers_at_zero(expr) or {}
    if any(p is LOG or p.is_negative for p in powers):
        return _singular(expr, powers)
    _check_bounded(expr, function, breaks)
    values = _scan(expr)
    if np.ptp(values) <= 1e-14 * np.abs(values).max():
        raise _refused(expr, "a function that is not constant")
    sides = [(one_sided(a, at, "-"), one_sided(b, at, "+")) for (a, _, at), (b, _, _) in itertools.pairwise(parts)]
    jumps = any(abs(float(left - right)) > 1e-14 * (abs(float(left)) + abs(float(right))) for left, right in sides)
    return breaks, jumps, _uncorrelated(expr, breaks)


def _singular(expr: sp.Expr, powers: Powers) -> tuple[tuple[float, ...], bool, bool]:
    """Unbounded at 0: sums of powers above -1/2, and a logarithm alone."""
    if any(p is not LOG and p <= -sp.Rational(1, 2) for p in powers):
        raise _refused(expr, "a function square integrable under the Gaussian: E g(u)^2 is infinite, it diverges at u = 0")
    if LOG in powers and (powers[LOG][1] != 0 or any(even != 0 for p, (even, _) in powers.items() if p is not LOG)):
        raise _refused(expr, "log(Abs(u)) alone or with odd powers of Abs(u), not with other even ones")
    jumps = any(odd != 0 and p <= 0 for p, (_, odd) in powers.items() if p is not LOG)
    moments = [
        sp.N(odd * 2 ** ((p + 1) / 2) * sp.gamma((p + 2) / 2)) for p, (_, odd) in powers.items() if p is not LOG and odd != 0
    ]
    return (0.0,), jumps, bool(abs(sum(moments)) <= ZERO_SPREAD * sum(map(abs, moments)))


def _refused(expr: sp.Expr, takes: str) -> ValueError:
    return ValueError(f"activation: got {expr}; takes {takes}")


def _check_real(expr: sp.Expr, function: Callable[[Any], Any], ctx: Any) -> None:
    for x in np.linspace(-FIELD_RANGE, FIELD_RANGE, 162):  # even: 0 itself may be a removable point
        try:
            value = function(x)
        except (ZeroDivisionError, ValueError):
            continue  # a pole: `_check_bounded` names it
        if isinstance(value, ctx.mpc) and value.imag != 0:
            raise _refused(expr, f"a real function: it is complex at u = {x:.6g}")


def _check_growth(expr: sp.Expr, function: Callable[[Any], Any], ctx: Any) -> None:
    """E g^2 is finite when log g^2 - u^2/2 + 2 log|u| ends far below zero, seen in mpmath, which does not overflow, at
    |u| = 1, 2, 4, ..., 2^26, three points each because g may vanish at one."""
    for sign in (-1, 1):
        radius, final = 1.0, 0.0
        while radius <= LARGEST_FIELD:
            final = -float("inf")
            for shift in (0.0, 0.31, 0.77):
                x = sign * (radius + shift)
                try:
                    size = abs(function(x))
                except (ZeroDivisionError, ValueError):
                    continue
                if size:
                    final = max(final, float(2 * ctx.log(size) - x * x / 2 + 2 * ctx.log(abs(x))))
            if final > DIVERGED:
                break
            radius *= 2
        if final > NEGLIGIBLE:
            raise _refused(expr, "a function square integrable under the Gaussian: E g(u)^2 is infinite")


def _check_bounded(expr: sp.Expr, function: Callable[[Any], Any], breaks: tuple[float, ...]) -> None:
    """Finite one-sided limits at every break and at every zero of a denominator, of a root or of a logarithm."""
    suspects = dict.fromkeys(breaks, True)
    for base, analytic in _bases(decimal_constants(expr)):
        grid = np.linspace(-FIELD_RANGE, FIELD_RANGE, SCAN)
        with np.errstate(all="ignore"):
            size = np.abs(numpy_function(base, u)(grid))
        if not np.isfinite(size).all():
            continue  # the base has a pole of its own: it is in the list too
        low = np.flatnonzero((size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:])) + 1
        for i in low:
            at, depth = _lowest(base, grid[i - 1], grid[i + 1])
            if depth > 1e-6 * (1.0 + size[i - 1]) or any(abs(at - b) < 1e-6 for b in breaks):
                continue
            if not analytic:
                raise _refused(expr, f"a root or logarithm of a positive function, or Abs: it vanishes at u = {at:.6g}")
            suspects[at] = True
    for at in suspects:
        ends = []
        for side in (-1, 1):
            try:
                steps = [function(mpmath.mpf(at) + side * mpmath.mpf(10) ** -k) for k in (2, 4, 6, 8)]
                moves = [abs(b - a) for a, b in itertools.pairwise(steps)]
                settled = all(b <= 0.9 * a or b <= 1e-12 * abs(steps[-1]) for a, b in itertools.pairwise(moves))
            except (ZeroDivisionError, ValueError):
                settled = False
            if not settled:
                raise _refused(expr, f"a function with finite one-sided limits: it has none at u = {at:.6g}")
            ends.append(steps[-1])
        if at not in breaks and abs(ends[1] - ends[0]) > 1e-5 * (abs(ends[0]) + abs(ends[1])):
            raise _refused(expr, f"jumps written with sign, Heaviside or Piecewise: it has another at u = {at:.6g}")


def _bases(expr: sp.Expr) -> list[tuple[sp.Expr, bool]]:
    """What must not vanish, and whether the function is analytic up to a pole there."""
    out = [(p.base, bool(p.exp.is_integer)) for p in expr.atoms(sp.Pow) if not p.exp.is_nonnegative or not p.exp.is_integer]
    out += [(f.args[0], False) for f in expr.atoms(sp.log)]
    for kind, denominator in WITH_POLES.items():
        out += [(denominator(f.args[0]), True) for f in expr.atoms(kind)]
    return [(base, analytic) for base, analytic in out if base.has(u)]


def _lowest(base: sp.Expr, low: float, high: float) -> tuple[float, float]:
    function = numpy_function(base, u)
    for _ in range(12):  # each scan narrows the bracket tenfold
        grid = np.linspace(low, high, 21)
        with np.errstate(all="ignore"):
            size = np.abs(function(grid))
        i = int(np.nanargmin(size))
        low, high = grid[max(i - 1, 0)], grid[min(i + 1, 20)]
    return float(grid[i]), float(size[i])


def _scan(expr: sp.Expr) -> np.ndarray:
    points = np.linspace(-FIELD_RANGE, FIELD_RANGE, SCAN + 1)
    with np.errstate(all="ignore"):
        values = numpy_function(expr, u)(points)
    bad = ~np.isfinite(values)
    if bad.any():
        raise _refused(expr, f"a function that is finite in double precision on |u| <= 40: it is not at u = {points[bad][0]:.6g}")
    return values


def _uncorrelated(expr: sp.Expr, breaks: tuple[float, ...]) -> bool:
    """Whether c_1 = E u g(u) vanishes to rounding."""
    from .covariance import gaussian_rule, reach

    function = numpy_function(expr, u)
    with np.errstate(all="ignore"):  # a branch of a Piecewise is evaluated also where it is not taken
        x, w = gaussian_rule(breaks, reach(function))
        g = function(x)
    return bool(abs(w @ (x * g)) <= ZERO_SPREAD * np.sqrt(w @ (g * g)))
