"""Exact enumeration against naive enumeration, exact identities and refused arguments."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas import simulation

LIKELIHOODS = ("threshold", "window")


def naive_counts_and_codes(patterns, kappa, likelihood):
    """Solutions from the fields of all 2^N weight vectors, compared as integers j = xi . W."""
    P, N = patterns.shape
    codes = np.arange(2**N)
    weights = 2 * (codes[:, None] >> np.arange(N) & 1) - 1
    j = weights @ patterns.T
    # j/sqrt(N) against kappa through exact squares: no rounding at ties
    square = Fraction(kappa) ** 2 * N
    sizes = range(-N, N + 1)
    if likelihood == "window":
        good = [kappa >= 0 and size**2 <= square for size in sizes]
    elif kappa > 0:
        good = [size > 0 and size**2 >= square for size in sizes]
    else:
        good = [size >= 0 or size**2 <= square for size in sizes]
    satisfied = np.logical_and.accumulate(np.array(good)[j + N], axis=1)
    counts = np.concatenate([[2**N], satisfied.sum(axis=0)])
    return counts, np.flatnonzero(satisfied[:, -1]) if P else codes


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("N", range(1, 14))
def test_counts_and_codes_match_naive_enumeration(N, likelihood):
    for kappa in (0.0, 0.3, -0.5, 1.0, 9.0, -9.0):
        for P in (0, 1, 3, 6):
            patterns = simulation.draw_patterns(P, N, seed=1, sample=N)
            counts, codes = naive_counts_and_codes(patterns, kappa, likelihood)
            np.testing.assert_array_equal(
                simulation.count_solutions_by_load(patterns, kappa, likelihood), counts, f"{kappa=} {P=}"
            )
            np.testing.assert_array_equal(simulation.enumerate_solutions(patterns, kappa, likelihood), codes)


@settings(max_examples=40, deadline=None)
@given(N=st.integers(7, 17), P=st.integers(0, 9), sample=st.integers(0, 10**6), kappa=st.floats(0, 2))
def test_symmetries(N, P, sample, kappa):
    patterns = simulation.draw_patterns(P, N, seed=2, sample=sample)
    gauge = simulation.draw_teacher(N, seed=2, sample=sample, kind="binary")
    window = simulation.count_solutions(patterns, kappa, "window")
    signs = simulation.draw_teacher(P, seed=3, sample=sample, kind="binary") if P else np.ones(0, int)
    # W -> gauge W, and, in a window, xi_mu -> -xi_mu for any mu
    assert simulation.count_solutions(patterns * gauge, kappa) == simulation.count_solutions(patterns, kappa)
    assert simulation.count_solutions(patterns, kappa, "window", labels=signs) == window
    # the solutions of a window come in pairs W, -W
    assert window % 2 == 0
    codes = simulation.enumerate_solutions(patterns, kappa, "window")
    np.testing.assert_array_equal(np.sort(2**N - 1 - codes.astype(np.int64)), codes)


def test_labellings_partition_the_weights():
    """At odd N every W gives exactly one labelling: the counts over all 2^P labels add up to 2^N."""
    N, P = 15, 6
    patterns = simulation.draw_patterns(P, N, seed=4)
    labels = 2 * (np.arange(2**P)[:, None] >> np.arange(P) & 1) - 1
    assert sum(simulation.count_solutions(patterns, labels=y) for y in labels) == 2**N


def test_teacher_is_among_the_solutions():
    for sample in range(20):
        problem = simulation.draw_problem(20, 17, seed=5, sample=sample, task="teacher-student")
        codes = simulation.enumerate_solutions(problem.patterns, labels=problem.labels)
        assert simulation.encode_weights(problem.teacher[None])[0] in codes
        fields = simulation.local_fields(problem.patterns, problem.teacher, problem.labels)
        assert np.all(fields > 0)


def test_codes_round_trip():
    codes = np.array([0, 1, 2**31 - 1, 123456789], dtype=np.uint32)
    weights = simulation.decode_weights(codes, 31)
    assert weights.shape == (4, 31) and weights[1, 0] == 1 and weights[1, 1] == -1
    np.testing.assert_array_equal(simulation.encode_weights(weights), codes)


def test_blocks_of_a_listing_join(monkeypatch):
    patterns = simulation.draw_patterns(4, 16, seed=6)
    whole = simulation.enumerate_solutions(patterns)
    monkeypatch.setattr("replicas.simulation.enumeration._BLOCK_WORDS", 8)
    np.testing.assert_array_equal(simulation.enumerate_solutions(patterns), whole)


@pytest.mark.parametrize(
    ("N", "kappa", "likelihood", "budget"),
    [
        (5, 0.0, "threshold", (0, 2)),
        (4, 0.0, "threshold", (0, 2)),  # a tie u = 0 is satisfied
        (4, 1e-300, "threshold", (0, 1)),
        (9, 1.0, "threshold", (0, 3)),  # the tie 3/sqrt(9) = 1
        (9, np.nextafter(1.0, 2), "threshold", (0, 3)),  # the same tie, rounded up
        (9, 1.0 + 1e-12, "threshold", (0, 2)),
        (9, -1.0, "threshold", (0, 6)),
        (9, 1.0, "window", (3, 6)),
        (9, 0.0, "window", (5, 4)),  # no field vanishes at odd N
        (4, 0.0, "window", (2, 2)),
        (9, -0.1, "window", (10, -1)),
        (9, 3.0, "threshold", (0, 0)),
        (9, -100.0, "threshold", (0, 9)),
    ],
)
def test_mismatch_budget(N, kappa, likelihood, budget):
    assert simulation.mismatch_budget(N, kappa, likelihood) == budget


@pytest.mark.slow
def test_largest_size():
    """At P = 1 half of the weights satisfy the pattern, at any odd N."""
    assert simulation.count_solutions(simulation.draw_patterns(1, 31, seed=7)) == 2**30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patterns": np.ones((2, 32)), "engine": "bit-sliced"}, "N = 32 .* from 1 to 31"),
        ({"patterns": np.ones((2, 64))}, "N = 64 .* from 1 to 63"),
        ({"patterns": np.ones((2, 5)), "engine": "brute"}, "engine: got 'brute', takes one of auto, bit-sliced, search"),
        ({"patterns": np.ones((2, 5)), "workers": 0}, "workers: got 0"),
        ({"patterns": np.ones(5)}, r"shape \(5,\), takes shape \(any, any\)"),
        ({"patterns": np.ones((2, 0))}, "N = 0"),
        ({"patterns": [[1, 0, 1]]}, "value 0, takes only"),
        ({"patterns": [[1.5, 1, 1]]}, "value 1.5, takes only"),
        ({"patterns": [[np.nan, 1, 1]]}, "value nan, takes only"),
        ({"patterns": np.ones((2, 5)), "kappa": np.inf}, "kappa: got inf"),
        ({"patterns": np.ones((2, 5)), "kappa": "x"}, "kappa: got 'x'"),
        ({"patterns": np.ones((2, 5)), "likelihood": "soft"}, "likelihood: got 'soft', takes one of"),
        ({"patterns": np.ones((2, 5)), "labels": [1, 1, 1]}, r"labels: .* shape \(3,\), takes shape \(2\)"),
        ({"patterns": np.ones((2, 5)), "labels": [1, 2]}, "labels: got the value 2"),
    ],
)
def test_bad_arguments(arguments, message):
    for function in (simulation.count_solutions, simulation.enumerate_solutions):
        with pytest.raises(ValueError, match=message) as caught:
            function(**arguments)
        assert "\n" not in str(caught.value)


def test_listing_limit():
    with pytest.raises(ValueError, match="limit: got 10, takes at least"):
        simulation.enumerate_solutions(np.ones((0, 9), dtype=int), limit=10)
