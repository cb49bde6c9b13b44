"""Extrapolation in 1/N: exact on its own form, calibrated on noise, honest about the term it cannot see."""

import numpy as np
import pytest

from validation.finite_size import extrapolate

SIZES = np.array([11, 15, 19, 23, 25])


def test_recovers_its_own_form():
    values = 0.4 + 0.3 / SIZES + 2.0 / SIZES**2
    fit = extrapolate(SIZES, values, np.full(5, 1e-9), scale=1.0)
    assert (fit.limit, fit.a, fit.b) == pytest.approx((0.4, 0.3, 2.0), rel=1e-5)
    assert fit.degrees == 3 and fit.chi2 == pytest.approx(4, rel=1e-3)  # b is two scales from zero


def test_two_sizes_without_curvature_by_hand():
    fit = extrapolate([10, 20], [1.0, 0.9], [0.01, 0.02], scale=1e-9)
    assert fit.limit == pytest.approx(0.8) and fit.stderr == pytest.approx(np.hypot(0.01, 0.04))
    assert fit.degrees == 0 and "not tested" in fit.statement


def test_two_exact_sizes_leave_the_uncertainty_of_the_truncation():
    """(N1 v1 - N2 v2)/(N1 - N2) is off by b/(N1 N2) for v = b/N^2."""
    fit = extrapolate([10, 20], [1.0, 0.9], [1e-9, 1e-9], scale=3.0)
    assert fit.limit == pytest.approx(0.8) and fit.stderr == pytest.approx(3 / 200)


def test_third_order_recovers_its_own_form():
    values = 0.4 + 0.3 / SIZES + 2.0 / SIZES**2 - 5.0 / SIZES**3
    fit = extrapolate(SIZES, values, np.full(5, 1e-11), scale=1.0, order=3)
    assert (fit.limit, fit.a, fit.b, fit.c) == pytest.approx((0.4, 0.3, 2.0, -5.0), rel=1e-3)
    assert "+ c/N^3" in fit.statement and fit.degrees == 3


def test_unit_of_size():
    """Sizes N with branches of N/3 are the fit in N/3, coefficients rescaled."""
    values, sigma = 0.4 - 0.2 / SIZES, np.full(5, 0.01)
    for order in (2, 3):
        whole = extrapolate(3 * SIZES, values, sigma, scale=0.5, order=order, unit=3)
        branch = extrapolate(SIZES, values, sigma, scale=0.5, order=order)
        assert (whole.limit, whole.stderr) == pytest.approx((branch.limit, branch.stderr))
        assert (whole.a, whole.b, whole.scale) == pytest.approx((3 * branch.a, 9 * branch.b, 9 * branch.scale))


def test_errors_and_chi2_are_calibrated():
    """Noise in the data and b drawn from its prior: pulls of unit width, chi2 of mean `degrees`."""
    rng = np.random.default_rng(0)
    sigma = np.array([0.01, 0.02, 0.01, 0.03, 0.02]) / 10
    fits = []
    for _ in range(2000):
        truth = 1 + 0.5 / SIZES + 0.7 * rng.standard_normal() / SIZES**2
        fits.append(extrapolate(SIZES, truth + sigma * rng.standard_normal(5), sigma, scale=0.7))
    pulls = np.array([(fit.limit - 1) / fit.stderr for fit in fits])
    assert abs(pulls.mean()) < 0.08 and abs(pulls.std() - 1) < 0.06
    assert abs(np.mean([fit.chi2 for fit in fits]) - 3) < 0.2
    assert abs(np.mean([fit.probability < 0.1 for fit in fits]) - 0.1) < 0.03


def test_bad_arguments():
    with pytest.raises(ValueError, match="N: got 1 sizes, takes at least 2"):
        extrapolate([10], [1.0], [0.1], 1.0)
    with pytest.raises(ValueError, match="scale: got 0, takes a number > 0"):
        extrapolate([10, 20], [1.0, 1.0], [0.1, 0.1], 0)
    with pytest.raises(ValueError, match="order: got 4, takes 2 or 3"):
        extrapolate([10, 20], [1.0, 1.0], [0.1, 0.1], 1.0, order=4)


def test_another_power_recovers_its_own_form():
    """Powers of N^(-1/2): in those of 1/N the limit would be off by far more than its error."""
    values, sigma = 0.7 + 0.5 / np.sqrt(SIZES) - 1.0 / SIZES, np.full(5, 1e-9)
    fit = extrapolate(SIZES, values, sigma, scale=1.0, power=0.5)
    assert (fit.limit, fit.a, fit.b) == pytest.approx((0.7, 0.5, -1.0), rel=1e-5)
    assert fit.statement.startswith("limit + a/N^0.5 + b/N, a")
    assert abs(extrapolate(SIZES, values, sigma, scale=1.0).limit - 0.7) > 0.01
    with pytest.raises(ValueError, match="power: got 0, takes a number > 0"):
        extrapolate(SIZES, values, sigma, scale=1.0, power=0)
