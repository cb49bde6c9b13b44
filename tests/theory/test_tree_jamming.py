"""One- and two-step capacities of trees of sign units: known limits, stationarity, and functionals written out anew."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import ndtr

import replicas as rp
from replicas.numerics.order_statistics import machine
from replicas.theory import tree_jamming
from replicas.theory.tree_jamming import at, one_step, symmetric

K3, K3_ERROR = 3.1458419235, 2e-10  # one step, K = 3: this evaluation, and the brute force below to its own accuracy
K3_TWO, K3_TWO_ERROR = 3.1339912, 5e-7
BRUTE = 2e-3  # product rules across the kinks of E at ties, with 40 nodes on either side of 0
EXTRAPOLATED = 3e-5  # the same with 40 and 80, whose error falls as the square
QUADRATURE = 1e-9  # adaptive quadrature of one dimension
NEARBY = 1e-3  # relative move of order parameters that raises alpha by far more than its error
VANISHING = 1e-3  # of 1/E[E(h)] at w = 1e-4: the next order, of a coefficient of a few


def threshold(K, r):
    return tuple(c >= r for c in range(K + 1))


def parity(K):
    return tuple((K - c) % 2 == 0 for c in range(K + 1))


MAJORITY = threshold(3, 2)


def test_symmetric_limits():
    """1/alpha = K int_0^inf Dt t^2 sum_j binom(K-1, j) H^{K-1-j} (1-H)^j for a majority; E min h^2/2 for a parity."""
    for K in (1, 3, 5):

        def integrand(t, K=K):
            H = ndtr(-t)
            chosen = sum(math.comb(K - 1, j) * H ** (K - 1 - j) * (1 - H) ** j for j in range((K + 1) // 2))
            return K * t * t * chosen * math.exp(-t * t / 2) / math.sqrt(2 * math.pi)

        assert symmetric(machine(threshold(K, (K + 1) // 2))) == pytest.approx(
            1 / quad(integrand, 0, 12)[0], rel=QUADRATURE
        )
    for K in (2, 4):
        mean = quad(lambda v, K=K: 2 * v * (2 * ndtr(-v)) ** K, 0, 12)[0] / 2
        assert symmetric(machine(parity(K))) == pytest.approx(1 / mean, rel=QUADRATURE)


def test_perceptron_and_conjunctions_are_symmetric():
    for K in (1, 2, 4):
        found = one_step(threshold(K, K))
        assert found.ansatz == "rs" and found.value == pytest.approx(2 / K, rel=1e-12)
    for q0, w in ((0.3, 0.5), (0.7, 20.0)):
        assert at(machine(threshold(1, 1)), q0, w, 10, False).value > 2


@pytest.mark.parametrize("accepted", [MAJORITY, threshold(3, 1), parity(3)])
def test_ratio_ends_in_the_symmetric_value(accepted):
    kind = machine(accepted)
    for q0, w in ((0.5, 1e-4), (0.9, 1e-4)):
        assert at(kind, q0, w, 8, False).value == pytest.approx(symmetric(kind), rel=VANISHING)


def test_majority_of_three():
    found = one_step(MAJORITY)
    q0, r = found.order_parameters["q0"], found.order_parameters["r"]
    assert found.ansatz == "1rsb" and found.error < 1e-10 and found.residual < 1e-7
    assert abs(found.value - K3) < K3_ERROR
    assert found.value < symmetric(machine(MAJORITY))
    for factor in (1 - NEARBY, 1 + NEARBY):
        for q, w in ((q0 * factor, r), (q0, r * factor)):
            assert at(machine(MAJORITY), q, w, 12, False).value > found.value + 100 * found.error
    coarser = one_step(MAJORITY, digits=8)
    assert abs(coarser.value - found.value) < coarser.error + found.error
    for name, error in coarser.errors.items():
        assert abs(coarser.order_parameters[name] - found.order_parameters[name]) < error + found.errors[name]


def test_gradient_is_that_of_the_ratio():
    kind = machine(threshold(3, 1))
    y = np.array([0.4, 2.5])
    point = at(kind, *tree_jamming._unpack(y), 8)
    for i, d in enumerate(1e-4 * np.eye(2)):
        ends = [math.log(at(kind, *tree_jamming._unpack(y + s * d), 8, False).value) for s in (1, -1)]
        assert point.gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-4)  # the lattice moves with y


def test_majority_of_five_agrees_with_coarser_ones():
    rough, fine = (one_step(threshold(5, 3), digits=d) for d in (6, 7.5))
    assert abs(rough.value - fine.value) < rough.error + fine.error < 1e-5
    assert fine.value == pytest.approx(3.61930581, abs=2e-8)


def test_reflection_and_digits():
    assert one_step((True, True, False, False)).value == one_step(MAJORITY).value
    with pytest.raises(ArithmeticError, match="feasible"):
        one_step(threshold(15, 8), digits=12)


@pytest.mark.parametrize("K", [3, 4, 8])
def test_parity_at_vanishing_overlap(K):
    """alpha(w) = log(1+w)/(-2 log E e^{-w E/2}) with E written out; above q_0 = 0 it is larger."""
    found = one_step(parity(K))

    def ratio(w):
        paid = quad(
            lambda v: w * v * math.exp(-w * v * v / 2) * (2 * ndtr(-v)) ** K, 0, 12 / math.sqrt(w), epsabs=1e-13
        )[0]
        return 0.5 * math.log1p(w) / -math.log1p(-paid / 2)

    r = found.order_parameters["r"]
    assert found.ansatz == "1rsb" and found.order_parameters["q0"] == 0
    assert found.value == pytest.approx(ratio(r), rel=QUADRATURE)
    assert min(ratio(r * (1 - NEARBY)), ratio(r * (1 + NEARBY))) > found.value
    if K < 5:
        for q0 in (0.02, 0.2, 0.5, 0.8):
            for w in (0.3 * r, r, 3 * r):
                assert at(machine(parity(K)), q0, w, 6, False).value > found.value


def _brute(q0, w, outer, inner):
    """The K = 3 ratio by plain product rules over t and over the inner fields: no order statistics, no multisets."""
    t, weight = np.polynomial.hermite_e.hermegauss(outer)
    weight = weight / weight.sum()
    c = 1 - q0
    # inner field by Gauss-Legendre panels on either side of 0, where E has its kink
    x, dx = np.polynomial.legendre.leggauss(inner)
    h = np.concatenate([0.5 * (x - 1), 0.5 * (x + 1)]) * (math.sqrt(q0) * abs(t).max() + 7 * math.sqrt(c))
    dh = np.concatenate([dx, dx]) * 0.5 * (math.sqrt(q0) * abs(t).max() + 7 * math.sqrt(c))
    G = dh * np.exp(-0.5 * (h - math.sqrt(q0) * t[:, None]) ** 2 / c) / math.sqrt(2 * math.pi * c)
    table = np.exp(-0.5 * w * _cheapest(h))
    for _ in range(3):
        table = np.tensordot(table, G, axes=(0, 1))
    mean = np.einsum("i,j,k,ijk", weight, weight, weight, np.log(table))
    L = 1 + w * c
    return -0.5 * (math.log(L) + w * q0 / L) / mean


def _cheapest(h):
    """E on the product grid: with n negative fields, the n - 1 smallest h^2 of them."""
    grid = np.stack(np.meshgrid(h, h, h, indexing="ij"))
    paid = np.sort(np.where(grid < 0, grid**2, 0.0), axis=0)  # positive fields first, at no cost
    negative = (grid < 0).sum(axis=0)
    return np.where(negative == 3, paid[0] + paid[1], np.where(negative == 2, paid[1], 0.0))


def test_parity_of_two_lies_at_a_positive_overlap():
    """q_0 = 0 is stationary there, and unstable: alpha at its w falls with q_0."""
    found = one_step(parity(2))
    kind = machine(parity(2))
    zero = tree_jamming._parity(kind, symmetric(kind))
    falling = [at(kind, q0, zero.order_parameters["r"], 9, False).value for q0 in (0.1, 0.05, 0.01)]
    assert falling == sorted(falling) and falling[-1] < zero.value
    assert found.value < zero.value - 0.02
    q0, r = found.order_parameters["q0"], found.order_parameters["r"]
    for q, w in ((q0 * 0.99, r), (q0 * 1.01, r), (q0, r * 0.99), (q0, r * 1.01)):
        assert at(kind, q, w, 10, False).value > found.value


@pytest.mark.slow
def test_majority_of_three_by_brute_force():
    found = one_step(MAJORITY)
    low = minimize(
        lambda y: _brute(1 / (1 + math.exp(-y[0])), math.exp(y[1]), 20, 40),
        [0.6, 3.0],
        method="Nelder-Mead",
        options={"xatol": 1e-3, "fatol": 1e-7},
    )
    assert low.fun == pytest.approx(found.value, rel=BRUTE)
    q0, r = found.order_parameters["q0"], found.order_parameters["r"]
    assert math.exp(low.x[1]) == pytest.approx(r, rel=0.1)
    half, full = (_brute(q0, r, 40, n) for n in (40, 80))
    assert (4 * full - half) / 3 == pytest.approx(found.value, rel=EXTRAPOLATED)


@pytest.mark.slow
def test_two_steps():
    from replicas.theory import tree_jamming_steps as steps

    kind = machine(MAJORITY)
    y = np.array([0.8, -0.2, 2.5, 4.0])
    grid = steps.lattice(y, 6)
    point = steps.at(kind, y, grid)
    for i, d in enumerate(1e-4 * np.eye(4)):
        ends = [math.log(steps.at(kind, y + s * d, grid).value) for s in (1, -1)]
        assert point.gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-6, abs=1e-8)
    # r_1 = r_2 is one step
    c, r = steps.unpack(np.append(y[:3], -30.0))
    merged = steps.at(kind, np.append(y[:3], -30.0), steps.lattice(y, 12)).value
    assert merged == pytest.approx(at(kind, float(c[0]), float(r[2]), 10, False).value, rel=1e-6)
    found = steps.two_step(MAJORITY)
    assert found.ansatz == "2rsb" and found.error < 1e-6
    assert abs(found.value - K3_TWO) < K3_TWO_ERROR + found.error
    assert found.value < one_step(MAJORITY).value


def test_two_steps_name_what_is_feasible():
    from replicas.theory.tree_jamming_steps import two_step

    with pytest.raises(ValueError, match="up to 3"):
        two_step(threshold(5, 3))
    with pytest.raises(ValueError, match="parity"):
        two_step(parity(2))


@pytest.mark.slow
def test_two_steps_from_the_interface():
    machine = rp.TreeCommittee(3, "spherical")
    found, one = rp.capacity(machine, "krsb"), rp.capacity(machine, "krsb", k=1)
    assert found.ansatz == "krsb" and abs(found.value - 3.1339913) < 2e-7 and found.error < 2e-7
    assert one.value == rp.capacity(machine, "1rsb").value > found.value
