r"""The steps of the replica-symmetric derivation, each produced from the one before by a rule.

s coupled replicas: s = n for storage, s = n + 1 with a Bayes-optimal teacher, who is one more replica of the same measure.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any

import numpy as np
import sympy as sp

from ..models import Discrete, Model, Spherical
from ..wide import Wide
from . import rs
from . import symbols as S
from .closed import close, written_out
from .derivation import Derivation
from .fluctuations import (
    branch_stability,
    branch_tolerance,
    four_replica_branches,
    four_replicas,
    pair_fluctuations,
    softest,
    stability,
)
from .functional import Functional, latex, split, tidy_algebra
from .nodes import Finite, Level, Tilt, linear
from .numeric import Symmetric, evaluate
from .replica_steps import (
    decouple_both,
    definition_of,
    differentiate,
    gaussian_weights,
    heat_equation,
    insert_ansatz,
    limit,
    local_integrals,
    overlaps,
    pattern_average,
    reduced,
    replicas,
)
from .wide_steps import bent_covariance, output_field
from .workshop import CURVATURE, DIFFERENCED, EXACT, Workshop, apart, difference, plain

SIZES = ((1,), (2,), (3,))
FLIPPED = r" $f_j=G(u_j)D_j/(\sqrt V\,Z)$: only $P_j$ depends on $\omega_j$, and $D_j$ is the difference that the sign of unit j makes."


def derive_rs(model: Model) -> Derivation:
    """The whole chain for a single-layer model or a tree of units."""
    w = Workshop(model, rs.functional(model), (S.q,), (S.q_hat,), (), SIZES)
    replicas(w)
    pattern_average(w)
    if isinstance(model, Wide):
        output_field(w)
    overlaps(w)
    decoupled = _decoupled(w)
    if w.teacher:
        _order_zero(w)
    free = _limit(w, decoupled)
    local_integrals(w)
    if w.units > 1:
        heat_equation(w)
    _eliminate(w, free)
    _saddle_point(w)
    _replicon(w)
    return Derivation(model, "rs", tuple(w.steps), w.functional)


def _decoupled(w: Workshop) -> sp.Expr:
    insert_ansatz(
        w,
        "Replica-symmetric ansatz",
        "All pairs of replicas are equivalent: Q_ab = q + (Q-q) delta_ab, conjugates q_hat - lambda delta_ab; the covariance "
        "of the output fields is structured alike, C(q) off the diagonal and C(Q) on it."
        if isinstance(w.model, Wide)
        else "All pairs of replicas are equivalent: Q_ab = q + (Q-q) delta_ab, conjugates q_hat - lambda delta_ab."
        if w.units == 1
        else "All branches are equivalent, and so are all pairs of replicas: $Q_{j,ab}=q+(Q-q)\\,\\delta_{ab}$ and conjugates "
        "$\\hat q-\\lambda\\,\\delta_{ab}$ in every branch $j$.",
        "Determinant (Q-q)^{s-1}(Q-q+sq) and inverse (Sherman-Morrison) of the structured matrix in closed form."
        + (
            " The K branches of N/K weights add up to the weights of one; the determinant counts once for each."
            if w.units > 1
            else ""
        ),
        "numerical trace, determinant and inverse of the explicit matrices, s = 1, 2, 3",
    )
    g, f = (definition_of(w.leaves[name]) for name in "gf")
    towers = decouple_both(
        w,
        (
            "A Gaussian field h = sqrt(q_hat) z couples all replicas of one site; given h they are independent.",
            rf"Hubbard-Stratonovich; one replica contributes ${g}$.",
            "brute-force sum or integral over s = 1, 2, 3 replicas",
        ),
        (
            "A Gaussian field omega = sqrt(C(q)) t is common to all replicas; the rest of each output field has variance C(Q) - C(q)."
            if isinstance(w.model, Wide)
            else "A Gaussian field omega = sqrt(q) t is common to all replicas; the rest of each field has variance Q - q."
            if w.units == 1
            else "Every branch has its own Gaussian field, common to all replicas, $\\omega_j=\\sqrt q\\,t_j$ with independent $t_j$; "
            "the rest of each unit's field has variance Q - q.",
            rf"Hubbard-Stratonovich, completion of the square in u_a and rescaling of t; all determinants cancel. ${f}$.",
            "brute-force integral over s = 1, 2, 3 replicas",
        ),
    )
    if not isinstance(w.model.weights, Spherical):
        return towers
    return gaussian_weights(
        w,
        towers,
        "On the sphere g = h^2/(2 lambda) - (log lambda + 1)/2, and the average over h is Gaussian.",
        "Gaussian integral of exp(s g(h)); the flat measure"
        "  dw/sqrt(2 pi e) is that of the sphere, whose norm lambda fixes (volume relative to the sphere W.W = N).",
        "quadrature over h with g integrated numerically, s = 1, 2, 3",
    )


def _limit(w: Workshop, decoupled: sp.Expr) -> sp.Expr:
    what = "n -> 0 with n + 1 coupled replicas" if w.teacher else "n -> 0"
    why = (
        "(1/n)[log Xi(n+1) - log Xi(1)]: averages become averages tilted by one replica, E[F e^f]/E[e^f]."
        if w.teacher
        else "(1/n) log E e^{nF} -> E F: power means become plain means."
    )
    statement = "The replica-symmetric free entropy, to be extremised over its order parameters."
    return limit(w, decoupled, f"The limit {what}", statement, why)


def _order_zero(w: Workshop) -> None:
    """A teacher alone: the terms of order n^0 fix the self-overlap and its multiplier."""
    if isinstance(w.model.weights, Spherical):
        expr: sp.Expr = sp.S.One

        def check(e: sp.Expr) -> tuple[float, float]:
            x = float(e)

            def direct(y: float) -> float:  # log Xi(1) of one sphere with conjugate -y on its norm
                return y / 2 + float(evaluate(w.leaves["g"].node(S.lam), {"h": np.zeros(1), "lambda": y}, w.leaves)[0])

            closed = x / 2 - 0.5 * math.log(x) - 0.5
            return abs(closed - direct(x)) + abs(difference(direct, x)), DIFFERENCED

        w.add(
            "The teacher alone",
            "At order n^0 only the norm of the teacher is fixed.",
            r"\lambda - \hat q",
            expr,
            "One replica alone labels every pattern with probability 1/2, so patterns drop out. "
            "Stationarity of log Xi(1) = x/2 + g(0, x) + const in x = lambda - q_hat.",
            check,
            "finite difference of the single-replica free entropy",
        )
        return
    weights = w.model.weights
    assert isinstance(weights, Discrete)
    expr = rs.self_overlap(w.model)

    def check_norm(e: sp.Expr) -> tuple[float, float]:
        # stationarity in Q gives x = 0; stationarity in x gives Q
        direct = lambda x: float(evaluate(w.leaves["g"].node(S.lam), {"h": np.zeros(1), "lambda": x}, w.leaves)[0])  # noqa: E731
        norm = float(w.env["Q"])
        return apart(float(e), -2 * difference(direct, 0.0, step=0.01 / norm), norm), DIFFERENCED

    w.add(
        "The teacher alone",
        "At order n^0 the teacher is free: lambda = q_hat, and the self-overlap is that of the weight set.",
        "Q",
        expr,
        "One replica alone labels every pattern with probability 1/2, whatever Q (kappa = 0), so patterns drop out. "
        "Stationarity of log Xi(1) = x Q/2 + log sum_w exp(-x w^2/2) + const "
        "in Q gives x = lambda - q_hat = 0, in x gives Q = E w^2.",
        check_norm,
        "finite difference of the single-replica free entropy",
    )


def _eliminate(w: Workshop, free: sp.Expr) -> None:
    """Conjugates that solve in closed form or drop out; the reduced functional is the one that is evaluated."""
    f = w.functional
    if f.eliminated and isinstance(w.model.weights, Spherical):
        for symbol, solution in f.eliminated.items():
            others = {k: v for k, v in f.eliminated.items() if k != symbol}

            def check(expr: sp.Expr, symbol: sp.Symbol = symbol, others: Any = others) -> tuple[float, float]:
                at = {"Q": 1.0, symbol.name: w.value(expr), **{k.name: w.value(v) for k, v in others.items()}}

                def along(name: str, y: float) -> float:
                    # with a teacher lambda - q_hat = 1 was fixed at order n^0: both move together
                    return w.value(free, **{**at, name: y, **({"lambda": 1 + y} if w.teacher else {})})

                moved = ["qhat"] if w.teacher else [x.name for x in f.eliminated]
                slopes = [abs(difference(partial(along, name), at[name])) for name in moved]
                return max([*slopes, abs(at["lambda"] - at["qhat"] - 1) if w.teacher else 0.0]), DIFFERENCED

            w.add(
                f"Eliminate {symbol.name.replace('qhat', 'q_hat')}",
                "The conjugates of the sphere solve in closed form (Q = 1).",
                latex(symbol),
                solution,
                "Stationarity of the free entropy in q_hat and lambda.",
                check,
                "finite differences of the free entropy vanish there",
            )
    reduced(w, free, f.expr, "This is the functional that is solved.")


def _saddle_point(w: Workshop) -> None:
    f = w.functional
    algebra, towers = split(f.expr)
    fields = "h = sqrt(q_hat) z, omega = sqrt(q) t; V = Q - q."
    heat = "d_V f = (f'' + f'^2)/2 and d_lambda g = -(g'' + g'^2)/2."
    if isinstance(w.model, Wide):
        fields = "h = sqrt(q_hat) z, omega = sqrt(C(q)) t; V = C(Q) - C(q)."
    if w.units > 1:
        fields = r"$h=\sqrt{\hat q}\,z$, $\omega_j=\sqrt q\,t_j$; $V=Q-q$. The K units contribute equally."
        heat = r"$f_V=\frac12\sum_j(f_{jj}+f_j^2)$, equal terms for all units, and $\partial_\lambda g=-\frac12(g''+g'^2)$."
    if w.teacher:
        fields += " The normalisations E e^f and E e^g of the teacher's tilt do not depend on q or q_hat: their derivatives vanish."
    for x in f.unknowns:
        raw = tidy_algebra(algebra.diff(x), f.norm) + linear(towers.diff(x))
        differentiate(w, x, raw, fields, heat)
    for equation in textbook_equations(f):
        _textbook(w, *equation)


def textbook_equations(
    f: Functional,
) -> list[tuple[sp.Symbol, sp.Symbol, sp.Expr, sp.Expr, tuple[sp.Symbol, ...]]]:
    """Each saddle-point equation solved for its conjugate: (symbol, right-hand side, coefficient, gradients summed)."""
    grad = f.grad()
    norm = f.norm if f.norm.is_Symbol else S.Q  # free, or prescribed
    out = []
    for x in f.unknowns:
        # sums of gradients in which E g'' (for q) or E f'^2 (for lambda) cancels
        summed = {S.Q: (S.Q, S.q), S.q_hat: (S.q_hat, S.lam) if S.lam in f.unknowns else (S.q_hat,)}.get(x, (x,))
        equation = linear(sp.expand(sp.Add(*(grad[y] for y in summed)), deep=False))
        algebra, towers = split(equation)
        algebra = sp.expand(algebra)
        target = {S.q: S.q_hat, S.q_hat: S.q, S.lam: norm, S.Q: S.lam}[x]
        if target not in f.unknowns and not algebra.has(target):  # sphere: the conjugate is gone, q itself stands in the algebra
            target = S.q
            coefficient = tidy_algebra(sp.cancel(algebra / S.q), f.norm)
            rhs = sp.Add(*(sp.factor(-1 / coefficient) * t for t in sp.Add.make_args(towers)))
        else:
            coefficient = algebra.diff(target)
            rhs = sp.expand(target - (algebra + towers) / coefficient)
        out.append((x, target, written_out(rhs, f), coefficient, summed))
    return out


def _textbook(
    w: Workshop,
    x: sp.Symbol,
    target: sp.Symbol,
    rhs: sp.Expr,
    coefficient: sp.Expr,
    summed: tuple[sp.Symbol, ...],
) -> None:
    f = w.functional

    def _moved(y: sp.Symbol, v: float) -> float:
        return w.value(f.expr, **{y.name: v})

    def check(expr: sp.Expr) -> tuple[float, float]:
        slope = sum(difference(partial(_moved, y), w.env[y.name]) for y in summed)
        predicted = w.env[target.name] - slope / w.value(coefficient)
        return apart(w.value(expr), predicted, w.unit(target)), DIFFERENCED

    of = " + ".join(f"d phi/d {plain(y)}" for y in summed)
    w.add(
        f"Saddle point: equation for {plain(target)}",
        "At the saddle point, with the local integrals written out,",
        latex(target),
        rhs,
        f"{of} = 0 solved for {plain(target)}." + (FLIPPED if rhs.has(Symmetric) else ""),
        check,
        "off the saddle, the residual equals the finite difference of the free entropy over the coefficient",
    )
    shifted = shift_tilt(rhs, w)
    if shifted != rhs:
        w.add(
            f"Saddle point: {plain(target)} with the teacher shown",
            "The tilt by one replica is a teacher weight w_0 that shifts the Gaussian field.",
            latex(target),
            shifted,
            "E[F(h) sum_w p e^{hw - q_hat w^2/2}] = sum_w p(w) E[F(h + q_hat w)], h of variance q_hat.",
            check,
            "off the saddle, the residual equals the finite difference of the free entropy over the coefficient",
        )


def shift_tilt(expr: sp.Expr, w: Workshop) -> sp.Expr:
    """Averages tilted by the weight leaf at power 1 as means over the teacher's weight and a shifted Gaussian."""
    weights = w.model.weights
    if not isinstance(weights, Discrete) or not w.teacher:
        return expr
    values = [rs.exact(v) for v in weights.values]
    mean = Level(
        0,
        Finite(values, [sp.Rational(1, len(values))] * len(values)),
        S.q_hat,
        sp.Symbol("w0", real=True),
        H0,
        0,
    )

    def change(node: sp.Expr) -> sp.Expr:
        if node.level.w[0] != S.h or node.level.power != 1:
            return node
        inner = Level(0, node.level.measure, node.level.L, node.level.z, node.level.w, H0)
        return Tilt(mean, 0, Tilt(inner, 0, node.obs))

    return expr.replace(lambda e: isinstance(e, Tilt) and e.level.w[0] == S.h, change)


