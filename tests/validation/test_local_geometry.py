"""Solutions around references: the experiment against saddle points iterated here, and against wrong predictions."""

import functools
import json
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import log_ndtr

from validation import local_geometry

NODE = np.linspace(-8.5, 8.5, 103)
WEIGHT = np.exp(-(NODE**2) / 2) / np.sum(np.exp(-(NODE**2) / 2))
X, Z = NODE[:, None], NODE[None, :]
STEP = 1e-5  # of the central differences that stand for the saddle-point equations, exact to 1e-10
CONVERGED = 1e-7  # of the overlaps; entropies are stationary in them
TIES = 1e-6  # identities of the functionals at such saddle points


def log2cosh(h):
    return np.logaddexp(h, -h)


def gradient(function, at):
    point = np.array(at, dtype=float)
    steps = STEP * np.eye(point.size)
    return [(function(*(point + step)) - function(*(point - step))) / (2 * STEP) for step in steps]


def iterate(overlaps, update):
    """Damped iteration of the saddle-point equations, until they hold undamped."""
    point = np.array(overlaps, dtype=float)
    for _ in range(500):
        new, value = update(*point)
        if np.abs(new - point).max() < CONVERGED:
            return value
        point = (point + new) / 2
    raise AssertionError(f"no saddle point: {point}")


@functools.cache
def rs_binary(alpha, kappa):
    """(q, q_hat) of the binary perceptron at margin kappa."""

    def update(q):
        u = (kappa - np.sqrt(q) * NODE) / np.sqrt(1 - q)
        q_hat = alpha / (1 - q) * WEIGHT @ np.exp(-(u**2) - np.log(2 * np.pi) - 2 * log_ndtr(-u))
        return np.array([WEIGHT @ np.tanh(np.sqrt(q_hat) * NODE) ** 2]), (float(q), float(q_hat))

    return iterate([0.3], update)


@functools.cache
def rs_entropy(alpha, kappa=0.0):
    q, q_hat = rs_binary(alpha, kappa)
    pattern = WEIGHT @ log_ndtr((np.sqrt(q) * NODE - kappa) / np.sqrt(1 - q))
    return -q_hat * (1 - q) / 2 + WEIGHT @ log2cosh(np.sqrt(q_hat) * NODE) + alpha * pattern


@functools.cache
def franz_parisi(alpha, distance, reference_kappa=0.0):
    """S_FP around typical solutions, kappa = 0: extremum over (q, t) and conjugates at fixed p = 1 - 2d."""
    p, k = 1 - 2 * distance, reference_kappa
    Q, Q_hat = rs_binary(alpha, k)

    def pattern(q, t):
        gam = np.sqrt(q - t**2 / Q)
        b = (p - t) / gam
        field = np.sqrt(Q) * X - k
        tilt = log_ndtr((field + b * Z) / np.sqrt(1 - Q - b**2)) - log_ndtr(field / np.sqrt(1 - Q))
        return WEIGHT @ (np.exp(tilt) * log_ndtr((t / np.sqrt(Q) * X + gam * Z) / np.sqrt(1 - q))) @ WEIGHT

    def weight(q_hat, t_hat, p_hat):
        h = t_hat / np.sqrt(Q_hat) * X + np.sqrt(q_hat - t_hat**2 / Q_hat) * Z
        chance = {w: np.exp(-np.logaddexp(0, -2 * w * np.sqrt(Q_hat) * X)) for w in (1, -1)}
        return sum(WEIGHT @ (chance[w] * log2cosh(h + (p_hat - t_hat) * w)) @ WEIGHT for w in (1, -1))

    def update(q, t):
        dq, dt = gradient(pattern, (q, t))
        q_hat, t_hat = -2 * alpha * dq, -alpha * dt
        p_hat = brentq(lambda h: gradient(lambda x: weight(q_hat, t_hat, x), [h])[0] - p, -8, 8, xtol=1e-10)
        dq, dt, _ = gradient(weight, (q_hat, t_hat, p_hat))
        entropy = weight(q_hat, t_hat, p_hat) + alpha * pattern(q, t) - q_hat / 2 * (1 - q) - p_hat * p + t_hat * t
        return np.array([1 - 2 * dq, -dt]), entropy

    return iterate([p**2 + 0.1 * (1 - p**2), Q * (p + 0.1 * (1 - p))], update)


