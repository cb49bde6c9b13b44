"""Landscape of the tree committee: exact counts on great circles, paths of solutions, exact second derivatives, flatness, typical solutions."""

import math
from itertools import pairwise, product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas import simulation
from replicas.simulation import landscape
from replicas.simulation.algorithms.committee import cross_entropy, downhill
from replicas.simulation.inference import _memory
from replicas.simulation.landscape import curvature, geometry, paths, typical
from replicas.simulation.samplers import chains

DIFFERENCES = 1e-6  # relative, of central differences with steps of 1e-4 in double precision
EXACT = 1e-12  # relative, rounding


def problem(P, N, sample=0, K=3, kind="gaussian"):
    return simulation.draw_problem(P, N, 3, sample, patterns=kind, accepted=simulation.majority(K))


def random_units(rng, K, n):
    W = rng.standard_normal((K, n))
    return W * math.sqrt(n) / np.linalg.norm(W, axis=1, keepdims=True)


def points_of(drawn):
    K = drawn.architecture.K
    return drawn.gauged().astype(float).reshape(-1, K, drawn.N // K)


@pytest.fixture(scope="module")
def solved():
    """A problem at alpha = 0.8 and two solutions that SGD finds."""
    drawn = problem(96, 120, kind="binary")
    runs = [simulation.run(drawn, "committee-sgd", s, 300) for s in range(2)]
    assert all(run.solved for run in runs)
    return drawn, [run.weights for run in runs]


# great circles


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 5]), st.integers(2, 9), st.integers(0, 40))
def test_most_errors_on_a_circle_are_those_of_a_fine_grid(seed, K, n, P):
    rng = np.random.default_rng(seed)
    drawn = problem(P, K * n, seed, K)
    W, V = random_units(rng, K, n), random_units(rng, K, n)
    line = landscape.errors_on_line(drawn, W.ravel(), V.ravel(), 2001)
    # independent: plain NumPy, by the definition, and straight from the problem at the ends
    theta = np.arccos(np.sum(W * V, axis=1) / n)[:, None]
    s = np.linspace(0, 1, 2001)[:, None, None]
    circle = (np.sin((1 - s) * theta) * W + np.sin(s * theta) * V) / np.sin(theta)
    fields = np.einsum("mji,sji->smj", points_of(drawn), circle)
    errors = np.sum(np.sum(fields > 0, axis=2) * 2 < K, axis=1)
    assert np.array_equal(errors, line.errors) and line.errors[0] == drawn.unsatisfied(W.ravel()) and line.errors[-1] == drawn.unsatisfied(V.ravel())
    # between two points of the grid as many patterns as cross there may be violated besides
    assert errors.max() <= line.most <= errors.max() + K * P / 20 + 2
    if line.most > errors[0]:
        geometry.great_circle(W, V, line.where + 1e-9, circle[0])
        assert drawn.unsatisfied(circle[0].ravel()) == line.most


def test_the_maximum_is_not_that_of_points_tried():
    """One pattern that is violated on one part in 10^4 of the circle."""
    drawn = simulation.Problem(np.array([[1.0, 0.0, 0.0, 1.0, 1.0, 0.0]]), np.array([1], np.int8), machine=simulation.majority(3))
    # unit 1 loses its field just before unit 2 gains one; unit 3 is positive throughout
    e = 1e-4
    W, V = np.array([1, 1 + e, 1, -1 - e, 1, 0]), np.array([-1, 1, 1, 1.0, 1, 0])
    line = landscape.errors_on_line(drawn, W, V, 10)
    assert line.errors.max() == 0 and line.most == 1 and 0.499 < line.where < 0.501


