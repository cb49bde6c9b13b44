"""The energy of sign units alone against the generated kernels, which are held to the derived closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import replicas as rp
from replicas.numerics import unit_energy
from replicas.numerics.saddle import evaluate, make_batch

MACHINES = {"majority": rp.TreeCommittee, "parity": rp.TreeParity}
FINE = 1e-10  # of the energy of a few units on lattices of the third level
COARSE = 2e-8  # the same of five units
LOGARITHM = 2e-15  # of a sum of weighted logarithms, relative to the sum of their sizes


def generated(kind, K, q, level):
    """d phi/d alpha of the derived functional at V = 1 - q: E log Z."""
    batch = make_batch(MACHINES[kind](K, "spherical"), 1.0)
    return float(evaluate(batch, np.array([[math.log(q / (1 - q))]]), level).dphi_dalpha[0])


@pytest.mark.parametrize("q", [1e-3, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("kind, K", [("majority", 3), ("parity", 2), ("parity", 3)])
def test_the_same_number_as_the_generated_kernel(kind, K, q):
    assert unit_energy.energy(kind, K, q, 1 - q, 2) == pytest.approx(generated(kind, K, q, 3), abs=FINE)


@pytest.mark.parametrize("q", [0.5, 0.7])
@pytest.mark.parametrize("kind, K", [pytest.param("majority", 5, marks=pytest.mark.slow), ("parity", 4)])
def test_the_same_with_more_units(kind, K, q):
    assert unit_energy.energy(kind, K, q, 1 - q, 0) == pytest.approx(generated(kind, K, q, 1), abs=COARSE)


def test_arrays_share_a_lattice():
    q = np.array([[0.1, 0.45], [0.5, 0.3]])
    values = unit_energy.energy("majority", 3, q, 1 - q, 2)
    assert values.shape == q.shape
    for value, one in zip(values.flat, q.flat, strict=True):
        assert value == pytest.approx(unit_energy.energy("majority", 3, one, 1 - one, 3), abs=FINE)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.floats(-290, 290), min_size=1, max_size=9))
def test_weighted_logarithms(exponents):
    values = np.array([10.0**x for x in exponents])
    weights = np.linspace(0.3, 1.7, values.size)
    logs = np.log(values)
    total = unit_energy.weighted_logarithms(values, weights)
    assert total == pytest.approx(weights @ logs, abs=LOGARITHM * (weights @ np.abs(logs)) + 1e-16)


@pytest.mark.parametrize("kind, K", [("majority", 3), ("majority", 7), ("parity", 2), ("parity", 5)])
def test_points_of_one_weight_share_a_logarithm(kind, K):
    """Products of many points are those of the points: nothing underflows, weights are one in sum of Z and 1 - Z."""
    points = unit_energy._points_for(kind, K, 0.5, 0)
    sizes = np.diff(points.first)
    assert sizes.min() >= 1 and sizes.max() > 1 and points.first[-1] == points.index.shape[0]
    assert 2 * (points.weight @ sizes) == pytest.approx(1, abs=1e-12)


def test_against_a_tensor_grid():
    from scipy.special import ndtr

    z = np.linspace(-9, 9, 145)
    weight = np.exp(-z * z / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    P = ndtr(z)
    a, b, c = np.ix_(P, P, P)
    Z = a * b + c * (a + b - 2 * a * b)
    value = np.einsum("i,j,k,ijk", weight, weight, weight, np.log(Z), optimize=True)
    assert unit_energy.energy("majority", 3, 0.5, 0.5, 4) == pytest.approx(value, abs=1e-12)


def test_two_units_in_parity_know_no_sign():
    """Z = (1 + x_1 x_2)/2 of two independent units: no overlap gives log 1/2."""
    assert unit_energy.energy("parity", 2, 1e-9, 1.0, 1) == pytest.approx(-math.log(2), abs=1e-12)


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (("vote", 3, 0.5, 0.5), "^kind: got 'vote'"),
        (("majority", 1, 0.5, 0.5), "^K: got 1"),
        (("majority", 4, 0.5, 0.5), "^K: got 4"),
        (("majority", 3, 0.0, 0.5), "^q, V: got 0"),
        (("parity", 2, 0.99, 0.01), "^q, V: got q/V = 99; takes less than 27"),
        (("majority", 9, 0.9, 0.1), "^K, q/V, level: got 9, 9, 1"),
    ],
)
def test_bad_input(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        unit_energy.energy(*arguments)
