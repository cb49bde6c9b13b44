r"""Steps of the derivation of a fully connected committee after the limit n -> 0: local integrals, heat equations of matrices,
saddle point, and the instability by which the units specialise."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from . import committee as C
from . import symbols as S
from .closed import probability, unit_names
from .committee_integrals import direct
from .committee_steps import Bench
from .derivation import Checker
from .functional import latex, split
from .nodes import Gaussian, Leaf, Level, Tilt, linear, stein
from .numeric import Named, evaluate, singled_out, v_derivative
from .replica_steps import SLOPE, derivative_of, slope_check
from .special import G, H
from .workshop import DIFFERENCED, EXACT, difference, plain, richardson

GRIDS = 1e-9  # two quadratures of the same integral over the fields
EXTRAPOLATED = 1e-6  # of a slope at q_- = 0, from one side: Richardson extrapolation of averages over grids
UNDECIDED = 0.55  # q K at the check point of undecided units, whose sum has overlap q K < 1
STEPS = [0.06 * 0.5**k for k in range(6)]  # of that extrapolation, in units of q

POINTS = np.array([-1.3, 0.4, 2.1])  # fields at which local expressions are compared


def after_the_limit(w: Bench, free: sp.Expr) -> None:
    _local_integrals(w)
    _heat(w)
    _eliminate(w, free)
    for x in w.functional.unknowns:
        _differentiate(w, x)
    equations = _equations(w)
    _specialisation(w, equations)


def point(w: Bench, fields: tuple[sp.Symbol, ...]) -> dict[str, np.ndarray]:
    """Three generic points in the fields."""
    return {x.name: np.roll(POINTS, a) + 0.23 * a for a, x in enumerate(fields)}


def greatest(x: Any) -> float:
    return float(np.max(np.abs(x)))


# --- local integrals -------------------------------------------------------------------------------------------------


def _local_integrals(w: Bench) -> None:
    if not w.sphere:
        _weights_closed(w)
    for name, _, _ in C.distinct(w.K):
        _common_field(w, name)
    if w.K == 2:
        for name, _, _ in C.distinct(w.K):
            _pair_slope(w, name)


def _weights_closed(w: Bench) -> None:
    g = w.leaf("g")
    at = point(w, S.weight_fields(w.K))

    def against(opaque: sp.Expr) -> Checker:
        def check(expr: sp.Expr) -> tuple[float, float]:
            return greatest(w_evaluate(w, expr, at) - w_evaluate(w, opaque, at)), EXACT

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
    # w^2 = 1: the multiplier of the norm cancels
    top, bottom = (sp.powsimp(sp.expand(x * sp.exp(S.lam * w.K / 2))) for x in sp.fraction(sp.together(leaf.derivative(first))))
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


def _heat(w: Bench) -> None:
    names = [n for n, _, _ in C.distinct(w.K)][:1] + ([] if w.sphere else ["g"])
    for name, (a, b) in itertools.product(names, ((0, 0), (0, 1))):
        _heat_entry(w, name, a, b)


def _heat_entry(w: Bench, name: str, a: int, b: int) -> None:
    leaf: Any = w.leaves[name]
    f = leaf.node(leaf.generic)
    where, M = point(w, leaf.fields), generic_matrix(w.K)
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
            targets.append(np.array([v_derivative(partial(value, i), M[a, b]) for i in range(len(POINTS))]))
        return greatest(w_evaluate(w, expr, {**where, **names}) - targets[0]), DIFFERENCED

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


# --- saddle point ----------------------------------------------------------------------------------------------------


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

        def check(expr: sp.Expr, predicted: Callable[[], float] = predicted) -> tuple[float, float]:
            return abs(w.value(expr) - predicted()) / max(1.0, abs(predicted())), DIFFERENCED

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
    for name, many, _ in C.distinct(2):
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


# --- specialisation --------------------------------------------------------------------------------------------------


def relative(w: Bench, side: str) -> sp.Expr:
    """q_hat - q_hat_c, or q - q_c, at the saddle: half the mean square of the difference of two slopes."""
    K, level, names = w.K, C.pattern_level(1, w.K), C.distinct(w.K)
    V = C.matrix(K, w.functional.norm - S.q, -S.q_c)
    if side == "g":
        level, names, V = C.weight_level(1, K), (("g", 1, sp.S.One),), C.matrix(K, S.q_hat, S.q_hat_c)
    total = sp.S.Zero
    for name, many, p in names:
        f = Leaf(name, 1 if side == "f" else -1, [0] * K, 0, level.w, V)
        front = S.alpha * K * many * p if side == "f" else sp.S.One
        total += front / 2 * Tilt(level, f, sp.Mul(*[sp.Add(f.raised(0), -f.raised(1))] * 2))
    return total


def _specialisation(w: Bench, equations: Predictions) -> None:
    K, f = w.K, w.functional
    q = UNDECIDED / K * float(f.norm)
    undecided = {"q": q, "q_c": q, "qhat": w.env["qhat"], "qhat_c": w.env["qhat"]}
    patterns = relative(w, "f")

    def gap(expr: sp.Expr, x: sp.Symbol, x_c: sp.Symbol) -> tuple[float, float]:
        target = equations[x]() - equations[x_c]()
        return abs(w.value(expr) - target) + abs(w.value(expr, **undecided)), DIFFERENCED

    lhs = r"\hat q_-=\left[q(\mathbb{1}-q)^{-1}\right]_{11}-\left[q(\mathbb{1}-q)^{-1}\right]_{12}" if w.sphere else r"\hat q_-=\hat q-\hat q_c"
    w.add(
        "Differences of units",
        r"The difference of the two equations is that of the part $\hat q_-$ in which units differ. It is never negative and vanishes where "
        r"$q_-=q-q_c=0$: the state in which the units are not told apart solves the equations at every load.",
        lhs,
        patterns,
        r"$\langle f_1^2\rangle-\langle f_1f_2\rangle=\frac12\langle(f_1-f_2)^2\rangle$ by exchange of the units; at $q_-=0$ all $\omega_j$ are "
        "equal and so are the slopes, f being symmetric.",
        lambda e: gap(e, S.q_hat, S.q_hat_c),
        "the difference of two finite differences of the free entropy, and zero at q_c = q",
    )

    def slope(side: str) -> float:
        expr, diagonal, off = (patterns, "q", "q_c") if side == "f" else (relative(w, "g"), "qhat", "qhat_c")
        unit = undecided[diagonal]
        return richardson([w.value(expr, **{**undecided, off: unit * (1 - h)}) / (unit * h) for h in STEPS])

    memory: dict[str, float] = {}

    def numeric(side: str) -> float:
        if side not in memory:
            memory[side] = slope(side)
        return memory[side]

    def at_zero(side: str, expr: sp.Expr) -> tuple[float, float]:
        target = numeric(side)
        return abs(w.value(expr, **undecided) - target) / max(1.0, abs(target)), EXTRAPOLATED

    why = (
        r"For Bayes-optimal students $\delta\hat q=\alpha K\sum_y\mathbb{E}\,Z_y\,(\nabla\nabla f^y)\,\delta q\,(\nabla\nabla f^y)$: derivatives of "
        r"$\mathbb{E}\,Z\,\nabla f\,\nabla f^T$ by Stein's lemma and heat equation. At $q_-=0$ all fields are equal and $\nabla\nabla f$ acts on "
        r"differences of units as the number $f_{11}-f_{12}$."
    )
    w.add(
        "Response of the patterns to a difference of units",
        r"Around the undecided state, with equal fields $\omega_j=\sqrt q\,t$ of all units, to first order in $q_-$:",
        r"\left.\frac{d\hat q_-}{dq_-}\right|_{q_-=0}",
        sp.Add(*(S.alpha * t for t in sp.Add.make_args(C.response(K, f.norm)))),
        why,
        partial(at_zero, "f"),
        "one-sided differences of the equation for q_hat - q_hat_c, extrapolated to q_c = q",
    )
    if not w.sphere:
        w.add(
            "Response of the weights to a difference of units",
            r"Likewise, with equal fields $h_j=\sqrt{\hat q}\,z$:",
            r"\left.\frac{dq_-}{d\hat q_-}\right|_{\hat q_-=0}",
            C.weight_response(w.committee),
            r"The same rule for g; $g_{11}-g_{12}$ is the variance of $w_1$ less its covariance with $w_2$.",
            partial(at_zero, "g"),
            "one-sided differences of the equation for q - q_c, extrapolated to q_hat_c = q_hat",
        )

    def product(expr: sp.Expr) -> tuple[float, float]:
        weights = 1.0 if w.sphere else numeric("g")
        return abs(w.value(expr, **undecided) - (1 - numeric("f") * weights)), EXTRAPOLATED * 10

    w.add(
        "Instability of the undecided state",
        "The undecided state is stable against a difference of the units, the start of specialisation, while this eigenvalue is positive:",
        r"\lambda_-",
        f.observables["specialisation"],
        r"A small $q_-$ grows under $q_-\to\hat q_-\to q_-$ where the product of the two responses exceeds one"
        + (r"; $q_-=\hat q_-/(1+\hat q_-)$ responds with one." if w.sphere else ".")
        + r" The differences of K units form one representation of their permutations, so all of them grow alike. A specialised state "
        "may appear, and win, before: then the transition is of first order and this is only where the undecided state ends.",
        product,
        "one less the product of the extrapolated responses",
    )
