r"""The steps of the derivation of k-step replica symmetry breaking, each produced from the one before by a rule.

Replicas sit in nested blocks (`hierarchy`); one Gaussian a level decouples them, n -> 0 leaves a tower of power means. The
saddle-point equations come from the rules of replica symmetry, and are then read level by level (`rsb.Ladder`): what is
averaged inside a level is a field derivative of that level's own function f_j.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial

import numpy as np
import sympy as sp

from ..models import Model, Spherical
from ..wide import Wide
from . import symbols as S
from .closed import written_out
from .derivation import Derivation
from .fluctuations import four_blocks, level_functions, pair_fluctuations, stability
from .functional import latex, split
from .hierarchy import Hierarchical
from .nodes import Leaf, LogMean, Tilt, linear
from .numeric import Env, matrix
from .overlaps import BlockSquares, symmetric_sum
from .replica_steps import (
    SLOPE,
    decouple_both,
    derivative_of,
    differentiate,
    gaussian_weights,
    insert_ansatz,
    limit,
    local_integrals,
    overlaps,
    pattern_average,
    reduced,
    replicas,
    slope_check,
)
from .rsb import Broken, Ladder, conjugates, fluctuations, functional, parisi
from .rsb import overlaps as overlap_symbols
from .special import Between
from .towers import tower_value
from .wide_steps import bent_covariance, output_field
from .workshop import BLOCKS, CURVATURE, DIFFERENCED, EXACT, Sizes, Workshop, apart, difference, plain

LEVELS = (
    "omega_0 = sqrt(q_0) t_0, omega_j = omega_{j-1} + sqrt(q_j - q_{j-1}) t_j, h alike from the q_hat_j; V = Q - q_k."
)
HEAT = "d_V f = (f'' + f'^2)/2 and d_lambda g = -(g'' + g'^2)/2."


READABLE = (
    40  # operations in an equation with its local integrals written out; beyond, f' and g' are left to stand for them
)


class NestedWorkshop(Workshop):
    """The bench with a referee that tabulates the inner levels of a tower."""

    functional: Broken

    def __init__(self, model: Model, k: int):
        sizes = [(4,) * a + (2,) + (1,) * (k - a) for a in range(1, k + 1)]
        sizes += [(2,) + (1,) * k, (2,) * (k + 1), (1,) * (k + 1)]
        super().__init__(
            model, functional(model, k), overlap_symbols(k), conjugates(k), parisi(k), tuple(dict.fromkeys(sizes))
        )
        towers = [Ladder(x) for x in self.functional.expr.atoms(LogMean) if x.level.power == 0]
        self.plain = {x.leaf.name: x for x in sorted(towers, key=lambda x: x.leaf.name)}
        self.named = {name: Ladder(x.tower, named=True) for name, x in self.plain.items()}
        eigenvalues = Hierarchical(self.functional.norm, self.q, (sp.S.Zero, *self.m), named=True).eigenvalues[1:]
        self.sphere = isinstance(model.weights, Spherical)
        self.constant_norm = self.functional.eliminated.get(S.lam) == 0  # w^2 is the same for all weights
        self.eigenvalues = {x.args[1]: x for x in eigenvalues} if self.sphere else {}

    def evaluate(self, expr: sp.Expr, env: Env) -> float:
        return tower_value(expr, env, self.leaves)

    def eigen(self, expr: sp.Expr) -> sp.Expr:
        """The eigenvalues of the overlap matrix under their names; not inside the towers, where they are variances."""
        algebra, towers = split(expr)
        bare = algebra.xreplace({name: x for x, name in self.eigenvalues.items()})  # names do not nest
        return bare.xreplace(self.eigenvalues) + towers

    def show(self, expr: sp.Expr) -> sp.Expr:
        """Eigenvalues, functions and derivatives of the levels under their names."""
        algebra, towers = split(self.eigen(expr))
        for ladder in self.plain.values():
            towers = ladder.name(towers)
        return algebra + towers

    def slope(self, x: sp.Symbol) -> float:
        """Finite difference of the free entropy."""
        return difference(lambda y: self.value(self.functional.expr, **{x.name: y}), self.env[x.name])


def derive_rsb(model: Model, ansatz: str, k: int) -> Derivation:
    """The whole chain for k levels of breaking."""
    w = NestedWorkshop(model, k)
    replicas(w)
    pattern_average(w)
    if isinstance(model, Wide):
        output_field(w)
    overlaps(w)
    _matrices(w)
    decoupled = _decoupled(w)
    free = limit(
        w,
        decoupled,
        "The limit n -> 0",
        "The free entropy at fixed block sizes, which now lie between 0 and 1 in reversed order: 0 <= m_1 <= ... <= m_k <= 1.",
        "(1/n) log E e^{nF} -> E F for the outermost average; the power means inside keep their m_j.",
    )
    local_integrals(w)
    if w.sphere:
        _eliminate(w, free)
    reduced(w, free, w.eigen(w.functional.expr), "This is the functional that is solved.")
    _gradients(w)
    for m in w.m:
        _block_size(w, m)
    if k == 1:
        _complexity(w)
    for j in range(k):
        _curvatures(w, j)
    for j in range(k + 1):
        _replicon(w, j)
    return Derivation(model, ansatz, tuple(w.steps), w.functional, k)


# --- before the limit ----------------------------------------------------------------------------------------------


def _matrices(w: NestedWorkshop) -> None:
    """Closed forms of the hierarchical matrix in symbolic n and m_j."""

    def environment(sizes: Sizes) -> Env:
        return {"u": matrix(np.random.default_rng(sizes[0]).normal(size=sizes[0]))}

    def determinant(sizes: Sizes, env: Env) -> float:
        return float(np.linalg.slogdet(w.Q.explicit(sizes, env))[1])

    def form(sizes: Sizes, env: Env) -> float:
        u = np.asarray(env["u"])
        return float(u @ np.linalg.solve(np.asarray(w.Q.explicit(sizes, env)), u))

    def trace(sizes: Sizes, env: Env) -> float:
        return float(np.sum(np.asarray(w.Q.explicit(sizes, env)) * np.asarray(w.Qhat.explicit(sizes, env))))

    blocks = "n >= m_1" + "".join(f" >= {plain(m)}" for m in w.m[1:]) + " >= 1"
    w.add(
        "Hierarchical overlaps: determinant",
        f"Replicas in nested blocks of sizes {blocks}: Q on the diagonal, q_j for two replicas whose smallest common block "
        "has size m_j (m_0 = n). The eigenvalues L_j repeat n/m_{j+1} - n/m_j times, L_n once, so that",
        r"\log\det Q",
        w.Q.log_determinant(),
        "Vectors constant on blocks of size m_{j+1} that sum to zero on those of size m_j see one eigenvalue: "
        "L_{j-1} = L_j + m_j (q_j - q_{j-1}), from L_k = Q - q_k.",
        w.at_sizes(determinant, EXACT),
        f"numerical determinant, {w.tried}",
    )
    a, b = w.Q.inverse().quadratic_form()
    squares = [BlockSquares("u", size) for size in (sp.S.One, *w.Q.sizes)]
    w.add(
        "Hierarchical overlaps: inverse",
        "The inverse has the same blocks and the inverse eigenvalues; as a quadratic form",
        r"\sum_{ab} u_a (Q^{-1})_{ab} u_b",
        sp.Add(*(x * square for x, square in zip((a, *b), squares))),
        "m_j times a step of the inverse is 1/L_{j-1} - 1/L_j = -m_j (q_j - q_{j-1})/(L_{j-1} L_j).",
        w.at_sizes(form, EXACT, environment),
        f"numerical inverse between random vectors, {w.tried}",
    )
    w.add(
        "Hierarchical overlaps: trace",
        "The conjugates have the same blocks, q_hat_k - lambda on the diagonal. The trace is",
        latex(symmetric_sum("Q", "Qhat", w.size)),
        w.Q.trace_product(w.Qhat),
        "Each replica has m_j - m_{j+1} partners at overlap q_j (m_{k+1} = 1).",
        w.at_sizes(trace, EXACT),
        f"sum over the entries, {w.tried}",
    )


def _decoupled(w: NestedWorkshop) -> sp.Expr:
    insert_ansatz(
        w,
        "Hierarchical ansatz",
        "Overlaps and conjugates of this form are inserted; B runs over the blocks of the size given,",
        "Trace, determinant and inverse in closed form.",
        f"numerical trace, determinant and inverse of the explicit matrices, {w.tried}",
    )
    g, f = (w.leaves[name].definition for name in "gf")
    by = f"brute-force sum or integral over explicit replicas, {w.tried}"
    towers = decouple_both(
        w,
        (
            "Every block of every size gets a Gaussian: h_0 = sqrt(q_hat_0) z_0 is common to all replicas of a site, "
            "h_j = h_{j-1} + sqrt(q_hat_j - q_hat_{j-1}) z_j to those of a block of size m_j; given them, replicas are independent.",
            rf"Nested Hubbard-Stratonovich, one Gaussian a level; one replica contributes $g(h,\lambda) = {g}$.",
            by,
        ),
        (
            "The same for the local fields: omega_j = omega_{j-1} + sqrt(q_j - q_{j-1}) t_j is common to a block of size "
            "m_j, and Q - q_k is the variance left to each replica.",
            "Nested Hubbard-Stratonovich; squares are completed from the innermost level outwards, which rescales each "
            rf"Gaussian to the variance of its level, and all determinants cancel. $f(\omega,V) = {f}$.",
            by,
        ),
    )
    if not w.sphere:
        return towers
    return gaussian_weights(
        w,
        towers,
        "On the sphere g = h^2/(2 lambda) - (log lambda + 1)/2, and every level of the weights is a Gaussian integral.",
        "(1/m) log E exp(m h^2/(2l)) over h of variance c about h_0 is h_0^2/(2(l - mc)) - log(1 - mc/l)/(2m): each level "
        "takes m_j (q_hat_j - q_hat_{j-1}) off lambda.",
        f"quadrature over every level with g integrated numerically, {w.tried}",
    )


# --- after the limit -----------------------------------------------------------------------------------------------


def _eliminate(w: NestedWorkshop, free: sp.Expr) -> None:
    """The conjugates of the sphere in terms of the overlaps."""
    eliminated = w.functional.eliminated
    for symbol, solution in eliminated.items():

        def check(expr: sp.Expr, symbol: sp.Symbol = symbol) -> tuple[float, float]:
            at = {x.name: w.value(y) for x, y in eliminated.items()} | {symbol.name: w.value(expr)}

            def along(name: str, y: float) -> float:
                return w.value(free, **{**at, name: y})

            return max(abs(difference(partial(along, x.name), at[x.name])) for x in eliminated), DIFFERENCED

        w.add(
            f"Eliminate {plain(symbol)}",
            "The conjugates of the sphere solve in closed form (Q = 1).",
            latex(symbol),
            solution.xreplace(w.eigenvalues),
            "Stationarity in all conjugates: the conjugate matrix is minus the inverse of the overlap matrix, taken at n = 0 and read level by level.",
            check,
            "finite differences of the free entropy in every conjugate vanish there",
        )


def _gradients(w: NestedWorkshop) -> None:
    f = w.functional
    towers = split(f.expr)[1]
    for x in (x for x in f.unknowns if x not in w.m):
        algebra = split(f.grad()[x])[0]
        why = LEVELS
        if w.sphere:
            why += " The conjugates are stationary: only what depends explicitly on the overlap counts."
        differentiate(w, x, algebra + linear(towers.diff(x)), why, HEAT, w.show)
    for x in (x for x in f.unknowns if x not in w.m):
        _level_equation(w, x)


def _balance(w: NestedWorkshop, x: sp.Symbol, target: sp.Symbol) -> tuple[dict[sp.Symbol, sp.Expr], sp.Expr, sp.Expr]:
    """Gradients summed with their weights, their common factor, and rhs: the sum is factor (target - rhs)."""
    f, k = w.functional, w.k
    # gradients added so that the averages of second derivatives cancel: the multiplier of the norm acts on the diagonal
    weights: dict[sp.Symbol, sp.Expr] = {x: sp.S.One}
    if S.lam in f.unknowns and x == w.c[k]:
        weights[S.lam] = sp.S.One
    if x == S.Q:
        weights[w.q[k]] = 1 / (1 - w.m[k - 1])
    algebra: sp.Expr = sp.S.Zero
    averages: dict[sp.Expr, sp.Expr] = {}
    for y, c in weights.items():
        slope_algebra, towers = split(f.grad()[y])
        algebra += c * slope_algebra
        if w.constant_norm:
            more, towers = split(linear(_constant_norm(towers, f.norm)))
            algebra += c * more
        for average, coefficient in _collected(towers).items():
            averages[average] = averages.get(average, sp.S.Zero) + c * coefficient
    factor = sp.factor(sum(c * f.explicit.diff(y).diff(target) for y, c in weights.items()))
    rhs = sp.Add(*(sp.cancel(-c / factor) * t for t, c in averages.items()))
    if target not in f.eliminated:
        rhs += sp.cancel(target - algebra / factor)
    return weights, factor, rhs


def _level_equation(w: NestedWorkshop, x: sp.Symbol) -> None:
    """The gradient collected and factored, then solved for the conjugate order parameter."""
    f = w.functional
    target = {**dict(zip(w.q, w.c)), **dict(zip(w.c, w.q)), S.lam: S.Q, S.Q: S.lam}[x]
    weights, factor, rhs = _balance(w, x, target)
    known = f.eliminated.get(target, target)

    def slope(expr: sp.Expr) -> tuple[float, float]:
        total = sum(w.value(c) * w.slope(y) for y, c in weights.items())
        return apart(w.value(expr), total, 1 / w.unit(x)), DIFFERENCED

    def solved(expr: sp.Expr) -> tuple[float, float]:
        total = sum(w.value(c) * w.slope(y) for y, c in weights.items())
        predicted = w.value(known) - total / w.value(factor)
        return apart(w.value(expr), predicted, w.unit(target)), DIFFERENCED

    written = written_out(rhs, f)
    # closed forms of several terms are longer than the f' and g' they stand for; differences of tails vanish far out
    short = written != rhs and sp.count_ops(written) <= READABLE and not written.has(Between)
    factors = [x for x in (sp.Rational(1, 2), sp.expand(2 * factor)) if x != 1]
    name = plain(x)
    of = " + ".join((f"({c}) " if c != 1 else "") + f"d phi/d {plain(y)}" for y, c in weights.items())
    lhs = " + ".join((latex(c) if c != 1 else "") + derivative_of(y) for y, c in weights.items())
    norm = (
        " w^2 is constant: d_lambda g is too, and the heat equation gives g'' + g'^2 = w^2."
        if w.constant_norm and x in w.c
        else ""
    )
    w.add(
        f"d phi/d {name}: level by level",
        "Equal averages are collected; what is averaged inside a level is the derivative of its function.",
        lhs,
        sp.Mul(*factors, known.xreplace(w.eigenvalues) - w.show(rhs), evaluate=False),
        "f_j' = <f_{j+1}'>: the field derivative of a power mean is the tilted mean of the derivative." + norm,
        slope,
        SLOPE,
    )
    w.add(
        f"Saddle point: equation for {plain(target)}",
        "At the saddle point"
        + (f", {plain(target)} being the function of the overlaps found above" if w.sphere else "")
        + (", with the local integrals written out," if short else ","),
        latex(target),
        w.show(written if short else rhs),
        f"{of} = 0 solved for {plain(target)}.",
        solved,
        "off the saddle, the residual equals the finite difference of the free entropy over the coefficient",
    )


def _collected(towers: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """Coefficient of each different average."""
    out: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(towers, deep=False)):
        outside, inside = term.as_independent(Tilt, LogMean, Leaf, as_Add=False)
        out[inside] = out.get(inside, sp.S.Zero) + outside
    return out


def _constant_norm(expr: sp.Expr, norm: sp.Expr) -> sp.Expr:
    """g'' = w^2 - g'^2 where w^2 is the same for all weights."""

    def change(leaf: Leaf) -> sp.Expr:
        return norm - Leaf("g", -1, 1, 0, leaf.w, leaf.V) ** 2

    return expr.replace(lambda e: isinstance(e, Leaf) and e.name == "g" and e.k[0] == 2, change)


