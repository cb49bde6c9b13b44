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
from sympy.core.basic import Basic

from .leaves import LeafDefinition
from .nodes import Finite, Leaf, Level, LogMean, Tilt
from .special import A, Between, G, H
from .wide import Covariance

REACH = 9.0  # of standard normals: mass 2e-19 beyond
PANELS, ORDER = 30, 12
INTERVAL_PANELS, LINE_PANELS = 6, 24  # of a flat measure: bounded, or the real line under a Gaussian tilt
TABLE = 20_000  # points from which a function of one field is tabulated and interpolated
TABLE_PART = 2000  # points of a table evaluated at once
TABLE_STEP = 0.02  # of such a table, in the width of its features: quintic splines leave 1e-11
FIELD_POINTS = 400_000  # grid points of an average over several fields
MATRIX_POINTS = 60_000  # the same where each point costs an integral over a common field
AXIS_NODES, MATRIX_NODES = range(4, 60), range(4, 41)
DIFFERENCE = 2e-2  # relative step of a V derivative; the sixth-order stencil leaves (step/2)^6

Env = Mapping[str, Any]


def gauss_panels(edges: np.ndarray, order: int = ORDER) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss-Legendre nodes and weights between consecutive edges."""
    x, w = np.polynomial.legendre.leggauss(order)
    half, mid = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    return (mid[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()


Z_NODES, _Z_WEIGHTS = gauss_panels(np.linspace(-REACH, REACH, PANELS + 1))
Z_WEIGHTS = _Z_WEIGHTS * np.exp(-(Z_NODES**2) / 2) / math.sqrt(2 * math.pi)


class Interval(Basic):
    """z flat between two ends, up to a factor: a level with this measure is a Tilt, which normalises it."""

    def __new__(cls, low: Any, high: Any) -> Interval:
        return super().__new__(cls, sp.sympify(low), sp.sympify(high))

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Panels that end at 0, where a sign changes; an infinite end stands for that of a standard normal."""
        low, high = (float(x) if x.is_finite else math.copysign(REACH, x) for x in self.args)
        step = (high - low) / (INTERVAL_PANELS if self.args[0].is_finite and self.args[1].is_finite else LINE_PANELS)
        edges = [np.linspace(a, b, max(1, round((b - a) / step)) + 1) for a, b in ((low, min(high, 0.0)), (max(low, 0.0), high)) if a < b]
        return gauss_panels(np.unique(np.concatenate(edges)))


def leaf_value(definition: LeafDefinition, k: int, j: int, w: np.ndarray, V: Any, env: Env) -> np.ndarray:
    """k-th field and j-th V derivative of a leaf from its measure."""
    x, log_weight = definition.measure(env)
    if j:  # a variance is positive; a multiplier has no sign
        return v_derivative(lambda v: leaf_value(definition, k, j - 1, w, v, env), V, 0.2 / float(np.max(x * x)) if definition.sign < 0 else 0.0)
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


def v_derivative(f: Callable[[Any], np.ndarray], V: Any, scale: float) -> np.ndarray:
    """df/dV by a sixth-order central stencil; ``scale`` is one on which f changes at V = 0."""
    V = np.asarray(V, dtype=float)
    h = DIFFERENCE * np.maximum(np.abs(V), scale)
    return sum(c * (f(V + m * h) - f(V - m * h)) for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))) / h


