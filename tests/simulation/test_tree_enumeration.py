"""Enumeration of tree machines against brute force, first moments and identities of Bayes; refused arguments."""

import numpy as np
import pytest

from replicas import simulation
from replicas.simulation import majority, parity

CASES = [(3, majority(3)), (3, parity(3)), (2, parity(2)), (5, majority(5)), (4, parity(4)), (2, (True, False, False))]


def all_weights(N):
    return 2 * (np.arange(2**N)[:, None] >> np.arange(N) & 1) - 1


def naive_outputs(patterns, weights, accepted):
    """Outputs +-1 from the fields of every branch, integers."""
    K = len(accepted) - 1
    n = patterns.shape[1] // K
    branches = [slice(j * n, (j + 1) * n) for j in range(K)]
    positive = sum((weights[:, sites] @ patterns[:, sites].T > 0).astype(int) for sites in branches)
    return np.where(np.array(accepted)[positive], 1, -1)


def naive_solutions(patterns, labels, accepted):
    """Numbers of solutions by load, and the codes of those of all the patterns."""
    right = naive_outputs(patterns, all_weights(patterns.shape[1]), accepted) == labels
    satisfied = np.logical_and.accumulate(right, axis=1)
    codes = np.flatnonzero(satisfied[:, -1]) if labels.size else np.arange(len(right))
    return np.concatenate([[len(right)], satisfied.sum(axis=0)]), codes


@pytest.mark.parametrize(
    ("K", "accepted", "n"), [(K, accepted, n) for K, accepted in CASES for n in (1, 3, 5, 7) if K * n <= 15]
)
def test_counts_and_codes_match_brute_force(K, accepted, n):
    N = K * n
    for P in (0, 1, 4, 9):
        patterns = simulation.draw_patterns(P, N, seed=1, sample=K)
        for labels in (np.ones(P, int), simulation.draw_patterns(1, P, seed=2)[0] if P else np.ones(0, int)):
            counts, codes = naive_solutions(patterns, labels, accepted)
            found = simulation.count_solutions_by_load(patterns, labels=labels, accepted=accepted)
            np.testing.assert_array_equal(found, counts)
            listed = simulation.enumerate_solutions(patterns, labels=labels, accepted=accepted)
            np.testing.assert_array_equal(listed, codes)


def test_branches_longer_than_a_word_of_lanes(monkeypatch):
    """n = 9: eight words a setting of the other branch, listed in blocks that begin inside a setting."""
    patterns = simulation.draw_patterns(5, 18, seed=3)
    counts, codes = naive_solutions(patterns, np.ones(5, int), parity(2))
    np.testing.assert_array_equal(simulation.count_solutions_by_load(patterns, accepted=parity(2)), counts)
    for block in (1 << 14, 2):
        monkeypatch.setattr("replicas.simulation.enumeration._BLOCK_WORDS", block)
        np.testing.assert_array_equal(simulation.enumerate_solutions(patterns, accepted=parity(2)), codes)


@pytest.mark.parametrize("N", [5, 6, 9, 14])
def test_one_branch_is_the_perceptron(N):
    patterns = simulation.draw_patterns(6, N, seed=4)
    labels = simulation.draw_patterns(1, 6, seed=5)[0]
    assert majority(1) == parity(1) == simulation.PERCEPTRON
    for kappa, likelihood in ((0.0, "threshold"), (-0.4, "threshold"), (1.0, "window")):
        plain = simulation.count_solutions_by_load(patterns, kappa, likelihood, labels)
        machine = simulation.count_solutions_by_load(patterns, kappa, likelihood, labels, majority(1))
        np.testing.assert_array_equal(machine, plain)


def test_machines_by_definition():
    assert majority(3) == (False, False, True, True)
    assert parity(2) == (True, False, True) and parity(3) == (False, True, False, True)
    patterns = simulation.draw_patterns(40, 15, seed=6)
    weights = simulation.decode_weights(np.arange(0, 2**15, 997), 15)
    signs = np.sign(np.einsum("wji,pji->wpj", weights.reshape(-1, 3, 5), patterns.reshape(-1, 3, 5)))
    outputs = simulation.machine_outputs(patterns, weights, majority(3))
    np.testing.assert_array_equal(outputs, np.sign(signs.sum(axis=-1)))
    np.testing.assert_array_equal(simulation.machine_outputs(patterns, weights[4], parity(3)), signs[4].prod(axis=-1))
    fields = simulation.local_fields(patterns, weights)
    np.testing.assert_array_equal(simulation.machine_outputs(patterns, weights), np.sign(fields))


