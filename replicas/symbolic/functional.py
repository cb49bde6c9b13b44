r"""A free-entropy functional phi = extr{ algebra + sum of towers } with its unknowns, gradient, Hessian and observables.

Everything numerical is generated from here: `replicas.numerics.codegen` compiles ``expr``, ``grad()``, ``hess()`` and
``observables``; nothing is typed in a second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sympy as sp

from ..stochastic import StochasticPerceptron
from . import symbols as S
from .leaves import LeafDefinition
from .nodes import Leaf, LogMean, Tilt, saddle_form


@dataclass(frozen=True)
class Functional:
    """phi(unknowns; parameters). Calling it evaluates phi off the saddle.

    unknowns : order parameters to extremise over, in order.
    norm : the self-overlap Q, a number or the free unknown ``Q``.
    replicas : 0 for storage (n -> 0), 1 for the Bayes-optimal teacher-student (one replica is the teacher).
    eliminated : conjugates solved in closed form, in terms of the unknowns.
    observables : named averages evaluated at the saddle (replicon, mean log-likelihood, ...).
    """

    expr: sp.Expr
    unknowns: tuple[sp.Symbol, ...]
    norm: sp.Expr
    replicas: int
    leaves: dict[str, LeafDefinition]
    eliminated: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)
    observables: dict[str, sp.Expr] = field(default_factory=dict)
    model: Any = None

    @cached_property
    def _grad(self) -> dict[sp.Symbol, sp.Expr]:
        return {x: self.derivative(self.expr, x) for x in (*self.unknowns, S.alpha)}

    def grad(self) -> dict[sp.Symbol, sp.Expr]:
        """d phi/dx for every unknown and alpha, by chain rule, Stein's lemma and the heat equation."""
        return dict(self._grad)

    def derivative(self, expr: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """d expr/dx in field derivatives only, algebra and towers kept apart so that neither spoils the other's form."""
        algebra, towers = split(expr)
        return tidy_algebra(algebra.diff(x), self.norm) + saddle_form(towers.diff(x))

    def hess(self) -> dict[tuple[sp.Symbol, sp.Symbol], sp.Expr]:
        """Second derivatives, rows over unknowns, columns over unknowns and alpha."""
        return {(x, y): self.derivative(self._grad[x], y) for x in self.unknowns for y in (*self.unknowns, S.alpha)}

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        free = set(self.expr.free_symbols) | {
            s for leaf in self.leaves.values() if leaf.closed for s in leaf.closed.free_symbols
        }
        if isinstance(self.model, StochasticPerceptron):  # in its likelihood, which has no closed form
            free |= {S.beta, S.q_star}
        return tuple(p for p in (S.alpha, S.kappa, S.beta, S.q_star) if p in free)

    def closed_form(self, expr: sp.Expr | None = None) -> sp.Expr:
        """The expression with every leaf that has a closed form written out."""
        return substitute_leaves(self.expr if expr is None else expr, self.leaves)

    def latex(self, closed: bool = False) -> str:
        """LaTeX of the free entropy (leaves written out if ``closed``)."""
        return latex(self.closed_form() if closed else self.expr)

    def limit(self, scaling: str) -> Functional:
        """The functional under a registered scaling: "q-to-1" (capacity) or "ground-state" (spherical, T -> 0).

        Raises ValueError for an unknown scaling or one without meaning for the model.
        """
        from .limits import limit

        return limit(self, scaling)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle \\phi = {self.latex()}$"

    def __call__(self, **values: Any) -> float:
        """phi at any point, also off the saddle; every unknown and parameter by name (``q=0.5, qhat=1, alpha=0.3, ...``)."""
        from .numeric import evaluate

        names = {"q_hat": "qhat", "lam": "lambda", "q_star": "qstar"}
        env = {sp.Symbol(names.get(k, k)).name: float(v) for k, v in values.items()}
        needed = {x.name for x in (*self.unknowns, *self.parameters)}
        if needed - set(env):
            raise ValueError(
                f"{', '.join(sorted(needed - set(env)))}: missing; the functional takes {', '.join(sorted(needed))}"
            )
        return float(evaluate(self.expr, env, self.leaves))


def split(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """(terms without averages, terms with averages)."""
    terms = sp.Add.make_args(expr)
    towers = [t for t in terms if t.has(LogMean, Tilt, Leaf)]
    return sp.Add(*(t for t in terms if t not in towers)), sp.Add(*towers)


def tidy_algebra(expr: sp.Expr, norm: sp.Expr) -> sp.Expr:
    """Logarithms apart, the rest factored in V = Q - q: then Q - q appears whole and nothing cancels near capacity."""
    inner = sp.expand_log(expr.subs(S.q, norm - S.V), force=True)
    logs = sp.Add(*(t for t in sp.Add.make_args(sp.expand(inner)) if t.has(sp.log)))
    rest = sp.factor(sp.together(sp.expand(inner) - logs))
    return logs.subs(S.V, norm - S.q) + rest.subs(S.V, norm - S.q)


def substitute_leaves(expr: sp.Expr, leaves: dict[str, LeafDefinition]) -> sp.Expr:
    """Replace opaque leaves by their closed forms where they have one."""

    def change(leaf: sp.Expr) -> sp.Expr:
        definition = leaves[leaf.name]
        if definition.closed is None:
            return leaf
        return definition.derivative(leaf)

    return expr.replace(lambda e: isinstance(e, Leaf), change)


def latex(expr: sp.Expr) -> str:
    """LaTeX in the field's notation."""
    text = sp.latex(expr, symbol_names=S.LATEX_NAMES)
    for size in ("n", "s"):  # s LogMean_s prints as the logarithm it is
        text = text.replace(rf"{size} \frac{{1}}{{{size}}}\log", r"\log")
    return text.replace(r"\left(n + 1\right) \frac{1}{n + 1}\log", r"\log")
