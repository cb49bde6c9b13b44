r"""Large deviations of the local entropy: y replicas constrained to a distance from a reference that is drawn with them.

.. math:: \phi(y) = \tfrac1N \overline{\log \textstyle\sum_{\tilde w} [Z(\tilde w)\, ] \mathcal N(\tilde w, d)^y}, \qquad p = 1 - 2d

N is the number of solutions at distance d from w~; for the *constrained* reference w~ itself is a solution, with a margin of
its own. Replicas sit in groups of one reference and y solutions: overlaps q_1 inside a group, q_0 between groups, p with the
own reference, and for a constrained reference q~ between references and t with those of other groups. As n groups -> 0,

    phi = -y p_hat p - (y(y-1)/2) q_hat_1 q_1 + (y^2/2) q_hat_0 q_0 - (y/2) q_hat_1 + log 2 + y W + alpha y P
    W = LogMean(0; q_hat_0) . LogMean(y; w~ = +-1, p_hat) . LogMean(y; q_hat_1 - q_hat_0) . g
    P = LogMean(0; q_0) . LogMean(y; q_1 - q_0) . f(.; 1 - q_1)

The sum over the reference is a level of the tower: two values with factor p_hat. A constrained reference adds
y t_hat t - (q~_hat/2)(1 - q~), has (p_hat - t_hat) and (p - t) for the shifts inside a group, and couples two fields outside.
A teacher adds -y R_hat R, shifts the field of the weights by R_hat and tilts the outer average of the patterns by its label.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sympy as sp

from ..models import Discrete, Model, Perceptron
from . import symbols as S
from .functional import Functional, split
from .leaves import LeafDefinition, pattern_leaf, weight_leaf
from .nodes import Finite, Gaussian, Leaf, Level, LogMean, Tilt, linear, saddle_form

REFERENCES = ("unconstrained", "constrained")
y = sp.Symbol("y", positive=True)
p, p_hat = sp.symbols("p phat", real=True)
q0, q1, q0_hat, q1_hat = sp.symbols("q0 q1 qhat0 qhat1", positive=True)
R, R_hat = sp.symbols("R Rhat", real=True)
q_ref, q_ref_hat = sp.symbols("qtilde qtildehat", positive=True)
t, t_hat = sp.symbols("t that", real=True)
R_ref, R_ref_hat = sp.symbols("Rtilde Rtildehat", real=True)
kappa_ref = sp.Symbol("kappatilde", real=True)

h0, h2, h_ref, group, z0, z1, x0, w_ref = sp.symbols("h0 h2 htilde h1 z0 z1 x0 wtilde", real=True)
omega0, omega1, omega_ref, omega_in, omega_teacher = sp.symbols("omega0 omega1 omegatilde omegatilde1 omega_T", real=True)
t0, t1, s0 = sp.symbols("t0 t1 s0", real=True)

SIGNS = Finite((-1, 1), (sp.S.Half, sp.S.Half))


def environment_name(name: str) -> str:
    """The symbol that a keyword stands for: q_hat0, q0_hat and qhat0 are one, and so are q_tilde and qtilde."""
    bare = name.replace("_", "").replace("ref", "tilde")
    found = re.fullmatch(r"([a-z]+)(\d)hat", bare)
    return f"{found[1]}hat{found[2]}" if found else bare


@dataclass(frozen=True)
class Local(Functional):
    """phi of groups of replicas; ``given`` are the parameters held fixed (y, p, ...), beside alpha, kappa, beta.

    conjugate : which unknown the gradient by another one solves for (`saddle`).
    constant_norm : w^2 = 1 for all weights, so that g'' = 1 - g'^2.
    """

    given: tuple[sp.Symbol, ...] = ()
    conjugate: dict[sp.Symbol, sp.Symbol] = field(default_factory=dict)
    constant_norm: bool = True

    @cached_property
    def forms(self) -> Forms:
        return Forms(self.expr)

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        return (*self.given, *super().parameters)

    def derivative(self, expr: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """d expr/dx in field derivatives only."""
        algebra, towers = split(expr)
        return gathered(self.tidy(algebra.diff(x) + saddle_form(towers.diff(x))), self.forms)

    def tidy(self, expr: sp.Expr) -> sp.Expr:
        """g'' = w^2 - g'^2 inserted where w^2 is the same for all weights, and w~^2 = 1; averages split."""
        if not self.constant_norm:
            return expr

        def change(leaf: Leaf) -> sp.Expr:
            return self.norm - Leaf("g", -1, 1, 0, leaf.w, leaf.V) ** 2

        expr = expr.replace(lambda e: isinstance(e, Leaf) and e.name == "g" and e.k[0] == 2, change)
        return linear(expr.xreplace({w_ref**2: sp.S.One}))

    @cached_property
    def saddle(self) -> dict[sp.Symbol, sp.Expr]:
        """The saddle-point equations solved for the conjugate order parameters: {q_1: E <g'^2>, ...}."""
        out = {}
        for x, target in self.conjugate.items():
            slope = self.derivative(self.expr, x)
            factor = split(slope)[0].diff(target)
            out[target] = gathered(target - slope / factor, self.forms)
        return out

    def __call__(self, **values: Any) -> float:
        """phi at any point, also off the saddle; every unknown and parameter by name (q1=, q_hat1=, p=, y=, ...)."""
        return self.value(self.expr, **values)

    def value(self, expr: sp.Expr, pair: int | None = None, **values: Any) -> float:
        """The referee's number of an expression in the unknowns and parameters; ``pair``: nodes on each of two outer axes."""
        from .local_entropy_referee import PAIR, number

        env = {environment_name(k): float(v) for k, v in values.items()}
        needed = {x.name for x in (*self.unknowns, *self.parameters)}
        if needed - set(env):
            raise ValueError(f"{', '.join(sorted(needed - set(env)))}: missing; takes {', '.join(sorted(needed))}")
        return number(expr, env, self.leaves, pair or PAIR)


