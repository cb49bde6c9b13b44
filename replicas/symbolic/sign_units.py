r"""Machines of K sign units whose output is a symmetric function of them: exact facts for any such function.

``accepted[c]`` says whether the output is +1 when c of the K fields are positive (`majority`, `parity`, any other table).

- Generalization: E sigma_j tau_j = rho = (2/pi) arcsin R, units independent, hence eps = (1 - sum_k c_k rho^k)/2 with c_k
  the weight of level k in the Fourier-Walsh expansion of the output (`disagreement`).
- Capacity: 1/alpha_c = E[E(h)], h ~ N(0,1)^K, E(h) the cheapest sum of h_j^2 over fields whose flip makes the output +1.
  Only the smallest |h| of a sign are ever flipped, so the average over the others is binomial (`distance_square`).
  Its expansion in the number of units is in `replicas.symbolic.majority_series`.
- Large load (`large_load`): the decision boundary, where one field is near zero and pivotal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from ..models import Model, Perceptron, Tree
from ..results import describe
from ..wide import Wide
from . import limits
from . import symbols as S
from .rs import functional
from .special import G, H
from .wide import closed

Accepted = Sequence[bool]
rho = sp.Symbol("rho", real=True)


class SquareBelow(sp.Function):
    """int_0^t s^2 Ds = 1/2 - H(t) - t G(t), without its cancellation at small t."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self.args[0] ** 2 * G(self.args[0])

    def doit(self, **hints: bool) -> sp.Expr:
        """In G and H."""
        (t,) = self.args
        return sp.S.Half - H(t) - t * G(t)


class Split(sp.Function):
    """(2 H(t))^m (2 - 2 H(t))^n: m fields beyond t and n before it, over the probability of the same at t = 0."""

    nargs = 3

    def doit(self, **hints: bool) -> sp.Expr:
        """In H, the product 4 H (1 - H) in front: neither factor grows large alone."""
        m, n, t = self.args
        both = min(m, n)
        return (4 * H(t) - 4 * H(t) ** 2) ** both * (2 * H(t)) ** (m - both) * (2 - 2 * H(t)) ** (n - both)


def checked(accepted: Accepted) -> tuple[bool, ...]:
    """A table as plain booleans.

    Raises ValueError for one with fewer than two entries or with entries that are not True or False.
    """
    table = tuple(accepted)
    if len(table) < 2 or any(v not in (True, False) for v in table):
        raise ValueError(f"accepted: got {accepted!r}; takes K + 1 >= 2 values True or False")
    return tuple(bool(v) for v in table)


def majority(units: int) -> tuple[bool, ...]:
    """Output +1 where more than half of the fields are positive."""
    return checked([2 * c > units for c in range(units + 1)])


def parity(units: int) -> tuple[bool, ...]:
    """Output +1 where the product of the signs is positive."""
    return checked([(units - c) % 2 == 0 for c in range(units + 1)])


# --- errors --------------------------------------------------------------------------------------------------------


def fourier_weights(accepted: Accepted) -> list[Fraction]:
    """c_k, k = 0..K: the output's squared Fourier-Walsh coefficients, summed over the subsets of k units.

    With C_k(c) the coefficient of x^c in (x - 1)^k (1 + x)^(K-k) (Krawtchouk), a subset of k units has the coefficient
    2^-K sum_c (+-1) C_k(c).
    """
    table = checked(accepted)
    n = len(table) - 1
    row = [math.comb(n, c) for c in range(n + 1)]
    weights = []
    for k in range(n + 1):
        coefficient = Fraction(sum(r if a else -r for r, a in zip(row, table)), 2**n)
        weights.append(math.comb(n, k) * coefficient**2)
        if k < n:  # times (x - 1), divided by (x + 1)
            below, quotient, carry = 0, [], 0
            for r in row:
                carry = below - r - carry
                quotient.append(carry)
                below = r
            row = quotient
    return weights


def disagreement(accepted: Accepted) -> sp.Poly:
    """Probability that two machines of the same table disagree, rho = (2/pi) arcsin R the correlation of their units.

    eps(rho) = (1 - sum_k c_k rho^k)/2, exact: the generalization error of a Gibbs student with overlap R in each branch.
    """
    weights = [sp.Rational(w.numerator, w.denominator) for w in fourier_weights(accepted)]
    return sp.Poly([-w / 2 for w in weights[:0:-1]] + [(1 - weights[0]) / 2], rho, domain="QQ")


def generalization_error(model: Model) -> sp.Expr:
    r"""eps_g(R), the probability that a teacher and a Gibbs student with overlap R in each branch disagree on a pattern.

    .. math:: \epsilon_g = \tfrac12\Big[1 - \sum_k c_k \rho^k\Big], \qquad \rho = \tfrac2\pi \arcsin R

    Parameters
    ----------
    model : a tree machine of any K, a committee of infinitely many units whose covariance has a closed form, or a perceptron
        with the hard threshold at 0 (arccos(R)/pi).

    Returns
    -------
    Exact sympy expression in R.

    Raises
    ------
    ValueError : a model whose output is not a function of signs.
    """
    R = sp.Symbol("R", real=True)
    if isinstance(model, Wide) and (covariance := closed(model)) is not None:
        # two Gaussian output fields of correlation C(R)/C(1); R in units of the self-overlap
        return sp.acos(sp.simplify(covariance.subs(S.q, R) / covariance.subs(S.q, 1))) / sp.pi
    signs = isinstance(model, Tree) or (
        isinstance(model, Perceptron) and model.likelihood == "threshold" and model.kappa == 0 and model.hard
    )
    if not signs:
        raise ValueError(f"model: got {describe(model)}; takes a tree machine, infinitely many units of closed covariance, or a perceptron with sign labels")
    accepted = model.accepted if isinstance(model, Tree) else (False, True)
    return sp.expand(disagreement(accepted).as_expr().subs(rho, 2 * sp.asin(R) / sp.pi))


