"""Message passing for committees against state evolution and sampling; its symmetries; refused arguments.

State evolution stands here, on its own: orthants from Owen's T function, averages by Gauss-Hermite quadrature.
"""

import dataclasses

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr, owens_t

import replicas as rp
from replicas import simulation
from replicas.simulation import _committee_output as output
from replicas.simulation import fully_connected

ORTHANT_ERROR = 1e-14  # of a probability, at correlations up to 0.95
DERIVATIVE_ERROR = 1e-8  # of central differences of step 1e-5
NODES = 40  # of the averages of state evolution, a field
PULL = 4.0  # standard errors allowed to the mean over samples
FINITE_SIZE = 6.0  # of an overlap, in 1/N


def normal_rule():
    z, weight = np.polynomial.hermite_e.hermegauss(NODES)
    pairs = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    return pairs, np.outer(weight, weight).ravel() / (2 * np.pi)


def both_below(h, k, rho):
    """P(x < h, y < k) of standard normals of correlation rho."""
    root = np.sqrt(1 - rho**2)
    parts = owens_t(h, (k - rho * h) / (h * root)) + owens_t(k, (h - rho * k) / (k * root))
    return (ndtr(h) + ndtr(k)) / 2 - parts - np.where(h * k < 0, 0.5, 0)


def outputs_of_two(omega, V):
    """Z_y and its gradient for y = -1, 0, +1: lists of arrays (n,), (n, 2)."""
    sigma = np.sqrt(np.diag(V))
    rho = V[0, 1] / sigma.prod()
    x = omega / sigma
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) / sigma
    other = (x[:, ::-1] - rho * x) / np.sqrt(1 - rho**2)
    plus, minus = both_below(x[:, 0], x[:, 1], rho), both_below(-x[:, 0], -x[:, 1], rho)
    up, down = density * ndtr(other), -density * ndtr(-other)
    return [minus, 1 - plus - minus, plus], [down, -up - down, up]


def evolve(q, load, weights):
    """State evolution q -> q' of K = 2, load = alpha K = P/N; q is the overlap with the teacher and with itself."""
    values, vectors = np.linalg.eigh(q)
    t, weight = normal_rule()
    omega = t @ (vectors * np.sqrt(np.maximum(values, 0))).T
    V = np.eye(2) - q
    A = np.zeros((2, 2))
    for Z, slope in zip(*outputs_of_two(omega, V)):
        # beyond, Z is rounding error and its share in the average as small
        quotient = np.where(Z > 1e-11, weight / np.maximum(Z, 1e-11), 0)
        A += load * np.einsum("n,ni,nj->ij", quotient, slope, slope)
    if weights == "spherical":
        return A @ np.linalg.inv(np.eye(2) + A)
    values, vectors = np.linalg.eigh(A)
    noise = t @ (vectors * np.sqrt(values)).T
    states = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    q = np.zeros((2, 2))
    for T in states:
        exponent = (T @ A + noise) @ states.T - np.einsum("si,ij,sj->s", states, A, states) / 2
        p = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        q += np.outer((weight @ (p / p.sum(axis=1, keepdims=True))) @ states, T) / 4
    return (q + q.T) / 2


def bayes_error_of_two(q):
    t, weight = normal_rule()
    Z, _ = outputs_of_two(t @ np.linalg.cholesky(q).T, np.eye(2) - q)
    return weight @ (1 - np.max(Z, axis=0))


@pytest.mark.parametrize("rho", [-0.95, -0.4, 0.0, 0.3, 0.9])
def test_orthants_of_two_fields(rho):
    rng = np.random.default_rng(0)
    V = np.array([[1.3, rho * np.sqrt(1.3 * 0.6)], [rho * np.sqrt(1.3 * 0.6), 0.6]])
    omega = rng.normal(size=(500, 2)) * 2
    Z, slopes = outputs_of_two(omega, V)
    tables = output.orthant_tables(fully_connected(2))
    found = output.output_probabilities(omega, V, tables)
    np.testing.assert_allclose(found, np.stack(Z, axis=-1), atol=ORTHANT_ERROR)
    for y in (-1, 0, 1):
        safe = Z[y + 1] > 1e-4
        g, _, tails = output.gradients(np.full(safe.sum(), y, np.int8), omega[safe], V, tables)
        np.testing.assert_allclose(g, slopes[y + 1][safe] / Z[y + 1][safe, None], atol=1e-9)
        assert tails == 0


