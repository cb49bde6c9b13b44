"""The stochastic perceptron: limits, independent evaluations, difference quotients, a simulation."""

import math
import time

import numpy as np
import pytest
from numba import njit
from scipy.special import log_ndtr, ndtr

import replicas as rp
from replicas.numerics.kernels import log_tail
from replicas.numerics.stochastic import pattern_table
from replicas.numerics.stochastic_sites import legendre
from replicas.theory.stochastic import saddle

BRUTE = 1e-9  # of uniform grids
QUOTIENT = 1e-7  # of difference quotients
POINTS = [(0.55, 20.0, 0.7), (0.55, 20.0, 0.9), (1.3, 2.0, 0.4), (0.3, 0.5, 0.2), (1.0, 30.0, 0.3)]


def normal(n, reach=9.0):
    """A uniform grid of a standard normal."""
    z = np.linspace(-reach, reach, n)
    w = np.exp(-(z**2) / 2)
    return z, w / w.sum()


def by_grids(alpha, beta, Q, q, q_hat, lam):
    """Free entropy, E and log-likelihood at given order parameters from uniform grids, as the formulas stand."""
    z, w = normal(401)
    edge = np.linspace(0, 1, 40)
    x, p = np.polynomial.legendre.leggauss(24)
    m = (edge[:-1, None] + np.diff(edge)[:, None] * (1 + x) / 2).ravel()
    p = np.tile(p / 2 * (edge[1] - edge[0]), edge.size - 1)
    m, p = np.concatenate([-m[::-1], m]), np.concatenate([p[::-1], p])
    exponent = np.sqrt(q_hat) * z[:, None] * m - lam * m**2 / 2
    top = exponent.max(axis=1, keepdims=True)
    site = p * np.exp(exponent - top)
    total = site.sum(axis=1)
    mean, sign, size = (site @ y / total for y in (m, np.sign(m), np.abs(m)))
    g = w @ (top[:, 0] + np.log(total))
    Q_s, t_s = w @ size, w @ (sign * mean)
    b_s = (Q_s - t_s) / math.sqrt(Q - q)
    nu, v = normal(4001, 35.0)  # the likelihood shifts the field by many of its widths
    u = math.sqrt(q) * z[:, None] + math.sqrt(Q - q) * nu
    logs = log_ndtr(u / math.sqrt(1 - Q))
    peak = (beta * logs + np.log(v)).max(axis=1, keepdims=True)
    weight = np.exp(beta * logs + np.log(v) - peak)
    mass = weight.sum(axis=1)
    pattern = w @ (np.log(mass) + peak[:, 0])
    phi = lam * Q / 2 - q_hat * (Q - q) / 2 + g + alpha * pattern
    of_sign = (t_s * z[:, None] / math.sqrt(q) + b_s * nu) / math.sqrt(1 - t_s**2 / q - b_s**2)
    energy, loglik = (w @ ((weight * y).sum(axis=1) / mass) for y in (ndtr(-of_sign), logs))
    return phi, energy, loglik, w @ mean**2, w @ (site @ m**2 / total), Q_s, pattern


@pytest.mark.parametrize("alpha, beta, q_star", POINTS)
def test_against_uniform_grids(alpha, beta, q_star):
    point = rp.solve(rp.StochasticPerceptron(q_star, beta), alpha)
    assert point.status == "converged" and point.residual < 1e-13
    phi, energy, loglik, q, Q, size, _ = by_grids(alpha, beta, q_star, point.q, point.q_hat, point.lam)
    assert phi == pytest.approx(point.free_entropy, abs=BRUTE)
    assert energy == pytest.approx(point.energy_binarised, abs=BRUTE)
    assert loglik == pytest.approx(point.log_likelihood, abs=BRUTE)
    assert (q, Q, size) == pytest.approx((point.q, q_star, point.mean_abs_m), abs=BRUTE)
    assert point.entropy == pytest.approx(phi - alpha * beta * loglik, abs=1e-7)


