"""Integrals over the K units of several explicit replicas, with the brute force that the numerical checks need.

Vectors over (replica, unit) stand replica by replica: entry a K + j.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp

from .committee_leaves import MatrixLeaf
from .numeric import Env, NumericNode, evaluate, gauss_panels
from .overlaps import LogIntegralLeaves, explicit_integral, orthants

GRID = 4  # fields of which every sign pattern is integrated over one product grid
NODES = 14  # Gauss-Legendre nodes of each field given those before it; 1e-7 of an orthant of six fields
WIDE = 12.0  # of the fields at the points of a check: nine standard deviations
TAIL = 6.5  # standard deviations kept beyond the edge of a half-line: 1e-10


def label_mass(K: int, ok: Sequence[bool], n: int, masses: Any) -> float:
    """Probability that all replicas give the label, from the masses of sign patterns (a function of n K signs)."""
    good = [signs for signs in itertools.product((0, 1), repeat=K) if ok[sum(signs)]]
    return float(sum(masses(sum(each, ())) for each in itertools.product(good, repeat=n)))


def pattern_masses(measure: Any, env: Env, M: np.ndarray) -> Any:
    """The function of signs that integrates exp(-x.M x/2) over an orthant."""
    if M.shape[0] <= GRID:
        found = orthants(measure, env, M)
        return lambda signs: found[signs]
    C = np.linalg.inv(M)
    norm = math.sqrt(np.linalg.det(2 * math.pi * C))
    memory: dict[tuple[int, ...], float] = {}

    def mass(signs: tuple[int, ...]) -> float:
        signs = min(signs, tuple(1 - s for s in signs))  # x -> -x
        if signs not in memory:
            memory[signs] = norm * orthant(C, signs)
        return memory[signs]

    return mass


def orthant(C: np.ndarray, signs: Sequence[int]) -> float:
    """P(the signs of Gaussian fields of covariance C): field by field given those before it, the last one in closed form."""
    from scipy.special import ndtr

    up = np.where(np.asarray(signs) == 1, 1.0, -1.0)
    L = np.linalg.cholesky(C * np.outer(up, up))
    n = len(L)
    x, weight = np.polynomial.legendre.leggauss(NODES)
    found: list[np.ndarray] = []
    total = np.ones((1,) * (n - 1))
    for i in range(n - 1):
        edge = -sum((L[i, b] * y for b, y in enumerate(found)), np.zeros((1,) * (n - 1))) / L[i, i]
        top = np.maximum(edge, 0.0) + TAIL
        shape = [1] * (n - 1)
        shape[i] = NODES
        y = edge + (top - edge) * (1 + x.reshape(shape)) / 2
        total = total * (top - edge) / 2 * weight.reshape(shape) * np.exp(-(y**2) / 2) / math.sqrt(2 * math.pi)
        found.append(y)
    last = sum(L[n - 1, b] * y for b, y in enumerate(found)) / L[n - 1, n - 1]
    return float(np.sum(total * ndtr(last)))


def weight_integral(leaf: Any, env: Env, M: np.ndarray) -> float:
    """log int prod dP(w) exp(w.M w/2) over all weights: a sum, or a determinant for more Gaussian weights than a grid holds."""
    from .leaves import _flat_measure

    n = M.shape[0]
    if leaf.measure is _flat_measure and n > GRID - 1:
        return -0.5 * float(np.linalg.slogdet(-M)[1]) - 0.5 * n
    if leaf.measure is _flat_measure:
        return explicit_integral(leaf.measure, env, n, -M, 0.0)
    nodes, logs = leaf.measure(env)
    choices = np.array(list(itertools.product(range(len(nodes)), repeat=n)))
    w = nodes[choices]
    exponent = logs[choices].sum(axis=1) + np.einsum("ra,ab,rb->r", w, M, w) / 2
    top = float(exponent.max())
    return top + math.log(float(np.exp(exponent - top).sum()))


def field_integral(leaves: LogIntegralLeaves, env: Env, M: np.ndarray, K: int) -> float:
    """log sum_y int dx exp(-x.M x/2) prod_a 1[B(x_a) = y]."""
    every = [leaf for leaf in leaves.values() if isinstance(leaf, MatrixLeaf) and leaf.accepted]
    masses = pattern_masses(every[0].measure, env, M)
    return math.log(sum(label_mass(K, leaf.accepted, M.shape[0] // K, masses) for leaf in every))


class UnitsIntegral(NumericNode):
    """log of an integral over the K units of s replicas at explicit matrices over (unit, unit, replica, replica)."""

    def __new__(cls, side: str, name: str, size: Any, K: Any) -> UnitsIntegral:
        return sp.Expr.__new__(cls, sp.Symbol(str(side)), sp.Symbol(str(name)), sp.sympify(size), sp.sympify(K))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return self.args[2].free_symbols

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        M = flat(np.asarray(env[self.args[1].name]))
        if self.args[0].name == "w":
            return weight_integral(leaves["g"], env, M)
        pre = -0.5 * float(np.linalg.slogdet(2 * math.pi * M)[1])
        return pre + field_integral(leaves, env, np.linalg.inv(M), int(self.args[3]))

    def _sympystr(self, printer: Any) -> str:
        return f"log Int_{self.args[0]}[{self.args[1]}; {self.args[2]} x {self.args[3]} units]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        M, n, K = (printer._print(x) for x in self.args[1:])
        if self.args[0].name == "w":
            tilt = rf"e^{{\frac12\sum_{{ab}}\sum_{{jk}}{M}^{{ab}}_{{jk}}w_{{ja}}w_{{kb}}}}"
            return rf"\log\int\prod_{{a=1}}^{{{n}}}\prod_{{j=1}}^{{{K}}}dP(w_{{ja}})\,{tilt}"
        return (
            rf"\log\sum_y\int d^{{{n}}}\vec u\ \mathcal N(\vec u;0,{M})"
            rf"\prod_{{a=1}}^{{{n}}}\mathbb{{1}}[B(\vec u_a)=y]"
        )


class CoupledUnits(NumericNode):
    """The same for equivalent replicas and units: exp(-sum_a x_a.A x_a/2 + (sum_a x_a).B (sum_a x_a)/2).

    A and B by their eigenvalues on the sum of the units and on their differences.
    """

    def __new__(cls, side: str, size: Any, K: Any, A: Any, B: Any) -> CoupledUnits:
        return sp.Expr.__new__(cls, sp.Symbol(str(side)), sp.sympify(size), sp.sympify(K), sp.Tuple(*A), sp.Tuple(*B))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return set().union(*(x.free_symbols for x in self.args[1:]))

    def numeric(self, env: Env, leaves: LogIntegralLeaves) -> float:
        n, K = round(float(evaluate(self.args[1], env, leaves))), int(self.args[2])
        (a, c), (b, d) = ([float(evaluate(x, env, leaves)) for x in pair] for pair in self.args[3:])
        A, B = spread(a, c, K), spread(b, d, K)
        M = np.kron(np.eye(n), A) - np.kron(np.ones((n, n)), B)
        if self.args[0].name == "w":
            return weight_integral(leaves["g"], env, -M)
        return field_integral(leaves, env, M, K)

    def _sympystr(self, printer: Any) -> str:
        x = self.args[0].name
        (a, c), (b, d) = ([printer._print(y) for y in pair] for pair in self.args[3:])
        inside = f"-sum(({a}) {x}_+^2 + ({c}) {x}_-^2)/2 + (({b}) (sum {x}_+)^2 + ({d}) (sum {x}_-)^2)/2"
        return f"log Int_{x}^({printer._print(self.args[1])} x {self.args[2]} units)[exp({inside})]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        n, K, x = printer._print(self.args[1]), self.args[2], self.args[0].name
        measure = (
            rf"\log\int\prod_{{a=1}}^{{{n}}}\prod_{{j=1}}^{{{K}}}dP(w_{{ja}})"
            if x == "w"
            else rf"\log\sum_y\int\prod_{{a=1}}^{{{n}}}\mathbb{{1}}[B(\vec u_a)=y]\,d\vec u_a"
        )

        def times(y: sp.Expr) -> str:
            text = printer._print(y)
            return rf"\left({text}\right)" if y.is_Add else text

        (a, c), (b, d) = self.args[3:]
        each = rf"\sum_a\big({times(a)}\,|\vec {x}_a^{{\,+}}|^2 + {times(c)}\,|\vec {x}_a^{{\,-}}|^2\big)"
        both = [rf"{times(y)}\,\big|\sum_a\vec {x}_a^{{\,{p}}}\big|^2" for y, p in ((b, "+"), (d, "-"))]
        return rf"{measure}\,\exp\Big[-\frac12{each}+\frac12\big({both[0]} + {both[1]}\big)\Big]"


def spread(plus: float, minus: float, K: int) -> np.ndarray:
    """The K x K matrix with these eigenvalues on the sum of the units and on their differences."""
    return minus * np.eye(K) + (plus - minus) / K * np.ones((K, K))


def flat(M: np.ndarray) -> np.ndarray:
    """M[j, k, a, b] as a matrix over (replica, unit)."""
    K, _, n, _ = M.shape
    return np.asarray(M).transpose(2, 0, 3, 1).reshape(n * K, n * K)


def unflat(M: np.ndarray, K: int) -> np.ndarray:
    """The inverse of `flat`."""
    n = len(M) // K
    return M.reshape(n, K, n, K).transpose(1, 3, 0, 2)


class UnitsCharacteristic(NumericNode):
    """Placeholder of log E exp(i sum s_ja u_ja), printed as such."""

    def __new__(cls) -> UnitsCharacteristic:
        return sp.Expr.__new__(cls)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return r"\log\mathbb{E}_\xi\, e^{i\sum_{ja}s_{ja}u_{ja}}"


def direct(leaf: MatrixLeaf, w: np.ndarray, V: np.ndarray) -> float:
    """f = log P(label) at one point from its definition, the K-fold integral over the fields."""
    u, weight = gauss_panels(np.linspace(-WIDE, WIDE, 3), {2: 160, 3: 90}[leaf.units])
    log_weight = np.log(weight)
    inverse, K = np.linalg.inv(V), leaf.units
    axes = np.meshgrid(*[u] * K, indexing="ij", sparse=True)
    exponent = sum(np.meshgrid(*[log_weight] * K, indexing="ij", sparse=True))
    for a, b in itertools.product(range(K), repeat=2):
        exponent = exponent - 0.5 * inverse[a, b] * (axes[a] - w[a]) * (axes[b] - w[b])
    up = sum((x > 0).astype(int) for x in axes)
    p = np.exp(exponent)
    return math.log(float(p[np.asarray(leaf.accepted)[up]].sum())) - 0.5 * float(np.linalg.slogdet(2 * math.pi * V)[1])