def _block_size(w: NestedWorkshop, m: sp.Symbol) -> None:
    w.add(
        f"d phi/d {plain(m)}",
        f"The block size {plain(m)} is an order parameter too.",
        derivative_of(m),
        w.show(sp.expand(w.eigen(w.functional.grad()[m]), deep=False)),
        "d/dm of (1/m) log E e^{m F} is (<F> - (1/m) log E e^{m F})/m."
        + (" The conjugates are stationary: only what depends explicitly on m counts." if w.sphere else ""),
        slope_check(w, m),
        SLOPE,
    )


def _complexity(w: NestedWorkshop) -> None:
    """The Legendre transform between m and the free entropy of one state."""
    f, (m,) = w.functional, w.m
    means = {x: Tilt(x.level, 0, x.phi) for x in f.expr.atoms(LogMean) if x.level.power == 0}
    slope = sp.expand(w.eigen(f.grad()[m]), deep=False)
    algebra, towers = split(w.eigen(f.expr).xreplace(means) + sp.expand(m * slope))
    state = sp.expand(algebra) + linear(towers)

    def within() -> float:
        return difference(lambda y: y * w.value(f.expr, m1=y), w.env["m1"])

    def check_state(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - within()), DIFFERENCED

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - w.env["m1"] * (w.value(f.expr) - within())), DIFFERENCED

    w.add(
        "Free entropy of a state",
        "m replicas in one block sit in one state: m phi(m) = max over s of Sigma(s) + m s, with e^{N Sigma(s)} states of "
        "free entropy N s. The states that dominate at m have",
        r"s = \frac{\partial\,(m_1\phi)}{\partial m_1}",
        w.show(state),
        "Legendre transform: the derivative of m phi at its maximum over s; the power means cancel.",
        check_state,
        "finite difference of m phi in m",
    )
    w.add(
        "Complexity",
        "Their number is e^{N Sigma}; Sigma = 0 where phi is stationary in m.",
        r"\Sigma = m_1(\phi - s) = -m_1^2\,\frac{\partial\phi}{\partial m_1}",
        w.show(sp.expand(-(m**2) * slope)),
        "Sigma = m phi - m s with s = phi + m d phi/d m: the observable `complexity` of the functional.",
        check,
        "m phi less m times the finite difference of m phi",
    )


