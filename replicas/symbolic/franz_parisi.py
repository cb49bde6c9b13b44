r"""The replica-symmetric Franz-Parisi entropy: weights W at a distance d from a reference W~ drawn from another measure.

The reference has overlaps Q~ with itself and q~ between its replicas; p = W.W~/N with its own reference, t with another
reference, q between two W of one reference. d = (1 - sign(W~).W/N)/2 is fixed by D, and p is free, with p_hat its conjugate:

    S = extr{ -(q_hat/2)(1-q) - p_hat p + t_hat t - D (1-2d) + G_S + alpha G_E }
    G_E = E_x < f(omega; 1-q) >,  (omega~, omega) = (sqrt(q~) x + b z, (t/sqrt q~) x + gam z),  weight e^{F(omega~; Q~-q~-b^2)} Dz
    G_S = E_x < E_z g(h) >,       h = (t_hat/sqrt(q~_hat)) x + sqrt(q_hat - t_hat^2/q~_hat) z + (p_hat - t_hat) w~ + D sign(w~),
                                  weight e^{sqrt(q~_hat) x w~ - lam~ w~^2/2} dmu(w~)

with gam^2 = q - t^2/q~, b gam = p - t, F the reference's own pattern leaf; dS/dd = 2D. Of a reference in the weight set of the
model, binary or spherical, 1 - 2d is p itself: D multiplies w~. If reference and constrained weights both have even
likelihoods, q~ = t = 0 and nothing depends on x.

`functional` assembles it for any reference with leaves (`Reference`); `saddle_point` states its equations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from ..models import Discrete, Model, Perceptron, Spherical
from ..stochastic import StochasticPerceptron
from . import symbols as S
from .functional import Functional, split
from .leaves import LeafDefinition, pattern_leaf, weight_leaf
from .nodes import Finite, Gaussian, Leaf, Level, LogMean, Tilt, linear, saddle_form
from .numeric import Interval

REFERENCES = ("typical", "spherical", "stochastic")
NAMES = {
    **{"q_hat": "qhat", "lam": "lambda", "t_hat": "that", "p_hat": "phat", "q_ref": "qref", "q_hat_ref": "qhatref"},
    **{"lam_ref": "lambdaref", "q_star": "qstar", "kappa_ref": "kapparef", "beta_ref": "betaref"},
}

x, z, nu = (sp.Symbol(name, real=True) for name in ("x", "z", "nu"))
omega_0, omega_0_ref = sp.Symbol("omega0", real=True), sp.Symbol("omegatilde0", real=True)
omega_ref = sp.Symbol("omegatilde", real=True)
h_0, h_0_ref = sp.Symbol("h0", real=True), sp.Symbol("htilde0", real=True)
w_ref = sp.Symbol("wtilde", real=True)


@dataclass(frozen=True)
class Reference:
    """The measure that a reference is drawn from, replica symmetric with overlaps q~ and conjugates q~_hat, lam~.

    likelihood : its pattern leaf F in ``S.omega`` and ``S.V``; norm : Q~; measure : dmu(w~) of one weight, up to a factor.
    alike : whether its weights are of the set of the constrained ones, so that the distance is (1-p)/2.
    even : whether its likelihood is, so that q~ = 0; tilted : whether lam~ does not drop out of the site measure
    (a sphere has q~_hat = q~/(1-q~)^2, lam~ = 1/(1-q~) at its saddle point).
    """

    name: str
    likelihood: LeafDefinition
    norm: sp.Expr
    measure: Any
    alike: bool = False
    even: bool = False
    tilted: bool = True


@dataclass(frozen=True)
class Constrained(Functional):
    """A Franz-Parisi functional: its parameters are those of both measures, the reference's order parameters included."""

    reference: Reference | None = None

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        free = set(self.expr.free_symbols)
        for leaf in self.leaves.values():
            free |= (leaf.closed.free_symbols if leaf.closed else set(hidden_parameters(leaf))) - {leaf.field, leaf.variable}
        return tuple(sorted(free - set(self.unknowns), key=lambda s: s.name))

    def derivative(self, expr: sp.Expr, x: sp.Symbol) -> sp.Expr:
        algebra, towers = split(expr)
        return sp.simplify(algebra.diff(x)) + semigroup(collected(saddle_form(towers.diff(x))))

    def __call__(self, **values: Any) -> float:
        return super().__call__(**{NAMES.get(k, k): v for k, v in values.items()})


