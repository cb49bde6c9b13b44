r"""The two leaves of a fully connected committee: functions of the fields of all K units and of a K x K matrix.

- g(h, Lambda) = log int dP(w_1) ... dP(w_K) exp(h.w - w.Lambda w/2)
- f^y(omega, V) = log P[B(omega + V^{1/2} z) = y] for every label y

The referee's numbers of f come from a common field: V = diag(d) + v v^T makes the units independent given v x, and Z is an
average over the one normal x. Three negative correlations need an imaginary v: Z is analytic in them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from sympy.utilities.iterables import multiset_partitions

from ..committees import Committee
from ..models import Discrete, Spherical
from . import symbols as S
from .leaves import LeafDefinition, _flat_measure, _unit_measure, exact
from .nodes import Leaf, pairs

STEP = 0.45  # of trapezoid sums over a common field, whose error is exp(-2 pi^2/step^2) = 1e-42 for an entire function of width one
REACH = 9.0  # of the common field: mass 2e-19 beyond
GROWTH = 0.95  # of three negatively correlated fields, relative to a singular matrix: beyond it sums cancel and overflow
CHUNK = 4096  # points at once: each has a row of values of the common field
FLOOR = 1e-200  # below every probability on the grids
ROUNDED = 1e-18  # below the rounding of a sum with an imaginary factor, which can leave a tiny negative probability


def eigenvalues(K: int, diagonal: Any, off: Any) -> tuple[sp.Expr, sp.Expr]:
    """Of the sum of the units (once) and of their differences (K - 1 times)."""
    return diagonal + (K - 1) * off, diagonal - off


@dataclass(frozen=True)
class MatrixLeaf(LeafDefinition):
    """A leaf of all units' fields whose second argument is a K x K matrix."""

    units: int = 1

    @property
    def fields(self) -> tuple[sp.Symbol, ...]:
        return S.fields(self.units) if self.sign > 0 else S.weight_fields(self.units)

    @property
    def generic(self) -> sp.ImmutableMatrix:
        """The symmetric matrix of all its entries V_jk."""
        name = "V" if self.sign > 0 else "Lambda"
        return sp.ImmutableMatrix(
            self.units,
            self.units,
            lambda a, b: sp.Symbol(f"{name}{min(a, b) + 1}{max(a, b) + 1}", real=True),
        )

    def derivative(self, leaf: Leaf) -> sp.Expr:
        """Closed form of one of its field derivatives at a permutation-symmetric matrix."""
        if self.closed is None or leaf.varied:
            raise ValueError(f"{leaf} has no closed form")
        expr = self.closed
        for x, order in zip(self.fields, leaf.k):
            for _ in range(int(order)):
                expr = expr.diff(x)
        return expr.subs({**dict(zip(self.fields, leaf.w)), S.lam: leaf.V[0, 0], S.lam_c: leaf.V[0, 1]}, simultaneous=True)

    def values(self, k: Sequence[int], j: Sequence[int], w: Sequence[Any], V: list[list[Any]], env: Any) -> np.ndarray:
        """The referee's numbers: orders k in the fields, j in the entries of V (by differences)."""
        if any(j):
            return self._varied(k, j, w, V, env)
        if self.sign > 0:
            return _pattern_values(self.accepted, k, w, V)
        if self.name == "g" and self.measure is _flat_measure:
            return _sphere_values(k, w, V)
        return _weight_values(*self.measure(env), k, w, V)

    def _varied(self, k: Sequence[int], j: Sequence[int], w: Sequence[Any], V: list[list[Any]], env: Any) -> np.ndarray:
        from .numeric import v_derivative

        place = next(i for i, order in enumerate(j) if order)
        a, b = pairs(self.units)[place]
        lower = [order - (i == place) for i, order in enumerate(j)]

        def at(x: Any) -> np.ndarray:
            moved = [[x if {c, d} == {a, b} else y for d, y in enumerate(row)] for c, row in enumerate(V)]
            return self.values(k, lower, w, moved, env)

        return v_derivative(at, V[a][b], 0.2 * float(np.mean([np.mean(row[c]) for c, row in enumerate(V)])))