def units_value(definition: LeafDefinition, k: tuple[int, ...], j: int, w: list[Any], V: Any, env: Env) -> np.ndarray:
    """The same for a leaf of several fields, whose likelihood depends on how many of them are positive.

    Derivatives of log Z are joint cumulants of derivatives of Z, and Z is a sum over counts of products of half-line integrals.
    """
    if j:
        return v_derivative(lambda v: units_value(definition, k, j - 1, w, v, env), V, 0.0)
    steps = [a for a, order in enumerate(k) for _ in range(order)]
    halves = {(a, n): _halves(definition, w[a], V, n, env) for a in range(len(w)) for n in range(k[a] + 1)}

    def moment(part: tuple[int, ...]) -> np.ndarray:
        counts: list[Any] = [1.0]
        for a in range(len(w)):
            below, above = halves[a, sum(steps[i] == a for i in part)]
            counts = [x * below + y * above for x, y in zip([*counts, 0.0], [0.0, *counts])]
        return np.asarray(sum(c for c, ok in zip(counts, definition.accepted) if ok))

    Z = moment(())
    if not steps:
        return np.log(Z)
    total = np.zeros(np.shape(Z))
    for blocks in sp.utilities.iterables.multiset_partitions(list(range(len(steps)))):
        sign = (-1) ** (len(blocks) - 1) * math.factorial(len(blocks) - 1)
        total = total + sign * math.prod(moment(tuple(b)) / Z for b in blocks)
    return total


def _halves(definition: LeafDefinition, w: Any, V: Any, n: int, env: Env) -> tuple[np.ndarray, np.ndarray]:
    """n-th derivative by its mean w of the weight of one field of variance V below and above zero."""
    x, log_weight = definition.measure(env)
    if np.ndim(V) == 0 and np.size(w) > 1:  # a grid repeats the nodes of its axis
        nodes, where = np.unique(w, return_inverse=True)
        if nodes.size < np.size(w):
            below, above = _halves(definition, nodes, V, n, env)
            return below[where].reshape(np.shape(w)), above[where].reshape(np.shape(w))
    w, V = np.broadcast_arrays(np.asarray(w, dtype=float), np.asarray(V, dtype=float))
    y = (x - w[..., None]) / np.sqrt(V[..., None])
    hermite = np.polynomial.hermite_e.hermeval(y, [0.0] * n + [1.0])
    p = np.exp(log_weight - y * y / 2) * hermite / np.sqrt(2 * np.pi * V[..., None] ** (n + 1))
    return p[..., x < 0].sum(axis=-1), p[..., x >= 0].sum(axis=-1)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.exp: np.exp,
    sp.log: np.log,
    sp.cosh: np.cosh,
    sp.sinh: np.sinh,
    sp.tanh: np.tanh,
    sp.sech: lambda x: 1 / np.cosh(x),
    sp.Abs: np.abs,
    sp.sign: np.sign,
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

    def definition(self) -> str | None:
        """LaTeX of what it stands for, None where its own print says so."""
        from .functional import latex

        return f"{latex(self.args[0])} = {latex(self.args[1])}"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name = printer._print(self.args[0])
        return f"{name}^{{{exp}}}" if exp else name

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(self.args[0]))


class Symmetric(Named):
    """A function of all fields of a level that singles out only those at ``places``: it is symmetric in the others."""

    def __new__(cls, symbol: Any, expr: sp.Expr, places: Any = ()) -> Symmetric:
        return sp.Expr.__new__(cls, symbol, expr, sp.Tuple(*places))

    places = property(lambda self: tuple(map(int, self.args[2])))


def singled_out(obs: sp.Expr, level: Level) -> tuple[int, ...]:
    """Places of the fields in which an observable is not symmetric: an average needs every node of them."""
    found: set[int] = set()

    def note(e: sp.Expr) -> None:
        if isinstance(e, Leaf) and e.w == level.w:
            found.update(e.places)
        elif isinstance(e, Symmetric):
            found.update(e.places)
        elif e in level.w or e in level.z:
            found.add(list(level.w if e in level.w else level.z).index(e))
        else:
            for part in e.args:
                note(part)

    note(obs)
    return tuple(sorted(found))