@pytest.mark.parametrize("K", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_outputs_against_samples_and_differences(K):
    rng = np.random.default_rng(K)
    mix = rng.normal(size=(K, K + 2))
    V, omega = mix @ mix.T / (K + 2), rng.normal(size=(6, K))
    tables = output.orthant_tables(fully_connected(K))
    labels = rng.choice([-1, 1] if K % 2 else [-1, 0, 1], 6).astype(np.int8)
    n = 400_000
    heard = np.sign(np.sign(rng.multivariate_normal(omega[0], V, size=n)).sum(axis=1))
    Z = output.output_probabilities(omega, V, tables)
    np.testing.assert_allclose(Z.sum(axis=1), 1, atol=ORTHANT_ERROR)
    for y in (-1, 0, 1):
        assert abs(np.mean(heard == y) - Z[0, y + 1]) <= PULL * np.sqrt(Z[0, y + 1] * (1 - Z[0, y + 1]) / n) + 1e-12
    g, curvature, _ = output.gradients(labels, omega, V, tables)
    step = 1e-5 * np.eye(K)

    def difference(function):
        return np.stack([(function(omega + d) - function(omega - d)) / 2e-5 for d in step], axis=-1)

    def log_Z(points):
        return np.log(output.output_probabilities(points, V, tables)[np.arange(6), labels + 1])

    np.testing.assert_allclose(g, difference(log_Z), atol=DERIVATIVE_ERROR)
    slopes = difference(lambda points: output.gradients(labels, points, V, tables)[0])
    np.testing.assert_allclose(curvature, -slopes.sum(axis=0), atol=DERIVATIVE_ERROR)


@pytest.mark.parametrize("size", [3.0, 4.0, 5.0, 12.0, 100.0])
def test_far_tails_pull_towards_the_label(size):
    """Uncorrelated fields far below zero with y = +1: g is an inverse Mills ratio, to 1/x^2 where Z_y < 1e-9."""
    V, omega = np.diag([1.0, 0.7]), -size * np.array([[1.0, 0.8]])
    g, curvature, tails = output.gradients(np.ones(1, np.int8), omega, V, output.orthant_tables(fully_connected(2)))
    x = omega[0] / np.sqrt(np.diag(V))
    exact = np.exp(-(x**2) / 2 - log_ndtr(x)) / np.sqrt(2 * np.pi * np.diag(V))
    assert tails == (log_ndtr(x).sum() < np.log(output.TAIL))
    np.testing.assert_allclose(g[0], exact, rtol=1.1 / np.min(x**2) if tails else 1e-5)
    assert np.all(np.linalg.eigvalsh(curvature) > 0)


def test_far_tails_choose_the_nearest_fields():
    """A tie asked of two positive fields turns the one that is cheaper to turn."""
    V = np.array([[1.0, 0.3], [0.3, 0.7]])
    tables = output.orthant_tables(fully_connected(2))
    g, _, tails = output.gradients(np.zeros(1, np.int8), np.array([[30.0, 20.0]]), V, tables)
    assert tails == 1
    np.testing.assert_allclose(g, [[0, -20 / 0.7]])
    g, _, _ = output.gradients(np.ones(1, np.int8), np.array([[-30.0, -20.0]]), V, tables)
    np.testing.assert_allclose(g[0], np.linalg.solve(V, [30.0, 20.0]))


def as_started(run, name):
    """Overlaps (steps, K, K) with the units of the run in their own order."""
    order = np.argsort(run.relabelling)
    R = getattr(run, name)[:, order]
    return R if name == "overlap" else R[:, :, order]


@pytest.mark.parametrize(
    ("weights", "alpha", "start", "steps"),
    [("spherical", 1.5, 0.5, 12), ("spherical", 2.5, 0.9, 8), ("binary", 0.7, 0.6, 8), ("binary", 0.5, 0.05, 6)],
)
def test_overlaps_follow_state_evolution(weights, alpha, start, steps):
    """K = 2, N = 401, every step: mean over samples within its standard error and the 1/N of finite size."""
    N, samples = 401, 16

    def run(sample):
        options = {"start": start, "iterations": steps, "tolerance": 1e-12, "fresh": 300}
        return simulation.learn_committee(N, 2, alpha, weights, 5, sample, **options)

    runs = simulation.run_samples(run, samples, workers=2).values
    assert all(run.iterations == steps and run.tails == 0 for run in runs)
    q = start * np.eye(2)
    for t in range(steps + 1):
        for name in ("overlap", "self_overlap"):
            # in the labelling of the start: the best one of the end is chosen by noise where the units end up alike
            R = np.array([as_started(run, name)[t] for run in runs])
            # symmetric under relabelling: one number on the diagonal, one beside it
            for measured, predicted in (
                (R[:, [0, 1], [0, 1]].mean(axis=1), q[0, 0]),
                (R[:, [0, 1], [1, 0]].mean(axis=1), q[0, 1]),
            ):
                allowed = PULL * measured.std(ddof=1) / np.sqrt(samples) + FINITE_SIZE / N
                assert abs(measured.mean() - predicted) < allowed, (name, t, measured.mean(), predicted, allowed)
        errors = np.array([run.error[t] for run in runs])
        if t:
            allowed = PULL * errors.std(ddof=1) / np.sqrt(samples) + FINITE_SIZE / N
            assert abs(errors.mean() - bayes_error_of_two(q)) < allowed
            expected = np.eye(2) - q
            spread = np.std([run.variance[t] for run in runs], axis=0, ddof=1) / np.sqrt(samples)
            mean = np.mean([run.variance[t] for run in runs], axis=0)
            assert np.all(abs(mean - expected) < PULL * spread + FINITE_SIZE / N)
        q = evolve(q, 2 * alpha, weights)


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "alpha", "start"), [("spherical", 1.5, 0.5), ("binary", 0.7, 0.6)])
def test_large_committee_follows_state_evolution(weights, alpha, start):
    """N = 4001, three samples: the trajectory to about 1e-2, where finite-size effects are ten times smaller."""
    samples = [
        simulation.learn_committee(4001, 2, alpha, weights, 6, k, start=start, iterations=12, tolerance=1e-12)
        for k in range(3)
    ]
    q = start * np.eye(2)
    for t in range(13):
        mean = np.mean([as_started(run, "overlap")[t] for run in samples], axis=0)
        np.testing.assert_allclose([np.trace(mean) / 2, (mean.sum() - np.trace(mean)) / 2], q[0], atol=0.02)
        q = evolve(q, 2 * alpha, weights)


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_one_unit_reaches_the_perceptron(alpha):
    """K = 1 at its fixed point: overlap and error of Bayes-optimal learning."""
    R = float(rp.solve(rp.Perceptron("spherical", task="teacher-student"), alpha=alpha).R)
    runs = [simulation.learn_committee(400, 1, alpha, seed=7, sample=k, fresh=400) for k in range(24)]
    assert all(run.converged and run.tails == 0 for run in runs)
    found = np.array([(run.overlap[-1, 0, 0], run.self_overlap[-1, 0, 0], run.error[-1]) for run in runs])
    predicted = np.array([R, R, np.arccos(np.sqrt(R)) / np.pi])
    allowed = PULL * found.std(axis=0, ddof=1) / np.sqrt(len(runs)) + FINITE_SIZE / 400
    assert np.all(abs(found.mean(axis=0) - predicted) < allowed)


