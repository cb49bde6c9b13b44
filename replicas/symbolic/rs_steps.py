r"""The steps of the replica-symmetric derivation, each produced from the one before by a rule.

s coupled replicas: s = n for storage, s = n + 1 with a Bayes-optimal teacher, who is one more replica of the same measure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import sympy as sp

from ..models import Discrete, Perceptron, Spherical
from . import rs
from . import symbols as S
from .derivation import Checker, Derivation, Step
from .functional import Functional, latex, split, tidy_algebra
from .nodes import Finite, Gaussian, Leaf, Level, LogMean, Tilt, linear, stein
from .numeric import Z_NODES, Z_WEIGHTS, Env, Named, evaluate, leaf_value, matrix
from .overlaps import Characteristic, MatrixIntegral, Moment, ReplicaIntegral, Structured, symmetric_sum
from .special import A, G, H

# Tolerances of the checks: what the coarser of the two evaluations compared can deliver.
EXACT = 1e-11  # closed forms against sums or fine quadrature
TILTED = 1e-8  # the same, where three replicas widen a Gaussian towards the end of its grid
BRUTE_FORCE = 1e-4  # product grids of three replicas with jumps at the likelihood's kinks, relative
EXTRAPOLATED = 1e-8  # Richardson extrapolation of n -> 0 from four values
DIFFERENCED = 1e-6  # finite differences of the free entropy, sixth order
CURVATURE = 2e-4  # second finite differences of four-replica integrals, relative
SIZES = (1, 2, 3)


class Workshop:
    """The growing derivation: numbers steps, evaluates expressions at the check point, holds the running expression."""

    def __init__(self, model: Perceptron):
        self.model = model
        self.teacher = model.teacher
        self.functional: Functional = rs.functional(model)
        self.leaves = self.functional.leaves
        self.steps: list[Step] = []
        self.base = 1 if self.teacher else 0
        self.size = S.n + self.base
        self.env = self._point()

    def _point(self) -> dict[str, Any]:
        """A generic point, away from any saddle, at which expressions are compared."""
        model = self.model
        norm = self.functional.norm
        if isinstance(model.weights, Discrete) and norm == S.Q:
            scale = float(np.mean(np.square(model.weights.values)))
        else:
            scale = float(norm)
        env: dict[str, Any] = {
            "alpha": 0.83,
            "q": 0.43 * scale,
            "qhat": 0.71 / scale,
            "Q": scale,
            "lambda": 1.27 / scale,
        }
        if not isinstance(model.weights, Discrete):
            env["lambda"] = 4.3  # the s coupled spheres need lam > s q_hat
        kappa, beta = model.kappa, model.beta
        kappa = kappa[0] if isinstance(kappa, tuple) else kappa
        if isinstance(model.likelihood, str):
            # at kappa = 0 a term proportional to kappa could not be judged
            env["kappa"] = 0.0 if self.teacher else (kappa or 0.31)
            if beta is not None:
                env["beta"] = beta[0] if isinstance(beta, tuple) else beta
                env["beta"] = env["beta"] or 1.0
        return env

    def value(self, expr: sp.Expr, **changes: Any) -> float:
        return float(evaluate(sp.sympify(expr), {**self.env, **changes}, self.leaves))

    def add(
        self, title: str, statement: str, lhs: str, expr: sp.Expr, why: str, checker: Checker, checked_by: str
    ) -> sp.Expr:
        self.steps.append(Step(len(self.steps) + 1, title, statement, lhs, expr, why, checker, checked_by))
        return expr

    def at_sizes(
        self,
        reference: Callable[[int, Env], float],
        tolerance: float,
        environment: Callable[[int], Env] | None = None,
    ) -> Checker:
        """Compare an expression with an independent number at s = 1, 2, 3 coupled replicas."""
        targets: dict[int, float] = {}

        def check(expr: sp.Expr) -> tuple[float, float]:
            worst = 0.0
            for s in SIZES:
                env: Env = {**self.env, "n": float(s - self.base)}
                if environment is not None:
                    env = {**env, **environment(s)}
                if s - self.base == 0:
                    env = {**env, "n": 1e-300}  # the teacher alone
                if s not in targets:
                    targets[s] = reference(s, env)
                target = targets[s]
                worst = max(worst, abs(float(evaluate(expr, env, self.leaves)) - target) / max(1.0, abs(target)))
            return worst, tolerance

        return check


def derive_rs(model: Perceptron) -> Derivation:
    """The whole chain for a single-layer model."""
    w = Workshop(model)
    _replicas(w)
    _pattern_average(w)
    _overlaps(w)
    _ansatz(w)
    decoupled = _decouple(w)
    free = _limit(w, decoupled)
    _local_integrals(w)
    free = _eliminate(w, free)
    _saddle_point(w)
    _replicon(w)
    return Derivation(model, "rs", tuple(w.steps), w.functional)


# --- before the limit ----------------------------------------------------------------------------------------------


def _replicas(w: Workshop) -> None:
    rng = np.random.default_rng(7)
    toy = np.asarray(evaluate(w.leaves["f"].node(sp.Float(0.6)), {**w.env, "omega": rng.normal(size=9)}, w.leaves))
    if w.teacher:
        expr = (Moment(S.n + 1) - Moment(1)) / S.n
        exact = float(np.average(toy, weights=np.exp(toy)))
        why = (
            "The teacher is drawn from the same measure as the students and labels the patterns without noise, so it is one more "
            "replica: averaging log Z over planted disorder is averaging Z^{n+1}; the normalisation is n = 0."
        )
    else:
        expr = Moment(S.n) / S.n
        exact = float(np.mean(toy))
        why = "The logarithm is the derivative of a power at zero; for integer n the power is a partition function of n replicas."

    def check(e: sp.Expr) -> tuple[float, float]:
        values = [w.value(e, n=0.1 * 0.5**k, toy=matrix(toy)) for k in range(6)]
        return abs(_richardson(values) - exact), EXTRAPOLATED

    w.add(
        "Replicas",
        "The typical entropy per weight is the limit of the moments of the partition function.",
        r"\phi = \lim_{n\to0}\ \frac1N\left\{\cdot\right\},\quad \left\{\cdot\right\}",
        sp.expand(expr),
        why,
        check,
        "nine instances of a one-pattern system: extrapolation n -> 0 of the moments against the mean logarithm",
    )


def _richardson(values: list[float]) -> float:
    """Limit h -> 0 of values at h, h/2, h/4, ... for a series in integer powers."""
    table = list(values)
    for k in range(1, len(table)):
        table = [(2**k * b - a) / (2**k - 1) for a, b in itertools.pairwise(table)]
    return table[-1]


def _pattern_average(w: Workshop) -> None:
    a, b = sp.symbols("a b", integer=True, positive=True)
    s, Qm = sp.IndexedBase("s"), sp.IndexedBase("Q")
    expr = -sp.Sum(s[a] * Qm[a, b] * s[b], (a, 1, w.size), (b, 1, w.size)) / 2

    def environment(size: int) -> Env:
        rng = np.random.default_rng(size)
        sites = rng.normal(size=(size, 5))
        return {"sites": matrix(sites), "Q": matrix(sites @ sites.T / 5), "s": matrix(rng.normal(size=size))}

    def reference(size: int, env: Env) -> float:
        # one Gaussian pattern component at a time, by quadrature: E exp(i xi s.W_i/sqrt N)
        couplings = np.asarray(env["s"]) @ np.asarray(env["sites"]) / math.sqrt(5)
        return float(sum(math.log(float(Z_WEIGHTS @ np.cos(c * Z_NODES))) for c in couplings))

    w.add(
        "Average over the patterns",
        "Given the weights, the local fields u_a = W_a.xi/sqrt N of one pattern are jointly Gaussian with covariance "
        "Q_ab = W_a.W_b/N: their characteristic function is",
        latex(Characteristic(w.size)),
        expr,
        "Sums of independent components of zero mean and unit variance (exact for Gaussian patterns, the central limit theorem otherwise).",
        w.at_sizes(reference, EXACT, environment),
        "product over sites of one-dimensional averages, s = 1, 2, 3 replicas on 5 sites",
    )


def _overlaps(w: Workshop) -> None:
    expr = (
        -symmetric_sum("Qhat", "Q", w.size) / 2
        + MatrixIntegral("w", "Qhat", w.size)
        + S.alpha * MatrixIntegral("u", "Q", w.size)
    )
    spherical = isinstance(w.model.weights, Spherical)
    scale = float(w.env["Q"])

    def parts(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Overlaps v v^T + diag(d) and conjugates c c^T - diag(e), generic but with one common factor."""
        v, d = (
            np.array([0.7, 0.55, 0.62])[:size] * math.sqrt(scale),
            np.array([0.45, 0.6, 0.5])[:size] * scale,
        )
        c, e = np.array([0.8, 0.6, 0.7])[:size] / math.sqrt(scale), np.array([4.1, 3.7, 4.4])[:size] / scale
        return v, d, c, e

    def environment(size: int) -> Env:
        v, d, c, e = parts(size)
        return {"Q": matrix(np.outer(v, v) + np.diag(d)), "Qhat": matrix(np.outer(c, c) - np.diag(e))}

    def reference(size: int, env: Env) -> float:
        v, d, c, e = parts(size)
        trace = float(np.trace(np.asarray(env["Q"]) @ np.asarray(env["Qhat"])))
        # a common factor decouples the replicas: one-dimensional route
        fields = sum(leaf_value(w.leaves["f"], 0, 0, v[i] * Z_NODES, d[i], env) for i in range(size))
        patterns = math.log(float(Z_WEIGHTS @ np.exp(fields)))
        if spherical:
            weights = -0.5 * np.linalg.slogdet(-np.asarray(env["Qhat"]))[1] - 0.5 * size
        else:
            sites = sum(leaf_value(w.leaves["g"], 0, 0, c[i] * Z_NODES, e[i], env) for i in range(size))
            weights = math.log(float(Z_WEIGHTS @ np.exp(sites)))
        return -0.5 * trace + float(weights) + float(env["alpha"]) * patterns

    w.add(
        "Overlaps and conjugates",
        "Fixing the overlaps Q_ab by conjugates decouples sites and patterns; per weight, at the saddle point over both,",
        rf"\frac1N\log\overline{{Z^{{{latex(w.size)}}}}}",
        expr,
        "Fourier representation of delta(N Q_ab - W_a.W_b); the N sites and the alpha N patterns are then independent and identical.",
        w.at_sizes(reference, BRUTE_FORCE, environment),
        "explicit matrices with one common factor, s = 1, 2, 3: product grids over replicas against one-dimensional integrals",
    )


