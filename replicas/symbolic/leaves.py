r"""The two leaves of a model, with definitions and closed forms found by rule.

- weight side   g(h, lam) = log int dP(w) exp(h w - lam w^2/2)
- pattern side  f(omega, V) = log int Dz Theta(omega + sqrt(V) z)

Both obey a heat equation: d_V f = (f'' + f'^2)/2 and d_lam g = -(g'' + g'^2)/2. A finite weight set is summed; the flat
measure dw/sqrt(2 pi e) of the sphere (whose norm the multiplier lam fixes) is a Gaussian integral; a piecewise-constant
likelihood is a sum of tails H; anything else stays an integral.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from ..exact import rational
from ..models import Discrete, Likelihood, Model, Spherical, Tree
from ..stochastic import StochasticPerceptron
from . import symbols as S
from .likelihood import exact_pieces
from .nodes import Leaf
from .special import A, Between, G, H

FIELD_SHORT = 0.5  # of that reach, kept in brute-force integrals over several replicas
MAX_FIELDS = 9  # whose closed form is written out: 2^K products of tails
FIELD_REACH = 14.0  # of the local field in numerical checks, in units of the root mean square weight: 9 standard deviations and more
BOUNDED_NODES = 48  # of weights in an interval: |h| <= 30 and |lam| <= 50 to rounding
MAX_TAILS = 4  # of a piecewise-constant likelihood of one field: a threshold has one, a window two

Measure = Callable[..., tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class LeafDefinition:
    """A leaf in closed form (None when there is none) with what a reader needs to see."""

    name: str
    sign: int
    field: sp.Symbol
    variable: sp.Symbol
    closed: sp.Expr | None
    definition: str  # LaTeX
    measure: Measure  # nodes and log-weights, given parameter values and a largest number of nodes
    accepted: tuple[bool, ...] = ()  # several fields: whether Theta = 1, by how many of them are positive

    @property
    def fields(self) -> tuple[sp.Symbol, ...]:
        """The fields that the closed form is written in."""
        return S.fields(len(self.accepted) - 1) if self.accepted else (self.field,)

    def node(self, V: sp.Expr, *k: int) -> Leaf:
        """The leaf, or its derivative of the given order in each of the first fields."""
        orders = [*k, *[0] * (len(self.fields) - len(k))]
        return Leaf(self.name, self.sign, orders, 0, self.fields, V)

    def derivative(self, leaf: Leaf) -> sp.Expr:
        """Closed form of one of its derivatives."""
        if self.closed is None:
            raise ValueError(f"{self.name} has no closed form")
        expr = self.closed
        for x, order in ((self.variable, leaf.j), *zip(self.fields, leaf.k)):
            for _ in range(int(order)):
                expr = expr.diff(x)
        return tidy(expr).subs({**dict(zip(self.fields, leaf.w)), self.variable: leaf.V}, simultaneous=True)


def tidy(expr: sp.Expr) -> sp.Expr:
    """G/H as the inverse Mills ratio, exponentials of a symmetric set as hyperbolic functions."""
    if len(expr.atoms(H)) > MAX_TAILS:  # several fields: no ratio is a Mills ratio
        return expr
    for tail in list(expr.atoms(H)):
        x = tail.args[0]
        expr = expr.subs(G(x), A(x) * tail)
        expr = sp.expand(expr) if expr.has(A) and expr.has(H) else expr
        expr = sp.collect(expr, A(x)) if not expr.has(H) else expr
    return expr


def weight_leaf(model: Model) -> LeafDefinition:
    """g of the model's weight set."""
    if isinstance(model.weights, Spherical):
        closed = S.h**2 / (2 * S.lam) - sp.log(S.lam) / 2 - sp.Rational(1, 2)
        text = r"\log\int\frac{dw}{\sqrt{2\pi e}}\,e^{hw-\lambda w^2/2}"
        return LeafDefinition("g", -1, S.h, S.lam, closed, text, _flat_measure)
    if isinstance(model, StochasticPerceptron):
        text = r"\log\int_{-1}^1 dm\,e^{hm-\lambda m^2/2}"
        return LeafDefinition("g", -1, S.h, S.lam, None, text, _bounded_measure)
    nodes, logs = np.array(model.weights.values), np.array(model.weights.log_measure)
    text = r"\log\sum_{w}" + ("" if model.weights.probabilities is None else r" p(w)\,") + r"e^{hw-\lambda w^2/2}"
    return LeafDefinition("g", -1, S.h, S.lam, _finite_sum(model.weights), text, lambda env, most=0: (nodes, logs))


