r"""k-step replica-symmetry-breaking functionals: the towers of the RS one with k more levels.

.. math:: \phi = \mathrm{extr}\{ \tfrac{\lambda Q}{2} - \tfrac{\hat q_k (Q - q_k)}{2}
    - \tfrac12 \sum_{j=1}^k m_j(\hat q_j q_j - \hat q_{j-1} q_{j-1}) + \mathcal W + \alpha \mathcal P \}

P nests LogMean(m_j, q_j - q_{j-1}) around the leaf f(., Q - q_k), W the same with increments of the conjugates around g;
the outermost average has power 0 (n -> 0). On the sphere W is a Gaussian integral and the conjugates solve in closed form.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import sympy as sp

from ..models import Discrete, Perceptron, Spherical
from . import symbols as S
from .functional import Functional
from .leaves import pattern_leaf, weight_leaf
from .nodes import Gaussian, Leaf, Level, LogMean
from .rs import self_overlap


def overlaps(k: int) -> tuple[sp.Symbol, ...]:
    """q_0 < q_1 < ... < q_k."""
    return tuple(sp.Symbol(f"q{j}", positive=True) for j in range(k + 1))


def conjugates(k: int) -> tuple[sp.Symbol, ...]:
    """Conjugates of the overlaps."""
    return tuple(sp.Symbol(f"qhat{j}", positive=True) for j in range(k + 1))


def parisi(k: int) -> tuple[sp.Symbol, ...]:
    """Parisi parameters m_1 < ... < m_k."""
    return tuple(sp.Symbol(f"m{j}", positive=True) for j in range(1, k + 1))


def tower(
    increments: tuple[sp.Expr, ...], leaf: Callable[[sp.Symbol], sp.Expr], field: sp.Symbol, normal: sp.Symbol
) -> sp.Expr:
    """LogMean(0, c_0)[LogMean(m_1, c_1)[... leaf]]: each level's field starts from the one outside it."""
    powers = (sp.S.Zero, *parisi(len(increments) - 1))
    fields = [sp.Symbol(f"{field}{j}", real=True) for j in range(len(increments))]
    phi = leaf(fields[-1])
    for j in reversed(range(len(increments))):
        at = fields[j - 1] if j else sp.S.Zero
        phi = LogMean(
            Level(powers[j], Gaussian(), sp.sqrt(increments[j]), sp.Symbol(f"{normal}{j}", real=True), fields[j], at),
            phi,
        )
    return phi


def increments(x: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    return (x[0], *(b - a for a, b in itertools.pairwise(x)))


def functional(model: Perceptron, k: int = 1) -> Functional:
    """The k-step functional of a storage model; conjugates that drop out or solve in closed form are gone."""
    if model.teacher:
        raise ValueError(
            "ansatz: got replica symmetry breaking with a Bayes-optimal teacher, where it can not occur; takes rs"
        )
    leaves = {"g": weight_leaf(model), "f": pattern_leaf(model)}
    Q = self_overlap(model)
    q, m = overlaps(k), parisi(k)
    patterns = tower(increments(q), lambda w: Leaf("f", 1, 0, 0, w, Q - q[k]), S.omega, S.t)
    eliminated: dict[sp.Symbol, sp.Expr] = {}
    if isinstance(model.weights, Spherical):
        free, eliminated = _sphere(k)
        unknowns: tuple[sp.Symbol, ...] = (*q, *m)
    else:
        assert isinstance(model.weights, Discrete)
        c = conjugates(k)
        fixed = model.weights.fixed_norm is not None
        lam = sp.S.Zero if fixed else S.lam
        if fixed:
            eliminated = {S.lam: sp.S.Zero}
        free = (
            lam * Q / 2
            - c[k] * (Q - q[k]) / 2
            - sum(m[j - 1] * (c[j] * q[j] - c[j - 1] * q[j - 1]) for j in range(1, k + 1)) / 2
        )
        free += tower(increments(c), lambda w: Leaf("g", -1, 0, 0, w, lam), S.h, S.z)
        unknowns = (*q, *c, *m) if fixed else (*q, *c, S.lam, S.Q, *m)
    return Functional(free + S.alpha * patterns, unknowns, Q, 0, leaves, eliminated, {}, model)


def _sphere(k: int) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """Entropy of the overlap structure on the sphere: (1/2)[log L_k + sum_j log(L_{j-1}/L_j)/m_j + q_0/L_0].

    L_k = 1 - q_k and L_{j-1} = L_j + m_j (q_j - q_{j-1}) are the eigenvalues of the overlap matrix; those of its inverse,
    1/L_j, are lam and lam - sum m (q_hat_j - q_hat_{j-1}), which eliminates the conjugates.
    """
    q, m = overlaps(k), parisi(k)
    L = [1 - q[k]]
    for j in range(k, 0, -1):
        L.insert(0, L[0] + m[j - 1] * (q[j] - q[j - 1]))
    entropy = (sp.log(L[k]) + sum(sp.log(L[j - 1] / L[j]) / m[j - 1] for j in range(1, k + 1)) + q[0] / L[0]) / 2
    eliminated = {S.lam: 1 / L[k], conjugates(k)[0]: q[0] / L[0] ** 2}
    for j in range(1, k + 1):
        before = eliminated[conjugates(k)[j - 1]]
        eliminated[conjugates(k)[j]] = before + (1 / L[j] - 1 / L[j - 1]) / m[j - 1]
    return entropy, eliminated