# --- stability -----------------------------------------------------------------------------------------------------


def _curvatures(w: NestedWorkshop, j: int) -> None:
    """Second derivative of the functions that are not leaves, in terms of those inside."""
    for name, ladder in w.named.items():
        node = ladder.second[j]
        around = ladder.levels[j + 1].at[0]

        def check(expr: sp.Expr, name: str = name, around: sp.Symbol = around) -> tuple[float, float]:
            function = level_functions(w, name)[0][j]
            unit = math.sqrt(w.unit(S.Q if name == "f" else S.lam))
            at, step = 0.7 * unit, 0.05 * unit
            stencil = np.array([-1, 16, -30, 16, -1]) / (12 * step**2)
            second = float(stencil @ function(at + step * np.arange(-2, 3)))
            return apart(w.value(expr, **{around.name: at}), second, 1 / unit**2), CURVATURE

        w.add(
            f"Curvature of {name}_{j + 1}",
            "The function of a level obeys the heat equation of the leaf, d_C F = (F'' + m F'^2)/2 with C the variance of the "
            "level; its curvature in the field is",
            latex(node),
            node.args[1],
            "Derivative of f_j' = <f_{j+1}'>: the derivative of the tilt brings a variance of slopes.",
            check,
            "second finite difference of the recursion of power means computed numerically",
        )
    if w.sphere:
        _sphere_curvature(w, j)


