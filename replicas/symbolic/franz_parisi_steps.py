r"""The steps that lead to the replica-symmetric Franz-Parisi entropy, from two coupled groups of replicas.

n replicas of the reference (n -> 0 normalises its measure) and s of the weights around the first of them (s -> 0 makes the
logarithm). Steps before the limit are held against explicit integrals over n + s <= 3 replicas, the limit against
extrapolation in n and s, every equation against finite differences off the saddle.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from ..models import Model
from . import symbols as S
from .derivation import Derivation
from .franz_parisi import (
    Reference,
    algebra,
    functional,
    h_0_ref,
    omega_0_ref,
    pattern_tower,
    semigroup,
    site_tower,
    w_ref,
)
from .franz_parisi_bench import Bench
from .franz_parisi_replicas import (
    CrossMoment,
    GroupIntegral,
    exponent_of,
    fields_by_factor,
    sites_by_factor,
    structured,
)
from .franz_parisi_saddle import equations, gaussian_weights, local_integrals, slope
from .nodes import Gaussian, Leaf, Level, LogMean, Tilt
from .numeric import Z_NODES, Z_WEIGHTS, Env, matrix
from .overlaps import symmetric_sum
from .replica_steps import definition_of
from .workshop import BRUTE_FORCE, DIFFERENCED, EXACT, EXTRAPOLATED, apart, difference, richardson

MOMENT = r"\frac1N\log\overline{\tilde Z^{n-1}\sum_{\tilde W}\tilde P(\tilde W)\,Z(\tilde W)^s}"


def derive_franz_parisi(model: Model, reference: str | Reference = "typical") -> Derivation:
    """The whole chain, for binary weights around any reference or spherical ones around spherical."""
    w = Bench(model, functional(model, reference))
    _replicas(w)
    _pattern_average(w)
    _overlaps(w)
    inserted = _ansatz(w)
    decoupled = _decouple(w, inserted)
    tilted = _derivative(w, decoupled)
    free = _no_replicas(w, decoupled, tilted)
    local_integrals(w)
    gaussian_weights(w, free)
    equations(w)
    slope(w)
    return Derivation(model, "rs", tuple(w.steps), w.functional, 0, "franz-parisi", w.reference.name)


def _replicas(w: Bench) -> None:
    rng = np.random.default_rng(11)
    toy = {"toy_P": matrix(rng.uniform(0.2, 1.0, (5, 4))), "toy_logZ": matrix(rng.normal(size=(5, 4)))}
    P = np.asarray(toy["toy_P"])
    exact = float(np.mean((P * np.asarray(toy["toy_logZ"])).sum(axis=1) / P.sum(axis=1)))

    def check(e: sp.Expr) -> tuple[float, float]:
        values = [w.value(e, n=h, s=h, **toy) for h in (0.1 * 0.5**k for k in range(7))]
        return abs(richardson(values) - exact), EXTRAPOLATED

    w.add(
        "Two groups of replicas",
        r"$Z(\tilde W)$ counts the weights W at the distance d from the reference $\tilde W$, which has the measure "
        r"$\tilde P(\tilde W)/\tilde Z$. The entropy is the average of $\log Z$ over references and patterns.",
        r"\phi = \lim_{n,s\to0}\ \frac1N\left\{\cdot\right\},\quad \left\{\cdot\right\}",
        CrossMoment(S.n, S.s) / S.s - CrossMoment(S.n, 0) / S.s,
        "The logarithm is the derivative of a power at s = 0; the normalisation of the reference is its partition function to the "
        "power n - 1 at n = 0. For integers there are n replicas of the reference, and s of the weights around the first of them.",
        check,
        "five instances of a system with four references: extrapolation n = s -> 0 against the mean logarithm",
    )


def _pattern_average(w: Bench) -> None:
    a, b = sp.symbols("a b", integer=True, positive=True)
    s, Qm, size = sp.IndexedBase("s"), sp.IndexedBase("Q"), S.n + S.s

    def environment(n: int, k: int) -> Env:
        rng = np.random.default_rng(10 * n + k)
        sites, couplings = rng.normal(size=(n + k, 5)), rng.normal(size=n + k)
        return {"sites": matrix(sites), "Q": matrix(sites @ sites.T / 5), "couplings": matrix(couplings)}

    def reference(n: int, k: int, env: Env) -> float:
        c = np.asarray(env["couplings"]) @ np.asarray(env["sites"]) / np.sqrt(5)
        return float(sum(np.log(Z_WEIGHTS @ np.cos(x * Z_NODES)) for x in c))

    expr = -sp.Sum(s[a] * Qm[a, b] * s[b], (a, 1, size), (b, 1, size)) / 2
    inner = w.groups(reference, EXACT, environment)
    renamed = {s: sp.IndexedBase("couplings")}
    w.add(
        "Average over the patterns",
        "References and weights see the same patterns: their n + s local fields of one pattern are jointly Gaussian with "
        "covariance Q_ab = W_a.W_b/N, and the characteristic function is",
        r"\log\mathbb{E}_\xi\, e^{i\sum_a s_a u_a}",
        expr,
        "Sums of independent components of zero mean and unit variance (exact for Gaussian patterns, the central limit theorem otherwise).",
        lambda e: inner(e.xreplace(renamed)),
        "product over 5 sites of one-dimensional averages, (n, s) = (1, 1), (2, 1), (1, 2)",
    )


def _overlaps(w: Bench) -> None:
    size = S.n + S.s
    expr = (
        -symmetric_sum("Qhat", "Q", size) / 2
        - S.s * S.D * (1 - 2 * S.distance)
        + GroupIntegral("w", S.n, S.s, "Qhat", w.signs)
        + S.alpha * GroupIntegral("u", S.n, S.s, "Q", w.signs)
    )
    norm = w.value(w.reference.norm)
    wide = 4.1 if w.reference.tilted else 0.0

    def parts(n: int, s: int) -> tuple[np.ndarray, ...]:
        """Overlaps v v^T + diag(d) and conjugates c c^T - diag(e), with the norms of each group."""
        v = np.array([0.62, 0.55, 0.5])[: n + s]
        d = np.array([norm] * n + [1.0] * s) - v**2
        c = np.array([0.7, 0.5, 0.6])[: n + s]
        return v, d, c, np.array([wide] * n + [4.3 if w.spherical else 0.0] * s)

    def environment(n: int, s: int) -> Env:
        v, d, c, e = parts(n, s)
        return {"Q": matrix(np.outer(v, v) + np.diag(d)), "Qhat": matrix(np.outer(c, c) - np.diag(e))}

    def reference(n: int, s: int, env: Env) -> float:
        v, d, c, e = parts(n, s)
        trace = float(np.trace(np.asarray(env["Q"]) @ np.asarray(env["Qhat"])))
        distance = s * env["D"] * (1 - 2 * env["d"])
        sites = sites_by_factor(c, e, n, w.signs, env, w.leaves)
        return -0.5 * trace - distance + sites + env["alpha"] * fields_by_factor(v, d, n, env, w.leaves)

    sigma = "sign(w~_1)" if w.signs else "w~_1"
    w.add(
        "Overlaps, conjugates and the distance",
        "Fixing the overlaps Q_ab by conjugates and the distances by D decouples sites and patterns; per weight, at the saddle point "
        f"over all of them, with {sigma} of the first reference for its direction,",
        MOMENT,
        expr,
        r"Fourier representations of $\delta(NQ_{ab}-W_a\cdot W_b)$ and of $\delta(N(1-2d)-\sum_i \sigma_iW_{i})$ for each of the s "
        "weights, one D for all; the N sites and the alpha N patterns are then independent and identical.",
        w.groups(reference, BRUTE_FORCE, environment),
        "explicit matrices with one common factor: product grids over n + s = 2, 3 replicas against one-dimensional integrals",
    )


def overlap_entries(ref: Reference) -> tuple[sp.Expr, ...]:
    between, other = (sp.S.Zero, sp.S.Zero) if ref.even else (S.q_ref, S.overlap_cross)
    return ref.norm, between, S.overlap_ref, other, sp.S.One, S.q


def conjugate_entries(w: Bench) -> tuple[sp.Expr, ...]:
    between, other = (sp.S.Zero, sp.S.Zero) if w.reference.even else (S.q_hat_ref, S.t_hat)
    lam = S.lam if w.spherical else sp.S.Zero
    return between - exponent_of(w.reference), between, S.p_hat, other, S.q_hat - lam, S.q_hat


def _ansatz(w: Bench) -> sp.Expr:
    n, s = S.n, S.s
    Q, C = overlap_entries(w.reference), conjugate_entries(w)
    trace = n * Q[0] * C[0] + n * (n - 1) * Q[1] * C[1] + s * Q[4] * C[4] + s * (s - 1) * Q[5] * C[5]
    expr = (
        -sp.expand(trace) / 2
        - s * S.overlap_ref * S.p_hat
        - s * (n - 1) * Q[3] * C[3]
        - s * S.D * (1 - 2 * S.distance)
        + GroupIntegral("w", n, s, C, w.signs)
        + S.alpha * GroupIntegral("u", n, s, Q, w.signs)
    )

    def environment(k: int, r: int) -> Env:
        entries = [[w.value(y) for y in each] for each in (Q, C)]
        return {"Q": matrix(structured(entries[0], k, r)), "Qhat": matrix(structured(entries[1], k, r))}

    def reference(k: int, r: int, env: Env) -> float:
        trace = float(np.trace(np.asarray(env["Q"]) @ np.asarray(env["Qhat"])))
        sites, fields = (
            GroupIntegral(side, sp.Integer(k), sp.Integer(r), name, w.signs).numeric(env, w.leaves)
            for side, name in (("w", "Qhat"), ("u", "Q"))
        )
        return -0.5 * trace - r * env["D"] * (1 - 2 * env["d"]) + sites + env["alpha"] * fields

    others = (
        "no overlap between references, nor of weights with another reference: both likelihoods are even"
        if w.reference.even
        else "q~ between references, p of weights with their own reference and t with the others"
    )
    return w.add(
        "Replica-symmetric ansatz",
        f"Within a group all pairs are equivalent, and the first reference is special to the weights: {others}, q between weights; "
        "conjugates alike.",
        MOMENT,
        sp.expand(expr),
        "The trace of the two structured matrices, block by block.",
        w.groups(reference, EXACT, environment),
        "trace and integrals of the explicit matrices, (n, s) = (1, 1), (2, 1), (1, 2)",
    )


def site_towers(w: Bench) -> sp.Expr:
    """log of the sites' integral at any n and s."""
    ref, lam = w.reference, S.lam if w.spherical else sp.S.Zero
    tower = site_tower(w.leaves, ref, lam)
    return _grouped(tower, S.h, Leaf("Gamma", -1, 0, 0, 0 if ref.even else h_0_ref, exponent_of(ref)))


