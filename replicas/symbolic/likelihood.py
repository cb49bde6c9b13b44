"""Analysis of a user's likelihood: where it is not smooth, whether it is piecewise constant, whether it is legal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import sympy as sp

from ..models import Piece

FIELD_RANGE = 40.0  # |u| beyond which a Gaussian field of variance up to 10 has probability below 1e-35
CONSTANT_TOLERANCE = 1e-14  # relative spread under which a piece counts as constant: rounding of one evaluation
SAMPLES = 801  # points a piece on which sign and finiteness are looked at


def break_points(expr: sp.Expr, u: sp.Symbol) -> tuple[sp.Expr, ...]:
    """Sorted real points where the expression is not analytic: jumps and kinks of its piecewise parts, exact."""
    zeros: list[sp.Expr] = []
    for atom in expr.atoms(sp.Heaviside, sp.Abs, sp.sign):
        zeros.append(atom.args[0])
    for atom in expr.atoms(sp.Max, sp.Min):
        zeros += [a - b for i, a in enumerate(atom.args) for b in atom.args[:i]]
    for atom in expr.atoms(sp.Piecewise):
        zeros += [
            rel.lhs - rel.rhs
            for _, cond in atom.args
            for rel in getattr(cond, "atoms", lambda *_: ())(sp.core.relational.Relational)
        ]
    points: set[sp.Expr] = set()
    for zero in zeros:
        roots = sp.solveset(zero, u, sp.S.Reals)
        if not isinstance(roots, sp.FiniteSet):
            if roots is sp.S.EmptySet or roots == sp.S.Reals:
                continue
            raise ValueError(
                f"likelihood: cannot find where {zero} changes sign; takes break points SymPy can solve for"
            )
        points |= {decimal_constants(r) for r in roots}
    distinct = {float(r): r for r in points}
    return tuple(distinct[r] for r in sorted(distinct))


def decimal_constants(expr: sp.Expr) -> sp.Expr:
    """Every float replaced by the decimal it prints as: 0.3 is 3/10."""
    return expr.replace(lambda e: isinstance(e, sp.Float), lambda e: sp.Rational(repr(float(e))))


def exact_pieces(expr: sp.Expr, u: sp.Symbol) -> list[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """(level, low, high) of a piecewise-constant likelihood, exact; only where it is positive."""
    edges = [-sp.oo, *(k for k in break_points(expr, u) if abs(k) < FIELD_RANGE), sp.oo]
    whole = piecewise(decimal_constants(expr))
    out = []
    for low, high in itertools.pairwise(edges):
        inside = (
            (low if high == sp.oo else high) + (1 if high == sp.oo else -1)
            if sp.oo in (-low, high)
            else (low + high) / 2
        )
        level = sp.simplify(whole.subs(u, sp.S.Zero if low == -sp.oo and high == sp.oo else inside))
        if level != 0:
            out.append((level, low, high))
    return out


def piecewise(expr: sp.Expr) -> sp.Expr:
    """The expression with Heaviside, Abs, sign, Max and Min written as Piecewise (what code printers know)."""
    half = expr.replace(sp.Heaviside, lambda x, h0=None: sp.Piecewise((1, x >= 0), (0, True)))
    return half.rewrite(sp.Piecewise) if half.has(sp.Abs, sp.sign, sp.Max, sp.Min) else half


def numpy_function(expr: sp.Expr, u: sp.Symbol) -> Callable[[np.ndarray], np.ndarray]:
    """The likelihood as a function of an array of fields."""
    function = sp.lambdify(u, piecewise(expr), ["scipy", "numpy"])
    return lambda x: np.array(np.broadcast_to(np.asarray(function(x), dtype=float), np.shape(x)))


def analyse(
    expr: sp.Expr, u: sp.Symbol
) -> tuple[tuple[Piece, ...] | None, tuple[float, ...], bool, tuple[tuple[float, float], ...]]:
    """Pieces (None if not piecewise constant), kinks, whether the likelihood is even, and the intervals of its support.

    Raises ValueError when the likelihood is negative, not finite, or zero everywhere on |u| <= 40.
    """
    kinks = tuple(float(k) for k in break_points(expr, u))
    function = numpy_function(expr, u)
    edges = [-FIELD_RANGE, *[k for k in kinks if abs(k) < FIELD_RANGE], FIELD_RANGE]
    pieces: list[Piece] = []
    support: list[tuple[float, float]] = []
    constant, anywhere = True, False
    for low, high in itertools.pairwise(edges):
        margin = 1e-9 * (high - low)
        points = np.linspace(low + margin, high - margin, SAMPLES)
        with np.errstate(all="ignore"):
            values = function(points)
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            i = int(np.argmax(bad))
            raise ValueError(
                f"likelihood: got {values[i]:.6g} at u = {points[i]:.6g}; takes a finite function >= 0 of the field"
            )
        anywhere |= bool(values.max() > 0)
        if values[1:-1].max() > 0:
            ends = (-math.inf if low == -FIELD_RANGE else low, math.inf if high == FIELD_RANGE else high)
            joined = support and support[-1][1] == ends[0]
            support[-1:] = [(support[-1][0], ends[1])] if joined else [*support[-1:], ends]
        if np.ptp(values) > CONSTANT_TOLERANCE * values.max():
            constant = False
        elif values[0] > 0:
            pieces.append(
                Piece(
                    math.log(values[SAMPLES // 2]),
                    -math.inf if low == -FIELD_RANGE else low,
                    math.inf if high == FIELD_RANGE else high,
                )
            )
    if not anywhere:
        raise ValueError(
            "likelihood: got a function that vanishes for every field |u| <= 40; takes one positive somewhere"
        )
    grid = np.linspace(0.0, 12.0, 1201) + 1e-7
    with np.errstate(all="ignore"):
        right, left = (function(s * grid) for s in (1, -1))
    even = bool(np.all(np.abs(right - left) <= CONSTANT_TOLERANCE * np.maximum(right, left)))
    return (tuple(pieces) if constant else None), kinks, even, tuple(support)
