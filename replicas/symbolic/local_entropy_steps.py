r"""The derivation of the local entropy: groups of one reference and y solutions, decoupled, n -> 0 groups, then any y.

Before the limit every expression is held against brute force over explicit groups, for whole n and y: enumeration of the
weights, product grids over the fields of a pattern. The limit is held against extrapolation in n, the equations against finite
differences of the free entropy, the reductions (y = 1 and y = 0) and the limit y -> inf against the functional itself.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from ..models import Model
from . import local_entropy as L
from . import symbols as S
from .derivation import Derivation
from .functional import latex
from .leaves import pattern_leaf
from .local_entropy_groups import GroupFields, GroupSum, GroupWorkshop, enumerated, explicit, members, pattern_integral
from .local_entropy_limits import limit as infinite
from .local_entropy_referee import number
from .nodes import Leaf, Level, LogMean
from .numeric import Z_NODES, Z_WEIGHTS, Env, evaluate, matrix
from .overlaps import Moment
from .replica_steps import SLOPE, definition_of, derivative_of, local_integrals, points
from .workshop import BRUTE_FORCE, DIFFERENCED, EXACT, EXTRAPOLATED, TILTED, apart, plain, richardson

REFEREE = 2e-8  # two fields outside, on the referee's grids
LARGE_Y = (50, 100, 200, 400, 800, 1600)
FLIPS = 2e-4  # the limit y -> inf over two coupled fields: flips of the reference cut their grid, half-integer powers are fitted
DISTANCE = 1e-9  # extrapolation in 1/y of the smooth corrections


# --- steps ---------------------------------------------------------------------------------------------------------


def derive_local_entropy(model: Model, reference: str = "unconstrained") -> Derivation:
    """The whole chain; a constrained reference for storage only."""
    L.check_model(model, reference)
    if reference == "constrained" and model.teacher:
        raise ValueError("task: got teacher-student with a constrained reference; its derivation takes storage")
    w = GroupWorkshop(model, reference)
    _replicas(w)
    _pattern_average(w)
    inserted = _ansatz(w)
    decoupled = _decoupled(w, inserted)
    _limit(w, decoupled)
    local_integrals(w)
    _heat(w)
    _saddle(w)
    _entropies(w)
    if w.bound:
        _no_solutions(w)
    else:
        _one_replica(w)
    if not w.bound or (model.likelihood == "threshold" and model.beta is None):
        _infinite(w, reference)
    return Derivation(model, "rs", tuple(w.steps), w.functional, 0, "local-entropy", reference)


def _replicas(w: GroupWorkshop) -> None:
    rng = np.random.default_rng(7)
    counts = rng.integers(1, 9, size=(9, 5)).astype(float)  # solutions around each of five references, nine instances
    toy = np.log((counts ** w.env["y"]).sum(axis=1))
    exact = float(toy.mean())

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(richardson([w.value(expr, n=0.05 * 0.5**k, toy=matrix(toy)) for k in range(6)]) - exact), EXTRAPOLATED

    theta = r"\prod_\mu\tilde\Theta(\tilde u^\mu)\," if w.bound else ""
    w.add(
        "Groups of replicas",
        "References w~ are weighted by the number of solutions at distance d (overlap p = 1 - 2d) to the power y: "
        rf"$Z(y)=\sum_{{\tilde w}}{theta}\mathcal N(\tilde w,d)^y$, $\mathcal N=\sum_w\prod_\mu\Theta(u^\mu)\,\delta(w\cdot\tilde w-Np)$. "
        "For whole y, Z^n is a sum over n groups of one reference and y solutions; y large selects the densest regions.",
        r"\phi = \lim_{n\to0}\ \frac1N\left\{\cdot\right\},\quad \left\{\cdot\right\}",
        Moment(S.n) / S.n,
        "The logarithm is the derivative of a power at zero. "
        + ("The labels come from a teacher, whose patterns the average is over." if w.teacher else "Patterns are random."),
        check,
        "nine instances with five references: extrapolation n -> 0 of the moments of sum N^y against the mean logarithm",
    )


def _pattern_average(w: GroupWorkshop) -> None:
    a, b = sp.symbols("a b", integer=True, positive=True)
    s, Q = sp.IndexedBase("s"), sp.IndexedBase("Q")
    count = S.n * (L.y + int(w.bound))
    expr = -sp.Sum(s[a] * Q[a, b] * s[b], (a, 1, count), (b, 1, count)) / 2
    targets: dict[tuple[int, int], float] = {}

    def check(expr: sp.Expr) -> tuple[float, float]:
        worst = 0.0
        for n, y in w.groups:
            size = n * (y + int(w.bound))
            rng = np.random.default_rng(size)
            sites, couplings = rng.normal(size=(size, 5)), rng.normal(size=size)
            if (n, y) not in targets:
                each = couplings @ sites / math.sqrt(5)
                targets[n, y] = float(sum(math.log(float(Z_WEIGHTS @ np.cos(c * Z_NODES))) for c in each))
            env = {**w.env, "n": n, "y": y, "s": matrix(couplings), "Q": matrix(sites @ sites.T / 5)}
            worst = max(worst, abs(float(evaluate(expr, env, w.leaves)) - targets[n, y]))
        return worst, EXACT

    who = "references and solutions" if w.bound else "solutions; the reference sees no pattern"
    w.add(
        "Average over the patterns",
        "Given the weights, the local fields of one pattern are jointly Gaussian with the overlaps as covariance: those of "
        f"{who}.",
        r"\log\mathbb{E}_\xi\, e^{i\sum_a s_a u_a}",
        expr,
        "Sums of independent components of zero mean and unit variance."
        + (" The teacher's field has overlap R with every solution's." if w.teacher else ""),
        check,
        f"product over 5 sites of one-dimensional averages, {w.tried}",
    )


def _ansatz(w: GroupWorkshop) -> sp.Expr:
    n, y = S.n, L.y
    terms = [
        -n * y * L.p_hat * L.p,
        -n * y * (y - 1) / 2 * L.q1_hat * L.q1,
        -n * (n - 1) * y**2 / 2 * L.q0_hat * L.q0,
    ]
    if w.bound:
        terms += [-n * (n - 1) / 2 * L.q_ref_hat * L.q_ref, -n * (n - 1) * y * L.t_hat * L.t]
    if w.teacher:
        terms.append(-n * y * L.R_hat * L.R)
    sums, fields = GroupSum(w.bound, w.teacher), GroupFields(w.bound, w.teacher)
    expr = sp.Add(*terms) + sums + S.alpha * fields

    def reference(n: int, y: int, env: Env) -> float:
        Q = explicit(n, y, env, "", w.bound, True)
        hat = explicit(n, y, env, "hat", w.bound, True)
        trace = 0.5 * float((Q * hat).sum())
        solution = np.array([0.0 if ref else 1.0 for _, ref in members(n, y, True)])
        field = env["Rhat"] * solution if w.teacher else 0.0 * solution
        if w.teacher:
            trace += env["Rhat"] * env["R"] * float(solution.sum())
        return enumerated(hat, field) - trace + env["alpha"] * pattern_integral(n, y, env, w.leaves, w.bound, w.teacher)

    text = "q_1 between solutions of one group, q_0 of different groups, p between a reference and its solutions"
    if w.bound:
        text += ", t and those of other groups, q~ between references"
    if w.teacher:
        text += ", R with the teacher"
    return w.add(
        "Overlaps and ansatz",
        f"Conjugates fix the overlaps and decouple sites and patterns; symmetric groups have {text}.",
        w.moment,
        expr,
        "y(y-1)/2 pairs inside a group, y^2 between each two of the n(n-1)/2 pairs of groups"
        + (", y pairs of a reference with the solutions of each other group." if w.bound else "."),
        w.at_groups(reference, EXACT),
        f"explicit matrices, entry by entry: trace, enumeration of the weights, grid over the fields; {w.tried}",
    )


def _decoupled(w: GroupWorkshop, inserted: sp.Expr) -> sp.Expr:
    weights = L.constrained_weights(w.model)[0] if w.bound else L.weight_tower(w.model)[0]
    (node,) = (x for x in weights.atoms(LogMean) if x.level.power == 0)
    inner = node.phi if w.bound else L.y * node.phi
    one = S.n * LogMean(Level(S.n, *node.level.args[1:]), inner) + S.n * sp.log(2)
    one -= S.n * L.y * L.q1_hat / 2 + (S.n * L.q_ref_hat / 2 if w.bound else 0)
    middle = inserted.subs(GroupSum(w.bound, w.teacher), one)
    coupled = "One normal z_0 is common to all groups" if not w.bound else "Two coupled normals are common to all groups"
    w.add(
        "Decouple the weights",
        f"{coupled}, one eta to the solutions of each; given them the weights are independent. Diagonal terms leave constants, "
        + (
            "and the reference feels h~ and shifts the field of its solutions: h_1 = h_0 +- (p_hat - t_hat), weights 1/2, times 2."
            if w.bound
            else "and the reference shifts the field of its solutions by p_hat w~: h_1 = h_0 +- p_hat with equal weights 1/2, times 2."
        ),
        w.moment,
        middle,
        "Squares of the sums over all replicas and over each group, each linearised by a Gaussian (Hubbard-Stratonovich).",
        w.at_groups(lambda n, y, env: w.evaluate(inserted, env), REFEREE if w.bound else TILTED),
        f"enumeration of the weights, {w.tried}",
    )
    tower = L.constrained_patterns(w.model) if w.bound else L.pattern_tower(w.model)
    if w.bound:
        pattern = S.n * LogMean(Level(S.n, *tower.level.args[1:]), tower.phi)
    elif w.teacher:
        pattern = sp.log(2) + LogMean(tower.level, tower.phi + S.n * L.y * tower.obs)
    else:
        pattern = S.n * LogMean(Level(S.n, *tower.level.args[1:]), L.y * tower.phi)
    terms = (t.subs(GroupFields(w.bound, w.teacher), pattern) for t in sp.Add.make_args(middle))
    after = sp.Add(*(sp.expand(t, deep=False) for t in terms))
    shift = " One normal t_1 shifts both fields of a group: the reference's by (p - t)/sqrt(q_1 - q_0)." if w.bound else ""
    label = " The teacher's field is Gaussian given omega_0, with mean R t_0/sqrt(q_0); its sign is the label." if w.teacher else ""
    w.add(
        "Decouple the patterns",
        "The same for the fields: omega_0 is common to all groups, omega_1 to the solutions of one, 1 - q_1 is left to each."
        + shift
        + label,
        w.moment,
        after,
        "A Gaussian vector of this covariance is a sum of independent ones, level by level.",
        w.at_groups(lambda n, y, env: w.evaluate(middle, env), BRUTE_FORCE),
        f"product grid over the fields of all groups, {w.tried}",
    )
    return after


def _limit(w: GroupWorkshop, decoupled: sp.Expr) -> None:
    def check(expr: sp.Expr) -> tuple[float, float]:
        values = [w.value(decoupled, n=h) / h for h in (0.08 * 0.5**k for k in range(6))]
        return abs(w.value(expr) - richardson(values)), EXTRAPOLATED * 10

    w.add(
        "The limit n -> 0",
        "The large-deviation function of the local entropy, at any real y > 0.",
        r"\phi(y)",
        w.functional.expr,
        "(1/n) log E e^{nF} -> E F for the outermost average"
        + (", in the measure of the teacher's label;" if w.teacher else ";")
        + " the power means inside keep their y. n(n-1)/n -> -1.",
        check,
        "Richardson extrapolation of small n",
    )


def _heat(w: GroupWorkshop) -> None:
    for leaf in (w.leaves["f"], w.leaves["g"]):
        node, grid = leaf.node(leaf.variable), points(w, leaf)

        def check(expr: sp.Expr, node: Leaf = node, grid: Any = grid) -> tuple[float, float]:
            fields, variance = (np.asarray(evaluate(e, {**w.env, **grid}, w.leaves)) for e in (expr, node.raised(None)))
            return float(np.max(np.abs(fields - variance))), DIFFERENCED

        first = node.raised(0)
        side = "variance of a field" if leaf.sign > 0 else "multiplier of w^2"
        w.add(
            f"Heat equation of {leaf.name}",
            f"The {side} acts as a second derivative"
            + (", and f = log Z:" if leaf.sign > 0 else "; for w^2 = 1 both sides are -1/2, so g'' = 1 - g'^2."),
            rf"\partial_{{{latex(leaf.variable)}}} {leaf.name}",
            sp.Mul(sp.Rational(leaf.sign, 2), sp.Add(first.raised(0), first**2), evaluate=False),
            "e^f is a Gaussian average: its derivative in the variance is half its second derivative; divide by e^f."
            if leaf.sign > 0
            else rf"${definition_of(leaf)}$: differentiate under the sum.",
            check,
            "finite difference in the variance against cumulants integrated from the definition",
        )


EQUATIONS = {
    "q1": "q_1 is the mean square of g' in the measure of a group,",
    "q0": "q_0 is the square of its mean in a group,",
    "p": "and p the correlation of g' with the reference: this fixes p_hat,",
}


def spoken(x: sp.Symbol) -> str:
    """A symbol as the prose writes it: q~_hat, p_hat, q_1."""
    return "t_hat" if x == L.t_hat else plain(x).replace("phat", "p_hat").replace("tilde", "~")


def _saddle(w: GroupWorkshop) -> None:
    f = w.functional
    for x, target in f.conjugate.items():
        if x == L.p:
            continue
        gradient, solved = f.grad()[x], f.saddle[target]
        factor = _coefficient(f, x, target)

        def slope(expr: sp.Expr, x: sp.Symbol = x) -> tuple[float, float]:
            return apart(w.value(expr), w.slope(x)), DIFFERENCED

        def right(expr: sp.Expr, x: sp.Symbol = x, target: sp.Symbol = target, factor: sp.Expr = factor) -> tuple[float, float]:
            return abs(w.value(expr) - w.value(target) + w.slope(x) / w.value(factor)), DIFFERENCED

        w.add(
            f"d phi/d {spoken(x)}",
            "Chain rule, Stein's lemma and heat equation: derivatives of variances become those of fields, and terms cancel.",
            derivative_of(x),
            gradient,
            "E[z F(z)] = E[F'(z)] with the tilt of every level included; the two values of w~ are differentiated as they stand.",
            slope,
            SLOPE,
        )
        w.add(
            f"Saddle point: equation for {spoken(target)}",
            f"At the saddle point, {EQUATIONS.get(target.name, '')} with the averages of each level nested,".replace(",  with", " with"),
            latex(target),
            solved,
            f"d phi/d {spoken(x)} = 0 solved for {spoken(target)}.",
            right,
            "off the saddle, the residual equals the finite difference of the free entropy over the coefficient",
        )


def _coefficient(f: L.Local, x: sp.Symbol, target: sp.Symbol) -> sp.Expr:
    from .functional import split

    return split(f.grad()[x])[0].diff(target)


def _entropies(w: GroupWorkshop) -> None:
    f = w.functional

    @lru_cache(maxsize=1)
    def by_y() -> float:
        return w.slope(L.y)

    def internal(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - by_y()), DIFFERENCED

    def external(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - w.value(f.expr) + w.env["y"] * by_y()), DIFFERENCED

    def along(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - w.slope(L.p)), DIFFERENCED

    w.add(
        "Local entropy",
        "The logarithm of the number of solutions around the references that dominate at y, per weight:",
        r"S_I = \frac{\partial\phi}{\partial y}",
        f.observables["local_entropy"],
        "Z(y) = sum of e^{y N S} over references: the slope in y is the typical S. Order parameters are stationary.",
        internal,
        "finite difference of phi in y",
    )
    w.add(
        "External entropy",
        "The logarithm of the number of such references; beyond S_E = 0 there are none, which bounds y.",
        r"S_E = \phi - y S_I",
        f.observables["external_entropy"],
        "Legendre transform: phi(y) = max over S of S_E(S) + y S.",
        external,
        "phi less y times its finite difference",
    )
    w.add(
        "Dependence on the distance",
        "d phi/dd = -2 d phi/dp, with p = 1 - 2d.",
        derivative_of(L.p),
        f.observables["slope"],
        "Only what depends explicitly on p counts"
        + (": its multiplier, and the covariance of the fields of a group." if w.bound else ": its multiplier."),
        along,
        SLOPE,
    )


def _one_replica(w: GroupWorkshop) -> None:
    f = w.functional
    outer = Level(0, L.Gaussian(), sp.sqrt(L.q0_hat), L.z0, L.h0, L.R_hat if w.teacher else 0)
    weights = LogMean(outer, Leaf("g", -1, 0, 0, L.h0, sp.S.Zero))
    fields = Level(0, L.Gaussian(), sp.sqrt(L.q0), L.t0, L.omega0, 0)
    patterns = L.averaged(w.model, fields, Leaf("f", pattern_leaf(w.model).sign, 0, 0, L.omega0, 1 - L.q0), [L.R])
    algebra = -L.q0_hat * (1 - L.q0) / 2 - L.p_hat * L.p - (L.R_hat * L.R if w.teacher else 0)
    expr = algebra + sp.log(2 * sp.cosh(L.p_hat)) + weights + S.alpha * patterns

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - w.value(f.expr, y=1.0)), EXACT

    w.add(
        "One solution a group",
        "At y = 1 the levels inside a group merge with the leaves, and q_1 drops out: the free entropy of solutions, and a "
        "reference that follows its solution.",
        r"\phi(1)",
        expr,
        "E e^{g(h + sqrt(c) eta)} = e^{g(h)} e^{c/2}, and the same for f with its variance; sum over w~ of e^{p_hat w~ w} = 2 cosh(p_hat).",
        check,
        "the functional at y = 1",
    )
    entropy = -(1 - L.p) / 2 * sp.log((1 - L.p) / 2) - (1 + L.p) / 2 * sp.log((1 + L.p) / 2)

    def reference(expr: sp.Expr) -> tuple[float, float]:
        from scipy.optimize import minimize_scalar

        found = minimize_scalar(lambda x: math.log(2 * math.cosh(x)) - x * w.env["p"], bracket=(0.0, 1.0), tol=1e-12)
        return abs(w.value(expr) - float(found.fun)), EXACT

    w.add(
        "Entropy of the reference",
        "At the saddle point in p_hat the reference adds the number of configurations at distance d, whatever the solution: "
        "phi(1) = S_0 + H_2(d) exactly.",
        r"\operatorname{extr}_{\hat p}\{\log 2\cosh\hat p-\hat p p\} = H_2(d)",
        entropy,
        "tanh(p_hat) = p = 1 - 2d.",
        reference,
        "numerical minimum over p_hat",
    )


def _no_solutions(w: GroupWorkshop) -> None:
    outer = Level(0, L.Gaussian(), sp.sqrt(L.q_ref_hat), L.x0, L.h_ref, 0)
    weights = LogMean(outer, Leaf("g", -1, 0, 0, L.h_ref, sp.S.Zero))
    fields = Level(0, L.Gaussian(), sp.sqrt(L.q_ref), L.s0, L.omega_ref, 0)
    patterns = LogMean(fields, Leaf("r", 1, 0, 0, L.omega_ref, 1 - L.q_ref))
    expr = -L.q_ref_hat * (1 - L.q_ref) / 2 + weights + S.alpha * patterns

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - w.value(w.functional.expr, y=1e-300)), REFEREE

    w.add(
        "No solution a group",
        "At y = 0 references are typical solutions: their replica-symmetric entropy.",
        r"\phi(0)",
        expr,
        "The levels inside a group merge with the leaves of the reference.",
        check,
        "the functional at y = 0",
    )


def _infinite(w: GroupWorkshop, reference: str) -> None:
    f = infinite(w.model, reference)
    at = {"q0": 0.55, "dq": 0.3, "qhat0": 0.9, "dqhat": 0.5, "phat": 0.4, "dphat": 0.4, "c": 0.4, "chat": 0.5}
    at |= {"delta": 0.2, "deltahat": 0.3}
    env = {**w.env, **at, "p": 0.6}

    @lru_cache(maxsize=1)
    def extrapolated() -> float:
        values = [f.at(y, **{k: v for k, v in env.items() if k not in ("Q", "y")}) for y in LARGE_Y]
        if not w.bound:
            return richardson(values)
        y = np.array(LARGE_Y, dtype=float)
        basis = np.stack([y**0, np.log(y) / y, 1 / y, y**-1.5, np.log(y) / y**2, y**-2.0], axis=1)
        return float(np.linalg.solve(basis, values)[0])

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(number(expr, env, f.leaves) - extrapolated()), FLIPS if w.bound else DISTANCE

    scaling = "q_1 = q_0 + dq/y and q_hat_1 = q_hat_0 + dq_hat/y"
    if w.bound:
        scaling += (
            ", 1 - q~ = c/y, p - t = delta/y, q~_hat = y^2 c_hat, t_hat = y delta_hat, p_hat = t_hat + dp_hat: groups share "
            "their reference, whose margin costs a squared distance"
        )
    w.add(
        "The limit y -> inf",
        f"The densest regions: with {scaling}, power means become maxima.",
        r"\lim_{y\to\infty}\phi/y",
        f.expr,
        "(1/y) log E e^{y F(sqrt(c/y) z)} -> max over z of F(sqrt(c) z) - z^2/2 (Laplace).",
        check,
        "extrapolation of phi/y from y = 50 to 1600 at fixed scaled order parameters",
    )


__all__ = ["derive_local_entropy"]
