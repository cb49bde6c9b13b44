"""SBPI and message passing for binary weights: one sweep against plain NumPy, marginals and maxima against enumeration, success."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr, logsumexp

from replicas.simulation.algorithms import ALGORITHMS
from replicas.simulation.algorithms.belief import Edges, ReinforcedBP, ReinforcedTAP, Relaxed, messages_of_pattern
from replicas.simulation.algorithms.focusing import FocusingBP, centre, schedule
from replicas.simulation.algorithms.max_sum import MaxSum, ReinforcedMaxSum, around, two_largest
from replicas.simulation.algorithms.reinforcement import ReinforcedRun
from replicas.simulation.algorithms.sbpi import SBPI
from replicas.simulation.enumeration import decode_weights, enumerate_solutions
from replicas.simulation.learning import run
from replicas.simulation.problems import draw_problem

NAMES = ("sbpi", "reinforced-bp", "reinforced-tap", "reinforced-max-sum", "focusing-bp")
SINGLE = 2e-5
"""Sums of some hundred terms of order 1 in single precision."""
INTERPOLATED = 1e-4
"""Sums of interpolated messages, a floor N < 1 included."""
SMALL = 1e-6
"""A floor without influence on marginals."""
GAUSSIAN = 0.06
"""Marginals at N = 21: the sum over 20 sites as a Gaussian, loops, O(1/N)."""
BETHE = 0.012
"""Entropy per weight at N = 21, the same."""
RELAXED = 0.03
"""Root mean square of the difference of marginals at N = 2001: Onsager's term leaves O(1/sqrt(N)) at a site."""


def settled(messages, N, steps=300, damping=0.5):
    """Total fields at the fixed point without reinforcement."""
    h = np.zeros(N, np.float32)
    for _ in range(steps):
        h = (damping * h + (1 - damping) * messages.update(h)).astype(np.float32)
    return messages.update(h).astype(float)


def plain_messages(x, h, v, kappa, floor):
    """The equations of the module `belief`, edge by edge: v_{mu->i} (P, N)."""
    P, N = x.shape
    out = np.empty((P, N))
    for mu in range(P):
        m = np.tanh(h - v[mu])
        for i in range(N):
            others = np.arange(N) != i
            omega = x[mu, others] @ m[others] - kappa * np.sqrt(N)
            S = np.sum(1 - m[others] ** 2) + floor * N
            out[mu, i] = (log_ndtr((omega + x[mu, i]) / np.sqrt(S)) - log_ndtr((omega - x[mu, i]) / np.sqrt(S))) / 2
    return out


@pytest.mark.parametrize("name", NAMES)
def test_solutions_are_solutions_and_runs_are_reproducible(name):
    for task, kappa, alpha in (("storage", 0.0, 0.5), ("storage", 0.3, 0.25), ("storage", -0.5, 0.8), ("teacher-student", 0.0, 0.4)):
        problem = draw_problem(round(alpha * 401), 401, 1, task=task, kappa=kappa)
        result = run(problem, name, 3)
        assert result.solved, (task, kappa)
        assert set(np.unique(result.weights)) <= {-1, 1}
        assert np.min(problem.labels * (problem.patterns @ result.weights.astype(int))) >= kappa * np.sqrt(401)
        again = run(problem, name, 3)
        assert np.array_equal(again.weights, result.weights) and again.steps == result.steps
        for column in result.history:
            assert np.array_equal(again.history[column], result.history[column])


@pytest.mark.parametrize("name", NAMES)
def test_beyond_capacity_nothing_is_claimed_and_all_stays_finite(name):
    problem = draw_problem(300, 201, 1)
    result = run(problem, name, 1, 300)
    assert not result.solved and result.errors == problem.unsatisfied(result.weights) > 0
    assert all(np.all(np.isfinite(column)) for column in result.history.values())


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_gauged_into_the_patterns(name):
    problem = draw_problem(60, 201, 5)
    flipped = type(problem)(-problem.patterns, -problem.labels)
    assert np.array_equal(run(problem, name, 2).weights, run(flipped, name, 2).weights)


@pytest.mark.parametrize("name", NAMES)
def test_single_sites_and_ties(name):
    for task in range(4):
        assert run(draw_problem(1, 1, 1, task), name, 1, 50).solved
    assert run(draw_problem(3, 10, 1), name, 1, 500).solved  # ties satisfy


# --- SBPI


def plain_pass(points, least, enough, p, bound, h, rng):
    for mu in rng.permutation(len(points)):
        x = points[mu].astype(int)
        field = x @ np.sign(h)
        if field < least:
            h = np.clip(h + 2 * x, -bound, bound)
        elif field < enough and rng.random() < p:
            h = np.clip(np.where(h * x > 0, h + 2 * x, h), -bound, bound)
    return h


