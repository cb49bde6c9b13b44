"""Approximate message passing for the perceptron: one step in plain NumPy, state evolution, what counts as success, refused arguments."""

import dataclasses

import numpy as np
import pytest
from scipy.special import log_ndtr

import replicas as rp
from replicas import simulation
from replicas.simulation import draw_problem, fully_connected
from replicas.simulation.inference import _memory, amp, approximate, recovery_curve, steps

SINGLE = 2e-4  # overlaps of eight steps in single and in double precision
PULL = 4.5  # standard errors allowed to the mean over samples
FINITE_SIZE = 8.0  # of an overlap, in 1/N, at loads away from the spinodal
LATTICE = 1 / 3  # variance of a number uniform between two sums of +-1


def teacher(weights):
    return rp.Perceptron(weights, task="teacher-student")


def evolved(weights, alpha, count):
    """q_0 = 0, q_1, ... of state evolution."""
    q = [float(m[0, 0]) for m in rp.state_evolution(teacher(weights), alpha, np.zeros((1, 1)), count)]
    return np.array(q + [q[-1]] * (count + 1 - len(q)))


def plain_amp(problem, weights, count):
    """Overlaps w.T/N of AMP written from its equations, double precision, fields of unit scale."""
    X, y, T = problem.patterns.astype(float), problem.labels, problem.teacher
    P, N = X.shape
    noise = LATTICE / N if weights == "binary" and set(np.unique(X)) <= {-1, 1} else 0
    w, V, g, found = np.zeros(N), 1.0, np.zeros(P), []
    for _ in range(count):
        omega = X @ w / np.sqrt(N) - V * g
        S = V + noise
        x = y * omega / np.sqrt(S)
        g = y * np.exp(-(x**2) / 2 - log_ndtr(x)) / np.sqrt(2 * np.pi * S)
        A = np.sum(g * (g + omega / S)) / N
        b = X.T @ g / np.sqrt(N) + A * w
        w = np.tanh(b) if weights == "binary" else b / (1 + A)
        V = 1 - np.mean(w**2) if weights == "binary" else 1 / (1 + A)
        found.append(w @ T / N)
    return np.array(found), w


@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("patterns", ["binary", "gaussian"])
def test_steps_are_those_of_the_equations(weights, patterns):
    problem = draw_problem(400, 301, 1, 0, "teacher-student", patterns, weights)
    run = amp(problem, weights, iterations=8, tolerance=1e-9)
    overlap, w = plain_amp(problem, weights, 8)
    np.testing.assert_allclose(run.overlap[1:], overlap, atol=SINGLE)
    np.testing.assert_allclose(run.estimate, w, atol=10 * SINGLE)
    assert run.overlap[0] == 0 and run.iterations == 8 and run.status == "not-converged"
    np.testing.assert_allclose(run.self_overlap[-1], np.mean(w**2), atol=SINGLE)
    np.testing.assert_allclose(run.error[-1], np.arccos(w @ problem.teacher / np.linalg.norm(w) / np.sqrt(301)) / np.pi, atol=SINGLE)


