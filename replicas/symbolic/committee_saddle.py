r"""Steps of the derivation of a fully connected committee after the limit n -> 0, and its saddle-point equations."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import sympy as sp

from . import committee as C
from . import symbols as S
from .committee_leaves import distinct
from .committee_local import heat_equations, local_integrals, pair_density
from .committee_steps import Bench
from .derivation import Checker
from .functional import latex, split
from .nodes import Leaf, Tilt, linear, stein
from .numeric import singled_out
from .replica_steps import SLOPE, derivative_of, slope_check
from .workshop import DIFFERENCED, EXACT, apart, difference, plain


def after_the_limit(w: Bench, free: sp.Expr) -> None:
    """All steps from the free entropy to the instability of the undecided state."""
    from .committee_specialisation import specialisation

    local_integrals(w)
    heat_equations(w)
    _eliminate(w, free)
    for x in w.functional.unknowns:
        _differentiate(w, x)
    equations = _equations(w)
    specialisation(w, equations)


def _eliminate(w: Bench, free: sp.Expr) -> None:
    f = w.functional
    values = {k.name: v for k, v in f.eliminated.items()}

    def conjugates(**moved: float) -> dict[str, float]:
        """The point where Lambda - q_hat = 1 with q_hat moved."""
        at = {x: moved.get(x, w.value(values[x])) for x in ("qhat", "qhat_c")}
        return {**at, "lambda": 1 + at["qhat"], "lambda_c": at["qhat_c"], "Q": 1.0}

    if w.sphere:
        for symbol in (S.q_hat, S.q_hat_c):
            other = S.q_hat_c if symbol == S.q_hat else S.q_hat

            def check(expr: sp.Expr, symbol: sp.Symbol = symbol, other: sp.Symbol = other) -> tuple[float, float]:
                here = {symbol.name: w.value(expr), other.name: w.value(values[other.name])}

                def along(name: str, y: float) -> float:
                    return w.value(free, **conjugates(**{**here, name: y}))

                slopes = [abs(difference(partial(along, x), here[x])) for x in here]
                return max(slopes), DIFFERENCED

            w.add(
                f"Eliminate {plain(symbol)}",
                r"The conjugates of the sphere solve in closed form: $\hat q=q(\mathbb{1}-q)^{-1}$ as matrices, "
                r"$\Lambda=\mathbb{1}+\hat q=(\mathbb{1}-q)^{-1}$.",
                latex(symbol),
                f.eliminated[symbol],
                r"Stationarity of $\frac1{2K}[\mathrm{tr}\,\hat q-\log\det(\mathbb{1}+\hat q)-\mathrm{tr}\,q\hat q]$, that is "
                r"$\mathbb{1}-(\mathbb{1}+\hat q)^{-1}=q$; "
                "matrices symmetric under permutations of the units commute.",
                check,
                "finite differences of the free entropy vanish there",
            )

    def same(expr: sp.Expr) -> tuple[float, float]:
        at = conjugates() if w.sphere else {"lambda": w.env["qhat"], "lambda_c": w.env["qhat_c"], "Q": float(f.norm)}
        return abs(w.value(expr, Q=at["Q"]) - w.value(free, **at)), EXACT

    text = (
        r"The conjugates found above are inserted: $\frac1{2K}[\mathrm{tr}\,q+\log\det(\mathbb{1}-q)]$ is the entropy of the overlaps."
        if w.sphere
        else r"$\Lambda=\hat q$, found for the teacher alone, is inserted: "
        r"$\phi=\frac1K\{\Psi_{\rm prior}(\hat q)-\frac12\mathrm{tr}\,q\hat q+\alpha K\Psi_{\rm out}(q)\}$."
    )
    w.add(
        "Reduced free entropy",
        "What is left to extremise.",
        r"\phi",
        f.expr,
        f"{text} This is the functional that is solved.",
        same,
        "the unreduced free entropy at the same point",
    )


def alike(expr: sp.Expr) -> sp.Expr:
    """Averages that differ by a permutation of the units, their normals included, become one."""

    def least(node: sp.Expr) -> sp.Expr:
        level, phi, obs = node.args
        if len(level.z) != len(level.w) or not level.exchangeable or any(leaf.w != level.w for leaf in obs.atoms(Leaf)):
            return node
        found, places = [], singled_out(obs, level)
        for order in itertools.permutations(range(len(places))):
            to = dict(zip(places, order))
            moved = obs.replace(lambda e: isinstance(e, Leaf), lambda leaf, to=to: leaf.moved(to))
            found.append(moved.xreplace({level.z[a]: level.z[b] for a, b in to.items()}))
        return Tilt(level, phi, min(found, key=sp.default_sort_key))

    return expr.replace(lambda e: isinstance(e, Tilt) and len(e.level.w) > 1, least)


def multiplied(expr: sp.Expr) -> sp.Expr:
    """Sums multiplied out, averages untouched: the roots of the factors cancel."""
    algebra, towers = split(expr)
    names = {x: sp.Dummy() for x in towers.atoms(Tilt)}
    return algebra + sp.expand(towers.xreplace(names)).xreplace({y: x for x, y in names.items()})


def _differentiate(w: Bench, x: sp.Symbol) -> None:
    """d phi/dx by chain rule, Stein's lemma and heat equation."""
    algebra, towers = split(w.functional.expr)
    raw = multiplied(sp.factor(algebra.diff(x)) + alike(linear(towers.diff(x))))
    without = multiplied(alike(linear(stein(raw))))
    name = plain(x)
    factor = r"\vec\omega=q^{1/2}\vec t" if x in (S.q, S.q_c) else r"\vec h=\hat q^{1/2}\vec z"
    roots = r"\sqrt{q+(K-1)q_c}" if x in (S.q, S.q_c) else r"\sqrt{\hat q+(K-1)\hat q_c}"
    second = r"$V=Q\,\mathbb{1}-q$" if x in (S.q, S.q_c) else r"$\Lambda=\hat q$"
    stages = (
        (
            "chain rule",
            f"Differentiate at fixed Gaussian variables; the fields depend on {name} through their factor, the leaves through their matrix.",
            raw,
            rf"${factor}$, a symmetric matrix with eigenvalues ${roots}$ and "
            + (r"$\sqrt{q-q_c}$; " if x in (S.q, S.q_c) else r"$\sqrt{\hat q-\hat q_c}$; ")
            + f"{second}. Averages that differ by a permutation of the units are equal, and the normalisations of the tilts do not "
            "depend on the overlaps.",
        ),
        (
            "Stein's lemma",
            "Gaussian integration by parts removes the explicit Gaussian variables.",
            without,
            "E[z_j F(z)] = E[d F/d z_j], with the derivative of the tilt included; the roots cancel.",
        ),
        (
            "heat equation",
            "Derivatives in the matrix become field derivatives, and terms cancel.",
            w.functional.grad()[x],
            r"$\partial_{V_{jj}}f=\frac12(f_{jj}+f_j^2)$ and $\partial_{V_{jk}}f=f_{jk}+f_jf_k$ for every label."
            if x in (S.q, S.q_c)
            else r"$\partial_{\Lambda_{jj}}g=-\frac12(g_{jj}+g_j^2)$ and $\partial_{\Lambda_{jk}}g=-(g_{jk}+g_jg_k)$.",
        ),
    )
    previous = None
    for rule, statement, expr, why in stages:
        if expr != previous:
            w.add(f"d phi/d {name}: {rule}", statement, derivative_of(x), expr, why, slope_check(w, x), SLOPE)
        previous = expr


