r"""Overlap matrices of s replicas under an ansatz, and the replica integrals that are not towers yet.

Replica symmetry: M_ab = off + (diag - off) delta_ab. Determinant, inverse and traces are closed forms in symbolic s; the
numerical checks build the explicit matrices.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from .numeric import Env, Matrix, NumericNode, evaluate

LogIntegralLeaves = Mapping[str, Any]
GRID_POINTS = 300_000  # grid points of one brute-force replica integral


@dataclass(frozen=True)
class Structured:
    """The s x s matrix with ``diag`` on and ``off`` off the diagonal."""

    diag: sp.Expr
    off: sp.Expr
    size: sp.Expr

    @property
    def gap(self) -> sp.Expr:
        return self.diag - self.off

    def log_determinant(self) -> sp.Expr:
        """Eigenvalue gap on s - 1 directions, gap + s off on the uniform one."""
        return (self.size - 1) * sp.log(self.gap) + sp.log(self.gap + self.size * self.off)

    def inverse(self) -> Structured:
        """Sherman-Morrison: (1/gap) [delta_ab - off/(gap + s off)]."""
        off = -self.off / (self.gap * (self.gap + self.size * self.off))
        return Structured(1 / self.gap + off, off, self.size)

    def trace_product(self, other: Structured) -> sp.Expr:
        """sum_ab M_ab O_ab."""
        return self.size * self.diag * other.diag + self.size * (self.size - 1) * self.off * other.off

    def explicit(self, size: int, env: Env) -> Matrix:
        """The numerical matrix."""
        diag, off = (float(evaluate(x, env, {})) for x in (self.diag, self.off))
        return (off * np.ones((size, size)) + (diag - off) * np.eye(size)).view(Matrix)


def symmetric_sum(left: str, right: str, size: sp.Expr) -> sp.Expr:
    """sum_ab left_ab right_ab for two explicit matrices."""
    a, b = sp.symbols("a b", integer=True, positive=True)
    return sp.Sum(sp.IndexedBase(left)[a, b] * sp.IndexedBase(right)[a, b], (a, 1, size), (b, 1, size))


class MatrixIntegral(NumericNode):
    """log int prod_a dmu(x_a) K(x): K = exp(x^T M x/2) for weights, the normal density of covariance M for fields."""

    def __new__(cls, side: str, name: str, size: sp.Expr) -> MatrixIntegral:
        return sp.Expr.__new__(cls, sp.Symbol(str(side)), sp.Symbol(str(name)), sp.sympify(size))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.args[2].free_symbols

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        side = self.args[0].name
        M = env[self.args[1].name]
        n = M.shape[0]
        if side == "w":
            return explicit_integral(leaves["g"].measure, env, n, -M, 0.0)
        inverse = np.linalg.inv(M)
        pre = -0.5 * n * math.log(2 * math.pi) - 0.5 * np.linalg.slogdet(M)[1]
        return explicit_integral(leaves["f"].measure, env, n, inverse, pre)

    def _sympystr(self, printer: Any) -> str:
        return f"log Int_{self.args[0]}[{self.args[1]}; {self.args[2]}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        M = printer._print(self.args[1])
        n = printer._print(self.args[2])
        if self.args[0].name == "w":
            return rf"\log\int\prod_{{a=1}}^{{{n}}}dP(w_a)\,e^{{\frac12\sum_{{ab}}{M}_{{ab}}w_aw_b}}"
        return rf"\log\int d^{{{n}}}u\,\mathcal N(u;0,{M})\prod_{{a=1}}^{{{n}}}\Theta(u_a)"


class ReplicaIntegral(NumericNode):
    """log int prod_a dmu(x_a) exp(-a sum x^2/2 + b (sum x)^2/2), mu = P (weights) or Theta(u) du (fields)."""

    def __new__(cls, side: str, size: sp.Expr, a: sp.Expr, b: sp.Expr) -> ReplicaIntegral:
        return sp.Expr.__new__(cls, sp.Symbol(str(side)), sp.sympify(size), sp.sympify(a), sp.sympify(b))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return set().union(*(x.free_symbols for x in self.args[1:]))

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        n = round(float(evaluate(self.args[1], env, leaves)))
        a, b = (float(evaluate(x, env, leaves)) for x in self.args[2:])
        M = a * np.eye(n) - b * np.ones((n, n))
        return explicit_integral(leaves["g" if self.args[0].name == "w" else "f"].measure, env, n, M, 0.0)

    def _sympystr(self, printer: Any) -> str:
        n, a, b = (printer._print(x) for x in self.args[1:])
        x = self.args[0]
        return f"log Int_{x}^({n})[exp(-({a}) sum {x}^2/2 + ({b}) (sum {x})^2/2)]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        n, a, b = (printer._print(x) for x in self.args[1:])
        x, measure = ("w", "dP(w_a)") if self.args[0].name == "w" else ("u", r"du_a\,\Theta(u_a)")
        return (
            rf"\log\int\prod_{{a=1}}^{{{n}}}{measure}\,"
            rf"\exp\Big[-\frac{{1}}{{2}}\,{a}\sum_a {x}_a^2+\frac{{1}}{{2}}\,{b}\,\big(\sum_a {x}_a\big)^2\Big]"
        )


def explicit_integral(measure: Any, env: Env, n: int, M: np.ndarray, prefactor: float) -> float:
    """log of the n-fold sum over the product measure of exp(-x^T M x/2): the brute force that towers are held against."""
    x, logs = measure(env, int(GRID_POINTS ** (1 / n)) if n > 1 else 0)
    axes = np.meshgrid(*([x] * n), indexing="ij", sparse=True)
    exponent = sum(np.meshgrid(*([logs] * n), indexing="ij", sparse=True))
    for i, j in itertools.product(range(n), repeat=2):
        exponent = exponent - 0.5 * M[i, j] * axes[i] * axes[j]
    top = float(np.max(exponent))
    return prefactor + top + math.log(float(np.sum(np.exp(exponent - top))))


class Characteristic(NumericNode):
    """Placeholder of log E exp(i sum_a s_a u_a), printed as such."""

    def __new__(cls, size: sp.Expr) -> Characteristic:
        return sp.Expr.__new__(cls, sp.sympify(size))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return r"\log\mathbb{E}_\xi\, e^{i\sum_a s_a u_a}"


class Moment(NumericNode):
    """log mean_disorder Z^s of a toy system: one pattern seen through leaves at the fields in the environment."""

    def __new__(cls, size: sp.Expr) -> Moment:
        return sp.Expr.__new__(cls, sp.sympify(size))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.args[0].free_symbols

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        s = float(evaluate(self.args[0], env, leaves))
        return math.log(float(np.mean(np.exp(s * np.asarray(env["toy"])))))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        s = printer._print(self.args[0])
        return rf"\log\overline{{Z^{{{s}}}}}"