def gathered(expr: sp.Expr, forms: Forms | None = None) -> sp.Expr:
    """Equal averages collected, their coefficients and the algebra factored; ``forms`` undo what expanding does to widths."""
    expr = linear(forms(expr) if forms else expr)
    expr = plain_means(forms(expr) if forms else expr)
    found = {x: sp.Dummy(real=True) for x in outermost(expr)}
    flat = sp.expand(expr.xreplace(found))
    back = {v: k for k, v in found.items()}
    parts: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(flat):
        outside, inside = term.as_independent(*back, as_Add=False)
        parts[inside] = parts.get(inside, sp.S.Zero) + outside
    algebra = sp.cancel(parts.pop(sp.S.One, sp.S.Zero))
    algebra = algebra if algebra.is_polynomial() else sp.factor(algebra)
    return algebra + sp.Add(*(sp.factor(c) * x.xreplace(back) for x, c in parts.items()))


def outermost(expr: sp.Expr) -> set[sp.Expr]:
    """The averages and leaves of an expression that are in no other; nodes of a limit count as averages."""
    if isinstance(expr, LogMean | Tilt | Leaf) or hasattr(expr, "level"):
        return {expr}
    return set().union(*(outermost(a) for a in expr.args if isinstance(a, sp.Expr)))


def plain_means(expr: sp.Expr) -> sp.Expr:
    """One way of writing a plain mean."""
    return expr.replace(lambda e: isinstance(e, LogMean) and e.level.power == 0, lambda e: Tilt(e.level, 0, e.phi))


class Forms:
    """Widths of levels and variances of leaves as the functional writes them, recognised by their numbers at one point."""

    def __init__(self, expr: sp.Expr):
        symbols = sorted(expr.free_symbols, key=lambda x: x.name)
        self.point = {x: sp.Float(0.3 + 0.4 * math.sin(k + 1.0), 30) for k, x in enumerate(symbols)}
        self.known = {self.mark(x): x for x in widths(expr)}

    def mark(self, x: sp.Expr) -> tuple[float, float]:
        number = complex(sp.N(x.xreplace(self.point), 30))
        return round(number.real, 12), round(abs(number.imag), 12)

    def __call__(self, expr: sp.Expr) -> sp.Expr:
        changed = {x: self.known.get(self.mark(x), x) for x in widths(expr)}
        return expr.xreplace({k: v for k, v in changed.items() if k != v})


def widths(expr: sp.Expr) -> set[sp.Expr]:
    entries = {x for level in expr.atoms(Level) for x in level.L} | {leaf.V for leaf in expr.atoms(Leaf)}
    return {x for x in entries if x.args}


