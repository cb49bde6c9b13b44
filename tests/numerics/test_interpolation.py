"""A leaf read from a table is the leaf."""

import numpy as np
import pytest

import replicas as rp
from replicas.numerics.interpolation import STEP, interpolated
from replicas.numerics.leaf_tables import pattern_table
from replicas.numerics.saddle import make_batch

VALUE = 1e-13  # of the larger of 1 and the leaf: far below what an average needs
SLOPE = 5e-13  # of a derivative, in units of the larger of it and the inverse width: (step of the table)^5


@pytest.mark.parametrize("kappa", [0.0, 0.7])
@pytest.mark.parametrize("V", [0.9, 0.1, 1e-3, 1e-6])
def test_value_and_slope_are_those_of_the_leaf(kappa, V):
    leaf = pattern_table(make_batch(rp.Perceptron(kappa=kappa), 0.5), V)
    rng = np.random.default_rng(1)
    fields = np.concatenate([5 * rng.normal(size=20_000), kappa + np.sqrt(V) * 5 * rng.normal(size=20_000)])
    value, slope, bend = leaf.values(fields)[:3]
    moved = 4 * np.finfo(float).eps * (np.abs(fields) + kappa)  # rounding of the distance from the kink, which a difference of values enlarges
    read = interpolated(leaf, kappa).values(fields)
    assert np.all(np.abs(read[0] - value) <= VALUE * np.maximum(1, np.abs(value)) + moved * np.abs(slope))
    assert np.all(np.abs(read[1] - slope) <= SLOPE * np.maximum(1 / np.sqrt(V), np.abs(slope)) + moved * (np.abs(bend) + np.abs(slope) / (STEP * np.sqrt(V))))


def test_a_few_fields_are_not_read_from_a_table():
    leaf = pattern_table(make_batch(rp.Perceptron(), 0.5), 0.3)
    fields = np.array([-3.0, 0.0, 2.0])
    assert np.array_equal(interpolated(leaf, 0.0).values(fields), leaf.values(fields)[:2])
