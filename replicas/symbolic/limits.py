r"""Limits of a functional as registered scalings: what remains of algebra and towers, in closed form.

``q-to-1``: Q - q = eps -> 0, q_hat = a^2/eps^2, lam = b/eps. Then eps phi -> C(a, b, Q; alpha) with

    f -> -d(omega)^2/(2 eps),   d = distance of the field to the support of Theta      (Envelope on the pattern side)
    g -> sup_w { a z w - b w^2/2 }/eps                                                 (Envelope on the weight side)

and capacity is where C vanishes at its stationary point. ``ground-state``: beta -> inf with x = beta (1-q) fixed,
phi/beta -> 1/(2x) - alpha E min(1, d^2/(2x)) = -energy. Both envelopes are piecewise quadratic: averages are sums of G, H.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import sympy as sp

from ..models import Discrete, Model
from . import symbols as S
from .functional import Functional, split
from .leaves import exact
from .likelihood import exact_pieces
from .nodes import Gaussian, Level, LogMean
from .special import Between, G, H
from .wide import covariance

Stretches = list[tuple[sp.Expr, sp.Expr, sp.Expr]]  # (low, high, nearest edge) of fields outside the support
eps = sp.Symbol("varepsilon", positive=True)
a = sp.Symbol("a", positive=True)
b = sp.Symbol("b", real=True)
X = sp.Symbol("X", positive=True)  # sqrt(2x): the distance beyond which an error is cheaper


def truncated_square(low: sp.Expr, high: sp.Expr, centre: sp.Expr, Q: sp.Expr) -> sp.Expr:
    """E[(omega - centre)^2; low < omega < high] for omega ~ N(0, Q)."""
    s = sp.sqrt(Q)

    def edge(x: sp.Expr) -> sp.Expr:  # E[(omega-c)^2; omega > x]
        if x is sp.S.Infinity:
            return sp.S.Zero
        if x is sp.S.NegativeInfinity:
            return Q + centre**2
        return (Q + centre**2) * H(x / s) + s * (x - 2 * centre) * G(x / s)

    if low is sp.S.NegativeInfinity and high is not sp.S.Infinity:  # the lower tail by itself, not as a difference
        return (Q + centre**2) * H(-high / s) - s * (high - 2 * centre) * G(high / s)
    return edge(low) - edge(high)


def probability(low: sp.Expr, high: sp.Expr, Q: sp.Expr) -> sp.Expr:
    """P(low < omega < high) for omega ~ N(0, Q)."""
    return Between(low / sp.sqrt(Q), high / sp.sqrt(Q))


def gaps(support: Iterable[tuple[sp.Expr, sp.Expr]]) -> Stretches:
    """(low, high, nearest edge) of every stretch of fields outside the support of Theta, given as sorted intervals."""
    merged: list[list[sp.Expr]] = []
    for low, high in support:
        if merged and low <= merged[-1][1]:
            merged[-1][1] = sp.Max(merged[-1][1], high)
        else:
            merged.append([low, high])
    out: Stretches = []
    if merged[0][0] != -sp.oo:
        out.append((sp.S.NegativeInfinity, merged[0][0], merged[0][0]))
    for (_, left), (right, _) in itertools.pairwise(merged):
        mid = (left + right) / 2
        out += [(left, mid, left), (mid, right, right)]
    if merged[-1][1] != sp.oo:
        out.append((merged[-1][1], sp.S.Infinity, merged[-1][1]))
    return out


def symbolic_gaps(likelihood: str) -> Stretches:
    """The same for the named likelihoods, with kappa as a symbol."""
    inf = sp.S.Infinity
    if likelihood == "threshold":
        return [(-inf, S.kappa, S.kappa)]
    return [(-inf, -S.kappa, -S.kappa), (S.kappa, inf, S.kappa)]


def distance_square(stretches: Stretches, Q: sp.Expr, within: sp.Expr | None = None) -> sp.Expr:
    """E d(omega)^2, restricted to d < within if given."""
    total = sp.S.Zero
    for low, high, edge in stretches:
        if within is not None:
            low, high = (sp.Max(low, edge - within), high) if edge == high else (low, sp.Min(high, edge + within))
        total += truncated_square(low, high, edge, Q)
    return total


def beyond(stretches: Stretches, Q: sp.Expr, distance: sp.Expr) -> sp.Expr:
    """P(d(omega) > distance)."""
    total = sp.S.Zero
    for low, high, edge in stretches:
        end = sp.Min(high, edge - distance) if edge == high else sp.Max(low, edge + distance)
        part = probability(low, end, Q) if edge == high else probability(end, high, Q)
        total += part if distance == 0 or low is sp.S.NegativeInfinity or high is sp.S.Infinity else sp.Max(part, 0)
    return total


def weight_envelope(values: Iterable[float], free_norm: bool) -> sp.Expr:
    """E_z sup_w { a z w - b w^2/2 }; with w^2 constant b drops out. All values lie on the hull when b > 0."""
    w = [exact(v) for v in sorted(values)]
    edges = [
        sp.S.NegativeInfinity,
        *((b * (x + y) / (2 * a) if free_norm else sp.S.Zero) for x, y in itertools.pairwise(w)),
        sp.S.Infinity,
    ]
    total = sp.S.Zero
    for v, low, high in zip(w, edges[:-1], edges[1:]):
        low_density = G(low) if low.is_finite is not False else sp.S.Zero
        high_density = G(high) if high.is_finite is not False else sp.S.Zero
        total += a * v * (low_density - high_density) - (b * v**2 / 2 * (H(low) - H(high)) if free_norm else 0)
    return total


def limit(functional: Functional, scaling: str) -> Functional:
    """Apply a registered scaling to a storage functional; see the module's docstring for what each means."""
    model = functional.model
    if scaling not in SCALINGS:
        raise ValueError(f"scaling: got {scaling!r}; takes {', '.join(SCALINGS)}")
    if model.teacher or not model.hard:
        raise ValueError(f"scaling: got {scaling!r}; takes a storage model with hard constraints")
    return SCALINGS[scaling](functional, outside_support(model))


