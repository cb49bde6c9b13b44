"""Samplers against exact integrals, enumeration and independent simulation, and one step of each against plain NumPy."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import log_ndtr
from scipy.stats import chi2

from replicas import simulation
from replicas.simulation.problems import Problem
from replicas.simulation.samplers import chains as chains_module
from replicas.simulation.samplers import (
    reflections,
    sample_binary,
    sample_sphere,
    sample_stochastic,
    spherical_volume,
    volume,
)
from replicas.simulation.samplers.binary import flips
from replicas.simulation.samplers.density_of_states import ground_states, log_density
from replicas.simulation.samplers.stochastic import sweeps

PULL = 4.0  # standard errors, of numbers that are compared once
UNLIKELY = 1e-4  # probability of a chi-square beyond which a distribution is refused
ROUNDING = 1e-10  # of a trajectory of a few reflections


def problem_of(points, kappa=0.0):
    points = np.asarray(points, dtype=float)
    return Problem(points, np.ones(len(points)), kappa=kappa)


def agree(measured, exact, error):
    assert 0 < error and abs(measured - exact) < PULL * error, (measured, exact, error)


# --- reflections: one trajectory -------------------------------------------------------------------------------------------------


def plain_trajectory(points, W, v, kappa, arc):
    """Great circles and reflections, every wall looked for on a fine grid and by bisection."""
    N = W.size
    left = arc
    while left > 0:
        s = np.linspace(0, left, 20001)[1:]
        path = np.cos(s)[:, None] * W + np.sin(s)[:, None] * v
        outside = np.flatnonzero(np.any(path @ points.T < kappa - 1e-12, axis=1))
        if outside.size == 0:
            return np.cos(left) * W + np.sin(left) * v
        low, high = s[outside[0]] - s[0], s[outside[0]]
        for _ in range(60):
            middle = (low + high) / 2
            inside = np.all(points @ (np.cos(middle) * W + np.sin(middle) * v) >= kappa - 1e-15)
            low, high = (middle, high) if inside else (low, middle)
        W, v = np.cos(low) * W + np.sin(low) * v, np.cos(low) * v - np.sin(low) * W
        hit = np.argmin(points @ W)
        n = points[hit] - (points[hit] @ W) / N * W
        v = v - 2 * (v @ n) / (n @ n) * n
        left -= low
    return W


@pytest.mark.parametrize(("N", "P", "kappa"), [(2, 1, 0.0), (3, 1, 0.3), (6, 4, 0.0), (8, 12, -0.7), (5, 3, 0.2)])
def test_a_trajectory_is_that_of_plain_numpy_and_can_be_reversed(N, P, kappa):
    rng = np.random.default_rng(N + P)
    polytope = reflections.Polytope(problem_of(rng.standard_normal((P, N))))
    W = next(w for block in on_sphere(rng, 10**6, N) for w in block if np.all(polytope.points @ w >= kappa))
    for arc in (0.4, 1.5, 4.0):
        v = rng.standard_normal(N)
        v -= (v @ W) / N * W
        v *= np.sqrt(N) / np.linalg.norm(v)
        end, back = W.copy(), v.copy()
        fly(polytope, end, back, kappa, arc)
        assert np.allclose(end, plain_trajectory(polytope.points, W, v, kappa, arc), atol=1e-6)
        assert np.all(polytope.points @ end >= kappa - ROUNDING) and end @ end == pytest.approx(N, rel=1e-12)
        back *= -1
        fly(polytope, end, back, kappa, arc)
        assert np.allclose(end, W, atol=ROUNDING) and np.allclose(back, -v, atol=ROUNDING)


def fly(polytope, W, v, kappa, arc):
    buffers = np.empty((3, polytope.P))
    return reflections._fly(polytope.points, polytope.C, W, v, polytope.points @ W, polytope.points @ v, buffers[0], kappa, arc)


def on_sphere(rng, n, N):
    """Blocks of uniform points with |W|^2 = N."""
    for _ in range(n // 1000):
        block = rng.standard_normal((1000, N))
        yield block * np.sqrt(N) / np.linalg.norm(block, axis=1, keepdims=True)


# --- uniform measure against exact integrals -------------------------------------------------------------------------------------


def test_circles_without_walls_are_followed_more_than_once():
    """Arcs beyond 2 pi, on great circles that hit no wall and on others: a cap less than half the sphere is all that is forbidden."""
    found = sample_sphere(problem_of([[0.0, 0.0, 1.0]], kappa=-0.6), 20000, seed=4, time=9.0)
    height = found.weights[..., 2].ravel() / np.sqrt(3)  # Archimedes: uniform between kappa and 1
    assert found.equilibrated and height.min() >= -0.6 - ROUNDING
    seen = simulation.samplers.observe("height", found.weights[..., 2] / np.sqrt(3))
    agree(seen.mean, 0.2, seen.stderr)
    agree(found["pressure"].mean, np.sqrt(3) / (1.6 * np.sqrt(3)) / 3, found["pressure"].stderr)  # density 1/1.6 of u = W_3/sqrt(3)


def test_a_pattern_without_direction_is_refused():
    problem = problem_of(np.vstack([np.zeros(8), np.ones(8)]))
    for sampler in (sample_sphere, spherical_volume):
        with pytest.raises(ValueError, match="patterns: got one of 2 that is zero"):
            sampler(problem)


def arc_of_plane(points, kappa):
    """Mean of W_1, of W_2 and of W_1^2 over the allowed angles of N = 2, and their share of the circle."""
    phi = (np.arange(10**6) + 0.5) * 2 * np.pi / 10**6
    W = np.sqrt(2) * np.stack([np.cos(phi), np.sin(phi)], axis=1)
    W = W[np.all(W @ np.asarray(points).T / np.sqrt(2) >= kappa, axis=1)]
    return [W[:, 0].mean(), W[:, 1].mean(), (W[:, 0] ** 2).mean()], len(W) / 10**6


@pytest.mark.parametrize("kappa", [0.0, 0.4])
def test_uniform_on_an_arc(kappa):
    points = [[1.0, 0.3], [0.2, 1.0]]
    exact, share = arc_of_plane(points, kappa)
    found = sample_sphere(problem_of(points, kappa), 10000, seed=1)
    W = found.weights
    for value, values in zip(exact, (W[..., 0], W[..., 1], W[..., 0] ** 2)):
        seen = simulation.samplers.observe("x", values)
        agree(seen.mean, value, seen.stderr)
    angles = np.sort(np.arctan2(W[..., 1], W[..., 0]).ravel())
    # the angle itself is uniform: its mean square deviation from the middle is width^2/12
    assert angles[-1] - angles[0] == pytest.approx(2 * np.pi * share, abs=2e-3)
    assert np.var(angles) == pytest.approx((2 * np.pi * share) ** 2 / 12, rel=0.05)


def test_uniform_on_an_octant_and_on_a_cap():
    octant = sample_sphere(problem_of(np.eye(3)), 20000, seed=2)
    W = octant.weights / np.sqrt(3)
    # first and second moments of a uniform unit vector of the positive octant
    for values, exact in ((W[..., 0], 1 / 2), (W[..., 1] ** 2, 1 / 3), (W[..., 0] * W[..., 1], 2 / (3 * np.pi))):
        seen = simulation.samplers.observe("x", values)
        agree(seen.mean, exact, seen.stderr)
    assert octant.equilibrated
    cap = sample_sphere(problem_of([[0.0, 0.0, 1.0]], kappa=0.6), 20000, seed=3)
    height = np.sort(cap.weights[..., 2].ravel()) / np.sqrt(3)  # Archimedes: uniform between kappa and 1
    assert np.max(np.abs((height - 0.6) / 0.4 - np.linspace(0, 1, height.size))) < 2.0 / np.sqrt(height.size)


@pytest.mark.parametrize(("N", "P", "kappa"), [(5, 4, 0.0), (8, 5, -0.5), (10, 2, 0.6)])
def test_moments_are_those_of_rejection(N, P, kappa):
    problem = simulation.draw_problem(P, N, 5, patterns="gaussian", kappa=kappa)
    points = problem.patterns / np.sqrt(N)
    kept = np.concatenate([W[np.all(W @ points.T >= kappa, axis=1)] for W in on_sphere(np.random.default_rng(1), 400000, N)])
    found = sample_sphere(problem, 8000, seed=4)
    assert found.equilibrated
    for f in (lambda W: W[..., 0], lambda W: W[..., 1] * W[..., 2], lambda W: np.min(W @ points.T, axis=-1), lambda W: np.mean(W @ points.T, axis=-1)):
        seen, drawn = simulation.samplers.observe("x", f(found.weights)), f(kept)
        agree(seen.mean, drawn.mean(), math.hypot(seen.stderr, drawn.std() / math.sqrt(drawn.size)))


# --- volumes ---------------------------------------------------------------------------------------------------------------------


def exact_volume(points):
    """Share of the sphere in N = 3 where up to three patterns are satisfied at kappa = 0: solid angles of wedges and triangles."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    if len(unit) == 1:
        return 0.5
    angles = [np.pi - np.arccos(unit[a] @ unit[b]) for a, b in combinations(range(len(unit)), 2)]
    return angles[0] / (2 * np.pi) if len(unit) == 2 else (sum(angles) - np.pi) / (4 * np.pi)


