r"""Numerical value of a symbolic expression straight from definitions: the referee of the derivations.

It shares nothing with the compiled evaluators: leaves are integrals of their defining measures, averages are composite
Gauss-Legendre sums, V derivatives finite differences. Slow and simple on purpose.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from .leaves import LeafDefinition
from .nodes import Finite, Leaf, LogMean, Tilt
from .special import A, Between, G, H

REACH = 9.0  # of standard normals: mass 2e-19 beyond
PANELS, ORDER = 30, 12
DIFFERENCE = 2e-2  # relative step of a V derivative; the sixth-order stencil leaves (step/2)^6

Env = Mapping[str, Any]


def gauss_panels(edges: np.ndarray, order: int = ORDER) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss-Legendre nodes and weights between consecutive edges."""
    x, w = np.polynomial.legendre.leggauss(order)
    half, mid = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    return (mid[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()


Z_NODES, _Z_WEIGHTS = gauss_panels(np.linspace(-REACH, REACH, PANELS + 1))
Z_WEIGHTS = _Z_WEIGHTS * np.exp(-(Z_NODES**2) / 2) / math.sqrt(2 * math.pi)


def leaf_value(definition: LeafDefinition, k: int, j: int, w: np.ndarray, V: Any, env: Env) -> np.ndarray:
    """k-th field and j-th V derivative of a leaf from its measure."""
    if j:
        V = np.asarray(V, dtype=float)
        h = DIFFERENCE * np.maximum(np.abs(V), 0.2)
        total = np.zeros(np.broadcast(w, V).shape)
        for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60)):
            total = total + c * (
                leaf_value(definition, k, j - 1, w, V + m * h, env)
                - leaf_value(definition, k, j - 1, w, V - m * h, env)
            )
        return total / h
    x, log_weight = definition.measure(env)
    w, V = np.broadcast_arrays(np.asarray(w, dtype=float), np.asarray(V, dtype=float))
    if definition.sign > 0:  # a field of mean w and variance V
        exponent = log_weight - (x - w[..., None]) ** 2 / (2 * V[..., None]) - 0.5 * np.log(2 * np.pi * V[..., None])
        y = (x - w[..., None]) / np.sqrt(V[..., None])
        unit, excess = 1 / np.sqrt(V), 1.0
    else:  # a measure tilted by h and lam
        exponent = log_weight + x * w[..., None] - V[..., None] * x * x / 2
        y = np.broadcast_to(x, exponent.shape)
        unit, excess = np.ones(w.shape), 0.0
    top = exponent.max(axis=-1, keepdims=True)
    p = np.exp(exponent - top)
    mass = p.sum(axis=-1)
    if k == 0:
        return top[..., 0] + np.log(mass)
    p = p / mass[..., None]
    mean = (p * y).sum(axis=-1)
    central = [(p * (y - mean[..., None]) ** n).sum(axis=-1) for n in range(5)]
    cumulant = {1: mean, 2: central[2] - excess, 3: central[3], 4: central[4] - 3 * central[2] ** 2}[k]
    return cumulant * unit**k


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.exp: np.exp,
    sp.log: np.log,
    sp.cosh: np.cosh,
    sp.sinh: np.sinh,
    sp.tanh: np.tanh,
    sp.sech: lambda x: 1 / np.cosh(x),
    sp.Abs: np.abs,
    sp.erf: np.vectorize(math.erf),
    H: lambda x: 0.5 * _erfc(np.asarray(x) / math.sqrt(2)),
    G: lambda x: np.exp(-(np.asarray(x) ** 2) / 2) / math.sqrt(2 * math.pi),
    A: lambda x: _mills(np.asarray(x, dtype=float)),
    Between: lambda a, b: 0.5 * (_erfc(np.asarray(a) / math.sqrt(2)) - _erfc(np.asarray(b) / math.sqrt(2))),
}


def _erfc(x: np.ndarray) -> np.ndarray:
    from scipy.special import erfc

    return np.asarray(erfc(x))


def _mills(x: np.ndarray) -> np.ndarray:
    from scipy.special import erfcx

    return math.sqrt(2 / math.pi) / np.asarray(erfcx(x / math.sqrt(2)))


class Named(sp.Expr):
    """A symbol standing for an expression: prints as the symbol, evaluates and differentiates as the expression."""

    is_commutative = True
    is_real = True

    def __new__(cls, symbol: sp.Symbol, expr: sp.Expr) -> Named:
        return sp.Expr.__new__(cls, symbol, expr)

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return set(self.args[1].free_symbols)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.args[1].diff(s)

    def doit(self, **hints: Any) -> sp.Expr:
        return self.args[1]

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name = printer._print(self.args[0])
        return f"{name}^{{{exp}}}" if exp else name

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(self.args[0]))


