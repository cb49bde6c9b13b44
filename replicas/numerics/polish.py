"""Roots of derived equations to any number of digits, from a double-precision start.

Newton with one finite-difference Jacobian, kept good by Broyden's updates, at a precision that grows with the digits won.
The root of one quadrature is then put through another one, of other step and precision: what that moves is the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from ..symbolic import symbols as S
from ..symbolic.functional import Functional
from .arithmetic import Flint, Mpmath, arithmetic
from .geometry import Geometry
from .program import Program
from .rules import SinhRule

FIRST = 26  # digits of the Jacobian: half of them survive the difference, more than the start has
GUARD = 8  # digits beyond those asked for
OTHER_STEP, OTHER_DIGITS = 0.83, 7  # of the second evaluation
START_DIGITS = 11.0  # that a double-precision root is trusted to have
MAX_ROUNDS = 6  # refinements of the quadrature before giving up
MAX_STEPS = 60
REFRESH = 5  # steps to go beyond which a new Jacobian is cheaper
COARSE = 1.6  # refinement of a rule whose root is not near the start
TRUSTED = 1e-3  # relative step beyond which Newton has left the root it was given
WANTED = 2.0  # digits beyond those asked for that the second evaluation has to confirm


Arithmetic = Mpmath | Flint
Function = Callable[[Sequence[Any], int, float], Sequence[Any]]


class NotReached(ArithmeticError):
    """The digits asked for were not reached; the message says how far it came."""


@dataclass(frozen=True)
class Problem:
    """equations(unknowns; parameters) = 0 and what to report at the root, all expressions of one functional.

    unknowns : symbols;  start : double-precision root, Q - q under the key ``V`` where it is known better than q
    parameters : exact values of the other symbols
    """

    functional: Functional
    unknowns: tuple[sp.Symbol, ...]
    equations: tuple[sp.Expr, ...]
    parameters: Mapping[sp.Symbol, Any]
    reported: Mapping[str, sp.Expr] = field(default_factory=dict)


@dataclass
class Root:
    """Values and absolute errors by name, as numbers of the working context."""

    values: dict[str, Any]
    errors: dict[str, Any]
    residual: Any


class Evaluator:
    """A program in an arithmetic, with the quadrature rule of each tower."""

    def __init__(self, F: Arithmetic, program: Program, geometry: Geometry):
        self.F, self.program, self.geometry = F, program, geometry

    def __call__(self, values: Mapping[str, Any], digits: int, quality: float) -> list[Any]:
        """The program's expressions at ``values`` (by symbol name), as mpmath numbers."""
        F = self.F
        with F.at(digits):
            parameters = {
                k: F.load(v) if hasattr(v, "_mpf_") else F.ratio(v.numerator, v.denominator) for k, v in values.items()
            }
            averages: dict[str, Any] = {}
            for tower in self.program.towers:
                averages |= self._average(tower, parameters, values, digits, quality)
            joined = self.program.join(F, parameters, averages)
            return [F.store(F.load(0) + v) for v in joined.values()]

    def _average(
        self, tower: Any, parameters: Mapping[str, Any], values: Mapping[str, Any], digits: int, quality: float
    ) -> dict[str, Any]:
        F = self.F
        opaque = self.geometry.opaque_leaf(F, tower, parameters, values, digits, quality)
        integrand = tower.make(F, parameters, opaque)
        rule = self.geometry.rule(tower, values, digits, quality)
        if rule is None:  # no spread: the average is the value at the centre
            total = integrand(F.load(0))
        else:
            total = self._sum(integrand, rule)
        return {name: v / total[-1] for name, v in zip(tower.names, total)}

    def _sum(self, integrand: Callable[[Any], Sequence[Any]], rule: SinhRule) -> list[Any]:
        total: list[Any] | None = None
        for t, weight in rule.nodes(self.F):
            terms = [weight * v for v in integrand(t)]
            total = terms if total is None else [a + b for a, b in zip(total, terms)]
        assert total is not None
        return total


