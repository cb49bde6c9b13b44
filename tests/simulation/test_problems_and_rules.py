"""Drawing problems, seeding, learning rules, running samples."""

import ast
import time
from pathlib import Path

import numpy as np
import pytest

from replicas import simulation


def test_samples_reproduce_alone_and_differ():
    first = [simulation.draw_patterns(4, 9, seed=1, sample=k) for k in (0, 1, 2)]
    again = simulation.draw_patterns(4, np.int64(9), seed=1, sample=np.int64(2))
    np.testing.assert_array_equal(again, first[2])
    assert len({pattern.tobytes() for pattern in first}) == 3
    assert simulation.draw_patterns(4, 9, seed=2).tobytes() != first[0].tobytes()


def test_task_streams_are_frozen():
    """Published results name (seed, task): these numbers must never change."""
    drawn = simulation.task_generator(0, "patterns", 3).integers(0, 10**6, 3)
    assert drawn.tolist() == [419301, 453373, 506362]


def test_names_of_tasks_do_not_run_together():
    streams = [("a", 1, 11), ("a", 11, 1), ("a1", 1, 1), ("a", 111), ("a", "1", 11)]
    draws = {simulation.task_generator(0, *task).integers(2**63) for task in streams}
    assert len(draws) == len(streams)
    with pytest.raises(TypeError, match=r"task: got 0\.5"):
        simulation.task_generator(0, "alpha", 0.5)
    with pytest.raises(ValueError, match="seed: got -1, takes an integer >= 0"):
        simulation.task_generator(-1, "a")


def test_moments_of_patterns():
    binary = simulation.draw_patterns(200, 200, seed=3)
    gaussian = simulation.draw_patterns(200, 200, seed=3, kind="gaussian")
    assert binary.dtype == np.int8 and set(np.unique(binary)) == {-1, 1}
    for patterns in (binary, gaussian):
        assert abs(patterns.mean()) < 4 / 200 and abs(patterns.var() - 1) < 6 / 200


def spherical_problem(P, N):
    return simulation.draw_problem(P, N, 1, task="teacher-student", patterns="gaussian", teacher="spherical")


def test_problems():
    storage = simulation.draw_problem(6, 8, seed=1)
    assert storage.teacher is None and np.all(storage.labels == 1)
    problem = spherical_problem(6, 8)
    assert np.isclose(problem.teacher @ problem.teacher, 8)
    np.testing.assert_array_equal(problem.labels, np.sign(problem.patterns @ problem.teacher))
    with pytest.raises(ValueError, match="N: got 8, takes odd N"):
        simulation.draw_problem(6, 8, seed=1, task="teacher-student")
    with pytest.raises(ValueError, match="task: got 'transfer', takes one of storage, teacher-student"):
        simulation.draw_problem(6, 8, seed=1, task="transfer")
    with pytest.raises(ValueError, match="kind: got 'ternary'"):
        simulation.draw_patterns(6, 8, seed=1, kind="ternary")
    with pytest.raises(ValueError, match="N: got True"):
        simulation.draw_patterns(6, True, seed=1)


def test_students_by_definition():
    problem = spherical_problem(7, 20)
    X, y = problem.patterns, problem.labels
    np.testing.assert_allclose(simulation.hebb_student(X, y), sum(label * x for label, x in zip(y, X)))
    W = simulation.pseudo_inverse_student(X, y)
    np.testing.assert_allclose(X @ W, y, atol=1e-12)  # fits exactly below P = N
    np.testing.assert_allclose(W, np.linalg.pinv(X) @ y, rtol=1e-9)
    many = spherical_problem(50, 20)
    W = simulation.pseudo_inverse_student(many.patterns, many.labels)
    np.testing.assert_allclose(many.patterns.T @ (many.patterns @ W - many.labels), 0, atol=1e-10)


def test_pseudo_inverse_of_dependent_patterns():
    X = simulation.draw_patterns(4, 6, seed=1, kind="gaussian")
    X = np.concatenate([X, X[:2]])
    y = np.array([1, -1, 1, 1, 1, 1])
    np.testing.assert_allclose(simulation.pseudo_inverse_student(X, y), np.linalg.pinv(X) @ y, rtol=1e-9)


def test_overlap():
    assert simulation.overlap([1, 1], [3, 3]) == pytest.approx(1)
    assert simulation.overlap([1, 0], [0, 2]) == 0
    with pytest.raises(ValueError, match="student, teacher"):
        simulation.overlap([0, 0], [1, 2])
    with pytest.raises(ValueError, match="rule: got 'adatron', takes one of hebb, pseudo-inverse"):
        simulation.teacher_overlap("adatron", 10, 10, seed=0)


def test_hebb_overlap_near_its_learning_curve():
    """R = sqrt(2 alpha/(2 alpha + pi)) within 5 standard errors and the O(1/N) shift."""
    N, alpha, samples = 200, 2.0, 100
    R = [simulation.teacher_overlap("hebb", int(alpha * N), N, seed=8, sample=k) for k in range(samples)]
    expected = (2 * alpha / (2 * alpha + np.pi)) ** 0.5
    assert abs(np.mean(R) - expected) < 5 * np.std(R) / samples**0.5 + 0.5 / N


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_values_do_not_depend_on_the_workers(workers):
    steps = []
    run = simulation.run_samples(
        lambda k: simulation.count_solutions(simulation.draw_patterns(4, 11, 9, k)),
        501,
        workers,
        lambda done, total: steps.append((done, total)),
    )
    alone = [simulation.count_solutions(simulation.draw_patterns(4, 11, 9, k)) for k in reversed(range(501))]
    assert list(run.values) == alone[::-1] and run.samples == tuple(range(501)) and not run.interrupted
    assert steps == sorted(steps) and steps[-1] == (501, 501)


def test_interruption_keeps_completed_samples():
    def progress(done, total):
        if done >= 40:
            raise KeyboardInterrupt

    def square(k):
        time.sleep(1e-3)
        return k * k

    run = simulation.run_samples(square, 1000, workers=1, progress=progress)
    assert run.interrupted and run.requested == 1000 and 40 <= len(run.values) < 1000
    assert run.values == tuple(k * k for k in run.samples)


def test_exception_of_a_sample_is_raised():
    with pytest.raises(ZeroDivisionError):
        simulation.run_samples(lambda k: 1 / (3 - k), 10, workers=2)
    with pytest.raises(ValueError, match="workers: got 0"):
        simulation.run_samples(lambda k: k, 10, workers=0)
    assert simulation.run_samples(lambda k: k, 0).values == ()


def test_knows_nothing_of_the_theory():
    """How results are written and drawn is shared with it, in one place."""
    home = Path(simulation.__file__).parent
    for path in home.rglob("*.py"):
        depth = len(path.relative_to(home).parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                shown = path.parent.name == "display" and (node.level, node.module) in ((3, "results"), (3, "figures.drawing"))
                assert shown or (node.level <= depth and not (node.module or "").startswith("replicas")), path
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("replicas") for alias in node.names), path


def test_public_names_exist_and_are_documented():
    for name in simulation.__all__:
        assert getattr(simulation, name).__doc__