@pytest.mark.parametrize("P", [1, 2, 3])
def test_ladder_is_the_solid_angle(P):
    points = np.array([[1.0, 0.2, 0.1], [0.3, 1.0, -0.2], [-0.1, 0.4, 1.0]])[:P]
    found = spherical_volume(problem_of(points), 8000, seed=1, method="ladder")
    agree(found.log_volume, np.log(exact_volume(points)), found.log_volume_error)
    assert found.log_volume_error < 0.05 and found.status == "equilibrated"


def test_ladder_is_the_arc():
    points = [[1.0, 0.3], [0.2, 1.0]]
    for kappa in (0.0, 0.4):
        found = spherical_volume(problem_of(points, kappa), 8000, seed=1, method="ladder")
        agree(found.log_volume, np.log(arc_of_plane(points, kappa)[1]), found.log_volume_error)


@pytest.mark.parametrize(("N", "kappa"), [(6, 0.0), (11, 0.5), (40, -0.8), (40, 1.2)])
def test_collisions_give_a_cap(N, kappa):
    xi = np.random.default_rng(1).standard_normal((1, N))
    t = kappa / np.linalg.norm(xi)
    above, all_ = (quad(lambda x: (1 - x * x) ** ((N - 3) / 2), low, 1)[0] for low in (t, -1))
    found = spherical_volume(problem_of(xi, kappa), 400, seed=2)
    # one pattern: the difference that is integrated vanishes, up to noise
    agree(found.log_volume, np.log(above / all_), found.log_volume_error)