def _structured(w: Workshop) -> tuple[Structured, Structured]:
    return Structured(S.Q, S.q, w.size), Structured(S.q_hat - S.lam, S.q_hat, w.size)


def _ansatz(w: Workshop) -> None:
    overlaps, conjugates = _structured(w)
    inverse = overlaps.inverse()
    gap = S.Q - S.q
    normal = -w.size * sp.log(2 * sp.pi) / 2 - overlaps.log_determinant() / 2
    expr = (
        sp.expand(-overlaps.trace_product(conjugates) / 2)
        + ReplicaIntegral("w", w.size, S.lam, S.q_hat)
        + sp.Add(*(S.alpha * t for t in normal.args))
        + S.alpha * ReplicaIntegral("u", w.size, 1 / gap, -inverse.off)
    )

    def reference(size: int, env: Env) -> float:
        Q, Qhat = (m.explicit(size, env) for m in (overlaps, conjugates))
        full = {**env, "Q": Q, "Qhat": Qhat}
        trace = float(np.trace(Q @ Qhat))
        integrals = (
            MatrixIntegral("w", "Qhat", w.size).numeric(full, w.leaves),
            MatrixIntegral("u", "Q", w.size).numeric(full, w.leaves),
        )
        return -0.5 * trace + integrals[0] + float(env["alpha"]) * integrals[1]

    w.add(
        "Replica-symmetric ansatz",
        "All pairs of replicas are equivalent: Q_ab = q + (Q-q) delta_ab, conjugates q_hat - lambda delta_ab.",
        rf"\frac1N\log\overline{{Z^{{{latex(w.size)}}}}}",
        expr,
        "Determinant (Q-q)^{s-1}(Q-q+sq) and inverse (Sherman-Morrison) of the structured matrix in closed form.",
        w.at_sizes(reference, EXACT),
        "numerical trace, determinant and inverse of the explicit matrices, s = 1, 2, 3",
    )


