"""Broken saddles of tree machines: stationary points of a free entropy that is written down here once more."""

from __future__ import annotations

import math

import numpy as np
import pytest

import replicas as rp
from replicas.numerics.rsb import error_of, newton
from replicas.numerics.symmetric_tower import tower
from replicas.numerics.tree_leaf import TreeLeaf, majority, parity
from replicas.numerics.tree_sphere import TreePoint, TreeSphere
from replicas.theory.tree_broken import even, extrapolated_capacity, one_step

STEP = 1e-3  # of central differences of the free entropy: fourth-order stencil
STATIONARY = 1e-6  # of those differences at a saddle: errors of the saddle times curvatures of order ten
TWICE = 2e-13  # rounding of two expressions of one functional
RS_CAPACITY = 4.0228  # of K = 3 (PHYSICS 3: 1/alpha_c is an integral), to the digits given
JAMMED = 3.14584192356  # K = 3: load at q_1 = 1, the minimum of the limit's own functional (order statistics)
RS_ERROR = 1e-10  # of a replica-symmetric answer, which is that of ansatz rs
HONEST = 3.0  # how far a value may be from a more accurate one, in errors


def free_entropy(accepted, alpha, q0, q1, m):
    D = 1 - q1 + m * (q1 - q0)
    entropy = 0.5 * ((m - 1) / m * math.log(1 - q1) + math.log(D) / m + q0 / D)
    t = tower(TreeLeaf(accepted, 1 - q1), np.array([q0, q1 - q0]), np.array([0.0, m]), hessian=False)
    return entropy + alpha * t.value


def slope(f, x, h=STEP):
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


def test_equations_are_derivatives_of_the_free_entropy():
    accepted, alpha, q0, q1, m = majority(3), 2.0, 0.45, 0.7, 0.4
    system = TreeSphere(TreePoint(accepted, alpha), 1)
    y = system.pack(np.array([q0, q1 - q0]), 1 - q1, np.array([m]))
    at = system.evaluate(y)
    assert at.phi == pytest.approx(free_entropy(accepted, alpha, q0, q1, m), abs=1e-9)  # node counts are rounded apart
    for i in range(3):

        def along(x, i=i):
            z = y.copy()
            z[i] = x
            return system.evaluate(z).phi

        assert at.gradient[i] == pytest.approx(slope(along, y[i]), abs=STATIONARY)
    assert at.rate[1] == pytest.approx(slope(lambda x: free_entropy(accepted, alpha, q0, q1, x), m), abs=STATIONARY)


@pytest.mark.parametrize("alpha", [2.0, 2.6])
def test_parity_of_two_units(alpha):
    """q_0 leaves 0; stationary in all three, below replica symmetry of either kind, unstable to further steps."""
    found = one_step(rp.TreeParity(2, "spherical"), alpha)
    assert found.status == "converged" and found.ansatz == "1rsb"
    n = found.numbers
    assert 0 < n["q0"] < n["q1"] < 1 and 0 < n["m1"] < 1
    assert n["free_entropy"] < rp.solve(rp.TreeParity(2, "spherical"), alpha).free_entropy < -alpha * math.log(2)
    assert abs(n["complexity"]) < 1e-10
    at = [n["q0"], n["q1"], n["m1"]]
    assert n["free_entropy"] == pytest.approx(free_entropy(parity(2), alpha, *at), abs=1e-7)
    for i in range(3):
        assert abs(slope(lambda x, i=i: free_entropy(parity(2), alpha, *at[:i], x, *at[i + 1 :]), at[i])) < 1e-5


def test_replica_symmetric_before_the_transition():
    """Majority of three below its instability, parity of two where q = 0 is stable."""
    assert one_step(rp.TreeParity(2, "spherical"), 1.1).ansatz == "rs"
    found = one_step(rp.TreeCommittee(3, "spherical"), 1.0)
    assert found.ansatz == "rs" and found.numbers["replicon"] > 0 and "replica symmetric" in found.message
    assert found.errors["q"] < RS_ERROR and found.errors["replicon"] < 10 * RS_ERROR  # squares of second derivatives
    q = found.numbers["q"]
    t = tower(TreeLeaf(majority(3), 1 - q), np.array([q]), np.zeros(1))
    assert q / (1 - q) ** 2 == pytest.approx(float(t.square[0]), rel=1e-6)  # alpha = 1


def test_which_machines_are_even():
    assert not even(parity(2)) and even(parity(3)) and even(parity(4))
    assert not even(majority(3)) and not even(majority(5)) and not even((False, True))


