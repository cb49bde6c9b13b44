"""Enumeration of fully connected committees against brute force and the symmetry of their units; bad arguments."""

import itertools
import math

import numpy as np
import pytest

from replicas import simulation
from replicas.simulation import fully_connected

SIZES = [(1, 5), (1, 9), (2, 3), (2, 5), (2, 7), (3, 1), (3, 3), (3, 5), (4, 3)]


def all_weights(K, N):
    return (2 * (np.arange(2 ** (K * N))[:, None] >> np.arange(K * N) & 1) - 1).reshape(-1, K, N)


def naive_outputs(patterns, K):
    """sign(sum_j sign(h_j)) of all the weights, (2^(K N), P), straight from its definition."""
    fields = all_weights(K, patterns.shape[1]) @ patterns.T.astype(int)
    assert np.all(fields != 0)
    return np.sign(np.sign(fields).sum(axis=1))


def naive_solutions(outputs, labels):
    """Numbers of solutions by load, and the codes of those of all the patterns."""
    satisfied = np.logical_and.accumulate(outputs == labels, axis=1)
    codes = np.flatnonzero(satisfied[:, -1]) if labels.size else np.arange(len(outputs))
    return np.concatenate([[len(outputs)], satisfied.sum(axis=0)]), codes


def teacher_problem(P, N, K, seed=21, sample=0):
    return simulation.draw_problem(P, N, seed, sample, "teacher-student", accepted=fully_connected(K))


@pytest.mark.parametrize(("K", "N"), SIZES)
def test_counts_and_codes_match_brute_force(K, N):
    for P in (0, 1, 3, 8):
        patterns = simulation.draw_patterns(P, N, seed=1, sample=K)
        outputs = naive_outputs(patterns, K)
        random = simulation.draw_patterns(1, P, seed=2)[0] if P else np.ones(0, np.int8)
        for labels in (np.ones(P, np.int8), random, teacher_problem(P, N, K).labels):
            if K % 2 and np.any(labels == 0):
                continue
            counts, codes = naive_solutions(outputs, labels)
            arguments = {"labels": labels, "accepted": fully_connected(K)}
            np.testing.assert_array_equal(simulation.count_solutions_by_load(patterns, **arguments), counts)
            np.testing.assert_array_equal(simulation.enumerate_solutions(patterns, **arguments), codes)
        np.testing.assert_array_equal(
            simulation.machine_outputs(patterns, all_weights(K, N).reshape(-1, K * N), fully_connected(K)), outputs
        )


def test_units_longer_than_a_word_of_lanes():
    problem = teacher_problem(6, 9, 2)
    assert set(problem.labels) == {-1, 0, 1}
    counts, codes = naive_solutions(naive_outputs(problem.patterns, 2), problem.labels)
    arguments = {"labels": problem.labels, "accepted": fully_connected(2)}
    np.testing.assert_array_equal(simulation.count_solutions_by_load(problem.patterns, **arguments), counts)
    np.testing.assert_array_equal(simulation.enumerate_solutions(problem.patterns, **arguments), codes)


@pytest.mark.parametrize("N", [5, 6, 9, 14])
def test_one_unit_is_the_perceptron(N):
    patterns = simulation.draw_patterns(6, N, seed=4)
    labels = simulation.draw_patterns(1, 6, seed=5)[0]
    for kappa, likelihood in ((0.0, "threshold"), (-0.4, "threshold"), (1.0, "window")):
        plain = simulation.count_solutions_by_load(patterns, kappa, likelihood, labels)
        committee = simulation.count_solutions_by_load(patterns, kappa, likelihood, labels, fully_connected(1))
        np.testing.assert_array_equal(committee, plain)


@pytest.mark.parametrize(("K", "N"), [(2, 7), (3, 5), (4, 3)])
def test_relabelling_of_the_units(K, N):
    """Solutions with all units different come in groups of K!; every relabelling of a solution is one."""
    problem = teacher_problem(5, N, K)
    for labels in (np.ones(5, np.int8), problem.labels):
        codes = simulation.enumerate_solutions(problem.patterns, labels=labels, accepted=fully_connected(K))
        units = codes[:, None] >> np.arange(K, dtype=np.uint32) * N & np.uint32((1 << N) - 1)
        place = np.uint32(1) << np.arange(K, dtype=np.uint32) * np.uint32(N)
        for p in itertools.permutations(range(K)):
            np.testing.assert_array_equal(np.sort((units[:, p] * place).sum(axis=1)), codes)
        different = np.array([len(set(row)) == K for row in units])
        assert np.sum(different) % math.factorial(K) == 0


def test_coinciding_units_are_the_perceptron():
    """Two equal units cannot tie: those solutions are the perceptron's, and what is left of the count is even."""
    patterns = simulation.draw_patterns(6, 11, seed=22)
    codes = simulation.enumerate_solutions(patterns, accepted=fully_connected(2))
    same = np.sum(codes >> np.uint32(11) == (codes & np.uint32(2**11 - 1)))
    assert same == simulation.count_solutions(patterns) > 0
    assert (codes.size - same) % 2 == 0 and codes.size > same