def test_channels_agree_on_one_unit():
    """The perceptron's channel and that of a committee of K = 1: the same numbers by orthants and by Mills ratios."""
    problem = draw_problem(300, 201, 2, 0, "teacher-student", "gaussian", "spherical", fully_connected(1))
    fast, slow = steps.SignChannel(problem, "binary"), steps.OrthantChannel(problem.patterns, problem.labels, 1)
    rng = np.random.default_rng(0)
    for V in (np.array([[0.7]]), np.array([[0.2]])):
        w = np.tanh(rng.normal(size=(201, 1)))
        onsager, y = rng.normal(size=(300, 1)) / 5, problem.labels[:, None]
        # the fast one is gauged to labels +1, and its fields are sums
        one, other = fast.update(w, V, y * onsager / np.sqrt(201)), slow.update(w, V, onsager)
        np.testing.assert_allclose(y * fast.g * np.sqrt(201), slow.g, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(one[0], other[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one[1], other[1], rtol=1e-5)
        assert one[2] == other[2] == 0


@pytest.mark.parametrize(("weights", "alpha"), [("binary", 1.0), ("binary", 2.0), ("spherical", 1.6), ("spherical", 0.5)])
def test_overlaps_follow_state_evolution(weights, alpha):
    N, samples = 2001, 10
    P = round(alpha * N)
    runs = [amp(draw_problem(P, N, 3, k, "teacher-student", "binary", weights), weights, iterations=12, tolerance=1e-12) for k in range(samples)]
    predicted = evolved(weights, P / N, 12)
    for name in ("overlap", "self_overlap"):
        found = np.array([np.pad(getattr(run, name), (0, 12 - run.iterations), mode="edge") for run in runs])
        allowed = PULL * found.std(axis=0, ddof=1) / np.sqrt(samples) + FINITE_SIZE / N
        # towards the end a perfect student is found a step earlier or later
        assert np.all(abs(found.mean(axis=0) - predicted) < allowed), (name, found.mean(axis=0) - predicted, allowed)
    np.testing.assert_allclose([run.variance[5] for run in runs], 1 - predicted[5], atol=0.06)


def test_state_evolution_of_the_perceptron_is_that_of_one_unit():
    for weights in ("binary", "spherical"):
        one = rp.state_evolution(rp.Committee(1, weights, task="teacher-student"), 1.2, np.zeros((1, 1)), 5)
        np.testing.assert_array_equal(rp.state_evolution(teacher(weights), 1.2, np.zeros((1, 1)), 5), one)
    # its fixed point is the saddle point
    assert evolved("spherical", 1.6, 60)[-1] == pytest.approx(float(rp.solve(teacher("spherical"), alpha=1.6).q), abs=1e-9)
    with pytest.raises(ValueError, match="task: got 'storage'; takes 'teacher-student'"):
        rp.state_evolution(rp.Perceptron(), 1.2)


def test_success_is_the_teacher_not_the_absence_of_errors():
    """Below the transition sign(w) can satisfy all patterns, and a step that gives nan compares as anything: neither is success."""
    easy = draw_problem(12, 201, 4, 0, "teacher-student")
    run = amp(easy)
    assert easy.unsatisfied(np.where(run.estimate > 0, 1, -1)) == 0 and run.converged and not run.success and run.overlap[-1] < 0.5
    found = amp(draw_problem(602, 301, 4, 0, "teacher-student"))
    assert found.success and found.converged and found.overlap[-1] > 0.999 and found.error[-1] < 0.02
    assert "teacher found" in str(found) and "<table>" in found._repr_html_() and "overlap" in str(found)


@pytest.mark.parametrize("patterns", ["binary", "gaussian"])
def test_what_is_known_stays_known(patterns):
    """A perfect student is a fixed point, on its undamped residual: without the lattice's variance binary patterns forget it."""
    runs = [amp(draw_problem(1002, 501, 5, k, "teacher-student", patterns), tolerance=1e-6) for k in range(6)]
    assert sum(run.success and run.converged for run in runs) >= 5
    started = amp(draw_problem(1002, 501, 5, 0, "teacher-student", patterns), start="informed", tolerance=1e-6)
    assert started.success and started.converged and started.overlap[0] == pytest.approx(0.99, abs=0.02)


def test_values_that_are_not_finite_are_no_success(monkeypatch):
    monkeypatch.setattr(steps, "relaxed_patterns", lambda *arguments: np.nan)
    run = amp(draw_problem(40, 21, 6, 0, "teacher-student"), iterations=5)
    assert run.status == "diverged" and not run.success and not run.converged and run.iterations == 1


def test_gauge_and_order_of_the_patterns():
    problem = draw_problem(300, 301, 7, 0, "teacher-student")
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), 301)
    turned = dataclasses.replace(problem, patterns=problem.patterns * signs, teacher=problem.teacher * signs)
    shuffled = dataclasses.replace(problem, patterns=problem.patterns[::-1], labels=problem.labels[::-1])
    one = amp(problem)
    np.testing.assert_allclose(amp(turned).estimate * signs, one.estimate, atol=1e-4)
    np.testing.assert_allclose(amp(shuffled).estimate, one.estimate, atol=1e-4)
    np.testing.assert_array_equal(amp(problem).estimate, one.estimate)


def test_damping_leaves_the_fixed_point():
    problem = draw_problem(600, 501, 8, 0, "teacher-student", "binary", "spherical")
    plain, damped = (amp(problem, "spherical", damping=damping, tolerance=2e-6) for damping in (0, 0.4))
    assert plain.converged and damped.converged and damped.iterations > plain.iterations
    np.testing.assert_allclose(plain.estimate, damped.estimate, atol=1e-4)
    # the residual is of the undamped step, the change of the damped one
    np.testing.assert_allclose(damped.change[1:], 0.6 * damped.residual[1:], rtol=1e-6)


def test_runs_can_be_stopped():
    problem = draw_problem(300, 201, 9, 0, "teacher-student")
    seen = []
    run = amp(problem, stop=lambda: len(seen) >= 3, progress=lambda done, total: seen.append((done, total)))
    assert run.status == "interrupted" and run.iterations == 3 and seen == [(1, 300), (2, 300), (3, 300)]

    def ctrl_c(done, total):
        if done == 2:
            raise KeyboardInterrupt

    run = amp(problem, progress=ctrl_c)
    assert run.status == "interrupted" and run.iterations == 2 and np.all(np.isfinite(run.estimate))