def test_too_many_units_are_refused():
    with pytest.raises(ValueError, match="takes up to 7 units"):
        one_step(rp.TreeCommittee(9, "spherical"), 2.0)


@pytest.mark.slow
def test_majority_of_three():
    """alpha = 2: stationary in all three, at given m the same branch, errors that cover finer lattices."""
    found = one_step(rp.TreeCommittee(3, "spherical"), 2.0)
    n, e = found.numbers, found.errors
    assert found.status == "converged" and found.ansatz == "1rsb"
    assert n["q0"] == pytest.approx(0.60971750, abs=1e-7) and e["q0"] < 1e-7
    assert n["q1"] == pytest.approx(0.78782605, abs=1e-7) and e["q1"] < 1e-7
    assert n["m1"] == pytest.approx(0.64231157, abs=4e-7) and e["m1"] < 4e-7
    for i, name in enumerate(("q0", "q1", "m1")):

        def along(x, i=i):
            where = [n["q0"], n["q1"], n["m1"]]
            where[i] = x
            return free_entropy(majority(3), 2.0, *where)

        assert abs(slope(along, n[name])) < STATIONARY
    assert n["free_entropy"] < rp.solve(rp.TreeCommittee(3, "spherical"), 2.0).free_entropy
    assert n["replicon0"] < 0 and n["replicon1"] < 0  # one step is not the end
    given = one_step(rp.TreeCommittee(3, "spherical"), 2.0, n["m1"])
    for name in ("q0", "q1", "free_entropy"):
        assert given.numbers[name] == pytest.approx(n[name], abs=HONEST * (e[name] + given.errors[name]) + 1e-9)
    # complexity falls to zero at the thermodynamic m
    assert one_step(rp.TreeCommittee(3, "spherical"), 2.0, 0.5).numbers["complexity"] > 1e-5


@pytest.mark.slow
def test_errors_cover_what_finer_lattices_change():
    """Another lattice of the same system: its root differs by less than the errors of the coarse one."""
    point = TreePoint(majority(3), 2.1)
    point.unit = 0.6
    system = TreeSphere(point, 1)
    y = system.pack(np.array([0.611, 0.221]), 0.168, np.array([0.591]))
    coarse = newton(system, y)
    point.unit, point.held = 1.1, {}
    fine = newton(system, coarse.y)
    point.unit, point.held = 0.6, {}
    wrong = np.abs(fine.at.q - coarse.at.q)
    assert (wrong <= HONEST * error_of(coarse, lambda p: p.q, system) + 1e-10).all()


@pytest.mark.slow
@pytest.mark.parametrize("K, alpha, error", [(5, 2.25, 3e-6), (5, 2.6, 3e-6), pytest.param(7, 2.5, 1e-3, marks=pytest.mark.nightly)])
def test_more_units(K, alpha, error):
    found = one_step(rp.TreeCommittee(K, "spherical"), alpha)
    assert found.status == "converged" and found.ansatz == "1rsb", found.message
    n, e = found.numbers, found.errors
    assert 0 < n["q0"] < n["q1"] < 1 and 0 < n["m1"] < 1 and n["residual"] < 1e-8
    assert max(e["q0"], e["q1"]) < error


@pytest.mark.slow
def test_close_to_the_end_of_the_branch():
    found = one_step(rp.TreeCommittee(3, "spherical"), 2.9)
    n, e = found.numbers, found.errors
    assert found.status == "converged" and n["q1"] == pytest.approx(0.98725431, abs=1e-7) and e["q1"] < 1e-8
    assert n["m1"] == pytest.approx(0.14954461, abs=1e-7)


@pytest.mark.slow
@pytest.mark.nightly
def test_end_of_the_branch_of_three_units():
    """q_1 -> 1 beyond every load at which a saddle is found, where the functional of that limit has its minimum."""
    value, error, rows = extrapolated_capacity(majority(3), 3.1)
    assert rows[:, 0].max() < value < RS_CAPACITY
    assert abs(value - JAMMED) < HONEST * error
    assert error < 1e-3


def test_above_its_capacity_there_is_no_saddle():
    found = rp.solve(rp.TreeCommittee(3, "spherical"), 3.3, "1rsb")
    assert found.status == "no-solution" and "3.14584" in found.message


@pytest.mark.slow
def test_several_parisi_parameters():
    """Sigma(m) falls through zero at the thermodynamic m = 0.379472146."""
    found = rp.solve(rp.TreeCommittee(3, "spherical"), 2.5, "1rsb", m=[0.2, 0.5])
    assert found.complexity[0] > 0 > found.complexity[1]