@pytest.mark.parametrize(("N", "dot"), [(7, 0.6), (20, -0.5)])
def test_collisions_give_the_wedge_of_two_patterns(N, dot):
    points = np.zeros((2, N))
    points[0, 0], points[1, :2] = 1.0, [dot, math.sqrt(1 - dot * dot)]
    found = spherical_volume(problem_of(points * math.sqrt(N)), 2000, seed=3)
    agree(found.log_volume, np.log((np.pi - np.arccos(dot)) / (2 * np.pi)), found.log_volume_error)
    assert found.log_volume_error < 0.05


def test_orthogonal_patterns_have_two_to_the_minus_P():
    N, P = 16, 9
    found = spherical_volume(problem_of(np.eye(N)[:P] * math.sqrt(N)), 1000, seed=4)
    agree(found.log_volume, -P * math.log(2), found.log_volume_error)
    assert found.log_volume_error < 0.2


@pytest.mark.parametrize(("N", "P", "kappa"), [(10, 6, 0.0), (12, 30, -1.2)])
def test_collisions_and_ladder_agree_with_rejection(N, P, kappa):
    problem = simulation.draw_problem(P, N, 6, patterns="gaussian", kappa=kappa)
    points = problem.patterns.T / math.sqrt(N)
    n, hits, rng = 0, 0, np.random.default_rng(7)
    while hits < 4000:
        W = rng.standard_normal((20000, N))
        W *= math.sqrt(N) / np.linalg.norm(W, axis=1, keepdims=True)
        n, hits = n + len(W), hits + int(np.sum(np.all(W @ points >= kappa, axis=1)))
    for method in ("collisions", "ladder"):
        found = spherical_volume(problem, 2000, seed=8, method=method)
        agree(found.log_volume, math.log(hits / n), math.hypot(found.log_volume_error, 1 / math.sqrt(hits)))