Predictions = dict[sp.Symbol, Callable[[], float]]


def _equations(w: Bench) -> Predictions:
    """Each saddle-point equation solved for its conjugate; what finite differences predict for its right-hand side."""
    f, K = w.functional, w.K
    found: Predictions = {}
    conjugate = {S.q: S.q_hat, S.q_c: S.q_hat_c, S.q_hat: S.q, S.q_hat_c: S.q_c}
    solved = C.state_evolution(w.committee)
    for x in f.unknowns:
        target = conjugate[x]
        coefficient = -sp.Rational(1, 2) * (K - 1 if x in (S.q_c, S.q_hat_c) else 1)

        def predict(x: sp.Symbol, target: sp.Symbol, coefficient: sp.Expr) -> float:
            slope = difference(lambda y: w.value(f.expr, **{x.name: y}), w.env[x.name])
            return w.value(f.eliminated.get(target, target)) - slope / float(coefficient)

        predicted = found[target] = partial(predict, x, target, coefficient)

        def check(expr: sp.Expr, predicted: Callable[[], float] = predicted, unit: float = w.unit(target)) -> tuple[float, float]:
            return apart(w.value(expr), predicted(), unit), DIFFERENCED

        row = "11" if x in (S.q, S.q_hat) else "12"
        lhs = rf"\left[q(\mathbb{{1}}-q)^{{-1}}\right]_{{{row}}}" if w.sphere else latex(target)
        patterns = x in (S.q, S.q_c)
        w.add(
            f"Saddle point: equation for {plain(target)}",
            (
                r"At the saddle point $\hat q=\alpha K\sum_y\mathbb{E}\,Z_y\,\nabla f^y\,(\nabla f^y)^T$; its entry of "
                if patterns
                else r"At the saddle point $q=\mathbb{E}\,\langle\vec w\rangle\langle\vec w\rangle^T$; its entry of "
            )
            + ("one unit with itself is" if row == "11" else "two units is"),
            lhs,
            solved[target],
            f"d phi/d {plain(x)} = 0 solved for {plain(target)}."
            + (" A label has weight $Z_y$, its probability times the tilt." if patterns else "")
            + (r" $e^g$ sums over the weights $\vec w^\ast$ of the teacher, each of which shifts $\vec h$ by $\hat q\vec w^\ast$." if not patterns else ""),
            check,
            "off the saddle, the residual equals the finite difference of the free entropy over the coefficient",
        )
        if patterns and K == 2:
            _two_units(w, target, lhs, check)
    return found


def _two_units(w: Bench, target: sp.Symbol, lhs: str, check: Checker) -> None:
    """The equation with the elementary slopes of two units."""
    norm = w.functional.norm
    V, V_c, total = norm - S.q, -S.q_c, sp.S.Zero
    for name, many, _ in distinct(2):
        f = Leaf(name, 1, [0, 0], 0, S.fields(2), C.matrix(2, V, V_c))
        product = pair_density(name, V, V_c) * pair_density(name, V, V_c, 0 if target == S.q_hat else 1)
        total += 2 * many * S.alpha / V * Tilt(C.pattern_level(0, 2), 0, product * sp.exp(-f))
    w.add(
        f"Saddle point: equation for {plain(target)}, two units written out",
        r"With the slopes of two units, $\sum_y\mathbb{E}\,(\partial_jZ_y)(\partial_kZ_y)/Z_y$:",
        lhs,
        total,
        r"$V=Q-q$ and $V_c=-q_c$ in the slopes; $Z_y\,f^y_jf^y_k=(\partial_jZ_y)(\partial_kZ_y)\,e^{-f^y}$. The label -1 counts as +1.",
        check,
        "off the saddle, the residual equals the finite difference of the free entropy over the coefficient",
    )
