r"""Limits of a functional as registered scalings: what remains of algebra and towers, in closed form.

``q-to-1``: Q - q = eps -> 0, q_hat = a^2/eps^2, lam = b/eps. Then eps phi -> C(a, b, Q; alpha) with

    f -> -d(omega)^2/(2 eps),   d = distance of the field to the support of Theta      (Envelope on the pattern side)
    g -> sup_w { a z w - b w^2/2 }/eps                                                 (Envelope on the weight side)

and capacity is where C vanishes at its stationary point. ``ground-state``: beta -> inf with x = beta (1-q) fixed,
phi/beta -> 1/(2x) - alpha E min(1, d^2/(2x)) = -energy. Both envelopes are piecewise quadratic: averages are sums of G, H.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import sympy as sp

from ..models import Piece
from . import symbols as S
from .functional import Functional, split
from .special import G, H

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

    return edge(low) - edge(high)


def probability(low: sp.Expr, high: sp.Expr, Q: sp.Expr) -> sp.Expr:
    """P(low < omega < high) for omega ~ N(0, Q)."""
    return H(low / sp.sqrt(Q)) - H(high / sp.sqrt(Q))


def gaps(pieces: Iterable[Piece], symbolic_edge: sp.Expr | None = None) -> list[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """(low, high, nearest edge) of every stretch of fields outside the support of Theta."""
    support = sorted((p.low, p.high) for p in pieces)
    merged: list[list[float]] = []
    for low, high in support:
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    out: list[tuple[sp.Expr, sp.Expr, sp.Expr]] = []
    to = lambda v: sp.Float(v, 17) if math.isfinite(v) else (sp.S.Infinity if v > 0 else sp.S.NegativeInfinity)  # noqa: E731
    if merged[0][0] > -math.inf:
        out.append((sp.S.NegativeInfinity, to(merged[0][0]), to(merged[0][0])))
    for (_, left), (right, _) in itertools.pairwise(merged):
        mid = (left + right) / 2
        out += [(to(left), to(mid), to(left)), (to(mid), to(right), to(right))]
    if merged[-1][1] < math.inf:
        out.append((to(merged[-1][1]), sp.S.Infinity, to(merged[-1][1])))
    return out


def symbolic_gaps(likelihood: str) -> list[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """The same for the named likelihoods, with kappa as a symbol."""
    inf = sp.S.Infinity
    if likelihood == "threshold":
        return [(-inf, S.kappa, S.kappa)]
    return [(-inf, -S.kappa, -S.kappa), (S.kappa, inf, S.kappa)]


def distance_square(
    stretches: list[tuple[sp.Expr, sp.Expr, sp.Expr]], Q: sp.Expr, within: sp.Expr | None = None
) -> sp.Expr:
    """E d(omega)^2, restricted to d < within if given."""
    total = sp.S.Zero
    for low, high, edge in stretches:
        if within is not None:
            low, high = (sp.Max(low, edge - within), high) if edge == high else (low, sp.Min(high, edge + within))
        total += truncated_square(low, high, edge, Q)
    return total


def beyond(stretches: list[tuple[sp.Expr, sp.Expr, sp.Expr]], Q: sp.Expr, distance: sp.Expr) -> sp.Expr:
    """P(d(omega) > distance)."""
    total = sp.S.Zero
    for low, high, edge in stretches:
        end = sp.Min(high, edge - distance) if edge == high else sp.Max(low, edge + distance)
        part = probability(low, end, Q) if edge == high else probability(end, high, Q)
        total += part if distance == 0 or low is sp.S.NegativeInfinity or high is sp.S.Infinity else sp.Max(part, 0)
    return total


def weight_envelope(values: Iterable[float], free_norm: bool) -> sp.Expr:
    """E_z sup_w { a z w - b w^2/2 }; with w^2 constant b drops out. All values lie on the hull when b > 0."""
    w = [sp.nsimplify(v, rational=True) for v in sorted(values)]
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


def q_to_one(
    functional: Functional,
    stretches: list[tuple[sp.Expr, sp.Expr, sp.Expr]],
    values: tuple[float, ...] | None,
) -> sp.Expr:
    """C(a, b, Q; alpha) = lim eps phi under the scaling ``q-to-1``."""
    algebra, _ = split(functional.expr)
    scaled = algebra.subs({S.q_hat: a**2 / eps**2, S.lam: b / eps}).subs(S.q, functional.norm - eps)
    rest = sp.limit(eps * scaled, eps, 0)
    if values is not None:
        rest += weight_envelope(values, S.Q in functional.unknowns)
    return rest - S.alpha * distance_square(stretches, functional.norm) / 2


def ground_state(functional: Functional, stretches: list[tuple[sp.Expr, sp.Expr, sp.Expr]]) -> dict[str, sp.Expr]:
    """Spherical T -> 0 limit above capacity: the equation for X = sqrt(2x) and the error fraction P(d > X)."""
    algebra, _ = split(functional.expr)
    x = sp.Symbol("x", positive=True)
    # beta -> inf with 1 - q = x/beta: the algebra over beta
    entropy = sp.limit(algebra.subs(S.q, 1 - x * eps) * eps, eps, 0)
    # d/dx of { algebra - alpha E[d^2; d < X]/(2x) } = 0, the boundary term cancels against that of P(d > X)
    condition = sp.simplify(sp.diff(entropy, x) * 2 * x**2) + S.alpha * distance_square(stretches, functional.norm, X)
    return {"condition": condition, "error_fraction": beyond(stretches, functional.norm, X)}