H0 = sp.Symbol("h_0", real=True)


def _replicon(w: Workshop) -> None:
    """Quadratic fluctuations in the replicon directions."""
    f = w.functional
    by = "second finite difference of an explicit four-replica integral along a replicon direction, at s = 4"
    lam = f.eliminated.get(S.lam, S.lam)
    side = {
        "f": (rs.pattern_level(S.s, w.model), w.leaves["f"].node(rs.pattern_rest(w.model, f.norm))),
        "g": (rs.weight_level(S.s), w.leaves["g"].node(lam)),
    }

    def pair(name: str, fields: tuple[int, int], reference: Any, label: str = "", branches: str = "") -> sp.Expr:
        level, phi = side[name]
        first, second = (phi.raised(a) for a in fields)
        derivatives = (first, second, first.raised(fields[1]))
        tolerance = branch_tolerance(w) if branches else CURVATURE
        at = {"s": 4.0}
        return pair_fluctuations(
            w, name, partial(Tilt, level, phi), derivatives, reference, at, by, label, tolerance, branches
        )

    def brute(name: str) -> Any:
        return lru_cache(maxsize=1)(partial(four_replicas, w, name, side[name][1].V))

    def at_limit(e: sp.Expr) -> sp.Expr:
        return e.subs(S.s, w.base) if w.base else _at_zero(e)

    if w.units == 1:
        products = {name: pair(name, (0, 0), brute(name)) for name in "fg"}
        if isinstance(w.model, Wide):
            level, phi = side["f"]
            reference = lru_cache(maxsize=1)(partial(four_replicas, w, "f", phi.V, True))
            first = Tilt(level, phi, phi.raised(0) ** 2)
            products["f"] = bent_covariance(w, S.q, products["f"], first, reference, by, {"s": 4.0})
        stability(
            w,
            "Stability",
            "The replica-symmetric saddle is stable where the replicon eigenvalue is positive (de Almeida-Thouless).",
            r"\lambda_R",
            f.observables["replicon"],
            {name: at_limit(e) for name, e in products.items()},
        )
    else:
        references = [
            lru_cache(maxsize=1)(partial(four_replica_branches, w, f.norm - S.q, together))
            for together in (False, True)
        ]
        entries = (
            pair("f", (0, 0), references[0], " in one branch", "11"),
            pair("f", (0, 1), references[1], " in two branches", "12"),
        )
        softest(w, entries, tuple(references), {"s": 4.0})
        weights = pair("g", (0, 0), brute("g"))
        limits = (at_limit(entries[0]), at_limit(entries[1]))
        branch_stability(w, "Stability", r"\lambda_R", f.observables["replicon"], limits, at_limit(weights))
    replicon = f.observables["replicon"]
    closed = _closed_replicon(f)
    if closed is not None and closed != replicon:

        def same(expr: sp.Expr) -> tuple[float, float]:
            return abs(w.value(expr) - w.value(replicon)), EXACT * 100

        w.add(
            "Stability, written out",
            "With the local integrals in closed form,",
            r"\lambda_R",
            closed,
            "Closed forms of f'' and g''."
            if w.units == 1
            else r"$f_{jk}$ is the derivative of $f_j=G(u_j)D_j/(\sqrt V\,Z)$, with $\partial_kZ=G(u_k)D_k/\sqrt V$ and "
            r"$\partial_kD_j=G(u_k)D_{jk}/\sqrt V$ for $k\neq j$; closed form of $g''$.",
            same,
            "the leaves integrated numerically from their definitions",
        )


def _at_zero(expr: sp.Expr) -> sp.Expr:
    """A tilted average at power zero."""
    return expr.replace(lambda e: isinstance(e, Tilt), lambda e: Tilt(Level(0, *e.level.args[1:]), 0, e.obs))


def _closed_replicon(f: Functional) -> sp.Expr | None:
    if any(leaf.closed is None for leaf in f.leaves.values()):
        return None
    product = f.observables["replicon"] - 1
    return 1 + product.replace(lambda e: isinstance(e, Tilt), lambda e: close(e, f))


__all__ = ["derive_rs", "textbook_equations"]
