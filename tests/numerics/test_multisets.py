"""Multisets of nodes: order, ranks and weights against plain enumeration."""

import collections
import itertools
import math

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
    more = multisets.first_in_ball(index, room, half, radius, False)
    while more:
        found.append(tuple(index.tolist()))
        more = multisets.next_in_ball(index, room, half, False)
    assert len(found) == len(set(found))
    assert set(found) == wanted


@pytest.mark.parametrize("apart", [1, 2, 4])
@pytest.mark.parametrize(("K", "radius"), [(2, 3.2), (3, 4.3), (4, 2.9)])
def test_sorted_points_stand_for_all_orders_of_a_sublattice(K, radius, apart):
    assert walked(K, radius, False, apart) == {
        size: count for size, count in lengths(K, radius, lambda n: sum(n) % apart == 0).items() if count
    }


@pytest.mark.parametrize(("K", "radius"), [(2, 3.2), (3, 4.3), (4, 2.9)])
def test_sizes_and_one_sign_stand_for_all_even_sign_flips(K, radius):
    """By squared length and sign of the product."""
    everywhere = collections.Counter()
    for n in ball(K, radius):
        everywhere[sum(i * i for i in n), int(np.sign(math.prod(n)))] += 1
    assert walked(K, radius, True, 1, signed=True) == dict(everywhere)


def ball(K, radius):
    axis = range(-int(radius), int(radius) + 1)
    return (n for n in itertools.product(axis, repeat=K) if sum(i * i for i in n) <= radius**2)


def lengths(K, radius, wanted):
    return collections.Counter(sum(i * i for i in n) for n in ball(K, radius) if wanted(n))


def walked(K, radius, positive, apart, signed=False):
    """Orders of the walked points by squared length (and sign of the product)."""
    half = int(radius)
    others, room = np.zeros(K - 1, dtype=np.int64), np.empty(K - 1)
    found = collections.Counter()
    more = multisets.first_in_ball(others, room, half, radius, positive)
    while more:
        start, end = multisets.smallest_places(others, room, half, positive, apart)
        rest = multisets.orders(others, half, positive)
        for i in range(start, end + 1, apart):
            n = [i - half, *(others - half)]
            ties = sum(abs(m) == abs(n[0]) if positive else m == n[0] for m in n)
            found[(sum(m * m for m in n), int(np.sign(math.prod(n)))) if signed else sum(m * m for m in n)] += (
                rest / ties
            )
        more = multisets.next_in_ball(others, room, half, positive)
    return {size: pytest.approx(count) for size, count in found.items()}
