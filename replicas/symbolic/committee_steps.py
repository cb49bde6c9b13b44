r"""The steps of the replica-symmetric derivation of a fully connected committee with a Bayes-optimal teacher.

s = n + 1 coupled replicas, the teacher one of them; every overlap is a K x K matrix over the units. What follows the free
entropy (heat equation, saddle point, specialisation) stands in `committee_saddle`.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import sympy as sp

from ..committees import Committee
from ..models import Spherical
from . import committee as C
from . import rs
from . import symbols as S
from .committee_integrals import (
    CoupledUnits,
    UnitsCharacteristic,
    UnitsIntegral,
    field_integral,
    label_mass,
    unflat,
    weight_integral,
)
from .committee_leaves import NAMES, accepted, distinct, eigenvalues, labels, listed
from .derivation import Derivation
from .functional import latex
from .nodes import Leaf, LogMean, Tilt
from .numeric import Z_NODES, Z_WEIGHTS, Env, matrix
from .overlaps import Moment
from .replica_steps import factor_masses
from .workshop import DIFFERENCED, EXACT, EXTRAPOLATED, Sizes, Workshop, difference, richardson

SIZES = {2: ((1,), (2,), (3,)), 3: ((1,), (2,))}  # s K fields are integrated over, six at most
ORTHANT = 1e-6  # orthants of six correlated fields by Gauss-Legendre rules, relative
OVERLAP, CROSS = 0.43, 0.17  # the check point: specialised, units correlated
CONJUGATE, CROSS_CONJUGATE = 0.71, 0.26


class Bench(Workshop):
    """A workshop whose overlaps are matrices over the units, at the check point of a specialised state."""

    def __init__(self, model: Committee, functional: C.MatrixFunctional):
        super().__init__(model, functional, (S.q,), (S.q_hat,), (), SIZES[model.K])
        self.committee = model
        self.units = self.K = model.K
        self.sphere = isinstance(model.weights, Spherical)

    @property
    def norm(self) -> float:
        """Mean square of a weight."""
        return float(self.functional.norm)

    def unit(self, x: sp.Symbol) -> float:
        """Those between units have the sizes of those of one unit."""
        return super().unit({S.q_c: S.q, S.q_hat_c: S.q_hat, S.lam_c: S.lam}.get(x, x))

    @property
    def moment(self) -> str:
        return rf"\frac1{{NK}}\log\overline{{Z^{{{latex(self.size)}}}}}"

    def _point(self) -> dict[str, Any]:
        scale, K = self.norm, self.model.K
        env = {"alpha": 0.83, "Q": scale, "lambda": 1.27 / scale, "lambda_c": 0.31 / scale}
        if isinstance(self.model.weights, Spherical):
            env["lambda"] = 4.3  # coupled spheres need Lambda > s q_hat
        env |= {"q": OVERLAP * scale, "q_c": CROSS * scale * 2 / K}
        return env | {"qhat": CONJUGATE / scale, "qhat_c": CROSS_CONJUGATE / scale}

    def leaf(self, name: str) -> Leaf:
        """A leaf at its matrix: V = Q 1 - q, or the multipliers Lambda."""
        if name == "g":
            return Leaf(name, -1, [0] * self.K, 0, S.weight_fields(self.K), C.matrix(self.K, S.lam, S.lam_c))
        return Leaf(name, 1, [0] * self.K, 0, S.fields(self.K), C.matrix(self.K, S.Q - S.q, -S.q_c))


def derive_committee(model: Committee) -> Derivation:
    """The whole chain for two or three units. ValueError for a model whose derivation is not known."""
    from .committee_saddle import after_the_limit

    w = Bench(C.check(model), C.functional(model))
    _replicas(w)
    _pattern_average(w)
    _overlaps(w)
    _ansatz(w)
    decoupled = _decouple(w)
    _teacher_alone(w)
    free = _limit(w, decoupled)
    free = _labels(w, free)
    after_the_limit(w, free)
    return Derivation(model, "rs", tuple(w.steps), w.functional)


def _replicas(w: Bench) -> None:
    rng = np.random.default_rng(7)
    toy = np.asarray(w.leaves["f^+"].values([0] * w.K, [0] * 6, list(rng.normal(size=(w.K, 9))), (0.6 * np.eye(w.K)).tolist(), {}))  # type: ignore[attr-defined]
    exact = float(np.average(toy, weights=np.exp(toy)))

    def check(e: sp.Expr) -> tuple[float, float]:
        values = [w.value(e, n=0.1 * 0.5**k, toy=matrix(toy)) for k in range(6)]
        return abs(richardson(values) - exact), EXTRAPOLATED

    w.add(
        "Replicas",
        "The typical entropy per weight, N K weights in all, is the limit of the moments of the partition function.",
        r"\phi = \lim_{n\to0}\ \frac1{NK}\left\{\cdot\right\},\quad \left\{\cdot\right\}",
        sp.expand((Moment(S.n + 1) - Moment(1)) / S.n),
        "The teacher is drawn from the same measure as the students and labels the patterns without noise, so it is one more "
        "replica, and the sum over its labels is a sum over the labels y that all replicas give: averaging log Z over planted "
        "disorder is averaging Z^{n+1}; the normalisation is n = 0.",
        check,
        "nine instances of a one-pattern system: extrapolation n -> 0 of the moments against the mean logarithm",
    )


def _pattern_average(w: Bench) -> None:
    a, b, j, k = sp.symbols("a b j k", integer=True, positive=True)
    s, Q = sp.IndexedBase("s"), sp.IndexedBase("Q")
    expr = -sp.Sum(s[j, a] * Q[j, k, a, b] * s[k, b], (a, 1, w.size), (b, 1, w.size), (j, 1, w.K), (k, 1, w.K)) / 2

    def environment(sizes: Sizes) -> Env:
        rng = np.random.default_rng(sizes[0])
        sites, couplings = rng.normal(size=(w.K, sizes[0], 5)), rng.normal(size=(w.K, sizes[0])) / w.K
        Q = np.einsum("jai,kbi->jkab", sites, sites) / 5
        return {x: matrix(v) for x, v in {"sites": sites, "Q": Q, "s": couplings}.items()}

    def reference(sizes: Sizes, env: Env) -> float:
        # one Gaussian pattern component at a time, by quadrature: E exp(i xi sum_ja s_ja W_ja,i/sqrt N)
        couplings = np.einsum("ja,jai->i", np.asarray(env["s"]), np.asarray(env["sites"])) / math.sqrt(5)
        return float(sum(math.log(float(Z_WEIGHTS @ np.cos(c * Z_NODES))) for c in couplings))

    w.add(
        "Average over the patterns",
        r"Given the weights, the fields $u_{ja}=W_j^a\cdot\xi/\sqrt N$ of one pattern in the K units of all replicas are jointly "
        r"Gaussian. The units share their inputs, so every pair of them is correlated, with covariance "
        r"$Q^{ab}_{jk}=W_j^a\cdot W_k^b/N$:",
        latex(UnitsCharacteristic()),
        expr,
        "Sums of independent components of zero mean and unit variance (exact for Gaussian patterns, the central limit theorem "
        "otherwise).",
        w.at_sizes(reference, EXACT, environment),
        f"product over sites of one-dimensional averages, {w.counted} replicas of {w.K} units on 5 sites",
    )


def _overlaps(w: Bench) -> None:
    a, b, j, k = sp.symbols("a b j k", integer=True, positive=True)
    Q, Qhat = sp.IndexedBase("Q"), sp.IndexedBase("Qhat")
    sums = ((a, 1, w.size), (b, 1, w.size), (j, 1, w.K), (k, 1, w.K))
    expr = (
        -sp.Sum(Qhat[j, k, a, b] * Q[j, k, a, b], *sums) / (2 * w.K)
        + UnitsIntegral("w", "Qhat", w.size, w.K) / w.K
        + S.alpha * UnitsIntegral("u", "Q", w.size, w.K)
    )

    def parts(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Overlaps v v^T + diag(d) and conjugates c c^T - diag(e), generic but with one common factor."""
        m, scale = size * w.K, float(w.env["Q"])
        i = np.arange(m)
        v, d = (0.6 + 0.11 * np.cos(2.3 * i)) * math.sqrt(scale), (0.5 + 0.07 * np.sin(1.7 * i)) * scale
        c, e = (0.65 + 0.13 * np.sin(2.9 * i)) / math.sqrt(scale), (4.1 + 0.4 * np.cos(1.3 * i)) / scale
        return v, d, c, e

    def environment(sizes: Sizes) -> Env:
        v, d, c, e = parts(sizes[0])
        found = {"Q": np.outer(v, v) + np.diag(d), "Qhat": np.outer(c, c) - np.diag(e)}
        return {x: matrix(unflat(M, w.K)) for x, M in found.items()}

    def reference(sizes: Sizes, env: Env) -> float:
        v, d, c, e = parts(sizes[0])
        trace = float(np.trace((np.outer(v, v) + np.diag(d)) @ (np.outer(c, c) - np.diag(e))))
        if w.sphere:  # the determinant lemma
            weights = -0.5 * (float(np.log(e).sum()) + math.log(1 - float((c * c / e).sum()))) - 0.5 * len(e)
        else:  # independent weights in a common field
            nodes, logs = w.leaves["g"].measure(env)
            each = np.exp(logs + Z_NODES[:, None, None] * c[:, None] * nodes - e[:, None] * nodes**2 / 2).sum(axis=-1)
            weights = math.log(float(Z_WEIGHTS @ each.prod(axis=-1)))
        masses = factor_masses(v, d)
        fields = sum(label_mass(w.K, accepted(w.K, y), sizes[0], lambda x: masses[x]) for y in labels(w.K))
        return -0.5 * trace / w.K + weights / w.K + float(env["alpha"]) * math.log(fields)

    w.add(
        "Overlaps and conjugates",
        "Fixing the overlaps by conjugate matrices decouples sites and patterns; per weight, at the saddle point over both,",
        w.moment,
        expr,
        r"Fourier representation of $\delta(NQ^{ab}_{jk}-W_j^a\cdot W_k^b)$ for every pair of units of every pair of replicas. A site "
        "carries one weight of each unit of each replica; the N sites, and the alpha N K patterns, are independent and identical. "
        + ("The output " + ("has three values: a tied vote is y = 0." if w.K % 2 == 0 else "has two values.")),
        w.at_sizes(reference, ORTHANT, environment),
        f"explicit matrices with one common factor, {w.counted}: "
        + ("determinants" if w.sphere else "sums over all weights")
        + " and integrals over every sign pattern of the fields against one-dimensional integrals",
    )


