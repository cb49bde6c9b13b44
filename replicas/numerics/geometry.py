"""Where the integrands of a model's averages are not smooth, and the quadrature rule that follows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sympy as sp

from ..models import Discrete, Likelihood
from ..symbolic import symbols as S
from ..symbolic.functional import Functional
from ..symbolic.special import H
from .rules import WIDEST, SinhRule, gauss_panels, gaussian_rule, zeros_of_tail


class Geometry:
    """Quadrature rules for the towers of a functional at given values of its symbols."""

    def __init__(self, functional: Functional):
        self.functional = functional
        self.model = functional.model

    def rule(self, tower: Any, values: Mapping[str, Any], digits: int, quality: float) -> SinhRule | None:
        """The rule of a tower; None where its level has no spread."""
        number = {k: float(v) for k, v in values.items()}
        spread = number["q"] if tower.is_pattern else number["qhat"]
        if spread == 0:
            return None
        tilted = tower.level.power != 0
        if tower.is_pattern:
            poles, reach, growth = self._pattern(number), 0.0, 0.0
        else:
            poles, reach, growth = self._weights(number, tilted)
        return gaussian_rule(poles, digits * quality, reach, growth)

    def norm(self, number: Mapping[str, float]) -> float:
        return number["Q"] if "Q" in number else float(self.functional.norm)

    def edges(self, number: Mapping[str, float]) -> list[float]:
        """Fields at which the likelihood jumps or bends."""
        likelihood = self.model.likelihood
        if isinstance(likelihood, Likelihood):
            return list(likelihood.kinks)
        edge = 0.0 if self.model.teacher else number["kappa"]
        return [edge] if likelihood == "threshold" else [-edge, edge]

    def _pattern(self, number: Mapping[str, float]) -> list[complex]:
        """Poles of f' around each edge: zeros of H, closer in where violated patterns keep some weight."""
        q = number["q"]
        noise, root = math.sqrt(max(self.norm(number) - q, 1e-300)), math.sqrt(q)
        zeros = list(zeros_of_tail())
        beta = number.get("beta")
        if beta is not None and beta > 1:  # e^-beta + H(u) = 0 on the satisfied side too
            u = math.sqrt(2 * beta)
            zeros.append(complex(u, math.pi / u))
        poles = []
        for edge in self.edges(number):
            for z in zeros:
                for side in (1, -1) if self.model.likelihood != "threshold" or beta is not None else (1,):
                    poles.append(complex(edge - side * noise * z.real, noise * z.imag) / root)
        if not poles:  # a smooth likelihood: its own scale is 1
            poles = [1j / root]
        return poles

    def _weights(self, number: Mapping[str, float], tilted: bool) -> tuple[list[complex], float, float]:
        """Poles of g' where two neighbouring values weigh the same with opposite signs, and how far e^g shifts the Gaussian."""
        weights = self.model.weights
        assert isinstance(weights, Discrete)
        root = math.sqrt(number["qhat"])
        lam = number.get("lambda", number["qhat"] if self.model.teacher else 0.0)
        poles = []
        for (w, a), (v, b) in itertools.pairwise(zip(weights.values, weights.log_measure)):
            centre = lam * (w + v) / 2 - (b - a) / (v - w)
            poles.append(complex(centre, math.pi / (v - w)) / root)
        largest = max(map(abs, weights.values))
        return (poles, root * largest, 0.0) if tilted else (poles, 0.0, 0.0)

    # --- likelihoods without closed form ----------------------------------------------------------------------------

    def opaque_leaf(
        self, F: Any, tower: Any, parameters: Mapping[str, Any], values: Mapping[str, Any], digits: int, quality: float
    ) -> Callable[[Any], list[Any]] | None:
        """omega -> f, f', ..., f'''', <log Theta> by an inner integral over the field, split at the kinks of Theta."""
        if tower.orders < 0:
            return None
        theta, kinks = _theta(self.model.likelihood, F)
        norm = parameters["Q"] if "Q" in parameters else F.ratio(self.functional.norm.p, self.functional.norm.q)
        noise = F.sqrt(norm - parameters["q"])
        reach = F.load(math.sqrt(2 * digits * math.log(10.0)))
        orders, with_log = min(tower.orders, 4), tower.orders == 5
        fine = digits * quality
        table = [] if kinks else _kernel(F, float(F.store(noise)), digits, fine, orders)

        def leaf(omega: Any) -> list[Any]:
            moments = [F.load(0) for _ in range(orders + 1)]
            logarithm = F.load(0)
            for z, dense in table or _kernel_between(F, kinks, omega, noise, reach, fine, orders):
                value = theta(omega + noise * z)
                if value == 0:
                    continue
                moments = [m + d * value for m, d in zip(moments, dense)]
                if with_log:
                    logarithm += dense[0] * value * F.log(value)
            ratio = [m / moments[0] / noise**k for k, m in enumerate(moments)]
            out = [F.log(moments[0])]
            for k in range(1, orders + 1):  # log Z from Z: Z' = f' Z, differentiated
                out.append(ratio[k] - sum(math.comb(k - 1, j - 1) * out[j] * ratio[k - j] for j in range(1, k)))
            return [*out, *[F.load(0)] * (5 - len(out)), logarithm / moments[0]]

        return leaf


