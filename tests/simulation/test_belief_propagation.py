"""Belief propagation for the binary perceptron: enumeration of a node, of an instance and of shells; replica symmetry at large N; bad input."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.special import comb, log_ndtr

import replicas as rp
from replicas.simulation import Problem, count_shells, decode_weights, draw_problem, enumerate_solutions, run
from replicas.simulation.inference import _memory, belief_propagation, entropy_around
from replicas.simulation.inference.nodes import ExactNodes, RelaxedNodes

EXACT = 1e-9  # of exact messages on an instance without loops, at a residual of 1e-12
SINGLE = 2e-5  # of relaxed messages, single precision
BETHE = {0.3: 0.01, 0.5: 0.03}  # root mean square error of the entropy per weight at N = 21, by load: 0.006 and 0.016 measured
MARGINALS = {0.3: 0.06, 0.5: 0.15}  # of the marginals, likewise: 0.04 and 0.1
PULL = 4.5  # standard errors allowed to the mean over instances
FINITE_SIZE = 3.0  # of an entropy per weight, in 1/N


def all_weights(N):
    return np.array(list(itertools.product((-1, 1), repeat=N)))


def enumerated(problem, field=None):
    """log Z and marginals of the solutions under a field, by brute force."""
    W = all_weights(problem.N)
    good = np.all((problem.gauged().astype(int) @ W.T) / np.sqrt(problem.N) >= problem.kappa - 1e-12, axis=0)
    weight = good * np.exp(W @ (np.zeros(problem.N) if field is None else field))
    return np.log(weight.sum()), weight @ W / weight.sum()


@pytest.mark.parametrize(("N", "kappa"), [(9, 0.0), (9, 0.7), (8, 0.0), (8, -0.5)])
def test_exact_messages_of_a_node(N, kappa):
    """v_{mu->i} and log Z_mu from all states of the other sites, independent with the means of the messages."""
    problem = draw_problem(3, N, 1, kappa=kappa)
    nodes, rng = ExactNodes(problem), np.random.default_rng(0)
    h = rng.normal(size=N)
    nodes.kept[:] = rng.normal(size=nodes.kept.shape) / 3
    before = nodes.kept.copy()
    sums = nodes.update(h)
    W = all_weights(N)
    for mu, x in enumerate(problem.gauged().astype(int)):
        good = x @ W.T >= kappa * np.sqrt(N) - 1e-12
        m = np.tanh(h - before[mu])
        single = np.where(W > 0, (1 + m) / 2, (1 - m) / 2)
        assert nodes.log_Z[mu] == pytest.approx(np.log(single.prod(axis=1)[good].sum()), abs=EXACT)
        for i in range(N):
            rest = np.delete(single, i, axis=1).prod(axis=1)
            v = np.log(rest[good & (W[:, i] > 0)].sum() / rest[good & (W[:, i] < 0)].sum()) / 2
            assert nodes.kept[mu, i] == pytest.approx(v, abs=EXACT)
    np.testing.assert_allclose(sums, nodes.kept.sum(axis=0), atol=EXACT)
    assert not nodes.contradiction


@pytest.mark.parametrize("kappa", [0.0, 0.4])
def test_relaxed_messages_are_those_of_the_equations(kappa):
    problem = draw_problem(60, 101, 2, kappa=kappa)
    nodes, rng = RelaxedNodes(problem), np.random.default_rng(0)
    x, h = problem.gauged().astype(float), rng.normal(size=101)
    nodes.kept[:] = g = rng.uniform(0, 0.1, 60)
    sums = nodes.update(h)
    m = np.tanh(h)
    V = np.sum(1 - m**2)
    # sums of 101 signs are odd: the boundary is the even number below the least one that satisfies
    boundary = {0.0: 0, 0.4: 4}[kappa]
    S = V + 1 / 3
    omega = x @ m - boundary - g * V
    g = np.exp(-(omega**2) / (2 * S) - log_ndtr(omega / np.sqrt(S))) / np.sqrt(2 * np.pi * S)
    np.testing.assert_allclose(nodes.kept, g, rtol=1e-4)
    np.testing.assert_allclose(sums, x.T @ g + m * np.sum(g * (g + omega / S)), atol=1e-4)


@pytest.mark.parametrize(("P", "kappa"), [(1, 0.0), (1, 0.9), (1, -0.6)])
def test_exact_messages_on_a_tree_are_enumeration(P, kappa):
    """One pattern has no loops: entropy, marginals and free entropy under a field are those of enumeration."""
    problem = draw_problem(P, 9, 3, kappa=kappa)
    field = np.random.default_rng(1).normal(size=9) / 2
    for pull in (None, field):
        found = belief_propagation(problem, "exact", pull, tolerance=1e-12)
        F, m = enumerated(problem, pull)
        assert found.status == "converged" and found.free_entropy == pytest.approx(F / 9, abs=EXACT)
        np.testing.assert_allclose(found.marginals, m, atol=EXACT)
        assert found.entropy == pytest.approx((F - (0 if pull is None else pull @ m)) / 9, abs=EXACT)


@pytest.mark.parametrize("alpha", [0.3, 0.5])
@pytest.mark.parametrize("task", ["storage", "teacher-student"])
@pytest.mark.parametrize("messages", ["relaxed", "exact"])
def test_small_instances_against_enumeration(messages, task, alpha):
    errors, distances, spread = [], [], []
    for sample in range(16):
        problem = draw_problem(round(alpha * 21), 21, 4, sample, task)
        codes = enumerate_solutions(problem.gauged())
        if not len(codes):
            continue
        found = belief_propagation(problem, messages, damping=0.3)
        assert found.status in ("converged", "unphysical")
        W = decode_weights(codes, 21)
        errors.append(found.entropy - np.log(len(codes)) / 21)
        distances.append(np.sqrt(np.mean((found.marginals - W.mean(axis=0)) ** 2)))
        spread.append(np.log(len(codes)) / 21)
    rms = np.sqrt(np.mean(np.square(errors)))
    assert rms < BETHE[alpha] and np.mean(distances) < MARGINALS[alpha]
    # and better than the mean over instances, which belief propagation does not know either
    assert rms < np.std(spread) and np.corrcoef(np.array(errors) + spread, spread)[0, 1] > 0.9


@pytest.mark.parametrize(("N", "alpha"), [(1001, 0.3), (2001, 0.6), pytest.param(4001, 0.7, marks=pytest.mark.slow)])
def test_large_instances_against_replica_symmetry(N, alpha):
    P, samples = round(alpha * N), 12
    theory = rp.solve(rp.Perceptron(), alpha=P / N)
    runs = [belief_propagation(draw_problem(P, N, 5, k)) for k in range(samples)]
    assert all(r.status == "converged" and r.residual[-1] <= 1e-5 for r in runs)
    for name, predicted in (("entropy", theory.entropy), ("overlap", theory.q)):
        found = np.array([getattr(r, name) for r in runs])
        assert abs(found.mean() - predicted) < PULL * found.std(ddof=1) / np.sqrt(samples) + FINITE_SIZE / N
    # between the loads at which the entropy would be off by 0.01
    slope = (rp.solve(rp.Perceptron(), alpha=alpha + 0.02).entropy - theory.entropy) / 0.02
    assert np.mean([r.entropy for r in runs]) == pytest.approx(theory.entropy, abs=0.03 * abs(slope))


def test_teacher_student_and_margin_against_replica_symmetry():
    found = [belief_propagation(draw_problem(1001, 1001, 6, k, "teacher-student")) for k in range(8)]
    theory = rp.solve(rp.Perceptron(task="teacher-student"), alpha=1.0)
    S = np.array([r.entropy for r in found])
    assert abs(S.mean() - theory.entropy) < PULL * S.std(ddof=1) / np.sqrt(8) + FINITE_SIZE / 1001
    # Gaussian patterns have no lattice: the margin is kappa itself
    found = [belief_propagation(draw_problem(300, 1001, 6, k, patterns="gaussian", kappa=0.5)) for k in range(8)]
    theory = rp.solve(rp.Perceptron(kappa=0.5), alpha=300 / 1001)
    S = np.array([r.entropy for r in found])
    assert abs(S.mean() - theory.entropy) < PULL * S.std(ddof=1) / np.sqrt(8) + FINITE_SIZE / 1001


def test_above_the_spinodal_the_teacher_is_found():
    problem = draw_problem(1002, 501, 7, 1, "teacher-student")
    found = belief_propagation(problem)
    assert found.converged and abs(found.entropy) < 0.01
    np.testing.assert_allclose(found.marginals, problem.teacher, atol=1e-3)


@pytest.mark.parametrize(("messages", "tolerance"), [("exact", 1e-6), ("relaxed", 2e-4)])
def test_free_entropy_is_stationary(messages, tolerance):
    """dF/dfield_i = m_i: F depends on the messages to second order only."""
    problem = draw_problem(20, 41, 8)
    direction = np.random.default_rng(2).choice([-1.0, 1.0], 41)
    step = 1e-2 if messages == "relaxed" else 1e-3

    def at(size):
        return belief_propagation(problem, messages, size * direction, tolerance=2e-6 if messages == "relaxed" else 1e-12)

    slope = (at(0.2 + step).free_entropy - at(0.2 - step).free_entropy) / (2 * step)
    assert slope == pytest.approx(direction @ at(0.2).marginals / 41, abs=tolerance)


def test_damping_start_and_gauge_leave_the_fixed_point():
    problem = draw_problem(200, 401, 9)
    signs = np.random.default_rng(3).choice(np.array([-1, 1], np.int8), 401)
    plain = belief_propagation(problem)
    for other in (belief_propagation(problem, damping=0.5), belief_propagation(problem, start=signs / 2)):
        np.testing.assert_allclose(other.marginals, plain.marginals, atol=1e-4)
        assert other.entropy == pytest.approx(plain.entropy, abs=SINGLE)
    turned = belief_propagation(dataclasses.replace(problem, patterns=problem.patterns * signs))
    np.testing.assert_allclose(turned.marginals * signs, plain.marginals, atol=1e-4)
    np.testing.assert_array_equal(belief_propagation(problem).marginals, plain.marginals)


def test_no_solutions_are_not_an_entropy():
    """Twice the capacity: negative Bethe entropy or none, and the table says so."""
    found = [belief_propagation(draw_problem(833, 501, 10, k), iterations=200) for k in range(4)]
    assert all(r.status in ("unphysical", "not-converged") and not r.converged for r in found)
    for r in found:
        assert np.isnan(r.entropy) if r.status == "not-converged" else r.entropy < 0
        assert r.status in str(r) and "<table>" in r._repr_html_()
    short = belief_propagation(draw_problem(300, 501, 10), iterations=2)
    assert short.status == "not-converged" and np.isnan(short.entropy) and short.iterations == 2


def test_exact_messages_meet_a_contradiction():
    """Two patterns that all sites together have to satisfy, and that disagree on the last one."""
    problem = Problem(np.array([[1, 1, 1], [1, 1, -1]], np.int8), np.ones(2, np.int8), kappa=1.5)
    found = belief_propagation(problem, "exact", iterations=50)
    assert found.status == "contradiction" and np.isnan(found.entropy)
    alone = belief_propagation(Problem(problem.patterns[:1], np.ones(1, np.int8), kappa=1.5), "exact")
    assert alone.status == "converged" and alone.entropy == pytest.approx(0, abs=EXACT)


@pytest.mark.parametrize("messages", ["relaxed", "exact"])
def test_runs_can_be_stopped(messages):
    problem, seen = draw_problem(60, 101, 11), []
    found = belief_propagation(problem, messages, stop=lambda: len(seen) >= 2, progress=lambda done, total: seen.append((done, total)))
    assert found.status == "interrupted" and np.isnan(found.entropy) and seen == [(1, 1000), (2, 1000), (3, 1000)][: len(seen)]

    def ctrl_c(done, total):
        raise KeyboardInterrupt

    assert belief_propagation(problem, messages, progress=ctrl_c).status == "interrupted"
    around = entropy_around(problem, np.ones(101, int), [0.1, 0.3], messages, progress=ctrl_c)
    assert around.interrupted and around.status[0] == "interrupted" and np.isnan(around.entropy[0]) and np.isfinite(around.entropy[1])


def test_ctrl_c_within_a_fixed_point_ends_all(monkeypatch):
    calls = []

    def update(self, h):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return np.zeros(h.size)

    monkeypatch.setattr(RelaxedNodes, "update", update)
    around = entropy_around(draw_problem(10, 21, 1), np.ones(21, int), [0.4, 0.3, 0.2])
    assert around.interrupted and len(calls) == 4 and "interrupted" in around.status


def test_no_patterns():
    empty = Problem(np.zeros((0, 7), np.int8), np.zeros(0, np.int8))
    for messages in ("relaxed", "exact"):
        assert belief_propagation(empty, messages).entropy == pytest.approx(np.log(2))


def test_without_patterns_that_matter_shells_are_binomial():
    """A pattern that all satisfy: s(d) = H2(d), gamma = atanh(1 - 2 d), q = (1 - 2 d)^2."""
    problem = draw_problem(1, 301, 12, kappa=-17.0)
    d = np.array([0.05, 0.7, 0.3])
    around = entropy_around(problem, np.ones(301, int), d)
    np.testing.assert_allclose(around.entropy, -d * np.log(d) - (1 - d) * np.log(1 - d), atol=1e-6)
    np.testing.assert_allclose(around.coupling, np.arctanh(1 - 2 * d), atol=2e-3)
    np.testing.assert_allclose(around.overlap, (1 - 2 * d) ** 2, atol=2e-3)
    assert around.status == ("converged",) * 3 and not around.interrupted


def canonical(numbers, N, d):
    """s(d) of exact shells N_D: the Legendre transform of log sum_D N_D exp(gamma (N - 2 D)) at a mean distance d N."""
    D, log_numbers = np.arange(N + 1), np.where(numbers > 0, np.log(np.maximum(numbers, 1)), -np.inf)
    low, high = -20.0, 20.0
    for _ in range(200):
        gamma = (low + high) / 2
        exponent = log_numbers + gamma * (N - 2 * D)
        weight = np.exp(exponent - exponent.max())
        if weight @ D / weight.sum() > d * N:
            low = gamma
        else:
            high = gamma
    return (exponent.max() + np.log(weight.sum()) - gamma * N * (1 - 2 * d)) / N


def shells_around(problem, reference):
    """Number of solutions at each distance from the reference."""
    W = decode_weights(enumerate_solutions(problem.gauged(), problem.kappa), problem.N)
    return np.bincount(np.sum(W != reference, axis=1), minlength=problem.N + 1)


def test_exact_messages_around_a_reference_on_a_tree():
    problem = draw_problem(1, 15, 13, kappa=0.5)
    reference = np.random.default_rng(4).choice([-1, 1], 15)
    numbers = shells_around(problem, reference)
    for d in (0.2, 0.45):
        around = entropy_around(problem, reference, d, "exact", tolerance=1e-10)
        assert around.entropy[0] == pytest.approx(canonical(numbers, 15, d), abs=1e-6)


@pytest.mark.parametrize("messages", ["relaxed", "exact"])
def test_shells_of_small_instances(messages):
    """N = 21 around solutions that SBPI found, against exact shells: as close as the entropy itself."""
    d, errors = np.array([0.1, 0.2, 0.3]), []
    for sample in range(10):
        problem = draw_problem(8, 21, 14, sample)
        learned = run(problem, "sbpi", sample)
        assert learned.solved
        numbers = shells_around(problem, learned.weights)
        around = entropy_around(problem, learned.weights, d, messages)
        assert set(around.status) <= {"converged", "unphysical"}
        errors.append(around.entropy - [canonical(numbers, 21, x) for x in d])
    assert np.all(np.sqrt(np.mean(np.square(errors), axis=0)) < [0.02, 0.025, 0.03])
    # the shells are those that are counted around every configuration
    counted = count_shells(problem.patterns, distances=[4]).shells[0]
    assert numbers[4] in counted.numbers


def test_shells_between_binomials_and_the_whole():
    """s(d) <= H2(d), the largest s(d) is the entropy of all solutions, and ds/dp = -gamma."""
    problem = draw_problem(200, 501, 15)
    learned = run(problem, "reinforced-tap", 0)
    d = np.array([0.02, 0.1, 0.199, 0.2, 0.201, 0.28])
    around = entropy_around(problem, learned.weights, d)
    assert around.status == ("converged",) * 6
    assert np.all(around.entropy < -d * np.log(d) - (1 - d) * np.log(1 - d)) and np.all(np.diff(around.entropy) > 0)
    slope = (around.entropy[4] - around.entropy[2]) / 0.002
    assert slope == pytest.approx(2 * around.coupling[3], rel=0.02)
    whole = belief_propagation(problem)
    mean = (1 - learned.weights @ whole.marginals / 501) / 2
    top = entropy_around(problem, learned.weights, mean)
    assert top.entropy[0] == pytest.approx(whole.entropy, abs=1e-5) and abs(top.coupling[0]) < 2e-3
    mirrored = entropy_around(problem, -learned.weights, 1 - d)
    np.testing.assert_allclose(mirrored.entropy, around.entropy, atol=5e-5)
    assert "distance" in str(around) and "<table>" in around._repr_html_()
    np.testing.assert_allclose(abs(around.found - d), 0, atol=1.1e-4)


def test_distances_that_are_jumped_over():
    """The teacher is isolated from the students of q < 1: between them p(gamma) jumps, and there is no fixed point."""
    problem = draw_problem(601, 501, 3, 0, "teacher-student")
    around = entropy_around(problem, problem.teacher, [0.06, 0.15])
    # beside the jump message passing is slow, and may be said not to have converged
    assert around.status[0] in ("branch-ended", "not-converged") and around.status[1] == "converged"
    assert np.isnan(around.entropy[0]) and around.entropy[1] > 0


def test_a_collapse_is_not_taken_for_a_jump():
    """A gamma too large collapses the messages onto the reference, and smaller ones do not undo that: the search starts again before it."""
    problem = draw_problem(1441, 2001, 3, 0)
    learned = run(problem, "reinforced-tap", 1)
    around = entropy_around(problem, learned.weights, [0.005, 0.02, 0.1])
    assert learned.solved and around.status == ("converged",) * 3
    assert np.all(np.diff(around.entropy) > 0) and np.all(np.diff(around.coupling) < 0)
    alone = entropy_around(problem, learned.weights, [0.1])
    assert alone.entropy[0] == pytest.approx(around.entropy[2], abs=1e-5)


@pytest.mark.slow
def test_solutions_of_algorithms_are_in_dense_regions():
    """alpha = 0.4, d = 0.05: above typical solutions, and not above the densest there are."""
    model, d = rp.Perceptron(), 0.05
    dense, typical = rp.local_entropy(model, 0.4, d).local_entropy, rp.franz_parisi(model, 0.4, d).entropy
    S = []
    for sample in range(8):
        problem = draw_problem(800, 2001, 16, sample)
        S.append(entropy_around(problem, run(problem, "sbpi", sample).weights, d).entropy[0])
    error = np.std(S, ddof=1) / np.sqrt(8)
    assert np.mean(S) - typical > 10 * error and np.mean(S) < dense + PULL * error
    binomial = np.log(comb(2001, 100)) / 2001
    assert np.mean(S) < binomial


def test_empty_shells_are_said():
    """Around a configuration that violates all there is nothing near."""
    problem = draw_problem(200, 401, 17, 0, "teacher-student")
    around = entropy_around(problem, -problem.teacher, [0.02, 0.6], iterations=300)
    assert around.status[0] != "converged" and around.status[1] == "converged"
    assert np.isnan(around.entropy[0]) or around.entropy[0] < 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"messages": "loopy"}, "messages: got 'loopy', takes one of relaxed, exact"),
        ({"problem": 1}, "problem: got int, takes a Problem"),
        ({"damping": 1.0}, "damping: got 1.0"),
        ({"iterations": 0}, "iterations: got 0"),
        ({"tolerance": -1.0}, "tolerance: got -1.0, takes a number > 0"),
        ({"field": np.ones(3)}, r"field: got an array of shape \(3,\)"),
        ({"start": np.full(21, np.nan)}, "start: got"),
        ({"field": "x"}, "field: got 'x', takes 21 finite numbers"),
        ({"problem": draw_problem(4, 21, 1, patterns="gaussian"), "messages": "exact"}, "exact messages take binary ones"),
        ({"problem": draw_problem(2, 503, 1), "messages": "exact"}, "N: got 503, exact messages take at most 501"),
        ({"problem": draw_problem(4, 21, 1, kappa=5.0)}, "without solutions .pattern 0 has sum"),
        ({"problem": draw_problem(4, 21, 1, patterns="gaussian", kappa=4.9)}, "without solutions .pattern"),
        ({"problem": Problem(np.array([[1, 1, -1], [1, 1, 1], [-1, -1, 1]]), np.ones(3))}, "without solutions .patterns 0 and 2 ask for"),
        ({"problem": Problem(np.array([[1, 1, -1], [1, 1, 1], [1, 1, -1]]), np.array([1, 1, -1]))}, "patterns 0 and 2 ask for opposite"),
        ({"problem": draw_problem(4, 21, 1, accepted=(False, False, True, True))}, "got a machine of 3 units"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        belief_propagation(**({"problem": draw_problem(5, 21, 1)} | arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "distances", "message"),
    [
        (np.ones(20), 0.1, r"reference: got an array of shape \(20,\)"),
        (np.zeros(21), 0.1, "reference: got the value 0.0, takes only"),
        (np.ones(21), 0.0, "distances: got 0.0, takes"),
        (np.ones(21), [], "distances: got"),
        (np.ones(21), ["a"], "distances: got .'a'., takes Hamming distances"),
        (np.ones(21), 1e-300, "distances: got 1e-300, takes Hamming distances"),
    ],
)
def test_bad_references(reference, distances, message):
    with pytest.raises(ValueError, match=message):
        entropy_around(draw_problem(5, 21, 1), reference, distances)


def test_memory_is_asked_for_before_work(monkeypatch):
    monkeypatch.setattr(_memory, "available_bytes", lambda: 10.0)
    for messages in ("relaxed", "exact"):
        with pytest.raises(ValueError, match=r"N: got 21, which needs .* takes what fits"):
            belief_propagation(draw_problem(5, 21, 1), messages)