def test_circle_keeps_the_norms_and_the_pace():
    rng = np.random.default_rng(1)
    W, V = random_units(rng, 3, 20), random_units(rng, 3, 20)
    at = np.empty_like(W)
    for s in (0.0, 0.3, 1.0):
        geometry.great_circle(W, V, s, at)
        assert np.allclose(np.sum(at**2, axis=1), 20, rtol=EXACT)
        assert geometry.distance(W, at) == pytest.approx(s * geometry.distance(W, V), abs=1e-7)
    geometry.great_circle(W, W, 0.4, at)
    assert np.array_equal(at, W)


# paths


def test_a_path_is_made_of_solutions(solved):
    drawn, (W, V) = solved
    path = landscape.find_path(drawn, W, V)
    assert path.connected and path.most == 0 and path.straight > 0 and "connected" in str(path) and "<table" in path._repr_html_()
    assert np.allclose(path.chain[0], W) and np.allclose(path.chain[-1], V)
    for first, second in pairwise(path.chain):
        assert drawn.unsatisfied(first) == 0
        assert np.all(landscape.errors_on_line(drawn, first, second, 200).errors == 0)  # counted afresh, point by point
    lengths = [np.sqrt(np.mean(np.arccos(np.clip(np.sum((a * b).reshape(3, -1), axis=1) / 40, -1, 1)) ** 2)) for a, b in pairwise(path.chain)]
    assert path.length == pytest.approx(sum(lengths)) and path.length > path.straight_length
    again = landscape.find_path(drawn, W, V)
    assert np.array_equal(path.chain, again.chain)  # no random numbers


def test_a_convex_set_of_solutions_is_connected_by_its_circle():
    drawn = problem(30, 40, K=1)  # perceptron: solutions form a convex cone
    W, V = (simulation.run(drawn, "committee-sgd", s, 400).weights for s in range(2))
    path = landscape.find_path(drawn, W, V)
    assert path.connected and len(path.chain) == 2 and path.straight == 0 and path.gradients == 0


def test_corners_of_one_site_a_branch_have_no_path_between_them():
    """n = 1: weights are signs, and no great circle leaves a corner."""
    drawn = simulation.Problem(np.array([[1.0, 1.0, 1.0]]), np.array([1], np.int8), machine=simulation.majority(3))
    with pytest.raises(ValueError, match="end: got unit 3 opposite"):
        landscape.find_path(drawn, [1.0, 1.0, 1.0], [1.0, 1.0, -1.0])


def components(drawn):
    """n = 2: solutions by connected component, exactly, one from every box of the three circles' arcs between two sign changes of a field."""
    xi = points_of(drawn)
    P = len(xi)
    normals = np.sort(np.mod(np.arctan2(xi[:, :, 1], xi[:, :, 0])[None] + np.array([[[1.0]], [[-1.0]]]) * math.pi / 2, 2 * math.pi).reshape(2 * P, 3), axis=0)
    middles = (normals + np.where(np.roll(normals, -1, axis=0) < normals, np.roll(normals, -1, axis=0) + 2 * math.pi, np.roll(normals, -1, axis=0))) / 2
    W = np.stack([np.cos(middles), np.sin(middles)], axis=2) * math.sqrt(2)  # (arc, unit, site)
    up = np.einsum("mji,aji->ajm", xi, W) > 0
    left, found = set(), []
    for box in product(range(2 * P), repeat=3):
        if np.all(np.sum([up[box[j], j] for j in range(3)], axis=0) >= 2):
            left.add(box)
    while left:
        part, front = [], [left.pop()]
        while front:
            box = front.pop()
            part.append(np.concatenate([W[box[j], j] for j in range(3)]))
            for j, step in product(range(3), (1, -1)):
                beside = tuple((box[k] + step) % (2 * P) if k == j else box[k] for k in range(3))
                if beside in left:
                    left.remove(beside)
                    front.append(beside)
        found.append(part)
    return sorted(found, key=len)