def pattern_towers(w: Bench) -> sp.Expr:
    """log of the patterns' integral at any n and s."""
    ref = w.reference
    between = sp.S.Zero if ref.even else S.q_ref
    return _grouped(pattern_tower(w.leaves, ref), S.omega, Leaf("F", 1, 0, 0, 0 if ref.even else omega_0_ref, ref.norm - between))


def _grouped(tower: sp.Expr, field: sp.Symbol, other: sp.Expr) -> sp.Expr:
    """The tower of a mean logarithm back to the power mean whose derivative it is: s weights, n - 1 more references."""
    outer, mean = (tower.level, tower.phi) if isinstance(tower, LogMean) else (None, tower)
    level, phi, obs = mean.args
    if isinstance(obs, LogMean):  # sites: the weights have an average of their own
        inside = phi + LogMean(Level(1, *obs.level.args[1:]), S.s * obs.phi)
    else:
        inside = phi + S.s * obs
    rest = (S.n - 1) * other + LogMean(level, inside)
    return rest if outer is None else LogMean(Level(1, *outer.args[1:]), rest)


def _decouple(w: Bench, before: sp.Expr) -> sp.Expr:
    nodes = {node.side: node for node in before.atoms(GroupIntegral)}
    middle = before.xreplace({nodes["w"]: site_towers(w)})
    side = r"\operatorname{sign}(\tilde w)" if w.signs else r"\tilde w"
    shared = "" if w.reference.even else r"\frac{\hat t}{\sqrt{\hat{\tilde q}}}x+"
    own = r"\hat q" if w.reference.even else r"\hat q-\hat t^2/\hat{\tilde q}"
    cross = r"\hat p" if w.reference.even else r"(\hat p-\hat t)"
    of_ref = "" if w.reference.even else r"$\tilde h=\sqrt{\hat{\tilde q}}\,x$ and "
    w.add(
        "Decouple the weights",
        rf"Given a normal x shared by all replicas and z by the weights, sites of references and weights are independent: {of_ref}"
        rf"$h={shared}\sqrt{{{own}}}\,z+{cross}\tilde w+D\,{side}$.",
        MOMENT,
        middle,
        rf"Hubbard-Stratonovich for the two groups; the other n - 1 references contribute $\Gamma={w.leaves['Gamma'].definition}$ each.",
        w.before(before, BRUTE_FORCE),
        "brute-force integral over n + s = 2, 3 replicas",
    )
    after = middle.xreplace({nodes["u"]: pattern_towers(w)})
    F = definition_of(w.leaves["F"])
    pair = (
        r"$\tilde\omega=bz$, $\omega=\gamma z$, $\gamma^2=q$, $b\gamma=p$"
        if w.reference.even
        else r"$\tilde\omega=\sqrt{\tilde q}\,x+bz$, $\omega=\frac{t}{\sqrt{\tilde q}}x+\gamma z$, $\gamma^2=q-t^2/\tilde q$, $b\gamma=p-t$"
    )
    return w.add(
        "Decouple the patterns",
        rf"The fields of a pattern share normals likewise: {pair} for the first reference and the weights, and no z for the other "
        "references; what is left of each variance goes into F and f.",
        MOMENT,
        after,
        rf"Every covariance of the n + s fields is reproduced. ${F}$.",
        w.before(middle, BRUTE_FORCE),
        "brute-force integral over n + s = 2, 3 replicas",
    )


