r"""The replica-symmetric free entropy of a single-layer model, from the replicated partition function.

With s coupled replicas (s = n for storage; s = n + 1 for the Bayes-optimal teacher-student, the teacher being one of
them), overlaps Q_ab = q + (Q-q) delta_ab and conjugates q_hat - lam delta_ab,

    log Xi(s)/N = s [ -Q(q_hat - lam)/2 - (s-1) q q_hat/2 + LogMean_s g(h; lam) + alpha LogMean_s f(omega; Q-q) ],

and phi = d log Xi/ds at s = 0 or 1. `derivation` shows how this is reached; here it is assembled and reduced.
"""

from __future__ import annotations

import sympy as sp

from ..models import Model, Perceptron, Spherical
from ..stochastic import StochasticPerceptron
from . import symbols as S
from .functional import Functional, split, tidy_algebra
from .leaves import LeafDefinition, exact, log_likelihood_leaf, pattern_leaf, weight_leaf
from .nodes import Gaussian, Leaf, Level, LogMean, Tilt, linear
from .wide import covariance


def pattern_level(power: sp.Expr, model: Model) -> Level:
    """omega_j = sqrt(C(q)) t_j, independent for each unit (branches share no inputs); C(q) = q but for infinitely many units."""
    K = model.fields
    return Level(power, Gaussian(), sp.sqrt(covariance(model, S.q)) * sp.eye(K), S.normals(K), S.fields(K), [0] * K)


def pattern_rest(model: Model, norm: sp.Expr = S.Q) -> sp.Expr:
    """What is left of a field's variance around omega: C(Q) - C(q)."""
    return covariance(model, norm) - covariance(model, S.q)


def weight_level(power: sp.Expr) -> Level:
    return Level(power, Gaussian(), sp.sqrt(S.q_hat), S.z, S.h, 0)


def algebra(s: sp.Expr) -> sp.Expr:
    """-(1/2) tr(conjugates x overlaps)/s for s coupled replicas."""
    return -S.Q * (S.q_hat - S.lam) / 2 - (s - 1) * S.q * S.q_hat / 2


def replicated(model: Model, s: sp.Expr, leaves: dict[str, LeafDefinition]) -> dict[str, sp.Expr]:
    """The three terms of log Xi(s)/(N s): algebra, weights, patterns (the last without its alpha)."""
    g, f = leaves["g"], leaves["f"]
    return {
        "algebra": algebra(s),
        "weights": LogMean(weight_level(s), g.node(S.lam)),
        "patterns": LogMean(pattern_level(s, model), f.node(pattern_rest(model))),
    }


def gaussian_average(s: sp.Expr) -> sp.Expr:
    """LogMean_s of the Gaussian leaf h^2/(2 lam) - log(lam)/2 - 1/2 over h ~ N(0, q_hat)."""
    return -sp.log(1 - s * S.q_hat / S.lam) / (2 * s) - sp.log(S.lam) / 2 - sp.Rational(1, 2)


def limit(term: sp.Expr, s: sp.Symbol, at: int) -> sp.Expr:
    """d/ds [s term] at s = 0 or 1: LogMean becomes a mean or a tilted mean, algebra a derivative."""
    if isinstance(term, LogMean):
        level = Level(at, *term.level.args[1:])
        return LogMean(level, term.phi) if at == 0 else Tilt(level, term.phi, term.phi)
    return sp.simplify(sp.diff(s * term, s).subs(s, at)) if at else sp.limit(term, s, 0)


def self_overlap(model: Model) -> sp.Expr:
    """Q: 1 on the sphere, w^2 when it is the same for all values, the mean square of a uniform teacher, else free.

    Of magnetizations it is a parameter (q_star), not an unknown.
    """
    if isinstance(model.weights, Spherical):
        return sp.S.One
    if isinstance(model, StochasticPerceptron):
        return S.q_star
    if model.weights.fixed_norm is not None:
        return exact(model.weights.exact[0]) ** 2
    if model.teacher:
        return sp.Add(*(exact(v) ** 2 for v in model.weights.values)) / len(model.weights.values)
    return S.Q