def test_paths_within_components_and_none_between_them():
    """Three circles: every path found is within a component, and most pairs of a component are connected."""
    rng = np.random.default_rng(0)
    within, across = [], 0

    def pick(part):  # off the middle of an arc, whose opposite is the middle of another one
        return part[rng.integers(len(part))] + 1e-3 * rng.standard_normal(6)

    for sample in range(12):
        drawn = problem(7, 6, sample)
        parts = components(drawn)
        assert all(drawn.unsatisfied(W) == 0 for part in parts for W in part)
        for first, second in pairwise(parts):
            W, V = pick(first), pick(second)
            assert not landscape.find_path(drawn, W, V, beads=8, sweeps=100, budget=3000).connected
            across += 1
        if parts and len(parts[-1]) > 1:
            W, V = pick(parts[-1]), pick(parts[-1])
            within.append(landscape.find_path(drawn, W, V, beads=8, sweeps=100, budget=3000).connected)
    assert across >= 5 and len(within) >= 5 and np.mean(within) > 0.6


def test_a_hard_pair_is_reported_stuck_or_out_of_budget(solved):
    drawn, (W, V) = solved
    late = landscape.find_path(drawn, W, V, budget=150)
    assert late.status == "budget" and len(late.chain) > 2 and late.errors.max() == 0 and np.sum(late.between > 0) == 1  # the trails until then
    short = landscape.find_path(drawn, W, V, budget=5)
    assert short.status == "budget" and not short.connected and short.most > 0 and short.between.max() == short.most
    asked = landscape.find_path(drawn, W, V, stop=lambda: True)
    assert asked.status == "interrupted" and asked.most > 0

    def cut(done, total):
        raise KeyboardInterrupt

    assert landscape.find_path(drawn, W, V, progress=cut).status == "interrupted"
    calls = []
    landscape.find_path(drawn, W, V, progress=lambda done, total: calls.append((done, total)))
    assert calls and all(0 < done <= total for done, total in calls)


def test_one_sweep_of_the_chain_is_its_equation():
    rng = np.random.default_rng(5)
    drawn = problem(20, 30)
    xi, n = points_of(drawn), 10
    chain = np.array([random_units(rng, 3, n) for _ in range(5)])
    beta, gamma, rate, pull = 1.3, 2.0, 0.2, 0.25
    expected = chain.copy()
    for b in range(1, 4):
        fields = np.einsum("mji,ji->mj", xi, expected[b]) / math.sqrt(n)
        T = np.tanh(beta * fields)
        p = 1 / (1 + np.exp(2 * gamma * T.sum(axis=1) / math.sqrt(3)))
        slope = np.einsum("mj,mji->ji", (-p[:, None] * beta * (1 - T**2)) / math.sqrt(3), xi) / math.sqrt(n)
        moved = expected[b] - rate * slope + pull * (expected[b - 1] + expected[b + 1] - 2 * expected[b])
        expected[b] = moved * math.sqrt(n) / np.linalg.norm(moved, axis=1, keepdims=True)
    paths.relax(xi, np.arange(20), chain, beta, gamma, rate, pull, 1)
    assert np.allclose(chain, expected, rtol=1e-10)


def test_the_chain_alone_connects_too(solved):
    drawn, (W, V) = solved
    search = paths._Search(points_of(drawn), (3 * math.sqrt(3), 4.0), 0.3, 50000, None, None)
    K, n = 3, drawn.N // 3
    met = paths._through_chain(search, W.reshape(K, n), V.reshape(K, n), 20, 300, 0.3)
    chain = search.chain
    assert met
    assert len(chain) > 5 and np.allclose(chain[0].ravel(), W) and np.allclose(chain[-1].ravel(), V)
    spent = paths._Search(search.points, (3 * math.sqrt(3), 4.0), 0.3, 19 * 10 + 30, None, None)  # until walkers close the gaps
    with pytest.raises(paths._Spent):
        paths._through_chain(spent, W.reshape(K, n), V.reshape(K, n), 20, 10, 0.3)
    assert np.allclose(spent.chain[0].ravel(), W) and np.allclose(spent.chain[-1].ravel(), V)
    assert all(drawn.unsatisfied(bead.ravel()) == 0 for bead in chain)
    assert met == all(search.circle(a, b) == 0 for a, b in pairwise(chain))


