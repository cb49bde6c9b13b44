"""Loads above the end of the branch are answered without a search: alpha(q), by plain quadrature, never exceeds that end."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import log_ndtr

import replicas as rp
from replicas.numerics.saddle import FOLDING_MARGIN, make_batch
from replicas.theory.ends import beyond_the_end

T = np.linspace(-9, 9, 20001)  # the trapezoidal rule is exact to rounding for what varies over 1e-2 and more


def gaussian(f):
    return np.exp(-T * T / 2) @ f(T) / np.exp(-T * T / 2).sum()


def load(weights, kappa, q):
    """alpha at which the saddle has this q, from the two saddle-point equations."""

    def slope(t):  # derivative of log H
        x = (kappa - np.sqrt(q) * t) / np.sqrt(1 - q)
        return np.exp(-x * x / 2 - log_ndtr(-x)) / np.sqrt(2 * np.pi * (1 - q))

    if weights == "spherical":
        q_hat = q / (1 - q) ** 2
    else:
        q_hat = brentq(lambda y: gaussian(lambda z: np.tanh(np.sqrt(y) * z) ** 2) - q, 1e-9, 1e4)
    return q_hat / gaussian(lambda t: slope(t) ** 2)


@pytest.mark.parametrize("kappa", [FOLDING_MARGIN, -1.0, 0.0, 1.5])
@pytest.mark.parametrize("weights", ["spherical", "binary"])
def test_no_load_beyond_the_end_has_a_saddle(weights, kappa):
    model = rp.Perceptron(weights)
    end = rp.capacity(model, kappa=kappa, criterion="q-to-1").value
    loads = np.array([load(weights, kappa, q) for q in (0.02, 0.1, 0.3, 0.5, 0.7, 0.85, 0.93, 0.97)])
    assert np.all(np.diff(loads) > 0)
    assert loads[-1] < end
    batch = make_batch(model, np.array([0.999, 1.001]) * end, np.full(2, kappa), None)
    assert list(beyond_the_end(batch)) == [False, True]


def test_nothing_is_skipped_where_the_branch_folds():
    kappa = FOLDING_MARGIN - 0.5
    end = rp.capacity(rp.Perceptron("binary"), kappa=kappa, criterion="q-to-1").value
    assert max(load("binary", kappa, q) for q in np.linspace(0.3, 0.95, 27)) > end
    batch = make_batch(rp.Perceptron("binary"), np.array([2 * end]), np.array([kappa]), None)
    assert not beyond_the_end(batch)[0]


def test_margins_are_looked_up_once():
    """A grid of many loads at few margins asks for few ends."""
    kappa = np.repeat([0.0, 0.5], 50)
    alpha = np.tile(np.linspace(0.1, 2, 50), 2)
    found = rp.solve(rp.Perceptron("binary"), alpha=alpha, kappa=kappa)
    one_by_one = [rp.solve(rp.Perceptron("binary"), alpha=a, kappa=k).status for a, k in zip(alpha[::7], kappa[::7])]
    assert list(found.status[::7]) == one_by_one