@pytest.mark.parametrize("kappa, theta, states", [(0.0, 2.0, 100), (0.2, 6.0, 3), (0.0, 0.0, 1)])
def test_a_pass_of_sbpi_is_the_rule(kappa, theta, states):
    problem = draw_problem(60, 101, 2, kappa=kappa)
    at = SBPI(theta=theta, probability=0.4, states=states).begin(problem, np.random.default_rng(7), 1)
    h, rng = at.hidden.astype(int), np.random.default_rng(7)
    assert np.array_equal(h, 2 * rng.integers(0, 2, 101) - 1)
    fields = np.arange(-101, 102, 2)
    least = fields[fields >= kappa * np.sqrt(101)][0]
    for _ in range(5):
        at.advance(1)
        h = plain_pass(problem.gauged(), least, least + theta, 0.4, 2 * states - 1, h, rng)
        assert np.array_equal(at.hidden, h)
        assert np.array_equal(at.weights, np.sign(h))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40), st.floats(0, 1), st.floats(0, 20), st.integers(1, 10), st.integers(0, 99))
def test_hidden_integers_are_odd_and_bounded(P, N, p, theta, states, seed):
    at = SBPI(theta, p, states).begin(draw_problem(P, N, seed), np.random.default_rng(seed), 1)
    at.advance(20)
    assert np.all(at.hidden % 2 == 1) and np.all(np.abs(at.hidden) <= 2 * states - 1)
    assert np.array_equal(at.weights, np.sign(at.hidden))


def test_reinforcing_barely_correct_patterns_moves_no_weight_and_is_what_makes_it_learn():
    problem = draw_problem(round(0.55 * 501), 501, 3)
    assert run(problem, SBPI(), 1, 500).solved
    assert not run(problem, SBPI(probability=0.0), 1, 500).solved


# --- belief propagation


@pytest.mark.parametrize("kappa, floor, scale", [(0.0, 1e-3, 0.3), (0.4, 1e-2, 1.0), (-0.3, 1e-3, 4.0)])
def test_an_update_of_the_edges_is_the_equations(kappa, floor, scale):
    N = 51
    problem = draw_problem(20, N, 4, kappa=kappa)
    x, rng = problem.gauged().astype(float), np.random.default_rng(1)
    messages = Edges(problem, floor)
    h, v = (scale * rng.standard_normal(N)).astype(np.float32), np.zeros((20, N))
    for _ in range(3):
        sums, v = messages.update(h), plain_messages(x, h, v, kappa, floor)
        assert np.max(np.abs(messages.messages * x - v)) < INTERPOLATED * max(1, np.max(np.abs(v)))
        assert np.max(np.abs(sums - v.sum(axis=0))) < INTERPOLATED * max(1, np.max(np.abs(sums)))
        h = (sums + 0.3 * h).astype(np.float32)


@pytest.mark.parametrize("S, tolerance", [(1.0001, 5e-6), (1.5, 5e-6), (2.0, 1e-3), (4.0, 5e-5), (29.9, 2e-6), (30.1, 2e-6), (1000.0, 1e-6)])
def test_messages_are_interpolated_at_every_variance(S, tolerance):
    noise = 1.0  # a thousand sites at the default floor
    t = np.linspace(-1, 1, 401).astype(np.float32)
    t = t[1 - t.astype(float) ** 2 <= S - noise]
    for omega in np.linspace(-5, 5, 11) * np.sqrt(S):
        out = np.empty(t.size, np.float32)
        messages_of_pattern(t, omega, S, noise, out)
        root = np.sqrt(S - 1 + t.astype(float) ** 2)
        exact = (log_ndtr((omega - t + 1) / root) - log_ndtr((omega - t - 1) / root)) / 2
        assert np.max(np.abs(out - exact) / np.maximum(1, np.abs(exact))) < tolerance


def test_an_update_of_the_relaxed_messages_is_the_equations():
    N, kappa, floor = 301, 0.2, 1e-3
    problem = draw_problem(100, N, 4, kappa=kappa)
    x, h = problem.gauged().astype(float), np.random.default_rng(1).standard_normal(N).astype(np.float32)
    messages, g = Relaxed(problem, floor), np.zeros(100)
    for _ in range(3):
        sums = messages.update(h)
        m = np.tanh(h.astype(float))
        V = np.sum(1 - m**2)
        S = V + floor * N
        omega = x @ m - kappa * np.sqrt(N) - g * V
        z = omega / np.sqrt(S)
        g = np.exp(-z * z / 2 - log_ndtr(z)) / np.sqrt(2 * np.pi * S)
        wanted = x.T @ g + m * np.sum(g * (g + omega / S))
        assert np.max(np.abs(messages.g - g)) < SINGLE * np.max(g)
        assert np.max(np.abs(sums - wanted)) < SINGLE * np.max(np.abs(wanted)) * 5
        h = (sums + 0.3 * h).astype(np.float32)