def _derivative(w: Bench, decoupled: sp.Expr) -> sp.Expr:
    towers = [t for t in sp.Add.make_args(decoupled) if t.has(LogMean)]
    rest = sp.Add(*(t for t in sp.Add.make_args(decoupled) if t not in towers))
    expr = sp.expand(rest.diff(S.s).subs(S.s, 0)) + sp.Add(*(at_no_weights(t.diff(S.s)) for t in towers))

    def check(e: sp.Expr) -> tuple[float, float]:
        worst = 0.0
        for n in (0.6, 2.0):
            slope = difference(lambda y, n=n: w.value(decoupled, n=n, s=y), 0.0, 0.03)  # type: ignore[misc]
            worst = max(worst, apart(w.value(e, n=n), slope))
        return worst, DIFFERENCED

    return w.add(
        "Derivative in s",
        "At s = 0 the weights no longer act on the references: their logarithm is averaged in the measure of n references.",
        rf"\left.\partial_s\right|_{{s=0}}{MOMENT}",
        expr,
        "The derivative of a power mean is an average tilted by what stands in its exponent.",
        check,
        "finite differences in s at n = 0.6 and n = 2",
    )


def at_no_weights(expr: sp.Expr) -> sp.Expr:
    """s = 0: averages that nothing tilts any more are means."""
    return plain_means(expr.subs(S.s, 0))