@pytest.mark.slow
def test_errors_of_the_volume_are_their_scatter():
    problem = simulation.draw_problem(30, 30, 1, patterns="gaussian")
    reference = spherical_volume(problem, 20000, seed=99)
    for method, records in (("collisions", 100), ("ladder", 200)):
        found = [spherical_volume(problem, records, seed, method=method) for seed in range(60)]
        pulls = np.array([(f.log_volume - reference.log_volume) / f.log_volume_error for f in found])
        assert abs(pulls.mean()) < 0.6 and 0.6 < pulls.std() < 1.4


def test_single_patterns_are_their_densities():
    polytope = reflections.Polytope(problem_of(np.random.default_rng(3).standard_normal((3, 9))))
    single = volume.SinglePatterns(polytope)
    for kappa in (-2.0, 0.0, 1.3):
        step = 1e-5
        slope = (single.log_above(kappa + step).sum() - single.log_above(kappa - step).sum()) / (2 * step)
        assert single.hazard(kappa) == pytest.approx(-slope, rel=1e-6)
    assert single.below(single.first_margin()) == pytest.approx(volume.TAIL, rel=1e-6)


def test_pressure_is_the_slope_of_the_entropy():
    """-(1/N) d log V/d kappa of two orthogonal patterns in N = 4 from the exact density of one field: f(u) = (2/pi) sqrt(4 - u^2)/4."""
    found = sample_sphere(problem_of(np.eye(4)[:1] * 2, kappa=0.5), 20000, seed=1)
    density = 2 / np.pi * np.sqrt(1 - 0.25**2) / 2
    above = quad(lambda u: 2 / np.pi * np.sqrt(1 - u * u / 4) / 2, 0.5, 2)[0]
    agree(found["pressure"].mean, density / above / 4, found["pressure"].stderr)


def test_all_solutions_are_in_the_cap_that_trajectories_are_fitted_to():
    problem = simulation.draw_problem(20, 20, 3, patterns="gaussian", kappa=0.1)
    best, largest = reflections.find_start(problem, 0.1)
    found = sample_sphere(problem, 3000, seed=1)
    assert (found.weights @ best).min() / 20 > 0.1 / largest > 0.2
    assert found.details["time"] == pytest.approx(1.5 * np.arccos(0.1 / largest) / (np.pi / 2)) and found.equilibrated
    tight = simulation.draw_problem(20, 20, 3, patterns="gaussian", kappa=largest - 1e-4)
    close = sample_sphere(tight, 400, seed=1)
    assert close["smallest field"].values.min() >= largest - 1.001e-4 and close["overlap"].mean > 1 - 1e-2


# --- stochastic perceptron -------------------------------------------------------------------------------------------------------


def log_likelihood(points, m, q):
    return log_ndtr(points @ m / math.sqrt(m.shape[0] * (1 - q))).sum(axis=0)


