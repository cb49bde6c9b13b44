"""k-step functionals: gradients against differences, the sphere's closed form against extremisation, reductions to RS."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import replicas as rp
from replicas.symbolic import symbols as S
from replicas.symbolic.fluctuations import curvature, four_fields, replicon_pattern
from replicas.symbolic.hierarchy import block_matrix
from replicas.symbolic.nodes import Level, LogMean, Tilt, linear, saddle_form
from replicas.symbolic.numeric import evaluate, leaf_value
from replicas.symbolic.rs import functional as rs
from replicas.symbolic.rsb import Ladder, conjugates, functional, overlaps, parisi
from replicas.symbolic.rsb import _sphere as sphere
from replicas.symbolic.towers import NODES, WEIGHTS, power_mean, spline, tower_value

STEP = 1e-4  # of a central difference: error 1e-8 of the third derivative
DIFFERENCE = 1e-6
QUADRATURE = 1e-11  # of the referee's nested panels
POINT = {
    "q0": 0.3,
    "q1": 0.7,
    "qhat0": 0.8,
    "qhat1": 1.9,
    "m1": 0.6,
    "alpha": 0.9,
    "kappa": 0.2,
    "lambda": 0.4,
    "Q": 1.0,
}


def value(expr, model, **changes):
    f = functional(model)
    return float(evaluate(f.closed_form(expr), POINT | changes, f.leaves))


@pytest.mark.parametrize("weights", ["binary", "spherical", "ternary"])
def test_one_step_gradient(weights):
    """Stein, the heat equation and the Parisi weights give the derivative of the nested averages."""
    model = rp.Perceptron(weights, kappa=0.2)
    f = functional(model)
    for x in f.unknowns:
        up, down = (value(f.expr, model, **{x.name: POINT[x.name] + s * STEP}) for s in (1, -1))
        assert value(f.grad()[x], model) == pytest.approx((up - down) / (2 * STEP), abs=DIFFERENCE), x


@pytest.mark.parametrize("k", [1, 2, 3])
def test_sphere_is_the_extremum_over_the_conjugates(k):
    """Exact rationals: every derivative of the unreduced form vanishes at the eliminated conjugates, and the values agree."""
    q, c, m = overlaps(k), conjugates(k), parisi(k)
    lams = [S.lam]
    for j in range(k, 0, -1):
        lams.insert(0, lams[0] - m[j - 1] * (c[j] - c[j - 1]))
    weights = -sp.log(S.lam) / 2 - sp.Rational(1, 2) + c[0] / (2 * lams[0])
    weights -= sum(sp.log(lams[j - 1] / lams[j]) / (2 * m[j - 1]) for j in range(1, k + 1))
    free = S.lam / 2 - c[k] * (1 - q[k]) / 2 + weights
    free -= sum(m[j - 1] * (c[j] * q[j] - c[j - 1] * q[j - 1]) for j in range(1, k + 1)) / 2
    entropy, eliminated = sphere(k)
    at = {q[j]: sp.Rational(j + 2, k + 5) for j in range(k + 1)} | {m[j]: sp.Rational(j + 1, k + 3) for j in range(k)}
    there = {x: e.subs(at) for x, e in eliminated.items()}
    for x in (*c, S.lam):
        assert free.diff(x).subs(at).subs(there) == 0
    assert abs(sp.N(free.subs(at).subs(there) - entropy.subs(at), 30)) < 1e-28


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_equal_overlaps_are_replica_symmetric(weights):
    """q1 = q0 (nearly: the level has no width left) is the RS functional whatever m."""
    model = rp.Perceptron(weights, kappa=0.2)
    plain = rs(model)
    env = {"q": 0.3, "qhat": 0.8, "alpha": 0.9, "kappa": 0.2}
    want = float(evaluate(plain.closed_form(), env, plain.leaves))
    for m in (0.3, 0.9):
        assert value(functional(model).expr, model, q1=0.3, qhat1=0.8, m1=m) == pytest.approx(want, abs=QUADRATURE)


def test_one_step_at_m_one_does_not_depend_on_the_inner_overlap_of_the_patterns():
    """m = 1: E exp(f) integrates the inner level away, so that only the outer overlap is left in both towers."""
    model = rp.Perceptron("spherical", kappa=0.2)
    values = [value(functional(model).expr, model, m1=1.0, q1=q1) for q1 in (0.5, 0.8)]
    plain = rs(model)
    want = float(evaluate(plain.closed_form(), {"q": 0.3, "alpha": 0.9, "kappa": 0.2}, plain.leaves))
    assert values == pytest.approx([want, want], abs=QUADRATURE)


def test_no_breaking_on_the_nishimori_line():
    with pytest.raises(ValueError, match="takes rs"):
        functional(rp.Perceptron(task="teacher-student"))


@pytest.mark.parametrize("weights", ["binary", "spherical", "ternary"])
def test_replicons_at_equal_overlaps_are_the_replica_symmetric_one(weights):
    """Without a width of the level between them both replicons are that of the RS saddle with the same overlap."""
    model = rp.Perceptron(weights, kappa=0.2)
    plain, f = rs(model), functional(model)
    norm = {"Q": 0.8}
    env = {"q": 0.3, "qhat": 0.8, "alpha": 0.9, "kappa": 0.2, "lambda": 0.4} | norm
    want = float(evaluate(plain.closed_form(plain.observables["replicon"]), env, plain.leaves))
    for name in ("replicon0", "replicon1"):
        got = value(f.observables[name], model, q1=0.3 + 1e-13, qhat1=0.8 + 1e-13, m1=0.7, **norm)
        assert got == pytest.approx(want, abs=1e-9), name


@pytest.mark.parametrize("k", [1, 2])
def test_every_level_obeys_the_heat_equation(k):
    """d_C f_j = (f_j'' + m_j f_j'^2)/2, symbolically: q_{j-1} enters f_j only through C = q_j - q_{j-1}."""
    f = functional(rp.Perceptron("spherical"), k)
    ladder = Ladder(next(t for t in f.expr.atoms(LogMean) if t.level.power == 0))
    for j in range(k):
        by_variance = -saddle_form(ladder.functions[j].diff(overlaps(k)[j]))
        rule = (ladder.second[j] + parisi(k)[j] * ladder.first[j] ** 2) / 2
        assert sp.expand(by_variance - linear(rule)) == 0


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_complexity_is_the_slope_in_the_block_size(weights):
    """Sigma = -m^2 d phi/d m, from two values of the free entropy."""
    model = rp.Perceptron(weights, kappa=0.2)
    f, m = functional(model), POINT["m1"]
    up, down = (value(f.expr, model, m1=m + s * STEP) for s in (1, -1))
    want = -(m**2) * (up - down) / (2 * STEP)
    assert value(f.observables["complexity"], model) == pytest.approx(want, abs=DIFFERENCE)


def test_mean_log_likelihood_is_the_slope_in_the_temperature():
    """alpha E <log Theta> = beta d phi/d beta at fixed order parameters."""
    model = rp.Perceptron(beta=1.3, kappa=0.2)
    f = functional(model)
    up, down = (value(f.expr, model, beta=1.3 + s * STEP) for s in (1, -1))
    got = value(f.observables["loglik"], model, beta=1.3)
    assert got == pytest.approx(1.3 * (up - down) / (2 * STEP), abs=DIFFERENCE) and got < 0


def test_the_gradient_of_the_sphere_is_that_of_its_reduced_entropy():
    """Taken before the conjugates are inserted, which are stationary: exact rationals close to capacity."""
    q, m = overlaps(2), parisi(2)
    f = functional(rp.Perceptron("spherical"), 2)
    at = {q[0]: 1 - sp.Rational(1, 10**6), q[1]: 1 - sp.Rational(1, 10**8), q[2]: 1 - sp.Rational(1, 10**10)}
    at |= {m[0]: sp.Rational(1, 10**9), m[1]: sp.Rational(1, 10**8)}
    entropy, _ = sphere(2)
    for x in q:
        algebra = sp.Add(*(t for t in f.grad()[x].args if not t.has(S.alpha)))
        assert sp.simplify(algebra.subs(at) - entropy.diff(x).subs(at)) == 0


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_at_m_one_the_replicon_between_states_is_replica_symmetric(weights):
    """m = 1 integrates the inner level away; the weights keep their overlap q_1 only on the sphere's eigenvalue."""
    model = rp.Perceptron(weights, kappa=0.2)
    plain, f = rs(model), functional(model)
    env = {"q": 0.3, "qhat": 0.8, "alpha": 0.9, "kappa": 0.2}
    want = float(evaluate(plain.closed_form(plain.observables["replicon"]), env, plain.leaves))
    assert value(f.observables["replicon0"], model, m1=1.0) == pytest.approx(want, abs=1e-9)


PERTURBED = {"between": ((8, 2), 0), "inside": ((8, 4), 1)}  # block sizes of eight replicas, level of the fluctuation


@pytest.mark.parametrize("where", PERTURBED)
def test_replicon_is_the_curvature_of_the_replicated_free_entropy(where):
    """Eight replicas on the sphere: log det Q/2 + alpha log int N(u; 0, Q) prod Theta along a replicon direction.

    Blocks (8, 2): four blocks move as one; blocks (8, 4): four replicas of one of two blocks. No conjugates, no product
    form assumed: determinants of explicit matrices, integrals over explicit common factors.
    """
    sizes, j = PERTURBED[where]
    model = rp.Perceptron("spherical", kappa=0.3)
    q0, q1, alpha, kappa = 0.2, 0.55, 0.9, 0.3
    n, m = sizes
    f = functional(model)
    env = {"q0": q0, "q1": q1, "m1": float(m), "n": float(n), "alpha": alpha, "kappa": kappa, "Q": 1.0}
    eta = replicon_pattern()
    explicit = np.kron(eta, np.ones((m, m))) if j == 0 else np.kron(np.diag([1.0, 0.0]), eta)
    overlap = block_matrix(1.0, [q0, q1], sizes)
    x = np.linspace(-5.0, 5.0, 401)
    grid = np.linspace(-16.0, 16.0, 1201)
    wide = 12.0

    def leaf(V):
        return spline(grid, leaf_value(f.leaves["f"], 0, 0, grid, V, env))

    def log_integral(eps):
        spread = 2 * abs(eps)
        if j == 0:
            inner = power_mean(leaf(1 - q1), m, np.sqrt(q1 - q0 - spread), wide)
            total = four_fields(lambda at: m * inner(at), x, eps * eta, 2 * abs(eps))
        else:
            wider = np.linspace(-10.0, 10.0, 801)
            block = spline(wider, four_fields(leaf(1 - q1 - spread), wider, eps * eta, 2 * abs(eps)))
            both = [power_mean(phi, 1, np.sqrt(q1 - q0), 5.0) for phi in (block, lambda at: m * leaf(1 - q1)(at))]
            total = both[0](x) + both[1](x)
        return np.log(WEIGHTS @ np.exp(spline(x, total)(np.sqrt(q0) * NODES)))

    def free(eps):
        return 0.5 * np.linalg.slogdet(overlap + eps * explicit)[1] + alpha * log_integral(eps)

    ladder = Ladder(next(t for t in f.expr.atoms(LogMean) if t.level.power == 0))
    outer = Level(S.n, *ladder.levels[0].args[1:])
    obs = ladder.second[0] ** 2 if j == 0 else Tilt(ladder.levels[1], ladder.functions[1], ladder.second[1] ** 2)
    square = tower_value(Tilt(outer, ladder.functions[0], obs), env, f.leaves)
    L = (1 - q1 + m * (q1 - q0), 1 - q1)[j]
    pairs = m**2 if j == 0 else 1
    want = -pairs / L**2 * (1 - alpha * L**2 * square)
    assert curvature(free, 0.01) == pytest.approx(want, rel=2e-4)