def hubbard_stratonovich(
    node: ReplicaIntegral, leaf: Any, level_symbols: tuple[sp.Symbol, sp.Symbol]
) -> tuple[sp.Expr, sp.Expr]:
    """Decouple exp(b (sum x)^2/2) by a Gaussian z and factorise: (algebraic terms, s LogMean_s of one replica).

    Weights: exp(sqrt(b) z w - a w^2/2) is the leaf g itself. Fields: complete the square in u, which leaves
    exp(b z^2/(2a)) per replica; the Gaussian in z is rescaled to unit variance, and the leaf is f(., 1/a).
    """
    side, size, a, b = node.args
    z, field = level_symbols
    if side.name == "w":
        return sp.S.Zero, size * LogMean(Level(size, Gaussian(), sp.sqrt(b), z, field, 0), leaf.node(a))
    V = 1 / a
    shrink = sp.simplify(1 - size * b * V)
    width = sp.sqrt(sp.simplify(b * V**2 / shrink))
    algebra = size * sp.log(2 * sp.pi * V) / 2 - sp.log(shrink) / 2
    return algebra, size * LogMean(Level(size, Gaussian(), width, z, field, 0), leaf.node(V))


def _decouple(w: Workshop) -> sp.Expr:
    before = w.steps[-1].expression
    node_w = next(x for x in before.atoms(ReplicaIntegral) if x.args[0].name == "w")
    algebra, tower = hubbard_stratonovich(node_w, w.leaves["g"], (S.z, S.h))
    middle = before.subs(node_w, algebra + tower)

    def against(previous: sp.Expr, tolerance: float) -> Checker:
        return w.at_sizes(lambda s, env: float(evaluate(previous, env, w.leaves)), tolerance)

    w.add(
        "Decouple the weights",
        "A Gaussian field h = sqrt(q_hat) z couples all replicas of one site; given h they are independent.",
        rf"\frac1N\log\overline{{Z^{{{latex(w.size)}}}}}",
        middle,
        rf"Hubbard-Stratonovich; one replica contributes $g(h,\lambda) = {w.leaves['g'].definition}$.",
        against(before, BRUTE_FORCE),
        "brute-force sum or integral over s = 1, 2, 3 replicas",
    )
    node_u = next(x for x in middle.atoms(ReplicaIntegral) if x.args[0].name == "u")
    algebra, tower = hubbard_stratonovich(node_u, w.leaves["f"], (S.t, S.omega))
    logs = [t for t in sp.Add.make_args(middle) if t.has(sp.log) and not t.has(LogMean, ReplicaIntegral)]
    rest = sp.Add(*(t for t in sp.Add.make_args(middle) if t not in logs and not t.has(node_u)))
    after = rest + _cancel_logs(sp.Add(*logs) + S.alpha * algebra, w.size) + S.alpha * tower
    w.add(
        "Decouple the patterns",
        "A Gaussian field omega = sqrt(q) t is common to all replicas; the rest of each field has variance Q - q.",
        rf"\frac1N\log\overline{{Z^{{{latex(w.size)}}}}}",
        after,
        rf"Hubbard-Stratonovich, completion of the square in u_a and rescaling of t; all determinants cancel. $f(\omega,V) = {w.leaves['f'].definition}$.",
        against(middle, BRUTE_FORCE),
        "brute-force integral over s = 1, 2, 3 replicas",
    )
    if isinstance(w.model.weights, Spherical):
        tower_w = next(t for t in after.atoms(LogMean) if t.level.w[0] == S.h)
        after = sp.Add(
            *(
                sp.expand(t.subs(tower_w, rs.gaussian_average(w.size))) if t.has(tower_w) else t
                for t in sp.Add.make_args(after)
            )
        )
        previous = w.steps[-1].expression
        w.add(
            "Gaussian weights",
            "On the sphere g = h^2/(2 lambda) - (log lambda + 1)/2, and the average over h is Gaussian.",
            rf"\frac1N\log\overline{{Z^{{{latex(w.size)}}}}}",
            after,
            "Gaussian integral of exp(s g(h)); the flat measure"
            "  dw/sqrt(2 pi e) is that of the sphere, whose norm lambda fixes (volume relative to the sphere W.W = N).",
            against(previous, TILTED),
            "quadrature over h with g integrated numerically, s = 1, 2, 3",
        )
    return after