def evaluate(expr: sp.Expr, env: Env, leaves: Mapping[str, LeafDefinition]) -> Any:
    """The number (or array, for array values in ``env``) that an expression stands for."""
    if expr.is_Number or (expr.is_number and not expr.has(LogMean, Tilt, Leaf, H, G, A, Between, Covariance, NumericNode)):
        return float(expr)
    if isinstance(expr, Named):
        return evaluate(expr.args[1], env, leaves)
    if isinstance(expr, LogMean | Tilt | NumericNode):
        return _remembered(expr, env, leaves)
    if isinstance(expr, sp.Symbol):
        return env[expr.name]
    if isinstance(expr, Leaf) and len(expr.w) > 1:
        fields = [evaluate(w, env, leaves) for w in expr.w]
        orders = tuple(map(int, expr.k))
        if expr.matrix:  # such a leaf brings its own integrals
            V = [[evaluate(x, env, leaves) for x in row] for row in expr.V.tolist()]
            return leaves[expr.name].values(orders, tuple(map(int, expr.j)), fields, V, env)  # type: ignore[attr-defined]
        return units_value(leaves[expr.name], orders, int(expr.j), fields, evaluate(expr.V, env, leaves), env)
    if isinstance(expr, Leaf):
        return _one_field(expr, env, leaves)
    if isinstance(expr, sp.Sum):
        return _sum(expr, env, leaves)
    if isinstance(expr, sp.Indexed):
        return env[expr.base.name][tuple(int(evaluate(i, env, leaves)) - 1 for i in expr.indices)]
    if isinstance(expr, Covariance):
        return expr.value(evaluate(expr.args[1], env, leaves))
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


def _one_field(leaf: Leaf, env: Env, leaves: Mapping[str, LeafDefinition]) -> np.ndarray:
    """A leaf of one field; on a large grid with one V it is tabulated."""
    definition, k, j = leaves[leaf.name], int(leaf.k[0]), int(leaf.j)
    w, V = evaluate(leaf.w[0], env, leaves), evaluate(leaf.V, env, leaves)
    if np.size(w) < TABLE or np.size(V) > 1:
        return leaf_value(definition, k, j, w, V, env)
    V = float(np.ravel(V)[0])
    width = math.sqrt(V) if leaf.sign > 0 else 1.0
    return tabulated(lambda x: leaf_value(definition, k, j, x, V, env), w, width)