def outside_support(model: Model) -> Stretches:
    """Where a model's likelihood vanishes, with kappa as a symbol for the named ones."""
    if isinstance(model.likelihood, str):
        stretches = symbolic_gaps(model.likelihood)
        return stretches if model.margin else [tuple(x.subs(S.kappa, 0) for x in row) for row in stretches]
    return gaps((low, high) for _, low, high in exact_pieces(model.likelihood.expr, S.u))


def _q_to_one(functional: Functional, stretches: Stretches) -> Functional:
    """C(a, b, Q; alpha) = lim eps phi; observable ``outside`` = P(d > 0) + C'' E d^2/C'^2, what fluctuates."""
    algebra, _ = split(functional.expr)
    scaled = algebra.subs({S.q_hat: a**2 / eps**2, S.lam: b / eps}).subs(S.q, functional.norm - eps)
    rest = sp.limit(eps * scaled, eps, 0)
    weights = functional.model.weights
    if isinstance(weights, Discrete):
        rest += weight_envelope(weights.values, S.Q in functional.unknowns)
    # f is -d^2 over twice what is left of the variance of a field, C(Q) - C(q) = C'(Q) eps
    variance, slope, bend = (covariance(functional.model, functional.norm, order) for order in range(3))
    square = distance_square(stretches, variance)
    C = rest - S.alpha * square / (2 * slope)
    unknowns = tuple(x for x in (a, b, S.Q) if x in C.free_symbols)
    outside = beyond(stretches, variance, sp.S.Zero) + (bend * square / slope**2 if bend != 0 else 0)
    return Functional(C, unknowns, functional.norm, 0, {}, {}, {"outside": outside}, functional.model)


def _ground_state(functional: Functional, stretches: Stretches) -> Functional:
    """-energy(X; alpha), X = sqrt(2x), x = beta(1-q); its stationarity is the observable ``condition``."""
    if isinstance(functional.model.weights, Discrete):
        raise ValueError("scaling: got 'ground-state' with a finite weight set, which freezes; takes spherical weights")
    algebra, _ = split(functional.expr)
    x = sp.Symbol("x", positive=True)
    entropy = sp.limit(algebra.subs(S.q, 1 - x * eps) * eps, eps, 0).subs(x, X**2 / 2)  # beta -> inf, 1 - q = x/beta
    within, fraction = distance_square(stretches, functional.norm, X), beyond(stretches, functional.norm, X)
    energy = entropy - S.alpha * (within / X**2 + fraction)
    # d/dx of entropy - alpha E[d^2; d < X]/(2x) = 0: the boundary term cancels against that of P(d > X)
    condition = sp.simplify(sp.diff(entropy, X) * X**3 / 2) + S.alpha * within
    return Functional(
        energy, (X,), functional.norm, 0, {}, {}, {"condition": condition, "error_fraction": fraction}, functional.model
    )