def plain_means(expr: sp.Expr) -> sp.Expr:
    def change(node: sp.Expr) -> sp.Expr:
        level, phi, obs = node.args
        return LogMean(Level(0, *level.args[1:]), obs) if phi == 0 and isinstance(level.measure, Gaussian) else node

    return expr.replace(lambda e: isinstance(e, Tilt), change)


def _no_replicas(w: Bench, decoupled: sp.Expr, tilted: sp.Expr) -> sp.Expr:
    """n -> 0: the weight of the first reference cancels the normalisation of the others."""
    ref = w.reference
    lam = S.lam if w.spherical else sp.S.Zero
    expr = algebra(ref, lam) + site_tower(w.leaves, ref, lam) + S.alpha * pattern_tower(w.leaves, ref)
    reached = _normalised(w, tilted.subs(S.n, 0))
    if sp.expand(reached - expr) != 0:
        raise AssertionError(f"limit: got {reached}; takes {expr}")

    def check(e: sp.Expr) -> tuple[float, float]:
        values = [(w.value(decoupled, n=h, s=h) - w.value(decoupled, n=h, s=0.0)) / h for h in (0.16 * 0.5**k for k in range(7))]
        return abs(w.value(e) - richardson(values)), EXTRAPOLATED * 10

    return w.add(
        "The limit n -> 0",
        "The Franz-Parisi entropy, to be extremised over its order parameters; those of the reference have their own saddle point.",
        r"\phi",
        expr,
        r"$\mathbb{E}_z\,e^{F(\tilde\omega_0+bz;\,V-b^2)}=e^{F(\tilde\omega_0;V)}$ and $\Gamma$ cancel the n - 1 = -1 other references: "
        "the outer average is a plain mean, the inner one normalised by itself. Terms of the references alone do not depend on s.",
        check,
        "Richardson extrapolation in n = s of the decoupled moments",
    )


def _normalised(w: Bench, expr: sp.Expr) -> sp.Expr:
    """Power means of the reference's own weight written as its leaves."""
    sites = {
        node: Leaf("Gamma", -1, 0, 0, 0 if w.reference.even else h_0_ref, exponent_of(w.reference))
        for node in expr.atoms(LogMean)
        if node.level.w == sp.Tuple(w_ref)
    }
    out = semigroup(expr.xreplace(sites))
    return plain_means(out.replace(lambda e: isinstance(e, Tilt), lambda e: Tilt(e.level, sp.expand(e.phi), e.obs)))


__all__ = ["derive_franz_parisi"]