# curvature


@pytest.mark.parametrize("K", [1, 3, 5])
def test_field_derivatives_are_those_of_mpmath(K):
    rng = np.random.default_rng(K)
    beta, gamma = 1.7, 2.3
    h = rng.normal(size=K)
    first, second = curvature.field_derivatives(h[None], beta, gamma)

    def loss(*fields):
        o = sum(mpmath.tanh(beta * x) for x in fields) / mpmath.sqrt(K)
        return mpmath.log1p(mpmath.exp(-2 * gamma * o)) / (2 * gamma)

    with mpmath.workdps(40):
        for j in range(K):
            orders = [int(i == j) for i in range(K)]
            assert first[0, j] == pytest.approx(float(mpmath.diff(loss, tuple(h), tuple(orders))), rel=1e-11, abs=1e-13)
            for k in range(K):
                both = [int(i == j) + int(i == k) for i in range(K)]
                assert second[0, j, k] == pytest.approx(float(mpmath.diff(loss, tuple(h), tuple(both))), rel=1e-10, abs=1e-12)


def test_derivatives_are_those_of_the_algorithms_loss():
    rng = np.random.default_rng(2)
    xi, W = rng.standard_normal((15, 3, 8)), random_units(rng, 3, 8)
    slope = np.empty_like(W)
    downhill(xi, np.arange(15), W, 1.1, 2.0, slope)
    first, _ = curvature.field_derivatives(geometry.unit_fields(xi, W), 1.1, 2.0)
    assert np.allclose(np.einsum("mj,mji->ji", first, xi) / math.sqrt(8), -slope, rtol=1e-12)


@pytest.mark.parametrize("K", [1, 3, 5])
def test_flat_hessian_is_that_of_finite_differences(K):
    rng = np.random.default_rng(K)
    n, P = 6, 25
    drawn = problem(P, K * n, K=K)
    xi, W = points_of(drawn), random_units(rng, K, n)
    exact = landscape.hessian(drawn, W.ravel(), 1.2, 1.5, "flat")
    step = 1e-4
    columns = []
    for i in range(K * n):
        slopes = []
        for sign in (1, -1):
            moved, slope = W.ravel().copy(), np.empty_like(W)
            moved[i] += sign * step
            downhill(xi, np.arange(P), moved.reshape(K, n), 1.2, 1.5, slope)
            slopes.append(-slope.ravel())
        columns.append((slopes[0] - slopes[1]) / (2 * step))
    assert np.allclose(exact, np.array(columns), atol=DIFFERENCES * np.abs(exact).max()) and np.allclose(exact, exact.T, rtol=EXACT, atol=EXACT)


def test_curvature_along_great_circles():
    """v^T Hess v is the second derivative along the circle that starts with v: the radial force is in it."""
    rng = np.random.default_rng(9)
    K, n, P = 3, 7, 30
    drawn = problem(P, K * n)
    xi, W = points_of(drawn), random_units(rng, K, n)
    matrix = landscape.hessian(drawn, W.ravel(), 1.4, 2.0)
    assert matrix.shape == (K * (n - 1),) * 2
    bases = [curvature._tangent(w) for w in W]
    for w, B in zip(W, bases):
        assert np.allclose(B.T @ B, np.eye(n - 1), atol=1e-14) and np.allclose(w @ B, 0, atol=1e-13)
    x = rng.standard_normal((K, n - 1))
    v = np.array([B @ part for B, part in zip(bases, x)])

    def loss(t):
        speed = np.linalg.norm(v, axis=1, keepdims=True)
        angle = t * speed / math.sqrt(n)
        return cross_entropy(xi, np.cos(angle) * W + np.sin(angle) * math.sqrt(n) * v / speed, 1.4, 2.0)

    step = 1e-3  # five points: error of the order step^4, rounding 1e-16/step^2
    difference = (-loss(2 * step) + 16 * loss(step) - 30 * loss(0.0) + 16 * loss(-step) - loss(-2 * step)) / (12 * step**2)
    assert x.ravel() @ matrix @ x.ravel() == pytest.approx(difference, rel=1e-6)


