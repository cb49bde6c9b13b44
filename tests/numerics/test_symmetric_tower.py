"""Towers of K exchangeable fields against product grids, series, the one-field recursion and their own differences."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import log_ndtr, ndtr

import replicas as rp
from replicas.numerics import parisi, tree_leaf
from replicas.numerics.leaf_tables import pattern_table
from replicas.numerics.multisets import members
from replicas.numerics.parisi import TooNarrow
from replicas.numerics.saddle import make_batch
from replicas.numerics.symmetric_lattice import TooLarge
from replicas.numerics.symmetric_tower import tower
from replicas.numerics.tree_leaf import TreeLeaf, majority, parity

settings.register_profile("replicas", derandomize=True, deadline=None, max_examples=10, database=None)
settings.load_profile("replicas")

ONE_FIELD = 1e-12  # K = 1 resolves as much as `parisi.tower`, which is accurate to its rounding
LEAF = 1e-13  # of sums of positive terms
LEAF_STEP = 1e-4  # of central differences of the leaf
LEAF_SLOPE, LEAF_CURVATURE = 1e-6, 1e-5  # derivatives of order 100 times the step squared; rounding 1e-15/step^2
PRODUCT = (
    1e-9  # beside what a product grid of 34 Gauss-Hermite nodes an axis and level changes from 26 (PHYSICS trap 2)
)
VALUE = 1e-9  # of the value at three fields: exp(-22) times a number of order ten
DERIVATIVE = 3e-7  # of its derivatives at three fields, which are rougher
STEP = 1e-3  # of central differences in overlaps; fourth-order stencil, error STEP^4 times fifth derivatives
IDENTITY = 1e-6  # of E_1 and E_0 of Lap phi + m |grad phi|^2 at three fields: the left one has kinks
SPLIT = 4e-3  # of overlaps that are close; second order in it remains, where first order is 1e-3
CASES = [(0.3, 0.6, 0.5), (0.5, 0.8, 0.3), (0.2, 0.7, 0.9)]


def at(accepted, q0, q1, m, quality=1.0, **other):
    return tower(TreeLeaf(accepted, 1 - q1), np.array([q0, q1 - q0]), np.array([0.0, m]), quality, **other)


def brute(accepted, omega, V):
    """log Z of rows of fields, by a sum over the signs of all fields."""
    K = len(accepted) - 1
    x = omega / math.sqrt(V)
    Z = 0.0
    for signs in itertools.product((0, 1), repeat=K):
        if accepted[sum(signs)]:
            Z = Z + np.prod([ndtr(x[..., a] if s else -x[..., a]) for a, s in enumerate(signs)], axis=0)
    return np.log(Z)


# --- the leaf ---------------------------------------------------------------------------------------------------------

LEAVES = [majority(3), majority(5), majority(7), parity(2), parity(3), parity(4), (True, False, False, True)]


@pytest.mark.parametrize("accepted", LEAVES)
def test_leaf_is_a_sum_over_signs(accepted):
    x = np.array([-1.9, -0.7, 0.0, 0.4, 1.3])
    K, V = len(accepted) - 1, 0.3
    table = TreeLeaf(accepted, V).table(x)
    fields = x[members(x.size, K)]
    np.testing.assert_allclose(table[0], brute(accepted, fields, V), rtol=LEAF, atol=LEAF)
    h = LEAF_STEP
    grad = np.zeros(fields.shape)
    trace = np.zeros(fields.shape[0])
    here = brute(accepted, fields, V)
    for a in range(K):
        e = np.eye(K)[a] * h
        up, down = brute(accepted, fields + e, V), brute(accepted, fields - e, V)
        grad[:, a] = (up - down) / (2 * h)
        trace += (up - 2 * here + down) / h**2
    np.testing.assert_allclose(table[1], (grad**2).sum(axis=1), rtol=LEAF_SLOPE, atol=LEAF_SLOPE)
    np.testing.assert_allclose(table[2], trace, rtol=LEAF_CURVATURE, atol=LEAF_CURVATURE)


@pytest.mark.parametrize("accepted", LEAVES)
def test_recursion_over_counts_agrees_with_configurations(accepted):
    """Values, gradients and Hessians of both routes where both hold."""
    x = np.linspace(-6.0, 6.0, 7)
    K = len(accepted) - 1
    node = tree_leaf._nodes(x, 0.8)
    step = np.append(np.array(accepted, dtype=float), [0.0, 0.0])
    grad, hess, other, other_hess = np.zeros(K), np.zeros((K, K)), np.zeros(K), np.zeros((K, K))
    work = np.zeros((K + 1, K + 2)), np.zeros((K + 2, K + 3)), np.zeros((K + 2, K + 3)), np.zeros(K + 2)
    for index in members(x.size, K)[::3]:
        one = tree_leaf._counted(node, index, step, K, True, *work, grad, hess)
        two = tree_leaf._enumerated(node, index, np.array(accepted), K, np.zeros(K), other, other_hess)
        assert one == pytest.approx(two, rel=1e-12, abs=1e-15)
        np.testing.assert_allclose(grad, other, rtol=1e-11, atol=1e-13)
        lower = np.tril_indices(K)
        np.testing.assert_allclose(hess[lower], other_hess[lower], rtol=1e-10, atol=1e-12)


def test_leaf_far_in_the_tails():
    """Two flips of three at -60 and -50: log(P1 P2 + ...), far below the smallest double; no product underflows."""
    table = TreeLeaf(majority(3), 1.0).table(np.array([-60.0, -50.0, -45.0]))
    rank = 4  # multisets in order: 000 001 011 111 002 012 ...
    assert members(3, 3)[rank + 1].tolist() == [0, 1, 2]
    terms = log_ndtr(np.array([-60.0, -50.0, -45.0]))
    want = np.logaddexp.reduce([terms[1] + terms[2], terms[0] + terms[2], terms[0] + terms[1]])
    assert table[0, rank + 1] == pytest.approx(want, rel=1e-14)
    assert table[1, rank + 1] == pytest.approx(50.0**2 + 45.0**2, rel=1e-3)


# --- the tower --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q0, q1, m", [*CASES, (0.0, 0.6, 0.4), (0.5, 0.9, 1.0), (0.4, 0.7, 1e-3)])
def test_one_field_is_the_recursion_of_one_field(q0, q1, m):
    point = make_batch(rp.Perceptron("spherical"), 1.0)
    want = parisi.tower(pattern_table(point, 1 - q1), np.array([q0, q1 - q0]), np.array([0.0, m]))
    got = at((False, True), q0, q1, m)
    for name in ("value", "square", "growth", "curvature", "curvature_square", "magnitude"):
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=ONE_FIELD, atol=ONE_FIELD)
    # a difference over m
    np.testing.assert_allclose(got.slope, want.slope, rtol=ONE_FIELD, atol=ONE_FIELD / m)


def product_value(accepted, q0, q1, m, n):
    """(1/m) E log E Z^m of three fields on a product grid of Gauss-Hermite nodes: no multisets, no lattices."""
    t, w = hermegauss(n)
    w = w / w.sum()
    p = ndtr((math.sqrt(q0) * t[:, None] + math.sqrt(q1 - q0) * t[None, :]) / math.sqrt(1 - q1))  # outer, inner
    total = 0.0
    for a in range(n):
        for b in range(a + 1):
            P, Q = p[a][:, None, None], p[b][None, :, None]
            for c in range(b + 1):
                R = p[c][None, None, :]
                Z = sum(
                    (P if s else 1 - P) * (Q if u else 1 - Q) * (R if v else 1 - R)
                    for s, u, v in itertools.product((0, 1), repeat=3)
                    if accepted[s + u + v]
                )
                mean = np.einsum("ijk,i,j,k", np.maximum(Z, 1e-300) ** m, w, w, w, optimize=True)
                orders = len(set(itertools.permutations((a, b, c))))
                total += orders * w[a] * w[b] * w[c] * math.log(mean)
    return total / m


@pytest.mark.slow
@pytest.mark.parametrize("q0, q1, m", CASES)
def test_three_fields_against_a_product_grid(q0, q1, m):
    want, rougher = (product_value(majority(3), q0, q1, m, n) for n in (34, 26))
    assert at(majority(3), q0, q1, m).value == pytest.approx(want, abs=PRODUCT + 3 * abs(want - rougher))


@pytest.mark.parametrize("q0, q1, m", CASES)
def test_refinement(q0, q1, m):
    one, two = at(majority(3), q0, q1, m), at(majority(3), q0, q1, m, 1.5)
    assert one.value == pytest.approx(two.value, abs=VALUE)
    for name in ("square", "growth", "curvature", "slope"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=DERIVATIVE, atol=DERIVATIVE)
    assert two.lost < 1e-8


def difference(f, x, h=STEP):
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


@pytest.mark.parametrize("accepted, q0, q1, m", [(majority(3), *c) for c in CASES] + [(parity(2), 0.2, 0.5, 0.6)])
def test_derivatives_are_those_of_the_value(accepted, q0, q1, m):
    """dT/dq_j = -(m_{j+1} - m_j) E_j |grad phi_j|^2/2, dT/dm; averages of a sum, differences of another."""
    t = at(accepted, q0, q1, m)
    by_q0 = difference(lambda x: at(accepted, x, q1, m).value, q0)
    by_q1 = difference(lambda x: at(accepted, q0, x, m).value, q1)
    by_m = difference(lambda x: at(accepted, q0, q1, x).value, m)
    assert -0.5 * m * t.square[0] == pytest.approx(by_q0, abs=DERIVATIVE)
    assert -0.5 * (1 - m) * t.square[1] == pytest.approx(by_q1, abs=DERIVATIVE)
    assert t.slope[1] == pytest.approx(by_m, abs=DERIVATIVE)
    assert t.growth.sum() == pytest.approx(t.square[1], rel=1e-12)


@pytest.mark.parametrize("accepted, q0, q1, m", [(majority(3), 0.3, 0.6, 0.9), (parity(3), 0.0, 0.5, 0.85)])
def test_heat_equation(accepted, q0, q1, m):
    """E_1[Lap phi_1 + m |grad phi_1|^2] = E_0[Lap phi_0 + m |grad phi_0|^2]; m where the tower does not use it itself."""
    t = at(accepted, q0, q1, m)
    sides = t.curvature + m * t.square
    assert sides[0] == pytest.approx(sides[1], abs=IDENTITY)


@pytest.mark.parametrize("accepted", [majority(3), parity(2)])
def test_replica_symmetric_limits(accepted):
    q0, q1 = 0.3, 0.6
    rs = tower(TreeLeaf(accepted, 1 - q1), np.array([q1]), np.zeros(1))
    # m -> 0: log E e^{m phi} = m E phi + m^2 Var/2, so that the value is RS at q_1 and grows linearly
    t = at(accepted, q0, q1, 1e-6)
    assert t.value == pytest.approx(rs.value + 1e-6 * t.slope[1], abs=1e-8)
    # q_1 -> q_0
    near = at(accepted, q1 - SPLIT, q1, 0.5)
    assert near.value == pytest.approx(rs.value + 0.5 * SPLIT * 0.5 * rs.square[0], abs=10 * SPLIT**2)
    # m = 1: E Z over the inner fields is Z at the variance of both
    outer = tower(TreeLeaf(accepted, 1 - q0), np.array([q0]), np.zeros(1))
    assert at(accepted, q0, q1, 1.0).value == pytest.approx(outer.value, abs=1e-8)
    assert at(accepted, q0, 0.8, 1.0).value == pytest.approx(outer.value, abs=1e-8)


@pytest.mark.parametrize("K, q1, m", [(2, 0.4, 0.5), (3, 0.5, 0.7), (4, 0.45, 0.3)])
def test_parity_at_no_overlap_against_moments(K, q1, m):
    """Z = (1 + prod_j x_j)/2, x = 1 - 2H: E Z^m = 2^-m sum_n binom(m, 2n) (E x^2n)^K."""
    t = np.linspace(-9, 9, 1001)  # trapezoid
    x = 2 * ndtr(math.sqrt(q1 / (1 - q1)) * t) - 1
    w = np.exp(-t * t / 2)
    w = w / w.sum()
    total, binomial = 1.0, 1.0
    for n in range(1, 4000):
        binomial *= (m - n + 1) / n
        if n % 2 == 0:
            total += binomial * float(w @ x**n) ** K
    want = math.log(total) / m - math.log(2)
    got = tower(TreeLeaf(parity(K), 1 - q1), np.array([0.0, q1]), np.array([0.0, m]))
    # the series ends at moments that decay as powers of n
    assert got.value == pytest.approx(want, abs=1e-8)
    assert got.square[0] == pytest.approx(0.0, abs=1e-15)


@pytest.mark.slow
@given(
    st.floats(0.05, 0.6),
    st.floats(0.1, 0.7),
    st.floats(0.02, 1.0),
    st.sampled_from([majority(3), parity(2), parity(3)]),
)
def test_random_points(q0, way, m, accepted):
    """Probabilities add up; square, growth and slope are non-negative; phi_0 is between E phi_1 and log E Z."""
    q1 = q0 + way * (1 - q0) * 0.8
    t = at(accepted, q0, q1, m)
    rs = tower(TreeLeaf(accepted, 1 - q1), np.array([q1]), np.zeros(1))
    annealed = tower(TreeLeaf(accepted, 1 - q0), np.array([q0]), np.zeros(1))
    assert t.lost < 1e-8
    assert rs.value - VALUE <= t.value <= annealed.value + VALUE
    assert (t.square > 0).all() and (t.growth > 0).all() and t.slope[1] > 0
    assert sum(t.probability[1]) == pytest.approx(1.0, abs=1e-10)
    finer = at(accepted, q0, q1, m, 1.25)
    assert t.value == pytest.approx(finer.value, abs=1e-8)


def test_what_does_not_fit_says_so():
    with pytest.raises(TooLarge, match=r"7 fields on .* nodes"):
        at(majority(7), 0.5, 0.98, 0.3)
    with pytest.raises(TooNarrow, match="coincide"):
        at(majority(3), 0.5, 0.5, 0.3)
    with pytest.raises(TooNarrow, match="one step"):
        tower(TreeLeaf(majority(3), 0.4), np.array([0.2, 0.2, 0.2]), np.array([0.0, 0.3, 0.5]))
