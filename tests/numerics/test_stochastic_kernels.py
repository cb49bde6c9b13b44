"""Local integrals of the stochastic perceptron against closed forms, dense sums and refinement."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import log_ndtr

from replicas.numerics import stochastic as kernels
from replicas.numerics import stochastic_sites as sites

ROUNDING = 3e-14  # relative, of sums of a few hundred terms
INTERPOLATED = 3e-13  # relative: polynomials of values that round at 1e-13 where beta u^2/s^2 is 1e5
DENSE = 1e-10  # what scipy's adaptive quadrature delivers on integrands of several widths


def rule(name):
    order, share = name
    return (*sites.legendre(order), share)


def pattern(omega, V, s, beta, which=sites.COARSE):
    return kernels.pattern_table(np.atleast_1d(np.asarray(omega, dtype=float)), V, s, float(beta), *rule(which))


@pytest.mark.parametrize("s, V", [(0.9, 0.05), (0.5, 0.3), (0.03, 0.9), (0.03, 1e-6)])
def test_at_unit_temperature_the_pattern_leaf_is_a_tail(s, V):
    """E H(-(omega + sqrt(V) nu)/s) = H(-omega/sqrt(V + s^2))."""
    omega = np.linspace(-5, 5, 41)
    found = pattern(omega, V, s, 1.0)
    width = math.sqrt(V + s * s)
    want = log_ndtr(omega / width)
    assert np.max(np.abs(found[0] - want) / np.maximum(1, np.abs(want))) < ROUNDING
    h = 1e-4 * width
    slope = (log_ndtr((omega + h) / width) - log_ndtr((omega - h) / width)) / (2 * h)
    assert np.max(np.abs(found[1] - slope) / np.maximum(1 / width, np.abs(slope))) < 1e-7  # of the difference quotient


@pytest.mark.parametrize("beta", [0.0, 0.3, 20.0, 200.0])
@pytest.mark.parametrize("s, V", [(0.995, 0.005), (0.55, 0.2), (0.032, 0.4)])
def test_the_pattern_leaf_against_adaptive_quadrature(beta, s, V):
    for omega in (-2.0, -0.1, 0.4):

        def exponent(u, omega=omega):
            return beta * log_ndtr(u / s) - (u - omega) ** 2 / (2 * V)

        top = max(map(exponent, np.linspace(-3, 5, 4001)))
        total = sum(
            quad(lambda u, e=exponent, top=top: math.exp(e(u) - top), a, a + 0.25, epsabs=1e-14)[0]
            for a in np.arange(-8, 8, 0.25)
        )
        want = top + math.log(total) - 0.5 * math.log(2 * math.pi * V)
        assert pattern(omega, V, s, beta)[0, 0] == pytest.approx(want, rel=DENSE, abs=DENSE)


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 200), st.floats(-4, -0.003), st.floats(-9, 0), st.floats(-6, 6))
def test_derivatives_of_the_pattern_leaf(beta, log_s2, log_V, omega):
    """f' and f'' are derivatives of f; in s of (0.018, 0.998) and V of (1e-9, 1) q_star, where f'' changes its formula."""
    s2 = 10**log_s2
    V, s = 10**log_V * (1 - s2), math.sqrt(s2)
    scale = math.sqrt(V + s2 / (1 + beta))
    h = 1e-2 * scale
    at = pattern(omega + h * np.arange(-2, 3), V, s, beta, sites.FINE)
    first = (at[0, 0] - 8 * at[0, 1] + 8 * at[0, 3] - at[0, 4]) / (12 * h)
    second = (at[1, 0] - 8 * at[1, 1] + 8 * at[1, 3] - at[1, 4]) / (12 * h)
    size = 1 + abs(at[0, 2])
    assert first == pytest.approx(at[1, 2], rel=1e-6, abs=1e-10 * size / scale)
    assert second == pytest.approx(at[2, 2], rel=1e-6, abs=1e-8 * size / scale**2)


@pytest.mark.parametrize("q_hat, lam", [(0.0, 3.0), (1.2, -3.0), (40.0, -2.0), (50.0, -1e4), (1e3, 1e4), (400.0, 100.0)])
def test_site_averages_do_not_change_with_the_rule(q_hat, lam):
    coarse, fine = (sites.site_averages(q_hat, lam, *rule(r)) for r in (sites.COARSE, sites.FINEST))
    for name, one, other in zip(sites.SITE_ROWS, coarse, fine, strict=True):
        slope = name.startswith("d_")  # of Newton's method only: third cumulants of steep measures
        if name != "magnitude":  # a size, of a kinked function
            assert one == pytest.approx(other, rel=1e-10 if slope else ROUNDING, abs=1e-30), name


