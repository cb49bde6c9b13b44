"""The interface of the learning algorithms: problems, `run`, and what it makes of any algorithm."""

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas.simulation import (
    ALGORITHMS,
    Algorithm,
    Problem,
    Run,
    draw_problem,
    enumerate_solutions,
    learning,
    machine_outputs,
    majority,
    run,
)
from replicas.simulation.algorithms import belief


@dataclass(frozen=True)
class Walk(Algorithm):
    """Random sign flips: an algorithm of which every step is known."""

    name: ClassVar[str] = "walk"
    budget: ClassVar[int] = 20
    interrupted_at: int = -1

    def begin(self, problem, rng, budget):
        return _Walk(problem, rng, self.interrupted_at)


class _Walk(Run):
    def __init__(self, problem, rng, interrupted_at):
        self.W, self.rng, self.interrupted_at = np.ones(problem.N, np.int8), rng, interrupted_at
        self.calls = []

    def advance(self, steps):
        for _ in range(steps):
            if self.steps == self.interrupted_at:
                raise KeyboardInterrupt
            self.W[self.rng.integers(self.W.size)] *= -1
            self.steps += 1
        return False

    @property
    def weights(self):
        return self.W.copy()

    def record(self):
        return {"sum": float(self.W.sum())}


IMPOSSIBLE = Problem(np.array([[1, 1, 1], [-1, -1, -1]]), np.array([1, 1]))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(0, 6), st.sampled_from([-0.5, 0.0, 1 / math.sqrt(5), 0.7]), st.integers(0, 1000))
def test_unsatisfied_patterns_are_those_that_enumeration_refuses(N, P, kappa, seed):
    problem = draw_problem(P, N, seed, kappa=kappa)
    solutions = {tuple(2 * ((int(code) >> np.arange(N)) & 1) - 1) for code in enumerate_solutions(problem.patterns, kappa)}
    for W in itertools.product((-1, 1), repeat=N):
        assert (problem.unsatisfied(np.array(W)) == 0) == (W in solutions)


def test_unsatisfied_patterns_of_real_weights_do_not_depend_on_their_length():
    problem = draw_problem(40, 21, 3, patterns="gaussian", kappa=0.3)
    W = np.random.default_rng(0).standard_normal(21)
    u = problem.patterns @ W / np.linalg.norm(W)
    assert problem.unsatisfied(W) == problem.unsatisfied(1e-3 * W) == np.sum(u < 0.3) > 0
    assert problem.unsatisfied(np.zeros(21)) == problem.unsatisfied(np.full(21, np.nan)) == 40


def test_unsatisfied_patterns_of_a_committee():
    problem = draw_problem(30, 15, 1, task="teacher-student", accepted=majority(3))
    W = np.random.default_rng(1).standard_normal(15)
    assert problem.unsatisfied(problem.teacher) == 0
    assert problem.unsatisfied(W) == np.sum(machine_outputs(problem.patterns, W, majority(3)) != problem.labels) > 0


@pytest.mark.parametrize(
    "given, words",
    [
        ({"patterns": np.ones(3)}, r"patterns: got an array of shape \(3,\)"),
        ({"patterns": np.array([["a"]])}, "patterns: got values of type"),
        ({"patterns": np.array([[np.nan, 1.0]])}, "patterns"),
        ({"labels": np.array([1])}, "labels: got an array of shape"),
        ({"labels": np.array([2, 1])}, "labels"),
        ({"kappa": math.inf}, "kappa"),
        ({"machine": majority(3), "kappa": 0.1}, "kappa: got 0.1 for a machine of 3 units"),
        ({"machine": majority(5)}, "N: got 3, takes a multiple of K = 5"),
    ],
)
def test_problems_are_checked(given, words):
    with pytest.raises(ValueError, match=words):
        Problem(**{"patterns": IMPOSSIBLE.patterns, "labels": IMPOSSIBLE.labels, **given})


def test_weights_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="weights: got an array of shape"):
        IMPOSSIBLE.unsatisfied(np.ones(4))


def test_a_run_uses_its_budget_and_keeps_its_history():
    seen = []
    found = run(IMPOSSIBLE, Walk(), 1, 33, progress=lambda done, total: seen.append((done, total)))
    assert (found.status, found.solved, found.steps) == ("budget", False, 33) and found.errors == 1
    assert seen[-1] == (33, 33) and np.all(np.diff(found.history["step"]) > 0)
    assert found.history["step"][0] == 0 and found.history["step"][-1] == 33
    assert set(found.history) == {"step", "errors", "sum"} and np.all(found.history["errors"] == 1)