@pytest.mark.parametrize(("q", "beta"), [(0.3, 0.0), (0.55, 1.5)])
def test_stochastic_perceptron_is_the_exact_integral(q, beta):
    """N = 3: the sphere |m|^2 = 3 q within the cube, on a grid of equal areas."""
    points = np.array([[1, 1, -1], [1, -1, 1], [1, 1, 1]])
    z, phi = np.meshgrid((np.arange(800) + 0.5) / 400 - 1, (np.arange(800) + 0.5) * np.pi / 400)
    m = math.sqrt(3 * q) * np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z]).reshape(3, -1)
    m = m[:, np.all(np.abs(m) <= 1, axis=0)]
    L = log_likelihood(points, m, q)
    weight = np.exp(beta * (L - L.max()))
    weight /= weight.sum()
    found = sample_stochastic(problem_of(points), q, beta, 20000, seed=1, interval=2)
    assert found.equilibrated and np.allclose(np.sum(found.weights**2, axis=2), 3 * q, rtol=1e-12) and np.abs(found.weights).max() <= 1
    violated = np.mean(points @ np.sign(m) < 0, axis=0)
    exact = {"log-likelihood": weight @ L / 3, "energy": weight @ violated, "mean |m|": weight @ np.abs(m).mean(axis=0)}
    for name, value in exact.items():
        agree(found[name].mean, float(value), found[name].stderr)
    mean = m @ weight
    agree(found["overlap"].mean, float(mean @ mean) / 3, found["overlap"].stderr)


def test_a_sweep_is_that_of_plain_numpy():
    N, P, q, beta, angle = 7, 5, 0.5, 1.2, 0.8
    rng = np.random.default_rng(5)
    points = rng.choice([-1.0, 1.0], (P, N)) / math.sqrt(N)
    m = math.sqrt(q) * rng.choice([-1.0, 1.0], N)
    plain, stream = m.copy(), np.random.default_rng(9)
    for _ in range(3 * N):
        i, j = int(stream.random() * N), int(stream.random() * (N - 1))
        j += j >= i
        level, fresh = math.log(1 - stream.random()), plain.copy()
        if stream.random() < 0.5:
            fresh[i] *= -1
        else:
            phi = angle * (2 * stream.random() - 1)
            fresh[i], fresh[j] = np.cos(phi) * plain[i] + np.sin(phi) * plain[j], np.cos(phi) * plain[j] - np.sin(phi) * plain[i]
        change = beta * sum(log_ndtr(points @ x / math.sqrt(1 - q)).sum() * s for x, s in ((fresh, 1), (plain, -1)))
        if np.all(np.abs(fresh) <= 1) and change >= level:
            plain = fresh
    weights, table = np.empty((1, N)), np.empty((1, 3))
    sweeps(np.ascontiguousarray(points.T), m, q, 0.0, beta, angle, 3, np.random.default_rng(9), weights, table)
    assert np.allclose(weights[0], plain, atol=1e-12) and table[0, 2] == pytest.approx(np.abs(plain).sum())
    assert table[0, 0] == pytest.approx(log_ndtr(points @ plain / math.sqrt(1 - q)).sum(), rel=1e-12)
    assert table[0, 1] == np.sum(points @ np.sign(plain) < 0)


# --- binary solutions ------------------------------------------------------------------------------------------------------------


def test_flips_follow_plain_numpy():
    N, P, beta = 9, 6, 0.7
    rng = np.random.default_rng(1)
    x, W = rng.choice([-1, 1], (P, N)), rng.choice([-1, 1], N)
    plain, stream = W.copy(), np.random.default_rng(3)
    for _ in range(N):
        i, fresh = int(stream.random() * N), plain.copy()
        fresh[i] *= -1
        change = np.sum(x @ fresh < 1) - np.sum(x @ plain < 1)
        if change <= 0 or stream.random() < np.exp(-beta * change):
            plain = fresh
    w, fields = W.astype(np.int8), (x @ W).astype(np.int16)
    energy = flips(np.ascontiguousarray(x.T.astype(np.int16)), w, fields, int(np.sum(fields < 1)), 1, beta, np.random.default_rng(3))
    assert np.array_equal(w, plain) and np.array_equal(fields, x @ plain) and energy == np.sum(x @ plain < 1)


