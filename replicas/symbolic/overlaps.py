"""Integrals over explicit replicas that are not towers yet, with the brute force that the numerical checks need.

The branches of a tree are independent given the sign of every field: `orthants` are the masses of one branch by the signs of
its replicas, and `counted` combines branches by the number of positive fields of each replica.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from . import symbols as S
from .numeric import Env, NumericNode, evaluate

LogIntegralLeaves = Mapping[str, Any]
GRID_POINTS = 300_000  # grid points of one brute-force replica integral
MATRIX_PRODUCT = 4  # replicas from which the last one is summed as a matrix product, for a finer grid


def symmetric_sum(left: str, right: str, size: sp.Expr, branches: int = 1) -> sp.Expr:
    """sum_ab left_ab right_ab for two explicit matrices, or sum_jab for one of each in every branch."""
    a, b, j = sp.symbols("a b j", integer=True, positive=True)
    x, y = sp.IndexedBase(left), sp.IndexedBase(right)
    if branches > 1:
        return sp.Sum(x[j, a, b] * y[j, a, b], (a, 1, size), (b, 1, size), (j, 1, branches))
    return sp.Sum(x[a, b] * y[a, b], (a, 1, size), (b, 1, size))


class MatrixIntegral(NumericNode):
    """log int prod_a dmu(x_a) K(x): K = exp(x^T M x/2) for weights, the normal density of covariance M for fields.

    Several branches have one M each: the logarithms add up for weights, the fields of a pattern share one likelihood.
    """

    def __new__(cls, side: str, name: str, size: sp.Expr, branches: int = 1) -> MatrixIntegral:
        return sp.Expr.__new__(cls, sp.Symbol(str(side)), sp.Symbol(str(name)), sp.sympify(size), sp.Integer(branches))

    branches = property(lambda self: int(self.args[3]))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.args[2].free_symbols

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        side, branches = self.args[0].name, self.branches
        M = np.asarray(env[self.args[1].name])
        n = M.shape[-1]
        matrices = M.reshape(-1, n, n)
        if side == "w":
            return sum(explicit_integral(leaves["g"].measure, env, n, -m, 0.0) for m in matrices)
        inverse = np.linalg.inv(matrices)
        pre = -0.5 * n * math.log(2 * math.pi) * branches - 0.5 * float(np.linalg.slogdet(matrices)[1].sum())
        if branches > 1:
            each = {m.tobytes(): m for m in inverse}  # branches may be alike
            masses = {key: orthants(leaves["f"].measure, env, m) for key, m in each.items()}
            return pre + math.log(counted([masses[m.tobytes()] for m in inverse], leaves["f"].accepted))
        return explicit_integral(leaves["f"].measure, env, n, inverse[0], pre)

    def _sympystr(self, printer: Any) -> str:
        branches = "" if self.branches == 1 else f"; {self.branches} branches"
        return f"log Int_{self.args[0]}[{self.args[1]}; {self.args[2]}{branches}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        M = printer._print(self.args[1])
        n = printer._print(self.args[2])
        if self.branches > 1:
            each = rf"\prod_{{j=1}}^{{{self.branches}}}"
            if self.args[0].name == "w":
                total = rf"\sum_{{j=1}}^{{{self.branches}}}"
                return rf"{total}\log\int\prod_{{a=1}}^{{{n}}}dP(w_a)\,e^{{\frac12\sum_{{ab}}{M}_{{j,ab}}w_aw_b}}"
            density = rf"{each}d^{{{n}}}u_j\,\mathcal N(u_j;0,{M}_j)"
            return rf"\log\int {density}\prod_{{a=1}}^{{{n}}}{branch_likelihood(self.branches)}"
        if self.args[0].name == "w":
            return rf"\log\int\prod_{{a=1}}^{{{n}}}dP(w_a)\,e^{{\frac12\sum_{{ab}}{M}_{{ab}}w_aw_b}}"
        return rf"\log\int d^{{{n}}}u\,\mathcal N(u;0,{M})\prod_{{a=1}}^{{{n}}}\Theta(u_a)"


class ReplicaIntegral(NumericNode):
    """log int prod_a dmu(x_a) exp(-a sum x^2/2 + sum_j b_j sum_{blocks of size m_j} (sum x)^2/2), mu = P or Theta(u) du.

    sizes : n, m_1, ..., m_k, b : b_0, ..., b_k; a single size and a single b for equivalent replicas.
    branches : of a tree, whose fields share Theta(u_1a, ..., u_Ka) and are independent otherwise.
    """

    def __new__(cls, side: str, sizes: Any, a: sp.Expr, b: Any, branches: int = 1) -> ReplicaIntegral:
        tuples = [sp.Tuple(*(x if isinstance(x, (tuple, sp.Tuple)) else (x,))) for x in (sizes, b)]
        side, a = sp.Symbol(str(side)), sp.sympify(a)
        return sp.Expr.__new__(cls, side, tuples[0], a, tuples[1], sp.Integer(branches))

    branches = property(lambda self: int(self.args[4]))

    side = property(lambda self: self.args[0].name)
    sizes = property(lambda self: self.args[1])
    a = property(lambda self: self.args[2])
    b = property(lambda self: self.args[3])

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return set().union(*(x.free_symbols for x in self.args[1:]))

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        sizes = [round(float(evaluate(m, env, leaves))) for m in self.sizes]
        n = sizes[0]
        M = float(evaluate(self.a, env, leaves)) * np.eye(n)
        for m, b in zip(sizes, self.b):
            block = np.arange(n) // m
            M -= float(evaluate(b, env, leaves)) * (block[:, None] == block[None, :])
        if self.branches > 1:
            masses = orthants(leaves["f"].measure, env, M)
            return math.log(counted([masses] * self.branches, leaves["f"].accepted))
        return explicit_integral(leaves["g" if self.side == "w" else "f"].measure, env, n, M, 0.0)

    def _sympystr(self, printer: Any) -> str:
        x = self.side
        n, *blocks = (printer._print(m) for m in self.sizes)
        squares = [f"(sum {x})^2/2", *(f"sum_blocks({m}) (sum {x})^2/2" for m in blocks)]
        terms = "".join(f" + ({printer._print(b)}) {square}" for b, square in zip(self.b, squares))
        n = n if self.branches == 1 else f"{n} x {self.branches} branches"
        return f"log Int_{x}^({n})[exp(-({printer._print(self.a)}) sum {x}^2/2{terms})]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        n, *blocks = (printer._print(m) for m in self.sizes)
        x, measure = ("w", "dP(w_a)") if self.side == "w" else ("u", r"du_a\,\Theta(u_a)")
        each, index = "", "_a"
        if self.branches > 1:
            units = rf"\prod_{{j=1}}^{{{self.branches}}}"
            measure, each, index = rf"{branch_likelihood(self.branches)}{units}du_{{ja}}", units, "_{ja}"
        squares = [rf"\big(\sum_a {x}{index}\big)^2"]
        squares += [rf"\sum_{{|B|={m}}}\big(\sum_{{a\in B}} {x}{index}\big)^2" for m in blocks]
        terms = "".join(rf"+\frac{{1}}{{2}}\,{_factor(printer, b)}\,{square}" for b, square in zip(self.b, squares))
        return (
            rf"\log\int\prod_{{a=1}}^{{{n}}}{measure}\,"
            rf"{each}\exp\Big[-\frac{{1}}{{2}}\,{printer._print(self.a)}\sum_a {x}{index}^2{terms}\Big]"
        )


def branch_likelihood(branches: int) -> str:
    """LaTeX of the likelihood of one replica's fields in every branch."""
    between = "," if branches == 2 else r",\dots,"
    return rf"\Theta(u_{{1a}}{between}u_{{{branches}a}})"


