"""Bounds of the symmetric binary perceptron: exact two-dimensional integrals, their order, the quenched entropy below them."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from replicas.theory.symmetric_bounds import first_moment_bound, jensen_bound

QUADRATURE = 1e-11  # of scipy's adaptive rule, asked for 1e-12
SLOPE = 1e-7  # of a central difference of step 1e-4 of the distance


def entropy(d):
    return -d * math.log(d) - (1 - d) * math.log1p(-d)


def pair_probability(kappa, rho):
    """P(|z1| < kappa, |z2| < kappa) by Plackett's identity, an integral over the correlation."""

    def density(r):
        return (math.exp(-kappa * kappa / (1 + r)) - math.exp(-kappa * kappa / (1 - r))) / (math.pi * math.sqrt(1 - r * r))

    return math.erf(kappa / math.sqrt(2)) ** 2 + quad(density, 0, rho, epsabs=1e-13, epsrel=1e-13)[0]


@pytest.mark.parametrize("kappa", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("d", [0.01, 0.2, 0.5, 0.93])
def test_first_moment_is_the_bivariate_probability(kappa, d):
    exact = entropy(d) + 1.3 * math.log(pair_probability(kappa, abs(1 - 2 * d)) / math.erf(kappa / math.sqrt(2)))
    found = first_moment_bound(kappa, 1.3, d)
    assert abs(found.value - exact) < QUADRATURE + found.error
    assert found.error < 1e-12


@pytest.mark.parametrize(("kappa", "d"), [(0.4, 0.003), (1.0, 0.1), (1.0, 0.8), (2.0, 0.5)])
def test_jensen_is_the_mean_logarithm_over_truncated_fields(kappa, d):
    rho = 1 - 2 * d
    s = math.sqrt(1 - rho * rho)

    def log_probability(u):
        a, b = (-kappa - rho * u) / s, (kappa - rho * u) / s
        return math.log((math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2)

    def integrand(u):
        return math.exp(-u * u / 2) * log_probability(u)

    edges = [kappa - s, kappa - s / 4, -kappa + s, -kappa + s / 4]
    inside = [e for e in edges if -kappa < e < kappa]
    total = quad(integrand, -kappa, kappa, points=inside, epsabs=1e-13, epsrel=1e-13, limit=200)[0]
    exact = entropy(d) + 0.7 * total / (math.sqrt(2 * math.pi) * math.erf(kappa / math.sqrt(2)))
    found = jensen_bound(kappa, 0.7, d)
    assert abs(found.value - exact) < QUADRATURE + found.error


def quenched(kappa, alpha, d):
    """The replica-symmetric S_FP: extremum over q and q_hat with the reference's overlap 0, minimum over q outside."""
    z, w = np.polynomial.hermite_e.hermegauss(80)
    w = w / w.sum()
    p = 1 - 2 * d
    x, weight = np.polynomial.legendre.leggauss(60)
    u, weight = kappa * x, weight * np.exp(-((kappa * x) ** 2) / 2)
    weight /= weight.sum()
    def weights(q):
        """min over q_hat and p_hat of the weight side, the entropy of spins of overlap q and magnetisation p."""

        def inner(log_q_hat):
            q_hat = math.exp(log_q_hat)

            def field(p_hat):
                h = np.sqrt(q_hat) * z + p_hat
                return float(w @ np.logaddexp(h, -h)) - p_hat * p

            return minimize_scalar(field, bracket=(-1, 1), tol=1e-11).fun - q_hat * (1 - q) / 2

        found = minimize_scalar(lambda v: -inner(v), bounds=(-18, 5), method="bounded", options={"xatol": 1e-8})
        return -found.fun

    def patterns(q):
        at = p * u[:, None] + math.sqrt(q - p * p) * z[None, :]
        root = math.sqrt(1 - q)
        inside = ndtr((kappa - at) / root) - ndtr((-kappa - at) / root)
        return float(weight @ (np.log(np.maximum(inside, 1e-300)) @ w))  # where it is smaller the weights vanish

    low = p * p + 1e-9
    return minimize_scalar(lambda q: weights(q) + alpha * patterns(q), bounds=(low, 0.999 * (1 - low) + low), method="bounded").fun


@pytest.mark.parametrize(("alpha", "d"), [(0.5, 0.1), (1.0, 0.15), (1.0, 0.3)])
def test_order_of_the_quenched_entropy_and_the_bounds(alpha, d):
    below, middle, above = quenched(1.0, alpha, d), jensen_bound(1.0, alpha, d), first_moment_bound(1.0, alpha, d)
    assert below <= middle.value + 1e-7  # the reference integral's own error
    assert middle.value < above.value - 1e-4  # apart by more than any error
    assert middle.value - below < 0.05  # and it is a bound worth having


def test_bounds_meet_at_the_ends_and_where_fields_are_independent():
    for bound in (first_moment_bound, jensen_bound):
        assert bound(1.0, 1.2, [0.0, 1.0]).value.tolist() == [0.0, 0.0]
        independent = math.log(2) + 1.2 * math.log(math.erf(1 / math.sqrt(2)))
        assert abs(bound(1.0, 1.2, 0.5).value - independent) < 1e-14
        near = bound(1.0, 1.2, 1e-13)
        assert abs(near.value) < 1e-5 and near.value < 0  # sqrt(d) wins: isolated
    assert first_moment_bound(1.0, 0.0, 0.3).value == pytest.approx(entropy(0.3), abs=1e-15)


@pytest.mark.parametrize("bound", [first_moment_bound, jensen_bound])
@pytest.mark.parametrize("d", [0.001, 0.2, 0.5, 0.9])
def test_slopes_are_derivatives(bound, d):
    step = 1e-4 * min(d, 1 - d)
    difference = (bound(0.8, 1.1, d + step).value - bound(0.8, 1.1, d - step).value) / (2 * step)
    assert abs(difference - bound(0.8, 1.1, d).slope) < SLOPE


def test_arrays_broadcast_and_keep_their_shape():
    found = jensen_bound([[0.5], [1.0]], 0.5, [0.1, 0.2, 0.7])
    assert found.value.shape == found.slope.shape == found.error.shape == (2, 3)
    assert found.value[1, 2] == jensen_bound(1.0, 0.5, 0.7).value
    assert isinstance(jensen_bound(1.0, 0.5, 0.7).value, float)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0.0, 1.0, 0.1), "kappa"), ((1.0, -1.0, 0.1), "alpha"), ((1.0, 1.0, 1.1), "d"), ((1.0, 1.0, -0.1), "d"), ((1.0, 1.0, math.nan), "d")],
)
def test_bad_input_names_the_argument(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        first_moment_bound(*arguments)