def _hermite(F: Any, z: Any, weight: Any, orders: int) -> tuple[Any, list[Any]]:
    """(z, [weight G(z) He_k(z)]): the kernel of E Theta(omega + sqrt(V) z) and of its omega derivatives times V^(k/2)."""
    dense = [weight * F.G(z)]
    for k in range(orders):
        dense.append(z * dense[k] - (k * dense[k - 1] if k else 0))
    return z, dense


def _kernel(F: Any, width: float, digits: int, fine: float, orders: int) -> list[tuple[Any, list[Any]]]:
    """The kernel on trapezoid nodes, for a likelihood analytic on the scale 1."""
    log = fine * math.log(10.0)
    strip = min(math.sqrt(2 * log), 1 / max(width, 1e-3))
    step = 2 * math.pi * strip / (log + strip * strip / 2)
    count = math.ceil(math.sqrt(2 * digits * math.log(10.0)) / step)
    h = F.load(step)
    return [_hermite(F, h * i, h, orders) for i in range(-count, count + 1)]


def _kernel_between(
    F: Any, kinks: list[Any], omega: Any, noise: Any, reach: Any, fine: float, orders: int
) -> Iterator[tuple[Any, list[Any]]]:
    """The kernel on panels that end where the likelihood is not analytic."""
    inside = sorted(((k - omega) / noise for k in kinks), key=float)
    # far from its support the likelihood's whole mass lies beyond the kink, wherever that is
    first, last = (-reach if inside[0] > 0 else inside[0] - reach), (reach if inside[-1] < 0 else inside[-1] + reach)
    for low, high in itertools.pairwise([first, *inside, last]):
        parts = max(1, math.ceil(float(high - low) / WIDEST))
        for z, weight in gauss_panels(F, [low + (high - low) * i / parts for i in range(parts)] + [high], fine):
            yield _hermite(F, z, weight, orders)


def _without_cancelling_tails(expr: sp.Expr) -> sp.Expr:
    """erf and erfc as the Gaussian tail H of whichever sign leaves the fewest terms: 1 - erfc(u)/2 is H(-sqrt(2) u)."""
    for atom in expr.atoms(sp.erf, sp.erfc):
        x = sp.sqrt(2) * atom.args[0]
        tails = (1 - 2 * H(x), 2 * H(-x) - 1) if isinstance(atom, sp.erf) else (2 * H(x), 2 - 2 * H(-x))
        expr = min((sp.expand_mul(expr.xreplace({atom: t})) for t in tails), key=_summands)
    return expr


def _summands(expr: sp.Expr) -> int:
    return sum(len(e.args) for e in sp.preorder_traversal(expr) if isinstance(e, sp.Add))


def _theta(likelihood: Likelihood, F: Any) -> tuple[Callable[[Any], Any], list[Any]]:
    """Theta(u) and its kinks in the arithmetic F."""
    from ..symbolic.likelihood import break_points, decimal_constants, piecewise
    from .program import _compiled, _function_source

    expr = _without_cancelling_tails(piecewise(decimal_constants(likelihood.expr)))
    compiled = _compiled(_function_source([expr], [S.u.name]))
    kinks = [
        F.load(0) + _compiled(_function_source([sp.sympify(k)], []))(F)[0] for k in break_points(likelihood.expr, S.u)
    ]
    return (lambda u: compiled(F, u=u)[0]), kinks