def _factor(printer: Any, b: sp.Expr) -> str:
    text = printer._print(b)
    return rf"\left({text}\right)" if b.is_Add else text


def explicit_integral(measure: Any, env: Env, n: int, M: np.ndarray, prefactor: float) -> float:
    """log of the n-fold sum over the product measure of exp(-x^T M x/2): the brute force that towers are held against."""
    summed = n if n < MATRIX_PRODUCT else n - 1  # axes of the grid; a last one is contracted as a matrix product
    x, logs = measure(env, int(GRID_POINTS ** (1 / summed)) if n > 1 else 0)
    axes = np.meshgrid(*([x] * summed), indexing="ij", sparse=True)
    exponent = np.asarray(sum(np.meshgrid(*([logs] * summed), indexing="ij", sparse=True)))
    for i, j in itertools.product(range(summed), repeat=2):
        exponent = exponent - 0.5 * M[i, j] * axes[i] * axes[j]
    if summed < n:
        # sum over x_n of its weight times exp(-x_n sum_i M_in x_i): rows are all but the last grid axis
        coupling = np.asarray(sum(-M[i, -1] * axes[i] for i in range(summed - 1)))
        rows = np.exp(np.ravel(coupling)[:, None] * x + logs - 0.5 * M[-1, -1] * x**2)
        with np.errstate(divide="ignore"):
            last = np.log(rows @ np.exp(-M[-2, -1] * np.outer(x, x)))
        exponent = exponent + last.reshape(exponent.shape)
    top = float(np.max(exponent))
    return prefactor + top + math.log(float(np.sum(np.exp(exponent - top))))


