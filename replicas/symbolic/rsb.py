r"""k-step replica-symmetry-breaking functionals: the towers of the RS one with k more levels.

.. math:: \phi = \mathrm{extr}\{ \tfrac{\lambda Q}{2} - \tfrac{\hat q_k (Q - q_k)}{2}
    - \tfrac12 \sum_{j=1}^k m_j(\hat q_j q_j - \hat q_{j-1} q_{j-1}) + \mathcal W + \alpha \mathcal P \}

P nests LogMean(m_j, q_j - q_{j-1}) around the leaf f(., Q - q_k), W the same with increments of the conjugates around g;
the outermost average has power 0 (n -> 0). On the sphere W is a Gaussian integral and the conjugates solve in closed form.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp

from ..models import Discrete, Model, Spherical
from . import symbols as S
from .functional import Functional, split
from .hierarchy import Hierarchical, steps, tower
from .leaves import log_likelihood_leaf, pattern_leaf, weight_leaf
from .nodes import Leaf, Level, LogMean, Tilt, linear, saddle_form
from .numeric import Named
from .rs import self_overlap
from .wide import covariance


def overlaps(k: int) -> tuple[sp.Symbol, ...]:
    """q_0 < q_1 < ... < q_k."""
    return tuple(sp.Symbol(f"q{j}", positive=True) for j in range(k + 1))


def conjugates(k: int) -> tuple[sp.Symbol, ...]:
    """Conjugates of the overlaps."""
    return tuple(sp.Symbol(f"qhat{j}", positive=True) for j in range(k + 1))


def parisi(k: int) -> tuple[sp.Symbol, ...]:
    """Parisi parameters m_1 < ... < m_k."""
    return tuple(sp.Symbol(f"m{j}", positive=True) for j in range(1, k + 1))


def fields(letter: sp.Symbol, k: int) -> tuple[sp.Symbol, ...]:
    """omega_0, ..., omega_k, or the same of another field or normal."""
    return tuple(sp.Symbol(f"{letter}{j}", real=True) for j in range(k + 1))


@dataclass(frozen=True)
class Broken(Functional):
    """A k-step functional: gradients of the sphere are taken before its conjugates are inserted.

    explicit : the algebra with conjugates, whose derivative by an overlap is that of the reduced functional too, because
    the conjugates are stationary; it is linear in them and free of the cancellations of the reduced form.
    """

    explicit: sp.Expr = sp.S.Zero

    def __call__(self, **values: Any) -> float:
        """phi at any point, also off the saddle: q0..qk, q_hat0.., m1..mk (``m`` for one step), alpha, kappa, ...

        Raises ValueError for a missing name, overlaps that do not increase up to Q, Parisi parameters not increasing in (0, 1].
        """
        from .numeric import evaluate

        given = {k.replace("q_hat", "qhat").replace("lam", "lambda"): float(v) for k, v in values.items()}
        m = [s.name for s in self.unknowns if s.name[0] == "m"]
        if m == ["m1"] and "m" in given:
            given["m1"] = given.pop("m")
        needed = [s.name for s in (*self.unknowns, *self.parameters)]
        missing = [name for name in needed if name not in given]
        if missing:
            raise ValueError(f"{', '.join(missing)}: missing; the functional takes {', '.join(needed)}")
        top = given.get("Q", float(self.norm) if self.norm.is_number else math.inf)
        q = [s.name for s in self.unknowns if s.name[0] == "q" and s.name[1].isdigit()]
        for names, low, high, takes in ((q, 0.0, top, "0 <= q0 < q1 < ... < Q"), (m, 0.0, 1.0, "0 < m1 < ... <= 1")):
            chain = [given[name] for name in names]
            rising = all(a < b for a, b in itertools.pairwise(chain))
            inside = chain[0] >= low and chain[-1] <= high and (chain[-1] < high or names is m)
            if not (rising and inside and (chain[0] > 0 or names is q)):
                got = ", ".join(f"{given[name]:g}" for name in names)
                raise ValueError(f"{', '.join(names)}: got {got}; takes {takes}")
        with np.errstate(divide="ignore"):  # log H underflows where e^{m log H} has no weight
            return float(evaluate(self.closed_form(), given, self.leaves))

    def derivative(self, expr: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """d expr/dx in field derivatives only; the algebra of the sphere keeps its sums of products."""
        algebra, towers = split(expr)
        sphere = conjugates(0)[0] in self.eliminated
        if not sphere:
            slope = sp.factor(algebra.diff(x))
        elif expr is self.expr and x.name.startswith("q"):
            slope = sp.factor(self.explicit.diff(x)).subs(self.eliminated)
        else:
            slope = algebra.diff(x)
        return slope + saddle_form(towers.diff(x))


class LevelName(Named):
    """f_j or one of its field derivatives, printed by its name; braces keep a power apart from the primes."""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name = printer._print(self.args[0])
        return f"{{{name}}}^{{{exp}}}" if exp else f"{{{name}}}" if "'" in name else name


@dataclass(frozen=True)
class Ladder:
    """The functions f_1, ..., f_k, f_{k+1} (the leaf) of a tower, each the power mean of the next, with their derivatives.

    Levels are counted from 0, the plain mean outside; ``functions[j]`` is f_{j+1}, which level j averages.
    named : functions and derivatives are printed as f_1, f'_1, f''_1, ...
    """

    tower: sp.Expr
    named: bool = False

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        return tuple(x.level for x in self._nodes)

    @cached_property
    def _nodes(self) -> tuple[sp.Expr, ...]:
        out, node = [], self.tower
        while isinstance(node, LogMean):
            out.append(node)
            node = node.phi
        return tuple(out)

    @cached_property
    def leaf(self) -> Leaf:
        return self._nodes[-1].phi

    @cached_property
    def functions(self) -> tuple[sp.Expr, ...]:
        out = [self.leaf]
        for j in reversed(range(1, len(self.levels))):
            out.insert(0, self._name("", j, LogMean(self.levels[j], out[0])))
        return tuple(out)

    @property
    def first(self) -> tuple[sp.Expr, ...]:
        """f_j' = <f_{j+1}'>: derivatives in the field around each level."""
        return self._derivatives[0]

    @property
    def second(self) -> tuple[sp.Expr, ...]:
        """f_j'' = <f_{j+1}'' + m_j f_{j+1}'^2> - m_j f_j'^2."""
        return self._derivatives[1]

    @cached_property
    def _derivatives(self) -> tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...]]:
        first, second = [self.leaf.raised(0)], [self.leaf.raised(0).raised(0)]
        for j in reversed(range(1, len(self.levels))):
            slope, curvature = one_level(self.levels[j], self.functions[j], first[0], second[0])
            name = self._name("'", j, slope)
            first.insert(0, name)
            second.insert(0, self._name("''", j, curvature.xreplace({slope: name})))
        return tuple(first), tuple(second)

    def _name(self, primes: str, j: int, expr: sp.Expr) -> sp.Expr:
        return LevelName(sp.Symbol(f"{self.leaf.name}{primes}_{j}", real=True), expr) if self.named else expr

    def mean(self, j: int, obs: sp.Expr) -> sp.Expr:
        """E_j: a function of the field of level j averaged over that level and all around it, each with its tilt."""
        for level, phi in zip(reversed(self.levels[: j + 1]), reversed(self.functions[: j + 1])):
            obs = Tilt(level, phi, obs)
        return obs

    def name(self, expr: sp.Expr) -> sp.Expr:
        """The expression with every function and tilted mean that is a level's derivative under its name."""
        plain, names = Ladder(self.tower), Ladder(self.tower, True)
        for kind in ("functions", "first", "second"):
            for inner, name in zip(reversed(getattr(plain, kind)[:-1]), reversed(getattr(names, kind)[:-1])):
                # what is inside has its name already, so that the outer one is met in that form
                expr = expr.xreplace({inner: name, name.args[1]: name})
        return expr


