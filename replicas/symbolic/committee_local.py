r"""Steps of the derivation of a fully connected committee: local integrals, and the heat equations of matrices."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from . import committee as C
from . import symbols as S
from .closed import probability, unit_names
from .committee_integrals import direct
from .committee_leaves import distinct
from .committee_steps import Bench
from .derivation import Checker
from .functional import latex
from .nodes import Gaussian, Leaf, Level, Tilt
from .numeric import Named, evaluate, v_derivative
from .special import G, H
from .workshop import DIFFERENCED, EXACT, difference

GRIDS = 1e-9  # two quadratures of the same integral over the fields
POINTS = np.array([-1.3, 0.4, 2.1])  # fields at which local expressions are compared


def point(w: Bench, fields: tuple[sp.Symbol, ...]) -> dict[str, np.ndarray]:
    """Three generic points in the fields; those that act on weights are as large as the inverse of a weight."""
    scale = 1 / math.sqrt(w.norm) if fields == S.weight_fields(w.K) else 1.0
    return {x.name: scale * (np.roll(POINTS, a) + 0.23 * a) for a, x in enumerate(fields)}


def greatest(x: Any) -> float:
    return float(np.max(np.abs(x)))


def farthest(value: Any, target: Any) -> float:
    """The greatest difference, relative to the greatest target."""
    return greatest(value - target) / greatest(target)


def local_integrals(w: Bench) -> None:
    """g in closed form, f and its slope through a common field."""
    if not w.sphere:
        _weights_closed(w)
    for name, _, _ in distinct(w.K):
        _common_field(w, name)
    if w.K == 2:
        for name, _, _ in distinct(w.K):
            _pair_slope(w, name)


def _weights_closed(w: Bench) -> None:
    g = w.leaf("g")
    at = point(w, S.weight_fields(w.K))

    def against(opaque: sp.Expr) -> Checker:
        def check(expr: sp.Expr) -> tuple[float, float]:
            return farthest(w_evaluate(w, expr, at), w_evaluate(w, opaque, at)), EXACT

        return check

    leaf = w.leaves["g"]
    w.add(
        "Local integral g",
        "In closed form, the sum over the weights that one input has in the K units is",
        rf"g(\vec h,\Lambda) = {leaf.definition}",
        leaf.closed,
        r"The sum over the finite set; $\vec w$ and $-\vec w$ make a hyperbolic cosine. $\Lambda$ has $\lambda$ on its diagonal and $\lambda_c$ off it.",
        against(g),
        "direct sum of the definition at three points",
    )
    first = g.raised(0)
    top, bottom = sp.fraction(sp.together(leaf.derivative(first)))
    if len(w.leaves["g"].measure(w.env)[0]) == 2:  # w^2 = 1: the multiplier of the norm cancels
        top, bottom = (sp.powsimp(sp.expand(x * sp.exp(S.lam * w.K / 2))) for x in (top, bottom))
    w.add(
        "Mean weight",
        r"The first derivatives of $g$ are posterior means of the weights of one input,",
        r"g_1 = \langle w_1\rangle",
        top / bottom,
        "Derivative of the logarithm of the sum; the other units by exchange of the fields.",
        against(first),
        "direct sum over the weights at three points",
    )


def w_evaluate(w: Bench, expr: sp.Expr, at: dict[str, Any]) -> Any:
    return np.asarray(evaluate(sp.sympify(expr), {**w.env, **at}, w.leaves))


def shared(K: int) -> tuple[list[sp.Expr], list[sp.Expr], Level]:
    """u_j and P_j of units that are independent given a common field x, and the average over it."""
    x = sp.Symbol("x", real=True)
    V, V_c = S.V, sp.Symbol("V_c", real=True)
    u, P = unit_names(V - V_c, [y + sp.sqrt(V_c) * x for y in S.fields(K)])  # type: ignore[misc]
    return u, P, Level(0, Gaussian(), 1, sp.Symbol("x0", real=True), x, 0)


def _common_field(w: Bench, name: str) -> None:
    """Z and its slope for correlations of either sign."""
    K, leaf = w.K, w.leaves[name]
    u, P, level = shared(K)
    Z = Tilt(level, 0, probability("Z_x", leaf.accepted, P))
    D = probability("D_x", leaf.accepted, P, (0,))
    slope = Tilt(level, 0, G(u[0]) * D) / (sp.sqrt(S.V - sp.Symbol("V_c", real=True)) * Z)
    at = {**point(w, S.fields(K)), "V": np.array([0.6, 0.9, 1.4], dtype=complex)}
    at["V_c"] = at["V"] * np.array([-0.15, 0.25, -0.12]) * 2 / K
    where = list(zip(*(np.real(at[x.name]) for x in S.fields(K))))

    def exact(shift: float) -> np.ndarray:
        found = []
        for i, fields in enumerate(where):
            diagonal, off = (complex(at[x][i]).real for x in ("V", "V_c"))
            V = off * np.ones((K, K)) + (diagonal - off) * np.eye(K)
            moved = np.array(fields, dtype=float)
            moved[0] += shift
            found.append(direct(leaf, moved, V))  # type: ignore[arg-type]
        return np.array(found)

    values = {0: exact(0.0)}

    def check(expr: sp.Expr) -> tuple[float, float]:
        return greatest(np.real(w_evaluate(w, expr, at)) - values[0]), GRIDS

    def check_slope(expr: sp.Expr) -> tuple[float, float]:
        if 1 not in values:
            values[1] = difference(exact, 0.0, step=0.05)  # type: ignore[arg-type, assignment]
        return greatest(np.real(w_evaluate(w, expr, at)) - values[1]), DIFFERENCED

    label = name.partition("^")[2].replace("+", "+1")
    w.add(
        f"Local integral of the label {label}",
        r"With $V$ on the diagonal of the matrix and $V_c$ off it, units are independent given one common normal field $x$:",
        leaf_lhs(name),
        sp.log(Z),
        r"Fields of covariance $(V-V_c)\,\mathbb{1}+V_c$ share $\sqrt{V_c}\,x$. $P_j$ is the probability that unit j is positive. "
        r"Where $V_c=-q_c<0$ the root is imaginary: both sides are analytic in $V_c$, and the average over $x$ exists as "
        r"$V+(K-1)V_c>0$.",
        check,
        f"the {K}-dimensional integral of the definition at three points, V_c of both signs",
    )
    w.add(
        f"Slope of the label {label}",
        r"Only $P_1$ depends on $\omega_1$:",
        rf"{latex(w.leaf(name).raised(0))}",
        slope,
        r"$\partial_1P_1=G(u_1)/\sqrt{V-V_c}$, and $D_x$ is the difference that the sign of unit 1 makes.",
        check_slope,
        "finite difference of the integral of the definition at three points",
    )


def leaf_lhs(name: str) -> str:
    return rf"{latex(sp.Symbol(name)) if '^' not in name else name.replace('^', '^{') + '}'}(\vec\omega,V)"


def pair_density(name: str, V: sp.Expr, V_c: sp.Expr, j: int = 0) -> sp.Expr:
    """V^{1/2} d_j Z of two units: density of the field of unit j at zero times what the other unit then decides."""
    here, other = (S.fields(2)[i] for i in (j, 1 - j))
    u = Named(sp.Symbol(f"u{j + 1}", real=True), here / sp.sqrt(V))
    v = Named(sp.Symbol(f"v{j + 1}", real=True), (other - V_c / V * here) / sp.sqrt(V - V_c**2 / V))
    return G(u) * (H(-v) if name == "f^+" else H(v) - H(-v))


def _pair_slope(w: Bench, name: str) -> None:
    V, V_c = S.V, sp.Symbol("V_c", real=True)
    opaque = Leaf(name, 1, [0, 0], 0, S.fields(2), C.matrix(2, V, V_c))
    expr = sp.exp(-opaque) * pair_density(name, V, V_c) / sp.sqrt(V)
    at = {**point(w, S.fields(2)), "V": 0.8, "V_c": -0.3}

    def check(expr: sp.Expr) -> tuple[float, float]:
        return greatest(w_evaluate(w, expr, at) - w_evaluate(w, opaque.raised(0), at)), GRIDS

    label = name.partition("^")[2].replace("+", "+1")
    w.add(
        f"Slope of the label {label}, two units",
        "For two units the slope is elementary but for its normalisation,",
        latex(opaque.raised(0)),
        expr,
        r"$\partial_1Z$ is the density of the first field at zero times the probability that the second, of mean "
        r"$\omega_2-\omega_1V_c/V$ and variance $V-V_c^2/V$ given that, makes the sign of the first decide: "
        + ("it is positive." if name == "f^+" else "negative less positive."),
        check,
        "the slope through the common field at three points",
    )


# --- heat equations --------------------------------------------------------------------------------------------------


def heat_equations(w: Bench) -> None:
    """In a diagonal and in an off-diagonal entry, for one label and for discrete weights."""
    names = [n for n, _, _ in distinct(w.K)][:1] + ([] if w.sphere else ["g"])
    for name, (a, b) in itertools.product(names, ((0, 0), (0, 1))):
        _heat_entry(w, name, a, b)


def _heat_entry(w: Bench, name: str, a: int, b: int) -> None:
    leaf: Any = w.leaves[name]
    f = leaf.node(leaf.generic)
    scale = 1.0 if leaf.sign > 0 else 1 / w.norm
    where, M = point(w, leaf.fields), generic_matrix(w.K) * scale
    names = {str(leaf.generic[i, j]): M[i, j] for i in range(w.K) for j in range(w.K)}

    def value(i: int, x: float) -> Any:
        moved = M.copy()
        moved[a, b] = moved[b, a] = x
        fields = np.array([where[y.name][i] for y in leaf.fields])
        if leaf.sign > 0:
            return direct(leaf, fields, moved)
        return float(leaf.values([0] * w.K, [0] * 6, list(fields), moved.tolist(), w.env))

    targets: list[np.ndarray] = []

    def check(expr: sp.Expr) -> tuple[float, float]:
        if not targets:
            targets.append(np.array([v_derivative(partial(value, i), M[a, b], 0.2 * scale) for i in range(len(POINTS))]))
        return farthest(w_evaluate(w, expr, {**where, **names}), targets[0]), DIFFERENCED

    raised = f.raised((a, b))
    one, two = f.raised(a).raised(b), f.raised(a) * f.raised(b)
    expr = leaf.sign * (one + two) / (2 if a == b else 1)
    kind = "one unit with itself" if a == b else "two units"
    what = "variance of a unit's field" if a == b else "covariance of two units' fields"
    if leaf.sign < 0:
        what = "multiplier of a unit's norm" if a == b else "multiplier of an overlap of two units"
    label = " for every label" if leaf.sign > 0 else ""
    w.add(
        f"Heat equation of {'f' if leaf.sign > 0 else 'g'}, {kind}",
        f"The {what} acts as a second derivative{label}:",
        latex(raised),
        expr,
        (
            r"$e^f$ is a Gaussian average of an indicator, and the density obeys "
            r"$\partial_{V_{jk}}\mathcal N=\partial_j\partial_k\mathcal N$, half of it for $j=k$; divide by $e^f$."
            if leaf.sign > 0
            else r"$\partial_{\Lambda_{jk}}$ of $e^{-\frac12\vec w\cdot\Lambda\vec w}$ brings $-w_jw_k$, half of it for $j=k$, and so do "
            r"two derivatives by $\vec h$; divide by $e^g$."
        )
        + ("" if a == b else r" The symmetric entry $jk$ stands for $kj$ too."),
        check,
        "finite difference in one entry of a matrix with no symmetry, "
        + ("integrated from the definition" if leaf.sign > 0 else "summed from the definition")
        + ", against joint cumulants at three points",
    )


def generic_matrix(K: int) -> np.ndarray:
    """A positive definite matrix whose entries all differ."""
    M = np.diag([0.71, 0.83, 0.66][:K])
    for (a, b), x in zip(((0, 1), (0, 2), (1, 2)), (-0.17, -0.12, -0.14)):
        if b < K:
            M[a, b] = M[b, a] = x
    return M