def pivotal(accepted: Accepted) -> sp.Rational:
    """Probability that flipping a given unit changes the output, the signs of all units being fair coins."""
    table = checked(accepted)
    n = len(table) - 2
    pairs = sum(math.comb(n, c) for c in range(n + 1) if table[c] != table[c + 1])
    return sp.Rational(pairs, 2**n)


def large_load(accepted: Accepted) -> dict[str, sp.Expr]:
    r"""lim alpha sqrt(1-R), alpha eps_gibbs and alpha eps_bayes of the Bayes-optimal student on the sphere, no noise.

    As `limits.large_load`, with V = 1 - R -> 0 in R/(1-R) = alpha E sum_y Z_y |grad log Z_y|^2: what is left is one field
    within sqrt(V) of zero, the signs of the others such that it decides. Each of the K units does with `pivotal`
    probability p, so the force is K p times the perceptron's and alpha sqrt(V) the perceptron's over K p. The errors are
    K p times those of one unit at that V: eps_gibbs = K p sqrt(2 V)/pi, eps_bayes = K p sqrt(V)/pi. Hence alpha eps is
    the perceptron's for every table that is not constant. At q = 1/2, as there.

    Raises ValueError for a constant table.
    """
    table = checked(accepted)
    one = limits.large_load(functional(Perceptron("spherical", task="teacher-student")))
    deciding = (len(table) - 1) * pivotal(table)
    if not deciding:
        raise ValueError(f"accepted: got {accepted!r}; takes a table with both outputs")
    gap = sp.pi * one["bayes"] / deciding
    return {"gap": gap, "gibbs": deciding * sp.sqrt(2) * gap / sp.pi, "bayes": deciding * gap / sp.pi}


# --- capacity ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Term:
    """coefficient int_0^inf shape dt, shape = SquareBelow(t) Split(beyond, before, t) G(t)."""

    coefficient: Fraction
    beyond: int
    before: int

    @property
    def shape(self) -> sp.Expr:
        return SquareBelow(S.t) * Split(self.beyond, self.before, S.t) * G(S.t)


def flips(accepted: Accepted) -> tuple[Fraction, list[Term]]:
    r"""E[E(h)] = constant + sum of terms.

    A field at distance t from zero is flipped, given that j of the other K-1 lie before it:

        E = K int_0^inf Dt t^2 sum_j b_j binom(K-1, j) H(t)^{K-1-j} (1-H(t))^j.

    Rejected counts 0..r-1 are left upwards by flipping the smallest negative fields: b_j gains 1 for j < r, "before"
    being all fields above -t. Those at the upper end likewise. A rejected count c with both neighbours accepted is left by
    the smallest of all |h|: b_0 gains binom(K, c). By parts only the steps of b remain,
    P'(p) = (K-1) sum_j (b_{j+1} - b_j) binom(K-2, j) p^j (1-p)^{K-2-j}, p = 1 - H(t).

    Raises NotImplementedError where two order statistics compete; ValueError for a constant table.
    """
    table = checked(accepted)
    n = len(table) - 2  # the other units
    if all(table) or not any(table):
        raise ValueError(f"accepted: got {accepted!r}; takes a table with both outputs")
    drops: dict[int, int] = {}
    inside = [c for c, a in enumerate(table) if a]
    for run in (inside[0], n + 1 - inside[-1]):
        if run:
            drops[run - 1] = drops.get(run - 1, 0) + 1
    for low, high in itertools.pairwise(inside):
        if high - low > 2:
            raise NotImplementedError(
                f"accepted: got rejected counts {low + 1} to {high - 1} between accepted ones; takes single ones there, "
                "or runs from 0 or up to K: sums of order statistics of both signs would compete"
            )
        if high - low == 2:
            drops[0] = drops.get(0, 0) + math.comb(n + 1, low + 1)
    constant = Fraction((n + 1) * drops.pop(n, 0), 2)  # a step of b at its end is no step of P
    terms = [
        Term(Fraction((n + 1) * n * size * math.comb(n - 1, j), 2 ** (n - 1)), n - 1 - j, j)
        for j, size in sorted(drops.items())
    ]
    return constant, terms


def distance_square(accepted: Accepted) -> sp.Expr:
    """Integrand in t on (0, inf) whose integral is E[E(h)] = 1/alpha_c on the sphere; `doit` writes it in G and H.

    Raises NotImplementedError and ValueError as `flips`.
    """
    constant, terms = flips(accepted)
    total = 2 * sp.Rational(constant.numerator, constant.denominator) * S.t**2 * G(S.t)
    for term in terms:
        total += sp.Rational(term.coefficient.numerator, term.coefficient.denominator) * term.shape
    return total