def accepted(K: int, label: int) -> tuple[bool, ...]:
    """Whether the output is the label, by the number 0, ..., K of positive units."""
    return tuple((2 * c > K) - (2 * c < K) == label for c in range(K + 1))


def labels(K: int) -> tuple[int, ...]:
    return (1, -1) if K % 2 else (1, -1, 0)


def listed(K: int) -> str:
    """The labels as LaTeX."""
    return ",".join("0" if y == 0 else f"{y:+d}" for y in labels(K))


def distinct(K: int) -> tuple[tuple[str, int, sp.Expr], ...]:
    """(leaf, multiplicity, probability of the label without patterns): -1 has the averages of +1."""
    names = (("f^+", 1, 2),) if K % 2 else (("f^+", 1, 2), ("f^0", 0, 1))
    return tuple(
        (name, many, sp.Rational(sum(math.comb(K, c) for c, ok in enumerate(accepted(K, y)) if ok), 2**K))
        for name, y, many in names
    )


NAMES = {1: "f^+", -1: "f^-", 0: "f^0"}


def leaves_of(model: Committee) -> dict[str, LeafDefinition]:
    """g of the weights that one input has in the K units, f of every label."""
    K = model.K
    found: dict[str, LeafDefinition] = {"g": _weight_leaf(model)}
    for y in labels(K):
        name = NAMES[y]
        text = rf"\log\int\!\prod_jDz_j\,\mathbb{{1}}\big[B(\vec\omega+V^{{1/2}}\vec z)={'0' if y == 0 else f'{y:+d}'}\big]"
        found[name] = MatrixLeaf(
            name, 1, S.fields(K)[0], S.V, None, text, _unit_measure(model), accepted(K, y), units=K
        )
    return found


def _weight_leaf(model: Committee) -> MatrixLeaf:
    K, fields = model.K, S.weight_fields(model.K)
    tilt = r"e^{\vec h\cdot\vec w-\frac12\vec w\cdot\Lambda\vec w}"
    if isinstance(model.weights, Spherical):
        plus, minus = eigenvalues(K, S.lam, S.lam_c)
        total = sp.Add(*fields) ** 2 / K
        square = total / plus + (sp.Add(*(x**2 for x in fields)) - total) / minus
        closed = square / 2 - (sp.log(plus) + (K - 1) * sp.log(minus)) / 2 - sp.Rational(K, 2)
        text = rf"\log\int\prod_{{j=1}}^{{{K}}}\frac{{dw_j}}{{\sqrt{{2\pi e}}}}\,{tilt}"
        return MatrixLeaf("g", -1, fields[0], S.lam, closed, text, _flat_measure, units=K)
    weights = model.weights
    nodes, logs = np.array(weights.values), np.array(weights.log_measure)
    units = "w_1,w_2" if K == 2 else rf"w_1,\dots,w_{K}"
    text = rf"\log\sum_{{{units}}}{tilt}"
    closed = sp.log(_weight_sum(weights, K))
    return MatrixLeaf("g", -1, fields[0], S.lam, closed, text, lambda env, most=0: (nodes, logs), units=K)


def _weight_sum(weights: Discrete, K: int) -> sp.Expr:
    """sum over w of exp(h.w - w.Lambda w/2); w and -w, with equal squares, make a cosh."""
    fields = S.weight_fields(K)
    groups: dict[sp.Expr, sp.Expr] = {}
    for w in itertools.product([exact(v) for v in weights.values], repeat=K):
        first = next((x for x in w if x), sp.S.Zero)
        if first < 0:
            continue
        square = -S.lam * sum(x * x for x in w) / 2 - S.lam_c * (sum(w) ** 2 - sum(x * x for x in w)) / 2
        h = sp.Add(*(x * y for x, y in zip(w, fields)))
        groups[square] = groups.get(square, 0) + (2 * sp.cosh(h) if first else 1)
    return sp.Add(*(sp.exp(square) * term for square, term in groups.items()))