def check_model(model: Model, reference: str) -> None:
    """Binary perceptrons have a reference of the same kind."""
    if not isinstance(model, Perceptron) or not isinstance(model.weights, Discrete) or model.weights.name != "binary":
        raise ValueError(f"model: got {model!r}; takes a perceptron with binary weights")
    if reference not in REFERENCES:
        raise ValueError(f"reference: got {reference!r}; takes {', '.join(REFERENCES)}")


def reference_leaf(model: Model) -> LeafDefinition:
    """The likelihood of a reference that is a solution too, with a margin of its own."""
    leaf = pattern_leaf(model)
    closed = None if leaf.closed is None else leaf.closed.subs(S.kappa, kappa_ref)

    def measure(env: Any, most: int = 0) -> Any:
        return leaf.measure({**env, "kappa": env.get(kappa_ref.name, env.get("kappa"))}, most)

    return replace(leaf, name="r", closed=closed, measure=measure)


def functional(model: Model, reference: str = "unconstrained") -> Local:
    """phi(y) of the binary perceptron, storage or teacher-student, at fixed p = 1 - 2d.

    Its observables are "local_entropy" S_I = d phi/dy, "external_entropy" S_E = phi - y S_I, "slope" d phi/dp, and
    "reference_teacher" E w~, the overlap R~ of an unconstrained reference with the teacher.

    Raises
    ------
    ValueError for weights other than binary, several units, or an unknown reference.
    """
    check_model(model, reference)
    bound = reference == "constrained"
    weights, mean = constrained_weights(model) if bound else weight_tower(model)
    patterns = constrained_patterns(model) if bound else y * pattern_tower(model)
    expr = algebra(model, bound) + weights + S.alpha * patterns
    leaves = {"g": weight_leaf(model), "f": pattern_leaf(model)}
    conjugate = {q1: q1_hat, q0: q0_hat, q1_hat: q1, q0_hat: q0, p_hat: p}
    if model.teacher:
        conjugate |= {R: R_hat, R_hat: R}
    given: tuple[sp.Symbol, ...] = (y, p)
    if bound:
        leaves["r"] = reference_leaf(model)
        conjugate |= {q_ref: q_ref_hat, q_ref_hat: q_ref, t: t_hat, t_hat: t, p: p_hat}
        if model.teacher:
            conjugate |= {R_ref: R_ref_hat, R_ref_hat: R_ref}
        elif kappa_ref in leaves["r"].closed.free_symbols if leaves["r"].closed is not None else False:
            given = (*given, kappa_ref)
    unknowns = tuple(dict.fromkeys(x for x in conjugate if x != p))
    result = Local(expr, unknowns, sp.S.One, int(model.teacher), leaves, {S.lam: sp.S.Zero}, {}, model, given, conjugate)
    local = gathered(expr.diff(y), result.forms)
    result.observables.update({
        "local_entropy": local,
        "external_entropy": gathered(expr - y * local, result.forms),
        "slope": result.derivative(expr, p),
    })
    if model.teacher and not bound:
        result.observables["reference_teacher"] = mean
    return result


def algebra(model: Model, bound: bool) -> sp.Expr:
    """-(1/2) tr(conjugates x overlaps) over n, for n -> 0 groups."""
    out = -y * p_hat * p - y * (y - 1) / 2 * q1_hat * q1 + y**2 / 2 * q0_hat * q0 - y / 2 * q1_hat
    if bound:
        out += y * t_hat * t - q_ref_hat * (1 - q_ref) / 2
    if model.teacher:
        out -= y * R_hat * R
        if bound:
            out -= R_ref_hat * R_ref
    return out


def solutions(at: sp.Symbol, leaf: LeafDefinition, steps: tuple[sp.Expr, sp.Expr], power: sp.Expr = y) -> sp.Expr:
    """LogMean(y): the power mean over the field common to the y replicas of a group."""
    variance, V = steps
    normal, w = (z1, h2) if leaf.name == "g" else (t1, omega1)
    inner = Leaf(leaf.name, leaf.sign, 0, 0, w, V)
    return LogMean(Level(power, Gaussian(), sp.sqrt(variance), normal, w, at), inner)


