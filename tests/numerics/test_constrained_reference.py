"""The constrained reference against direct quadrature of its free entropy, and the limits that it must have."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr, logsumexp

import replicas as rp
from replicas.numerics.constrained_reference import (
    Conjugates,
    Constrained,
    Overlaps,
    algebra,
    check_cone,
    patterns,
    weights,
)
from replicas.numerics.leaf_tables import pattern_table, weight_table
from replicas.numerics.local_reference import Unconstrained
from replicas.numerics.local_system import NoValue, newton
from replicas.numerics.parisi import tower
from replicas.numerics.saddle import make_batch
from replicas.theory.franz_parisi import franz_parisi

DIRECT = 2e-9  # direct sums in three dimensions and the kernels at quality 1, relative
DIFFERENCES = 2e-8  # fourth-order differences of the free entropy, relative to it
SADDLE = 1e-10  # free entropies and overlaps at a saddle: what quality 1 leaves out
SLOPE = 1e-9  # slopes, in which order parameters are not stationary
STEP = 2e-4

TYPICAL = (
    Conjugates(0.8, 0.3, 0.5, 0.6, 0.7),
    Overlaps(0.5, 0.12, 0.15, 0.4, 0.25, 0.5, 0.38, 0.45),
)
DENSE = (
    Conjugates(0.6, 0.08, 2.0, 9.0, 0.4),
    Overlaps(0.12, 0.03, 0.02, 0.35, 0.1, 0.88, 0.71, 0.63),
)


def normal(step: float, far: float = 9.0) -> tuple[np.ndarray, np.ndarray]:
    z = np.arange(-far, far + step / 2, step)
    return z, step * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def direct_weights(y: float, c: Conjugates, step: float) -> float:
    """W as it is written: x~ and x correlated, the sum over w~, the average over eta."""
    z, w = normal(step)
    eta = np.arange(-y * math.sqrt(c.gap) - 9, y * math.sqrt(c.gap) + 9, min(0.3, 0.3 / math.sqrt(c.gap)))
    log_eta = -eta * eta / 2 + math.log(eta[1] - eta[0]) - 0.5 * math.log(2 * math.pi)
    x = math.sqrt(c.q0) * z
    inner = []
    for sign in (1, -1):
        u = x[:, None] + math.sqrt(c.gap) * eta + sign * c.shift
        inner.append(logsumexp(y * np.logaddexp(u, -u) + log_eta, axis=1))
    root = math.sqrt(c.q_ref)
    r = c.t / (root * math.sqrt(c.q0))
    x_ref = root * (r * z[:, None] + math.sqrt(1 - r * r) * z)
    return float(w @ np.logaddexp(x_ref + inner[0][:, None], -x_ref + inner[1][:, None]) @ w)


def direct_patterns(y: float, kappa: float, kappa_ref: float, o: Overlaps, step: float) -> float:
    """G as it is written, h~ first."""
    z, w = normal(step, 8.0)
    inner = np.arange(-9.0, 9.0 + 1.6 * y, 0.4 * step)  # the weight e^{y f} pushes it to large fields
    log_inner = -inner * inner / 2 + math.log(0.4 * step) - 0.5 * math.log(2 * math.pi)
    width, root = math.sqrt(o.gap), math.sqrt(o.q_ref)
    b = o.cross / width
    noise = math.sqrt(o.free_ref - b * b)
    r = o.t / math.sqrt(o.q_ref * o.q0)
    total = 0.0
    for zi, wi in zip(z, w):
        h = math.sqrt(o.q0) * (r * zi + math.sqrt(1 - r * r) * z)
        log_ref = log_ndtr((root * zi + b * inner - kappa_ref) / noise)
        field = (h[:, None] + width * inner - kappa) / math.sqrt(o.free)
        total += wi * float(w @ logsumexp(y * log_ndtr(field) + log_ref + log_inner, axis=1))
    return total


@pytest.mark.parametrize(
    ("y", "point", "kappas"), [(0.6, TYPICAL, (0.3, -0.4)), (3.5, TYPICAL, (0.0, 0.0)), (20.0, DENSE, (0.3, -0.4))]
)
def test_against_direct_sums(y, point, kappas):
    c, o = point
    W, P = weights(y, c), patterns(y, *kappas, o)
    direct = direct_weights(y, c, 0.02 if y > 10 else 0.05)
    assert abs(W.value - direct) < DIRECT * abs(direct)
    direct = direct_patterns(y, *kappas, o, 0.12 if y > 10 else 0.15)
    assert abs(P.value - direct) < DIRECT * abs(direct)


def slope(function) -> float:
    """Derivative at 0, to fourth order."""
    f = [function(k * STEP) for k in (-2, -1, 1, 2)]
    return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * STEP)


def free_entropy(y, c, o, alpha, kappa, kappa_ref):
    return math.fsum(algebra(y, c, o, o.p)) + weights(y, c).value + alpha * patterns(y, kappa, kappa_ref, o).value


def as_written(y, hats, overlaps, alpha, kappa, kappa_ref):
    """phi as a function of the symmetric parameters q~, t, p, q1, q0 and their conjugates."""
    qr, t, p, q1, q0 = hats
    c = Conjugates(q0, q1 - q0, t, qr - t * t / q0, p - t)
    qr_, t_, p_, q1_, q0_ = overlaps
    o = Overlaps(1 - qr_, p_ - t_, q1_ - q0_, 1 - q1_, 0.5 * (1 - p_), qr_, t_, q0_)
    terms = -0.5 * qr * (1 - qr_) + y * (t * t_ - p * p_) - 0.5 * y * (y - 1) * q1 * q1_ + 0.5 * y * y * q0 * q0_ - 0.5 * y * q1
    full = terms + weights(y, c).value + alpha * patterns(y, kappa, kappa_ref, o).value
    return full, free_entropy(y, c, o, alpha, kappa, kappa_ref)


@pytest.mark.parametrize(("y", "point"), [(0.6, TYPICAL), (3.5, TYPICAL), (20.0, DENSE)])
def test_every_derivative_off_the_saddle(y, point):
    """Overlaps and conjugates are what the derivatives of phi vanish with, at arbitrary parameters."""
    c, o = point
    alpha, kappas = 0.7, (0.2, -0.3)
    hats = np.array([c.q_ref, c.t, c.shift + c.t, c.q0 + c.gap, c.q0])
    overlaps = np.array([o.q_ref, o.t, o.p, o.q1, o.q0])
    whole, parts = as_written(y, hats, overlaps, alpha, *kappas)
    assert parts == pytest.approx(whole, rel=1e-12)
    W, P = weights(y, c), patterns(y, *kappas, o)
    s = W.overlaps
    new_hats = alpha * np.array(
        [P.square_ref, P.product, P.product + P.cross, P.square + P.spread, P.square]
    )
    new_overlaps = np.array([s.q_ref, s.t, s.p, s.q1, s.q0])
    prefactor = np.array([0.5, y, -y, -0.5 * y * (y - 1), 0.5 * y * y])
    phi = whole
    for k in range(5):
        e = np.zeros(5)
        e[k] = 1.0
        found = slope(lambda s, e=e: as_written(y, hats, overlaps + s * e, alpha, *kappas)[0])
        assert found == pytest.approx(prefactor[k] * (hats[k] - new_hats[k]), rel=DIFFERENCES, abs=DIFFERENCES * abs(phi))
        found = slope(lambda s, e=e: as_written(y, hats + s * e, overlaps, alpha, *kappas)[0])
        assert found == pytest.approx(prefactor[k] * (overlaps[k] - new_overlaps[k]), abs=DIFFERENCES * abs(phi))
    q1, q0 = hats[3:]
    by_y = hats[1] * o.t - hats[2] * o.p - (y - 0.5) * q1 * o.q1 + y * q0 * o.q0 - 0.5 * q1 + W.level + alpha * P.level
    found = slope(lambda s: as_written(y + s, hats, overlaps, alpha, *kappas)[0])
    assert found == pytest.approx(by_y, abs=DIFFERENCES * abs(phi))
    assert s.d == pytest.approx(0.5 * (1 - s.p), abs=1e-12)
    assert s.free_ref == pytest.approx(1 - s.q_ref, abs=1e-12)
    assert s.free == pytest.approx(1 - s.q1, abs=1e-12)
    rest = P.square_ref - P.product**2 / P.square
    assert P.rest_ref == pytest.approx(rest, abs=1e-12 * P.square_ref)


def at_saddle(alpha, kappa, kappa_ref, y, d):
    system = Constrained(make_batch(rp.Perceptron(weights="binary", kappa=kappa), alpha), kappa_ref)
    x = system.start(y, d)
    values = system.evaluate(x, y, d)
    assert np.max(np.abs(values.residual)) < SADDLE
    return system, x, values


def test_without_a_margin_the_reference_is_unconstrained():
    point = make_batch(rp.Perceptron(weights="binary", kappa=0.1), 0.5)
    y, d = 4.0, 0.15
    plain = Unconstrained(point)
    expected = plain.evaluate(newton(plain, plain.start(y, d), y, d).x, y, d)
    values = at_saddle(0.5, 0.1, -9.0, y, d)[2]  # H(9) = 1e-19
    assert values.phi == pytest.approx(expected.phi, abs=y * SADDLE)
    assert values.local_entropy == pytest.approx(expected.local_entropy, abs=SADDLE)
    assert values.external_entropy == pytest.approx(expected.external_entropy, abs=SADDLE)
    assert values.slope == pytest.approx(expected.slope, abs=SLOPE)
    for name in ("q1", "q0"):
        assert values.order_parameters[name] == pytest.approx(expected.order_parameters[name], abs=SADDLE)
    assert abs(at_saddle(0.5, 0.1, 0.1, y, d)[2].phi - expected.phi) > 1e-2


@pytest.mark.parametrize("d", [0.06, 0.2])
def test_at_y_one_reference_and_solution_change_places(d):
    one, other = (
        at_saddle(0.5, *kappas, 1.0, d)[2] for kappas in ((0.2, -0.3), (-0.3, 0.2))
    )
    assert one.phi == pytest.approx(other.phi, abs=SADDLE)
    assert one.slope == pytest.approx(other.slope, abs=SLOPE)
    assert one.order_parameters["q_ref"] == pytest.approx(other.order_parameters["q0"], abs=SADDLE)
    assert abs(one.local_entropy - other.local_entropy) > 1e-3


@pytest.mark.parametrize("kappa", [0.0, 0.3])
def test_at_y_one_they_are_two_clones(kappa):
    """phi(1) = twice the one-step free entropy of power 2 at fixed mutual overlap p, by the Parisi recursion."""
    alpha, d = 0.5, 0.12
    values = at_saddle(alpha, kappa, kappa, 1.0, d)[2]
    o = values.order_parameters
    assert o["q_ref"] == pytest.approx(o["q0"], abs=SADDLE)
    assert o["t"] == pytest.approx(o["q0"], abs=SADDLE)
    p, q0, q1_hat, q0_hat = 1 - 2 * d, o["q0"], o["p_hat"], o["q0_hat"]
    point = make_batch(rp.Perceptron(weights="binary", kappa=kappa), alpha)
    powers = np.array([0.0, 2.0])
    W = tower(weight_table(point.model, 0.0), np.array([q0_hat, q1_hat - q0_hat]), powers, 4.0).value
    G = tower(pattern_table(point, 1 - p), np.array([q0, p - q0]), powers, 4.0).value
    expected = -q1_hat * (1 - p) / 2 - (q1_hat * p - q0_hat * q0) + W + alpha * G
    assert values.phi == pytest.approx(2 * expected, abs=SADDLE)


def test_small_loads():
    """At alpha = 0 overlaps vanish and phi = log 2 + y H2(d); the slope in alpha is that of one pattern."""
    y, d, kappa, kappa_ref = 2.5, 0.2, 0.1, -0.2
    p = 1 - 2 * d
    entropy = -d * math.log(d) - (1 - d) * math.log(1 - d)
    rates = []
    for alpha in (1e-3, 2e-3):
        values = at_saddle(alpha, kappa, kappa_ref, y, d)[2]
        assert values.local_entropy == pytest.approx(entropy, abs=2 * alpha)
        rates.append((values.phi - math.log(2) - y * entropy) / alpha)

    def weighted(z: float) -> float:
        return math.exp(-z * z / 2 + y * log_ndtr((p * z - kappa) / math.sqrt(1 - p * p))) / math.sqrt(2 * math.pi)

    pattern = math.log(quad(weighted, kappa_ref, 12.0, epsabs=1e-13)[0])
    assert 2 * rates[0] - rates[1] == pytest.approx(pattern, abs=1e-5)


@pytest.mark.parametrize("kappa_ref", [-0.3, pytest.param(0.1, marks=pytest.mark.slow)])
def test_few_solutions_weigh_nothing(kappa_ref):
    """y -> 0: the references are typical, and S_I is their Franz-Parisi entropy."""
    model = rp.Perceptron(weights="binary", kappa=0.1)
    expected = franz_parisi(model, alpha=0.4, distance=0.15, reference_kappa=kappa_ref)
    at, doubled = (at_saddle(0.4, 0.1, kappa_ref, y, 0.15)[2] for y in (1e-4, 2e-4))
    assert 2 * at.local_entropy - doubled.local_entropy == pytest.approx(expected.entropy, abs=1e-8)
    assert 2 * at.slope - doubled.slope == pytest.approx(expected.slope, abs=1e-8)
    typical = rp.solve(rp.Perceptron(weights="binary", kappa=kappa_ref), alpha=0.4)
    assert 2 * at.external_entropy - doubled.external_entropy == pytest.approx(typical.entropy, abs=1e-8)


@pytest.mark.parametrize("y", [3.0, pytest.param(math.inf, marks=pytest.mark.slow)])
def test_slope(y):
    """d phi/dd = y slope."""
    point = make_batch(rp.Perceptron(weights="binary", kappa=0.0), 0.5)
    one = Constrained(point, 0.5, math.isinf(y))
    x, h = one.start(y, 0.2), 1e-3
    saddles = [newton(one, x, y, 0.2 + k * h) for k in (-2, -1, 0, 1, 2)]
    assert all(s.ok for s in saddles)
    f = [s.values.phi for s in saddles]
    found = (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * h)
    assert found == pytest.approx((1.0 if math.isinf(y) else y) * saddles[2].values.slope, rel=1e-8)


def test_infinite_y_without_a_margin():
    point = make_batch(rp.Perceptron(weights="binary", kappa=0.1), 0.5)
    plain, infinite = Unconstrained(point, infinite=True), Constrained(point, -9.0, infinite=True)
    expected = plain.evaluate(newton(plain, plain.start(math.inf, 0.2), math.inf, 0.2).x, math.inf, 0.2)
    values = infinite.evaluate(infinite.start(math.inf, 0.2), math.inf, 0.2)
    assert values.local_entropy == pytest.approx(expected.local_entropy, abs=SADDLE)
    assert values.slope == pytest.approx(expected.slope, abs=SLOPE)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "kappa_ref"), [(0.4, 0.0), (0.5, 0.5)])
def test_large_y_tends_to_the_limit(alpha, kappa_ref):
    """phi(y) = y S_I(inf) - a log y + ..., a = alpha P/2: what is left of phi/y and of S_I vanishes as 1/y."""
    point = make_batch(rp.Perceptron(weights="binary"), alpha)
    finite, infinite = Constrained(point, kappa_ref), Constrained(point, kappa_ref, infinite=True)
    limit = infinite.evaluate(infinite.start(math.inf, 0.2), math.inf, 0.2)
    assert limit.external_entropy == -math.inf
    x, last, gaps = finite.start(100.0, 0.2), 100.0, []
    for y in (100.0, 400.0, 1600.0):
        x, last = (x if y == last else finite.raised(x, y, 0.2, last)), y
        values = finite.evaluate(x, y, 0.2)
        gaps.append([values.local_entropy - limit.local_entropy, values.phi / y - limit.phi, values.slope - limit.slope])
        assert y * (1 - values.order_parameters["q_ref"]) < 10
    sizes = np.abs(gaps)
    assert np.all(sizes[2, :2] < [4e-5, 3e-4])
    assert np.all(sizes[2, [0, 2]] < 0.5 * sizes[1, [0, 2]])
    assert np.all(sizes[1, [0, 2]] < 0.7 * sizes[0, [0, 2]] + 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("y", "d"), [(0.01, 0.2), (1.0, 0.05), (5.0, 0.02), (20.0, 0.1), (100.0, 0.2), (300.0, 0.2)])
def test_refinement(y, d):
    """What quality 1 leaves out is below what an answer to 1e-8 may lack, and a finer rule agrees with an even finer one."""
    system, x, at = at_saddle(0.4, 0.0, 0.0, y, d)
    fine, finer = (system.evaluate(x, y, d, quality) for quality in (1.5, 2.2))
    assert at.local_entropy == pytest.approx(fine.local_entropy, abs=1e-10)
    assert at.external_entropy == pytest.approx(fine.external_entropy, abs=1e-9)
    assert np.max(np.abs(fine.residual)) < 1e-8
    assert fine.external_entropy == pytest.approx(finer.external_entropy, abs=1e-11 * (1 + y))


@pytest.mark.parametrize(
    ("change", "name"),
    [({"cross": 0.3}, "p-t"), ({"t": 0.6}, "t"), ({"free": -0.1}, "1-q1"), ({"gap": 0.0}, "q1-q0")],
)
def test_overlaps_outside_their_cone_are_named(change, name):
    o = replace(TYPICAL[1], **change)
    with pytest.raises(NoValue, match=f"^{name}: got .*; takes .*"):
        check_cone(o)


def test_bad_input():
    with pytest.raises(ValueError, match=r"^reference_kappa: got"):
        Constrained(make_batch(rp.Perceptron(weights="binary"), 0.4), -math.inf)
    with pytest.raises(ValueError, match=r"^model: got"):
        Constrained(make_batch(rp.Perceptron(weights="binary", likelihood="window", kappa=1.0), 0.4))
