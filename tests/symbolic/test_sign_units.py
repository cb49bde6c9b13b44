"""Machines of sign units: against enumeration of sign pairs, simulated fields, and the exact capacity integral."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas.symbolic import sign_units as su
from replicas.symbolic.majority_series import K, capacity_series, capacity_terms
from replicas.theory import committee_capacity as cc

SIGMAS = 5.0  # of a Monte-Carlo mean
SAMPLES = 400_000
TABLES = st.lists(st.booleans(), min_size=2, max_size=7)
LARGE_K = 2.0  # K |eps - arccos(rho)/pi| stays bounded: corrections are of order 1/K
UNITS, TERMS = 21, 40
LEFT, RATE = 1e-11, 2.0  # relative: Gamma(K/2 + 1) TERMS^{-(K+1)/2}; of the exponent, logarithms are in the way
MISFIT = 0.08  # relative: the order after the next at K = 10001, ten times the next coefficient over sqrt(K) at most
CORRECTION = 1e-2  # relative: V = 1e-4 is asymptotic up to sqrt(V)
EXTRAPOLATED = 2e-3  # relative: after removing the sqrt(V) correction
KINKED = 1e-2  # relative: min(Z, 1-Z) on a product grid, with the sqrt(V) correction


def enumerated(table, rho):
    """Disagreement by all pairs of sign configurations, P(sigma, tau) = prod (1 + rho sigma tau)/4."""
    n = len(table) - 1
    signs = list(itertools.product((0, 1), repeat=n))
    total = Fraction(0)
    for a, b in itertools.product(signs, repeat=2):
        if table[sum(a)] != table[sum(b)]:
            same = sum(x == y for x, y in zip(a, b))
            total += ((1 + rho) / 4) ** same * ((1 - rho) / 4) ** (n - same)
    return total


@given(st.lists(st.booleans(), min_size=2, max_size=5), st.fractions(0, 1, max_denominator=50))
@settings(max_examples=40, deadline=None)
def test_disagreement_by_enumeration(table, rho):
    assert su.disagreement(table).eval(sp.Rational(rho.numerator, rho.denominator)) == enumerated(table, rho)


@given(TABLES)
@settings(deadline=None)
def test_disagreement_of_strangers_and_twins(table):
    """Independent machines: 2 p (1 - p). Equal ones: never. And c_k are weights of a distribution."""
    n = len(table) - 1
    p = Fraction(sum(math.comb(n, c) for c, a in enumerate(table) if a), 2**n)
    eps = su.disagreement(table)
    assert eps.eval(0) == 2 * p * (1 - p) and eps.eval(1) == 0
    assert min(su.fourier_weights(table)) >= 0 and sum(su.fourier_weights(table)) == 1


@given(TABLES)
@settings(deadline=None)
def test_slope_at_one_counts_pivotal_units(table):
    n = len(table) - 1
    assert su.disagreement(table).diff(su.rho).eval(1) == -n * su.pivotal(table) / 2


def test_known_polynomials():
    rho = su.rho
    assert sp.expand(su.disagreement(su.majority(3)).as_expr() - sp.S.Half + (3 * rho + rho**3) / 8) == 0
    for n in (1, 2, 5, 8):
        assert sp.expand(su.disagreement(su.parity(n)).as_expr() - (1 - rho**n) / 2) == 0


def test_disagreement_against_simulated_fields():
    table, R, rng = su.majority(5), 0.7, np.random.default_rng(1)
    x, y = rng.standard_normal((2, SAMPLES, 5))
    accepted = np.array(table)
    one, other = accepted[(x > 0).sum(1)], accepted[(R * x + math.sqrt(1 - R * R) * y > 0).sum(1)]
    expected = float(su.disagreement(table).eval(2 / math.pi * math.asin(R)))
    assert abs(np.mean(one != other) - expected) < SIGMAS * math.sqrt(expected / SAMPLES)


def test_many_units_become_one_angle():
    for rho in (0.2, 0.5, 0.9):
        exact = math.acos(rho) / math.pi
        gaps = [abs(float(su.disagreement(su.majority(n)).eval(sp.Rational(str(rho)))) - exact) for n in (25, 101, 401)]
        assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < LARGE_K / 401


def test_integrand_is_the_known_one():
    """K t^2 G(t) sum_j binom(K-1, j) H^{K-1-j} (1-H)^j of the majority differs by a total derivative only."""
    t, n = sp.Symbol("t", real=True), 7
    tail, gauss = su.H(t), su.G(t)
    below = sum(math.comb(n - 1, j) * tail ** (n - 1 - j) * (1 - tail) ** j for j in range((n - 1) // 2 + 1))
    by_parts = n * sp.diff(su.SquareBelow(t).doit() * below, t)
    known = n * t**2 * gauss * below
    difference = known - by_parts - su.distance_square(su.majority(n)).doit()
    as_polynomial = difference.subs({tail: sp.Symbol("h"), gauss: sp.Symbol("g")})
    assert sp.expand(as_polynomial) == 0


def test_nodes_differentiate_and_open():
    t = sp.Symbol("t", real=True)
    node = su.SquareBelow(t)
    assert sp.expand(node.diff(t) - node.doit().diff(t)) == 0
    h = su.H(t)
    assert sp.expand(su.Split(3, 1, t).doit() - (2 * h) ** 3 * (2 - 2 * h)) == 0


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_series_leaves_the_next_order(order):
    """(exact - series) K^{(order-1)/2} tends to the next coefficient, at K = 101, 1001, 10001."""
    whole, part = capacity_series(order + 1).removeO(), capacity_series(order).removeO()
    following = float((whole - part).subs(K, 1))
    misfits = []
    for n in (101, 1001, 10001):
        exact, error = cc.digits(su.majority(n), 40)
        left = (exact - exact.context.mpf(str(sp.N(part.subs(K, n), 42)))) * exact.context.mpf(n) ** ((order - 1) / 2)
        misfits.append(abs(float(left) / following - 1))
    assert misfits[0] > misfits[1] > misfits[2] and misfits[2] < MISFIT


def test_series_begins_as_known():
    leading = capacity_series(2).removeO()
    assert sp.simplify(leading - sp.sqrt(72 * K / sp.pi) + 9) == 0
    assert capacity_series(3).getO() is not None


def test_convergent_series_of_gamma_functions():
    """What is left after n terms falls as n^{-(K+1)/2}."""
    exact = cc.digits(su.majority(UNITS), 30)[0]
    terms = [sp.N(term.subs(K, UNITS), 30) for term in capacity_terms(TERMS)]
    half, whole = (abs(float(exact * exact.context.mpf(str(sum(terms[:n]))) - 1)) for n in (TERMS // 2, TERMS))
    assert whole < LEFT and math.log2(half / whole) == pytest.approx((UNITS + 1) / 2, abs=RATE)


# --- large load ----------------------------------------------------------------------------------------------------


def graded(smallest, order=12):
    """Gauss-Legendre nodes and normal weights on panels that double from ``smallest`` at zero."""
    x, w = np.polynomial.legendre.leggauss(order)
    edges = [0.0, smallest]
    while edges[-1] < 9:
        edges.append(min(2 * edges[-1], 9.0))
    t = np.concatenate([(a + b) / 2 + (b - a) / 2 * x for a, b in itertools.pairwise(edges)])
    v = np.concatenate([(b - a) / 2 * w for a, b in itertools.pairwise(edges)])
    t, v = np.concatenate([-t[::-1], t]), np.concatenate([v[::-1], v])
    return t, v * np.exp(-t * t / 2) / math.sqrt(2 * math.pi)


def committee(V):
    """(alpha, E min(Z, 1-Z)) of the Bayes-optimal majority of three with overlap 1 - V, from its own saddle point."""
    from scipy.special import ndtr

    gamma = math.sqrt((1 - V) / V)
    t, w = graded(2 / gamma)
    p = ndtr(gamma * t)
    slope = np.exp(-((gamma * t) ** 2) / 2) / math.sqrt(2 * math.pi)
    two, three, weight = p[:, None], p[None, :], w[:, None] * w[None, :]
    force = bayes = 0.0
    for p1, s1, w1 in zip(p, slope, w):
        only = two + three - 2 * two * three
        Z = p1 * only + two * three
        force += 6 * w1 * float(np.sum(weight * (s1 * only) ** 2 / np.maximum(Z, 1e-300)))
        bayes += w1 * float(np.sum(weight * np.minimum(Z, 1 - Z)))
    return (1 - V) / force, bayes  # R/(1-R) = alpha force/V


def perceptron(name):
    """The perceptron's coefficient of ``limits.large_load``, by the integral in its docstring."""
    from scipy.integrate import quad
    from scipy.special import log_ndtr

    total = quad(lambda u: math.exp(-u * u - log_ndtr(u)) / (2 * math.pi), -20, 20)[0]
    gap = 1 / (2 * total / math.sqrt(2 * math.pi))
    return {"gap": gap, "gibbs": math.sqrt(2) * gap / math.pi, "bayes": gap / math.pi}[name]