def large_load(functional: Functional) -> dict[str, sp.Expr]:
    r"""lim alpha eps of the spherical Bayes-optimal student, for the Gibbs and the Bayes error, at q = 1/2.

    With V = 1 - q -> 0 and omega = sqrt(V) u, E_omega[f'^2 e^f]/E[e^f] -> 2 G(0) int du phi'^2 e^phi/sqrt(V),
    phi(u) = f(u, 1) = log H(-u); (e^phi)' = G makes the integral E_u phi'(u), which is sqrt(V) E_omega f' at q = V = 1/2.
    d phi/dq = 0 then reads 1/sqrt(V) = 2 alpha G(0) E_u phi', and eps_gibbs = sqrt(2 V)/pi, eps_bayes = sqrt(V)/pi.
    """
    mean = LogMean(
        Level(0, Gaussian(), sp.sqrt(S.q), S.t, S.omega, 0), functional.leaves["f"].node(1 - S.q, 1)
    )
    scale = 1 / (2 * G(0) * sp.sqrt(1 - S.q) * mean)  # alpha sqrt(V)
    return {"gibbs": sp.sqrt(2) * scale / sp.pi, "bayes": scale / sp.pi}


def shifted(functional: Functional) -> Functional:
    """The same functional with the margin in the field, omega = sqrt(q) t - kappa, so that derivatives in kappa are derived."""
    if functional.model.likelihood != "threshold" or functional.model.teacher:
        raise ValueError("functional: got one without a threshold margin; takes storage with likelihood threshold")
    leaf = functional.leaves["f"]
    closed = leaf.closed.subs(S.kappa, 0) if leaf.closed is not None else None

    def shift(expr: sp.Expr) -> sp.Expr:
        return expr.replace(
            lambda e: isinstance(e, Level) and e.w[0] == S.omega,
            lambda e: Level(e.power, e.measure, e.L, e.z, e.w, -S.kappa),
        )

    return replace(
        functional,
        expr=shift(functional.expr),
        observables={k: shift(v) for k, v in functional.observables.items() if k != "loglik"},
        leaves={**functional.leaves, "f": replace(leaf, closed=closed)},
    )


r = sp.Symbol("r", positive=True)


def innermost(stretches: Stretches, omega: sp.Expr, c: sp.Expr, w: sp.Expr) -> sp.Expr:
    """(1/w) log E_u exp(-w d(u)^2/2), u ~ N(omega, c), d the distance to satisfaction: the last level of a tower at q_k -> 1."""
    spring = 1 + w * c
    total: sp.Expr = sp.S.Zero
    at: sp.Expr = sp.S.NegativeInfinity
    parts = []
    for low, high, edge in stretches:
        if low != at:
            parts.append((at, low))
        at = high
        mean = edge + (omega - edge) / spring
        narrow = sp.sqrt(c / spring)
        share = _between(low, high, mean, narrow)
        total += sp.exp(-w * (omega - edge) ** 2 / (2 * spring)) / sp.sqrt(spring) * share
    if at is not sp.S.Infinity:
        parts.append((at, sp.S.Infinity))
    satisfied = sp.Add(*(_between(low, high, omega, sp.sqrt(c)) for low, high in parts))
    return sp.log(satisfied + total) / w


def _between(low: sp.Expr, high: sp.Expr, mean: sp.Expr, width: sp.Expr) -> sp.Expr:
    """P(low < u < high) of a Gaussian; ends may be infinite."""
    ends = [x if x.is_infinite else (x - mean) / width for x in (low, high)]
    return Between(*ends)


def one_step(model: Model) -> tuple[Functional, tuple[sp.Expr, ...]]:
    r"""The sphere's one-step functional at q_1 -> 1, m = r (1 - q_1), and its equations in (q_0, r, alpha); q stands for q_0.

    (1-q_1) phi -> C = (1/2)[log(1 + r (1-q))/r + q/(1 + r (1-q))] + alpha E_omega phi_r(omega, 1-q): a minimum over q and r,
    and zero at capacity. An average over omega ~ N(0, q) has the derivative E[phi''/2 + d_q phi] in q (heat equation).
    """
    if not model.hard or model.teacher or isinstance(model.weights, Discrete):
        raise ValueError(f"model: got {model!r}; takes spherical weights, storage and hard constraints")
    L0 = 1 + r * (1 - S.q)
    algebra = (sp.log(L0) / r + S.q / L0) / 2
    phi = innermost(outside_support(model), S.omega, 1 - S.q, r)
    level = Level(0, Gaussian(), sp.sqrt(S.q), S.t, S.omega, 0)
    C = algebra + S.alpha * LogMean(level, phi)
    by_q = algebra.diff(S.q) + S.alpha * LogMean(level, phi.diff(S.omega, 2) / 2 + phi.diff(S.q))
    by_r = algebra.diff(r) + S.alpha * LogMean(level, phi.diff(r))
    return Functional(C, (S.q, r), sp.S.One, 0, {}, {}, {}, model), (by_q, by_r, C)


SCALINGS = {"q-to-1": _q_to_one, "ground-state": _ground_state}
