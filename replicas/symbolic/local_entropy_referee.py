r"""Numbers of nested towers with large powers: the referee of the local entropy, also at y = 100 and in limits y -> inf.

Every level is integrated anew on a grid of its own, at every point of the levels around it: the outer normals by panels graded
towards the point where the reference flips, the inner ones by a trapezoid rule over the range in which their tilted weight
lives, found by a search. Nothing is tabulated, so that a flip on the scale 1/y costs nothing; leaves are their closed forms.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from .leaves import LeafDefinition
from .nodes import Finite, Leaf, Level, LogMean, Tilt
from .numeric import _FUNCTIONS, REACH, Env, Named, NumericNode, gauss_panels, leaf_value
from .special import Between, G, H

TAIL = 46.0  # exponents this far below the largest do not count: e^-46 = 1e-20
SEARCH = 61  # points of a search for the range of a level
FINE, COARSE = 480, 120  # trapezoid points over that range: for one field outside, and for several
MANY = 7_000  # points of the levels around beyond which COARSE is used
PAIR = 64  # nodes of each axis of an outer level of two normals
MODERATE = 3.0  # widths of a reference's field over which it flips on the scale of a grid of PAIR nodes
DYADIC = 16  # halvings of the panels towards a flip: scales down to 1e-4
LOG_NORM = 0.5 * math.log(2 * math.pi)
LEAF_PARAMETERS = {"kappa", "kappatilde", "beta"}  # that a leaf's definition may hold
LEAF_POINTS = 4001  # of the table of a leaf without closed form

Values = Any


def number(expr: sp.Expr, env: Env, leaves: Mapping[str, LeafDefinition], pair: int = PAIR) -> float:
    """The number an expression stands for; ``pair`` nodes on each axis of an outer level of two normals."""
    return float(Referee(env, leaves, pair).value(sp.sympify(expr), {}))


_MEMORY: OrderedDict[Any, float] = OrderedDict()
MEMORY_SIZE = 8192


class Referee:
    """Values at one point of parameters; ``fields`` are arrays of one shape, those of the levels around."""

    def __init__(self, env: Env, leaves: Mapping[str, LeafDefinition], pair: int = PAIR):
        self.env, self.leaves, self.pair = env, leaves, pair
        scalars = {k: v for k, v in env.items() if not isinstance(v, np.ndarray)}
        self.key = None if len(scalars) < len(env) else tuple(sorted((k, float(v)) for k, v in scalars.items()))

    def value(self, expr: sp.Expr, fields: dict[str, np.ndarray]) -> Values:
        if expr.is_number and not expr.has(LogMean, Tilt, Leaf, H, G, Between, NumericNode, *EXTRA):
            return float(expr)
        if isinstance(expr, sp.Symbol):
            return fields[expr.name] if expr.name in fields else self.env[expr.name]
        if isinstance(expr, Named):
            return self.value(expr.args[1], fields)
        if isinstance(expr, NumericNode):
            return expr.numeric({**self.env, **fields}, self.leaves)
        if isinstance(expr, LogMean | Tilt):
            return self._remembered(expr, fields, lambda: self._average(expr, fields))
        for kind, evaluate in EXTRA.items():
            if isinstance(expr, kind):
                return self._remembered(expr, fields, partial(evaluate, self, expr, fields))
        if isinstance(expr, Leaf):
            return self._leaf(expr, fields)
        if isinstance(expr, sp.log) and isinstance(expr.args[0], H | Between):
            return log_mass(expr.args[0], [self.value(x, fields) for x in expr.args[0].args])
        if isinstance(expr, sp.log) and isinstance(expr.args[0], sp.Mul):  # log 2cosh
            return sum(self.value(sp.log(x), fields) for x in expr.args[0].args)
        if isinstance(expr, sp.log) and isinstance(expr.args[0], sp.cosh):
            x = np.abs(self.value(expr.args[0].args[0], fields))
            return x + np.log1p(np.exp(-2 * x)) - math.log(2)
        args = [self.value(a, fields) for a in expr.args]
        if isinstance(expr, Between):
            return np.exp(log_mass(expr, args))
        if isinstance(expr, sp.Add):
            return sum(args)
        if isinstance(expr, sp.Mul):
            return math.prod(args)
        if isinstance(expr, sp.Pow):
            return args[0] ** args[1]
        return _FUNCTIONS[expr.func](*args)

    def _remembered(self, node: sp.Expr, fields: dict[str, np.ndarray], compute: Callable[[], Values]) -> Values:
        if fields or self.key is None:
            return compute()
        needed = {x.name for x in node.free_symbols} | LEAF_PARAMETERS
        key = (node, self.pair, tuple(x for x in self.key if x[0] in needed), tuple(self.leaves.values()))
        if key not in _MEMORY:
            _MEMORY[key] = float(compute())
            if len(_MEMORY) > MEMORY_SIZE:
                _MEMORY.popitem(last=False)
        return _MEMORY[key]

    def _leaf(self, leaf: Leaf, fields: dict[str, np.ndarray]) -> Values:
        definition = self.leaves[leaf.name]
        if definition.closed is not None:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                out = np.asarray(self.value(definition.derivative(leaf), fields))
            if np.isfinite(out).all():
                return out
        w, V = self.value(leaf.w[0], fields), float(self.value(leaf.V, fields))
        k, j = int(leaf.k[0]), int(leaf.j)
        if definition.closed is not None:  # a ratio of tails that have underflown
            lost = ~np.isfinite(out)
            out = np.array(out)
            out[lost] = leaf_value(definition, k, j, np.broadcast_to(w, out.shape)[lost], V, self.env)
            return out
        if np.size(w) < LEAF_POINTS:
            return leaf_value(definition, k, j, w, V, self.env)
        from .towers import spline

        x = np.linspace(np.min(w) - 1e-9, np.max(w) + 1e-9, LEAF_POINTS)
        return spline(x, leaf_value(definition, k, j, x, V, self.env))(w)

    # --- levels --------------------------------------------------------------------------------------------------------

    def inside(self, level: Level, fields: dict[str, np.ndarray], z: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
        """Fields with a new last axis, on which the normals and bound fields of the level live."""
        out = {k: v[..., None] for k, v in fields.items()}
        out |= {x.name: np.asarray(v) for x, v in zip(level.z, z)}
        for a, w in enumerate(level.w):
            at = np.asarray(self.value(level.at[a], fields), dtype=float)[..., None]
            out[w.name] = at + sum(float(self.value(x, {})) * v for x, v in zip(level.L[a, :], z) if x != 0)
        return out

    def _average(self, node: sp.Expr, fields: dict[str, np.ndarray]) -> Values:
        level = node.level
        m = float(self.value(level.power, {}))
        if isinstance(level.measure, Finite):
            z: tuple[np.ndarray, ...] = (np.array([float(v) for v in level.measure.args[0]]),)
            log_weight: Values = np.log([float(v) for v in level.measure.args[1]])
        elif fields:
            z, log_weight = self.adapted(level, fields, lambda at: m * self.value(node.phi, at) if m else 0.0)
        else:
            z, log_weight = self.outer(level, any(x.measure.has(Finite) and x.power != sp.oo for x in node.atoms(Level)))
        inner = self.inside(level, fields, z)
        exponent = log_weight + (m * np.asarray(self.value(node.phi, inner)) if m else 0.0)
        top = np.max(exponent, axis=-1, keepdims=True)
        mass = np.exp(exponent - top)
        if isinstance(node, LogMean):
            if m:
                return (top[..., 0] + np.log(mass.sum(axis=-1))) / m
            return (np.exp(log_weight) * self.value(node.phi, inner)).sum(axis=-1)
        obs = np.asarray(self.value(node.obs, inner))
        return np.where(mass > 0, mass * obs, 0.0).sum(axis=-1) / mass.sum(axis=-1)

    def outer(self, level: Level, flips: bool) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Nodes of the normals of the outermost level, and the logarithms of their weights.

        A field of the solutions that makes a reference flip is graded, also beside a second one of moderate width; flips over
        a wide second field cut a uniform grid at all phases, which averages their error.
        """
        first = float(self.value(level.L[0, 0], {}))
        zero = -float(self.value(level.at[0], {})) / first if first > 0 else 0.0
        if len(level.z) == 1:
            z, weight = gauss_panels(graded(zero, 24, DYADIC), 16)
            return (z,), np.log(weight) - z**2 / 2 - LOG_NORM
        z = np.linspace(-REACH, REACH, self.pair)
        log_weight = math.log(z[1] - z[0]) - z**2 / 2 - LOG_NORM
        axes, logs = [z, z], [log_weight, log_weight]
        if flips and float(self.value(level.L[1, 1], {})) < MODERATE:
            z, weight = gauss_panels(graded(zero, 14, 8), 8)
            axes[0], logs[0] = z, np.log(weight) - z**2 / 2 - LOG_NORM
        both = sum(np.meshgrid(*logs, indexing="ij"))
        return tuple(x.ravel() for x in np.meshgrid(*axes, indexing="ij")), np.ravel(both)

    def adapted(
        self, level: Level, fields: dict[str, np.ndarray], exponent: Callable[[dict[str, np.ndarray]], Values]
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Nodes of one normal inside others, over the range where exp(exponent - z^2/2) lives at each point around."""
        shape = np.broadcast(*fields.values()).shape
        low, high = np.full(shape, -1.5 * REACH), np.full(shape, 1.5 * REACH)
        unit = np.linspace(0.0, 1.0, SEARCH)

        def density(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            z = low[..., None] + (high - low)[..., None] * unit
            return z, exponent(self.inside(level, fields, (z,))) - z * z / 2

        for _ in range(40):  # widen until nothing counts at the ends
            z, E = density(low, high)
            top = E.max(axis=-1)
            left, right = E[..., 0] > top - TAIL, E[..., -1] > top - TAIL
            if not (left.any() or right.any()):
                break
            wide = high - low
            low, high = np.where(left, low - wide, low), np.where(right, high + wide, high)
        counts = E > top[..., None] - TAIL
        first = np.maximum(counts.argmax(axis=-1) - 1, 0)
        last = np.minimum(SEARCH - counts[..., ::-1].argmax(axis=-1), SEARCH - 1)
        low, high = (np.take_along_axis(z, i[..., None], -1)[..., 0] for i in (first, last))
        nodes = COARSE if low.size > MANY else FINE
        z = low[..., None] + (high - low)[..., None] * np.linspace(0.0, 1.0, nodes)
        step = (high - low)[..., None] / (nodes - 1)
        return (z,), np.log(step) - z * z / 2 - LOG_NORM


def graded(flip: float, panels: int, halvings: int) -> np.ndarray:
    """Panel edges over the standard normal's range, halved repeatedly towards ``flip``."""
    edges = np.linspace(-REACH, REACH, panels + 1)
    near = 18 / panels * 0.5 ** np.arange(halvings)
    extra = np.concatenate([[flip], flip - near, flip + near])
    return np.unique(np.concatenate([edges, extra[np.abs(extra) < REACH]]))


def log_mass(function: sp.Expr, x: list[Values]) -> Values:
    """log H(x) and log(H(a) - H(b)) far out in their tails."""
    from scipy.special import log_ndtr

    if isinstance(function, H):
        return log_ndtr(-np.asarray(x[0]))
    a, b = np.broadcast_arrays(*map(np.asarray, x))
    swap = a + b < 0
    a, b = np.where(swap, -b, a), np.where(swap, -a, b)
    near, far = log_ndtr(-a), log_ndtr(-b)
    return near + np.log1p(-np.exp(far - near))


EXTRA: dict[type, Callable[[Referee, Any, dict[str, np.ndarray]], Values]] = {}  # nodes of limits register here

__all__ = ["EXTRA", "Referee", "number"]