def _cancel_logs(expr: sp.Expr, size: sp.Expr) -> sp.Expr:
    """Simplify a sum of logarithms of Q - q and Q - q + s q: as monomials in two positive symbols."""
    V, T = sp.symbols("V_ T_", positive=True)

    def monomial(argument: sp.Expr) -> sp.Expr:
        return sp.factor(sp.together(argument.subs(S.Q, V + S.q)).subs(S.q, (T - V) / size))

    inner = expr.replace(sp.log, lambda x: sp.log(monomial(x)))
    out = sp.expand(sp.expand_log(inner, force=True))
    return out.subs(T, S.Q - S.q + size * S.q).subs(V, S.Q - S.q)


# --- the limit and what follows -------------------------------------------------------------------------------------


def _limit(w: Workshop, decoupled: sp.Expr) -> sp.Expr:
    """phi = d/ds at s = 0 or 1, term by term."""
    if w.teacher:
        _order_zero(w)
    s = S.s
    terms = [(t / w.size).subs(S.n, s - w.base) for t in sp.Add.make_args(decoupled)]
    free = sp.S.Zero
    algebra = sp.S.Zero
    for term in terms:
        if term.has(LogMean):
            (node,) = term.atoms(LogMean)
            free += sp.simplify(term / node) * rs.limit(node, s, w.base)
        else:
            algebra += term
    free += (
        sp.expand(rs.limit(sp.simplify(algebra), s, w.base))
        if not algebra.has(sp.log)
        else rs.limit(algebra, s, w.base)
    )

    def check(expr: sp.Expr) -> tuple[float, float]:
        zero = w.value(decoupled, n=1e-300) if w.teacher else 0.0
        values = [(w.value(decoupled, n=h) - zero) / h for h in (0.16 * 0.5**k for k in range(7))]
        return abs(w.value(expr) - _richardson(values)), EXTRAPOLATED * 10

    what = "n -> 0 with n + 1 coupled replicas" if w.teacher else "n -> 0"
    why = (
        "(1/n)[log Xi(n+1) - log Xi(1)]: averages become averages tilted by one replica, E[F e^f]/E[e^f]."
        if w.teacher
        else "(1/n) log E e^{nF} -> E F: power means become plain means."
    )
    w.add(
        f"The limit {what}",
        "The replica-symmetric free entropy, to be extremised over its order parameters.",
        r"\phi",
        free,
        why,
        check,
        "Richardson extrapolation of small n",
    )
    return free


def _order_zero(w: Workshop) -> None:
    """A teacher alone: the terms of order n^0 fix the self-overlap and its multiplier."""
    if isinstance(w.model.weights, Spherical):
        expr: sp.Expr = sp.S.One

        def check(e: sp.Expr) -> tuple[float, float]:
            x = float(e)

            def direct(y: float) -> float:  # log Xi(1) of one sphere with conjugate -y on its norm
                return y / 2 + float(evaluate(w.leaves["g"].node(S.lam), {"h": np.zeros(1), "lambda": y}, w.leaves)[0])

            closed = x / 2 - 0.5 * math.log(x) - 0.5
            return abs(closed - direct(x)) + abs(_difference(direct, x)), DIFFERENCED

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
        return abs(float(e) + 2 * _difference(direct, 0.0, step=0.01)), DIFFERENCED

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