@pytest.mark.parametrize("q_hat, lam", [(1.2, -3.0), (5.0, 2.0), (40.0, -20.0)])
def test_site_averages_against_a_dense_sum(q_hat, lam):
    x, p = np.polynomial.legendre.leggauss(800)
    z, w = 9 * x, 9 * p * np.exp(-40.5 * x**2) / math.sqrt(2 * math.pi)
    weight = p * np.exp(np.sqrt(q_hat) * z[:, None] * x - lam * x**2 / 2)
    total = weight.sum(axis=1)
    mean, square, size, sign = ((weight * y).sum(axis=1) / total for y in (x, x**2, np.abs(x), np.sign(x)))
    found = dict(zip(sites.SITE_ROWS, sites.site_averages(q_hat, lam, *rule(sites.COARSE)), strict=True))
    kinked = 1e-4  # the dense sum does not know the kink of |m|
    for name, want, tolerance in (
        ("g", w @ np.log(total) - max(0, -lam / 2), 1e-12), ("g1_squared", w @ mean**2, 1e-12), ("g2", w @ (square - mean**2), 1e-12),
        ("deficit", w @ (1 - square), 1e-12), ("g2_squared", w @ (square - mean**2) ** 2, 1e-12),
        ("mean_abs", w @ size, kinked), ("sign_mean", w @ (sign * mean), kinked),
    ):  # fmt: skip
        assert found[name] == pytest.approx(want, abs=tolerance), name


@pytest.mark.parametrize("q_hat, lam", [(1.2, -3.0), (5.0, 2.0), (30.0, -200.0)])
def test_derivatives_of_the_site_averages(q_hat, lam):
    def at(q_hat, lam):
        return dict(zip(sites.SITE_ROWS, sites.site_averages(q_hat, lam, *rule(sites.COARSE)), strict=True))

    here, h = at(q_hat, lam), 1e-4
    for suffix, (up, down), step in (
        ("q_hat", (at(q_hat * (1 + h), lam), at(q_hat * (1 - h), lam)), 2 * h * q_hat),
        ("lam", (at(q_hat, lam * (1 + h)), at(q_hat, lam * (1 - h))), 2 * h * lam),
    ):
        assert here[f"d_q_d_{suffix}"] == pytest.approx((up["g1_squared"] - down["g1_squared"]) / step, rel=1e-6)
        assert here[f"d_Q_d_{suffix}"] == pytest.approx(-(up["deficit"] - down["deficit"]) / step, rel=1e-6)


@pytest.mark.parametrize("beta, q_star, V", [(20, 0.7, 0.3), (1, 0.9, 0.1), (200, 0.999, 1e-3), (5, 0.01, 0.001), (0, 0.5, 0.2)])
def test_the_reference_leaf_is_the_pattern_leaf(beta, q_star, V):
    omega = np.linspace(-16, 16, 777)  # beyond its panels too
    found, want = kernels.reference_leaf(beta, q_star, V)(omega), pattern(omega, V, math.sqrt(1 - q_star), beta, sites.FINEST)
    for row in (0, 1):
        assert np.max(np.abs(found[row] - want[row]) / np.maximum(1, np.abs(want[row]))) < INTERPOLATED
    table = kernels.reference_leaf(beta, q_star, V).table().values(omega[::50])
    assert np.allclose(table[2], want[2][::50], rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("q_hat, lam", [(40.0, -2.0), (1e3, 300.0), (1.0, -2000.0), (1e5, 50.0)])
def test_the_reference_site_integrates_every_tilt(q_hat, lam):
    m, logs = kernels.reference_site(q_hat, lam)
    assert np.all(np.diff(m) > 0) and np.all(np.abs(m) < 1) and not np.any(m == 0)
    for x in (-9.0, -1.0, 0.0, 4.0, 9.0):
        h = math.sqrt(q_hat) * x
        exponent = logs + h * m
        top = exponent.max()
        g = top + math.log(np.exp(exponent - top).sum()) + max(0.0, -lam / 2)
        mean = float(np.exp(exponent - top) @ m / np.exp(exponent - top).sum())
        want = sites.site_table(np.array([h]), lam, sites.site_nodes(q_hat, lam, *rule(sites.FINEST)))
        assert g == pytest.approx(want[0, 0], rel=1e-13, abs=1e-13)
        assert mean == pytest.approx(want[1, 0], rel=1e-12, abs=1e-14)