@functools.cache
def local_entropy(alpha, distance, y):
    """(S_I, S_E) around all configurations, kappa = 0, y > 1: extremum over (q1, q0) and conjugates at p = 1 - 2d."""
    p = 1 - 2 * distance

    def pattern(q1, q0, power=y):
        f = log_ndtr((np.sqrt(q0) * X + np.sqrt(q1 - q0) * Z) / np.sqrt(1 - q1))
        return WEIGHT @ np.log(np.exp(power * f) @ WEIGHT)

    def weight(q1_hat, q0_hat, p_hat, power=y):
        h = np.sqrt(q0_hat) * X + np.sqrt(q1_hat - q0_hat) * Z
        return WEIGHT @ np.log(sum(np.exp(power * log2cosh(h + p_hat * w)) @ WEIGHT for w in (1, -1)))

    def phi(power, q1, q0, q1_hat, q0_hat, p_hat):
        quadratic = power**2 / 2 * q0_hat * q0 - power * (power - 1) / 2 * q1_hat * q1 - power / 2 * q1_hat
        sums = weight(q1_hat, q0_hat, p_hat, power) + alpha * pattern(q1, q0, power)
        return quadratic - power * p_hat * p + sums

    def update(q1, q0):
        d1, d0 = gradient(pattern, (q1, q0))
        hats = 2 * alpha / (y * (y - 1)) * d1, -2 * alpha / y**2 * d0
        p_hat = brentq(lambda h: gradient(lambda x: weight(*hats, x), [h])[0] / y - p, -1, 8, xtol=1e-10)
        d1, d0, _ = gradient(weight, (*hats, p_hat))
        new = np.array([(2 * d1 - y) / (y * (y - 1)), -2 / y**2 * d0])
        (internal,) = gradient(lambda power: phi(power, q1, q0, *hats, p_hat), [y])
        return new, (internal, phi(y, q1, q0, *hats, p_hat) - y * internal)

    return iterate([p**2 + 0.1 * (1 - p**2), p**2 / 2], update)


def H2(d):
    return -d * math.log(d) - (1 - d) * math.log(1 - d)


def test_the_saddle_points_hold_known_limits():
    """Around a typical solution the most are at the typical distance, S_0 of them; y = 1 has phi = S_0 + H2(d)."""
    q = rs_binary(0.25, 0.0)[0]
    S_0 = rs_entropy(0.25)
    beside = [franz_parisi(0.25, (1 - q) / 2 + step) for step in (-0.02, 0.02)]
    # a maximum of curvature about -4: 0.02^2 * 4/2 below S_0 on either side
    assert all(0 < S_0 - entropy < 2e-3 for entropy in beside)
    S_I, S_E = local_entropy(0.25, 0.25, 1.0001)
    phi = S_E + 1.0001 * S_I
    assert phi - 1e-4 * S_I == pytest.approx(S_0 + H2(0.25), abs=TIES)


PLAN = local_geometry.cases(
    {12: 400, 16: 300, 20: 24}, {12: 400, 16: 300, 20: 24}, {12: 400, 15: 300, 18: 100}, {12: 100, 16: 30}
)
DRAW, DRAWN = local_geometry.draw, {}


def draw_once(case, N, samples, seed, progress):
    """One simulation serves every prediction that it is confronted with."""
    key = case.label, N, samples, seed
    if key not in DRAWN:
        DRAWN[key] = DRAW(case, N, samples, seed, progress)
    return DRAWN[key]


def run(monkeypatch, factor):
    def shells(alpha, distances, reference_kappa):
        return factor * np.array([franz_parisi(alpha, float(d), reference_kappa) for d in distances])

    def local(alpha, distances, y):
        return factor * np.array([local_entropy(alpha, float(d), y) for d in distances]).T

    monkeypatch.setattr(local_geometry, "QUICK", PLAN)
    monkeypatch.setattr(local_geometry, "CURVE", (local_geometry.CURVE[0], 16, 60))  # no D/N next to the singular d = (1 - q)/2
    monkeypatch.setattr(local_geometry, "draw", draw_once)
    monkeypatch.setattr(local_geometry, "predicted_shells", shells)
    monkeypatch.setattr(local_geometry, "predicted_local", local)
    return local_geometry.run(quick=True, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.05, False), (0.95, False)])
def test_experiment(monkeypatch, factor, agrees):
    result = run(monkeypatch, factor)
    assert json.dumps(result.to_dict())
    assert result.agrees is agrees, [row for row in result.rows if row.agrees is not agrees]
    assert sum(row.label.startswith("S_FP") for row in result.rows) == 4
    assert sum(row.label.startswith("S_I") for row in result.rows) == 3
    assert all(row.stderr < 0.02 * row.predicted for row in result.rows)
    if not agrees:
        assert not any(row.agrees for row in result.rows if row.label.startswith("S_FP"))
    assert all(len(column) == len(result.data["N"]) for column in result.data.values())
    assert set(zip(result.data["N"], result.data["P"], result.data["D"])) >= {(16, 8, 4), (18, 6, 6), (20, 5, 10)}
    for curve in result.series:
        assert len(curve.x) == len(curve.y) == len(curve.yerr) > 0


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="N: got 14, takes sizes where alpha N = 7/2 and d N = 7/2 are integers"):
        PLAN[0].numbers(14)