def _ansatz(w: Bench) -> None:
    K, s = w.K, w.size
    q, hat = eigenvalues(K, S.q, S.q_c), eigenvalues(K, S.q_hat, S.q_hat_c)
    V = [S.Q - x for x in q]
    many = (1, K - 1)
    trace = -s * (S.Q * (S.q_hat - S.lam) + (s - 1) * (S.q * S.q_hat + (K - 1) * S.q_c * S.q_hat_c)) / 2
    normal = [-sp.Rational(K, 2) * (s * sp.log(2 * sp.pi))]
    for m, v, x in zip(many, V, q):
        normal += [-sp.Rational(m, 2) * ((s - 1) * sp.log(v)), -sp.Rational(m, 2) * sp.log(v + s * x)]
    B = [x / (v * (v + s * x)) for v, x in zip(V, q)]
    expr = (
        sp.expand(trace)
        + CoupledUnits("w", s, K, eigenvalues(K, S.lam, S.lam_c), hat) / K
        + sp.Add(*(S.alpha * t for t in normal))
        + S.alpha * CoupledUnits("u", s, K, [1 / v for v in V], B)
    )

    def reference(sizes: Sizes, env: Env) -> float:
        n = sizes[0]

        def explicit(diagonal: Any, off: Any, self_diagonal: Any, self_off: Any) -> np.ndarray:
            between = off * np.ones((K, K)) + (diagonal - off) * np.eye(K)
            own = self_off * np.ones((K, K)) + (self_diagonal - self_off) * np.eye(K)
            return np.kron(np.ones((n, n)) - np.eye(n), between) + np.kron(np.eye(n), own)

        Q = explicit(env["q"], env["q_c"], env["Q"], 0.0)
        c, d = env["qhat"], env["qhat_c"]
        Qhat = explicit(c, d, c - env["lambda"], d - env["lambda_c"])
        fields = field_integral(w.leaves, env, np.linalg.inv(Q), K) - 0.5 * float(np.linalg.slogdet(2 * math.pi * Q)[1])
        return (
            -0.5 * float(np.trace(Q @ Qhat)) + weight_integral(w.leaves["g"], env, Qhat)
        ) / K + float(env["alpha"]) * fields

    plus = {2: "(x_1+x_2)/\\sqrt2", 3: "(x_1+x_2+x_3)/\\sqrt3"}[K]
    w.add(
        "Replica-symmetric ansatz, and the permutations of the units",
        r"All pairs of replicas are equivalent: $Q^{ab}=q$, a $K\times K$ matrix, for $a\neq b$, and conjugates $\hat q-\Lambda\,\delta_{ab}$; "
        r"independent units of one replica do not overlap, $Q^{aa}=Q\,\mathbb{1}$. Relabelling the units of a replica takes its "
        f"solutions to solutions: there are K! = {math.factorial(K)} equivalent states, whose number adds log(K!)/(NK) -> 0 to the entropy. "
        "Each replica is labelled such that unit j is closest to unit j of the teacher. What is left is the exchange of two "
        r"labels in all replicas at once, and $q$, $\hat q$, $\Lambda$ commute with it: $q$ on their diagonal, $q_c$ off it. "
        r"$q_c=q$ is the state in which units are not told apart; $q>q_c$ is specialised.",
        w.moment,
        expr,
        rf"A vector over the units has a sum part $\vec x^{{\,+}}$, of length ${plus}$, and a rest $\vec x^{{\,-}}$ of differences, on which $q$ "
        r"is $q_+=q+(K-1)q_c$ and $q_-=q-q_c$ ($K-1$ times). In each of them determinant $(Q-q_\pm)^{s-1}(Q-q_\pm+sq_\pm)$ and inverse "
        "(Sherman-Morrison) are those of one unit.",
        w.at_sizes(reference, ORTHANT / 1e3),
        f"numerical trace, determinant and inverse of the explicit matrices over replicas and units, {w.counted}",
    )