def test_labellings_partition_the_weights():
    """Outputs -1, 0, +1 share out all the weights; a tie satisfies neither sign."""
    patterns = simulation.draw_patterns(3, 7, seed=7)
    total = sum(
        simulation.count_solutions(patterns, labels=labels, accepted=fully_connected(2))
        for labels in itertools.product((-1, 0, 1), repeat=3)
    )
    assert total == 2**14
    shares = [simulation.count_solutions(patterns[:1], labels=[y], accepted=fully_connected(2)) for y in (-1, 0, 1)]
    assert shares == [2**12, 2**13, 2**12]


@pytest.mark.parametrize("K", [2, 3])
def test_votes_match_brute_force(K):
    P, F, N = 6, 8, {2: 7, 3: 5}[K]
    problem = teacher_problem(P + F, N, K)
    fresh, loads = problem.patterns[P:], [4, 0, 6]
    votes = simulation.count_votes(problem.patterns[:P], fresh, loads, problem.labels[:P], fully_connected(K))
    outputs = naive_outputs(problem.patterns, K)
    for row, load in enumerate(loads):
        students = outputs[np.all(outputs[:, :load] == problem.labels[:load], axis=1)][:, P:]
        shares = np.stack([np.mean(students == y, axis=0) for y in (-1, 0, 1)], axis=-1)
        np.testing.assert_allclose(votes.probabilities[row], shares, rtol=1e-15, atol=1e-15)
        assert votes.bayes_error[row] == pytest.approx(np.mean(1 - shares.max(axis=-1)))
        assert votes.gibbs_error[row] == pytest.approx(np.mean(1 - (shares**2).sum(axis=-1)))
        agree = np.mean([np.mean(students == one) for one in students[:: max(1, len(students) // 200)]])
        assert votes.gibbs_error[row] == pytest.approx(1 - agree, abs=0.02)


def test_the_teacher_is_a_solution_like_any_other():
    P, F, samples, machine = 8, 6, 300, fully_connected(2)
    differences = []
    for sample in range(samples):
        problem = teacher_problem(P + F, 7, 2, 12, sample)
        votes = simulation.count_votes(problem.patterns[:P], problem.patterns[P:], [P], problem.labels[:P], machine)
        p = votes.probabilities[0][np.arange(F), problem.labels[P:] + 1]
        differences.append(np.mean(1 - p) - votes.gibbs_error[0])
    assert abs(np.mean(differences)) < 4 * np.std(differences) / np.sqrt(samples)


@pytest.mark.parametrize(("K", "N"), [(1, 9), (2, 7), (3, 5)])
def test_overlap_counts_match_brute_force(K, N):
    problem = teacher_problem(7, N, K)
    codes = simulation.enumerate_solutions(problem.patterns, labels=problem.labels, accepted=fully_connected(K))
    teacher = problem.teacher.reshape(K, N)
    overlaps = simulation.decode_weights(codes, K * N).reshape(-1, K, N).astype(int) @ teacher.T
    lattice, plain = simulation.overlap_counts(codes, problem.teacher, K, relabelled=False)
    _, counts = simulation.overlap_counts(codes, problem.teacher, K)
    labellings = [list(p) for p in itertools.permutations(range(K))]
    best = np.array([max((R[p] for p in labellings), key=np.trace) for R in overlaps])
    for m, value in enumerate(np.rint(lattice * N)):
        np.testing.assert_array_equal(counts[:, :, m], np.sum(best == value, axis=0))
        np.testing.assert_array_equal(plain[:, :, m], np.sum(overlaps == value, axis=0))
    np.testing.assert_array_equal(plain, np.broadcast_to(plain[:1], plain.shape))
    assert np.all(counts.sum(axis=-1) == codes.size)
    assert counts[range(K), range(K), -1].min() >= 1  # the teacher itself
    assert all(np.trace(R[list(simulation.best_relabelling(R))]) == np.trace(b) for R, b in zip(overlaps, best))


def test_best_relabelling():
    assert simulation.best_relabelling([[0.7]]) == (0,)
    assert simulation.best_relabelling([[0.1, 0.9], [0.8, 0.2]]) == (1, 0)
    R = np.array([[0.1, 0.2, 0.9], [0.8, 0.3, 0.1], [0.0, 0.7, 0.2]])
    np.testing.assert_array_equal(np.diag(R[list(simulation.best_relabelling(R))]), [0.8, 0.7, 0.9])
    for wrong in (np.ones((2, 3)), np.ones(3), [[np.nan]], np.ones((0, 0))):
        with pytest.raises(ValueError, match=r"overlap: got an array of shape .* takes shape \(K, K\)"):
            simulation.best_relabelling(wrong)


def test_quenched_entropy_tells_of_samples_without_solutions():
    counts = np.array([[8, 4, 0, 0], [8, 1, 2, 0], [8, 0, 0, 0]])
    found = simulation.quenched_entropy(counts, 3)
    assert found.samples == 3
    np.testing.assert_array_equal(found.without_solutions, [0, 1, 2, 3])
    np.testing.assert_allclose(found.mean, np.array([np.log(8), np.log(2), np.log(2), np.nan]) / 3)
    np.testing.assert_allclose(found.stderr, [0, np.log(2) / 3, np.nan, np.nan], atol=1e-16)
    for wrong, weights in ((counts[0], 3), (counts[:0], 3), (-counts, 3), (counts, 0)):
        with pytest.raises(ValueError, match="takes"):
            simulation.quenched_entropy(wrong, weights)


def both_positive(N, d):
    """Probability over patterns that two units with d different weights are positive: h = A + B and A - B, A > |B|."""
    terms = [
        (N - d - 2 * a, d - 2 * b, math.comb(N - d, a) * math.comb(d, b))
        for a in range(N - d + 1)
        for b in range(d + 1)
    ]
    return sum(ways for A, B, ways in terms if A > abs(B)) / 2**N


@pytest.mark.parametrize(("K", "N"), [(2, 9), (3, 5)])
def test_first_moment(K, N):
    """E Omega = sum over W of P(accept | W)^P: 1/2 for all W at K = 3, a function of W_1 . W_2 at K = 2."""
    P, samples = 3, 1500
    draws = (simulation.draw_patterns(P, N, 9, sample) for sample in range(samples))
    counts = np.array([simulation.count_solutions_by_load(drawn, accepted=fully_connected(K)) for drawn in draws])
    if K == 3:
        expected = 2.0 ** (K * N - np.arange(P + 1))
    else:
        pairs, accept = zip(*((2**N * math.comb(N, d), both_positive(N, d)) for d in range(N + 1)))
        expected = np.array([np.dot(pairs, np.array(accept) ** p) for p in range(P + 1)])
        assert expected[2] > 1.05 * 2 ** (K * N) / 16
    np.testing.assert_allclose(counts[:, :2], np.broadcast_to(expected[:2], (samples, 2)))
    spread = counts.std(axis=0, ddof=1) / np.sqrt(samples)
    assert np.all(abs(counts.mean(axis=0) - expected)[2:] < 4 * spread[2:])


def test_spherical_teachers_and_their_outputs():
    problem = simulation.draw_problem(300, 40, 3, 0, "teacher-student", "gaussian", "spherical", fully_connected(2))
    teacher = problem.teacher.reshape(2, 40)
    np.testing.assert_allclose(np.sum(teacher**2, axis=1), 40)
    np.testing.assert_array_equal(problem.labels, np.sign(np.sign(problem.patterns @ teacher.T).sum(axis=1)))
    one = simulation.draw_problem(30, 41, 3, 0, "teacher-student", accepted=fully_connected(1))
    plain = simulation.draw_problem(30, 41, 3, 0, "teacher-student")
    np.testing.assert_array_equal(one.labels, plain.labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patterns": np.ones((2, 8)), "accepted": fully_connected(2)}, "N: got 8, takes N odd .2 units; at even N a"),
        ({"patterns": np.ones((2, 33)), "accepted": fully_connected(2)}, "N = 33 sites for K = 2 .* from 1 to 63"),
        (
            {"patterns": np.ones((2, 17)), "accepted": fully_connected(2), "engine": "bit-sliced"},
            "N = 17 sites for K = 2 .* from 1 to 31",
        ),
        ({"patterns": np.ones((2, 9)), "accepted": fully_connected(3), "kappa": 0.1}, "got 0.1 .* K = 3 units"),
        ({"patterns": np.ones((2, 9)), "accepted": fully_connected(3), "labels": [0, 1]}, "labels: got the value 0"),
        ({"patterns": np.ones((2, 9)), "accepted": fully_connected(2), "labels": [0, 2]}, "labels: .* of -1, 0 and"),
        (
            {"patterns": np.ones((2, 9)), "accepted": fully_connected(2), "labels": [0]},
            r"labels: .*shape \(1,\), takes",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    for function in (simulation.count_solutions, simulation.enumerate_solutions):
        with pytest.raises(ValueError, match=message) as caught:
            function(**arguments)
        assert "\n" not in str(caught.value)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="K: got 0, takes an integer >= 1"):
        fully_connected(0)
    with pytest.raises(ValueError, match="N: got 12, takes odd N"):
        teacher_problem(3, 12, 2)
    with pytest.raises(ValueError, match=r"weights: got an array of shape \(9,\), takes shape \(n, 18\)"):
        simulation.machine_outputs(np.ones((2, 9)), np.ones(9), fully_connected(2))
    with pytest.raises(ValueError, match="teacher: got 9 weights, takes a multiple of K = 2"):
        simulation.overlap_counts([0], np.ones(9), 2)
    with pytest.raises(ValueError, match=r"codes: .* codes below 2\^10"):
        simulation.overlap_counts([1 << 10], np.ones(10), 2)


@pytest.mark.slow
def test_largest_committees():
    """One pattern: a quarter of the weights of two units, half of those of three."""
    assert simulation.count_solutions(simulation.draw_patterns(1, 13, seed=16), accepted=fully_connected(2)) == 2**24
    assert simulation.count_solutions(simulation.draw_patterns(1, 9, seed=16), accepted=fully_connected(3)) == 2**26
