r"""Existence and uniqueness of a root of derived equations in a box: Krawczyk's operator on rigorous enclosures.

.. math:: K(X) = x - Y F(x) + (1 - Y F'(X)) (X - x)

If K(X) lies in the interior of the box X, then F has exactly one zero in X, and it lies in K(X). F(x) and F'(X) are
enclosures of the derived equations and of their symbolic derivatives (`replicas.numerics.balls`); Y is any matrix, here an
approximate inverse of F'(x).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy as sp

from ..symbolic import symbols as S
from ..symbolic.functional import Functional
from .arithmetic import context
from .balls import EVALUATIONS, WIDE_EVALUATIONS, Balls, Enclosure, NotCertified

JACOBIAN_DIGITS = 20  # of F'(X): it is multiplied by the width of the box
BOX = 3  # digits by which the box is wider than the digits asked for
BRACKETS = (0.001, 0.01, 0.05)  # relative half-widths in which uniqueness is tried, one after the other until one fails
AMPLIFIED = 3  # powers of 1/(Q - q) in the equations
ROUGH = 8  # digits of an average over a piece of the bracket
PIECE, THINNEST, PATIENCE = 0.01, 2e-4, 3  # relative width of the pieces of a bracket, the least, tries for each


@dataclass(frozen=True)
class Certificate:
    """Balls (midpoint, radius) that hold exactly one zero, and the bracket of one unknown in which there is no other.

    bracket : (symbol, low, high), or None where uniqueness is proved in the box of the ball only
    """

    unknowns: tuple[sp.Symbol, ...]
    balls: tuple[tuple[Any, Any], ...]
    bracket: tuple[sp.Symbol, Any, Any] | None


class System:
    """equations(unknowns) = 0 of a functional with exact parameters, and their symbolic derivatives."""

    def __init__(
        self,
        functional: Functional,
        unknowns: Sequence[sp.Symbol],
        equations: Sequence[sp.Expr],
        parameters: Mapping[str, Any],
    ):
        self.functional, self.unknowns, self.parameters = functional, tuple(unknowns), dict(parameters)
        self.equations = Enclosure(functional, equations)
        derivatives = [functional.derivative(e, x) for e in equations for x in unknowns]
        # on the curve of saddle points these derivatives vanish: they are saddle-point equations themselves
        saddle = [functional.grad()[x] for x in unknowns if x in functional.unknowns] if S.alpha in unknowns else []
        self.vanishing = [k for k, d in enumerate(derivatives) if d in saddle]
        self.jacobian = Enclosure(functional, derivatives)
        self._solved: dict[tuple[sp.Symbol, sp.Symbol], Enclosure] = {}

    def values(self, F: Balls, x: Sequence[Any]) -> dict[str, Any]:
        """Symbol values at balls of the unknowns."""
        fixed = {k: F.ratio(v.numerator, v.denominator) for k, v in self.parameters.items()}
        return fixed | {s.name: v for s, v in zip(self.unknowns, x)}

    def prove(self, root: Sequence[Any], size: Sequence[Any], digits: int, bracket: bool = True) -> Certificate:
        """The zero next to ``root`` (numbers of more than ``digits`` digits) enclosed to ``digits`` digits.

        Raises NotCertified.
        """
        F = Balls()
        n = len(self.unknowns)
        smallness = max(float(-mpmath.log10(z / abs(v))) if v and z < abs(v) else 0.0 for v, z in zip(root, size))
        working = digits + 2 * BOX + 12 + math.ceil(AMPLIFIED * smallness)  # Q - q is small: its powers are large
        with F.at(working):
            x = [F.load(v) for v in root]
            value = self.equations(F, self.values(F, x), working - 6, {})
            half = [F.load(s) * F.flint.arb(10) ** -(digits + BOX) for s in size]
        box = [F.flint.arb(v.mid(), h.abs_upper()) for v, h in zip(x, half)]
        with F.at(JACOBIAN_DIGITS + 10):
            jacobian = self.jacobian(F, self.values(F, box), JACOBIAN_DIGITS, {})
        with F.at(working):
            inverse = _approximate_inverse(F, jacobian, n)
            image = _krawczyk(F, x, value, jacobian, inverse, box)
            if not all(_interior(k, b) for k, b in zip(image, box)):
                raise NotCertified("Krawczyk's operator does not map the box into itself")
            balls = tuple((F.store(k), F.store(F.flint.arb(k.rad()))) for k in image)
        return Certificate(self.unknowns, balls, self._bracket(F, x, jacobian) if bracket else None)

    # --- uniqueness --------------------------------------------------------------------------------------------------

    def _bracket(self, F: Balls, x: Sequence[Any], jacobian: Sequence[Any]) -> tuple[sp.Symbol, Any, Any] | None:
        """The widest bracket of q_hat (of q on the sphere) in which the zero is proved to be the only one.

        At given q_hat the other unknowns are explicit: q from d phi/d q_hat = 0, which is linear in it, and alpha from
        d phi/dq = 0, linear in alpha. What is left is one equation in q_hat, whose derivative is det F' over the
        coefficients of q and alpha: where det F' keeps its sign along the curve, the equation is monotone.
        """
        names = [s.name for s in self.unknowns]
        if S.lam in self.unknowns or S.Q in self.unknowns:
            return None
        along = S.q_hat if S.q_hat in self.unknowns else S.q
        at = x[names.index(along.name)]
        with F.at(JACOBIAN_DIGITS):
            sign = _determinant(F, jacobian, len(names))
            proved = None
            for relative in BRACKETS:
                width = F.load(relative)
                low, high = at * (1 - width), at + ((1 - at) if along == S.q else at) * width
                if not self._monotone(F, low, high, along, sign):
                    break
                proved = along, F.ctx.mpf(F.store(low)), F.ctx.mpf(F.store(high))
        return proved

    def _monotone(self, F: Balls, low: Any, high: Any, along: sp.Symbol, sign: Any) -> bool:
        count = math.ceil(float((high - low) / low) / PIECE)
        edges = [low + (high - low) * i / count for i in range(count + 1)]
        pieces = list(itertools.pairwise(edges))
        done = 0
        self.jacobian.limit = self.equations.limit = WIDE_EVALUATIONS
        try:
            while pieces:
                a, b = pieces.pop()
                done += 1
                if done > PATIENCE * count + PATIENCE:
                    return False
                try:
                    entries = self.jacobian(F, self._curve(F, a.union(b), along), ROUGH, {})
                    for k in self.vanishing:
                        entries[k] = F.flint.arb(0)
                    proved = _determinant(F, entries, len(self.unknowns)) * sign > 0
                except NotCertified:
                    proved = False
                if not proved:
                    if (b - a) / b < THINNEST:
                        return False
                    middle = (a + b) / 2
                    pieces += [(a, middle), (middle, b)]
        finally:
            self.jacobian.limit = self.equations.limit = EVALUATIONS
        return True

    def _curve(self, F: Balls, value: Any, along: sp.Symbol) -> dict[str, Any]:
        """Balls of all symbols on the curve of saddle points, for a ball of one unknown."""
        zero = F.flint.arb(0)
        values = self.values(F, [zero] * len(self.unknowns)) | {along.name: value}
        for unknown, conjugate in ((S.q, S.q_hat), (S.alpha, S.q)):
            if unknown == along or unknown not in self.unknowns:
                continue
            constant, slope = self._linear(unknown, conjugate)(F, values, ROUGH, {})
            if not abs(slope) > 0:
                raise NotCertified(f"the coefficient of {unknown} may vanish")
            values[unknown.name] = -constant / slope
        return values

    def _linear(self, unknown: sp.Symbol, conjugate: sp.Symbol) -> Enclosure:
        """(value at zero, coefficient) of d phi/d conjugate as a linear function of ``unknown``."""
        if (unknown, conjugate) not in self._solved:
            equation = sp.expand(self.functional.grad()[conjugate], deep=False)
            slope = sp.expand(equation.coeff(unknown, 1))
            constant = sp.expand(equation - slope * unknown)
            if constant.has(unknown) or slope.has(unknown):
                raise NotCertified(f"{unknown} is not explicit")
            enclosure = Enclosure(self.functional, (constant, slope))
            enclosure.limit = WIDE_EVALUATIONS
            self._solved[unknown, conjugate] = enclosure
        return self._solved[unknown, conjugate]


def _determinant(F: Balls, entries: Sequence[Any], n: int) -> Any:
    matrix = F.flint.arb_mat(n, n, list(entries))
    return matrix.det()


def _interior(inner: Any, outer: Any) -> bool:
    return bool(inner.is_finite() and inner.lower() > outer.lower() and inner.upper() < outer.upper())


def _approximate_inverse(F: Balls, jacobian: Sequence[Any], n: int) -> list[list[Any]]:
    ctx = context(JACOBIAN_DIGITS)
    matrix = mpmath.matrix(n, n)
    for i in range(n):
        for j in range(n):
            matrix[i, j] = mpmath.mpf(F.store(jacobian[i * n + j]))
    try:
        inverse = matrix**-1
    except ZeroDivisionError:
        raise NotCertified("the Jacobian is singular at the root") from None
    return [[F.load(ctx.mpf(inverse[i, j])) for j in range(n)] for i in range(n)]


def _krawczyk(
    F: Balls,
    x: Sequence[Any],
    value: Sequence[Any],
    jacobian: Sequence[Any],
    inverse: list[list[Any]],
    box: Sequence[Any],
) -> list[Any]:
    n = len(x)
    out = []
    for i in range(n):
        total = x[i] - sum((inverse[i][k] * value[k] for k in range(n)), F.flint.arb(0))
        for j in range(n):
            entry = F.flint.arb(int(i == j)) - sum(
                (inverse[i][k] * jacobian[k * n + j] for k in range(n)), F.flint.arb(0)
            )
            total += entry * (box[j] - x[j])
        out.append(total)
    return out