def test_marginals_and_bethe_entropy_are_those_of_all_solutions():
    N, marginals, entropies = 21, [], []
    for sample in range(6):
        problem = draw_problem(6, N, 6, sample)
        W = decode_weights(enumerate_solutions(problem.patterns), N).astype(float)
        x, messages = problem.gauged().astype(float), Edges(problem, SMALL)
        h = settled(messages, N)
        v = messages.messages * x
        cavity = h - v
        m = np.tanh(cavity)
        nodes = log_ndtr(np.sum(x * m, axis=1) / np.sqrt(np.sum(1 - m**2, axis=1)))
        bethe = nodes.sum() + np.logaddexp(h, -h).sum() - np.sum(np.logaddexp(h, -h) - np.logaddexp(cavity, -cavity))
        marginals.append(np.sqrt(np.mean((np.tanh(h) - W.mean(axis=0)) ** 2)))
        entropies.append((bethe - np.log(len(W))) / N)
    assert np.max(marginals) < GAUSSIAN
    assert np.max(np.abs(entropies)) < BETHE


def test_relaxed_messages_give_the_marginals_of_the_edges():
    N = 2001
    problem = draw_problem(round(0.4 * N), N, 7)
    edges, relaxed = (np.tanh(settled(kind(problem, SMALL), N, 60, 0.0)) for kind in (Edges, Relaxed))
    assert np.sqrt(np.mean((edges - relaxed) ** 2)) < RELAXED * np.sqrt(np.mean(edges**2))


def test_relaxed_messages_take_gaussian_patterns():
    assert run(draw_problem(200, 401, 3, patterns="gaussian"), "reinforced-tap", 1).solved
    with pytest.raises(ValueError, match=r"patterns: got entries other than \+1 and -1, .* takes binary patterns"):
        run(draw_problem(200, 401, 3, patterns="gaussian"), "reinforced-bp", 1)


# --- max-sum


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.sampled_from((-1.2, -0.4, 0.0, 0.4, 0.9)), st.booleans(), st.integers(0, 10**6))
def test_a_message_of_max_sum_is_the_difference_of_two_maxima(N, kappa, ties, seed):
    rng = np.random.default_rng(seed)
    problem = draw_problem(3, N, seed, kappa=kappa)
    x = problem.gauged().astype(int)
    h = rng.integers(-2, 3, N).astype(np.float32) if ties else rng.standard_normal(N).astype(np.float32)
    if not np.any(h):
        return
    messages = MaxSum(problem)
    sums = messages.update(h)  # brings h to its scale
    states = np.array(list(itertools.product((-1, 1), repeat=N)))
    total = np.zeros(N)
    for mu in range(3):
        allowed = states[states @ x[mu] >= kappa * np.sqrt(N) - 1e-9]
        if len(allowed) <= 1:
            return
        for i in range(N):
            others = allowed[:, np.arange(N) != i] @ h[np.arange(N) != i].astype(float)
            best = [np.max(others[allowed[:, i] == s], initial=-np.inf) for s in (1, -1)]
            wanted = (best[0] - best[1]) / 2
            assert messages.messages[mu, i] * x[mu, i] == pytest.approx(wanted, abs=SINGLE)
            total[i] += wanted
    assert sums == pytest.approx(total, abs=3 * SINGLE)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 70), st.floats(-3, 0, exclude_max=True), st.booleans(), st.integers(0, 2**32 - 1))
def test_order_statistics_are_those_of_a_sort(N, threshold, ties, seed):
    rng = np.random.default_rng(seed)
    a = (rng.integers(-4, 5, N) / 2 if ties else rng.standard_normal(N)).astype(np.float32)
    above, below = a[a >= np.float32(threshold)], a[a < np.float32(threshold)]
    assert around(a, np.float32(threshold)) == (above.min(initial=np.inf), below.max(initial=-np.inf))
    k = int(rng.integers(1, N))
    largest = np.sort(a)[::-1]
    assert two_largest(a, k) == ((largest[k - 1], largest[k]) if largest[k] < 0 else (0, 0))