def _decouple(w: Bench) -> sp.Expr:
    K, s = w.K, w.size
    before = w.steps[-1].expression
    nodes = {x.args[0].name: x for x in before.atoms(CoupledUnits)}
    g = s * LogMean(C.weight_level(s, K), w.leaf("g"))
    middle = before.subs(nodes["w"], g)
    w.add(
        "Decouple the weights",
        r"A Gaussian vector $\vec h\sim\mathcal N(0,\hat q)$ couples all replicas of one site; given it they are independent.",
        w.moment,
        middle,
        rf"Hubbard-Stratonovich with a matrix, $e^{{\frac12\vec x\cdot\hat q\vec x}}=\mathbb{{E}}_{{\vec h}}\,e^{{\vec h\cdot\vec x}}$ for "
        rf"$\vec x=\sum_a\vec w_a$; $\hat q$ may lose rank. One replica contributes $g(\vec h,\Lambda) = {w.leaves['g'].definition}$.",
        w.against(before, ORTHANT / 10),
        f"{'determinant' if w.sphere else 'explicit sum over the weights'} of {w.counted} replicas of {K} units",
    )
    V = w.leaf("f^+").V
    total = sp.Add(*(Tilt(C.pattern_level(0, K), 0, sp.exp(s * Leaf(NAMES[y], 1, [0] * K, 0, S.fields(K), V))) for y in labels(K)))
    logs = [t for t in sp.Add.make_args(middle) if t.has(S.alpha)]
    after = middle - sp.Add(*logs) + S.alpha * sp.log(total)
    w.add(
        "Decouple the patterns",
        r"A Gaussian vector $\vec\omega\sim\mathcal N(0,q)$ is common to all replicas; the rest of each replica's fields has covariance "
        r"$V=Q\,\mathbb{1}-q$, with correlations $-q_c$ between units.",
        w.moment,
        after,
        r"Hubbard-Stratonovich with a matrix, completion of the square in $\vec u_a$; all determinants cancel. "
        rf"$f^y(\vec\omega,V) = \log P\big[B(\vec\omega+V^{{1/2}}\vec z)=y\big]$ for the labels $y={listed(K)}$.",
        w.against(middle, ORTHANT),
        f"brute-force integral over the fields of {w.counted} replicas of {K} units",
    )
    if not w.sphere:
        return after
    terms = []
    for t in sp.Add.make_args(after):
        if not t.has(LogMean):
            terms.append(t)
            continue
        for m, x, y in zip((1, K - 1), eigenvalues(K, S.q_hat, S.q_hat_c), eigenvalues(K, S.lam, S.lam_c)):
            terms += [-sp.Rational(m, 2 * K) * t for t in (sp.log(1 - s * x / y), s * sp.log(y))]
        terms += list(sp.expand(-s / 2).args)
    return w.add(
        "Gaussian weights",
        r"On the sphere $g=\frac12\vec h\cdot\Lambda^{-1}\vec h-\frac12\log\det\Lambda-\frac K2$, and the average over $\vec h$ is Gaussian.",
        w.moment,
        sp.Add(*terms),
        "Gaussian integral of exp(s g), one factor for the sum of the units and K-1 for their differences; the flat measure "
        "dw/sqrt(2 pi e) is that of the sphere, whose norm Lambda fixes (volume relative to the sphere W_j.W_j = N).",
        w.against(after, ORTHANT / 10),
        f"quadrature over the {K} fields, {w.counted}",
    )