def test_large_load_is_that_of_the_saddle_point():
    table = su.majority(3)
    measured = []
    for V in (4e-4, 1e-4):
        alpha, bayes = committee(V)
        eps = float(su.disagreement(table).eval(2 / math.pi * math.asin(1 - V)))
        measured.append((alpha * math.sqrt(V), alpha * eps, alpha * bayes))
    claims = [perceptron("gap") / float(3 * su.pivotal(table)), perceptron("gibbs"), perceptron("bayes")]
    for far, near, claim, bound in zip(*measured, claims, (EXTRAPOLATED, EXTRAPOLATED, KINKED)):
        assert abs(near / claim - 1) < CORRECTION
        assert abs((2 * near - far) / claim - 1) < bound  # the sqrt(V) correction halves


def test_large_load_of_one_unit_and_of_any_table():
    from replicas.models import Perceptron
    from replicas.symbolic.limits import large_load
    from replicas.symbolic.rs import functional

    one = large_load(functional(Perceptron("spherical", task="teacher-student")))
    for table in (su.majority(1), su.majority(5), su.parity(4), (True, False, False, True)):
        found = su.large_load(table)
        assert sp.simplify(found["gibbs"] / one["gibbs"]) == 1 and sp.simplify(found["bayes"] / one["bayes"]) == 1
        share = sp.pi * one["bayes"] / found["gap"]
        assert sp.simplify(share) == (len(table) - 1) * su.pivotal(table)
    assert su.pivotal(su.majority(7)) == sp.Rational(math.comb(6, 3), 2**6) and su.pivotal(su.parity(6)) == 1


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [(True,), (), (0.5, 1.0), ("a", "b")])
def test_bad_tables(table):
    with pytest.raises(ValueError, match="accepted: got"):
        su.disagreement(table)


def test_tables_without_an_answer():
    for constant in ((True,) * 4, (False,) * 4):
        with pytest.raises(ValueError, match="both outputs"):
            su.distance_square(constant)
        with pytest.raises(ValueError, match="both outputs"):
            su.large_load(constant)
    with pytest.raises(NotImplementedError, match="rejected counts 1 to 2"):
        su.distance_square((True, False, False, True))
    with pytest.raises(ValueError, match="order: got 0"):
        capacity_series(0)
