r"""Replica-symmetric capacity of a tree of K sign units on the sphere: 1/alpha_c = E[E(h)], in three arithmetics.

The average is that of `replicas.symbolic.sign_units`: a constant plus sum_i c_i int_0^inf SquareBelow(t) Split(t) G(t) dt,
entire integrands, evaluated from one expression in double precision (`value`), to any number of digits (`digits`) and in
balls (`certified`). Weights on the sphere, one norm for each branch. Symmetry breaking lowers the capacity of the majority
and the parity of more than one unit: for these the number is a property of the replica-symmetric formula.

- Sums: the trapezoid rule in x with t = s exp(x - exp(-x)), s the place of the smallest peak. Both ends decay doubly
  exponentially and nothing is singular: error exp(-2 pi a/step) for a strip of half-width a in x, where the Gaussian
  decays for a < pi/4. The error is what another step and another precision change.
- Balls: `acb.integral` on (0, T); beyond, each factor decreases, so that with SquareBelow < 1/2
  0 < int_T^inf < (1/2) (4 H(T) (1 - H(T)))^min (2 H(T))^(m - min) 2^(n - min) H(T).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from ..numerics.arithmetic import Flint, Mpmath, arithmetic
from ..numerics.balls import EVALUATIONS, TAIL_DIGITS, Balls, NotCertified
from ..numerics.polish import Root, precision_for, refine
from ..numerics.program import _compiled, _function_source
from ..symbolic import symbols as S
from ..symbolic.sign_units import Accepted, Term, checked, flips
from . import digits as precise
from .ansatz import check_digits
from .certificates import SPARE, require_flint

STRIP = 0.6  # half-width of analyticity trusted in x; pi/4 is the limit
DOUBLE_DIGITS = 17.0  # of the quadrature in double precision
FINER = 1.2  # in digits, of the second evaluation
ROUNDING = 8 * np.finfo(float).eps  # of a sum of positive terms, each known to a few units
SPARE_DIGITS = 3.0  # by which the neglected ends are smaller than the quadrature's error
LN10 = math.log(10.0)
SCAN = np.geomspace(1e-8, 60.0, 6000)  # where peaks of integrands are looked for: t ~ 1/K and up


def value(accepted: Accepted) -> tuple[float, float]:
    """(alpha_c, error) in double precision; the error covers rounding and the change under a finer rule.

    accepted : output +1 or not for each number of positive fields, as in `replicas.symbolic.sign_units`

    Raises ValueError for a constant table; NotImplementedError where two order statistics compete.
    """
    integrals = _integrals(checked(accepted))
    first, second = (integrals.double(d) for d in (DOUBLE_DIGITS, FINER * DOUBLE_DIGITS))
    alpha = 1 / second
    return alpha, float(alpha * (abs(first - second) / second + ROUNDING))


def digits(accepted: Accepted, wanted: int) -> tuple[Any, Any]:
    """(alpha_c, error) to that many digits, as numbers that carry them; two rules and precisions have to agree.

    Raises ValueError and NotImplementedError as `value`, ValueError for digits out of range; NotReached.
    """
    count = check_digits(wanted)
    if count is None:
        raise ValueError("digits: got None; takes a whole number")
    integrals, F = _integrals(checked(accepted)), arithmetic()

    def report(_: Any, precision: int, quality: float) -> list[Any]:
        return [1 / integrals.precise(F, precision, quality)]

    F.ctx.dps = precision_for(count, integrals.loss)
    root = refine(F.ctx, lambda y, precision, quality: [], [], [], count, [], (("alpha",), report), integrals.loss)
    return _finished(root, count)


def certified(accepted: Accepted, wanted: int | None = None) -> tuple[Any, Any]:
    """(alpha_c, radius): a proved ball, its radius below the digits asked for (15 by default).

    Raises ImportError without python-flint; ValueError and NotImplementedError as `value`; NotCertified.
    """
    require_flint()
    count = check_digits(wanted, True)
    assert count is not None
    integrals, F = _integrals(checked(accepted)), Balls()
    working = count + SPARE + math.ceil(2 * integrals.loss)
    with F.at(working):
        ball = 1 / integrals.enclosed(F, count + SPARE // 2)
        if not (ball.is_finite() and ball.rad() < abs(ball) * F.flint.arb(10) ** -(count + 2)):
            raise NotCertified("the enclosure of the capacity is too wide")
        root = Root({"alpha": F.store(ball)}, {"alpha": F.store(F.flint.arb(ball.rad()))}, 0)
    return _finished(root, count)


def _finished(root: Root, count: int) -> tuple[Any, Any]:
    values, errors = precise.finished(root, count)
    return values["alpha"], errors["alpha"]


# --- the integral --------------------------------------------------------------------------------------------------


@dataclass
class Integrals:
    """The terms of E[E(h)] of one table with their scales: peaks in t and what must be reached around them.

    scale : smallest peak of the terms;  highest : log of the largest value of t times the integrand
    loss : half the digits by which SquareBelow cancels at the peaks and powers magnify rounding
    """

    constant: Any
    terms: list[Term]

    def __post_init__(self) -> None:
        self.symbols = sp.symbols(f"size0:{len(self.terms)}", positive=True)
        self.expr = sp.Add(*(c * term.shape for c, term in zip(self.symbols, self.terms)))
        self.function = sp.lambdify((S.t, *self.symbols), self.expr, [DOUBLE, "numpy"])
        self.source: str | None = None
        self.scale, self.highest, self.loss = 1.0, -math.inf, 0.0
        cancelled = -math.inf
        for i, term in enumerate(self.terms):
            plain = _log(term.coefficient) + log_split(term.beyond, term.before, SCAN) + np.log(SCAN) - SCAN**2 / 2
            logs = plain + np.log(square_below(SCAN))
            peak = int(np.argmax(logs))
            self.scale = float(SCAN[peak] if i == 0 else min(self.scale, SCAN[peak]))
            self.highest, cancelled = max(self.highest, float(logs[peak])), max(cancelled, float(plain.max()))
        if self.terms:
            powers = max(term.beyond + term.before for term in self.terms) + 1
            self.loss = ((cancelled - self.highest) / LN10 + math.log10(powers)) / 2

    def reach(self, digits: float) -> float:
        """T beyond which the terms are smaller than the largest by that many digits."""
        end = self.scale
        while max(_log_beyond(term, end) for term in self.terms) > self.highest - digits * LN10:
            end *= 1.05
        return end

    def rule(self, digits: float) -> tuple[float, int, int]:
        """Step in x and the first and last node."""
        step = 2 * math.pi * STRIP / (digits * LN10)
        spare = digits + SPARE_DIGITS
        low = -math.log(spare * LN10 / 4)  # the integrand times t is of order t^4 below the peaks
        high = math.log(self.reach(spare) / self.scale) + 1
        return step, math.floor(low / step), math.ceil(high / step)

    def double(self, digits: float) -> float:
        """E[E(h)] by one rule in double precision."""
        if not self.terms:
            return float(self.constant)
        step, first, last = self.rule(digits)
        x = step * np.arange(first, last + 1)
        t = self.scale * np.exp(x - np.exp(-x))
        y = self.function(t, *(float(term.coefficient) for term in self.terms)) * t * (1 + np.exp(-x))
        return float(self.constant) + step * math.fsum(y.tolist())

    def precise(self, F: Mpmath | Flint, precision: int, quality: float) -> Any:
        """The same in the arithmetic F, as a number of its context."""
        with F.at(precision):
            total = F.ratio(self.constant.numerator, self.constant.denominator)
            if self.terms:
                function = self._compiled(F)
                step, first, last = self.rule(quality * (precision - 2 * self.loss))
                h, scale = F.load(step), F.load(self.scale)
                up, ratio, area = F.exp(h * first), F.exp(h), 0 * h
                for _ in range(first, last + 1):  # exp(x) by multiplication: one rounding a node
                    down = 1 / up
                    t = scale * up * F.exp(-down)
                    area = F.exact(area + function(t) * t * (1 + down))
                    up = F.exact(up * ratio)
                total = total + h * area
            return F.store(total)

    def enclosed(self, F: Balls, digits: int) -> Any:
        """E[E(h)] as a ball: the integral on (0, T) and the bound on the rest."""
        arb, acb = F.flint.arb, F.acb
        total = F.ratio(self.constant.numerator, self.constant.denominator)
        if not self.terms:
            return total
        function = self._compiled(F)
        failed: list[BaseException] = []
        end = arb(self.reach(digits + TAIL_DIGITS))

        def integrand(t: Any, analytic: bool) -> Any:
            if failed:  # nothing more is computed; the integrator ends by itself
                return acb("nan")
            try:
                return acb(function(t))  # entire: analytic everywhere
            except BaseException as error:  # FLINT would lose or disguise it
                failed.append(error)
                return acb("nan")

        tolerance = arb(10) ** -digits
        # no absolute tolerance: the average may be small
        found = acb.integral(integrand, acb(0), acb(end), rel_tol=tolerance, abs_tol=arb(0), eval_limit=EVALUATIONS)
        if failed:
            raise failed[0]
        if not found.is_finite():
            raise NotCertified("acb.integral gave no finite enclosure")
        tail, H = arb(0), F.H(end)
        for term in self.terms:
            both = min(term.beyond, term.before)
            bound = (4 * H * (1 - H)) ** both * (2 * H) ** (term.beyond - both) * arb(2) ** (term.before - both) * H / 2
            tail += F.ratio(term.coefficient.numerator, term.coefficient.denominator) * bound
        return total + found.real + arb(0, tail.abs_upper())

    def _compiled(self, F: Any) -> Callable[[Any], Any]:
        if self.source is None:
            self.source = _function_source([self.expr.doit()], [S.t.name, *(c.name for c in self.symbols)])
        code = _compiled(self.source)
        sizes = {
            c.name: F.ratio(term.coefficient.numerator, term.coefficient.denominator)
            for c, term in zip(self.symbols, self.terms)
        }
        return lambda t: code(F, t=t, **sizes)[0]


@lru_cache(maxsize=64)
def _integrals(accepted: tuple[bool, ...]) -> Integrals:
    return Integrals(*flips(accepted))


def _log(ratio: Any) -> float:
    """log of a fraction too long for a double."""
    return math.log(ratio.numerator) - math.log(ratio.denominator)


def _log_beyond(term: Term, end: float) -> float:
    """log of the bound on a term beyond ``end``."""
    tail = float(special.log_ndtr(-end))
    both = min(term.beyond, term.before)
    return (
        _log(term.coefficient)
        + both * (math.log(4) + tail + math.log1p(-special.ndtr(-end)))
        + (term.beyond - both) * (math.log(2) + tail)
        + (term.before - both) * math.log(2)
        + tail
        - math.log(2)
    )


# --- double precision ----------------------------------------------------------------------------------------------


def square_below(t: Any) -> Any:
    """int_0^t s^2 Ds, an incomplete gamma function: nothing cancels."""
    return special.gammainc(1.5, t * t / 2) / 2


def log_split(beyond: int, before: int, t: Any) -> Any:
    """log of (2H)^beyond (2-2H)^before for t >= 0: 2H = 1 - u, u = erf(t/sqrt 2), and what is common as 1 - u^2."""
    y = np.asarray(t) * math.sqrt(0.5)
    u, both = special.erf(y), min(beyond, before)
    tail = math.log(2) + special.log_ndtr(-y * math.sqrt(2))
    near = u < 0.5
    v = np.where(near, u, 0.0)
    down, up = np.where(near, np.log1p(-v), tail), np.log1p(u)
    product = np.where(near, np.log1p(-v * v), tail + up)
    return both * product + (beyond - both) * down + (before - both) * up


DOUBLE = {
    "SquareBelow": square_below,
    "Split": lambda m, n, t: np.exp(log_split(m, n, t)),
    "G": lambda t: np.exp(-t * t / 2) / math.sqrt(2 * math.pi),
}
