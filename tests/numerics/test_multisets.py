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


@pytest.mark.parametrize(("K", "radius"), [(1, 3.5), (2, 2.0), (3, 3.3), (4, 2.9), (6, 2.5), (3, 0.5)])
def test_a_ball_is_walked_through_once(K, radius):
    half = int(radius)
    wanted = {
        t
        for t in itertools.combinations_with_replacement(range(2 * half + 1), K)
        if sum((i - half) ** 2 for i in t) <= radius**2
    }
    index, room = np.zeros(K, dtype=np.int64), np.empty(K)
    found = []
    more = multisets.first_in_ball(index, room, half, radius)
    while more:
        found.append(tuple(index.tolist()))
        more = multisets.next_in_ball(index, room, half)
    assert len(found) == len(set(found))
    assert set(found) == wanted
