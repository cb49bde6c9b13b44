"""Overlap gap: published thresholds, first moments in closed form, the functional by brute force, its stationarity."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.special import comb, log_ndtr, ndtr

import replicas as rp
from replicas.numerics.clones import Clones
from replicas.numerics.rsb import newton
from replicas.numerics.saddle import make_batch
from replicas.theory.overlap_gap import _minimum, overlap_gap

PRINTED = 0.51e-4  # the symmetric perceptron's values are published with four decimals
STORAGE_PRINTED = 1e-3  # and those of the other two with three
CLOSED_FORM = 1e-11  # a one-dimensional root of adaptive integrals
BRUTE = 1e-9  # nested trapezoid rules


def window(kappa):
    return rp.Perceptron("binary", kappa=kappa, likelihood="window")


def test_symmetric_perceptron_matches_the_published_values():
    found = overlap_gap(window(1.0))
    assert found.m.tolist() == [2, 3, 4, 5]  # the scan ends where the load rises again
    assert np.all(found.status == "converged")
    assert np.abs(found.value - [1.7001, 1.6664, 1.6578, 1.6593]).max() < PRINTED  # arXiv 2607.27000
    assert found.minimum.tolist() == [False, False, True, False]
    assert np.all(found.q0 == 0) and np.all(found.error < 1e-11)


def first_moment_of_pairs(kappa):
    """The load at which min over d of H2(d) + log 2 + alpha log P(|z1|, |z2| < kappa) vanishes: min over d of -(H2 + log 2)/log P."""

    def load(d):
        rho = 1 - 2 * d

        def density(r):
            return (math.exp(-kappa * kappa / (1 + r)) - math.exp(-kappa * kappa / (1 - r))) / (math.pi * math.sqrt(1 - r * r))

        P = math.erf(kappa / math.sqrt(2)) ** 2 + quad(density, 0, rho, epsabs=1e-14, epsrel=1e-14)[0]
        return -(math.log(2) - d * math.log(d) - (1 - d) * math.log1p(-d)) / math.log(P)

    found = minimize_scalar(load, bounds=(1e-4, 0.2), method="bounded", options={"xatol": 1e-10})
    return found.fun, 1 - 2 * found.x


@pytest.mark.parametrize("kappa", [0.3, 1.0, 2.0])
def test_pairs_of_the_symmetric_perceptron_are_a_first_moment(kappa):
    load, q1 = first_moment_of_pairs(kappa)
    found = overlap_gap(window(kappa), 2)
    assert abs(found.value - load) < CLOSED_FORM * load + found.error
    assert abs(found.q1 - q1) < 1e-7  # the minimum of a flat function


def clone_functional(model, m, q0, c1, R, R_hat, q_hat, alpha, density=None):
    """phi_m by trapezoid rules, the weight side by its binomial sum (integer m): nothing of the package's recursion."""
    x, h = np.linspace(-12, 12, 1201, retstep=True)
    g = h * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    q1 = q0 + c1
    k = 2 * np.arange(m + 1) - m  # (2 cosh h)^m = sum_j binom(m, j) e^{(2j - m) h}
    field = R_hat + math.sqrt(q_hat[0]) * x
    exponent = np.log(comb(m, np.arange(m + 1)))[None, :] + k * field[:, None] + 0.5 * (q_hat[1] - q_hat[0]) * k * k
    weights = g @ np.logaddexp.reduce(exponent, axis=1) / m
    at = math.sqrt(q0) * x[:, None] + math.sqrt(c1) * x[None, :]
    V = 1 - q1
    if model.likelihood == "window":
        leaf = np.log(ndtr((model.kappa - at) / math.sqrt(V)) - ndtr((-model.kappa - at) / math.sqrt(V)) + 1e-300)
    else:
        leaf = log_ndtr((at - model.kappa) / math.sqrt(V))
    top = leaf.max(axis=1)
    inner = np.log(np.exp(m * (leaf - top[:, None])) @ g) / m + top
    outer = g * 2 * ndtr(R * x / math.sqrt(q0 - R * R)) if R else g
    algebra = -R_hat * R - 0.5 * (m - 1) * q_hat[1] * q1 + 0.5 * m * q_hat[0] * q0 - 0.5 * q_hat[1]
    return algebra + weights + alpha * float(outer @ inner)


CASES = [
    (rp.Perceptron("binary", kappa=0.2), 3, 0.45, 0.3, 0.0, 0.7),
    (window(1.0), 4, 0.0, 0.9, 0.0, 1.5),
    (rp.Perceptron("binary", task="teacher-student"), 2, 0.55, 0.25, 0.6, 1.1),
]


@pytest.mark.parametrize(("model", "m", "q0", "c1", "R", "alpha"), CASES, ids=["storage", "window", "teacher"])
def test_functional_against_nested_sums_and_a_binomial(model, m, q0, c1, R, alpha):
    at = Clones(make_batch(model, 1.0), m).at(q0, c1, 1 - q0 - c1, R, alpha)
    assert abs(at.phi - clone_functional(model, m, q0, c1, R, at.R_hat, at.q_hat, alpha)) < BRUTE


