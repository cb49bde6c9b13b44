r"""Last steps of the derivation of a fully connected committee: the state of undecided units and how it becomes unstable.

In that state all units have the same overlaps, q_- = q - q_c = 0. A difference of the units, the start of specialisation,
grows where the product of two responses, of the patterns and of the weights, exceeds one.
"""

from __future__ import annotations

from functools import partial

import sympy as sp

from . import committee as C
from . import symbols as S
from .committee_leaves import distinct
from .committee_saddle import Predictions
from .committee_steps import Bench
from .nodes import Leaf, Tilt
from .workshop import DIFFERENCED, apart, richardson

EXTRAPOLATED = 1e-6  # of a slope at q_- = 0, from one side: Richardson extrapolation of averages over grids
UNDECIDED = 0.55  # q K at the check point of undecided units, whose sum has overlap q K < 1
STEPS = [0.06 * 0.5**k for k in range(6)]  # of that extrapolation, in units of q


def relative(w: Bench, side: str) -> sp.Expr:
    """q_hat - q_hat_c, or q - q_c, at the saddle: half the mean square of the difference of two slopes."""
    K, level, names = w.K, C.pattern_level(1, w.K), distinct(w.K)
    V = C.matrix(K, w.functional.norm - S.q, -S.q_c)
    if side == "g":
        level, names, V = C.weight_level(1, K), (("g", 1, sp.S.One),), C.matrix(K, S.q_hat, S.q_hat_c)
    total = sp.S.Zero
    for name, many, p in names:
        f = Leaf(name, 1 if side == "f" else -1, [0] * K, 0, level.w, V)
        front = S.alpha * K * many * p if side == "f" else sp.S.One
        total += front / 2 * Tilt(level, f, sp.Mul(*[sp.Add(f.raised(0), -f.raised(1))] * 2))
    return total


def specialisation(w: Bench, equations: Predictions) -> None:
    """The part in which units differ, its two responses and their product."""
    K, f = w.K, w.functional
    q = UNDECIDED / K * w.norm
    undecided = {"q": q, "q_c": q, "qhat": w.env["qhat"], "qhat_c": w.env["qhat"]}
    patterns = relative(w, "f")

    def gap(expr: sp.Expr, x: sp.Symbol, x_c: sp.Symbol) -> tuple[float, float]:
        target = equations[x]() - equations[x_c]()
        return (abs(w.value(expr) - target) + abs(w.value(expr, **undecided))) / w.unit(x), DIFFERENCED

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
        target, moved = numeric(side), S.q_hat if side == "f" else S.q
        return apart(w.value(expr, **undecided), target, w.unit(moved) ** 2), EXTRAPOLATED

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