def hidden_parameters(leaf: LeafDefinition) -> tuple[sp.Symbol, ...]:
    """Parameters of a leaf without a closed form: those that its measure names."""
    return getattr(leaf.measure, "parameters", ())


# --- references ----------------------------------------------------------------------------------------------------


class Renamed:
    """The measure of a leaf whose parameters go by other names."""

    def __init__(self, measure: Any, names: Mapping[sp.Symbol, sp.Symbol]):
        self.measure, self.names = measure, {a.name: b.name for a, b in names.items()}
        self.parameters: tuple[sp.Symbol, ...] = ()

    def __call__(self, env: Mapping[str, Any], most: int = 0) -> tuple[np.ndarray, np.ndarray]:
        return self.measure({**env, **{a: env[b] for a, b in self.names.items() if b in env}}, most)


def reference_leaf(leaf: LeafDefinition, names: Mapping[sp.Symbol, sp.Symbol]) -> LeafDefinition:
    """A pattern leaf as that of the reference, F, its parameters renamed."""
    closed = None if leaf.closed is None else leaf.closed.xreplace(dict(names))
    text = leaf.definition.replace(r"\Theta", r"\tilde\Theta").replace(r"\beta", r"\tilde\beta")
    return replace(leaf, name="F", closed=closed, definition=text, measure=Renamed(leaf.measure, names))


@lru_cache(maxsize=1)
def stochastic() -> Reference:
    """The stochastic perceptron at (q*, beta~): its pattern leaf, and the flat measure on [-1, 1]."""
    leaf = reference_leaf(pattern_leaf(StochasticPerceptron(q_star=0.5)), {S.beta: S.beta_ref})
    leaf.measure.parameters = (S.beta_ref, S.q_star)  # type: ignore[attr-defined]
    return Reference("stochastic", leaf, S.q_star, Interval(-1, 1))


@lru_cache(maxsize=64)
def reference_of(model: Model, reference: str | Reference) -> Reference:
    """The reference that a word names, checked against the model it goes with."""
    spherical = isinstance(model.weights, Spherical)
    if isinstance(reference, Reference):
        if spherical and not reference.alike:
            raise ValueError(f"reference: got {reference.name!r} with spherical weights; takes 'typical'")
        return reference
    if reference not in REFERENCES:
        raise ValueError(f"reference: got {reference!r}; takes {', '.join(REFERENCES)}")
    if spherical and reference == "stochastic":
        raise ValueError("reference: got 'stochastic' with spherical weights; takes 'typical'")
    if reference == "stochastic":
        return stochastic()
    leaf = reference_leaf(pattern_leaf(model), {S.kappa: S.kappa_ref})
    if spherical or reference == "spherical":
        return Reference(reference, leaf, sp.S.One, Interval(-sp.oo, sp.oo), alike=spherical, even=model.even)
    value = abs(weight_value(model))
    two = Finite([-value, value], [1, 1])
    return Reference("typical", leaf, value**2, two, alike=True, even=model.even, tilted=False)


def weight_value(model: Model) -> sp.Expr:
    """The modulus of binary weights."""
    from .leaves import exact

    assert isinstance(model.weights, Discrete)
    return exact(model.weights.exact[0])


def check_model(model: Any) -> Model:
    """A model whose weights can be constrained around a reference."""
    if not isinstance(model, Perceptron):
        raise ValueError(f"model: got {type(model).__name__}; the Franz-Parisi entropy takes a Perceptron")
    if model.teacher:
        raise ValueError("task: got 'teacher-student'; the Franz-Parisi entropy takes storage")
    if isinstance(model.weights, Discrete) and model.weights.values != (-1.0, 1.0):
        raise ValueError(f"weights: got {model.weights.name!r}; the Franz-Parisi entropy takes binary, spherical")
    if isinstance(model.weights, Discrete) and model.weights.probabilities is not None:
        raise ValueError("weights: got probabilities; the Franz-Parisi entropy takes the counting measure")
    return model


# --- towers --------------------------------------------------------------------------------------------------------


def factors(ref: Reference) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """(gam, b, what is left of the reference field's variance) of the pair of fields given x."""
    own = S.q if ref.even else S.q - S.overlap_cross**2 / S.q_ref
    cross = S.overlap_ref if ref.even else S.overlap_ref - S.overlap_cross
    between = sp.S.Zero if ref.even else S.q_ref
    gam = sp.sqrt(own)
    return gam, cross / gam, ref.norm - between - cross**2 / own


