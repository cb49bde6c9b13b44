"""Local entropy of spherical weights: brute-force integrals, the 1RSB solver, replica symmetry, the limit of many replicas."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

import replicas as rp
from replicas.theory.spherical_local import spherical_local_entropy

BRUTE = 1e-8  # nested trapezoid rules, extremised by a bounded search
SADDLE = 1e-9  # a 1RSB saddle whose own q1 and m are known to about 1e-10
EXACT = 1e-11
LIMIT = 0.1  # of what is left at y = 300: the next order of a fit in 1/y


def sphere(kappa, **other):
    return rp.Perceptron("spherical", kappa=kappa, **other)


def threshold(u, kappa, V):
    return log_ndtr((u - kappa) / math.sqrt(V))


def window(u, kappa, V):
    return np.log(np.maximum(ndtr((kappa - u) / math.sqrt(V)) - ndtr((-kappa - u) / math.sqrt(V)), 1e-290))


def brute(kappa, alpha, q1, y, leaf=threshold):
    """(S_I, S_E, q0): phi(y) on a dense grid of fields, extremised over q0 by its own slope, differenced in y."""
    x, h = np.linspace(-11, 11, 401, retstep=True)
    g = h * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    tilted, h = np.linspace(-50 if leaf is window else -12, 50, 1601, retstep=True)  # the power y moves the inner field up by y f'
    inside = math.log(h / math.sqrt(2 * math.pi)) - tilted * tilted / 2
    V = 1 - q1

    def phi(q0, n):
        gap = q1 - q0
        f = n * leaf(math.sqrt(q0) * x[:, None] + math.sqrt(gap) * tilted[None, :], kappa, V) + inside
        top = f.max(axis=1, keepdims=True)
        L = V + n * gap
        return n / 2 * (math.log(V) + math.log(L / V) / n + q0 / L) + alpha * float(g @ (np.log(np.exp(f - top).sum(axis=1)) + top[:, 0]))

    def slope(q0):
        step = 1e-4 * min(q0, q1 - q0)
        a, b = phi(q0 + step, y) - phi(q0 - step, y), phi(q0 + 2 * step, y) - phi(q0 - 2 * step, y)
        return (8 * a - b) / (12 * step)

    q0 = brentq(slope, 0.02 * q1, 0.98 * q1, xtol=1e-10)
    step = 1e-3 * y
    a, b = phi(q0, y + step) - phi(q0, y - step), phi(q0, y + 2 * step) - phi(q0, y - 2 * step)
    inner = (8 * a - b) / (12 * step)
    return inner, phi(q0, y) - y * inner, q0


@pytest.mark.parametrize(("kappa", "alpha", "q1", "y"), [(0.0, 1.0, 0.8, 3.0), (-0.8, 2.0, 0.6, 2.5), (0.6, 0.5, 0.75, 6.0)])
def test_against_nested_integrals_and_a_difference_in_y(kappa, alpha, q1, y):
    inner, outer, q0 = brute(kappa, alpha, q1, y)
    found = spherical_local_entropy(sphere(kappa), alpha, q1, y)
    assert found.status == "converged"
    assert abs(found.local_entropy - inner) < BRUTE
    assert abs(found.external_entropy - outer) < BRUTE * y
    assert abs(found.q0 - q0) < 1e-6  # where a difference vanishes
    assert found.error < 1e-12


def test_a_window_whose_references_gain_an_overlap():
    """q0 = 0 solves the equations of an even likelihood and is unstable here: the saddle is that of q0 > 0."""
    inner, outer, q0 = brute(1.0, 1.5, 0.6, 10.0, window)
    found = spherical_local_entropy(sphere(1.0, likelihood="window"), 1.5, 0.6, 10.0)
    assert found.status == "converged" and found.stable is None and q0 > 0.3
    assert abs(found.local_entropy - inner) < BRUTE and abs(found.external_entropy - outer) < 10 * BRUTE and abs(found.q0 - q0) < 1e-6
    weak = spherical_local_entropy(sphere(1.0, likelihood="window"), 0.8, 0.6, 3.0)
    assert weak.q0 == 0 and weak.stable is True
    with pytest.raises(ValueError, match="different signs"):  # no other stationary q0
        brute(1.0, 0.8, 0.6, 3.0, window)


def test_is_the_1rsb_free_entropy_where_that_has_the_same_q1():
    """At y = m < 1 and the saddle's own q1: phi/y is the 1RSB free entropy and S_E its complexity."""
    model, alpha = sphere(-1.0), 9.5
    saddle = rp.solve(model, alpha=alpha, ansatz="1rsb")
    assert saddle.ansatz == "1rsb"
    found = spherical_local_entropy(model, alpha, saddle.q1, saddle.m)
    assert abs(found.q0 - saddle.q0) < 1e-7
    phi = found.external_entropy + saddle.m * found.local_entropy
    assert abs(phi / saddle.m - saddle.free_entropy) < SADDLE
    assert abs(found.external_entropy - saddle.complexity) < SADDLE


@pytest.mark.parametrize(("kappa", "alpha"), [(0.0, 1.2), (-1.0, 4.0)])
def test_one_replica_and_typical_replicas_are_replica_symmetric(kappa, alpha):
    model = sphere(kappa)
    typical = rp.solve(model, alpha=alpha)
    for y in (0.3, 2.0, 40.0, math.inf):
        found = spherical_local_entropy(model, alpha, typical.q, y)
        assert (found.local_entropy, found.external_entropy) == (typical.entropy, 0.0)
        near = spherical_local_entropy(model, alpha, typical.q + 1e-5, y)
        assert near.status == "converged"
        assert abs(near.local_entropy - typical.entropy) < 1e-8  # stationary there: second order in the overlap
        assert abs(near.external_entropy) < 1e-8
    one = spherical_local_entropy(model, alpha, [0.8, 0.9], 1.0)
    assert np.abs(one.q0 - typical.q).max() < EXACT
    assert np.abs(one.local_entropy + one.external_entropy - typical.entropy).max() < EXACT