def test_spectrum_and_its_invariance():
    rng = np.random.default_rng(4)
    K, n, P = 3, 8, 40
    drawn = problem(P, K * n)
    W = random_units(rng, K, n)
    found = landscape.hessian_spectrum(drawn, W.ravel())
    assert found.eigenvalues.size == K * (n - 1) and found.trace == pytest.approx(found.eigenvalues.sum(), rel=1e-10)
    assert found.smallest <= found.largest and found.errors == drawn.unsatisfied(W.ravel()) and "eigenvalues" in str(found)
    assert found.negative == np.mean(found.eigenvalues < 0)
    # the same rotation of the sites of one branch in patterns and weights changes nothing; nor does the length of a unit
    Q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    xi = points_of(drawn).copy()
    xi[:, 1] = xi[:, 1] @ Q.T
    turned = simulation.Problem(xi.reshape(P, -1), np.ones(P, np.int8), machine=simulation.majority(K))
    V = W.copy()
    V[1] = 3 * Q @ V[1]
    assert np.allclose(landscape.hessian_spectrum(turned, V.ravel()).eigenvalues, found.eigenvalues, atol=1e-9 * found.largest)


def test_spectra_along_a_path(solved):
    drawn, (W, V) = solved
    path = landscape.find_path(drawn, W, V)
    calls = []
    found = landscape.spectra(drawn, path.chain[::5], progress=lambda done, total: calls.append(done))
    assert len(found) == len(path.chain[::5]) == calls[-1] and all(s.errors == 0 for s in found)
    assert np.array_equal(found[0].eigenvalues, landscape.hessian_spectrum(drawn, path.chain[0]).eigenvalues)
    # the path's first bead is W normalised once more: the last bits
    np.testing.assert_allclose(found[0].eigenvalues, landscape.hessian_spectrum(drawn, W).eigenvalues, atol=1e-12 * found[0].largest)
    assert landscape.spectra(drawn, path.chain, stop=lambda: True) == ()


# flatness


def test_small_perturbations_cost_the_trace(solved):
    drawn, (W, _) = solved
    size = 1e-3
    found = landscape.flatness(drawn, W, (size,), 2000, 1, beta=1.0)
    theta, n = 2 * math.asin(size / 2), drawn.N // 3
    trace = landscape.hessian_spectrum(drawn, W, beta=1.0).trace
    assert abs(found.increase[0] * drawn.P - theta**2 / 2 * n / (n - 1) * trace) < 4 * found.increase_stderr[0] * drawn.P
    assert found.base_errors == 0


def test_far_away_nothing_is_left():
    """At distance sqrt(2) W' is independent of W: half of the patterns are violated; at 2 W' = -W and all of them."""
    drawn = problem(200, 300)
    W = np.random.default_rng(0).standard_normal(300)
    found = landscape.flatness(drawn, W, (0.0, math.sqrt(2), 2.0), 200, 3)
    assert found.errors[0] == pytest.approx(found.base_errors) and found.increase[0] == pytest.approx(0, abs=1e-12)
    assert found.base_errors == drawn.unsatisfied(W) / 200
    assert abs(found.errors[1] - 0.5) < 5 * found.errors_stderr[1] + 5 * 0.5 / math.sqrt(200 * 300)
    assert found.errors[2] == pytest.approx(1 - found.base_errors)
    assert "flatness" in str(found) and "<table" in found._repr_html_()


