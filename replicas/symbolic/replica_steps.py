"""The steps that every ansatz shares, from the replicated partition function to the tower of one replica.

s coupled replicas: s = n for storage, s = n + 1 with a Bayes-optimal teacher, who is one more replica of the same measure.
Replica symmetry is the hierarchy without blocks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp

from ..models import Spherical
from ..wide import Wide
from . import rs
from . import symbols as S
from .closed import unit_probability
from .derivation import Checker
from .functional import latex, split
from .hierarchy import Eigenframe, decouple, gaussian_tower, level_symbols, steps
from .leaves import LeafDefinition
from .nodes import Leaf, LogMean, Tilt, linear, stein
from .numeric import Z_NODES, Z_WEIGHTS, Env, Named, evaluate, leaf_value, matrix, singled_out
from .overlaps import Characteristic, MatrixIntegral, Moment, ReplicaIntegral, symmetric_sum
from .workshop import (
    BRUTE_FORCE,
    DIFFERENCED,
    EXACT,
    EXTRAPOLATED,
    TILTED,
    Sizes,
    Workshop,
    apart,
    difference,
    plain,
    richardson,
)


def replicas(w: Workshop) -> None:
    rng = np.random.default_rng(7)
    norm = float(w.env["Q"])
    fields = {x.name: math.sqrt(norm) * rng.normal(size=9) for x in S.fields(w.units)}
    toy = np.asarray(evaluate(w.leaves["f"].node(sp.Float(0.6 * norm)), {**w.env, **fields}, w.leaves))
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
        return abs(richardson(values) - exact), EXTRAPOLATED

    w.add(
        "Replicas",
        "The typical entropy per weight is the limit of the moments of the partition function.",
        r"\phi = \lim_{n\to0}\ \frac1N\left\{\cdot\right\},\quad \left\{\cdot\right\}",
        sp.expand(expr),
        why,
        check,
        "nine instances of a one-pattern system: extrapolation n -> 0 of the moments against the mean logarithm",
    )


def pattern_average(w: Workshop) -> None:
    a, b, j = sp.symbols("a b j", integer=True, positive=True)
    s, Qm, K = sp.IndexedBase("s"), sp.IndexedBase("Q"), w.units
    if K > 1:
        expr = -sp.Sum(s[j, a] * Qm[j, a, b] * s[j, b], (a, 1, w.size), (b, 1, w.size), (j, 1, K)) / 2
    else:
        expr = -sp.Sum(s[a] * Qm[a, b] * s[b], (a, 1, w.size), (b, 1, w.size)) / 2

    def environment(sizes: Sizes) -> Env:
        size = sizes[0]
        rng = np.random.default_rng(size)
        sites = np.moveaxis(rng.normal(size=(size, K, 5)), 1, 0)
        Q, couplings = sites @ np.swapaxes(sites, 1, 2) / 5, np.moveaxis(rng.normal(size=(size, K)), 1, 0)
        return {x: matrix(v if K > 1 else v[0]) for x, v in {"sites": sites, "Q": Q, "s": couplings}.items()}

    def reference(sizes: Sizes, env: Env) -> float:
        # one Gaussian pattern component at a time, by quadrature: E exp(i xi s.W_i/sqrt N)
        s, sites = np.asarray(env["s"]), np.asarray(env["sites"])
        couplings = np.ravel(s[..., None, :] @ sites) / math.sqrt(5)
        return float(sum(math.log(float(Z_WEIGHTS @ np.cos(c * Z_NODES))) for c in couplings))

    statement = (
        "Given the weights, the local fields u_a = W_a.xi/sqrt N of one pattern are jointly Gaussian with covariance "
        "Q_ab = W_a.W_b/N: their characteristic function is"
    )
    if isinstance(w.model, Wide):
        statement = (
            "Given the weights, the fields u_a of one unit in the replicas are jointly Gaussian; their covariance is the overlap "
            "Q_ab of the weights of that unit, self-averaging over units, and the characteristic function is"
        )
    why = "Sums of independent components of zero mean and unit variance (exact for Gaussian patterns, the central limit theorem otherwise)."
    if K > 1:
        statement = (
            r"Given the weights, the fields $u_{ja}=\sqrt{K/N}\,\sum_{i\in j}W_{ia}\xi_i$ of one pattern in the K branches are "
            r"jointly Gaussian. Branches share no inputs, hence no correlation between them; within one the covariance is "
            r"$Q_{j,ab}=(K/N)\sum_{i\in j}W_{ia}W_{ib}$:"
        )
        why += " Every input feeds one branch: the covariance of two different branches is zero for any weights."
    w.add(
        "Average over the patterns",
        statement,
        latex(Characteristic(w.size, K)),
        expr,
        why,
        w.at_sizes(reference, EXACT, environment),
        f"product over sites of one-dimensional averages, {w.counted} replicas on 5 sites"
        + (" a branch" if K > 1 else ""),
    )


def overlaps(w: Workshop) -> None:
    K = w.units
    expr = (
        -symmetric_sum("Qhat", "Q", w.size, K) / (2 * K)
        + MatrixIntegral("w", "Qhat", w.size, K) / K
        + S.alpha * MatrixIntegral("u", fields_named(w), w.size, K)
    )
    spherical = isinstance(w.model.weights, Spherical)
    scale = float(w.env["Q"])

    def parts(size: int, branch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Overlaps v v^T + diag(d) and conjugates c c^T - diag(e), generic but with one common factor."""
        shrink = 1 - 0.07 * branch  # no two branches alike
        v, d = np.array([0.7, 0.55, 0.62, 0.5]) * math.sqrt(scale), np.array([0.45, 0.6, 0.5, 0.55]) * scale
        if isinstance(w.model, Wide):  # self-overlaps that are the norm of the weights
            v = v if size < 4 else np.full(4, v[0])
            d = scale - v**2
        c, e = np.array([0.8, 0.6, 0.7, 0.5]) / math.sqrt(scale), np.array([4.1, 3.7, 4.4, 4.2]) / scale
        return shrink * v[:size], d[:size], shrink * c[:size], e[:size]

    def matrices(size: int, branch: int) -> tuple[np.ndarray, np.ndarray]:
        v, d, c, e = parts(size, branch)
        return np.outer(v, v) + np.diag(d), np.outer(c, c) - np.diag(e)

    def environment(sizes: Sizes) -> Env:
        found = zip(*(matrices(sizes[0], j) for j in range(K)))
        Q, Qhat = (matrix(list(x) if K > 1 else x[0]) for x in found)
        fields = {"C": matrix(one_factor(*in_fields(w, np.asarray(Q))))} if isinstance(w.model, Wide) else {}
        return {"Q": Q, "Qhat": Qhat, **fields}

    def sites(size: int, branch: int, env: Env) -> float:
        """One branch's trace and weights; a common factor decouples the replicas: one-dimensional route."""
        Q, Qhat = matrices(size, branch)
        c, e = parts(size, branch)[2:]
        if spherical:
            weights = -0.5 * float(np.linalg.slogdet(-Qhat)[1]) - 0.5 * size
        else:
            each = sum(leaf_value(w.leaves["g"], 0, 0, c[i] * Z_NODES, e[i], env) for i in range(size))
            weights = math.log(float(Z_WEIGHTS @ np.exp(each)))
        return -0.5 * float(np.trace(Q @ Qhat)) + weights

    def fields(size: int, env: Env) -> float:
        if K > 1:
            return math.log(
                fourier_counted([factor_masses(*parts(size, j)[:2]) for j in range(K)], w.leaves["f"].accepted)
            )
        v, d = parts(size, 0)[:2]
        if isinstance(w.model, Wide):
            v, d = in_fields(w, np.asarray(env["Q"]))
        total = sum(leaf_value(w.leaves["f"], 0, 0, v[i] * Z_NODES, d[i], env) for i in range(size))
        return math.log(float(Z_WEIGHTS @ np.exp(total)))

    def reference(sizes: Sizes, env: Env) -> float:
        weights = sum(sites(sizes[0], j, env) for j in range(K)) / K
        return weights + float(env["alpha"]) * fields(sizes[0], env)

    w.add(
        "Overlaps and conjugates",
        "Fixing the overlaps Q_ab by conjugates decouples sites and patterns; per weight, at the saddle point over both,"
        if K == 1 and not isinstance(w.model, Wide)
        else "Fixing the overlaps Q_ab by conjugates decouples sites and patterns. Theta acts on the output field, whose "
        "covariance C_ab = C(Q_ab) is a function of the overlaps; per weight, at the saddle point over both,"
        if K == 1
        else "Fixing the overlaps of every branch by conjugates of its own decouples sites and patterns. Each branch has N/K "
        "sites, all share the patterns; per weight, at the saddle point over both,",
        w.moment,
        expr,
        "Fourier representation of delta(N Q_ab - W_a.W_b); the N sites and the alpha N patterns are then independent and identical."
        if K == 1
        else r"Fourier representation of $\delta(NQ_{j,ab}/K-\sum_{i\in j}W_{ia}W_{ib})$ for each branch; the sites of a branch "
        "and the alpha N patterns are then independent and identical. Theta is the indicator of the output +1.",
        w.at_sizes(reference, BRUTE_FORCE, environment),
        f"explicit matrices with one common factor, {w.counted}: "
        + ("product grids over replicas against one-dimensional integrals" if K == 1 else ORTHANTS),
    )