@pytest.mark.parametrize("alpha, beta, q_star", POINTS)
def test_derivatives_of_the_free_entropy(alpha, beta, q_star):
    """d phi/d beta = alpha <log-likelihood>, and alpha d phi/d alpha is the pattern term: what is left is stationary."""
    model = rp.StochasticPerceptron(q_star, beta)
    point, h = rp.solve(model, alpha), 1e-4
    up, down = rp.solve(model, alpha, beta=[beta * (1 + h), beta * (1 - h)]).free_entropy
    assert (up - down) / (2 * h * beta) == pytest.approx(alpha * point.log_likelihood, abs=QUOTIENT)
    pattern = by_grids(alpha, beta, q_star, point.q, point.q_hat, point.lam)[-1]
    up, down = rp.solve(model, [alpha * (1 + h), alpha * (1 - h)]).free_entropy
    assert (up - down) / (2 * h * alpha) == pytest.approx(pattern, abs=100 * QUOTIENT)


@pytest.mark.parametrize("alpha", [0.3, 0.7])
def test_magnetizations_near_one_are_the_binary_perceptron(alpha):
    """At beta = 1 its pattern side is the binary one exactly, f = log H(-omega/sqrt(1 - q)); the rest is of order 1 - q_star."""
    binary = rp.solve(rp.Perceptron("binary"), alpha)
    short = np.array([4e-4, 2e-4, 1e-4])
    found = rp.solve(rp.StochasticPerceptron(1 - short, 1.0), alpha)
    shifted = found.free_entropy - np.log(math.e * short / 2)  # the measure of two intervals next to -1 and 1
    for values, want in ((shifted, binary.free_entropy), (found.q, binary.q), (found.q_hat, binary.q_hat), (found.replicon, binary.replicon)):
        gap = values - want
        assert abs(gap[2]) < 2e-3 * max(1.0, abs(want))
        assert gap[1] / gap[2] == pytest.approx(2, rel=0.02) and gap[0] / gap[1] == pytest.approx(2, rel=0.02)
        assert 2 * values[2] - values[1] == pytest.approx(want, abs=1e-5)


def test_a_likelihood_of_binary_weights_is_a_hard_constraint_with_a_margin_that_vanishes():
    """At any beta the limit q_star -> 1 is the binary perceptron with kappa = 0, approached like sqrt(1 - q_star)."""
    binary = rp.solve(rp.Perceptron("binary"), 0.5)
    short = np.array([4e-5, 1e-5])
    found = rp.solve(rp.StochasticPerceptron(1 - short, 8.0), 0.5)
    shifted = found.free_entropy - np.log(math.e * short / 2)
    assert abs(shifted[0] - binary.free_entropy) > 2e-3
    assert 2 * shifted[1] - shifted[0] == pytest.approx(binary.free_entropy, abs=3e-4)
    assert np.all(found.energy_binarised < 1e-3)


@pytest.mark.parametrize("q_star", [0.01, 1 / 3, 0.5, 0.999])
def test_without_likelihood_patterns_are_not_seen(q_star):
    model = rp.StochasticPerceptron(q_star, 0.0)
    point, empty = rp.solve(model, 0.8), rp.solve(model, 0.0)
    assert point.q == point.q_hat == 0 and point.replicon == pytest.approx(1, abs=1e-14)
    assert point.energy_binarised == pytest.approx(0.5, abs=1e-13)
    assert point.free_entropy == pytest.approx(empty.free_entropy, abs=1e-13)
    z, w = normal(4001)
    assert point.log_likelihood == pytest.approx(w @ log_ndtr(z * math.sqrt(q_star / (1 - q_star))), rel=1e-12)
    if q_star == 1 / 3:
        assert point.lam == pytest.approx(0, abs=1e-13) and point.free_entropy == pytest.approx(math.log(2), abs=1e-14)