def test_a_run_is_reproducible_and_ends_at_a_solution():
    problem = Problem(np.array([[-1, 1, 1, 1, 1], [-1, -1, 1, 1, 1]]), np.array([1, 1]))
    first, second = (run(problem, Walk(), 5) for _ in range(2))
    assert first.steps == second.steps and np.array_equal(first.weights, second.weights)
    hard = Problem(np.array([[-1, -1, -1], [-1, -1, 1]]), np.array([1, 1]))
    found = run(hard, Walk(), 0, 1000)
    assert found.solved and found.status == "solved" and hard.unsatisfied(found.weights) == 0 and found.history["errors"][-1] == 0


def test_ctrl_c_keeps_what_was_reached():
    found = run(IMPOSSIBLE, Walk(interrupted_at=7), 1)
    assert (found.status, found.steps, found.algorithm) == ("interrupted", 7, "walk(interrupted_at=7)")
    assert found.weights is not None and found.history["step"][-1] == 7


def make(at, steps):
    """So many steps of a `Run`, whatever parts it makes them in; whether it ended."""
    target = at.steps + steps
    while at.steps < target:
        if at.advance(target - at.steps):
            return True
    return False


def state(at, rng):
    weights = None if at.weights is None else np.array(at.weights)
    return at.steps, weights, at.record(), rng.bit_generator.state


@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    pieces=st.lists(st.integers(1, 9), min_size=2, max_size=6),
    alpha=st.sampled_from([0.4, 0.9, 1.8]),
    kind=st.sampled_from(["binary", "gaussian"]),
    kappa=st.sampled_from([0.0, 0.2]),
)
@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_steps_in_pieces_are_the_same_steps(name, seed, pieces, alpha, kind, kappa):
    """advance(a), advance(b) is advance(a + b) to the last bit, of weights, records and random numbers: chunks follow the clock."""
    chosen = ALGORITHMS[name]()
    K, N = 3 if chosen.committees else 1, 33
    kappa = kappa if chosen.margin and K == 1 else 0.0
    problem = draw_problem(round(alpha * N), N, seed, patterns="binary" if chosen.binary_patterns else kind, kappa=kappa, accepted=majority(K))
    total = sum(pieces)
    rngs = [np.random.default_rng(seed) for _ in range(3)]
    whole, split, single = (chosen.begin(problem, rng, max(chosen.budget, total)) for rng in rngs)
    ended = [make(whole, total), any(make(split, piece) for piece in pieces), any(make(single, 1) for _ in range(total))]
    assert len(set(ended)) == 1 and (whole.steps == total or ended[0])
    first, *others = (state(at, rng) for at, rng in zip((whole, split, single), rngs))
    for other in others:
        np.testing.assert_equal(other, first)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_a_result_does_not_depend_on_the_clock(name, monkeypatch):
    """Solved or not, in pieces of a single step or in the largest ones: the same result with the same history."""
    chosen = ALGORITHMS[name]()
    K = 3 if chosen.committees else 1
    for P in (40, 150):
        problem = draw_problem(P, 63, 5, accepted=majority(K))
        found, calls = [], []
        for patience in (0.0, 1e9):
            monkeypatch.setattr(learning, "PATIENCE", patience)
            asked = []
            found.append(run(problem, name, 3, min(chosen.budget, 120), stop=lambda asked=asked: bool(asked.append(1))))
            calls.append(len(asked))
        np.testing.assert_equal(vars(found[0]), vars(found[1]))
        assert calls[0] >= found[0].steps and calls[0] >= calls[1]
        assert np.all(np.diff(found[0].history["step"]) > 0)