def functional(model: Model) -> Functional:
    """The reduced RS functional: conjugates that drop out or solve in closed form are gone."""
    leaves = {"g": weight_leaf(model), "f": pattern_leaf(model)}
    at = 1 if model.teacher else 0
    norm = self_overlap(model)
    terms = replicated(model, S.s, leaves)
    eliminated: dict[sp.Symbol, sp.Expr] = {}
    if isinstance(model.weights, Spherical):
        weights: sp.Expr = _limit_gaussian(at)
        free = limit(terms["algebra"], S.s, at).subs(S.Q, 1) + weights
        eliminated = _solve_conjugates(free, at)
        free = tidy_algebra(sp.simplify(free.subs(eliminated).subs(S.q, 1 - S.V)).subs(S.V, 1 - S.q), norm)
        unknowns: tuple[sp.Symbol, ...] = (S.q,)
        curvature: sp.Expr = tidy_algebra(1 / eliminated[S.lam] ** 2, norm)
        cubes = {2: tidy_algebra(1 / eliminated[S.lam] ** 3, norm), 3: sp.S.Zero}
    else:
        free = limit(terms["algebra"], S.s, at) + limit(terms["weights"], S.s, at)
        unknowns = (S.q, S.q_hat)
        if isinstance(model, StochasticPerceptron):
            unknowns = (S.q, S.q_hat, S.lam)  # Q is prescribed, lam its multiplier
        elif at == 1:
            # order n^0: the free teacher fixes lam = q_hat and Q = E w0^2
            eliminated = {S.lam: S.q_hat}
        elif model.weights.fixed_norm is not None:
            # w^2 is constant: lam only shifts g by -lam Q/2, which the algebra returns
            eliminated = {S.lam: sp.S.Zero}
        else:
            unknowns = (S.q, S.q_hat, S.lam, S.Q)
        free = free.subs(eliminated).subs(S.Q, norm)
        free_algebra, free_towers = split(free)
        free = tidy_algebra(free_algebra, norm) + free_towers
        level, g = weight_level(at), leaves["g"]
        lam = eliminated.get(S.lam, S.lam)
        g0 = g.node(lam)
        curvature = Tilt(level, g0, Leaf("g", -1, 2, 0, S.h, lam) ** 2)
        cubes = {
            2: Tilt(level, g0, Leaf("g", -1, 2, 0, S.h, lam) ** 3),
            3: Tilt(level, g0, Leaf("g", -1, 3, 0, S.h, lam) ** 2),
        }
    V = pattern_rest(model, norm)
    patterns = limit(terms["patterns"], S.s, at).subs(S.Q, norm) if norm != S.Q else limit(terms["patterns"], S.s, at)
    f0 = leaves["f"].node(V)
    level = pattern_level(at, model)
    units = range(model.fields)

    def mean(obs: sp.Expr) -> sp.Expr:
        return Tilt(level, f0, obs) if model.fields == 1 else linear(Tilt(level, f0, sp.expand(obs)))

    f2 = [[f0.raised(a).raised(b) for b in units] for a in units]
    # the fluctuations of the branches' overlaps are softest in the uniform direction, where all E f_ab^2 add up
    squares = mean(sp.Add(*(f2[a][b] ** 2 for a in units for b in units)))
    # replicon eigenvalue of the quadratic fluctuations, positive when the RS saddle is stable: an overlap moves the
    # covariance of the fields, and bends it
    slope, bend = (covariance(model, S.q, order) for order in (1, 2))
    fluctuations = slope**2 * squares + (bend * mean(f0.raised(0) ** 2) if bend != 0 else 0)
    observables = {"replicon": 1 - S.alpha * fluctuations * curvature}
    if isinstance(model, Perceptron):
        # d/dq of alpha <f''^2><g''^2> = 1 along the Parisi flow, d<f''^2> = <f'''^2> - 2x <f''^3>: 2x = rise/fall
        f3 = f2[0][0].raised(0)
        observables["breaking_rise"] = mean(f3**2) / squares + cubes[3] / curvature**2
        observables["breaking_fall"] = mean(f2[0][0] ** 3) / squares + cubes[2] / curvature**2
    leaves["l"] = log_likelihood_leaf(model)
    observables["loglik"] = S.alpha * Tilt(level, f0, leaves["l"].node(V))  # the free entropy less the entropy
    return Functional(free + S.alpha * patterns, unknowns, norm, at, leaves, eliminated, observables, model)


def _limit_gaussian(at: int) -> sp.Expr:
    term = gaussian_average(S.s)
    if at == 0:
        return sp.limit(term, S.s, 0)
    return sp.simplify(sp.diff(S.s * term, S.s).subs(S.s, 1))


def _solve_conjugates(free: sp.Expr, at: int) -> dict[sp.Symbol, sp.Expr]:
    """q_hat and lam of the sphere from stationarity; with a teacher, order n^0 first fixes lam - q_hat."""
    if at == 0:
        (solution,) = sp.solve([free.diff(S.q_hat), free.diff(S.lam)], [S.q_hat, S.lam], dict=True)
        return {k: tidy_algebra(v, sp.S.One) for k, v in solution.items()}
    x = sp.Symbol("x", positive=True)
    # log Xi(1) of a single replica with conjugate -x on its norm
    (norm,) = sp.solve(sp.diff(x / 2 + gaussian_average(1).subs(S.lam, S.q_hat + x).simplify(), x), x)
    reduced = sp.simplify(free.subs(S.lam, S.q_hat + norm))
    (root,) = sp.solve(reduced.diff(S.q_hat), S.q_hat)
    return {S.q_hat: tidy_algebra(root, sp.S.One), S.lam: tidy_algebra(root + norm, sp.S.One)}
