"""Extrapolation in 1/N: exact on its own forms, calibrated on noise, and it moves on from a refuted form."""

import numpy as np
import pytest

from validation.finite_size import extrapolate, fit_sizes

SIZES = np.array([11, 15, 19, 23, 25])


@pytest.mark.parametrize("order", [1, 2])
def test_recovers_its_own_form(order):
    values = 0.4 + 0.3 / SIZES + (order - 1) * 2.0 / SIZES**2
    fit = fit_sizes(SIZES, values, np.full(5, 1e-3), order)
    assert fit.coefficients == pytest.approx((0.4, 0.3, 2.0)[: order + 1], abs=1e-9)
    assert fit.chi2 < 1e-12 and fit.degrees == 4 - order and fit.probability == pytest.approx(1)


def test_two_sizes_by_hand():
    fit = extrapolate([10, 20], [1.0, 0.9], [0.01, 0.02])
    assert fit.limit == pytest.approx(0.8) and fit.stderr == pytest.approx(np.hypot(0.01, 0.04))
    assert "not tested" in fit.statement and fit.degrees == 0


def test_curvature_is_noticed():
    values = 0.4 + 0.3 / SIZES + 2.0 / SIZES**2
    fit = extrapolate(SIZES, values, np.full(5, 1e-4))
    assert fit.order == 2 and fit.limit == pytest.approx(0.4) and "b/N^2" in fit.statement
    noisy = extrapolate(SIZES, values, np.full(5, 1e-1))
    assert noisy.order == 1 and "b/N^2" not in noisy.statement


def test_errors_and_chi2_are_calibrated():
    rng = np.random.default_rng(0)
    sigma = np.array([0.01, 0.02, 0.01, 0.03, 0.02])
    fits = [fit_sizes(SIZES, 1 + 0.5 / SIZES + sigma * rng.standard_normal(5), sigma, 1) for _ in range(2000)]
    pulls = np.array([(fit.limit - 1) / fit.stderr for fit in fits])
    assert abs(pulls.mean()) < 0.08 and abs(pulls.std() - 1) < 0.06
    assert abs(np.mean([fit.chi2 for fit in fits]) - 3) < 0.2
    assert abs(np.mean([fit.probability < 0.1 for fit in fits]) - 0.1) < 0.03


def test_too_few_sizes():
    with pytest.raises(ValueError, match="N: got 1 sizes, takes at least 2"):
        extrapolate([10], [1.0], [0.1])