@pytest.mark.parametrize("beta", [1e-3, 20.0])
def test_faint_loads_join_the_state_without_patterns(beta):
    model = rp.StochasticPerceptron(0.6, beta)
    none, faint = rp.solve(model, 0.0), rp.solve(model, 1e-7)
    for name in ("free_entropy", "energy_binarised", "log_likelihood", "mean_abs_m", "lam"):
        assert getattr(faint, name) == pytest.approx(getattr(none, name), abs=1e-5)
    assert faint.q == pytest.approx(1e-7 * rp.solve(model, 1e-6).q / 1e-6, rel=1e-4) and faint.q > 0
    weak = rp.solve(rp.StochasticPerceptron(0.6, 1e-7), 0.5)
    assert weak.energy_binarised == pytest.approx(0.5, abs=1e-6)


def test_errors_cover_the_change_of_a_finer_rule(monkeypatch):
    from replicas.theory import stochastic

    coarse = [saddle(*p) for p in POINTS]
    monkeypatch.setattr(stochastic, "COARSE", stochastic.FINE)
    monkeypatch.setattr(stochastic, "FINE", (30, 0.6))
    for one, other in zip(coarse, (saddle(*p) for p in POINTS), strict=True):
        for name, error in one.error.items():
            assert abs(one.number[name] - other.number[name]) <= 3 * error, name
            assert error < 1e-9 * max(1.0, abs(one.number[name]))


@pytest.mark.parametrize("alpha, beta, q_star", [(0.55, 200.0, 0.999), (0.55, 200.0, 0.01), (10.0, 50.0, 0.9), (0.01, 0.01, 0.01)])
def test_corners(alpha, beta, q_star):
    point = rp.solve(rp.StochasticPerceptron(q_star, beta), alpha)
    assert point.status == "converged" and point.residual < 1e-12
    assert 0 < point.q < q_star and 0 <= point.energy_binarised < 0.5 and point.log_likelihood < 0
    assert q_star < point.mean_abs_m < math.sqrt(q_star)


def test_sweeps_broadcast_and_are_the_points():
    model = rp.StochasticPerceptron([0.5, 0.8], 5.0)
    curve = rp.solve(model, alpha=[[0.2], [0.6]])
    assert curve.shape == (2, 2)
    one = rp.solve(rp.StochasticPerceptron(0.8, 5.0), alpha=0.6)
    assert curve[1, 1].energy_binarised == one.energy_binarised and curve[1, 1].q_star == 0.8
    assert rp.solve(model, 0.6, q_star=0.8).free_entropy == one.free_entropy
    stable = rp.stability(model, 0.6)
    assert stable.replicon[1] == one.replicon and bool(stable.stable[1]) == one.stable
    assert one.to_dict()["q_star"] == 0.8 and "energy_binarised" in one.to_dict()["errors"]