def _sphere_curvature(w: NestedWorkshop, j: int) -> None:
    def check(expr: sp.Expr) -> tuple[float, float]:
        function = level_functions(w, "g")[0][j]
        x, step = 0.4, 0.2
        second = float(function(x + step) - 2 * function(x) + function(x - step)) / step**2
        return abs(w.value(expr) - second), DIFFERENCED

    w.add(
        f"Curvature of g_{j + 1}",
        "On the sphere every function of the weights is a parabola in the field, with curvature",
        f"g''_{{{j + 1}}}",
        list(w.eigenvalues.values())[j],
        "lambda less the m_i (q_hat_i - q_hat_{i-1}) of the levels inside is an eigenvalue of the inverse overlap matrix.",
        check,
        "second difference of the recursion of power means computed numerically",
    )


def _replicon(w: NestedWorkshop, j: int) -> None:
    """Fluctuations of q_j along a replicon direction between units: single replicas, or blocks that move as one."""
    k = w.k
    unit = sp.S.One if j == k else w.m[j]
    shared = f"q_{j}"
    label = f" at {shared}" + ("" if j == k else f", between blocks of {plain(unit)}")
    squares: dict[str, sp.Expr] = {}
    by = (
        "second finite difference, at n = 0, of the integral over four "
        + ("replicas" if j == k else "blocks")
        + " with the overlaps between them moved along a replicon direction"
    )
    averages: list[sp.Expr] = []
    for name, ladder in w.named.items():
        slope, curvature = ladder.first[j], ladder.second[j]
        squares[name] = pair_fluctuations(
            w,
            name,
            partial(ladder.mean, j),
            (unit * slope, unit * slope, unit * curvature),
            lru_cache(maxsize=1)(partial(four_blocks, w, name, j)),
            {},
            by,
            label,
            CURVATURE if j == k else BLOCKS,
        )
        averages.append(ladder.mean(j, curvature**2))
    if isinstance(w.model, Wide):
        ladder, q = w.named["f"], w.q[j]
        squares["f"] = bent_covariance(
            w,
            q,
            squares["f"],
            unit**2 * ladder.mean(j, ladder.first[j] ** 2),
            lru_cache(maxsize=1)(partial(four_blocks, w, "f", j, True)),
            by,
            {},
            label,
            CURVATURE if j == k else BLOCKS,
        )
        averages[list(w.named).index("f")] = fluctuations(w.model, ladder, q, j)
    if w.sphere:
        eigenvalue = list(w.eigenvalues.values())[j]
        squares["g"] = (unit * eigenvalue) ** 2
        averages.append(eigenvalue**2)
    what = {0: "between states", k: "inside the innermost states"}.get(j, f"at level {j}")
    stability(
        w,
        f"Stability {what}",
        f"The fluctuation of {shared} along replicon directions is stable where its eigenvalue is positive"
        + (": no further breaking inside." if j == k else "."),
        rf"\lambda_{{R,{j}}}",
        1 - S.alpha * sp.Mul(*averages),
        squares,
        unit**2,
    )


__all__ = ["derive_rsb"]
