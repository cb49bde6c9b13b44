r"""Enclosures in ball arithmetic (python-flint, Arb): averages with their tails, and roots by Krawczyk's operator.

An average is E F(t) = int_{-L}^{L} F(t) Dt + R. The integral is `acb.integral`'s, which encloses it rigorously for an
integrand that says where it is analytic; |R| is bounded by a majorant of F, a polynomial in |t| times exp(b |t|), and
added. The integrands are those of `replicas.numerics.program`, the same code as every other arithmetic runs.

log H and the Mills ratio go through erfcx: for Re z >= x0 >= 0, erfcx(z) = (2/sqrt pi) int_0^inf exp(-t^2 - 2 z t) dt gives
|erfcx'(z)| <= -erfcx'(x0), so that a ball around m of radius r lies within r |erfcx'(x0)| of erfcx(m).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from ..exact import rational
from ..models import Discrete, Model
from ..symbolic import symbols as S
from ..symbolic.functional import Functional
from ..symbolic.nodes import Leaf
from .arithmetic import Flint
from .program import Program, Tower

SCALED_FROM = 0.5  # Re x from which log H and A use erfcx
EVALUATIONS = 400_000  # of one integrand before its integral is given up ...
WIDE_EVALUATIONS = 2_000  # ... and where parameters are wide, so that nothing but a rough enclosure can come out
TAIL_DIGITS = 6  # by which the tail is smaller than the precision asked for


class NotCertified(ArithmeticError):
    """An enclosure that could not be completed; the message says why."""


class Balls(Flint):
    """Complex balls for integrands (their ``analytic`` flag set by the integrator), real balls for parameters."""

    name = "arb"
    analytic = False

    def __init__(self) -> None:
        super().__init__()
        acb = self.flint.acb
        self.acb = acb
        real = self.flint.arb
        self.exp, self.cosh, self.sinh, self.tanh = (
            lambda x, f=f: getattr(x, f)() for f in ("exp", "cosh", "sinh", "tanh")
        )
        self.sqrt = lambda x: x.sqrt() if isinstance(x, real) else x.sqrt(analytic=self.analytic)
        self.log = lambda x: x.log() if isinstance(x, real) else x.log(analytic=self.analytic)

    def _scaled(self, x: Any) -> Any:
        """erfcx(x) over a ball in Re x > 0."""
        m = self.acb(x.real.mid(), x.imag.mid())
        centre = (m * m).exp() * m.erfc()
        if x.is_exact():
            return centre
        low = self.flint.arb(x.real.lower())
        steepest = 2 / self.flint.arb.pi().sqrt() - 2 * low * (low * low).exp() * low.erfc()
        radius = (x - m).abs_upper() * steepest.abs_upper()
        ball = self.flint.arb(0, radius)
        return centre + self.acb(ball, ball)

    def H(self, x: Any) -> Any:
        return (x * self.root_half).erfc() / 2

    def A(self, u: Any) -> Any:
        x = self.acb(u * self.root_half)
        if x.real > SCALED_FROM:
            return 2 * self.density / self._scaled(x)
        return self.G(u) / self.H(u)

    def logH(self, u: Any) -> Any:
        x = self.acb(u * self.root_half)
        if x.real > SCALED_FROM:
            return self.log(self._scaled(x) / 2) - x * x
        return self.log(self.acb(x.erfc() / 2))

    def Between(self, a: Any, b: Any) -> Any:
        return self.H(a) - self.H(b)


# --- tails ---------------------------------------------------------------------------------------------------------


class Majorant:
    """|F(t)| <= sum_n coefficients[n] |t|^n exp(rate |t|), coefficients and rate upper bounds."""

    def __init__(self, coefficients: Sequence[Any], rate: Any):
        self.coefficients, self.rate = list(coefficients), rate

    def __add__(self, other: Majorant) -> Majorant:
        size = max(len(self.coefficients), len(other.coefficients))
        pad = lambda c: c + [0] * (size - len(c))  # noqa: E731
        both = zip(pad(self.coefficients), pad(other.coefficients))
        return Majorant([a + b for a, b in both], self.rate.max(other.rate))

    def __mul__(self, other: Majorant) -> Majorant:
        out = [0 * self.rate] * (len(self.coefficients) + len(other.coefficients) - 1)
        for i, a in enumerate(self.coefficients):
            for j, b in enumerate(other.coefficients):
                out[i + j] += a * b
        return Majorant(out, self.rate + other.rate)

    def power(self, n: int) -> Majorant:
        out = self
        for _ in range(n - 1):
            out = out * self
        return out

    def tail(self, F: Balls, L: Any) -> Any:
        """int_{|t|>L} of the majorant under the normal density, from above: t = s + rate completes the square."""
        start = L - self.rate
        if not start > 0:
            raise NotCertified("the range of integration does not reach beyond the tilt")
        moments = [F.flint.arb(start).erfc() / 2, F.G(start)]
        moments[0] = (start * F.root_half).erfc() / 2
        for j in range(2, len(self.coefficients)):
            moments.append(_power(start, j - 1) * F.G(start) + (j - 1) * moments[j - 2])
        total = F.flint.arb(0)
        for n, c in enumerate(self.coefficients):
            total += c * sum(math.comb(n, j) * _power(self.rate, n - j) * moments[j] for j in range(n + 1))
        return 2 * (self.rate * self.rate / 2).exp() * total


def _power(x: Any, n: int) -> Any:
    out = x * 0 + 1
    for _ in range(n):
        out = out * x
    return out


class Bounds:
    """Majorants of the observables of a model's towers."""

    def __init__(self, F: Balls, model: Model, parameters: Mapping[str, Any]):
        self.F, self.model = F, model
        self.parameters = {k: _magnitude(F, v) for k, v in parameters.items()}
        self.raw = parameters
        if model.likelihood != "threshold" or model.beta is not None:
            raise NotCertified(
                "the tail of this likelihood has no bound here; certified averages take the hard threshold"
            )

    def constant(self, value: Any) -> Majorant:
        return Majorant([self.F.flint.arb(value)], self.F.flint.arb(0))

    def observable(self, expr: sp.Expr, tower: Tower) -> Majorant:
        """|expr| with every leaf replaced by its bound."""
        if isinstance(expr, Leaf):
            return self._leaf(expr, tower)
        if isinstance(expr, sp.Add):
            parts = [self.observable(a, tower) for a in expr.args]
            out = parts[0]
            for part in parts[1:]:
                out = out + part
            return out
        if isinstance(expr, sp.Mul):
            out = self.constant(1)
            for a in expr.args:
                out = out * self.observable(a, tower)
            return out
        if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0:
            return self.observable(expr.base, tower).power(int(expr.exp))
        if expr.is_Rational:
            return self.constant(abs(self.F.ratio(int(expr.p), int(expr.q))))
        raise NotCertified(f"no bound for {expr}")

    def weight(self, tower: Tower) -> Majorant:
        """e^phi of a tilt."""
        if tower.weight == 0:
            return self.constant(1)
        if tower.is_pattern:
            return self.constant(1)  # e^f is a probability
        root, lam = self.parameters["qhat"].sqrt(), self.parameters["lambda"]
        largest, total, _ = self._set()
        return Majorant([total * (lam * largest * largest / 2).exp()], root * largest)

    def _set(self) -> tuple[Any, Any, Any]:
        """max |w|, sum of the measure, max |log of a mass|."""
        weights = self.model.weights
        assert isinstance(weights, Discrete)
        exact = lambda v: self.F.ratio(rational(v).numerator, rational(v).denominator)  # noqa: E731
        masses = (
            [exact(p) for p in weights.probabilities]
            if weights.probabilities
            else [self.F.ratio(1, 1)] * len(weights.values)
        )
        total = sum(masses, self.F.flint.arb(0))
        logs = self.F.flint.arb(0)
        for m in [*masses, total]:
            logs = logs.max(abs(m.log()))
        largest = self.F.flint.arb(0)
        for v in weights.values:
            largest = largest.max(abs(exact(v)))
        return largest, total, logs

    def _leaf(self, leaf: Leaf, tower: Tower) -> Majorant:
        order = int(leaf.k[0])
        if leaf.j != 0:
            raise NotCertified(f"no bound for a V derivative of {leaf.name}")
        if leaf.name == "f":
            return self._pattern(order)
        if leaf.name == "g":
            return self._weights(order)
        raise NotCertified(f"no bound for the leaf {leaf.name}")

    def _pattern(self, order: int) -> Majorant:
        """Derivatives of log H(u), u = (kappa - omega)/sqrt V: 0 < A(u) <= sqrt(2/pi) + |u|, 0 < A' < 1."""
        F, arb = self.F, self.F.flint.arb
        noise = _noise(self.F, self.model, self.raw).sqrt()
        c = (2 / arb.pi()).sqrt()
        kappa = arb(0) if self.model.teacher else self.parameters["kappa"]
        u = Majorant([kappa / noise, self.parameters["q"].sqrt() / noise], arb(0))
        scale = self.constant(1 / noise)
        if order == 0:
            return self.constant(arb(2).log()) + self.constant(c) * u + self.constant(arb(1) / 2) * u * u
        if order == 2:  # 0 < A(A - u) < 1
            return scale.power(2)
        A, x = sp.symbols("A x")
        poly = -A
        for _ in range(order - 1):
            poly = sp.expand(sp.diff(poly, A) * A * (A - x) + sp.diff(poly, x))
        mills = self.constant(c) + u
        out = self.constant(0)
        for (i, j), coefficient in sp.Poly(poly, A, x).terms():
            term = self.constant(F.ratio(abs(int(coefficient)), 1))
            for factor, n in ((mills, i), (u, j)):
                term = term * factor.power(n) if n else term
            out = out + term
        return out * scale.power(order)

    def _weights(self, order: int) -> Majorant:
        """Cumulants of a measure on [-w, w]: |g^(k)| <= (2 k w)^k; |g| <= w |h| + |lambda| w^2/2 + max |log mass|."""
        largest, _, logs = self._set()
        if order:
            return self.constant(2 * order * largest).power(order)
        lam, root = self.parameters["lambda"], self.parameters["qhat"].sqrt()
        return Majorant([logs + lam * largest * largest / 2, root * largest], self.F.flint.arb(0))


