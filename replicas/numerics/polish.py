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

FIRST = 34  # digits of the Jacobian: half of them survive the difference, more than the start has
GUARD = 8  # digits beyond those asked for
OTHER_STEP, OTHER_DIGITS = 0.83, 7  # of the second evaluation
START_DIGITS = 11.0  # that a double-precision root is trusted to have
MAX_ROUNDS = 6  # refinements of the quadrature before giving up
MAX_STEPS = 60
WANTED = 1.0  # digits beyond those asked for that the second evaluation has to confirm


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
    nodes: int


class Evaluator:
    """A program in an arithmetic, with the quadrature rule of each tower."""

    def __init__(self, F: Mpmath | Flint, program: Program, geometry: Geometry):
        self.F, self.program, self.geometry = F, program, geometry
        self.nodes = 0

    def __call__(self, values: Mapping[str, Any], digits: int, quality: float) -> list[Any]:
        """The program's expressions at ``values`` (by symbol name), as mpmath numbers."""
        F = self.F
        with F.at(digits):
            parameters = {k: F.load(v) if hasattr(v, "_mpf_") else F.ratio(v.numerator, v.denominator) for k, v in values.items()}
            averages: dict[str, Any] = {}
            for tower in self.program.towers:
                averages |= self._average(tower, parameters, values, digits, quality)
            joined = self.program.join(F, parameters, averages)
            return [F.store(F.load(0) + v) for v in joined.values()]

    def _average(self, tower: Any, parameters: Mapping[str, Any], values: Mapping[str, Any], digits: int, quality: float) -> dict[str, Any]:
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
        self.nodes += rule.size
        assert total is not None
        return total


def solve(problem: Problem, start: Mapping[sp.Symbol, float], digits: int, gap: float | None = None) -> Root:
    """The root near ``start`` with ``digits`` digits, and every reported expression there.

    gap : Q - q of the start, which sets the digits lost to its smallness.

    Raises NotReached.
    """
    F = arithmetic()
    try:
        return _solve(F, problem, start, digits, gap)
    except NotImplementedError:  # a function of a user's likelihood that python-flint lacks
        return _solve(Mpmath(), problem, start, digits, gap)


def _solve(F: Mpmath | Flint, problem: Problem, start: Mapping[sp.Symbol, float], digits: int, gap: float | None) -> Root:
    ctx = F.ctx
    f, unknowns = problem.functional, problem.unknowns
    loss = max(0.0, -math.log10(gap)) if gap else 0.0
    full = digits + GUARD + math.ceil(2 * loss)
    ctx.dps = full + 2 * OTHER_DIGITS + 10
    geometry = Geometry(f)
    equations = Evaluator(F, program(f, problem.equations), geometry)
    fixed = {s.name: v for s, v in problem.parameters.items()}
    x = [ctx.mpf(start[s]) for s in unknowns]
    if gap is not None and S.q in unknowns:  # q = Q - V keeps the digits of V
        norm = x[unknowns.index(S.Q)] if S.Q in unknowns else ctx.mpf(f.norm.p) / f.norm.q
        x[unknowns.index(S.q)] = norm - ctx.mpf(gap)
    size = [abs(v) if v else ctx.one for v in x]
    if gap is not None and S.q in unknowns:
        size[unknowns.index(S.q)] = min(size[unknowns.index(S.q)], ctx.mpf(gap))

    def at(y: Sequence[Any], precision: int, quality: float) -> Any:
        return ctx.matrix(equations({**fixed, **{s.name: v for s, v in zip(unknowns, y)}}, precision, quality))

    n = len(unknowns)
    quality = 1.0
    won = START_DIGITS
    previous: Any = None
    if n:
        first = min(full, FIRST + math.ceil(2 * loss))
        base = at(x, first, quality)
        inverse = _inverse_jacobian(ctx, lambda y: at(y, first, quality), x, base, size, (first - 2 * loss) / 2)
    for _round in range(MAX_ROUNDS):
        for _ in range(MAX_STEPS if n else 0):
            precision = min(full, math.ceil(2 * won + 4 + 2 * loss))
            value = at(x, precision, quality)
            if previous is not None:
                inverse = _broyden(inverse, step, value - previous)
            step = -(inverse * value)
            if not all(ctx.isfinite(v) for v in step):
                raise NotReached("the equations are not finite near the double-precision root")
            x = [a + b for a, b in zip(x, step)]
            previous = value
            moved = max(abs(d) / s for d, s in zip(step, size))
            if moved > 1e-3:
                raise NotReached(f"Newton left the double-precision root by a relative {ctx.nstr(moved, 2)}")
            won = min(float(-ctx.log10(moved)) + 8 if moved else math.inf, 2.5 * won)
            if precision == full and (moved == 0 or -ctx.log10(moved) > digits + loss + 2):
                break
        else:
            if n:
                raise NotReached("Newton did not converge")
        other, finer = full + OTHER_DIGITS, quality / OTHER_STEP
        drift = -(inverse * at(x, other, finer)) if n else ctx.matrix(0, 1)
        wrong = max((abs(d) / s for d, s in zip(drift, size)), default=ctx.zero)
        moved_x = [a + b for a, b in zip(x, drift)]
        reported, misfit = _report(F, problem, geometry, fixed, (x, full, quality), (moved_x, other, finer))
        worst = max(float(-ctx.log10(v)) if v else math.inf for v in (wrong, misfit))
        if worst >= digits + WANTED:
            break
        if _round == MAX_ROUNDS - 1:
            raise NotReached(f"two evaluations agree to {worst:.0f} digits only")
        quality *= min(3.0, max(1.25, 1.1 * (digits + WANTED + 2) / max(worst, 1.0)))  # the error is exponential in 1/step
        previous = None
    unit = ctx.mpf(10) ** -(full - 2)
    values = {s.name: v for s, v in zip(unknowns, moved_x)}
    errors = {s.name: abs(d) + unit * z for s, d, z in zip(unknowns, drift, size)}
    for name, (value, error) in reported.items():
        values[name], errors[name] = value, error + unit * max(1, abs(value))
    if n:
        final = at(moved_x, other, finer)
        residual = max(abs(v) for v in final)
    else:
        residual = ctx.zero
    return Root(values, errors, residual, equations.nodes)


def _report(F: Any, problem: Problem, geometry: Geometry, fixed: Mapping[str, Any], *points: Any) -> tuple[dict[str, Any], Any]:
    """Reported expressions at two roots by two quadratures: (value, difference), and the largest relative difference."""
    ctx = F.ctx
    if not problem.reported:
        return {}, ctx.zero
    evaluator = Evaluator(F, program(problem.functional, tuple(problem.reported.values())), geometry)
    rows = []
    for x, precision, quality in points:
        rows.append(evaluator({**fixed, **{s.name: v for s, v in zip(problem.unknowns, x)}}, precision, quality))
    out = {k: (b, abs(a - b)) for k, a, b in zip(problem.reported, *rows)}
    return out, max(d / max(1, abs(v)) for v, d in out.values())


def _inverse_jacobian(ctx: Any, function: Any, x: Sequence[Any], base: Any, size: Sequence[Any], digits: float) -> Any:
    n = len(x)
    J = ctx.matrix(n, n)
    for j in range(n):
        h = size[j] * ctx.mpf(10) ** -digits
        moved = function([v + (h if i == j else 0) for i, v in enumerate(x)])
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
