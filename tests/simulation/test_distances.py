"""Distances between listed solutions against all pairs one by one, and against the transform over all weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas import simulation


def plain_distances(a, b, N):
    return (simulation.decode_weights(a, N)[:, None] != simulation.decode_weights(b, N)[None]).sum(axis=-1)


@settings(max_examples=30, deadline=None)
@given(N=st.integers(1, 63), n=st.integers(0, 60), sample=st.integers(0, 10**6))
def test_pairs_and_shells(N, n, sample):
    rng = np.random.default_rng(sample)
    words = np.unique(rng.integers(0, 2**N, n, dtype=np.uint64))
    others = rng.integers(0, 2**N, 5, dtype=np.uint64)
    between = plain_distances(words, words, N)
    np.testing.assert_array_equal(
        simulation.pair_distances(words, N), np.bincount(between[np.triu_indices(len(words), 1)], minlength=N + 1)
    )
    shells = simulation.solution_shells(words, N, others)
    expected = [np.bincount(row, minlength=N + 1) for row in plain_distances(others, words, N)]
    np.testing.assert_array_equal(shells, np.array(expected).reshape(5, N + 1))


def test_blocks_join(monkeypatch):
    words = np.arange(0, 2**20, 997, dtype=np.uint32)
    whole = simulation.pair_distances(words, 20), simulation.solution_shells(words, 20)
    monkeypatch.setattr("replicas.simulation.distances._CALL_PAIRS", 3000)
    np.testing.assert_array_equal(simulation.pair_distances(words, 20), whole[0])
    np.testing.assert_array_equal(simulation.solution_shells(words, 20), whole[1])
    # every pair is seen from both sides
    np.testing.assert_array_equal(whole[1].sum(axis=0)[1:], 2 * whole[0][1:])
    assert whole[0].sum() == words.size * (words.size - 1) // 2


def test_local_entropies_are_those_of_the_transform():
    x = simulation.draw_patterns(7, 17, seed=1)
    solutions = simulation.enumerate_solutions(x, engine="search")
    by_transform = simulation.count_shells(x).around_references()
    by_pairs = simulation.shell_entropy(solutions, 17)
    for name in ("mean", "median", "log_mean", "empty"):
        np.testing.assert_allclose(getattr(by_pairs, name), getattr(by_transform, name), rtol=1e-13, atol=1e-15)
    some = simulation.shell_entropy(solutions, 17, distances=[3, 5])
    np.testing.assert_array_equal(some.mean, by_pairs.mean[[3, 5]])


def test_relabelled_overlaps_beyond_32_bits():
    """Three units of 13 weights: the codes need 64-bit words."""
    problem = simulation.draw_problem(
        25, 13, seed=2, task="teacher-student", accepted=simulation.fully_connected(3)
    )
    teacher = simulation.encode_weights(problem.teacher[None])
    _, counts = simulation.overlap_counts(teacher, problem.teacher, 3)
    assert all(counts[j, j, -1] == 1 for j in range(3))


@pytest.mark.parametrize("wrong", [[32], [-1], [0.5], [[1]]])
def test_bad_arguments(wrong):
    for function in (simulation.pair_distances, simulation.solution_shells, simulation.shell_entropy):
        with pytest.raises(ValueError, match=r"codes: got .* below 2\^5"):
            function(wrong, 5)
        with pytest.raises(ValueError, match="N: got 64"):
            function([0], 64)
    with pytest.raises(ValueError, match="distances: got 6"):
        simulation.shell_entropy([0], 5, distances=[6])