def test_message_passing_of_one_unit_is_the_same():
    problem = draw_problem(300, 301, 10, 0, "teacher-student", "gaussian", "spherical", fully_connected(1))
    committee = simulation.message_passing(problem)
    np.testing.assert_allclose(amp(problem, "spherical", tolerance=2e-6).estimate, committee.estimate[0], atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "ternary"}, "weights: got 'ternary', takes one of binary, spherical"),
        ({"start": 1.5}, "start: got 1.5, takes 'uninformed'"),
        ({"iterations": 0}, "iterations: got 0"),
        ({"tolerance": 0.0}, "tolerance: got 0.0, takes a number > 0"),
        ({"damping": 1.0}, "damping: got 1.0, takes a number from 0 to 1"),
        ({"problem": draw_problem(10, 11, 1)}, "problem: got one without teacher"),
        ({"problem": 3}, "problem: got int, takes a Problem"),
        ({"problem": dataclasses.replace(draw_problem(10, 11, 1, 0, "teacher-student"), kappa=0.1)}, "kappa: got 0.1, amp takes 0"),
        ({"problem": draw_problem(10, 11, 1, 0, "teacher-student", teacher="spherical")}, "got 'binary' with a teacher that is not"),
        ({"problem": draw_problem(10, 11, 1, 0, "teacher-student", accepted=fully_connected(3))}, "got a machine of 3 units, amp takes"),
    ],
)
def test_bad_arguments(arguments, message):
    given = {"problem": draw_problem(10, 11, 1, 0, "teacher-student")} | arguments
    with pytest.raises(ValueError, match=message) as caught:
        amp(**given)
    assert "\n" not in str(caught.value)


def test_the_length_of_a_teacher_is_no_overlap():
    """Labels do not depend on it: at twice the length w.T/N would be twice the overlap, and be taken for success."""
    problem = draw_problem(420, 201, 14, 0, "teacher-student", "gaussian", "spherical")
    one = amp(problem, "spherical")
    longer = amp(dataclasses.replace(problem, teacher=2 * problem.teacher), "spherical")
    np.testing.assert_allclose(longer.overlap, one.overlap, rtol=1e-12)
    assert 0.6 < one.overlap[-1] < 0.9 and not longer.success and longer.overlap[-1] == pytest.approx(longer.self_overlap[-1], abs=0.1)
    nothing = dataclasses.replace(problem, patterns=problem.patterns[:0], labels=problem.labels[:0], teacher=0 * problem.teacher)
    with pytest.raises(ValueError, match="problem: got labels that are not the teacher's"):
        amp(nothing, "spherical")


def test_labels_of_another_teacher():
    problem = draw_problem(40, 21, 1, 0, "teacher-student")
    with pytest.raises(ValueError, match="problem: got labels that are not the teacher's"):
        amp(dataclasses.replace(problem, labels=-problem.labels))


def test_memory_is_asked_for_before_work(monkeypatch):
    monkeypatch.setattr(approximate, "iterate", None)  # no work
    monkeypatch.setattr(_memory, "available_bytes", lambda: 1e3)
    with pytest.raises(ValueError, match=r"N: got 101, which needs .* GB for amp of 150 patterns, takes what fits") as caught:
        amp(draw_problem(150, 101, 1, 0, "teacher-student"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"N: got 101, which needs .* GB for 2 instances at once of 162 patterns"):
        recovery_curve(101, [1.2, 1.6], workers=2)
    assert _memory.available_bytes() == 1e3


def test_memory_there_is():
    assert 1e8 < _memory.available_bytes() < 1e15


def test_recovery_curve():
    curve = recovery_curve(101, [1.0, 1.5, 2.2], 12, 11, workers=1)
    again = recovery_curve(101, [2.2, 1.0, 1.5], 12, 11, workers=2)
    assert list(curve.instances) == [12] * 3 and curve.found[0] == 0 and curve.found[2] >= 10 and not curve.interrupted
    np.testing.assert_array_equal(again.overlap[[1, 2, 0]], curve.overlap)
    np.testing.assert_array_equal(curve.found, np.sum(curve.overlap > 0.99, axis=1))
    # success grows with the load: half of it in between
    assert 1.1 < curve.threshold.value < 2.1 and curve.threshold.status == "fitted"
    problem = draw_problem(round(1.5 * 101), 101, 11, 4, "teacher-student")
    assert amp(problem).overlap[-1] == curve.overlap[1, 4]
    assert "median steps" in str(curve) and "<table>" in curve._repr_html_() and np.all(curve.stderr > 0)


def test_recovery_of_a_spherical_teacher_has_no_transition():
    curve = recovery_curve(100, [1.0, 3.0], 4, 12, "spherical", "gaussian", workers=1)
    assert np.all(curve.found == 0) and curve.threshold.value is None and str(curve.threshold) == "above all loads"
    assert np.all(np.diff(curve.overlap.mean(axis=1)) > 0)


def test_recovery_is_kept_where_it_is_interrupted():
    def ctrl_c(done, total):
        if done >= 4:
            raise KeyboardInterrupt

    curve = recovery_curve(51, [1.0, 2.0], 20, 13, workers=1, progress=ctrl_c)
    assert curve.interrupted and 4 <= curve.instances.sum() < 40 and "interrupted" in str(curve)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"N": 100}, "N: got 100, takes odd N"),
        ({"alphas": [-1.0]}, "alphas: got .* takes loads > 0"),
        ({"instances": 0}, "instances: got 0"),
        ({"patterns": "ternary"}, "patterns: got 'ternary'"),
        ({"workers": 0}, "workers: got 0"),
    ],
)
def test_bad_arguments_of_a_curve(arguments, message):
    with pytest.raises(ValueError, match=message):
        recovery_curve(**({"N": 101, "alphas": [1.0]} | arguments))