@pytest.mark.parametrize("model", [CASES[0][0], CASES[2][0]], ids=["storage", "teacher"])
def test_contact_is_stationary_in_every_order_parameter(model):
    """At alpha_OGP the brute-force functional vanishes, with its gradient in overlaps and conjugates."""
    m = 2
    found = overlap_gap(model, m)
    system = Clones(make_batch(model, 1.0), m)
    R = 0.0
    if model.teacher:
        near = system.packed(found.q0, found.q1 - found.q0, 1 - found.q1, 0.99 * found.q0, found.value)
        root = newton(system, near, quality=4.0)
        assert abs(root.at.alpha - found.value) < 1e-10
        R = root.at.R
    at = system.at(found.q0, found.q1 - found.q0, 1 - found.q1, R, found.value)
    names = {"q0": at.q0, "c1": at.c1, "R": at.R, "R_hat": at.R_hat, "a": at.q_hat[0], "b": at.q_hat[1]}

    def phi(**moved):
        v = names | moved
        return clone_functional(model, m, v["q0"], v["c1"], v["R"], v["R_hat"], np.array([v["a"], v["b"]]), found.value)

    assert abs(phi()) < BRUTE
    for name, value in names.items():
        if value:
            step = 1e-5 * min(value, 1 - found.q1)
            assert abs(phi(**{name: value + step}) - phi(**{name: value - step})) / (2 * step) < 2e-4  # rounding of phi over the step


def test_binary_perceptron_has_its_smallest_load_at_four_clones():
    found = overlap_gap(rp.Perceptron("binary"))
    assert found.m[found.minimum].tolist() == [4]
    assert abs(found.value.min() - 0.784) < STORAGE_PRINTED  # the literature's value for stable algorithms
    assert np.all(np.diff(found.q1) > 0)  # more clones meet closer to each other


def test_teacher_student_has_its_smallest_load_at_four_clones():
    found = overlap_gap(rp.Perceptron("binary", task="teacher-student"))
    assert found.m[found.minimum].tolist() == [4]
    assert abs(found.value.min() - 1.154) < STORAGE_PRINTED


@pytest.mark.parametrize("model", [rp.Perceptron("binary", kappa=-0.5), window(0.6)], ids=["storage", "window"])
def test_errors_cover_finer_lattices(model):
    found = overlap_gap(model, [2, 6])
    for m, value, error, q1, q0 in zip(found.m, found.value, found.error, found.q1, found.q0):
        system = Clones(make_batch(model, 1.0), float(m))
        finer = newton(system, system.packed(q0, q1 - q0, 1 - q1, 0.0, value), quality=11.0)
        assert abs(finer.at.alpha - value) <= error < 1e-10


def test_no_gap_below_the_load_and_one_above():
    """Pairs: the mean number at every distance is at least one just below alpha_OGP, and not just above."""
    load, _ = first_moment_of_pairs(1.0)
    found = overlap_gap(window(1.0), 2)
    assert found.value * (1 - 1e-6) < load < found.value * (1 + 1e-6)
    curve = [first_stationary(window(1.0), 3, V) for V in (0.01, 0.015, 0.03, 0.06, 0.2, 0.6)]
    three = overlap_gap(window(1.0), 3)
    for alpha, phi in curve:  # whatever is stationary at smaller loads exists
        assert (phi > 0) == (alpha < three.value)


def first_stationary(model, m, V):
    """Load and phi_m where phi_m is stationary at Q - q1 = V, by a scan of the load alone."""
    system = Clones(make_batch(model, 1.0), m, V)
    alpha = brentq(lambda a: system.at(0.0, 1 - V, V, 0.0, a).residual[0], 0.5, 3.0)
    return alpha, system.at(0.0, 1 - V, V, 0.0, alpha).phi


def test_scale_of_the_weights_does_not_matter():
    one, two = overlap_gap(rp.Perceptron("binary"), 3), overlap_gap(rp.Perceptron("discrete:-2,2"), 3)
    assert abs(one.value - two.value) < 1e-11
    assert two.q1 == pytest.approx(4 * one.q1, abs=1e-11)


def test_answers_keep_their_shape():
    found = overlap_gap(rp.Perceptron("binary", kappa=0.1), 3)
    assert isinstance(found.value, float) and found.m == 3
    point = found.to_dict()
    assert point["status"] == "converged" and set(point["errors"]) == {"value", "q1", "q0"}
    assert overlap_gap(window(1.0), [[2, 3]]).value.shape == (1, 2)


def test_a_minimum_is_seen_between_larger_values_only():
    falling, nan = [0.9, 0.8, 0.7], math.nan
    cases = [([2, 3, 4], [0.9, 0.8, 0.85], [0, 1, 0]), ([2, 3, 4], falling, [0, 0, 0]), ([3], [0.8], [0]), ([2, 3], [0.8, 0.9], [1, 0])]
    cases += [([2, 4, 3], [0.9, 0.85, 0.8], [0, 0, 1]), ([3, 4, 5], [0.8, 0.7, nan], [0, 0, 0]), ([2, 4, 6], [0.9, 0.7, 0.8], [0, 0, 0])]
    for m, loads, marked in cases:
        assert _minimum(np.array(m), np.array(loads)).tolist() == list(map(bool, marked))


@pytest.mark.parametrize("m", [1, 0, 2.5, "two", [], [2, 1], True, math.nan])
def test_bad_numbers_of_clones(m):
    with pytest.raises(ValueError, match=r"^m: got"):
        overlap_gap(rp.Perceptron("binary"), m)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (rp.Perceptron("spherical"), "weights"),
        (rp.Perceptron("ternary"), "weights"),
        (rp.Perceptron(rp.Discrete([-1, 1], [0.4, 0.6])), "weights"),
        (rp.Perceptron("binary", beta=2.0), "model"),
        (rp.Perceptron("binary", kappa=[0.0, 0.1]), "kappa"),
        (rp.TreeCommittee(K=3), "model"),
    ],
)
def test_unsupported_models_are_refused_by_name(model, name):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        overlap_gap(model, 2)
