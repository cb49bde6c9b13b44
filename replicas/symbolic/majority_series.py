r"""Capacity of the majority of K sign units, K odd, as series in K: a convergent one, and powers of 1/sqrt(K).

Replica-symmetric alpha_c of weights on the sphere, 1/alpha_c = E[E(h)] as in `replicas.symbolic.sign_units`, by Watson's
lemma in u = 1 - 2 H(t): the integrand is a power series in u times (1 - u^2)^n, whose Beta integrals are exact.
"""

from __future__ import annotations

import sympy as sp

K = sp.Symbol("K", positive=True)


def inverse_tail_squares(count: int) -> list[sp.Rational]:
    """tau_i, i = 1..count, of t^2 = sum_i tau_i x^(2i), x = sqrt(pi/2) u and u = 1 - 2 H(t): dt/dx = p, dp/dx = t p^2."""
    t, p = [sp.S.Zero], [sp.S.One]
    for k in range(2 * count):
        square = [sum((p[i] * p[j - i] for i in range(j + 1)), sp.S.Zero) for j in range(k + 1)]
        t.append(p[k] / (k + 1))
        p.append(sum((t[i] * square[k - i] for i in range(k + 1)), sp.S.Zero) / (k + 1))
    return [sum((t[j] * t[2 * i - j] for j in range(2 * i + 1)), sp.S.Zero) for i in range(1, count + 1)]


def capacity_terms(count: int) -> list[sp.Expr]:
    r"""The first terms of a convergent series of 1/alpha_c of the majority of K units, K >= 3 odd, in gamma functions.

    By `flips`, 1/alpha_c = K (K-1) binom(K-2, m) 2^{1-K} 2 int Dt N(t) (1+u)^m (1-u)^{m-1}, m = (K-1)/2, where
    N = SquareBelow(t) = (1/2) int_0^u t^2 du is odd in u and 2 Dt = du. Beta integrals then give

        1/alpha_c = sum_i tau_i (pi/2)^i/(2 (2i+1) sqrt(pi)) [ i! g/(K/2+1/2)_i + Gamma(i+3/2)/(K/2+1)_i ],
        g = Gamma(K/2+1)/Gamma(K/2+1/2),

    whose i-th terms are of order K^{1/2-i} and K^{-i}, and at fixed K fall as i^{-(K+3)/2} up to logarithms.
    """
    ratio = sp.gamma(K / 2 + 1) / sp.gamma(K / 2 + sp.S.Half)
    return [
        size
        * (
            sp.factorial(i) * ratio / sp.rf(K / 2 + sp.S.Half, i)
            + sp.gamma(i + sp.Rational(3, 2)) / sp.rf(K / 2 + 1, i)
        )
        for i, size in enumerate(_sizes(count), 1)
    ]


def capacity_series(order: int) -> sp.Expr:
    """alpha_c of the majority of K units (K odd) in powers of 1/sqrt(K): ``order`` of them and O(K^{(1-order)/2}).

    `capacity_terms` expanded in y = 1/sqrt(K), the ratio of gamma functions by Stirling's series, and inverted.
    """
    if order < 1:
        raise ValueError(f"order: got {order!r}; takes a positive whole number")
    half, size = sp.S.Half, order // 2 + 1  # coefficients in y^2 of every factor
    logs = [sp.S.Zero]  # log of sqrt(2) y g: Stirling's series of both gamma functions at x = K/2
    for j in range(1, size):
        difference = sp.bernoulli(j + 1, sp.S.One) - sp.bernoulli(j + 1, half)
        logs.append(-((-2) ** j) * difference / (j * (j + 1)))
    stirling = [sp.S.One]
    for k in range(1, size):
        stirling.append(sum((j * logs[j] * stirling[k - j] for j in range(1, k + 1)), sp.S.Zero) / k)
    inverse = [sp.S.Zero] * (order + 1)  # of 1/(alpha_c y), by powers of y
    for i, weight in enumerate(_sizes(size), 1):
        rising = [_rising(shift, i, size) for shift in (1, 2)]
        for k in range(size):
            even = sum((stirling[k - j] * rising[0][j] for j in range(k + 1)), sp.S.Zero)
            for power, value in (
                (2 * (i - 1 + k), sp.factorial(i) * even / sp.sqrt(2)),
                (2 * (i - 1 + k) + 1, sp.gamma(i + 3 * half) * rising[1][k]),
            ):
                if power < order:
                    inverse[power] += 2**i * weight * value
    alpha: list[sp.Expr] = []
    for k in range(order):
        rest = sum((inverse[j] * alpha[k - j] for j in range(1, k + 1)), sp.S.Zero)
        alpha.append(sp.expand(((1 if k == 0 else 0) - rest) / inverse[0]))
    powers = [c * K ** sp.Rational(1 - k, 2) for k, c in enumerate(alpha)]
    return sp.Add(*powers) + sp.Order(K ** sp.Rational(1 - order, 2), (K, sp.oo))


def _sizes(count: int) -> list[sp.Expr]:
    """tau_i (pi/2)^i/(2 (2i+1) sqrt(pi))."""
    squares = enumerate(inverse_tail_squares(count), 1)
    return [tau * (sp.pi / 2) ** i / (2 * (2 * i + 1) * sp.sqrt(sp.pi)) for i, tau in squares]


def _rising(shift: int, count: int, size: int) -> list[sp.Expr]:
    """Coefficients in w = y^2 of 1/prod_{l<count} (1 + (2l + shift) w), so that (K/2 + shift/2)_i = prod/(2w)^i."""
    out = [sp.S.One] + [sp.S.Zero] * (size - 1)
    for l in range(count):
        for k in range(1, size):
            out[k] -= (2 * l + shift) * out[k - 1]
    return out
