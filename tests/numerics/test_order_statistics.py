"""log I of machines of sign units: direct quadrature over the fields, sampling, finite differences and limits."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicas.numerics import multisets
from replicas.numerics.order_statistics import averages, log_table, machine

PANELS = 5e-12  # 60 nodes a panel, smooth inside; sums of products of a few hundred positive terms
SAMPLES = 60_000
SIGMAS = 5.0  # of the sampled mean: one failure in a million
DIFFERENCED = 2e-8  # central differences of relative step 1e-4: step^2 times a third derivative of order one
RULE = 1e-10  # relative to the largest value; 1e-12 but for weak springs of five fields
ORDER = 1e-12  # the same numbers summed in another order
FIRST_ORDER = 1e-5  # w or c at which the next order is that small


def threshold(K, r):
    return tuple(c >= r for c in range(K + 1))


def parity(K):
    return tuple((K - c) % 2 == 0 for c in range(K + 1))


def energy(accepted, h):
    """Cheapest sum of h_j^2 over a set of fields whose flip is accepted, by trying every set."""
    K = h.shape[-1]
    best = np.full(h.shape[:-1], np.inf)
    for flips in itertools.product((False, True), repeat=K):
        positive = ((h > 0) != np.array(flips)).sum(axis=-1)
        cost = (h**2 * np.array(flips)).sum(axis=-1)
        best = np.where(np.array(accepted)[positive], np.minimum(best, cost), best)
    return best


def one(accepted, omega, c, w):
    """log I at one set of fields, through the table of all multisets of them."""
    K = len(omega)
    row = np.flatnonzero((multisets.members(K, K) == np.arange(K)).all(axis=1))[0]
    return log_table(machine(accepted), np.sort(omega), c, w)[0, row]


def axis(omega, c, nodes=60):
    """Quadrature of one Gaussian field with a panel's edge at 0."""
    s = math.sqrt(c)
    edges = np.unique(np.clip([-np.inf, 0.0, np.inf], omega - 9 * s, omega + 9 * s))
    x, w = np.polynomial.legendre.leggauss(nodes)
    h = np.concatenate([0.5 * (b + a) + 0.5 * (b - a) * x for a, b in itertools.pairwise(edges)])
    weight = np.concatenate([0.5 * (b - a) * w for a, b in itertools.pairwise(edges)])
    return h, weight * np.exp(-0.5 * (h - omega) ** 2 / c) / math.sqrt(2 * math.pi * c)


def majority_of_three(omega, c, w):
    """I by sign regions: two positive fields or three are free, one pays the cheaper of two, none the two cheapest.

    min(a, b) and the sum of the two smallest are integrated by nested tails, P(|h| > v) of every field from its own axis.
    """
    v, dv = np.polynomial.legendre.leggauss(400)
    end = max(abs(o) for o in omega) + 9 * math.sqrt(c)
    v, dv = 0.5 * end * (v + 1), 0.5 * end * dv
    up = [0.5 * math.erfc(-o / math.sqrt(2 * c)) for o in omega]
    density = [np.exp(-0.5 * (v + o) ** 2 / c) / math.sqrt(2 * math.pi * c) for o in omega]  # of a negative field -v
    beyond = [np.array([0.5 * math.erfc((x + o) / math.sqrt(2 * c)) for x in v]) for o in omega]
    pay = np.exp(-0.5 * w * v * v)
    total = np.prod(up) + sum(math.prod(up[j] for j in range(3) if j != i) * (1 - up[i]) for i in range(3))
    for i, j, k in itertools.permutations(range(3)):
        total += up[k] * (dv * density[i] * pay * beyond[j]).sum()  # i the cheaper of two negative fields
    for i, j, k in itertools.permutations(range(3)):  # |h_i| < |h_j| < |h_k|: the innermost in closed form
        spring = 1 + w * c
        mean, width = -omega[i] / spring, math.sqrt(c / spring)
        scale = math.exp(-0.5 * w * omega[i] ** 2 / spring) / math.sqrt(spring)
        paid = [0.5 * (math.erf((x - mean) / width / 2**0.5) + math.erf(mean / width / 2**0.5)) for x in v]
        total += (dv * density[j] * pay * scale * np.array(paid) * beyond[k]).sum()
    return total


fields = st.lists(st.floats(-2.5, 2.5), min_size=3, max_size=3)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(fields, st.floats(0.1, 1.0), st.floats(0.01, 200.0))
def test_majority_of_three_by_sign_regions(omega, c, w):
    assert one(threshold(3, 2), omega, c, w) == pytest.approx(
        math.log(majority_of_three(omega, c, w)), rel=1e-9, abs=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=2), st.floats(0.1, 1.0), st.floats(0.01, 200.0))
def test_parity_of_two_by_wedges(omega, c, w):
    """I = P(equal signs) + integral over the four wedges |h_i| < |h_j| of unequal signs."""
    total = 0.0
    (up_a, up_b) = (0.5 * math.erfc(-o / math.sqrt(2 * c)) for o in omega)
    total += up_a * up_b + (1 - up_a) * (1 - up_b)
    for (i, j), sign in itertools.product(((0, 1), (1, 0)), (1, -1)):
        h, weight = axis(sign * omega[i], c, 200)
        keep = h > 0
        other = np.array([0.5 * math.erfc((x + sign * omega[j]) / math.sqrt(2 * c)) for x in h[keep]])
        total += (weight[keep] * np.exp(-0.5 * w * h[keep] ** 2) * other).sum()
    assert one(parity(2), omega, c, w) == pytest.approx(math.log(total), rel=1e-9, abs=1e-12)