def evaluate(expr: sp.Expr, env: Env, leaves: Mapping[str, LeafDefinition]) -> Any:
    """The number (or array, for array values in ``env``) that an expression stands for."""
    if expr.is_Number or (expr.is_number and not expr.has(LogMean, Tilt, Leaf, H, G, A, Between, NumericNode)):
        return float(expr)
    if isinstance(expr, Named):
        return evaluate(expr.args[1], env, leaves)
    if isinstance(expr, LogMean | Tilt | NumericNode):
        return _remembered(expr, env, leaves)
    if isinstance(expr, sp.Symbol):
        return env[expr.name]
    if isinstance(expr, Leaf):
        return leaf_value(
            leaves[expr.name],
            int(expr.k[0]),
            int(expr.j),
            evaluate(expr.w[0], env, leaves),
            evaluate(expr.V, env, leaves),
            env,
        )
    if isinstance(expr, sp.Sum):
        return _sum(expr, env, leaves)
    if isinstance(expr, sp.Indexed):
        return env[expr.base.name][tuple(int(evaluate(i, env, leaves)) - 1 for i in expr.indices)]
    args = [evaluate(a, env, leaves) for a in expr.args]
    if isinstance(expr, sp.Add):
        return sum(args)
    if isinstance(expr, sp.Mul):
        out = 1.0
        for a in args:
            out = out * a
        return out
    if isinstance(expr, sp.Pow):
        return args[0] ** args[1]
    return _FUNCTIONS[expr.func](*args)


_MEMORY: OrderedDict[Any, Any] = OrderedDict()
MEMORY_SIZE = 4096  # averages remembered: the steps of a derivation share most of theirs


def _remembered(node: sp.Expr, env: Env, leaves: Mapping[str, LeafDefinition]) -> Any:
    """An average or replica integral, computed once for each node and point."""
    compute = node.numeric if isinstance(node, NumericNode) else lambda e, l: _average(node, e, l)
    if any(isinstance(v, np.ndarray) and not isinstance(v, Matrix) for v in env.values()):
        return compute(env, leaves)
    point = tuple(sorted((k, v.tobytes() if isinstance(v, np.ndarray) else float(v)) for k, v in env.items()))
    key = (node, point, tuple(leaves.values()))
    if key not in _MEMORY:
        _MEMORY[key] = compute(env, leaves)
        if len(_MEMORY) > MEMORY_SIZE:
            _MEMORY.popitem(last=False)
    return _MEMORY[key]


def _average(node: sp.Expr, env: Env, leaves: Mapping[str, LeafDefinition]) -> Any:
    level = node.level
    m = evaluate(level.power, env, leaves)
    scale, at = evaluate(level.L[0, 0], env, leaves), evaluate(level.at[0], env, leaves)
    if isinstance(level.measure, Finite):
        z = np.array([float(v) for v in level.measure.args[0]])
        weight = np.array([float(p) for p in level.measure.args[1]])
    else:
        z, weight = Z_NODES, Z_WEIGHTS
    grow = {k: (v[..., None] if isinstance(v, np.ndarray) and not isinstance(v, Matrix) else v) for k, v in env.items()}
    at = np.asarray(at)[..., None]
    inner = {**grow, level.z[0].name: z, level.w[0].name: at + scale * z}
    phi = evaluate(node.phi, inner, leaves)
    if isinstance(node, LogMean):
        return (np.log((weight * np.exp(m * phi)).sum(axis=-1)) / m) if m else (weight * phi).sum(axis=-1)
    p = weight * np.exp(m * phi) if m else weight + 0.0 * phi
    return (p * evaluate(node.obs, inner, leaves)).sum(axis=-1) / p.sum(axis=-1)


def _sum(expr: sp.Sum, env: Env, leaves: Mapping[str, LeafDefinition]) -> float:
    body, *limits = expr.args
    (index, low, high), rest = limits[-1], limits[:-1]
    inner = sp.Sum(body, *rest) if rest else body
    total = 0.0
    for value in range(int(evaluate(low, env, leaves)), round(float(evaluate(high, env, leaves))) + 1):
        total += evaluate(inner, {**env, index.name: float(value)}, leaves)
    return total


class Matrix(np.ndarray):
    """An explicit array in an environment that is not a grid of points."""


def matrix(values: Any) -> Matrix:
    return np.asarray(values, dtype=float).view(Matrix)


class NumericNode(sp.Expr):
    """An opaque expression that knows its own number: integrals over replicas that are not towers yet."""

    is_commutative = True
    is_real = True

    def numeric(self, env: Env, leaves: Mapping[str, LeafDefinition]) -> float:
        raise NotImplementedError