def test_flatness_by_hand():
    drawn = problem(30, 24)
    W = random_units(np.random.default_rng(8), 3, 8)
    found = landscape.flatness(drawn, W.ravel(), (0.3, 1.0), 50, np.random.default_rng(6))
    rng, xi, table = np.random.default_rng(6), points_of(drawn), []
    for _ in range(50):
        v = rng.standard_normal((3, 8))
        v -= np.sum(v * W, axis=1, keepdims=True) / 8 * W
        v *= math.sqrt(8) / np.linalg.norm(v, axis=1, keepdims=True)
        row = []
        for size in (0.3, 1.0):
            theta = 2 * math.asin(size / 2)
            moved = math.cos(theta) * W + math.sin(theta) * v
            assert np.linalg.norm(moved - W) == pytest.approx(size * np.linalg.norm(W))
            row.append((drawn.unsatisfied(moved.ravel()) / 30, cross_entropy(xi, moved, 3 * math.sqrt(3), 4.0) / 30))
        table.append(row)
    mean = np.mean(table, axis=0)
    assert np.allclose(found.errors, mean[:, 0]) and np.allclose(found.increase + found.base_loss, mean[:, 1])
    stopped = landscape.flatness(drawn, W.ravel(), (0.3,), 50, 1, stop=lambda: True)
    assert stopped.interrupted and stopped.directions == 0 and np.isnan(stopped.errors[0])


# typical solutions


def test_typical_solutions_without_patterns_in_the_way():
    """One pattern: a solution's field has the law of two of three positive; second moments of weights are those of the sphere."""
    drawn = problem(1, 12)
    start = np.sign(drawn.patterns[0])
    found = landscape.sample_committee(drawn, np.array([start, start]), 6000, 2, interval=3)
    fields = np.einsum("crji,ji->crj", found.weights.reshape(2, -1, 3, 4), points_of(drawn)[0]) / np.linalg.norm(points_of(drawn)[0], axis=1) / 2
    positive = np.sum(fields > 0, axis=2)
    assert positive.min() == 2
    share = np.mean(positive == 3)  # of four equally likely sign patterns, one has all fields positive
    assert abs(share - 0.25) < 0.03
    # each unit on its own: cos^2 of a random angle in 4 dimensions has mean 1/4
    assert abs(np.mean(fields**2) - 0.25) < 0.01
    assert np.allclose(np.sum(found.weights.reshape(2, -1, 3, 4) ** 2, axis=3), 4)


def test_typical_solutions_against_rejection():
    """Overlap of two uniform solutions, N = 12, against independent draws from the whole sphere."""
    drawn = problem(6, 12, 2)
    rng = np.random.default_rng(0)
    W = rng.standard_normal((200000, 3, 4))
    W *= 2 / np.linalg.norm(W, axis=2, keepdims=True)
    right = np.all(np.sum(np.einsum("mji,sji->smj", points_of(drawn), W) > 0, axis=2) >= 2, axis=1)
    solutions = W[right].reshape(-1, 12)
    expected = np.sum(solutions.mean(axis=0) ** 2) / 12
    found = landscape.sample_committee(drawn, solutions[:2], 4000, 1, interval=5)
    assert found.equilibrated and abs(found["overlap"].mean - expected) < 5 * found["overlap"].stderr + 0.01
    assert all(drawn.unsatisfied(w) == 0 for w in found.weights[:, ::500].reshape(-1, 12))
    # one start for all chains, so that chains cut off from each other differ
    assert np.allclose(found["overlap with the start"].values, found.weights @ solutions[0] / 12)


def test_fields_in_place_are_fields_afresh():
    drawn = problem(40, 60)
    run = simulation.run(drawn, "committee-sgd", 0, 300)
    xi, W = points_of(drawn), geometry.as_units("W", run.weights, drawn)
    columns = np.ascontiguousarray(xi.transpose(1, 2, 0)) / math.sqrt(20)
    fields = np.ascontiguousarray(geometry.unit_fields(xi, W).T)
    accepted = typical.turn_pairs(columns, W, fields, 0.3, 3, np.random.default_rng(1))
    assert 0 < accepted < 180 and np.allclose(fields.T, geometry.unit_fields(xi, W), atol=1e-10)


