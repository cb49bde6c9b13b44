"""Capacity of trees of sign units: against brute force over flips, K-dimensional quadrature and mpmath's own integrals."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest

from replicas.numerics.arithmetic import Mpmath, have_flint
from replicas.symbolic import sign_units as su
from replicas.theory import committee_capacity as cc

DOUBLE = 1e-14  # relative, promised
SIGMAS, SAMPLES = 5.0, 60_000
FARTHEST, SMOOTH = 9.0, 1e-13  # largest |h|, mass 1e-19 beyond; relative, of sixty Gauss nodes on a smooth integrand
DIGITS = 40
ALL = list(itertools.product((False, True), repeat=5))  # of four units


def direct(n, terms, digits=DIGITS):
    """1/alpha_c = K int_0^inf Dt t^2 sum_j b_j binom(K-1, j) H^{K-1-j} (1-H)^j by mpmath's quadrature."""
    ctx = mpmath.MPContext()
    ctx.dps = digits + 10

    def integrand(t):
        tail = ctx.erfc(t / ctx.sqrt(2)) / 2
        polynomial = sum(b * tail ** (n - 1 - j) * (1 - tail) ** j for j, b in terms)
        return t * t * ctx.exp(-t * t / 2) / ctx.sqrt(2 * ctx.pi) * polynomial

    edges = [0, *(k / ctx.sqrt(n) for k in (1, 2, 4, 8)), 10, 20]
    return 1 / (n * ctx.quad(integrand, sorted(edges)))


def majority_terms(n):
    return [(j, math.comb(n - 1, j)) for j in range((n - 1) // 2 + 1)]


CASES = [
    *((f"majority-{n}", su.majority(n), n, majority_terms(n)) for n in (1, 3, 5, 7, 101)),
    *((f"parity-{n}", su.parity(n), n, [(0, 2 ** (n - 1))]) for n in (1, 2, 3, 10, 100)),
]


@pytest.mark.parametrize(("table", "n", "terms"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_digits_against_direct_quadrature(table, n, terms):
    expected = direct(n, terms)
    found, error = cc.digits(table, DIGITS)
    assert abs(found - expected) <= error + abs(expected) * mpmath.mpf(10) ** -(DIGITS + 5)
    assert error <= 2 * found * mpmath.mpf(10) ** -DIGITS  # not empty talk: the digits asked for
    double, bound = cc.value(table)
    assert abs(double - found) <= bound <= DOUBLE * double


@pytest.mark.parametrize("n", [1001, 10001])
def test_double_precision_of_many_units(n):
    double, bound = cc.value(su.majority(n))
    found, _ = cc.digits(su.majority(n), 30)
    assert abs(double - found) <= bound <= DOUBLE * double


def test_one_unit_is_the_perceptron():
    for table in (su.majority(1), su.parity(1)):
        assert cc.value(table)[0] == 2 and cc.digits(table, 20)[0] == 2
    assert cc.value((False,) * 5 + (True,))[0] == pytest.approx(2 / 5, rel=DOUBLE)  # every negative field is flipped


def test_every_table_of_four_units_by_brute_force():
    """Cheapest of all 2^K sets of flips for simulated fields."""
    h = np.random.default_rng(2).standard_normal((SAMPLES, 4))
    flips = np.array(list(itertools.product((0, 1), repeat=4)))
    costs = (h * h) @ flips.T
    counts = np.stack([((h > 0) ^ f.astype(bool)).sum(1) for f in flips], axis=1)
    tried = 0
    for table in ALL:
        try:
            alpha, _ = cc.value(table)
        except (ValueError, NotImplementedError):
            continue
        tried += 1
        cheapest = np.where(np.array(table)[counts], costs, np.inf).min(axis=1)
        assert abs(cheapest.mean() - 1 / alpha) < SIGMAS * cheapest.std() / math.sqrt(SAMPLES)
    assert tried >= 25


def test_majority_of_three_in_three_dimensions():
    """E[E(h)] over the ordered |h|, a smooth integral: two negatives cost the smaller, three the two smallest."""
    x, w = np.polynomial.legendre.leggauss(60)
    unit, weight = (x + 1) / 2, w / 2
    largest, mass = FARTHEST * unit, FARTHEST * weight
    density = lambda t: np.exp(-t * t / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    a, b = largest[:, None], largest[:, None] * unit[None, :]  # b < a
    outer = mass[:, None] * weight[None, :] * a * density(a) * density(b)
    inner = (weight * b[..., None] * density(b[..., None] * unit)) @ np.ones(60)  # the third below b ...
    squares = (weight * b[..., None] * density(b[..., None] * unit) * (b[..., None] * unit) ** 2) @ np.ones(60)
    two = 3 * 0.5 * 2 * np.sum(outer * b * b)  # three choices of the positive field, two orders of the others
    three = 6 * np.sum(outer * (b * b * inner + squares))
    assert 1 / (two + three) == pytest.approx(cc.value(su.majority(3))[0], rel=SMOOTH)


def test_symmetries():
    """Reversing the roles of the signs changes nothing."""
    for table in (su.majority(6), (False, True, False, False, False), (True, False, True, True, False, True, False)):
        assert cc.value(table)[0] == pytest.approx(cc.value(table[::-1])[0], rel=DOUBLE)


def test_mpmath_alone_gives_the_same(monkeypatch):
    found, error = cc.digits(su.majority(5), DIGITS)
    monkeypatch.setattr(cc, "arithmetic", Mpmath)
    other, other_error = cc.digits(su.majority(5), DIGITS)
    assert abs(found - other) <= error + other_error


@pytest.mark.parametrize("count", [1, 15, 120])
def test_digits_are_those_of_more_digits(count):
    for table in (su.majority(3), su.parity(4), (False, False, True, False, True)):
        found, error = cc.digits(table, count)
        assert abs(found - cc.digits(table, count + 30)[0]) <= error


@pytest.mark.skipif(not have_flint(), reason="certificates need python-flint")
@pytest.mark.parametrize("table", [*(c[1] for c in CASES), su.majority(1001), (False, False, True, False, True)])
def test_certified_ball_holds_the_digits(table):
    centre, radius = cc.certified(table, DIGITS)
    assert 0 < radius < centre * 10 ** (1 - DIGITS)
    found, error = cc.digits(table, DIGITS + 20)
    assert abs(found - centre) <= radius + error


@pytest.mark.skipif(not have_flint(), reason="certificates need python-flint")
def test_tail_bound_is_above_the_tail():
    """Cut far too early, the ball still holds the integral: the bound on the rest is not decoration."""
    from replicas.numerics.balls import Balls

    for table in (su.majority(5), su.parity(3), (False, True, True, True)):
        integrals = cc._integrals(table)
        F = Balls()
        with F.at(40):
            ball = integrals.enclosed(F, -4)
            assert ball.rad() > ball.mid() / 1000 and abs(1 / F.load(cc.digits(table, 30)[0]) - ball.mid()) < ball.rad()


def test_nothing_is_certified_without_flint(monkeypatch):
    monkeypatch.setattr("replicas.theory.certificates.have_flint", lambda: False)
    with pytest.raises(ImportError, match="flint"):
        cc.certified(su.majority(3), 20)


def test_bad_input():
    with pytest.raises(ValueError, match="digits: got 0"):
        cc.digits(su.majority(3), 0)
    with pytest.raises(ValueError, match="both outputs"):
        cc.value((True, True))
    with pytest.raises(NotImplementedError, match="order statistics"):
        cc.value((True, False, False, True))
    with pytest.raises(ValueError, match="accepted: got"):
        cc.value((2, 3))
