r"""The limit y -> inf of phi/y: power means become maxima.

Unconstrained reference: q_1 = q_0 + dq/y, q_hat_1 = q_hat_0 + dq_hat/y. With eta = sqrt(y) eta', every level of power y is
an envelope, and

    phi/y -> -p_hat p - q_hat_0 (1 - q_0)/2 - (q_hat_0 dq + dq_hat q_0)/2
             + E max_{w~} max_eta { g(h_0 + p_hat w~ + sqrt(dq_hat) eta) - eta^2/2 }
             + alpha E max_t { f(omega_0 + sqrt(dq) t; 1 - q_0) - t^2/2 }

Constrained reference: the groups settle on the best reference, so that different groups share it up to 1/y,
1 - q~ = c/y and p - t = delta/y, with conjugates q~_hat = y^2 c_hat, t_hat = y delta_hat, p_hat = t_hat + dp_hat: the weights
of the reference feel a field y h~, and its margin costs the squared distance d to satisfaction over twice what is left of
its variance, (c - delta^2/dq)/y. To leading order q~ = 1 and t = p outside, and

    phi/y -> -dp_hat p - delta_hat delta - c_hat c/2 - q_hat_0 (1 - q_0)/2 - (q_hat_0 dq + dq_hat q_0)/2
             + E max_{w~} { h~ w~ + max_eta [...dp_hat...] }
             + alpha E max_t { f(omega_0 + sqrt(dq) t; 1 - q_0) - d(omega~ + delta t/sqrt(dq))^2/(2 (c - delta^2/dq)) - t^2/2 }

Both h~, h_0 and omega~, omega_0 are coupled: covariances [[c_hat, delta_hat], [delta_hat, q_hat_0]] and [[1, p], [p, q_0]].
Corrections are powers of 1/y for the unconstrained reference, log(y)/y and half-integer powers for the constrained one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from ..models import Model
from . import local_entropy as L
from . import symbols as S
from .leaves import pattern_leaf, weight_leaf
from .local_entropy_referee import EXTRA, SEARCH, Referee
from .nodes import Finite, Gaussian, Leaf, Level, LogMean, heat, linear, stein

dq, dq_hat, c, c_hat = sp.symbols("dq dqhat c chat", positive=True)
delta, delta_hat, dp_hat = sp.symbols("delta deltahat dphat", real=True)
NEWTON, ZOOM = 4, 5  # steps that polish a maximum, after so many searches of its neighbourhood


class Envelope(sp.Expr):
    """max over z of phi(at + L z) - z^2/2, or over the finite set: LogMean of infinite power."""

    is_commutative = True
    is_real = True

    def __new__(cls, level: Level, phi: Any) -> sp.Expr:
        return super().__new__(cls, level, sp.sympify(phi))

    level = property(lambda self: self.args[0])
    phi = property(lambda self: self.args[1])

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        inside = set().union(*(a.free_symbols for a in self.args[1:])) - self.level.bound
        return inside | (self.level.free_symbols - {sp.oo})

    @property
    def bound_symbols(self) -> list[sp.Symbol]:
        return list(self.level.bound)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return Optimum(self.level, self.phi, self.level.total_derivative(self.phi, s))

    def _sympystr(self, printer: Any) -> str:
        cost = "" if isinstance(self.level.measure, Finite) else f" - {self.level.z[0]}^2/2"
        return f"max_{self.level.z[0]}({printer._print(self.phi)}{cost})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        z = printer._print(self.level.z[0])
        cost = "" if isinstance(self.level.measure, Finite) else rf"-\tfrac12 {z}^2"
        text = rf"\max_{{{z}}}\left\{{{printer._print(self.phi)}{cost}\right\}}"
        return rf"\left({text}\right)^{{{exp}}}" if exp else text


class Optimum(Envelope):
    """An observable at the maximum."""

    def __new__(cls, level: Level, phi: Any, obs: Any) -> sp.Expr:
        obs = sp.sympify(obs)
        if not obs.free_symbols & level.bound:
            return obs
        return sp.Expr.__new__(cls, level, sp.sympify(phi), obs)

    obs = property(lambda self: self.args[2])

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        level, phi, obs = self.args
        out = level.total_derivative(obs, s)
        if isinstance(level.measure, Gaussian):
            (z,) = level.z

            def along(expr: sp.Expr) -> sp.Expr:
                return expr.diff(z) + sum(x * expr.diff(w) for x, w in zip(level.L, level.w))

            slope = sum(x * phi.diff(w) for x, w in zip(level.L, level.w))
            out += along(obs) * level.total_derivative(slope, s) / (1 - along(slope))
        return Optimum(level, phi, out)

    def _sympystr(self, printer: Any) -> str:
        return f"[{printer._print(self.obs)}]_argmax_{self.level.z[0]}"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        z = printer._print(self.level.z[0])
        text = rf"\left[{printer._print(self.obs)}\right]_{{{z}^\star}}"
        return rf"\left({text}\right)^{{{exp}}}" if exp else text


class Excess(sp.Function):
    """max(0, x)^n, whose second derivative at n = 2 is the step (its jump has no weight)."""

    nargs = 2
    is_commutative = True
    is_real = True

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        n, x = self.args
        return n * Excess(n - 1, x) if n > 0 else sp.S.Zero

    def _eval_power(self, other: sp.Expr) -> sp.Expr | None:
        n, x = self.args
        return Excess(n * other, x) if other.is_Integer and other > 0 else None

    def _sympystr(self, printer: Any) -> str:
        return f"max(0, {printer._print(self.args[1])})^{self.args[0]}"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        n, x = (printer._print(a) for a in self.args)
        text = rf"\left({x}\right)_+^{{{n}}}"
        return rf"\left({text}\right)^{{{exp}}}" if exp else text


def stationary(expr: sp.Expr) -> sp.Expr:
    """z = sum_a L_a phi_a at a maximum; averages of sums over the optimum split where it is a sum."""

    def change(node: sp.Expr) -> sp.Expr:
        level, phi, obs = node.args
        if isinstance(level.measure, Gaussian):
            slope = sum(x * phi.diff(w) for x, w in zip(level.L, level.w))
            obs = obs.xreplace({level.z[0]: slope})
        terms = []
        for term in sp.Add.make_args(sp.expand(obs, deep=False)):
            bound = [a for a in term.atoms(sp.Symbol, Leaf, Envelope) if a.free_symbols & level.bound]
            outside, inside = term.as_independent(*bound, as_Add=False) if bound else (term, sp.S.One)
            terms.append(outside * Optimum(level, phi, inside))
        return sp.Add(*terms)

    return expr.replace(lambda e: isinstance(e, Optimum), change)


@dataclass(frozen=True)
class Limit(L.Local):
    """lim phi/y, with the scaled order parameters as unknowns.

    scaling : the finite-y parameters by the scaled ones, in which `finite` is read.
    """

    finite: L.Local | None = None
    scaling: Callable[[sp.Symbol], dict[sp.Symbol, sp.Expr]] | None = None

    def derivative(self, expr: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """d expr/dx; no integration by parts over the flips of the reference, where the optimum jumps."""
        out = stationary(heat(expr.diff(x)))
        terms = sp.Add.make_args(linear(out))
        smooth = [term for term in terms if not term.has(Finite)]
        flips = [term for term in terms if term.has(Finite)]
        rest = stationary(heat(stein(sp.Add(*smooth))))
        return L.gathered(self.tidy(rest) + sp.Add(*flips), self.forms)

    def at(self, y: float, **values: float) -> float:
        """phi/y of the finite functional at the same scaled parameters."""
        assert self.finite is not None and self.scaling is not None
        env = {L.environment_name(k): float(v) for k, v in values.items()}
        point = {sp.Symbol(k, **assumptions): sp.Float(v) for k, v in env.items() for assumptions in KINDS}
        scaled = {k.name: float(x.xreplace(point)) for k, x in self.scaling(sp.Float(y)).items()}
        return self.finite(**{**env, **scaled, "y": y}) / y


KINDS = ({"positive": True}, {"real": True})


def limit(model: Model, reference: str = "unconstrained") -> Limit:
    """phi(y)/y as y -> inf at fixed p; storage or, for the unconstrained reference, teacher-student.

    Raises
    ------
    ValueError for what `local_entropy.functional` does not take, and for a constrained reference of another kind than the
    threshold of storage.
    """
    finite = L.functional(model, reference)
    bound = reference == "constrained"
    if bound and (model.teacher or model.likelihood != "threshold" or model.beta is not None):
        raise ValueError("model: got a constrained reference at y = inf; takes storage with likelihood threshold, without beta")
    algebra = -L.q0_hat * (1 - L.q0) / 2 - (L.q0_hat * dq + dq_hat * L.q0) / 2
    if bound:
        algebra += -dp_hat * L.p - delta_hat * delta - c_hat * c / 2
        weights, patterns = _constrained(model)
        unknowns: tuple[sp.Symbol, ...] = (L.q0, dq, L.q0_hat, dq_hat, dp_hat, c, c_hat, delta, delta_hat)
        conjugate = {dq: L.q0_hat, dq_hat: L.q0, dp_hat: L.p, c: c_hat, c_hat: c, delta: delta_hat, delta_hat: delta}
        scaling = _constrained_scaling
        given: tuple[sp.Symbol, ...] = (L.p, L.kappa_ref)
    else:
        algebra -= L.p_hat * L.p
        if model.teacher:
            algebra -= L.R_hat * L.R
        weights, patterns = _unconstrained(model)
        unknowns = (L.q0, dq, L.q0_hat, dq_hat, L.p_hat)
        conjugate = {dq: L.q0_hat, dq_hat: L.q0, L.p_hat: L.p}
        if model.teacher:
            unknowns, conjugate = (*unknowns, L.R, L.R_hat), {**conjugate, L.R: L.R_hat, L.R_hat: L.R}
        scaling = _scaling
        given = (L.p,)
    conjugate |= {L.q0: dq_hat, L.q0_hat: dq}
    expr = algebra + weights + S.alpha * patterns
    task = int(model.teacher)
    leaves = {k: v for k, v in finite.leaves.items() if k != "r"}
    return Limit(
        expr, unknowns, sp.S.One, task, leaves, finite.eliminated, {}, model, given, conjugate, True, finite, scaling
    )


def _scaling(y: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    return {L.q1: L.q0 + dq / y, L.q1_hat: L.q0_hat + dq_hat / y}


def _constrained_scaling(y: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    return {
        **_scaling(y),
        L.q_ref: 1 - c / y,
        L.t: L.p - delta / y,
        L.q_ref_hat: y**2 * c_hat,
        L.t_hat: y * delta_hat,
        L.p_hat: y * delta_hat + dp_hat,
    }


def _solution_envelope(model: Model) -> sp.Expr:
    """max over eta of g(h + sqrt(dq_hat) eta) - eta^2/2."""
    leaf = weight_leaf(model)
    inner = Level(sp.oo, Gaussian(), sp.sqrt(dq_hat), L.z1, L.h2, L.group)
    return Envelope(inner, Leaf("g", leaf.sign, 0, 0, L.h2, sp.S.Zero))


def _unconstrained(model: Model) -> tuple[sp.Expr, sp.Expr]:
    reference = Level(sp.oo, L.SIGNS, L.p_hat, L.w_ref, L.group, L.h0)
    outer = Level(0, Gaussian(), sp.sqrt(L.q0_hat), L.z0, L.h0, L.R_hat if model.teacher else 0)
    weights = LogMean(outer, Envelope(reference, _solution_envelope(model)))
    inner = Level(sp.oo, Gaussian(), sp.sqrt(dq), L.t1, L.omega1, L.omega0)
    f = Leaf("f", pattern_leaf(model).sign, 0, 0, L.omega1, 1 - L.q0)
    outer = Level(0, Gaussian(), sp.sqrt(L.q0), L.t0, L.omega0, 0)
    return weights, L.averaged(model, outer, Envelope(inner, f), [L.R])


def _constrained(model: Model) -> tuple[sp.Expr, sp.Expr]:
    reference = Level(sp.oo, L.SIGNS, dp_hat, L.w_ref, L.group, L.h0)
    outer = Level(0, Gaussian(), L.coupled(L.q0_hat, delta_hat, c_hat), (L.z0, L.x0), (L.h0, L.h_ref), (0, 0))
    weights = LogMean(outer, Envelope(reference, L.h_ref * L.w_ref + _solution_envelope(model)))
    row = sp.ImmutableMatrix([[sp.sqrt(dq)], [delta / sp.sqrt(dq)]])
    inner = Level(sp.oo, Gaussian(), row, L.t1, (L.omega1, L.omega_in), (L.omega0, L.omega_ref))
    square = Excess(2, L.kappa_ref - L.omega_in)
    cost = Leaf("f", 1, 0, 0, L.omega1, 1 - L.q0) - square / (2 * (c - delta**2 / dq))
    outer = Level(0, Gaussian(), L.coupled(L.q0, L.p, sp.S.One), (L.t0, L.s0), (L.omega0, L.omega_ref), (0, 0))
    return weights, LogMean(outer, Envelope(inner, cost))


# --- numbers -------------------------------------------------------------------------------------------------------


def _value(referee: Referee, node: Envelope, fields: dict[str, np.ndarray]) -> Any:
    level = node.level
    if isinstance(level.measure, Finite):
        z = np.array([float(v) for v in level.measure.args[0]])
        inner = referee.inside(level, fields, (z,))
        E = np.asarray(referee.value(node.phi, inner))
        if not isinstance(node, Optimum):
            return E.max(axis=-1)
        obs = np.broadcast_to(referee.value(node.obs, inner), E.shape)
        return np.take_along_axis(obs, E.argmax(axis=-1)[..., None], -1)[..., 0]
    best = _maximum(referee, level, node.phi, fields)
    inner = referee.inside(level, fields, (best[..., None],))
    if isinstance(node, Optimum):
        return np.broadcast_to(referee.value(node.obs, inner), (*best.shape, 1))[..., 0]
    return np.asarray(referee.value(node.phi, inner))[..., 0] - best**2 / 2


def _maximum(referee: Referee, level: Level, phi: sp.Expr, fields: dict[str, np.ndarray]) -> np.ndarray:
    """argmax of phi(at + L z) - z^2/2: by zooming, then Newton on its stationarity."""
    shape = np.broadcast(*fields.values()).shape
    centre, half = np.zeros(shape), np.full(shape, 9.0)
    unit = np.linspace(-1.0, 1.0, SEARCH)
    for step in range(ZOOM + 20):
        z = centre[..., None] + half[..., None] * unit
        E = referee.value(phi, referee.inside(level, fields, (z,))) - z * z / 2
        at = E.argmax(axis=-1)
        centre = np.take_along_axis(z, at[..., None], -1)[..., 0]
        edge = (at == 0) | (at == SEARCH - 1)
        half = np.where(edge, 2 * half, half * 2.5 / (SEARCH - 1))
        if step >= ZOOM and not edge.any():
            break
    slope = sum(x * phi.diff(w) for x, w in zip(level.L, level.w))
    bend = sum(x * slope.diff(w) for x, w in zip(level.L, level.w))
    for _ in range(NEWTON):
        inner = referee.inside(level, fields, (centre[..., None],))
        first, second = (np.broadcast_to(referee.value(e, inner), (*shape, 1))[..., 0] for e in (slope, bend))
        centre = centre + (first - centre) / (1 - second)
    return centre


def _excess(referee: Referee, node: Excess, fields: dict[str, np.ndarray]) -> Any:
    x = np.asarray(referee.value(node.args[1], fields))
    return np.where(x > 0, np.maximum(x, 0.0) ** int(node.args[0]), 0.0)


EXTRA[Envelope] = _value
EXTRA[Excess] = _excess

__all__ = ["Envelope", "Excess", "Limit", "Optimum", "limit"]