def _difference(f: Callable[[float], float], x: float, step: float | None = None) -> float:
    """First derivative by a sixth-order central stencil."""
    h = step if step is not None else 0.02 * max(abs(x), 0.1)
    return sum(c * (f(x + m * h) - f(x - m * h)) for m, c in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))) / h


def _local_integrals(w: Workshop) -> None:
    for leaf in (w.leaves["g"], w.leaves["f"]):
        if leaf.closed is None or (leaf.name == "g" and isinstance(w.model.weights, Spherical)):
            continue
        grid = {
            leaf.field.name: np.array([-1.3, 0.4, 2.1]),
            leaf.variable.name: np.array([0.6, 0.9, 1.4]) * (w.env["Q"] if leaf.name == "f" else 1 / w.env["Q"]),
        }

        def check(expr: sp.Expr, leaf: Any = leaf, grid: Any = grid) -> tuple[float, float]:
            opaque = leaf.node(leaf.variable)
            closed, direct = (np.asarray(evaluate(e, {**w.env, **grid}, w.leaves)) for e in (expr, opaque))
            return float(np.max(np.abs(closed - direct))), EXACT

        what = "the sum over one weight" if leaf.name == "g" else "the Gaussian average of the likelihood"
        w.add(
            f"Local integral {leaf.name}",
            f"In closed form, {what} is",
            rf"{leaf.name}({latex(leaf.field)},{latex(leaf.variable)}) = {leaf.definition}",
            leaf.closed,
            "The sum over the finite set."
            if leaf.name == "g"
            else "A likelihood that is constant on intervals gives tails H of the Gaussian.",
            check,
            "direct sum or quadrature of the definition at three points",
        )


def _eliminate(w: Workshop, free: sp.Expr) -> sp.Expr:
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
                slopes = [abs(_difference(partial(along, name), at[name])) for name in moved]
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
    reduced = f.expr
    changes = dict(f.eliminated.items())
    names = [k.name for k in changes]

    def same(expr: sp.Expr) -> tuple[float, float]:
        at = {"Q": float(w.value(f.norm)), **{k.name: w.value(v) for k, v in changes.items()}}
        worst = abs(w.value(expr, Q=at["Q"]) - w.value(free, **at))
        if names == ["lambda"] and not w.teacher:  # lam drops out: any value gives the same
            worst = max(worst, abs(w.value(expr, Q=at["Q"]) - w.value(free, **{**at, "lambda": 0.9})))
        return worst, EXACT

    if not changes:
        text = "Nothing can be eliminated: the same free entropy, its algebra collected. This is the functional that is solved."
    elif names == ["lambda"] and not w.teacher:
        text = "w^2 is the same for all values, so lambda shifts g by -lambda Q/2 and drops out. This is the functional that is solved."
    else:
        text = "The conjugates found above are inserted. This is the functional that is solved."
    w.add(
        "Reduced free entropy",
        "What is left to extremise.",
        r"\phi",
        reduced,
        text,
        same,
        "the unreduced free entropy at the same point",
    )
    return reduced


def _saddle_point(w: Workshop) -> None:
    f = w.functional
    algebra, towers = split(f.expr)
    for x in f.unknowns:
        raw = tidy_algebra(algebra.diff(x), f.norm) + linear(towers.diff(x))

        def against(expr: sp.Expr, x: sp.Symbol = x) -> tuple[float, float]:
            target = _difference(lambda y: w.value(f.expr, **{x.name: y}), w.env[x.name])
            return abs(w.value(expr) - target) / max(1.0, abs(target)), DIFFERENCED

        name = latex(x)
        lhs = rf"\frac{{\partial\phi}}{{\partial {name}}}"
        by = "finite difference of the free entropy, off the saddle"
        w.add(
            f"d phi/d {_plain(x)}: chain rule",
            f"Differentiate at fixed Gaussian variables; the fields depend on {_plain(x)} through their factor.",
            lhs,
            raw,
            "h = sqrt(q_hat) z, omega = sqrt(q) t; V = Q - q."
            + (
                " The normalisations E e^f and E e^g of the teacher's tilt do not depend on q or q_hat: their derivatives vanish."
                if w.teacher
                else ""
            ),
            against,
            by,
        )
        without = linear(stein(raw))
        if without != raw:
            w.add(
                f"d phi/d {_plain(x)}: Stein's lemma",
                "Gaussian integration by parts removes the explicit Gaussian variables.",
                lhs,
                without,
                "E[z F(z)] = E[F'(z)], with the derivative of a tilt included.",
                against,
                by,
            )
        final = f.grad()[x]
        if final != without:
            w.add(
                f"d phi/d {_plain(x)}: heat equation",
                "Derivatives in the variance become field derivatives, and terms cancel.",
                lhs,
                final,
                "d_V f = (f'' + f'^2)/2 and d_lambda g = -(g'' + g'^2)/2.",
                against,
                by,
            )
    for equation in textbook_equations(f):
        _textbook(w, *equation)


