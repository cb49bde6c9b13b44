"""Capacities, AT lines, margins and ground states: closed forms, inverses, and the limits that define them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import replicas as rp

settings.register_profile("replicas", derandomize=True, deadline=None, max_examples=12, database=None)
settings.load_profile("replicas")

CLOSED_FORM = 1e-13  # relative; scipy's erfc and the cancellation of the closed form at kappa = -2 (factor 40)
EXTRAPOLATED = 1e-5  # alpha(q -> 1) by Richardson from 1-q about 1e-4, remainder second order
COLD_LIMIT = 1e-2  # relative, of the quadratic extrapolation in T from T = 1/100: the energy is not analytic in T
ROUNDING = 4e-15

BINARY, SPHERICAL = rp.Perceptron("binary"), rp.Perceptron("spherical")


def H(x):
    return 0.5 * math.erfc(x / math.sqrt(2))


def G(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gardner(kappa):
    return 1 / ((1 + kappa**2) * H(-kappa) + kappa * G(kappa))


# --- capacity --------------------------------------------------------------------------------------------------------------


@given(kappa=st.floats(-2.0, 3.0))
def test_gardner_capacity(kappa):
    found = rp.capacity(SPHERICAL, kappa=kappa)
    assert found.value == pytest.approx(gardner(kappa), rel=CLOSED_FORM)
    integral = quad(lambda t: G(t) * (t + kappa) ** 2, -kappa, 12, epsabs=1e-14)[0]
    assert 1 / found.value == pytest.approx(integral, rel=1e-9)
    assert found.criterion == "q-to-1"
    assert found.stable == (kappa >= 0) or abs(kappa) < 1e-9  # marginal at 0 to within rounding


def test_stability_of_the_gardner_capacity_changes_at_zero_margin():
    found = rp.capacity(SPHERICAL, kappa=[-1.0, -1e-3, 0.0, 1e-3, 1.0])
    assert list(found.stable) == [False, False, True, True, True]


@pytest.mark.parametrize("kappa", [-0.5, 0.0, 1.0])
def test_capacity_is_where_the_volume_vanishes(kappa):
    """alpha at which 1-q -> 0, by Richardson extrapolation of solve, against the closed limit."""
    limit = rp.capacity(SPHERICAL, kappa=kappa).value
    curve = rp.solve(SPHERICAL, limit * (1 - np.array([2e-4, 1e-4])), kappa=kappa)
    x, a = curve.one_minus_q, curve.alpha
    assert a[1] + (a[1] - a[0]) * x[1] / (x[0] - x[1]) == pytest.approx(limit, rel=EXTRAPOLATED)


@pytest.mark.parametrize("kappa", [-0.5, 0.0, 0.7])
def test_naive_limit_of_binary_weights(kappa):
    """The RS q -> 1 value (2/pi) alpha_c(sphere), labelled as naive, is above the capacity and reached by solve."""
    naive = rp.capacity(BINARY, criterion="q-to-1", kappa=kappa)
    assert naive.value == pytest.approx(2 / math.pi * gardner(kappa), rel=CLOSED_FORM)
    assert "not the capacity" in naive.statement and naive.value > rp.capacity(BINARY, kappa=kappa).value
    curve = rp.solve(BINARY, naive.value * (1 - np.array([2e-4, 1e-4])), kappa=kappa)
    assert np.all(curve.one_minus_q < 0.02) and np.all(curve.entropy < 0)
    x, a = curve.one_minus_q, curve.alpha
    assert a[1] + (a[1] - a[0]) * x[1] / (x[0] - x[1]) == pytest.approx(
        naive.value, rel=1e-3
    )  # the approach has logarithms


@pytest.mark.parametrize("weights", ["binary", "ternary", "discrete:0,1", "discrete:-2,-1,1,2"])
def test_zero_entropy_capacity(weights):
    """The entropy vanishes there, with slope E f < 0, at the order parameters reported."""
    model = rp.Perceptron(weights, 0.3)
    found = rp.capacity(model)
    assert found.criterion == "zero-entropy" and found.stable
    around = rp.solve(model, found.value * (1 + np.array([-1e-7, 1e-7])))
    assert around.entropy[0] > 0 > around.entropy[1]
    zero = rp.solve(model, found.value)
    assert abs(zero.entropy) < 4e-15
    for name, value in found.order_parameters.items():
        assert value == pytest.approx(getattr(zero, name), rel=1e-12)


def test_capacity_order_and_bounds():
    """First moment bounds: alpha_c <= log(values)/-log H(kappa); more values store more; binary below spherical."""
    for kappa in (-0.5, 0.0, 0.8):
        binary = rp.capacity(BINARY, kappa=kappa).value
        assert binary < math.log(2) / -math.log(H(kappa)) and binary < gardner(kappa)
    assert (
        rp.capacity(rp.Perceptron("discrete:0,1")).value
        < rp.capacity(BINARY).value
        < rp.capacity(rp.Perceptron("ternary")).value
    )
    assert rp.capacity(rp.Perceptron("ternary")).value < rp.capacity(rp.Perceptron("discrete:-2,-1,1,2")).value < 2


@given(kappa=st.floats(0.2, 2.5))
def test_symmetric_binary_perceptron(kappa):
    """First moment: alpha_c = -log 2/log(1 - 2 H(kappa)); an upper bound where q = 0 is locally unstable."""
    found = rp.capacity(rp.Perceptron("binary", kappa, "window"))
    assert found.value == pytest.approx(-math.log(2) / math.log1p(-2 * H(kappa)), rel=CLOSED_FORM)
    assert found.criterion == "first-moment" and found.order_parameters["q"] == 0


def test_window_of_the_sphere():
    """1/alpha = E d^2 = 2 int_kappa^inf Dt (t-kappa)^2."""
    for kappa in (0.5, 1.0):
        found = rp.capacity(rp.Perceptron("spherical", kappa, "window"))
        assert 1 / found.value == pytest.approx(
            2 * quad(lambda t, k=kappa: G(t) * (t - k) ** 2, kappa, 14, epsabs=1e-15)[0], rel=1e-10
        )


def test_questions_without_a_threshold():
    assert rp.capacity(rp.Perceptron("ternary", -0.1)).status == "diverges"
    assert rp.capacity(rp.Perceptron("ternary", -0.1)).value == math.inf
    assert rp.capacity(rp.Perceptron("binary", task="teacher-student")).status == "unsupported"
    assert rp.capacity(rp.Perceptron("spherical", beta=2.0)).status == "unsupported"
    mixed = rp.capacity(rp.Perceptron("ternary"), kappa=[-0.5, 0.0, 0.5])
    assert list(mixed.status) == ["diverges", "converged", "converged"]


def test_freezing_load():
    """At finite temperature the zero of the entropy is a freezing load, and says so."""
    hot = rp.Perceptron("binary", beta=2.0)
    found = rp.capacity(hot)
    assert "not a SAT/UNSAT" in found.statement and found.value > rp.capacity(BINARY).value
    around = rp.solve(hot, found.value * (1 + np.array([-1e-7, 1e-7])))
    assert around.entropy[0] > 0 > around.entropy[1]


def test_capacity_is_continuous_at_zero_margin():
    for weights in ("binary", "spherical"):
        left, mid, right = rp.capacity(rp.Perceptron(weights), kappa=[-1e-7, 0.0, 1e-7]).value
        assert left - mid == pytest.approx(mid - right, rel=1e-4) and left > mid > right


# --- margin ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weights, criterion",
    [("spherical", None), ("binary", None), ("binary", "q-to-1"), ("discrete:-2,-1,1,2", None)],
)
@pytest.mark.parametrize("kappa", [-0.8, 0.0, 1.3])
def test_margin_inverts_capacity(weights, criterion, kappa):
    model = rp.Perceptron(weights)
    load = rp.capacity(model, kappa=kappa, criterion=criterion)
    margin = rp.max_margin(model, load.value, criterion=criterion)
    assert margin.value == pytest.approx(kappa, abs=margin.error + 10 * load.error / load.value + ROUNDING)


def test_margin_of_arrays_and_windows():
    found = rp.max_margin(SPHERICAL, [0.5, 1.0, 2.0])
    assert np.all(np.diff(found.value) < 0) and found.value[2] == pytest.approx(0.0, abs=ROUNDING)
    window = rp.Perceptron("binary", 1.0, "window")
    assert rp.max_margin(window, rp.capacity(window).value).value == pytest.approx(1.0, abs=1e-13)


SPARSE = rp.Perceptron(rp.Discrete([0, 1]))


@given(kappa=st.floats(0.01, 12.0))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("criterion", [None, "q-to-1"])
def test_any_margin_is_answered_alone(kappa, criterion):
    """Whatever starts reach: twice the weights and twice the margin are the same problem."""
    found, twice = rp.capacity(SPARSE, kappa=kappa, criterion=criterion), rp.capacity(rp.Perceptron(rp.Discrete([0, 2])), kappa=2 * kappa, criterion=criterion)
    assert found.status == twice.status == "converged"
    assert found.value == pytest.approx(twice.value, rel=1e-12)
    assert found.value < rp.capacity(SPARSE, criterion=criterion).value


@pytest.mark.parametrize("kappa", [0.2, 3.0])
@pytest.mark.parametrize("criterion", [None, "q-to-1"])
def test_margin_inverts_capacity_of_sparse_weights(kappa, criterion):
    load = rp.capacity(SPARSE, kappa=kappa, criterion=criterion)
    margin = rp.max_margin(SPARSE, load.value, criterion=criterion)
    assert margin.value == pytest.approx(kappa, abs=margin.error + 10 * load.error / load.value + ROUNDING)


@pytest.mark.parametrize("weights", ["ternary", "discrete:0,1"])
def test_the_largest_margin_is_zero_where_the_zero_vector_takes_over(weights):
    """The capacity jumps to infinity below kappa = 0: larger loads have margins up to it, and none at it."""
    model = rp.Perceptron(weights)
    most = rp.capacity(model).value
    found = rp.max_margin(model, [0.99 * most, 1.01 * most, 100.0])
    assert rp.max_margin(model, most).value == pytest.approx(0.0, abs=ROUNDING)
    assert list(found.status) == ["converged"] * 3
    assert found.value[0] > 0 and list(found.value[1:]) == [0.0, 0.0]
    assert found.statement[0] == "" and "W = 0" in found.statement[2] and rp.capacity(model, kappa=-1e-6).value == math.inf


def test_a_margin_beyond_the_range_is_said_to_be():
    assert rp.max_margin(SPHERICAL, 1e-9).status == "no-solution"


@pytest.mark.parametrize("weights, kappa", [("spherical", -40.0), ("spherical", 1e200), ("binary", -40.0)])
def test_margins_beyond_double_precision_are_refused_without_warnings(weights, kappa, recwarn):
    found = rp.capacity(rp.Perceptron(weights), kappa=kappa)
    assert found.status == "not-converged" and found.message and not recwarn.list


# --- AT line ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        BINARY,
        rp.Perceptron("spherical", -1.0),
        rp.Perceptron("ternary", 0.2),
        rp.Perceptron("spherical", 0.0, beta=4.0),
    ],
    ids=["binary", "spherical", "ternary", "spherical-beta"],
)
def test_at_line_is_where_the_replicon_vanishes(model):
    line = rp.at_line(model)
    around = rp.stability(model, line.value * (1 + np.array([-1e-6, 1e-6])))
    assert around.replicon[0] > 0 > around.replicon[1] and list(around.stable) == [True, False]
    assert abs(rp.stability(model, line.value).replicon) < 1e-12


def test_at_line_against_its_definition():
    """alpha E[(A (A - u))^2] = 1 for the sphere, with scipy.integrate.quad."""
    kappa = -1.0
    line = rp.at_line(SPHERICAL, kappa=kappa)
    q = line.order_parameters["q"]

    def mills(x):
        return G(x) / H(x) if x < 25 else x + 1 / x

    u = lambda t: (kappa - math.sqrt(q) * t) / math.sqrt(1 - q)  # noqa: E731
    curvature = quad(lambda t: G(t) * (mills(u(t)) * (mills(u(t)) - u(t))) ** 2, -9, 9, epsabs=1e-12, limit=200)[0]
    saddle = quad(lambda t: G(t) * mills(u(t)) ** 2, -9, 9, epsabs=1e-12, limit=200)[0]
    assert line.value * curvature == pytest.approx(1, abs=1e-9)
    assert q == pytest.approx(line.value * (1 - q) * saddle, abs=1e-9)


def test_no_instability_at_positive_margin():
    assert rp.at_line(SPHERICAL, kappa=0.5).status == "no-solution"
    binary = rp.at_line(BINARY)
    assert binary.physical is False and binary.value > rp.capacity(BINARY).value
    assert rp.at_line(SPHERICAL, kappa=-1.0).physical is True


@pytest.mark.parametrize("kappa", [-3.2, -4.0])
def test_an_instability_beyond_the_load_of_q_to_1_is_found(kappa):
    """For kappa < -3.1 the branch of binary weights goes on beyond that load, to a fold, and is unstable before it; the precise route agrees."""
    model = rp.Perceptron("binary", kappa=kappa)
    line, precise = rp.at_line(model), rp.at_line(model, digits=20)
    assert line.value > rp.capacity(model, criterion="q-to-1").value and line.physical is False
    assert abs(line.value - float(precise.value)) <= line.error
    before, after = rp.stability(model, [line.value * (1 - 1e-6), line.value * (1 + 1e-6)]).replicon
    assert before > 0 > after


def test_a_branch_that_is_lost_has_no_instability():
    """At kappa = -6 the solver goes over to another branch at q = 4e-7: the replicon jumps from 1 to -125, and does not vanish there."""
    assert rp.at_line(rp.Perceptron("binary", kappa=-6.0)).status == "not-converged"


# --- beyond capacity ---------------------------------------------------------------------------------------------------------


def test_spherical_ground_state():
    """Zero up to capacity, continuous there, growing and convex beyond; the conditions of the T = 0 equation hold."""
    alpha = np.array([1.0, 2.0, 2.0 + 1e-6, 2.01, 2.5, 4.0, 8.0])
    found = rp.ground_state(SPHERICAL, alpha)
    assert list(found.energy[:2]) == [0, 0] and 0 <= found.energy[2] < 1e-6
    assert np.all(np.diff(found.energy[1:]) > 0) and np.all(np.diff(np.diff(found.energy[2:]) / np.diff(alpha[2:])) > 0)
    assert list(found.stable) == [True, True, False, False, False, False, False]
    assert np.all(found.error_fraction < 0.5) and found.error_fraction[-1] == pytest.approx(
        found.energy[-1] / 8.0, rel=1e-14
    )


def test_spherical_ground_state_is_the_cold_limit():
    """Energy at beta -> inf of the finite-temperature saddle: e = e0 + a T + b T^2 through three temperatures."""
    alpha, beta = 3.0, np.array([25.0, 50.0, 100.0])
    cold = rp.solve(rp.Perceptron("spherical", beta=1.0), alpha, beta=beta)
    ground = rp.ground_state(SPHERICAL, alpha).energy
    assert set(cold.status) == {"converged"} and np.all(np.diff(cold.energy) < 0) and cold.energy[-1] > ground
    e0, e1, e2 = cold.energy
    assert (8 * e2 - 6 * e1 + e0) / 3 == pytest.approx(ground, rel=COLD_LIMIT)


def test_very_cold_sphere_beyond_capacity():
    """Zeros of the leaf sit sqrt(2 beta) noise widths beyond the margin, at height pi/sqrt(2 beta): the rule must see them."""
    cold = rp.solve(rp.Perceptron("spherical", beta=1.0), 3.0, beta=[200.0, 1000.0])
    assert set(cold.status) == {"converged"}
    assert (
        rp.ground_state(SPHERICAL, 3.0).energy
        < cold.energy[1]
        < cold.energy[0]
        < rp.solve(rp.Perceptron("spherical", beta=100.0), 3.0).energy
    )


def test_frozen_binary_ground_state():
    """s(beta_c) = 0 with energy e(beta_c); continuous at capacity, growing; phi_1RSB(beta, m) = phi_RS(m beta)/m is flat at m beta = beta_c."""
    limit = rp.capacity(BINARY).value
    alpha = np.array([0.5, limit * (1 + 1e-4), 1.0, 1.5, 3.0])
    found = rp.ground_state(BINARY, alpha)
    assert found.energy[0] == 0 and 0 < found.energy[1] < 1e-3 and np.all(np.diff(found.energy) > 0)
    model = rp.Perceptron("binary", beta=1.0)
    at = rp.solve(model, alpha[2:], beta=found.beta_c[2:])
    assert np.allclose(at.entropy, 0, atol=1e-13) and np.allclose(at.energy, found.energy[2:], atol=1e-13)
    h, a, b = 1e-3, 1.5, found.beta_c[3]
    low, mid, high = (p.free_entropy / x for p, x in zip(rp.solve(model, a, beta=[b - h, b, b + h]), (b - h, b, b + h)))
    assert mid <= min(low, high) and (high - low) / (2 * h) == pytest.approx(0, abs=1e-6)
    assert -mid == pytest.approx(found.energy[3], abs=1e-12)


def test_ground_state_is_below_random_guessing():
    assert np.all(rp.ground_state(BINARY, [1.0, 5.0, 20.0]).error_fraction < 0.5)
    assert np.all(np.diff(rp.ground_state(BINARY, [1.0, 5.0, 20.0]).error_fraction) > 0)


# --- field distribution --------------------------------------------------------------------------------------------------------


def moments(point, low, high, kinks=()):
    edges = sorted({low, high, *kinks})
    x, w = np.polynomial.legendre.leggauss(120)
    total = np.zeros(3)
    for a, b in itertools.pairwise(edges):
        u = (a + b) / 2 + (b - a) / 2 * x
        p = rp.field_distribution(point, u).density * (b - a) / 2 * w
        total += [p.sum(), p @ u, p @ u**2]
    return total


@pytest.mark.parametrize(
    "model, alpha",
    [
        (rp.Perceptron("binary", 0.3), 0.5),
        (rp.Perceptron("spherical", -0.5), 2.0),
        (rp.Perceptron("ternary", 0.2), 0.6),
    ],
    ids=["binary", "spherical", "ternary"],
)
def test_field_distribution_of_storage(model, alpha):
    """Normalised; no weight below the margin; mean field = (Q-q) E f', here with E f' by scipy.integrate.quad."""
    point = rp.solve(model, alpha)
    norm, mean, _ = moments(point, model.kappa, model.kappa + 12, (model.kappa + 1, model.kappa + 4))
    assert norm == pytest.approx(1, abs=1e-10)
    assert rp.field_distribution(point, model.kappa - 0.1).density == 0
    s, r = math.sqrt(point.one_minus_q), math.sqrt(point.q)
    u = lambda t: (model.kappa - r * t) / s  # noqa: E731
    slope = quad(
        lambda t: G(t) * (G(u(t)) / H(u(t)) if u(t) < 25 else u(t)) / s,
        -9,
        9,
        epsabs=1e-13,
        limit=300,
        points=[model.kappa / r],
    )[0]
    assert mean == pytest.approx(point.one_minus_q * slope, abs=1e-8)


@pytest.mark.parametrize("weights, alpha", [("binary", 0.9), ("spherical", 3.0)])
def test_nishimori_field_distribution(weights, alpha):
    """Bayes-optimal: the student's field is distributed as the teacher's, 2 G(u) on the side of the label, at any load."""
    point = rp.solve(rp.Perceptron(weights, task="teacher-student"), alpha)
    u = np.array([-1.0, -1e-3, 1e-3, 0.2, 1.0, 2.5, 4.0])
    found = rp.field_distribution(point, u)
    expected = np.where(u > 0, 2 * np.exp(-u * u / 2) / math.sqrt(2 * math.pi), 0)
    assert np.all(np.abs(found.density - expected) <= found.error + 1e-13)


def test_violated_fields_carry_the_energy():
    """Finite beta: the weight below the margin is the error fraction energy/alpha."""
    model = rp.Perceptron("binary", 0.2, beta=1.5)
    point = rp.solve(model, 1.2)
    below, above = moments(point, -10.0, 0.2, (-3.0, -1.0))[0], moments(point, 0.2, 12.0, (1.5, 4.0))[0]
    assert below == pytest.approx(point.energy / 1.2, abs=1e-10) and below + above == pytest.approx(1, abs=1e-10)


def test_window_fields_at_zero_overlap():
    """q = 0: a truncated Gaussian."""
    point = rp.solve(rp.Perceptron("binary", 1.0, "window"), 0.8)
    u = np.array([-1.5, -0.5, 0.0, 0.99])
    expected = np.where(np.abs(u) <= 1, np.exp(-u * u / 2) / math.sqrt(2 * math.pi) / (1 - 2 * H(1.0)), 0)
    assert rp.field_distribution(point, u).density == pytest.approx(expected, abs=1e-14)


def test_wide_windows_leave_symmetry_discontinuously():
    """At kappa = 3 the instability of q = 0 lies above the one-step capacity: states far from q = 0 take over long before."""
    narrow, wide = (rp.at_line(rp.Perceptron("spherical", kappa, "window")) for kappa in (2.0, 3.0))
    assert narrow.physical and not narrow.message
    assert not wide.physical and "a discontinuous transition comes first, at alpha = 793.029" in wide.message
    assert rp.capacity(rp.Perceptron("spherical", 3.0, "window"), "1rsb").value < wide.value
    below, beyond = (rp.solve(rp.Perceptron("spherical", 3.0, "window"), alpha, "1rsb", m=1.0) for alpha in (780.0, 800.0))
    assert below.complexity > 0 > beyond.complexity


@pytest.mark.parametrize("kappa", [0.05, 0.5, 3.0, 4.0])
def test_instability_of_zero_overlap_is_explicit(kappa):
    """f = log P(|u| <= kappa) at q = 0: alpha f''^2 = 1, far beyond the capacity of binary weights where the window is narrow or wide."""
    density, mass = np.exp(-(kappa**2) / 2) / np.sqrt(2 * np.pi), math.erf(kappa / math.sqrt(2))
    found = rp.at_line(rp.Perceptron("binary", kappa, "window"))
    assert found.value == pytest.approx((mass / (2 * kappa * density)) ** 2, rel=1e-13, abs=found.error) and found.physical is False


def test_one_step_that_lowers_nothing_is_as_stable_as_the_symmetric_saddle():
    for kappa in (0.0, 0.5):
        symmetric, broken = (rp.capacity(rp.Perceptron("spherical", kappa), ansatz) for ansatz in ("rs", "1rsb"))
        assert broken.ansatz == "rs" and broken.stable is symmetric.stable is True and broken.value == symmetric.value