MACHINES = [threshold(5, 3), threshold(7, 4), threshold(4, 1), threshold(4, 4), parity(3), parity(4), parity(5)]


@pytest.mark.parametrize("accepted", MACHINES)
def test_sampled_fields(accepted):
    K = len(accepted) - 1
    rng = np.random.default_rng([K, sum(accepted)])
    for c, w in ((0.4, 7.0), (0.2, 60.0)):
        omega = rng.normal(size=K) * 0.8
        h = omega + math.sqrt(c) * rng.standard_normal((SAMPLES, K))
        paid = np.exp(-0.5 * w * energy(accepted, h))
        assert abs(math.exp(one(accepted, omega, c, w)) - paid.mean()) < SIGMAS * paid.std() / math.sqrt(SAMPLES)


@pytest.mark.parametrize(
    "accepted", [threshold(1, 1), threshold(3, 2), threshold(5, 3), threshold(3, 1), parity(2), parity(3)]
)
@pytest.mark.parametrize(("c", "w"), [(0.35, 20.0), (0.8, 0.05), (0.1, 400.0)])
def test_derivatives_and_rules(accepted, c, w):
    kind, omega = machine(accepted), np.linspace(-1.8, 2.0, 5)
    shift = 0.3 * omega
    exact = log_table(kind, omega, c, w, shift, -1.0)
    finer = log_table(kind, omega, c, w, shift, -1.0, quality=1.6)
    e = 1e-4
    by_w = (log_table(kind, omega, c, w * (1 + e)) - log_table(kind, omega, c, w * (1 - e)))[0] / (2 * e * w)
    e *= c
    ends = [log_table(kind, omega + s * shift, c - s, w)[0] for s in (e, -e)]
    scale = np.abs(exact).max(axis=1)
    assert (np.abs(exact - finer).max(axis=1) < RULE * scale).all()
    assert np.abs(by_w - exact[1]).max() < DIFFERENCED * scale[1]
    assert np.abs((ends[0] - ends[1]) / (2 * e) - exact[2]).max() < DIFFERENCED * scale[2]


@pytest.mark.parametrize("accepted", [threshold(3, 2), threshold(5, 3), parity(4)])
def test_averages_are_the_weighted_table(accepted):
    kind, omega = machine(accepted), np.linspace(-2, 2, 7)
    weight = np.exp(-0.5 * omega**2) / 3
    table = log_table(kind, omega, 0.4, 15.0, 0.2 * omega, -1.0)
    weights = multisets.weights(weight, kind.K)
    mean = averages(kind, omega, weight, 0.4, 15.0, 0.2 * omega, -1.0)
    assert [mean.value, mean.by_w, mean.along] == pytest.approx(table @ weights, rel=ORDER)
    assert mean.kept == pytest.approx(weights.sum(), rel=ORDER)
    least = float(np.quantile(weights, 0.3))
    kept = weights >= least * (1 + 1e-9)
    assert averages(kind, omega, weight, 0.4, 15.0, least=least * (1 + 1e-9)).value == pytest.approx(
        table[0, kept] @ weights[kept], rel=ORDER
    )


@pytest.mark.parametrize("accepted", [threshold(3, 2), threshold(5, 3), parity(3)])
def test_weak_springs_and_little_noise(accepted):
    """w -> 0: -2 log I/w -> E[E(h)], kept relative to log I; c -> 0: -2 log I/w -> E(omega)."""
    K = len(accepted) - 1
    omega = np.linspace(-1.1, 0.7, K)
    first, second = (-2 * one(accepted, omega, 0.3, w) / w for w in (1e-6, 1e-9))
    assert first == pytest.approx(second, rel=FIRST_ORDER)
    rng = np.random.default_rng(1)
    sampled = energy(accepted, omega + math.sqrt(0.3) * rng.standard_normal((SAMPLES, K)))
    assert abs(second - sampled.mean()) < SIGMAS * sampled.std() / math.sqrt(SAMPLES)
    assert -2 * one(accepted, omega, 1e-6, 2.0) / 2.0 == pytest.approx(
        energy(accepted, omega), rel=FIRST_ORDER, abs=FIRST_ORDER
    )


@pytest.mark.parametrize("accepted", [threshold(3, 2), threshold(5, 3), parity(3)])
def test_both_integrals_agree_where_they_meet(accepted, monkeypatch):
    """The small-w route (1 - I) and the large-w route (I) meet at w = SOFT."""
    kind, omega = machine(accepted), np.linspace(-1.5, 1.5, 6)
    below, above = (log_table(kind, omega, 0.4, w)[0] for w in (1 - 1e-13, 1 + 1e-13))
    assert below == pytest.approx(above, rel=1e-10)


def test_reflected_and_bad_machines():
    assert machine((True, True, False, False)) == machine((False, False, True, True))
    assert machine((False, True, False)) == machine((True, False, True))
    for bad in [(True, True, True), (False, False), (True, False, False, True)]:
        with pytest.raises(ValueError, match="accepted"):
            machine(bad)
    with pytest.raises(ArithmeticError, match="underflows"):
        log_table(machine((False, True)), np.array([-8.0]), 0.01, 1e6)