def test_labellings_partition_the_weights():
    N, P = 14, 4
    patterns = simulation.draw_patterns(P, N, seed=7)
    labels = 2 * (np.arange(2**P)[:, None] >> np.arange(P) & 1) - 1
    assert sum(simulation.count_solutions(patterns, labels=y, accepted=parity(2)) for y in labels) == 2**N


def test_symmetries_of_the_parity_machine():
    """W_j -> -W_j in two branches changes no output: the solutions come in groups of 2^(K-1)."""
    for K in (2, 3):
        patterns = simulation.draw_patterns(5, 5 * K, seed=8)
        codes = simulation.enumerate_solutions(patterns, accepted=parity(K))
        flipped = codes ^ np.uint32(2**10 - 1)
        np.testing.assert_array_equal(np.sort(flipped), codes)
        assert codes.size % 2 ** (K - 1) == 0


@pytest.mark.parametrize(("K", "n", "accepted"), [(3, 5, majority(3)), (2, 7, parity(2)), (3, 5, parity(3))])
def test_first_moment(K, n, accepted):
    """E Omega = 2^N P(accept)^P: every W accepts half of the patterns."""
    P, samples = 3, 1500
    draws = [simulation.draw_patterns(P, K * n, 9, sample) for sample in range(samples)]
    counts = np.array([simulation.count_solutions_by_load(drawn, accepted=accepted) for drawn in draws])
    expected = 2.0 ** (K * n - np.arange(P + 1))
    assert np.all(counts[:, 0] == expected[0])
    assert np.all(counts[:, 1] == expected[1])
    spread = counts.std(axis=0, ddof=1) / np.sqrt(samples)
    assert np.all(spread[2:] > 0)
    assert np.all(abs(counts.mean(axis=0) - expected)[2:] < 4 * spread[2:])


def test_first_moment_of_a_biased_machine():
    """Two of two positive: a quarter of the weights a pattern."""
    both = (False, False, True)
    counts = [simulation.count_solutions(simulation.draw_patterns(2, 14, 10, k), accepted=both) for k in range(1500)]
    assert abs(np.mean(counts) - 2**14 / 16) < 4 * np.std(counts) / np.sqrt(1500)


@pytest.mark.parametrize("accepted", [majority(3), parity(3)])
def test_votes_match_brute_force(accepted):
    N, P, F = 15, 6, 5
    problem = simulation.draw_problem(P + F, N, 11, 0, "teacher-student", accepted=accepted)
    seen, fresh, labels = problem.patterns[:P], problem.patterns[P:], problem.labels[:P]
    loads = [4, 0, 6, 4]
    votes = simulation.count_votes(seen, fresh, loads, labels, accepted)
    outputs = naive_outputs(problem.patterns, all_weights(N), accepted)
    for row, load in enumerate(loads):
        students = outputs[np.all(outputs[:, :load] == labels[:load], axis=1)]
        assert votes.solutions[row] == len(students)
        np.testing.assert_array_equal(votes.positive[row], np.sum(students[:, P:] > 0, axis=0))
        disagree = np.mean(students[:60, None, P:] != students[None, :, P:])
        p = np.mean(students[:, P:] > 0, axis=0)
        assert votes.bayes_error[row] == pytest.approx(np.mean(np.minimum(p, 1 - p)))
        if len(students) <= 60:
            assert votes.gibbs_error[row] == pytest.approx(disagree)
    assert simulation.encode_weights(problem.teacher[None])[0] in simulation.enumerate_solutions(
        seen, labels=labels, accepted=accepted
    )


def test_the_teacher_is_a_solution_like_any_other():
    """Errors averaged over solutions are those on the labels of the teacher, within the statistical error."""
    P, F, samples, accepted = 6, 6, 400, majority(3)
    differences = []
    for sample in range(samples):
        problem = simulation.draw_problem(P + F, 15, 12, sample, "teacher-student", accepted=accepted)
        votes = simulation.count_votes(problem.patterns[:P], problem.patterns[P:], [P], problem.labels[:P], accepted)
        p, truth = votes.probability[0], problem.labels[P:] > 0
        gibbs = np.mean(np.where(truth, 1 - p, p)) - votes.gibbs_error[0]
        wrong = np.where(p == 0.5, 0.5, (p > 0.5) != truth)
        differences.append((gibbs, np.mean(wrong) - votes.bayes_error[0]))
        assert votes.bayes_error[0] <= votes.gibbs_error[0]
    mean, spread = np.mean(differences, axis=0), np.std(differences, axis=0) / np.sqrt(samples)
    assert np.all(abs(mean) < 4 * spread)