def common_factor(V: list[list[Any]]) -> tuple[list[Any], list[Any]]:
    """v, d with V = diag(d) + v v^T: given v x the fields are independent. Three negative correlations need an imaginary v."""
    K = len(V)
    off = [V[a][b] for a, b in pairs(K) if a != b]

    def root(x: Any) -> Any:
        x = np.asarray(x, dtype=complex)
        return np.sqrt(x.real) if np.all(x.real >= 0) else np.sqrt(x)

    if K == 2:
        size = np.sqrt(np.abs(off[0]))
        v = [size, np.where(np.asarray(off[0]) < 0, -size, size)[()]]
    elif all(np.all(x == off[0]) for x in off):
        v = [root(off[0])] * K
    else:
        v = [root(V[a][b] * V[a][c] / np.asarray(V[b][c])) for a, b, c in ((0, 1, 2), (1, 0, 2), (2, 0, 1))]
    return v, [np.real(V[a][a] - v[a] ** 2) for a in range(K)]


def _common_nodes(v: list[Any], d: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Trapezoid rule for E_x of a product of tails, which grow as exp(|v x|^2/(2 d)) where v is imaginary."""
    imaginary = any(np.iscomplexobj(x) for x in v)
    growth = max(float(np.max(sum(np.abs(x) ** 2 / y for x, y in zip(v, d)))), 0.0) if imaginary else 0.0
    if growth >= 1 or any(np.any(np.asarray(y) <= 0) for y in d):
        raise ValueError("V: got a matrix that is not positive definite; takes overlaps q with Q 1 - q positive definite")
    if growth > GROWTH:
        raise ValueError(
            f"V: got fields correlated to {growth:.3f} of the largest possible; the referee's sums take up to {GROWTH} for K = 3"
        )
    reach = REACH / math.sqrt(1 - growth)
    x = np.arange(-math.ceil(reach / STEP), math.ceil(reach / STEP) + 1) * STEP
    weight = STEP * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    if imaginary:  # x and -x are complex conjugates
        keep = x > -STEP / 2
        x, weight = x[keep], weight[keep] * np.where(x[keep] > STEP / 2, 2.0, 1.0)
    return x, weight


def _tails(w: Any, v: Any, d: Any, x: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n-th derivative by w of the probabilities that a field of mean w + v x and variance d is negative and positive."""
    from scipy.special import erfc

    y = (np.asarray(w)[..., None] + np.asarray(v)[..., None] * x) / np.sqrt(np.asarray(d)[..., None])
    if n == 0:
        up = 0.5 * erfc(-y / math.sqrt(2))
        # complex tails are slow, and their sums have rounding errors of order one part in 1e16 anyway
        return (1 - up if np.iscomplexobj(y) else 0.5 * erfc(y / math.sqrt(2))), up
    hermite = np.polynomial.hermite_e.hermeval(y, [0.0] * (n - 1) + [1.0])
    up = (-1) ** (n - 1) * hermite * np.exp(-(y**2) / 2) / math.sqrt(2 * math.pi)
    up = up / np.asarray(d)[..., None] ** (n / 2)
    return -up, up


def _pattern_values(ok: tuple[bool, ...], k: Sequence[int], w: Sequence[Any], V: list[list[Any]]) -> np.ndarray:
    """log P(label) and derivatives: joint cumulants of derivatives of P, a mean over the common field of sums over counts."""
    v, d = common_factor(V)
    x, weight = _common_nodes(v, d)
    arrays = np.broadcast_arrays(*(np.asarray(y, dtype=float) for y in w))
    shared = all(np.ndim(y) == 0 for y in (*v, *d))
    steps = [a for a, order in enumerate(k) for _ in range(order)]
    parts = {tuple(p) for blocks in multiset_partitions(list(range(len(steps)))) for p in blocks} if steps else set()
    orders = {part: tuple(sum(steps[i] == a for i in part) for a in range(len(w))) for part in parts}
    needed = {(0,) * len(w), *orders.values()}
    flat = [y.ravel() for y in arrays]
    moments = {order: np.empty(flat[0].size) for order in needed}
    # a grid repeats its nodes: tails once for each value
    tables: dict[tuple[int, int], Any] = {}
    where = []
    for a in range(len(w)):
        nodes, inverse = np.unique(np.round(flat[a], 12), return_inverse=True) if shared else (flat[a], np.arange(flat[a].size))
        where.append(inverse)
        for n in {order[a] for order in needed}:
            tables[a, n] = _tails(nodes, v[a], d[a], x, n)
    for start in range(0, flat[0].size, CHUNK):
        rows = slice(start, start + CHUNK)
        for order in needed:
            counts: list[Any] = [1.0]
            for a, n in enumerate(order):
                below, above = (table[where[a][rows]] for table in tables[a, n])
                counts = [p * below + q * above for p, q in zip([*counts, 0.0], [0.0, *counts])]
            moments[order][rows] = np.real(sum(c for c, good in zip(counts, ok) if good) @ weight)
    Z = np.maximum(moments[(0,) * len(w)], ROUNDED if any(np.iscomplexobj(y) for y in v) else FLOOR)
    if not steps:
        return np.log(Z).reshape(arrays[0].shape)
    return cumulant(steps, lambda part: moments[orders[part]] / Z).reshape(arrays[0].shape)


def cumulant(steps: Sequence[int], moment: Any) -> np.ndarray:
    """The derivative of a logarithm from those of its argument over the argument, by partitions of the derivatives."""
    total = 0.0
    for blocks in multiset_partitions(list(range(len(steps)))):
        sign = (-1) ** (len(blocks) - 1) * math.factorial(len(blocks) - 1)
        total = total + sign * math.prod(moment(tuple(b)) for b in blocks)
    return np.asarray(total)


def _weight_values(
    nodes: np.ndarray, logs: np.ndarray, k: Sequence[int], w: Sequence[Any], V: list[list[Any]]
) -> np.ndarray:
    """log sum over the weights of all units and its derivatives, joint cumulants of the weights."""
    K = len(w)
    choices = np.array(list(itertools.product(range(len(nodes)), repeat=K)))
    weights = nodes[choices]
    exponent = logs[choices].sum(axis=1) + sum(np.asarray(w[a])[..., None] * weights[:, a] for a in range(K))
    for a, b in itertools.product(range(K), repeat=2):
        exponent = exponent - np.asarray(V[a][b])[..., None] * weights[:, a] * weights[:, b] / 2
    top = exponent.max(axis=-1, keepdims=True)
    p = np.exp(exponent - top)
    mass = p.sum(axis=-1)
    steps = [a for a, order in enumerate(k) for _ in range(order)]
    if not steps:
        return np.asarray(top[..., 0] + np.log(mass))
    return cumulant(steps, lambda part: p @ weights[:, [steps[i] for i in part]].prod(axis=1) / mass)


def _sphere_values(k: Sequence[int], w: Sequence[Any], V: list[list[Any]]) -> np.ndarray:
    """The Gaussian integral over the weights of all units, by linear algebra."""
    K = len(w)
    shape = np.broadcast_shapes(*(np.shape(x) for x in (*w, *itertools.chain(*V))))
    M = np.moveaxis(np.array([[np.broadcast_to(x, shape) for x in row] for row in V]), (0, 1), (-2, -1))
    h = np.moveaxis(np.array([np.broadcast_to(x, shape) for x in w]), 0, -1)
    inverse = np.linalg.inv(M)
    steps = [a for a, order in enumerate(k) for _ in range(order)]
    mean = np.einsum("...ab,...b->...a", inverse, h)
    if len(steps) == 0:
        return np.asarray(0.5 * (h * mean).sum(axis=-1) - 0.5 * np.linalg.slogdet(M)[1] - 0.5 * K)
    if len(steps) == 1:
        return np.asarray(mean[..., steps[0]])
    return np.asarray(inverse[..., steps[0], steps[1]] if len(steps) == 2 else np.zeros(shape))