@pytest.mark.parametrize(
    ("name", "P"),
    [
        ("annealing", 40), ("sbpi", 42), ("reinforced-tap", 30), ("stochastic-perceptron", 30), ("elastic-sgd", 30),
        ("committee-elastic-sgd", 30), ("least-action", 90),
    ],
)  # fmt: skip
def test_a_run_ends_at_the_step_that_solves(name, P):
    """Between two rows of the history, too; on-line rules make a pass more, which finds nothing left to teach."""
    K = 3 if ALGORITHMS[name].committees else 1
    more = name in ("sbpi", "least-action")
    between = 0
    for sample in range(4):
        problem = draw_problem(P, 63, 1, sample, accepted=majority(K))
        found = run(problem, name, 3, 400)
        at = ALGORITHMS[name]().begin(problem, np.random.default_rng(3), 400)
        while problem.unsatisfied(at.weights) and at.steps < 400:
            make(at, 1)
        assert found.solved and at.steps <= found.steps <= at.steps + more
        np.testing.assert_array_equal(found.weights, at.weights)
        steps = found.history["step"]
        between += steps.size > 2 and steps[-1] - steps[-2] < max(1, steps[-2] // learning.SHARE)
    assert between > 0


def test_a_run_is_stopped_between_two_rows_of_its_history(monkeypatch):
    monkeypatch.setattr(learning, "PATIENCE", 0.0)
    asked = iter([False] * 845 + [True])
    found = run(IMPOSSIBLE, Walk(), 1, 10**6, stop=lambda: next(asked))
    assert (found.status, found.steps, found.history["step"][-1]) == ("interrupted", 845, 845)
    whole = run(IMPOSSIBLE, Walk(), 1, 10**4)
    assert 845 not in whole.history["step"] and np.array_equal(whole.history["step"][: found.history["step"].size - 1], found.history["step"][:-1])


def test_the_single_step_of_maximum_stability_can_be_stopped():
    problem = draw_problem(120, 99, 1)
    asked = iter([False, True])
    found = run(problem, "max-stability", stop=lambda: next(asked))
    assert (found.status, found.steps, found.history["step"].tolist(), found.weights) == ("interrupted", 0, [0], None)


def test_a_run_can_be_stopped_from_outside():
    found = run(IMPOSSIBLE, Walk(), 1, stop=lambda: True)
    assert (found.status, found.steps) == ("interrupted", 0)


def test_a_function_is_called_once_and_its_word_is_not_taken():
    calls = []

    def mine(problem, rng, budget):
        calls.append(budget)
        return np.ones(problem.N)

    found = run(IMPOSSIBLE, mine, 0, 12)
    assert calls == [12] and found.algorithm == "mine" and not found.solved and found.errors == 1
    assert run(IMPOSSIBLE, lambda *_: None).weights is None
    with pytest.raises(ValueError, match="solver: got weights of shape"):
        run(IMPOSSIBLE, lambda *_: np.ones(4))


@pytest.mark.parametrize(
    "given, words",
    [
        ({"problem": np.ones((2, 3))}, "problem: got ndarray"),
        ({"algorithm": "sbp"}, "algorithm: got 'sbp', takes a function"),
        ({"algorithm": Walk}, "algorithm"),
        ({"problem": draw_problem(0, 9, 2)}, "problem: got no patterns"),
        ({"budget": 0}, "budget: got 0, takes an integer >= 1"),
        ({"rng": -3}, "rng"),
        ({"algorithm": "perceptron-rule", "problem": Problem(np.ones((2, 3)), np.ones(2), machine=majority(3))}, "problem: got a machine of 3 units"),
    ],
)
def test_bad_input_is_refused_in_one_line(given, words):
    with pytest.raises(ValueError, match=words) as error:
        run(**{"problem": IMPOSSIBLE, "algorithm": "perceptron-rule", **given})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_learns_an_easy_problem_and_says_so_truly(name):
    chosen = ALGORITHMS[name]()
    assert chosen.name == name == chosen.label and chosen.budget >= 1 and chosen.step
    K = 3 if chosen.committees and name != "stochastic-perceptron" else 1
    problem = draw_problem(6, 99, 2, accepted=majority(K))
    found, again = (run(problem, name, 7, 300) for _ in range(2))
    assert found.solved == (problem.unsatisfied(found.weights) == 0) and found.errors == problem.unsatisfied(found.weights)
    assert found.solved, f"{found}"
    assert np.array_equal(found.weights, again.weights) and found.steps == again.steps <= 300
    assert np.all(np.isfinite(found.weights)) and (not chosen.binary or set(np.abs(found.weights)) == {1})


def test_a_solver_can_not_change_the_problem():
    problem = draw_problem(20, 21, 0, task="teacher-student")
    before = problem.patterns.copy()

    def forger(given, rng, budget):
        given.patterns.fill(1)

    with pytest.raises(ValueError, match="read-only"):
        run(problem, forger, 0)
    assert np.array_equal(problem.patterns, before)
    copied = run(problem, lambda given, rng, budget: np.sign((given.patterns.copy() * given.labels[:, None]).sum(axis=0) + 0.5), 0)
    assert copied.steps == 1


def test_steps_of_a_solver_are_those_of_its_result():
    problem = draw_problem(8, 21, 0)
    inside = run(problem, "sbpi", 3)
    assert run(problem, lambda given, rng, budget: run(given, "sbpi", 3), 0).steps == max(1, inside.steps)
    with pytest.raises(ValueError, match=r"solver: got a list of unequal parts, takes real numbers of shape \(21,\)"):
        run(problem, lambda given, rng, budget: [[1, 2], [3]], 0)


@pytest.mark.parametrize("N", [33, 100])
def test_magnetisations_do_not_depend_on_where_they_are(N):
    """Right behind the fields in memory, or apart: compilers give a loop two ways to run, which may add in different orders."""
    h = np.random.default_rng(0).standard_normal(N).astype(np.float32)
    found = set()
    for gap in (0, 1, 2, 16, 1000):
        room = np.zeros(2 * N + gap, np.float32)
        room[:N] = h
        squares = belief.magnetisations(room[:N], room[N + gap :])
        found.add((float(squares), room[N + gap :].tobytes()))
    assert len(found) == 1