@pytest.mark.slow
def test_unspecialised_and_specialised_from_nothing():
    """Below the transition the units stay alike; well above, each finds its own unit of the teacher."""
    alike = simulation.learn_committee(600, 2, 0.5, seed=8)
    q = np.full((2, 2), 1e-3)
    for _ in range(60):
        q = evolve(q, 1.0, "spherical")
    assert alike.converged
    np.testing.assert_allclose(alike.overlap[-1], q, atol=0.1)
    np.testing.assert_allclose(alike.self_overlap[-1], alike.self_overlap[-1, 0, 0], rtol=1e-3)
    found = simulation.learn_committee(600, 2, 3.0, seed=8, fresh=2000)
    near = simulation.learn_committee(600, 2, 3.0, seed=8, start="informed")
    assert found.converged and near.converged and near.relabelling == (0, 1)
    assert np.all(np.diag(found.overlap[-1]) > 0.85) and np.all(np.diag(found.overlap[-1][::-1]) < 0.1)
    # the same fixed point from both ends
    np.testing.assert_allclose(found.estimate, near.estimate, atol=1e-3)
    assert found.error[-1] < found.error[1] - 0.1


@pytest.mark.parametrize("K", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_binary_teachers_are_recovered(K):
    """At a large load every weight is found, and the errors stop."""
    drawn = simulation.learn_committee(251, K, 2.0, "binary", 9, start="informed", fresh=500, patterns="binary")
    assert drawn.converged and drawn.error[-1] == 0
    assert set(np.sign(drawn.estimate).ravel()) == {-1, 1}
    np.testing.assert_allclose(np.diag(drawn.overlap[-1]), 1, atol=1e-3)
    if K < 3:
        found = simulation.learn_committee(251, K, 2.0, "binary", 9, patterns="binary")
        assert found.converged
        np.testing.assert_array_equal(np.sign(found.estimate), np.sign(drawn.estimate))


@pytest.mark.slow
def test_three_units():
    """K = 3 specialises from an overlap at large load, and stays alike from nothing at small load."""
    alike = simulation.learn_committee(201, 3, 0.7, seed=10)
    assert alike.converged and np.ptp(alike.self_overlap[-1]) < 1e-2
    R = simulation.learn_committee(201, 3, 6.0, seed=10, start=0.9, iterations=25).overlap[-1]
    assert np.all(np.diag(R) > 0.8) and abs(R - np.diag(np.diag(R))).max() < 0.25


def test_relabelled_teacher_gives_the_relabelled_run():
    problem = simulation.draw_problem(900, 301, 11, 0, "teacher-student", "gaussian", "spherical", fully_connected(2))
    swapped = dataclasses.replace(problem, teacher=problem.teacher.reshape(2, -1)[::-1].ravel())
    one, other = simulation.message_passing(problem), simulation.message_passing(swapped)
    np.testing.assert_array_equal(other.estimate, one.estimate[::-1])
    np.testing.assert_array_equal(other.overlap, one.overlap[:, ::-1, ::-1])
    assert one.relabelling == other.relabelling[::-1]
    assert np.trace(one.overlap[-1]) >= np.trace(one.overlap[-1][::-1])
    N = problem.patterns.shape[1]
    np.testing.assert_allclose(one.estimate @ one.estimate.T / N, one.self_overlap[-1])
    np.testing.assert_allclose(one.estimate @ problem.teacher.reshape(2, N).T / N, one.overlap[-1])


@pytest.mark.slow
def test_damping_leaves_the_fixed_point_and_unconverged_is_said():
    problem = simulation.draw_problem(1800, 300, 12, 0, "teacher-student", "gaussian", "spherical", fully_connected(2))
    plain, damped = (
        simulation.message_passing(problem, start="informed", damping=damping, iterations=500) for damping in (0, 0.3)
    )
    assert plain.converged and damped.converged
    np.testing.assert_allclose(plain.estimate, damped.estimate, atol=1e-4)
    short = simulation.message_passing(problem, iterations=3)
    assert not short.converged and short.iterations == 3 and short.overlap.shape == (4, 2, 2)
    assert np.all(np.isnan(short.error)) and np.isinf(short.change[0])


def test_runs_reproduce():
    one, again, other = (simulation.learn_committee(101, 2, 1.0, seed=13, sample=k, iterations=5) for k in (0, 0, 1))
    np.testing.assert_array_equal(one.estimate, again.estimate)
    assert not np.array_equal(one.estimate, other.estimate)
    examined = simulation.learn_committee(101, 2, 1.0, seed=13, iterations=5, fresh=50)
    np.testing.assert_array_equal(examined.estimate, one.estimate)
    assert np.all((examined.error >= 0) & (examined.error <= 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"K": 4}, "K: got 4, takes an integer from 1 to 3"),
        ({"alpha": -1.0}, "alpha: got -1.0, takes a number >= 0"),
        ({"alpha": np.nan}, "alpha: got nan, takes a finite"),
        ({"weights": "ternary"}, "got 'ternary', takes one of binary, spherical"),
        ({"start": 1.0}, "start: got 1.0, takes 'uninformed'"),
        ({"start": "warm"}, "start: got 'warm', takes one of uninformed, informed"),
        ({"iterations": 0}, "iterations: got 0"),
        ({"tolerance": 0.0}, "tolerance: got 0.0, takes a number > 0"),
        ({"damping": 1.0}, "damping: got 1.0, takes a number from 0 to 1"),
        ({"N": 10, "weights": "binary", "patterns": "binary"}, "N: got 10, takes odd N"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        simulation.learn_committee(**({"N": 11, "K": 2, "alpha": 1.0} | arguments))
    assert "\n" not in str(caught.value)


def test_bad_problems():
    problem = simulation.draw_problem(20, 11, 1, 0, "teacher-student", accepted=fully_connected(2))
    with pytest.raises(ValueError, match="problem: got one without teacher"):
        simulation.message_passing(simulation.draw_problem(20, 11, 1))
    with pytest.raises(ValueError, match="problem: got labels that are not the teacher's"):
        simulation.message_passing(dataclasses.replace(problem, labels=-problem.labels))
    with pytest.raises(ValueError, match="problem: got a teacher of 12 weights on 11 inputs"):
        simulation.message_passing(dataclasses.replace(problem, teacher=np.ones(12)))
    with pytest.raises(ValueError, match=r"fresh: got an array of shape \(3, 5\), takes shape \(F, 11\)"):
        simulation.message_passing(problem, fresh=np.ones((3, 5)))


def test_overlaps_do_not_know_the_length_of_the_teacher():
    problem = simulation.draw_problem(300, 100, 12, 0, "teacher-student", "gaussian", "spherical", fully_connected(2))
    longer = dataclasses.replace(problem, teacher=np.asarray(problem.teacher) * np.repeat([2.0, 0.5], 100))
    plain, scaled = (simulation.message_passing(p, iterations=4, seed=3) for p in (problem, longer))
    np.testing.assert_allclose(scaled.overlap, plain.overlap, rtol=1e-12)
    zero = dataclasses.replace(problem, teacher=np.concatenate([np.ones(100), np.zeros(100)]))
    with pytest.raises(ValueError, match=r"^problem: got (labels|a teacher with a unit of zeros)"):
        simulation.message_passing(zero)


def test_a_run_is_interrupted_and_keeps_its_steps():
    problem = simulation.draw_problem(60, 31, 0, task="teacher-student", patterns="gaussian", accepted=fully_connected(2), teacher="spherical")
    whole = simulation.message_passing(problem, iterations=6, tolerance=1e-12)
    told = []

    def third(done, total):
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    for part in (
        simulation.message_passing(problem, iterations=6, tolerance=1e-12, progress=third),
        simulation.message_passing(problem, iterations=6, tolerance=1e-12, stop=iter((False, False, True)).__next__),
    ):
        assert part.interrupted and part.status == "interrupted" and not part.converged and part.iterations == 3
        for name in ("self_overlap", "variance"):  # sums over the units: their order is that of the last step
            sums, all_sums = (getattr(run, name).trace(axis1=1, axis2=2) for run in (part, whole))
            np.testing.assert_allclose(sums, all_sums[:4], rtol=1e-14)
    assert told == [(1, 6), (2, 6), (3, 6)] and whole.status == "not-converged" and not whole.interrupted
