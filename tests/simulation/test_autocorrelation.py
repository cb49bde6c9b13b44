"""Autocorrelation times against a series whose times are known, and errors of means against the scatter of many runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas.simulation.samplers import autocovariance, integrated_time, observe, split_r_hat

ERRORS = 4.0  # standard errors that a measured number may be off by
RUNS = 400  # the scatter of that many runs is known to 1/sqrt(2 RUNS) = 3.5%


def autoregressive(rng, phi, shape):
    """x_t = phi x_{t-1} + noise of unit variance in all: rho(t) = phi^t, tau = (1 + phi)/(1 - phi)."""
    x = rng.standard_normal(shape)
    for t in range(1, shape[-1]):
        x[..., t] = phi * x[..., t - 1] + np.sqrt(1 - phi * phi) * x[..., t]
    return x


@pytest.mark.parametrize("phi", [-0.4, 0.0, 0.5, 0.9])
def test_time_of_an_autoregressive_series(phi):
    x = autoregressive(np.random.default_rng(1), phi, (2, 20000))
    tau, error, window = integrated_time(x)
    exact = (1 + phi) / (1 - phi)
    assert abs(tau - exact) < ERRORS * error
    assert error < 0.1 * exact
    assert 5 * max(tau, 1) - 1.5 <= window <= 5 * max(tau, 1) + 5


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_errors_of_means_are_their_scatter(phi):
    rng = np.random.default_rng(2)
    seen = [observe("x", x) for x in autoregressive(rng, phi, (RUNS, 2, 1000))]
    pulls = np.array([o.mean / o.stderr for o in seen])
    assert abs(np.std(pulls) - 1) < 0.12  # 3.5% of the scatter, and errors that are themselves known to 3 to 10%
    taus = np.array([o.tau for o in seen])
    # the correction of the bias at work: without it the mean of tau is low by 2 (window)/n, 3% at phi = 0.8
    assert abs(taus.mean() - (1 + phi) / (1 - phi)) < 0.02 * taus.mean()
    assert np.std(taus) == pytest.approx(np.mean([o.tau_error for o in seen]), rel=0.25)


def test_autocovariance_is_the_plain_sum():
    x = np.random.default_rng(3).standard_normal((3, 40)).cumsum(axis=1)
    centred = x - x.mean()
    plain = [np.mean(centred[:, : 40 - t] * centred[:, t:]) for t in range(40)]
    assert np.allclose(autocovariance(x), plain, atol=1e-12)


def test_r_hat_is_the_plain_formula_and_sees_chains_apart_and_drifts():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 101))
    halves = np.stack([x[0, :50], x[1, :50], x[0, -50:], x[1, -50:]])
    W, B = halves.var(axis=1, ddof=1).mean(), 50 * halves.mean(axis=1).var(ddof=1)
    assert split_r_hat(x) == pytest.approx(np.sqrt((49 / 50 * W + B / 50) / W), rel=1e-12)
    good = observe("x", rng.standard_normal((2, 500)))
    assert good.equilibrated and good.r_hat < 1.02
    apart = observe("x", rng.standard_normal((2, 500)) + np.array([[0.0], [3.0]]))
    drifting = observe("x", rng.standard_normal((1, 500)) + np.linspace(0, 4, 500))
    assert not apart.equilibrated and apart.r_hat > 1.5 and apart.tau > 50
    assert not drifting.equilibrated and drifting.r_hat > 1.2
    assert apart.ess < 20 and drifting.ess < 20


def test_short_and_frozen_chains_are_not_equilibrated():
    short = observe("x", autoregressive(np.random.default_rng(5), 0.9, (4, 200)))
    assert not short.equilibrated  # 200 records of tau = 19
    frozen = observe("x", np.full((2, 1000), 0.3))
    assert frozen.tau == np.inf and frozen.ess == 0 and np.isnan(frozen.stderr) and not frozen.equilibrated


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(-5, 5), st.floats(0.01, 100))
def test_time_does_not_depend_on_units(seed, shift, scale):
    x = autoregressive(np.random.default_rng(seed), 0.6, (2, 64))
    first, second = observe("x", x), observe("x", shift + scale * x)
    assert second.tau == pytest.approx(first.tau, rel=1e-6)
    assert second.stderr == pytest.approx(scale * first.stderr, rel=1e-6)
    assert second.r_hat == pytest.approx(first.r_hat, rel=1e-6)


@pytest.mark.parametrize("bad", [np.zeros((2, 1)), np.zeros((1, 2, 3)), np.zeros((0, 5)), [1.0, np.nan, 2.0]])
def test_bad_series(bad):
    with pytest.raises(ValueError, match="values: got"):
        observe("x", bad)


def test_bad_window():
    with pytest.raises(ValueError, match="window: got 0"):
        integrated_time(np.arange(9.0), window=0)