# bad input


def test_memory_is_asked_for_before_work(solved, monkeypatch):
    """Copies of the patterns in double precision: of a chain as of all of them; nothing is allocated before."""
    drawn, (W, V) = solved
    monkeypatch.setattr(chains, "MAX_BYTES", 8 * 96 * 120 * 3)
    assert landscape.sample_committee(drawn, W, 4, burn_in=0).records == 4
    monkeypatch.setattr(typical, "committee_points", None)
    with pytest.raises(ValueError, match=r"problem: got N = 120, P = 96 for 2 chains, which takes .* GB of memory; takes at most") as caught:
        landscape.sample_committee(drawn, np.array([W, V]), 4, burn_in=0)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(simulation.Problem, "gauged", None)
    monkeypatch.setattr(_memory, "available_bytes", lambda: 9.0 * 96 * 120 - 1)
    of_two, of_one = (landscape.find_path, landscape.errors_on_line), (landscape.flatness, landscape.hessian, landscape.sample_committee)
    for work, weights in [(work, (W, V)) for work in of_two] + [(work, (W,)) for work in of_one]:
        with pytest.raises(ValueError, match=r"N: got 120, which needs .* GB for the landscape of 96 patterns, takes what fits"):
            work(drawn, *weights)


def test_bad_input(solved):
    drawn, (W, V) = solved
    random = np.random.default_rng(0).standard_normal(drawn.N)
    with pytest.raises(ValueError, match=r"start: got weights that violate \d+ of 96 patterns, takes a solution"):
        landscape.find_path(drawn, random, V)
    with pytest.raises(ValueError, match="end: got weights that violate"):
        landscape.find_path(drawn, W, random)
    with pytest.raises(ValueError, match=r"end: got an array of shape \(60,\), takes shape \(120,\)"):
        landscape.find_path(drawn, W, V[:60])
    with pytest.raises(ValueError, match="start: got a unit that is zero"):
        landscape.errors_on_line(drawn, np.zeros(120), V)
    with pytest.raises(ValueError, match="opposite"):
        landscape.errors_on_line(drawn, W, -W)
    for wrong, name in (({"beads": 1}, "beads"), ({"pull": 0.7}, "pull"), ({"rate": 0}, "rate"), ({"beta": -1}, "beta"), ({"budget": 0}, "budget")):
        with pytest.raises(ValueError, match=f"^{name}: got"):
            landscape.find_path(drawn, W, V, **wrong)
    with pytest.raises(ValueError, match="space: got"):
        landscape.hessian(drawn, W, space="torus")
    with pytest.raises(ValueError, match="sizes: got"):
        landscape.flatness(drawn, W, (0.1, 3))
    with pytest.raises(ValueError, match="directions: got"):
        landscape.flatness(drawn, W, directions=1)
    with pytest.raises(ValueError, match="chain: got"):
        landscape.spectra(drawn, W)
    with pytest.raises(ValueError, match="start: got weights that violate"):
        landscape.sample_committee(drawn, random)
    with pytest.raises(ValueError, match="P: got 0"):
        landscape.sample_committee(problem(0, 12), np.ones(12))
    with pytest.raises(ValueError, match="problem: got another machine"):
        landscape.find_path(simulation.draw_problem(3, 9, 0, accepted=simulation.parity(3)), W, V)
    large = simulation.Problem(np.ones((1, 30000), np.int8), np.ones(1, np.int8), machine=simulation.majority(3))
    with pytest.raises(ValueError, match=r"problem: got N = 30000, takes N <= \d+ \(dense matrices of 20.1 GiB\)"):
        landscape.hessian_spectrum(large, np.ones(30000))
