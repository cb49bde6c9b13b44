r"""The covariance C(q) of the output field of infinitely many units, as a function that derivations differentiate.

.. math:: \Delta(q) = \mathbb E\,g(u_1)g(u_2),\quad \mathbb E u_1u_2 = q;\qquad
          C(q) = \Delta(q)-\Delta(0) \ \text{(tree)}

Fully connected, the overlap of two different units is of order 1/K, but there are K^2 pairs: their sum is one more order
parameter, which patterns of the order of all weights pin. A teacher's sum is learnt, C(q) = Delta(q) - Delta(0) +
Delta'(0)(1-q); a student that stores random patterns drives it to zero, C(q) = Delta(q) - Delta(0) - Delta'(0) q.
Of ordinary models C(q) = q.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from ..models import Model
from ..wide import Wide
from . import symbols as S

QUADRATURE_STEP = 0.02  # of the differences by which a covariance without closed form is differentiated by the referee

_MODELS: dict[str, Wide] = {}


class Covariance(sp.Function):
    """The k-th derivative of C at an overlap; the third argument names the model that C belongs to."""

    nargs = 3
    is_real = True
    is_commutative = True

    order = property(lambda self: int(self.args[0]))

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        k, q, name = self.args
        return Covariance(k + 1, q, name) * q.diff(s)

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return set(self.args[1].free_symbols)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"C{chr(39) * self.order}\left({printer._print(self.args[1])}\right)"
        return f"{text}^{{{exp}}}" if exp else text

    def _sympystr(self, printer: Any) -> str:
        return f"C{chr(39) * self.order}({printer._print(self.args[1])})"

    def value(self, q: Any) -> Any:
        """Its number, by the referee's own route."""
        return referee(str(self.args[2]), self.order)(np.asarray(q, dtype=float))


def covariance(model: Model, q: sp.Expr, order: int = 0) -> sp.Expr:
    """C or one of its derivatives at an overlap: q itself, for a model whose fields are linear in its weights."""
    if not isinstance(model, Wide):
        return (q, sp.S.One)[order] if order < 2 else sp.S.Zero
    name = repr(model)
    _MODELS[name] = model
    return Covariance(order, q, sp.Symbol(name))


def delta(model: Wide) -> sp.Expr | None:
    """Delta as an expression in q/Q, where it has a closed form."""
    from .covariance import closed_form

    found = closed_form(model.activation, model.scale)
    return None if found is None else found[0]


def kernel(model: Wide, of: Callable[[sp.Expr, int], sp.Expr], q: sp.Expr) -> sp.Expr:
    """C(q) of an architecture from Delta and its derivative at 0, ``of(q, order)``; q is a share of the self-overlap."""
    at_zero = of(q, 0) - of(sp.S.Zero, 0)
    if model.architecture == "tree":
        return at_zero
    return at_zero + of(sp.S.Zero, 1) * ((1 - q) if model.teacher else -q)


@lru_cache(maxsize=256)
def closed(model: Wide) -> sp.Expr | None:
    """C(q) in closed form, q in units of the self-overlap; None where there is none."""
    expr = delta(model)
    if expr is None:
        return None
    derivatives = {0: expr, 1: expr.diff(S.q)}
    return sp.simplify(kernel(model, lambda q, k: derivatives[k].subs(S.q, q), S.q))


@lru_cache(maxsize=256)
def referee(name: str, order: int) -> Callable[[Any], Any]:
    """C^{(order)}(q): the closed form differentiated, or sums over both fields and their differences."""
    model = _MODELS[name]
    norm = float(model.scale) ** 2
    expr = closed(model)
    if expr is not None:
        function = sp.lambdify(S.q, expr.diff(S.q, order) / sp.Float(norm) ** order, "numpy")
        return lambda q: np.asarray(function(q / norm)) + 0.0 * q
    if order:
        below = referee(name, order - 1)
        h = QUADRATURE_STEP * norm
        return lambda q: sum(
            c * (below(q + m * h) - below(q - m * h)) for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
        ) / h
    from .covariance import by_quadrature

    @lru_cache(maxsize=4096)
    def at(q: float) -> float:
        values = {0: by_quadrature(model.activation, q, float(model.scale)), 1: 0.0}
        zero = by_quadrature(model.activation, 0.0, float(model.scale))
        if model.architecture != "tree":
            raise ArithmeticError(f"the covariance of {model.activation.name} units has no closed form")
        return values[0] - zero

    return lambda q: np.vectorize(at)(np.asarray(q, dtype=float) / norm)