def test_empty_space_is_what_binomials_miss():
    assert local_geometry.empty_space(20, 5) == pytest.approx(math.log(15504) / 20 - H2(0.25))
    assert local_geometry.empty_space(20, 0) == local_geometry.empty_space(20, 20) == 0


def test_first_moments_by_all_pairs():
    """E sum N_D^2 from the definition: triples w~, W, W' at distance D, D and k."""
    N, P, D = 7, 3, 2
    codes = np.arange(2**N)
    distance = np.bitwise_count(codes[:, None] ^ codes).astype(int)
    near = (distance == D).astype(float)
    both = 0.25 + np.arcsin(1 - 2 * distance / N) / (2 * np.pi)
    Z, squares = local_geometry.first_moments(N, P, D)
    assert Z == 2 ** (N - P)
    assert squares == pytest.approx(np.sum((near.T @ near) * both**P), rel=1e-12)


def test_first_moments_of_samples():
    """The controls have mean 0 within their standard errors, and correlate with the entropies."""
    drawn = draw_once(PLAN[0], 12, 400, 2, None)
    mean, stderr = drawn.controls.mean(axis=0), drawn.controls.std(axis=0, ddof=1) / 20
    assert np.all(np.abs(mean) < 4 * stderr) and np.all(stderr < 0.05)
    for values in (drawn.shells[0.0][:, 0], drawn.local[2.0][:, 0]):
        plain = values.std(ddof=1) / 20
        assert local_geometry.controlled_mean(values, drawn.controls)[1] < 0.5 * plain


def test_controlled_mean_is_calibrated():
    rng = np.random.default_rng(0)
    pulls = []
    for _ in range(400):
        controls = rng.standard_normal((60, 2))
        values = 1.5 + controls @ [2.0, -1.0] + 0.3 * rng.standard_normal(60)
        mean, stderr = local_geometry.controlled_mean(values, controls)
        pulls.append((mean - 1.5) / stderr)
    assert stderr == pytest.approx(0.3 / np.sqrt(60), rel=0.4)
    assert abs(np.mean(pulls)) < 0.2 and abs(np.std(pulls) - 1) < 0.1
    with pytest.raises(ValueError, match="samples: got 5 with solutions, takes at least 20"):
        local_geometry.controlled_mean(values[:5], controls[:5])


def test_granularity_of_poisson_numbers():
    """At y = 2 exactly, E n^2 = lam^2 + lam; E log n from the distribution."""
    lam = 200.0
    n = np.arange(1, 600)
    logs = np.cumsum(np.log(n))
    chance = np.exp(n * np.log(lam) - lam - logs)
    quantities = {"S_FP": chance @ np.log(n) - np.log(lam)}
    for y in (2.0, 3.0):
        weight = chance * n**y
        S_I = weight @ np.log(n) / weight.sum()
        quantities["S_I"], quantities["S_E"] = S_I - np.log(lam), np.log(weight.sum()) - y * S_I
        for name, value in quantities.items():
            assert value == pytest.approx(local_geometry.granularity(name, y) / lam, rel=5 / lam)


def test_set_aside_enters_the_error_and_poor_sizes_are_not_used():
    rng = np.random.default_rng(1)
    controls, empty = rng.standard_normal((400, 2)), np.full(400, 0.005)
    values = 0.4 + 0.01 * rng.standard_normal(400)
    plain = local_geometry.at_size(values, controls, 0.1, np.zeros(400), 0.0)
    assert plain.value == pytest.approx(0.3, abs=0.002) and plain.usable and plain.without == 0
    values[:2] = np.nan
    size = local_geometry.at_size(values, controls, 0.1, empty, 0.003)
    assert size.without == 2 and size.usable
    expected = math.hypot(plain.stderr, (0.005 + 2 / 400) * 0.4, 0.003)
    assert size.stderr == pytest.approx(expected, rel=0.02)
    assert not local_geometry.at_size(values, controls, 0.1, np.full(400, 0.02), 0.0).usable
    values[:8] = np.nan
    assert not local_geometry.at_size(values, controls, 0.1, np.zeros(400), 0.0).usable