def test_no_message_is_a_denormal_number():
    """Of satisfied patterns: these would cost four times the time, and say nothing."""
    t, v = np.linspace(-1, 1, 201, dtype=np.float32), np.empty(201, np.float32)
    vanished = 0
    for S in (1.01, 3.0, 100.0):
        for omega in np.linspace(0, 60, 301) * np.sqrt(S):
            messages_of_pattern(t, float(omega), S, 1.0, v)
            assert np.all((v == 0) | (np.abs(v) >= np.finfo(np.float32).tiny))
            vanished += not np.any(v)
    assert 300 < vanished < 800


def test_max_sum_does_not_know_its_scale():
    problem = draw_problem(40, 101, 3)
    h = np.random.default_rng(1).standard_normal(101).astype(np.float32)
    one, other = MaxSum(problem), MaxSum(problem)
    first, second = h.copy(), 64 * h
    for _ in range(3):
        first, second = one.update(first), other.update(second)
        assert np.allclose(first, second, rtol=0, atol=SINGLE * np.max(np.abs(first)))


# --- focusing


@pytest.mark.parametrize("y", [2, 3, 5])
def test_the_centre_answers_as_the_star_of_replicas_does(y):
    gamma, s = 0.8, 0.6
    weights = {1: [], -1: []}
    for W, middle, *others in itertools.product((-1, 1), repeat=y + 1):
        weights[W].append(gamma * W * middle + sum(gamma * a * middle + s * a for a in others))
    wanted = (logsumexp(weights[1]) - logsumexp(weights[-1])) / 2
    assert centre(np.array([s]), np.tanh(gamma), y - 1)[0] == pytest.approx(wanted, abs=1e-12)


def test_focusing_without_distance_is_reinforcement():
    rho = 0.6
    assert schedule(rho, 0.0) == (1.0, pytest.approx(rho / (1 - rho)))
    problem = draw_problem(150, 301, 3)
    at = FocusingBP(cycle=10**6, exponent=0.0).begin(problem, np.random.default_rng(1), 1)
    type(at).past = property(lambda self: rho)
    try:
        h, messages = np.zeros(301, np.float32), Edges(problem, 1e-3)
        for _ in range(10):
            at.h = at.fields(at.messages.update(at.h))
            h = messages.update(h) + np.float32(rho) * h
    finally:
        del type(at).past
    assert np.max(np.abs(at.h - h)) < 20 * SINGLE * np.max(np.abs(h))


def test_reinforcement_grows_over_a_cycle_and_starts_again():
    problem = draw_problem(10, 11, 3)
    at = ReinforcedRun(Edges(problem, 1e-3), np.zeros(11, np.float32), 4, 0.2, np.random.default_rng(1))
    strengths = []
    for at.steps in range(17):
        at.fields(np.ones(11, np.float32))
        strengths.append(at.strength)
    assert strengths[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert strengths[4:16] == pytest.approx(0.2 + 0.8 * np.arange(12) / 12)
    assert strengths[16] == pytest.approx(0.2)


# --- arguments


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: SBPI(theta=-1), "theta: got -1, takes a number >= 0"),
        (lambda: SBPI(probability=1.5), "probability: got 1.5, takes a number from 0 to 1"),
        (lambda: SBPI(states=0), "states: got 0, takes an integer from 1 to 8192"),
        (lambda: ReinforcedBP(cycle=1), "cycle: got 1, takes an integer >= 2"),
        (lambda: ReinforcedTAP(initial=1.0), "initial: got 1, takes a number from 0 to 1 (excluded)"),
        (lambda: ReinforcedBP(floor=0.0), "floor: got 0, takes a number > 0"),
        (lambda: ReinforcedMaxSum(cycle=2.5), "cycle: got 2.5, takes an integer >= 2"),
        (lambda: FocusingBP(exponent=0.7), "exponent: got 0.7, takes a number from 0 to 0.5"),
        (lambda: FocusingBP(relaxed=1), "relaxed: got 1, takes True or False"),
    ],
)
def test_parameters_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError) as raised:
        make()
    assert str(raised.value) == message


# --- success, of fresh instances at N = 1001


@pytest.mark.slow
@pytest.mark.parametrize("name, alpha", [("sbpi", 0.65), ("reinforced-tap", 0.7), ("reinforced-bp", 0.7), ("focusing-bp", 0.7), ("reinforced-max-sum", 0.62)])
def test_success_at_a_thousand_sites(name, alpha):
    N, wanted, instances = 1001, 0.8, 20
    solved = sum(run(draw_problem(round(alpha * N), N, 20260101, s), name, s).solved for s in range(instances))
    assert solved >= wanted * instances


@pytest.mark.slow
def test_all_names_are_registered():
    assert set(NAMES) <= set(ALGORITHMS)