def fields_named(w: Workshop) -> str:
    """The matrix that the fields of a pattern have as covariance: overlaps, or what infinitely many units make of them."""
    return "C" if isinstance(w.model, Wide) else "Q"


def in_fields(w: Workshop, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(v, d) of C(Q_ab) = v_a v_b + delta_ab d_a: any covariance of up to three fields has one factor."""
    C = np.asarray(evaluate(w.C.values[0], {w.q[0].name: Q}, {}))
    n = len(C)
    v = np.sqrt(np.diag(C)) if n == 1 else np.full(n, math.sqrt(C[0, 1]))  # two, or four alike
    if n == 3:
        v = np.sqrt(np.array([C[0, 1] * C[0, 2] / C[1, 2], C[0, 1] * C[1, 2] / C[0, 2], C[0, 2] * C[1, 2] / C[0, 1]]))
    if n == 1:
        v = 0.6 * v
    return v, np.diag(C) - v**2


def one_factor(v: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.outer(v, v) + np.diag(d)


ORTHANTS = (
    "the weight of every sign pattern of the replicas in one branch, by product grids against one-dimensional integrals; "
    "branches combined by counting against a Fourier sum"
)


def factor_masses(v: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Probability of every sign pattern of Gaussian fields of covariance v v^T + diag(d), from the common factor."""
    from scipy.special import ndtr

    below = [ndtr(-x * Z_NODES / math.sqrt(y)) for x, y in zip(v, d)]
    signs = itertools.product((0, 1), repeat=len(v))
    flat = [Z_WEIGHTS @ math.prod(1 - p if up else p for up, p in zip(s, below)) for s in signs]
    return np.reshape(flat, (2,) * len(v))


def fourier_counted(masses: list[np.ndarray], accepted: Sequence[bool]) -> float:
    """`overlaps.counted` as the convolution it is: transforms of the branches' masses multiplied."""
    K, n = len(masses), masses[0].ndim
    transforms = [np.fft.fftn(m, (K + 1,) * n, range(n)) for m in masses]
    counts = np.fft.ifftn(math.prod(transforms)).real
    for _ in range(n):
        counts = counts @ np.asarray(accepted, dtype=float)
    return float(counts)


def insert_ansatz(w: Workshop, title: str, statement: str, why: str, by: str) -> None:
    """The structured matrices inserted into trace, determinant and replica integrals."""
    a, b = w.C.inverse().quadratic_form()
    ahat, bhat = w.Qhat.quadratic_form()
    normal = -w.size * sp.log(2 * sp.pi) / 2 - w.C.log_determinant() / 2
    expr = (
        sp.expand(-w.Q.trace_product(w.Qhat) / 2)
        + ReplicaIntegral("w", w.Qhat.sizes, -ahat, bhat)
        + sp.Add(*(w.units * S.alpha * t for t in normal.args))
        + S.alpha * ReplicaIntegral("u", w.C.sizes, a, tuple(-x for x in b), w.units)
    )

    def reference(sizes: Sizes, env: Env) -> float:
        Q, Qhat, C = (m.explicit(sizes, env) for m in (w.Q, w.Qhat, w.C))
        full = {**env, "Qhat": Qhat, fields_named(w): C if w.units == 1 else matrix([C] * w.units)}
        trace = float(np.trace(Q @ Qhat))
        integrals = (
            MatrixIntegral("w", "Qhat", w.size).numeric(full, w.leaves),
            MatrixIntegral("u", fields_named(w), w.size, w.units).numeric(full, w.leaves),
        )
        return -0.5 * trace + integrals[0] + float(env["alpha"]) * integrals[1]

    w.add(title, statement, w.moment, expr, why, w.at_sizes(reference, EXACT), by)


def decouple_both(w: Workshop, weights: tuple[str, str, str], patterns: tuple[str, str, str]) -> sp.Expr:
    """Replica integrals of weights, then of patterns, as towers; each side brings its statement, reason and check in words."""
    before = w.steps[-1].expression
    frame = Eigenframe(w.C)
    nodes = {x.side: x for x in before.atoms(ReplicaIntegral)}
    _, tower = decouple(nodes["w"], w.leaves["g"], level_symbols(S.z, w.k), level_symbols(S.h, w.k), frame)
    middle = before.subs(nodes["w"], tower)
    statement, why, by = weights
    w.add("Decouple the weights", statement, w.moment, middle, why, w.against(before, BRUTE_FORCE), by)
    normals, fields = (level_symbols(x, w.k, w.units) for x in (S.t, S.omega))
    algebra, tower = decouple(nodes["u"], w.leaves["f"], normals, fields, frame)
    terms = sp.Add.make_args(middle)
    logs = [t for t in terms if t.has(sp.log) and not t.has(LogMean, ReplicaIntegral)]
    rest = sp.Add(*(t for t in terms if t not in logs and not t.has(nodes["u"])))
    after = rest + frame.cancel_logarithms(sp.Add(*logs) + S.alpha * algebra) + S.alpha * tower
    statement, why, by = patterns
    w.add("Decouple the patterns", statement, w.moment, after, why, w.against(middle, BRUTE_FORCE), by)
    return after


def gaussian_weights(w: Workshop, after: sp.Expr, statement: str, why: str, by: str) -> sp.Expr:
    """The tower of the sphere in closed form."""
    (tower,) = (t for t in after.atoms(LogMean) if t.level.power == w.size and t.level.w[0].name.startswith("h"))
    closed = gaussian_tower(w.Qhat.sizes, steps(w.c), S.lam, named=bool(w.m))
    terms = (sp.expand(t.subs(tower, closed)) if t.has(tower) else t for t in sp.Add.make_args(after))
    return w.add("Gaussian weights", statement, w.moment, sp.Add(*terms), why, w.against(after, TILTED), by)


def limit(w: Workshop, decoupled: sp.Expr, title: str, statement: str, why: str) -> sp.Expr:
    """phi = d/ds at s = 0 or 1, term by term."""
    s = S.s
    terms = [(t / w.size).subs(S.n, s - w.base) for t in sp.Add.make_args(decoupled)]
    free = sp.S.Zero
    algebra = sp.S.Zero
    for term in terms:
        if term.has(LogMean):
            (node,) = (t for t in term.atoms(LogMean) if t.level.at[0] == 0)  # the outermost
            free += sp.simplify(term.xreplace({node: sp.S.One})) * rs.limit(node, s, w.base)
        else:
            algebra += term
    if w.base:
        free += rs.limit(algebra, s, 1) if algebra.has(sp.log) else sp.expand(rs.limit(sp.simplify(algebra), s, 1))
    else:  # the algebra vanishes with s: its limit over s is its derivative
        algebra = algebra.replace(lambda e: isinstance(e, Named) and e.has(s), lambda e: e.args[1])
        free += sp.Add(*(sp.expand(s * t).diff(s).subs(s, 0) for t in sp.Add.make_args(algebra)))

    def check(expr: sp.Expr) -> tuple[float, float]:
        zero = w.value(decoupled, n=1e-300) if w.teacher else 0.0
        values = [(w.value(decoupled, n=h) - zero) / h for h in (0.16 * 0.5**k for k in range(7))]
        return abs(w.value(expr) - richardson(values)), EXTRAPOLATED * 10

    return w.add(title, statement, r"\phi", free, why, check, "Richardson extrapolation of small n")


def local_integrals(w: Workshop) -> None:
    for leaf in (w.leaves["g"], w.leaves["f"]):
        if leaf.closed is None or (leaf.name == "g" and isinstance(w.model.weights, Spherical)):
            continue
        grid = points(w, leaf)
        expr = unit_probability(leaf) if len(leaf.fields) > 1 else leaf.closed

        def check(expr: sp.Expr, leaf: Any = leaf, grid: Any = grid) -> tuple[float, float]:
            opaque = leaf.node(leaf.variable)
            closed, direct = (np.asarray(evaluate(e, {**w.env, **grid}, w.leaves)) for e in (expr, opaque))
            return float(np.max(np.abs(closed - direct))), EXACT

        what = "the sum over one weight" if leaf.name == "g" else "the Gaussian average of the likelihood"
        w.add(
            f"Local integral {leaf.name}",
            f"In closed form, {what} is",
            definition_of(leaf),
            expr,
            "The sum over the finite set."
            if leaf.name == "g"
            else "A likelihood that is constant on intervals gives tails H of the Gaussian."
            if expr is leaf.closed
            else "Given their means the K fields are independent, and Theta depends on their signs only: a sum, over the sets "
            "B of positive units that give the output +1, of products of tails. $P_j$ is the probability that unit j is positive.",
            check,
            "direct sum or quadrature of the definition at three points",
        )


def definition_of(leaf: LeafDefinition) -> str:
    """LaTeX of a leaf with its arguments and what defines it; the fields of several units as a vector."""
    if len(leaf.fields) > 1:
        return r"f(\vec\omega,V) = \log\int\!\prod_j Dz_j\,\Theta(\dots,\,\omega_j+\sqrt V\,z_j,\,\dots)"
    return rf"{leaf.name}({latex(leaf.field)},{latex(leaf.variable)}) = {leaf.definition}"


def points(w: Workshop, leaf: LeafDefinition) -> dict[str, np.ndarray]:
    """Three points at which expressions in the fields of a leaf are compared."""
    fields = np.array([-1.3, 0.4, 2.1])
    scale = w.env["Q"] if leaf.name == "f" else 1 / w.env["Q"]
    grid = {x.name: math.sqrt(scale) * (np.roll(fields, a) + 0.23 * a) for a, x in enumerate(leaf.fields)}
    return {**grid, leaf.variable.name: np.array([0.6, 0.9, 1.4]) * scale}


def heat_equation(w: Workshop) -> None:
    """The heat equation of a leaf of several fields, component by component."""
    leaf = w.leaves["f"]
    f = leaf.node(leaf.variable)
    grid = points(w, leaf)

    def check(expr: sp.Expr) -> tuple[float, float]:
        fields, variance = (np.asarray(evaluate(e, {**w.env, **grid}, w.leaves)) for e in (expr, f.raised(None)))
        return float(np.max(np.abs(fields - variance))) * w.unit(S.Q), DIFFERENCED  # both sides are as large as 1/Q

    slopes = [(f.raised(a), f.raised(a).raised(a)) for a in range(w.units)]
    w.add(
        "Heat equation of f",
        r"The variance of every unit's field acts as a second derivative, and $f=\log Z$:",
        r"\partial_V f = \frac12\sum_{j}\left(f_{jj}+f_j^2\right)",
        sp.Mul(sp.S.Half, sp.Add(*(x for d1, d2 in slopes for x in (d2, d1**2))), evaluate=False),
        r"$e^f$ is a Gaussian average of Theta with variance V in each of its K arguments, so "
        r"$\partial_V e^f=\frac12\sum_j\partial_j^2 e^f$, component by component; divide by $e^f$.",
        check,
        "finite difference in V against joint cumulants, each integrated from the definition at three points",
    )


def exchanged(expr: sp.Expr) -> sp.Expr:
    """Averages that differ by a permutation of exchangeable units, their explicit normals included, become one."""

    def least(node: sp.Expr) -> sp.Expr:
        level, phi, obs = node.args
        symmetric = level.power == 0 or (isinstance(phi, Leaf) and phi.w == level.w and not any(phi.k))
        if not level.exchangeable or not symmetric or any(leaf.w != level.w for leaf in obs.atoms(Leaf)):
            return node
        found, places = [], singled_out(obs, level)
        for order in itertools.permutations(range(len(places))):
            to = dict(zip(places, order))

            def move(leaf: sp.Expr, to: dict[int, int] = to) -> sp.Expr:
                k = [0] * len(level.w)
                for a, b in to.items():
                    k[b] = leaf.k[a]
                return Leaf(leaf.name, leaf.sign, k, leaf.j, leaf.w, leaf.V)

            moved = obs.replace(lambda e: isinstance(e, Leaf), move)
            found.append(moved.xreplace({level.z[a]: level.z[b] for a, b in to.items()}))
        return Tilt(level, phi, min(found, key=sp.default_sort_key))

    return expr.replace(lambda e: isinstance(e, Tilt) and len(e.level.w) > 1, least)


def slope_check(w: Workshop, x: sp.Symbol) -> Checker:
    """Compare with the finite difference of the free entropy in x, off the saddle."""

    def check(expr: sp.Expr) -> tuple[float, float]:
        target = difference(lambda y: w.value(w.functional.expr, **{x.name: y}), w.env[x.name])
        return apart(w.value(expr), target, 1 / w.unit(x)), DIFFERENCED

    return check


def derivative_of(x: sp.Symbol) -> str:
    return rf"\frac{{\partial\phi}}{{\partial {latex(x)}}}"


SLOPE = "finite difference of the free entropy, off the saddle"


def differentiate(
    w: Workshop, x: sp.Symbol, raw: sp.Expr, fields: str, heat: str, show: Callable[[sp.Expr], sp.Expr] = lambda e: e
) -> None:
    """d phi/dx by chain rule (``raw``), Stein's lemma and heat equation: a step for each that changes the expression.

    fields, heat : why the first and the last hold; show : how an expression is presented.
    """
    name = plain(x)
    if w.units > 1:
        raw = exchanged(raw)
    algebra, towers = split(linear(stein(raw)))
    without = algebra + sp.Add(*(sp.expand(t, deep=False) for t in sp.Add.make_args(towers)))
    stages = (
        (
            "chain rule",
            f"Differentiate at fixed Gaussian variables; the fields depend on {name} through their factor.",
            raw,
            fields,
        ),
        (
            "Stein's lemma",
            "Gaussian integration by parts removes the explicit Gaussian variables.",
            without,
            "E[z F(z)] = E[F'(z)], with the derivative of a tilt included.",
        ),
        (
            "heat equation",
            "Derivatives in the variance become field derivatives, and terms cancel.",
            w.functional.grad()[x],
            heat,
        ),
    )
    previous = None
    for rule, statement, expr, why in stages:
        if expr != previous:
            w.add(f"d phi/d {name}: {rule}", statement, derivative_of(x), show(expr), why, slope_check(w, x), SLOPE)
        previous = expr


def reduced(w: Workshop, free: sp.Expr, expr: sp.Expr, why: str) -> None:
    """The functional that is solved, against the free entropy from which its conjugates were eliminated."""
    f = w.functional
    changes = dict(f.eliminated)
    dropped = [k.name for k in changes] == ["lambda"] and not w.teacher

    def same(expr: sp.Expr) -> tuple[float, float]:
        at = {"Q": float(w.value(f.norm)), **{k.name: w.value(v) for k, v in changes.items()}}
        worst = abs(w.value(expr, Q=at["Q"]) - w.value(free, **at))
        if dropped:  # lam drops out: any value gives the same
            worst = max(worst, abs(w.value(expr, Q=at["Q"]) - w.value(free, **{**at, "lambda": 0.9})))
        return worst, EXACT

    if not changes:
        text = "Nothing can be eliminated: the same free entropy, its algebra collected."
        if f.norm not in (*f.unknowns, S.Q):
            text = f"Q = {plain(f.norm)} is prescribed and lambda its multiplier: nothing can be eliminated."
    elif dropped:
        text = "w^2 is the same for all values, so lambda shifts g by -lambda Q/2 and drops out."
    else:
        text = "The conjugates found above are inserted."
    by = "the unreduced free entropy at the same point"
    w.add("Reduced free entropy", "What is left to extremise.", r"\phi", expr, f"{text} {why}", same, by)