def one_level(level: Level, phi: sp.Expr, d1: sp.Expr, d2: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """First and second derivative of LogMean(level, phi) in the field around it, from those of phi."""
    F = Leaf("F", 1, 0, 0, level.w, 0)  # a function of which nothing is known
    slope = LogMean(level, F).diff(level.at[0])
    curvature = linear(slope.diff(level.at[0]))
    known = {F: phi, F.raised(0): d1, F.raised(0).raised(0): d2}
    return slope.xreplace(known), curvature.xreplace(known)


def functional(model: Model, k: int = 1) -> Functional:
    """The k-step functional of a storage model; conjugates that drop out or solve in closed form are gone.

    Its observables are "replicon0" (between states), ..., "replicon<k>" (inside the innermost states), all positive when
    the solution is stable, "loglik" and, for k = 1, "complexity" (the logarithm of the number of states per weight).
    """
    if model.teacher:
        raise ValueError(
            "ansatz: got replica symmetry breaking with a Bayes-optimal teacher, where it can not occur; takes rs"
        )
    leaves = {"g": weight_leaf(model), "f": pattern_leaf(model), "l": log_likelihood_leaf(model)}
    Q = self_overlap(model)
    q, c, m = overlaps(k), conjugates(k), parisi(k)
    powers = (sp.S.Zero, *m)
    seen = [covariance(model, x) for x in q]  # by the fields of a pattern
    widths, V = [sp.sqrt(x) for x in steps(seen)], covariance(model, Q) - seen[k]
    patterns = tower(powers, widths, leaves["f"].node(V), fields(S.t, k), fields(S.omega, k))
    fixed = isinstance(model.weights, Discrete) and model.weights.fixed_norm is not None
    eliminated: dict[sp.Symbol, sp.Expr] = {}
    lam = sp.S.Zero if fixed else S.lam
    explicit = (
        lam * Q / 2
        - c[k] * (Q - q[k]) / 2
        - sum(m[j - 1] * (c[j] * q[j] - c[j - 1] * q[j - 1]) for j in range(1, k + 1)) / 2
    )
    ladder = Ladder(patterns)
    if isinstance(model.weights, Spherical):
        free, eliminated = _sphere(k)
        unknowns: tuple[sp.Symbol, ...] = (*q, *m)
        # the leaf's curvature is 1/lam, that of g_j its inverse variance after the levels inside: eigenvalues again
        curvatures = [x**2 for x in Hierarchical(Q, q, powers).eigenvalues[1:]]
    else:
        if fixed:
            eliminated = {S.lam: sp.S.Zero}
        weights = tower(powers, [sp.sqrt(x) for x in steps(c)], leaves["g"].node(lam), fields(S.z, k), fields(S.h, k))
        free = explicit + weights
        unknowns = (*q, *c, *m) if fixed else (*q, *c, S.lam, S.Q, *m)
        sites = Ladder(weights)
        curvatures = [sites.mean(j, x**2) for j, x in enumerate(sites.second)]
    observables = {
        f"replicon{j}": 1 - S.alpha * fluctuations(model, ladder, q[j], j) * curvature
        for j, curvature in enumerate(curvatures)
    }
    field = fields(S.omega, k)[k]
    observables["loglik"] = S.alpha * ladder.mean(k, Leaf("l", 1, 0, 0, field, V))
    result = Broken(free + S.alpha * patterns, unknowns, Q, 0, leaves, eliminated, observables, model, explicit)
    if k == 1:
        observables["complexity"] = -(m[0] ** 2) * result.grad()[m[0]]
    return result


def fluctuations(model: Model, ladder: Ladder, q: sp.Expr, j: int) -> sp.Expr:
    """What an overlap q_j fluctuates by on the pattern side: C'^2 E_j f_j''^2 + C'' E_j f_j'^2, C(q) = q of ordinary models."""
    slope, bend = (covariance(model, q, order) for order in (1, 2))
    square = slope**2 * ladder.mean(j, ladder.second[j] ** 2)
    return square + bend * ladder.mean(j, ladder.first[j] ** 2) if bend != 0 else square


def _sphere(k: int) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """Entropy of the overlap structure on the sphere: (1/2)[log L_k + sum_j log(L_{j-1}/L_j)/m_j + q_0/L_0].

    L_k = 1 - q_k and L_{j-1} = L_j + m_j (q_j - q_{j-1}) are the eigenvalues of the overlap matrix; those of its inverse,
    1/L_j, are lam and lam - sum m (q_hat_j - q_hat_{j-1}), which eliminates the conjugates.
    """
    q, c, m = overlaps(k), conjugates(k), parisi(k)
    L = Hierarchical(sp.S.One, q, (sp.S.Zero, *m)).eigenvalues[1:]
    entropy = (sp.log(L[k]) + sum(sp.log(L[j - 1] / L[j]) / m[j - 1] for j in range(1, k + 1)) + q[0] / L[0]) / 2
    eliminated = {S.lam: 1 / L[k], c[0]: q[0] / L[0] ** 2}
    for j in range(1, k + 1):
        eliminated[c[j]] = eliminated[c[j - 1]] + (q[j] - q[j - 1]) / (L[j - 1] * L[j])
    return entropy, eliminated
