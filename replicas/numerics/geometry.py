"""Where the integrands of a model's averages are not smooth, and the quadrature rule that follows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from ..models import Discrete, Likelihood
from ..symbolic import symbols as S
from ..symbolic.functional import Functional
from .rules import SinhRule, gaussian_rule, tanh_sinh, zeros_of_tail

INNER_STEP = 5.5  # of the tanh-sinh rule, divided by the digits: pi^2/2 over their logarithm, up to the slow part


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
        step = INNER_STEP / (digits * quality) if kinks else 0.0
        orders = tower.orders
        width = float(noise if F.name == "mpmath" else F.store(noise))

        def leaf(omega: Any) -> list[Any]:
            moments = [F.load(0) for _ in range(orders + 1)]
            logarithm = F.load(0)
            for z, weight in self._inner(F, omega, noise, width, reach, kinks, step, digits, quality):
                value = theta(omega + noise * z)
                if value == 0:
                    continue
                dense = weight * F.G(z) * value
                logarithm += dense * F.log(value)
                below, here = F.load(0), F.load(1)  # Hermite polynomials: d^k/d omega^k of the kernel
                for k in range(orders + 1):
                    moments[k] += dense * here
                    below, here = here, z * here - k * below
            ratio = [m / moments[0] / noise**k for k, m in enumerate(moments)]
            out = [F.log(moments[0])]
            for k in range(1, orders + 1):  # log Z from Z: Z' = f' Z, differentiated
                out.append(ratio[k] - sum(math.comb(k - 1, j - 1) * out[j] * ratio[k - j] for j in range(1, k)))
            out += [F.load(0)] * (5 - len(out))
            return [*out, logarithm / moments[0]]

        return leaf

    def _inner(
        self, F: Any, omega: Any, noise: Any, width: float, reach: Any, kinks: list[Any], step: float, digits: int, quality: float
    ) -> Any:
        if not kinks:
            yield from gaussian_points(F, width, digits, quality)
            return
        edges = [-reach, *(z for z in ((k - omega) / noise for k in kinks) if -reach < z < reach), reach]
        for low, high in itertools.pairwise(edges):
            yield from tanh_sinh(F, low, high, step, digits)


def gaussian_points(F: Any, width: float, digits: int, quality: float) -> list[tuple[Any, Any]]:
    """Trapezoid nodes for a kernel average of a likelihood analytic on the scale 1: (z, step)."""
    key = ("points", width > 1, digits, quality)
    memory = F.__dict__.setdefault("_tanh_sinh", {})
    if key not in memory:
        log = digits * quality * math.log(10.0)
        strip = min(math.sqrt(2 * log), 1 / max(width, 1e-3))
        step = 2 * math.pi * strip / (log + strip * strip / 2)
        count = math.ceil(math.sqrt(2 * digits * math.log(10.0)) / step)
        h = F.load(step)
        memory[key] = [(h * i, h) for i in range(-count, count + 1)]
    return list(memory[key])


def _theta(likelihood: Likelihood, F: Any) -> tuple[Callable[[Any], Any], list[Any]]:
    """Theta(u) and its kinks in the arithmetic F."""
    from ..symbolic.likelihood import break_points, decimal_constants, piecewise
    from .program import _compiled, _function_source

    expr = piecewise(decimal_constants(likelihood.expr))
    compiled = _compiled(_function_source([expr], [S.u.name]))
    kinks = [F.load(0) + _compiled(_function_source([sp.sympify(k)], []))(F)[0] for k in break_points(likelihood.expr, S.u)]
    return (lambda u: compiled(F, u=u)[0]), kinks