def _teacher_alone(w: Bench) -> None:
    """Order n^0: one replica alone. Its labels sum to one whatever its overlaps, so patterns drop out."""
    K, norm = w.K, w.norm
    sphere = w.sphere

    def alone(X: np.ndarray) -> float:
        """g(0; X), X = Lambda - q_hat."""
        return float(w.leaves["g"].values([0] * K, [0] * 6, [np.zeros(())] * K, X.tolist(), {}))  # type: ignore[attr-defined]

    def moved(a: int, b: int, X: np.ndarray) -> float:
        """Its slope in the symmetric entry X_ab."""
        E = np.zeros((K, K))
        E[a, b] = E[b, a] = 1.0
        return difference(lambda x: alone(X + x * E), 0.0, step=0.01 / norm)

    def check(e: sp.Expr) -> tuple[float, float]:
        M, worst = np.array(e.doit() if hasattr(e, "doit") else e, dtype=float), 0.0
        X, Q = (M, norm * np.eye(K)) if sphere else (np.zeros((K, K)), M)
        for a, b in itertools.combinations_with_replacement(range(K), 2):
            # stationarity of tr(X Q)/2 + g(0; X) in X_ab
            worst = max(worst, abs(moved(a, b, X) + Q[a, b] / (2 if a == b else 1)))
        return worst / norm, DIFFERENCED

    one = r"One replica alone gives some label to every pattern, $\sum_yP(y)=1$ whatever its overlaps $Q^{aa}$: patterns drop out. "
    if sphere:
        expr, lhs = sp.eye(K).as_immutable(), r"\Lambda-\hat q"
        statement = r"At order $n^0$ only the norms $W_j\cdot W_j=N$ of the teacher are fixed, and overlaps of its units are free."
        why = one + r"Stationarity of $\frac12\mathrm{tr}\,XQ^{aa}+g(0,X)$ in $X=\Lambda-\hat q$ and in the free overlaps."
    else:
        expr, lhs = (w.functional.norm * sp.eye(K)).as_immutable(), "Q^{aa}"
        statement = (
            r"At order $n^0$ the teacher is free: $\Lambda=\hat q$ as matrices, and its overlaps are those of independent weights."
        )
        why = one + (
            r"Stationarity of $\frac12\mathrm{tr}\,XQ^{aa}+\log\sum_{\vec w}e^{-\frac12\vec w\cdot X\vec w}$ in $Q^{aa}$ gives "
            r"$X=\Lambda-\hat q=0$, in $X$ gives $Q^{aa}_{jk}=\mathbb{E}\,w_jw_k$."
        )
    w.add("The teacher alone", statement, lhs, expr, why, check, "finite differences of the single-replica free entropy in every entry")