def weight_tower(model: Model) -> tuple[sp.Expr, sp.Expr]:
    """E log sum over w~ of E_eta [2cosh(h_0 + p_hat w~ + ...)]^y, and E <w~>."""
    cluster = solutions(group, weight_leaf(model), (q1_hat - q0_hat, sp.S.Zero))
    reference = Level(y, SIGNS, p_hat, w_ref, group, h0)
    outer = Level(0, Gaussian(), sp.sqrt(q0_hat), z0, h0, R_hat if model.teacher else 0)
    mean = LogMean(outer, Tilt(reference, cluster, w_ref))
    return sp.log(2) + y * LogMean(outer, LogMean(reference, cluster)), mean


def teacher_level(model: Model, outer: Level, R_fields: list[sp.Expr]) -> tuple[Level, sp.Expr]:
    """The outer level with the teacher's field given the others, and the teacher's leaf for what is left of its variance."""
    rest = list(R_fields)
    row: list[sp.Expr] = []
    for b in range(outer.L.shape[1]):  # L is lower triangular: forward substitution
        known = sum((outer.L[b, c] * row[c] for c in range(b)), sp.S.Zero)
        row.append((rest[b] - known) / outer.L[b, b])
    L = outer.L.col_join(sp.ImmutableMatrix([row]))
    level = Level(1, Gaussian(), L, outer.z, (*outer.w, omega_teacher), (*outer.at, 0))
    return level, Leaf("f", 1, 0, 0, omega_teacher, 1 - sp.Add(*(x**2 for x in row)))


def averaged(model: Model, outer: Level, inner: sp.Expr, R_fields: list[sp.Expr]) -> sp.Expr:
    """The outer average over a pattern, with a teacher in the measure of its label."""
    if not model.teacher:
        return LogMean(outer, inner)
    level, label = teacher_level(model, outer, R_fields)
    return Tilt(level, label, inner)


def pattern_tower(model: Model, power: sp.Expr = y) -> sp.Expr:
    """E (1/y) log E_t1 e^{y f(omega_1; 1 - q_1)}."""
    outer = Level(0, Gaussian(), sp.sqrt(q0), t0, omega0, 0)
    return averaged(model, outer, solutions(omega0, pattern_leaf(model), (q1 - q0, 1 - q1), power), [R])


def coupled(square: sp.Expr, cross: sp.Expr, other: sp.Expr) -> sp.ImmutableMatrix:
    """A factor of [[square, cross], [cross, other]], the field of the solutions first."""
    a = sp.sqrt(square)
    return sp.ImmutableMatrix([[a, 0], [cross / a, sp.sqrt(other - cross**2 / square)]])


def constrained_weights(model: Model) -> tuple[sp.Expr, sp.Expr]:
    """E log sum over w~ of e^{h~ w~} E_eta [2cosh(h_0 + (p_hat - t_hat) w~ + ...)]^y over two coupled fields."""
    cluster = solutions(group, weight_leaf(model), (q1_hat - q0_hat, sp.S.Zero))
    reference = Level(1, SIGNS, p_hat - t_hat, w_ref, group, h0)
    at = (R_hat, R_ref_hat) if model.teacher else (0, 0)
    outer = Level(0, Gaussian(), coupled(q0_hat, t_hat, q_ref_hat), (z0, x0), (h0, h_ref), at)
    tilted = h_ref * w_ref + y * cluster
    return sp.log(2) + LogMean(outer, LogMean(reference, tilted)), LogMean(outer, Tilt(reference, tilted, w_ref))


def constrained_patterns(model: Model) -> sp.Expr:
    """E log E_t1 e^{f~ + y f}: one normal shifts both fields of a group."""
    outer = Level(0, Gaussian(), coupled(q0, t, q_ref), (t0, s0), (omega0, omega_ref), (0, 0))
    width = sp.sqrt(q1 - q0)
    L = sp.ImmutableMatrix([[width], [(p - t) / width]])
    inner = Level(1, Gaussian(), L, t1, (omega1, omega_in), (omega0, omega_ref))
    rest = 1 - q_ref - (p - t) ** 2 / (q1 - q0)
    both = Leaf("r", 1, 0, 0, omega_in, rest) + y * Leaf("f", 1, 0, 0, omega1, 1 - q1)
    return averaged(model, outer, LogMean(inner, both), [R, R_ref])


__all__ = ["REFERENCES", "Local", "functional"]