def uniformity(weights, codes):
    """Probability of a larger chi-square of uniform draws from all solutions, in groups of neighbouring codes, n/tau records counted."""
    chains, records, N = weights.shape
    drawn = simulation.encode_weights(weights.reshape(-1, N))
    assert np.all(np.isin(drawn, codes))
    groups = min(codes.size, 40)
    group = np.searchsorted(codes, drawn) * groups // codes.size
    expected = np.bincount(np.arange(codes.size) * groups // codes.size) / codes.size
    seen = np.bincount(group, minlength=groups) / drawn.size
    tau = max(max(simulation.integrated_time(group.reshape(chains, -1) == k)[0] for k in range(groups)), 1.0)
    return chi2.sf(drawn.size / tau * np.sum((seen - expected) ** 2 / expected), groups - 1)


def test_uniformity_is_refused_where_it_is_not():
    codes = np.arange(2**9, dtype=np.uint32)
    drawn = np.random.default_rng(1).integers(0, 2**9, (4, 4000))
    even, tilted = (simulation.decode_weights(c.ravel().astype(np.uint32), 9).reshape(4, -1, 9) for c in (drawn, np.maximum(drawn, drawn[::-1] // 8)))
    assert uniformity(even, codes) > UNLIKELY > uniformity(tilted, codes)


@pytest.mark.parametrize(("N", "P", "kappa"), [(13, 6, 0.0), (21, 10, 0.0), (15, 4, 0.5)])
def test_binary_solutions_are_uniform_and_counted(N, P, kappa):
    problem = simulation.draw_problem(P, N, 3, kappa=kappa)
    codes = simulation.enumerate_solutions(problem.patterns, kappa)
    found = sample_binary(problem, 4000, seed=1, interval=10, chains=4)
    assert found.status == "equilibrated"
    agree(found.log_solutions, math.log(codes.size), found.log_solutions_error)
    assert found.log_solutions_error < 0.05
    assert uniformity(found.weights, codes) > UNLIKELY
    W = simulation.decode_weights(codes, N).astype(float)
    agree(found["overlap"].mean, float(np.sum(W.mean(axis=0) ** 2)) / N, found["overlap"].stderr)
    C = W.T @ W / len(W)
    square = simulation.samplers.observe("q^2", found["overlap"].values ** 2)
    agree(square.mean, float(np.sum(C * C)) / N**2, square.stderr)


@pytest.mark.slow
def test_large_enumerated_instance():
    problem = simulation.draw_problem(15, 31, 2)
    codes = simulation.enumerate_solutions(problem.patterns)
    found = sample_binary(problem, 6000, seed=1, chains=4)
    assert found.status == "equilibrated"
    agree(found.log_solutions, math.log(codes.size), found.log_solutions_error)
    assert uniformity(found.weights, codes) > UNLIKELY
    W = simulation.decode_weights(codes, 31).astype(float)
    C = W.T @ W / len(W)
    agree(found["overlap"].mean, float(np.sum(W.mean(axis=0) ** 2)) / 31, found["overlap"].stderr)
    square = simulation.samplers.observe("q^2", found["overlap"].values ** 2)
    agree(square.mean, float(np.sum(C * C)) / 31**2, square.stderr)


def test_density_of_states_of_independent_spins():
    """E = number of up spins of M: g(E) = binomial, each level sampled exactly."""
    M, betas, rng = 12, np.linspace(0, 3, 5), np.random.default_rng(1)
    energies = np.stack([rng.binomial(M, 1 / (1 + np.exp(b)), (2, 4000)) for b in betas], axis=2)
    counts = np.array([np.bincount(energies[:, :, k].ravel(), minlength=M + 1) for k in range(5)], dtype=float)
    g, _, solved = log_density(counts, betas, M * math.log(2))
    exact = np.array([math.log(math.comb(M, k)) for k in range(M + 1)])
    assert solved and np.allclose(g[:9], exact[:9], atol=0.15)
    value, error = ground_states(energies, betas, M * math.log(2), 10)
    agree(value, 0.0, error)
    assert error < 0.05 and np.isnan(ground_states(energies + 1, betas, 0.0, 10)[0])


# --- all samplers: seeds, interruptions, verdicts, bad input -----------------------------------------------------------------------

SAMPLERS = {
    "sphere": lambda problem, *a, **k: sample_sphere(problem, *a, **k),
    "stochastic": lambda problem, *a, **k: sample_stochastic(problem, 0.5, 1.0, *a, **k),
    "binary": lambda problem, *a, **k: sample_binary(problem, *a, **k),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_records_depend_on_the_seed_alone(name, monkeypatch):
    problem, sampler = simulation.draw_problem(8, 15, 1), SAMPLERS[name]
    first = sampler(problem, 60, seed=3, chains=3)
    monkeypatch.setattr(chains_module, "SLICE", 1e-9)  # every record by itself
    assert np.array_equal(sampler(problem, 60, seed=3, chains=3).weights, first.weights)
    assert np.array_equal(sampler(problem, 60, seed=3, chains=2).weights, first.weights[:2])
    assert not np.array_equal(sampler(problem, 60, seed=4, chains=3).weights, first.weights)


@pytest.mark.parametrize("name", SAMPLERS)
def test_interruptions_keep_what_there_is(name, monkeypatch):
    monkeypatch.setattr(chains_module, "SLICE", 1e-9)
    problem, sampler = simulation.draw_problem(6, 15, 1), SAMPLERS[name]
    calls = []

    def press(done, total):
        calls.append((done, total))
        if done == 30:
            raise KeyboardInterrupt

    whole = sampler(problem, 40, seed=1, burn_in=10)
    for part in (sampler(problem, 40, seed=1, burn_in=10, progress=press), sampler(problem, 40, seed=1, burn_in=10, stop=lambda: len(calls) >= 0)):
        assert part.status == "interrupted" and str(part)
    part = sampler(problem, 40, seed=1, burn_in=10, progress=press)
    assert part.records == 20 and np.array_equal(part.weights, whole.weights[:, :20]) and calls[-1] == (30, 50)


@pytest.mark.parametrize("method", volume.METHODS)
def test_an_interrupted_volume_says_so(method):
    problem, calls = simulation.draw_problem(8, 15, 1), []

    def press(done, total):
        calls.append((done, total))
        if len(calls) == 3:
            raise KeyboardInterrupt

    whole = spherical_volume(problem, 60, seed=1, method=method)
    part = spherical_volume(problem, 60, seed=1, method=method, progress=press)
    assert part.status == "interrupted" and np.isnan(part.log_volume) and len(part.margins) == 3 and "interrupted" in str(part)
    assert set(part.margins) <= set(whole.margins) and np.all(np.diff(whole.margins) > 0)
    assert spherical_volume(problem, 60, seed=1, method=method, stop=lambda: True).status == "interrupted"
    assert whole.log_volume == spherical_volume(problem, 60, seed=1, method=method, progress=lambda done, total: None).log_volume
    assert "log V" in str(whole) and "<table>" in whole._repr_html_()


@pytest.mark.parametrize("name", SAMPLERS)
def test_verdicts_and_tables(name):
    problem, sampler = simulation.draw_problem(5, 21, 1), SAMPLERS[name]
    good, short = sampler(problem, 3000, seed=1), sampler(problem, 8, seed=1, burn_in=0)
    assert good.equilibrated and not short.equilibrated and short.status == "not-equilibrated"
    assert all(o.ess > 50 and o.stderr > 0 and o.tau < 60 for o in good.observables.values())
    assert good.slowest.tau == max(o.tau for o in good.observables.values())
    assert "equilibrated" in str(good) and "<table>" in good._repr_html_() and all(o in str(good) for o in good.observables)
    assert good.chains == 2 and good.records == 3000 and np.isfinite(good.weights).all()


def test_a_search_without_success_says_so():
    problem = simulation.draw_problem(30, 21, 1)  # alpha = 1.43: separable by spheres, hardly ever by binary weights
    assert simulation.count_solutions(problem.patterns) == 0
    found = sample_binary(problem, 50, seed=1)
    assert found.status == "no-solution-found" and found.records == 0 and np.isnan(found.log_solutions) and str(found)
    assert found.energies[-1] >= 1 and np.all(np.diff(found.energies[:-1]) < 0)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12), st.integers(1, 10), st.integers(0, 10**6), st.floats(-1.5, 0.3))
def test_no_record_leaves_the_sphere_or_the_solutions(N, P, seed, kappa):
    problem = simulation.draw_problem(P, N, seed, patterns="gaussian", kappa=kappa)
    try:
        found = sample_sphere(problem, 20, seed)
    except ValueError as reason:
        assert "problem: got patterns" in str(reason)
        return
    assert np.allclose(np.sum(found.weights**2, axis=2), N, rtol=1e-12)
    assert np.min(found.weights @ problem.patterns.T) / math.sqrt(N) > kappa - 1e-9
    assert found["smallest field"].values.min() > kappa - 1e-9


EASY = simulation.draw_problem(5, 21, 1)
INSIDE = reflections.find_start(EASY, 0.0)[0]
UNSOLVABLE = problem_of(np.vstack([np.eye(7), -np.eye(7), np.ones((1, 7))]))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: sample_sphere(EASY, start=-INSIDE), r"start: got weights outside the solutions \(5 of 5 patterns below kappa = 0"),
        (lambda: sample_sphere(EASY, start=np.ones(21) * 2), r"start: got weights of \|W\|\^2 = 84"),
        (lambda: sample_sphere(EASY, start=np.ones(4)), r"start: got an array of shape \(4,\)"),
        (lambda: sample_sphere(UNSOLVABLE), r"problem: got patterns without a solution at kappa = 0"),
        (lambda: spherical_volume(UNSOLVABLE), r"problem: got patterns without a solution"),
        (lambda: spherical_volume(simulation.draw_problem(5, 21, 1, kappa=9.0)), r"problem: got patterns without a solution at kappa = 9"),
        (lambda: sample_binary(problem_of(np.vstack([np.ones((1, 5)), -np.ones((1, 5))] * 4))), r"problem: got patterns without a solution"),
        (lambda: sample_binary(EASY, start=-np.sign(EASY.patterns.sum(axis=0) + 0.5)), r"start: got weights outside the solutions"),
        (lambda: sample_binary(problem_of([[0.5, 1.0]])), r"patterns: got entries other than \+1 and -1"),
        (lambda: sample_binary(EASY, levels=1), r"levels: got 1"),
        (lambda: sample_binary(EASY, coldest=0), r"coldest: got 0"),
        (lambda: sample_stochastic(EASY, 0.5, start=np.ones(21)), r"start: got sum m\^2/N = 1, takes q_star = 0.5"),
        (lambda: sample_stochastic(EASY, 0.5, start=np.full(21, 1.5)), r"start: got a mean of 1.5"),
        (lambda: sample_stochastic(EASY, 1.0), r"q_star: got 1"),
        (lambda: sample_stochastic(EASY, 0.5, -1.0), r"beta: got -1"),
        (lambda: sample_sphere(EASY, 10**9), r"records: got 1000000000 of 21 weights in 2 chains, which takes .* GB of memory"),
        (lambda: sample_sphere(EASY, 3), r"records: got 3"),
        (lambda: sample_sphere(EASY, chains=0), r"chains: got 0"),
        (lambda: sample_sphere(EASY, time=0), r"time: got 0"),
        (lambda: sample_sphere(EASY, seed=-1), r"seed: got -1"),
        (lambda: sample_sphere(EASY.patterns), r"problem: got ndarray"),
        (lambda: sample_sphere(simulation.draw_problem(0, 5, 1)), r"problem: got no patterns"),
        (lambda: spherical_volume(EASY, method="hit-and-run"), r"method: got 'hit-and-run'"),
        (lambda: sample_sphere(simulation.draw_problem(3, 15, 1, accepted=simulation.majority(3))), r"problem: got a machine of 3 units"),
        (lambda: spherical_volume(problem_of(np.ones((1, 4)))), r"N: got 4, takes an integer >= 6"),
    ],
)
def test_bad_input(call, line):
    with pytest.raises(ValueError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_memory_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(chains_module, "MAX_BYTES", 10**6)
    problem = simulation.draw_problem(400, 300, 1)
    for sampler in SAMPLERS.values():
        with pytest.raises(ValueError, match=r"GB of memory; takes at most"):
            sampler(problem, 10)