def solve(problem: Problem, start: Mapping[sp.Symbol, float], digits: int, gap: float | None = None) -> Root:
    """The root near ``start`` with ``digits`` digits, and every reported expression there.

    gap : Q - q of the start, which sets the digits lost to its smallness.

    Raises NotReached.
    """
    try:
        return _solve(arithmetic(), problem, start, digits, gap)
    except NotImplementedError:  # a function of a user's likelihood that python-flint lacks
        return _solve(Mpmath(), problem, start, digits, gap)


def _solve(F: Arithmetic, problem: Problem, start: Mapping[sp.Symbol, float], digits: int, gap: float | None) -> Root:
    f, unknowns = problem.functional, problem.unknowns
    names = [s.name for s in unknowns]
    loss = max(0.0, -math.log10(gap)) if gap else 0.0
    geometry = Geometry(f)
    equations = Evaluator(F, program(f, problem.equations), geometry)
    reported = Evaluator(F, program(f, tuple(problem.reported.values())), geometry)
    fixed = {s.name: v for s, v in problem.parameters.items()}

    def at(evaluator: Evaluator) -> Function:
        return lambda y, precision, quality: evaluator({**fixed, **dict(zip(names, y))}, precision, quality)

    ctx = F.ctx
    ctx.dps = precision_for(digits, loss)
    x = [ctx.mpf(start[s]) for s in unknowns]
    size = [abs(v) if v else ctx.one for v in x]
    if gap is not None and S.q in unknowns:  # q = Q - V keeps the digits of V
        i = unknowns.index(S.q)
        norm = x[unknowns.index(S.Q)] if S.Q in unknowns else ctx.mpf(f.norm.p) / f.norm.q
        x[i] = norm - ctx.mpf(gap)
        size[i] = min(size[i], ctx.mpf(gap))
    return refine(ctx, at(equations), x, size, digits, names, (tuple(problem.reported), at(reported)), loss)


def precision_for(digits: int, loss: float) -> int:
    """Working digits for a result of ``digits``, when ``loss`` are lost to a small Q - q."""
    return digits + GUARD + math.ceil(2 * loss)


def refine(
    ctx: Any,
    function: Function,
    x: Sequence[Any],
    size: Sequence[Any],
    digits: int,
    names: Sequence[str],
    report: tuple[Sequence[str], Function] = ((), lambda y, precision, quality: []),
    loss: float = 0.0,
) -> Root:
    """The root of ``function(x, precision, quality)`` near ``x``, with the error that a second evaluation shows.

    size : of each unknown, to which its changes are compared;  quality : factor on the digits of the quadrature.
    """
    n, full, quality = len(x), precision_for(digits, loss), 1.0
    x = list(x)
    trouble, known = "", START_DIGITS
    for _ in range(MAX_ROUNDS):
        other, finer = full + OTHER_DIGITS, quality / OTHER_STEP
        ctx.dps = other + 10
        if n:
            try:
                x, inverse = _newton(ctx, function, x, size, digits, full, quality, loss, known)
            except NotReached as reason:  # too coarse a rule may have its root elsewhere
                trouble, quality = str(reason), COARSE * quality
                continue
            left = function(x, other, finer)
            drift, residual = list(-(inverse * ctx.matrix(left))), max(map(abs, left))
        else:
            drift, residual = [], ctx.zero
        moved = [a + b for a, b in zip(x, drift)]
        first, second = report[1](x, full, quality), report[1](moved, other, finer)
        changes = [abs(a - b) for a, b in zip(first, second)]
        if not all(ctx.isfinite(v) for v in (*moved, *second)):
            raise NotReached("an expression is not finite at the root")
        relative = [abs(d) / s for d, s in zip(drift, size)] + [c / max(1, abs(v)) for c, v in zip(changes, second)]
        worst = min((float(-ctx.log10(v)) if v else math.inf for v in relative), default=math.inf)
        if worst >= digits + WANTED:
            break
        known = max(START_DIGITS, min(worst, digits))
        trouble = f"two evaluations agree to {max(worst, 0):.0f} digits only"
        # the error is exponential in 1/step; what cancels needs more digits instead
        quality *= min(3.0, max(1.25, 1.1 * (digits + WANTED + 2) / max(worst, 1.0)))
        full += min(full, math.ceil(digits + WANTED - worst))
    else:
        raise NotReached(trouble)
    unit = ctx.mpf(10) ** -(digits + GUARD - 2)
    values = dict(zip([*names, *report[0]], [*moved, *second]))
    sizes = [*size, *(max(1, abs(v)) for v in second)]
    errors = {k: abs(d) + unit * s for k, d, s in zip(values, [*drift, *changes], sizes)}
    return Root(values, errors, residual)


