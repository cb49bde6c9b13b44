"""Multisets of nodes: order, ranks and weights against plain enumeration."""

import itertools

import numpy as np
import pytest

from replicas.numerics import multisets

ROUNDING = 1e-13  # sums of a few hundred products of positive numbers


@pytest.mark.parametrize(("n", "K"), [(1, 1), (4, 1), (5, 3), (3, 5), (4, 7)])
def test_members_are_all_multisets_in_the_order_of_their_ranks(n, K):
    index = multisets.members(n, K)
    assert {tuple(i) for i in index} == set(itertools.combinations_with_replacement(range(n), K))
    assert len(index) == multisets.count(n, K)
    rank = multisets.binomials(n, K)[index, np.arange(K)].sum(axis=1)
    assert np.array_equal(rank, np.arange(len(index)))


@pytest.mark.parametrize(("n", "K"), [(6, 1), (5, 3), (3, 5)])
def test_weights_sum_a_symmetric_function_as_the_full_grid_does(n, K):
    x, w = np.polynomial.hermite_e.hermegauss(n)
    full = sum(
        np.prod([w[i] for i in t]) * np.exp(0.3 * sum(x[i] for i in t)) / (1 + sum(x[i] ** 2 for i in t))
        for t in itertools.product(range(n), repeat=K)
    )
    nodes = x[multisets.members(n, K)]
    values = np.exp(0.3 * nodes.sum(axis=1)) / (1 + (nodes**2).sum(axis=1))
    assert multisets.weights(w, K) @ values == pytest.approx(full, rel=ROUNDING)