@pytest.mark.parametrize(
    "ask, line",
    [
        (lambda: rp.StochasticPerceptron(1.0), "q_star: got 1; takes"),
        (lambda: rp.StochasticPerceptron([0.5, 0.0]), "q_star: got 0; takes"),
        (lambda: rp.StochasticPerceptron("x"), "q_star: got 'x'; takes"),
        (lambda: rp.StochasticPerceptron(0.5, -1), "beta: got -1; takes"),
        (lambda: rp.solve(rp.StochasticPerceptron(0.5), math.nan), "alpha: got nan; takes"),
        (lambda: rp.solve(rp.StochasticPerceptron(0.5), 1, q_star=[0.2, 1.2]), "q_star: got 1.2; takes"),
        (lambda: rp.solve(rp.StochasticPerceptron(0.5), 1, kappa=0.1), "kappa: got 0.1 .*; takes None"),
        (lambda: rp.solve(rp.StochasticPerceptron(0.5), 1, branch="q=0"), "branch: got 'q=0' .*; takes"),
        (lambda: rp.solve(rp.StochasticPerceptron(0.5), 1, "1rsb"), "ansatz: got '1rsb'.*; takes rs"),
        (lambda: rp.solve(rp.StochasticPerceptron(0.5), 1, digits=30), "digits: got 30 .*; takes None"),
        (lambda: rp.solve(rp.StochasticPerceptron(0.5), [1, 2], beta=[1, 2, 3]), "alpha, beta, q_star: got shapes .*; takes"),
        (lambda: rp.solve(rp.Perceptron(), 0.5, q_star=0.5), "q_star: got 0.5 with a perceptron; takes"),
        (lambda: rp.capacity(rp.StochasticPerceptron(0.5)), "model: got stochastic perceptron.*; capacity takes"),
        (lambda: rp.derive(rp.StochasticPerceptron(0.5), "1rsb"), "ansatz: got '1rsb' .*; its derivation takes rs"),
    ],
)
def test_bad_input_is_one_line(ask, line):
    with pytest.raises(ValueError, match=line) as refused:
        ask()
    assert "\n" not in str(refused.value)


def test_a_point_is_fast():
    model = rp.StochasticPerceptron(0.8, 20.0)
    rp.solve(model, 0.55)
    took = []
    for _ in range(5):
        start = time.process_time()
        rp.solve(model, 0.55)
        took.append(time.process_time() - start)
    assert min(took) < 0.1  # 25 ms on an idle core


@njit
def _metropolis(xi, m, beta, lam, s, sweeps, skip, rng):
    P, N = xi.shape
    u = xi @ m / np.sqrt(N)
    logs = np.array([log_tail(-x / s) for x in u])
    out = np.zeros(5)
    step, fresh = 0.5, np.empty(P)
    for sweep in range(sweeps):
        for _ in range(N):
            i = int(N * rng.random())
            new = m[i] + step * (2 * rng.random() - 1)
            if abs(new) > 1 or rng.random() < 0.05:
                new = -m[i]
            gain = -0.5 * lam * (new * new - m[i] * m[i])
            for k in range(P):
                fresh[k] = u[k] + (new - m[i]) * xi[k, i] / np.sqrt(N)
                gain += beta * (log_tail(-fresh[k] / s) - logs[k])
            if np.log(rng.random()) < gain:
                m[i] = new
                for k in range(P):
                    u[k] = fresh[k]
                    logs[k] = log_tail(-u[k] / s)
        if sweep >= skip:
            field = xi @ np.sign(m)
            out[0] += np.mean(m * m)
            out[1] += np.mean(np.abs(m))
            out[2] += np.mean(field < 0)
            out[3] += np.mean(logs)
            out[4] += 1
    return out[:4] / out[4]


@pytest.mark.slow
def test_against_a_simulation():
    """Metropolis sampling in a field on m^2 that leaves its mean at q_star: lam less what the patterns contribute, -alpha E f''."""
    alpha, beta, q_star, N = 0.6, 3.0, 0.4, 151  # odd: no ties
    point = rp.solve(rp.StochasticPerceptron(q_star, beta), alpha)
    z, w = normal(201)
    nodes = legendre(20)
    bend = w @ pattern_table(z * math.sqrt(point.q), q_star - point.q, math.sqrt(1 - q_star), beta, *nodes, 0.8)[2]
    rng = np.random.default_rng(5)
    found = []
    for _ in range(12):
        xi = rng.choice([-1.0, 1.0], size=(round(alpha * N), N))
        found.append(_metropolis(xi, rng.uniform(-1, 1, N), beta, point.lam + alpha * bend, math.sqrt(1 - q_star), 800, 200, rng))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / math.sqrt(12)
    want = np.array([q_star, point.mean_abs_m, point.energy_binarised, point.log_likelihood])
    assert np.all(error < [0.01, 0.01, 0.008, 0.01])
    assert np.all(np.abs(mean - want) < 4 * error)