def pattern_tower(leaves: Mapping[str, LeafDefinition], ref: Reference) -> sp.Expr:
    """G_E: the constrained leaf at omega, tilted by the reference's at omega~; both fields share x and z."""
    gam, b, V_ref = factors(ref)
    around = (0, 0) if ref.even else (omega_0, omega_0_ref)
    inner = Level(1, Gaussian(), sp.Matrix([gam, b]), z, (S.omega, omega_ref), around)
    mean = Tilt(inner, Leaf("F", 1, 0, 0, omega_ref, V_ref), leaves["f"].node(1 - S.q))
    if ref.even:
        return mean
    root = sp.sqrt(S.q_ref)
    return LogMean(Level(0, Gaussian(), sp.Matrix([S.overlap_cross / root, root]), x, (omega_0, omega_0_ref), (0, 0)), mean)


def site_tower(leaves: Mapping[str, LeafDefinition], ref: Reference, lam: sp.Expr) -> sp.Expr:
    """G_S: the constrained leaf at h, whose field contains the reference weight w~."""
    own = S.q_hat if ref.even else S.q_hat - S.t_hat**2 / S.q_hat_ref
    cross = S.p_hat if ref.even else S.p_hat - S.t_hat
    side = w_ref if ref.alike else sp.sign(w_ref)
    at = (0 if ref.even else h_0) + cross * w_ref + S.D * side
    normals = LogMean(Level(0, Gaussian(), sp.sqrt(own), z, S.h, at), leaves["g"].node(lam))
    exponent = (0 if ref.even else h_0_ref * w_ref) - (S.lam_ref * w_ref**2 / 2 if ref.tilted else 0)
    mean = Tilt(Level(1, ref.measure, 1, nu, w_ref, 0), exponent, normals)
    if ref.even:
        return mean
    root = sp.sqrt(S.q_hat_ref)
    return LogMean(Level(0, Gaussian(), sp.Matrix([S.t_hat / root, root]), x, (h_0, h_0_ref), (0, 0)), mean)


def algebra(ref: Reference, lam: sp.Expr) -> sp.Expr:
    cross = 0 if ref.even else S.t_hat * S.overlap_cross
    return lam / 2 - S.q_hat * (1 - S.q) / 2 - S.p_hat * S.overlap_ref + cross - S.D * (1 - 2 * S.distance)


def gaussian_sites(ref: Reference) -> sp.Expr:
    """G_S on the sphere: g = h^2/(2 lam) - (log lam + 1)/2, E w~^2 = 1 and E[x w~] = sqrt(q~_hat)(1 - q~) at the reference's saddle."""
    u = S.p_hat + S.D - (0 if ref.even else S.t_hat)
    square = S.q_hat + u**2 + (0 if ref.even else 2 * u * S.t_hat * (1 - S.q_ref))
    return square / (2 * S.lam) - sp.log(S.lam) / 2 - sp.S.Half


def eliminate(free: sp.Expr, ref: Reference) -> dict[sp.Symbol, sp.Expr]:
    """Conjugates of the sphere from stationarity."""
    conjugates = [S.lam, S.q_hat, S.p_hat, *([] if ref.even else [S.t_hat])]
    lam = 1 / (1 - S.q)
    linear = {c: free.diff(c).subs(S.lam, lam) for c in conjugates if c not in (S.lam, S.q_hat)}
    found = sp.solve(list(linear.values()), list(linear), dict=True)[0]
    (own,) = sp.solve(free.diff(S.lam).subs(S.lam, lam).subs(found), S.q_hat)
    return {S.lam: lam, S.q_hat: sp.factor(own), **{k: sp.factor(v) for k, v in found.items()}}


@lru_cache(maxsize=64)
def functional(model: Model, reference: str | Reference = "typical") -> Constrained:
    """The Franz-Parisi functional of binary or spherical weights around a reference.

    Unknowns q, q_hat, t, t_hat, p, p_hat, D (spherical: q, t, p, D); t and t_hat drop out where both likelihoods are even.
    """
    check_model(model)
    ref = reference_of(model, reference)
    if ref.even and not model.even:
        ref = replace(ref, even=False)
    leaves = {"g": weight_leaf(model), "f": pattern_leaf(model), "F": ref.likelihood}
    patterns = S.alpha * pattern_tower(leaves, ref)
    crossed = [] if ref.even else [S.overlap_cross, S.t_hat]
    if not isinstance(model.weights, Spherical):
        free = algebra(ref, sp.S.Zero) + site_tower(leaves, ref, sp.S.Zero) + patterns
        unknowns = (S.q, S.q_hat, *crossed, S.overlap_ref, S.p_hat, S.D)
        return Constrained(free, unknowns, sp.S.One, 0, leaves, {S.lam: sp.S.Zero}, {}, model, ref)
    free = algebra(ref, S.lam) + gaussian_sites(ref)
    eliminated = eliminate(free, ref)
    free = sphere(free.subs(eliminated), ref) + patterns
    return Constrained(free, (S.q, *crossed[:1], S.overlap_ref, S.D), sp.S.One, 0, leaves, eliminated, {}, model, ref)


