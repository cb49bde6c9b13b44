"""Local fields of enumerated solutions."""

import numpy as np
import pytest

from replicas import simulation


def test_counts_on_the_lattice_match_the_fields():
    patterns = simulation.draw_patterns(5, 13, seed=1)
    codes = simulation.enumerate_solutions(patterns)
    lattice, counts = simulation.field_counts(patterns, codes)
    fields = simulation.local_fields(patterns, simulation.decode_weights(codes, 13))
    assert fields.shape == (codes.size, 5) and fields.min() >= 0
    np.testing.assert_allclose(lattice, np.arange(-13, 14, 2) / np.sqrt(13))
    direct = [np.sum(np.isclose(fields, u)) for u in lattice]
    np.testing.assert_array_equal(counts, direct)


def test_all_weights_have_binomial_fields():
    patterns = simulation.draw_patterns(1, 7, seed=2)
    _, counts = simulation.field_counts(patterns, np.arange(2**7))
    np.testing.assert_array_equal(counts, [1, 7, 21, 35, 35, 21, 7, 1])


def test_parity_ties_each_pattern_to_half_of_the_lattice():
    """prod W and prod xi decide between fields j = N mod 4 and N + 2 mod 4: see validation/fields.py."""
    N = 13
    patterns = simulation.draw_patterns(4, N, seed=3)
    weights = simulation.decode_weights(simulation.enumerate_solutions(patterns), N)
    j = np.rint(simulation.local_fields(patterns, weights) * np.sqrt(N)).astype(int)
    sign = weights.prod(axis=1)[:, None] * patterns.prod(axis=1)
    np.testing.assert_array_equal((N - j) // 2 % 2, (1 - sign) // 2)


def test_labels_flip_fields_and_one_vector_gives_one_row():
    patterns, weights = simulation.draw_patterns(3, 5, seed=4, kind="gaussian"), np.ones(5)
    fields = simulation.local_fields(patterns, weights)
    np.testing.assert_allclose(fields, patterns.sum(axis=1) / np.sqrt(5))
    np.testing.assert_allclose(simulation.local_fields(patterns, weights, [1, -1, 1]), fields * [1, -1, 1])


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"weights: got an array of shape \(4,\), takes"):
        simulation.local_fields(np.ones((2, 5)), np.ones(4))
    with pytest.raises(ValueError, match="patterns: got values that are not finite"):
        simulation.local_fields([[np.inf, 1.0]], np.ones(2))
    with pytest.raises(ValueError, match=r"codes: .* below 2\^5"):
        simulation.field_counts(np.ones((2, 5)), [32])
    with pytest.raises(ValueError, match="N: got 64, takes an integer from 1 to 63"):
        simulation.field_counts(np.ones((2, 64)), [32])
