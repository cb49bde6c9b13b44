r"""Explicit groups of one reference and y solutions: what the derivation of the local entropy is held against.

Matrices of overlaps and conjugates are filled entry by entry; weights are enumerated, the fields of a pattern integrated over a
product grid.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from ..models import Model
from . import local_entropy as L
from . import symbols as S
from .derivation import Checker
from .local_entropy_referee import number
from .numeric import Env, NumericNode
from .overlaps import GRID_POINTS
from .workshop import Workshop, apart

NODES = 60  # of each axis of two coupled fields
STEP = 2e-3  # of finite differences: fourth order leaves 1e-9


class GroupWorkshop(Workshop):
    """The bench with the referee of large powers, and n groups of one reference and y solutions."""

    functional: L.Local

    def __init__(self, model: Model, reference: str):
        self.model, self.teacher, self.units = model, model.teacher, 1
        self.functional = L.functional(model, reference)
        self.leaves = self.functional.leaves
        self.bound = reference == "constrained"
        self.steps = []
        if self.bound:
            self.groups: tuple[tuple[int, int], ...] = ((1, 1), (1, 2), (2, 1))
        elif self.teacher:
            self.groups = ((1, 1), (1, 2), (2, 1), (1, 3))
        else:
            self.groups = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3))
        self.env = self._point()

    def _point(self) -> dict[str, Any]:
        """A generic point, away from any saddle, at which expressions are compared."""
        env: dict[str, Any] = {"alpha": 0.83, "Q": 1.0, "y": 1.7, "p": 0.5, "phat": 0.62}
        env |= {"q0": 0.42, "q1": 0.66, "qhat0": 0.55, "qhat1": 0.83, "R": 0.3, "Rhat": 0.27}
        env |= {"qtilde": 0.51, "qtildehat": 0.6, "t": 0.36, "that": 0.41, "kappatilde": 0.22}
        kappa, beta = self.model.kappa, self.model.beta
        kappa = kappa[0] if isinstance(kappa, tuple) else kappa
        env["kappa"] = 0.0 if self.teacher or not self.model.margin else (kappa or 0.31)
        if beta is not None:
            env["beta"] = (beta[0] if isinstance(beta, tuple) else beta) or 1.0
        return env

    def evaluate(self, expr: sp.Expr, env: Env) -> float:
        return number(expr, env, self.leaves, NODES)

    def at_groups(self, reference: Callable[[int, int, Env], float], tolerance: float) -> Checker:
        """Compare an expression with an independent number for a few whole numbers of groups and solutions."""
        targets: dict[tuple[int, int], float] = {}

        def check(expr: sp.Expr) -> tuple[float, float]:
            worst = 0.0
            for n, y in self.groups:
                env = {**self.env, "n": float(n), "y": float(y)}
                if (n, y) not in targets:
                    targets[n, y] = reference(n, y, env)
                worst = max(worst, apart(self.evaluate(expr, env), targets[n, y]))
            return worst, tolerance

        return check

    def slope(self, x: sp.Symbol) -> float:
        """Finite difference of phi, fourth order."""

        def at(k: int) -> float:
            return self.value(self.functional.expr, **{x.name: self.env[x.name] + k * STEP})

        return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)

    @property
    def moment(self) -> str:
        return r"\frac1N\log\overline{Z(y)^n}"

    @property
    def tried(self) -> str:
        return f"(n, y) = {', '.join(map(str, self.groups))}"


# --- explicit groups -----------------------------------------------------------------------------------------------


def members(n: int, y: int, seen: bool) -> list[tuple[int, bool]]:
    """(group, whether the reference) of every replica; references only if they are ``seen``."""
    return [(a, ref) for a in range(n) for ref in ([True] if seen else []) + [False] * y]


def entry(i: tuple[int, bool], j: tuple[int, bool], same: bool, env: Env, hat: str) -> float:
    """The overlap of two replicas, or its conjugate."""
    names = {"": ("q1", "q0", "qtilde", "p", "t"), "hat": ("qhat1", "qhat0", "qtildehat", "phat", "that")}[hat]
    q1, q0, q_ref, p, t = names
    if same:
        return 0.0 if hat else 1.0
    inside = i[0] == j[0]
    if i[1] and j[1]:
        name = q_ref
    elif i[1] or j[1]:
        name = p if inside else t
    else:
        name = q1 if inside else q0
    return float(env[name])


def explicit(n: int, y: int, env: Env, hat: str, bound: bool, seen: bool) -> np.ndarray:
    """The matrix of overlaps or conjugates, entry by entry; an unconstrained reference has only p, with its own group."""
    who = members(n, y, seen)
    out = np.empty((len(who), len(who)))
    for a, b in itertools.product(range(len(who)), repeat=2):
        out[a, b] = entry(who[a], who[b], a == b, env, hat)
        if not bound and a != b and (who[a][1] or who[b][1]) and (who[a][1] == who[b][1] or who[a][0] != who[b][0]):
            out[a, b] = 0.0
    return out


def enumerated(M: np.ndarray, field: np.ndarray) -> float:
    """log sum over signs of exp(w^T M w/2 + field.w), M without diagonal."""
    w = np.array(list(itertools.product((-1.0, 1.0), repeat=len(M))))
    E = 0.5 * np.einsum("ka,ab,kb->k", w, M, w) + w @ field
    return float(E.max() + np.log(np.exp(E - E.max()).sum()))


class GroupSum(NumericNode):
    """log sum over the weights of n groups at one site, as squares of sums over groups and over all."""

    def __new__(cls, bound: bool, teacher: bool) -> GroupSum:
        return sp.Expr.__new__(cls, sp.Integer(bound), sp.Integer(teacher))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return {S.n, L.y}

    def numeric(self, env: Env, leaves: Any) -> float:
        n, y = round(env["n"]), round(env["y"])
        bound, teacher = map(bool, self.args)
        q1, q0, p = env["qhat1"], env["qhat0"], env["phat"]
        q_ref, t = (env["qtildehat"], env["that"]) if bound else (0.0, 0.0)
        E = []
        for w in itertools.product((-1.0, 1.0), repeat=n * (y + 1)):
            s = np.reshape(w, (n, y + 1))
            ref, sums = s[:, 0], s[:, 1:].sum(axis=1)
            E.append(
                0.5 * (q_ref * (ref.sum() ** 2 - n) + q0 * sums.sum() ** 2 + (q1 - q0) * (sums**2).sum() - q1 * n * y)
                + t * ref.sum() * sums.sum()
                + (p - t) * (ref * sums).sum()
                + (env["Rhat"] * sums.sum() if teacher else 0.0)
            )
        return float(np.logaddexp.reduce(E))

    def _sympystr(self, printer: Any) -> str:
        return "log Sum_{w~_a, w_ar}[...]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return (
            r"\log\sum_{\tilde w_a,\,w_{ar}=\pm1}e^{\frac12\sum_{(ar)\neq(bs)}\hat q_{ar,bs}w_{ar}w_{bs}"
            + (
                r"+\hat{\tilde q}\sum_{a<b}\tilde w_a\tilde w_b+\sum_{ab}\hat p_{ab}\,\tilde w_a\sum_r w_{br}}"
                if self.args[0]
                else r"+\hat p\sum_a\tilde w_a\sum_r w_{ar}" + (r"+\hat R\sum w_{ar}}" if self.args[1] else "}")
            )
        )


class GroupFields(NumericNode):
    """log of the mean over a pattern of all likelihoods of n groups, by a product grid over their fields."""

    def __new__(cls, bound: bool, teacher: bool) -> GroupFields:
        return sp.Expr.__new__(cls, sp.Integer(bound), sp.Integer(teacher))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return {S.n, L.y}

    def numeric(self, env: Env, leaves: Any) -> float:
        bound, teacher = map(bool, self.args)
        return pattern_integral(round(env["n"]), round(env["y"]), env, leaves, bound, teacher)

    def _sympystr(self, printer: Any) -> str:
        return "log E[prod Theta(u)]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        label = r"\,\big|\,u_T>0" if self.args[1] else ""
        own = r"\tilde\Theta(\tilde u_a)" if self.args[0] else ""
        return rf"\log\mathbb{{E}}_u\Big[\prod_{{a}}{own}\prod_r\Theta(u_{{ar}}){label}\Big]"


def pattern_integral(n: int, y: int, env: Env, leaves: Any, bound: bool, teacher: bool) -> float:
    """log E prod Theta(u_i) over jointly Gaussian fields of the explicit covariance, given the teacher's label."""
    C = explicit(n, y, env, "", bound, seen=bound)
    kinds = ["r" if ref else "f" for _, ref in members(n, y, bound)]
    if teacher:
        C = np.block([[C, np.full((len(C), 1), env["R"])], [np.full((1, len(C)), env["R"]), np.ones((1, 1))]])
        kinds.append("f")
    k = len(kinds)
    most = int(GRID_POINTS ** (1 / k)) if k > 1 else 0
    measures = [leaves[kind].measure(env, most) for kind in kinds]
    axes = np.meshgrid(*(x for x, _ in measures), indexing="ij", sparse=True)
    E = np.asarray(sum(np.meshgrid(*(logs for _, logs in measures), indexing="ij", sparse=True)))
    M = np.linalg.inv(C)
    for a, b in itertools.product(range(k), repeat=2):
        E = E - 0.5 * M[a, b] * axes[a] * axes[b]
    total = math.log(float(np.exp(E).sum())) - 0.5 * k * math.log(2 * math.pi) - 0.5 * float(np.linalg.slogdet(C)[1])
    return total + (math.log(2) if teacher else 0.0)


__all__ = ["GroupFields", "GroupSum", "GroupWorkshop", "enumerated", "explicit", "members", "pattern_integral"]