def _flat_measure(env: Mapping[str, Any], most: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """dw/sqrt(2 pi e) on a range wide enough for multipliers lam >= 1/4; a uniform grid is exponentially accurate."""
    w = np.linspace(-9.0, 9.0, most) if most else np.linspace(-40.0, 40.0, 801)
    return w, np.full(w.size, math.log(w[1] - w[0]) - 0.5 * math.log(2 * math.pi * math.e))


def _bounded_measure(env: Mapping[str, Any], most: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """dm on [-1, 1]: one panel, whose error is exponentially small for the entire functions that are integrated."""
    m, weight = np.polynomial.legendre.leggauss(min(most, BOUNDED_NODES) or BOUNDED_NODES)
    return m, np.log(weight)


def _likelihood_measure(model: Model) -> Measure:
    """Theta(u) du on panels that end at its kinks."""

    def measure(env: Mapping[str, Any], most: int = 0) -> tuple[np.ndarray, np.ndarray]:
        from .numeric import gauss_panels

        parameters = (env.get("kappa"), env.get("beta"), env.get("qstar"))
        key = (*parameters, most)
        if key not in cache:
            kinks = theta_kinks(model, *parameters[:2])
            wide = FIELD_SHORT * reach if most else reach
            edges = np.unique(
                np.concatenate([np.linspace(-wide, wide, 2 if most else 111), [k for k in kinks if abs(k) < wide]])
            )
            u, weight = gauss_panels(edges, most // (edges.size - 1) if most else 10)
            with np.errstate(divide="ignore"):
                theta = likelihood_values(model, u, *parameters)
                keep = theta > 0
                cache[key] = u[keep], np.log(weight[keep] * theta[keep])
        return cache[key]

    cache: dict[Any, tuple[np.ndarray, np.ndarray]] = {}
    reach = _reach(model)
    return measure


def _reach(model: Model) -> float:
    """How far the fields of a pattern are integrated over."""
    values = model.weights.values if isinstance(model.weights, Discrete) else (1.0,)  # magnetizations: less than 1
    return FIELD_REACH * math.sqrt(sum(v * v for v in values) / len(values))


def theta_kinks(model: Model, kappa: float | None, beta: float | None) -> list[float]:
    """Where Theta jumps or bends."""
    if isinstance(model.likelihood, Likelihood):
        return list(model.likelihood.kinks)
    return sorted({e for p in model.pieces(kappa or 0.0, beta) for e in (p.low, p.high) if math.isfinite(e)})


def likelihood_values(
    model: Model, u: np.ndarray, kappa: float | None, beta: float | None, q_star: float | None = None
) -> np.ndarray:
    """Theta(u) as it was defined."""
    if isinstance(model, StochasticPerceptron):
        from scipy.special import ndtr

        assert beta is not None and q_star is not None
        return np.asarray(ndtr(u / math.sqrt(1 - q_star)) ** beta)
    if isinstance(model.likelihood, Likelihood):
        from .likelihood import numpy_function

        return numpy_function(model.likelihood.expr, S.u)(u)
    inside = u >= (kappa or 0.0) if model.likelihood == "threshold" else np.abs(u) <= (kappa or 0.0)
    return np.where(inside, 1.0, 0.0 if beta is None else math.exp(-beta))


def exact(value: Any) -> sp.Expr:
    """The decimal a float prints as: 0.3 is 3/10 (parameters are typed by people)."""
    number = rational(value)
    return sp.Rational(number.numerator, number.denominator)


def _finite_sum(weights: Discrete) -> sp.Expr:
    probs = [exact(p) for p in weights.probabilities] if weights.probabilities else [sp.S.One] * len(weights.values)
    norm = weights.fixed_norm
    common = sp.S.Zero if norm is None else -S.lam * exact(weights.exact[0]) ** 2 / 2
    if not weights.symmetric:
        terms = [
            p * sp.exp(S.h * exact(w) - (0 if norm else S.lam * exact(w) ** 2 / 2))
            for w, p in zip(weights.values, probs)
        ]
        return sp.log(sp.Add(*terms)) + common
    total = sp.S.Zero
    for w, p in zip(weights.values, probs):
        x = exact(w)
        if x > 0:
            total += 2 * p * sp.cosh(x * S.h) * (1 if norm else sp.exp(-S.lam * x**2 / 2))
        elif x == 0:
            total += p
    return sp.log(total) + common


def levels(model: Model) -> list[tuple[sp.Expr, sp.Expr, sp.Expr]] | None:
    """(log Theta, low, high) where Theta > 0 is constant, edges exact or symbolic; None for a smooth likelihood."""
    if isinstance(model, StochasticPerceptron):
        return None
    if isinstance(model.likelihood, Likelihood):
        if model.likelihood.pieces is None:
            return None
        return [(sp.log(level), low, high) for level, low, high in exact_pieces(model.likelihood.expr, S.u)]
    edge = S.kappa if model.margin and not model.teacher else sp.S.Zero
    low, high = (edge, sp.oo) if model.likelihood == "threshold" else (-edge, edge)
    return [(sp.S.Zero, low, high)]


def pattern_leaf(model: Model) -> LeafDefinition:
    """f of the model's likelihood."""
    closed: sp.Expr | None = None
    if isinstance(model, Tree):
        each = ",".join(rf"\omega_{j}+\sqrt V\,z_{j}" for j in range(1, model.K + 1))
        text = rf"\log\int\!\prod_j Dz_j\,\Theta({each})"
        return LeafDefinition("f", 1, S.fields(model.K)[0], S.V, _counted(model), text, _unit_measure(model), model.accepted)
    pieces = levels(model)
    if pieces is not None:
        closed = sp.log(_mass(model, pieces))
    text = r"\log\int\!Dz\,\Theta(\omega+\sqrt V\,z)"
    if isinstance(model, StochasticPerceptron):
        text = r"\log\int\!Dz\,H\left(-\frac{\omega+\sqrt V\,z}{\sqrt{1-q_\ast}}\right)^\beta"
    return LeafDefinition("f", 1, S.omega, S.V, closed, text, _likelihood_measure(model))


def _counted(model: Tree) -> sp.Expr | None:
    """log of the probability of an accepted count: coefficients of y^c in prod_j (H(omega_j/sqrt V) + y H(-omega_j/sqrt V))."""
    if model.K > MAX_FIELDS:
        return None
    counts: list[sp.Expr] = [sp.S.One]
    for w in S.fields(model.K):
        below, above = (H(sign * w / sp.sqrt(S.V)) for sign in (1, -1))
        counts = [a * below + b * above for a, b in zip([*counts, sp.S.Zero], [sp.S.Zero, *counts])]
    return sp.log(sp.Add(*(sp.expand(c) for c, ok in zip(counts, model.accepted) if ok)))


def _unit_measure(model: Model) -> Measure:
    """du on panels that end at 0, where a unit changes sign: what each field of a tree machine is integrated over."""

    def measure(env: Mapping[str, Any], most: int = 0) -> tuple[np.ndarray, np.ndarray]:
        from .numeric import gauss_panels

        reach = _reach(model) * (FIELD_SHORT if most else 1.0)
        u, weight = gauss_panels(np.linspace(-reach, reach, 3 if most else 113), most // 2 if most else 10)
        return u, np.log(weight)

    return measure


def _satisfied(low: sp.Expr, high: sp.Expr) -> sp.Expr:
    """Probability that a field of mean omega and variance V lies between the edges."""
    return (
        Between((low - S.omega) / sp.sqrt(S.V), (high - S.omega) / sp.sqrt(S.V))
        if low != -sp.oo or high != sp.oo
        else sp.S.One
    )


def _mass(model: Model, pieces: list[tuple[sp.Expr, sp.Expr, sp.Expr]]) -> sp.Expr:
    """E Theta of a piecewise-constant likelihood; violated patterns weigh exp(-beta) at finite temperature."""
    total = sp.Add(*(sp.exp(level) * _satisfied(low, high) for level, low, high in pieces))
    if model.beta is not None:
        total = sp.exp(-S.beta) + (1 - sp.exp(-S.beta)) * total
    return total


def log_likelihood_leaf(model: Model) -> LeafDefinition:
    """<log Theta> in the measure that f normalises: what separates the free entropy of a soft likelihood from its entropy."""
    if isinstance(model, Tree):  # allowed or not: log Theta = 0 wherever there is weight
        return LeafDefinition("l", 1, S.fields(model.K)[0], S.V, sp.S.Zero, "0", _unit_measure(model), model.accepted)
    pieces = levels(model)
    closed = None
    if pieces is not None:
        mass = _mass(model, pieces)
        if model.beta is None:
            closed = sp.Add(*(level * sp.exp(level) * _satisfied(low, high) for level, low, high in pieces)) / mass
        else:
            closed = S.beta * sp.log(mass).diff(S.beta)
    text = r"\langle\log\Theta\rangle"
    return LeafDefinition("l", 1, S.omega, S.V, closed, text, _likelihood_measure(model))