def orthants(measure: Any, env: Env, M: np.ndarray) -> np.ndarray:
    """int dx exp(-x^T M x/2) over the n-fold product measure, by the signs of x_1, ..., x_n; shape (2, ..., 2), 1 for x_a > 0."""
    n = M.shape[0]
    summed = n if n < MATRIX_PRODUCT else n - 1
    x, logs = measure(env, int(GRID_POINTS ** (1 / summed)) if n > 1 else 0)
    axes = np.meshgrid(*([x] * summed), indexing="ij", sparse=True)
    exponent = np.asarray(sum(np.meshgrid(*([logs] * summed), indexing="ij", sparse=True)))
    for i, j in itertools.product(range(summed), repeat=2):
        exponent = exponent - 0.5 * M[i, j] * axes[i] * axes[j]
    density, split = np.exp(exponent), int(np.searchsorted(x, 0.0))
    if summed < n:  # the last axis as a matrix product, one for each sign
        coupling = np.asarray(sum(-M[i, -1] * axes[i] for i in range(summed - 1)))
        rows = np.exp(np.ravel(coupling)[:, None] * x + logs - 0.5 * M[-1, -1] * x**2)
        last = np.exp(-M[-2, -1] * np.outer(x, x))
        halves = [rows[:, part] @ last[part] for part in (slice(0, split), slice(split, None))]
        density = np.stack([density * half.reshape(density.shape) for half in halves], axis=-1)
    for axis in range(summed):
        density = np.add.reduceat(density, [0, split], axis=axis)
    return density


def counted(masses: Sequence[np.ndarray], accepted: Sequence[bool]) -> float:
    """Weight of all replicas accepting: independent branches, each with its masses by the signs of the replicas' fields.

    Branch by branch, the number of positive fields of every replica is counted.
    """
    n = masses[0].ndim
    counts = np.ones((1,) * n)
    for mass in masses:
        size = counts.shape[0]
        more = np.zeros((size + 1,) * n)
        for signs in itertools.product((0, 1), repeat=n):
            more[tuple(slice(sign, sign + size) for sign in signs)] += mass[signs] * counts
        counts = more
    for _ in range(n):
        counts = counts @ np.asarray(accepted, dtype=float)
    return float(counts)


class BlockSquares(NumericNode):
    """sum over the blocks of a size of (sum of x_a in the block)^2; sum_a x_a^2 for blocks of one."""

    def __new__(cls, x: str, size: sp.Expr) -> BlockSquares:
        return sp.Expr.__new__(cls, sp.Symbol(str(x)), sp.sympify(size))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.args[1].free_symbols

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        x = np.asarray(env[self.args[0].name])
        size = round(float(evaluate(self.args[1], env, leaves)))
        return float(np.sum(x.reshape(-1, size).sum(axis=1) ** 2))

    def _sympystr(self, printer: Any) -> str:
        x, size = (printer._print(a) for a in self.args)
        return f"sum {x}^2" if self.args[1] == 1 else f"sum_blocks({size}) (sum {x})^2"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        x, size = self.args[0].name, printer._print(self.args[1])
        if self.args[1] == 1:
            return rf"\sum_a {x}_a^2"
        if self.args[1] == S.n:
            return rf"\big(\sum_a {x}_a\big)^2"
        return rf"\sum_{{|B|={size}}}\big(\sum_{{a\in B}} {x}_a\big)^2"


class Characteristic(NumericNode):
    """Placeholder of log E exp(i sum_a s_a u_a), printed as such."""

    def __new__(cls, size: sp.Expr, branches: int = 1) -> Characteristic:
        return sp.Expr.__new__(cls, sp.sympify(size), sp.Integer(branches))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        if self.args[1] > 1:
            return r"\log\mathbb{E}_\xi\, e^{i\sum_{ja} s_{j,a} u_{ja}}"
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