def tabulated(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, width: float) -> np.ndarray:
    """A function with features of a width at many points, by quintics through a table."""
    from scipy.interpolate import make_interp_spline

    low, high = float(np.min(at)), float(np.max(at))
    x = np.linspace(low, high, max(round((high - low) / (TABLE_STEP * min(width, 1.0))), 100))
    values = np.concatenate([np.atleast_1d(f(part)) for part in np.array_split(x, x.size // TABLE_PART + 1)])
    return np.asarray(make_interp_spline(x, values, k=5)(at))


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
    if len(level.z) > 1 or (len(level.w) > 1 and level.exchangeable):
        return _several(node, m, env, leaves)
    scales = [evaluate(x, env, leaves) for x in level.L]
    shifts = [np.asarray(evaluate(x, env, leaves)) for x in level.at]
    if len(level.w) == 1 and shifts[0].size >= TABLE:
        around = {k for k, v in env.items() if isinstance(v, np.ndarray) and not isinstance(v, Matrix)}
        inside = set().union(*(a.free_symbols for a in node.args[1:])) - level.bound
        if not around & {x.name for x in inside}:  # a function of its shift alone
            flat = {k: v for k, v in env.items() if k not in around}
            return tabulated(lambda x: _over_normal(node, m, scales, [x], flat, leaves), shifts[0], 1.0)
    return _over_normal(node, m, scales, shifts, env, leaves)


def _over_normal(
    node: sp.Expr, m: float, scales: list[float], shifts: list[np.ndarray], env: Env, leaves: Mapping[str, LeafDefinition]
) -> Any:
    """An average over one variable z; the fields are shift + scale z."""
    level = node.level
    if isinstance(level.measure, Finite):
        z = np.array([float(v) for v in level.measure.args[0]])
        weight = np.array([float(p) for p in level.measure.args[1]])
    elif isinstance(level.measure, Interval):
        z, weight = level.measure.nodes()
    else:
        z, weight = Z_NODES, Z_WEIGHTS
    grow = {k: (v[..., None] if isinstance(v, np.ndarray) and not isinstance(v, Matrix) else v) for k, v in env.items()}
    fields = {w.name: at[..., None] + scale * z for w, scale, at in zip(level.w, scales, shifts)}
    inner = {**grow, level.z[0].name: z, **fields}
    phi = evaluate(node.phi, inner, leaves)
    if isinstance(node, LogMean):
        return (np.log((weight * np.exp(m * phi)).sum(axis=-1)) / m) if m else (weight * phi).sum(axis=-1)
    p = weight * np.exp(m * phi) if m else weight + 0.0 * phi
    return (p * evaluate(node.obs, inner, leaves)).sum(axis=-1) / p.sum(axis=-1)


def _several(node: sp.Expr, m: float, env: Env, leaves: Mapping[str, LeafDefinition]) -> float:
    """An average over exchangeable fields: every node for those that the observable singles out, multisets for the rest."""
    from ..numerics.multisets import count, members, weights  # loads numba, which other averages do without

    level, K = node.level, len(node.level.z)
    if not level.exchangeable or not _symmetric_factor(level.L):
        raise ValueError(f"level: got {level}; takes exchangeable fields, in a factor that is symmetric under their permutations")
    at = evaluate(level.at[0], env, leaves)
    costly = any(leaf.matrix and leaf.sign > 0 for leaf in node.atoms(Leaf))
    most, sizes = (MATRIX_POINTS, MATRIX_NODES) if costly else (FIELD_POINTS, AXIS_NODES)
    singled = singled_out(node.obs, level) if isinstance(node, Tilt) and K > 1 else ()
    free = K - len(singled)
    z, weight = _trapezoid(max(n for n in sizes if n ** len(singled) * count(n, free) < most))
    index = members(z.size, free)
    axes = np.meshgrid(*([np.arange(z.size)] * len(singled)), np.arange(len(index)), indexing="ij")
    total = weights(weight, free)[axes[-1]] * math.prod(weight[a] for a in axes[:-1])
    rest = iter(range(free))
    place = {a: axes[i] for i, a in enumerate(singled)}
    columns = [z[place[a]] if a in place else z[index[axes[-1], next(rest)]] for a in range(K)]
    inner = {**env, **{level.z[a].name: columns[a].ravel() for a in range(K)}}
    for a, field in enumerate(level.w):
        row = [(evaluate(x, env, leaves), columns[b].ravel()) for b, x in enumerate(level.L[a, :]) if x != 0]
        inner[field.name] = at + sum(x * column for x, column in row)
    total = total.ravel()
    phi = evaluate(node.phi, inner, leaves)
    if isinstance(node, LogMean):
        return float(np.log(total @ np.exp(m * phi)) / m if m else total @ phi)
    p = total * np.exp(m * phi) if m else total
    return float(p @ (evaluate(node.obs, inner, leaves) + 0.0 * total) / p.sum())


def _symmetric_factor(L: sp.ImmutableMatrix) -> bool:
    """Whether permuting fields and normals together leaves L as it is; one normal common to all fields counts."""
    K = L.shape[1]
    if K == 1:
        return len(set(L)) == 1
    rest = {L[a, b] for a in range(K) for b in range(K) if a != b}
    return L.shape[0] == K and len({L[a, a] for a in range(K)}) == 1 and len(rest) == 1


def _trapezoid(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal averages by n equidistant nodes: step and range leave equal errors, exp(-2 pi^2/h^2) = exp(-reach^2/2)."""
    z = np.linspace(-1, 1, n) * min(REACH, math.sqrt(math.pi * (n - 1)))
    weight = np.exp(-(z**2) / 2)
    return z, weight / weight.sum()


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