def _newton(
    ctx: Any,
    function: Function,
    x: list[Any],
    size: Sequence[Any],
    digits: int,
    full: int,
    quality: float,
    loss: float,
    known: float,
) -> tuple[list[Any], Any]:
    """(root, inverse Jacobian) of one quadrature, from a start of ``known`` digits."""
    first = math.ceil(min(full, max(FIRST, known + START_DIGITS + 6) + 2 * loss))
    value = ctx.matrix(function(x, first, quality))
    inverse = _inverse_jacobian(ctx, function, x, value, size, first, quality, loss)
    won, gain = known, START_DIGITS - 2.0  # digits of x, digits that a step adds
    for _ in range(MAX_STEPS):
        step = -(inverse * value)
        if not all(ctx.isfinite(v) for v in step):
            raise NotReached("the equations are not finite near the double-precision root")
        moved = max(abs(d) / s for d, s in zip(step, size))
        if moved > TRUSTED:
            raise NotReached(f"Newton left the double-precision root by a relative {ctx.nstr(moved, 2)}")
        x = [a + b for a, b in zip(x, step)]
        # a step of 10^-k leaves about 10^-(k + digits of the Jacobian), where the equations were known that well
        won = min(float(-ctx.log10(moved)) + gain if moved else math.inf, 2.5 * won)
        if first == full and won > digits + loss + 2:
            return x, inverse
        if full - won > REFRESH * gain:  # many steps to go: a Jacobian of all the digits won so far doubles them
            first = math.ceil(min(full, 2 * won + 6 + 2 * loss))
            value = ctx.matrix(function(x, first, quality))
            inverse = _inverse_jacobian(ctx, function, x, value, size, first, quality, loss)
            gain = min(won, (first - 2 * loss) / 2) - 2
            continue
        learnt = moved and -ctx.log10(moved) < first - FIRST / 2 - 2 * loss  # the change is not lost in the rounding
        first = math.ceil(min(full, won + gain + 8 + 2 * loss))
        before, value = value, ctx.matrix(function(x, first, quality))
        if learnt:
            inverse = _broyden(inverse, step, value - before)
    raise NotReached("Newton did not converge")


def _inverse_jacobian(
    ctx: Any,
    function: Function,
    x: Sequence[Any],
    base: Any,
    size: Sequence[Any],
    digits: int,
    quality: float,
    loss: float,
) -> Any:
    """By differences at the precision of ``base``: half of its digits are left."""
    n = len(x)
    J = ctx.matrix(n, n)
    for j in range(n):
        h = size[j] * ctx.mpf(10) ** -((digits - 2 * loss) / 2)
        moved = function([v + (h if i == j else 0) for i, v in enumerate(x)], digits, quality)
        for i in range(n):
            J[i, j] = (moved[i] - base[i]) / h
    try:
        return J**-1
    except ZeroDivisionError:
        raise NotReached("the equations are degenerate at the double-precision root") from None


def _broyden(inverse: Any, step: Any, change: Any) -> Any:
    """Sherman-Morrison form of Broyden's update of an inverse Jacobian."""
    moved = inverse * change
    scale = (step.T * moved)[0]
    if not scale:
        return inverse
    return inverse + (step - moved) * (step.T * inverse) / scale


_PROGRAMS: dict[Any, Program] = {}


def program(functional: Functional, expressions: Sequence[sp.Expr]) -> Program:
    """The program of a sequence of expressions, remembered."""
    key = tuple((k, v.closed) for k, v in sorted(functional.leaves.items())), tuple(expressions)
    if key not in _PROGRAMS:
        _PROGRAMS[key] = Program(functional, {str(i): e for i, e in enumerate(expressions)})
    return _PROGRAMS[key]
