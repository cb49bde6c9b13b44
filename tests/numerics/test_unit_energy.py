"""The energy of sign units alone against the generated kernels, which are held to the derived closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

import replicas as rp
from replicas.numerics import unit_energy
from replicas.numerics.saddle import evaluate, make_batch

MACHINES = {"majority": rp.TreeCommittee, "parity": rp.TreeParity}
ROUNDING = 1e-13  # of thousands of terms added in two orders, relative to a sum of order one


def generated(kind, K, q, level):
    """d phi/d alpha of the derived functional at V = 1 - q: E log Z."""
    batch = make_batch(MACHINES[kind](K, "spherical"), 1.0)
    return float(evaluate(batch, np.array([[math.log(q / (1 - q))]]), level).dphi_dalpha[0])


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("q", [1e-3, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("kind, K", [("majority", 3), ("parity", 2), ("parity", 3)])
def test_the_same_number_as_the_generated_kernel(kind, K, q, level):
    assert unit_energy.energy(kind, K, q, 1 - q, level) == pytest.approx(generated(kind, K, q, level), rel=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("kind, K", [("majority", 5), ("parity", 4)])
def test_the_same_with_more_units(kind, K, q):
    assert unit_energy.energy(kind, K, q, 1 - q, 0) == pytest.approx(generated(kind, K, q, 0), rel=ROUNDING)


def test_against_a_tensor_grid():
    from scipy.special import ndtr

    z = np.linspace(-9, 9, 145)
    weight = np.exp(-z * z / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    P = ndtr(z)
    a, b, c = np.ix_(P, P, P)
    Z = a * b + c * (a + b - 2 * a * b)
    value = np.einsum("i,j,k,ijk", weight, weight, weight, np.log(Z), optimize=True)
    assert unit_energy.energy("majority", 3, 0.5, 0.5, 6) == pytest.approx(value, abs=1e-12)


def test_two_units_in_parity_know_no_sign():
    """Z = (1 + x_1 x_2)/2 of two independent units: no overlap gives log 1/2."""
    assert unit_energy.energy("parity", 2, 1e-9, 1.0, 1) == pytest.approx(-math.log(2), abs=1e-12)


def test_points_are_sorted_points_of_a_ball():
    points = unit_energy.lattice_points("majority", 3, 0.5, 0.5, 0)
    half = np.arange(-16, 17)  # step 1/2, radius 8
    squares = half[:, None, None] ** 2 + half[None, :, None] ** 2 + half[None, None, :] ** 2
    order = (half[:, None, None] <= half[None, :, None]) & (half[None, :, None] <= half[None, None, :])
    assert points == int((order & (squares <= 256)).sum())


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (("vote", 3, 0.5, 0.5), "^kind: got 'vote'"),
        (("majority", 1, 0.5, 0.5), "^K: got 1"),
        (("majority", 3, 0.0, 0.5), "^q, V: got 0"),
        (("parity", 2, 0.99, 0.01), "^q, V: got 0.99, 0.01; takes 0 < q < 20.6 V"),
    ],
)
def test_bad_input(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        unit_energy.energy(*arguments)