def test_votes_are_counts_with_one_more_pattern():
    patterns, fresh = simulation.draw_patterns(5, 14, seed=13), simulation.draw_patterns(4, 14, seed=14)
    votes = simulation.count_votes(patterns, fresh, [5], accepted=parity(2))
    more = [simulation.count_solutions(np.vstack([patterns, one]), accepted=parity(2)) for one in fresh]
    assert votes.positive[0].tolist() == more


def test_samples_reproduce_in_threads():
    def count(sample):
        problem = simulation.draw_problem(8, 21, 15, sample, "teacher-student", accepted=majority(3))
        return simulation.count_solutions(problem.patterns, labels=problem.labels, accepted=majority(3))

    alone = [count(sample) for sample in range(12)]
    assert simulation.run_samples(count, 12, workers=3).values == tuple(alone)
    assert len(set(alone)) > 6 and min(alone) >= 1


@pytest.mark.slow
def test_largest_committee():
    """One pattern is satisfied by half of the 2^27 weights."""
    assert simulation.count_solutions(simulation.draw_patterns(1, 27, seed=16), accepted=majority(3)) == 2**26


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patterns": np.ones((2, 10)), "accepted": majority(3)}, "N: got 10, takes a multiple of K = 3"),
        ({"patterns": np.ones((2, 12)), "accepted": majority(3)}, "N: got 12, takes N/K odd .K = 3"),
        ({"patterns": np.ones((2, 34)), "accepted": parity(2)}, "N = 34 .* from 1 to 31"),
        ({"patterns": np.ones((2, 69)), "accepted": majority(3)}, "N = 69 .* from 1 to 63"),
        ({"patterns": np.ones((2, 9)), "accepted": majority(3), "kappa": 0.1}, "got 0.1 and 'threshold', takes 0 and"),
        (
            {"patterns": np.ones((2, 9)), "accepted": majority(3), "likelihood": "window"},
            "got 0.0 and 'window', takes 0 and 'threshold' with K = 3",
        ),
        ({"patterns": np.ones((2, 9)), "accepted": (True,)}, r"accepted: got \(True,\), takes K \+ 1 >= 2 booleans"),
        ({"patterns": np.ones((2, 9)), "accepted": (0, 1)}, r"accepted: got \(0, 1\), takes"),
        ({"patterns": np.ones((2, 9)), "accepted": "majority"}, "accepted: got 'majority', takes"),
        ({"patterns": np.ones((2, 9)), "accepted": 3}, "accepted: got 3, takes"),
        ({"patterns": np.ones((2, 9)), "accepted": majority(3), "labels": [1]}, r"labels: .* takes shape \(2\)"),
    ],
)
def test_bad_arguments(arguments, message):
    for function in (simulation.count_solutions, simulation.enumerate_solutions):
        with pytest.raises(ValueError, match=message) as caught:
            function(**arguments)
        assert "\n" not in str(caught.value)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="K: got 4, takes an odd integer"):
        majority(4)
    with pytest.raises(ValueError, match="K: got 0, takes an integer >= 1"):
        parity(0)
    with pytest.raises(ValueError, match="N: got 12, takes N/3 odd"):
        simulation.draw_problem(3, 12, 0, task="teacher-student", accepted=majority(3))
    with pytest.raises(ValueError, match="N: got 10, takes a multiple of K = 3"):
        simulation.draw_problem(3, 10, 0, task="teacher-student", accepted=majority(3))
    with pytest.raises(ValueError, match=r"weights: got an array of shape \(4,\), takes"):
        simulation.machine_outputs(np.ones((2, 9)), np.ones(4), majority(3))
    patterns = np.ones((2, 9), int)
    with pytest.raises(ValueError, match="loads: got 3, takes an integer from 0 to 2"):
        simulation.count_votes(patterns, patterns, [3])
    with pytest.raises(ValueError, match=r"fresh: got an array of shape \(2, 7\), takes shape \(any, 9\)"):
        simulation.count_votes(patterns, np.ones((2, 7)), [1])
    with pytest.raises(ValueError, match="number of fresh patterns: got 0"):
        simulation.count_votes(patterns, patterns[:0], [1])
    impossible = simulation.count_votes(np.array([[1] * 9] * 2), patterns, [2], [1, -1])
    with pytest.raises(ValueError, match=r"solutions: got \[0\], takes numbers > 0"):
        _ = impossible.bayes_error