def _plain(x: sp.Symbol) -> str:
    return {"qhat": "q_hat"}.get(x.name, x.name)


def textbook_equations(
    f: Functional,
) -> list[tuple[sp.Symbol, sp.Symbol, sp.Expr, sp.Expr, tuple[sp.Symbol, ...]]]:
    """Each saddle-point equation solved for its conjugate: (symbol, right-hand side, coefficient, gradients summed)."""
    grad = f.grad()
    out = []
    for x in f.unknowns:
        # sums of gradients in which E g'' (for q) or E f'^2 (for lambda) cancels
        summed = {S.Q: (S.Q, S.q), S.q_hat: (S.q_hat, S.lam) if S.lam in f.unknowns else (S.q_hat,)}.get(x, (x,))
        equation = linear(sp.expand(sp.Add(*(grad[y] for y in summed)), deep=False))
        algebra, towers = split(equation)
        algebra = sp.expand(algebra)
        target = {S.q: S.q_hat, S.q_hat: S.q, S.lam: S.Q, S.Q: S.lam}[x]
        if target not in f.unknowns:  # sphere: the conjugate is gone, q itself stands in the algebra
            target = S.q
            coefficient = tidy_algebra(sp.cancel(algebra / S.q), f.norm)
            rhs = sp.Add(*(sp.factor(-1 / coefficient) * t for t in sp.Add.make_args(towers)))
        else:
            coefficient = algebra.diff(target)
            rhs = sp.expand(target - (algebra + towers) / coefficient)
        out.append((x, target, written_out(rhs, f), coefficient, summed))
    return out


def written_out(expr: sp.Expr, f: Functional) -> sp.Expr:
    """Leaves in closed form inside the averages, constants drawn in where they cancel, factors drawn out."""
    algebra, towers = split(expr)
    terms = sp.Add.make_args(towers)
    if len(terms) == 1 and algebra != 0 and algebra.is_number:  # 1 - E[1 - tanh^2] = E tanh^2
        (node,) = terms[0].atoms(Tilt)
        return _close(Tilt(node.level, node.phi, algebra + terms[0] / node * node.obs), f)
    return algebra + sp.Add(*(t.replace(lambda e: isinstance(e, Tilt), lambda e: _close(e, f)) for t in terms))


def _close(node: sp.Expr, f: Functional) -> sp.Expr:
    """One average with its leaves in closed form, the argument of the tails named u, and what is not averaged outside."""
    leaves = node.obs.atoms(Leaf)
    if not leaves or any(f.leaves[x.name].closed is None for x in leaves):
        return node
    definition = f.leaves[next(iter(leaves)).name]
    if len(_arguments(definition)) > 1:
        return node  # differences of tails: f' and f'' read better than their closed forms
    V = next(iter(leaves)).V
    obs = node.obs.replace(lambda e: isinstance(e, Leaf), lambda e: closed_derivative(definition, int(e.k[0])))
    tilt = closed_derivative(definition, 0) if node.level.power == 1 and definition.name == "f" else None
    if tilt is not None:  # E[e^f obs]/E[e^f] with E[e^f] = 1/2: two equally likely labels
        obs = 2 * sp.exp(tilt) * obs.replace(A, lambda x: G(x) / H(x))
    obs = sp.factor(sp.expand(obs)) if definition.name == "f" else _hyperbolic(obs)
    names = sorted(obs.atoms(sp.Dummy), key=lambda d: d.name)
    meaning = {
        d: Named(sp.Symbol(d.name, real=True), _arguments(definition)[d].subs(definition.variable, V)) for d in names
    }
    obs = obs.subs(definition.variable, V).xreplace(meaning)
    level = Level(0, *node.level.args[1:]) if tilt is not None else node.level
    outside, inside = obs.as_independent(*level.bound, *meaning.values(), as_Add=False)
    return outside * Tilt(level, node.phi, inside)


def _arguments(definition: Any) -> dict[sp.Dummy, sp.Expr]:
    """A name u, u_1, u_2, ... for each argument of a tail H in the closed form."""
    if definition not in _ARGUMENTS:
        found = sorted({t.args[0] for t in definition.closed.atoms(H)}, key=str)
        names = ["u"] if len(found) == 1 else [f"u_{i + 1}" for i in range(len(found))]
        _ARGUMENTS[definition] = {sp.Dummy(n, real=True): x for n, x in zip(names, found)}
    return _ARGUMENTS[definition]


_ARGUMENTS: dict[Any, dict[sp.Dummy, sp.Expr]] = {}