def _limit(w: Bench, decoupled: sp.Expr) -> sp.Expr:
    """phi = d/ds at s = 1, term by term."""
    s, free = S.s, sp.S.Zero
    for term in sp.Add.make_args(decoupled):
        term = term.subs(S.n, s - 1)
        if term.has(LogMean):
            (node,) = term.atoms(LogMean)
            free += rs.limit(node, s, 1) / w.K
        elif term.has(Tilt):  # log sum_y E e^{s f}: at s = 1 the argument is the total probability
            (log,) = term.atoms(sp.log)
            free += sp.Add(*(S.alpha * Tilt(x.level, 0, (x.obs.diff(s)).subs(s, 1)) for x in sp.Add.make_args(log.args[0])))
        else:
            slope = term.diff(s).subs(s, 1)
            free += sp.factor(slope) if term.has(sp.log) and not slope.has(sp.log) else sp.expand(slope)

    def check(expr: sp.Expr) -> tuple[float, float]:
        zero = w.value(decoupled, n=1e-300)
        values = [(w.value(decoupled, n=h) - zero) / h for h in (0.16 * 0.5**k for k in range(7))]
        return abs(w.value(expr) - richardson(values)), EXTRAPOLATED * 10

    return w.add(
        "The limit n -> 0 with n + 1 coupled replicas",
        "The replica-symmetric free entropy, to be extremised over its order parameters.",
        r"\phi",
        free,
        r"(1/n)[log Xi(n+1) - log Xi(1)]. Patterns: $\sum_y\mathbb{E}\,e^{f^y}=1$, so the derivative of the logarithm is "
        r"$\sum_y\mathbb{E}[f^ye^{f^y}]=\sum_y\mathbb{E}\,Z_y\log Z_y$. "
        + ("" if w.sphere else "Weights: averages become averages tilted by one replica."),
        check,
        "Richardson extrapolation of small n",
    )


def _labels(w: Bench, free: sp.Expr) -> sp.Expr:
    K, V = w.K, w.leaf("f^+").V
    rest = sp.Add(*(t for t in sp.Add.make_args(free) if not t.has(S.alpha)))
    terms = []
    for name, many, p in distinct(K):
        f = Leaf(name, 1, [0] * K, 0, S.fields(K), V)
        terms.append(S.alpha * many * p * Tilt(C.pattern_level(1, K), f, f))

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr) - w.value(free)), EXACT

    chance = r"\frac14,\ \frac14,\ \frac12" if K == 2 else r"\frac12,\ \frac12"
    return w.add(
        "Sum over the labels",
        "Labels +1 and -1 contribute equally, and every label is an average tilted by one replica, times its probability.",
        r"\phi",
        rest + sp.Add(*terms),
        r"$\omega\to-\omega$ exchanges the labels +1 and -1. $\mathbb{E}\,e^{f^y}$ is the probability of the label y, that of "
        rf"{K} independent signs whatever q, as $q+V=Q\,\mathbb{{1}}$: ${chance}$ for $y={listed(K)}$.",
        check,
        "the plain averages of all labels",
    )