def _magnitude(F: Balls, x: Any) -> Any:
    """|x| from above, as an exact ball."""
    return F.flint.arb(abs(x).upper())


def _noise(F: Balls, model: Model, parameters: Mapping[str, Any]) -> Any:
    """V = Q - q from below."""
    from ..symbolic.rs import self_overlap

    norm = parameters["Q"] if "Q" in parameters else F.ratio(*_fraction(self_overlap(model)))
    gap = F.flint.arb((norm - parameters["q"]).lower())
    if not gap > 0:
        raise NotCertified("Q - q is not proved positive in the box")
    return gap


def _fraction(value: sp.Expr) -> tuple[int, int]:
    return int(value.p), int(value.q)


# --- averages ------------------------------------------------------------------------------------------------------


class Enclosure:
    """The expressions of a program enclosed at balls of their symbols."""

    def __init__(self, functional: Functional, expressions: Sequence[sp.Expr]):
        self.functional = functional
        self.limit = EVALUATIONS
        self.programs = [Program(functional, {"0": e}, separate=True) for e in expressions]

    def __call__(self, F: Balls, values: Mapping[str, Any], digits: int, memory: dict[Any, Any]) -> list[Any]:
        """Balls of the expressions; ``values`` by symbol name. Averages met before are taken from ``memory``.

        Raises NotCertified.
        """
        model = self.functional.model
        parameters = dict(values)
        for symbol in (S.lam, S.q_hat):
            eliminated = self.functional.eliminated.get(symbol)
            if eliminated is not None and symbol.name not in parameters:
                names = {s.name for s in eliminated.free_symbols}
                if names <= set(parameters):
                    parameters[symbol.name] = _algebra(F, eliminated, parameters)
        out = []
        for program in self.programs:
            averages = {}
            for tower in program.towers:
                key = tower.level, tower.weight, tower.observables
                if key not in memory:
                    memory[key] = self._average(F, tower, parameters, digits, model, memory)
                averages[tower.names[0]] = memory[key]
            (value,) = program.join(F, parameters, averages).values()
            if not (value + F.flint.arb(0)).is_finite():
                raise NotCertified("an expression is not finite over the box")
            out.append(F.flint.arb(0) + value)
        return out

    def _average(
        self,
        F: Balls,
        tower: Tower,
        parameters: Mapping[str, Any],
        digits: int,
        model: Model,
        memory: dict[Any, Any],
    ) -> Any:
        if tower.orders >= 0:
            raise NotCertified("the likelihood has no closed form whose averages could be enclosed")
        spread = parameters["q" if tower.is_pattern else "qhat"]
        integrand = tower.make(F, parameters)
        F.analytic = False
        if spread.is_zero():
            value, weight = integrand(F.acb(0))
            return (F.acb(value) / weight).real
        value = self._integral(F, tower, integrand, 0, parameters, digits, model)
        if tower.weight == 0:
            return value
        key = tower.level, tower.weight
        if key not in memory:
            memory[key] = self._integral(F, tower, integrand, -1, parameters, digits, model)
        return value / memory[key]

    def _integral(
        self,
        F: Balls,
        tower: Tower,
        integrand: Any,
        part: int,
        parameters: Mapping[str, Any],
        digits: int,
        model: Model,
    ) -> Any:
        """E of one component over the line: finite range and tail."""
        arb, acb = F.flint.arb, F.acb
        bounds = Bounds(F, model, parameters)
        majorant = bounds.weight(tower)
        if part == 0:
            majorant = majorant * bounds.observable(tower.observables[0], tower)
        L = arb(math.ceil(math.sqrt(2 * (digits + TAIL_DIGITS) * math.log(10.0)) + float(majorant.rate.mid()) + 2))
        tail = majorant.tail(F, L)

        failed: list[BaseException] = []

        def function(t: Any, analytic: bool) -> Any:
            if failed:  # nothing more is computed; the integrator ends by itself
                return acb("nan")
            try:
                F.analytic = analytic
                return acb(integrand(t)[part]) * F.G(t)
            except BaseException as error:  # FLINT would lose or disguise it
                failed.append(error)
                return acb("nan")

        tolerance = arb(10) ** -digits
        found = acb.integral(function, acb(-L), acb(L), rel_tol=tolerance, abs_tol=tolerance, eval_limit=self.limit)
        if failed:
            raise failed[0]
        if not found.is_finite():
            raise NotCertified("acb.integral gave no finite enclosure")
        return found.real + arb(0, tail.abs_upper())


def _algebra(F: Balls, expr: sp.Expr, parameters: Mapping[str, Any]) -> Any:
    from .program import _compiled, _function_source, named

    source = _function_source([expr], sorted(s.name for s in expr.free_symbols))
    return F.flint.arb(0) + _compiled(source)(F, **named(parameters))[0]