def closed_derivative(definition: Any, k: int) -> sp.Expr:
    """k-th field derivative of a closed leaf, in the names of its arguments and the mills ratio A = G/H."""
    names = _arguments(definition)
    expr = definition.closed.subs({H(x): H(d) for d, x in names.items()})
    for _ in range(k):
        step = expr.diff(definition.field)
        for d, x in names.items():
            step += expr.diff(d) * x.diff(definition.field)
        if len(names) == 1 and definition.closed == sp.log(H(next(iter(names.values())))):
            (d,) = names
            step = step.subs(G(d), A(d) * H(d))
        step = step.replace(sp.sinh, lambda x: sp.tanh(x) * sp.cosh(x))
        expr = sp.expand(step) if len(step.atoms(sp.cosh, sp.exp)) <= 1 or len(names) == 1 else step
    return expr


def _hyperbolic(expr: sp.Expr) -> sp.Expr:
    """Ratios of sinh and cosh as tanh, 1 - tanh^2 as sech^2 in a product."""
    if any(len(expr.atoms(kind)) > 1 for kind in (sp.cosh, sp.exp, sp.tanh)):
        return expr  # no short form: factoring sums of several exponentials takes minutes
    expr = sp.expand(expr)
    factored = sp.factor(expr)
    for t in factored.atoms(sp.tanh):
        x = t.args[0]
        factored = factored.subs((t - 1) * (t + 1), -(sp.sech(x) ** 2)).subs(
            (t - 1) ** 2 * (t + 1) ** 2, sp.sech(x) ** 4
        )
    return factored if factored.is_Mul or factored.is_Pow or factored.has(sp.sech) else expr


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
        slope = sum(_difference(partial(_moved, y), w.env[y.name]) for y in summed)
        predicted = w.env[target.name] - slope / w.value(coefficient)
        return abs(w.value(expr) - predicted) / max(1.0, abs(predicted)), DIFFERENCED

    of = " + ".join(f"d phi/d {_plain(y)}" for y in summed)
    w.add(
        f"Saddle point: equation for {_plain(target)}",
        "At the saddle point, with the local integrals written out,",
        latex(target),
        rhs,
        f"{of} = 0 solved for {_plain(target)}.",
        check,
        "off the saddle, the residual equals the finite difference of the free entropy over the coefficient",
    )
    shifted = shift_tilt(rhs, w)
    if shifted != rhs:
        w.add(
            f"Saddle point: {_plain(target)} with the teacher shown",
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
    products: dict[str, sp.Expr] = {}
    for name, level_of, V in (
        ("f", rs.pattern_level, f.norm - S.q),
        ("g", rs.weight_level, f.eliminated.get(S.lam, S.lam)),
    ):
        leaf = w.leaves[name]
        field = leaf.field
        phi = leaf.node(V)
        sign = leaf.sign
        r1 = Leaf(name, sign, 1, 0, field, V)
        r2 = Leaf(name, sign, 2, 0, field, V) + r1**2
        level = level_of(S.s)
        fluctuation = Tilt(level, phi, r2**2) - 2 * Tilt(level, phi, r2 * r1**2) + Tilt(level, phi, r1**4)
        side = "patterns" if name == "f" else "weights"
        reference = lru_cache(maxsize=1)(lambda name=name, V=V: _four_replicas(w, name, V))
        lhs = rf"\Lambda_{name} = G_{{ab,ab}}-2G_{{ab,ac}}+G_{{ab,cd}}"

        def check(expr: sp.Expr, reference: Callable[[], float] = reference) -> tuple[float, float]:
            return abs(w.value(expr, s=4.0) - reference()) / abs(reference()), CURVATURE

        by = "second finite difference of an explicit four-replica integral along a replicon direction, at s = 4"
        w.add(
            f"Fluctuations of the {side}",
            "The second derivative of the replica integral with respect to two overlaps depends on how many replicas they "
            "share; the replicon combination is",
            lhs,
            fluctuation,
            f"A replica in one (two) of the pairs brings {name}' ({name}'' + {name}'^2); the disconnected parts cancel.",
            check,
            by,
        )
        short = Tilt(level, phi, sp.expand((r2 - r1**2) ** 2))
        w.add(
            f"Replicon of the {side}",
            "The three averages combine into a square.",
            lhs,
            short,
            f"({name}'' + {name}'^2)^2 - 2 ({name}'' + {name}'^2) {name}'^2 + {name}'^4 = {name}''^2.",
            check,
            by,
        )
        products[name] = short
    replicon = f.observables["replicon"]

    def product(expr: sp.Expr) -> tuple[float, float]:
        # determinant of the 2 x 2 block [[alpha Lambda_f, -1], [-1, Lambda_g]], sign chosen so that stable is positive
        at = {k: w.value(v) for k, v in f.eliminated.items()}
        env = {k.name: v for k, v in at.items()}
        values = {
            k: float(evaluate(e.subs(S.s, w.base) if w.base else _at_zero(e), {**w.env, **env}, w.leaves))
            for k, e in products.items()
        }
        block = np.array([[w.env["alpha"] * values["f"], -1.0], [-1.0, values["g"]]])
        return abs(w.value(expr) + float(np.linalg.det(block))), EXACT * 100

    w.add(
        "Stability",
        "The replica-symmetric saddle is stable where the replicon eigenvalue is positive (de Almeida-Thouless).",
        r"\lambda_R",
        replicon,
        "Overlaps and conjugates form the block [[alpha Lambda_f, -1], [-1, Lambda_g]] in the replicon sector; conjugates run along "
        "the imaginary axis, so the saddle is stable while minus the determinant is positive, as it is at alpha = 0.",
        product,
        "determinant of the block evaluated from its two entries",
    )
    closed = _closed_replicon(f)
    if closed is not None and closed != replicon:

        def same(expr: sp.Expr) -> tuple[float, float]:
            return abs(w.value(expr) - w.value(replicon)), EXACT * 100

        w.add(
            "Stability, written out",
            "With the local integrals in closed form,",
            r"\lambda_R",
            closed,
            "Closed forms of f'' and g''.",
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
    return 1 + product.replace(lambda e: isinstance(e, Tilt), lambda e: _close(e, f))


def _four_replicas(w: Workshop, name: str, V: sp.Expr) -> float:
    """(1/4) d^2/d eps^2 of log int over four replicas, overlaps (conjugates) perturbed by eps: 12, 34 up; 13, 24 down."""
    env = {**w.env, **{k.name: w.value(v) for k, v in w.functional.eliminated.items()}}
    eta = np.zeros((4, 4))
    for i, j, sign in ((0, 1, 1), (2, 3, 1), (0, 2, -1), (1, 3, -1)):
        eta[i, j] = eta[j, i] = sign
    base = float(evaluate(V, env, w.leaves))
    if name == "g":
        log_integral = _explicit_weights(w, env, base, eta)
        h = 0.05 / float(w.env["Q"])
    else:
        log_integral = _decoupled_fields(w, env, base, eta)
        h = 0.02 * base
    centre = log_integral(0.0)
    d1 = (log_integral(h) - 2 * centre + log_integral(-h)) / h**2
    d2 = (log_integral(2 * h) - 2 * centre + log_integral(-2 * h)) / (2 * h) ** 2
    return (4 * d1 - d2) / 3 / 4


def _explicit_weights(w: Workshop, env: Env, lam: float, eta: np.ndarray) -> Callable[[float], float]:
    """log sum over all weights of four replicas (a determinant on the sphere) at conjugates q_hat - lam delta + eps eta."""
    conjugates = env["qhat"] * np.ones((4, 4)) - lam * np.eye(4)
    if isinstance(w.model.weights, Spherical):
        return lambda eps: -0.5 * float(np.linalg.slogdet(-(conjugates + eps * eta))[1])
    x, logs = w.leaves["g"].measure(env)
    axes = np.meshgrid(*([x] * 4), indexing="ij", sparse=True)
    measure = sum(np.meshgrid(*([logs] * 4), indexing="ij", sparse=True))

    def log_integral(eps: float) -> float:
        M = conjugates + eps * eta
        exponent = measure
        for i, j in itertools.product(range(4), repeat=2):
            exponent = exponent + 0.5 * M[i, j] * axes[i] * axes[j]
        top = float(np.max(exponent))
        return top + math.log(float(np.sum(np.exp(exponent - top))))

    return log_integral


def _decoupled_fields(w: Workshop, env: Env, V: float, eta: np.ndarray) -> Callable[[float], float]:
    """The perturbation has eigenvalues 2, 0, 0, -2: with V lowered by 2 eps it is a sum of squares, decoupled by Gaussians."""
    values, vectors = np.linalg.eigh(eta)
    leaf, root = w.leaves["f"], math.sqrt(env["q"])

    def log_integral(eps: float) -> float:
        spread = np.sqrt(np.maximum(eps * values + 2 * abs(eps), 0.0))
        active = [k for k in range(4) if spread[k] > 1e-12]
        rules = [(Z_NODES, Z_WEIGHTS)] + [_HERMITE] * len(active)
        grids = np.meshgrid(*(r[0] for r in rules), indexing="ij")
        total = sum(np.log(v) for v in np.meshgrid(*(r[1] for r in rules), indexing="ij"))
        for a in range(4):
            field = root * grids[0] + sum(spread[k] * vectors[a, k] * grids[1 + m] for m, k in enumerate(active))
            total = total + _interpolated(leaf, field, V - 2 * abs(eps), env)
        top = float(total.max())
        return top + math.log(float(np.exp(total - top).sum()))

    return log_integral


def _interpolated(leaf: Any, field: np.ndarray, V: float, env: Env) -> np.ndarray:
    """A leaf on a large grid of fields by a spline through its directly integrated values."""
    from scipy.interpolate import CubicSpline

    points = np.linspace(float(field.min()), float(field.max()), 2001)
    return np.asarray(CubicSpline(points, leaf_value(leaf, 0, 0, points, V, env))(field))


_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_HERMITE = (
    _NODES,
    _WEIGHTS / _WEIGHTS.sum(),
)  # the perturbation is weak: seven nodes integrate its Gaussians


__all__ = ["derive_rs", "hubbard_stratonovich", "textbook_equations"]