@pytest.mark.parametrize(("kappa", "alpha", "overlap"), [(0.0, 1.0, 0.7), (-0.7, 3.0, 0.7), (0.4, 0.8, 0.85)])
def test_many_replicas_extrapolate_to_infinitely_many(kappa, alpha, overlap):
    model = sphere(kappa)
    y = np.array([75.0, 150.0, 300.0])
    found = spherical_local_entropy(model, alpha, overlap, y)
    limit = spherical_local_entropy(model, alpha, overlap, math.inf)
    assert np.all(found.status == "converged") and limit.status == "converged"
    for name in ("local_entropy", "external_entropy"):
        values, end = getattr(found, name), getattr(limit, name)
        extrapolated = np.polyfit(1 / y, values, 2)[-1]
        assert abs(extrapolated - end) < LIMIT * abs(values[-1] - end) + 1e-9
        assert 1.5 < (values[0] - values[1]) / (values[1] - values[2]) < 4.5  # the correction is of order 1/y or 1/y^2


def test_volume_around_a_centre_without_patterns():
    found = spherical_local_entropy(sphere(0.0), 0.0, 0.6, 3.0)
    V, L = 0.4, 0.4 + 3 * 0.6  # eigenvalues of the matrix of overlaps of three unit vectors
    exact = 0.5 * (3 * math.log(V) + math.log(L / V))
    assert abs(found.external_entropy + 3 * found.local_entropy - exact) < 1e-14


def test_window_has_no_overlap_outside_the_cluster():
    kappa, alpha, q1, y = 1.0, 0.5, 0.7, 3.0
    found = spherical_local_entropy(sphere(kappa, likelihood="window"), alpha, q1, y)
    V = 1 - q1

    def phi(n):
        def integrand(z):
            at = math.sqrt(q1) * z
            p = 0.5 * (math.erf((kappa - at) / math.sqrt(2 * V)) + math.erf((kappa + at) / math.sqrt(2 * V)))
            return math.exp(-z * z / 2) * p**n

        total = quad(integrand, -9, 9, epsabs=1e-14, epsrel=1e-13)[0] / math.sqrt(2 * math.pi)
        return 0.5 * (n * math.log(V) + math.log1p(n * q1 / V)) + alpha * math.log(total)

    assert found.q0 == 0
    assert abs(found.external_entropy + y * found.local_entropy - phi(y)) < 1e-12
    step = 1e-2
    slope = (8 * (phi(y + step) - phi(y - step)) - phi(y + 2 * step) + phi(y - 2 * step)) / (12 * step)
    assert abs(found.local_entropy - slope) < 1e-9


def test_towards_coinciding_replicas():
    """q1 -> 1: S_I approaches log(1 - q1)/2 from below at many replicas, with converged numbers."""
    found = spherical_local_entropy(sphere(0.0), 1.0, [0.9, 0.99, 0.999], 30.0)
    assert np.all(found.status == "converged")
    excess = found.local_entropy - 0.5 * np.log(1 - np.array([0.9, 0.99, 0.999]))
    assert np.all(np.diff(excess) > 0) and abs(excess[-1]) < 0.1
    assert np.all(found.external_entropy > 0) and not found.jump.any()


def test_margin_and_load_broadcast():
    model = rp.Perceptron("spherical", kappa=[-0.5, 0.0, 0.5])
    found = spherical_local_entropy(model, 0.4, 0.7, 5.0)
    assert found.local_entropy.shape == (3,)
    assert np.all(np.diff(found.local_entropy) < 0)  # fewer solutions of a larger margin
    assert spherical_local_entropy(sphere(0.0), 0.4, 0.7, 5.0).local_entropy == found.local_entropy[1]


def test_overlaps_below_the_typical_one_are_refused_by_status():
    typical = rp.solve(sphere(0.0), alpha=1.0)
    found = spherical_local_entropy(sphere(0.0), 1.0, [0.3, 0.7], 2.0)
    assert found.status.tolist() == ["no-solution", "converged"]
    assert f"{typical.q:.6f}"[:6] in found.message[0]
    assert math.isnan(found.local_entropy[0])
    beyond = spherical_local_entropy(sphere(0.0), 2.5, 0.9, 2.0)  # no replica-symmetric solution there
    assert beyond.status == "no-solution"


def test_infinitely_many_replicas_in_a_window_are_unsupported():
    found = spherical_local_entropy(sphere(1.0, likelihood="window"), 0.5, 0.7, math.inf)
    assert found.status == "unsupported"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((sphere(0.0), 1.0, 0.7, "star"), "y"),
        ((sphere(0.0), 1.0, 0.7, 0.0), "y"),
        ((sphere(0.0), 1.0, 0.7, math.nan), "y"),
        ((sphere(0.0), 1.0, 1.0, 2.0), "overlap"),
        ((sphere(0.0), 1.0, -0.1, 2.0), "overlap"),
        ((sphere(0.0), -1.0, 0.7, 2.0), "alpha"),
        ((rp.Perceptron("binary"), 1.0, 0.7, 2.0), "model"),
        ((sphere(0.0, beta=1.0), 1.0, 0.7, 2.0), "model"),
        ((rp.Perceptron("spherical", task="teacher-student"), 1.0, 0.7, 2.0), "task"),
    ],
)
def test_bad_input_names_the_argument(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        spherical_local_entropy(*arguments)