def sphere(free: sp.Expr, ref: Reference) -> sp.Expr:
    """The volume of the sphere at given overlaps, in 1 - q and the square of the projection on the references."""
    p: sp.Expr = S.overlap_ref
    t, r = (sp.S.Zero, sp.S.Zero) if ref.even else (S.overlap_cross, S.q_ref)
    inside = ((p - t) * (p + t) - r * (p - t) ** 2 / (1 - r)) / (1 - r)
    out = sp.log(1 - S.q) / 2 + (S.q - inside) / (2 * (1 - S.q)) + S.D * (p - 1 + 2 * S.distance)
    assert sp.simplify(sp.expand_log(free - out, force=True)) == 0
    return out


# --- rules ---------------------------------------------------------------------------------------------------------


def collected(expr: sp.Expr) -> sp.Expr:
    """Equal averages gathered, what multiplies them simplified: b gam = p - t shows."""
    found: dict[sp.Expr, list[sp.Expr]] = {}
    for term in sp.Add.make_args(expr):
        outside, inside = term.as_independent(LogMean, Tilt, Leaf, as_Add=False)
        found.setdefault(inside, []).append(outside)
    return sp.Add(*(sp.simplify(sp.Add(*parts)) * tower for tower, parts in found.items()))


def semigroup(expr: sp.Expr) -> sp.Expr:
    """log E_z e^{F(at + b z; V)} = F(at; V + b^2), a Gaussian average of e^F, and its derivative <F'> = F'(at; V + b^2)."""

    def change(node: sp.Expr) -> sp.Expr:
        level, phi = node.level, node.phi
        if not isinstance(phi, Leaf) or level.power != 1 or not isinstance(level.measure, Gaussian) or phi.sign < 0:
            return node
        found = phi if isinstance(node, LogMean) else node.obs
        if not isinstance(found, Leaf) or found.varied or found.k[0] > 1 or (found.name, found.w, found.V) != (phi.name, phi.w, phi.V):
            return node
        a = list(level.w).index(phi.w[0])
        (width,) = level.L[a, :]
        return Leaf(found.name, found.sign, found.k, 0, level.at[a], sp.simplify(found.V + width**2))

    return expr.replace(lambda e: isinstance(e, LogMean | Tilt), change)


def saddle_point(f: Constrained) -> dict[sp.Symbol, sp.Expr]:
    """Each stationarity condition solved for the partner of the symbol it is differentiated by.

    On the sphere q_hat, t_hat and p_hat stand for their closed forms, ``f.eliminated``.
    """
    out = {}
    for a in f.unknowns:
        target, (rest, towers) = PARTNERS[a], split(squares(f.grad()[a]))
        if target in f.eliminated:
            rest = sp.S.Zero
            coefficient = {S.q_hat: sp.S.Half, S.t_hat: sp.S.One, S.p_hat: sp.S.NegativeOne}[target]
        else:
            coefficient = rest.diff(target)
            rest = sp.expand(rest - coefficient * target)
        out[target] = -sp.Add(*(sp.expand(part / coefficient, deep=False) for part in (rest, towers)))
    return out


def squares(expr: sp.Expr) -> sp.Expr:
    """w^2 = 1: g'' = 1 - g'^2."""
    return linear(expr.replace(lambda e: isinstance(e, Leaf) and (e.name, e.k) == ("g", sp.Tuple(2)), one_less))


def one_less(leaf: Leaf) -> sp.Expr:
    return 1 - Leaf(leaf.name, leaf.sign, 1, leaf.j, leaf.w, leaf.V) ** 2


PARTNERS = {
    **{S.q: S.q_hat, S.q_hat: S.q, S.overlap_cross: S.t_hat, S.t_hat: S.overlap_cross},
    **{S.overlap_ref: S.p_hat, S.p_hat: S.overlap_ref, S.D: S.distance},
}

__all__ = ["REFERENCES", "Constrained", "Reference", "functional", "saddle_point"]
